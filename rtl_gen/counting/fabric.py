"""What a family's cells offer, as overrides of a platform."""

from typing import Any

from bnnhw.fold.memory import SHAPES

from ..ecp5_ff import flip_flop
from ..ecp5_sum import accumulator
from ..mac16 import mac16
from ..unrolled_adders import ecp5_adder, ecp5_halver
from . import codes, ecp5, ice40

__all__ = ["Fabric", "equip"]


def equip(platform: Any, family: str, *, dsp: bool = False) -> None:
    """Give a platform the popcounts, adders and accumulators of its family, and say how RAMs are.

    Parameters
    ----------
    platform : Platform
        Any object; attributes are set.
    family : str
        ``"ecp5"`` or ``"ice40"``.
    dsp : bool
        An iCE40 has multipliers; of ECP5 all have, and Yosys finds their use.
    """
    if family == "ecp5":
        platform.get_popcount = ecp5.popcount
        platform.get_match_count = ecp5.match_count
        platform.get_code_sum = codes.code_sum
        platform.get_adder = ecp5_adder
        platform.get_halver = ecp5_halver
        platform.get_accumulator = accumulator
        platform.get_flip_flop = flip_flop
        # A block RAM takes 5.6 ns from the clock (speed grade 6), a flip-flop 0.5 ns.
        platform.block_ram_shapes = SHAPES["ecp5"]
    if family == "ice40":
        platform.get_popcount = ice40.popcount
        platform.get_match_count = ice40.match_count
        if dsp:
            platform.get_multiplier = mac16


class Fabric:
    """A platform that is nothing but a family's cells: for benches and measurements.

    Parameters
    ----------
    family, dsp
        As in `equip`.
    """

    def __init__(self, family: str, *, dsp: bool = False) -> None:
        self.family = family
        equip(self, family, dsp=dsp)
