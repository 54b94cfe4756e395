"""iCE40 bitstreams read back: the parts without icestorm, and below, slow, with it."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bnnhw import data
from bnnhw.driver.model import GoldenBoard
from bnnhw.errors import CheckFailed, ToolMissing
from bnnhw.images import load_images
from bnnhw.link import Frame, Kind, encode
from bnnhw.plan import Plan, manifest
from rtl_gen.build.boards import load_board
from rtl_gen.cli.options import make
from rtl_gen.prebuilt import find_prebuilt
from sim import readback
from sim.readback import PACKAGES, ReadBack, pins, read_back, unpacked
from sim.readback_flips import bits_in_use, flipped, logic, unread
from sim.readback_line import Chip, ask_images, requests
from sim.samples import images, network, planned

GRAPH = network((20, 12, 6, 5), 1)
PLAN = planned(GRAPH, [(5, 8), (6, 12), (2, 3)])
IMAGES = images(GRAPH, 20, 2)


@pytest.mark.parametrize(
    ("board", "found"),
    [
        ("icebreaker", {"clk": "35", "rx": "6", "tx": "9"}),
        ("hx8k-breakout", {"clk": "J3", "rx": "B10", "tx": "B12"}),
        ("icestick", {"clk": "21", "rx": "9", "tx": "8"}),
    ],
)
def test_pins(board: str, found: dict[str, str]) -> None:
    assert pins(load_board(board)) == found


def test_missing_tools_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readback, "find_program", lambda name: None)
    with pytest.raises(ToolMissing, match="Reading an iCE40 bitstream back needs") as missing:
        unpacked(b"")
    assert all(name in str(missing.value) for name in PACKAGES.split(" and "))


# Questions and answers, with a board in place of a chip.


class Board:
    """Answers as the golden model, behind a line that may do something to its bytes."""

    def __init__(self, plan: Plan, lots: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self._board = GoldenBoard(plan.graph, manifest(plan))
        self._changes = dict(lots)
        self.answered = 0

    def ask(self, lots: Sequence[bytes]) -> list[bytes]:
        heard = []
        for lot in lots:
            self._board.write(lot)
            told = b""
            while more := self._board.read(0.0):
                told += more
            heard.append(self._changes.get(told, told))
        return heard


def asked(board: Board) -> tuple[int, str]:
    verdict = ask_images(board, PLAN, IMAGES)  # type: ignore[arg-type]  # stands in for a chip
    assert (verdict.images, verdict.compared) == (20, 20 * 6)
    assert verdict.passed == (not verdict.mismatches and not verdict.what)
    return verdict.mismatches, verdict.what


def test_right_answers() -> None:
    assert asked(Board(PLAN)) == (0, "")


def heard() -> list[bytes]:
    """Give what a board says to a HELLO and to as many images as it takes at once."""
    board = Board(PLAN)
    lot = b"".join(requests(PLAN, IMAGES)[:8])
    return board.ask([encode(Frame(Kind.HELLO, 0)), lot])


def test_wrong_answers_are_seen() -> None:
    hello, lot = heard()
    frames = lot.split(b"\0")[:-1]
    assert len(frames) == 8
    lost = b"\0".join(frames[:3] + frames[4:]) + b"\0"
    mismatches, what = asked(Board(PLAN, [(lot, lost)]))
    assert mismatches >= 6 and what.startswith("image 3: [-9223372036854775808, ")
    swapped = b"\0".join([frames[1], frames[0], *frames[2:]]) + b"\0"
    mismatches, what = asked(Board(PLAN, [(lot, swapped)]))
    assert mismatches == 12 and what.startswith("image 0")
    mismatches, what = asked(Board(PLAN, [(lot, lot + hello)]))
    assert what


def test_hello_is_held_against_the_plan() -> None:
    hello, _ = heard()
    assert asked(Board(PLAN, [(hello, b"")]))[1] == "a HELLO's reply"
    other = planned(GRAPH, [(1, 1), (1, 1), (1, 1)])
    assert ask_images(Board(other), PLAN, IMAGES).what == "a HELLO's reply"  # type: ignore[arg-type]


# What is done with text.

TEXT = """.device 1k
.io_tile 1 0
{io}
.logic_tile 2 3
{logic}
.logic_tile 4 5
{empty}
.ram_data 3 1
{memory}
""".format(
    io="\n".join(["0" * 17 + "1"] * 16),
    logic="\n".join(["1" + "0" * 53] + ["0" * 54] * 15),
    empty="\n".join(["0" * 54] * 16),
    memory="\n".join(["0" * 63 + "8"] * 16),
)


def test_bits_of_tiles_in_use() -> None:
    bits = bits_in_use(TEXT)
    count = {kind: sum(bit.kind == kind for bit in bits) for kind in {b.kind for b in bits}}
    # A logic tile has eight tables of 16 bits and as many cells of 4 settings.
    assert count == {"table": 128, "cell": 32, "wires": 16 * 54 - 160 + 16 * 18, "memory": 4096}
    assert {(bit.x, bit.y) for bit in bits} == {(1, 0), (2, 3), (3, 1)}


def test_a_flip_changes_one_bit() -> None:
    bits = bits_in_use(TEXT)
    for bit in bits[:: len(bits) // 60]:
        text = flipped(TEXT, bit)
        places = [k for k, (a, b) in enumerate(zip(TEXT, text, strict=True)) if a != b]
        assert places == [bit.offset]
        assert (int(text[bit.offset], 16) ^ int(TEXT[bit.offset], 16)).bit_count() == 1
        assert flipped(text, bit) == TEXT
    last = next(bit for bit in bits if bit.kind == "memory" and bit.column == 252)
    assert flipped(TEXT, last)[last.offset] == "0"


VERILOG = """module chip (clk, rx, tx);
input clk; input rx; output tx;
wire n1, n2, n3, n4;
reg n5 = 0;
SB_RAM40_4K #(
  .INIT_0(256'h{init})
) ram40_3_1 (
  .RADDR({{1'b0, n5}}),
  .RDATA({{n3, n4}})
);
assign n1 = 1;
assign n2  = /* LUT    1  2  3 */ (rx ? n4 : n1);
assign n9  = /* LUT    7  7  7 */ (rx ? n4 : n1);
/* FF  1  2  3 */ always @(posedge clk) if (1'b1) n5 <= 1'b0 ? 1'b0 : n2;
/* FF  1  2  4 */ assign tx = n5;
endmodule
"""


def drivers(verilog: str) -> dict[str, str]:
    return logic(ReadBack(verilog, 12_000_000, {}))


def test_logic_knows_no_numbers_of_nets() -> None:
    first = VERILOG.format(init="1")
    other = re.sub(r"\bn(\d)\b", lambda found: f"n{int(found[1]) + 40}", first)
    assert drivers(first) == drivers(other)
    assert set(drivers(first)) == {"FF 1 2 4 out", "FF 1 2 3", "LUT 1 2 3", "ram40_3_1 RDATA 1"}


def test_logic_sees_what_reaches_the_pin_and_nothing_else() -> None:
    first = drivers(VERILOG.format(init="1"))
    assert drivers(VERILOG.format(init="3")) != first
    assert drivers(VERILOG.format(init="1").replace("7 */ (rx", "7 */ !(rx")) == first
    assert drivers(VERILOG.format(init="1").replace("3 */ (rx", "3 */ !(rx")) != first
    assert drivers(VERILOG.format(init="1").replace("n1 = 1", "n1 = 0")) != first
    assert drivers(VERILOG.format(init="1").replace("posedge clk", "negedge clk")) != first


def test_tables_that_nothing_reads() -> None:
    known = {"LUT 2 3 0": "", "LUT 2 3 7": ""}
    unused = [bit for bit in bits_in_use(TEXT) if unread(bit, known)]
    assert len(unused) == 6 * 16 and {bit.row // 2 for bit in unused} == {1, 2, 3, 4, 5, 6}


# With icestorm: Debian's packages of `PACKAGES`.


@pytest.mark.slow
def test_shipped_bitstream_answers_through_its_pins() -> None:
    """A hundred images through what the bits of the iCEBreaker's bitstream say, and a wrong one."""
    found = make(data.path("digits_mlp.onnx"), board="icebreaker")
    shipped = find_prebuilt(found.plan, found.board)
    assert shipped is not None
    text = unpacked(shipped.bitstream())
    read = read_back(text, found.board)
    assert read.clock_hz == found.board.clock.sync_hz
    assert read.cells["block RAM"] == 28 and read.cells["PLL"] == 1
    pictures = load_images(data.path("digits_test.npz"), found.plan.graph, limit=100)
    chip = Chip(read.simulated, module="chip", plan=found.plan, board=found.board)
    verdict = ask_images(chip, found.plan, pictures.x)
    assert verdict.passed and verdict.images == 100, verdict
    # A memory's bits are part of what the pin depends on.
    contents = [bit for bit in bits_in_use(text) if bit.kind == "memory" and bit.row == 0]
    same, wrong = logic(read), 0
    for bit in contents[:: len(contents) // 3]:
        changed = read_back(flipped(text, bit), found.board)
        wrong += logic(changed) != same
    assert wrong


@pytest.mark.slow
def test_what_is_no_bitstream_of_ours() -> None:
    found = make(data.path("digits_mlp.onnx"), board="icebreaker")
    shipped = find_prebuilt(found.plan, found.board)
    assert shipped is not None
    text = unpacked(shipped.bitstream())
    other = load_board("upduino3")
    with pytest.raises(CheckFailed, match="pad is not pin"):
        readback._clocked(
            read_back(text, found.board).verilog, found.board, pins(other)["rx"], "sg48"
        )


def test_where_files_lie() -> None:
    """What the wheel carries: Verilog beside its module."""
    folder = Path(readback.__file__).parent
    for name in ("readback_pll.v", "readback_bench.v", "routed_ice40.v", "routed_ecp5.v"):
        assert (folder / name).is_file()
    assert np.all(IMAGES >= 0)
