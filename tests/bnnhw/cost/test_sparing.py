"""Ways that spare block RAMs: offered where they do, and taken where block RAMs are few."""

from dataclasses import replace
from pathlib import Path

import bnnhw.data
from bnnhw.cost import estimate
from bnnhw.cost.solve import solve
from bnnhw.cost.sparing import sparing
from bnnhw.fold import LayerFold
from bnnhw.fold.layers import Layer
from bnnhw.load import load_model
from bnnhw.plan import make_plan
from bnnhw.target import Budget

LAYER = Layer("conv", 64, 576, vectors=36, channels=64, pixels=64)


def spends(fold: LayerFold) -> int:
    return -(-72 // fold.hold) + 2 * (fold.replay == "auto")


def test_only_what_spares_more_is_offered() -> None:
    fold = LayerFold(64, 64)
    found = list(sparing(LAYER, fold, spends(fold), spends))
    assert [(way.hold, way.replay) for way in found] == [
        (1, "lut"), (2, "auto"), (2, "lut"), (3, "auto"), (3, "lut"), (4, "auto"), (4, "lut"),
        (6, "auto"), (6, "lut"), (9, "auto"),
    ]  # fmt: skip
    assert {way.weights for way in found[1:]} == {"block"}
    assert not list(sparing(LAYER, fold, 5, lambda fold: 5))


def test_what_cannot_share_is_offered_nothing() -> None:
    fold = LayerFold(64, 64)
    for layer in (
        replace(LAYER, weight_bits=8),
        replace(LAYER, groups=2),
        replace(LAYER, channels=None),
        replace(LAYER, vectors=7),
    ):
        assert all(way.hold == 1 for way in sparing(layer, fold, spends(fold), spends))
    assert all(way.hold == 1 for way in sparing(LAYER, LayerFold(64, 64, "lut"), 74, spends))


def test_few_block_rams_are_shared() -> None:
    graph = load_model(Path(bnnhw.data.__file__).parent / "digits_cnn.onnx")
    many = Budget(lut4=40_000, ff=40_000, ebr=200, ebr_bits=18_432)
    few = replace(many, ebr=20)
    rich = solve(graph, "ecp5", many, fps=50_000, clock_hz=50e6)
    poor = solve(graph, "ecp5", few, fps=50_000, clock_hz=50e6)
    for folding in (rich, poor):
        found = estimate(graph, folding, "ecp5")
        assert make_plan(graph, folding).cycles == found.cycles <= 1000
    assert estimate(graph, rich, "ecp5").cost.ebr > 20 >= estimate(graph, poor, "ecp5").cost.ebr
    assert any(fold.hold > 1 for fold in poor.layers.values())
