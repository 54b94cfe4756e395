"""What a simulated accelerator put on its edges, held against the golden model and a reference."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bnnhw.errors import UsageError
from bnnhw.graph import Affine, Argmax, Conv, Dense, Flatten, Graph, Input, TopK
from bnnhw.plan import ArgmaxPlan, Block, Plan, TopKPlan, UnitPlan

from .compiled import Recording, word_bits

__all__ = ["Difference", "Tally", "check_reference", "compare", "compare_reference", "decode"]

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Difference:
    """The first place on an edge where something else was expected.

    Parameters
    ----------
    where : str
        Block or tap.
    what : str
        Image, element, expected and found.
    count : int
        Differences on this edge.
    """

    where: str
    what: str
    count: int


@dataclass
class Tally:
    """Values compared and differences found.

    Parameters
    ----------
    compared : int
        Values that were compared; a run that compared nothing has failed.
    differences : list of Difference
        The first one of each edge, with the number of all.
    first : int
        Number of the image that the arrays to come start with.
    """

    compared: int = 0
    differences: list[Difference] = field(default_factory=list)
    first: int = 0

    @property
    def mismatches(self) -> int:
        """Number of values that differ."""
        return sum(difference.count for difference in self.differences)

    def add(self, where: str, what: str, count: int) -> None:
        """Note differences on an edge; the first that is noted there describes them."""
        for k, old in enumerate(self.differences):
            if old.where == where:
                self.differences[k] = Difference(where, old.what, old.count + count)
                return
        self.differences.append(Difference(where, what, count))

    def check(self, where: str, expected: npt.NDArray[Any], found: npt.NDArray[Any]) -> None:
        """Compare two arrays, images first."""
        if expected.shape != found.shape:
            self.add(where, f"expected the shape {expected.shape}, found {found.shape}", 1)
            return
        self.compared += expected.size
        wrong = np.argwhere(expected != found)
        if len(wrong):
            image, *element = (int(k) for k in wrong[0])
            place = f"image {image + self.first}, element {', '.join(map(str, element)) or 0}"
            told, seen = expected[tuple(wrong[0])], found[tuple(wrong[0])]
            self.add(where, f"{place}: expected {told}, found {seen}", len(wrong))


def _bits(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    return np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")


def _numbers(bits: npt.NDArray[np.uint8]) -> _Ints:
    return (bits.astype(np.int64) << np.arange(bits.shape[-1])).sum(-1)


def decode(
    block: Block, words: npt.NDArray[np.uint64], frames: int, tally: Tally, *, counts: bool = False
) -> tuple[_Ints, _Ints | None]:
    """Turn the words that left a block into codes, and check number, `last` and padding on the way.

    Parameters
    ----------
    block : Block
    words : array of uint64, shape (words, 64-bit words of a word)
    frames : int
    tally : Tally
    counts : bool
        These are sums of a unit with weights, which leaves anything in lanes of absent rows.

    Returns
    -------
    codes : array of int, shape (frames, elements)
    index : array of int, shape (frames, elements), or None
        The running class, where the block is an argmax; the classes of a top-k.
    """
    count = block.words_out
    if len(words) != frames * count:
        odd = abs(len(words) - frames * count)
        tally.add(block.name, f"expected {frames * count} words, found {len(words)}", odd)
        padded = np.zeros((frames * count, words.shape[1]), np.uint64)
        padded[: len(words)] = words[: len(padded)]
        words = padded
    bits = _bits(words)
    last = np.zeros((frames, count), np.uint8)
    last[:, -1] = 1
    tally.check(f"{block.name}.last", last, bits[:, word_bits(block) - 1].reshape(frames, count))
    if isinstance(block, ArgmaxPlan):
        split = block.bits_out
        codes = _numbers(bits[:, :split]).reshape(frames, count)
        index = _numbers(bits[:, split : split + block.index_bits]).reshape(frames, count)
        return codes, index
    lanes = block.lanes_out * block.bits_out
    codes = _numbers(bits[:, :lanes].reshape(len(words), block.lanes_out, block.bits_out))
    codes = codes.reshape(frames, count * block.lanes_out)
    if not counts:
        spare = codes[:, block.elements_out :]
        tally.check(f"{block.name}.padding", np.zeros_like(spare), spare)
    return codes[:, : block.elements_out], None


def _running_class(scores: _Ints) -> _Ints:
    best = np.maximum.accumulate(scores, axis=1)
    rises = np.ones(scores.shape, bool)
    rises[:, 1:] = scores[:, 1:] > best[:, :-1]
    return np.maximum.accumulate(np.where(rises, np.arange(scores.shape[1]), 0), axis=1)


def compare(
    plan: Plan, recording: Recording, edges: Mapping[str, npt.NDArray[Any]], tally: Tally
) -> tuple[dict[str, _Ints], _Ints]:
    """Hold every edge of a recording against the golden trace.

    Parameters
    ----------
    plan : Plan
    recording : Recording
    edges : mapping of str to array of values, shape (images, ...)
        The golden trace.
    tally : Tally
        Receives what differs.

    Returns
    -------
    values : dict of str to array of int, shape (images, elements)
        What the hardware carried on each edge of the graph.
    classes : array of int, shape (images,)
    """
    frames = len(recording.ends)
    values: dict[str, _Ints] = {}
    classes = np.zeros(frames, np.int64)
    for block in plan.recorded:
        origin = plan.origin(block)
        sums = isinstance(origin, UnitPlan) and getattr(origin, "thresholds", None) is None
        words = recording.words[block.name]
        codes, index = decode(block, words, frames, tally, counts=sums)
        if isinstance(block, TopKPlan) and index is not None:
            values[block.edge], classes = index, index[:, 0]
            _check_best(plan, block, codes, index, edges, tally)
            continue
        grid = plan.graph.edges[block.edge].grid
        if not plan.carries_edge(block):
            continue  # No edge of the graph: what it sends shows in the layer behind it.
        golden = plan.on_stream(np.asarray(edges[block.edge]))
        tally.check(block.name, golden, grid.values(codes))
        values[block.edge] = plan.off_stream(block.edge, grid.values(codes))
        if index is not None:
            node = plan.graph.argmax
            assert isinstance(node, Argmax)
            values_in = plan.on_stream(np.asarray(edges[node.inputs[0]]))
            scores = node.scale * values_in + node.offset
            tally.check(f"{block.name}.index", _running_class(scores), index)
            classes = index[:, -1]
    return values, classes


def _check_best(
    plan: Plan,
    block: TopKPlan,
    codes: _Ints,
    index: _Ints,
    edges: Mapping[str, npt.NDArray[Any]],
    tally: Tally,
) -> None:
    """Hold the classes of a top-k, and the logits that came with them, against the golden trace."""
    best = np.asarray(edges[block.edge])
    logits = np.take_along_axis(np.asarray(edges[plan.graph.logits]), best, axis=1)
    tally.check(f"{block.name}.index", best, index)
    tally.check(block.name, logits, plan.logits_grid.values(codes))


def _taps(graph: Graph) -> dict[str, str]:
    """Node of each tap: layers are counted, not input, flattening and what decides the class."""
    layers = [
        node
        for node in graph.nodes
        if not isinstance(node, Input | Flatten | Argmax)
        # Scale and offset of the classes leave no edge of their own in hardware.
        and not (isinstance(node, Affine) and node.inputs[0] == graph.logits)
    ]
    return {
        f"tap{number:02}_{'acc' if isinstance(node, Dense | Conv) else 'act'}": node.name
        for number, node in enumerate(layers)
    }


def check_reference(graph: Graph, reference: Mapping[str, npt.NDArray[Any]], frames: int) -> None:
    """Make sure that a reference belongs to a graph and to so many images, before any work.

    Parameters
    ----------
    graph : Graph
    reference : mapping of str to array
        ``logits`` (n, classes), ``pred`` (n,), ``top`` (n, k) where a `TopK` decides and, for the
        first images, ``tapNN_acc`` and ``tapNN_act`` in the order of the layers; other arrays are
        not looked at.
    frames : int

    Raises
    ------
    UsageError
        If it has neither ``logits`` nor ``pred``, or one of its arrays has a wrong kind or shape.
    """
    if not {"logits", "pred"} & set(reference):
        raise UsageError(
            "The reference has neither 'logits' nor 'pred'.",
            "Give an .npz with the arrays 'logits' (n, classes), 'pred' (n), or both.",
        )
    taps, node = _taps(graph), graph.argmax
    for name, array in reference.items():
        if name == "top" and isinstance(node, TopK):
            size = node.k
        elif name in ("logits", "pred"):
            size = graph.edges[graph.logits].size if name == "logits" else 1
        elif re.fullmatch(r"tap[0-9]+_(acc|act)", name):
            if name not in taps:
                raise UsageError(
                    f"The reference has '{name}', but '{graph.name}' has no such layer.",
                    f"Its taps are {', '.join(taps)}.",
                )
            size = graph.edges[taps[name]].size
        else:
            continue
        _check_array(name, array, size, frames)


def _check_array(name: str, array: npt.NDArray[Any], size: int, frames: int) -> None:
    wanted = f"'{name}' with {size} numbers for each image" if size > 1 else f"one '{name}' each"
    numbers = array.dtype.kind in "iuf"
    if not numbers or not array.ndim or array[:1].size not in (0, size) or not len(array):
        raise UsageError(
            f"The reference has '{name}' of type {array.dtype} and shape {array.shape}.",
            f"Give {wanted}, images first.",
        )
    if not name.startswith("tap") and len(array) < frames:
        raise UsageError(
            f"The reference has '{name}' for {len(array)} images; {frames} are simulated.",
            f"Give a reference for every image, or --limit {len(array)}.",
        )


def compare_reference(
    graph: Graph,
    reference: Mapping[str, npt.NDArray[Any]],
    values: Mapping[str, _Ints],
    classes: _Ints,
    golden: Mapping[str, npt.NDArray[Any]],
    tally: Tally,
) -> None:
    """Hold the hardware's logits, classes and activations against a reference file.

    Accumulators of layers whose thresholds are fused into the unit never leave it; their taps are
    held against the golden model.

    Parameters
    ----------
    reference : mapping of str to array
        What `check_reference` has let pass, from the first of these images on.
    """
    frames = len(classes)
    found = {"logits": values[graph.logits], "pred": classes}
    decided = graph.argmax
    if isinstance(decided, TopK):
        found["top"] = values[decided.name]
    for name, node in _taps(graph).items():
        found[name] = values[node] if node in values else golden[node]
    for name, array in found.items():
        count = min(len(reference.get(name, ())), frames)
        if count:
            told = reference[name][:count].reshape(count, -1)
            tally.check(f"reference.{name}", told, array[:count].reshape(count, -1))
