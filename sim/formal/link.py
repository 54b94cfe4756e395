"""What must hold of the framing: whatever came before, the next good frame is understood."""

from typing import Any

from amaranth.hdl import Array, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from bnnhw.link import Frame, Kind, encode
from rtl_gen.link.cobs import CobsDecoder, token
from rtl_gen.link.request import RequestReceiver, control

from .scene import Scene

__all__ = ["Framing", "framing"]

_SEQUENCE = 0x5A
_PAYLOAD = b"\x07"


class Framing(wiring.Component):
    """The decoder and the receiver as the link has them, for requests of one byte.

    Parameters
    ----------
    decoder : CobsDecoder or None
        Another one, with a fault.

    Members
    -------
    i : stream of 8 bits, in
        Bytes of the line.
    o : stream of `token()`, out
    control : stream of `control()`, out
    """

    def __init__(self, decoder: Any = None) -> None:
        self._decoder: Any = decoder or CobsDecoder()
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(token())),
                "control": Out(stream.Signature(control())),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Join them."""
        m = Module()
        m.submodules.decoder = decoder = self._decoder
        m.submodules.receiver = receiver = RequestReceiver(frame_bytes=len(_PAYLOAD))
        wiring.connect(m, wiring.flipped(self.i), decoder.i)
        wiring.connect(m, decoder.o, receiver.i)
        wiring.connect(m, receiver.o, wiring.flipped(self.o))
        wiring.connect(m, receiver.control, wiring.flipped(self.control))
        return m


def framing(scene: Scene) -> None:
    """Require that after any bytes, and a zero, HELLO is answered and INFER is taken.

    Any byte may come at any clock, until somebody begins to send a zero and one of the two frames;
    between its bytes any time may pass. What listens behind takes everything, as the request buffer
    and a sender that is not busy do.

    - *deaf*: a byte is always taken;
    - *hello*: the frame's last byte leaves a reply with its sequence number and no error;
    - *infer*: the frame's last byte brings a token that says that the payload is good.
    """
    dut: Framing = scene.dut
    m = scene.m
    scripts = [
        b"\0" + encode(Frame(Kind.HELLO, _SEQUENCE)),
        b"\0" + encode(Frame(Kind.INFER, _SEQUENCE, _PAYLOAD)),
    ]
    infer = scene.any_one(1, "infer")
    begins = scene.any_clock(1, "begins")
    noise = scene.any_clock(8, "noise")
    place = Signal(range(max(map(len, scripts)) + 1))
    size = max(map(len, scripts))
    texts = [Array(Const(byte, 8) for byte in text.ljust(size, b"\0")) for text in scripts]
    written, now = Signal(8), Signal()
    ends = Signal()
    m.d.comb += [
        written.eq(Array([texts[0][place], texts[1][place]])[infer]),
        now.eq((place != 0) | begins),
        dut.i.payload.eq(noise),
        dut.i.valid.eq(scene.any_clock(1, "valid")),
        dut.o.ready.eq(1),
        dut.control.ready.eq(1),
        ends.eq(place == Array(Const(len(text) - 1, 5) for text in scripts)[infer]),
    ]
    with m.If(now):
        m.d.comb += dut.i.payload.eq(written)
    moved = dut.i.valid & dut.i.ready & now
    with m.If(moved):
        m.d.sync += place.eq(place + 1)
        with m.If(ends):
            m.d.sync += place.eq(0)
    done = Signal()
    m.d.sync += done.eq(moved & ends & ~infer)
    scene.check("deaf", dut.i.ready, when=dut.i.valid)
    told = dut.control
    right = told.valid & (told.payload.code == 0) & (told.payload.sequence == _SEQUENCE)
    scene.check("hello", right, when=done)
    token_is_good = dut.o.valid & dut.o.payload.end & dut.o.payload.good
    sequence = dut.o.payload.data == _SEQUENCE
    scene.check("infer", token_is_good & sequence, when=moved & ends & infer)
