"""The solver against all foldings of made-up networks with branches."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from bnnhw.cost import Cost, estimate
from bnnhw.cost.choices import Network, divisors
from bnnhw.cost.web import FAR
from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.fold.folding import MOVES
from bnnhw.fold.layers import layers_of
from bnnhw.graph import Graph
from bnnhw.plan import make_plan
from sim.random_graphs import Pick, random_graph

MOST = 150


def ways_of(graph: Graph) -> list[list[tuple[str, Any]]]:
    """Every way to fold each layer, to give lanes to each other node, and to the input."""
    found: list[list[tuple[str, Any]]] = []
    for layer in layers_of(graph):
        simds = divisors(layer.lanes_limit) + [layer.columns] * layer.whole(layer.columns)
        multipliers = ("dsp", "lut") if layer.weight_bits > 1 else ("dsp",)
        found.append(
            [
                (layer.name, LayerFold(pe, simd, style, multiplier, replay=replay))
                for pe in divisors(layer.rows)
                for simd in simds
                for style in ("lut", "block")
                for multiplier in multipliers
                for replay in (("auto", "lut") if layer.weight_bits == 1 else ("auto",))
            ]
        )
    for node in graph.nodes:
        if isinstance(node, MOVES):
            most = int(np.gcd.reduce([graph.edges[edge].shape[0] for edge in node.inputs]))
            found.append([(node.name, lanes) for lanes in divisors(most)])
    first = layers_of(graph)[0].lanes_limit
    size = graph.edges[graph.input.name].size
    found.append([("", lanes) for lanes in divisors(first) if lanes <= size])
    return found


def every_folding(graph: Graph) -> Iterator[Folding]:
    for picks in itertools.product(*ways_of(graph)):
        chosen = dict(picks)
        given = chosen.pop("")
        layers = {name: pick for name, pick in chosen.items() if isinstance(pick, LayerFold)}
        yield Folding(layers, given, {name: n for name, n in chosen.items() if name not in layers})


def _picking(dice: np.random.Generator) -> Pick:
    return lambda most: int(dice.integers(most))


def small_graphs(count: int) -> Iterator[tuple[int, Graph]]:
    seed = 0
    while count:
        seed += 1
        dice = np.random.default_rng(seed)
        graph = random_graph(_picking(dice), steps=3)
        if np.prod([len(ways) for ways in ways_of(graph)], dtype=float) > MOST:
            continue
        try:
            Network(graph, "ecp5")
        except UsageError:
            continue
        count -= 1
        yield seed, graph


CASES = [pytest.param(seed, graph, id=str(seed)) for seed, graph in small_graphs(20)]


@pytest.mark.parametrize(("seed", "graph"), CASES)
def test_no_folding_is_better(seed: int, graph: Graph) -> None:
    dice = np.random.default_rng(seed)
    family = ("ice40", "ecp5")[seed % 2]
    network = Network(graph, family)
    every = []
    for folding in every_folding(graph):
        try:
            every.append(estimate(graph, folding, family, queues=False))
        except UsageError:
            continue  # Lanes that do not suit a slice, a window that pads with true zeros.
    cycles = sorted({one.cycles for one in every})
    for _ in range(8):
        most = cycles[dice.integers(len(cycles))]
        caps = every[dice.integers(len(every))].cost.vector + dice.integers(0, 3, 5)
        if dice.integers(3) == 0:
            caps = np.full(5, FAR)
        weights = (Cost(1, ebr=100), Cost(4096, ebr=1))[dice.integers(2)].vector
        fits = [
            int(one.cost.vector @ weights)
            for one in every
            if one.cycles <= most and (one.cost.vector <= caps).all()
        ]
        web = network.web(most)
        picks = web.best(weights, caps) if web else None
        if picks is None:
            assert not fits
            continue
        folding = network.folding(picks)
        found = estimate(graph, folding, family, queues=False)
        assert found.cycles <= most and (found.cost.vector <= caps).all()
        assert int(found.cost.vector @ weights) == min(fits)
        assert make_plan(graph, folding).cycles == found.cycles


def test_divisors_only_of_what_there_is() -> None:
    assert divisors(12) == [1, 2, 3, 4, 6, 12]
