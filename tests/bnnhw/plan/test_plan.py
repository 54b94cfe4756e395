"""The plan: its blocks, their names and their clocks."""

from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnhw.fold import Folding, LayerFold, full, serial
from bnnhw.graph import (
    Argmax,
    Dense,
    Graph,
    Grid,
    Input,
    Threshold,
)
from bnnhw.plan import ArgmaxPlan, ConverterPlan, GuardPlan, MvtuPlan, make_plan

MakeNetwork = Callable[[Sequence[int]], Graph]


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
    assert [unit.name for unit in plan.units] == ["fc1", "fc2"]


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
    for unit in plan.units:
        assert len(unit.weights) == unit.cycles
        assert unit.thresholds is None or len(unit.thresholds) == unit.neuron_folds


def test_everything_is_a_plain_int(network: MakeNetwork, ragged: Folding) -> None:
    """NumPy's integers must not reach hardware."""
    for block in make_plan(network([10, 7, 5]), ragged).blocks:
        for name, value in vars(block).items():
            parts = value if isinstance(value, tuple) else (value,)
            assert {type(part) for part in parts} <= {bool, int, str, type(None)}, (
                block.name,
                name,
            )


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
    assert (plan.answer.multipliers, plan.answer.shift) == ((2,) * 5, 0)
    assert plan.answer.offsets == tuple((node.offset - node.offset.min()).tolist())
    assert plan.logits_grid == Grid(-7, 2, 8)
