"""Scale and offset in fixed point: codes become codes."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from bnnhw.bits import unpack_word

from .multiply import MULTIPLIERS, Multiplier
from .naming import label
from .streams import port
from .vectors import stream_words

__all__ = ["Affine"]


class Affine(wiring.Component):
    """Give ``(multiplier * code + offset) >> shift`` of each code; the shift rounds down.

    One word a clock, latency 3: operands, product, sum; a stalled output stops everything. The
    words of a pixel take the numbers in order, and the next pixel begins again; `last` passes
    through. Numbers that are the same in all words of a pixel are constants, not a memory.

    Parameters
    ----------
    lanes : int
        Codes of a word.
    bits : int
        Width of a code that comes in.
    multipliers, offsets : sequence of int
        One word for each word of a pixel: a signed number for each lane, that of lane 0 lowest.
    multiplier_bits, offset_bits : int
        Widths of a multiplier and of an offset.
    shift : int
        Bits that are cut off, also below zero (floor).
    levels_out : int
        Codes that may leave: 0 … levels_out − 1.
    clip : bool
        Whether results beyond them become the nearest one; otherwise there must be none.
    bits_out : int
        Width of a code that leaves.
    multiplier : str
        ``"dsp"`` or ``"lut"``, see `Multiplier`.

    Members
    -------
    i : stream of word(lanes, bits), in
    o : stream of word(lanes, bits_out), out
        Without `clip` the low bits of the result.

    Raises
    ------
    ValueError
        If a parameter is out of range, or multipliers and offsets differ in number or do not fit.
    """

    LATENCY = Multiplier.LATENCY + 1

    def __init__(
        self,
        *,
        lanes: int,
        bits: int,
        multipliers: Sequence[int],
        offsets: Sequence[int],
        multiplier_bits: int,
        offset_bits: int,
        shift: int,
        levels_out: int,
        clip: bool,
        bits_out: int,
        multiplier: str = "dsp",
    ) -> None:
        sizes = {"lanes": lanes, "bits": bits, "multiplier_bits": multiplier_bits}
        sizes |= {"offset_bits": offset_bits, "levels_out": levels_out, "bits_out": bits_out}
        for name, value in sizes.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Affine {name} must be a positive integer, not {value!r}")
        if not isinstance(shift, int) or shift < 0:
            raise ValueError(f"Affine shift must be an integer from 0 on, not {shift!r}")
        if levels_out > 1 << bits_out:
            raise ValueError(f"Affine levels_out must fit {bits_out} bits, not {levels_out}")
        if multiplier not in MULTIPLIERS:
            raise ValueError(
                f"Multiplier must be one of {', '.join(MULTIPLIERS)}, not {multiplier!r}"
            )
        if len(multipliers) != len(offsets) or not offsets:
            raise ValueError(
                "Affine multipliers and offsets must be as many words as a pixel, not "
                f"{len(multipliers)} and {len(offsets)}"
            )
        for name, words, width in (
            ("multipliers", multipliers, lanes * multiplier_bits),
            ("offsets", offsets, lanes * offset_bits),
        ):
            for word in words:
                if not isinstance(word, int) or not 0 <= word < 1 << width:
                    raise ValueError(f"Affine {name} must fit {width} bits, not {word!r}")
        self._lanes, self._bits, self._bits_out = lanes, bits, bits_out
        self._multipliers, self._offsets = tuple(multipliers), tuple(offsets)
        self._multiplier_bits, self._offset_bits = multiplier_bits, offset_bits
        self._shift, self._levels_out, self._clip = shift, levels_out, clip
        self._multiplier = multiplier
        super().__init__({"i": In(port(lanes, bits)), "o": Out(port(lanes, bits_out))})

    @property
    def lanes(self) -> int:
        """Codes of a word."""
        return self._lanes

    @property
    def folds(self) -> int:
        """Words of a pixel."""
        return len(self._offsets)

    def elaborate(self, platform: object) -> Module:
        """Build the numbers, a multiplier a lane, the sums and their clip."""
        m = Module()
        step, numbers = self._control(m)
        factors, offsets = numbers
        for lane in range(self._lanes):
            product = self._product(m, lane, step, factors)
            offset = self._delayed(m, lane, step, offsets)
            result = Signal((product + offset).shape(), name=f"result{lane}")
            m.d.comb += result.eq(product + offset)
            with m.If(step):
                m.d.sync += self.o.payload.data[lane].eq(self._clipped(result >> self._shift))
        return m

    def _control(self, m: Module) -> tuple[Value, list[Any]]:
        """Join codes with their numbers; return whether to go on, and streams of the numbers."""
        given = {
            "multipliers": (self._multipliers, self._multiplier_bits),
            "offsets": (self._offsets, self._offset_bits),
        }
        streams: list[Any] = []
        for name, (words, bits) in given.items():
            layout = data.ArrayLayout(signed(bits), self._lanes)
            sink = stream.Signature(layout).flip().create(path=(name,))
            stream_words(m, name, words if len(set(words)) > 1 else words[:1], sink)
            streams.append(sink)
        tags = [
            Signal(data.StructLayout({"there": 1, "last": 1}), name=f"tags{stage}")
            for stage in range(Multiplier.LATENCY)
        ]
        there = streams[0].valid & streams[1].valid
        step = Signal()
        m.d.comb += [step.eq(~self.o.valid | self.o.ready), self.i.ready.eq(step & there)]
        m.d.comb += [sink.ready.eq(step & self.i.valid & there) for sink in streams]
        with m.If(step):
            m.d.sync += [
                tags[0].there.eq(self.i.valid & there),
                tags[0].last.eq(self.i.payload.last),
                tags[1].eq(tags[0]),
                self.o.valid.eq(tags[1].there),
                self.o.payload.last.eq(tags[1].last),
            ]
        return step, streams

    def _constant(self, words: Sequence[int], lane: int, bits: int) -> int | None:
        """Give the number of a lane that is the same in all words, or none."""
        if len(set(words)) > 1:
            return None
        number = unpack_word(words[0], self._lanes, bits)[lane]
        return number - (number >> bits - 1 << bits)

    def _product(self, m: Module, lane: int, step: Value, factors: Any) -> Value:
        constant = self._constant(self._multipliers, lane, self._multiplier_bits)
        m.submodules[f"multiply{lane}"] = multiply = Multiplier(
            factor_bits=self._multiplier_bits,
            bits=self._bits,
            style=self._multiplier,
            constant=constant,
        )
        label(multiply, f"multiply{lane}")
        m.d.comb += [multiply.step.eq(step), multiply.code.eq(self.i.payload.data[lane])]
        if constant is None:
            m.d.comb += multiply.factor.eq(factors.payload[lane])
        return multiply.product

    def _delayed(self, m: Module, lane: int, step: Value, offsets: Any) -> Value:
        """Let an offset arrive with its product; one that never changes is there already."""
        offset: Value = offsets.payload[lane]
        if self._constant(self._offsets, lane, self._offset_bits) is not None:
            return offset
        for stage in range(Multiplier.LATENCY):
            delayed = Signal(offset.shape(), name=f"offset{lane}_{stage}", reset_less=True)
            with m.If(step):
                m.d.sync += delayed.eq(offset)
            offset = delayed
        return offset

    def _clipped(self, result: Value) -> Value:
        if not self._clip:
            return result
        top = self._levels_out - 1
        return Mux(result < 0, 0, Mux(result > top, top, result))
