"""What Verilator writes down, read; instances of a kind together; waivers that must be needed."""

import tomllib
from pathlib import Path

from scripts.coverage_rtl import WAIVERS, waivers
from scripts.coverage_sample import EVERY, chosen
from sim.abuse_networks import branched, top
from sim.coverage_rtl import Point, Waiver, kinds_of, merged, points, rate, read

TEXT = """module net_core_fc0 (clk);
  reg [3:0] store [2:0];
endmodule
module net_core_fc1 (clk);
endmodule
"""
BLOCKS = {"fc0": "mvtu", "fc1": "mvtu"}


def line(kind: str, module: str, path: str, what: str, count: int, at: int = 7) -> str:
    fields = {"f": "top.v", "l": str(at), "page": f"v_{kind}/{module}", "o": what, "h": path}
    return f"C '{''.join(f'{chr(1)}{k}{chr(2)}{v}' for k, v in fields.items())}' {count}"


def found(*lines: str) -> dict[Point, int]:
    return points("\n".join(["# SystemC::Coverage-3", *lines]), TEXT, BLOCKS, "one")


def test_instances_of_a_kind_are_one() -> None:
    seen = found(
        line("toggle", "net_core_fc0", "TOP.net.core.fc0", "fc0_o___05Fvalid:0->1", 3),
        line("toggle", "net_core_fc1", "TOP.net.core.fc1", "fc1_o___05Fvalid:0->1", 0),
        line("toggle", "net_core_fc1_pe1", "TOP.net.core.fc1.core.pe1", "count[2]:1->0", 0),
        line("toggle", "net_core", "TOP.net.core", "fc1_word[0]:1->0", 4),
    )
    assert seen == {
        Point("toggle", "mvtu", "mvtu_o__valid:0->1"): 3,
        Point("toggle", "mvtu/core/pe", "count[2]:1->0"): 0,
        Point("toggle", "network/core", "mvtu_word[0]:1->0"): 4,
    }


def test_lines_branches_and_nameless_signals_stay_with_their_instance() -> None:
    seen = found(
        line("toggle", "net_core_fc0", "TOP.net.core.fc0", "signal_9:0->1", 1),
        line("branch", "net_core_fc0", "TOP.net.core.fc0", "else", 2),
        line("line", "net_core_fc1", "TOP.net.core.fc1", "block", 0),
    )
    assert seen == {
        Point("toggle", "one: net.core.fc0", "signal_9:0->1"): 1,
        Point("branch", "one: net.core.fc0", "7 else"): 2,
        Point("line", "one: net.core.fc1", "7 block"): 0,
    }


def test_contents_of_memories_do_not_count() -> None:
    assert not found(line("toggle", "net_core_fc0", "TOP.net.core.fc0", "store[1][2]:0->1", 0))
    # Of the same name, but no memory there.
    assert found(line("toggle", "net_core_fc1", "TOP.net.core.fc1", "store[1]:0->1", 0))


def test_arrays_are_named_by_their_kind() -> None:
    text = line("toggle", "a_core_room", "TOP.a.core.room", "waiting[0]:0->1", 1)
    seen = points(text, TEXT, {"": "array"}, "array bare")
    assert list(seen) == [Point("toggle", "array/room", "waiting[0]:0->1")]


def test_rates_and_waivers() -> None:
    one, two = Point("toggle", "mvtu", "a:0->1"), Point("toggle", "mvtu", "b[3]:0->1")
    three = Point("branch", "one: net", "3 else")
    total = merged([{one: 1, two: 0}, {one: 2, three: 0}])
    assert total == {one: 3, two: 0, three: 0}
    assert rate(total) == ({"line": (0, 0), "branch": (0, 1), "toggle": (1, 2)}, [two, three])
    # What was reached needs no waiver, and a part of a text is not the text.
    rules = [Waiver(r"toggle mvtu [ab].*", "constants"), Waiver("branch", "too short")]
    assert rate(total, rules) == ({"line": (0, 0), "branch": (0, 1), "toggle": (1, 1)}, [three])
    assert [rule.used for rule in rules] == [1, 0]


def test_kinds_of_blocks() -> None:
    kinds = kinds_of(branched())
    assert kinds["p"] == "maxpool" and kinds["c_window"] == "window" and kinds["c"] == "mvtu"
    assert kinds_of(top())["a"] == "unrolled"


def test_every_waiver_has_a_reason() -> None:
    given = tomllib.loads(WAIVERS.read_text(encoding="utf-8"))["waiver"]
    assert len(waivers()) == len(given) > 0
    assert all(len(rule.reason) > 30 and rule.points for rule in waivers())
    assert len({rule.points for rule in waivers()}) == len(given)


def test_separators_are_read(tmp_path: Path) -> None:
    path = tmp_path / "coverage.dat"
    path.write_bytes(b"C '\x01f\x02\xff' 1\n")
    assert read(path) == "C '\x01f\x02\xff' 1\n"


def test_sample_takes_the_first_and_every_eighth() -> None:
    names = ["a"] * (EVERY + 2) + ["b"] + ["c"] * 2
    assert [k for k, keep in enumerate(chosen(names)) if keep] == [0, EVERY, EVERY + 2, EVERY + 3]
