"""Changes to zip archives and to the NumPy arrays in them."""

import io
import pickle
import random
import struct
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import payloads
from .raw import mutated

__all__ = ["arrays_of", "changed_array", "changed_arrays", "changed_zip", "members_of", "npy",
           "zipped"]  # fmt: skip

_DTYPES = ("<i1", "<u1", "<i2", ">i4", "<i8", "<u8", "<f2", "<f4", "<f8", ">f8", "|b1", "<c16",
           "<U3", "|S4", "<M8[ns]", "<m8[D]", "|V3")  # fmt: skip
_HEADERS = (
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 99999999999, 99999999999), }",
    "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (4L,), }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': 4, }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (4.0,), }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (True,), }",
    "{'descr': [('a', '<i8'), ('b', '|O')], 'fortran_order': False, 'shape': (1,), }",
    "{'descr': ('<i8', (1000000000,)), 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000000,), }",
    "{'descr': '|S0', 'fortran_order': False, 'shape': (1000000000,), }",
    "{'descr': '<U999999999', 'fortran_order': False, 'shape': (0,), }",
    "{'descr': '<U999999999', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': " + "(" * 500 + ")" * 500 + ", }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (" + "1, " * 70 + "), }",
    "__import__('os').system('touch pwned')",
    "{'descr': '<i8', 'fortran_order': False, 'shape': ((((",
    "{'shape': (1,)}",
    "\x00" * 20,
    "(" * 9000,
)


class _Trap:
    """Leaves a file behind if it is unpickled."""

    def __reduce__(self) -> Any:
        return (open, ("pwned", "w"))


def npy(array: Any) -> bytes:
    """Give an array as the bytes of an .npy file."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=False)
    return buffer.getvalue()


def members_of(data: bytes) -> dict[str, bytes]:
    """Give what is in a zip archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def arrays_of(data: bytes) -> dict[str, Any]:
    """Give the arrays of an .npz file."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return dict(archive.items())


def zipped(members: Mapping[str, bytes], *, packed: bool = False) -> bytes:
    """Put members into an archive."""
    buffer = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            # A fixed date: the same input has the same bytes on every day.
            archive.writestr(zipfile.ZipInfo(_named(name)), content, method)
    return buffer.getvalue()


def _named(name: str) -> str:
    return name.encode("utf-8", "replace").decode()[:60_000]


def changed_array(rng: random.Random, array: Any) -> Any:
    """Change type, shape or numbers of an array."""
    array = np.array(array)
    kind = rng.randrange(6)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if kind == 0:
                return array.astype(rng.choice(_DTYPES))
            if kind == 1:
                return _reshaped(rng, array)
            if kind == 2 and array.size and array.dtype.kind in "iufb":
                least, most = (0, 255) if array.dtype.kind in "ub" else (-100, 100)
                values = np.array([rng.randint(least, most) for _ in range(array.size)])
                return values.astype(array.dtype).reshape(array.shape)
            flat = array.reshape(-1).copy()
            for _ in range(rng.choice((1, 1, 4))):
                if flat.size:
                    flat[rng.randrange(flat.size)] = payloads.number(rng)
            return flat.reshape(array.shape)
        except (ValueError, TypeError, OverflowError):
            return array[:0] if array.ndim else np.zeros((0,), array.dtype)


def _reshaped(rng: random.Random, array: Any) -> Any:
    match rng.randrange(7):
        case 0:
            return array.reshape(-1)
        case 1:
            return array[..., None]
        case 2:
            return array.T
        case 3 if array.ndim:
            return array[: len(array) // 2]
        case 4 if array.ndim:
            return np.concatenate([array, array])
        case 5:
            return array[None] if array.ndim < 30 else array
    return array.reshape(-1)[:1].reshape(()) if array.size else array


def changed_arrays(rng: random.Random, arrays: Mapping[str, Any]) -> dict[str, bytes]:
    """Change the arrays of an .npz; gives its members."""
    members = {f"{name}.npy": npy(array) for name, array in arrays.items()}
    for _ in range(1 + int(3 * rng.random() ** 2)):
        name = rng.choice(sorted(members)) if members else "a.npy"
        source = arrays.get(name.removesuffix(".npy"), np.zeros(3))
        match rng.randrange(10):
            case 0 | 1 | 2 | 3:
                members[name] = npy(changed_array(rng, source))
            case 4:
                members.pop(name, None)
            case 5:
                members[payloads.text(rng) + rng.choice((".npy", ""))] = members.get(name, b"")
            case 6:
                members[name] = _headed(rng, members.get(name, b""))
            case 7:
                members[name] = mutated(rng, members.get(name, b""))
            case 8:
                members[name] = members[rng.choice(sorted(members))] if members else b""
            case 9:
                members[name] = rng.choice((_pickled(), pickle.dumps(_Trap()), b""))
    return members


def _pickled() -> bytes:
    trap = pickle.dumps(np.array([_Trap()], object), protocol=3)
    return _header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }") + trap


def _headed(rng: random.Random, content: bytes) -> bytes:
    """Put another header before the same numbers."""
    version = rng.choice((1, 1, 2, 3, 9))
    rest = content[128:] if rng.random() < 0.7 else b""
    return _header(rng.choice(_HEADERS), version) + rest


def _header(text: str, version: int = 1) -> bytes:
    data = text.encode("latin-1")
    size = struct.pack("<H" if version == 1 else "<I", len(data) + 1)
    return b"\x93NUMPY" + bytes([version, 0]) + size + data + b"\n"


def changed_zip(rng: random.Random, members: Mapping[str, bytes], *, most: float = 0.35) -> bytes:
    """Pack members, and in a part of the cases bend the archive itself."""
    packed = rng.random() < 0.5
    if rng.random() > most:
        return zipped(members, packed=packed)
    match rng.randrange(7):
        case 0:
            bomb = bytes(rng.choice((1, 3, 9)) << 20)
            return zipped({**members, "bomb.npy": npy(np.frombuffer(bomb, np.uint8))}, packed=True)
        case 1:
            return zipped({**members, **{f"m{n}.npy": b"" for n in range(rng.choice((50, 1500)))}})
        case 2:
            return _twice(rng, members)
        case 3:
            return _lying(rng, zipped(members, packed=packed))
        case 4:
            names = {payloads.text(rng) or "x": content for content in members.values()}
            return zipped(names | dict(list(members.items())[1:]))
    return mutated(rng, zipped(members, packed=packed))


def _twice(rng: random.Random, members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        for name, content in [*members.items(), *list(members.items())[:2]]:
            archive.writestr(zipfile.ZipInfo(_named(name)), content)
    return buffer.getvalue()


def _lying(rng: random.Random, data: bytes) -> bytes:
    """Change a field of an entry in the directory, or of a member's own header."""
    mark, fields = rng.choice(
        (
            (b"PK\x01\x02", ((8, "<H"), (10, "<H"), (16, "<I"), (20, "<I"), (24, "<I"), (28, "<H"),
                             (30, "<H"), (42, "<I"))),
            (b"PK\x03\x04", ((6, "<H"), (8, "<H"), (18, "<I"), (22, "<I"), (26, "<H"), (28, "<H"))),
            (b"PK\x05\x06", ((8, "<H"), (10, "<H"), (12, "<I"), (16, "<I"), (20, "<H"))),
        )
    )  # fmt: skip
    places = [at for at in range(len(data)) if data.startswith(mark, at)]
    if not places:
        return data
    changed = bytearray(data)
    offset, form = rng.choice(fields)
    at = rng.choice(places) + offset
    value = rng.choice((0, 1, 8, 9, 12, 14, 99, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF, len(data)))
    size = struct.calcsize(form)
    changed[at : at + size] = struct.pack(form, value & (1 << 8 * size) - 1)
    return bytes(changed)
