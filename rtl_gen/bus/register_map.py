"""The table of a unit's registers and memories; hardware, header and pages are made from it."""

from collections.abc import Sequence
from dataclasses import dataclass

from .access import WORD_BITS

__all__ = ["CONTROL", "STATUS", "Field", "Register", "RegisterMap", "Window", "lay_out"]

WORD_BYTES = WORD_BITS // 8
CONTROL, STATUS = "CONTROL", "STATUS"


@dataclass(frozen=True)
class Field:
    """Some bits of a register, from bit `low` on."""

    name: str
    low: int
    width: int
    meaning: str


@dataclass(frozen=True)
class Register:
    """A 32-bit register.

    Parameters
    ----------
    name : str
        In capitals.
    offset : int
        Byte address.
    access : str
        ``"ro"`` or ``"rw"``.
    reset : int
        What it holds after reset; all that a "ro" register without fields ever holds.
    meaning : str
    fields : tuple of Field
    """

    name: str
    offset: int
    access: str
    reset: int
    meaning: str
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Window:
    """A memory that is written through 32-bit words, and cannot be read.

    Word w of the memory consists of parts, part c in the low bits of the 32-bit word at
    ``base + stride * w + 4 * c``.

    Parameters
    ----------
    name : str
        In capitals.
    base : int
        Byte address, a multiple of `size`.
    depth : int
        Words of the memory.
    parts : tuple of int
        Bits of each part, the lowest part first.
    meaning : str
    """

    name: str
    base: int
    depth: int
    parts: tuple[int, ...]
    meaning: str

    @property
    def stride(self) -> int:
        """Bytes from one word of the memory to the next: a power of two."""
        return WORD_BYTES << (len(self.parts) - 1).bit_length()

    @property
    def size(self) -> int:
        """Bytes that it takes in the address space: a power of two."""
        return self.stride << (self.depth - 1).bit_length()

    @property
    def width(self) -> int:
        """Bits of a word of the memory."""
        return sum(self.parts)

    @property
    def address_bits(self) -> int:
        """Bits of the address of a 32-bit word in it, at least 1."""
        return max(1, (self.size // WORD_BYTES - 1).bit_length())


@dataclass(frozen=True)
class RegisterMap:
    """All registers, and behind them all memories."""

    registers: tuple[Register, ...]
    windows: tuple[Window, ...]

    @property
    def address_bits(self) -> int:
        """Bits of a byte address."""
        ends = [register.offset + WORD_BYTES for register in self.registers]
        ends += [window.base + window.size for window in self.windows]
        return (max(ends) - 1).bit_length()

    def window(self, name: str) -> Window:
        """Find a memory by its name."""
        return next(window for window in self.windows if window.name == name)

    def offset(self, name: str) -> int:
        """Byte address of the register of this name."""
        return next(item.offset for item in self.registers if item.name == name)


def lay_out(
    constants: Sequence[tuple[str, int, str]],
    memories: Sequence[tuple[str, int, Sequence[int], str]],
) -> RegisterMap:
    """Give addresses: constants from 0 on, CONTROL, STATUS, then each memory on its own alignment.

    Parameters
    ----------
    constants : sequence of (name, value, meaning)
    memories : sequence of (name, depth, parts, meaning)

    Raises
    ------
    ValueError
        If a constant or a part does not fit 32 bits, or a memory is empty.
    """
    registers: list[Register] = []
    for name, value, meaning in constants:
        if not 0 <= value < 1 << WORD_BITS:
            raise ValueError(f"Register {name} must fit {WORD_BITS} bits, not {value!r}")
        registers.append(Register(name, WORD_BYTES * len(registers), "ro", value, meaning))
    run = Field("RUN", 0, 1, "take vectors; while 0, no new vector begins")
    busy = Field("BUSY", 0, 1, "vectors are under way")
    open_ = Field("OPEN", 1, 1, "memories can be written: neither RUN nor BUSY")
    for name, access, reset, meaning, fields in (
        (CONTROL, "rw", 0, "starts and stops the unit", (run,)),
        (STATUS, "ro", 2, "what the unit does", (busy, open_)),
    ):
        offset = WORD_BYTES * len(registers)
        registers.append(Register(name, offset, access, reset, meaning, fields))
    windows: list[Window] = []
    end = WORD_BYTES * len(registers)
    for name, depth, parts, meaning in memories:
        if depth < 1 or not parts or not all(1 <= part <= WORD_BITS for part in parts):
            raise ValueError(
                f"Memory {name} must have words of parts of 1 to {WORD_BITS} bits, "
                f"not {depth} of {list(parts)}"
            )
        size = Window(name, 0, depth, tuple(parts), meaning).size
        base = -(-end // size) * size
        windows.append(Window(name, base, depth, tuple(parts), meaning))
        end = base + size
    return RegisterMap(tuple(registers), tuple(windows))
