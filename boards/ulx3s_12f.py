"""ULX3S with the LFE5U-12F, whose die is that of the 25F."""

from bnnhw.target import Budget

from ._ulx3s import ulx3s

__all__ = ["BOARD"]

BOARD = ulx3s(
    size="12F",
    budget=Budget(lut4=24_288, ff=24_288, ebr=56, ebr_bits=18_432, dsp=28),
)
