# amaranth: UnusedElaboratable=no
"""The board in Amaranth's own simulator: answers, and the clocks that images take on the chip."""

import numpy as np

from bnnhw import driver, golden
from bnnhw.fold import Folding, LayerFold
from bnnhw.plan import make_plan, manifest
from sim.samples import images, network
from sim.slow_board import InterpretedBoard


def test_answers_and_clocks() -> None:
    graph = network([24, 8, 5], 7)
    plan = make_plan(graph, Folding({"fc0": LayerFold(2, 4), "fc1": LayerFold(1, 4)}))
    pool = images(graph, 4, 1)
    with InterpretedBoard(plan, clock_hz=4_000_000, baud=1_000_000, benchmark=True) as board:
        with driver.open(board.url, manifest=manifest(plan), timeout=60) as device:
            assert np.array_equal(device.predict(pool).logits, golden.run(graph, pool).logits)
            found = device.benchmark(pool[0], images=30)
    # An image takes the accelerator longer than its three bytes take to come.
    assert plan.cycles > 2 * device.info.frame_bytes
    assert found.clocks == found.clocks_first + 29 * plan.cycles
    assert found.fps == 4_000_000 / plan.cycles
