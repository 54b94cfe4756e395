"""The benchmark's frame: which modules there are, what is kept, and the page; nothing is timed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rtl_gen.build import nextpnr
from scripts import bench
from scripts.benches import frame, measure
from scripts.benches.frame import Settings, Store

ROWS: list[dict[str, Any]] = [{"name": "a", "value": 2}, {"name": "b", "value": 3}]


class Fake:
    NAME = "golden"
    TITLE = "Golden, and more"

    def measure(self, settings: Settings) -> list[dict[str, Any]]:
        return [{**row, "seeds": settings.seeds} for row in ROWS]

    def page(self, rows: list[dict[str, Any]]) -> str:
        cells = [[row["name"], row["value"]] for row in rows]
        return frame.markdown_table(["name", "value"], cells)

    def plots(self, rows: list[dict[str, Any]], folder: Path) -> list[Path]:
        from scripts.benches.pictures import picture

        with picture(folder / "golden.svg") as (axes,):
            axes.bar([row["name"] for row in rows], [row["value"] for row in rows])
        return [folder / "golden.svg"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of a checkout with one module, which is a fake."""
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    for module in (bench, frame):
        monkeypatch.setattr(module, "find", lambda: ["structures", "golden"])
        monkeypatch.setattr(module, "load", lambda name: Fake())
    return tmp_path


def test_rows_of_modules_that_did_not_run_are_kept(folder: Path) -> None:
    file = folder / "docs" / "performance.json"
    old = {"date": "2020-01-01", "rows": [{"old": 1}]}
    file.write_text(json.dumps({"other": old}))
    assert bench.main(["golden", "--seeds", "3"]) == 0
    stored = json.loads(file.read_text())
    assert stored["other"] == old
    assert stored["golden"]["rows"] == [{**row, "seeds": 3} for row in ROWS]
    assert stored["golden"]["seeds"] == 3
    assert not stored["golden"]["quick"]
    assert {"python", "numpy"} <= stored["golden"]["versions"].keys()


def test_page_is_made_of_stored_rows(folder: Path) -> None:
    bench.main(["golden", "--quick"])
    page = folder / "docs" / "performance.md"
    text, drawn = page.read_text(), (folder / "docs" / "plots" / "golden.svg").read_bytes()
    assert "\n## Golden, and more\n" in text
    assert "- [Golden, and more](#golden-and-more)\n" in text
    assert "| name | value |\n| :-- | --: |\n| a | 2 |\n| b | 3 |\n" in text
    assert "![golden](plots/golden.svg)" in text
    assert "A quick run" in text
    assert b"<dc:date>" not in drawn
    page.unlink()
    assert bench.main(["--page"]) == 0
    assert page.read_text() == text
    assert (folder / "docs" / "plots" / "golden.svg").read_bytes() == drawn


def test_unknown_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["golden", "wooden"])
    assert "NAME must be one of " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        bench.main(["--page", "--seeds", "0"])
    assert "--seeds must be at least 1, not 0" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"^A benchmark must be one of .*, not 'wooden'$"):
        frame.load("wooden")


@pytest.mark.parametrize("name", frame.find())
def test_modules_keep_to_the_frame(name: str) -> None:
    module = frame.load(name)
    assert module.NAME == name
    assert module.TITLE
    assert callable(module.measure)


def test_stored_page_is_that_of_the_stored_rows(tmp_path: Path) -> None:
    """If this fails, run scripts/bench --page."""
    docs = frame.ROOT / "docs"
    frame.write_page(Store(docs / "performance.json"), tmp_path)
    assert (tmp_path / "performance.md").read_text() == (docs / "performance.md").read_text()


def test_seeds_that_are_not_routed_have_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bench of an hour does not end with one of them, but with a design that none routes."""
    circles: set[str] = set()

    def run(folder: Path, family: str, device: str, options: Sequence[str], limit: float) -> str:
        seed = options[options.index("--seed") + 1]
        if seed in circles:
            raise nextpnr.Unrouted("")
        clock = {"achieved": 100.0 + int(seed), "constraint": 300.0}
        (folder / "report.json").write_text(json.dumps({"fmax": {"clk": clock}}))
        return ""

    monkeypatch.setattr(measure, "_nextpnr", run)
    cells = measure.Cells(lut4=1, ff=1, ebr=0, spram=0, dsp=0, carry=0)
    netlist = measure.Netlist(family="ice40", cells=cells, text=b"")
    assert measure.place(netlist, seeds=range(1, 4)) == [101, 102, 103]
    circles.add("2")
    assert measure.place(netlist, seeds=range(1, 4)) == [101, 103]
    circles |= {"1", "3"}
    with pytest.raises(nextpnr.Unrouted):
        measure.place(netlist, seeds=range(1, 4))


def test_units_beside_the_peer() -> None:
    """32 × 8 lanes: 512 operations a clock, FINN's 1,001 LUT4 at 86.4 MHz."""
    row = {"device": "25k", "simd": 32, "pe": 8, "pipeline": "speed", "lut4": 512, "ff": 1,
           "ebr": 1, "fmax": [90.0, 100.0, 88.384]}  # fmt: skip
    other = {**row, "simd": 16}
    text = frame.load("mvtu").page([row, other])
    assert "| ECP5-25F -6 | 32 x 8 | speed | 1,001 | 86.4 | 44.2 | 90.0 | 2.04 |" in text
    assert text.count("| ECP5-25F -6 | 16 x 8 |") == 1, "no peer was measured there"


def test_share_of_bandwidth() -> None:
    row = {"name": "SFC's shape", "device": "LFE5U-25F-8MG285", "operations": 3600, "lut4": 10,
           "ebr": 5, "fmax_mhz": 1.0, "runs": 1, "cycles": 20, "latency": 1}  # fmt: skip
    small = {**row, "name": "TFC W1A1", "device": "iCE40HX8K-CT256", "operations": 2 * 10_432}
    text = frame.load("networks").page([row, small, {**row, "name": "digits"}])
    assert "| 1,800 | 0 | 5 × 36 | 20 | 3,600 | 50.0% |" in text
    assert "| 1,600 | 8,832 | 5 × 16 | 20 | 1,600 | 100.0% |" in text
    assert text.count("%") == 2
