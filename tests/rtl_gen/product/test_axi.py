# amaranth: UnusedElaboratable=no
"""Foreign masters and sinks (cocotbext-axi) understand the AXI ports of an array."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rtl_gen.product import make_array, write_array
from rtl_gen.tools.search import search_path

PROGRAM = """
import sys
from cocotb_tools.runner import get_results, get_runner
runner = get_runner("icarus")
runner.build(sources=["unit.v"], hdl_toplevel="unit", build_dir="build", timescale=("1ns", "1ps"))
results = runner.test(test_module="axi_bench", hdl_toplevel="unit", build_dir="build", test_dir=".")
ran, failed = get_results(results)
print(f"{ran} ran, {failed} failed")
"""


@pytest.mark.parametrize("pe", [3, 9])
def test_cocotbext_axi_drives_it(tmp_path: Path, pe: int) -> None:
    product = make_array(
        pe=pe, simd=7, rows=10, columns=30, ram=("weights", "thresholds"), bus="axi4-lite"
    )
    write_array(product, tmp_path, name="unit", naming="axis")
    shutil.copy(Path(__file__).with_name("axi_bench.py"), tmp_path)
    environment = {**os.environ, "PATH": search_path()}
    environment.pop("PYTEST_CURRENT_TEST", None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "2 ran, 0 failed", done.stdout
