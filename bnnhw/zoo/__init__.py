"""Architectures of the field as graphs, at any width, with random parameters from a seed."""

from .dense import binary_densenet28, meliusnet22
from .draws import draw_images
from .residual import bireal18, resnet_e18
from .small import dorefa, mlp, multi_base, ternary

__all__ = [
    "binary_densenet28",
    "bireal18",
    "dorefa",
    "draw_images",
    "meliusnet22",
    "mlp",
    "multi_base",
    "resnet_e18",
    "ternary",
]
