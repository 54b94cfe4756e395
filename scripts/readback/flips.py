"""Bits of an iCE40 bitstream flipped one at a time, and images that show it or do not."""

import os
import random
import time
from dataclasses import dataclass, field

from bnnhw.errors import CheckFailed
from bnnhw.link import Frame, Kind, encode
from rtl_gen.tools import ToolFailed
from sim.readback import ReadBack, read_back, unpacked
from sim.readback_flips import KINDS, Bit, bits_in_use, flipped, logic, play, unread
from sim.readback_line import Chip, ask_images, requests

from ..signing import Item
from .designs import Design, Tell, few, placed

__all__ = ["Trial", "Tried", "run"]

# A line of four clocks a bit, so that a simulator without machine code sees many images.
_BAUD = 12_000_000
_IMAGES, _AT_ONCE = 16, 8
_SEED = 2026
_QUOTA = {"table": 30, "cell": 25, "wires": 30, "memory": 25}
_LEAST = 100


@dataclass
class Tried:
    """Flips of one kind: drawn, with an effect on the logic, of buffers' contents, and caught."""

    drawn: int = 0
    changed: int = 0
    buffers: int = 0
    caught: int = 0
    missed: list[str] = field(default_factory=list)


class Trial:
    """A design, its bitstream and answers, and flips of its bits.

    Parameters
    ----------
    design : Design
        For an iCE40.
    tell : callable

    Raises
    ------
    CheckFailed
        If the bitstream as it is does not answer rightly.
    """

    def __init__(self, design: Design, tell: Tell) -> None:
        self._design = design
        self.text = unpacked(placed(design, tell).bitstream)
        self.read = read_back(self.text, design.board)
        self._logic = logic(self.read)
        chip = Chip(self.read.simulated, module="chip", plan=design.plan, board=design.board)
        images = design.images[:_IMAGES]
        verdict = ask_images(chip, design.plan, images)
        every = requests(design.plan, images)
        sent = [b"".join(every[k : k + _AT_ONCE]) for k in range(0, len(every), _AT_ONCE)]
        sent.append(encode(Frame(Kind.HELLO, 0)))
        self.lots = list(zip(sent, chip.ask(sent), strict=True))
        fault = verdict.what or play(self.read.simulated, design.plan, design.board, self.lots)
        if fault or not verdict.passed:
            raise CheckFailed(f"The bitstream as it is answers wrongly: {fault}.", "Mend that.")

    def effect(self, bit: Bit) -> str | None:
        """Flip a bit and say what was wrong first: nothing, or None where the logic is the same."""
        if unread(bit, self._logic):
            return None
        board = self._design.board
        try:
            read = read_back(flipped(self.text, bit), board)
        except (CheckFailed, ToolFailed) as error:
            return f"it cannot be read: {error.what[:60]}"
        if read.clock_hz != board.clock.sync_hz:
            return f"the clock is {read.clock_hz} Hz"
        if logic(read) == self._logic:
            return None
        return play(read.simulated, self._design.plan, board, self.lots)

    def overwritten(self, bit: Bit) -> bool:
        """Tell whether a bit is of a memory that is written before it is read: a buffer."""
        return bit.kind == "memory" and _is_written(self.read, bit)


def _is_written(read: ReadBack, bit: Bit) -> bool:
    cell = read.verilog.split(f"ram40_{bit.x}_{bit.y} (")[-1].split(");")[0]
    data = cell.split(".WADDR({")[1].split("})")[0]
    return any(wire.strip().startswith("n") for wire in data.split(","))


def run(tell: Tell) -> Item:
    """Flip bits, kind by kind in turn, until so many of each had an effect, or time is up."""
    start = time.monotonic()
    limit = 60 * float(os.environ.get("BNNHW_FLIP_MINUTES", "240"))
    design = few("icestick", _BAUD)
    trial = Trial(design, tell)
    dice, every = random.Random(_SEED), bits_in_use(trial.text)
    pools = {kind: [bit for bit in every if bit.kind == kind] for kind in KINDS}
    sizes = {kind: len(pool) for kind, pool in pools.items()}
    tried = {kind: Tried() for kind in KINDS}
    while time.monotonic() - start < limit:
        open_ = [kind for kind in KINDS if tried[kind].changed < _QUOTA[kind]]
        if not open_:
            break
        for kind in open_:
            bit = pools[kind].pop(dice.randrange(len(pools[kind])))
            _try(trial, bit, tried[kind])
        tell("; ".join(f"{kind} {row.drawn}/{row.changed}/{row.caught}"
                       for kind, row in tried.items()))  # fmt: skip
    return _item(design, tried, sizes, time.monotonic() - start)


def _try(trial: Trial, bit: Bit, row: Tried) -> None:
    row.drawn += 1
    if trial.overwritten(bit):
        row.buffers += 1
        return
    fault = trial.effect(bit)
    if fault is None:
        return
    row.changed += 1
    row.caught += fault != ""
    if not fault:
        row.missed.append(f"{bit.tile} {bit.x} {bit.y}, row {bit.row}, column {bit.column}")


def _item(design: Design, tried: dict[str, Tried], sizes: dict[str, int], seconds: float) -> Item:
    changed = sum(row.changed for row in tried.values())
    caught = sum(row.caught for row in tried.values())
    drawn = sum(row.drawn for row in tried.values())
    return Item(
        name="bitstream-flips",
        claim="So many flipped bits of a bitstream that change its logic show in its answers.",
        command="python -m scripts.readback flips",
        required=f"{_LEAST} flips that change the logic, the share that is caught told",
        measured=f"{caught} of {changed} caught by {_IMAGES} images and a HELLO "
        f"({100 * caught / max(1, changed):.0f} %); {drawn} drawn",
        met=changed >= _LEAST,
        seconds=seconds,
        short=f"{changed - caught} flips that change the logic were not seen by so few images: "
        "a table's entry that they never choose, a weight that turns no threshold.",
        details={
            "design": design.network, "board": design.board.name, "images": _IMAGES,
            "seed": _SEED, "baud": _BAUD,
            "kinds": {
                kind: {"bits": sizes[kind], "drawn": row.drawn, "buffers": row.buffers,
                       "changed": row.changed, "caught": row.caught, "missed": row.missed}
                for kind, row in tried.items()
            },
        },
    )  # fmt: skip
