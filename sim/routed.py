"""A design after place and route: the bitstream, and nextpnr's own netlist of what it holds."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from amaranth import Elaboratable

from bnnhw.target import Board
from rtl_gen.build.flow import BITSTREAM, Job
from rtl_gen.build.platform import BuildSteps, prepare
from rtl_gen.build.report import check
from rtl_gen.tools import toolchain

__all__ = ["Placed", "place"]

_PLACED = {"ice40": ".asc", "ecp5": ".config"}
_PINS = {"ice40": ".pcf", "ecp5": ".lpf"}
_STEPS = ("synthesis", "place and route", "pack")


@dataclass(frozen=True)
class Placed:
    """What a build leaves, and what it throws away.

    Parameters
    ----------
    board : Board
    name : str
        Of the design.
    bitstream : bytes
    text : str
        The placed design as text, which the packer reads.
    pins : str
        Constraints: which port lies at which pin.
    netlist : str
        What Yosys writes for nextpnr, as JSON.
    routed : str
        What nextpnr writes when it is done, as JSON.
    """

    board: Board
    name: str
    bitstream: bytes
    text: str
    pins: str
    netlist: str
    routed: str

    def save(self, folder: Path) -> None:
        """Write everything into a folder, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, content in self._files().items():
            (folder / f"{self.name}{suffix}").write_bytes(content)

    @classmethod
    def load(cls, folder: Path, board: Board, name: str) -> "Placed":
        """Read what `save` wrote."""
        family = board.family
        ends = (_PLACED[family], _PINS[family], ".json", ".routed.json")
        texts = [(folder / f"{name}{end}").read_text(encoding="utf-8") for end in ends]
        return cls(board, name, (folder / f"{name}{BITSTREAM[family]}").read_bytes(), *texts)

    def _files(self) -> dict[str, bytes]:
        family = self.board.family
        return {
            BITSTREAM[family]: self.bitstream,
            _PLACED[family]: self.text.encode(),
            _PINS[family]: self.pins.encode(),
            ".json": self.netlist.encode(),
            ".routed.json": self.routed.encode(),
        }


def place(
    core: Elaboratable,
    board: Board,
    *,
    name: str,
    seed: int = 1,
    limit: float = 3600,
    progress: Callable[[str], None] | None = None,
) -> Placed:
    """Build a core as `rtl_gen.build.flow.build_bitstream` does, and keep what happens between.

    nextpnr is asked besides to write its netlist, which changes nothing of the rest: the bitstream
    is that of the build.

    Parameters
    ----------
    core, board, name, seed, limit, progress
        As `build_bitstream` has them.

    Raises
    ------
    DoesNotFit, TimingFailed, ToolMissing, ToolFailed
        As `build_bitstream` does.
    """
    tell = progress or (lambda step: None)
    steps = _writing(prepare(core, board, name=name, seed=seed), f"{name}.routed.json")
    with tempfile.TemporaryDirectory(prefix=f"{name}.") as scratch:
        job = Job(board, name, toolchain(board.family), Path(scratch))
        job.begin(steps, tell)
        job.run(steps, tell, limit)
        check(job.report(seed, None), board)
        return Placed.load(Path(scratch), board, name)


def _writing(steps: BuildSteps, file: str) -> BuildSteps:
    """Let place and route write its netlist."""
    synthesis, route, *rest = steps.commands
    return replace(steps, commands=(synthesis, (*route, "--write", file), *rest))
