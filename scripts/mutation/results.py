"""What became of mutants, whatever they are mutants of."""

import enum
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Fate", "Judged", "Verdict", "score", "survivors"]


class Fate(enum.Enum):
    """What became of a mutant, in a word."""

    KILLED = "killed"
    """A check saw it."""
    EQUAL = "equal"
    """A solver proved that no check can see it."""
    EXPLAINED = "explained"
    """No check saw it, and a reason is written down."""
    OPEN = "open"
    """No check saw it, and nobody knows why."""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant.

    Parameters
    ----------
    key : str
        What was changed.
    where : str
        Lines of the source that the place comes from.
    fate : Fate
    how : str
        What a check said, or the reason why none says anything.
    sort : str
        Of the change or of what saw it: what the record counts.
    """

    key: str
    where: str
    fate: Fate
    how: str
    sort: str = ""


@dataclass
class Judged:
    """What became of the mutants of a kind of block, or of a module.

    Parameters
    ----------
    kind : str
    size : int
        Cells of the netlist, or lines of the source.
    """

    kind: str
    size: int
    seconds: float = 0.0
    verdicts: list[Verdict] = field(default_factory=list)

    def of(self, fate: Fate) -> list[Verdict]:
        """Those that ended so."""
        return [one for one in self.verdicts if one.fate is fate]

    def row(self) -> dict[str, Any]:
        """Say how many ended how, for the record."""
        fates = {fate.value: len(self.of(fate)) for fate in Fate}
        sorts = Counter(one.sort for one in self.of(Fate.KILLED))
        return {"kind": self.kind, "size": self.size, **fates, "killed by sort": dict(sorts)}

    def __str__(self) -> str:
        counts = [f"{len(self.of(fate))} {fate.value}" for fate in Fate if self.of(fate)]
        lines = [f"{self.kind} ({self.size}): {', '.join(counts)}; {self.seconds:.0f} s"]
        lines += [f"    {one.key} | {one.where} | {one.how}" for one in self.of(Fate.OPEN)]
        return "\n".join(lines)


def score(judged: Iterable[Judged]) -> tuple[Counter[Fate], float]:
    """Count fates, and give the share killed of those that are not proved equal."""
    fates = Counter(one.fate for group in judged for one in group.verdicts)
    return fates, fates[Fate.KILLED] / max(1, fates.total() - fates[Fate.EQUAL])


def survivors(judged: Iterable[Judged]) -> list[dict[str, str]]:
    """List all that no check saw, with reasons."""
    return [
        {"kind": group.kind, "key": one.key, "where": one.where, "why": one.how}
        for group in judged
        for one in group.verdicts
        if one.fate is not Fate.KILLED
    ]
