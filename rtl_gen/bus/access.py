"""The way from a bus slave to what it serves: one 32-bit word at a time."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["WORD_BITS", "Access"]

WORD_BITS = 32


class Access(wiring.Signature):
    """Reads and writes of 32-bit words, one at a time, seen from the one who asks.

    `request` and all that it says stay until `done`, which may come in the same clock; the next
    clock may bring the next request. `error` and `value` count in the clock of `done`. A request
    that is withdrawn before `done` was never made.

    Parameters
    ----------
    address_bits : int
        Width of a word's address; the byte address is four times as large.

    Members
    -------
    request : Out(1)
    write : Out(1)
        Write the word; otherwise read it.
    address : Out(address_bits)
    data : Out(32)
        What to write.
    strobe : Out(4)
        Which of its bytes to write, the lowest first.
    done : In(1)
    error : In(1)
        There is no such word, or it cannot be read or written now; nothing has changed.
    value : In(32)
        What was read.

    Raises
    ------
    ValueError
        If `address_bits` is below 1.
    """

    def __init__(self, address_bits: int) -> None:
        if not isinstance(address_bits, int) or address_bits < 1:
            raise ValueError(f"Address bits must be a positive integer, not {address_bits!r}")
        self._address_bits = address_bits
        super().__init__(
            {
                "request": Out(1),
                "write": Out(1),
                "address": Out(address_bits),
                "data": Out(WORD_BITS),
                "strobe": Out(WORD_BITS // 8),
                "done": In(1),
                "error": In(1),
                "value": In(WORD_BITS),
            }
        )

    @property
    def address_bits(self) -> int:
        """Width of a word's address."""
        return self._address_bits

    def __eq__(self, other: object) -> bool:
        """Tell whether both have addresses of one width."""
        return isinstance(other, Access) and other.address_bits == self.address_bits

    def __repr__(self) -> str:
        return f"Access({self._address_bits})"
