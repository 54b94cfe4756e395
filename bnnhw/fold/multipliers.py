"""Which products a multiplier of iCE40 takes."""

__all__ = ["fits_mac16"]

_LEAST, _MOST = 2, 16
# Products of fewer bits cost about as many cells as what joins a multiplier to the rest.
_WORTH = 11


def fits_mac16(factor_bits: int, bits: int) -> bool:
    """Tell whether SB_MAC16 of iCE40 UltraPlus multiplies a signed factor with an unsigned code.

    It has 16 bits for each. Products of fewer than 11 bits stay in lookup tables, as Yosys keeps
    them (``synth_ice40 -dsp``).

    Parameters
    ----------
    factor_bits, bits : int
        Widths of the factor and of the code.
    """
    operands = (factor_bits, bits)
    return all(_LEAST <= width <= _MOST for width in operands) and sum(operands) >= _WORTH
