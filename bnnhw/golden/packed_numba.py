"""XNOR and popcount on 64-bit words, compiled by numba: the same numbers, some ten times sooner.

Importing this module needs numba (extra ``fast``) and takes about a second; so does compiling, on
the first call of each function in a process. Nothing is kept on disk.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["PLANES", "count_matches", "pack_channels"]

# Up to so many bits, planes are quicker than BLAS.
PLANES = 4

# Vectors side by side in one vector of the processor, and rows for which one load of them serves.
# LLVM makes what the processor has of these: one register of AVX-512, two of AVX2, four of NEON.
_LANES = 8
_ROWS = 8


_emit: Any = cgutils  # without types


def _tile(rows: int) -> Any:
    """Make a function that counts the matches of `rows` rows and `_LANES` vectors.

    Written as LLVM's vectors, because its vectoriser looks at innermost loops only, and the sums of
    all rows have to stay in registers over the innermost loop, that over the words.
    """

    @intrinsic
    def matches(
        context: Any, x: Any, weight: Any, columns: Any, counts: Any, row: Any, column: Any
    ) -> Any:
        """``counts[row + r, column + v] = columns - popcount(x[:, v] ^ weight[row + r])``."""

        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            x, weight, counts = (
                context.make_array(signature.args[n])(context, builder, arguments[n])
                for n in (0, 1, 3)
            )
            columns, row, column = arguments[2], arguments[4], arguments[5]
            words = _emit.unpack_tuple(builder, x.shape)[0]
            vectors = _emit.unpack_tuple(builder, counts.shape)[1]
            rows_here = [builder.add(row, row.type(r)) for r in range(rows)]
            wide = ir.VectorType(ir.IntType(64), _LANES)
            sums = [_emit.alloca_once_value(builder, wide(None)) for _ in range(rows)]
            name = f"llvm.ctpop.v{_LANES}i64"
            ones = _emit.get_or_insert_function(builder.module, ir.FunctionType(wide, [wide]), name)
            with _emit.for_range(builder, words) as loop:
                at = builder.mul(loop.index, row.type(_LANES))
                here = _load(builder, x.data, at, wide)
                for number, total in zip(rows_here, sums, strict=True):
                    at = builder.add(builder.mul(number, words), loop.index)
                    bits = _splat(builder, builder.load(builder.gep(weight.data, [at])))
                    wrong = builder.call(ones, [builder.xor(here, bits)])
                    builder.store(builder.add(builder.load(total), wrong), total)
            narrow = ir.VectorType(ir.IntType(32), _LANES)
            whole = _splat(builder, builder.trunc(columns, narrow.element))
            for number, total in zip(rows_here, sums, strict=True):
                at = builder.add(builder.mul(number, vectors), column)
                wrong = builder.trunc(builder.load(total), narrow)
                left = builder.sub(whole, wrong)
                place = builder.bitcast(builder.gep(counts.data, [at]), narrow.as_pointer())
                builder.store(left, place, align=4)
            return context.get_dummy_value()

        return types.void(x, weight, columns, counts, row, column), build

    return matches


def _load(builder: Any, data: Any, at: Any, kind: Any) -> Any:
    """Read a vector that is aligned like its elements."""
    place = builder.bitcast(builder.gep(data, [at]), kind.as_pointer())
    return builder.load(place, align=kind.element.width // 8)


def _splat(builder: Any, value: Any) -> Any:
    """Give a vector of `_LANES` times the same."""
    kind, index = ir.VectorType(value.type, _LANES), ir.IntType(32)
    one = builder.insert_element(kind(ir.Undefined), value, index(0))
    return builder.shuffle_vector(
        one, kind(ir.Undefined), ir.VectorType(index, _LANES)([0] * _LANES)
    )


_many, _one = _tile(_ROWS), _tile(1)


@njit(error_model="numpy")
def _count(x: Any, weight: Any, columns: Any) -> Any:
    words, vectors = x.shape
    rows = weight.shape[0]
    counts = np.empty((rows, vectors), np.int32)
    # Words of one tile side by side: columns of a large array share places in the cache.
    tile = np.zeros((words, _LANES), np.uint64)
    ends = np.empty((rows, _LANES), np.int32)
    for column in range(0, vectors, _LANES):
        size = min(_LANES, vectors - column)
        if size == _LANES:
            for word in range(words):
                for lane in range(_LANES):  # a constant number: one move
                    tile[word, lane] = x[word, column + lane]
        else:
            for word in range(words):
                for lane in range(size):
                    tile[word, lane] = x[word, column + lane]
        # The last tile may stand out over the edge; it is counted elsewhere and copied.
        target, start = (counts, column) if size == _LANES else (ends, 0)
        row = 0
        while row + _ROWS <= rows:
            _many(tile, weight, columns, target, row, start)
            row += _ROWS
        while row < rows:
            _one(tile, weight, columns, target, row, start)
            row += 1
        if size < _LANES:
            for row in range(rows):
                for lane in range(size):
                    counts[row, column + lane] = ends[row, lane]
    return counts


@njit(error_model="numpy")
def _pack(codes: Any) -> Any:
    images, channels, positions = codes.shape
    packed = np.zeros(((channels + 63) // 64, images, positions), np.uint64)
    for channel in range(channels):
        bit = np.uint64(channel % 64)
        for image in range(images):
            seen, words = codes[image, channel], packed[channel // 64, image]
            for position in range(positions):
                words[position] |= np.uint64(seen[position]) << bit
    return packed


def pack_channels(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Pack the channels of an image into words, as `packed_numpy.pack_channels` does."""
    packed: npt.NDArray[np.uint64] = _pack(np.ascontiguousarray(codes))
    return packed


def count_matches(
    x: npt.NDArray[np.uint64], weight: npt.NDArray[np.uint64], columns: int
) -> npt.NDArray[np.int32]:
    """Count equal bits of each row and vector, as `packed_numpy.count_matches` does."""
    x, weight = np.ascontiguousarray(x), np.ascontiguousarray(weight)
    counts: npt.NDArray[np.int32]
    if x.shape[1] < min(_LANES, len(weight)):
        # Too few vectors to fill the lanes: let rows lie in them.
        counts = _count(np.ascontiguousarray(weight.T), np.ascontiguousarray(x.T), columns).T
    else:
        counts = _count(x, weight, columns)
    return counts
