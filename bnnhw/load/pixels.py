"""What an ONNX model gets for each 8-bit pixel: the file does not say, so one rule decides."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from ..errors import UsageError
from ..names import printable
from .exact import fractions_of
from .onnx_file import OnnxFile, OnnxNode

__all__ = ["UNSAID", "pixel_table"]

UNSAID = "nothing else is said"
"""Why pixels are read as they are where neither file nor caller says how."""

_PROPERTY = "bnnhw.pixel_scale"
_WAYS = {
    "unit": (Fraction(1, 255), Fraction(0)),
    "byte": (Fraction(1), Fraction(0)),
    "centred": (Fraction(2, 255), Fraction(-1)),
}
_SAME_PIXELS = {"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}


def pixel_table(
    file: OnnxFile, nodes: Sequence[OnnxNode], pixel: str
) -> tuple[tuple[Fraction, ...], str]:
    """Give the value of each pixel 0 … 255 as the model gets it, and the rule in words.

    Parameters
    ----------
    file : OnnxFile
    nodes : sequence of OnnxNode
        Those that lead to the output, in order.
    pixel : str
        "unit", "byte", "centred" or "auto".

    Raises
    ------
    UsageError
        If `pixel` or the property of the file is none of what is known.
    """
    if pixel not in ("auto", *_WAYS):
        raise UsageError(
            f"Pixels are read as 'unit', 'byte', 'centred' or 'auto', not "
            f"{printable(repr(pixel))}.",
            "Choose one of them.",
        )
    offset = Fraction(0)
    if pixel == "auto" and _PROPERTY in file.props:
        scale, why = _stated(file), f"property {_PROPERTY}"
    elif pixel == "auto":
        way, why = _first_step(file, nodes)
        scale, offset = _WAYS[way]
    else:
        (scale, offset), why = _WAYS[pixel], "as asked"
    # Frameworks hand 32-bit floats to the model; p / 255 is rounded to one before anything is
    # calculated, and that very number is what enters here.
    table = tuple(Fraction(float(np.float32(float(scale * p + offset)))) for p in range(256))
    return table, f"x = {scale} * pixel{f' - {-offset}' if offset else ''} ({why})"


def _stated(file: OnnxFile) -> Fraction:
    text = file.props[_PROPERTY]

    def refuse() -> NoReturn:
        raise UsageError(
            f"'{file.path}': its property {_PROPERTY} is '{printable(text)}'.",
            "Give a positive fraction such as 1/255 or 1.",
        )

    try:
        scale = Fraction(text) if len(text) <= 32 and "e" not in text.lower() else Fraction(0)
    except (ValueError, ZeroDivisionError):
        refuse()
    if not Fraction(1, 1 << 20) <= scale <= 1 << 20:
        refuse()
    return scale


def _first_step(file: OnnxFile, nodes: Sequence[OnnxNode]) -> tuple[str, str]:
    """Give the way in which the first operation on the image expects pixels, and why."""
    same = set(file.inputs)
    constants = dict(file.initializers)
    for node in nodes:
        value = node.attributes.get("value")
        if node.op == "Constant" and isinstance(value, np.ndarray):
            constants[node.outputs[0]] = value
        elif node.inputs and node.inputs[0] in same and node.op != "Shape":
            if node.op in _SAME_PIXELS:
                same.update(node.outputs)
                continue
            divisor = constants.get(node.inputs[-1])
            if node.op == "Div" and divisor is not None and fractions_of(divisor) == [255]:
                return "byte", "its first operation divides by 255"
            if node.op == "Quant" and _from_minus_one(node, constants):
                # With pixels of 0 to 1 its negative half would be of no use.
                return "centred", "its first operation quantises numbers from -1 to 1"
            break
    return "unit", UNSAID


def _from_minus_one(node: OnnxNode, constants: Mapping[str, Any]) -> bool:
    """Tell whether a quantiser takes numbers from −1 on to just below 1."""
    terms = [constants.get(name) for name in node.inputs[1:]]
    if len(terms) != 3 or any(term is None or term.size != 1 for term in terms):
        return False
    scale, zero, bits = (fractions_of(term)[0] for term in terms if term is not None)
    signed = node.attributes.get("signed", 1) == 1 and not node.attributes.get("narrow", 0)
    return signed and zero == 0 and 1 < bits <= 16 and scale * 2 ** (bits - 1) == 1
