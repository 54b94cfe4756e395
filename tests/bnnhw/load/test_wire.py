"""Counting the fields of a model without parsing it: complete, bounded, and quick to give up."""

from pathlib import Path
from typing import Any

import onnx
import pytest

from bnnhw.errors import UsageError
from bnnhw.load import load_model, onnx_file
from bnnhw.load.wire import Damaged, count_fields

MODEL = onnx.ModelProto.DESCRIPTOR


def framed(key: int, data: bytes) -> bytes:
    size, length = len(data), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([key << 3 | 2]) + length + bytes([size]) + data


def fields_of(message: Any) -> int:
    """Count with the parser's own eyes what it shows of a message without packed numbers."""
    count = 0
    for field, value in message.ListFields():
        values = value if field.is_repeated else [value]
        count += len(values)
        if field.message_type is not None:
            count += sum(map(fields_of, values))
    return count


def test_count_is_that_of_the_parser(small: Any) -> None:
    model = small()
    for tensor in model.graph.initializer:
        # Packed numbers: one field however many; leave one number.
        del tensor.dims[1:]
    data = model.SerializeToString()
    assert count_fields(data, MODEL, 10**6) == fields_of(onnx.ModelProto.FromString(data))


@pytest.mark.parametrize("cap", [0, 1, 7, 100])
def test_gives_up_at_the_cap(cap: int) -> None:
    assert count_fields(framed(7, b"\x0a\x00" * 101), MODEL, cap) == cap + 1


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x08", "a number does not end"),
        (b"\x08" + b"\xff" * 20, "a number does not end"),
        (b"\x0a\x05ab", "a field ends after its message"),
        (b"\x0d\x00", "a field ends after its message"),
        (b"\x09\x00", "a field ends after its message"),
        (b"\x0b", "field of the form 3"),
        (b"\x3a\x02\x0a\x05", "a field ends after its message"),
    ],
)
def test_damaged(data: bytes, what: str) -> None:
    with pytest.raises(Damaged, match=f"^{what}$"):
        count_fields(data, MODEL, 100)


@pytest.mark.parametrize(("levels", "fine"), [(6, True), (40, False)])
def test_nesting(levels: int, fine: bool) -> None:
    inner = b"\x12\x00"
    for _ in range(levels):
        inner = framed(1, framed(5, framed(6, inner)))
    data = framed(7, inner)
    if fine:
        assert count_fields(data, MODEL, 1000) == 3 * levels + 2
    else:
        with pytest.raises(Damaged, match="^too deep$"):
            count_fields(data, MODEL, 1000)


@pytest.mark.parametrize("inner", [b"\x0a\x00", b"\x2a\x00", b"\x6a\x00"])
def test_a_small_file_that_would_grow_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inner: bytes
) -> None:
    monkeypatch.setattr(onnx_file, "_FIELDS_CAP", 1000)
    path = tmp_path / "model.onnx"
    path.write_bytes(framed(7, inner * 2000))
    with pytest.raises(UsageError, match=r"it has more than 1000 fields, so it is no network or"):
        load_model(path)
