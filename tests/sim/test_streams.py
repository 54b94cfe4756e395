"""Words, frames and stall patterns."""

import pytest
from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from rtl_gen.streams import result, word
from sim.streams import STALLS, decode, encode, frame, frames, never, stall


def test_frame_is_cut_padded_and_ended() -> None:
    assert frame([1, 2, 3], 2) == [
        {"data": (1, 2), "last": 0},
        {"data": (3, 0), "last": 1},
    ]


@pytest.mark.parametrize("lanes", range(1, 6))
@pytest.mark.parametrize("elements", range(1, 12))
def test_frames_invert_frame(lanes: int, elements: int) -> None:
    one = list(range(1, elements + 1))
    two = list(range(elements, 0, -1))
    words = frame(one, lanes) + frame(two, lanes)
    assert frames(words, elements) == [one, two]
    assert [item["last"] for item in words] == ([0] * ((elements - 1) // lanes) + [1]) * 2


def test_frame_wrong() -> None:
    with pytest.raises(ValueError, match=r"^A frame must have elements and lanes, not 0 in 3$"):
        frame([], 3)
    with pytest.raises(ValueError, match=r"^A frame must have elements and lanes, not 1 in 0$"):
        frame([1], 0)


def test_frames_wrong() -> None:
    words = frame([1, 2, 3], 2)
    with pytest.raises(ValueError, match=r"^Frame 0 must hold 5 elements, not 4 lanes$"):
        frames(words, 5)
    with pytest.raises(ValueError, match=r"^Frame 0 must hold 2 elements, not 4 lanes$"):
        frames(words, 2)
    with pytest.raises(ValueError, match=r"^Frame 1 must end with `last`, not after 2 lanes$"):
        frames(words + words[:1], 3)
    words[1]["data"] = (3, 9)
    with pytest.raises(ValueError, match=r"^Frame 0 must be padded with zeros, not \[9\]$"):
        frames(words, 3)


@pytest.mark.parametrize(
    ("shape", "value", "bits"),
    [
        (word(3, 2), {"data": (1, 2, 3), "last": 1}, 0b1_11_10_01),
        (result(4, 2), {"data": 9, "index": 2, "last": 0}, 0b0_10_1001),
        (data.ArrayLayout(signed(3), 2), (-1, 3), 0b011_111),
        (unsigned(5), 17, 17),
    ],
)
def test_encode_and_decode(shape: object, value: object, bits: int) -> None:
    assert encode(shape, value) == bits
    assert decode(shape, bits) == value


@pytest.mark.parametrize("kind", STALLS)
def test_stall_repeats_and_waits_as_often_as_it_says(kind: int | str) -> None:
    waits = [stall(kind, seed=3) for _ in range(2)]
    first, again = ([wait() for _ in range(2000)] for wait in waits)
    assert first == again
    percent = 50 if kind == "toggle" else int(kind)
    assert abs(sum(first) / 20 - percent) < 4
    if kind == "toggle":
        assert all(a != b for a, b in zip(first, first[1:], strict=False))


def test_stall_depends_on_the_seed() -> None:
    patterns = {tuple(wait() for _ in range(64)) for wait in (stall(50, seed=s) for s in range(9))}
    assert len(patterns) == 9
    assert not never()


@pytest.mark.parametrize("kind", [100, -1, "often"])
def test_stall_wrong(kind: int | str) -> None:
    with pytest.raises(
        ValueError, match=rf'^Stall must be 0 to 99 percent or "toggle", not {kind!r}$'
    ):
        stall(kind)
