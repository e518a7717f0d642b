"""All kinds of defects by name."""

from __future__ import annotations

from codec.arrays import U8
from training.data.defects.global_kinds import GLOBAL_KINDS
from training.data.defects.logical_kinds import LOGICAL_KINDS
from training.data.defects.place import Rng, Scene
from training.data.defects.structural_kinds import FAINT_KINDS, STRONG_KINDS
from training.data.defects.training_kinds import FILLS, fill

_RANKING = {**STRONG_KINDS, **FAINT_KINDS, **LOGICAL_KINDS, **GLOBAL_KINDS}

TRAINING_KINDS = tuple(FILLS)
RANKING_KINDS = tuple(_RANKING)
RANKING_GROUPS = {
    "structural strong": tuple(STRONG_KINDS),
    "structural faint": tuple(FAINT_KINDS),
    "logical": tuple(LOGICAL_KINDS),
    "global": tuple(GLOBAL_KINDS),
}


def apply(name: str, image: U8, scene: Scene, rng: Rng) -> None:
    """Draws one defect of that kind on image [C, H, W], in place."""
    if name in FILLS:
        fill(name, image, scene, rng)
    else:
        _RANKING[name](image, scene, rng)
