"""The plan: what hardware, manifest, reports and driver read and compute nothing of again."""

from .blocks import (
    ArgmaxPlan,
    Block,
    ConverterPlan,
    GuardPlan,
    MvtuPlan,
    PoolPlan,
    ThresholdPlan,
    WindowPlan,
)
from .chain import make_plan
from .manifest import manifest
from .plan import Plan

__all__ = [
    "ArgmaxPlan",
    "Block",
    "ConverterPlan",
    "GuardPlan",
    "MvtuPlan",
    "Plan",
    "PoolPlan",
    "ThresholdPlan",
    "WindowPlan",
    "make_plan",
    "manifest",
]
