"""The cost model against whole networks: what the solver goes by, and what Yosys makes of it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bnnhw import zoo
from bnnhw.cost import estimate, solve
from bnnhw.errors import DoesNotFit
from bnnhw.fold import Folding
from bnnhw.graph import Graph
from bnnhw.load import load_model
from bnnhw.plan import make_plan
from rtl_gen.build.boards import load_board
from rtl_gen.system import LinkedAccelerator

from .cost_measure import synthesise_all
from .frame import ROOT, Row, Settings, markdown_table

__all__ = ["KINDS", "NAME", "TITLE", "foldings", "measure", "near", "page"]

NAME = "estimates"
TITLE = "Cost model, whole networks"

KINDS = ("lut4", "ff", "ebr", "dsp")
_BOARDS = ("hx8k-breakout", "ulx3s-85f")
_BUNDLED = ("digits_mlp", "digits_cnn", "digits_tiny")
_TRAINED = ("mnist_tfc_w1a1", "mnist_tfc_w1a2", "mnist_ebnn_simple", "mnist_ebnn_binary")
# Each folding has so many times the clocks of the one before it.
_STEP = 3
_MOST = 4

_INTRO = """Whole networks with their serial link, folded by the solver for as many images a second
as fit, for a third of that, a ninth, and so on, and synthesised with the flags of a build. Nothing
of this was used for fitting. Within ±10 % of what was measured are {lut4} of {count} estimates of
LUT4, and {ff} of {count} of flip-flops; of block RAMs {ebr} and of multipliers {dsp} are exact. The
clocks of an image are those of the plan in {cycles} of {count}."""


def _graphs(settings: Settings) -> Iterator[tuple[str, Graph]]:
    for name in _BUNDLED:
        yield name, load_model(ROOT / "bnnhw" / "data" / f"{name}.onnx")
    if settings.quick:
        return
    for name in _TRAINED:
        file: Path = settings.models / "networks" / f"{name}.npz"
        if file.is_file():
            yield name, load_model(file)
    yield "SFC's shape", zoo.mlp()


def foldings(graph: Graph, board: str) -> Iterator[Folding]:
    """Give foldings for a board, the fastest that fits first."""
    target = load_board(board)
    ask = partial(solve, graph, target.family, target.budget)
    try:
        fold = ask(fill=True)
    except DoesNotFit:
        return
    hertz = 1e6
    for _ in range(_MOST):
        cycles = estimate(graph, fold, target.family, dsp=target.budget.dsp > 0).cycles
        yield fold
        slower = ask(fps=hertz / (_STEP * cycles), clock_hz=hertz)
        if slower == fold:
            return
        fold = slower


def measure(settings: Settings) -> list[Row]:
    """Synthesise every network with every folding."""
    found = []
    for name, graph in _graphs(settings):
        for board in _BOARDS:
            for fold in foldings(graph, board):
                found.append(_measured(settings, name, graph, board, fold))
                if settings.quick:
                    break
    return found


def _measured(settings: Settings, name: str, graph: Graph, board: str, fold: Folding) -> Row:
    target = load_board(board)
    dsp = target.budget.dsp > 0
    guess = estimate(graph, fold, target.family, dsp=dsp)
    plan = make_plan(graph, fold.on_family(target.family))
    settings.say(f"   {name} on {board}, {plan.cycles:,} clocks")
    core = LinkedAccelerator(plan, clock_hz=target.clock.sync_hz, baud=target.link.baud)
    cells = synthesise_all([core], target.family, dsp=dsp)[0]
    assert cells is not None
    row: Row = {"network": name, "board": board, "family": target.family}
    row |= {"cycles": plan.cycles, "cycles_model": guess.cycles}
    for kind in KINDS:
        row |= {kind: cells[kind], f"{kind}_model": getattr(guess.cost, kind)}
    return row


def near(row: Row, kind: str, share: float = 0.1) -> bool:
    """Tell whether an estimate is within a share of what was measured."""
    return bool(abs(row[f"{kind}_model"] - row[kind]) <= share * row[kind])


def page(rows: list[Row]) -> str:
    """Give a line for each network and folding."""
    counts = {
        kind: sum(near(row, kind, 0.1 if kind in ("lut4", "ff") else 0) for row in rows)
        for kind in (*KINDS, "cycles")
    }
    heads = ["network", "board", "clocks/image", "LUT4", "estimate", "flip-flops", "estimate",
             "block RAMs", "estimate", "multipliers", "estimate"]  # fmt: skip
    lines = []
    for row in rows:
        line = [row["network"], row["board"], f"{row['cycles']:,}"]
        for kind in KINDS:
            off = ""
            if kind in ("lut4", "ff"):
                off = f" ({(row[f'{kind}_model'] - row[kind]) / row[kind]:+.1%})"
            line += [f"{row[kind]:,}", f"{row[f'{kind}_model']:,}{off}"]
        lines.append(line)
    return _INTRO.format(count=len(rows), **counts) + "\n\n" + markdown_table(heads, lines)
