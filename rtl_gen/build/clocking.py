"""The clocks of a board: `sync` from its oscillator or the PLL, and those of USB; their resets."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from bnnhw.target import Board, Clock

from ..link import USB_HZ, USB_IO_HZ
from .pll import ecp5_dividers, ice40_dividers

__all__ = ["BoardClock", "PowerOnReset"]


class PowerOnReset(wiring.Component):
    """Hold a reset until the clock has been good for a while.

    `rst` is 1 from configuration on and falls `cycles` + 3 clock cycles after `locked` has risen
    (three for the synchroniser and the output register); a `locked` that falls raises it again
    after three. It runs in `sync`, which must then have no reset of its own.

    Parameters
    ----------
    cycles : int
        How long to wait; rounded up to a power of two, at least 2.

    Members
    -------
    locked : In(1)
        The clock is good; asynchronous.
    rst : Out(1)
        Reset, synchronous to `sync`.

    Raises
    ------
    ValueError
        If `cycles` is not a positive integer.
    """

    def __init__(self, *, cycles: int) -> None:
        if not isinstance(cycles, int) or cycles < 1:
            raise ValueError(f"Cycles must be a positive integer, not {cycles!r}")
        self._cycles = 1 << max((cycles - 1).bit_length(), 1)
        super().__init__(
            {"locked": In(1), "rst": Out(1, init=1)}  # type: ignore[call-arg]  # stubs lack init
        )

    @property
    def cycles(self) -> int:
        """Clock cycles between lock and release."""
        return self._cycles

    def elaborate(self, platform: Any) -> Module:
        """Build the counter; its top bit says that it is done."""
        m = Module()
        locked = Signal()
        timer = Signal(range(self._cycles + 1))
        m.submodules.lock = FFSynchronizer(self.locked, locked, reset_less=True)
        with m.If(~locked):
            m.d.sync += timer.eq(0)
        with m.Elif(~timer[-1]):
            m.d.sync += timer.eq(timer + 1)
        m.d.sync += self.rst.eq(~timer[-1])
        return m


class BoardClock(Elaboratable):
    """Drive the domain `sync` that the parent has created, and those of USB where there are some.

    The clock comes from the platform's default clock, through the PLL where the board says so. The
    reset is held until the PLL has locked and then for at least 15 microseconds, because the block
    RAMs of iCE40 read as zero for the first three after configuration. The clocks of USB come from
    a second PLL, so that `sync` may have any frequency; its edges of both fall together.

    Parameters
    ----------
    board : Board
    sync : ClockDomain
        The domain. Place and route derives its frequency from the pin and the PLL.
    usb, usb_io : ClockDomain or None
        Those that `UsbSerial` needs.
    """

    def __init__(self, *, board: Board, sync: Any, usb: Any = None, usb_io: Any = None) -> None:
        self._board = board
        self._sync = sync
        self._usb, self._usb_io = usb, usb_io

    def elaborate(self, platform: Any) -> Module:
        """Join oscillator, PLL and reset."""
        m = Module()
        clock = self._board.clock
        pin = platform.request(platform.default_clk, 0, dir="-")
        locked = Signal()
        m.submodules.reset = _power_on(m, "por", self._sync, clock.sync_hz, locked)
        if clock.pll == "pad":
            m.submodules.pll = _ice40_pll(clock, self._sync.clk, locked, PACKAGEPIN=pin.io)
        else:
            m.submodules.pin = buffer = io.Buffer(io.Direction.Input, pin)
            if clock.pll == "none":
                m.d.comb += [self._sync.clk.eq(buffer.i), locked.eq(1)]
            elif self._board.family == "ice40":
                m.submodules.pll = _ice40_pll(clock, self._sync.clk, locked, REFERENCECLK=buffer.i)
            else:
                m.submodules.pll = _ecp5_pll(clock, self._sync.clk, locked, buffer.i)
            if self._usb is not None:
                self._usb_clocks(m, buffer.i)
        return m

    def _usb_clocks(self, m: Module, source: Value) -> None:
        usb, usb_io, locked = self._usb, self._usb_io, Signal()
        wanted = Clock(source_hz=self._board.clock.source_hz, sync_hz=USB_IO_HZ, pll="core")
        m.submodules.usb_pll = _ecp5_pll(wanted, usb_io.clk, locked, source, slow=usb.clk)
        m.submodules.usb_reset = _power_on(m, "usb_por", usb, USB_HZ, locked)
        # Where one has an edge, so has the other: what `usb` has registered is good for both.
        m.d.comb += usb_io.rst.eq(usb.rst)


def _power_on(m: Module, name: str, domain: Any, hertz: int, locked: Signal) -> Elaboratable:
    """Give what makes the reset of a domain."""
    # This domain has the same clock and no reset: what makes the reset runs in it.
    por: Any = ClockDomain(name, reset_less=True, local=True)
    m.domains += por
    reset = PowerOnReset(cycles=-(-hertz * 15 // 1_000_000))
    m.d.comb += [por.clk.eq(domain.clk), reset.locked.eq(locked), domain.rst.eq(reset.rst)]
    return DomainRenamer(name)(reset)


def _ice40_pll(clock: Clock, out: Signal, locked: Signal, **source: object) -> Instance:
    """Instantiate the cell whose only input port, with its name, is `source`."""
    found = ice40_dividers(clock.source_hz, clock.sync_hz)
    return Instance(
        "SB_PLL40_PAD" if "PACKAGEPIN" in source else "SB_PLL40_CORE",
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=Const(found.divr, 4),
        p_DIVF=Const(found.divf, 7),
        p_DIVQ=Const(found.divq, 3),
        p_FILTER_RANGE=Const(found.filter_range, 3),
        i_RESETB=Const(1),
        i_BYPASS=Const(0),
        o_PLLOUTGLOBAL=out,
        o_LOCK=locked,
        **{f"i_{name}": value for name, value in source.items()},
    )


def _ecp5_pll(
    clock: Clock, out: Signal, locked: Signal, source: Value, *, slow: Signal | None = None
) -> Instance:
    """Instantiate the cell; `slow` is a second output with a quarter of the frequency."""
    found = ecp5_dividers(clock.source_hz, clock.sync_hz)
    # Both outputs begin at the same period of the oscillator, so that their edges fall together.
    second: dict[str, Any] = {} if slow is None else {
        "p_CLKOS_ENABLE": "ENABLED",
        "p_CLKOS_DIV": USB_IO_HZ // USB_HZ * found.clkop,
        "p_CLKOS_CPHASE": found.clkop // 2,
        "p_CLKOS_FPHASE": 0,
        "p_OUTDIVIDER_MUXB": "DIVB",
        "o_CLKOS": slow,
    }  # fmt: skip
    return Instance(
        "EHXPLLL",
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA",
        p_CLKOP_ENABLE="ENABLED",
        p_CLKI_DIV=found.clki,
        p_CLKFB_DIV=found.clkfb,
        p_CLKOP_DIV=found.clkop,
        p_CLKOP_CPHASE=found.clkop // 2,
        p_CLKOP_FPHASE=0,
        p_FEEDBK_PATH="CLKOP",
        i_CLKI=source,
        i_CLKFB=out,
        i_RST=Const(0),
        i_STDBY=Const(0),
        i_PHASESEL0=Const(0),
        i_PHASESEL1=Const(0),
        i_PHASEDIR=Const(1),
        i_PHASESTEP=Const(1),
        i_PHASELOADREG=Const(1),
        i_PLLWAKESYNC=Const(0),
        i_ENCLKOP=Const(0),
        o_CLKOP=out,
        o_LOCK=locked,
        **second,
    )
