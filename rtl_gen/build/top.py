"""The top of a board: clock, reset, the pins of the link and a core between them."""

from typing import Any

from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal
from amaranth.hdl import *
from amaranth.lib import io

from bnnhw.errors import UsageError
from bnnhw.target import Board

from ..link import USB_WIRES
from .clocking import BoardClock

__all__ = ["BoardTop"]

_PADS = {
    "ice40": (Attrs(IO_STANDARD="SB_LVCMOS"), Attrs(PULLUP=1)),
    "ecp5": (Attrs(IO_TYPE="LVCMOS33"), Attrs(PULLMODE="UP")),
}


class BoardTop(Elaboratable):
    """Put a core with a serial port, SPI or USB on a board.

    The core lives in `sync`, which runs at the board's ``clock.sync_hz``. Its `rx` is the board's
    receive pin as it is, asynchronous, so the core must synchronise it; its `tx` goes straight to
    the transmit pin and should come from a register. A core with SPI has four wires instead, its
    `cs` the inverse of the pin; the pin of `miso` is driven while `cs` is 1. A core with USB has
    its own wires, and finds the domains `usb` and `usb_io`. The board's LED, where
    it has one, changes every 2**24 cycles: it shows that clock and reset work.

    Parameters
    ----------
    board : Board
    core : Component
        Anything with 1-bit members ``rx`` (in) and ``tx`` (out), or ``sck``, ``cs``, ``mosi`` (in)
        and ``miso`` (out), or `USB_WIRES`.

    Raises
    ------
    ValueError
        If the core lacks one of them, or has SPI or USB and the board no pins for it.
    """

    def __init__(self, *, board: Board, core: Any) -> None:
        self._has_spi, self._has_usb = hasattr(core, "sck"), hasattr(core, "usb_pullup")
        if self._has_spi and board.link.spi is None:
            raise ValueError(f"Board '{board.name}' must have link.spi for a core with SPI")
        if self._has_usb and not board.link.usb:
            raise ValueError(f"Board '{board.name}' must have link.usb for a core with USB")
        wires = ("sck", "cs", "mosi", "miso") if self._has_spi else ("rx", "tx")
        for name in USB_WIRES if self._has_usb else wires:
            port = getattr(core, name, None)
            if not isinstance(port, Value) or len(port) != 1:
                raise ValueError(f"Core must have a 1-bit port '{name}', not {port!r}")
        self._board = board
        self._core = core

    def elaborate(self, platform: Any) -> Module:
        """Join clock, pins and core."""
        # First of all, because a board file may be wrong.
        spi = self._spi_pins(platform) if self._has_spi else None
        m = Module()
        m.domains.sync = sync = ClockDomain()
        usb: dict[str, Any] = {}
        if self._has_usb:
            m.domains.usb = usb["usb"] = ClockDomain()
            m.domains.usb_io = usb["usb_io"] = ClockDomain()
        m.submodules.clock = BoardClock(board=self._board, sync=sync, **usb)
        m.submodules.core = core = self._core
        if usb:
            self._usb(m, platform, core)
        elif spi is None:
            self._uart(m, platform, core)
        else:
            self._spi(m, spi, core)
        if self._board.led:
            self._heartbeat(m, platform)
        return m

    def _uart(self, m: Module, platform: Any, core: Any) -> None:
        pins = platform.request(self._board.link.resource, 0, dir="-")
        m.submodules.rx_pin = rx_pin = io.Buffer(io.Direction.Input, pins.rx)
        m.submodules.tx_pin = tx_pin = io.Buffer(io.Direction.Output, pins.tx)
        m.d.comb += [core.rx.eq(rx_pin.i), tx_pin.o.eq(core.tx)]

    def _usb(self, m: Module, platform: Any, core: Any) -> None:
        pins = platform.request(self._board.link.usb, 0, dir="-")
        m.submodules.usb_p_pin = p = io.Buffer(io.Direction.Bidir, pins.d_p)
        m.submodules.usb_n_pin = n = io.Buffer(io.Direction.Bidir, pins.d_n)
        m.submodules.usb_pullup_pin = pullup = io.Buffer(io.Direction.Output, pins.pullup)
        m.d.comb += [
            core.usb_p_i.eq(p.i),
            core.usb_n_i.eq(n.i),
            p.o.eq(core.usb_p_o),
            n.o.eq(core.usb_n_o),
            p.oe.eq(core.usb_oe),
            n.oe.eq(core.usb_oe),
            pullup.o.eq(core.usb_pullup),
        ]

    def _spi_pins(self, platform: Any) -> Any:
        spi = self._board.link.spi
        assert spi is not None
        standard, pull = _PADS[self._board.family]
        platform.add_resources(
            [
                Resource(
                    "bnnhw_spi",
                    0,
                    Subsignal("sck", Pins(spi.sck, dir="i")),
                    # Pulled up, so that a board without a host is not spoken to.
                    Subsignal("cs", PinsN(spi.cs, dir="i"), pull),
                    Subsignal("mosi", Pins(spi.mosi, dir="i")),
                    Subsignal("miso", Pins(spi.miso, dir="oe")),
                    standard,
                )
            ]
        )
        try:
            return platform.request("bnnhw_spi", 0, dir="-")
        except NameError as error:
            name = self._board.name
            raise UsageError(
                f"The board '{name}' names pins for SPI that it does not have: {error}.",
                "Correct Link.spi in the board's file.",
            ) from error

    def _spi(self, m: Module, pins: Any, core: Any) -> None:
        for name in ("sck", "cs", "mosi"):
            m.submodules[f"{name}_pin"] = pin = io.Buffer(io.Direction.Input, getattr(pins, name))
            m.d.comb += getattr(core, name).eq(pin.i)
        m.submodules.miso_pin = miso = io.Buffer(io.Direction.Output, pins.miso)
        # Straight from the pin: the wire is free for others at once.
        m.d.comb += [miso.o.eq(core.miso), miso.oe.eq(core.cs)]

    def _heartbeat(self, m: Module, platform: Any) -> None:
        led = platform.request(self._board.led, 0, dir="-")
        m.submodules.led_pin = led_pin = io.Buffer(io.Direction.Output, led)
        beat = Signal(25)
        m.d.sync += beat.eq(beat + 1)
        m.d.comb += led_pin.o.eq(beat[-1])
