"""Proofs about single components, by solvers that come from PyPI."""

from .frames import Frames
from .scene import Properties, Scene
from .solve import Mode, Result, Verdict, prove

__all__ = ["Frames", "Mode", "Properties", "Result", "Scene", "Verdict", "prove"]
