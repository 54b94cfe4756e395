"""Verdicts that are kept between runs, so that only what changed is judged again."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bnnhw.files import write_atomic

from ..signing import ROOT
from .results import Fate, Judged, Verdict

__all__ = ["State", "digest"]


def digest(*texts: str) -> str:
    """Make one short name of everything that verdicts depend on."""
    whole = hashlib.sha256()
    for text in texts:
        whole.update(hashlib.sha256(text.encode()).digest())
    return whole.hexdigest()[:16]


class State:
    """Verdicts of kinds, each with a name of what they depend on.

    Parameters
    ----------
    part : str
        "rtl" or "python".
    folder : Path
        Where the file is; nothing of the project depends on it.
    """

    def __init__(self, part: str, folder: Path = ROOT / "build") -> None:
        self._path = folder / f"mutants-{part}.json"

    def _read(self) -> dict[str, Any]:
        """Read it anew: another run may have added to it."""
        if not self._path.exists():
            return {}
        found: dict[str, Any] = json.loads(self._path.read_text())
        return found

    def get(self, kind: str, name: str) -> Judged | None:
        """Give the verdicts of a kind if they depended on the same, else None."""
        entry = self._read().get(kind)
        if entry is None or entry["digest"] != name:
            return None
        verdicts = [Verdict(**{**one, "fate": Fate(one["fate"])}) for one in entry["verdicts"]]
        return Judged(kind, entry["size"], entry["seconds"], verdicts)

    def put(self, judged: Judged, name: str) -> None:
        """Keep the verdicts of a kind."""
        verdicts = [asdict(one) | {"fate": one.fate.value} for one in judged.verdicts]
        entry = {"digest": name, "size": judged.size, "seconds": judged.seconds}
        kinds = self._read() | {judged.kind: entry | {"verdicts": verdicts}}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path, (json.dumps(kinds, indent=1) + "\n").encode())
