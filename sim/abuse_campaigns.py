"""Campaigns of abuse: which acts, one after the other, on any design that knows its answers."""

import random
from collections.abc import Callable, Iterable, Sequence

from .abuse import NEVER, TOGGLE, Act, Case, Outcome, judge
from .abuse_designs import Abused, Frame

__all__ = [
    "PATTERNS",
    "Play",
    "broken_frames",
    "duration",
    "gaps",
    "held",
    "resets",
    "run",
    "stalls",
    "uploads",
]

Play = Callable[[Sequence[Act]], list[Outcome]]
"""Plays acts, in whatever simulator."""

PATTERNS = (0, 25, 50, 75, 95, TOGGLE)
"""Stalls of each side."""


def _shown(stall: int) -> str:
    return "in turns" if stall == TOGGLE else f"{stall} %"


def _case(
    abused: Abused, frames: Sequence[Frame], what: str, *, gap: int = 0, **settings: int
) -> Case:
    """Make one act of frames back to back, or with gaps."""
    offers: dict[str, list[tuple[int, int]]] = {}
    for frame in frames:
        for name, words in frame.offers(gap).items():
            offers.setdefault(name, []).extend(words)
    answer = [word for frame in frames for word in frame.answer]
    return Case(Act(offers, len(answer), **settings), tuple(answer), what, abused.mask)


def _begin(abused: Abused) -> list[Case]:
    start = abused.start()
    return [] if start is None else [_case(abused, [start], "upload")]


def run(abused: Abused, cases: Sequence[Case], play: Play) -> int:
    """Play cases and judge; count the words compared."""
    begin = _begin(abused)
    outcomes = play([case.act for case in (*begin, *cases)])
    return judge(abused.design, (*begin, *cases), outcomes)


def stalls(abused: Abused, dice: random.Random, *, frames: int = 3) -> list[Case]:
    """Send the same frames, bad ones amid them, in every combination of stalls of both sides.

    What must leave is the same each time: it cannot depend on the stalls.
    """
    sent = [abused.good(dice) for _ in range(frames)]
    sent.insert(1, abused.bad(dice))
    return [
        _case(
            abused, sent, f"stalls of {_shown(a)} and {_shown(b)}",
            stall_in=a, stall_out=b, seed=dice.randrange(1 << 20),
        )
        for a in PATTERNS
        for b in PATTERNS
    ]  # fmt: skip


def broken_frames(abused: Abused, dice: random.Random, *, count: int = 60) -> list[Case]:
    """Send bad frames, each with good ones behind it, back to back and served in every way."""
    cases = []
    for number in range(count):
        bad = [abused.bad(dice) for _ in range(1 + dice.randrange(3))]
        sent = [*bad, abused.good(dice), abused.good(dice)]
        served = {"stall_in": dice.choice(PATTERNS), "stall_out": dice.choice(PATTERNS)}
        if not number:
            served = {"stall_in": 0, "stall_out": 0}
        what = f"{len(bad)} broken frames"
        cases.append(_case(abused, sent, what, seed=dice.randrange(1 << 20), **served))
    return cases


def gaps(
    abused: Abused, dice: random.Random, *, lengths: Iterable[int] = (0, 1, 2, 7, 60, 700)
) -> list[Case]:
    """Leave gaps of every length between frames, and serve only after as long."""
    cases = []
    for gap in lengths:
        for hold in (0, gap):
            sent = [abused.good(dice) for _ in range(3)]
            what = f"gaps of {gap}, {hold} clocks until it is served"
            cases.append(_case(abused, sent, what, gap=gap, hold=hold))
    return cases


def held(abused: Abused, dice: random.Random, *, frames: int = 24) -> list[Case]:
    """Serve nothing until everything is full, however many frames that takes; then go on."""
    sent = [abused.good(dice) for _ in range(frames)]
    # A hang is told after four frames.
    hold = abused.design.idle * frames // 4
    cases = [_case(abused, sent, f"{hold} clocks until it is served", hold=hold)]
    what = "full, and served in turns"
    return [*cases, _case(abused, sent, what, hold=hold, stall_out=TOGGLE, stall_in=50)]


def resets(
    abused: Abused,
    dice: random.Random,
    clocks: Iterable[int],
    *,
    frames: int = 2,
    stalled: bool = False,
    broken: bool = False,
) -> list[Case]:
    """Reset in each of these clocks amid frames; then send a good one.

    Parameters
    ----------
    abused : Abused
    dice : Random
    clocks : iterable of int
        From the start of the frames.
    frames : int
        On their way when reset comes.
    stalled : bool
        Whether both sides wait now and then; the sink then waits 60 % of the time, so that
        everything is full.
    broken : bool
        Whether the first frame is a bad one.
    """
    cases = []
    for clock in clocks:
        sent = [abused.good(dice) for _ in range(frames)]
        if broken:
            sent.insert(0, abused.bad(dice))
        served = {"stall_in": 30, "stall_out": 60} if stalled else {}
        seed = dice.randrange(1 << 20)
        what = f"reset at clock {clock}"
        cases.append(_case(abused, sent, what, seed=seed, reset_at=clock, **served))
        cases.append(_case(abused, [abused.good(dice)], f"frame behind a {what}"))
    return cases


def duration(abused: Abused, dice: random.Random, play: Play, **settings: int) -> int:
    """Measure the clocks of an act of two good frames."""
    cases = [_case(abused, [abused.good(dice) for _ in range(2)], "two frames", **settings)]
    begin = _begin(abused)
    outcomes = play([case.act for case in (*begin, *cases)])
    judge(abused.design, (*begin, *cases), outcomes)
    return outcomes[-1].clocks


def uploads(abused: Abused, dice: random.Random, *, count: int = 60) -> list[Case]:
    """Cut uploads off by `last` and by reset; behind a whole one a frame must be right."""
    start = abused.start()
    if start is None:
        return []
    cases = []
    words = start.words["i_load"]
    for _ in range(count):
        keep = dice.randrange(1, len(words))
        cut = [word & 0xFFFF for word in words[:keep]]
        kind = dice.randrange(3)
        if kind == 0:
            cut[-1] |= 1 << 16
            cases.append(_case(abused, [Frame({"i_load": cut}, [])], f"upload cut at {keep}"))
        elif kind == 1:
            act = Act(start.offers(), 0, reset_at=keep)
            cases.append(Case(act, (), f"upload, reset at {keep}", abused.mask))
        else:
            surplus = [*(word & 0xFFFF for word in words), *(7 for _ in range(keep))]
            surplus[-1] |= 1 << 16
            cases.append(_case(abused, [Frame({"i_load": surplus}, [])], f"{keep} words too many"))
        cases.append(_case(abused, [start], "whole upload", stall_in=dice.choice(PATTERNS)))
        sent = [abused.good(dice) for _ in range(2)]
        cases.append(_case(abused, sent, "frames behind an upload", stall_out=50))
    assert all(case.act.reset_at == NEVER or not case.expected for case in cases)
    return cases
