"""The matrix-vector-threshold unit: one dense or convolution layer, folded onto PE × SIMD lanes."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bnnhw.fold.memory import BLOCK_FOLDS

from .array import PEArray
from .memories import Memories, load_ports
from .naming import label
from .replay import ReplayBuffer
from .search import SearchThreshold
from .streams import port
from .threshold import OffsetUnit, ThresholdUnit
from .vectors import check_folding, check_words, lead_in, lead_out

__all__ = ["Mvtu"]


class Mvtu(wiring.Component):
    """Multiply ±1 rows with vectors of small codes; levels reached leave, or counts.

    With SF = ceil(columns / simd) and NF = ceil(rows / pe) a vector takes NF·SF clocks (II = 1)
    without a bubble between vectors, a frame `vectors` times as many. From the first input word
    taken to the first output word there are `latency` clocks if the input never pauses: SF − 1
    until the vector is in, 2 for the replay buffer where NF > 1, 3 for the array, 1 for thresholds
    or offsets where there are some, or as many as a code has bits where thresholds are searched.
    The next vector is taken in while this one is replayed; a stalled output stops the array.

    With groups, vector number v of a frame meets the matrix of group v mod `groups`: the words of
    weights and numbers go on from group to group, and nothing else is there once a group. A
    depthwise convolution has one row and as many groups as channels.

    Parameters
    ----------
    rows, columns : int
        Shape of a group's matrix (MH, MW).
    pe, simd : int
        Rows and columns computed at once.
    weights : sequence of int
        NF·SF words a group, synapse fold fastest and group slowest; element s of PE p at bit
        ``p * simd + s``; 1 in lanes past the last column.
    thresholds : sequence of int or None
        NF words a group of `levels` thresholds a PE, PE 0 in the low bits, each `threshold_bits`
        wide.
    offsets : sequence of int or None
        Without thresholds: NF words a group of a number for each PE that is added to its count,
        each `bits_out` wide; sums are modulo that width.
    weight_style : str
        As in `RomStream`, or ``"ram"`` or ``"spram"`` as in `Memories`: weights, and thresholds or
        offsets, are then loaded at run time.
    bits, masked : int, bool
        Of an activation, see `PEArray`.
    levels : int
        Thresholds of a row.
    bits_out : int or None
        Width of a sum with offsets.
    vectors : int
        Vectors of a frame, those of all groups together.
    groups : int
        Matrices that take turns; a divisor of `vectors`.
    search : bool
        Thresholds are searched as in `SearchThreshold`, not compared all at once.

    Members
    -------
    i : stream of word(simd, bits) or masked_word(simd, bits), in
        SF words a vector; 0 in lanes past the last column; `last` is not read.
    o : stream of word(pe, …), out
        NF words a vector, `last` with the last one of a frame: codes 0 … levels, sums, or counts of
        `count_bits`. Lanes past the last row carry 0 as codes, and anything as counts.
    i_load, o_load : stream of word(1, 16), in and out
        As in `WritableStream`, where the style has them: weights, then thresholds or offsets.

    Raises
    ------
    ValueError
        If a parameter is out of range or the number of words does not suit the folding.
    """

    def __init__(
        self,
        *,
        rows: int,
        columns: int,
        pe: int,
        simd: int,
        weights: Sequence[int],
        thresholds: Sequence[int] | None = None,
        offsets: Sequence[int] | None = None,
        weight_style: str = "auto",
        bits: int = 1,
        masked: bool = False,
        levels: int = 1,
        bits_out: int | None = None,
        vectors: int = 1,
        groups: int = 1,
        search: bool = False,
    ) -> None:
        check_folding(
            "MVTU",
            rows=rows, columns=columns, pe=pe, simd=simd, vectors=vectors, groups=groups,
        )  # fmt: skip
        self._rows, self._columns = rows, columns
        self._pe, self._simd = pe, simd
        self._bits, self._masked = bits, masked
        self._levels, self._vectors, self._groups = levels, vectors, groups
        self._weights = tuple(weights)
        self._thresholds = None if thresholds is None else tuple(thresholds)
        self._offsets = None if offsets is None else tuple(offsets)
        self._weight_style = weight_style
        self._search = search
        self.synapse_folds = -(-columns // simd)
        self.neuron_folds = -(-rows // pe)
        self._check_words()
        if self._thresholds is not None:
            self._bits_out = levels.bit_length()
        else:
            self._bits_out = self.count_bits if bits_out is None else bits_out
        members = {"i": In(port(simd, bits, masked=masked)), "o": Out(port(pe, self._bits_out))}
        super().__init__(members | load_ports(weight_style))

    def _check_words(self) -> None:
        results = self._groups * self.neuron_folds
        check_words("MVTU", "weight", self._weights, self._groups * self.cycles)
        check_words("MVTU", "threshold", self._thresholds, results)
        check_words("MVTU", "offset", self._offsets, results)
        if self._thresholds is not None and self._offsets is not None:
            raise ValueError("MVTU must have thresholds or offsets, not both")

    @property
    def largest(self) -> int:
        """Largest count of a row."""
        return self._columns * ((1 << self._bits) - 1) << self._masked

    @property
    def count_bits(self) -> int:
        """Width of a count."""
        return self.largest.bit_length()

    @property
    def threshold_bits(self) -> int:
        """Width of a threshold 0 … largest + 1."""
        return (self.largest + 1).bit_length()

    @property
    def cycles(self) -> int:
        """Clocks a vector: NF·SF."""
        return self.neuron_folds * self.synapse_folds

    @property
    def latency(self) -> int:
        """Clocks from the first word taken to the first word offered."""
        replay = ReplayBuffer.LATENCY if self.neuron_folds > 1 else 0
        plain = self._thresholds is None and self._offsets is None
        after = 0 if plain else ThresholdUnit.LATENCY
        if self._search:
            after = self._levels.bit_length()
        return self.synapse_folds - 1 + replay + PEArray.LATENCY + after

    def elaborate(self, platform: object) -> Module:
        """Build the array, its weights and, where there are some, thresholds or offsets."""
        m = Module()
        m.submodules.array = array = PEArray(
            pe=self._pe,
            simd=self._simd,
            folds=self.synapse_folds,
            bits=self._bits,
            masked=self._masked,
            count_bits=self.count_bits,
        )
        label(array, "array")
        memories = Memories(m, self, self._weight_style)
        memories.stream("weights", self._weights, array.i_weight)
        lead_in(
            m,
            self.i,
            array.i_activation,
            words=self.synapse_folds,
            repeats=self.neuron_folds,
            bits=self._bits,
            masked=self._masked,
        )
        result: Any = array
        if self._thresholds is not None and self._search:
            m.submodules.threshold = result = SearchThreshold(
                lanes=self._pe,
                bits=self.count_bits,
                threshold_bits=self.threshold_bits,
                levels=self._levels,
                thresholds=self._thresholds,
                style="block" if len(self._thresholds) >= BLOCK_FOLDS else "auto",
            )
            label(result, "threshold")
        elif self._thresholds is not None:
            m.submodules.threshold = result = ThresholdUnit(
                lanes=self._pe,
                bits=self.count_bits,
                threshold_bits=self.threshold_bits,
                levels=self._levels,
            )
            label(result, "threshold")
            memories.stream("levels", self._thresholds, result.i_threshold, small=True)
        elif self._offsets is not None:
            m.submodules.offset = result = OffsetUnit(
                lanes=self._pe, bits=self.count_bits, bits_out=self._bits_out
            )
            label(result, "offset")
            memories.stream("constants", self._offsets, result.i_offset, small=True)
        memories.close()
        if result is not array:
            wiring.connect(m, array.o, result.i)
        lead_out(m, result.o, self.o, vectors=self._vectors)
        return m
