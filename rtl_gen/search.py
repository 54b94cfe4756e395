"""Multi-level thresholds by binary search: one comparator a bit of the result, not a level."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .naming import label
from .rom import STYLES, RomStream
from .streams import port

__all__ = ["SearchThreshold", "stage_tables"]


def stage_tables(
    words: Sequence[int], *, lanes: int, levels: int, threshold_bits: int
) -> list[list[list[int]]]:
    """Sort the thresholds of each channel, and give every stage of a search those it may ask for.

    With n = bits_for(levels), stage s knows the s upper bits of the result, c. It compares with the
    threshold that stands in the middle of those that are left, number ``(2c + 1) * 2**(n-1-s) - 1``
    of the sorted ones.

    Parameters
    ----------
    words : sequence of int
        One word for each fold: `levels` thresholds for each lane, those of lane 0 lowest, each
        `threshold_bits` wide, in any order. As `ThresholdUnit` takes them.
    lanes, levels, threshold_bits : int
        As in `SearchThreshold`.

    Returns
    -------
    list of list of list of int
        ``[stage][lane][fold << stage | c]``.
    """
    stages = levels.bit_length()
    mask = (1 << threshold_bits) - 1
    tables: list[list[list[int]]] = [[[] for _ in range(lanes)] for _ in range(stages)]
    for word in words:
        for lane in range(lanes):
            low = lane * levels
            ordered = sorted(
                word >> number * threshold_bits & mask for number in range(low, low + levels)
            )
            for stage, table in enumerate(tables):
                half = 1 << (stages - 1 - stage)
                table[lane] += ordered[half - 1 :: 2 * half]
    return tables


class SearchThreshold(wiring.Component):
    """Say of each lane's count how many of its thresholds it reaches, by binary search.

    One word a clock; latency n for ``levels = 2**n - 1``: each clock finds a bit of the result,
    the highest first. All stages move together, and a stalled output holds them all. The words of a
    pixel or vector take the thresholds in order, and the next one begins again.

    The results are those of a `ThresholdUnit`. It needs n comparators a lane instead of 2**n - 1,
    and as many bits of thresholds; but behind the first stage each lane looks up its own address,
    so stage s has a memory of ``folds * 2**s`` thresholds for each lane. See
    `bnnhw.fold.memory.prefers_search`.

    Parameters
    ----------
    lanes : int
        Counts of a word.
    bits : int
        Width of a count.
    threshold_bits : int
        Width of a threshold; a threshold above every count never fires, 0 always does.
    levels : int
        Thresholds of a lane: 1, 3, 7, 15, …
    thresholds : sequence of int
        A word for each fold: `levels` thresholds for each lane, those of lane 0 lowest.
    style : str
        Of all memories, as in `RomStream`.

    Members
    -------
    i : stream of word(lanes, bits), in
    o : stream of word(lanes, bits_for(levels + 1)), out
        `last` as it came in.

    Raises
    ------
    ValueError
        If a parameter is below 1, `levels` is not a power of two less 1, there is no word of
        thresholds or one that does not fit, or the style is unknown.
    """

    def __init__(
        self,
        *,
        lanes: int,
        bits: int,
        threshold_bits: int,
        levels: int,
        thresholds: Sequence[int],
        style: str = "auto",
    ) -> None:
        given = {"lanes": lanes, "bits": bits, "threshold_bits": threshold_bits, "levels": levels}
        for name, value in given.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Search {name} must be a positive integer, not {value!r}")
        if levels & (levels + 1):
            raise ValueError(f"Search levels must be a power of two less 1, not {levels!r}")
        if not thresholds:
            raise ValueError("Search thresholds must be at least one word, not none")
        width = lanes * levels * threshold_bits
        for word in thresholds:
            if not isinstance(word, int) or not 0 <= word < 1 << width:
                raise ValueError(f"Search thresholds must fit {width} bits, not {word!r}")
        if style not in STYLES:
            raise ValueError(f"Search style must be one of {', '.join(STYLES)}, not {style!r}")
        self._style = style
        self._lanes = lanes
        self._bits = bits
        self._threshold_bits = threshold_bits
        self._levels = levels
        self._thresholds = tuple(thresholds)
        super().__init__({"i": In(port(lanes, bits)), "o": Out(port(lanes, self.latency))})

    @property
    def lanes(self) -> int:
        """Counts of a word."""
        return self._lanes

    @property
    def bits(self) -> int:
        """Width of a count."""
        return self._bits

    @property
    def threshold_bits(self) -> int:
        """Width of a threshold."""
        return self._threshold_bits

    @property
    def levels(self) -> int:
        """Thresholds of a lane."""
        return self._levels

    @property
    def folds(self) -> int:
        """Words of thresholds."""
        return len(self._thresholds)

    @property
    def style(self) -> str:
        """Where the thresholds lie."""
        return self._style

    @property
    def latency(self) -> int:
        """Clock edges from a word in to its result: the bits of the result."""
        return self._levels.bit_length()

    def elaborate(self, platform: object) -> Module:
        """Build the stages: each compares, and asks the next stage's memories with what it found.

        The first stage's thresholds do not depend on the count, so they are streamed ahead of it.
        """
        m = Module()
        tables = stage_tables(
            self._thresholds,
            lanes=self._lanes,
            levels=self._levels,
            threshold_bits=self._threshold_bits,
        )
        m.submodules.first = first = RomStream(
            words=[self._joined(column) for column in zip(*tables[0], strict=True)],
            width=self._lanes * self._threshold_bits,
            style=self._style,
        )
        label(first, "first")
        step = ~self.o.valid | self.o.ready
        m.d.comb += [
            self.i.ready.eq(step & first.o.valid),
            first.o.ready.eq(step & self.i.valid),
        ]

        valid: Value = self.i.valid & first.o.valid
        last: Value = self.i.payload.last
        fold = self._fold(m, step & valid)
        counts: list[Value] = [self.i.payload.data[lane] for lane in range(self._lanes)]
        codes: list[Value] = [Cat() for _ in counts]
        asked = [
            first.o.payload.word_select(lane, self._threshold_bits) for lane in range(self._lanes)
        ]
        for stage in range(self.latency):
            codes = [
                Cat(count >= threshold, code)
                for count, threshold, code in zip(counts, asked, codes, strict=True)
            ]
            if stage == self.latency - 1:
                break
            asked = self._ask(m, stage + 1, tables[stage + 1], fold, codes, step)
            at = f"_{stage + 1}"
            valid, *_ = self._later(m, f"valid{at}", [valid], step, reset_less=False)
            last, *_ = self._later(m, f"last{at}", [last], step)
            fold, *_ = self._later(m, f"fold{at}", [fold], step)
            counts = self._later(m, f"count{at}", counts, step)
            codes = self._later(m, f"code{at}", codes, step)
        with m.If(step):
            m.d.sync += [self.o.valid.eq(valid), self.o.payload.last.eq(last)]
            m.d.sync += [self.o.payload.data[k].eq(code) for k, code in enumerate(codes)]
        return m

    def _joined(self, thresholds: Sequence[int]) -> int:
        bits = self._threshold_bits
        return sum(value << lane * bits for lane, value in enumerate(thresholds))

    def _fold(self, m: Module, step: Value) -> Value:
        """Count the words of a pixel."""
        fold = Signal(range(self.folds))
        with m.If(step):
            m.d.sync += fold.eq(fold + 1)
            with m.If(fold == self.folds - 1):
                m.d.sync += fold.eq(0)
        return fold

    @staticmethod
    def _later(
        m: Module, name: str, values: Sequence[Value], step: Value, *, reset_less: bool = True
    ) -> list[Value]:
        """Register what goes on to the next stage."""
        kept = [
            Signal(len(value), name=f"{name}_{at}", reset_less=reset_less)
            for at, value in enumerate(values)
        ]
        with m.If(step):
            m.d.sync += [place.eq(value) for place, value in zip(kept, values, strict=True)]
        return list(kept)

    def _ask(
        self,
        m: Module,
        stage: int,
        tables: Sequence[Sequence[int]],
        fold: Value,
        codes: Sequence[Value],
        step: Value,
    ) -> list[Value]:
        """Look up the thresholds of a stage: the memory's output register is the stage's own."""
        attrs = {"lut": {"rom_style": "logic"}, "block": {"rom_style": "block"}, "auto": {}}
        found: list[Value] = []
        for lane, (table, code) in enumerate(zip(tables, codes, strict=True)):
            memory: Memory[Any, Any] = Memory(
                shape=self._threshold_bits, depth=len(table), init=table, attrs=attrs[self._style]
            )
            m.submodules[f"table_{stage}_{lane}"] = memory
            read = memory.read_port()
            m.d.comb += [read.addr.eq(Cat(code, fold)), read.en.eq(step)]
            found.append(read.data)
        return found
