"""`bnnhw evaluate`: right answers counted here as well, and a picture that is always the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.graph import Graph


@pytest.fixture
def labels(graph: Graph, pixels: Any) -> Any:
    answers = golden.run(graph, pixels).classes
    assert answers is not None
    wrong = np.arange(len(answers)) % 5 == 0
    return np.where(wrong, (answers + 1) % 3, answers)


def test_counts(cli, model: Path, graph: Graph, pixels: Any, labels: Any) -> None:
    np.savez("images.npz", x=pixels, y=labels)
    logits = np.eye(3)[labels]
    np.savez("float.npz", logits=logits)
    done = cli("evaluate", model, "--images", "images.npz", "--expect", "float.npz", "--json")
    assert done.code == 0, done.err
    facts = done.document
    answers = golden.run(graph, pixels).classes
    assert facts["golden"] == {"right": 24, "accuracy": 0.8}
    assert facts["float"]["right"] == 30
    assert facts["float"]["same_class"] == 0.8
    matrix = [[int(np.sum((labels == a) & (answers == b))) for b in range(3)] for a in range(3)]
    assert facts["confusion"] == matrix
    assert np.array_equal(np.diag(facts["float"]["confusion"]), np.bincount(labels, minlength=3))
    assert facts["verilog"] is None
    text = cli("evaluate", model, "--images", "images.npz", "--limit", 10).out
    assert "8 right, 80.00%" in text


def test_verilog(cli, model: Path, pixels: Any, labels: Any) -> None:
    np.savez("images.npz", x=pixels, y=labels)
    done = cli("evaluate", model, "--images", "images.npz", "--verilog", "--simulator", "pysim",
               "--limit", 10, "--json")  # fmt: skip
    facts = done.document["verilog"]
    assert done.code == 0
    assert (facts["right"], facts["mismatches"], facts["simulator"]) == (8, 0, "pysim")
    assert facts["compared"] > 10 * 20


@pytest.mark.parametrize(("kind", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_picture(cli, model: Path, pixels: Any, labels: Any, kind: str, start: bytes) -> None:
    np.savez("images.npz", x=pixels, y=labels)
    seen = []
    for name in (f"a.{kind}", f"b.{kind}"):
        done = cli("evaluate", model, "--images", "images.npz", "--picture", name)
        assert done.code == 0 and name in done.out
        seen.append(Path(name).read_bytes())
    assert seen[0] == seen[1]
    assert seen[0].startswith(start)
    if kind == "svg":
        assert b"80.00% of 30 images right" in seen[0]


def test_wrong(cli, model: Path, pictures: Path, pixels: Any, labels: Any) -> None:
    assert "as y" in cli("evaluate", model, "--images", pictures).refused(2, "has no labels")
    np.savez("images.npz", x=pixels, y=labels)
    done = cli("evaluate", model, "--images", "images.npz", "--picture", "a.pdf")
    assert "such a name" in done.refused(2, "not 'a.pdf'")
    np.savez("float.npz", other=labels)
    done = cli("evaluate", model, "--images", "images.npz", "--expect", "float.npz")
    assert "pred=classes" in done.refused(2, "neither 'pred' nor 'logits'")
    np.savez("float.npz", pred=labels[:4])
    done = cli("evaluate", model, "--images", "images.npz", "--expect", "float.npz")
    assert "for each image" in done.refused(2, "4 answers of type int64 for 30 images")
    np.savez("images.npz", x=pixels, y=labels - 1)
    done = cli("evaluate", model, "--images", "images.npz")
    assert "from 0 on" in done.refused(2, "A label is below 0")
    np.savez("images.npz", x=pixels, y=labels)
    done = cli("evaluate", model, "--images", "images.npz", "--verilog", "--simulator", "none")
    assert "Choose one of" in done.refused(2, "no simulator 'none'")
