"""Cells and flip-flops that each term of a block takes, by family and kind of block.

They are in `table.json`, which `scripts/bench cost` writes; `bnnhw.cost.terms` says what the terms
are.
"""

import json
from importlib import resources

__all__ = ["TABLE"]

TABLE: dict[str, dict[str, dict[str, dict[str, float]]]] = json.loads(
    resources.files(__package__).joinpath("table.json").read_text(encoding="utf-8")
)
