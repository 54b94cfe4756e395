"""An error's last line is what to do, even where it left hardware half-built."""

import os
import subprocess
import sys
from pathlib import Path

from bnnhw.graph import save_graph
from sim.samples import network


def test_nothing_speaks_after_the_error(tmp_path: Path) -> None:
    save_graph(network((4, 3, 2), 1), tmp_path / "tiny.json")
    program = Path(sys.executable).with_name("bnnhw")
    words = ["build", "tiny.json", "--board", "icebreaker", "--clock", "20", "-o", "out"]
    environment = os.environ | {"PYTHONWARNINGS": "default"}
    done = subprocess.run(
        [program, *words], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[-2].startswith("bnnhw: The iCE40 PLL cannot make 20000000 Hz")
    assert lines[-1].startswith("Take a clock that it can make")
