# amaranth: UnusedElaboratable=no
"""Every kind of difference is planted in a good recording, found, and named."""

import re
from typing import Any

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.errors import UsageError
from bnnhw.plan import Plan
from sim.compare import Difference, Tally, check_reference, compare, compare_reference
from sim.compiled import Recording, word_bits
from sim.interpreted import record_pysim
from sim.network import Report
from sim.samples import images, network, planned

GRAPH = network((10, 7, 5, 3), 1)
IMAGES = images(GRAPH, 6, 2)
TRACE = golden.run(GRAPH, IMAGES, path="plain", trace=True)
assert TRACE.classes is not None
EDGES = ["guard", "fc0", "fc1", "fc2", "fc2_lanes", "best"]
REFERENCE = {
    "logits": TRACE.logits.astype(np.int32),
    "pred": TRACE.classes.astype(np.uint8),
    "tap00_acc": TRACE.edges["fc0"][:3].astype(np.int32),
    "tap01_act": TRACE.edges["s0"][:3].astype(np.int8),
    "tap04_acc": TRACE.edges["fc2"][:3].astype(np.int32),
    "meta": np.array("{}"),
    "score": np.zeros((6, 3), np.float32),
}


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Lanes are left over in the last word of the guard, of fc0 and of fc1."""
    return planned(GRAPH, [(3, 4), (2, 3), (2, 2)])


@pytest.fixture(scope="module")
def recorded(plan: Plan) -> Recording:
    return record_pysim(plan, IMAGES)


@pytest.fixture
def recording(recorded: Recording) -> Recording:
    """Give a copy of good words, to be spoilt."""
    words = {name: array.copy() for name, array in recorded.words.items()}
    return Recording(words, recorded.ends, recorded.clocks)


def tallied(plan: Plan, recording: Recording) -> Tally:
    tally = Tally()
    compare(plan, recording, TRACE.edges, tally)
    return tally


def flip(recording: Recording, edge: str, word: int, bit: int) -> None:
    recording.words[edge][word, bit // 64] ^= np.uint64(1 << bit % 64)


def test_good_recording(plan: Plan, recording: Recording) -> None:
    tally = Tally()
    values, classes = compare(plan, recording, TRACE.edges, tally)
    assert tally.differences == []
    # Values of the edges, running classes, spare lanes and `last` of every word, for 6 images.
    spare = {"guard": 2, "fc0": 2, "fc1": 1, "fc2_lanes": 0}
    each = (10 + 7 + 5 + 3 + 3 + 3) + 3 + sum(spare.values()) + (3 + 3 + 3 + 2 + 3 + 3)
    assert tally.compared == 6 * each
    assert values["fc2"].tolist() == TRACE.logits.tolist()
    assert classes.tolist() == REFERENCE["pred"].tolist()


@pytest.mark.parametrize("edge", EDGES)
def test_wrong_value(plan: Plan, recording: Recording, edge: str) -> None:
    block = next(block for block in plan.blocks if block.name == edge)
    flip(recording, edge, 4 * block.words_out, 0)
    (found,) = tallied(plan, recording).differences
    assert (found.where, found.count) == (edge, 1)
    assert re.fullmatch(r"image 4, element 0: expected -?\d+, found -?\d+", found.what)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("word", [0, -1])
def test_wrong_last(plan: Plan, recording: Recording, edge: str, word: int) -> None:
    block = next(block for block in plan.blocks if block.name == edge)
    flip(recording, edge, word, word_bits(block) - 1)
    (found,) = tallied(plan, recording).differences
    assert (found.where, found.count) == (f"{edge}.last", 1)
    place = (0, 0) if word == 0 else (5, block.words_out - 1)
    told, seen = (0, 1) if word == 0 else (1, 0)
    assert found.what == f"image {place[0]}, element {place[1]}: expected {told}, found {seen}"


@pytest.mark.parametrize(("edge", "bit"), [("guard", 3), ("fc0", 1), ("fc1", 1)])
def test_wrong_padding(plan: Plan, recording: Recording, edge: str, bit: int) -> None:
    flip(recording, edge, -1, bit)
    (found,) = tallied(plan, recording).differences
    assert (found.where, found.count) == (f"{edge}.padding", 1)


def test_wrong_running_index(plan: Plan, recording: Recording) -> None:
    flip(recording, "best", 3, plan.answer.bits_out)
    (found,) = tallied(plan, recording).differences
    assert (found.where, found.count) == ("best.index", 1)
    assert found.what.startswith("image 1, element 0: expected 0, found 1")


@pytest.mark.parametrize("edge", EDGES)
def test_missing_word(plan: Plan, recording: Recording, edge: str) -> None:
    count = len(recording.words[edge])
    recording.words[edge] = recording.words[edge][:-1]
    found = tallied(plan, recording).differences[0]
    assert found.where == edge
    assert found.what == f"expected {count} words, found {count - 1}"


@pytest.mark.parametrize("edge", EDGES)
def test_missing_word_in_the_middle(plan: Plan, recording: Recording, edge: str) -> None:
    recording.words[edge] = np.delete(recording.words[edge], 1, axis=0)
    tally = tallied(plan, recording)
    assert edge in [found.where for found in tally.differences]
    assert f"{edge}.last" in [found.where for found in tally.differences]


@pytest.mark.parametrize("edge", EDGES)
def test_surplus_word(plan: Plan, recording: Recording, edge: str) -> None:
    words = recording.words[edge]
    recording.words[edge] = np.concatenate([words, words[-1:]])
    (found,) = tallied(plan, recording).differences
    expected = f"expected {len(words)} words, found {len(words) + 1}"
    assert found == Difference(edge, expected, 1)


def test_all_differences_of_an_edge_are_counted(plan: Plan, recording: Recording) -> None:
    tally = Tally()
    for start in (0, 6):
        tally.first = start
        broken = Recording(
            {name: array.copy() for name, array in recording.words.items()}, recording.ends, 0
        )
        flip(broken, "fc0", 5, 0)
        flip(broken, "fc0", 6, 0)
        compare(plan, broken, TRACE.edges, tally)
    (found,) = tally.differences
    assert (found.where, found.count, tally.mismatches) == ("fc0", 4, 4)
    assert found.what.startswith("image 1, element 6: ")


def test_number_of_the_image_in_a_later_batch(plan: Plan, recording: Recording) -> None:
    flip(recording, "best", 0, 0)
    tally = Tally(first=256)
    compare(plan, recording, TRACE.edges, tally)
    assert tally.differences[0].what.startswith("image 256, element 0: ")


def against(plan: Plan, recording: Recording, reference: dict[str, Any]) -> Tally:
    tally = Tally()
    values, classes = compare(plan, recording, TRACE.edges, tally)
    assert not tally.differences
    before = tally.compared
    check_reference(GRAPH, reference, len(IMAGES))
    compare_reference(GRAPH, reference, values, classes, TRACE.edges, tally)
    tally.compared -= before
    return tally


def test_good_reference(plan: Plan, recording: Recording) -> None:
    tally = against(plan, recording, REFERENCE)
    assert tally.differences == []
    assert tally.compared == 6 * 3 + 6 + 3 * (7 + 7 + 3)


@pytest.mark.parametrize("name", ["logits", "pred", "tap00_acc", "tap01_act", "tap04_acc"])
def test_reference_differs(plan: Plan, recording: Recording, name: str) -> None:
    array = REFERENCE[name].copy()
    array[(2, *[0] * (array.ndim - 1))] += 1
    (found,) = against(plan, recording, {**REFERENCE, name: array}).differences
    assert (found.where, found.count) == (f"reference.{name}", 1)
    assert found.what.startswith("image 2, element 0: expected ")


@pytest.mark.parametrize("name", ["logits", "pred", "tap01_act"])
def test_reference_differs_by_a_fraction(plan: Plan, recording: Recording, name: str) -> None:
    array = REFERENCE[name].astype(np.float64)
    array.flat[0] += 0.25
    (found,) = against(plan, recording, {**REFERENCE, name: array}).differences
    assert found.where == f"reference.{name}"


@pytest.mark.parametrize("only", ["logits", "pred"])
def test_one_array_is_reference_enough(plan: Plan, recording: Recording, only: str) -> None:
    assert against(plan, recording, {only: REFERENCE[only]}).compared == REFERENCE[only].size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": None, "pred": None}, r"^The reference has neither 'logits' nor 'pred'\.$"),
        ({"logits": np.zeros((6, 4), int)}, r"^The reference has 'logits' of type int64 and sha"),
        ({"logits": np.zeros(6, int)}, r"'logits' of type int64 and shape \(6,\)\.$"),
        ({"logits": np.array(3)}, r"'logits' of type int64 and shape \(\)\.$"),
        ({"logits": np.full((6, 3), "x")}, r"'logits' of type <U1 and shape \(6, 3\)\.$"),
        ({"pred": np.zeros((6, 3), int)}, r"'pred' of type int64 and shape \(6, 3\)\.$"),
        ({"pred": np.zeros(5, int)}, r"^The reference has 'pred' for 5 images; 6 are simulated"),
        ({"logits": np.zeros((0, 3), int)}, r"'logits' of type int64 and shape \(0, 3\)\.$"),
        ({"tap01_act": np.zeros((3, 8), int)}, r"'tap01_act' of type int64 and shape \(3, 8\)"),
        ({"tap09_act": np.zeros((3, 7), int)}, r"has 'tap09_act', but 'net' has no such layer"),
        ({"tap00_act": np.zeros((3, 7), int)}, r"has 'tap00_act', but 'net' has no such layer"),
    ],
)
def test_reference_wrong(change: dict[str, Any], message: str) -> None:
    reference = {k: v for k, v in {**REFERENCE, **change}.items() if v is not None}
    with pytest.raises(UsageError) as caught:
        check_reference(GRAPH, reference, 6)
    assert re.search(message, caught.value.what)
    assert caught.value.todo


@pytest.mark.parametrize(
    ("compared", "mismatches", "passed"), [(0, 0, False), (9, 1, False), (9, 0, True)]
)
def test_nothing_compared_is_no_pass(compared: int, mismatches: int, passed: bool) -> None:
    report = Report("net", "", "verilator", 1, compared, mismatches, (), 1.0, 1, 1, None, 0.0)
    assert report.passed is passed
    assert report.to_json()["passed"] is passed
    assert report.to_json()["images_per_second"] == 0
