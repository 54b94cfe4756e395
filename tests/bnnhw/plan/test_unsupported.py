"""Networks, foldings and names that a plan refuses, by the name of the node."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold, serial
from bnnhw.graph import (
    Argmax,
    Concat,
    Conv,
    Dense,
    Edge,
    Flatten,
    Graph,
    Grid,
    Input,
    Node,
    SumPool,
    Threshold,
)
from bnnhw.plan import make_plan

MakeNetwork = Callable[[Sequence[int]], Graph]


@dataclass(frozen=True, eq=False)
class Foreign(Node):
    """A node that has no hardware."""

    def edge(self, *edges: Edge) -> Edge:
        return edges[0]


DENSE = Dense("fc", ("x",), np.ones((3, 4), np.uint8))
ARGMAX = Argmax("top", ("fc",), np.zeros(3, int))
IMAGE = Input("x", (), (4,))
PICTURE = Input("x", (), (2, 3, 3))
WIDE = np.ones((3, 8), np.uint8)


def conv() -> Conv:
    return Conv("c", ("x",), np.ones((2, 2, 2, 2), np.uint8))


def sign(name: str, source: str, channels: int, count: int = 1) -> Threshold:
    grid = Grid(-1, 2, 2) if count == 1 else Grid(0, 1, count + 1)
    return Threshold(
        name, (source,), np.zeros((channels, count), int), np.ones(channels, int), grid
    )


@pytest.mark.parametrize(
    ("nodes", "outputs", "why"),
    [
        (
            (Input("x", (), (4,), Grid(0, 1, 1000)), DENSE, ARGMAX),
            ("fc",),
            r"'x' carries codes of 10 bits",
        ),
        (
            (IMAGE, Argmax("top", ("x",), np.zeros(4, int))),
            ("x",),
            r"'x' is followed by no layer with weights",
        ),
        ((IMAGE, DENSE), ("fc",), r"'fc' ends the network; an Argmax or a TopK must"),
        (
            (
                PICTURE,
                conv(),
                Flatten("flat", ("c",)),
                sign("s", "flat", 8),
                Dense("fc", ("s",), WIDE),
                ARGMAX,
            ),
            ("fc",),
            r"'s' is a threshold behind a flattened image",
        ),
        (
            (
                PICTURE,
                SumPool("p", ("x",), (2, 2), (2, 2), (1, 1, 0, 0)),
                Flatten("flat", ("p",)),
                Dense("fc", ("flat",), WIDE),
                ARGMAX,
            ),
            ("fc",),
            r"'p' adds up \{-1, 1\} with padding",
        ),
        (
            (IMAGE, DENSE, Foreign("odd", ("fc",)), Argmax("top", ("odd",), np.zeros(3, int))),
            ("odd",),
            r"'odd' is a Foreign",
        ),
        (
            (IMAGE, DENSE, Dense("fc2", ("x",), DENSE.weight), ARGMAX),
            ("fc",),
            r"'fc2' is read by nothing",
        ),
        (
            (IMAGE, DENSE, sign("s", "fc", 3), Argmax("top", ("s",), np.zeros(3, int))),
            ("fc",),
            r"'top' does not read the logits",
        ),
        (
            (PICTURE, conv(), Flatten("flat", ("c",)), Argmax("top", ("flat",), np.zeros(8, int))),
            ("flat",),
            r"'top' is an argmax behind a flattened image",
        ),
        (
            (IMAGE, DENSE, Argmax("early", ("fc",), np.zeros(3, int)), ARGMAX),
            ("fc",),
            r"'early' decides before the network ends",
        ),
        (
            (
                Input("x", (), (2, 2)),
                Concat("both", ("x", "x")),
                Flatten("flat", ("both",)),
                Dense("fc", ("flat",), np.zeros((3, 8), np.uint8)),
                ARGMAX,
            ),
            ("fc",),
            r"'both' is a concat on an edge of two axes",
        ),
    ],
)
def test_unsupported(nodes: tuple[Node, ...], outputs: tuple[str, ...], why: str) -> None:
    graph = Graph("net", nodes, outputs)
    with pytest.raises(
        UsageError,
        match=rf"^Network 'net': node {why}\.\n"
        r"Hardware exists for convolutions and fully connected layers with 1-bit weights "
        r"on activations of at most 8 bits or with 8-bit weights, pools, "
        r"thresholds, scale and offset, sums, joins, slices and shuffles of channels, ended by an "
        r"Argmax or a TopK\.$",
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
