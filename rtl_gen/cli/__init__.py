"""The command line: `bnnhw`."""

from .app import main

__all__ = ["main"]
