"""Put a netlist in the place of a component, behind the backs of the benches that use it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Value

from .netlist import Netlist

__all__ = ["Captured", "capture", "planted", "ports_of"]


@dataclass
class Captured(BaseException):
    """A component on its way into a bench, which ends there; no bench may hold this up."""

    component: Any
    platform: object


def ports_of(component: Any) -> dict[str, Value]:
    """Give the ports of a component under the names that they have in its netlist."""
    members = component.signature.flatten(component)
    return {
        "__".join(map(str, path)): Value.cast(value)
        for path, _, value in members
        if len(Value.cast(value))
    }


def capture(kind: type[Any], bench: Callable[[], object]) -> Captured:
    """Run a bench until it elaborates a component of `kind`, and give that component.

    Raises
    ------
    LookupError
        If the bench ends without any.
    """

    def elaborate(self: Any, platform: object) -> Any:
        raise Captured(self, platform)

    try:
        with _instead(kind, elaborate):
            bench()
    except Captured as found:
        return found
    raise LookupError(f"Bench must elaborate {kind.__name__}, and never does")


@contextmanager
def planted(kind: type[Any], netlist: Netlist) -> Iterator[list[Any]]:
    """Make every component of `kind` consist of a netlist; give those that were elaborated."""
    seen: list[Any] = []

    def elaborate(self: Any, platform: object) -> Any:
        seen.append(self)
        return netlist.build(ports_of(self))

    with _instead(kind, elaborate):
        yield seen


@contextmanager
def _instead(kind: type[Any], elaborate: Callable[..., Any]) -> Iterator[None]:
    own = vars(kind).get("elaborate")
    kind.elaborate = elaborate
    try:
        yield
    finally:
        if own is None:
            del kind.elaborate
        else:
            kind.elaborate = own
