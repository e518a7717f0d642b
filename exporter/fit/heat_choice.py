"""Which maps make the heat map: those that show drawn defects best."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from codec.arrays import F32, F64, U8, Mask
from codec.bundle.bundle import Bundle
from codec.detectors import Candidate
from codec.detectors.candidates import smoothed
from codec.detectors.working import stretched
from codec.graphs.protocol import Graphs
from codec.scores.scores import HEATMAP_QUANTILE
from exporter.fit.candidates import RECORD_MAPS, kind_of, maps_of
from exporter.fit.ranking import Drawings, Ranking, copies_of
from training.data.defects import RANKING_GROUPS
from training.metrics.images import auroc, evenly

T = TypeVar("T")
# Groups whose defects have a place; those of the whole image have none.
PLACED = tuple(group for group in RANKING_GROUPS if group != "global")
# Maps of two other kinds than the best are added unless the AUROC falls by more than this: they see
# what drawn defects do not show. A gain on drawn defects alone chose one map of a narrow window.
MOST_MAPS, MOST_LOSS = 3, 0.02
# Copies of each group that are drawn, normal images that give the range, and rows and columns of a
# map that are compared.
COPIES, NORMAL, SIDE = 16, 40, 64


def heat_candidates(fused: Sequence[str], ranking: Ranking) -> list[Candidate]:
    """The maps that are computed anyway, with every window."""
    used = {(one.map, one.normalised) for one in ranking.candidates if one.name in fused}
    used |= {(name, False) for name in RECORD_MAPS}
    return [
        one
        for one in ranking.candidates
        if one.statistic == "peak" and (one.map, one.normalised) in used
    ]


def choose_heatmap(
    bundle: Bundle,
    graphs: Graphs,
    images: Sequence[U8],
    drawings: Drawings,
    options: Sequence[Candidate],
) -> tuple[list[Candidate], F64, F64]:
    """At most three maps, with the floor and the full value `[n]` of each.

    `images` are normal, `[H, W, C]`. Between floor and full value a map goes from the mean of
    normal images to the value that one of ten reaches. The best map is joined by the best of other
    kinds, as long as the mean over groups of the pixel AUROC of their sum falls by at most 0.02.
    """
    normal = [images[i] for i in evenly(len(images), NORMAL)]
    numbers = evenly(copies_of(images), COPIES)
    copies = [drawings.draw(group, number) for group in PLACED for number in numbers]
    thinned = np.stack([_thinned(mask.astype(np.float32)) > 0 for _, mask in copies])
    masks = dict(zip(PLACED, thinned.reshape(len(PLACED), -1), strict=True))
    ranges: dict[str, tuple[float, float]] = {}
    values: dict[str, dict[str, F32]] = {}
    for name, group in _by_map(options).items():
        seen = _stretched(bundle, maps_of(bundle, graphs, normal, name), normal, group)
        ranges |= {one: _range(maps) for one, maps in _collected(seen, _extremes).items()}
        pictures = [picture for picture, _ in copies]
        seen = _stretched(bundle, maps_of(bundle, graphs, pictures, name), pictures, group)
        for one, maps in _collected(seen, _thinned).items():
            floor, full = ranges[one]
            heat = (np.stack(maps) / (full - floor)).astype(np.float32)
            values[one] = dict(zip(PLACED, heat.reshape(len(PLACED), -1), strict=True))
    chosen = grow(values, masks)
    found = {option.name: option for option in options}
    floors, fulls = np.array([ranges[name] for name in chosen]).T
    return [found[name] for name in chosen], floors, fulls


def _by_map(options: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    found: dict[str, list[Candidate]] = {}
    for one in options:
        found.setdefault(one.map, []).append(one)
    return found


def _stretched(
    bundle: Bundle, maps: Iterable[F32], images: Sequence[U8], options: Sequence[Candidate]
) -> Iterator[dict[str, F32]]:
    """The smoothed maps of one image after the other by the names of the options, `[H, W]`."""
    for values, image in zip(maps, images, strict=True):
        found = {}
        for one in options:
            scale = bundle.detectors.scales[one.map] if one.normalised else None
            found[one.name] = smoothed(values, one, scale)
            if one.map in bundle.detectors.by_name:
                offset = bundle.detectors.by_name[one.map].offset
                size = image.shape[0], image.shape[1]
                found[one.name] = stretched(found[one.name], offset, size, slice(0, size[0]))
        yield found


def _collected(maps: Iterable[dict[str, F32]], part: Callable[[F32], T]) -> dict[str, list[T]]:
    """A part of each map, so that no map is kept."""
    found: dict[str, list[T]] = {}
    for one in maps:
        for name, values in one.items():
            found.setdefault(name, []).append(part(values))
    return found


def grow(values: Mapping[str, Mapping[str, F32]], masks: Mapping[str, Mask]) -> list[str]:
    """Names of at most three maps, each of another kind: greedy by the AUROC of their sum.

    `values [n]` of each map by group, and `masks [n]` by group, True inside a defect. None is added
    after which the AUROC is more than 0.02 below that of the first.
    """
    chosen, first = list[str](), -np.inf
    total = {group: np.zeros(len(mask), np.float32) for group, mask in masks.items()}
    while len(chosen) < min(MOST_MAPS, len(values)):
        figures = {
            name: float(np.mean([_auroc(total[g] + one[g], masks[g]) for g in masks]))
            for name, one in values.items()
            if _kind(name) not in {_kind(other) for other in chosen}
        }
        best = max(figures, key=lambda name: figures[name], default="")
        if not best or figures[best] < first - MOST_LOSS:
            break
        first = figures[best] if not chosen else first
        chosen.append(best)
        total = {group: total[group] + values[best][group] for group in masks}
    return chosen


def _kind(name: str) -> str:
    """The kind of map of a candidate."""
    return kind_of(name.partition("-")[0])


def _auroc(values: F32, mask: Mask) -> float:
    """The AUROC of pixels; that of chance where nothing could be drawn."""
    return auroc(values, mask) if mask.any() and not mask.all() else 0.5


def _extremes(values: F32) -> tuple[float, float]:
    return float(values.mean(dtype=np.float64)), float(values.max())


def _range(extremes: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Floor and full value from mean and maximum of the maps of normal images."""
    means, peaks = np.array(extremes).T
    floor, full = float(means.mean()), float(np.quantile(peaks, HEATMAP_QUANTILE))
    return floor, max(full, floor + max(1e-9, 1e-6 * abs(floor)))


def _thinned(values: F32) -> F32:
    """Values at evenly spread rows and columns of `[H, W]`, flat; always as many."""
    rows, columns = ((np.arange(SIDE) * 2 + 1) * size // (2 * SIDE) for size in values.shape)
    return values[np.ix_(rows, columns)].ravel()
