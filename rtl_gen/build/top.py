"""The top of a board: clock, reset, the serial pins and a core between them."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import io

from bnnhw.target import Board

from .clocking import BoardClock

__all__ = ["BoardTop"]


class BoardTop(Elaboratable):
    """Put a core with a serial port on a board.

    The core lives in `sync`, which runs at the board's ``clock.sync_hz``. Its `rx` is the board's
    receive pin as it is, asynchronous, so the core must synchronise it; its `tx` goes straight to
    the transmit pin and should come from a register. The board's LED, where it has one, changes
    every 2**24 cycles: it shows that clock and reset work.

    Parameters
    ----------
    board : Board
    core : Component
        Anything with 1-bit members ``rx`` (in) and ``tx`` (out).

    Raises
    ------
    ValueError
        If the core lacks `rx` or `tx`.
    """

    def __init__(self, *, board: Board, core: Any) -> None:
        for name in ("rx", "tx"):
            port = getattr(core, name, None)
            if not isinstance(port, Value) or len(port) != 1:
                raise ValueError(f"Core must have a 1-bit port '{name}', not {port!r}")
        self._board = board
        self._core = core

    def elaborate(self, platform: Any) -> Module:
        """Join clock, pins and core."""
        m = Module()
        m.domains.sync = sync = ClockDomain()
        m.submodules.clock = BoardClock(board=self._board, sync=sync)
        m.submodules.core = core = self._core
        pins = platform.request(self._board.link.resource, 0, dir="-")
        m.submodules.rx_pin = rx_pin = io.Buffer(io.Direction.Input, pins.rx)
        m.submodules.tx_pin = tx_pin = io.Buffer(io.Direction.Output, pins.tx)
        m.d.comb += [core.rx.eq(rx_pin.i), tx_pin.o.eq(core.tx)]
        if self._board.led:
            self._heartbeat(m, platform)
        return m

    def _heartbeat(self, m: Module, platform: Any) -> None:
        led = platform.request(self._board.led, 0, dir="-")
        m.submodules.led_pin = led_pin = io.Buffer(io.Direction.Output, led)
        beat = Signal(25)
        m.d.sync += beat.eq(beat + 1)
        m.d.comb += led_pin.o.eq(beat[-1])
