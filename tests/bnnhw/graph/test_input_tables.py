"""Tables for each channel of the input: thermometer code, and channels that differ."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bnnhw import golden
from bnnhw.errors import UsageError
from bnnhw.fold import serial
from bnnhw.graph import Argmax, Dense, Flatten, Graph, Input, load_graph, save_graph
from bnnhw.images import checked_images
from bnnhw.link.payload import Packing
from bnnhw.load import load_model
from bnnhw.plan import make_plan, manifest

TABLES = np.array([[p >= t for p in range(256)] for t in (50, 120, 200)], np.int64)


def graph(image_channels: int = 1) -> Graph:
    dice = np.random.default_rng(1)
    nodes = (
        Input("image", (), (3, 2, 2), lut=TABLES, image_channels=image_channels),
        Flatten("flat", ("image",)),
        Dense("fc1", ("flat",), dice.integers(0, 2, (4, 12), np.uint8)),
        Argmax("argmax", ("fc1",), np.array([0, 1, 0, 3]), 2),
    )
    return Graph("net", nodes, ("fc1", "argmax"))


@pytest.mark.parametrize("path", ["plain", "packed"])
@pytest.mark.parametrize("channels", [1, 3])
def test_golden_model(path: str, channels: int) -> None:
    net = graph(channels)
    images = np.random.default_rng(2).integers(0, 256, (5, channels, 2, 2)).astype(np.uint8)
    result = golden.run(net, images, path=path, trace=True)
    wide = np.broadcast_to(images, (5, 3, 2, 2))
    bits = wide >= np.array([50, 120, 200])[:, None, None]
    assert np.array_equal(result.edges["image"], 2 * bits.astype(int) - 1)
    weight = 2 * net.node("fc1").weight.astype(int) - 1
    logits = (2 * bits.reshape(5, -1).astype(int) - 1) @ weight.T
    assert np.array_equal(result.logits, logits)
    assert result.classes is not None
    assert np.array_equal(result.classes, (2 * logits + [0, 1, 0, 3]).argmax(1))


def test_survives_the_disk_and_the_driver_packs_alike(tmp_path: Path) -> None:
    save_graph(graph(), tmp_path / "net.json")
    net = load_graph(tmp_path / "net.json")
    assert net.digest == graph().digest
    plan = make_plan(net, serial(net))
    images = np.random.default_rng(3).integers(0, 256, (4, 1, 2, 2)).astype(np.uint8)
    packed = Packing.from_manifest(manifest(plan)).pack(images)
    bits = np.concatenate([images.reshape(4, 4) >= t for t in (50, 120, 200)], axis=1)
    assert packed == [np.packbits(row, bitorder="little").tobytes() for row in bits]


def test_images_have_the_shape_before_the_code() -> None:
    with pytest.raises(UsageError, match="the network reads 1 × 2 × 2"):
        checked_images(np.zeros((1, 3, 2, 2), np.uint8), graph().input)


@pytest.mark.parametrize(("channels", "tables"), [(None, TABLES), (2, TABLES), (1, TABLES[0])])
def test_tables_and_channels_must_agree(channels: int | None, tables: np.ndarray) -> None:
    with pytest.raises(UsageError, match="has tables for an image of"):
        Input("image", (), (3, 2, 2), lut=tables, image_channels=channels)


def test_qonnx_with_a_constant_for_each_channel(tmp_path: Path) -> None:
    """One pixel minus several constants, made bits: a thermometer code."""
    levels = np.array([0.2, 0.5, 0.8], np.float32).reshape(1, 3, 1, 1)
    weight = np.random.default_rng(4).normal(size=(12, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Sub", ["x", "levels"], ["a"]),
        helper.make_node("BipolarQuant", ["a", "one"], ["b"], domain="qonnx.custom_op.general"),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("BipolarQuant", ["w", "one"], ["v"], domain="qonnx.custom_op.general"),
        helper.make_node("MatMul", ["c", "v"], ["y"]),
    ]
    body = helper.make_graph(
        nodes,
        "thermometer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        [
            numpy_helper.from_array(levels, "levels"),
            numpy_helper.from_array(weight, "w"),
            numpy_helper.from_array(np.array(1, np.float32), "one"),
        ],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
    onnx.save(helper.make_model(body, opset_imports=opsets), tmp_path / "t.onnx")
    net = load_model(tmp_path / "t.onnx")
    assert net.input.shape == (3, 2, 2) and net.input.image_shape == (1, 2, 2)
    images = np.random.default_rng(5).integers(0, 256, (20, 1, 2, 2)).astype(np.uint8)
    units = [Fraction(float(np.float32(p / 255))) for p in range(256)]
    bits = np.array(
        [
            [units[p] >= Fraction(float(level)) for level in levels.reshape(-1) for p in row]
            for row in images.reshape(20, 4)
        ]
    )
    expected = (2 * bits.astype(int) - 1) @ np.where(weight >= 0, 1, -1)
    assert np.array_equal(golden.run(net, images).logits, expected)
