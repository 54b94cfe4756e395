"""The memories of a unit with weights: part of the build, or loaded at run time."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from amaranth.hdl import Module, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from bnnhw.fold.folding import WRITABLE
from bnnhw.link.protocol import CHUNK_BITS

from .held import HeldRom
from .late import LateRom
from .naming import label
from .store import WritableStream
from .streams import port
from .vectors import stream_words

__all__ = ["Memories", "load_ports"]

_KINDS = {"ram": "block", "spram": "spram"}

# So few words are left to the synthesiser, which takes flip-flops for them. It would do so with
# more as well: 48 words of 32 bits became 2,000 cells of iCE40 instead of two block RAMs.
_FEW = 8


def load_ports(style: str) -> dict[str, Any]:
    """Give the members by which a unit of this style is loaded; none if it is part of the build."""
    if style not in WRITABLE:
        return {}
    return {"i_load": In(port(1, CHUNK_BITS)), "o_load": Out(port(1, CHUNK_BITS))}


class Memories:
    """Builds a unit's memories, all of them ROMs, or all of them stores in a chain.

    Stores take their words from the unit's `i_load` in the order in which they were built; what is
    left goes to its `o_load`. Those of style "ram" begin with the words that are given here.

    Parameters
    ----------
    m : Module
        Of the unit.
    unit : Component
        With the members of `load_ports`.
    style : str
        Where weights lie, as in `bnnhw.fold.LayerFold`.
    """

    def __init__(self, m: Module, unit: Any, style: str) -> None:
        self._m = m
        self._style = style
        self._tail: Any = None
        if style in WRITABLE:
            self._tail = wiring.flipped(unit.i_load)
            self._end = wiring.flipped(unit.o_load)

    def stream(self, name: str, words: Sequence[int], sink: Any, *, small: bool = False) -> None:
        """Stream words of the submodule `name` into `sink`; a `small` one lies in block RAM."""
        if self._tail is None:
            stream_words(self._m, name, words, sink, "auto" if small else self._style)
            return
        kind = "block" if small else _KINDS[self._style]
        store = WritableStream(
            depth=len(words),
            width=len(sink.payload.as_value()),
            init=None if self._style == "spram" else words,
            style="auto" if len(words) <= _FEW else kind,
        )
        self._m.submodules[name] = store
        label(store, name)
        wiring.connect(self._m, self._tail, store.i_load)
        self._tail = store.o_load
        self._m.d.comb += [
            sink.payload.eq(store.o.payload),
            sink.valid.eq(store.o.valid),
            store.o.ready.eq(sink.ready),
        ]

    def late(
        self, name: str, words: Sequence[int], shape: Any, *, small: bool = False, hold: int = 1
    ) -> Any:
        """Build the submodule `name` with the ports of a `LateRom` for words of this shape.

        With `hold` a word is taken so many times, which only a ROM allows.
        """
        width = Shape.cast(shape).width
        style = "auto" if small else self._style
        if self._tail is None:
            rom: LateRom | HeldRom
            if hold == 1:
                rom = LateRom(words=words, width=width, style=style)
            else:
                # Only wide words are worth registers that collect them.
                rom = HeldRom(words=words, width=width, style=style, hold=hold, split=not small)
            self._m.submodules[name] = rom
            label(rom, name)
            return rom
        stored = stream.Signature(shape).create(path=(name,))
        self.stream(name, words, stored, small=small)
        word = Signal(shape, name=f"{name}_word", reset_less=True)
        self._m.d.sync += word.eq(stored.payload)
        return SimpleNamespace(take=stored.ready, there=stored.valid, word=word)

    def close(self) -> None:
        """Hand on what the stores leave; call it once, behind the last memory."""
        if self._tail is not None:
            wiring.connect(self._m, self._tail, self._end)
