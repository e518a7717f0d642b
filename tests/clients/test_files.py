"""What the commands read, and how their outputs are called and written."""

from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from residuum_client.commands.files import (
    IMAGE_SUFFIXES,
    Input,
    check_folder,
    find,
    names,
    plan,
    write,
)
from residuum_client.commands.flags import UsageError


class Failures(list):
    def __call__(self, subject: PurePath, reason: str) -> None:
        self.append((str(subject), reason))


def test_folders_are_searched_at_any_depth_in_order(photos: Path):
    (photos / ".hidden.png").write_bytes(b"")
    (photos / "UPPER.JPG").write_bytes(b"")
    found = find([photos], IMAGE_SUFFIXES, Failures())
    assert [str(entry.name) for entry in found] == ["UPPER.JPG", "a.png", "b.png", "below/c.png"]


def test_a_file_is_taken_whatever_its_suffix(photos: Path):
    found = find([photos / "notes.txt"], IMAGE_SUFFIXES, Failures())
    assert [entry.path for entry in found] == [photos / "notes.txt"]


def test_a_file_named_twice_is_taken_once(photos: Path):
    found = find([photos / "a.png", photos, photos / "below/../a.png"], IMAGE_SUFFIXES, Failures())
    assert len(found) == 3


def test_a_folder_without_images_and_a_missing_file_fail_by_name(tmp_path: Path):
    failures = Failures()
    (tmp_path / "empty").mkdir()
    assert find([tmp_path / "empty", tmp_path / "absent.png"], IMAGE_SUFFIXES, failures) == []
    assert [Path(subject).name for subject, _ in failures] == ["empty", "absent.png"]
    assert failures[1][1] == "no such file or folder"


def test_no_arguments_are_a_usage_error():
    with pytest.raises(UsageError, match="no file or folder"):
        find([], IMAGE_SUFFIXES, Failures())


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ({"p/a.png": "a.png", "p/q/b.png": "q/b.png"}, ["a.rsd", "q/b.rsd"]),
        ({"a/x.png": "x.png", "b/x.png": "x.png"}, ["a/x.rsd", "b/x.rsd"]),
        ({"a/x.png": "x.png", "a/x.jpg": "x.jpg"}, ["x.png.rsd", "x.jpg.rsd"]),
        ({"a/v1.2.png": "v1.2.png"}, ["v1.2.rsd"]),
    ],
    ids=["folders below an argument", "one name in two folders", "one stem", "dots in a name"],
)
def test_outputs_are_named_after_their_inputs(inputs, outputs):
    entries = [Input(Path(path), PurePath(name)) for path, name in inputs.items()]
    assert [str(name) for name in names(entries, ".rsd")] == outputs


words = st.text("ab.", min_size=1, max_size=3).filter(lambda word: set(word) != {"."})
paths = st.sets(st.lists(words, min_size=1, max_size=3).map(lambda parts: Path("/r", *parts)))


@given(paths)
def test_no_two_inputs_share_an_output(inputs):
    entries = [Input(path, PurePath(path.name)) for path in inputs]
    assert len(set(names(entries, ".rsd"))) == len(entries)


def test_existing_files_are_overwritten_only_with_force(tmp_path: Path):
    (tmp_path / "a.rsd").write_bytes(b"old")
    inputs = [Input(tmp_path / "a.png", PurePath("a.png"))]
    failures = Failures()
    assert plan(inputs, tmp_path, ".rsd", force=False, fail=failures) == {}
    assert failures == [(str(tmp_path / "a.rsd"), "exists already; --force overwrites it")]
    forced = plan(inputs, tmp_path, ".rsd", force=True, fail=failures)
    assert forced == {tmp_path / "a.png": tmp_path / "a.rsd"}


def test_an_input_is_never_overwritten(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"image")
    inputs = [Input(tmp_path / "a.png", PurePath("a.png"))]
    failures = Failures()
    assert plan(inputs, tmp_path, ".png", force=True, fail=failures) == {}
    assert "overwritten by its own output" in failures[0][1]


def test_a_file_is_written_whole_into_new_folders(tmp_path: Path):
    assert write(tmp_path / "a/b/c.rsd", b"record", Failures())
    assert (tmp_path / "a/b/c.rsd").read_bytes() == b"record"
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["c.rsd"]


def test_a_failed_write_leaves_no_file(tmp_path: Path):
    (tmp_path / "c.rsd").mkdir()
    failures = Failures()
    assert not write(tmp_path / "c.rsd", b"record", failures)
    assert "cannot be written" in failures[0][1]
    assert [path.name for path in tmp_path.iterdir()] == ["c.rsd"]


def test_an_output_folder_that_is_a_file_is_a_usage_error(tmp_path: Path):
    file = tmp_path / "out"
    file.write_text("")
    with pytest.raises(UsageError, match=rf"^--out {file} is a file; expected a folder$"):
        check_folder(file, "--out")
    with pytest.raises(UsageError, match=rf"^--out {file}/x: {file} is a file; expected a folder$"):
        check_folder(file / "x", "--out")


def test_a_folder_that_cannot_be_written_is_a_usage_error(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(UsageError, match=r"^--out .* cannot be written: Permission denied$"):
        check_folder(tmp_path / "new", "--out")


def test_a_checked_folder_is_not_created(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "a/b", Path("c/d")):
        check_folder(path, "--out")
    assert list(tmp_path.iterdir()) == []
