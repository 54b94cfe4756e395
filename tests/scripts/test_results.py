"""Rows of docs/results.md: the clocks that were measured are those that the plan states."""

import json

import pytest

from scripts import results

ROWS = json.loads(results.STORE.read_text())


def test_every_row_was_simulated_without_a_difference() -> None:
    assert len(ROWS) > 15
    for name, row in ROWS.items():
        run = row["simulated"]
        assert run["compared"] > 0 and run["mismatches"] == 0, name
        results.exact(name, row["cycles"], run)


def test_other_clocks_than_planned_are_no_result() -> None:
    with pytest.raises(SystemExit, match="takes 9836 clocks an image, not 9216 as planned"):
        results.exact("CNV", 9216, {"cycles_per_image": 9836.0})


def test_the_page_is_made_of_the_store() -> None:
    assert results.PAGE.read_text() == results.page(ROWS)
