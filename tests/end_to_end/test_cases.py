"""Inputs from the field that broke other tools, each through a real command, server or reader."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import subprocess
import sys
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import finished, started

from codec.arrays import U8
from codec.errors import InvalidInput as CodecInvalidInput
from codec.image_reader import read_image
from exporter.options import Options
from exporter.refit import refit
from residuum_client import Client, InvalidInput, Offline
from training.config.run import DataConfig
from training.data.datasets import training_and_validation
from training.data.labelled import labelled_test
from training.errors import TrainingError

ROOT = Path(__file__).resolve().parents[2]
EXACT, ANY = ROOT / "tests/data/tiny_bundle", ROOT / "tests/data/tiny_map_bundle"
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("RESIDUUM_")},
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'clients/python'}",
}
RESIDUUM = "import sys, residuum_command; sys.exit(residuum_command.main())"
PORTS = ["--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--metrics-port", "0"]
GRAY = DataConfig(channels=1)

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Server:
    """A server in a process."""

    pid: int
    address: str
    metrics: str
    log: Path

    def peak(self) -> int:
        """The highest memory of its serving process so far, bytes."""
        (child,) = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        status = Path(f"/proc/{child}/status").read_text()
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])

    def encoded_rows(self) -> float:
        """Images that its encoders have computed so far."""
        with urllib.request.urlopen(self.metrics) as page:  # noqa: S310
            text = page.read().decode()
        pattern = r'^residuum_batch_images_sum\{method="encode".*\} (\S+)'
        return sum(map(float, re.findall(pattern, text, re.MULTILINE)))


@contextmanager
def serving(bundles: Path, log: Path, *options: str, **environment: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "service", "--bundles", str(bundles), *PORTS, *options]
    with (
        log.open("wb") as stderr,
        started(
            command,
            seconds=240,
            cwd=ROOT,
            env=ENVIRONMENT | environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        ready = re.search(rb"port (\d+), admin \d+, metrics (\d+)", process.stdout.readline())
        assert ready, log.read_text()
        port, metrics = int(ready[1]), f"http://127.0.0.1:{int(ready[2])}/metrics"
        yield Server(process.pid, f"127.0.0.1:{port}", metrics, log)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With default settings, the models `tiny` and `tiny-map`, and a `gs` that leaves a mark."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "bundles").mkdir()
    for bundle in (EXACT, ANY):
        (folder / "bundles" / bundle.name).symlink_to(bundle)
    with serving(folder / "bundles", folder / "log", PATH=path_with_ghostscript(folder)) as running:
        yield running
    assert not (folder / "gs-was-run").exists()


def path_with_ghostscript(folder: Path) -> str:
    """A search path on which `gs` makes the file `gs-was-run` in `folder`."""
    (folder / "bin").mkdir()
    script = folder / "bin/gs"
    script.write_text(f"#!/bin/sh\ntouch '{folder / 'gs-was-run'}'\n")
    script.chmod(0o755)
    return f"{script.parent}{os.pathsep}{os.environ['PATH']}"


@dataclass(frozen=True)
class Ended:
    """A command that ended; `lines` are those of stderr."""

    status: int
    rows: list[dict[str, object]]
    lines: list[str]


def residuum(*words: object, **environment: str) -> Ended:
    """Runs the command `residuum` with JSON lines as output."""
    command = [sys.executable, "-c", RESIDUUM, *map(str, words), "--json"]
    done = finished(command, cwd=ROOT, env=ENVIRONMENT | environment)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return Ended(done.returncode, rows, done.stderr.decode().splitlines())


def compress(server: Server, *words: object) -> Ended:
    """`residuum compress` through a server, by the model that takes any size."""
    return residuum("compress", *words, "--server", server.address, "--model", "tiny-map")


def noise(path: Path, size: tuple[int, int] = (16, 24), mode: str = "L", seed: int = 0) -> U8:
    """Writes an image file of noise; its pixels `[H, W]` or `[H, W, C]`."""
    rng = np.random.default_rng((seed, *path.name.encode()))
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = rng.integers(0, 255, (*size, *channels), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def mask(path: Path, value: int = 255) -> None:
    """Writes a mask of 16x24 with a corner of 8x8 marked."""
    pixels = np.zeros((16, 24), np.uint8)
    pixels[:8, :8] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def mvtec(root: Path, good: str = "good", suffix: str = "png") -> None:
    """The images of a data set that show no defect."""
    for part, count in (("train", 6), ("test", 3)):
        for index in range(count):
            noise(root / part / good / f"{index:03}.{suffix}")


def phone_jpeg() -> bytes:
    """60x40, to be turned by its orientation 6, and a resolution that is -1/0."""
    entries = [(274, 3, struct.pack("<H", 6)), (282, 10, struct.pack("<ll", -1, 0))]
    directory, body = struct.pack("<H", len(entries)), b""
    for tag, kind, value in entries:
        place = struct.pack("<L", 8 + 2 + 12 * len(entries) + 4 + len(body))
        directory += struct.pack("<HHL", tag, kind, 1)
        directory += value.ljust(4, b"\0") if len(value) <= 4 else place
        body += b"" if len(value) <= 4 else value
    exif = b"Exif\0\0II*\0" + struct.pack("<L", 8) + directory + b"\0\0\0\0" + body
    pixels = np.add.outer(3 * np.arange(40), 2 * np.arange(60)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", exif=exif, quality=100)
    return file.getvalue()


def png_of_16_bits() -> bytes:
    """An RGB file that Pillow opens as 8 bits."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        length, check = struct.pack(">I", len(data)), struct.pack(">I", zlib.crc32(kind + data))
        return length + kind + data + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0))
    rows = zlib.compress(b"".join(b"\0" + bytes(96) for _ in range(16)))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_1_metadata_never_decide_about_pixels(server: Server, tmp_path: Path) -> None:
    """Only the orientation is read, whatever else is damaged."""
    data = phone_jpeg()
    with Image.open(io.BytesIO(data)) as file:
        lying = np.asarray(file)
    upright = np.rot90(lying, -1)
    (tmp_path / "phone.jpg").write_bytes(data)
    noise(tmp_path / "other.png")
    with Client(server.address, model="tiny-map") as client, Offline(ANY) as offline:
        expected = offline.encode([upright, upright])
        assert client.encode([data, upright]) == expected == offline.encode([data, upright])
    np.testing.assert_array_equal(read_image(data, 1)[..., 0], upright)
    learned, held_out = training_and_validation(GRAY, tmp_path)
    assert sorted(image.shape for image in [*learned, *held_out]) == [(1, 16, 24), (1, 60, 40)]


def test_2_only_the_documented_formats_are_read_whatever_a_file_is_called(
    server: Server, tmp_path: Path
) -> None:
    noise(tmp_path / "good.png")
    picture = Image.new("RGB", (16, 16))
    formats = ("DDS", "TGA", "ICO", "PPM", "SGI", "PCX", "PDF", "EPS", "MSP")
    for name in formats:
        mode = "1" if name == "MSP" else "RGB"
        picture.convert(mode).save(tmp_path / f"{name}.png", name)
    ended = compress(server, tmp_path, "--out", tmp_path / "out")
    assert [Path(str(row["path"])).name for row in ended.rows] == ["good.png"]
    *lines, summary = ended.lines
    assert all("not an image of a known format" in line for line in lines)
    assert sorted(Path(line.split(":")[0]).stem for line in lines) == sorted(formats)
    assert summary == "residuum: 1 done, 9 failed"


def test_3_postscript_is_never_run(server: Server, tmp_path: Path) -> None:
    """The server has a Ghostscript too, and its fixture looks whether it was run."""
    page = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\nshowpage\n%%EOF\n"
    for name in ("photo.png", "photo.eps"):
        (tmp_path / name).write_text(page)
    files = [tmp_path / "photo.png", tmp_path / "photo.eps"]
    search = path_with_ghostscript(tmp_path)
    for source in (["--bundle", ANY], ["--server", server.address, "--model", "tiny-map"]):
        ended = residuum("score", *files, *source, PATH=search)
        assert [": the file is not an image" in line for line in ended.lines[:2]] == [True, True]
    assert not (tmp_path / "gs-was-run").exists()


def test_4_more_than_8_bits_are_refused_by_name_in_every_reader(
    server: Server, tmp_path: Path
) -> None:
    tiff = io.BytesIO()
    Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16)).save(tiff, "TIFF")
    for data in (png_of_16_bits(), tiff.getvalue()):
        with pytest.raises(CodecInvalidInput, match="16 bits a channel; only 8-bit images"):
            read_image(data, 1)
        with Client(server.address, model="tiny-map") as client, Offline(ANY) as offline:
            for model in (client, offline):
                with pytest.raises(InvalidInput, match=r"image 0: .* 16 bits a channel"):
                    model.encode([data])
    (tmp_path / "rgb16.png").write_bytes(png_of_16_bits())
    noise(tmp_path / "good.png")
    with pytest.raises(TrainingError, match="16 bits a channel"):
        training_and_validation(GRAY, tmp_path)


def test_5_training_and_codec_compose_transparency_in_one_way(tmp_path: Path) -> None:
    for index in range(4):
        noise(tmp_path / "train/good" / f"{index}.png", mode="RGBA", seed=index)
    learned, held_out = training_and_validation(DataConfig(channels=3), tmp_path)
    seen = {image.tobytes() for image in [*learned, *held_out]}
    files = (tmp_path / "train/good").iterdir()
    expected = [read_image(path.read_bytes(), 3).transpose(2, 0, 1).tobytes() for path in files]
    assert seen == set(expected)


def test_6_an_array_that_has_two_readings_is_refused_with_both(server: Server) -> None:
    array = np.zeros((16, 24, 1), np.uint8)
    with Client(server.address, model="tiny-map") as client, Offline(ANY) as offline:
        for model in (client, offline):
            with pytest.raises(InvalidInput, match=r"one image \[16, 24\] .* or 16 gray images"):
                model.encode(array)
            assert len(model.encode(np.stack([array, array]))) == 2


def test_7_other_words_for_good_and_bad_are_known(tmp_path: Path) -> None:
    mvtec(tmp_path, "ok", "bmp")
    noise(tmp_path / "test/ko/0020.bmp")
    mask(tmp_path / "ground_truth/ko/0020.png")
    found = labelled_test(GRAY, tmp_path)
    assert found.defect.sum() == 1
    assert [m.sum() for m in found.masks if m is not None] == [64]


@pytest.mark.parametrize("value", [1, 3])
def test_8_every_level_of_a_mask_except_0_is_defect(value: int, tmp_path: Path) -> None:
    mvtec(tmp_path)
    noise(tmp_path / "test/bad/000.png")
    mask(tmp_path / "ground_truth/bad/000_mask.png", value)
    assert [m.sum() for m in labelled_test(GRAY, tmp_path).masks if m is not None] == [64]


def test_9_no_layout_trains_on_defects_or_masks(tmp_path: Path) -> None:
    for index in range(6):
        for root, normal, bad, masks in (
            ("plain", "normal", "abnormal", "mask"),
            ("visa", "Data/Images/Normal", "Data/Images/Anomaly", "Data/Masks/Anomaly"),
        ):
            noise(tmp_path / root / normal / f"{index}.png")
            noise(tmp_path / root / bad / f"{index}.png")
            mask(tmp_path / root / masks / f"{index}.png", 1)
    rows = [f"Data/Images/Normal/{i}.png,normal," for i in range(6)]
    rows += [f"Data/Images/Anomaly/{i}.png,x,Data/Masks/Anomaly/{i}.png" for i in range(6)]
    (tmp_path / "visa/image_anno.csv").write_text("\n".join(["image,label,mask", *rows, ""]))
    for root in ("plain", "visa"):
        said: list[str] = []
        learned, held_out = training_and_validation(GRAY, tmp_path / root, said.append)
        assert len(learned) + len(held_out) <= 6
        assert re.search(r"layout \S+: .*6 defect.*6 with mask", said[0])
        assert labelled_test(GRAY, tmp_path / root).defect.sum() == 6


def test_9_a_folder_of_data_sets_is_refused_with_their_names(tmp_path: Path) -> None:
    for kind in ("bottle", "cable"):
        mvtec(tmp_path / kind)
    with pytest.raises(TrainingError, match="several data sets; give one of: bottle, cable"):
        training_and_validation(GRAY, tmp_path)


def test_10_outputs_are_named_after_the_paths_that_were_given(
    server: Server, tmp_path: Path
) -> None:
    noise(tmp_path / "store/blob.png")
    for folder in ("a", "b"):
        (tmp_path / "in" / folder).mkdir(parents=True)
        (tmp_path / "in" / folder / "x.png").symlink_to(tmp_path / "store/blob.png")
    ended = compress(server, tmp_path / "in", "--out", tmp_path / "out")
    found = sorted((tmp_path / "out").rglob("*.rsd"))
    assert [str(path.relative_to(tmp_path / "out")) for path in found] == ["a/x.rsd", "b/x.rsd"]
    assert (ended.status, ended.lines, len(ended.rows)) == (0, [], 2)


def test_11_a_table_is_printed_in_any_encoding_and_without_control_characters(
    tmp_path: Path,
) -> None:
    noise(tmp_path / "in/图像.png", (16, 16))
    noise(tmp_path / "in/red\x1b[31m.png", (16, 16))
    # Short paths, since a table folds long ones.
    command = [sys.executable, "-c", RESIDUUM, "compress", "in", "--out", "out"]
    environment = ENVIRONMENT | {"PYTHONIOENCODING": "cp1252"}
    done = finished([*command, "--bundle", str(EXACT)], cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    table = done.stdout.decode("cp1252")
    assert "??.png" in table
    assert "red?[31m.png" in table
    assert "\x1b" not in table


def test_12_good_files_are_computed_once_among_broken_ones(server: Server, tmp_path: Path) -> None:
    for index in range(8):
        noise(tmp_path / f"a{index}.png", (128, 128))
    for index in range(20):
        (tmp_path / f"b{index:02}.png").write_bytes(b"\x89PNG broken")
    before = server.encoded_rows()
    ended = compress(server, tmp_path, "--out", tmp_path / "out")
    assert server.encoded_rows() - before == 8
    assert (len(ended.rows), ended.lines[-1]) == (8, "residuum: 8 done, 20 failed")
    assert len(ended.lines) == 21


def test_13_what_the_server_refuses_costs_its_own_files_only(tmp_path: Path) -> None:
    """The server takes 4 images a message, and a file that is larger than its messages may be."""
    noise(tmp_path / "in/large.png", (1200, 1200))
    for index in range(10):
        noise(tmp_path / "in" / f"{index}.png")
    limits = ("--max-images", "4", "--max-message-mb", "1")
    with serving(ANY, tmp_path / "log", *limits) as strict:
        ended = compress(strict, tmp_path / "in", "--out", tmp_path / "out", "--timeout", "3")
    assert len(ended.rows) == 10
    assert [Path(line.split(":")[0]).name for line in ended.lines] == ["large.png", "residuum"]


def test_14_a_canvas_that_the_model_does_not_take_is_not_decoded(server: Server) -> None:
    file = io.BytesIO()
    Image.new("1", (8190, 8190), 1).save(file, "PNG")
    canvases = [file.getvalue()] * 16
    before = server.peak()
    with Client(server.address, model="tiny", timeout=30) as client:
        found = list(client.compress_each(canvases))
    assert all(isinstance(error, InvalidInput) for error in found)
    assert all("8190x8190" in str(error) and "16x16" in str(error) for error in found)
    assert server.peak() - before < 8190 * 8190


def test_15_a_folder_for_metrics_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    with serving(ANY, tmp_path / "log", PROMETHEUS_MULTIPROC_DIR="/nowhere") as running:
        assert running.encoded_rows() == 0
    lines = (tmp_path / "log").read_text().splitlines()
    assert sum("PROMETHEUS_MULTIPROC_DIR is ignored" in line for line in lines) == 1
    assert not any("Traceback" in line for line in lines)


def test_16_ten_calibration_images_give_the_smallest_rate_they_support(tmp_path: Path) -> None:
    """Of 25 images, the bundle holds 10 out. Its own rate, 0.05, needs 19."""
    for index in range(25):
        noise(tmp_path / "data" / f"{index:02}.png", (16, 16))
    said: list[str] = []
    refit(EXACT, tmp_path / "bundle", tmp_path / "data", Options(), said.append)
    assert any("default false-alarm rate 0.091, for 10 held-out images" in s for s in said)
    with (
        serving(tmp_path / "bundle", tmp_path / "log") as running,
        Client(running.address, model="tiny") as client,
    ):
        assert client.describe().model.false_alarm_rate == pytest.approx(1 / 11)
        assert client.score([np.zeros((16, 16), np.uint8)])[0].p_value >= 1 / 11


def test_17_a_proxy_variable_is_named_where_it_is_in_the_way(server: Server) -> None:
    """It is not for this machine, and no proxy listens at its address."""
    variables = {"http_proxy": "http://127.0.0.1:9", "no_proxy": "", "https_proxy": ""}
    address = server.address.replace("127.0.0.1", "localhost")
    assert residuum("models", "--server", address, **variables).status == 0
    ended = residuum("models", "--server", "192.0.2.1:50051", "--timeout", "5", **variables)
    assert (ended.status, len(ended.lines)) == (1, 1)
    assert "http_proxy is set" in ended.lines[0]


def test_18_one_bundle_is_served_as_a_folder_of_one(tmp_path: Path) -> None:
    with (
        serving(EXACT, tmp_path / "log") as running,
        Client(running.address, model="tiny") as client,
    ):
        assert [model.name for model in client.models()] == ["tiny"]


def test_19_what_is_skipped_is_counted_and_said(server: Server, tmp_path: Path) -> None:
    noise(tmp_path / "a.png")
    Image.new("L", (16, 24)).save(tmp_path / "b.jfif", "JPEG")
    for name in ("c.heic", "d.pgm", "e.heic"):
        (tmp_path / name).write_bytes(b"something")
    said: list[str] = []
    learned, held_out = training_and_validation(GRAY, tmp_path, said.append)
    ended = compress(server, tmp_path, "--out", tmp_path / "out")
    assert len(ended.rows) == len(learned) + len(held_out) == 2
    assert "skipped 2 .heic, 1 .pgm" in said[0]
    assert ended.lines == ["residuum: 2 done; skipped 2 .heic, 1 .pgm"]


def test_20_libraries_add_no_line_to_the_failures(server: Server, tmp_path: Path) -> None:
    """Damaged data of a fax make libtiff print, a cut tag makes Pillow warn."""
    noise(tmp_path / "good.png")
    for index in range(6):
        path = tmp_path / f"fax{index}.tif"
        pixels = np.random.default_rng(index).integers(0, 2, (64, 64), dtype=np.uint8) * 255
        Image.fromarray(pixels).convert("1").save(path, compression="group4")
        data = bytearray(path.read_bytes())
        data[8:200] = bytes(192)
        path.write_bytes(data)
    Image.new("RGB", (16, 16)).save(tmp_path / "cut.tif", description="x" * 5000)
    (tmp_path / "cut.tif").write_bytes((tmp_path / "cut.tif").read_bytes()[:2000])
    logged = server.log.read_text()
    for source in (["--bundle", ANY], ["--server", server.address, "--model", "tiny-map"]):
        ended = residuum("score", tmp_path, *source)
        *lines, summary = ended.lines
        assert summary == f"residuum: {len(ended.rows)} done, {len(lines)} failed"
        assert all(line.startswith(f"{tmp_path}/") for line in lines)
        assert len(lines) + len(ended.rows) == 8
    assert server.log.read_text() == logged
