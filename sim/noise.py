"""The host link under noise: millions of bytes, and between them requests that must be answered."""

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bnnhw.link import Decoder, Frame, Hello, Kind, encode
from rtl_gen.link import HostLink
from rtl_gen.streams import port
from rtl_gen.verilog import emit

from .verilated import compile_program

__all__ = ["KINDS", "NoisyLink", "noise", "survive"]

_HARNESS = Path(__file__).with_name("noise.cpp")
_DIVISOR, _FRAME, _IDENTITY = 4, 6, bytes(range(32))
# Longer than the link takes between two bytes of a frame, or from a request to its answer.
_QUIET = 1000
_LONGEST = 2000
_LEVELS = 1

KINDS = ("bytes", "few", "long", "nearly", "levels")
"""Uniform bytes; few values, so that frames are short; no zeros; frames with errors; no bytes."""


class _Adder(wiring.Component):
    """Stands in for an accelerator: answers a frame with the sum of its bytes modulo 256."""

    def __init__(self) -> None:
        super().__init__({"i": In(port(1, 8)), "o": Out(port(1, 8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total, done = Signal(8), Signal()
        m.d.comb += [
            self.i.ready.eq(~done),
            self.o.valid.eq(done),
            self.o.payload.data[0].eq(total),
            self.o.payload.last.eq(1),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [total.eq(total + self.i.payload.data[0]), done.eq(self.i.payload.last)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [total.eq(0), done.eq(0)]
        return m


class NoisyLink(wiring.Component):
    """A `HostLink` of the usual kind, for frames of six bytes, with a stub behind it.

    Members
    -------
    rx, tx : Signal(), in and out
        The line, four clocks a bit.
    """

    def __init__(self) -> None:
        self.link = HostLink(
            divisor=_DIVISOR, frame_bytes=_FRAME, answer_bytes=1, classes=1, identity=_IDENTITY,
            clock_hz=12_000_000,
        )  # fmt: skip
        super().__init__({"rx": In(1), "tx": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Join them."""
        m = Module()
        m.submodules.link = link = self.link
        m.submodules.adder = adder = _Adder()
        wiring.connect(m, link.o, adder.i)
        wiring.connect(m, adder.o, link.i)
        m.d.comb += [link.rx.eq(self.rx), self.tx.eq(link.tx)]
        return m


def noise(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Make lots of noise of every kind in turn, until there are `count` bytes.

    Yields
    ------
    kind, data
        One of `KINDS`, and its bytes, which are times for ``"levels"`` and do not count there.
    """
    dice = np.random.default_rng(seed)
    frames = _frames(dice)
    index = 0
    while count > 0:
        kind = KINDS[index % len(KINDS)]
        size = min(count, int(dice.integers(1, _LONGEST)))
        data = _lot(kind, size, dice, frames)
        yield kind, data
        count -= 0 if kind == "levels" else size
        index += 1


def _lot(kind: str, size: int, dice: Any, frames: Sequence[bytes]) -> bytes:
    if kind == "few":
        few = np.array([0, 1, 2, 3, 7, 9, 10, 12, 255], np.uint8)
        return bytes(dice.choice(few, size).tobytes())
    if kind == "nearly":
        return _damaged(size, dice, frames)
    lowest = {"bytes": 0, "long": 1, "levels": 1}[kind]
    highest = 20 * _DIVISOR if kind == "levels" else 256
    return bytes(dice.integers(lowest, highest, size, np.uint8).tobytes())


def _frames(dice: Any) -> list[bytes]:
    lengths = {Kind.HELLO: 0, Kind.INFER: _FRAME, Kind.WEIGHTS: 130, Kind.BENCH: 2, 9: _FRAME + 1}
    return [
        encode(
            Frame(
                int(kind), int(dice.integers(256)), bytes(dice.integers(0, 256, length, np.uint8))
            )
        )
        for kind, length in lengths.items()
        for _ in range(40)
    ]


def _damaged(size: int, dice: Any, frames: Sequence[bytes]) -> bytes:
    """Join frames, then flip a bit of some bytes, drop some and double some."""
    joined = b"".join(frames[k] for k in dice.integers(0, len(frames), size // 5 + 1))[:size]
    data = np.frombuffer(joined, np.uint8).copy()
    what = dice.integers(0, 40, len(data))
    data[what == 0] ^= (1 << dice.integers(0, 8, int((what == 0).sum()))).astype(np.uint8)
    kept = np.repeat(data, np.where(what == 1, 0, np.where(what == 2, 2, 1)))
    return bytes(np.resize(kept, size).tobytes()) if len(kept) else bytes(size)


def survive(lots: Iterable[tuple[str, bytes]], link: NoisyLink | None = None) -> dict[str, int]:
    """Send noise, and after each lot a HELLO and a request, whose two answers alone must come.

    Parameters
    ----------
    lots : iterable of (str, bytes)
        As `noise` makes them.
    link : NoisyLink, optional
        Another one, with a fault.

    Returns
    -------
    dict
        `lots`, `bytes`, and of the board's frames amid noise `answers` and `refusals`; `dropped` is
        what the board says that it dropped, modulo 65536.

    Raises
    ------
    AssertionError
        If the link answers wrongly, not at all, or without end, or sends what is no frame.
    """
    core = NoisyLink() if link is None else link
    verilog, _ = emit(core, name="noisy", header={"identity": _IDENTITY.hex()})
    header = f"constexpr uint32_t DIVISOR = {_DIVISOR};\nconstexpr uint64_t QUIET = {_QUIET};\n"
    program = compile_program(verilog, "noisy", _HARNESS, headers={"noise.h": header})
    given, sent = bytearray(), []
    for index, (kind, data) in enumerate(lots):
        # The zero ends what the noise may have begun, and its end may make a request of it.
        given += _record(data, kind == "levels") + _record(b"\0") + _record(_probe(index))
        sent.append((kind, len(data)))
    done = subprocess.run([program], input=given, capture_output=True, check=False)
    assert done.returncode == 0, f"the link does not fall silent (exit status {done.returncode})"
    return _judge(done.stdout, sent, core.link.hello)


def _record(data: bytes, levels: bool = False) -> bytes:
    return bytes([_LEVELS if levels else 0]) + len(data).to_bytes(4, "little") + data


def _payload(index: int) -> bytes:
    return index.to_bytes(_FRAME, "little")


def _probe(index: int) -> bytes:
    greeting = Frame(Kind.HELLO, 2 * index % 256)
    return encode(greeting) + encode(Frame(Kind.INFER, (2 * index + 1) % 256, _payload(index)))


def _judge(output: bytes, sent: Sequence[tuple[str, int]], own: Hello) -> dict[str, int]:
    decoder, place = Decoder(), 0
    found = {"lots": len(sent), "bytes": 0, "answers": 0, "refusals": 0, "dropped": 0}

    def heard() -> list[Frame]:
        nonlocal place
        size = int.from_bytes(output[place : place + 4], "little")
        place += 4 + size
        return decoder.feed(output[place - size : place])

    for index, (kind, size) in enumerate(sent):
        amid, after = heard() + heard(), heard()
        where = f"after lot {index} ({kind})"
        assert decoder.bad == 0, f"{where} the link sends what is no frame"
        found["bytes"] += 0 if kind == "levels" else size
        found["answers"] += sum(frame.kind == Kind.RESULT for frame in amid)
        found["refusals"] += sum(frame.kind == Kind.ERROR for frame in amid)
        total = Frame(Kind.RESULT, (2 * index + 1) % 256, bytes([sum(_payload(index)) % 256]))
        assert len(after) == 2, f"{where} {len(after)} frames come in place of 2"
        assert after[1] == total, f"{where} the answer is {after[1]}"
        told = after[0]
        assert (told.kind, told.sequence) == (Kind.HELLO_REPLY, 2 * index % 256), f"{where} {told}"
        hello = Hello.unpack(told.payload)
        assert (hello.identity, hello.credits) == (own.identity, own.credits), where
        assert hello.queued == 0, f"{where} a request is stuck"
        found["dropped"] = hello.bad_frames
    assert place == len(output)
    return found
