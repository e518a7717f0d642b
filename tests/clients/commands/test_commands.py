"""The command `residuum`, run in this process."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from residuum_client import Client, draw_heatmap
from residuum_client.__main__ import FAILED, INTERRUPTED, OK, USAGE, main


def below(folder: Path) -> list[str]:
    """All files below a folder, hidden ones too."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def read(path: Path) -> np.ndarray:
    """The pixels of an image file as they are."""
    with Image.open(path) as image:
        return np.asarray(image)


def test_compress_and_decompress_give_what_the_library_gives(
    server, target, photos, images, tmp_path, capsys
):
    records, restored = tmp_path / "records", tmp_path / "restored"
    assert main(["compress", str(photos), "--out", str(records), *server]) == OK
    assert below(records) == ["a.rsd", "b.rsd", "below/c.rsd"]
    assert capsys.readouterr().err == "residuum: 3 done; skipped 1 .txt\n"
    assert main(["decompress", str(records), "--out", str(restored), *server]) == OK
    assert below(restored) == ["a.png", "b.png", "below/c.png"]
    with Client(target, model="tiny") as client:
        expected = client.encode(images[:3])
        pixels = client.decode(expected)
    assert [(records / name).read_bytes() for name in below(records)] == expected
    for name, image in zip(below(restored), pixels, strict=True):
        assert np.array_equal(read(restored / name), image[..., 0])
    assert capsys.readouterr().err == ""


def test_a_bundle_and_a_server_write_the_same_records(server, offline, photos, tmp_path):
    for name, source in (("one", server), ("two", offline)):
        arguments = ["compress", str(photos), "--quality", "11", "--out", str(tmp_path / name)]
        assert main([*arguments, *source]) == OK
    for name in below(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_compress_prints_a_table_with_its_total(server, photos, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    monkeypatch.chdir(photos)  # a long path would be folded
    main(["compress", ".", "--out", str(out), *server])
    table = capsys.readouterr().out
    written = sum((out / name).stat().st_size for name in below(out))
    taken = sum((photos / name).stat().st_size for name in ("a.png", "b.png", "below/c.png"))
    total = next(line for line in table.splitlines() if "total" in line)
    assert [cell.strip() for cell in total.strip("│").split("│")] == [
        "total",
        str(taken),
        str(written),
        "0",
        f"{taken / written:.1f}",
        "",
    ]
    assert "below/c.png" in table
    assert "ratio to file" in table


def test_json_lines_say_what_was_written(server, photos, tmp_path, capsys):
    out = tmp_path / "out"
    main(["compress", str(photos / "a.png"), "--out", str(out), "--json", *server])
    record = json.loads(capsys.readouterr().out)
    assert record == {
        "path": str(photos / "a.png"),
        "output": str(out / "a.rsd"),
        "input_bytes": (photos / "a.png").stat().st_size,
        "record_bytes": (out / "a.rsd").stat().st_size,
        "evidence_bytes": 0,
        "quality": 8,
    }
    main(["decompress", str(out), "--out", str(out), "--json", *server])
    image = json.loads(capsys.readouterr().out)
    assert (image["height"], image["width"], image["channels"]) == (16, 16, 1)
    assert image["evidence"] == []


def test_score_prints_one_json_line_per_image(server, target, photos, images, capsys):
    assert main(["score", str(photos), "--json", "--false-alarm-rate", "0.1", *server]) == OK
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(line["path"]).name for line in lines] == ["a.png", "b.png", "c.png"]
    with Client(target, model="tiny") as client:
        scores = client.score(images[:3], false_alarm_rate=0.1)
    for line, score in zip(lines, scores, strict=True):
        assert line["score"] == score.value
        assert line["p_value"] == score.p_value
        assert line["anomalous"] == score.anomalous
        assert line["scores"] == score.scores
        assert line["record_bytes"] == score.record_bytes
        assert line["regions"] == [
            {
                "top": region.box.top,
                "left": region.box.left,
                "height": region.box.height,
                "width": region.box.width,
                "area": region.area,
                "score": region.value,
                "p_value": region.p_value,
            }
            for region in score.regions
        ]
    assert any(line["regions"] for line in lines)


def test_score_prints_a_table(server, photos, capsys):
    assert main(["score", str(photos), *server]) == OK
    *table, total = capsys.readouterr().out.splitlines()
    verdicts = [line.split("│")[4].strip() for line in table if line.startswith("│")]
    anomalous = verdicts.count("anomalous")
    assert anomalous + verdicts.count("normal") == 3
    assert total == f"{anomalous} of 3 anomalous at a false-alarm rate of 0.05"


def test_the_table_has_the_number_of_regions_and_the_place_of_the_hottest(
    target, server, photos, images, capsys
):
    assert main(["score", str(photos), "--false-alarm-rate", "0.5", *server]) == OK
    table = capsys.readouterr().out.splitlines()
    rows = [line.split("│")[6:8] for line in table if line.startswith("│")]
    with Client(target, model="tiny") as client:
        scores = client.score(images[:3], false_alarm_rate=0.5)
    assert any(score.regions for score in scores)
    for (number, place), score in zip(rows, scores, strict=True):
        assert int(number) == len(score.regions)
        box = score.regions[0].box if score.regions else None
        expected = f"{box.height}x{box.width} at {box.top},{box.left}" if box else "none"
        assert place.strip() == expected


def test_score_names_the_false_alarm_rate_that_was_asked_for(offline, photos, capsys):
    assert main(["score", str(photos), "--false-alarm-rate", "0.1", *offline]) == OK
    assert capsys.readouterr().out.endswith(" of 3 anomalous at a false-alarm rate of 0.1\n")


def test_a_false_alarm_rate_of_no_model_is_a_usage_error(offline, photos, capsys):
    assert main(["score", str(photos), "--false-alarm-rate", "5", *offline]) == USAGE
    error = capsys.readouterr().err
    assert error == "residuum: --false-alarm-rate is 5.0, expected a number between 0 and 1\n"


def test_score_draws_heat_maps_over_the_images(server, offline, photos, tmp_path):
    for name, source in (("one", server), ("two", offline)):
        assert main(["score", str(photos), "--heatmaps", str(tmp_path / name), *source]) == OK
    assert below(tmp_path / "one") == ["a.png", "b.png", "below/c.png"]
    for name in below(tmp_path / "one"):
        assert read(tmp_path / "one" / name).shape == (16, 16, 3)
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_regions_are_outlined_in_heat_maps(offline, opened, photos, images, tmp_path):
    arguments = ["score", str(photos), "--heatmaps", str(tmp_path / "heat")]
    assert main([*arguments, "--false-alarm-rate", "0.5", *offline]) == OK
    scores = opened.score(images[:3], heatmaps=True, false_alarm_rate=0.5)
    assert any(score.regions for score in scores)
    for name, image, score in zip(below(tmp_path / "heat"), images[:3], scores, strict=True):
        boxes = [region.box for region in score.regions]
        expected = draw_heatmap(image, score.heatmap, score.heatmap_vmax, boxes=boxes)
        np.testing.assert_array_equal(read(tmp_path / "heat" / name), expected)


def test_maps_are_gray_pictures_of_16_bits(server, opened, photos, images, tmp_path):
    folders = ["--maps", str(tmp_path / "maps"), "--heatmaps", str(tmp_path / "heat")]
    assert main(["score", str(photos), *folders, *server]) == OK
    assert below(tmp_path / "maps") == below(tmp_path / "heat") == ["a.png", "b.png", "below/c.png"]
    scores = opened.score(images[:3], heatmaps=True)
    for name, score in zip(below(tmp_path / "maps"), scores, strict=True):
        with Image.open(tmp_path / "maps" / name) as picture:
            assert picture.mode == "I;16"
            levels = np.asarray(picture)
        step = score.heatmap_vmax / 16384
        expected = np.clip(score.heatmap, 0, 65535 * step)
        np.testing.assert_allclose(levels * step, expected, rtol=0, atol=0.5 * step)


def test_of_two_kinds_of_pictures_only_what_is_missing_is_made(offline, photos, tmp_path, capsys):
    maps, heat = tmp_path / "maps", tmp_path / "heat"
    arguments = ["score", str(photos), "--maps", str(maps), *offline]
    assert main(arguments) == OK
    whole = {name: (maps / name).read_bytes() for name in below(maps)}
    assert main(arguments) == FAILED
    (maps / "a.png").unlink()
    capsys.readouterr()
    assert main([*arguments, "--resume"]) == OK
    assert capsys.readouterr().err.startswith("residuum: 1 done, 2 done before")
    assert {name: (maps / name).read_bytes() for name in below(maps)} == whole
    assert main([*arguments, "--heatmaps", str(heat), "--resume"]) == OK
    assert capsys.readouterr().err == "residuum: 3 done; skipped 1 .txt\n"
    (heat / "a.png").unlink()
    (maps / "b.png").unlink()
    assert main([*arguments, "--heatmaps", str(heat), "--resume"]) == OK
    assert capsys.readouterr().err.startswith("residuum: 2 done, 1 done before")
    assert {name: (maps / name).read_bytes() for name in below(maps)} == whole
    assert below(heat) == below(maps)


@pytest.mark.parametrize("folder", ["heat", "heat/maps", "."])
def test_the_two_kinds_of_pictures_have_separate_folders(folder, offline, photos, tmp_path, capsys):
    folders = ["--heatmaps", str(tmp_path / "heat"), "--maps", str(tmp_path / folder)]
    assert main(["score", str(photos), *folders, *offline]) == USAGE
    assert "must be folders outside of each other" in capsys.readouterr().err


def test_images_are_scored_even_if_their_heat_maps_exist(offline, photos, tmp_path, capsys):
    arguments = ["score", str(photos), "--heatmaps", str(tmp_path / "heat"), "--json", *offline]
    assert main(arguments) == OK
    first = capsys.readouterr()
    assert main(arguments) == FAILED
    second = capsys.readouterr()
    assert second.out == first.out
    assert second.err.count("exists already; --resume skips it, --force overwrites it\n") == 3


def test_models_lists_a_server_and_a_bundle(target, offline, capsys):
    assert main(["models", "--server", target]) == OK
    table = capsys.readouterr().out
    assert "16x16 gray, exact" in table
    assert "any size gray, pad" in table
    assert main(["models", "--json", *offline]) == OK
    model = json.loads(capsys.readouterr().out)
    assert model["name"] == "tiny"
    assert len(bytes.fromhex(model["model_id"])) == 32
    # The quantile of Beta(16, 305), by scipy: 16 of 321 p-values are at or below the rate.
    assert (model["calibration_images"], model["false_alarm_rate"]) == (320, 0.05)
    assert model["false_alarm_rate_bound"] == pytest.approx(0.07126310, rel=1e-6)
    assert "0.05, at most 0.071 " in table


@pytest.mark.parametrize("source", ["server", "offline"])
def test_bad_files_fail_and_the_others_are_done(source, request, photos, tmp_path, capsys):
    (photos / "broken.png").write_bytes((photos / "a.png").read_bytes()[:60])
    (photos / "text.png").write_text("no image")
    (photos / "empty.png").write_bytes(b"")
    Image.new("L", (5, 9)).save(photos / "small.png")
    out = tmp_path / "out"
    arguments = [str(photos), str(photos / "absent.png"), "--out", str(out)]
    assert main(["compress", *arguments, *request.getfixturevalue(source)]) == FAILED
    assert below(out) == ["a.rsd", "b.rsd", "below/c.rsd"]
    *failures, summary = capsys.readouterr().err.splitlines()
    assert summary == "residuum: 3 done, 5 failed; skipped 1 .txt"
    failures.sort()
    assert [Path(line.split(": ")[0]).name for line in failures] == [
        "absent.png",
        "broken.png",
        "empty.png",
        "small.png",
        "text.png",
    ]
    assert "no such file" in failures[0]
    assert "image is 9x5; the model takes" in failures[3]
    assert not any("image 0" in line for line in failures)


def test_bad_files_among_many_fail_by_name(offline, photos, tmp_path, capsys):
    data = (photos / "a.png").read_bytes()
    for i in range(100):
        (photos / f"{i:03}.png").write_bytes(b"" if i % 40 == 3 else data)
    assert main(["compress", str(photos), "--out", str(tmp_path / "out"), *offline]) == FAILED
    *failures, summary = capsys.readouterr().err.splitlines()
    names = [Path(line.split(": ")[0]).name for line in failures]
    assert names == ["003.png", "043.png", "083.png"]
    assert len(below(tmp_path / "out")) == 100
    assert summary == "residuum: 100 done, 3 failed; skipped 1 .txt"


def test_damaged_and_foreign_records_leave_no_image(server, map_bundle, photos, tmp_path, capsys):
    records = tmp_path / "records"
    main(["compress", str(photos), "--out", str(records), *server])
    whole = (records / "a.rsd").read_bytes()
    (records / "cut.rsd").write_bytes(whole[:-1])
    (records / "empty.rsd").write_bytes(b"")
    main(["compress", str(photos), "--out", str(records / "f"), "--bundle", str(map_bundle)])
    capsys.readouterr()
    out = tmp_path / "out"
    assert main(["decompress", str(records), "--out", str(out), *server]) == FAILED
    assert below(out) == ["a.png", "b.png", "below/c.png"]
    *failures, summary = capsys.readouterr().err.splitlines()
    assert summary == "residuum: 3 done, 5 failed"
    assert len(failures) == 5
    assert all(line.startswith(str(records)) and "record 0" not in line for line in failures)


def test_files_that_are_no_images_by_suffix_are_counted(offline, photos, files, tmp_path, capsys):
    for name in ("1.heic", "2.jfif", "3.pgm", "4.pgm"):
        (photos / name).write_bytes(files[0])
    assert main(["compress", str(photos), "--out", str(tmp_path / "out"), *offline]) == OK
    assert below(tmp_path / "out") == ["2.rsd", "a.rsd", "b.rsd", "below/c.rsd"]
    summary = "residuum: 4 done; skipped 2 .pgm, 1 .heic, 1 .txt\n"
    assert capsys.readouterr().err == summary
    assert main(["compress", str(photos / "3.pgm"), "--out", str(tmp_path / "one"), *offline]) == OK


def test_existing_outputs_are_kept_unless_forced(offline, photos, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.rsd").write_bytes(b"old")
    arguments = ["compress", str(photos), "--out", str(out), *offline]
    assert main(arguments) == FAILED
    assert (out / "a.rsd").read_bytes() == b"old"
    assert below(out) == ["a.rsd", "b.rsd", "below/c.rsd"]
    assert f"{out / 'a.rsd'}: exists already" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == OK
    assert (out / "a.rsd").read_bytes() != b"old"


def test_files_of_one_name_keep_their_folders(offline, photos, tmp_path):
    (photos / "other").mkdir()
    (photos / "other/c.png").write_bytes((photos / "a.png").read_bytes())
    inputs = [str(photos / "below/c.png"), str(photos / "other/c.png")]
    out = tmp_path / "out"
    assert main(["compress", *inputs, "--out", str(out), *offline]) == OK
    assert below(out) == ["below/c.rsd", "other/c.rsd"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--server", "127.0.0.1:1", "--model", "tiny"],
            "no server answers at 127.0.0.1:1: connection refused\n",
        ),
        (["--bundle", "absent"], "bundle absent: no such folder or file"),
    ],
    ids=["no server", "no bundle"],
)
def test_an_unavailable_model_is_one_line(options, sentence, photos, tmp_path, capsys):
    arguments = ["compress", str(photos), "--out", str(tmp_path / "out"), *options]
    assert main(arguments) == FAILED
    captured = capsys.readouterr()
    assert captured.err.startswith(f"residuum: {sentence}")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model", "nope"], "nope"),
        (["--model", "tiny", "--version", "77"], "77"),
        (["--model", "tiny", "--quality", "99"], "quality is 99"),
    ],
    ids=["model", "version", "quality"],
)
def test_what_the_server_rejects_is_reported_once(
    options, sentence, target, photos, tmp_path, capsys
):
    arguments = ["compress", str(photos), "--out", str(tmp_path / "out"), "--server", target]
    assert main([*arguments, *options]) == FAILED
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--server", "localhost:1"],
        ["--model", "tiny"],
        ["--bundle", "b", "--model", "tiny"],
        ["--bundle", "b", "--server", "localhost:1"],
        ["--server", "localhost:1", "--model", "tiny", "--timeout", "0"],
        ["--server", "localhost:1", "--model", "tiny", "--ca", "absent.pem"],
    ],
    ids=["nothing", "no model", "no server", "two", "both", "no time", "no certificate"],
)
def test_a_contradictory_source_is_a_usage_error(options, photos, capsys):
    assert main(["score", str(photos), *options]) == USAGE
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "2000000"])
def test_a_timeout_that_no_server_is_given_says_what_is_expected(seconds, photos, capsys):
    options = ["--server", "localhost:1", "--model", "tiny", "--timeout", seconds]
    assert main(["score", str(photos), *options]) == USAGE
    error = capsys.readouterr().err
    assert error == (
        f"residuum: --timeout is {float(seconds)}, expected seconds above 0, at most a million\n"
    )


def test_no_images_are_a_usage_error(offline, capsys):
    assert main(["score", *offline]) == USAGE
    assert capsys.readouterr().err == "residuum: no file or folder was given\n"


def test_an_output_folder_that_is_a_file_is_a_usage_error(offline, photos, capsys):
    arguments = ["compress", str(photos), "--out", str(photos / "a.png"), *offline]
    assert main(arguments) == USAGE
    error = capsys.readouterr().err
    assert error == f"residuum: --out {photos / 'a.png'} is a file; expected a folder\n"


@pytest.mark.parametrize("command", ["compress", "decompress", "score"])
def test_a_command_without_results_leaves_no_folder(command, offline, photos, tmp_path, capsys):
    (photos / "wrong.rsd").write_bytes(b"wrong")
    (photos / "wrong.png").write_bytes(b"wrong")
    inputs = [str(tmp_path / "absent"), str(photos / "wrong.rsd"), str(photos / "wrong.png")]
    option = "--heatmaps" if command == "score" else "--out"
    assert main([command, *inputs, option, str(tmp_path / "new"), *offline]) == FAILED
    assert not (tmp_path / "new").exists()
    *failures, summary = capsys.readouterr().err.splitlines()
    assert len(failures) == 3
    assert summary == "residuum: 0 done, 3 failed"


@pytest.mark.parametrize(
    "arguments", [[], ["squeeze"], ["compress", "x.png"], ["score", "x.png", "--qualty", "3"]]
)
def test_an_invalid_command_line_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == USAGE
    capsys.readouterr()


def test_an_interrupt_leaves_only_whole_files(offline, photos, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    writes = iter(range(2))

    def interrupted(path: Path, target: Path) -> Path:
        if next(writes, None) is None:
            raise KeyboardInterrupt
        return replace(path, target)

    replace = Path.replace
    monkeypatch.setattr(Path, "replace", interrupted)
    assert main(["compress", str(photos), "--out", str(out), *offline]) == INTERRUPTED
    assert below(out) == ["a.rsd", "b.rsd"]
    hint = "residuum: interrupted; 2 of 3 done; continue with --resume\n"
    assert capsys.readouterr().err == hint


def test_odd_file_names_are_printed_in_one_line(offline, tmp_path, files, capsys):
    for name in ("line\nbreak.png", "[bold]ä.png"):
        (tmp_path / name).write_bytes(b"no image")
    (tmp_path / "[red]fine.png").write_bytes(files[0])
    assert main(["score", str(tmp_path), *offline]) == FAILED
    captured = capsys.readouterr()
    *failures, summary = captured.err.splitlines()
    assert len(failures) == 2
    assert summary == "residuum: 1 done, 2 failed"
    assert "[bold]ä.png: " in captured.err
    assert "[red]fine.png" in captured.out


def test_colour_images_with_transparency_and_orientation_get_heat_maps(
    map_bundle, tmp_path, capsys
):
    image = Image.new("RGBA", (20, 12), (255, 0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    image.save(out, "PNG", exif=exif)
    (tmp_path / "a.png").write_bytes(out.getvalue())
    arguments = ["score", str(tmp_path / "a.png"), "--heatmaps", str(tmp_path / "heat")]
    assert main([*arguments, "--bundle", str(map_bundle)]) == OK
    assert read(tmp_path / "heat/a.png").shape == (20, 12, 3)
