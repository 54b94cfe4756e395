"""What the README shows happens: its commands run as written, and print what it says they print."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def sessions() -> Iterator[tuple[str, list[str]]]:
    """Each command of the console blocks, with the lines that the README shows under it."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output.splitlines()


def shape(line: str) -> str:
    """Leave out what differs from run to run: numbers, hashes and widths."""
    line = re.sub(r"[0-9a-f]{64}", "#", line)
    line = re.sub(r"\d[\d.,]*", "#", line)
    line = re.sub(r"[─━]+", "─", line)
    return " ".join(line.split())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder that looks like the checkout; results stay out of the real one."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "bnnhw").symlink_to(ROOT / "bnnhw")
    return folder


def run(command: list[str], folder: Path) -> str:
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_commands_run_and_print_what_is_shown(place: Path) -> None:
    count = 0
    for command, shown in sessions():
        printed = {shape(line) for line in run(shlex.split(command), place).splitlines()}
        for line in shown:
            if line.strip() not in ("", "…"):
                assert shape(line) in printed, f"{command}: {line!r} is not in {printed}"
                count += 1
    assert count > 10, "the README shows no output"


def test_python_snippets_run(place: Path) -> None:
    snippets = blocks("python")
    assert len(snippets) >= 2
    for snippet in snippets:
        run([sys.executable, "-c", snippet], place)
    assert (place / "digits.v").stat().st_size > 10_000


def test_the_two_commands_are_there_and_are_what_ci_runs() -> None:
    shown = [line.split()[0] for block in blocks("sh") for line in block.splitlines() if line]
    assert shown[:2] == ["scripts/demo", "scripts/test"]
    for name in shown[:2]:
        assert os.access(ROOT / name, os.X_OK)
    assert "scripts/test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert len(links) >= 5
    for link in links:
        assert (ROOT / link).exists(), link


def test_programs_of_the_blocks_are_installed() -> None:
    for command, _ in sessions():
        program = shlex.split(command)[0]
        own = shutil.which(program, path=str(Path(sys.executable).parent))
        assert own or shutil.which(program), program
