# amaranth: UnusedElaboratable=no
"""The threshold unit by itself."""

from typing import Any

import pytest

from rtl_gen.threshold import ThresholdUnit
from sim.bench import exercise


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


@pytest.mark.parametrize("name", ["lanes", "bits", "threshold_bits"])
def test_threshold_parameters_wrong(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^Threshold {name} must be a positive integer, not 0$"):
        ThresholdUnit(**({"lanes": 2, "bits": 2, "threshold_bits": 3} | {name: 0}))
