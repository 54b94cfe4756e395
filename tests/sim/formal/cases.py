"""A block with its law as a case of tests: proved, reached, and refuted with each fault."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from sim import formal
from sim.formal import Mode, Properties, Verdict

from .faults import FAULTS, Faulty

__all__ = ["Case", "params", "proofs", "twins"]


@dataclass(frozen=True)
class Case:
    """A block, what must hold of it, and how long it takes to see everything.

    Parameters
    ----------
    name : str
        Of the test.
    make : callable
        Gives a new block.
    properties : Properties
        What must hold.
    depth : int
        Clocks in which two frames pass.
    right : str
        Name of the check of what leaves.
    last : str
        Name of the check that sees a wrong `last`.
    slow : bool
        Whether its proof is left to the slow tests.
    harmless : tuple of str
        Faults that are none for this block.
    first : int
        Clocks that are looked at where nothing is proved for all time.
    """

    name: str
    make: Callable[[], Any]
    properties: Properties
    depth: int
    right: str = "result"
    last: str = "last"
    slow: bool = False
    harmless: tuple[str, ...] = ()
    first: int = 0

    def prove(self) -> None:
        """Prove all of it for all time."""
        result = formal.prove(self.make(), self.properties, mode=Mode.PDR)
        assert result.verdict is Verdict.PROVED, result.log

    def reach(self) -> None:
        """Reach every check, and the end of the second frame."""
        result = formal.prove(self.make(), self.properties, mode=Mode.COVER, depth=self.depth)
        assert result.verdict is Verdict.REACHED, result
        assert "second frame" in result.reached

    def refute(self, fault: str) -> None:
        """Find the fault by the check that is meant to see it, alone."""
        name = {"right": self.right, "last": self.last}.get(FAULTS[fault], FAULTS[fault])
        faulty, depth = Faulty(self.make(), fault), 2 * self.depth
        result = formal.prove(faulty, self.properties, mode=Mode.BMC, depth=depth, only=name)
        assert result.verdict is Verdict.REFUTED, result
        assert all(failed.startswith(name) for failed in result.names)


def params(cases: Sequence[Case]) -> list[Any]:
    """Give the cases as parameters of a test, the slow ones marked."""
    return [
        pytest.param(case, id=case.name, marks=pytest.mark.slow if case.slow else ())
        for case in cases
    ]


def proofs(cases: Sequence[Case]) -> Any:
    """Let a test run for each case."""
    return pytest.mark.parametrize("case", params(cases))


def twins(cases: Sequence[Case], quick: Sequence[str] = ("inverts a bit",)) -> Any:
    """Let a test run for each fault of each case; all but the `quick` ones are slow."""

    def each() -> Iterator[Any]:
        for case in cases:
            for fault in FAULTS:
                if fault not in case.harmless:
                    slow = () if fault in quick else pytest.mark.slow
                    yield pytest.param(case, fault, id=f"{case.name}-{fault}", marks=slow)

    return pytest.mark.parametrize(("case", "fault"), list(each()))
