"""The board's own benchmark: an image run many times inside, and the clocks counted there."""

from ..errors import DeviceError, UsageError
from ..link.advice import on_trouble
from ..link.errors import BoardSilent, WrongDesign
from ..link.line import NOISE_CAP, RETRIES, Line
from ..link.protocol import BENCH_BYTES, CLOCKS_BYTES, ErrorCode, Hello, Kind
from .answers import Benchmark

__all__ = ["run_benchmark"]

_MOST = (1 << 8 * BENCH_BYTES) - 1
_CLOCKS = 1 << 8 * CLOCKS_BYTES


def run_benchmark(
    line: Line,
    info: Hello,
    payload: bytes,
    wanted: bytes,
    *,
    images: int,
    planned: int | None,
) -> Benchmark:
    """Run `payload` once and `images` times.

    Parameters
    ----------
    line : Line
    info : Hello
    payload, wanted : bytes
        One request, and its answer as an ordinary run gave it.
    images : int
        0 for about a second's worth.
    planned : int or None
        Clocks of an image as the manifest says.

    Raises
    ------
    UsageError, DeviceError
        As `Device.benchmark`.
    """
    if not info.benchmark:
        raise UsageError(
            f"The design at '{line.name}' has no benchmark on the chip.",
            "Build it with --benchmark; the answers' own rate is that of the line.",
        )
    if isinstance(images, bool) or not isinstance(images, int) or images not in range(_MOST + 1):
        raise UsageError(f"images must be 0 or 2 to {_MOST}, not {images!r}.", "Leave it out.")
    if images == 1:
        raise UsageError("images must be 0 or 2 or more, not 1.", "One run has no rate.")
    first = _run(line, info, payload, wanted, 1)
    each = max(first, planned or 0)
    # Where it is not said how many: a second, and never so many that the board's count overflows.
    room = min(_MOST, (_CLOCKS - 1) // each)
    if images > room:
        raise UsageError(
            f"images must be at most {room} here, not {images!r}: the board counts clocks modulo "
            f"{_CLOCKS}.",
            "Leave it out.",
        )
    count = images or max(2, min(room, info.clock_hz // each))
    return Benchmark(count, _run(line, info, payload, wanted, count), first, info.clock_hz)


def _run(line: Line, info: Hello, payload: bytes, wanted: bytes, count: int) -> int:
    """Give the clocks of `count` runs."""
    for _ in range(RETRIES):
        # HELLO ends what an earlier attempt may have prepared.
        line.hello()
        prepare = line.send(Kind.BENCH, count.to_bytes(BENCH_BYTES, "little"))
        if _await(line, Kind.HELLO_REPLY, prepare) is None:
            continue
        reply = _await(line, Kind.RESULT, line.send(Kind.INFER, payload), patient=True)
        if reply is None or len(reply) != len(wanted) + CLOCKS_BYTES:
            continue
        answer, clocks = reply[: len(wanted)], int.from_bytes(reply[len(wanted) :], "little")
        if answer != wanted:
            raise WrongDesign(
                f"The board at '{line.name}' answers an image otherwise after {count} runs.",
                "This is a defect of the generated hardware or of the board; please report it.",
            )
        return clocks
    raise BoardSilent(
        f"The board at '{line.name}' did not finish its benchmark; {RETRIES} attempts failed.",
        on_trouble(line.name, "reset the board and try again with fewer images"),
    )


def _await(line: Line, kind: Kind, sequence: int, *, patient: bool = False) -> bytes | None:
    """Give the payload of the reply to `sequence`, or None if it does not come.

    A `patient` one waits as long as the board says that a request is under way.
    """
    heard = 0
    while heard < NOISE_CAP:
        count, frames = line.listen()
        heard += count
        for frame in frames:
            if frame.sequence != sequence:
                continue
            if frame.kind == kind:
                return frame.payload
            if frame.kind == Kind.ERROR:
                _refused(line, frame.payload)
                return None
        if not count and not (patient and _busy(line)):
            return None
    return None


def _busy(line: Line) -> bool:
    line.flush()
    return bool(line.hello().queued)


def _refused(line: Line, payload: bytes) -> None:
    if payload == bytes([ErrorCode.UNLOADED]):
        raise DeviceError(
            f"The weights of the board at '{line.name}' are not loaded.",
            "Load some with load_weights(model).",
        )
