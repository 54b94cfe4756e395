"""What a simulated accelerator put on its edges, held against the golden model and a reference."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bnnhw.errors import UsageError
from bnnhw.graph import Argmax, Dense, Flatten, Graph, Input
from bnnhw.plan import ArgmaxPlan, Block, MvtuPlan, Plan

from .compiled import Recording, word_bits

__all__ = ["Difference", "Tally", "compare", "compare_reference", "decode"]

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
    """

    compared: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def mismatches(self) -> int:
        """Number of values that differ."""
        return sum(difference.count for difference in self.differences)

    def check(self, where: str, expected: npt.NDArray[Any], found: npt.NDArray[Any]) -> None:
        """Compare two arrays, images first."""
        if expected.shape != found.shape:
            self.differences.append(
                Difference(where, f"expected the shape {expected.shape}, found {found.shape}", 1)
            )
            return
        self.compared += expected.size
        wrong = np.argwhere(expected != found)
        if len(wrong):
            image, *element = (int(k) for k in wrong[0])
            place = f"image {image}, element {', '.join(map(str, element)) or 0}"
            told, seen = expected[tuple(wrong[0])], found[tuple(wrong[0])]
            self.differences.append(
                Difference(where, f"{place}: expected {told}, found {seen}", len(wrong))
            )


def _bits(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    return np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")


def _numbers(bits: npt.NDArray[np.uint8]) -> _Ints:
    return (bits.astype(np.int64) << np.arange(bits.shape[-1])).sum(-1)


def decode(
    block: Block, words: npt.NDArray[np.uint64], frames: int, tally: Tally
) -> tuple[_Ints, _Ints | None]:
    """Turn the words that left a block into codes, and check number, `last` and padding on the way.

    Returns
    -------
    codes : array of int, shape (frames, elements)
    index : array of int, shape (frames, elements), or None
        The running class, where the block is an argmax.
    """
    count = block.words_out
    if len(words) != frames * count:
        tally.differences.append(
            Difference(block.name, f"expected {frames * count} words, found {len(words)}", 1)
        )
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
    if not (isinstance(block, MvtuPlan) and block.thresholds is None):
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
    for block in plan.blocks:
        codes, index = decode(block, recording.words[block.name], frames, tally)
        grid = plan.graph.edges[block.edge].grid
        golden = np.asarray(edges[block.edge]).reshape(frames, -1)
        tally.check(block.name, golden, grid.values(codes))
        values[block.edge] = grid.values(codes)
        if index is not None:
            node = plan.graph.argmax
            assert isinstance(node, Argmax)
            tally.check(f"{block.name}.index", _running_class(golden + node.offset), index)
            classes = index[:, -1]
    return values, classes


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
        ``logits`` (n, classes), ``pred`` (n,) and, for the first images, ``tapNN_acc`` and
        ``tapNN_act`` in the order of the layers.

    Raises
    ------
    UsageError
        If the reference holds none of them, or fewer images than were simulated.
    """
    frames = len(classes)
    told = [name for name in ("logits", "pred") if name in reference]
    if not told or any(len(reference[name]) < frames for name in told):
        raise UsageError(
            f"The reference has {[f'{n}: {len(reference[n])}' for n in told]} for {frames} images.",
            "Give an .npz with 'logits' and 'pred' for every image, or use --limit.",
        )
    if "logits" in reference:
        tally.check("reference.logits", reference["logits"][:frames], values[graph.logits])
    if "pred" in reference:
        tally.check("reference.pred", reference["pred"][:frames].astype(np.int64), classes)
    layers = [node for node in graph.nodes if not isinstance(node, (Input, Flatten, Argmax))]
    for number, node in enumerate(layers):
        kind = "acc" if isinstance(node, Dense) else "act"
        tap = reference.get(f"tap{number:02}_{kind}")
        if tap is None or not len(tap):
            continue
        seen = values[node.name] if node.name in values else golden[node.name]
        count = min(len(tap), frames)
        tally.check(
            f"reference.tap{number:02}_{kind}",
            tap[:count].reshape(count, -1).astype(np.int64),
            np.asarray(seen)[:count].reshape(count, -1),
        )
