"""Requests for a person's decision: one inbox over all agents, and the ways an answer gets back to the agent."""

from sessions.approvals.inbox import Approvals

__all__ = ["Approvals"]
