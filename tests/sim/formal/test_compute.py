# amaranth: UnusedElaboratable=no
"""Blocks that compute give the right result for every frame, for all time; faulty ones do not."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from amaranth.hdl import Value

from rtl_gen.activation import Activation
from rtl_gen.affine import Affine
from rtl_gen.argmax import Argmax
from rtl_gen.batch import Accumulators
from rtl_gen.pool import MaxPool, SumPool
from rtl_gen.topk import TopK
from sim.formal.compute import Law, Words, compute
from sim.formal.units import affine, argmax, levels, pool, ranked

from .cases import Case, proofs, twins

POOL: dict[str, Any] = {
    "channels": 1,
    "bits": 1,
    "lanes": 1,
    "height": 2,
    "width": 2,
    "kernel": (2, 2),
    "stride": (2, 2),
}


def pooled(name: str, kind: Any, *, slow: bool = True, **geometry: Any) -> Case:
    make = partial(kind, **{**POOL, **geometry})
    dut = make()
    harmless = ("always last",) if dut.words_out == 1 else ()
    return Case(
        name, make, compute(pool(dut)), depth=2 * dut.cycles + 8, slow=slow, harmless=harmless
    )


def scored(name: str, classes: Sequence[tuple[int, int]], shift: int, k: int = 0) -> Case:
    """Let codes of two bits be scored by a factor and an offset for each class."""
    count = len(classes)
    given: dict[str, Any] = {"classes": count, "bits": 2, "shift": shift}
    given |= {
        "offsets": [offset for _, offset in classes],
        "multipliers": [factor for factor, _ in classes],
    }
    scores = [affine(factor, offset, shift=shift, top=None) for factor, offset in classes]
    law = Law(
        words_in=count,
        needs=[count] * k or range(1, count + 1),
        formula=ranked(scores, k) if k else argmax(scores),
        flight=2,
        silent=count + 4 if k else 4,
        deaf=count + 1 if k else 1,
        outputs=lambda payload: [payload.data, payload.index],
    )
    make = partial(TopK, k=k, **given) if k else partial(Argmax, **given)
    return Case(name, make, compute(law), depth=18, slow=shift > 0)


def word_by_word(
    count: int, result: Callable[[int, Value], Value], *, flight: int, silent: int
) -> Law:
    """Give the law of a block that gives a word for each word, and passes `last` on."""

    def formula(words: Words) -> list[list[Value]]:
        return [[result(k, word[0]), word[1]] for k, word in enumerate(words)]

    return Law(
        words_in=count,
        needs=range(1, count + 1),
        formula=formula,
        flight=flight,
        silent=silent,
        deaf=2,
        passes_last=True,
    )


# Two words of a pixel, the second one compared from above.
THRESHOLDS, FLIPS = [[1, 2, 3], [0, 3, 4]], [0, 1]


def activation(search: bool) -> Case:
    words = [sum(level << 3 * k for k, level in enumerate(row)) for row in THRESHOLDS]
    make = partial(
        Activation, lanes=1, bits=2, levels=3, thresholds=words, flips=FLIPS, search=search
    )

    def result(word: int, code: Value) -> Value:
        return levels(THRESHOLDS[word])(3 - code if FLIPS[word] else code)

    law = word_by_word(2, result, flight=4, silent=5)
    name = "activation-search" if search else "activation"
    return Case(name, make, compute(law), depth=16, last="result", slow=search)


def scaled(name: str, factors: list[int], offsets: list[int], *, clip: bool, shift: int) -> Case:
    make = partial(
        Affine,
        lanes=1,
        bits=2,
        multipliers=[factor & 7 for factor in factors],
        offsets=[offset & 15 for offset in offsets],
        multiplier_bits=3,
        offset_bits=4,
        shift=shift,
        levels_out=3 if clip else 8,
        clip=clip,
        bits_out=3,
    )

    def result(word: int, code: Value) -> Value:
        moved = affine(factors[word], offsets[word], shift=shift, top=2 if clip else None)
        return moved(code)[:3]

    law = word_by_word(len(factors), result, flight=4, silent=5)
    return Case(name, make, compute(law), depth=16, last="result", slow=clip)


def rounds(vectors: int) -> Case:
    """Add up two rounds, modulo the width."""
    make = partial(Accumulators, lanes=1, bits=2, vectors=vectors, folds=2, sum_bits=2)

    def formula(words: Words) -> list[list[Value]]:
        both = zip(words[:vectors], words[vectors:], strict=True)
        return [[(one[0] + other[0])[:2], other[1]] for one, other in both]

    law = Law(
        words_in=2 * vectors,
        needs=range(vectors + 1, 2 * vectors + 1),
        formula=formula,
        flight=1,
        silent=2 * vectors,
        deaf=0,
        passes_last=True,
    )
    name = f"accumulators-{vectors}"
    return Case(name, make, compute(law), depth=14, last="result", slow=vectors > 1)


KINDS = [
    pooled("max", MaxPool, slow=False),
    pooled("sum", SumPool, slow=False),
    activation(search=False),
    scaled("affine", [2], [1], clip=False, shift=0),
    scored("argmax", [(1, 1), (1, 0), (1, 2)], 0),
    scored("topk", [(1, 1), (1, 0), (1, 2)], 0, k=2),
    rounds(1),
]
MORE = [
    # Columns alone, overlapping; padding in front and behind, the latter takes time; a row that no
    # window reaches; two bits; two words a pixel.
    pooled("max-overlap", MaxPool, height=3, kernel=(2, 1), stride=(1, 1)),
    pooled("max-padded", MaxPool, padding=(1, 1, 0, 0), stride=(1, 1)),
    pooled("max-behind", MaxPool, padding=(0, 0, 1, 1)),
    pooled("max-unread", MaxPool, height=3),
    pooled("max-codes", MaxPool, bits=2),
    pooled("sum-folds", SumPool, channels=2, kernel=(2, 1), stride=(1, 1)),
    activation(search=True),
    scaled("affine-folds", [1, -2], [0, 5], clip=True, shift=1),
    scored("argmax-scaled", [(1, 0), (-2, 7), (3, -1)], 1),
    scored("topk-scaled", [(1, 0), (-2, 7), (3, -1)], 1, k=2),
    rounds(2),
]


@proofs([*KINDS, *MORE])
def test_holds_for_ever(case: Case) -> None:
    case.prove()


@proofs([*KINDS, *MORE])
def test_every_check_is_reached(case: Case) -> None:
    case.reach()


@twins(KINDS)
def test_broken_twin_is_refuted(case: Case, fault: str) -> None:
    case.refute(fault)
