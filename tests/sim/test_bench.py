# amaranth: UnusedElaboratable=no
"""The bench measures what is there, and fails on what is missing, surplus, stuck or unnamed."""

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import ClockDomain, Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.streams import port
from sim.bench import exercise, run, stream_ports
from sim.streams import frame

FRAMES = [frame([k, 1, 2, 3, k], 2) for k in range(3)]
WORDS = sum(FRAMES, [])


class Pipe(wiring.Component):
    """Two register slices, or one of their broken twins."""

    def __init__(self, *, fault: str = "") -> None:
        self._fault = fault
        super().__init__({"i": In(port(2, 3)), "o": Out(port(2, 3))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        count = Signal(8)
        middle = port(2, 3).create(path=("middle",))
        for one, other in ((self.i, middle), (middle, self.o)):
            with m.If(~other.valid | other.ready):
                m.d.comb += one.ready.eq(1)
                m.d.sync += [other.valid.eq(one.valid), other.payload.eq(one.payload)]
        moved = self.i.valid & self.i.ready
        m.d.sync += count.eq(count + moved)
        if self._fault == "loses":
            with m.If(moved & (count == 4)):
                m.d.sync += middle.valid.eq(0)
        if self._fault == "repeats":
            with m.If((count == 9) & middle.ready & middle.valid):
                m.d.sync += [middle.valid.eq(1), count.eq(10)]
        if self._fault == "hangs":
            with m.If(count == 5):
                m.d.comb += self.i.ready.eq(0)
                m.d.sync += middle.valid.eq(0)
        if self._fault == "deaf":
            m.d.comb += [self.i.ready.eq(1)]
        if self._fault == "endless":
            m.d.sync += self.o.payload.last.eq(0)
        return m


def test_measures_latency_and_period() -> None:
    log = exercise(Pipe(), {"i": WORDS}, {"o": WORDS})
    assert (log.latency, log.period) == (2, 3)
    assert log.moves == {"i": list(range(9)), "o": list(range(2, 11))}
    assert log.ends == {"i": [2, 5, 8], "o": [4, 7, 10]}


@pytest.mark.parametrize("kind", [25, 50, 75, 95, "toggle", {"i": 50}, {"o": "patient"}])
def test_stalls_change_time_not_words(kind: Any) -> None:
    log = exercise(Pipe(), {"i": WORDS}, {"o": WORDS}, stalls=kind, seed=1)
    assert log.period > 3 or kind == {"i": 50}
    assert log.cycles > 11 + 8 - 1


@pytest.mark.parametrize(
    ("fault", "kind", "error", "message"),
    [
        ("loses", 0, AssertionError, "o: frame 1, word 1, lane 0 of data: expected 2, got 1"),
        ("repeats", 0, AssertionError, "o: frame 3, word 0: nothing expected"),
        ("hangs", 0, TimeoutError, "No end after 200 cycles; words moved: i 5, o 5"),
        ("deaf", 50, AssertionError, "o: frame [0-9], word"),
        ("endless", 0, AssertionError, "o: frame 0, word 2, last: expected 1, got 0"),
    ],
)
def test_planted_fault_is_caught(
    fault: str, kind: int, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        exercise(Pipe(fault=fault), {"i": WORDS}, {"o": WORDS}, stalls=kind, deadline=200)


class Waiter(wiring.Component):
    """Breaks the third rule of streams: its `valid` waits for `ready`."""

    def __init__(self) -> None:
        super().__init__({"i": In(port(2, 3)), "o": Out(port(2, 3))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
        m.d.comb += self.o.valid.eq(self.i.valid & self.o.ready)
        return m


def test_valid_that_waits_for_ready_is_caught() -> None:
    exercise(Waiter(), {"i": WORDS}, {"o": WORDS})
    with pytest.raises(TimeoutError, match="No end after 100 cycles; words moved: i 0, o 0"):
        exercise(Waiter(), {"i": WORDS}, {"o": WORDS}, stalls={"o": "patient"}, deadline=100)


def test_reset_starts_again() -> None:
    for cycles in range(1, 9):
        log = exercise(Pipe(), {"i": WORDS}, {"o": WORDS}, reset_after=cycles)
        assert log.latency == 2
        assert log.moves["i"] == list(range(9))


def test_state_that_survives_reset_is_caught() -> None:
    class Sticky(Pipe):
        def elaborate(self, platform: Any) -> Module:
            m = super().elaborate(platform)
            sum_of_data = Signal(3, reset_less=True)
            with m.If(self.i.valid & self.i.ready):
                m.d.sync += sum_of_data.eq(sum_of_data + 1)
                with m.If(sum_of_data == 7):
                    m.d.sync += sum_of_data.eq(7)
                    m.d.sync += self.o.payload.data[0].eq(7)
            return m

    with pytest.raises(AssertionError, match="expected"):
        exercise(Sticky(), {"i": WORDS}, {"o": WORDS}, reset_after=5)


def test_wrapped_component_is_watched_too() -> None:
    log = exercise(ResetInserter(Signal())(Pipe()), {"i": WORDS}, {"o": WORDS}, stalls=25)
    assert len(log.moves["o"]) == 9


def test_plain_elaboratable_runs_unwatched() -> None:
    m = Module()
    count = Signal(4)
    m.d.sync += count.eq(count + 1)
    seen: list[int] = []

    async def bench(ctx: Any) -> None:
        for _ in range(3):
            await ctx.tick()
            seen.append(ctx.get(count))

    assert run(m, bench, deadline=9).moves == {}
    assert seen == [1, 2, 3]


def test_stuck_bench_meets_its_deadline() -> None:
    async def bench(ctx: Any) -> None:
        while True:
            await ctx.tick()

    with pytest.raises(TimeoutError, match="^No end after 7 cycles; words moved: no streams$"):
        run(Module(), bench, deadline=7)


def test_exercise_wrong() -> None:
    message = r"^Streams must be \['i', 'o'\], not \['i'\]$"
    with pytest.raises(ValueError, match=message):
        exercise(Pipe(), {"i": WORDS}, {})
    with pytest.raises(ValueError, match="^Input 'i' must not be patient"):
        exercise(Pipe(), {"i": WORDS}, {"o": WORDS}, stalls="patient")


def test_run_writes_waves(tmp_path: Path) -> None:
    domain = ClockDomain("sync")

    async def bench(ctx: Any) -> None:
        for _ in range(5):
            await ctx.tick()

    log = run(Pipe(), bench, deadline=9, vcd=tmp_path / "waves.vcd", domain=domain)
    assert log.cycles == 5
    assert "$enddefinitions" in (tmp_path / "waves.vcd").read_text()


def test_stream_ports_of_bundles_and_arrays() -> None:
    bundle = wiring.Signature({"go": Out(port(1)), "back": In(port(1))})

    class Many(wiring.Component):
        def __init__(self) -> None:
            super().__init__(
                {
                    "taps": Out(port(1)).array(2),
                    "bus": In(bundle),
                    "out": Out(bundle),
                    "turned": Out(port(1).flip()),
                    "level": Out(3),
                }
            )

    found = {name: output for name, _, output in stream_ports(Many())}
    assert found == {
        "taps[0]": True,
        "taps[1]": True,
        "bus.go": False,
        "bus.back": True,
        "out.go": True,
        "out.back": False,
        "turned": False,
    }
