"""What a binary network learns from: distorted images, their labels, a float network's opinion."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .data import Split
from .nets import binarise

__all__ = ["Lesson", "lesson", "pixels", "teacher", "train_teacher"]

_DISTORTION = 0.5
_HEAT = 3.0
_OPINION_SHARE = 0.9
_PART = 2000


def pixels(x: np.ndarray) -> Tensor:
    """Give uint8 pixels as floats in 0 … 1."""
    return torch.from_numpy(x).float() / 255


def distort(x: Tensor, generator: torch.Generator) -> Tensor:
    """Shift, turn, scale and shear each image a little, and change its brightness."""

    def around(reach: float) -> Tensor:
        return (torch.rand(len(x), generator=generator) * 2 - 1) * reach * _DISTORTION

    angle, size, shear = around(0.2), 1 + around(0.12), around(0.15)
    across = torch.stack([angle.cos() * size, shear - angle.sin(), around(0.2)], 1)
    down = torch.stack([angle.sin(), angle.cos() * size, around(0.2)], 1)
    grid = functional.affine_grid(torch.stack([across, down], 1), list(x.shape), False)
    moved = functional.grid_sample(x, grid, align_corners=False)
    return (moved * (1 + around(0.2))[:, None, None, None]).clamp(0, 1)


def teacher(seed: int, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return a small float network that sees grey values; it only helps in training."""
    torch.manual_seed(seed)
    channels, height, width = shape
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * (height // 2) * (width // 2), classes),
    )  # fmt: skip


def train_teacher(
    train: Split,
    *,
    classes: int,
    epochs: int,
    seed: int,
    tell: Callable[[int], None] = lambda epoch: None,
) -> nn.Module:
    """Train the float network; `tell` hears how many epochs are done."""
    channels, height, width = train.x.shape[1:]
    net = teacher(seed, (channels, height, width), classes)
    generator = torch.Generator().manual_seed(seed)
    x, y = pixels(train.x), torch.from_numpy(train.y).long()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(epochs):
        tell(epoch)
        for rows in torch.randperm(len(x), generator=generator).split(128):
            loss = functional.cross_entropy(
                net(distort(x[rows], generator)), y[rows], label_smoothing=0.05
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return net.eval()


@dataclass(frozen=True)
class Lesson:
    """What a binary network learns from.

    Parameters
    ----------
    bits : Tensor of int8 ±1, shape (n, planes * height * width)
    labels : Tensor of int64, shape (n,)
    opinion : Tensor of float, shape (n, classes), or None
        What the float network thinks, softened.
    """

    bits: Tensor
    labels: Tensor
    opinion: Tensor | None = None

    def inputs(self, rows: Tensor) -> Tensor:
        """Bits of some rows, as floats."""
        return self.bits[rows].float()

    def loss(self, rows: Tensor, logits: Tensor) -> Tensor:
        """Distance from the labels and from the opinion, for some rows."""
        plain = functional.cross_entropy(logits, self.labels[rows])
        if self.opinion is None:
            return plain
        followed = functional.kl_div(
            functional.log_softmax(logits / _HEAT, 1), self.opinion[rows], reduction="batchmean"
        )
        return (1 - _OPINION_SHARE) * plain + _OPINION_SHARE * _HEAT**2 * followed


def lesson(
    train: Split,
    guide: nn.Module | None,
    *,
    levels: tuple[float, ...],
    copies: int,
    plain: int,
    seed: int,
) -> Lesson:
    """Distort the training images many times and ask the float network about each grey image."""
    generator = torch.Generator().manual_seed(seed)
    x, y = pixels(train.x), torch.from_numpy(train.y).long()
    images = torch.cat([x] * plain + [distort(x, generator) for _ in range(copies)])
    bits = torch.cat([binarise(part, levels).to(torch.int8) for part in images.split(_PART)])
    opinion = None
    if guide is not None:
        with torch.no_grad():
            thought = torch.cat([guide(part) for part in images.split(_PART)])
        opinion = functional.softmax(thought / _HEAT, 1)
    return Lesson(bits, y.repeat(plain + copies), opinion)
