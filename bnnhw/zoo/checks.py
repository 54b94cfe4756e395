"""Checks of an architecture's parameters."""

from collections.abc import Sequence

import numpy as np

from ..errors import UsageError

__all__ = ["depths", "whole"]


def whole(value: object, what: str, *, least: int = 1, multiple: int = 1, most: int = 1024) -> int:
    """Give `value` if it is a whole number that an architecture can take.

    Raises
    ------
    UsageError
        If it is not.
    """
    fits = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not fits or not least <= value <= most or value % multiple:  # type: ignore[operator]
        kind = f"multiple of {multiple}" if multiple > 1 else "whole number"
        raise UsageError(
            f"{what} must be a {kind} from {least} to {most}, not {value!r}.", "Choose another."
        )
    return int(value)  # type: ignore[call-overload, no-any-return]


def depths(blocks: Sequence[int]) -> tuple[int, ...]:
    """Give the blocks of each stage.

    Raises
    ------
    UsageError
        If there are not one to four stages of one to 64 blocks each.
    """
    if not isinstance(blocks, tuple | list) or not 1 <= len(blocks) <= 4:
        raise UsageError(
            f"The blocks must be numbers for one to four stages, not {blocks!r}.", "Choose others."
        )
    return tuple(whole(count, "The number of blocks of a stage", most=64) for count in blocks)
