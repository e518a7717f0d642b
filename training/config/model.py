"""The configuration of a network: a frozen, checked dataclass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal

from training.config.checks import (
    Bound,
    Channels,
    Count,
    PositiveCount,
    check_fields,
    require,
)

Family = Literal[
    "reslag",
    "sigma_vae",
    "autoencoder",
    "linear",
    "pca_vae",
    "sigma_vae_map",
    "pca_vae_map",
    "vq_vae",
    "vq_vae_2",
    "fsq",
]
Side = Literal["none", "light", "original"]

# One latent vector per image.
GLOBAL_FAMILIES = ("reslag", "sigma_vae", "autoencoder", "linear", "pca_vae")
# Codes without posterior noise.
POINT_FAMILIES = ("autoencoder",)
# Latents are indices into a codebook.
INDEX_FAMILIES = ("vq_vae", "vq_vae_2", "fsq")
# Families whose decoder learns its codes as they are decoded anyway, and why.
_INDICES = "its decoder is trained on the very codes that are stored"
DECODED_ALREADY: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(INDEX_FAMILIES, _INDICES)
    | {"linear": "a linear decoder does the same to the mean as to samples around it"}
)

# Can be trained for a range of rates.
RATE_FAMILIES = ("reslag", "sigma_vae", "pca_vae", "sigma_vae_map", "pca_vae_map")

# Most combinations of levels; the uses of each are counted.
MAX_CODES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """One network. Families with one latent vector have a fixed size; the others take any size."""

    family: Family = "reslag"
    channels: Channels = 1
    """1 gray, 3 RGB"""
    height: int = 0
    """pixels; 0 = any multiple of the stride (map families only)"""
    width: int = 0
    latent: PositiveCount = 64
    """dimensions of the latent vector, or channels of the latent map"""
    widths: tuple[int, ...] = (64, 128, 256)
    """channels of each level, finest first; one level halves the size (map families: two widths)"""
    depth: Count = 1
    """residual blocks per level (families with one latent vector)"""
    hidden: tuple[int, ...] = ()
    """sizes of the fully connected layers between feature maps and latent vector, encoder first"""
    side: Side = "none"
    """side branches of ResLag: none, light (about 1024 values per level) or original (4096)"""
    stride: int = 8
    """pixels per latent position, 8 or 16 (map families); per position of the correcting networks
    (pca_vae)"""
    codebook: Annotated[int, Bound("at least 2", lambda value: value >= 2)] = 512
    """number of codes (vq_vae; each level of vq_vae_2)"""
    levels: tuple[int, ...] = (8, 5, 5, 5)
    """values of each latent channel (fsq); their product is the number of codes"""
    rate_aware: bool = False
    """the decoder gets the step size of its codes as an input (families with Gaussian latents)"""
    unit_codes: bool = False
    """latents and codes are scaled to length 1: only directions count (vq_vae, vq_vae_2)"""

    def __post_init__(self) -> None:
        check_fields(self, "model.")
        require(
            len(self.widths) >= 1 and all(width >= 1 for width in self.widths),
            f"model.widths is {self.widths}; positive numbers expected",
        )
        require(
            all(size >= 1 for size in self.hidden),
            f"model.hidden is {self.hidden}; positive numbers expected",
        )
        require(
            len(self.levels) >= 1 and all(values >= 2 for values in self.levels),
            f"model.levels is {self.levels}; numbers from 2 on expected",
        )
        codes = math.prod(self.levels)
        require(
            codes <= MAX_CODES,
            f"model.levels is {self.levels}, {codes} codes; at most {MAX_CODES} expected",
        )
        require(
            not self.rate_aware or self.family in RATE_FAMILIES,
            f"model.family '{self.family}' has a decoder that cannot be rate_aware",
        )
        if self.family in GLOBAL_FAMILIES:
            self._check_global()
        else:
            self._check_map()

    def _check_global(self) -> None:
        levels = 2 ** len(self.widths), f"{len(self.widths)} levels need"
        stride = self.stride, f"stride {self.stride} needs"
        factor, reason = {"pca_vae": stride, "linear": (1, "linear needs")}.get(self.family, levels)
        for name, size in (("height", self.height), ("width", self.width)):
            require(
                size >= factor and size % factor == 0,
                f"model.{name} is {size}; {reason} a multiple of {factor}",
            )

    def _check_map(self) -> None:
        require(self.stride in (8, 16), f"model.stride is {self.stride}; 8 or 16 expected")
        require(len(self.widths) == 2, f"model.widths is {self.widths}; two widths expected")
        require(self.side == "none", f"model.family '{self.family}' has no side branches")
        require(not self.hidden, f"model.family '{self.family}' has no hidden layers")
        for name, size in (("height", self.height), ("width", self.width)):
            require(
                size >= 0 and size % self.stride == 0,
                f"model.{name} is {size}; 0 (any) or a multiple of {self.stride} expected",
            )
        require(
            (self.height == 0) == (self.width == 0),
            f"model.height is {self.height}, model.width {self.width}; both or neither can be 0",
        )
