"""From decoded frames to request payloads that are known to be good."""

from typing import Any

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.crc.catalog import CRC16_IBM_3740
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from bnnhw.link.protocol import (
    BENCH_BYTES,
    CRC_BYTES,
    MAX_CREDITS,
    VERSION,
    WEIGHTS_BYTES,
    ErrorCode,
    Kind,
)

from ..streams import port
from .cobs import token

__all__ = ["RequestBuffer", "RequestReceiver", "control", "number"]


def control():
    """Layout of a reply without accelerator: `code` is an `ErrorCode`, or 0 for HELLO_REPLY."""
    return data.StructLayout({"code": 3, "sequence": 8})


def number(credits):
    """Layout of a request's sequence number, and of its place among `credits`."""
    return data.StructLayout({"place": max(1, ceil_log2(credits)), "sequence": 8})


class RequestReceiver(wiring.Component):
    """Checks frames, has the control frames answered and passes payloads on.

    Payload bytes pass combinationally, one a cycle, before the CRC is known; the token with `end`
    that follows them says in `good` whether they are an INFER request of the right length and CRC,
    and in `data` its sequence number. `i` stalls when `o` does, never for `control`: a reply that
    finds the one before still waiting is dropped and counted as a bad frame.

    Parameters
    ----------
    frame_bytes : int
        Length of an INFER payload.
    weights : bool
        Take WEIGHTS frames too; otherwise their type is unknown.
    benchmark : bool
        Take BENCH frames too.

    Members
    -------
    i : stream of `token()`, in
        Frames from the COBS decoder.
    o : stream of `token()`, out
        Payloads, each with its CRC still behind it, then the verdict. Payloads of bad frames may be
        too long.
    refused : Signal(), in
        The receiver of `o` had no room for this payload.
    unloaded, busy : Signal(), in
        INFER is refused for want of weights; this WEIGHTS frame must wait.
    weights : Signal(), out
        With the token that has `end`: this was a WEIGHTS frame, and all is well.
    bench, hello : Signal(), out
        The same of a BENCH frame, and of a HELLO frame.
    benching, engaged : Signal(), in
        `count` must stay as it is; this BENCH frame must wait.
    count : Signal(16), out
        What the last BENCH frame said, right or damaged, that came while `benching` was 0.
    control : stream of `control()`, out
        Replies to HELLO, to WEIGHTS and to frames that are undamaged but wrong.
    bad : Signal(), out
        A frame was dropped in this cycle.

    Raises
    ------
    ValueError
        If `frame_bytes` is not positive.
    """

    def __init__(self, *, frame_bytes, weights=False, benchmark=False):
        if not isinstance(frame_bytes, int) or frame_bytes < 1:
            raise ValueError(f"frame_bytes must be a positive integer, not {frame_bytes!r}")
        self._frame_bytes = frame_bytes
        self._weights = bool(weights)
        self._benchmark = bool(benchmark)
        super().__init__(
            {
                "i": In(stream.Signature(token())),
                "o": Out(stream.Signature(token())),
                "refused": In(1),
                "unloaded": In(1),
                "busy": In(1),
                "weights": Out(1),
                "bench": Out(1),
                "hello": Out(1),
                "benching": In(1),
                "engaged": In(1),
                "count": Out(8 * BENCH_BYTES),
                "control": Out(stream.Signature(control())),
                "bad": Out(1),
            }
        )

    @property
    def frame_bytes(self):
        """Length of an INFER payload."""
        return self._frame_bytes

    def elaborate(self, platform: object) -> Module:
        """Build the CRC, the header fields and the verdict."""
        m = Module()
        crc, fresh = CRC16_IBM_3740(8).create(), Signal()
        # Its own `start` would put a multiplexer into every XOR.
        m.submodules.crc = ResetInserter(fresh)(crc)
        taken, byte = Signal(), Signal()
        header = Signal(2)
        version_known, is_hello, is_infer, is_weights, is_bench = (Signal() for _ in range(5))
        sequence = Signal(8)
        own = (WEIGHTS_BYTES if self._weights else 0, BENCH_BYTES if self._benchmark else 0)
        longest = max(self.frame_bytes, *own) + CRC_BYTES
        length = Signal(range(longest + 2))
        word = self.i.payload
        m.d.comb += [
            taken.eq(self.i.valid & self.i.ready),
            byte.eq(taken & ~word.end),
            crc.data.eq(word.data),
            crc.valid.eq(byte),
            fresh.eq(taken & word.end),
            self.o.payload.data.eq(Mux(word.end, sequence, word.data)),
            self.o.payload.end.eq(word.end),
        ]
        with m.If(word.end | (header == 3)):
            m.d.comb += [self.o.valid.eq(self.i.valid), self.i.ready.eq(self.o.ready)]
        with m.Else():
            m.d.comb += self.i.ready.eq(1)

        with m.If(byte):
            with m.Switch(header):
                with m.Case(0):
                    m.d.sync += version_known.eq(word.data == VERSION)
                with m.Case(1):
                    m.d.sync += is_hello.eq(word.data == Kind.HELLO)
                    m.d.sync += is_infer.eq(word.data == Kind.INFER)
                    if self._weights:
                        m.d.sync += is_weights.eq(word.data == Kind.WEIGHTS)
                    if self._benchmark:
                        m.d.sync += is_bench.eq(word.data == Kind.BENCH)
                with m.Case(2):
                    m.d.sync += sequence.eq(word.data)
            with m.If(header != 3):
                m.d.sync += header.eq(header + 1)
            with m.Elif(length != longest + 1):
                m.d.sync += length.eq(length + 1)

        intact, wrong = Signal(), Signal(3)
        m.d.comb += [
            intact.eq(word.good & crc.match_detected & (length >= CRC_BYTES)),
            self.o.payload.good.eq(intact & is_infer & (wrong == 0)),
            self.weights.eq(intact & is_weights & (wrong == 0)),
            self.bench.eq(taken & word.end & intact & is_bench & (wrong == 0)),
            self.hello.eq(taken & word.end & intact & is_hello & (wrong == 0)),
        ]
        if self._benchmark:
            self._take_count(m, byte & (header == 3) & is_bench, length)
        rest = Mux(is_weights, WEIGHTS_BYTES, Mux(is_bench, BENCH_BYTES, 0))
        payload = Mux(is_infer, self.frame_bytes, rest)
        no_room = (is_infer & self.refused) | (is_weights & self.busy)
        with m.If(~version_known):
            m.d.comb += wrong.eq(ErrorCode.VERSION)
        with m.Elif(~is_hello & ~is_infer & ~is_weights & ~is_bench):
            m.d.comb += wrong.eq(ErrorCode.KIND)
        with m.Elif(length != payload + CRC_BYTES):
            m.d.comb += wrong.eq(ErrorCode.LENGTH)
        with m.Elif(is_infer & self.unloaded):
            m.d.comb += wrong.eq(ErrorCode.UNLOADED)
        with m.Elif(no_room | (is_bench & self.engaged)):
            m.d.comb += wrong.eq(ErrorCode.BUSY)

        with m.If(taken & word.end):
            m.d.sync += [header.eq(0), length.eq(0)]
        plain = taken & word.end & intact & (~is_infer | (wrong != 0))
        self._send(m, plain, wrong, sequence)
        with m.If(taken & word.end & ~intact):
            m.d.comb += self.bad.eq(1)
        return m

    def _take_count(self, m: Module, here: Value, length: Signal) -> None:
        """Keep how many images a benchmark has, while none runs."""
        for index in range(BENCH_BYTES):
            with m.If(here & (length == index) & ~self.benching):
                m.d.sync += self.count.word_select(index, 8).eq(self.i.payload.data)

    def _send(self, m: Module, here: Value, code: Signal, sequence: Signal) -> None:
        """Put an answer other than a result on offer; it is lost, and counted, if one waits."""
        with m.If(self.control.ready):
            m.d.sync += self.control.valid.eq(0)
        with m.If(here):
            with m.If(self.control.valid & ~self.control.ready):
                m.d.comb += self.bad.eq(1)
            with m.Else():
                m.d.sync += self.control.valid.eq(1)
                m.d.sync += self.control.payload.code.eq(code)
                m.d.sync += self.control.payload.sequence.eq(sequence)


class RequestBuffer(wiring.Component):
    """Keeps payloads until the accelerator takes them, and their places until the answer leaves.

    Takes a byte a cycle and never stalls `i`. A payload whose verdict is bad, or that finds every
    place taken, leaves no trace. The first byte of a payload comes out two cycles after its
    verdict, the others one every two cycles, a cycle later where a byte comes in at that moment. A
    place is free again when its payload has left and `place` has been taken. Places are given in
    turns, so that whoever keeps something of a request (its sequence number) may keep it there.

    Parameters
    ----------
    frame_bytes : int
        Length of a payload; what follows it in `i` is ignored.
    credits : int
        Number of places, a power of two.

    Members
    -------
    i : stream of `token()`, in
        Payloads and verdicts from `RequestReceiver`.
    o : stream of `word(1, 8)`, out
        Good payloads, `last` on the last byte.
    place : stream of the width of a place, out
        Places of the requests that were not answered yet, oldest first.
    kept : Signal(), out
        The payload whose verdict this is was good, and is kept.
    number : Signal of `number(credits)`, out
        With `kept`: its sequence number, and its place.
    repeat : Signal(), in
        The payload whose last byte is read now will be read again.
    ends : Signal(), out
        The last byte of a payload is read, to come out in the next cycle.
    refused : Signal(), out
        Bytes of the payload that comes in now found no place.
    queued : Signal(8), out
        Requests whose place was not taken yet.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, *, frame_bytes, credits):
        if not isinstance(frame_bytes, int) or frame_bytes < 1:
            raise ValueError(f"frame_bytes must be a positive integer, not {frame_bytes!r}")
        if credits not in [1 << k for k in range(MAX_CREDITS.bit_length())]:
            raise ValueError(
                f"credits must be a power of two of at most {MAX_CREDITS}, not {credits!r}"
            )
        self._frame_bytes = frame_bytes
        self._credits = credits
        super().__init__(
            {
                "i": In(stream.Signature(token())),
                "o": Out(port(1, 8)),
                "place": Out(stream.Signature(number(credits)["place"].shape)),
                "kept": Out(1),
                "number": Out(number(credits)),
                "repeat": In(1),
                "ends": Out(1),
                "refused": Out(1),
                "queued": Out(8),
            }
        )

    @property
    def frame_bytes(self):
        """Length of a payload."""
        return self._frame_bytes

    @property
    def credits(self):
        """Number of places."""
        return self._credits

    def elaborate(self, platform: object) -> Module:
        """Build the memory, its writer and its reader."""
        m = Module()
        place_bits = ceil_log2(self.credits)
        # A stride that is a power of two costs memory, not logic: an address is two fields.
        offset_bits = ceil_log2(self.frame_bytes)
        payloads: memory.Memory[Any, Any] = memory.Memory(
            shape=8, depth=1 << (place_bits + offset_bits), init=[]
        )
        m.submodules.payloads = payloads
        # Counters of places, one bit wider than an index so that full and empty differ.
        filled, drained, answered = (
            Signal(place_bits + 1, name=name) for name in ("filled", "drained", "answered")
        )
        word = self.i.payload
        full = Signal()
        queued = (filled - answered)[: place_bits + 1]
        undrained = (filled - drained)[: place_bits + 1]
        m.d.comb += [
            self.queued.eq(queued),
            full.eq((queued == self.credits) | (undrained == self.credits)),
            self.i.ready.eq(1),
        ]

        write, wanted = payloads.write_port(), Signal(range(self.frame_bytes + 1))
        inside = wanted != self.frame_bytes
        m.d.comb += [
            write.addr.eq(Cat(wanted[:offset_bits], filled[:place_bits])),
            write.data.eq(word.data),
            write.en.eq(self.i.valid & ~word.end & inside & ~full),
        ]
        with m.If(self.i.valid):
            with m.If(word.end):
                m.d.sync += [wanted.eq(0), self.refused.eq(0), filled.eq(filled + word.good)]
            with m.Elif(inside):
                m.d.sync += [wanted.eq(wanted + 1), self.refused.eq(self.refused | full)]

        # Reading combinationally into registers whose enable excludes a write tells Yosys that the
        # two never meet; a synchronous port would get a bypass of 35 cells.
        read, offset = payloads.read_port(domain="comb"), Signal(range(self.frame_bytes))
        at_end = offset == self.frame_bytes - 1
        m.d.comb += read.addr.eq(Cat(offset[:offset_bits], drained[:place_bits]))
        with m.If(self.o.valid):
            m.d.sync += self.o.valid.eq(~self.o.ready)
        with m.Elif((filled != drained) & ~write.en):
            m.d.comb += self.ends.eq(at_end)
            m.d.sync += [
                self.o.valid.eq(1),
                self.o.payload.data[0].eq(read.data),
                self.o.payload.last.eq(at_end),
                offset.eq(Mux(at_end, 0, offset + 1)),
                drained.eq(drained + (at_end & ~self.repeat)),
            ]

        m.d.comb += [
            self.kept.eq(self.i.valid & word.end & word.good),
            self.number.sequence.eq(word.data),
            self.number.place.eq(filled[:place_bits]),
            self.place.payload.eq(answered[:place_bits]),
            self.place.valid.eq(filled != answered),
        ]
        m.d.sync += answered.eq(answered + (self.place.valid & self.place.ready))
        return m
