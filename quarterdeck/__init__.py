"""The contracts every folder and plugin shares."""

__version__ = "0.1.0"
