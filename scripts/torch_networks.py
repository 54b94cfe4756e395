"""The networks of bitorch.models and of the papers at full size, and how many operations they need.

Figures of `NETWORKS` are those of the papers and of bitorch's sources, worked out without this
project: millions of multiply-accumulates of ±1 and of other numbers, millions of weights of ±1, and
thousands of others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from bitorch.models.densenet import BaseNetDense, DenseLayer
from bitorch.models.meliusnet import ImprovementBlock
from torch import nn

from .torch_modules import Conv, Straight, densenet28, lenet, resnet_e18

__all__ = ["NETWORKS", "Network", "bireal18", "densenet", "meliusnet22"]

_WIDE: dict[str, Any] = {"size": 224, "classes": 1000}


@dataclass(frozen=True)
class Network:
    """A network with the shape of its images and its figures."""

    make: Callable[[], nn.Module]
    shape: tuple[int, int, int]
    told: tuple[float, float, float, float]


class _BasisBlock(nn.Module):
    """A layer that adds channels, and one that adds to what it has added: MeliusNet's block."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.dense = DenseLayer(features, growth, 0, 0.0, 1)
        self.improvement = ImprovementBlock(growth, features + growth)

    def forward(self, x: Any) -> Any:
        """Give growth channels more."""
        return self.improvement(torch.cat([x, self.dense(x)], 1))


class _Melius(BaseNetDense):
    """MeliusNet after the paper; bitorch's own has no improvement blocks in it."""

    def _make_base_block(self, num_layers: int, num_input_features: int, bn_size: int,
                         growth_rate: int, dropout: float, stage_index: int) -> None:  # fmt: skip
        blocks = (
            _BasisBlock(num_input_features + number * growth_rate, growth_rate)
            for number in range(num_layers)
        )
        self.features.add_module(f"stage{stage_index}", nn.Sequential(*blocks))


def densenet(number: int, *, growth: int = 64, size: int = 32, classes: int = 10) -> nn.Module:
    """BinaryDenseNet-37 or -45 of bitorch, with fewer channels if so wanted."""
    blocks, factors = {
        37: ([6, 8, 12, 6], [3.3, 3.3, 4]),
        45: ([6, 12, 14, 8], [2.7, 3.3, 4]),
    }[number]
    struct = "bn,max_pool,relu,fp_conv"
    return BaseNetDense(growth, growth, blocks, factors, 0, struct, (size, size), 0, classes, 3,
                        False)  # fmt: skip


def meliusnet22(
    growth: int = 64, *, stem: tuple[int, int] | str = (32, 32), classes: int = 10
) -> nn.Module:
    """MeliusNet-22, with fewer channels if so wanted."""
    factors = [320 / 160, 480 / 224, 480 / 256]
    struct = "bn,max_pool,relu,fp_conv"
    return _Melius(growth, growth, [4, 5, 4, 4], factors, 0, struct, stem, 0, classes, 3, False)


class _BiRealBlock(nn.Module):
    """Sign, convolution, batch norm, and a shortcut around them; plain PyTorch."""

    def __init__(self, before: int, behind: int) -> None:
        super().__init__()
        self.stride = behind // before
        self.conv = Conv(before, behind, 3, self.stride, 0, bias=False)
        self.conv.scaled = True
        self.norm = nn.BatchNorm2d(behind)
        self.short = nn.Sequential()
        if before != behind:
            thin = nn.Conv2d(before, behind, 1, bias=False)
            self.short = nn.Sequential(nn.AvgPool2d(2), thin, nn.BatchNorm2d(behind))

    def forward(self, x: Any) -> Any:
        """Give the sum of both ways."""
        bits = F.pad(Straight.apply(x), (1, 1, 1, 1), value=-1.0)
        return self.short(x) + self.norm(self.conv(bits))


def bireal18(width: int = 64) -> nn.Module:
    """Bi-Real-Net-18 with a stem for small images."""
    channels = [width, *(width << stage for stage in range(4) for _ in range(4))]
    blocks = (_BiRealBlock(a, b) for a, b in zip(channels, channels[1:], strict=False))
    stem = nn.Conv2d(3, width, 3, padding=1, bias=False)
    tail = (nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], 10))
    return nn.Sequential(stem, nn.BatchNorm2d(width), *blocks, *tail)


_SMALL, _LARGE = (3, 32, 32), (3, 224, 224)

NETWORKS: dict[str, Network] = {
    # Its dense layer has 4 · 4 cells of each channel, which images of 28 × 28 leave, and no others.
    "lenet": Network(lenet, (1, 28, 28), (7.6, 0.9, 1.13, 11.6)),
    "resnet_e18": Network(resnet_e18, _SMALL, (547.4, 8.1, 10.99, 179)),
    "binary_densenet28": Network(densenet28, _SMALL, (1171.4, 29.2, 4.2, 331)),
    "binary_densenet37": Network(lambda: densenet(37), _SMALL, (1471.6, 28.3, 7.59, 434)),
    "meliusnet22": Network(meliusnet22, _SMALL, (1509.9, 23.7, 6.12, 288)),
    "bireal18": Network(bireal18, _SMALL, (547.4, 8.1, 10.99, 179)),
    "resnet_e18_imagenet": Network(
        lambda: resnet_e18(**_WIDE), _LARGE, (1676.3, 137.8, 10.99, 693)
    ),
    "binary_densenet28_imagenet": Network(
        lambda: densenet28(**_WIDE), _LARGE, (3587.4, 202.5, 4.2, 909)
    ),
    "binary_densenet37_imagenet": Network(
        lambda: densenet(37, **_WIDE), _LARGE, (4506.8, 199.7, 7.59, 1075)
    ),
    "binary_densenet45_imagenet": Network(
        lambda: densenet(45, **_WIDE), _LARGE, (6430.6, 244.1, 12.35, 1489)
    ),
    "meliusnet22_imagenet": Network(
        lambda: meliusnet22(stem="grouped_stem", classes=1000), _LARGE, (4624.2, 136.4, 6.12, 799)
    ),
}
"""By name; those for ImageNet are loaded and counted, not run."""
