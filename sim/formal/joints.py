"""What must hold where streams part and meet."""

from typing import Any

from amaranth.hdl import Cat, Signal, Value

from rtl_gen.fork import Fork
from rtl_gen.joins import Add, Concat

from .frames import ELSEWHERE, Frames, Place
from .scene import Scene

__all__ = ["add", "concat", "fork"]


def fork(scene: Scene) -> None:
    """Require of a `Fork` that each copy gets every word once, and none waits for another.

    A word enters when it is first offered, since a copy may take it before the last one has.
    """
    dut: Fork = scene.dut
    scene.source(dut.i, "i")
    offered = Signal()
    enters = dut.i.valid & ~offered
    moves = dut.i.valid & dut.i.ready
    scene.m.d.sync += offered.eq(dut.i.valid & ~dut.i.ready)
    bits = list(Value.cast(dut.i.payload))
    for k in range(dut.copies):
        o = dut.o[k]
        scene.sink(o, f"o{k}")
        frames = Frames(
            scene,
            put=enters,
            o=o,
            elements_in=bits,
            elements_out=list(Value.cast(o.payload)),
            words_in=1,
            table=[[(0, lane) for lane in range(len(bits))]],
            flight=1,
            last=None,
            name=f"o{k} ",
        )
        has_now = frames.lead + enters - frames.end_out == 0
        scene.check(f"o{k} is served", has_now, when=moves)
        scene.check(f"o{k} is eager", o.valid == (enters | (frames.lead != 0)))
    all_ready = Cat(dut.o[k].ready for k in range(dut.copies)).all()
    scene.check("deaf", dut.i.ready, when=dut.i.valid & all_ready)


def add(scene: Scene) -> None:
    """Require of an `Add` that the n-th sum is that of the n-th words, with `i0`'s `last`."""
    dut: Add = scene.dut
    inputs = _inputs(scene, len(dut.bits))
    scene.sink(dut.o, "o")
    puts = Cat(source.valid & source.ready for source in inputs)
    scene.check("together", puts.all() | ~puts.any())
    sums: list[Value] = []
    for lane in range(dut.lanes):
        terms = zip(inputs, dut.factors, strict=True)
        total: Value = sum((i.payload.data[lane] * factor for i, factor in terms), Value.cast(0))
        sums.append(total[: dut.bits_out])
    frames = Frames(
        scene,
        put=puts.all(),
        o=dut.o,
        elements_in=[*sums, inputs[0].payload.last],
        elements_out=[*dut.o.payload.data, dut.o.payload.last],
        words_in=1,
        table=[[(0, lane) for lane in range(dut.lanes + 1)]],
        flight=1,
        last=None,
    )
    _progress(scene, inputs, [frames])


def concat(scene: Scene) -> None:
    """Require of a `Concat` that each code is at its place, moved as its input says."""
    dut: Concat = scene.dut
    inputs = _inputs(scene, len(dut.bits))
    scene.sink(dut.o, "o")
    owners = [k for k, words in enumerate(dut.words) for _ in range(words)] * dut.pixels
    all_frames = []
    for k, source in enumerate(inputs):
        moved: list[Value] = [
            (code * dut.factors[k] + dut.offsets[k])[: dut.bits_out] for code in source.payload.data
        ]
        word = 0
        table: list[list[Place | None]] = []
        for owner in owners:
            own = owner == k
            table.append([(word, lane) if own else ELSEWHERE for lane in range(dut.lanes)])
            word += own
        all_frames.append(
            Frames(
                scene,
                put=source.valid & source.ready,
                o=dut.o,
                elements_in=moved,
                elements_out=list(dut.o.payload.data),
                words_in=dut.words[k] * dut.pixels,
                table=table,
                flight=1,
                last=dut.o.payload.last,
                name=f"i{k} ",
            )
        )
    _progress(scene, inputs, all_frames)


def _inputs(scene: Scene, count: int) -> list[Any]:
    inputs = [getattr(scene.dut, f"i{k}") for k in range(count)]
    for k, source in enumerate(inputs):
        scene.source(source, f"i{k}")
    return inputs


def _progress(scene: Scene, inputs: list[Any], frames: list[Frames]) -> None:
    """Check that a join which all sides serve, or which holds a whole frame, sends in a clock."""
    o = scene.dut.o
    offered = Cat(source.valid for source in inputs).all()
    inside = Cat(frame.lead != 0 for frame in frames).all()
    scene.check_waits("silent", o.ready & (offered | inside) & ~o.valid, 1)
    for k, source in enumerate(inputs):
        served = o.ready & offered & ~source.ready
        others = sum(scene.dut.words) if isinstance(scene.dut, Concat) else 0
        scene.check_waits(f"i{k} deaf", served, others)
