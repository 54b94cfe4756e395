"""A simulated board: the generated top, UART and all, behind a TCP port on this machine."""

import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from bnnhw.plan import Plan
from rtl_gen.system import LinkedAccelerator, divisor_for
from rtl_gen.verilog import emit

from .verilated import compile_program

__all__ = ["SimulatedBoard"]

_HARNESS = Path(__file__).with_name("board.cpp")
_LOOPBACK = "127.0.0.1"


class SimulatedBoard:
    """Serve a simulated board to one host at a time, for as long as the context lasts.

    The board keeps its state between connections, as a real one keeps its power.

    Parameters
    ----------
    plan : Plan
    clock_hz, baud : int
        Of the board that is simulated; both only set how many clocks a bit takes.
    port : int
        TCP port on the loopback interface; any free one where 0.
    benchmark, credits
        As `LinkedAccelerator` has them.
    progress : callable or None
        Told what is going on while the simulator is compiled.

    Raises
    ------
    OSError
        If the port is taken.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        clock_hz: int,
        baud: int,
        port: int = 0,
        benchmark: bool = False,
        credits: int | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        core = LinkedAccelerator(
            plan, clock_hz=clock_hz, baud=baud, benchmark=benchmark, credits=credits
        )
        verilog, _ = emit(core, name=plan.name, header={"identity": plan.identity})
        divisor = divisor_for(clock_hz, baud)
        # An answer may be under way inside for several images' time before tx moves again.
        quiet = 20 * divisor + 8 * sum(block.cycles for block in plan.blocks) + 10_000
        header = f"constexpr uint32_t DIVISOR = {divisor};\nconstexpr uint64_t QUIET = {quiet};\n"
        self._program = compile_program(
            verilog, plan.name, _HARNESS, headers={"board.h": header}, progress=progress
        )
        self._listener = socket.create_server((_LOOPBACK, port))
        self._process: subprocess.Popen[bytes] | None = None
        self._host: socket.socket | None = None

    @property
    def url(self) -> str:
        """What `bnnhw.driver.open` takes."""
        return f"socket://{_LOOPBACK}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "SimulatedBoard":
        self._process = subprocess.Popen(
            [self._program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        for work in (self._serve, self._answer):
            threading.Thread(target=work, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        if self._host:
            self._host.close()
        process = self._process
        if process:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()

    def wait(self) -> None:
        """Serve until the board's program ends or the user interrupts."""
        if self._process:
            self._process.wait()

    def _serve(self) -> None:
        """Take one host after the other and bring what it sends to the board."""
        assert self._process is not None and self._process.stdin is not None
        while True:
            try:
                host, _ = self._listener.accept()
                self._host = host
                with host:
                    host.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    while data := host.recv(4096):
                        self._process.stdin.write(data)
                self._host = None
            except ConnectionError:
                self._host = None
            except (OSError, ValueError):
                return

    def _answer(self) -> None:
        """Bring what the board sends to whoever is connected; a line without a host loses it."""
        assert self._process is not None and self._process.stdout is not None
        try:
            while data := self._process.stdout.read(4096):
                host = self._host
                if host:
                    try:
                        host.sendall(data)
                    except OSError:
                        continue
        except (OSError, ValueError):
            return
