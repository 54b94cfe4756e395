"""The whole window at once: an image comes in pixel by pixel, one window goes out a clock."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from bnnhw.plan.window_shape import WindowShape

from .loopnest import LoopNest
from .pool_axis import SHIFTED
from .streams import port

__all__ = ["ParallelWindow"]


@dataclass(frozen=True)
class _Track:
    """One axis of the image as steps of a shift register, the window's last tap at its entrance.

    Pixel p enters in step ``lead + p`` and window w is complete in step ``begin + w * stride``.
    Taps that are padding in every window are left out, so `begin` is a step of the image.
    """

    size: int
    before: int
    stride: int
    dilation: int
    inside: tuple[range, ...]
    """For each tap, the windows in which it lies in the image."""
    count: int
    """Windows."""

    @property
    def live(self) -> range:
        """Taps from the first to the last that is ever in the image."""
        taps = [tap for tap, windows in enumerate(self.inside) if windows]
        return range(taps[0], taps[-1] + 1) if taps else range(0)

    @property
    def reach(self) -> int:
        """Place of the last live tap, counted from the first tap and less the padding."""
        return (self.live.stop - 1) * self.dilation - self.before if self.live else 0

    @property
    def lead(self) -> int:
        """Steps before the first pixel enters: 0 where the padding is within the kernel."""
        return max(0, -self.reach)

    @property
    def begin(self) -> int:
        """Step in which the first window is complete."""
        return max(0, self.reach)

    @property
    def last(self) -> int:
        """Steps from the first window to the last."""
        return (self.count - 1) * self.stride

    @property
    def steps(self) -> int:
        """Steps of the axis: the pixels, or the windows if they take longer."""
        return max(self.lead + self.size, self.last + 1)

    def pixels(self, step: int) -> int:
        """Count the pixels that have entered after `step`."""
        return min(max(0, step - self.lead + 1), self.size)


class ParallelWindow(wiring.Component):
    """Send the windows over an image whole, one a clock, while the image comes in pixel by pixel.

    An output word is a window, in row order; its lanes are ordered by ky, kx and channel, the last
    fastest. A frame takes ``cycles = columns * rows``, where ``columns = max(width + left',
    (out_width - 1) * sw + 1)`` and ``rows = max(height + top', (out_height - 1) * sh + 1)``; left'
    and top' are what the padding has more than the kernel reaches, usually 0. That is ``height *
    width`` where no axis has more padding in sum than ``(k - 1) * d`` and no dilation is above the
    size. For stride 1 it is ``max(height * width, out_height * out_width)`` unless one axis grows
    and the other shrinks. There is no bubble between frames, and usual padding costs no clocks: the
    next frame's pixels push the last windows out. Where they do not come, those windows leave
    without them; once the next frame has begun, they wait for its pixels.

    Latency ``begin - lead + 1``, see `latency`: 1 plus the pixels that enter before the first
    window is complete. While `o` stalls, everything is held and `i` waits. Stored are
    ``(kh - 1) * dh`` lines of `columns` pixels, in one memory of ``(kh - 1)`` pixels a word where
    that is longer than a few words, and ``kh * ((kw - 1) * dw + 1)`` pixels in registers, which are
    the output's; less, where taps are padding in every window. `i.last` is not read.

    Parameters
    ----------
    channels, height, width, kernel, stride, dilation, padding
        As in `WindowShape`.
    bits : int
        Width of a channel.
    pad : int or None
        Code that padded taps carry, or None to mask them one by one.

    Members
    -------
    i : stream of word(channels, bits), in
        Pixels row by row.
    o : stream of word(kh * kw * channels, bits), out
        Windows; `last` marks the last of a frame. With `pad` None the payload has `masked` between
        `data` and `last`, one bit a tap, and `data` is 0 where that is set.

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
        height: int,
        width: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
        pad: int | None = 0,
    ) -> None:
        if not isinstance(bits, int) or bits < 1:
            raise ValueError(f"Window bits must be a positive integer, not {bits!r}")
        if pad is not None and (not isinstance(pad, int) or not 0 <= pad < 1 << bits):
            raise ValueError(f"Window pad must be None or a code of {bits} bits, not {pad!r}")
        self._shape = WindowShape(
            channels=channels,
            lanes=channels,
            height=height,
            width=width,
            kernel=kernel,
            stride=stride,
            dilation=dilation,
            padding=padding,
        )
        self._bits = bits
        self._pad = pad
        taps = kernel[0] * kernel[1]
        out = port(taps * channels, bits)
        if pad is None:
            array = data.ArrayLayout(unsigned(bits), taps * channels)
            out = stream.Signature(data.StructLayout({"data": array, "masked": taps, "last": 1}))
        super().__init__({"i": In(port(channels, bits)), "o": Out(out)})

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
        return self._shape.out_height * self._shape.out_width

    @property
    def cycles(self) -> int:
        """Clock cycles per frame, when nothing stalls."""
        return self._across.steps * self._down.steps

    @property
    def latency(self) -> int:
        """Clock edges from the first word in to the first word out.

        ``(begin_y - lead_y) * columns + begin_x - lead_x + 1``, where ``begin - lead`` of an axis
        is the place of the last tap in the first window, ``(k - 1) * d - before``. Below 1 only
        where the padding exceeds the kernel's reach: windows of padding then leave while the first
        word is offered, before it is taken.
        """
        down, across = self._down, self._across
        return (down.begin - down.lead) * across.steps + across.begin - across.lead + 1

    @property
    def depth(self) -> int:
        """Words of the line memory, each a pixel from all lines but the newest; 0 without one."""
        return self._shape.dilation[0] * self._across.steps if len(self._down.live) > 1 else 0

    def needs(self, window: int) -> int:
        """Give the input word of the frame, from 0, without which a window does not leave.

        It is the pixel in the place of the window's last tap, or the nearest one before that if
        this is padding; the first, if there is none.

        Parameters
        ----------
        window : int
            Index in the frame, 0 … words_out - 1.
        """
        down, across = self._down, self._across
        oy, ox = divmod(window, across.count)
        step = (down.begin + oy * down.stride) * across.steps + across.begin + ox * across.stride
        row, column = divmod(step, across.steps)
        before = down.pixels(row - 1)
        taken = before * across.size + (down.pixels(row) - before) * across.pixels(column)
        return max(0, taken - 1)

    @cached_property
    def _down(self) -> _Track:
        form = self._shape
        inside = tuple(map(form.inside_rows, range(form.kernel[0])))
        return _Track(
            form.height, form.padding[0], form.stride[0], form.dilation[0], inside, form.out_height
        )

    @cached_property
    def _across(self) -> _Track:
        form = self._shape
        inside = tuple(map(form.inside_columns, range(form.kernel[1])))
        return _Track(
            form.width, form.padding[1], form.stride[1], form.dilation[1], inside, form.out_width
        )

    def elaborate(self, platform: object) -> Module:
        """Build the walks over pixels and windows, and the shift register between them.

        The pixels' walk goes around once a frame, and the windows' walk starts when it passes the
        first window. Both go on with every shift, so windows find their taps in fixed places. Only
        between frames may the register shift without the pixels' walk, to push the last windows
        out; taps of the next frame are then masked, so what is shifted in does not matter.
        """
        m = Module()
        down, across = self._down, self._across
        advance, shift, show = Signal(), Signal(), Signal()
        into = LoopNest(m, {"in_x": across.steps, "in_y": down.steps}, advance)
        over = LoopNest(m, {"out_x": across.steps, "out_y": down.last + 1}, show)

        free = ~self.o.valid | self.o.ready
        # Flip-flops say what the counters mean: thousands of registers wait for `shift`.
        wants = into.tell(range(across.lead, across.lead + across.size), "in_x")
        wants = wants & into.tell(range(down.lead, down.lead + down.size), "in_y")
        begins = into.tell([across.begin], "in_x") & into.tell([down.begin], "in_y")
        at_start, begun = Signal(init=1), Signal()
        with m.If(advance):
            m.d.sync += at_start.eq(into.ends(2))
        with m.If(show):
            m.d.sync += begun.eq(~over.ends(2))
        m.d.comb += [
            self.i.ready.eq(free & wants),
            # A frame's padding must not run ahead of the frame.
            advance.eq(free & (self.i.valid | ~(wants | at_start))),
            shift.eq(advance | free & at_start & begun),
            show.eq(shift & (begun | begins)),
        ]

        complete = self._complete(m, over, show)
        with m.If(free):
            m.d.sync += self.o.valid.eq(complete)
        with m.If(shift):
            ends = (over.at["out_x"] == across.last) & (over.at["out_y"] == down.last)
            m.d.sync += self.o.payload.last.eq(ends)
        self._taps(m, over, shift)
        return m

    def _complete(self, m: Module, over: LoopNest, show: Value) -> Value:
        """Tell whether the current step of the windows' walk completes a window."""
        complete: Value = show
        at = over.at["out_x"]
        if self._across.last + 1 < self._across.steps:
            complete = complete & (at <= self._across.last)
        step = show
        for loops, track in enumerate((self._across, self._down), 1):
            if track.stride > 1:
                turn = Signal(range(track.stride), name=f"turn_{'xy'[loops - 1]}")
                complete = complete & (turn == 0)
                with m.If(step):
                    wrap = over.ends(loops) | (turn == track.stride - 1)
                    m.d.sync += turn.eq(Mux(wrap, 0, turn + 1))
            step = show & over.ends(loops)
        return complete

    def _taps(self, m: Module, over: LoopNest, shift: Value) -> None:
        """Build a shift register for each line, and put padding in the place of masked taps."""
        rows = self._outside(m, over.at["out_y"], self._down, shift)
        columns = self._outside(m, over.at["out_x"], self._across, shift)
        channels = self._shape.channels
        lines = dict(zip(reversed(self._down.live), self._lines(m, shift), strict=False))
        across = self._across
        for ky, row in enumerate(rows):
            places = self._line(m, f"line_{ky}", lines[ky], shift) if ky in lines else []
            for kx, column in enumerate(columns):
                tap = ky * len(columns) + kx
                masked = row | column
                for channel in range(channels):
                    lane = self.o.payload.data[tap * channels + channel]
                    m.d.comb += lane.eq(self._pad or 0)
                    if places and kx in across.live:
                        place = places[(across.live.stop - 1 - kx) * across.dilation]
                        code = place.word_select(channel, self._bits)
                        m.d.comb += lane.eq(Mux(masked, self._pad or 0, code))
                if self._pad is None:
                    m.d.comb += self.o.payload.masked[tap].eq(masked)

    def _outside(self, m: Module, at: Signal, track: _Track, shift: Value) -> list[Value]:
        """Say of each tap of an axis whether it is padding, in step with the taps themselves."""
        flags: list[Value] = []
        for tap, ok in enumerate(track.inside):
            outside: Value = Const(0 if ok else 1, 1)
            if ok and ok.start > 0:
                outside = outside | (at < ok.start * track.stride)
            if ok and ok.stop < track.count:
                outside = outside | (at >= ok.stop * track.stride)
            if isinstance(outside, Const):
                flags.append(outside)
                continue
            flag = Signal(name=f"{at.name}_outside_{tap}")
            with m.If(shift):
                m.d.sync += flag.eq(outside)
            flags.append(flag)
        return flags

    def _line(self, m: Module, name: str, word: Value, shift: Value) -> list[Value]:
        """Make the registers of a line, the newest pixel first."""
        places: list[Value] = []
        for place in range((len(self._across.live) - 1) * self._across.dilation + 1):
            kept = Signal(len(word), name=f"{name}_{place}", reset_less=True)
            with m.If(shift):
                m.d.sync += kept.eq(word)
            places.append(kept)
            word = kept
        return places

    def _lines(self, m: Module, shift: Value) -> list[Value]:
        """Give the pixels that enter the lines, the newest line first."""
        pixel = self.i.payload.data.as_value()
        older = len(self._down.live) - 1
        if older < 1:
            return [pixel]
        held = Signal(older * len(pixel), reset_less=True)
        word = Cat(pixel, held)[: len(held)]
        if self.depth <= SHIFTED:
            # A memory would be idle, and one of a single word could not be read ahead.
            for place in range(self.depth):
                kept = held if place == self.depth - 1 else Signal.like(held, name=f"held_{place}")
                with m.If(shift):
                    m.d.sync += kept.eq(word)
                word = kept
        else:
            self._memory(m, held, word, shift)
        return [pixel, *(held.word_select(line, len(pixel)) for line in range(older))]

    def _memory(self, m: Module, held: Signal, word: Value, shift: Value) -> None:
        """Delay `word` by `depth` shifts: `held` is read while the word before it is written."""
        memory: Memory[Any, Any] = Memory(
            shape=len(held), depth=self.depth, init=[], attrs={"no_rw_check": "1"}
        )
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()
        # The reader's address comes from a register of its own: it goes to every bit of the word.
        at, after = Signal(range(self.depth)), Signal(range(self.depth), init=1)
        m.d.comb += [
            write.addr.eq(at),
            write.data.eq(word),
            write.en.eq(shift),
            read.addr.eq(after),
            read.en.eq(shift),
            held.eq(read.data),
        ]
        with m.If(shift):
            m.d.sync += [at.eq(after), after.eq(Mux(after == self.depth - 1, 0, after + 1))]
