"""An ECP5 bitstream unpacked: packed again, weights and tables looked up, faults planted."""

import re
import time
from dataclasses import asdict
from typing import Any

from sim.readback_ecp5 import (
    compare_rams,
    compare_tables,
    compare_weights,
    ram_cells,
    rams,
    repacked,
    unpacked,
)
from sim.routed import Placed

from ..signing import Item
from .designs import Design, Tell, bundled, placed, shipped

__all__ = ["run"]


def run(tell: Tell) -> Item:
    """Check a build for ULX3S-12F, and the bitstream for ULX3S-85F that comes with the source."""
    start = time.monotonic()
    design = bundled("digits_mlp", "ulx3s-12f")
    row = _built(design, placed(design, tell), tell)
    bitstream = shipped("digits_mlp", "ulx3s-85f")
    text = unpacked(bitstream)
    row["shipped"] = {
        "board": "ulx3s-85f", "bytes": len(bitstream),
        "same": repacked(text) == bitstream, "rams": len(rams(text)),
    }  # fmt: skip
    tell(f"{row['shipped']}")
    weights = sum(node.weight.size for node in design.plan.graph.nodes if hasattr(node, "weight"))
    found = sum(entry["bits"] for entry in row["weights"].values())
    parts = [row["rams"], row["tables"], *row["weights"].values()]
    wrong = sum(part["wrong"] for part in parts)
    met = (
        row["same"] and row["shipped"]["same"] and not wrong
        and found == weights and row["planted"] == {"weights": 1, "tables": True}
    )  # fmt: skip
    return Item(
        name="bitstream-ecp5",
        claim="An ECP5's bitstream holds the network's weights and the netlist's tables.",
        command="python -m scripts.readback ecp5",
        required="unpacked and packed again byte for byte the same; every weight where it belongs",
        measured=f"2 of {row['same'] + row['shipped']['same']} the same; {found:,} of {weights:,} "
        f"weights, {row['rams']['items']} block RAMs and {row['tables']['items']:,} tables looked "
        f"up; {wrong} bits differ",
        met=met,
        seconds=time.monotonic() - start,
        details=row,
        short="Wires are not read back: what the bitstream's routing says is not simulated.",
    )


def _built(design: Design, built: Placed, tell: Tell) -> dict[str, Any]:
    text = unpacked(built.bitstream)
    weights = compare_weights(built, design.plan, text)
    row: dict[str, Any] = {
        "network": design.network, "board": design.board.name, "bytes": len(built.bitstream),
        "same": repacked(text) == built.bitstream,
        "rams": asdict(compare_rams(built, text)),
        "weights": {layer: asdict(found) for layer, found in weights.items()},
        "tables": asdict(compare_tables(built, text)),
        "planted": _planted(design, built, text),
    }  # fmt: skip
    tell(f"{row}")
    return row


def _planted(design: Design, built: Placed, text: str) -> dict[str, Any]:
    """Flip a bit of a weight and one of a table, through the packer, and see them found."""
    first = next(
        words for name, place, _ in ram_cells(built)
        if name.endswith(".weights.rom.rom0") and (words := rams(text).get(place))
    )  # fmt: skip
    number = next(
        at.start(1)
        for at in re.finditer(r"^\.bram_init \d+\n((?:[0-9a-f]{3}[ \n])+)", text, re.MULTILINE)
        if tuple(int(word, 16) for word in at[1].split()) == first
    )
    changed = unpacked(repacked(_other(text, number + 2, "0123456789abcdef")))
    weights = sum(c.wrong for c in compare_weights(built, design.plan, changed).values())
    used = re.search(r"^word: SLICE[A-D]\.K[01]\.INIT (0110100110010110)$", text, re.MULTILINE)
    assert used is not None, "no table is the sum of four inputs"
    changed = unpacked(repacked(_other(text, used.start(1), "01")))
    return {"weights": weights, "tables": compare_tables(built, changed).wrong > 0}


def _other(text: str, at: int, digits: str) -> str:
    """Flip the lowest bit of a digit."""
    return text[:at] + digits[digits.index(text[at]) ^ 1] + text[at + 1 :]
