"""Which scores are fused, from how well they find drawn defects: a pure function of the figures.

Scores of one kind mostly agree, so the best of each kind is taken. Where A is its AUROC for a group
of drawn defects and B that of the best score, it has the quality ((A - 1/2) / (B - 1/2))², within
0..1, in that group: what is best for some defects counts, even if other scores see more of the
others. Its weight is the mean over the groups, relative to the best score; scores below a tenth are
left out. Fused are the weighted squares of the standardised values (codec.scores.scores).
"""

from collections.abc import Mapping

import numpy as np

LEAST_WEIGHT = 0.1
_CHANCE = 0.5
# No score sees a group of defects if the best one is less than this above chance.
_LEAST_GAIN = 0.05


def choose(
    figures: Mapping[str, Mapping[str, float]], kinds: Mapping[str, str]
) -> dict[str, float]:
    """The weights, in (0, 1], of the scores to fuse by name, best first.

    `figures` are the AUROC of each score for each group of drawn defects, `kinds` names the kind of
    each. If no score is better than chance, the best one alone has the weight 1.
    """
    gains = np.array([list(groups.values()) for groups in figures.values()]) - _CHANCE
    relative = (gains / np.maximum(gains.max(0), _LEAST_GAIN)).clip(0, 1)
    quality = dict(zip(figures, np.square(relative).mean(1).tolist(), strict=True))
    means = dict(zip(figures, gains.mean(1).tolist(), strict=True))
    best: dict[str, str] = {}
    for name in sorted(figures, key=lambda name: (-quality[name], -means[name])):
        best.setdefault(kinds[name], name)
    names = list(best.values())
    top = quality[names[0]]
    if top == 0:
        return {names[0]: 1.0}
    weights = {name: quality[name] / top for name in names}
    return {name: weight for name, weight in weights.items() if weight >= LEAST_WEIGHT}
