"""What a build reads: board files, and the records that `bnnhw patch` goes by."""

import contextlib
import io
import json
import random
import struct
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold, serial
from bnnhw.load import load_model
from bnnhw.plan import make_plan
from rtl_gen.build import patch as patching
from rtl_gen.build.boards import load_board
from rtl_gen.build.contents import Netlist, rewrite
from rtl_gen.build.record import RECORD, read_record, record
from rtl_gen.cli.options import Planned
from rtl_gen.cli.patch import patch, patch_note
from rtl_gen.flash import plan_flash

from ..frame import CORPUS, Entry, Wrong
from ..raw import mutated
from ..trees import changed, json_bytes

__all__ = ["BoardFile", "Patch", "Record"]

_BOARD: dict[str, Any] = {
    "name": "mine", "title": "My board", "family": "ice40", "device": "up5k-sg48",
    "platform": "amaranth_boards.icebreaker:ICEBreakerPlatform",
    "budget": {"lut4": 5280, "ff": 5280, "ebr": 30, "ebr_bits": 4096, "spram": 4, "dsp": 8},
    "clock": {"source_hz": 12_000_000, "sync_hz": 24_000_000, "pll": "pad"},
    "link": {"resource": "uart", "baud": 1_000_000},
    "programmers": [{"tool": "openFPGALoader", "sram": [], "flash": ["-d", "{bitstream}"],
                     "install": "apt-get install fpga-icestorm"}],
    "led": "led", "notes": "",
}  # fmt: skip
_PARTS = {"budget": "Budget", "clock": "Clock", "link": "Link"}


class BoardFile(Entry):
    """Board files, whose values are hostile, but whose code is not: they are run by contract."""

    name, title, suffix = "board", "board files (.py)", ".py"
    inputs = 4000

    def make(self, rng: random.Random) -> bytes:
        """Give a file of literals; a part of it is cut short."""
        value = changed(rng, _BOARD)
        text = "from bnnhw.target import *\nBOARD = " + _source(value) + "\n"
        data = text.encode("utf-8", "surrogatepass")
        if rng.random() < 0.1:
            return data[: rng.randrange(len(data))]
        if rng.random() < 0.03:
            return rng.choice((b"\x00" + data, b"BOARD = " + b"(" * 5000, b"\xff\xfe", b"BOARD = 1",
                               b""))  # fmt: skip
        return data

    def handle(self, data: bytes) -> None:
        """Load it and ask how it would be flashed."""
        board = load_board(self.put(data))
        bitstream = self.folder / "a b;touch pwned.bin"
        bitstream.write_bytes(b"")
        command = plan_flash(board, bitstream, flash=bool(len(data) % 2))
        if command.count(str(bitstream.resolve())) != 1:
            raise Wrong(f"the command {ascii(command)} does not hold the file once")


def _source(value: Any) -> str:
    """Write a board as Python; what is no table where one should be stays a literal."""
    if not isinstance(value, dict):
        return repr(value)
    parts = []
    for key, part in value.items():
        if not (key.isidentifier() and key.isascii()):
            continue
        if key in _PARTS and isinstance(part, dict):
            text = f"{_PARTS[key]}(**{part!r})"
        elif key == "programmers" and isinstance(part, list):
            inner = [
                f"Programmer(**{one!r})" if isinstance(one, dict) else repr(one) for one in part
            ]
            text = "(" + "".join(f"{one}, " for one in inner) + ")"
        else:
            text = repr(part)
        parts.append(f"{key!r}: {text}")
    return "Board(**{" + ", ".join(parts) + "})"


class _Built(Entry):
    """A build that was never made: its record, as `bnnhw build` would leave it."""

    suffix = RECORD

    @cached_property
    def _model(self) -> Any:
        return load_model(CORPUS / "dense.npz")

    @cached_property
    def _seed(self) -> dict[str, Any]:
        folds = {name: LayerFold(1, 1, "block") for name in serial(self._model).layers}
        plan = make_plan(self._model, Folding(folds), name="net")
        rams = [f"core.accelerator.{unit.name}.{part}.memory.0.0"
                for unit in plan.units for part in ("weights", "starts")]  # fmt: skip
        cells = {name: {"type": "SB_RAM40_4K", "parameters": {"INIT_0": f"{number:b}"}}
                 for number, name in enumerate(rams, 1)}  # fmt: skip
        netlist = {"modules": {"net": {"attributes": {"top": "1"}, "cells": cells}}}
        note = patch_note(Planned(plan, load_board("icebreaker"), ()), False)
        options = {"seed": 1, "wide_luts": False, "router2": True}
        told: dict[str, Any] = json.loads(
            record(json.dumps(netlist), board="icebreaker", options=options, note=note)
        )
        return told

    def make(self, rng: random.Random) -> bytes:
        """Change the record."""
        return json_bytes(rng, self._seed)


class Record(_Built):
    """The record, and the placed design that is rewritten by it."""

    name, title = "record", "records of builds, placed designs (.rams.json, .asc)"
    inputs = 8_000
    sample = 40

    def make(self, rng: random.Random) -> bytes:
        """Change the record, or the placed design of another."""
        told = super().make(rng) if rng.random() < 0.6 else json.dumps(self._seed).encode()
        placed = "".join(
            f".ram_data {number} 3\n" + f"{number:064x}\n" + f"{0:064x}\n" * 15 + "\n"
            for number in range(1, 5)
        ).encode()
        placed = mutated(rng, placed) if rng.random() < 0.6 else placed
        return struct.pack("<I", len(told)) + told + placed

    def handle(self, data: bytes) -> bool:
        """Read the record and put other contents into the placed design."""
        (size,) = struct.unpack("<I", data[:4].ljust(4, b"\0"))
        told = read_record(self.put(data[4 : 4 + size]))
        old: Netlist = told["netlist"]
        new = Netlist(old.digest, {name: rows[::-1] for name, rows in old.rams.items()})
        text = data[4 + size :].decode("latin-1")
        result = rewrite("ice40", text, old, new)
        if result is not None and result.count("\n") != text.count("\n"):
            raise Wrong("another number of lines")
        return result is not None


class _Enough(UsageError):
    """Where synthesis would begin."""


class Patch(_Built):
    """`bnnhw patch`, up to where it would call Yosys."""

    name, title = "patch", "bnnhw patch, up to synthesis"
    inputs = 1500

    def handle(self, data: bytes) -> None:
        """Give the command a folder with the record."""
        (self.folder / f"net{RECORD}").write_bytes(data)

        def stop(*words: Any, **options: Any) -> list[Path]:
            raise _Enough("Synthesis would begin.", "Nothing is to be done.")

        with (
            mock.patch.object(patching, "patch_bitstream", stop),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            try:
                patch(self.folder, CORPUS / "dense.npz", self.folder / "out", as_json=True)
            except _Enough:
                return
