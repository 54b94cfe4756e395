"""The functions of PyTorch that are written down: their names and the names of their arguments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..names import printable
from .support import SUPPORTED

__all__ = ["METADATA", "Call", "Spelling", "bound", "spelled"]

METADATA = frozenset(
    "__get__ __len__ size dim ndimension numel stride is_contiguous is_floating_point get_device "
    "type element_size data_ptr is_complex has_names storage_offset __hash__ is_same_size "
    "requires_grad_ retain_grad register_hook _is_view __repr__ __format__".split()
)
"""Facts about tensors that are no values: they may be asked for."""

_SIGNATURES = {
    "abs": "input",
    "adaptive_avg_pool2d": "input output_size",
    "add": "input other alpha",
    "addmm": "input mat1 mat2 beta alpha",
    "amax": "input dim keepdim",
    "argmax": "input dim keepdim",
    "avg_pool2d": "input kernel_size stride padding ceil_mode count_include_pad divisor_override",
    "batch_norm": "input running_mean running_var weight bias training momentum eps",
    "cat": "tensors dim",
    "ceil": "input",
    "channel_shuffle": "input groups",
    "chunk": "input chunks dim",
    "clamp": "input min max",
    "conv2d": "input weight bias stride padding dilation groups",
    "div": "input other rounding_mode",
    "eq": "input other",
    "flatten": "input start_dim end_dim",
    "floor": "input",
    "ge": "input other",
    "getitem": "input index",
    "gt": "input other",
    "hardtanh": "input min_val max_val inplace",
    "identity": "input",
    "le": "input other",
    "linear": "input weight bias",
    "log_softmax": "input dim",
    "logical_and": "input other",
    "logical_not": "input",
    "logical_or": "input other",
    "lt": "input other",
    "matmul": "input other",
    "max_pool2d": "input kernel_size stride padding dilation ceil_mode return_indices",
    "mean": "input dim keepdim",
    "mul": "input other",
    "narrow": "input dim start length",
    "ne": "input other",
    "neg": "input",
    "pad": "input pad mode value",
    "permute": "input dims",
    "relu": "input inplace",
    "relu6": "input inplace",
    "reshape": "input shape",
    "round": "input decimals",
    "rsub": "input other alpha",
    "sigmoid": "input",
    "sign": "input",
    "softmax": "input dim",
    "split": "input split_size dim",
    "sub": "input other alpha",
    "tanh": "input",
    "transpose": "input dim0 dim1",
    "where": "condition input other",
}
# Other spellings of the same; what only copies, casts or moves a tensor is the identity.
_OTHERS = {
    "absolute": "abs",
    "and": "logical_and",
    "bitwise_and": "logical_and",
    "bitwise_not": "logical_not",
    "bitwise_or": "logical_or",
    "boolean_dispatch": "max_pool2d",
    "clip": "clamp",
    "concat": "cat",
    "concatenate": "cat",
    "divide": "div",
    "greater": "gt",
    "greater_equal": "ge",
    "invert": "logical_not",
    "less": "lt",
    "less_equal": "le",
    "mm": "matmul",
    "multiply": "mul",
    "native_channel_shuffle": "channel_shuffle",
    "negative": "neg",
    "not_equal": "ne",
    "or": "logical_or",
    "radd": "add",
    "rmul": "mul",
    "squeeze": "reshape",
    "subtract": "sub",
    "t": "transpose",
    "truediv": "div",
    "true_divide": "div",
    "unsqueeze": "reshape",
    "unflatten": "reshape",
    "view": "reshape",
    "view_as": "reshape",
    "reshape_as": "reshape",
    "max_pool2d_with_indices": "max_pool2d",
    "_max_pool2d": "max_pool2d",
}
_IDENTITIES = frozenset(
    "alias alpha_dropout clone contiguous cpu detach double dropout dropout2d feature_dropout "
    "float identity to type_as requires_grad bool int long feature_alpha_dropout".split()
)
_SPLITS = frozenset({"chunk", "split"})


@dataclass(frozen=True)
class Spelling:
    """What a function is called here, and whether it changes its first argument."""

    op: str
    in_place: bool


@dataclass(frozen=True)
class Call:
    """Arguments by their names."""

    arguments: Mapping[str, Any]
    splits: bool = False


def spelled(func: Any) -> Spelling:
    """Give the one name of all spellings of a function: ``x + y``, ``x.add_(y)`` are ``add``."""
    name = str(getattr(func, "__name__", func))
    if name in METADATA:
        return Spelling(name, False)
    inner, in_place = name, False
    if name.startswith("__") and name.endswith("__"):
        inner = name[2:-2]
        in_place = inner in ("iadd", "isub", "imul", "itruediv", "setitem", "iand", "ior")
        inner = inner[1:] if in_place and inner != "setitem" else inner
    elif name.endswith("_") and not name.startswith("_"):
        inner, in_place = name[:-1], True
    inner = _OTHERS.get(inner, inner)
    return Spelling("identity" if inner in _IDENTITIES else inner, in_place)


def bound(op: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
    """Give the arguments of a call by name.

    Raises
    ------
    UsageError
        If the function is not one of those that are written down.
    """
    if op not in _SIGNATURES:
        raise UsageError(
            f"The module calls '{printable(op)}' on what depends on its input, which is not "
            "supported yet.",
            SUPPORTED,
        )
    if op == "identity":
        return Call({"input": args[0] if args else next(iter(kwargs.values()))})
    if op == "reshape":
        # The shape that comes out says it all.
        return Call({"input": args[0] if args else kwargs.get("input", kwargs.get("self"))})
    names = _SIGNATURES[op].split()
    if op in ("permute", "transpose") and len(args) > 2 and not isinstance(args[1], list | tuple):
        args = (args[0], list(args[1:])) if op == "permute" else args
    found = dict(zip(names, args, strict=False))
    renamed = {"self": "input", "axis": "dim", "x": "input", "y": "other", "split_size_or_sections":
               "split_size", "a_min": "min", "a_max": "max"}  # fmt: skip
    for name, value in kwargs.items():
        own = name if name in names else renamed.get(name, name)
        if name not in ("out", "dtype", "_stacklevel", "generator"):
            found[own] = value
        elif value is not None and name == "out":
            raise UsageError(f"The module calls '{op}' with an argument 'out'.", SUPPORTED)
    if op == "transpose" and len(found) == 1:
        found |= {"dim0": 0, "dim1": 1}
    return Call(found, op in _SPLITS)
