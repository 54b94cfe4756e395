"""Colorlight i5 (v7.0, and v6.0, which has the same pins) on its extension board."""

from typing import Any

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal
from amaranth.vendor import LatticeECP5Platform

__all__ = ["ColorlightI5Platform"]

_LVCMOS33 = Attrs(IO_TYPE="LVCMOS33")


class ColorlightI5Platform(LatticeECP5Platform):
    """What the module's own page and the extension board's serial example say of the pins."""

    device = "LFE5U-25F"
    package = "BG381"
    speed = "6"
    default_clk: Any = "clk25"
    resources: Any = [
        Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), _LVCMOS33),
        Resource("led", 0, PinsN("U16", dir="o"), _LVCMOS33),
        Resource(
            "uart",
            0,
            Subsignal("rx", Pins("H18", dir="i"), Attrs(PULLMODE="UP")),
            Subsignal("tx", Pins("J17", dir="o")),
            _LVCMOS33,
        ),
    ]
    connectors: Any = []
