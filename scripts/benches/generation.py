"""How long Verilog of an array takes to write, and how much memory."""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bnnhw.errors import UsageError

from .frame import Row, Settings, in_child, markdown_table

__all__ = ["NAME", "TITLE", "measure", "page", "plots"]

NAME = "generation"
TITLE = "Writing Verilog"

# Rows and columns of PEs with eight lanes each: PE rows, and SIMD eight times the columns.
SIZES = (8, 16, 32, 64, 128, 256)
LANES = 8

_INTRO = """`bnnhw generate array --pe N --simd 8N`: an array of N × N processing elements of 8
lanes, each row of which adds its partial counts; weights are streamed in. Each run is a process of
its own from start to exit, with Yosys where it is used, and writes all files of the array. Times
are medians of processor time, that of child processes included; memory is the largest process's
peak. A size that is not in the table was refused by the program."""


def measure(settings: Settings) -> list[Row]:
    """Generate arrays one after the other, each a few times."""
    rows = []
    for size in SIZES[:3] if settings.quick else SIZES:
        runs: list[Row] = []
        while len(runs) < (1 if settings.quick else 3):
            run = in_child(NAME, str(size))
            if run["refused"]:
                settings.say(f"   {size}: {run['refused']}")
                break
            runs.append(run)
            if run["seconds"] > 60:
                break
        else:
            settings.say(f"   {size}: {runs[-1]}")
        if runs:
            rows.append(
                {
                    "size": size,
                    "runs": len(runs),
                    "seconds": statistics.median(run["seconds"] for run in runs),
                    "megabytes": statistics.median(run["megabytes"] for run in runs),
                    "verilog_bytes": runs[0]["verilog_bytes"],
                }
            )
    return rows


def _generate(size: int) -> Row:
    program = Path(sys.executable).with_name("bnnhw")
    with tempfile.TemporaryDirectory() as folder:
        words = ["generate", "array", "--pe", str(size), "--simd", str(LANES * size), "-o", folder]
        start = time.perf_counter()
        done = subprocess.run([str(program), *words], capture_output=True, text=True)
        wall = time.perf_counter() - start
        if done.returncode == UsageError.exit_code:
            return {"refused": done.stderr.strip().splitlines()[-1]}
        if done.returncode:
            raise RuntimeError(f"bnnhw {' '.join(words)}: {done.stderr}")
        written = sum(file.stat().st_size for file in Path(folder).rglob("*.v"))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "refused": "",
        "seconds": round(used.ru_utime + used.ru_stime, 2),
        "wall": round(wall, 2),
        # Linux counts in kB, macOS in bytes.
        "megabytes": round(used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1024), 1),
        "verilog_bytes": written,
    }


def page(rows: list[Row]) -> str:
    """Give the table."""
    heads = ["PEs of 8 lanes", "lanes", "seconds", "MB", "Verilog kB", "runs"]
    lines = [
        [
            f"{row['size']} × {row['size']}",
            f"{row['size'] ** 2 * LANES:,}",
            f"{row['seconds']:.2f}",
            f"{row['megabytes']:,.0f}",
            f"{row['verilog_bytes'] / 1e3:,.0f}",
            row["runs"],
        ]
        for row in rows
    ]
    return f"{_INTRO}\n\n{markdown_table(heads, lines)}"


def plots(rows: list[Row], folder: Path) -> list[Path]:
    """Draw time and memory over the size."""
    from .pictures import COLOURS, picture

    file = folder / "generation.svg"
    with picture(file, columns=2, height=2.8) as (left, right):
        sizes = [row["size"] for row in rows]
        left.plot(sizes, [row["seconds"] for row in rows], "o-", color=COLOURS[0])
        left.set(ylabel="seconds", xlabel="N × N PEs of 8 lanes")
        right.plot(sizes, [row["megabytes"] for row in rows], "o-", color=COLOURS[1])
        right.set(ylabel="MB", xlabel="N × N PEs of 8 lanes")
        for axes in (left, right):
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:.0f}")
            axes.set_xticks(sizes)
            axes.set_ylim(bottom=0, top=1.1 * axes.get_ylim()[1])
    return [file]


if __name__ == "__main__":
    print(json.dumps(_generate(int(sys.argv[1]))))
