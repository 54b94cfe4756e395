"""Networks whose weights are loaded: every edge against the golden model, as of any other."""

from typing import Any

import pytest

from bnnhw.errors import UsageError
from rtl_gen.network import network_verilog
from sim.network import simulate
from sim.samples import images, network, planned

GRAPH = network((40, 24, 20, 10), 7)


@pytest.mark.parametrize("styles", [("ram", "auto", "ram"), ("spram", "ram", "spram")])
def test_every_edge_after_the_weights_were_loaded(styles: tuple[str, ...]) -> None:
    folds: list[Any] = [(4, 10, styles[0]), (5, 6, styles[1]), (2, 10, styles[2])]
    plan = planned(GRAPH, folds)
    verilog, ports = network_verilog(plan)
    assert {port.name for port in ports if port.stream == "i_load"} == {
        "i_load_data", "i_load_last", "i_load_valid", "i_load_ready",
    }  # fmt: skip
    report = simulate(plan, verilog, images(GRAPH, 10, 1), stall_in=20, stall_out=30)
    assert report.passed and report.compared


@pytest.mark.parametrize("simulator", ["icarus", "pysim"])
def test_simulators_that_load_nothing_say_so(simulator: str) -> None:
    folds: list[Any] = [(4, 10, "spram"), (5, 6), (2, 10)]
    plan = planned(GRAPH, folds)
    message = rf"^Only Verilator's simulation loads weights, and '{simulator}' would wait for them"
    with pytest.raises(UsageError, match=message):
        simulate(plan, "", images(GRAPH, 1, 1), simulator=simulator)
