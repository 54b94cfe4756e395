"""Binary networks in PyTorch: the sign with its straight-through gradient, an MLP and a CNN."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BinaryCnn", "BinaryMlp", "BinaryNet", "binarise", "make_net", "sign"]

_SMALLEST = 4


class Sign(torch.autograd.Function):
    """Sign with sign(0) = +1; its gradient passes straight through where |x| <= t_clip."""

    @staticmethod
    def forward(ctx, x, t_clip):  # type: ignore[no-untyped-def]
        """Return +1 or -1."""
        ctx.save_for_backward(x)
        ctx.t_clip = t_clip
        return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        """Pass the gradient through inside the clipping threshold."""
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= ctx.t_clip), None


def sign(x: Tensor, t_clip: float) -> Tensor:
    """Binarise, with the straight-through gradient."""
    return Sign.apply(x, t_clip)


def binarise(x: Tensor, levels: Sequence[float]) -> Tensor:
    """Do a network's first step: +1 where a pixel reaches a level, else -1.

    Parameters
    ----------
    x : Tensor, shape (n, channels, height, width)
        Pixels in 0 … 1.
    levels : sequence of float
        Several of them ask for one channel.

    Returns
    -------
    Tensor of ±1, shape (n, levels * channels * height * width), level by level
    """
    marks = torch.tensor(levels, dtype=x.dtype)[:, None, None]
    return torch.where(x - marks >= 0, 1.0, -1.0).to(x.dtype).flatten(1)


class BinaryNet(nn.Module):
    """Binary layers, each with batch normalisation and sign, but for the last.

    With shortcuts the sums of a layer, which are whole numbers, are added to those of the next
    layer if both have as many: the network stays exact in integers.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Of each layer's weights, outputs first; the last has two axes.
    norms : list of nn.Module
        Batch normalisation of each layer but the last.
    t_clip : float
        Clipping threshold of all gradients and of latent weights.
    shortcuts : bool
    """

    pools: frozenset[int] = frozenset()
    """Hidden layers behind which a 2x2 maximum halves the picture."""

    topology = ""
    """The layers in words."""

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        norms: list[nn.Module],
        t_clip: float,
        shortcuts: bool,
    ) -> None:
        super().__init__()
        self.t_clip = t_clip
        outs = [shape[0] for shape in shapes[:-1]]
        self.shortcuts = shortcuts
        self.joined = [shortcuts and k > 0 and outs[k] == outs[k - 1] for k in range(len(outs))]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(shape).uniform_(-1, 1)) for shape in shapes
        )
        self.norms = nn.ModuleList(norms)
        # One positive factor for all classes: integer logits alone decide the class.
        self.log_scale = nn.Parameter(torch.tensor(-0.5 * float(np.log(shapes[-1][1]))))

    def sign(self, x: Tensor) -> Tensor:
        """Binarise with the network's own clipping threshold."""
        return sign(x, self.t_clip)

    def sums(self, x: Tensor, weight: Tensor) -> Tensor:
        """Dot products of one hidden layer."""
        return x @ self.sign(weight).T

    def features(self, x: Tensor) -> Tensor:
        """Compute what the last layer reads, for inputs of +1 and -1, level by level."""
        carried = x
        for k, (weight, norm) in enumerate(zip(self.weights, self.norms, strict=False)):
            sums = self.sums(x, weight)
            carried = sums + carried if self.joined[k] else sums
            # The maximum stands in front of the sign, so that gradients follow the largest number
            # and not one of many equal bits. A sign keeps order, so the file may have it behind
            # the sign, where it is an OR of bits; but what is carried on must be halved too.
            if self.shortcuts:
                carried = self.halved(carried, k)
                x = self.sign(norm(carried))
            else:
                x = self.sign(self.halved(norm(carried), k))
        return x.flatten(1)

    def halved(self, x: Tensor, layer: int) -> Tensor:
        """Take the largest of each 2x2 behind some layers."""
        return functional.max_pool2d(x, 2) if layer in self.pools else x

    def integers(self, bits: Tensor) -> Tensor:
        """Dot products of the last layer."""
        return self.features(bits) @ self.sign(self.weights[-1]).T

    def forward(self, bits: Tensor) -> Tensor:
        """Scaled logits."""
        return self.integers(bits) * self.log_scale.exp()

    def clip(self) -> None:
        """Keep latent weights where their gradient still passes."""
        with torch.no_grad():
            for weight in self.weights:
                weight.clamp_(-self.t_clip, self.t_clip)


class BinaryMlp(BinaryNet):
    """A chain of fully connected layers.

    Parameters
    ----------
    hidden : sequence of int
        Neurons of each hidden layer.
    shape : tuple of int
        (planes, height, width) of the bits that come in.
    classes : int
    t_clip, shortcuts
        As `BinaryNet` has them.
    """

    def __init__(
        self,
        hidden: Sequence[int],
        *,
        shape: tuple[int, int, int],
        classes: int,
        t_clip: float,
        shortcuts: bool = False,
    ) -> None:
        sizes = [prod(shape), *hidden, classes]
        shapes = [(outs, ins) for ins, outs in pairwise(sizes)]
        super().__init__(shapes, [nn.BatchNorm1d(outs) for outs in hidden], t_clip, shortcuts)
        self.topology = "-".join(map(str, sizes))


class BinaryCnn(BinaryNet):
    """3x3 convolutions, 2x2 maxima from the second one on, and a fully connected layer.

    The picture is halved behind each layer but the first as long as it is even and larger than 4.

    Parameters
    ----------
    hidden : sequence of int
        Channels behind each convolution; at least two.
    shape : tuple of int
        (planes, height, width) of the bits that come in.
    classes : int
    t_clip, shortcuts
        As `BinaryNet` has them.
    """

    def __init__(
        self,
        hidden: Sequence[int],
        *,
        shape: tuple[int, int, int],
        classes: int,
        t_clip: float,
        shortcuts: bool = False,
    ) -> None:
        planes, height, width = shape
        self.shape = shape
        layers = [f"{planes}x{height}x{width}"]
        pools = set()
        for layer, outs in enumerate(hidden):
            layers.append(f"conv 3x3 to {outs}")
            if layer and min(height, width) > _SMALLEST and not (height % 2 or width % 2):
                height, width = height // 2, width // 2
                pools.add(layer)
                layers.append("max 2x2")
        shapes: list[tuple[int, ...]] = [(o, i, 3, 3) for i, o in pairwise([planes, *hidden])]
        shapes.append((classes, hidden[-1] * height * width))
        super().__init__(shapes, [nn.BatchNorm2d(outs) for outs in hidden], t_clip, shortcuts)
        self.pools = frozenset(pools)
        self.topology = ", ".join([*layers, f"dense {shapes[-1][1]} to {classes}"])

    def sums(self, x: Tensor, weight: Tensor) -> Tensor:
        """Dot products of one hidden layer."""
        # Around the image stands -1, which is what background is.
        return functional.conv2d(functional.pad(x, (1, 1, 1, 1), value=-1.0), self.sign(weight))

    def features(self, x: Tensor) -> Tensor:
        """Compute what the last layer reads, for inputs of +1 and -1, level by level."""
        return super().features(x.unflatten(1, self.shape))


def make_net(
    model: str,
    hidden: Sequence[int],
    *,
    shape: tuple[int, int, int],
    classes: int,
    t_clip: float,
    shortcuts: bool = False,
) -> BinaryNet:
    """Make a network with random weights, from PyTorch's global generator."""
    kind = {"mlp": BinaryMlp, "cnn": BinaryCnn}[model]
    return kind(hidden, shape=shape, classes=classes, t_clip=t_clip, shortcuts=shortcuts)
