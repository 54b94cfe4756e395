"""Block RAMs of ECP5 with their output registers, which Yosys does not infer.

Without its output register a block RAM gives its word 5.7 ns behind the clock (speed grade 6), and
a path from it to the next flip-flop holds a design to 145 MHz; with it, to 307 MHz.
"""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bnnhw.fold.memory import SHAPES

__all__ = ["Ecp5Ram", "Ecp5Rom", "initial_values"]

_BITS = 16 * 64 * 18
_DEEPEST = max(depth for depth, _ in SHAPES["ecp5"])


def initial_values(words: Sequence[int], width: int) -> dict[str, Const]:
    """Give the INITVAL parameters of a block RAM that is read in words of this width.

    It holds 2048 groups of 9 bits, in which words of 4, 2 and 1 bits leave the ninth one out; 18
    bits fill 20 in a parameter.

    Parameters
    ----------
    words : sequence of int
        From address 0 on; the rest is 0.
    width : int
        1, 2, 4, 9 or 18.
    """
    usable = width if width >= 9 else 8
    unit = max(width, 9)
    groups = [0] * (_BITS // unit)
    of_group = usable // width
    for index, word in enumerate(words):
        groups[index // of_group] |= word << index % of_group * width
    bits = sum(group << index * unit for index, group in enumerate(groups))
    found = {}
    for row in range(64):
        value = 0
        for place in range(16):
            value |= (bits >> (row * 16 + place) * 18 & 0x3FFFF) << place * 20
        found[f"p_INITVAL_{row:02X}"] = Const(value, 320)
    return found


def _port(side: str, *, address: Value, shift: int, en: Any, data: Value) -> dict[str, Any]:
    """Connect a reading side of a DP16KD."""
    wires = Cat(Const(0, shift), address)
    found: dict[str, Any] = {
        f"p_REGMODE_{side}": "OUTREG",
        f"p_CSDECODE_{side}": "0b000",
        f"p_WRITEMODE_{side}": "NORMAL",
        f"i_CLK{side}": ClockSignal(),
        f"i_CE{side}": en,
        f"i_OCE{side}": Const(1),
        f"i_WE{side}": Const(0),
        f"i_RST{side}": Const(0),
    }
    found |= {f"i_CS{side}{k}": Const(0) for k in range(3)}
    for k in range(14):
        found[f"i_AD{side}{k}"] = wires[k] if k < len(wires) else Const(0)
    for k in range(18):
        found[f"i_DI{side}{k}"] = Const(0)
        if k < len(data):
            found[f"o_DO{side}{k}"] = data[k]
    return found


class Ecp5Rom(wiring.Component):
    """Constants in block RAMs with output registers; latency 2, one word a clock.

    The word that is asked for while `en` is at `data` from the second edge on; while `en` is 0 it
    stays. Up to 512 words a block RAM gives 36 bits: its two ports read 18 each, the low ones in
    the lower half and the others in the upper half. Deeper, one port reads.

    Parameters
    ----------
    words : sequence of int
    width : int
        Bits of a word.

    Members
    -------
    address : In(range(len(words)))
    en : In(1)
    data : Out(width)

    Raises
    ------
    ValueError
        If there is no word, or there are more than 16,384.
    """

    def __init__(self, *, words: Sequence[int], width: int) -> None:
        if not 1 <= len(words) <= _DEEPEST:
            raise ValueError(f"Words of an ECP5 ROM must be 1 to {_DEEPEST}, not {len(words)}")
        self._words = tuple(words)
        self._width = width
        bits = max(1, (len(words) - 1).bit_length())
        super().__init__({"address": In(bits), "en": In(1), "data": Out(width)})

    @property
    def words(self) -> tuple[int, ...]:
        """Contents."""
        return self._words

    @property
    def width(self) -> int:
        """Bits of a word."""
        return self._width

    def elaborate(self, platform: object) -> Module:
        """Build the block RAMs side by side, none behind another."""
        m = Module()
        wide = max(width for depth, width in SHAPES["ecp5"] if depth >= len(self._words))
        for low in range(0, self._width, wide):
            part = min(wide, self._width - low)
            words = [word >> low & (1 << part) - 1 for word in self._words]
            name = f"rom{low // wide}"
            build = self._halves if wide == 36 else self._single
            m.submodules[name] = build(words, self.data[low : low + part], wide)
        return m

    def _halves(self, words: list[int], data: Value, _: int) -> Instance:
        """Read 18 bits at each port."""
        low, high = [word & 0x3FFFF for word in words], [word >> 18 for word in words]
        given = initial_values([*low, *[0] * (512 - len(low)), *high], 18)
        address = Cat(self.address, Const(0, 9 - len(self.address)))
        for side, upper, part in (("A", 0, data[:18]), ("B", 1, data[18:])):
            where = Cat(address, Const(upper, 1))
            given |= _port(side, address=where, shift=4, en=self.en, data=part)
        return Instance("DP16KD", p_DATA_WIDTH_A=18, p_DATA_WIDTH_B=18, **_KINDS, **given)

    def _single(self, words: list[int], data: Value, wide: int) -> Instance:
        """Read at one port."""
        shift = {18: 4, 9: 3, 4: 2, 2: 1, 1: 0}[wide]
        given = initial_values(words, wide)
        given |= _port("A", address=self.address, shift=shift, en=self.en, data=data)
        return Instance("DP16KD", p_DATA_WIDTH_A=wide, p_DATA_WIDTH_B=wide, **_KINDS, **given)


class Ecp5Ram(wiring.Component):
    """A memory with one writer and one reader in block RAMs with output registers; latency 2.

    As Yosys builds it (both ports together, 36 bits wide, 512 words), but registered. What is read
    at the clock at which it is written may be anything.

    Parameters
    ----------
    width : int
        Bits of a word.
    address_bits : int
        At most 9.

    Members
    -------
    write_address : In(address_bits)
    write_data : In(width)
    write : In(1)
    address : In(address_bits)
        Read at every clock.
    data : Out(width)

    Raises
    ------
    ValueError
        If there are more than 9 bits of address.
    """

    def __init__(self, *, width: int, address_bits: int) -> None:
        if not 1 <= address_bits <= 9:
            raise ValueError(f"Address bits of an ECP5 RAM must be 1 to 9, not {address_bits!r}")
        self._width = width
        super().__init__(
            {
                "write_address": In(address_bits),
                "write_data": In(width),
                "write": In(1),
                "address": In(address_bits),
                "data": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the block RAMs side by side."""
        m = Module()
        for low in range(0, self._width, 36):
            part = slice(low, min(low + 36, self._width))
            m.submodules[f"ram{low // 36}"] = self._block(self.write_data[part], self.data[part])
        return m

    def _block(self, source: Value, data: Value) -> Instance:
        given = _port("A", address=Const(0, 1), shift=0, en=self.write, data=data[:18])
        given |= _port("B", address=self.address, shift=5, en=Const(1), data=data[18:])
        # Of four parts of 9 bits all are written; the address stands above.
        where = Cat(Const(15, 4), Const(0, 1), self.write_address)
        for k in range(14):
            given[f"i_ADA{k}"] = where[k] if k < len(where) else Const(0)
        for k in range(36):
            pin = f"i_DI{'AB'[k // 18]}{k % 18}"
            given[pin] = source[k] if k < len(source) else Const(0)
        given["i_WEA"] = Const(1)
        return Instance("DP16KD", p_DATA_WIDTH_A=36, p_DATA_WIDTH_B=36, **_KINDS, **given)


_KINDS = {
    "p_RESETMODE": "SYNC",
    "p_ASYNC_RESET_RELEASE": "SYNC",
    "p_GSR": "AUTO",
    "p_CLKAMUX": "CLKA",
    "p_CLKBMUX": "CLKB",
}
