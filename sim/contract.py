"""The rule that every stream keeps: once `valid`, hold `valid` and the payload until taken."""

from typing import Any

from amaranth.hdl import Assert, Assume, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["StreamContract"]


class StreamContract(wiring.Component):
    """Watch a stream and fail when an offered word is withdrawn or changed.

    It only listens. Checks happen at each clock edge (a testbench may still be arranging the
    signals between edges) and not during reset, which forgets what was on offer. In pysim a
    breach raises `AssertionError` with the name of the stream. For a formal proof, make `clk` and
    `rst` ports of the top: without a clock that moves every check passes and proves nothing.

    Parameters
    ----------
    shape : ShapeLike
        Of the stream's payload.
    name : str
        For the message.
    assume : bool
        For formal proofs: promise that the other side keeps the rule, instead of checking it.

    Members
    -------
    payload : shape, in
        Payload of the stream.
    valid : Signal(1), in
        Its `valid`.
    ready : Signal(1), in
        Its `ready`.
    """

    def __init__(self, *, shape: Any, name: str = "stream", assume: bool = False) -> None:
        self._name = name
        self._assume = assume
        super().__init__({"payload": In(shape), "valid": In(1), "ready": In(1)})

    def listen(self, m: Module, port: Any) -> None:
        """Connect to `port` from outside, whatever its direction."""
        m.d.comb += [
            Value.cast(self.payload).eq(Value.cast(port.payload)),
            self.valid.eq(port.valid),
            self.ready.eq(port.ready),
        ]

    def elaborate(self, platform: Any) -> Module:
        """Build the check."""
        m = Module()
        payload = Value.cast(self.payload)
        pending = Signal()
        offered = Signal(payload.shape())
        m.d.sync += [pending.eq(self.valid & ~self.ready), offered.eq(payload)]
        require = Assume if self._assume else Assert
        with m.If(pending & ~ResetSignal()):
            m.d.sync += [
                require(self.valid, *self._say("valid was withdrawn before ready")),
                require(payload == offered, *self._say("payload changed before it was taken")),
            ]
        return m

    def _say(self, what: str) -> list[str]:
        return [] if self._assume else [f"{self._name}: {what}"]
