# amaranth: UnusedElaboratable=no
"""Small networks that people hardly draw and files may hold, against the golden model."""

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.fold import Folding, full, serial
from bnnhw.graph import (
    Add,
    Affine,
    Argmax,
    Concat,
    Conv,
    Dense,
    Flatten,
    Graph,
    Grid,
    Input,
    IntConv,
    IntDense,
    MaxPool,
    Node,
    Shuffle,
    Slice,
    SumPool,
    Threshold,
)
from bnnhw.plan import make_plan
from sim.compare import Tally, compare
from sim.interpreted import record_pysim

DICE = np.random.default_rng(11)
NIBBLE = Grid(0, 1, 16)


def bits(*shape: int) -> np.ndarray:
    return DICE.integers(0, 2, shape).astype(np.uint8)


def bytes_(*shape: int) -> np.ndarray:
    return DICE.integers(-128, 128, shape).astype(np.int8)


def sign(name: str, source: str, channels: int) -> Threshold:
    levels = DICE.integers(-3, 4, (channels, 1))
    return Threshold(name, (source,), levels, DICE.choice([-1, 1], channels))


def top(source: str, classes: int) -> Argmax:
    return Argmax("top", (source,), DICE.integers(-2, 3, classes))


NETWORKS: dict[str, tuple[Node, ...]] = {
    "threshold behind what is flattened in order": (
        Input("x", (), (1, 2, 3), NIBBLE),
        Flatten("flat", ("x",)),
        sign("s", "flat", 6),
        Dense("fc", ("s",), bits(3, 6)),
        top("fc", 3),
    ),
    "threshold behind a flattened grey image": (
        Input("x", (), (1, 3, 3)),
        Conv("c", ("x",), bits(1, 1, 2, 2)),
        Flatten("flat", ("c",)),
        sign("s", "flat", 4),
        Dense("fc", ("s",), bits(3, 4)),
        top("fc", 3),
    ),
    "one pixel decides": (
        Input("x", (), (2, 2, 2)),
        Conv("c", ("x",), bits(3, 2, 2, 2)),
        Flatten("flat", ("c",)),
        top("flat", 3),
    ),
    "one edge several times": (
        Input("x", (), (4,)),
        Dense("fc", ("x",), bits(3, 4)),
        Add("twice", ("fc", "fc")),
        Concat("all", ("twice", "x", "fc", "x")),
        top("all", 14),
    ),
    "moves on vectors": (
        Input("x", (), (6,)),
        Dense("fc", ("x",), bits(6, 6)),
        Shuffle("mix", ("fc",), 2),
        Slice("part", ("mix",), 1, 5),
        Affine("scale", ("part",), np.array([3, -2, 1, 0]), np.array([1, 2, 3, 4]), 1),
        sign("s", "scale", 4),
        IntDense("out", ("s",), bytes_(3, 4)),
        top("out", 3),
    ),
    "sums and signs read by several": (
        Input("x", (), (2, 3, 3)),
        Conv("c", ("x",), bits(4, 2, 2, 2)),
        sign("s", "c", 4),
        Conv("c1", ("s",), bits(4, 4, 1, 1)),
        Conv("c4", ("s",), bits(4, 1, 1, 1), groups=4),
        Add("meet", ("c4", "c", "c1", "s")),
        Flatten("flat", ("meet",)),
        IntDense("fc", ("flat",), bytes_(3, 16)),
        top("fc", 3),
    ),
    "weights of zero and grids of one level": (
        Input("x", (), (2, 3, 3), Grid(5, 3, 1)),
        IntConv("c", ("x",), np.zeros((3, 2, 2, 2), np.int8)),
        Affine("scale", ("c",), np.zeros(3, int), np.array([7, 7, 7]), 3),
        sign("s", "scale", 3),
        MaxPool("p", ("s",), (2, 2)),
        Flatten("flat", ("p",)),
        Dense("fc", ("flat",), bits(2, 3)),
        top("fc", 2),
    ),
    "pools of three channels": (
        Input("x", (), (3, 4, 4), NIBBLE),
        MaxPool("p", ("x",), (2, 2), (2, 2)),
        SumPool("q", ("p",), (2, 2)),
        Flatten("flat", ("q",)),
        IntDense("fc", ("flat",), bytes_(3, 3)),
        top("fc", 3),
    ),
    "wide multipliers": (
        Input("x", (), (3,), Grid(-128, 1, 256)),
        Affine("a", ("x",), np.array([1 << 50, -(1 << 49), 12345]), np.array([1 << 58, -5, 7]), 30),
        Affine("b", ("a",), np.array([1 << 18, -(1 << 17), 1]), np.array([1 << 20, -5, 7]), 10),
        IntDense("fc", ("b",), bytes_(3, 3)),
        top("fc", 3),
    ),
    "names that blocks would have": (
        Input("guard", (), (4,)),
        Dense("guard_fork", ("guard",), bits(4, 4)),
        Dense("fc_lanes", ("guard",), bits(4, 4)),
        Add("fc", ("guard_fork", "fc_lanes")),
        top("fc", 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fold", [serial, full], ids=["serial", "full"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_corners(kind: str, fold: object) -> None:
    nodes = NETWORKS[kind]
    graph = Graph("net", nodes, (nodes[-1].inputs[0], "top"))
    folding = fold(graph)  # type: ignore[operator]
    assert isinstance(folding, Folding)
    plan = make_plan(graph, folding)
    source = graph.input
    codes = DICE.integers(0, source.grid.levels, (3, *source.shape))
    recording = record_pysim(plan, plan.on_stream(codes), stall_in=30, stall_out=30, seed=1)
    trace = golden.run(graph, codes, path="plain", trace=True)
    tally = Tally()
    _, classes = compare(plan, recording, trace.edges, tally)
    assert tally.compared > 0 and not tally.differences, tally.differences
    assert trace.classes is not None and np.array_equal(classes, trace.classes)
