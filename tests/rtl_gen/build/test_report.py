import json
from dataclasses import replace

import pytest

from bnnhw.errors import DoesNotFit, TimingFailed
from rtl_gen.build.boards import load_board
from rtl_gen.build.report import BuildReport, ClockTiming, SlowestPath, Usage, check

BOARD = load_board("icebreaker")
REPORT = BuildReport(
    name="net",
    board=BOARD.name,
    device=BOARD.device,
    sync_hz=24_000_000,
    seed=3,
    usage={
        "lut4": Usage(5280, 5280),
        "ff": Usage(7, 5280),
        "ebr": Usage(30, 30),
        "spram": Usage(0, 4),
        "dsp": Usage(0, 8),
    },
    clocks=(ClockTiming("clk", 24.0, 24.0),),
    slowest=SlowestPath("a", "b", 10.0, 31.5, 4),
    tools={"yosys": "0.70"},
    bitstream="net.bin",
    cycles_per_image=96_000,
)


def test_full_and_just_fast_enough_passes():
    check(REPORT, BOARD)


def test_too_big():
    usage = {**REPORT.usage, "lut4": Usage(5281, 5280), "ebr": Usage(31, 30)}
    with pytest.raises(DoesNotFit) as caught:
        check(replace(REPORT, usage=usage), BOARD)
    assert caught.value.what == (
        "'net' does not fit 1BitSquared iCEBreaker (iCE40UP5K-SG48): it needs 5281 LUT4 where "
        "there are 5280, 31 block RAMs where there are 30."
    )
    assert "fewer PEs" in caught.value.todo and "bigger board" in caught.value.todo


def test_too_slow():
    with pytest.raises(TimingFailed) as caught:
        check(replace(REPORT, clocks=(ClockTiming("clk", 23.999, 24.0),)), BOARD)
    assert caught.value.what == (
        "'net' reaches 24.00 MHz on 1BitSquared iCEBreaker, but its clock has 24 MHz. Its slowest "
        "path takes 41.50 ns (10.00 logic, 31.50 wires, 4 levels) from a to b."
    )
    assert "a clock of at most 23 MHz" in caught.value.todo


def test_json_and_text():
    data = json.loads(REPORT.to_json())
    assert data["fps"] == 250.0 and data["fmax_mhz"] == 24.0
    assert data["usage"]["ebr"] == {"used": 30, "available": 30}
    assert REPORT.to_json() == replace(REPORT).to_json()
    text = REPORT.render()
    assert "LUT4          5280 of 5280 (100.0 %)\n" in text
    assert "speed         96000 cycles an image, 250.0 fps\n" in text
    assert "fps" not in replace(REPORT, cycles_per_image=None).render()


USB = (ClockTiming("usb", 12.5, 12.000192), ClockTiming("clk", 24.5, 24.0))


def test_a_clock_of_another_frequency_is_held_against_its_own():
    report = replace(REPORT, clocks=USB)
    check(report, BOARD)
    assert report.fmax_mhz == 24.5 and report.others == USB[:1]
    assert "other clock   12 MHz wanted, 12.50 MHz reached\n" in report.render()
    # What the tools' rounding makes is no failure.
    check(replace(REPORT, clocks=(ClockTiming("usb", 12.0, 12.000192), USB[1])), BOARD)


def test_a_clock_of_another_frequency_that_is_too_slow():
    slow = ClockTiming("usb", 11.9, 12.000192)
    with pytest.raises(TimingFailed) as caught:
        check(replace(REPORT, clocks=(slow, USB[1])), BOARD)
    assert caught.value.what == ("'net' on 1BitSquared iCEBreaker: 'usb' reaches 11.90 MHz of 12.")
    assert "another seed" in caught.value.todo


def test_clocks_as_fast_as_ours_count_as_ours():
    both = (ClockTiming("usb_io", 23.0, 24.0001), ClockTiming("clk", 25.0, 24.0))
    assert replace(REPORT, clocks=both).fmax_mhz == 23.0
    unlike = (ClockTiming("clk", 25.0, 12.0),)
    assert replace(REPORT, clocks=unlike).fmax_mhz == 25.0
    assert replace(REPORT, clocks=unlike).others == ()
