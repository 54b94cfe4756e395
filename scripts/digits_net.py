"""The binary network of train_digits.py, its float teacher, and how one teaches the other."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

__all__ = [
    "CLIP",
    "LEVELS",
    "BinaryMlp",
    "Lesson",
    "Split",
    "accuracy",
    "binarise",
    "lesson",
    "train_student",
    "train_teacher",
]

CLIP = 1.3
# Each pixel becomes one bit a level: a thermometer with marks at 2, 6 and 11 of 16 grey levels.
LEVELS = (1.5 / 16, 5.5 / 16, 10.5 / 16)
BATCH = 256
PLAIN_COPIES, COPIES = 4, 60
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


class BinaryMlp(nn.Module):
    """A chain of binary layers, each with batch normalisation, but for the last.

    Parameters
    ----------
    sizes : list[int]
        Inputs, hidden neurons of each layer, classes.
    """

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        pairs = list(zip(sizes, sizes[1:], strict=False))
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(outs, ins).uniform_(-1, 1)) for ins, outs in pairs
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(outs) for _, outs in pairs[:-1])
        # One positive factor for all classes: integer logits alone decide the class.
        self.log_scale = nn.Parameter(torch.tensor(-0.5 * float(np.log(sizes[-2]))))

    def integers(self, bits: Tensor) -> Tensor:
        """Dot products of the last layer, for inputs of +1 and -1."""
        x = bits
        for weight, norm in zip(self.weights, self.norms, strict=False):
            x = sign(norm(x @ sign(weight).T))
        return x @ sign(self.weights[-1]).T

    def forward(self, bits: Tensor) -> Tensor:
        """Scaled logits."""
        return self.integers(bits) * self.log_scale.exp()

    def clip(self) -> None:
        """Keep latent weights where their gradient still passes."""
        with torch.no_grad():
            for weight in self.weights:
                weight.clamp_(-CLIP, CLIP)


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


def lesson(train: Split, guide: nn.Module, *, seed: int) -> Lesson:
    """Distort the training images many times and ask the float network about each grey image."""
    generator = torch.Generator().manual_seed(seed)
    x, y = train.tensors()
    images = torch.cat([x] * PLAIN_COPIES + [distort(x, generator) for _ in range(COPIES)])
    with torch.no_grad():
        opinion = torch.cat([guide(part) for part in images.split(2000)])
    return Lesson(
        binarise(images), y.repeat(PLAIN_COPIES + COPIES), functional.softmax(opinion / HEAT, 1)
    )


def train_student(work: Lesson, *, sizes: list[int], epochs: int, seed: int) -> BinaryMlp:
    """Train one binary network.

    What is kept is a running mean of the latent weights: near the end many of them swing around
    0, and single states differ by more than a percent.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    net = BinaryMlp(sizes)
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


def settled(net: BinaryMlp, work: Lesson) -> BinaryMlp:
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
