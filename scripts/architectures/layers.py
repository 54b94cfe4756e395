"""Layers of the recorded networks, computed by PyTorch in 64 bits.

Nothing here comes from the graph or from the golden model: parameters are drawn by name
(`bnnhw.zoo.draws`), and every layer is PyTorch's own operation. Convolutions and sums are of whole
numbers below 2**53, hence exact in float64. Normalisations in front of a sign are computed as they
stand, and a value too close to a step to trust float64 stops the program; a value exactly on it is
one of the cases that are wanted. Fixed point is int64.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, localcontext

import numpy as np
import torch
import torch.nn.functional as F

from bnnhw.zoo.draws import INT8_VARIANCE, Draws, Norm

__all__ = ["Flow", "Layers"]

_TRUST = 1e-9
_PIXELS = 5461


@dataclass(frozen=True)
class Flow:
    """What flows between layers.

    Parameters
    ----------
    x : tensor of float64
        Whole numbers.
    spread : list of int
        How much each channel is thought to vary; random normalisations are drawn for it.
    """

    x: torch.Tensor
    spread: list[int]


def _column(values: np.ndarray, x: torch.Tensor) -> torch.Tensor:
    """Lay values along the channels of `x`, an image or a vector."""
    return torch.from_numpy(np.asarray(values, np.float64)).view(1, -1, *(1,) * (x.ndim - 2))


def _round(x: torch.Tensor) -> torch.Tensor:
    """Round to the nearest, halves up, where float64 is to be trusted."""
    risky = ((x + 0.5) - (x + 0.5).round()).abs() < _TRUST
    if bool((risky & (x != 0)).any()):
        raise SystemExit("A parameter is too close to the middle of two integers: other seed.")
    return torch.floor(x + 0.5)


def _offsets(norm: Norm, scale: int) -> torch.Tensor:
    """Round (beta − gamma · mean / √(var + eps)) · scale to the nearest, halves up.

    With 60 digits, as one of the recorded networks has an offset that lies exactly on a half.
    """
    found = []
    parts = (norm.gamma, norm.beta, norm.mean, norm.var)
    with localcontext(prec=60):
        for four in zip(*(part.tolist() for part in parts), strict=True):
            gamma, beta, mean, var = map(Decimal, four)
            term = (beta - gamma * mean / (var + Decimal(norm.eps)).sqrt()) * scale
            found.append(int((term + Decimal("0.5")).to_integral_value(ROUND_FLOOR)))
    return torch.tensor(found)


class Layers:
    """Computes layer after layer and keeps every result by its name.

    Attributes
    ----------
    taps : dict of str to array of int64
    ties : int
        Normalised values that lay exactly on a step.
    """

    def __init__(self, seed: int) -> None:
        self.draws = Draws(seed)
        self.taps: dict[str, np.ndarray] = {}
        self.ties = 0

    def tap(self, name: str, x: torch.Tensor, spread: Sequence[int]) -> Flow:
        """Keep a result."""
        if not torch.equal(x, x.round()):
            raise SystemExit(f"'{name}' does not hold whole numbers.")
        self.taps[name] = x.numpy().astype(np.int64)
        return Flow(x, [max(1, value) for value in spread])

    def image(self, pixels: np.ndarray) -> Flow:
        """Centre the pixels."""
        x = torch.from_numpy(pixels.astype(np.float64)) - 128
        return self.tap("image", x, [_PIXELS] * x.shape[1])

    def bits(self, pixels: np.ndarray) -> Flow:
        """Read pixels as −1 and, from 128 on, +1."""
        x = torch.where(torch.from_numpy(pixels) >= 128, 1.0, -1.0).double()
        return self.tap("image", x, [1] * x.shape[1])

    def conv8(self, name: str, flow: Flow, rows: int, *, kernel: int = 1, groups: int = 1) -> Flow:
        """Convolve with 8-bit weights; zeros around."""
        columns = flow.x.shape[1] // groups
        drawn = self.draws.int8(name, (rows, columns, kernel, kernel))
        weight = torch.from_numpy(drawn.astype(np.float64))
        x = F.conv2d(flow.x, weight, padding=kernel // 2, groups=groups)
        weights = kernel * kernel * columns * INT8_VARIANCE
        return self.tap(name, x, [weights * sum(flow.spread) // len(flow.spread)] * rows)

    def binary_conv(
        self, name: str, flow: Flow, rows: int, *, pad: float, stride: int = 1, dilation: int = 1,
        groups: int = 1,
    ) -> Flow:  # fmt: skip
        """Convolve with the signs of real weights, the constant `pad` around."""
        latent = self.draws.latent(name, (rows, flow.x.shape[1] // groups, 3, 3))
        return self.convolved(name, flow, latent, pad, stride, dilation, groups)

    def convolved(
        self, name: str, flow: Flow, latent: np.ndarray, pad: float, stride: int = 1,
        dilation: int = 1, groups: int = 1,
    ) -> Flow:  # fmt: skip
        """Convolve with the signs of `latent`, of which that of 0 is +1."""
        weight = torch.where(torch.from_numpy(latent) >= 0, 1.0, -1.0).double()
        around = F.pad(flow.x, [dilation] * 4, value=pad)
        x = F.conv2d(around, weight, stride=stride, dilation=dilation, groups=groups)
        taps = 9 * latent.shape[1] * max(flow.spread)
        return self.tap(name, x, [taps] * latent.shape[0])

    def batch_norm(self, x: torch.Tensor, norm: Norm) -> torch.Tensor:
        """Normalise as PyTorch does, and so that a result of 0 is exact."""
        centred = x - _column(norm.mean, x)
        y = _column(norm.gamma, x) * centred / _column(np.sqrt(norm.var + norm.eps), x)
        y = y + _column(norm.beta, x)
        parts = (norm.mean, norm.var, norm.gamma, norm.beta)
        mean, var, gamma, beta = (torch.from_numpy(part) for part in parts)
        theirs = F.batch_norm(x, mean, var, gamma, beta, False, 0.0, norm.eps)
        if not torch.allclose(y, theirs, rtol=1e-9, atol=1e-9):
            raise SystemExit("PyTorch's normalisation is another one.")
        return y

    def activation(
        self,
        name: str,
        flow: Flow,
        steps: Sequence[float],
        function: Callable[[torch.Tensor], torch.Tensor],
        square: int = 1,
    ) -> Flow:
        """Normalise and apply a function that steps at `steps`."""
        y = self.batch_norm(flow.x, self.draws.norm(name, flow.spread))
        for step in steps:
            gap = (y - step).abs()
            self.ties += int((gap == 0).sum())
            if bool(((gap < _TRUST) & (gap != 0)).any()):
                raise SystemExit(f"A value of '{name}' is too close to {step}: other seed.")
        return self.tap(name, function(y), [square] * y.shape[1])

    def norm_sign(self, name: str, flow: Flow) -> Flow:
        """Normalise and take the sign."""
        return self.activation(name, flow, [0.0], _sign)

    def sign(self, name: str, flow: Flow, shift: float = 0.0) -> Flow:
        """Take the sign of ``x - shift``."""
        return self.tap(name, _sign(flow.x - shift), [1] * len(flow.spread))

    def fixed_norm(
        self,
        name: str,
        flow: Flow,
        low: int,
        high: int,
        *,
        bits: int = 0,
        gain: float = 1.0,
        alpha: np.ndarray | None = None,
    ) -> Flow:
        """Normalise in fixed point: 8-bit multipliers, results in steps of ``2**-bits``, clipped.

        Parameters
        ----------
        alpha : array of float64 or None
            Factor of each channel in front of the normalisation.
        """
        norm = self.draws.norm(name, flow.spread, gain)
        slope = torch.from_numpy(norm.gamma / np.sqrt(norm.var + norm.eps)) * 2**bits
        factor = slope if alpha is None else slope * torch.from_numpy(alpha)
        shift = 24
        while shift and int(_round(factor.abs().max() * 2**shift)) > 127:
            shift -= 1
        m = _round(factor * 2**shift).to(torch.int64).view(1, -1, 1, 1)
        b = _offsets(norm, 2 ** (bits + shift)).view(1, -1, 1, 1)
        # Halves up: twice the sum and one unit over twice the divisor.
        doubled = 2 * (flow.x.to(torch.int64) * m + b) + 2**shift
        y = torch.div(doubled, 2 ** (shift + 1), rounding_mode="floor").clamp(low, high)
        return self.tap(name, y.double(), [round(gain * gain) << (2 * bits)] * y.shape[1])

    def rounded(
        self, name: str, x: torch.Tensor, spread: Sequence[int], low: int, high: int
    ) -> Flow:
        """Round to the nearest, halves up, and saturate; `x` are multiples of a power of two."""
        return self.tap(name, torch.floor(x + 0.5).clamp(low, high), spread)

    def to_int8(self, name: str, flow: Flow, target: int = 1024) -> Flow:
        """Divide by a power of two so that what is left varies by at most twice `target`."""
        bits = 0
        while max(flow.spread) / 4**bits > 2 * target:
            bits += 1
        spread = [value >> (2 * bits) for value in flow.spread]
        return self.rounded(name, flow.x / 2**bits, spread, -128, 127)

    def fitted(self, name: str, flow: Flow, low: int, high: int) -> Flow:
        """Divide by a power of two so that three deviations are within `high`."""
        bits = 0
        while 9 * max(flow.spread) > high * high * 4**bits:
            bits += 1
        spread = [value >> (2 * bits) for value in flow.spread]
        return self.rounded(name, flow.x / 2**bits, spread, low, high)

    def dense8(self, flow: Flow, classes: int, *, average: bool) -> np.ndarray:
        """Average over the image, then an 8-bit dense layer; gives the logits."""
        size = flow.x.shape[-1]
        pooled = self.tap("gap", F.avg_pool2d(flow.x, size, divisor_override=1), flow.spread)
        if average:
            mean = pooled.x / 2 ** int(np.floor(np.log2(size * size)))
            pooled = self.rounded("average", mean, flow.spread, 0, 255)
        x = torch.flatten(pooled.x, 1)
        weight = self.draws.int8("fc", (classes, x.shape[1])).astype(np.float64)
        return self.logits(F.linear(x, torch.from_numpy(weight)))

    def binary_dense(self, name: str, x: torch.Tensor, rows: int) -> torch.Tensor:
        """Multiply vectors by the signs of real weights, of which that of 0 is +1."""
        latent = torch.from_numpy(self.draws.latent(name, (rows, x.shape[1])))
        return F.linear(x, torch.where(latent >= 0, 1.0, -1.0).double())

    def logits(self, x: torch.Tensor, unit: int = 64, name: str = "fc") -> np.ndarray:
        """Keep the logits and the class: the largest logit with its bias."""
        self.tap(name, x, [1])
        bias = torch.from_numpy(self.draws.int8("argmax", (x.shape[1],)).astype(np.float64)) * unit
        self.taps["argmax"] = torch.argmax(x + bias, dim=1).numpy().astype(np.int64)
        return self.taps[name]


def _sign(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x >= 0, 1.0, -1.0).double()
