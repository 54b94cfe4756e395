"""Verilog and a C++ harness, compiled by Verilator into a program that is kept between runs."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bnnhw.errors import ToolMissing, UsageError
from rtl_gen.tools import Verilator, find_program, run_tool, verilator

__all__ = ["cache_folder", "compile_program"]

_FLAGS = (
    *("--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-timing"),
    *("-Wno-fatal", "-Wno-lint", "-Wno-style"),
)
_COVERAGE = ("--coverage-line", "--coverage-toggle")
_CXX_FLAGS = ("-std=gnu++17", "-w")


def cache_folder() -> Path:
    """Where compiled programs are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "bnnhw" / "compiled"


def compile_program(
    verilog: str,
    top: str,
    harness: Path,
    *,
    headers: Mapping[str, str],
    public: str = "",
    quick: bool = False,
    covered: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Compile, or find the program compiled.

    Parameters
    ----------
    verilog, top : str
        Text, and the name of its top module, whose class is ``Vtop``.
    harness : Path
        C++ file with ``main``.
    headers : mapping of str to str
        Files that the harness includes.
    public : str
        Verilator configuration, such as signals that the harness reads.
    quick : bool
        Spare the C++ compiler its optimisations: many cells are compiled longer than they run.
    covered : bool
        Count lines, branches and toggles. The macro ``COVERED`` tells the harness, which must have
        them written before it ends.
    progress : callable or None
        Told what is going on before anything that takes long.

    Raises
    ------
    ToolMissing, ToolFailed
        If Verilator or a C++ compiler is missing, or refuses its input.
    UsageError
        If nothing can be kept in the cache folder.
    """
    tool, compiler = verilator(), _compiler()
    files = {"top.v": verilog, "public.vlt": "`verilator_config\n" + public, **headers}
    files["harness.cpp"] = harness.read_text()
    counting = ("-DCOVERED", "-DVM_COVERAGE=1") if covered else ()
    cxx_flags = (*_CXX_FLAGS, "-O0" if quick else "-O2", *counting)
    own_flags = (*_FLAGS, *(_COVERAGE if covered else ()))
    flags = (*own_flags, *cxx_flags)
    state = "\0".join((*files, *files.values(), top, tool.version, str(compiler), *flags))
    folder = cache_folder() / hashlib.sha256(state.encode()).hexdigest()[:32]
    program = folder / "simulator"
    if program.exists():
        return program
    with _scratch(folder.parent) as scratch_name:
        scratch = Path(scratch_name)
        for name, text in files.items():
            (scratch / name).write_text(text)
        tell = progress or (lambda what: None)
        _translate(scratch, top, tool, own_flags, tell)
        tell("the C++ compiler builds the simulator (10 to 60 s the first time)")
        _build(scratch, compiler, cxx_flags, _include_folder(tool, scratch))
        _keep(scratch, folder)
    return program


def _keep(scratch: Path, folder: Path) -> None:
    """Put a program that is whole where others find it."""
    done = folder.parent / f"{scratch.name}.done"
    done.mkdir()
    shutil.move(scratch / "simulator", done / "simulator")
    try:
        done.rename(folder)
    except OSError:  # Somebody else was faster with the same program.
        shutil.rmtree(done)


def _scratch(cache: Path) -> "tempfile.TemporaryDirectory[str]":
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=cache)
    except OSError as error:
        raise UsageError(
            f"Compiled simulators cannot be kept in '{cache}': {error.strerror}.",
            "Set XDG_CACHE_HOME to a folder that can be written.",
        ) from error


def _compiler() -> Path:
    compiler = find_program("g++") or find_program("clang++") or find_program("c++")
    if compiler is None:
        raise ToolMissing(
            "No C++ compiler was found.",
            "Install one: apt-get install g++, or your system's equivalent.",
        )
    return compiler


def _translate(
    scratch: Path, top: str, tool: Verilator, flags: Sequence[str], tell: Callable[[str], None]
) -> None:
    tell("Verilator translates the Verilog to C++")
    names = ["--prefix", "Vtop", "--top-module", top, "--Mdir", "obj", "public.vlt", "top.v"]
    run_tool([tool.binary, *flags, *names], cwd=scratch, env={**os.environ, **tool.env})


def _include_folder(tool: Verilator, scratch: Path) -> Path:
    root = tool.root
    if root is None:
        environment = {**os.environ, **tool.env}
        asked = run_tool([tool.binary, "--getenv", "VERILATOR_ROOT"], cwd=scratch, env=environment)
        root = Path(asked.output.strip())
    return root / "include"


def _build(scratch: Path, compiler: Path, cxx_flags: Sequence[str], include: Path) -> None:
    """Compile on two cores and link."""
    sources = [*sorted((scratch / "obj").glob("*.cpp")), scratch / "harness.cpp"]
    sources += [include / "verilated.cpp", include / "verilated_threads.cpp"]
    if "-DCOVERED" in cxx_flags:
        sources.append(include / "verilated_cov.cpp")
    folders = [scratch / "obj", scratch, include, include / "vltstd"]
    flags = [*cxx_flags, *(word for path in folders for word in ("-I", path))]

    def compile_one(source: Path) -> Path:
        target = scratch / f"{source.stem}.o"
        run_tool([compiler, *flags, "-c", source, "-o", target], cwd=scratch, limit=1800)
        return target

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, sources))
    run_tool([compiler, "-o", "simulator", *objects, "-pthread", "-latomic"], cwd=scratch)
