"""A matrix-vector unit with a choice of where its weights and thresholds come from."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from bnnhw.bits import bits_for

from ..array import PEArray
from ..bus import Access
from ..bus.register_map import Window
from ..bus.store import MappedStore
from ..naming import label
from ..replay import ReplayBuffer
from ..streams import port
from ..threshold import ThresholdUnit
from ..vectors import check_folding, check_words, lead_in, lead_out, stream_words

__all__ = ["MatrixUnit"]

# Vectors under way are counted in so many bits; a unit that is full waits with the next one.
_COUNT_BITS = 8


class MatrixUnit(wiring.Component):
    """Multiply ±1 rows with ±1 vectors; weights and thresholds are constant, streamed or written.

    With SF = ceil(columns / simd) and NF = ceil(rows / pe) a vector takes NF·SF clocks without a
    bubble between vectors. From the first input word taken to the first output word there are
    `latency` clocks if no input pauses: ``SF - 1 + (2 if NF > 1 else 0)``, then the
    ``core + (1 if SF >= core + 3 else 2)`` of `PEArray`, and 1 for thresholds. A stalled output
    stops the array; nothing is lost.

    A unit with memories that are written has `run` and `busy`. Without `run` no vector begins; one
    that began is finished. Memories can be written while neither is high.

    Parameters
    ----------
    rows, columns, pe, simd : int
        Shape of the matrix; rows and columns computed at once.
    weights : sequence of int or None
        NF·SF words as in `Mvtu`; None where they are streamed in, as many words for each vector.
    thresholds : sequence of int or None
        NF words as in `Mvtu`; None for counts.
    weight_window, threshold_window : Window or None
        Where there is one, the memory is written: `weights` or `thresholds` are its first contents.
    every : int
        Levels of adders between registers, see `PEArray`.

    Members
    -------
    i : stream of word(simd), in
        SF words a vector; 0 in lanes past the last column; `last` is not read.
    i_weight : stream of ArrayLayout(unsigned(simd), pe), in
        If `weights` is None.
    o : stream of word(pe, bits), out
        NF words a vector, `last` with the last: bits ``count >= threshold``, or counts.
    run, busy : In(1), Out(1)
        If there is a window.
    weights, thresholds : Access, in
        For each window.

    Raises
    ------
    ValueError
        If a parameter is out of range or two do not suit each other.
    """

    def __init__(
        self,
        *,
        rows: int,
        columns: int,
        pe: int,
        simd: int,
        weights: Sequence[int] | None = None,
        thresholds: Sequence[int] | None = None,
        weight_window: Window | None = None,
        threshold_window: Window | None = None,
        every: int = 0,
    ) -> None:
        check_folding("Unit", rows=rows, columns=columns, pe=pe, simd=simd, vectors=1, groups=1)
        self._rows, self._columns, self._pe, self._simd = rows, columns, pe, simd
        self.synapse_folds, self.neuron_folds = -(-columns // simd), -(-rows // pe)
        check_words("Unit", "weight", weights, self.cycles)
        check_words("Unit", "threshold", thresholds, self.neuron_folds)
        self._words = {"weights": weights, "thresholds": thresholds}
        given = {"weights": weight_window, "thresholds": threshold_window}
        self._windows = {name: window for name, window in given.items() if window is not None}
        self._array = PEArray(
            pe=pe, simd=simd, folds=self.synapse_folds, count_bits=self.count_bits, every=every
        )
        members: dict[str, Any] = {
            "i": In(port(simd)),
            "o": Out(port(pe, self.count_bits if thresholds is None else 1)),
        }
        if weights is None:
            members["i_weight"] = In(stream.Signature(data.ArrayLayout(simd, pe)))
        for name, window in self._windows.items():
            if self._words[name] is None:
                raise ValueError(f"Unit must have {name} that its window can hold, not None")
            members[name] = In(Access(window.address_bits))
        if self._windows:
            members |= {"run": In(1), "busy": Out(1)}
        super().__init__(members)

    @property
    def count_bits(self) -> int:
        """Width of a count."""
        return bits_for(self._columns + 1)

    @property
    def threshold_bits(self) -> int:
        """Width of a threshold 0 … columns + 1."""
        return bits_for(self._columns + 2)

    @property
    def cycles(self) -> int:
        """Clocks a vector: NF·SF."""
        return self.neuron_folds * self.synapse_folds

    @property
    def latency(self) -> int:
        """Clocks from the first word taken to the first word offered."""
        replay = ReplayBuffer.LATENCY if self.neuron_folds > 1 else 0
        after = 0 if self._words["thresholds"] is None else ThresholdUnit.LATENCY
        return self.synapse_folds - 1 + replay + self._array.latency + after

    def elaborate(self, platform: object) -> Module:
        """Build the array with what feeds it and what follows it."""
        m = Module()
        m.submodules.array = array = self._array
        label(array, "array")
        source: Any = self.i
        running = Signal()
        if self._windows:
            source = wiring.flipped(self._gate(m, running))
        lead_in(m, source, array.i_activation, words=self.synapse_folds, repeats=self.neuron_folds)
        if self._words["weights"] is None:
            wiring.connect(m, wiring.flipped(self.i_weight), array.i_weight)
        else:
            self._feed(m, "weights", array.i_weight, running)
        result: Any = array
        if self._words["thresholds"] is not None:
            m.submodules.threshold = result = ThresholdUnit(
                lanes=self._pe, bits=self.count_bits, threshold_bits=self.threshold_bits
            )
            label(result, "threshold")
            wiring.connect(m, array.o, result.i)
            self._feed(m, "thresholds", result.i_threshold, running)
        lead_out(m, result.o, self.o, vectors=1)
        return m

    def _feed(self, m: Module, name: str, sink: Any, running: Signal) -> None:
        """Stream the words `name` into `sink`, from a constant memory or from one with a window."""
        words = self._words[name]
        assert words is not None
        window = self._windows.get(name)
        if window is None:
            stream_words(m, f"{name}_rom", words, sink)
            return
        store = MappedStore(window=window, init=words)
        m.submodules[f"{name}_store"] = store
        label(store, f"{name}_store")
        wiring.connect(m, wiring.flipped(getattr(self, name)), store.access)
        m.d.comb += [
            store.run.eq(running),
            sink.payload.eq(store.o.payload),
            sink.valid.eq(store.o.valid),
            store.o.ready.eq(sink.ready),
        ]

    def _gate(self, m: Module, running: Signal) -> Any:
        """Let vectors begin while `run` is high, and count those that have not left."""
        gated = stream.Signature(self.i.payload.shape()).create(path=("gated",))
        under_way = Signal(_COUNT_BITS)
        place = Signal(range(self.synapse_folds))
        passing = Signal()
        taken = self.i.valid & self.i.ready
        begins = taken & (place == 0)
        left = self.o.valid & self.o.ready & self.o.payload.last
        m.d.comb += [
            # A vector that began goes on, whatever `run` says.
            passing.eq((place != 0) | (self.run & ~under_way.all())),
            gated.payload.eq(self.i.payload),
            gated.valid.eq(self.i.valid & passing),
            self.i.ready.eq(gated.ready & passing),
            self.busy.eq(under_way.any()),
            running.eq(self.run | self.busy),
        ]
        m.d.sync += under_way.eq(under_way + begins - left)
        with m.If(taken):
            m.d.sync += place.eq(place + 1)
            with m.If(place == self.synapse_folds - 1):
                m.d.sync += place.eq(0)
        return gated
