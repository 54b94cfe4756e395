"""Channels of an image in transit: some of them, or all in another order."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .loopnest import LoopNest
from .rom import RomStream
from .streams import port

__all__ = ["ChannelSlice", "Permute"]


class ChannelSlice(wiring.Component):
    """Let some consecutive words of every pixel pass, and drop the others.

    Of the `folds` words of a pixel, those from `start` to before `stop` pass. Latency 0, no word is
    stored; dropped words go at one a clock, whether `o` is ready or not. ``cycles = pixels *
    folds`` per frame, no bubble between frames; the first word leaves `latency` clocks after the
    first word of its frame came, which is the dropped words before it. While `o` stalls, `i` waits;
    `i.ready` follows `o.ready`. `o.last` comes from counters of its own; `i.last` is not read.

    Parameters
    ----------
    lanes : int
        Channels in a word.
    bits : int
        Width of a code.
    folds : int
        Words of a pixel.
    start, stop : int
        First word that passes and first that does not any more, ``0 <= start < stop <= folds``.
    pixels : int
        Pixels of a frame; 1 for vectors.

    Members
    -------
    i : stream of word(lanes, bits), in
        Pixels, channels fastest.
    o : stream of word(lanes, bits), out
        The same pixels with fewer channels.

    Raises
    ------
    ValueError
        If a parameter is not in its range.
    """

    LATENCY = 0

    def __init__(
        self, *, lanes: int, bits: int, folds: int, start: int, stop: int, pixels: int
    ) -> None:
        given = {"lanes": lanes, "bits": bits, "folds": folds, "pixels": pixels}
        for name, value in given.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"ChannelSlice {name} must be a positive integer, not {value!r}")
        words = (start, stop)
        if not all(isinstance(word, int) for word in words) or not 0 <= start < stop <= folds:
            raise ValueError(
                f"ChannelSlice start and stop must be a range within {folds} words, not {words!r}"
            )
        self._given = given
        self._start = start
        self._stop = stop
        super().__init__({"i": In(port(lanes, bits)), "o": Out(port(lanes, bits))})

    @property
    def lanes(self) -> int:
        """Channels in a word."""
        return self._given["lanes"]

    @property
    def bits(self) -> int:
        """Width of a code."""
        return self._given["bits"]

    @property
    def folds(self) -> int:
        """Words of a pixel."""
        return self._given["folds"]

    @property
    def start(self) -> int:
        """First word that passes."""
        return self._start

    @property
    def stop(self) -> int:
        """First word that does not any more."""
        return self._stop

    @property
    def pixels(self) -> int:
        """Pixels of a frame."""
        return self._given["pixels"]

    @property
    def cycles(self) -> int:
        """Clock cycles per frame, when nothing stalls."""
        return self.pixels * self.folds

    @property
    def latency(self) -> int:
        """Clock edges from the first word in to the first word out, when nothing stalls."""
        return self._start + self.LATENCY

    def elaborate(self, platform: Any) -> Module:
        """Build the counters of words and pixels, and the gate."""
        m = Module()
        taken = Signal()
        passes = Signal()
        nest = LoopNest(m, {"fold": self.folds, "pixel": self.pixels}, taken)
        fold, pixel = nest.at["fold"], nest.at["pixel"]
        m.d.comb += [
            passes.eq((fold >= self._start) & (fold < self._stop)),
            self.i.ready.eq(self.o.ready | ~passes),
            taken.eq(self.i.valid & self.i.ready),
            self.o.valid.eq(self.i.valid & passes),
            self.o.payload.data.eq(self.i.payload.data),
            self.o.payload.last.eq((fold == self._stop - 1) & (pixel == self.pixels - 1)),
        ]
        return m


class Permute(wiring.Component):
    """Put the channels of every pixel into another order.

    Output channel c is input channel ``order[c]``. With all channels in one word, and where the
    order is left as it is, these are wires: latency 0, `i.ready` follows `o.ready`. With one
    channel in a word there are two banks of one pixel each: one is filled while the other is read,
    from when it is full. Then the first word leaves ``channels + 1`` clocks after the first came,
    where that never waits; one word per clock comes in and goes out, with no bubble between pixels
    or frames. While `o` stalls, the word is held by the memory's output register, and `i` waits
    when both banks are full. The pixel whose last word has `last` gives `last` on its last word.

    Parameters
    ----------
    lanes : int
        Channels in a word: 1, or all.
    bits : int
        Width of a code.
    order : tuple of int
        For each output channel the input channel, each once.

    Members
    -------
    i : stream of word(lanes, bits), in
        Pixels, channels fastest.
    o : stream of word(lanes, bits), out
        The same pixels, reordered.

    Raises
    ------
    ValueError
        If `bits` is not a positive integer, `order` is not a permutation, or `lanes` is neither 1
        nor the number of channels.
    """

    def __init__(self, *, lanes: int, bits: int, order: tuple[int, ...]) -> None:
        if not isinstance(bits, int) or bits < 1:
            raise ValueError(f"Permute bits must be a positive integer, not {bits!r}")
        if not order or sorted(order) != list(range(len(order))):
            raise ValueError(f"Permute order must have every channel once, not {order!r}")
        if lanes not in (1, len(order)):
            raise ValueError(f"Permute lanes must be 1 or {len(order)}, not {lanes!r}")
        self._lanes = lanes
        self._bits = bits
        self._order = tuple(order)
        super().__init__({"i": In(port(lanes, bits)), "o": Out(port(lanes, bits))})

    @property
    def lanes(self) -> int:
        """Channels in a word."""
        return self._lanes

    @property
    def bits(self) -> int:
        """Width of a code."""
        return self._bits

    @property
    def order(self) -> tuple[int, ...]:
        """For each output channel the input channel."""
        return self._order

    @property
    def latency(self) -> int:
        """Clock edges from the first word in to the first word out, when nothing stalls."""
        return 0 if self._is_wires else len(self._order) + 1

    @property
    def _is_wires(self) -> bool:
        return self._lanes > 1 or self._order == tuple(range(len(self._order)))

    def elaborate(self, platform: Any) -> Module:
        """Build wires or two banks."""
        m = Module()
        if self._is_wires:
            self._wires(m)
        else:
            self._banks(m)
        return m

    def _wires(self, m: Module) -> None:
        # Words of one lane come here with their order as it is.
        order = self._order if self._lanes > 1 else (0,)
        m.d.comb += [self.o.payload.data[c].eq(self.i.payload.data[k]) for c, k in enumerate(order)]
        m.d.comb += [
            self.o.payload.last.eq(self.i.payload.last),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
        ]

    def _banks(self, m: Module) -> None:
        channels = len(self._order)
        span = (channels - 1).bit_length()
        # Read and written are different banks, so Yosys need not build what happens if both meet.
        memory: Memory[Any, Any] = Memory(
            shape=self._bits, depth=2 << span, init=[], attrs={"no_rw_check": "1"}
        )
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()
        full, last = Signal(2), Signal(2)

        fill = Signal(span)
        fill_bank = Signal()
        taken = self.i.valid & self.i.ready
        m.d.comb += [
            self.i.ready.eq(~full.bit_select(fill_bank, 1)),
            write.addr.eq(Cat(fill, fill_bank)),
            write.data.eq(self.i.payload.data.as_value()),
            write.en.eq(taken),
        ]
        with m.If(taken):
            m.d.sync += fill.eq(fill + 1)
            with m.If(fill == channels - 1):
                m.d.sync += [fill.eq(0), fill_bank.eq(~fill_bank)]
                m.d.sync += full.bit_select(fill_bank, 1).eq(1)
                m.d.sync += last.bit_select(fill_bank, 1).eq(self.i.payload.last)

        # The order, and with it a mark on the last channel: the reader needs no counter. The first
        # address is there when the first bank is full, because a pixel has two words at least.
        words = [k | (c == channels - 1) << span for c, k in enumerate(self._order)]
        m.submodules.order = order = RomStream(words=words, width=span + 1)
        bank = Signal()
        there = full.bit_select(bank, 1)
        ends = order.o.payload[span]
        step = ~self.o.valid | self.o.ready
        m.d.comb += [
            order.o.ready.eq(step & there),
            read.addr.eq(Cat(order.o.payload[:span], bank)),
            read.en.eq(step & there),
            self.o.payload.data.eq(read.data),
        ]
        with m.If(step):
            m.d.sync += self.o.valid.eq(there)
            m.d.sync += self.o.payload.last.eq(ends & last.bit_select(bank, 1))
            with m.If(there & ends):
                m.d.sync += bank.eq(~bank)
                m.d.sync += full.bit_select(bank, 1).eq(0)
