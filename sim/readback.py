"""An iCE40 bitstream read back: Verilog of what the packed bits say, by icestorm's own tools."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bnnhw.errors import CheckFailed, ToolMissing
from bnnhw.target import Board
from rtl_gen.build.platform import platform_of, prepare
from rtl_gen.tools import find_program, run_tool

from .netlist import Nothing, models

__all__ = ["PACKAGES", "ReadBack", "packed", "pins", "read_back", "unpacked"]

PACKAGES = "fpga-icestorm and fpga-icestorm-chipdb"
"""Debian's packages that this needs."""
_CHIPDB = Path("/usr/share/fpga-icestorm/chipdb")
_MODULE = "chip"
_PLL = re.compile(r"SB_PLL40_(CORE|PAD) #\((.*?)\) PLL_(\d+)_(\d+) \((.*?)\);", re.DOTALL)


@dataclass(frozen=True)
class ReadBack:
    """What a bitstream says.

    Parameters
    ----------
    verilog : str
        Of a module `chip` with the ports `clk`, `rx` and `tx`, and of no cell that it names.
    clock_hz : int
        What the PLL makes of the board's oscillator, or the oscillator's own rate.
    cells : dict of str to int
        How many of each kind: LUTs, carries, flip-flops, block RAMs, PLLs.
    """

    verilog: str
    clock_hz: int
    cells: dict[str, int]

    @property
    def simulated(self) -> str:
        """The chip and models of its cells: Yosys's, and `readback_pll.v` for the PLL."""
        cells = re.sub(r"module SB_PLL40_.*?endmodule", "", models("ice40"), flags=re.DOTALL)
        pll = Path(__file__).with_name("readback_pll.v").read_text(encoding="utf-8")
        return "\n".join([cells, pll, self.verilog])


def pins(board: Board) -> dict[str, str]:
    """Find the pins of clock and serial port, as the build's constraints have them.

    Returns
    -------
    dict
        Pins of `clk`, `rx` and `tx`.
    """
    files = prepare(Nothing(), board, name="pins").files
    found = dict(re.findall(r"^set_io (\S+)__io (\S+)$", str(files["pins.pcf"]), re.MULTILINE))
    clock = platform_of(board).default_clk
    link = board.link.resource
    return {
        role: next(pin for name, pin in found.items() if re.fullmatch(pattern, name))
        for role, pattern in (
            ("clk", rf"{clock}_\d+"),
            ("rx", rf"{link}_\d+__rx"),
            ("tx", rf"{link}_\d+__tx"),
        )
    }


def unpacked(bitstream: bytes) -> str:
    """Give a bitstream as text, tile by tile.

    Raises
    ------
    ToolMissing
        If icestorm is not installed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "chip.bin").write_bytes(bitstream)
        _run("iceunpack", ["chip.bin", "chip.asc"], scratch)
        return (Path(scratch) / "chip.asc").read_text(encoding="utf-8")


def packed(text: str) -> bytes:
    """Pack such a text, as Debian's `icepack` does."""
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "chip.asc").write_text(text, encoding="utf-8")
        _run("icepack", ["chip.asc", "chip.bin"], scratch)
        return (Path(scratch) / "chip.bin").read_bytes()


def read_back(text: str, board: Board) -> ReadBack:
    """Turn an unpacked bitstream into Verilog.

    Nothing but the bits and the numbers of three pins goes into it: no name, no netlist. What no
    cell drives is left open.

    Parameters
    ----------
    text : str
        As `unpacked` gives it.
    board : Board
        An iCE40's; says which pins are which, and the oscillator's rate.

    Raises
    ------
    ToolMissing
        If icestorm is not installed.
    CheckFailed
        If the chip uses a PLL, pins or cells otherwise than our boards do.
    """
    where = pins(board)
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "chip.asc").write_text(text, encoding="utf-8")
        lines = [f"set_io {name} {pin}\n" for name, pin in where.items()]
        (Path(scratch) / "chip.pcf").write_text("".join(lines), encoding="utf-8")
        package = board.device.lower().rpartition("-")[2]
        options = ["-s", "-d", package, "-p", "chip.pcf", "-n", _MODULE]
        verilog = _run("icebox_vlog", [*options, "chip.asc"], scratch)
    verilog = _declared_once(verilog)
    # Tiles of multipliers, which we do not use, end in assignments to wires that nobody declared.
    if unknown := set(re.findall(r"SB_(?!RAM40_4K |PLL40_)\w+|\bdsp\d\w*", verilog)):
        raise CheckFailed(
            f"The bitstream uses {', '.join(sorted(unknown))}, for which there is no model.",
            "Fold the network so that it does without.",
        )
    cells = {
        "LUT": len(re.findall(r"/\* LUT ", verilog)),
        "carry": len(re.findall(r"/\* CARRY ", verilog)),
        "flip-flop": len(re.findall(r"/\* FF .*\balways\b", verilog)),
        "block RAM": len(re.findall(r"\bSB_RAM40_4K ", verilog)),
        "PLL": len(_PLL.findall(verilog)),
    }
    verilog, clock_hz = _clocked(verilog, board, where["clk"], package)
    return ReadBack(verilog, clock_hz, cells)


def _run(program: str, words: list[str], scratch: str) -> str:
    found = find_program(program)
    if found is None or not _CHIPDB.is_dir():
        raise ToolMissing(
            f"Reading an iCE40 bitstream back needs {program} and its tables of the chips.",
            f"Install them: apt-get install {PACKAGES.replace(' and', '')} (Debian, Ubuntu).",
        )
    return run_tool([found, *words], cwd=Path(scratch)).output


def _declared_once(verilog: str) -> str:
    """Name ports in the head only, and say their directions behind it: they are wires as well."""
    head = re.search(rf"module {_MODULE} \((.*?)\);", verilog, re.DOTALL)
    assert head is not None, "icebox_vlog writes another head"
    ports = [port.split() for port in head[1].split(",")]
    told = "".join(f"\n{way} {name};" for way, name in ports)
    names = ", ".join(name for _, name in ports)
    return f"{verilog[: head.start()]}module {_MODULE} ({names});{told}{verilog[head.end() :]}"


def _clocked(verilog: str, board: Board, clock_pin: str, package: str) -> tuple[str, int]:
    """Join the PLL to the clock's port; give that and the rate at which the design runs."""
    source = board.clock.source_hz
    found = _PLL.search(verilog)
    if found is None:
        return verilog, source
    kind, parameters, x, y, wires = found.groups()
    number = {
        name: int(bits, 2) for name, bits in re.findall(r"\.(DIV[RFQ])\(\d+'b([01]+)\)", parameters)
    }
    simple = '.FEEDBACK_PATH("SIMPLE")' in parameters and '.PLLOUT_SELECT("GENCLK")' in parameters
    if len(_PLL.findall(verilog)) != 1 or not simple or len(number) != 3:
        raise CheckFailed("The PLL is not set as our builds set it.", "Look at the bitstream.")
    if kind == "PAD":
        _at_pad(board, (x, y), clock_pin, package)
        # The tools leave the pad of such a PLL without a name.
        wires = re.sub(r"\.PACKAGEPIN\(\w+\)", ".PACKAGEPIN(clk)", wires)
        start, end = found.span(5)
        verilog = verilog[:start] + wires + verilog[end:]
    rate = source * (number["DIVF"] + 1) / (number["DIVR"] + 1) / (1 << number["DIVQ"])
    return verilog, round(rate)


def _at_pad(board: Board, place: tuple[str, str], pin: str, package: str) -> None:
    """Hold the PLL's pad against the pin of the oscillator."""
    device = re.sub(r"ice40(up|hx|lp)", "", board.device.lower().partition("-")[0])
    tables = (_CHIPDB / f"chipdb-{device}.txt").read_text(encoding="utf-8")
    pll = re.search(rf"^\.extra_cell {' '.join(place)} PLL\n(.*?)^\.", tables, re.S | re.M)
    pad = re.search(r"^PLLOUT_A (\d+ \d+ \d+)$", pll[1], re.MULTILINE) if pll else None
    table = re.search(rf"^\.pins {package}\n(.*?)(?:^\.|\Z)", tables, re.S | re.M)
    located = dict(re.findall(r"^(\S+) (\d+ \d+ \d+)$", table[1], re.MULTILINE)) if table else {}
    if pad is None or located.get(pin) != pad[1]:
        raise CheckFailed(f"The PLL's own pad is not pin {pin}.", "Look at the board's file.")
