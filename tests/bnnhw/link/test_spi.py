"""The transport over spidev: what it hands on, asks for, and says when it cannot."""

import errno
import sys
from types import SimpleNamespace
from typing import Any

import pytest

import bnnhw
from bnnhw.errors import DeviceError, ToolMissing, UsageError
from bnnhw.link import ConnectionLost
from bnnhw.link.spi import HZ, connect_spi

URL = "spi:///dev/spidev0.0"


class Fake:
    """A device that notes what is done to it; `answers` are taken one for each transaction.

    With no answer left it sends zeros. An answer is filled with zeros to the length of the
    question; an exception is raised.
    """

    def __init__(self, *answers: Any, refuse: Exception | None = None) -> None:
        self.answers, self.refuse = list(answers), refuse
        self.sent: list[bytes] = []
        self.opened: list[str] = []
        self.closed = 0

    def open_path(self, path: str) -> None:
        if self.refuse:
            raise self.refuse
        self.opened.append(path)

    def xfer2(self, values: list[int]) -> list[int]:
        assert all(type(value) is int and 0 <= value < 256 for value in values)
        self.sent.append(bytes(values))
        answer = self.answers.pop(0) if self.answers else b""
        if isinstance(answer, Exception):
            raise answer
        return list(answer.ljust(len(values), b"\0"))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(device: Fake) -> Fake:
        monkeypatch.setitem(sys.modules, "spidev", SimpleNamespace(SpiDev=lambda: device))
        return device

    return put


@pytest.mark.parametrize(
    ("url", "path", "hertz"),
    [
        (URL, "/dev/spidev0.0", HZ),
        (f"{URL}?hz=4000000", "/dev/spidev0.0", 4_000_000),
        ("spi:///dev/spi/by-path/my%20bus", "/dev/spi/by-path/my bus", HZ),
    ],
)
def test_device_is_set_up(plug: Any, url: str, path: str, hertz: int) -> None:
    device = plug(Fake())
    line = connect_spi(url)
    assert device.opened == [path]
    assert (device.mode, device.bits_per_word, device.max_speed_hz) == (0, 8, hertz)
    line.close()
    assert device.closed == 1


def test_first_byte_and_repeated_zeros_say_nothing(plug: Any) -> None:
    plug(Fake(b"\0\0\0ab\0\0\0c", b"\0d\0", b"", b"\0\0e\0\0"))
    line = connect_spi(URL)
    assert [line.read(0) for _ in range(5)] == [b"ab\0c\0", b"d\0", b"", b"e\0", b""]


def test_frame_over_several_transactions(plug: Any) -> None:
    body = bytes(range(1, 200))
    plug(Fake(*(b"\0" + body[k : k + 63] for k in range(0, len(body), 63))))
    line = connect_spi(URL)
    heard = b"".join(line.read(0) for _ in range(5))
    assert heard == body + b"\0"


def test_write_sends_all_and_keeps_what_comes_meanwhile(plug: Any) -> None:
    device = plug(Fake(b"\0x", b"\0y\0"))
    line = connect_spi(URL)
    data = bytes(k % 251 + 1 for k in range(5000))
    line.write(data)
    assert [len(sent) for sent in device.sent] == [4096, 904]
    assert b"".join(device.sent) == data
    assert line.read(5) == b"x\0y\0" and len(device.sent) == 2


def test_silence_ends_with_the_time_and_not_before_a_question(plug: Any) -> None:
    device = plug(Fake())
    line = connect_spi(URL)
    assert line.read(0) == b"" and len(device.sent) == 1
    assert line.read(0.02) == b"" and len(device.sent) > 3
    assert set(b"".join(device.sent)) == {0}


def test_answer_that_comes_late_is_waited_for(plug: Any) -> None:
    plug(Fake(*[b""] * 6, b"\0abc\0"))
    assert connect_spi(URL).read(30) == b"abc\0"


@pytest.mark.parametrize("first", [0xFF, 0x01])
def test_no_board(plug: Any, first: int) -> None:
    """A wire that nobody drives, or a device that is none of ours, is told from silence."""
    plug(Fake(*[bytes([first]) * 64] * 20))
    with pytest.raises(ConnectionLost, match=rf"is no board: transfers begin with {first:#04x}\."):
        bnnhw.open(URL, timeout=600)


def test_damage_of_the_first_byte_is_forgiven(plug: Any) -> None:
    plug(Fake(*[b"\x80a\0"] * 7, b"\0b\0", *[b"\x80c\0"] * 7))
    line = connect_spi(URL)
    assert b"".join(line.read(0) for _ in range(15)) == b"a\0" * 7 + b"b\0" + b"c\0" * 7


def test_device_that_goes(plug: Any) -> None:
    device = plug(
        Fake(OSError(errno.ENODEV, "No such device"), OSError(errno.EMSGSIZE, "too long"))
    )
    line = connect_spi(URL)
    with pytest.raises(ConnectionLost, match=r"broke: \[Errno 19\] No such device\."):
        line.read(1)
    with pytest.raises(ConnectionLost, match="too long"):
        line.write(b"abc")
    assert device.closed == 0


@pytest.mark.parametrize(
    ("refuse", "message"),
    [
        (PermissionError(errno.EACCES, "no"), "You may not open .*: permission denied"),
        (FileNotFoundError(errno.ENOENT, "no"), "There is no device 'spi:///dev/spidev0.0'"),
        (OSError(errno.EIO, "broken"), "cannot be opened: .*broken"),
        (TypeError("rate"), "cannot be opened: rate"),
    ],
)
def test_device_wrong(plug: Any, refuse: Exception, message: str) -> None:
    device = plug(Fake(refuse=refuse))
    with pytest.raises(DeviceError, match=message):
        bnnhw.open(URL)
    assert device.closed == 1


def test_package_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spidev", None)
    with pytest.raises(ToolMissing) as caught:
        bnnhw.open(URL)
    assert caught.value.what.endswith("needs the Python package spidev, which is not installed.")
    assert "bnnhw[spi]" in caught.value.todo


@pytest.mark.parametrize(
    "url",
    ["spi:", "spi:///", "spi://0.0", "spi://host/dev/x", f"{URL}?baud=1", f"{URL}?hz", f"{URL}#a"],
)
def test_url_wrong(url: str) -> None:
    with pytest.raises(UsageError, match=r"^'spi:.*' is no address of a board\."):
        bnnhw.open(url)


@pytest.mark.parametrize("hertz", ["0", "-1", "1e6", "1&hz=2", "9999999999", "%D9%A3"])
def test_hz_wrong(hertz: str) -> None:
    with pytest.raises(UsageError, match="^hz must be a whole number from 1 to 999999999, not "):
        bnnhw.open(f"{URL}?hz={hertz}")


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), "1"])
def test_timeout_wrong(timeout: Any) -> None:
    with pytest.raises(UsageError, match="^timeout must be a positive number, not "):
        bnnhw.open(URL, timeout=timeout)
