"""The scores of a bundle, chosen by drawn defects: detectors, candidates, weights, heat map."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from codec import Codec, Scorer
from codec.arrays import F64, U8
from codec.bundle.bundle import Bundle
from codec.bundle.npz import score_names
from codec.detectors import Candidate, Detectors
from codec.graphs.protocol import Graphs
from codec.scores.scores import HEATMAP_QUANTILE
from exporter.fit.choice import choose
from exporter.fit.detectors import fit_detectors, vary_in_size
from exporter.fit.heat_choice import choose_heatmap, heat_candidates
from exporter.fit.ranking import Drawings, Ranking, rank, ranked_positions
from exporter.fit.weighted import calibrate_weighted, far_outside

# Scores in the model card: the best, and all that are used.
SHOWN = 12
RANKING = "ranking"


def with_chosen_scores(
    bundle: Bundle,
    graphs: Graphs,
    training: Sequence[U8],
    held_out: Sequence[U8],
    log: Callable[[str], None],
) -> Bundle:
    """A calibrated bundle with the scores that find drawn defects best on held-out images.

    Images are `[H, W, C]`. `bundle` must have tables and the residual variance. Its provenance gets
    the figures of the ranking.
    """
    spec = bundle.manifest.input
    if note := sizes_note([*training, *held_out], sized=spec.sized):
        log(note)
    found = fit_detectors(training, spec)
    log(f"fitted {len(found)} detectors: {', '.join(found)}")
    bundle = replace(bundle, detectors=Detectors(found))
    images = [held_out[i] for i in ranked_positions(held_out)]
    log(f"ranking scores on {len(images)} held-out images and copies with drawn defects")
    drawings = Drawings(images, training)
    ranking = rank(bundle, graphs, held_out, drawings)
    weights = choose(ranking.figures(), ranking.kinds())
    log(f"scores that decide: {', '.join(weights)}")
    everything = replace(bundle, detectors=replace(bundle.detectors, scales=ranking.scales))
    options = heat_candidates(list(weights), ranking)
    heat, floor, full = choose_heatmap(everything, graphs, images, drawings, options)
    log(f"heat map: {', '.join(one.name for one in heat)}")
    bundle = _with_candidates(everything, ranking, weights, heat)
    bundle = replace(bundle, detectors=replace(bundle.detectors, floor=floor, full=full))
    log(f"calibrating on {len(held_out)} held-out images")
    return _calibrated(bundle, graphs, held_out, ranking, weights)


def sizes_note(images: Sequence[U8], *, sized: bool) -> str:
    """A sentence about images of several sizes, which are compared place by place; may be empty."""
    sizes = {image.shape[:2] for image in images}
    if len(sizes) == 1 or not sized:
        return ""
    if vary_in_size(images):
        return f"images of {len(sizes)} sizes: no detector compares whole images"
    return f"images of {len(sizes)} sizes: whole images are compared scaled to one size"


def _with_candidates(
    bundle: Bundle, ranking: Ranking, weights: Mapping[str, float], heat: Sequence[Candidate]
) -> Bundle:
    """The bundle with the chosen candidates, and only the detectors and scales that they need."""
    shown = [one.name for one in heat]
    used = tuple(one for one in ranking.candidates if one.name in weights or one.name in shown)
    maps = {one.map for one in used}
    divided = {one.map for one in used if one.normalised}
    detectors = Detectors(
        {name: one for name, one in bundle.detectors.by_name.items() if name in maps},
        {name: scale for name, scale in ranking.scales.items() if name in divided},
    )
    score = replace(
        bundle.manifest.score, candidates=used, fused=tuple(weights), heatmap=tuple(shown)
    )
    figures = {RANKING: _record(ranking, weights, shown)}
    provenance = {**bundle.manifest.provenance, **figures}
    manifest = replace(bundle.manifest, score=score, provenance=provenance)
    return replace(bundle, manifest=manifest, detectors=detectors)


def _record(ranking: Ranking, weights: Mapping[str, float], heat: Sequence[str]) -> dict[str, Any]:
    """The figures of the best scores and of all that are used, for the provenance."""
    figures = ranking.figures()
    best = sorted(figures, key=lambda name: -sum(figures[name].values()))
    shown = [name for i, name in enumerate(best) if i < SHOWN or name in weights or name in heat]
    return {
        "images": len(ranking.normal),
        "drawn": len(next(iter(ranking.drawn.values()))),
        "scores": [
            {
                "name": name,
                "auroc": {group: round(figure, 4) for group, figure in figures[name].items()},
                "weight": round(weights.get(name, 0.0), 4),
                "heatmap": name in heat,
            }
            for name in shown
        ],
    }


def _calibrated(
    bundle: Bundle,
    graphs: Graphs,
    held_out: Sequence[U8],
    ranking: Ranking,
    weights: Mapping[str, float],
) -> Bundle:
    spec = bundle.manifest.score
    names = score_names(spec)
    table, peaks = np.zeros((len(held_out), len(names))), np.zeros(len(held_out))
    for row, raw in enumerate(Scorer(Codec(bundle, graphs)).raw_scores(held_out)):
        table[row] = [raw.scores[name] for name in names]
        peaks[row] = raw.heatmap.max()
    _replace_normalised(table, spec.candidates, names, ranking)
    weight = np.array([weights.get(name, 0.0) for name in names])
    mean, deviation, fused = calibrate_weighted(table, spec, weight)
    calibration = replace(
        bundle.calibration,
        score_mean=mean,
        score_std=deviation,
        fused=fused,
        heatmap_vmax=np.quantile(peaks, [HEATMAP_QUANTILE]),
        score_weight=weight,
        heatmap_peaks=np.sort(peaks),
    )
    provenance = dict(bundle.manifest.provenance)
    far = far_outside(table, names, spec.fused)
    provenance[RANKING] = {**provenance[RANKING], "far_outside": far}
    manifest = replace(bundle.manifest, provenance=provenance)
    return replace(bundle, manifest=manifest, calibration=calibration)


def _replace_normalised(
    table: F64, candidates: Sequence[Candidate], names: Sequence[str], ranking: Ranking
) -> None:
    """Sets the scores that images had when they did not count in their own scale, in place."""
    for one in candidates:
        if one.normalised:
            ranked = ranking.normal[:, ranking.names.index(one.name)]
            table[ranking.positions, names.index(one.name)] = ranked
