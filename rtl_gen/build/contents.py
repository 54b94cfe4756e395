"""What lies in block RAMs: in a synthesised netlist, and in a placed design as text."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["Netlist", "read_netlist", "rewrite"]

_RAMS = re.compile(r"SB_RAM40_4K\w*|DP16KD|PDPW16KD")
_INIT = re.compile(r"INIT(?:VAL)?_([0-9A-Fa-f]+)")
_ICE40_ROWS, _ICE40_BITS = 16, 256
_ECP5_ROWS, _ECP5_BITS, _ECP5_WORDS = 64, 320, 2048


class Netlist:
    """A netlist, apart from what its block RAMs start with.

    Parameters
    ----------
    digest : str
        SHA-256 of all but the contents.
    rams : dict of str to tuple of int
        The rows that each block RAM starts with, by the name of its cell.
    """

    def __init__(self, digest: str, rams: Mapping[str, tuple[int, ...]]) -> None:
        self.digest = digest
        self.rams = dict(rams)


def read_netlist(text: str) -> Netlist:
    """Read what Yosys writes with `write_json`."""
    modules = json.loads(text)["modules"]
    # The others are the device's cells, one more for each set of their parameters.
    (top,) = [module for module in modules.values() if int(module["attributes"].get("top", "0"), 2)]
    rams: dict[str, tuple[int, ...]] = {}
    for name, cell in top["cells"].items():
        if not _RAMS.fullmatch(cell["type"]):
            continue
        found = {
            int(match[1], 16): _bits(cell["parameters"].pop(key))
            for key in list(cell["parameters"])
            if (match := _INIT.fullmatch(key))
        }
        count = _ICE40_ROWS if cell["type"].startswith("SB_") else _ECP5_ROWS
        rams[name] = tuple(found.get(row, 0) for row in range(count))
    return Netlist(hashlib.sha256(json.dumps(top, sort_keys=True).encode()).hexdigest(), rams)


def _bits(value: Any) -> int:
    # Where nothing was written, nextpnr takes zeros too.
    return int(re.sub("[^1]", "0", str(value)), 2)


def rewrite(family: str, text: str, old: Netlist, new: Netlist) -> str | None:
    """Put the contents of `new` into a placed design that holds those of `old`.

    A block RAM is found by what it holds: where two hold the same, they must do so afterwards too.

    Returns
    -------
    str or None
        None where that is not so, or where the text does not hold what `old` does.
    """
    render = _ice40 if family == "ice40" else _ecp5
    wanted: dict[str, str] = {}
    for name, rows in old.rams.items():
        before, after = render(rows), render(new.rams[name])
        if wanted.setdefault(before, after) != after:
            return None
    seen = set()

    def replaced(match: re.Match[str]) -> str:
        held = match[2]
        seen.add(held)
        return match[1] + wanted.get(held, held)

    changed = {before for before, after in wanted.items() if before != after}
    pattern = _ICE40_BLOCK if family == "ice40" else _ECP5_BLOCK
    result = pattern.sub(replaced, text)
    return result if changed <= seen else None


_ICE40_BLOCK = re.compile(r"(^\.ram_data \d+ \d+\n)((?:[0-9a-f]{64}\n){16})", re.MULTILINE)
_ECP5_BLOCK = re.compile(r"(^\.bram_init \d+\n)((?:[0-9a-f ]+\n)+)", re.MULTILINE)


def _ice40(rows: tuple[int, ...]) -> str:
    return "".join(f"{row:0{_ICE40_BITS // 4}x}\n" for row in rows)


def _ecp5(rows: tuple[int, ...]) -> str:
    """Write words of 9 bits, eight a line; a row holds pairs of them at every 20 bits."""
    words = [
        row >> 20 * pair + 9 * half & 0x1FF
        for row in rows
        for pair in range(_ECP5_BITS // 20)
        for half in range(2)
    ]
    assert len(words) == _ECP5_WORDS
    lines = (words[start : start + 8] for start in range(0, len(words), 8))
    return "".join(" ".join(f"{word:03x}" for word in line) + "\n" for line in lines)
