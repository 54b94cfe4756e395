# amaranth: UnusedElaboratable=no
"""PE array, threshold unit and MVTU against ±1 arithmetic, at every small folding."""

import itertools
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from bnnhw.fold import LayerFold
from bnnhw.graph import Dense
from bnnhw.plan.pack import threshold_words, weight_words
from rtl_gen.mvtu import Mvtu
from sim.bench import everywhere, exercise
from sim.streams import frame

SHAPES = [(1, 1), (1, 7), (5, 1), (2, 3), (4, 6), (5, 7), (3, 10)]


class Layer:
    """A random dense layer, computed in ±1 and in plain sight."""

    def __init__(
        self, rows: int, columns: int, seed: int, *, thresholds: bool = True, count: int = 4
    ) -> None:
        dice = np.random.default_rng(seed)
        self.rows, self.columns, self.thresholds = rows, columns, thresholds
        self.weight = dice.integers(0, 2, (rows, columns), np.uint8)
        self.direction = dice.choice([-1, 1], rows)
        self.vectors = dice.integers(0, 2, (count, columns))
        self.dots = (2 * self.vectors - 1) @ (2 * self.weight.astype(int) - 1).T
        # Most are just reached by one of the vectors, or just not: there a wrong count shows.
        near = self.dots[dice.integers(0, count, rows), range(rows)] + dice.integers(0, 2, rows)
        anywhere = dice.integers(-columns - 2, columns + 3, rows)
        self.level = np.where(dice.random(rows) < 0.75, near, anywhere)
        reached = np.where(self.direction > 0, self.dots >= self.level, self.dots <= self.level)
        self.bits = reached.astype(int)

    def unit(self, pe: int, simd: int, **changes) -> Mvtu:
        dense = Dense("fc", ("x",), self.weight)
        flip, words = np.zeros(self.rows, bool), None
        if self.thresholds:
            # The sum is 2 * matches - columns; a complemented row turns its sign.
            flip, columns = self.direction < 0, self.columns
            least = -(-(self.direction * self.level + columns) // 2)
            levels = np.clip(least, 0, columns + 1)[:, None]
            words = threshold_words(levels, columns, pe)
        arguments = {
            "weights": weight_words(dense, flip, pe, simd),
            "thresholds": words,
            "weight_style": LayerFold(pe, simd).weight_style(self.rows, self.columns),
        }
        return Mvtu(rows=self.rows, columns=self.columns, pe=pe, simd=simd, **(arguments | changes))

    def traffic(self, pe: int, simd: int):
        """Words in and words out."""
        if self.thresholds:
            answers = self.bits
        else:
            answers = (self.dots + self.columns) // 2
            # Lanes of absent rows hold weights of 0 and so count the activations that are 0.
            spare = -self.rows % pe
            zeros = (self.vectors == 0).sum(1, keepdims=True)
            answers = np.concatenate([answers, np.repeat(zeros, spare, 1)], 1)
        source = [word for vector in self.vectors for word in frame(vector.tolist(), simd)]
        sink = [word for answer in answers for word in frame(answer.tolist(), pe)]
        return {"i": source}, {"o": sink}


def foldings_of(rows: int, columns: int) -> Any:
    return itertools.product(range(1, rows + 1), range(1, columns + 1))


def foldings():
    for rows, columns in SHAPES:
        yield from ((rows, columns, pe, simd) for pe, simd in foldings_of(rows, columns))


@pytest.mark.parametrize("thresholds", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_folding(shape, thresholds: bool) -> None:
    """All PE and SIMD, also those that divide nothing; schedules, then stalls on all ports."""
    rows, columns = shape
    for turn, (pe, simd) in enumerate(foldings_of(rows, columns)):
        layer = Layer(rows, columns, pe * 100 + simd, thresholds=thresholds)
        unit = layer.unit(pe, simd)
        run = exercise(unit, *layer.traffic(pe, simd))
        assert run.latency == unit.latency, (pe, simd)
        assert run.period == unit.cycles, (pe, simd)
        short = Layer(rows, columns, turn, thresholds=thresholds, count=2)
        traffic = short.traffic(pe, simd)
        exercise(short.unit(pe, simd), *traffic, stalls=everywhere(turn), seed=turn)


@pytest.mark.parametrize("stalls", [25, 50, 75, "toggle", {"i": 95}, {"o": 95}, {"o": "patient"}])
def test_stalls(stalls) -> None:
    for seed, (rows, columns, pe, simd) in enumerate(list(foldings())[::5]):
        layer = Layer(rows, columns, seed)
        exercise(layer.unit(pe, simd), *layer.traffic(pe, simd), stalls=stalls, seed=seed)


def long(traffic: Any) -> Any:
    """Repeat frames until they are more than there is room for in the unit."""
    return [{name: words * 6 for name, words in way.items()} for way in traffic]


@pytest.mark.parametrize("stalls", [50, {"o": 90}, {"o": "patient"}, {"o": 50, "i": 25}])
def test_a_full_unit_loses_nothing(stalls: Any) -> None:
    for thresholds, pe, simd in [(True, 2, 3), (False, 2, 3), (True, 1, 2), (False, 4, 6)]:
        layer = Layer(4, 6, 1, thresholds=thresholds, count=24)
        exercise(layer.unit(pe, simd), *layer.traffic(pe, simd), stalls=stalls)
    for shape, pe, simd in [((2, 2, 3), 1, 3), ((5, 1, 9), 1, 3)]:
        grouped = Grouped(shape, pe, simd, kind="thresholds", bits=1, masked=True)
        exercise(grouped.unit(), *long(grouped.traffic()), stalls=stalls)


@pytest.mark.parametrize("after", range(1, 40))
def test_reset_in_the_middle(after: int) -> None:
    layer = Layer(4, 6, after)
    exercise(layer.unit(2, 2), *layer.traffic(2, 2), reset_after=after)


@pytest.mark.parametrize(
    ("rows", "columns", "pe", "simd"), [(4, 6, 2, 3), (3, 10, 3, 2), (5, 7, 5, 7), (1, 7, 1, 2)]
)
def test_every_flipped_weight_bit_that_matters_is_caught(
    rows: int, columns: int, pe: int, simd: int
) -> None:
    layer = Layer(rows, columns, 1, thresholds=False)
    good = layer.unit(pe, simd)
    for address, lane in itertools.product(range(good.cycles), range(pe * simd)):
        row = address // good.synapse_folds * pe + lane // simd
        column = address % good.synapse_folds * simd + lane % simd
        words = list(
            weight_words(Dense("fc", ("x",), layer.weight), np.zeros(rows, bool), pe, simd)
        )
        words[address] ^= 1 << lane
        unit = layer.unit(pe, simd, weights=words)
        if row < rows and column < columns:
            with pytest.raises(AssertionError):
                exercise(unit, *layer.traffic(pe, simd))


def test_thresholds_just_at_just_below_and_just_above() -> None:
    """A count of T fires, a count of T − 1 does not; a threshold off by one is caught."""
    columns = 6
    vectors = [[1] * ones + [0] * (columns - ones) for ones in range(columns + 1)]
    for level in range(columns + 2):
        source = [word for vector in vectors for word in frame(vector, 3)]
        sink = [word for ones in range(columns + 1) for word in frame([int(ones >= level)], 1)]
        weights = [7, 7]
        unit = Mvtu(rows=1, columns=columns, pe=1, simd=3, weights=weights, thresholds=[level])
        exercise(unit, {"i": source}, {"o": sink})
        if level <= columns:
            wrong = Mvtu(
                rows=1, columns=columns, pe=1, simd=3, weights=weights, thresholds=[level + 1]
            )
            with pytest.raises(AssertionError):
                exercise(wrong, {"i": source}, {"o": sink})


class Grouped:
    """Random matrices that take turns, one vector after the other, in plain sums."""

    POSITIONS, FRAMES = 2, 2

    def __init__(
        self, shape: tuple[int, int, int], pe: int, simd: int, *, kind: str, bits: int, masked: bool
    ) -> None:
        groups, rows, columns = shape
        dice = np.random.default_rng([*shape, pe, simd, bits, masked])
        self.shape, self.pe, self.simd, self.kind = shape, pe, simd, kind
        levels = {"levels": 3, "search": 7}.get(kind, 1)
        self.bits, self.masked = bits, masked
        top = (1 << bits) - 1
        count = groups * self.POSITIONS * self.FRAMES
        self.codes = dice.integers(0, top + 1, (count, columns))
        # A masked word is one of SIMD true zeros; what a mask is for divides the columns.
        self.holes = dice.integers(0, 2 if masked else 1, (count, -(-columns // simd)))
        self.codes *= 1 - self.holes.repeat(simd, 1)[:, :columns]
        self.weight = dice.integers(0, 2, (groups, rows, columns))
        turns = self.weight[np.arange(count) % groups]
        terms = np.where(turns == 1, self.codes[:, None], top - self.codes[:, None]) << masked
        hidden = self.holes.repeat(simd, 1)[:, None, :columns]
        self.sums = np.where(hidden == 1, top, terms).sum(2)
        self.largest = columns * top << masked
        self.numbers = dice.integers(0, self.largest + 2, (groups, rows, levels))
        # Half of them are just reached by one of the vectors: there a wrong sum shows.
        own = self.sums.reshape(-1, groups, rows)[dice.integers(0, count // groups)]
        near = dice.random(self.numbers.shape) < 0.5
        self.numbers = np.where(near, own[:, :, None], self.numbers)
        self.of_vector = self.numbers[np.arange(count) % groups]

    def unit(self, **changes: Any) -> Mvtu:
        groups, rows, columns = self.shape
        folds, synapses = -(-rows // self.pe), -(-columns // self.simd)
        weight = np.ones((groups, folds * self.pe, synapses * self.simd), int)
        weight[:, :, :columns] = 0
        weight[:, :rows, :columns] = self.weight
        cut = weight.reshape(groups, folds, self.pe, synapses, self.simd).swapaxes(2, 3)
        arguments: dict[str, Any] = {"weights": self._packed(cut, 1), "groups": groups}
        number_bits = (self.largest + 1).bit_length()
        levels = self.numbers.shape[2]
        numbers = np.full((groups, folds * self.pe, levels), self.largest + 1)
        numbers[:, :rows] = self.numbers
        if self.kind != "counts":
            words = self._packed(numbers.reshape(groups, folds, 1, -1), number_bits)
            arguments["offsets" if self.kind == "offsets" else "thresholds"] = words
        if levels > 1:
            arguments |= {"levels": levels, "search": self.kind == "search"}
        if self.kind == "offsets":
            arguments["bits_out"] = number_bits
        arguments |= {"vectors": groups * self.POSITIONS, "bits": self.bits, "masked": self.masked}
        return Mvtu(rows=rows, columns=columns, pe=self.pe, simd=self.simd, **arguments | changes)

    @staticmethod
    def _packed(numbers: np.ndarray, width: int) -> list[int]:
        flat = numbers.reshape(*numbers.shape[:3], -1).reshape(-1, numbers[0, 0, 0].size)
        return [sum(int(n) << k * width for k, n in enumerate(word)) for word in flat]

    def traffic(self) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
        """Words in and words out."""
        groups, rows, columns = self.shape
        answers = {
            "counts": self.sums,
            "offsets": (self.sums + self.of_vector[..., 0])
            % (1 << (self.largest + 1).bit_length()),
        }.get(self.kind, (self.sums[..., None] >= self.of_vector).sum(2))
        source, sink = [], []
        for number, (codes, holes) in enumerate(zip(self.codes, self.holes, strict=True)):
            for word, hole in zip(frame(codes.tolist(), self.simd), holes, strict=True):
                source.append(word | ({"masked": int(hole)} if self.masked else {}))
            words = frame(answers[number].tolist(), self.pe)
            ends = number % (groups * self.POSITIONS) == groups * self.POSITIONS - 1
            sink += [word | {"last": word["last"] & ends} for word in words]
        return {"i": source}, {"o": sink}


STALLS: list[Any] = [50, 90, "toggle", {"o": "patient"}, {"i": 90}]
GROUPS = {"many channels": (5, 1, 9), "two": (2, 2, 3), "three": (3, 3, 2), "one tap": (5, 1, 1)}


@pytest.mark.parametrize(
    ("kind", "bits", "masked"),
    [
        ("counts", 1, False),
        ("counts", 2, True),
        ("thresholds", 1, True),
        ("thresholds", 3, False),
        ("offsets", 1, False),
        ("offsets", 2, True),
        ("thresholds", 3, True),
        ("levels", 2, False),
        ("search", 1, True),
        ("search", 4, False),
    ],
)
@pytest.mark.parametrize("shape", GROUPS)
def test_groups(shape: str, kind: str, bits: int, masked: bool) -> None:
    """Grouped and depthwise: the matrices take turns without a bubble, also past a frame's end."""
    groups, rows, columns = GROUPS[shape]
    for turn, (pe, simd) in enumerate(foldings_of(rows, columns)):
        # Lanes of absent rows have thresholds that are never reached, but any count.
        if (masked and columns % simd) or (kind in ("counts", "offsets") and rows % pe):
            continue
        layer = Grouped(GROUPS[shape], pe, simd, kind=kind, bits=bits, masked=masked)
        unit = layer.unit()
        run = exercise(unit, *layer.traffic())
        assert run.latency == unit.latency, (pe, simd)
        assert run.period == unit.cycles * groups * layer.POSITIONS, (pe, simd)
        if (pe + simd + bits) % 2:
            exercise(layer.unit(), *layer.traffic(), stalls=STALLS[simd % 5], seed=simd)
        exercise(layer.unit(), *layer.traffic(), stalls=everywhere(turn + bits), seed=turn)


@pytest.mark.parametrize("after", [1, 4, 9, 17, 30])
def test_reset_between_groups(after: int) -> None:
    layer = Grouped((3, 2, 4), 1, 2, kind="thresholds", bits=2, masked=False)
    exercise(layer.unit(), *layer.traffic(), reset_after=after)


@pytest.mark.parametrize("name", ["weights", "thresholds"])
def test_groups_in_a_wrong_order_are_caught(name: str) -> None:
    layer = Grouped((3, 2, 4), 1, 2, kind="thresholds", bits=2, masked=False)
    words = getattr(layer.unit(), f"_{name}")
    turn = len(words) // 3
    broken = layer.unit(**{name: [*words[turn:], *words[:turn]]})
    with pytest.raises(AssertionError):
        exercise(broken, *layer.traffic())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 0}, r"^MVTU rows must be a positive integer, not 0$"),
        ({"columns": 2.5}, r"^MVTU columns must be a positive integer, not 2.5$"),
        ({"pe": 5}, r"^MVTU PE must be an integer from 1 to 4, not 5$"),
        ({"simd": 0}, r"^MVTU SIMD must be an integer from 1 to 6, not 0$"),
        ({"weights": [0]}, r"^MVTU must have 4 weight words, not 1$"),
        ({"thresholds": [0]}, r"^MVTU must have 2 threshold words, not 1$"),
        ({"groups": 0}, r"^MVTU groups must be a positive integer, not 0$"),
        ({"groups": 3, "vectors": 4}, r"^MVTU vectors must be a multiple of 3 groups, not 4$"),
        ({"groups": 2, "vectors": 2}, r"^MVTU must have 8 weight words, not 4$"),
        (
            {"groups": 2, "vectors": 2, "weights": [0] * 8},
            r"^MVTU must have 4 threshold words, not 2$",
        ),
    ],
)
def test_mvtu_parameters_wrong(changes, message: str) -> None:
    arguments = {
        "rows": 4,
        "columns": 6,
        "pe": 2,
        "simd": 3,
        "weights": [0] * 4,
        "thresholds": [0] * 2,
    }
    with pytest.raises(ValueError, match=message):
        Mvtu(**(arguments | changes))


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize(
    ("rows", "columns", "pe", "simd"), [(3, 9, 3, 9), (4, 16, 2, 8), (3, 7, 1, 7)]
)
def test_registers_between_levels(rows: int, columns: int, pe: int, simd: int, every: int) -> None:
    """More registers are more latency, room for more results, and the same rate."""
    layer = Layer(rows, columns, every)
    unit = layer.unit(pe, simd, every=every)
    run = exercise(unit, *layer.traffic(pe, simd))
    assert run.latency == unit.latency
    assert run.period == unit.cycles
    for stalls in (50, {"o": 95}, {"o": "patient"}, "toggle"):
        exercise(layer.unit(pe, simd, every=every), *layer.traffic(pe, simd), stalls=stalls)


def test_one_group_and_one_fold_leave_every_clock() -> None:
    """A vector a clock, with as many under way as there is room for."""
    layer = Layer(2, 8, 1)
    unit = layer.unit(2, 8, every=1)
    source, sink = layer.traffic(2, 8)
    run = exercise(unit, {"i": source["i"] * 10}, {"o": sink["o"] * 10})
    assert set(np.diff(run.moves["o"])) == {1}
    # The group, its way, matches, 3 levels, the sum, and the queue of two clocks.
    assert (unit.latency, unit.depth) == (9, 12)


def test_a_place_less_is_a_bubble_and_the_last_place_is_patience(monkeypatch) -> None:
    """With less room than the closed form says, results under way hold up the next vector."""

    def period(places: int) -> int:
        unit = Layer(1, 4, 1).unit(1, 4)
        monkeypatch.setattr(unit, "_room", (places, unit.latency))
        source, sink = Layer(1, 4, 1).traffic(1, 4)
        return exercise(unit, {"i": source["i"] * 10}, {"o": sink["o"] * 10}).period

    depth = Layer(1, 4, 1).unit(1, 4).depth
    assert [period(places) > 1 for places in (depth, depth - 1, depth - 2)] == [False, False, True]


@pytest.mark.parametrize(("pe", "simd"), [(2, 2), (4, 3), (4, 6), (1, 6)])
def test_no_ready_runs_back_through_the_array(pe: int, simd: int) -> None:
    """Within a clock `i.ready` does not move with `o.ready`, nor `o.valid` with `i.valid`."""
    unit = Layer(4, 6, 1).unit(pe, simd)
    seen = set()

    async def bench(ctx) -> None:
        dice = np.random.default_rng(1)
        for _ in range(200):
            ctx.set(unit.i.valid, int(dice.integers(2)))
            ways = []
            for ready in (0, 1):
                ctx.set(unit.o.ready, ready)
                await ctx.delay(1e-8)
                ways.append((ctx.get(unit.i.ready), ctx.get(unit.o.valid)))
            assert ways[0] == ways[1]
            seen.add(ways[0])
            ctx.set(unit.o.ready, int(dice.integers(4) == 0))
            await ctx.tick()

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert len(seen) >= 3
