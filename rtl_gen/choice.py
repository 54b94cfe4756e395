"""A number out of a few constants, by its index."""

from collections.abc import Sequence

from amaranth.hdl import Array, Const, Shape, Value

__all__ = ["chosen"]


def chosen(numbers: Sequence[int], index: Value) -> Value:
    """Give number `index`, signed where one of them is negative; a constant where all are equal."""
    shape = Shape.cast(range(min(0, *numbers), max(1, *numbers) + 1))
    if len(set(numbers)) == 1:
        return Const(numbers[0], shape)
    return Array(Const(number, shape) for number in numbers)[index]
