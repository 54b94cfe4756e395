"""Thresholds behind something else than a layer with weights: codes become codes."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bnnhw.fold.memory import BLOCK_FOLDS

from .naming import label
from .rom import RomStream
from .search import SearchThreshold
from .streams import port
from .threshold import ThresholdUnit

__all__ = ["Activation"]


class Activation(wiring.Component):
    """Say of each code how many thresholds of its channel it reaches.

    Channels with a flip count thresholds from above: they compare the complement of the code.
    One word a clock; latency 1, or by binary search the bits of a result; a stalled output holds
    its word. The words of a pixel take the thresholds in order, and the next pixel begins again;
    `last` passes through.

    Parameters
    ----------
    lanes : int
        Codes of a word.
    bits : int
        Width of a code that comes in.
    levels : int
        Thresholds of a channel.
    thresholds : sequence of int
        One word for each word of a pixel: `levels` thresholds 0 … 2**bits, ``bits + 1`` wide, for
        each lane, those of lane 0 lowest. 2**bits is never reached.
    flips : sequence of int
        One word for each word of a pixel: a bit for each lane, set where the code is complemented.
    search : bool
        Search each code's place among its thresholds, see `SearchThreshold`, instead of comparing
        it with all of them at once; `levels` is then a power of two less 1.

    Members
    -------
    i : stream of word(lanes, bits), in
    o : stream of word(lanes, bits_for(levels + 1)), out

    Raises
    ------
    ValueError
        If a parameter is below 1, thresholds and flips differ in number or do not fit, or a search
        is asked for among another number of levels.
    """

    def __init__(
        self,
        *,
        lanes: int,
        bits: int,
        levels: int,
        thresholds: Sequence[int],
        flips: Sequence[int],
        search: bool = False,
    ) -> None:
        for name, value in (("lanes", lanes), ("bits", bits), ("levels", levels)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Activation {name} must be a positive integer, not {value!r}")
        if len(thresholds) != len(flips) or not flips:
            raise ValueError(
                "Activation thresholds and flips must be as many words as a pixel, not "
                f"{len(thresholds)} and {len(flips)}"
            )
        for name, words, width in (
            ("thresholds", thresholds, lanes * levels * (bits + 1)),
            ("flips", flips, lanes),
        ):
            for word in words:
                if not isinstance(word, int) or not 0 <= word < 1 << width:
                    raise ValueError(f"Activation {name} must fit {width} bits, not {word!r}")
        if search and levels & (levels + 1):
            raise ValueError(
                f"Activation levels must be a power of two less 1 for a search, not {levels!r}"
            )
        self._search = search
        self._lanes = lanes
        self._bits = bits
        self._levels = levels
        self._thresholds = tuple(thresholds)
        self._flips = tuple(flips)
        super().__init__({"i": In(port(lanes, bits)), "o": Out(port(lanes, levels.bit_length()))})

    @property
    def lanes(self) -> int:
        """Codes of a word."""
        return self._lanes

    @property
    def bits(self) -> int:
        """Width of a code that comes in."""
        return self._bits

    @property
    def levels(self) -> int:
        """Thresholds of a channel."""
        return self._levels

    @property
    def folds(self) -> int:
        """Words of a pixel."""
        return len(self._flips)

    @property
    def search(self) -> bool:
        """Whether the thresholds are searched."""
        return self._search

    @property
    def latency(self) -> int:
        """Clock edges from a word in to its result."""
        return self._levels.bit_length() if self._search else ThresholdUnit.LATENCY

    def elaborate(self, platform: object) -> Module:
        """Build the memories of thresholds and flips, and the search or the comparison."""
        m = Module()
        if self._search:
            self._searched(m)
        else:
            self._compared(m)
        return m

    def _searched(self, m: Module) -> None:
        m.submodules.search = search = SearchThreshold(
            lanes=self._lanes,
            bits=self._bits,
            threshold_bits=self._bits + 1,
            levels=self._levels,
            thresholds=self._thresholds,
            style="block" if len(self._thresholds) >= BLOCK_FOLDS else "auto",
        )
        label(search, "search")
        # The same flips for all words are constants.
        words = self._flips if len(set(self._flips)) > 1 else self._flips[:1]
        m.submodules.flips = flips = RomStream(words=words, width=self._lanes)
        label(flips, "flips")
        self._join(m, search, flips.o.payload)
        m.d.comb += [
            search.i.valid.eq(self.i.valid & flips.o.valid),
            self.i.ready.eq(search.i.ready & flips.o.valid),
            flips.o.ready.eq(search.i.ready & self.i.valid),
        ]

    def _compared(self, m: Module) -> None:
        m.submodules.compare = compare = ThresholdUnit(
            lanes=self._lanes,
            bits=self._bits,
            threshold_bits=self._bits + 1,
            levels=self._levels,
        )
        label(compare, "compare")
        width = self._lanes * self._levels * (self._bits + 1)
        words = [
            flip << width | threshold
            for flip, threshold in zip(self._flips, self._thresholds, strict=True)
        ]
        m.submodules.numbers = numbers = RomStream(words=words, width=width + self._lanes)
        label(numbers, "numbers")
        flips = Signal(self._lanes)
        self._join(m, compare, flips)
        m.d.comb += [
            flips.eq(numbers.o.payload[width:]),
            compare.i_threshold.payload.eq(numbers.o.payload[:width]),
            compare.i_threshold.valid.eq(numbers.o.valid),
            numbers.o.ready.eq(compare.i_threshold.ready),
            compare.i.valid.eq(self.i.valid),
            self.i.ready.eq(compare.i.ready),
        ]

    def _join(self, m: Module, unit: Any, flips: Value) -> None:
        """Lead the codes through the flips to a unit, and its results out."""
        m.d.comb += unit.i.payload.last.eq(self.i.payload.last)
        for lane in range(self._lanes):
            code = self.i.payload.data[lane]
            m.d.comb += unit.i.payload.data[lane].eq(code ^ flips[lane].replicate(self._bits))
        wiring.connect(m, unit.o, wiring.flipped(self.o))
