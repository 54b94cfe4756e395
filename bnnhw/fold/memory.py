"""How many block RAMs a memory takes, and when lookup tables are the better place for it."""

__all__ = ["SHAPES", "block_rams", "prefers_luts"]

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
