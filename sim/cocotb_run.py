"""Run a cocotb bench of ours on Verilog text, in a folder that is gone afterwards."""

import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bnnhw.errors import CheckFailed, ToolMissing
from rtl_gen.tools import ToolFailed, find_program, python_package, run_tool, verilator
from rtl_gen.tools.search import search_path

__all__ = ["SIMULATORS", "TODO", "run_bench"]

SIMULATORS = ("icarus", "verilator")

TODO = (
    "This is a defect of the generated hardware; please report it with the model and the folding."
)

_HERE = Path(__file__).resolve().parent
_LAUNCH: tuple[str | Path, ...] = (sys.executable, _HERE / "cocotb_launch.py")
_NEIGHBOURS = ("scoreboard.py", "traffic.py")
_ARGS = {
    "icarus": [],
    # Warnings have a test of their own; here the bench is what is asked for.
    "verilator": ["-Wno-fatal", "-Wno-lint", "-Wno-style", "--x-assign", "unique"],
}


def _environment(simulator: str) -> dict[str, str]:
    """Give the environment of the child, or an error that says what is missing."""
    if simulator not in SIMULATORS:
        raise ValueError(f"Simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    if python_package("cocotb") is None:
        raise ToolMissing("cocotb is not installed.", 'Install it: pip install "bnnhw[sim]"')
    environment = {**os.environ, "PATH": search_path()}
    # A user's own settings of cocotb would choose other tests or none; and under pytest its runner
    # ends with status 0 when a simulator leaves no results.
    foreign = ("COCOTB", "GPI_", "PYTEST_CURRENT_TEST")
    environment = {k: v for k, v in environment.items() if not k.startswith(foreign)}
    if simulator == "verilator":
        environment |= verilator().env
        # A bench is short: what the C++ compiler saves is more than the run then takes.
        quick = [environment.get("MAKEFLAGS", ""), "OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0"]
        return {**environment, "MAKEFLAGS": " ".join(quick).strip()}
    if find_program("iverilog") is None:
        raise ToolMissing(
            "Icarus Verilog is not installed.",
            "Install it (apt-get install iverilog, or your system's equivalent), "
            "or simulate with Verilator.",
        )
    return environment


@contextmanager
def _followed(file: Path, progress: Callable[[int], None] | None) -> Iterator[None]:
    """Report the number in `file` now and then, while a child writes it."""
    stop = threading.Event()

    def follow() -> None:
        seen = 0
        while progress and not stop.wait(0.5):
            count = json.loads(file.read_text()) if file.exists() else 0
            if count != seen:
                seen = count
                progress(count)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def run_bench(
    bench: str,
    verilog: str,
    job: Mapping[str, Any],
    *,
    top: str,
    simulator: str = "icarus",
    seed: int = 1,
    limit: float = 3600,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Simulate `verilog` under a bench that lies beside this file.

    Parameters
    ----------
    bench : str
        Name of its module.
    verilog : str
        Text of the design.
    job : mapping
        What the bench finds as ``job.json``; JSON values only.
    top : str
        Name of the top module.
    simulator : str
        ``"icarus"`` or ``"verilator"``.
    seed : int
        Of cocotb's own random numbers.
    limit : float
        Seconds after which everything is stopped.
    progress : callable or None
        Called with what the bench writes to ``progress.json``.

    Returns
    -------
    dict
        What the bench left as ``recording.json``, or nothing.

    Raises
    ------
    CheckFailed
        If a test of the bench fails, or none runs.
    ToolMissing
        If cocotb or the simulator is not installed.
    ToolFailed
        If the design does not compile, or the run ends without results or not in time.
    """
    environment = _environment(simulator)
    with tempfile.TemporaryDirectory(prefix="bnnhw-") as name:
        scratch = Path(name)
        settings = {"simulator": simulator, "top": top, "bench": bench, "seed": str(seed)}
        _furnish(scratch, settings, {"top.v": verilog, "job.json": json.dumps(job)})
        recording = scratch / "recording.json"
        try:
            with _followed(scratch / "progress.json", progress):
                run_tool(_LAUNCH, cwd=scratch, env=environment, limit=limit)
        except ToolFailed as failed:
            if (scratch / "results.xml").exists():
                raise _verdict(bench, simulator, recording, failed) from failed
            raise
        return json.loads(recording.read_text()) if recording.exists() else {}


def _furnish(scratch: Path, settings: Mapping[str, str], given: Mapping[str, str]) -> None:
    """Copy a bench and its neighbours into a package of their own, and say how to start it."""
    for name, text in given.items():
        (scratch / name).write_text(text)
    arguments = {"build_args": _ARGS[settings["simulator"]]}
    (scratch / "launch.json").write_text(json.dumps({**settings, **arguments}))
    package = scratch / "bench"
    package.mkdir()
    (package / "__init__.py").touch()
    for file in (*_NEIGHBOURS, f"{settings['bench']}.py"):
        shutil.copy(_HERE / file, package / file)


def _verdict(bench: str, simulator: str, recording: Path, failed: ToolFailed) -> CheckFailed:
    """Say in one sentence what a bench found."""
    found = json.loads(recording.read_text()).get("broken", "") if recording.exists() else ""
    lines = [line for line in failed.output.splitlines() if "Error: " in line or "Error:" in line]
    why = found or (lines[-1].strip() if lines else "it gave no reason")
    return CheckFailed(
        f"The bench '{bench}' failed in {simulator}: {why}",
        TODO,
    )
