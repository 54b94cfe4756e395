"""`bnnhw import`: graphs saved, compared with what frameworks gave, and the first layer named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.graph import Graph, load_graph

DATA = Path(__file__).resolve().parents[2] / "data/torch"


def told(graph: Graph, pixels: Any) -> dict[str, Any]:
    found = golden.run(graph, pixels, path="plain", trace=True)
    assert found.classes is not None
    return {"x": pixels, "logits": found.logits, "pred": found.classes,
            "tap_s0": found.edges["s0"][:5]}  # fmt: skip


def test_saved_and_equal(cli, model: Path, graph: Graph, pixels: Any) -> None:
    np.savez("check.npz", **told(graph, pixels))
    done = cli("import", model, "--check", "check.npz", "--out", "out.json", "--name", "other")
    assert done.code == 0, done.err
    assert "100.00%" in done.out
    saved = load_graph(Path("out.json"))
    assert saved.name == "other"
    assert np.array_equal(golden.run(saved, pixels).logits, golden.run(graph, pixels).logits)
    facts = cli("import", model, "--check", "check.npz", "--json").document
    assert facts["check"]["passed"] and facts["check"]["first"] is None
    assert [layer["edge"] for layer in facts["check"]["layers"]] == ["s0"]
    assert cli("import", model, "--json").document["check"] is None


@pytest.mark.parametrize("what", ["logits", "pred", "tap_s0"])
def test_what_differs_is_named(cli, model: Path, graph: Graph, pixels: Any, what: str) -> None:
    arrays = told(graph, pixels)
    changed = arrays[what].copy()
    changed[2] = -changed[2] if what != "pred" else (changed[2] + 1) % 3
    np.savez("check.npz", **arrays | {what: changed})
    done = cli("import", model, "--check", "check.npz")
    names = {
        "logits": "scores differ",
        "pred": "96.67% of 30 images",
        "tap_s0": "layer that differs",
    }
    assert "--pixel" in done.refused(1, names[what])
    facts = cli("import", model, "--check", "check.npz", "--json").document
    assert not facts["check"]["passed"]
    assert facts["check"]["first"] == ("s0" if what == "tap_s0" else None)


def test_a_module_of_pytorch_against_itself(cli) -> None:
    exact, rounded = DATA / "signs.npz", DATA / "melius.npz"
    assert cli("import", exact, "--check", exact).code == 0
    done = cli("import", rounded, "--check", rounded)
    assert "100.00% are asked for" in " ".join(done.err.split())
    facts = cli("import", rounded, "--check", rounded, "--agree", "0.9", "--json").document["check"]
    assert facts["passed"] and facts["first"] is None and facts["rounded"]
    assert any(layer["exact"] for layer in facts["layers"])
    assert any(layer["bound"] > 0 for layer in facts["layers"])
    # Another reading of the pixels is another network, and every layer behind them says so.
    done = cli("import", exact, "--check", exact, "--pixel", "byte")
    assert "The first layer that differs is 'conv1' (conv1)" in " ".join(done.err.split())
    assert done.code == 1


def test_wrong(cli, model: Path, pixels: Any) -> None:
    np.savez("check.npz", x=pixels)
    done = cli("import", model, "--check", "check.npz")
    assert "logits=scores" in done.refused(2, "neither 'logits' nor 'pred'")
    np.savez("check.npz", x=pixels, logits=np.zeros((30, 4)))
    assert "channels" in cli("import", model, "--check", "check.npz").refused(2, "(30, 4)")
    np.savez("check.npz", x=pixels, pred=np.zeros(3, int))
    assert "every image" in cli("import", model, "--check", "check.npz").refused(2, "for 3 images")
    np.savez("check.npz", x=pixels, pred=np.zeros(30, int), tap_nothing=np.zeros((30, 4)))
    done = cli("import", model, "--check", "check.npz")
    assert "Its layers are x, " in done.refused(2, "'tap_nothing', which is no layer of 'tiny'")
