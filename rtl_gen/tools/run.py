"""Run one program to its end."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnhw.errors import BnnhwError, ToolMissing

from .search import search_path

__all__ = ["Finished", "ToolFailed", "run_tool"]

_LAST_LINES = 12
_POLL = 1.0


class ToolFailed(BnnhwError):
    """A program ended with an error, or not in time.

    Parameters
    ----------
    what, todo : str
        As in `BnnhwError`.
    output : str
        Everything that the program wrote, so that a caller can tell its cause better.
    status : int | None
        What the program returned; None if it was stopped.
    """

    def __init__(self, what: str, todo: str, *, output: str, status: int | None) -> None:
        super().__init__(what, todo)
        self.output = output
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A program that ended well.

    Attributes
    ----------
    argv : tuple[str, ...]
        The command that ran.
    output : str
        What it wrote, standard output and standard error in the order of writing.
    """

    argv: tuple[str, ...]
    output: str


def run_tool(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    limit: float = 600,
    log: Path | None = None,
    stuck: Callable[[], bool] | None = None,
) -> Finished:
    """Run a program in a folder, without a shell, and wait for it.

    YoWASP's programs see an empty folder of their own at `/tmp`, whatever lies there really, so a
    file whose absolute path starts with `/tmp` is "not found". Names relative to the working
    folder work everywhere. For those programs, arguments that are such a path are therefore
    rewritten relative to `cwd`; paths inside an argument (a Yosys script after `-p`) and inside
    files are not, so write relative names there.

    Parameters
    ----------
    argv : Sequence[str | Path]
        The program, by name or path, and its arguments.
    cwd : Path
        Folder to run in.
    env : Mapping[str, str] | None
        Its whole environment, such as `environment(...)`; if None, this process's own with the
        folders of this Python's console scripts in front of PATH.
    limit : float
        Seconds after which the program and all that it started are stopped.
    log : Path | None
        File that receives the whole output.
    stuck : function or None
        Asked every second or so: it stops the program with all that it started.

    Raises
    ------
    ToolMissing
        If there is no such program.
    ToolFailed
        If it returns anything but 0, takes too long or is stuck; the message ends with its last
        lines.
    """
    words = _arguments(argv, cwd)
    settings = {**os.environ, "PATH": search_path()} if env is None else dict(env)
    process = _start(words, cwd, settings)
    try:
        output, stopped = _wait(process, limit, stuck)
    except BaseException:
        _stop(process)
        raise
    _write(log, output)
    if stopped:
        raise ToolFailed(
            f"{words[0]} was stopped {stopped}. {_tail(output)}",
            "Try a smaller design, or allow it more time.",
            output=output,
            status=None,
        )
    if process.returncode:
        raise _failed(words[0], process.returncode, output, log)
    return Finished(argv=tuple(words), output=output)


def _wait(
    process: subprocess.Popen[str], limit: float, stuck: Callable[[], bool] | None
) -> tuple[str, str]:
    """Wait for the end; what was written, and why it was stopped, if it was."""
    end = time.monotonic() + limit
    while (left := end - time.monotonic()) > 0:
        try:
            return process.communicate(timeout=left if stuck is None else min(_POLL, left))[0], ""
        except subprocess.TimeoutExpired:
            if stuck is not None and stuck():
                return _stop(process), "since it came to nothing"
    return _stop(process), f"after {limit:g} s"


def _failed(program: str, status: int, output: str, log: Path | None) -> ToolFailed:
    return ToolFailed(
        f"{program} failed with status {status}. {_tail(output)}",
        f"The whole output is in {log}." if log else "Its last lines say what to change.",
        output=output,
        status=status,
    )


def _arguments(argv: Sequence[str | Path], cwd: Path) -> list[str]:
    words = [str(word) for word in argv]
    if not Path(words[0]).name.startswith("yowasp-"):
        return words
    here = cwd.resolve()
    return [words[0], *(_relative(word, here) for word in words[1:])]


def _relative(word: str, here: Path) -> str:
    return os.path.relpath(Path(word).resolve(), here) if word.startswith("/tmp/") else word


def _start(words: list[str], cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[str]:
    program = shutil.which(words[0], path=env.get("PATH"))
    try:
        if program is None:
            raise FileNotFoundError
        return subprocess.Popen(
            [program, *words[1:]],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError):
        if not cwd.is_dir():
            raise
        raise ToolMissing(
            f"The program {words[0]!r} is not installed.",
            "Run `bnnhw doctor`: it lists every program and how to get it.",
        ) from None


def _stop(process: subprocess.Popen[str]) -> str:
    """End the program with everything that it started; what it wrote until then."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    output, _ = process.communicate()
    return output


def _tail(output: str) -> str:
    lines = [line.rstrip() for line in output.splitlines() if line.strip()][-_LAST_LINES:]
    return "\n".join(["Its last lines:", *lines]) if lines else "It wrote nothing."


def _write(log: Path | None, output: str) -> None:
    if log is not None:
        log.write_text(output)
