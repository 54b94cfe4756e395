"""Files from outside: bounded before anything is unpacked; files of ours: whole or not at all."""

import hashlib
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnnhw.errors import UsageError
from bnnhw.files import read_capped, read_npz, write_atomic

PLAIN = "Give an .npz file written by numpy.savez with plain numeric arrays."


def npy(header: str) -> bytes:
    """Give an .npy file of 16 bytes with a header of one's own."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(16)


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.npz"


def test_read(path: Path) -> None:
    path.write_bytes(b"12345")
    assert read_capped(path) == b"12345"
    assert read_capped(path, 5) == b"12345"


def test_too_large(path: Path) -> None:
    path.write_bytes(b"12345")
    with pytest.raises(UsageError, match=r"' has 5 bytes; 4 are the limit\.\nGive a smaller file"):
        read_capped(path, 4)


def test_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, what in (("", "is a folder"), ("no", "does not exist"), ("pipe", "is no regular")):
        with pytest.raises(UsageError, match=f"' {what}"):
            read_capped(tmp_path / name)


def test_unreadable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"1")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match=r"' cannot be read: Permission denied\.\nCheck the path"):
        read_capped(path)


def test_arrays(path: Path) -> None:
    np.savez(path, a=np.arange(3), b=np.array("text"), c=np.zeros((0, 2)))
    arrays = read_npz(path)
    assert list(arrays) == ["a", "b", "c"]
    assert arrays["a"].tolist() == [0, 1, 2]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_npz(path, digest).keys() == arrays.keys()
    with pytest.raises(UsageError, match=r"' is not the file that belongs here: its SHA-256"):
        read_npz(path, "0" * 64)


def test_pickle_is_never_loaded(path: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "pwned",))

    buffer = io.BytesIO()
    np.save(buffer, np.array([Evil()], object), allow_pickle=True)
    zipped(path, x=buffer.getvalue())
    with pytest.raises(UsageError, match=r"' is no readable \.npz file: array 'x\.npy' does not"):
        read_npz(path)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UsageError, match=r"' is no readable \.npz file: File is not a zip file"):
        read_npz(path)
    assert not (tmp_path / "pwned").exists()


def test_bomb(path: Path) -> None:
    zipped(path, x=npy("{'descr': '|u1', 'fortran_order': False, 'shape': (16,), }")
           + bytes(200 << 20))  # fmt: skip
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UsageError, match=r"' would unpack to 209715\d+ bytes in 1 members\.\nGive"):
        read_npz(path)


def test_too_many_members(path: Path) -> None:
    zipped(path, **{f"m{n}": b"" for n in range(10_001)})
    with pytest.raises(UsageError, match=r"' would unpack to 0 bytes in 10001 members"):
        read_npz(path)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': 2, }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2L,), }",
        "{'descr': '<f8', 'shape': (2,), }",
        "[" * 100,
        "__import__('os').system('x')",
        "",
    ],
)
def test_header_wrong(path: Path, header: str) -> None:
    zipped(path, x=npy(header))
    with pytest.raises(UsageError) as caught:
        read_npz(path)
    assert caught.value.what.startswith(f"'{path}' is ")
    assert caught.value.todo == PLAIN


def test_header_of_another_version(path: Path) -> None:
    zipped(path, x=b"\x93NUMPY\x09\x00" + bytes(200))
    with pytest.raises(UsageError, match=r"' is no readable \.npz file: "):
        read_npz(path)


def test_truncated_anywhere(path: Path) -> None:
    np.savez_compressed(path, a=np.arange(30), b=np.eye(3))
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(UsageError) as caught:
            read_npz(path)
        assert caught.value.todo == PLAIN


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes(path: Path, changes: list[tuple[int, int]]) -> None:
    np.savez(path, a=np.arange(30), b=np.eye(3))
    data = bytearray(path.read_bytes())
    for position, value in changes:
        data[position % len(data)] = value
    path.write_bytes(data)
    try:
        read_npz(path)
    except UsageError as error:
        assert error.todo == PLAIN


def test_write(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    for data in (b"first", b"second"):
        write_atomic(path, data)
        assert path.read_bytes() == data
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.txt"]


def test_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.txt"
    path.write_bytes(b"old")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match=r"out\.txt' cannot be written: No space left on device"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.txt"]


def test_write_into_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x' cannot be written: No such file or directory\.\nCho"):
        write_atomic(tmp_path / "no" / "x", b"")
