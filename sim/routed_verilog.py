"""nextpnr's own netlist as Verilog: every cell as it was placed, every net as it was routed."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bnnhw.errors import CheckFailed
from rtl_gen.build.platform import platform_of

from .netlist import models
from .routed import Placed

__all__ = ["MODULE", "routed_verilog"]

MODULE = "chip"
"""The module, with the ports `clk`, `rx` and `tx`."""
_HERE = Path(__file__).resolve().parent
_Cell = tuple[str, dict[str, str], dict[str, str]]
"""What stands in the Verilog: type, parameters, connections."""

# What an input takes on that nothing drives, where it is not 0.
_ICE40_HIGH = {"CEN", "RCLKE", "WCLKE", "CLOCK_ENABLE"}
_ECP5_HIGH = {"TRELLIS_COMB": "ABCD", "TRELLIS_FF": ("CE",)}
# Of block RAMs of ECP5: these have a multiplexer of their own, with a value or an inversion.
_MUXED = re.compile(r"(AD|DI|CS|CE|OCE|WE|RST)[AB]\d*")


def routed_verilog(placed: Placed) -> str:
    """Write what place and route left, with models of the cells, which are those of the bitstream.

    An input that nothing drives has the level that the FPGA gives it; a carry that nothing drives
    changes at each clock.

    Parameters
    ----------
    placed : Placed

    Raises
    ------
    CheckFailed
        If it holds a cell, or a way of using one, for which there is no model.
    """
    family = placed.board.family
    (top,) = [
        module
        for module in json.loads(placed.routed)["modules"].values()
        if int(module["attributes"].get("top", "0"), 2)
    ]
    write = _ecp5 if family == "ecp5" else _ice40
    ports = _ports(placed, set(top["ports"]))
    lines = [f"module {MODULE}(input clk, rx, output tx);", "  reg any_bit = 0;"]
    lines.append("  always @(posedge clk) any_bit <= ~any_bit;")
    bits = {bit for cell in top["cells"].values() for net in cell["connections"].values()
            for bit in net}  # fmt: skip
    lines += [f"  wire n{bit};" for bit in sorted(bits)]
    for name, port in top["ports"].items():
        if name in ports:
            role, (bit,) = ports[name], port["bits"]
            lines.append(
                f"  assign {role} = n{bit};" if role == "tx" else f"  assign n{bit} = {role};"
            )
    for number, (name, cell) in enumerate(sorted(top["cells"].items())):
        kind, parameters, wires = write(name, cell)
        told = ", ".join(f".{key}({value})" for key, value in sorted(parameters.items()))
        joined = ", ".join(f".{key}({value})" for key, value in sorted(wires.items()))
        lines.append(f"  {kind} #({told}) c{number}({joined});  // {name}")
    lines.append("endmodule\n")
    own = (_HERE / f"routed_{family}.v").read_text(encoding="utf-8")
    return "\n".join([models(family), own, *lines])


def _ports(placed: Placed, names: set[str]) -> dict[str, str]:
    """Find which port is which, by the names that the build gave them."""
    board = placed.board
    clock, link = platform_of(board).default_clk, board.link.resource
    found = {f"{clock}_0__io": "clk", f"{link}_0__rx__io": "rx", f"{link}_0__tx__io": "tx"}
    if missing := found.keys() - names:
        raise CheckFailed(f"The netlist has no port {min(missing)}.", "Look at the board's file.")
    return found


def _level(high: bool) -> str:
    return "1'b1" if high else "1'b0"


def _joined(cell: Mapping[str, Any], open_input: Callable[[str], str]) -> dict[str, str]:
    """Connect each pin to its net; open outputs stay open, open inputs get a level."""
    wires = {}
    for pin, net in cell["connections"].items():
        if net:
            wires[pin] = f"n{net[0]}"
        elif cell["port_directions"][pin] == "input":
            wires[pin] = open_input(pin)
    return wires


def _given(cell: Mapping[str, Any]) -> dict[str, str]:
    """Write parameters: what looks like bits ends in a space where it is text."""
    found = {}
    for key, value in cell["parameters"].items():
        text = str(value)
        if re.fullmatch("[01x]+", text):
            # What nobody set is 0 in a bitstream.
            found[key] = f"{len(text)}'b{text.replace('x', '0')}"
        else:
            found[key] = f'"{text.rstrip(" ")}"'
    return found


def _refused(name: str, why: str) -> CheckFailed:
    return CheckFailed(f"There is no model for the cell {name}: {why}.", "Fold it differently.")


def _ice40(name: str, cell: Mapping[str, Any]) -> _Cell:
    kind = cell["type"]
    wires = _joined(cell, lambda pin: _level(pin in _ICE40_HIGH))
    given = _given(cell)
    if kind == "ICESTORM_LC":
        return "ROUTED_LC", given, wires
    if kind == "ICESTORM_RAM":
        return _ice40_ram(name, given, wires)
    if kind == "SB_GB":
        # From a pad or a PLL, which both are `clk`, there is no net: the wire is the pad's own.
        direct = int(cell["attributes"].get("FOR_PAD_IN", "0"), 2)
        source = "clk" if direct else wires["USER_SIGNAL_TO_GLOBAL_BUFFER"]
        return "ROUTED_BUFFER", {}, {"i": source, "o": wires["GLOBAL_BUFFER_OUTPUT"]}
    if kind == "ICESTORM_PLL":
        outputs: dict[str, str] = {
            pin: wires[pin] for pin in ("PLLOUT_A", "PLLOUT_A_GLOBAL") if pin in wires
        }
        return "ROUTED_PLL", {}, {"i": "clk", "LOCK": wires["LOCK"], **outputs}
    if kind == "SB_IO":
        way = int(str(cell["parameters"]["PIN_TYPE"]), 2)
        if way == 0b000001:
            there = {"i": wires["PACKAGE_PIN"], "o": wires["D_IN_0"]} if "D_IN_0" in wires else {}
        elif way in (0b101001, 0b011001):
            there = {"i": wires["D_OUT_0"], "o": wires["PACKAGE_PIN"]}
        else:
            raise _refused(name, f"a pin of type {way:06b}")
        return "ROUTED_BUFFER", {}, there
    raise _refused(name, f"its type is {kind}")


def _ice40_ram(name: str, given: dict[str, str], wires: Mapping[str, str]) -> _Cell:
    """Give a block RAM as Yosys has it: pins of a kind together."""
    if {given.pop("NEG_CLK_R"), given.pop("NEG_CLK_W")} != {"1'b0"}:
        raise _refused(name, "a clock that falls")
    joined = {pin: wire for pin, wire in wires.items() if "_" not in pin}
    for kind, count in (("RADDR", 11), ("WADDR", 11), ("MASK", 16), ("WDATA", 16), ("RDATA", 16)):
        pins = [wires.get(f"{kind}_{k}", "") for k in reversed(range(count))]
        joined[kind] = "{" + ", ".join(pins) + "}"
    return "SB_RAM40_4K", given, joined


def _ecp5(name: str, cell: Mapping[str, Any]) -> _Cell:
    kind = cell["type"]
    high = _ECP5_HIGH.get(kind, "")
    wires = _joined(cell, lambda pin: _level(pin in high))
    given = _given(cell)
    if kind == "TRELLIS_COMB":
        if "OFX" in wires:
            raise _refused(name, "a multiplexer behind two tables")
        if given.get("MODE") == '"CCU2"' and not cell["connections"].get("FCI"):
            wires["FCI"] = "any_bit"
        if given.get("WREMUX", '"WRE"') != '"WRE"':
            raise _refused(name, f"WREMUX is {given['WREMUX']}")
        for key in ("WREMUX", "WCKMUX"):
            given.pop(key, None)
        return "ROUTED_COMB", given, {pin: wire for pin, wire in wires.items() if pin in _COMB}
    if kind == "TRELLIS_FF":
        # A multiplexer in front of the flip-flop: the table beside it, or a wire of its own.
        direct = given.pop("SD", '"0"') == '"0"'
        if direct:
            wires["DI"] = wires.get("M", _level(False))
        return kind, given, {pin: wire for pin, wire in wires.items() if pin in _FF}
    if kind == "DP16KD":
        return _ecp5_ram(cell, given)
    if kind == "TRELLIS_RAMW":
        return "ROUTED_RAMW", {}, wires
    if kind in ("DCCA", "EHXPLLL"):
        return f"ROUTED_{kind}", {}, {pin: wires[pin] for pin in _ECP5_CLOCKS[kind] if pin in wires}
    if kind == "TRELLIS_IO":
        inward = given["DIR"] == '"INPUT"'
        if not inward and given["DIR"] != '"OUTPUT"':
            raise _refused(name, f"its direction is {given['DIR']}")
        there = {"i": wires["B"], "o": wires["O"]} if inward else {"i": wires["I"], "o": wires["B"]}
        return "ROUTED_BUFFER", {}, there
    raise _refused(name, f"its type is {kind}")


_COMB = {*"ABCDF", "FCI", "FCO", "WAD0", "WAD1", "WAD2", "WAD3", "WD", "WRE", "WCK"}
_FF = {"CLK", "LSR", "CE", "DI", "M", "Q"}
_ECP5_CLOCKS = {"DCCA": ("CLKI", "CLKO"), "EHXPLLL": ("CLKI", "CLKOP", "LOCK")}


def _ecp5_ram(cell: Mapping[str, Any], given: dict[str, str]) -> _Cell:
    """Resolve the multiplexers in front of the pins; an input that nothing drives is 1 there."""
    wires = {}
    for pin, net in cell["connections"].items():
        mux = given.pop(f"{pin}MUX", f'"{pin}"') if _MUXED.fullmatch(pin) else f'"{pin}"'
        if cell["port_directions"][pin] != "input":
            if net:
                wires[pin] = f"n{net[0]}"
            continue
        wire = f"n{net[0]}" if net else _level(True)
        levels = {'"0"': _level(False), '"1"': _level(True), '"INV"': f"!{wire}"}
        wires[pin] = levels.get(mux, wire)
    return "DP16KD", {key: value for key, value in given.items() if key != "WID"}, wires
