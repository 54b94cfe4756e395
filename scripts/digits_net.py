"""The binary networks of train_digits.py, their float teacher, and how one teaches the other."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

__all__ = [
    "CLIP",
    "LEVELS",
    "SIDE",
    "BinaryCnn",
    "BinaryMlp",
    "BinaryNet",
    "Lesson",
    "Split",
    "accuracy",
    "binarise",
    "lesson",
    "train_student",
    "train_teacher",
]

CLIP = 1.3
SIDE = 8
CLASSES = 10
# Each pixel becomes one bit a level: a thermometer with marks at 2, 6 and 11 of 16 grey levels.
LEVELS = (1.5 / 16, 5.5 / 16, 10.5 / 16)
BATCH = 256
DISTORTION = 0.5
HEAT = 3.0
OPINION_SHARE = 0.9
MEAN_DECAY = 0.998


class Sign(torch.autograd.Function):
    """Sign with sign(0) = +1; its gradient passes straight through where |x| <= CLIP."""

    @staticmethod
    def forward(ctx, x):
        """Return +1 or -1."""
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        """Pass the gradient through inside the clipping threshold."""
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= CLIP)


def sign(x: Tensor) -> Tensor:
    """Binarise, with the straight-through gradient."""
    return Sign.apply(x)


class BinaryNet(nn.Module):
    """Binary layers, each with batch normalisation and sign, but for the last.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Of each layer's weights, outputs first; the last has two axes.
    norms : list of nn.Module
        Batch normalisation of each layer but the last.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], norms: list[nn.Module]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(shape).uniform_(-1, 1)) for shape in shapes
        )
        self.norms = nn.ModuleList(norms)
        # One positive factor for all classes: integer logits alone decide the class.
        self.log_scale = nn.Parameter(torch.tensor(-0.5 * float(np.log(shapes[-1][1]))))

    def features(self, bits: Tensor) -> Tensor:
        """Compute what the last layer reads, for inputs of +1 and -1, level by level."""
        raise NotImplementedError

    def integers(self, bits: Tensor) -> Tensor:
        """Dot products of the last layer."""
        return self.features(bits) @ sign(self.weights[-1]).T

    def forward(self, bits: Tensor) -> Tensor:
        """Scaled logits."""
        return self.integers(bits) * self.log_scale.exp()

    def clip(self) -> None:
        """Keep latent weights where their gradient still passes."""
        with torch.no_grad():
            for weight in self.weights:
                weight.clamp_(-CLIP, CLIP)


class BinaryMlp(BinaryNet):
    """A chain of fully connected layers.

    Parameters
    ----------
    hidden : list[int]
        Neurons of each hidden layer.
    """

    def __init__(self, hidden: list[int]) -> None:
        sizes = [SIDE * SIDE * len(LEVELS), *hidden, CLASSES]
        shapes = [(outs, ins) for ins, outs in pairwise(sizes)]
        super().__init__(shapes, [nn.BatchNorm1d(outs) for outs in hidden])
        self.topology = "-".join(map(str, sizes))

    def features(self, bits: Tensor) -> Tensor:
        """Compute what the last layer reads, for inputs of +1 and -1, level by level."""
        x = bits
        for weight, norm in zip(self.weights, self.norms, strict=False):
            x = sign(norm(x @ sign(weight).T))
        return x


class BinaryCnn(BinaryNet):
    """3x3 convolutions, a 2x2 maximum behind the second, and a fully connected layer.

    The maximum stands in front of the sign, so that gradients follow the largest number and not one
    of many equal bits. A sign keeps order, so the file may have it behind the sign, where it is an
    OR of bits.

    Parameters
    ----------
    hidden : list[int]
        Channels behind each convolution; at least two.
    """

    pooled = 1

    def __init__(self, hidden: list[int]) -> None:
        planes = pairwise([len(LEVELS), *hidden])
        shapes: list[tuple[int, ...]] = [(outs, ins, 3, 3) for ins, outs in planes]
        shapes.append((CLASSES, hidden[-1] * (SIDE // 2) ** 2))
        super().__init__(shapes, [nn.BatchNorm2d(outs) for outs in hidden])
        layers = [f"conv 3x3 to {outs}" for outs in hidden]
        layers.insert(self.pooled + 1, "max 2x2")
        start, end = f"{len(LEVELS)}x{SIDE}x{SIDE}", f"dense {shapes[-1][1]} to {CLASSES}"
        self.topology = ", ".join([start, *layers, end])

    def features(self, bits: Tensor) -> Tensor:
        """Compute what the last layer reads, for inputs of +1 and -1, level by level."""
        x = bits.unflatten(1, (len(LEVELS), SIDE, SIDE))
        for layer, (weight, norm) in enumerate(zip(self.weights, self.norms, strict=False)):
            # Around the image stands -1, which is what background is.
            x = norm(functional.conv2d(functional.pad(x, (1, 1, 1, 1), value=-1.0), sign(weight)))
            x = sign(functional.max_pool2d(x, 2) if layer == self.pooled else x)
        return x.flatten(1)


@dataclass(frozen=True)
class Split:
    """Images as uint8 [N, 1, 8, 8] and their labels."""

    x: np.ndarray
    y: np.ndarray

    def __add__(self, other: "Split") -> "Split":
        """Both together."""
        return Split(np.concatenate([self.x, other.x]), np.concatenate([self.y, other.y]))

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Images as float in 0...1, and labels."""
        return torch.from_numpy(self.x).float() / 255, torch.from_numpy(self.y).long()


def binarise(x: Tensor) -> Tensor:
    """Do the network's first step: for each level +1 where the pixel reaches it, level by level."""
    levels = torch.tensor(LEVELS, dtype=x.dtype)[:, None, None]
    return sign(x - levels).flatten(1)


def distort(x: Tensor, generator: torch.Generator) -> Tensor:
    """Shift, turn, scale and shear each image a little, and change its brightness."""

    def around(reach: float) -> Tensor:
        return (torch.rand(len(x), generator=generator) * 2 - 1) * reach * DISTORTION

    angle, size, shear = around(0.2), 1 + around(0.12), around(0.15)
    across = torch.stack([angle.cos() * size, shear - angle.sin(), around(0.2)], 1)
    down = torch.stack([angle.sin(), angle.cos() * size, around(0.2)], 1)
    grid = functional.affine_grid(torch.stack([across, down], 1), list(x.shape), False)
    moved = functional.grid_sample(x, grid, align_corners=False)
    return (moved * (1 + around(0.2))[:, None, None, None]).clamp(0, 1)


def teacher(seed: int) -> nn.Module:
    """Return a small float network that sees grey values; it only helps in training."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(1024, 10),
    )  # fmt: skip


def train_teacher(train: Split, *, epochs: int, seed: int) -> nn.Module:
    """Train the float network."""
    net = teacher(seed)
    generator = torch.Generator().manual_seed(seed)
    x, y = train.tensors()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
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
    """What a binary network learns from: bits, labels, and the float network's opinion."""

    bits: Tensor
    labels: Tensor
    opinion: Tensor

    def loss(self, rows: Tensor, logits: Tensor) -> Tensor:
        """Distance from the labels and from the opinion, for some rows."""
        followed = functional.kl_div(
            functional.log_softmax(logits / HEAT, 1), self.opinion[rows], reduction="batchmean"
        )
        plain = functional.cross_entropy(logits, self.labels[rows])
        return (1 - OPINION_SHARE) * plain + OPINION_SHARE * HEAT**2 * followed


def lesson(train: Split, guide: nn.Module, *, copies: int, plain: int, seed: int) -> Lesson:
    """Distort the training images many times and ask the float network about each grey image."""
    generator = torch.Generator().manual_seed(seed)
    x, y = train.tensors()
    images = torch.cat([x] * plain + [distort(x, generator) for _ in range(copies)])
    with torch.no_grad():
        opinion = torch.cat([guide(part) for part in images.split(2000)])
    return Lesson(binarise(images), y.repeat(plain + copies), functional.softmax(opinion / HEAT, 1))


def train_student(
    work: Lesson, make: Callable[[], BinaryNet], *, epochs: int, seed: int
) -> BinaryNet:
    """Train one binary network, which `make` gives with random weights.

    What is kept is a running mean of the latent weights: near the end many of them swing around
    0, and single states differ by more than a percent.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    net = make()
    mean = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(MEAN_DECAY))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    steps = epochs * -(-len(work.bits) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(work.bits), generator=generator).split(BATCH):
            loss = work.loss(rows, net(work.bits[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            net.clip()
            mean.update_parameters(net)
    return settled(mean.module, work)


def settled(net: BinaryNet, work: Lesson) -> BinaryNet:
    """Copy a network with batch normalisation measured over everything that it learned from."""
    copied = copy.deepcopy(net).train()
    with torch.no_grad():
        for norm in copied.norms:
            norm.reset_running_stats()
            norm.momentum = None
        for part in work.bits.split(8192):
            copied(part)
    return copied.eval()


def accuracy(net: nn.Module, split: Split) -> float:
    """Share of images that the network classifies rightly."""
    x, y = split.tensors()
    with torch.no_grad():
        return float((net(binarise(x)).argmax(1) == y).double().mean())
