"""The resolved blocks of an accelerator: every width, word and cycle count as a plain int."""

from dataclasses import dataclass
from typing import ClassVar

from ..bits import bits_for
from .window_shape import WindowShape

__all__ = [
    "AffinePlan",
    "ArgmaxPlan",
    "Block",
    "ConverterPlan",
    "GuardPlan",
    "PoolPlan",
    "ThresholdPlan",
    "TopKPlan",
    "WindowPlan",
    "ceil_div",
]


def ceil_div(numerator: int, denominator: int) -> int:
    """Divide, rounding up."""
    return -(-numerator // denominator)


@dataclass(frozen=True, kw_only=True)
class Block:
    """What all blocks say of themselves.

    Parameters
    ----------
    name : str
        Name of the submodule.
    edge : str
        Edge of the graph that its output carries.
    elements_in, elements_out : int
        Elements of a frame on both sides.
    bits_in, bits_out : int
        Width of an element on both sides.
    lanes_in, lanes_out : int
        Elements of a word on both sides.
    sources : tuple of str
        Names of the blocks whose words it takes, in the order of its inputs; empty for the first.
    """

    recorded: ClassVar[bool] = True
    """Whether its output has a name in the Verilog, where benches compare."""

    name: str
    edge: str
    sources: tuple[str, ...] = ()
    elements_in: int
    bits_in: int
    lanes_in: int
    elements_out: int
    bits_out: int
    lanes_out: int

    @property
    def words_in(self) -> int:
        """Words of a frame that enter."""
        return ceil_div(self.elements_in, self.lanes_in)

    @property
    def words_out(self) -> int:
        """Words of a frame that leave."""
        return ceil_div(self.elements_out, self.lanes_out)

    @property
    def cycles(self) -> int:
        """Clocks between two frames at full rate."""
        return max(self.words_in, self.words_out)

    @property
    def kind(self) -> str:
        """Name of the kind, as the manifest has it."""
        return type(self).__name__.removesuffix("Plan").lower()


@dataclass(frozen=True, kw_only=True)
class GuardPlan(Block):
    """Makes every `last` on the input one frame of the right length."""


@dataclass(frozen=True, kw_only=True)
class ConverterPlan(Block):
    """Changes the number of lanes."""


@dataclass(frozen=True, kw_only=True)
class ArgmaxPlan(Block):
    """Adds the running class to each logit; scores are ``(multiplier * code + offset) >> shift``.

    Parameters
    ----------
    multipliers : tuple of int
        What the code of each class is multiplied with; may be negative.
    offsets : tuple of int
        Added to the product of each class, at least 0.
    shift : int
        Bits of a score that are dropped, rounding down.
    """

    multipliers: tuple[int, ...]
    offsets: tuple[int, ...]
    shift: int = 0

    @property
    def latency(self) -> int:
        """Clocks from a logit that comes to the word that leaves; a product takes two more."""
        alike = not self.shift and len(set(self.multipliers)) == 1 and self.multipliers[0] > 0
        return 1 if alike else 3

    @property
    def index_bits(self) -> int:
        """Width of the class."""
        return bits_for(self.elements_in)


@dataclass(frozen=True, kw_only=True)
class TopKPlan(ArgmaxPlan):
    """Sends the best classes only, best first, each with the code of its logit.

    A frame comes in as `elements_in` logits and leaves as `elements_out` classes; `edge` is that of
    the classes.
    """

    @property
    def stages(self) -> int:
        """Clocks from the last logit that comes to the first class that leaves."""
        return super().latency

    @property
    def latency(self) -> int:
        """Clocks from the first logit that comes to the first class that leaves."""
        return self.elements_in - 1 + self.stages


@dataclass(frozen=True, kw_only=True)
class WindowPlan(Block):
    """Sends the windows over an image, tap by tap.

    Parameters
    ----------
    channels, height, width : int
        Of the image.
    kernel, stride, dilation : tuple of int
        (down, across).
    padding : tuple of int
        (top, left, bottom, right).
    pad : int or None
        Code of padded taps; None where they are true zeros and so masked.
    groups : int
        Groups of channels; the windows of one follow those of another.
    """

    channels: int
    height: int
    width: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]
    pad: int | None
    groups: int = 1

    @property
    def shape(self) -> WindowShape:
        """Geometry: how the window goes through the stream, and what it keeps."""
        return WindowShape(
            channels=self.channels, lanes=self.lanes_in, height=self.height, width=self.width,
            kernel=self.kernel, stride=self.stride, dilation=self.dilation, padding=self.padding,
            groups=self.groups,
        )  # fmt: skip

    @property
    def extent(self) -> tuple[int, int]:
        """Cells from the first tap to the last, both included."""
        down, across = self.dilation
        return (self.kernel[0] - 1) * down + 1, (self.kernel[1] - 1) * across + 1


@dataclass(frozen=True, kw_only=True)
class PoolPlan(Block):
    """Sends the largest code, or the sum of codes, of every window and channel.

    Parameters
    ----------
    operation : str
        ``"max"`` or ``"sum"``.
    levels : int
        Codes that can come in.
    channels, height, width : int
        Of the image.
    kernel, stride : tuple of int
        (down, across).
    padding : tuple of int
        (top, left, bottom, right).
    """

    operation: str
    levels: int
    channels: int
    height: int
    width: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]

    @property
    def cycles(self) -> int:
        """Clocks a frame: the image, and padding behind it that the last window reaches."""
        steps = []
        for axis, size in enumerate((self.height, self.width)):
            before, after = self.padding[axis], self.padding[axis + 2]
            span, step = self.kernel[axis], self.stride[axis]
            last = (size + before + after - span) // step * step + span - before
            steps.append(max(size, last))
        return steps[0] * steps[1] * (self.channels // self.lanes_in)


@dataclass(frozen=True, kw_only=True)
class ThresholdPlan(Block):
    """Thresholds that no unit with weights takes in.

    Parameters
    ----------
    thresholds : tuple of int
        One word for each word of a pixel, lane 0 in the low bits: `levels` codes for each lane,
        ``bits_in + 1`` wide.
    flips : tuple of int
        One word for each word of a pixel: a bit for each lane, set where the code's complement is
        compared.
    levels : int
        Thresholds of a channel.
    search : bool
        Thresholds are searched, one a clock, instead of compared all at once.
    """

    thresholds: tuple[int, ...]
    flips: tuple[int, ...]
    levels: int
    search: bool = False

    @property
    def latency(self) -> int:
        """Clocks from a word that comes to the word that leaves."""
        return self.levels.bit_length() if self.search else 1


@dataclass(frozen=True, kw_only=True)
class AffinePlan(Block):
    """Scale and offset: the code that leaves is ``(multiplier * code + offset) >> shift``.

    Parameters
    ----------
    multipliers, offsets : tuple of int
        One word for each word of a pixel, lane 0 in the low bits, two's complement.
    multiplier_bits, offset_bits : int
        Width of one of them.
    shift : int
        Bits that are dropped, rounding down.
    levels : int
        Codes that can leave.
    clip : bool
        What is below 0 becomes 0, what is above ``levels - 1`` becomes that.
    """

    LATENCY: ClassVar[int] = 3

    multipliers: tuple[int, ...]
    offsets: tuple[int, ...]
    multiplier_bits: int
    offset_bits: int
    shift: int
    levels: int
    clip: bool
