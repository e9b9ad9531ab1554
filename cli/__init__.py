"""The command line: one module per group of verbs, imported only when its verb runs."""
