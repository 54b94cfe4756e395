"""Images to request payloads and answers to numbers, as a manifest says."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bits import frame_bytes, pack_bytes
from ..errors import DeviceError, UsageError
from ..graph import Grid, Input
from ..images import checked_images

__all__ = ["Packing"]


@dataclass(frozen=True, eq=False)
class Packing:
    """How one design's images and answers become bytes.

    Parameters
    ----------
    identity : bytes
        SHA-256 of the build.
    node : Input
        Shape, table and range of the images.
    bits : int
        Width of an input code.
    low, step : int
        Value of a logit's code 0, and of one step.
    order : str
        Order of the elements of an image on the line, ``"chw"`` or ``"hwc"``.
    logit_bytes, classes, index_bytes : int
        Bytes of one logit's code, number of logits, bytes of a class index.
    top : int or None
        Classes that an answer names, each with its logit; None where it has every class's logit and
        the class that won.
    """

    identity: bytes
    node: Input
    bits: int
    low: int
    step: int
    order: str
    logit_bytes: int
    classes: int
    index_bytes: int
    top: int | None = None

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> "Packing":
        """Read a manifest.

        Raises
        ------
        UsageError
            If it lacks something or contradicts itself.
        """
        try:
            source, sink = manifest["input"], manifest["output"]
            bits, elements = _count(source["bits"]), _count(source["elements"])
            shape = tuple(_count(extent) for extent in source["shape"])
            if bits > 16 or math.prod(shape) != elements:
                raise ValueError("its input contradicts itself")
            if _count(source["frame_bytes"]) != frame_bytes(elements, bits):
                raise ValueError("its frame_bytes do not fit its input")
            levels = _count(source.get("values", {}).get("levels", 1 << bits))
            lut = None if source["lut"] is None else np.array(source["lut"], np.int64)
            packing = cls(
                identity=bytes.fromhex(manifest["identity"]),
                node=Input(
                    name="image",
                    shape=shape,
                    grid=Grid(0, 1, levels),
                    lut=lut,
                    image_channels=source.get("image_channels"),
                ),
                bits=bits,
                low=int(sink["low"]),
                step=int(sink["step"]),
                order=_order(source),
                logit_bytes=_count(sink["bytes"]),
                classes=_count(sink["classes"]),
                index_bytes=_count(sink["index_bytes"]),
                top=None if sink.get("top") is None else _count(sink["top"]),
            )
            if packing.top is not None and packing.top > packing.classes:
                raise ValueError("it names more classes than there are")
            if len(packing.identity) != 32 or max(packing.logit_bytes, packing.index_bytes) > 7:
                raise ValueError("a field is out of range")
            if not isinstance(manifest.get("weights"), Mapping | None):
                raise ValueError("its weights are no table")
        except (
            KeyError, TypeError, ValueError, AttributeError, OverflowError, UsageError,
        ) as error:  # fmt: skip
            missing = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise UsageError(
                f"This is no manifest that a driver can use: {missing.splitlines()[0]}.",
                "Give the NAME.json that 'bnnhw build' or 'bnnhw generate network' wrote.",
            ) from error
        return packing

    @property
    def frame_bytes(self) -> int:
        """Bytes of one request payload."""
        return frame_bytes(math.prod(self.node.shape), self.bits)

    @property
    def answer_bytes(self) -> int:
        """Bytes of one answer."""
        if self.top is not None:
            return self.top * (self.logit_bytes + self.index_bytes)
        return self.classes * self.logit_bytes + self.index_bytes

    def pack(self, images: npt.ArrayLike) -> list[bytes]:
        """Turn images into request payloads: element k lies at bit k * bits, low bits first.

        Raises
        ------
        UsageError
            If the images do not suit the design.
        """
        array = checked_images(images, self.node)
        codes = self.node.encode(array)
        if self.order == "hwc" and codes.ndim == 4:
            codes = np.moveaxis(codes, 1, -1)
        return [row.tobytes() for row in pack_bytes(codes.reshape(len(codes), -1), self.bits)]

    def unpack(self, answers: list[bytes]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Logit values and classes of answers of `answer_bytes` bytes each.

        Returns
        -------
        logits : array of int64, shape (answers, classes), or (answers, top)
        classes : array of int64, shape (answers,), or (answers, top), best first

        Raises
        ------
        DeviceError
            If an answer names a class that does not exist.
        """
        table = np.frombuffer(b"".join(answers), np.uint8).reshape(len(answers), self.answer_bytes)
        if self.top is None:
            split = self.classes * self.logit_bytes
            codes = _little_endian(table[:, :split].reshape(len(answers), self.classes, -1))
            classes = _little_endian(table[:, split:])
        else:
            each = table.reshape(len(answers), self.top, -1)
            codes = _little_endian(each[..., : self.logit_bytes])
            classes = _little_endian(each[..., self.logit_bytes :])
        if len(classes) and int(classes.max()) >= self.classes:
            raise DeviceError(
                f"The board named class {int(classes.max())} of {self.classes}.",
                "Flash the design of this manifest again.",
            )
        return self.low + self.step * codes, classes


def _order(source: Mapping[str, Any]) -> str:
    order = source.get("order", "chw")
    if order not in ("chw", "hwc"):
        raise ValueError("its order of elements is unknown")
    return str(order)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} is no positive number")
    return value


def _little_endian(octets: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    weights = np.int64(1) << (8 * np.arange(octets.shape[-1], dtype=np.int64))
    values: npt.NDArray[np.int64] = (octets.astype(np.int64) * weights).sum(-1)
    return values
