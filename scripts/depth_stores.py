"""Buffers inside blocks, clock by clock: each as deep as its schedule asks, and no deeper.

Nothing here reads the closed forms that chose the depths. Each store is a small machine, written
down from what its component promises; it is run until its state comes again at the end of a frame.
From then on it repeats itself for ever, so that what held in between holds for all time.
"""

from dataclasses import dataclass

from bnnhw.plan import UnitPlan, WindowPlan

__all__ = ["Tap", "banks_period", "room_waits", "taps_of", "window_period"]

_FRAMES = 8


@dataclass(frozen=True)
class Tap:
    """One word of the windows over a frame.

    Parameters
    ----------
    position : int
        Number of the word of the image that it shows, or would show were it inside.
    inside : bool
    ends : bool
        It is the last of its window.
    """

    position: int
    inside: bool
    ends: bool


def taps_of(block: WindowPlan) -> list[Tap]:
    """Walk over an image, window by window."""
    folds = block.channels // block.lanes_in
    share = folds // block.groups
    top, left, bottom, right = block.padding
    down = (block.height + top + bottom - block.extent[0]) // block.stride[0] + 1
    across = (block.width + left + right - block.extent[1]) // block.stride[1] + 1
    found = []
    for oy in range(down):
        for ox in range(across):
            window = [
                _tap(block, oy, ox, ky, kx, group * share + fold, folds)
                for group in range(block.groups)
                for ky in range(block.kernel[0])
                for kx in range(block.kernel[1])
                for fold in range(share)
            ]
            position, inside = window[-1]
            found += [Tap(*tap, ends=False) for tap in window[:-1]]
            found.append(Tap(position, inside, ends=True))
    return found


def _tap(
    block: WindowPlan, oy: int, ox: int, ky: int, kx: int, word: int, folds: int
) -> tuple[int, bool]:
    y = oy * block.stride[0] + ky * block.dilation[0] - block.padding[0]
    x = ox * block.stride[1] + kx * block.dilation[1] - block.padding[1]
    inside = 0 <= y < block.height and 0 <= x < block.width
    return (y * block.width + x) * folds + word, inside


def window_period(block: WindowPlan, reach: int, depth: int) -> int | None:
    """Give the clocks of a frame once they repeat, both sides as fast as can be.

    A word may be written if it lies less than `reach` behind the first word of the current window.
    A tap goes once its word is there; the first one of a frame waits for the frame's first word.

    Parameters
    ----------
    block : WindowPlan
    reach : int
    depth : int
        Words of the buffer.

    Returns
    -------
    int or None
        None if it hangs.

    Raises
    ------
    AssertionError
        If a word is read that is overwritten, or the frames do not settle.
    """
    taps, words = taps_of(block), block.words_in
    written = clock = 0
    before: tuple[int, int] | None = None
    ends: list[int] = []
    base = taps[0].position
    for frame in range(_FRAMES):
        start = frame * words
        for number, tap in enumerate(taps):
            position, idle = start + tap.position, 0
            first = start if number == 0 else -1
            while True:
                there = (not tap.inside or position < written) and first < written
                room = written - base < reach
                clock += 1
                if there:
                    assert not tap.inside or position >= written - depth, (position, written)
                written += room
                if there:
                    break
                idle += 1
                if not room:
                    return None
            if tap.ends:
                following = taps[number + 1] if number + 1 < len(taps) else taps[0]
                base = following.position + (start if number + 1 < len(taps) else start + words)
        state = (written - start, base - start)
        ends.append(clock)
        if state == before:
            return ends[-1] - ends[-2]
        before = state
    raise AssertionError(f"the frames of {block.name} do not settle")


def banks_period(block: UnitPlan, banks: int) -> int:
    """Give the clocks of a vector that a unit reads repeatedly, words offered at every clock.

    A bank is filled while another is read; a word can be read the clock after it was written, and
    a bank filled again the clock after it was read for the last time.
    """
    words, turns = block.synapse_folds, block.neuron_folds
    free, ends = [0] * banks, [0]
    write = read = -1
    for vector in range(4 + banks):
        write = max(write, free[vector % banks] - 1)
        written = [write + 1 + number for number in range(words)]
        write = written[-1]
        for _ in range(turns):
            for number in range(words):
                read = max(read + 1, written[number] + 1)
        free[vector % banks] = read + 1
        ends.append(read)
    return ends[-1] - ends[-2]


def room_waits(block: UnitPlan, depth: int, latency: int) -> bool:
    """Tell whether an array ever waits for a place, if each result is taken as late as it may be.

    A result has its place from the clock at which its last group goes until two clocks after it
    was taken; it waits for as long as the next one takes to be computed.
    """
    folds = block.synapse_folds
    goes: list[int] = []
    for number in range(2 * (depth + latency) + 4):
        due = goes[-1] + folds if goes else 0
        free = goes[number - depth] + latency + folds + 2 if number >= depth else 0
        if free > due:
            return True
        goes.append(due)
    return False
