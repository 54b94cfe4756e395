"""The resolved blocks of an accelerator: every width, word and cycle count as a plain int."""

from dataclasses import dataclass

from ..bits import bits_for

__all__ = [
    "ArgmaxPlan",
    "Block",
    "ConverterPlan",
    "GuardPlan",
    "MvtuPlan",
    "PoolPlan",
    "ThresholdPlan",
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
    """

    name: str
    edge: str
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
    def index_bits(self) -> int:
        """Width of the class."""
        return bits_for(self.elements_in)


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
    """

    channels: int
    height: int
    width: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]
    pad: int | None


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
    """

    thresholds: tuple[int, ...]
    flips: tuple[int, ...]
    levels: int


@dataclass(frozen=True, kw_only=True)
class MvtuPlan(Block):
    """One matrix-vector-threshold unit.

    Parameters
    ----------
    layer : str
        Name of the node with the weights; `edge` is the threshold node where there is one.
    rows, columns : int
        Shape of the matrix (MH, MW).
    vectors : int
        Vectors of a frame.
    weights : tuple of int
        One word a fold, address ``neuron_fold * synapse_folds + synapse_fold``; element s of PE p
        at bit ``p * simd + s``.
    thresholds : tuple of int or None
        One word a neuron fold, PE 0 in the low bits; None where sums leave.
    offsets : tuple of int or None
        Where sums leave: one word a neuron fold of what is added to counts, modulo the width; None
        where counts are the codes.
    weight_style : str
        ``"lut"`` or ``"block"``.
    masked : bool
        Words of the input say whether they are padding; counts are in half steps.
    levels : int
        Thresholds of a row.
    """

    layer: str
    rows: int
    columns: int
    vectors: int = 1
    weights: tuple[int, ...]
    thresholds: tuple[int, ...] | None
    offsets: tuple[int, ...] | None = None
    weight_style: str
    masked: bool = False
    levels: int = 1

    @property
    def pe(self) -> int:
        """Rows computed at once."""
        return self.lanes_out

    @property
    def simd(self) -> int:
        """Columns computed at once."""
        return self.lanes_in

    @property
    def synapse_folds(self) -> int:
        """Words of a vector (SF)."""
        return ceil_div(self.columns, self.simd)

    @property
    def neuron_folds(self) -> int:
        """Times that a vector is read (NF)."""
        return ceil_div(self.rows, self.pe)

    @property
    def words_in(self) -> int:
        """Words of a frame that enter."""
        return self.vectors * self.synapse_folds

    @property
    def words_out(self) -> int:
        """Words of a frame that leave."""
        return self.vectors * self.neuron_folds

    @property
    def largest(self) -> int:
        """Largest count."""
        return self.columns * ((1 << self.bits_in) - 1) << self.masked

    @property
    def count_bits(self) -> int:
        """Width of a count."""
        return bits_for(self.largest + 1)

    @property
    def threshold_bits(self) -> int:
        """Width of a threshold 0 … largest + 1."""
        return bits_for(self.largest + 2)

    @property
    def cycles(self) -> int:
        """Clocks between two frames at full rate: NF · SF for each vector."""
        return self.vectors * self.neuron_folds * self.synapse_folds
