"""The fastest clock that timing proves: the search, by a place and route that is made up."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bnnhw.errors import TimingFailed, UsageError
from bnnhw.target import Board
from rtl_gen.build.boards import load_board
from rtl_gen.build.fastest import MARGIN, ROUNDS, fastest
from rtl_gen.build.pll import ecp5_dividers, ice40_dividers, pll_outputs
from rtl_gen.build.report import BuildReport, ClockTiming, Usage, check

ICE = load_board("icebreaker")
"""12 MHz in, 24 MHz out."""


def reported(board: Board, fmax_mhz: float) -> BuildReport:
    hertz = board.clock.sync_hz
    return BuildReport(
        name="net", board=board.name, device=board.device, sync_hz=hertz, seed=1,
        usage={"lut4": Usage(10, 5280)}, clocks=(ClockTiming("clk", fmax_mhz, hertz / 1e6),),
        slowest=None, tools={}, bitstream="net.bin",
    )  # fmt: skip


class Maker:
    """Place and route that reaches what a function of the clock that it is asked for says."""

    def __init__(self, reach: Callable[[float], float]) -> None:
        self.reach = reach
        self.asked: list[float] = []

    def __call__(self, board: Board) -> tuple[BuildReport, float]:
        asked = board.clock.sync_hz / 1e6
        self.asked.append(asked)
        report = reported(board, self.reach(asked))
        check(report, board)
        return report, asked


def following(asked: float) -> float:
    """Give the next faster clock of the iCEBreaker's PLL."""
    return min(hz for hz in pll_outputs("ice40", 12_000_000) if hz > asked * 1e6) / 1e6


def test_what_the_pll_makes() -> None:
    """All of it, and nothing else: by trying every frequency of a grid."""
    for family, dividers in (("ice40", ice40_dividers), ("ecp5", ecp5_dividers)):
        found = pll_outputs(family, 12_000_000)
        assert found == sorted(set(found)) and len(found) > 100
        grid = range(16_000_000, 60_000_000, 62_500)
        for hertz in grid:
            try:
                dividers(12_000_000, hertz)
            except UsageError:
                assert hertz not in found
            else:
                assert hertz in found


def test_margin_is_kept_and_the_clock_is_the_fastest_of_the_pll() -> None:
    make = Maker(lambda asked: 40.0)
    report, asked = fastest(ICE, make, lambda hertz: True)
    assert make.asked[0] == 24 and make.asked[-1] == asked == report.sync_hz / 1e6
    assert asked * (1 + MARGIN) <= 40 < following(asked) * (1 + MARGIN)
    assert len(make.asked) == 2


def test_goes_on_while_tools_try_harder() -> None:
    make = Maker(lambda asked: min(asked * 1.2, 34.0))
    _, asked = fastest(ICE, make, lambda hertz: True)
    assert make.asked == sorted(make.asked) and len(make.asked) > 2
    assert asked * (1 + MARGIN) <= 34 < following(asked) * (1 + MARGIN)


def test_comes_back_from_what_is_refused() -> None:
    """A clock that is asked for may make things worse; what was proved stays."""
    make = Maker(lambda asked: 36.0 if asked < 30 else asked - 1)
    report, asked = fastest(ICE, make, lambda hertz: True)
    assert max(make.asked) > 33 and 24 < asked < 30
    assert report.fmax_mhz == 36 and len(make.asked) <= ROUNDS


def test_met_without_the_margin_is_not_taken() -> None:
    make = Maker(lambda asked: 30.0 if asked == 24 else asked * 1.01)
    report, asked = fastest(ICE, make, lambda hertz: True)
    assert asked == 24 and report.fmax_mhz == 30 and len(make.asked) > 1


def test_only_what_the_link_can_do_with() -> None:
    make = Maker(lambda asked: 40.0)
    report, _ = fastest(ICE, make, lambda hertz: hertz % 1_000_000 == 0)
    assert report.sync_hz == 36_000_000


def test_refused() -> None:
    with pytest.raises(
        TimingFailed, match=r"less than 5% above its clock of 24 MHz\.\nBegin with "
    ):
        fastest(ICE, Maker(lambda asked: 24.5), lambda hertz: True)
    still = replace(ICE, clock=replace(ICE.clock, sync_hz=ICE.clock.source_hz, pll="none"))
    with pytest.raises(UsageError, match="has no PLL, so its clock cannot be raised"):
        fastest(still, Maker(lambda asked: 40.0), lambda hertz: True)
