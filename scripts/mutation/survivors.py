"""Mutants that no bench sees and no solver proves harmless: each needs a reason, written down."""

import tomllib
from dataclasses import replace
from pathlib import Path

from .results import Fate, Judged

__all__ = ["FILE", "Reasons"]

FILE = Path(__file__).resolve().with_suffix(".toml")


class Reasons:
    """What people found out about survivors.

    Parameters
    ----------
    part : {"rtl", "python"}
        Which of the two lists.
    file : Path
        With tables of `kind`, `key` and `why`.

    Raises
    ------
    ValueError
        If an entry has no reason, or there are two for one mutant.
    """

    def __init__(self, part: str, file: Path = FILE) -> None:
        self._found: dict[tuple[str, str], str] = {}
        self._asked: set[tuple[str, str]] = set()
        entries = tomllib.loads(file.read_text(encoding="utf-8")).get(part, [])
        for entry in entries:
            name = entry["kind"], entry["key"]
            if name in self._found or not entry["why"].strip():
                raise ValueError(f"Survivor must have one reason, not {entry!r}")
            self._found[name] = entry["why"]

    def why(self, kind: str, key: str) -> str:
        """Give the reason for a mutant, or nothing."""
        self._asked.add((kind, key))
        return self._found.get((kind, key), "")

    def applied(self, judged: Judged) -> Judged:
        """Give verdicts in which what is open and has a reason is explained."""
        verdicts = []
        for one in judged.verdicts:
            why = self.why(judged.kind, one.key) if one.fate is Fate.OPEN else ""
            verdicts.append(replace(one, fate=Fate.EXPLAINED, how=why) if why else one)
        return replace(judged, verdicts=verdicts)

    def idle(self) -> list[str]:
        """Name the entries that were never asked for: their mutants are gone, or killed now."""
        return [" ".join(name) for name in self._found if name not in self._asked]
