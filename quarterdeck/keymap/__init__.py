"""Which key of the TUI does what: the commands there are, the presets as data, a person's own keys over them.

Pure values. The settings check ``[keys]`` with it, the TUI reads keys by it, the command line lists it.
"""
