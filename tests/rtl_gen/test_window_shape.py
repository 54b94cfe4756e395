# amaranth: UnusedElaboratable=no
"""Words that a window must keep: by closed form, and by the definition, tap for tap."""

import itertools
from collections.abc import Iterator

import pytest

from bnnhw.plan.window_shape import WindowShape
from rtl_gen.window import SlidingWindow

from .test_window import SAME, random_shape


def positions(form: WindowShape, frames: int) -> tuple[list[int | None], list[int]]:
    """Position of every tap (None in padding), and where every window begins."""
    taps: list[int | None] = []
    begins = []
    top, left, _, _ = form.padding
    share = form.folds // form.groups
    for start, oy, ox in itertools.product(
        range(0, frames * form.words_in, form.words_in),
        range(form.out_height),
        range(form.out_width),
    ):
        y0, x0 = oy * form.stride[0] - top, ox * form.stride[1] - left
        begins.append(start + (y0 * form.width + x0) * form.folds)
        for group, ky, kx, fold in itertools.product(
            range(form.groups), range(form.kernel[0]), range(form.kernel[1]), range(share)
        ):
            y, x = y0 + ky * form.dilation[0], x0 + kx * form.dilation[1]
            inside = 0 <= y < form.height and 0 <= x < form.width
            at = start + (y * form.width + x) * form.folds + group * share + fold
            taps.append(at if inside else None)
    return taps, begins


def room_by_definition(form: WindowShape) -> int:
    """Try every tap against every window of three frames."""
    taps, begins = positions(form, 3)
    output_is_slower = form.words_out >= form.words_in
    most = 0
    for index, begin in enumerate(begins):
        end = (index + 1) * form.window_words
        window = range(end - form.window_words, end)
        others = range(end, len(taps)) if output_is_slower else range(end)
        asked = [at - begin + 1 for at in map(taps.__getitem__, window) if at is not None]
        asked += [at - begin - n + end + 1 for n in others if (at := taps[n]) is not None]
        most = max([most, *asked])
    return most


@pytest.mark.parametrize("batch", range(10))
def test_room_is_what_its_definition_asks_for(batch: int) -> None:
    for seed in range(1000 + 20 * batch, 1020 + 20 * batch):
        form = SlidingWindow(**random_shape(seed, padding=3 * (seed % 2))).shape
        _, begins = positions(form, 3)
        assert form.retreat == max(0, *(before - after for before, after in _ordered(begins)))
        asked = room_by_definition(form)
        if any(form.padding):
            assert form.room >= asked
        else:
            assert form.room == asked


def _ordered(begins: list[int]) -> Iterator[tuple[int, int]]:
    highest = begins[0]
    for begin in begins[1:]:
        yield highest, begin
        highest = max(highest, begin)


def test_room_in_closed_form() -> None:
    plain = WindowShape(channels=64, lanes=32, height=16, width=16, kernel=(3, 3))
    assert plain.span == (2 * 16 + 3) * 2
    assert plain.room == (4 * 16 - 3) * 2 + 1
    same = WindowShape(channels=64, lanes=32, height=16, width=16, kernel=(3, 3), padding=SAME)
    assert same.room == same.span
    point = WindowShape(channels=64, lanes=32, height=16, width=16, kernel=(1, 1))
    assert point.room == 2 + 1
