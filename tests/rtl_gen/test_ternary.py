# amaranth: UnusedElaboratable=no
"""Bits and masks become codes of −1, 0 and +1, at once."""

from typing import Any

import numpy as np
import pytest

from rtl_gen.ternary import Ternary
from sim.bench import exercise


def words(kind: type[Ternary] = Ternary) -> None:
    dice = np.random.default_rng(1)
    sent, wanted = [], []
    for number in range(20):
        masks = dice.integers(0, 2, 3).tolist()
        signs = [[0 if mask else int(dice.integers(2)) for _ in range(2)] for mask in masks]
        codes = [1 if m else 2 * bit for m, tap in zip(masks, signs, strict=True) for bit in tap]
        last = int(number % 5 == 4)
        mask = sum(bit << k for k, bit in enumerate(masks))
        sent.append({"data": tuple(b for tap in signs for b in tap), "masked": mask, "last": last})
        wanted.append({"data": tuple(codes), "last": last})
    for stalls in (0, 60):
        log = exercise(kind(taps=3, channels=2), {"i": sent}, {"o": wanted}, stalls=stalls)
        assert stalls or log.moves["i"] == log.moves["o"] == list(range(20))


def test_codes_of_lanes() -> None:
    words()


class Misses(Ternary):
    def elaborate(self, platform: Any) -> Any:
        m = super().elaborate(platform)
        m.d.comb += self.o.payload.data[3].eq(self.i.payload.data[3] << 1)
        return m


def test_planted_fault_is_caught() -> None:
    with pytest.raises(AssertionError):
        words(Misses)


@pytest.mark.parametrize("name", ["taps", "channels"])
def test_parameters_wrong(name: str) -> None:
    good: dict[str, Any] = {"taps": 1, "channels": 1}
    for value in (0, 1.5):
        message = rf"^Ternary {name} must be a positive integer, not {value!r}$"
        with pytest.raises(ValueError, match=message):
            Ternary(**good | {name: value})
