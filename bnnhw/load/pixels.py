"""What an ONNX model gets for each 8-bit pixel: the file does not say, so one rule decides."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NoReturn

import numpy as np

from ..errors import UsageError
from ..names import printable
from .exact import fractions_of
from .onnx_file import OnnxFile, OnnxNode

__all__ = ["pixel_table"]

_PROPERTY = "bnnhw.pixel_scale"
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
        "unit", "byte" or "auto".

    Raises
    ------
    UsageError
        If `pixel` or the property of the file is none of what is known.
    """
    if pixel not in ("unit", "byte", "auto"):
        raise UsageError(
            f"Pixels are read as 'unit', 'byte' or 'auto', not {printable(repr(pixel))}.",
            "Choose one of them.",
        )
    if pixel == "auto" and _PROPERTY in file.props:
        scale, why = _stated(file), f"property {_PROPERTY}"
    elif pixel == "auto":
        byte = _divides_by_255(file, nodes)
        scale = Fraction(1) if byte else Fraction(1, 255)
        why = "its first operation divides by 255" if byte else "nothing else is said"
    else:
        scale, why = Fraction(1 if pixel == "byte" else Fraction(1, 255)), "as asked"
    # Frameworks hand 32-bit floats to the model; p / 255 is rounded to one before anything is
    # calculated, and that very number is what enters here.
    table = tuple(Fraction(float(np.float32(float(scale * value)))) for value in range(256))
    return table, f"x = {scale} * pixel ({why})"


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


def _divides_by_255(file: OnnxFile, nodes: Sequence[OnnxNode]) -> bool:
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
            return node.op == "Div" and divisor is not None and fractions_of(divisor) == [255]
    return False
