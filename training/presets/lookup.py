"""All presets by name; every field can be overridden on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from training.config.run import TrainConfig
from training.presets import reslag_table1
from training.presets.codecs import CODECS
from training.presets.families import FAMILIES
from training.presets.shipped import SHIPPED
from training.presets.standard_sets import STANDARD_SETS

PRESETS: Mapping[str, TrainConfig] = MappingProxyType(
    {**SHIPPED, **FAMILIES, **STANDARD_SETS, **CODECS, **reslag_table1.presets()}
)


def preset_names() -> str:
    """The names for the usage message, where a table of presets is one line."""
    single = [name for name in PRESETS if "/" not in name]
    return "\n".join(
        [
            ", ".join(single),
            "codec/DATASET with DATASET of mnist, cifar10, faces",
            f"ours/DATASET with DATASET of {', '.join(reslag_table1.OURS)}",
            f"reproduce/DATASET/MODEL with DATASET of {', '.join(reslag_table1.DATASETS)}",
            f"    and MODEL of {', '.join(reslag_table1.MODELS)}",
        ]
    )
