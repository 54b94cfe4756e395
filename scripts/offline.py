"""Import every module and generate Verilog in a process in which sockets are forbidden.

Python reports each socket to its audit hooks. Ours is put into every Python that the process
starts, too, by a `sitecustomize` on its path: the synthesis tools are Python programs. It writes
down what was asked for, since whoever asked might catch the error.
"""

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .signing import ROOT

__all__ = ["FOLDERS", "Offline", "run_offline"]

FOLDERS = ("bnnhw", "rtl_gen", "sim", "boards")
_OPTIONAL = {"luna", "sklearn", "spidev", "torch"}
_LIMIT = 900
_HOOK = """
import os, sys

def _no_network(event, args):
    if event.startswith("socket."):
        with open(os.environ["BNNHW_SOCKETS"], "a") as log:
            log.write(f"{event} in {' '.join(sys.argv[:3])}\\n")
        raise PermissionError(f"{event}: there is no network here")

sys.addaudithook(_no_network)
"""


@dataclass(frozen=True)
class Offline:
    """What a process without network did.

    Parameters
    ----------
    modules : int
        Imported.
    absent : list of str
        Modules that need packages which are not installed.
    calls : list of str
        Sockets that were asked for.
    """

    modules: int
    absent: list[str]
    calls: list[str]


def run_offline(*words: str) -> Offline:
    """Run this module, or what `words` say, as a program without network.

    Raises
    ------
    RuntimeError
        If it fails although no socket was asked for; with the end of what it said.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(_HOOK)
        log = folder / "sockets.log"
        log.touch()
        variables = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([name, str(ROOT)]),
            "BNNHW_SOCKETS": str(log),
        }
        program = [sys.executable, *(words or ("-m", "scripts.offline", str(folder / "out")))]
        done = subprocess.run(
            program, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=_LIMIT,
            check=False,
        )  # fmt: skip
        calls = log.read_text().splitlines()
    if done.returncode:
        if not calls:
            raise RuntimeError((done.stdout + done.stderr)[-2000:])
        return Offline(0, [], calls)
    found = json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {}
    return Offline(found.get("modules", 0), found.get("absent", []), calls)


def _import_all() -> tuple[int, list[str]]:
    """Import every module; count them, and name those whose packages are not here."""
    count, absent = 0, []
    for folder in FOLDERS:
        for found in pkgutil.walk_packages([str(ROOT / folder)], f"{folder}."):
            try:
                importlib.import_module(found.name)
                count += 1
            except ModuleNotFoundError as error:
                if error.name not in _OPTIONAL:
                    raise
                absent.append(found.name)
    return count, absent


def _generate(out: Path) -> None:
    """Generate a network and an array, as a user does."""
    from bnnhw import data
    from rtl_gen.cli import main

    network = ["network", str(data.path("digits_mlp.onnx"))]
    for name, words in (("network", network), ("array", ["array", "--pe", "2", "--simd", "8"])):
        sys.argv = ["bnnhw", "generate", *words, "-o", str(out / name)]
        try:
            main()
        except SystemExit as ended:
            if ended.code:
                raise
        assert list((out / name).glob("*.v")), name


if __name__ == "__main__":
    modules, missing = _import_all()
    _generate(Path(sys.argv[1]))
    print(json.dumps({"modules": modules, "absent": missing}))
