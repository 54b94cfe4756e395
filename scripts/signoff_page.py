"""The table at the head of docs/verification.md: what the items of the sign-off recorded."""

from collections.abc import Mapping, Sequence
from typing import Any

from .signing import ROOT

__all__ = ["BEGIN", "END", "PAGE", "table", "with_table"]

PAGE = ROOT / "docs" / "verification.md"
BEGIN, END = "<!-- scripts/signoff writes from here -->", "<!-- to here -->"

_HEADS = ("item", "claimed", "required", "measured", "met", "last run", "command")


def table(names: Sequence[str], recorded: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out the table, and what falls short below it.

    Parameters
    ----------
    names : sequence of str
        All items, in order.
    recorded : mapping of str to mapping
        What `scripts.signing.read` gives.
    """
    there = [recorded[name] for name in names if name in recorded]
    met = sum(item["met"] for item in there)
    left = f"Not met: {len(there) - met}; not run yet: {len(names) - len(there)}."
    lines = [
        f"**{met} of {len(names)} items are met.** {left}",
        "",
        _row(_HEADS),
        _row(["---"] * len(_HEADS)),
        *(_row(_cells(item)) for item in there),
        "",
        "### What falls short",
        "",
        *(f"- **{item['name']}**: {said}" for item in there for said in _shortfalls(item)),
        *(f"- **{name}**: not run yet." for name in names if name not in recorded),
    ]
    if lines[-1] == "":
        lines.append("Nothing of what is required.")
    return "\n".join(lines) + "\n"


def with_table(page: str, names: Sequence[str], recorded: Mapping[str, Mapping[str, Any]]) -> str:
    """Give the page with its table written anew.

    Raises
    ------
    ValueError
        If the page has no place for it.
    """
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The page must have the lines {BEGIN!r} and {END!r}, not {page[:50]!r}")
    return f"{head}{BEGIN}\n\n{table(names, recorded)}\n{END}{tail}"


def _cells(item: Mapping[str, Any]) -> list[str]:
    run = f"{item['date']}, at {item['revision']}, {_duration(item['seconds'])}"
    what = [str(item[key]) for key in ("claim", "required", "measured")]
    return [item["name"], *what, "yes" if item["met"] else "**no**", run, f"`{item['command']}`"]


def _shortfalls(item: Mapping[str, Any]) -> list[str]:
    """Say what is missing: in the item's own words, or else that it is not what is required."""
    told = [str(item["short"])] if item.get("short") else []
    if not item["met"] and not told:
        told = [f"{item['measured']}, where {item['required']} is required."]
    return told


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
