"""Forks where branches part, and queues where they meet, as deep as the schedules ask for."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from .blocks import Block
from .bursts import Demands, may_wait, slides
from .joints import ForkPlan, QueuePlan
from .lead import leads
from .parallel import TernaryPlan
from .schedule import Schedule
from .schedules import Schedules, windows_of_units

__all__ = ["arrivals", "with_forks", "with_queues"]

# The first frames find everything empty.
_FRAMES = 3
_Ints = npt.NDArray[np.int64]


def with_forks(blocks: list[Block]) -> list[Block]:
    """Put a fork behind every block that has several readers."""
    readers = Counter(source for block in blocks for source in block.sources)
    taken = {block.name for block in blocks}
    forks: dict[str, str] = {}
    found: list[Block] = []
    for block in blocks:
        sources = tuple(forks.get(source, source) for source in block.sources)
        found.append(replace(block, sources=sources))
        if readers[block.name] > 1:
            fork = ForkPlan(
                name=_free(f"{block.name}_fork", taken), edge=block.edge, sources=(block.name,),
                elements_in=block.elements_out, bits_in=block.bits_out, lanes_in=block.lanes_out,
                elements_out=block.elements_out, bits_out=block.bits_out,
                lanes_out=block.lanes_out, copies=readers[block.name],
            )  # fmt: skip
            forks[block.name] = fork.name
            found.append(fork)
    return found


def _free(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    taken.add(name)
    return name


@dataclass(eq=False)
class _Known:
    """A block's schedule, and the clocks that were last computed with it."""

    schedule: Schedule
    frames: int = 0
    came: tuple[_Ints, ...] = ()
    taken: tuple[_Ints, ...] = ()
    words: _Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def times(self, came: list[_Ints], frames: int) -> tuple[tuple[_Ints, ...], _Ints]:
        """Give the schedule's times, again where all words come as before, or all as much later."""
        later = self._later(came) if frames == self.frames else None
        if later is None:
            self.taken, self.words = self.schedule.times(came, frames)
        elif later:
            self.taken = tuple(one + later for one in self.taken)
            self.words = self.words + later
        self.came, self.frames = tuple(came), frames
        return self.taken, self.words

    def _later(self, came: list[_Ints]) -> int | None:
        later = int(came[0][0] - self.came[0][0])
        for one, before in zip(came, self.came, strict=True):
            if one is not before and not _as_before(one, before, later):
                return None
            if one is before and later:
                return None
        return later


def _as_before(one: _Ints, before: _Ints, later: int) -> bool:
    # Where words do not come as before, mostly the last one does not.
    return bool(one[-1] == before[-1] + later) and np.array_equal(one, before + later)


def arrivals(
    blocks: list[Block],
    cycles: int,
    frames: int = _FRAMES,
    known: dict[str, _Known] | None = None,
    schedules: Schedules | None = None,
) -> tuple[dict[str, tuple[_Ints, ...]], dict[str, _Ints]]:
    """Give the clocks at which every block needs its words and gives others, held up by nothing.

    The source sends a frame every `cycles` clocks, its words evenly spaced: as the slowest block
    takes them.

    Parameters
    ----------
    blocks : list of Block
        Each behind the ones that it reads.
    cycles : int
    frames : int
    known : dict, or None
        What is known of each block, by its name, which is kept here for the next call: queues
        change the clocks of few blocks, and delay most of the others by as much for every word.
    schedules : Schedules, or None
        Of these blocks.

    Returns
    -------
    taken : dict of str to tuple of array of int
        For each input of a block, but for windows and units of which `windows_of_units` tells.
    words : dict of str to array of int
        But for these windows.
    """
    taken: dict[str, tuple[_Ints, ...]] = {}
    words: dict[str, _Ints] = {}
    known = {} if known is None else known
    schedules = schedules or Schedules()
    windows = windows_of_units(blocks)
    inside = {window.name for window in windows.values()}
    for block in blocks:
        if block.name in inside:
            continue
        window = windows.get(block.name)
        if not block.sources:
            spread = np.arange(block.words_in) * max(cycles, block.words_in) // block.words_in
            came = [(np.arange(frames)[:, None] * max(cycles, block.words_in) + spread).reshape(-1)]
        else:
            came = [words[source] for source in (window or block).sources]
        if block.name not in known or isinstance(block, QueuePlan):
            known[block.name] = _Known(schedules.of(block, window))
        times, words[block.name] = known[block.name].times(came, frames)
        if window is None:
            taken[block.name] = times
    return taken, words


def with_queues(blocks: list[Block], cycles: int) -> list[Block]:
    """Put queues where words wait.

    That is in front of joins whose branches are not equally quick, and where words come in bursts
    that the next block takes more slowly, if no block before has the time to stand still for so
    long. A queue holds what has been produced and not yet been taken; its depth is the most that
    this comes to, and one place more where a word comes in as another one leaves; or what `leads`
    says, where that is more.

    Parameters
    ----------
    blocks : list of Block
        With forks; each behind the ones that it reads.
    cycles : int
        Clocks between two frames.
    """
    depths: dict[tuple[str, int], int] = {}
    known: dict[str, _Known] = {}
    schedules = Schedules()
    frames = _FRAMES
    # What the schedules ask for is enough while nothing is held up; this is always.
    least = leads(blocks, schedules)
    # A queue delays its branch by a clock or two, which a join behind it may see; and where words
    # wait for longer than a frame takes, more frames must come before it is as full as ever.
    for _ in range(6):
        grown, longest = _depths(blocks, depths, cycles, frames, known, schedules)
        grown |= {key: max(lead, grown.get(key, 0)) for key, lead in least.items()}
        enough = max(frames, _FRAMES + longest // cycles)
        if (grown, enough) == (depths, frames):
            break
        depths, frames = grown, enough
    else:
        raise AssertionError(f"the queues of {blocks[-1].name} settle at no depth")
    return _insert(blocks, depths)


def _insert(blocks: list[Block], depths: Mapping[tuple[str, int], int]) -> list[Block]:
    taken = {block.name for block in blocks}
    by_name = {block.name: block for block in blocks}
    found: list[Block] = []
    for block in blocks:
        sources = list(block.sources)
        for place, source in enumerate(block.sources):
            depth = depths.get((block.name, place), 0)
            if not depth:
                continue
            branch = by_name[source]
            queue = QueuePlan(
                name=_free(f"{block.name}_queue{place}", taken), edge=branch.edge,
                sources=(source,), elements_in=branch.elements_out, bits_in=branch.bits_out,
                lanes_in=branch.lanes_out, elements_out=branch.elements_out,
                bits_out=branch.bits_out, lanes_out=branch.lanes_out, depth=depth,
            )  # fmt: skip
            found.append(queue)
            sources[place] = queue.name
        found.append(replace(block, sources=tuple(sources)))
    return found


def _depths(
    blocks: list[Block],
    present: Mapping[tuple[str, int], int],
    cycles: int,
    frames: int,
    known: dict[str, _Known],
    schedules: Schedules,
) -> tuple[dict[tuple[str, int], int], int]:
    """Give the depth of each queue, by reader and input, and the longest time that a word waits."""
    queued = _insert(blocks, present)
    needed, words = arrivals(queued, cycles, frames, known, schedules)
    by_name = {block.name: block for block in queued}
    demands = Demands(queued, cycles, needed, words, schedules)
    found: dict[tuple[str, int], int] = {}
    longest = 0
    for block in queued:
        # Masks of whole windows become codes there: a queue behind it holds codes alone.
        if not may_wait(block) or isinstance(block, TernaryPlan):
            continue
        for place, source in enumerate(block.sources):
            feeder = by_name[source]
            queue = isinstance(feeder, QueuePlan)
            if not queue and slides(feeder):
                continue
            came = words[feeder.sources[0] if queue else source]
            taken = demands.of(block, place).taken
            waits = int((taken - came).max())
            join = len(block.sources) > 1
            if queue or (waits > 0 if join else not demands.met(block, place)):
                found[block.name, place] = _most_waiting(came, taken)
                longest = max(longest, waits)
    return found, longest


def _most_waiting(came: _Ints, taken: _Ints) -> int:
    """Count the places that words need which come and are taken at these clocks.

    A queue that is full does not take a word at the clock at which one leaves.
    """
    # Words that are there when the next one comes, and that one.
    left = np.searchsorted(taken, came, side="left")
    return int((np.arange(1, len(came) + 1) - left).max())
