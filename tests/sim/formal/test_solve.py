# amaranth: UnusedElaboratable=no
"""The solvers say yes only to what holds, and every way to be fooled is seen."""

from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from sim.formal import Mode, Result, Scene, Verdict, prove, solve
from sim.formal.aiger import Circuit, certificate, parse_invariant


class Counter(wiring.Component):
    """Counts in twos and starts again at 8, so it is always even and below 9."""

    value: Out(4)  # type: ignore[valid-type]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += self.value.eq(self.value + 2)
        with m.If(self.value == 8):
            m.d.sync += self.value.eq(0)
        return m


def even(scene: Scene) -> None:
    scene.check("even", ~scene.dut.value[0])


def not_fourteen(scene: Scene) -> None:
    """Require what 10 would break two clocks later: one step of induction is not enough."""
    scene.check("not fourteen", scene.dut.value != 14)


def below_eight(scene: Scene) -> None:
    scene.check("below eight", scene.dut.value < 8)


def never(scene: Scene) -> None:
    scene.check("vacuous", 0, when=scene.dut.value == 3)


def promised(scene: Scene) -> None:
    """Require what is assumed."""
    free = scene.any_clock(2, "free")
    scene.promise(free != 3)
    scene.check("promised", free != 3)


def broken_before(scene: Scene) -> None:
    """Require what fails only after the assumption was broken, so never."""
    scene.promise(scene.dut.value != 2)
    scene.check("not four", scene.dut.value != 4)


def stays(scene: Scene) -> None:
    """Require that what is chosen once stays."""
    chosen = scene.any_one(2, "chosen")
    before, started = Signal(2), Signal()
    scene.m.d.sync += [before.eq(chosen), started.eq(1)]
    scene.check("stays", chosen == before, when=started)


def ask(properties: Any, mode: Mode, depth: int = 6) -> Result:
    return prove(Counter(), properties, mode=mode, depth=depth)


@pytest.mark.parametrize("properties", [even, not_fourteen, promised, broken_before, stays])
def test_true_is_proved(properties: Any) -> None:
    assert ask(properties, Mode.PDR).verdict is Verdict.PROVED
    assert ask(properties, Mode.BMC).verdict is Verdict.HELD


def test_induction() -> None:
    assert ask(even, Mode.INDUCTION, 1).verdict is Verdict.PROVED
    assert ask(not_fourteen, Mode.INDUCTION, 1).verdict is Verdict.OPEN
    assert ask(below_eight, Mode.INDUCTION).verdict is Verdict.REFUTED


def test_false_is_refuted_by_name() -> None:
    result = ask(below_eight, Mode.BMC)
    assert (result.verdict, result.names) == (Verdict.REFUTED, ("below eight",))
    assert str(result) == "bmc 6: refuted (below eight)"
    assert ask(below_eight, Mode.PDR).verdict is Verdict.REFUTED


@pytest.mark.parametrize("mode", [Mode.BMC, Mode.PDR])
@pytest.mark.parametrize("value", range(4))
def test_free_is_free(value: int, mode: Mode) -> None:
    """Each way to leave a value open leaves all values open, to both engines."""

    def once(scene: Scene) -> None:
        scene.check("once", scene.any_one(2, "chosen") != value, when=scene.dut.value == 4)

    def always(scene: Scene) -> None:
        scene.check("always", scene.any_clock(2, "free") != value, when=scene.dut.value == 4)

    assert ask(once, mode).verdict is Verdict.REFUTED
    assert ask(always, mode).verdict is Verdict.REFUTED


def test_depth_is_exact() -> None:
    """The counter is 8 at the fifth clock edge, the first being the one that leaves 0."""
    assert ask(below_eight, Mode.BMC, 4).verdict is Verdict.HELD
    assert ask(below_eight, Mode.BMC, 5).verdict is Verdict.REFUTED


def test_unreachable_check_is_missed() -> None:
    assert ask(never, Mode.PDR).verdict is Verdict.PROVED
    result = ask(never, Mode.COVER)
    assert (result.verdict, result.names) == (Verdict.MISSED, ("vacuous",))
    assert ask(even, Mode.COVER).reached == ("even",)


def test_only_one_check() -> None:
    def both(scene: Scene) -> None:
        even(scene)
        below_eight(scene)

    for only, verdict in (("even", Verdict.HELD), ("below", Verdict.REFUTED)):
        assert prove(Counter(), both, mode=Mode.BMC, depth=6, only=only).verdict is verdict


def test_a_claim_that_the_solver_refuses_is_no_proof(monkeypatch: Any) -> None:
    """ABC's word alone proves nothing: here it claims that all states are fine."""
    monkeypatch.setattr(solve, "parse_invariant", lambda text: [])
    assert ask(not_fourteen, Mode.PDR).verdict is Verdict.OPEN


def test_certificate_asks_three_questions() -> None:
    """One latch that turns from 0 to 1 and stays; bad is its being 1."""
    circuit = Circuit(inputs=0, latches=(1,), bad=2, gates=())
    lines = certificate(circuit, [[(0, True)]]).splitlines()
    assert [line for line in lines if line.startswith("(assert")] == [
        "(assert (or false (and true false)))",
        "(assert (not (or false (and true v1))))",
        "(assert v1)",
        "(assert (not (or false (and true v1))))",
        "(assert (or false (and true (not false))))",
    ]


def test_circuit_folds_assumptions() -> None:
    """Input 2, latch 4 with next value 6 = 2 & 4; bad 6, assumed 4."""
    circuit = Circuit.read(b"aig 3 1 1 0 1 1 1\n6\n6\n4\n\x02\x02")
    # The new latch is 6, so the gate is 8; fine = ~6 & 4, good = 1 & ~8, bad = fine & ~good.
    assert circuit == Circuit(
        inputs=1, latches=(8, 11), bad=14, gates=((4, 2), (7, 4), (9, 1), (13, 10))
    )
    assert circuit.write().startswith(b"aig 7 1 2 1 4\n8\n11\n14\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"aag 1 1 0 0 0\n2\n", "^AIGER must be binary, without justice and fairness properties$"),
        (b"aig 1 0 1 0 0\n2 1\n", "^AIGER latches must start at 0$"),
    ],
)
def test_circuit_wrong(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Circuit.read(content)


def test_invariant_text() -> None:
    claim = (
        '# Inductive invariant for "a"\n.i 2\n.o 1\n.p 2\n.ilb lo3 lo12\n.ob inv\n1- 1\n01 1\n.e\n'
    )
    assert parse_invariant(claim) == [[(3, True)], [(3, False), (12, True)]]
    assert parse_invariant(claim.replace("Inductive invariant", "Clauses of the last")) is None
    assert parse_invariant("") is None


def test_properties_wrong() -> None:
    def twice(scene: Scene) -> None:
        even(scene)
        even(scene)

    for properties, message in (
        (lambda scene: None, "^Properties of Counter must check something$"),
        (twice, "^Check must have a name of its own, not 'even'$"),
    ):
        with pytest.raises(ValueError, match=message):
            ask(properties, Mode.BMC)
    with pytest.raises(ValueError, match=r"^Properties of Counter must check something that begi"):
        prove(Counter(), even, mode=Mode.BMC, only="odd")
    with pytest.raises(ValueError, match=r"^Depth must be a positive integer, not 0$"):
        ask(even, Mode.BMC, 0)
