"""Geometry of a sliding window: its words, its moves through the stream, and what it must store."""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

__all__ = ["ROWS", "WindowShape"]

ROWS = 256
"""Words of the smallest block RAM: longer buffers are a multiple, shorter ones a power of two."""


@dataclass(frozen=True)
class _Walk:
    """A sequence of steps: its sum, and the largest sum of a prefix, a suffix and any run."""

    total: int
    head: int
    tail: int
    best: int

    @classmethod
    def step(cls, size: int) -> "_Walk":
        return cls(size, size, size, size)

    def then(self, other: "_Walk") -> "_Walk":
        return _Walk(
            self.total + other.total,
            max(self.head, self.total + other.head),
            max(other.tail, other.total + self.tail),
            max(self.best, other.best, self.tail + other.head),
        )

    def times(self, count: int) -> "_Walk":
        if count == 1:
            return self
        more = max(0, (count - 1) * self.total)
        across = self.tail + self.head + max(0, (count - 2) * self.total)
        return _Walk(count * self.total, self.head + more, self.tail + more, max(self.best, across))


@dataclass(frozen=True, kw_only=True)
class WindowShape:
    """Geometry of a sliding window over an image that arrives pixel by pixel, channels fastest.

    A *position* counts the words of the input, over all frames. The tap at row y and column x of
    the image lies at ``(y * width + x) * folds``, and is *virtual* where that is outside.

    Parameters
    ----------
    channels : int
        Channels of the image.
    lanes : int
        Channels in a word; divides the channels of a group.
    height, width : int
        Of the image, without padding.
    kernel, stride, dilation : tuple of int
        Vertical, horizontal.
    padding : tuple of int
        Top, left, bottom, right.
    groups : int
        Divides `channels`.

    Raises
    ------
    ValueError
        If a parameter is not an integer in its range, or the kernel does not fit the padded image.
    """

    channels: int
    lanes: int
    height: int
    width: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1

    def __post_init__(self) -> None:
        for name in ("channels", "lanes", "height", "width", "groups"):
            value = getattr(self, name)
            if not _whole(value, 1):
                raise ValueError(f"Window {name} must be a positive integer, not {value!r}")
        for name, size, least, what in (
            ("kernel", 2, 1, "positive"),
            ("stride", 2, 1, "positive"),
            ("dilation", 2, 1, "positive"),
            ("padding", 4, 0, "non-negative"),
        ):
            value = getattr(self, name)
            if len(value) != size or not all(_whole(part, least) for part in value):
                raise ValueError(f"Window {name} must be {size} {what} integers, not {value!r}")
        if self.channels % self.groups:
            raise ValueError(f"Window groups must divide {self.channels}, not {self.groups!r}")
        if self.channels // self.groups % self.lanes:
            share = self.channels // self.groups
            raise ValueError(f"Window lanes must divide {share}, not {self.lanes!r}")
        if min(self.out_height, self.out_width) < 1:
            raise ValueError(f"Window kernel must fit the padded image, not {self.kernel!r}")

    @property
    def folds(self) -> int:
        """Words of a pixel."""
        return self.channels // self.lanes

    @property
    def out_height(self) -> int:
        """Rows of windows."""
        top, _, bottom, _ = self.padding
        return (self.height + top + bottom - self._reach[0] - 1) // self.stride[0] + 1

    @property
    def out_width(self) -> int:
        """Windows in a row."""
        _, left, _, right = self.padding
        return (self.width + left + right - self._reach[1] - 1) // self.stride[1] + 1

    @property
    def window_words(self) -> int:
        """Words of a window, all groups together."""
        return self.kernel[0] * self.kernel[1] * self.folds

    @property
    def words_in(self) -> int:
        """Words of a frame of the image."""
        return self.height * self.width * self.folds

    @property
    def words_out(self) -> int:
        """Words of a frame of windows."""
        return self.out_height * self.out_width * self.window_words

    @property
    def trips(self) -> dict[str, int]:
        """Loops of the output order, innermost first."""
        return {
            "fold": self.folds // self.groups,
            "kx": self.kernel[1],
            "ky": self.kernel[0],
            "group": self.groups,
            "ox": self.out_width,
            "oy": self.out_height,
        }

    @cached_property
    def jumps(self) -> list[int]:
        """Move of the position when a loop goes on and all loops inside it start again.

        One for each loop, innermost first, and one for the step into the next frame.
        """
        line = self.width * self.folds
        strides = [
            1,
            self.dilation[1] * self.folds,
            self.dilation[0] * line,
            self.folds // self.groups,
            self.stride[1] * self.folds,
            self.stride[0] * line,
            self.words_in,
        ]
        trips = self.trips.values()
        covered = accumulate(
            ((trip - 1) * stride for trip, stride in zip(trips, strides, strict=False)), initial=0
        )
        return [stride - inside for stride, inside in zip(strides, covered, strict=True)]

    @property
    def start(self) -> int:
        """Position of a frame's first tap within its frame: negative if that is padding."""
        top, left, _, _ = self.padding
        return -(top * self.width + left) * self.folds

    @property
    def span(self) -> int:
        """Words of a window and between: ``((kh-1)*dh*width + (kw-1)*dw + 1) * folds``."""
        return (self._reach[0] * self.width + self._reach[1] + 1) * self.folds

    @property
    def overhang(self) -> int:
        """Words by which the last window starts behind the image: 0 for usual padding."""
        _, _, bottom, right = self.padding
        below = max(0, bottom - self._reach[0])
        return (below * self.width + max(0, right - self._reach[1])) * self.folds

    @cached_property
    def room(self) -> int:
        """Least distance from the first word of the current window to the newest word.

        The n-th tap of the output, counted over all frames from 0, has the position p(n); window w
        begins at b(w) and its last tap is e(w). A tap is read a clock after its word was written,
        and a word is written a clock after the window that kept its place was read. So the slower
        side never waits for the other if::

            room >= p(n) - b(w) - (n - e(w)) + 2

        for all w and all n > e(w) if the output is the slower side, and all n <= e(w) if the input
        is. With n in window v, and g(w) = b(w) - w * window_words, that is the largest offset in
        a window less the taps before it, plus the largest rise (or fall) of g from w to v.

        Where no step from window to window takes more words than a window has, and frames follow
        each other without a jump (3x3 with padding 1), the result is `span`; 3x3 without padding
        needs ``(4 * width - 3) * folds + 1``, since the next frame's first window is to be there
        when the last of this one ends.
        """
        taps = self.window_words
        fold = self.folds // self.groups
        rows = (self.kernel[0] - 1) * (
            self.dilation[0] * self.width * self.folds - self.kernel[1] * fold
        )
        columns = (self.kernel[1] - 1) * (self.dilation[1] * self.folds - fold)
        # The first tap of a frame waits for the frame's first word even if it is padding.
        lead = max(max(0, rows) + columns, -self.start) - 1
        if self.words_out >= self.words_in:
            drift = self._farthest(1, taps)
        else:
            drift = max(0, self._farthest(-1, taps))
        return max(self.span, 1 - self.start, 2 + lead + taps + drift)

    @property
    def depth(self) -> int:
        """Words of a cyclic buffer with that room."""
        least = max(2, self.room + self.overhang)
        if least <= ROWS:
            return 1 << (least - 1).bit_length()
        return -(-least // ROWS) * ROWS

    @property
    def retreat(self) -> int:
        """Most words by which a window can begin before an earlier one: 0 for usual padding."""
        return max(0, self._farthest(-1, 0))

    @cached_property
    def furthest(self) -> int:
        """Most words by which the position can be ahead of the newest word.

        What was read last is written. Without padding the current tap is one jump behind it; with
        padding it is in the same window or the next. If windows can lie in padding altogether, all
        that is known is that the first word of the frame is written.
        """
        if not any(self.padding):
            return max(0, max(self.jumps) - 1)
        _, _, bottom, right = self.padding
        loose = ((self.height + bottom) * self.width + right) * self.folds
        rows = [self.inside_rows(ky) for ky in range(self.kernel[0])]
        columns = [self.inside_columns(kx) for kx in range(self.kernel[1])]
        if _covers(rows, self.out_height) and _covers(columns, self.out_width):
            return min(loose, self.span - 1 + max(0, *self._moves))
        return loose

    def inside_rows(self, ky: int) -> range:
        """Rows of windows whose taps `ky` are inside the image."""
        first = self.padding[0] - ky * self.dilation[0]
        return _within(first, self.height, self.stride[0], self.out_height)

    def inside_columns(self, kx: int) -> range:
        """Columns of windows whose taps `kx` are inside the image."""
        first = self.padding[1] - kx * self.dilation[1]
        return _within(first, self.width, self.stride[1], self.out_width)

    @property
    def _reach(self) -> tuple[int, int]:
        down, across = self.dilation
        return (self.kernel[0] - 1) * down, (self.kernel[1] - 1) * across

    def _farthest(self, sign: int, taps: int) -> int:
        """Largest `sign` * (g(v) - g(w)) over v > w, where windows advance g by move - taps."""
        column, row, frame = (_Walk.step(sign * (jump - taps)) for jump in self._moves)
        ends = [row] * min(1, self.out_height - 1) + [frame]
        walks = [
            column.times(self.out_width - 1).then(end) if self.out_width > 1 else end
            for end in ends
        ]
        whole = walks[-1]
        if self.out_height > 1:
            whole = walks[0].times(self.out_height - 1).then(whole)
        # Frames repeat for ever, and a whole frame never adds to what is asked for.
        return whole.times(2).best

    @property
    def _moves(self) -> tuple[int, int, int]:
        """Moves of a window's first tap: to the next column, row and frame."""
        column, row, frame = (jump + self.span - 1 for jump in self.jumps[4:])
        return column, row, frame


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _within(first: int, size: int, stride: int, count: int) -> range:
    """Give the indices i below `count` with first <= i * stride < first + size."""
    start = max(0, -(-first // stride))
    stop = min(count, -(-(first + size) // stride))
    return range(start, max(start, stop))


def _covers(parts: list[range], count: int) -> bool:
    """Tell whether the ranges together hold all of 0 … count-1."""
    return len(set().union(*parts)) == count
