"""Small made-up networks for benches: every kind of threshold, and nothing trained."""

from collections.abc import Sequence

import numpy as np

from bnnhw.fold import Folding, LayerFold
from bnnhw.golden import run
from bnnhw.graph import Argmax, Dense, Flatten, Graph, Grid, Input, IntConv, Threshold
from bnnhw.graph.nodes import Node
from bnnhw.plan import Plan, make_plan

from .compare import Tally, compare
from .compiled import Recording

__all__ = ["check", "eight_bit", "images", "network", "planned"]


def network(
    sizes: Sequence[int], seed: int, *, offsets: bool = True, lively: bool = False
) -> Graph:
    """Make a chain of dense layers with random weights.

    Thresholds lie where sums are, and a little outside, so that some channels are constant; both
    directions occur.

    Parameters
    ----------
    sizes : sequence of int
        Elements of the input and of each layer's output; at least two.
    seed : int
        The same one gives the same network.
    offsets : bool
        Whether classes have offsets.
    lively : bool
        Thresholds lie where sums mostly are, so that answers differ from image to image.
    """
    dice = np.random.default_rng(seed)
    nodes: list[Node] = [Input("x", (), (sizes[0],))]
    final = len(sizes) - 2
    for k, (columns, rows) in enumerate(zip(sizes, sizes[1:], strict=False)):
        nodes.append(
            Dense(f"fc{k}", (nodes[-1].name,), dice.integers(0, 2, (rows, columns), np.uint8))
        )
        if k < final:
            end = round(columns**0.5) if lively else columns + 2
            levels = dice.integers(-end, end + 1, (rows, 1))
            direction = dice.choice([-1, 1], rows)
            nodes.append(Threshold(f"s{k}", (nodes[-1].name,), levels, direction))
    reach = 5 if offsets else 0
    logits = nodes[-1].name
    nodes.append(Argmax("best", (logits,), dice.integers(-reach, reach + 1, sizes[-1])))
    return Graph("net", tuple(nodes), (logits, "best"))


def eight_bit(seed: int) -> Graph:
    """Make convolutions with 8-bit weights, 3 x 3 on bytes and 1 x 1 on codes of 4 bits.

    Thresholds lie where sums mostly are. `images` gives bits; this one wants bytes.
    """
    dice = np.random.default_rng(seed)
    wide = dice.integers(-128, 128, (4, 1, 3, 3)).astype(np.int8)
    point = dice.integers(-128, 128, (6, 4, 1, 1)).astype(np.int8)

    def levels(weight: np.ndarray, top: int, count: int) -> np.ndarray:
        rows = weight.reshape(len(weight), -1).astype(float)
        spread = top * 0.3 * np.sqrt((rows**2).sum(1))
        steps = np.linspace(-1, 1, count) if count > 1 else np.zeros(1)
        return np.rint(rows.sum(1)[:, None] * top / 2 + spread[:, None] * steps).astype(int)

    nodes: tuple[Node, ...] = (
        Input("x", (), (1, 8, 8), Grid(0, 1, 256)),
        IntConv("wide", ("x",), wide),
        Threshold("codes", ("wide",), levels(wide, 255, 15), np.resize([1, -1], 4), Grid(0, 1, 16)),
        IntConv("point", ("codes",), point),
        Threshold("signs", ("point",), levels(point, 15, 1), np.resize([1, -1], 6)),
        Flatten("flat", ("signs",)),
        Dense("fc", ("flat",), dice.integers(0, 2, (4, 216), np.uint8)),
        Argmax("best", ("fc",), np.zeros(4, int)),
    )
    return Graph("net", nodes, ("fc", "best"))


def planned(graph: Graph, folds: Sequence[tuple[int, int]], *, lanes: int | None = None) -> Plan:
    """Plan `graph` with one (PE, SIMD) for each layer."""
    names = [node.name for node in graph.nodes if isinstance(node, Dense)]
    layers = {name: LayerFold(*fold) for name, fold in zip(names, folds, strict=True)}
    return make_plan(graph, Folding(layers, lanes), name=graph.name)


def images(graph: Graph, count: int, seed: int) -> np.ndarray:
    """Make random images for `graph`."""
    size = graph.edges[graph.input.name].size
    return np.random.default_rng(seed).integers(0, 2, (count, size))


def check(plan: Plan, recording: Recording, seen: np.ndarray) -> int:
    """Hold a recording against the plain golden model.

    Returns
    -------
    int
        Values compared.

    Raises
    ------
    AssertionError
        If something differs, or nothing was compared.
    """
    tally = Tally()
    trace = run(plan.graph, seen, path="plain", trace=True)
    compare(plan, recording, trace.edges, tally)
    assert tally.compared and not tally.differences, tally.differences
    return tally.compared
