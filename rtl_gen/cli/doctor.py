"""`bnnhw doctor`: which tools are there, and how to get the others."""

from typing import Annotated

import typer

from .options import Json
from .show import emit_json, progress, say, table

__all__ = ["doctor"]


def doctor(
    warm: Annotated[
        bool, typer.Option("--warm-up", help="Start the tools that compile themselves once.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show which tools are installed, their versions, and how to get what is missing."""
    from rtl_gen.tools import cold_starts, survey, warm_up

    if warm:
        with progress(as_json) as tell:
            warm_up(lambda what: tell(what, 0, 0))
    found = survey()
    cold = cold_starts()
    if as_json:
        emit_json(
            {
                "tools": [
                    {
                        "name": tool.name,
                        "needed_for": tool.needed_for,
                        "found": tool.found,
                        "version": tool.version,
                        "how": tool.how,
                    }
                    for tool in found
                ],
                "cold": list(cold),
            }
        )
        return
    rows = [
        (tool.name, "yes" if tool.found else "no", tool.version or "", tool.needed_for,
         "" if tool.found else tool.how)
        for tool in found
    ]  # fmt: skip
    table("tools", ("tool", "there", "version", "needed for", "how to get it"), rows)
    if cold:
        say(
            f"{', '.join(cold)} will compile for a minute or two at the first start; "
            "'bnnhw doctor --warm-up' does that now."
        )
