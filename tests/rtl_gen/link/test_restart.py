# amaranth: UnusedElaboratable=no
"""The board's end is started again in mid-frame, as by a reset button, and answers are right."""

import numpy as np
import pytest

from bnnhw.driver import Device
from bnnhw.link.payload import Packing

SIZE = 6
MANIFEST = {
    "identity": bytes(range(32)).hex(),
    "input": {"shape": [SIZE], "elements": SIZE, "bits": 8, "frame_bytes": SIZE, "lut": None},
    "output": {"low": 0, "step": 1, "bits": 8, "bytes": 1, "classes": 1, "index_bytes": 1},
}


class Restarted:
    """A line that stays while its board is replaced by a new one, after some steps of 50 clocks."""

    def __init__(self, make, steps):
        self.make, self.steps = lambda: make(credits=None, pause=200), steps
        self.line = self.make()
        self.real, self.line.advance = self.line.advance, self.advance
        self.silences = 0
        self.armed = False

    def advance(self, cycles):
        self.real(cycles)
        self.steps -= self.armed
        if self.steps == 0 and self.armed:
            self.restart()

    def restart(self):
        old, self.line, self.armed = self.line, self.make(), False
        self.real, self.line.advance = self.line.advance, self.advance
        # Who sends and who reads goes on, with the new board.
        self.line.to_board, old.from_board = old.to_board, self.line.from_board

    def write(self, data):
        self.line.write(data)

    def read(self, timeout):
        data = self.line.read(timeout)
        self.silences += not data
        return data

    def close(self):
        self.line.close()


# In the first request, among the first ones, while answers leave, and near the end.
@pytest.mark.parametrize(
    "steps",
    [31, 60, pytest.param(5, marks=pytest.mark.slow), pytest.param(83, marks=pytest.mark.slow)],
)
def test_restarted_in_mid_frame(simulated_line, steps):
    line = Restarted(simulated_line, steps)
    packing = Packing.from_manifest(MANIFEST)
    pixels = np.random.default_rng(1).integers(1, 256, (16, SIZE))
    pixels[:, -1] = -pixels[:, :-1].sum(1) % 256
    with Device(line, name="restarted", packing=packing, timeout=1) as device:
        line.armed = True
        before = line.silences
        answers = device.predict(pixels)
        assert not line.armed
        assert np.array_equal(answers.logits[:, 0], pixels[:, 0])
        assert line.silences - before <= 2
        assert device.counters().repeated > 0
