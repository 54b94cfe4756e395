"""The golden model's fast path against a float32 BLAS, and whole networks in images a second."""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .frame import Row, Settings, in_child, markdown_table

__all__ = ["NAME", "TITLE", "measure", "page", "plots"]

NAME = "golden"
TITLE = "Golden model"

# Rows of weights, columns, vectors at once.
LAYERS = {
    "CNV, largest layer (64 × 576, 28 × 28 pixels)": (64, 576, 784),
    "CNV, 128 × 1152, 10 × 10 pixels": (128, 1152, 100),
    "CNV, 256 × 2304, 8 images of one pixel": (256, 2304, 8),
    "LFC, 1024 × 1024, 8 images": (1024, 1024, 8),
    "LFC, 1024 × 1024, 64 images": (1024, 1024, 64),
    "256 × 2304, 200 vectors": (256, 2304, 200),
}
NETWORKS = {
    "TFC W1A1": ("mnist_tfc_w1a1", "mnist_test_0000_4999"),
    "TFC W1A2": ("mnist_tfc_w1a2", "mnist_test_0000_4999"),
    "LFC W1A1": ("mnist_lfc_w1a1", "mnist_test_0000_4999"),
    "CNV W1A1": ("cifar10_cnv_w1a1", "cifar10_lossless_eran100"),
}
WAYS = {"blas": "float32 BLAS", "loop": "scalar loop", "numpy": "NumPy", "numba": "numba"}

_INTRO = """The same products in several ways, in turns in one process that has one core: {cpu}. All
of them gave the same numbers. A figure is the median of the ratios of neighbouring turns, with the
quartiles behind it, in processor time: other programs ran on the machine. _BLAS_ is NumPy's
`float32` matrix product (OpenBLAS, one thread) of operands that lie ready, _kernel_ counts matches
of words that lie ready. _NumPy_ needs nothing else; _numba_ needs the extra `fast` and took
{start:.1f} s of processor time to import and compile, once in a process. The packed path takes it
by itself where some seconds of work are ahead; `BNNHW_KERNEL` or `kernel=` decides otherwise."""

_LOOP = """Over a scalar loop, which multiplies and adds one `float32` at a time, figures are
larger. The field's claim of 58 times is to be read as one over such a loop."""

_WHOLE = """A user sees the whole layer: activations of one byte are packed, laid out window by
window, counted and compared with thresholds, and the weights packed. It is held against the same
layer in floats from ±1 images: windows laid out, one BLAS product, one comparison."""

_NETWORKS = """Whole networks: images in a second of processor time, from pixels to logits. The
plain path is the reference that is made to be read: products and sums of values."""


def measure(settings: Settings) -> list[Row]:
    """Time layers and networks in a child that has one thread and one core."""
    rounds = 5 if settings.quick else 61
    settings.say("   layers")
    rows: list[Row] = in_child(NAME, "layers", str(rounds))
    for name, files in NETWORKS.items():
        network, images = (
            settings.models / folder / f"{file}.npz"
            for folder, file in zip(("networks", "images"), files, strict=True)
        )
        if network.exists() and images.exists():
            settings.say(f"   {name}")
            rounds = 1 if settings.quick else 5
            rows.append(
                {"kind": "network", "name": name}
                | in_child(NAME, "network", str(rounds), str(network), str(images))
            )
    return rows


def _turns(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Take the processor time of each way in turn, again and again."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            start = time.thread_time()
            way()
            if turn:  # the first one warms up
                times[name].append(time.thread_time() - start)
    return times


def _over(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
    """Give quartiles of the ratios of neighbouring turns."""
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    return [round(cut, 3) for cut in statistics.quantiles(ratios, n=4)]


def _layers(rounds: int) -> list[Row]:
    start = time.thread_time()
    kernels = _kernels()
    for kernel in kernels.values():
        kernel.pack_channels(np.ones((1, 64, 8), np.uint8))
        kernel.count_matches(np.ones((1, 8), np.uint64), np.ones((8, 1), np.uint64), 64)
    import llvmlite.binding as llvm

    cpu = llvm.get_host_cpu_name()
    counts = llvm.get_host_cpu_features().get("avx512vpopcntdq", False)
    rows: list[Row] = [
        {
            "kind": "host",
            "cpu": f"{cpu}, {'with' if counts else 'without'} AVX-512's count of ones",
            "start": round(time.thread_time() - start, 2),
        }
    ]
    loop = _scalar_loop()
    for name, shape in LAYERS.items():
        rows.append({"kind": "layer", "name": name} | _layer(*shape, kernels, loop, rounds))
    for images in (1, 8):
        name = f"CNV, largest layer, {images} image{'s' * (images > 1)}"
        rows.append({"kind": "whole", "name": name} | _whole_layer(kernels, images, rounds))
    return rows


def _kernels() -> dict[str, Any]:
    from bnnhw.golden.packed_kernels import KERNELS, choose_kernel

    return {name: choose_kernel(name) for name in KERNELS}


def _scalar_loop() -> Callable[..., Any]:
    """Compile a loop that LLVM must not reorder: it multiplies and adds one number at a time."""
    from numba import njit

    def loop(x: Any, weight: Any, sums: Any) -> None:
        for row in range(weight.shape[0]):
            for vector in range(x.shape[0]):
                total = np.float32(0)
                for column in range(x.shape[1]):
                    total += x[vector, column] * weight[row, column]
                sums[row, vector] = total

    compiled: Callable[..., Any] = njit(loop)
    return compiled


def _layer(
    rows: int,
    columns: int,
    vectors: int,
    kernels: dict[str, Any],
    loop: Callable[..., Any],
    rounds: int,
) -> Row:
    from bnnhw.bits import pack_rows

    rng = np.random.default_rng(1)
    bits, weight = (rng.integers(0, 2, (n, columns), np.uint8) for n in (vectors, rows))
    x, w = pack_rows(bits).T.copy(), pack_rows(weight)
    fx, fw = ((2.0 * b - 1).astype(np.float32) for b in (bits, weight))
    sums = np.empty((rows, vectors), np.float32)
    ways: dict[str, Callable[[], Any]] = {"blas": lambda: fw @ fx.T}
    for name, kernel in kernels.items():
        ways[name] = partial(kernel.count_matches, x, w, columns)
        assert np.array_equal(2 * ways[name]() - columns, ways["blas"]()), name
    times = _turns(ways, rounds)
    loop(fx, fw, sums)
    assert np.array_equal(sums, ways["blas"]())
    # A loop takes fifty times as long: few turns of its own, beside BLAS again.
    slow = _turns({"blas": ways["blas"], "loop": lambda: loop(fx, fw, sums)}, max(3, rounds // 10))
    return {
        "us": {name: round(statistics.median(t) * 1e6, 1) for name, t in (slow | times).items()},
        "over_blas": {name: _over(times["blas"], times[name]) for name in kernels},
        "loop_over_blas": _over(slow["blas"], slow["loop"]),
    }


def _whole_layer(kernels: dict[str, Any], images: int, rounds: int) -> Row:
    from bnnhw.golden import packed
    from bnnhw.graph import BIPOLAR, Conv, Graph, Input, Threshold

    rng = np.random.default_rng(1)
    weight = rng.integers(0, 2, (64, 64, 3, 3), np.uint8)
    levels = rng.integers(-30, 31, (64, 1))
    nodes = (
        Input("x", (), (64, 30, 30), BIPOLAR),
        Conv("conv", ("x",), weight),
        Threshold("sign", ("conv",), levels, np.ones(64, np.int8)),
    )
    graph = Graph("layer", nodes, ("sign",))
    codes = rng.integers(0, 2, (images, 64, 30, 30), np.uint8)
    values, numbers = ((2.0 * b - 1).astype(np.float32) for b in (codes, weight.reshape(64, 576)))
    windows = np.empty((64, 9, 28, 28), np.float32)

    def floats() -> list[npt.NDArray[Any]]:
        answers = []
        for image in values:
            for tap in range(9):
                y, x = divmod(tap, 3)
                windows[:, tap] = image[:, y : y + 28, x : x + 28]
            answers.append((numbers @ windows.reshape(576, -1)) >= levels)
        return answers

    ways: dict[str, Callable[[], Any]] = {"blas": floats}
    for name, kernel in kernels.items():
        # Values of no edge are wanted: within a network, codes go on to the next layer.
        ways[name] = partial(packed.evaluate, graph, codes, (), kernel)
        answer = packed.evaluate(graph, codes, ("sign",), kernel)["sign"]
        assert np.array_equal(answer.reshape(images, 64, -1) > 0, floats()), name
    times = _turns(ways, rounds)
    return {
        "us": {name: round(statistics.median(t) * 1e6, 1) for name, t in times.items()},
        "over_blas": {name: _over(times["blas"], times[name]) for name in kernels},
    }


def _network(rounds: int, network: Path, file: Path) -> Row:
    from bnnhw import golden
    from bnnhw.images import load_images
    from bnnhw.load import load_model

    graph = load_model(network)
    x = load_images(file, graph).x[:1000]
    few = x[: 10 if x[0].size > 1000 else 200]
    options: dict[str, tuple[Any, dict[str, Any]]] = {
        "plain": (few, {"path": "plain"}),
        "numpy": (x, {"kernel": "numpy"}),
        "numba": (x, {"kernel": "numba"}),
    }
    wanted = golden.run(graph, few, path="plain").logits
    for name, (_, given) in options.items():
        assert np.array_equal(golden.run(graph, few, **given).logits, wanted), name
    times = _turns(
        {
            name: partial(golden.run, graph, images, **given)
            for name, (images, given) in options.items()
        },
        rounds,
    )
    return {
        "images": {name: len(images) for name, (images, _) in options.items()},
        "rate": {
            name: round(len(options[name][0]) / statistics.median(t), 1)
            for name, t in times.items()
        },
    }


def _ratio(quartiles: list[float]) -> str:
    low, middle, high = quartiles
    return f"**{middle:.2f}** ({low:.2f} … {high:.2f})"


def page(rows: list[Row]) -> str:
    """Give tables of layers, of one whole layer, and of networks."""
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        kinds.setdefault(row["kind"], []).append(row)
    host = kinds["host"][0]
    layers = [
        [row["name"], *(_ratio(row["over_blas"][name]) for name in ("numpy", "numba"))]
        for row in kinds["layer"]
    ]
    loops = [
        [
            row["name"],
            f"{1 / row['loop_over_blas'][1]:.0f}",
            *(
                f"{row['over_blas'][name][1] / row['loop_over_blas'][1]:.0f}"
                for name in ("numpy", "numba")
            ),
        ]
        for row in kinds["layer"]
    ]
    whole = [
        [row["name"], *(_ratio(row["over_blas"][name]) for name in ("numpy", "numba"))]
        for row in kinds["whole"]
    ]
    rates = [
        [row["name"], *(f"{row['rate'][name]:,.0f}" for name in ("plain", "numpy", "numba"))]
        for row in kinds.get("network", [])
    ]
    parts = [
        _INTRO.format(**host),
        markdown_table(["kernel over BLAS", "NumPy", "numba"], layers),
        _WHOLE,
        markdown_table(["whole layer over floats", "NumPy", "numba"], whole),
        _LOOP,
        markdown_table(["over a scalar loop", "BLAS", "NumPy", "numba"], loops),
    ]
    if rates:
        parts += [_NETWORKS, markdown_table(["network", "plain", "NumPy", "numba"], rates)]
    return "\n\n".join(part.strip() for part in parts)


def plots(rows: list[Row], folder: Path) -> list[Path]:
    """Draw the kernels' speed over BLAS as bars."""
    from .pictures import COLOURS, picture

    file = folder / "golden-over-blas.svg"
    layers = [row for row in rows if row["kind"] == "layer"]
    with picture(file, height=3.2) as (axes,):
        for number, name in enumerate(("numpy", "numba")):
            places = [place + 0.38 * (number - 0.5) for place in range(len(layers))]
            cuts = [row["over_blas"][name] for row in layers]
            bars = axes.barh(
                places, [cut[1] for cut in cuts], 0.36, color=COLOURS[number], label=WAYS[name]
            )
            axes.bar_label(bars, fmt="{:.1f}", padding=3)
        axes.axvline(1, color="black", linewidth=1)
        axes.set_yticks(range(len(layers)), [row["name"] for row in layers])
        axes.invert_yaxis()
        axes.margins(x=0.1)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("times as fast as a float32 BLAS (line: as fast)")
        axes.legend(loc="lower right")
    return [file]


if __name__ == "__main__":
    what, rounds, *files = sys.argv[1:]
    if what == "layers":
        print(json.dumps(_layers(int(rounds))))
    else:
        print(json.dumps(_network(int(rounds), *map(Path, files))))
