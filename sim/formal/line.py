"""What must hold between the line and the accelerator: bytes pass whole, once, and in time."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out

from .compute import Results, Words
from .scene import Properties, Scene

__all__ = [
    "buffer",
    "contracts",
    "receiver",
    "replies",
    "result_bytes",
    "stuffing",
    "uart_receiver",
    "uart_transmitter",
]


def result_bytes(*, words: int, bits: int, index_bits: int, ranked: bool) -> Properties:
    """Require of `ResultBytes` the bytes of each answer of so many words, low byte first.

    A word enters when it is first offered, since its bytes leave before it is taken.

    - *served*: a word is taken with the last of its bytes, and with no other.
    """
    code_bytes, index_bytes = -(-bits // 8), -(-index_bits // 8)
    counts = [code_bytes + index_bytes * (ranked or k == words - 1) for k in range(words)]
    owner = [k for k, count in enumerate(counts) for _ in range(count)]

    def formula(frame: Words) -> list[list[Value]]:
        rows = []
        for k, (code, index) in enumerate(frame):
            texts = [(code, code_bytes), (index, index_bytes)][: 1 + (ranked or k == words - 1)]
            rows += [[(text >> 8 * at)[:8]] for text, count in texts for at in range(count)]
        return rows

    def properties(scene: Scene) -> None:
        i, o = scene.dut.i, scene.dut.o
        scene.source(i, "i")
        scene.sink(o, "o")
        waits = Signal()
        moves = i.valid & i.ready
        scene.m.d.sync += waits.eq(i.valid & ~i.ready)
        frames = Results(
            scene,
            put=i.valid & ~waits,
            o=o,
            elements_in=[i.payload.data, i.payload.index],
            elements_out=[o.payload.data[0]],
            words_in=words,
            needs=[k + 1 for k in owner],
            formula=formula,
            flight=1,
            last=o.payload.last,
        )
        # The word that is offered: the one before where the counter went on when it came.
        at = Mux(waits, Mux(frames.word_in == 0, words - 1, frames.word_in - 1), frames.word_in)
        scene.promise(~i.valid | (i.payload.last == (at == words - 1)))
        ends = [place + 1 == len(owner) or owner[place + 1] != k for place, k in enumerate(owner)]
        whole = Array(Const(end, 1) for end in ends)[frames.word_out] & frames.got
        scene.check("served", moves == whole)
        scene.check("silent", o.valid, when=i.valid)
        scene.check_waits("deaf", o.ready & i.valid & ~i.ready, max(counts) - 1)

    return properties


def stuffing(*, longest: int) -> Properties:
    """Require of a `CobsEncoder` that each frame leaves stuffed, as a formula of all of it tells.

    - *waits*: no byte of the next frame is taken before the frame has left;
    - *cause*: no byte leaves before the whole frame was taken;
    - *result*: the bytes that leave, and their number;
    - *silent*, *deaf*: a byte leaves within 4 clocks; while a frame comes in, each byte is taken.
    """

    def properties(scene: Scene) -> None:
        m, i, o = scene.m, scene.dut.i, scene.dut.o
        scene.source(i, "i")
        scene.sink(o, "o")
        put, got = i.valid & i.ready, o.valid & o.ready
        size, place = Signal(range(longest + 1)), Signal(range(longest + 2))
        leaving = Signal()
        kept = [Signal(8, name=f"kept{k}", reset_less=True) for k in range(longest)]
        scene.promise(i.payload.last | (size != longest - 1))
        with m.If(put):
            m.d.sync += [size.eq(size + 1), leaving.eq(i.payload.last)]
            for k, byte in enumerate(kept):
                with m.If(size == k):
                    m.d.sync += byte.eq(i.payload.data[0])
        with m.If(got):
            m.d.sync += place.eq(place + 1)
            with m.If(place == size + 1):
                m.d.sync += [place.eq(0), size.eq(0), leaving.eq(0)]
        # From each place to the next zero, or the end: what stands there is how far that is.
        runs: list[Value] = [Const(1)]
        for k in reversed(range(longest)):
            goes_on = (size > k) & (kept[k] != 0)
            runs.insert(0, Mux(goes_on, runs[0] + 1, 1))
        before = [Const(0), *kept]
        rows = [Mux(before[k] == 0, runs[k], before[k]) for k in range(longest + 1)]
        told = Array([*rows, Const(0)])[place]
        scene.check("waits", ~leaving, when=put)
        scene.check("cause", leaving, when=got)
        scene.check("result", o.payload == Mux(place == size + 1, 0, told), when=got)
        scene.check_waits("silent", leaving & o.ready & ~o.valid, 4)
        scene.check("deaf", i.ready, when=i.valid & ~leaving)
        ended = Signal()
        with m.If(got & (place == size + 1)):
            m.d.sync += ended.eq(1)
        scene.reach("second frame", ended & got & (place == size + 1))

    return properties


def uart_transmitter(*, divisor: int) -> Properties:
    """Require of a `UartTransmitter` that the line shows each byte that it takes, bit by bit.

    - *line*: start bit, byte and stop bit for `divisor` clocks each, and high otherwise;
    - *waits*: no byte is taken before the one before has left; *deaf*: nor later than then.
    """

    def properties(scene: Scene) -> None:
        m, dut = scene.m, scene.dut
        scene.source(dut.i, "i")
        clock, bit, byte, busy = Signal(range(divisor)), Signal(range(10)), Signal(8), Signal()
        shown = Mux(busy, Cat(Const(0, 1), byte, Const(1, 1)).bit_select(bit, 1), 1)
        with m.If(busy):
            m.d.sync += clock.eq(clock + 1)
            with m.If(clock == divisor - 1):
                m.d.sync += [clock.eq(0), bit.eq(Mux(bit == 9, 0, bit + 1)), busy.eq(bit != 9)]
        with m.If(dut.i.valid & dut.i.ready):
            m.d.sync += [busy.eq(1), byte.eq(dut.i.payload)]
        scene.check("line", dut.tx == shown)
        scene.check("waits", ~busy, when=dut.i.valid & dut.i.ready)
        scene.check("deaf", dut.i.ready, when=dut.i.valid & ~busy)
        scene.reach("low", busy & ~dut.tx & (bit == 8))

    return properties


def uart_receiver(*, divisor: int) -> Properties:
    """Require of a `UartReceiver` that each byte of a line at its own clock is offered, once.

    The line is high for the first clocks after reset, and then carries bytes with any pauses. The
    divisor is 5 at least: a reset that comes while the line is low leaves that in the synchroniser
    for two clocks, which a receiver of 4 clocks a bit takes for a start bit.

    - *once*, *received*: what becomes valid is the byte that was sent last, and was not yet there;
    - *error*: only where a byte finds the one before still waiting; that one stays;
    - *prompt*: one of both comes when half the stop bit is over, and the few clocks of registers.
    """

    def properties(scene: Scene) -> None:
        m, dut = scene.m, scene.dut
        scene.sink(dut.o, "o")
        begins, following = scene.any_clock(1, "begins"), scene.any_clock(8, "byte")
        quiet = Signal(range(divisor + 3))
        clock, bit, byte, busy = Signal(range(divisor)), Signal(range(10)), Signal(8), Signal()
        m.d.comb += dut.rx.eq(Mux(busy, Cat(Const(0, 1), byte, Const(1, 1)).bit_select(bit, 1), 1))
        with m.If(quiet != divisor + 2):
            m.d.sync += quiet.eq(quiet + 1)
        with m.If(busy):
            m.d.sync += clock.eq(clock + 1)
            with m.If(clock == divisor - 1):
                m.d.sync += [clock.eq(0), bit.eq(Mux(bit == 9, 0, bit + 1)), busy.eq(bit != 9)]
        with m.Elif((quiet == divisor + 2) & begins):
            m.d.sync += [busy.eq(1), byte.eq(following)]
        valid, moved, owed, sent = Signal(), Signal(), Signal(), Signal(8)
        comes = dut.o.valid & (~valid | moved)
        m.d.sync += [valid.eq(dut.o.valid), moved.eq(dut.o.valid & dut.o.ready)]
        with m.If(busy & (bit == 8) & (clock == divisor - 1)):
            m.d.sync += [owed.eq(1), sent.eq(byte)]
        with m.Elif(comes | dut.error):
            m.d.sync += owed.eq(0)
        scene.check("once", owed, when=comes)
        scene.check("received", dut.o.payload == sent, when=comes)
        scene.check("error", owed & dut.o.valid & ~dut.o.ready, when=dut.error)
        scene.check_waits("prompt", owed & ~comes & ~dut.error, divisor // 2 + 4)

    return properties


def receiver(scene: Scene) -> None:
    """Require of a `RequestReceiver` that every frame has exactly one outcome.

    What listens behind takes everything, as the request buffer does.

    - *deaf*: a token is always taken; *passes*: what leaves was just taken;
    - *outcome*: after a frame's end there is a good payload, a block of weights, a reply with its
      sequence number, or a frame counted as bad, and one of these only.
    """
    m, dut = scene.m, scene.dut
    scene.source(dut.i, "i")
    scene.sink(dut.control, "control")
    m.d.comb += dut.o.ready.eq(1)
    for name in ("refused", "unloaded", "busy", "benching", "engaged"):
        m.d.comb += getattr(dut, name).eq(scene.any_clock(1, name))
    ends = dut.i.valid & dut.i.payload.end
    free = ~dut.control.valid | dut.control.ready
    done, sequence, quiet = Signal(), Signal(8), Signal()
    one = dut.o.payload.good | dut.bad
    m.d.sync += [
        done.eq(ends & ~one),
        sequence.eq(dut.o.payload.data),
        quiet.eq((~ends | one) & free),
    ]
    right = dut.control.valid & (dut.control.payload.sequence == sequence)
    scene.check("deaf", dut.i.ready, when=dut.i.valid)
    scene.check("passes", dut.i.valid, when=dut.o.valid)
    scene.check("outcome reply", right, when=done)
    scene.check("outcome none", ~dut.control.valid, when=quiet)
    scene.check("outcome one", ~(dut.o.payload.good & dut.bad), when=ends)
    scene.check("bad", ends, when=dut.bad)


def buffer(*, frame_bytes: int, credits: int) -> Properties:
    """Require of a `RequestBuffer` that good payloads leave whole and in order, others not at all.

    Payloads are good only if they are long enough and were not refused, as the receiver sees to.

    - *deaf*: a token is always taken;
    - *queued*, *place*, *number*: requests without an answer, the oldest one's place, and the place
      of the one that comes in, by counters of our own;
    - *refused*: only while all places are taken, or payloads wait.
    """

    def properties(scene: Scene) -> None:
        m, dut = scene.m, scene.dut
        i, o = dut.i, dut.o
        scene.source(i, "i")
        scene.sink(o, "o")
        scene.sink(dut.place, "place")
        ends = i.valid & i.payload.end
        size, kept = _payload(m, i, frame_bytes)
        m.d.comb += dut.repeat.eq(0)
        good = i.payload.end & i.payload.good
        scene.promise(~(i.valid & good) | ((size == frame_bytes) & ~dut.refused))
        frames = Results(
            scene,
            put=i.valid & good,
            o=o,
            elements_in=kept,
            elements_out=[o.payload.data[0]],
            words_in=1,
            needs=[1] * frame_bytes,
            formula=lambda words: [[byte] for byte in words[0]],
            flight=credits + 1,
            last=o.payload.last,
        )
        answered = dut.place.valid & dut.place.ready
        queued, oldest = Signal(range(credits + 2)), Signal(range(credits))
        newest = Signal(range(credits))
        m.d.sync += queued.eq(queued + (i.valid & good) - answered)
        for at, moves in ((oldest, answered), (newest, i.valid & good)):
            with m.If(moves):
                m.d.sync += at.eq(Mux(at == credits - 1, 0, at + 1))
        busy = Signal()
        byte = i.valid & ~ends & (size != frame_bytes)
        full = (queued >= credits) | (frames.lead >= credits)
        with m.If(ends):
            m.d.sync += busy.eq(0)
        with m.Elif(byte & full):
            m.d.sync += busy.eq(1)
        scene.check("deaf", i.ready, when=i.valid)
        scene.check("queued", dut.queued == queued)
        scene.check("place", dut.place.payload == oldest, when=dut.place.valid)
        scene.check("offered", dut.place.valid == (queued != 0))
        scene.check("number", dut.number.place == newest, when=dut.kept)
        scene.check("kept", dut.kept == (i.valid & good))
        scene.check("refused", busy, when=dut.refused)
        scene.check_waits("silent", (frames.lead > 0) & o.ready & ~o.valid, frame_bytes + 1)

    return properties


def _payload(m: Module, i: Any, most: int) -> tuple[Signal, list[Signal]]:
    """Count the bytes of a payload, up to so many, and keep them."""
    size = Signal(range(most + 1), name="size")
    kept = [Signal(8, name=f"kept{k}", reset_less=True) for k in range(most)]
    with m.If(i.valid & i.payload.end):
        m.d.sync += size.eq(0)
    with m.Elif(i.valid & (size != most)):
        m.d.sync += size.eq(size + 1)
        for k, byte in enumerate(kept):
            with m.If(size == k):
                m.d.sync += byte.eq(i.payload.data)
    return size, kept


def contracts(*, still: Sequence[str] = (), deaf: int | None = None) -> Properties:
    """Require of a block with any ports that all its streams that leave keep the contract.

    Streams that come in do what the contract allows; other ports have any value at any clock.

    - *deaf*: while streams that leave are taken, `i` is, within so many clocks.

    Parameters
    ----------
    still : sequence of str
        Ports that have any value, but the same at all clocks.
    deaf : int or None
        Clocks; None if `i` may have to wait for something else.
    """

    def properties(scene: Scene) -> None:
        dut = scene.dut
        leave = []
        for name, member in dut.signature.members.items():
            port = getattr(dut, name)
            if member.is_signature and member.flow is Out:
                scene.sink(port, name)
                leave.append(port.ready)
            elif member.is_signature:
                scene.source(port, name)
            elif member.flow is In:
                own = Value.cast(port)
                given = scene.any_one if name in still else scene.any_clock
                scene.m.d.comb += own.eq(given(own.shape(), name))
        if deaf is not None:
            waits = dut.i.valid & ~dut.i.ready & Cat(leave).all()
            scene.check_waits("deaf", waits, deaf)

    return properties


def replies(scene: Scene) -> None:
    """Require of a `ReplySender` the contract, and that it is never silent with something to say.

    - *silent*: with a control reply and an answer on offer, and no number coming in, a byte is
      offered within 2 clocks.
    """
    dut = scene.dut
    contracts(still=("status",))(scene)
    something = dut.control.valid & dut.i.valid & ~dut.numbers.valid
    scene.check_waits("silent", something & dut.o.ready & ~dut.o.valid, 2)
