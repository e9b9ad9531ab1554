"""The memory screen: what agents and people wrote down, found as one types, read, changed, and brought back."""
