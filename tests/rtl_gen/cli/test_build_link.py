# amaranth: UnusedElaboratable=no
"""`bnnhw build --link`: what it refuses before any tool runs, and what a build notes."""

from dataclasses import replace
from pathlib import Path

import pytest

from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import save_graph
from bnnhw.plan import make_plan
from rtl_gen.build.boards import load_board
from rtl_gen.cli.options import Planned
from rtl_gen.cli.patch import patch_note
from rtl_gen.system import link_facts
from sim.samples import network

NET = network([24, 8, 5], 7)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_graph(NET, tmp_path / "net.json")
    return tmp_path / "net.json"


@pytest.mark.parametrize(
    ("board", "link", "what", "todo"),
    [
        ("colorlight-i5", "spi", "has no pins for SPI", "Leave --link out"),
        ("icebreaker", "usb", "does not join a USB socket to the FPGA's pins", "Leave --link out"),
        ("icebreaker", "i2c", "There is no link 'i2c'", "--link uart, --link spi or --link usb"),
    ],
)
def test_link_wrong(refuses, model: Path, board: str, link: str, what: str, todo: str) -> None:
    refuses(2, what, todo, "build", model, "--board", board, "--link", link, "-o", "build")
    assert not Path("build").exists()


def test_what_a_patch_reads_says_which_line_it_was() -> None:
    plan = make_plan(NET, Folding({"fc0": LayerFold(2, 4), "fc1": LayerFold(1, 4)}))
    planned = Planned(plan, load_board("icebreaker"), ())
    assert patch_note(planned, False)["baud"] == 1_000_000
    assert patch_note(planned, False, "spi")["baud"] is None
    assert not patch_note(planned, False, "spi")["usb"]
    usb = patch_note(replace(planned, board=load_board("orangecrab-25f")), False, "usb")
    assert (usb["baud"], usb["usb"]) == (None, True)


def test_the_manifest_names_usb() -> None:
    assert link_facts(48_000_000, None, usb=True) == {"kind": "usb", "clock_hz": 48_000_000}
