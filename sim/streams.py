"""Drive and read streams in Amaranth's simulator, and turn integer sequences into words and back.

A word is plain Python here: a dict of the payload's fields (an array is a tuple), or an int where
the payload has no fields. Nothing but `send` and `receive` needs a simulator.
"""

import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from amaranth.hdl import Shape, Value
from amaranth.lib import data

__all__ = [
    "STALLS",
    "Stall",
    "Word",
    "decode",
    "encode",
    "frame",
    "frames",
    "never",
    "receive",
    "send",
    "stall",
]

Word = Any
"""`{"data": (1, 0, 1), "last": 0}`, or an int for a payload without fields."""

Stall = Callable[[], bool]
"""Asked once a cycle: must this side wait?"""

STALLS = (0, 25, 50, 75, 95, "toggle")
"""What `stall` understands: a percentage of waiting cycles, or waiting every other cycle."""


def never() -> bool:
    """Never wait."""
    return False


def stall(kind: int | str, *, seed: int = 0) -> Stall:
    """Make a repeatable pattern of waiting cycles.

    Parameters
    ----------
    kind : int or "toggle"
        Percentage of cycles to wait (0 to 99), or "toggle" for every other cycle.
    seed : int
        The same seed gives the same pattern.

    Raises
    ------
    ValueError
        If `kind` is neither, or would wait for ever.
    """
    if kind == "toggle":
        turns = itertools.cycle([bool(seed % 2), not seed % 2])
        return lambda: next(turns)
    if not isinstance(kind, int) or not 0 <= kind <= 99:
        raise ValueError(f'Stall must be 0 to 99 percent or "toggle", not {kind!r}')
    if kind == 0:
        return never
    dice = random.Random(seed)
    return lambda: dice.random() * 100 < kind


def frame(elements: Sequence[int], lanes: int) -> list[Word]:
    """Cut one frame into words of `lanes` elements; the last is zero padded and has `last` set.

    Raises
    ------
    ValueError
        If the frame is empty or there is no lane.
    """
    if lanes < 1 or not len(elements):
        raise ValueError(f"A frame must have elements and lanes, not {len(elements)} in {lanes}")
    words = []
    for start in range(0, len(elements), lanes):
        lane = [int(element) for element in elements[start : start + lanes]]
        lane += [0] * (lanes - len(lane))
        words.append({"data": tuple(lane), "last": int(start + lanes >= len(elements))})
    return words


def frames(words: Iterable[Word], elements: int) -> list[list[int]]:
    """Join words back into frames of `elements` integers: the inverse of `frame`.

    Raises
    ------
    ValueError
        If a frame has another number of words than it needs, its padding is not zero, or the last
        one does not end.
    """
    whole: list[list[int]] = []
    part: list[int] = []
    for word in words:
        part.extend(word["data"])
        if not word["last"]:
            continue
        where = f"Frame {len(whole)}"
        if not elements <= len(part) < elements + len(word["data"]):
            raise ValueError(f"{where} must hold {elements} elements, not {len(part)} lanes")
        if any(part[elements:]):
            raise ValueError(f"{where} must be padded with zeros, not {part[elements:]}")
        whole.append(part[:elements])
        part = []
    if part:
        raise ValueError(f"Frame {len(whole)} must end with `last`, not after {len(part)} lanes")
    return whole


def encode(shape: Any, word: Word) -> int:
    """Bits of `word` as a payload of `shape`, for a bench that drives one flat vector."""
    if isinstance(shape, data.Layout):
        return int(shape.const(word).as_bits())
    return int(word)


def decode(shape: Any, bits: int) -> Word:
    """Plain word from the bits of a payload of `shape`: the inverse of `encode`."""
    if isinstance(shape, data.StructLayout):
        return {
            str(name): decode(field.shape, bits >> field.offset & (1 << field.width) - 1)
            for name, field in shape
        }
    if isinstance(shape, data.ArrayLayout):
        width = Shape.cast(shape.elem_shape).width
        mask = (1 << width) - 1
        return tuple(
            decode(shape.elem_shape, bits >> lane * width & mask) for lane in range(shape.length)
        )
    flat = Shape.cast(shape)
    if flat.signed and bits >> (flat.width - 1) & 1:
        return bits | -1 << flat.width
    return bits


async def send(ctx: Any, port: Any, words: Iterable[Word], *, stall: Stall = never) -> None:
    """Offer `words` one after the other; `port` is an input stream of the unit under test.

    Without stalls a word is offered in every cycle. `valid` is low when this returns.
    """
    for word in words:
        if stall():
            ctx.set(port.valid, 0)
            await ctx.tick()
            while stall():
                await ctx.tick()
        ctx.set(port.payload, word)
        ctx.set(port.valid, 1)
        # After `tick` a testbench sees the values behind the edge; `sample` looks in front of it.
        # `until` would too, but fails noisily when a run ends while it waits (amaranth 1638).
        taken = False
        while not taken:
            *_, taken = await ctx.tick().sample(port.ready)
    ctx.set(port.valid, 0)


async def receive(
    ctx: Any,
    port: Any,
    count: int,
    *,
    stall: Stall = never,
    patient: bool = False,
    check: Callable[[Word], None] | None = None,
) -> list[Word]:
    """Take `count` words from `port`, an output stream of the unit under test.

    Parameters
    ----------
    ctx : SimulatorContext
        Of the testbench.
    port : stream.Interface
        Where to take them.
    count : int
        How many.
    stall : Stall
        Cycles in which not to be ready.
    patient : bool
        Be ready only after `valid` has been seen: a unit whose `valid` waits for `ready` hangs.
    check : callable, optional
        Called with each word in the cycle in which it moves, such as `Scoreboard.check`.

    Returns
    -------
    list
        The plain words.
    """
    shape = port.payload.shape()
    flat = Value.cast(port.payload)
    taken: list[Word] = []
    waiting = False
    while len(taken) < count:
        ctx.set(port.ready, not stall() and (waiting or not patient))
        *_, valid, ready, bits = await ctx.tick().sample(port.valid, port.ready, flat)
        waiting = bool(valid and not ready)
        if valid and ready:
            taken.append(decode(shape, bits))
            if check is not None:
                check(taken[-1])
    ctx.set(port.ready, 0)
    return taken
