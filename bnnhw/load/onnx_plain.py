"""ONNX files of float networks that binarise with operators of ONNX, as bitorch's exports do.

No quantiser stands in such a file: a sign is written as Sign, Equal and Where, or as comparisons,
and weights are binary because operators of the file, or the exporter, have made them so. The file
is run on a few images made here, and what it does is read as a recorded module of PyTorch is:
layers of ±1 exactly, others rounded to 8 bits, which ``graph.meta["rounding"]`` says.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..graph import Graph
from ..names import printable
from .chain import Chain
from .onnx_file import FLOAT, OnnxFile, OnnxNode
from .onnx_plain_rules import PLAIN
from .onnx_traced import Flow, Traced, Tracer, example_pixels
from .qonnx_rules import QUANTISERS, Rule, attributes_of, is_known
from .qonnx_values import Site
from .support import SUPPORTED
from .torch_description import Description
from .torch_read import from_description

__all__ = ["describe", "graph_of_plain", "is_plain"]

_PIXELS_CAP = 1 << 20


def is_plain(nodes: Sequence[OnnxNode]) -> bool:
    """Tell whether nodes need this reader: no quantisers, and operators that only it knows."""
    own = {node.op for node in nodes if node.domain == "" and not is_known(node)}
    return not any(node.domain in QUANTISERS for node in nodes) and bool(own & set(PLAIN))


def graph_of_plain(
    file: OnnxFile,
    nodes: Sequence[OnnxNode],
    table: tuple[Fraction, ...],
    words: str,
    name: str,
) -> Graph:
    """Make the integer graph of a float network.

    Parameters
    ----------
    file : OnnxFile
    nodes : sequence of OnnxNode
        Those that lead to its output, in order.
    table : tuple of 256 Fraction
        What the model gets for a pixel.
    words : str
        The same in words.
    name : str
        Of the graph.

    Raises
    ------
    UsageError
        If the file does what is not supported; the message names the node.
    """
    table, source = _even(table), f"'{file.path}'"
    found = describe(file, nodes, table)
    way = table, f"{words}, not rounded"
    graph = from_description(found, table=way, name=name, source=source)
    meta = {"format": "onnx", "producer": file.producer}
    meta |= {key: graph.meta[key] for key in ("pixel", "rounding", "taps")}
    return Graph(graph.name, graph.nodes, graph.outputs, graph.readout, meta)


def _even(table: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    """Take out what 32-bit floats rounded: uneven steps would not fit 8 bits."""
    low, high = table[0], table[-1]
    return tuple(low + (high - low) * Fraction(pixel, 255) for pixel in range(256))


def describe(
    file: OnnxFile,
    nodes: Sequence[OnnxNode],
    table: tuple[Fraction, ...],
    *,
    pixels: npt.NDArray[np.uint8] | None = None,
    taps: bool = False,
) -> Description:
    """Describe a float network by what it does to images.

    Parameters
    ----------
    file, nodes, table
        As for `graph_of_plain`.
    pixels : array of bytes, shape (n, ...), or None
        Images to run it on, from which the ranges of values are taken; None makes some.
    taps : bool
        Keep the output of every operation as the array ``tap_NAME``.

    Raises
    ------
    UsageError
        If the file does what is not supported; the message names the node.
    """
    return _Runner(file, nodes, table, pixels, taps).description()


class _Runner:
    """Runs the nodes of one file."""

    def __init__(
        self,
        file: OnnxFile,
        nodes: Sequence[OnnxNode],
        table: tuple[Fraction, ...],
        pixels: npt.NDArray[np.uint8] | None,
        taps: bool,
    ) -> None:
        self._file, self._nodes = file, nodes
        read = {tensor for node in nodes for tensor in node.inputs}
        name, self._shape = self._image(read)
        pixels = example_pixels(self._shape) if pixels is None else pixels
        self._tracer = Tracer(pixels, table, taps=taps)
        self._values: dict[str, Traced] = {**file.initializers, name: self._tracer.input}
        self._uses: dict[str, int] = {}
        for node in nodes:
            for tensor in node.inputs:
                self._uses[tensor] = self._uses.get(tensor, 0) + 1

    def _fail(self, what: str) -> NoReturn:
        raise UsageError(f"'{self._file.path}': {what}.", "Change the model and export it again.")

    def _image(self, read: set[str]) -> tuple[str, tuple[int, ...]]:
        found = [name for name in self._file.inputs if name in read]
        if len(found) != 1:
            self._fail(f"{len(found)} of its inputs lead to its output instead of one")
        kind, shape = self._file.inputs[found[0]]
        image = tuple(extent or 0 for extent in shape[1:])
        sizes = 2 <= len(shape) <= 4 and min(image, default=0) > 0 and prod(image) <= _PIXELS_CAP
        if kind != FLOAT or not sizes or shape[0] not in (None, 0, 1):
            shown = f"the shape {shape} and the element type {kind}"
            self._fail(f"its input '{printable(found[0])}' has {shown} instead of one float image")
        return found[0], image

    def description(self) -> Description:
        """Run every node."""
        for node in self._nodes:
            self._run(node)
        outputs = [self._values.get(tensor) for tensor in self._file.outputs]
        if len(outputs) != 1 or not isinstance(outputs[0], Flow):
            self._fail(f"{len(outputs)} outputs leave it instead of one that depends on the image")
        tracer, last = self._tracer, outputs[0].name
        live = _reached(tracer, last)
        operations = tuple(each for each in tracer.operations if each.name in live)
        shape = (1, *self._shape)
        return Description(self._file.name, shape, operations, tracer.arrays, last)

    def _run(self, node: OnnxNode) -> None:
        site = Site(str(self._file.path), node, Chain())
        rule = PLAIN.get(node.op)
        if node.domain or rule is None:
            domain = printable(node.domain or "ai.onnx")
            site.fail(f"is an operator of the domain '{domain}' that is not supported", SUPPORTED)
        attributes = attributes_of(site, rule)
        inputs = [self._read(site, tensor) for tensor in node.inputs]
        while inputs and inputs[-1] is None:
            inputs.pop()
        least, most = rule.inputs
        if not least <= len(inputs) <= most:
            wanted = str(least) if most == least else f"{least} to {most}"
            site.fail(f"has {len(inputs)} inputs instead of {wanted}")
        if any(value is None for value in inputs[:least]):
            site.fail("has an input left out that it needs")
        results = rule.run(self._tracer, site, attributes, *inputs)
        self._keep(site, rule, results if isinstance(results, list) else [results])
        for tensor in node.inputs:
            self._uses[tensor] -= 1
            if not self._uses[tensor] and tensor not in self._file.outputs:
                # Examples are large; nothing reads this one any more.
                self._values.pop(tensor, None)

    def _keep(self, site: Site, rule: Rule, results: list[Traced]) -> None:
        names = [tensor for tensor in site.node.outputs if tensor]
        if not names or len(names) > min(len(results), rule.outputs):
            site.fail(f"has {len(names)} outputs; {len(results)} are supported")
        for tensor, value in zip(site.node.outputs, results, strict=False):
            if tensor in self._values:
                site.fail(f"gives the tensor '{printable(tensor)}' a second value")
            self._values[tensor] = value

    def _read(self, site: Site, tensor: str) -> Traced | None:
        if not tensor:
            return None
        if tensor not in self._values:
            site.fail(f"reads '{printable(tensor)}', which nothing before it gives")
        return self._values[tensor]


def _reached(tracer: Tracer, last: str) -> set[str]:
    wanted = {last}
    for each in reversed(tracer.operations):
        if each.name in wanted:
            wanted.update(each.inputs())
    return wanted
