"""A Wishbone slave: single cycles outside, one access at a time inside."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .access import WORD_BITS, Access

__all__ = ["WishboneSlave"]


class WishboneSlave(wiring.Component):
    """Turn the cycles of a Wishbone B4 classic bus, 32 bits wide, into accesses.

    `ack` or `err` comes from a register, a clock after the access was done: with an access that is
    done at once, a cycle takes two clocks. Neither comes without `cyc` and `stb`; a master that
    gives up a cycle cannot know whether it was done. The word of an address is accessed as a whole:
    the two low bits of `adr` are not read, `sel` says which bytes are written.

    Parameters
    ----------
    address_bits : int
        Width of a byte address, at least 3.

    Members
    -------
    cyc, stb, we : In(1)
    adr : In(address_bits)
        Byte address.
    sel : In(4)
    dat_w : In(32)
        Towards the slave (DAT_I).
    dat_r : Out(32)
        From the slave (DAT_O); holds with `ack`.
    ack, err : Out(1)
    access : Access(address_bits - 2), out

    Raises
    ------
    ValueError
        If `address_bits` is below 3.
    """

    def __init__(self, *, address_bits: int) -> None:
        if not isinstance(address_bits, int) or address_bits < 3:
            raise ValueError(f"Address bits must be an integer from 3 on, not {address_bits!r}")
        self._address_bits = address_bits
        super().__init__(
            {
                "cyc": In(1),
                "stb": In(1),
                "we": In(1),
                "adr": In(address_bits),
                "sel": In(WORD_BITS // 8),
                "dat_w": In(WORD_BITS),
                "dat_r": Out(WORD_BITS),
                "ack": Out(1),
                "err": Out(1),
                "access": Out(Access(address_bits - 2)),
            }
        )

    @property
    def address_bits(self) -> int:
        """Width of a byte address."""
        return self._address_bits

    def elaborate(self, platform: object) -> Module:
        """Build the request and the registered answer."""
        m = Module()
        access = self.access
        selected = self.cyc & self.stb
        good, bad = Signal(), Signal()
        m.d.comb += [
            # In the clock of its answer a cycle still stands.
            access.request.eq(selected & ~good & ~bad),
            self.ack.eq(selected & good),
            self.err.eq(selected & bad),
            access.write.eq(self.we),
            access.address.eq(self.adr >> 2),
            access.data.eq(self.dat_w),
            access.strobe.eq(self.sel),
        ]
        done = access.request & access.done
        m.d.sync += [good.eq(done & ~access.error), bad.eq(done & access.error)]
        with m.If(done):
            m.d.sync += self.dat_r.eq(Mux(access.error, 0, access.value))
        return m
