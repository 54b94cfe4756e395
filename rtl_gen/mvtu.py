"""The matrix-vector-threshold unit: one dense or convolution layer, folded onto PE × SIMD lanes."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from bnnhw.fold.array import REORDER, behind_clocks, fuses, unit_room
from bnnhw.fold.folding import WRITABLE
from bnnhw.fold.memory import BLOCK_FOLDS

from .core import ArrayCore
from .feed import Feed
from .feed_held import HeldFeed
from .in_order import InOrder
from .memories import Memories, load_ports
from .naming import label
from .room import Room
from .search import SearchThreshold
from .streams import port
from .threshold import OffsetUnit, ThresholdUnit
from .vectors import check_folding, check_words, lead_out

__all__ = ["Mvtu"]


class Mvtu(wiring.Component):
    """Multiply ±1 rows with vectors of small codes; levels reached leave, or counts.

    With SF = ceil(columns / simd) and NF = ceil(rows / pe) a vector takes NF·SF clocks (II = 1)
    without a bubble between vectors, a frame `vectors` times as many. From the first input word
    taken to the first output word there are `latency` clocks if the input never pauses::

        SF - 1 + (NF > 1) + C + (1 if SF >= C + 3 else 2), with C = 1 + core + behind

    `core` is that of `ArrayCore`; `behind` is 0 for counts and for one fixed threshold, else 1, and
    ``levels.bit_length()`` with `search`. The next vector is taken in while one is read again.

    Nothing stops the array. A vector's last group goes only if there is one of `depth` places for
    its result; so a stalled output stops groups, not registers, and no path leads from `o.ready` to
    the array, nor combinationally to `i.ready`.

    With groups, vector number v of a frame meets the matrix of group v mod `groups`: the words of
    weights and numbers go on from group to group, and nothing else is there once a group. A
    depthwise convolution has one row and as many groups as channels.

    With `hold`, so many vectors take turns at each word of weights, which then comes from a memory
    that is as much narrower. They are read once all of them are there, and their results are put
    into order again where NF > 1. The frame takes as many clocks as without; `latency` is then
    ``hold * (2 * SF - 1) + C + 2`` with NF = 1, and ``hold * SF * (NF + 1) + C + 3`` with NF > 1.

    Parameters
    ----------
    rows, columns : int
        Shape of a group's matrix (MH, MW).
    pe, simd : int
        Rows and columns computed at once.
    weights : sequence of int
        NF·SF words a group, synapse fold fastest and group slowest; element s of PE p at bit
        ``p * simd + s``; 1 in lanes past the last column.
    thresholds : sequence of int or None
        NF words a group of `levels` thresholds a PE, PE 0 in the low bits, each `threshold_bits`
        wide.
    offsets : sequence of int or None
        Without thresholds: NF words a group of a number for each PE that is added to its count,
        each `bits_out` wide; sums are modulo that width.
    weight_style : str
        As in `RomStream`, or ``"ram"`` or ``"spram"`` as in `Memories`: weights, and thresholds or
        offsets, are then loaded at run time.
    bits, masked : int, bool
        Of an activation, see `PEArray`.
    levels : int
        Thresholds of a row.
    bits_out : int or None
        Width of a sum with offsets.
    vectors : int
        Vectors of a frame, those of all groups together.
    groups : int
        Matrices that take turns; a divisor of `vectors`.
    search : bool
        Thresholds are searched as in `SearchThreshold`, not compared all at once.
    every : int
        Levels of adders between registers, see `bnnhw.fold.pipeline`.
    hold : int
        Vectors for which a word of weights is held, a divisor of `vectors`; 1 with groups, and
        where weights are loaded at run time.
    replay : str
        As `style` of `Feed`.

    Members
    -------
    i : stream of word(simd, bits) or masked_word(simd, bits), in
        SF words a vector; 0 in lanes past the last column; `last` is not read.
    o : stream of word(pe, …), out
        NF words a vector, `last` with the last one of a frame: codes 0 … levels, sums, or counts of
        `count_bits`. Lanes past the last row carry 0 as codes, and anything as counts.
    i_load, o_load : stream of word(1, 16), in and out
        As in `WritableStream`, where the style has them: weights, then thresholds or offsets.

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
        thresholds: Sequence[int] | None = None,
        offsets: Sequence[int] | None = None,
        weight_style: str = "auto",
        bits: int = 1,
        masked: bool = False,
        levels: int = 1,
        bits_out: int | None = None,
        vectors: int = 1,
        groups: int = 1,
        search: bool = False,
        every: int = 0,
        hold: int = 1,
        replay: str = "auto",
    ) -> None:
        check_folding(
            "MVTU",
            rows=rows, columns=columns, pe=pe, simd=simd, vectors=vectors, groups=groups,
        )  # fmt: skip
        self._rows, self._columns = rows, columns
        self._pe, self._simd = pe, simd
        self._bits, self._masked = bits, masked
        self._levels, self._vectors, self._groups = levels, vectors, groups
        self._weights = tuple(weights)
        self._thresholds = None if thresholds is None else tuple(thresholds)
        self._offsets = None if offsets is None else tuple(offsets)
        self._weight_style = weight_style
        self._search = search
        self._every, self._hold, self._replay = every, hold, replay
        self._check_hold()
        self.synapse_folds = -(-columns // simd)
        self.neuron_folds = -(-rows // pe)
        self._check_words()
        if self._thresholds is not None:
            self._bits_out = levels.bit_length()
        else:
            self._bits_out = self.count_bits if bits_out is None else bits_out
        behind = behind_clocks(
            thresholds=thresholds is not None,
            offsets=offsets is not None,
            levels=levels,
            search=search,
            weight_style=weight_style,
        )
        self._room = unit_room(
            folds=self.synapse_folds, simd=simd, every=every, behind=behind, hold=hold
        )
        members = {"i": In(port(simd, bits, masked=masked)), "o": Out(port(pe, self._bits_out))}
        super().__init__(members | load_ports(weight_style))

    def _check_hold(self) -> None:
        if not isinstance(self._hold, int) or self._hold < 1 or self._vectors % self._hold:
            raise ValueError(
                f"MVTU hold must be a divisor of its {self._vectors} vectors, not {self._hold!r}"
            )
        if self._hold > 1 and (self._groups > 1 or self._weight_style in WRITABLE):
            raise ValueError("MVTU with groups or weights that are loaded must have a hold of 1")

    def _check_words(self) -> None:
        results = self._groups * self.neuron_folds
        check_words("MVTU", "weight", self._weights, self._groups * self.cycles)
        check_words("MVTU", "threshold", self._thresholds, results)
        check_words("MVTU", "offset", self._offsets, results)
        if self._thresholds is not None and self._offsets is not None:
            raise ValueError("MVTU must have thresholds or offsets, not both")

    @property
    def largest(self) -> int:
        """Largest count of a row."""
        return self._columns * ((1 << self._bits) - 1) << self._masked

    @property
    def count_bits(self) -> int:
        """Width of a count."""
        return self.largest.bit_length()

    @property
    def threshold_bits(self) -> int:
        """Width of a threshold 0 … largest + 1."""
        return (self.largest + 1).bit_length()

    @property
    def cycles(self) -> int:
        """Clocks a vector: NF·SF."""
        return self.neuron_folds * self.synapse_folds

    @property
    def fused(self) -> bool:
        """Whether sums start at minus their threshold, so that their sign is the result."""
        return self._thresholds is not None and fuses(
            levels=self._levels, search=self._search, weight_style=self._weight_style
        )

    @property
    def depth(self) -> int:
        """Results for which there is room."""
        return self._room[0]

    @property
    def latency(self) -> int:
        """Clocks from the first word taken to the first word offered."""
        folds, hold = self.synapse_folds, self._hold
        if hold == 1:
            return folds - 1 + (self.neuron_folds > 1) + self._room[1]
        # A whole lot comes in; its first result leaves as one of few, or when it is in order.
        taken = hold * folds - 1 + 1
        if self.neuron_folds == 1:
            return taken + hold * (folds - 1) + self._room[1]
        return taken + hold * folds * self.neuron_folds - 1 + self._room[1] + REORDER

    def elaborate(self, platform: object) -> Module:
        """Build the way in, the core, its memories, what comes behind it, and the room."""
        m = Module()
        # Where words are registered, the registers are those of the memories.
        late = hasattr(platform, "block_ram_shapes")
        both = late and not self._masked and (self.neuron_folds > 1 or self._hold > 1)
        m.submodules.feed = feed = self._feed(late=both)
        label(feed, "feed")
        wiring.connect(m, wiring.flipped(self.i), feed.i)
        m.submodules.core = core = ArrayCore(
            pe=self._pe,
            simd=self._simd,
            bits=self._bits,
            masked=self._masked,
            total_bits=self.count_bits + self.fused,
            starts=self.fused,
            every=self._every,
            late="both" if both else "weight" if late else "",
            inverted=late and self._weight_style not in WRITABLE,
            hold=self._hold,
        )
        label(core, "core")
        m.d.comb += [core.tags.eq(feed.tags), core.activation.eq(feed.data)]
        memories = Memories(m, self, self._weight_style)
        # The word that goes with a group is taken a clock later, together with it: a memory that
        # offers one goes on doing so.
        there = self._weigh(m, memories, core, feed, late=late)
        m.submodules.room = room = Room(shape=self.o.payload.shape(), depth=self.depth)
        label(room, "room")
        numbers = self._behind(m, memories, core, room)
        memories.close()
        m.d.comb += [
            feed.go.eq(there & numbers & (room.free | ~feed.final)),
            room.take.eq(feed.go & feed.there & feed.final),
        ]
        self._lead_out(m, room.o)
        return m

    def _feed(self, *, late: bool) -> Feed:
        given: dict[str, Any] = {
            "words": self.synapse_folds,
            "lanes": self._simd,
            "repeats": self.neuron_folds,
            "bits": self._bits,
            "masked": self._masked,
            "late": late,
            "style": self._replay,
        }
        return Feed(**given) if self._hold == 1 else HeldFeed(**given, hold=self._hold)

    def _lead_out(self, m: Module, result: Any) -> None:
        """Lead results out, those of vectors that took turns in the vectors' own order."""
        if self._hold > 1 and self.neuron_folds > 1:
            m.submodules.order = order = InOrder(
                lanes=self._pe, bits=self._bits_out, folds=self.neuron_folds, vectors=self._hold
            )
            label(order, "order")
            wiring.connect(m, result, order.i)
            result = order.o
        lead_out(m, result, self.o, vectors=self._vectors // self._hold)

    def _weigh(
        self, m: Module, memories: Memories, core: ArrayCore, feed: Feed, *, late: bool
    ) -> Value:
        """Build the memory of weights; return whether it offers one."""
        shape = core.weight.shape()
        if late:
            ones = 0
            if self._weight_style not in WRITABLE:
                ones = (1 << self._pe * self._simd) - 1
            words = [word ^ ones for word in self._weights]
            rom = memories.late("weights", words, shape, hold=self._hold)
            m.d.comb += [rom.take.eq(feed.tags.there), core.weight.eq(rom.word)]
            return rom.there
        weights = stream.Signature(shape).create(path=("weights",))
        memories.stream("weights", self._weights, weights)
        m.d.comb += [
            weights.ready.eq(feed.tags.there & self._turns(m, feed)),
            core.weight.eq(weights.payload),
        ]
        return self._offered(weights.valid)

    def _turns(self, m: Module, feed: Feed) -> Value:
        """Say that the last of the vectors that share a word meets it."""
        if self._hold == 1:
            return Const(1)
        vector = Signal(range(self._hold))
        latest = vector == self._hold - 1
        with m.If(feed.tags.there):
            m.d.sync += vector.eq(Mux(latest, 0, vector + 1))
        return latest

    def _offered(self, valid: Value) -> Value:
        """Say that a memory which is not loaded offers a word by the time at which it is taken."""
        return valid if self._weight_style in WRITABLE else Const(1)

    def _behind(self, m: Module, memories: Memories, core: ArrayCore, room: Room) -> Value:
        """Build what comes behind the sums; return whether its numbers are there."""
        counted = port(self._pe, self.count_bits).create(path=("counted",))
        m.d.comb += [
            counted.valid.eq(core.valid),
            counted.payload.data.eq(core.total),
            counted.payload.last.eq(core.last),
        ]
        result: Any = counted
        unit: Any
        numbers: Value = Const(1)
        if self.fused:
            words, shape = self._starts(), core.start.shape()
            starts = memories.late("starts", words, shape, small=True, hold=self._hold)
            m.d.comb += [starts.take.eq(core.take_start), core.start.eq(starts.word)]
            numbers = starts.there
        elif self._thresholds is not None and self._search:
            m.submodules.threshold = unit = self._searching()
            label(unit, "threshold")
            result = self._through(m, counted, unit)
        elif self._thresholds is not None:
            m.submodules.threshold = unit = ThresholdUnit(
                lanes=self._pe,
                bits=self.count_bits,
                threshold_bits=self.threshold_bits,
                levels=self._levels,
            )
            label(unit, "threshold")
            words = self._repeated(self._thresholds)
            memories.stream("levels", words, unit.i_threshold, small=True)
            numbers = self._offered(unit.i_threshold.valid)
            result = self._through(m, counted, unit)
        elif self._offsets is not None:
            m.submodules.offset = unit = OffsetUnit(
                lanes=self._pe, bits=self.count_bits, bits_out=self._bits_out
            )
            label(unit, "offset")
            words = self._repeated(self._offsets)
            memories.stream("constants", words, unit.i_offset, small=True)
            numbers = self._offered(unit.i_offset.valid)
            result = self._through(m, counted, unit)
        m.d.comb += [room.push.eq(result.valid), room.payload.last.eq(result.payload.last)]
        for row in range(self._pe):
            data = ~core.total[row][-1] if self.fused else result.payload.data[row]
            m.d.comb += room.payload.data[row].eq(data)
        return numbers

    def _starts(self) -> list[int]:
        """Give the numbers with which sums start: minus the thresholds, modulo their width."""
        words = []
        width, total = self.threshold_bits, self.count_bits + 1
        for word in self._thresholds or ():
            levels = [word >> row * width & (1 << width) - 1 for row in range(self._pe)]
            words.append(sum((-t & (1 << total) - 1) << k * total for k, t in enumerate(levels)))
        return words

    def _repeated(self, words: Sequence[int]) -> list[int]:
        """Give a number to each of the vectors that take turns."""
        return [word for word in words for _ in range(self._hold)]

    def _searching(self) -> SearchThreshold:
        assert self._thresholds is not None
        return SearchThreshold(
            lanes=self._pe,
            bits=self.count_bits,
            threshold_bits=self.threshold_bits,
            levels=self._levels,
            thresholds=self._repeated(self._thresholds),
            style="block" if len(self._thresholds) >= BLOCK_FOLDS else "auto",
        )

    @staticmethod
    def _through(m: Module, counted: Any, unit: Any) -> Any:
        """Lead sums through a unit that is never stopped, as there is room behind it."""
        m.d.comb += [
            unit.i.valid.eq(counted.valid),
            unit.i.payload.eq(counted.payload),
            unit.o.ready.eq(1),
        ]
        return unit.o
