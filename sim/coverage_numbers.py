"""Where the thresholds of a unit lie among the counts that its rows can have."""

from collections.abc import Iterator

from bnnhw.plan import MvtuPlan
from bnnhw.plan.units import unpacked

__all__ = ["threshold_bins"]


def threshold_bins(block: MvtuPlan) -> Iterator[str]:
    """Name the bins of a unit's thresholds; rows that only fill up the last fold do not count."""
    if block.thresholds is None:
        yield "thresholds: none"
        return
    levels = block.levels
    found = "more, searched" if block.search else "more, compared"
    yield f"thresholds: {'1' if levels == 1 else '2 or 3' if levels < 4 else found}"
    folds, width = block.neuron_folds, block.threshold_bits
    for number, word in enumerate(block.thresholds):
        rows = min(block.pe, block.rows - number % folds * block.pe)
        for level in unpacked(word, rows * levels, width):
            yield f"threshold at: {_place(level, block.largest)}"


def _place(level: int, largest: int) -> str:
    if level in (0, 1):
        return ("always", "least")[level]
    return "never" if level > largest else "largest" if level == largest else "inside"
