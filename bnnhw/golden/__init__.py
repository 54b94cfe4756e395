"""The golden model: what a graph answers, bit for bit, computed in two ways that must agree."""

from .runner import Result, run

__all__ = ["Result", "run"]
