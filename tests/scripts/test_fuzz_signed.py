"""What the sign-off keeps of the fuzzing."""

from typing import Any

from scripts.fuzzing import report


def entry(accepted: int, date: str = "2026-01-01", **outcomes: int) -> dict[str, Any]:
    return {
        "outcomes": {"accepted": accepted, **outcomes}, "seconds": 2.0, "slowest": 1.0,
        "seed": "1", "versions": {"numpy": "2"}, "date": date,
    }  # fmt: skip


def test_enough_inputs_without_a_bad_one() -> None:
    both = {"a": entry(150_000), "b": entry(40_000, refused=10_000)}
    item = report.signed(both, ["a", "b"])
    assert item.met and not item.short and item.seconds == 4
    told = "200,000 inputs of 2 kinds: 190,000 accepted, 10,000 refused, 0 bad; 2026-01-01"
    assert item.measured == told
    later = report.signed(both | {"b": entry(50_000, "2026-01-03")}, ["a", "b"])
    assert later.met and later.measured.endswith("2026-01-01 to 2026-01-03") and later.short


def test_no_success() -> None:
    assert not report.signed({"a": entry(199_999)}, ["a"]).met
    for kind in ("crash", "hang", "memory", "wrong"):
        bad = entry(200_000)
        bad["outcomes"][kind] = 1
        assert not report.signed({"a": bad}, ["a"]).met
    item = report.signed({"a": entry(200_000)}, ["a", "b"])
    assert not item.met and item.short == "Not run: b."
