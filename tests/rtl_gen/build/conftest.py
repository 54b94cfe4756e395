"""A small core with a known number of cells, its builds, and stand-ins for the tools."""

import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from bnnhw.target import Board
from rtl_gen.build.boards import load_board
from rtl_gen.build.flow import build_bitstream
from rtl_gen.build.report import BuildReport


class Echo(wiring.Component):
    """Shift `rx` into words, read a memory at a running address, and send a bit of both.

    Its registers, where the memory is not written: two of the synchroniser, those of the words and
    of the address, and `tx`. (For a written one synthesis adds some on iCE40, whose block RAMs do
    not say what a read beside a write gives.)
    """

    def __init__(
        self, *, width: int = 8, depth: int = 512, adders: int = 0, writable: bool = False
    ) -> None:
        self._width, self._depth = width, depth
        self._adders, self._writable = adders, writable
        super().__init__({"rx": In(1), "tx": Out(1)})

    @property
    def registers(self) -> int:
        return 2 + self._width + (self._depth - 1).bit_length() + 1

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        line = Signal()
        word = Signal(self._width)
        address = Signal(range(self._depth))
        m.submodules.line = FFSynchronizer(self.rx, line, init=1)
        content = [7 * n % 251 for n in range(self._depth)]
        words: Any = memory.Memory(shape=self._width, depth=self._depth, init=content)
        m.submodules.words = words
        if self._writable:
            write = words.write_port()
            m.d.comb += [write.addr.eq(address), write.data.eq(word), write.en.eq(line)]
        read = words.read_port()
        total = read.data ^ word
        for shift in range(self._adders):
            total = (total + (word ^ (total << shift)))[: self._width]
        m.d.comb += read.addr.eq(address)
        m.d.sync += [word.eq(Cat(line, word)), address.eq(address + 1), self.tx.eq(total.xor())]
        return m


@dataclass(frozen=True)
class Build:
    board: Board
    core: Echo
    folder: Path
    report: BuildReport
    steps: tuple[str, ...]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Build]:
    """Build the core for a board, once in the session."""
    done: dict[str, Build] = {}

    def build(name: str) -> Build:
        if name not in done:
            board, core = load_board(name), Echo()
            steps: list[str] = []
            folder = tmp_path_factory.mktemp("built") / "deep" / name
            report = build_bitstream(
                core,
                board,
                folder,
                name="echo",
                cycles_per_image=1000,
                progress=steps.append,
            )
            done[name] = Build(board, core, folder, report, tuple(steps))
        return done[name]

    return build


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Put a shell script under a program's name first on PATH, and ask for native tools."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("BNNHW_TOOLCHAIN", "native")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def place(name: str, script: str) -> Path:
        program = folder / name
        version = 'if [ "$1" = --version ]; then echo 9.9; exit 0; fi'
        program.write_text(f"#!/bin/sh\n{version}\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return program

    return place


@pytest.fixture
def echo() -> type[Echo]:
    """Give the class of the core, for other sizes."""
    return Echo
