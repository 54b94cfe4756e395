"""A network whose weights lie in the SPRAM of an iCEBreaker, to the bitstream."""

import pytest

from bnnhw import data
from bnnhw.fold import Folding, LayerFold
from bnnhw.load import load_model
from bnnhw.plan import make_plan
from rtl_gen.build.boards import load_board
from rtl_gen.build.flow import build_bitstream
from rtl_gen.system import LinkedAccelerator


@pytest.mark.slow
def test_digits_with_a_layer_in_spram(tmp_path):
    layers = {
        "fc1": LayerFold(4, 16, "spram"),
        "fc2": LayerFold(4, 8, "block"),
        "fc3": LayerFold(2, 8, "block"),
    }
    plan = make_plan(load_model(data.path("digits_mlp.onnx")), Folding(layers), name="digits")
    board = load_board("icebreaker")
    core = LinkedAccelerator(plan, clock_hz=board.clock.sync_hz, baud=board.link.baud)
    report = build_bitstream(core, board, tmp_path, name="digits")
    # 64 bits of weights side by side; thresholds and blocks of the upload lie in block RAM.
    assert report.usage["spram"].used == 4
    assert report.usage["ebr"].used <= 16
    assert report.usage["lut4"].used < 2_600
    assert (tmp_path / "digits.bin").stat().st_size > 100_000
