# amaranth: UnusedElaboratable=no
"""Patched bitstreams: the very bytes of a whole build, or a refusal that says what is wrong."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw import data
from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import Dense, Graph, Threshold
from bnnhw.load import load_model
from bnnhw.plan import make_plan
from rtl_gen.build.boards import load_board
from rtl_gen.build.contents import Netlist, read_netlist, rewrite
from rtl_gen.build.flow import build_bitstream
from rtl_gen.build.patch import patch_bitstream
from rtl_gen.build.record import read_record, record
from rtl_gen.system import LinkedAccelerator
from sim.samples import network

FOLDS = {"fc0": LayerFold(1, 16, weights="block"), "fc1": LayerFold(1, 6, weights="block")}


def reweighted(graph: Graph, seed: int) -> Graph:
    """Give the same network with other weights, and the same thresholds."""
    dice = np.random.default_rng(seed)
    nodes = tuple(
        replace(node, weight=dice.integers(0, 2, node.weight.shape, np.uint8))
        if isinstance(node, Dense)
        else node
        for node in graph.nodes
    )
    return Graph(graph.name, nodes, graph.outputs)


def rethresholded(graph: Graph) -> Graph:
    nodes = tuple(
        replace(node, levels=node.levels + 2) if isinstance(node, Threshold) else node
        for node in graph.nodes
    )
    return Graph(graph.name, nodes, graph.outputs)


def both(tmp_path: Path, name: str, core: Callable[[Graph], Any], old: Graph, new: Graph) -> None:
    """Build twice and patch once."""
    board = load_board(name)
    for folder, graph in (("old", old), ("new", new)):
        build_bitstream(core(graph), board, tmp_path / folder, name="net", seed=3)
    files = patch_bitstream(core(new), board, tmp_path / "old", tmp_path / "patched", name="net")
    assert [file.parent for file in files] == [tmp_path / "patched"] * 3
    for file in files:
        content = file.read_bytes()
        assert content == (tmp_path / "new" / file.name).read_bytes()
        assert content != (tmp_path / "old" / file.name).read_bytes()
    # And back again: a patched build is a build, and its own folder will do.
    patched = tmp_path / "patched"
    patch_bitstream(core(old), board, patched, patched, name="net")
    assert (patched / files[0].name).read_bytes() == (tmp_path / "old" / files[0].name).read_bytes()
    with pytest.raises(UsageError, match="something that lies in lookup tables"):
        patch_bitstream(core(rethresholded(old)), board, tmp_path / "old", patched, name="net")


def tiny(board: str, folds: dict[str, LayerFold]) -> Callable[[Graph], Any]:
    target = load_board(board)

    def core(graph: Graph) -> Any:
        plan = make_plan(graph, Folding(folds))
        return LinkedAccelerator(plan, clock_hz=target.clock.sync_hz, baud=target.link.baud)

    return core


@pytest.mark.slow
@pytest.mark.parametrize("board", ["icebreaker", "ulx3s-12f"])
def test_patched_is_rebuilt(tmp_path: Path, board: str) -> None:
    old = network([48, 24, 6], 1)
    both(tmp_path, board, tiny(board, FOLDS), old, reweighted(old, 5))


@pytest.mark.slow
def test_patched_digits_are_rebuilt(tmp_path: Path) -> None:
    old = load_model(data.path("digits_mlp.onnx"))
    folds = {node.name: LayerFold(2, 8, "block") for node in old.nodes if isinstance(node, Dense)}
    both(tmp_path, "icebreaker", tiny("icebreaker", folds), old, reweighted(old, 5))


ROW = "{:064x}\n"


def netlist(rows: dict[str, list[int]], *, lut: str = "0110", kind: str = "SB_RAM40_4K") -> str:
    """Write what Yosys would."""
    cells: dict[str, Any] = {"l": {"type": "SB_LUT4", "parameters": {"LUT_INIT": lut}}}
    for name, content in rows.items():
        parameters = {
            f"INIT_{k:X}": f"{row:0256b}".replace("0", "x") for k, row in enumerate(content)
        }
        cells[name] = {"type": kind, "parameters": {**parameters, "READ_MODE": "00"}}
    own: dict[str, Any] = {"attributes": {}, "cells": {}}
    top = {"attributes": {"top": "0001"}, "cells": cells}
    return json.dumps({"modules": {f"$paramod{sum(map(sum, rows.values()))}": own, "top": top}})


def placed(*rams: list[int]) -> str:
    blocks = [
        f".ram_data 6 {2 * k + 1}\n" + "".join(ROW.format(row) for row in rows)
        for k, rows in enumerate(rams)
    ]
    return ".device 5k\n" + "\n".join(blocks) + "\n.sym 1 x\n"


A, B, C = ([seed * 0x1234567 + k for k in range(16)] for seed in (1, 2, 3))
NONE = [0] * 16


def test_contents_go_where_the_old_ones_are() -> None:
    old = read_netlist(netlist({"w": A, "b": NONE, "v": B, "c": NONE}))
    new = read_netlist(netlist({"w": C, "b": NONE, "v": A, "c": NONE}))
    assert old.digest == new.digest
    assert rewrite("ice40", placed(NONE, B, A, NONE), old, new) == placed(NONE, A, C, NONE)
    assert rewrite("ice40", placed(NONE, B, A), old, old) == placed(NONE, B, A)


def test_contents_that_cannot_be_told_apart() -> None:
    old = read_netlist(netlist({"w": A, "v": A}))
    assert rewrite("ice40", placed(A, A), old, read_netlist(netlist({"w": B, "v": C}))) is None
    same = read_netlist(netlist({"w": B, "v": B}))
    assert rewrite("ice40", placed(A, A), old, same) == placed(B, B)
    # The placed design is another's.
    assert rewrite("ice40", placed(C, C), old, same) is None


def test_words_of_ecp5() -> None:
    """Nine bits each, two of them at every twenty bits of a row, eight on a line."""
    rows = [(0x1FF << 9 | 0x0A5) << 20 * 3, *[0] * 63]
    old = Netlist("x", {"w": tuple([0] * 63 + [1]), "b": tuple([0] * 64)})
    new = Netlist("x", {"w": tuple(rows), "b": tuple([0] * 64)})
    zero = "000 000 000 000 000 000 000 000\n"
    last = zero * 252 + "001 000 000 000 000 000 000 000\n" + zero * 3
    text = f".bram_init 1\n{zero * 256}\n.bram_init 2\n{last}\n"
    told = rewrite("ecp5", text, old, new)
    first = "000 000 000 000 000 000 0a5 1ff\n" + zero * 255
    assert told == f".bram_init 1\n{zero * 256}\n.bram_init 2\n{first}\n"


def test_anything_but_contents_changes_the_digest() -> None:
    digests = {
        read_netlist(text).digest
        for text in (
            netlist({"w": A}),
            netlist({"w": A}, lut="0111"),
            netlist({"v": A}),
            netlist({"w": A}, kind="SB_RAM40_4KNR"),
        )
    }
    assert len(digests) == 4


def test_record(tmp_path: Path) -> None:
    path = tmp_path / "net.rams.json"
    options = {"seed": 4, "wide_luts": False, "router2": True}
    path.write_text(record(netlist({"w": A}), board="icebreaker", options=options, note={"x": 1}))
    told = read_record(path)
    assert told["netlist"].rams == {"w": tuple(A)}
    assert (told["board"], told["options"], told["note"]) == ("icebreaker", options, {"x": 1})


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "rams": {"w": 3}}']
)
def test_record_wrong(tmp_path: Path, text: str) -> None:
    path = tmp_path / "net.rams.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="is no record of a build"):
        read_record(path)


def test_build_wrong(tmp_path: Path) -> None:
    core = tiny("icebreaker", FOLDS)(network([48, 24, 6], 1))
    board = load_board("icebreaker")
    with pytest.raises(UsageError, match="net.rams.json"):
        patch_bitstream(core, board, tmp_path, tmp_path, name="net")
    told = record(netlist({}), board="icebreaker",
                  options={"seed": 1, "wide_luts": False, "router2": True}, note={})  # fmt: skip
    (tmp_path / "net.rams.json").write_text(told)
    with pytest.raises(UsageError, match=r"net\.asc' does not exist"):
        patch_bitstream(core, board, tmp_path, tmp_path, name="net")
