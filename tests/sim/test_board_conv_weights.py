# amaranth: UnusedElaboratable=no
"""Weights of convolutions and of an 8-bit stem that a simulated board gets over its line."""

import numpy as np
import pytest

from bnnhw import driver, golden
from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import Argmax, Conv, Dense, Flatten, Graph, Grid, Input, IntConv, Threshold
from bnnhw.graph.nodes import Node
from bnnhw.plan import IntMvtuPlan, Plan, make_plan, manifest
from bnnhw.plan.writable import stores
from sim.board import SimulatedBoard

PIXELS = Grid(0, 1, 256)
FOLDS = {
    "stem": LayerFold(2, 2, "ram"),
    "conv": LayerFold(3, 2, "ram"),
    "mixed": LayerFold(1, 3, "ram"),
    "fc": LayerFold(2, 4, "ram"),
}


def net(seed: int, *, stem: int = 1, reach: int = 127) -> Graph:
    """Make a stem of 8-bit weights, a plain and a grouped convolution, and a dense layer.

    Of the stem, `seed` only deals out what each row has: thresholds behind it are part of a build.
    """
    dice, fixed = np.random.default_rng(seed), np.random.default_rng(stem)
    rows = fixed.integers(-reach, reach + 1, (4, 2 * 3 * 3))
    rows[:, :2] = reach, -reach
    kernels = dice.permuted(rows, axis=1).reshape(4, 2, 3, 3).astype(np.int8)

    def bits(*shape: int) -> np.ndarray:
        return dice.integers(0, 2, shape).astype(np.uint8)

    def levels(channels: int, span: int) -> np.ndarray:
        return dice.integers(-span, span + 1, (channels, 1))

    up = np.ones(4, np.int8)
    near = fixed.integers(-9000, 9000, (4, 1))
    nodes: tuple[Node, ...] = (
        Input("x", (), (2, 6, 5), PIXELS),
        IntConv("stem", ("x",), kernels, padding=(1, 1, 1, 1)),
        Threshold("s0", ("stem",), near, up),
        Conv("conv", ("s0",), bits(6, 4, 3, 3), stride=(2, 1), padding=(1, 0, 1, 0), pad_value=-1),
        Threshold("s1", ("conv",), levels(6, 8), dice.choice([-1, 1], 6)),
        Conv("mixed", ("s1",), bits(6, 3, 2, 2), groups=2),
        Threshold("s2", ("mixed",), levels(6, 5), dice.choice([-1, 1], 6)),
        Flatten("flat", ("s2",)),
        Dense("fc", ("flat",), bits(4, 24)),
        Argmax("top", ("fc",), np.zeros(4, int)),
    )
    return Graph("net", nodes, ("fc", "top"))


FIRST, SECOND, THIRD = net(1), net(2), net(3)
SEEN = np.random.default_rng(9).integers(0, 256, (8, 2, 6, 5))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(FIRST, Folding(FOLDS))


def test_every_kind_of_store_is_there(plan: Plan) -> None:
    assert isinstance(plan.writable[0], IntMvtuPlan) and len(plan.writable) == 4
    found = [(store.layer, store.content) for store in stores(plan)]
    assert found[:2] == [("stem", "weights"), ("stem", "offsets")]
    assert {("conv", "weights"), ("conv", "thresholds"), ("mixed", "thresholds")} <= set(found)
    logits = [golden.run(graph, SEEN, path="plain").logits for graph in (FIRST, SECOND, THIRD)]
    assert all((a != b).any() for a, b in zip(logits, logits[1:], strict=False))
    # What comes out of the stem differs as well, not only what the last layer makes of it.
    first, second = (golden.run(graph, SEEN, trace=True).edges["s0"] for graph in (FIRST, SECOND))
    assert (first != second).mean() > 0.1


def test_other_weights_give_the_answers_of_the_other_network(plan: Plan) -> None:
    with (
        SimulatedBoard(plan, clock_hz=4_000_000, baud=1_000_000) as board,
        driver.open(board.url, manifest=manifest(plan), timeout=3.0) as device,
    ):
        for number, graph in enumerate((FIRST, SECOND, THIRD, FIRST)):
            if number:
                device.load_weights(graph)
            answers, expected = device.predict(SEEN), golden.run(graph, SEEN, path="plain")
            assert np.array_equal(answers.logits, expected.logits)
            assert expected.classes is not None
            assert np.array_equal(answers.classes, expected.classes)
        with pytest.raises(UsageError, match="in more than its weights"):
            device.load_weights(net(2, stem=5))
