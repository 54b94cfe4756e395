# amaranth: UnusedElaboratable=no
"""The table of registers, the file that serves it, and the memory that a bus writes."""

import itertools
import random
from typing import Any

import pytest
from amaranth.hdl import Module

from rtl_gen.bus.access import Access
from rtl_gen.bus.register_file import RegisterFile
from rtl_gen.bus.register_map import RegisterMap, Window, lay_out
from rtl_gen.bus.store import MappedStore
from sim.bench import run
from sim.streams import receive, stall

CONSTANTS = [("IDENTITY", 0xDEADBEEF, "who"), ("ROWS", 5, "rows")]


def table() -> RegisterMap:
    return lay_out(
        CONSTANTS, [("A", 3, [32, 7], "a memory"), ("B", 1, [4], "a word"), ("C", 2, [9] * 3, "c")]
    )


def test_layout() -> None:
    """Memories are aligned to their size, one after the other."""
    found = table()
    assert [(r.name, r.offset, r.access, r.reset) for r in found.registers] == [
        ("IDENTITY", 0, "ro", 0xDEADBEEF), ("ROWS", 4, "ro", 5),
        ("CONTROL", 8, "rw", 0), ("STATUS", 12, "ro", 2),
    ]  # fmt: skip
    assert [(w.name, w.base, w.stride, w.size, w.address_bits) for w in found.windows] == [
        ("A", 32, 8, 32, 3), ("B", 64, 4, 4, 1), ("C", 96, 16, 32, 3),
    ]  # fmt: skip
    assert found.address_bits == 7
    assert found.window("C").width == 27 and found.offset("CONTROL") == 8


def test_layout_wrong() -> None:
    with pytest.raises(ValueError, match=r"^Register X must fit 32 bits, not 4294967296$"):
        lay_out([("X", 1 << 32, "")], [])
    with pytest.raises(ValueError, match=r"^Memory M must have words of parts of 1 to 32 bits, "):
        lay_out([], [("M", 1, [33], "")])
    with pytest.raises(ValueError, match=r"^Address bits must be a positive integer, not 0$"):
        Access(0)
    assert Access(3) == Access(3) != Access(4) and repr(Access(3)) == "Access(3)"


async def ask(ctx: Any, port: Any, address: int, data: int | None = None, strobe: int = 15) -> Any:
    """One access that is done at once: (value, error)."""
    ctx.set(port.request, 1)
    ctx.set(port.address, address)
    ctx.set(port.write, data is not None)
    ctx.set(port.data, data or 0)
    ctx.set(port.strobe, strobe)
    *_, done, error, value = await ctx.tick().sample(port.done, port.error, port.value)
    ctx.set(port.request, 0)
    assert done
    return value, bool(error)


class File(RegisterFile):
    """A register file whose memories are done at once, and an error at their word 1."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        for window in self.table.windows:
            port = getattr(self, window.name.lower())
            m.d.comb += [port.done.eq(port.request), port.error.eq(port.address == 1)]
        return m


def test_every_address() -> None:
    """Reads and writes over the whole space, and nothing else answers."""
    found, dut = table(), File(table=table())
    values = {r.offset // 4: r.reset for r in found.registers}
    inside = {window.base // 4 + k: k for window in found.windows for k in range(window.size // 4)}

    async def bench(ctx: Any) -> None:
        for word in range(1 << found.address_bits - 2):
            value, error = await ask(ctx, dut.access, word)
            assert error == (word not in values and inside.get(word, 1) == 1), word
            assert error or value == values.get(word, 0)
            if word != 2:
                _, error = await ask(ctx, dut.access, word, 0)
                assert error == (inside.get(word, 1) == 1), word

    run(dut, bench, deadline=1000)


def test_control_and_status() -> None:
    dut = File(table=table())

    async def bench(ctx: Any) -> None:
        assert not ctx.get(dut.run)
        for data, strobe, run_now in ((1, 14, 0), (1, 1, 1), (0, 2, 1), (0xFFFFFFFE, 15, 0)):
            assert not (await ask(ctx, dut.access, 2, data, strobe))[1]
            assert ctx.get(dut.run) == run_now
            for busy in (0, 1):
                ctx.set(dut.busy, busy)
                told = busy | (not busy and not run_now) << 1
                assert await ask(ctx, dut.access, 3) == (told, False)
            assert await ask(ctx, dut.access, 2) == (run_now, False)

    run(dut, bench, deadline=100)


def test_a_memory_may_take_its_time() -> None:
    """An access to a memory is done when the memory says so, and none is without a request."""
    found, dut = table(), RegisterFile(table=table())

    async def bench(ctx: Any) -> None:
        port, reached = dut.access, 0
        for word in range(1 << found.address_bits - 2):
            ctx.set(port.address, word)
            for request, done, write in itertools.product((0, 1), repeat=3):
                ctx.set(port.request, request)
                ctx.set(port.write, write)
                for window in found.windows:
                    inner = getattr(dut, window.name.lower())
                    asked = request and word in range(
                        window.base // 4, (window.base + window.size) // 4
                    )
                    assert ctx.get(inner.request) == asked
                    ctx.set(inner.done, bool(asked and done))
                    reached += bool(asked)
                inside = any(w.base // 4 <= word < (w.base + w.size) // 4 for w in found.windows)
                assert ctx.get(port.done) == (request and (done or not inside)), word
            # Whatever the other wires say, nothing is written without a request.
            ctx.set(port.request, 0)
            ctx.set(port.data, 0xFFFFFFFF)
            ctx.set(port.strobe, 15)
            await ctx.tick()
            assert not ctx.get(dut.run)
        assert reached == 4 * sum(window.size // 4 for window in found.windows)

    run(dut, bench, deadline=100)


WINDOWS = [
    Window("A", 0, 3, (32, 32, 7), ""),
    Window("B", 0, 1, (4,), ""),
    Window("C", 0, 9, (9, 9, 9), ""),
    Window("D", 0, 4, (32,), ""),
]


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.name)
@pytest.mark.parametrize("pause", [0, 60])
def test_store(window: Window, pause: int) -> None:
    """Random bytes written, then all words streamed from word 0, several times over."""
    dice = random.Random(7)
    init = [dice.getrandbits(window.width) for _ in range(window.depth)]
    dut = MappedStore(window=window, init=init)
    starts = [sum(window.parts[:k]) for k in range(len(window.parts))]
    model = [
        [word >> low & (1 << bits) - 1 for low, bits in zip(starts, window.parts, strict=True)]
        for word in init
    ]
    span = window.stride // 4

    async def bench(ctx: Any) -> None:
        for turn in range(4):
            for _ in range(40 * (turn > 0)):
                address, data = dice.randrange(window.size // 4), dice.getrandbits(32)
                strobe = dice.randrange(16)
                word, part = divmod(address, span)
                there = word < window.depth and part < len(window.parts)
                assert await ask(ctx, dut.access, address, data, strobe) == (0, not there)
                assert (await ask(ctx, dut.access, address))[1], "a read"
                if there:
                    mask = sum(255 << 8 * k for k in range(4) if strobe >> k & 1)
                    bits = (1 << window.parts[part]) - 1
                    model[word][part] = (model[word][part] & ~mask | data & mask) & bits
            ctx.set(dut.run, 1)
            expected = [
                sum(value << low for value, low in zip(word, starts, strict=True)) for word in model
            ]
            count = 2 * window.depth + turn
            taken = await receive(ctx, dut.o, count, stall=stall(pause, seed=turn))
            assert taken == (expected * 5)[:count]
            assert (await ask(ctx, dut.access, 0, 0))[1], "a write while it runs"
            ctx.set(dut.run, 0)
            await ctx.tick()
            assert not ctx.get(dut.o.valid)

    # Not under contract: an offer is withdrawn where `run` falls.
    top = Module()
    top.submodules.dut = dut
    run(top, bench, deadline=4000)


def test_store_full_rate() -> None:
    dut = MappedStore(window=WINDOWS[3], init=[1, 2, 3, 4])

    async def bench(ctx: Any) -> None:
        ctx.set(dut.run, 1)
        ctx.set(dut.o.ready, 1)
        seen = []
        for _ in range(7):
            *_, valid, word = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            seen.append(word if valid else None)
        assert seen == [None, 1, 2, 3, 4, 1, 2]

    run(dut, bench, deadline=50)


def test_store_wrong() -> None:
    with pytest.raises(ValueError, match=r"^Store must have 4 initial words, not 1$"):
        MappedStore(window=WINDOWS[3], init=[0])
    with pytest.raises(ValueError, match=r"^Store word must fit 4 bits, not 16$"):
        MappedStore(window=WINDOWS[1], init=[16])
