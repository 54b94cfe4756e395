# amaranth: UnusedElaboratable=no
"""The coverage plan: what bins mean, that only passed designs count, and a slice of each family."""

from typing import Any

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.errors import CheckFailed
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import Argmax, Conv, Dense, Flatten, Graph, Input, Threshold
from sim import coverage_run
from sim.compiled import Recording
from sim.coverage_bins import bins_of
from sim.coverage_cases import directed
from sim.coverage_plan import FAMILIES, PLAN, Collector, Feature
from sim.coverage_run import Sample, check, draw, family_text, promised
from sim.coverage_traffic import traffic


def test_plan_has_each_name_once() -> None:
    names = [feature.name for feature in PLAN]
    assert len(set(names)) == len(names)
    for feature in PLAN:
        assert len(set(feature.bins)) == len(feature.bins) and feature.what
        assert set(feature.elsewhere) <= set(FAMILIES)
    assert len(Collector("generic").wanted) > 180
    assert set(Collector("generic").wanted) - set(Collector("ecp5").wanted) == {"weights in: spram"}


def test_a_feature_of_families() -> None:
    feature = Feature("in", ("a", "b"), "where", {"ecp5": ("b",)})
    assert feature.of("ice40") == ["in: a", "in: b"] and feature.of("ecp5") == ["in: a"]


def test_collector_counts_what_is_in_the_plan() -> None:
    collector = Collector("ice40")
    collector.hit(["fork: 2"])
    collector.hit(["fork: 2", "fork: 3 or more"])
    assert collector.hits["fork: 2"] == 2 and "fork: 2" not in collector.missing
    with pytest.raises(ValueError, match=r"^Bins must be in the plan, not \['fork: 4'\]$"):
        collector.hit(["fork: 2", "fork: 4"])
    assert collector.hits["fork: 2"] == 2


def sample(stall_in: int = 0) -> Sample:
    """Five channels at four places, and three classes: each fold by hand."""
    weight = np.ones((6, 2, 2, 2), np.uint8)
    weight[1] = 0
    levels = np.array([-9, -6, 0, 8, 9, 8])[:, None]
    nodes = (
        Input("x", (), (2, 3, 3)),
        Conv("c", ("x",), weight),
        Threshold("s", ("c",), levels, np.array([1, 1, 1, 1, 1, -1])),
        Flatten("flat", ("s",)),
        Dense("fc", ("flat",), np.eye(3, 24, dtype=np.uint8)),
        Argmax("top", ("fc",), np.array([2, 0, 2])),
    )
    graph = Graph("net", nodes, ("fc", "top"))
    folding = Folding({"c": LayerFold(2, 1, "block"), "fc": LayerFold(2, 5, "lut")})
    return Sample(graph, folding, stall_in=stall_in, stall_out=90)


def test_bins_of_a_design_by_hand() -> None:
    made = sample()
    plan = made.plan("generic")
    codes = np.ones((2, 2, 3, 3), np.int64)
    trace = golden.run(made.graph, codes, path="plain", trace=True)
    found = bins_of(plan, trace.edges, stall_in=0, stall_out=90)
    assert found == {
        "stalls: none × much", "input bits: 1", "input lanes: one",
        "conv PE × SIMD: some × one", "dense PE × SIMD: ragged × ragged", "NF × SF: more × more",
        "NF × SF: 2 × more", "counter: SF × 2^n", "counter: SF × 2^n + 1", "counter: NF × 2^n - 1",
        "weights in: block", "weights in: lut", "activation bits: 1", "pipeline: 0",
        "thresholds: 1", "thresholds: none", "threshold at: always", "threshold at: inside",
        "threshold at: largest", "threshold at: never", "threshold at: least",
        "threshold turned: no", "threshold turned: yes", "count at: 0", "count at: all",
        "weights equal: row of -1", "weights equal: row of +1", "kernel: n × n", "kernel: even",
        "stride: 1", "dilation: 1", "padding: none", "groups: 1", "window: serial",
        "lanes: gear", "lanes: share", "lanes: tail", "classes: more", *winners(trace),
    }  # fmt: skip
    assert found <= set(Collector("generic").wanted)


def winners(trace: Any) -> set[str]:
    """Name the bins of the answers, from the logits alone."""
    scores = [[int(value) + (2, 0, 2)[k] for k, value in enumerate(row)] for row in trace.logits]
    found = set()
    for row in scores:
        places = [k for k, score in enumerate(row) if score == max(row)]
        found |= {"best: tie"} if len(places) > 1 else set()
        found |= {0: {"best: first"}, 2: {"best: last"}}.get(places[0], set())
    return found


def test_only_a_passed_design_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    collector = Collector("generic")
    assert not check(sample(), collector, limit=10)
    assert not collector.hits
    inner = coverage_run._record

    def spoiled(*given: Any) -> Recording:
        recording = inner(*given)
        words = recording.words["top"].copy()
        words[2] ^= np.uint64(1)
        recording.words["top"] = words
        return recording

    monkeypatch.setattr(coverage_run, "_record", spoiled)
    with pytest.raises(CheckFailed, match=r"^Sample 1 differs: \[Difference\(where='top'"):
        check(sample(), collector, limit=1000)
    assert not collector.hits
    monkeypatch.undo()
    assert check(sample(), collector, limit=1000)
    assert collector.hits["conv PE × SIMD: some × one"] == 1


@pytest.mark.parametrize("family", ["ice40", "ecp5"])
def test_families_are_simulated_in_their_own_structures(family: str) -> None:
    made = sample(30)
    text, _ = family_text(made.plan(family), family)
    assert ("DP16KD" in text) == (family == "ecp5")
    assert ("BNNHW_CARRY_" in text) == (family == "ecp5")
    collector = Collector(family)
    assert check(made, collector, limit=1000)
    step = {"ice40": "2", "ecp5": "1"}[family]
    assert collector.hits[f"pipeline: {step}"] == 1


def test_a_slice_of_the_portable_plan() -> None:
    collector = Collector("generic")
    for made in [*directed()[::6], *(draw(seed) for seed in range(4))]:
        check(made, collector, limit=300)
    assert len(collector.hits) > 80


@pytest.mark.parametrize("family", FAMILIES)
def test_directed_designs_lie_in_every_bin_but_those_of_traffic(family: str) -> None:
    """Not that they pass, which `scripts/coverage.py` shows; that nothing is left to chance."""
    found: set[str] = set()
    for made in directed():
        assert made.plan(family).cycles < 4000
        found |= promised(made, family)
    left = set(Collector(family).wanted) - found
    sent = {one for one in left if one.startswith(("frames: ", "toggling: ", "reset: "))}
    assert len(sent) == 7 + 3 + 3 and left - sent <= {"weights in: spram"}


@pytest.mark.slow
def test_traffic_of_the_portable_network() -> None:
    collector = Collector("generic")
    assert traffic(collector) > 1000
    wanted = [one for one in collector.wanted if one.startswith(("frames", "toggling", "reset"))]
    assert set(wanted) <= set(collector.hits)
