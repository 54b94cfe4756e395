"""Thresholds behind something else than a layer with weights: codes become codes."""

from collections.abc import Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .naming import label
from .rom import RomStream
from .streams import port
from .threshold import ThresholdUnit

__all__ = ["Activation"]


class Activation(wiring.Component):
    """Say of each code how many thresholds of its channel it reaches.

    Channels with a flip count thresholds from above: they compare the complement of the code.
    One word a clock, latency 1; a stalled output holds its word. The words of a pixel take the
    thresholds in order, and the next pixel begins again; `last` passes through.

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

    Members
    -------
    i : stream of word(lanes, bits), in
    o : stream of word(lanes, bits_for(levels + 1)), out

    Raises
    ------
    ValueError
        If a parameter is below 1, or thresholds and flips differ in number or do not fit.
    """

    LATENCY = 1

    def __init__(
        self,
        *,
        lanes: int,
        bits: int,
        levels: int,
        thresholds: Sequence[int],
        flips: Sequence[int],
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

    def elaborate(self, platform: object) -> Module:
        """Build the memory of thresholds and flips, and the comparison."""
        m = Module()
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
        m.d.comb += [
            flips.eq(numbers.o.payload[width:]),
            compare.i_threshold.payload.eq(numbers.o.payload[:width]),
            compare.i_threshold.valid.eq(numbers.o.valid),
            numbers.o.ready.eq(compare.i_threshold.ready),
            compare.i.valid.eq(self.i.valid),
            compare.i.payload.last.eq(self.i.payload.last),
            self.i.ready.eq(compare.i.ready),
        ]
        for lane in range(self._lanes):
            code = self.i.payload.data[lane]
            m.d.comb += compare.i.payload.data[lane].eq(code ^ flips[lane].replicate(self._bits))
        wiring.connect(m, compare.o, wiring.flipped(self.o))
        return m
