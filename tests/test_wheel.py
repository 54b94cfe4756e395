"""The built wheel, installed away from the checkout: what is in it and what works there.

Nothing is fetched: the new environments see third-party packages of this one, but neither its
editable installation of bnnhw nor the checkout.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import bnnhw

ROOT = Path(__file__).resolve().parent.parent
CARRIED = ("bnnhw", "rtl_gen", "sim", "boards")

# ---------------------------------------------------------------------------------------------
# EXTEND HERE: every command that the wheel promises, as `bnnhw` is called from an empty folder.
# {data} is the folder of the bundled network. Slow ones go into SLOW_COMMANDS.
COMMANDS = [
    ["--help"],
    ["doctor", "--json"],
    ["boards", "--json"],
    ["info", "{data}/digits_mlp.onnx", "--json"],
    ["generate", "array", "--pe", "2", "--simd", "4", "-o", "out"],
    ["generate", "network", "{data}/digits_mlp.onnx", "-o", "out"],
    ["serve", "--out", "page"],
]
SLOW_COMMANDS = [
    ["simulate", "{data}/digits_mlp.onnx", "--images", "{data}/digits_test.npz", "--json"],
    ["build", "{data}/digits_mlp.onnx", "--board", "icebreaker", "-o", "out", "--json"],
]
# The same, where only the light core is installed: a host that talks to a board.
CORE_COMMANDS = [
    ["--help"],
    ["run", "--help"],
    ["serve", "--help"],
]
# ---------------------------------------------------------------------------------------------


class Installation:
    """A virtual environment that holds the wheel.

    Parameters
    ----------
    folder : Path
        Where to make it.
    wheel : Path
        What to install.
    third_party : list[Path]
        Folders of other packages that it can import.
    """

    def __init__(self, folder: Path, wheel: Path, third_party: list[Path]) -> None:
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.bin = folder / "venv" / "bin"
        self.empty = folder / "empty"
        self.empty.mkdir()
        install = ["install", "--no-deps", "--no-index", "--quiet", str(wheel)]
        check([sys.executable, "-m", "pip", "--python", str(self.bin / "python"), *install], folder)
        site = Path(self.python("import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        # A path in a .pth file is searched for modules, but .pth files in it are not read: so the
        # editable installation in there stays out.
        (site / "third_party.pth").write_text("\n".join(str(path) for path in third_party) + "\n")
        self.site = site

    def python(self, program: str) -> str:
        """Run a program in the empty folder and give what it prints."""
        return check([str(self.bin / "python"), "-c", program], self.empty)

    def bnnhw(self, words: list[str]) -> str:
        """Run the command line in the empty folder and give what it prints."""
        data = self.site / "bnnhw" / "data"
        full = [word.format(data=data) for word in words]
        return check([str(self.bin / "bnnhw"), *full], self.empty)


def check(argv: list[str], cwd: Path) -> str:
    """Run without anything of the checkout in the environment; fail with what was printed."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), env["PATH"]])
    done = subprocess.run(
        argv, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=1800
    )
    assert done.returncode == 0, f"{argv} gave {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, because a build leaves folders behind."""
    place = tmp_path_factory.mktemp("wheel")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in CARRIED:
        shutil.copytree(ROOT / name, place / "source" / name, ignore=ignore)
    for name in ("pyproject.toml", "setup.py", "LICENSE", "MANIFEST.in", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, place / "source")
    build = ["wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    check([sys.executable, "-m", "pip", *build, "-w", str(place)], place / "source")
    (found,) = place.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Installation:
    """Install the wheel beside every third-party package of this environment."""
    sites = {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}
    return Installation(tmp_path_factory.mktemp("full"), wheel, sorted(sites))


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Installation:
    """Install the wheel beside the packages of the light core alone."""
    folder = tmp_path_factory.mktemp("core")
    packages = folder / "packages"
    packages.mkdir()
    for name in needed_by(metadata.requires("bnnhw") or []):
        link_distribution(metadata.distribution(name), packages)
    return Installation(folder, wheel, [packages])


def needed_by(requirements: list[str]) -> set[str]:
    """Names of the distributions that requirements without any extra lead to."""
    names: set[str] = set()
    todo = list(requirements)
    while todo:
        need = Requirement(todo.pop())
        if need.name in names or (need.marker and not need.marker.evaluate({"extra": ""})):
            continue
        names.add(need.name)
        todo += metadata.requires(need.name) or []
    return names


def link_distribution(found: metadata.Distribution, folder: Path) -> None:
    """Make a distribution's packages and modules importable from a folder."""
    for top in {file.parts[0] for file in found.files or [] if file.parts[0] != ".."}:
        target = folder / top
        if top != "__pycache__" and not target.exists():
            target.symlink_to(Path(str(found.locate_file(top))))


def in_checkout(name: str) -> set[str]:
    return {str(file.relative_to(ROOT)) for file in (ROOT / name).rglob("*.py")}


def test_top_level_names(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"bnnhw", "rtl_gen", f"bnnhw-{bnnhw.__version__}.dist-info"}


def test_every_source_file_is_carried(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert in_checkout("bnnhw") | in_checkout("rtl_gen") <= names
    content = {f"rtl_gen/_content/{name}" for part in CARRIED[2:] for name in in_checkout(part)}
    assert content <= names


def test_data_and_types_are_carried(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    data = {
        f"bnnhw/data/{file.name}"
        for file in (ROOT / "bnnhw" / "data").iterdir()
        if file.suffix in (".npz", ".onnx")
    }
    assert data | {"bnnhw/py.typed", "rtl_gen/py.typed"} <= names
    page = {f"bnnhw/page/assets/{file.name}" for file in (ROOT / "bnnhw/page/assets").iterdir()}
    assert "bnnhw/page/assets/index.html" in page and page <= names
    # Every other file beside the sources has its pattern in pyproject.toml.
    for part in CARRIED[2:]:
        for file in (ROOT / part).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert f"rtl_gen/_content/{file.relative_to(ROOT)}" in names


def test_nothing_of_the_checkout_is_seen(full: Installation) -> None:
    where = full.python("import bnnhw, rtl_gen; print(bnnhw.__file__, rtl_gen.__file__)").split()
    assert all(Path(path).is_relative_to(full.site) for path in where)


@pytest.mark.parametrize("name", ["sim", "boards"])
def test_generic_names_are_not_installed(full: Installation, name: str) -> None:
    program = f"import importlib.util as u; print(u.find_spec({name!r}))"
    assert full.python(program) == "None\n"


@pytest.mark.parametrize("name", ["sim", "boards", "boards.icebreaker", "sim.streams"])
def test_content_is_reached(full: Installation, name: str) -> None:
    program = f"from rtl_gen import content; print(content.module({name!r}).__file__)"
    assert Path(full.python(program).strip()).is_relative_to(full.site / "rtl_gen" / "_content")


def test_light_core_is_light(core: Installation) -> None:
    program = (
        "import importlib.util as u\n"
        "names = 'amaranth', 'onnx', 'cocotb', 'wasmtime', 'torch', 'numpy'\n"
        "print(*[name for name in names if u.find_spec(name)])"
    )
    assert core.python(program) == "numpy\n"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_command(full: Installation, words: list[str]) -> None:
    assert full.bnnhw(words)


@pytest.mark.slow
@pytest.mark.parametrize("words", SLOW_COMMANDS, ids=" ".join)
def test_slow_command(full: Installation, words: list[str]) -> None:
    assert full.bnnhw(words)


@pytest.mark.parametrize("words", CORE_COMMANDS, ids=" ".join)
def test_command_of_the_light_core(core: Installation, words: list[str]) -> None:
    assert core.bnnhw(words)
