# amaranth: UnusedElaboratable=no
"""Blocks that repeat and reorder words lose, double and mix none, for all time."""

from functools import partial
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring

from rtl_gen.batch import BatchBuffer
from rtl_gen.channels import ChannelSlice, Permute
from rtl_gen.feed import Feed
from rtl_gen.feed_held import HeldFeed
from rtl_gen.frame import FrameGuard
from rtl_gen.in_order import InOrder
from rtl_gen.replay import ReplayBuffer
from rtl_gen.window_parallel import ParallelWindow
from sim.formal import Mode, Verdict, prove
from sim.formal.blocks import whole_window
from sim.formal.compute import Law, Words, compute, reorder
from sim.formal.feeds import feed, guard

from .cases import Case, proofs, twins
from .faults import Faulty


def replay(words: int, repeats: int, *, slow: bool = True) -> Case:
    make = partial(ReplayBuffer, words=words, lanes=1, repeats=repeats)
    law = reorder(
        words_in=words,
        table=[[(word, 0)] for _ in range(repeats) for word in range(words)],
        flight=3,
        silent=3,
        deaf=words * repeats,
    )
    depth = 2 * words * repeats + words + 4
    return Case(f"replay-{words}-{repeats}", make, law, depth, right="order", slow=slow)


def permute(make: Any, order: tuple[int, ...], *, slow: bool) -> Case:
    """Let the last word that leaves carry the `last` of the last one that came."""
    final = len(order) - 1

    def formula(words: Words) -> list[list[Any]]:
        return [
            [words[source][0], words[final][1] if place == final else 0]
            for place, source in enumerate(order)
        ]

    law = Law(
        words_in=len(order),
        needs=[len(order)] * len(order),
        formula=formula,
        flight=3,
        silent=len(order) + 2,
        deaf=len(order),
        passes_last=True,
    )
    name = f"{make.func.__name__}-{len(order)}"
    return Case(name, make, compute(law), 5 * len(order) + 4, last="result", slow=slow)


def window(name: str, *, slow: bool = True, **shape: Any) -> Case:
    given = {"channels": 1, "bits": 1, "height": 2, "width": 2, "kernel": (2, 1), **shape}
    make = partial(ParallelWindow, **given)
    return Case(name, make, whole_window(make()), 2 * make().cycles + 10, right="order", slow=slow)


PIXELS = reorder(words_in=6, table=[[(1, 0)], [(4, 0)]], flight=1, silent=4, deaf=0)
BATCH = [[(vector * 2 + word, 0)] for _ in range(2) for word in range(2) for vector in range(2)]
KINDS = [
    replay(2, 2, slow=False),
    permute(partial(Permute, lanes=1, bits=1, order=(1, 0)), (1, 0), slow=False),
    Case(
        "slice",
        partial(ChannelSlice, lanes=1, bits=1, folds=3, start=1, stop=2, pixels=2),
        PIXELS,
        16,
        right="order",
        # Without a register a word that leaves twice leaves once before it was taken: no order.
        harmless=("doubles a word",),
    ),
    window("window-whole", slow=False),
    Case(
        "batch",
        partial(BatchBuffer, words=2, vectors=2, lanes=1, repeats=2),
        reorder(words_in=4, table=BATCH, flight=3, silent=5, deaf=8),
        24,
        right="order",
        slow=True,
    ),
]
MORE = [
    replay(1, 3),
    replay(3, 2),
    permute(partial(Permute, lanes=1, bits=1, order=(2, 0, 1)), (2, 0, 1), slow=True),
    permute(partial(InOrder, lanes=1, bits=1, folds=2, vectors=2), (0, 2, 1, 3), slow=True),
]
WINDOWS = [
    window("columns-masked", kernel=(1, 2), padding=(0, 1, 0, 0), pad=None),
    window("square", kernel=(2, 2)),
    window("stride", height=3, stride=(2, 1)),
    window("padded", padding=(1, 0, 1, 0), pad=1),
    window("dilation", height=3, width=1, dilation=(2, 1)),
    window("memory", width=5),
    window("both-masked", kernel=(3, 3), padding=(1, 1, 1, 1), pad=None),
    window("codes", channels=2, bits=2, width=1),
]


@proofs([*KINDS, *MORE, *WINDOWS])
def test_holds_for_ever(case: Case) -> None:
    case.prove()


@proofs([*KINDS, *MORE, *WINDOWS])
def test_every_check_is_reached(case: Case) -> None:
    case.reach()


@twins(KINDS)
def test_broken_twin_is_refuted(case: Case, fault: str) -> None:
    case.refute(fault)


def test_masks_that_are_wrong_are_refuted() -> None:
    padded = WINDOWS[0]
    result = prove(
        Inverted(padded.make()), padded.properties, mode=Mode.BMC, depth=10, only="masked"
    )
    assert result.verdict is Verdict.REFUTED, result


class Inverted(Faulty):
    """A window whose masks are the opposite of what they should be."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner, "")

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.o.payload.masked.eq(~self.inner.o.payload.masked)
        return m


FEEDS = [(2, 1, 1, False), (2, 2, 1, False), (1, 3, 1, False), (2, 2, 1, True)]
FEEDS += [(2, 1, 2, False), (1, 2, 2, False), (2, 2, 2, False)]


def feeding(words: int, repeats: int, hold: int, late: bool) -> Any:
    given: dict[str, Any] = {"words": words, "lanes": 1, "repeats": repeats, "late": late}
    return Feed(**given) if hold == 1 else HeldFeed(hold=hold, **given)


@pytest.mark.parametrize(
    "given",
    [pytest.param(given, marks=pytest.mark.slow if k > 1 else ()) for k, given in enumerate(FEEDS)],
)
def test_feed(given: tuple[int, int, int, bool]) -> None:
    words, repeats, hold, late = given
    properties = feed(words=words, repeats=repeats, hold=hold, late=late)
    result = prove(feeding(*given), properties, mode=Mode.PDR)
    assert result.verdict is Verdict.PROVED, result.log
    depth = 3 * words * repeats * hold + 8
    result = prove(feeding(*given), properties, mode=Mode.COVER, depth=depth)
    assert result.verdict is Verdict.REACHED, result


class BrokenFeed(wiring.Component):
    """A feed with a planted fault."""

    def __init__(self, inner: Any, fault: str) -> None:
        self._inner, self._fault = inner, fault
        super().__init__(dict(inner.signature.members))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.inner = inner = self._inner
        wiring.connect(m, wiring.flipped(self.i), inner.i)
        m.d.comb += [
            inner.go.eq(self.go),
            self.there.eq(inner.there),
            self.final.eq(inner.final),
            self.tags.eq(inner.tags),
            self.data.eq(inner.data),
        ]
        begun = Signal()
        with m.If(inner.tags.there):
            m.d.sync += begun.eq(1)
        match self._fault:
            case "always first":
                m.d.comb += self.tags.first.eq(1)
            case "never final":
                m.d.comb += self.tags.final.eq(0)
            case "always last":
                m.d.comb += self.tags.last.eq(1)
            case "final too early":
                m.d.comb += self.final.eq(1)
            case "shows nothing":
                m.d.comb += self.data.eq(0)
            case "goes unasked":
                m.d.comb += self.tags.there.eq(inner.tags.there | ~begun)
            case "takes always":
                m.d.comb += self.i.ready.eq(1)
            case "hangs":
                with m.If(begun):
                    m.d.comb += [self.there.eq(0), inner.go.eq(0)]
            case "turns deaf":
                with m.If(begun):
                    m.d.comb += [self.i.ready.eq(0), inner.i.valid.eq(0)]
        return m


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("always first", "first"),
        ("never final", "final"),
        ("always last", "last"),
        ("final too early", "ahead"),
        ("shows nothing", "order"),
        ("goes unasked", "goes"),
        ("goes unasked", "cause"),
        ("takes always", "flight"),
        ("hangs", "silent"),
        ("turns deaf", "deaf"),
    ],
)
@pytest.mark.parametrize("hold", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_broken_feed_is_refuted(hold: int, fault: str, name: str) -> None:
    faulty = BrokenFeed(feeding(2, 2, hold, False), fault)
    properties = feed(words=2, repeats=2, hold=hold)
    result = prove(faulty, properties, mode=Mode.BMC, depth=12 * hold + 16, only=name)
    assert result.verdict is Verdict.REFUTED, result
    assert all(failed.startswith(name) for failed in result.names)


def guarding(elements: int, lanes: int, *, slow: bool) -> Case:
    make = partial(FrameGuard, elements=elements, bits=1, lanes=lanes)
    properties = guard(elements=elements, lanes=lanes)
    return Case(f"{elements}-{lanes}", make, properties, 12, slow=slow)


GUARDS = [guarding(3, 2, slow=False), guarding(2, 1, slow=True), guarding(4, 2, slow=True)]


@proofs(GUARDS)
def test_guard(case: Case) -> None:
    case.prove()
    result = prove(case.make(), case.properties, mode=Mode.COVER, depth=case.depth)
    assert result.verdict is Verdict.REACHED, result


class Miscounting(Faulty):
    """A guard that counts no errors."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner, "")

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.errors.eq(0)
        return m


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("withdraws", "o stays valid"),
        ("looks at ready", "o stays the same"),
        ("takes always", "waits"),
        ("takes always", "drops"),
        ("sends at once", "passes"),
        ("inverts a bit", "passes"),
        ("inverts a bit", "fills"),
        ("never last", "last"),
        ("hangs", "silent"),
        ("turns deaf", "deaf"),
        ("", "errors"),
    ],
)
def test_broken_guard_is_refuted(fault: str, name: str) -> None:
    inner = GUARDS[0].make()
    faulty = Faulty(inner, fault) if fault else Miscounting(inner)
    result = prove(faulty, GUARDS[0].properties, mode=Mode.BMC, depth=16, only=name)
    assert result.verdict is Verdict.REFUTED, result
    assert all(failed.startswith(name) for failed in result.names)
