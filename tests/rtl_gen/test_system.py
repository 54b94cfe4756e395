# amaranth: UnusedElaboratable=no
"""An accelerator behind its serial line, bit by bit in Amaranth's simulator."""

import pytest
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from bnnhw import golden
from bnnhw.bits import pack_bytes
from bnnhw.errors import UsageError
from bnnhw.link import Decoder, Frame, Kind, encode
from bnnhw.plan import Plan
from rtl_gen.system import LinkedAccelerator, divisor_for
from sim.samples import images, network, planned

DIVISOR = 4
BAUD = 1_000_000
CLOCK = DIVISOR * BAUD
GRAPH = network((13, 5, 3), 2)
SEEN = images(GRAPH, 3, 1)


@pytest.mark.parametrize(
    ("clock", "baud", "divisor"),
    [(24_000_000, 1_000_000, 24), (12_000_000, 115_200, 104), (4_000_000, 1_000_000, 4)],
)
def test_divisor(clock: int, baud: int, divisor: int) -> None:
    assert divisor_for(clock, baud) == divisor


@pytest.mark.parametrize(
    ("clock", "baud", "nearest"),
    [(12_000_000, 5_000_000, 3_000_000), (12_000_000, 3_500_000, 3_000_000), (10, 100, 2)],
)
def test_divisor_wrong(clock: int, baud: int, nearest: int) -> None:
    message = rf"^A clock of .* MHz gives no {baud} baud: the nearest is {nearest}\.\nChoose"
    with pytest.raises(UsageError, match=message):
        divisor_for(clock, baud)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return planned(GRAPH, [(2, 4), (1, 5)])


def test_ports(plan: Plan) -> None:
    dut = LinkedAccelerator(plan, clock_hz=CLOCK, baud=BAUD)
    assert dict(dut.signature.members) == {"rx": In(1), "tx": Out(1)}
    assert dut.plan is plan


def exchange(plan: Plan, data: bytes, answers: int) -> list[Frame]:
    """Send bytes to `rx` and return the frames that come from `tx`."""
    dut = LinkedAccelerator(plan, clock_hz=CLOCK, baud=BAUD)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    received = bytearray()

    async def sends(ctx):
        ctx.set(dut.rx, 1)
        await ctx.tick().repeat(20)
        for byte in data:
            for bit in [0, *(byte >> k & 1 for k in range(8)), 1]:
                ctx.set(dut.rx, bit)
                await ctx.tick().repeat(DIVISOR)

    async def hears(ctx):
        word, left = 0, 0
        phase = 0
        for _ in range(1, 40_000):
            *_, level = await ctx.tick().sample(dut.tx)
            if not left:
                if not level:
                    left, phase, word = 9, DIVISOR + DIVISOR // 2 - 1, 0
            elif phase:
                phase -= 1
            else:
                left, phase = left - 1, DIVISOR - 1
                if left:
                    word = word >> 1 | level << 7
                else:
                    assert level, "no stop bit"
                    received.append(word)
            if received.count(0) == answers:
                return
        raise TimeoutError(f"{received.count(0)} of {answers} frames came")

    simulator.add_testbench(sends)
    simulator.add_testbench(hears)
    simulator.run()
    return list(Decoder().feed(bytes(received)))


def request(image, sequence: int) -> bytes:
    return encode(Frame(Kind.INFER, sequence, pack_bytes(image, 1).tobytes()))


def test_answers(plan: Plan) -> None:
    data = b"\0" + b"".join(request(image, 40 + k) for k, image in enumerate(SEEN))
    frames = exchange(plan, data, 3)
    expected = golden.run(GRAPH, SEEN, path="plain")
    assert expected.classes is not None
    grid = plan.logits_grid
    assert [(frame.kind, frame.sequence) for frame in frames] == [
        (Kind.RESULT, 40 + k) for k in range(3)
    ]
    for frame, logits, decided in zip(frames, expected.logits, expected.classes, strict=True):
        # One byte for each code 0 … 5, and one for the class.
        assert [grid.low + grid.step * code for code in frame.payload[:-1]] == logits.tolist()
        assert frame.payload[-1] == decided


def test_noise_before_a_request(plan: Plan) -> None:
    frames = exchange(plan, b"\x55\xff\x00\x01\x02\xa5" + b"\0" + request(SEEN[0], 9), 1)
    assert [frame.sequence for frame in frames] == [9]
