# amaranth: UnusedElaboratable=no
"""The best classes are those that a stable sort puts first."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module, Mux

from rtl_gen.topk import TopK
from sim.bench import Run, everywhere, exercise
from sim.streams import Word

Given = dict[str, Any]
STALLS: list[Any] = [50, 85, "toggle", {"o": "patient"}, {"o": 85}, {"i": 80}]


def ranked(given: Given, *, kind: type[TopK] = TopK, frames: int = 4, **how: Any) -> Run:
    classes, k = given["classes"], given["k"]
    dice = random.Random(str(given))
    sent: list[Word] = []
    wanted: list[Word] = []
    multipliers = given.get("multipliers") or (1,) * classes
    for _ in range(frames):
        codes = [dice.randrange(1 << given["bits"]) for _ in range(classes)]
        scores = [
            (m * code + b) >> given.get("shift", 0)
            for m, code, b in zip(multipliers, codes, given["offsets"], strict=True)
        ]
        best = sorted(range(classes), key=[-score for score in scores].__getitem__)[:k]
        sent += [{"data": (code,), "last": int(c == classes - 1)} for c, code in enumerate(codes)]
        wanted += [
            {"data": codes[c], "index": c, "last": int(place == k - 1)}
            for place, c in enumerate(best)
        ]
    return exercise(kind(**given), {"i": sent}, {"o": wanted}, **how)


def top(k: int, bits: int, *offsets: int, **more: Any) -> Given:
    return {"classes": len(offsets), "bits": bits, "k": k, "offsets": offsets, **more}


CASES = [
    *(top(k, 2, *[0] * classes) for classes in (1, 2, 3, 5) for k in range(1, classes + 1)),
    top(5, 8, *range(-400, 1000, 141)),
    top(3, 4, 9, -20, 0, 3, 3, -1, 12),
    top(3, 1, 0, 0, 0, 0, 0, 0, 0, 0),
    top(2, 4, 0, 20, -31, multipliers=(3, -5, 4)),
    top(4, 3, 1, 0, 2, 1, multipliers=(-2, -2, -2, -2)),
    top(2, 3, 1, 1, 2, multipliers=(0, 0, 0)),
    top(3, 5, 0, 3, 1, shift=2),
    top(5, 4, -100, -60, 11, 0, 8, multipliers=(-7, 9, 2, 1, 3), shift=3),
    top(1, 2, -3, multipliers=(5,), shift=1),
    top(3, 4, 0, 2, 1, 3, multipliers=(4, 4, 4, 4)),
    top(4, 5, 3, 0, 7, 1, 0, 5, 2, 6, 4, 1),
]


@pytest.mark.parametrize("given", CASES, ids=str)
def test_scores_latency_and_rate(given: Given) -> None:
    log = ranked(given)
    dut = TopK(**given)
    factors = set(given.get("multipliers") or (1,))
    plain = len(factors) == 1 and min(factors) > 0 and not given.get("shift")
    assert dut.stages == (1 if plain else 3)
    assert log.latency == dut.latency == given["classes"] - 1 + dut.stages
    assert log.period == dut.cycles == given["classes"]
    assert log.moves["i"] == list(range(4 * given["classes"]))
    ranked(given, stalls=everywhere(CASES.index(given)), seed=given["k"])


@pytest.mark.parametrize("given", CASES[::2], ids=str)
@pytest.mark.parametrize("kind", STALLS)
def test_stalls(given: Given, kind: Any) -> None:
    ranked(given, stalls=kind, seed=given["k"])


@pytest.mark.parametrize("after", range(1, 12))
def test_reset_in_a_frame(after: int) -> None:
    ranked(CASES[11], reset_after=after)
    ranked(CASES[14], reset_after=after)


class LastWins(TopK):
    def _rank(self, m: Module, scored: Any, score: Any, take: Any) -> Any:
        return super()._rank(m, scored, Mux(scored.index[0], score + 1, score), take)


class TakesAlways(TopK):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


class EndsEarly(TopK):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.o.payload.last.eq(1)
        return m


@pytest.mark.parametrize("kind", [LastWins, TakesAlways, EndsEarly])
def test_planted_fault_is_caught(kind: type[TopK]) -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        ranked(top(3, 2, 0, 0, 0, 0, 0), kind=kind, frames=10, stalls={"o": 90})


@pytest.mark.parametrize(
    ("some", "message"),
    [
        ({"classes": 0}, "classes must be a positive integer, not 0"),
        ({"bits": 1.5}, r"bits must be a positive integer, not 1\.5"),
        ({"k": 0}, "k must be an integer from 1 to 2, not 0"),
        ({"k": 3}, "k must be an integer from 1 to 2, not 3"),
        ({"offsets": (1,)}, r"offsets must be 2 integers, not \(1,\)"),
        ({"multipliers": (1, 0.5)}, r"multipliers must be 2 integers, not \(1, 0\.5\)"),
        ({"shift": -1}, "shift must be an integer of at least 0, not -1"),
    ],
)
def test_parameters_wrong(some: Given, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^TopK {message}$"):
        TopK(**top(1, 2, 0, 1) | some)


def test_parameters_are_properties() -> None:
    given = top(2, 3, 1, 2, 3, multipliers=(4, 5, 6), shift=1)
    dut = TopK(**given)
    assert (dut.index_bits, dut.cycles, dut.stages, dut.latency) == (2, 3, 3, 5)
    for name, value in given.items():
        assert getattr(dut, name) == value
