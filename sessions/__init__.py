"""The heart: sessions and agents, their store, checkpoints, restore."""
