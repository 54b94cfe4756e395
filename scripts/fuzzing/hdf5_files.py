"""Changes to HDF5 files, made with the library that writes them."""

import io
import random
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

from . import payloads
from .archives import changed_array
from .raw import mutated
from .trees import json_bytes

__all__ = ["changed_h5", "changed_h5_bytes"]


def changed_h5(rng: random.Random, seed: bytes, others: list[bytes], config: Any) -> bytes:
    """Change a Keras file; `config` is its configuration as JSON values, None where it has none."""
    if config is not None and rng.random() < 0.45:
        text = json_bytes(rng, config)
        return _edited(seed, lambda file: _config(rng, file, text))
    return changed_h5_bytes(rng, seed, others)


def changed_h5_bytes(rng: random.Random, seed: bytes, others: list[bytes]) -> bytes:
    """Change groups, links and datasets of an HDF5 file, or its bytes."""
    kind = rng.random()
    if kind < 0.45:
        return mutated(rng, seed, others, most=8)
    return _edited(seed, lambda file: rng.choice(_WAYS)(rng, file))


def _edited(seed: bytes, change: Callable[[Any], None]) -> bytes:
    buffer = io.BytesIO(seed)
    with h5py.File(buffer, "r+") as file:
        # The library refuses some of what is tried here; such an input stays as it was.
        try:
            change(file)
        except (ValueError, TypeError, OSError, RuntimeError, KeyError, OverflowError):
            pass
    return buffer.getvalue()


def _config(rng: random.Random, file: Any, text: bytes) -> None:
    kept = text.replace(b"\x00", b"0")
    file.attrs["model_config"] = kept if rng.random() < 0.5 else np.bytes_(kept[:60_000])


def _datasets(file: Any) -> list[Any]:
    found: list[Any] = []
    file.visititems(
        lambda name, item: found.append(item) if isinstance(item, h5py.Dataset) else None
    )
    return found


def _replaced(rng: random.Random, file: Any) -> None:
    """Put another dataset in the place of one."""
    old = rng.choice(_datasets(file))
    name, values = old.name, old[()]
    del file[name]
    match rng.randrange(9):
        case 0 | 1 | 2:
            file.create_dataset(name, data=changed_array(rng, values))
        case 3:
            file.create_dataset(name, (rng.choice((1 << 20, 1 << 40)), 4), "f4", chunks=(64, 4))
        case 4:
            file.create_dataset(name, data=np.zeros(9000, "f4"), compression="gzip", chunks=True)
        case 5:
            file.create_dataset(name, (4,), "f4", external=[("/etc/passwd", 0, 16)])
        case 6:
            file.create_dataset(name, data=[payloads.text(rng).encode() or b"x"] * 3)
        case 7:
            file.create_dataset(name, (1 << 45,), "f4")
        case 8:
            file.create_dataset(name, data=h5py.Empty("f4"))


def _linked(rng: random.Random, file: Any) -> None:
    name = rng.choice(_datasets(file)).name
    where = rng.choice((name, name.rsplit("/", 1)[0]))
    del file[where]
    match rng.randrange(5):
        case 0:
            file[where] = h5py.SoftLink(rng.choice((where, "/", "/model_weights", "/nowhere")))
        case 1:
            file[where] = h5py.ExternalLink("/etc/passwd", "/")
        case 2:
            file[where] = h5py.ExternalLink("../../other.h5", payloads.text(rng) or "/")
        case 3:
            file[where] = np.dtype("f8")
        case 4:
            group = file.create_group(where)
            # A circle of hard links.
            group["again"] = file["/"]


def _virtual(rng: random.Random, file: Any) -> None:
    name = rng.choice(_datasets(file)).name
    del file[name]
    layout = h5py.VirtualLayout(shape=(1 << 20,), dtype="f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(1 << 20,))
    file.create_virtual_dataset(name, layout)


def _many(rng: random.Random, file: Any) -> None:
    name = rng.choice(_datasets(file)).name
    if rng.random() < 0.5:
        group = file[name].parent
        for number in range(300):
            group[f"more{number}"] = file[name]
    else:
        file[name + "_deep" + "/x" * 300] = 1.0


def _named(rng: random.Random, file: Any) -> None:
    old = rng.choice(_datasets(file)).name
    where = rng.choice((old, old.rsplit("/", 1)[0]))
    text = payloads.text(rng).replace("\x00", "0").encode("utf-8", "replace").decode()
    file.move(where, where.rsplit("/", 1)[0] + "/" + (text or "x"))


def _attribute(rng: random.Random, file: Any) -> None:
    items = [file, *(item.parent for item in _datasets(file))]
    item, name = rng.choice(items), rng.choice(("model_config", "name", "weight_names"))
    match rng.randrange(6):
        case 0:
            item.attrs[name] = payloads.number(rng)
        case 1:
            item.attrs[name] = np.zeros((3, 3))
        case 2:
            item.attrs[name] = b"\xff\xfe\xfd"
        case 3:
            item.attrs.create(name, [payloads.text(rng).replace("\x00", "")] * 3)
        case 4:
            item.attrs[name] = h5py.Empty("f4")
        case 5:
            item.attrs.pop(name, None)


_WAYS: tuple[Callable[[random.Random, Any], None], ...] = (
    _replaced, _replaced, _replaced, _linked, _virtual, _many, _named, _attribute,
)  # fmt: skip
