"""A whole chip, as Verilog of whatever it was read from, asked through its serial pins."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bnnhw import golden
from bnnhw.errors import CheckFailed
from bnnhw.link import Decoder, Frame, Hello, Kind, encode
from bnnhw.link.payload import Packing
from bnnhw.plan import Plan, manifest
from bnnhw.target import Board
from rtl_gen.system import divisor_for

from .verilated import compile_program

__all__ = ["Chip", "Verdict", "ask_images", "requests"]

# The harness of the link's noise: a line with a board at its end, whatever the board is.
_HARNESS = Path(__file__).with_name("noise.cpp")
_TOP = "board"


@dataclass(frozen=True)
class Verdict:
    """What came of images that were sent through the pins.

    Parameters
    ----------
    images : int
    compared : int
        Logits and classes.
    mismatches : int
        Of them, those that differ; all of an image that was not answered.
    accuracy : float or None
        Share of labels that the chip got right, where there are labels.
    what : str
        What was wrong first; empty where nothing was.
    """

    images: int
    compared: int
    mismatches: int
    accuracy: float | None
    what: str

    @property
    def passed(self) -> bool:
        """Whether something was compared and nothing differed."""
        return self.compared > 0 and not self.mismatches and not self.what


def requests(plan: Plan, images: npt.NDArray[Any]) -> list[bytes]:
    """Encode a request for each image, with sequence numbers from 0 on."""
    payloads = Packing.from_manifest(manifest(plan)).pack(images)
    return [encode(Frame(Kind.INFER, k % 256, payload)) for k, payload in enumerate(payloads)]


class Chip:
    """A simulated chip with a serial port, which is reset by nothing but its configuration.

    Parameters
    ----------
    verilog : str
        Of modules, among them `module` with the ports `clk`, `rx` and `tx`, where `clk` is the
        clock that the design runs at.
    module : str
    plan, board : Plan, Board
        What is in it, which says how long a bit is and when nothing can be under way any more.
    progress : callable or None
        Told what is going on while the simulator is compiled.

    Raises
    ------
    ToolMissing, ToolFailed
        If Verilator or a C++ compiler is missing, or refuses the Verilog.
    """

    def __init__(
        self,
        verilog: str,
        *,
        module: str,
        plan: Plan,
        board: Board,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        divisor = divisor_for(board.clock.sync_hz, board.link.baud)
        work = sum(block.cycles for block in plan.blocks)
        # Longer than the reset after configuration, and than the way of an image.
        quiet = 20 * divisor + 8 * work + board.clock.sync_hz // 50_000 + 2_000
        header = f"constexpr uint32_t DIVISOR = {divisor};\nconstexpr uint64_t QUIET = {quiet};\n"
        wrapper = f"""
module {_TOP}(input clk, rst, rx, output tx);
  {module} chip(.clk(clk), .rx(rx), .tx(tx));
endmodule
"""
        self._program = compile_program(
            verilog + wrapper, _TOP, _HARNESS, headers={"noise.h": header}, progress=progress
        )

    def ask(self, lots: Sequence[bytes]) -> list[bytes]:
        """Send bytes, lot by lot, and give what the chip sends until it is silent after each.

        Raises
        ------
        CheckFailed
            If the chip does not fall silent.
        """
        # Nothing at first: the design holds itself in reset for a while.
        given = b"".join(b"\0" + len(lot).to_bytes(4, "little") + lot for lot in (b"", *lots))
        done = subprocess.run([self._program], input=given, capture_output=True, check=False)
        if done.returncode:
            raise CheckFailed("The chip does not fall silent.", "Look at its transmit pin.")
        heard, place = [], 0
        while place < len(done.stdout):
            size = int.from_bytes(done.stdout[place : place + 4], "little")
            heard.append(done.stdout[place + 4 : place + 4 + size])
            place += 4 + size
        first, *rest = heard
        return [first + rest[0], *rest[1:]] if rest else [first]


def ask_images(
    chip: Chip, plan: Plan, images: npt.NDArray[Any], labels: npt.NDArray[Any] | None = None
) -> Verdict:
    """Send images, as many at a time as the chip takes, and hold answers against the golden model.

    A HELLO before them and one behind must tell the plan's identity, and that no frame was dropped.

    Parameters
    ----------
    chip : Chip
    plan : Plan
    images : array, shape (n, *input shape)
    labels : array of int or None
        For the accuracy.
    """
    every = requests(plan, images)
    greeting = encode(Frame(Kind.HELLO, 0))
    heard = chip.ask([greeting])
    credits = _hello(heard[0], plan).credits if _greeted(heard[0], plan) else 1
    lots = [b"".join(every[at : at + credits]) for at in range(0, len(every), credits)]
    heard = chip.ask([greeting, *lots, greeting])
    answers = [frame for lot in heard[1:-1] for frame in Decoder().feed(lot)]
    what = "" if _greeted(heard[0], plan) and _greeted(heard[-1], plan) else "a HELLO's reply"
    expected = golden.run(plan.graph, images, path="plain")
    assert expected.classes is not None
    wanted = np.column_stack([np.asarray(expected.logits), np.asarray(expected.classes)])
    got = _values(answers, plan, len(images))
    wrong = got != wanted
    if wrong.any():
        image = int(np.flatnonzero(wrong.any(axis=1))[0])
        what = what or f"image {image}: {got[image].tolist()}, not {wanted[image].tolist()}"
    elif len(answers) != len(images):
        what = what or f"{len(answers)} frames come for {len(images)} images"
    right = None if labels is None else float(np.mean(got[:, -1] == labels))
    return Verdict(len(images), wanted.size, int(wrong.sum()), right, what)


def _hello(data: bytes, plan: Plan) -> Hello:
    (frame,) = Decoder().feed(data)
    return Hello.unpack(frame.payload)


def _greeted(data: bytes, plan: Plan) -> bool:
    """Whether these bytes are one reply to HELLO, of the right design, with nothing lost."""
    frames = Decoder().feed(data)
    if len(frames) != 1 or frames[0].kind != Kind.HELLO_REPLY:
        return False
    hello = Hello.unpack(frames[0].payload)
    lost = hello.bad_frames or hello.line_errors or hello.queued
    return hello.identity.hex() == plan.identity and not lost


def _values(answers: Sequence[Frame], plan: Plan, count: int) -> npt.NDArray[np.int64]:
    """Unpack logits and classes; what did not come, in its place, is a number that none has."""
    packing = Packing.from_manifest(manifest(plan))
    values = np.full((count, packing.classes + 1), np.iinfo(np.int64).min)
    for k, frame in enumerate(answers[:count]):
        wanted = (int(Kind.RESULT), k % 256, packing.answer_bytes)
        if (frame.kind, frame.sequence, len(frame.payload)) == wanted:
            logits, classes = packing.unpack([frame.payload])
            values[k] = [*logits[0], classes[0]]
    return values
