"""OrangeCrab r0.2 with the LFE5U-85F."""

from ._orangecrab import orangecrab
from ._parts import ECP5_85F

__all__ = ["BOARD"]

BOARD = orangecrab(size="85F", budget=ECP5_85F)
