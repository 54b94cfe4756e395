"""The plan: its blocks and clocks, its identity, and what it refuses."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnnhw.plan.plan as plan_module
from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold, full, serial
from bnnhw.graph import (
    Argmax,
    Dense,
    Edge,
    Flatten,
    Graph,
    Grid,
    Input,
    Node,
    Readout,
    Threshold,
    load_graph,
    save_graph,
)
from bnnhw.plan import ArgmaxPlan, ConverterPlan, GuardPlan, MvtuPlan, make_plan

MakeNetwork = Callable[[Sequence[int]], Graph]
ROOT = Path(__file__).resolve().parents[3]


def test_blocks_of_a_folding_that_divides_nothing(network: MakeNetwork, ragged: Folding) -> None:
    plan = make_plan(network([10, 7, 5]), ragged)
    assert [(type(b), b.name, b.edge) for b in plan.blocks] == [
        (GuardPlan, "guard", "image"),
        (ConverterPlan, "image_lanes", "image"),
        (MvtuPlan, "fc1", "act1"),
        (MvtuPlan, "fc2", "fc2"),
        (ConverterPlan, "fc2_lanes", "fc2"),
        (ArgmaxPlan, "top", "fc2"),
    ]
    shapes = [
        (b.elements_in, b.bits_in, b.lanes_in, b.elements_out, b.bits_out, b.lanes_out)
        for b in plan.blocks
    ]
    assert shapes == [
        (10, 1, 3, 10, 1, 3),
        (10, 1, 3, 10, 1, 4),
        (10, 1, 4, 7, 1, 2),
        (7, 1, 2, 5, 3, 3),
        (5, 3, 3, 5, 3, 1),
        (5, 3, 1, 5, 3, 1),
    ]
    assert [block.cycles for block in plan.blocks] == [4, 4, 4 * 3, 2 * 4, 5, 5]
    assert plan.cycles == 12
    assert plan.bottleneck.name == "fc1"
    assert [unit.name for unit in plan.mvtus] == ["fc1", "fc2"]


def test_neighbours_agree(network: MakeNetwork, ragged: Folding) -> None:
    for folding in (ragged, serial(network([10, 7, 5])), full(network([10, 7, 5]))):
        blocks = make_plan(network([10, 7, 5]), folding).blocks
        for before, after in zip(blocks, blocks[1:], strict=False):
            assert (before.elements_out, before.bits_out, before.lanes_out) == (
                after.elements_in,
                after.bits_in,
                after.lanes_in,
            )


@settings(max_examples=100, deadline=None)
@given(sizes=st.lists(st.integers(1, 12), min_size=2, max_size=4), data=st.data())
def test_clocks_are_those_of_the_slowest_block(
    network: MakeNetwork, sizes: list[int], data: st.DataObject
) -> None:
    graph = network(sizes)
    folds, clocks = {}, [sizes[-1]]
    for number, (columns, rows) in enumerate(zip(sizes, sizes[1:], strict=False), 1):
        pe, simd = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
        folds[f"fc{number}"] = LayerFold(pe, simd)
        clocks.append(-(-rows // pe) * -(-columns // simd))
    lanes = data.draw(st.integers(1, sizes[0]))
    clocks.append(-(-sizes[0] // lanes))
    plan = make_plan(graph, Folding(folds, lanes))
    assert plan.cycles == max(clocks)
    for unit in plan.mvtus:
        assert len(unit.weights) == unit.cycles
        assert unit.thresholds is None or len(unit.thresholds) == unit.neuron_folds


def test_everything_is_a_plain_int(network: MakeNetwork, ragged: Folding) -> None:
    """NumPy's integers must not reach hardware."""
    for block in make_plan(network([10, 7, 5]), ragged).blocks:
        for name, value in vars(block).items():
            parts = value if isinstance(value, tuple) else (value,)
            assert {type(part) for part in parts} <= {int, str, type(None)}, (block.name, name)


def test_counts_of_padded_rows_go_through_a_converter(network: MakeNetwork) -> None:
    """Lanes of absent rows count something; nobody may see it."""
    layers = {"fc1": LayerFold(7, 10), "fc2": LayerFold(4, 7)}
    plan = make_plan(network([10, 7, 5]), Folding(layers))
    assert [b.name for b in plan.blocks] == ["guard", "fc1", "fc2", "fc2_lanes", "top"]


def test_blocks_of_our_own_get_names_of_their_own() -> None:
    weight = np.ones((4, 4), np.uint8)
    nodes = (
        Input("x", (), (4,)),
        Dense("guard", ("x",), weight),
        Threshold("x_lanes", ("guard",), np.zeros((4, 1), int), np.ones(4, int)),
        Dense("fc", ("x_lanes",), weight),
        Argmax("x_lanes_lanes", ("fc",), np.zeros(4, int)),
    )
    graph = Graph("net", nodes, ("fc",))
    folds = {"guard": LayerFold(1, 2), "fc": LayerFold(1, 4)}
    names = [block.name for block in make_plan(graph, Folding(folds, 1)).blocks]
    assert names == ["guard_2", "x_lanes_2", "guard", "x_lanes_lanes_2", "fc", "x_lanes_lanes"]


def test_offsets_start_at_zero_and_logits_keep_their_scale(
    network: MakeNetwork, ragged: Folding
) -> None:
    graph = network([10, 7, 5])
    plan, node = make_plan(graph, ragged), graph.argmax
    assert node is not None
    assert plan.answer.scale == 2
    assert plan.answer.offsets == tuple((node.offset - node.offset.min()).tolist())
    assert plan.logits_grid == Grid(-7, 2, 8)


# Identity


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


# Refusals


@dataclass(frozen=True, eq=False)
class Foreign(Node):
    """A node that has no hardware."""

    def edge(self, *edges: Edge) -> Edge:
        return edges[0]


DENSE = Dense("fc", ("x",), np.ones((3, 4), np.uint8))
ARGMAX = Argmax("top", ("fc",), np.zeros(3, int))
IMAGE = Input("x", (), (4,))


def sign(name: str, source: str, channels: int, count: int = 1) -> Threshold:
    grid = Grid(-1, 2, 2) if count == 1 else Grid(0, 1, count + 1)
    return Threshold(
        name, (source,), np.zeros((channels, count), int), np.ones(channels, int), grid
    )


@pytest.mark.parametrize(
    ("nodes", "outputs", "why"),
    [
        (
            (Input("x", (), (4,), Grid(0, 1, 256)), DENSE, ARGMAX),
            ("fc",),
            r"'x' carries \{0, 1, …, 255\} instead of ±1",
        ),
        (
            (Input("x", (), (4,), Grid(0, 1, 2)), DENSE, ARGMAX),
            ("fc",),
            r"'x' carries \{0, 1\} instead of ±1",
        ),
        (
            (IMAGE, Argmax("top", ("x",), np.zeros(4, int))),
            ("x",),
            r"'x' is followed by no dense layer",
        ),
        ((IMAGE, DENSE), ("fc",), r"'fc' ends the network; an Argmax must"),
        (
            (IMAGE, sign("s", "x", 4), Dense("fc", ("s",), DENSE.weight), ARGMAX),
            ("fc",),
            r"'s' is a threshold that does not follow a dense layer",
        ),
        (
            (IMAGE, DENSE, Foreign("odd", ("fc",)), Argmax("top", ("odd",), np.zeros(3, int))),
            ("odd",),
            r"'odd' is a Foreign",
        ),
        (
            (IMAGE, DENSE, Dense("fc2", ("x",), DENSE.weight), ARGMAX),
            ("fc",),
            r"'fc2' reads 'x', which is not the node before it",
        ),
        (
            (IMAGE, DENSE, Dense("fc2", ("fc",), np.ones((3, 3), int)), ARGMAX),
            ("fc",),
            r"'fc2' reads \{-4, -2, …, 4\} instead of ±1",
        ),
        (
            (IMAGE, DENSE, sign("s", "fc", 3, 3), Argmax("top", ("s",), np.zeros(3, int))),
            ("s",),
            r"'s' has more than one threshold a channel",
        ),
        (
            (IMAGE, DENSE, sign("s", "fc", 3), Argmax("top", ("s",), np.zeros(3, int))),
            ("fc",),
            r"'top' does not read the logits",
        ),
    ],
)
def test_unsupported(nodes: tuple[Node, ...], outputs: tuple[str, ...], why: str) -> None:
    graph = Graph("net", nodes, outputs)
    with pytest.raises(
        UsageError,
        match=rf"^Network 'net': node {why}\.\nHardware exists for chains of fully connected "
        r"layers with 1-bit weights and 1-bit activations\.$",
    ):
        make_plan(graph, serial(graph))


def test_pictures_are_flattened_in_passing() -> None:
    nodes = (
        Input("x", (), (1, 2, 2)),
        Flatten("flat", ("x",)),
        Dense("fc", ("flat",), DENSE.weight),
    )
    graph = Graph("net", (*nodes, ARGMAX), ("fc",))
    plan = make_plan(graph, Folding({"fc": LayerFold(1, 2)}, 1))
    assert [block.name for block in plan.blocks] == ["guard", "flat_lanes", "fc", "top"]


def test_folding_that_does_not_suit_wrong(network: MakeNetwork) -> None:
    with pytest.raises(UsageError, match=r"^The folding says nothing of layer 'fc1'\.\n"):
        make_plan(network([4, 2]), Folding({}))


def test_name_wrong(network: MakeNetwork) -> None:
    graph = network([4, 2])
    with pytest.raises(UsageError, match=r"^The module name 'a; b' is not usable in Verilog "):
        make_plan(graph, serial(graph), name="a; b")
