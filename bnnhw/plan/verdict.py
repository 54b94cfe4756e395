"""From scale and offset of the classes to what the argmax computes with the codes of logits."""

from math import gcd

from ..graph import Affine, Argmax, Grid

__all__ = ["class_scores"]


def class_scores(
    node: Argmax, affine: Affine | None, grid: Grid
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Give multipliers, offsets and shift whose ``(multiplier * code + offset) >> shift`` decide.

    Scores may all move together, and without a shift be divided by what all have in common: no
    order changes by that. So the numbers are as small as they can be, the least offset 0 or, with
    a shift, below one step of what the shift leaves.

    Parameters
    ----------
    node : Argmax
    affine : Affine or None
        What comes between logits and `node`; does not clip.
    grid : Grid
        Values of the logits.

    Raises
    ------
    ValueError
        If both nodes scale, and a shift lies in between.
    """
    classes = node.offset.size
    if affine is None:
        factors, moves, shift = [1] * classes, [0] * classes, 0
    else:
        factors, moves, shift = affine.multiplier.tolist(), affine.offset.tolist(), affine.shift
    if shift and node.scale != 1:
        raise ValueError(f"multiplies with {node.scale} what is shifted by {shift} already")
    # m*value + b = m*step*code + m*low + b. A whole number behind the shift is a multiple of
    # 1 << shift in front of it.
    multipliers = [node.scale * factor * grid.step for factor in factors]
    offsets = [
        node.scale * (factor * grid.low + move) + (int(last) << shift)
        for factor, move, last in zip(factors, moves, node.offset, strict=True)
    ]
    least = min(offsets) >> shift << shift
    offsets = [offset - least for offset in offsets]
    common = 1 if shift else gcd(*multipliers, *offsets) or 1
    return (
        tuple(multiplier // common for multiplier in multipliers),
        tuple(offset // common for offset in offsets),
        shift,
    )
