"""Folding: how many rows and columns of each layer are computed at once."""

from .folding import Folding, LayerFold, full, load_folding, serial

__all__ = ["Folding", "LayerFold", "full", "load_folding", "serial"]
