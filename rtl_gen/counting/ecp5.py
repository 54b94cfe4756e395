"""Popcounts for ECP5: both operands of an adder and its carry in one LUT4 of a CCU2C."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Elaboratable, Module, Signal, Value

from ..ecp5_ff import CELL
from .carry import END, ONE, Chain, Half, chains, half_output, wires_of
from .cells import KINDS, PINS, build
from .heap import Heap
from .lanes import Wires, bits_heap, pairs_heap

__all__ = ["AFTER_READ", "AFTER_SYNTHESIS", "CELLS", "FILE", "Ecp5Count", "match_count", "popcount"]

FILE = "bnnhw_carry.vlib"
"""Name of the file with the cells that are ours, beside a netlist."""


def _cell(kind: str, carry_in: bool, carry_out: bool) -> str:
    ports = [*(f"input {pin}" for pin in PINS), "output S0, output S1"]
    ports += ["input CIN"] * carry_in + ["output COUT"] * carry_out
    connected = ", ".join(f".{pin}({pin})" for pin in [*PINS, "S0", "S1"])
    carries = f".CIN({'CIN' if carry_in else chr(49) + chr(39) + 'bx'}), "
    carries += f".COUT({'COUT' if carry_out else chr(49) + chr(39) + 'bx'})"
    return f"""module BNNHW_CARRY_{kind}({", ".join(ports)});
parameter [15:0] INIT0 = 16'h0000;
parameter [15:0] INIT1 = 16'h0000;
CCU2C #(.INIT0(INIT0), .INIT1(INIT1), .INJECT1_0("NO"), .INJECT1_1("NO"))
    _TECHMAP_REPLACE_ ({connected}, {carries});
endmodule
"""


CELLS = "\n".join([*(_cell(kind, *carries) for carries, kind in KINDS.items()), CELL])
"""Verilog of the cells: a library for synthesis, and what they become behind it."""

AFTER_READ = rf"""read_verilog -lib {FILE}
rename -hide w:*\[*
"""
"""Yosys commands between reading a design and synthesis.

ABC9, which only ECP5 is mapped with, gets its nets back by name, and takes bit 0 of a wire that is
called ``x[1]`` for bit 1 of the wire ``x``: it stops at that, or makes one net of both in silence
(YosysHQ/yosys#4349). So no wire keeps such a name; those without it say the same.
"""

AFTER_SYNTHESIS = f"techmap -map {FILE}\n"
"""Yosys commands behind synthesis."""


class Ecp5Count(Elaboratable):
    """Count the dots of a heap in carry chains.

    Takes new inputs with every `step`; `o` is their count ``levels // every`` steps later, `levels`
    being those of the heap (⌊log2 n⌋ for n bits), and in the same clock where `every` is 0. Without
    `step` all registers hold.

    Parameters
    ----------
    heap : Heap
    inputs : sequence of Value
        One bit each.
    step : Value
        When registers move on.
    every : int
        Levels between registers; 0 is no register at all.
    cells : bool
        Whether to make cells; otherwise the same as logic, which any simulator and prover reads.
    """

    def __init__(
        self,
        heap: Heap,
        inputs: Sequence[Value],
        *,
        step: Value,
        every: int,
        cells: bool = True,
    ) -> None:
        self._heap = heap
        self._inputs = inputs
        self._step = step
        self._every = every
        self._cells = cells
        self.o = Signal(len(heap.result))

    def elaborate(self, platform: object) -> Module:
        """Build chains, and registers where something is read later than it is made."""
        m = Module()
        self._wires = wires = Wires(m, self._step, self._every)
        first = wires_of(self._heap)
        for wire, value in enumerate(self._inputs):
            wires.set(wire, value, 0)
        made = [dot for dot in range(len(self._heap.dots)) if not self._heap.dots[dot].wires]
        sums = Signal(max(len(made), 1))
        place = {dot: k for k, dot in enumerate(made)}
        for level, row in enumerate(self._heap.levels):
            for segment in row.segments:
                for dot in (*(d for one in segment.operations for d in one.gives), segment.end):
                    wires.set(first + dot, sums[place[dot]], level)
        for chain in chains(
            self._heap,
            every=self._every,
            most=longest(self._every, sum(1 for dot in self._heap.dots if dot.wires)),
        ):
            self._chain(
                m,
                chain,
                [sums[place[h.gives]] if h.gives is not None else None for h in chain.halves],
            )
        m.d.comb += self.o.eq(Cat(self._result(dot, first) for dot in self._heap.result))
        wires.registers()
        return m

    def _result(self, number: int | None, first: int) -> Value:
        if number is None:
            return Const(0, 1)
        last = len(self._heap.levels)
        dot = self._heap.dots[number]
        if not dot.wires:
            return self._wires.get(first + number, last)
        value = self._wires.get(dot.wires[0], last)
        for wire in dot.wires[1:]:
            value = value ^ self._wires.get(wire, last)
        return ~value if dot.inverted else value

    def _pins(self, half: Half) -> list[Value]:
        return [
            Const(1, 1) if pin == ONE else self._wires.get(pin, half.level) for pin in half.pins
        ]

    def _chain(self, m: Module, chain: Chain, outs: list[Value | None]) -> None:
        halves = [
            (half.init, self._pins(half), out) for half, out in zip(chain.halves, outs, strict=True)
        ]
        if len(halves) % 2:
            halves.append((END, halves[-1][1], None))
        build(m, halves, cells=self._cells)


def longest(every: int, lanes: int) -> int:
    """Choose the most halves of a chain: carries that pass feeds are real to timing analysis.

    256 lanes with a register at each level reached 288 MHz with 12 halves (401 LUT4, three seeds)
    and 304 MHz with 8 (431 LUT4, one seed); 64 lanes reach 325 MHz with 12.
    """
    if every == 1:
        return 12 if lanes <= 128 else 8
    return 24 if every else 32


_ = half_output


def popcount(component: Any, *, cells: bool = True) -> Module:
    """Build a `Popcount`; see there."""
    width, inverted = component.width, component.inverted
    most = inverted.bit_count() > width // 2
    # Fives want plain bits: with more complements than those, the others are counted.
    heap = bits_heap(width, inverted ^ ((1 << width) - 1) * most, True)
    count = Ecp5Count(
        heap, list(component.i), step=component.step, every=component.every, cells=cells
    )
    m = Module()
    m.submodules.count = count
    m.d.comb += component.o.eq(width - count.o if most else count.o)
    return m


def match_count(component: Any, *, cells: bool = True) -> Module:
    """Build a `MatchCount`; see there. Cells count where inputs differ."""
    width = component.width
    inputs = [*component.i_activation, *component.i_weight]
    count = Ecp5Count(
        pairs_heap(width, True), inputs, step=component.step, every=component.every, cells=cells
    )
    m = Module()
    m.submodules.count = count
    m.d.comb += component.o.eq(count.o if component.complement else width - count.o)
    return m
