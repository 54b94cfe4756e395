"""The study of the clipping threshold: its page says what its rows say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.clip_study import CLIPS, END, START, page, verdict, write

DOCS = Path(__file__).resolve().parents[3] / "docs"


def rows_of(shares: dict[float, list[float]]) -> list[dict[str, Any]]:
    effort = {"epochs": 3, "copies": 10, "batch": 64, "teacher_epochs": 15, "seconds": 9.9}
    return [
        {"t_clip": clip, "seed": seed, "validation": share, "test": 0.5 + share / 4, **effort}
        for clip, found in shares.items()
        for seed, share in enumerate(found)
    ]


def test_page_is_made_of_the_rows() -> None:
    rows = json.loads((DOCS / "training.json").read_text(encoding="utf-8"))
    assert {row["t_clip"] for row in rows} == set(CLIPS)
    assert len(rows) == len(CLIPS) * len({row["seed"] for row in rows}) >= 25
    text = (DOCS / "training.md").read_text(encoding="utf-8")
    assert text.partition(START)[2].partition(END)[0] == page(rows)


def test_figures(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    shares = {clip: rng.uniform(0.9, 1, 5).tolist() for clip in CLIPS}
    rows = rows_of(shares)
    text = page(rows)
    for found in shares.values():
        v = 100 * np.array(found)
        cells = f"| {v.mean():.2f} | {np.median(v):.2f} | {v.std(ddof=1):.2f} | "
        assert cells + f"{v.min():.2f} to {v.max():.2f} |" in text
    (tmp_path / "training.md").write_text(f"before\n{START}old\n{END}after\n", encoding="utf-8")
    write(rows, tmp_path)
    told = (tmp_path / "training.md").read_text(encoding="utf-8")
    assert told == f"before\n{START}{text}{END}after\n"
    assert (tmp_path / "plots" / "training-clip.svg").stat().st_size > 5000


@pytest.mark.parametrize(("step", "clear"), [(0.02, True), (0.0005, False)])
def test_verdict(step: float, clear: bool) -> None:
    noise = np.array([0, 1, -1, 2, -2]) / 1000
    shares = {clip: (0.9 + noise).tolist() for clip in CLIPS}
    shares[1.2] = (0.9 + step + noise[::-1]).tolist()
    text = "\n".join(verdict(rows_of(shares)))
    assert "Best mean in validation: **1.2**." in text
    assert ("(t-test, 5 %): 1.2." in text) == clear
    assert ("more than chance explains" in text) == (not clear)
    assert f"| 1.2 | +{100 * step:.2f} ± " in text
