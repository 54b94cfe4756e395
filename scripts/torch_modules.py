"""Small modules of PyTorch and bitorch that `record_torch.py` writes down for the tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from bitorch.layers import QActivation, QConv2d, QLinear
from bitorch.layers.pact import Pact
from bitorch.models import LeNet
from bitorch.models.densenet import BaseNetDense
from bitorch.models.resnet_e import BasicBlock, _ResnetE
from torch import nn

__all__ = ["MODULES", "Recorded", "densenet28", "lenet", "resnet_e18", "settled", "tiny_bitorch"]


@dataclass(frozen=True)
class Recorded:
    """A module with the shape of its images and what it expects of a pixel."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    pixel: str = "unit"
    exact: bool = False
    refused: str = ""


def settled(model: nn.Module, shape: tuple[int, ...], seed: int) -> nn.Module:
    """Draw batch norms, some with negative gains, and let them see images, as training does."""
    g = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.momentum = 0.4
            if not module.affine:
                continue
            with torch.no_grad():
                turned = torch.where(torch.rand(module.weight.shape, generator=g) < 0.2, -1.0, 1.0)
                module.weight.copy_((torch.rand(turned.shape, generator=g) + 0.5) * turned)
                module.bias.copy_(torch.randn(turned.shape, generator=g) * 0.3)
    model.train()
    with torch.no_grad():
        for _ in range(8):
            model(torch.rand(16, *shape, generator=g))
    return model.eval()


def lenet(channels: int = 64, features: int = 1000, size: int = 28) -> nn.Module:
    """Bitorch's LeNet, with fewer channels if so wanted."""
    narrow = type("LeNet", (LeNet,), {"num_channels_conv": channels, "num_fc": features})
    return narrow(input_shape=(1, 1, size, size), num_classes=10)


def resnet_e18(width: int = 64, blocks: tuple[int, ...] = (2, 2, 2, 2), *, size: int = 32,
               classes: int = 10) -> nn.Module:  # fmt: skip
    """Bitorch's ResNetE-18, with fewer channels or blocks if so wanted."""
    channels = [width, *(width << stage for stage in range(len(blocks)))]
    return _ResnetE(BasicBlock, list(blocks), channels, classes, (size, size), 3)


def densenet28(growth: int = 64, blocks: tuple[int, ...] = (6, 6, 6, 5), *, size: int = 32,
               classes: int = 10) -> nn.Module:  # fmt: skip
    """Bitorch's BinaryDenseNet-28, with fewer channels or blocks if so wanted."""
    factors = [2.7, 2.7, 2.2][: len(blocks) - 1]
    struct = "bn,max_pool,relu,fp_conv"
    return BaseNetDense(growth, growth, list(blocks), factors, 0, struct, (size, size), 0, classes,
                        3, False)  # fmt: skip


class Straight(torch.autograd.Function):
    """A sign of one's own: 0 is +1."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """Give ±1."""
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        """Pass gradients."""
        return grad


class Down(torch.autograd.Function):
    """A sign that falls, by other means."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """Give ∓1."""
        return 1 - 2 * (x > 0.25).float()

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        """Pass gradients."""
        return -grad


def detached(x: Any) -> Any:
    """Sign with a straight-through estimator written with detach."""
    soft = x.clamp(-1.3, 1.3)
    return soft + (torch.where(x < 0, -1.0, 1.0) - soft).detach()


class Conv(nn.Conv2d):
    """Convolution with ±1 weights, scaled by the mean of the latent ones if so wanted."""

    scaled = False

    def forward(self, x: Any) -> Any:
        """Convolve."""
        weight = Straight.apply(self.weight)
        if self.scaled:
            weight = weight * self.weight.abs().mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Signs(nn.Module):
    """Every way to write a sign, all exact."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = Conv(1, 8, 3, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.conv2 = Conv(8, 8, 3, padding=1, groups=2, dilation=1, bias=True)
        self.conv3 = Conv(8, 8, 3, stride=2, groups=8, bias=False)
        self.norm3 = nn.BatchNorm1d(8 * 4)
        self.weight = nn.Parameter(torch.randn(10, 32))
        self.norm4 = nn.BatchNorm1d(10, affine=False)

    def forward(self, x: Any) -> Any:
        """Give scores."""
        x = Straight.apply(x - 0.5)
        x = Straight.apply(self.norm1(self.conv1(x)))
        x = Down.apply(F.max_pool2d(self.norm2(self.conv2(x)), 2))
        x = detached(self.norm3(torch.flatten(self.conv3(x), 1)))
        x = x @ Straight.apply(self.weight).t()
        return F.log_softmax(self.norm4(x) * 1.0, dim=1)


class Levels(nn.Module):
    """Activations of several bits: DoReFa and PACT, and bitorch's other signs."""

    def __init__(self) -> None:
        super().__init__()
        q = {"weight_quantization": "sign", "bias": False}
        self.body = nn.Sequential(
            QConv2d(1, 8, 3, input_quantization="inputdorefa", pad_value=0, padding=0, **q),
            nn.BatchNorm2d(8),
            Pact(bits=2),
            nn.MaxPool2d(2),
            Conv(8, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            QConv2d(8, 8, 3, input_quantization="steheaviside", padding=1, **q),
            nn.BatchNorm2d(8),
            nn.Hardtanh(),
            QActivation("approxsign"),
            nn.Dropout(0.2),
            nn.Flatten(),
            QLinear(8 * 9, 10, bias=False),
        )
        self.body[2].alpha.data.fill_(1.5)

    def forward(self, x: Any) -> Any:
        """Give scores."""
        return self.body(x)


class BiReal(nn.Module):
    """Bi-Real blocks: scaled convolutions, a shortcut around each."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(8) for _ in range(3))
        self.convs = nn.ModuleList(Conv(8, 8, 3, padding=1, bias=False) for _ in range(2))
        for conv in self.convs:
            conv.scaled = True
        self.head = nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        """Give scores."""
        x = F.avg_pool2d(self.norms[0](self.stem(x)), 2)
        for conv, norm in zip(self.convs, list(self.norms)[1:], strict=True):
            x = x + norm(conv(F.pad(Straight.apply(x), [0, 0, 0, 0])))
        return self.head(F.relu(x).mean((2, 3)))


class Melius(nn.Module):
    """A dense block and an improvement block, all in integers, and a transition in 8 bits."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Conv(1, 8, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in (8, 16, 16))
        self.convs = nn.ModuleList(QConv2d(n, 8, 3, padding=1) for n in (8, 16))
        self.thin = nn.Conv2d(16, 8, 1, groups=4, bias=False)
        self.shuffle = nn.ChannelShuffle(4)
        self.last = QConv2d(8, 4, 1)
        self.head = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        """Give scores."""
        x = self.first(Straight.apply(x - 0.3))
        x = torch.cat([x, self.convs[0](self.norms[0](x))], 1)
        old, new = x.chunk(2, 1)
        x = torch.cat([old, new + self.convs[1](self.norms[1](x))], 1)
        x = F.relu(F.max_pool2d(self.norms[2](x), 2))
        x = self.last(self.thin(self.shuffle(x)))
        return self.head(F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1))


class PlainSign(nn.Module):
    """torch.sign, which is a third value at 0: of odd sums it is no trap, of even ones it is."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.one, self.two = (nn.Parameter(torch.randn(n)) for n in ((8, features), (4, 8)))

    def forward(self, x: Any) -> Any:
        """Give scores."""
        x = Straight.apply(x.flatten(1) - 0.5)
        x = torch.sign(F.linear(x, torch.sign(self.one)))
        return F.linear(x, torch.sign(self.two))


class Shapes(nn.Module):
    """Axes that move, slices, paddings of +1 and 0, averages."""

    def __init__(self) -> None:
        super().__init__()
        self.norm0 = nn.BatchNorm2d(3)
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.conv = Conv(6, 8, 3, padding=0, dilation=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.fc = nn.Linear(4 * 9, 6)

    def forward(self, x: Any) -> Any:
        """Give scores."""
        x = self.stem(self.norm0(x))
        x = F.pad(torch.where(x > 0, 1.0, -1.0), (2, 2, 2, 2), value=1.0)
        x = F.hardtanh(self.norm(self.conv(x)))
        x = F.avg_pool2d(x[:, 2:6], 3)
        return self.fc(x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)).softmax(1)


def tiny_bitorch() -> nn.Module:
    """Give the module of the sample ``tiny_bitorch_state_dict.pth``, without its state."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        QConv2d(8, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.MaxPool2d(2),
        nn.Flatten(),
        QLinear(200, 16, bias=False),
        nn.BatchNorm1d(16),
        nn.Linear(16, 10),
    )


MODULES: dict[str, Recorded] = {
    "lenet": Recorded(lambda: lenet(8, 24), (1, 28, 28)),
    "resnet_e": Recorded(lambda: resnet_e18(8, (1, 1), size=16), (3, 16, 16)),
    "densenet": Recorded(lambda: densenet28(16, (3, 2), size=12), (3, 12, 12)),
    "signs": Recorded(Signs, (1, 12, 12), exact=True),
    "levels": Recorded(Levels, (1, 8, 8), exact=True),
    "bireal": Recorded(BiReal, (3, 12, 12), "centred"),
    "melius": Recorded(Melius, (1, 8, 8)),
    "shapes": Recorded(Shapes, (3, 9, 9)),
    "sign_of_odd": Recorded(lambda: PlainSign(9), (9,), exact=True),
    "sign_of_even": Recorded(lambda: PlainSign(8), (8,), exact=True, refused="can read 0"),
}
"""By the name of the file."""
