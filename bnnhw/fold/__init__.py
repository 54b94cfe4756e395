"""Folding: how many rows and columns of each layer are computed at once."""

from .folding import Folding, LayerFold, full, load_folding, serial
from .solve import Estimate, estimate, solve

__all__ = [
    "Estimate",
    "Folding",
    "LayerFold",
    "estimate",
    "full",
    "load_folding",
    "serial",
    "solve",
]
