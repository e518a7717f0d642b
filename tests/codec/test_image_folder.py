"""Which files of a folder are taken, and what is said about the others."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.image_folder import Walk, phrase, walk

PNG = (".png", ".jpg")


def touch(folder: Path, *names: str) -> list[Path]:
    """Empty files below the folder, made with the folders that they are in."""
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in walk(folder, PNG).files]


def test_files_at_any_depth_are_sorted_by_their_parts(tmp_path) -> None:
    touch(tmp_path, "b.png", "a/z.png", "a-b/c.png", "a/y/x.JPG", "a.png")
    assert names(tmp_path) == ["a/y/x.JPG", "a/z.png", "a-b/c.png", "a.png", "b.png"]


def test_paths_begin_with_the_folder_as_given(tmp_path, monkeypatch) -> None:
    touch(tmp_path, "data/a.png")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    assert walk(Path("link"), PNG).files == (Path("link/a.png"),)
    assert walk(Path(), PNG).files == (Path("data/a.png"), Path("link/a.png"))


def test_hidden_files_and_folders_are_left_out_without_a_word(tmp_path) -> None:
    touch(tmp_path, ".a.png", "._b.png", ".git/c.png", "d/.cache/e.png", ".DS_Store")
    assert walk(tmp_path, PNG) == Walk((), {})


def test_others_are_counted_by_suffix(tmp_path) -> None:
    touch(tmp_path, "a.heic", "b.HEIC", "c.txt", "d", "e.png", "f.a b", "g.\x1b[31m", "Thumbs.db")
    found = walk(tmp_path, PNG)
    assert found.files == (tmp_path / "e.png",)
    assert found.skipped == {
        ".db": 1,
        ".heic": 2,
        ".txt": 1,
        "file without a suffix": 1,
        "other file": 2,
    }
    said = "2 .heic, 2 other files, 1 .db, 1 .txt, 1 file without a suffix"
    assert phrase(found.skipped) == said


def test_a_phrase_names_ten_kinds_at_most() -> None:
    skipped = {f".{letter}": 20 - place for place, letter in enumerate("abcdefghijklm")}
    assert phrase(skipped).startswith("20 .a, 19 .b, ")
    assert phrase(skipped).endswith(", 11 .j, 27 more")


def test_nothing_skipped_is_an_empty_phrase() -> None:
    assert phrase({}) == ""


def test_links_to_files_and_folders_are_followed(tmp_path) -> None:
    (blob,) = touch(tmp_path, "store/0001.png")
    for name in ("one.png", "two.png"):
        (tmp_path / name).symlink_to(blob)
    (tmp_path / "again").symlink_to(tmp_path / "store")
    assert names(tmp_path) == ["again/0001.png", "one.png", "store/0001.png", "two.png"]


def test_the_suffix_of_a_link_counts_not_that_of_its_target(tmp_path) -> None:
    (blob,) = touch(tmp_path, ".store/blob")
    (tmp_path / "a.png").symlink_to(blob)
    assert names(tmp_path) == ["a.png"]


def test_links_in_a_circle_are_noticed(tmp_path) -> None:
    touch(tmp_path, "a/b/c.png")
    (tmp_path / "a/b/up").symlink_to(tmp_path / "a")
    (tmp_path / "a/itself").symlink_to(tmp_path / "a/itself")
    found = walk(tmp_path, PNG)
    assert names(tmp_path) == ["a/b/c.png"]
    assert phrase(found.skipped) == "2 links in a circle"


def test_broken_links_and_special_files_are_skipped_and_never_opened(tmp_path) -> None:
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "null.png").symlink_to("/dev/null")
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for ever
    with socket.socket(socket.AF_UNIX) as server:
        place = tmp_path / "s.png"
        here = os.open(tmp_path, os.O_RDONLY)  # a path of a socket is short
        try:
            server.bind(f"/proc/self/fd/{here}/{place.name}")
        finally:
            os.close(here)
    found = walk(tmp_path, PNG)
    assert found.files == ()
    assert phrase(found.skipped) == "3 special files, 1 broken link"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_listed_is_counted(tmp_path) -> None:
    touch(tmp_path, "a/b.png", "c.png")
    (tmp_path / "a").chmod(0)
    found = walk(tmp_path, PNG)
    (tmp_path / "a").chmod(0o700)
    assert found.files == (tmp_path / "c.png",)
    assert phrase(found.skipped) == "1 unreadable folder"


@pytest.mark.parametrize("name", ["missing", "file.png"])
def test_a_root_that_is_not_a_folder_is_an_error_of_the_system(tmp_path, name) -> None:
    touch(tmp_path, "file.png")
    with pytest.raises(OSError, match=name):
        walk(tmp_path / name, PNG)


def test_names_need_not_be_text(tmp_path) -> None:
    raw = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    os.close(os.open(raw, os.O_CREAT))
    touch(tmp_path, "図 像.png", "new\nline.png")
    assert {os.fsencode(path.name) for path in walk(tmp_path, PNG).files} == {
        b"\xff\xfe.png",
        "図 像.png".encode(),
        b"new\nline.png",
    }


PARTS = st.text(st.sampled_from("aB.é \n-"), min_size=1, max_size=4).filter(
    lambda name: name.strip(".") != ""
)
TREES = st.lists(
    st.tuples(st.lists(PARTS, max_size=3), PARTS, st.sampled_from([".png", ".JPG", ".txt", ""])),
    max_size=8,
)


@given(TREES)
def test_every_file_is_taken_once_or_counted_unless_it_is_hidden(tmp_path_factory, tree) -> None:
    folder = tmp_path_factory.mktemp("tree")
    made = set()
    for parents, stem, suffix in tree:
        path = folder.joinpath(*parents, stem + suffix)
        if not any(above.is_file() for above in path.parents) and not path.exists():
            made.update(touch(folder, str(path.relative_to(folder))))
    found = walk(folder, PNG)
    seen = {p for p in made if not any(n.startswith(".") for n in p.relative_to(folder).parts)}
    wanted = {path for path in seen if path.suffix.lower() in PNG}
    assert list(found.files) == sorted(wanted, key=lambda path: path.parts)
    assert sum(found.skipped.values()) == len(seen - wanted)
    assert phrase(found.skipped).isprintable()
