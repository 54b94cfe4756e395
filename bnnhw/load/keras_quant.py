"""Quantisers and activations of Larq and Keras, by the names that stand in a configuration."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np

from ..names import printable
from .keras_settings import Settings
from .qonnx_quant import bipolar_quant, multi_threshold, quant, relu
from .qonnx_values import Arranged, Const, Decision, Padded, Pixels, Rectified, Site, Value

__all__ = ["activated", "kernel", "quantised"]

_SIGNS = {"ste_sign", "SteSign", "approx_sign", "ApproxSign", "swish_sign", "SwishSign"}
_MAGNITUDES = {"magnitude_aware_sign", "MagnitudeAwareSign"}
_STEPS = {"ste_heaviside", "SteHeaviside"}
_DOREFA = {"dorefa_quantizer", "DoReFa", "DoReFaQuantizer"}
_NONE = {"NoOp", "NoOpQuantizer", "linear"}
_ONE = Const(np.array(1))


@dataclass(frozen=True)
class _Quantiser:
    """What a quantiser does to a tensor, and to the number that a tensor is padded with."""

    tensor: Callable[[Site, Value | None], Value]
    number: Callable[[Fraction], Fraction]


def _named(site: Site, said: object, role: str) -> tuple[str, dict[str, Any]]:
    """Give the name of a quantiser or an activation, and its settings."""
    config: object = {}
    if isinstance(said, dict):
        # Functions are written with their name as their configuration.
        function = said.get("class_name") == "function"
        said, config = (
            (said.get("config"), {}) if function else (said.get("class_name"), said.get("config"))
        )
    if not isinstance(said, str) or not isinstance(config, dict | None):
        site.fail(f"has {printable(repr(said))} as {role}")
    return said.rsplit(">", 1)[-1], config or {}


def quantised(site: Site, said: object, x: Value | None, role: str) -> Value | None:
    """Apply a quantiser to a tensor; None says that there is none."""
    if said is None:
        return x
    name, config = _named(site, said, role)
    found = _quantiser(site, name, config, role)
    if found is None:
        return x
    if isinstance(x, Padded):
        inner = site.affine(found.tensor(site, x.inner), role)
        return Padded(inner, x.padding, found.number(x.value))
    if isinstance(x, Arranged):
        return replace(x, inner=site.affine(found.tensor(site, x.inner), role))
    return found.tensor(site, x)


def _quantiser(site: Site, name: str, config: dict[str, Any], role: str) -> _Quantiser | None:
    settings = Settings(site, config)
    if name in _NONE:
        settings.fixed("precision", *range(1, 33))
        result = None
    elif name in _SIGNS:
        _check_clip(site, settings, role)
        settings.raw("beta")
        result = _Quantiser(_sign, lambda value: Fraction(1 if value >= 0 else -1))
    elif name in _STEPS:
        _check_clip(site, settings, role)
        result = _Quantiser(_step, lambda value: Fraction(int(value > 0)))
    elif name in _DOREFA:
        settings.fixed("mode", "activations")
        result = _dorefa(settings.count("k_bit", 2))
    else:
        site.unsupported(f"has {printable(name)} as {role}")
    settings.close()
    return result


def _check_clip(site: Site, settings: Settings, role: str) -> None:
    # What is clipped to a range around 0 keeps its sign.
    if settings.number("clip_value", 1.0) <= 0:
        site.fail(f"clips to nothing in {role}")


def _sign(site: Site, x: Value | None) -> Value:
    """Give +1 where x >= 0, else −1."""
    return bipolar_quant(site, {}, x, _ONE)


def _step(site: Site, x: Value | None) -> Value:
    """Give 1 where x > 0, else 0: a threshold at the least positive number that x can be."""
    if isinstance(x, Pixels):
        return x.mapped(lambda value: Fraction(int(value > 0)))
    inner = site.affine(x.inner if isinstance(x, Rectified) else x, "the tensor")
    grid = site.chain.grid(inner.edge)
    bounds = np.empty((len(inner.scale), 1), object)
    for channel, (scale, offset) in enumerate(zip(inner.scale, inner.offset, strict=True)):
        least = min(scale * grid.low, scale * grid.high) + offset
        step = abs(scale) * grid.step
        if least <= 0 and step:
            least += step * (floor(-least / step) + 1)
        bounds[channel, 0] = least if least > 0 else Fraction(1)
    attributes = {"out_scale": 1.0, "out_bias": 0.0, "out_dtype": "BINARY"}
    return multi_threshold(site, attributes, x, Const(bounds))


def _dorefa(bits: int) -> _Quantiser:
    most = (1 << min(bits, 16)) - 1
    unit = np.array(Fraction(1, most), object)

    def tensor(site: Site, x: Value | None) -> Value:
        attributes = {"signed": 0, "narrow": 0, "rounding_mode": "ROUND"}
        zero, width = Const(np.array(0)), Const(np.array(bits))
        return quant(site, attributes, x, Const(unit), zero, width)

    return _Quantiser(
        tensor,
        lambda value: Fraction(round(min(max(value, Fraction(0)), Fraction(1)) * most), most),
    )


def kernel(site: Site, said: object, weight: Any) -> Const:
    """Give the weights of a layer as its quantiser leaves them; the last axis is the outputs."""
    if said is None:
        return Const(weight)
    name, config = _named(site, said, "its kernel quantiser")
    settings = Settings(site, config)
    if name in _NONE:
        return Const(weight)
    if name not in _SIGNS | _MAGNITUDES:
        site.unsupported(f"has {printable(name)} as its kernel quantiser")
    _check_clip(site, settings, "its kernel quantiser")
    settings.raw("beta")
    settings.close()
    signs = np.where(weight >= 0, 1, -1)
    if name in _SIGNS:
        return Const(signs)
    axes = tuple(range(weight.ndim - 1))
    sizes = np.abs(weight.astype(np.float64)).mean(axis=axes).astype(np.float32)
    return Const(signs * sizes.astype(np.float64))


def activated(site: Site, said: object, x: Value | None) -> Value | None:
    """Apply an activation; None says that there is none."""
    if said is None:
        return x
    name, _ = _named(site, said, "its activation")
    if name in ("relu", "ReLU"):
        return relu(site, {}, x)
    if name in ("softmax", "Softmax"):
        # It keeps the order of the scores, so the class is that of the scores before it.
        scores = site.affine(x, "the scores")
        if len(scores.shape) != 2:
            site.unsupported(f"takes the softmax of a tensor of shape {scores.shape}")
        return Decision(scores)
    return quantised(site, said, x, "its activation")
