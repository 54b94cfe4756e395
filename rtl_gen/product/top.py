"""A matrix-vector unit behind a bus: slave, registers and unit."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus import AxiLiteSlave, WishboneSlave
from ..bus.register_file import RegisterFile
from ..bus.register_map import RegisterMap
from .unit import MatrixUnit

__all__ = ["AXI_FIELDS", "BUSES", "BusUnit"]

BUSES = ("axi4-lite", "wishbone")

AXI_FIELDS = {
    "aw": {"addr": "write address", "prot": "protection, not read"},
    "w": {"data": "word to write", "strb": "bytes of it to write"},
    "b": {"resp": "response to a write: 0, or 2 for an error"},
    "ar": {"addr": "read address", "prot": "protection, not read"},
    "r": {"data": "word read", "resp": "response to a read: 0, or 2 for an error"},
}
_HANDSHAKE = {"valid": "something is on offer", "ready": "what is on offer is taken"}

_WISHBONE = {
    "cyc": ("wb_cyc_i", "a cycle is under way"),
    "stb": ("wb_stb_i", "this slave is meant"),
    "we": ("wb_we_i", "write"),
    "adr": ("wb_adr_i", "byte address; its two low bits are not read"),
    "sel": ("wb_sel_i", "bytes to write"),
    "dat_w": ("wb_dat_i", "word to write"),
    "dat_r": ("wb_dat_o", "word read"),
    "ack": ("wb_ack_o", "done"),
    "err": ("wb_err_o", "refused"),
}


class BusUnit(wiring.Component):
    """A `MatrixUnit` whose memories are written over AXI4-Lite or Wishbone.

    Vectors take the NF·SF clocks and the latency of `MatrixUnit`, whatever is read on the bus
    meanwhile; a stalled `o` stops the unit and never the bus. While RUN is set no memory is
    written (an error); the first weight word is on offer a clock after RUN is. A write or a read
    takes two clocks where the master takes each answer at once: done in the first, answered in the
    second. A memory's word of P parts is P writes, so D words take 2·D·P clocks: D is NF·SF for
    weights, whose word has PE·SIMD bits, and NF for thresholds.

    Parameters
    ----------
    unit : MatrixUnit
        With a window at least.
    table : RegisterMap
        Of which the unit's windows are a part.
    bus : str
        One of `BUSES`.

    Members
    -------
    i, i_weight, o : streams
        As the unit's.
    axil_aw, axil_w, axil_b, axil_ar, axil_r : streams
        As those of `AxiLiteSlave`, on that bus.
    wb_cyc, wb_stb, wb_we, wb_adr, wb_sel, wb_dat_w, wb_dat_r, wb_ack, wb_err : wires
        As those of `WishboneSlave`, on that bus.

    Attributes
    ----------
    port_names : dict
        Names and meanings of the bus's ports, see `rtl_gen.shell`.
    """

    def __init__(self, *, unit: MatrixUnit, table: RegisterMap, bus: str) -> None:
        self._unit, self._table = unit, table
        bits = table.address_bits
        self._slave: Any = (
            AxiLiteSlave(address_bits=bits)
            if bus == "axi4-lite"
            else WishboneSlave(address_bits=bits)
        )
        self._streams = [n for n in ("i", "i_weight", "o") if n in unit.signature.members]
        members = {name: unit.signature.members[name] for name in self._streams}
        self.port_names: dict[tuple[str, str], tuple[str, str]] = {}
        self._bus: dict[str, str] = {}
        for name, member in self._slave.signature.members.items():
            if name == "access":
                continue
            if bus == "axi4-lite":
                channel = name.split("_")[1]
                own = f"axil_{channel}"
                for field, meaning in {**AXI_FIELDS[channel], **_HANDSHAKE}.items():
                    self.port_names[own, field] = (f"s_axil_{channel}{field}", meaning)
            else:
                own = f"wb_{name}"
                self.port_names[own, ""] = _WISHBONE[name]
            members[own] = member
            self._bus[own] = name
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        """Connect the three parts."""
        m = Module()
        m.submodules.unit = unit = self._unit
        m.submodules.slave = slave = self._slave
        m.submodules.registers = registers = RegisterFile(table=self._table)
        wiring.connect(m, slave.access, registers.access)
        for window in self._table.windows:
            name = window.name.lower()
            wiring.connect(m, getattr(registers, name), getattr(unit, name))
        m.d.comb += [unit.run.eq(registers.run), registers.busy.eq(unit.busy)]
        pairs = [(name, getattr(unit, name)) for name in self._streams]
        pairs += [(own, getattr(slave, name)) for own, name in self._bus.items()]
        for own, inner in pairs:
            member = self.signature.members[own]
            outer = getattr(self, own)
            if not member.is_port:
                wiring.connect(m, wiring.flipped(outer), inner)
            elif member.flow is In:
                m.d.comb += inner.eq(outer)
            else:
                assert member.flow is Out
                m.d.comb += outer.eq(inner)
        return m
