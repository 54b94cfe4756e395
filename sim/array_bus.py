"""Master of an array's bus, AXI4-Lite or Wishbone, for the bench that lies beside it."""

import cocotb
from cocotb.triggers import RisingEdge

IDLE = {
    "axi4-lite": ["awvalid", "wvalid", "bready", "arvalid", "rready"],
    "wishbone": ["cyc_i", "stb_i"],
}


def known(handle):
    """Read a signal; an unknown bit fails the test."""
    value = handle.value
    assert value.is_resolvable, f"{handle._name} has unknown bits: {value}"
    return int(value)


class Bus:
    """Master that waits at random.

    Parameters
    ----------
    dut : handle
        The unit.
    clock : handle
    manifest : dict
        Content of NAME.json.
    dice : random.Random
    """

    def __init__(self, dut, clock, manifest, dice):
        self.clock, self.dice = clock, dice
        self.kind = manifest["parameters"]["bus"]
        self.lines = {key: getattr(dut, name) for key, name in manifest["bus"]["ports"].items()}
        self.registers = {item["name"]: item for item in manifest["bus"]["registers"]}
        self.memories = {item["name"]: item for item in manifest["bus"]["memories"]}
        self.idle()

    def idle(self):
        """Ask for nothing."""
        for name in IDLE[self.kind]:
            self.lines[name].value = 0

    async def wait(self):
        """Let some clocks go by, or none."""
        for _ in range(self.dice.choice([0, 0, 0, 1, 3])):
            await RisingEdge(self.clock)

    async def access(self, address, data=None, strobe=15):
        """Write `data`, or read where it is None: give (value, error)."""
        over = self.over_axi if self.kind == "axi4-lite" else self.over_wishbone
        return await over(address, data, strobe)

    async def offer(self, channel, **fields):
        """Offer one word on a channel of AXI4-Lite until it is taken."""
        await self.wait()
        for name, value in fields.items():
            self.lines[channel + name].value = value
        self.lines[channel + "valid"].value = 1
        await RisingEdge(self.clock)
        while not known(self.lines[channel + "ready"]):
            await RisingEdge(self.clock)
        self.lines[channel + "valid"].value = 0

    async def over_axi(self, address, data, strobe):
        """Go through the channels of AXI4-Lite."""
        if data is None:
            asked, answer = [self.offer("ar", addr=address, prot=0)], "r"
        else:
            asked, answer = [self.offer("aw", addr=address, prot=0)], "b"
            asked.append(self.offer("w", data=data, strb=strobe))
        tasks = [cocotb.start_soon(task) for task in asked]
        await self.wait()
        self.lines[answer + "ready"].value = 1
        await RisingEdge(self.clock)
        while not known(self.lines[answer + "valid"]):
            await RisingEdge(self.clock)
        self.lines[answer + "ready"].value = 0
        for task in tasks:
            await task
        value = known(self.lines["rdata"]) if data is None else 0
        return value, known(self.lines[answer + "resp"]) != 0

    async def over_wishbone(self, address, data, strobe):
        """Go through one classic cycle."""
        await self.wait()
        given = {"cyc_i": 1, "stb_i": 1, "adr_i": address, "sel_i": strobe}
        given |= {"we_i": 0} if data is None else {"we_i": 1, "dat_i": data}
        for name, value in given.items():
            self.lines[name].value = value
        await RisingEdge(self.clock)
        while not known(self.lines["ack_o"]) | known(self.lines["err_o"]):
            await RisingEdge(self.clock)
        self.idle()
        return known(self.lines["dat_o"]), bool(known(self.lines["err_o"]))

    async def write(self, address, data):
        """Write a word at once or byte by byte."""
        for strobe in self.dice.choice([[15], [15], [3, 12], [8, 4, 2, 1]]):
            # What is not to be written carries rubbish.
            mask = sum(255 << 8 * k for k in range(4) if strobe >> k & 1)
            noise = self.dice.getrandbits(32) & ~mask
            _, error = await self.access(address, data & mask | noise, strobe)
            assert not error, f"writing {address:#x} was refused"

    async def run(self, on):
        """Set RUN, and after clearing it wait until memories are open."""
        await self.write(self.registers["CONTROL"]["offset"], int(on))
        status = self.registers["STATUS"]["offset"]
        while not on and (await self.access(status))[0] != 2:
            pass

    async def load(self, model):
        """Write all memories."""
        await self.run(False)
        words = {}
        if "WEIGHTS" in self.memories:
            words["WEIGHTS"] = model.weight_words(model.weights)
        for name, memory in self.memories.items():
            if name == "THRESHOLDS":
                for row, level in enumerate(model.thresholds):
                    n, p = divmod(row, model.pe)
                    await self.write(memory["base"] + memory["stride"] * n + 4 * p, level)
                continue
            for number, word in enumerate(words[name]):
                for part, bits in enumerate(memory["parts"]):
                    address = memory["base"] + memory["stride"] * number + 4 * part
                    await self.write(address, word & (1 << bits) - 1)
                    word >>= bits
