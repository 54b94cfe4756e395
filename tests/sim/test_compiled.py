# amaranth: UnusedElaboratable=no
"""The compiled simulator on a small accelerator: every edge and clock, and planted faults.

What is expected is computed here, in ±1 arithmetic, from the arrays of the test.
"""

import re
from collections.abc import Callable

import numpy as np
import pytest

from bnnhw.errors import CheckFailed
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import Argmax, Dense, Graph, Input, Threshold
from bnnhw.plan import Plan, make_plan
from rtl_gen.accelerator import Accelerator
from rtl_gen.verilog import emit
from sim.compiled import CompiledAccelerator, Recording, compile_accelerator, pack_frames

# No lane count divides its layer, so that every block has a ragged last word.
SIZES = (11, 7, 5)
FOLDS = {"fc1": LayerFold(2, 4), "fc2": LayerFold(3, 2)}
DICE = np.random.default_rng(3)
W1, W2 = (DICE.integers(0, 2, (rows, columns), np.uint8) for rows, columns in ((7, 11), (5, 7)))
LEVEL = np.array([0, 1, -1, 3, -3, 12, -5])
DIRECTION = np.array([1, 1, 1, 1, -1, -1, 1], np.int8)
OFFSET = np.array([0, 3, -2, 1, 0])
IMAGES = DICE.integers(0, 2, (24, 11))

Words = list[tuple[tuple[int, ...], bool]]


def frames(codes: np.ndarray, lanes: int) -> Words:
    """Cut each row into words of `lanes` codes, zeros at the end, `last` with the last word."""
    found: Words = []
    for row in codes.tolist():
        parts = [row[at : at + lanes] for at in range(0, len(row), lanes)]
        parts[-1] += [0] * (lanes - len(parts[-1]))
        found += [(tuple(part), part is parts[-1]) for part in parts]
    return found


def expected() -> dict[str, Words]:
    """Give every word of every edge."""
    dots = (2 * IMAGES - 1) @ (2 * W1.astype(int) - 1).T
    hidden = np.where(DIRECTION > 0, dots >= LEVEL, dots <= LEVEL).astype(int)
    logits = (2 * hidden - 1) @ (2 * W2.astype(int) - 1).T
    counts = (logits + 7) // 2
    # Lanes of absent rows hold weights of 0 and count the activations that are 0.
    spare = np.concatenate([counts, (hidden == 0).sum(1, keepdims=True)], axis=1)
    answers: Words = []
    for scores, row in zip(logits + OFFSET, counts, strict=True):
        best = [int(np.argmax(scores[: k + 1])) for k in range(5)]
        answers += [((int(row[k]), best[k]), k == 4) for k in range(5)]
    return {
        "guard": frames(IMAGES, 3),
        "image_lanes": frames(IMAGES, 4),
        "fc1": frames(hidden, 2),
        "fc2": frames(spare, 3),
        "fc2_lanes": frames(counts, 1),
        "top": answers,
    }


FIELDS = {
    # Widths of the codes of a word.
    "guard": (1,) * 3,
    "image_lanes": (1,) * 4,
    "fc1": (1,) * 2,
    "fc2": (3,) * 3,
    "fc2_lanes": (3,),
    "top": (3, 3),
}


def decoded(recording: Recording) -> dict[str, Words]:
    found: dict[str, Words] = {}
    for name, words in recording.words.items():
        found[name] = []
        for (raw,) in words.tolist():
            codes = []
            for width in FIELDS[name]:
                codes.append(raw & ((1 << width) - 1))
                raw >>= width
            found[name].append((tuple(codes), bool(raw)))
    return found


@pytest.fixture(scope="module")
def plan() -> Plan:
    nodes = (
        Input("image", (), (11,)),
        Dense("fc1", ("image",), W1),
        Threshold("act1", ("fc1",), LEVEL[:, None], DIRECTION),
        Dense("fc2", ("act1",), W2),
        Argmax("top", ("fc2",), OFFSET),
    )
    graph = Graph("little", nodes, ("fc2", "top"))
    return make_plan(graph, Folding(FOLDS, 3))


@pytest.fixture(scope="module")
def text(plan: Plan) -> str:
    return emit(Accelerator(plan), name=plan.name, header={"identity": plan.identity})[0]


@pytest.fixture(scope="module")
def compiled(plan: Plan, text: str) -> CompiledAccelerator:
    return compile_accelerator(plan, text)


@pytest.mark.parametrize(("stall_in", "stall_out"), [(0, 0), (60, 0), (0, 60), (50, 50), (95, 95)])
def test_every_edge(compiled: CompiledAccelerator, stall_in: int, stall_out: int) -> None:
    for seed in range(3):
        recording = compiled.run(IMAGES, stall_in=stall_in, stall_out=stall_out, seed=seed)
        assert decoded(recording) == expected()


def test_clocks_are_those_of_the_plan(plan: Plan, compiled: CompiledAccelerator) -> None:
    """Without stalls an answer ends every `plan.cycles` clocks, from the first to the last."""
    assert plan.cycles == 12
    recording = compiled.run(IMAGES)
    assert set(np.diff(recording.ends).tolist()) == {plan.cycles}
    assert recording.clocks == recording.ends[-1] + 1
    assert len(recording.ends) == len(IMAGES)


def test_one_image_and_progress(compiled: CompiledAccelerator) -> None:
    told: list[int] = []
    recording = compiled.run(IMAGES[:1], progress=told.append)
    assert told == [1] and len(recording.ends) == 1
    assert decoded(recording)["top"] == expected()["top"][:5]


def test_frames_are_packed_over_64_bits() -> None:
    codes = np.arange(75)[None] % 4
    words = pack_frames(codes, 40, 2)
    assert words.shape == (2, 2)
    whole = [int(low) | int(high) << 64 for low, high in words.tolist()]
    assert whole[0] == sum(int(code) << (2 * k) for k, code in enumerate(codes[0, :40]))
    assert whole[1] == sum(int(code) << (2 * k) for k, code in enumerate(codes[0, 40:]))


# Planted faults


def in_module(text: str, module: str, change: Callable[[str], str]) -> str:
    """Change the text of one module, and see to it that it did change."""
    whole = re.search(rf"^module {module} ?\(.*?^endmodule\n", text, re.DOTALL | re.MULTILINE)
    assert whole is not None, f"there is no module {module}"
    changed = change(whole[0])
    assert changed != whole[0]
    return text[: whole.start()] + changed + text[whole.end() :]


def flip(address: int, bit: int) -> Callable[[str], str]:
    """Flip one bit of a memory's contents."""

    def change(module: str) -> str:
        entry = re.compile(rf"(memory\[{address}\] = \d+'h)([0-9a-f]+);")
        return entry.sub(lambda m: f"{m[1]}{int(m[2], 16) ^ (1 << bit):x};", module)

    return change


def differing(plan: Plan, text: str) -> set[str]:
    """Name the edges on which words differ."""
    found = decoded(compile_accelerator(plan, text).run(IMAGES))
    return {name for name, words in expected().items() if found[name] != words}


def test_flipped_weight_bit_is_caught(plan: Plan, text: str) -> None:
    # Address 4 is fold 1, word 1: rows 2 and 3, columns 4 to 7. Bit 1 is row 2, column 5.
    broken = in_module(text, "little_core_fc1_weights", flip(4, 1))
    assert "fc1" in (found := differing(plan, broken))
    assert not found & {"guard", "image_lanes"}


def test_changed_threshold_is_caught(plan: Plan, text: str) -> None:
    # Word 1 is that of rows 2 and 3; its lowest bit is that of the number row 2's sum begins with.
    broken = in_module(text, "little_core_fc1_starts", flip(1, 0))
    assert "fc1" in (found := differing(plan, broken))
    assert not found & {"guard", "image_lanes"}


def test_held_ready_is_caught(plan: Plan, text: str) -> None:
    """The first layer never has room for a result, so that it never takes a last word."""

    def hold(module: str) -> str:
        module = module.replace("wire room_free;", "wire room_free = 1'h0;")
        return module.replace(".some(room_free)", ".some()")

    broken = compile_accelerator(plan, in_module(text, "little_core_fc1_room", hold))
    with pytest.raises(
        CheckFailed,
        match=r"^The simulated accelerator 'little' stopped with status 3: "
        r"nothing moved for \d+ clocks; 0 of 24 frames were answered\.\n",
    ):
        broken.run(IMAGES)


def test_dropped_last_is_caught(plan: Plan, text: str) -> None:
    """The answer's `last` is never sent, so that no frame ever ends."""

    def drop(module: str) -> str:
        return re.sub(r"(assign o_last = ).*?;", r"\g<1>1'h0;", module)

    broken = compile_accelerator(plan, in_module(text, "little", drop))
    with pytest.raises(CheckFailed, match=r" stopped with status 3: .* 0 of 24 frames were"):
        broken.run(IMAGES)
