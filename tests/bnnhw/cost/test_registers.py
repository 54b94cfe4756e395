"""The flip-flops that the cost model counts, against those that the hardware declares."""

import importlib
import re
from typing import Any

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Value

from bnnhw.cost.hard import distinct
from bnnhw.cost.registers import registers_of

points: Any = importlib.import_module("scripts.benches.cost_points")
bench: Any = importlib.import_module("scripts.benches.cost")

KINDS = (
    "guard", "mask", "collector", "shifter", "gearbox", "parallelwindow", "maxpool", "sumpool",
    "slice", "fork", "queue", "window",
)  # fmt: skip


def declared(block: Any) -> int:
    """Count the bits of all registers in what Amaranth makes of a block."""
    component = bench.component(block)
    ports = [Value.cast(value) for _, _, value in component.signature.flatten(component)]
    text = rtlil.convert(component, ports=ports, emit_src=False)
    found = re.findall(r"cell \$dffe? .*?\n(?:.*\n)*?.*?\\WIDTH (\d+)", text)
    return sum(map(int, found))


@pytest.mark.parametrize("kind", KINDS)
def test_the_registers_that_are_declared_are_counted(kind: str) -> None:
    """A flag that is constant is declared and not counted: one or two for each block."""
    for seed in range(12):
        block = points.draw(kind, seed, "ice40")
        terms = registers_of(block, "ice40")
        # What stands behind a memory is declared as part of it.
        counted = sum(terms.values()) - terms.get("stored", 0)
        assert counted <= declared(block) <= counted + 2, f"{kind}, number {seed}"


def test_a_register_more_is_seen() -> None:
    """The planted fault: a collector with one lane more than the model was told of."""
    block = points.draw("collector", 0, "ice40")
    wider = block.__class__(**{**vars(block), "bits_in": block.bits_in + 1})
    assert declared(wider) != sum(registers_of(block, "ice40").values())


def test_columns_of_a_small_rom_that_are_alike_count_once() -> None:
    """Two words have two columns that are not constant, four have fourteen."""
    assert distinct(1000, 2) == pytest.approx(2)
    assert distinct(1000, 4) == pytest.approx(14)
    assert distinct(1, 4) == pytest.approx(14 / 16)
    assert distinct(40, 64) == 40
