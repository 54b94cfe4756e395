"""Build and simulate the networks of docs/results.md, and write its tables.

    .venv/bin/python scripts/results.py [--models DIR] [--only NAME] [--seeds N]

Each row is built with `bnnhw build` and simulated with `bnnhw simulate`; nothing is copied from an
earlier run but rows that this run was not asked for. Networks other than the bundled one are read
from DIR, `../shared/models` by default, and left out where that is absent.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "bnnhw" / "data"
PAGE = ROOT / "docs" / "results.md"
STORE = ROOT / "docs" / "results.json"
BNNHW = Path(sys.executable).with_name("bnnhw")


_INTRO = """# Results

Written by `scripts/results.py`; nothing here is copied by hand. Each build holds the network behind
its serial link (`bnnhw build`), meets its clock, and was placed with the seeds 1, 2, …; fps is the
clock divided by the clocks of an image, without the line. LUT4 are logic cells on iCE40. Verilog
of the same folding was run in Verilator (`bnnhw simulate --expect`) and held against the golden
model at every layer edge, and against the reference of others: logits, classes, taps.

Tools: {tools}.

## Place and route

"""


@dataclass(frozen=True)
class Row:
    """One build.

    Parameters
    ----------
    name, network, images, reference : str
        Of the row, and files.
    board : str
    limit : int or None
        Images to simulate.
    options : tuple of str
        Of build and simulation.
    """

    name: str
    network: str
    images: str
    reference: str
    board: str
    limit: int | None = None
    options: tuple[str, ...] = ()


def rows(models: Path) -> list[Row]:
    """Give all rows whose files are there."""
    digits = ("digits_mlp.onnx", "digits_test.npz", "digits_mlp_expected.npz")
    network, images, expected = (str(DATA / name) for name in digits)
    found = [
        Row(f"digits on {board}", network, images, expected, board)
        for board in ("icebreaker", "ulx3s-85f")
    ]
    mnist = str(models / "images" / "mnist_test_0000_4999.npz")

    def reference(network: str, images: str = "mnist_test_0000_4999") -> str:
        return str(models / "reference" / f"{network}__{images}.npz")

    def file_of(name: str) -> str:
        return str(models / "networks" / f"{name}.npz")

    tfc = str(models / "qonnx" / "TFC_1W1A.onnx")
    found += [
        Row("TFC W1A1 on icebreaker", tfc, mnist, reference("mnist_tfc_w1a1"), "icebreaker"),
        Row("TFC W1A1 on ulx3s-85f", tfc, mnist, reference("mnist_tfc_w1a1"), "ulx3s-85f"),
        Row("TFC W1A2 on icebreaker", file_of("mnist_tfc_w1a2"), mnist,
            reference("mnist_tfc_w1a2"), "icebreaker", None, ("--clock", "18")),
        Row("LFC W1A1 on ulx3s-85f", file_of("mnist_lfc_w1a1"), mnist,
            reference("mnist_lfc_w1a1"), "ulx3s-85f", 1000, ("--fps", "20000")),
        Row("CNV W1A1 on ulx3s-85f", file_of("cifar10_cnv_w1a1"),
            str(models / "images" / "cifar10_lossless_eran100.npz"),
            reference("cifar10_cnv_w1a1", "cifar10_lossless_eran100"), "ulx3s-85f"),
    ]  # fmt: skip
    return [row for row in found if Path(row.network).exists()]


def ask(*words: str) -> dict[str, Any]:
    """Run a command of bnnhw and read its JSON."""
    done = subprocess.run([str(BNNHW), *words, "--json"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"bnnhw {' '.join(words)}: {done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def measure(row: Row, seeds: int) -> dict[str, Any]:
    """Build with each seed, simulate once."""
    with tempfile.TemporaryDirectory() as out:
        built = [
            ask("build", row.network, "--board", row.board, "-o", f"{out}/{seed}",
                "--seed", str(seed), *row.options)
            for seed in range(1, seeds + 1)
        ]  # fmt: skip
    few = ["--limit", str(row.limit)] if row.limit else []
    simulated = ask(
        "simulate", row.network, "--images", row.images, "--expect", row.reference,
        "--board", row.board, *few, *row.options,
    )  # fmt: skip
    first = built[0]
    return {
        "board": row.board,
        "device": first["device"],
        "options": list(row.options),
        "usage": first["usage"],
        "sync_mhz": first["sync_hz"] / 1e6,
        "fmax_mhz": [build["fmax_mhz"] for build in built],
        "seeds": [build["seed"] for build in built],
        "cycles": first["cycles_per_image"],
        "fps": first["fps"],
        "tools": first["tools"],
        "identity": first["identity"],
        "simulated": {
            key: simulated[key]
            for key in ("images", "compared", "mismatches", "cycles_per_image", "accuracy")
        },
    }


def page(results: dict[str, dict[str, Any]]) -> str:
    """Write the tables."""
    built = [
        "| build | LUT4 | FF | block RAM | clock MHz | Fmax MHz (median) | clocks/image | fps |",
        "|---|---|---|---|---|---|---|---|",
    ]
    compared = [
        "| build | images | values compared | mismatches | clocks/image, measured | accuracy |",
        "|---|---|---|---|---|---|",
    ]
    tools: set[str] = set()
    for name, result in sorted(results.items()):
        use = {kind: f"{u['used']:,} of {u['available']:,}" for kind, u in result["usage"].items()}
        fmax = f"{statistics.median(result['fmax_mhz']):.1f} ({len(result['seeds'])} seeds)"
        built.append(
            f"| {name} ({result['device']}) | {use['lut4']} | {use['ff']} | {use['ebr']} | "
            f"{result['sync_mhz']:g} | {fmax} | {result['cycles']:,} | {result['fps']:,.0f} |"
        )
        run = result["simulated"]
        compared.append(
            f"| {name} | {run['images']:,} | {run['compared']:,} | {run['mismatches']} | "
            f"{run['cycles_per_image']:,g} | {100 * run['accuracy']:.2f} % |"
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
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    results = json.loads(STORE.read_text()) if STORE.exists() else {}
    for row in rows(args.models):
        if args.only in row.name:
            print(f"-- {row.name}", flush=True)
            results[row.name] = measure(row, args.seeds)
            STORE.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
            PAGE.write_text(page(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
