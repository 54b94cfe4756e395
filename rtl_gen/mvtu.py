"""The matrix-vector-threshold unit: one dense layer, folded onto PE × SIMD lanes."""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .array import PEArray
from .naming import label
from .replay import ReplayBuffer
from .rom import RomStream
from .streams import port
from .threshold import ThresholdUnit

__all__ = ["Mvtu"]


class Mvtu(wiring.Component):
    """Multiply a ±1 vector with a ±1 matrix.

    Bits leave where there are thresholds, match counts where there are none.

    With SF = ceil(columns / simd) and NF = ceil(rows / pe) a vector takes NF·SF clocks (II = 1)
    without a bubble between vectors. From the first input word taken to the first output word there
    are `latency` clocks if the input never pauses: SF − 1 until the vector is in, 2 for the replay
    buffer where NF > 1, 2 for the array, 1 for the thresholds where there are some. The next vector
    is taken in while this one is replayed; a stalled output stops the array.

    Parameters
    ----------
    rows, columns : int
        Shape of the matrix (MH, MW).
    pe, simd : int
        Rows and columns computed at once.
    weights : sequence of int
        NF·SF words, synapse fold fastest; element s of PE p at bit ``p * simd + s``; 1 in lanes
        past the last column.
    thresholds : sequence of int or None
        NF words of one threshold a PE, PE 0 in the low bits, each ``bits_for(columns + 2)`` wide.
    weight_style : str
        As in `RomStream`.

    Members
    -------
    i : stream of word(simd), in
        SF words a vector; 0 in lanes past the last column; `last` is not read.
    o : stream of word(pe) or word(pe, bits_for(columns + 1)), out
        NF words a vector, `last` with the last one. Lanes past the last row carry 0 as bits, and
        anything as counts.

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
        weight_style: str = "auto",
    ) -> None:
        for name, value in (("rows", rows), ("columns", columns)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"MVTU {name} must be a positive integer, not {value!r}")
        for name, value, limit in (("PE", pe, rows), ("SIMD", simd, columns)):
            if not isinstance(value, int) or not 1 <= value <= limit:
                raise ValueError(f"MVTU {name} must be an integer from 1 to {limit}, not {value!r}")
        self._rows = rows
        self._columns = columns
        self._pe = pe
        self._simd = simd
        self._weights = tuple(weights)
        self._thresholds = None if thresholds is None else tuple(thresholds)
        self._weight_style = weight_style
        self.synapse_folds = -(-columns // simd)
        self.neuron_folds = -(-rows // pe)
        if len(self._weights) != self.cycles:
            raise ValueError(f"MVTU must have {self.cycles} weight words, not {len(self._weights)}")
        if self._thresholds is not None and len(self._thresholds) != self.neuron_folds:
            raise ValueError(
                f"MVTU must have {self.neuron_folds} threshold words, not {len(self._thresholds)}"
            )
        bits = 1 if self._thresholds is not None else columns.bit_length()
        super().__init__({"i": In(port(simd)), "o": Out(port(pe, bits))})

    @property
    def cycles(self) -> int:
        """Clocks a vector: NF·SF."""
        return self.neuron_folds * self.synapse_folds

    @property
    def latency(self) -> int:
        """Clocks from the first word taken to the first word offered."""
        replay = ReplayBuffer.LATENCY if self.neuron_folds > 1 else 0
        threshold = 0 if self._thresholds is None else ThresholdUnit.LATENCY
        return self.synapse_folds - 1 + replay + PEArray.LATENCY + threshold

    def elaborate(self, platform: object) -> Module:
        """Build the array, its weights and, where there are some, its thresholds."""
        m = Module()
        count_bits = self._columns.bit_length()
        m.submodules.array = array = PEArray(
            pe=self._pe, simd=self._simd, folds=self.synapse_folds, count_bits=count_bits
        )
        label(array, "array")
        m.submodules.weights = weights = RomStream(
            words=self._weights, width=self._pe * self._simd, style=self._weight_style
        )
        label(weights, "weights")
        m.d.comb += [
            array.i_weight.payload.eq(weights.o.payload),
            array.i_weight.valid.eq(weights.o.valid),
            weights.o.ready.eq(array.i_weight.ready),
        ]
        self._vectors(m, array)
        if self._thresholds is None:
            wiring.connect(m, array.o, wiring.flipped(self.o))
            return m
        threshold_bits = (self._columns + 1).bit_length()
        m.submodules.threshold = threshold = ThresholdUnit(
            lanes=self._pe, bits=count_bits, threshold_bits=threshold_bits
        )
        label(threshold, "threshold")
        m.submodules.levels = levels = RomStream(
            words=self._thresholds, width=self._pe * threshold_bits
        )
        label(levels, "levels")
        m.d.comb += [
            threshold.i_threshold.payload.eq(levels.o.payload),
            threshold.i_threshold.valid.eq(levels.o.valid),
            levels.o.ready.eq(threshold.i_threshold.ready),
        ]
        wiring.connect(m, array.o, threshold.i)
        wiring.connect(m, threshold.o, wiring.flipped(self.o))
        return m

    def _vectors(self, m: Module, array: PEArray) -> None:
        """Lead the input to the array, through the replay buffer where it is read repeatedly."""
        if self.neuron_folds > 1:
            m.submodules.replay = replay = ReplayBuffer(
                words=self.synapse_folds, lanes=self._simd, repeats=self.neuron_folds
            )
            label(replay, "replay")
            wiring.connect(m, wiring.flipped(self.i), replay.i)
            wiring.connect(m, replay.o, array.i_activation)
            return
        word = Signal(range(self.synapse_folds))
        ends = word == self.synapse_folds - 1
        m.d.comb += [
            array.i_activation.valid.eq(self.i.valid),
            array.i_activation.payload.data.eq(self.i.payload.data),
            array.i_activation.payload.last.eq(ends),
            self.i.ready.eq(array.i_activation.ready),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += word.eq(Mux(ends, 0, word + 1))
