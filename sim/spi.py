"""The controller's end of an SPI bus: wires driven at any time between two clock edges."""

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["SpiController"]

_Event = tuple[float, str, int]


class SpiController:
    """Speaks to a component with `sck`, `cs`, `mosi` and `miso`, in a testbench's steps.

    Times are in cycles of the component's clock and need not be whole: what is set at 7.3 is seen
    at edge 8. The controller works in mode 0.

    Parameters
    ----------
    wires : Component
        With these four members.
    period : float
        Of SCK.
    high : float
        Share of it during which SCK is 1.
    lead, trail, apart : float
        From the fall of CS to the first rise of SCK, from the last rise to the rise of CS, and from
        there to the next fall; half a period where None.
    look : float
        When `miso` is read, after the rise of SCK or, where negative, before it.
    start : float
        When the first transaction may begin.
    pause : callable or None
        Called before each bit: by how much it is late.
    """

    def __init__(
        self,
        wires: Any,
        *,
        period: float = 4.0,
        high: float = 0.5,
        lead: float | None = None,
        trail: float | None = None,
        apart: float | None = None,
        look: float = 0.0,
        start: float = 4.0,
        pause: Callable[[], float] | None = None,
    ) -> None:
        self._wires = wires
        self.period = period
        """Of SCK, from the next transaction on."""
        self._high = high
        self._lead, self._trail, self._apart = lead, trail, apart
        self._look = look
        self._pause = pause or (lambda: 0.0)
        self._cycles = 0
        self._time = start

    async def transfer(
        self,
        ctx: Any,
        data: bytes,
        *,
        bits: int | None = None,
        glitch: tuple[float, float] | None = None,
    ) -> bytes:
        """Send bytes in one transaction, and give what came back meanwhile.

        Where `bits` are fewer than those of `data`, CS rises behind so many, and only whole bytes
        are given. A `glitch` is when CS rises for a moment, from the start on, and for how long.
        """
        heard: list[int] = []
        begin = self._time
        events = list(self._events(data, 8 * len(data) if bits is None else bits))
        if glitch is not None:
            events += [(begin + glitch[0], "cs", 0), (begin + sum(glitch), "cs", 1)]
        for time, wire, level in sorted(events):
            await self._reach(ctx, time)
            if wire == "miso":
                heard.append(ctx.get(self._wires.miso))
            else:
                ctx.set(getattr(self._wires, wire), level)
        whole = range(0, len(heard) - 7, 8)
        return bytes(int("".join(map(str, heard[k : k + 8])), 2) for k in whole)

    async def wait(self, ctx: Any, cycles: float) -> None:
        """Leave the wires as they are for so long."""
        self._time += cycles
        await self._reach(ctx, self._time)

    def _events(self, data: bytes, bits: int) -> Iterator[_Event]:
        levels = [byte >> (7 - k) & 1 for byte in data for k in range(8)][:bits]
        time, half = self._time, self.period / 2
        yield time, "cs", 1
        changed, time = time, time + (half if self._lead is None else self._lead)
        rise = time
        for level in levels:
            rise = time + self._pause()
            yield changed, "mosi", level
            yield rise + self._look, "miso", 0
            yield rise, "sck", 1
            changed = rise + self._high * self.period
            yield changed, "sck", 0
            time = rise + self.period
        if levels:
            time = max(changed, rise + (half if self._trail is None else self._trail))
        yield time, "cs", 0
        self._time = time + (half if self._apart is None else self._apart)

    async def _reach(self, ctx: Any, time: float) -> None:
        while self._cycles < int(time):
            await ctx.tick()
            self._cycles += 1
