"""The files of an array, complete or not at all."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from bnnhw.errors import UsageError
from bnnhw.names import checked

from ..cells import beside, cells_in, library, recipe
from ..content import folder
from ..shell import NAMINGS, Port
from .make import ArrayProduct
from .pages import core_file, instantiation, page, readme, waivers
from .register_pages import c_header, register_page, register_values

__all__ = ["write_array"]


def write_array(
    product: ArrayProduct, out: Path, *, name: str, naming: str = "plain"
) -> tuple[Path, ...]:
    """Write an array into a folder: Verilog, bench, pages, and what tools want to have.

    ``NAME.v``, ``NAME.json`` (manifest with the table of ports), ``NAME.md`` (a page with the same
    table), ``test_NAME.py``, ``NAME.vh`` (instantiation template), ``NAME.core`` (FuseSoC),
    ``NAME.vlt`` (Verilator's waivers) and ``README.md``; behind a bus ``NAME_registers.json``,
    ``NAME_registers.md``, ``NAME_registers.h`` and ``NAME_bus.py`` too. Where cells of a family are
    instantiated, ``NAME_cells.v`` (models of them) and, for ECP5, ``bnnhw_carry.vlib``.

    They are complete before the first of them appears in `out`; files of the same names there are
    replaced, others left alone.

    Parameters
    ----------
    product : ArrayProduct
    out : Path
        Folder; made if absent.
    name : str
        Of the top module and the files.
    naming : str
        ``"plain"`` or ``"axis"``.

    Returns
    -------
    tuple of Path

    Raises
    ------
    UsageError
        If the name is not safe, the naming unknown, or the folder not writable.
    """
    checked(name, "array name")
    if naming not in NAMINGS:
        raise UsageError(
            f"Naming must be one of {', '.join(NAMINGS)}, not {naming!r}.", "Choose one of them."
        )
    given = product.manifest["parameters"]
    header = {
        "design": f"{name}, an XNOR-popcount array",
        "generator": product.manifest["generator"],
        "identity": product.identity,
        "parameters": ", ".join(f"{key} {value}" for key, value in given.items()),
    }
    text, ports = product.emit(name, header, naming)
    manifest = _manifest(product, name, naming, ports, cells_in(text))
    return _deliver(out, _files(product, name, manifest, text))


def _files(product: ArrayProduct, name: str, manifest: dict[str, Any], text: str) -> dict[str, str]:
    """Give the contents of all files, by name."""
    cells = manifest["cells"]
    contents = {
        f"{name}.v": ("the hardware, Verilog-2005", text),
        f"{name}.json": ("manifest: parameters, ports, streams, schedule", _json(manifest)),
        f"{name}.md": ("the page to read: ports, streams, schedule, packing", page(name, manifest)),
        f"test_{name}.py": ("bench to run, with cocotb alone", _source("array_bench.py")),
        f"{name}.vh": ("instantiation template", instantiation(name, manifest)),
        f"{name}.core": ("description for FuseSoC", core_file(name, manifest)),
        f"{name}.vlt": ("what Verilator may say, with reasons", waivers(name, cells=bool(cells))),
    }
    contents |= beside(name, cells)
    if product.table is not None:
        values = register_values(product.table)
        bus = manifest["parameters"]["bus"]
        parameters = manifest["parameters"]
        contents |= {
            f"{name}_bus.py": ("the bench's master of the bus", _source("array_bus.py")),
            f"{name}_registers.json": ("register map", _json({"module": name, **values})),
            f"{name}_registers.md": ("register map, to read", register_page(name, values, bus)),
            f"{name}_registers.h": ("register map, for C", c_header(name, values, parameters)),
        }
    files = {file: text for file, (_, text) in contents.items()}
    target = manifest["parameters"]["target"]
    files["README.md"] = readme(
        name,
        {file: what for file, (what, _) in contents.items()},
        manifest["files"]["models"],
        recipe(name, target, cells),
    )
    return files


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def _source(file: str) -> str:
    return (folder("sim") / file).read_text()


def _deliver(out: Path, files: dict[str, str]) -> tuple[Path, ...]:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as name:
            scratch = Path(name)
            for file, text in files.items():
                (scratch / file).write_text(text)
            out.mkdir(exist_ok=True)
            for file in files:
                shutil.move(scratch / file, out / file)
    except OSError as error:
        raise UsageError(
            f"'{out}' cannot be written: {error.strerror or error}.",
            "Choose a folder that exists or can be made, and is yours.",
        ) from error
    return tuple(out / file for file in files)


def _manifest(
    product: ArrayProduct, name: str, naming: str, ports: list[Port], cells: list[str]
) -> dict[str, Any]:
    clock, reset = ports[0], ports[1]
    streams: dict[str, Any] = {}
    for member, told in product.streams.items():
        found = {port.field: port.name for port in ports if port.stream == member}
        streams[told] = {**product.manifest["streams"][told], "ports": found}
    rest = {
        key: value
        for key, value in product.manifest.items()
        if key not in ("format", "version", "streams")
    }
    return {
        "format": product.manifest["format"],
        "version": product.manifest["version"],
        "module": name,
        "naming": naming,
        "files": {
            "hardware": f"{name}.v",
            "models": f"{name}_cells.v" if cells else None,
            "library": next(iter(library(cells)), None),
        },
        "cells": cells,
        "clock": clock.name,
        "reset": {"port": reset.name, "active": 0 if naming == "axis" else 1, "synchronous": True},
        **rest,
        "streams": streams,
        **_bus(product, ports),
        "ports": [
            {"name": p.name, "direction": p.direction, "width": p.width,
             "meaning": _meaning(product, p)} for p in ports
        ],
    }  # fmt: skip


def _bus(product: ArrayProduct, ports: list[Port]) -> dict[str, Any]:
    """Give the register map, and the ports of the bus by their names on the bus."""
    if product.table is None:
        return {}
    prefixes = ("s_axil_", "wb_")
    found = {
        port.name.removeprefix(prefix): port.name
        for port in ports
        for prefix in prefixes
        if not port.stream and port.name.startswith(prefix)
    }
    return {"bus": {"ports": found, **register_values(product.table)}}


def _meaning(product: ArrayProduct, port: Port) -> str:
    if not port.stream:
        return port.meaning
    name = product.streams[port.stream]
    given = product.manifest["streams"][name]
    return {
        "data": f"{name}: {given['elements']} elements of {given['bits']} bits, element 0 lowest",
        "last": f"{name}: last word of a vector",
        "valid": f"{name}: a word is offered, and stays until it is taken",
        "ready": f"{name}: a word that is offered at this clock edge is taken",
    }[port.field]
