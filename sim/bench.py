"""Run a component in Amaranth's simulator, watched on all its streams and never for ever."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amaranth.hdl import Cat, ClockDomain, Module
from amaranth.lib import stream, wiring
from amaranth.sim import Simulator

from .contract import StreamContract
from .scoreboard import Scoreboard
from .streams import Stall, Word, never, receive, send, stall

__all__ = ["Run", "Testbench", "everywhere", "exercise", "run", "stream_ports"]

Testbench = Callable[[Any], Awaitable[Any]]
"""`async def bench(ctx)`, the kind that `Simulator.add_testbench` takes."""


_EVERYWHERE: tuple[int | str | Mapping[str, int | str], ...] = (
    50,
    {"i": 25, "o": "patient"},
    "toggle",
    {"i": 75, "o": 30},
    {"i": 30, "o": 75},
)


def everywhere(turn: int) -> int | str | Mapping[str, int | str]:
    """Give kinds of stalls in turn, each on all ports of a unit from `i` to `o`."""
    return _EVERYWHERE[turn % len(_EVERYWHERE)]


@dataclass
class Run:
    """What happened on the streams, in clock edges since the start or the last reset.

    Parameters
    ----------
    cycles : int
        Clock edges.
    moves : dict of str to list of int
        For each stream port, the edges at which a word moved.
    ends : dict of str to list of int
        The same, only words with `last`.
    sources : list of str
        Names of the input ports.
    sinks : list of str
        Names of the output ports.
    """

    cycles: int = 0
    moves: dict[str, list[int]] = field(default_factory=dict)
    ends: dict[str, list[int]] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    sinks: list[str] = field(default_factory=list)

    @property
    def latency(self) -> int:
        """Clock edges from the first word in to the first word out: 1 for one register."""
        return min(self.moves[name][0] for name in self.sinks) - min(
            self.moves[name][0] for name in self.sources
        )

    @property
    def period(self) -> int:
        """Most clock edges between the ends of two consecutive frames, over all outputs."""
        return max(
            after - before
            for name in self.sinks
            for before, after in zip(self.ends[name], self.ends[name][1:], strict=False)
        )

    def _clear(self) -> None:
        self.cycles = 0
        for name in self.moves:
            self.moves[name].clear()
            self.ends[name].clear()


def stream_ports(dut: Any) -> Iterator[tuple[str, Any, bool]]:
    """Find every stream port of a component, also inside arrays and bundles.

    Yields
    ------
    name, port, output
        `"i"`, `"taps[0]"` or `"bus.o"`; the interface; whether the component drives `valid`.
    """
    yield from _streams("", dut.signature, dut, output=True)


def _streams(
    path: str, signature: Any, owner: Any, *, output: bool
) -> Iterator[tuple[str, Any, bool]]:
    for name, member in signature.members.items():
        if not member.is_signature:
            continue
        # The signature of an `In` member is already flipped; undo that to see what it is.
        inner = member.signature.flip() if member.flow is wiring.In else member.signature
        outward = output == (member.flow is wiring.Out)
        if isinstance(inner, wiring.FlippedSignature):
            inner, outward = inner.flip(), not outward
        for where, port in _elements(f"{path}{name}", getattr(owner, name), member.dimensions):
            if isinstance(inner, stream.Signature):
                yield where, port, outward
            else:
                yield from _streams(f"{where}.", inner, port, output=outward)


def _elements(where: str, port: Any, dimensions: Sequence[int]) -> Iterator[tuple[str, Any]]:
    if not dimensions:
        yield where, port
        return
    for index in range(dimensions[0]):
        yield from _elements(f"{where}[{index}]", port[index], dimensions[1:])


def run(
    dut: Any,
    *testbenches: Testbench,
    deadline: int,
    vcd: Path | None = None,
    domain: ClockDomain | None = None,
) -> Run:
    """Simulate until all testbenches have ended.

    Every stream port of a component's signature is watched by a `StreamContract`, also through the
    wrappers of `amaranth.hdl`.

    Parameters
    ----------
    dut : Elaboratable
        The unit under test, in the clock domain `sync`.
    testbenches : async callables
        Each gets the simulator's context.
    deadline : int
        Clock edges after which the run has failed.
    vcd : Path, optional
        Where to write the waves.
    domain : ClockDomain, optional
        Your own `sync`, if a testbench is to set `domain.rst`.

    Raises
    ------
    TimeoutError
        If the deadline passes; the message counts the words that moved on each stream.
    AssertionError
        If a stream breaks its contract.
    """
    log = Run()
    # Not `isinstance`: a `ResetInserter` or `DomainRenamer` around a component has its signature.
    ports = list(stream_ports(dut)) if hasattr(dut, "signature") else []
    for name, _, output in ports:
        log.moves[name], log.ends[name] = [], []
        (log.sinks if output else log.sources).append(name)
    simulator = Simulator(_watched(dut, ports, domain))
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.add_testbench(_clerk(log, ports, deadline), background=True)
    if vcd is None:
        simulator.run()
    else:
        with simulator.write_vcd(str(vcd)):
            simulator.run()
    return log


def _watched(dut: Any, ports: list[tuple[str, Any, bool]], domain: ClockDomain | None) -> Module:
    m = Module()
    m.domains.sync = ClockDomain("sync") if domain is None else domain
    m.submodules.dut = dut
    for name, port, _ in ports:
        contract = StreamContract(shape=port.payload.shape(), name=name)
        m.submodules[f"contract_{name}"] = contract
        contract.listen(m, port)
    return m


def _clerk(log: Run, ports: list[tuple[str, Any, bool]], deadline: int) -> Testbench:
    flags = [Cat(port.valid & port.ready, getattr(port.payload, "last", 1)) for _, port, _ in ports]

    async def clerk(ctx: Any) -> None:
        # A plain loop, because a background `repeat` or `until` that is left open fails at the end
        # of the run on Python 3.12 and older (amaranth issue 1638).
        for _ in range(deadline):
            _, reset, *moved = await ctx.tick().sample(*flags)
            if reset:
                log._clear()
                continue
            for (name, _, _), flag in zip(ports, moved, strict=True):
                if flag & 1:
                    log.moves[name].append(log.cycles)
                    if flag & 2:
                        log.ends[name].append(log.cycles)
            log.cycles += 1
        counts = ", ".join(f"{name} {len(edges)}" for name, edges in log.moves.items())
        raise TimeoutError(f"No end after {deadline} cycles; words moved: {counts or 'no streams'}")

    return clerk


def exercise(
    dut: Any,
    inputs: Mapping[str, Sequence[Word]],
    expected: Mapping[str, Sequence[Word]],
    *,
    stalls: int | str | Mapping[str, int | str] = 0,
    seed: int = 0,
    reset_after: int = 0,
    linger: int = 8,
    deadline: int | None = None,
    vcd: Path | None = None,
) -> Run:
    """Send on all inputs, receive and check on all outputs, and show that nothing is left.

    Parameters
    ----------
    dut : Component
        The unit under test.
    inputs, expected : dict of str to list of words
        For every input and every output stream, by name.
    stalls : int, str or dict
        A kind that `sim.streams.stall` understands, for all ports or by port name (0 for ports not
        named). An output may also be "patient": `ready` rises only after `valid`.
    seed : int
        Of the stalls; each port has its own sequence.
    reset_after : int
        First send and receive for so many cycles, then reset for one cycle and start again.
    linger : int
        Cycles to stay ready after the last expected word, to catch surplus words.
    deadline : int, optional
        Clock edges; the default is ample for 95 % of stalls.
    vcd : Path, optional
        Where to write the waves.

    Raises
    ------
    AssertionError
        If a word is wrong, missing or surplus, or a contract is broken.
    TimeoutError
        If words stop moving.
    ValueError
        If `inputs` and `expected` are not exactly the component's streams.
    """
    domain = ClockDomain("sync")
    benches = []
    for index, (name, port, output) in enumerate(_all_named(dut, inputs, expected)):
        kind = stalls.get(name, 0) if isinstance(stalls, Mapping) else stalls
        patient = kind == "patient"
        pattern = never if patient else stall(kind, seed=seed * 101 + index)
        abort = _Abort(domain, reset_after, index == 0)
        if output:
            board = Scoreboard(name, expected[name])
            benches.append(_sink(port, board, pattern, patient, linger, abort))
        elif patient:
            raise ValueError(f"Input {name!r} must not be patient: valid never waits for ready")
        else:
            benches.append(_source(port, inputs[name], pattern, abort))
    words = sum(map(len, [*inputs.values(), *expected.values()]))
    limit = 500 + reset_after + 60 * words if deadline is None else deadline
    return run(dut, *benches, deadline=limit, vcd=vcd, domain=domain)


def _all_named(
    dut: Any, inputs: Mapping[str, Any], expected: Mapping[str, Any]
) -> list[tuple[str, Any, bool]]:
    """Find the streams, and insist that none is forgotten: it would go unchecked."""
    ports = list(stream_ports(dut))
    given = sorted([*((name, False) for name in inputs), *((name, True) for name in expected)])
    if sorted((name, output) for name, _, output in ports) != given:
        names = sorted(name for name, _, _ in ports)
        raise ValueError(f"Streams must be {names}, not {[*inputs, *expected]}")
    return ports


@dataclass
class _Abort:
    """A false start: some cycles of traffic, then one cycle of reset that `leader` drives."""

    domain: ClockDomain
    cycles: int
    leader: bool

    async def source(self, ctx: Any, port: Any, words: Sequence[Word]) -> None:
        sent = 0
        for _ in range(self.cycles):
            ctx.set(port.valid, sent < len(words))
            if sent < len(words):
                ctx.set(port.payload, words[sent])
            *_, ready = await ctx.tick().sample(port.ready)
            sent += ready
        ctx.set(port.valid, 0)
        await self._reset(ctx)

    async def sink(self, ctx: Any, port: Any) -> None:
        for cycle in range(self.cycles):
            ctx.set(port.ready, cycle % 4 != 3)
            await ctx.tick()
        ctx.set(port.ready, 0)
        await self._reset(ctx)

    async def _reset(self, ctx: Any) -> None:
        if self.cycles:
            if self.leader:
                ctx.set(self.domain.rst, 1)
            await ctx.tick()
            if self.leader:
                ctx.set(self.domain.rst, 0)


def _source(port: Any, words: Sequence[Word], pattern: Stall, abort: _Abort) -> Testbench:
    async def bench(ctx: Any) -> None:
        await abort.source(ctx, port, words)
        await send(ctx, port, words, stall=pattern)

    return bench


def _sink(
    port: Any, board: Scoreboard, pattern: Stall, patient: bool, linger: int, abort: _Abort
) -> Testbench:
    async def bench(ctx: Any) -> None:
        await abort.sink(ctx, port)
        await receive(ctx, port, board.remaining, stall=pattern, patient=patient, check=board.check)
        board.drained()
        ctx.set(port.ready, 1)
        for _ in range(linger):
            *_, surplus, bits = await ctx.tick().sample(port.valid, port.payload)
            if surplus:
                board.check(bits)
        ctx.set(port.ready, 0)

    return bench
