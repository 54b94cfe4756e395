"""What a user is told to look at suits the place that is silent."""

from typing import Any

import pytest

from bnnhw.link import BoardSilent
from bnnhw.link.advice import on_silence, on_trouble
from bnnhw.link.line import Line

PLACES = {
    "serial:///dev/ttyUSB1": (["flashed", "UART", "--link usb", "baud"], ["?hz=", "simulat"]),
    "spi:///dev/spidev0.0": (["flashed", "--link spi", "wires", "?hz="], ["UART", "baud"]),
    "socket://localhost:7000": (["host and port", "time-out"], ["UART", "baud", "?hz="]),
    "sim:": (["time-out"], ["UART", "baud", "flashed", "?hz="]),
    "loop://": (["flashed"], ["UART", "baud", "?hz="]),
}


class Mute:
    """A line on which nobody speaks."""

    def read(self, timeout: float) -> bytes:
        return b""

    def write(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize("name", PLACES)
def test_silence(name: str) -> None:
    with pytest.raises(BoardSilent) as caught:
        Line(Mute(), name=name, timeout=0.0).hello()
    said, not_said = PLACES[name]
    assert name in caught.value.what
    assert all(word in caught.value.todo for word in said)
    assert not any(word in caught.value.todo for word in not_said)


@pytest.mark.parametrize(
    ("kind", "said", "not_said"),
    [
        ("usb", "/dev/ttyACM0", "baud"),
        ("spi", "spi:///dev/spidev0.0", "baud"),
        ("uart", "baud rate", "usb"),
    ],
)
def test_the_manifest_says_what_is_behind_a_serial_port(
    kind: str, said: str, not_said: str
) -> None:
    with pytest.raises(BoardSilent) as caught:
        Line(Mute(), name="serial://COM3", timeout=0.0, kind=kind).hello()
    assert said in caught.value.todo and not_said not in caught.value.todo


@pytest.mark.parametrize("kind", ["i2c", ["usb"], None])
def test_a_kind_that_nobody_knows_says_nothing(kind: Any) -> None:
    for name in PLACES:
        assert on_silence(name, kind) == on_silence(name)
    assert on_silence("spi:///dev/spidev0.0", "usb") == on_silence("spi:///dev/spidev0.0")


@pytest.mark.parametrize(
    ("name", "todo"),
    [
        ("serial:///dev/ttyUSB1", "Check the cable, try again."),
        ("spi:///dev/spidev0.0", "Check the wires, try a lower ?hz=, try again."),
        ("sim:", "Open the simulation again, with a longer time-out."),
        ("?", "Check the cable, try again."),
    ],
)
def test_trouble(name: str, todo: str) -> None:
    assert on_trouble(name, "try again") == todo


def test_a_socket_has_no_cable() -> None:
    assert "cable" not in on_trouble("socket://localhost:7000", "try again")
