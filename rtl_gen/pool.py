"""Max-pooling and sum-pooling of an image that comes in pixel by pixel."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .loopnest import LoopNest
from .streams import port

__all__ = ["MaxPool", "SumPool"]


@dataclass(frozen=True)
class _Axis:
    """Pooling along one axis: which windows are open at which step."""

    size: int
    kernel: int
    stride: int
    before: int
    after: int

    @property
    def count(self) -> int:
        """Windows."""
        return (self.size + self.before + self.after - self.kernel) // self.stride + 1

    @property
    def first_end(self) -> int:
        """Step at which the first window is complete."""
        return self.kernel - 1 - self.before

    @property
    def last_end(self) -> int:
        """Step at which the last window is complete."""
        return self.first_end + (self.count - 1) * self.stride

    @property
    def steps(self) -> int:
        """Steps along the axis: the size, and the padding behind it that the last window needs."""
        return max(self.size, self.last_end + 1)

    @property
    def age(self) -> int:
        """Windows that have begun after the one that is complete."""
        return (self.kernel - 1) // self.stride

    @property
    def kept(self) -> int:
        """Windows that stay open from one step to the next."""
        return -(-(self.kernel - 1) // self.stride)


@dataclass(frozen=True)
class _Phase:
    """What an axis does in a step, as one-bit values or registers."""

    first: Value
    """The axis begins: every open window starts anew."""
    start: Value
    """A window begins."""
    end: Value
    """A window is complete."""

    def later(self, m: Module, move: Value, name: str) -> "_Phase":
        """Register it."""
        bits = Signal(3, name=name)
        with m.If(move):
            m.d.sync += bits.eq(Cat(self.first, self.start, self.end))
        return _Phase(*bits)


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
        top, left, bottom, right = padding
        # A window that lies in padding altogether has no maximum.
        for pad, size in zip(padding, (*kernel, *kernel), strict=True):
            if not isinstance(pad, int) or not 0 <= pad < size:
                raise ValueError(f"Pool padding must be below the kernel's size, not {padding!r}")
        if channels % lanes:
            raise ValueError(f"Pool lanes must divide {channels}, not {lanes!r}")
        self._given = given
        self._x = _Axis(width, kernel[1], stride[1], left, right)
        self._y = _Axis(height, kernel[0], stride[0], top, bottom)
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
        return (self._y.first_end * self._x.steps + self._x.first_end) * self.folds + 3

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
        move, step = Signal(), Signal()
        m.d.comb += move.eq(~self.o.valid | self.o.ready)
        trips = {"fold": self.folds, "x": self._x.steps, "y": self._y.steps}
        nest = LoopNest(m, trips, step)
        x, y = nest.at["x"], nest.at["y"]
        beyond = _from(x, self._x.size, self._x.steps) | _from(y, self._y.size, self._y.steps)
        m.d.comb += [step.eq(move & (beyond | self.i.valid)), self.i.ready.eq(move & ~beyond)]
        along = _phase(m, "x", self._x, x, step & nest.ends(1), nest.ends(2))
        down = _phase(m, "y", self._y, y, step & nest.ends(2), nest.ends(3))
        final = (x == self._x.last_end) & (y == self._y.last_end) & nest.ends(1)

        # Padding behind the image is a word of zeros: they neither win nor add.
        taken = Signal.like(self.i.payload.data)
        full, last = Signal(), Signal()
        with m.If(move):
            m.d.sync += [full.eq(step), last.eq(final), taken.eq(self.i.payload.data)]
            with m.If(beyond):
                m.d.sync += taken.eq(0)
        along, down = along.later(m, move, "along"), down.later(m, move, "down")
        row = _Partial(m, "row", self._x, self.folds, self.lanes, self._width(self._x.kernel))
        inside = row.pool(self._join, taken, along, step=step, store=full & move)

        ended = full & along.end
        pooled = Signal(data.ArrayLayout(unsigned(self._width(self._x.kernel)), self.lanes))
        again, final = Signal(), Signal()
        with m.If(move):
            m.d.sync += [again.eq(ended), final.eq(last)]
            m.d.sync += [lane.eq(value) for lane, value in zip(pooled, inside, strict=True)]
        lower = down.later(m, move, "lower")
        words = self.out_width * self.folds
        rows = _Partial(m, "rows", self._y, words, self.lanes, self.bits_out)
        store = again & move
        result = rows.pool(self._join, pooled, lower, step=move & ended, store=store)
        with m.If(move):
            m.d.sync += [self.o.valid.eq(again & lower.end), self.o.payload.last.eq(final)]
            for lane, value in zip(self.o.payload.data, result, strict=True):
                m.d.sync += lane.eq(value)
        return m


def _from(at: Signal, size: int, steps: int) -> Value:
    return at >= size if steps > size else Const(0, 1)


def _phase(m: Module, name: str, axis: _Axis, at: Signal, step: Value, wrap: Value) -> _Phase:
    """Tell where windows begin and end; `step` goes to the next position, with `wrap` to 0."""
    turn = Signal(range(axis.stride), name=f"turn_{name}", init=axis.before % axis.stride)
    with m.If(step):
        m.d.sync += turn.eq(turn + 1)
        with m.If(turn == axis.stride - 1):
            m.d.sync += turn.eq(0)
        with m.If(wrap):
            m.d.sync += turn.eq(turn.init)
    end: Value = turn == (axis.kernel - 1) % axis.stride
    if axis.first_end >= axis.stride:
        end = end & (at >= axis.first_end)
    if axis.last_end + axis.stride < axis.steps:
        end = end & (at <= axis.last_end)
    return _Phase(at == 0, turn == 0, end)


class _Partial:
    """Partial results of the windows that are open along one axis, for `words` streams in turn."""

    def __init__(
        self, m: Module, name: str, axis: _Axis, words: int, lanes: int, bits: int
    ) -> None:
        self._m = m
        self._name = name
        self._axis = axis
        self._words = words
        self._word = data.ArrayLayout(data.ArrayLayout(unsigned(bits), lanes), max(1, axis.kept))

    def pool(
        self, join: Any, word: Any, phase: _Phase, *, step: Value, store: Value
    ) -> list[Value]:
        """Add `word` to all open windows; return the oldest, which counts where `phase.end` is.

        With `step` the next word comes in, and with `store` this one goes on.
        """
        axis = self._axis
        old: Any = self._kept(step, store) if axis.kept else None
        lanes = []
        for lane, fresh in enumerate(word):
            joined = [join(old[0][slot][lane], fresh) for slot in range(axis.kept)]
            # A new window moves the others one slot on. Where the oldest ends just then, there is
            # no slot behind it.
            stay = [*joined, *joined[-1:]] if joined else [fresh]
            moved = [fresh, *joined]
            values = [
                Mux(phase.first, fresh, Mux(phase.start, after, before))
                for after, before in zip(moved, stay, strict=True)
            ]
            for slot in range(axis.kept):
                self._m.d.comb += old[1][slot][lane].eq(values[slot])
            lanes.append(values[axis.age])
        return lanes

    def _kept(self, step: Value, store: Value) -> tuple[Any, Any]:
        """Build what holds the open windows: what it held for this word, and what it will."""
        m = self._m
        held: Any = Signal(self._word, name=f"{self._name}_held")
        new: Any = Signal(self._word, name=f"{self._name}_new")
        if self._words == 1:
            with m.If(store):
                m.d.sync += held.eq(new)
            return held, new
        # A word comes back after two steps or more, so it is written before it is read again.
        width = len(held.as_value())
        memory: Memory[Any, Any] = Memory(
            shape=width, depth=self._words, init=[], attrs={"no_rw_check": 1}
        )
        m.submodules[f"{self._name}_memory"] = memory
        write, read = memory.write_port(), memory.read_port()
        ahead = Signal(range(self._words), name=f"{self._name}_ahead")
        with m.If(step):
            m.d.sync += [write.addr.eq(ahead), ahead.eq(ahead + 1)]
            with m.If(ahead == self._words - 1):
                m.d.sync += ahead.eq(0)
        m.d.comb += [
            read.addr.eq(ahead),
            read.en.eq(step),
            held.as_value().eq(read.data),
            write.data.eq(new.as_value()),
            write.en.eq(store),
        ]
        return held, new


class MaxPool(_Pool):
    """Send the largest code of every window and channel, while the image comes in pixel by pixel.

    First along the row, then over the rows: each open window has one partial result, in a line of
    `depth` words. Every step takes one word, also where windows overlap, so
    ``cycles = steps_y * steps_x * folds`` with ``folds = channels / lanes``, and with ``steps`` the
    size of the image along the axis plus the rows or columns of padding behind it that the last
    window reaches, which take time without input. (The usual pools, 2x2/2, and 3x3/2 with padding 1
    on an even size, reach none: one word comes in with every clock.) Consecutive frames have no
    bubble. Latency ``((kh-1-top) * steps_x + kw-1-left) * folds + 3``.

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

    Padding adds nothing. A code of `o` has the ``bits_out`` bits that the sum of ``kh * kw`` codes
    can need.

    Parameters
    ----------
    channels, bits, lanes, height, width, kernel, stride, padding
        As in `MaxPool`.

    Members
    -------
    i : stream of word(lanes, bits), in
        Pixels row by row, channels fastest.
    o : stream of word(lanes, bits_out), out
        Windows in the same order; `last` marks the last word of a frame.

    Raises
    ------
    ValueError
        As in `MaxPool`.
    """

    def _width(self, codes: int) -> int:
        return (((1 << self.bits) - 1) * codes).bit_length()

    def _join(self, one: Value, other: Value) -> Value:
        return one + other
