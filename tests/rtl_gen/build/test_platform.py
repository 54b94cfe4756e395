from dataclasses import replace

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bnnhw.errors import ToolMissing, UsageError
from bnnhw.target import Clock, Link
from rtl_gen.build.boards import load_board
from rtl_gen.build.platform import platform_of, prepare


class Wire(wiring.Component):
    def __init__(self):
        super().__init__({"rx": In(1), "tx": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.tx.eq(self.rx)
        return m


def steps(name, **options):
    return prepare(Wire(), load_board(name), name="plain", **options)


def test_commands_are_argument_lists_with_relative_names():
    for board in ("icebreaker", "ulx3s-85f"):
        tools = [command[0] for command in steps(board).commands]
        assert tools[0] == "yosys" and tools[1].startswith("nextpnr-")
        assert tools[2] in ("icepack", "ecppack")
        assert not any(
            word.startswith("/") for command in steps(board).commands for word in command
        )


def test_options_reach_the_tools():
    wide = steps("ulx3s-85f", wide_luts=True)
    narrow = steps("ulx3s-85f", seed=7)
    assert "-nowidelut" in narrow.files["plain.ys"] and "-nowidelut" not in wide.files["plain.ys"]
    place = narrow.commands[1]
    assert place[place.index("--seed") + 1] == "7"
    assert place[place.index("--freq") + 1] == "50.000000"
    assert place[place.index("--router") + 1] == "router2"
    assert "router2" in steps("icebreaker").commands[1]
    assert "router2" not in steps("icebreaker", router2=False).commands[1]


def test_other_seed_changes_the_placer_alone():
    before = steps("ulx3s-85f")
    after = before.with_seed(9)
    assert after == steps("ulx3s-85f", seed=9)
    assert after.commands[0] == before.commands[0] and after.files == before.files


def test_environment_changes_nothing(monkeypatch):
    before = steps("icebreaker")
    monkeypatch.setenv("AMARANTH_synth_opts", "-abc9")
    monkeypatch.setenv("AMARANTH_nextpnr_opts", "--force")
    monkeypatch.setenv("AMARANTH_add_constraints", "evil")
    assert steps("icebreaker") == before


def test_kept_names_do_not_keep_logic():
    script = steps("icebreaker").files["plain.ys"].splitlines()
    kept = [line.split()[0] for line in script if line and not line.startswith("#")]
    assert kept == ["read_rtlil", "setattr", "delete", "synth_ice40", "write_json"]
    assert "setattr -unset keep w:*" in script


def test_only_the_used_pins_are_driven():
    constraints = steps("hx8k-breakout").files["plain.pcf"]
    pins = {line.split()[1] for line in constraints.splitlines() if line.startswith("set_io")}
    assert pins == {"clk12_0__io", "uart_0__rx__io", "uart_0__tx__io", "led_0__io"}


@pytest.mark.parametrize(
    ("board", "cell"),
    [
        ("icebreaker", "SB_PLL40_PAD"),
        ("hx8k-breakout", "SB_PLL40_CORE"),
        ("ulx3s-12f", "EHXPLLL"),
    ],
)
def test_clock_without_and_with_pll(board, cell):
    with_pll = load_board(board)
    clock = replace(with_pll.clock, pll="none", sync_hz=with_pll.clock.source_hz)
    without = replace(with_pll, clock=clock)
    assert f"\\{cell}" in prepare(Wire(), with_pll, name="plain").files["plain.il"]
    assert "PLL" not in prepare(Wire(), without, name="plain").files["plain.il"]


@pytest.mark.parametrize("name", ["a b", "", "x;y", "module", "$(id)", "a\nb", "x" * 64])
def test_design_name_wrong(name):
    with pytest.raises(UsageError, match="^The design name"):
        prepare(Wire(), load_board("icebreaker"), name=name)


def test_platform_wrong():
    board = load_board("icebreaker")
    with pytest.raises(ToolMissing, match="needs the Python module 'no_such_module'"):
        platform_of(replace(board, platform="no_such_module:Board"))
    with pytest.raises(UsageError, match="which is no Amaranth platform for ice40"):
        platform_of(replace(board, platform="amaranth_boards.ulx3s:ULX3S_85F_Platform"))
    with pytest.raises(UsageError, match="which is no Amaranth platform for ice40"):
        platform_of(replace(board, platform="amaranth_boards.icebreaker:Missing"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("link", Link(resource="serial"), "needs a resource 'serial', which 'amaranth_boards"),
        ("led", "lamp", "needs a resource 'lamp'"),
        (
            "clock",
            Clock(source_hz=16_000_000, sync_hz=24_000_000, pll="pad"),
            "says that its oscillator has 16000000 Hz, 'amaranth_boards.*' says 12000000",
        ),
    ],
)
def test_board_that_disagrees_with_its_platform(field, value, message):
    with pytest.raises(UsageError, match=message):
        prepare(Wire(), replace(load_board("icebreaker"), **{field: value}), name="plain")
