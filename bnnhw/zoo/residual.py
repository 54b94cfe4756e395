"""ResNetE and Bi-Real: one binary convolution a block, and a shortcut around each."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from ..errors import UsageError
from ..graph import Graph
from .build import ENTRY_VARIANCE, UNSIGNED, Net
from .checks import depths, whole

__all__ = ["CARRIER", "bireal18", "resnet_e18"]

CARRIER = 5
"""Fraction bits of a carrier behind normalisations."""


def resnet_e18(
    *,
    width: int = 16,
    joins: str = "E1",
    blocks: Sequence[int] = (4, 4, 4, 4),
    pad_value: int = -1,
    size: int = 32,
    classes: int = 10,
    seed: int = 8,
) -> Graph:
    """Build ResNetE-18 with its stem for small images, with random parameters.

    A block is sign, 3×3 binary convolution, normalisation, and the sum with what entered (E1). With
    E2 the normalisation stands in front of the sign, so that inside a stage only dot products are
    added. The first block of every stage but the first has stride 2, and its shortcut is an average
    of 2 × 2, an 8-bit 1×1 convolution and a normalisation.

    All operands of a sum have one unit. E1: 2**-5 of a normalised value; every `Affine` in front of
    a sum ends in it, in 8 bits, and the carrier grows by each sum. E2: one step of a dot product;
    the stem is shifted, and shortcuts are normalised, to numbers of the size of a dot product.

    Parameters
    ----------
    width : int
        Channels of the first stage; each later one has twice those of the one before.
    joins : str
        "E1" or "E2".
    blocks : sequence of int
        Blocks of each stage, one to four stages.
    pad_value : int
        −1, 0 or 1, around what binary convolutions read.
    size : int
        Height and width of the image, a multiple of 8.
    classes : int
    seed : int

    Raises
    ------
    UsageError
        If there is no such network.
    """
    if joins not in ("E1", "E2"):
        raise UsageError(f"The joins must be 'E1' or 'E2', not {joins!r}.", "Choose one.")
    net = _Residual(f"resnet_e18_{joins.lower()}", seed, size, width, pad_value)
    top = net.stages(depths(blocks), before=joins == "E2", scaled=False)
    if joins == "E1":
        top = net.narrowed("relu", top, relu=True)
    else:
        top = net.norm("relu", top, exponent=6, clip=UNSIGNED)
    logits = net.head(top, whole(classes, "The number of classes", least=2), narrow=False)
    return net.graph(logits, architecture="ResNetE18", joins=joins, width=width)


def bireal18(
    *,
    width: int = 16,
    blocks: Sequence[int] = (4, 4, 4, 4),
    pad_value: int = -1,
    size: int = 32,
    classes: int = 10,
    seed: int = 2,
) -> Graph:
    """Build Bi-Real-Net-18 with a stem for small images, with random parameters.

    As ResNetE-18 with joins E1, but each binary convolution is scaled by the mean of the absolute
    real weights of its channel, which fixed point absorbs, and no ReLU follows the last block.

    Parameters
    ----------
    width, blocks, pad_value, size, classes, seed
        As `resnet_e18` has them.

    Raises
    ------
    UsageError
        If there is no such network.
    """
    net = _Residual("bireal18", seed, size, width, pad_value)
    top = net.stages(depths(blocks), before=False, scaled=True)
    logits = net.head(top, whole(classes, "The number of classes", least=2), narrow=False)
    return net.graph(logits, architecture="Bi-Real-Net18", width=width)


class _Residual(Net):
    """Builds stages of blocks with shortcuts."""

    def __init__(self, name: str, seed: int, size: int, width: int, pad_value: int) -> None:
        size = whole(size, "The size of the image", least=8, multiple=8)
        super().__init__(name, seed, (3, size, size))
        self.width = whole(width, "The width")
        self.pad_value = whole(pad_value, "The padding value", least=-1, most=1)

    def stages(self, counts: Sequence[int], *, before: bool, scaled: bool) -> str:
        """Add stem and stages; `before`: normalise in front of the sign."""
        target = 9 * self.width if before else ENTRY_VARIANCE
        x = self.entry("stem_entry", self.conv8("stem", "image", self.width, kernel=3), target)
        for stage, count in enumerate(counts, 1):
            rows = self.width << (stage - 1)
            for number in range(1, count + 1):
                name = f"stage{stage}_block{number}"
                shrink = stage > 1 and number == 1
                shortcut = self.shortcut(name, x, rows, before) if shrink else x
                y = self.quantise(f"{name}_sign", x) if before else self.sign(f"{name}_sign", x)
                y = self.binary(
                    f"{name}_conv", y, rows, stride=1 + shrink, pad_value=self.pad_value
                )
                if not before:
                    alpha = self.alpha(f"{name}_conv", y) if scaled else None
                    y = self.norm(f"{name}_norm", y, exponent=CARRIER, alpha=alpha)
                x = self.total(f"{name}_add", y, shortcut)
        return x

    def shortcut(self, name: str, source: str, rows: int, before: bool) -> str:
        """Halve the image and double the channels, with 8 bits."""
        x = self.sum_pool(f"{name}_pool", source, 2)
        x = self.narrowed(f"{name}_pool8", x)
        x = self.conv8(f"{name}_down", x, rows)
        if before:
            return self.norm(f"{name}_downnorm", x, gain=float(np.sqrt(9 * rows)))
        return self.norm(f"{name}_downnorm", x, exponent=CARRIER)

    def alpha(self, name: str, source: str) -> list[Fraction]:
        """Give the mean absolute weight of each channel, and let the sums vary as scaled ones."""
        rows = self.channels(source)
        columns = self.edges[self.nodes[-1].inputs[0]].shape[0]
        latent = np.abs(self.draws.latent(name, (rows, columns, 3, 3))).reshape(rows, -1)
        # Sums of multiples of 2**-10 are exact.
        means = [Fraction(float(total)) / latent.shape[1] for total in latent.sum(axis=1)]
        self.variance[source] = [max(1, value // 4) for value in self.variance[source]]
        return means
