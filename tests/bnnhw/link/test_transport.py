import errno
import os
import pty
import socket

import pytest
import serial

from bnnhw.errors import DeviceError, UsageError
from bnnhw.link import ConnectionLost, connect, transport


@pytest.fixture
def pseudo():
    """Give our end's descriptor and the other end's name."""
    ours, theirs = pty.openpty()
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_loop():
    line = connect("loop://")
    line.write(b"abc")
    assert line.read(1) == b"abc"
    assert line.read(0.01) == b""
    line.close()
    line.close()


def test_serial_port(pseudo):
    ours, name = pseudo
    line = connect(f"serial://{name}?baud=115200")
    line.write(b"ab\0")
    assert os.read(ours, 10) == b"ab\0"
    os.write(ours, b"\0xyz")
    assert line.read(5) == b"\0xyz"
    line.close()


def test_serial_port_in_use(pseudo):
    name = pseudo[1]
    first = connect(f"serial://{name}")
    with pytest.raises(DeviceError) as caught:
        connect(f"serial://{name}")
    assert caught.value.what == f"'serial://{name}' is in use by another program."
    first.close()
    connect(f"serial://{name}").close()


def test_absent_port():
    with pytest.raises(DeviceError) as caught:
        connect("serial:///dev/absent0")
    assert caught.value.what == "There is no port 'serial:///dev/absent0'."
    assert "list_ports" in caught.value.todo


def test_permission_denied(monkeypatch):
    def refuse(*args, **kwargs):
        raise serial.SerialException(errno.EACCES, "could not open port")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(DeviceError) as caught:
        connect("serial:///dev/ttyUSB0")
    assert caught.value.what == "You may not open 'serial:///dev/ttyUSB0': permission denied."
    assert "dialout" in caught.value.todo


def test_no_serial_port(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DeviceError, match="cannot be opened"):
        connect(f"serial://{tmp_path / 'file'}")


def test_socket_that_nobody_serves():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DeviceError, match=f"Nothing answers at 'socket://127.0.0.1:{port}'"):
        connect(f"socket://127.0.0.1:{port}")


def test_socket_that_breaks():
    with socket.create_server(("127.0.0.1", 0)) as server:
        line = connect(f"socket://127.0.0.1:{server.getsockname()[1]}")
        peer, _ = server.accept()
        peer.sendall(b"xy")
        assert line.read(5)
        peer.close()
        with pytest.raises(DeviceError, match="The connection to .* broke"):
            for _ in range(3):
                line.read(5)
        line.close()


def test_unplugged_serial_port():
    ours, theirs = pty.openpty()
    line = connect(f"serial://{os.ttyname(theirs)}")
    os.close(theirs)
    os.close(ours)
    with pytest.raises(DeviceError, match="The connection to .* broke"):
        line.read(1)
    with pytest.raises(DeviceError, match="The connection to .* broke"):
        line.write(b"x")
    line.close()


def test_unplugged_serial_port_is_noticed_within_a_second():
    """Also where the system lets reads of a port that has gone wait in silence, however long."""
    waited, gone_at = [], 7.3

    class Port:
        timeout = 0.0

        def read(self, size):
            waited.append(self.timeout)
            return b""

        @property
        def in_waiting(self):
            if sum(waited) > gone_at:
                raise OSError("no such device")
            return 0

    line = transport._Serial(Port(), "serial:///dev/ttyUSB1")
    with pytest.raises(ConnectionLost, match="no such device"):
        line.read(600)
    assert gone_at < sum(waited) <= gone_at + 1


def test_peer_that_takes_nothing():
    with socket.create_server(("127.0.0.1", 0)) as server:
        line = connect(f"socket://127.0.0.1:{server.getsockname()[1]}", timeout=0.05)
        with server.accept()[0], pytest.raises(DeviceError, match="does not take bytes"):
            line.write(bytes(100_000_000))
        line.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/dev/ttyUSB0",
        "serial://",
        "serial:///dev/x?speed=1",
        "serial:///dev/x?baud",
        "socket://host",
        "socket://:7000",
        "socket://host:70000",
        "socket://host:x",
        "socket://host:7000/path",
        "socket://host:7000?logging=debug",
        "loop://?logging=debug",
        "http://host:80",
        "serial://spy:///dev/x",
        "[",
    ],
)
def test_url_wrong(url):
    with pytest.raises(UsageError, match="is no address of a board"):
        connect(url)


@pytest.mark.parametrize("baud", ["x", "0", "-1", "1e6", "99999999", "1&baud=2"])
def test_baud_wrong(baud):
    with pytest.raises(UsageError, match=r"^baud must be "):
        connect(f"serial:///dev/x?baud={baud}")


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "2"])
def test_timeout_wrong(timeout):
    with pytest.raises(UsageError, match=r"^timeout must be a positive number, not "):
        connect("loop://", timeout=timeout)
