"""Random parameters of a network, each by its name: the same for everybody who asks for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from operator import index
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ..errors import UsageError

__all__ = ["INT8_VARIANCE", "Draws", "Norm", "draw_images"]

INT8_VARIANCE = 5418
"""Variance of the weights that `Draws.int8` gives: those of −127 … 127, all alike."""

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Norm:
    """A batch normalisation: ``gamma * (x - mean) / sqrt(var + eps) + beta``.

    Parameters
    ----------
    gamma, beta, mean, var : array of float64, shape (channels,)
        Numbers that 32-bit floats hold as well.
    eps : float
    """

    gamma: _Floats
    beta: _Floats
    mean: _Floats
    var: _Floats
    eps: float = 1e-5


def _single(array: _Floats) -> _Floats:
    return array.astype(np.float32).astype(np.float64)


class Draws:
    """Parameters of one network.

    Each name has a stream of its own: the raw words of NumPy's PCG64, which no release of NumPy
    may change, seeded with `seed` and the name. Two programs that build the same network thus agree
    on its parameters without agreeing on an order.

    Parameters
    ----------
    seed : int
        At least 0.

    Raises
    ------
    UsageError
        If the seed is none.
    """

    def __init__(self, seed: int) -> None:
        try:
            self._seed = index(seed)
        except TypeError:
            self._seed = -1
        if self._seed < 0:
            raise UsageError(
                f"A seed must be a whole number of at least 0, not {seed!r}.", "Choose another."
            )

    def _words(self, name: str, shape: Sequence[int]) -> npt.NDArray[np.uint64]:
        stream = np.random.PCG64(np.random.SeedSequence([self._seed, crc32(name.encode())]))
        return stream.random_raw(prod(shape)).reshape(shape)

    def unit(self, name: str, shape: Sequence[int]) -> _Floats:
        """Give numbers from 0 up to, not including, 1, in steps of 2**-24."""
        return (self._words(name, shape) >> np.uint64(40)).astype(np.float64) / (1 << 24)

    def int8(self, name: str, shape: Sequence[int]) -> npt.NDArray[np.int8]:
        """Give weights from −127 to 127."""
        high = self._words(name, shape) >> np.uint64(32)
        return ((high % np.uint64(255)).astype(np.int64) - 127).astype(np.int8)

    def latent(self, name: str, shape: Sequence[int]) -> _Floats:
        """Give real weights from −1 to 1 in steps of 2**-10, of which a network uses the sign.

        One in 2,047 is zero, whose sign is +1.
        """
        high = self._words(name, shape) >> np.uint64(32)
        return ((high % np.uint64(2047)).astype(np.float64) - 1023) / 1024

    def norm(self, name: str, variance: Sequence[int], gain: float = 1.0) -> Norm:
        """Give the normalisation of channels that vary by about `variance` around zero.

        One gain in eight is negative and one in 32 is zero. One channel in four has the mean on an
        even number and no `beta`, so that a sum may meet its threshold exactly.

        Parameters
        ----------
        name : str
        variance : sequence of int
            One for each channel.
        gain : float
            Typical size of what leaves.
        """
        u = self.unit(name, (6, len(variance)))
        ties = u[5] < 0.25
        square = np.array(variance, np.float64)
        mean = (u[0] - 0.5) / 2 * np.sqrt(square)
        sign = np.where(u[4] < 0.125, -1.0, np.where(u[4] < 1 - 1 / 32, 1.0, 0.0))
        gamma = sign * gain * (0.5 + u[2])
        beta = np.where(ties, 0, gain * (u[3] - 0.5) / 2)
        mean = np.where(ties, 2 * np.round(mean / 2), mean)
        var = square * (0.5 + u[1])
        return Norm(_single(gamma), _single(beta), _single(mean), _single(var))


def draw_images(seed: int, count: int, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """Give random images: coarse blocks under fine noise; the first is black, the second white.

    Parameters
    ----------
    seed, count : int
    shape : tuple of int
        (channels, height, width).

    Returns
    -------
    array of uint8, shape (count, *shape)
    """
    draws, (channels, high, wide) = Draws(seed), shape
    grain = -(-high // 4), -(-wide // 4)
    coarse = draws.unit("coarse", (count, channels, 4, 4))
    coarse = coarse.repeat(grain[0], axis=2).repeat(grain[1], axis=3)[:, :, :high, :wide]
    fine = draws.unit("fine", (count, *shape))
    images = np.floor((0.75 * coarse + 0.25 * fine) * 256).astype(np.uint8)
    images[:1], images[1:2] = 0, 255
    return images
