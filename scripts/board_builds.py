"""Build a bundled network for boards, and keep what was reached in docs/boards.json.

    .venv/bin/python scripts/board_builds.py [BOARD ...]

Without a name, for all of them: hours. One build at a time, each as `bnnhw build` makes it, with
seed 1; where the source comes with that very bitstream, its report is taken. A board that no
bundled network fits has a row that says so. scripts/board_table.py then writes the page.
"""

import datetime
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bnnhw import data
from bnnhw.errors import DoesNotFit, TimingFailed
from rtl_gen.build.boards import all_boards
from rtl_gen.build.report import BuildReport
from rtl_gen.cli.board import build_network
from rtl_gen.cli.options import Planned, make
from rtl_gen.prebuilt import find_prebuilt

__all__ = ["STORE", "main", "measure"]

STORE = Path(__file__).resolve().parent.parent / "docs" / "boards.json"


def measure(board: str) -> dict[str, Any]:
    """Build the first bundled network that fits a board, and give its row."""
    failures = []
    for network in data.networks():
        try:
            planned = make(data.path(f"{network}.onnx"), board=board)
            report = _report(planned)
        except (DoesNotFit, TimingFailed) as error:
            failures.append(error.what)
            continue
        return {
            "network": network,
            "identity": planned.plan.identity,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "lut4": report.usage["lut4"].used,
            "ebr": report.usage["ebr"].used,
            "mhz": report.fmax_mhz,
            "cycles": planned.plan.cycles,
            "fps": report.fps,
            "tools": report.tools,
        }
    return {"network": None, "why": failures}


def _report(planned: Planned) -> BuildReport:
    known = find_prebuilt(planned.plan, planned.board)
    if known is not None:
        return known.report
    with tempfile.TemporaryDirectory() as scratch:
        report, _ = build_network(
            planned, Path(scratch), 1,
            lambda what, *_: print(f"{planned.board.name}: {what}", flush=True),
        )  # fmt: skip
    assert isinstance(report, BuildReport)
    return report


def main(names: list[str]) -> int:
    """Measure some boards, and store each row as soon as it is there."""
    for name in names or [board.name for board in all_boards()]:
        row = measure(name)
        rows = json.loads(STORE.read_text(encoding="utf-8")) if STORE.exists() else {}
        rows[name] = row
        STORE.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"{name}: {row}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
