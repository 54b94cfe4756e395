# amaranth: UnusedElaboratable=no
"""A slice of `scripts/abuse.py`, and planted faults that its campaigns must see."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bnnhw.errors import CheckFailed
from rtl_gen.shell import list_ports
from rtl_gen.streams import port
from sim.abuse import NEVER, TOGGLE, Act, Case, Design, Outcome, judge
from sim.abuse_campaigns import Play, broken_frames, duration, gaps, resets, run, stalls, uploads
from sim.abuse_designs import Abused, AbusedNetwork, Frame, array_kinds
from sim.abuse_networks import NETWORKS
from sim.abuse_player import play_pysim


def player(abused: Abused) -> Play:
    return lambda acts: play_pysim(abused.design, acts)


@pytest.fixture(scope="module")
def dense() -> AbusedNetwork:
    return AbusedNetwork(NETWORKS["dense"]())


def test_all_stalls_of_a_network(dense: AbusedNetwork) -> None:
    cases = stalls(dense, random.Random(1), frames=2)
    assert len(cases) == 36 and len({case.expected for case in cases}) == 1
    assert run(dense, cases, player(dense)) == 36 * 3 * 3


def test_broken_frames_and_gaps_of_a_network(dense: AbusedNetwork) -> None:
    dice = random.Random(2)
    cases = broken_frames(dense, dice, count=20) + gaps(dense, dice, lengths=(0, 1, 7, 60))
    assert run(dense, cases, player(dense)) > 200


@pytest.mark.parametrize("stalled", [False, True])
def test_reset_in_every_clock_of_a_network(dense: AbusedNetwork, stalled: bool) -> None:
    dice = random.Random(3)
    clocks = duration(dense, dice, player(dense))
    assert clocks > 40
    cases = resets(dense, dice, range(clocks), stalled=stalled, broken=stalled)
    assert run(dense, cases, player(dense)) > 3 * clocks


@pytest.mark.parametrize("kind", array_kinds())
def test_arrays(kind: str) -> None:
    abused = array_kinds()[kind]
    dice, play = random.Random(4), player(abused)
    clocks = duration(abused, dice, play)
    cases = stalls(abused, dice, frames=2) + broken_frames(abused, dice, count=6)
    assert run(abused, cases + resets(abused, dice, range(clocks), stalled=True), play) > clocks


@pytest.mark.parametrize("name", ["branched", "pixels", "top"])
def test_other_networks(name: str) -> None:
    abused = AbusedNetwork(NETWORKS[name]())
    dice, play = random.Random(5), player(abused)
    at = [dice.randrange(500) for _ in range(3)]
    cases = broken_frames(abused, dice, count=1) + resets(abused, dice, at, frames=1, broken=True)
    assert run(abused, cases, play) > 9


def test_uploads_that_are_cut() -> None:
    abused = AbusedNetwork(NETWORKS["written"]())
    assert uploads(AbusedNetwork(NETWORKS["dense"]()), random.Random(6)) == []
    cases = uploads(abused, random.Random(6), count=5)
    assert any(case.act.reset_at != NEVER for case in cases)
    assert run(abused, cases, player(abused)) == 5 * 2 * 5


# Planted faults: a component that passes frames of three words, right or wrong.


class Passing(wiring.Component):
    """Pass each frame of three words, made so by counting, and end it with `last`."""

    def __init__(self, fault: str) -> None:
        self._fault = fault
        super().__init__({"i": In(port(1, 4)), "o": Out(port(1, 4))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = Signal(2, reset_less=self._fault == "no reset")
        stuck = Signal()
        step = ~self.o.valid | self.o.ready
        if self._fault == "drops":
            step = ~self.o.valid | self.o.ready | (self.i.payload.data[0] == 9)
        m.d.comb += self.i.ready.eq(step & ~stuck)
        with m.If(self.o.ready | (self._fault == "withdraws")):
            m.d.sync += self.o.valid.eq(0)
        with m.If(step & self.i.valid & ~stuck):
            m.d.sync += [
                self.o.valid.eq(1),
                self.o.payload.data.eq(self.i.payload.data),
                self.o.payload.last.eq(count == 2),
                count.eq(count + 1),
            ]
            with m.If(count == 2):
                m.d.sync += count.eq(0)
            if self._fault == "hangs":
                m.d.sync += stuck.eq(self.i.payload.last & (count != 2))
            if self._fault == "believes":
                with m.If(self.i.payload.last):
                    m.d.sync += count.eq(0)
        return m


class AbusedPassing:
    """It counts: `last` of its input means nothing."""

    mask = -1

    def __init__(self, fault: str = "") -> None:
        self.design = Design("passing", lambda: Passing(fault), idle=300)

    def start(self) -> Frame | None:
        return None

    def good(self, dice: random.Random) -> Frame:
        words = [dice.randrange(16) for _ in range(3)]
        answer = [*words[:2], words[2] | 16]
        return Frame({"i": answer}, answer)

    def bad(self, dice: random.Random) -> Frame:
        frame = self.good(dice)
        sent = [word & 15 | dice.randrange(2) << 4 for word in frame.answer]
        return Frame({"i": sent}, frame.answer)


def everything(abused: Abused) -> list[Case]:
    dice = random.Random(7)
    cases = stalls(abused, dice) + broken_frames(abused, dice, count=5)
    return cases + gaps(abused, dice, lengths=(3,)) + resets(abused, dice, range(6))


def test_a_right_one_passes() -> None:
    abused = AbusedPassing()
    assert run(abused, everything(abused), player(abused)) > 400


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no reset", r"act \d+ \(frame behind a reset at clock \d\): expected"),
        ("drops", r"an offer was taken back at clock \d+|expected"),
        ("withdraws", r"an offer was taken back at clock \d+"),
        ("hangs", r"nothing moved for 301 clocks"),
        ("believes", r"expected .*, found"),
    ],
)
def test_planted_faults_are_seen(fault: str, message: str) -> None:
    abused = AbusedPassing(fault)
    with pytest.raises(CheckFailed, match=message):
        run(abused, everything(abused), player(abused))


def acts_of(words: list[int]) -> Act:
    return Act({"i": [(word, 0) for word in words]}, len(words), stall_in=TOGGLE)


def judged(outcomes: list[Outcome], expected: tuple[int, ...] = (1, 2)) -> int:
    design = AbusedPassing().design
    return judge(design, [Case(acts_of([1, 2]), expected, "two words")], outcomes)


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        ([Outcome((1,), 3)], r"act 0 \(two words\): expected 1 2, found 1\."),
        ([Outcome((1, 2, 3), 3)], r"expected 1 2, found 1 2 3\."),
        ([Outcome((1, 2), 3, "a rule")], r"act 0 \(two words\): a rule\."),
        ([], r"ended after 0 of 1 acts"),
    ],
)
def test_verdicts(outcomes: list[Outcome], message: str) -> None:
    with pytest.raises(CheckFailed, match=message):
        judged(outcomes)
    assert judged([Outcome((1, 2), 3)]) == 2


def test_surplus_words_behind_the_last_act_are_seen() -> None:
    abused = AbusedPassing()
    with pytest.raises(CheckFailed, match="1 words came behind its answers"):
        act = Act({"i": [(word, 0) for word in (1, 2, 3)]}, 2)
        judge(abused.design, [Case(act, (1, 2), "less")], play_pysim(abused.design, [act]))


def test_words_that_are_too_wide_are_refused() -> None:
    def wide() -> Any:
        return wiring.Component({"i": In(port(1, 64)), "o": Out(port(1, 1))})

    given = ("", list_ports(wide().signature, "plain"))
    with pytest.raises(ValueError, match=r"^Stream 'i' must have at most 64 bits$"):
        _ = Design("w", wide, given=given).lanes
