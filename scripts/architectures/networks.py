"""The networks of the papers in PyTorch, layer by layer as their authors' code has them."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

from .layers import Flow, Layers

__all__ = ["FORWARD"]


def resnet_e(
    net: Layers, x: Flow, *, width: int, joins: str = "E1", blocks: tuple[int, ...] = (4,) * 4,
    pad_value: int = -1, scaled: bool = False,
) -> Flow:  # fmt: skip
    """ResNetE: sign → convolution → norm → add (E1), or norm → sign → convolution → add (E2)."""
    e2 = joins == "E2"
    x = net.to_int8("stem_entry", net.conv8("stem", x, width, kernel=3), 9 * width if e2 else 1024)
    channels = width
    for stage, count in enumerate(blocks):
        for block in range(count):
            name = f"stage{stage + 1}_block{block + 1}"
            stride, residual = 1, x
            if stage and not block:
                stride, channels = 2, 2 * channels
                residual = down_sample(net, name, x, channels, e2)
            y = net.norm_sign(f"{name}_sign", x) if e2 else net.sign(f"{name}_sign", x)
            conv = f"{name}_conv"
            y = net.binary_conv(conv, y, channels, pad=pad_value, stride=stride)
            if not e2:
                alpha = None
                if scaled:
                    latent = net.draws.latent(conv, (channels, x.x.shape[1], 3, 3))
                    alpha = np.abs(latent).mean(axis=(1, 2, 3))
                    y = Flow(y.x, [max(1, value // 4) for value in y.spread])
                y = net.fixed_norm(f"{name}_norm", y, -128, 127, bits=5, alpha=alpha)
            x = add(net, f"{name}_add", y, residual)
    return x


def down_sample(net: Layers, name: str, x: Flow, channels: int, e2: bool) -> Flow:
    """Average 2 × 2 → 8 bits → 1×1 convolution → norm."""
    average = F.avg_pool2d(x.x, 2, 2)
    # The sum of four is what is carried; its rounding to 8 bits is that of the average.
    pooled = net.tap(f"{name}_pool", 4 * average, [16 * value for value in x.spread])
    eight = net.fitted(f"{name}_pool8", pooled, -128, 127)
    y = net.conv8(f"{name}_down", eight, channels)
    if e2:
        gain = float(np.sqrt(9 * channels))
        return net.fixed_norm(f"{name}_downnorm", y, -128, 127, gain=gain)
    return net.fixed_norm(f"{name}_downnorm", y, -128, 127, bits=5)


def add(net: Layers, name: str, x: Flow, y: Flow) -> Flow:
    """Add two branches."""
    return net.tap(name, x.x + y.x, [a + b for a, b in zip(x.spread, y.spread, strict=True)])


def resnet_e18(
    net: Layers, x: Flow, *, width: int = 16, joins: str = "E1", **options
) -> np.ndarray:
    """ResNetE-18: behind the last sum a ReLU, which E2 puts behind a last normalisation."""
    x = resnet_e(net, x, width=width, joins=joins, **options)
    if joins == "E2":
        x = net.fixed_norm("relu", x, 0, 255, bits=6)
    else:
        x = net.fitted("relu", Flow(F.relu(x.x), x.spread), 0, 255)
    return net.dense8(x, 10, average=False)


def bireal18(net: Layers, x: Flow, *, width: int = 16, **options) -> np.ndarray:
    """Bi-Real-Net-18: convolutions scaled by the mean absolute weight, and no ReLU."""
    x = resnet_e(net, x, width=width, scaled=True, **options)
    return net.dense8(x, 10, average=False)


def growing(
    net: Layers, x: Flow, *, growth: int, blocks: tuple[int, ...], reduction: list[Fraction],
    dilated: bool = False, improve: bool = False, pad_value: int = -1, groups: int = 1,
    shuffle: int = 1,
) -> np.ndarray:  # fmt: skip
    """BinaryDenseNet, and MeliusNet, which improves the newest channels after each block."""
    dilation = (1, 1, 2, 4) if dilated else (1, 1, 1, 1)
    x = net.to_int8("stem_entry", net.conv8("stem", x, growth, kernel=3))
    for stage, count in enumerate(blocks):
        if stage:
            name, factor = f"trans{stage}", reduction[stage - 1]
            # Multiples of 32 where the growth is 64.
            channels = round(len(x.spread) / factor / (growth // 2)) * (growth // 2)
            x = transition(net, name, x, channels, dilation[stage] == 1, groups, shuffle)
        for block in range(count):
            name = f"stage{stage + 1}_block{block + 1}"

            def new(prefix: str, x: Flow, step: int = dilation[stage]) -> Flow:
                y = net.norm_sign(f"{prefix}_sign", x)
                return net.binary_conv(f"{prefix}_conv", y, growth, pad=pad_value, dilation=step)

            y = new(name, x)
            x = net.tap(f"{name}_cat", torch.cat([x.x, y.x], dim=1), x.spread + y.spread)
            if improve:
                y = new(f"{name}_improve", x)
                better = x.x.clone()
                better[:, -growth:] += y.x
                newest = [a + b for a, b in zip(x.spread[-growth:], y.spread, strict=True)]
                x = net.tap(f"{name}_joined", better, x.spread[:-growth] + newest)
    x = net.fixed_norm("relu", x, 0, 255, bits=6)
    return net.dense8(x, 10, average=True)


def transition(
    net: Layers, name: str, x: Flow, channels: int, pool: bool, groups: int, shuffle: int
) -> Flow:
    """Norm → max-pool → ReLU → channel shuffle → 1×1 convolution, on 8 bits."""
    # Signed results first: the ReLU comes after the pool. Saturation at 255 is that of 8 bits.
    norm = net.fixed_norm(f"{name}_norm", x, -(2**40), 255, bits=6)
    net.tap(f"{name}_norm", F.relu(norm.x), norm.spread)
    y = F.max_pool2d(norm.x, 2, 2) if pool else norm.x
    y = F.relu(y)
    if pool:
        net.tap(f"{name}_pool", y, norm.spread)
    if shuffle > 1:
        n, c, h, w = y.shape
        y = y.view(n, shuffle, c // shuffle, h, w).transpose(1, 2).reshape(n, c, h, w)
        net.tap(f"{name}_shuffle", y, norm.spread)
    thin = net.conv8(f"{name}_conv", Flow(y, norm.spread), channels, groups=groups)
    return net.to_int8(f"{name}_entry", thin)


def binary_densenet28(
    net: Layers, x: Flow, *, growth: int = 16, blocks: tuple[int, ...] = (6, 6, 6, 5), **options
) -> np.ndarray:
    """BinaryDenseNet-28."""
    reduction = [Fraction("2.7"), Fraction("2.7"), Fraction("2.2")]
    return growing(net, x, growth=growth, blocks=blocks, reduction=reduction, **options)


def meliusnet22(
    net: Layers, x: Flow, *, growth: int = 16, blocks: tuple[int, ...] = (4, 5, 4, 4), **options
) -> np.ndarray:
    """MeliusNet-22."""
    reduction = [Fraction(320, 160), Fraction(480, 224), Fraction(480, 256)]
    return growing(
        net, x, growth=growth, blocks=blocks, reduction=reduction, improve=True, **options
    )


def multi_base(
    net: Layers, x: Flow, *, width: int = 8, bases: tuple[int, int] = (2, 2)
) -> np.ndarray:
    """Sum over m, n of alpha[m] * beta[n] * conv(base m, sign(x - shift[n])), as ABC-Net has it."""
    x = net.to_int8("stem_entry", net.conv8("stem", x, width, kernel=3))
    beta, total, spread = net.draws.unit("beta", (bases[1],)), torch.zeros(()).double(), [0] * width
    for n in range(bases[1]):
        shift = 64 * net.draws.unit(f"shift{n}", (1,)).item() - 32
        sign = net.sign(f"sign{n}", x, shift)
        for m in range(bases[0]):
            latent = net.draws.latent(f"base{m}", (width, width, 3, 3))
            y = net.convolved(f"conv{m}{n}", sign, latent, pad=-1)
            scale = net.draws.unit(f"alpha{m}", (width,)) * beta[n] * 64
            whole = torch.floor(torch.from_numpy(scale) + 0.5).view(1, -1, 1, 1)
            part = net.tap(f"scale{m}{n}", y.x * whole, [9 * width * 64 * 64] * width)
            total = total + part.x
            spread = [a + b for a, b in zip(spread, part.spread, strict=True)]
    x = net.norm_sign("sum_sign", net.tap("sum", total, spread))
    x = net.binary_conv("depthwise", x, width, pad=1, stride=2, groups=width)
    return net.dense8(net.fixed_norm("relu", x, 0, 255, bits=6), 10, average=True)


def ternary(net: Layers, x: Flow, *, width: int = 8) -> np.ndarray:
    """TBN: activations −1, 0, +1 with one half as what must be exceeded."""

    def act(name: str, x: Flow) -> Flow:
        def step(y: torch.Tensor) -> torch.Tensor:
            return torch.sign(y) * (y.abs() > 0.5)

        return net.activation(name, x, [-0.5, 0.5], step)

    x = act("act1", net.to_int8("stem_entry", net.conv8("stem", x, width, kernel=3)))
    x = net.binary_conv("conv1", x, width, pad=0)
    x = act("act2", net.tap("pool1", F.max_pool2d(x.x, 3, 2, 1), x.spread))
    x = net.binary_conv("conv2", x, 2 * width, pad=0, stride=2)
    return net.dense8(net.fixed_norm("relu", x, 0, 255, bits=6), 10, average=True)


def dorefa(net: Layers, x: Flow, *, width: int = 8, bits: int = 4) -> np.ndarray:
    """DoReFa: round(clip(x, 0, 1) * m) with m = 2**bits − 1; 1-bit weights everywhere behind."""
    most = 2**bits - 1
    steps = [(n - 0.5) / most for n in range(1, most + 1)]
    square = most * most // (4 if most > 2 else 1)

    def act(name: str, x: Flow) -> Flow:
        return net.activation(name, x, steps, lambda y: torch.round(y.clamp(0, 1) * most), square)

    x = act("act1", net.to_int8("stem_entry", net.conv8("stem", x, width, kernel=3)))
    x = act("act2", net.binary_conv("conv1", x, width, pad=0))
    x = net.tap("pool2", F.max_pool2d(x.x, 2), x.spread)
    x = act("act3", net.binary_conv("conv2", x, width, pad=0, stride=2))
    return net.logits(net.binary_dense("fc", torch.flatten(x.x, 1), 10), unit=1)


def mlp(net: Layers, x: Flow, *, widths: tuple[int, ...] = (256, 256, 256)) -> np.ndarray:
    """Dense layers of ±1, each normalised in front of its sign, as FINN's SFC has them."""
    y = torch.flatten(x.x, 1)
    for n, width in enumerate(widths, 1):
        columns = y.shape[1]
        dots = net.tap(f"fc{n}", net.binary_dense(f"fc{n}", y, width), [columns] * width)
        y = net.norm_sign(f"act{n}", dots).x
    return net.logits(net.binary_dense("last", y, 10), unit=1, name="last")


FORWARD: dict[str, Callable[..., np.ndarray]] = {
    function.__name__: function
    for function in (
        *(resnet_e18, bireal18, binary_densenet28, meliusnet22),
        *(multi_base, ternary, dorefa, mlp),
    )
}
"""By the name of the function that builds the graph in `bnnhw.zoo`."""
