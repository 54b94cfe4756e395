# amaranth: UnusedElaboratable=no
"""Random bytes never wedge the framing: after each lot of noise the link is as good as new."""

from typing import Any

import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring

from rtl_gen.link import CobsDecoder, host
from sim import noise as noise_module
from sim.noise import KINDS, NoisyLink, noise, survive


def records(output: bytes) -> list[int]:
    """Sizes of what the harness wrote."""
    sizes, place = [], 0
    while place < len(output):
        sizes.append(int.from_bytes(output[place : place + 4], "little"))
        place += 4 + sizes[-1]
    return sizes


def test_kinds_of_noise() -> None:
    lots = list(noise(50_000, 1))
    assert {kind for kind, _ in lots} == set(KINDS)
    assert sum(len(data) for kind, data in lots if kind != "levels") == 50_000
    assert all(0 not in data for kind, data in lots if kind in ("long", "levels"))
    assert list(noise(50_000, 1)) == lots and list(noise(50_000, 2)) != lots


def test_hundred_thousand_bytes() -> None:
    found = survive(noise(100_000, 1))
    assert found["bytes"] == 100_000
    # It was noise, but with all that a link knows among it.
    assert found["answers"] > 20 and found["refusals"] > 20 and found["dropped"] > 1000


@pytest.mark.slow
def test_ten_million_bytes() -> None:
    found = survive(noise(10_000_000, 2))
    assert found["bytes"] == 10_000_000 and found["lots"] > 10_000


class Deaf(CobsDecoder):
    """After 600 bytes without a zero it hears nothing any more."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.inner = inner = CobsDecoder()
        run = Signal(range(601))
        wiring.connect(m, inner.o, wiring.flipped(self.o))
        m.d.comb += [
            inner.i.payload.eq(self.i.payload),
            inner.i.valid.eq(self.i.valid & (run != 600)),
            self.i.ready.eq(inner.i.ready | (run == 600)),
        ]
        with m.If(self.i.valid & self.i.ready & (run != 600)):
            m.d.sync += run.eq(Mux(self.i.payload == 0, 0, run + 1))
        return m


@pytest.mark.slow
def test_a_link_that_wedges_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "CobsDecoder", Deaf)
    with pytest.raises(AssertionError, match=r"^after lot \d+ \(\w+\) 0 frames come in place of 2"):
        survive(noise(20_000, 1), NoisyLink())


@pytest.mark.parametrize(
    ("place", "wrong"), [(-2, "what is no frame"), (-5, "what is no frame"), (None, "0 frames")]
)
def test_a_wrong_answer_is_caught(
    place: int | None, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = noise_module.subprocess.run

    def spoilt(*args: Any, **options: Any) -> Any:
        done = real(*args, **options)
        if place is None:
            # The last record is empty: the link said nothing.
            sizes = records(done.stdout)
            done.stdout = done.stdout[: -4 - sizes[-1]] + bytes(4)
        else:
            done.stdout = bytearray(done.stdout)
            done.stdout[place] ^= 4
        return done

    lots = list(noise(3000, 1))
    survive(lots)
    monkeypatch.setattr(noise_module.subprocess, "run", spoilt)
    with pytest.raises(AssertionError, match=wrong):
        survive(lots)
