"""Bytes to and from a board over Linux's spidev: the host clocks, so it also asks for answers."""

import contextlib
import importlib
import math
import re
import time
import urllib.parse
from typing import Any

from ..errors import DeviceError, ToolMissing, UsageError
from ..names import printable
from .errors import ConnectionLost
from .transport import Transport

__all__ = ["HZ", "connect_spi"]

HZ = 1_000_000
"""Rate of SCK unless the address says otherwise; boards take up to a quarter of their clock."""
_FORMS = "spi:///dev/spidev0.0, spi:///dev/spidev0.0?hz=4000000"
# What the kernel's driver takes at once, unless it is told otherwise.
_MOST = 4096
# Zeros that are sent to fetch what a board has, which mean nothing to it.
_ASK = bytes(64)
# Seconds between two such questions; doubled while nothing comes.
_SHORTEST, _LONGEST = 20e-6, 2e-3
# So many transactions in a row that do not begin as a board's are no damage.
_STRANGE = 8


class _Spi:
    """A device of the package spidev.

    In every transaction a board first sends 0x00, which is dropped, then what it has, then 0x00
    again. Of several in a row one is kept: it ends a frame, and the others say nothing.
    """

    def __init__(self, device: Any, url: str) -> None:
        self._device = device
        self._url = url
        self._heard = bytearray()
        self._ended = True
        self._strange = 0

    def read(self, timeout: float) -> bytes:
        until, pause = time.monotonic() + timeout, _SHORTEST
        while True:
            if not self._heard:
                self._exchange(_ASK)
            left = until - time.monotonic()
            if self._heard or left <= 0:
                data = bytes(self._heard)
                self._heard.clear()
                return data
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST)

    def write(self, data: bytes) -> None:
        for begin in range(0, len(data), _MOST):
            self._exchange(data[begin : begin + _MOST])

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._device.close()

    def _exchange(self, data: bytes) -> None:
        try:
            first, *rest = self._device.xfer2(list(data))
        except (OSError, ValueError, TypeError) as error:
            raise ConnectionLost(
                f"The connection to '{self._url}' broke: {printable(str(error))}.",
                "Check that the device is still there and takes transfers of 4096 bytes, then open "
                "it again.",
            ) from error
        self._strange = self._strange + 1 if first else 0
        if self._strange == _STRANGE:
            raise ConnectionLost(
                f"What answers at '{self._url}' is no board: transfers begin with {first:#04x}.",
                "Check the wires (0xff: nothing drives MISO), that the design was built with "
                "--link spi, and that ?hz= is at most a quarter of its clock.",
            )
        for byte in rest:
            if byte or not self._ended:
                self._heard.append(byte)
            self._ended = byte == 0


def connect_spi(url: str, *, timeout: float = 2.0, max_hz: object = None) -> Transport:
    """Open the SPI device that `url` names, in mode 0.

    Parameters
    ----------
    url : str
        ``spi:///dev/spidev0.0`` with an optional ``?hz=4000000`` (`HZ` unless told otherwise).
    timeout : float
        As `connect` has it; a write here waits for nobody and takes as long as its bytes do.
    max_hz : int or None
        What the design takes, as its manifest's `link` says; anything but an integer says nothing.

    Raises
    ------
    UsageError
        If the URL has another form, or a rate that is too high for the design.
    ToolMissing
        If the package spidev is not installed.
    DeviceError
        If the device is absent, forbidden or does not take the rate.
    """
    if not isinstance(timeout, int | float) or not 0 < timeout < math.inf:
        raise UsageError(f"timeout must be a positive number, not {timeout!r}.", "Try 2.0 seconds.")
    path, hertz = _target(url)
    if isinstance(max_hz, int) and hertz > max_hz:
        raise UsageError(
            f"The design takes SPI up to {max_hz} Hz, not {hertz}.",
            f"Write ?hz={max_hz}, or build it with a faster clock.",
        )
    try:
        spidev = importlib.import_module("spidev")
    except ImportError as error:
        raise ToolMissing(
            f"'{printable(url)}' needs the Python package spidev, which is not installed.",
            'Install it: pip install "bnnhw[spi]" (Linux only).',
        ) from error
    device = spidev.SpiDev()
    try:
        device.open_path(path)
        device.mode = 0
        device.bits_per_word = 8
        device.max_speed_hz = hertz
    except (OSError, ValueError, TypeError) as error:
        with contextlib.suppress(OSError):
            device.close()
        raise _refusal(url, error) from error
    return _Spi(device, printable(url))


def _target(url: str) -> tuple[str, int]:
    wrong = UsageError(
        f"'{printable(url)}' is no address of a board.", f"Write it like one of {_FORMS}."
    )
    try:
        parts = urllib.parse.urlsplit(url)
        options = urllib.parse.parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise wrong from error
    path = urllib.parse.unquote(parts.path)
    if parts.scheme != "spi" or parts.netloc or len(path) < 2 or "\0" in path:
        raise wrong
    if parts.fragment or set(options) - {"hz"}:
        raise wrong
    values = options.get("hz", [str(HZ)])
    if len(values) != 1 or not re.fullmatch("[0-9]{1,9}", values[0]) or not int(values[0]):
        raise UsageError(
            f"hz must be a whole number from 1 to 999999999, not '{printable(','.join(values))}'.",
            f"Write ?hz=4000000, or leave it out for {HZ}.",
        )
    return path, int(values[0])


def _refusal(url: str, error: Exception) -> DeviceError:
    shown = printable(url)
    if isinstance(error, PermissionError):
        return DeviceError(
            f"You may not open '{shown}': permission denied.",
            "Add yourself to the group that owns the device (often 'spi'), then log in again.",
        )
    if isinstance(error, FileNotFoundError):
        return DeviceError(
            f"There is no device '{shown}'.",
            "Switch SPI on (on a Raspberry Pi: raspi-config) and look for /dev/spidev*.",
        )
    return DeviceError(
        f"'{shown}' cannot be opened: {printable(str(error))}.",
        "Check that it is an SPI device and that its controller has such a rate.",
    )
