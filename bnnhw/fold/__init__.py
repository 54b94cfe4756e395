"""Folding: how many rows and columns of each layer are computed at once."""

from .cost import Estimate, estimate
from .folding import Folding, LayerFold, full, load_folding, serial
from .solve import solve

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
