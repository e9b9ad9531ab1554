"""What every agent is doing: evidence from all sources, joined by one pure reducer."""
