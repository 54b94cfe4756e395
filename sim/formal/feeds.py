"""What must hold of blocks that are no stream on one side, or take frames of any length."""

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal, Value
from amaranth.lib import stream

from rtl_gen.feed import Feed
from rtl_gen.streams import word

from .frames import Frames, Place
from .scene import Properties, Scene

__all__ = ["feed", "guard"]


def feed(*, words: int, repeats: int, hold: int = 1, late: bool = False) -> Properties:
    """Require of a `Feed` that its groups are the words of each vector, `repeats` times.

    With `hold`, word 0 of so many vectors comes first, then word 1 of each. Besides what `Frames`
    checks of what stands at `tags` and `data`:

    - *goes*: a group stands there in the clock after `go` and `there`, and in no other;
    - *first*, *final*, *ahead*: tags, and the port `final` a clock before, say where a vector
      begins and ends.
    """
    turn = [(vector * words + at, at) for at in range(words) for vector in range(hold)]

    def properties(scene: Scene) -> None:
        dut: Feed = scene.dut
        m = scene.m
        scene.source(dut.i, "i")
        moves = dut.go & dut.there
        m.d.comb += dut.go.eq(scene.any_clock(1, "go"))
        moved, was_final = Signal(), Signal()
        m.d.sync += [moved.eq(moves), was_final.eq(dut.final)]
        lanes = dut.data if isinstance(dut.data, Signal) else Value.cast(dut.data)
        tags = _later(m, dut.tags) if late else dut.tags
        shown = _shown(m, tags, lanes)
        table: list[list[Place | None]] = [
            [(place, lane) for lane in range(len(lanes))] for place, _ in turn * repeats
        ]
        frames = Frames(
            scene,
            put=dut.i.valid & dut.i.ready,
            o=shown,
            elements_in=list(Value.cast(dut.i.payload.data)),
            elements_out=list(lanes),
            words_in=words * hold,
            table=table,
            flight=4,
            last=tags.last,
        )
        at = Array(at for _, at in turn * repeats)[frames.word_out]
        scene.check("goes", dut.tags.there == moved)
        scene.check("first", tags.first == (at == 0), when=tags.there)
        scene.check("final", tags.final == (at == words - 1), when=tags.there)
        scene.check("ahead", was_final == dut.tags.final, when=moved)
        served = dut.go & (dut.i.valid | (frames.lead > late))
        scene.check_waits("silent", served & ~dut.there, words * hold + 1)
        scene.check_waits("deaf", dut.go & dut.i.valid & ~dut.i.ready, words * hold * repeats)

    return properties


def _later(m: Module, tags: Any) -> Any:
    later = Signal(tags.shape(), name="later")
    m.d.sync += later.eq(tags)
    return later


def _shown(m: Module, tags: Any, lanes: Value) -> Any:
    """Give groups as a stream that is never stopped."""
    shown: Any = stream.Signature(word(len(lanes))).create(path=("shown",))
    m.d.comb += [
        shown.valid.eq(tags.there),
        shown.ready.eq(1),
        shown.payload.data.as_value().eq(lanes),
        shown.payload.last.eq(tags.last),
    ]
    return shown


def guard(*, elements: int, lanes: int) -> Properties:
    """Require of a `FrameGuard` that each frame, of any length, becomes one of the right length.

    - *passes*: while the frame goes on, what leaves is what is taken, less what lies past its end;
    - *fills*: behind a frame that ended early come zeros;
    - *waits*: no word of the next frame is taken before;
    - *drops*: no word is dropped but those behind the end;
    - *last*: it marks the last word of a frame;
    - *errors*: one more with each frame of another length, up to 255.
    """
    words = -(-elements // lanes)

    def properties(scene: Scene) -> None:
        m, i, o = scene.m, scene.dut.i, scene.dut.o
        scene.source(i, "i")
        scene.sink(o, "o")
        put, got = i.valid & i.ready, o.valid & o.ready
        place, ended, beyond = Signal(range(words + 1)), Signal(), Signal()
        final = place == words - 1
        early = put & ~beyond & i.payload.last & ~final
        over = got & final & put & ~i.payload.last
        with m.If(got):
            m.d.sync += place.eq(Mux(final, 0, place + 1))
        m.d.sync += [
            ended.eq(early | (ended & ~(got & final))),
            beyond.eq(over | (beyond & ~(put & i.payload.last))),
        ]
        for lane in range(lanes):
            inside = place * lanes + lane < elements
            wanted = Mux(inside, i.payload.data[lane], 0)
            right = put & (o.payload.data[lane] == wanted)
            scene.check(f"passes {lane}", right, when=got & ~ended)
            scene.check(f"fills {lane}", o.payload.data[lane] == 0, when=o.valid & ended)
        scene.check("waits", ~ended, when=put)
        scene.check("drops", got | beyond, when=put)
        scene.check("last", o.payload.last == final, when=o.valid)
        wrong, before = Signal(), Signal(8)
        m.d.sync += [wrong.eq(early | over), before.eq(scene.dut.errors)]
        scene.check("errors", scene.dut.errors == before + (wrong & ~before.all()))
        scene.check("silent", o.valid, when=(i.valid & ~beyond) | ended)
        scene.check_waits("deaf", o.ready & i.valid & ~i.ready, words)

    return properties
