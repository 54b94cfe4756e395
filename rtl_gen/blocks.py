"""The one table that maps what is planned to what is built."""

from collections.abc import Callable
from typing import Any

from amaranth.lib import wiring

from bnnhw.plan import (
    AddPlan,
    AffinePlan,
    ArgmaxPlan,
    Block,
    ConcatPlan,
    ConverterPlan,
    ForkPlan,
    GuardPlan,
    IntMvtuPlan,
    MvtuPlan,
    ParallelWindowPlan,
    PermutePlan,
    PoolPlan,
    QueuePlan,
    SlicePlan,
    TernaryPlan,
    ThresholdPlan,
    TopKPlan,
    WindowPlan,
)
from bnnhw.plan.units import unpacked

from .activation import Activation
from .affine import Affine
from .argmax import Argmax
from .channels import ChannelSlice, Permute
from .fork import Fork
from .frame import FrameGuard
from .integer import IntMvtu
from .joins import Add, Concat
from .mvtu import Mvtu
from .pool import MaxPool, SumPool
from .queue import Queue
from .streams import word
from .ternary import Ternary
from .topk import TopK
from .unrolled import UnrolledLayer
from .width import WidthConverter
from .window import SlidingWindow
from .window_parallel import ParallelWindow

__all__ = ["component_of"]


def _guard(block: GuardPlan) -> wiring.Component:
    return FrameGuard(elements=block.elements_in, bits=block.bits_in, lanes=block.lanes_in)


def _converter(block: ConverterPlan) -> wiring.Component:
    return WidthConverter(
        elements=block.elements_in,
        bits=block.bits_in,
        lanes_in=block.lanes_in,
        lanes_out=block.lanes_out,
    )


def _unrolled(block: MvtuPlan, weights: tuple[int, ...]) -> wiring.Component:
    rows, levels, thresholds, offsets = block.rows, block.levels, None, None
    if block.thresholds is not None:
        numbers = unpacked(block.thresholds[0], rows * levels, block.threshold_bits)
        thresholds = [numbers[row * levels : (row + 1) * levels] for row in range(rows)]
    if block.offsets is not None:
        offsets = unpacked(block.offsets[0], rows, block.bits_out)
    return UnrolledLayer(
        weights=weights,
        columns=block.columns,
        bits=block.bits_in,
        thresholds=thresholds,
        offsets=offsets,
        bits_out=block.bits_out,
        every=block.every,
    )


def _mvtu(block: MvtuPlan) -> wiring.Component:
    if block.words is not None:
        return _unrolled(block, block.words)
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
        groups=block.groups,
        search=block.search,
        every=block.every,
        hold=block.hold,
        replay=block.replay,
    )


def _int_mvtu(block: IntMvtuPlan) -> wiring.Component:
    return IntMvtu(
        rows=block.rows,
        columns=block.columns,
        pe=block.pe,
        simd=block.simd,
        weights=block.weights,
        weight_bits=block.width,
        offsets=block.offsets or (),
        bits=block.bits_in,
        bits_out=block.bits_out,
        vectors=block.vectors,
        groups=block.groups,
        weight_style=block.weight_style,
        multiplier=block.multiplier,
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
        groups=block.groups,
        pad=block.pad,
    )


def _parallel(block: ParallelWindowPlan) -> wiring.Component:
    return ParallelWindow(
        channels=block.channels,
        bits=block.bits_in,
        height=block.height,
        width=block.width,
        kernel=block.kernel,
        stride=block.stride,
        dilation=block.dilation,
        padding=block.padding,
        pad=block.pad,
    )


def _ternary(block: TernaryPlan) -> wiring.Component:
    taps = block.lanes_in // block.channels
    return Ternary(taps=taps, channels=block.channels, bits=block.bits_in)


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
        search=block.search,
    )


def _affine(block: AffinePlan) -> wiring.Component:
    return Affine(
        lanes=block.lanes_in,
        bits=block.bits_in,
        multipliers=block.multipliers,
        offsets=block.offsets,
        multiplier_bits=block.multiplier_bits,
        offset_bits=block.offset_bits,
        shift=block.shift,
        levels_out=block.levels,
        clip=block.clip,
        bits_out=block.bits_out,
    )


def _fork(block: ForkPlan) -> wiring.Component:
    return Fork(shape=word(block.lanes_in, block.bits_in), copies=block.copies)


def _queue(block: QueuePlan) -> wiring.Component:
    return Queue(shape=word(block.lanes_in, block.bits_in), depth=block.depth)


def _add(block: AddPlan) -> wiring.Component:
    return Add(
        lanes=block.lanes_in, bits=block.bits, factors=block.factors, bits_out=block.bits_out
    )


def _concat(block: ConcatPlan) -> wiring.Component:
    return Concat(
        lanes=block.lanes_in,
        bits=block.bits,
        words=block.words,
        factors=block.factors,
        offsets=block.offsets,
        pixels=block.pixels,
        bits_out=block.bits_out,
    )


def _slice(block: SlicePlan) -> wiring.Component:
    return ChannelSlice(
        lanes=block.lanes_in,
        bits=block.bits_in,
        folds=block.folds,
        start=block.start,
        stop=block.stop,
        pixels=block.pixels,
    )


def _permute(block: PermutePlan) -> wiring.Component:
    return Permute(lanes=block.lanes_in, bits=block.bits_in, order=block.order)


def _argmax(block: ArgmaxPlan) -> wiring.Component:
    return Argmax(
        classes=block.elements_in,
        bits=block.bits_in,
        offsets=block.offsets,
        multipliers=block.multipliers,
        shift=block.shift,
    )


def _top_k(block: TopKPlan) -> wiring.Component:
    return TopK(
        classes=block.elements_in,
        bits=block.bits_in,
        k=block.elements_out,
        offsets=block.offsets,
        multipliers=block.multipliers,
        shift=block.shift,
    )


_COMPONENTS: dict[type[Block], Callable[[Any], wiring.Component]] = {
    GuardPlan: _guard,
    ConverterPlan: _converter,
    MvtuPlan: _mvtu,
    WindowPlan: _window,
    ParallelWindowPlan: _parallel,
    TernaryPlan: _ternary,
    PoolPlan: _pool,
    ThresholdPlan: _threshold,
    IntMvtuPlan: _int_mvtu,
    AffinePlan: _affine,
    ForkPlan: _fork,
    QueuePlan: _queue,
    AddPlan: _add,
    ConcatPlan: _concat,
    SlicePlan: _slice,
    PermutePlan: _permute,
    ArgmaxPlan: _argmax,
    TopKPlan: _top_k,
}


def component_of(block: Block) -> Any:
    """Make the component that a block of a plan stands for."""
    return _COMPONENTS[type(block)](block)
