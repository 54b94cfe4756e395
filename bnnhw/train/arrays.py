"""Arrays and answers of a trained network of PyTorch."""

import numpy as np
import torch

from ..errors import CheckFailed
from .data import Split
from .export import Results, Trained
from .nets import BinaryNet, binarise
from .qonnx import BnLayer
from .teach import pixels

__all__ = ["answers", "trained"]

_PART = 2048


def trained(net: BinaryNet, *, shape: tuple[int, int, int], levels: tuple[float, ...]) -> Trained:
    """Give a network's arrays."""
    layers = [
        BnLayer(
            weight=weight.detach().numpy(),
            gamma=norm.weight.detach().numpy(),
            beta=norm.bias.detach().numpy(),
            mean=norm.running_mean.numpy(),
            var=norm.running_var.numpy(),
            eps=norm.eps,
            pool=number in net.pools,
            join=net.joined[number],
        )
        for number, (weight, norm) in enumerate(zip(net.weights, net.norms, strict=False))
    ]
    last = net.weights[-1].detach().numpy()
    return Trained(tuple(layers), last, shape, levels, net.log_scale.exp().item())


def answers(net: BinaryNet, split: Split, levels: tuple[float, ...]) -> Results:
    """Integer logits and classes of every image, as PyTorch computes them in float64.

    Raises
    ------
    CheckFailed
        If a dot product is not whole.
    """
    wide = net.double().eval()
    with torch.no_grad():
        found = [
            wide.integers(binarise(part, levels).double()) for part in pixels(split.x).split(_PART)
        ]
    net.float()
    logits = torch.cat(found)
    whole = logits.round()
    if not torch.equal(logits, whole):
        raise CheckFailed(
            "Dot products of +1 and -1 are not whole numbers.", "Please report the defect."
        )
    return Results(whole.numpy().astype(np.int32), whole.argmax(1).numpy().astype(np.int64))
