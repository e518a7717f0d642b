"""What the commands read, under which names, and what they leave out."""

import os
import socket
from pathlib import Path

import pytest

from residuum_client.commands.flags import UsageError
from residuum_client.commands.inputs import IMAGE_SUFFIXES, MAX_FILE_BYTES, find, read


def found(arguments: list[Path], terminal) -> list[str]:
    """The names of the files, relative to their arguments."""
    return [str(entry.name) for entry in find(arguments, IMAGE_SUFFIXES, terminal)]


def test_folders_are_searched_at_any_depth_in_order(photos: Path, terminal):
    (photos / ".hidden.png").write_bytes(b"")
    (photos / "UPPER.JPG").write_bytes(b"")
    assert found([photos], terminal) == ["UPPER.JPG", "a.png", "b.png", "below/c.png"]


def test_what_is_left_out_of_folders_is_counted(photos: Path, terminal):
    (photos / "1.heic").write_bytes(b"")
    (photos / "below/2.heic").write_bytes(b"")
    (photos / "broken.png").symlink_to("absent")
    os.mkfifo(photos / "pipe.png")
    assert found([photos], terminal) == ["a.png", "b.png", "below/c.png"]
    skipped = {".heic": 2, ".txt": 1, "broken link": 1, "special file": 1}
    assert terminal.tally.skipped == skipped
    assert terminal.tally.failed == 0


def test_a_file_is_taken_whatever_its_suffix(photos: Path, terminal):
    assert found([photos / "notes.txt"], terminal) == ["notes.txt"]


@pytest.mark.parametrize("again", ["a.png", "below/../a.png", "./a.png", "../photos/a.png"])
def test_the_same_path_given_twice_is_taken_once(again: str, photos: Path, terminal, monkeypatch):
    monkeypatch.chdir(photos)
    assert found([Path("a.png"), photos, Path(again)], terminal) == [
        "a.png",
        "b.png",
        "below/c.png",
    ]


def test_a_folder_given_twice_is_counted_once(photos: Path, terminal):
    assert len(found([photos, photos / "below/.."], terminal)) == 3
    assert terminal.tally.skipped == {".txt": 1}


def test_two_links_to_one_file_are_two_inputs(photos: Path, terminal):
    for name in ("one.png", "two.png"):
        (photos / "below" / name).symlink_to("../a.png")
    assert found([photos / "below"], terminal) == ["c.png", "one.png", "two.png"]


def test_a_link_keeps_its_path_and_its_name(tmp_path: Path, terminal):
    (tmp_path / "blob").write_bytes(b"data")
    link = tmp_path / "x.png"
    link.symlink_to("blob")
    (entry,) = find([link], IMAGE_SUFFIXES, terminal)
    assert (entry.path, str(entry.name)) == (link, "x.png")
    assert read(entry.path).data == b"data"


def test_equal_words_for_two_files_are_two_inputs(tmp_path: Path, terminal, monkeypatch):
    (tmp_path / "elsewhere/below").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "elsewhere"):
        (folder / "x.png").write_bytes(b"")
    (tmp_path / "link").symlink_to("elsewhere/below")
    monkeypatch.chdir(tmp_path)
    assert found([Path("link/../x.png"), Path("x.png")], terminal) == ["x.png", "x.png"]


def test_folders_that_lead_in_a_circle_end(photos: Path, terminal):
    (photos / "below/up").symlink_to("..")
    assert found([photos], terminal) == ["a.png", "b.png", "below/c.png"]


def test_what_is_no_file_and_no_folder_fails_by_name(tmp_path: Path, terminal, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    os.mkfifo("pipe")
    Path("broken").symlink_to("absent")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    names = ["absent.png", "empty", "pipe", "broken", "socket", "/dev/null"]
    assert found([Path(name) for name in names], terminal) == []
    assert capsys.readouterr().err.splitlines() == [
        "absent.png: no such file or folder",
        f"empty: the folder has no file that ends in {' '.join(sorted(IMAGE_SUFFIXES))}",
        "pipe: is a named pipe; expected a file or a folder",
        "broken: is a broken link",
        "socket: is a socket; expected a file or a folder",
        "/dev/null: is a device; expected a file or a folder",
    ]
    assert terminal.tally.failed == 6


def test_no_arguments_are_a_usage_error(terminal):
    with pytest.raises(UsageError, match="no file or folder"):
        find([], IMAGE_SUFFIXES, terminal)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path):
    assert str(read(tmp_path / "absent").error) == "cannot be read: No such file or directory"
    assert str(read(tmp_path).error) == "cannot be read: Is a directory"


def test_a_file_larger_than_any_image_is_not_read(tmp_path: Path):
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # takes no space on the disk
    error = read(tmp_path / "large.png").error
    assert str(error) == f"has {MAX_FILE_BYTES + 1} bytes; expected at most {MAX_FILE_BYTES}"
