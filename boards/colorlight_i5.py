"""Colorlight i5, with an LFE5U-25F, on MuseLab's extension board."""

from bnnhw.target import Board, Clock, Link

from ._parts import ECP5_25F, open_fpga_loader

__all__ = ["BOARD"]

BOARD = Board(
    name="colorlight-i5",
    title="Colorlight i5 on its extension board",
    family="ecp5",
    device="LFE5U-25F-6BG381",
    platform=f"{__package__}._platforms.colorlight_i5:ColorlightI5Platform",
    budget=ECP5_25F,
    clock=Clock(source_hz=25_000_000, sync_hz=50_000_000, pll="core"),
    link=Link(resource="uart", baud=115_200),
    # MuseLab's page on the module reports a locked flash memory.
    programmers=(open_fpga_loader("colorlight-i5", "--unprotect-flash"),),
    notes="The extension board's USB socket carries both the programmer and the serial port."
    " --flash overwrites the firmware that the module was sold with.",
)
