"""Small networks: several bases, ternary and 4-bit activations, and dense layers alone."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from ..errors import UsageError
from ..graph import Affine, Flatten, Graph, Grid
from .build import UNSIGNED, Net
from .checks import whole
from .exact import Cut

__all__ = ["dorefa", "mlp", "multi_base", "ternary"]

_BASE_BITS = 6
_NORM_BITS = 6
_DELTA = Fraction(1, 2)


def multi_base(
    *,
    width: int = 8,
    bases: tuple[int, int] = (2, 2),
    size: int = 16,
    classes: int = 10,
    seed: int = 5,
) -> Graph:
    """Build a network whose first convolution is a sum over bases of weights and activations.

    As in ABC-Net, weights are a sum of ±1 tensors, each times a number, and so are activations:
    signs of the input shifted by different amounts. The products of these numbers have one number
    of fraction bits, so that branches are added without rounding. A depthwise convolution with
    stride 2, padded with +1, follows.

    Parameters
    ----------
    width : int
    bases : tuple of int
        Number of weight bases, 1 to 8, and of activation bases, 2 to 8.
    size : int
        Height and width of the image, a multiple of 8.
    classes : int
    seed : int

    Raises
    ------
    UsageError
        If there is no such network.
    """
    width, net = whole(width, "The width"), _start("multi_base", seed, size)
    weights, activations = _bases(bases)
    x = net.entry("stem_entry", net.conv8("stem", "image", width, kernel=3))
    beta = net.draws.unit("beta", (activations,))
    branches = []
    for n in range(activations):
        # Signs of x - 32 * v for v from -1 to 1.
        level = 64 * Fraction(net.draws.unit(f"shift{n}", (1,)).item()) - 32
        sign = net.sign(f"sign{n}", x, [-(-level.numerator // level.denominator)] * width)
        for m in range(weights):
            # A base of weights is the same for every base of activations.
            latent = net.draws.latent(f"base{m}", (width, width, 3, 3))
            y = net.signs_of(latent, f"conv{m}{n}", sign, (1, 1), (1,) * 4, -1)
            alpha = net.draws.unit(f"alpha{m}", (width,))
            scale = [
                Fraction(a) * Fraction(beta[n].item()) * (1 << _BASE_BITS) for a in alpha.tolist()
            ]
            factors = np.array([int(value + Fraction(1, 2)) for value in scale], np.int64)
            node = Affine(f"scale{m}{n}", (y,), factors, 0 * factors)
            branches.append(net.add(node, [9 * width << (2 * _BASE_BITS)] * width))
    x = net.quantise("sum_sign", net.total("sum", *branches))
    x = net.binary("depthwise", x, width, stride=2, pad_value=1, groups=width)
    x = net.norm("relu", x, exponent=_NORM_BITS, clip=UNSIGNED)
    return _end(net, x, classes)


def ternary(*, width: int = 8, size: int = 16, classes: int = 10, seed: int = 6) -> Graph:
    """Build a network of ternary activations as TBN has them: −1, 0 and +1 with ±1 weights.

    What exceeds one half is +1, what is below minus one half is −1. Padding is 0, which here is
    a value like the others; in between stands an overlapping 3×3 max-pool with stride 2.

    Parameters
    ----------
    width, size, classes, seed
        As `multi_base` has them.

    Raises
    ------
    UsageError
        If there is no such network.
    """
    width, net = whole(width, "The width"), _start("ternary", seed, size)
    cuts: tuple[Cut, ...] = ((-_DELTA, False), (_DELTA, True))
    levels = Grid(-1, 1, 3)
    x = net.entry("stem_entry", net.conv8("stem", "image", width, kernel=3))
    x = net.quantise("act1", x, cuts, levels)
    x = net.binary("conv1", x, width, pad_value=0)
    x = net.max_pool("pool1", x, size=3, stride=2, pad=1)
    x = net.quantise("act2", x, cuts, levels)
    x = net.binary("conv2", x, 2 * width, stride=2, pad_value=0)
    x = net.norm("relu", x, exponent=_NORM_BITS, clip=UNSIGNED)
    return _end(net, x, classes)


def dorefa(
    *, width: int = 8, bits: int = 4, size: int = 16, classes: int = 10, seed: int = 2
) -> Graph:
    """Build a network of 1-bit weights and activations of `bits` bits, as DoReFa has them.

    An activation is ``round(clip(x, 0, 1) * m) / m`` with m = 2**bits − 1 and halves rounded to
    even; edges carry 0 … m. The dense layer has 1-bit weights.

    Parameters
    ----------
    bits : int
        1 to 8.
    width, size, classes, seed
        As `multi_base` has them.

    Raises
    ------
    UsageError
        If there is no such network.
    """
    width, net = whole(width, "The width"), _start("dorefa", seed, size)
    most = (1 << whole(bits, "The number of bits", most=8)) - 1
    # Half a step below n goes up to n where n is even, and down where it is odd.
    cuts = tuple((Fraction(2 * n - 1, 2 * most), bool(n % 2)) for n in range(1, most + 1))
    levels = Grid(0, 1, most + 1)
    x = net.entry("stem_entry", net.conv8("stem", "image", width, kernel=3))
    x = net.quantise("act1", x, cuts, levels)
    x = net.binary("conv1", x, width, pad_value=0)
    x = net.quantise("act2", x, cuts, levels)
    x = net.max_pool("pool2", x)
    x = net.binary("conv2", x, width, stride=2, pad_value=0)
    x = net.quantise("act3", x, cuts, levels)
    flat = net.add(Flatten("flat", (x,)), [1])
    rows = whole(classes, "The number of classes", least=2)
    return net.graph(net.dense("fc", flat, rows), architecture="DoReFa", bits=bits, width=width)


def mlp(
    *,
    widths: Sequence[int] = (256, 256, 256),
    size: int = 28,
    classes: int = 10,
    seed: int = 3,
) -> Graph:
    """Build dense layers of ±1 on pixels of one bit each; by default as wide as FINN's SFC.

    Parameters
    ----------
    widths : sequence of int
        Rows of the hidden layers; FINN's TFC has three of 64, SFC of 256, LFC of 1,024.
    size, classes, seed
        As `multi_base` has them.

    Raises
    ------
    UsageError
        If there is no such network.
    """
    if not isinstance(widths, tuple | list) or not 1 <= len(widths) <= 16:
        raise UsageError(f"The widths must be 1 to 16 numbers, not {widths!r}.", "Give (64, 64).")
    size = whole(size, "The size of the image", least=2)
    rows = whole(classes, "The number of classes", least=2)
    net = Net("mlp", seed, (1, size, size), bits=True)
    x = net.add(Flatten("flat", ("image",)), [1])
    for n, width in enumerate(widths, 1):
        x = net.quantise(f"act{n}", net.dense(f"fc{n}", x, whole(width, "A width", most=4096)))
    return net.graph(net.dense("last", x, rows), architecture="MLP", widths=list(widths))


def _bases(bases: tuple[int, int]) -> tuple[int, int]:
    if not isinstance(bases, tuple | list) or len(bases) != 2:
        raise UsageError(
            f"The bases must be two numbers, of weights and of activations, not {bases!r}.",
            "Give a pair such as (2, 2).",
        )
    weights, activations = bases
    return (
        whole(weights, "The number of bases", most=8),
        whole(activations, "The number of bases", least=2, most=8),
    )


def _start(name: str, seed: int, size: int) -> Net:
    size = whole(size, "The size of the image", least=8, multiple=8)
    return Net(name, seed, (3, size, size))


def _end(net: Net, x: str, classes: int) -> Graph:
    logits = net.head(x, whole(classes, "The number of classes", least=2), narrow=True)
    return net.graph(logits, architecture=net.name)
