"""How a width converter between lanes of which none divides the other is laid out."""

import math

from ..plan.blocks import ConverterPlan, ceil_div
from .unit_terms import Terms, counters

__all__ = ["gearbox_terms", "gearbox_units"]


def gearbox_units(block: ConverterPlan) -> tuple[int, int]:
    """Give the phases of a gearbox, and the elements that its shift register holds.

    Parameters
    ----------
    block : ConverterPlan
        Lanes of which neither divides the other.

    Returns
    -------
    phases : int
        Places at which a word may land.
    elements : int
        As in `rtl_gen.width`: what is left of a word and what comes on top of it.
    """
    common = math.gcd(block.lanes_in, block.lanes_out)
    a, b = block.lanes_in // common, block.lanes_out // common
    offsets = [n * a % b for n in range(min(b, block.words_in))]
    tail = block.elements_in - (block.words_in - 1) * block.lanes_in
    end_whole = ceil_div(offsets[(block.words_in - 1) % b] + ceil_div(tail, common), b)
    most = max(end_whole, *((offset + a) // b for offset in offsets))
    inner = offsets if block.words_in > b else offsets[: block.words_in - 1]
    return len(offsets), common * max([most * b, *(offset + a for offset in inner)])


def gearbox_terms(block: ConverterPlan) -> Terms:
    """Give what the LUT4 of a gearbox grow with: a shift register into which words are placed.

    Parameters
    ----------
    block : ConverterPlan
        As for `gearbox_units`.
    """
    common = math.gcd(block.lanes_in, block.lanes_out)
    unit = common * block.bits_in
    a, b = block.lanes_in // common, block.lanes_out // common
    phases, elements = gearbox_units(block)
    units = elements // common
    offsets = [n * a % b for n in range(phases)]
    fine = max(offset % a for offset in offsets)
    steps = len({offset // a for offset in offsets})
    stages = fine.bit_length()
    return {
        **counters(phases, ceil_div(block.words_in, phases), block.words_out),
        "held": units * unit,
        "kept": max(0, units - b) * unit,
        "fine": sum(a + min(fine, (2 << stage) - 1) for stage in range(stages)) * unit,
        "coarse": min(steps * (a + fine), 2 * units) * unit,
        "phases": (phases if phases > 4 else 1) * (stages + (steps - 1).bit_length() + 1),
    }
