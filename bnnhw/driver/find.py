"""Serial ports behind which a board may be."""

from serial.tools import list_ports

__all__ = ["ADAPTERS", "candidates"]

ADAPTERS = {
    (0x0403, 0x6010): "FT2232H",  # iCEBreaker, HX8K breakout, iCEstick, ECP5 EVN
    (0x0403, 0x6014): "FT232H",  # UPduino 3
    (0x0403, 0x6015): "FT231X",  # ULX3S, Icepi Zero
    (0x1D50, 0x602B): "iCELink",  # iCESugar, iCESugar-Pro
    (0x0D28, 0x0204): "DAPLink",  # Colorlight i5's adapter
    (0x1209, 0x0001): "the design's own USB",  # rtl_gen.link.USB_IDS
}
"""USB adapters of the boards that are known, by vendor and product."""


def candidates() -> list[str]:
    """List addresses of serial ports of such adapters.

    An adapter of two channels has its UART on the second one, so the last port of each comes first.
    """
    ports = [port for port in list_ports.comports() if (port.vid, port.pid) in ADAPTERS]
    ports.sort(key=lambda port: str(port.device), reverse=True)
    return [f"serial://{port.device}" for port in ports]
