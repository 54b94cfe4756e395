import json
import re
import tempfile

import pytest

from bnnhw.errors import DoesNotFit, TimingFailed, UsageError
from rtl_gen.build.boards import load_board
from rtl_gen.build.flow import build_bitstream, try_seeds
from rtl_gen.build.nextpnr import Unrouted, rounds, tries
from rtl_gen.build.report import Usage
from rtl_gen.tools import ToolFailed, run_tool

BOARDS = ["icebreaker", "hx8k-breakout", "ulx3s-12f", "ulx3s-85f"]


def contents(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("name", BOARDS)
def test_budget_is_what_place_and_route_has(built, name):
    build = built(name)
    budget = build.board.budget
    assert {kind: entry.available for kind, entry in build.report.usage.items()} == {
        "lut4": budget.lut4,
        "ff": budget.ff,
        "ebr": budget.ebr,
        "spram": budget.spram,
        "dsp": budget.dsp,
    }


@pytest.mark.parametrize("name", BOARDS)
def test_report_counts_what_was_described(built, name):
    build = built(name)
    wait = -(-build.board.clock.sync_hz * 15 // 1_000_000)
    timer = (wait - 1).bit_length() + 1
    heartbeat, synchroniser, reset = 25, 2, 1
    assert build.report.usage["ff"].used == (
        build.core.registers + heartbeat + synchroniser + reset + timer
    )
    assert build.report.usage["ebr"].used == 1
    assert build.report.usage["dsp"].used == build.report.usage["spram"].used == 0
    assert 50 < build.report.usage["lut4"].used < 150


@pytest.mark.parametrize("name", BOARDS)
def test_the_one_clock_is_constrained_to_the_boards(built, name):
    report = built(name).report
    (clock,) = report.clocks
    assert clock.constraint_mhz == pytest.approx(report.sync_hz / 1e6, rel=1e-3)
    assert clock.achieved_mhz == report.fmax_mhz > report.sync_hz / 1e6
    # Place and route works this out from the PLL's dividers.
    log = (built(name).folder / "echo.tim").read_text()
    derived = re.findall(r"Derived frequency constraint of ([\d.]+) MHz", log)
    assert [float(megahertz) for megahertz in derived] == [report.sync_hz / 1e6]
    path = report.slowest
    assert path.logic_ns + path.wires_ns == pytest.approx(1000 / report.fmax_mhz, rel=0.01)
    assert report.fps == report.sync_hz / 1000


@pytest.mark.parametrize("name", BOARDS)
def test_output_folder_holds_the_products_and_nothing_else(built, name):
    build = built(name)
    ice40 = build.board.family == "ice40"
    own = ("asc", "bin", "pcf") if ice40 else ("bit", "config", "lpf")
    suffixes = (*own, "nextpnr.json", "rams.json", "report.json", "rpt", "tim")
    assert contents(build.folder) == sorted(f"echo.{suffix}" for suffix in suffixes)
    assert (build.folder / "echo.report.json").read_text() == build.report.to_json()
    assert contents(build.folder.parent) == [
        name,
        *(f"{name}/{file}" for file in contents(build.folder)),
    ]
    assert build.steps[-3:] == ("synthesis", "place and route", "pack")


@pytest.mark.parametrize(
    ("name", "command", "mark"),
    [
        ("icebreaker", ["yowasp-iceunpack", "echo.bin", "../back"], ".device 5k"),
        ("ulx3s-12f", ["yowasp-ecpunpack", "--input", "echo.bit", "--textcfg", "../back"], "12F"),
    ],
)
def test_bitstream_reads_back_for_its_device(built, tmp_path, name, command, mark):
    folder = tmp_path / "in"
    folder.mkdir()
    source = built(name).folder / built(name).report.bitstream
    (folder / source.name).write_bytes(source.read_bytes())
    run_tool(command, cwd=folder)
    assert mark in (tmp_path / "back").read_text()


@pytest.mark.parametrize("name", ["icebreaker", "ulx3s-12f"])
def test_same_seed_same_bytes(built, tmp_path, echo, name):
    first = built(name)
    data = (first.folder / first.report.bitstream).read_bytes()
    again = build_bitstream(echo(), first.board, tmp_path / "a", name="echo", cycles_per_image=1000)
    assert again == first.report
    assert (tmp_path / "a" / again.bitstream).read_bytes() == data


def test_other_seed_other_bytes(built, tmp_path, echo):
    first = built("icebreaker")
    other = build_bitstream(echo(), first.board, tmp_path, name="echo", seed=2)
    assert other.seed == 2 and other.usage == first.report.usage
    data = (first.folder / first.report.bitstream).read_bytes()
    assert (tmp_path / other.bitstream).read_bytes() != data


def test_seeds_give_the_reports_of_their_builds(built, echo):
    first = built("icebreaker")
    told: list[str] = []
    one, two = try_seeds(
        echo(), first.board, name="echo", seeds=(1, 2), cycles_per_image=1000, progress=told.append
    )
    assert one == first.report
    assert (two.seed, two.usage) == (2, one.usage)
    assert told[-3:] == ["synthesis", "place and route, seed 1", "place and route, seed 2"]


def test_seed_that_is_too_slow_is_reported(echo):
    board = load_board("icebreaker").at(96_000_000)
    (report,) = try_seeds(echo(adders=2), board, name="slow", seeds=[1])
    assert report.fmax_mhz < 96


def test_seeds_do_not_make_it_fit(echo):
    with pytest.raises(DoesNotFit, match="32 block RAMs where there are 30"):
        try_seeds(
            echo(width=64, depth=2048, writable=True),
            load_board("icebreaker"),
            name="big",
            seeds=[1],
        )


def test_no_seed(echo):
    with pytest.raises(ValueError, match=r"^Seeds must be at least one, not none$"):
        try_seeds(echo(), load_board("icebreaker"), name="net", seeds=[])


def test_too_big(tmp_path, echo):
    with pytest.raises(DoesNotFit) as caught:
        build_bitstream(
            echo(width=64, depth=2048, writable=True),
            load_board("icebreaker"),
            tmp_path / "out",
            name="big",
        )
    assert caught.value.what == (
        "'big' does not fit 1BitSquared iCEBreaker (iCE40UP5K-SG48): it needs 32 block RAMs where "
        "there are 30."
    )
    assert contents(tmp_path) == []


def test_too_slow(tmp_path, echo):
    board = load_board("icebreaker").at(96_000_000)
    with pytest.raises(TimingFailed, match="but its clock has 96 MHz"):
        build_bitstream(echo(adders=2), board, tmp_path / "out", name="slow")
    assert contents(tmp_path) == []


def test_impossible_clock(tmp_path, echo):
    board = load_board("icebreaker").at(24_000_001)
    with pytest.raises(UsageError, match="cannot make 24000001 Hz"):
        build_bitstream(echo(), board, tmp_path / "out", name="odd")
    assert contents(tmp_path) == []


@pytest.fixture
def tools(stand_in):
    """All three tools, which only note that they ran."""
    stand_in("yosys", "echo yosys >> ../../ran")
    stand_in("icepack", "echo icepack >> ../../ran")
    return stand_in


def attempt(tmp_path, echo):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept")
    build_bitstream(echo(), load_board("icebreaker"), tmp_path / "out", name="net")


def test_failing_tool_leaves_nothing(tmp_path, echo, tools):
    tools("nextpnr-ice40", "echo half > net.asc; echo ERROR: it broke; exit 3")
    with pytest.raises(ToolFailed, match=r"(?s)nextpnr-ice40 failed with status 3.*it broke"):
        attempt(tmp_path, echo)
    assert contents(tmp_path / "out") == ["mine.txt"]
    assert (tmp_path / "ran").read_text() == "yosys\n"


def test_failing_synthesis_is_not_taken_for_a_design_that_is_too_big(tmp_path, echo, tools):
    tools("nextpnr-ice40", "exit 0")
    tools("yosys", "echo 'Info: ICESTORM_LC: 9999/ 5280 189%'; exit 1")
    with pytest.raises(ToolFailed, match="yosys failed with status 1"):
        attempt(tmp_path, echo)
    assert contents(tmp_path / "out") == ["mine.txt"]


def test_the_error_of_synthesis_is_quoted_from_its_log(tmp_path, echo, tools):
    tools("nextpnr-ice40", "exit 0")
    tools("yosys", "printf 'Extracted\\nERROR: Assert failed.\\n' > net.rpt; exit 1")
    with pytest.raises(ToolFailed, match=r"^Yosys failed: Assert failed\."):
        attempt(tmp_path, echo)
    assert contents(tmp_path / "out") == ["mine.txt"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "Info: \t         ICESTORM_LC:    6124/   5280   115%\nERROR: Unable to place cell 'x'",
            "it needs 6124 LUT4 where there are 5280.",
        ),
        (
            "Info: \t ICESTORM_LC:  5279/   5280  99%\nERROR: Unable to find legal placement",
            "its cells cannot all be placed.",
        ),
    ],
)
def test_place_and_route_says_too_big(tmp_path, echo, tools, said, message):
    tools("nextpnr-ice40", f"cat > net.tim <<'END'\n{said}\nEND\nexit 255")
    with pytest.raises(DoesNotFit) as caught:
        attempt(tmp_path, echo)
    assert caught.value.what.endswith(message)
    assert contents(tmp_path / "out") == ["mine.txt"]


def test_output_folder_wrong(tmp_path, echo, tools):
    tools("nextpnr-ice40", "exit 0")
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(UsageError, match="file' is a file, not a folder"):
            build_bitstream(echo(), load_board("icebreaker"), place, name="net")


def test_products_replace_older_ones(built, tmp_path, echo, tools):
    build = built("icebreaker")
    for file in ("echo.tim", "echo.nextpnr.json"):
        (tmp_path / file).write_bytes((build.folder / file).read_bytes())
    tools("nextpnr-ice40", "cp ../../echo.tim net.tim; cp ../../echo.nextpnr.json net.nextpnr.json")
    tools("icepack", "echo new > net.bin")
    out = tmp_path / "out"
    out.mkdir()
    (out / "net.bin").write_text("old")
    report = build_bitstream(echo(), build.board, out, name="net")
    assert report.usage["lut4"] == Usage(build.report.usage["lut4"].used, 5280)
    assert (out / "net.bin").read_text() == "new\n"
    assert json.loads((out / "net.report.json").read_text())["tools"]["yosys"] == "9.9"


def test_stuck_router_is_stopped(tmp_path, echo, tools):
    tools("nextpnr-ice40", "sleep 600")
    with pytest.raises(ToolFailed, match=r"stopped after 0\.5 s") as caught:
        build_bitstream(echo(), load_board("icebreaker"), tmp_path / "o", name="net", limit=0.5)
    assert caught.value.todo.startswith("Try another seed or a smaller folding")
    assert not (tmp_path / "o").exists()


@pytest.fixture
def routed(built):
    """Build with the real tools, before stand-ins take their place."""
    return built("icebreaker").folder


ROUND = "Info:     iter={} wires=9 overused=2 overuse=2 archfail=NA"


def test_a_router_in_circles_makes_way_for_the_other(tmp_path, echo, routed, tools):
    """Two wires that are wanted twice, for ever: seen in a design of 2,000 cells."""
    for file in ("echo.tim", "echo.nextpnr.json"):
        (tmp_path / file).write_bytes((routed / file).read_bytes())
    circles = f"for n in $(seq 600); do echo '{ROUND.format('$n')}' >> net.tim; done; sleep 600"
    tools(
        "nextpnr-ice40",
        'case "$*" in *"--router router1"*) cp ../../echo.tim net.tim;'
        " cp ../../echo.nextpnr.json net.nextpnr.json; echo routed > net.asc;;"
        f" *) {circles.replace(chr(39), chr(34))};; esac",
    )
    tools("icepack", "cp net.asc net.bin")
    out = tmp_path / "out"
    out.mkdir()
    build_bitstream(echo(), load_board("icebreaker"), out, name="net")
    assert (out / "net.bin").read_text() == "routed\n"


def _circling(tools) -> None:
    """Let nextpnr for iCE40 circle with seed 1, and route with any other."""
    lines = f'for n in $(seq 600); do echo "{ROUND.format("$n")}" >> net.tim; done'
    tries = "echo 'Info:    1000001 |  1000000       1000 |' >> net.tim"
    tools(
        "nextpnr-ice40",
        f'case "$*" in *"--seed 1 "*"--router router1"*) {tries}; sleep 600;;'
        f' *"--seed 1 "*) {lines}; sleep 600;;'
        " *) cp ../../echo.tim net.tim;"
        " cp ../../echo.nextpnr.json net.nextpnr.json; echo routed > net.asc;; esac",
    )


def test_a_placement_that_no_router_finishes_is_refused(tmp_path, echo, routed, tools):
    """Both routers circle: the error says so, and names the seed as what to change."""
    _circling(tools)
    with pytest.raises(Unrouted, match="no way for all wires") as caught:
        build_bitstream(echo(), load_board("icebreaker"), tmp_path / "o", name="net")
    assert "--seed" in caught.value.todo
    assert not (tmp_path / "o").exists()


def test_a_seed_that_cannot_be_routed_is_left_out(tmp_path, echo, routed, tools, monkeypatch):
    for file in ("echo.tim", "echo.nextpnr.json"):
        (tmp_path / file).write_bytes((routed / file).read_bytes())
    _circling(tools)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    said: list[str] = []
    (report,) = try_seeds(
        echo(), load_board("icebreaker"), name="net", seeds=[1, 2], progress=said.append
    )
    assert report.seed == 2 and any("seed 1: The router" in line for line in said)
    with pytest.raises(Unrouted):
        try_seeds(echo(), load_board("icebreaker"), name="net", seeds=[1])


def test_tries_are_read_from_the_log():
    log = "Info:    2281000 |  2276094       4440 | 1000     0 |      3757|       0.41     754.44|"
    assert tries(f"Info: Routing..\n{log}\n") == 2_281_000 and tries("Info: 12 | x") == 12


def test_rounds_are_read_from_the_log():
    log = "\n".join(["Info: Running main router loop...", *map(ROUND.format, (1, 2, 17))])
    assert rounds(log) == 17 and rounds("Info: iterations") == 0
