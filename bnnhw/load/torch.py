"""PyTorch and bitorch: a live module, a state_dict with its class, or a file that recorded one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..graph import Graph
from ..names import printable
from .chain import graph_name
from .torch_description import Description
from .torch_read import from_description
from .torch_trace import load_state, trace
from .torch_values import Rounding

__all__ = [
    "Description",
    "Rounding",
    "from_description",
    "from_module",
    "from_state_dict",
    "load_recorded",
    "record",
    "trace",
]


def from_module(
    model: Any,
    example_input: Any,
    *,
    pixel: str = "unit",
    rounding: Rounding | None = None,
    exact: bool = False,
    name: str | None = None,
) -> Graph:
    """Make the integer graph of a live module of PyTorch.

    The module is run on the example; every function of PyTorch that it calls is read, so that
    binarisation is taken as the module does it and not guessed: weights are the numbers that the
    module's own quantiser gives, and the thresholds of activations are found by evaluating the
    module's own functions in exact arithmetic. Layers with ±1 weights are exact.

    Parameters
    ----------
    model : torch.nn.Module
        On the CPU; it is run as at inference.
    example_input : tensor or array of floats, shape (n, ...)
        Images as the module expects them; the ranges to which 8-bit layers are rounded are taken
        from them, so give some that are typical.
    pixel : str
        What the module expects for an 8-bit pixel p: "unit" (p / 255), "byte" (p) or "centred"
        (2 * p / 255 - 1).
    rounding : Rounding or None
        How layers that are float in the module are rounded; ``graph.meta["rounding"]`` says where.
    exact : bool
        Refuse whatever must be rounded.
    name : str or None
        Name of the graph; by default that of the module's class.

    Raises
    ------
    UsageError
        If the module does what is not supported; nothing is guessed.
    ToolMissing
        If PyTorch is not installed.
    """
    label = f"the module {type(model).__name__}"
    return from_description(
        trace(model, example_input),
        pixel=pixel, rounding=rounding, exact=exact, name=name, source=label,
    )  # fmt: skip


def from_state_dict(
    model: Any, state: Path | Mapping[str, Any], example_input: Any, **options: Any
) -> Graph:
    """Make the integer graph of a module whose parameters are in a state_dict, or a file of one.

    Parameters
    ----------
    model : torch.nn.Module
        Of the class that the state is of; gets the state.
    state : Path or mapping
    example_input, **options
        As `from_module` has them.

    Raises
    ------
    UsageError
        If the state does not suit the module, and as `from_module`.
    ToolMissing
        If PyTorch is not installed.
    """
    return from_module(load_state(model, state), example_input, **options)


def record(model: Any, example_input: Any, path: Path) -> None:
    """Write a module down as an .npz, which every command reads without PyTorch.

    Raises
    ------
    UsageError
        If the module does what cannot be written down.
    ToolMissing
        If PyTorch is not installed.
    """
    trace(model, example_input).save(path)


def load_recorded(path: Path, *, name: str | None = None, pixel: str = "auto") -> Graph:
    """Make the integer graph of a file that `record` wrote.

    Raises
    ------
    UsageError
        If the file is damaged, or the module does what is not supported.
    """
    return from_description(
        Description.load(path),
        pixel=pixel,
        name=name or graph_name(path.stem),
        source=f"'{printable(str(path))}'",
    )
