"""What must hold of SPI: no byte is lost or doubled, whatever the wires do."""

from amaranth.hdl import Cat, Signal, Value

from rtl_gen.link import SpiPeripheral

from .scene import Scene

__all__ = ["spi"]


def spi(scene: Scene) -> None:
    """Require that bytes pass whole and once, as a controller counts them by its rises of SCK.

    The three wires may have any level at any clock, and a reset may come at any time. A controller
    is written down once more, from the wires behind two registers: it counts the rises while CS is
    low, from a high CS on, and collects the bits of both directions. Bytes to send are not zero, so
    that they can be told from fillers.

    - *received*: a byte is on `o` from its eighth rise until it is taken, and no other is;
    - *error*: exactly where a byte finds the one before still there, or CS cuts one short;
    - *sent*: what a controller reads is a filler, or the one byte that was taken from `i`;
    - *kept*: none is taken from `i` before the one before was read;
    - *prompt*: no filler comes where a byte was there when the one before began.
    """
    dut: SpiPeripheral = scene.dut
    m = scene.m
    sck, away, mosi = (_behind_registers(scene, name) for name in ("sck", "cs", "mosi"))
    scene.source(dut.i, "i")
    scene.sink(dut.o, "o")
    scene.promise(dut.i.payload != 0)

    before, listening, count = Signal(), Signal(), Signal(3)
    into, out = Signal(7), Signal(7)
    rise, whole = Signal(), Signal()
    byte_in, byte_out = Signal(8), Signal(8)
    m.d.comb += [
        rise.eq(sck & ~before & ~away & listening),
        whole.eq(rise & (count == 7)),
        byte_in.eq(Cat(mosi, into)),
        byte_out.eq(Cat(dut.miso, out)),
    ]
    m.d.sync += before.eq(sck)
    with m.If(away):
        m.d.sync += [listening.eq(1), count.eq(0)]
    with m.Elif(rise):
        m.d.sync += [count.eq(count + 1), into.eq(byte_in), out.eq(byte_out)]

    waits, waiting = Signal(), Signal(8)
    missed = whole & waits & ~dut.o.ready
    with m.If(whole & ~missed):
        m.d.sync += [waits.eq(1), waiting.eq(byte_in)]
    with m.Elif(dut.o.ready):
        m.d.sync += waits.eq(0)
    scene.check("received", dut.o.valid == waits)
    scene.check("received right", dut.o.payload == waiting, when=waits)
    cut = away & (count != 0)
    scene.check("error", dut.error == (missed | cut))

    _hold_sent(scene, whole, byte_out, away)


def _hold_sent(scene: Scene, whole: Signal, byte_out: Signal, away: Value) -> None:
    """Require what leaves, byte for byte."""
    dut: SpiPeripheral = scene.dut
    m = scene.m
    owes, owed, due = Signal(), Signal(8), Signal()
    filler = byte_out == 0
    read = whole & ~filler
    takes = dut.i.valid & dut.i.ready
    with m.If(takes):
        m.d.sync += [owes.eq(1), owed.eq(dut.i.payload)]
    with m.Elif(read):
        m.d.sync += owes.eq(0)
    with m.If(away):
        m.d.sync += due.eq(0)
    with m.Elif(whole):
        m.d.sync += due.eq((filler & owes) | (read & dut.i.valid))
    scene.check("sent", owes & (byte_out == owed), when=read)
    scene.check("kept", ~owes | read, when=takes)
    scene.check("prompt", ~filler, when=whole & due)


def _behind_registers(scene: Scene, name: str) -> Signal:
    """Let a wire have any level at any clock; give it two clocks later, CS as its opposite."""
    level = scene.any_clock(1, name)
    first, second = Signal(reset_less=True), Signal(reset_less=True)
    scene.m.d.sync += [first.eq(~level if name == "cs" else level), second.eq(first)]
    scene.m.d.comb += getattr(scene.dut, name).eq(level)
    return second
