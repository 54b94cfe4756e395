"""Blocks that move words: queues, forks, joins, widths, windows, memories."""

from typing import Any

from .kind import BATTERY, How, Kind, call

__all__ = ["KINDS"]

_FORKED: tuple[How, ...] = (
    {},
    {"stalls": 50, "seed": 1},
    {"stalls": {"o[0]": "patient", "o[1]": 50, "o[2]": "toggle"}},
    {"stalls": {"o[0]": 80, "i": 30}, "seed": 2},
    *({"stalls": {"o[1]": 50}, "reset_after": after} for after in (2, 5, 9)),
    {"stalls": 85, "seed": 3},
)
_JOINED: tuple[How, ...] = (*BATTERY, {"stalls": {"i0": 80}}, {"stalls": {"o": 80, "i0": "toggle"}})
_OUTPUT_ONLY: tuple[How, ...] = (
    {"linger": 0},
    {"linger": 0, "stalls": 50},
    {"linger": 0, "stalls": "patient"},
    {"linger": 0, "stalls": "toggle"},
    {"linger": 0, "reset_after": 7},
)


def _queue(depth: int) -> Any:
    def play(t: Any, **how: Any) -> Any:
        words = t.words_of(2, 3)
        return t.exercise(t.make(depth, t.word(2, 3)), {"i": words}, {"o": words}, **how)

    return play


def _level(depth: int) -> Any:
    """Make the test of the level, at the shape of the others."""

    def test(t: Any) -> None:
        dut, words = t.Queue(shape=t.word(2, 3), depth=depth), t.words_of(2, 3)[:depth]

        async def bench(ctx: Any) -> None:
            await t.send(ctx, dut.i, words)
            assert ctx.get(dut.level) == depth
            assert not ctx.get(dut.i.ready) or depth == 1
            for left in reversed(range(depth)):
                assert await t.receive(ctx, dut.o, 1) == [words[depth - 1 - left]]
                assert ctx.get(dut.level) == left
                await ctx.tick()
            assert not ctx.get(dut.o.valid)

        t.run(dut, bench, deadline=20 * depth)

    return test


def _width(lanes_in: int, lanes_out: int) -> Any:
    return lambda t, **how: t.convert(23, 2, lanes_in, lanes_out, **how)


def _replayed(t: Any, **how: Any) -> Any:
    source, sink = t.traffic(4, 2, 3, 3)
    return t.exercise(
        t.ReplayBuffer(words=4, lanes=2, repeats=3), {"i": source}, {"o": sink}, **how
    )


def _rom(t: Any, **how: Any) -> Any:
    words = [(7 * k + 3) % 32 for k in range(13)]
    return t.exercise(t.RomStream(words=words, width=5), {}, {"o": words * 3}, **how)


def _spared(t: Any, **how: Any) -> Any:
    words = t.words_of(2, 3)
    return t.exercise(t.Spare(shape=t.word(2, 3)), {"i": words}, {"o": words}, **how)


_SLICE = {"lanes": 1, "bits": 3, "folds": 4, "start": 1, "stop": 3, "pixels": 2}
_PERMUTE = {"lanes": 1, "bits": 3, "order": (2, 0, 3, 1)}


def _windowed(name: str) -> Any:
    return lambda t, **how: t.exercised(t.NAMED[name], **how)


def _pooled(block: str) -> Any:
    return lambda t, **how: t.exercised(getattr(t, block), t.shape(), **how)


def _pooled_in_time(block: str) -> Any:
    return lambda t: t.in_time(getattr(t, block), t.shape())


KINDS = (
    Kind(name="register slice", tests="rtl_gen/test_queue.py", block="Skid", play=_queue(0)),
    *(
        Kind(
            name=f"queue of {depth}", tests="rtl_gen/test_queue.py", block="Queue",
            play=_queue(depth), also=(_level(depth),),
        )
        for depth in (1, 2, 5)
    ),
    Kind(name="spare register", tests="rtl_gen/test_spare.py", block="Spare", play=_spared),
    Kind(
        name="fork", tests="rtl_gen/test_fork.py", block="Fork", battery=_FORKED,
        play=lambda t, **how: t.compare(3, **how),
        also=tuple(call("test_reset_forgets_that_one_copy_has_the_word", k) for k in range(3)),
    ),
    Kind(
        name="sum of streams", tests="rtl_gen/test_joins.py", block="Add", battery=_JOINED,
        play=lambda t, **how: t.added(t.ADDS["three"], **how),
    ),
    Kind(
        name="concatenation", tests="rtl_gen/test_joins.py", block="Concat", battery=_JOINED,
        play=lambda t, **how: t.concatenated(t.CONCATS["three"], **how),
    ),
    *(
        Kind(
            name=f"width converter, {what}", tests="rtl_gen/test_width.py",
            block="WidthConverter", play=_width(*lanes),
        )
        for what, lanes in (
            ("collector", (2, 6)), ("shifter", (6, 2)),
            ("gearbox up", (4, 6)), ("gearbox down", (6, 4)), ("same", (4, 4)),
        )
    ),
    Kind(
        name="channel slice", tests="rtl_gen/test_channels.py", block="ChannelSlice",
        play=lambda t, **how: t.sliced(_SLICE, **how),
    ),
    Kind(
        name="permutation", tests="rtl_gen/test_channels.py", block="Permute",
        play=lambda t, **how: t.permuted(_PERMUTE, **how),
    ),
    *(
        Kind(
            name=f"sliding window, {name}", tests="rtl_gen/test_window.py",
            block="SlidingWindow", play=_windowed(name),
            also=(
                call("test_long_stalls_in_a_frame_and_at_its_end", name),
                call("test_room_wherever_it_stops", name),
                *(
                    call("test_room_after_words_of_the_next_frame", name, ahead, later)
                    for ahead in (1, 2)
                    for later in (0, 1)
                ),
                *(call("test_input_at_the_rate_of_the_window", name, pace) for pace in (1, 3, 9)),
            ),
        )
        for name in ("zero", "grouped")
    ),
    *(
        Kind(
            name=f"window of one clock, {name}", tests="rtl_gen/test_window_parallel.py",
            block="ParallelWindow", play=_windowed(name),
            also=(call("test_named_shapes", name),),
        )
        for name in ("zero", "strided")
    ),
    *(
        Kind(
            name=f"{what} pool", tests="rtl_gen/test_pool.py", block=block,
            play=_pooled(block), also=(_pooled_in_time(block),),
        )
        for what, block in (("maximum", "MaxPool"), ("sum", "SumPool"))
    ),
    Kind(
        name="replay buffer", tests="rtl_gen/test_replay.py", block="ReplayBuffer",
        play=_replayed,
    ),
    Kind(
        name="batch buffer", tests="rtl_gen/test_batch.py", block="BatchBuffer",
        play=lambda t, **how: t.ordered(**how),
    ),
    Kind(
        name="read-only memory", tests="rtl_gen/test_rom.py", block="RomStream", play=_rom,
        battery=_OUTPUT_ONLY,
    ),
    Kind(
        name="read-only memory, late", tests="rtl_gen/test_late.py", block="LateRom",
        also=tuple(
            call("test_words_in_order", 13, "auto", percent) for percent in (30, 100)
        ),
    ),
    Kind(
        name="writable store", tests="rtl_gen/test_store.py", block="WritableStream",
        also=tuple(
            call("test_streams_what_was_loaded", 3, 17, "auto", stalls)
            for stalls in (0, 50, {"o": "patient", "i_load": "toggle"})
        )
        + (call("test_loaded_again_whichever_word_is_on_offer", 3, 17),),
    ),
    Kind(
        name="level", tests="rtl_gen/test_level.py", block="Level",
        also=(call("test_some_follows_the_count", 9, 9),),
    ),
    Kind(
        name="frame guard", tests="rtl_gen/test_frame.py", block="FrameGuard",
        play=lambda t, **how: t.guard(8, 2, 3, [8, 1, 11, 8, 17, 1, 8, 5, 8], **how),
        also=(call("guard", 8, 2, 3, [1] * 260),),
    ),
)  # fmt: skip
