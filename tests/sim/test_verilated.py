"""Programs from Verilog and a harness: compiled once, kept by content, and nothing half-made."""

import subprocess
from pathlib import Path

import pytest

from bnnhw.errors import ToolMissing, UsageError
from rtl_gen.tools import ToolFailed
from sim import verilated
from sim.verilated import cache_folder, compile_program

VERILOG = "module adder(input [7:0] a, output [7:0] b);\n  assign b = a + 8'd3;\nendmodule\n"
HARNESS = """#include <cstdio>
#include "Vtop.h"
#include "number.h"
int main() {
    Vtop top;
    top.a = NUMBER;
    top.eval();
    std::printf("%d", int(top.b));
}
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep programs of this file apart, so that they are compiled in every run."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verilated, "cache_folder", lambda: cache)


@pytest.fixture
def harness(tmp_path: Path) -> Path:
    path = tmp_path / "main.cpp"
    path.write_text(HARNESS)
    return path


def compiled(harness: Path, *, text: str = VERILOG, top: str = "adder", number: int = 4) -> Path:
    return compile_program(text, top, harness, headers={"number.h": f"#define NUMBER {number}\n"})


def entries(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def test_program_works_and_is_kept_by_content(
    cache: Path, harness: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    program = compile_program(
        VERILOG, "adder", harness, headers={"number.h": "#define NUMBER 4\n"}, progress=told.append
    )
    assert subprocess.run([program], capture_output=True, check=True).stdout == b"7"
    assert [text.split()[0] for text in told] == ["Verilator", "the"]
    assert [path.name for path in program.parent.iterdir()] == ["simulator"]
    before = entries(cache)
    assert before == [program.parent.name]

    def never(*_: object, **__: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(verilated, "run_tool", never)
    assert compiled(harness) == program
    # Anything else that goes in gives another program.
    for change in ({"number": 5}, {"text": VERILOG.replace("3", "2")}, {"top": "subtractor"}):
        with pytest.raises(AssertionError, match="compiled again"):
            compiled(harness, **change)
    harness.write_text(HARNESS.replace("%d", "%x"))
    with pytest.raises(AssertionError, match="compiled again"):
        compiled(harness)
    assert entries(cache) == before


@pytest.mark.parametrize(
    ("text", "number", "message"),
    [("module adder(input a; endmodule\n", 1, "syntax error"), (VERILOG, "oops", "oops")],
)
def test_refused_text_leaves_nothing(cache: Path, harness: Path, text, number, message) -> None:
    before = entries(cache)
    with pytest.raises(ToolFailed, match=message):
        compiled(harness, text=text, number=number)
    assert entries(cache) == before


def test_compiler_missing(harness: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verilated, "find_program", lambda name: None)
    with pytest.raises(ToolMissing, match=r"^No C\+\+ compiler was found\.\nInstall one: apt"):
        compiled(harness)


def test_cache_cannot_be_written(harness: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verilated, "cache_folder", lambda: Path("/proc/none"))
    with pytest.raises(UsageError, match=r"kept in '/proc/none': .*\nSet XDG_CACHE_HOME"):
        compiled(harness)


def test_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/bnnhw/compiled")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder() == Path("/home/me/.cache/bnnhw/compiled")
