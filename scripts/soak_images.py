"""Every sample image through the Verilog of every sample network that takes it, in Verilator.

A network is done when a run of the very same Verilog is recorded, so a run that was stopped goes on
with the next one, and one whose hardware has changed since is simulated again.
"""

import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bnnhw.cost import solve
from bnnhw.errors import BnnhwError, UsageError
from bnnhw.files import read_npz
from bnnhw.fold import Folding
from bnnhw.graph import Graph
from bnnhw.images import load_images
from bnnhw.load import load_model
from bnnhw.plan import Plan, make_plan
from rtl_gen.build.boards import load_board
from rtl_gen.network import network_verilog
from sim.network import simulate

from .signing import Item, read, record

__all__ = ["item_of", "networks_in", "run", "sets_for"]

_BOARD, _CLOCK_HZ = "ulx3s-85f", 85_000_000
# The first that can be had: few clocks for thousands of small images, a narrow CNV for its 101.
_RATES = (80_000, 2_000)


def networks_in(models: Path) -> list[Path]:
    """List the trained networks, as NumPy archives and as QONNX files."""
    return [
        *sorted((models / "networks").glob("*.npz")),
        *sorted((models / "qonnx").glob("*.onnx")),
    ]


def sets_for(models: Path, graph: Graph) -> list[Path]:
    """List the sets of images that have the shape of a network's input."""
    wanted = graph.input.image_shape
    paths = sorted((models / "images").glob("*.npz"))
    return [path for path in paths if read_npz(path)["x"].shape[1:] == wanted]


def _folding(graph: Graph) -> Folding:
    board = load_board(_BOARD)
    for fps in _RATES:
        try:
            found = solve(graph, board.family, board.budget, fps=fps, clock_hz=_CLOCK_HZ)
        except UsageError:
            continue
        return found.on_family(board.family)
    raise AssertionError(f"{graph.name} does not fit {_BOARD} at {_RATES[-1]} images a second")


def _reference(models: Path, network: Path, images: Path) -> dict[str, Any] | None:
    path = models / "reference" / f"{network.stem}__{images.stem}.npz"
    return read_npz(path) if path.is_file() else None


def _simulate(models: Path, network: Path, plan: Plan, verilog: str) -> dict[str, Any]:
    """Run every set that a network takes, and add up what was found."""
    row: dict[str, Any] = {"images": 0, "values": 0, "mismatches": 0, "right": 0, "sets": {}}
    for path in sets_for(models, plan.graph):
        pictures = load_images(path, plan.graph)
        told = _reference(models, network, path)
        report = simulate(plan, verilog, pictures.x, labels=pictures.y, reference=told)
        row["images"] += report.images
        row["values"] += report.compared
        row["mismatches"] += report.mismatches + (not report.compared)
        row["right"] += round((report.accuracy or 0) * report.images)
        row["sets"][path.stem] = {
            "images": report.images, "reference": told is not None,
            "clocks_an_image": report.cycles_per_image,
            "differences": [f"{one.where}: {one.what}" for one in report.differences],
        }  # fmt: skip
    return row | {"clocks_an_image": plan.cycles}


def item_of(rows: dict[str, Any], wanted: Sequence[str]) -> Item:
    """Give what is written down of the networks that are there."""
    done = [rows[name] for name in wanted if name in rows]
    bad = sum(row["mismatches"] for row in done)
    total = {key: sum(row[key] for row in done) for key in ("images", "values", "seconds")}
    left = [name for name in wanted if name not in rows]
    short = f"Not simulated yet: {', '.join(left)}." if left else ""
    return Item(
        "images",
        "Every sample image through every sample network that takes it gives the golden model's "
        "values on every edge, and the reference's where there is one, in Verilator.",
        "python -m scripts.soak --images",
        f"all of {len(wanted)} networks, 0 mismatches",
        f"{len(done)} networks, {total['images']:,} images, {total['values']:,} values compared, "
        f"{bad} mismatches",
        bool(done) and not left and not bad,
        total["seconds"],
        {"networks": rows},
        short,
    )


def run(models: Path, names: Sequence[str], *, fresh: bool = False) -> int:
    """Simulate what is not done yet, and record after each network.

    Parameters
    ----------
    models : Path
        Folder of samples.
    names : sequence of str
        Networks by their path in it; all of them where empty.
    fresh : bool
        Do again what is done.

    Returns
    -------
    int
        0 if every network is done and nothing differs.
    """
    files = {path.relative_to(models).as_posix(): path for path in networks_in(models)}
    unknown = [name for name in names if name not in files]
    if unknown or not files:
        print(f"error: there is no network {' '.join(unknown)} in '{models}'", file=sys.stderr)
        return 2
    rows: dict[str, Any] = read().get("images", {}).get("details", {}).get("networks", {})
    rows = {name: row for name, row in rows.items() if name in files}
    for name in names or files:
        _one(models, name, files[name], rows, fresh)
        record(item_of(rows, list(files)), "amaranth", "numpy")
    item = item_of(rows, list(files))
    print(item.measured, file=sys.stderr, flush=True)
    return 0 if item.met else 1


def _one(models: Path, name: str, path: Path, rows: dict[str, Any], fresh: bool) -> None:
    before = time.monotonic()
    graph = load_model(path)
    plan = make_plan(graph, _folding(graph), name="net")
    verilog = network_verilog(plan)[0]
    digest = hashlib.sha256(verilog.encode()).hexdigest()
    if not fresh and rows.get(name, {}).get("verilog") == digest:
        print(f"{name}: done before", file=sys.stderr, flush=True)
        return
    print(f"{name}: {plan.cycles} clocks an image", file=sys.stderr, flush=True)
    try:
        row = _simulate(models, path, plan, verilog)
    except BnnhwError as error:
        row = {"images": 0, "values": 0, "mismatches": 1, "right": 0, "fault": str(error)}
    seconds = round(time.monotonic() - before, 1)
    rows[name] = row | {"verilog": digest, "seconds": seconds}
    told = f"{row['images']} images, {row['values']:,} values, {row['mismatches']} differ"
    print(f"{name}: {told}, {seconds} s", file=sys.stderr, flush=True)
