# amaranth: UnusedElaboratable=no
"""`bnnhw build` and `flash`: real bitstreams of a tiny network."""

import json
import re
import shlex
import stat
from collections import Counter
from pathlib import Path

import pytest

from rtl_gen.build.boards import load_board
from rtl_gen.build.fastest import MARGIN
from rtl_gen.build.pll import ice40_dividers, pll_outputs
from rtl_gen.tools import environment, run_tool, toolchain

KEYS = {
    "name", "board", "device", "sync_hz", "seed", "usage", "clocks", "slowest", "tools",
    "bitstream", "cycles_per_image", "fmax_mhz", "fps", "identity", "files",
}  # fmt: skip
# Where a bitstream begins: iCE40 after a comment, ECP5 after one as well.
PREAMBLE = {"icebreaker": b"\x7e\xaa\x99\x7e", "ulx3s-85f": b"\xff\xff\xbd\xb3"}


@pytest.mark.parametrize("name", ["icebreaker", pytest.param("ulx3s-85f", marks=pytest.mark.slow)])
def test_build(cli, model: Path, name: str) -> None:
    done = cli("build", model, "--board", name, "-o", "out", "--json")
    assert (done.code, done.err) == (0, "")
    facts, board = done.document, load_board(name)
    assert set(facts) == KEYS
    assert (facts["board"], facts["device"], facts["name"]) == (name, board.device, "tiny")
    assert facts["sync_hz"] == board.clock.sync_hz
    for kind in ("lut4", "ff", "ebr", "spram", "dsp"):
        usage = facts["usage"][kind]
        assert 0 <= usage["used"] <= usage["available"] == getattr(board.budget, kind)
    assert facts["usage"]["ff"]["used"] > 100
    assert facts["fmax_mhz"] >= board.clock.sync_hz / 1e6
    assert facts["cycles_per_image"] == 3
    assert facts["fps"] == pytest.approx(board.clock.sync_hz / 3)
    bitstream = Path(facts["files"][0])
    assert PREAMBLE[name] in bitstream.read_bytes()[:256]
    assert bitstream == Path("out") / facts["bitstream"]
    manifest = json.loads(Path("out/tiny.json").read_text())
    assert manifest["identity"] == facts["identity"] and manifest["board"] == name
    assert facts["identity"] in Path("out/tiny.v").read_text()
    report = json.loads(Path("out/tiny.report.json").read_text())
    assert report["usage"] == facts["usage"]
    assert not list(Path().rglob(".*"))


def test_verilog_of_the_board_is_what_was_built(cli, model: Path) -> None:
    """Clock, reset, link and pads are in it; synthesised again it has the build's cells."""
    done = cli("build", model, "--board", "icebreaker", "-o", "out", "--json")
    board, path = load_board("icebreaker"), Path("out/tiny_board.v")
    assert str(path) in done.document["files"]
    text = path.read_text()
    found = ice40_dividers(board.clock.source_hz, board.clock.sync_hz)
    assert f".DIVF(7'h{found.divf:02x})" in text and f".DIVQ(3'h{found.divq:x})" in text
    pins = re.findall(r"^set_io (\w+) ", Path("out/tiny.pcf").read_text(), re.MULTILINE)
    assert len(pins) == 4
    assert set(pins) == set(
        re.findall(r"(?:input|inout|output) (\w+__io);", text.split("\nendmodule")[0])
    )
    tools = toolchain("ice40")
    script = f"read_verilog {path}; synth_ice40 -top tiny -json again.json"
    yosys = str(tools.programs["yosys"])
    run_tool([yosys, "-q", "-p", script], cwd=Path(), env=environment("ice40"))
    (top,) = (
        module for module in json.loads(Path("again.json").read_text())["modules"].values()
        if "SB_PLL40_PAD" in {cell["type"] for cell in module["cells"].values()}
    )  # fmt: skip
    kinds = Counter(cell["type"] for cell in top["cells"].values())
    flops = sum(count for kind, count in kinds.items() if kind.startswith("SB_DFF"))
    usage = done.document["usage"]
    assert kinds["SB_PLL40_PAD"] == 1 and kinds["SB_IO"] == 3
    assert kinds["SB_RAM40_4K"] == usage["ebr"]["used"]
    assert flops == usage["ff"]["used"]


@pytest.mark.slow
def test_fastest(cli, model: Path) -> None:
    done = cli("build", model, "--board", "icebreaker", "--fastest", "-o", "out", "--json")
    assert (done.code, done.err) == (0, "")
    facts = done.document
    report = json.loads(Path("out/tiny.report.json").read_text())
    manifest = json.loads(Path("out/tiny.json").read_text())
    assert facts["sync_hz"] == report["sync_hz"] == manifest["link"]["clock_hz"] > 24_000_000
    assert report["fmax_mhz"] * 1e6 >= report["sync_hz"] * (1 + MARGIN)
    assert report["sync_hz"] in pll_outputs("ice40", 12_000_000)
    assert all(Path(file).is_file() for file in facts["files"])
    assert [path for path in Path("out").iterdir() if path.is_dir()] == []


def test_build_as_text_says_what_comes_next(cli, model: Path) -> None:
    done = cli("build", model, "--board", "icebreaker", "-o", "out")
    assert done.code == 0
    assert "tiny on 1BitSquared iCEBreaker" in done.out and "LUT4" in done.out
    (line,) = (line for line in done.out.splitlines() if line.startswith("Next: "))
    words = shlex.split(line.removeprefix("Next: "))
    assert words[:3] == ["bnnhw", "flash", "out/tiny.bin"]
    assert {"… synthesis", "… place and route", "… pack"} <= set(done.err.splitlines())
    # What it says works as it stands, but for the board itself.
    assert cli(*words[1:], "--dry-run").code == 0


@pytest.fixture
def iceprog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a programmer that notes its arguments, and fails for files called broken, on PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    program = folder / "iceprog"
    program.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" >"$0.log"\n'
        'case "$*" in *broken*) echo "no device" >&2; exit 1;; esac\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return program


FLASH = ("--board", "icebreaker", "--flash")


def test_flash(cli, iceprog: Path) -> None:
    Path("my design.bin").write_bytes(b"x")
    done = cli("flash", "my design.bin", *FLASH)
    assert (done.code, done.err) == (0, "")
    log = Path(f"{iceprog}.log")
    said, loaded = done.out.splitlines()
    assert shlex.split(said)[1:] == log.read_text().splitlines()
    assert str(Path("my design.bin").resolve()) in log.read_text().splitlines()
    assert loaded == "1BitSquared iCEBreaker is loaded."


def test_flash_json(cli, iceprog: Path) -> None:
    Path("a.bin").write_bytes(b"x")
    done = cli("flash", "a.bin", *FLASH, "--json")
    facts = done.document
    assert set(facts) == {"command", "board", "done"}
    assert facts["board"] == "icebreaker" and facts["done"] is True
    assert Path(f"{iceprog}.log").read_text().splitlines() == facts["command"][1:]


def test_dry_run(cli, iceprog: Path) -> None:
    Path("a.bin").write_bytes(b"x")
    done = cli("flash", "a.bin", *FLASH, "-n", "--json")
    assert done.code == 0 and done.document["done"] is False
    text = cli("flash", "a.bin", *FLASH, "-n")
    assert text.out.splitlines() == [shlex.join(done.document["command"])]
    assert not Path(f"{iceprog}.log").exists()


def test_programmer_fails(cli, iceprog: Path) -> None:
    Path("broken.bin").write_bytes(b"x")
    done = cli("flash", "broken.bin", *FLASH, "--json")
    assert "plugged in" in done.refused(6, "iceprog failed with status 1:\nno device")


def test_volatile_where_the_board_cannot(cli, iceprog: Path) -> None:
    Path("a.bin").write_bytes(b"x")
    done = cli("flash", "a.bin", "--board", "icebreaker")
    assert "--flash" in done.refused(2, "no programmer that loads the FPGA without its flash")
