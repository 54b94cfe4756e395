# amaranth: UnusedElaboratable=no
"""Forks and joins lose, double and mix nothing, for all time, and faulty ones are refuted."""

from typing import Any

import pytest
from amaranth.hdl import Module, unsigned
from amaranth.lib import wiring

from rtl_gen.fork import Fork
from rtl_gen.joins import Add, Concat
from sim.formal import Mode, Result, Verdict, prove
from sim.formal.joints import add, concat, fork

ADDS: list[dict[str, Any]] = [
    {"lanes": 2, "bits": (1, 2), "factors": (1, 3), "bits_out": 4},
    {"lanes": 1, "bits": (1, 2, 2), "factors": (1, 2, 1), "bits_out": 4},
    {"lanes": 1, "bits": (2,), "factors": (3,), "bits_out": 3},
]
CONCATS: list[dict[str, Any]] = [
    {
        "lanes": 1,
        "bits": (1, 2),
        "words": (1, 2),
        "factors": (2, 1),
        "offsets": (0, 1),
        "pixels": 2,
        "bits_out": 3,
    },
    {
        "lanes": 2,
        "bits": (1, 1, 1),
        "words": (2, 1, 1),
        "factors": (1, 1, 1),
        "offsets": (0, 0, 0),
        "pixels": 1,
        "bits_out": 1,
    },
]


def proved(result: Result) -> None:
    assert result.verdict is Verdict.PROVED, result.log


def reached(result: Result) -> None:
    assert result.verdict is Verdict.REACHED, result


def refuted(result: Result, name: str) -> None:
    assert result.verdict is Verdict.REFUTED, result
    assert all(failed.startswith(name) for failed in result.names)


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_fork(copies: int) -> None:
    proved(prove(Fork(shape=unsigned(2), copies=copies), fork, mode=Mode.PDR))
    reached(prove(Fork(shape=unsigned(2), copies=copies), fork, mode=Mode.COVER, depth=6))


@pytest.mark.parametrize("given", ADDS)
def test_add(given: dict[str, Any]) -> None:
    proved(prove(Add(**given), add, mode=Mode.PDR))
    reached(prove(Add(**given), add, mode=Mode.COVER, depth=6))


@pytest.mark.parametrize("given", CONCATS)
def test_concat(given: dict[str, Any]) -> None:
    proved(prove(Concat(**given), concat, mode=Mode.PDR))
    reached(prove(Concat(**given), concat, mode=Mode.COVER, depth=16))


class BrokenFork(Fork):
    """A fork with a planted fault."""

    def __init__(self, fault: str) -> None:
        super().__init__(shape=unsigned(2), copies=2)
        self._fault = fault

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        if self._fault == "has no done bits":
            m.d.comb += [self.o[k].valid.eq(self.i.valid) for k in range(2)]
        if self._fault == "goes on with the first":
            m.d.comb += self.i.ready.eq(self.o[0].ready)
        if self._fault == "waits for both":
            both = self.o[0].ready & self.o[1].ready
            m.d.comb += [self.o[k].valid.eq(self.i.valid & both) for k in range(2)]
            m.d.comb += self.i.ready.eq(both)
        return m


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        # A copy that gets a word twice gets one before it came.
        ("has no done bits", "o0 cause"),
        ("has no done bits", "o1 cause"),
        ("goes on with the first", "o1 is served"),
        ("goes on with the first", "o1 order"),
        ("waits for both", "o0 is eager"),
        ("waits for both", "o1 is eager"),
    ],
)
def test_broken_fork_is_refuted(fault: str, name: str) -> None:
    refuted(prove(BrokenFork(fault), fork, mode=Mode.BMC, depth=8, only=name), name)


class BrokenAdd(Add):
    """A sum with a planted fault."""

    def __init__(self, fault: str) -> None:
        super().__init__(**ADDS[0])
        self._fault = fault

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        if self._fault == "takes the second alone":
            m.d.comb += self.i1.ready.eq(~self.o.valid | self.o.ready)
        if self._fault == "last of the second":
            with m.If(~self.o.valid | self.o.ready):
                m.d.sync += self.o.payload.last.eq(self.i1.payload.last)
        if self._fault == "factor off by one":
            with m.If(~self.o.valid | self.o.ready):
                codes = self.i0.payload.data[1], self.i1.payload.data[1]
                m.d.sync += self.o.payload.data[1].eq(codes[0] + 4 * codes[1])
        return m


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("takes the second alone", "together"),
        ("last of the second", "order 2"),
        ("factor off by one", "order 1"),
    ],
)
def test_broken_add_is_refuted(fault: str, name: str) -> None:
    refuted(prove(BrokenAdd(fault), add, mode=Mode.BMC, depth=8, only=name), name)


class BrokenConcat(Concat):
    """A concatenation that builds another one than it says."""

    def __init__(self, **other: Any) -> None:
        super().__init__(**CONCATS[0])
        self._other = other

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.inner = inner = Concat(**{**CONCATS[0], **self._other})
        for name in ("i0", "i1"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(inner, name))
        wiring.connect(m, inner.o, wiring.flipped(self.o))
        return m


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ({"offsets": (1, 1)}, "i0 order"),
        ({"factors": (2, 2)}, "i1 order"),
        ({"pixels": 3}, "i0 last"),
        ({"words": (2, 1)}, "i1 order"),
        ({"words": (2, 2)}, "i1 cause"),
    ],
)
def test_broken_concat_is_refuted(other: dict[str, Any], name: str) -> None:
    refuted(prove(BrokenConcat(**other), concat, mode=Mode.BMC, depth=14, only=name), name)
