"""Slaves of the buses that a processor writes registers and memories over."""

from .access import Access
from .axi_lite import AxiLiteSlave
from .wishbone import WishboneSlave

__all__ = ["Access", "AxiLiteSlave", "WishboneSlave"]
