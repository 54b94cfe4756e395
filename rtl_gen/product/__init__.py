"""The PE array as a product of its own: Verilog of a chosen size, without any network."""

from .files import write_array
from .make import ArrayProduct, make_array
from .spec import TARGETS
from .top import BUSES
from .weights import load_thresholds, load_weights

__all__ = [
    "BUSES",
    "TARGETS",
    "ArrayProduct",
    "load_thresholds",
    "load_weights",
    "make_array",
    "write_array",
]
