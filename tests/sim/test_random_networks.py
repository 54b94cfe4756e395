# amaranth: UnusedElaboratable=no
"""Random networks, foldings, images and stalls against the plain golden model."""

import gc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bnnhw.graph import Argmax, Dense, Graph, Input, Threshold
from bnnhw.graph.nodes import Node
from bnnhw.plan import Plan
from sim.interpreted import record_pysim
from sim.samples import check, planned

SIZE = st.integers(1, 12)
BIT = st.integers(0, 1)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Plan, np.ndarray, dict[str, int]]:
    """Draw a plan, two images and stalls."""
    sizes = draw(st.lists(SIZE, min_size=2, max_size=4))
    nodes: list[Node] = [Input("x", (), (sizes[0],))]
    folds = []
    for k, (columns, rows) in enumerate(zip(sizes, sizes[1:], strict=False)):
        weight = draw(st.binary(min_size=rows * columns, max_size=rows * columns))
        bits = (np.frombuffer(weight, np.uint8) & np.uint8(1)).reshape(rows, columns)
        nodes.append(Dense(f"fc{k}", (nodes[-1].name,), bits))
        folds.append((draw(st.integers(1, rows)), draw(st.integers(1, columns))))
        if k < len(sizes) - 2:
            # Beyond ±columns a channel is constant.
            reach = st.integers(-columns - 2, columns + 2)
            levels = draw(st.lists(reach, min_size=rows, max_size=rows))
            direction = draw(st.lists(st.sampled_from([-1, 1]), min_size=rows, max_size=rows))
            nodes.append(
                Threshold(
                    f"s{k}", (nodes[-1].name,), np.array(levels)[:, None], np.array(direction)
                )
            )
    offsets = draw(st.lists(st.integers(-9, 9), min_size=sizes[-1], max_size=sizes[-1]))
    logits = nodes[-1].name
    nodes.append(Argmax("best", (logits,), np.array(offsets)))
    graph = Graph("net", tuple(nodes), (logits, "best"))
    plan = planned(graph, folds, lanes=draw(st.none() | st.integers(1, sizes[0])))
    pixels = draw(st.lists(BIT, min_size=2 * sizes[0], max_size=2 * sizes[0]))
    percent = st.sampled_from([0, 30, 60, 90])
    stalls = {
        "stall_in": draw(percent), "stall_out": draw(percent), "seed": draw(st.integers(0, 999)),
    }  # fmt: skip
    return plan, np.array(pixels).reshape(2, sizes[0]), stalls


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let go of the simulators before the next test counts what lies about."""
    yield
    gc.collect()


RUN = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@settings(RUN, max_examples=60)
@given(cases())
def test_some_random_networks(case) -> None:
    plan, seen, stalls = case
    check(plan, record_pysim(plan, seen, **stalls), seen)


@pytest.mark.slow
@settings(RUN, max_examples=600)
@given(cases())
def test_many_random_networks(case) -> None:
    plan, seen, stalls = case
    check(plan, record_pysim(plan, seen, **stalls), seen)


@settings(RUN, max_examples=20)
@given(cases(), st.data())
def test_a_wrong_word_anywhere_is_caught(case, data) -> None:
    """A planted fault: one bit of one word on one edge, which the comparison must see."""
    plan, seen, stalls = case
    recording = record_pysim(plan, seen, **stalls)
    block = data.draw(st.sampled_from(plan.blocks))
    words = recording.words[block.name].copy()
    # Lane 0 is always that of a real element.
    words[data.draw(st.integers(0, len(words) - 1)), 0] ^= np.uint64(1)
    recording.words[block.name] = words
    with pytest.raises(AssertionError):
        check(plan, recording, seen)
