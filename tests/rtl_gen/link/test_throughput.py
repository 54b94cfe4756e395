# amaranth: UnusedElaboratable=no
"""How near the driver and the link come to what the line can carry."""

import numpy as np
import pytest

from bnnhw.driver import Device
from bnnhw.link import Frame, Kind, encode
from bnnhw.link.payload import Packing

SIZE, COUNT, DIVISOR = 60, 16, 4
IDENTITY = bytes(range(32))
MANIFEST = {
    "identity": IDENTITY.hex(),
    "input": {"shape": [SIZE], "elements": SIZE, "bits": 8, "frame_bytes": SIZE, "lut": None},
    "output": {"low": 0, "step": 1, "bits": 8, "bytes": 1, "classes": 1, "index_bytes": 1},
}


def clocks(simulated_line, credits, pause):
    line = simulated_line(divisor=DIVISOR, credits=credits, pause=pause, frame_bytes=SIZE)
    packing = Packing.from_manifest(MANIFEST)
    pixels = np.random.default_rng(1).integers(1, 256, (COUNT, SIZE))
    # The stub's second byte, the sum, is an index of a class, and there is one class.
    pixels[:, -1] = -pixels[:, :-1].sum(1) % 256
    with Device(line, name="simulation", packing=packing, timeout=1) as device:
        assert device.info.credits == (credits or 8)
        before = line.time
        for answer, row in zip(device.predict_iter(iter(pixels), inflight=8), pixels, strict=True):
            assert answer.logits.tolist() == [row[0]]
        spent = round((line.time - before) * 1e6)
        assert device.counters().repeated == 0
    sent = sum(len(encode(Frame(Kind.INFER, 1, bytes(row.tolist())))) for row in pixels)
    return spent, sent * 10 * DIVISOR


def test_line_is_full_with_eight_under_way(simulated_line):
    """Eight is what both ends do unless told otherwise; the bound: bytes on the wire over baud."""
    spent, bound = clocks(simulated_line, None, 1500)
    assert bound <= spent <= 1.1 * bound


@pytest.mark.slow
def test_one_under_way_waits(simulated_line):
    """The bound means something: without requests ahead the line stands still meanwhile."""
    spent, bound = clocks(simulated_line, 1, 1500)
    assert spent > 1.4 * bound
