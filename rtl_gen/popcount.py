"""Popcount, and the count of lanes that agree: the inner loop of everything."""

from amaranth.hdl import Elaboratable, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bnnhw.fold.pipeline import count_levels

__all__ = ["MatchCount", "Popcount", "balanced_sum"]

_STEP = In(1, init=1)  # type: ignore[call-arg]  # the stubs have the word of an older Amaranth


def balanced_sum(parts: list[Value]) -> Value:
    """Add as a balanced tree, so that the width grows by one bit a level."""
    while len(parts) > 1:
        parts = _halved(parts)
    return parts[0]


def _halved(parts: list[Value]) -> list[Value]:
    """Add neighbours."""
    paired = [parts[k] + parts[k + 1] for k in range(0, len(parts) - 1, 2)]
    return paired + parts[len(parts) & ~1 :]


def _registered_sum(m: Module, parts: list[Value], *, step: Value, every: int, stop: int) -> Value:
    """Add as a balanced tree with a register behind every `every`-th level, `stop` in all."""
    levels = placed = 0
    while len(parts) > 1:
        parts = _halved(parts)
        levels += 1
        if every and levels % every == 0 and placed < stop:
            placed += 1
            held = [Signal.like(part, name="part", reset_less=True) for part in parts]
            with m.If(step):
                m.d.sync += [kept.eq(part) for kept, part in zip(held, parts, strict=True)]
            parts = list(held)
    assert placed == stop
    return parts[0]


class Popcount(wiring.Component):
    """Count the ones of a word.

    Latency ``count_levels(width, every)`` steps: the count of the word that was there at one edge
    with `step` is there after that many such edges; 0 is combinational. One word a clock while
    `step`, otherwise everything holds. This is the portable tree; a platform that has a better one
    offers it as ``get_popcount(self)`` and keeps this contract.

    Parameters
    ----------
    width : int
        Bits to count.
    every : int
        Levels of adders between registers; 0 is no register at all.
    inverted : int
        Mask of the bits that count when they are 0: a target hides the inversion in its adders.

    Members
    -------
    i : In(width)
        Bits.
    step : In(1)
        Move on. 1 if it is left unconnected.
    o : Out(bits_for(width))
        Number of bits that count, 0 … width.

    Raises
    ------
    ValueError
        If `width` is below 1, `every` below 0, or `inverted` no mask of `width` bits.

    Platform overrides
    ------------------
    Define ``get_popcount(popcount) -> Elaboratable`` that drives ``popcount.o`` from
    ``popcount.i`` and ``popcount.step``.
    """

    def __init__(self, *, width: int, every: int = 0, inverted: int = 0) -> None:
        self._latency = count_levels(width, every)
        if not isinstance(inverted, int) or not 0 <= inverted < 1 << width:
            raise ValueError(f"Inverted bits must be a mask of {width} bits, not {inverted!r}")
        self._width = width
        self._every = every
        self._inverted = inverted
        super().__init__(
            {
                "i": In(width),
                "step": _STEP,
                "o": Out(width.bit_length()),
            }
        )

    @property
    def width(self) -> int:
        """Bits to count."""
        return self._width

    @property
    def every(self) -> int:
        """Levels of adders between registers."""
        return self._every

    @property
    def inverted(self) -> int:
        """Mask of the bits that count when they are 0."""
        return self._inverted

    @property
    def latency(self) -> int:
        """Steps from a word to its count."""
        return self._latency

    def elaborate(self, platform: object) -> Elaboratable:
        """Build the tree, or what the platform has instead."""
        if hasattr(platform, "get_popcount"):
            return platform.get_popcount(self)
        m = Module()
        # Bit by bit: a slice of an expression would build all of it again for each bit.
        bits = [~self.i[k] if self._inverted >> k & 1 else self.i[k] for k in range(self._width)]
        total = _registered_sum(m, bits, step=self.step, every=self._every, stop=self._latency)
        m.d.comb += self.o.eq(total)
        return m


class MatchCount(wiring.Component):
    """Count the lanes where an activation and a weight agree.

    Both come from registers outside, so that a target can hide the comparison in the adders.
    Latency ``count_levels(width, every)`` steps, as `Popcount`; one group a clock while `step`,
    otherwise everything holds. For K lanes with P matches the ±1 dot product is 2P − K. A platform
    that has better cells offers them as ``get_match_count(self)`` and keeps this contract.

    Parameters
    ----------
    width : int
        Lanes.
    every : int
        Levels of adders between registers; 0 is no register at all.
    complement : bool
        Whether activations come as their complements. Where adders hide a XOR but no XNOR (ECP5),
        that spares a subtraction behind the count.

    Members
    -------
    i_activation : In(width)
        One bit a lane; the complement of the activation if `complement`.
    i_weight : In(width)
        One bit a lane; 1 is +1, 0 is −1.
    step : In(1)
        Move on. 1 if it is left unconnected.
    o : Out(bits_for(width))
        Number of lanes that agree, 0 … width.

    Raises
    ------
    ValueError
        If `width` is below 1, or `every` below 0.

    Platform overrides
    ------------------
    Define ``get_match_count(count) -> Elaboratable`` that drives ``count.o`` from the inputs.
    """

    def __init__(self, *, width: int, every: int = 0, complement: bool = False) -> None:
        self._latency = count_levels(width, every)
        self._width = width
        self._every = every
        self._complement = bool(complement)
        super().__init__(
            {
                "i_activation": In(width),
                "i_weight": In(width),
                "step": _STEP,
                "o": Out(width.bit_length()),
            }
        )

    @property
    def width(self) -> int:
        """Lanes."""
        return self._width

    @property
    def every(self) -> int:
        """Levels of adders between registers."""
        return self._every

    @property
    def complement(self) -> bool:
        """Whether activations come as their complements."""
        return self._complement

    @property
    def latency(self) -> int:
        """Steps from a group to its count."""
        return self._latency

    def elaborate(self, platform: object) -> Elaboratable:
        """Build XNORs and a tree, or what the platform has instead."""
        if hasattr(platform, "get_match_count"):
            return platform.get_match_count(self)
        m = Module()
        m.submodules.popcount = popcount = Popcount(width=self._width, every=self._every)
        differ = self.i_activation ^ self.i_weight
        m.d.comb += [
            popcount.i.eq(differ if self._complement else ~differ),
            popcount.step.eq(self.step),
            self.o.eq(popcount.o),
        ]
        return m
