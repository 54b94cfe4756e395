"""The multipliers of iCE40 UltraPlus in the cost model and in the solver."""

import importlib
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bnnhw.cost import Cost, estimate, price, solve
from bnnhw.cost.choices import Network
from bnnhw.errors import DoesNotFit
from bnnhw.fold import Folding, LayerFold, serial
from bnnhw.fold.multipliers import fits_mac16
from bnnhw.graph import Affine, Argmax, Dense, Flatten, Graph, Grid, Input, Threshold
from rtl_gen.build.boards import load_board
from sim.samples import eight_bit, network

cost: Any = importlib.import_module("scripts.benches.cost")
points: Any = importlib.import_module("scripts.benches.cost_points")
measured: Any = importlib.import_module("scripts.benches.cost_measure")

# Words of several hundred lanes have more digits than Python likes to print.
sys.set_int_max_str_digits(0)

UP5K = load_board("icebreaker").budget
NONE = replace(UP5K, dsp=0)


def test_which_products_are_worth_a_multiplier() -> None:
    assert fits_mac16(8, 8) and fits_mac16(8, 3) and fits_mac16(2, 9) and fits_mac16(16, 16)
    assert not any(fits_mac16(*widths) for widths in ((8, 2), (17, 8), (8, 17), (8, 1), (1, 12)))


# LUT4, flip-flops, block RAMs, SPRAMs and multipliers before iCE40 had any, on both families.
BEFORE = {
    ("intmvtu", 0): ((481, 124, 1, 0, 0), (278, 132, 0, 0, 1)),
    ("intmvtu", 5): ((1068, 351, 0, 0, 0), (291, 355, 0, 0, 5)),
    ("intmvtu", 10): ((750, 359, 0, 0, 0), (252, 367, 0, 0, 9)),
    ("intmvtu_lut", 3): ((271, 132, 0, 0, 0), (234, 135, 0, 0, 0)),
    ("affine", 4): ((612, 197, 0, 0, 0), (148, 199, 1, 0, 2)),
    ("affine", 7): ((444, 183, 0, 0, 0), (114, 183, 0, 0, 2)),
    ("argmax_scaled", 1): ((312, 114, 0, 0, 0), (77, 114, 0, 0, 1)),
}


@pytest.mark.parametrize(("kind", "seed"), BEFORE)
def test_no_price_without_them_has_changed(kind: str, seed: int) -> None:
    for family, numbers in zip(("ice40", "ecp5"), BEFORE[kind, seed], strict=True):
        block = points.draw(kind, seed, family)
        assert price(block, family).numbers == numbers
    # ECP5 has them whatever is said; the scale of classes has none on iCE40.
    assert price(block, "ecp5", dsp=True).numbers == BEFORE[kind, seed][1]
    if kind in ("argmax_scaled", "intmvtu_lut"):
        assert price(points.draw(kind, seed, "ice40"), "ice40", dsp=True).numbers[4] == 0


# Products for a multiplier, with codes of 2 bits, and of 12 bits with a factor that is a constant.
SHAPES = [("intmvtu", 0), ("intmvtu", 8), ("intmvtu", 4), ("affine", 7), ("affine", 11),
          ("affine", 8)]  # fmt: skip


@pytest.mark.slow
def test_prices_are_those_of_synthesis() -> None:
    blocks = [points.draw(*shape, "ice40") for shape in SHAPES]
    found = measured.synthesise_all([cost.component(b) for b in blocks], "ice40", dsp=True)
    assert [cells["dsp"] for cells in found] == [1, 10, 0, 2, 1, 0]
    for block, cells in zip(blocks, found, strict=True):
        guess = price(block, "ice40", dsp=True)
        assert (guess.dsp, guess.ebr) == (cells["dsp"], cells["ebr"])
        assert abs(guess.lut4 - cells["lut4"]) <= 0.3 * cells["lut4"]
        if cells["dsp"]:
            # What it would be without is further away than that.
            assert price(block, "ice40").lut4 > 1.3 * cells["lut4"]


def test_solver_stays_within_them() -> None:
    graph = eight_bit(5)
    folding = solve(graph, "ice40", UP5K, fill=True)
    guess = estimate(graph, folding, "ice40", dsp=True)
    assert 0 < guess.cost.dsp <= 8
    # With so many lanes there are more products than that: some lie in lookup tables.
    lanes = [fold for name, fold in folding.layers.items() if name != "fc"]
    assert sum(fold.pe * fold.simd for fold in lanes) > 8
    assert {fold.multiplier for fold in lanes} == {"dsp", "lut"}
    slower = estimate(graph, solve(graph, "ice40", NONE, fill=True), "ice40")
    assert slower.cost.dsp == 0 and slower.cycles >= guess.cycles


def test_a_network_without_products_keeps_its_folding() -> None:
    for seed, sizes in enumerate(((20, 12, 6, 5), (64, 32, 10))):
        graph = network(sizes, seed)
        assert Network(graph, "ice40").targets() == Network(graph, "ice40", dsp=True).targets()
        for fill in (False, True):
            assert solve(graph, "ice40", UP5K, fill=fill) == solve(graph, "ice40", NONE, fill=fill)


def scaled(channels: int) -> Graph:
    """Make a chain with two scales of 8 bits, one behind the other."""
    dice = np.random.default_rng(2)
    factors = dice.integers(-128, 128, (2, channels))
    nodes = (
        Input("x", (), (channels,), Grid(0, 1, 256)),
        Affine("one", ("x",), factors[0], np.zeros(channels, int), 8, (0, 127)),
        Affine("two", ("one",), factors[1], np.arange(channels), 8, (0, 127)),
        Threshold("sign", ("two",), np.full((channels, 1), 20), np.ones(channels, int)),
        Flatten("flat", ("sign",)),
        Dense("fc", ("flat",), dice.integers(0, 2, (3, channels), np.uint8)),
        Argmax("best", ("fc",), np.zeros(3, int)),
    )
    return Graph("net", nodes, ("fc", "best"))


def test_too_few_of_them_are_named() -> None:
    graph = scaled(256)
    assert estimate(graph, serial(graph), "ice40", dsp=True).cost.dsp == 2
    assert solve(graph, "ice40", replace(UP5K, dsp=2), fps=1, clock_hz=12e6)
    with pytest.raises(
        DoesNotFit,
        match=r"its smallest folding takes about \d+ LUT4, \d+ block RAMs and 2 multipliers; "
        r"the device has 5280, 30 and 1\.",
    ):
        solve(graph, "ice40", replace(UP5K, dsp=1), fps=1, clock_hz=12e6)


def test_constants_need_none() -> None:
    """Where every channel has a lane of its own, factors are constants."""
    graph = scaled(4)
    found = solve(graph, "ice40", replace(UP5K, dsp=1), fps=1, clock_hz=12e6)
    assert estimate(graph, found, "ice40", dsp=True).cost.dsp <= 1
    assert 4 in found.lanes.values()


def test_products_that_lie_in_lookup_tables_are_priced_there() -> None:
    graph = eight_bit(5)

    def found(style: str, *, dsp: bool) -> Cost:
        layers = {"wide": LayerFold(2, 1, multiplier=style), "fc": LayerFold(1, 6),
                  "point": LayerFold(1, 4, multiplier=style)}  # fmt: skip
        return estimate(graph, Folding(layers), "ice40", dsp=dsp).cost

    assert found("lut", dsp=True) == found("lut", dsp=False)
    assert (found("dsp", dsp=True).dsp, found("dsp", dsp=False).dsp) == (6, 0)
    # Where there are none, Yosys's own product is the largest.
    ways = ("dsp", True), ("lut", True), ("dsp", False)
    cells = [found(style, dsp=dsp).lut4 for style, dsp in ways]
    assert cells == sorted(cells) and cells[1] - cells[0] > 400
