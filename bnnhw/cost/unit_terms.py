"""What the cells of units with weights grow with, and of counters and thresholds."""

import math

from ..bits import bits_for
from ..fold.array import ADDERS_FROM
from ..fold.folding import WRITABLE
from ..fold.sharing import share_words
from ..plan.units import IntMvtuPlan, MvtuPlan
from .hard import fused

__all__ = ["Terms", "array_terms", "counters", "int_array_terms", "levels_terms", "staged"]

Terms = dict[str, float]
"""Numbers by name."""


def counters(*sizes: int) -> Terms:
    """Give the bits of counters of so many values, apart those of counters longer than a LUT4."""
    bits = [bits_for(size) for size in sizes if size > 1]
    long = [width for width in bits if width > 4]
    return {"bits": sum(bits) - sum(long), "long": sum(map(even, long)), "chains": len(long)}


def even(width: int) -> int:
    """Round up to the bits of whole carry cells: one of ECP5 has two."""
    return width + width % 2


def levels_terms(lanes: int, bits: int, levels: int, folds: int, search: bool) -> Terms:
    """Give the terms of thresholds: those of a comparison, or of a search."""
    width = lanes * levels * bits
    across = lanes * levels * even(bits)
    found: Terms = {"lanes": lanes, **counters(folds)}
    if search:
        stages = levels.bit_length()
        return found | {
            "compared": lanes * even(bits) * stages,
            "compares": lanes * stages,
            "kept": lanes * (bits + stages) * (stages - 1),
            "choice": lanes * bits * (levels - stages) if folds == 1 else 0,
        }
    varies = folds > 1
    return found | {
        "compared": across if varies else 0,
        "compares": lanes * levels if varies else 0,
        "fixed": 0 if varies else width,
        "summed": lanes * (levels - levels.bit_length()),
    }


def staged(simd: int, every: int) -> int:
    """Count the registers inside a count: those of partial sums at every so many levels."""
    found = 0
    for level in range(1, simd.bit_length()):
        if every and level % every == 0:
            found += (level + 1) * -(-simd // (2 << level))
    return found


def array_terms(block: MvtuPlan) -> Terms:
    """Give the terms of a unit with ±1 weights, its memories not included."""
    if block.words is not None:
        counts = share_words(block.words, block.columns, block.bits_in).luts()
        return {
            "counts": counts,
            "lines": block.pe * block.bits_out,
            "totals": block.pe * block.count_bits,
        }
    pairs, rows = block.pe * block.simd * block.bits_in, block.pe
    counted = bits_for(block.simd * ((1 << block.bits_in) - 1) + 1) + block.masked
    # Counts of planes are added, or whole codes are.
    whole = block.bits_in >= ADDERS_FROM
    wide = rows * block.simd * (block.bits_in - 1)
    # One word of weights is a constant.
    fixed = block.groups * block.cycles == block.vectors and block.weight_style not in WRITABLE
    terms: Terms = {
        "pe": rows,
        "pairs": 0 if fixed else pairs,
        "fixed_pairs": pairs if fixed else 0,
        "wide": 0 if whole else wide,
        "codes": wide if whole else 0,
        "counted": rows * counted,
        "totals": rows * (block.count_bits + fused(block)),
        "masked": rows * counted if block.masked else 0,
        "group": block.simd * block.bits_in,
        "staged": rows * block.bits_in * staged(block.simd, block.every),
        "weights": rows * block.simd,
        "again": 1 if block.neuron_folds > 1 else 0,
        "turns": block.hold.bit_length() if block.hold > 1 else 0,
        "skid": rows * block.bits_out + 1 if block.depth == 2 else 0,
        "queue": rows * block.bits_out + 1 if block.depth > 2 else 0,
    }
    folds = block.groups * block.neuron_folds
    again = block.neuron_folds > 1
    words = [block.synapse_folds, block.vectors, block.depth]
    words += [block.synapse_folds, block.neuron_folds, 2 * block.synapse_folds] if again else []
    terms |= counters(*words)
    if block.thresholds is not None and not fused(block):
        bits = block.threshold_bits
        found = levels_terms(rows, bits, block.levels, folds, block.search)
        terms |= {
            name: value for name, value in found.items() if name not in ("bits", "long", "chains")
        }
    elif block.offsets is not None:
        terms["offset"] = rows * block.bits_out
    if block.weight_style in WRITABLE:
        terms["chunks"] = math.ceil(rows * block.simd / 16)
    return terms


def int_array_terms(block: IntMvtuPlan) -> Terms:
    """Give the terms of a unit with weights of several bits, its memories not included."""
    lanes = block.pe * block.simd
    width = block.weight_bits + block.bits_in
    product = lanes * block.weight_bits * block.bits_in
    more = product - product // block.bits_in
    fixed = block.groups * block.cycles == block.vectors
    return {
        "pe": block.pe,
        "lanes": lanes,
        "added": block.pe * (block.simd - 1) * width,
        # A code of one bit chooses between a weight and 0.
        "gated": product // block.bits_in if not fixed else 0,
        "product_lut": more if block.multiplier == "lut" and not fixed else 0,
        "product_dsp": more if block.multiplier == "dsp" and not fixed else 0,
        "fixed_lut": product if fixed and block.multiplier == "lut" else 0,
        "fixed_dsp": product if fixed and block.multiplier == "dsp" else 0,
        "summed": block.pe * block.bits_out,
        "simd": block.simd * block.bits_in,
        **counters(block.synapse_folds, block.neuron_folds, block.vectors),
    }
