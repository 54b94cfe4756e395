"""The sliding window: an image comes in pixel by pixel, the windows over it go out tap by tap."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from bnnhw.plan.window_shape import ROWS, WindowShape

from .loopnest import LoopNest
from .streams import port

__all__ = ["SlidingWindow"]


class SlidingWindow(wiring.Component):
    """Send the windows over an image, tap by tap, while the image comes in pixel by pixel.

    Words of `o` are ordered by output row, output column, group, ky, kx and channel fold within the
    group, the last fastest. Latency 2: the first word leaves 2 clocks after the first word of its
    frame was taken. ``cycles = max(words_in, words_out)`` per frame, where ``words_in = height *
    width * folds``, ``words_out = out_height * out_width * kh * kw * folds`` and ``folds = channels
    / lanes``. The slower side never waits, also not between frames: the next frame comes in while
    the last windows go out. Padding costs clocks of `o` and no storage. Rows and columns that no
    window reaches are taken and dropped.

    Stored are `depth` words, never a frame: the span of a window, ``((kh-1)*dh*width + (kw-1)*dw +
    1) * folds``, or what keeps the slower side from waiting where windows jump (rows with a stride,
    frames without padding), whichever is more: see `WindowShape.room`. Up to 256 words that is
    rounded up to a power of two, and above to a multiple of 256. While `o` stalls, the word is held
    by the memory's output register and `i` waits when the buffer is full. `i.last` is not read.

    Parameters
    ----------
    channels, lanes, height, width, kernel, stride, dilation, padding, groups
        As in `WindowShape`.
    bits : int
        Width of a channel.
    pad : int or None
        Code that padded taps carry, or None to mask them.

    Members
    -------
    i : stream of word(lanes, bits), in
        Pixels row by row, channels fastest.
    o : stream of word(lanes, bits) or, with `pad` None, of masked_word(lanes, bits), out
        The windows; `last` marks the last word of a frame.

    Raises
    ------
    ValueError
        If a parameter is not in its range, see `WindowShape`, or `pad` does not fit `bits`.
    """

    def __init__(
        self,
        *,
        channels: int,
        bits: int,
        lanes: int,
        height: int,
        width: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
        groups: int = 1,
        pad: int | None = 0,
    ) -> None:
        if not isinstance(bits, int) or bits < 1:
            raise ValueError(f"Window bits must be a positive integer, not {bits!r}")
        if pad is not None and (not isinstance(pad, int) or not 0 <= pad < 1 << bits):
            raise ValueError(f"Window pad must be None or a code of {bits} bits, not {pad!r}")
        self._shape = WindowShape(
            channels=channels,
            lanes=lanes,
            height=height,
            width=width,
            kernel=kernel,
            stride=stride,
            dilation=dilation,
            padding=padding,
            groups=groups,
        )
        self._bits = bits
        self._pad = pad
        out = port(lanes, bits, masked=pad is None)
        super().__init__({"i": In(port(lanes, bits)), "o": Out(out)})

    @property
    def shape(self) -> WindowShape:
        """The geometry."""
        return self._shape

    @property
    def bits(self) -> int:
        """Width of a channel."""
        return self._bits

    @property
    def pad(self) -> int | None:
        """Code of padded taps, None if they are masked."""
        return self._pad

    @property
    def words_in(self) -> int:
        """Words of `i` in a frame."""
        return self._shape.words_in

    @property
    def words_out(self) -> int:
        """Words of `o` in a frame."""
        return self._shape.words_out

    @property
    def cycles(self) -> int:
        """Clock cycles per frame, when nothing stalls."""
        return max(self.words_in, self.words_out)

    @property
    def latency(self) -> int:
        """Clock edges from the first word in to the first word out."""
        return 2

    @property
    def depth(self) -> int:
        """Words of the cyclic buffer."""
        return self._shape.depth

    def elaborate(self, platform: object) -> Module:
        """Build the loop nest, the two distances that stand for all positions, and the buffer."""
        m = Module()
        shape = self._shape
        limit = self.depth - shape.overhang
        # Both distances are relative to the number of words written, so that they stay small:
        # `behind` is the position of the current tap and `base` that of its window's first tap.
        # Nothing is written further than `limit` behind `base`, which may go back by `retreat`, so
        # -(limit + retreat) <= both; and both <= furthest.
        deepest = limit + shape.retreat
        span = max((deepest - 1).bit_length(), shape.furthest.bit_length()) + 1
        behind = Signal(signed(span), init=shape.start)
        base = Signal(signed(span), init=shape.start)
        fresh = Signal(init=1)

        wrote = Signal()
        take = Signal()
        free = ~self.o.valid | self.o.ready
        nest = LoopNest(m, shape.trips, take)
        masked = self._masked(nest)
        there = masked | (behind < 0)
        if shape.start:
            # A frame's padding must not run ahead of the frame.
            there = Mux(fresh, behind < shape.start, there)
        has_room = base > -limit if shape.retreat else base != -limit
        m.d.comb += [
            self.i.ready.eq(has_room),
            wrote.eq(self.i.valid & self.i.ready),
            take.eq(free & there),
        ]

        # behind + jump - wrote as one carry chain: the carry that comes in is ~wrote.
        less = Signal(signed(span))
        moved = Signal(signed(span))
        total = Cat(~wrote, behind) + Cat(~wrote, less)
        m.d.comb += [
            less.eq(Mux(take, nest.choose([jump - 1 for jump in shape.jumps]), -1)),
            moved.eq(total[1 : span + 1]),
        ]
        m.d.sync += [behind.eq(moved), base.eq(base - wrote)]
        with m.If(take):
            m.d.sync += fresh.eq(nest.ends(6))
            with m.If(nest.ends(4)):
                m.d.sync += base.eq(moved)

        self._buffer(m, behind, wrote, take)
        was_masked = Signal()
        with m.If(free):
            m.d.sync += [self.o.valid.eq(there), was_masked.eq(masked)]
            m.d.sync += self.o.payload.last.eq(nest.ends(6))
        self._mask(m, was_masked)
        return m

    def _masked(self, nest: LoopNest) -> Value:
        """Tell whether the current tap is padding: compare `oy` and `ox` for each ky and kx."""
        outside: Value = Const(0, 1)
        for tap, window, count, inside in (
            ("ky", "oy", self._shape.out_height, self._shape.inside_rows),
            ("kx", "ox", self._shape.out_width, self._shape.inside_columns),
        ):
            at = nest.at[window]
            for index in range(self._shape.trips[tap]):
                ok = inside(index)
                here = nest.at[tap] == index
                if ok.start > 0:
                    outside = outside | (here & (at < ok.start))
                if ok.stop < count:
                    outside = outside | (here & (at >= ok.stop))
        return outside

    def _buffer(self, m: Module, behind: Signal, wrote: Value, take: Value) -> None:
        """Write at `head`; read `behind` words away from it, around the end of the buffer."""
        depth = self.depth
        # What is read was written before, so Yosys need not build what happens if both meet.
        memory: Memory[Any, Any] = Memory(
            shape=self._shape.lanes * self._bits, depth=depth, init=[], attrs={"no_rw_check": "1"}
        )
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()
        head = Signal(range(depth))
        place: Value = head + behind
        if depth & (depth - 1):
            # A multiple of ROWS: only the bits above those that count up to ROWS are corrected.
            low = (ROWS - 1).bit_length()
            high = place[low:].as_signed()
            place = Cat(place[:low], Mux(high < 0, high + depth // ROWS, high))
        with m.If(wrote):
            m.d.sync += head.eq(head + 1)
            with m.If(head == depth - 1):
                m.d.sync += head.eq(0)
        m.d.comb += [
            write.addr.eq(head),
            write.data.eq(self.i.payload.data.as_value()),
            write.en.eq(wrote),
            read.addr.eq(place[: len(head)]),
            read.en.eq(take),
        ]
        m.d.comb += self.o.payload.data.eq(read.data)

    def _mask(self, m: Module, masked: Value) -> None:
        """Put the padding in the place of what the memory gives."""
        if not any(self._shape.padding):
            return
        with m.If(masked):
            for lane in self.o.payload.data:
                m.d.comb += lane.eq(self._pad or 0)
        if self._pad is None:
            m.d.comb += self.o.payload.masked.eq(masked)
