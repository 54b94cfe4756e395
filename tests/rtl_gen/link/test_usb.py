# amaranth: UnusedElaboratable=no
"""A USB host and the device, bit by bit: enumeration, bytes both ways, and a bad bus."""

import random
import struct
import sys

import pytest
from amaranth.back import rtlil

from bnnhw import golden
from bnnhw.bits import pack_bytes
from bnnhw.driver.find import ADAPTERS
from bnnhw.errors import ToolMissing
from bnnhw.link import Decoder, Frame, Kind, encode
from bnnhw.link.protocol import Hello
from rtl_gen.link import USB_IDS, HostLink, UsbSerial, cdc
from rtl_gen.system import LinkedAccelerator
from sim.samples import images, network, planned
from sim.streams import receive, send, stall
from sim.usb_host import BIT, NoAnswer, Stalled, UsbHost, simulate_usb
from sim.usb_packets import Pid, data, handshake, token

DATA = 2
SET_CODING, GET_CODING, SET_LINES, BREAK = 0x20, 0x21, 0x22, 0x23


async def configure(host: UsbHost) -> None:
    """Do the least that a host must before bytes may go."""
    await host.request(0, 5, 9)
    host.address = 9
    await host.request(0, 9, 1)


def test_enumeration_and_requests_of_the_class() -> None:
    told: list[bytes] = []

    async def script(host: UsbHost) -> None:
        await host.attach()
        told.extend(await host.enumerate())
        product = await host.request(0x80, 6, 0x0302, 0x0409, length=255)
        told.append(product)
        await host.request(0x21, SET_CODING, out=struct.pack("<IBBB", 3_000_000, 0, 0, 8))
        told.append(await host.request(0xA1, GET_CODING, length=7))
        await host.request(0x21, SET_LINES, 3)
        await host.request(0x21, BREAK, 0xFFFF)
        for kind, number, value in [(0x80, 6, 0x0600), (0xC0, 1, 0), (0xA1, 0x7F, 0)]:
            # A faster speed, a vendor's request, and one of no known class.
            with pytest.raises(Stalled):
                await host.request(kind, number, value, length=8)
        # The endpoint of the line's news has none, and says so.
        assert await host.read(1, tries=2) is None
        assert await host.read(DATA, tries=2) is None

    host = simulate_usb(UsbSerial(title="Tiny"), script)
    device, configuration, product, coding = told
    vendor, number = struct.unpack_from("<HH", device, 8)
    assert (len(device), device[:2], device[17]) == (18, b"\x12\x01", 1)
    assert (vendor, number) == USB_IDS and device[4:8] == bytes([0xEF, 2, 1, 64])
    assert product == b"\x0a\x03" + "Tiny".encode("utf-16-le")
    assert coding == struct.pack("<IBBB", 115_200, 0, 0, 8)
    parts = []
    while configuration:
        parts.append(configuration[: configuration[0]])
        configuration = configuration[configuration[0] :]
    # Configuration, association, control with its four, its endpoint, data with two endpoints.
    assert [part[1] for part in parts] == [2, 11, 4, *[0x24] * 4, 5, 4, 5, 5]
    assert [part[2] for part in parts[3:7]] == [0, 1, 2, 6]
    assert [part[2:6] for part in parts if part[1] == 5] == [
        b"\x81\x03\x08\x00", b"\x02\x02\x40\x00", b"\x82\x02\x40\x00",
    ]  # fmt: skip
    # USB wants an answer within 6.5 bits, hosts wait for 16 to 18; LUNA is between the two.
    assert 2 <= min(host.turns) and max(host.turns) <= 13


@pytest.mark.parametrize(
    ("sync", "bit", "stalls", "sizes", "frames", "expected"),
    [
        # A frame that fills its packet has an empty one behind it.
        (BIT / 4, BIT, 0, (1, 63, 64, 64, 30), (64, 100, 1), [64, 0, 64, 36, 1]),
        (BIT * 0.61, BIT * 1.0025, 50, (64, 64, 3), (70,), [64, 6]),
        (BIT / 7.3, BIT * 0.9975, 95, (20, 7), (2, 9), [2, 9]),
    ],
)
def test_bytes_both_ways(
    sync: float,
    bit: float,
    stalls: int,
    sizes: tuple[int, ...],
    frames: tuple[int, ...],
    expected: list[int],
) -> None:
    dice = random.Random(stalls)
    down = [dice.randbytes(size) for size in sizes]
    up = b"".join(bytes(dice.randrange(1, 256) for _ in range(size - 1)) + b"\0" for size in frames)
    packets: list[bytes] = []
    heard: list[int] = []
    dut = UsbSerial()

    async def script(host: UsbHost) -> None:
        await host.attach()
        await configure(host)
        for octets in down:
            await host.write(DATA, octets)
        while sum(map(len, packets)) < len(up):
            packets.append(await host.read(DATA) or b"")
        assert await host.read(DATA, tries=3) is None
        while len(heard) < len(b"".join(down)):
            await host.wait(10)

    async def sends(ctx):
        await send(ctx, dut.i, list(up), stall=stall(stalls, seed=1))

    async def hears(ctx):
        pattern = stall(stalls, seed=2)
        while True:
            heard.extend(await receive(ctx, dut.o, 1, stall=pattern))

    simulate_usb(dut, script, sends, hears, sync=sync, bit=bit)
    assert bytes(heard) == b"".join(down)
    assert [len(packet) for packet in packets] == expected
    assert b"".join(packets) == up


async def disturb(host: UsbHost) -> bytes:
    """Do to a device what happens on a bad bus; give what it had to say."""
    bad = bytearray(data(Pid.DATA0, b"abc"))
    bad[2] ^= 4
    await host.send(token(Pid.OUT, 9, DATA))
    await host.send(bytes(bad))
    with pytest.raises(NoAnswer):
        await host.hear()
    # A token with a wrong CRC, and one for another device.
    for wrong in (bytes([*token(Pid.IN, 9, DATA)[:2], 0]), token(Pid.IN, 10, DATA)):
        await host.send(wrong)
        with pytest.raises(NoAnswer):
            await host.hear()
    # An acknowledgement is lost on its way to the host, which repeats the packet.
    for _ in range(2):
        await host.send(token(Pid.OUT, 9, DATA))
        await host.send(data(Pid.DATA0, b"abc"))
        assert await host.hear() == (Pid.ACK, b"")
    # And on the way from it: the device repeats what it said.
    seen = []
    for _ in range(3):
        await host.send(token(Pid.IN, 9, DATA))
        seen.append(await host.hear())
    await host.send(handshake(Pid.ACK))
    assert seen == [seen[0]] * 3 and seen[0][0] == Pid.DATA0
    return seen[0][1]


def on_a_bad_bus() -> bytes:
    """Disturb a device, reset the bus, and give all that it took for bytes of the host."""
    dut = UsbSerial()
    heard: list[int] = []

    async def script(host: UsbHost) -> None:
        await host.attach()
        await configure(host)
        assert await disturb(host) == b"xy\0"
        # Both directions begin anew with DATA0.
        await host.reset()
        await configure(host)
        await host.write(DATA, b"new")
        await host.wait(60)

    async def sends(ctx):
        await send(ctx, dut.i, list(b"xy\0"), stall=stall(0))

    async def hears(ctx):
        while True:
            heard.extend(await receive(ctx, dut.o, 1, stall=stall(0)))

    simulate_usb(dut, script, sends, hears)
    return bytes(heard)


def test_a_bad_bus() -> None:
    assert on_a_bad_bus() == b"abcnew"


def test_an_endpoint_that_a_reset_of_the_bus_does_not_reach_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cdc, "ResetInserter", lambda controls: lambda endpoint: endpoint)
    assert on_a_bad_bus() == b"abc"


def test_an_accelerator_answers() -> None:
    """HELLO and an image through D+ and D-, asked for again until the answer is there."""
    graph = network((13, 5, 3), 2)
    seen = images(graph, 3, 1)
    expected = golden.run(graph, seen)
    dut = LinkedAccelerator(
        planned(graph, [(2, 4), (1, 5)]), clock_hz=48_000_000, baud=None, usb=True
    )
    replies: list[Frame] = []

    async def script(host: UsbHost) -> None:
        await host.attach()
        await configure(host)
        assert await host.read(DATA, tries=2) is None
        decoder = Decoder()
        frames = [Frame(Kind.HELLO, 1, b"")]
        frames += [
            Frame(Kind.INFER, 2 + at, pack_bytes(x, 1).tobytes()) for at, x in enumerate(seen)
        ]
        for octets in map(encode, frames):
            await host.write(DATA, octets)
        while len(replies) < len(frames):
            packet = await host.read(DATA)
            assert packet is not None
            replies.extend(decoder.feed(packet))

    host = simulate_usb(dut, script)
    hello, *answers = replies
    assert expected.classes is not None
    assert Hello.unpack(hello.payload).clock_hz == 48_000_000 and host.naks >= 2
    assert [reply.sequence for reply in answers] == [2, 3, 4]
    assert [reply.payload[-1] for reply in answers] == expected.classes.tolist()


def test_the_netlist_is_the_same_every_time() -> None:
    """LUNA names parts by their addresses in memory, which two of them at once cannot share."""
    kept = [UsbSerial(), UsbSerial()]
    first, second = (rtlil.convert(dut, emit_src=False) for dut in kept)
    assert first == second
    assert "_FromHost" in first and "_ToHost" in first


def test_the_driver_looks_for_the_device() -> None:
    assert USB_IDS in ADAPTERS


def test_title_wrong() -> None:
    with pytest.raises(ValueError, match="^title must be a non-empty string, not ''$"):
        UsbSerial(title="")


def test_a_divisor_is_for_a_uart() -> None:
    with pytest.raises(ValueError, match="^divisor must be None for USB, not 4$"):
        HostLink(
            divisor=4, frame_bytes=1, answer_bytes=1, classes=2, identity=bytes(32), clock_hz=1,
            usb=True,
        )  # fmt: skip


def test_without_luna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "rtl_gen.link.cdc")
    monkeypatch.setitem(sys.modules, "luna.gateware.stream", None)
    with pytest.raises(ToolMissing) as caught:
        UsbSerial()
    assert "luna-usb" in caught.value.what and 'pip install "bnnhw[usb]"' in caught.value.todo
