"""The plan: what hardware, manifest, reports and driver read and compute nothing of again."""

from .blocks import (
    AffinePlan,
    ArgmaxPlan,
    Block,
    ConverterPlan,
    GuardPlan,
    PoolPlan,
    ThresholdPlan,
    TopKPlan,
    WindowPlan,
)
from .joints import AddPlan, ConcatPlan, ForkPlan, PermutePlan, QueuePlan, SlicePlan
from .make import make_plan
from .manifest import manifest
from .parallel import ParallelWindowPlan, TernaryPlan
from .plan import Plan
from .units import IntMvtuPlan, MvtuPlan, UnitPlan

__all__ = [
    "AddPlan",
    "AffinePlan",
    "ArgmaxPlan",
    "Block",
    "ConcatPlan",
    "ConverterPlan",
    "ForkPlan",
    "GuardPlan",
    "IntMvtuPlan",
    "MvtuPlan",
    "ParallelWindowPlan",
    "PermutePlan",
    "Plan",
    "PoolPlan",
    "QueuePlan",
    "SlicePlan",
    "TernaryPlan",
    "ThresholdPlan",
    "TopKPlan",
    "UnitPlan",
    "WindowPlan",
    "make_plan",
    "manifest",
]
