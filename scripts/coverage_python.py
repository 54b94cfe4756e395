"""Line and branch coverage of the Python of `bnnhw` and `rtl_gen`, by a part of the quick suite."""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bnnhw.errors import ToolMissing

from .signing import ROOT, Item, record

__all__ = ["measure"]

PACKAGES = ("bnnhw", "rtl_gen")
TESTS = (
    "tests/bnnhw",
    "tests/rtl_gen",
    "tests/sim/test_corners.py",
    "tests/sim/test_abuse.py",
)
# Simulations of these take most of the suite's time and add nothing that the others do not reach;
# the last ones start programs and network servers.
LEFT_OUT = ("tests/bnnhw/train", "tests/bnnhw/page", "tests/rtl_gen/build", "tests/rtl_gen/cli")
REQUIRED = 90.0


def _configuration(folder: Path) -> Path:
    """Write the settings of coverage.py; training and the page have suites of their own."""
    path = folder / "coveragerc"
    path.write_text(
        "[run]\nbranch = True\nparallel = True\n"
        f"data_file = {folder / 'data'}\nsource = {','.join(PACKAGES)}\n"
        "omit = bnnhw/train/*\n    bnnhw/page/*\n    rtl_gen/cli/*\n    rtl_gen/build/*\n"
        "    bnnhw/load/keras_worker.py\n"
    )
    return path


def measure() -> bool:
    """Run the tests under coverage.py, print and record; tell whether it is enough.

    Raises
    ------
    ToolMissing
        If coverage.py is not installed; it is in the extra ``coverage``.
    """
    if importlib.util.find_spec("coverage") is None:
        raise ToolMissing("coverage.py is not installed.", 'Install it: pip install "bnnhw[coverage]"')
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        settings = _configuration(Path(scratch))
        tool = [sys.executable, "-m", "coverage"]
        words = [f"--ignore={path}" for path in LEFT_OUT]
        command = [*tool, "run", f"--rcfile={settings}", "-m", "pytest", "-q", "-n0"]
        suite = subprocess.run([*command, "-m", "not slow", *words, *TESTS], cwd=ROOT, check=False)
        quiet = {"cwd": ROOT, "check": True, "stdout": subprocess.DEVNULL}
        subprocess.run([*tool, "combine", f"--rcfile={settings}"], **quiet)  # type: ignore[call-overload]
        told = Path(scratch) / "told.json"
        subprocess.run(
            [*tool, "json", f"--rcfile={settings}", "-o", str(told)],
            **quiet,  # type: ignore[call-overload]
        )
        found = json.loads(told.read_text())
    return _recorded(found, suite.returncode, time.monotonic() - start)


def _recorded(found: dict, status: int, seconds: float) -> bool:
    total = found["totals"]
    branches = 100 * total["covered_branches"] / max(1, total["num_branches"])
    lines = 100 * total["covered_lines"] / max(1, total["num_statements"])
    files = {
        name: round(one["summary"]["percent_covered"], 1)
        for name, one in sorted(found["files"].items())
        if one["summary"]["percent_covered"] < REQUIRED
    }
    item = Item(
        name="coverage-python",
        claim="The tests reach the lines and branches of generator and golden model.",
        command="python -m scripts.coverage python",
        required=f"{REQUIRED:.0f} % of the branches, and every test passes",
        measured=f"{branches:.1f} % of {total['num_branches']:,} branches, {lines:.1f} % of "
        f"{total['num_statements']:,} statements",
        met=branches >= REQUIRED and not status,
        seconds=round(seconds, 3),
        details={
            "tests": list(TESTS),
            "left_out": list(LEFT_OUT),
            "files_below": files,
            "tests_passed": not status,
        },
    )
    record(item, "pytest", "coverage")
    print(item.measured)
    return item.met
