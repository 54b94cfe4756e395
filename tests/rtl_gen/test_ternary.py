# amaranth: UnusedElaboratable=no
"""Codes and masks become codes with a zero among them, at once."""

from typing import Any

import numpy as np
import pytest

from rtl_gen.ternary import Ternary
from sim.bench import exercise


def words(kind: type[Ternary] = Ternary, bits: int = 1) -> None:
    dice = np.random.default_rng(1)
    sent, wanted = [], []
    for number in range(20):
        masks = dice.integers(0, 2, 3).tolist()
        top = (1 << bits) - 1
        taps = [[0 if m else int(dice.integers(top + 1)) for _ in range(2)] for m in masks]
        # Values are −top, 2 − top … top, and the zero is as far from both ends.
        values = [0 if m else 2 * c - top for m, tap in zip(masks, taps, strict=True) for c in tap]
        codes = [value + top for value in values]
        last = int(number % 5 == 4)
        mask = sum(bit << k for k, bit in enumerate(masks))
        sent.append({"data": tuple(c for tap in taps for c in tap), "masked": mask, "last": last})
        wanted.append({"data": tuple(codes), "last": last})
    for stalls in (0, 60):
        log = exercise(
            kind(taps=3, channels=2, bits=bits), {"i": sent}, {"o": wanted}, stalls=stalls
        )
        assert stalls or log.moves["i"] == log.moves["o"] == list(range(20))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_codes_of_lanes(bits: int) -> None:
    words(bits=bits)


class Misses(Ternary):
    def elaborate(self, platform: Any) -> Any:
        m = super().elaborate(platform)
        m.d.comb += self.o.payload.data[3].eq(self.i.payload.data[3] << 1)
        return m


def test_planted_fault_is_caught() -> None:
    with pytest.raises(AssertionError):
        words(Misses)


@pytest.mark.parametrize("name", ["taps", "channels", "bits"])
def test_parameters_wrong(name: str) -> None:
    good: dict[str, Any] = {"taps": 1, "channels": 1}
    for value in (0, 1.5):
        message = rf"^Ternary {name} must be a positive integer, not {value!r}$"
        with pytest.raises(ValueError, match=message):
            Ternary(**good | {name: value})
