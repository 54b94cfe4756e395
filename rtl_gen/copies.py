"""Registers that many wait for, as often as it takes to stand near all of them."""

from amaranth.hdl import Module, Signal, Value

__all__ = ["REACH", "copies"]

REACH = 256
"""Flip-flops that one other may tell to load where there can be copies of it."""


def copies(m: Module, platform: object, value: Value, number: int) -> list[Signal]:
    """Build registers a clock behind a bit, none of which knows a reset.

    Parameters
    ----------
    m : Module
        Where they go.
    platform : object
        Where it has ``get_flip_flop(m, value)``, which gives a register of its own, that is asked
        for each of them; otherwise there is one, which synthesis may lead to wherever it likes.
    value : Value
        One bit.
    number : int
        How many, best one for each `REACH` flip-flops that wait.

    Returns
    -------
    list of Signal
        So many, all of which say the same.
    """
    copy = getattr(platform, "get_flip_flop", None)
    if copy is not None:
        return [copy(m, value) for _ in range(number)]
    one = Signal(reset_less=True)
    m.d.sync += one.eq(value)
    return [one] * number
