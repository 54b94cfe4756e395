"""What items of the sign-off found: one file each in docs/signoff, of which the page is made."""

import datetime
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bnnhw import __version__
from bnnhw.errors import BnnhwError
from bnnhw.files import write_atomic

__all__ = ["FOLDER", "ROOT", "Item", "ended", "read", "record"]

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "signoff"


@dataclass(frozen=True)
class Item:
    """One item of the sign-off, as its last run left it.

    Parameters
    ----------
    name : str
        Of the file, and what `scripts/signoff --only` takes.
    claim : str
        What is claimed, as one sentence.
    command : str
        Runs the item again, from the root of the checkout.
    required : str
        What must be reached.
    measured : str
        What was, with the figure first.
    met : bool
    seconds : float
        How long it took, by the clock.
    details : dict of JSON values
        Everything that tables of the page need.
    short : str
        What falls short of the claim or of the requirement, in plain words, met or not; empty
        where nothing does.
    """

    name: str
    claim: str
    command: str
    required: str
    measured: str
    met: bool
    seconds: float
    details: dict[str, Any] = field(default_factory=dict)
    short: str = ""


def record(item: Item, *packages: str) -> Path:
    """Write an item down with date, revision and versions of the packages that it rests on."""
    words = ["git", "rev-parse", "--short=10", "HEAD"]
    revision = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    document = asdict(item) | {
        "date": datetime.date.today().isoformat(),
        "revision": revision.stdout.strip() or "unknown",
        "versions": {"bnnhw": __version__} | {name: version(name) for name in packages},
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{item.name}.json"
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
    write_atomic(path, (text + "\n").encode())
    return path


def read(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """Read every item that was recorded, by name."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
    }


def ended(main: Callable[[], int]) -> int:
    """Run a program of the sign-off; what is missing is told in two lines, not by a traceback."""
    try:
        return main()
    except BnnhwError as error:
        print(f"{error.what}\n{error.todo}", file=sys.stderr)
        return error.exit_code
