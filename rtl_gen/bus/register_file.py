"""The registers of a unit, and the way to its memories."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .access import Access
from .register_map import CONTROL, STATUS, RegisterMap

__all__ = ["RegisterFile"]


class RegisterFile(wiring.Component):
    """Answer accesses to registers at once, and lead those to memories on.

    Combinational but for CONTROL: latency 0. What the table does not have is an error, and so is
    a write to what can only be read. Memories are not read, so they have no way back.

    Parameters
    ----------
    table : RegisterMap

    Members
    -------
    access : Access(table.address_bits - 2), in
    run : Out(1)
        RUN of CONTROL.
    busy : In(1)
        BUSY of STATUS; its OPEN is neither.
    NAME : Access(window.address_bits), out
        For each memory, by its name in small letters.
    """

    def __init__(self, *, table: RegisterMap) -> None:
        self._table = table
        members = {
            "access": In(Access(table.address_bits - 2)),
            "run": Out(1),
            "busy": In(1),
        }
        for window in table.windows:
            members[window.name.lower()] = Out(Access(window.address_bits))
        super().__init__(members)

    @property
    def table(self) -> RegisterMap:
        """What is where."""
        return self._table

    def elaborate(self, platform: object) -> Module:
        """Build one case a register, and one comparator a memory."""
        m = Module()
        access = self.access
        m.d.comb += [access.done.eq(access.request), access.error.eq(1)]
        with m.Switch(access.address):
            for register in self._table.registers:
                with m.Case(register.offset // 4):
                    m.d.comb += [
                        access.value.eq(register.reset),
                        access.error.eq(access.write & (register.access == "ro")),
                    ]
                    if register.name == STATUS:
                        m.d.comb += access.value.eq(Cat(self.busy, ~self.busy & ~self.run))
                    if register.name == CONTROL:
                        m.d.comb += access.value.eq(self.run)
                        with m.If(access.request & access.write & access.strobe[0]):
                            m.d.sync += self.run.eq(access.data[0])
        for window in self._table.windows:
            inner = getattr(self, window.name.lower())
            low = (window.size // 4 - 1).bit_length()
            here = Signal(name=f"in_{window.name.lower()}")
            m.d.comb += [
                here.eq(access.address >> low == window.base // 4 >> low),
                inner.request.eq(access.request & here),
                inner.write.eq(access.write),
                inner.address.eq(access.address[:low]),
                inner.data.eq(access.data),
                inner.strobe.eq(access.strobe),
            ]
            with m.If(here):
                m.d.comb += [
                    access.done.eq(inner.done),
                    access.error.eq(inner.error),
                ]
        return m
