"""Whether what training needs is installed."""

from importlib.util import find_spec

from ..errors import ToolMissing

__all__ = ["need_torch"]


def need_torch() -> None:
    """Say what to install where PyTorch is missing.

    Raises
    ------
    ToolMissing
        If it is.
    """
    if find_spec("torch") is None:
        raise ToolMissing(
            "Training needs PyTorch, which is not installed. The CPU is enough: of the wheels that "
            "pytorch.org offers, those for the CPU are a tenth of the size of the others.",
            'Install it: pip install "bnnhw[train]"',
        )
