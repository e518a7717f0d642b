"""How outputs are called and written."""

import os
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from residuum_client.commands.flags import OutputFlags, UsageError
from residuum_client.commands.inputs import Input
from residuum_client.commands.outputs import check_folder, name_key, names, plan, write

KEEP, FORCE, RESUME = OutputFlags(), OutputFlags(force=True), OutputFlags(resume=True)


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ({"p/a.png": "a.png", "p/q/b.png": "q/b.png"}, ["a.rsd", "q/b.rsd"]),
        ({"a/x.png": "x.png", "b/x.png": "x.png"}, ["a/x.rsd", "b/x.rsd"]),
        ({"a/x.png": "x.png", "a/x.jpg": "x.jpg"}, ["x.png.rsd", "x.jpg.rsd"]),
        ({"a/v1.2.png": "v1.2.png"}, ["v1.2.rsd"]),
        ({"a/frame.0001": "frame.0001"}, ["frame.0001.rsd"]),
        (
            {"a/x.png": "x.png", "a/x.jpg": "x.jpg", "a/y.jpg": "y.jpg"},
            ["x.png.rsd", "x.jpg.rsd", "y.rsd"],
        ),
        (
            {"a/x.png": "x.png", "a/x.jpg": "x.jpg", "a/x.png.png": "x.png.png"},
            ["x.png.rsd", "x.jpg.rsd", "x.png.png.rsd"],
        ),
        ({"a/b/x.png": "b/x.png", "a/b/x.jpg": "b/x.jpg"}, ["b/x.png.rsd", "b/x.jpg.rsd"]),
        ({"a/x.png": "x.png", "a/X.png": "X.png"}, ["x.png.rsd", "X.png.2.rsd"]),
        ({"a/x.png": "x.png", "a/x.rsd/y.png": "x.rsd/y.png"}, ["x.png.rsd", "x.rsd/y.rsd"]),
        ({"a/../../b/x.png": "x.png", "c/x.png": "x.png"}, ["b/x.rsd", "a/c/x.rsd"]),
        ({"a/" + 253 * "n" + ".x": 253 * "n" + ".x"}, [251 * "n" + ".rsd"]),
    ],
    ids=[
        "folders below an argument",
        "one name in two folders",
        "one stem",
        "dots in a name",
        "a suffix of no image",
        "only equal names change",
        "a longer name that is taken",
        "one stem below an argument",
        "names that differ in case",
        "a folder called like an output",
        "folders above",
        "a very long name",
    ],
)
def test_outputs_are_named_after_their_inputs(inputs, outputs, tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    entries = [Input(Path(path), PurePath(name)) for path, name in inputs.items()]
    assert [str(name) for name in names(entries, ".rsd")] == outputs


# Names that meet each other: few letters in two cases and forms, known suffixes, odd characters.
words = st.text("aAäa\u0308.\n\x1b-\udcff", min_size=1, max_size=3)
endings = st.sampled_from(["", ".png", ".PNG", ".jpg", ".rsd", ".2"])
parts = st.builds(str.__add__, words, endings).filter(lambda part: set(part) != {"."})
long_parts = st.builds(lambda part, size: (size * "n" + part)[-240:], parts, st.integers(0, 240))
paths = st.sets(
    st.lists(st.one_of(parts, long_parts, st.just("..")), min_size=1, max_size=4).map(tuple)
)


def as_arguments(paths: set[tuple[str, ...]], draw) -> list[Input]:
    """Each path as a file that was found below a part of it, or as an argument."""
    entries = []
    for path in sorted(paths):
        below = [*path]
        while ".." in below:
            below = below[below.index("..") + 1 :]
        if below:
            start = draw(st.integers(0, len(below) - 1))
            entries.append(Input(Path("/r/s/t/u/v", *path), PurePath(*below[start:])))
    return entries


@given(paths, st.data())
def test_any_paths_have_distinct_outputs_below_the_folder(paths, data):
    outputs = names(as_arguments(paths, data.draw), ".rsd")
    keys = {name_key(output) for output in outputs}
    assert len(keys) == len(outputs)
    folders = {name_key(folder) for output in outputs for folder in output.parents}
    assert not keys & folders
    for output in outputs:
        assert not output.is_absolute()
        assert ".." not in output.parts
        assert output.suffix == ".rsd"
        assert len(os.fsencode(output.name)) <= 255


@given(paths, st.data())
def test_names_depend_on_the_paths_alone(paths, data):
    inputs = as_arguments(paths, data.draw)
    assert names(inputs, ".rsd") == names(inputs, ".rsd")


def test_existing_files_are_overwritten_only_with_force(tmp_path: Path, terminal, capsys):
    (tmp_path / "a.rsd").write_bytes(b"old")
    inputs = [Input(tmp_path / "a.png", PurePath("a.png"))]
    assert plan(inputs, tmp_path, ".rsd", KEEP, terminal) == {}
    reason = "exists already; --resume skips it, --force overwrites it"
    assert capsys.readouterr().err == f"{tmp_path / 'a.rsd'}: {reason}\n"
    forced = plan(inputs, tmp_path, ".rsd", FORCE, terminal)
    assert forced == {tmp_path / "a.png": tmp_path / "a.rsd"}


def test_existing_files_are_done_when_resumed(tmp_path: Path, terminal):
    (tmp_path / "a.rsd").write_bytes(b"old")
    inputs = [Input(tmp_path / name, PurePath(name)) for name in ("a.png", "b.png")]
    planned = plan(inputs, tmp_path, ".rsd", RESUME, terminal)
    assert planned == {tmp_path / "b.png": tmp_path / "b.rsd"}
    assert (terminal.tally.existing, terminal.tally.failed) == (1, 0)


def test_a_folder_in_place_of_an_output_is_not_done(tmp_path: Path, terminal):
    (tmp_path / "a.rsd").mkdir()
    inputs = [Input(tmp_path / "a.png", PurePath("a.png"))]
    assert plan(inputs, tmp_path, ".rsd", RESUME, terminal) == {}
    assert (terminal.tally.existing, terminal.tally.failed) == (0, 1)


def test_an_input_is_never_overwritten(tmp_path: Path, terminal, capsys):
    """Neither by its own output, nor by that of another, nor through a link."""
    (tmp_path / "in/b").mkdir(parents=True)
    (tmp_path / "in/a.png").write_bytes(b"image")
    (tmp_path / "in/b/a.png").write_bytes(b"image")
    (tmp_path / "link").symlink_to("in")
    files = [PurePath("a.png"), PurePath("b/a.png")]
    inputs = [Input(tmp_path / "in" / name, name) for name in files]
    for out, refused in (("in", 2), ("link", 2), ("in/b", 1), ("out", 0)):
        planned = plan(inputs, tmp_path / out, ".png", FORCE, terminal)
        assert len(planned) == 2 - refused
        errors = capsys.readouterr().err.splitlines()
        assert len(errors) == refused
        assert all("is an input too; choose another folder" in error for error in errors)


def test_a_file_is_written_whole_into_new_folders(tmp_path: Path, terminal):
    assert write(tmp_path / "a/b/c.rsd", b"record", terminal)
    assert (tmp_path / "a/b/c.rsd").read_bytes() == b"record"
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["c.rsd"]


@pytest.mark.parametrize("letter", ["n", "图", "🙂"])
def test_a_file_of_the_longest_name_is_written(letter: str, tmp_path: Path, terminal):
    name = letter * (251 // len(letter.encode())) + ".rsd"
    assert write(tmp_path / name, b"record", terminal)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_failed_write_leaves_no_file(tmp_path: Path, terminal, capsys):
    (tmp_path / "c.rsd").mkdir()
    assert not write(tmp_path / "c.rsd", b"record", terminal)
    assert "cannot be written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["c.rsd"]


def test_an_output_folder_that_is_a_file_is_a_usage_error(tmp_path: Path):
    file = tmp_path / "out"
    file.write_text("")
    with pytest.raises(UsageError, match=rf"^--out {file} is a file; expected a folder$"):
        check_folder(file, "--out")
    with pytest.raises(UsageError, match=rf"^--out {file}/x: {file} is a file; expected a folder$"):
        check_folder(file / "x", "--out")


@pytest.mark.parametrize("target", ["nowhere", "link"])
def test_an_output_folder_that_is_a_broken_link_is_called_that(tmp_path: Path, target: str):
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(UsageError, match="link is a broken link; expected a folder"):
        check_folder(link, "--out")


def test_a_folder_that_cannot_be_written_is_a_usage_error(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(UsageError, match=r"^--out .* cannot be written: Permission denied$"):
        check_folder(tmp_path / "new", "--out")


def test_a_checked_folder_is_not_created(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "a/b", Path("c/d")):
        check_folder(path, "--out")
    assert list(tmp_path.iterdir()) == []
