"""An AXI4-Lite slave: five streams outside, one access at a time inside."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .access import WORD_BITS, Access

__all__ = ["AxiLiteSlave"]

_OKAY, _SLVERR = 0, 2


class AxiLiteSlave(wiring.Component):
    """Turn the five channels of AXI4-Lite (ARM IHI 0022E, chapter B1) into accesses.

    One access at a time; a write begins when its address and its data are both on offer, and if a
    read waits too, the kind that was not served last goes first. The words are taken in the clock
    in which the access is done, and the response is on offer a clock later: with an access that is
    done at once, a write or a read every two clocks. While a response waits, the next access of
    its kind waits too, the other kind goes on. Responses are OKAY, or SLVERR where the access was
    an error. An access covers the whole word of its address: the two low bits are not read.

    Parameters
    ----------
    address_bits : int
        Width of a byte address, at least 3.

    Members
    -------
    i_aw, i_ar : stream of StructLayout({"addr": address_bits, "prot": 3}), in
        `prot` is not read.
    i_w : stream of StructLayout({"data": 32, "strb": 4}), in
    o_b : stream of StructLayout({"resp": 2}), out
    o_r : stream of StructLayout({"data": 32, "resp": 2}), out
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
        address = data.StructLayout({"addr": address_bits, "prot": 3})
        written = data.StructLayout({"data": WORD_BITS, "strb": WORD_BITS // 8})
        answer = data.StructLayout({"data": WORD_BITS, "resp": 2})
        super().__init__(
            {
                "i_aw": In(stream.Signature(address)),
                "i_w": In(stream.Signature(written)),
                "o_b": Out(stream.Signature(data.StructLayout({"resp": 2}))),
                "i_ar": In(stream.Signature(address)),
                "o_r": Out(stream.Signature(answer)),
                "access": Out(Access(address_bits - 2)),
            }
        )

    @property
    def address_bits(self) -> int:
        """Width of a byte address."""
        return self._address_bits

    def elaborate(self, platform: object) -> Module:
        """Build the choice between reads and writes, and the two responses."""
        m = Module()
        access, aw, w, ar = self.access, self.i_aw, self.i_w, self.i_ar
        wants_write, wants_read = Signal(), Signal()
        # The kind that goes first if both wait; kept while an access is under way.
        turn, locked = Signal(), Signal()
        writing = Signal()
        done = access.request & access.done
        m.d.comb += [
            wants_write.eq(aw.valid & w.valid & ~self.o_b.valid),
            wants_read.eq(ar.valid & ~self.o_r.valid),
            writing.eq(Mux(locked, turn, wants_write & (turn | ~wants_read))),
            access.request.eq(wants_write | wants_read),
            access.write.eq(writing),
            access.address.eq(Mux(writing, aw.payload.addr, ar.payload.addr) >> 2),
            access.data.eq(w.payload.data),
            access.strobe.eq(w.payload.strb),
            aw.ready.eq(writing & done),
            w.ready.eq(writing & done),
            ar.ready.eq(~writing & done),
        ]
        with m.If(self.o_b.ready):
            m.d.sync += self.o_b.valid.eq(0)
        with m.If(self.o_r.ready):
            m.d.sync += self.o_r.valid.eq(0)
        response = Mux(access.error, _SLVERR, _OKAY)
        with m.If(done):
            m.d.sync += [locked.eq(0), turn.eq(~writing)]
            with m.If(writing):
                m.d.sync += [self.o_b.valid.eq(1), self.o_b.payload.resp.eq(response)]
            with m.Else():
                m.d.sync += [
                    self.o_r.valid.eq(1),
                    self.o_r.payload.resp.eq(response),
                    self.o_r.payload.data.eq(Mux(access.error, 0, access.value)),
                ]
        with m.Elif(access.request):
            m.d.sync += [locked.eq(1), turn.eq(writing)]
        return m
