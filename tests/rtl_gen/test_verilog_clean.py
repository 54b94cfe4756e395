# amaranth: UnusedElaboratable=no
"""The text of whole accelerators: deterministic, plain names, and clean in two compilers."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bnnhw.errors import UsageError
from bnnhw.names import is_safe
from rtl_gen.accelerator import Accelerator
from rtl_gen.array import PEArray
from rtl_gen.tools import find_program, run_tool, verilator
from rtl_gen.verilog import emit
from sim.samples import network, planned

ROOT = Path(__file__).resolve().parent.parent.parent
HEADER = {"design": "a test", "identity": "00ff"}

# Folded and unfolded, ragged, one lane, one class, words of more than 64 bits.
DESIGNS = {
    "folded": ((10, 7, 5, 3), [(3, 4), (2, 3), (2, 2)]),
    "serial": ((6, 4, 2), [(1, 1), (1, 1)]),
    "unfolded": ((70, 4, 3), [(4, 70), (3, 4)]),
    "tiny": ((1, 1), [(1, 1)]),
}

# What Verilator says of good text, each with its reason. Anything else fails.
WAIVED = {
    "DECLFILENAME",  # one file holds every module, as its users want it
    "PROCASSINIT",  # initial values stand at the declaration, resets in the clocked block
    "UNUSEDSIGNAL",  # named edges, spare bits of sums, `last` where nothing reads it
    "VARHIDDEN",  # a signal inside of a block may be called as the block is
    "WIDTHEXPAND",  # Yosys lets Verilog's own rules widen the operands of a sum
    "WIDTHTRUNC",  # and cut the result of a shift that selects one bit
    "CASEOVERLAP",  # Yosys writes a priority as a casez whose first match wins
}


def design(kind: str, naming: str = "plain") -> str:
    sizes, folds = DESIGNS[kind]
    plan = planned(network(sizes, 1), folds)
    return emit(Accelerator(plan), name="net", header=HEADER, naming=naming)[0]


@pytest.fixture(scope="module")
def texts() -> dict[tuple[str, str], str]:
    found = {
        (kind, naming): design(kind, naming) for kind in DESIGNS for naming in ("plain", "axis")
    }
    for naming in ("plain", "axis"):
        found["array", naming] = emit(
            PEArray(pe=3, simd=5, folds=2), name="net", header=HEADER, naming=naming
        )[0]
    return found


PROGRAM = """
import hashlib
from rtl_gen.accelerator import Accelerator
from rtl_gen.verilog import emit
from sim.samples import network, planned
plan = planned(network((10, 7, 5, 3), 1), [(3, 4), (2, 3), (2, 2)])
text, _ = emit(Accelerator(plan), name="net", header={"design": "a test", "identity": "00ff"})
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_same_bytes_whatever_the_hash_seed(texts) -> None:
    here = hashlib.sha256(texts["folded", "plain"].encode()).hexdigest()
    for seed in ("0", "1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        )
        assert done.stdout.strip() == here


def test_header_cannot_inject() -> None:
    payload = "x\nmodule evil; endmodule\r\u2028// */ " + "y" * 300
    text, _ = emit(PEArray(pe=1, simd=1, folds=1), name="net", header={"design": payload})
    comments = [line for line in text.splitlines() if line.startswith("//")]
    assert any("evil" in line for line in comments) and max(map(len, comments)) < 200
    code = [line for line in text.splitlines() if not line.startswith("//")]
    assert not any("evil" in line for line in code)


def test_no_path_of_this_machine(texts) -> None:
    for text in texts.values():
        for word in (str(ROOT), str(Path.home()), os.sep + "tmp", ".py", "src ="):
            assert word not in text


def test_no_empty_range(texts) -> None:
    for text in texts.values():
        assert not re.search(r"\[-\d+:", text)


def test_only_plain_names(texts) -> None:
    """No escaped name, and no keyword as a name."""
    for text in texts.values():
        assert "\\" not in text
        names = re.findall(
            r"^(?:module|  (?:input|output|wire|reg)(?: \[\d+:0\])?) (\w+)", text, re.M
        )
        assert names and all(is_safe(name) for name in names)


def test_edges_have_their_names(texts) -> None:
    for block in ("guard", "fc0", "fc1", "fc2", "fc2_lanes", "best"):
        for what in ("word", "valid", "ready"):
            assert re.search(rf"\b{block}_{what};", texts["folded", "plain"])


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a;b", "a\nb", "$x", "\\x ", "module", "net`include", "a/b", "é", "x" * 64, "1a"],
)
def test_name_wrong(name: str) -> None:
    with pytest.raises(UsageError, match=r"^The module name '.*' is not usable in Verilog"):
        emit(PEArray(pe=1, simd=1, folds=1), name=name, header={})


def warnings(output: str, pattern: str) -> set[str]:
    return set(re.findall(pattern, output))


def test_icarus_accepts_it_as_verilog_2005(texts, tmp_path: Path) -> None:
    icarus = find_program("iverilog")
    assert icarus is not None, "install Icarus Verilog: apt-get install iverilog"
    for (kind, naming), text in texts.items():
        (tmp_path / "top.v").write_text(text)
        done = run_tool(
            [icarus, "-Wall", "-g2005", "-s", "net", "-o", "top.vvp", "top.v"], cwd=tmp_path
        )
        said = [line for line in done.output.splitlines() if "timescale" not in line]
        assert not said, (kind, naming, said)


def test_verilator_has_nothing_new_to_say(texts, tmp_path: Path) -> None:
    tool = verilator()
    seen: set[str] = set()
    for (kind, naming), text in texts.items():
        (tmp_path / "net.v").write_text(text)
        done = run_tool(
            [tool.binary, "--lint-only", "-Wall", "-Wno-fatal", "--top-module", "net", "net.v"],
            cwd=tmp_path,
            env={**os.environ, **tool.env},
        )
        found = warnings(done.output, r"%Warning-(\w+)")
        assert "%Error" not in done.output and found <= WAIVED, (
            kind,
            naming,
            done.output,
        )
        seen |= found
    # A waiver that nothing needs would hide something new.
    assert seen == WAIVED


def test_a_real_fault_is_not_waived(texts, tmp_path: Path) -> None:
    tool = verilator()
    text = texts["folded", "plain"].replace(
        "endmodule", "reg a; always @* if (clk) a = 1'b1;\nendmodule", 1
    )
    (tmp_path / "net.v").write_text(text)
    done = run_tool(
        [tool.binary, "--lint-only", "-Wall", "-Wno-fatal", "--top-module", "net", "net.v"],
        cwd=tmp_path,
        env={**os.environ, **tool.env},
    )
    assert warnings(done.output, r"%Warning-(\w+)") - WAIVED == {"LATCH"}
