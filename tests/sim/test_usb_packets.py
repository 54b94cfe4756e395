"""USB's packets against packets that are known, another CRC, and damage."""

import random

import pytest
from amaranth.lib.crc import catalog

from sim.usb_packets import (
    Damaged,
    Pid,
    crc5,
    crc16,
    data,
    handshake,
    levels,
    parse,
    read_levels,
    token,
)

J, K, SE0 = (1, 0), (0, 1), (0, 0)


def test_packets_that_every_analyser_shows():
    assert token(Pid.SETUP, 0, 0) == bytes.fromhex("2d0010")
    assert token(Pid.IN, 1, 1) == bytes.fromhex("698158")
    assert data(Pid.DATA0, bytes.fromhex("8006000100004000")) == bytes.fromhex(
        "c38006000100004000dd94"
    )
    assert data(Pid.DATA1, b"") == bytes.fromhex("4b0000")
    assert [handshake(pid) for pid in (Pid.ACK, Pid.NAK, Pid.STALL)] == [b"\xd2", b"\x5a", b"\x1e"]


def test_crcs_are_those_of_the_catalogue():
    five, sixteen = catalog.CRC5_USB(data_width=11), catalog.CRC16_USB(data_width=8)
    assert all(crc5(number) == five.compute([number]) for number in range(1 << 11))
    dice = random.Random(1)
    for size in range(70):
        octets = dice.randbytes(size)
        assert crc16(octets) == sixteen.compute(octets)


def test_levels_of_ack():
    # Synchronisation KJKJKJKK, then 0xd2 from its lowest bit: 0 1 0 0 1 0 1 1.
    shown = "".join("0JK"[level[0] + 2 * level[1]] for level in levels(handshake(Pid.ACK)))
    assert shown == "KJKJKJKK" + "JJKJJKKK" + "00J"


def test_a_zero_is_stuffed_behind_six_ones():
    plain = levels(data(Pid.DATA0, b"\x00"))
    stuffed = levels(data(Pid.DATA0, b"\xff"))
    assert len(stuffed) > len(plain)
    longest = run = 0
    for before, after in zip(stuffed, stuffed[1:], strict=False):
        run = run + 1 if before == after else 0
        longest = max(longest, run)
    assert longest == 6


@pytest.mark.parametrize("seed", range(3))
def test_there_and_back(seed):
    dice = random.Random(seed)
    for size in range(66):
        octets = bytes(dice.choice([0, 0xFF, dice.randrange(256)]) for _ in range(size))
        for pid in (Pid.DATA0, Pid.DATA1):
            assert parse(read_levels(levels(data(pid, octets)))) == (pid, octets)
    for pid in (Pid.ACK, Pid.NAK, Pid.STALL):
        assert parse(read_levels(levels(handshake(pid)))) == (pid, b"")


def test_any_level_turned_round_is_noticed():
    good = levels(data(Pid.DATA0, b"\x12\xff\xff\x34"))
    for at in range(len(good)):
        other = K if good[at] == J else J
        with pytest.raises(Damaged):
            parse(read_levels([*good[:at], other, *good[at + 1 :]]))


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"", "must begin with its kind"),
        (b"\xd3", "must begin with its kind"),
        (token(Pid.IN, 1, 1), "must not send IN"),
        (b"\xd2\x00", "must not send ACK"),
        (b"\xc3\x00", "must not send DATA0 with 1 bytes"),
        (data(Pid.DATA1, b"x")[:-1] + b"\0", "the CRC must be"),
    ],
)
def test_packets_that_no_device_sends(packet, why):
    with pytest.raises(Damaged, match=why):
        parse(packet)


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ([J] * 8, "must end with two bits of SE0"),
        ([K, SE0, SE0, SE0, J], "must end with two bits of SE0"),
        ([*[K] * 9, SE0, SE0, J], "seven bits of 1"),
        ([*[K, J] * 4, SE0, SE0, J], "whole bytes behind a synchronisation"),
        (levels(b"\xd2")[1:], "whole bytes behind a synchronisation"),
    ],
)
def test_levels_that_are_no_packet(shown, why):
    with pytest.raises(Damaged, match=why):
        read_levels(shown)
