"""One XNOR-popcount matrix-vector unit of a chosen size, and what its user has to know of it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.lib import wiring

from bnnhw import __version__
from bnnhw.bits import bits_for
from bnnhw.errors import UsageError
from bnnhw.fold import LayerFold
from bnnhw.graph import Dense
from bnnhw.plan.pack import threshold_words, weight_words

from ..array import PEArray
from ..mvtu import Mvtu
from ..rom import STYLES
from .weights import to_bits

__all__ = ["TARGETS", "ArrayProduct", "make_array"]

TARGETS = ("generic", "ice40", "ecp5")

# No open FPGA holds more; beyond that the netlist alone takes minutes and gigabytes.
_LANES_CAP = 1 << 16
_FOLDS_CAP = 1 << 20


@dataclass(frozen=True, eq=False)
class ArrayProduct:
    """A matrix-vector unit that is ready to be emitted, and what its user has to know of it.

    Parameters
    ----------
    component : Component
        A `PEArray` where weights are streamed in, an `Mvtu` where they are stored.
    streams : dict of str to str
        From the component's stream members to the names that people read: ``activation``,
        ``weight``, ``result``.
    manifest : dict
        JSON values: parameters, streams, schedule, packing, identity, and the stored numbers.
    """

    component: wiring.Component
    streams: dict[str, str]
    manifest: dict[str, Any]

    @property
    def identity(self) -> str:
        """SHA-256 over parameters, weights, thresholds and version, as hex."""
        return str(self.manifest["identity"])


def _integer(name: str, value: object, limit: int, of: str = "") -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limit:
        raise UsageError(
            f"{name} must be a whole number from 1 to {limit}{of}, not {value!r}.",
            f"Choose another {name}.",
        )
    return value


def _choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UsageError(
            f"{name} must be one of {', '.join(choices)}, not {value!r}.", "Choose one of them."
        )


def make_array(
    *,
    pe: int,
    simd: int,
    folds: int | None = None,
    weights: npt.ArrayLike | None = None,
    thresholds: int | Sequence[int] | None = None,
    style: str = "auto",
    target: str = "generic",
) -> ArrayProduct:
    """Make one matrix-vector unit.

    Parameters
    ----------
    pe : int
        Rows computed at once.
    simd : int
        Columns computed at once.
    folds : int or None
        Words of a vector, 1 where None; with stored weights it follows from their columns.
    weights : array of 0/1 or −1/+1, shape (rows, columns), or None
        Stored weights; streamed in where None.
    thresholds : int, sequence of int, or None
        With stored weights: a row's output is the bit ``count >= threshold``, 0 … columns + 1, one
        for all or one for each row; where None the counts themselves leave.
    style : str
        Where stored weights lie: ``"lut"``, ``"block"`` (block RAM) or ``"auto"``.
    target : str
        One of `TARGETS`; it resolves ``"auto"``, which the synthesiser does for ``"generic"``.

    Raises
    ------
    UsageError
        If a parameter is out of range or two do not suit each other.
    """
    _choice("target", target, TARGETS)
    _choice("style", style, STYLES)
    _integer("PE", pe, _LANES_CAP)
    _integer("SIMD", simd, _LANES_CAP)
    _integer("PE times SIMD", pe * simd, _LANES_CAP)
    if weights is None:
        if thresholds is not None:
            raise UsageError(
                "Thresholds were given, but no stored weights.",
                "Give weights too, or compare the counts outside of the array.",
            )
        return _streamed(
            pe, simd, _integer("folds", 1 if folds is None else folds, _FOLDS_CAP), style, target
        )
    matrix = to_bits(weights, "the array")
    rows, columns = matrix.shape
    _integer("PE", pe, rows, f" (the weights' {rows} rows)")
    _integer("SIMD", simd, columns, f" (the weights' {columns} columns)")
    derived = -(-columns // simd)
    if folds not in (None, derived):
        raise UsageError(
            f"folds = {folds!r} does not suit weights of {columns} columns and SIMD {simd}.",
            f"Leave it out; it is {derived}.",
        )
    return _stored(pe, simd, matrix, _levels(thresholds, rows, columns), style, target)


def _levels(thresholds: int | Sequence[int] | None, rows: int, columns: int) -> list[int] | None:
    if thresholds is None:
        return None
    given = [thresholds] * rows if isinstance(thresholds, int) else list(thresholds)
    wrong = [t for t in given if not isinstance(t, (int, np.integer)) or not 0 <= t <= columns + 1]
    if len(given) != rows or wrong:
        raise UsageError(
            f"There are {len(given)} thresholds for {rows} rows; wrong are {wrong[:4]}.",
            f"Give one whole number from 0 to {columns + 1}, or one for each row.",
        )
    return [int(level) for level in given]


def _streamed(pe: int, simd: int, folds: int, style: str, target: str) -> ArrayProduct:
    array = PEArray(pe=pe, simd=simd, folds=folds)
    streams = {
        "activation": {
            "direction": "in", "elements": simd, "bits": 1, "words": folds,
            "meaning": f"A group of {simd} activation bits a word, {folds} words a vector; "
            "`last` with a vector's last word comes back with its result.",
        },
        "weight": {
            "direction": "in", "elements": pe, "bits": simd, "words": folds,
            "meaning": f"The weights that belong to one activation word: {simd} bits for each of "
            f"{pe} rows. A word is taken together with an activation word.",
        },
        "result": {
            "direction": "out", "elements": pe, "bits": array.count_bits, "words": 1,
            "meaning": f"For each row the number of lanes that agree, 0 … {simd * folds}: one word "
            "a vector.",
        },
    }  # fmt: skip
    parameters = {
        "pe": pe, "simd": simd, "folds": folds, "rows": pe, "columns": simd * folds,
        "weights": "streamed", "thresholds": False, "style": style, "target": target,
    }  # fmt: skip
    schedule = {"latency": folds - 1 + array.latency, "cycles": folds}
    names = {"i_activation": "activation", "i_weight": "weight", "o": "result"}
    return _product(array, names, parameters, streams, schedule, {})


def _stored(
    pe: int,
    simd: int,
    matrix: npt.NDArray[np.uint8],
    levels: list[int] | None,
    style: str,
    target: str,
) -> ArrayProduct:
    rows, columns = (int(extent) for extent in matrix.shape)
    resolved = style
    if style == "auto" and target != "generic":
        resolved = LayerFold(pe, simd).weight_style(rows, columns)
    words = None
    if levels is not None:
        words = threshold_words(np.array(levels)[:, None], columns, pe)
    unit = Mvtu(
        rows=rows, columns=columns, pe=pe, simd=simd, thresholds=words, weight_style=resolved,
        weights=weight_words(Dense("w", ("x",), matrix), np.zeros(rows, np.bool_), pe, simd),
    )  # fmt: skip
    bits = 1 if levels is not None else bits_for(columns + 1)
    what = "the bit `count >= threshold`" if levels is not None else f"the count, 0 … {columns}"
    spare = "" if rows % pe == 0 else (
        f" Lanes past row {rows - 1} carry {'0' if levels is not None else 'no meaning'}."
    )  # fmt: skip
    streams = {
        "activation": {
            "direction": "in", "elements": simd, "bits": 1, "words": unit.synapse_folds,
            "meaning": f"A group of {simd} activation bits a word, {unit.synapse_folds} words a "
            "vector; lanes past the last column must be 0; `last` is not read.",
        },
        "result": {
            "direction": "out", "elements": pe, "bits": bits, "words": unit.neuron_folds,
            "meaning": f"For each row {what}: {unit.neuron_folds} words a vector, `last` with the "
            f"last.{spare}",
        },
    }  # fmt: skip
    parameters = {
        "pe": pe, "simd": simd, "folds": unit.synapse_folds, "rows": rows, "columns": columns,
        "weights": "stored", "thresholds": levels is not None, "style": resolved, "target": target,
    }  # fmt: skip
    # Column 0 is the lowest bit of a row.
    packed = np.packbits(matrix, axis=1, bitorder="little")
    numbers = {
        "weights": [hex(int.from_bytes(row.tobytes(), "little")) for row in packed],
        "thresholds": levels,
    }
    schedule = {"latency": unit.latency, "cycles": unit.cycles}
    return _product(
        unit, {"i": "activation", "o": "result"}, parameters, streams, schedule, numbers
    )


def _product(
    component: wiring.Component,
    names: dict[str, str],
    parameters: dict[str, Any],
    streams: dict[str, Any],
    schedule: dict[str, int],
    numbers: dict[str, Any],
) -> ArrayProduct:
    state = {"version": __version__, "parameters": parameters, "numbers": numbers}
    manifest = {
        "format": "bnnhw-array",
        "version": 1,
        "generator": f"bnnhw {__version__}",
        "identity": hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest(),
        "parameters": parameters,
        "schedule": schedule,
        "streams": streams,
        "packing": [
            "Bit 1 is +1, bit 0 is -1. Of K lanes with P that agree, the dot product is 2 P - K.",
            "Element 0 of a word lies in its lowest bits and comes first.",
            "Row r belongs to lane r mod PE of result word r div PE.",
            "A weight word holds the bits of row lane p from bit p * SIMD on.",
        ],
        **numbers,
    }
    return ArrayProduct(component, names, manifest)
