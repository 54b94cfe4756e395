# amaranth: UnusedElaboratable=no
"""`bnnhw patch` on the command line: what it refuses by name, and what it writes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import Dense, Graph, Threshold, save_graph
from bnnhw.plan import make_plan
from rtl_gen.build.boards import load_board
from rtl_gen.build.record import record
from rtl_gen.cli.board import build_network
from rtl_gen.cli.options import Planned
from rtl_gen.cli.patch import patch, patch_note
from sim.samples import network

OLD = network([48, 24, 6], 1)


def changed(*, weights: bool = False, thresholds: bool = False) -> Graph:
    dice = np.random.default_rng(5)
    nodes: list[Any] = []
    for node in OLD.nodes:
        if weights and isinstance(node, Dense):
            node = replace(node, weight=dice.integers(0, 2, node.weight.shape, np.uint8))
        if thresholds and isinstance(node, Threshold):
            node = replace(node, levels=node.levels + 2)
        nodes.append(node)
    return Graph(OLD.name, tuple(nodes), OLD.outputs)


def planned(style: str) -> Planned:
    folds = {"fc0": LayerFold(1, 16, style), "fc1": LayerFold(1, 6, style)}
    return Planned(make_plan(OLD, Folding(folds)), load_board("icebreaker"), ())


def left_behind(folder: Path, style: str, *rams: str) -> Path:
    """Write the record of a build without building."""
    cells = {name: {"type": "SB_RAM40_4K", "parameters": {}} for name in rams}
    netlist = {"modules": {"net": {"attributes": {"top": "1"}, "cells": cells}}}
    options = {"seed": 1, "wide_luts": False, "router2": True}
    note = patch_note(planned(style), False)
    told = record(json.dumps(netlist), board="icebreaker", options=options, note=note)
    (folder / "net.rams.json").write_text(told)
    return folder


def saved(folder: Path, graph: Graph) -> Path:
    path = folder / "new.json"
    save_graph(graph, path)
    return path


RAMS = ["core.accelerator.fc0.weights.memory.0.0", "core.accelerator.fc1.weights.memory.0.0"]


@pytest.mark.parametrize(
    ("style", "rams", "graph", "message"),
    [
        ("lut", [], changed(weights=True),
         "lookup tables: the weights of layer 'fc0', the weights of layer 'fc1'"),
        ("block", RAMS, changed(weights=True, thresholds=True),
         "lookup tables: the thresholds of layer 'fc0'"),
        ("block", RAMS[:1], changed(weights=True), "lookup tables: the weights of layer 'fc1'"),
        ("spram", [], changed(weights=True), "layer 'fc0' are in no bitstream: they are loaded"),
        ("block", RAMS, network([48, 20, 6], 1), "."),
        ("block", RAMS, changed(weights=True), r"net\.asc' does not exist"),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, style: str, rams: list[str], graph: Graph, message: str) -> None:
    folder = left_behind(tmp_path, style, *rams)
    with pytest.raises(UsageError, match=message):
        patch(folder, saved(tmp_path, graph), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_build(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds 0 builds that could be patched"):
        patch(tmp_path, saved(tmp_path, OLD), tmp_path)


@pytest.mark.parametrize("usb", [{}, {"usb": False}], ids=["of an older version", "spi"])
def test_a_build_without_a_rate_is_one(tmp_path: Path, usb: dict[str, bool]) -> None:
    """SPI has no baud: what is missing here is the placed design, not the build."""
    folder = left_behind(tmp_path, "block", *RAMS)
    path = folder / "net.rams.json"
    told = json.loads(path.read_text())
    told["note"] = {key: value for key, value in told["note"].items() if key != "usb"}
    path.write_text(json.dumps(told | {"note": told["note"] | {"baud": None} | usb}))
    with pytest.raises(UsageError, match=r"net\.asc' does not exist"):
        patch(folder, saved(tmp_path, changed(weights=True)), tmp_path / "out")


@pytest.mark.slow
def test_thresholds_of_stores_are_patched(tmp_path: Path) -> None:
    """Style "ram" has thresholds in block RAM too: the whole network can be another one."""
    new = changed(weights=True, thresholds=True)
    old = planned("ram")
    build_network(old, tmp_path / "old", 1, lambda *told: None)
    rebuilt = replace(old, plan=make_plan(new, old.plan.folding))
    build_network(rebuilt, tmp_path / "new", 1, lambda *told: None)
    patch(tmp_path / "old", saved(tmp_path, new), tmp_path / "out")
    for name in ("net.bin", "net.asc", "net.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "new" / name).read_bytes()
        assert (tmp_path / "out" / name).read_bytes() != (tmp_path / "old" / name).read_bytes()


def test_a_build_does_not_choose_what_is_run(tmp_path: Path) -> None:
    left_behind(tmp_path, "block", *RAMS)
    trap = tmp_path / "board.py"
    trap.write_text(f"open({str(tmp_path / 'pwned')!r}, 'w').close()\n")
    path = tmp_path / "net.rams.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"board": str(trap)}))
    model = saved(tmp_path, changed(weights=True))
    with pytest.raises(UsageError, match=r"which would be run\.\nName a file that you trust"):
        patch(tmp_path, model, tmp_path / "out")
    assert not (tmp_path / "pwned").exists()
    with pytest.raises(UsageError, match="does not set BOARD"):
        patch(tmp_path, model, tmp_path / "out", board=str(trap))
    path.write_text(json.dumps(told))
    with pytest.raises(UsageError, match="^The build is for the board 'icebreaker'"):
        patch(tmp_path, model, tmp_path / "out", board="icestick")
    for wrong in (
        {"clock_hz": True},
        {"baud": 0},
        {"benchmark": None},
        {"usb": 1},
        {"clock_hz": 1},
    ):
        path.write_text(json.dumps(told | {"note": told["note"] | wrong}))
        with pytest.raises(UsageError, match="^(The build was not made by|A clock of)"):
            patch(tmp_path, model, tmp_path / "out")
