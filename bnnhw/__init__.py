"""bnnhw: FPGA accelerators for binary neural networks, generated with open tools only."""

from typing import TYPE_CHECKING, Any

from .load.from_arrays import BatchNorm, ConvLayer, DenseLayer, PoolLayer, from_arrays

if TYPE_CHECKING:
    from .driver import open

__all__ = [
    "BatchNorm",
    "ConvLayer",
    "DenseLayer",
    "PoolLayer",
    "__version__",
    "from_arrays",
    "open",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # The driver brings the serial port's library, which most of the package does without.
    if name == "open":
        from .driver import open as reach

        return reach
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
