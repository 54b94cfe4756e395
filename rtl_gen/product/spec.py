"""What a user asks of an array, checked, and the numbers that follow from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bnnhw.bits import bits_for
from bnnhw.errors import UsageError
from bnnhw.fold.pipeline import PIPELINES

from ..cells import TARGETS
from ..rom import STYLES
from .top import BUSES
from .weights import to_bits

__all__ = ["TARGETS", "WRITABLE", "ArraySpec", "make_spec"]

WRITABLE = ("weights", "thresholds")

# No open FPGA holds more; beyond that the netlist alone takes minutes and gigabytes.
_LANES_CAP = 1 << 16
# A bare array is written as tiles, whose text does not grow; simulators refuse wider ports.
_TILED_CAP = 1 << 20
_FOLDS_CAP = 1 << 20
_MATRIX_CAP = 1 << 24


@dataclass(frozen=True, eq=False)
class ArraySpec:
    """A unit to be made.

    Parameters
    ----------
    pe, simd, rows, columns : int
        Rows and columns computed at once, and of the matrix.
    matrix : array of 0 and 1, shape (rows, columns), or None
        Constant weights, or the first contents of those that are written; None if streamed in.
    levels : list of int or None
        A threshold for each row likewise; None for counts.
    ram : frozenset of str
        Which of `WRITABLE` are written over the bus.
    bus : str or None
        One of `BUSES`.
    batch : int
        Vectors that share a weight word.
    pipeline, style, target : str
        Of `PIPELINES`, `rtl_gen.rom.STYLES`, `TARGETS`.
    """

    pe: int
    simd: int
    rows: int
    columns: int
    matrix: npt.NDArray[np.uint8] | None
    levels: list[int] | None
    ram: frozenset[str]
    bus: str | None
    batch: int
    pipeline: str
    style: str
    target: str

    @property
    def folds(self) -> int:
        """Words of a vector."""
        return -(-self.columns // self.simd)

    @property
    def row_groups(self) -> int:
        """Words of a result."""
        return -(-self.rows // self.pe)

    @property
    def every(self) -> int:
        """Levels of adders between registers."""
        return PIPELINES[self.pipeline]

    @property
    def bare(self) -> bool:
        """Whether nothing but the array is asked for."""
        return (
            self.matrix is None
            and self.levels is None
            and self.batch == 1
            and self.rows == self.pe
            and self.columns == self.folds * self.simd
        )

    @property
    def result_bits(self) -> int:
        """Width of an element of the result."""
        return bits_for(self.columns + 1) if self.levels is None else 1

    def parameters(self) -> dict[str, int | str | None]:
        """Give what the manifest says of it."""

        def origin(name: str, there: bool, otherwise: str, constant: str) -> str:
            return "written" if name in self.ram else constant if there else otherwise

        return {
            "pe": self.pe,
            "simd": self.simd,
            "folds": self.folds,
            "rows": self.rows,
            "columns": self.columns,
            "weights": origin("weights", self.matrix is not None, "streamed", "stored"),
            "thresholds": origin("thresholds", self.levels is not None, "none", "stored"),
            "bus": self.bus,
            "batch": self.batch,
            "pipeline": self.pipeline,
            "style": self.style,
            "target": self.target,
        }


def _integer(name: str, value: object, limit: int, of: str = "") -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limit:
        raise UsageError(
            f"{name} must be a whole number from 1 to {limit}{of}, not {value!r}.",
            f"Choose another {name}.",
        )
    return value


def _choice(name: str, value: str | None, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UsageError(
            f"{name} must be one of {', '.join(choices)}, not {value!r}.", "Choose one of them."
        )


def make_spec(
    *,
    pe: int,
    simd: int,
    folds: int | None = None,
    rows: int | None = None,
    columns: int | None = None,
    weights: npt.ArrayLike | None = None,
    thresholds: int | Sequence[int] | None = None,
    ram: Sequence[str] = (),
    bus: str | None = None,
    batch: int = 1,
    pipeline: str = "area",
    style: str = "auto",
    target: str = "generic",
) -> ArraySpec:
    """Check what was asked for, see `rtl_gen.product.make_array`."""
    for name, value, choices in (
        ("target", target, TARGETS),
        ("style", style, STYLES),
        ("pipeline", pipeline, tuple(PIPELINES)),
        *(("bus", value, BUSES) for value in [bus] if value is not None),
        *(("RAM", value, WRITABLE) for value in ram),
    ):
        _choice(name, value, choices)
    _check_bus(ram, bus)
    _integer("PE", pe, _TILED_CAP)
    _integer("SIMD", simd, _TILED_CAP)
    _integer("batch", batch, _FOLDS_CAP)
    if weights is not None:
        matrix = to_bits(weights, "the array")
        rows, columns = _shape(matrix, pe, simd, folds, rows, columns)
    else:
        if folds is not None and columns is not None:
            raise UsageError("Both folds and columns were given.", "Leave one of them out.")
        if columns is None:
            columns = simd * _integer("folds", 1 if folds is None else folds, _FOLDS_CAP)
        rows = _integer("rows", pe if rows is None else rows, _MATRIX_CAP)
        _integer("columns", columns, _MATRIX_CAP)
        _integer("PE", pe, rows, f" (the {rows} rows)")
        _integer("SIMD", simd, columns, f" (the {columns} columns)")
        matrix = None
        if "weights" in ram:
            _integer("rows times columns", rows * columns, _MATRIX_CAP)
            matrix = np.zeros((rows, columns), np.uint8)
    levels = _levels(thresholds, rows, columns)
    if levels is None and "thresholds" in ram:
        levels = [0] * rows
    spec = ArraySpec(
        pe, simd, rows, columns, matrix, levels, frozenset(ram), bus, batch, pipeline, style, target
    )
    _integer("PE times SIMD", pe * simd, _TILED_CAP if spec.bare else _LANES_CAP)
    if batch > 1 and (matrix is not None or levels is not None):
        raise UsageError(
            f"A batch of {batch} vectors needs streamed weights and gives counts.",
            "Leave out stored or written weights and thresholds, or the batch.",
        )
    return spec


def _check_bus(ram: Sequence[str], bus: str | None) -> None:
    if bool(ram) != (bus is not None):
        raise UsageError(
            f"The bus is {bus or 'none'}, and in RAM are {', '.join(ram) or 'nothing'}.",
            "Give a bus together with weights or thresholds in RAM.",
        )


def _shape(
    matrix: npt.NDArray[np.uint8],
    pe: int,
    simd: int,
    folds: int | None,
    rows: int | None,
    columns: int | None,
) -> tuple[int, int]:
    """Read rows and columns off the weights; what was given must agree."""
    own_rows, own_columns = (int(extent) for extent in matrix.shape)
    _integer("PE", pe, own_rows, f" (the weights' {own_rows} rows)")
    _integer("SIMD", simd, own_columns, f" (the weights' {own_columns} columns)")
    derived = -(-own_columns // simd)
    for name, given, own in (
        ("folds", folds, derived), ("rows", rows, own_rows), ("columns", columns, own_columns)
    ):  # fmt: skip
        if given not in (None, own):
            raise UsageError(
                f"{name} = {given!r} does not suit weights of {own_rows} rows and {own_columns} "
                f"columns and SIMD {simd}.",
                f"Leave it out; it is {own}.",
            )
    return own_rows, own_columns


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
