"""Files of Keras, .h5 and .keras, read in a bounded way: the configuration and the weights."""

import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..files import FILE_CAP, read_capped
from ..names import printable
from .keras_h5 import H5File, read_h5

__all__ = ["KerasFile", "read_keras"]

_TEXT_CAP = 16 << 20
_MEMBERS_CAP = 1000
_RATIO_CAP = 200
_CONFIG, _ABOUT, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_TODO = "Save the model again with model.save('name.h5') or model.save('name.keras')."


@dataclass(frozen=True, eq=False)
class KerasFile:
    """One file that was read.

    Parameters
    ----------
    path : Path
    model : dict
        The configuration of the model: ``class_name`` and ``config``.
    h5 : H5File
    zipped : bool
        Whether weights are numbered (.keras) instead of named (.h5).
    """

    path: Path
    model: dict[str, Any]
    h5: H5File
    zipped: bool

    def fail(self, what: str, todo: str = _TODO) -> NoReturn:
        """Raise a UsageError that names the file."""
        raise UsageError(f"'{printable(str(self.path))}': {what}.", todo)

    def weights(self, layer: str, group: str, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        """Give the weights of a layer by name.

        Parameters
        ----------
        layer : str
            Its name.
        group : str
            What its group in a .keras file is called.
        names : sequence of str
            Those that it has, in the order in which Keras counts them.
        """
        what = f"layer '{printable(layer)}'"
        if self.zipped:
            folder = f"layers/{group}/vars"
            said = self.h5.names.get(folder, layer)
            if said != layer:
                self.fail(f"{what} has the weights of '{printable(said)}'")
            found = self.h5.below(folder)
            wanted = {str(number): name for number, name in enumerate(names)}
        else:
            found = self._named(layer, what)
            wanted = {name: name for name in names}
        if set(found) != set(wanted):
            have = ", ".join(sorted(map(printable, found))) or "none"
            self.fail(f"{what} has the weights {have} instead of {', '.join(wanted) or 'none'}")
        result = {wanted[key]: array for key, array in found.items()}
        for name, array in result.items():
            if array.dtype != np.float32 or not np.isfinite(array).all():
                self.fail(f"{what} has {array.dtype} as {name} instead of finite 32-bit floats")
        return result

    def _named(self, layer: str, what: str) -> dict[str, npt.NDArray[Any]]:
        result: dict[str, npt.NDArray[Any]] = {}
        for path, array in self.h5.below(f"model_weights/{layer}").items():
            # Keras 2 calls a weight kernel:0, Keras 3 kernel.
            name = path.rsplit("/", 1)[-1].removesuffix(":0")
            name = "kernel" if name == "depthwise_kernel" else name
            if name in result:
                self.fail(f"{what} has two weights called '{printable(name)}'")
            result[name] = array
        return result


def read_keras(path: Path) -> KerasFile:
    """Read a file that Keras saved, within caps that are checked before anything is unpacked.

    Parameters
    ----------
    path : Path
        A whole model: HDF5 if it ends in .h5 or .hdf5, else a .keras archive.

    Raises
    ------
    UsageError
        If the file is absent, damaged, too large, or holds no model.
    ToolMissing
        If the `h5py` package is not installed.
    """
    data = read_capped(path)
    if path.suffix.lower() == ".keras":
        config, weights = _members(path, data)
        return KerasFile(path, _parsed(path, config), read_h5(path, weights), True)
    h5 = read_h5(path, data)
    if h5.config is None or "model_weights" not in h5.roots:
        raise UsageError(
            f"'{printable(str(path))}' holds no model: weights alone do not say what they are for.",
            "Save the whole model with model.save('name.h5'), not with save_weights.",
        )
    return KerasFile(path, _parsed(path, h5.config), h5, False)


def _members(path: Path, data: bytes) -> tuple[bytes, bytes]:
    def fail(what: str) -> NoReturn:
        raise UsageError(f"'{printable(str(path))}' is no readable .keras file: {what}.", _TODO)

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            if len(names) > _MEMBERS_CAP or len(set(names)) != len(names):
                fail(f"it has {len(names)} members, {len(set(names))} of them with different names")
            for name in names:
                if name.startswith(("/", "\\")) or ".." in name or "\\" in name or ":" in name:
                    fail(f"its member '{printable(name)}' leads out of it")
            missing = {_CONFIG, _WEIGHTS} - set(names)
            if missing:
                fail(f"it has no member '{min(missing)}'")
            return _unpacked(archive, _CONFIG, fail, data), _unpacked(archive, _WEIGHTS, fail, data)
    except (
        OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError,
        RuntimeError, OverflowError, MemoryError, zlib.error,
    ) as error:  # fmt: skip
        fail(printable(str(error)))


def _unpacked(archive: zipfile.ZipFile, name: str, fail: Any, data: bytes) -> bytes:
    member = archive.getinfo(name)
    cap = min(_TEXT_CAP if name == _CONFIG else FILE_CAP, _RATIO_CAP * max(len(data), 4096))
    if member.file_size > cap:
        fail(f"its member '{name}' would unpack to {member.file_size} bytes; {cap} are the limit")
    with archive.open(member) as stream:
        # The directory may lie about the size; this cannot.
        found = stream.read(cap + 1)
    if len(found) > cap:
        fail(f"its member '{name}' unpacks to more than {cap} bytes")
    return found


def _parsed(path: Path, text: bytes) -> dict[str, Any]:
    def refuse(number: str) -> NoReturn:
        raise ValueError(f"it holds {number}")

    try:
        model = json.loads(text.decode(), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"'{printable(str(path))}' has a configuration that is no JSON: "
            f"{printable(str(error))}.",
            _TODO,
        ) from error
    if not isinstance(model, dict) or not isinstance(model.get("class_name"), str):
        raise UsageError(
            f"'{printable(str(path))}' has a configuration that names no model.", _TODO
        )
    return model
