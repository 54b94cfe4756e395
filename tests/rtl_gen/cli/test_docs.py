"""`docs/cli.md` names every command, option and exit code, and nothing that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from bnnhw import errors
from rtl_gen.cli.app import app

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
EVERYWHERE = {"--help", "-h", "--json", "--version"}


def commands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path}{name} ")
        else:
            yield path + name, command


COMMANDS = dict(commands(typer.main.get_command(app)))


def section(name: str) -> str:
    """Return what is said of a command: its own chapter, or its entry in the list of the last."""
    chapter = re.search(rf"(?ms)^## {name}\n(.*?)(?=^## |\Z)", TEXT)
    entry = re.search(rf"(?ms)^\* `{name}(.*?)(?=^\* |\Z)", TEXT)
    found = chapter or entry
    assert found, f"docs/cli.md says nothing of {name}"
    return found[1]


def options(command: Any) -> list[set[str]]:
    """Names of each option."""
    found = [{word for word in parameter.opts if word[0] == "-"} for parameter in command.params]
    return [names for names in found if names and not names & EVERYWHERE]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_there(name: str) -> None:
    said = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", section(name)))
    known = options(COMMANDS[name])
    assert [names for names in known if not names & said] == []
    # What it says of others is in sentences about them; what it offers exists.
    offered = re.search(rf"(?m)^    bnnhw {name} (.*(?:\n {{10,}}.*)*)", section(name))
    if offered:
        assert set(re.findall(r"(?<![\w-])--[a-z-]+", offered[1])) <= set().union(
            *known, EVERYWHERE
        )


def test_exit_codes() -> None:
    codes = {int(code) for code in re.findall(r"(?m)^\| (\d+) \|", TEXT)}
    classes = [getattr(errors, name) for name in errors.__all__]
    assert codes == {cls.exit_code for cls in classes} | {0, 70, 130}
