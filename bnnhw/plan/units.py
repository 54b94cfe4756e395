"""The resolved units with weights: convolutions and dense layers as matrices that meet vectors."""

from dataclasses import dataclass
from typing import ClassVar

from ..bits import bits_for
from ..fold.array import REORDER, behind_clocks, unit_room
from ..fold.sharing import Program, share_words
from .blocks import Block, ceil_div

__all__ = ["IntMvtuPlan", "MvtuPlan", "UnitPlan", "unpacked"]


def unpacked(word: int, count: int, bits: int) -> tuple[int, ...]:
    """Take numbers of `bits` bits out of a word, the lowest first."""
    mask = (1 << bits) - 1
    return tuple(word >> bits * k & mask for k in range(count))


@dataclass(frozen=True, kw_only=True)
class UnitPlan(Block):
    """What all units with weights have in common: a matrix, or one for each group, and its folding.

    Parameters
    ----------
    layer : str
        Name of the node with the weights; `edge` is the threshold node where there is one.
    rows, columns : int
        Shape of the matrix of a group (MH, MW).
    vectors : int
        Vectors of a frame, those of all groups.
    groups : int
        Matrices; vector number v meets matrix ``v % groups``.
    weights : tuple of int
        One word a fold, address ``(group * neuron_folds + neuron_fold) * synapse_folds +
        synapse_fold``; element s of PE p at position ``p * simd + s``.
    offsets : tuple of int or None
        One word a neuron fold of what is added to counts, modulo the width; None where counts are
        the codes.
    weight_style : str
        Where weights lie, as in `bnnhw.fold.LayerFold`.
    """

    read_again: ClassVar[int] = 2
    """Clocks from a word taken to the array that takes it, where vectors are read repeatedly."""

    layer: str
    rows: int
    columns: int
    vectors: int = 1
    groups: int = 1
    weights: tuple[int, ...]
    offsets: tuple[int, ...] | None = None
    weight_style: str

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
    def lot(self) -> int:
        """Vectors that are read together, as they take turns."""
        return 1

    @property
    def words_in(self) -> int:
        """Words of a frame that enter."""
        return self.vectors * self.synapse_folds

    @property
    def words_out(self) -> int:
        """Words of a frame that leave."""
        return self.vectors * self.neuron_folds

    @property
    def cycles(self) -> int:
        """Clocks between two frames at full rate: NF · SF for each vector."""
        return self.vectors * self.neuron_folds * self.synapse_folds

    @property
    def weight_bits(self) -> int:
        """Width of a weight."""
        raise NotImplementedError

    @property
    def latency(self) -> int:
        """Clocks from the last word of a vector that the array takes to what leaves."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class MvtuPlan(UnitPlan):
    """One matrix-vector-threshold unit with ±1 weights.

    Parameters
    ----------
    thresholds : tuple of int or None
        One word a neuron fold, PE 0 in the low bits; None where sums leave.
    masked : bool
        Words of the input say whether they are padding; counts are in half steps.
    levels : int
        Thresholds of a row.
    search : bool
        Thresholds are searched, one a clock, instead of compared all at once.
    every : int
        Levels of adders between registers of a count, 0 for none.
    hold : int
        Vectors that share each word of weights.
    replay : str
        Where vectors lie, see `bnnhw.fold.LayerFold`.
    """

    read_again: ClassVar[int] = 1

    thresholds: tuple[int, ...] | None
    masked: bool = False
    levels: int = 1
    search: bool = False
    every: int = 0
    hold: int = 1
    replay: str = "auto"

    @property
    def weight_bits(self) -> int:
        """Width of a weight."""
        return 1

    @property
    def latency(self) -> int:
        """Clocks from the last word of a vector that the array takes to what leaves."""
        if self.words is not None:
            return self._unrolled.stages(self.every) + 2
        return self._room[1] + (REORDER if self.reorders else 0)

    @property
    def lot(self) -> int:
        """Vectors that are read together, as they take turns."""
        return self.hold

    @property
    def reorders(self) -> bool:
        """Whether results of vectors that take turns are put into order."""
        return self.hold > 1 and self.neuron_folds > 1

    @property
    def depth(self) -> int:
        """Results for which there is room."""
        return self._room[0]

    @property
    def words(self) -> tuple[int, ...] | None:
        """Weights of each row, column 0 lowest, where the layer is unrolled."""
        if self.weight_style != "unrolled":
            return None
        (word,) = self.weights
        return unpacked(word, self.rows, self.columns)

    @property
    def _unrolled(self) -> Program:
        return share_words(self.words or (), self.columns, self.bits_in)

    @property
    def _room(self) -> tuple[int, int]:
        behind = behind_clocks(
            thresholds=self.thresholds is not None,
            offsets=self.offsets is not None,
            levels=self.levels,
            search=self.search,
            weight_style=self.weight_style,
        )
        return unit_room(
            folds=self.synapse_folds, simd=self.simd, every=self.every, behind=behind,
            hold=self.hold,
        )  # fmt: skip

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


@dataclass(frozen=True, kw_only=True)
class IntMvtuPlan(UnitPlan):
    """One matrix-vector unit with weights of several bits, two's complement; sums leave.

    Parameters
    ----------
    width : int
        Width of a weight.
    multiplier : str
        ``"dsp"`` or ``"lut"``.
    """

    width: int
    multiplier: str = "dsp"

    @property
    def weight_bits(self) -> int:
        """Width of a weight."""
        return self.width

    @property
    def latency(self) -> int:
        """Clocks from the last word of a vector that the array takes to what leaves."""
        return 3 + (self.simd - 1).bit_length()
