"""`docs/import.md` names tests that are there, one for each framework and layer."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/import.md").read_text(encoding="utf-8")
SOURCES = sorted((ROOT / "tests/bnnhw").rglob("test_*.py"))
# The bracketed name of a model, by the framework of the column: where its file lies.
FOLDERS = {"Larq, Keras": "keras", "QONNX": "qonnx", "PyTorch, bitorch": "torch"}
NO_FRAMEWORK = {"NumPy"}
# Larq 0.14 runs no groups on a CPU and has no padding layer before a quantiser among its models.
COMPUTED = {"test_windows", "test_norm_behind_flatten_and_padding_before_a_quantiser",
            "test_norm_behind_flatten_"}  # fmt: skip


def cells() -> Iterator[tuple[str, str, str, str]]:
    """Give (framework, layer, what it is called there, what shows it) of both tables."""
    for table in re.findall(r"(?m)^\| layer \|.*\n(?:\|.*\n)+", PAGE):
        head, _, *rows = [[part.strip() for part in line.strip("|").split("|")]
                          for line in table.strip().splitlines()]  # fmt: skip
        for row in rows:
            for column in (1, 3):
                yield head[column], row[0], row[column], row[column + 1]


CELLS = [cell for cell in cells() if not cell[2].startswith("–")]


def functions() -> dict[str, str]:
    """Give the text of every test by its name."""
    found: dict[str, str] = {}
    for path in SOURCES:
        parts = re.split(r"(?m)^(?=def |@pytest)", path.read_text(encoding="utf-8"))
        for part in parts:
            for name in re.findall(r"(?m)^def (test_\w+)\(", part):
                found[name] = path.name
    return found


def test_tables_are_read() -> None:
    assert len(CELLS) > 45
    assert {cell[0] for cell in CELLS} == {*FOLDERS, *NO_FRAMEWORK}


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell[0]}: {cell[1]}")
def test_every_cell_names_a_test_and_what_a_framework_gave(cell: tuple[str, str, str, str]) -> None:
    framework, _, _, shown = cell
    known = functions()
    tests = set(re.findall(r"`(test_\w+)", shown))
    models = set(re.findall(r"\[(\w+)\]", shown))
    assert tests or models, "nothing shows this"
    for name in tests:
        assert any(test.startswith(name) for test in known), name
    if framework in NO_FRAMEWORK:
        return
    folder = ROOT / "tests/data" / FOLDERS[framework]
    for name in models:
        assert (folder / f"{name}.npz").is_file(), name
    # A recorded model, or a test of files that a framework or its users wrote.
    recorded = {"test_qonnx_reference.py", "test_reference.py", "test_torch.py", "test_recorded.py",
                "test_every_file.py", "test_top_k.py"}  # fmt: skip
    from_files = {name for name in tests - COMPUTED if known.get(name) in recorded}
    latent = "test_latent_and_binary_kernels_are_the_same_network"
    assert models or from_files or latent in tests, "no framework's own output"


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(test_\w+)(?:\[\w+\])?(?:…)?`", PAGE))
    assert len(named) > 20
    known = set(functions()) | {path.stem for path in SOURCES}
    assert [name for name in sorted(named) if not any(k.startswith(name) for k in known)] == []


def test_every_recorded_model_that_is_named_exists() -> None:
    named = set(re.findall(r"`(?:test_\w+)?\[(\w+)\]`", PAGE))
    files = {path.stem for folder in FOLDERS.values()
             for path in (ROOT / "tests/data" / folder).glob("*.npz")}  # fmt: skip
    assert len(named) >= 15
    assert named <= files
