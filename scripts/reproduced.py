"""Make designs and print the SHA-256 of every file, as JSON: what `scripts.reproduce` compares.

python -m scripts.reproduced [--bitstream]
"""

import hashlib
import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from bnnhw import data
from bnnhw.plan import Plan, manifest
from rtl_gen.build.boards import load_board
from rtl_gen.build.flow import build_bitstream
from rtl_gen.cli.options import make
from rtl_gen.network import network_verilog
from rtl_gen.system import LinkedAccelerator
from sim.samples import network, planned

from .soak_networks import case_of

__all__ = ["designs", "main"]

_BOARD = "icebreaker"


def _sha(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def _of_plan(plan: Plan) -> dict[str, str]:
    described = json.dumps(manifest(plan), sort_keys=False, ensure_ascii=False)
    return {
        "identity": plan.identity,
        "manifest": _sha(described),
        "verilog": _sha(network_verilog(plan)[0]),
    }


def designs(few: bool = False) -> dict[str, dict[str, str]]:
    """Make the bundled networks as the command line does, and random ones with branches."""
    found = {}
    for name in data.networks()[-1:] if few else data.networks():
        found[name] = _of_plan(make(data.path(f"{name}.onnx"), board=_BOARD).plan)
    for number in (2,) if few else (1, 2, 4):
        found[f"random {number}"] = _of_plan(case_of("reproduce", number).plan)
    return found


def bitstream() -> dict[str, str]:
    """Build a small network for an iCE40."""
    plan = planned(network((16, 8, 4), 1), [(2, 4), (2, 4)])
    board = load_board(_BOARD)
    core = LinkedAccelerator(plan, clock_hz=board.clock.sync_hz, baud=board.link.baud)
    with tempfile.TemporaryDirectory() as name:
        build_bitstream(core, board, Path(name), name="net")
        files = {suffix: (Path(name) / f"net{suffix}").read_bytes() for suffix in (".bin", ".asc")}
    return {"identity": plan.identity, **{suffix: _sha(text) for suffix, text in files.items()}}


def main(words: list[str]) -> int:
    """Print what is made of everything."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "designs": designs("--few" in words),
    }
    if "--bitstream" in words:
        found["designs"][f"small network on {_BOARD}"] = bitstream()
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
