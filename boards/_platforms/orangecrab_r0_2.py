"""OrangeCrab r0.2 with a serial port on its header."""

from typing import Any

from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.orangecrab_r0_2 import (
    OrangeCrabR0_2_25FPlatform,
    OrangeCrabR0_2_85FPlatform,
)

__all__ = ["OrangeCrab25FPlatform", "OrangeCrab85FPlatform"]

_EXTRA: list[Any] = [
    Resource("led", 0, PinsN("M3", dir="o"), Attrs(IO_TYPE="LVCMOS33")),
    Resource(
        "uart",
        0,
        Subsignal("rx", Pins("0", dir="i", conn=("io", 0)), Attrs(PULLMODE="UP")),
        Subsignal("tx", Pins("1", dir="o", conn=("io", 0))),
        Attrs(IO_TYPE="LVCMOS33"),
    ),
]


class _WithoutSuffix:
    """Ask for no `dfu-suffix`: dfu-util is told the device, so the file need not name it."""

    required_tools = LatticeECP5Platform.required_tools
    command_templates = LatticeECP5Platform.command_templates


class OrangeCrab25FPlatform(_WithoutSuffix, OrangeCrabR0_2_25FPlatform):
    """Upstream's platform with `uart` on D0 and D1, and the green LED by name."""

    resources: list[Any] = [*OrangeCrabR0_2_25FPlatform.resources, *_EXTRA]


class OrangeCrab85FPlatform(_WithoutSuffix, OrangeCrabR0_2_85FPlatform):
    """The same with the larger FPGA."""

    resources: list[Any] = [*OrangeCrabR0_2_85FPlatform.resources, *_EXTRA]
