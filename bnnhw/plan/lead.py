"""How far branches must be able to run ahead of a join, whatever the clocks: else it deadlocks."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .blocks import Block, ConverterPlan, GuardPlan, WindowPlan
from .joints import ForkPlan, PermutePlan
from .parallel import ParallelWindowPlan, TernaryPlan
from .schedule import Schedule
from .schedules import Schedules, windows_of_units

__all__ = ["leads"]

_Ints = npt.NDArray[np.int64]
# The last frame is pushed out by none, and the first finds everything empty.
_FRAMES = 4


@dataclass(frozen=True, eq=False)
class _Reach:
    """What a block has to do with the words that a fork in front of it passes.

    Parameters
    ----------
    needs : array of int, shape (words,)
        Words that the fork must have passed before each word of the block can be there: windows
        that leave whole wait until the next frame pushes them out, as they do once it has begun.
    leaves : array of int, shape (words of the fork + 1,)
        Words that must have left the block before the fork can have passed so many.
    """

    needs: _Ints
    leaves: _Ints


def leads(blocks: list[Block], schedules: Schedules) -> dict[tuple[str, int], int]:
    """Give the words that must fit in front of each input of a join, by its name and the input.

    A fork passes a word once all its copies are taken. So a join that waits for a word of one
    branch goes on only if the others take all that the fork passes until then; what must have left
    them for it, and the join does not read yet, must lie somewhere. No clocks are in this: it holds
    however the words are held up, where queues as deep as an undisturbed schedule asks for may not
    be enough.

    Parameters
    ----------
    blocks : list of Block
        With forks, without queues; each behind the ones that it reads.
    schedules : Schedules
        Of these blocks.

    Returns
    -------
    dict of (str, int) to int
        Without inputs that need nothing but the room in the blocks in front.
    """
    gates = _gates(blocks)
    known: dict[str, dict[str, _Reach]] = {}
    found: dict[tuple[str, int], int] = {}
    for number, block in enumerate(blocks):
        if len(block.sources) < 2:
            continue
        gate = gates[block.name]
        reaches = known.setdefault(gate, {})
        _extend(reaches, blocks[:number], gate, schedules, found)
        before = [reaches[source] for source in block.sources]
        for place in range(len(before)):
            lead = _lead(schedules.of(block), before, place)
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


def _extend(
    reaches: dict[str, _Reach],
    blocks: list[Block],
    gate: str,
    schedules: Schedules,
    queued: Mapping[tuple[str, int], int],
) -> None:
    """Add every block that has words from a gate alone; queues in front of joins are known.

    A window that a unit alone reads is looked at together with it.
    """
    windows = windows_of_units(blocks)
    inside = {window.name for window in windows.values()}
    for block in blocks:
        if block.name in reaches or block.name in inside:
            continue
        if block.name == gate:
            every = np.arange(_FRAMES * block.words_out + 1)
            reaches[gate] = _Reach(every[1:], every)
            continue
        window = windows.get(block.name)
        sources = (window or block).sources
        if not sources or not all(source in reaches for source in sources):
            continue
        before = [reaches[source] for source in sources]
        pushed = isinstance(block, ParallelWindowPlan)
        taken = [
            one.leaves - queued.get((block.name, place), 0) for place, one in enumerate(before)
        ]
        if window is not None:
            taken = [_left_window(window, taken[0])]
        schedule = schedules.of(block)
        leaves = [_left(block, schedule, place, count) for place, count in enumerate(taken)]
        reaches[block.name] = _Reach(
            _words(schedules.of(block, window), [one.needs for one in before], pushed),
            _latest(leaves),
        )


def _latest(found: list[_Ints]) -> _Ints:
    one: _Ints = found[0] if len(found) == 1 else np.maximum.reduce(found)
    return one


def _left(block: Block, schedule: Schedule, place: int, taken: _Ints) -> _Ints:
    """Give the words that must have left a block before it can take these many at an input."""
    taken = np.maximum(0, taken)
    if type(block) is WindowPlan:
        return _left_window(block, taken)
    wires = isinstance(block, (GuardPlan, ForkPlan, TernaryPlan))
    wires |= isinstance(block, ConverterPlan) and block.lanes_in == block.lanes_out
    wires |= isinstance(block, PermutePlan) and not block.latency
    if wires:
        return taken
    if schedule.passes:
        # The last one waits in a register.
        return np.maximum(0, taken - 1)
    at, _ = schedule.needs[place]
    frame, word = np.divmod(np.maximum(0, taken - 1), schedule.words_in[place])
    steps = np.append(at, schedule.steps + at[0])[schedule.readers[place][word]]
    steps += frame * schedule.steps
    frames = np.arange(_FRAMES)[:, None] * schedule.steps
    gives = np.maximum.accumulate((schedule.gives + frames).reshape(-1))
    before = np.searchsorted(gives, steps)
    # One waits in a register, unless the step that takes the word fills it again.
    waits = np.append(gives, -1)[before] != steps
    return np.where(taken > 0, np.maximum(0, before - waits), 0)


def _left_window(block: WindowPlan, taken: _Ints) -> _Ints:
    """Give the words that must have left a sliding window before its buffer has taken so many."""
    shape = block.shape
    y = np.arange(shape.out_height)[:, None] * shape.stride[0] - shape.padding[0]
    x = np.arange(shape.out_width) * shape.stride[1] - shape.padding[1]
    frames = np.arange(_FRAMES)[:, None] * shape.words_in
    begins = ((y * shape.width + x).reshape(-1) * shape.folds + frames).reshape(-1)
    # Words are kept from the first tap of the window at hand on.
    reach = np.maximum.accumulate(begins) + shape.depth - shape.overhang
    windows = np.searchsorted(reach, taken)
    # The last word of the window before waits in a register.
    return np.maximum(0, windows * shape.window_words - 1)


def _words(schedule: Schedule, came: list[_Ints], pushed: bool) -> _Ints:
    """Give the reach of each word that leaves, from those of the words that come in."""
    if schedule.passes:
        return _latest(came)
    steps, frames = schedule.steps, _FRAMES
    given = np.zeros((frames, len(schedule.gives)), np.int64)
    own = schedule.gives % steps if pushed else np.minimum(schedule.gives, steps - 1)
    for place, ((at, word), one) in enumerate(zip(schedule.needs, came, strict=True)):
        count = schedule.words_in[place]
        running = np.maximum.accumulate(one.reshape(frames, count)[:, word].reshape(-1))
        running = np.append(0, running)
        behind = np.searchsorted(at, own, side="right") if pushed else schedule.behind[-1][place]
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
    worst = 0
    for other, (steps, words) in enumerate(schedule.needs):
        if other == place:
            continue
        count = schedule.words_in[other]
        needed = reaches[other].needs.reshape(_FRAMES, count)[:-1, words]
        # All words before the one that is needed have passed every copy.
        there = reaches[place].leaves[needed - 1]
        read = np.searchsorted(at, steps, side="left")
        first = np.append(word, schedule.words_in[place])[read] + frames * schedule.words_in[place]
        worst = max(worst, int((there - first).max(initial=0)))
    return worst
