"""PCA with our quantiser, our integer tables, our range coder and our framing.

Principal components of the training images (of their blocks, where images are photographs), one
step for all of them, tables fitted on the codes of the training images. The numbers of components
and the steps on the hull of rate and distortion are kept: those are the points of the curve.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codec.arrays import F32, U8
from rate_distortion import ours, sets
from rate_distortion.cache import Results
from rate_distortion.measurement import Measurement, squared_error
from training.models.pca import Pca, fit_pca

COMPONENTS = (24, 40, 64, 100, 144, 200, 250, 300, 400, 600)
STEPS = tuple(0.25 * 2 ** (k / 2) for k in range(7))
# Tables are fitted on this many training images or blocks, evenly spread; more change no byte.
TABLE_VECTORS = 30_000
CHUNK_IMAGES = 256


@dataclass(frozen=True, slots=True)
class Candidate:
    """A number of components and a step, with the rate and distortion that they should give."""

    components: int
    step: float
    bits: float
    error: float


def measure(images: sets.ImageSet, data: Path, kept: Path) -> Results:
    """The points of the hull; `kept` holds components that were fitted before."""
    spec = images.spec
    own = sets.training_images(spec, data)
    mirrored = [image[:, ::-1] for image in own] if spec.mirrored else []
    training = vectors([*own, *mirrored], spec)
    pca = _components(training, kept / f"pca-{spec.name}-{len(training)}.npz")
    learnt = _project(pca, training[sets.spread(len(training), TABLE_VECTORS)])
    seen = vectors(images.images, spec)
    codes = _project(pca, seen)
    results: Results = {}
    tables = {step: _fit(learnt, step) for step in STEPS}
    for one in hull(_candidates(seen, codes, pca, tables)):
        fitted = ours.first_dimensions(tables[one.step], one.components)
        found, records = _point(images, codes, pca, one, fitted)
        setting = f"{one.components} of step {one.step:.3g}"
        results |= ours.in_layouts(found, records, ours.NO_MODEL, setting)
    return results


def vectors(images: Sequence[U8], spec: sets.Spec) -> npt.NDArray[np.uint8]:
    """Images, or their blocks, as rows `[N, P]`."""
    return np.concatenate([_blocks(image, spec.block) for image in images])


def _blocks(image: U8, side: int) -> npt.NDArray[np.uint8]:
    """`[n, P]`: blocks row by row, without what is over at the edges; the image where side is 0."""
    if side == 0:
        return image.reshape(1, -1)
    down, across, channels = image.shape[0] // side, image.shape[1] // side, image.shape[2]
    whole = image[: down * side, : across * side]
    blocks = whole.reshape(down, side, across, side, channels).transpose(0, 2, 1, 3, 4)
    return blocks.reshape(down * across, -1)


def _unblocked(rows: U8, like: U8, side: int) -> U8:
    if side == 0:
        return rows.reshape(like.shape)
    down, across, channels = like.shape[0] // side, like.shape[1] // side, like.shape[2]
    blocks = rows.reshape(down, across, side, side, channels).transpose(0, 2, 1, 3, 4)
    return blocks.reshape(like.shape)


def hull(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those on the lower convex hull of bits over decibels, cheapest first."""
    at = {one: (-10 * float(np.log10(one.error)), one.bits) for one in candidates}
    best: list[Candidate] = []
    for one in sorted(candidates, key=lambda c: at[c]):
        x, y = at[one]
        if best and at[best[-1]][0] == x:
            continue  # as good, and dearer
        best = [kept for kept in best if at[kept][1] < y]  # dominated: worse and no cheaper
        while len(best) > 1 and _above(at[best[-2]], at[best[-1]], (x, y)):
            best.pop()
        best.append(one)
    return best


def _above(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])


def _components(training: npt.NDArray[np.uint8], path: Path) -> Pca:
    count = min(max(COMPONENTS), training.shape[1], len(training))
    if path.exists():
        with np.load(path, allow_pickle=False) as kept:
            return Pca(kept["mean"], kept["components"], kept["variances"], float(kept["residual"]))
    pca = fit_pca(training, count)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **pca._asdict())
    return pca


def _project(pca: Pca, rows: npt.NDArray[np.uint8]) -> F32:
    components, mean = pca.components.astype(np.float32).T, pca.mean.astype(np.float32)
    parts = [rows[i : i + 4096].astype(np.float32) / 255 - mean for i in range(0, len(rows), 4096)]
    return np.concatenate([part @ components for part in parts])


def _fit(learnt: F32, step: float) -> ours.Tables:
    return ours.fit_tables(_quantised(learnt, step))


def _quantised(latents: F32, step: float) -> npt.NDArray[np.int32]:
    return ours.quantise(latents, np.full(latents.shape[1], step, np.float32))


def _candidates(
    seen: npt.NDArray[np.uint8], codes: F32, pca: Pca, tables: dict[float, ours.Tables]
) -> list[Candidate]:
    """Rate and distortion of every number of components with every step, without decoding."""
    scaled = (seen[i : i + 4096].astype(np.float32) / 255 for i in range(0, len(seen), 4096))
    energy = sum(float(((part - pca.mean.astype(np.float32)) ** 2).sum()) for part in scaled)
    found = []
    for step, table in tables.items():
        quantised = _quantised(codes, step)
        gain = codes**2 - (codes - quantised * np.float32(step)) ** 2
        lost = energy - np.cumsum(gain.sum(0, dtype=np.float64))
        bits = np.cumsum(ours.table_bits(table, quantised))
        found += [
            Candidate(d, step, float(bits[d - 1]), float(lost[d - 1]) / seen.size)
            for d in COMPONENTS
            if d <= codes.shape[1]
        ]
    return found


def _point(
    images: sets.ImageSet, codes: F32, pca: Pca, one: Candidate, tables: ours.Tables
) -> tuple[Measurement, list[bytes]]:
    """What one candidate makes of all images, and its records."""
    d, side, count = one.components, images.spec.block, len(codes) // len(images.images)
    quantised = _quantised(np.ascontiguousarray(codes[:, :d]), one.step).reshape(-1, count, d)
    payloads = ours.payloads(tables, np.ascontiguousarray(quantised.transpose(0, 2, 1)))
    components, mean = pca.components[:d].astype(np.float32), pca.mean.astype(np.float32)
    records = [
        ours.framed(payload, image.shape[:2] if side else None)
        for image, payload in zip(images.images, payloads, strict=True)
    ]
    errors = []
    for first in range(0, len(quantised), CHUNK_IMAGES):
        latents = quantised[first : first + CHUNK_IMAGES] * np.float32(one.step)
        rows = np.rint(255 * (latents.reshape(-1, d) @ components + mean)).clip(0, 255)
        back = rows.astype(np.uint8).reshape(len(latents), count, -1)
        chunk = images.images[first : first + CHUNK_IMAGES]
        errors += [
            squared_error(image, _unblocked(own, image, side))
            for image, own in zip(chunk, back, strict=True)
        ]
    model = {"components": components, "mean": mean} | ours.as_arrays(tables)
    found = Measurement(
        stored=np.array([len(record) for record in records], np.float64),
        payload=np.array([len(payload) for payload in payloads], np.float64),
        errors=np.array(errors),
        model=ours.packed_bytes(model),
    )
    return found, records
