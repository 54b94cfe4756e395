"""Bitstreams that come with the source: what this version builds, and nobody changed them."""

import json
import lzma
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bnnhw import data
from bnnhw.errors import UsageError
from rtl_gen import prebuilt
from rtl_gen.cli.options import Planned, make
from rtl_gen.prebuilt import find_prebuilt, pack, read_prebuilt

FOLDER = Path(__file__).resolve().parents[2] / "boards" / "prebuilt"
BOARDS = ("icebreaker", "ulx3s-85f")


def planned(board: str) -> Planned:
    return make(data.path("digits_mlp.onnx"), board=board)


@pytest.mark.parametrize("board", BOARDS)
def test_is_what_this_version_builds(board: str) -> None:
    """If this fails, the plan has changed: run scripts/prebuilt.py."""
    made = planned(board)
    known = find_prebuilt(made.plan, made.board)
    assert known is not None, f"{FOLDER} has no bitstream of {made.plan.identity}"
    assert (known.network, known.board) == ("digits_mlp", board)
    assert known.identity == made.plan.identity
    assert known.report.cycles_per_image == made.plan.cycles
    assert known.report.fmax_mhz > made.board.clock.sync_hz / 1e6
    assert len(known.commit) == 40 and "yosys" in known.report.tools
    assert len(known.bitstream()) > 50_000


def test_none_is_forgotten() -> None:
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {f"digits_mlp.{board}.{end}" for board in BOARDS for end in ("json", "xz")}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1 << 20


@pytest.mark.parametrize("board", BOARDS)
def test_starts_as_bitstreams_of_the_device_do(board: str) -> None:
    """The first bytes say what it is; an ECP5's also for which part."""
    image = read_prebuilt(FOLDER / f"digits_mlp.{board}.json").bitstream()
    if board == "icebreaker":
        assert image.startswith(b"\xff\x00\x00\xff") or b"\x7e\xaa\x99\x7e" in image[:64]
    else:
        assert b"\xff\xff\xbd\xb3" in image[:256] and b"LFE5U-85F" in image[:256]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder of our own with the iCEBreaker's, where prebuilt ones are looked for."""
    for path in FOLDER.glob("*.icebreaker.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(prebuilt, "_folder", lambda: tmp_path)
    return tmp_path / "digits_mlp.icebreaker.json"


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_changed_bitstream_is_refused(copy: Path) -> None:
    packed = copy.with_suffix(".xz")
    image = bytearray(lzma.decompress(packed.read_bytes()))
    image[5000] ^= 1
    packed.write_bytes(lzma.compress(bytes(image)))
    with pytest.raises(UsageError, match=r"was changed: the SHA-256 of its bitstream is \w{16}…"):
        read_prebuilt(copy).bitstream()


@pytest.mark.parametrize("damage", [b"", b"no archive", b"\xfd7zXZ\x00"])
def test_a_damaged_archive_is_refused(copy: Path, damage: bytes) -> None:
    copy.with_suffix(".xz").write_bytes(damage)
    with pytest.raises(UsageError, match="is damaged|was changed"):
        read_prebuilt(copy).bitstream()


def test_an_archive_that_grows_without_end_is_refused(copy: Path) -> None:
    copy.with_suffix(".xz").write_bytes(lzma.compress(bytes(20 << 20)))
    with pytest.raises(UsageError, match="was changed"):
        read_prebuilt(copy).bitstream()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2}', '{"format": 1}'])
def test_what_describes_nothing_is_refused(copy: Path, text: str) -> None:
    copy.write_text(text)
    with pytest.raises(UsageError, match="describes no bitstream"):
        read_prebuilt(copy)


def test_another_design_is_not_taken(copy: Path) -> None:
    made = planned("icebreaker")
    assert find_prebuilt(made.plan, made.board) is not None
    assert find_prebuilt(made.plan, made.board.at(12_000_000)) is None
    assert find_prebuilt(made.plan, replace(made.board, name="mine")) is None
    other = replace(made.board.link, baud=115_200)
    assert find_prebuilt(made.plan, replace(made.board, link=other)) is None
    change(copy, identity="0" * 64)
    assert find_prebuilt(made.plan, made.board) is None


def test_written_and_packed_again(copy: Path, tmp_path: Path) -> None:
    made, known = planned("icebreaker"), read_prebuilt(copy)
    path = known.write(tmp_path / "out")
    assert path.name == "digits_mlp.bin" and path.read_bytes() == known.bitstream()
    files = pack(path.read_bytes(), known.report, made.plan, made.board, commit=known.commit)
    assert files == {file.name: file.read_bytes() for file in (copy, copy.with_suffix(".xz"))}
    with pytest.raises(UsageError, match="cannot be written"):
        known.write(copy)


def test_unpacked_among_what_is_kept(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    known = read_prebuilt(copy)
    path = known.unpacked()
    assert path.is_relative_to(tmp_path / "cache" / "bnnhw")
    # Whoever changed the unpacked one gets the right one all the same.
    path.write_bytes(b"other")
    assert known.unpacked().read_bytes() == known.bitstream()
