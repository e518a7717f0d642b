"""The command `residuum archive`, in this process and in a separate one."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import finished, started

from codec.archive import ArchiveReader, ArchiveWriter, create
from codec.record.frame import seal
from residuum_client import Offline
from residuum_client.__main__ import FAILED, INTERRUPTED, OK, USAGE, main

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'clients/python'}{os.pathsep}{ROOT}"}
RESIDUUM = [sys.executable, "-m", "residuum_client"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.rsa"


@pytest.fixture
def full(path: Path, photos: Path, offline: list[str], capsys) -> Path:
    """An archive of the three photos."""
    assert main(["archive", "create", str(path), str(photos), *offline]) == OK
    capsys.readouterr()
    return path


@pytest.fixture
def expected(bundle: Path, files: list[bytes]) -> list[bytes]:
    """The records of the three photos."""
    with Offline(bundle) as model:
        return model.encode(files[:3])


def below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def contents(path: Path) -> list[tuple[str | None, bytes]]:
    with ArchiveReader(path) as reader:
        return [(entry.name, reader.record(entry.number)) for entry in reader.entries()]


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_archive_holds_what_the_library_encodes(server, offline, photos, expected, tmp_path):
    for name, source in (("one", server), ("two", offline)):
        path = tmp_path / f"{name}.rsa"
        assert main(["archive", "create", str(path), str(photos), *source]) == OK
        assert contents(path) == list(zip(["a.png", "b.png", "below/c.png"], expected, strict=True))
        assert below(tmp_path).count(f"{name}.rsa") == 1
    assert (tmp_path / "one.rsa").read_bytes() == (tmp_path / "two.rsa").read_bytes()


def test_extract_gives_what_compress_and_decompress_give(full, photos, offline, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(["compress", str(photos), "--out", str(one / "r"), *offline]) == OK
    assert main(["decompress", str(one / "r"), "--out", str(one / "i"), *offline]) == OK
    assert main(["archive", "extract", str(full), "--out", str(two / "r"), "--records"]) == OK
    assert main(["archive", "extract", str(full), "--out", str(two / "i"), *offline]) == OK
    assert below(one) == below(two)
    for name in below(one):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_quality_is_kept_and_listed(path, photos, offline, capsys):
    arguments = ["archive", "create", str(path), str(photos / "a.png"), "--quality", "3"]
    assert main([*arguments, *offline]) == OK
    arguments = ["archive", "add", str(path), str(photos / "b.png"), "--quality", "11"]
    assert main([*arguments, *offline]) == OK
    capsys.readouterr()
    assert main(["archive", "list", str(path), "--json"]) == OK
    listed = lines(capsys.readouterr().out)
    assert [(row["index"], row["name"], row["quality"]) for row in listed] == [
        (0, "a.png", 3),
        (1, "b.png", 11),
    ]


def test_list_prints_a_table_and_json_lines(full, expected, capsys):
    assert main(["archive", "list", str(full)]) == OK
    table = capsys.readouterr().out
    assert "below/c.png" in table
    assert "quality" in table
    assert main(["archive", "list", str(full), "--json"]) == OK
    listed = lines(capsys.readouterr().out)
    with ArchiveReader(full) as reader:
        assert [row["bytes"] for row in listed] == [entry.size for entry in reader.entries()]
    assert all(row["bytes"] < len(data) for row, data in zip(listed, expected, strict=True))
    assert listed[0]["evidence"] is False


def test_records_with_evidence_are_listed_without_a_level(path, capsys):
    create(path, bytes(32))
    with ArchiveWriter(path) as writer:
        writer.append(seal(31, b"body", bytes(32)))
    assert main(["archive", "list", str(path), "--json"]) == OK
    row = lines(capsys.readouterr().out)[0]
    assert row == {"index": 0, "name": None, "bytes": 4, "quality": None, "evidence": True}


def test_create_and_add_report_their_work(path, photos, offline, expected, capsys):
    arguments = ["archive", "create", str(path), str(photos / "a.png"), "--json", *offline]
    assert main(arguments) == OK
    assert lines(capsys.readouterr().out) == [
        {
            "path": str(photos / "a.png"),
            "index": 0,
            "name": "a.png",
            "input_bytes": (photos / "a.png").stat().st_size,
            "record_bytes": len(expected[0]),
        }
    ]
    assert main(["archive", "add", str(path), str(photos / "below"), *offline]) == OK
    table = capsys.readouterr().out
    size = path.stat().st_size
    row = next(line for line in table.splitlines() if line.startswith("│"))
    read = (photos / "below/c.png").stat().st_size
    assert [cell.strip() for cell in row.split("│")[2:-1]] == [
        "1",
        f"{read}",
        f"{size}",
        f"{size / 2:.1f}",
    ]
    assert "bytes per image" in table


def test_records_are_added_without_any_model(full, files, photos, bundle, tmp_path, capsys):
    with Offline(bundle) as model:
        more = model.encode(files[3:5])
    for name, data in zip(("d.rsd", "e.rsd"), more, strict=True):
        (tmp_path / name).write_bytes(data)
    arguments = ["archive", "add", str(full), str(tmp_path / "d.rsd"), str(tmp_path / "e.rsd")]
    assert main(arguments) == OK
    assert contents(full)[3:] == [("d.rsd", more[0]), ("e.rsd", more[1])]
    out = tmp_path / "out"
    assert main(["archive", "extract", str(full), "--out", str(out), "--records"]) == OK
    assert (out / "d.rsd").read_bytes() == more[0]


def test_images_and_records_go_into_one_archive_in_order(path, photos, offline, expected):
    (photos / "aa.rsd").write_bytes(expected[2])
    assert main(["archive", "create", str(path), str(photos), *offline]) == OK
    assert contents(path) == [
        ("a.png", expected[0]),
        ("aa.rsd", expected[2]),
        ("b.png", expected[1]),
        ("below/c.png", expected[2]),
    ]


def test_images_are_not_added_without_a_model(full, photos, capsys):
    assert main(["archive", "add", str(full), str(photos)]) == USAGE
    assert "a model is needed" in capsys.readouterr().err


def test_records_that_are_damaged_or_of_another_model_fail_one_by_one(
    full, expected, tmp_path, capsys
):
    folder = tmp_path / "records"
    folder.mkdir()
    (folder / "bad.rsd").write_bytes(expected[0][:-1])
    (folder / "empty.rsd").write_bytes(b"")
    (folder / "foreign.rsd").write_bytes(seal(8, b"body", bytes(32)))
    (folder / "good.rsd").write_bytes(expected[0])
    assert main(["archive", "add", str(full), str(folder)]) == FAILED
    *error, summary = capsys.readouterr().err.splitlines()
    assert [Path(line.split(": ")[0]).name for line in error] == [
        "bad.rsd",
        "empty.rsd",
        "foreign.rsd",
    ]
    assert summary == "residuum: 1 done, 3 failed"
    assert contents(full)[3:] == [("good.rsd", expected[0])]


def test_bad_images_fail_one_by_one(path, photos, offline, expected, capsys):
    (photos / "aa.png").write_bytes(b"no image")
    assert main(["archive", "create", str(path), str(photos), *offline]) == FAILED
    error, summary = capsys.readouterr().err.splitlines()
    assert error.startswith(f"{photos / 'aa.png'}: ")
    assert summary == "residuum: 3 done, 1 failed; skipped 1 .txt"
    assert [data for _, data in contents(path)] == expected


def test_an_empty_archive_is_removed(path, photos, offline, capsys):
    (photos / "bad.png").write_bytes(b"")
    assert main(["archive", "create", str(path), str(photos / "bad.png"), *offline]) == FAILED
    assert main(["archive", "create", str(path), str(photos / "absent"), *offline]) == FAILED
    assert [p.name for p in path.parent.iterdir()] == ["photos"]
    assert capsys.readouterr().err.count("\n") == 2


def test_taken_names_are_rejected_before_any_work(full, photos, offline, capsys):
    before = full.read_bytes()
    assert main(["archive", "add", str(full), str(photos), *offline]) == FAILED
    assert full.read_bytes() == before
    *error, summary = capsys.readouterr().err.splitlines()
    assert len(error) == 3
    assert "the archive already has a record named below/c.png; --resume skips it" in error[2]
    assert summary == "residuum: 0 done, 3 failed; skipped 1 .txt"


def test_files_of_one_name_keep_their_folders(path, photos, offline):
    (photos / "other").mkdir()
    (photos / "other/c.png").write_bytes((photos / "a.png").read_bytes())
    inputs = [str(photos / "below/c.png"), str(photos / "other/c.png")]
    assert main(["archive", "create", str(path), *inputs, *offline]) == OK
    assert [name for name, _ in contents(path)] == ["below/c.png", "other/c.png"]


def test_create_never_touches_what_exists(full, photos, offline, capsys):
    before = full.read_bytes()
    assert main(["archive", "create", str(full), str(photos), *offline]) == FAILED
    sentence = f"residuum: archive {full}: exists already; --resume continues it\n"
    assert capsys.readouterr().err == sentence
    assert full.read_bytes() == before


def test_an_archive_of_another_model_is_rejected(full, photos, map_bundle, tmp_path, capsys):
    other = ["--bundle", str(map_bundle)]
    out = ["--out", str(tmp_path / "out")]
    for arguments in (["add", str(full), str(photos)], ["extract", str(full), *out]):
        assert main(["archive", *arguments, *other]) == FAILED
    assert main(["archive", "verify", str(full), *other]) == FAILED
    error = capsys.readouterr().err
    sentence = r"holds records of the model tiny \S+ \(\w{12}\), not of tiny-map \S+ \(\w{12}\)$"
    assert len(re.findall(sentence, error, re.MULTILINE)) == 3
    assert error.count("\n") == 3
    assert not (tmp_path / "out").exists()


def test_single_records_are_extracted_by_index_and_by_name(full, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["archive", "extract", str(full), "--out", str(out), "--records"]
    assert main([*arguments, "--index", "2", "0", "2"]) == OK
    assert below(out) == ["a.rsd", "below/c.rsd"]
    assert main([*arguments, "--name", "b.png"]) == OK
    assert below(out) == ["a.rsd", "b.rsd", "below/c.rsd"]
    capsys.readouterr()
    assert main([*arguments, "--index", "3", "-1"]) == FAILED
    assert capsys.readouterr().err.splitlines() == [
        *(f"{full}: has no record {i}, its records are 0..2" for i in (3, -1)),
        "residuum: 0 done, 2 failed",
    ]
    assert main([*arguments, "--name", "x", ""]) == FAILED
    assert capsys.readouterr().err.count("has no record named") == 2
    assert main([*arguments, "--index", "1", "--name", "b.png"]) == USAGE


def test_existing_files_are_kept_unless_forced(full, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.rsd").write_bytes(b"old")
    arguments = ["archive", "extract", str(full), "--out", str(out), "--records"]
    assert main(arguments) == FAILED
    assert (out / "a.rsd").read_bytes() == b"old"
    assert below(out) == ["a.rsd", "b.rsd", "below/c.rsd"]
    assert f"{out / 'a.rsd'}: exists already" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == OK
    assert (out / "a.rsd").read_bytes() != b"old"


def test_files_of_records_without_a_name_are_named_by_index(path, tmp_path):
    create(path, bytes(32))
    with ArchiveWriter(path) as writer:
        writer.append(seal(8, b"body", bytes(32)))
    out = tmp_path / "out"
    assert main(["archive", "extract", str(path), "--out", str(out), "--records"]) == OK
    assert below(out) == ["000000.rsd"]


def test_names_of_two_records_never_share_a_file(path, tmp_path):
    create(path, bytes(32))
    with ArchiveWriter(path) as writer:
        for name in ("a.png", "a.jpg", "a", "b.v2"):
            writer.append(seal(8, name.encode(), bytes(32)), name)
    out = tmp_path / "out"
    assert main(["archive", "extract", str(path), "--out", str(out), "--records"]) == OK
    written = {name: (out / name).read_bytes()[:-2].decode() for name in below(out)}
    assert written == {"a.rsd": "a.png", "a.jpg.rsd": "a.jpg", "b.v2.rsd": "b.v2"} | {
        "a.rsd.rsd": "a"
    }


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "b/../../a.png", ".", ".."])
def test_a_name_outside_the_folder_is_rejected(path, tmp_path, name, capsys):
    create(path, bytes(32))
    with ArchiveWriter(path) as writer:
        writer.append(seal(8, b"1", bytes(32)), name)
        writer.append(seal(8, b"2", bytes(32)), "good.png")
    out = tmp_path / "deep" / "out"
    assert main(["archive", "extract", str(path), "--out", str(out), "--records"]) == FAILED
    assert below(tmp_path / "deep") == ["out/good.rsd"]
    assert "record 0 has a name outside the folder" in capsys.readouterr().err


def test_verify_finds_nothing_wrong_with_a_whole_archive(full, offline, server, capsys):
    for source in ([], offline, server):
        assert main(["archive", "verify", str(full), "--json", *source]) == OK
        row = lines(capsys.readouterr().out)[0]
        assert (row["records"], row["blocks"], row["damaged_records"]) == (3, 1, 0)
        assert (row["bytes"], row["model"]) == (full.stat().st_size, "tiny")
    assert main(["archive", "verify", str(full)]) == OK
    assert str(full) in capsys.readouterr().out


def test_verify_reports_damage_and_extract_reports_the_lost_records(full, tmp_path, capsys):
    data = bytearray(full.read_bytes())
    with ArchiveReader(full) as reader:
        data[reader._snapshot.layout.end - 1] ^= 1
    full.write_bytes(data)
    assert main(["archive", "verify", str(full), "--json"]) == FAILED
    captured = capsys.readouterr()
    assert captured.err.startswith(f"{full}: records 0..2: a block is damaged")
    assert lines(captured.out)[0]["damaged_records"] == 3
    out = tmp_path / "out"
    assert main(["archive", "extract", str(full), "--out", str(out), "--records"]) == FAILED
    *error, summary = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in error] == ["record 0", "record 1", "record 2"]
    assert summary == "residuum: 0 done, 3 failed"
    assert not out.exists()


def test_verify_with_a_model_finds_records_that_do_not_decode(full, bundle, capsys):
    with Offline(bundle) as model:
        model_id = model.describe().model.model_id
    with ArchiveWriter(full) as writer:
        writer.append(seal(30, b"\xff" * 40, model_id), "nonsense")
    assert main(["archive", "verify", str(full)]) == OK
    capsys.readouterr()
    assert main(["archive", "verify", str(full), "--json", "--bundle", str(bundle)]) == FAILED
    captured = capsys.readouterr()
    assert captured.err.startswith("record 3: ")
    assert captured.err.count("\n") == 1
    assert lines(captured.out)[0]["damaged_records"] == 1


def test_a_cut_archive_is_rejected_in_one_line_and_can_be_salvaged(full, tmp_path, capsys):
    full.write_bytes(full.read_bytes()[:-1])
    out = ["--out", str(tmp_path / "out"), "--records"]
    for arguments in (["list", str(full)], ["verify", str(full)], ["extract", str(full), *out]):
        assert main(["archive", *arguments]) == FAILED
        error = capsys.readouterr().err
        assert error.startswith(f"residuum: archive {full}: the archive was cut short")
        assert error.endswith("; residuum archive extract --salvage reads what is left\n")
        assert error.count("\n") == 1
    assert main(["archive", "list", str(full), "--salvage"]) == OK
    assert main(["archive", "extract", str(full), *out, "--salvage"]) == OK
    assert below(tmp_path / "out") == ["a.rsd", "b.rsd", "below/c.rsd"]


def test_an_interrupt_leaves_a_whole_archive(path, photos, offline, monkeypatch, capsys):
    append, calls = ArchiveWriter.append, iter(range(2))

    def interrupted(writer, record, name):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return append(writer, record, name)

    monkeypatch.setattr(ArchiveWriter, "append", interrupted)
    assert main(["archive", "create", str(path), str(photos), *offline]) == INTERRUPTED
    assert [name for name, _ in contents(path)] == ["a.png", "b.png"]
    assert [p.name for p in path.parent.iterdir() if p.name.startswith("a.rsa")] == ["a.rsa"]
    hint = "residuum: interrupted; 2 of 3 done; continue with --resume\n"
    assert capsys.readouterr().err == hint


def test_a_second_writer_is_rejected_in_one_line(full, expected, tmp_path, capsys):
    (tmp_path / "d.rsd").write_bytes(expected[0])
    with ArchiveWriter(full):
        assert main(["archive", "add", str(full), str(tmp_path / "d.rsd")]) == FAILED
    error = capsys.readouterr().err
    assert error == f"residuum: archive {full}: is in use: another process is writing to it\n"


def test_a_killed_create_leaves_what_it_reported_and_add_continues(bundle, files, tmp_path, capsys):
    inputs, path = tmp_path / "in", tmp_path / "a.rsa"
    inputs.mkdir()
    for i in range(450):
        (inputs / f"{i:04}.png").write_bytes(files[i % 5])
    command = [*RESIDUUM, "archive", "create", path, inputs, "--bundle", bundle, "--json"]
    with started(command, env=ENVIRONMENT, stdout=subprocess.PIPE, pipesize=4096) as process:
        reported = [json.loads(process.stdout.readline()) for _ in range(300)]
        process.kill()
    left = contents(path)
    assert [row["name"] for row in reported] == [name for name, _ in left[:300]]
    assert 300 <= len(left) < 450
    arguments = ["archive", "add", str(path), str(inputs), "--bundle", str(bundle), "--resume"]
    assert main(arguments) == OK
    summary = f"residuum: {450 - len(left)} done, {len(left)} done before\n"
    assert capsys.readouterr().err == summary
    assert [name for name, _ in contents(path)] == [f"{i:04}.png" for i in range(450)]


def test_archive_without_the_codec_says_what_to_install(full: Path):
    code = f"""
import sys
sys.modules["codec"] = None  # as if it were not installed, also where it is
from residuum_client.__main__ import main
sys.exit(main(["archive", "list", {str(full)!r}]))
"""
    done = finished([sys.executable, "-c", code], env=ENVIRONMENT)
    assert done.returncode == FAILED
    assert b"pip install . './clients/python[offline]'" in done.stderr
    assert done.stderr.count(b"\n") == 1
