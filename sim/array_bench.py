"""Bench of the array that lies beside this file: `python test_NAME.py` simulates NAME.v.

It needs cocotb 2 and Icarus Verilog or Verilator. Expected results are computed here, in plain
Python, from what NAME.json says. Exit status 0: all agreed; 1: not; 2: nothing could be run.
"""

import argparse
import importlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.simtime import get_sim_time
from cocotb.triggers import RisingEdge

HERE = Path(__file__).resolve().parent
NAME = Path(__file__).stem.removeprefix("test_")
PERIOD = 10
VERILATOR_MINIMUM = (5, 36)
MANIFEST = (
    json.loads((HERE / f"{NAME}.json").read_text()) if (HERE / f"{NAME}.json").exists() else {}
)
WITH_BUS = "bus" in MANIFEST


class Model:
    """What the array has to answer.

    Parameters
    ----------
    manifest : dict
        Content of NAME.json.
    seed : int
        Of everything that is random.
    """

    def __init__(self, manifest, seed):
        given = manifest["parameters"]
        self.pe, self.simd, self.folds = given["pe"], given["simd"], given["folds"]
        self.rows, self.columns, self.batch = given["rows"], given["columns"], given["batch"]
        self.streamed = given["weights"] == "streamed"
        self.copies_last = manifest["streams"]["result"]["last"] == "copied"
        self.bits = manifest["streams"]["result"]["bits"]
        self.thresholds = manifest.get("thresholds")
        self.weights = [int(row, 16) for row in manifest.get("weights", [])]
        self.dice = random.Random(seed)

    def renew(self, memories):
        """Throw new contents for the memories that are written."""
        if "WEIGHTS" in memories:
            self.weights = [self.dice.getrandbits(self.columns) for _ in range(self.rows)]
        if "THRESHOLDS" in memories:
            self.thresholds = [self.dice.randint(0, self.columns + 1) for _ in range(self.rows)]

    def weight_words(self, rows):
        """Pack rows into weight words: lanes past the last column are 1."""
        ones = (1 << self.folds * self.simd) - (1 << self.columns)
        padded = [row | ones for row in rows]
        padded += [ones] * (-len(rows) % self.pe)
        lane = (1 << self.simd) - 1
        return [
            sum((padded[n + p] >> s * self.simd & lane) << p * self.simd for p in range(self.pe))
            for n in range(0, self.rows, self.pe)
            for s in range(self.folds)
        ]

    def frame(self):
        """Make random vectors: words for each input, and for the output (word, last, mask)."""
        rows = self.weights
        if self.streamed:
            rows = [self.dice.getrandbits(self.columns) for _ in range(self.rows)]
        # Now and then the extremes: no other vector reaches the largest count.
        vectors = [
            self.dice.choice(rows)
            if self.dice.random() < 0.2
            else self.dice.getrandbits(self.columns)
            for _ in range(self.batch)
        ]
        last = self.dice.random() < 0.5 if self.copies_last else True
        lane = (1 << self.simd) - 1
        activation = [bits >> k * self.simd & lane for bits in vectors for k in range(self.folds)]
        inputs = {
            "activation": [
                (word, int(last and k == len(activation) - 1)) for k, word in enumerate(activation)
            ]
        }
        if self.streamed:
            inputs["weight"] = [(word, 0) for word in self.weight_words(rows)]
        return inputs, self.answer(vectors, rows, last)

    def answer(self, vectors, rows, last):
        """Count in each row the columns that agree; compare with thresholds, if any."""
        words = []
        for start in range(0, self.rows, self.pe):
            part = range(start, min(start + self.pe, self.rows))
            # Counts in the lanes of absent rows have no meaning; bits there are 0.
            lanes = len(part) if self.thresholds is None else self.pe
            mask = (1 << lanes * self.bits) - 1
            ends = last and start + self.pe >= self.rows
            for number, bits in enumerate(vectors):
                counts = [self.columns - (bits ^ rows[r]).bit_count() for r in part]
                if self.thresholds is not None:
                    counts = [c >= self.thresholds[r] for r, c in zip(part, counts, strict=True)]
                word = sum(int(code) << p * self.bits for p, code in enumerate(counts))
                words.append((word, ends and number == len(vectors) - 1, mask))
        return words


class Port:
    """One stream of the unit under test."""

    def __init__(self, dut, names):
        self.valid = getattr(dut, names["valid"])
        self.ready = getattr(dut, names["ready"])
        self.data = getattr(dut, names["data"])
        self.last = getattr(dut, names["last"]) if "last" in names else None


def clock_now():
    """Count clocks since the start of the simulation."""
    return round(get_sim_time("ns")) // PERIOD


def known(handle):
    """Read a signal; an unknown bit fails the test."""
    value = handle.value
    assert value.is_resolvable, f"{handle._name} has unknown bits: {value}"
    return int(value)


class Bench:
    """Drive all streams of the array and check what comes."""

    def __init__(self, dut, seed, vectors):
        self.manifest = MANIFEST
        self.dut = dut
        self.dice = random.Random(seed)
        self.clock = getattr(dut, self.manifest["clock"])
        self.ports = {
            name: Port(dut, given["ports"]) for name, given in self.manifest["streams"].items()
        }
        self.bus = None
        if WITH_BUS:
            master = importlib.import_module(f"{NAME}_bus")
            self.bus = master.Bus(dut, self.clock, MANIFEST, self.dice)
        self.model = Model(self.manifest, seed)
        self.vectors = vectors
        self.inputs: dict[str, list[tuple[int, int]]] = {}
        self.expected = []
        self.taken = []
        self.came = []

    async def prepare(self, renew=True):
        """Load new weights and thresholds where they are written, and make the vectors."""
        if self.bus is not None:
            if renew:
                self.model.renew(self.bus.memories)
                await self.bus.load(self.model)
            await self.bus.run(True)
        self.inputs = {name: [] for name in self.ports if name != "result"}
        self.expected = []
        for _ in range(-(-self.vectors // self.model.batch)):
            inputs, answer = self.model.frame()
            for name, words in inputs.items():
                self.inputs[name] += words
            self.expected += answer

    async def reset(self, clocks=4):
        """Reset, with nothing on offer."""
        reset = self.manifest["reset"]
        line = getattr(self.dut, reset["port"])
        for name, port in self.ports.items():
            (port.ready if name == "result" else port.valid).value = 0
        if self.bus is not None:
            self.bus.idle()
        line.value = reset["active"]
        for _ in range(clocks):
            await RisingEdge(self.clock)
        line.value = 1 - reset["active"]
        # The stored weights are there some clocks later.
        for _ in range(4):
            await RisingEdge(self.clock)

    async def source(self, name, stall):
        """Offer the words of one input."""
        port = self.ports[name]
        for word, last in self.inputs[name]:
            while self.dice.random() < stall:
                port.valid.value = 0
                await RisingEdge(self.clock)
            port.valid.value = 1
            port.data.value = word
            if port.last is not None:
                port.last.value = int(last)
            await RisingEdge(self.clock)
            while not known(port.ready):
                await RisingEdge(self.clock)
            if name == "activation":
                self.taken.append(clock_now())
        port.valid.value = 0

    async def sink(self, stall):
        """Take every expected word and compare it; then see that no other comes."""
        port = self.ports["result"]
        quiet, silent, held = 0, 0, None
        limit = 1000 + 100 * self.manifest["schedule"]["cycles"]
        while quiet < 50:
            done = len(self.came) == len(self.expected)
            port.ready.value = int(done or self.dice.random() >= stall)
            await RisingEdge(self.clock)
            quiet += done
            silent += 1
            valid, ready = known(port.valid), known(port.ready)
            word = (known(port.data), known(port.last)) if valid else None
            assert held is None or word == held, f"an offer was taken back: {held} became {word}"
            held = word if valid and not ready else None
            if word and ready:
                silent = 0
                self.check(*word)
            assert done or silent < limit, f"no result for {silent} clocks, {self.left()} missing"

    def left(self):
        """Words still to come."""
        return len(self.expected) - len(self.came)

    def check(self, word, last):
        """Compare one result word."""
        number = len(self.came)
        assert number < len(self.expected), f"surplus result {word:#x}"
        want, ends, mask = self.expected[number]
        # Bits above the elements pad the word to whole bytes and are 0.
        bits = self.manifest["parameters"]["pe"] * self.manifest["streams"]["result"]["bits"]
        assert word >> bits == 0, f"result {number}: padding is not 0 but {word:#x}"
        assert word & mask == want & mask, (
            f"result {number}: {word & mask:#x}, not {want & mask:#x}"
        )
        assert last == int(ends), f"result {number}: last is {last}, not {int(ends)}"
        self.came.append(clock_now())

    async def run(self, stall=0.0):
        """Send everything and receive everything."""
        sources = [cocotb.start_soon(self.source(name, stall)) for name in self.inputs]
        await self.sink(stall)
        assert all(source.done() for source in sources), "inputs were not taken"
        assert self.expected and not self.left(), "not every result came"


async def start(dut, seed, vectors=None):
    """Start the clock and reset."""
    count = int(os.environ.get("ARRAY_VECTORS", "100")) if vectors is None else vectors
    bench = Bench(dut, int(os.environ.get("ARRAY_SEED", "1")) + seed, count)
    Clock(bench.clock, PERIOD, unit="ns").start()
    await bench.reset()
    return bench


def with_bus(test):
    """Make it a test of an array that has a bus."""
    return cocotb.test(timeout_time=1000, timeout_unit="ms")(test) if WITH_BUS else test


@with_bus
async def first_contents(dut):
    """Compute with what the manifest says that the memories begin with."""
    bench = await start(dut, 3)
    await bench.prepare(renew=False)
    await bench.run(0.3)


@with_bus
async def registers(dut):
    """Read what the manifest says of every register; be refused what is not to be done."""
    bench = await start(dut, 4)
    bus = bench.bus
    for register in bus.registers.values():
        assert await bus.access(register["offset"]) == (register["reset"], False), register["name"]
        if register["access"] == "ro":
            _, error = await bus.access(register["offset"], 0)
            assert error, f"{register['name']} was written"
    for memory in bus.memories.values():
        assert (await bus.access(memory["base"])) == (0, True), "a memory was read"
        parts = memory["stride"] // 4
        absent = [part for part in range(parts) if part >= len(memory["parts"])]
        absent += [parts * k for k in range(memory["depth"], memory["size"] // memory["stride"])]
        for place in absent:
            assert (await bus.access(memory["base"] + 4 * place, 0))[1], "no such word"
    await bus.run(True)
    for memory in bus.memories.values():
        assert (await bus.access(memory["base"], 0))[1], "a memory was written while RUN is 1"


@cocotb.test(timeout_time=1000, timeout_unit="ms")
async def full_rate(dut):
    """Without stalls: every result, and the schedule that the manifest promises."""
    bench = await start(dut, 0)
    await bench.prepare()
    await bench.run()
    schedule = bench.manifest["schedule"]
    assert bench.came[0] - bench.taken[0] == schedule["latency"], "latency"
    words = bench.manifest["streams"]["result"]["words"]
    ends = bench.came[words - 1 :: words]
    assert all(b - a == schedule["cycles"] for a, b in zip(ends, ends[1:], strict=False)), (
        "clocks a vector"
    )


@cocotb.test(timeout_time=1000, timeout_unit="ms")
async def stalls(dut):
    """With random stalls on all sides, from few to many."""
    bench = await start(dut, 1)
    await bench.prepare()
    await bench.run(bench.dice.choice([0.2, 0.5, 0.8]))


@cocotb.test(timeout_time=1000, timeout_unit="ms")
async def reset_in_the_middle(dut):
    """Forget what was under way, at a reset."""
    bench = await start(dut, 2, vectors=20)
    await bench.prepare()
    tasks = [cocotb.start_soon(bench.source(name, 0.3)) for name in bench.inputs]
    for _ in range(bench.dice.randrange(5, 30)):
        await RisingEdge(bench.clock)
    for task in tasks:
        task.cancel()
    await bench.reset(1)
    await bench.prepare(renew=False)
    await bench.run(0.3)


def simulator():
    """Find a simulator on the PATH."""
    if shutil.which("iverilog"):
        return "icarus"
    if shutil.which("verilator"):
        told = subprocess.run(["verilator", "--version"], capture_output=True, text=True).stdout
        version = tuple(int(part) for part in re.findall(r"\d+", told)[:2])
        if version >= VERILATOR_MINIMUM:
            return "verilator"
        sys.exit(f"Verilator {told.split()[1:2]} is too old for cocotb 2, which needs 5.036.")
    return None


def sources():
    """Name the files of Verilog: models of a device's cells, if there are any, and the unit."""
    files = MANIFEST["files"]
    return [file for file in (files["models"], files["hardware"]) if file]


def main():
    """Run all tests and print one line."""
    parser = argparse.ArgumentParser(description=f"Simulate {NAME}.v against plain arithmetic.")
    parser.add_argument("--simulator", choices=["icarus", "verilator"])
    parser.add_argument("--vectors", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    name = chosen.simulator or simulator()
    if name is None:
        print("No simulator found: install Icarus Verilog or Verilator.", file=sys.stderr)
        return 2
    from cocotb_tools.runner import get_results, get_runner

    # Under pytest cocotb's runner ends with status 0 when a simulator leaves no results.
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    runner = get_runner(name)
    quiet = ["-Wno-fatal", "-Wno-lint", "-Wno-style"] if name == "verilator" else []
    with tempfile.TemporaryDirectory() as scratch:
        runner.build(
            sources=[HERE / file for file in sources()],
            hdl_toplevel=NAME,
            build_dir=scratch,
            build_args=quiet,
            timescale=("1ns", "1ps"),
        )
        results = runner.test(
            test_module=Path(__file__).stem,
            hdl_toplevel=NAME,
            build_dir=scratch,
            test_dir=scratch,
            seed=chosen.seed,
            extra_env={"ARRAY_VECTORS": str(chosen.vectors), "ARRAY_SEED": str(chosen.seed)},
        )
        ran, failed = get_results(results)
    good = ran > 0 and failed == 0
    verdict = "PASS" if good else "FAIL"
    print(
        f"{verdict}: {NAME} in {name}, {ran} tests, {failed} failed, {chosen.vectors} vectors each"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
