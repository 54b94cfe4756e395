"""An accelerator in the interpreting simulators: slow, but one of them knows unknown values."""

from collections.abc import Callable
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.sim import Simulator

from bnnhw.errors import CheckFailed
from bnnhw.plan import Plan
from rtl_gen.accelerator import Accelerator

from .cocotb_run import TODO, run_bench
from .compiled import Recording, pack_frames, word_bits
from .traffic import Broken, Edge, Traffic

__all__ = ["idle_limit", "input_words", "record_icarus", "record_pysim"]


def input_words(plan: Plan, codes: np.ndarray) -> list[int]:
    """Cut frames of codes into input words."""
    first = plan.blocks[0]
    rows = pack_frames(np.asarray(codes), first.lanes_in, first.bits_in)
    return [int.from_bytes(row.astype("<u8").tobytes(), "little") for row in rows]


def _recording(plan: Plan, words: dict[str, list[int]], ends: list[int], clocks: int) -> Recording:
    packed = {}
    for block in plan.recorded:
        size = -(-word_bits(block) // 64)
        raw = b"".join(word.to_bytes(8 * size, "little") for word in words[block.name])
        packed[block.name] = np.frombuffer(raw, "<u8").reshape(-1, size)
    return Recording(packed, np.array(ends, np.int64), clocks)


def idle_limit(plan: Plan) -> int:
    """Give the clocks without any movement after which something hangs."""
    # The slowest block may be silent for a whole image; stalls of 95 % never last 2,000 clocks.
    return 4 * plan.cycles + 2000


def record_icarus(
    plan: Plan,
    verilog: str,
    codes: np.ndarray,
    *,
    stall_in: int = 0,
    stall_out: int = 0,
    seed: int = 1,
    progress: Callable[[int], None] | None = None,
    limit: float = 3600,
) -> Recording:
    """Stream frames through the Verilog of an accelerator in Icarus, and record every edge.

    Icarus knows unknown bits: one on a `valid`, on a `ready` or in a word that is valid is a fault.
    The input's payload is unknown while nothing is offered.

    Parameters
    ----------
    plan : Plan
    verilog : str
        As emitted for `plan`, with plain port names.
    codes : array of int, shape (frames, elements)
        Codes of the input edge.
    stall_in, stall_out : int
        Percentage of clocks in which the source or the sink waits.
    seed : int
        Of the stalls; the same one gives the same run in every simulator.
    progress : callable or None
        Called with the number of answered frames now and then.
    limit : float
        Seconds after which the simulator is stopped.

    Raises
    ------
    CheckFailed
        If a stream breaks its contract, a bit is unknown, or nothing moves for too long; it names
        edge and clock.
    ToolMissing, ToolFailed
        If Icarus is missing or refuses the text.
    """
    job = {
        "words": [hex(word) for word in input_words(plan, codes)],
        "frames": len(codes),
        "edges": {block.name: block.words_out for block in plan.recorded},
        "stall_in": stall_in,
        "stall_out": stall_out,
        "seed": seed,
        "idle": idle_limit(plan),
    }
    got = run_bench("cocotb_edges", verilog, job, top=plan.name, limit=limit, progress=progress)
    words = {name: [int(word, 16) for word in edge] for name, edge in got["words"].items()}
    return _recording(plan, words, got["ends"], got["clocks"])


class _Opened(Accelerator):
    """An accelerator whose edges a bench can reach once it is elaborated."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        edges = [m.submodules[block.name].o for block in self.plan.recorded]
        parts = [Cat(edge.valid, edge.ready, Value.cast(edge.payload)) for edge in edges]
        self.widths = [len(part) for part in parts]
        # One signal: the simulator compiles what drives it, and walks through what a bench samples.
        everything = Cat(self.i.ready, self.o.payload.last & self.o.valid, *parts)
        self.seen = Signal(len(everything))
        m.d.comb += self.seen.eq(everything)
        return m


def record_pysim(
    plan: Plan,
    codes: np.ndarray,
    *,
    stall_in: int = 0,
    stall_out: int = 0,
    seed: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Recording:
    """Stream frames through an accelerator in Amaranth's simulator, and record every edge.

    Parameters
    ----------
    plan : Plan
    codes : array of int, shape (frames, elements)
        Codes of the input edge.
    stall_in, stall_out : int
        Percentage of clocks in which the source or the sink waits.
    seed : int
        Of the stalls; the same one gives the same run in every simulator.
    progress : callable or None
        Called with the number of answered frames.

    Raises
    ------
    CheckFailed
        If a stream breaks its contract, or nothing moves for too long.
    """
    traffic = Traffic(
        input_words(plan, codes),
        len(codes),
        {block.name: block.words_out for block in plan.recorded},
        stall_in=stall_in,
        stall_out=stall_out,
        seed=seed,
        idle=idle_limit(plan),
    )
    dut = _Opened(plan)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(_testbench(dut, traffic, progress))
    try:
        simulator.run()
    except Broken as fault:
        raise CheckFailed(
            f"The simulated accelerator '{plan.name}' is wrong: {fault}.",
            TODO,
        ) from fault
    return _recording(plan, traffic.words, traffic.ends, traffic.clocks)


def _testbench(
    dut: _Opened, traffic: Traffic, progress: Callable[[int], None] | None
) -> Callable[[Any], Any]:
    # The layout has its lanes first, in the low bits, and `last` above them.
    given = Cat(dut.i.valid, Value.cast(dut.i.payload))
    lanes = len(Value.cast(dut.i.payload.data))

    async def bench(ctx: Any) -> None:
        reported, offered = 0, -1
        while not traffic.done or traffic.rest:
            word, last, ready = traffic.drive()
            offer = 0 if word is None else 1 | word << 1 | last << lanes + 1
            if offer != offered:
                ctx.set(given, offer)
                offered = offer
            ctx.set(dut.o.ready, ready)
            *_, seen = await ctx.tick().sample(dut.seen)
            traffic.look(bool(seen & 1), bool(seen & 2), _split(seen >> 2, dut.widths))
            if progress and len(traffic.ends) > reported:
                reported = len(traffic.ends)
                progress(reported)

    return bench


def _split(seen: int, widths: list[int]) -> list[Edge]:
    found = []
    for width in widths:
        found.append((bool(seen & 1), bool(seen & 2), (seen & (1 << width) - 1) >> 2))
        seen >>= width
    return found
