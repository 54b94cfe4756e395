"""Records of PyTorch's results, as scripts/architectures/record.py wrote them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw import zoo
from bnnhw.graph import Graph

FOLDER = Path(__file__).resolve().parents[2] / "data" / "architectures"


@dataclass(frozen=True, eq=False)
class Record:
    """One network as PyTorch computed it, and the graph that must give the same."""

    graph: Graph
    images: np.ndarray
    logits: np.ndarray
    classes: np.ndarray
    digests: dict[str, str]
    parts: dict[str, np.ndarray] = field(default_factory=dict)


@pytest.fixture(scope="session")
def record() -> Callable[[str], Record]:
    """Give a function that reads the record of a name."""
    return _read


def _read(name: str) -> Record:
    arrays: dict[str, Any] = dict(np.load(FOLDER / f"{name}.npz"))
    notes = json.loads(str(arrays["meta"]))
    graph = getattr(zoo, notes["architecture"])(**notes["options"])
    told = notes["images"]
    images = zoo.draw_images(told["seed"], told["count"], graph.input.shape)
    parts = {key[4:]: value for key, value in arrays.items() if key.startswith("tap_")}
    return Record(graph, images, arrays["logits"], arrays["classes"], notes["taps"], parts)
