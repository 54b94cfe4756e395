"""The threshold unit: counts become bits."""

from amaranth.hdl import Module, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .streams import port

__all__ = ["ThresholdUnit"]


class ThresholdUnit(wiring.Component):
    """Compare each lane's count with its threshold: the bit is ``count >= threshold``.

    Takes one word of counts and one of thresholds together, each clock; latency 1; a stalled output
    holds its word.

    Parameters
    ----------
    lanes : int
        Counts of a word.
    bits : int
        Width of a count.
    threshold_bits : int
        Width of a threshold; a threshold above every count never fires, 0 always does.

    Members
    -------
    i : stream of word(lanes, bits), in
    i_threshold : stream of ArrayLayout(unsigned(threshold_bits), lanes), in
    o : stream of word(lanes), out
        `last` as it came in.

    Raises
    ------
    ValueError
        If a parameter is below 1.
    """

    LATENCY = 1

    def __init__(self, *, lanes: int, bits: int, threshold_bits: int) -> None:
        for name, value in (("lanes", lanes), ("bits", bits), ("threshold_bits", threshold_bits)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Threshold {name} must be a positive integer, not {value!r}")
        self._lanes = lanes
        self._bits = bits
        self._threshold_bits = threshold_bits
        super().__init__(
            {
                "i": In(port(lanes, bits)),
                "i_threshold": In(
                    stream.Signature(data.ArrayLayout(unsigned(threshold_bits), lanes))
                ),
                "o": Out(port(lanes)),
            }
        )

    @property
    def lanes(self) -> int:
        """Counts of a word."""
        return self._lanes

    @property
    def bits(self) -> int:
        """Width of a count."""
        return self._bits

    @property
    def threshold_bits(self) -> int:
        """Width of a threshold."""
        return self._threshold_bits

    def elaborate(self, platform: object) -> Module:
        """Build one comparator a lane and the output register."""
        m = Module()
        step = ~self.o.valid | self.o.ready
        m.d.comb += [
            self.i.ready.eq(step & self.i_threshold.valid),
            self.i_threshold.ready.eq(step & self.i.valid),
        ]
        with m.If(step):
            m.d.sync += [
                self.o.valid.eq(self.i.valid & self.i_threshold.valid),
                self.o.payload.last.eq(self.i.payload.last),
            ]
            for lane in range(self._lanes):
                fires = self.i.payload.data[lane] >= self.i_threshold.payload[lane]
                m.d.sync += self.o.payload.data[lane].eq(fires)
        return m
