"""Bench that cocotb loads: an array behind AXI4-Lite, driven by cocotbext-axi on all its ports."""

import itertools
import json
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

MANIFEST = json.loads(Path("unit.json").read_text())
GIVEN = MANIFEST["parameters"]
OFFSETS = {r["name"]: r for r in MANIFEST["bus"]["registers"]}
MEMORIES = {w["name"]: w for w in MANIFEST["bus"]["memories"]}


def pauses(seed, chance):
    """Pause at random."""
    dice = random.Random(seed)
    return (dice.random() < chance for _ in itertools.count())


class Driver:
    """Masters and sinks on all ports."""

    def __init__(self, dut):
        lines = (dut.aclk, dut.aresetn)
        active = {"reset_active_level": False}
        self.dut = dut
        self.bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), *lines, **active)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), *lines, **active)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), *lines, **active)

    async def start(self):
        """Reset."""
        Clock(self.dut.aclk, 10, unit="ns").start()
        self.dut.aresetn.value = 0
        for _ in range(4):
            await RisingEdge(self.dut.aclk)
        self.dut.aresetn.value = 1
        await RisingEdge(self.dut.aclk)

    def pause(self, chance):
        """Let every channel wait now and then."""
        write, read = self.bus.write_if, self.bus.read_if
        channels = (
            write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel,
            self.source, self.sink,
        )  # fmt: skip
        for number, channel in enumerate(channels):
            channel.set_pause_generator(pauses(number, chance))

    async def load(self, weights, thresholds):
        """Write the memories as the register map says; one write a word, bytes at once."""
        await self.bus.write_dword(OFFSETS["CONTROL"]["offset"], 0)
        while not await self.bus.read_dword(OFFSETS["STATUS"]["offset"]) & 2:
            pass
        pe, simd, folds = GIVEN["pe"], GIVEN["simd"], GIVEN["folds"]
        memory = MEMORIES["WEIGHTS"]
        for number in range(memory["depth"]):
            group, fold = divmod(number, folds)
            word = 0
            for p, s in itertools.product(range(pe), range(simd)):
                row, column = group * pe + p, fold * simd + s
                absent = row >= GIVEN["rows"] or column >= GIVEN["columns"]
                word |= int(absent or weights[row][column]) << p * simd + s
            length = 4 * len(memory["parts"])
            data = word.to_bytes(length, "little")
            done = await self.bus.write(memory["base"] + number * memory["stride"], data)
            assert done.resp == AxiResp.OKAY
        memory = MEMORIES["THRESHOLDS"]
        for row, level in enumerate(thresholds):
            place = memory["base"] + row // pe * memory["stride"] + row % pe * 4
            await self.bus.write_dword(place, level)
        await self.bus.write_dword(OFFSETS["CONTROL"]["offset"], 1)


def bits(dice, *shape):
    """Throw bits."""
    return [[dice.randrange(2) for _ in range(shape[1])] for _ in range(shape[0])]


async def round_trip(driver, seed):
    """Load new contents, send vectors and compare the answers."""
    dice = random.Random(seed)
    rows, columns, pe, simd = (GIVEN[key] for key in ("rows", "columns", "pe", "simd"))
    weights = bits(dice, rows, columns)
    thresholds = [dice.randrange(columns + 2) for _ in range(rows)]
    await driver.load(weights, thresholds)
    lanes = -(-simd // 8)
    vectors = bits(dice, 12, columns)
    for vector in vectors:
        data = b""
        for start in range(0, columns, simd):
            part = vector[start : start + simd]
            data += sum(bit << k for k, bit in enumerate(part)).to_bytes(lanes, "little")
        await driver.source.send(AxiStreamFrame(data))
    for vector in vectors:
        frame = await driver.sink.recv()
        counts = [sum(a == b for a, b in zip(vector, row, strict=True)) for row in weights]
        fired = [int(c >= t) for c, t in zip(counts, thresholds, strict=True)]
        fired += [0] * (-rows % pe)
        words = [fired[k : k + pe] for k in range(0, len(fired), pe)]
        size = -(-pe // 8)
        expected = b"".join(
            sum(bit << k for k, bit in enumerate(word)).to_bytes(size, "little") for word in words
        )
        assert bytes(frame.tdata) == expected
    assert driver.sink.empty()


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def computes(dut):
    """Load and run, twice, at full speed and with pauses on every channel."""
    driver = Driver(dut)
    await driver.start()
    await round_trip(driver, 1)
    driver.pause(0.4)
    await round_trip(driver, 2)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def answers(dut):
    """Read every register; get SLVERR where the table has nothing or the access is not allowed."""
    driver = Driver(dut)
    await driver.start()
    for register in OFFSETS.values():
        assert await driver.bus.read_dword(register["offset"]) == register["reset"]
    beyond = [w["base"] + w["size"] - 4 for w in MEMORIES.values()]
    for place in (OFFSETS["ROWS"]["offset"], *beyond):
        assert (await driver.bus.write(place, b"1234")).resp == AxiResp.SLVERR
    for memory in MEMORIES.values():
        assert (await driver.bus.read(memory["base"], 4)).resp == AxiResp.SLVERR
    # Reads and writes at once, none lost.
    driver.pause(0.3)
    control, status = OFFSETS["CONTROL"]["offset"], OFFSETS["STATUS"]["offset"]
    writes = [driver.bus.init_write(control, bytes([k & 1, 0, 0, 0])) for k in range(20)]
    reads = [driver.bus.init_read(status, 4) for _ in range(20)]
    for event in writes + reads:
        await event.wait()
        assert event.data.resp == AxiResp.OKAY
    assert await driver.bus.read_dword(control) == 1
    # While it runs, memories are shut.
    assert (await driver.bus.write(MEMORIES["WEIGHTS"]["base"], b"1234")).resp == AxiResp.SLVERR
