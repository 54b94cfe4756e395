"""bnnhw: FPGA accelerators for binary neural networks, generated with open tools only."""

from .load.from_arrays import BatchNorm, ConvLayer, DenseLayer, PoolLayer, from_arrays

__all__ = ["BatchNorm", "ConvLayer", "DenseLayer", "PoolLayer", "__version__", "from_arrays"]

__version__ = "0.1.0"
