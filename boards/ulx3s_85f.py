"""ULX3S with the LFE5U-85F."""

from ._parts import ECP5_85F
from ._ulx3s import ulx3s

__all__ = ["BOARD"]

BOARD = ulx3s(size="85F", budget=ECP5_85F)
