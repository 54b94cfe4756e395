"""Packets of USB at full speed, and the levels of D+ and D- that carry them."""

from collections.abc import Iterable, Sequence
from enum import IntEnum

__all__ = [
    "Damaged",
    "Level",
    "Pid",
    "crc5",
    "crc16",
    "data",
    "handshake",
    "levels",
    "parse",
    "read_levels",
    "token",
]

Level = tuple[int, int]
"""D+ and D-."""
J, K, SE0 = (1, 0), (0, 1), (0, 0)
_SYNC = 0x80
_MOST_ONES = 6


class Damaged(Exception):
    """What came is no packet."""


class Pid(IntEnum):
    """Kinds of packets, as the lower half of their first byte."""

    OUT = 0b0001
    IN = 0b1001
    SOF = 0b0101
    SETUP = 0b1101
    DATA0 = 0b0011
    DATA1 = 0b1011
    ACK = 0b0010
    NAK = 0b1010
    STALL = 0b1110


def _crc(bits: Iterable[int], *, width: int, polynomial: int) -> int:
    """Divide bits by a polynomial; the result is inverted and its first bit sent is the lowest."""
    top, state = 1 << (width - 1), (1 << width) - 1
    for bit in bits:
        feed = bool(state & top) ^ bit
        state = (state << 1) & ((1 << width) - 1)
        state ^= polynomial if feed else 0
    state ^= (1 << width) - 1
    return int(f"{state:0{width}b}"[::-1], 2)


def _bits(octets: bytes) -> list[int]:
    return [octet >> place & 1 for octet in octets for place in range(8)]


def crc5(number: int) -> int:
    """Check the 11 bits of a token."""
    return _crc((number >> place & 1 for place in range(11)), width=5, polynomial=0b00101)


def crc16(octets: bytes) -> int:
    """Check the bytes of a data packet."""
    return _crc(_bits(octets), width=16, polynomial=0x8005)


def handshake(pid: Pid) -> bytes:
    """Make a packet of its kind alone."""
    return bytes([pid | (~pid & 15) << 4])


def token(pid: Pid, address: int, endpoint: int) -> bytes:
    """Make the packet that begins a transaction."""
    number = address | endpoint << 7
    return handshake(pid) + (number | crc5(number) << 11).to_bytes(2, "little")


def data(pid: Pid, octets: bytes) -> bytes:
    """Make a packet that carries bytes."""
    return handshake(pid) + octets + crc16(octets).to_bytes(2, "little")


def parse(packet: bytes) -> tuple[Pid, bytes]:
    """Check a packet from a device; give its kind and the bytes that it carries.

    Raises
    ------
    Damaged
        If its kind or CRC is wrong, or no device sends such a packet.
    """
    known = {handshake(pid) for pid in Pid}
    if packet[:1] not in known:
        raise Damaged(f"a packet must begin with its kind and the inverse, not {packet[:1]!r}")
    pid, rest = Pid(packet[0] & 15), packet[1:]
    if pid in (Pid.ACK, Pid.NAK, Pid.STALL) and not rest:
        return pid, b""
    if pid not in (Pid.DATA0, Pid.DATA1) or len(rest) < 2:
        raise Damaged(f"a device must not send {pid.name} with {len(rest)} bytes")
    octets, crc = rest[:-2], int.from_bytes(rest[-2:], "little")
    if crc != crc16(octets):
        raise Damaged(f"the CRC must be {crc16(octets):#06x}, not {crc:#06x}")
    return pid, octets


def levels(packet: bytes) -> list[Level]:
    """Give the levels of a packet, one for each bit, from its synchronisation to the J behind it.

    A bit of 0 changes the level, and behind six of 1 a 0 is put in.
    """
    shown, level, ones = [], J, 0
    for bit in _bits(bytes([_SYNC]) + packet):
        ones = ones + 1 if bit else 0
        level = level if bit else (K if level == J else J)
        shown.append(level)
        if ones == _MOST_ONES:
            level, ones = (K if level == J else J), 0
            shown.append(level)
    return [*shown, SE0, SE0, J]


def read_levels(shown: Sequence[Level]) -> bytes:
    """Turn the levels of a packet, the end among them, into its bytes.

    Raises
    ------
    Damaged
        If they are no packet.
    """
    if list(shown[-3:]) != [SE0, SE0, J] or set(shown[:-3]) - {J, K}:
        raise Damaged(f"a packet must end with two bits of SE0 and J, not {shown[-3:]!r}")
    bits, before, ones = [], J, 0
    for level in shown[:-3]:
        bit = int(level == before)
        before = level
        if ones == _MOST_ONES:
            if bit:
                raise Damaged("seven bits of 1 follow each other")
            ones = 0
            continue
        ones = ones + 1 if bit else 0
        bits.append(bit)
    if len(bits) % 8 or bits[:8] != _bits(bytes([_SYNC])):
        raise Damaged(f"a packet must be whole bytes behind a synchronisation, not {bits!r}")
    octets = [sum(bits[at + k] << k for k in range(8)) for at in range(8, len(bits), 8)]
    return bytes(octets)
