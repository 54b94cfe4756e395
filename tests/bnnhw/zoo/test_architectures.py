"""Shapes, sizes and carriers of the architectures, at several widths; what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw import zoo
from bnnhw.errors import UsageError
from bnnhw.golden import run
from bnnhw.graph import (
    BIPOLAR,
    Add,
    Affine,
    Argmax,
    Concat,
    Conv,
    Dense,
    Graph,
    Grid,
    IntConv,
    MaxPool,
    Shuffle,
    SumPool,
    Threshold,
    load_graph,
    save_graph,
)

JOINED = [
    (zoo.resnet_e18, {"joins": "E1"}),
    (zoo.resnet_e18, {"joins": "E2"}),
    (zoo.bireal18, {}),
    (zoo.binary_densenet28, {}),
    (zoo.meliusnet22, {}),
]


def of(graph: Graph, kind: Any) -> list[Any]:
    return [node for node in graph.nodes if isinstance(node, kind)]


@pytest.mark.parametrize(
    ("build", "weights", "products", "changes"),
    # As published for a width or growth of 64 and images of 32 × 32: millions of binary weights and
    # of their products, and channels (before → after) between stages.
    [
        (zoo.resnet_e18, 10.99, 547.4, [(64, 128), (128, 256), (256, 512)]),
        (zoo.bireal18, 10.99, 547.4, [(64, 128), (128, 256), (256, 512)]),
        (zoo.binary_densenet28, 4.20, 1171.4, [(448, 160), (544, 192), (576, 256)]),
        (zoo.meliusnet22, 6.12, 1509.9, [(320, 160), (480, 224), (480, 256)]),
    ],
)
def test_four_times_the_width_is_that_of_the_papers(
    build: Any, weights: float, products: float, changes: list[tuple[int, int]]
) -> None:
    graph = build()
    convs = of(graph, Conv)
    assert 16 * sum(node.weight.size for node in convs) / 1e6 == pytest.approx(weights, 1e-3)
    work = sum(node.columns * graph.edges[node.name].size for node in convs)
    assert 16 * work / 1e6 == pytest.approx(products, 1e-4)
    _, *thin = of(graph, IntConv)
    assert [(4 * node.channels, 4 * node.rows) for node in thin] == changes
    assert 4 * graph.edges["flat"].size == (576 if build is zoo.binary_densenet28 else 512)


@pytest.mark.parametrize(("build", "options"), JOINED)
def test_carriers_have_8_to_16_bits(build: Any, options: dict[str, str]) -> None:
    graph = build(**options)
    joins = of(graph, Add | Concat)
    assert {graph.edges[node.name].grid.bits for node in joins} <= set(range(8, 17))
    for node in of(graph, Affine):
        assert graph.edges[node.name].grid.bits <= 8
        assert np.abs(node.multiplier).max() <= 127
    for node in of(graph, IntConv):
        assert graph.edges[node.inputs[0]].grid.bits <= 8


def test_e1_adds_fixed_point_and_e2_adds_dot_products() -> None:
    for joins, kind in (("E1", Affine), ("E2", Conv)):
        graph = zoo.resnet_e18(joins=joins, width=4)
        assert len(of(graph, Conv)) == len(of(graph, Add)) == 16
        assert all(isinstance(graph.node(node.inputs[0]), kind) for node in of(graph, Add))
        shortcuts = [graph.node(node.inputs[1]) for node in of(graph, Add)]
        assert sum(isinstance(node, Affine) for node in shortcuts) == 4
        assert [node.stride for node in of(graph, Conv)].count((2, 2)) == 3


@pytest.mark.parametrize("dilated", [False, True])
def test_dilation_takes_the_place_of_pools(dilated: bool) -> None:
    graph = zoo.binary_densenet28(growth=4, dilated=dilated)
    steps = [node.dilation[0] for node in of(graph, Conv)]
    assert steps == ([1] * 12 + [2] * 6 + [4] * 5 if dilated else [1] * 23)
    assert len(of(graph, MaxPool)) == (1 if dilated else 3)
    assert of(graph, SumPool)[-1].kernel == ((16, 16) if dilated else (4, 4))


def test_improvements_change_the_last_channels_only() -> None:
    graph = zoo.meliusnet22(growth=4, blocks=(1, 2), size=8)
    edges = run(graph, zoo.draw_images(1, 2, (3, 8, 8)), trace=True).edges
    for name in ("stage1_block1", "stage2_block1", "stage2_block2"):
        before, after = edges[f"{name}_cat"], edges[f"{name}_joined"]
        assert np.array_equal(before[:, :-4], after[:, :-4])
        assert np.array_equal(before[:, -4:] + edges[f"{name}_improve_conv"], after[:, -4:])


def test_groups_and_shuffles() -> None:
    graph = zoo.meliusnet22(growth=8, blocks=(1, 1, 1), groups=4, shuffle=8)
    assert [node.groups for node in of(graph, IntConv)] == [1, 4, 4]
    assert [node.groups for node in of(graph, Shuffle)] == [8, 8]


def test_small_networks_have_their_operators() -> None:
    bases = zoo.multi_base(bases=(3, 2))
    assert [len(node.inputs) for node in of(bases, Add)] == [6]
    assert (of(bases, Conv)[-1].groups, of(bases, Conv)[-1].pad_value) == (8, 1)
    assert [node.grid for node in of(zoo.ternary(), Threshold)] == [Grid(-1, 1, 3)] * 2
    assert of(zoo.ternary(), MaxPool)[0].padding == (1, 1, 1, 1)
    assert {node.grid for node in of(zoo.dorefa(), Threshold)} == {Grid(0, 1, 16)}
    assert {node.grid for node in of(zoo.dorefa(bits=2), Threshold)} == {Grid(0, 1, 4)}


def test_dense_layers_alone() -> None:
    graph = zoo.mlp()
    assert [node.weight.shape for node in of(graph, Dense)] == [
        (256, 784), (256, 256), (256, 256), (10, 256)
    ]  # fmt: skip
    assert len(of(graph, Threshold)) == 3 and graph.input.grid == BIPOLAR
    assert graph.input.lut is not None
    assert graph.input.lut.tolist() == [0] * 128 + [1] * 128


def test_graphs_survive_the_disk(tmp_path: Path) -> None:
    graph = zoo.meliusnet22(growth=2, blocks=(1, 1), size=8, groups=2, shuffle=2)
    save_graph(graph, tmp_path / "net.json")
    again = load_graph(tmp_path / "net.json")
    assert (again.digest, dict(again.meta)) == (graph.digest, dict(graph.meta))


@pytest.mark.parametrize("pad_value", [-1, 0, 1])
def test_padding_values(pad_value: int) -> None:
    graph = zoo.resnet_e18(width=2, pad_value=pad_value, size=8)
    assert {node.pad_value for node in of(graph, Conv)} == {pad_value}
    assert {graph.edges[node.inputs[0]].grid for node in of(graph, Conv)} == {BIPOLAR}


@pytest.mark.parametrize(
    ("build", "options"),
    [
        (zoo.resnet_e18, {"width": 1, "joins": "E2", "blocks": (1, 1), "size": 16, "classes": 2}),
        (zoo.resnet_e18, {"width": 9, "blocks": [2], "size": 8, "pad_value": 0}),
        (zoo.bireal18, {"width": 5, "blocks": (1, 2, 1), "size": 24, "pad_value": 1}),
        (zoo.binary_densenet28, {"growth": 2, "blocks": (1, 1, 1, 1), "dilated": True}),
        (zoo.binary_densenet28, {"growth": 6, "blocks": (2, 1), "size": 8, "classes": 3}),
        (zoo.meliusnet22, {"growth": 2, "blocks": (1, 1, 1), "size": 16}),
        (zoo.multi_base, {"width": 3, "bases": (1, 3), "size": 8}),
        (zoo.ternary, {"width": 1, "size": 8}),
        (zoo.dorefa, {"width": 3, "bits": 1, "size": 8}),
        (zoo.dorefa, {"width": 3, "bits": 8, "size": 8}),
        (zoo.mlp, {"widths": [7], "size": 3, "classes": 4}),
    ],
)
def test_other_widths_and_depths(build: Any, options: dict[str, Any]) -> None:
    graph = build(**options, seed=11)
    assert graph.digest == build(**options, seed=11).digest != build(**options, seed=12).digest
    images = zoo.draw_images(3, 3, graph.input.shape)
    fast, slow = (run(graph, images, path=path) for path in ("packed", "plain"))
    assert np.array_equal(fast.logits, slow.logits)
    assert fast.logits.shape[1] == options.get("classes", 10)
    assert isinstance(graph.nodes[-1], Argmax)
    assert graph.meta["seed"] == "11"


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (zoo.resnet_e18, {"joins": "E3"}, "The joins must be 'E1' or 'E2', not 'E3'"),
        (zoo.resnet_e18, {"width": 0}, "The width must be a whole number from 1 to 1024, not 0"),
        (zoo.resnet_e18, {"width": 2.5}, "The width must be a whole number .*, not 2.5"),
        (zoo.bireal18, {"pad_value": 2}, "The padding value must be .* from -1 to 1, not 2"),
        (zoo.bireal18, {"blocks": ()}, r"The blocks must be numbers .* not \(\)"),
        (zoo.bireal18, {"blocks": (1,) * 5}, "The blocks must be numbers for one to four stages"),
        (zoo.bireal18, {"blocks": 3}, "The blocks must be numbers .* not 3"),
        (zoo.bireal18, {"blocks": (1, 0)}, "The number of blocks of a stage must be .* not 0"),
        (zoo.bireal18, {"classes": 1}, "The number of classes must be .* from 2 to 1024, not 1"),
        (zoo.bireal18, {"classes": True}, "The number of classes must be .* not True"),
        (zoo.bireal18, {"seed": -1}, "A seed must be a whole number of at least 0, not -1"),
        (zoo.bireal18, {"seed": "a"}, "A seed must be .* not 'a'"),
        (zoo.binary_densenet28, {"growth": 3}, "The growth must be a multiple of 2 .*, not 3"),
        (
            zoo.binary_densenet28,
            {"size": 20},
            "The size of the image must be a multiple of 8 .* 20",
        ),
        (zoo.meliusnet22, {"groups": 0}, "The number of groups must be .* not 0"),
        (
            zoo.meliusnet22,
            {"growth": 2, "blocks": (1, 1), "groups": 3},
            "The number of groups must divide the 4 channels and 2 results of 'trans1', not be 3",
        ),
        (
            zoo.meliusnet22,
            {"growth": 2, "blocks": (1, 1), "shuffle": 3},
            "The number of shuffled groups must divide the 4 channels .* not be 3",
        ),
        (zoo.multi_base, {"bases": (0, 2)}, "The number of bases must be .* from 1 to 8, not 0"),
        (zoo.multi_base, {"bases": (1, 1)}, "The number of bases must be .* from 2 to 8, not 1"),
        (zoo.multi_base, {"bases": 2}, "The bases must be two numbers, .* not 2"),
        (zoo.ternary, {"size": 0}, "The size of the image must be .* not 0"),
        (zoo.mlp, {"widths": ()}, r"The widths must be 1 to 16 numbers, not \(\)"),
        (zoo.mlp, {"widths": (0,)}, "A width must be a whole number from 1 to 4096, not 0"),
        (zoo.dorefa, {"bits": 9}, "The number of bits must be .* from 1 to 8, not 9"),
    ],
)
def test_parameters_wrong(build: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        build(**options)
