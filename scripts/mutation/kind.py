"""A kind of block with the benches that check it: those of its own test file."""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from sim.bench import Run

from ..signing import ROOT

__all__ = ["BATTERY", "Check", "How", "Kind", "Timing", "call", "mirror"]

Timing = tuple[int, int]
"""Latency and period of a run without stalls, in clocks."""

Check = Callable[[Any], object]
"""Called with a file of the tests as a module; raises if something is wrong."""

How = Mapping[str, Any]
"""What `sim.bench.exercise` takes, by name."""

BATTERY: tuple[How, ...] = (
    {},
    {"stalls": 50, "seed": 1},
    {"stalls": {"o": "patient"}},
    {"stalls": "toggle"},
    {"reset_after": 3},
    {"reset_after": 7},
    {"stalls": {"o": 90}, "seed": 2},
    {"stalls": {"i": 90}, "seed": 3},
    {"reset_after": 12},
    {"stalls": {"i": 50}, "reset_after": 24, "seed": 4},
    {"stalls": 85, "seed": 5},
)
"""How the benches of a stream component are run."""


def call(name: str, *given: Any, **named: Any) -> Check:
    """Make a check of a test function and what it is called with."""
    return lambda module: getattr(module, name)(*given, **named)


@cache
def mirror(path: str) -> ModuleType:
    """Load a file of the tests, by its path below `tests`."""
    name = "mutated_" + path.removesuffix(".py").replace("/", "_")
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and hypothesis look a module up by its name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of block at one small size.

    All benches use the same component: its netlist, whole or with a fault, is put in the place of
    every component of that class.

    Parameters
    ----------
    name : str
        For the record.
    tests : str
        Path below `tests` of the file that checks this block.
    block : str
        Name of the component's class in that file, or of a class that it imports.
    play : callable or None
        Of that file's own benches, one that hands what else it is given to `sim.bench.exercise`;
        it is called with the file's module, and once for each of `battery`.
    battery : sequence of dict
        See `BATTERY`.
    also : sequence of callables
        Further tests of the file, called with its module.
    make : callable or None
        Makes the component, called with the module; needed where the benches extend it, else the
        first one that they elaborate is taken.
    """

    name: str
    tests: str
    block: str
    play: Callable[..., Any] | None = None
    battery: tuple[How, ...] = BATTERY
    also: tuple[Check, ...] = ()
    make: Check | None = None

    @property
    def component(self) -> type[Any]:
        """Class of the component."""
        found: type[Any] = getattr(mirror(self.tests), self.block)
        return found

    def check(self) -> list[Timing]:
        """Run all benches, and give the timing of those without stalls.

        Raises
        ------
        AssertionError, TimeoutError
            Or anything else, if a bench finds a fault.
        """
        module, found = mirror(self.tests), []
        plays = [] if self.play is None else [(self.play, how) for how in self.battery]
        for play, how in plays:
            log = play(module, **how)
            if not how and isinstance(log, Run):
                frames = max((len(log.ends[name]) for name in log.sinks), default=0)
                found.append((log.latency, log.period if frames > 1 else 0))
        for test in self.also:
            test(module)
        return found
