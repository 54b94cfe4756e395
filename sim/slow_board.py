"""A simulated board in Amaranth's own simulator: nothing to compile, and slow."""

import select
import socket
import threading
from collections import deque
from types import TracebackType
from typing import Any

from amaranth.sim import Simulator

from bnnhw.plan import Plan
from rtl_gen.system import LinkedAccelerator, divisor_for

__all__ = ["InterpretedBoard"]

_LOOPBACK = "127.0.0.1"
_STEP = 100


class InterpretedBoard:
    """Serve a simulated board to one host at a time, for as long as the context lasts.

    As `SimulatedBoard`, with the same parameters. While the line is quiet and nothing can be under
    way, the clock stands still.
    """

    def __init__(
        self, plan: Plan, *, clock_hz: int, baud: int, port: int = 0, benchmark: bool = False
    ) -> None:
        self._core = LinkedAccelerator(plan, clock_hz=clock_hz, baud=baud, benchmark=benchmark)
        self._divisor = divisor_for(clock_hz, baud)
        self._quiet = 20 * self._divisor + 8 * sum(block.cycles for block in plan.blocks) + 2_000
        self._to_board: deque[int] = deque()
        self._from_board = bytearray()
        self._silence = 0
        self._stop = threading.Event()
        self._listener = socket.create_server((_LOOPBACK, port))
        self._host: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._time = 0.0

    @property
    def url(self) -> str:
        """What `bnnhw.driver.open` takes."""
        return f"socket://{_LOOPBACK}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "InterpretedBoard":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()
        if self._host:
            self._host.close()

    async def _send(self, ctx: Any) -> None:
        ctx.set(self._core.rx, 1)
        while True:
            if not self._to_board:
                await ctx.tick()
                continue
            byte = self._to_board.popleft()
            for level in [0, *((byte >> k) & 1 for k in range(8)), 1]:
                ctx.set(self._core.rx, level)
                for _ in range(self._divisor):
                    await ctx.tick()
            self._silence = 0

    async def _receive(self, ctx: Any) -> None:
        while True:
            *_, level = await ctx.tick().sample(self._core.tx)
            if level:
                continue
            for _ in range(self._divisor // 2):
                await ctx.tick()
            byte = 0
            for place in range(9):
                for _ in range(self._divisor):
                    *_, level = await ctx.tick().sample(self._core.tx)
                byte |= level << place
            self._from_board.append(byte & 0xFF)
            self._silence = 0

    def _serve(self) -> None:
        """Carry bytes between the host and the pins, and let the clock run while it matters."""
        simulator = Simulator(self._core)
        simulator.add_clock(1e-6)
        simulator.add_testbench(self._send, background=True)
        simulator.add_testbench(self._receive, background=True)
        self._silence = self._quiet
        while not self._stop.is_set():
            idle = self._silence >= self._quiet
            for ready in select.select([self._host or self._listener], [], [], 0.05 if idle else 0)[
                0
            ]:
                self._hear(ready)
            if self._silence < self._quiet or self._to_board:
                self._time += _STEP * 1e-6
                self._silence += _STEP
                simulator.run_until(self._time)
            if self._from_board:
                self._tell()

    def _hear(self, ready: socket.socket) -> None:
        if ready is self._listener:
            self._host, _ = ready.accept()
            self._host.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return
        try:
            data = ready.recv(4096)
        except ConnectionError:
            data = b""
        if not data:
            ready.close()
            self._host = None
        self._to_board.extend(data)
        if data:
            self._silence = 0

    def _tell(self) -> None:
        data = bytes(self._from_board)
        self._from_board.clear()
        if self._host:
            try:
                self._host.sendall(data)
            except OSError:
                self._host.close()
                self._host = None
