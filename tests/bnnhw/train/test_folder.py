"""Folders of images: what is read, and what hostile or careless folders get for an answer."""

import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bnnhw.errors import ToolMissing, UsageError
from bnnhw.train import folder
from bnnhw.train.data import load_data
from bnnhw.train.folder import read_folder

RNG = np.random.default_rng(8)


def put(path: Path, pixels: np.ndarray) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def grey(height: int = 5, width: int = 7) -> np.ndarray:
    return RNG.integers(0, 256, (height, width)).astype(np.uint8)


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Give two classes of three images."""
    root = tmp_path / "animals"
    for name in ("cat", "dog"):
        for number in range(3):
            put(root / name / f"{number}.png", grey())
    return root


def png_that_claims(width: int, height: int) -> bytes:
    """Write a PNG of a few bytes whose header claims any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_classes_in_alphabetical_order(tmp_path: Path) -> None:
    root = tmp_path / "set"
    wanted = [
        put(root / "a" / "1.bmp", grey()),
        put(root / "a" / "2.png", grey()),
        put(root / "b" / "0.pgm", grey()),
    ]
    (root / "b" / "notes.txt").write_text("no image")
    (root / "b" / ".hidden.png").write_text("no image")
    (root / "readme.md").write_text("no class")
    found = read_folder(root)
    assert found.classes == ("a", "b")
    assert found.y.tolist() == [0, 0, 1]
    assert found.x_test is None
    np.testing.assert_array_equal(found.x, np.stack(wanted)[:, None])


def test_train_and_test(animals: Path, tmp_path: Path) -> None:
    root = tmp_path / "both"
    root.mkdir()
    animals.rename(root / "train")
    told = put(root / "test" / "dog" / "x.png", grey())
    found = read_folder(root)
    assert (len(found.y), found.y_test.tolist()) == (6, [1])
    np.testing.assert_array_equal(found.x_test[0, 0], told)


def test_a_class_may_have_no_test_images(animals: Path, tmp_path: Path) -> None:
    root = tmp_path / "both"
    root.mkdir()
    animals.rename(root / "train")
    put(root / "test" / "dog" / "x.png", grey())
    put(root / "test" / "cat" / "x.png", grey())
    data = load_data(str(root), seed=1, validation_share=0.3)
    assert (len(data.train), len(data.valid), len(data.test)) == (4, 2, 2)
    assert data.classes == ("cat", "dog")


def test_colours_become_grey(tmp_path: Path) -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    put(tmp_path / "a" / "x.png", colours)
    put(tmp_path / "b" / "x.png", colours)
    found = read_folder(tmp_path).x[0, 0, 0]
    assert np.abs(found.astype(int) - [76, 150, 29, 9]).max() <= 1


def test_side_scales(tmp_path: Path) -> None:
    put(
        tmp_path / "a" / "x.png",
        np.kron(np.array([[0, 80], [160, 240]], np.uint8), np.ones((4, 4), np.uint8)),
    )
    put(tmp_path / "b" / "x.png", np.full((3, 9), 7, np.uint8))
    found = read_folder(tmp_path, side=2)
    assert found.x.tolist() == [[[[0, 80], [160, 240]]], [[[7, 7], [7, 7]]]]


def test_sizes_differ(animals: Path) -> None:
    put(animals / "dog" / "9.png", grey(6, 7))
    with pytest.raises(UsageError, match="9.png' has 6 x 7 pixels, '.*0.png' 5 x 7") as caught:
        read_folder(animals)
    assert caught.value.todo.endswith("--side 32.")


def text(path: Path) -> None:
    path.write_text("<html>")


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def bomb(path: Path) -> None:
    path.write_bytes(png_that_claims(60_000, 60_000))


def large(path: Path) -> None:
    path.write_bytes(png_that_claims(6_000, 6_000))


def other_format(path: Path) -> None:
    Image.fromarray(grey()).save(path, format="JPEG")


def deep(path: Path) -> None:
    Image.fromarray(np.full((5, 7), 40_000, np.uint16)).save(path)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [text, cut, bomb, large, other_format, deep, empty])
def test_bad_files_are_named(animals: Path, spoil: Callable[[Path], None]) -> None:
    spoil(animals / "dog" / "1.png")
    with pytest.raises(UsageError, match="dog/1.png' is no readable image") as caught:
        read_folder(animals)
    assert caught.value.todo == "Mend or remove the file."


def test_links_do_not_lead_out(animals: Path, tmp_path: Path) -> None:
    put(tmp_path / "secret.png", grey())
    (animals / "dog" / "9.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(UsageError, match="9.png' leads out of the folder"):
        read_folder(animals)
    (animals / "dog" / "9.png").unlink()
    (animals / "dog" / "9.png").symlink_to(animals / "cat" / "0.png")
    assert len(read_folder(animals).y) == 7


def test_no_regular_file(animals: Path) -> None:
    (animals / "dog" / "8.png").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        read_folder(animals)


def test_caps(animals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(folder, "_FILES_CAP", 2)
        with pytest.raises(UsageError, match="holds more than 2 files"):
            read_folder(animals)
    with monkeypatch.context() as patch:
        patch.setattr(folder, "_TOTAL_CAP", 5 * 35)
        with pytest.raises(UsageError, match="holds more than 175 pixels"):
            read_folder(animals)
    with monkeypatch.context() as patch:
        patch.setattr(folder, "_SIDE_CAP", 6)
        with pytest.raises(UsageError, match="has 5 x 7 pixels; 6 a side are the limit"):
            read_folder(animals)
    with monkeypatch.context() as patch:
        patch.setattr(folder, "_FILE_CAP", 10)
        with pytest.raises(UsageError, match="10 are the limit"):
            read_folder(animals)


def test_folder_wrong(animals: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cat' has 0 folders"):
        read_folder(animals / "cat")
    with pytest.raises(UsageError, match="cannot be read"):
        read_folder(tmp_path / "nothing")
    with pytest.raises(UsageError, match="side must be 1 to 1024 pixels, not 0"):
        read_folder(animals, side=0)
    for name in ("a", "b"):
        (tmp_path / "bare" / name).mkdir(parents=True)
    with pytest.raises(UsageError, match="bare' holds no image"):
        read_folder(tmp_path / "bare")
    for name in ("train/a", "train/b", "test/a", "test/c\x1b"):
        (tmp_path / "odd" / name).mkdir(parents=True)
    with pytest.raises(UsageError, match="has the class 'c.x1b', which 'train' has not"):
        read_folder(tmp_path / "odd")


def test_without_pillow(animals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ToolMissing, match="needs Pillow, which is not installed"):
        read_folder(animals)
