"""What all folded matrix units share: their checks, the way in and the way out of vectors."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring

from .naming import label
from .replay import ReplayBuffer
from .rom import RomStream

__all__ = ["check_folding", "check_words", "lead_in", "lead_out", "stream_words"]


def check_folding(
    unit: str, *, rows: int, columns: int, pe: int, simd: int, vectors: int, groups: int
) -> None:
    """Refuse a matrix or a folding that is none, in words that begin with `unit`."""
    sizes = {"rows": rows, "columns": columns, "vectors": vectors, "groups": groups}
    for name, value in sizes.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{unit} {name} must be a positive integer, not {value!r}")
    if vectors % groups:
        raise ValueError(f"{unit} vectors must be a multiple of {groups} groups, not {vectors}")
    for name, value, limit in (("PE", pe, rows), ("SIMD", simd, columns)):
        if not isinstance(value, int) or not 1 <= value <= limit:
            raise ValueError(f"{unit} {name} must be an integer from 1 to {limit}, not {value!r}")


def check_words(unit: str, name: str, words: Sequence[int] | None, count: int) -> None:
    """Refuse words that are not `count`; none at all are allowed."""
    if words is not None and len(words) != count:
        raise ValueError(f"{unit} must have {count} {name} words, not {len(words)}")


def stream_words(
    m: Module, name: str, words: Sequence[int], sink: Any, style: str = "auto"
) -> None:
    """Stream the words of a ROM, the submodule `name`, into `sink`."""
    width = len(sink.payload.as_value())
    m.submodules[name] = rom = RomStream(words=words, width=width, style=style)
    label(rom, name)
    m.d.comb += [
        sink.payload.eq(rom.o.payload),
        sink.valid.eq(rom.o.valid),
        rom.o.ready.eq(sink.ready),
    ]


def lead_in(
    m: Module,
    source: Any,
    sink: Any,
    *,
    words: int,
    repeats: int,
    bits: int = 1,
    masked: bool = False,
) -> None:
    """Lead vectors to an array, through a replay buffer where they are read repeatedly.

    It takes ``ReplayBuffer.LATENCY`` clocks if `repeats` is above 1, else none.

    Parameters
    ----------
    m : Module
        Of the unit.
    source : stream of word(lanes, bits) or masked_word(lanes, bits)
        The unit's own port; `last` is not read.
    sink : stream of the same shape
        Gets `last` with the last word of each vector's last repeat.
    words : int
        Of a vector.
    repeats : int
        Times that a vector is read.
    bits, masked : int, bool
        Of the words.
    """
    if repeats > 1:
        m.submodules.replay = replay = ReplayBuffer(
            words=words,
            lanes=len(source.payload.data),
            repeats=repeats,
            bits=bits,
            masked=masked,
        )
        label(replay, "replay")
        wiring.connect(m, wiring.flipped(source), replay.i)
        wiring.connect(m, replay.o, sink)
        return
    word = Signal(range(words))
    ends = word == words - 1
    m.d.comb += [
        sink.valid.eq(source.valid),
        sink.payload.eq(source.payload),
        sink.payload.last.eq(ends),
        source.ready.eq(sink.ready),
    ]
    with m.If(source.valid & source.ready):
        m.d.sync += word.eq(Mux(ends, 0, word + 1))


def lead_out(m: Module, result: Any, sink: Any, *, vectors: int) -> None:
    """Lead results to the unit's own port; `last` of a vector becomes that of the frame."""
    wiring.connect(m, result, wiring.flipped(sink))
    if vectors == 1:
        return
    vector = Signal(range(vectors))
    ends = vector == vectors - 1
    m.d.comb += sink.payload.last.eq(result.payload.last & ends)
    with m.If(result.valid & result.ready & result.payload.last):
        m.d.sync += vector.eq(Mux(ends, 0, vector + 1))
