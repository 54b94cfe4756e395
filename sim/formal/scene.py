"""One component on a stage where the rest of the world may do everything that it is allowed to."""

from collections.abc import Callable
from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.back import rtlil
from amaranth.hdl import (
    Assert,
    Assume,
    ClockDomain,
    Cover,
    Module,
    Mux,
    ResetSignal,
    Shape,
    ShapeLike,
    Signal,
    Value,
    ValueLike,
)

from ..contract import StreamContract

__all__ = ["Properties", "Scene"]


class Scene:
    """A component with its properties, from which a model for the solvers is written.

    Clock and reset are ports: a reset may come at any clock and for any time. All checks and
    promises are sampled at the clock edge, and none counts during reset.

    Parameters
    ----------
    component : Component
        What the properties are about; it becomes the submodule `dut`.
    properties : callable
        Adds the environment and the properties; called with this scene.
    only : str
        Leave out every check whose name does not begin so.

    Raises
    ------
    ValueError
        If nothing is checked, or two checks have the same name.
    """

    def __init__(self, component: Any, properties: "Properties", *, only: str = "") -> None:
        self.m = Module()
        """Where the properties' own logic goes; what it drives needs the domain `sync`."""
        self.dut = component
        """The component."""
        self._domain = ClockDomain("sync")
        self._only = only
        self._names: list[str] = []
        self.m.domains.sync = self._domain
        self.m.submodules.dut = component
        properties(self)
        if not any(name.startswith(only) for name in self._names):
            which = f"something that begins with {only!r}" if only else "something"
            raise ValueError(f"Properties of {type(component).__name__} must check {which}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all checks."""
        return tuple(self._names)

    def any_clock(self, shape: ShapeLike, name: str) -> Signal:
        """Give a signal that may have any value at every clock."""
        return self._named(AnySeq(Shape.cast(shape).width), shape, name)

    def any_one(self, shape: ShapeLike, name: str) -> Signal:
        """Give a signal that has any value, the same at all clocks."""
        return self._named(AnyConst(Shape.cast(shape).width), shape, name)

    def check(self, name: str, what: ValueLike, *, when: ValueLike = 1) -> None:
        """Require `what` at every clock edge where `when` holds; `when` is to be reachable too."""
        if name in self._names:
            raise ValueError(f"Check must have a name of its own, not {name!r}")
        self._names.append(name)
        if name.startswith(self._only):
            self._at_edge(Assert(Value.cast(what), name), name, when)
        self.reach(name, when)

    def check_waits(self, name: str, waits: Value, most: int) -> None:
        """Require that `waits` never holds for more than `most` clocks in a row."""
        clocks = Signal(range(most + 2), name=f"{_plain(name)}_clocks")
        self.m.d.sync += clocks.eq(Mux(waits, clocks + (clocks != most + 1), 0))
        self.check(name, clocks + waits <= most)

    def reach(self, name: str, what: ValueLike) -> None:
        """Require that `what` can happen, which `Mode.COVER` shows."""
        self._at_edge(Cover(Value.cast(what) & ~ResetSignal(), name), name, 1)

    def promise(self, what: ValueLike) -> None:
        """Assume `what` at every clock edge."""
        self._at_edge(Assume(Value.cast(what), "promise"), "promise", 1)

    def source(self, port: Any, name: str) -> None:
        """Drive an input stream by anything that keeps the stream contract."""
        payload = Value.cast(port.payload)
        self.m.d.comb += [
            payload.eq(self.any_clock(payload.shape(), f"{name}_payload")),
            port.valid.eq(self.any_clock(1, f"{name}_valid")),
        ]
        contract = StreamContract(shape=payload.shape(), name=name, assume=True)
        self.m.submodules[f"contract_{name}"] = contract
        contract.listen(self.m, port)

    def sink(self, port: Any, name: str) -> None:
        """Take an output stream whenever one likes, and check that it keeps the contract.

        The rule is that of `StreamContract`, written down once more, under names that can fail.
        """
        payload = Value.cast(port.payload)
        self.m.d.comb += port.ready.eq(self.any_clock(1, f"{name}_ready"))
        waits = Signal(name=f"{name}_waits")
        offered = Signal(payload.shape(), name=f"{name}_offered")
        self.m.d.sync += [waits.eq(port.valid & ~port.ready), offered.eq(payload)]
        self.check(f"{name} stays valid", port.valid, when=waits)
        self.check(f"{name} stays the same", payload == offered, when=waits)
        self.reach(f"{name} moves", port.valid & port.ready)

    def rtlil(self) -> str:
        """Write all of it as RTLIL, with `top` as the name of its top module."""
        ports = [self._domain.clk, self._domain.rst]
        return str(rtlil.convert(self.m, name="top", ports=ports))

    def _named(self, value: Value, shape: ShapeLike, name: str) -> Signal:
        signal = Signal(shape, name=name)
        self.m.d.comb += signal.eq(value)
        return signal

    def _at_edge(self, statement: Any, name: str, when: ValueLike) -> None:
        # The solvers tell a property by its place in the source: its name says more.
        statement.src_loc = (_plain(name), 0)
        with self.m.If(Value.cast(when).bool() & ~ResetSignal()):
            self.m.d.sync += statement


def _plain(name: str) -> str:
    """Make one word of a name, as the solvers' own formats need it."""
    return name.replace(" ", "_")


Properties = Callable[[Scene], None]
"""What tells a `Scene` how a component's world behaves and what must hold."""
