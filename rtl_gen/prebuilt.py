"""Bitstreams that come with the source, so that the first answer of a board needs no Yosys."""

import hashlib
import json
import lzma
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bnnhw.errors import UsageError
from bnnhw.files import read_capped
from bnnhw.plan import Plan
from bnnhw.target import Board

from . import content
from .build.report import BuildReport, ClockTiming, SlowestPath, Usage

__all__ = ["Prebuilt", "find_prebuilt", "pack", "read_prebuilt"]

_FORMAT = 1
_CAP = 16 << 20
_TODO = "Install bnnhw again, or build the bitstream: bnnhw build."


@dataclass(frozen=True)
class Prebuilt:
    """A bitstream and what is known of it.

    Parameters
    ----------
    network, board : str
        Names of the bundled network and of the board.
    identity : str
        Of the design, as its manifest and the board itself tell it.
    baud : int
        Rate of the serial line.
    sha256 : str
        Of the bitstream.
    commit : str
        What the source was when it was built.
    report : BuildReport
        What the build said.
    file : Path
        Where it lies, compressed.
    """

    network: str
    board: str
    identity: str
    baud: int
    sha256: str
    commit: str
    report: BuildReport
    file: Path

    def fits(self, plan: Plan, board: Board) -> bool:
        """Tell whether a build of the plan for the board would give this design."""
        return (self.board, self.identity, self.baud, self.report.device, self.report.sync_hz) == (
            board.name, plan.identity, board.link.baud, board.device, board.clock.sync_hz,
        )  # fmt: skip

    def bitstream(self) -> bytes:
        """Give the bitstream.

        Raises
        ------
        UsageError
            If the file is absent, broken, or not the one that was built.
        """
        try:
            data = lzma.LZMADecompressor().decompress(read_capped(self.file, _CAP), _CAP)
        except lzma.LZMAError as error:
            raise UsageError(f"'{self.file}' is damaged: {error}.", _TODO) from error
        found = hashlib.sha256(data).hexdigest()
        if found != self.sha256:
            raise UsageError(
                f"'{self.file}' was changed: the SHA-256 of its bitstream is {found[:16]}…, "
                f"not {self.sha256[:16]}….",
                _TODO,
            )
        return data

    def write(self, folder: Path) -> Path:
        """Put the bitstream into a folder, which is made if need be.

        Raises
        ------
        UsageError
            As `bitstream`, or if nothing can be written there.
        """
        data = self.bitstream()
        path = folder / self.report.bitstream
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError as error:
            raise UsageError(
                f"'{path}' cannot be written: {error.strerror}.", "Choose another folder."
            ) from error
        return path

    def unpacked(self) -> Path:
        """Put the bitstream among the files that bnnhw keeps between runs, and say where.

        Raises
        ------
        UsageError
            As `write`.
        """
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return self.write(Path(base) / "bnnhw" / "prebuilt" / self.sha256[:32])


def find_prebuilt(plan: Plan, board: Board) -> Prebuilt | None:
    """Find the bitstream that a build of the plan for the board would give, if one is shipped."""
    for path in sorted(_folder().glob("*.json")):
        known = read_prebuilt(path)
        if known.fits(plan, board):
            return known
    return None


def read_prebuilt(path: Path) -> Prebuilt:
    """Read what `pack` wrote.

    Raises
    ------
    UsageError
        If there is no such file, or it says something else.
    """
    try:
        told = json.loads(read_capped(path, _CAP))
        if told["format"] != _FORMAT:
            raise ValueError("another format")
        texts = {
            key: str(told[key]) for key in ("network", "board", "identity", "sha256", "commit")
        }
        return Prebuilt(
            **texts, baud=int(told["baud"]), report=_report(told["report"]),
            file=path.with_name(f"{path.stem}.xz"),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"'{path}' describes no bitstream: {error!r}.", _TODO) from error


def pack(
    bitstream: bytes, report: BuildReport, plan: Plan, board: Board, *, commit: str
) -> dict[str, bytes]:
    """Give the two files of a bitstream, by their names in ``boards/prebuilt``.

    Parameters
    ----------
    bitstream : bytes
    report : BuildReport
    plan : Plan
    board : Board
    commit : str
        What the source was when it was built.
    """
    name = f"{plan.name}.{board.name}"
    told = {
        "format": _FORMAT,
        "network": plan.name,
        "board": board.name,
        "identity": plan.identity,
        "baud": board.link.baud,
        "sha256": hashlib.sha256(bitstream).hexdigest(),
        "commit": commit,
        "report": report.to_dict(),
    }
    text = json.dumps(told, indent=1, sort_keys=True) + "\n"
    return {f"{name}.json": text.encode(), f"{name}.xz": lzma.compress(bitstream, preset=9)}


def _folder() -> Path:
    return content.folder("boards") / "prebuilt"


def _report(told: Mapping[str, Any]) -> BuildReport:
    known = {field.name: told[field.name] for field in fields(BuildReport)}
    known["usage"] = {kind: Usage(**entry) for kind, entry in told["usage"].items()}
    known["clocks"] = tuple(ClockTiming(**clock) for clock in told["clocks"])
    known["slowest"] = SlowestPath(**told["slowest"]) if told["slowest"] else None
    return BuildReport(**known)
