"""Rates and evidence through the library and the command, from a server and from a bundle."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from residuum_client import AsyncClient, Client, InvalidInput, Offline
from residuum_client.__main__ import FAILED, OK, USAGE, main

RATES = [{"quality": 2}, {"target_bytes": 45}, {"target_psnr": 9.0}, {}]


@pytest.fixture
def client(target):
    with Client(target, model="tiny") as client:
        yield client


@pytest.fixture(scope="module")
def offline(bundle):
    with Offline(bundle, provider="cpu") as offline:
        yield offline


@pytest.fixture(params=["server", "bundle"])
def source(request, target, bundle):
    """Options of a command for either."""
    server = ["--server", target, "--model", "tiny"]
    return server if request.param == "server" else ["--bundle", str(bundle)]


@pytest.fixture(scope="module")
def hill():
    """An image like those of the training, not anomalous."""
    y, x = np.mgrid[0:16, 0:16]
    bump = 100 * np.exp(-((y - 8) ** 2 + (x - 7) ** 2) / 18)
    noise = np.random.default_rng(3).normal(0, 2, (16, 16))
    return np.clip(60 + bump + noise, 0, 255).astype(np.uint8)[..., None]


@pytest.fixture
def folder(tmp_path, hill, images):
    """A normal image and an anomalous one as files."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    for name, image in (("hill", hill), ("noise", images[0])):
        Image.fromarray(image[..., 0]).save(inputs / f"{name}.png")
    return inputs


def lines(text):
    return {Path(row["path"]).stem: row for row in map(json.loads, text.splitlines())}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("options", RATES, ids=lambda options: " ".join(options) or "default")
def test_a_server_and_a_bundle_compress_equally_at_every_rate(client, offline, images, options):
    results = client.compress(images, **options)
    assert results == offline.compress(images, **options)
    assert [one.record for one in results] == client.encode(images, **options)
    assert [one.record for one in results] == offline.encode(images, **options)
    assert [one.evidence_bytes for one in results] == [0] * len(images)
    for one, image in zip(results, images, strict=True):
        assert [one.record] == offline.encode([image], quality=one.quality)


def test_a_server_and_a_bundle_keep_the_same_evidence(client, offline, images, hill):
    options = {"target_bytes": 45, "evidence": True, "false_alarm_rate": 0.05}
    results = client.compress([hill, *images], **options)
    assert results == offline.compress([hill, *images], **options)
    assert results[0].evidence_bytes == 0
    assert min(one.evidence_bytes for one in results[1:]) > 0
    records = [one.record for one in results]
    for ours, theirs in zip(client.restore(records), offline.restore(records), strict=True):
        np.testing.assert_array_equal(ours.image, theirs.image)
        assert ours.evidence == theirs.evidence
    for one, image in zip(client.decode(records), offline.decode(records), strict=True):
        np.testing.assert_array_equal(one, image)


def test_an_image_equals_the_original_inside_its_boxes(client, images):
    for image, restored in zip(
        images, client.restore(client.encode(images, evidence=True)), strict=True
    ):
        assert restored.evidence
        for box in restored.evidence:
            part = np.s_[box.top : box.top + box.height, box.left : box.left + box.width]
            np.testing.assert_array_equal(restored.image[part], image[part])


def test_images_of_any_size_have_boxes_too(target, map_bundle, mixed_images):
    with Client(target, model="tiny-map") as client, Offline(map_bundle) as offline:
        results = client.compress(mixed_images, evidence=True, false_alarm_rate=0.3)
        assert results == offline.compress(mixed_images, evidence=True, false_alarm_rate=0.3)
        restored = client.restore([one.record for one in results])
    assert [bool(one.evidence) for one in restored] == [one.evidence_bytes > 0 for one in results]
    assert any(one.evidence for one in restored)


def test_the_asyncio_client_compresses_and_restores_equally(target, client, images):
    async def work():
        async with AsyncClient(target, model="tiny") as other:
            results = await other.compress(images, target_psnr=9.0, evidence=True)
            records = await other.encode(images, target_psnr=9.0, evidence=True)
            assert records == [one.record for one in results]
            decoded = await other.decode(records)
            return results, await other.restore(records), decoded

    results, restored, decoded = asyncio.run(work())
    assert results == client.compress(images, target_psnr=9.0, evidence=True)
    theirs = client.restore([one.record for one in results])
    assert [one.evidence for one in restored] == [one.evidence for one in theirs]
    for one, image in zip(restored, decoded, strict=True):
        np.testing.assert_array_equal(one.image, image)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"quality": 3, "target_bytes": 9},
            "quality and target_bytes are given, expected",
        ),
        ({"target_bytes": 9, "target_psnr": 20.0}, "given, expected at most one of them"),
        ({"target_bytes": 0}, "target_bytes is 0, expected at least 1"),
        ({"target_bytes": -1}, "target_bytes is -1, expected at least 1"),
        ({"target_bytes": 9.5}, "target_bytes is 9.5, expected at least 1"),
        ({"target_psnr": -1.0}, "target_psnr is -1.0, expected decibels above 0"),
        ({"target_psnr": "20"}, "target_psnr is '20', expected decibels above 0"),
        ({"quality": 1.5}, "quality is 1.5, expected a level"),
        ({"quality": -1}, "quality is -1, expected a level"),
        ({"quality": 99}, "quality is 99, the model has levels 0..16"),
        ({"false_alarm_rate": 0.1}, "false_alarm_rate is given without evidence"),
        ({"false_alarm_rate": 2.0, "evidence": True}, "false_alarm_rate is 2.0, expected a number"),
        ({"target_psnr": float("inf")}, "target_psnr is inf, expected decibels above 0"),
        ({"target_psnr": float("nan")}, "target_psnr is nan, expected decibels above 0"),
        (
            {"qualiti": 3},
            "unknown option qualiti; expected quality, target_bytes, target_psnr, evidence,"
            " false_alarm_rate",
        ),
    ],
)
def test_invalid_options_are_rejected_equally(client, offline, images, options, sentence):
    for backend in (client, offline):
        with pytest.raises(InvalidInput) as caught:
            backend.encode(images, **options)
        assert sentence in str(caught.value)


def test_an_image_that_misses_its_target_is_named_by_its_index_in_the_whole_list(
    client, offline, images, hill
):
    """In the second message."""
    small = len(offline.encode([hill], quality=0)[0])
    many = [*[hill] * 300, images[0]]
    for backend in (client, offline):
        with pytest.raises(InvalidInput, match=r"^image 300: .*target_bytes is \d+") as caught:
            backend.encode(many, target_bytes=small)
        assert caught.value.index == 300


def test_the_command_prints_sizes_quality_and_evidence(
    source, offline, folder, hill, images, tmp_path, capsys
):
    out = tmp_path / "out"
    flags = ["--target-bytes", "60", "--evidence", "--false-alarm-rate", "0.05"]
    assert main(["compress", str(folder), "--out", str(out), "--json", *flags, *source]) == OK
    rows = lines(capsys.readouterr().out)
    results = offline.compress(
        [hill, images[0]], target_bytes=60, evidence=True, false_alarm_rate=0.05
    )
    for name, one in zip(("hill", "noise"), results, strict=True):
        assert (out / f"{name}.rsd").read_bytes() == one.record
        assert rows[name]["record_bytes"] == len(one.record)
        assert rows[name]["evidence_bytes"] == one.evidence_bytes
        assert rows[name]["quality"] == one.quality
    assert rows["hill"]["evidence_bytes"] == 0 < rows["noise"]["evidence_bytes"]


def test_the_table_sums_the_evidence(source, folder, tmp_path, capsys):
    arguments = ["compress", str(folder), "--out", str(tmp_path / "out"), "--evidence"]
    assert main([*arguments, *source]) == OK
    table = [
        [cell.strip() for cell in line.strip("│┃ ").split("│")]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("│")
    ]
    cells = {Path(row[0]).stem: row for row in table}
    assert cells["total"][3] == cells["noise"][3] != "0"
    assert cells["hill"][3] == "0"
    assert cells["noise"][5] == "8"


def test_decompress_lists_the_boxes_of_evidence(source, offline, folder, images, tmp_path, capsys):
    records, out = tmp_path / "records", tmp_path / "out"
    main(["compress", str(folder), "--out", str(records), "--evidence", *source])
    capsys.readouterr()
    assert main(["decompress", str(records), "--out", str(out), "--json", *source]) == OK
    rows = lines(capsys.readouterr().out)
    assert rows["hill"]["evidence"] == []
    (expected,) = offline.restore([(records / "noise.rsd").read_bytes()])
    boxes = [(b.top, b.left, b.height, b.width) for b in expected.evidence]
    assert [tuple(box.values()) for box in rows["noise"]["evidence"]] == boxes
    np.testing.assert_array_equal(pixels(out / "noise.png"), expected.image[..., 0])
    top, left, height, width = boxes[0]
    part = np.s_[top : top + height, left : left + width]
    np.testing.assert_array_equal(pixels(out / "noise.png")[part], images[0][part][..., 0])
    assert main(["decompress", str(records), "--out", str(out), "--force", *source]) == OK
    table = capsys.readouterr().out
    assert f"{height}x{width} at {top},{left}" in table
    assert "none" in table


def test_files_that_miss_their_target_fail_one_by_one(
    source, offline, folder, hill, tmp_path, capsys
):
    small = len(offline.encode([hill], quality=0)[0])
    out = tmp_path / "out"
    arguments = ["compress", str(folder), "--out", str(out), "--target-bytes", str(small)]
    assert main([*arguments, *source]) == FAILED
    *failures, summary = capsys.readouterr().err.splitlines()
    assert summary == "residuum: 1 done, 1 failed"
    assert len(failures) == 1
    assert failures[0].startswith(f"{folder / 'noise.png'}: the smallest record of this image has ")
    assert failures[0].endswith(f"; target_bytes is {small}")
    assert [path.name for path in out.iterdir()] == ["hill.rsd"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--quality", "3", "--target-bytes", "9"], "--quality and --target-bytes are given"),
        (["--target-psnr", "30", "--quality", "3"], "--quality and --target-psnr are given"),
        (["--false-alarm-rate", "0.1"], "--false-alarm-rate is given without --evidence"),
        (["--quality", "-1"], "--quality is -1, expected a level, an integer from 0 up"),
        (["--target-bytes", "0"], "--target-bytes is 0, expected at least 1"),
        (["--target-psnr", "0"], "--target-psnr is 0.0, expected decibels above 0"),
        (
            ["--evidence", "--false-alarm-rate", "5"],
            "--false-alarm-rate is 5.0, expected a number between 0 and 1",
        ),
    ],
)
def test_options_that_no_model_takes_are_a_usage_error(
    options, sentence, source, folder, tmp_path, capsys
):
    out = tmp_path / "out"
    assert main(["compress", str(folder), "--out", str(out), *options, *source]) == USAGE
    assert capsys.readouterr().err.startswith(f"residuum: {sentence}")
    assert not out.exists()


def test_an_archived_anomaly_is_restored_exactly(
    source, bundle, folder, offline, images, tmp_path, capsys
):
    archive, out = tmp_path / "kept.rsa", tmp_path / "out"
    assert main(["archive", "create", str(archive), str(folder), "--evidence", *source]) == OK
    assert main(["archive", "extract", str(archive), "--out", str(out), *source]) == OK
    (expected,) = offline.restore(offline.encode(images[:1], evidence=True))
    assert expected.evidence
    np.testing.assert_array_equal(pixels(out / "noise.png"), expected.image[..., 0])
    again = ["archive", "add", str(archive), str(folder / "hill.png")]
    options = ["--target-bytes", "9", "--quality", "3"]
    assert main([*again, *options, "--bundle", str(bundle)]) == USAGE
    assert (
        "--quality and --target-bytes are given, expected at most one of them"
        in capsys.readouterr().err
    )
