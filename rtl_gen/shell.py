"""The names that a core's streams have in exported Verilog: plain ready/valid, or AXI4-Stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, ResetSignal, Shape
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["NAMINGS", "AxiStreamShell", "PlainShell", "Port", "list_ports", "make_shell"]

NAMINGS = ("plain", "axis")


@dataclass(frozen=True)
class Port:
    """One port of an exported module.

    Parameters
    ----------
    name : str
    direction : str
        ``"input"`` or ``"output"``.
    width : int
        In bits, at least 1.
    meaning : str
        For the port table.
    stream, field : str
        Which stream of the core, and which part of it: a field of its payload, ``"valid"`` or
        ``"ready"``; empty for clock and reset.
    """

    name: str
    direction: str
    width: int
    meaning: str
    stream: str = ""
    field: str = ""


@dataclass(frozen=True)
class _Stream:
    """One stream of the core: its fields as (name, low bit, width), and which way it goes."""

    name: str
    into: bool
    fields: tuple[tuple[str, int, int], ...]


def _streams(signature: wiring.Signature) -> list[_Stream]:
    found = []
    for name, member in signature.members.items():
        if member.is_port:
            continue
        shape = member.signature.members["payload"].shape
        if isinstance(shape, data.StructLayout):
            fields = tuple((key, field.offset, field.width) for key, field in shape)
        else:
            fields = (("data", 0, Shape.cast(shape).width),)
        found.append(_Stream(name, member.flow is wiring.In, fields))
    return found


class _Shell(wiring.Component):
    """Common part: each stream gets ports for its fields; `_name` says what they are called.

    A core whose ports belong to a bus has `port_names`: from the member and the field of its
    payload (`valid` and `ready` too), or "" for a member that is a wire, to the port's name and
    its meaning.
    """

    def __init__(self, core: wiring.Component) -> None:
        self._core = core
        self._given: Mapping[tuple[str, str], tuple[str, str]] = getattr(core, "port_names", {})
        self._map: list[tuple[_Stream, str, str]] = []
        self._wires: list[tuple[str, str]] = []
        self.ports: list[Port] = self.lay(core.signature, self._given, self._map, self._wires)
        super().__init__(
            {p.name: In(p.width) if p.direction == "input" else Out(p.width) for p in self._own()}
        )

    @classmethod
    def lay(
        cls,
        signature: wiring.Signature,
        given: Mapping[tuple[str, str], tuple[str, str]],
        fields: list[tuple[_Stream, str, str]],
        wires: list[tuple[str, str]],
    ) -> list[Port]:
        """List the ports; `fields` and `wires` get the way from the core's members to them."""
        ports = list(cls._clock_ports())
        for item in _streams(signature):
            for what, width in [(f, w) for f, _, w in item.fields] + [("valid", 1), ("ready", 1)]:
                if (item.name, what) in given:
                    # It belongs to a bus, and so to none of the streams that people read about.
                    name, meaning = given[item.name, what]
                    padded, stream, field = width, "", ""
                else:
                    name, padded = cls._name(item, what, width)
                    meaning = f"{item.name}: {what}, {width} bit{'s' if width > 1 else ''}"
                    stream, field = item.name, what
                into = item.into != (what == "ready")
                fields.append((item, what, name))
                direction = "input" if into else "output"
                ports.append(Port(name, direction, padded, meaning, stream, field))
        for member, wire in signature.members.items():
            if wire.is_port:
                direction = "input" if wire.flow is wiring.In else "output"
                name, meaning = given.get((member, ""), (member, "a wire"))
                wires.append((member, name))
                ports.append(Port(name, direction, Shape.cast(wire.shape).width, meaning))
        return ports

    @classmethod
    def _clock_ports(cls) -> tuple[Port, ...]:
        raise NotImplementedError

    def _own(self) -> list[Port]:
        return self.ports

    @classmethod
    def _name(cls, item: _Stream, what: str, width: int) -> tuple[str, int]:
        raise NotImplementedError

    def elaborate(self, platform: object) -> Module:
        """Build the wires around the core."""
        m = Module()
        m.submodules.core = self._core
        for item, what, name in self._map:
            inner: Any = getattr(self._core, item.name)
            outer = getattr(self, name)
            if what == "valid":
                pair = (inner.valid, outer)
            elif what == "ready":
                pair = (outer, inner.ready)
            else:
                low, width = next((low, width) for key, low, width in item.fields if key == what)
                pair = (Cat(inner.payload)[low : low + width], outer)
            target, source = pair if item.into else pair[::-1]
            m.d.comb += target.eq(source)
        for member, name in self._wires:
            flow = self._core.signature.members[member].flow
            inner, outer = getattr(self._core, member), getattr(self, name)
            pair = (inner, outer) if flow is wiring.In else (outer, inner)
            m.d.comb += pair[0].eq(pair[1])
        return m


class PlainShell(_Shell):
    """Ports ``i_data, i_last, i_valid, i_ready, o_…``, clock ``clk`` and synchronous reset ``rst``.

    Purely combinational around the core: no latency of its own.

    Parameters
    ----------
    core : Component
        Its members are streams.
    """

    @classmethod
    def _clock_ports(cls) -> tuple[Port, ...]:
        return (
            Port("clk", "input", 1, "clock, rising edge"),
            Port("rst", "input", 1, "synchronous reset, active high"),
        )

    def _own(self) -> list[Port]:
        # Amaranth adds clock and reset of `sync` itself.
        return self.ports[2:]

    @classmethod
    def _name(cls, item: _Stream, what: str, width: int) -> tuple[str, int]:
        return f"{item.name}_{what}", width


class AxiStreamShell(_Shell):
    """Ports of AXI4-Stream: ``s_axis_tdata, …``, ``m_axis_tdata, …``, ``aclk`` and ``aresetn``.

    A stream has TDATA, TVALID, TREADY and TLAST. TDATA is padded with zeros to whole bytes; the
    running class of an answer is TUSER. A core with several inputs has ``s_axis_NAME_…``. Purely
    combinational around the core: no latency of its own. Reset is synchronous, active low (ARM IHI
    0051B, section 2.2: signals of the stream are synchronous to ACLK).

    Parameters
    ----------
    core : Component
        Its members are streams.
    """

    _FIELDS = {
        "data": "tdata",
        "last": "tlast",
        "index": "tuser",
        "valid": "tvalid",
        "ready": "tready",
    }

    @classmethod
    def _clock_ports(cls) -> tuple[Port, ...]:
        return (
            Port("aclk", "input", 1, "clock, rising edge"),
            Port("aresetn", "input", 1, "synchronous reset, active low"),
        )

    @classmethod
    def _name(cls, item: _Stream, what: str, width: int) -> tuple[str, int]:
        prefix = "s_axis" if item.into else "m_axis"
        infix = item.name[2:] if len(item.name) > 1 else ""
        padded = -(-width // 8) * 8 if what == "data" else width
        return f"{prefix}{'_' if infix else ''}{infix}_{cls._FIELDS[what]}", padded

    def elaborate(self, platform: object) -> Module:
        """Build the wires around the core, and its clock domain."""
        m = super().elaborate(platform)
        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        return m


def list_ports(signature: wiring.Signature, naming: str) -> list[Port]:
    """List the ports of the shell called `naming` around a core, of which only this is there.

    Raises
    ------
    ValueError
        If `naming` is unknown.
    """
    return _kind(naming).lay(signature, {}, [], [])


def make_shell(core: wiring.Component, naming: str) -> _Shell:
    """Wrap `core` in the shell called `naming`.

    Raises
    ------
    ValueError
        If `naming` is unknown.
    """
    return _kind(naming)(core)


def _kind(naming: str) -> type[_Shell]:
    if naming not in NAMINGS:
        raise ValueError(f"Naming must be one of {', '.join(NAMINGS)}, not {naming!r}")
    return PlainShell if naming == "plain" else AxiStreamShell
