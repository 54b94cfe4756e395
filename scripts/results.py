"""Build and simulate the networks of docs/results.md, and write its tables.

    .venv/bin/python scripts/results.py [--models DIR] [--only NAME] [--seeds N] [--first N]

Each row is planned and elaborated as `bnnhw build` does it, synthesised once, placed and routed
with the seeds 1 … N, and simulated with `bnnhw simulate`. Nothing is copied from an earlier run but
rows that this run was not asked for. Trained networks other than the bundled ones are read from
DIR, `../shared/models` by default, and left out where that is absent; those of `bnnhw.zoo` are
written to a temporary folder. The largest designs have three seeds at most. With --first, seeds
are added to a row of the same plan, usage and tools.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bnnhw import zoo
from bnnhw.graph import Graph, save_graph
from bnnhw.load import load_model
from rtl_gen.build.flow import try_seeds
from rtl_gen.cli.options import make
from rtl_gen.system import LinkedAccelerator

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "bnnhw" / "data"
PAGE = ROOT / "docs" / "results.md"
FOLDINGS = ROOT / "scripts" / "foldings"
STORE = ROOT / "docs" / "results.json"
BNNHW = Path(sys.executable).with_name("bnnhw")


_INTRO = """# Results

Written by `scripts/results.py`; nothing here is copied by hand. Each build holds the network behind
its serial link, as `bnnhw build` makes it. It was synthesised once, and placed and routed with the
seeds 1, 2, … under its clock as the constraint: Fmax is the median over the seeds, then the slowest
and the fastest of them; `bnnhw build --seed` takes one that meets the clock. A seed whose
placement no router finishes has no Fmax, and does not meet it. fps is the clock
divided by the clocks of an image, without the line; where no seed meets the clock, the median Fmax
stands for it. LUT4 are logic cells on iCE40; "at" is the
commit that was built; rows without one are older. In all rows with a commit arrays run freely, and
count in carry cells. Verilog of the same folding was run in Verilator
(`bnnhw simulate --expect`) and held against the golden model at every layer edge, and against the
reference of others: logits, classes, taps. Networks of `bnnhw.zoo` have random parameters and
images; their golden model is held against PyTorch
([zoo.md](zoo.md)).

Tools: {tools}.

## Place and route

"""


@dataclass(frozen=True)
class Row:
    """One build.

    Parameters
    ----------
    name, network, images, reference : str
        Of the row, and files; no reference where it is empty, and drawn images where those are.
    board : str
    limit : int or None
        Images to simulate.
    clock, fps : float or None
        Options of build and simulation.
    folding : str or None
        Name of a file in `scripts/foldings`.
    seeds : int or None
        At most, where a run takes long.
    graph : function or None
        Makes what `network` and `images` name as files of `in_zoo`.
    """

    name: str
    network: str
    images: str
    reference: str
    board: str
    limit: int | None = None
    clock: float | None = None
    fps: float | None = None
    folding: str | None = None
    seeds: int | None = None
    graph: Callable[[], Graph] | None = None

    @property
    def folding_file(self) -> Path | None:
        """Where the folding stands."""
        return FOLDINGS / self.folding if self.folding else None

    @property
    def options(self) -> tuple[str, ...]:
        """What the command line takes for them."""
        given = (("--clock", self.clock), ("--fps", self.fps), ("--folding", self.folding_file))
        return tuple(word for name, value in given if value for word in (name, f"{value}"))


def in_zoo() -> list[Row]:
    """Give the rows of architectures with random parameters, 32×32 pixels each."""
    made: dict[str, Callable[[], Graph]] = {
        "ResNetE-18, E1 joins, width 16": lambda: zoo.resnet_e18(width=16, joins="E1"),
        "ResNetE-18, E2 joins, width 16": lambda: zoo.resnet_e18(width=16, joins="E2"),
        "Bi-Real-Net-18, width 16": lambda: zoo.bireal18(width=16),
        "BinaryDenseNet-28, growth 4": lambda: zoo.binary_densenet28(growth=4),
        "BinaryDenseNet-28, dilated, growth 4": lambda: zoo.binary_densenet28(
            growth=4, dilated=True
        ),
        "MeliusNet-22, growth 4": lambda: zoo.meliusnet22(growth=4),
    }
    # 256 clocks an image: 65 % of what 56 block RAMs of 36 bits could deliver.
    sfc = Row("SFC's shape on orangecrab-25f", "sfc.json", "images_sfc.npz", "", "orangecrab-25f",
              fps=150_000, graph=zoo.mlp)  # fmt: skip
    return [sfc] + [
        Row(f"{name}, on ulx3s-85f", f"zoo{at}.json", f"images{at}.npz", "", "ulx3s-85f",
            fps=None if "Dense" in name else 1000, seeds=3 if "dilated" in name else 5, graph=graph)
        for at, (name, graph) in enumerate(made.items())
    ]  # fmt: skip


def rows(models: Path) -> list[Row]:
    """Give all rows whose files are there."""
    digits = ("digits_mlp.onnx", "digits_test.npz", "digits_mlp_expected.npz")
    network, images, expected = (str(DATA / name) for name in digits)
    found = [
        Row(f"digits on {board}", network, images, expected, board)
        for board in ("icebreaker", "ulx3s-85f")
    ]
    second = (str(DATA / "digits_cnn.onnx"), images, str(DATA / "digits_cnn_expected.npz"))
    found += [
        Row(f"digits, convolutional, on {board}", *second, board)
        for board in ("icebreaker", "ulx3s-85f")
    ]
    third = (str(DATA / "digits_tiny.onnx"), images, str(DATA / "digits_tiny_expected.npz"))
    found.append(Row("digits, tiny, on icestick", *third, "icestick"))
    mnist = str(models / "images" / "mnist_test_0000_4999.npz")

    def reference(network: str, images: str = "mnist_test_0000_4999") -> str:
        return str(models / "reference" / f"{network}__{images}.npz")

    def file_of(name: str) -> str:
        return str(models / "networks" / f"{name}.npz")

    tfc = str(models / "qonnx" / "TFC_1W1A.onnx")
    found += [
        Row("TFC W1A1 on icebreaker", tfc, mnist, reference("mnist_tfc_w1a1"), "icebreaker"),
        Row("TFC W1A1 on ulx3s-85f", tfc, mnist, reference("mnist_tfc_w1a1"), "ulx3s-85f"),
        Row("TFC W1A1 on hx8k-breakout", tfc, mnist, reference("mnist_tfc_w1a1"), "hx8k-breakout",
            fps=400_000),
        Row("TFC W1A2 on icebreaker", file_of("mnist_tfc_w1a2"), mnist,
            reference("mnist_tfc_w1a2"), "icebreaker", clock=18),
        Row("TFC W1A2 on ulx3s-85f", file_of("mnist_tfc_w1a2"), mnist,
            reference("mnist_tfc_w1a2"), "ulx3s-85f"),
        *(
            Row(f"eBNN, {pixels}, on {board}", file_of(f"mnist_ebnn_{kind}"), mnist,
                reference(f"mnist_ebnn_{kind}"), board)
            for kind, pixels in (("simple", "pixels of 8 bits"), ("binary", "binary pixels"))
            for board in ("icebreaker", "ulx3s-85f")
        ),
        # What they answer to the one input that was recorded stands in tests/sim.
        *(
            Row(f"Brevitas' tiny CNN {kind.upper()} on icebreaker",
                str(models / "export_examples" / f"tiny_cnn_{kind}_brevitas0134.onnx"), "", "",
                "icebreaker")
            for kind in ("w1a1", "w1a2")
        ),
        Row("LFC W1A1 on ulx3s-85f", file_of("mnist_lfc_w1a1"), mnist,
            reference("mnist_lfc_w1a1"), "ulx3s-85f", 1000, fps=20000),
        Row("CNV W1A1 on ulx3s-85f", file_of("cifar10_cnv_w1a1"),
            str(models / "images" / "cifar10_lossless_eran100.npz"),
            reference("cifar10_cnv_w1a1", "cifar10_lossless_eran100"), "ulx3s-85f",
            clock=65, folding="cnv_w1a1_ulx3s_85f_7200.toml", seeds=5),
        Row("CNV W1A1 on ulx3s-45f", file_of("cifar10_cnv_w1a1"),
            str(models / "images" / "cifar10_lossless_eran100.npz"),
            reference("cifar10_cnv_w1a1", "cifar10_lossless_eran100"), "ulx3s-45f",
            clock=85, fps=4050),
    ]  # fmt: skip
    return [row for row in found if Path(row.network).exists()] + in_zoo()


def written(row: Row, folder: Path) -> Row:
    """Write what a row has no files of: the graph of a network of the zoo, and 20 images."""
    if row.graph is None and row.images:
        return row
    network, images = folder / row.network, folder / (row.images or "images.npz")
    if row.graph is None:
        graph = load_model(network)
    else:
        graph = row.graph()
        save_graph(graph, network)
    channels, height, width = graph.input.image_shape
    np.savez(images, x=zoo.draw_images(1, 20, (channels, height, width)))
    return replace(row, network=str(network), images=str(images))


def ask(*words: str) -> dict[str, Any]:
    """Run a command of bnnhw and read its JSON."""
    done = subprocess.run([str(BNNHW), *words, "--json"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"bnnhw {' '.join(words)}: {done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def revision() -> str:
    """Name the commit of this checkout."""
    words = ["git", "-C", str(ROOT), "rev-parse", "--short=8", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def place(row: Row, seeds: Sequence[int]) -> dict[str, Any]:
    """Place and route with each seed."""
    planned = make(
        Path(row.network), board=row.board, fps=row.fps, clock=row.clock, folding=row.folding_file
    )
    plan, board = planned.plan, planned.board
    asked = [seed for seed in seeds if not row.seeds or seed <= row.seeds]
    reports = try_seeds(
        LinkedAccelerator(plan, clock_hz=board.clock.sync_hz, baud=board.link.baud),
        board,
        name=plan.name,
        seeds=asked,
        cycles_per_image=plan.cycles,
        progress=lambda step: print(f"   {step}", flush=True),
    )
    first = reports[0]
    routed = [report.seed for report in reports]
    return {
        "board": row.board,
        "device": first.device,
        "usage": first.to_dict()["usage"],
        "sync_mhz": first.sync_hz / 1e6,
        "fmax_mhz": [report.fmax_mhz for report in reports],
        "slowest": [str(report.slowest) for report in reports],
        "seeds": routed,
        "unrouted": [seed for seed in asked if seed not in routed],
        "cycles": first.cycles_per_image,
        "fps": first.fps,
        "tools": first.tools,
        "identity": plan.identity,
        "revision": revision(),
    }


def more(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Join what other seeds gave to a row.

    Raises
    ------
    SystemExit
        If what was placed is not the same, or a seed is there already.
    """
    for key in ("identity", "usage", "tools", "sync_mhz", "cycles"):
        if old[key] != new[key]:
            raise SystemExit(f"{key} must be {old[key]!r} as in the row, not {new[key]!r}")
    if set(old["seeds"]) & {*new["seeds"], *new["unrouted"]}:
        raise SystemExit(f"Seeds must be others than {old['seeds']}, not {new['seeds']}")
    lists = ("fmax_mhz", "slowest", "seeds", "unrouted")
    return {**old, **{key: old.get(key, []) + new[key] for key in lists}}


def measure(row: Row, seeds: Sequence[int]) -> dict[str, Any]:
    """Place and route with each seed, simulate once."""
    placed = place(row, seeds)
    few = ["--limit", str(row.limit)] if row.limit else []
    expect = ["--expect", row.reference] if row.reference else []
    simulated = ask(
        "simulate", row.network, "--images", row.images, *expect, "--board", row.board, *few,
        *row.options,
    )  # fmt: skip
    exact(row.name, placed["cycles"], simulated)
    # Paths of this machine stay out of the page.
    options = [Path(word).name if "/" in word else word for word in row.options]
    kept = ("images", "compared", "mismatches", "cycles_per_image", "latency", "accuracy")
    return {**placed, "options": options, "simulated": {key: simulated[key] for key in kept}}


def exact(name: str, planned: int, simulated: dict[str, Any]) -> None:
    """Hold the clocks of an image that were measured against the plan's.

    Raises
    ------
    SystemExit
        If they differ: then the plan is wrong, and so is whatever is made of it.
    """
    measured = simulated["cycles_per_image"]
    if measured != planned:
        raise SystemExit(f"{name} takes {measured:g} clocks an image, not {planned} as planned")


def clock_of(result: dict[str, Any]) -> float:
    """Give the clock in MHz: the one asked for, or the median Fmax where no seed reaches it."""
    reached = result["fmax_mhz"]
    asked: float = result["sync_mhz"]
    return asked if max(reached) >= asked else statistics.median(reached)


def page(results: dict[str, dict[str, Any]]) -> str:
    """Write the tables."""
    built = [
        "| build | LUT4 | FF | block RAM | DSP | MHz | Fmax MHz | met | clocks/image | fps | at |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    compared = [
        "| build | images | values compared | mismatches | clocks/image, measured | accuracy |",
        "|---|---|---|---|---|---|",
    ]
    tools: set[str] = set()
    for name, result in sorted(results.items()):
        use = {kind: f"{u['used']:,} of {u['available']:,}" for kind, u in result["usage"].items()}
        reached = result["fmax_mhz"]
        met = sum(one >= result["sync_mhz"] for one in reached)
        fmax = (
            f"{statistics.median(reached):.1f} ({min(reached):.1f} … {max(reached):.1f}) | "
            f"{met} of {len(reached) + len(result.get('unrouted', ()))}"
        )
        built.append(
            f"| {name} ({result['device']}) | {use['lut4']} | {use['ff']} | {use['ebr']} | "
            f"{result['usage'].get('dsp', {'used': 0})['used']} | "
            f"{result['sync_mhz']:g} | {fmax} | {result['cycles']:,} | "
            f"{1e6 * clock_of(result) / result['cycles']:,.0f} | "
            f"{result.get('revision', '')} |"
        )
        run = result["simulated"]
        right = "–" if run["accuracy"] is None else f"{100 * run['accuracy']:.2f} %"
        compared.append(
            f"| {name} | {run['images']:,} | {run['compared']:,} | {run['mismatches']} | "
            f"{run['cycles_per_image']:,g} | {right} |"
        )
        tools |= {f"{tool} {version}" for tool, version in result["tools"].items()}
    intro = _INTRO.format(tools=", ".join(sorted(tools)))
    lines = [*built, "", "## Simulation", "", *compared, ""]
    return intro + "\n".join(lines)


def main() -> int:
    """Measure what was asked for and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=Path, default=ROOT.parent / "shared" / "models")
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--seeds", type=int, default=5, help="the last of them")
    parser.add_argument("--first", type=int, default=1, help="above 1: adds seeds to a row")
    args = parser.parse_args()
    results = json.loads(STORE.read_text()) if STORE.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(args.models):
            if args.only in row.name:
                print(f"-- {row.name}", flush=True)
                there, seeds = written(row, Path(folder)), range(args.first, args.seeds + 1)
                results[row.name] = (
                    more(results[row.name], place(there, seeds))
                    if args.first > 1
                    else measure(there, seeds)
                )
                STORE.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
                PAGE.write_text(page(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
