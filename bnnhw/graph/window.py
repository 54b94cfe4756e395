"""The geometry of a window that moves over an image."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Window"]


@dataclass(frozen=True)
class Window:
    """Which cells of an image a window sees at each of its positions.

    Tap (y, x) of the position (row, column) sees the cell
    ``(row * stride[0] + y * dilation[0] - top, column * stride[1] + x * dilation[1] - left)``.

    Parameters
    ----------
    kernel : tuple of int
        Taps (high, wide).
    stride : tuple of int
        Cells between positions (down, right).
    padding : tuple of int
        Cells around the image (top, left, bottom, right).
    dilation : tuple of int
        Cells between taps (down, right).
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def taps(self) -> int:
        """Number of taps."""
        return self.kernel[0] * self.kernel[1]

    @property
    def extent(self) -> tuple[int, int]:
        """Cells from the first tap to the last, both included."""
        high, wide = (
            (count - 1) * step + 1 for count, step in zip(self.kernel, self.dilation, strict=True)
        )
        return high, wide

    @property
    def padded(self) -> bool:
        """Whether there is any padding."""
        return any(self.padding)

    def positions(self, size: Sequence[int]) -> tuple[int, int]:
        """Count the positions (down, right) on an image of `size`; 0 or less if it is too small.

        Cells that are left over at the bottom and at the right are not seen (floor mode).
        """
        top, left, bottom, right = self.padding
        whole = (size[0] + top + bottom, size[1] + left + right)
        down, across = (
            (have - need) // step + 1
            for have, need, step in zip(whole, self.extent, self.stride, strict=True)
        )
        return down, across

    def fewest_cells(self, size: Sequence[int]) -> int:
        """Count the taps on real cells where the fewest are."""
        least: list[int] = []
        for axis, count in enumerate(self.positions(size)):
            seen = [
                sum(
                    0 <= position * self.stride[axis] + tap * self.dilation[axis]
                    - self.padding[axis] < size[axis]
                    for tap in range(self.kernel[axis])
                )
                for position in {*range(min(count, 1 + self.padding[axis])),
                                 *range(max(0, count - 1 - self.padding[axis + 2]), count)}
            ]  # fmt: skip
            least.append(min(seen))
        down, across = least
        return down * across
