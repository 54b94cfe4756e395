"""A simulated board as a program of its own: ``python -m rtl_gen.simulated MODEL``.

It writes one line of JSON, its address and its manifest, and serves until standard input ends. The
driver's ``sim:`` starts it.
"""

import argparse
import json
import sys
from pathlib import Path

from bnnhw.errors import BnnhwError, UsageError
from bnnhw.plan import manifest

from . import content
from .cli.options import make

__all__ = ["main"]

_SIMULATORS = {"verilator": "sim.board:SimulatedBoard", "pysim": "sim.slow_board:InterpretedBoard"}


def main(words: list[str]) -> int:
    """Serve one board; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m rtl_gen.simulated")
    parser.add_argument("model", type=Path)
    parser.add_argument("--board", default="icebreaker")
    parser.add_argument("--simulator", default="verilator")
    options = parser.parse_args(words)
    try:
        if options.simulator not in _SIMULATORS:
            raise UsageError(
                f"There is no simulator {options.simulator!r} of boards.",
                f"Choose one of {', '.join(_SIMULATORS)}.",
            )
        module, _, name = _SIMULATORS[options.simulator].partition(":")
        planned = make(options.model, board=options.board)
        clock, baud = planned.board.clock.sync_hz, planned.board.link.baud
        simulated = getattr(content.module(module), name)
        with simulated(planned.plan, clock_hz=clock, baud=baud, benchmark=True) as board:
            print(json.dumps({"url": board.url, "manifest": manifest(planned.plan)}), flush=True)
            sys.stdin.read()
    except BnnhwError as error:
        print(f"{error.what}\n{error.todo}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
