"""From the scores of a network to a graph that decides a class."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import prod
from typing import NoReturn

from ..graph import Graph
from .chain import Chain
from .decide import Undecidable
from .qonnx_values import Affine, Decision, Value
from .scores import decided

__all__ = ["exact_pixels", "finished"]

_WAYS = {
    "unit": (Fraction(1, 255), Fraction(0)),
    "byte": (Fraction(1), Fraction(0)),
    "centred": (Fraction(2, 255), Fraction(-1)),
}


def exact_pixels(way: str) -> tuple[tuple[Fraction, ...], str] | None:
    """Give the value of each pixel 0 … 255, not rounded, and the rule in words; None if unknown."""
    if way not in _WAYS:
        return None
    scale, offset = _WAYS[way]
    words = f"x = {scale} * pixel{f' - {-offset}' if offset else ''}, not rounded"
    return tuple(scale * pixel + offset for pixel in range(256)), words


def finished(
    chain: Chain,
    result: Value | None,
    name: str,
    meta: Mapping[str, str],
    fail: Callable[[str, str], NoReturn],
) -> Graph:
    """Close a graph.

    Parameters
    ----------
    chain : Chain
    result : Value
        Scores, or the class that a softmax leaves, or the classes of a top-k.
    name : str
    meta : mapping of str to str
    fail : callable
        Raises the error that names the source; gets what is wrong, and what to do.
    """
    todo = "End the network in a layer with one score for each class."
    decision = result if isinstance(result, Decision) else None
    scores = decision.scores if decision else result
    if not isinstance(scores, Affine):
        fail("its output is neither scores nor a class that layers have made", todo)
    if prod(scores.shape) != len(scores.scale):
        fail(f"its output has the shape {scores.shape} instead of one score a class", todo)
    scale, bias = list(scores.scale), list(scores.offset)
    logits = chain.flat(scores.edge)
    try:
        verdict = decided(chain.grid(logits), scale, bias, k=decision.k if decision else None)
    except Undecidable as error:
        fail(
            f"its class cannot be decided in integers: {error}",
            "Leave out the scale of the last layer, or give all classes the same.",
        )
    return chain.graph(name, logits, verdict, (scale, bias), meta)
