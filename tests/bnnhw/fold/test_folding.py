"""Foldings by hand: the TOML file, what is refused and how, and the two extremes."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from bnnhw.cost import estimate
from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold, full, load_folding, serial
from bnnhw.fold.layers import layers_of
from bnnhw.graph import BIPOLAR, Argmax, Conv, Flatten, Graph, Input, IntDense

MakeNetwork = Callable[[Sequence[int]], Graph]
TODO = (
    "Write [layer.NAME] tables with pe = …, simd = … and optionally "
    "weights = one of auto, lut, block, ram, spram, unrolled."
)


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "fold.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_reads_what_is_documented(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        input_lanes = 8
        [layer.fc1]
        pe = 4
        simd = 16
        [layer.fc2]
        pe = 1
        simd = 3
        weights = "block"
        """,
    )
    layers = {"fc1": LayerFold(4, 16, "auto"), "fc2": LayerFold(1, 3, "block")}
    assert load_folding(path) == Folding(layers, 8)


def test_lanes_of_nodes_without_weights(tmp_path: Path) -> None:
    folding = load_folding(written(tmp_path, "[layer.a]\npe = 1\nsimd = 1\n[lanes]\npool = 4\n"))
    assert folding.lanes == {"pool": 4}
    with pytest.raises(UsageError, match=r"lanes is no table\."):
        load_folding(written(tmp_path, "lanes = 3\n[layer.a]\npe = 1\nsimd = 1\n"))


def test_lanes_wrong(network: MakeNetwork) -> None:
    graph = network([6, 4, 3])
    with pytest.raises(UsageError, match=r"^The folding gives lanes to 'fc1', which is no pool, "):
        Folding(GOOD, None, {"fc1": 2}).check(graph)
    with pytest.raises(UsageError, match=r"^Node 'act1': lanes = 5 does not fit its 4 channels\."):
        Folding(GOOD, None, {"act1": 5}).check(graph)


def test_input_lanes_may_be_left_out(tmp_path: Path) -> None:
    folding = load_folding(written(tmp_path, "[layer.a]\npe = 1\nsimd = 1\n"))
    assert folding == Folding({"a": LayerFold(1, 1)}, None)


_TABLE = (
    r": table \[layer\.a\] does not hold pe and simd "
    r"\(and hold, multiplier, pipeline, replay, weights\) alone\."
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[layer.a", r" is no TOML: .+"),
        (b"\xff\xfe", r" is no TOML: .+"),
        ("", r" has no table \[layer\.NAME\]\."),
        ("layer = 3", r" has no table \[layer\.NAME\]\."),
        ("[layer]", r" has no table \[layer\.NAME\]\."),
        ("pe = 1\nsimd = 2", r" holds 'pe', 'simd', which a folding does not know\."),
        (
            "[layer.a]\npe = 1",
            _TABLE,
        ),
        (
            "[layer.a]\npe = 1\nsimd = 1\nwidth = 4",
            _TABLE,
        ),
        (
            "[layer]\na = 5",
            _TABLE,
        ),
        (
            '[layer."a\\u001bb"]\npe = 5',
            r": table \[layer\.a\\x1bb\] does not hold pe and simd (.*)alone\.",
        ),
    ],
)
def test_file_wrong(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UsageError) as caught:
        load_folding(path)
    assert re.fullmatch(re.escape(f"'{path}'") + message, caught.value.what)
    assert caught.value.todo == TODO


def test_file_absent(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^'.*absent\.toml' does not exist\.\nCheck the path\.$"):
        load_folding(tmp_path / "absent.toml")


def test_file_too_large(tmp_path: Path) -> None:
    path = written(tmp_path, "#" * ((1 << 20) + 1))
    with pytest.raises(UsageError, match=r"has 1048577 bytes; 1048576 are the limit\.\n"):
        load_folding(path)


GOOD = {"fc1": LayerFold(2, 3), "fc2": LayerFold(1, 1)}


def test_check_accepts_what_suits(network: MakeNetwork) -> None:
    graph = network([6, 4, 3])
    for folding in (
        Folding(GOOD),
        Folding({"fc1": LayerFold(3, 5, "lut"), "fc2": LayerFold(3, 4, "block")}, 6),
        serial(graph),
        full(graph),
    ):
        folding.check(graph)


@pytest.mark.parametrize(
    ("layers", "lanes", "message"),
    [
        (
            {**GOOD, "fc3": LayerFold(1, 1)},
            None,
            (
                r"The folding names a layer 'fc3' that network 'net' does not have\.\n"
                r"Its layers with weights are: fc1, fc2\."
            ),
        ),
        (
            {"fc1": LayerFold(1, 1)},
            None,
            (
                r"The folding says nothing of layer 'fc2'\.\n"
                r"Add a table \[layer\.fc2\] with pe and simd\."
            ),
        ),
        (
            {**GOOD, "fc1": LayerFold(5, 1)},
            None,
            r"Layer 'fc1': pe = 5 does not fit its 4 rows\.\nGive pe a whole number from 1 to 4\.",
        ),
        (
            {**GOOD, "fc1": LayerFold(0, 1)},
            None,
            r"Layer 'fc1': pe = 0 does not fit its 4 rows\.\nGive pe a whole number from 1 to 4\.",
        ),
        (
            {**GOOD, "fc1": LayerFold(1, 7)},
            None,
            (
                r"Layer 'fc1': simd = 7 does not fit its 6 columns\.\n"
                r"Give simd a whole number from 1 to 6\."
            ),
        ),
        (
            {**GOOD, "fc2": LayerFold(1, True)},
            None,
            (
                r"Layer 'fc2': simd = True does not fit its 4 columns\.\n"
                r"Give simd a whole number from 1 to 4\."
            ),
        ),
        (
            {**GOOD, "fc2": LayerFold(1, "2")},  # type: ignore[arg-type]  # as a file may say it
            None,
            (
                r"Layer 'fc2': simd = '2' does not fit its 4 columns\.\n"
                r"Give simd a whole number from 1 to 4\."
            ),
        ),
        (
            {**GOOD, "fc2": LayerFold(1, 1, "gold")},
            None,
            r"Layer 'fc2': weights = 'gold' is not known\.\nUse one of auto, lut, .*, unrolled\.",
        ),
        (
            GOOD,
            7,
            (
                r"The input: input_lanes = 7 does not fit its 6 elements\.\n"
                r"Give input_lanes a whole number from 1 to 6\."
            ),
        ),
        (
            GOOD,
            0,
            (
                r"The input: input_lanes = 0 does not fit its 6 elements\.\n"
                r"Give input_lanes a whole number from 1 to 6\."
            ),
        ),
    ],
)
def test_folding_wrong(
    network: MakeNetwork, layers: dict[str, LayerFold], lanes: int | None, message: str
) -> None:
    with pytest.raises(UsageError, match=f"^{message}$"):
        Folding(layers, lanes).check(network([6, 4, 3]))


def test_extremes(network: MakeNetwork) -> None:
    graph = network([6, 4, 3])
    assert serial(graph).layers == {"fc1": LayerFold(1, 1), "fc2": LayerFold(1, 1)}
    assert full(graph).layers == {"fc1": LayerFold(4, 6), "fc2": LayerFold(3, 4)}


@pytest.mark.parametrize(
    ("pe", "simd", "style"),
    [
        (64, 64, "lut"),  # 16 words of 4096 bits
        (4, 8, "block"),  # 2048 words of 32 bits
        (1, 1, "block"),  # 65536 words of one bit
    ],
)
def test_auto_puts_shallow_weights_into_cells(pe: int, simd: int, style: str) -> None:
    assert LayerFold(pe, simd).weight_style(256, 256) == style


def test_a_style_that_was_asked_for_is_kept() -> None:
    assert LayerFold(1, 1, "lut").weight_style(256, 256) == "lut"
    assert LayerFold(64, 64, "block").weight_style(256, 256) == "block"


@pytest.mark.parametrize(
    ("pe", "simd", "what"),
    [
        (3, 1, "pe = 3 does not divide the 4 rows of a group of a convolution"),
        (5, 1, "pe = 5 does not fit its 4 rows of a group"),
        (1, 4, "simd = 4 does not fit its 2 channels of a group"),
        (1, 8, "simd = 8 is a whole window, which a convolution with 2 groups cannot take in one"),
        (4, 16, "simd = 16 is a whole window, which a convolution with 2 groups cannot take"),
    ],
)
def test_limits_of_groups_are_those_of_a_group(pe: int, simd: int, what: str) -> None:
    weight = np.ones((8, 2, 2, 2), np.uint8)
    nodes = (
        Input("x", (), (4, 2, 2)),
        Conv("c", ("x",), weight, groups=2),
        Flatten("flat", ("c",)),
        Argmax("top", ("flat",), np.zeros(8, int)),
    )
    graph = Graph("net", nodes, ("flat", "top"))
    with pytest.raises(UsageError, match=rf"^Layer 'c': {what}[^\n]*\.\n"):
        Folding({"c": LayerFold(pe, simd)}).check(graph)


def test_a_depthwise_layer_takes_its_taps_one_by_one() -> None:
    """A clock for each tap, channel and position; a whole window is for one group alone."""
    nodes = (
        Input("x", (), (5, 6, 7)),
        Conv("c", ("x",), np.ones((5, 1, 3, 3), np.uint8), groups=5),
        Flatten("flat", ("c",)),
        Argmax("top", ("flat",), np.zeros(100, int)),
    )
    graph = Graph("net", nodes, ("flat", "top"))
    (layer,) = layers_of(graph)
    assert (layer.rows, layer.channels, layer.columns) == (1, 1, 9)
    assert layer.cycles(1, 1) == 9 * 5 * (4 * 5)
    Folding({"c": LayerFold(1, 1)}).check(graph)
    with pytest.raises(
        UsageError, match=r"whole window.*5 groups.*\n.*of the 1 channel of a group"
    ):
        Folding({"c": LayerFold(1, 9)}).check(graph)


def test_nothing_to_estimate() -> None:
    nodes = (Input("x", (), (4,)), Argmax("top", ("x",), np.zeros(4, int)))
    with pytest.raises(UsageError, match=r"^Network 'net' has no layer with weights to fold\."):
        estimate(Graph("net", nodes, ("x", "top")), Folding({}), "ecp5")


def test_pipelines_suit_the_family() -> None:
    layers = {"a": LayerFold(1, 1), "b": LayerFold(1, 1, pipeline="area")}
    found = Folding(layers).on_family("ecp5").layers
    assert [found[name].pipeline for name in "ab"] == ["speed", "area"]
    assert [found[name].every for name in "ab"] == [1, 0]
    assert Folding(layers).on_family("ice40").layers["a"].every == 2
    # Where no device is known there are as few registers as can be.
    assert layers["a"].every == 0


def conv_graph() -> Graph:
    weight = np.zeros((2, 1, 1, 1), np.uint8)
    nodes = (
        Input("x", (), (1, 2, 3), BIPOLAR),
        Conv("conv", ("x",), weight),
        Flatten("flat", ("conv",)),
        IntDense("fc", ("flat",), np.ones((2, 12), np.int8)),
        Argmax("top", ("fc",), np.zeros(2, np.int64)),
    )
    return Graph("net", nodes, ("fc", "top"))


@pytest.mark.parametrize(
    ("layer", "fold", "message"),
    [
        ("conv", LayerFold(1, 1, hold=4), "hold = 4 does not divide the 6 vectors of an image"),
        ("conv", LayerFold(1, 1, hold=0), "hold = 0 does not fit its 6 vectors of an image"),
        ("conv", LayerFold(1, 1, hold=7), "hold = 7 does not fit its 6 vectors of an image"),
        ("conv", LayerFold(1, 1, "ram", hold=2), "hold = 2 takes ±1 weights in a ROM"),
        ("fc", LayerFold(1, 1, hold=2), "hold = 2 does not fit its 1 vectors of an image"),
        ("conv", LayerFold(1, 1, replay="block"), "replay = 'block' is not known"),
    ],
)
def test_sharing_that_does_not_suit(layer: str, fold: LayerFold, message: str) -> None:
    graph = conv_graph()
    folds = {"conv": LayerFold(1, 1, hold=3, replay="lut"), "fc": LayerFold(1, 1)}
    Folding(folds).check(graph)
    with pytest.raises(UsageError, match=f"Layer '{layer}': {message}"):
        Folding(folds | {layer: fold}).check(graph)
