"""Matrices of small signed numbers: dense layers and convolutions with more than one weight bit."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .memories import Memories, load_ports
from .multiply import MULTIPLIERS, Multiplier
from .naming import label
from .popcount import balanced_sum
from .replay import ReplayBuffer
from .streams import port
from .vectors import check_folding, check_words, lead_in, lead_out

__all__ = ["IntArray", "IntMvtu"]

_TAGS = data.StructLayout({"there": 1, "first": 1, "final": 1, "last": 1})


def _check(given: dict[str, int], multiplier: str) -> None:
    for name, value in given.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(
                f"{name} of an integer array must be a positive integer, not {value!r}"
            )
    if multiplier not in MULTIPLIERS:
        raise ValueError(f"Multiplier must be one of {', '.join(MULTIPLIERS)}, not {multiplier!r}")


def _latency(simd: int) -> int:
    """Clocks from the last word of a vector to its sums, with `simd` columns at once."""
    return Multiplier.LATENCY + (simd - 1).bit_length() + 1


class IntArray(wiring.Component):
    """Multiply PE rows of signed weights with one vector of codes that comes in groups of SIMD.

    Takes one activation word and one weight word together, each clock. After `folds` of them one
    word with a sum for each PE leaves, `latency` clocks after the last one was taken: 2 for the
    products, one for each level of the tree that adds them, ceil(log2(simd)), and 1 for the
    accumulator. The next vector follows without a bubble. An offset is where a row's sum starts,
    and is taken with its first group. A stalled output stops the array, as an offset does that is
    not there; nothing is lost.

    Parameters
    ----------
    pe : int
        Rows.
    simd : int
        Columns computed at once.
    folds : int
        Words of a vector.
    weight_bits : int
        Width of a weight.
    bits : int
        Width of a code.
    bits_out : int
        Width of a sum; sums are modulo that width.
    multiplier : str
        Style of a `Multiplier`.

    Members
    -------
    i_activation : stream of word(simd, bits), in
        `last` with the word that ends a frame.
    i_weight : stream of ArrayLayout(ArrayLayout(signed(weight_bits), simd), pe), in
    i_offset : stream of ArrayLayout(unsigned(bits_out), pe), in
        One word a vector.
    o : stream of word(pe, bits_out), out
        `last` if the vector's last activation word had it.

    Raises
    ------
    ValueError
        If a number is below 1 or the style unknown.
    """

    def __init__(
        self,
        *,
        pe: int,
        simd: int,
        folds: int,
        weight_bits: int,
        bits: int,
        bits_out: int,
        multiplier: str = "dsp",
    ) -> None:
        _check({"PE": pe, "SIMD": simd, "folds": folds}, multiplier)
        _check({"weight_bits": weight_bits, "bits": bits, "bits_out": bits_out}, multiplier)
        self._pe = pe
        self._simd = simd
        self._folds = folds
        self._weight_bits = weight_bits
        self._bits = bits
        self._bits_out = bits_out
        self._multiplier = multiplier
        weights = data.ArrayLayout(data.ArrayLayout(signed(weight_bits), simd), pe)
        super().__init__(
            {
                "i_activation": In(port(simd, bits)),
                "i_weight": In(stream.Signature(weights)),
                "i_offset": In(stream.Signature(data.ArrayLayout(unsigned(bits_out), pe))),
                "o": Out(port(pe, bits_out)),
            }
        )

    @property
    def pe(self) -> int:
        """Rows."""
        return self._pe

    @property
    def simd(self) -> int:
        """Columns computed at once."""
        return self._simd

    @property
    def folds(self) -> int:
        """Words of a vector."""
        return self._folds

    @property
    def bits_out(self) -> int:
        """Width of a sum."""
        return self._bits_out

    @property
    def latency(self) -> int:
        """Clocks from the last word of a vector taken to its sums offered."""
        return _latency(self._simd)

    def elaborate(self, platform: object) -> Module:
        """Build the control in front, then the rows."""
        m = Module()
        step = Signal()
        summed = self._control(m, step)
        for row in range(self._pe):
            partial = self._row(m, row, step)
            total = self.o.payload.data[row]
            with m.If(step & summed.there):
                start = Mux(summed.first, self.i_offset.payload[row], total)
                m.d.sync += total.eq(start + partial)
        return m

    def _control(self, m: Module, step: Signal) -> Any:
        """Join the streams; return what goes with the sums that stand before the accumulator."""
        free = ~self.o.valid | self.o.ready
        taken = Signal()
        fold = Signal(range(self._folds))
        ends = fold == self._folds - 1
        tags = [Signal(_TAGS, name=f"tags{stage}") for stage in range(self.latency - 1)]
        summed = tags[-1]
        begins = Signal()
        m.d.comb += [
            begins.eq(summed.there & summed.first),
            step.eq(free & (self.i_offset.valid | ~begins)),
            self.i_offset.ready.eq(free & begins),
            self.i_activation.ready.eq(step & self.i_weight.valid),
            self.i_weight.ready.eq(step & self.i_activation.valid),
            taken.eq(self.i_activation.valid & self.i_weight.valid & step),
        ]
        with m.If(taken):
            m.d.sync += fold.eq(Mux(ends, 0, fold + 1))
        with m.If(free):
            m.d.sync += self.o.valid.eq(0)
        with m.If(step):
            m.d.sync += [
                tags[0].there.eq(taken),
                tags[0].first.eq(fold == 0),
                tags[0].final.eq(ends),
                tags[0].last.eq(self.i_activation.payload.last),
                *(after.eq(before) for before, after in zip(tags, tags[1:], strict=False)),
                self.o.valid.eq(summed.there & summed.final),
                self.o.payload.last.eq(summed.last),
            ]
        return summed

    def _row(self, m: Module, row: int, step: Signal) -> Value:
        """Build a row's multipliers; return the registered sum of their products."""
        parts: list[Value] = []
        for lane in range(self._simd):
            m.submodules[f"multiply{row}_{lane}"] = multiply = Multiplier(
                factor_bits=self._weight_bits, bits=self._bits, style=self._multiplier
            )
            m.d.comb += [
                multiply.step.eq(step),
                multiply.factor.eq(self.i_weight.payload[row][lane]),
                multiply.code.eq(self.i_activation.payload.data[lane]),
            ]
            parts.append(multiply.product)
        while len(parts) > 1:
            pairs = [parts[k : k + 2] for k in range(0, len(parts), 2)]
            name = f"sum{row}_of{len(parts)}"
            parts = [self._sum(m, f"{name}_{k}", pair, step) for k, pair in enumerate(pairs)]
        return parts[0]

    def _sum(self, m: Module, name: str, parts: list[Value], step: Signal) -> Value:
        """Register the sum of one or two numbers.

        Behind a register Yosys adds on carry chains. Adders that follow each other become one sum
        of many terms, which costs 492 cells instead of 276 for 16 products of 16 bits on ECP5.
        """
        total = balanced_sum(parts)
        # What is above the width of the result would be cut off anyway.
        width = min(len(total), self._bits_out)
        result = Signal(signed(width), name=name, reset_less=True)
        with m.If(step):
            m.d.sync += result.eq(total)
        return result


class IntMvtu(wiring.Component):
    """Multiply rows of signed weights with vectors of codes, and add an offset to each sum.

    With SF = ceil(columns / simd) and NF = ceil(rows / pe) a vector takes NF·SF clocks (II = 1)
    without a bubble between vectors, a frame `vectors` times as many. From the first input word
    taken to the first output word there are `latency` clocks if the input never pauses: SF − 1
    until the vector is in, 2 for the replay buffer where NF > 1, 3 + ceil(log2(simd)) for the
    array. The next vector is taken in while this one is replayed; a stalled output stops the array.

    With groups, vector number v of a frame meets the matrix of group v mod `groups`.

    Parameters
    ----------
    rows, columns : int
        Shape of a group's matrix.
    pe, simd : int
        Rows and columns computed at once.
    weights : sequence of int
        NF·SF words a group, synapse fold fastest and group slowest; lane s of PE p is the signed
        number at bit ``(p * simd + s) * weight_bits``; 0 in lanes past the last column.
    weight_bits : int
        Width of a weight.
    offsets : sequence of int
        NF words a group of a number for each PE, PE 0 in the low bits, each `bits_out` wide.
    bits : int
        Width of a code.
    bits_out : int
        Width of a sum; sums are modulo that width.
    vectors : int
        Vectors of a frame, those of all groups together.
    groups : int
        Matrices that take turns; a divisor of `vectors`.
    weight_style : str
        As in `RomStream`, or ``"ram"`` or ``"spram"`` as in `Memories`: weights and
        offsets are then loaded at run time.
    multiplier : str
        ``"dsp"`` or ``"lut"``, see `Multiplier`.

    Members
    -------
    i : stream of word(simd, bits), in
        SF words a vector; anything in lanes past the last column; `last` is not read.
    o : stream of word(pe, bits_out), out
        NF words a vector, `last` with the last one of a frame. Lanes past the last row carry their
        offset plus what their weights give: 0 if both are 0.
    i_load, o_load : stream of word(1, 16), in and out
        As in `WritableStream`, where the style has them: weights, then offsets.

    Raises
    ------
    ValueError
        If a parameter is out of range or the number of words does not suit the folding.
    """

    def __init__(
        self,
        *,
        rows: int,
        columns: int,
        pe: int,
        simd: int,
        weights: Sequence[int],
        weight_bits: int,
        offsets: Sequence[int],
        bits: int,
        bits_out: int,
        vectors: int = 1,
        groups: int = 1,
        weight_style: str = "auto",
        multiplier: str = "dsp",
    ) -> None:
        check_folding(
            "Integer MVTU",
            rows=rows, columns=columns, pe=pe, simd=simd, vectors=vectors, groups=groups,
        )  # fmt: skip
        _check({"weight_bits": weight_bits, "bits": bits, "bits_out": bits_out}, multiplier)
        self.synapse_folds = -(-columns // simd)
        self.neuron_folds = -(-rows // pe)
        check_words("Integer MVTU", "weight", weights, groups * self.cycles)
        check_words("Integer MVTU", "offset", offsets, groups * self.neuron_folds)
        self._bits, self._vectors = bits, vectors
        self._weights, self._offsets = tuple(weights), tuple(offsets)
        self._weight_style = weight_style
        self._array = {"pe": pe, "simd": simd, "weight_bits": weight_bits, "bits": bits}
        self._array |= {"bits_out": bits_out}
        self._simd, self._multiplier = simd, multiplier
        members = {"i": In(port(simd, bits)), "o": Out(port(pe, bits_out))}
        super().__init__(members | load_ports(weight_style))

    @property
    def cycles(self) -> int:
        """Clocks a vector: NF·SF."""
        return self.neuron_folds * self.synapse_folds

    @property
    def latency(self) -> int:
        """Clocks from the first word taken to the first word offered."""
        replay = ReplayBuffer.LATENCY if self.neuron_folds > 1 else 0
        return self.synapse_folds - 1 + replay + _latency(self._simd)

    def elaborate(self, platform: object) -> Module:
        """Build the array, its weights and its offsets."""
        m = Module()
        m.submodules.array = array = IntArray(
            folds=self.synapse_folds, multiplier=self._multiplier, **self._array
        )
        label(array, "array")
        memories = Memories(m, self, self._weight_style)
        memories.stream("weights", self._weights, array.i_weight)
        memories.stream("constants", self._offsets, array.i_offset, small=True)
        memories.close()
        lead_in(
            m,
            self.i,
            array.i_activation,
            words=self.synapse_folds,
            repeats=self.neuron_folds,
            bits=self._bits,
        )
        lead_out(m, array.o, self.o, vectors=self._vectors)
        return m
