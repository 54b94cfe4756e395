"""Identity of a build: the same for the same input, another for any other."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

import bnnhw.plan.plan as plan_module
from bnnhw import zoo
from bnnhw.fold import Folding, LayerFold, full
from bnnhw.fold.layers import layers_of
from bnnhw.graph import (
    Argmax,
    Dense,
    Graph,
    Grid,
    Input,
    Readout,
    Threshold,
    load_graph,
    save_graph,
)
from bnnhw.plan import make_plan

MakeNetwork = Callable[[Sequence[int]], Graph]
ROOT = Path(__file__).resolve().parents[3]


def changed(graph: Graph, name: str, **changes: object) -> Graph:
    nodes = tuple(
        replace(node, **changes) if node.name == name else node  # type: ignore[arg-type]  # by name
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes)


def test_identity_is_the_same_for_the_same_input(network: MakeNetwork, ragged: Folding) -> None:
    graph = network([10, 7, 5])
    again = changed(graph, "fc1")
    assert make_plan(graph, ragged).identity == make_plan(again, ragged).identity
    assert len(bytes.fromhex(make_plan(graph, ragged).identity)) == 32


def test_identity_changes_with_every_input(
    network: MakeNetwork, ragged: Folding, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = network([10, 7, 5])
    fc1, act1, top = graph.node("fc1"), graph.node("act1"), graph.node("top")
    assert isinstance(fc1, Dense) and isinstance(act1, Threshold) and isinstance(top, Argmax)
    weight, levels = fc1.weight.copy(), act1.levels.copy()
    weight[3, 4] ^= 1
    levels[2, 0] += 1
    layers = dict(ragged.layers)
    variants = {
        "nothing": make_plan(graph, ragged),
        "weight": make_plan(changed(graph, "fc1", weight=weight), ragged),
        "threshold": make_plan(changed(graph, "act1", levels=levels), ragged),
        "direction": make_plan(changed(graph, "act1", direction=-act1.direction), ragged),
        "offset": make_plan(changed(graph, "top", offset=top.offset + np.arange(5)), ragged),
        "pixels": make_plan(changed(graph, "image", lut=np.arange(256) // 129), ragged),
        "readout": make_plan(replace(graph, readout=None), ragged),
        "network": make_plan(replace(graph, name="other"), ragged, name="net"),
        "module": make_plan(graph, ragged, name="other"),
        "pe": make_plan(graph, Folding({**layers, "fc1": LayerFold(3, 4)}, 3)),
        "simd": make_plan(graph, Folding({**layers, "fc1": LayerFold(2, 5)}, 3)),
        "style": make_plan(graph, Folding({**layers, "fc1": LayerFold(2, 4, "block")}, 3)),
        "lanes": make_plan(graph, Folding(layers, 5)),
    }
    found = {name: plan.identity for name, plan in variants.items()}
    monkeypatch.setattr(plan_module, "__version__", "other")
    found["version"] = make_plan(graph, ragged).identity
    assert len(set(found.values())) == len(found), found


def test_identity_does_not_change_with_provenance(network: MakeNetwork, ragged: Folding) -> None:
    graph = network([10, 7, 5])
    assert make_plan(replace(graph, meta={}), ragged).identity == make_plan(graph, ragged).identity


_CHILD = """
import sys
from pathlib import Path
from bnnhw.fold import load_folding
from bnnhw.graph import load_graph
from bnnhw.plan import make_plan
print(make_plan(load_graph(Path(sys.argv[1])), load_folding(Path(sys.argv[2]))).identity)
"""


def test_identity_does_not_depend_on_the_process(
    network: MakeNetwork, ragged: Folding, tmp_path: Path
) -> None:
    graph = network([10, 7, 5])
    save_graph(graph, tmp_path / "net.json")
    tables = [
        f"[layer.{name}]\npe = {fold.pe}\nsimd = {fold.simd}\n"
        for name, fold in ragged.layers.items()
    ]
    (tmp_path / "fold.toml").write_text("input_lanes = 3\n" + "".join(tables))
    found = {make_plan(graph, ragged).identity}
    for seed in ("0", "1", "4711"):
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, tmp_path / "net.json", tmp_path / "fold.toml"],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout.strip())
    assert len(found) == 1


def test_identity_of_words_that_are_wider_than_python_prints(network: MakeNetwork) -> None:
    graph = network([200, 100, 2])
    assert len(make_plan(graph, full(graph)).identity) == 64


def test_numbers_of_numpy_make_no_other_graph(tmp_path: Path) -> None:
    """A loader that passes NumPy's numbers gives the graph that comes back from the disk."""
    dense = Dense("fc", ("x",), np.ones((3, 4), np.uint8))
    grid = Grid(np.int64(-1), np.int64(2), np.int64(2))  # type: ignore[arg-type]  # as loaders may
    nodes = (
        Input("x", (), (np.int64(4),), grid),  # type: ignore[arg-type]  # as loaders may
        dense,
        Argmax("top", ("fc",), np.zeros(3, int)),
    )
    readout = Readout(tuple(np.ones(3)), tuple(np.zeros(3)))
    graph = Graph("net", nodes, ("fc", "top"), readout)
    save_graph(graph, tmp_path / "net.json")
    assert load_graph(tmp_path / "net.json").digest == graph.digest


def test_sharing_weights_is_part_of_it_and_not_sharing_them_is_not() -> None:
    graph = zoo.dorefa(width=4, size=8)
    folds = {layer.name: LayerFold(1, 1) for layer in layers_of(graph)}
    plain = make_plan(graph, Folding(folds))
    others = [
        make_plan(graph, Folding(folds | {"conv1": LayerFold(1, 1, hold=2)})),
        make_plan(graph, Folding(folds | {"conv1": LayerFold(1, 1, replay="lut")})),
    ]
    assert len({plan.identity for plan in (plain, *others)}) == 3
    # Bitstreams that were built before these fields were there keep their identity.
    state = plan_module._hexadecimal(asdict(plain.units[1]))
    assert not {"hold", "replay"} & set(state) and "every" in state
