# amaranth: UnusedElaboratable=no
"""Faults in netlists: benches see them, one that looks at nothing does not, the rest is proved."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from amaranth.hdl import Signal

from rtl_gen.queue import Skid
from scripts.mutation import child, kinds_link, kinds_numbers, kinds_streams
from scripts.mutation.kind import Kind, mirror
from scripts.mutation.make import make
from scripts.mutation.netlist import Netlist, UnknownCell
from scripts.mutation.results import Fate, Judged
from scripts.mutation.rtl import judge
from scripts.mutation.survivors import Reasons
from scripts.mutation.twins import Answer, alike
from sim.bench import run

KINDS = {
    kind.name: kind for kind in (*kinds_streams.KINDS, *kinds_numbers.KINDS, *kinds_link.KINDS)
}


# Yosys as WebAssembly reserves more addresses than it uses.
_ROOM = 1 << 40


def apart(action: Callable[[], str]) -> Any:
    """Run in a process of its own: benches that are cut short leave unused hardware behind."""
    ending = child.run(lambda: json.dumps(action()), seconds=300, memory=_ROOM)
    assert ending.how == "done", ending
    return json.loads(ending.what)


def told(judged: Judged) -> Any:
    return [[one.key, one.fate.value, one.how] for one in judged.verdicts]


@pytest.mark.parametrize(("name", "count"), [("spare register", 20), ("argmax", 16)])
def test_benches_see_nearly_every_fault(name: str, count: int) -> None:
    found = apart(lambda: told(Reasons("rtl").applied(judge(KINDS[name], count=count, seed=2))))
    fates = [fate for _, fate, _ in found]
    assert len({key for key, _, _ in found}) == count
    assert fates.count("open") == 0
    assert fates.count("killed") >= 0.9 * (count - fates.count("equal"))


def idle(t: Any) -> None:
    """Run a register slice, and look at nothing; its streams are not even watched."""

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i.valid, 1)
        for _ in range(9):
            await ctx.tick()

    dut = t.Skid(shape=t.word(2, 3))
    m = t.Module()
    m.submodules.dut = dut
    run(m, bench, deadline=20)


def test_a_bench_that_looks_at_nothing_kills_nothing() -> None:
    blind = replace(KINDS["register slice"], play=None, also=(idle,))
    found = apart(lambda: told(judge(blind, count=12, seed=1, solve=False)))
    assert [fate for _, fate, _ in found] == ["open"] * 12


def test_a_bench_that_fails_without_a_fault_is_refused() -> None:
    calls: list[int] = []

    def second(t: Any) -> None:
        idle(t)
        calls.append(1)
        # Before the child's own run it was called to learn the timing, and to see the component.
        assert len(calls) == 1, "no"

    wrong = replace(KINDS["register slice"], play=None, also=(second,))
    ending = child.run(lambda: str(judge(wrong, count=1, seed=1)), seconds=60, memory=_ROOM)
    assert ending.how == "raised"
    assert ending.what.startswith("AssertionError: register slice: the netlist without a fault")


def test_a_bench_without_the_component_is_refused() -> None:
    other = Kind(name="none", tests="rtl_gen/test_queue.py", block="Skid", also=(lambda t: None,))
    with pytest.raises(LookupError, match=r"^Bench must elaborate Skid, and never does$"):
        judge(other, count=1, seed=1)


def test_the_solver_tells_twins_from_strangers() -> None:
    whole, (mutant,) = make(Skid(shape=3), count=1, seed=1)
    assert alike(Skid(shape=3), whole, whole) is Answer.EQUAL
    assert alike(Skid(shape=3), whole, mutant.netlist) is Answer.DIFFER


def test_the_same_seed_gives_the_same_mutants() -> None:
    def keys(count: int, seed: int) -> list[str]:
        return [mutant.key for mutant in make(Skid(shape=4), count=count, seed=seed)[1]]

    first = keys(60, 1)
    assert keys(9, 1) == first[:9] != keys(9, 2)
    assert not any("CLK" in key for key in first)


def test_all_kinds_have_names_and_tests_of_their_own() -> None:
    kinds = [*kinds_streams.KINDS, *kinds_numbers.KINDS, *kinds_link.KINDS]
    assert len(KINDS) == len(kinds) >= 60
    for kind in kinds:
        assert issubclass(kind.component, object) and (kind.play or kind.also)
        assert mirror(kind.tests) is mirror(kind.tests)


def module(**cells: Any) -> dict[str, Any]:
    ports = {"a": {"direction": "input", "bits": [2, 3]}, "y": {"direction": "output", "bits": [4]}}
    return {"ports": ports, "cells": cells, "netnames": {}}


def test_netlist_wrong() -> None:
    cell = {"type": "$div", "parameters": {}, "connections": {"A": [2], "B": [3], "Y": [4]}}
    ports = {"a": Signal(2), "y": Signal()}
    with pytest.raises(UnknownCell, match=r"^Netlist must have no \$div"):
        Netlist(module(divide=cell)).build(ports)
    with pytest.raises(ValueError, match=r"^Netlist must have ports \{'a': 2\}, not \{'a': 2, 'y'"):
        Netlist(module()).build({"a": Signal(2)})
    with pytest.raises(ValueError, match=r"^Netlist must have ports "):
        Netlist(module()).build({"a": Signal(3), "y": Signal()})


def test_fates_are_counted() -> None:
    assert [fate.value for fate in Fate] == ["killed", "equal", "explained", "open"]
