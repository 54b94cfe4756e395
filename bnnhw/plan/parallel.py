"""The resolved block that sends a whole window a clock."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from .blocks import Block, WindowPlan

__all__ = ["ParallelWindowPlan", "TernaryPlan", "Track"]


@dataclass(frozen=True)
class Track:
    """One axis of an image that passes a window tap by tap, the last tap at the entrance.

    Parameters
    ----------
    size : int
        Pixels.
    before, after : int
        Padding.
    kernel, stride, dilation : int
    """

    size: int
    before: int
    after: int
    kernel: int
    stride: int
    dilation: int

    @property
    def count(self) -> int:
        """Windows."""
        reach = (self.kernel - 1) * self.dilation
        return (self.size + self.before + self.after - reach - 1) // self.stride + 1

    @property
    def _reach(self) -> int:
        """Place of the last tap that is ever inside, counted from the first, less the padding."""
        places = [tap * self.dilation - self.before for tap in range(self.kernel)]
        ever = [
            place
            for place in places
            if any(0 <= place + n * self.stride < self.size for n in range(self.count))
        ]
        return max(ever, default=0)

    @property
    def lead(self) -> int:
        """Steps before the first pixel."""
        return max(0, -self._reach)

    @property
    def begin(self) -> int:
        """Step in which the first window is complete."""
        return max(0, self._reach)

    @property
    def steps(self) -> int:
        """Steps of the axis: the pixels, or the windows if they take longer."""
        return max(self.lead + self.size, (self.count - 1) * self.stride + 1)


@dataclass(frozen=True, kw_only=True)
class ParallelWindowPlan(WindowPlan):
    """Sends the windows over an image whole, one a clock."""

    @cached_property
    def tracks(self) -> tuple[Track, Track]:
        """The axes, down and across."""
        down, across = (
            Track(
                size, self.padding[k], self.padding[k + 2], self.kernel[k], self.stride[k],
                self.dilation[k],
            )
            for k, size in enumerate((self.height, self.width))
        )  # fmt: skip
        return down, across

    @property
    def cycles(self) -> int:
        """Clocks a frame: the image, and padding that the kernel does not reach."""
        down, across = self.tracks
        return down.steps * across.steps


@dataclass(frozen=True, kw_only=True)
class TernaryPlan(Block):
    """Makes codes with a zero in their middle of whole windows, some of whose taps are true zeros.

    Parameters
    ----------
    channels : int
        Lanes of a tap.
    """

    recorded: ClassVar[bool] = False

    channels: int
