# amaranth: UnusedElaboratable=no
"""Networks that a top-k ends: at every edge, against a reference, and through the driver."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bnnhw import driver, golden
from bnnhw.errors import DeviceError, UsageError
from bnnhw.graph import Graph, TopK
from bnnhw.link.payload import Packing
from bnnhw.plan import Plan, TopKPlan, manifest
from rtl_gen.network import network_verilog
from sim.board import SimulatedBoard
from sim.interpreted import record_pysim
from sim.network import simulate
from sim.samples import check, images, network, planned

CLASSES, K = 6, 4


def ranked(seed: int = 2, k: int = K) -> Graph:
    graph = network([12, 7, CLASSES], seed)
    last = graph.argmax
    assert last is not None
    top = TopK("best", last.inputs, last.offset, k=k)
    return Graph("net", (*graph.nodes[:-1], top), graph.outputs)


def plan_of(graph: Graph) -> Plan:
    return planned(graph, [(2, 4), (3, 7)])


def expected(graph: Graph, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the best classes and their logits, sorted here."""
    logits = golden.run(graph, seen).logits
    node = graph.argmax
    assert isinstance(node, TopK)
    rows = (logits + node.offset).tolist()
    best = [[c for _, c in sorted((-x, c) for c, x in enumerate(row))[: node.k]] for row in rows]
    return np.array(best), np.take_along_axis(logits, np.array(best), axis=1)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of(ranked())


@pytest.fixture(scope="module")
def seen(plan: Plan) -> np.ndarray:
    return images(plan.graph, 40, 5)


def test_the_plan_says_it(plan: Plan) -> None:
    last = plan.answer
    assert isinstance(last, TopKPlan) and last.kind == "topk"
    assert (last.elements_in, last.elements_out, last.cycles) == (CLASSES, K, CLASSES)
    assert (last.stages, last.latency) == (1, CLASSES)
    sink = manifest(plan)["output"]
    assert (sink["classes"], sink["top"]) == (CLASSES, K)
    assert plan.identity != plan_of(ranked(k=K - 1)).identity


@pytest.mark.parametrize("k", [1, CLASSES])
@pytest.mark.parametrize("stall", [0, 60])
def test_every_edge(k: int, stall: int) -> None:
    plan = plan_of(ranked(3, k))
    seen = images(plan.graph, 12, 1)
    compared = check(plan, record_pysim(plan, seen, stall_in=stall, stall_out=stall), seen)
    assert compared > 12 * (7 + CLASSES + 2 * k)


@pytest.mark.parametrize("bit", [0, 4, 6])
def test_a_wrong_answer_is_caught(plan: Plan, seen: np.ndarray, bit: int) -> None:
    """A planted fault in a logit, in a class, and in the end of a frame."""
    recording = record_pysim(plan, seen[:4])
    assert plan.answer.bits_out == 3
    words = recording.words["best"].copy()
    words[5, 0] ^= np.uint64(1 << bit)
    recording.words["best"] = words
    with pytest.raises(AssertionError):
        check(plan, recording, seen[:4])


def test_simulate_against_a_reference(plan: Plan, seen: np.ndarray) -> None:
    best, _ = expected(plan.graph, seen)
    logits = golden.run(plan.graph, seen).logits
    reference = {"logits": logits, "pred": best[:, 0], "top": best}
    verilog, _ = network_verilog(plan)
    given: dict[str, Any] = {"labels": best[:, 0], "simulator": "pysim"}
    report = simulate(plan, verilog, seen, reference=reference, **given)
    assert report.passed and report.accuracy == 1.0
    assert report.cycles_per_image == plan.cycles
    wrong = best.copy()
    wrong[7, K - 1] = (wrong[7, K - 1] + 1) % CLASSES
    report = simulate(plan, verilog, seen, reference=reference | {"top": wrong}, **given)
    assert [d.where for d in report.differences] == ["reference.top"] and report.mismatches == 1
    with pytest.raises(UsageError, match=r"^The reference has 'top' of type int64"):
        simulate(plan, verilog, seen, reference=reference | {"top": best[:, :2]}, **given)


def test_answers_of_the_simulated_board(plan: Plan, seen: np.ndarray) -> None:
    described = manifest(plan)
    best, logits = expected(plan.graph, seen)
    assert len({tuple(row) for row in best.tolist()}) > 5
    with SimulatedBoard(plan, clock_hz=12_000_000, baud=1_000_000) as board:
        with driver.open(board.url, manifest=described, timeout=3.0) as device:
            answers = device.predict(seen)
            assert (device.info.classes, device.info.answer_bytes) == (CLASSES, 2 * K)
        assert answers.top is not None
        assert np.array_equal(answers.top, best)
        assert np.array_equal(answers.classes, best[:, 0])
        assert np.array_equal(answers.logits, logits)
        other = described | {"output": described["output"] | {"top": K - 1}}
        with pytest.raises(DeviceError, match="frames, answers and classes"):
            driver.open(board.url, manifest=other, timeout=3.0)


@pytest.mark.parametrize("top", [0, -1, CLASSES + 1, "2", 1.0, True])
def test_manifest_wrong(plan: Plan, top: Any) -> None:
    described = manifest(plan)
    with pytest.raises(UsageError, match=r"^This is no manifest that a driver can use: "):
        Packing.from_manifest(described | {"output": described["output"] | {"top": top}})


def test_a_class_that_does_not_exist(plan: Plan) -> None:
    packing = Packing.from_manifest(manifest(plan))
    assert packing.answer_bytes == 2 * K
    good = bytes([3, 0, 2, 1, 1, 5, 0, 2])
    logits, classes = packing.unpack([good])
    assert classes.tolist() == [[0, 1, 5, 2]]
    assert logits.tolist() == [[packing.low + packing.step * code for code in (3, 2, 1, 0)]]
    with pytest.raises(DeviceError, match=r"^The board named class 6 of 6\."):
        packing.unpack([good[:-1] + b"\x06"])
    assert replace(packing, top=None).answer_bytes == CLASSES + 1
