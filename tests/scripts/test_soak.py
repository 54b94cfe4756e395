# amaranth: UnusedElaboratable=no
"""The soak: a few of its networks, how it goes on, what it writes down, and planted faults."""

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import CheckFailed, UsageError
from bnnhw.plan import Plan
from scripts import signing, soak, soak_images, soak_networks
from scripts.soak_networks import COMPILED_EVERY, Outcome, case_of, judge
from sim.compiled import Recording
from sim.interpreted import record_pysim
from sim.samples import images, network, planned


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let go of the simulators before the next test counts what lies about."""
    yield
    gc.collect()


def test_some_networks() -> None:
    found = [judge("quick", number) for number in range(1, 7)]
    assert [one.number for one in found] == list(range(1, 7))
    assert [one.fault for one in found] == [""] * 6
    assert sum(one.values for one in found) > 100


@pytest.mark.parametrize("number", [1182, 5927, 7169])
def test_networks_that_were_wrong(number: int) -> None:
    """Found by the soak.

    A queue between masked windows and their layer passed for an edge; two networks stood still.
    """
    found = judge("1", number)
    assert not found.fault and found.values > 800


def test_a_number_is_a_network() -> None:
    first, again, other = (case_of(seed, 3) for seed in ("a", "a", "b"))
    assert first.plan.identity == again.plan.identity != other.plan.identity
    assert np.array_equal(first.codes, again.codes)
    assert (first.stalls, first.seed) == (again.stalls, again.seed)
    assert case_of("quick", COMPILED_EVERY).compiled and not case_of("quick", 1).compiled


def with_flipped_bit(plan: Plan, codes: Any, **options: Any) -> Recording:
    recording = record_pysim(plan, codes, **options)
    name = plan.blocks[-1].name
    words = recording.words[name].copy()
    words[-1, 0] ^= np.uint64(1)
    return replace(recording, words={**recording.words, name: words})


def hung(*_: Any, **__: Any) -> Recording:
    raise CheckFailed("The simulated accelerator 'net' is wrong: nothing moves.", "Report it.")


def crashed(*_: Any, **__: Any) -> Recording:
    raise ZeroDivisionError("planted")


@pytest.mark.parametrize(
    ("simulator", "told"),
    [(with_flipped_bit, "expected"), (hung, "nothing moves"), (crashed, "ZeroDivisionError")],
)
def test_planted_faults_are_seen(
    simulator: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak_networks, "record_pysim", simulator)
    assert told in judge("quick", 1).fault


@pytest.mark.parametrize(("message", "fault"), [("sums are no codes of it", False), ("odd", True)])
def test_refused_networks(message: str, fault: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Plan:
        raise UsageError(message, "Choose another.")

    monkeypatch.setattr(soak_networks, "make_plan", refuse)
    found = judge("quick", 1)
    assert found.refused and bool(found.fault) == fault


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(signing, "FOLDER", tmp_path)
    for module in (soak, soak_images):
        monkeypatch.setattr(module, "read", lambda: signing.read(tmp_path))
    return tmp_path


class Pool:
    """Does at once what a pool of processes does."""

    def __init__(self, *_: Any, **__: Any) -> None: ...
    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None: ...
    def map(self, function: Any, *lists: Any) -> Any:
        return map(function, *lists)


def test_goes_on_where_it_was(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[int] = []
    broken = {60: "planted"}

    def fake(seed: str, number: int) -> Outcome:
        seen.append(number)
        refused = number % 10 == 3
        return Outcome(
            number, number == 0, refused, 0 if refused else 50_000, 7, broken.get(number, "")
        )

    monkeypatch.setattr(soak, "judge", fake)
    monkeypatch.setattr(soak, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(soak, "REQUIRED", 60)
    assert soak.main(["--networks", "40"]) == 1
    first = signing.read(store)["soak"]
    assert first["details"]["next"] == 50 and first["details"]["networks"] == 45
    assert not first["met"] and first["short"].startswith("45 of 60 networks were reached")
    told = capsys.readouterr().err
    assert told.startswith("seed 1, from number 0, 1 at once\n")
    # A line for each part here, since each passes a million clocks.
    assert "22 networks, 1,100,000 clocks, 0 mismatches" in told
    assert soak.main(["--networks", "60"]) == 1
    item = signing.read(store)["soak"]
    details = item["details"]
    assert seen == list(range(75)) and details["next"] == 75
    assert (details["networks"], details["refused"], details["compiled"]) == (67, 8, 1)
    assert details["clocks"] == 67 * 50_000 and details["values"] == 75 * 7
    assert details["faults"] == {"60": "planted"} and not item["met"] and not item["short"]
    assert [run["to"] for run in details["runs"]] == [75]
    # A fault is judged again, and taken back only once it is none.
    assert soak.main([]) == 1 and seen[75:] == [60]
    assert signing.read(store)["soak"]["details"]["faults"] == {"60": "planted"}
    del broken[60]
    assert soak.main([]) == 0 and seen[75:] == [60, 60]
    item = signing.read(store)["soak"]
    assert item["details"]["mended"] == [{"number": 60, "fault": "planted"}]
    assert item["measured"].endswith(
        "; 1 faults were found, mended, and their networks judged again"
    )
    assert soak.main(["--fresh", "--networks", "60", "--seconds", "0"]) == 1
    assert signing.read(store)["soak"]["details"]["networks"] == 0


def test_enough_networks_without_a_fault_are_met() -> None:
    counts = {"networks": soak.REQUIRED, "runs": [{"revision": "a", "from": 0, "to": 10_000}]}
    assert soak.Soak(counts).item().met
    assert not soak.Soak(counts | {"networks": soak.REQUIRED - 1}).item().met
    assert not soak.Soak(counts | {"faults": {"7": "wrong"}}).item().met


def test_every_sample_network_has_images(models: Path) -> None:
    from bnnhw.load import load_model

    files = soak_images.networks_in(models)
    assert len(files) == 12
    sets = {path.name: soak_images.sets_for(models, load_model(path)) for path in files}
    assert {len(found) for name, found in sets.items() if "cnv" in name} == {2}
    assert {len(found) for name, found in sets.items() if "cnv" not in name} == {1}


def test_images_go_on_where_they_were(store: Path, tmp_path: Path, monkeypatch: Any) -> None:
    models = tmp_path / "models"
    for name in ("a", "b"):
        (models / "networks").mkdir(parents=True, exist_ok=True)
        (models / "networks" / f"{name}.npz").touch()
    graph = network((6, 4, 3), 1)
    seen = images(graph, 5, 2)
    simulated: list[str] = []
    text, wrong = "module net; endmodule", ""

    def fake(models: Path, path: Path, plan: Plan, verilog: str) -> dict[str, Any]:
        simulated.append(path.stem)
        return {"images": len(seen), "values": 9, "mismatches": int(path.stem == wrong), "right": 0}

    monkeypatch.setattr(soak_images, "load_model", lambda path: graph)
    monkeypatch.setattr(soak_images, "_folding", lambda graph: planned(graph, [(1, 1)] * 2).folding)
    monkeypatch.setattr(soak_images, "_simulate", fake)
    monkeypatch.setattr(soak_images, "network_verilog", lambda plan: (text, []))
    assert soak_images.run(models, ["networks/a.npz"]) == 1
    item = signing.read(store)["images"]
    assert item["short"] == "Not simulated yet: networks/b.npz." and not item["met"]
    assert soak_images.run(models, []) == 0
    assert simulated == ["a", "b"]
    assert signing.read(store)["images"]["measured"].startswith("2 networks, 10 images, 18 values")
    wrong, text = "b", "module net; /* changed */ endmodule"
    assert soak_images.run(models, ["networks/b.npz"]) == 1
    assert not signing.read(store)["images"]["met"]
    assert soak_images.run(models, ["networks/c.npz"]) == 2
    assert soak_images.run(tmp_path, []) == 2
