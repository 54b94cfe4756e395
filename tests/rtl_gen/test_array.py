# amaranth: UnusedElaboratable=no
"""The PE array by itself, with weights that come in."""

from typing import Any

import numpy as np
import pytest

from rtl_gen.array import PEArray
from sim.bench import exercise
from sim.streams import frame


def test_array_with_streamed_weights() -> None:
    dice = np.random.default_rng(5)
    pe, simd, folds = 3, 4, 2
    activations = dice.integers(0, 2, (6, folds, simd))
    weights = dice.integers(0, 2, (6, folds, pe, simd))
    # All lanes agree in one vector, and none in another.
    weights[1], weights[2] = activations[1, :, None, :], 1 - activations[2, :, None, :]
    counts = (activations[:, :, None, :] == weights).sum((1, 3))
    assert counts[1].tolist() == [simd * folds] * pe and not counts[2].any()
    # A frame is two vectors.
    inputs = {
        "i_activation": [
            word for pair in activations.reshape(3, -1) for word in frame(pair.tolist(), simd)
        ],
        "i_weight": [
            tuple(int("".join(map(str, lane[::-1])), 2) for lane in word)
            for vector in weights
            for word in vector
        ],
    }
    expected = {"o": [word for pair in counts.reshape(3, -1) for word in frame(pair.tolist(), pe)]}
    dut = PEArray(pe=pe, simd=simd, folds=folds)
    run = exercise(dut, inputs, expected)
    assert run.latency == folds - 1 + dut.latency
    for stalls in (50, {"i_weight": 90}, {"i_activation": 90}, {"o": 90}, {"o": "patient"}):
        exercise(PEArray(pe=pe, simd=simd, folds=folds), inputs, expected, stalls=stalls)


@pytest.mark.parametrize("name", ["pe", "simd", "folds", "count_bits"])
def test_array_parameters_wrong(name: str) -> None:
    label = {"pe": "PE", "simd": "SIMD"}.get(name, name)
    with pytest.raises(
        ValueError, match=rf"^{label} of an array must be a positive integer, not 0$"
    ):
        arguments: dict[str, Any] = {"pe": 2, "simd": 2, "folds": 2, "count_bits": 3} | {name: 0}
        PEArray(**arguments)
