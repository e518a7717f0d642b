"""What a run is: two frozen, checked dataclasses and their JSON form.

The configuration travels inside every checkpoint, so a run can be rebuilt from its folder alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from training.errors import TrainingError

Family = Literal["reslag", "sigma_vae", "sigma_vae_map", "vq_vae"]
Side = Literal["none", "light", "original"]
Source = Literal["auto", "idx", "cifar10", "cifar100", "celeba", "folder"]
Schedule = Literal["cosine", "constant"]

GLOBAL_FAMILIES = ("reslag", "sigma_vae")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise TrainingError(message)


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    _require(value in choices, f"{name} is '{value}'; it can be {', '.join(choices)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """One network. Families with one latent vector have a fixed size; the others take any size."""

    family: Family = "reslag"
    channels: int = 1
    """1 gray, 3 RGB"""
    height: int = 0
    """pixels; 0 = any multiple of the stride (map families only)"""
    width: int = 0
    latent: int = 64
    """dimensions of the latent vector, or channels of the latent map"""
    widths: tuple[int, ...] = (64, 128, 256)
    """channels of each level, finest first; one level halves the size (map families: two widths)"""
    depth: int = 1
    """residual blocks per level (families with one latent vector)"""
    side: Side = "none"
    """side branches of ResLag: none, light (about 1024 values per level) or original (4096)"""
    stride: int = 8
    """pixels per latent position, 8 or 16 (map families)"""
    codebook: int = 512
    """number of codes (vq_vae)"""
    unit_codes: bool = False
    """compare directions only: latents and codes are scaled to length 1 (vq_vae)"""

    def __post_init__(self) -> None:
        _one_of("model.family", self.family, get_args(Family))
        _one_of("model.side", self.side, get_args(Side))
        _require(self.channels in (1, 3), f"model.channels is {self.channels}; 1 or 3 expected")
        _require(self.latent >= 1, f"model.latent is {self.latent}; at least 1 expected")
        _require(
            len(self.widths) >= 1 and all(width >= 1 for width in self.widths),
            f"model.widths is {self.widths}; positive numbers expected",
        )
        _require(self.depth >= 0, f"model.depth is {self.depth}; 0 or more expected")
        _require(self.codebook >= 2, f"model.codebook is {self.codebook}; at least 2 expected")
        if self.family in GLOBAL_FAMILIES:
            self._check_global()
        else:
            self._check_map()

    def _check_global(self) -> None:
        factor = 2 ** len(self.widths)
        for name, size in (("height", self.height), ("width", self.width)):
            _require(
                size >= factor and size % factor == 0,
                f"model.{name} is {size}; {len(self.widths)} levels need a multiple of {factor}",
            )

    def _check_map(self) -> None:
        _require(self.stride in (8, 16), f"model.stride is {self.stride}; 8 or 16 expected")
        _require(len(self.widths) == 2, f"model.widths is {self.widths}; two widths expected")
        _require(self.side == "none", f"model.family '{self.family}' has no side branches")
        for name, size in (("height", self.height), ("width", self.width)):
            _require(
                size >= 0 and size % self.stride == 0,
                f"model.{name} is {size}; 0 (any) or a multiple of {self.stride} expected",
            )
        _require(
            (self.height == 0) == (self.width == 0),
            f"model.height is {self.height} and model.width is {self.width}; both or none be 0",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One run: the network, its data, the objective and the schedule."""

    model: ModelConfig = field(default_factory=lambda: ModelConfig(height=64, width=64))
    seed: int = 0

    source: Source = "auto"
    """kind of data under --data; auto looks at what is there"""
    validation_fraction: float = 0.1
    """part of the training images held out to choose the checkpoint and to calibrate"""
    crop: int = 0
    """side of the random training crops in pixels; 0 = resize images to the size of the model"""
    scale_jitter: tuple[float, float] = (1.0, 1.0)
    """smallest and largest enlargement of a crop, drawn for every second crop"""
    rotate: bool = False
    """turn crops by random multiples of 90 degrees"""
    flip: bool = False
    """mirror half of the images left to right"""
    inversion: float = 0.0
    """probability of a negative"""
    corruptions: float = 0.0
    """mean number of corrupted spots in each training input (the target stays clean)"""

    epochs: int = 40
    epoch_steps: int = 0
    """batches per epoch; 0 = one pass over the images"""
    batch_size: int = 128
    lr: float = 2e-3
    lr_schedule: Schedule = "cosine"
    lr_warmup_steps: int = 0
    weight_decay: float = 0.0
    grad_clip: float = 1.0
    """largest norm of the gradient (of the loss per pixel value); 0 = off"""
    ema_decay: float = 0.999
    """averaging of the weights that are validated and exported; 0 = off"""
    aggressive_epochs: int = 0
    """ResLag: first epochs in which the encoder is trained more often than the decoder"""
    aggressive_ratio: int = 1
    """encoder steps for one decoder step in these epochs"""

    beta: float = 1.0
    """weight of the KL term; of the commitment term for vq_vae use `commitment`"""
    kl_warmup_steps: int = 0
    fixed_variance: float = 0.0
    """variance of the pixel noise; 0 = optimal sigma (the mean squared error itself)"""
    variance_floor: float = 0.0
    """added to the optimal variance, in squared pixel units of [0, 1]"""
    commitment: float = 0.25
    """vq_vae: weight of the commitment term"""
    code_decay: float = 0.99
    """vq_vae: decay of the moving averages that are the codebook"""

    def __post_init__(self) -> None:
        _one_of("source", self.source, get_args(Source))
        _one_of("lr_schedule", self.lr_schedule, get_args(Schedule))
        for name in ("epochs", "batch_size", "aggressive_ratio"):
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; at least 1")
        for name in _NOT_NEGATIVE:
            _require(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}; 0 or more")
        for name in ("validation_fraction", "inversion", "ema_decay", "code_decay"):
            value = getattr(self, name)
            _require(0 <= value < 1, f"{name} is {value}; expected in [0, 1)")
        _require(self.validation_fraction > 0, "validation_fraction is 0; some images are needed")
        _require(self.lr > 0, f"lr is {self.lr}; a positive number expected")
        self._check_geometry()

    def _check_geometry(self) -> None:
        low, high = self.scale_jitter
        _require(0 < low <= high, f"scale_jitter is {self.scale_jitter}; expected 0 < low <= high")
        if not self.crop:
            _require(self.model.height > 0, "crop is 0, so model.height and width must be given")
            _require(not self.rotate, "rotate needs crop")
            return
        _require(self.model.family not in GLOBAL_FAMILIES, "crop needs a model of the map families")
        _require(self.model.height == 0, "crop needs a model of any size (height and width 0)")
        _require(
            self.crop % self.model.stride == 0,
            f"crop is {self.crop}; a multiple of the stride {self.model.stride} expected",
        )


_NOT_NEGATIVE = (
    "crop",
    "seed",
    "corruptions",
    "epoch_steps",
    "lr_warmup_steps",
    "weight_decay",
    "grad_clip",
    "aggressive_epochs",
    "beta",
    "kl_warmup_steps",
    "fixed_variance",
    "variance_floor",
    "commitment",
)


def to_json(config: TrainConfig) -> dict[str, Any]:
    """The configuration as plain JSON values."""
    return dataclasses.asdict(config)


def from_json(values: Mapping[str, Any]) -> TrainConfig:
    """The inverse of `to_json`; unknown or missing keys raise TrainingError."""
    known = dict(values)
    model = ModelConfig(**_checked(ModelConfig, known.pop("model", {}), "model."))
    return TrainConfig(model=model, **_checked(TrainConfig, known, "", besides={"model"}))


def _checked(
    kind: type,
    values: Mapping[str, Any],
    prefix: str,
    besides: frozenset[str] | set[str] = frozenset(),
) -> dict[str, Any]:
    names = {entry.name for entry in dataclasses.fields(kind)} - besides
    if unknown := sorted(values.keys() - names):
        raise TrainingError(f"configuration has unknown keys {[prefix + key for key in unknown]}")
    if missing := sorted(names - values.keys()):
        raise TrainingError(f"configuration lacks the keys {[prefix + key for key in missing]}")
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
