"""Who carries out a step: a command, an agent without a screen, an agent in its terminal."""
