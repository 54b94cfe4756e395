"""How far branches must be able to run ahead of a join, whatever the clocks: else it deadlocks."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .blocks import AffinePlan, Block, ConverterPlan, GuardPlan, ThresholdPlan
from .joints import AddPlan, ForkPlan, PermutePlan
from .parallel import ParallelWindowPlan
from .schedule import Schedule, schedule_of

__all__ = ["leads"]

_Ints = npt.NDArray[np.int64]
# The last frame is pushed out by none, and the first finds everything empty.
_FRAMES = 4
# What holds a word in a register while its reader waits, and gives a word for each.
_HOLDS = (AffinePlan, ThresholdPlan, AddPlan)


@dataclass(frozen=True, eq=False)
class _Reach:
    """How many words a fork must have passed before each word of a block can be there.

    Parameters
    ----------
    least, most : array of int
        Where windows that leave whole go without the next frame, and where each waits until the
        next frame pushes it out, as it does once that has begun.
    """

    least: _Ints
    most: _Ints


def leads(blocks: list[Block]) -> dict[tuple[str, int], int]:
    """Give the words that must fit in front of each input of a join, by its name and the input.

    A fork passes a word once all its copies are taken. So a join that waits for a word of one
    branch goes on only if the others take all that the fork passes until then; what they make of it
    and the join does not read yet must lie somewhere. No clocks are in this: it holds however the
    words are held up, where queues as deep as an undisturbed schedule asks for may not be enough.

    Parameters
    ----------
    blocks : list of Block
        With forks, without queues; each behind the ones that it reads.

    Returns
    -------
    dict of (str, int) to int
        Without inputs that need nothing but the registers of the blocks in front.
    """
    by_name = {block.name: block for block in blocks}
    schedules: dict[str, Schedule] = {}
    gates = _gates(blocks)
    known: dict[str, dict[str, _Reach]] = {}
    found: dict[tuple[str, int], int] = {}
    for block in blocks:
        if len(block.sources) < 2:
            continue
        gate = gates[block.name]
        if gate not in known:
            last = max(place for place, one in enumerate(blocks) if gates.get(one.name) == gate)
            known[gate] = _reaches(blocks[: last + 1], gate, schedules)
        reaches = [known[gate][source] for source in block.sources]
        schedule = schedules[block.name]
        for place, source in enumerate(block.sources):
            lead = _lead(schedule, reaches, place) - _held(by_name, source, gate)
            if lead > 0:
                found[block.name, place] = lead
    return found


def _gates(blocks: list[Block]) -> dict[str, str]:
    """Give for each join the last block through which all its words have come."""
    order = {block.name: place for place, block in enumerate(blocks)}
    through: dict[str, frozenset[str]] = {}
    found: dict[str, str] = {}
    for block in blocks:
        before = [through[source] for source in block.sources]
        shared = frozenset.intersection(*before) if before else frozenset()
        through[block.name] = shared | {block.name}
        if len(before) > 1:
            found[block.name] = max(shared, key=order.__getitem__)
    return found


def _reaches(blocks: list[Block], gate: str, schedules: dict[str, Schedule]) -> dict[str, _Reach]:
    """Give the reach of every block that has words from a gate alone."""
    found: dict[str, _Reach] = {}
    for block in blocks:
        if block.name == gate:
            every = np.arange(1, _FRAMES * block.words_out + 1)
            found[gate] = _Reach(every, every)
            continue
        if not block.sources or not all(source in found for source in block.sources):
            continue
        if block.name not in schedules:
            schedules[block.name] = schedule_of(block)
        schedule = schedules[block.name]
        before = [found[source] for source in block.sources]
        pushed = isinstance(block, ParallelWindowPlan)
        found[block.name] = _Reach(
            _words(schedule, [one.least for one in before], False),
            _words(schedule, [one.most for one in before], pushed),
        )
    return found


def _words(schedule: Schedule, came: list[_Ints], pushed: bool) -> _Ints:
    """Give the reach of each word that leaves, from those of the words that come in."""
    steps, frames = schedule.steps, _FRAMES
    given = np.zeros((frames, len(schedule.gives)), np.int64)
    own = schedule.gives % steps if pushed else np.minimum(schedule.gives, steps - 1)
    for (at, word), count, one in zip(schedule.needs, schedule.words_in, came, strict=True):
        running = np.maximum.accumulate(one.reshape(frames, count)[:, word].reshape(-1))
        running = np.append(0, running)
        behind = np.searchsorted(at, own, side="right")
        starts = np.arange(frames)[:, None] * len(at)
        given = np.maximum(given, running[starts + behind])
    if pushed:
        over = schedule.gives >= steps
        given[:-1, over] = given[1:, over]
        given[-1, over] = given[-1].max()
    words: _Ints = np.maximum.accumulate(given.reshape(-1))
    return words


def _lead(schedule: Schedule, reaches: list[_Reach], place: int) -> int:
    """Give the most words that an input has waiting while the join waits for another one."""
    frames = np.arange(_FRAMES - 1)[:, None]
    at, word = schedule.needs[place]
    own = reaches[place].least
    worst = 0
    for other, (steps, words) in enumerate(schedule.needs):
        if other == place:
            continue
        count = schedule.words_in[other]
        needed = reaches[other].most.reshape(_FRAMES, count)[:-1, words]
        # All words before the one that is needed have passed every copy.
        there = np.searchsorted(own, needed - 1, side="right")
        read = np.searchsorted(at, steps, side="left")
        first = np.append(word, schedule.words_in[place])[read] + frames * schedule.words_in[place]
        worst = max(worst, int((there - first).max(initial=0)))
    return worst


def _held(by_name: Mapping[str, Block], source: str, gate: str) -> int:
    """Count the words that stay in the registers in front of a join."""
    count = 0
    while source != gate:
        block = by_name[source]
        if isinstance(block, (ForkPlan, GuardPlan)):
            break
        # Only wires: no latency.
        wires = isinstance(block, ConverterPlan) and block.lanes_in == block.lanes_out
        wires |= isinstance(block, PermutePlan) and not block.latency
        count += not wires
        # What gives more or fewer words than it takes holds its last one, and what is in front of
        # it stands still somewhere else.
        if len(block.sources) > 1 or not (wires or isinstance(block, _HOLDS)):
            break
        source = block.sources[0]
    return count
