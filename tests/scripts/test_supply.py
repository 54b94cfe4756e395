"""What bnnhw rests on: the page of dependencies, and that nothing asks the network."""

from email.message import Message
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from scripts import supply
from scripts.offline import run_offline

PAGE = supply.PAGE.read_text(encoding="utf-8")


def test_the_page_lists_what_is_locked() -> None:
    """If this fails, run python -m scripts.supply --page."""
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    shown = {row[0].removeprefix("| "): row for row in rows if row[0] != "| package"}
    found = {package.name: package for package in supply.packages()}
    assert set(shown) == set(found)
    for name, row in shown.items():
        package = found[name]
        assert row[1] == package.version
        # Of two packages for one tool, and on other systems, others are installed.
        assert row[2] == package.licence or "not installed" in row[2] + package.licence
        assert row[2] != "unknown"


def test_every_package_has_a_reason() -> None:
    for package in supply.packages():
        assert package.why or not package.extras, package
    assert {"core", "hw", "sim", "test", "dev"} <= {
        extra for package in supply.packages() for extra in package.extras
    }


def test_reasons() -> None:
    text = """
dependencies = [
    "numpy>=2.0,<3",        # all numbers
]
sim = [
    # One of these
    # two.
    "One.Package>=1; python_version >= '3.12'",
    "other==2",
]
none = [
    "bare>=1",
]
"""
    assert supply.reasons(text) == {
        "numpy": "all numbers",
        "one-package": "One of these two.",
        "other": "One of these two.",
        "bare": "",
    }


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ([("License-Expression", "MIT")], "MIT"),
        ([("License", "BSD")], "BSD"),
        ([("License", "x" * 99), ("Classifier", "License :: OSI Approved :: MIT License")],
         "MIT License"),
        ([("License", "GNU GENERAL PUBLIC LICENSE\n  Version 3, 29 June 2007")], "GPL-3.0"),
        ([("License", "Copyright (C) X\n\nRedistribution and use in source\nand binary forms")],
         "BSD"),
        ([("License", "x" * 99)], "unknown"),
        ([("Classifier", "Topic :: Games")], "unknown"),
    ],
)  # fmt: skip
def test_licence(fields: list[tuple[str, str]], told: str) -> None:
    metadata = Message()
    for key, value in fields:
        metadata[key] = value
    package: Any = SimpleNamespace(metadata=metadata, files=None)
    assert supply.licence(package) == told


def test_names_are_those_of_the_index() -> None:
    assert all(package.name == canonicalize_name(package.name) for package in supply.packages())


def test_nothing_opens_a_socket() -> None:
    """Every module is imported, and Verilog of a network and of an array is generated."""
    found = run_offline()
    assert found.calls == []
    assert found.modules > 150
    assert all(name.startswith(("bnnhw.train.", "rtl_gen.link.")) for name in found.absent)


ASKS = "import socket; socket.socket()"


@pytest.mark.parametrize(
    "program",
    [
        ASKS,
        "import socket\ntry: socket.create_connection(('127.0.0.1', 9))\nexcept OSError: pass",
        "import urllib.request as r\ntry: r.urlopen('http://localhost')\nexcept Exception: pass",
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ASKS!r}])",
    ],
)
def test_a_socket_is_seen(program: str) -> None:
    """Also one whose error is caught, and one of a program that is started."""
    assert run_offline("-c", program).calls


def test_what_fails_for_another_reason_is_told() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        run_offline("-c", "1 / 0")
