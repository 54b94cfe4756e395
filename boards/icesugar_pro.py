"""iCESugar-Pro, with an LFE5U-25F."""

from bnnhw.target import Board, Clock, Link

from ._parts import ECP5_25F, ICESPROG

__all__ = ["BOARD"]

BOARD = Board(
    name="icesugar-pro",
    title="MuseLab iCESugar-Pro",
    family="ecp5",
    device="LFE5U-25F-6BG256",
    platform=f"{__package__}._platforms.icesugar_pro:ICESugarProLedPlatform",
    budget=ECP5_25F,
    clock=Clock(source_hz=25_000_000, sync_hz=50_000_000, pll="core"),
    link=Link(resource="uart", baud=115_200),
    programmers=(ICESPROG,),
    notes="Use the USB socket on the module: it carries both the programmer and the serial port."
    " icesprog writes the flash memory only: say --flash.",
)
