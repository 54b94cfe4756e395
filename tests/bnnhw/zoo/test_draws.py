"""Parameters by name: the same everywhere and for ever, with the edge cases that are promised."""

import numpy as np

from bnnhw.zoo import draw_images
from bnnhw.zoo.draws import INT8_VARIANCE, Draws


def test_streams_are_fixed() -> None:
    draws = Draws(1)
    assert draws.int8("a", (2, 3)).tolist() == [[99, -65, -91], [-28, -5, -28]]
    assert (draws.latent("a", (3,)) * 1024).tolist() == [-476.0, 507.0, -716.0]
    assert (draws.unit("a", (2,)) * (1 << 24)).tolist() == [13151793.0, 11216054.0]


def test_names_and_seeds_part_streams_and_order_does_not() -> None:
    draws = Draws(1)
    first = draws.int8("a", (50,))
    assert not np.array_equal(first, draws.int8("b", (50,)))
    assert not np.array_equal(first, Draws(2).int8("a", (50,)))
    assert np.array_equal(first, draws.int8("a", (50,)))
    assert np.array_equal(first[:7], Draws(1).int8("a", (7,)))


def test_ranges() -> None:
    draws, count = Draws(3), (100_000,)
    bytes_, latent, unit = draws.int8("x", count), draws.latent("x", count), draws.unit("x", count)
    assert (bytes_.min(), bytes_.max()) == (-127, 127)
    assert abs(bytes_.astype(float).var() / INT8_VARIANCE - 1) < 0.02
    assert (latent.min(), latent.max()) == (-1023 / 1024, 1023 / 1024)
    assert 20 < (latent == 0).sum() < 80
    assert 0 <= unit.min() < 0.001 and 0.999 < unit.max() < 1


def test_norms_hold_edge_cases() -> None:
    norm = Draws(4).norm("bn", [100] * 2000, 3.0)
    parts = (norm.gamma, norm.beta, norm.mean, norm.var)
    assert all(np.array_equal(part, part.astype(np.float32)) for part in parts)
    assert 0.09 < (norm.gamma < 0).mean() < 0.16
    assert 0.02 < (norm.gamma == 0).mean() < 0.05
    ties = norm.beta == 0
    assert 0.2 < ties.mean() < 0.3
    assert not (norm.mean[ties] % 2).any()
    assert (norm.var.min() >= 50, norm.var.max() < 150) == (True, True)
    assert np.abs(norm.mean).max() <= 4
    assert np.abs(norm.gamma).max() < 4.5


def test_images() -> None:
    images = draw_images(5, 4, (3, 10, 12))
    assert (images.shape, images.dtype) == ((4, 3, 10, 12), np.uint8)
    assert (np.unique(images[0]).tolist(), np.unique(images[1]).tolist()) == ([0], [255])
    assert np.array_equal(images, draw_images(5, 4, (3, 10, 12)))
    assert not np.array_equal(images[2], draw_images(6, 4, (3, 10, 12))[2])
    assert images[2:].std() > 40
