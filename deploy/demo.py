"""Compresses, decompresses and scores the sample images through a server.

    make demo

Starts a server with the shipped bundles on free ports, sends it the sample images of each model,
prints a table, and writes records, restored images and pictures to the folder given by --out.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from codec.arrays import U8
from codec.images.comparison import psnr, squared_error
from residuum_client import Client, ResiduumError, Score, draw_heatmap

HERE = Path(__file__).parent
# Space between the images of a picture, pixels.
GAP = 4
# Small images are enlarged to about this width, pixels.
PICTURE_WIDTH = 168


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample image, its record, the restored image and its score."""

    name: str
    image: U8
    file_bytes: int
    record: bytes
    restored: U8
    score: Score

    @property
    def psnr(self) -> float:
        """PSNR of the restored image, dB."""
        return psnr(squared_error(self.image, self.restored))


@contextmanager
def server(bundles: Path) -> Iterator[str]:
    """Starts a server on free ports and yields its address; ends it afterwards."""
    ports = ["--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--metrics-port", "0"]
    command = [sys.executable, "-m", "service", "--bundles", str(bundles), *ports]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=HERE.parent) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            port = re.search(r"port (\d+)", line)
            if port is None:
                reason = process.stderr.read() if process.stderr else ""
                sys.exit(f"demo: the server did not start: {(line + reason).strip()}")
            yield f"127.0.0.1:{port[1]}"
        finally:
            process.terminate()


def run(client: Client, folder: Path) -> list[Sample]:
    """Compresses, decompresses and scores the images of a folder."""
    files = sorted(folder.glob("*.png"))
    images = [np.asarray(Image.open(file).convert("L"))[..., None] for file in files]
    records = client.encode(images)
    restored = client.decode(records)
    scores = client.score(images, heatmaps=True)
    return [
        Sample(file.stem, image, file.stat().st_size, record, back, score)
        for file, image, record, back, score in zip(
            files, images, records, restored, scores, strict=True
        )
    ]


def table(model: str, samples: list[Sample]) -> Table:
    """A table with one row per sample."""
    rows = Table(title=f"{model}: {samples[0].image.shape[0]}x{samples[0].image.shape[1]} gray")
    rows.add_column("sample")
    for column in ("PNG bytes", "record bytes", "ratio to pixels", "PSNR dB", "score", "p-value"):
        rows.add_column(column, justify="right")
    rows.add_column("verdict")
    for s in samples:
        verdict = "[red]anomalous[/]" if s.score.anomalous else "[green]normal[/]"
        size = len(s.record)
        figures = [f"{s.file_bytes}", f"{size}", f"{s.image.size / size:.0f}", f"{s.psnr:.1f}"]
        rows.add_row(s.name, *figures, f"{s.score.value:.2f}", f"{s.score.p_value:.2g}", verdict)
    return rows


def sheet(samples: list[Sample]) -> Image.Image:
    """A picture of three rows: originals, restored images, heat maps."""
    height, width = samples[0].image.shape[:2]
    zoom = max(1, PICTURE_WIDTH // width)
    cell = (width * zoom + GAP, height * zoom + GAP)
    picture = Image.new("RGB", (len(samples) * cell[0], 3 * cell[1]), "white")
    for column, s in enumerate(samples):
        drawn = s.image
        if s.score.heatmap is not None:
            drawn = draw_heatmap(s.image, s.score.heatmap, s.score.heatmap_vmax)
        for row, image in enumerate((s.image, s.restored, drawn)):
            rgb = np.ascontiguousarray(np.broadcast_to(image, (height, width, 3)))
            tile = Image.fromarray(rgb).resize(
                (width * zoom, height * zoom), Image.Resampling.NEAREST
            )
            picture.paste(tile, (column * cell[0], row * cell[1]))
    return picture


def save(samples: list[Sample], out: Path) -> None:
    """Writes the records, restored images and picture of one model."""
    out.mkdir(parents=True, exist_ok=True)
    for s in samples:
        (out / f"{s.name}.rsd").write_bytes(s.record)
        Image.fromarray(s.restored[..., 0]).save(out / f"{s.name}.restored.png")
    sheet(samples).save(out / "picture.png")


def main() -> None:
    """Runs the demo. Exits with a message if the server cannot start or a call fails."""
    parser = argparse.ArgumentParser(
        description="compress, decompress and score the sample images through a server"
    )
    parser.add_argument(
        "--bundles", type=Path, default=HERE / "bundles", help="folder of bundles to serve"
    )
    parser.add_argument(
        "--samples", type=Path, default=HERE / "samples", help="a folder of PNGs per model"
    )
    parser.add_argument("--out", type=Path, default=Path("build/demo"), help="folder to write to")
    options = parser.parse_args()
    console = Console(width=110)
    try:
        with server(options.bundles.resolve()) as address:
            for folder in sorted(path for path in options.samples.iterdir() if path.is_dir()):
                with Client(address, model=folder.name) as client:
                    samples = run(client, folder)
                save(samples, options.out / folder.name)
                console.print(table(folder.name, samples))
                console.print(f"pictures: {options.out / folder.name / 'picture.png'}\n")
    except ResiduumError as error:
        sys.exit(f"demo: {error}")


if __name__ == "__main__":
    main()
