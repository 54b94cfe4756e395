"""docs/boards.md says what the board files say."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_tables_are_up_to_date():
    script = runpy.run_path(str(ROOT / "scripts" / "board_table.py"))
    page = script["PAGE"].read_text(encoding="utf-8")
    # If this fails, run scripts/board_table.py.
    assert script["filled"](page) == page
    broken = page.replace("| `icestick` |", "| `icestock` |")
    assert broken != page and script["filled"](broken) == page
