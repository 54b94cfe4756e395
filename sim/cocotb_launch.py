"""The child process that builds and runs one cocotb bench; `cocotb_run` starts it.

A process of its own, because cocotb's runner takes the simulator's settings from the environment
and ends the process when a simulator is missing.
"""

import json
import sys
from pathlib import Path

__all__ = ["main"]


def main() -> int:
    """Build and run what `launch.json` in the working folder says.

    Returns
    -------
    int
        0 if at least one test ran and none failed.
    """
    from cocotb_tools.runner import get_results, get_runner

    job = json.loads(Path("launch.json").read_text())
    here = Path.cwd()
    # The simulator's Python gets this process's path: the working folder in place of this file's.
    own = str(Path(__file__).resolve().parent)
    sys.path[:] = [str(here), *(place for place in sys.path if place != own)]
    runner = get_runner(job["simulator"])
    try:
        runner.build(
            sources=[here / "top.v"],
            hdl_toplevel=job["top"],
            build_dir=here / "build",
            build_args=job["build_args"],
            timescale=("1ns", "1ps"),
        )
    except RuntimeError as error:
        # The compiler has said why; a traceback would push that out of sight.
        print(error)
        return 2
    results = runner.test(
        test_module=f"bench.{job['bench']}",
        hdl_toplevel=job["top"],
        build_dir=here / "build",
        test_dir=here,
        results_xml=str(here / "results.xml"),
        seed=job["seed"],
    )
    ran, failed = get_results(results)
    print(f"{ran} tests, {failed} failures")
    return 0 if ran and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
