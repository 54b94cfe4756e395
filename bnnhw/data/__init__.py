"""The bundled network: a binary classifier of handwritten digits, and real images for it."""

from pathlib import Path

from bnnhw.errors import UsageError

__all__ = ["path"]

_FOLDER = Path(__file__).resolve().parent


def path(name: str) -> Path:
    """Path of a bundled file.

    Parameters
    ----------
    name : str
        `"digits_mlp.onnx"` (the network), `"digits_test.npz"` (`x` uint8 [N, 1, 8, 8], `y` uint8,
        `meta` JSON) or `"digits_mlp_expected.npz"` (`logits` int32 [N, 10] and `pred` uint8, as
        computed by the trainer).

    Raises
    ------
    UsageError
        If there is no such file.
    """
    names = sorted(file.name for file in _FOLDER.iterdir() if file.suffix in (".npz", ".onnx"))
    if name not in names:
        raise UsageError(
            f"There is no bundled file {name!r}.", f"Choose one of: {', '.join(names)}"
        )
    return _FOLDER / name
