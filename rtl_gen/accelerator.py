"""The accelerator: the blocks of a `Plan`, joined."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from bnnhw.link.protocol import CHUNK_BITS
from bnnhw.plan import ForkPlan, Plan

from .blocks import component_of
from .naming import label
from .streams import port, result

__all__ = ["Accelerator"]


def _expose(m: Module, name: str, edge: Any) -> None:
    """Give an edge names that survive into the Verilog: ``NAME_word``, ``…_valid``, ``…_ready``.

    Benches compare there, and people look there first. `rtl_gen.verilog` drops the attribute once
    the names are kept.
    """
    for what, value in (
        ("word", edge.payload.as_value()),
        ("valid", edge.valid),
        ("ready", edge.ready),
    ):
        m.d.comb += Signal(value.shape(), name=f"{name}_{what}", attrs={"keep": 1}).eq(value)


class Accelerator(wiring.Component):
    """A whole network: images in, logits and classes out.

    At full rate one image leaves every ``plan.cycles`` clocks; consecutive images overlap without a
    bubble in the slowest block. Back-pressure runs from end to end and loses nothing. Whatever
    arrives, each `last` on the input yields exactly one answer: short frames are filled with 0,
    surplus words are dropped.

    Parameters
    ----------
    plan : Plan

    Members
    -------
    i : stream of word(lanes, bits), in
        An image, element 0 first, ``plan.blocks[0].lanes_in`` elements a word; `last` ends it.
    o : stream of result(bits, index_bits), out
        One word a class: the code of its logit and the best class so far; with `last` that is the
        answer. Of a network that a `TopK` ends: a word for each of the k best classes, best first,
        the code of its logit and the class.
    i_load : stream of word(1, 16), in
        Where weights are loaded at run time: the chunks of all stores in the order of
        `bnnhw.plan.writable.stores`, as in `WritableStream`; `last` ends an upload. Load only while
        no image is inside. Until all stores have been loaded, images wait at `i` or inside.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        first, answer = plan.blocks[0], plan.answer
        members: dict[str, Any] = {
            "i": In(port(first.lanes_in, first.bits_in)),
            "o": Out(stream.Signature(result(answer.bits_out, answer.index_bits))),
        }
        if plan.writable:
            members["i_load"] = In(port(1, CHUNK_BITS))
        super().__init__(members)

    @property
    def plan(self) -> Plan:
        """What was built."""
        return self._plan

    def elaborate(self, platform: object) -> Module:
        """Build the plan's blocks and join each with the ones that it reads."""
        m = Module()
        # What is still to be had of each block: one output, or those of a fork in order.
        outputs: dict[str, list[Any]] = {}
        load = wiring.flipped(self.i_load) if self._plan.writable else None
        for block in self._plan.blocks:
            unit = component_of(block)
            m.submodules[block.name] = unit
            label(unit, block.name)
            if not block.sources:
                wiring.connect(m, wiring.flipped(self.i), unit.i)
            for number, source in enumerate(block.sources):
                inlet = unit.i if len(block.sources) == 1 else getattr(unit, f"i{number}")
                wiring.connect(m, outputs[source].pop(0), inlet)
            forked = isinstance(block, ForkPlan)
            outputs[block.name] = [unit.o[k] for k in range(block.copies)] if forked else [unit.o]
            if block.recorded:
                _expose(m, block.name, unit.o)
            if block in self._plan.writable:
                wiring.connect(m, load, unit.i_load)
                load = unit.o_load
        if load is not None:
            # What no store takes is the filling of an upload.
            m.d.comb += load.ready.eq(1)
        wiring.connect(m, outputs[self._plan.blocks[-1].name].pop(), wiring.flipped(self.o))
        return m
