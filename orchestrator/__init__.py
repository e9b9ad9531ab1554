"""One process that watches all agents, stores and serves."""
