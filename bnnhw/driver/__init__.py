"""Images to a board and answers back: the part of bnnhw that runs where the board is plugged in."""

from .answers import Answer, Answers, Benchmark, Check, Counters
from .device import Device
from .places import open

__all__ = ["Answer", "Answers", "Benchmark", "Check", "Counters", "Device", "open"]
