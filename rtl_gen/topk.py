"""The classes that score best, found while the logits pass."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from .argmax import Argmax

__all__ = ["TopK"]


class TopK(Argmax):
    """Send the `k` best of each frame's classes, best first, with the codes of their logits.

    Class c scores ``(multipliers[c] * code + offsets[c]) >> shift``; of equal ones the first is
    better. One word per clock comes in, ``cycles = classes`` per frame without a bubble: the best
    so far are kept in order in a chain of `k` registers, and leave from another while the next
    frame comes in. The first word leaves `stages` clocks after the frame's last word was taken, as
    many as `Argmax` has: 1 where classes differ in offsets alone, otherwise 3. While `o` stalls,
    `i` is taken until the next frame's result is ready; then it waits, and `i.ready` follows
    `o.ready`. `i.last` is not read: words are counted.

    Parameters
    ----------
    k : int
        Classes that are sent, at most `classes`.
    **scores
        `classes`, `bits`, `offsets`, `multipliers` and `shift` as `Argmax` has them.

    Members
    -------
    i : stream of word(1, bits), in
        The code of one logit a word, class 0 first.
    o : stream of result(bits, index_bits), out
        The code of a logit and its class, `k` words a frame.

    Raises
    ------
    ValueError
        If `k` is not from 1 to `classes`, or as `Argmax` says.
    """

    def __init__(self, *, k: int, **scores: Any) -> None:
        super().__init__(**scores)
        if not isinstance(k, int) or not 1 <= k <= self.classes:
            raise ValueError(f"TopK k must be an integer from 1 to {self.classes}, not {k!r}")
        self._k = k

    @property
    def k(self) -> int:
        """Classes that are sent."""
        return self._k

    @property
    def cycles(self) -> int:
        """Clock cycles per frame, when nothing stalls."""
        return self.classes

    @property
    def stages(self) -> int:
        """Clocks from a frame's last word taken to its first word offered."""
        return super().latency

    @property
    def latency(self) -> int:
        """Clock edges from the first word in to the first word out, when nothing stalls."""
        return self.classes - 1 + self.stages

    def elaborate(self, platform: Any) -> Module:
        """Build the class counter, the score, the chain of the best, and the way out."""
        m = Module()
        step, final = Signal(), Signal()
        left = Signal(range(self._k + 1))
        # Only the end of a frame needs the way out to be free.
        free = (left == 0) | ((left == 1) & self.o.ready)
        m.d.comb += [step.eq(~final | free), self.o.valid.eq(left != 0)]

        scored, score = self._score(m, self._counted(m, step), step)
        m.d.comb += final.eq(scored.there & (scored.index == self.classes - 1))
        better = self._rank(m, scored, score, scored.there & step)

        size = self.bits + self.index_bits
        shown = [Signal(size, name=f"shown{j}", reset_less=True) for j in range(self._k)]
        m.d.comb += [
            Cat(self.o.payload.data, self.o.payload.index).eq(shown[0]),
            self.o.payload.last.eq(left == 1),
        ]
        with m.If(final & free):
            m.d.sync += left.eq(self._k)
            m.d.sync += [entry.eq(new) for entry, new in zip(shown, better, strict=True)]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += left.eq(left - 1)
            m.d.sync += [entry.eq(new) for entry, new in zip(shown, shown[1:], strict=False)]
        return m

    def _rank(self, m: Module, scored: Any, score: Value, take: Value) -> list[Value]:
        """Keep the best so far in order; give what they are with this word among them.

        An entry is the code, above it the class, and above that the score where the code is not the
        score itself. Before word n there are n entries.
        """
        code, index = scored.code, scored.index
        below = self.bits + self.index_bits
        entry = Cat(code, index) if self._plain else Cat(code, index, score)
        ranked = [Signal(len(entry), name=f"ranked{j}", reset_less=True) for j in range(self._k)]
        better = [Signal(len(entry), name=f"better{j}") for j in range(self._k)]
        after: Value = Const(0, 1)
        above: Value = Const(0, len(entry))
        for j, (old, new) in enumerate(zip(ranked, better, strict=True)):
            beaten = (index <= j) | (score > (old[: self.bits] if self._plain else old[below:]))
            m.d.comb += new.eq(Mux(after, above, Mux(beaten, entry, old)))
            with m.If(take):
                m.d.sync += old.eq(new)
            after, above = beaten, old
        return [new[:below] for new in better]
