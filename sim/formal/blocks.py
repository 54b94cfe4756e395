"""What must hold for blocks with one stream in and one out: which word is where, and when."""

from itertools import product
from typing import Any

from amaranth.hdl import Array, Const, Value

from bnnhw.plan.window_shape import WindowShape
from rtl_gen.queue import Queue
from rtl_gen.width import WidthConverter
from rtl_gen.window import SlidingWindow
from rtl_gen.window_parallel import ParallelWindow

from .frames import Frames, Place, progress
from .scene import Properties, Scene

__all__ = ["converter", "queue", "whole_window", "window"]


def queue(scene: Scene) -> None:
    """Require of a `Queue` or `Skid` that it holds words in order, and as many as it says.

    A word is a frame of its own.
    """
    dut: Any = scene.dut
    depth = dut.depth if isinstance(dut, Queue) else 2
    scene.source(dut.i, "i")
    scene.sink(dut.o, "o")
    bits = _bits(dut.i.payload)
    frames = Frames(
        scene,
        put=dut.i.valid & dut.i.ready,
        o=dut.o,
        elements_in=bits,
        elements_out=_bits(dut.o.payload),
        words_in=1,
        table=[[(0, lane) for lane in range(len(bits))]],
        flight=depth,
        last=None,
    )
    # A register alone also takes a word while the one that it holds leaves.
    through = dut.o.ready if depth == 1 else 0
    scene.check("room", dut.i.ready == ((frames.lead != depth) | through))
    scene.reach("full", frames.lead == depth)
    if isinstance(dut, Queue):
        scene.check("level", dut.level == frames.lead)
    progress(scene, frames, silent=1 if depth <= 2 else 2, deaf=1)


def _bits(payload: Any) -> list[Value]:
    return list(Value.cast(payload))


def converter(scene: Scene) -> None:
    """Require of a `WidthConverter` that it moves every element to its word and lane.

    Lanes of the last word in that are past the end hold anything, as does `last`.
    """
    dut: WidthConverter = scene.dut
    scene.source(dut.i, "i")
    scene.sink(dut.o, "o")
    places: list[Place | None] = [divmod(index, dut.lanes_in) for index in range(dut.elements)]
    places += [None] * (dut.words_out * dut.lanes_out - dut.elements)
    lanes = dut.lanes_out
    frames = Frames(
        scene,
        put=dut.i.valid & dut.i.ready,
        o=dut.o,
        elements_in=list(dut.i.payload.data),
        elements_out=list(dut.o.payload.data),
        words_in=dut.words_in,
        table=[places[start : start + lanes] for start in range(0, len(places), lanes)],
        flight=dut.lanes_out // dut.lanes_in + 2,
        last=dut.o.payload.last,
    )
    progress(scene, frames, silent=dut.latency, deaf=-(-dut.lanes_in // dut.lanes_out))


def window(scene: Scene) -> None:
    """Require of a `SlidingWindow` that every tap shows the word that lies there.

    A tap shows its word only if that was written before it is read and is not overwritten yet, so
    this is what is proved of the buffer's addresses. Padded taps hold the padding, or are masked.
    """
    dut: SlidingWindow = scene.dut
    scene.source(dut.i, "i")
    scene.sink(dut.o, "o")
    words = _taps(dut.shape)
    lanes = range(dut.shape.lanes)
    frames = Frames(
        scene,
        put=dut.i.valid & dut.i.ready,
        o=dut.o,
        elements_in=list(dut.i.payload.data),
        elements_out=list(dut.o.payload.data),
        words_in=dut.words_in,
        table=[[None if word is None else (word, lane) for lane in lanes] for word in words],
        flight=dut.depth // dut.words_in + 2,
        last=dut.o.payload.last,
        blank=dut.pad or 0,
    )
    if dut.pad is None:
        masked = Array(Const(word is None, 1) for word in words)[frames.word_out]
        scene.check("masked", dut.o.payload.masked == masked, when=dut.o.valid)
    progress(scene, frames, silent=dut.words_in + 1, deaf=dut.words_out + 1)


def whole_window(block: ParallelWindow) -> Properties:
    """Require of a window like this one that every tap shows the pixel that lies there.

    Padded taps hold the padding, or are masked. The last windows of a frame leave without more
    input, unless the next frame has begun: then its pixels push them.
    """
    taps, channels = _taps(block.shape), range(block.shape.channels)
    size = len(taps) // block.words_out
    windows = [taps[start : start + size] for start in range(0, len(taps), size)]

    def properties(scene: Scene) -> None:
        i, o = scene.dut.i, scene.dut.o
        scene.source(i, "i")
        scene.sink(o, "o")
        frames = Frames(
            scene,
            put=i.valid & i.ready,
            o=o,
            elements_in=list(i.payload.data),
            elements_out=list(o.payload.data),
            words_in=block.words_in,
            table=[
                [None if word is None else (word, lane) for word in window for lane in channels]
                for window in windows
            ],
            flight=1,
            last=o.payload.last,
            blank=block.pad or 0,
        )
        if block.pad is None:
            flags = [sum((word is None) << k for k, word in enumerate(row)) for row in windows]
            masked = o.payload.masked == Array(flags)[frames.word_out]
            scene.check("masked", masked, when=o.valid)
        between = (frames.lead > 0) & (frames.word_in == 0)
        served = o.ready & (i.valid | between)
        scene.check_waits("silent", served & ~o.valid, block.cycles + 1)
        scene.check_waits("deaf", o.ready & i.valid & ~i.ready, block.cycles)

    return properties


def _taps(shape: WindowShape) -> list[int | None]:
    """Word of the image that each word of the output shows, None for padding."""
    top, left, _, _ = shape.padding
    share = shape.folds // shape.groups
    order = product(
        range(shape.out_height),
        range(shape.out_width),
        range(shape.groups),
        range(shape.kernel[0]),
        range(shape.kernel[1]),
        range(share),
    )
    taps: list[int | None] = []
    for oy, ox, group, ky, kx, fold in order:
        y = oy * shape.stride[0] + ky * shape.dilation[0] - top
        x = ox * shape.stride[1] + kx * shape.dilation[1] - left
        inside = 0 <= y < shape.height and 0 <= x < shape.width
        word = (y * shape.width + x) * shape.folds + group * share + fold
        taps.append(word if inside else None)
    return taps
