"""A USB host of full speed in Amaranth's simulator, bit by bit on the wires of a device."""

import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import ClockDomain, Module, Mux, Signal
from amaranth.sim import Simulator

from .usb_packets import (
    Damaged,
    Level,
    Pid,
    data,
    handshake,
    levels,
    parse,
    read_levels,
    token,
)

__all__ = ["BIT", "NoAnswer", "Stalled", "UsbHost", "simulate_usb"]

BIT = 80e-9
"""Time of a bit of the device. Not 1 / 12 MHz: the simulator counts whole femtoseconds."""
_PATIENCE = 18
_SAMPLES = 4


class NoAnswer(Exception):
    """The device said nothing, or nothing that could be read, for 18 bits."""


class Stalled(Exception):
    """The device does not know such a request."""


@dataclass
class UsbHost:
    """Speaks to one device.

    Parameters
    ----------
    ctx : SimulatorContext
    p, n : Signal
        What the host drives on the wires.
    device : Component
        With the members of `rtl_gen.link.usb.USB_WIRES`.
    bit : float
        The host's own time of a bit, in seconds; by rights within 0.25 % of the device's.
    address : int
        The device's, once it has one.
    turns : list of float
        Bits between the end of the host's SE0 and the begin of the device's answer, for each.
    naks : int
        Times that the device had to be asked again.
    """

    ctx: Any
    p: Signal
    n: Signal
    device: Any
    bit: float = BIT
    address: int = 0
    turns: list[float] = field(default_factory=list)
    naks: int = 0
    _toggles: dict[tuple[Pid, int], int] = field(default_factory=dict)

    async def attach(self) -> None:
        """Wait for the device's pull-up, and reset the bus."""
        for _ in range(4_000):
            if self.ctx.get(self.device.usb_pullup):
                break
            await self.wait(1)
        else:
            raise NoAnswer("the device does not pull D+ up")
        await self.wait(20)
        await self.reset()

    async def reset(self) -> None:
        """Reset the bus, for far less than the 10 ms of a real host."""
        self._show((0, 0))
        await self.wait(400)
        self._show((1, 0))
        await self.wait(40)
        self.address = 0
        self._toggles.clear()

    async def wait(self, bits: float) -> None:
        """Leave the bus idle."""
        await self.ctx.delay(bits * self.bit)

    def _show(self, level: Level) -> None:
        self.ctx.set(self.p, level[0])
        self.ctx.set(self.n, level[1])

    async def send(self, packet: bytes) -> None:
        """Send a packet as it is."""
        await self.wait(3)
        for level in levels(packet):
            self._show(level)
            await self.wait(1)

    async def hear(self) -> tuple[Pid, bytes]:
        """Read the device's packet.

        Raises
        ------
        NoAnswer
            If none comes in time, or a damaged one.
        """
        # The J that `send` ends with has passed.
        turn, step = 1.0, 1 / _SAMPLES
        while not self.ctx.get(self.device.usb_oe) or self._seen() == (1, 0):
            await self.wait(step)
            turn += step
            if turn > _PATIENCE:
                raise NoAnswer("the device is silent")
        self.turns.append(turn)
        shown: list[Level] = []
        before, phase = (1, 0), 0
        while shown[-3:-1] != [(0, 0), (0, 0)]:
            seen = self._seen()
            phase = 0 if seen != before else (phase + 1) % _SAMPLES
            before = seen
            if phase == _SAMPLES // 2 - 1:
                shown.append(seen)
            await self.wait(step)
        try:
            return parse(read_levels(shown))
        except Damaged as error:
            raise NoAnswer(str(error)) from error

    def _seen(self) -> Level:
        device = self.device
        if not self.ctx.get(device.usb_oe):
            return (1, 0)
        return self.ctx.get(device.usb_p_o), self.ctx.get(device.usb_n_o)

    async def write(self, endpoint: int, octets: bytes, *, first: Pid = Pid.OUT) -> None:
        """Send one packet of bytes until the device has it.

        Raises
        ------
        NoAnswer, Stalled
        """
        key = (Pid.OUT, endpoint)
        for _ in range(1_000):
            await self.send(token(first, self.address, endpoint))
            await self.send(data((Pid.DATA0, Pid.DATA1)[self._toggles.get(key, 0)], octets))
            answer, _ = await self.hear()
            if answer == Pid.ACK:
                self._toggles[key] = 1 - self._toggles.get(key, 0)
                return
            if answer == Pid.STALL:
                raise Stalled(f"endpoint {endpoint} takes no {octets!r}")
            self.naks += 1
        raise NoAnswer(f"endpoint {endpoint} has no room")

    async def read(self, endpoint: int, *, tries: int = 1_000) -> bytes | None:
        """Fetch one packet of bytes; None where the device has nothing, however often it is asked.

        Raises
        ------
        NoAnswer, Stalled
        """
        key = (Pid.IN, endpoint)
        for _ in range(tries):
            await self.send(token(Pid.IN, self.address, endpoint))
            answer, octets = await self.hear()
            if answer == Pid.STALL:
                raise Stalled(f"endpoint {endpoint} gives nothing")
            if answer == Pid.NAK:
                self.naks += 1
                continue
            await self.send(handshake(Pid.ACK))
            expected = self._toggles.get(key, 0)
            if answer == (Pid.DATA0, Pid.DATA1)[expected]:
                self._toggles[key] = 1 - expected
                return octets
        return None

    async def request(
        self, kind: int, number: int, value: int = 0, index: int = 0, *,
        out: bytes = b"", length: int = 0,
    ) -> bytes:  # fmt: skip
        """Make a request to the device's endpoint 0.

        Parameters
        ----------
        kind, number, value, index : int
            As USB calls them; bit 7 of the kind says that bytes come back.
        out : bytes
            Sent with the request.
        length : int
            Most bytes that may come back.

        Raises
        ------
        NoAnswer, Stalled
        """
        setup = struct.pack("<BBHHH", kind, number, value, index, length or len(out))
        self._toggles[(Pid.OUT, 0)] = 0
        await self.write(0, setup, first=Pid.SETUP)
        self._toggles[(Pid.OUT, 0)] = self._toggles[(Pid.IN, 0)] = 1
        if not kind & 0x80:
            for at in range(0, len(out), 64):
                await self.write(0, out[at : at + 64])
            self._toggles[(Pid.IN, 0)] = 1
            await self.read(0)
            return b""
        answer = b""
        while len(answer) < length:
            packet = await self.read(0) or b""
            answer += packet
            if len(packet) < 64:
                break
        self._toggles[(Pid.OUT, 0)] = 1
        await self.write(0, b"")
        return answer

    async def enumerate(self, address: int = 5) -> tuple[bytes, bytes]:
        """Do what a host does with a new device; give its device and configuration descriptors."""
        device = await self.request(0x80, 6, 0x0100, length=64)
        await self.request(0, 5, address)
        self.address = address
        short = await self.request(0x80, 6, 0x0200, length=9)
        whole = await self.request(0x80, 6, 0x0200, length=int.from_bytes(short[2:4], "little"))
        await self.request(0, 9, whole[5])
        return device, whole


def _wired(device: Any, p: Signal, n: Signal, sync: float) -> Simulator:
    """Join host and device by two wires, and give the device its clocks."""
    top = Module()
    for name in ("sync", "usb", "usb_io"):
        setattr(top.domains, name, ClockDomain(name))
    top.submodules.device = device
    top.d.comb += [
        device.usb_p_i.eq(Mux(device.usb_oe, device.usb_p_o, p & device.usb_pullup)),
        device.usb_n_i.eq(Mux(device.usb_oe, device.usb_n_o, n)),
    ]
    simulator = Simulator(top)
    simulator.add_clock(sync, domain="sync")
    # Their edges fall together, as those of one PLL do.
    simulator.add_clock(BIT, phase=BIT / 2, domain="usb")
    simulator.add_clock(BIT / 4, phase=BIT / 2, domain="usb_io")
    return simulator


def simulate_usb(
    device: Any,
    script: Callable[[UsbHost], Awaitable[None]],
    *others: Callable[[Any], Awaitable[None]],
    sync: float = BIT / 4,
    bit: float = BIT,
    deadline: int = 60_000,
) -> UsbHost:
    """Run a host's script against a device.

    Parameters
    ----------
    device : Component
        With the wires of USB, in the domains `sync`, `usb` and `usb_io`.
    script : async callable
        Gets the host.
    *others : async callables
        Further testbenches, which run as long as the script.
    sync : float
        Period of `sync` in seconds.
    bit : float
        The host's time of a bit.
    deadline : int
        Bits after which the run has failed.

    Raises
    ------
    TimeoutError
        If the script takes longer.
    """
    p, n = Signal(init=1), Signal()
    simulator = _wired(device, p, n, sync)
    hosts: list[UsbHost] = []
    over: list[bool] = []

    async def play(ctx: Any) -> None:
        hosts.append(UsbHost(ctx, p, n, device, bit))
        await script(hosts[0])
        over.append(True)

    async def watch(ctx: Any) -> None:
        for _ in range(deadline):
            await ctx.delay(BIT)
            if over:
                return
        raise TimeoutError(f"the script did not end within {deadline} bits")

    simulator.add_testbench(play, background=True)
    for other in others:
        simulator.add_testbench(other, background=True)
    simulator.add_testbench(watch)
    simulator.run()
    return hosts[0]
