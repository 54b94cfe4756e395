"""Programs of shared counts against plain sums, and what they are estimated to cost."""

import json

import numpy as np
import pytest

from bnnhw.fold.sharing import Leaf, Sum, share, share_words


def drawn(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([rows, columns, seed]).integers(0, 2, (rows, columns))


def counted(matrix: np.ndarray, codes: np.ndarray, bits: int) -> np.ndarray:
    """Add each code where the weight is 1, and its complement where it is 0."""
    top = (1 << bits) - 1
    return np.where(matrix[None] == 1, codes[:, None], top - codes[:, None]).sum(2)


def check(matrix: np.ndarray, bits: int = 1, group: int | None = None) -> None:
    program = share(matrix, bits=bits, group=group)
    codes = np.random.default_rng(3).integers(0, 1 << bits, (40, matrix.shape[1]))
    codes[0], codes[1] = 0, (1 << bits) - 1
    assert (program.counts(codes) == counted(matrix, codes, bits)).all()
    assert sorted(row for rows in program.groups for row in rows) == list(range(len(matrix)))
    for number, node in enumerate(program.nodes):
        if isinstance(node, Sum):
            assert max(node.left, node.right) < number


@pytest.mark.parametrize("bits", [1, 2, 3])
@pytest.mark.parametrize("group", [None, 1, 2, 3, 5, 8])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 1), (2, 9), (8, 40), (13, 70)])
def test_counts_are_the_sums(rows: int, columns: int, group: int | None, bits: int) -> None:
    check(drawn(rows, columns), bits, group)


def test_rows_that_are_alike_or_complements() -> None:
    matrix = drawn(6, 50)
    matrix[1], matrix[2], matrix[4] = matrix[0], 1 - matrix[0], 1 - matrix[3]
    for group in (None, 2, 3, 6):
        check(matrix, group=group)
    alone = share(matrix[:1])
    assert share(matrix[:3]).luts() == alone.luts()


def test_a_wrong_program_is_noticed() -> None:
    """The check itself: one lane's flip changed in one class gives other counts."""
    matrix = drawn(4, 30)
    wrong = matrix.copy()
    wrong[2, 7] ^= 1
    codes = np.random.default_rng(0).integers(0, 2, (20, 30))
    assert (share(wrong).counts(codes) != counted(matrix, codes, 1)).any()


def test_every_lane_is_counted_once_in_each_group() -> None:
    program = share(drawn(12, 100), group=4)
    leaves = [node for node in program.nodes if isinstance(node, Leaf)]
    lanes = sorted(lane for leaf in leaves for lane in leaf.lanes)
    assert lanes == sorted(list(range(100)) * len(program.groups))


def test_sharing_is_worth_it() -> None:
    """The estimate, which measured synthesis follows; by rows alone it is nearly 1.3 a weight."""
    for rows, columns, most in ((8, 256, 0.48), (10, 256, 0.47), (64, 784, 0.35)):
        matrix = drawn(rows, columns)
        assert share(matrix).luts() < most * matrix.size
        assert share(matrix, group=1).luts() > 1.2 * matrix.size


def test_the_same_matrix_gives_the_same_program() -> None:
    matrix = drawn(20, 60)
    assert share(matrix) == share(matrix.copy())
    words = tuple(sum(int(bit) << k for k, bit in enumerate(row)) for row in matrix)
    assert share_words(words, 60) == share(matrix)


@pytest.mark.parametrize("every", [0, 1, 2, 3])
def test_stages_follow_the_deepest_row(every: int) -> None:
    """32 lanes a class are 5 levels, 8 classes 3, the difference and the comparison one each."""
    matrix = np.array([[lane >> k & 1 for lane in range(256)] for k in range(5, 8)])
    matrix = np.concatenate([np.ones((1, 256), int), matrix])
    assert share(matrix, group=4).stages(every) == {0: 1, 1: 10, 2: 5, 3: 4}[every]


def test_trained_rows_share_no_more_than_random_ones(models) -> None:
    """Rows of a trained layer are nearly uncorrelated: sharing gains by counting, not by luck."""
    stored = np.load(models / "networks" / "mnist_tfc_w1a1.npz")
    layers = json.loads(str(stored["meta"]))["layers"]
    matrix = (stored[layers[0]["W"]] > 0).astype(int)[:24]
    trained = share(matrix).luts() / matrix.size
    assert trained == pytest.approx(share(drawn(*matrix.shape)).luts() / matrix.size, rel=0.03)


@pytest.mark.parametrize("matrix", [[], [[2]], [1, 0], [[0.5]]])
def test_matrix_wrong(matrix) -> None:
    with pytest.raises(ValueError, match=r"^A matrix must hold zeros and ones, not "):
        share(matrix)


@pytest.mark.parametrize("name", ["bits", "group"])
def test_numbers_wrong(name: str) -> None:
    message = rf"^Sharing {name} must be a positive integer, not 0$"
    with pytest.raises(ValueError, match=message):
        share([[1]], **{name: 0})


def test_every_wrong() -> None:
    with pytest.raises(ValueError, match=r"^Levels between registers must be 0 or more, not -1$"):
        share([[1]]).stages(-1)
