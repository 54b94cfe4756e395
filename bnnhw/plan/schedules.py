"""The schedules of a whole network, and windows that are looked at together with their units."""

from collections.abc import Iterable
from dataclasses import replace

from .blocks import Block, WindowPlan
from .joints import QueuePlan
from .schedule import Schedule, schedule_of
from .units import UnitPlan

__all__ = ["Schedules", "windows_of_units"]


def windows_of_units(blocks: Iterable[Block]) -> dict[str, WindowPlan]:
    """Give the sliding windows that units alone read, word by word, by the names of the units."""
    windows = {block.name: block for block in blocks if type(block) is WindowPlan}
    return {
        block.name: windows[block.sources[0]]
        for block in blocks
        if isinstance(block, UnitPlan) and block.lot == 1 and block.sources[0] in windows
    }


class Schedules:
    """The schedules of a network's blocks, each worked out once; blocks differ in their names."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Schedule] = {}

    def of(self, block: Block, window: WindowPlan | None = None) -> Schedule:
        """Give the schedule of a block, or of a unit by the words of the `window` before it.

        Queues of one name may have several depths.
        """
        if window is not None:
            return self._through(window, block)
        key = block.name, block.depth if isinstance(block, QueuePlan) else 0
        if key not in self._known:
            self._known[key] = schedule_of(block)
        return self._known[key]

    def _through(self, window: WindowPlan, unit: Block) -> Schedule:
        """Count the words of the window's input in place of its own.

        A window's words leave one a clock but where it waits for a pixel, and a unit needs them one
        a clock or less often, so that nothing else holds it up: no later word of a vector is needed
        sooner, counted from when it leaves, than the one that was waited for. These are a ninth of
        all words where a kernel has nine taps.
        """
        key = f"{window.name} {unit.name}", 0
        if key not in self._known:
            first, last = self.of(window), self.of(unit)
            (steps, words), (asked, _) = first.needs[0], last.needs[0]
            assert isinstance(first.after, int) and len(asked) == first.steps
            self._known[key] = replace(
                last,
                needs=((asked[steps], words),),
                before=first.before + first.after + last.before,
                words_in=first.words_in,
            )
        return self._known[key]
