"""Several streams into one: sums of codes, and channels side by side."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .choice import chosen
from .streams import port

__all__ = ["Add", "Concat"]


class Add(wiring.Component):
    """Add words of several streams, each code times the factor of its stream.

    A word leaves for each word of all inputs: lane by lane ``sum(factors[k] * code_k)``, cut to
    `bits_out` bits. One word of every input is taken together, so an input waits for the others;
    `ready` follows every `valid`, and `o.ready`. Latency 1, one word per clock, so as many clocks a
    frame as it has words; one register. While `o` stalls, all inputs wait. `o.last` is that of
    `i0`; the others' is not read.

    Parameters
    ----------
    lanes : int
        Codes in a word.
    bits : tuple of int
        Width of a code of each input.
    factors : tuple of int
        What the codes of each input are multiplied with, at least 1.
    bits_out : int
        Width of a sum. Codes whose sum needs more must not come.

    Members
    -------
    i0, i1, … : stream of word(lanes, bits[k]), in
        What is added.
    o : stream of word(lanes, bits_out), out
        The sums.

    Raises
    ------
    ValueError
        If there is no input, a parameter is not a positive integer, or there is not one factor for
        each input.
    """

    LATENCY = 1

    def __init__(
        self, *, lanes: int, bits: Sequence[int], factors: Sequence[int], bits_out: int
    ) -> None:
        _check("Add", 1, lanes=lanes, bits_out=bits_out)
        _check_rows("Add", len(bits), 1, bits=bits, factors=factors)
        self._lanes = lanes
        self._bits = tuple(bits)
        self._factors = tuple(factors)
        self._bits_out = bits_out
        super().__init__(_ports(lanes, bits, bits_out))

    @property
    def lanes(self) -> int:
        """Codes in a word."""
        return self._lanes

    @property
    def bits(self) -> tuple[int, ...]:
        """Width of a code of each input."""
        return self._bits

    @property
    def factors(self) -> tuple[int, ...]:
        """What the codes of each input are multiplied with."""
        return self._factors

    @property
    def bits_out(self) -> int:
        """Width of a sum."""
        return self._bits_out

    def elaborate(self, platform: Any) -> Module:
        """Build the adders and their register."""
        m = Module()
        inputs = _inputs(self, len(self._bits))
        step = Signal()
        there = Cat(source.valid for source in inputs).all()
        m.d.comb += step.eq(~self.o.valid | self.o.ready)
        m.d.comb += [source.ready.eq(step & there) for source in inputs]
        with m.If(step):
            m.d.sync += self.o.valid.eq(there)
            m.d.sync += self.o.payload.last.eq(inputs[0].payload.last)
            for lane, total in enumerate(self.o.payload.data):
                codes = [source.payload.data[lane] for source in inputs]
                m.d.sync += total.eq(_weighted(codes, self._factors))
        return m


class Concat(wiring.Component):
    """Put the channels of several images side by side, pixel by pixel.

    For each pixel `words[k]` words of input k leave, inputs in order; each code becomes
    ``factors[k] * code + offsets[k]``, cut to `bits_out` bits. Latency 1, one word per clock,
    ``cycles = pixels * sum(words)`` per frame, no bubble between inputs, pixels or frames. Words
    are taken only from the input whose turn it is, so the others wait; while `o` stalls, all do.
    `ready` follows `o.ready`. `o.last` comes from counters of its own; the inputs' is not read.

    Every lane counts: there is no padding in a word.

    Parameters
    ----------
    lanes : int
        Codes in a word.
    bits : tuple of int
        Width of a code of each input.
    words : tuple of int
        Words in a pixel of each input.
    factors : tuple of int
        What the codes of each input are multiplied with, at least 1.
    offsets : tuple of int
        What is added to the product, at least 0.
    pixels : int
        Pixels of a frame; 1 for vectors.
    bits_out : int
        Width of a result. Codes whose result needs more must not come.

    Members
    -------
    i0, i1, … : stream of word(lanes, bits[k]), in
        The images.
    o : stream of word(lanes, bits_out), out
        One image with the channels of all.

    Raises
    ------
    ValueError
        If there is no input, a parameter is not an integer in its range, or there is not one of
        each for every input.
    """

    LATENCY = 1

    def __init__(
        self,
        *,
        lanes: int,
        bits: Sequence[int],
        words: Sequence[int],
        factors: Sequence[int],
        offsets: Sequence[int],
        pixels: int,
        bits_out: int,
    ) -> None:
        _check("Concat", 1, lanes=lanes, pixels=pixels, bits_out=bits_out)
        _check_rows("Concat", len(bits), 1, bits=bits, words=words, factors=factors)
        _check_rows("Concat", len(bits), 0, offsets=offsets)
        self._lanes = lanes
        self._bits = tuple(bits)
        self._words = tuple(words)
        self._factors = tuple(factors)
        self._offsets = tuple(offsets)
        self._pixels = pixels
        self._bits_out = bits_out
        super().__init__(_ports(lanes, bits, bits_out))

    @property
    def lanes(self) -> int:
        """Codes in a word."""
        return self._lanes

    @property
    def bits(self) -> tuple[int, ...]:
        """Width of a code of each input."""
        return self._bits

    @property
    def words(self) -> tuple[int, ...]:
        """Words in a pixel of each input."""
        return self._words

    @property
    def factors(self) -> tuple[int, ...]:
        """What the codes of each input are multiplied with."""
        return self._factors

    @property
    def offsets(self) -> tuple[int, ...]:
        """What is added to the product."""
        return self._offsets

    @property
    def pixels(self) -> int:
        """Pixels of a frame."""
        return self._pixels

    @property
    def bits_out(self) -> int:
        """Width of a result."""
        return self._bits_out

    @property
    def cycles(self) -> int:
        """Clock cycles per frame, when nothing stalls."""
        return self._pixels * sum(self._words)

    def elaborate(self, platform: Any) -> Module:
        """Build the counters that say whose turn it is, and the register behind the choice."""
        m = Module()
        inputs = _inputs(self, len(self._bits))
        step, taken = Signal(), Signal()
        turn = Signal(range(len(inputs)))
        there = Array(source.valid for source in inputs)[turn]
        m.d.comb += [step.eq(~self.o.valid | self.o.ready), taken.eq(step & there)]
        for k, source in enumerate(inputs):
            m.d.comb += source.ready.eq(step & (turn == k))
        last = self._count(m, turn, taken)
        with m.If(step):
            m.d.sync += self.o.valid.eq(there)
            m.d.sync += self.o.payload.last.eq(last)
            for lane, result in enumerate(self.o.payload.data):
                codes = [source.payload.data[lane] for source in inputs]
                m.d.sync += result.eq(self._moved(codes, turn))
        return m

    def _count(self, m: Module, turn: Signal, taken: Value) -> Value:
        """Count words, inputs and pixels; tell whether this word is the frame's last."""
        word = Signal(range(max(self._words)))
        pixel = Signal(range(self._pixels))
        final = word == chosen([words - 1 for words in self._words], turn)
        end = final & (turn == len(self._words) - 1)
        last = end & (pixel == self._pixels - 1)
        with m.If(taken):
            m.d.sync += word.eq(Mux(final, 0, word + 1))
            with m.If(final):
                m.d.sync += turn.eq(Mux(end, 0, turn + 1))
            with m.If(end):
                m.d.sync += pixel.eq(Mux(last, 0, pixel + 1))
        return last

    def _moved(self, codes: Sequence[Value], turn: Signal) -> Value:
        """Choose a code, and multiply and add what its input says; one multiplier if all agree."""
        if len(set(self._factors)) == 1:
            product = _weighted([Array(codes)[turn]], self._factors[:1])
        else:
            products = [
                _weighted([code], [factor])
                for code, factor in zip(codes, self._factors, strict=True)
            ]
            product = Array(products)[turn]
        return product + chosen(self._offsets, turn)


def _ports(lanes: int, bits: Sequence[int], bits_out: int) -> dict[str, Any]:
    inputs = {f"i{k}": In(port(lanes, width)) for k, width in enumerate(bits)}
    return {**inputs, "o": Out(port(lanes, bits_out))}


def _inputs(owner: wiring.Component, count: int) -> list[Any]:
    return [getattr(owner, f"i{k}") for k in range(count)]


def _weighted(codes: Sequence[Value], factors: Sequence[int]) -> Value:
    """Sum ``factor * code``, with every factor written out as shifts.

    A multiplication by a constant would take a DSP on ECP5. Written in digits +1, 0 and -1 of which
    no two neighbours count, it is the fewest additions.
    """
    plus: list[Value] = []
    minus: list[Value] = []
    for code, factor in zip(codes, factors, strict=True):
        shift = 0
        while factor:
            if factor % 2:
                digit = 2 - factor % 4
                (plus if digit > 0 else minus).append(code.shift_left(shift))
                factor -= digit
            factor //= 2
            shift += 1
    return _sum(plus) - _sum(minus) if minus else _sum(plus)


def _sum(terms: Sequence[Value]) -> Value:
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return _sum(terms[:half]) + _sum(terms[half:])


def _check(owner: str, least: int, **given: Any) -> None:
    for name, value in given.items():
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{owner} {name} must be {_KINDS[least]}, not {value!r}")


def _check_rows(owner: str, count: int, least: int, **given: Any) -> None:
    if not count:
        raise ValueError(f"{owner} must have at least one input, not none")
    for name, row in given.items():
        if len(row) != count or not all(isinstance(n, int) and n >= least for n in row):
            raise ValueError(f"{owner} {name} must be {count} times {_KINDS[least]}, not {row!r}")


_KINDS = {0: "an integer of at least 0", 1: "a positive integer"}
