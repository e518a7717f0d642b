"""--resume: what was done before is skipped, and the end is as if nothing had been interrupted."""

from pathlib import Path

import pytest

from codec.archive import ArchiveReader
from residuum_client.__main__ import FAILED, OK, USAGE, main


@pytest.fixture
def records(photos: Path, offline, tmp_path: Path, capsys) -> Path:
    assert main(["compress", str(photos), "--out", str(tmp_path / "records"), *offline]) == OK
    capsys.readouterr()
    return tmp_path / "records"


@pytest.fixture
def archive(photos: Path, offline, tmp_path: Path, capsys) -> Path:
    assert main(["archive", "create", str(tmp_path / "a.rsa"), str(photos), *offline]) == OK
    capsys.readouterr()
    return tmp_path / "a.rsa"


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("command", ["compress", "decompress", "score", "extract"])
def test_a_resumed_command_does_what_is_left(
    command, photos, records, archive, offline, tmp_path, capsys
):
    out = tmp_path / "out"
    arguments = {
        "compress": ["compress", str(photos), "--out", str(out)],
        "decompress": ["decompress", str(records), "--out", str(out)],
        "score": ["score", str(photos), "--heatmaps", str(out)],
        "extract": ["archive", "extract", str(archive), "--out", str(out)],
    }[command]
    assert main([*arguments, *offline]) == OK
    whole = contents(out)
    lost = next(iter(sorted(out.rglob("a.*"))))
    lost.unlink()
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*.*")}
    capsys.readouterr()
    assert main([*arguments, *offline, "--resume", "--json"]) == OK
    captured = capsys.readouterr()
    assert captured.err.startswith("residuum: 1 done, 2 done before")
    assert captured.out.count("\n") == 1
    assert contents(out) == whole
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert main([*arguments, *offline, "--resume"]) == OK
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("residuum: 0 done, 3 done before")


def test_heat_maps_in_the_folder_of_the_images_are_no_images(photos, offline, capsys):
    arguments = ["score", str(photos), "--heatmaps", str(photos / "heat"), *offline]
    assert main(arguments) == OK
    whole = contents(photos)
    (photos / "heat/a.png").unlink()
    assert main([*arguments, "--resume"]) == OK
    assert contents(photos) == whole
    capsys.readouterr()
    assert main(["score", str(photos / "heat"), "--json", *offline]) == OK
    assert capsys.readouterr().out.count("\n") == 3


def test_without_resume_what_exists_fails_and_is_kept(photos, records, offline, capsys):
    before = contents(records)
    assert main(["compress", str(photos), "--out", str(records), *offline]) == FAILED
    *failures, summary = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[2] for line in failures] == [
        "exists already; --resume skips it, --force overwrites it"
    ] * 3
    assert summary == "residuum: 0 done, 3 failed; skipped 1 .txt"
    assert contents(records) == before


def test_a_resumed_archive_takes_what_is_left(photos, offline, tmp_path, capsys):
    path = tmp_path / "a.rsa"
    one = ["archive", "create", str(path), str(photos / "b.png"), *offline]
    assert main(one) == OK
    arguments = ["archive", "create", str(path), str(photos), *offline]
    assert main(arguments) == FAILED
    capsys.readouterr()
    assert main([*arguments, "--resume"]) == OK
    summary = "residuum: 2 done, 1 done before; skipped 1 .txt\n"
    assert capsys.readouterr().err == summary
    with ArchiveReader(path) as reader:
        assert [entry.name for entry in reader.entries()] == ["b.png", "a.png", "below/c.png"]


def test_a_resumed_archive_need_not_exist(photos, offline, tmp_path):
    path = tmp_path / "a.rsa"
    assert main(["archive", "create", str(path), str(photos), "--resume", *offline]) == OK
    with ArchiveReader(path) as reader:
        assert len(reader) == 3


def test_bad_files_of_a_resumed_command_fail_again(photos, records, offline, capsys):
    (photos / "bad.png").write_bytes(b"")
    arguments = ["compress", str(photos), "--out", str(records), "--resume", *offline]
    for _ in range(2):
        assert main(arguments) == FAILED
        failure, summary = capsys.readouterr().err.splitlines()
        assert failure.startswith(f"{photos / 'bad.png'}: ")
        assert summary == "residuum: 0 done, 1 failed, 3 done before; skipped 1 .txt"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["compress", "--out", "o", "--force"], "--force and --resume are given"),
        (["score"], "--resume is given without --heatmaps"),
    ],
    ids=["with force", "without outputs"],
)
def test_resume_that_contradicts_is_a_usage_error(arguments, sentence, photos, offline, capsys):
    assert main([*arguments, "--resume", str(photos), *offline]) == USAGE
    assert sentence in capsys.readouterr().err
