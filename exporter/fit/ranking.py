"""Scores ranked by how well they find drawn defects: no test image and no label is needed.

Held-out normal images and copies of them with drawn defects are scored as a server scores them. A
map is normalised by the mean map of normal images. Those of an image and of its copies leave out
the part of the images that it belongs to, as the mean of all leaves out a new image: otherwise the
normal images would look more normal than new ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from codec.arrays import F32, F64, U8, Mask
from codec.bundle.bundle import Bundle
from codec.bundle.fitted_detectors import SEGMENTER_MAP
from codec.bundle.npz import score_names
from codec.detectors import Candidate
from codec.graphs.protocol import Graphs
from exporter.fit.candidates import (
    NATIVE_WINDOWS,
    all_candidates,
    chunks,
    kind_of,
    map_shapes,
    scale_of,
    scorer_with,
    sums_of_maps,
)
from training.data.defects import RANKING_GROUPS, draw, draw_bank
from training.metrics.images import auroc, evenly

# Fewer held-out images do not rank scores: an AUROC would be a matter of chance.
LEAST_IMAGES = 20
# Normal images that are ranked on at most, and copies with defects of each group.
MOST_IMAGES = 200
# Copies of one image in a group at most.
COPIES = 3
# Pixels of all images that are scored at most, unless the least number of images needs more.
MOST_PIXELS = 2**26
PARTS = 10
# Scores of the codes, which are ranked with the candidates.
OWN_SCORES = ("rate", "latent")
_SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Scores of held-out images and of their copies with drawn defects.

    `positions` are those of the `n` images among all held-out ones. `normal [n, S]` and
    `drawn [m, S]` by group hold the scores in the order of `names`; `scales` are those of all n.
    """

    candidates: tuple[Candidate, ...]
    names: tuple[str, ...]
    positions: list[int]
    normal: F64
    drawn: dict[str, F64]
    scales: dict[str, F32]

    def figures(self) -> dict[str, dict[str, float]]:
        """The AUROC of each score that is ranked, for each group."""
        columns = {name: place for place, name in enumerate(self.names)}
        return {
            name: {
                group: _auroc(self.normal[:, columns[name]], table[:, columns[name]])
                for group, table in self.drawn.items()
            }
            for name in self.kinds()
        }

    def kinds(self) -> dict[str, str]:
        """The kind of map of each score that is ranked.

        A segmenter is sure of single pixels, so of its windows only the narrowest is ranked: drawn
        defects are larger than many real ones and would favour a wide one.
        """
        found = {name: name for name in OWN_SCORES}
        for one in self.candidates:
            if one.map != SEGMENTER_MAP or one.window <= NATIVE_WINDOWS[0]:
                found[one.name] = kind_of(one.map)
        return found


class Drawings:
    """Copies of normal images with drawn defects, each drawn when it is asked for."""

    def __init__(self, images: Sequence[U8], others: Sequence[U8]) -> None:
        """`images` and `others`, normal images that parts are taken from, are `[H, W, C]`."""
        self._images = images
        self._others = [other.transpose(2, 0, 1) for other in others]
        height, width = np.median([image.shape[:2] for image in images], axis=0)
        self._bank = draw_bank(_SEED, round(float(height)), round(float(width)))

    def draw(self, group: str, number: int) -> tuple[U8, Mask]:
        """Copy `number` of a group, of the image at `number` modulo their count, and its mask."""
        image = self._images[number % len(self._images)].transpose(2, 0, 1)
        rng = np.random.default_rng((_SEED, list(RANKING_GROUPS).index(group), number))
        kinds = RANKING_GROUPS[group]
        drawn, masks = draw(image[None], self._others, self._bank, rng, kinds, most=1)
        return np.ascontiguousarray(drawn[0].transpose(1, 2, 0)), masks[0]


def rank(bundle: Bundle, graphs: Graphs, held_out: Sequence[U8], drawings: Drawings) -> Ranking:
    """Scores all candidates of a bundle with all of its detectors; images are `[H, W, C]`.

    `drawings` are of the images at `ranked_positions`.
    """
    positions = ranked_positions(held_out)
    images = [held_out[i] for i in positions]
    parts = [number % PARTS for number in range(len(images))]
    sums = sums_of_maps(bundle, graphs, images, parts)
    candidates = all_candidates(map_shapes(bundle))
    score = replace(bundle.manifest.score, candidates=candidates, heatmap=())
    names, copies = score_names(score), copies_of(images)
    normal = np.zeros((len(images), len(names)))
    drawn = {group: np.zeros((copies, len(names))) for group in RANKING_GROUPS}
    for part in range(PARTS):
        inside = [i for i in range(len(images)) if parts[i] == part]
        left = len(images) - len(inside)
        scales = {
            name: scale_of((all_parts.sum(0) - all_parts[part]) / left)
            for name, all_parts in sums.items()
        }
        scorer = scorer_with(bundle, graphs, replace(bundle.detectors, scales=scales), score)
        numbers = [n for n in range(copies) if parts[n % len(images)] == part]
        for rows, table, pictures in _batches(inside, numbers, images, drawings, normal, drawn):
            for row, raw in zip(rows, scorer.raw_scores(pictures), strict=True):
                table[row] = [raw.scores[name] for name in names]
    scales = {name: scale_of(all_parts.sum(0) / len(images)) for name, all_parts in sums.items()}
    return Ranking(candidates, names, positions, normal, drawn, scales)


def _batches(
    inside: Sequence[int],
    numbers: Sequence[int],
    images: Sequence[U8],
    drawings: Drawings,
    normal: F64,
    drawn: dict[str, F64],
) -> Iterator[tuple[Sequence[int], F64, list[U8]]]:
    """Rows of a table, the table, and the images to score for them."""
    for part in chunks([images[i] for i in inside]):
        yield inside[part], normal, [images[i] for i in inside[part]]
    for group, table in drawn.items():
        for part in chunks([images[n % len(images)] for n in numbers]):
            yield numbers[part], table, [drawings.draw(group, n)[0] for n in numbers[part]]


def ranked_positions(held_out: Sequence[U8]) -> list[int]:
    """The evenly spread held-out images that scores are ranked on."""
    wanted = min(MOST_IMAGES, max(LEAST_IMAGES, _affordable(held_out)))
    return evenly(len(held_out), wanted)


def copies_of(images: Sequence[U8]) -> int:
    """Copies with drawn defects in each group, for these normal images."""
    affordable = max(len(images), _affordable(images))
    return min(MOST_IMAGES, COPIES * len(images), affordable)


def _affordable(images: Sequence[U8]) -> int:
    """Normal images that can be scored, with as many copies of each group."""
    pixels = float(np.mean([image.shape[0] * image.shape[1] for image in images]))
    return int(MOST_PIXELS / pixels / (1 + len(RANKING_GROUPS)))


def _auroc(normal: F64, drawn: F64) -> float:
    truth = np.repeat([False, True], [len(normal), len(drawn)])
    return auroc(np.concatenate([normal, drawn]), truth)
