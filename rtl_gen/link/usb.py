"""A serial port over USB's own two wires: bytes in both directions, at full speed."""

import importlib
from typing import Any

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import AsyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from bnnhw.errors import ToolMissing

__all__ = ["USB_HZ", "USB_IDS", "USB_IO_HZ", "USB_WIRES", "UsbSerial"]

USB_HZ, USB_IO_HZ = 12_000_000, 48_000_000
"""Frequencies of the domains `usb` and `usb_io`."""
USB_IDS = (0x1209, 0x0001)
"""Vendor and product: the pair that pid.codes leaves to everybody for tests, and for these only."""
USB_WIRES = {
    "usb_p_i": In(1),
    "usb_n_i": In(1),
    "usb_p_o": Out(1),
    "usb_n_o": Out(1),
    "usb_oe": Out(1),
    "usb_pullup": Out(1),
}
"""The wires as members of a component."""


class UsbSerial(wiring.Component):
    """Turns the wires of USB into bytes, and bytes into packets for the host.

    To the host this is a serial port (CDC ACM): it needs no driver, and the rate that a program
    sets there means nothing. LUNA's device is inside, with a transceiver made of logic.

    Bytes from the host appear on `o` once the CRC of their packet was right; where they are not
    taken, the host is told to repeat, and nothing is lost. Bytes on `i` wait until a host has
    chosen the configuration; then they are taken while there is room for two packets, and leave
    when the host asks for them. A packet ends with a byte of zero,
    as every frame of the link does, or when it is full; a frame that fills its last packet is
    followed by an empty one, for which hosts wait. After a reset of the bus both directions begin
    anew, and packets that waited are lost; frames that were cut do not pass their CRC.

    An answer begins 10 to 13 bits after the host's packet. USB wants 6.5, but no host gives up
    before 16: not more than one hub of full speed should lie between. Those of high speed keep
    their own time.

    The domain `usb` must have `USB_HZ`, `usb_io` `USB_IO_HZ`, with an edge at every one of
    `usb`; both out of one PLL. `sync` may have any frequency above 1.5 MHz: bytes cross in queues.

    Parameters
    ----------
    title : str
        What the host shows to people.

    Members
    -------
    usb_p_i, usb_n_i : Signal(), in
        The wires D+ and D-, as they are.
    usb_p_o, usb_n_o, usb_oe : Signal(), out
        What to drive on them, and when.
    usb_pullup : Signal(), out
        Joins D+ to 3.3 V over 1.5 kΩ, by which the host sees the device.
    o : stream of 8 bits, out
        Bytes received. They have no frames, so there is no `last`.
    i : stream of 8 bits, in
        Bytes to send; stalls while the host does not fetch them.

    Raises
    ------
    ToolMissing
        If LUNA is not installed.
    """

    def __init__(self, *, title="bnnhw accelerator"):
        if not isinstance(title, str) or not title:
            raise ValueError(f"title must be a non-empty string, not {title!r}")
        self._title = title
        self._cdc = _luna()
        super().__init__({**USB_WIRES, "o": Out(stream.Signature(8)), "i": In(stream.Signature(8))})

    @property
    def title(self):
        """What the host shows to people."""
        return self._title

    def elaborate(self, platform: object) -> Module:
        """Join pins, device and the queues to `sync`."""
        m = Module()
        lines = self._cdc.UsbLines()
        vendor, product = USB_IDS
        m.submodules.device = device = self._cdc.CdcDevice(
            lines=lines, vendor=vendor, product=product, title=self._title
        )
        # LUNA's receiver has synchronisers, its watch for a reset of the bus has none. A second
        # register here would make answers later, which hosts do not wait for long.
        m.d.usb_io += [lines.d_p.i.eq(self.usb_p_i), lines.d_n.i.eq(self.usb_n_i)]
        m.d.comb += [
            self.usb_p_o.eq(lines.d_p.o),
            self.usb_n_o.eq(lines.d_n.o),
            self.usb_oe.eq(lines.d_p.oe),
            self.usb_pullup.eq(lines.pullup.o),
        ]
        m.submodules.received = received = AsyncFIFOBuffered(
            width=8, depth=17, w_domain="usb", r_domain="sync"
        )
        m.submodules.to_send = to_send = AsyncFIFOBuffered(
            width=8, depth=17, w_domain="sync", r_domain="usb"
        )
        m.d.comb += [
            received.w_data.eq(device.received.payload),
            received.w_en.eq(device.received.valid),
            device.received.ready.eq(received.w_rdy),
            device.to_send.payload.eq(to_send.r_data),
            device.to_send.last.eq(to_send.r_data == 0),
            device.to_send.valid.eq(to_send.r_rdy),
            to_send.r_en.eq(device.to_send.ready),
        ]
        wiring.connect(m, received.r_stream, wiring.flipped(self.o))
        wiring.connect(m, wiring.flipped(self.i), to_send.w_stream)
        return m


def _luna() -> Any:
    try:
        return importlib.import_module(f"{__package__}.cdc")
    except ImportError as error:
        raise ToolMissing(
            f"USB needs the Python package luna-usb, which is not installed ({error}).",
            'Install it: pip install "bnnhw[usb]".',
        ) from error
