"""Addresses of boards, real, simulated and computed, and the way to each."""

import json
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DeviceError, UsageError
from ..files import read_capped
from ..graph import Graph
from ..link.payload import Packing
from ..link.spi import connect_spi
from ..link.transport import Transport, connect
from ..names import printable
from .device import Device
from .find import candidates
from .spawned import Spawned

__all__ = ["PATIENCE", "PATIENCE_SIMULATED", "open"]

PATIENCE, PATIENCE_SIMULATED = 2.0, 30.0
"""Seconds of silence after which a request is sent again; a simulation loses nothing."""
_MANIFEST_CAP = 16 << 20


def open(
    url: str,
    *,
    manifest: Mapping[str, Any] | Path | str | None = None,
    model: Graph | Path | str | None = None,
    timeout: float | None = None,
) -> Device:
    """Reach the board at `url` and make sure that it runs the right design.

    Parameters
    ----------
    url : str
        - ``serial:///dev/ttyUSB1``, ``serial:///dev/ttyUSB1?baud=115200``, ``serial://COM3``;
          ``serial:///dev/ttyACM0`` where the board was built with ``--link usb``;
        - ``spi:///dev/spidev0.0``, ``spi:///dev/spidev0.0?hz=4000000``: Linux, the board built with
          ``--link spi``;
        - ``socket://host:port``: a simulated board, or a serial server;
        - ``sim:``: a simulated board of its own, of ``sim:MODEL`` or `model` or the bundled digits
          network; ``?board=NAME`` (icebreaker), ``?simulator=pysim`` (verilator);
        - ``model:``: the golden model in this process, of ``model:MODEL``, `model` or the same;
        - ``auto``: the first serial port that a known adapter has and whose board answers, and runs
          the manifest's design where one is given.
    manifest : dict or path, optional
        The design's manifest. Without it a real board can be asked who it is, but takes no images;
        ``sim:`` and ``model:`` make their own.
    model : Graph or path, optional
        For ``sim:`` and ``model:``; a ``sim:`` takes a path.
    timeout : float, optional
        Seconds of silence after which a request is sent again: 2, or 30 for ``sim:``. Give more for
        a slow simulation behind a socket.

    Raises
    ------
    UsageError
        If the URL or the manifest is malformed.
    ToolMissing
        If a model, a simulator or SPI needs a package that is not installed.
    ConnectionLost, BoardSilent, WrongDesign, DeviceError
        If there is no such line, nothing answers, or something else than the manifest's design.
    """
    scheme = str(url).partition(":")[0]
    described = _manifest(manifest)
    if model is not None and scheme not in ("sim", "model"):
        raise UsageError(
            f"model belongs to sim: and model:, not to '{printable(str(url))}'.",
            "Give the design's manifest instead.",
        )
    patience = PATIENCE if timeout is None else timeout
    if url == "auto":
        return _first(described, patience)
    if scheme == "model":
        return _golden(url, described, model)
    if scheme == "sim":
        return _simulated(url, described, model, timeout)
    packing = None if described is None else Packing.from_manifest(described)
    if scheme == "spi":
        line = connect_spi(url, timeout=patience, max_hz=_spi_limit(described))
    else:
        line = connect(url, timeout=patience)
    return _device(line, url, described, packing, patience)


def _spi_limit(described: Mapping[str, Any] | None) -> Any:
    told = (described or {}).get("link")
    return told.get("max_hz") if isinstance(told, Mapping) else None


def _device(
    transport: Transport,
    name: str,
    manifest: Mapping[str, Any] | None,
    packing: Packing | None,
    timeout: float,
) -> Device:
    try:
        return Device(transport, name=name, packing=packing, timeout=timeout, manifest=manifest)
    except BaseException:
        transport.close()
        raise


def _manifest(given: Mapping[str, Any] | Path | str | None) -> Mapping[str, Any] | None:
    if given is None or isinstance(given, Mapping):
        return given
    path = Path(given)
    try:
        read = json.loads(read_capped(path, _MANIFEST_CAP))
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"'{printable(str(path))}' is no JSON: {printable(str(error))}.",
            "Give the NAME.json that 'bnnhw build' wrote.",
        ) from error
    if not isinstance(read, dict):
        raise UsageError(
            f"'{printable(str(path))}' is no manifest.", "Give the NAME.json that a build wrote."
        )
    return read


def _first(manifest: Mapping[str, Any] | None, timeout: float) -> Device:
    packing = None if manifest is None else Packing.from_manifest(manifest)
    refused: list[str] = []
    for url in candidates():
        try:
            return _device(connect(url, timeout=timeout), url, manifest, packing, timeout)
        except DeviceError as error:
            refused.append(error.what)
    if not refused:
        raise DeviceError(
            "No serial port of a board was found.",
            "Plug the board in; 'python -m serial.tools.list_ports' lists what there is. Or try "
            "sim:, a simulated board.",
        )
    raise DeviceError(
        "No board was found behind any serial port:\n" + "\n".join(refused),
        "Flash a design first, or name the port: serial:///dev/ttyUSB1.",
    )


def _split(url: str, known: set[str]) -> tuple[str, dict[str, str]]:
    """Give what stands behind the colon, and the options."""
    rest, _, query = url.partition(":")[2].partition("?")
    try:
        pairs = urllib.parse.parse_qsl(query, strict_parsing=bool(query))
    except ValueError:
        pairs = [("", "")]
    options = dict(pairs)
    if len(options) != len(pairs) or set(options) - known:
        allowed = " and ".join(f"{name}=" for name in sorted(known)) or "nothing"
        raise UsageError(
            f"'{printable(url)}' is no address of a board.", f"Behind the ? may stand {allowed}."
        )
    return urllib.parse.unquote(rest), options


def _source(url: str, named: str, model: Graph | Path | str | None) -> Graph | Path:
    """Choose the network: of the URL, of the argument, or the bundled one."""
    from .. import data

    if named and model is not None:
        raise UsageError(f"'{printable(url)}' and model= both name a network.", "Give one of them.")
    if isinstance(model, Graph):
        return model
    if named or model is not None:
        return Path(named or str(model))
    return data.path("digits_mlp.onnx")


def _golden(
    url: str, manifest: Mapping[str, Any] | None, model: Graph | Path | str | None
) -> Device:
    from ..fold import serial
    from ..load import load_model
    from ..plan import make_plan
    from ..plan import manifest as describe
    from .model import GoldenBoard, ModelDevice

    named, _ = _split(url, set())
    source = _source(url, named, model)
    graph = source if isinstance(source, Graph) else load_model(source)
    if manifest is None:
        manifest = describe(make_plan(graph, serial(graph)))
    elif manifest.get("graph") != graph.digest:
        raise UsageError(
            f"The manifest is of another network than '{graph.name}'.",
            "Give the network that the design was made of.",
        )
    return ModelDevice(GoldenBoard(graph, manifest), name=url, manifest=manifest)


def _simulated(
    url: str,
    manifest: Mapping[str, Any] | None,
    model: Graph | Path | str | None,
    timeout: float | None,
) -> Device:
    named, options = _split(url, {"board", "simulator"})
    source = _source(url, named, model)
    if isinstance(source, Graph):
        raise UsageError("sim: takes a model as a file.", "Save it with bnnhw.graph.save_graph.")
    patience = PATIENCE_SIMULATED if timeout is None else timeout
    board = Spawned(url, source, options, timeout=patience)
    described = board.manifest if manifest is None else manifest
    try:
        packing = Packing.from_manifest(described)
    except BaseException:
        board.close()
        raise
    return _device(board, url, described, packing, patience)
