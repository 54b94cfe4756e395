"""The threshold unit: counts become bits."""

from typing import Any

from amaranth.hdl import Module, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .popcount import balanced_sum
from .spare import Spare
from .streams import port

__all__ = ["OffsetUnit", "ThresholdUnit"]


def _joined(m: Module, unit: Any, numbers: Any) -> tuple[Value, Any]:
    """Take a word of counts together with one of numbers.

    Behind the register is a spare one, because whatever follows would otherwise lead its `ready`
    through here to every flip-flop of the array in front.

    Returns
    -------
    step : Value
        The register may change.
    payload : Any
        The register, of which `last` is driven.
    """
    m.submodules.spare = spare = Spare(shape=unit.o.payload.shape())
    wiring.connect(m, spare.o, wiring.flipped(unit.o))
    valid = Signal()
    payload = Signal(unit.o.payload.shape())
    step = ~valid | spare.i.ready
    m.d.comb += [
        spare.i.valid.eq(valid),
        spare.i.payload.eq(payload),
        unit.i.ready.eq(step & numbers.valid),
        numbers.ready.eq(step & unit.i.valid),
    ]
    with m.If(step):
        m.d.sync += [
            valid.eq(unit.i.valid & numbers.valid),
            payload.last.eq(unit.i.payload.last),
        ]
    return step, payload


class ThresholdUnit(wiring.Component):
    """Compare each lane's count with its thresholds, and say how many of them it reaches.

    Takes one word of counts and one of thresholds together, each clock; latency 1. While `o` stalls
    it takes one more word and then waits; no combinational path leads from `o.ready` to `i.ready`.

    Parameters
    ----------
    lanes : int
        Counts of a word.
    bits : int
        Width of a count.
    threshold_bits : int
        Width of a threshold; a threshold above every count never fires, 0 always does.
    levels : int
        Thresholds of a lane; one gives the bit ``count >= threshold``.

    Members
    -------
    i : stream of word(lanes, bits), in
    i_threshold : stream of ArrayLayout(unsigned(threshold_bits), lanes * levels), in
        The thresholds of lane 0 first.
    o : stream of word(lanes, bits_for(levels + 1)), out
        `last` as it came in.

    Raises
    ------
    ValueError
        If a parameter is below 1.
    """

    LATENCY = 1

    def __init__(self, *, lanes: int, bits: int, threshold_bits: int, levels: int = 1) -> None:
        given = {"lanes": lanes, "bits": bits, "threshold_bits": threshold_bits, "levels": levels}
        for name, value in given.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Threshold {name} must be a positive integer, not {value!r}")
        self._lanes = lanes
        self._bits = bits
        self._threshold_bits = threshold_bits
        self._levels = levels
        super().__init__(
            {
                "i": In(port(lanes, bits)),
                "i_threshold": In(
                    stream.Signature(data.ArrayLayout(unsigned(threshold_bits), lanes * levels))
                ),
                "o": Out(port(lanes, levels.bit_length())),
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
        step, payload = _joined(m, self, self.i_threshold)
        with m.If(step):
            for lane in range(self._lanes):
                reached = [
                    self.i.payload.data[lane]
                    >= self.i_threshold.payload[lane * self._levels + level]
                    for level in range(self._levels)
                ]
                m.d.sync += payload.data[lane].eq(balanced_sum(reached))
        return m


class OffsetUnit(wiring.Component):
    """Add a number of its own to each lane's count, modulo the width of the result.

    Takes one word of counts and one of offsets together, each clock; latency 1. While `o` stalls it
    takes one more word and then waits; no combinational path leads from `o.ready` to `i.ready`.
    Modulo arithmetic makes negative offsets right as long as the sums are in range.

    Parameters
    ----------
    lanes : int
        Counts of a word.
    bits : int
        Width of a count.
    bits_out : int
        Width of an offset and of a sum.

    Members
    -------
    i : stream of word(lanes, bits), in
    i_offset : stream of ArrayLayout(unsigned(bits_out), lanes), in
    o : stream of word(lanes, bits_out), out
        `last` as it came in.

    Raises
    ------
    ValueError
        If a parameter is below 1.
    """

    LATENCY = 1

    def __init__(self, *, lanes: int, bits: int, bits_out: int) -> None:
        for name, value in (("lanes", lanes), ("bits", bits), ("bits_out", bits_out)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Offset {name} must be a positive integer, not {value!r}")
        self._lanes = lanes
        super().__init__(
            {
                "i": In(port(lanes, bits)),
                "i_offset": In(stream.Signature(data.ArrayLayout(unsigned(bits_out), lanes))),
                "o": Out(port(lanes, bits_out)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build one adder for each lane."""
        m = Module()
        step, payload = _joined(m, self, self.i_offset)
        with m.If(step):
            for lane in range(self._lanes):
                total = self.i.payload.data[lane] + self.i_offset.payload[lane]
                m.d.sync += payload.data[lane].eq(total)
        return m
