"""What the serial link to the host takes."""

from collections.abc import Sequence
from typing import Any

from ..bits import frame_bytes
from ..fold.folding import WRITABLE
from ..plan.blocks import ArgmaxPlan, Block, ConverterPlan, TopKPlan
from ..plan.units import UnitPlan
from .hard import LinkPlan
from .model import Cost, price

__all__ = ["link_blocks", "link_price"]


def link_blocks(blocks: Sequence[Block]) -> list[Block]:
    """Give the link, and what changes bytes to lanes, in front of some blocks.

    Parameters
    ----------
    blocks : sequence of Block
        Those of a plan, or of a sketch: the first, the last and those that are loaded at run time
        are looked at.
    """
    first, answer = blocks[0], blocks[-1]
    assert isinstance(answer, ArgmaxPlan)
    code, index = frame_bytes(1, answer.bits_out), frame_bytes(1, answer.index_bits)
    ranked = isinstance(answer, TopKPlan)
    size = answer.elements_out * (code + index) if ranked else answer.elements_out * code + index
    shared: dict[str, Any] = {
        "edge": "", "elements_in": first.elements_in, "bits_in": first.bits_in,
        "elements_out": first.elements_in, "bits_out": first.bits_in,
    }  # fmt: skip
    link = LinkPlan(
        name="link", lanes_in=1, lanes_out=1, request=frame_bytes(first.elements_in, first.bits_in),
        answer=size, code=code + index, loads=any(
            isinstance(block, UnitPlan) and block.weight_style in WRITABLE for block in blocks
        ), **shared,
    )  # fmt: skip
    lanes = ConverterPlan(
        name="lanes", lanes_in=8 // first.bits_in, lanes_out=first.lanes_in, **shared
    )
    return [link, lanes]


def link_price(blocks: Sequence[Block], family: str) -> Cost:
    """Price the link in front of the first and behind the last of some blocks."""
    return sum((price(block, family) for block in link_blocks(blocks)), Cost())
