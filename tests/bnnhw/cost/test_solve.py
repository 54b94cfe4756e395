"""The solver against brute force, against the plan, and against its own promises."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnhw.cost import Estimate, estimate, solve
from bnnhw.cost.choices import divisors
from bnnhw.errors import DoesNotFit, UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import Dense, Graph, Input
from bnnhw.plan import make_plan
from bnnhw.target import Budget

MakeNetwork = Callable[[Sequence[int]], Graph]
SMALL = Budget(lut4=5280, ff=5280, ebr=30, ebr_bits=4096)
LARGE = Budget(lut4=83640, ff=83640, ebr=208, ebr_bits=18432)
BUDGETS = {"ice40": SMALL, "ecp5": LARGE}


def folds_of(graph: Graph) -> list[list[tuple[str, LayerFold]]]:
    return [
        [
            (node.name, LayerFold(pe, simd, style, replay=replay))
            for pe in range(1, node.rows + 1)
            for simd in range(1, node.columns + 1)
            if node.rows % pe == 0 and node.columns % simd == 0
            for style in ("lut", "block")
            # What is read once is not kept.
            for replay in (("auto", "lut") if pe < node.rows else ("auto",))
        ]
        for node in graph.nodes
        if isinstance(node, Dense)
    ]


def every_folding(graph: Graph) -> Iterator[Folding]:
    size = graph.edges["image"].size
    for chosen in itertools.product(*folds_of(graph)):
        for lanes in range(1, size + 1):
            if size % lanes == 0:
                yield Folding(dict(chosen), lanes)


def priced(graph: Graph, family: str) -> list[Estimate]:
    return [estimate(graph, folding, family) for folding in every_folding(graph)]


def within(one: Estimate, budget: Budget, share: float = 1.0, blocks: float = 1.0) -> bool:
    cost = one.cost
    return (
        cost.lut4 <= int(share * budget.lut4)
        and cost.ff <= int(share * budget.ff)
        and cost.ebr <= int(blocks * budget.ebr)
        and cost.dsp <= budget.dsp
    )


# Few foldings: all of them are priced.
sizes = st.lists(st.sampled_from([1, 2, 3, 4, 5]), min_size=2, max_size=3)
families = st.sampled_from(["ice40", "ecp5"])


@settings(max_examples=12, deadline=None)
@given(sizes=sizes, family=families, data=st.data())
def test_cheapest_for_a_rate_is_what_brute_force_finds(
    network: MakeNetwork, sizes: list[int], family: str, data: st.DataObject
) -> None:
    graph = network(sizes)
    every = priced(graph, family)
    cycles = data.draw(st.sampled_from(sorted({one.cycles for one in every})))
    found = estimate(graph, solve(graph, family, fps=1.0, clock_hz=cycles), family)
    assert found.cycles <= cycles
    # Without a budget a block RAM is worth a hundred cells.
    assert found.lut4 + 100 * found.ebr == min(
        one.lut4 + 100 * one.ebr for one in every if one.cycles <= cycles
    )


budgets = st.builds(
    lambda lut4, ff, ebr: Budget(lut4=lut4, ff=ff, ebr=ebr, ebr_bits=4096),
    st.integers(800, 3000), st.integers(500, 3000), st.integers(4, 14),
)  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(sizes=sizes, family=families, budget=budgets, fill=st.booleans())
def test_fastest_within_a_budget_is_what_brute_force_finds(
    network: MakeNetwork, sizes: list[int], family: str, budget: Budget, fill: bool
) -> None:
    graph = network(sizes)
    share = (1.0, 1.0) if fill else (0.6, 0.95)
    fits = [one for one in priced(graph, family) if within(one, budget, *share)]
    if not fits:
        with pytest.raises(DoesNotFit):
            solve(graph, family, budget, fill=fill)
        return
    found = estimate(graph, solve(graph, family, budget, fill=fill), family)
    assert within(found, budget, *share)
    least = min(one.cycles for one in fits)
    assert found.cycles == least
    # Fewest cells, and of those with as many the fewest block RAMs.
    assert (found.lut4, found.ebr) == min(
        (one.lut4, one.ebr) for one in fits if one.cycles == least
    )


@settings(max_examples=12, deadline=None)
@given(sizes=sizes, family=families, budget=budgets, data=st.data())
def test_a_rate_within_a_budget_is_refused_only_if_nothing_fits(
    network: MakeNetwork, sizes: list[int], family: str, budget: Budget, data: st.DataObject
) -> None:
    graph = network(sizes)
    every = priced(graph, family)
    cycles = data.draw(st.sampled_from(sorted({one.cycles for one in every})))
    fits = [one for one in every if one.cycles <= cycles and within(one, budget)]
    if fits:
        found = estimate(graph, solve(graph, family, budget, fps=1, clock_hz=cycles), family)
        assert found.cycles <= cycles and within(found, budget)
        assert found.lut4 == min(one.lut4 for one in fits)
    else:
        with pytest.raises(DoesNotFit):
            solve(graph, family, budget, fps=1, clock_hz=cycles)


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 20), min_size=2, max_size=5), data=st.data())
def test_estimated_clocks_are_those_of_the_plan(
    network: MakeNetwork, sizes: list[int], data: st.DataObject
) -> None:
    """Any folding by hand, padded lanes and input lanes of its own included."""
    graph = network(sizes)
    layers = {
        node.name: LayerFold(
            data.draw(st.integers(1, node.rows)), data.draw(st.integers(1, node.columns))
        )
        for node in graph.nodes
        if isinstance(node, Dense)
    }
    lanes = data.draw(st.none() | st.integers(1, sizes[0]))
    folding = Folding(layers, lanes)
    assert estimate(graph, folding, "ice40").cycles == make_plan(graph, folding).cycles


def test_ten_classes_take_ten_clocks_however_wide_the_arrays(network: MakeNetwork) -> None:
    graph = network([8, 4, 10])
    folding = solve(graph, "ecp5")
    assert estimate(graph, folding, "ecp5").cycles == make_plan(graph, folding).cycles == 10


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 64), min_size=2, max_size=5),
    fps=st.floats(1.0, 1e6),
    clock=st.floats(1e6, 2e8),
)
def test_a_rate_is_met_by_the_plan(
    network: MakeNetwork, sizes: list[int], fps: float, clock: float
) -> None:
    graph = network(sizes)
    try:
        folding = solve(graph, "ecp5", fps=fps, clock_hz=clock)
    except UsageError as error:
        assert int(clock // fps) < make_plan(graph, solve(graph, "ecp5")).cycles, error
        return
    assert make_plan(graph, folding).cycles <= clock / fps


@pytest.mark.parametrize("cycles", [7, 16, 100])
def test_a_rate_that_leaves_a_whole_number_of_clocks_is_met(
    network: MakeNetwork, cycles: int
) -> None:
    """No clock is lost to rounding where the rate is the clock over a number of clocks."""
    graph = network([cycles, 1])
    exact = solve(graph, "ice40", fps=0.5, clock_hz=cycles / 2)
    assert make_plan(graph, exact).cycles <= cycles


@pytest.mark.parametrize("family", ["ice40", "ecp5"])
def test_a_higher_rate_never_takes_less(network: MakeNetwork, family: str) -> None:
    graph = network([60, 48, 36, 10])
    costs, clocks = [], []
    for fps in (10, 100, 1000, 1e4, 1e5, 1e6):
        found = estimate(graph, solve(graph, family, fps=fps, clock_hz=24e6), family)
        costs.append(found.lut4 + 100 * found.ebr)
        clocks.append(found.cycles)
    assert costs == sorted(costs) and costs[0] < costs[-1]
    assert clocks == sorted(clocks, reverse=True)


def test_a_larger_device_is_never_slower(network: MakeNetwork) -> None:
    graph = network([60, 48, 36, 10])
    clocks = [
        estimate(graph, solve(graph, "ice40", Budget(size, size, ebr, 4096)), "ice40").cycles
        for size, ebr in [(2600, 12), (5280, 12), (5280, 30), (7680, 32), (20000, 64), (83640, 208)]
    ]
    assert clocks == sorted(clocks, reverse=True) and clocks[0] > clocks[-1]


@pytest.mark.parametrize(
    ("layers", "family"),
    [
        ([784, 64, 64, 64, 10], "ice40"),
        ([784, 64, 64, 64, 10], "ecp5"),
        ([784, 1024, 1024, 1024, 10], "ecp5"),
        ([64] * 20 + [10], "ecp5"),
        ([720] * 20 + [10], "ecp5"),
    ],
)
def test_solves_large_networks(network: MakeNetwork, layers: list[int], family: str) -> None:
    graph, budget = network(layers), BUDGETS[family]
    try:
        folding = solve(graph, family, budget)
    except DoesNotFit:
        assert layers[0] == 720, "20 layers of 720 × 720 hold 9.8 million bits, more than there are"
        return
    found = estimate(graph, folding, family)
    assert found.lut4 <= 0.6 * budget.lut4 and found.ebr <= 0.95 * budget.ebr


def testdivisors() -> None:
    for number in [*range(1, 200), 720720, 1 << 20]:
        found = divisors(number)
        assert found == sorted(set(found)) and math.prod(found) ** 2 == number ** len(found)
    assert divisors(36) == [1, 2, 3, 4, 6, 9, 12, 18, 36]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"fps": 1e6, "clock_hz": 12e6},
            (
                r"1e\+06 images/s at 12 MHz leave 12 clocks an image; "
                r"the widest folding of 'net' takes 13\.\nAsk for at most 923076 images/s\."
            ),
        ),
        (
            {"fps": 30.0},
            (
                r"A frame rate of 30\.0 at a clock of None Hz is not possible\.\n"
                r"Give a frame rate and a clock above 0\."
            ),
        ),
        (
            {"fps": 0.0, "clock_hz": 12e6},
            (
                r"A frame rate of 0\.0 at a clock of 12000000\.0 Hz is not possible\.\n"
                r"Give a frame rate and a clock above 0\."
            ),
        ),
        (
            {"fps": math.nan, "clock_hz": 12e6},
            (
                r"A frame rate of nan at a clock of 12000000\.0 Hz is not possible\.\n"
                r"Give a frame rate and a clock above 0\."
            ),
        ),
        (
            {"fps": 1.0, "clock_hz": math.inf},
            (
                r"A frame rate of 1\.0 at a clock of inf Hz is not possible\.\n"
                r"Give a frame rate and a clock above 0\."
            ),
        ),
    ],
)
def test_rate_wrong(network: MakeNetwork, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}$"):
        solve(network([8, 4, 13]), "ice40", SMALL, **arguments)


def test_the_advice_for_a_rate_that_is_too_high_can_be_followed(network: MakeNetwork) -> None:
    graph = network([8, 4, 13])
    folding = solve(graph, "ice40", fps=923076, clock_hz=12e6)
    assert make_plan(graph, folding).cycles == 13


def test_a_network_that_is_too_large(network: MakeNetwork) -> None:
    with pytest.raises(
        DoesNotFit,
        match=r"^'net' holds 200961 weight bits; its smallest folding takes about \d+ LUT4 and "
        r"\d{2,} block RAMs; the device has 5280 and 30\.\n"
        r"Choose a larger board or a smaller network\.$",
    ):
        solve(network([784, 240, 51, 11]), "ice40", SMALL)


def test_a_rate_that_does_not_fit_says_which_one_does(network: MakeNetwork) -> None:
    graph = network([784, 64, 64, 64, 10])
    with pytest.raises(
        DoesNotFit,
        match=r"^500000 images/s of 'net' need about \d+ LUT4 and \d+ block RAMs; "
        r"the device has 5280 and 30\.\nAsk for at most \d+ images/s, or choose a larger board\.$",
    ) as caught:
        solve(graph, "ice40", SMALL, fps=5e5, clock_hz=12e6)
    advised = int(caught.value.todo.split()[4])
    found = estimate(graph, solve(graph, "ice40", SMALL, fps=advised, clock_hz=12e6), "ice40")
    assert found.cycles <= 12e6 / advised and found.lut4 <= 5280 and found.ebr <= 30


def test_a_network_without_layers() -> None:
    graph = Graph("net", (Input("image", (), (4,)),), ("image",))
    with pytest.raises(
        UsageError,
        match=r"^Network 'net' has no layer with weights to fold\.\nGive a network with one\.$",
    ):
        solve(graph, "ice40")


def test_family_wrong(network: MakeNetwork) -> None:
    graph = network([4, 2])
    message = r"^Family must be one of ice40, ecp5, not 'gold'$"
    with pytest.raises(ValueError, match=message):
        solve(graph, "gold")
    with pytest.raises(ValueError, match=message):
        estimate(graph, Folding({"fc1": LayerFold(1, 1)}), "gold")
