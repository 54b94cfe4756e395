"""Closed-form schedules of blocks: which step needs which word, and which step gives which."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    WindowPlan,
)
from .joints import AddPlan, ConcatPlan, ForkPlan, PermutePlan, QueuePlan, SlicePlan
from .parallel import ParallelWindowPlan
from .units import IntMvtuPlan, MvtuPlan, UnitPlan

__all__ = ["Schedule", "passes", "schedule_of"]

_Ints = npt.NDArray[np.int64]

NOTHING = -1


@dataclass(frozen=True, eq=False)
class Schedule:
    """What a block does in a frame, one step a clock where nothing is missing.

    Step s is made at the earliest clock that is later than that of step s − 1 and at least `before`
    later than that at which word ``needs[k][s]`` of each input k passed. Word n of the output is
    offered `after` clocks behind step ``gives[n]``; a number beyond the steps of the frame counts
    on from the last one, whatever the next frame does. No data decides anything.

    Parameters
    ----------
    needs : tuple of array of int, shape (steps,)
        For each input the word of the frame that a step is the first to need, −1 for none.
    before : int
    gives : array of int, shape (words,)
        Step of each word that leaves, ascending.
    after : int
    words_in : tuple of int
        Words of a frame of each input.
    """

    needs: tuple[_Ints, ...]
    before: int
    gives: _Ints
    after: int
    words_in: tuple[int, ...]

    @property
    def steps(self) -> int:
        """Steps of a frame."""
        return len(self.needs[0])

    def times(self, arrivals: list[_Ints], frames: int) -> tuple[_Ints, _Ints]:
        """Give the clocks of all steps and of all words that leave.

        Parameters
        ----------
        arrivals : list of array of int
            Clocks at which the words of each input are offered; nothing holds them up.
        frames : int

        Returns
        -------
        steps, words : array of int
        """
        count = frames * self.steps
        earliest = np.full(count, np.iinfo(np.int64).min // 2)
        for needs, words, arrived in zip(self.needs, self.words_in, arrivals, strict=True):
            there = np.flatnonzero(needs != NOTHING)
            for frame in range(frames):
                at = frame * self.steps + there
                came = arrived[frame * words + needs[there]] + self.before
                earliest[at] = np.maximum(earliest[at], came)
        number = np.arange(count)
        steps = np.maximum.accumulate(earliest - number) + number
        own = np.minimum(self.gives, self.steps - 1)
        gives = (np.arange(frames)[:, None] * self.steps + own).reshape(-1)
        beyond = np.tile(self.gives - own, frames)
        return steps, steps[gives] + beyond + self.after


def passes(block: Block) -> Schedule:
    """Give the schedule of a block that sends each word on as it comes."""
    return _through(block, 0)


def _through(block: Block, latency: int, inputs: int = 1) -> Schedule:
    every = np.arange(block.words_out)
    return Schedule((every,) * inputs, 0, every, latency, (block.words_out,) * inputs)


def _guard(block: GuardPlan) -> Schedule:
    return _through(block, 0)


def _fork(block: ForkPlan) -> Schedule:
    return _through(block, 0)


def _queue(block: QueuePlan) -> Schedule:
    return _through(block, block.latency)


def _threshold(block: ThresholdPlan) -> Schedule:
    return _through(block, block.latency)


def _affine(block: AffinePlan) -> Schedule:
    return _through(block, AffinePlan.LATENCY)


def _argmax(block: ArgmaxPlan) -> Schedule:
    return _through(block, 1)


def _add(block: AddPlan) -> Schedule:
    return _through(block, AddPlan.LATENCY, len(block.sources))


def _converter(block: ConverterPlan) -> Schedule:
    if block.lanes_in == block.lanes_out:
        return _through(block, 0)
    every = np.arange(block.words_out)
    last = np.minimum((every + 1) * block.lanes_out, block.elements_in) - 1
    return Schedule((last // block.lanes_in,), 0, every, 1, (block.words_in,))


def _concat(block: ConcatPlan) -> Schedule:
    words = np.array(block.words)
    total = int(words.sum())
    pixel, place = np.divmod(np.arange(block.pixels * total), total)
    starts = np.cumsum(words) - words
    needs = []
    for start, count in zip(starts, words, strict=True):
        own = (place >= start) & (place < start + count)
        needs.append(np.where(own, pixel * count + place - start, NOTHING))
    every = np.arange(block.pixels * total)
    counts = tuple(int(block.pixels * count) for count in words)
    return Schedule(tuple(needs), 0, every, ConcatPlan.LATENCY, counts)


def _slice(block: SlicePlan) -> Schedule:
    every = np.arange(block.pixels * block.folds)
    fold = every % block.folds
    passed = every[(fold >= block.start) & (fold < block.stop)]
    return Schedule((every,), 0, passed, SlicePlan.LATENCY, (len(every),))


def _permute(block: PermutePlan) -> Schedule:
    if not block.latency:
        return _through(block, 0)
    # A pixel is read when all of it is there.
    every = np.arange(block.words_out)
    channels = len(block.order)
    needs = every // channels * channels + channels - 1
    return Schedule((needs,), 0, every, block.latency, (len(every),))


def _window(block: WindowPlan) -> Schedule:
    folds = block.channels // block.lanes_in
    of_group = folds // block.groups
    down = (block.height + block.padding[0] + block.padding[2] - block.extent[0]) // block.stride[0]
    across = (block.width + block.padding[1] + block.padding[3] - block.extent[1]) // block.stride[
        1
    ]
    oy, ox, group, ky, kx, fold = np.ogrid[
        : down + 1, : across + 1, : block.groups, : block.kernel[0], : block.kernel[1], :of_group
    ]
    y = oy * block.stride[0] + ky * block.dilation[0] - block.padding[0]
    x = ox * block.stride[1] + kx * block.dilation[1] - block.padding[1]
    inside = (y >= 0) & (y < block.height) & (x >= 0) & (x < block.width)
    word = (y * block.width + x) * folds + group * of_group + fold
    needs = np.where(inside, word, NOTHING).reshape(-1)
    # Padding does not run ahead of its frame.
    needs[0] = max(int(needs[0]), 0)
    return Schedule((needs,), 1, np.arange(len(needs)), 1, (block.words_in,))


def _parallel(block: ParallelWindowPlan) -> Schedule:
    down, across = block.tracks
    y, x = np.ogrid[: down.steps, : across.steps]
    row, column = y - down.lead, x - across.lead
    inside = (row >= 0) & (row < block.height) & (column >= 0) & (column < block.width)
    needs = np.where(inside, row * block.width + column, NOTHING).reshape(-1)
    # Padding does not run ahead of its frame.
    needs[0] = max(int(needs[0]), 0)
    rows = down.begin + np.arange(down.count) * down.stride
    columns = across.begin + np.arange(across.count) * across.stride
    gives = (rows[:, None] * across.steps + columns).reshape(-1)
    return Schedule((needs,), 0, gives, 1, (block.words_in,))


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
    needs = np.where(inside, (y * block.width + x) * folds + fold, NOTHING)
    gives = (ends[0][:, None, None] * steps[1] + ends[1][:, None]) * folds + np.arange(folds)
    return Schedule((needs.reshape(-1),), 0, gives.reshape(-1), 1, (block.words_in,))


def _unit(block: UnitPlan) -> Schedule:
    vector, turn, fold = np.ogrid[: block.vectors, : block.neuron_folds, : block.synapse_folds]
    needs = np.where(turn == 0, vector * block.synapse_folds + fold, NOTHING).reshape(-1)
    gives = np.arange(1, block.words_out + 1) * block.synapse_folds - 1
    # What is read more than once goes through a replay buffer.
    before = 2 if block.neuron_folds > 1 else 0
    return Schedule((needs,), before, gives, block.latency, (block.words_in,))


_SCHEDULES: Mapping[type[Block], Any] = {
    GuardPlan: _guard,
    ForkPlan: _fork,
    QueuePlan: _queue,
    ThresholdPlan: _threshold,
    AffinePlan: _affine,
    ArgmaxPlan: _argmax,
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
