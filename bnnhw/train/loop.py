"""The training of one binary network, epoch by epoch, with a state that can be stored."""

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .data import Split
from .nets import BinaryNet, binarise
from .teach import Lesson, pixels

__all__ = ["Training", "accuracy", "arrays_of", "put_arrays", "settled"]

_MEAN_DECAY = 0.998
# The mean forgets within this part of a short training, else random first weights stay in it.
_MEAN_SPAN = 1 / 7
_PART = 8192
# Of a schedule, what is no plain number is nothing that changes.
_PLAIN = (int, float, bool, list)


class Training:
    """Trains one network, which `make` gives with random weights.

    What is kept is a running mean of the latent weights: near the end many of them swing around
    0, and single states differ by more than a percent.

    Parameters
    ----------
    work : Lesson
    make : callable
        Gives a network, drawing from PyTorch's global generator.
    epochs : int
        Of the cosine along which the step size falls.
    seed : int
    lr : float
    batch : int
    """

    def __init__(
        self,
        work: Lesson,
        make: Callable[[], BinaryNet],
        *,
        epochs: int,
        seed: int,
        lr: float = 1e-2,
        batch: int = 256,
    ) -> None:
        torch.manual_seed(seed)
        self.work = work
        self.batch = batch
        self.generator = torch.Generator().manual_seed(seed)
        self.net = make()
        steps = epochs * -(-len(work.bits) // batch)
        decay = min(_MEAN_DECAY, max(0.0, 1 - 1 / (_MEAN_SPAN * steps)))
        self.mean = AveragedModel(self.net, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=lr)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)

    def epoch(self) -> tuple[float, float]:
        """Go through all images once; give the mean loss, and the part answered rightly."""
        lost, right = 0.0, 0
        for rows in torch.randperm(len(self.work.bits), generator=self.generator).split(self.batch):
            if len(rows) == 1 and len(self.work.bits) > 1:
                continue  # Batch normalisation has nothing to compare a single image with.
            logits = self.net(self.work.inputs(rows))
            loss = self.work.loss(rows, logits)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            self.net.clip()
            self.mean.update_parameters(self.net)
            lost += float(loss.detach()) * len(rows)
            right += int((logits.detach().argmax(1) == self.work.labels[rows]).sum())
        return lost / len(self.work.bits), right / len(self.work.bits)

    def result(self, most: int | None = None) -> BinaryNet:
        """Give the mean network, normalised over what it learned from, at `most` rows of it."""
        return settled(self.mean.module, self.work, most)

    def state(self) -> dict[str, np.ndarray]:
        """Give everything that the next epoch depends on, as arrays of numbers and text."""
        found = {f"net/{key}": value for key, value in arrays_of(self.net).items()}
        found |= {f"mean/{key}": value for key, value in arrays_of(self.mean.module).items()}
        for key, entry in self.optimizer.state_dict()["state"].items():
            found |= {f"adam/{key}/{name}": value.numpy() for name, value in entry.items()}
        found["averaged"] = self.mean.n_averaged.numpy()
        found["generator"] = self.generator.get_state().numpy()
        told = {k: v for k, v in self.schedule.state_dict().items() if isinstance(v, _PLAIN)}
        found["schedule"] = np.array(json.dumps(told))
        return {key: value.copy() for key, value in found.items()}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go back to what `state` gave.

        Raises
        ------
        KeyError, RuntimeError, ValueError
            If the state is of another network or damaged.
        """
        put_arrays(self.net, below(state, "net/"))
        put_arrays(self.mean.module, below(state, "mean/"))
        told = self.optimizer.state_dict()
        entries: dict[int, dict[str, Tensor]] = {}
        for key, value in below(state, "adam/").items():
            number, _, name = key.partition("/")
            entries.setdefault(int(number), {})[name] = torch.from_numpy(value.copy())
        plan = json.loads(str(state["schedule"]))
        self.schedule.load_state_dict(plan)
        told["state"] = entries
        told["param_groups"][0]["lr"] = plan["_last_lr"][0]
        self.optimizer.load_state_dict(told)
        self.mean.n_averaged.copy_(torch.from_numpy(state["averaged"].copy()))
        self.generator.set_state(torch.from_numpy(state["generator"].copy()))


def below(state: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Give the entries whose names begin with `prefix`, without it."""
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def arrays_of(net: nn.Module) -> dict[str, np.ndarray]:
    """Parameters and buffers of a module by their names."""
    return {key: value.detach().numpy().copy() for key, value in net.state_dict().items()}


def put_arrays(net: nn.Module, arrays: dict[str, np.ndarray]) -> None:
    """Put back what `arrays_of` gave; PyTorch raises RuntimeError where it does not fit."""
    net.load_state_dict({key: torch.from_numpy(value.copy()) for key, value in arrays.items()})


def settled(net: BinaryNet, work: Lesson, most: int | None = None) -> BinaryNet:
    """Copy a network with batch normalisation measured over everything that it learned from."""
    copied: Any = copy.deepcopy(net).train()
    with torch.no_grad():
        for norm in copied.norms:
            norm.reset_running_stats()
            norm.momentum = None
        for rows in torch.arange(len(work.bits))[:most].split(_PART):
            if len(rows) > 1:
                copied(work.inputs(rows))
    copied.eval()
    result: BinaryNet = copied
    return result


def accuracy(net: nn.Module, split: Split, levels: tuple[float, ...]) -> float:
    """Share of images that the network classifies rightly."""
    x, y = pixels(split.x), torch.from_numpy(split.y).long()
    right = 0
    with torch.no_grad():
        for images, labels in zip(x.split(_PART), y.split(_PART), strict=True):
            right += int((net(binarise(images, levels)).argmax(1) == labels).sum())
    return right / len(y)
