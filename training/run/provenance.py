"""The provenance of a run: everything needed to train the same weights again."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from training.data.image_files import Images, digest
from training.run.state import State

PACKAGES = ("torch", "numpy", "safetensors", "Pillow")
ROOT = Path(__file__).resolve().parents[2]


def provenance(command: Sequence[str], images: Images, held_out: Images) -> dict[str, Any]:
    """The command, the versions and the data of a run."""
    return {
        "command": list(command),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        **({"commit": commit} if (commit := commit_of(ROOT)) else {}),
        "data_sha256": digest(images),
        "training_images": len(images),
        "validation_images": len(held_out),
    }


def machine(state: State) -> dict[str, Any]:
    """The seed and the hardware; other devices, threads or processes round differently."""
    on_gpu = state.device.type == "cuda"
    return {
        "seed": state.config.seed,
        "device": torch.cuda.get_device_name(state.device) if on_gpu else platform.machine(),
        "precision": "bf16" if state.bf16 else "fp32",
        "threads": torch.get_num_threads(),
        "processes": state.group.size,
    }


def commit_of(root: Path) -> str | None:
    """The commit of a checkout, with the suffix "-dirty" if files differ; None without git."""
    if not (root / ".git").exists():
        return None
    command = ["git", "--no-optional-locks", "-C", str(root), "describe"]
    options = ["--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(  # noqa: S603
            command + options, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
