"""The layers of a Keras configuration and what each reads, in both ways of writing that down."""

from dataclasses import dataclass
from typing import Any

from ..names import printable
from .keras_file import KerasFile

__all__ = ["KerasLayer", "Wiring", "wiring"]

_LAYERS_CAP = 10_000
_NAME_CAP = 512
_MODULES = ("keras", "tf_keras", "tensorflow", "larq")
# Arguments of a call that change nothing at inference.
_CALM: dict[str, tuple[Any, ...]] = {"training": (None, False), "mask": (None,)}


@dataclass(frozen=True, eq=False)
class KerasLayer:
    """One layer.

    Parameters
    ----------
    name : str
    kind : str
        Its class.
    config : dict
    sources : tuple of str
        Names of the layers that it reads.
    group : str
        What the group of its weights in a .keras file is called.
    """

    name: str
    kind: str
    config: dict[str, Any]
    sources: tuple[str, ...]
    group: str


@dataclass(frozen=True, eq=False)
class Wiring:
    """All layers, each behind the ones that it reads.

    Parameters
    ----------
    name : str
        Of the model.
    layers : tuple of KerasLayer
        Without the input.
    source : str
        Name of the input.
    shape : tuple of int
        Of one image: channels last.
    output : str
        Name of the layer whose output leaves.
    """

    name: str
    layers: tuple[KerasLayer, ...]
    source: str
    shape: tuple[int, ...]
    output: str


def wiring(file: KerasFile) -> Wiring:
    """Give the layers of a Sequential or a Functional model.

    Raises
    ------
    UsageError
        If the configuration is damaged, or of another model.
    """
    kind, config = file.model["class_name"], file.model.get("config")
    if kind not in ("Sequential", "Functional", "Model"):
        file.fail(f"its model is of the class {printable(kind)}, which is not supported yet")
    if isinstance(config, list):
        config = {"layers": config}
    listed = config.get("layers") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(listed, list):
        file.fail("its configuration lists no layers")
    if not 1 <= len(listed) <= _LAYERS_CAP:
        file.fail(f"its configuration lists {len(listed)} layers")
    chained = kind == "Sequential"
    layers = _layers(file, listed, chained)
    inputs = [layer for layer in layers if layer.kind == "InputLayer"]
    if chained and not inputs:
        shape = layers[0].config.get("batch_input_shape") or config.get("build_input_shape")
        source = ""
    elif len(inputs) == 1:
        settings = inputs[0].config
        shape = settings.get("batch_shape") or settings.get("batch_input_shape")
        source = inputs[0].name
    else:
        file.fail(f"it has {len(inputs)} inputs instead of one")
    others = tuple(layer for layer in layers if layer.kind != "InputLayer")
    output = layers[-1].name if chained else _end(file, config.get("output_layers"))
    name = config.get("name")
    return Wiring(
        name if isinstance(name, str) else "", others, source, _shape(file, shape), output
    )


def _shape(file: KerasFile, said: object) -> tuple[int, ...]:
    if isinstance(said, dict):
        said = said.get("items", said.get("config"))
    if (
        not isinstance(said, list)
        or not 2 <= len(said) <= 4
        or not all(type(extent) is int and 1 <= extent <= 1 << 26 for extent in said[1:])
    ):
        shown = printable(repr(said))
        file.fail(f"its input has the shape {shown} instead of one image of known size")
    return tuple(said[1:])


def _layers(file: KerasFile, listed: list[Any], chained: bool) -> list[KerasLayer]:
    result: list[KerasLayer] = []
    known: set[str] = set()
    counts: dict[str, int] = {}
    for number, entry in enumerate(listed):
        what = f"layer {number} of its configuration"
        config = entry.get("config") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(config, dict):
            file.fail(f"{what} is none")
        kind, name = entry.get("class_name"), entry.get("name") or config.get("name")
        if not isinstance(kind, str) or not isinstance(name, str) or len(name) > _NAME_CAP:
            file.fail(f"{what} has no class or no name")
        module = entry.get("module")
        if module is not None and str(module).split(".")[0] not in _MODULES:
            file.fail(f"{what} is of the module '{printable(str(module))}', which is not supported")
        if name in known:
            file.fail(f"two of its layers are called '{printable(name)}'")
        known.add(name)
        if chained:
            sources: tuple[str, ...] = (result[-1].name if result else "",)
        else:
            sources = _sources(file, f"layer '{printable(name)}'", entry.get("inbound_nodes"))
        stem = _snake(kind)
        counts[stem] = counts.get(stem, -1) + 1
        group = f"{stem}_{counts[stem]}" if counts[stem] else stem
        result.append(KerasLayer(name, kind, config, sources, group))
    return result


def _snake(kind: str) -> str:
    """Write a class as Keras calls its groups: QuantConv2D becomes quant_conv2d."""
    result = kind[:1]
    for place in range(1, len(kind)):
        letter, before, after = kind[place], kind[place - 1], kind[place + 1 : place + 2]
        if letter.isupper() and (before.islower() or after.islower()):
            result += "_"
        result += letter
    return result.lower()


def _sources(file: KerasFile, what: str, nodes: object) -> tuple[str, ...]:
    if nodes in ([], None):
        return ()
    if not isinstance(nodes, list) or len(nodes) != 1:
        count = len(nodes) if isinstance(nodes, list) else "?"
        file.fail(f"{what} is called {count} times; shared layers are not supported yet")
    (node,) = nodes
    if isinstance(node, dict):
        _check_calm(file, what, node.get("kwargs", {}))
        found = node.get("args")
        while isinstance(found, list) and len(found) == 1 and isinstance(found[0], list):
            found = found[0]
        parts = found if isinstance(found, list) else []
        return tuple(_history(file, what, part) for part in parts)
    if isinstance(node, list) and node and isinstance(node[0], str):
        node = [node]
    parts = node if isinstance(node, list) else []
    return tuple(_reference(file, what, part) for part in parts)


def _history(file: KerasFile, what: str, tensor: object) -> str:
    """Read one tensor as Keras 3 writes it."""
    config = tensor.get("config") if isinstance(tensor, dict) else None
    if not isinstance(config, dict):
        file.fail(f"{what} reads something that is no layer's output")
    return _reference(file, what, config.get("keras_history"))


def _reference(file: KerasFile, what: str, said: object) -> str:
    """Read [name, call, output], and the arguments behind it that Keras 2 writes."""
    if (
        not isinstance(said, list)
        or not 3 <= len(said) <= 4
        or not isinstance(said[0], str)
        or said[1:3] != [0, 0]
    ):
        file.fail(f"{what} reads {printable(repr(said))}, which is not supported")
    _check_calm(file, what, said[3] if len(said) == 4 else {})
    return said[0]


def _check_calm(file: KerasFile, what: str, arguments: object) -> None:
    if not isinstance(arguments, dict):
        file.fail(f"{what} is called in an unknown way")
    for name, value in arguments.items():
        if name not in _CALM or not any(value is calm for calm in _CALM[name]):
            file.fail(f"{what} is called with {printable(name)} = {printable(repr(value))}")


def _end(file: KerasFile, said: object) -> str:
    while isinstance(said, list) and len(said) == 1:
        (said,) = said
    if not isinstance(said, list) or not said or not isinstance(said[0], str):
        file.fail("it has more than one output, or none")
    return _reference(file, "its output", said)
