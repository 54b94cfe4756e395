"""A simulated board behind SPI: what stands in for Linux's spidev, down to the four wires."""

import errno
import random
from types import SimpleNamespace
from typing import Any

from amaranth.sim import Simulator

from bnnhw.plan import Plan
from rtl_gen.link import CLOCKS_PER_BIT
from rtl_gen.system import LinkedAccelerator

from .spi import SpiController

__all__ = ["SpiBoard"]

_STEP = 50


class SpiBoard:
    """A board in Amaranth's simulator, whose clock runs while it is spoken to.

    `module` is to be found as `spidev`; its one device is `path`.

    Parameters
    ----------
    plan : Plan
    clock_hz : int
        Of the board; with the rate that the host chooses it says how many clocks a bit takes.
    benchmark : bool
        As `LinkedAccelerator` has it.
    glitches : float
        Chance that CS rises for a moment in a transaction.
    seed : int
        Of these moments, and of where between two edges of the clock a transaction begins.

    Attributes
    ----------
    transactions, glitched : int
        How many there were, and in how many CS rose too early.
    """

    path = "/dev/spidev0.0"

    def __init__(
        self,
        plan: Plan,
        *,
        clock_hz: int,
        benchmark: bool = False,
        glitches: float = 0.0,
        seed: int = 0,
    ) -> None:
        core = LinkedAccelerator(plan, clock_hz=clock_hz, baud=None, benchmark=benchmark)
        self.transactions = self.glitched = 0
        self.module = SimpleNamespace(SpiDev=lambda: _Device(self))
        self._clock_hz = clock_hz
        self._glitches = glitches
        self._chance = random.Random(seed)
        self._controller = SpiController(core)
        self._wanted: bytes | None = None
        self._heard = b""
        self._time = 0.0
        self._simulator = Simulator(core)
        self._simulator.add_clock(1e-6)
        self._simulator.add_testbench(self._control, background=True)
        # A testbench that never began would be complained about.
        self._simulator.run_until(0.5e-6)

    def transfer(self, data: bytes, hz: int) -> bytes:
        """Let one transaction happen."""
        period = self._clock_hz / hz
        if period < CLOCKS_PER_BIT:
            raise ValueError(f"hz must be at most {self._clock_hz // CLOCKS_PER_BIT}, not {hz!r}")
        self._controller.period = period
        self._wanted = data
        while self._wanted is not None:
            self._time += _STEP * 1e-6
            self._simulator.run_until(self._time)
        return self._heard

    async def _control(self, ctx: Any) -> None:
        while True:
            if self._wanted is None:
                await self._controller.wait(ctx, 1)
                continue
            glitch = None
            if self._chance.random() < self._glitches:
                length = 8 * len(self._wanted) * self._controller.period
                glitch = self._chance.uniform(0, length), self._chance.uniform(0.5, 4.0)
                self.glitched += 1
            self.transactions += 1
            await self._controller.wait(ctx, self._chance.uniform(0, 3))
            self._heard = await self._controller.transfer(ctx, self._wanted, glitch=glitch)
            self._wanted = None


class _Device:
    """The part of `spidev.SpiDev` that a driver needs."""

    def __init__(self, board: SpiBoard) -> None:
        self._board: SpiBoard = board
        self._open = False
        self.mode, self.bits_per_word, self.max_speed_hz = 3, 0, 125_000_000

    def open_path(self, path: str) -> None:
        if path != SpiBoard.path:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self._open = True

    def xfer2(self, values: list[int]) -> list[int]:
        if not self._open:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if (self.mode, self.bits_per_word) != (0, 8) or not 0 < len(values) <= 4096:
            raise OSError(errno.EINVAL, "Invalid argument")
        return list(self._board.transfer(bytes(values), self.max_speed_hz))

    def close(self) -> None:
        self._open = False
