"""Faults for blocks with ports `i` and `o`, each of which some check must refuse."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring

__all__ = ["FAULTS", "Faulty"]

FAULTS = {
    "withdraws": "o stays valid",
    "looks at ready": "o stays the same",
    "takes always": "flight",
    "sends at once": "cause",
    "never last": "last",
    "always last": "last",
    "inverts a bit": "right",
    "doubles a word": "right",
    "hangs": "silent",
    "turns deaf": "deaf",
}
"""For each fault the check that sees it; "right" stands for `result` or `order`."""


class Faulty(wiring.Component):
    """A block with a planted fault between it and its ports.

    Parameters
    ----------
    inner : Component
        The block, which works.
    fault : str
        One of `FAULTS`.
    """

    def __init__(self, inner: Any, fault: str) -> None:
        self._inner, self._fault = inner, fault
        super().__init__(dict(inner.signature.members))

    @property
    def inner(self) -> Any:
        """The block."""
        return self._inner

    def elaborate(self, platform: Any) -> Module:
        """Wire the ports through, and plant the fault."""
        m = Module()
        m.submodules.inner = inner = self._inner
        i, o = self.i, self.o
        taken, sent = Signal(), Signal()
        m.d.comb += [
            Value.cast(inner.i.payload).eq(Value.cast(i.payload)),
            inner.i.valid.eq(i.valid),
            i.ready.eq(inner.i.ready),
            Value.cast(o.payload).eq(Value.cast(inner.o.payload)),
            o.valid.eq(inner.o.valid),
            inner.o.ready.eq(o.ready),
            taken.eq(i.valid & i.ready),
            sent.eq(o.valid & o.ready),
        ]
        others = [name for name in inner.signature.members if name not in ("i", "o")]
        m.d.comb += [getattr(self, name).eq(getattr(inner, name)) for name in others]
        element = o.payload.data
        bit = Value.cast(element)[0]
        before = Value.cast(inner.o.payload.data)[0]
        match self._fault:
            case "withdraws":
                waited = Signal()
                m.d.sync += waited.eq(o.valid & ~o.ready)
                with m.If(waited):
                    m.d.comb += [o.valid.eq(0), inner.o.ready.eq(0)]
            case "looks at ready":
                m.d.comb += bit.eq(Mux(o.ready, before, ~before))
            case "takes always":
                m.d.comb += i.ready.eq(1)
            case "sends at once":
                begun = Signal()
                with m.If(sent):
                    m.d.sync += begun.eq(1)
                with m.If(~begun):
                    m.d.comb += [o.valid.eq(1), inner.o.ready.eq(0)]
            case "never last" | "always last":
                m.d.comb += o.payload.last.eq(self._fault == "always last")
            case "inverts a bit":
                m.d.comb += bit.eq(~before)
            case "doubles a word":
                again = Signal()
                with m.If(sent):
                    m.d.sync += again.eq(1)
                with m.If(~again):
                    m.d.comb += inner.o.ready.eq(0)
            case "hangs" | "turns deaf":
                stuck = Signal()
                with m.If(sent):
                    m.d.sync += stuck.eq(1)
                with m.If(stuck & (self._fault == "hangs")):
                    m.d.comb += [o.valid.eq(0), inner.o.ready.eq(0)]
                with m.If(stuck):
                    m.d.comb += [i.ready.eq(0), inner.i.valid.eq(0)]
        return m
