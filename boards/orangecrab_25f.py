"""OrangeCrab r0.2 with the LFE5U-25F."""

from ._orangecrab import orangecrab
from ._parts import ECP5_25F

__all__ = ["BOARD"]

BOARD = orangecrab(size="25F", budget=ECP5_25F)
