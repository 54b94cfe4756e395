"""Tensors whose elements stand in another order than those of their edge."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..graph import Shuffle

if TYPE_CHECKING:
    from .chain import Chain
    from .qonnx_values import Affine

__all__ = ["Arranged", "arranged"]


@dataclass(frozen=True, eq=False)
class Arranged:
    """The elements of an edge in another order, or in axes that part its channels.

    Parameters
    ----------
    inner : Affine
    index : array of int
        For each element of this tensor, batch axis included, its place in the edge.
    """

    inner: "Affine"
    index: npt.NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of this tensor with the batch axis."""
        return tuple(self.index.shape)

    def columns(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Give rows of weights for this tensor in the order of the edge."""
        result = np.empty_like(rows)
        result[:, self.index.reshape(-1)] = rows
        return result


def arranged(chain: "Chain", inner: "Affine", index: npt.NDArray[np.int64]) -> "Affine | Arranged":
    """Give a tensor in another order; where only channels are dealt out, as a `Shuffle`."""
    channels, *size = chain.edges[inner.edge].shape
    whole = (1, channels, *size)
    if index.shape == whole:
        planes = index.reshape(channels, -1)
        order = planes[:, 0] // planes.shape[1]
        plain = np.arange(index.size).reshape(planes.shape)
        if np.array_equal(planes, plain[order]):
            for groups in (n for n in range(2, channels) if channels % n == 0):
                if np.array_equal(order, np.arange(channels).reshape(groups, -1).T.reshape(-1)):
                    return _shuffled(chain, replace(inner, shape=whole), groups, order.tolist())
    return Arranged(inner, index)


def _shuffled(chain: "Chain", x: "Affine", groups: int, order: list[int]) -> "Affine":
    edge = chain.add(Shuffle(chain.named("shuffle"), (x.edge,), groups))
    scale, offset = (tuple(each[k] for k in order) for each in (x.scale, x.offset))
    return replace(x, edge=edge, scale=scale, offset=offset)
