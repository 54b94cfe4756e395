"""QONNX files: the graph of a file is interpreted once, with tensors known only in their form.

Files of float networks without quantisers go to `onnx_plain`.
"""

from fractions import Fraction
from math import prod
from pathlib import Path
from typing import NoReturn

from ..errors import UsageError
from ..graph import Graph
from ..names import printable
from .chain import Chain, graph_name
from .finish import finished
from .onnx_file import FLOAT, OnnxFile, OnnxNode, read_onnx
from .onnx_plain import graph_of_plain, is_plain
from .pixels import pixel_table
from .qonnx_rules import attributes_of, rule_of
from .qonnx_values import Best, Const, Pixels, Site, Value

__all__ = ["load_qonnx"]

_PIXELS_CAP = 1 << 26


def load_qonnx(path: Path, *, name: str | None = None, pixel: str = "auto") -> Graph:
    """Load a network with ±1 or 8-bit weights and integer activations from a QONNX file.

    A file without quantisers whose signs are written with operators of ONNX, as bitorch's are, is
    read as a recorded module of PyTorch is: what is float in it is rounded, and
    ``graph.meta["rounding"]`` says where.

    Parameters
    ----------
    path : Path
    name : str or None
        Name of the graph; by default that of the file, made safe.
    pixel : str
        What the model expects for an 8-bit pixel p: "unit" (p / 255 as a 32-bit float, what
        torchvision's ToTensor gives), "byte" (p), "centred" (2 * p / 255 - 1), or "auto": the
        metadata property ``bnnhw.pixel_scale`` if there is one, else "byte" if the first
        operation divides by 255, else "centred" if it quantises to signed numbers from -1 on,
        else "unit".

    Raises
    ------
    UsageError
        If the file cannot be read, or holds what is not supported; the message names the node.
    ToolMissing
        If the `onnx` package is not installed.
    """
    file = read_onnx(path)
    name = name or graph_name(path.stem)
    live = _live(file)
    if is_plain(live):
        return graph_of_plain(file, live, *pixel_table(file, live, pixel), name)
    return _Interpreter(file, live, pixel).graph(name)


class _Interpreter:
    """Runs the nodes of one file over tensors that are known only in their form."""

    def __init__(self, file: OnnxFile, live: list[OnnxNode], pixel: str) -> None:
        self._file = file
        self._chain = Chain()
        self._live = live
        self._values: dict[str, Value | None] = {
            tensor: Const(array) for tensor, array in file.initializers.items()
        }
        table, self._pixel = pixel_table(file, self._live, pixel)
        self._values |= self._input(table)

    def _fail(self, what: str, todo: str = "Change the model and export it again.") -> NoReturn:
        raise UsageError(f"'{self._file.path}': {what}.", todo)

    def _input(self, table: tuple[Fraction, ...]) -> dict[str, Value]:
        read = {name for node in self._live for name in node.inputs}
        found = [name for name in self._file.inputs if name in read]
        if len(found) != 1:
            self._fail(f"{len(found)} of its inputs lead to its output instead of one")
        kind, shape = self._file.inputs[found[0]]
        what = f"its input '{printable(found[0])}'"
        if kind != FLOAT:
            self._fail(f"{what} has the element type {kind} instead of 32-bit floats")
        image = tuple(extent for extent in shape[1:] if extent is not None and extent > 0)
        if not 2 <= len(shape) <= 4 or len(image) != len(shape) - 1 or prod(image) > _PIXELS_CAP:
            self._fail(f"{what} has the shape {shape} instead of one image of known size")
        if shape[0] not in (None, 0, 1):
            self._fail(
                f"{what} holds {shape[0]} images at once",
                "Export the model with a batch size of 1.",
            )
        return {found[0]: Pixels((table,), image, (1, *image))}

    def graph(self, name: str) -> Graph:
        """Interpret every node that leads to the output, and close the graph."""
        for node in self._live:
            self._run(node)
        result = self._result()
        meta = {"format": "onnx", "producer": self._file.producer, "pixel": self._pixel}
        meta |= {printable(key): _clean(value) for key, value in self._file.props.items()}
        return finished(self._chain, result, name, meta, self._fail)

    def _result(self) -> Value | None:
        results = [self._values.get(tensor) for tensor in self._file.outputs]
        # The scores of a top-k may stand beside its classes: the answer has both.
        left = [
            value
            for value in results
            if not (isinstance(value, Best) and any(value.decision is other for other in results))
        ]
        if len(left) != 1:
            self._fail(f"it has {len(results)} outputs instead of one")
        return left[0]

    def _run(self, node: OnnxNode) -> None:
        site = Site(str(self._file.path), node, self._chain)
        rule = rule_of(site)
        attributes = attributes_of(site, rule)
        inputs = [self._read(site, tensor) for tensor in node.inputs]
        while inputs and inputs[-1] is None:
            inputs.pop()
        if not rule.inputs[0] <= len(inputs) <= rule.inputs[1]:
            wanted = " to ".join(map(str, sorted(set(rule.inputs))))
            site.fail(f"has {len(inputs)} inputs instead of {wanted}")
        results = rule.run(site, attributes, *inputs)
        if not isinstance(results, tuple):
            results = (results,)
        names = [tensor for tensor in node.outputs if tensor]
        if not names or len(node.outputs) > rule.outputs:
            site.fail(f"has {len(names)} outputs; {rule.outputs} are supported")
        for tensor, value in zip(node.outputs, results, strict=False):
            if tensor and tensor in self._values:
                site.fail(f"gives the tensor '{printable(tensor)}' a second value")
            self._values[tensor] = value

    def _read(self, site: Site, tensor: str) -> Value | None:
        if not tensor:
            return None
        if tensor not in self._values:
            site.fail(f"reads '{printable(tensor)}', which nothing before it gives")
        return self._values[tensor]


def _live(file: OnnxFile) -> list[OnnxNode]:
    """Give the nodes that the outputs depend on; others may be of any kind."""
    wanted = set(file.outputs)
    found = []
    for node in reversed(file.nodes):
        if wanted.intersection(filter(None, node.outputs)):
            wanted.update(node.inputs)
            found.append(node)
    return found[::-1]


def _clean(text: str) -> str:
    kept = all(character.isprintable() or character == "\n" for character in text)
    return text if kept and len(text) <= 4096 else printable(text)
