"""What a device and a board have: plain data that folding, reports and board files share."""

from dataclasses import dataclass, fields, replace
from typing import Literal

__all__ = ["Board", "Budget", "Clock", "Link", "Programmer", "Spi"]


def _natural(owner: object, *names: str, least: int = 0) -> None:
    for name in names:
        value = getattr(owner, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            kind = "a positive integer" if least else "a non-negative integer"
            raise ValueError(f"{type(owner).__name__}.{name} must be {kind}, not {value!r}")


def _text(owner: object, *names: str) -> None:
    for name in names:
        value = getattr(owner, name)
        if not isinstance(value, str) or not value:
            raise ValueError(
                f"{type(owner).__name__}.{name} must be a non-empty string, not {value!r}"
            )


@dataclass(frozen=True)
class Budget:
    """What a device has.

    Parameters
    ----------
    lut4 : int
        Places for a LUT4. On iCE40 these are logic cells, each a LUT4 with its flip-flop.
    ff : int
        Flip-flops.
    ebr, ebr_bits : int
        Block RAMs, and the bits of one.
    spram : int
        Single-port RAMs of 16384 words of 16 bits.
    dsp : int
        Multipliers.

    Raises
    ------
    ValueError
        If a number is negative or no integer.
    """

    lut4: int
    ff: int
    ebr: int
    ebr_bits: int
    spram: int = 0
    dsp: int = 0

    def __post_init__(self) -> None:
        _natural(self, *(entry.name for entry in fields(self)))


@dataclass(frozen=True)
class Clock:
    """Where `sync` comes from.

    Parameters
    ----------
    source_hz : int
        Frequency of the oscillator on the board.
    sync_hz : int
        Frequency of `sync`; equal to `source_hz` where no PLL is used.
    pll : str
        How the device's PLL is fed: ``"pad"`` where the oscillator drives the PLL's own pin (iCE40
        only), ``"core"`` where it arrives through the fabric, ``"none"`` where there is no PLL.

    Raises
    ------
    ValueError
        If a frequency is not positive, or differs from the oscillator's without a PLL.
    """

    source_hz: int
    sync_hz: int
    pll: Literal["none", "pad", "core"] = "none"

    def __post_init__(self) -> None:
        _natural(self, "source_hz", "sync_hz", least=1)
        if self.pll not in ("none", "pad", "core"):
            raise ValueError(f"Clock.pll must be 'none', 'pad' or 'core', not {self.pll!r}")
        if self.pll == "none" and self.sync_hz != self.source_hz:
            raise ValueError(
                f"Clock.sync_hz must be the oscillator's {self.source_hz} where there is no PLL, "
                f"not {self.sync_hz!r}"
            )


@dataclass(frozen=True)
class Spi:
    """Pins for an SPI on which the host is the controller.

    Parameters
    ----------
    sck, cs, mosi, miso : str
        Names of the FPGA's pins, or of a connector's as Amaranth writes them: ``"pmod_0:4"`` is pin
        4 of ``Connector("pmod", 0, …)``.
    """

    sck: str
    cs: str
    mosi: str
    miso: str

    def __post_init__(self) -> None:
        _text(self, "sck", "cs", "mosi", "miso")


@dataclass(frozen=True)
class Link:
    """How the host reaches the board.

    Parameters
    ----------
    resource : str
        Name of the platform's UART resource.
    baud : int
        Default line rate in bits per second.
    spi : Spi or None
        Free pins for a host that speaks SPI instead; None where none are known.
    usb : str
        Name of the platform's resource with USB's own wires, and a pull-up that the FPGA switches;
        empty where there is none, or the oscillator gives no 48 MHz. On ECP5 only.
    """

    resource: str = "uart"
    baud: int = 1_000_000
    spi: Spi | None = None
    usb: str = ""

    def __post_init__(self) -> None:
        _text(self, "resource")
        _natural(self, "baud", least=1)


@dataclass(frozen=True)
class Programmer:
    """What loads a bitstream.

    Parameters
    ----------
    tool : str
        Name of the program.
    sram, flash : tuple of str
        Arguments that load volatile or persistent memory; ``{bitstream}`` stands for the file.
        Empty where it cannot.
    install : str
        How to get the program.

    Raises
    ------
    ValueError
        If arguments do not hold the word ``{bitstream}`` exactly once.
    """

    tool: str
    sram: tuple[str, ...]
    flash: tuple[str, ...]
    install: str

    def __post_init__(self) -> None:
        _text(self, "tool", "install")
        for name in ("sram", "flash"):
            words = getattr(self, name)
            if not isinstance(words, tuple | list) or not all(isinstance(w, str) for w in words):
                raise ValueError(f"Programmer.{name} must be a tuple of strings, not {words!r}")
            if words and words.count("{bitstream}") != 1:
                raise ValueError(
                    f"Programmer.{name} must hold '{{bitstream}}' exactly once, not {words!r}"
                )


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
        ``"module:Class"`` of the Amaranth platform. In a file of the user's own, ``":Class"`` is a
        class of that file.
    budget : Budget
    clock : Clock
    link : Link
    programmers : tuple of Programmer
        In order of preference; the first one that is installed is used.
    led : str
        Name of the platform's LED resource that shows a heartbeat; empty where there is none.
    notes : str
        What a user must know.

    Raises
    ------
    ValueError
        If a field does not say what it must.
    """

    name: str
    title: str
    family: Literal["ice40", "ecp5"]
    device: str
    platform: str
    budget: Budget
    clock: Clock
    link: Link
    programmers: tuple[Programmer, ...]
    led: str = "led"
    notes: str = ""

    def __post_init__(self) -> None:
        _text(self, "name", "title", "device", "platform")
        for name, kind in (("budget", Budget), ("clock", Clock), ("link", Link)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ValueError(f"Board.{name} must be a {kind.__name__}, not {value!r}")
        tools = self.programmers
        if not isinstance(tools, tuple | list) or not all(isinstance(t, Programmer) for t in tools):
            raise ValueError(f"Board.programmers must be a tuple of Programmer, not {tools!r}")
        if self.family not in ("ice40", "ecp5"):
            raise ValueError(f"Board.family must be 'ice40' or 'ecp5', not {self.family!r}")
        if self.platform.count(":") != 1 or self.platform.endswith(":"):
            raise ValueError(f"Board.platform must be 'module:Class', not {self.platform!r}")
        if self.family == "ecp5" and self.clock.pll == "pad":
            raise ValueError("Board.clock.pll must be 'core' or 'none' on ECP5, not 'pad'")
        if self.family != "ecp5" and self.link.usb:
            raise ValueError(f"Board.link.usb must be empty on iCE40, not {self.link.usb!r}")

    def at(self, sync_hz: int) -> "Board":
        """Give the same board with another frequency of `sync`.

        Raises
        ------
        ValueError
            If the board has no PLL and the frequency is not its oscillator's.
        """
        return replace(self, clock=replace(self.clock, sync_hz=sync_hz))
