"""The resolved blocks of an accelerator: every width, word and cycle count as a plain int."""

from dataclasses import dataclass

from ..bits import bits_for

__all__ = ["ArgmaxPlan", "Block", "ConverterPlan", "GuardPlan", "MvtuPlan", "ceil_div"]


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
    """Adds the running class to each logit.

    Parameters
    ----------
    scale : int
        What a code is multiplied with before it is compared.
    offsets : tuple of int
        Added to the scaled code of each class, at least 0.
    """

    scale: int
    offsets: tuple[int, ...]

    @property
    def index_bits(self) -> int:
        """Width of the class."""
        return bits_for(self.elements_in)


@dataclass(frozen=True, kw_only=True)
class MvtuPlan(Block):
    """One matrix-vector-threshold unit.

    Parameters
    ----------
    layer : str
        Name of the dense node; `edge` is the threshold node where there is one.
    weights : tuple of int
        One word a fold, address ``neuron_fold * synapse_folds + synapse_fold``; element s of PE p
        at bit ``p * simd + s``.
    thresholds : tuple of int or None
        One word a neuron fold, PE 0 in the low bits; None where the counts themselves leave.
    weight_style : str
        ``"lut"`` or ``"block"``.
    """

    layer: str
    weights: tuple[int, ...]
    thresholds: tuple[int, ...] | None
    weight_style: str

    @property
    def rows(self) -> int:
        """Rows of the matrix (MH)."""
        return self.elements_out

    @property
    def columns(self) -> int:
        """Columns of the matrix (MW)."""
        return self.elements_in

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
        return self.words_in

    @property
    def neuron_folds(self) -> int:
        """Times that a vector is read (NF)."""
        return self.words_out

    @property
    def count_bits(self) -> int:
        """Width of a popcount 0 … columns."""
        return bits_for(self.columns + 1)

    @property
    def threshold_bits(self) -> int:
        """Width of a threshold 0 … columns + 1."""
        return bits_for(self.columns + 2)

    @property
    def cycles(self) -> int:
        """Clocks between two vectors at full rate: NF · SF."""
        return self.neuron_folds * self.synapse_folds
