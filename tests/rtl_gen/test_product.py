# amaranth: UnusedElaboratable=no
"""Arrays as products: the files, the bench that a user runs, and what it catches."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import UsageError
from rtl_gen.product import load_thresholds, load_weights, make_array, write_array
from rtl_gen.tools import verilator
from rtl_gen.tools.search import search_path

DICE = np.random.default_rng(3)
MATRIX = DICE.integers(0, 2, (5, 7))
RAM = ("weights", "thresholds")
KINDS: dict[str, dict[str, Any]] = {
    "streamed": {"pe": 3, "simd": 4, "folds": 2},
    "single": {"pe": 1, "simd": 1},
    "counts": {"pe": 2, "simd": 3, "weights": MATRIX},
    "bits": {"pe": 3, "simd": 2, "weights": 2 * MATRIX - 1, "thresholds": [0, 3, 4, 5, 8]},
    "unfolded": {"pe": 5, "simd": 7, "weights": MATRIX, "thresholds": 4, "style": "lut"},
    "rows": {"pe": 2, "simd": 3, "rows": 5, "columns": 7, "thresholds": 4, "pipeline": "speed"},
    "batch": {"pe": 2, "simd": 3, "rows": 5, "columns": 7, "batch": 3},
    "axi": {"pe": 3, "simd": 2, "rows": 5, "columns": 7, "ram": RAM, "bus": "axi4-lite"},
    "wishbone": {"pe": 2, "simd": 3, "weights": MATRIX, "ram": ("weights",), "bus": "wishbone"},
    "levels": {
        "pe": 2, "simd": 4, "weights": MATRIX, "thresholds": [0, 3, 4, 5, 8],
        "ram": ("thresholds",), "bus": "wishbone", "pipeline": "balanced",
    },
}  # fmt: skip
PLAIN = ("{}.v", "{}.json", "{}.md", "test_{}.py", "{}.vh", "{}.core", "{}.vlt", "README.md")
BUS = ("{}_bus.py", "{}_registers.json", "{}_registers.md", "{}_registers.h")


def names(kind: str, name: str) -> set[str]:
    """Files that are written for an array."""
    return {file.format(name) for file in PLAIN + (BUS if "bus" in KINDS[kind] else ())}


def benches(kind: str) -> int:
    """Count the tests in the bench of an array."""
    return 5 if "bus" in KINDS[kind] else 3


def write(out: Path, kind: str, naming: str = "plain") -> Path:
    files = write_array(make_array(**KINDS[kind]), out, name=f"{kind}_array", naming=naming)
    assert {file.name for file in files} == names(kind, f"{kind}_array")
    assert sorted(out.iterdir()) == sorted(files)
    return out / f"test_{kind}_array.py"


def bench(file: Path, *options: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a bench as its user does: from another folder, with nothing of ours importable."""
    done = subprocess.run(
        [sys.executable, file, "--vectors", "30", *options],
        cwd=file.parent.parent,
        env={**os.environ, "PATH": search_path(), **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    return done.returncode, done.stdout


QUICK = [("streamed", "plain"), ("bits", "plain"), ("axi", "axis"), ("batch", "plain")]
OTHERS = [(kind, naming) for kind in KINDS for naming in ("plain", "axis")]


@pytest.mark.parametrize(
    ("kind", "naming"),
    [*QUICK, *(pytest.param(*p, marks=pytest.mark.slow) for p in OTHERS if p not in QUICK)],
)
def test_bench_passes_in_icarus(tmp_path: Path, kind: str, naming: str) -> None:
    status, output = bench(write(tmp_path / "out", kind, naming), "--seed", "5")
    assert status == 0, output
    summary = f"PASS: {kind}_array in icarus, {benches(kind)} tests, 0 failed, 30 vectors each"
    assert output.splitlines()[-1] == summary


def test_bench_passes_in_verilator(tmp_path: Path) -> None:
    file = write(tmp_path / "out", "bits", "axis")
    quick = {"MAKEFLAGS": "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O0"}
    tool = verilator().env
    tool["MAKEFLAGS"] = f"{tool.get('MAKEFLAGS', '')} {quick['MAKEFLAGS']}".strip()
    status, output = bench(file, "--simulator", "verilator", env=tool)
    assert status == 0, output
    assert "PASS: bits_array in verilator" in output


def flipped(found: re.Match[str]) -> str:
    """Flip bit 4 of a constant."""
    return f"{found[1]}{int(found[2], 16) ^ 16:x};"


@pytest.mark.parametrize(
    ("kind", "pattern", "replacement", "complaint"),
    [
        ("streamed", r"matches0 <= ", "matches0 <= ~", "result 0: 0x"),
        ("streamed", r"\w+ \[1\] \? (4'h0 : total)", r"1'b0 ? \1", r"result \d+: 0x"),
        ("streamed", r"(last <= )tags\d*\[3\];", r"\g<1>1'b0;", "last is 0, not 1"),
        ("counts", r"(memory\[1\] = 6'h)(\w+);", flipped, r"result \d+: 0x"),
        ("bits", r"(memory\[0\] = 12'h)(\w+);", flipped, r"result \d+: 0x"),
    ],
)
def test_bench_catches_a_mutated_design(
    tmp_path: Path, kind: str, pattern: str, replacement, complaint: str
) -> None:
    """XOR for XNOR, no new start of a sum, a lost `last`, one bit of a weight and a threshold."""
    file = write(tmp_path / "out", kind)
    design = file.parent / f"{kind}_array.v"
    broken, count = re.subn(pattern, replacement, design.read_text(), count=1)
    assert count == 1
    design.write_text(broken)
    status, output = bench(file)
    assert status == 1 and re.search(complaint, output), output
    assert output.splitlines()[-1].startswith(f"FAIL: {kind}_array in icarus, 3 tests, ")


def test_bench_catches_a_silent_design(tmp_path: Path) -> None:
    """Each of its three tests ends by itself when nothing comes."""
    file = write(tmp_path / "out", "single")
    design = file.parent / "single_array.v"
    text = design.read_text()
    start = text.index("module single_array(")
    body = re.sub(r"\bi_weight_valid\)", "1'b0)", text[start:], count=1)
    assert body != text[start:]
    design.write_text(text[:start] + body)
    status, output = bench(file)
    assert status == 1 and "no result for" in output, output
    assert "3 tests, 3 failed" in output.splitlines()[-1]


def test_bench_of_text_that_is_no_verilog_fails(tmp_path: Path) -> None:
    file = write(tmp_path / "out", "single")
    (file.parent / "single_array.v").write_text("module single_array(; endmodule")
    status, output = bench(file)
    assert status != 0 and "PASS" not in output


def test_identity_and_bytes_depend_on_the_contents_alone(tmp_path: Path) -> None:
    first, second = make_array(**KINDS["bits"]), make_array(**KINDS["bits"])
    assert first.identity == second.identity
    for name, product in (("one", first), ("two", second)):
        write_array(product, tmp_path / name, name="same")
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    changed = make_array(**{**KINDS["bits"], "thresholds": [0, 3, 4, 5, 7]})
    write_array(changed, tmp_path / "three", name="same")
    assert changed.identity != first.identity


def test_manifest(tmp_path: Path) -> None:
    write(tmp_path / "out", "bits", "axis")
    told = json.loads((tmp_path / "out" / "bits_array.json").read_text())
    text = (tmp_path / "out" / "bits_array.v").read_text()
    assert (told["format"], told["version"]) == ("bnnhw-array", 1)
    assert told["identity"] in text and re.fullmatch("[0-9a-f]{64}", told["identity"])
    assert told["schedule"]["cycles"] == 8
    assert told["parameters"] == {
        "pe": 3, "simd": 2, "folds": 4, "rows": 5, "columns": 7, "weights": "stored",
        "thresholds": "stored", "bus": None, "batch": 1, "pipeline": "area", "style": "auto",
        "target": "generic",
    }  # fmt: skip
    rows = [[int(row, 16) >> k & 1 for k in range(7)] for row in told["weights"]]
    assert rows == MATRIX.tolist()
    ports = {port["name"]: (port["direction"], port["width"]) for port in told["ports"]}
    for name, (direction, width) in ports.items():
        vector = f"[{width - 1}:0] " if width > 1 else ""
        assert f"  {direction} {vector}{name};" in text
    assert told["streams"]["result"]["ports"]["data"] == "m_axis_tdata"
    page = (tmp_path / "out" / "bits_array.md").read_text()
    assert all(f"| `{name}` |" in page for name in ports)


def test_target_resolves_the_memory() -> None:
    for target, style in (("generic", "auto"), ("ice40", "lut"), ("ecp5", "lut")):
        product = make_array(**KINDS["counts"], target=target)
        assert product.manifest["parameters"]["style"] == style


def test_other_files_stay_and_nothing_else_appears(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    product = make_array(**KINDS["single"])
    for _ in range(2):
        write_array(product, out, name="unit")
    assert {file.name for file in out.iterdir()} == {"notes.txt", *names("single", "unit")}
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_in_the_way_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match=r"out' cannot be written: .*\nChoose a folder"):
        write_array(make_array(**KINDS["single"]), tmp_path / "out", name="unit")
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["", "module", "a b", "x;y", "../up", "a\nb", "9a", "x" * 64])
def test_name_wrong(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"^The array name '.*' is not usable"):
        write_array(make_array(**KINDS["single"]), tmp_path / "out", name=name)
    assert not list(tmp_path.iterdir())


def test_naming_wrong(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^Naming must be one of plain, axis, not 'ahb'\."):
        write_array(make_array(**KINDS["single"]), tmp_path, name="unit", naming="ahb")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pe": 0}, r"^PE must be a whole number from 1 to 1048576, not 0\."),
        ({"pe": True}, r"^PE must be a whole number from 1 to 1048576, not True\."),
        ({"simd": -1}, r"^SIMD must be a whole number from 1 to 1048576, not -1\."),
        ({"pe": 1100, "simd": 1100}, r"^PE times SIMD must be .* to 1048576, not 1210000\."),
        ({"pe": 300, "simd": 300, "rows": 301}, r"^PE times SIMD must be .* to 65536, not 90000"),
        ({"folds": -2}, r"^folds must be a whole number from 1 to 1048576, not -2\."),
        ({"folds": 0}, r"^folds must be a whole number from 1 to 1048576, not 0\."),
        ({"pipeline": "fast"}, r"^pipeline must be one of area, balanced, speed, not 'fast'\."),
        ({"bus": "apb"}, r"^bus must be one of axi4-lite, wishbone, not 'apb'\."),
        ({"bus": "wishbone"}, r"^The bus is wishbone, and in RAM are nothing\."),
        ({"ram": ["weights"]}, r"^The bus is none, and in RAM are weights\."),
        ({"ram": ["sums"]}, r"^RAM must be one of weights, thresholds, not 'sums'\."),
        ({"folds": 2, "columns": 4}, r"^Both folds and columns were given\."),
        ({"rows": 1}, r"^PE must be a whole number from 1 to 1 \(the 1 rows\), not 2\."),
        ({"columns": 1}, r"^SIMD must be .* to 1 \(the 1 columns\), not 2\."),
        ({"batch": 0}, r"^batch must be a whole number from 1 to 1048576, not 0\."),
        ({"batch": 2, "weights": MATRIX}, r"^A batch of 2 vectors needs streamed weights"),
        ({"batch": 2, "thresholds": 1}, r"^A batch of 2 vectors needs streamed weights"),
        ({"weights": MATRIX, "rows": 6}, r"^rows = 6 does not suit .*\nLeave it out; it is 5\."),
        ({"target": "xc7"}, r"^target must be one of generic, ice40, ecp5, not 'xc7'\."),
        ({"style": "bram"}, r"^style must be one of auto, lut, block, not 'bram'\."),
        ({"weights": MATRIX, "pe": 6}, r"^PE must be .* 1 to 5 \(the weights' 5 rows\), not 6\."),
        ({"weights": MATRIX, "simd": 8}, r"^SIMD must be .* to 7 \(the weights' 7 columns\)"),
        ({"weights": MATRIX, "folds": 3}, r"^folds = 3 does not suit .*\nLeave it out; it is 4\."),
        ({"weights": MATRIX, "thresholds": [1]}, r"^There are 1 thresholds for 5 rows"),
        ({"weights": MATRIX, "thresholds": 9}, r"wrong are \[9, 9, 9, 9\]\.\n.* from 0 to 8"),
        ({"weights": MATRIX + 1}, r"^The weights of the array are neither bits 0/1 nor values"),
        ({"weights": MATRIX[0]}, r"^The weights of the array have the shape \(7,\)"),
        ({"weights": np.full((2, 2), np.nan)}, r"^The weights of the array are neither"),
    ],
)
def test_parameters_wrong(changes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_array(**({"pe": 2, "simd": 2} | changes))


@pytest.mark.parametrize("values", [MATRIX, 2 * MATRIX - 1, MATRIX.astype(bool), MATRIX * 1.0])
def test_load_weights(tmp_path: Path, values) -> None:
    np.save(tmp_path / "w.npy", values)
    np.savez(tmp_path / "w.npz", weights=values)
    for name in ("w.npy", "w.npz"):
        assert load_weights(tmp_path / name).tolist() == MATRIX.tolist()


def test_load_weights_wrong(tmp_path: Path) -> None:
    def refused(name: str, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            load_weights(tmp_path / name)

    refused("none.npy", "does not exist")
    np.savez(tmp_path / "other.npz", w=MATRIX)
    refused("other.npz", r"has no array 'weights'; it has \['w'\]\.")
    (tmp_path / "text.npy").write_text("0 1 0")
    refused("text.npy", "is no readable .npy file")
    np.save(tmp_path / "objects.npy", np.array([[None]]), allow_pickle=True)
    refused("objects.npy", "is no readable .npy file")
    np.save(tmp_path / "cut.npy", MATRIX)
    whole = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-8])
    refused("cut.npy", "is no readable .npy file")
    (tmp_path / "huge.npy").write_bytes(whole.replace(b"(5, 7)", b"(5000000000, 7)"[:6]))
    np.save(tmp_path / "wide.npy", np.zeros((3, 3, 3)))
    refused("wide.npy", r"have the shape \(3, 3, 3\)")
    (tmp_path / "huge.npy").write_bytes(
        re.sub(rb"\(5, 7\), \}( *)", lambda m: b"(99999999, 9), }" + m[1][10:], whole)
    )
    refused("huge.npy", "is no readable .npy file")


def test_load_thresholds(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.array([3, 0, 7]))
    np.savez(tmp_path / "t.npz", thresholds=np.array([3, 0, 7], np.uint8))
    for name in ("t.npy", "t.npz"):
        assert load_thresholds(tmp_path / name) == [3, 0, 7]
    np.save(tmp_path / "f.npy", np.array([0.5]))
    np.savez(tmp_path / "other.npz", levels=np.array([1]))
    np.save(tmp_path / "wide.npy", MATRIX)
    for name in ("f.npy", "other.npz", "wide.npy"):
        with pytest.raises(UsageError, match=r"holds no thresholds: a list of whole numbers"):
            load_thresholds(tmp_path / name)
