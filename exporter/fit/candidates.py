"""All candidates for the score of a bundle, and what their maps are divided by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from codec import Codec, Scorer
from codec.arrays import F32, F64, U8
from codec.bundle.bundle import Bundle
from codec.bundle.fitted_detectors import SEGMENTER_MAP
from codec.bundle.manifest import ScoreSpec
from codec.detectors import Candidate, Detectors
from codec.detectors.candidates import NATIVE_MAPS
from codec.graphs.protocol import Graphs
from codec.images.files import prepare

# The maps that any bundle has, of an image and its decoded record.
RECORD_MAPS = ("residual", "smoothed_residual", "structure")
# Windows that maps are smoothed with, in values of the map.
WINDOWS, NATIVE_WINDOWS = (1, 3, 7, 13), (3, 7, 13)
# Part of the mean over all positions that is added to the scale of each.
SHARED = 0.2
# Pixels of the images that are scored in one call.
CHUNK_PIXELS = 2**21
_LEAST_SCALE = 1e-12


def all_candidates(shapes: Mapping[str, tuple[int, int] | None]) -> tuple[Candidate, ...]:
    """Each map with each window, normalised or not, by its maximum and by its mean.

    `shapes` are rows and columns of the maps by name, None for maps of any size: those are not
    normalised. Windows that cover more than half of a map are left out.
    """
    found = []
    for name, shape in shapes.items():
        smallest = 2 * max(NATIVE_WINDOWS) if shape is None else min(shape)
        windows = NATIVE_WINDOWS if name in NATIVE_MAPS else WINDOWS
        for normalised in (False, True) if shape else (False,):
            found += [
                Candidate(map=name, normalised=normalised, window=window)
                for window in windows
                if window == windows[0] or 2 * window <= smallest
            ]
            found.append(Candidate(map=name, normalised=normalised, statistic="mean"))
    return tuple(found)


def kind_of(name: str) -> str:
    """The kind of a map: `components` of `smoothed_components60`."""
    return name.rstrip("0123456789").removeprefix("smoothed_")


def map_shapes(bundle: Bundle) -> dict[str, tuple[int, int] | None]:
    """Rows and columns of all maps of a bundle with its detectors; None for any size, and for the
    map of the segmenter.
    """
    spec = bundle.manifest.input
    fixed = None
    if not spec.sized and spec.height is not None and spec.width is not None:
        fixed = spec.height, spec.width
    detectors = {name: one.shape for name, one in bundle.detectors.by_name.items()}
    found = {**detectors, **dict.fromkeys(RECORD_MAPS, fixed)}
    # A segmenter knows what is usual where: its map is not divided by anything.
    return found if bundle.segmenter is None else {**found, SEGMENTER_MAP: None}


def scorer_with(bundle: Bundle, graphs: Graphs, detectors: Detectors, score: ScoreSpec) -> Scorer:
    """A scorer of a bundle with other candidates; its verdicts mean nothing."""
    manifest = replace(bundle.manifest, score=score)
    return Scorer(Codec(replace(bundle, manifest=manifest, detectors=detectors), graphs))


def chunks(images: Sequence[U8]) -> list[slice]:
    """Slices of a sequence of images `[H, W, C]` that are scored in one call each."""
    largest = max((image.shape[0] * image.shape[1] for image in images), default=1)
    count = max(1, CHUNK_PIXELS // largest)
    return [slice(start, start + count) for start in range(0, len(images), count)]


def maps_of(bundle: Bundle, graphs: Graphs, images: Sequence[U8], name: str) -> Iterator[F32]:
    """A map of each of the images `[H, W, C]`, `[h', w']`, neither normalised nor smoothed."""
    if name not in NATIVE_MAPS:
        for image in images:
            target = prepare(image, bundle.manifest.input).target
            yield bundle.detectors.maps(target, [name])[name]
        return
    # The heat map of this one candidate is its map.
    plain = Candidate(map=name)
    score = replace(
        bundle.manifest.score, candidates=(plain,), heatmap=(plain.name,), fused=(plain.name,)
    )
    detectors = replace(bundle.detectors, floor=np.zeros(1), full=np.ones(1))
    scorer = scorer_with(bundle, graphs, detectors, score)
    for part in chunks(images):
        for raw in scorer.raw_scores(images[part]):
            yield raw.heatmap


def sums_of_maps(
    bundle: Bundle, graphs: Graphs, images: Sequence[U8], parts: Sequence[int]
) -> dict[str, F64]:
    """Sums `[K, h, w]` of the maps of one size over the images of each of K parts.

    `parts` are the numbers, 0 to K - 1, of the part that each image belongs to.
    """
    shapes = {name: shape for name, shape in map_shapes(bundle).items() if shape is not None}
    sums = {name: np.zeros((max(parts) + 1, *shape)) for name, shape in shapes.items()}
    for name, total in sums.items():
        for values, part in zip(maps_of(bundle, graphs, images, name), parts, strict=True):
            total[part] += values
    return sums


def scale_of(mean: F64) -> F32:
    """What a map is divided by at each position, from the mean map `[h, w]` of normal images."""
    scale: F32 = np.maximum(mean + SHARED * mean.mean(), _LEAST_SCALE).astype(np.float32)
    return scale
