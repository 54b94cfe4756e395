# amaranth: UnusedElaboratable=no
"""The text of whole accelerators: deterministic, plain names, and clean in two compilers."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import (
    BIPOLAR,
    Add,
    Affine,
    Argmax,
    Concat,
    Conv,
    Dense,
    Flatten,
    Graph,
    Grid,
    Input,
    IntConv,
    MaxPool,
    Shuffle,
    Slice,
    SumPool,
    Threshold,
    TopK,
)
from bnnhw.names import is_safe
from bnnhw.plan import Plan, make_plan
from rtl_gen.accelerator import Accelerator
from rtl_gen.array import PEArray
from rtl_gen.blocks import _COMPONENTS
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


def every_block() -> Plan:
    """Plan a network that holds every kind of block but those of `more_blocks`."""
    dice, nibble = np.random.default_rng(3), Grid(0, 1, 16)

    def bits(*shape: int) -> np.ndarray:
        return dice.integers(0, 2, shape).astype(np.uint8)

    def act(name: str, source: str, channels: int, grid: Grid) -> Threshold:
        levels = np.sort(dice.integers(-90, 90, (channels, grid.levels - 1)), 1)
        return Threshold(name, (source,), levels, dice.choice([-1, 1], channels), grid)

    numbers = dice.integers(-128, 128, (4, 2, 3, 3)).astype(np.int8)
    factors, moves = dice.integers(-9, 9, 4), dice.integers(-99, 99, 4)
    around = (1, 1, 1, 1)
    nodes = (
        Input("x", (), (2, 6, 6), nibble),
        Conv("c", ("x",), bits(4, 2, 3, 3), padding=around),
        act("s", "c", 4, BIPOLAR),
        Conv("w", ("s",), bits(4, 4, 3, 3), padding=around, pad_value=1),
        IntConv("g", ("s",), numbers, padding=around, pad_value=-1, groups=2),
        Affine("scale", ("g",), factors, moves, 3, (-100, 100)),
        Add("sum", ("w", "scale", "c")),
        Shuffle("mix", ("sum",), 2),
        Slice("part", ("mix",), 1, 3),
        act("q", "part", 2, nibble),
        Concat("both", ("q", "x")),
        MaxPool("m", ("both",), (2, 2), (2, 2)),
        SumPool("p", ("m",), (3, 3), (1, 1)),
        Flatten("flat", ("p",)),
        Dense("fc", ("flat",), bits(3, 4)),
        Argmax("top", ("fc",), np.arange(3)),
    )
    folds = {"c": (2, 2), "w": (2, 36), "g": (1, 2), "fc": (2, 3)}
    folding = Folding({name: LayerFold(*fold) for name, fold in folds.items()})
    return make_plan(Graph("net", nodes, ("fc", "top")), folding)


def more_blocks() -> Plan:
    """Plan a network whose windows are whole, between true zeros, and that ends in two classes."""
    dice = np.random.default_rng(4)
    matrix, kernel = (
        dice.integers(0, 2, shape).astype(np.uint8) for shape in ((3, 32), (2, 2, 3, 3))
    )
    nodes = (
        Input("x", (), (2, 4, 4), BIPOLAR),
        Conv("c", ("x",), kernel, padding=(1, 1, 1, 1), pad_value=0),
        Threshold("s", ("c",), np.zeros((2, 1), int), np.ones(2, int)),
        Flatten("flat", ("s",)),
        Dense("fc", ("flat",), matrix),
        TopK("top", ("fc",), np.arange(3), k=2),
    )
    folding = Folding({"c": LayerFold(1, 18), "fc": LayerFold(1, 2)})
    return make_plan(Graph("net", nodes, ("fc", "top")), folding)


def test_every_block_is_among_them() -> None:
    blocks = (*every_block().blocks, *more_blocks().blocks)
    assert {type(block) for block in blocks} == set(_COMPONENTS)


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
        found["every block", naming] = emit(
            Accelerator(every_block()), name="net", header=HEADER, naming=naming
        )[0]
        found["more blocks", naming] = emit(
            Accelerator(more_blocks()), name="net", header=HEADER, naming=naming
        )[0]
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
        # A number whose sign bits are copies of one another, and a word whose data are gated by the
        # mask beside them; any other signal is a true loop.
        loops = warnings(done.output, r"%Warning-UNOPTFLAT: .*: '(.*)'")
        known = {"less", "c_taps_i__payload[26:0]"}
        assert {name.rsplit(".", 1)[-1] for name in loops} <= known, loops
        found -= {"UNOPTFLAT"}
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
