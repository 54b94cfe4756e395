# amaranth: UnusedElaboratable=no
"""Every tap of a window shows its word, for all time, and faulty buffers are refuted."""

from typing import Any

import pytest
from amaranth.hdl import Const, Module, Signal, Value, signed

import rtl_gen.window
from rtl_gen.loopnest import LoopNest
from rtl_gen.window import SlidingWindow
from sim.formal import Mode, Verdict, prove
from sim.formal.blocks import window

# The smallest that show: two rows, padding that is masked, both directions, stride, padding that
# carries a code, groups, dilation.
SHAPES: list[dict[str, Any]] = [
    {"height": 2, "width": 2, "kernel": (2, 1)},
    {"height": 2, "width": 2, "kernel": (1, 2), "padding": (0, 1, 0, 0), "pad": None},
    {"height": 2, "width": 2, "kernel": (2, 2)},
    {"height": 3, "width": 2, "kernel": (2, 1), "stride": (2, 1)},
    {"height": 2, "width": 2, "kernel": (2, 1), "padding": (1, 0, 1, 0), "pad": 1},
    {"height": 2, "width": 1, "kernel": (2, 1), "channels": 2, "groups": 2},
    {"height": 3, "width": 1, "kernel": (2, 1), "dilation": (2, 1)},
]


def given(shape: dict[str, Any]) -> dict[str, Any]:
    return {"channels": 1, "bits": 1, "lanes": 1, **shape}


@pytest.mark.parametrize("shape", SHAPES)
def test_holds_for_ever(shape: dict[str, Any]) -> None:
    result = prove(SlidingWindow(**given(shape)), window, mode=Mode.PDR)
    assert result.verdict is Verdict.PROVED, result.log


@pytest.mark.parametrize("shape", SHAPES)
def test_every_check_is_reached(shape: dict[str, Any]) -> None:
    dut = SlidingWindow(**given(shape))
    depth = 2 * dut.cycles + dut.words_in + 4
    result = prove(dut, window, mode=Mode.COVER, depth=depth)
    assert result.verdict is Verdict.REACHED, result
    assert "second frame" in result.reached


class Broken(SlidingWindow):
    """A window with a planted fault in what surrounds its counters."""

    def __init__(self, fault: str, **shape: Any) -> None:
        super().__init__(**given(shape))
        self._fault = fault
        self._smaller, self._share = "a quarter of the buffer", 4

    @property
    def depth(self) -> int:
        return super().depth // (self._share if self._fault == self._smaller else 1)

    def _masked(self, nest: LoopNest) -> Value:
        if self._fault == "masks nothing":
            return Const(0, 1)
        if self._fault == "masks one window too much":
            return super()._masked(nest) | (nest.at["ox"] == 1)
        return super()._masked(nest)

    def _buffer(self, m: Module, behind: Signal, wrote: Value, take: Value) -> None:
        if self._fault == "reads the word before":
            behind = (behind - 1)[: len(behind)].as_signed()  # type: ignore[assignment]
        # The counters believe in all rows, the memory has half of them.
        self._smaller, self._share = "overwrites too early", 2
        super()._buffer(m, behind, wrote, take)


@pytest.mark.parametrize(
    ("fault", "shape", "name"),
    [
        ("reads the word before", SHAPES[0], "order"),
        ("reads the word before", SHAPES[1], "order"),
        ("masks nothing", SHAPES[1], "masked"),
        ("masks nothing", SHAPES[4], "blank"),
        ("masks one window too much", SHAPES[1], "order"),
        ("overwrites too early", SHAPES[0], "order"),
        # Too small for a window: neither side can go on.
        ("a quarter of the buffer", SHAPES[0], "deaf"),
        ("a quarter of the buffer", SHAPES[0], "silent"),
    ],
)
def test_broken_twin_is_refuted(fault: str, shape: dict[str, Any], name: str) -> None:
    refuted(Broken(fault, **shape), name)


def test_counter_one_bit_too_narrow_is_refuted(monkeypatch: Any) -> None:
    monkeypatch.setattr(rtl_gen.window, "signed", lambda width: signed(width - 1))
    refuted(SlidingWindow(**given(SHAPES[0])), "order")


def refuted(dut: Any, name: str) -> None:
    result = prove(dut, window, mode=Mode.BMC, depth=16, only=name)
    assert result.verdict is Verdict.REFUTED, result
    assert all(failed.startswith(name) for failed in result.names)
