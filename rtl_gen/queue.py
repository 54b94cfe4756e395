"""Places for words to wait: a queue of any depth, and the smallest slice that cuts every path."""

from typing import Any

from amaranth.hdl import Module, Mux, Shape, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["STYLES", "Queue", "Skid"]

STYLES = ("auto", "registers", "lut", "block")

# Yosys reads this attribute when it maps memories.
_RAM_STYLES = {
    "auto": {},
    "registers": {"ram_style": "logic"},
    "lut": {"ram_style": "distributed"},
    "block": {"ram_style": "block"},
}


def _streams(shape: ShapeLike) -> dict[str, wiring.Member]:
    if Shape.cast(shape).width < 1:
        raise ValueError(f"Payload must have at least one bit, not {shape!r}")
    return {"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))}


class Skid(wiring.Component):
    """Cut a stream in both directions with two registers.

    No combinational path crosses it, neither from `i` to `o` nor from `o.ready` to `i.ready`.
    Latency 1, one word per clock. While `o` stalls it takes one more word and then waits.

    Parameters
    ----------
    shape : ShapeLike
        Of the payload, at least one bit.

    Members
    -------
    i : stream of shape, in
        Words in.
    o : stream of shape, out
        The same words.

    Raises
    ------
    ValueError
        If the payload has no bit.
    """

    def __init__(self, *, shape: ShapeLike) -> None:
        self._shape = shape
        super().__init__(_streams(shape))

    @property
    def shape(self) -> ShapeLike:
        """Shape of the payload."""
        return self._shape

    def elaborate(self, platform: Any) -> Module:
        """Build the front register, and the spare that holds what arrives during a stall."""
        m = Module()
        # Words need no reset: without one a register costs no wire that crosses the whole design.
        front = Signal(self._shape, name="front", reset_less=True)
        spare = Signal(self._shape, reset_less=True)
        full = Signal()
        m.d.comb += [self.i.ready.eq(~full), self.o.payload.eq(front)]
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid | full), full.eq(0)]
            with m.If(full):
                m.d.sync += front.eq(spare)
            with m.Else():
                m.d.sync += front.eq(self.i.payload)
        with m.Elif(~full):
            m.d.sync += [full.eq(self.i.valid), spare.eq(self.i.payload)]
        return m


class Queue(wiring.Component):
    """Hold up to `depth` words in order.

    One word per clock at any depth. Latency 1 up to depth 2, and 2 above that, in every style.
    While `o` stalls it takes words until it holds `depth`.

    - depth 1: a register; `i.ready` follows `o.ready`, all other paths are cut;
    - depth 2: a `Skid`; no combinational path runs through it, nor through deeper ones;
    - deeper: a store of ``depth - 1`` words in front of a register with the word on offer.

    A full queue of depth 2 or more takes no word, even while one leaves. So one that holds words
    back for n clocks at full rate has depth ``n + 1``; depth 1 alone does for n = 1.

    With `style` ``"auto"`` the store lies where it takes the smaller part of a device, and no
    caller chooses. What is around a store is the same for all, so the store alone decides, by the
    costs that Yosys gives to the memories of a family:

    - iCE40, which has no LUT RAM: registers up to about 64 bits for each block RAM (256 words of 16
      bits) that would take their place, so up to depth 5 at any width. Such a block RAM saves 65 to
      100 cells; the devices have 80 (HX1K) to 240 (HX8K) cells for each.
    - ECP5: LUT RAM up to 32 words, and up to 1024 bits for each block RAM (512 words of 36 bits);
      that is 16 to 32 LUT RAMs of six LUTs, and the devices have over 400 LUTs for each block RAM.
      Block RAM from 1536 bits.

    Parameters
    ----------
    shape : ShapeLike
        Of the payload, at least one bit.
    depth : int
        Words that it holds, at least 1.
    style : str
        What the store of a queue deeper than 2 is made of: ``"registers"``, ``"lut"`` (LUT RAM, for
        which synthesis fails on iCE40), ``"block"`` (block RAM) or ``"auto"``.

    Members
    -------
    i : stream of shape, in
        Words in.
    o : stream of shape, out
        The same words.
    level : Signal(range(depth + 1)), out
        Words held now.

    Raises
    ------
    ValueError
        If the payload has no bit, `depth` is below 1 or the style is unknown.
    """

    def __init__(self, *, shape: ShapeLike, depth: int, style: str = "auto") -> None:
        if not isinstance(depth, int) or depth < 1:
            raise ValueError(f"Queue depth must be a positive integer, not {depth!r}")
        if style not in STYLES:
            raise ValueError(f"Queue style must be one of {', '.join(STYLES)}, not {style!r}")
        self._shape = shape
        self._depth = depth
        self._style = style
        super().__init__({**_streams(shape), "level": Out(range(depth + 1))})

    @property
    def shape(self) -> ShapeLike:
        """Shape of the payload."""
        return self._shape

    @property
    def depth(self) -> int:
        """Words that it holds."""
        return self._depth

    @property
    def style(self) -> str:
        """What the store is made of, as it was asked for."""
        return self._style

    @property
    def latency(self) -> int:
        """Clock edges from a word taken into the empty queue to that word offered and taken."""
        return 1 if self._depth <= 2 else 2

    def elaborate(self, platform: Any) -> Module:
        """Build the smallest structure that keeps full rate."""
        m = Module()
        if self._depth == 1:
            self._one(m)
        elif self._depth == 2:
            self._two(m)
        else:
            self._many(m)
        return m

    def _one(self, m: Module) -> None:
        front = Signal(self._shape, name="front", reset_less=True)
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            self.o.payload.eq(front),
            self.level.eq(self.o.valid),
        ]
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), front.eq(self.i.payload)]

    def _two(self, m: Module) -> None:
        m.submodules.skid = skid = Skid(shape=self._shape)
        wiring.connect(m, wiring.flipped(self.i), skid.i)
        wiring.connect(m, skid.o, wiring.flipped(self.o))
        m.d.comb += self.level.eq(skid.o.valid + ~skid.i.ready)

    def _many(self, m: Module) -> None:
        """Build the handshake, which knows the words held and not where they lie."""
        rows = self._depth - 1
        waiting = Signal(range(rows + 1))
        push, pop = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(waiting != rows),
            push.eq(self.i.valid & self.i.ready),
            pop.eq((waiting != 0) & (~self.o.valid | self.o.ready)),
            self.level.eq(waiting + self.o.valid),
        ]
        m.d.sync += waiting.eq(waiting + push - pop)
        with m.If(pop):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        self._store(m, push, pop)

    def _store(self, m: Module, push: Signal, pop: Signal) -> None:
        """Build the ring of rows; its output register is the one that `o` offers from."""
        rows = self._depth - 1
        # Both ends point at one row only when the ring is empty, then nothing is read, or full,
        # then nothing is written: Yosys need not build what happens if a read meets a write.
        attrs = {"no_rw_check": "1", **_RAM_STYLES[self._style]}
        width = Shape.cast(self._shape).width
        memory: Memory[Any, Any] = Memory(shape=width, depth=rows, init=[], attrs=attrs)
        m.submodules.store = memory
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.data.eq(Value.cast(self.i.payload)),
            write.en.eq(push),
            read.en.eq(pop),
            Value.cast(self.o.payload).eq(read.data),
        ]
        for name, end, moved in (("head", write, push), ("tail", read, pop)):
            at = Signal(range(rows), name=name)
            m.d.comb += end.addr.eq(at)
            with m.If(moved):
                m.d.sync += at.eq(Mux(at == rows - 1, 0, at + 1))
