"""Every form of address: what it reaches, and what it says where it cannot."""

import os
import pty
import select
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import bnnhw
from bnnhw.driver import find
from bnnhw.driver.model import GoldenBoard
from bnnhw.errors import DeviceError, UsageError
from bnnhw.fold import serial
from bnnhw.graph import save_graph
from bnnhw.link import BoardSilent, ConnectionLost, WrongDesign, connect
from bnnhw.plan import make_plan, manifest
from sim.samples import images, network

NET = network([20, 6, 3], 2)
TOLD = manifest(make_plan(NET, serial(NET)))


@pytest.fixture
def terminal() -> Any:
    """Give the name of a port with a board behind it, and what unplugs it."""
    ours, theirs = pty.openpty()
    board, alive = GoldenBoard(NET, TOLD), [True]

    def serve() -> None:
        # A descriptor in use by a read stays open when it is closed, so this waits without one.
        while alive[0]:
            if select.select([ours], [], [], 0.02)[0]:
                board.write(os.read(ours, 4096))
                os.write(ours, board.read(0))
        os.close(ours)

    def unplug() -> None:
        # The port hangs up when the last descriptor of our end is closed.
        alive[0] = False
        thread.join()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield SimpleNamespace(name=os.ttyname(theirs), unplug=unplug)
    unplug()
    os.close(theirs)


def test_serial(terminal: Any) -> None:
    with bnnhw.open(f"serial://{terminal.name}", manifest=TOLD) as device:
        assert device.predict(images(NET, 3, 1)).logits.shape == (3, 3)


def ports(*names: str) -> list[Any]:
    return [SimpleNamespace(device=name, vid=0x0403, pid=0x6010) for name in names]


def test_auto(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [*ports("/dev/absent", terminal.name), SimpleNamespace(device="x", vid=None, pid=None)]
    monkeypatch.setattr(find.list_ports, "comports", lambda: found)
    with bnnhw.open("auto", manifest=TOLD, timeout=0.5) as device:
        assert device.info.identity.hex() == TOLD["identity"]
    other = {**TOLD, "identity": "ab" * 32}
    with pytest.raises(DeviceError, match="(?s)No board was found behind any.*runs the design.*no"):
        bnnhw.open("auto", manifest=other, timeout=0.5)


def test_auto_where_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find.list_ports, "comports", lambda: [])
    with pytest.raises(DeviceError, match="^No serial port of a board was found"):
        bnnhw.open("auto")


def test_the_second_channel_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find.list_ports, "comports", lambda: ports("/dev/u0", "/dev/u1"))
    assert find.candidates() == ["serial:///dev/u1", "serial:///dev/u0"]


def test_model_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "my net.json"
    save_graph(NET, path)
    for device in (
        bnnhw.open(f"model:{path}"),
        bnnhw.open("model:", model=path),
        bnnhw.open("model:", model=NET, manifest=TOLD),
    ):
        with device:
            assert device.info.classes == 3


def test_manifest_of_a_file(tmp_path: Path) -> None:
    import json

    path = tmp_path / "net.json"
    path.write_text(json.dumps(TOLD))
    with bnnhw.open("model:", model=NET, manifest=path) as device:
        assert device.info.identity.hex() == TOLD["identity"]
    for text in ("{", "[]", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(UsageError):
            bnnhw.open("model:", model=NET, manifest=path)


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("spi:", {}, "is no address of a board"),
        ("spi:///dev/spidev0.0", {"model": NET}, "model belongs to sim: and model:"),
        ("model:?x=1", {}, "is no address of a board"),
        ("sim:?speed=1", {}, "is no address of a board"),
        ("sim:?board", {}, "is no address of a board"),
        ("sim:", {"model": NET}, "takes a model as a file"),
        ("model:a.json", {"model": NET}, "both name a network"),
        ("serial:///dev/x", {"model": NET}, "model belongs to sim: and model:"),
        ("model:/absent.json", {}, "absent"),
        ("auto:", {}, "is no address of a board"),
        ("nonsense", {}, "is no address of a board"),
        ("model:", {"manifest": TOLD}, "of another network"),
        ("sim:", {"timeout": -1}, "timeout must be a positive number"),
    ],
)
def test_wrong(url: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        bnnhw.open(url, **options)


def test_sim_says_why_it_cannot(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be simulated: .*absent"):
        bnnhw.open(f"sim:{tmp_path}/absent.json")
    with pytest.raises(UsageError, match=r"no simulator 'spice' of boards"):
        bnnhw.open("sim:?simulator=spice")


def test_unplugged_while_an_answer_is_awaited(terminal: Any) -> None:
    """However long the time-out: a port that goes is told at once, here bounded by a join."""
    device = bnnhw.open(f"serial://{terminal.name}", manifest=TOLD, timeout=600)
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            while True:
                device._line.listen()
        except DeviceError as error:
            caught.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    terminal.unplug()
    thread.join(20)
    assert not thread.is_alive() and isinstance(caught[0], ConnectionLost)
    device.close()


def test_port_that_is_silent_about_its_end(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some systems show nothing but silence: then asking for what waits shows it."""
    line: Any = connect(f"serial://{terminal.name}")
    asked = []

    def gone(port: Any) -> int:
        asked.append(1)
        raise OSError("device not configured")

    monkeypatch.setattr(type(line._port), "in_waiting", property(gone))
    with pytest.raises(ConnectionLost):
        line.read(600)
    assert asked
    line._port.close()


def test_typed_errors() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(BoardSilent):
            bnnhw.open(url, timeout=0.05)
        other = {**TOLD, "identity": "ab" * 32}
        board = GoldenBoard(NET, TOLD)

        def serve() -> None:
            for _ in range(2):
                peer, _ = server.accept()
                with peer:
                    while data := peer.recv(4096):
                        board.write(data)
                        peer.sendall(board.read(0))

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(WrongDesign):
            bnnhw.open(url, manifest=other, timeout=5)
