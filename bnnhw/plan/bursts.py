"""Words that come in bursts: who holds them up, and whether the blocks before can make good for it.

A block that is held up offers a word until its reader takes it. Everything before it up to the last
sliding window stands still with it and then goes on at its own pace, which is quicker than that of
the network unless one of these blocks is the slowest. Where that is not enough, the reader would
wait for later words, in every frame, and a queue must stand between.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeGuard

import numpy as np
import numpy.typing as npt

from .blocks import Block, ConverterPlan, GuardPlan, WindowPlan
from .joints import ForkPlan, PermutePlan, QueuePlan
from .parallel import ParallelWindowPlan, TernaryPlan
from .schedules import Schedules
from .units import UnitPlan

__all__ = ["Demand", "Demands", "may_wait", "slides"]

_Ints = npt.NDArray[np.int64]

# Earlier and later than any clock, however much is added.
_EVER, _NEVER = np.iinfo(np.int64).min // 4, np.iinfo(np.int64).max // 4


@dataclass(frozen=True, eq=False)
class Demand:
    """What a block asks of the words of an input, all frames one behind the other.

    Parameters
    ----------
    taken : array of int
        Clocks before which it does not take them.
    late : array of int
        Clocks at which they must be offered, or the network falls behind.
    """

    taken: _Ints
    late: _Ints

    def behind(self, offered: _Ints) -> int:
        """Count the clocks by which words come late at the most; not positive: none does.

        Parameters
        ----------
        offered : array of int
            Clocks at which words are offered by something that is held up by nothing. From a word
            that is held up on, everything is as much later as that one is taken later.
        """
        held = np.maximum.accumulate(self.taken - offered)
        return int((held + offered - self.late).max())


def slides(block: Block) -> bool:
    """Tell whether a block has lines of room, so that what is in front of it goes on."""
    return isinstance(block, WindowPlan) and not isinstance(block, ParallelWindowPlan)


def may_wait(block: Block) -> bool:
    """Tell whether it is known when a block takes a word.

    What has room for more than comes at once takes it at once.
    """
    if isinstance(block, ParallelWindowPlan):
        return True
    if isinstance(block, ConverterPlan) and block.lanes_out > block.lanes_in:
        return False
    return not isinstance(block, WindowPlan | QueuePlan | GuardPlan | ForkPlan | PermutePlan)


class Demands:
    """What every block of a network asks of its inputs, frames being sent at the network's pace.

    Parameters
    ----------
    blocks : list of Block
        With forks and queues; each behind the ones that it reads.
    cycles : int
        Clocks between two frames.
    needed : mapping of str to tuple of array of int
        Clocks of the steps that need words, for each input of a block, where nothing is held up.
    words : mapping of str to array of int
        Clocks at which words are offered, likewise.
    schedules : Schedules
        Of these blocks.
    """

    def __init__(
        self,
        blocks: list[Block],
        cycles: int,
        needed: Mapping[str, tuple[_Ints, ...]],
        words: Mapping[str, _Ints],
        schedules: Schedules,
    ) -> None:
        self._blocks = {block.name: block for block in blocks}
        self._cycles, self._needed, self._words = cycles, needed, words
        self._schedules = schedules
        self._frames = len(words[blocks[0].name]) // blocks[0].words_out
        self._readers = {source: block for block in blocks for source in block.sources}
        self._spare = self._all_spare(blocks)
        self._known: dict[tuple[str, int], Demand] = {}

    def of(self, block: Block, place: int) -> Demand:
        """Give what a block asks of one of its inputs."""
        key = block.name, place
        if key not in self._known:
            self._known[key] = self._made(block, place)
        return self._known[key]

    def met(self, block: Block, place: int) -> bool:
        """Tell whether the blocks before an input can make good for its being held up.

        Where a window leaves whole and could do so by itself, all that counts is what is in front
        of it: there a word is one pixel.
        """
        demand, source = self.of(block, place), block.sources[place]
        waits = demand.taken - self._words[source]
        if waits.max() <= 0:
            return True
        window = self._window(source)
        if window is not None:
            return demand.behind(self._alone(window)) <= 0
        if waits.max() > self._spare[source]:
            return False
        return self._keeps_up(block, place, self._at_own_pace(self._chain(source)))

    def _made(self, block: Block, place: int) -> Demand:
        reader = self._readers.get(block.name)
        handed = isinstance(block, ParallelWindowPlan | TernaryPlan)
        if handed and reader is not None and may_wait(reader):
            behind = self.of(reader, reader.sources.index(block.name))
            if isinstance(block, TernaryPlan):
                return behind
            # Otherwise a queue will stand between the two.
            if behind.behind(self._alone(block)) <= 0:
                return self._handed_on(block, behind)
        came = self._words[block.sources[place]]
        late = self._late(block, place) + (self._cycles - block.cycles)
        if _replays(block):
            return Demand(_banked(block, came, self._words[block.name]), late)
        return Demand(self._needed[block.name][place], late)

    def _late(self, block: Block, place: int) -> _Ints:
        """Give the clocks at which words must come so that no step is later than it is."""
        schedule = self._schedules.of(block)
        clocks = self._needed[block.name][place].reshape(self._frames, -1) - schedule.before
        first = schedule.readers[place]
        ends = np.full((self._frames, 1), _NEVER)
        found: _Ints = np.concatenate((clocks, ends), axis=1)[:, first].reshape(-1)
        return found

    def _handed_on(self, window: Block, behind: Demand) -> Demand:
        """Give what a window asks that stands still while the one that it offers is not taken."""
        schedule = self._schedules.of(window)
        steps, gives, count = schedule.steps, schedule.gives, len(schedule.gives)
        # The step behind one that gives a window waits until that has been taken. The frame's last
        # windows may leave in steps of the next frame.
        over = int((gives + 1 >= steps).sum())
        begins = np.roll(np.where(gives + 1 >= steps, gives + 1 - steps, gives + 1), over)
        held = replace(
            schedule,
            needs=(*schedule.needs, (begins, np.arange(count))),
            words_in=(*schedule.words_in, count),
        )
        room = np.append(np.full(over, _EVER), behind.taken)[: len(behind.taken)]
        taken, *_ = held.times([self._words[window.sources[0]], room], self._frames)[0]
        starts = np.arange(self._frames)[:, None] * steps
        given = (starts + gives).reshape(-1)
        asked = (starts + schedule.needs[0][0]).reshape(-1)
        latest = np.minimum.accumulate((behind.late - schedule.after - given)[::-1])[::-1]
        latest = np.append(latest, _NEVER)
        late = latest[np.searchsorted(given, asked)] + asked - schedule.before
        return Demand(taken, late)

    def _window(self, source: str) -> Block | None:
        """Give the window that leaves whole through a source, unless something else does."""
        block = self._blocks[source]
        if isinstance(block, TernaryPlan):
            block = self._blocks[block.sources[0]]
        return block if isinstance(block, ParallelWindowPlan) else None

    def _alone(self, window: Block) -> _Ints:
        """Give the clocks of a window in front of which all words lie ready."""
        ready = np.arange(self._frames * window.words_in)
        return self._schedules.of(window).times([ready], self._frames)[1]

    def _chain(self, source: str) -> list[Block]:
        """Give what stands still with a block, back to the last sliding window, in order."""
        found, waiting = {source}, [source]
        while waiting:
            block = self._blocks[waiting.pop()]
            before = () if slides(block) else block.sources
            waiting += [name for name in before if name not in found]
            found |= set(before)
        return [block for name, block in self._blocks.items() if name in found]

    def _at_own_pace(self, chain: list[Block]) -> _Ints:
        """Give the clocks of the words that a chain makes if it were all of the network."""
        pace = max(max(block.cycles, block.words_in) for block in chain)
        starts = np.arange(self._frames)[:, None] * pace
        words: dict[str, _Ints] = {}
        for block in chain:
            came = [words[source] for source in block.sources if source in words]
            if not came:
                count = block.words_in
                came = [(starts + np.arange(count) * pace // count).reshape(-1)]
            words[block.name] = self._schedules.of(block).times(came, self._frames)[1]
        return words[chain[-1].name]

    def _keeps_up(self, block: Block, place: int, offered: _Ints) -> bool:
        """Tell whether a block and what stands still with it make a frame in the network's time.

        Words are offered at these clocks, and all as much later as one of them had to wait.
        """
        schedule = self._schedules.of(block)
        came = offered
        while True:
            needed, gone = schedule.times([came], self._frames)
            taken = _banked(block, came, gone) if _replays(block) else needed[place]
            held = np.maximum.accumulate(np.append(0, taken[:-1] - offered[:-1]))
            later = offered + held
            if np.array_equal(later, came):
                break
            came = later
        frames = came.reshape(self._frames, -1)
        return int((frames[-1] - frames[-2]).max()) <= self._cycles

    def _all_spare(self, blocks: list[Block]) -> dict[str, int]:
        """Count the clocks of a frame in which everything up to a block may stand still."""
        spare: dict[str, int] = {}
        for block in blocks:
            if slides(block):
                spare[block.name] = self._cycles
            else:
                before = [spare[source] for source in block.sources]
                spare[block.name] = min([self._cycles - block.cycles, *before])
        return spare


def _replays(block: Block) -> TypeGuard[UnitPlan]:
    """Tell whether a block reads vectors out of a replay buffer."""
    return isinstance(block, UnitPlan) and (block.neuron_folds > 1 or block.lot > 1)


def _banked(block: UnitPlan, came: _Ints, gone: _Ints) -> _Ints:
    """Give the clocks at which a unit with a replay buffer takes its words.

    One bank is read and one is filled, so that a vector waits until the last but one has been read:
    until the step that gives the last word of `gone` for it. Of vectors that are put into order it
    gives the first one.
    """
    size, results = block.synapse_folds * block.lot, block.neuron_folds * block.lot
    free = np.zeros(len(came), np.int64)
    ordered = block.lot > 1 and block.neuron_folds > 1
    read = gone[0 if ordered else results - 1 :: results] - block.latency
    # A buffer that is read 2 clocks behind its writer is read a clock before the array takes it.
    read = read + (2 - block.read_again)
    free[2 * size :] = np.repeat(read, size)[: max(0, len(came) - 2 * size)]
    number = np.arange(len(came))
    clocks: _Ints = np.maximum.accumulate(np.maximum(came, free) - number) + number
    return clocks
