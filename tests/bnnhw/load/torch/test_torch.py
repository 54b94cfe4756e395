"""Modules of PyTorch and bitorch: what scripts/record_torch.py wrote down, held against PyTorch.

None of these tests needs PyTorch: the files hold what it computed. The slow one runs the script
itself, with live modules, in the Python that BNNHW_TORCH_PYTHON names.
"""

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.compare import LayerAgreement, compare, compare_layers, known_taps
from bnnhw.errors import ToolMissing, UsageError
from bnnhw.files import read_npz
from bnnhw.golden import packed, plain, run
from bnnhw.golden.packed_kernels import choose_kernel
from bnnhw.graph import Conv, Dense, Graph, IntConv, Threshold
from bnnhw.load import load_model
from bnnhw.load.torch import Description, Rounding, from_description, from_module

ROOT = Path(__file__).resolve().parents[4]
FILES = ROOT / "tests/data/torch"
PIXELS = {"bireal": "centred"}
EXACT = ["signs", "levels", "sign_of_odd"]
ROUNDED = ["lenet", "resnet_e", "densenet", "bireal", "melius", "shapes"]


@cache
def loaded(name: str) -> tuple[Graph, dict[str, Any]]:
    path = FILES / f"{name}.npz"
    return load_model(path, pixel=PIXELS.get(name, "auto")), read_npz(path)


@cache
def layers_of(name: str) -> tuple[LayerAgreement, ...]:
    graph, recorded = loaded(name)
    count = len(next(array for key, array in recorded.items() if key.startswith("tap_")))
    return compare_layers(graph, recorded["x"][:count], recorded)


def test_files_are_small() -> None:
    sizes = [path.stat().st_size for path in FILES.iterdir()]
    assert len(sizes) == 11
    assert max(sizes) < 300_000
    assert sum(sizes) < 2_000_000


@pytest.mark.parametrize("name", EXACT)
def test_exact_modules_are_equal(name: str) -> None:
    graph, recorded = loaded(name)
    assert graph.meta["rounding"] == "nothing"
    found = compare(graph, recorded["x"], recorded)
    assert found.passed
    assert found.images == 32
    assert len(found.layers) >= 2
    assert run(graph, recorded["x"], path="plain").logits.tolist() == (
        run(graph, recorded["x"]).logits.tolist()
    )


@pytest.mark.parametrize("name", EXACT + ROUNDED)
def test_every_layer(name: str) -> None:
    graph, _ = loaded(name)
    layers = {layer.edge: layer for layer in layers_of(name)}
    for node in graph.nodes:
        if isinstance(node, Conv | Dense):
            assert layers[node.name].exact, node.name
        if isinstance(node, Conv | Dense | IntConv):
            assert layers[node.name].values
    for layer in layers.values():
        assert layer.passed, layer


@pytest.mark.parametrize("name", ROUNDED)
def test_what_is_rounded_is_said_and_small(name: str) -> None:
    graph, recorded = loaded(name)
    assert "8-bit weights" in graph.meta["rounding"]
    # Networks that were never trained turn small differences into large ones.
    assert compare(graph, recorded["x"], recorded).same_class >= 0.7
    signs = [layer for layer in layers_of(name) if np.isinf(layer.bound)]
    assert sum(layer.differing for layer in signs) <= 0.02 * sum(layer.values for layer in signs)
    with pytest.raises(UsageError, match="which is not exact"):
        from_description(Description.load(FILES / f"{name}.npz"), exact=True)


def test_more_bits_come_closer() -> None:
    name = "bireal"
    description = Description.load(FILES / f"{name}.npz")
    recorded = loaded(name)[1]
    errors = []
    for bits in (4, 6, 8):
        how = Rounding(weights=bits, activations=bits, carriers=bits)
        graph = from_description(description, pixel="centred", rounding=how)
        errors.append(compare(graph, recorded["x"], recorded).deviation)
    assert errors[0] > 2 * errors[1] > 2 * errors[2]


def test_a_planted_fault_is_found_in_its_layer() -> None:
    graph, recorded = loaded("resnet_e")
    nodes = list(graph.nodes)
    place = [k for k, node in enumerate(nodes) if isinstance(node, Conv)][1]
    node = nodes[place]
    assert isinstance(node, Conv)
    weight = node.weight.copy()
    weight[0, 0, 0, 0] ^= 1
    nodes[place] = Conv(node.name, node.inputs, weight, node.stride, node.padding, node.pad_value)
    broken = Graph(graph.name, tuple(nodes), graph.outputs, graph.readout, graph.meta)
    wrong = [layer for layer in compare_layers(broken, recorded["x"][:2], recorded)
             if not layer.passed]  # fmt: skip
    assert [layer.edge for layer in wrong] == [node.name]
    assert wrong[0].module.startswith("features.")
    exact, images = loaded("signs")
    first = next(node for node in exact.nodes if isinstance(node, Threshold))
    shifted = Threshold(first.name, first.inputs, first.levels + 2, first.direction, first.grid)
    nodes = [shifted if node is first else node for node in exact.nodes]
    broken = Graph("broken", tuple(nodes), exact.outputs, exact.readout, exact.meta)
    found = compare(broken, images["x"], images)
    assert not found.passed
    assert found.first is not None
    assert found.first.edge == first.name


def test_taps_name_modules() -> None:
    graph, _ = loaded("lenet")
    taps = known_taps(graph)
    assert taps["conv2"]["module"] == "_model.4"
    assert taps["fc1"] | {"offset": 0, "tap": ""} == {
        "module": "_model.10", "scale": 1.0, "offset": 0, "tap": ""
    }  # fmt: skip


def test_a_plain_sign_that_can_read_0_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        load_model(FILES / "sign_of_even.npz")
    assert "can read 0 in channel 0, where its activation gives 0" in caught.value.what
    assert "torch.where(x >= 0, 1.0, -1.0)" in caught.value.todo


def test_dense_blocks_grow_by_one_concatenation_a_layer() -> None:
    graph, _ = loaded("densenet")
    joins = [node for node in graph.nodes if type(node).__name__ == "Concat"]
    assert len(joins) == 5
    assert all(len(node.inputs) == 2 for node in joins)


def test_padding_is_what_the_module_pads_with() -> None:
    pads = {name: {node.pad_value for node in loaded(name)[0].nodes
                   if isinstance(node, Conv) and any(node.padding)}
            for name in ("resnet_e", "shapes", "signs")}  # fmt: skip
    assert pads == {"resnet_e": {-1}, "shapes": {1}, "signs": {0}}


def test_pixels_are_read_as_asked() -> None:
    path = FILES / "signs.npz"
    assert "1/255" in load_model(path).meta["pixel"]
    assert run(load_model(path, pixel="byte"), np.full((1, 1, 12, 12), 1, np.uint8)).logits.tolist()
    with pytest.raises(UsageError, match="^Pixels are read as 'unit', 'byte', 'centred' or 'auto'"):
        load_model(path, pixel="wrong")


def test_torch_is_needed_for_live_modules_only() -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        with pytest.raises(ToolMissing, match="needs PyTorch"):
            from_module(object(), np.zeros((1, 2)))


def test_a_state_dict_of_bitorch_gives_what_bitorch_gave() -> None:
    # The description has the sample's own state_dict; the scores are those recorded beside it.
    graph, recorded = loaded("tiny_bitorch")
    found = compare(graph, recorded["x"], recorded)
    assert found.same_class == 1.0
    # The image was random numbers; 8 bits of it, of weights and of activations explain this.
    assert found.worst < 0.02 * recorded["logits"].std()


def test_layers_that_are_told_their_inputs_are_the_same_on_both_paths() -> None:
    graph, recorded = loaded("resnet_e")
    rng, pixels = np.random.default_rng(2), recorded["x"][:3]
    told = {
        edge: kind.grid.values(rng.integers(0, kind.grid.levels, (3, *kind.shape)))
        for edge, kind in graph.edges.items()
        if rng.random() < 0.7 and edge != graph.outputs[-1]
    }
    kept = list(graph.edges)
    slow = plain.evaluate(graph, pixels, kept, told)
    fast = packed.evaluate(graph, pixels, kept, choose_kernel("numpy"), told)
    assert len(told) > 5
    for edge in kept:
        assert np.array_equal(slow[edge], fast[edge]), edge


@pytest.mark.slow
def test_live() -> None:
    python = os.environ.get("BNNHW_TORCH_PYTHON")
    if not python:
        pytest.fail("Set BNNHW_TORCH_PYTHON to a Python with torch 2.13 and bitorch 0.4.1.")
    words = [python, "-m", "scripts.record_torch", "--check"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
