"""The page's files, all read when the server starts: no request leads to the file system."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["CSP", "File", "assets"]

_FOLDER = Path(__file__).resolve().parent / "assets"
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
)
"""What a browser lets the page do; `index.html` says it as well, for servers of plain files."""


@dataclass(frozen=True)
class File:
    """One file of the page.

    Parameters
    ----------
    kind : str
        Its media type.
    content : bytes
    """

    kind: str
    content: bytes


def assets() -> dict[str, File]:
    """Give the page's files by name."""
    return {
        path.name: File(_KINDS[path.suffix], path.read_bytes())
        for path in sorted(_FOLDER.iterdir())
        if path.suffix in _KINDS
    }
