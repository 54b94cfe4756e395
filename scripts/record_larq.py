"""Write models of Larq, and what TensorFlow gives for them, for the tests.

    VENV/bin/python scripts/record_larq.py [-o DIR]

Run from the root of the checkout, in a Python 3.11 of its own with ``pip install
tensorflow-cpu==2.15.1 larq==0.14.0``; bnnhw is not needed. Each model is saved as .h5 and .keras.
``NAME.npz`` has pixels ``x`` of 0 … 255 with the channels last, the output ``scores`` and what
every quantiser of activations gave, ``tap_00`` and so on. Nothing is trained: kernels are drawn,
some 0 and some −0, and batch norms get statistics of random inputs, some gains negative.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import larq as lq
import numpy as np
import tensorflow as tf

layers = tf.keras.layers
COUNT = 40
WAYS: dict[str, Callable[[Any], Any]] = {
    "byte": lambda p: p.astype(np.float32),
    "unit": lambda p: (p / 255).astype(np.float32),
    "centred": lambda p: (2 * p / 255 - 1).astype(np.float32),
}
SIGN = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign"}


def sequential() -> Any:
    """Convolutions with two paddings, pools, batch norms without gamma or beta, a bias."""
    return tf.keras.Sequential([
        layers.Input((11, 9, 1)),
        lq.layers.QuantConv2D(6, 3, kernel_quantizer="ste_sign", use_bias=False),
        layers.BatchNormalization(scale=False),
        lq.layers.QuantConv2D(5, 3, strides=2, padding="same", pad_values=1.0, use_bias=False,
                              **SIGN),
        layers.MaxPooling2D(2),
        layers.BatchNormalization(momentum=0.9),
        layers.Flatten(),
        lq.layers.QuantDense(7, use_bias=False, **SIGN),
        layers.BatchNormalization(epsilon=0.01, center=False),
        layers.Dropout(0.5),
        lq.layers.QuantDense(4, **SIGN),
        layers.Activation("softmax"),
    ])  # fmt: skip


def functional() -> Any:
    """Branches: a sum, channels side by side, an average of whole images."""
    one = {"padding": "same", "use_bias": False, "kernel_quantizer": "ste_sign"}
    two = one | {"input_quantizer": "ste_sign", "pad_values": -1.0}
    x = image = layers.Input((8, 7, 2))
    x = layers.BatchNormalization()(lq.layers.QuantConv2D(4, 3, **one)(x))
    left, right = (lq.layers.QuantConv2D(4, size, **two)(x) for size in (3, 1))
    both = layers.Add()([left, right])
    last = lq.layers.QuantConv2D(3, 2, **two)(layers.BatchNormalization()(both))
    joined = layers.Concatenate()([both, last, left])
    return tf.keras.Model(image, layers.Softmax()(layers.GlobalAveragePooling2D()(joined)))


def quantisers() -> Any:
    """Depthwise, {0, 1} and 2-bit activations, an average pool, other signs."""
    valid = {"padding": "valid", "use_bias": False}
    return tf.keras.Sequential([
        layers.Input((7, 6, 3)),
        lq.layers.QuantDepthwiseConv2D(3, padding="same", depth_multiplier=2, use_bias=False,
                                       depthwise_quantizer="ste_sign"),
        layers.BatchNormalization(),
        lq.layers.QuantConv2D(4, 1, input_quantizer=lq.quantizers.SteHeaviside(),
                              kernel_quantizer=lq.quantizers.ApproxSign(), **valid),
        layers.BatchNormalization(),
        lq.layers.QuantConv2D(4, 3, padding="same", use_bias=False,
                              input_quantizer=lq.quantizers.DoReFa(k_bit=2),
                              kernel_quantizer=lq.quantizers.SwishSign()),
        layers.BatchNormalization(),
        layers.ReLU(),
        lq.layers.QuantConv2D(3, 1, input_quantizer=lq.quantizers.SteHeaviside(),
                              kernel_quantizer="ste_sign", **valid),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        lq.layers.QuantDense(4, use_bias=False, input_quantizer="ste_sign",
                             kernel_quantizer="magnitude_aware_sign"),
    ])  # fmt: skip


def windows() -> Any:
    """Strides, dilations, paddings of +1, −1 and 0, pools with their own padding."""
    more: list[dict[str, Any]] = [
        {"kernel_size": (3, 2), "strides": 2, "pad_values": 1.0},
        {"kernel_size": (2, 3), "pad_values": -1.0},
        {"kernel_size": 3, "dilation_rate": 2},
    ]
    parts: list[Any] = [layers.Input((13, 10, 4))]
    for settings in more:
        parts.append(lq.layers.QuantConv2D(4, padding="same", **SIGN, **settings))
        parts.append(layers.BatchNormalization())
        parts.append(layers.MaxPooling2D(2, strides=1, padding="same"))
    parts += [layers.Flatten(), lq.layers.QuantDense(3, use_bias=False, **SIGN)]
    return tf.keras.Sequential(parts)


def rescaled() -> Any:
    """Bytes that the model scales itself, and the largest of whole images."""
    return tf.keras.Sequential([
        layers.Input((6, 5, 2)),
        layers.Rescaling(1 / 127.5, offset=-1),
        lq.layers.QuantConv2D(3, (3, 2), use_bias=False, **SIGN),
        layers.GlobalMaxPooling2D(),
    ])  # fmt: skip


def features() -> Any:
    """Features instead of images; batch norm behind a dense layer."""
    return tf.keras.Sequential([
        layers.Input((30,)),
        lq.layers.QuantDense(8, use_bias=False, kernel_quantizer="ste_sign"),
        layers.BatchNormalization(),
        lq.layers.QuantDense(3, use_bias=False, **SIGN),
    ])  # fmt: skip


MODELS: dict[str, tuple[Callable[[], Any], str]] = {
    "sequential": (sequential, "centred"),
    "functional": (functional, "centred"),
    "quantisers": (quantisers, "unit"),
    "windows": (windows, "centred"),
    "rescaled": (rescaled, "byte"),
    "features": (features, "unit"),
}
"""By name: how each is made, and what it expects of a pixel."""


def drawn(model: Any, x: Any, seed: int) -> None:
    """Draw kernels, and give every batch norm the statistics of what it reads."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if "Quant" in type(layer).__name__:
            kernel, *bias = layer.get_weights()
            kernel = rng.uniform(-1, 1, kernel.shape)
            kernel[rng.random(kernel.shape) < 0.1] = 0.0
            kernel[rng.random(kernel.shape) < 0.1] = -0.0
            layer.set_weights([kernel, *(rng.normal(0, 3, each.shape) for each in bias)])
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            seen = tf.keras.Model(model.inputs, layer.input)(x).numpy()
            axes, count = tuple(range(seen.ndim - 1)), seen.shape[-1]
            values = [rng.normal(0, 1, count)] * layer.scale + [rng.normal(0, 0.1, count)] * (
                layer.center
            )
            mean = seen.mean(axes) + rng.normal(0, 0.1, count)
            layer.set_weights([*values, mean, seen.var(axes) + 0.1])


def taps(model: Any, x: Any) -> list[Any]:
    """Give what every quantiser of activations gives, in the order of the layers."""
    return [
        layer.input_quantizer(tf.keras.Model(model.inputs, layer.input)(x)).numpy()
        for layer in model.layers
        if getattr(layer, "input_quantizer", None) is not None
    ]


def write(folder: Path, name: str, seed: int) -> None:
    """Write one model and what it gives."""
    make, way = MODELS[name]
    tf.keras.utils.set_random_seed(seed)
    model = make()
    shape = model.inputs[0].shape[1:]
    pixels = np.random.default_rng(1).integers(0, 256, (COUNT, *shape))
    x = WAYS[way](pixels)
    drawn(model, x, seed)
    arrays = {f"tap_{number:02}": tap for number, tap in enumerate(taps(model, x))}
    for suffix in ("h5", "keras"):
        model.save(folder / f"{name}.{suffix}")
    np.savez_compressed(folder / f"{name}.npz", x=pixels.astype(np.uint8), way=way,
                        scores=model(x).numpy(), **arrays)  # fmt: skip
    print(f"{name}: {len(model.layers)} layers, {len(arrays)} quantisers")


def main() -> int:
    """Write them all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("-o", "--output", type=Path, default=root / "tests/data/keras")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(MODELS):
        write(args.output, name, seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
