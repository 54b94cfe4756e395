"""BinaryDenseNet and MeliusNet: channels that grow block by block, and thin out between stages."""

from collections.abc import Sequence
from fractions import Fraction

from ..errors import UsageError
from ..graph import Concat, Graph, Shuffle, Slice
from .build import UNSIGNED, Net
from .checks import depths, whole

__all__ = ["binary_densenet28", "meliusnet22"]

_NORM_BITS = 6
# Channels are divided by these between stages, and rounded to multiples of half the growth.
_DENSE = (Fraction(27, 10), Fraction(27, 10), Fraction(22, 10))
_MELIUS = (Fraction(2), Fraction(480, 224), Fraction(480, 256))


def binary_densenet28(
    *,
    growth: int = 16,
    blocks: Sequence[int] = (6, 6, 6, 5),
    dilated: bool = False,
    pad_value: int = -1,
    size: int = 32,
    classes: int = 10,
    seed: int = 4,
) -> Graph:
    """Build BinaryDenseNet-28 with its stem for small images, with random parameters.

    A block normalises all channels, takes their signs, and puts the dot products of a 3×3 binary
    convolution beside them. Between stages: normalisation, 2×2 max-pooling, ReLU, 8-bit 1×1
    convolution. Channels of a `Concat` need no common unit, since each of their readers has
    a threshold or a multiplier for every one: dot products are carried as they are, the results of
    8-bit convolutions in 8 bits.

    Parameters
    ----------
    growth : int
        Channels that a block adds, even; the stem gives as many.
    blocks : sequence of int
        Blocks of each stage, one to four stages.
    dilated : bool
        Dilate the third and fourth stage by 2 and 4 and leave out the pools in front of them.
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
    name = "binary_densenet28" + "_dilated" * bool(dilated)
    net = _Growing(name, seed, size, growth, pad_value)
    net.stages(depths(blocks), _DENSE, (1, 1, 2, 4) if dilated else (1, 1, 1, 1))
    logits = net.tail(whole(classes, "The number of classes", least=2))
    return net.graph(logits, architecture="BinaryDenseNet28", dilated=dilated, growth=growth)


def meliusnet22(
    *,
    growth: int = 16,
    blocks: Sequence[int] = (4, 5, 4, 4),
    groups: int = 1,
    shuffle: int = 1,
    pad_value: int = -1,
    size: int = 32,
    classes: int = 10,
    seed: int = 2,
) -> Graph:
    """Build MeliusNet-22 with its stem for small images, with random parameters.

    Each block of BinaryDenseNet is followed by an improvement: normalisation, sign and 3×3 binary
    convolution of all channels, added to the last `growth` channels. Both operands are dot
    products, so that the sum needs no scale.

    Parameters
    ----------
    growth, blocks, pad_value, size, classes, seed
        As `binary_densenet28` has them.
    groups : int
        Groups of the 1×1 convolutions between stages: 4, 2 and 4 in MeliusNet-A, -B and -C.
    shuffle : int
        Groups of the channel shuffle in front of them; 1 leaves it out.

    Raises
    ------
    UsageError
        If there is no such network.
    """
    net = _Growing("meliusnet22", seed, size, growth, pad_value)
    net.improves = True
    net.groups = whole(groups, "The number of groups")
    net.shuffle = whole(shuffle, "The number of shuffled groups")
    net.stages(depths(blocks), _MELIUS, (1, 1, 1, 1))
    logits = net.tail(whole(classes, "The number of classes", least=2))
    return net.graph(logits, architecture="MeliusNet22", growth=growth)


class _Growing(Net):
    """Builds stages whose channels grow; `top` names the edge that holds all of them."""

    def __init__(self, name: str, seed: int, size: int, growth: int, pad_value: int) -> None:
        size = whole(size, "The size of the image", least=8, multiple=8)
        super().__init__(name, seed, (3, size, size))
        self.growth = whole(growth, "The growth", least=2, multiple=2, most=256)
        self.pad_value = whole(pad_value, "The padding value", least=-1, most=1)
        self.improves = False
        self.groups = self.shuffle = 1
        stem = self.conv8("stem", "image", self.growth, kernel=3)
        self.top = self.entry("stem_entry", stem)

    def stages(
        self, counts: Sequence[int], rates: Sequence[Fraction], dilations: Sequence[int]
    ) -> None:
        """Add the stages and what is between them."""
        for stage, count in enumerate(counts, 1):
            dilation = dilations[stage - 1]
            for number in range(1, count + 1):
                name = f"stage{stage}_block{number}"
                self.grow(name, dilation)
                if self.improves:
                    self.improve(name, dilation)
            if stage < len(counts):
                self.thin(f"trans{stage}", rates[stage - 1], pooled=dilations[stage] == 1)

    def grow(self, name: str, dilation: int) -> None:
        """Put new channels beside those that there are."""
        new = self.products(name, dilation)
        variance = self.variance[self.top] + self.variance[new]
        self.top = self.add(Concat(f"{name}_cat", (self.top, new)), variance)

    def improve(self, name: str, dilation: int) -> None:
        """Add new sums to the last channels."""
        count = self.channels(self.top)
        first = count - self.growth
        new = self.products(f"{name}_improve", dilation)
        variance = self.variance[self.top]
        kept = self.add(Slice(f"{name}_kept", (self.top,), 0, first), variance[:first])
        last = self.add(Slice(f"{name}_last", (self.top,), first, count), variance[first:])
        better = self.total(f"{name}_add", last, new)
        variance = variance[:first] + self.variance[better]
        self.top = self.add(Concat(f"{name}_joined", (kept, better)), variance)

    def products(self, name: str, dilation: int) -> str:
        """Normalise, take signs, convolve."""
        sign = self.quantise(f"{name}_sign", self.top)
        return self.binary(
            f"{name}_conv", sign, self.growth, dilation=dilation, pad_value=self.pad_value
        )

    def thin(self, name: str, rate: Fraction, *, pooled: bool) -> None:
        """Leave fewer channels on a smaller image."""
        # Clipping at 0 is the ReLU; it may stand in front of the pool, being monotone.
        x = self.norm(f"{name}_norm", self.top, exponent=_NORM_BITS, clip=UNSIGNED)
        if pooled:
            x = self.max_pool(f"{name}_pool", x)
        channels, unit = self.channels(x), self.growth // 2
        rows = max(1, round(channels / rate / unit)) * unit
        for what, count in (("groups", self.groups), ("shuffled groups", self.shuffle)):
            if channels % count or rows % self.groups:
                raise UsageError(
                    f"The number of {what} must divide the {channels} channels and {rows} results "
                    f"of '{name}', not be {count!r}.",
                    "Choose another number, or another growth.",
                )
        if self.shuffle > 1:
            x = self.add(Shuffle(f"{name}_shuffle", (x,), self.shuffle), self.variance[x])
        x = self.conv8(f"{name}_conv", x, rows, groups=self.groups)
        self.top = self.entry(f"{name}_entry", x)

    def tail(self, classes: int) -> str:
        """Add normalisation, ReLU, global average and the dense layer."""
        x = self.norm("relu", self.top, exponent=_NORM_BITS, clip=UNSIGNED)
        return self.head(x, classes, narrow=True)
