"""Names: those that are accepted, those that are mapped, and what stands in the Verilog."""

import json
import random
import re
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from bnnhw.fold import serial
from bnnhw.load import load_model
from bnnhw.names import checked, is_safe, mapped, printable
from bnnhw.plan import make_plan

from .. import payloads
from ..frame import Entry, Wrong, unlimited
from ..raw import mutated

__all__ = ["HostileVerilog", "Names"]

_SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
_FILE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.folding)?\.(v|json|toml)", re.ASCII)
_RESERVED = ("module", "endmodule", "wire", "reg", "always", "input", "logic", "initial")


def _name(rng: random.Random) -> bytes:
    drawn = payloads.text(rng)
    if rng.random() < 0.3:
        drawn = "".join(chr(rng.choice((rng.randrange(128), rng.randrange(0x11000))))
                        for _ in range(rng.randrange(12)))  # fmt: skip
    data = drawn.encode("utf-8", "surrogatepass")
    return mutated(rng, data, most=2) if rng.random() < 0.4 else data


class Names(Entry):
    """Lists of names, one a line but for the ends of lines that belong to them."""

    name, title, suffix = "names", "names", ".txt"
    inputs = 60_000
    sample = 200

    def make(self, rng: random.Random) -> bytes:
        """Give some names."""
        return b"\x1e".join(_name(rng) for _ in range(rng.randrange(1, 5)))

    def handle(self, data: bytes) -> bool:
        """Check, map and show them."""
        names = [part.decode("utf-8", "surrogateescape") for part in data.split(b"\x1e")]
        found = mapped(names)
        if len(set(found.values())) != len(set(names)) or not all(
            _SAFE.fullmatch(name) and name.lower() not in _RESERVED for name in found.values()
        ):
            raise Wrong(f"names are mapped to {ascii(list(found.values()))[:300]}")
        for name in names:
            shown = printable(name)
            if not shown.isprintable() or len(shown) > 12 * 128 + 1:
                raise Wrong(f"a name is shown as {ascii(shown)[:300]}")
            if is_safe(name) and (not _SAFE.fullmatch(name) or name.lower() in _RESERVED):
                raise Wrong(f"the name {ascii(name)[:300]} is taken for safe")
        for name in names:
            checked(name)
        return True


class HostileVerilog(Entry):
    """Tiny networks in ONNX files that are full of hostile names, taken to Verilog."""

    name, title, suffix = "verilog", "names on their way to Verilog", ".onnx"
    inputs = 40
    sample = 2
    patience = 12

    def make(self, rng: random.Random) -> bytes:
        """Give a network whose every text is a payload."""
        texts = [payloads.text(rng).encode("utf-8", "replace").decode()[:500] for _ in range(12)]
        return _network(rng, [f"{text}{number}" for number, text in enumerate(texts)])

    def handle(self, data: bytes) -> None:
        """Load it, write all files in memory, and look for what must not be there."""
        from rtl_gen.network import network_files

        model = onnx.ModelProto.FromString(data)
        texts = {entry.name for entry in (*model.graph.initializer, *model.graph.node)}
        texts |= {name for node in model.graph.node for name in node.output}
        texts |= {model.graph.name, *(prop.value for prop in model.metadata_props)}
        graph = load_model(self.put(data))
        plan = make_plan(graph, serial(graph))
        with unlimited():
            files = network_files(plan)
        for name, content in files.items():
            if not _FILE.fullmatch(name):
                raise Wrong(f"a file would be called {ascii(name)}")
            _check(name, content, {text for text in texts if not _SAFE.fullmatch(text)})


def _check(name: str, content: str, texts: set[str]) -> None:
    if name.endswith(".json"):
        json.loads(content)
    if not all(sign.isprintable() or sign in "\n\t" for sign in content):
        raise Wrong(f"{name} has control characters")
    found = [text for text in texts if payloads.MARK in text and text in content]
    if found and not name.endswith(".json"):
        raise Wrong(f"{name} holds {ascii(found[0])}")
    if name.endswith(".v"):
        bad = [word for word in re.findall(r"^\s*module\s+(\S+?)\(", content, re.MULTILINE)
               if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*|\\[A-Za-z0-9_.$]+", word)]  # fmt: skip
        if bad or "$system" in content or "$finish" in content or "`include" in content:
            raise Wrong(f"{name} has the modules {ascii(bad)}, or calls of the system")


def _network(rng: random.Random, texts: list[str]) -> bytes:
    names = iter(texts)
    weights: list[Any] = []
    nodes: list[Any] = []

    def const(values: Any) -> str:
        weights.append(numpy_helper.from_array(np.asarray(values, np.float32), next(names)))
        return str(weights[-1].name)

    def add(op: str, *inputs: str, domain: str = "") -> str:
        out = next(names)
        nodes.append(helper.make_node(op, inputs, [out], rng.choice(texts), domain=domain))
        return out

    general = "qonnx.custom_op.general"
    one = const(1)
    bits = add("BipolarQuant", add("Sub", "x", const(0.5)), one, domain=general)
    matrix = np.array([[1, -1], [1, 1], [-1, 1], [-1, -1]])
    sums = add("MatMul", bits, add("BipolarQuant", const(matrix), one, domain=general))
    answer = add("MatMul", add("BipolarQuant", sums, one, domain=general),
                 const([[1, -1], [1, 1]]))  # fmt: skip
    graph = helper.make_graph(
        nodes, rng.choice(texts),
        [helper.make_tensor_value_info("x", 1, [1, 4])],
        [helper.make_tensor_value_info(answer, 1, [1, 2])], weights,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(general, 2)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name=rng.choice(texts))
    helper.set_model_props(model, {rng.choice(texts): rng.choice(texts)})
    data: bytes = model.SerializeToString()
    return data
