"""The whole chain on the sample images, over gRPC: serve, compress, decompress, score.

    make demo

Starts a server with the shipped bundles on free ports, sends the samples beside this file, prints a
line for each, and leaves records, restored images and pictures in the folder given by --out.
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
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from rich.table import Table

from residuum_client import Client, ResiduumError, Score, draw_heatmap

HERE = Path(__file__).parent
U8 = npt.NDArray[np.uint8]
GAP = 4
# Pictures of small images are enlarged to about this width, so that they can be looked at.
PICTURE_WIDTH = 168


@dataclass(frozen=True, slots=True)
class Sample:
    """One image through the whole chain."""

    name: str
    image: U8
    file_bytes: int
    record: bytes
    restored: U8
    score: Score

    @property
    def psnr(self) -> float:
        """Of the restored image, dB."""
        error = np.mean((self.image.astype(np.float64) - self.restored) ** 2)
        return float(10 * np.log10(255.0**2 / max(error, 1e-9)))


@contextmanager
def server(bundles: Path) -> Iterator[str]:
    """A server on free ports of this machine; gives its address and ends it afterwards."""
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
    """Sends a folder of images through one model."""
    files = sorted(folder.glob("*.png"))
    images = [np.asarray(Image.open(file).convert("L"))[..., None] for file in files]
    records = client.encode(images)
    rows = zip(
        files,
        images,
        records,
        client.decode(records),
        client.score(images, heatmaps=True),
        strict=True,
    )
    return [Sample(f.stem, i, f.stat().st_size, r, d, s) for f, i, r, d, s in rows]


def table(model: str, samples: list[Sample]) -> Table:
    """One line for each sample."""
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
    """Originals over restored images over heat maps."""
    height, width = samples[0].image.shape[:2]
    zoom = max(1, PICTURE_WIDTH // width)
    cell = (width * zoom + GAP, height * zoom + GAP)
    picture = Image.new("RGB", (len(samples) * cell[0], 3 * cell[1]), "white")
    for column, s in enumerate(samples):
        heat = (
            s.image
            if s.score.heatmap is None
            else draw_heatmap(s.image, s.score.heatmap, s.score.heat_scale)
        )
        for row, image in enumerate((s.image, s.restored, heat)):
            rgb = np.ascontiguousarray(np.broadcast_to(image, (height, width, 3)))
            tile = Image.fromarray(rgb).resize(
                (width * zoom, height * zoom), Image.Resampling.NEAREST
            )
            picture.paste(tile, (column * cell[0], row * cell[1]))
    return picture


def save(samples: list[Sample], out: Path) -> None:
    """Writes records, restored images and the picture of one model."""
    out.mkdir(parents=True, exist_ok=True)
    for s in samples:
        (out / f"{s.name}.rsd").write_bytes(s.record)
        Image.fromarray(s.restored[..., 0]).save(out / f"{s.name}.restored.png")
    sheet(samples).save(out / "picture.png")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="compress, restore and score the sample images")
    parser.add_argument("--bundles", type=Path, default=HERE / "bundles")
    parser.add_argument("--samples", type=Path, default=HERE / "samples")
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
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
