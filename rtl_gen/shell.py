"""The names that a core's streams have in exported Verilog: plain ready/valid, or AXI4-Stream."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, ResetSignal, Shape
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["NAMINGS", "AxiStreamShell", "PlainShell", "Port", "make_shell"]

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


def _streams(core: wiring.Component) -> list[_Stream]:
    found = []
    for name, member in core.signature.members.items():
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
    """Common part: each stream gets ports for its fields; `_name` says what they are called."""

    def __init__(self, core: wiring.Component) -> None:
        self._core = core
        self._map: list[tuple[_Stream, str, str]] = []
        self.ports: list[Port] = list(self._clock_ports())
        for item in _streams(core):
            for what, width in [(f, w) for f, _, w in item.fields] + [("valid", 1), ("ready", 1)]:
                name, padded = self._name(item, what, width)
                into = item.into != (what == "ready")
                self._map.append((item, what, name))
                self.ports.append(
                    Port(
                        name,
                        "input" if into else "output",
                        padded,
                        f"{item.name}: {what}, {width} bit{'s' if width > 1 else ''}",
                        item.name,
                        what,
                    )
                )
        for name, member in core.signature.members.items():
            if member.is_port:
                direction = "input" if member.flow is wiring.In else "output"
                self.ports.append(Port(name, direction, Shape.cast(member.shape).width, "a wire"))
        super().__init__(
            {p.name: In(p.width) if p.direction == "input" else Out(p.width) for p in self._own()}
        )

    def _clock_ports(self) -> tuple[Port, ...]:
        raise NotImplementedError

    def _own(self) -> list[Port]:
        return self.ports

    def _name(self, item: _Stream, what: str, width: int) -> tuple[str, int]:
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
        for name, member in self._core.signature.members.items():
            if member.is_port:
                inner, outer = getattr(self._core, name), getattr(self, name)
                pair = (inner, outer) if member.flow is wiring.In else (outer, inner)
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

    def _clock_ports(self) -> tuple[Port, ...]:
        return (
            Port("clk", "input", 1, "clock, rising edge"),
            Port("rst", "input", 1, "synchronous reset, active high"),
        )

    def _own(self) -> list[Port]:
        # Amaranth adds clock and reset of `sync` itself.
        return self.ports[2:]

    def _name(self, item: _Stream, what: str, width: int) -> tuple[str, int]:
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

    def _clock_ports(self) -> tuple[Port, ...]:
        return (
            Port("aclk", "input", 1, "clock, rising edge"),
            Port("aresetn", "input", 1, "synchronous reset, active low"),
        )

    def _name(self, item: _Stream, what: str, width: int) -> tuple[str, int]:
        prefix = "s_axis" if item.into else "m_axis"
        infix = item.name[2:] if len(item.name) > 1 else ""
        padded = -(-width // 8) * 8 if what == "data" else width
        return f"{prefix}{'_' if infix else ''}{infix}_{self._FIELDS[what]}", padded

    def elaborate(self, platform: object) -> Module:
        """Build the wires around the core, and its clock domain."""
        m = super().elaborate(platform)
        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        return m


def make_shell(core: wiring.Component, naming: str) -> _Shell:
    """Wrap `core` in the shell called `naming`.

    Raises
    ------
    ValueError
        If `naming` is unknown.
    """
    if naming not in NAMINGS:
        raise ValueError(f"Naming must be one of {', '.join(NAMINGS)}, not {naming!r}")
    return PlainShell(core) if naming == "plain" else AxiStreamShell(core)
