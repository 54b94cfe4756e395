"""A netlist that Yosys wrote, as hardware in Amaranth again, so that our own benches can run it."""

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from itertools import pairwise
from typing import Any

from amaranth.hdl import (
    C,
    Cat,
    ClockSignal,
    Module,
    Mux,
    ResetSignal,
    Shape,
    Signal,
    Value,
)
from amaranth.lib.memory import Memory

__all__ = ["Netlist", "UnknownCell"]

Cell = Mapping[str, Any]
Bit = int | str

_BITWISE: dict[str, Callable[[Value, Value], Value]] = {
    "$and": operator.and_,
    "$or": operator.or_,
    "$xor": operator.xor,
    "$xnor": lambda a, b: ~(a ^ b),
}
_ARITHMETIC: dict[str, Callable[[Value, Value], Value]] = {
    "$add": operator.add,
    "$sub": operator.sub,
    "$mul": operator.mul,
    "$eq": operator.eq,
    "$eqx": operator.eq,
    "$ne": operator.ne,
    "$nex": operator.ne,
    "$lt": operator.lt,
    "$le": operator.le,
    "$gt": operator.gt,
    "$ge": operator.ge,
}
_ONE: dict[str, Callable[[Value], Value]] = {
    "$reduce_and": lambda a: a.all(),
    "$reduce_or": lambda a: a.any(),
    "$reduce_bool": lambda a: a.any(),
    "$reduce_xor": lambda a: a.xor(),
    "$reduce_xnor": lambda a: ~a.xor(),
    "$logic_not": lambda a: ~a.any(),
}
_SILENT = {"$scopeinfo", "$check", "$print"}


class UnknownCell(ValueError):
    """A netlist holds a cell that has no translation here."""


class Netlist:
    """A flat module of Yosys' own cells, with one clock and memories as `$mem_v2`.

    Parameters
    ----------
    module : dict
        As `write_json` has it.

    Raises
    ------
    UnknownCell
        From `build`, if there is a cell without a translation.
    """

    def __init__(self, module: Cell) -> None:
        self._module = module

    @property
    def cells(self) -> int:
        """How many cells it has."""
        return sum(cell["type"] not in _SILENT for cell in self._module["cells"].values())

    @property
    def inputs(self) -> frozenset[str]:
        """Names of its input ports, clock and reset among them."""
        ports = self._module["ports"].items()
        return frozenset(name for name, port in ports if port["direction"] == "input")

    def build(self, ports: Mapping[str, Value]) -> Module:
        """Make hardware of it.

        Parameters
        ----------
        ports : dict of str to Value
            What its ports are, by name; `clk` and `rst` are the domain `sync`'s.

        Raises
        ------
        ValueError
            If ports are missing, surplus or of another width.
        """
        return _Builder(self._module, ports).m


class _Builder:
    """One pass over a module."""

    def __init__(self, module: Cell, ports: Mapping[str, Value]) -> None:
        self.m = Module()
        self._drivers: dict[Bit, tuple[Value, int]] = {}
        self._init = _initial(module)
        self._pieces = 0
        widths = {name: len(port["bits"]) for name, port in module["ports"].items()}
        ports = _of_domain(widths) | dict(ports)
        if any(name not in ports or len(ports[name]) != width for name, width in widths.items()):
            given = {name: len(value) for name, value in ports.items()}
            raise ValueError(f"Netlist must have ports {given}, not {widths}")
        cells = [cell for cell in module["cells"].values() if cell["type"] not in _SILENT]
        for name, port in module["ports"].items():
            if port["direction"] == "input":
                self._drive(port["bits"], ports[name])
        outputs = [self._outputs(cell) for cell in cells]
        for cell, out in zip(cells, outputs, strict=True):
            self._place(cell, out)
        for name, port in module["ports"].items():
            if port["direction"] == "output":
                self._comb(ports[name], self._value(port["bits"]))

    def _drive(self, bits: list[Bit], value: Value) -> None:
        for index, bit in enumerate(bits):
            self._drivers[bit] = (value, index)

    def _value(self, bits: list[Bit]) -> Value:
        """Gather bits, whole runs of a driver at once; what nothing drives is 0."""
        found = [self._source(bit) for bit in bits]
        cuts = [
            at + 1
            for at, ((one, low), (other, high)) in enumerate(pairwise(found))
            if one is not other or high != low + 1
        ]
        parts = []
        for start, stop in zip([0, *cuts], [*cuts, len(found)], strict=True):
            value, low = found[start]
            high = low + stop - start
            parts.append(value if (low, high) == (0, len(value)) else value[low:high])
        return parts[0] if len(parts) == 1 else Cat(*parts)

    def _source(self, bit: Bit) -> tuple[Value, int]:
        if isinstance(bit, str):
            return C(bit == "1", 1), 0
        return self._drivers.get(bit) or (C(0, 1), 0)

    def _comb(self, target: Value, value: Value) -> None:
        """Assign in a module of its own, which the simulator wakes for its own inputs alone."""
        piece = Module()
        piece.d.comb += target.eq(value)
        self.m.submodules[f"piece{self._pieces}"] = piece
        self._pieces += 1

    def _outputs(self, cell: Cell) -> Signal:
        name = "RD_DATA" if cell["type"] == "$mem_v2" else "Q" if _is_register(cell) else "Y"
        if name not in cell["connections"]:
            raise UnknownCell(f"Netlist must have no {cell['type']}")
        bits = cell["connections"][name]
        init = sum(self._init.get(bit, 0) << at for at, bit in enumerate(bits))
        out = Signal(len(bits), init=init if _is_register(cell) else 0, reset_less=True)
        self._drive(bits, out)
        return out

    def _place(self, cell: Cell, out: Signal) -> None:
        if cell["type"] == "$mem_v2":
            self._memory(cell, out)
        elif _is_register(cell):
            _check(cell, "CLK_POLARITY", 1)
            self.m.d.sync += out.eq(self._value(cell["connections"]["D"]))
        else:
            self._comb(out, self._expression(cell, len(out)))

    def _expression(self, cell: Cell, width: int) -> Value:
        kind = cell["type"]
        a = self._value(cell["connections"]["A"])
        signed = _number(cell, "A_SIGNED")
        typed = a.as_signed() if signed else a
        if kind in ("$not", "$pos"):
            return ~_wide(typed, width) if kind == "$not" else typed
        if kind == "$neg":
            return -typed
        if kind in _ONE:
            return _ONE[kind](a)
        b = self._value(cell["connections"].get("B") or ["0"])
        other = b.as_signed() if _number(cell, "B_SIGNED") else b
        if kind in _BITWISE:
            return _BITWISE[kind](_wide(typed, width), _wide(other, width))
        if kind in _ARITHMETIC:
            return _ARITHMETIC[kind](typed, other)
        if kind in ("$logic_and", "$logic_or"):
            return (operator.and_ if kind == "$logic_and" else operator.or_)(a.any(), b.any())
        if kind == "$mux":
            return Mux(self._value(cell["connections"]["S"]), b, a)
        if kind == "$pmux":
            return _one_of(a, b, self._value(cell["connections"]["S"]))
        return _shifted(kind, typed, other, width)

    def _memory(self, cell: Cell, out: Signal) -> None:
        """Build a memory from Amaranth's own, port by port."""
        width, depth = _number(cell, "WIDTH"), _number(cell, "SIZE")
        _check(cell, "OFFSET", 0)
        _check(cell, "RD_WIDE_CONTINUATION", 0)
        _check(cell, "WR_WIDE_CONTINUATION", 0)
        text = cell["parameters"]["INIT"].replace("x", "0").zfill(width * depth)
        ends = [len(text) - width * at for at in range(depth)]
        rows = [int(text[end - width : end], 2) for end in ends]
        memory: Any = Memory(shape=Shape(width), depth=depth, init=rows)
        self.m.submodules[f"memory{self._pieces}"] = memory
        self._pieces += 1
        writes = [self._write(cell, memory, port) for port in range(_number(cell, "WR_PORTS"))]
        for port in range(_number(cell, "RD_PORTS")):
            self._read(cell, memory, port, writes, out)

    def _bits(self, cell: Cell, name: str, port: int, share: int) -> Value:
        bits = cell["connections"][name]
        return self._value(bits[port * share : (port + 1) * share])

    def _write(self, cell: Cell, memory: Any, number: int) -> Any:
        width, abits = _number(cell, "WIDTH"), _number(cell, "ABITS")
        port = memory.write_port(granularity=1)
        self._comb(port.addr, self._bits(cell, "WR_ADDR", number, abits))
        self._comb(port.data, self._bits(cell, "WR_DATA", number, width))
        self._comb(port.en, self._bits(cell, "WR_EN", number, width))
        return port

    def _read(self, cell: Cell, memory: Any, number: int, writes: list[Any], out: Signal) -> None:
        width, abits = _number(cell, "WIDTH"), _number(cell, "ABITS")
        clocked = _number(cell, "RD_CLK_ENABLE") >> number & 1
        seen = _number(cell, "RD_TRANSPARENCY_MASK") >> number * len(writes)
        through = [port for at, port in enumerate(writes) if seen >> at & 1]
        port = memory.read_port(
            domain="sync" if clocked else "comb", transparent_for=through if clocked else ()
        )
        self._comb(port.addr, self._bits(cell, "RD_ADDR", number, abits))
        if clocked:
            self._comb(port.en, self._bits(cell, "RD_EN", number, 1))
        self._comb(out[number * width : (number + 1) * width], port.data)


def _of_domain(names: Iterable[str]) -> dict[str, Value]:
    """Give the ports that are clock and reset, if anything resets `sync`.

    Amaranth numbers them where the component has ports of these names.
    """
    lines = {"clk": ClockSignal("sync"), "rst": ResetSignal("sync", allow_reset_less=True)}
    return {name: lines[short] for name in names if (short := name.partition("$")[0]) in lines}


def _is_register(cell: Cell) -> bool:
    return bool(cell["type"] == "$dff")


def _number(cell: Cell, name: str) -> int:
    return int(cell["parameters"].get(name, "0").replace("x", "0"), 2)


def _check(cell: Cell, name: str, value: int) -> None:
    if _number(cell, name) != value:
        raise UnknownCell(f"Netlist must have {name} {value} at {cell['type']}")


def _wide(value: Value, width: int) -> Value:
    """Extend or cut to `width` bits, as the sign says."""
    if len(value) >= width:
        return value[:width]
    signed = value.shape().signed
    fill = value[len(value) - 1] if signed and len(value) else C(0, 1)
    wide = Cat(value, fill.replicate(width - len(value)))
    return wide.as_signed() if signed else wide


def _one_of(base: Value, choices: Value, select: Value) -> Value:
    """Give the choices that are selected, as hardware would, or `base` if none is."""
    width = len(base)
    parts = [
        choices[at * width : (at + 1) * width] & select[at].replicate(width)
        for at in range(len(select))
    ]
    return Mux(select.any(), reduce(operator.or_, parts), base)


def _shifted(kind: str, a: Value, by: Value, width: int) -> Value:
    """Shift by what Amaranth makes words of 2**n bits for: no more than 1,023 places."""
    if len(by) > 10 or kind not in ("$shl", "$shr", "$sshl", "$sshr", "$shift", "$shiftx"):
        raise UnknownCell(f"Netlist must have no {kind} by {len(by)} bits")
    whole = _wide(a, max(len(a), width))
    if kind in ("$shl", "$sshl"):
        return whole << by.as_unsigned()
    if kind == "$sshr" and a.shape().signed:
        return whole.as_signed() >> by.as_unsigned()
    right = whole.as_unsigned() >> by.as_unsigned()
    if kind in ("$shift", "$shiftx") and by.shape().signed:
        return Mux(by < 0, whole << (-by)[: len(by)], right)
    return right


def _initial(module: Cell) -> dict[Bit, int]:
    """Values of wires at the start, by bit."""
    found: dict[Bit, int] = {}
    for net in module["netnames"].values():
        text = net["attributes"].get("init", "")
        for at, bit in enumerate(net["bits"]):
            if at < len(text) and text[len(text) - 1 - at] == "1":
                found[bit] = 1
    return found
