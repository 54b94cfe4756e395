"""Reach the benches and board files, which are not importable under their own names when installed.

In a checkout they are the folders `sim/` and `boards/` beside `rtl_gen/`; in a wheel they lie in
`rtl_gen/_content/`. This is the one place that knows the difference.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["folder", "module"]

_HERE = Path(__file__).resolve().parent
_ALIAS = f"{__package__}._content"
_PARTS = ("boards", "sim")


def folder(name: str) -> Path:
    """Folder of a piece of content.

    Parameters
    ----------
    name : str
        `"sim"` or `"boards"`.

    Raises
    ------
    ValueError
        If there is no content of that name.
    """
    if name not in _PARTS:
        raise ValueError(f"Content must be one of {', '.join(_PARTS)}, not {name!r}")
    return _root() / name


def module(name: str) -> ModuleType:
    """Import a module of the content.

    In a process that can import the very folder as `sim` or `boards` (the tests do), the result is
    that module and not a second copy of it. Otherwise it is loaded under a name inside this
    package, and nothing called `sim` or `boards` becomes importable.

    Parameters
    ----------
    name : str
        Such as `"sim.network"` or `"boards.icebreaker"`.

    Raises
    ------
    ValueError
        If the first part of the name is not a piece of content.
    ImportError
        If there is no such module, or it cannot be imported.
    """
    top = name.partition(".")[0]
    if _importable_from(top, folder(top)):
        return importlib.import_module(name)
    _open_alias()
    return importlib.import_module(f"{_ALIAS}.{name}")


def _root() -> Path:
    packed = _HERE / "_content"
    return packed if packed.is_dir() else _HERE.parent


def _importable_from(top: str, place: Path) -> bool:
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    places = (spec.submodule_search_locations if spec else None) or []
    return any(Path(found).resolve() == place for found in places)


def _open_alias() -> None:
    """Make the alias a package whose submodules are found in the content's folder.

    It is made by hand because an editable install has no such folder on disk.
    """
    if _ALIAS not in sys.modules:
        alias = ModuleType(_ALIAS, "Content that is carried under a name of ours.")
        alias.__path__ = [str(_root())]
        sys.modules[_ALIAS] = alias
