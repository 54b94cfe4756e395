"""The plan: what hardware, manifest, reports and driver read and compute nothing of again."""

from .blocks import ArgmaxPlan, Block, ConverterPlan, GuardPlan, MvtuPlan
from .manifest import manifest
from .plan import Plan, make_plan

__all__ = [
    "ArgmaxPlan",
    "Block",
    "ConverterPlan",
    "GuardPlan",
    "MvtuPlan",
    "Plan",
    "make_plan",
    "manifest",
]
