"""The tutorial's commands run as written, one after the other, with the boards simulated.

Programmers are stand-ins that note what they load. Behind the only serial port, which is a pseudo
terminal, then stands the simulated board of that design.
"""

import hashlib
import json
import os
import pty
import re
import select
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bnnhw import data
from rtl_gen.cli.options import Planned, make
from rtl_gen.prebuilt import read_prebuilt
from sim.board import SimulatedBoard

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "first-hour.md").read_text(encoding="utf-8")
_PROGRAMMER = """#!{python}
import json, pathlib, sys
(pathlib.Path(__file__).parent / "loaded.json").write_text(json.dumps(sys.argv))
"""
# Read by each Python that a command starts: one adapter of a board is plugged in.
_PORTS = """
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo
port = ListPortInfo({name!r}, skip_link_detection=True)
port.vid, port.pid = 0x0403, 0x6010
list_ports.comports = lambda *_, **__: [port]
"""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def sessions() -> Iterator[tuple[str, list[str]]]:
    """Each command, with the lines that the page shows under it."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, [line for line in output.splitlines() if line.strip()]


def shape(line: str) -> str:
    """Leave out what differs from run to run."""
    return " ".join(re.sub(r"\d[\d.,]*", "#", line).split())


class Desk:
    """A folder like the checkout, programmers, a serial port and the board behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tools = folder, folder / "tools"
        self.tools.mkdir()
        (folder / "bnnhw").symlink_to(ROOT / "bnnhw")
        (folder / "shapes.py").write_text(blocks("python")[0])
        for tool in ("iceprog", "openFPGALoader"):
            (self.tools / tool).write_text(_PROGRAMMER.format(python=sys.executable))
            (self.tools / tool).chmod(0o755)
        self.ours, self.theirs = pty.openpty()
        tty.setraw(self.theirs)
        (self.tools / "sitecustomize.py").write_text(_PORTS.format(name=os.ttyname(self.theirs)))
        self.built: dict[str, Planned] = {}
        self.board: SimulatedBoard | None = None
        self.line: socket.socket | None = None
        self.lock = threading.Lock()
        self.open = True
        self.thread = threading.Thread(target=self.carry, daemon=True)
        self.thread.start()

    def carry(self) -> None:
        """Bring bytes from the port to the board and back; without a board they are lost."""
        while self.open:
            with self.lock:
                ends: list[Any] = [self.ours] if self.line is None else [self.ours, self.line]
                ready = select.select(ends, [], [], 0.02)[0]
                if self.ours in ready:
                    sent = os.read(self.ours, 4096)
                    if self.line is not None:
                        self.line.sendall(sent)
                if self.line in ready:
                    os.write(self.ours, ends[1].recv(4096))
            # The lock is not given to who waits for it but to who asks first.
            time.sleep(0.001)

    def run(self, words: list[str]) -> str:
        path = [str(self.tools), str(Path(sys.executable).parent), os.environ["PATH"]]
        environment = os.environ | {
            "PATH": os.pathsep.join(path), "PYTHONPATH": str(self.tools), "NO_COLOR": "1",
        }  # fmt: skip
        done = subprocess.run(
            words, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=1800
        )
        assert done.returncode == 0, f"{words}: {done.stderr}{done.stdout}"
        if words[:2] == ["bnnhw", "build"]:
            self.note_build(words[2:])
        if words[:2] == ["bnnhw", "flash"] and "--dry-run" not in words:
            self.plug(words[words.index("--board") + 1])
        return done.stdout

    def note_build(self, words: list[str]) -> None:
        options = dict(zip(words[1::2], words[2::2], strict=True))
        fps = float(options["--fps"]) if "--fps" in options else None
        planned = make(self.folder / words[0], board=options["--board"], fps=fps)
        name = planned.plan.name
        (bitstream,) = (self.folder / options["-o"]).glob(f"{name}.bi[nt]")
        self.built[hashlib.sha256(bitstream.read_bytes()).hexdigest()] = planned

    def plug(self, board: str) -> None:
        """Put the design that was loaded behind the port."""
        command = json.loads((self.tools / "loaded.json").read_text())
        loaded = hashlib.sha256(Path(command[-1]).read_bytes()).hexdigest()
        shipped = ROOT / "boards" / "prebuilt" / f"digits_mlp.{board}.json"
        if shipped.exists() and loaded == read_prebuilt(shipped).sha256:
            self.built[loaded] = make(data.path("digits_mlp.onnx"), board=board)
        self.unplug()
        planned = self.built[loaded]
        assert planned.board.name == board
        clock, baud = planned.board.clock.sync_hz, planned.board.link.baud
        self.board = SimulatedBoard(planned.plan, clock_hz=clock, baud=baud).__enter__()
        host, port = self.board.url.removeprefix("socket://").split(":")
        line = socket.create_connection((host, int(port)))
        with self.lock:
            self.line = line

    def unplug(self) -> None:
        with self.lock:
            line, self.line = self.line, None
        if line is not None:
            line.close()
        if self.board is not None:
            self.board.__exit__(None, None, None)

    def close(self) -> None:
        self.open = False
        self.thread.join()
        self.unplug()
        for end in (self.ours, self.theirs):
            os.close(end)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def follow(desk: Desk, commands: list[tuple[str, list[str]]]) -> None:
    for command, shown in commands:
        printed = {shape(line) for line in desk.run(shlex.split(command)).splitlines()}
        for line in shown:
            assert shape(line) in printed, f"{command}: {line!r} is not in {printed}"


@pytest.mark.slow
def test_every_command_in_turn(desk: Desk) -> None:
    follow(desk, list(sessions()))
    assert len(desk.built) == 4
    right = desk.run([sys.executable, "-c", blocks("python")[1]])
    assert re.fullmatch(r"[89]\d\.\d% right, 8 images in flight\n", right)


def test_what_needs_neither_synthesis_nor_a_simulator(desk: Desk) -> None:
    """The network of one's own, as far as golden model and prebuilt bitstream go."""
    quick = ("python ", "bnnhw info", "bnnhw evaluate", "bnnhw doctor", "bnnhw boards")
    follow(desk, [entry for entry in sessions() if entry[0].startswith(quick)])
    for command, _ in sessions():
        if "--prebuilt" in command:
            assert "bnnhw/prebuilt/" in desk.run([*shlex.split(command), "--dry-run"])
            assert not (desk.tools / "loaded.json").exists()


def test_commands_and_links_are_there() -> None:
    commands = [command for command, _ in sessions()]
    assert len(commands) >= 15
    for board in ("icebreaker", "ulx3s-85f"):
        for verb in ("build", "flash", "run"):
            assert any(c.startswith(f"bnnhw {verb}") and board in c for c in commands)
    own = str(Path(sys.executable).parent)
    for command in commands:
        assert shutil.which(shlex.split(command)[0], path=own), command
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert "://" in link or (ROOT / "docs" / link).exists(), link
    (setup,) = blocks("sh")
    assert os.access(ROOT / setup.split()[0], os.X_OK)


def test_a_line_that_is_not_printed_is_caught(desk: Desk) -> None:
    with pytest.raises(AssertionError, match="is not in"):
        follow(desk, [("bnnhw boards", ["│ no such board │"])])
