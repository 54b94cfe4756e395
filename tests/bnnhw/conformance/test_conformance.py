# amaranth: UnusedElaboratable=no
"""What every board must do, real or not, through the driver and its twin for asyncio.

BNNHW_BOARD names a real one (``serial:///dev/ttyUSB1``), BNNHW_MANIFEST and BNNHW_MODEL its build.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bnnhw
import bnnhw.aio
from bnnhw import golden
from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import Dense, Graph, save_graph
from bnnhw.link import WeightsMissing, WrongDesign, spi
from bnnhw.load import load_model
from bnnhw.plan import make_plan, manifest
from sim.board import SimulatedBoard
from sim.samples import network
from sim.slow_board import InterpretedBoard
from sim.spi_board import SpiBoard

KINDS = [
    "golden",
    pytest.param("pysim", marks=pytest.mark.slow),
    pytest.param("verilator", marks=pytest.mark.slow),
    pytest.param("spi", marks=pytest.mark.slow),
    *(["real"] if "BNNHW_BOARD" in os.environ else []),
]
CLOCK, BAUD = 4_000_000, 1_000_000
PATIENCE = 10.0


@dataclass(frozen=True)
class Place:
    """A board: where it is, what it computes, and other weights for it, if it takes some."""

    kind: str
    url: str
    manifest: Any
    graph: Graph
    model: Any
    other: Graph | None = None

    def open(self, **changes: Any) -> Any:
        options = {"manifest": self.manifest, "timeout": PATIENCE, **changes}
        if self.url.startswith("model:"):
            options["model"] = self.graph
        return bnnhw.open(self.url, **options)

    def images(self, count: int) -> np.ndarray:
        node = self.graph.input
        top = 256 if node.lut is not None else node.grid.levels
        return np.random.default_rng(count).integers(0, top, (count, *node.image_shape))


def flipped(graph: Graph) -> Graph:
    """Give the same network with a few other weights."""
    nodes = tuple(
        replace(node, weight=node.weight ^ np.eye(*node.weight.shape, dtype=np.uint8))
        if isinstance(node, Dense)
        else node
        for node in graph.nodes
    )
    return Graph(graph.name, nodes, graph.outputs)


@pytest.fixture(scope="module", params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Place]:
    """Keep one board for the whole file, as a real one keeps its power."""
    kind = request.param
    if kind == "real":
        graph = load_model(Path(os.environ["BNNHW_MODEL"]))
        given = Path(os.environ["BNNHW_MANIFEST"])
        yield Place(kind, os.environ["BNNHW_BOARD"], given, graph, graph)
        return
    graph = network([24, 8, 5], 7)
    folds = {"fc0": LayerFold(2, 4, weights="ram"), "fc1": LayerFold(1, 4, weights="ram")}
    plan = make_plan(graph, Folding(folds))
    model = tmp_path_factory.mktemp("model") / "net.json"
    save_graph(graph, model)
    told = manifest(plan)
    if kind == "golden":
        yield Place(kind, "model:", told, graph, model, flipped(graph))
        return
    if kind == "spi":
        wired = SpiBoard(plan, clock_hz=CLOCK, benchmark=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "spidev", wired.module)
            # Every byte is a few hundred steps of a slow simulator.
            patch.setattr(spi, "_ASK", bytes(20))
            yield Place(kind, f"spi://{SpiBoard.path}", told, graph, model, flipped(graph))
        return
    board = SimulatedBoard if kind == "verilator" else InterpretedBoard
    with board(plan, clock_hz=CLOCK, baud=BAUD, benchmark=True) as simulated:
        yield Place(kind, simulated.url, told, graph, model, flipped(graph))


def hold(answers: Any, graph: Graph, images: np.ndarray) -> None:
    wanted = golden.run(graph, images, path="plain")
    assert wanted.classes is not None
    logits = wanted.logits
    if wanted.top is not None:
        logits = np.take_along_axis(logits, wanted.top, 1)
    assert np.array_equal(answers.logits, logits)
    assert np.array_equal(answers.classes, wanted.classes)


def test_info(place: Place) -> None:
    with place.open() as device:
        assert device.info.classes == len(golden.run(place.graph, place.images(1)).logits[0])
        assert device.info.identity == device.hello().identity
        assert 1 <= device.info.credits <= 64 and device.info.clock_hz > 0


@pytest.mark.parametrize("count", [1, 13])
def test_predict(place: Place, count: int) -> None:
    images = place.images(count)
    with place.open() as device:
        hold(device.predict(images), place.graph, images)
        hold(device.predict(images.reshape(count, -1)), place.graph, images)


@pytest.mark.parametrize("inflight", [1, 8])
def test_predict_iter(place: Place, inflight: int) -> None:
    images, asked = place.images(11), [0]

    def source() -> Iterator[np.ndarray]:
        for image in images:
            asked[0] += 1
            yield image

    with place.open() as device:
        wanted = device.predict(images)
        answers = device.predict_iter(source(), inflight=inflight)
        for k, answer in enumerate(answers):
            assert asked[0] <= k + inflight
            assert np.array_equal(answer.logits, wanted.logits[k])
            assert answer.index == wanted.classes[k]
        assert k == len(images) - 1
        assert list(device.predict_iter([])) == []


def test_answers_that_nobody_waits_for(place: Place) -> None:
    images = place.images(9)
    with place.open() as device:
        for _ in zip(range(2), device.predict_iter(images), strict=False):
            pass
        hold(device.predict(images), place.graph, images)


def test_counters(place: Place) -> None:
    with place.open() as device:
        before = device.counters()
        device.predict(place.images(3))
        after = device.counters()
    assert after.answered == before.answered + 3
    assert (after.board_queued, after.damaged, after.timeouts) == (0, 0, 0)
    assert after.board_bad_frames == before.board_bad_frames


def test_self_test(place: Place) -> None:
    with place.open() as device:
        checks = device.self_test(place.model)
        assert {check.name for check in checks} >= {"hello", "damage", "refusal", "repeat"}
        assert [check for check in checks if not check.passed] == []
        if place.other is not None:
            wrong = device.self_test(place.other)
            assert [check.name for check in wrong if not check.passed] == ["golden"]


def test_benchmark(place: Place) -> None:
    with place.open() as device:
        if not device.info.benchmark:
            with pytest.raises(UsageError, match="has no benchmark on the chip"):
                device.benchmark()
            return
        cycles = device._manifest["cycles_per_image"]
        found = device.benchmark(place.images(1)[0], images=20)
        each = max(cycles, 2 * device.info.frame_bytes)
        assert found.clocks == found.clocks_first + 19 * each
        assert found.cycles_per_image == each and found.fps == device.info.clock_hz / each
        for wrong in (1, 65536, -1, True, 2.0):
            with pytest.raises(UsageError, match=r"^images must be 0 or "):
                device.benchmark(images=wrong)
        images = place.images(3)
        hold(device.predict(images), place.graph, images)


def test_load_weights(place: Place) -> None:
    if place.other is None:
        pytest.skip("a real board's weights stay as they are")
    images = place.images(5)
    with place.open() as device:
        first = device.load_weights(place.other)
        hold(device.predict(images), place.other, images)
    with place.open() as device:
        if place.kind != "golden":
            # The board keeps them; whoever comes now expects the manifest's.
            with pytest.raises(WeightsMissing, match="holds other weights"):
                device.predict(images)
        assert device.load_weights(place.model) != first
        hold(device.predict(images), place.graph, images)


def test_wrong_identity(place: Place) -> None:
    if place.kind == "golden":
        with pytest.raises(UsageError, match="of another network"):
            place.open(manifest={**place.manifest, "graph": "0" * 64})
        return
    with place.open() as device:
        told = {**device._manifest, "identity": "ab" * 32}
    with pytest.raises(WrongDesign, match="the manifest describes abababab"):
        place.open(manifest=told)


def test_images_wrong(place: Place) -> None:
    with place.open() as device:
        for wrong in (np.zeros((1, 3, 1, 7), int), place.images(1) + 0.5, place.images(1) - 300):
            with pytest.raises(UsageError):
                device.predict(wrong)
            with pytest.raises(UsageError):
                list(device.predict_iter(wrong))
        with pytest.raises(UsageError, match=r"^inflight must be a positive integer, not 0"):
            device.predict_iter([], inflight=0)


def test_asyncio(place: Place) -> None:
    """The twin does the same, from several tasks at once, and its errors are the same."""
    images = place.images(7)

    async def talk() -> None:
        options: dict[str, Any] = {"model": place.graph} if place.kind == "golden" else {}
        reach = bnnhw.aio.open(place.url, manifest=place.manifest, timeout=PATIENCE, **options)
        async with await reach as device:
            both = await asyncio.gather(device.predict(images), device.predict(images[::-1]))
            hold(both[0], place.graph, images)
            hold(both[1], place.graph, images[::-1])
            one = [answer.index async for answer in device.predict_iter(images, inflight=3)]
            assert one == both[0].classes.tolist()
            assert (await device.counters()).answered >= 21
            assert (await device.hello()).identity == device.info.identity
            made = [check for check in await device.self_test() if check.name != "golden"]
            assert made and all(check.passed for check in made)
            with pytest.raises(UsageError):
                await device.predict(images + 0.5)
            if place.other is not None:
                await device.load_weights(place.other)
                await device.load_weights(place.model)
            if device.info.benchmark:
                assert (await device.benchmark(images=3)).images == 3

    asyncio.run(talk())
