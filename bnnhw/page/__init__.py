"""A local web page that draws digits, asks a board or the golden model, and shows what happens."""

from .export import write_page
from .server import PageServer
from .target import Target

__all__ = ["PageServer", "Target", "write_page"]
