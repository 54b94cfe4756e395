"""A network as a game of tokens without clocks: whether queues are deep enough to go on for ever.

Blocks read words, make steps and offer words, each as soon as it can, in whatever order; a block
that reads and writes in order, and waits for both, comes to the same end in every order. Each reads
a word no sooner than its next step needs it and the word of this step has room, but for windows,
which have their buffers; and one word waits behind the last step, which is less than hardware
holds: what never stands still here never does there, however long anything takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bnnhw.plan import Block, Plan, QueuePlan
from bnnhw.plan.blocks import GuardPlan, WindowPlan
from bnnhw.plan.joints import ForkPlan
from bnnhw.plan.parallel import ParallelWindowPlan, TernaryPlan
from bnnhw.plan.schedule import schedule_of
from bnnhw.plan.window_shape import WindowShape

__all__ = ["stands_still"]

_FRAMES = 4
_THROUGH = (GuardPlan, ForkPlan, TernaryPlan)


@dataclass
class _Player:
    """A block, what it has read, and what it has made.

    `needs` has for each input the steps that need a word there, and which one; `gives` the step of
    each word of a frame, and `words` how many words of a frame each input has. A window's buffer
    takes words up to `reach` while it is at that window.
    """

    block: Block
    room: int
    steps: int = 0
    needs: list[list[tuple[int, int]]] = field(default_factory=list)
    gives: list[int] = field(default_factory=list)
    giving: frozenset[int] = frozenset()
    late: bool = False
    words: tuple[int, ...] = ()
    reach: list[int] = field(default_factory=list)
    taps: int = 1
    read: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    step: int = 0
    made: int = 0


class _Game:
    """All blocks of a plan; `less` says of queues that are shallower here."""

    def __init__(self, plan: Plan, less: Mapping[str, int]) -> None:
        self.by_name = {block.name: block for block in plan.blocks}
        self.players = {
            block.name: _player(block, less)
            for block in plan.blocks
            if not isinstance(block, _THROUGH)
        }
        self.entry = plan.blocks[0].words_in
        self.readers: dict[str, list[tuple[str, int]]] = {}
        for name, player in self.players.items():
            for place in range(len(player.read)):
                self.readers.setdefault(self.origin(name, place), []).append((name, place))

    def origin(self, name: str, place: int) -> str:
        """Name what makes the words of an input; the source has no name."""
        block = self.by_name[name]
        source = block.sources[place] if block.sources else ""
        while source and isinstance(self.by_name[source], _THROUGH):
            before = self.by_name[source].sources
            source = before[0] if before else ""
        return source

    def read(self, origin: str) -> list[int]:
        """Count what each reader has read."""
        return [self.players[name].read[place] for name, place in self.readers.get(origin, [])]

    def offers(self, name: str, place: int) -> bool:
        """Tell whether an input has a word: a copy waits until all have the one before."""
        origin, count = self.origin(name, place), self.players[name].read[place]
        made = self.players[origin].made if origin else _FRAMES * self.entry
        return made > count and min(self.read(origin)) >= count

    def has_room(self, name: str) -> bool:
        """Tell whether a block may offer another word."""
        read = self.read(name)
        player = self.players[name]
        return not read or player.made - min(read) < player.room

    def play(self) -> None:
        """Go on until nothing moves."""
        moved = True
        while moved:
            moved = False
            for name, player in self.players.items():
                while self._move(name, player):
                    moved = True

    def _move(self, name: str, player: _Player) -> bool:
        """Make one word, read one word, or make a step."""
        frame, step = divmod(player.step, player.steps)
        if self._owes(name, player):
            if not self.has_room(name):
                return False
            player.made += 1
            return True
        window = player.step // player.taps
        early = window < len(player.reach) and player.read[0] < player.reach[window]
        if early and self.offers(name, 0):
            player.read[0] += 1
            return True
        if step in player.giving and not self.has_room(name):
            return False
        wants = False
        for place, needs in enumerate(player.needs):
            turn, number = divmod(player.at[place], len(needs))
            if (turn, needs[number][0]) > (frame, step):
                continue
            if player.read[place] > turn * player.words[place] + needs[number][1]:
                player.at[place] += 1
                return True
            wants = True
            if self.offers(name, place):
                player.read[place] += 1
                return True
        if wants or frame >= _FRAMES:
            return False
        player.step += 1
        return True

    def _owes(self, name: str, player: _Player) -> bool:
        """Tell whether a word is due: its step is made, or it is pushed out or left alone."""
        frame, number = divmod(player.made, len(player.gives))
        if frame >= _FRAMES:
            return False
        due = player.gives[number]
        over = due >= player.steps
        if over and not player.late:
            due = player.steps - 1
        if player.step > frame * player.steps + due:
            return True
        # Between two frames, and with no word of the next one, it goes on by itself.
        between = player.step == (frame + 1) * player.steps
        return over and between and not self.offers(name, 0)


def _player(block: Block, less: Mapping[str, int]) -> _Player:
    schedule = schedule_of(block)
    room = block.depth - less.get(block.name, 0) if isinstance(block, QueuePlan) else 1
    needs = [
        [(int(at), int(word)) for at, word in zip(*need, strict=True)] for need in schedule.needs
    ]
    count, gives = len(needs), [int(step) for step in schedule.gives]
    giving = frozenset(step % schedule.steps for step in gives)
    shape = block.shape if type(block) is WindowPlan else None
    return _Player(
        block, room, schedule.steps, needs, gives, giving,
        isinstance(block, ParallelWindowPlan), schedule.words_in,
        _reach(shape) if shape else [], shape.window_words if shape else 1,
        [0] * count, [0] * count,
    )  # fmt: skip


def _reach(shape: WindowShape) -> list[int]:
    """Give for each window the words of all frames for which the buffer has a place."""
    return [
        (row * shape.width + column) * shape.folds + start + shape.depth - shape.overhang
        for start in range(0, _FRAMES * shape.words_in, shape.words_in)
        for row in range(-shape.padding[0], shape.height, shape.stride[0])[: shape.out_height]
        for column in range(-shape.padding[1], shape.width, shape.stride[1])[: shape.out_width]
    ]


def stands_still(plan: Plan, less: Mapping[str, int] | None = None) -> str:
    """Play some frames; name the first block that never gives all its words, or nothing.

    Parameters
    ----------
    plan : Plan
    less : mapping of str to int
        Places that queues have less than planned, by their names.
    """
    game = _Game(plan, less or {})
    game.play()
    for name, player in game.players.items():
        if player.made < _FRAMES * len(player.gives):
            return name
    return ""
