"""Max-pooling and sum-pooling of an image that comes in pixel by pixel."""

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .loopnest import LoopNest
from .pool_axis import Axis, OpenWindows, phase_of
from .streams import port

__all__ = ["MaxPool", "SumPool"]


class _Pool(wiring.Component):
    """What both kinds of pooling have in common: all but the operation and its width."""

    def __init__(
        self,
        *,
        channels: int,
        bits: int,
        lanes: int,
        height: int,
        width: int,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> None:
        given = {"channels": channels, "bits": bits, "lanes": lanes}
        for name, value in (given | {"height": height, "width": width}).items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Pool {name} must be a positive integer, not {value!r}")
        for name, pair in (("kernel", kernel), ("stride", stride)):
            if len(pair) != 2 or not all(isinstance(part, int) and part > 0 for part in pair):
                raise ValueError(f"Pool {name} must be two positive integers, not {pair!r}")
        # A window that lies in padding altogether has no maximum.
        sides = list(zip(padding, (*kernel, *kernel), strict=False))
        if len(padding) != 4 or not all(
            isinstance(pad, int) and 0 <= pad < size for pad, size in sides
        ):
            raise ValueError(
                f"Pool padding must be four integers below the kernel, not {padding!r}"
            )
        top, left, bottom, right = padding
        if channels % lanes:
            raise ValueError(f"Pool lanes must divide {channels}, not {lanes!r}")
        self._given = given
        self._x = Axis(width, kernel[1], stride[1], left, right)
        self._y = Axis(height, kernel[0], stride[0], top, bottom)
        if min(self._x.count, self._y.count) < 1:
            raise ValueError(f"Pool kernel must fit the padded image, not {kernel!r}")
        super().__init__({"i": In(port(lanes, bits)), "o": Out(port(lanes, self.bits_out))})

    @property
    def channels(self) -> int:
        """Channels of the image."""
        return self._given["channels"]

    @property
    def bits(self) -> int:
        """Width of a code that comes in."""
        return self._given["bits"]

    @property
    def lanes(self) -> int:
        """Channels in a word."""
        return self._given["lanes"]

    @property
    def folds(self) -> int:
        """Words of a pixel."""
        return self.channels // self.lanes

    @property
    def height(self) -> int:
        """Rows of the image."""
        return self._y.size

    @property
    def width(self) -> int:
        """Pixels in a row of the image."""
        return self._x.size

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of a window."""
        return self._y.kernel, self._x.kernel

    @property
    def stride(self) -> tuple[int, int]:
        """Rows and columns from window to window."""
        return self._y.stride, self._x.stride

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right."""
        return self._y.before, self._x.before, self._y.after, self._x.after

    @property
    def out_height(self) -> int:
        """Rows of windows."""
        return self._y.count

    @property
    def out_width(self) -> int:
        """Windows in a row."""
        return self._x.count

    @property
    def words_in(self) -> int:
        """Words of `i` in a frame."""
        return self.height * self.width * self.folds

    @property
    def words_out(self) -> int:
        """Words of `o` in a frame."""
        return self.out_height * self.out_width * self.folds

    @property
    def cycles(self) -> int:
        """Clock cycles per frame, when nothing stalls."""
        return self._y.steps * self._x.steps * self.folds

    @property
    def latency(self) -> int:
        """Clock edges from the first word in to the first word out, when nothing stalls."""
        return (self._y.first_end * self._x.steps + self._x.first_end) * self.folds + 1

    @property
    def depth(self) -> int:
        """Words of the line of partial results; each holds `lanes` of every open row of windows."""
        return self.out_width * self.folds if self._y.kept else 0

    @property
    def bits_out(self) -> int:
        """Width of a code that goes out."""
        return self._width(self._x.kernel * self._y.kernel)

    def _width(self, codes: int) -> int:
        """Width of a result of so many codes."""
        raise NotImplementedError

    def _join(self, one: Value, other: Value) -> Value:
        """Join two partial results, of which 0 changes none."""
        raise NotImplementedError

    def elaborate(self, platform: Any) -> Module:
        """Build the step counters, the pooling along a row, and the pooling of rows."""
        m = Module()
        move, step, full, last = Signal(), Signal(), Signal(), Signal()
        nest = LoopNest(m, {"fold": self.folds, "x": self._x.steps, "y": self._y.steps}, step)
        x, y = nest.at["x"], nest.at["y"]
        beyond = _from(x, self._x.size, self._x.steps) | _from(y, self._y.size, self._y.steps)
        along = phase_of(m, "x", self._x, x, step=step & nest.ends(1), wrap=nest.ends(2))
        down = phase_of(m, "y", self._y, y, step=step & nest.ends(2), wrap=nest.ends(3))
        lower = down.later(m, move)
        m.d.comb += [
            move.eq(~self.o.valid | self.o.ready),
            step.eq(move & (beyond | self.i.valid)),
            self.i.ready.eq(move & ~beyond),
            self.o.valid.eq(full & lower.end),
            self.o.payload.last.eq(last),
        ]

        # Padding behind the image is a word of zeros: they neither win nor add.
        word = [Mux(beyond, 0, lane) for lane in self.i.payload.data]
        bits = self._width(self._x.kernel)
        row = OpenWindows(m, "row", self._x, words=self.folds, lanes=self.lanes, bits=bits)
        inside = row.pool(self._join, word, along, step=step)
        pooled = Signal(data.ArrayLayout(unsigned(bits), self.lanes), reset_less=True)
        with m.If(move):
            m.d.sync += [pooled[lane].eq(value) for lane, value in enumerate(inside)]
            m.d.sync += full.eq(step & along.end)
            m.d.sync += last.eq(nest.ends(1) & (x == self._x.last_end) & (y == self._y.last_end))

        words = self.out_width * self.folds
        rows = OpenWindows(m, "rows", self._y, words=words, lanes=self.lanes, bits=self.bits_out)
        result = rows.pool(self._join, pooled, lower, step=full & move)
        m.d.comb += [self.o.payload.data[lane].eq(value) for lane, value in enumerate(result)]
        return m


def _from(at: Signal, size: int, steps: int) -> Value:
    return at >= size if steps > size else Const(0, 1)


class MaxPool(_Pool):
    """Send the largest code of every window and channel, while the image comes in pixel by pixel.

    First along the row, then over the rows: each open window has one partial result, in a line of
    `depth` words. Every step takes one word, also where windows overlap, so
    ``cycles = steps_y * steps_x * folds`` with ``folds = channels / lanes``, and with ``steps`` the
    size of the image along the axis plus the rows or columns of padding behind it that the last
    window reaches, which take time without input. (The usual pools, 2x2/2, and 3x3/2 with padding 1
    on an even size, reach none: one word comes in with every clock.) Consecutive frames have no
    bubble. Latency ``((kh-1-top) * steps_x + kw-1-left) * folds + 1``.

    Padding never wins. Rows and columns that no window reaches are taken and dropped. While `o`
    stalls, everything stands still; `i.ready` follows `o.ready`. `i.last` is not read.

    Parameters
    ----------
    channels : int
        Channels of the image.
    bits : int
        Width of a code.
    lanes : int
        Channels in a word; divides `channels`.
    height, width : int
        Of the image, without padding.
    kernel, stride : tuple of int
        Vertical, horizontal.
    padding : tuple of int
        Top, left, bottom, right; each below the kernel's size.

    Members
    -------
    i : stream of word(lanes, bits), in
        Pixels row by row, channels fastest.
    o : stream of word(lanes, bits), out
        Windows in the same order; `last` marks the last word of a frame.

    Raises
    ------
    ValueError
        If a parameter is not in its range, or the kernel is larger than the padded image.
    """

    def _width(self, codes: int) -> int:
        return self.bits

    def _join(self, one: Value, other: Value) -> Value:
        if self.bits == 1:
            return one | other
        return Mux(one > other, one, other)


class SumPool(_Pool):
    """Send the sum of the codes of every window and channel; for the rest it is as `MaxPool`.

    ``steps_y * steps_x * folds`` clocks a frame, latency
    ``((kh-1-top) * steps_x + kw-1-left) * folds + 1``, and everything stands still while `o`
    stalls. Padding adds nothing. A code of `o` has the ``bits_out`` bits that the sum of
    ``kh * kw`` codes below `levels` can need.

    Parameters
    ----------
    channels, bits, lanes, height, width, kernel, stride, padding
        As in `MaxPool`.
    levels : int or None
        Codes that can come in are below it; 2**bits where None.

    Members
    -------
    i : stream of word(lanes, bits), in
        Pixels row by row, channels fastest.
    o : stream of word(lanes, bits_out), out
        Windows in the same order; `last` marks the last word of a frame.

    Raises
    ------
    ValueError
        As in `MaxPool`, or if `levels` is not an integer from 1 to 2**bits.
    """

    def __init__(self, *, bits: int, levels: int | None = None, **geometry: Any) -> None:
        most = 1 << bits if isinstance(bits, int) and bits > 0 else 2
        if levels is not None and (not isinstance(levels, int) or not 1 <= levels <= most):
            raise ValueError(f"Pool levels must be an integer from 1 to {most}, not {levels!r}")
        self._levels = levels or most
        super().__init__(bits=bits, **geometry)

    @property
    def levels(self) -> int:
        """Codes that can come in are below it."""
        return self._levels

    def _width(self, codes: int) -> int:
        return max(1, ((self._levels - 1) * codes).bit_length())

    def _join(self, one: Value, other: Value) -> Value:
        return one + other
