"""A simulated board in a child process, which ends with the device."""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DeviceError, ToolMissing, UsageError
from ..link.transport import Transport, connect
from ..names import printable

__all__ = ["Spawned"]

_MODULE = "rtl_gen.simulated"
_LIMIT = 900.0
_KINDS = {2: UsageError, 3: ToolMissing}


class Spawned:
    """A `Transport` to a simulated board of its own.

    The child tells its address and manifest in one line and serves until its standard input ends,
    so that it never outlives this process.

    Parameters
    ----------
    name : str
        What to call it in messages.
    model : Path
    options : dict
        ``board`` and ``simulator``, each if it was given.
    timeout : float
        Seconds that a write may take.

    Raises
    ------
    UsageError, ToolMissing, DeviceError
        If the board cannot be simulated.
    """

    def __init__(
        self, name: str, model: Path, options: Mapping[str, str], *, timeout: float
    ) -> None:
        # Checked here, where no child must be cleared away.
        if not isinstance(timeout, int | float) or not timeout > 0:
            raise UsageError(f"timeout must be a positive number, not {timeout!r}.", "Try 30.")
        self._name = name
        self._log = tempfile.TemporaryFile()
        words = [sys.executable, "-m", _MODULE, str(model)]
        words += [word for key, value in options.items() for word in (f"--{key}", value)]
        self._child = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )
        self._line: Transport | None = None
        try:
            told = self._first_line()
            self.manifest: dict[str, Any] = told["manifest"]
            self._line = connect(told["url"], timeout=timeout)
        except BaseException:
            self.close()
            raise

    def _first_line(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        # Compiling a simulator takes a minute; a child that never answers is ended.
        watchdog = threading.Timer(_LIMIT, self._child.kill)
        watchdog.start()
        try:
            line = self._child.stdout.readline()
        finally:
            watchdog.cancel()
        if line:
            told: dict[str, Any] = json.loads(line)
            return told
        status = self._child.wait()
        self._log.seek(0)
        lines = printable(self._log.read().decode(errors="replace").strip()).splitlines() or [""]
        if "No module named" in lines[-1]:
            raise ToolMissing(
                f"'{self._name}' needs the simulators, which are not installed.",
                'Install them: pip install "bnnhw[sim]"',
            )
        kind = _KINDS.get(status, DeviceError)
        what, todo = lines[-2:] if len(lines) > 1 else [lines[-1], "See the lines above."]
        raise kind(f"'{printable(self._name)}' cannot be simulated: {what}", todo)

    def read(self, timeout: float) -> bytes:
        """Return what has arrived, waiting up to `timeout` seconds for it; empty on silence."""
        assert self._line is not None
        return self._line.read(timeout)

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        assert self._line is not None
        self._line.write(data)

    def close(self) -> None:
        """End the board; harmless if called again."""
        if self._line is not None:
            self._line.close()
        if self._child.stdin is not None:
            self._child.stdin.close()
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._log.close()
