"""iCESugar-Pro with one of its LEDs by name."""

from typing import Any

from amaranth.build import Attrs, PinsN, Resource
from amaranth_boards.icesugar_pro import ICESugarProPlatform

__all__ = ["ICESugarProLedPlatform"]


class ICESugarProLedPlatform(ICESugarProPlatform):
    """Upstream's platform, which has the LEDs as one resource of three colours, with `led`."""

    resources: list[Any] = [
        *ICESugarProPlatform.resources,
        Resource("led", 0, PinsN("B11", dir="o"), Attrs(IO_TYPE="LVCMOS33")),
    ]
