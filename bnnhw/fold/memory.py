"""How many block RAMs a memory takes, and which structure is the better place for numbers."""

__all__ = ["BLOCK_FOLDS", "SHAPES", "block_rams", "prefers_luts", "prefers_search"]

SHAPES = {
    # Depth × width of one block RAM in each of its modes (Lattice iCE40 and ECP5 memory usage
    # guides).
    "ice40": ((256, 16), (512, 8), (1024, 4), (2048, 2)),
    "ecp5": ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
}


def block_rams(family: str, width: int, depth: int) -> int:
    """Count the block RAMs that hold `depth` words of `width` bits in the best mode."""
    return min(-(-width // w) * -(-depth // d) for d, w in SHAPES[family])


def prefers_luts(width: int, depth: int) -> bool:
    """Tell whether a ROM is better off in lookup tables.

    A LUT4 holds 16 words of one bit. Both families have about 200 LUT4 for each block RAM, so that
    a ROM of one block RAM's width (16 to 36 bits) breaks even near 64 words; above that block RAM
    is cheaper, and narrow shallow ROMs always fit LUTs.
    """
    return depth <= 32 or width * depth <= 1024


FEW_FOLDS = 8
"""Most words of thresholds whose tables are a LUT or two for each bit."""
BLOCK_FOLDS = 64
"""Fewest words of thresholds that were measured to be better off in block RAM."""


def prefers_search(levels: int, folds: int) -> bool:
    """Tell whether a search is smaller than the comparison with all thresholds at once.

    The rule was measured with 4 lanes of 8 bits, packed by nextpnr; both ways grow with lanes and
    bits alike. Cells (and block RAMs) of the
    comparison, then of the search; 64 folds with both in block RAM, the others as Yosys chooses:

    ======  =====  =====================  ======================
    levels  folds  iCE40                  ECP5
    ======  =====  =====================  ======================
    3       1      76, 101                94, 74
    3       4      143, 183               164, 138
    3       16     229, 324               260, 263
    3       64     136 (7), 148 (6)       169 (3), 129 (5)
    7       1      213, 229               262, 151
    7       4      310, 309               380, 232
    7       8      488, 423               501, 347
    7       16     534, 722               608, 655
    7       64     308 (15), 240 (10)     393 (7), 181 (9)
    15      1      516, 353               666, 239
    15      4      644, 517               818, 402
    15      16     1199, 813 (4)          1270, 1301
    15      64     657 (32), 336 (18)     843 (15), 233 (13)
    ======  =====  =====================  ======================

    A search among 3 saves one comparator of three, and its registers cost as much. Among 15 it is
    smaller, or as large where the thresholds are many but still in LUTs, since selecting among them
    costs what the comparators save. Among 7 that middle is a loss.

    Parameters
    ----------
    levels : int
        Thresholds of a lane.
    folds : int
        Words of thresholds. With `BLOCK_FOLDS` or more, ask for block RAM.
    """
    if levels & (levels + 1) or levels < 7:
        return False
    return levels > 7 or folds <= FEW_FOLDS or folds >= BLOCK_FOLDS
