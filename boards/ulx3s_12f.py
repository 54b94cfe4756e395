"""ULX3S with the LFE5U-12F, whose die is that of the 25F."""

from ._parts import ECP5_25F
from ._ulx3s import ulx3s

__all__ = ["BOARD"]

BOARD = ulx3s(size="12F", budget=ECP5_25F)
