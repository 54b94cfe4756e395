"""Names of a child's ports in its parent's netlist."""

from amaranth.hdl import Signal, Value
from amaranth.lib import wiring

__all__ = ["label"]


def label(unit: wiring.Component, name: str) -> None:
    """Name the signals of a child's ports after the child.

    A parent's netlist then tells the children apart. Call it before the parent uses them;
    ``unit.o.valid`` is then ``NAME_o__valid`` in both modules.
    """
    for path, _, value in unit.signature.flatten(unit):
        signal = Value.cast(value)
        if isinstance(signal, Signal):
            signal.name = f"{name}_{'__'.join(map(str, path))}"
