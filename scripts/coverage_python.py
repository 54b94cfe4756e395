"""Line and branch coverage of the Python of `bnnhw` and `rtl_gen`, by a part of the quick suite."""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bnnhw.errors import ToolMissing

from .coverage_sample import EVERY
from .signing import ROOT, Item, record

__all__ = ["measure"]

PACKAGES = ("bnnhw", "rtl_gen")
TESTS = (
    *(
        f"tests/bnnhw/{part}"
        for part in ("cost", "fold", "golden", "graph", "link", "load", "plan")
    ),
    *("tests/bnnhw/test_bits.py", "tests/bnnhw/test_files.py", "tests/bnnhw/test_images.py"),
    *("tests/bnnhw/test_names.py", "tests/bnnhw/test_target.py", "tests/bnnhw/test_errors.py"),
    *("tests/rtl_gen", "tests/sim/test_graphs.py", "tests/sim/test_random_networks.py"),
    "tests/bnnhw/driver",
)
# Tests below tests/rtl_gen that start programs and builds, and what they alone are about.
LEFT_OUT = (
    *("build", "cli", "product", "test_flash.py", "test_prebuilt.py", "test_product.py"),
    *("test_store_mapped.py", "test_tools.py", "test_unrolled_network.py", "test_verilog_clean.py"),
)
OMITTED = (
    *(f"bnnhw/{part}/*" for part in ("driver", "page", "train", "zoo", "data")),
    *(f"rtl_gen/{part}/*" for part in ("build", "cli", "product", "tools")),
    # Run in a child process, or on a machine that has the framework.
    *("bnnhw/load/keras_worker.py", "bnnhw/aio.py", "bnnhw/compare.py", "bnnhw/pictures.py"),
    # Compiled: coverage.py does not see inside.
    "bnnhw/golden/packed_numba.py",
    *("bnnhw/load/torch_trace.py", "bnnhw/load/torch_calls.py"),
    *("rtl_gen/prebuilt.py", "rtl_gen/simulated.py", "rtl_gen/flash.py"),
)
REQUIRED = 90.0


def _configuration(folder: Path) -> Path:
    """Write the settings of coverage.py; training and the page have suites of their own."""
    path = folder / "coveragerc"
    omitted = "\n    ".join(OMITTED)
    path.write_text(
        f"[run]\nbranch = True\nparallel = True\ndata_file = {folder / 'data'}\n"
        f"source = {','.join(PACKAGES)}\nomit = {omitted}\n"
        "[report]\nexclude_also =\n    if TYPE_CHECKING:\n    raise NotImplementedError\n"
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
        raise ToolMissing(
            "coverage.py is not installed.", 'Install it: pip install "bnnhw[coverage]"'
        )
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        settings = _configuration(Path(scratch))
        tool = [sys.executable, "-m", "coverage"]
        words = [f"--ignore=tests/rtl_gen/{path}" for path in LEFT_OUT]
        words += ["-p", "scripts.coverage_sample"]
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
            "not_measured": list(OMITTED),
            "of_parametrised_tests": f"all of bnnhw; of hardware the first and every {EVERY}th",
            "files_below": files,
            "tests_passed": not status,
        },
    )
    record(item, "pytest", "coverage")
    print(item.measured)
    return item.met
