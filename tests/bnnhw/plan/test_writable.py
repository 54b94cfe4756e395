"""The memories that are loaded at run time: which, with what, and for which networks."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bnnhw.cost import estimate
from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import Argmax, Dense, Graph, Input, Threshold
from bnnhw.link.weights import block_count, upload_crc
from bnnhw.plan import MvtuPlan, Plan, make_plan, manifest
from bnnhw.plan.writable import Store, image_for, stores, structure

ROWS, COLUMNS, CLASSES = 5, 20, 3


def net(seed: int, *, rows: int = ROWS, level: int = 2) -> Graph:
    dice = np.random.default_rng(seed)
    nodes = (
        Input("x", (), (COLUMNS,)),
        Dense("fc1", ("x",), dice.integers(0, 2, (rows, COLUMNS), np.uint8)),
        Threshold("s1", ("fc1",), np.full((rows, 1), level), dice.choice([-1, 1], rows)),
        Dense("fc2", ("s1",), dice.integers(0, 2, (CLASSES, rows), np.uint8)),
        Argmax("best", ("fc2",), np.zeros(CLASSES, np.int64)),
    )
    return Graph("net", nodes, ("fc2", "best"))


def planned(seed: int, first: str, second: str, **options: Any) -> Plan:
    layers = {"fc1": LayerFold(2, 10, first), "fc2": LayerFold(1, 5, second)}
    return make_plan(net(seed, **options), Folding(layers), name="net")


def test_stores_stand_in_the_order_of_the_units() -> None:
    plan = planned(1, "ram", "spram")
    first, second = plan.units
    assert isinstance(first, MvtuPlan)
    expected = (
        Store("fc1", "weights", first.weights, 20, True),
        Store("fc1", "thresholds", first.thresholds or (), 2 * 5, True),
        Store("fc2", "weights", second.weights, 5, False),
    )
    assert stores(plan) == expected
    assert stores(planned(1, "auto", "block")) == ()


def test_manifest_says_what_can_be_loaded() -> None:
    plan = planned(1, "ram", "ram")
    told = json.loads(json.dumps(manifest(plan)))["weights"]
    # 6 words of 20 bits, 3 of 10 bits, 3 of 5 bits: 12, 3 and 3 chunks.
    assert (told["bytes"], told["blocks"]) == (36, block_count(36))
    assert told["crc32"] == upload_crc(image_for(manifest(plan), net(1)))
    assert told["stores"][1] == {"layer": "fc1", "content": "thresholds", "words": 3, "width": 10}
    assert manifest(planned(1, "ram", "spram"))["weights"]["crc32"] is None
    assert manifest(planned(1, "lut", "block"))["weights"] is None


def test_structure_is_all_but_what_is_loaded() -> None:
    plan = planned(1, "ram", "ram")
    assert structure(planned(2, "ram", "ram")) == structure(plan)
    assert structure(planned(1, "ram", "ram", level=4)) == structure(plan)
    assert planned(2, "ram", "ram").identity != plan.identity
    # Weights that are part of the build count.
    assert structure(planned(2, "ram", "lut")) != structure(planned(1, "ram", "lut"))
    assert structure(planned(1, "ram", "spram")) != structure(plan)
    other = make_plan(
        net(1), Folding({"fc1": LayerFold(1, 10, "ram"), "fc2": LayerFold(1, 5, "ram")})
    )
    assert structure(other) != structure(plan)
    assert structure(replace(plan, order="hwc")) != structure(plan)


def test_image_of_another_network() -> None:
    told = json.loads(json.dumps(manifest(planned(1, "spram", "ram"))))
    image = image_for(told, net(2))
    plan = planned(2, "spram", "ram")
    words = plan.units[0].weights
    low = b"".join((word & 0xFFFF).to_bytes(2, "little") for word in words)
    high = b"".join((word >> 16).to_bytes(2, "little") for word in words)
    assert image[: 4 * len(words)] == low + high
    assert len(image) == told["weights"]["bytes"]


def test_image_wrong() -> None:
    with pytest.raises(UsageError, match=r"^The design has no memories that could be loaded\.\nBu"):
        image_for(manifest(planned(1, "lut", "lut")), net(1))
    told = manifest(planned(1, "ram", "lut"))
    with pytest.raises(UsageError, match=r"^Network 'net' differs from that of the design in more"):
        image_for(told, net(2))
    with pytest.raises(UsageError, match=r"^Network 'net' differs from that of the design in more"):
        image_for(manifest(planned(1, "ram", "ram")), net(1, rows=6))


def test_estimate_counts_rams_of_columns() -> None:
    folds = {"fc1": LayerFold(5, 4, "ram"), "fc2": LayerFold(1, 5, "lut")}
    graph = net(1, rows=10)
    ram = estimate(graph, Folding(folds), "ice40")
    spram = estimate(graph, Folding({**folds, "fc1": LayerFold(5, 4, "spram")}), "ice40")
    # Two columns of weights; thresholds and the replay buffers are the same.
    assert ram.ebr - spram.ebr == spram.cost.spram - ram.cost.spram == 2
    assert ram.lut4 == spram.lut4
