"""How long a folding takes to be solved, and the depths of queues to be computed."""

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from bnnhw import zoo
from bnnhw.cost import estimate, solve
from bnnhw.cost.sketch import sketch
from bnnhw.fold import Folding, full, serial
from bnnhw.fold.layers import layers_of
from bnnhw.graph import Graph
from bnnhw.plan.branches import with_queues
from bnnhw.plan.joints import QueuePlan
from rtl_gen.build.boards import load_board
from sim.samples import network

from .frame import Row, Settings, markdown_table

__all__ = ["NAME", "TITLE", "measure", "page"]

NAME = "planning"
TITLE = "Solving foldings and depths"

_LAYERS, _WIDTH = 20, 256
_BOARDS = ("ulx3s-45f", "ulx3s-85f")
_RATE, _CLOCK_HZ = 10_000.0, 50e6
_RUNS = 3
_T = TypeVar("_T")

_INTRO = f"""Processor seconds, medians of {_RUNS} runs. Solved is a chain of {_LAYERS} fully
connected layers of {_WIDTH} × {_WIDTH}: for {_RATE:,.0f} images a second at
{_CLOCK_HZ / 1e6:g} MHz with the fewest cells, and for the most images a second that fit
(`--fps max`). Computed are the depths of all queues of architectures with about 50 layers of
weights, from the schedules of their blocks: with one product a clock in each layer, and with as
many as a layer has."""


def _graphs() -> Iterator[tuple[str, Graph]]:
    yield "ResNetE, E1 joins", zoo.resnet_e18(width=8, blocks=(12, 12, 12, 12))
    yield "ResNetE, E2 joins", zoo.resnet_e18(width=8, joins="E2", blocks=(12, 12, 12, 12))
    yield "BinaryDenseNet", zoo.binary_densenet28(growth=4, blocks=(12, 12, 12, 12))
    yield "MeliusNet", zoo.meliusnet22(growth=4, blocks=(6, 6, 6, 6))


def measure(settings: Settings) -> list[Row]:
    """Solve a chain, and compute the queues of deep networks."""
    rows: list[Row] = []
    graph = network([_WIDTH] * (_LAYERS + 1), 1)
    for name in _BOARDS:
        board = load_board(name)
        ask = partial(solve, graph, board.family, board.budget)
        ways: dict[str, Callable[[], Folding]] = {
            f"{_RATE:,.0f} images/s": partial(ask, fps=_RATE, clock_hz=_CLOCK_HZ),
            "most that fit": partial(ask, fill=True),
        }
        for asked, run in ways.items():
            seconds, folding = _timed(run, settings)
            found = estimate(graph, folding, board.family)
            settings.say(f"   {name}, {asked}: {seconds} s")
            rows.append(
                {"kind": "solve", "board": name, "asked": asked, "layers": _LAYERS,
                 "seconds": seconds, "cycles": found.cycles, "lut4": found.lut4}
            )  # fmt: skip
    for title, deep in _graphs():
        for way, fold in (("one product", serial), ("as many as there are", full)):
            blocks = sketch(deep, fold(deep), queues=False)
            cycles = max(block.cycles for block in blocks)
            seconds, found_blocks = _timed(partial(with_queues, blocks, cycles), settings)
            settings.say(f"   {title}, {way}: {seconds} s")
            rows.append(
                {"kind": "depths", "network": title, "products": way, "seconds": seconds,
                 "layers": len(layers_of(deep)), "blocks": len(blocks),
                 "queues": sum(isinstance(one, QueuePlan) for one in found_blocks),
                 "cycles": cycles}
            )  # fmt: skip
    return rows


def _timed(run: Callable[[], _T], settings: Settings) -> tuple[float, _T]:
    """Give the median of the processor time, and what was found."""
    seconds: list[float] = []
    while len(seconds) < (1 if settings.quick else _RUNS):
        start = time.process_time()
        found = run()
        seconds.append(time.process_time() - start)
    return round(statistics.median(seconds), 2), found


def page(rows: list[Row]) -> str:
    """Give a table of foldings and one of depths."""
    solved = [
        [
            row["board"],
            row["asked"],
            f"{row['cycles']:,}",
            f"{row['lut4']:,}",
            f"{row['seconds']:.2f}",
        ]
        for row in rows
        if row["kind"] == "solve"
    ]
    depths = [
        [row["network"], row["layers"], row["products"], row["blocks"], row["queues"],
         f"{row['cycles']:,}", f"{row['seconds']:.2f}"]
        for row in rows
        if row["kind"] == "depths"
    ]  # fmt: skip
    heads = ["network", "layers", "products a clock", "blocks", "queues", "clocks/image", "seconds"]
    return "\n\n".join(
        [
            _INTRO,
            markdown_table(["board", "asked for", "clocks/image", "LUT4", "seconds"], solved),
            markdown_table(heads, depths),
        ]
    )
