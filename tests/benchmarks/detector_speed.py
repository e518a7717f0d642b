"""CPU time of the detectors for one image, one thread; they are fitted to nothing.

OMP_NUM_THREADS=1 python tests/benchmarks/detector_speed.py
"""

import time

import numpy as np

from codec.detectors import Cells, Components, Detectors, Neighbours
from codec.detectors.statistics import cell_grid, statistics_length

SIDE, REPEATS = 128, 50
SETS = (
    ("cells4", "cells8"),
    ("components60", "neighbours"),
    ("cells4",),
    ("cells8",),
    ("cells16",),
    ("components60",),
    ("smoothed_components60",),
    ("neighbours",),
)


def detectors(channels: int) -> Detectors:
    """The largest of each kind, with random arrays."""
    rng = np.random.default_rng(0)
    length, values = statistics_length(channels), 64 * 64 * channels
    found: dict[str, Components | Neighbours | Cells] = {}
    for side in (4, 8, 16):
        grid = cell_grid((SIDE, SIDE), side)
        mean = rng.normal(size=(length, *grid)).astype(np.float32)
        whitening = rng.normal(size=(length, length, *grid)).astype(np.float32)
        found[f"cells{side}"] = Cells((SIDE, SIDE), side, mean, whitening)
    basis = np.linalg.qr(rng.normal(size=(values, 60)))[0].T.astype(np.float32)
    found["components60"] = Components((64, 64), np.zeros(values, np.float32), basis)
    found["smoothed_components60"] = found["components60"]
    images = rng.integers(0, 256, (2**22 // values, values), np.uint8)
    found["neighbours"] = Neighbours((64, 64), images)
    return Detectors(found)


def cpu_milliseconds(bundle: Detectors, image: np.ndarray, names: tuple[str, ...]) -> float:
    """The least of five means."""
    bundle.maps(image, names)
    means = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(REPEATS):
            bundle.maps(image, names)
        means.append((time.process_time() - start) / REPEATS)
    return 1000 * min(means)


def main() -> None:
    """Prints one line for each set of detectors, with gray and RGB images."""
    print(
        f"{'ms per image':28s}" + "".join(f"{s:>14s}" for s in ("gray 128", "RGB 128", "gray 1024"))
    )
    rng = np.random.default_rng(1)
    cases = [(1, 128), (3, 128), (1, 1024)]
    bundles = {channels: detectors(channels) for channels in (1, 3)}
    for names in SETS:
        cells = []
        for channels, side in cases:
            image = rng.integers(0, 256, (side, side, channels), np.uint8)
            cells.append(cpu_milliseconds(bundles[channels], image, names))
        print(f"{' + '.join(names):28s}" + "".join(f"{cell:14.2f}" for cell in cells))


if __name__ == "__main__":
    main()
