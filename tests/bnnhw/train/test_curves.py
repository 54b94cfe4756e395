"""Curves: the same numbers give the same picture, which says what they are."""

import sys
from typing import Any

import pytest

from bnnhw.errors import ToolMissing
from bnnhw.train.curves import draw_curves, drawable

HISTORY: list[dict[str, Any]] = [
    {"epoch": 1, "loss": 1.5, "train": 0.5, "validation": 0.4},
    {"epoch": 2, "loss": 0.5, "train": 0.9, "validation": 0.8},
    {"epoch": 3, "loss": 0.25, "train": 0.95, "validation": 0.75},
]


@pytest.mark.parametrize(("kind", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_same_bytes(kind: str, start: bytes) -> None:
    first, second = (draw_curves(HISTORY, "net: 75 %", best=2, kind=kind) for _ in range(2))
    assert first == second
    assert first.startswith(start)
    assert drawable()


def test_what_it_shows() -> None:
    whole = draw_curves(HISTORY, "net: 75 %", best=2)
    for word in (b"net: 75 %", b">epoch<", b">loss<", b">validation<", b"right, %"):
        assert word in whole
    assert draw_curves(HISTORY, "net: 75 %") != whole
    bare = draw_curves([row | {"validation": None} for row in HISTORY], "net")
    assert b">validation<" not in bare and b">loss<" in bare


def test_without_an_epoch() -> None:
    assert b">loss<" in draw_curves([], "nothing yet")


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not drawable()
    with pytest.raises(ToolMissing, match="needs matplotlib"):
        draw_curves(HISTORY, "net")
