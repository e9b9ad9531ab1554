"""One module per figure; each has ``measure(quick) -> list[Result]`` and says what exactly it measures."""
