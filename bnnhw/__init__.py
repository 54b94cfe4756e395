"""bnnhw: FPGA accelerators for binary neural networks, generated with open tools only."""

__all__ = ["__version__"]

__version__ = "0.1.0"
