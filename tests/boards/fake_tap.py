"""An ECP5 that is none: its JTAG port behind OpenOCD's remote-bitbang protocol, on loopback.

States and instructions are those of IEEE 1149.1 and of Lattice's sysCONFIG guide (FPGA-TN-02039):
it identifies itself, is enabled, erased, takes a bitstream in one burst, and says that it is done.
"""

import socket
import threading
from types import TracebackType

__all__ = ["LFE5U_25", "LFE5U_85", "FakeTap"]

LFE5U_25, LFE5U_85 = 0x41111043, 0x41113043

_READ_ID, _READ_STATUS, _ENABLE, _DISABLE, _ERASE, _BURST = 0xE0, 0x3C, 0xC6, 0x26, 0x0E, 0x7A
# Failed: the flag, and code 3 of what went wrong: the CRC.
_DONE, _ENABLED, _FAILED = 1 << 8, 1 << 9, 1 << 13 | 3 << 23
# Next state by TMS = 0 and 1.
_NEXT = {
    "reset": ("idle", "reset"),
    "idle": ("idle", "select-dr"),
    "select-dr": ("capture-dr", "select-ir"),
    "capture-dr": ("shift-dr", "exit1-dr"),
    "shift-dr": ("shift-dr", "exit1-dr"),
    "exit1-dr": ("pause-dr", "update-dr"),
    "pause-dr": ("pause-dr", "exit2-dr"),
    "exit2-dr": ("shift-dr", "update-dr"),
    "update-dr": ("idle", "select-dr"),
    "select-ir": ("capture-ir", "reset"),
    "capture-ir": ("shift-ir", "exit1-ir"),
    "shift-ir": ("shift-ir", "exit1-ir"),
    "exit1-ir": ("pause-ir", "update-ir"),
    "pause-ir": ("pause-ir", "exit2-ir"),
    "exit2-ir": ("shift-ir", "update-ir"),
    "update-ir": ("idle", "select-dr"),
}


class FakeTap:
    """Serves programmers on a port of loopback, one after the other, while the context lasts.

    Parameters
    ----------
    idcode : int
        What it says that it is.
    fails : bool
        It says after the burst that the bitstream was bad.

    Attributes
    ----------
    instructions : list of int
        Everything that was shifted into the instruction register.
    burst : list of int
        Bits of the bitstream, in the order of their arrival.
    """

    def __init__(self, idcode: int, *, fails: bool = False) -> None:
        self.idcode, self.fails = idcode, fails
        self.instructions: list[int] = []
        self.burst: list[int] = []
        self._state, self._ir, self._clock, self._tdo = "reset", _READ_ID, 0, 0
        self._shifted: list[int] = []
        self._out: list[int] = []
        self._status = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "FakeTap":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Closing alone would leave the thread waiting, and the port open.
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._server.close()

    def bitstream(self) -> bytes:
        """Give the burst as bytes, the first bit the highest of the first byte."""
        bits = self.burst
        octets = (bits[at : at + 8] for at in range(0, len(bits) - len(bits) % 8, 8))
        return bytes(int("".join(map(str, octet)), 2) for octet in octets)

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            with peer:
                while data := peer.recv(1 << 16):
                    told = bytearray()
                    for code in data:
                        if 0x30 <= code <= 0x37:
                            self._pins(code >> 2 & 1, code >> 1 & 1, code & 1)
                        elif code == ord("R"):
                            told.append(0x30 + self._tdo)
                    if told:
                        peer.sendall(told)

    def _pins(self, clock: int, mode: int, data: int) -> None:
        if clock and not self._clock:
            self._rises(mode, data)
        elif self._clock and not clock and self._state.startswith("shift"):
            self._tdo = self._out[0] if self._out else 0
        self._clock = clock

    def _rises(self, mode: int, data: int) -> None:
        state = self._state
        if state.startswith("shift"):
            self._shifted.append(data)
            self._out = [*self._out[1:], data]
        elif state.startswith("capture"):
            self._shifted = []
            self._out = [1] + [0] * 7 if state.endswith("ir") else self._captured()
        self._state = _NEXT[state][mode]
        if self._state == "update-ir":
            self._ir = sum(bit << k for k, bit in enumerate(self._shifted[-8:]))
            self.instructions.append(self._ir)
            self._obey()
        elif self._state == "update-dr" and self._ir == _BURST:
            self.burst += self._shifted
            self._status |= _FAILED if self.fails else _DONE
        elif self._state == "reset":
            self._ir = _READ_ID

    def _captured(self) -> list[int]:
        word = {_READ_ID: self.idcode, _READ_STATUS: self._status}.get(self._ir, 0)
        return [word >> k & 1 for k in range(32)]

    def _obey(self) -> None:
        if self._ir == _ENABLE:
            self._status |= _ENABLED
        elif self._ir == _DISABLE:
            self._status &= ~_ENABLED
        elif self._ir == _ERASE:
            self._status &= ~(_DONE | _FAILED)
        elif self._ir == _BURST:
            self.burst.clear()
