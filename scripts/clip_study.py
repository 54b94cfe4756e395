"""What the clipping threshold of gradients does: the digits CNN at five of them, over five seeds.

    python -m scripts.clip_study [--seeds N] [--epochs N] [--copies N] [--teacher-epochs N] [--page]

Needs the extra `train`. A seed decides what is trained with, what validates and what tests, the
teacher, and the first weights; the thresholds share all of these, so that they differ in nothing
else. Network and recipe are those of the bundled CNN, but for what the options shorten. Rows go
to docs/training.json as they come; those that are there already are not measured again. The part
of docs/training.md between its two marks, and the plot, are made of them; `--page` does only this.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .benches.pictures import COLOURS, picture

__all__ = ["CLIPS", "main", "page", "plot"]

CLIPS = (1.0, 1.1, 1.2, 1.3, 1.5)
ROOT = Path(__file__).resolve().parent.parent
START, END = "<!-- clip study: begin -->\n", "<!-- clip study: end -->\n"
FIRST_SEED = 1

Row = dict[str, Any]


def measure(seed: int, effort: dict[str, int], clips: Sequence[float]) -> list[Row]:
    """Train once for each threshold; the effort is the number of epochs and of other things."""
    from functools import partial

    import torch

    from bnnhw.train.data import digits
    from bnnhw.train.loop import Training, accuracy
    from bnnhw.train.nets import make_net
    from bnnhw.train.settings import recipe
    from bnnhw.train.teach import lesson, train_teacher

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    told = recipe("digits-cnn", "cnn")
    levels = told["levels"]
    data = digits(seed=seed, validation_share=0.15)
    guide = train_teacher(data.train, classes=10, epochs=effort["teacher_epochs"], seed=seed)
    work = lesson(data.train, guide, levels=levels, copies=effort["copies"], plain=1, seed=seed)
    rows = []
    for clip in clips:
        began = time.process_time()
        make = partial(
            make_net, "cnn", told["hidden"], shape=(len(levels), 8, 8), classes=10, t_clip=clip
        )
        training = Training(work, make, epochs=effort["epochs"], seed=seed, batch=effort["batch"])
        losses = [training.epoch()[0] for _ in range(effort["epochs"])]
        net = training.result()
        rows.append({
            "t_clip": clip, "seed": seed, **effort, "loss": losses[-1],
            "validation": accuracy(net, data.valid, levels),
            "test": accuracy(net, data.test, levels),
            "seconds": round(time.process_time() - began, 1), "torch": torch.__version__,
        })  # fmt: skip
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def of(rows: Sequence[Row], clip: float, key: str) -> list[float]:
    """Give the figures at one threshold, by seed."""
    found = sorted((row for row in rows if row["t_clip"] == clip), key=lambda row: row["seed"])
    return [float(row[key]) for row in found]


def page(rows: Sequence[Row]) -> str:
    """Give the rows as Markdown."""
    seeds, row = {row["seed"] for row in rows}, rows[0]
    spent = statistics.median(row["seconds"] for row in rows)
    conditions = (
        f"{len(seeds)} seeds; {row['epochs']} epochs of {row['copies'] + 1} copies of each image "
        f"in batches of {row['batch']} (the bundled network had 20 epochs of 32 copies, batches of "
        f"256), a teacher of {row['teacher_epochs']} epochs (40), about {spent:.0f} s of one core "
        "a run: a short training, whose figures are below those of the bundled network. Each seed "
        "has splits, a teacher and first weights of its own, which the thresholds share. Per cent "
        "of 216 validation and 360 test images: 0.46 and 0.28 are one image."
    )
    lines = [
        conditions,
        "",
        "| t_clip | validation: mean | median | sd | range | test: mean | median | sd | range |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for clip in CLIPS:
        cells = [f"{clip}"]
        for key in ("validation", "test"):
            v = [100 * value for value in of(rows, clip, key)]
            cells += [
                f"{statistics.mean(v):.2f}", f"{statistics.median(v):.2f}",
                f"{statistics.stdev(v):.2f}", f"{min(v):.2f} to {max(v):.2f}",
            ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *verdict(rows), "", "![Validation and test accuracy](plots/training-clip.svg)"]
    return "\n".join(lines) + "\n"


def verdict(rows: Sequence[Row]) -> list[str]:
    """Compare every threshold with 1.0 seed by seed, and say what is best in validation."""
    lines = [
        "Against t_clip 1.0, seed by seed (mean difference ± its standard error, in points):",
        "",
        "| t_clip | validation | test | seeds better, equal, worse in validation |",
        "|---|---|---|---|",
    ]
    clear = []
    for clip in CLIPS[1:]:
        cells = []
        for key in ("validation", "test"):
            pairs = zip(of(rows, clip, key), of(rows, 1.0, key), strict=True)
            steps = [100 * (a - b) for a, b in pairs]
            error = statistics.stdev(steps) / len(steps) ** 0.5
            cells.append(f"{statistics.mean(steps):+.2f} ± {error:.2f}")
            if key == "validation":
                counts = [sum(map(test, steps)) for test in (_better, _equal, _worse)]
                if abs(statistics.mean(steps)) > 2.78 * error:  # t, 5 seeds, 5 % on both sides
                    clear.append(f"{clip}")
        lines.append(f"| {clip} | {' | '.join(cells)} | {', '.join(map(str, counts))} |")
    best = max(CLIPS, key=lambda clip: statistics.mean(of(rows, clip, "validation")))
    lines += ["", f"Best mean in validation: **{best}**. " + (
        f"Clearly different from 1.0 in validation (t-test, 5 %): {', '.join(clear)}."
        if clear
        else "No threshold differs from 1.0 in validation by more than chance explains "
        "(t-test over the seeds, 5 %)."
    )]  # fmt: skip
    return lines


def _better(step: float) -> bool:
    return step > 1e-9


def _worse(step: float) -> bool:
    return step < -1e-9


def _equal(step: float) -> bool:
    return abs(step) <= 1e-9


def plot(rows: Sequence[Row], file: Path) -> None:
    """Draw every run as a dot, and the means as a line."""
    with picture(file, columns=2, width=7.0, height=3.0) as (left, right):
        for axes, key, colour in ((left, "validation", COLOURS[2]), (right, "test", COLOURS[0])):
            for clip in CLIPS:
                values = [100 * value for value in of(rows, clip, key)]
                axes.plot([clip] * len(values), values, "o", color=colour, alpha=0.45, ms=4)
            means = [100 * statistics.mean(of(rows, clip, key)) for clip in CLIPS]
            axes.plot(CLIPS, means, "-", color=COLOURS[6], linewidth=1.5, label="mean")
            axes.set(xlabel="t_clip", title=key, xticks=CLIPS)
            axes.legend(loc="lower right")
        left.set_ylabel("right, %")


def write(rows: Sequence[Row], folder: Path) -> None:
    """Put page and plot where they belong."""
    file = folder / "training.md"
    before, rest = file.read_text(encoding="utf-8").split(START)
    _, after = rest.split(END)
    file.write_text(before + START + page(rows) + END + after, encoding="utf-8")
    (folder / "plots").mkdir(exist_ok=True)
    plot(rows, folder / "plots" / "training-clip.svg")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--copies", type=int, default=10, help="distorted ones of each image")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--teacher-epochs", type=int, default=15)
    parser.add_argument("--page", action="store_true", help="measure nothing")
    args = parser.parse_args(arguments)
    effort = {key: getattr(args, key) for key in ("epochs", "copies", "batch", "teacher_epochs")}
    store = ROOT / "docs" / "training.json"
    rows: list[Row] = json.loads(store.read_text(encoding="utf-8")) if store.exists() else []
    for seed in () if args.page else range(FIRST_SEED, FIRST_SEED + args.seeds):
        if any(row[key] != value for row in rows for key, value in effort.items()):
            parser.error(f"{store} was measured with another effort: remove it first")
        known = [row["t_clip"] for row in rows if row["seed"] == seed]
        missing = [clip for clip in CLIPS if clip not in known]
        if missing:
            rows += measure(seed, effort, missing)
            store.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    write(rows, ROOT / "docs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
