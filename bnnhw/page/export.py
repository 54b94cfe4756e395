"""The page as plain files, for browsers that speak to a board themselves."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .files import assets

__all__ = ["write_page"]


def write_page(folder: Path, design: Mapping[str, Any]) -> list[Path]:
    """Write the page and one design into a folder, to be put on any web server.

    Such a page has no golden model: its answers come from a board, over Web Serial.

    Parameters
    ----------
    folder : Path
        Made if need be.
    design : dict
        What `bnnhw.page.design.design` gives.

    Returns
    -------
    list of Path
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {name: file.content for name, file in assets().items()}
    contents["design.json"] = json.dumps(dict(design)).encode()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]
