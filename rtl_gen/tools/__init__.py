"""The programs that we call: where they are, how new, how they are run, how to get them."""

from .doctor import ToolStatus, survey
from .find_verilator import Verilator, verilator
from .program_sets import Toolchain, environment, toolchain
from .run import Finished, ToolFailed, run_tool
from .search import find_program, python_package, version_of
from .yowasp import cold_starts, is_cold, warm_up

__all__ = [
    "Finished",
    "ToolFailed",
    "ToolStatus",
    "Toolchain",
    "Verilator",
    "cold_starts",
    "environment",
    "find_program",
    "is_cold",
    "python_package",
    "run_tool",
    "survey",
    "toolchain",
    "verilator",
    "version_of",
    "warm_up",
]
