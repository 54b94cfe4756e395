"""ULX3S with the LFE5U-85F."""

from bnnhw.target import Budget

from ._ulx3s import ulx3s

__all__ = ["BOARD"]

BOARD = ulx3s(
    size="85F",
    budget=Budget(lut4=83_640, ff=83_640, ebr=208, ebr_bits=18_432, dsp=156),
)
