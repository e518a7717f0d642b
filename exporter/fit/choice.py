"""Which scores are fused, from how well they find drawn defects: a pure function of the figures.

For each family of candidates (one map, normalised or not) the best pooling is taken. The weight of
a score is w = max(0, (A - 1/2) / (B - 1/2))², where A is its mean AUROC over the groups of drawn
defects and B that of the best score; scores below a fifth are left out. Fused are the weighted
squares of the standardised values (codec.scores.scores).
"""

from collections.abc import Mapping

import numpy as np

LEAST_WEIGHT = 0.2
_CHANCE = 0.5


def choose(
    figures: Mapping[str, Mapping[str, float]], families: Mapping[str, str]
) -> dict[str, float]:
    """The weights, in (0, 1], of the scores to fuse by name, best first.

    `figures` are the AUROC of each score for each group of drawn defects, `families` names the
    family of each. If no score is better than chance, the best one alone has the weight 1.
    """
    means = {name: float(np.mean(list(groups.values()))) for name, groups in figures.items()}
    best: dict[str, str] = {}
    for name in sorted(means, key=lambda name: -means[name]):
        best.setdefault(families[name], name)
    names = list(best.values())
    top = means[names[0]] - _CHANCE
    if top <= 0:
        return {names[0]: 1.0}
    weights = {name: max(0.0, (means[name] - _CHANCE) / top) ** 2 for name in names}
    return {name: weight for name, weight in weights.items() if weight >= LEAST_WEIGHT}
