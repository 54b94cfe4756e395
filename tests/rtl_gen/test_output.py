"""All files of a command appear, or none; and nothing that is read is overwritten."""

import re
from pathlib import Path

import pytest

from bnnhw.errors import UsageError
from rtl_gen.output import check_output, publish


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_publish(tmp_path: Path) -> None:
    paths = publish({"b.txt": "grün", "a.bin": b"\0\1"}, tmp_path / "deep" / "er")
    assert [path.name for path in paths] == ["b.txt", "a.bin"]
    assert paths[0].read_text(encoding="utf-8") == "grün" and paths[1].read_bytes() == b"\0\1"
    assert tree(tmp_path) == ["deep", "deep/er", "deep/er/a.bin", "deep/er/b.txt"]


def test_publish_replaces_its_own_and_leaves_the_rest(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    publish({"a": "1"}, tmp_path)
    publish({"a": "2"}, tmp_path)
    assert (tmp_path / "a").read_text() == "2" and tree(tmp_path) == ["a", "mine"]


def refused(message: str, files: dict[str, str], folder: Path) -> None:
    pattern = f"(?s)^{re.escape(message)}.*\nChoose a folder that can be made and written: -o DIR.$"
    for attempt in (lambda: publish(files, folder), lambda: check_output(files, folder)):
        with pytest.raises(UsageError, match=pattern):
            attempt()


@pytest.mark.parametrize("below", ["", "below", "far/below"])
def test_folder_is_a_file(tmp_path: Path, below: str) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    refused(f"'{taken}' is a file, not a folder.", {"a": "1"}, taken / below)
    assert tree(tmp_path) == ["taken"] and taken.read_text() == "mine"


def test_folder_cannot_be_made() -> None:
    with pytest.raises(UsageError, match=r"^'/proc/none/x' cannot be written: .*\nChoose"):
        publish({"a": "1"}, Path("/proc/none/x"))


def test_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The superuser may write everywhere, so the answer of the system is made up.
    monkeypatch.setattr("rtl_gen.output.os.access", lambda path, mode: False)
    refused(f"'{tmp_path}' cannot be written: Permission denied.", {"a": "1"}, tmp_path)


def test_name_of_the_folder_too_long(tmp_path: Path) -> None:
    refused(f"'{tmp_path / ('x' * 300)}' cannot be written: ", {"a": "1"}, tmp_path / ("x" * 300))


def test_failure_in_the_middle_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if data == b"2":
            raise OSError(28, "No space left on device")
        return written(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match="cannot be written: No space left on device"):
        publish({"a": "1", "b": "2"}, tmp_path / "deep" / "er")
    assert tree(tmp_path) == []


def test_file_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    refused(f"'{tmp_path / 'b'}' is a folder, but a file", {"a": "1", "b": "2"}, tmp_path)
    assert tree(tmp_path) == ["b"]


def test_input_would_be_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.json").write_text("model")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "other.json").symlink_to(tmp_path / "net.json")
    message = r"^'.*' is read by this command and would be overwritten\.\nChoose another folder"
    for folder, name in ((Path(), "net.json"), (tmp_path / "sub", "other.json")):
        with pytest.raises(UsageError, match=message):
            check_output([name], folder, keep=[Path("net.json")])
    check_output(["net.json"], tmp_path / "elsewhere", keep=[Path("net.json")])
    check_output(["net.v"], tmp_path, keep=[Path("net.json")])
