"""The accelerator: the blocks of a `Plan`, joined."""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from bnnhw.plan import (
    ArgmaxPlan,
    Block,
    ConverterPlan,
    GuardPlan,
    MvtuPlan,
    Plan,
    PoolPlan,
    ThresholdPlan,
    WindowPlan,
)

from .activation import Activation
from .argmax import Argmax
from .frame import FrameGuard
from .mvtu import Mvtu
from .naming import label
from .pool import MaxPool, SumPool
from .streams import port, result
from .width import WidthConverter
from .window import SlidingWindow

__all__ = ["Accelerator"]


def _guard(block: GuardPlan) -> wiring.Component:
    return FrameGuard(elements=block.elements_in, bits=block.bits_in, lanes=block.lanes_in)


def _converter(block: ConverterPlan) -> wiring.Component:
    return WidthConverter(
        elements=block.elements_in,
        bits=block.bits_in,
        lanes_in=block.lanes_in,
        lanes_out=block.lanes_out,
    )


def _mvtu(block: MvtuPlan) -> wiring.Component:
    return Mvtu(
        rows=block.rows,
        columns=block.columns,
        pe=block.pe,
        simd=block.simd,
        weights=block.weights,
        thresholds=block.thresholds,
        offsets=block.offsets,
        weight_style=block.weight_style,
        bits=block.bits_in,
        masked=block.masked,
        levels=block.levels,
        bits_out=block.bits_out,
        vectors=block.vectors,
    )


def _window(block: WindowPlan) -> wiring.Component:
    return SlidingWindow(
        channels=block.channels,
        bits=block.bits_in,
        lanes=block.lanes_in,
        height=block.height,
        width=block.width,
        kernel=block.kernel,
        stride=block.stride,
        dilation=block.dilation,
        padding=block.padding,
        pad=block.pad,
    )


def _pool(block: PoolPlan) -> wiring.Component:
    given: dict[str, Any] = {
        "channels": block.channels,
        "bits": block.bits_in,
        "lanes": block.lanes_in,
        "height": block.height,
        "width": block.width,
        "kernel": block.kernel,
        "stride": block.stride,
        "padding": block.padding,
    }
    return MaxPool(**given) if block.operation == "max" else SumPool(**given, levels=block.levels)


def _threshold(block: ThresholdPlan) -> wiring.Component:
    return Activation(
        lanes=block.lanes_in,
        bits=block.bits_in,
        levels=block.levels,
        thresholds=block.thresholds,
        flips=block.flips,
    )


def _argmax(block: ArgmaxPlan) -> wiring.Component:
    return Argmax(
        classes=block.elements_in,
        bits=block.bits_in,
        offsets=block.offsets,
        multipliers=block.multipliers,
        shift=block.shift,
    )


_COMPONENTS: dict[type[Block], Callable[[Any], wiring.Component]] = {
    # The one table that maps what is planned to what is built.
    GuardPlan: _guard,
    ConverterPlan: _converter,
    MvtuPlan: _mvtu,
    WindowPlan: _window,
    PoolPlan: _pool,
    ThresholdPlan: _threshold,
    ArgmaxPlan: _argmax,
}


def _expose(m: Module, name: str, edge: Any) -> None:
    """Give an edge names that survive into the Verilog: ``NAME_word``, ``…_valid``, ``…_ready``.

    Benches compare there, and people look there first. `rtl_gen.verilog` drops the attribute once
    the names are kept.
    """
    for what, value in (
        ("word", edge.payload.as_value()),
        ("valid", edge.valid),
        ("ready", edge.ready),
    ):
        m.d.comb += Signal(value.shape(), name=f"{name}_{what}", attrs={"keep": 1}).eq(value)


class Accelerator(wiring.Component):
    """A whole network: images in, logits and classes out.

    At full rate one image leaves every ``plan.cycles`` clocks; consecutive images overlap without a
    bubble in the slowest block. Back-pressure runs from end to end and loses nothing. Whatever
    arrives, each `last` on the input yields exactly one answer: short frames are filled with 0,
    surplus words are dropped.

    Parameters
    ----------
    plan : Plan

    Members
    -------
    i : stream of word(lanes, bits), in
        An image, element 0 first, ``plan.blocks[0].lanes_in`` elements a word; `last` ends it.
    o : stream of result(bits, index_bits), out
        One word a class: the code of its logit and the best class so far; with `last` that is the
        answer.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        first, answer = plan.blocks[0], plan.answer
        super().__init__(
            {
                "i": In(port(first.lanes_in, first.bits_in)),
                "o": Out(stream.Signature(result(answer.bits_out, answer.index_bits))),
            }
        )

    @property
    def plan(self) -> Plan:
        """What was built."""
        return self._plan

    def elaborate(self, platform: object) -> Module:
        """Build the plan's blocks and join them in a row."""
        m = Module()
        source = wiring.flipped(self.i)
        for block in self._plan.blocks:
            unit = _COMPONENTS[type(block)](block)
            m.submodules[block.name] = unit
            label(unit, block.name)
            wiring.connect(m, source, unit.i)
            source = unit.o
            _expose(m, block.name, unit.o)
        wiring.connect(m, source, wiring.flipped(self.o))
        return m
