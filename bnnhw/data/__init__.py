"""The bundled networks: binary classifiers of handwritten digits, and real images for them."""

from pathlib import Path

from bnnhw.errors import UsageError

__all__ = ["networks", "path"]

_FOLDER = Path(__file__).resolve().parent


def networks() -> tuple[str, ...]:
    """Names of the bundled networks, the first being the one to begin with.

    Of each there are ``NAME.onnx`` and ``NAME_expected.npz``.
    """
    return "digits_mlp", "digits_cnn", "digits_tiny"


def path(name: str) -> Path:
    """Path of a bundled file.

    Parameters
    ----------
    name : str
        `"digits_mlp.onnx"` (fully connected layers), `"digits_cnn.onnx"` (convolutions) or
        `"digits_tiny.onnx"` (fully connected, for the smallest FPGA); `"digits_test.npz"`, images
        for all (`x` uint8 [N, 1, 8, 8], `y` uint8, `meta` JSON of the first);
        `"NAME_expected.npz"` of each (`logits` int32 [N, 10] and `pred` uint8, as computed by the
        trainer, `meta` JSON).

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
