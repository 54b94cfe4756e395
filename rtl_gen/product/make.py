"""One matrix-vector unit of a chosen size, and what its user has to know of it."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.lib import wiring

from bnnhw import __version__
from bnnhw.fold import LayerFold
from bnnhw.graph import Dense
from bnnhw.plan.pack import threshold_words, weight_words

from ..array import PEArray
from ..batch import BatchedArray
from ..bus.access import WORD_BITS
from ..bus.register_map import RegisterMap, lay_out
from ..cells import fabric
from ..mvtu import Mvtu
from ..shell import Port
from ..verilog import emit
from .describe import batch_streams, packing, streams_of
from .spec import ArraySpec, make_spec
from .tiled import TILED_FROM, emit_tiled, tile_rows
from .top import BusUnit
from .unit import MatrixUnit

__all__ = ["ArrayProduct", "make_array"]

Emit = Callable[[str, Mapping[str, str], str], tuple[str, list[Port]]]


@dataclass(frozen=True, eq=False)
class ArrayProduct:
    """A matrix-vector unit that is ready to be emitted, and what its user has to know of it.

    Parameters
    ----------
    emit : callable
        Takes name, header and naming as `rtl_gen.verilog.emit`; gives the text and the ports.
    streams : dict of str to str
        From the component's stream members to the names that people read: ``activation``,
        ``weight``, ``result``.
    manifest : dict
        JSON values: parameters, streams, schedule, packing, identity, and the stored numbers.
    table : RegisterMap or None
        Of a unit behind a bus.
    """

    emit: Emit
    streams: dict[str, str]
    manifest: dict[str, Any]
    table: RegisterMap | None = None

    @property
    def identity(self) -> str:
        """SHA-256 over parameters, weights, thresholds and version, as hex."""
        return str(self.manifest["identity"])


def make_array(**given: Any) -> ArrayProduct:
    """Make one matrix-vector unit.

    Parameters
    ----------
    pe : int
        Rows computed at once.
    simd : int
        Columns computed at once.
    folds, rows, columns : int or None
        Words of a vector, and size of the matrix; 1, `pe` and ``simd * folds`` where None. With
        given weights they follow from these.
    weights : array of 0/1 or −1/+1, shape (rows, columns), or None
        Constant weights, or the first contents of those in RAM. Where None, weights in RAM begin
        as −1, others are streamed in.
    thresholds : int, sequence of int, or None
        A row's output is the bit ``count >= threshold``, 0 … columns + 1, one for all or one for
        each row; first contents where they are in RAM. Where None the counts themselves leave;
        thresholds in RAM begin as 0.
    ram : sequence of str
        Which of ``"weights"`` and ``"thresholds"`` are written over the bus.
    bus : str or None
        ``"axi4-lite"`` or ``"wishbone"``; needed if something is in RAM.
    batch : int
        Vectors that share each streamed weight word.
    pipeline : str
        ``"area"``, ``"balanced"`` or ``"speed"``: registers between the adders of a popcount.
    style : str
        Where constant weights lie: ``"lut"``, ``"block"`` (block RAM) or ``"auto"``.
    target : str
        One of `TARGETS`. Of a family the cells of its counts, accumulators and block RAMs are
        instantiated, and ``"auto"`` is resolved; ``"generic"`` leaves both to the synthesiser.

    Raises
    ------
    UsageError
        If a parameter is out of range or two do not suit each other.
    """
    spec = make_spec(**given)
    if spec.bare:
        return _bare(spec)
    if spec.batch > 1:
        return _batched(spec)
    if spec.matrix is not None and not spec.ram:
        return _stored(spec)
    return _composed(spec)


def _bare(spec: ArraySpec) -> ArrayProduct:
    tiled = spec.pe * spec.simd > TILED_FROM
    rows = tile_rows(spec.pe, spec.simd) if tiled else spec.pe
    array = PEArray(pe=rows, simd=spec.simd, folds=spec.folds, every=spec.every)

    def make(name: str, header: Mapping[str, str], naming: str) -> tuple[str, list[Port]]:
        return emit_tiled(
            array,
            spec.pe // rows,
            name=name,
            header=header,
            naming=naming,
            platform=fabric(spec.target),
        )

    schedule = {"latency": spec.folds - 1 + array.latency, "cycles": spec.folds}
    names = {"i_activation": "activation", "i_weight": "weight", "o": "result"}
    emitting = make if tiled else _emitting(spec, array)
    return _product(spec, emitting, names, streams_of(spec), schedule)


def _batched(spec: ArraySpec) -> ArrayProduct:
    unit = BatchedArray(
        rows=spec.rows, columns=spec.columns, pe=spec.pe, simd=spec.simd, vectors=spec.batch,
        every=spec.every,
    )  # fmt: skip
    names = {"i": "activation", "i_weight": "weight", "o": "result"}
    schedule = {"latency": unit.latency, "cycles": unit.cycles}
    return _product(spec, _emitting(spec, unit), names, batch_streams(spec), schedule)


def _stored(spec: ArraySpec) -> ArrayProduct:
    style = spec.style
    if style == "auto" and spec.target != "generic":
        style = LayerFold(spec.pe, spec.simd).weight_style(spec.rows, spec.columns)
    unit = Mvtu(
        rows=spec.rows, columns=spec.columns, pe=spec.pe, simd=spec.simd,
        weights=_weight_words(spec), thresholds=_threshold_words(spec), weight_style=style,
        every=spec.every,
    )  # fmt: skip
    names = {"i": "activation", "o": "result"}
    schedule = {"latency": unit.latency, "cycles": unit.cycles}
    return _product(spec, _emitting(spec, unit), names, streams_of(spec), schedule, style=style)


def _composed(spec: ArraySpec) -> ArrayProduct:
    """Make a unit whose weights or thresholds are not both constant."""
    table = _register_map(spec) if spec.bus else None
    window = table.window if table else None
    unit = MatrixUnit(
        rows=spec.rows, columns=spec.columns, pe=spec.pe, simd=spec.simd, every=spec.every,
        weights=None if spec.matrix is None else _weight_words(spec),
        thresholds=_threshold_words(spec),
        weight_window=window("WEIGHTS") if window and "weights" in spec.ram else None,
        threshold_window=window("THRESHOLDS") if window and "thresholds" in spec.ram else None,
    )  # fmt: skip
    component: wiring.Component = unit
    if table is not None and spec.bus is not None:
        component = BusUnit(unit=unit, table=table, bus=spec.bus)
    names = {"i": "activation", "o": "result"}
    if spec.matrix is None:
        names["i_weight"] = "weight"
    schedule = {"latency": unit.latency, "cycles": unit.cycles}
    return _product(
        spec, _emitting(spec, component), names, streams_of(spec), schedule, table=table
    )


def _emitting(spec: ArraySpec, component: wiring.Component) -> Emit:
    return lambda name, header, naming: emit(
        component, name=name, header=header, naming=naming, platform=fabric(spec.target)
    )


def _weight_words(spec: ArraySpec) -> list[int]:
    assert spec.matrix is not None
    straight = np.zeros(spec.rows, np.bool_)
    return list(weight_words(Dense("w", ("x",), spec.matrix), straight, spec.pe, spec.simd))


def _threshold_words(spec: ArraySpec) -> list[int] | None:
    if spec.levels is None:
        return None
    return list(threshold_words(np.array(spec.levels)[:, None], spec.columns, spec.pe))


def _register_map(spec: ArraySpec) -> RegisterMap:
    version = [int(part) for part in re.findall(r"\d+", __version__)[:3]]
    packed = sum(min(part, 255) << 16 - 8 * place for place, part in enumerate(version))
    constants = [
        ("IDENTITY", int(_identity(spec)[:8], 16), "first 8 hex digits of the identity"),
        ("VERSION", packed, "version of the generator: major, minor, patch, 8 bits each"),
        ("ROWS", spec.rows, "rows of the matrix"),
        ("COLUMNS", spec.columns, "columns of the matrix"),
        ("PE", spec.pe, "rows computed at once"),
        ("SIMD", spec.simd, "columns computed at once"),
    ]
    memories: list[tuple[str, int, list[int], str]] = []
    if "weights" in spec.ram:
        bits = spec.pe * spec.simd
        parts = [min(WORD_BITS, bits - low) for low in range(0, bits, WORD_BITS)]
        what = f"weight words of {bits} bits; bit SIMD * p + s is column lane s of row lane p"
        memories.append(("WEIGHTS", spec.row_groups * spec.folds, parts, what))
    if "thresholds" in spec.ram:
        bits = (spec.columns + 1).bit_length()
        what = "thresholds, one for each row lane: 0 always fires, COLUMNS + 1 never"
        memories.append(("THRESHOLDS", spec.row_groups, [bits] * spec.pe, what))
    return lay_out(constants, memories)


def _numbers(spec: ArraySpec) -> dict[str, Any]:
    if spec.matrix is None:
        weights = []
    else:
        # Column 0 is the lowest bit of a row.
        packed = np.packbits(spec.matrix, axis=1, bitorder="little")
        weights = [hex(int.from_bytes(row.tobytes(), "little")) for row in packed]
    return {"weights": weights, "thresholds": spec.levels}


def _identity(spec: ArraySpec) -> str:
    """Hash parameters, numbers and version; "auto" as it was asked for."""
    state = {
        "version": __version__, "parameters": spec.parameters(), "numbers": _numbers(spec)
    }  # fmt: skip
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _product(
    spec: ArraySpec,
    make: Emit,
    names: dict[str, str],
    streams: dict[str, Any],
    schedule: dict[str, int],
    *,
    table: RegisterMap | None = None,
    style: str | None = None,
) -> ArrayProduct:
    parameters = spec.parameters()
    if style is not None:
        parameters["style"] = style
    manifest = {
        "format": "bnnhw-array",
        "version": 1,
        "generator": f"bnnhw {__version__}",
        "identity": _identity(spec),
        "parameters": parameters,
        "schedule": schedule,
        "streams": streams,
        "packing": packing(spec),
        **(_numbers(spec) if spec.matrix is not None or spec.levels is not None else {}),
    }
    return ArrayProduct(make, names, manifest, table)
