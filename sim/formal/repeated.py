"""What must hold of a benchmark: so many runs, one answer, and the clocks that they took."""

from amaranth.hdl import Cat, Signal

from .scene import Scene

__all__ = ["benchmark"]


def benchmark(scene: Scene) -> None:
    """Require of a `Benchmark` that it drops all answers but the last, and adds the clocks.

    It is armed only while nothing is under way, for one or two runs, and no answer comes before a
    run begins; for the rest all may happen at any clock.

    - *passes*, *moves*: answers outside of a run, and the last one of a run, pass as they are;
    - *drops*: the others are taken at once and leave nothing;
    - *clocks*, *last*: four bytes with the clocks follow, low byte first, by a counter of our own;
    - *busy*, *repeat*: from arming to the last byte, and as often as a frame is read again.
    """
    m, dut, i, o = scene.m, scene.dut, scene.dut.i, scene.dut.o
    scene.source(i, "i")
    scene.sink(o, "o")
    count = scene.any_one(16, "count")
    m.d.comb += dut.count.eq(count)
    for name in ("arm", "disarm", "offers", "begins", "ends"):
        m.d.comb += getattr(dut, name).eq(scene.any_clock(1, name))
    armed, running, tail, inside = Signal(), Signal(), Signal(), Signal()
    answers, reads, place, clocks = Signal(2), Signal(2), Signal(2), Signal(32)
    idle = ~armed & ~running
    moves = i.valid & i.ready
    for promised in (
        (count == 1) | (count == 2),
        dut.offers | ~dut.begins,
        ~dut.arm | ~idle | (~i.valid & ~inside),
        ~(armed & i.valid),
    ):
        scene.promise(promised)
    with m.If(moves):
        m.d.sync += inside.eq(~i.payload.last)
    with m.If(idle):
        m.d.sync += [armed.eq(dut.arm), answers.eq(0), reads.eq(0), clocks.eq(0)]
    with m.Else():
        m.d.sync += clocks.eq(clocks + ((running | dut.begins) & ~tail))
        m.d.sync += reads.eq(reads + (dut.ends & (reads != count - 1)))
    with m.If(armed):
        m.d.sync += armed.eq(~(dut.begins | (dut.disarm & ~dut.offers)))
        m.d.sync += running.eq(dut.begins)
    final = answers == count - 1
    with m.If(running & moves & i.payload.last):
        m.d.sync += [answers.eq(answers + 1), tail.eq(final)]
        with m.If(final):
            m.d.sync += answers.eq(answers)
    with m.If(tail & o.ready):
        m.d.sync += place.eq(place + 1)
        with m.If(place == 3):
            m.d.sync += [tail.eq(0), running.eq(0)]
    drop = running & ~final
    shown = Cat(i.payload.data[0], i.payload.last & ~running)
    scene.check("passes", o.valid == i.valid, when=~tail & ~drop)
    scene.check("passes right", o.payload.as_value() == shown, when=~tail & o.valid)
    scene.check("moves", i.ready == o.ready, when=~tail & ~drop & i.valid)
    scene.check("drops", i.ready & ~o.valid, when=drop & i.valid)
    scene.check("tail", o.valid & ~i.ready, when=tail)
    scene.check("clocks", o.payload.data[0] == clocks.word_select(place, 8), when=tail)
    scene.check("last", o.payload.last == (place == 3), when=tail)
    scene.check("busy", dut.busy == ~idle)
    scene.check("repeat", dut.repeat == (~idle & (reads != count - 1)))
    scene.reach("two runs", Cat(tail, count == 2).all())
