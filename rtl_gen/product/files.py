"""The files of an array: Verilog, manifest, a page to read, and a bench that its user can run."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from bnnhw.errors import UsageError
from bnnhw.names import checked

from ..content import folder
from ..shell import NAMINGS, Port
from ..verilog import emit
from .make import ArrayProduct

__all__ = ["write_array"]


def write_array(
    product: ArrayProduct, out: Path, *, name: str, naming: str = "plain"
) -> tuple[Path, ...]:
    """Write ``NAME.v``, ``NAME.json``, ``NAME.md`` and ``test_NAME.py``.

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
    text, ports = emit(product.component, name=name, header=header, naming=naming)
    manifest = _manifest(product, name, naming, ports)
    files = {
        f"{name}.v": text,
        f"{name}.json": json.dumps(manifest, indent=1, ensure_ascii=False) + "\n",
        f"{name}.md": _page(name, manifest),
        f"test_{name}.py": (folder("sim") / "array_bench.py").read_text(),
    }
    return _deliver(out, files)


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


def _manifest(product: ArrayProduct, name: str, naming: str, ports: list[Port]) -> dict[str, Any]:
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
        "clock": clock.name,
        "reset": {"port": reset.name, "active": 0 if naming == "axis" else 1, "synchronous": True},
        **rest,
        "streams": streams,
        "ports": [
            {"name": p.name, "direction": p.direction, "width": p.width,
             "meaning": _meaning(product, p)} for p in ports
        ],
    }  # fmt: skip


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


def _page(name: str, manifest: dict[str, Any]) -> str:
    """Write the page from a template whose paragraphs are lines here."""
    given, schedule = manifest["parameters"], manifest["schedule"]
    ports = "\n".join(
        f"| `{p['name']}` | {p['direction']} | {p['width']} | {p['meaning']} |"
        for p in manifest["ports"]
    )
    streams = "\n".join(f"- **{k}**: {item['meaning']}" for k, item in manifest["streams"].items())
    parameters = "\n".join(f"| {key} | {value} |" for key, value in given.items())
    packing = "\n".join(f"- {rule}" for rule in manifest["packing"])
    return f"""# {name}

An XNOR-popcount matrix-vector unit: {given["pe"]} rows and {given["simd"]} columns at once, weights
{given["weights"]}. Generated by {manifest["generator"]};
identity `{manifest["identity"]}`.

| parameter | value |
|---|---|
{parameters}

## Ports

| port | direction | bits | meaning |
|---|---|---|---|
{ports}

## Streams

{streams}

A word moves at a rising clock edge with `valid` and `ready` high. `valid` never waits for `ready`.
A stalled result stops the array; nothing is lost.

## Schedule

A vector takes {schedule["cycles"]} clocks, and the next one follows without a bubble. Its first
result word leaves {schedule["latency"]} clocks after its first activation word was taken, if no
side waits.

## Packing

{packing}

## Bench

    pip install "cocotb>=2"
    python test_{name}.py

It needs Icarus Verilog, or Verilator 5.036 or later, on the PATH, and reads `{name}.v` and
`{name}.json` beside it. `--help` lists its options.
"""
