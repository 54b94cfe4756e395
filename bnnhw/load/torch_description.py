"""What a PyTorch module computes, as plain data: operations, numbers and arrays; no PyTorch."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..files import read_npz, write_atomic
from ..names import printable

__all__ = ["FORMAT", "Description", "Operation", "Reference", "is_recorded"]

FORMAT = "bnnhw-torch"
VERSION = 1
_TODO = "Record the module again with this version of bnnhw."
_OPERATIONS_CAP = 20_000


@dataclass(frozen=True)
class Reference:
    """An argument that is no plain value.

    Parameters
    ----------
    kind : str
        "node": the output of an operation; "array": an array of the description.
    name : str
    """

    kind: str
    name: str


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation on tensors that depend on the input.

    Parameters
    ----------
    name : str
        Of its output.
    op : str
        What is computed, by the name of the function of PyTorch without its place: ``conv2d``.
    module : str
        Path of the module that called it, such as ``features.3``; empty for the model itself.
    arguments : mapping of str to value
        Plain values, lists of values, or `Reference`.
    shape : tuple of int
        Of the output, with a batch of 1; empty where it has none.
    seen : tuple of float
        Least and largest value of the output for the example.
    """

    name: str
    op: str
    module: str
    arguments: Mapping[str, Any]
    shape: tuple[int, ...]
    seen: tuple[float, float]

    def inputs(self) -> Iterator[str]:
        """Give the names of the operations that it reads."""
        for value in self.arguments.values():
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, Reference) and part.kind == "node":
                    yield part.name


@dataclass(frozen=True, eq=False)
class Description:
    """A module as it ran on an example.

    Parameters
    ----------
    name : str
        Of the class of the module.
    shape : tuple of int
        Of the input, with a batch of 1; the input is the node ``input``.
    operations : tuple of Operation
        Each behind the ones that it reads.
    arrays : mapping of str to array
    output : str
        Name of the operation whose output leaves.
    notes : mapping of str to str
        Versions and the like.
    """

    name: str
    shape: tuple[int, ...]
    operations: tuple[Operation, ...]
    arrays: Mapping[str, npt.NDArray[Any]]
    output: str
    notes: Mapping[str, str] = field(default_factory=dict)

    def save(self, path: Path, **more: npt.NDArray[Any]) -> None:
        """Write everything as one .npz without pickles, with `more` arrays beside it.

        Raises
        ------
        UsageError
            If `path` does not end in .npz.
        """
        if path.suffix != ".npz":
            raise UsageError(
                f"A description is saved as an .npz file, not as '{printable(path.name)}'.",
                "Choose a name that ends in .npz.",
            )
        head = {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "shape": list(self.shape),
            "output": self.output,
            "notes": dict(self.notes),
            "operations": [
                [each.name, each.op, each.module, _plain(each.arguments), list(each.shape),
                 list(each.seen)]
                for each in self.operations
            ],
        }  # fmt: skip
        arrays: dict[str, Any] = {"torch": np.array(json.dumps(head)), **more}
        arrays |= {f"array_{key}": _short(value) for key, value in self.arrays.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        write_atomic(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Description":
        """Read what `save` wrote.

        Raises
        ------
        UsageError
            If the file is damaged, or none of these.
        """
        arrays = read_npz(path)
        try:
            head = json.loads(str(arrays["torch"]))
            if head["format"] != FORMAT or head["version"] != VERSION:
                raise ValueError(f"{head['format']!r} version {head['version']!r}")
            operations = tuple(_operation(each) for each in head["operations"][:_OPERATIONS_CAP])
            return cls(
                str(head["name"]),
                _ints(head["shape"]),
                operations,
                {key[6:]: value for key, value in arrays.items() if key.startswith("array_")},
                str(head["output"]),
                {str(key): str(value) for key, value in head["notes"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise UsageError(
                f"'{printable(str(path))}' is no module of PyTorch as bnnhw records it: "
                f"{type(error).__name__}: {printable(str(error))}.",
                _TODO,
            ) from error


def is_recorded(path: Path) -> bool:
    """Tell whether an .npz holds a description, by the names in it; False where it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename for info in archive.infolist()}
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return False
    return "torch.npy" in names and "meta.npy" not in names


def _short(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give whole numbers of 8 bits, such as ±1, as such; they are the same values."""
    whole = array.size and np.isfinite(array).all() and np.abs(array).max() < 128
    if whole and np.array_equal(array, np.rint(array)):
        return array.astype(np.int8)
    return array


def _plain(value: Any) -> Any:
    if isinstance(value, Reference):
        return {value.kind: value.name}
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        ((kind, name),) = value.items()
        if kind not in ("node", "array") or not isinstance(name, str):
            raise ValueError(f"an argument is of the kind {kind!r}")
        return Reference(kind, name)
    if isinstance(value, list):
        return [_value(part) for part in value]
    if value is not None and not isinstance(value, bool | int | float | str):
        raise TypeError("an argument is no plain value")
    return value


def _ints(value: Any) -> tuple[int, ...]:
    if not all(type(part) is int and 0 < part <= 1 << 26 for part in value):
        raise ValueError(f"a shape is {value!r}")
    return tuple(value)


def _operation(entry: Any) -> Operation:
    name, op, module, arguments, shape, seen = entry
    if not all(isinstance(text, str) for text in (name, op, module)):
        raise TypeError("an operation has no name")
    low, high = map(float, seen)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"'{name}' has values that are not finite")
    read = {str(key): _value(value) for key, value in arguments.items()}
    return Operation(name, op, module, read, _ints(shape), (low, high))
