"""Words that serve several groups each, out of a memory that may be as much narrower."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .copies import REACH, copies
from .late import LateRom
from .naming import label
from .rom import check_rom

__all__ = ["HeldRom", "parts_of"]


def parts_of(words: Sequence[int], width: int, hold: int) -> tuple[list[int], int]:
    """Cut words into `hold` parts each, the low bits first; give them and their width."""
    part = -(-width // hold)
    mask = (1 << part) - 1
    return [word >> part * k & mask for word in words for k in range(hold)], part


class HeldRom(wiring.Component):
    """The words of a memory like those of a `LateRom`, each taken `hold` times in turn.

    The memory is ``ceil(width / hold)`` wide: while a word is taken, the next one is collected from
    it, a part at each take. So the words of an array need as many fewer bits a clock, hence fewer
    block RAMs side by side. `there` rises ``hold + 1`` clocks after the memory has words.

    Parameters
    ----------
    words, width, style
        As in `RomStream`.
    hold : int
        Times that a word is taken, at least 2.
    split : bool
        Whether the memory is narrower; otherwise it holds whole words, and one is fetched when the
        last one is taken for the last time.

    Members
    -------
    take : In(1)
    there : Out(1)
        As of a `LateRom`.
    word : Out(width)
        What was taken, for one clock after each take.

    Raises
    ------
    ValueError
        If `hold` is below 2, or the rest is no ROM.
    """

    def __init__(
        self,
        *,
        words: Sequence[int],
        width: int,
        hold: int,
        style: str = "auto",
        split: bool = True,
    ) -> None:
        check_rom(words=words, width=width, style=style)
        if not isinstance(hold, int) or hold < 2:
            raise ValueError(f"ROM hold must be an integer of at least 2, not {hold!r}")
        self._words, self._width, self._style = tuple(words), width, style
        self._hold, self._split = hold, split
        super().__init__({"take": In(1), "there": Out(1), "word": Out(width)})

    @property
    def hold(self) -> int:
        """Times that a word is taken."""
        return self._hold

    def elaborate(self, platform: object) -> Module:
        """Build the memory of parts, what collects them, and the word that is taken."""
        m = Module()
        parts, part = parts_of(self._words, self._width, self._hold if self._split else 1)
        m.submodules.parts = rom = LateRom(words=parts, width=part, style=self._style)
        label(rom, "parts")
        step = Signal()
        # A whole word is fetched by the last of its takes, so that the first one comes at once.
        at = Signal(range(self._hold), init=0 if self._split else self._hold - 1)
        there, ends = Signal(), Signal()
        # Before the first word is whole, parts are taken without being asked for, from the clock
        # after that at which the memory says that it has some.
        begun = Signal()
        m.d.comb += [
            ends.eq(at == self._hold - 1),
            step.eq(Mux(there, self.take, begun)),
            rom.take.eq(step if self._split else step & ends),
            self.there.eq(there),
        ]
        m.d.sync += begun.eq(rom.there)
        with m.If(step):
            m.d.sync += at.eq(Mux(ends, 0, at + 1))
            with m.If(ends):
                m.d.sync += there.eq(1)
        # A part is there a clock after it was taken: the last one makes the word whole.
        places = self._hold - 1 if self._split else 0
        kept = [Signal(part, name=f"part{k}", reset_less=True) for k in range(places)]
        for k, one in enumerate(kept):
            self._load(m, platform, one, rom.word, step & (at == k))
        word = Signal(self._width, name="whole", reset_less=True)
        self._load(m, platform, word, Cat(*kept, rom.word), step & ends)
        m.d.comb += self.word.eq(word)
        return m

    def _load(self, m: Module, platform: object, into: Signal, word: Value, taken: Value) -> None:
        """Load a register a clock after `taken`, each run of bits by a copy of it."""
        runs = range(0, len(into), REACH)
        for low, load in zip(runs, copies(m, platform, taken, len(runs)), strict=True):
            with m.If(load):
                m.d.sync += into[low : low + REACH].eq(word[low : low + REACH])
