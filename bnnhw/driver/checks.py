"""The self-test of a device: the line with good and bad frames, and the design with images."""

import time
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..graph import Graph
from ..link.frames import Frame, encode
from ..link.line import Line
from ..link.payload import Packing
from ..link.protocol import ErrorCode, Hello, Kind
from .answers import Answers, Check

__all__ = ["run_checks"]

_RANDOM, _LOT = 256, 16
_SECONDS = 10.0
"""After which no other lot of images is sent: a line may be slow, and a board simulated."""
_UNKNOWN = 0x7F


class _Device(Protocol):
    def hello(self) -> Hello: ...

    def predict(self, images: npt.ArrayLike) -> Answers: ...


def run_checks(
    device: _Device, line: Line, packing: Packing | None, graph: Graph | None
) -> tuple[Check, ...]:
    """Run every check that what is known of the design allows."""
    checks = [_hellos(device), _damage(device, line), _refusal(line)]
    if packing is not None:
        checks += _images(device, packing, graph)
    return tuple(checks)


def _hellos(device: _Device) -> Check:
    told = [device.hello() for _ in range(8)]
    same = len({(one.identity, one.frame_bytes, one.clock_hz) for one in told}) == 1
    return Check("hello", same, f"{len(told)} times the same design" if same else "it changes")


def _damage(device: _Device, line: Line) -> Check:
    before = device.hello().bad_frames
    whole = encode(Frame(Kind.HELLO, 0))
    line.raw(bytes([whole[0], whole[1] ^ 0x10]) + whole[2:])
    found = (device.hello().bad_frames - before) % (1 << 16)
    # A line that damages frames of its own may add to it.
    return Check("damage", found >= 1, f"1 damaged frame sent, {found} dropped and counted")


def _refusal(line: Line) -> Check:
    code: int | None = None
    for _ in range(4):
        sequence = line.send(_UNKNOWN)
        count = 1
        while count and code is None:
            count, frames = line.listen()
            for frame in frames:
                if (frame.kind, frame.sequence) == (Kind.ERROR, sequence) and frame.payload:
                    code = frame.payload[0]
        if code is not None:
            break
    passed = code == ErrorCode.KIND
    return Check("refusal", passed, f"an unknown frame is answered by error {code}")


def _drawn(shape: tuple[int, ...], top: int) -> npt.NDArray[np.int64]:
    """Give what is sent: all 0, all 1, 256 random images, and such with one pixel that is not 0."""
    size = int(np.prod(shape))
    dice = np.random.default_rng(1)
    ends = np.stack([np.zeros(size, np.int64), np.full(size, top - 1)])
    places = dice.permutation(size)[:_RANDOM]
    single = np.zeros((len(places), size), np.int64)
    single[np.arange(len(places)), places] = top - 1
    # Both kinds in turns: a slow line may not come to the end.
    rest = np.concatenate([dice.integers(0, top, (_RANDOM, size)), single])
    turns = np.argsort([*range(_RANDOM), *range(len(places))], kind="stable")
    return np.concatenate([ends, rest[turns]]).reshape(-1, *shape)


def _asked(device: _Device, images: npt.NDArray[np.int64]) -> Answers:
    """Ask for the answers to as many images as there is time for, the first lot in any case."""
    end = time.monotonic() + _SECONDS
    told = [device.predict(images[:_LOT])]
    for at in range(_LOT, len(images), _LOT):
        if time.monotonic() >= end:
            break
        told.append(device.predict(images[at : at + _LOT]))
    tops = [one.top for one in told if one.top is not None]
    return Answers(
        np.concatenate([one.logits for one in told]),
        np.concatenate([one.classes for one in told]),
        np.concatenate(tops) if tops else None,
    )


def _images(device: _Device, packing: Packing, graph: Graph | None) -> Iterator[Check]:
    top = 256 if packing.node.lut is not None else packing.node.grid.levels
    images = _drawn(tuple(packing.node.image_shape), top)
    first, second = _asked(device, images), device.predict(images[:_LOT])
    images = images[: len(first.logits)]
    same = np.array_equal(first.logits[:_LOT], second.logits)
    same &= np.array_equal(first.classes[:_LOT], second.classes)
    yield Check("repeat", same, f"{len(second.logits)} images twice, the answers {_equal(same)}")
    if first.top is not None:
        ordered = bool((np.diff(first.logits, axis=1) <= 0).all())
        yield Check("order", ordered, "the best classes come best first")
    if graph is None:
        yield Check("golden", None, "skipped: no model was given, so no answer was looked at")
        return
    from ..golden import run

    wanted = run(graph, images)
    logits = wanted.logits
    if first.top is not None and wanted.top is not None:
        logits = np.take_along_axis(logits, wanted.top, 1)
    right = np.array_equal(logits, first.logits)
    right &= wanted.classes is None or np.array_equal(wanted.classes, first.classes)
    yield Check("golden", right, f"{len(images)} answers and the golden model's {_equal(right)}")


def _equal(same: bool) -> str:
    return "are equal" if same else "differ"
