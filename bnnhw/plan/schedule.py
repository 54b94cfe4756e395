"""Closed-form schedules of blocks: which step needs which word, and which step gives which."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .blocks import (
    AffinePlan,
    ArgmaxPlan,
    Block,
    ConverterPlan,
    GuardPlan,
    PoolPlan,
    ThresholdPlan,
    TopKPlan,
    WindowPlan,
)
from .joints import AddPlan, ConcatPlan, ForkPlan, PermutePlan, QueuePlan, SlicePlan
from .parallel import ParallelWindowPlan, TernaryPlan
from .units import IntMvtuPlan, MvtuPlan, UnitPlan

__all__ = ["Schedule", "schedule_of"]

_Ints = npt.NDArray[np.int64]

_NOTHING = -1
# Earlier than any clock, however much is added.
_NEVER = np.iinfo(np.int64).min // 2


@dataclass(frozen=True, eq=False)
class Schedule:
    """What a block does in a frame, one step a clock where nothing is missing.

    A step is made at the earliest clock that is later than that of the step before it and at least
    `before` later than that at which the words that it needs passed. Word n of the output is
    offered `after` clocks behind step ``gives[n]``; a number beyond the steps of the frame counts
    on from the last one, whatever the next frame does. No data decides anything.

    Only steps that need a word, or give one, are kept: a unit on one lane has far more.

    Parameters
    ----------
    steps : int
        Steps of a frame.
    needs : tuple of (array of int, array of int)
        For each input the words of a frame in order, each with the step that is the first to need
        it or a later one: steps, then words, both ascending.
    before : int
    gives : array of int, shape (words,)
        Step of each word that leaves, ascending.
    after : int or array of int, shape (words,)
    words_in : tuple of int
        Words of a frame of each input.
    """

    steps: int
    needs: tuple[tuple[_Ints, _Ints], ...]
    before: int
    gives: _Ints
    after: int | _Ints
    words_in: tuple[int, ...]

    def times(self, arrivals: list[_Ints], frames: int) -> tuple[tuple[_Ints, ...], _Ints]:
        """Give the clocks at which words are needed and leave.

        Parameters
        ----------
        arrivals : list of array of int
            Clocks at which the words of each input are offered, ascending; nothing holds them up.
        frames : int

        Returns
        -------
        taken : tuple of array of int
            Clocks of the steps in `needs`, for each input.
        words : array of int
        """
        if self.passes:
            # A word of every input at every step, and one leaves: the latest input decides.
            number = np.arange(frames * self.steps)
            came = arrivals[0] if len(arrivals) == 1 else np.maximum.reduce(arrivals)
            clocks = np.maximum.accumulate(came + self.before - number) + number
            return (clocks,) * len(arrivals), clocks + self.after
        # A step is as late as the latest word up to it makes it: the largest, over all words that
        # are needed by then, of a word's clock less its step.
        starts = np.arange(frames)[:, None] * self.steps
        late = []
        for place, ((at, word), count) in enumerate(zip(self.needs, self.words_in, strict=True)):
            slack = np.empty(frames * len(at) + 1, np.int64)
            slack[0] = _NEVER
            each = slack[1:].reshape(frames, -1)
            came = arrivals[place].reshape(frames, count)
            np.subtract(came if len(word) == count else came[:, word], at, out=each)
            each += self.before - starts
            late.append(np.maximum.accumulate(slack, out=slack))
        own = np.minimum(self.gives, self.steps - 1)
        *taken, given = (
            self._clocks(late, starts, at, behind)
            for at, behind in zip((*(at for at, _ in self.needs), own), self.behind, strict=True)
        )
        if self.gives[-1] >= self.steps:
            given += self.gives - own
        given += self.after
        return tuple(one.reshape(-1) for one in taken), given.reshape(-1)

    @cached_property
    def passes(self) -> bool:
        """Whether every step needs the next word of each input, and gives one."""
        if any(count != self.steps for count in self.words_in):
            return False
        every = np.arange(self.steps)
        lists = [self.gives, *(part for need in self.needs for part in need)]
        return all(np.array_equal(part, every) for part in lists)

    @cached_property
    def behind(self) -> list[list[_Ints]]:
        """How many words of each input are needed by the steps in `needs`, and by those that give.

        The frames do not change it, and finding it takes as long as all else.
        """
        own = np.minimum(self.gives, self.steps - 1)
        return [
            [_up_to(needed, at) for needed, _ in self.needs]
            for at in (*(at for at, _ in self.needs), own)
        ]

    @cached_property
    def readers(self) -> tuple[_Ints, ...]:
        """For each word of each input the place in `needs` of the step that takes it.

        A word that no step needs goes with the next one that is needed, behind the last one if
        there is none.
        """
        found = []
        for (_, word), count in zip(self.needs, self.words_in, strict=True):
            every = np.arange(count)
            if len(word) < count:
                needed = np.zeros(count + 1, np.int64)
                needed[word + 1] = 1
                every = np.cumsum(needed)[:-1]
            found.append(every)
        return tuple(found)

    def _clocks(self, late: list[_Ints], starts: _Ints, at: _Ints, behind: list[_Ints]) -> _Ints:
        """Give the clocks of some steps of all frames, shape (frames, steps)."""
        found: _Ints = np.empty((len(starts), len(at)), np.int64)
        for place, ((needed, _), running) in enumerate(zip(self.needs, late, strict=True)):
            for frame, clocks in enumerate(found):
                own = running[frame * len(needed) : (frame + 1) * len(needed) + 1]
                # All places are within, and without a check NumPy needs no copy.
                if place:
                    np.maximum(clocks, own.take(behind[place], mode="clip"), out=clocks)
                else:
                    own.take(behind[place], mode="clip", out=clocks)
        found += starts
        found += at
        return found


def _up_to(needed: _Ints, at: _Ints) -> _Ints:
    """Count for each step the steps in `needed` that are not later; both ascend."""
    if needed is at and (len(at) < 2 or (at[1:] > at[:-1]).all()):
        return np.arange(1, len(at) + 1)
    return np.searchsorted(needed, at, side="right")


def _dense(
    needs: list[_Ints], before: int, gives: _Ints, after: int, words_in: tuple[int, ...]
) -> Schedule:
    """Make a schedule from the word that each step needs, `_NOTHING` where it needs none.

    Words come in order: what is needed behind a later word is there.
    """
    found = []
    for words in needs:
        known = np.maximum.accumulate(np.append(_NOTHING, words[:-1]))
        steps = np.flatnonzero(words > known)
        found.append((steps, words[steps]))
    return Schedule(len(needs[0]), tuple(found), before, gives, after, words_in)


def _through(block: Block, latency: int, inputs: int = 1) -> Schedule:
    every = np.arange(block.words_out)
    needs = ((every, every),) * inputs
    return Schedule(len(every), needs, 0, every, latency, (len(every),) * inputs)


def _passes(block: GuardPlan | ForkPlan | TernaryPlan) -> Schedule:
    return _through(block, 0)


def _queue(block: QueuePlan) -> Schedule:
    return _through(block, block.latency)


def _threshold(block: ThresholdPlan) -> Schedule:
    return _through(block, block.latency)


def _affine(block: AffinePlan) -> Schedule:
    return _through(block, AffinePlan.LATENCY)


def _argmax(block: ArgmaxPlan) -> Schedule:
    return _through(block, block.latency)


def _top_k(block: TopKPlan) -> Schedule:
    every = np.arange(block.words_in)
    # The classes leave one a clock behind the last logit, whatever comes in meanwhile.
    gives = block.words_in - 1 + np.arange(block.words_out)
    return Schedule(block.words_in, ((every, every),), 0, gives, block.stages, (block.words_in,))


def _add(block: AddPlan) -> Schedule:
    return _through(block, AddPlan.LATENCY, len(block.sources))


def _converter(block: ConverterPlan) -> Schedule:
    if block.lanes_in == block.lanes_out:
        return _through(block, 0)
    every = np.arange(block.words_out)
    last = np.minimum((every + 1) * block.lanes_out, block.elements_in) - 1
    return _dense([last // block.lanes_in], 0, every, 1, (block.words_in,))


def _concat(block: ConcatPlan) -> Schedule:
    words = np.array(block.words)
    total = int(words.sum())
    pixel, place = np.divmod(np.arange(block.pixels * total), total)
    starts = np.cumsum(words) - words
    needs = []
    for start, count in zip(starts, words, strict=True):
        own = (place >= start) & (place < start + count)
        needs.append(np.where(own, pixel * count + place - start, _NOTHING))
    every = np.arange(block.pixels * total)
    counts = tuple(int(block.pixels * count) for count in words)
    return _dense(needs, 0, every, ConcatPlan.LATENCY, counts)


def _slice(block: SlicePlan) -> Schedule:
    every = np.arange(block.pixels * block.folds)
    fold = every % block.folds
    passed = every[(fold >= block.start) & (fold < block.stop)]
    return _dense([every], 0, passed, SlicePlan.LATENCY, (len(every),))


def _permute(block: PermutePlan) -> Schedule:
    if not block.latency:
        return _through(block, 0)
    # A pixel is read when all of it is there.
    every = np.arange(block.words_out)
    channels = len(block.order)
    needs = every // channels * channels + channels - 1
    return _dense([needs], 0, every, block.latency, (len(every),))


def _window(block: WindowPlan) -> Schedule:
    folds = block.channels // block.lanes_in
    of_group = folds // block.groups
    whole = [
        size + block.padding[axis] + block.padding[axis + 2]
        for axis, size in enumerate((block.height, block.width))
    ]
    down, across = (
        (size - extent) // stride
        for size, extent, stride in zip(whole, block.extent, block.stride, strict=True)
    )
    oy, ox, group, ky, kx, fold = np.ogrid[
        : down + 1, : across + 1, : block.groups, : block.kernel[0], : block.kernel[1], :of_group
    ]
    y = oy * block.stride[0] + ky * block.dilation[0] - block.padding[0]
    x = ox * block.stride[1] + kx * block.dilation[1] - block.padding[1]
    inside = (y >= 0) & (y < block.height) & (x >= 0) & (x < block.width)
    word = (y * block.width + x) * folds + group * of_group + fold
    needs = np.where(inside, word, _NOTHING).reshape(-1)
    # Padding does not run ahead of its frame.
    needs[0] = max(int(needs[0]), 0)
    return _dense([needs], 1, np.arange(len(needs)), 1, (block.words_in,))


def _parallel(block: ParallelWindowPlan) -> Schedule:
    down, across = block.tracks
    y, x = np.ogrid[: down.steps, : across.steps]
    row, column = y - down.lead, x - across.lead
    inside = (row >= 0) & (row < block.height) & (column >= 0) & (column < block.width)
    needs = np.where(inside, row * block.width + column, _NOTHING).reshape(-1)
    # Padding does not run ahead of its frame.
    needs[0] = max(int(needs[0]), 0)
    rows = down.begin + np.arange(down.count) * down.stride
    columns = across.begin + np.arange(across.count) * across.stride
    gives = (rows[:, None] * across.steps + columns).reshape(-1)
    return _dense([needs], 0, gives, 1, (block.words_in,))


def _pool(block: PoolPlan) -> Schedule:
    folds = block.channels // block.lanes_in
    sizes, ends = (block.height, block.width), []
    for axis, size in enumerate(sizes):
        before, after = block.padding[axis], block.padding[axis + 2]
        kernel, stride = block.kernel[axis], block.stride[axis]
        count = (size + before + after - kernel) // stride + 1
        ends.append(kernel - 1 - before + np.arange(count) * stride)
    steps = [max(size, int(end[-1]) + 1) for size, end in zip(sizes, ends, strict=True)]
    y, x, fold = np.ogrid[: steps[0], : steps[1], :folds]
    inside = (y < block.height) & (x < block.width)
    needs = np.where(inside, (y * block.width + x) * folds + fold, _NOTHING)
    gives = (ends[0][:, None, None] * steps[1] + ends[1][:, None]) * folds + np.arange(folds)
    return _dense([needs.reshape(-1)], 0, gives.reshape(-1), 1, (block.words_in,))


def _unit(block: UnitPlan) -> Schedule:
    if block.lot > 1:
        return _lots(block)
    # Only the first time that a vector is read its words must come.
    word = np.arange(block.vectors * block.synapse_folds)
    vector, fold = np.divmod(word, block.synapse_folds)
    needs = vector * (block.neuron_folds * block.synapse_folds) + fold
    gives = np.arange(1, block.words_out + 1) * block.synapse_folds - 1
    # What is read more than once goes through a buffer.
    before = block.read_again if block.neuron_folds > 1 else 0
    return Schedule(block.cycles, ((needs, word),), before, gives, block.latency, (block.words_in,))


def _lots(block: UnitPlan) -> Schedule:
    # A lot is read once its last word is there.
    word = np.arange(block.words_in)
    lot, results = block.lot * block.synapse_folds, block.lot * block.neuron_folds
    steps = lot * block.neuron_folds
    number, place = np.divmod(np.arange(block.words_out), results)
    needs, after = word // lot * steps, block.latency + np.zeros_like(place)
    gives = (number + 1) * steps - 1
    if block.neuron_folds > 1:
        # From the last step on results leave in order, whatever the next lot does.
        after += place
    else:
        gives += place + 1 - block.lot
    return Schedule(block.cycles, ((needs, word),), 1, gives, after, (len(word),))


_SCHEDULES: Mapping[type[Block], Any] = {
    GuardPlan: _passes,
    ForkPlan: _passes,
    TernaryPlan: _passes,
    QueuePlan: _queue,
    ThresholdPlan: _threshold,
    AffinePlan: _affine,
    ArgmaxPlan: _argmax,
    TopKPlan: _top_k,
    AddPlan: _add,
    ConverterPlan: _converter,
    ConcatPlan: _concat,
    SlicePlan: _slice,
    PermutePlan: _permute,
    WindowPlan: _window,
    ParallelWindowPlan: _parallel,
    PoolPlan: _pool,
    MvtuPlan: _unit,
    IntMvtuPlan: _unit,
}


def schedule_of(block: Block) -> Schedule:
    """Give the schedule of a block of a plan."""
    found: Schedule = _SCHEDULES[type(block)](block)
    return found
