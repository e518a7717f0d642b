"""How a bundle came about: the part `provenance` of its manifest."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from exporter.graphs import Parity
from exporter.options import Options


def facts(
    info: dict[str, Any], certificate: Parity, calibration_images: int, options: Options
) -> dict[str, Any]:
    """What a bundle says about its training and its export, from the `info` of a checkpoint."""
    return {
        **info["provenance"],
        "command": portable(info["provenance"].get("command", [])),
        "config": info["config"],
        "metrics": info["metrics"],
        "parity": certificate.to_json(),
        "calibration_images": calibration_images,
        "export": asdict(options),
    }


def portable(command: Sequence[str]) -> str:
    """The command that trained a run, with placeholders for the paths of its machine."""
    folders = {"--data": "DIR", "--out": "RUN"}
    words = []
    for before, word in itertools.pairwise(["", *command]):
        option, equals, _ = word.partition("=")
        if equals and option in folders:
            word = f"{option}={folders[option]}"
        words.append(folders.get(before, word))
    return " ".join(words)
