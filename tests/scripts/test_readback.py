"""What is read back: designs, and the command that runs the items."""

import importlib

import numpy as np
import pytest

from bnnhw import golden
from scripts.readback import __main__ as command
from scripts.readback.designs import few, shipped
from scripts.readback.flips import Tried, _is_written
from scripts.signing import Item
from sim.readback import ReadBack
from sim.readback_flips import Bit


def test_network_for_the_smallest_board() -> None:
    design = few("icestick", 12_000_000)
    trace = golden.run(design.plan.graph, design.images, path="plain")
    assert np.mean(trace.classes == design.labels) == pytest.approx(0.7)
    assert design.board.link.baud == 12_000_000 and design.plan.cycles == 960
    assert few("icestick").plan.identity == design.plan.identity


def test_shipped_bitstream_is_taken_as_it_is() -> None:
    assert shipped("digits_mlp", "ulx3s-85f")[:2] == b"\xff\0"


@pytest.mark.parametrize("name", command.ITEMS)
def test_every_item_can_be_run(name: str) -> None:
    assert callable(importlib.import_module(f"scripts.readback.{name}").run)


def test_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    recorded: list[Item] = []
    monkeypatch.setattr(command, "record", lambda item, *packages: recorded.append(item))
    for met in (True, False):
        item = Item("x", "a claim", "a command", "much", "enough", met, 1.0)
        monkeypatch.setattr("scripts.readback.ecp5.run", lambda tell, item=item: item)
        assert command.main(["ecp5", "--no-record"]) == (not met)
        assert not recorded
    assert command.main(["ecp5"]) == 1 and recorded == [item]
    assert "NOT MET" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        command.main(["other"])


VERILOG = """SB_RAM40_4K #(.INIT_0(256'h1)) ram40_3_1 (
  .WADDR({1'b0, n7}),
  .RDATA({n3, n4})
);
SB_RAM40_4K #(.INIT_0(256'h1)) ram40_3_3 (
  .WADDR({1'b0, 1'b0}),
  .RDATA({n5, n6})
);
"""


@pytest.mark.parametrize(("row", "written"), [(1, True), (3, False)])
def test_buffers_are_told_from_weights(row: int, written: bool) -> None:
    bit = Bit("memory", "ram_data", 3, row, 0, 0, 0)
    assert _is_written(ReadBack(VERILOG, 12_000_000, {}), bit) == written
    assert Tried().missed == []
