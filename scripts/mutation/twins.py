"""Ask the solvers whether a mutant can be told from what it was made of, at its ports."""

from typing import Any

from amaranth.hdl import Elaboratable, Module, Signal

from sim.contract import StreamContract
from sim.formal.scene import Scene
from sim.formal.solve import Mode, Result, prove

from .netlist import Netlist
from .plant import ports_of

__all__ = ["alike"]


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


def alike(component: Any, whole: Netlist, mutant: Netlist, *, limit: int = 60) -> Result:
    """Prove that no world that keeps the stream contract can tell two netlists apart, or refute it.

    Inputs may do anything at any clock, and a reset may come; of an output stream the payload
    counts only while it is valid.

    Parameters
    ----------
    component : Component
        Of which `whole` is the netlist.
    whole, mutant : Netlist
    limit : int
        Seconds.
    """
    return prove(_Twins(component, whole, mutant), _same, mode=Mode.PDR, limit=limit)


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
    for name, valid in twins.one.items():
        stream, _, member = name.rpartition("__")
        if member == "valid" and name in twins.inputs:
            payload = twins.one[f"{stream}__payload"]
            contract: Any = StreamContract(shape=payload.shape(), name=stream, assume=True)
            scene.m.submodules[f"contract_{stream}"] = contract
            scene.m.d.comb += [
                contract.payload.eq(payload),
                contract.valid.eq(valid),
                contract.ready.eq(twins.one[f"{stream}__ready"]),
            ]
