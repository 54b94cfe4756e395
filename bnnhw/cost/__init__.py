"""The cost of a folding by a fitted model, and the folding that costs least."""

from .estimate import Estimate, estimate
from .model import Cost, price, price_all
from .solve import solve

__all__ = ["Cost", "Estimate", "estimate", "price", "price_all", "solve"]
