"""Files that people write, read with the line of each value, so that all mistakes can be told at once and found."""
