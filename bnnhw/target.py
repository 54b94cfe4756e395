"""What a device and a board have: plain data that folding, reports and board files share."""

from dataclasses import dataclass, field

__all__ = ["Board", "Budget", "Clock", "Link", "Programmer"]


@dataclass(frozen=True)
class Budget:
    """What a device has.

    Parameters
    ----------
    lut4, ff, ebr, spram, dsp : int
        Number of LUT4 cells, flip-flops, block RAMs, single-port RAMs and multipliers.
    ebr_bits : int
        Bits of one block RAM.
    """

    lut4: int
    ff: int
    ebr: int
    ebr_bits: int
    spram: int = 0
    dsp: int = 0


@dataclass(frozen=True)
class Clock:
    """Where `sync` comes from.

    Parameters
    ----------
    source_hz : int
        Frequency of the oscillator on the board.
    sync_hz : int
        Frequency of `sync`; equal to `source_hz` where no PLL is used.
    """

    source_hz: int
    sync_hz: int


@dataclass(frozen=True)
class Link:
    """How the host reaches the board.

    Parameters
    ----------
    resource : str
        Name of the platform's UART resource.
    baud : int
        Default line rate in bits per second.
    """

    resource: str = "uart"
    baud: int = 1_000_000


@dataclass(frozen=True)
class Programmer:
    """What loads a bitstream.

    Parameters
    ----------
    tool : str
        Name of the program.
    sram, flash : tuple of str
        Arguments that load volatile or persistent memory; ``{bitstream}`` stands for the file. Empty where it cannot.
    install : str
        How to get the program.
    """

    tool: str
    sram: tuple[str, ...]
    flash: tuple[str, ...]
    install: str


@dataclass(frozen=True)
class Board:
    """One board, as data.

    Parameters
    ----------
    name : str
        What the user types.
    title : str
        What people call it.
    family : str
        ``"ice40"`` or ``"ecp5"``.
    device : str
        The part, with package and speed grade.
    platform : str
        ``"module:Class"`` of the Amaranth platform.
    budget : Budget
    clock : Clock
    link : Link
    programmer : Programmer
    notes : str
        What a user must know.
    """

    name: str
    title: str
    family: str
    device: str
    platform: str
    budget: Budget
    clock: Clock
    link: Link
    programmer: Programmer
    notes: str = field(default="")
