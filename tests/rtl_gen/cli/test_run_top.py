"""What `bnnhw run` prints of a network that sends the k best classes."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bnnhw.driver import Answers
from rtl_gen.cli.run import _show

BOARD: Any = SimpleNamespace(board=SimpleNamespace(name="icebreaker", title="iCEBreaker"))
TOP = np.array([[4, 1], [0, 2]])
ANSWERS = Answers(np.array([[5, 3], [2, 2]]), TOP[:, 0], TOP)


def test_json_has_all_classes(capsys: pytest.CaptureFixture[str]) -> None:
    _show(BOARD, np.array([4, 1]), ANSWERS, None, True)
    facts = json.loads(capsys.readouterr().out)
    assert facts["top"] == TOP.tolist() and facts["classes"] == [4, 0]
    assert facts["logits"] == [[5, 3], [2, 2]] and facts["correct"] == 1
    _show(BOARD, None, Answers(ANSWERS.logits, ANSWERS.classes), None, True)
    assert "top" not in json.loads(capsys.readouterr().out)


def test_text_has_all_classes(capsys: pytest.CaptureFixture[str]) -> None:
    _show(BOARD, np.array([4, 1]), ANSWERS, None, False)
    said = capsys.readouterr().out
    assert "4 1" in said and "0 2" in said and "1 of 2 labels are right." in said
