"""`bnnhw demo`: each bundled network from its file to a bitstream."""

from pathlib import Path

import pytest

from bnnhw import data


def test_unknown_network(refuses) -> None:
    what = r"There is no bundled network 'digits\x1b'."
    refuses(2, what, "digits_mlp, digits_cnn", "demo", "--network", "digits\x1b")


def test_unknown_board(refuses) -> None:
    refuses(2, "icebraeker", "icebreaker", "demo", "icebraeker", "--network", "digits_cnn")


def test_help_names_the_networks(cli) -> None:
    said = cli("demo", "--help").out
    assert all(name in said for name in data.networks())


@pytest.mark.slow
def test_first_network_for_people(cli) -> None:
    done = cli("demo")
    assert done.code == 0
    title = "digits_mlp on 1BitSquared iCEBreaker"
    for said in (title, "360 images", "98.61 %", "clock", "bnnhw flash "):
        assert said in done.out
    # Whoever has seen one is told of the other.
    assert done.out.rstrip().endswith("bnnhw demo --network digits_cnn")


@pytest.mark.slow
def test_second_network_as_json(cli) -> None:
    done = cli("demo", "--network", "digits_cnn", "--json")
    assert (done.code, done.err) == (0, "")
    facts = done.document
    assert set(facts) == {"simulation", "build", "files"}
    simulated, built = facts["simulation"], facts["build"]
    assert simulated["network"] == built["name"] == "digits_cnn"
    assert simulated["mismatches"] == 0 and simulated["passed"]
    assert simulated["images"] == 360 and simulated["accuracy"] >= 0.97
    assert simulated["cycles_per_image"] == simulated["cycles_formula"] == built["cycles_per_image"]
    assert built["board"] == "icebreaker"
    assert all(Path(path).is_file() for path in facts["files"])
