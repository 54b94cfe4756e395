"""ULX3S with the LFE5U-45F."""

from ._parts import ECP5_45F
from ._ulx3s import ulx3s

__all__ = ["BOARD"]

BOARD = ulx3s(size="45F", budget=ECP5_45F)
