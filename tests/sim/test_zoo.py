# amaranth: UnusedElaboratable=no
"""Narrow networks of every family of the zoo, against the golden model at every edge."""

from collections.abc import Callable

import numpy as np
import pytest

from bnnhw import golden, zoo
from bnnhw.cost import estimate
from bnnhw.fold import Folding, LayerFold
from bnnhw.fold.layers import layers_of
from bnnhw.graph import Graph
from bnnhw.plan import make_plan
from sim.compare import Tally, compare
from sim.interpreted import record_pysim

STAGES = (1, 1, 1, 1)

NETWORKS: dict[str, Callable[[], Graph]] = {
    "resnet_e18 E1": lambda: zoo.resnet_e18(width=2, blocks=STAGES, size=8),
    "resnet_e18 E2": lambda: zoo.resnet_e18(
        width=2, joins="E2", blocks=STAGES, size=8, pad_value=0
    ),
    "bireal18": lambda: zoo.bireal18(width=2, blocks=STAGES, size=8),
    "meliusnet22": lambda: zoo.meliusnet22(growth=2, blocks=STAGES, size=8),
    "meliusnet22 shuffled": lambda: zoo.meliusnet22(
        growth=2, blocks=STAGES, size=8, groups=2, shuffle=2
    ),
    "binary_densenet28": lambda: zoo.binary_densenet28(growth=2, blocks=STAGES, size=8),
    "binary_densenet28 dilated": lambda: zoo.binary_densenet28(
        growth=2, blocks=STAGES, size=8, dilated=True
    ),
    "dorefa": lambda: zoo.dorefa(width=2, size=8),
    "ternary": lambda: zoo.ternary(width=2, size=8),
    "multi_base": lambda: zoo.multi_base(width=2, size=8),
}


def few(number: int) -> int:
    """Give the largest divisor up to 4."""
    return max(d for d in range(1, 5) if number % d == 0)


@pytest.mark.parametrize("kind", NETWORKS)
def test_zoo(kind: str) -> None:
    graph = NETWORKS[kind]()
    folding = Folding(
        {item.name: LayerFold(few(item.rows), few(item.lanes_limit)) for item in layers_of(graph)}
    )
    plan = make_plan(graph, folding)
    assert estimate(graph, folding, "ecp5").cycles == plan.cycles
    channels, height, width = graph.input.image_shape
    pixels = zoo.draw_images(1, 2, (channels, height, width))
    recording = record_pysim(
        plan, plan.on_stream(graph.input.encode(pixels)), stall_in=0, stall_out=0, seed=1
    )
    trace = golden.run(graph, pixels, trace=True)
    tally = Tally()
    _, classes = compare(plan, recording, trace.edges, tally)
    assert tally.compared > 5000 and not tally.differences, tally.differences
    assert trace.classes is not None and np.array_equal(classes, trace.classes)
