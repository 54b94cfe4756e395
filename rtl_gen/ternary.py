"""Windows of ±1 taps, of which some are true zeros, as codes of −1, 0 and +1."""

from typing import Any

from amaranth.hdl import Cat, Module, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .streams import port

__all__ = ["Ternary"]


class Ternary(wiring.Component):
    """Give every lane of a masked window the code 0, 1 or 2: a bit of 0, a true zero, a bit of 1.

    Wires only: the high bit of a code is the lane's bit, which is 0 where it is masked, the low bit
    is the tap's mask. Combinational from `i` to `o`, and `i.ready` is `o.ready`.

    Parameters
    ----------
    taps, channels : int
        Taps of a window, and lanes of a tap.

    Members
    -------
    i : stream, in
        What a `ParallelWindow` of one bit sends that masks: `data`, `masked` with a bit for each
        tap, `last`.
    o : stream of word(taps * channels, 2), out

    Raises
    ------
    ValueError
        If a parameter is not a positive integer.
    """

    def __init__(self, *, taps: int, channels: int) -> None:
        for name, value in (("taps", taps), ("channels", channels)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Ternary {name} must be a positive integer, not {value!r}")
        self._taps = taps
        self._channels = channels
        array = data.ArrayLayout(unsigned(1), taps * channels)
        masked = data.StructLayout({"data": array, "masked": taps, "last": 1})
        super().__init__({"i": In(stream.Signature(masked)), "o": Out(port(taps * channels, 2))})

    @property
    def taps(self) -> int:
        """Taps of a window."""
        return self._taps

    @property
    def channels(self) -> int:
        """Lanes of a tap."""
        return self._channels

    def elaborate(self, platform: Any) -> Module:
        """Put mask and bit side by side."""
        m = Module()
        word = self.i.payload
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            self.o.payload.last.eq(word.last),
        ]
        for lane in range(self._taps * self._channels):
            code = Cat(word.masked[lane // self._channels], word.data[lane])
            m.d.comb += self.o.payload.data[lane].eq(code)
        return m
