"""Bundles with detectors, made from the tiny bundles without training anything."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from codec import Bundle, Codec, Scorer, load_bundle
from codec.bundle.bundle import DETECTORS, MANIFEST, write_bundle
from codec.bundle.npz import pack_arrays, score_names
from codec.detectors import Candidate, Cells, Components, Detectors, Neighbours
from codec.detectors.statistics import cell_grid, statistics_length
from codec.graphs.onnx import open_graphs
from codec.scores import scores as formulas

CANDIDATES = (
    Candidate(map="components20", normalised=True, window=3),
    Candidate(map="components20", statistic="mean"),
    Candidate(map="smoothed_components4", window=3),
    Candidate(map="neighbours", window=5),
    Candidate(map="cells4", window=1),
    Candidate(map="cells8", normalised=True, statistic="mean"),
    Candidate(map="cells4", window=3),
    Candidate(map="residual", window=5),
    Candidate(map="smoothed_residual", window=3),
    Candidate(map="structure", statistic="mean"),
)
HEATMAP = ("components20-normalised-peak3", "cells4-peak1", "residual-peak5")


def random_cells(
    rng: np.random.Generator, side: int, channels: int, size: tuple[int, int]
) -> Cells:
    """A Gaussian per position that nothing was fitted to."""
    length, grid = statistics_length(channels), cell_grid(size, side)
    mean = rng.random((length, *grid), dtype=np.float32)
    whitening = rng.normal(0, 2, (length, length, *grid)).astype(np.float32)
    return Cells(size, side, mean, whitening)


def random_detectors(
    seed: int = 0, channels: int = 1, size: tuple[int, int] = (16, 16)
) -> Detectors:
    """Detectors of each kind, and ranges of a heat map of three."""
    rng = np.random.default_rng(seed)
    values = channels * size[0] * size[1]
    basis = np.linalg.qr(rng.normal(size=(values, 4)))[0].T.astype(np.float32)
    scale = rng.random(size, dtype=np.float32) + np.float32(0.1)
    cells8 = random_cells(rng, 8, channels, size)
    return Detectors(
        {
            "components20": Components(size, rng.random(values, dtype=np.float32), basis),
            "smoothed_components4": Components(size, rng.random(values, dtype=np.float32), basis),
            "neighbours": Neighbours(size, rng.integers(0, 256, (9, values), np.uint8)),
            "cells4": random_cells(rng, 4, channels, size),
            "cells8": cells8,
        },
        {"components20": scale, "cells8": np.full(cells8.shape, 0.5, np.float32)},
        floor=np.array([0.0, 1.0, 0.1]),
        full=np.array([4.0, 9.0, 6.0]),
    )


def write_with_detectors(
    source: Path,
    out: Path,
    images: Sequence[np.ndarray],
    candidates: tuple[Candidate, ...] = CANDIDATES,
    heatmap: tuple[str, ...] = HEATMAP,
    fused: tuple[str, ...] = ("peak", CANDIDATES[0].name, CANDIDATES[5].name),
) -> Bundle:
    """The bundle of `source` with candidates, calibrated on these images `[H, W, C]`."""
    old = load_bundle(source)
    detectors = random_detectors(channels=old.manifest.input.channels)
    score = replace(old.manifest.score, candidates=candidates, heatmap=heatmap, fused=fused)
    draft = replace(old, manifest=replace(old.manifest, score=score), detectors=detectors)
    found = list(Scorer(Codec(draft, open_graphs(draft, "cpu"))).raw_scores(images))
    names = score_names(score)
    table = np.array([[raw.scores[name] for name in names] for raw in found])
    maxima = np.array([raw.heatmap.max() for raw in found])
    mean, std, values, vmax = formulas.calibrate(table, fused, maxima, names)
    calibration = replace(
        old.calibration,
        score_mean=mean,
        score_std=std,
        fused=values,
        heatmap_vmax=vmax,
        heatmap_peaks=np.sort(maxima.astype(np.float64)),
    )
    members = {
        file.name: file.read_bytes() for file in source.iterdir() if file.name != MANIFEST
    } | {
        "calibration.npz": pack_arrays(calibration.to_arrays()),
        DETECTORS: pack_arrays(detectors.pack()),
    }
    write_bundle(out, draft.manifest, members)
    return load_bundle(out)
