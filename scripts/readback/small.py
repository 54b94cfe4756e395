"""A network that fits beside the link into the smallest FPGA, an iCE40HX1K."""

import numpy as np

from bnnhw import data, golden
from bnnhw.graph import Argmax, Dense, Graph, Threshold
from bnnhw.images import load_images
from bnnhw.load import load_model

__all__ = ["digits_few"]

_HIDDEN = 40


def digits_few() -> Graph:
    """Make a network for the bundled digits: 40 random features, and what each digit has of them.

    Nothing is trained: a threshold is its feature's median over the bundled images, and a class's
    weight says whether its images have the feature more often than all do. Of these same images
    70 % are then right, by which nothing is claimed.
    """
    source = load_model(data.path("digits_mlp.onnx"))
    image, flat = source.nodes[:2]
    pictures = load_images(data.path("digits_test.npz"), source)
    assert pictures.y is not None
    trace = golden.run(source, pictures.x, path="plain", trace=True)
    signs = np.where(np.asarray(trace.edges[flat.name]) > 0, 1, -1)
    weights = np.random.default_rng(7).integers(0, 2, (_HIDDEN, signs.shape[1]), np.uint8)
    sums = signs @ (2 * weights.astype(np.int64) - 1).T
    levels = np.median(sums, axis=0).astype(np.int64)
    there = sums >= levels
    own = [there[pictures.y == digit].mean(axis=0) for digit in range(10)]
    classes = (np.array(own) > there.mean(axis=0)).astype(np.uint8)
    nodes = (
        image,
        flat,
        Dense("fc1", (flat.name,), weights),
        Threshold("sign1", ("fc1",), levels[:, None], np.ones(_HIDDEN, np.int64)),
        Dense("fc2", ("sign1",), classes),
        Argmax("best", ("fc2",), np.zeros(10, np.int64)),
    )
    return Graph("digits_few", nodes, ("fc2", "best"))
