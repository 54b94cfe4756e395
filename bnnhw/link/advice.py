"""What to look at where a board is silent, by the kind of its place."""

__all__ = ["on_silence", "on_trouble"]

_FLASHED = "Check that the design is flashed"
_SILENCE = {
    "serial": f"{_FLASHED}, that this is the port of its UART, or of its USB where it was built "
    "with --link usb, and that the baud rate is that of the UART; USB takes any.",
    "spi": f"{_FLASHED} and was built with --link spi, that all four wires and ground are joined, "
    "and that ?hz= is at most a quarter of the design's clock.",
    "socket": "Check that host and port are those of the simulated board, or of the serial server "
    "and that the board behind it is flashed; give a slow simulation a longer time-out.",
    "sim": "Give the simulation a longer time-out.",
}
# Where the manifest says what the design has in place of a UART, behind a serial port.
_OTHER = {
    "usb": f"{_FLASHED}, and that this is the port of its own USB, which appears when the design "
    "runs (on Linux mostly /dev/ttyACM0), and not that of a programmer.",
    "spi": "The design was built with --link spi: name its device, such as "
    "spi:///dev/spidev0.0, or build it without --link for a serial port.",
    "uart": f"{_FLASHED}, that this is the port of its UART, and that the baud rate is right.",
}
_TROUBLE = {
    "serial": "Check the cable",
    "spi": "Check the wires, try a lower ?hz=",
    "socket": "Check that the simulated board, or the serial server, still runs; give a slow one a "
    "longer time-out",
}


def on_silence(name: str, kind: str | None = None) -> str:
    """Say what to do where nobody answers.

    Parameters
    ----------
    name : str
        The board's address.
    kind : str or None
        ``"uart"``, ``"spi"`` or ``"usb"``, as the design's manifest says; None where there is none.
    """
    scheme = name.partition(":")[0]
    if scheme == "serial" and isinstance(kind, str) and kind in _OTHER:
        return _OTHER[kind]
    return _SILENCE.get(scheme, f"{_FLASHED}; give a slow simulation a longer time-out.")


def on_trouble(name: str, then: str) -> str:
    """Say what to do where a board that has answered does so no longer.

    Parameters
    ----------
    name : str
        The board's address.
    then : str
        What helps behind every line that is a real one, such as ``"try again"``.
    """
    scheme = name.partition(":")[0]
    if scheme == "sim":
        return "Open the simulation again, with a longer time-out."
    return f"{_TROUBLE.get(scheme, 'Check the cable')}, {then}."
