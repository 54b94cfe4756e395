"""Hold an accelerator with AXI4-Stream ports against the golden model, in a simulator of choice."""

from typing import Any

from bnnhw.errors import CheckFailed
from bnnhw.plan import Plan

from .cocotb_run import TODO, run_bench
from .expected import edge_words, input_codes
from .interpreted import idle_limit, input_words

__all__ = ["check_axis"]


def check_axis(
    plan: Plan,
    verilog: str,
    images: Any,
    *,
    simulator: str = "icarus",
    stall_in: int = 0,
    stall_out: int = 0,
    reset_after: int = 0,
    seed: int = 1,
    limit: float = 3600,
) -> int:
    """Stream images through the AXI4-Stream ports and check every word of every answer.

    Parameters
    ----------
    plan : Plan
    verilog : str
        As emitted for `plan` with ``naming="axis"``.
    images : array
        As `bnnhw.golden.run` takes them.
    simulator : str
        ``"icarus"`` or ``"verilator"``.
    stall_in, stall_out : int
        Percentage of clocks in which the source or the sink waits.
    reset_after : int
        First run for so many clocks, reset for one, and start again; 0: do not.
    seed : int
        Of the stalls.
    limit : float
        Seconds after which the simulator is stopped.

    Returns
    -------
    int
        Words checked.

    Raises
    ------
    CheckFailed
        If a word is wrong, missing, surplus or unknown, an offer is taken back, or nothing moves.
    ToolMissing, ToolFailed
        If the simulator is missing or refuses the text.
    """
    expected = edge_words(plan, images)[plan.answer.name]
    words = [hex(word) for word in input_words(plan, input_codes(plan, images))]
    job: dict[str, Any] = {"words": words, "frames": len(images), "expected": expected}
    job |= {"stall_in": stall_in, "stall_out": stall_out, "reset_after": reset_after}
    job |= {"seed": seed, "idle": idle_limit(plan)}
    found = run_bench(
        "cocotb_axis", verilog, job, top=plan.name, simulator=simulator, seed=seed, limit=limit
    )
    checked = int(found.get("checked", 0))
    if checked != len(expected):
        raise CheckFailed(f"Only {checked} of {len(expected)} words were checked.", TODO)
    return checked
