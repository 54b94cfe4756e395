# amaranth: UnusedElaboratable=no
"""MVTUs whose vectors share words of weights: the same answers, in order, at every folding."""

import itertools
from typing import Any

import numpy as np
import pytest

from rtl_gen.accumulator import Accumulator
from rtl_gen.feed_held import HeldFeed
from rtl_gen.mvtu import Mvtu
from sim.bench import everywhere, exercise

from .test_mvtu import Grouped, Layer, foldings_of

VECTORS = 4
SHAPES = [(1, 1), (1, 5), (3, 1), (2, 3), (4, 4)]


def whole(words: list[Any], count: int) -> list[Any]:
    """Make frames of `count` words out of shorter ones."""
    return [word | {"last": int(n % count == count - 1)} for n, word in enumerate(words)]


def traffic(layer: Layer, pe: int, simd: int, frames: int = 3) -> Any:
    source, sink = layer.traffic(pe, simd)
    into, out = source["i"] * frames, sink["o"] * frames
    return {"i": whole(into, len(source["i"]))}, {"o": whole(out, len(sink["o"]))}


@pytest.mark.parametrize("thresholds", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_folding(shape: tuple[int, int], thresholds: bool) -> None:
    """Answers, latency and throughput, no clock lost between lots or frames; then with stalls."""
    rows, columns = shape
    for turn, (pe, simd) in enumerate(foldings_of(rows, columns)):
        for hold in (2, 4):
            layer = Layer(rows, columns, pe * 100 + simd, thresholds=thresholds)
            unit = layer.unit(pe, simd, vectors=VECTORS, hold=hold)
            run = exercise(unit, *traffic(layer, pe, simd))
            assert run.latency == unit.latency, (pe, simd, hold)
            assert run.period == unit.cycles * VECTORS, (pe, simd, hold)
            again = layer.unit(pe, simd, vectors=VECTORS, hold=hold)
            short = traffic(layer, pe, simd, frames=1)
            exercise(again, *short, stalls=everywhere(turn + hold // 4), seed=turn)


@pytest.mark.parametrize("stalls", [50, {"i": 90}, {"o": 90}, {"o": "patient"}, "toggle"])
def test_stalls(stalls: Any) -> None:
    for seed, (pe, simd, hold) in enumerate([(2, 3, 2), (1, 6, 4), (4, 2, 2), (3, 4, 4)]):
        layer = Layer(4, 6, seed, thresholds=seed % 2 == 0)
        unit = layer.unit(pe, simd, vectors=VECTORS, hold=hold)
        exercise(unit, *traffic(layer, pe, simd, frames=6), stalls=stalls, seed=seed)


@pytest.mark.parametrize("after", range(1, 60, 4))
def test_reset_in_the_middle(after: int) -> None:
    layer = Layer(4, 6, after)
    unit = layer.unit(2, 2, vectors=VECTORS, hold=2)
    exercise(unit, *traffic(layer, 2, 2), reset_after=after)


@pytest.mark.parametrize("kind", ["counts", "offsets", "thresholds", "levels", "search"])
@pytest.mark.parametrize("masked", [False, True])
def test_codes_masks_and_several_thresholds(kind: str, masked: bool) -> None:
    for shape, pe, simd in [((1, 4, 6), 2, 3), ((1, 3, 4), 3, 2), ((1, 3, 5), 1, 5)]:
        grouped = Grouped(shape, pe, simd, kind=kind, bits=2, masked=masked)
        exercise(grouped.unit(hold=2), *grouped.traffic(), stalls={"o": 30})


def test_every_flipped_weight_bit_is_caught() -> None:
    """Sums leave, so that each weight of a row that is there matters."""
    layer = Layer(4, 6, 3, thresholds=False)
    words = layer.unit(2, 3, vectors=VECTORS, hold=2)._weights
    for at, bit in itertools.product(range(len(words)), range(6)):
        flipped = [word ^ (1 << bit if n == at else 0) for n, word in enumerate(words)]
        unit = layer.unit(2, 3, vectors=VECTORS, hold=2, weights=flipped)
        with pytest.raises(AssertionError):
            exercise(unit, *traffic(layer, 2, 3, frames=1))


class Confused(HeldFeed):
    """Counts the vectors of a lot wrongly."""

    @property
    def _size(self) -> int:
        return super()._size - 1


def test_a_feed_that_drops_a_word_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtl_gen.mvtu.HeldFeed", Confused)
    layer = Layer(4, 6, 3)
    unit = layer.unit(2, 3, vectors=VECTORS, hold=2)
    with pytest.raises((AssertionError, TimeoutError)):
        exercise(unit, *traffic(layer, 2, 3, frames=2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hold": 3}, "MVTU hold must be a divisor of its 4 vectors, not 3"),
        ({"hold": 0}, "MVTU hold must be a divisor of its 4 vectors, not 0"),
        ({"hold": 2.0}, "MVTU hold must be a divisor of its 4 vectors, not 2.0"),
        ({"hold": 2, "weight_style": "ram"}, "MVTU with groups or weights that are loaded"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Layer(4, 6, 1).unit(2, 3, vectors=VECTORS, **changes)


def test_parts_refuse_as_well() -> None:
    with pytest.raises(ValueError, match="Feed hold must be an integer of at least 2, not 1"):
        HeldFeed(words=2, hold=1, lanes=1)
    with pytest.raises(ValueError, match="Feed style must be auto or lut, not 'block'"):
        HeldFeed(words=2, hold=2, lanes=1, style="block")
    with pytest.raises(ValueError, match="Accumulator hold must be a positive integer, not 0"):
        Accumulator(bits=1, total_bits=2, hold=0)
    with pytest.raises(ValueError, match="groups or weights that are loaded"):
        Mvtu(rows=1, columns=1, pe=1, simd=1, weights=[0, 0], vectors=2, groups=2, hold=2)


def test_samples_are_no_trifle() -> None:
    """Vectors of a lot differ, or an order that is wrong would not show."""
    layer = Layer(4, 6, 3)
    assert len(np.unique(layer.vectors, axis=0)) > 2
