"""Prompts on their way to agents: stored, typed exactly once, and confirmed by what the agent makes of them."""
