"""The configurations of a run and its data: frozen, checked dataclasses, and their JSON form.

The configuration travels inside every checkpoint, so a run can be rebuilt from its folder alone.
A field that is added later gets a default that leaves older runs unchanged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import tyro

from training.config.checks import (
    BelowOne,
    Channels,
    Count,
    Fraction,
    NotNegative,
    Positive,
    PositiveCount,
    Probability,
    check_fields,
    require,
)
from training.config.json_values import checked, moved
from training.config.model import (
    DECODED_ALREADY,
    GLOBAL_FAMILIES,
    INDEX_FAMILIES,
    POINT_FAMILIES,
    ModelConfig,
)
from training.config.objective import ObjectiveConfig

Source = Literal["auto", "idx", "cifar10", "cifar100", "celeba", "folder"]
LayoutName = Literal[
    "auto",
    "visa",
    "mvtec",
    "mvtec_loco",
    "mvtec_3d",
    "btad",
    "mpdd",
    "eyecandies",
    "kolektor",
    "kolektor2",
    "magnetic_tile",
    "deeppcb",
    "normal_abnormal",
    "real_iad",
    "csv",
    "images_masks",
    "train_test",
    "flat",
]
Schedule = Literal["cosine", "constant", "plateau"]
Pace = Literal["step", "epoch"]
Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """The form in which images are read, and which of them are held out.

    A run derives it from its configuration (`TrainConfig.data`), a bundle from its manifest.
    """

    channels: Channels = 1
    """1 gray, 3 RGB"""
    size: tuple[int, int] | None = None
    """(height, width) in pixels to which every image is resized; None keeps the sizes"""
    min_side: int = 0
    """pixels; an image with a shorter side is an error"""
    crop: Count = 0
    """side of the training crops in pixels, the reason for `min_side`; 0 = no crops"""
    source: Source = "auto"
    """kind of data; auto recognises it"""
    layout: LayoutName = "auto"
    """layout of a folder of image files; auto recognises it"""
    seed: Count = 0
    """chooses the validation images"""
    validation_fraction: Fraction = 0.1
    """part of the training images that is held out"""

    def __post_init__(self) -> None:
        check_fields(self)
        require(
            self.layout == "auto" or self.source in ("auto", "folder"),
            f"layout '{self.layout}' is for image files, but source is '{self.source}'",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One run: the network, its data, the objective and the schedule."""

    model: ModelConfig = field(default_factory=lambda: ModelConfig(height=64, width=64))
    objective: Annotated[ObjectiveConfig, tyro.conf.arg(name="")] = field(
        default_factory=ObjectiveConfig
    )
    seed: Count = 0

    source: Source = "auto"
    """kind of data under --data; auto looks at what is there"""
    layout: LayoutName = "auto"
    """how image files are arranged under --data; auto recognises it or says what is missing"""
    validation_fraction: Fraction = 0.1
    """part of the training images held out to choose the checkpoint and to calibrate"""
    crop: Count = 0
    """side of the random training crops in pixels; 0 = resize images to the size of the model"""
    scale_jitter: tuple[float, float] = (1.0, 1.0)
    """smallest and largest enlargement of a crop, drawn for every second crop"""
    rotate: bool = False
    """turn crops by random multiples of 90 degrees"""
    flip: bool = False
    """mirror half of the images left to right"""
    inversion: BelowOne = 0.0
    """probability of a negative"""
    corruptions: NotNegative = 0.0
    """mean number of corrupted spots in each training input (the target stays clean)"""
    defects: Probability = 0.0
    """probability that a training input gets drawn defects (the target stays clean)"""
    masking: BelowOne = 0.0
    """denoising: probability that an input pixel is set to 0 (the target stays clean)"""
    input_noise: NotNegative = 0.0
    """denoising: standard deviation of noise on the input, in pixel units of [0, 1]"""
    noise_in_target: NotNegative = 0.0
    """standard deviation of noise on input and target alike, in pixel units of [0, 1]: structured
    defects are then all that differs (Bauer and Mueller 2025, arXiv:2511.07233)"""

    epochs: PositiveCount = 40
    epoch_steps: Count = 0
    """batches per epoch; 0 = one pass over the images"""
    batch_size: PositiveCount = 128
    lr: Positive = 2e-3
    lr_schedule: Schedule = "cosine"
    lr_warmup_steps: Count = 0
    weight_decay: NotNegative = 0.0
    grad_clip: NotNegative = 1.0
    """largest norm of the gradient (of the loss per pixel value); 0 = off"""
    ema_decay: BelowOne = 0.999
    """averaging of the weights that are validated and exported; 0 = off"""
    aggressive_epochs: Count = 0
    """ResLag: first epochs in which the encoder is trained more often than the decoder"""
    aggressive_ratio: PositiveCount = 1
    """encoder steps (or passes) for one decoder step (or pass) in these epochs"""
    aggressive_pace: Pace = "step"
    """the ratio counts steps, or whole passes over the images"""
    aggressive_until_mi: bool = False
    """He et al. 2019: instead of the fixed ratio train the encoder until its loss stops falling;
    the aggressive epochs end when mutual information on held-out images stops growing"""
    decoded_fraction: BelowOne = 0.0
    """last part of the steps, in which the encoder is fixed and the decoder learns the codes as
    they are decoded: rounded means; 0 = off"""
    patience: Count = 0
    """epochs without a better validation loss after which training ends; 0 = never"""
    precision: Precision = "auto"
    """auto: bf16 autocast on a GPU, fp32 on a CPU; bf16 needs a GPU or a CPU with AMX"""
    compile: bool = False
    """torch.compile the network: worth its minute for long runs on a GPU"""

    def __post_init__(self) -> None:
        check_fields(self)
        self._check_geometry()
        require(
            self.objective.sigma != "pixel" or self.model.height > 0,
            "objective.sigma 'pixel' needs a model of fixed size",
        )
        asked = [name for name in _OF_VECTORS if getattr(self.objective, name)]
        require(
            self.model.family not in INDEX_FAMILIES or not asked,
            f"model.family '{self.model.family}' has indices, which objective.{asked} cannot shape",
        )
        require(
            self.model.family not in POINT_FAMILIES or self.objective.regulariser == "none",
            f"model.family '{self.model.family}' has no posterior; objective.regulariser is "
            f"'{self.objective.regulariser}', 'none' expected",
        )
        if self.decoded_fraction:
            self._check_decoded()

    @property
    def data(self) -> DataConfig:
        """How the images of this run are read."""
        return DataConfig(
            channels=self.model.channels,
            size=None if self.crop else (self.model.height, self.model.width),
            min_side=self.crop // 2,
            crop=self.crop,
            source=self.source,
            layout=self.layout,
            seed=self.seed,
            validation_fraction=self.validation_fraction,
        )

    def _check_decoded(self) -> None:
        reason = DECODED_ALREADY.get(self.model.family)
        require(
            reason is None,
            f"model.family '{self.model.family}' gains nothing by decoded_fraction: {reason}",
        )
        require(
            self.lr_schedule != "plateau" and not self.patience,
            "decoded_fraction needs a fixed number of steps; lr_schedule 'plateau' and patience "
            "can end training before them",
        )

    def _check_geometry(self) -> None:
        low, high = self.scale_jitter
        require(0 < low <= high, f"scale_jitter is {self.scale_jitter}; expected 0 < low <= high")
        if not self.crop:
            require(self.model.height > 0, "crop is 0, so model.height and width must be given")
            require(not self.rotate, "rotate needs crop")
            return
        require(self.model.family not in GLOBAL_FAMILIES, "crop needs a model of the map families")
        require(self.model.height == 0, "crop needs a model of any size (height and width 0)")
        require(
            self.crop % self.model.stride == 0,
            f"crop is {self.crop}; a multiple of the stride {self.model.stride} expected",
        )


_OF_VECTORS = ("target_psnr", "sparsity", "contraction")


def to_json(config: TrainConfig) -> dict[str, Any]:
    """The configuration as plain JSON values."""
    return dataclasses.asdict(config)


def from_json(values: Mapping[str, Any]) -> TrainConfig:
    """The inverse of `to_json`; missing keys get defaults, unknown ones raise TrainingError."""
    known = moved(values)
    return TrainConfig(
        model=ModelConfig(**checked(ModelConfig, known.pop("model", {}), "model.")),
        objective=ObjectiveConfig(
            **checked(ObjectiveConfig, known.pop("objective", {}), "objective.")
        ),
        **checked(TrainConfig, known, ""),
    )
