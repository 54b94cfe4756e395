# amaranth: UnusedElaboratable=no
"""Queues keep every word in order, at full rate, and know how many they hold."""

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import verilog
from amaranth.hdl import Module, Signal, signed, unsigned

from rtl_gen.queue import STYLES, Queue, Skid
from rtl_gen.streams import word
from rtl_gen.tools import environment, run_tool, toolchain
from sim.bench import exercise, run
from sim.streams import frame, receive, send

DEPTHS = (1, 2, 3, 4, 5, 8, 17)


def words_of(lanes: int, bits: int, *, count: int = 3, elements: int = 23) -> list[Any]:
    dice = random.Random(lanes * 10 + bits)
    words: list[Any] = []
    for _ in range(count):
        words += frame([dice.randrange(1 << bits) for _ in range(elements)], lanes)
    return words


def make(depth: int, shape: Any) -> Any:
    """Depth 0 stands for the bare register slice."""
    return Queue(shape=shape, depth=depth) if depth else Skid(shape=shape)


@pytest.mark.parametrize("depth", [0, *DEPTHS])
def test_full_rate_and_latency(depth: int) -> None:
    words = words_of(2, 3)
    log = exercise(make(depth, word(2, 3)), {"i": words}, {"o": words})
    assert log.latency == (1 if depth <= 2 else 2)
    assert not depth or Queue(shape=word(2, 3), depth=depth).latency == log.latency
    assert log.period == 12
    first = log.moves["o"][0]
    assert log.moves["i"] == list(range(36))
    assert log.moves["o"] == list(range(first, first + 36))


@pytest.mark.parametrize("depth", [0, *DEPTHS])
@pytest.mark.parametrize(
    "kind", [50, 95, "toggle", {"o": 75}, {"i": 75}, {"o": "patient", "i": 25}]
)
def test_stalls(depth: int, kind: Any) -> None:
    words = words_of(3, 2, elements=17)
    exercise(make(depth, word(3, 2)), {"i": words}, {"o": words}, stalls=kind, seed=depth)


@pytest.mark.parametrize("depth", [0, *DEPTHS])
def test_reset_empties_it(depth: int) -> None:
    words = words_of(1, 4, count=2)
    for cycles in (1, 3, 4, 8):
        exercise(make(depth, word(1, 4)), {"i": words}, {"o": words}, reset_after=cycles)


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize(("shape", "low"), [(unsigned(5), 0), (signed(5), -16)])
def test_payload_of_any_shape(depth: int, shape: Any, low: int) -> None:
    words = list(range(low, low + 32))
    exercise(make(depth, shape), {"i": words}, {"o": words}, stalls=50)


@pytest.mark.parametrize("depth", DEPTHS)
def test_level_counts_words_and_it_fills(depth: int) -> None:
    dut = Queue(shape=unsigned(8), depth=depth)
    words = list(range(depth))

    async def bench(ctx: Any) -> None:
        await send(ctx, dut.i, words)
        assert ctx.get(dut.level) == depth
        await ctx.tick()
        assert not ctx.get(dut.i.ready)
        for left in reversed(range(depth)):
            assert await receive(ctx, dut.o, 1) == [depth - 1 - left]
            assert ctx.get(dut.level) == left
            await ctx.tick()
        assert not ctx.get(dut.o.valid)

    assert run(dut, bench, deadline=20 * depth).cycles > depth


def test_skid_cuts_both_paths() -> None:
    dut = Skid(shape=unsigned(4))

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i.valid, 1)
        assert not ctx.get(dut.o.valid)
        for _ in range(3):
            await ctx.tick()
        for ready in (1, 0):
            ctx.set(dut.o.ready, ready)
            assert not ctx.get(dut.i.ready)

    run(dut, bench, deadline=9)


def test_depth_one_cuts_all_but_ready() -> None:
    dut = Queue(shape=unsigned(4), depth=1)

    async def bench(ctx: Any) -> None:
        assert ctx.get(dut.i.ready)
        ctx.set(dut.i.valid, 1)
        assert not ctx.get(dut.o.valid)
        await ctx.tick()
        for ready in (0, 1, 0):
            ctx.set(dut.o.ready, ready)
            assert ctx.get(dut.o.valid)
            assert ctx.get(dut.i.ready) == ready

    run(dut, bench, deadline=9)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_no_valid_follows_ready_and_deeper_ones_cut_both(depth: int) -> None:
    dut = Queue(shape=unsigned(4), depth=depth)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i.valid, 1)
        for _ in range(2 * depth + 2):
            seen = []
            for ready in (1, 0):
                ctx.set(dut.o.ready, ready)
                seen.append((ctx.get(dut.o.valid), depth > 1 and ctx.get(dut.i.ready)))
            assert seen[0] == seen[1]
            await ctx.tick()
        assert ctx.get(dut.level) == depth

    run(dut, bench, deadline=30)


@pytest.mark.parametrize("style", STYLES)
def test_a_style_changes_no_clock(style: str) -> None:
    words = words_of(2, 3)
    logs = [
        exercise(
            Queue(shape=word(2, 3), depth=6, **given), {"i": words}, {"o": words}, stalls=50, seed=3
        )
        for given in ({}, {"style": style})
    ]
    assert logs[0].moves == logs[1].moves


class Broken(Skid):
    """A slice with a planted fault."""

    def __init__(self, fault: str) -> None:
        super().__init__(shape=word(2, 3))
        self._fault = fault

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        count = Signal(8)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += count.eq(count + 1)
        if self._fault == "drops last":
            m.d.comb += self.o.payload.last.eq(0)
        if self._fault == "ignores ready":
            m.d.comb += self.i.ready.eq(1)
        if self._fault == "loses a word":
            with m.If((count == 7) & (~self.o.valid | self.o.ready)):
                m.d.sync += self.o.valid.eq(0)
        return m


@pytest.mark.parametrize("fault", ["drops last", "ignores ready", "loses a word"])
def test_planted_fault_is_caught(fault: str) -> None:
    words = words_of(2, 3)
    with pytest.raises(AssertionError, match="expected|never came|payload changed"):
        exercise(Broken(fault), {"i": words}, {"o": words}, stalls=50)


class BrokenRing(Queue):
    """A deep queue with a planted fault."""

    def __init__(self, fault: str) -> None:
        super().__init__(shape=word(2, 3), depth=5)
        self._fault = fault

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        if self._fault == "takes when full":
            m.d.comb += self.i.ready.eq(1)
        if self._fault == "offers when empty":
            m.d.sync += self.o.valid.eq(1)
        return m


@pytest.mark.parametrize("fault", ["takes when full", "offers when empty"])
def test_planted_fault_in_a_deep_queue_is_caught(fault: str) -> None:
    words = words_of(2, 3)
    with pytest.raises((AssertionError, TimeoutError)):
        exercise(BrokenRing(fault), {"i": words}, {"o": words}, stalls=50)


def test_queue_wrong() -> None:
    for depth in (0, -1, 2.0):
        message = rf"^Queue depth must be a positive integer, not {depth}$"
        with pytest.raises(ValueError, match=message):
            Queue(shape=unsigned(4), depth=depth)  # type: ignore[arg-type]
    message = r"^Queue style must be one of auto, registers, lut, block, not 'ebr'$"
    with pytest.raises(ValueError, match=message):
        Queue(shape=unsigned(4), depth=3, style="ebr")
    with pytest.raises(
        ValueError, match=r"^Payload must have at least one bit, not unsigned\(0\)$"
    ):
        Skid(shape=unsigned(0))


def test_parameters_are_properties() -> None:
    queue = Queue(shape=unsigned(4), depth=3, style="lut")
    assert (queue.shape, queue.depth, queue.style) == (unsigned(4), 3, "lut")
    assert Queue(shape=unsigned(4), depth=3).style == "auto"
    assert Skid(shape=unsigned(2)).shape == unsigned(2)


SYNTHESIS = {
    "ice40": "synth_ice40 -device hx",
    "ecp5": "synth_ecp5 -nowidelut",
}

# Depth, width and style, and the memories that must be found; none: registers.
STORES: dict[str, list[tuple[int, int, str, dict[str, int]]]] = {
    "ice40": [
        (5, 4, "auto", {}),
        (5, 64, "auto", {}),
        (17, 4, "auto", {}),
        (6, 16, "auto", {"SB_RAM40_4K": 1}),
        (6, 64, "auto", {"SB_RAM40_4K": 4}),
        (257, 8, "auto", {"SB_RAM40_4K": 1}),
        (9, 16, "registers", {}),
        (3, 4, "block", {"SB_RAM40_4K": 1}),
    ],
    "ecp5": [
        (3, 4, "auto", {"TRELLIS_DPR16X4": 1}),
        (17, 72, "auto", {"TRELLIS_DPR16X4": 18}),
        (33, 36, "auto", {"TRELLIS_DPR16X4": 18}),
        (129, 8, "auto", {"TRELLIS_DPR16X4": 16}),
        (65, 24, "auto", {"DP16KD": 1}),
        (513, 36, "auto", {"DP16KD": 1}),
        (9, 16, "registers", {}),
        (65, 24, "lut", {"TRELLIS_DPR16X4": 24}),
        (3, 4, "block", {"DP16KD": 1}),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("family", STORES)
def test_a_store_lies_where_the_rule_says(family: str, tmp_path: Path) -> None:
    steps = []
    for number, (depth, width, style, _) in enumerate(STORES[family]):
        queue = Queue(shape=unsigned(width), depth=depth, style=style)
        (tmp_path / f"{number}.v").write_text(verilog.convert(queue, name="top"))
        steps += [f"read_verilog {number}.v", f"{SYNTHESIS[family]} -top top"]
        steps += [f"write_json {number}.json", "design -reset"]
    yosys = toolchain(family).programs["yosys"]
    run_tool([yosys, "-q", "-p", "; ".join(steps)], cwd=tmp_path, env=environment(family))
    for number, (depth, width, style, memories) in enumerate(STORES[family]):
        netlist = json.loads((tmp_path / f"{number}.json").read_text())
        cells = Counter(cell["type"] for cell in netlist["modules"]["top"]["cells"].values())
        found = {kind: cells[kind] for kind in cells if re.search("RAM|DPR|DP16", kind)}
        assert found == memories, f"{depth} words of {width} bits, {style}"
        registers = sum(cells[kind] for kind in cells if re.search("DFF|_FF", kind))
        control = 3 * (depth - 1).bit_length() + 2
        if not found:
            assert depth * width <= registers <= depth * width + control
        elif not found.get("TRELLIS_DPR16X4"):
            # The memory has the word on offer, and nothing watches for a read that meets a write.
            assert registers <= control
