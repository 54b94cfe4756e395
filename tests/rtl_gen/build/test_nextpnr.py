from typing import Any

from rtl_gen.build.nextpnr import clock_timings, log_totals, slowest_path, usage
from rtl_gen.build.report import ClockTiming, SlowestPath, Usage

LOG = """\
Info: Packing LUT-FFs..
Info:        5 LCs used as LUT4 only
Info:       36 LCs used as LUT4 and DFF
Info: Packing non-LUT FFs..
Info:        4 LCs used as DFF only
Info: Device utilisation:
Info: \t         ICESTORM_LC:      51/   5280     0%
Info: \t        ICESTORM_RAM:      31/     30   103%
ERROR: Unable to place cell
"""


def hop(kind, delay, start="a", end="b"):
    return {"type": kind, "delay": delay, "from": {"cell": start}, "to": {"cell": end}}


def test_totals_come_from_the_log():
    assert log_totals(LOG) == {"ICESTORM_LC": (51, 5280), "ICESTORM_RAM": (31, 30)}
    assert log_totals("ERROR: no such file\n") == {}


def test_usage_of_both_families():
    found = usage("ice40", log_totals(LOG), LOG)
    assert found["lut4"] == Usage(51, 5280) and found["ff"] == Usage(40, 5280)
    assert found["ebr"] == Usage(31, 30) and found["dsp"] == Usage(0, 0)
    totals = {"TRELLIS_COMB": (1, 2), "TRELLIS_FF": (3, 4), "DP16KD": (5, 6), "MULT18X18D": (7, 8)}
    assert list(usage("ecp5", totals, "").values()) == [
        Usage(1, 2),
        Usage(3, 4),
        Usage(5, 6),
        Usage(0, 0),
        Usage(7, 8),
    ]


def test_slowest_path_is_between_registers():
    def path(start, end, *hops):
        return {"from": start, "to": end, "path": list(hops)}

    report: dict[str, Any] = {
        "critical_paths": [
            path("<async>", "posedge clk", hop("routing", 99.0)),
            path("<async>", "<async>", hop("routing", 99.0)),
            path(
                "posedge clk",
                "posedge clk",
                hop("clk-to-q", 1.0, "first", "first"),
                hop("routing", 2.5, "first", "middle"),
                hop("logic", 0.5, "middle", "middle"),
                hop("routing", 3.0, "middle", "last"),
                hop("setup", 0.25, "last", "last"),
            ),
        ],
        "fmax": {"clk": {"achieved": 137.9, "constraint": 24}},
    }
    assert slowest_path(report) == SlowestPath("first", "last", 1.75, 5.5, 1)
    # One of a slower clock is longer, and takes less of the time that it has.
    report["critical_paths"].append(
        path("posedge usb", "posedge usb", hop("logic", 14.0, "x", "x"))
    )
    report["fmax"]["usb"] = {"achieved": 70, "constraint": 12}
    assert slowest_path(report) == SlowestPath("first", "last", 1.75, 5.5, 1)
    report["fmax"]["usb"]["constraint"] = 13
    assert slowest_path(report) == SlowestPath("x", "x", 14.0, 0.0, 1)
    del report["fmax"]["usb"]
    assert slowest_path({"critical_paths": []}) is None
    assert clock_timings(report) == (ClockTiming("clk", 137.9, 24.0),)
