# amaranth: UnusedElaboratable=no
"""`bnnhw simulate`: every simulator, references, stalls, and one document whatever comes out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.graph import Graph

KEYS = {
    "network", "identity", "simulator", "images", "compared", "mismatches", "differences",
    "cycles_per_image", "cycles_formula", "latency", "accuracy", "seconds", "passed",
    "images_per_second",
}  # fmt: skip


@pytest.fixture
def reference(graph: Graph, pixels: np.ndarray) -> dict[str, Any]:
    found = golden.run(graph, pixels, path="plain", trace=True)
    assert found.classes is not None
    return {
        "logits": found.logits.astype(np.int32),
        "pred": found.classes.astype(np.uint8),
        "tap01_act": found.edges["s0"][:3].astype(np.int8),
    }


@pytest.mark.parametrize("simulator", ["verilator", "icarus", "pysim"])
def test_json(cli, model: Path, pictures: Path, reference: Any, simulator: str) -> None:
    np.savez("ref.npz", **reference)
    done = cli(
        "simulate", model, "--images", pictures, "--expect", "ref.npz", "--simulator", simulator,
        "--limit", 20, "--json",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    facts = done.document
    assert set(facts) == KEYS
    assert (facts["images"], facts["mismatches"], facts["passed"]) == (20, 0, True)
    assert facts["differences"] == [] and facts["accuracy"] is None
    # Three words of logits leave for each image, and the solver folds the rest below that.
    assert facts["cycles_per_image"] == facts["cycles_formula"] == 3
    # Edges and the reference: 20 × (12 + 6 + 3 + 3) values at least, and 20 × 4 + 3 × 6.
    assert facts["compared"] >= 20 * 24 + 20 * 4 + 18
    assert facts["simulator"] == simulator


def test_text_and_labels(cli, tmp_path: Path, model: Path, pixels: Any, reference: Any) -> None:
    labels = reference["pred"].astype(np.int64)
    labels[:3] = (labels[:3] + 1) % 3
    np.savez("labelled.npz", x=pixels, y=labels)
    done = cli("simulate", model, "--images", "labelled.npz")
    assert done.code == 0
    assert "90.00 % of the labels" in done.out and "0 differ" in done.out
    assert "3 measured, 3 planned" in done.out
    steps = done.err.splitlines()
    assert all(line.startswith("… ") for line in steps)
    assert {"… simulating", "… comparing with the golden model"} <= set(steps)


def test_folding_and_stalls(cli, model: Path, pictures: Path) -> None:
    Path("f.toml").write_text("[layer.fc0]\npe=1\nsimd=5\n[layer.fc1]\npe=2\nsimd=1\n")
    words = ["simulate", model, "--images", pictures, "--folding", "f.toml", "--json"]
    words += ["--simulator", "pysim"]
    free = cli(*words).document
    assert free["cycles_per_image"] == 6 * 3 and free["passed"]
    slow = cli(*words, "--stall-in", 95, "--stall-out", 50, "--seed", 3).document
    assert slow["passed"] and slow["cycles_per_image"] > free["cycles_per_image"]
    assert slow["compared"] == free["compared"]


@pytest.mark.parametrize("name", ["logits", "pred", "tap01_act"])
def test_wrong_reference_fails(cli, model, pictures, reference, name: str) -> None:
    reference[name].flat[-1] += 2
    np.savez("ref.npz", **reference)
    words = ["simulate", model, "--images", pictures, "--expect", "ref.npz"]
    done = cli(*words, "--json")
    last = done.refused(1, f"differ; first at reference.{name}: image ")
    assert last.startswith("Check that model, folding and reference belong together")
    assert set(done.document) == KEYS  # One document, that of the simulation.
    assert (done.document["mismatches"], done.document["passed"]) == (1, False)
    assert done.document["differences"][0]["where"] == f"reference.{name}"
    text = cli(*words)
    assert text.code == 1 and f"reference.{name}" in text.out


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"logits": np.zeros((30, 4), int)}, "'logits' of type int64 and shape (30, 4)"),
        ({"pred": np.zeros(29, int)}, "'pred' for 29 images; 30 are simulated"),
        ({"tap01_act": np.zeros((3, 7), int)}, "'tap01_act' of type int64 and shape (3, 7)"),
        ({"tap07_act": np.zeros((3, 7), int)}, "'tap07_act', but 'tiny' has no such layer"),
        ({"logits": None, "pred": None}, "neither 'logits' nor 'pred'"),
    ],
)
def test_reference_of_something_else(cli, model, pictures, reference, change, what) -> None:
    merged = {k: v for k, v in {**reference, **change}.items() if v is not None}
    np.savez("ref.npz", **merged)
    done = cli("simulate", model, "--images", pictures, "--expect", "ref.npz", "--json")
    done.refused(2, what)
    assert done.document["error"]["exit_code"] == 2


def test_bundled_network(cli, bundled: Path) -> None:
    done = cli(
        "simulate", bundled / "digits_mlp.onnx", "--images", bundled / "digits_test.npz",
        "--expect", bundled / "digits_mlp_expected.npz", "--json",
    )  # fmt: skip
    facts = done.document
    labels = np.load(bundled / "digits_test.npz")["y"]
    told = np.load(bundled / "digits_mlp_expected.npz")["pred"]
    assert (facts["mismatches"], facts["images"]) == (0, len(labels))
    assert facts["accuracy"] == pytest.approx((labels == told).mean())
