"""What a block takes of a device: cells, flip-flops, block RAMs, large RAMs and multipliers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from ..fold.memory import SHAPES
from ..plan.blocks import Block
from ..plan.joints import PermutePlan
from ..plan.units import IntMvtuPlan, MvtuPlan
from ..target import Budget
from .hard import blocks_of, multipliers
from .registers import registers_of
from .table import TABLE
from .terms import kind_of, terms_of

__all__ = ["Cost", "checked_family", "order_price", "price", "price_all", "shape_of"]

# Terms of an `IntMvtu` and an `Affine` that lie within SB_MAC16, or are 0 beside it.
_INSIDE = {"gated", "product_dsp", "product_lut", "fixed_dsp", "fixed_lut", "multiplied", "product",
           "factors"}  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """Resources of a device.

    Parameters
    ----------
    lut4 : int
        Lookup tables of four inputs; on ECP5 a carry cell is two.
    ff : int
        Flip-flops.
    ebr : int
        Block RAMs.
    spram : int
        Large single-port RAMs of an iCE40 UP5K.
    dsp : int
        Multipliers.
    """

    lut4: int = 0
    ff: int = 0
    ebr: int = 0
    spram: int = 0
    dsp: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        pairs = zip(self.numbers, other.numbers, strict=True)
        return type(self)(*(a + b for a, b in pairs))

    @property
    def numbers(self) -> tuple[int, int, int, int, int]:
        """The numbers in order of the fields."""
        # `dataclasses.astuple` copies deeply, which made half of the time of a solution.
        return self.lut4, self.ff, self.ebr, self.spram, self.dsp

    @property
    def vector(self) -> npt.NDArray[np.int64]:
        """The numbers in order of the fields, as an array."""
        return np.array(self.numbers, np.int64)

    @classmethod
    def limits(cls, budget: Budget) -> "Cost":
        """Give what a device has."""
        return cls(**{entry.name: getattr(budget, entry.name) for entry in fields(cls)})


def checked_family(family: str) -> str:
    """Return `family` if there is a model of it.

    Raises
    ------
    ValueError
        If there is none.
    """
    if family not in SHAPES:
        raise ValueError(f"Family must be one of {', '.join(SHAPES)}, not {family!r}")
    return family


def price(block: Block, family: str, *, dsp: bool = False) -> Cost:
    """Price a block by its shape.

    Cells are a sum of terms (`terms_of`), flip-flops one of the registers that the hardware
    declares (`registers_of`), with coefficients fitted to what Yosys made of such blocks
    (`scripts/benches/cost.py`), rounded; memories and multipliers are counted.

    Parameters
    ----------
    block : Block
    family : str
    dsp : bool
        An iCE40 has multipliers, which take products and their registers off the cells. ECP5 has.
    """
    kind, terms = shape_of(block, family, dsp=dsp)
    table = TABLE[family][kind]
    lut4, ff = _sum(table["lut4"], terms["lut4"]), _sum(table["ff"], terms["ff"])
    cost = Cost(lut4, ff, *blocks_of(block, family), multipliers(block, family, dsp=dsp))
    return cost + order_price(block, family) if isinstance(block, MvtuPlan) else cost


def shape_of(
    block: Block, family: str, *, dsp: bool = False
) -> tuple[str, dict[str, dict[str, float]]]:
    """Name the kind of a block in the table, and give the terms of ``lut4`` and ``ff``.

    Parameters
    ----------
    block, family, dsp
        As `price` has them.
    """
    kind = kind_of(block)
    found = {"lut4": terms_of(block, family), "ff": registers_of(block, family)}
    if family == "ice40" and multipliers(block, family, dsp=dsp):
        kind += "_mac16" if isinstance(block, IntMvtuPlan) else ""
        found = {
            what: {name: value for name, value in terms.items() if name not in _INSIDE}
            for what, terms in found.items()
        }
    return kind, found


def order_price(block: MvtuPlan, family: str) -> Cost:
    """Price what puts results into order where vectors take turns."""
    if not block.reorders:
        return Cost()
    hold = block.hold
    bits, count = block.pe * block.bits_out, hold * block.neuron_folds
    turns = tuple(at % block.neuron_folds * hold + at // block.neuron_folds for at in range(count))
    order = PermutePlan(
        name="order", edge=block.edge, elements_in=count, bits_in=bits, lanes_in=1,
        elements_out=count, bits_out=bits, lanes_out=1, order=turns,
    )  # fmt: skip
    return price(order, family)


def _sum(table: Mapping[str, float], terms: Mapping[str, float]) -> int:
    return max(0, round(sum(table.get(name, 0) * value for name, value in terms.items())))


def price_all(blocks: Iterable[Block], family: str, *, dsp: bool = False) -> Cost:
    """Price blocks together, without the link."""
    return sum((price(block, family, dsp=dsp) for block in blocks), Cost())
