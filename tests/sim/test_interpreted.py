# amaranth: UnusedElaboratable=no
"""Three simulators, one recording; and what the four-valued one sees that the others cannot."""

import re

import numpy as np
import pytest

from bnnhw.errors import CheckFailed
from bnnhw.plan import Plan
from rtl_gen.accelerator import Accelerator
from rtl_gen.tools import ToolFailed
from rtl_gen.verilog import emit
from sim.compiled import Recording, compile_accelerator
from sim.interpreted import record_icarus, record_pysim
from sim.samples import check, images, network, planned

GRAPH = network((10, 7, 5, 3), 1)
IMAGES = images(GRAPH, 4, 2)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return planned(GRAPH, [(3, 4), (2, 3), (2, 2)])


@pytest.fixture(scope="module")
def text(plan: Plan) -> str:
    return emit(Accelerator(plan), name=plan.name, header={})[0]


def same(one: Recording, other: Recording) -> bool:
    """Every word, every answer's clock, and the length of the run."""
    assert one.words.keys() == other.words.keys()
    words = all(np.array_equal(one.words[name], other.words[name]) for name in one.words)
    return words and np.array_equal(one.ends, other.ends) and one.clocks == other.clocks


@pytest.mark.parametrize("stalls", [(0, 0), (40, 60)])
def test_three_simulators_agree_in_every_clock(plan: Plan, text: str, stalls) -> None:
    settings = {"stall_in": stalls[0], "stall_out": stalls[1], "seed": 7}
    compiled = compile_accelerator(plan, text).run(IMAGES, **settings)
    assert same(compiled, record_pysim(plan, IMAGES, **settings))
    assert same(compiled, record_icarus(plan, text, IMAGES, **settings))
    assert check(plan, compiled, IMAGES) > len(IMAGES) * len(plan.blocks)
    if stalls == (0, 0):
        assert set(np.diff(compiled.ends)) == {plan.cycles}


def test_stalls_depend_on_the_seed(plan: Plan) -> None:
    one, other = (record_pysim(plan, IMAGES, stall_in=50, seed=seed) for seed in (1, 2))
    assert one.ends.tolist() != other.ends.tolist()


def test_words_wider_than_64_bits() -> None:
    graph = network((70, 22, 2), 3)
    plan = planned(graph, [(22, 70), (1, 22)])
    seen = images(graph, 2, 4)
    pysim = record_pysim(plan, seen)
    check(plan, pysim, seen)
    text, _ = emit(Accelerator(plan), name=plan.name, header={})
    assert same(pysim, record_icarus(plan, text, seen))


def test_progress(plan: Plan) -> None:
    counts: list[int] = []
    record_pysim(plan, IMAGES, progress=counts.append)
    assert counts == [1, 2, 3, 4]


def mutated(text: str, pattern: str, replacement: str) -> str:
    changed, count = re.subn(pattern, replacement, text, count=1)
    assert count == 1 and changed != text
    return changed


def test_unknown_word_is_caught(plan: Plan, text: str) -> None:
    """A bit that nothing ever set."""
    broken = mutated(text, r"(assign fc0_word = )(\w+);", r"\1{\2[3:1], 1'bx};")
    with pytest.raises(CheckFailed, match=r"word of edge 'fc0' has unknown bits at clock \d+"):
        record_icarus(plan, broken, IMAGES)


def test_unknown_ready_is_caught(plan: Plan, text: str) -> None:
    broken = mutated(text, r"assign guard_ready = \w+;", "assign guard_ready = 1'bx;")
    with pytest.raises(CheckFailed, match=r"ready of edge 'guard' has unknown bits at clock 0"):
        record_icarus(plan, broken, IMAGES)


def test_use_of_what_was_not_offered_is_caught(plan: Plan, text: str) -> None:
    """The payload is unknown while `valid` is low; a guard that looks at it spoils its state."""
    broken = mutated(text, r"i__valid\(i_valid\)", "i__valid(i_valid | i_last)")
    with pytest.raises(CheckFailed, match="edge 'guard' has unknown bits"):
        record_icarus(plan, broken, IMAGES, stall_in=50)


def test_held_ready_is_caught(plan: Plan, text: str) -> None:
    broken = mutated(text, r"best_ready\(o_ready\)", "best_ready(1'b0)")
    with pytest.raises(CheckFailed, match="nothing moved for .* clocks; 0 of 1 frames"):
        record_icarus(plan, broken, IMAGES[:1])


def test_text_that_is_no_verilog(plan: Plan) -> None:
    with pytest.raises(ToolFailed, match="syntax error"):
        record_icarus(plan, "module net(; endmodule", IMAGES)


def test_withdrawn_offer_is_caught_in_pysim(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    from rtl_gen import blocks
    from rtl_gen.argmax import Argmax

    original = Argmax.elaborate

    def hasty(self, platform):
        m = original(self, platform)
        m.d.sync += self.o.valid.eq(self.i.valid)
        return m

    monkeypatch.setattr(blocks.Argmax, "elaborate", hasty)
    with pytest.raises(CheckFailed, match="edge 'best' took back an offer at clock"):
        record_pysim(plan, IMAGES, stall_out=70)


@pytest.mark.parametrize("edge", ["guard", "fc0", "fc1", "fc2", "fc2_lanes", "best"])
def test_wrong_or_missing_word_is_named(plan: Plan, edge: str) -> None:
    recording = record_pysim(plan, IMAGES)
    words = recording.words[edge]
    recording.words[edge] = words ^ (np.arange(len(words)) == 1)[:, None].astype(np.uint64)
    with pytest.raises(AssertionError, match=f"where='{edge}'"):
        check(plan, recording, IMAGES)
    recording.words[edge] = words[:-1]
    with pytest.raises(AssertionError, match=f"where='{edge}', what='expected .* words, found"):
        check(plan, recording, IMAGES)
