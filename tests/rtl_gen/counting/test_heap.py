"""Heaps of dots: every kind of cell, the wiring of every level, and counts of wide words."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from bnnhw.fold.pipeline import adder_levels
from rtl_gen.counting.carry import (
    END,
    ONE,
    Chain,
    _settings,
    blocks,
    chains,
    evaluate,
    half_output,
    wires_of,
)
from rtl_gen.counting.heap import Heap, Kind, Operation
from rtl_gen.counting.ice40 import _dots_heap, _pairs_heap
from rtl_gen.counting.lanes import bits_heap, pairs_heap

SIZES = {Kind.FEED: 1, Kind.FULL: 2, Kind.HALF: 1, Kind.FIVE: 4}
WIDTHS = [2, 3, 5, 8, 13, 31, 33, 64]


def operands(kind: Kind) -> Iterator[tuple[tuple[int, bool], ...]]:
    """Operands of one wire or two, plain or complements, as heaps have them."""
    plain = [(1, False)]
    either = [(1, False), (1, True)]
    if kind is Kind.FIVE:
        yield from product(either, either, plain, plain)
    else:
        yield from product([*either, (2, False)], repeat=SIZES[kind])


CASES = [(kind, kinds) for kind in Kind for kinds in operands(kind)]


@pytest.mark.parametrize(("kind", "kinds"), CASES)
def test_each_cell_adds(kind: Kind, kinds: tuple[tuple[int, bool], ...]) -> None:
    """All inputs, either carry: what goes in is what comes out."""
    settings = _settings(kind, kinds)
    count = sum(wires for wires, _ in kinds)
    for wires in product((0, 1), repeat=count):
        at, values = 0, []
        for size, inverted in kinds:
            values.append(sum(wires[at : at + size]) % 2 ^ inverted)
            at += size
        for carry_in in (0, 1):
            outs, carry = [], carry_in
            for init, pins in settings:
                out, carry = half_output(
                    init, [1 if pin == ONE else wires[pin] for pin in pins], carry
                )
                outs.append(out)
            if kind is Kind.FEED:
                assert (outs, carry) == ([carry_in], values[0])
                continue
            made = sum(out << k for k, out in enumerate(outs)) + (carry << len(outs))
            assert made == sum(values) + carry_in


def test_table_of_a_half() -> None:
    """The cell as Yosys's model has it, for a table without any symmetry."""
    init = 0xB3C5
    for pins in product((0, 1), repeat=4):
        a, b, c, d = pins
        propagate = int(f"{init:016b}"[15 - (a + 2 * b + 4 * c + 8 * d)])
        generate = int(f"{init & 15:04b}"[3 - (a + 2 * b)])
        for carry in (0, 1):
            assert half_output(init, pins, carry) == (
                propagate ^ carry,
                (not propagate and generate) or (propagate and carry),
            )


def check_wiring(heap: Heap) -> None:
    """Weights are conserved at each level, and each dot is used once."""
    used: Counter[int] = Counter()
    born = {dot: 0 for dot, entry in enumerate(heap.dots) if entry.wires}
    for number, level in enumerate(heap.levels):
        made: list[int] = []
        for segment in level.segments:
            carry = None
            for operation in segment.operations:
                assert (operation.kind is Kind.FEED) == (carry is None)
                assert carry in (None, operation.weight)
                assert len(operation.takes) == SIZES[operation.kind]
                used.update(operation.takes)
                for dot in operation.takes:
                    assert heap.dots[dot].weight == operation.weight
                    assert born[dot] <= number
                weights = [heap.dots[dot].weight for dot in operation.gives]
                wanted = {Kind.FEED: 0, Kind.FULL: 1, Kind.HALF: 1, Kind.FIVE: 2}[operation.kind]
                assert weights == [operation.weight + k for k in range(wanted)]
                made += operation.gives
                carry = operation.weight + wanted
            assert heap.dots[segment.end].weight == carry
            made.append(segment.end)
        assert len(set(made)) == len(made)
        born |= dict.fromkeys(made, number + 1)
    for weight, last in enumerate(heap.result):
        if last is not None:
            assert heap.dots[last].weight == weight
            used[last] += 1
    assert set(born) == set(range(len(heap.dots)))
    assert used == Counter(range(len(heap.dots)))


def words(width: int, count: int) -> list[int]:
    dice = random.Random(width)
    full = (1 << width) - 1
    corners = [0, full, 1, 1 << (width - 1), full >> 1, int("55" * width, 16) & full]
    return [*corners, *(dice.getrandbits(width) for _ in range(count))]


def count_bits(heap: Heap, joined: list[Chain], word: int) -> int:
    return evaluate(heap, joined, [word >> k & 1 for k in range(wires_of(heap))])


@pytest.mark.parametrize("every", [0, 1, 2])
@pytest.mark.parametrize(
    "width", [*WIDTHS, *(pytest.param(n, marks=pytest.mark.slow) for n in (100, 255, 256, 512))]
)
def test_pairs(width: int, every: int) -> None:
    heap = pairs_heap(width, True)
    assert len(heap.levels) == adder_levels(width)
    check_wiring(heap)
    joined = chains(heap, every=every, most=12)
    full = (1 << width) - 1
    for word in words(2 * width, 12):
        assert count_bits(heap, joined, word) == (word >> width ^ word & full).bit_count()


@pytest.mark.parametrize("inverted", ["none", "half", "most"])
@pytest.mark.parametrize(
    "width", [*WIDTHS, *(pytest.param(n, marks=pytest.mark.slow) for n in (100, 255, 256, 512))]
)
def test_bits(width: int, inverted: str) -> None:
    full = (1 << width) - 1
    mask = {"none": 0, "half": int("96" * width, 16) & full, "most": full - 1}[inverted]
    heap = bits_heap(width, mask, True)
    check_wiring(heap)
    joined = chains(heap, every=0, most=16)
    for word in words(width, 12):
        assert count_bits(heap, joined, word) == (word ^ mask).bit_count()


@pytest.mark.parametrize("every", [0, 1, 2])
@pytest.mark.parametrize("most", [4, 10, 16])
def test_chains_are_short_and_begin_closed(most: int, every: int) -> None:
    heap = pairs_heap(40, True)
    longest = max(len(one.operations) for level in heap.levels for one in level.segments)
    for chain in chains(heap, every=every, most=most):
        assert len(chain.halves) <= 2 * max(most, 2 * longest + 1)
        for half in (chain.halves[0], chain.halves[-1]):
            assert blocks(half.init, half.pins)


def counted(heap: Heap, dots: list[int]) -> int:
    """Add the dots from outside by what the kinds of operations mean, whatever builds them."""
    values = dict(enumerate(dots))
    for level in heap.levels:
        for segment in level.segments:
            carry = 0
            for operation in segment.operations:
                total = carry + sum(values[dot] for dot in operation.takes)
                if operation.kind is not Kind.FEED:
                    (given,) = operation.gives
                    values[given] = total & 1
                    total >>= 1
                carry = total
            values[segment.end] = carry
    return sum(values[dot] << k for k, dot in enumerate(heap.result) if dot is not None)


def check_ice40(heap: Heap) -> None:
    """Its wiring, without fives, and its count of corners and of drawn dots."""
    check_wiring(heap)
    kinds = {o.kind for level in heap.levels for one in level.segments for o in one.operations}
    assert Kind.FIVE not in kinds
    weights = [dot.weight for dot in heap.dots if dot.wires]
    for word in words(len(weights), 6):
        dots = [word >> k & 1 for k in range(len(weights))]
        assert counted(heap, dots) == sum(
            dot << weight for dot, weight in zip(dots, weights, strict=True)
        )


def check_ice40_pairs(width: int) -> None:
    for registered in (False, True):
        groups, heap, offset = _pairs_heap(width, registered)
        assert sum(groups) == width
        assert len(heap.levels) + offset == adder_levels(width)
        # What counters give is worth as much as there are pairs; that of two pairs may be 3.
        outside = [dot for dot in heap.dots if dot.wires]
        assert sum(1 << dot.weight for dot in outside) == width + groups.count(2)
        check_ice40(heap)


def check_ice40_bits(width: int) -> None:
    for inverted in {0, width // 2, width}:
        thirds, left = divmod(inverted, 3)
        heap = _dots_heap(width - inverted + thirds + left, thirds, adder_levels(width))
        assert len(heap.levels) == adder_levels(width)
        check_ice40(heap)


# 240 pairs are more than the levels behind their counters can add.
@pytest.mark.parametrize("width", [1, *WIDTHS, 240])
def test_ice40_pairs(width: int) -> None:
    check_ice40_pairs(width)


@pytest.mark.parametrize("width", [1, *WIDTHS])
def test_ice40_bits(width: int) -> None:
    check_ice40_bits(width)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1, 512, 64))
def test_ice40_up_to_512(start: int) -> None:
    for width in range(start, start + 64):
        check_ice40_pairs(width)
        check_ice40_bits(width)


def test_dropped_carry_is_seen() -> None:
    """A segment of an iCE40 heap whose end is another's."""
    heap = _dots_heap(9, 4, adder_levels(17))
    check_ice40(heap)
    place, level = next(
        (k, level) for k, level in enumerate(heap.levels) if len(level.segments) > 1
    )
    first, second = level.segments[:2]
    segments = (replace(first, end=second.end), *level.segments[1:])
    levels = [*heap.levels[:place], replace(level, segments=segments), *heap.levels[place + 1 :]]
    with pytest.raises(AssertionError):
        check_wiring(Heap(heap.dots, levels, heap.result))
    weights = [dot.weight for dot in heap.dots if dot.wires]
    swapped = [heap.result[1], heap.result[0], *heap.result[2:]]
    assert any(
        counted(Heap(heap.dots, heap.levels, swapped), dots)
        != sum(dot << weight for dot, weight in zip(dots, weights, strict=True))
        for dots in ([word >> k & 1 for k in range(len(weights))] for word in words(13, 6))
    )


def test_flipped_table_is_seen() -> None:
    """One bit of one table, of each half of each chain."""
    heap = pairs_heap(13, True)
    joined = chains(heap, every=0, most=12)
    full = (1 << 13) - 1
    assert len(joined) > 2

    def wrong(twin: list[Chain]) -> bool:
        return any(
            count_bits(heap, twin, word) != (word >> 13 ^ word & full).bit_count()
            for word in words(26, 40)
        )

    for place, chain in enumerate(joined):
        for at, half in enumerate(chain.halves):
            # A feed counts by its first four entries, whatever else is connected; an adder may
            # have entries that no word comes to.
            feeds = half.init != END and blocks(half.init, half.pins)
            entries = 4 if feeds else 16

            def flipped(entry: int, chain=chain, at=at, half=half) -> list[Chain]:
                twin = replace(half, init=half.init ^ 1 << entry)
                return [Chain((*chain.halves[:at], twin, *chain.halves[at + 1 :]))]

            assert any(
                wrong([*joined[:place], *flipped(entry), *joined[place + 1 :]])
                for entry in range(entries)
            )


def test_swapped_wire_is_seen() -> None:
    """A dot that is read twice, and another never."""
    heap = bits_heap(13, 0, True)
    level = heap.levels[0]
    segment = level.segments[0]
    feed = segment.operations[0]
    other = level.segments[1].operations[0].takes
    twin_segment = replace(
        segment,
        operations=(Operation(feed.kind, feed.weight, other), *segment.operations[1:]),
    )
    twin = Heap(
        heap.dots,
        [replace(level, segments=(twin_segment, *level.segments[1:])), *heap.levels[1:]],
        heap.result,
    )
    with pytest.raises(AssertionError):
        check_wiring(twin)


def test_open_chain_is_refused() -> None:
    heap = bits_heap(3, 0, True)
    (chain,) = chains(heap, every=0, most=12)
    opened = Chain((replace(chain.halves[0], init=0x6996), *chain.halves[1:]))
    with pytest.raises(ValueError, match=r"^The first half of a chain must not let a carry in$"):
        evaluate(heap, [opened], [0, 1, 0])
