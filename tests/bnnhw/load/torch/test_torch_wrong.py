"""What is refused of modules of PyTorch, on descriptions made by hand; and what they read as."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.golden import run
from bnnhw.graph import Graph, Threshold
from bnnhw.load import load_model
from bnnhw.load.torch import Description, Rounding, from_description
from bnnhw.load.torch_description import Operation, Reference

WEIGHT = np.where(np.random.default_rng(0).random((4, 6)) < 0.5, -1.0, 1.0)
LAST = np.where(np.random.default_rng(1).random((3, 4)) < 0.5, -1.0, 1.0)


def node(name: str) -> Reference:
    return Reference("node", name)


class Made:
    """A description in the making: six pixels, a layer, what a test adds, and a last layer."""

    def __init__(self, shape: tuple[int, ...] = (1, 6)) -> None:
        self.shape = shape
        self.arrays: dict[str, Any] = {}
        self.operations: list[Operation] = []
        self.last = "input"

    def const(self, array: Any) -> Reference:
        name = f"c{len(self.arrays)}"
        self.arrays[name] = np.asarray(array, np.float32)
        return Reference("array", name)

    def add(self, op: str, shape: tuple[int, ...] = (1, 4), **arguments: Any) -> str:
        given = {key: node(value) if isinstance(value, str) and key in ("input", "other",
                 "condition") else value for key, value in arguments.items()}  # fmt: skip
        name = f"{op}_{len(self.operations)}"
        self.operations.append(Operation(name, op, f"body.{op}", given, shape, (-6.0, 6.0)))
        self.last = name
        return name

    def sums(self) -> str:
        bits = self.add("ge", (1, 6), input="input", other=0.5)
        bits = self.add("mul", (1, 6), input=bits, other=2.0)
        bits = self.add("sub", (1, 6), input=bits, other=1.0)
        return self.add("linear", input=bits, weight=self.const(WEIGHT), bias=None)

    def finish(self) -> Description:
        self.add("linear", (1, 3), input=self.last, weight=self.const(LAST), bias=None)
        return Description(
            "Made", self.shape, tuple(self.operations), self.arrays, self.last, {"torch": "2"}
        )


def read(made: Made, **options: Any) -> Graph:
    return from_description(made.finish(), **options)


def check(made: Made, function: Any) -> Graph:
    """Hold the graph against a function of the sums of the first layer, on every image."""
    graph = read(made, exact=True)
    images = (np.arange(64)[:, None] >> np.arange(6) & 1).astype(np.uint8) * 255
    sums = np.where(images > 0, 1, -1) @ WEIGHT.T
    assert graph.readout is not None
    scores = run(graph, images).logits * np.array(graph.readout.scale) + graph.readout.bias
    assert np.allclose(scores, np.vectorize(function)(sums) @ LAST.T)
    return graph


def test_rising_falling_and_several_levels() -> None:
    made = Made()
    made.add("where", condition=made.add("lt", input=made.sums(), other=1.0), input=1.0, other=-1.0)
    made.operations[-1].arguments["input"] = 1.0  # type: ignore[index]
    graph = check(made, lambda s: 1 if s < 1 else -1)
    (step,) = [n for n in graph.nodes if isinstance(n, Threshold)]
    assert (step.direction == -1).all()
    made = Made()
    made.add("clamp", input=made.sums(), min=0.0, max=3.0)
    made.add("round", input=made.add("mul", input=made.last, other=0.5))
    check(made, lambda s: round(min(max(s, 0), 3) * 0.5))


def test_a_sign_of_a_sign_is_no_layer() -> None:
    made = Made()
    bits = made.add("mul", input=made.add("ge", input=made.sums(), other=0.0), other=2.0)
    made.add("sub", input=bits, other=1.0)
    made.add("reshape", input=made.last)
    made.add("batch_norm", input=made.last, running_mean=made.const(np.zeros(4)),
             running_var=made.const(np.ones(4)), weight=None, bias=None, eps=1e-5)  # fmt: skip
    made.add("mul", input=made.add("gt", input=made.last, other=0.0), other=2.0)
    made.add("sub", input=made.last, other=1.0)
    graph = check(made, lambda s: 1 if s >= 0 else -1)
    assert sum(isinstance(n, Threshold) for n in graph.nodes) == 1


def test_tanh_before_a_sign_is_exact() -> None:
    made = Made()
    bent = made.add("tanh", input=made.add("mul", input=made.sums(), other=0.25))
    held = made.add("ge", input=bent, other=0.4)
    made.add("sub", input=made.add("mul", input=held, other=2.0), other=1.0)
    check(made, lambda s: 1 if np.tanh(s / 4) >= 0.4 else -1)


@pytest.mark.parametrize(
    ("op", "arguments", "what"),
    [
        ("abs", {}, "neither rises nor falls all the way"),
        ("gelu", {}, "is a function that is not supported yet"),
        ("round", {}, "is a function of which it rounds values that have no end"),
        ("mul", {"other": "linear_3"}, "it multiplies what depends on a number with what does"),
        ("div", {"other": 0.0}, "divides by 0"),
        ("add", {"other": float("inf")}, "has a term that is not finite"),
        ("clamp", {"min": "x"}, "has 'x' as an end"),
        ("permute", {"dims": [1, 0]}, "moves the batch axis"),
        ("softmax", {"dim": 0}, "decides along axis 0"),
        ("batch_norm", {"training": True}, "normalises by the batch itself"),
        ("max_pool2d", {}, "has arguments that are not understood"),
        ("sign", {}, "can read 0 in channel 0, where its activation gives 0"),
    ],
)
def test_operation_wrong(op: str, arguments: dict[str, Any], what: str) -> None:
    made = Made()
    made.add(op, input=made.sums(), **arguments)
    if op in ("abs", "sign"):
        made.add("gt" if op == "abs" else "reshape", input=made.last, other=3.0)
    with pytest.raises(UsageError, match=what):
        read(made)


def test_uneven_steps_wrong() -> None:
    made = Made()
    sums = made.sums()
    low, high = made.add("ge", input=sums, other=-1.0), made.add("ge", input=sums, other=3.0)
    made.add("add", input=low, other=made.add("mul", input=high, other=3.0))
    with pytest.raises(UsageError, match="whose values are not evenly spaced"):
        read(made)


def test_weights_of_0_wrong() -> None:
    made = Made()
    made.add("linear", input=made.add("ge", input=made.sums(), other=0.0),
             weight=made.const(np.where(np.eye(4), 0, LAST[0])), bias=None)  # fmt: skip
    with pytest.raises(UsageError) as caught:
        read(made)
    assert "has 4 weights of 0 beside ±1" in caught.value.what
    assert "torch.where(w >= 0, 1.0, -1.0)" in caught.value.todo


@pytest.mark.parametrize("exact", [True, False])
def test_rounding_is_asked_for(exact: bool) -> None:
    made = Made()
    made.add("linear", input=made.add("ge", input=made.sums(), other=0.0),
             weight=made.const(np.linspace(-1, 1, 16).reshape(4, 4)), bias=None)  # fmt: skip
    if exact:
        with pytest.raises(UsageError, match="has 8-bit weights, which is not exact"):
            read(made, exact=True)
    else:
        assert "4-bit weights" in read(made, rounding=Rounding(weights=4)).meta["rounding"]


def test_file_wrong(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    made = Made()
    made.sums()
    made.finish().save(path)
    assert load_model(path).name == "net"
    with np.load(path) as archive:
        arrays = dict(archive)
    head = json.loads(str(arrays["torch"]))

    def refused(what: str, **changes: Any) -> None:
        np.savez(path, **arrays | {"torch": np.array(json.dumps(head | changes))})
        with pytest.raises(UsageError, match=what):
            load_model(path)

    refused(
        "no module of PyTorch as bnnhw records it: ValueError: 'other' version 1", format="other"
    )
    refused("version 9", version=9)
    refused("a shape is", shape=[1, -6])
    refused("TypeError", operations=[["a", 1, "b", {}, [1], [0, 1]]])
    refused(
        "KeyError|ValueError", operations=[["a", "relu", "", {"x": {"file": "y"}}, [1], [0, 1]]]
    )
    refused("which nothing gives", operations=head["operations"][1:])
    refused("neither scores nor a class", output="nothing")
    np.savez(path, torch=arrays["torch"])
    with pytest.raises(UsageError, match="the array 'c0' is not there"):
        load_model(path)
    path.write_bytes(b"PK")
    with pytest.raises(UsageError):
        load_model(path)
    with pytest.raises(UsageError, match="saved as an .npz file, not as 'net.bin'"):
        made.finish().save(tmp_path / "net.bin")
