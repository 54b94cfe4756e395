"""Acts, clock by clock: the same in Amaranth's simulator (here) and in Verilator (`abuse.cpp`)."""

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Cat, ClockDomain
from amaranth.sim import Simulator

from bnnhw.errors import CheckFailed

from .abuse import NEVER, TOGGLE, Act, Design, Lane, Outcome
from .cocotb_run import TODO
from .traffic import Dice
from .verilated import compile_program

__all__ = ["REST", "Trace", "compile_abused", "play_compiled", "play_pysim"]

REST = 1000
"""Clocks behind the last act in which nothing may leave any more, unless hangs are seen sooner."""

_HARNESS = Path(__file__).with_name("abuse.cpp")
_FACTOR = 0x9E3779B97F4A7C15
_SECOND = 0xBF58476D1CE4E5B9
_ENOUGH = 64


def _dice(seed: int, number: int) -> Dice:
    """Give the dice of port `number`, the sink's being 0: odd, and with many bits."""
    return Dice((seed * 2 + 1) * (_FACTOR + 2 * number * _SECOND))


class _Source:
    """One input during an act."""

    def __init__(self, act: Act, lane: Lane, number: int) -> None:
        self._offers = act.offers.get(lane.name, ())
        self._stall, self._seed = act.stall_in, act.seed
        self._dice = _dice(act.seed, number + 1)
        self._at = 0
        self._gap = self._offers[0][1] if self._offers else 0
        self.offering = False

    @property
    def done(self) -> bool:
        return self._at == len(self._offers)

    def drive(self, clock: int) -> int | None:
        """Give the word on offer in this clock."""
        if self.done:
            return None
        if not self.offering:
            if self._gap:
                self._gap -= 1
            else:
                self.offering = not _waits(self._dice, self._stall, clock + self._seed)
        return self._offers[self._at][0] if self.offering else None

    def taken(self) -> None:
        self.offering = False
        self._at += 1
        if not self.done:
            self._gap = self._offers[self._at][1]


def _waits(dice: Dice, stall: int, clock: int) -> bool:
    return bool(clock & 1) if stall == TOGGLE else dice.below(stall)


class _Playing:
    """An act under way; it knows no simulator."""

    def __init__(self, act: Act, lanes: Sequence[Lane], idle: int) -> None:
        self.act, self._limit = act, idle
        self.sources = [_Source(act, lane, number) for number, lane in enumerate(lanes)]
        self._dice = _dice(act.seed, 0)
        self.clock, self._idle = 0, 0
        self._held: int | None = None
        self.words: list[int] = []
        self.broken = ""

    @property
    def done(self) -> bool:
        if self.broken or self.clock > self.act.reset_at:
            return True
        if self.act.reset_at != NEVER:
            return False
        return len(self.words) >= self.act.answers and all(s.done for s in self.sources)

    @property
    def reset(self) -> bool:
        return self.clock == self.act.reset_at

    def drive(self) -> tuple[list[int | None], bool]:
        words = [source.drive(self.clock) for source in self.sources]
        waits = _waits(self._dice, self.act.stall_out, self.clock + self.act.seed)
        return words, self.clock >= self.act.hold and not waits

    def look(self, taken: Sequence[bool], accept: bool, valid: bool, word: int) -> None:
        """Account for this clock; what moves together with reset is lost on both sides."""
        self._idle += 1
        for source, moved in zip(self.sources, taken, strict=True):
            if source.offering and moved and not self.reset:
                source.taken()
                self._idle = 0
        if self._held is not None and not (valid and word == self._held):
            self.broken = f"an offer was taken back at clock {self.clock}"
        self._held = word if valid and not accept else None
        if valid and accept and not self.reset:
            self._idle = 0
            self.words.append(word)
        if len(self.words) > self.act.answers + _ENOUGH:
            self.broken = "words without end"
        # Neither what is held up nor what waits for reset hangs.
        if self.clock < self.act.hold:
            self._idle = 0
        if self._idle > self._limit and self.act.reset_at == NEVER:
            self.broken = f"nothing moved for {self._idle} clocks"
        self.clock += 1

    @property
    def outcome(self) -> Outcome:
        return Outcome(tuple(self.words), self.clock, self.broken)


def _rest(design: Design) -> Act:
    return Act({}, 0, reset_at=min(REST, design.idle))


def play_pysim(design: Design, acts: Sequence[Act]) -> list[Outcome]:
    """Play acts in Amaranth's simulator; a last one, in which nothing is sent, shows surplus words.

    It stops at the first broken rule.
    """
    lanes, out = design.lanes
    domain = ClockDomain("sync")
    m, shell = design.inside(domain)
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    outcomes: list[Outcome] = []
    seen = Cat(
        *(getattr(shell, lane.ready) for lane in lanes),
        getattr(shell, out.valid),
        *(getattr(shell, name) for name, _ in out.fields),
    )

    async def clock(ctx: Any, playing: _Playing) -> None:
        words, accept = playing.drive()
        for lane, word in zip(lanes, words, strict=True):
            _offer(ctx, shell, lane, word, playing.clock)
        ctx.set(getattr(shell, out.ready), accept)
        ctx.set(domain.rst, playing.reset)
        *_, bits = await ctx.tick().sample(seen)
        ready = [bool(bits >> k & 1) for k in range(len(lanes))]
        valid, word = bool(bits >> len(lanes) & 1), bits >> len(lanes) + 1
        playing.look(ready, accept, valid, word)

    async def bench(ctx: Any) -> None:
        ctx.set(domain.rst, 1)
        await ctx.tick()
        await ctx.tick()
        for act in (*acts, _rest(design)):
            playing = _Playing(act, lanes, design.idle)
            while not playing.done:
                await clock(ctx, playing)
            outcomes.append(playing.outcome)
            if playing.broken:
                return

    simulator.add_testbench(bench)
    simulator.run()
    return _without_rest(outcomes, len(acts))


def _offer(ctx: Any, shell: Any, lane: Lane, word: int | None, clock: int) -> None:
    """Put a word on the ports of an input; while there is none, rubbish."""
    ctx.set(getattr(shell, lane.valid), word is not None)
    bits = -(clock & 1) if word is None else word
    for name, width in lane.fields:
        ctx.set(getattr(shell, name), bits & (1 << width) - 1)
        bits >>= width


def _without_rest(outcomes: list[Outcome], acts: int) -> list[Outcome]:
    """Drop the last act; what left in it counts as broken for the one before."""
    if len(outcomes) > acts:
        rest = outcomes.pop()
        if outcomes and (rest.words or rest.broken):
            before = outcomes[-1]
            why = rest.broken or f"{len(rest.words)} words came behind its answers"
            outcomes[-1] = Outcome(before.words, before.clocks, why)
    return outcomes


@dataclass(frozen=True)
class Trace:
    """Every port in every clock, as numbers.

    Parameters
    ----------
    ports : tuple of str
        ``"rst"``, then the inputs, then the outputs.
    inputs : int
        How many of them are inputs, reset included.
    values : array of uint64, shape (clocks, ports)
    """

    ports: tuple[str, ...]
    inputs: int
    values: np.ndarray


def _header(design: Design) -> str:
    """Write the part of the program that knows the ports."""
    lanes, out = design.lanes
    offers, taken, names = [], [], trace_ports(design)
    for number, lane in enumerate(lanes):
        low, parts = 0, []
        for name, width in lane.fields:
            parts.append(f"top->{name} = word >> {low} & {hex((1 << width) - 1)}ull;")
            low += width
        parts.append(f"top->{lane.valid} = valid;")
        offers.append(f"case {number}: {' '.join(parts)} return;")
        taken.append(f"case {number}: return top->{lane.ready};")
    low, answer = 0, []
    for name, width in out.fields:
        answer.append(f"uint64_t(top->{name}) << {low}")
        low += width
    looks = [f"uint64_t(top->{name})" for name in names]
    return f"""#include <memory>
#include "Vtop.h"
#include "verilated.h"
constexpr size_t INPUTS = {len(lanes)}, PORTS = {len(names)};
struct Model {{
    std::unique_ptr<VerilatedContext> context{{new VerilatedContext}};
    std::unique_ptr<Vtop> top{{new Vtop{{context.get()}}}};
    void reset(bool level) {{ top->rst = level; }}
    void settle() {{ top->eval(); }}
    void cycle() {{ top->clk = 1; top->eval(); top->clk = 0; top->eval(); }}
    void offer(size_t lane, bool valid, uint64_t word) {{ switch (lane) {{ {" ".join(offers)} }} }}
    bool taken(size_t lane) {{ switch (lane) {{ {" ".join(taken)} }} return false; }}
    void accept(bool ready) {{ top->{out.ready} = ready; }}
    bool shown() {{ return top->{out.valid}; }}
    uint64_t answer() {{ return {" | ".join(answer)}; }}
    void look(uint64_t* to) {{
        const uint64_t now[PORTS] = {{{", ".join(looks)}}};
        for (size_t k = 0; k < PORTS; k++) to[k] = now[k];
    }}
}};
"""


def trace_ports(design: Design) -> list[str]:
    """Name reset, the inputs and the outputs, in the order of a `Trace`."""
    ports = design.ports
    return ["rst", *(p.name for p in ports if p.direction == "input")] + [
        p.name for p in ports if p.direction == "output"
    ]


def compile_abused(design: Design, **options: Any) -> Path:
    """Compile a design and its bench, or find them compiled; `options` of `compile_program`."""
    text, _ = design.emitted
    return compile_program(
        text, design.name, _HARNESS, headers={"ports.h": _header(design)}, **options
    )


def play_compiled(
    design: Design,
    program: Path,
    acts: Sequence[Act],
    *,
    traced: bool = False,
    limit: float = 1800.0,
    arguments: Sequence[str] = (),
) -> tuple[list[Outcome], Trace | None]:
    """Play acts in a compiled program, as `play_pysim` does.

    Parameters
    ----------
    design : Design
    program : Path
        From `compile_abused`.
    acts : sequence of Act
    traced : bool
        Whether to write every port down in every clock.
    limit : float
        Seconds after which the program is stopped.
    arguments : sequence of str
        For the program.

    Raises
    ------
    CheckFailed
        If the program ends without an answer.
    """
    lanes, _ = design.lanes
    words = [len(acts) + 1, design.idle, int(traced), _ENOUGH]
    for act in (*acts, _rest(design)):
        words += [act.answers, act.stall_in, act.stall_out, act.hold, act.seed, act.reset_at]
        words += _packed(act.offers, lanes)
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:
        source.write(np.array(words, "<u8").tobytes())
        source.seek(0)
        done = subprocess.run(
            [program, *arguments], stdin=source, stdout=sink, stderr=subprocess.PIPE,
            check=False, timeout=limit,
        )  # fmt: skip
        sink.seek(0)
        answer = np.frombuffer(sink.read(), "<u8")
    if done.returncode:
        raise CheckFailed(f"'{design.name}' ended with status {done.returncode}.", TODO)
    outcomes, at = _outcomes(answer)
    trace = None
    if traced:
        names = trace_ports(design)
        count = 1 + sum(port.direction == "input" for port in design.ports)
        trace = Trace(tuple(names), count, answer[at:].reshape(-1, len(names)))
    return _without_rest(outcomes, len(acts)), trace


def _packed(offers: Mapping[str, Sequence[tuple[int, int]]], lanes: Sequence[Lane]) -> list[int]:
    packed = []
    for lane in lanes:
        given = offers.get(lane.name, ())
        packed.append(len(given))
        packed += [number for offer in given for number in offer]
    return packed


_BROKEN = {
    1: "an offer was taken back at clock {clock}",
    2: "words without end",
    3: "nothing moved for very long, up to clock {clock}",
}


def _outcomes(answer: np.ndarray) -> tuple[list[Outcome], int]:
    at, outcomes = 1, []
    for _ in range(int(answer[0])):
        status, clocks, count = (int(word) for word in answer[at : at + 3])
        words = tuple(int(word) for word in answer[at + 3 : at + 3 + count])
        broken = _BROKEN[status].format(clock=clocks - 1) if status else ""
        outcomes.append(Outcome(words, clocks, broken))
        at += 3 + count
    return outcomes, at
