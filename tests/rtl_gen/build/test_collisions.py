"""Reads that meet no write are marked, and no others."""

import re
from dataclasses import replace
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.build.boards import load_board
from rtl_gen.build.collisions import without_collisions
from rtl_gen.build.platform import prepare
from rtl_gen.tools import environment, run_tool, toolchain


class Delay(wiring.Component):
    """Write a line into a memory, and read it again some words later."""

    def __init__(self, *, marked: bool, transparent: bool = False) -> None:
        self._marked, self._transparent = marked, transparent
        super().__init__({"rx": In(1), "tx": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        attrs = {"no_rw_check": "1"} if self._marked else {}
        words: Any = memory.Memory(shape=32, depth=512, init=[], attrs=attrs)
        m.submodules.words = words
        write = words.write_port()
        read = words.read_port(transparent_for=(write,) if self._transparent else ())
        at, line = Signal(9), Signal(32)
        m.d.sync += [at.eq(at + 1), line.eq(line << 1 | self.rx), self.tx.eq(read.data.xor())]
        m.d.comb += [write.addr.eq(at), write.en.eq(1), write.data.eq(line)]
        m.d.comb += read.addr.eq(at + 9)
        return m


def masks(text: str | bytes) -> list[str]:
    assert isinstance(text, str)
    return re.findall(r"COLLISION_X_MASK (\S+)", text)


@pytest.mark.parametrize(
    ("marked", "transparent", "mask"),
    [(True, False, "1'1"), (False, False, "1'0"), (True, True, "1'0")],
)
def test_marks_what_was_said_to_be_free(marked: bool, transparent: bool, mask: str) -> None:
    core = Delay(marked=marked, transparent=transparent)
    steps = prepare(core, load_board("ulx3s-85f"), name="net")
    assert masks(steps.files["net.il"]) == [mask]


def test_nothing_else_changes() -> None:
    text = prepare(Delay(marked=False), load_board("icebreaker"), name="net").files["net.il"]
    assert isinstance(text, str) and without_collisions(text) == text
    marked = prepare(Delay(marked=True), load_board("icebreaker"), name="net").files["net.il"]
    assert isinstance(marked, str) and without_collisions(marked) == marked


def test_other_memories_of_a_module_stay() -> None:
    lines = ["module \\top"]
    for name, marked in (("one", True), ("two", False)):
        lines += ['  attribute \\no_rw_check "1"'] * marked
        lines += [f"  memory width 8 size 4 \\{name}"]
    for number, name in enumerate(("one", "two", "one")):
        lines += [
            f"  cell $memrd_v2 ${number}",
            f'    parameter \\MEMID "\\\\{name}"',
            "    parameter \\TRANSPARENCY_MASK 2'10",
            "    parameter \\COLLISION_X_MASK 2'00",
            "  end",
        ]
    assert masks(without_collisions("\n".join([*lines, "end", ""]))) == ["2'01", "2'00", "2'01"]


def test_synthesis_builds_nothing_around_the_memory(tmp_path: Any) -> None:
    """The registers that are left are the component's own, the clock's and the heartbeat's."""
    board = load_board("ulx3s-85f")
    used = {}
    for marked in (False, True):
        steps = prepare(Delay(marked=marked), replace(board, led=""), name="net")
        for file, text in steps.files.items():
            (tmp_path / file).write_bytes(text.encode() if isinstance(text, str) else text)
        tools = toolchain("ecp5")
        tool, *words = steps.commands[0]
        run_tool([tools.programs[tool], *words], cwd=tmp_path, env=environment("ecp5"))
        cells = (tmp_path / "net.json").read_text()
        used[marked] = cells.count('"type": "TRELLIS_FF"')
    assert used[True] < used[False] - 60
