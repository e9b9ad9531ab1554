"""Text beside the entries: what agents printed and wrote down, indexed to be searched with them."""
