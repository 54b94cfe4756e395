"""Count the fields of a Protocol Buffers message in its bytes, before it is parsed.

Two bytes in the file can become a whole message in memory, a hundred times as large. Counting what
is there, in place, costs nothing, and keeps the parser from ever seeing such a file.
"""

from typing import Any

__all__ = ["Damaged", "count_fields"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_NESTING_CAP = 32


class Damaged(ValueError):
    """The bytes are no message."""


def count_fields(data: bytes, message: Any, cap: int) -> int:
    """Count the fields of a serialised message, at most until there are more than `cap`.

    Parameters
    ----------
    data : bytes
    message : descriptor of the message, which says what of it are messages again
    cap : int

    Raises
    ------
    Damaged
        If the bytes end within a field, nest deeper than 32 messages, or are no message at all.
    """
    count = 0
    known: dict[str, dict[int, Any]] = {}
    stack = [(0, len(data), message)]
    while stack:
        position, end, kind = stack.pop()
        if position == end:
            continue
        count += 1
        if count > cap:
            break
        key, position = _varint(data, position, end)
        field, form = key >> 3, key & 7
        inner = None
        if form == _VARINT:
            _, position = _varint(data, position, end)
        elif form == _BYTES:
            size, position = _varint(data, position, end)
            inner = (position, position + size, _parts(kind, known).get(field))
            position += size
        elif form in (_FIXED32, _FIXED64):
            position += 4 if form == _FIXED32 else 8
        else:
            raise Damaged(f"field of the form {form}")
        if position > end:
            raise Damaged("a field ends after its message")
        stack.append((position, end, kind))
        if inner is not None and inner[2] is not None:
            if len(stack) > _NESTING_CAP:
                raise Damaged("too deep")
            stack.append((inner[0], inner[1], inner[2]))
    return count


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
    raise Damaged("a number does not end")


def _parts(message: Any, known: dict[str, dict[int, Any]]) -> dict[int, Any]:
    """Give the fields of a message that are messages themselves, by number."""
    if message.full_name not in known:
        parts = {field.number: field.message_type for field in message.fields}
        known[message.full_name] = {n: part for n, part in parts.items() if part is not None}
    return known[message.full_name]
