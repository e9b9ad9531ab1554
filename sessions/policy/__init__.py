"""Rules that answer requests for permission: allow, deny or ask. A seat belt; the sandbox is the wall."""

from sessions.policy.policies import Policies
from sessions.policy.request import Request, Ruling

__all__ = ["Policies", "Request", "Ruling"]
