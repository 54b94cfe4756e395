"""The written plan of functional coverage: for each feature the bins that a passed check must hit.

A bin counts as hit when a design that has it was simulated, with stalls, and every edge equalled
the golden model: not when it was drawn. Each is to be hit for each family: ``generic`` is the
portable Verilog, ``ice40`` and ``ecp5`` are the structures for that family's cells.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["FAMILIES", "PLAN", "Collector", "Feature"]

FAMILIES = ("generic", "ice40", "ecp5")

_FOLDS = ("one", "some", "ragged", "all")
_COUNTS = ("1", "2", "more")


@dataclass(frozen=True)
class Feature:
    """Something that designs have in several ways.

    Parameters
    ----------
    name : str
    bins : tuple of str
        The ways.
    what : str
        What they mean.
    elsewhere : dict of str to tuple of str
        Bins that some families do not have, by the family.
    """

    name: str
    bins: tuple[str, ...]
    what: str
    elsewhere: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, family: str) -> list[str]:
        """Name the bins of a family in full."""
        absent = self.elsewhere.get(family, ())
        return [f"{self.name}: {one}" for one in self.bins if one not in absent]


def _crossed(*axes: Iterable[str]) -> tuple[str, ...]:
    names = [""]
    for axis in axes:
        names = [f"{name} × {one}" if name else one for name in names for one in axis]
    return tuple(names)


_STALLS = ("none", "some", "much")

PLAN = (
    Feature(
        "dense PE × SIMD", _crossed(_FOLDS, _FOLDS),
        "rows and columns at once in dense layers: one, a divisor, no divisor, all",
    ),
    Feature(
        "conv PE × SIMD", _crossed(("one", "some", "all"), ("one", "some", "all", "window")),
        "rows and lanes at once in convolutions: all channels of a tap, or the whole window",
    ),
    Feature(
        "integer PE × SIMD", _crossed(("one", "some", "all"), ("one", "some", "all")),
        "the same of layers with 8-bit weights",
    ),
    Feature("NF × SF", _crossed(_COUNTS, _COUNTS), "neuron folds and synapse folds"),
    Feature("pipeline", ("0", "1", "2"), "levels of adders between registers"),
    Feature(
        "weights in", ("lut", "block", "unrolled", "ram", "spram"), "where weights lie",
        {"ecp5": ("spram",)},
    ),
    Feature("multiplier", ("dsp", "lut"), "of 8-bit weights"),
    Feature("activation bits", ("1", "2", "3 to 7", "8"), "of units with ±1 weights"),
    Feature("integer activation bits", ("1", "2", "3 to 7", "8"), "of units with 8-bit weights"),
    Feature(
        "thresholds", ("none", "1", "2 or 3", "more, compared", "more, searched"),
        "levels of a row inside a unit, and how they are found",
    ),
    Feature("loose thresholds", ("1", "2 or 3", "more"), "in a block of their own"),
    Feature(
        "threshold at", ("always", "least", "inside", "largest", "never"),
        "the count from which on a row fires: 0, 1, one between, the largest, none",
    ),
    Feature("threshold turned", ("no", "yes"), "fires below, not above: a negative gain"),
    Feature("count at", ("0", "all"), "the smallest and the largest sum were seen"),
    Feature(
        "weights equal", ("row of -1", "row of +1", "matrix"), "weights that are all the same"
    ),
    Feature("integer weight", ("-128", "0", "127"), "the extremes occur"),
    Feature(
        "kernel", ("1 × 1", "1 × n", "n × 1", "n × n", "even", "whole image"), "of convolutions"
    ),
    Feature("stride", ("1", "2", "3", "unequal", "beyond the kernel"), "of convolutions"),
    Feature("padding", ("none", "all round", "one side", "uneven"), "of convolutions"),
    Feature("pad value", ("lowest", "highest", "true zero", "code of zero"), "of padded taps"),
    Feature("dilation", ("1", "2", "unequal"), "of convolutions"),
    Feature("groups", ("1", "some", "depthwise"), "of convolutions"),
    Feature("window", ("serial", "parallel", "ternary"), "how windows are made"),
    Feature(
        "pool", ("max", "sum", "apart", "overlapping", "gaps", "padded"), "kinds and geometries"
    ),
    Feature("add", ("2", "3 or more", "equal steps", "other steps"), "sums of branches"),
    Feature("concat", ("2", "3 or more", "words of a channel"), "branches side by side"),
    Feature("fork", ("2", "3 or more"), "readers of an edge"),
    Feature("queue", ("2", "to 15", "16 or more"), "words that wait for another branch"),
    Feature("move", ("slice at 0", "slice to end", "slice inside", "shuffle"), "of channels"),
    Feature("scale", ("plain", "shifted", "clipped below", "clipped above", "negative"), "affine"),
    Feature("lanes", ("wires", "collect", "share", "gear", "tail"), "width converters"),
    Feature("input bits", ("1", "2 to 7", "8"), "of an element"),
    Feature("input lanes", ("one", "some", "ragged", "all"), "elements of an input word"),
    Feature(
        "counter", _crossed(("input words", "SF", "NF"), ("1", "2^n - 1", "2^n", "2^n + 1")),
        "counters that end at, below and above a power of two (n > 1)",
    ),
    Feature("classes", ("1", "2", "more"), "of the answer"),
    Feature("best", ("first", "last", "tie", "top 1", "top some", "top all"), "of the answer"),
    Feature("stalls", _crossed(_STALLS, _STALLS), "of source × sink: 0, to 50 %, above"),
    Feature(
        "frames", ("gap 0", "gap 1", "gap 2 to 9", "gap 10 or more", "short", "long", "held"),
        "gaps in front of frames, frames too short and too long, a sink that holds everything up",
    ),
    Feature("toggling", ("source", "sink", "both"), "valid and ready in every other clock"),
    Feature("reset", ("idle", "amid a frame", "amid a broken frame"), "when reset comes"),
)  # fmt: skip
"""Every feature and its bins."""


@dataclass
class Collector:
    """What was hit in a family.

    Parameters
    ----------
    family : str
        One of `FAMILIES`.

    Raises
    ------
    ValueError
        If a bin is hit that is not in the plan: the plan would not be what is measured.
    """

    family: str
    hits: Counter[str] = field(default_factory=Counter)

    @property
    def wanted(self) -> list[str]:
        """Every bin of the family."""
        return [one for feature in PLAN for one in feature.of(self.family)]

    @property
    def missing(self) -> list[str]:
        """Bins without a hit, in the order of the plan."""
        return [one for one in self.wanted if not self.hits[one]]

    def hit(self, bins: Iterable[str]) -> None:
        """Count what a design has whose check has passed."""
        found = set(bins)
        unknown = found - {f"{feature.name}: {one}" for feature in PLAN for one in feature.bins}
        if unknown:
            raise ValueError(f"Bins must be in the plan, not {sorted(unknown)}")
        self.hits.update(found)
