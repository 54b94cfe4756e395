# amaranth: UnusedElaboratable=no
"""The threshold unit by itself."""

from typing import Any

import pytest

from rtl_gen.threshold import ThresholdUnit
from sim.bench import exercise, run


def test_threshold_unit_waits_for_both() -> None:
    unit = ThresholdUnit(lanes=2, bits=3, threshold_bits=4)
    counts = [(0, 7), (3, 3), (5, 1), (7, 7)]
    levels = [(0, 8), (3, 4), (4, 1), (8, 7)]
    inputs: dict[str, list[Any]] = {
        "i": [{"data": c, "last": k == 3} for k, c in enumerate(counts)],
        "i_threshold": levels,
    }
    expected = {
        "o": [{"data": d, "last": k == 3} for k, d in enumerate([(1, 0), (1, 0), (1, 1), (0, 1)])]
    }
    for stalls in (0, 60, {"i": 90}, {"i_threshold": 90}, {"o": "patient"}):
        exercise(unit, inputs, expected, stalls=stalls)
        unit = ThresholdUnit(lanes=2, bits=3, threshold_bits=4)


@pytest.mark.parametrize("offered", [(1, 1, 1, 1, 1), (1, 0, 1, 1, 1), (1, 0, 0, 1, 1)])
def test_a_stalled_output_stops_the_input_with_two_words(offered: tuple[int, ...]) -> None:
    """The register and the spare one behind it are filled, also after a pause."""
    unit = ThresholdUnit(lanes=2, bits=3, threshold_bits=4)
    taken = []

    async def bench(ctx: Any) -> None:
        for valid in offered:
            ctx.set(unit.i.valid, valid)
            ctx.set(unit.i_threshold.valid, valid)
            *_, moved = await ctx.tick().sample(unit.i.ready & unit.i_threshold.ready)
            taken.append(valid & moved)

    run(unit, bench, deadline=9)
    second = offered.index(1, 1)
    assert taken == [int(clock in (0, second)) for clock in range(5)]


@pytest.mark.parametrize("name", ["lanes", "bits", "threshold_bits"])
def test_threshold_parameters_wrong(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^Threshold {name} must be a positive integer, not 0$"):
        ThresholdUnit(**({"lanes": 2, "bits": 2, "threshold_bits": 3} | {name: 0}))
