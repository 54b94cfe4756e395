"""`bnnhw patch`: new weights into a bitstream, without place and route."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.names import checked, printable
from bnnhw.plan import Plan, make_plan
from bnnhw.target import Board

from .options import Json, Model, OutDir, Pixel, Planned, link_baud, load
from .show import emit_json, progress, say

__all__ = ["patch", "patch_note"]

_AGAIN = "Build the design again."
# What a unit's contents are called as submodules; some are worked into others.
_MEMORIES = {
    "weights": ("weights",),
    "thresholds": ("starts", "levels", "constants"),
    "offsets": ("constants", "starts"),
}


def patch_note(planned: Planned, benchmark: bool, link: str = "uart") -> dict[str, Any]:
    """Say as JSON values what a build must note so that it can be patched."""
    folding = planned.plan.folding
    return {
        "clock_hz": planned.board.clock.sync_hz,
        "baud": link_baud(link, planned.board),  # none on SPI and USB
        "usb": link == "usb",
        "benchmark": benchmark,
        "contents": _contents(planned.plan),
        "folding": {
            "layers": {name: asdict(fold) for name, fold in folding.layers.items()},
            "input_lanes": folding.input_lanes,
            "lanes": dict(folding.lanes),
        },
    }


def patch(
    build: Annotated[Path, typer.Argument(help="Folder that bnnhw build wrote.")],
    model: Model,
    out: OutDir,
    pixel: Pixel = "auto",
    board: Annotated[
        str | None, typer.Option("--board", "-b", help="The board, where it is a file of yours.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Put the weights of another model of the same shape into a build's bitstream."""
    from rtl_gen.build.patch import patch_bitstream
    from rtl_gen.build.record import RECORD, read_record
    from rtl_gen.network import network_files
    from rtl_gen.output import publish
    from rtl_gen.system import LinkedAccelerator, link_facts

    name = _name(build, RECORD)
    told = read_record(build / f"{name}{RECORD}")
    note = told["note"]
    plan = _plan(load(model, pixel), note, name)
    _refuse_lookup_tables(plan, told)
    try:
        target = _target(told, board)
        core = LinkedAccelerator(
            plan, clock_hz=note["clock_hz"], baud=note["baud"], benchmark=note["benchmark"],
            usb=note.get("usb", False),
        )  # fmt: skip
    except ValueError as error:
        raise UsageError(f"The build does not suit its board: {error}.", _AGAIN) from error
    with progress(as_json) as tell:
        files = patch_bitstream(
            core, target, build, out, name=name, progress=lambda step: tell(step, 0, 0)
        )
        tell("writing Verilog", 0, 0)
        link = link_facts(note["clock_hz"], note["baud"], usb=note.get("usb", False))
        files += publish(network_files(plan, board=target.name, link=link), out)
    if as_json:
        emit_json({"identity": plan.identity, "files": [str(path) for path in files]})
        return
    say(f"{files[0]} has the weights of '{printable(plan.graph.name)}'; nothing else was changed.")


def _name(build: Path, suffix: str) -> str:
    found = sorted(build.glob(f"*{suffix}"))
    if len(found) != 1:
        raise UsageError(
            f"'{printable(str(build))}' holds {len(found)} builds that could be patched.",
            "Give the folder of one build that this version of bnnhw made.",
        )
    return checked(found[0].name.removesuffix(suffix), "design name")


def _plan(graph: Any, note: Any, name: str) -> Plan:
    try:
        given = note["folding"]
        layers = {layer: LayerFold(**fold) for layer, fold in given["layers"].items()}
        folding = Folding(layers, given["input_lanes"], dict(given["lanes"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError("The build was not made by 'bnnhw build'.", _AGAIN) from error
    return make_plan(graph, folding, name=name)


def _target(told: dict[str, Any], given: str | None) -> Board:
    """Give the board of a build, with its clock."""
    from rtl_gen.build.boards import load_board

    named, note = told["board"], told["note"]
    numbers = [note.get("clock_hz")]
    if note.get("baud") is not None:  # as on SPI and USB
        numbers.append(note["baud"])
    flags = (note.get("benchmark"), note.get("usb", False))
    if not all(type(number) is int and number > 0 for number in numbers) or not all(
        isinstance(flag, bool) for flag in flags
    ):
        raise UsageError("The build was not made by 'bnnhw build'.", _AGAIN)
    if named.endswith(".py") and given is None:
        # Whoever made the folder would otherwise choose what is run here.
        raise UsageError(
            f"The build is for the board of a file, '{printable(named)}', which would be run.",
            "Name a file that you trust: --board FILE.",
        )
    if given not in (None, named) and not named.endswith(".py"):
        raise UsageError(f"The build is for the board '{printable(named)}'.", "Leave --board out.")
    target = load_board(given or named)
    return target if target.clock.sync_hz == numbers[0] else target.at(numbers[0])


def _contents(plan: Plan) -> dict[str, str]:
    """Give a hash of what each memory of each layer holds."""
    import hashlib

    found = {}
    for unit in plan.units:
        for content in _MEMORIES:
            words = getattr(unit, content, None)
            if words is not None:
                state = ",".join(f"{word:x}" for word in words)
                found[f"{unit.layer}: {content}"] = hashlib.sha256(state.encode()).hexdigest()
    return found


def _refuse_lookup_tables(plan: Plan, told: dict[str, Any]) -> None:
    """Refuse by name what has changed and lies in lookup tables, before Yosys runs."""
    old, new = told["note"].get("contents", {}), _contents(plan)
    if not isinstance(old, dict) or set(old) != set(new):
        raise UsageError("The model has other layers than the build.", "Build it: bnnhw build.")
    lost = []
    for unit in plan.units:
        changed = [what for what in _MEMORIES if _differs(old, new, f"{unit.layer}: {what}")]
        if changed and unit.weight_style == "spram":
            raise UsageError(
                f"The weights of layer '{unit.layer}' are in no bitstream: they are loaded.",
                "Load them over the link: device.load_weights(model).",
            )
        cells = [cell for cell in told["netlist"].rams if f".{unit.name}." in cell]
        lost += [
            f"the {what} of layer '{unit.layer}'"
            for what in changed
            if not any(f".{memory}." in cell for memory in _MEMORIES[what] for cell in cells)
        ]
    if lost:
        raise UsageError(
            f"Not in block RAM, but in lookup tables: {', '.join(lost)}.",
            'Build the new model; or build once with weights = "ram" for these layers, which puts '
            "their thresholds into block RAM too.",
        )


def _differs(old: dict[str, str], new: dict[str, str], key: str) -> bool:
    return old.get(key) != new.get(key)
