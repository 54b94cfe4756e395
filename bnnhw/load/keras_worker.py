"""Unpack an HDF5 file in a process of its own, whose memory and time are limited.

The HDF5 library is large, written in C, and has crashed on damaged files before. Here it costs a
child process at most. This file imports nothing of bnnhw, so that the child starts quickly.
"""

import io
import sys
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

__all__ = ["Refused", "unpacked"]

_MEMORY = 2 << 30
# Of this process alone: damaged files send the library in circles; 60 MB of weights take 0.7 s.
_SECONDS = 3
_OBJECTS_CAP = 50_000
_DEPTH_CAP = 8
_NAME_CAP = 512
_RANK_CAP = 6
_ELEMENTS_CAP = 1 << 26
_BYTES_CAP = 256 << 20
_TEXT_CAP = 16 << 20
_ROOTS = ("model_weights", "layers")


class Refused(ValueError):
    """The file holds what is not read; the text is a clause about "it"."""


def unpacked(data: bytes) -> dict[str, Any]:
    """Give the weights in the bytes of an HDF5 file, and the model's configuration.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    dict of str to array
        Every dataset below ``model_weights`` and ``layers`` under "/" and its path; texts as
        arrays of bytes: the attribute ``model_config`` as "config", and the attribute ``name`` of
        a group under "@" and its path; "roots" names what is there.

    Raises
    ------
    Refused
        If a link, a type, a layout or a size is none that Keras writes. Sizes are taken from
        headers, before anything is allocated.
    """
    with h5py.File(io.BytesIO(data), "r") as file:
        result: dict[str, Any] = {}
        config = _text(file, "model_config")
        if config is not None:
            result["config"] = config
        roots = [name for name in _ROOTS if name in file]
        result["roots"] = np.frombuffer(" ".join(roots).encode(), np.uint8)
        total = 0
        for path, found in _walk(file, roots):
            if isinstance(found, h5py.Group):
                name = _text(found, "name")
                if name is not None:
                    result["@" + path] = name
                continue
            total += _checked(path, found, len(data))
            if total > _BYTES_CAP:
                raise Refused(f"it holds more than {_BYTES_CAP} bytes of weights")
            result["/" + path] = found[()]
        return result


def _walk(file: Any, roots: list[str]) -> Iterator[tuple[str, Any]]:
    count = 0
    stack = [(root, file, root, 1) for root in reversed(roots)]
    while stack:
        path, group, name, depth = stack.pop()
        count += 1
        if count > _OBJECTS_CAP or depth > _DEPTH_CAP:
            raise Refused(f"it has more than {_OBJECTS_CAP} objects, or deeper than {_DEPTH_CAP}")
        # What a soft or an external link points to may lie in any file.
        if group.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise Refused(f"its '{path}' is a link")
        found = group[name]
        if not isinstance(found, h5py.Group | h5py.Dataset):
            raise Refused(f"its '{path}' is neither a group nor a dataset")
        yield path, found
        if isinstance(found, h5py.Group):
            if len(found) > _OBJECTS_CAP:
                raise Refused(f"it has more than {_OBJECTS_CAP} objects")
            for part in found:
                if len(part) > _NAME_CAP or part in ("", ".", "..") or "/" in part:
                    raise Refused(f"its '{path}' holds something with an impossible name")
                stack.append((f"{path}/{part}", found, part, depth + 1))


def _checked(path: str, dataset: Any, size: int) -> int:
    """Give the size of a dataset in bytes, which the file must hold as plain numbers."""
    if dataset.dtype.kind not in "fiu" or dataset.dtype.itemsize > 8:
        raise Refused(f"its '{path}' holds {dataset.dtype} instead of numbers")
    shape = dataset.shape
    if shape is None or len(shape) > _RANK_CAP:
        raise Refused(f"its '{path}' has the shape {shape}")
    elements = 1
    for extent in shape:
        elements *= int(extent)
    if elements > _ELEMENTS_CAP:
        raise Refused(f"its '{path}' claims {elements} numbers; {_ELEMENTS_CAP} are the limit")
    created = dataset.id.get_create_plist()
    # Chunks may be compressed without limit, and filters are loaded as plug-ins.
    if created.get_layout() not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT):
        raise Refused(f"its '{path}' is stored in chunks or elsewhere")
    if created.get_external_count():
        raise Refused(f"its '{path}' is stored in another file")
    count = elements * int(dataset.dtype.itemsize)
    if dataset.id.get_storage_size() != count or count > size:
        raise Refused(f"its '{path}' does not hold what its header says")
    return count


def _text(place: Any, name: str) -> Any:
    """Give an attribute that is one text, as an array of bytes; None if there is none."""
    if name not in place.attrs:
        return None
    kind = place.attrs.get_id(name)
    if kind.shape != () or kind.dtype.kind not in "OS" or kind.dtype.itemsize > _TEXT_CAP:
        raise Refused(f"its attribute '{name}' is no text")
    if kind.dtype.kind == "O" and h5py.check_string_dtype(kind.dtype) is None:
        raise Refused(f"its attribute '{name}' is no text")
    value = place.attrs[name]
    raw = value.encode(errors="replace") if isinstance(value, str) else bytes(value)
    if len(raw) > _TEXT_CAP:
        raise Refused(f"its attribute '{name}' has {len(raw)} bytes; {_TEXT_CAP} are the limit")
    return np.frombuffer(raw, np.uint8)


def _limited() -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's clock is the only limit there.
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _main() -> int:
    _limited()
    try:
        arrays = unpacked(sys.stdin.buffer.read())
    except Refused as refused:
        sys.stderr.write(str(refused))
        return 2
    except Exception:
        # The library's own errors differ from release to release; all mean the same here.
        sys.stderr.write("it is no HDF5 file, or a damaged one")
        return 2
    # Names of members are numbers: those of datasets may be anything.
    names = "\n".join(key.replace("\n", "\\n") for key in arrays)
    np.savez(
        sys.stdout.buffer,
        names=np.frombuffer(names.encode(errors="replace"), np.uint8),
        **{str(number): array for number, array in enumerate(arrays.values())},
    )
    return 0


if __name__ == "__main__":
    sys.exit(_main())
