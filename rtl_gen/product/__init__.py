"""The PE array as a product of its own: Verilog of a chosen size, without any network."""

from .files import write_array
from .make import TARGETS, ArrayProduct, make_array
from .weights import load_weights

__all__ = ["TARGETS", "ArrayProduct", "load_weights", "make_array", "write_array"]
