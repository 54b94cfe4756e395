"""Vectors that take turns at an array, so that a word of weights serves all of them."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from .core import TAGS
from .feed import Feed
from .level import Level

__all__ = ["HeldFeed"]


class HeldFeed(Feed):
    """Offer word 0 of `hold` vectors, then word 1 of each, all of them `repeats` times.

    As `Feed` where vectors are read repeatedly, but for the order: of the words of a lot of vectors
    the vector is the fastest index. Words are written where they will be read, into one of two
    banks, which is read once it is full: a word can go at the clock after that at which the last
    one of its lot was taken. One group a clock, without a bubble between lots, as long as lots are
    there: a lot takes ``hold * words * repeats`` clocks, a frame of V vectors
    ``V * words * repeats``. Without `go` everything stands still, but for the other bank, which
    fills.

    Parameters
    ----------
    words, lanes, repeats, bits, masked, late, style
        As `Feed` has them; `words` are those of one vector.
    hold : int
        Vectors of a lot, at least 2.

    Members
    -------
    i, go, there, data
        As of `Feed`.
    final : Out(1)
        The group is the last one of its vector; from a flip-flop.
    tags : Out(TAGS)
        `first` and `final` are those of the group's own vector; `last` marks the last group of a
        lot's last turn.

    Raises
    ------
    ValueError
        If a parameter is below 1, `hold` below 2, or masked words are to be late.
    """

    def __init__(
        self,
        *,
        words: int,
        hold: int,
        lanes: int,
        repeats: int = 1,
        bits: int = 1,
        masked: bool = False,
        late: bool = False,
        style: str = "auto",
    ) -> None:
        super().__init__(
            words=words, lanes=lanes, repeats=repeats, bits=bits, masked=masked, late=late,
            style=style,
        )  # fmt: skip
        if not isinstance(hold, int) or hold < 2:
            raise ValueError(f"Feed hold must be an integer of at least 2, not {hold!r}")
        self._hold = hold

    @property
    def hold(self) -> int:
        """Vectors of a lot."""
        return self._hold

    @property
    def latency(self) -> int:
        """Clocks from the last word of a lot taken to its first group that can go."""
        return 1

    @property
    def _banked(self) -> bool:
        return True

    @property
    def _size(self) -> int:
        return self._words * self._hold

    @property
    def _span(self) -> int:
        return (self._size - 1).bit_length()

    def elaborate(self, platform: object) -> Module:
        """Build writer and reader of the two banks, and the tags."""
        m = Module()
        at, bank = Signal(self._span), Signal()
        first, final = Signal(init=1), Signal(init=self._words == 1)
        taken, passed = Signal(), Signal()
        latest = self._turns(m, passed)
        tags = Signal(TAGS)
        put, writes, whole = self._write(m)
        m.submodules.filled = filled = Level(limit=2)
        m.submodules.banks = banks = Level(limit=2, init=2)
        m.d.comb += [
            taken.eq(self.go & self.there),
            passed.eq(taken & (at == self._size - 1)),
            self.there.eq(filled.some),
            self.i.ready.eq(banks.some),
            self.final.eq(final),
            self.tags.eq(tags),
            put.eq(self.i.valid & banks.some),
            filled.up.eq(put & whole),
            filled.down.eq(passed & latest),
            banks.up.eq(passed & latest),
            banks.down.eq(put & whole),
        ]
        m.d.sync += [
            tags.there.eq(taken),
            tags.first.eq(first),
            tags.final.eq(final),
            tags.last.eq(passed & latest),
        ]
        with m.If(taken):
            m.d.sync += at.eq(Mux(passed, 0, at + 1))
            # The first group of every vector, and the final one: the first and last `hold` ones.
            m.d.sync += first.eq(passed | (first & (at != self._hold - 1)))
            if self._words > 1:
                m.d.sync += final.eq(~passed & (final | (at == self._size - self._hold - 1)))
        with m.If(passed & latest):
            m.d.sync += bank.eq(~bank)
        self._lead(m, platform, self._memory(m, platform, put, writes, Cat(at, bank)))
        return m

    def _turns(self, m: Module, passed: Value) -> Value:
        """Count the turns of a lot; say whether it is the last one."""
        if self._repeats == 1:
            return Const(1)
        turn, latest = Signal(range(self._repeats)), Signal()
        with m.If(passed):
            m.d.sync += [
                turn.eq(Mux(latest, 0, turn + 1)),
                latest.eq(~latest & (turn == self._repeats - 2)),
            ]
        return latest

    def _write(self, m: Module) -> tuple[Signal, Value, Value]:
        """Count where words go; give the write, its address, and whether it fills the bank."""
        put = Signal()
        vector, place = Signal(range(self._hold)), Signal(range(self._words))
        address, bank = Signal(self._span), Signal()
        ends, whole = place == self._words - 1, Signal()
        m.d.comb += whole.eq(ends & (vector == self._hold - 1))
        with m.If(put):
            m.d.sync += [place.eq(place + 1), address.eq(address + self._hold)]
            with m.If(ends):
                m.d.sync += [place.eq(0), vector.eq(vector + 1), address.eq(vector + 1)]
            with m.If(whole):
                m.d.sync += [vector.eq(0), address.eq(0), bank.eq(~bank)]
        return put, Cat(address, bank), whole
