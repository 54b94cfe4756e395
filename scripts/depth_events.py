"""Every word of a network at its clock: what the queues between branches hold, frame after frame.

The schedules of single blocks are those of `bnnhw.plan.schedule`, which tests hold against the
hardware; how they act together is worked out anew here, step by step in plain integers, and not by
the code that chose the depths. All clocks of a frame follow from those of the two frames before it,
so once three frames follow each other by the same number of clocks, all later ones do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from bnnhw.plan import Block, ConverterPlan, Plan, QueuePlan, UnitPlan, WindowPlan
from bnnhw.plan.blocks import GuardPlan
from bnnhw.plan.joints import ForkPlan, PermutePlan
from bnnhw.plan.parallel import ParallelWindowPlan, TernaryPlan
from bnnhw.plan.schedule import schedule_of

__all__ = ["Level", "Run", "levels", "run", "waits"]

_FRAMES = 40
_LONG_AGO = -(10**15)


@dataclass(frozen=True)
class Level:
    """What a queue came to.

    Parameters
    ----------
    queue : str
    depth : int
    most : int
        Words in it when one came, and that one; a word that leaves at the same clock still counts.
    """

    queue: str
    depth: int
    most: int


@dataclass(frozen=True)
class Run:
    """Clocks of all words until they repeat.

    Parameters
    ----------
    frames : int
    gone : mapping of str to list of int
        Of the words that leave each block.
    taken : mapping of (str, int) to list of int
        At which each input of a block takes its words.
    """

    frames: int
    gone: Mapping[str, list[int]]
    taken: Mapping[tuple[str, int], list[int]]


class _Walk:
    """A block that goes from step to step, frame by frame, as early as its words let it."""

    def __init__(self, block: Block) -> None:
        self._block = block
        schedule = schedule_of(block)
        self._steps, self._before, self._after = schedule.steps, schedule.before, schedule.after
        self._inputs = len(schedule.needs)
        self._words = schedule.words_in
        events = [
            (int(at), place, int(word))
            for place, (steps, words) in enumerate(schedule.needs)
            for at, word in zip(steps, words, strict=True)
        ]
        # What is given behind the frame's last step follows it, whatever the next frame does.
        for at in schedule.gives.tolist():
            own = min(at, self._steps - 1)
            events.append((own, self._inputs, at - own))
        # All words that a step needs decide its clock, before any of them is taken.
        self._events = [
            (at, [(place, word) for _, place, word in group])
            for at, group in groupby(sorted(events), key=itemgetter(0))
        ]
        self._clock, self._step = _LONG_AGO, 0
        self._bank, self._reads = _LONG_AGO, list[int]()

    def frame(self, came: Sequence[Sequence[int]]) -> tuple[list[list[int]], list[int]]:
        """Make the steps of a frame whose words are offered at the clocks `came`.

        Returns
        -------
        taken : list of list of int
            Clocks at which each input takes its words.
        gone : list of int
            Clocks at which words are offered.
        """
        taken: list[list[int]] = [[] for _ in came]
        gone = []
        clock, step = self._clock, self._step
        for at, parts in self._events:
            clock, step = clock + at - step, at
            for place, word in parts:
                if place < self._inputs:
                    clock = max(clock, came[place][word] + self._before)
            for place, word in parts:
                if place < self._inputs:
                    # What lies before a word that is needed comes before it, and goes with it.
                    taken[place] += [clock] * (word + 1 - len(taken[place]))
                else:
                    gone.append(clock + word + self._after)
        self._clock, self._step = clock, step - self._steps
        if isinstance(self._block, UnitPlan) and self._block.neuron_folds > 1:
            taken = [self._banked(self._block, came[0], gone)]
        return taken, gone

    def _banked(self, unit: UnitPlan, came: Sequence[int], gone: Sequence[int]) -> list[int]:
        """Fill two banks in turn, each once the vector that was in it has been read.

        The last word of a vector's results tells when that was. The bank is free a clock after its
        last word was read, which is the clock at which the array takes that word or, where a
        buffer's own register lies between, the one before.
        """
        size, turns, latency = unit.synapse_folds, unit.neuron_folds, unit.latency
        last = [clock - latency for clock in gone[turns - 1 :: turns]]
        found = []
        for number, clock in enumerate(came):
            vector = len(self._reads) + number // size
            free = _LONG_AGO
            if vector >= 2:
                reads = self._reads if vector - 2 < len(self._reads) else last
                place = vector - 2 - (0 if reads is self._reads else len(self._reads))
                free = reads[place] + (1 if unit.read_again == 1 else 0)
            self._bank = max(self._bank + 1, clock, free)
            found.append(self._bank)
        self._reads += last
        return found


def run(plan: Plan) -> Run:
    """Send frames, evenly spaced, until three follow each other by the same clocks everywhere.

    Raises
    ------
    AssertionError
        If they never do.
    """
    walks = {block.name: _Walk(block) for block in plan.blocks}
    gone: dict[str, list[int]] = {block.name: [] for block in plan.blocks}
    taken: dict[tuple[str, int], list[int]] = {}
    period, alike, enough = plan.cycles, 0, _FRAMES
    for frame in range(2 * _FRAMES):
        same = _one_frame(plan, walks, frame, period, gone, taken)
        alike = alike + 1 if same else 0
        if alike == 2:
            # The level repeats once a word that comes finds those of all frames before it.
            longest = max(max(waits) for _, waits in _waiting(plan, gone, taken))
            enough = frame + 2 + longest // period
        if alike >= 2 and frame >= enough:
            _hold_windows(plan, gone, taken)
            return Run(frame + 1, gone, taken)
        if not alike and frame >= _FRAMES:
            break
    raise AssertionError(f"the frames of {plan.name} do not settle")


def _one_frame(
    plan: Plan,
    walks: Mapping[str, _Walk],
    frame: int,
    period: int,
    gone: dict[str, list[int]],
    taken: dict[tuple[str, int], list[int]],
) -> bool:
    """Go on by a frame; tell whether every word follows that of the frame before by `period`."""
    same = frame > 0
    for block in plan.blocks:
        came = [_frame(gone[source], plan.block(source), frame) for source in block.sources]
        if not came:
            count = block.words_in
            came = [[frame * period + k * period // count for k in range(count)]]
        took, went = walks[block.name].frame(came)
        for place, clocks in enumerate(took):
            taken.setdefault((block.name, place), []).extend(clocks)
        before = gone[block.name][-len(went) :]
        same = same and all(b - a == period for a, b in zip(before, went, strict=True))
        gone[block.name] += went
    return same


def _hold_windows(
    plan: Plan, gone: Mapping[str, list[int]], taken: dict[tuple[str, int], list[int]]
) -> None:
    """Let windows that leave whole stand still until their readers have taken the one offered.

    That moves what they take, not what they give: a reader that waits for nothing takes the first
    word of a burst as before, and the others as late as before.
    """
    for block in reversed(plan.blocks):
        readers = [one for one in plan.blocks if block.name in one.sources]
        handed = isinstance(block, ParallelWindowPlan | TernaryPlan)
        if not handed or len(readers) != 1 or isinstance(readers[0], ForkPlan | QueuePlan):
            continue
        (reader,) = readers
        if type(reader) is WindowPlan:
            continue
        behind = taken[reader.name, reader.sources.index(block.name)]
        if isinstance(block, TernaryPlan):
            taken[block.name, 0] = behind
        else:
            came = gone[block.sources[0]]
            taken[block.name, 0] = _held(block, came, behind)


def _held(window: Block, came: Sequence[int], behind: Sequence[int]) -> list[int]:
    """Take words one a step, but none behind a window that has not been taken."""
    schedule = schedule_of(window)
    frames = len(came) // window.words_in
    ((at, _),) = schedule.needs
    events = [(frame * schedule.steps + int(k), 0) for frame in range(frames) for k in at]
    gives = schedule.gives.tolist()
    events += [(frame * schedule.steps + k, 1) for frame in range(frames) for k in gives]
    found: list[int] = []
    clock, last, free, given = _LONG_AGO, 0, _LONG_AGO, 0
    for step, gives_one in sorted(events):
        # The first step behind the one that gave can be made when the window is taken.
        clock = max(clock + step - last, free + step - last - 1)
        if gives_one:
            free = behind[given]
            given += 1
        else:
            clock = max(clock, came[len(found)] + schedule.before)
            found.append(clock)
        last = step
    return found


def _waiting(
    plan: Plan, gone: Mapping[str, list[int]], taken: Mapping[tuple[str, int], list[int]]
) -> Iterator[tuple[tuple[str, int], list[int]]]:
    """Give for each edge how long its words wait."""
    for block in plan.blocks:
        for place, source in enumerate(block.sources):
            pairs = zip(gone[source], taken[block.name, place], strict=False)
            yield (block.name, place), [took - came for came, took in pairs]


def _frame(clocks: list[int], block: Block, frame: int) -> list[int]:
    return clocks[frame * block.words_out : (frame + 1) * block.words_out]


def levels(plan: Plan, found: Run) -> list[Level]:
    """Give what each queue of a plan came to."""
    answers = []
    for block in plan.blocks:
        for place, source in enumerate(block.sources):
            queue = plan.block(source)
            if isinstance(queue, QueuePlan):
                pushed = found.gone[queue.sources[0]]
                most = _most(pushed, found.taken[block.name, place])
                answers.append(Level(queue.name, queue.depth, most))
    return answers


def _most(pushed: Sequence[int], popped: Sequence[int]) -> int:
    assert len(pushed) == len(popped)
    most = left = 0
    for number, clock in enumerate(pushed):
        assert popped[number] >= clock, "a word is taken before it comes"
        while left < number and popped[left] < clock:
            left += 1
        most = max(most, number + 1 - left)
    return most


def waits(plan: Plan, found: Run) -> list[tuple[str, int, int]]:
    """Give how long words wait where no queue stands: reader, clocks, and clocks that are allowed.

    In front of a join no word may wait: the other branch might wait for the same fork. A window
    that leaves whole may wait as long as it does not keep pixels waiting. Elsewhere words may wait
    in the block that made them for as long as everything up to the sliding window before it can
    stand still in a frame. Blocks that have room for more take what comes at once, and are left
    out.
    """
    slack, waiting = _slack(plan), dict(_waiting(plan, found.gone, found.taken))
    answers = []
    for block in plan.blocks:
        widens = isinstance(block, ConverterPlan) and block.lanes_out > block.lanes_in
        roomy = isinstance(block, GuardPlan | ForkPlan | PermutePlan | QueuePlan) or widens
        if roomy or type(block) is WindowPlan:
            continue
        for place, source in enumerate(block.sources):
            if isinstance(plan.block(source), QueuePlan | ParallelWindowPlan | TernaryPlan):
                continue
            longest = max(waiting[block.name, place])
            allowed = 0 if len(block.sources) > 1 else slack[source]
            answers.append((block.name, longest, allowed))
    return answers


def _slack(plan: Plan) -> dict[str, int]:
    slack: dict[str, int] = {}
    for block in plan.blocks:
        slides = isinstance(block, WindowPlan) and not isinstance(block, ParallelWindowPlan)
        own = plan.cycles if slides else plan.cycles - block.cycles
        before = [] if slides else [slack[source] for source in block.sources]
        slack[block.name] = min([own, *before])
    return slack
