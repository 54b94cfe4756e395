"""What a build used and reached, and whether that is good enough."""

import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from bnnhw.errors import DoesNotFit, TimingFailed
from bnnhw.target import Board

__all__ = [
    "BuildReport",
    "ClockTiming",
    "SlowestPath",
    "Usage",
    "check",
    "check_size",
    "does_not_fit",
]

_TITLES = {
    "lut4": "LUT4",
    "ff": "flip-flops",
    "ebr": "block RAMs",
    "spram": "SPRAMs",
    "dsp": "multipliers",
}

# A clock that is wanted so near to `sync` is taken for it; the tools round periods to picoseconds.
_NEAR, _ROUNDING = 0.01, 0.001


@dataclass(frozen=True)
class Usage:
    """How many of one kind of cell.

    Parameters
    ----------
    used, available : int
    """

    KINDS: ClassVar[tuple[str, ...]] = tuple(_TITLES)

    used: int
    available: int

    def __str__(self) -> str:
        share = f" ({100 * self.used / self.available:.1f} %)" if self.available else ""
        return f"{self.used} of {self.available}{share}"


@dataclass(frozen=True)
class ClockTiming:
    """What one clock reached.

    Parameters
    ----------
    name : str
        Its net, as place and route calls it.
    achieved_mhz, constraint_mhz : float
    """

    name: str
    achieved_mhz: float
    constraint_mhz: float


@dataclass(frozen=True)
class SlowestPath:
    """The path that limits the clock.

    Parameters
    ----------
    start, end : str
        Cells, by their hierarchical names.
    logic_ns, wires_ns : float
        Delay in cells (with clock-to-output and setup) and between them.
    levels : int
        Cells between the two registers.
    """

    start: str
    end: str
    logic_ns: float
    wires_ns: float
    levels: int

    def __str__(self) -> str:
        total = self.logic_ns + self.wires_ns
        return (
            f"{total:.2f} ns ({self.logic_ns:.2f} logic, {self.wires_ns:.2f} wires, "
            f"{self.levels} levels) from {self.start} to {self.end}"
        )


@dataclass(frozen=True)
class BuildReport:
    """The numbers of one build, all taken from place and route.

    Parameters
    ----------
    name, board, device : str
        The design, and what it was built for.
    sync_hz : int
        Frequency at which the design runs.
    seed : int
        Start of the placer's random numbers.
    usage : dict of str to Usage
        By ``lut4``, ``ff``, ``ebr``, ``spram`` and ``dsp``. On iCE40 ``lut4`` counts logic cells.
    clocks : tuple of ClockTiming
    slowest : SlowestPath or None
    tools : dict of str to str
        Version of each tool.
    bitstream : str
        Name of the file in the output folder.
    cycles_per_image : int or None
        Given by the caller: clock cycles from one image to the next.
    """

    name: str
    board: str
    device: str
    sync_hz: int
    seed: int
    usage: dict[str, Usage]
    clocks: tuple[ClockTiming, ...]
    slowest: SlowestPath | None
    tools: dict[str, str]
    bitstream: str
    cycles_per_image: int | None = None

    @property
    def fmax_mhz(self) -> float:
        """The frequency that the slowest of the clocks reached that are to be as fast as `sync`."""
        return min(clock.achieved_mhz for clock in self._grouped()[0])

    @property
    def others(self) -> tuple[ClockTiming, ...]:
        """Clocks that are to have another frequency than `sync`, such as USB's."""
        return self._grouped()[1]

    def _grouped(self) -> tuple[tuple[ClockTiming, ...], tuple[ClockTiming, ...]]:
        # Nothing else tells them apart: nets are called by any of their names.
        wanted = self.sync_hz / 1_000_000
        ours = tuple(one for one in self.clocks if abs(one.constraint_mhz / wanted - 1) < _NEAR)
        if not ours:
            return self.clocks, ()
        return ours, tuple(one for one in self.clocks if one not in ours)

    @property
    def fps(self) -> float | None:
        """Images per second at `sync_hz`."""
        return self.sync_hz / self.cycles_per_image if self.cycles_per_image else None

    def to_dict(self) -> dict[str, Any]:
        """Give the numbers as plain data, with `fmax_mhz` and `fps`."""
        return {**asdict(self), "fmax_mhz": self.fmax_mhz, "fps": self.fps}

    def to_json(self) -> str:
        """Give the numbers as JSON text; equal reports give equal bytes."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def lines(self) -> list[tuple[str, str]]:
        """Give label and value of each line of a table."""
        rows = [
            ("design", self.name),
            ("board", f"{self.board} ({self.device})"),
            *((_TITLES[kind], str(entry)) for kind, entry in self.usage.items() if entry.available),
            ("clock", f"{self.sync_hz / 1e6:g} MHz wanted, {self.fmax_mhz:.2f} MHz reached"),
        ]
        rows += [
            (
                "other clock",
                f"{one.constraint_mhz:.4g} MHz wanted, {one.achieved_mhz:.2f} MHz reached",
            )
            for one in self.others
        ]
        if self.slowest:
            rows.append(("slowest path", str(self.slowest)))
        if self.fps is not None:
            rows.append(("speed", f"{self.cycles_per_image} cycles an image, {self.fps:.1f} fps"))
        rows.append(("seed", str(self.seed)))
        rows.append(("tools", ", ".join(f"{key} {self.tools[key]}" for key in sorted(self.tools))))
        rows.append(("bitstream", self.bitstream))
        return rows

    def render(self) -> str:
        """Give the table as plain text."""
        rows = self.lines()
        width = max(len(label) for label, _ in rows)
        return "".join(f"{label:<{width}}  {value}\n" for label, value in rows)


def check(report: BuildReport, board: Board) -> None:
    """Hold a build against its board.

    Raises
    ------
    DoesNotFit
        If it uses more of anything than the board's budget.
    TimingFailed
        If a clock is slower than the board's, or another than it must be.
    """
    check_size(report, board)
    wanted = board.clock.sync_hz / 1_000_000
    if report.fmax_mhz < wanted:
        path = f" Its slowest path takes {report.slowest}." if report.slowest else ""
        raise TimingFailed(
            f"'{report.name}' reaches {report.fmax_mhz:.2f} MHz on {board.title}, but its clock "
            f"has {wanted:g} MHz.{path}",
            f"Ask for a clock of at most {int(report.fmax_mhz)} MHz, another seed, or fewer lanes "
            "(SIMD).",
        )
    for clock in report.others:
        if clock.achieved_mhz < clock.constraint_mhz * (1 - _ROUNDING):
            raise TimingFailed(
                f"'{report.name}' on {board.title}: '{clock.name}' reaches "
                f"{clock.achieved_mhz:.2f} MHz of {clock.constraint_mhz:.4g}.",
                "Try another seed, or a smaller folding, which leaves place and route more room.",
            )


def check_size(report: BuildReport, board: Board) -> None:
    """Hold what a build uses against its board.

    Raises
    ------
    DoesNotFit
        If it uses more of anything than the board's budget.
    """
    over = {
        kind: Usage(entry.used, getattr(board.budget, kind))
        for kind, entry in report.usage.items()
        if entry.used > getattr(board.budget, kind)
    }
    if over:
        raise does_not_fit(report.name, board, over)


def does_not_fit(name: str, board: Board, usage: dict[str, Usage]) -> DoesNotFit:
    """Say what a design has too much of.

    Parameters
    ----------
    name : str
        The design.
    board : Board
    usage : dict of str to Usage
        The kinds that are short; empty if each is enough and they still cannot be placed together.
    """
    short = ", ".join(
        f"{entry.used} {_TITLES[kind]} where there are {entry.available}"
        for kind, entry in usage.items()
    )
    reason = f"it needs {short}" if short else "its cells cannot all be placed"
    return DoesNotFit(
        f"'{name}' does not fit {board.title} ({board.device}): {reason}.",
        "Use fewer PEs (ask for fewer fps, or fold more), or a bigger board (bnnhw boards).",
    )
