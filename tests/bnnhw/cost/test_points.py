"""The cost model against the points that were measured for it: what docs/performance.md claims."""

import importlib
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from bnnhw.cost.table import TABLE

cost: Any = importlib.import_module("scripts.benches.cost")
fitting: Any = importlib.import_module("scripts.benches.cost_fit")

# Words of several hundred lanes have more digits than Python likes to print.
sys.set_int_max_str_digits(0)

# Of the held-out points, what share of cells and of flip-flops is within 10 %.
SHARE = 0.75


@pytest.fixture(scope="module")
def points() -> Any:
    return fitting.read(json.loads(cost.POINTS.read_text()))


@pytest.fixture(scope="module")
def rows(points: Any) -> Any:
    return cost.errors(points)


def test_table_is_what_the_points_lead_to(points: Any) -> None:
    """Up to the last digit: libraries of linear algebra differ there."""
    found = fitting.fit(points)
    assert set(found) == set(TABLE)
    for family, kinds in found.items():
        assert set(kinds) == set(TABLE[family])
        for kind, own in kinds.items():
            for what, terms in own.items():
                known = TABLE[family][kind][what]
                assert set(terms) == set(known)
                assert all(math.isclose(terms[name], known[name], rel_tol=1e-2) for name in terms)


def test_points_that_were_not_used_for_fitting_are_met(rows: Any) -> None:
    """Fifty at least within 10 %; and most of all."""
    tests = [row for row in rows if row["held_out"]]
    near = [row for row in tests if cost.near(row)]
    assert len(near) >= 50
    assert len(near) >= SHARE * len(tests)
    assert sum(cost.near(row, "ff") for row in tests) >= 0.9 * len(tests)


def test_memories_and_multipliers_are_counted(rows: Any) -> None:
    exact = [row for row in rows if row["hard"] == row["hard_model"]]
    assert len(exact) >= 0.97 * len(rows)


def test_every_kind_of_structure_was_tested(points: Any) -> None:
    tested = {(point.family, point.shape[0]) for point in points if point.held_out}
    wanted = {(family, kind) for family, kinds in TABLE.items() for kind in kinds}
    # What was never measured is said to be so in its coefficients.
    assert wanted - tested == {("ecp5", "unrolled"), ("ice40", "unrolled")}


def test_counts_of_unrolled_layers_are_within_a_tenth() -> None:
    """No points of these are drawn; on ECP5 the benchmark holds the estimate of their counts."""
    file = Path(__file__).resolve().parents[3] / "docs" / "performance.json"
    rows = json.loads(file.read_text(encoding="utf-8"))["unrolled"]["rows"]
    own = [row for row in rows if "layer" in row and "Yosys" not in row["way"]]
    assert len(own) >= 16
    for row in own:
        assert 0.9 < row["estimate"] / row["lut4"] < 1, row["layer"]
