"""Bytes to and from a board: serial ports, TCP sockets and a loop, all with time-outs."""

import contextlib
import errno
import math
import socket
import time
import urllib.parse
from typing import Protocol

import serial

from ..errors import DeviceError, UsageError
from ..names import printable
from .errors import ConnectionLost

__all__ = ["BAUD", "Transport", "connect"]

BAUD = 1_000_000
# Seconds of silence after which a port is asked whether it is still there.
_GLANCE = 0.25
_FORMS = "serial:///dev/ttyUSB1, serial:///dev/ttyUSB1?baud=115200, socket://localhost:7000"


class Transport(Protocol):
    """Two ways for bytes; every failure of the line is a `DeviceError`."""

    def read(self, timeout: float) -> bytes:
        """Return what has arrived, waiting up to `timeout` seconds for it; empty on silence."""

    def write(self, data: bytes) -> None:
        """Send all of `data`."""

    def close(self) -> None:
        """Give the line back; harmless if called again."""


class _Serial:
    """A port of pyserial."""

    def __init__(self, port: serial.SerialBase, url: str) -> None:
        self._port = port
        self._url = url

    def read(self, timeout: float) -> bytes:
        try:
            until = time.monotonic() + timeout
            while True:
                left = until - time.monotonic()
                self._port.timeout = max(0.0, min(left, _GLANCE))
                first: bytes = self._port.read(1)
                # Asking also shows a port that has gone, which some systems keep silent about.
                waiting = self._port.in_waiting
                if first or left <= _GLANCE:
                    return first + self._port.read(waiting) if first else first
        except (serial.SerialException, OSError, TypeError) as error:
            # A port that vanishes under a read shows as TypeError in pyserial 3.5.
            raise _lost(self._url, error) from error

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise _jammed(self._url) from error
        except (serial.SerialException, OSError, TypeError) as error:
            raise _lost(self._url, error) from error

    def close(self) -> None:
        with contextlib.suppress(serial.SerialException, OSError):
            self._port.close()


class _Socket:
    """A TCP connection; pyserial's own leaks its socket when the peer goes first."""

    def __init__(self, peer: socket.socket, url: str, timeout: float) -> None:
        self._peer = peer
        self._url = url
        self._timeout = timeout

    def read(self, timeout: float) -> bytes:
        try:
            self._peer.settimeout(timeout)
            data = self._peer.recv(1 << 16)
        except TimeoutError:
            return b""
        except OSError as error:
            raise _lost(self._url, error) from error
        if not data:
            raise _lost(self._url, ConnectionError("the other side closed it"))
        return data

    def write(self, data: bytes) -> None:
        try:
            self._peer.settimeout(self._timeout)
            self._peer.sendall(data)
        except TimeoutError as error:
            raise _jammed(self._url) from error
        except OSError as error:
            raise _lost(self._url, error) from error

    def close(self) -> None:
        self._peer.close()


def _lost(url: str, error: Exception) -> ConnectionLost:
    return ConnectionLost(
        f"The connection to '{url}' broke: {printable(str(error))}.",
        "Check the cable and that the board is powered, then open it again.",
    )


def _jammed(url: str) -> ConnectionLost:
    return ConnectionLost(
        f"'{url}' does not take bytes: its buffers stay full.",
        "Check the cable and that the board is powered, then try again.",
    )


def connect(url: str, *, timeout: float = 2.0) -> Transport:
    """Open the line that `url` names.

    Parameters
    ----------
    url : str
        ``serial:///dev/ttyUSB1`` with an optional ``?baud=115200`` (`BAUD` unless told
        otherwise), ``serial://COM3``, ``socket://host:port``, or ``loop://``, which returns what is
        sent.
    timeout : float
        Seconds that a write may take.

    Raises
    ------
    UsageError
        If the URL has none of these forms.
    DeviceError
        If the port is absent, taken, forbidden or does not answer.
    """
    if not isinstance(timeout, int | float) or not 0 < timeout < math.inf:
        raise UsageError(f"timeout must be a positive number, not {timeout!r}.", "Try 2.0 seconds.")
    target, baud = _target(url)
    try:
        if isinstance(target, tuple):
            peer = socket.create_connection(target, timeout)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return _Socket(peer, url, timeout)
        port = serial.serial_for_url(target, do_not_open=True)
        port.baudrate = baud
        port.write_timeout = timeout
        if isinstance(port, serial.Serial):
            port.exclusive = True
        port.open()
    except (serial.SerialException, OSError, ValueError) as error:
        raise _refusal(url, error) from error
    # USB adapters otherwise collect bytes for 16 ms; a pseudo terminal has no such mode.
    with contextlib.suppress(AttributeError, NotImplementedError, ValueError, OSError):
        port.set_low_latency_mode(True)
    return _Serial(port, url)


def _target(url: str) -> tuple[str | tuple[str, int], int]:
    shown = printable(str(url))
    wrong = UsageError(f"'{shown}' is no address of a board.", f"Write it like one of {_FORMS}.")
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port if parts.scheme == "socket" else None
        options = urllib.parse.parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise wrong from error
    if parts.scheme == "loop" and url == "loop://":
        return url, BAUD
    if parts.scheme == "socket" and parts.hostname and port and not parts.path and not options:
        return (parts.hostname, port), BAUD
    name = parts.netloc + urllib.parse.unquote(parts.path)
    if parts.scheme != "serial" or not name or "://" in name or set(options) - {"baud"}:
        raise wrong
    return name, _baud(options.get("baud", [str(BAUD)]))


def _baud(values: list[str]) -> int:
    if len(values) != 1 or not values[0].isascii() or not values[0].isdigit():
        raise UsageError(
            f"baud must be a whole number, not '{printable(','.join(values))}'.",
            f"Write ?baud=115200, or leave it out for {BAUD}.",
        )
    if not 0 < int(values[0]) <= 20_000_000:
        raise UsageError(
            f"baud must be from 1 to 20000000, not {values[0]}.",
            f"Leave it out for {BAUD}, the rate of the generated designs.",
        )
    return int(values[0])


def _refusal(url: str, error: Exception) -> DeviceError:
    shown = printable(str(url))
    number = getattr(error, "errno", None)
    text = str(error)
    if url.startswith("socket:"):
        return DeviceError(
            f"Nothing answers at '{shown}': {printable(text)}.",
            "Start the simulated board first, and check host and port.",
        )
    if number in (errno.EAGAIN, errno.EBUSY) or "exclusively lock" in text:
        return DeviceError(
            f"'{shown}' is in use by another program.",
            "Close the other program (a serial monitor, another bnnhw), then try again.",
        )
    if number in (errno.EACCES, errno.EPERM):
        return DeviceError(
            f"You may not open '{shown}': permission denied.",
            "Add yourself to the group that owns the port (often 'dialout'), then log in again.",
        )
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return DeviceError(
            f"There is no port '{shown}'.",
            "Plug the board in and list the ports with 'python -m serial.tools.list_ports'.",
        )
    return DeviceError(
        f"'{shown}' cannot be opened: {printable(text)}.",
        "Check that it is the serial port of the board.",
    )
