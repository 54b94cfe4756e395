# amaranth: UnusedElaboratable=no
"""An image run many times inside the link: how many answers, which clocks, and what stops it."""

import pytest

from bnnhw.link import Decoder, ErrorCode, Frame, Kind, encode
from bnnhw.link.protocol import CLOCKS_BYTES, Hello

SIZE = 6
PAYLOAD = bytes([3, 1, 4, 1, 5, 9])
ANSWER = bytes([3, sum(PAYLOAD)])


def talk(line, data):
    line.write(data)
    decoder, frames = Decoder(), []
    while heard := line.read(0):
        frames += decoder.feed(heard)
    assert decoder.bad == 0
    return frames


def bench(count, sequence=9):
    return encode(Frame(Kind.BENCH, sequence, count.to_bytes(2, "little")))


def infer(sequence, payload=PAYLOAD):
    return encode(Frame(Kind.INFER, sequence, payload))


def run(line, count):
    (told,) = talk(line, bench(count))
    assert (told.kind, told.sequence) == (Kind.HELLO_REPLY, 9)
    assert Hello.unpack(told.payload).benchmark
    (result,) = talk(line, infer(4))
    assert (result.kind, result.sequence, result.payload[:2]) == (Kind.RESULT, 4, ANSWER)
    assert len(result.payload) == 2 + CLOCKS_BYTES
    return int.from_bytes(result.payload[2:], "little")


@pytest.mark.parametrize(("pause", "gap"), [(0, 0), (0, 3), (40, 0), (25, 7)])
def test_clocks(simulated_line, pause, gap):
    line = simulated_line(benchmark=True, pause=pause, gap=gap, frame_bytes=SIZE)
    # The stub takes a frame at a byte every two clocks, begins again after its second byte, and
    # spends two clocks on an answer, one more where it waits before either of them.
    each = 2 * SIZE + pause + 1 + gap + 2
    first = run(line, 1)
    found = [run(line, count) - first for count in (2, 3, 10)]
    period = found[0]
    assert found == [period, 2 * period, 9 * period]
    # The buffer reads a byte ahead while the stub is busy, so that a period is a clock shorter or
    # two; what it is must be what the stub itself does.
    assert abs(period - each) <= 2
    # Ordinary requests are as before.
    assert talk(line, infer(1) + infer(2)) == [Frame(Kind.RESULT, k, ANSWER) for k in (1, 2)]


def test_requests_that_come_meanwhile_wait(simulated_line):
    line = simulated_line(benchmark=True, pause=40, credits=2)
    talk(line, bench(5))
    frames = talk(line, infer(1) + infer(2, bytes(SIZE)))
    assert [(frame.kind, frame.sequence) for frame in frames] == [
        (Kind.RESULT, 1), (Kind.RESULT, 2),
    ]  # fmt: skip
    assert len(frames[0].payload) == 2 + CLOCKS_BYTES and frames[1].payload == bytes(2)


def test_hello_takes_it_back(simulated_line):
    line = simulated_line(benchmark=True)
    talk(line, bench(5))
    talk(line, encode(Frame(Kind.HELLO, 1)))
    assert talk(line, infer(1)) == [Frame(Kind.RESULT, 1, ANSWER)]


def test_hello_is_answered_while_it_runs(simulated_line):
    line = simulated_line(benchmark=True, pause=300)
    talk(line, bench(9))
    frames = talk(line, infer(1) + encode(Frame(Kind.HELLO, 2)))
    assert [frame.kind for frame in frames] == [Kind.HELLO_REPLY, Kind.RESULT]
    assert len(frames[1].payload) == 2 + CLOCKS_BYTES


def test_refused_while_something_is_under_way(simulated_line):
    line = simulated_line(benchmark=True, pause=600)
    frames = talk(line, infer(1) + bench(3, 7))
    assert Frame(Kind.ERROR, 7, bytes([ErrorCode.BUSY])) in frames
    assert Frame(Kind.RESULT, 1, ANSWER) in frames
    # Armed already: the count must not change under a run.
    talk(line, bench(2, 7))
    assert talk(line, bench(3, 8)) == [Frame(Kind.ERROR, 8, bytes([ErrorCode.BUSY]))]
    damaged = bytearray(bench(77))
    damaged[-3] ^= 1
    (result,) = talk(line, bytes(damaged) + infer(1))
    clocks = int.from_bytes(result.payload[2:], "little")
    assert 2 * 600 < clocks < 3 * 600


def test_wrong_length_and_builds_without_it(simulated_line):
    line = simulated_line(benchmark=True)
    assert talk(line, encode(Frame(Kind.BENCH, 1, b"x"))) == [
        Frame(Kind.ERROR, 1, bytes([ErrorCode.LENGTH]))
    ]
    line = simulated_line()
    assert talk(line, bench(3)) == [Frame(Kind.ERROR, 9, bytes([ErrorCode.KIND]))]
