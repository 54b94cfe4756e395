"""ONNX files of float networks: bitorch's and PyTorch's own exports, held against PyTorch.

`scripts/record_onnx.py` wrote the files of ``tests/data/onnx``, of the modules whose images and
scores `scripts/record_torch.py` wrote to ``tests/data/torch``.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from bnnhw.compare import compare, compare_layers
from bnnhw.errors import UsageError
from bnnhw.files import read_npz
from bnnhw.graph import Conv, Dense, Graph, IntConv
from bnnhw.load import load_model
from bnnhw.load.onnx_file import read_onnx
from bnnhw.load.onnx_plain import describe, is_plain
from bnnhw.load.torch_floats import TooMuch, compute

DATA = Path(__file__).resolve().parents[2] / "data"
REFUSED = ["sign_of_even_dynamo", "sign_of_even_torchscript"]
NAMES = sorted(path.stem for path in (DATA / "onnx").iterdir())
READ = [name for name in NAMES if name not in REFUSED]
EXACT = [name for name in READ if name.startswith(("signs", "sign_of_odd"))]

Save = Callable[[Any], Path]


def way_of(name: str) -> str:
    return "centred" if name.startswith("bireal") else "unit"


@cache
def recorded(name: str) -> dict[str, Any]:
    return read_npz(DATA / f"torch/{name.rsplit('_', 1)[0]}.npz")


@cache
def loaded(name: str) -> Graph:
    return load_model(DATA / f"onnx/{name}.onnx", pixel=way_of(name))


@cache
def in_floats(name: str) -> dict[str, Any]:
    """Give the outputs of all operations of a file, and the last one as ``scores``."""
    file = read_onnx(DATA / f"onnx/{name}.onnx")
    low = Fraction(-1) if way_of(name) == "centred" else Fraction(0)
    table = tuple(low + (1 - low) * Fraction(pixel, 255) for pixel in range(256))
    found = describe(file, file.nodes, table, pixels=recorded(name)["x"], taps=True)
    return {**found.arrays, "scores": found.arrays[f"tap_{found.output}"]}


def test_every_file_is_tested() -> None:
    assert len(NAMES) == 17
    assert len(READ) == 15
    assert max(path.stat().st_size for path in (DATA / "onnx").iterdir()) < 200_000
    for path in (DATA / "onnx").iterdir():
        assert is_plain(read_onnx(path).nodes), path.name


@pytest.mark.parametrize("name", NAMES)
def test_floats_are_those_of_pytorch(name: str) -> None:
    told, found = recorded(name)["logits"], in_floats(name)["scores"]
    close = np.abs(found - told).max(axis=1) < 1e-4 * max(1.0, np.abs(told).max())
    # A sum within a rounding of 0 may have the other sign in another order of additions.
    assert close.mean() > 0.9


@pytest.mark.parametrize("name", EXACT)
def test_exact_files_are_equal(name: str) -> None:
    graph = loaded(name)
    assert graph.meta["rounding"] == "nothing"
    assert graph.meta["format"] == "onnx"
    found = compare(graph, recorded(name)["x"], {"logits": recorded(name)["logits"]})
    assert found.passed
    assert (found.images, found.differing) == (32, 0)


@pytest.mark.parametrize("name", READ)
def test_every_layer_on_its_own_inputs(name: str) -> None:
    graph, few = loaded(name), 4
    taps = {key: array[:few] for key, array in in_floats(name).items() if key.startswith("tap_")}
    layers = {layer.edge: layer for layer in compare_layers(graph, recorded(name)["x"][:few], taps)}
    for node in graph.nodes:
        if isinstance(node, Conv | Dense):
            assert layers[node.name].exact, node.name
            assert layers[node.name].values
    assert [str(layer) for layer in layers.values() if not layer.passed] == []


@pytest.mark.parametrize("name", READ)
def test_binary_weights_are_those_of_the_module(name: str) -> None:
    module = load_model(DATA / f"torch/{name.rsplit('_', 1)[0]}.npz", pixel=way_of(name))

    def matrices(graph: Graph) -> list[Any]:
        found = [node.weight for node in graph.nodes if isinstance(node, Conv | Dense)]
        return [weight.reshape(len(weight), -1) for weight in found]

    ours, theirs = matrices(loaded(name)), matrices(module)
    assert len(ours) == len(theirs) >= 1
    for mine, other in zip(ours, theirs, strict=True):
        # Where batch norm was folded in, a negative gain has turned its row.
        turned = (mine != other).all(axis=1, keepdims=True)
        assert np.array_equal(mine ^ turned, other)
        assert name.endswith("dynamo") or not turned.any()


@pytest.mark.parametrize("name", [name for name in READ if name not in EXACT])
def test_what_is_rounded_is_said(name: str) -> None:
    graph, told = loaded(name), recorded(name)
    assert "8-bit weights" in graph.meta["rounding"]
    assert any(isinstance(node, IntConv) for node in graph.nodes) or "melius" in name
    # As for the modules themselves: signs near 0 turn, and nothing was ever trained.
    assert compare(graph, told["x"], {"logits": told["logits"]}).same_class >= 0.7


def test_a_changed_weight_is_found_in_its_layer(tmp_path: Path) -> None:
    model = onnx.load(DATA / "onnx/resnet_e_dynamo.onnx")
    shape = (8, 8, 3, 3)
    place = next(t for t in model.graph.initializer if tuple(t.dims) == shape)
    array = numpy_helper.to_array(place).copy()
    array[3, 2, 1, 1] *= -1
    place.CopyFrom(numpy_helper.from_array(array, place.name))
    onnx.save(model, tmp_path / "changed.onnx")
    graph = load_model(tmp_path / "changed.onnx", pixel="unit")
    taps = {key: array[:4] for key, array in in_floats("resnet_e_dynamo").items()
            if key.startswith("tap_")}  # fmt: skip
    pixels = recorded("resnet_e_dynamo")["x"][:4]
    wrong = [layer for layer in compare_layers(graph, pixels, taps) if not layer.passed]
    first = next(node for node in graph.nodes if isinstance(node, Conv))
    assert [layer.edge for layer in wrong] == [first.name]


@pytest.mark.parametrize("name", REFUSED)
def test_a_plain_sign_that_can_read_0_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="can read 0 in channel 0, where its activation gives 0"):
        loaded(name)


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
def test_bitorch_gave_the_same(models: Path, tmp_path: Path, exporter: str) -> None:
    path = models / f"export_examples/tiny_bitorch_{exporter}.onnx"
    if exporter == "dynamo":
        with pytest.raises(UsageError, match="'0.weight' lies in another file") as caught:
            load_model(path)
        assert "onnx.save(onnx.load('old.onnx'), 'new.onnx')" in caught.value.todo
        onnx.save(onnx.load(path), tmp_path / "new.onnx")
        path = tmp_path / "new.onnx"
    graph = load_model(path)
    with np.load(models / "export_examples/tiny_bitorch_io.npz") as archive:
        x, told = archive["x"], archive["y"]
    found = compare(graph, np.rint(x * 255).astype(np.uint8), {"logits": told})
    assert found.same_class == 1.0
    # The image was random numbers; 8 bits of it, of weights and of activations explain this.
    assert found.worst < 0.03 * told.std()
    assert graph.meta["pixel"] == "x = 1/255 * pixel (nothing else is said), not rounded"
    assert [type(node).__name__ for node in graph.nodes].count("Conv") == 1


def signed(o: Any, x: str) -> str:
    """Write a sign as bitorch's are written."""
    sign = o.add("Sign", x)
    return str(o.add("Where", o.add("Equal", sign, o.const(0.0)), o.const(1.0), sign))


def features(o: Any, name: str = "x") -> str:
    return signed(o, o.add("Sub", o.add("Flatten", name), o.const(0.5)))


WEIGHT = np.array([[1, -1, 1, -1, 1, 1], [1, 1, 1, -1, -1, 1]], np.float32)


def image_of(o: Any) -> str:
    return signed(o, o.add("Sub", "x", o.const(0.5)))


def pooled(o: Any, **attributes: Any) -> str:
    x = o.add("MaxPool", image_of(o), **attributes)
    return str(o.add("MatMul", o.add("Flatten", x), o.const(np.ones((2, 2)))))


WRONG: list[tuple[Callable[[Any], str], str]] = [
    (lambda o: o.add("Erf", features(o)), "is an operator of the domain 'ai.onnx' that is not"),
    (lambda o: o.add("MatMul", features(o), features(o)), "has no constant as the weights"),
    (lambda o: o.add("MatMul", features(o), o.const(np.ones((5, 2)))), "cannot be run: its shapes"),
    (lambda o: o.add("Reshape", features(o), o.const(np.array([2, 3]))), "the shape [2, 3]"),
    (lambda o: o.add("Softmax", features(o), axis=0), "decides along axis 0"),
    (lambda o: o.add("Cast", features(o), to=7), "casts what depends on the image to the type 7"),
    (lambda o: o.add("Cast", features(o), to=10), "casts to the type 10"),
    (lambda o: o.add("Gemm", features(o), o.const(WEIGHT.T), alpha=2.0), "has alpha = 2"),
    (lambda o: o.add("Div", features(o), o.const(0.0)), "gives values that are not finite"),
    (lambda o: o.add("Clip", features(o), o.const(np.ones(2))), "has 2 numbers as the least"),
    (lambda o: o.add("Where", features(o), "", o.const(1.0)), "has an input left out that"),
    (lambda o: o.add("Concat", *[features(o), "", o.const(np.ones((1, 2)))], axis=1),
     "joins 2 of 3 tensors along the axis 1"),
    (lambda o: o.add("Slice", features(o), o.const(np.array([9])), o.const(np.array([12])),
                     o.const(np.array([1]))), "takes the elements 9 to 12"),
    (lambda o: o.add("Split", features(o), o.const(np.array([4, 4])), axis=1),
     "parts 6 channels into [4, 4]"),
    (lambda o: pooled(o, kernel_shape=[2]), "has the kernel (2,), which is no window"),
    (lambda o: pooled(o, kernel_shape=[2, 2], pads=[0, 1, 0, 0]), "has the padding (0, 1, 0, 0)"),
    (lambda o: o.add("Pad", image_of(o), o.const(np.array([0, 1, 0, 0, 0, 0, 0, 0]))),
     "has the padding [0, 1, 0, 0, 0, 0, 0, 0]"),
    # What would take memory or time without end.
    (lambda o: o.add("Pad", image_of(o), o.const(np.array([0, 0, 1 << 20, 0] * 2))),
     "cannot be run: it makes a tensor of shape"),
    (lambda o: pooled(o, kernel_shape=[1, 1], pads=[1 << 30] * 4), "makes a tensor of shape"),
    (lambda o: o.add("Add", features(o), o.add("ConstantOfShape",
                                               o.const(np.array([1 << 20, 1 << 20])))),
     "has the shape [1048576, 1048576]"),
    (lambda o: o.add("Add", features(o), o.const(np.ones((5, 1, 1)))),
     "gives the shape (5, 32, 6) for 32 images"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "what"), WRONG)
def test_refused(new_onnx: Any, save: Save, build: Callable[[Any], str], what: str) -> None:
    o = new_onnx()
    path = save(o.model(build(o)))
    with pytest.raises(UsageError) as caught:
        load_model(path)
    assert what in caught.value.what
    assert str(path) in caught.value.what


@pytest.mark.parametrize(
    ("shape", "kind", "what"),
    [
        ((2, 1, 2, 3), 1, "its input 'x' has the shape (2, 1, 2, 3)"),
        ((1, 1, 1 << 15, 1 << 15), 1, "instead of one float image"),
        ((1, 1, 2, 3), 2, "the element type 2"),
    ],
)
def test_input_refused(
    new_onnx: Any, save: Save, shape: tuple[int, ...], kind: int, what: str
) -> None:
    o = new_onnx(shape, kind)
    o.add("MatMul", features(o), o.const(WEIGHT.T))
    with pytest.raises(UsageError) as caught:
        load_model(save(o.model("t5")))
    assert what in caught.value.what


def test_pixels_of_a_property_and_of_a_division(new_onnx: Any, save: Save) -> None:
    o = new_onnx()
    o.props = {"bnnhw.pixel_scale": "1/128"}
    path = save(o.model(o.add("MatMul", features(o), o.const(WEIGHT.T))))
    table = load_model(path).input.lut
    assert table is not None
    assert table.tolist() == [int(pixel >= 64) for pixel in range(256)]
    o = new_onnx()
    divided = signed(o, o.add("Sub", o.add("Div", "x", o.const(255.0)), o.const(0.25)))
    flat = o.add("Flatten", divided)
    found = load_model(save(o.model(o.add("MatMul", flat, o.const(WEIGHT.T)))))
    assert found.meta["pixel"].endswith("(its first operation divides by 255), not rounded")
    assert found.input.lut is not None
    assert found.input.lut.tolist() == [int(pixel >= 64) for pixel in range(256)]


def test_latent_weights_of_0_are_positive(new_onnx: Any, save: Save) -> None:
    o = new_onnx()
    latent = np.array([[0.0, -0.5], [-0.0, 0.3], [0.2, -0.1], [-1, 1], [0.0, 0.0], [-0.4, 2]])
    weight = signed(o, o.const(latent.astype(np.float32)))
    graph = load_model(save(o.model(o.add("MatMul", features(o), weight))))
    (layer,) = (node for node in graph.nodes if isinstance(node, Dense))
    assert layer.weight.tolist() == (latent.T >= 0).astype(int).tolist()


@pytest.mark.parametrize(
    ("op", "arguments"),
    [
        ("batch_norm", {"input": np.ones((2, 1)), "running_mean": np.ones(9), "running_var":
                        np.ones(9), "weight": np.ones(9), "bias": np.ones(9), "eps": 0.1}),
        ("conv2d", {"input": np.ones((1, 2, 3, 3)), "weight": np.ones((2, 2, 1, 1)), "groups": 2,
                    "stride": [1, 1], "padding": [0, 0], "dilation": [1, 1]}),
        ("add", {"input": np.ones((1 << 15, 1)), "other": np.ones((1, 1 << 15))}),
        ("linear", {"input": np.ones((1 << 12, 1)), "weight": np.ones((1 << 14, 1))}),
        ("neg", {"input": np.ones(2, bool)}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_never_allocated(op: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TooMuch):
        compute(op, arguments)
