# amaranth: UnusedElaboratable=no
"""Units whose weights are loaded: what they begin with, and what they do afterwards."""

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Elaboratable, Module

from bnnhw.fold import LayerFold
from bnnhw.graph import Dense
from bnnhw.plan.pack import threshold_words, weight_words
from rtl_gen.memories import load_ports
from rtl_gen.mvtu import Mvtu
from sim.bench import run
from sim.streams import frame, receive, send, stall

ROWS, COLUMNS = 5, 7
SEEN = np.random.default_rng(1).integers(0, 2, (6, COLUMNS))


class Layer:
    """A random dense layer with thresholds, computed in ±1 and in plain sight."""

    def __init__(self, seed: int) -> None:
        dice = np.random.default_rng(seed)
        self.weight = dice.integers(0, 2, (ROWS, COLUMNS), np.uint8)
        self.level = dice.integers(-COLUMNS - 2, COLUMNS + 3, ROWS)
        self.direction = dice.choice([-1, 1], ROWS)

    def answers(self, pe: int) -> list[Any]:
        dots = (2 * SEEN - 1) @ (2 * self.weight.astype(int) - 1).T
        reached = np.where(self.direction > 0, dots >= self.level, dots <= self.level)
        return [word for bits in reached.astype(int) for word in frame(bits.tolist(), pe)]

    def words(self, pe: int, simd: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        # The sum is 2 * matches - COLUMNS; a complemented row turns its sign.
        least = -(-(self.direction * self.level + COLUMNS) // 2)
        levels = np.clip(least, 0, COLUMNS + 1)[:, None]
        weights = weight_words(Dense("fc", ("x",), self.weight), self.direction < 0, pe, simd)
        return weights, threshold_words(levels, COLUMNS, pe)

    def upload(self, pe: int, simd: int) -> list[Any]:
        """Weights, then thresholds, each column by column; and some filling."""
        weights, thresholds = self.words(pe, simd)
        bits = (COLUMNS + 1).bit_length()
        chunks = [
            word >> low & 0xFFFF
            for words, width in ((weights, pe * simd), (thresholds, pe * bits))
            for low in range(0, width, 16)
            for word in words
        ] + [0, 0]
        last = len(chunks) - 1
        return [{"data": (chunk,), "last": int(k == last)} for k, chunk in enumerate(chunks)]


class Bare(Elaboratable):
    """A unit without watched ports: an upload may withdraw what a store offers inside."""

    def __init__(self, unit: Mvtu) -> None:
        self.unit: Any = unit

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = self.unit
        m.d.comb += self.unit.o_load.ready.eq(1)
        return m


FOLDS = [(1, 1), (2, 3), (5, 7), (3, 7), (5, 2)]


@pytest.mark.parametrize(("pe", "simd"), FOLDS)
@pytest.mark.parametrize("style", ["ram", "spram"])
@pytest.mark.parametrize("kind", [0, 60])
def test_unit_computes_with_what_was_loaded(pe: int, simd: int, style: str, kind: int) -> None:
    computes_with_what_was_loaded(pe, simd, style, kind)


@pytest.mark.parametrize("pe", range(1, ROWS + 1))
@pytest.mark.parametrize("style", ["ram", "spram"])
def test_every_folding_with_stalls_on_all_ports(pe: int, style: str) -> None:
    for simd in range(1, COLUMNS + 1):
        computes_with_what_was_loaded(pe, simd, style, (50, "toggle", 75)[(pe + simd) % 3])


def computes_with_what_was_loaded(pe: int, simd: int, style: str, kind: int | str) -> None:
    """Load one matrix after the other, and answer with each; `kind` stalls all three ports."""
    first, second, third = (Layer(seed) for seed in (2, 3, 4))
    weights, thresholds = first.words(pe, simd)
    dut: Any = Mvtu(
        rows=ROWS, columns=COLUMNS, pe=pe, simd=simd,
        weights=weights, thresholds=thresholds, weight_style=style,
    )  # fmt: skip
    words = [word for vector in SEEN for word in frame(vector.tolist(), simd)]
    turns = ([first] if style == "ram" else []) + [second, third]

    async def source(ctx: Any) -> None:
        for number, layer in enumerate(turns):
            if layer is not first:
                await send(ctx, dut.i_load, layer.upload(pe, simd), stall=stall(kind, seed=5))
            await send(ctx, dut.i, words, stall=stall(kind, seed=number))
            while len(got) <= number:
                await ctx.tick()

    got: list[Any] = []

    async def sink(ctx: Any) -> None:
        for number, layer in enumerate(turns):
            expected = layer.answers(pe)
            words = await receive(ctx, dut.o, len(expected), stall=stall(kind, seed=9 + number))
            assert words == expected
            got.append(layer)

    run(Bare(dut), source, sink, deadline=10_000)
    assert got == turns


def test_first_frame_waits_for_the_weights() -> None:
    layer = Layer(6)
    weights, thresholds = Layer(7).words(5, 7)
    dut: Any = Mvtu(
        rows=ROWS, columns=COLUMNS, pe=5, simd=7,
        weights=weights, thresholds=thresholds, weight_style="spram",
    )  # fmt: skip

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i.payload, frame(SEEN[0].tolist(), 7)[0])
        ctx.set(dut.i.valid, 1)
        await ctx.tick().repeat(20)
        assert not ctx.get(dut.o.valid)
        await send(ctx, dut.i_load, layer.upload(5, 7))
        assert await receive(ctx, dut.o, 1) == layer.answers(5)[:1]

    run(Bare(dut), bench, deadline=200)


@pytest.mark.parametrize("style", ["auto", "lut", "block"])
def test_unit_that_is_part_of_the_build_has_no_ports_to_load(style: str) -> None:
    assert load_ports(style) == {}
    weights, thresholds = Layer(1).words(1, 1)
    assert LayerFold(1, 1, style).weights == style
    dut = Mvtu(
        rows=ROWS, columns=COLUMNS, pe=1, simd=1,
        weights=weights, thresholds=thresholds, weight_style=style,
    )  # fmt: skip
    assert set(dut.signature.members) == {"i", "o"}
