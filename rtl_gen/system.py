"""An accelerator behind a UART, SPI or USB: what a board's top holds."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from bnnhw.bits import frame_bytes
from bnnhw.errors import UsageError
from bnnhw.plan import Plan, TopKPlan
from bnnhw.plan.writable import describe

from .accelerator import Accelerator
from .link import CLOCKS_PER_BIT, SPI_WIRES, UART_WIRES, USB_WIRES, HostLink, ResultBytes
from .naming import label
from .width import WidthConverter

__all__ = ["LinkedAccelerator", "divisor_for", "link_facts"]

_WORST_ERROR = 0.015


def divisor_for(clock_hz: int, baud: int) -> int:
    """Find the clocks of one bit.

    Raises
    ------
    UsageError
        If the nearest rate is more than 1.5 % off, or a bit would be shorter than 4 clocks.
    """
    divisor = round(clock_hz / baud)
    if divisor < 4 or abs(clock_hz / divisor / baud - 1) > _WORST_ERROR:
        best = clock_hz / max(4, divisor)
        raise UsageError(
            f"A clock of {clock_hz / 1e6:g} MHz gives no {baud} baud: the nearest is {best:.0f}.",
            f"Choose a rate that divides {clock_hz} Hz into at least 4 clocks, such as 115200.",
        )
    return divisor


def link_facts(clock_hz: int, baud: int | None, *, usb: bool = False) -> dict[str, Any]:
    """Say for the manifest what line a `LinkedAccelerator` has, as JSON values."""
    if usb:
        return {"kind": "usb", "clock_hz": clock_hz}
    if baud is None:
        return {"kind": "spi", "clock_hz": clock_hz, "max_hz": clock_hz // CLOCKS_PER_BIT}
    return {"kind": "uart", "clock_hz": clock_hz, "baud": baud}


class LinkedAccelerator(wiring.Component):
    """An accelerator that answers a host over a line, in the frames of `docs/protocol.md`.

    Requests wait in the link's buffers while the accelerator works, so that line and hardware
    overlap; answers leave in the order of the requests. Random bytes on the line wedge nothing.

    Where the line does not limit, an image of f bytes takes ``max(plan.cycles, 2 * f)`` clocks, or
    one for each byte of its answer where these are more: a byte of a request leaves its buffer
    every two. On a UART a byte of a request takes ``10 * divisor`` clocks (`divisor_for`), one of
    an answer one clock more. While answers wait for the line the accelerator stalls, and nothing
    is lost.

    Parameters
    ----------
    plan : Plan
    clock_hz : int
        Frequency of `sync`.
    baud : int or None
        Rate of the UART; None where the line is SPI or USB.
    benchmark : bool
        Run an image many times where the host asks for it, and count the clocks.
    credits : int or None
        Requests that may be under way, see `HostLink`.
    usb : bool
        The line is USB; `usb` and `usb_io` are there, see `UsbSerial`.

    Members
    -------
    rx : In(1)
        Line from the host, asynchronous.
    tx : Out(1)
        Line to the host, from a register.
    sck, cs, mosi : In(1)
    miso : Out(1)
        In place of these two, where the line is SPI: see `SpiPeripheral`.
    usb_p_i, usb_n_i : In(1)
    usb_p_o, usb_n_o, usb_oe, usb_pullup : Out(1)
        In place of them, where it is USB: see `UsbSerial`.

    Raises
    ------
    UsageError
        If the clock does not give the rate.
    ToolMissing
        If USB is asked for, and LUNA is not installed.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        clock_hz: int,
        baud: int | None,
        benchmark: bool = False,
        credits: int | None = None,
        usb: bool = False,
    ) -> None:
        self._plan = plan
        answer = plan.answer
        code, index = frame_bytes(1, answer.bits_out), frame_bytes(1, answer.index_bits)
        first = plan.blocks[0]
        weights = describe(plan) or {"blocks": 0, "crc32": None}
        self._link = HostLink(
            divisor=None if baud is None else divisor_for(clock_hz, baud),
            frame_bytes=frame_bytes(first.elements_in, first.bits_in),
            answer_bytes=answer.elements_out * (code + index)
            if isinstance(answer, TopKPlan)
            else answer.elements_out * code + index,
            classes=answer.elements_in,
            identity=bytes.fromhex(plan.identity),
            clock_hz=clock_hz,
            weight_blocks=weights["blocks"],
            weight_crc=weights["crc32"],
            benchmark=benchmark,
            credits=credits,
            usb=usb,
        )
        self._wires = USB_WIRES if usb else SPI_WIRES if baud is None else UART_WIRES
        super().__init__(dict(self._wires))

    @property
    def plan(self) -> Plan:
        """What is behind the line."""
        return self._plan

    def elaborate(self, platform: object) -> Module:
        """Build the link, the accelerator, and the change from bytes to lanes and back."""
        m = Module()
        first, answer = self._plan.blocks[0], self._plan.answer
        m.submodules.link = link = self._link
        m.submodules.accelerator = core = Accelerator(self._plan)
        m.submodules.lanes = lanes = WidthConverter(
            elements=first.elements_in, bits=first.bits_in, lanes_in=8 // first.bits_in,
            lanes_out=first.lanes_in,
        )  # fmt: skip
        m.submodules.bytes = octets = ResultBytes(
            bits=answer.bits_out, index_bits=answer.index_bits, ranked=isinstance(answer, TopKPlan)
        )
        label(link, "link")
        label(core, "accelerator")
        label(lanes, "lanes")
        label(octets, "bytes")
        m.d.comb += [
            # One byte is eight elements of one bit, or fewer wider ones: the same wires.
            lanes.i.payload.as_value().eq(link.o.payload.as_value()),
            lanes.i.valid.eq(link.o.valid),
            link.o.ready.eq(lanes.i.ready),
        ]
        for name, member in self._wires.items():
            outer, inner = getattr(self, name), getattr(link, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        wiring.connect(m, lanes.o, core.i)
        wiring.connect(m, core.o, octets.i)
        wiring.connect(m, octets.o, link.i)
        if self._plan.writable:
            wiring.connect(m, link.o_load, core.i_load)
        return m
