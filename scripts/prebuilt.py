"""Build the bitstreams that come with the source, and write them to boards/prebuilt.

    .venv/bin/python scripts/prebuilt.py [BOARD ...]

Without a name, those of `BOARDS`. Each is what `bnnhw build` makes of the first bundled network for
the board, with seed 1. tests/rtl_gen/test_prebuilt.py says when one has become stale.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from bnnhw import data
from rtl_gen.cli.board import build_network
from rtl_gen.cli.options import make
from rtl_gen.prebuilt import pack

__all__ = ["BOARDS", "main"]

ROOT = Path(__file__).resolve().parent.parent
BOARDS = ("icebreaker", "ulx3s-85f")


def main(boards: list[str]) -> int:
    """Build for some boards."""
    # Before the build: who edits meanwhile shall not change what this says.
    asked = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    folder = ROOT / "boards" / "prebuilt"
    folder.mkdir(exist_ok=True)
    for board in boards or BOARDS:
        for name, text in _files(board, commit).items():
            (folder / name).write_bytes(text)
            print(f"{folder / name}: {len(text)} bytes", flush=True)
    return 0


def _files(board: str, commit: str) -> dict[str, bytes]:
    planned = make(data.path(f"{data.networks()[0]}.onnx"), board=board)
    with tempfile.TemporaryDirectory() as scratch:
        report, files = build_network(
            planned, Path(scratch), 1, lambda what, *_: print(f"{board}: {what}", flush=True)
        )
        bitstream = files[0].read_bytes()
    return pack(bitstream, report, planned.plan, planned.board, commit=commit)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
