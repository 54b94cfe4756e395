"""Designs under abuse: frames good and bad for each, and the words that must leave for them."""

import dataclasses
import random
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from amaranth.lib import wiring

from bnnhw import golden
from bnnhw.fold.memory import BLOCK_FOLDS
from bnnhw.graph import Argmax
from bnnhw.plan import Plan, TopKPlan
from bnnhw.plan.writable import image
from rtl_gen.accelerator import Accelerator
from rtl_gen.array import PEArray
from rtl_gen.batch import BatchedArray
from rtl_gen.mvtu import Mvtu

from .abuse import Design, Offer
from .interpreted import idle_limit, input_words

__all__ = ["Abused", "AbusedArray", "AbusedNetwork", "Frame", "array_kinds"]

_IMAGES = 100


class Frame:
    """Words for each input, and those that must leave.

    Parameters
    ----------
    words : dict of str to list of int
    answer : list of int
    """

    def __init__(self, words: dict[str, list[int]], answer: list[int]) -> None:
        self.words, self.answer = words, answer

    def offers(self, gap: int = 0) -> dict[str, list[Offer]]:
        """Give what sources offer, with clocks of silence before the first word of each."""
        return {
            name: [(word, 0 if number else gap) for number, word in enumerate(words)]
            for name, words in self.words.items()
        }


class Abused(Protocol):
    """A design that knows what must leave.

    Parameters
    ----------
    design : Design
    mask : int
        Bits of an answer's word that have a meaning.
    """

    design: Design
    mask: int

    def good(self, dice: random.Random) -> Frame:
        """Make a frame as its producer should send it."""
        ...

    def bad(self, dice: random.Random) -> Frame:
        """Make a frame that breaks the framing."""
        ...

    def start(self) -> Frame | None:
        """Give what must be sent once, before any frame."""
        ...


class AbusedNetwork:
    """A whole accelerator: whatever arrives, each `last` yields one answer.

    Short frames are filled up with 0, surplus words are dropped; answers come from the golden
    model, of the frame as it then is.

    Parameters
    ----------
    plan : Plan
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.design = Design(plan.name, lambda: Accelerator(plan), idle=idle_limit(plan))
        self.mask = -1
        first = plan.blocks[0]
        self._lanes, self._bits = first.lanes_in, first.bits_in
        node = plan.graph.input
        # Codes, not pixels: what a broken frame is filled up with need not be an image's.
        plain = dataclasses.replace(node, lut=None, image_channels=None)
        nodes = tuple(plain if one is node else one for one in plan.graph.nodes)
        self._graph = dataclasses.replace(plan.graph, nodes=nodes)
        self._known: dict[bytes, list[int]] = {}

    def start(self) -> Frame | None:
        """Give the upload of weights that are no part of the build."""
        if not self.plan.writable:
            return None
        data = image(self.plan)
        chunks = [int.from_bytes(data[k : k + 2], "little") for k in range(0, len(data), 2)]
        chunks[-1] |= 1 << 16
        return Frame({"i_load": chunks}, [])

    def good(self, dice: random.Random) -> Frame:
        """Make a random image."""
        return self._framed(self._codes(dice), None, 0, dice)

    def bad(self, dice: random.Random) -> Frame:
        """Make an image that ends after any of its words, or late, by up to a frame and a half."""
        whole = self.plan.blocks[0].words_in
        if dice.random() < 0.5 and whole > 1:
            return self._framed(self._codes(dice), dice.randrange(1, whole), 0, dice)
        return self._framed(
            self._codes(dice), None, 1 + dice.randrange(whole + whole // 2 + 1), dice
        )

    def _codes(self, dice: random.Random) -> np.ndarray:
        """Draw one of a few images, so that the golden model is not what takes the time."""
        node, dice = self.plan.graph.input, random.Random(dice.randrange(_IMAGES))
        codes = [dice.randrange(node.grid.levels) for _ in range(int(np.prod(node.shape)))]
        return np.array(codes, np.int64)

    def _framed(
        self, stream: np.ndarray, keep: int | None, surplus: int, dice: random.Random
    ) -> Frame:
        """Cut codes in stream order to `keep` words, or put `surplus` words behind them."""
        words = input_words(self.plan, stream[None])[:keep]
        if keep is not None:
            stream = np.where(np.arange(len(stream)) < keep * self._lanes, stream, 0)
        words += [dice.getrandbits(self._lanes * self._bits) for _ in range(surplus)]
        words[-1] |= 1 << self._lanes * self._bits
        return Frame({"i": words}, self._answer(stream))

    def _answer(self, stream: np.ndarray) -> list[int]:
        key = stream.tobytes()
        if key not in self._known:
            node = self.plan.graph.input
            shape = node.shape
            if self.plan.order == "hwc" and len(shape) == 3:
                codes = np.moveaxis(stream.reshape(*shape[1:], shape[0]), -1, 0)
            else:
                codes = stream.reshape(shape)
            self._known[key] = self._words(codes[None])
        return self._known[key]

    def _words(self, codes: np.ndarray) -> list[int]:
        trace = golden.run(self._graph, codes, path="plain", trace=True)
        node, block, grid = self.plan.graph.argmax, self.plan.answer, self.plan.logits_grid
        values = [int(value) for value in np.asarray(trace.logits)[0]]
        scale = [1] * len(values)
        offset = [0] * len(values)
        if node is not None:
            scale = np.broadcast_to(node.scale, len(values)).tolist()
            offset = np.broadcast_to(node.offset, len(values)).tolist()
        scores = [s * v + o for s, v, o in zip(scale, values, offset, strict=True)]
        if isinstance(block, TopKPlan):
            order = sorted(range(len(values)), key=lambda k: (-scores[k], k))
            shown = [(k, k) for k in order[: block.elements_out]]
        else:
            assert node is None or isinstance(node, Argmax)
            best = [max(range(k + 1), key=lambda c: (scores[c], -c)) for k in range(len(values))]
            shown = list(enumerate(best))
        found = []
        for number, (which, index) in enumerate(shown):
            code = (values[which] - grid.low) // grid.step
            last = number == len(shown) - 1
            top = block.bits_out + block.index_bits
            found.append(code | index << block.bits_out | last << top)
        return found


class AbusedArray:
    """A matrix-vector unit, which counts words: a `last` in the wrong place changes no number.

    What a producer leaves out is missing until reset, as `last` starts no vector.

    Parameters
    ----------
    kind : str
        One of `array_kinds`.
    rows, columns, pe, simd, vectors : int
    """

    def __init__(
        self, kind: str, *, rows: int, columns: int, pe: int, simd: int, vectors: int = 1
    ) -> None:
        self._kind, self._rows, self._columns = kind, rows, columns
        self._pe, self._simd, self._vectors = pe, simd, vectors
        dice = random.Random(columns)
        self._matrix = self._drawn(dice)
        self._levels = [dice.randrange(columns + 2) for _ in range(rows)]
        self._count_bits = columns.bit_length()
        self._bits = 1 if kind == "stored" else self._count_bits
        # A count in the lane of an absent row means nothing.
        self._spare = -rows % pe
        self.mask = -1
        self.design = Design(f"array_{kind}", self._component())

    def start(self) -> Frame | None:
        """Need nothing."""
        return None

    def _drawn(self, dice: random.Random) -> list[int]:
        return [dice.getrandbits(self._columns) for _ in range(self._rows)]

    def _component(self) -> Callable[[], wiring.Component]:
        rows, columns, pe, simd = self._rows, self._columns, self._pe, self._simd
        if self._kind == "bare":
            return lambda: PEArray(pe=pe, simd=simd, folds=columns // simd)
        if self._kind == "batched":
            return lambda: BatchedArray(
                rows=rows, columns=columns, pe=pe, simd=simd, vectors=self._vectors, every=1
            )
        bits = (columns + 1).bit_length()
        # No count reaches the threshold of an absent row.
        padded = self._levels + [columns + 1] * self._spare
        levels = [
            sum(level << p * bits for p, level in enumerate(padded[n : n + pe]))
            for n in range(0, rows, pe)
        ]
        style = "block" if len(self._weights(self._matrix)) >= BLOCK_FOLDS else "lut"
        return lambda: Mvtu(
            rows=rows, columns=columns, pe=pe, simd=simd, weights=self._weights(self._matrix),
            thresholds=levels, weight_style=style,
        )  # fmt: skip

    def _weights(self, matrix: Sequence[int]) -> list[int]:
        """Pack rows: lanes past the last column, and rows past the last one, are 1."""
        folds = -(-self._columns // self._simd)
        ones = (1 << folds * self._simd) - (1 << self._columns)
        rows = [row | ones for row in matrix] + [(1 << folds * self._simd) - 1] * self._spare
        lane = (1 << self._simd) - 1
        return [
            sum((rows[n + p] >> s * self._simd & lane) << p * self._simd for p in range(self._pe))
            for n in range(0, len(rows), self._pe)
            for s in range(folds)
        ]

    def good(self, dice: random.Random) -> Frame:
        """Make vectors, and weights where they are streamed in."""
        return self._made(dice, astray=False)

    def bad(self, dice: random.Random) -> Frame:
        """Put `last` anywhere, or nowhere."""
        return self._made(dice, astray=True)

    def _made(self, dice: random.Random, *, astray: bool) -> Frame:
        matrix = self._matrix if self._kind == "stored" else self._drawn(dice)
        vectors = [dice.getrandbits(self._columns) for _ in range(self._vectors)]
        lane, folds = (1 << self._simd) - 1, -(-self._columns // self._simd)
        words = [bits >> s * self._simd & lane for bits in vectors for s in range(folds)]
        ends = [k == len(words) - 1 for k in range(len(words))]
        if astray:
            ends = [dice.random() < 0.4 for _ in words]
        sent = [word | end << self._simd for word, end in zip(words, ends, strict=True)]
        if self._kind == "stored":
            return Frame({"i": sent}, self._answer(matrix, vectors, True))
        names = ("i_activation", "i_weight") if self._kind == "bare" else ("i", "i_weight")
        copied = ends[-1] if self._kind == "bare" else True
        answer = self._answer(matrix, vectors, copied)
        return Frame({names[0]: sent, names[1]: self._weights(matrix)}, answer)

    def _answer(self, matrix: list[int], vectors: list[int], ends: bool) -> list[int]:
        found = []
        for start in range(0, self._rows, self._pe):
            part = range(start, min(start + self._pe, self._rows))
            for number, bits in enumerate(vectors):
                counts = [self._columns - (bits ^ matrix[row]).bit_count() for row in part]
                if self._kind == "stored":
                    pairs = zip(counts, part, strict=True)
                    counts = [int(count >= self._levels[row]) for count, row in pairs]
                final = start + self._pe >= self._rows and number == len(vectors) - 1
                word = sum(code << p * self._bits for p, code in enumerate(counts))
                found.append(word | (final and ends) << self._pe * self._bits)
        return found


def array_kinds() -> dict[str, AbusedArray]:
    """Make one of each kind: streamed weights, a batch that shares them, and stored weights."""
    return {
        "bare": AbusedArray("bare", rows=3, columns=20, pe=3, simd=5),
        "batched": AbusedArray("batched", rows=6, columns=12, pe=3, simd=4, vectors=3),
        "stored": AbusedArray("stored", rows=7, columns=23, pe=2, simd=6),
    }
