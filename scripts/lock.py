"""Pin what is installed here, by hash, in requirements.lock.

    .venv/bin/python -m scripts.lock

Writes down the versions of the environment that runs this, which a run of the tests has verified,
with the hashes of every file that a package index has of them, for all Pythons that are supported.
`BNNHW_LOCKED=1 scripts/test` installs exactly these. The lock is made by uv, which this
installs into a temporary environment.
"""

import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

from .environments import LOCK, environment, requirements_of, run

__all__ = ["main"]

_HEAD = """\
# Everything that scripts/test installs, pinned by hash: written by `python -m scripts.lock` from an
# environment in which the tests passed. `BNNHW_LOCKED=1 scripts/test` installs exactly this.
"""


def installed() -> list[str]:
    """Pin every package of this environment but our own."""
    found = {one.name: one.version for one in distributions()}
    return [f"{name}=={version}" for name, version in sorted(found.items()) if name != "bnnhw"]


def main() -> int:
    """Write the lock."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted, known, found = folder / "dev.in", folder / "known.txt", folder / "lock.txt"
        wanted.write_text("\n".join(requirements_of("dev")) + "\n")
        known.write_text("\n".join(installed()) + "\n")
        tool = environment(folder / "uv", Path(sys.executable), ["uv"]).with_name("uv")
        options = ["--universal", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
        options += ["--python-version", "3.11", "--no-emit-index-url", "--no-emit-find-links"]
        files = [str(wanted), "--constraint", str(known), "--output-file", str(found)]
        run([str(tool), "pip", "compile", *options, *files])
        LOCK.write_text(_HEAD + found.read_text(), encoding="utf-8")
    print(f"{LOCK.name}: {len(LOCK.read_text().splitlines())} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
