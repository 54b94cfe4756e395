"""The plan: what hardware, manifest, reports and driver read and compute nothing of again."""

from .blocks import (
    ArgmaxPlan,
    Block,
    ConverterPlan,
    GuardPlan,
    MvtuPlan,
    PoolPlan,
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
    "WindowPlan",
    "make_plan",
    "manifest",
]
