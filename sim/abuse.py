"""Acts of a bench that abuses streams: what is sent and served, how badly, and when reset comes.

An act says it all and knows no simulator; `abuse_player` decides clock by clock what that means,
`abuse.cpp` does the same in C++, and `abuse_designs` knows which answers are right.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring

from bnnhw.errors import CheckFailed
from rtl_gen.shell import Port, make_shell
from rtl_gen.verilog import emit

from .cocotb_run import TODO

__all__ = ["NEVER", "TOGGLE", "Act", "Case", "Design", "Lane", "Offer", "Outcome", "judge"]

TOGGLE = 101
"""A stall that comes in every other clock; other stalls are percentages below 100."""

NEVER = 1 << 32
"""A clock of an act at which no reset comes."""

Offer = tuple[int, int]
"""A word of a stream, all its fields in one number, and the clocks before it is offered."""


@dataclass(frozen=True)
class Act:
    """What sources and sink do until every answer is there, or reset comes.

    Parameters
    ----------
    offers : dict of str to sequence of Offer
        For each input by name.
    answers : int
        Words that must leave.
    stall_in, stall_out : int
        Percentage of clocks in which each source and the sink wait, or `TOGGLE`.
    hold : int
        Clocks at the start in which the sink takes nothing.
    seed : int
        Of the stalls.
    reset_at : int
        Clock of the act in which reset is high, for that one clock; the act ends with it.
    """

    offers: Mapping[str, Sequence[Offer]]
    answers: int
    stall_in: int = 0
    stall_out: int = 0
    hold: int = 0
    seed: int = 1
    reset_at: int = NEVER


@dataclass(frozen=True)
class Case:
    """An act, and the words that must leave: all of them, or as many as reset lets.

    Parameters
    ----------
    act : Act
    expected : tuple of int
    what : str
        For messages.
    mask : int
        Bits of a word that have a meaning.
    """

    act: Act
    expected: tuple[int, ...]
    what: str
    mask: int = -1


@dataclass(frozen=True)
class Outcome:
    """What came of an act.

    Parameters
    ----------
    words : tuple of int
        Words that left.
    clocks : int
        Clocks that it took, that of the reset included.
    broken : str
        The rule that was broken, or nothing.
    """

    words: tuple[int, ...]
    clocks: int
    broken: str = ""


@dataclass(frozen=True)
class Lane:
    """One stream of a design, by the names of its ports.

    Parameters
    ----------
    name : str
    fields : tuple of (str, int)
        Port and width of each part of a word, that of the low bits first.
    valid, ready : str
    """

    name: str
    fields: tuple[tuple[str, int], ...]
    valid: str
    ready: str

    @property
    def width(self) -> int:
        """Bits of a word."""
        return sum(width for _, width in self.fields)


@dataclass(frozen=True)
class Design:
    """A component with input streams and one output stream, in every simulator.

    Parameters
    ----------
    name : str
        Of the module.
    make : callable
        Makes the component anew, since each elaboration needs its own.
    idle : int
        Clocks without any movement after which it hangs.
    given : tuple or None
        Verilog text and ports, where they are not to be emitted here.
    """

    name: str
    make: Callable[[], wiring.Component]
    idle: int = 4000
    given: tuple[str, list[Port]] | None = field(default=None, repr=False)

    @cached_property
    def emitted(self) -> tuple[str, list[Port]]:
        """Its Verilog, and the ports of its top."""
        return self.given or emit(self.make(), name=self.name, header={})

    @cached_property
    def ports(self) -> list[Port]:
        """Every port but clock and reset."""
        return [port for port in self.emitted[1] if port.stream]

    @cached_property
    def lanes(self) -> tuple[list[Lane], Lane]:
        """The inputs, and the output."""
        found: dict[str, list[Port]] = {}
        for port in self.ports:
            found.setdefault(port.stream, []).append(port)
        inputs: list[Lane] = []
        outputs: list[Lane] = []
        for name, ports in found.items():
            named = {port.field: port for port in ports}
            valid = named.pop("valid")
            fields = tuple((p.name, p.width) for key, p in named.items() if key != "ready")
            if any(width > 64 for _, width in fields) or sum(width for _, width in fields) > 64:
                raise ValueError(f"Stream {name!r} must have at most 64 bits")
            lane = Lane(name, fields, valid.name, named["ready"].name)
            (inputs if valid.direction == "input" else outputs).append(lane)
        (output,) = outputs
        return inputs, output

    def shell(self) -> Any:
        """Make the component with the ports of its Verilog."""
        return make_shell(self.make(), "plain")

    def inside(self, domain: Any) -> tuple[Module, Any]:
        """Put the shell below a module that owns its clock domain."""
        m = Module()
        m.domains.sync = domain
        m.submodules.shell = shell = self.shell()
        return m, shell


def judge(design: Design, cases: Sequence[Case], outcomes: Sequence[Outcome]) -> int:
    """Hold what left against what must leave.

    Returns
    -------
    int
        Words compared.

    Raises
    ------
    CheckFailed
        If a rule was broken, or a word is wrong, missing or surplus; it names act and word.
    """
    compared = 0
    for number, outcome in enumerate(outcomes):
        case = cases[number]
        where = f"'{design.name}', act {number} ({case.what})"
        if outcome.broken:
            raise CheckFailed(f"{where}: {outcome.broken}.", TODO)
        wanted = [word & case.mask for word in case.expected]
        found = [word & case.mask for word in outcome.words]
        cut = case.act.reset_at != NEVER
        if found != (wanted[: len(found)] if cut else wanted):
            raise CheckFailed(
                f"{where}: expected {_shown(wanted)}, found {_shown(found)}.",
                TODO,
            )
        compared += len(found)
    if len(outcomes) != len(cases) or not compared:
        raise CheckFailed(
            f"'{design.name}' ended after {len(outcomes)} of {len(cases)} acts.", TODO
        )
    return compared


def _shown(words: Sequence[int]) -> str:
    return " ".join(f"{word:x}" for word in words[:40]) or "nothing"
