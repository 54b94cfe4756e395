"""Windows of which some taps are true zeros, as codes among which there is a zero."""

from typing import Any

from amaranth.hdl import Module, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .streams import port

__all__ = ["Ternary"]


class Ternary(wiring.Component):
    """Give every lane of a masked window a code between those of its neighbours: a true zero.

    The codes of a grid around 0 are doubled, and ``2**bits - 1`` is the zero in their middle. On ±1
    that is 0 for −1, 1 for 0 and 2 for +1. Wires, and an OR for each lane of more than one bit: a
    lane that is masked is 0. Combinational from `i` to `o`, and `i.ready` is `o.ready`.

    Parameters
    ----------
    taps, channels : int
        Taps of a window, and lanes of a tap.
    bits : int
        Width of a code.

    Members
    -------
    i : stream, in
        What a `ParallelWindow` sends that masks: `data`, `masked` with a bit for each tap, `last`.
    o : stream of word(taps * channels, bits + 1), out

    Raises
    ------
    ValueError
        If a parameter is not a positive integer.
    """

    def __init__(self, *, taps: int, channels: int, bits: int = 1) -> None:
        for name, value in (("taps", taps), ("channels", channels), ("bits", bits)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Ternary {name} must be a positive integer, not {value!r}")
        self._taps = taps
        self._channels = channels
        self._bits = bits
        array = data.ArrayLayout(unsigned(bits), taps * channels)
        masked = data.StructLayout({"data": array, "masked": taps, "last": 1})
        super().__init__(
            {"i": In(stream.Signature(masked)), "o": Out(port(taps * channels, bits + 1))}
        )

    @property
    def taps(self) -> int:
        """Taps of a window."""
        return self._taps

    @property
    def channels(self) -> int:
        """Lanes of a tap."""
        return self._channels

    @property
    def bits(self) -> int:
        """Width of a code that comes in."""
        return self._bits

    def elaborate(self, platform: Any) -> Module:
        """Double every code, and put the zero where there is a mask."""
        m = Module()
        word = self.i.payload
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            self.o.payload.last.eq(word.last),
        ]
        for lane in range(self._taps * self._channels):
            masked = word.masked[lane // self._channels]
            doubled = word.data[lane] << 1
            m.d.comb += self.o.payload.data[lane].eq(doubled | masked.replicate(self._bits))
        return m
