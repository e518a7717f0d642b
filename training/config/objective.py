"""The objective of training: a frozen, checked dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.config.checks import BelowOne, Count, NotNegative, check_fields, require

Distortion = Literal["gaussian", "squared", "bernoulli"]
Sigma = Literal["optimal", "fixed", "data", "shared", "channel", "pixel"]
Regulariser = Literal["kl", "free_bits", "capacity", "info", "beta_tc", "dip", "none"]
CodebookUpdate = Literal["average", "loss"]
LEARNED_SIGMA = ("shared", "channel", "pixel")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveConfig:
    """Distortion + beta * regulariser + penalties; the defaults are the optimal sigma-VAE."""

    distortion: Distortion = "gaussian"
    """gaussian: log-likelihood in nats; squared: the sum of squared errors; bernoulli: BCE"""
    sigma: Sigma = "optimal"
    """noise of gaussian: optimal (the batch's own MSE), fixed (`fixed_variance`), data (the
    variance of the training pixels), or learned: one value (shared), per channel or per pixel"""
    fixed_variance: NotNegative = 0.0
    """variance of the pixel noise for sigma fixed, in squared pixel units of [0, 1]"""
    octaves: tuple[float, float] = (0.0, 0.0)
    """train for a range of rates: log2 of the coarsest and finest quantisation steps in units of
    the posterior's own, drawn for each image; (-1, 2) are half to four times the step"""
    variance_floor: NotNegative = 0.0
    """added to the optimal variance, in squared pixel units of [0, 1]"""
    regulariser: Regulariser = "kl"
    """the term of the loss that shapes the latents"""
    beta: NotNegative = 1.0
    """weight of the regulariser (and of the KL inside info, beta_tc and dip)"""
    kl_warmup_steps: Count = 0
    """steps in which beta grows from 0"""
    free_bits: NotNegative = 0.0
    """free_bits: nats per latent dimension that cost nothing"""
    capacity: NotNegative = 0.0
    """capacity: nats per image at the end of `capacity_steps`"""
    capacity_steps: Count = 0
    info_alpha: NotNegative = 1.0
    """info: 1 takes the KL away (a WAE-MMD), 0 keeps it"""
    mmd_weight: NotNegative = 500.0
    """info: weight of the MMD of the aggregate posterior and the prior"""
    tc_weight: NotNegative = 6.0
    """beta_tc: weight of the total correlation"""
    dip_diagonal: NotNegative = 10.0
    """dip: weight of (variance - 1)^2 of the latents"""
    dip_off_diagonal: NotNegative = 5.0
    """dip: weight of their squared covariances"""
    sparsity: NotNegative = 0.0
    """weight of |z|_1"""
    contraction: NotNegative = 0.0
    """weight of |dz/dx|_F^2"""
    target_psnr: NotNegative = 0.0
    """GECO: the lowest rate that reaches this PSNR in dB; 0 = off"""
    commitment: NotNegative = 0.25
    """vq_vae, vq_vae_2: weight of the commitment term"""
    codebook_update: CodebookUpdate = "average"
    """vq_vae, vq_vae_2: codes are moving averages of their latents, or learned by a loss"""
    code_decay: BelowOne = 0.99
    """vq_vae, vq_vae_2: decay of the moving averages that are the codebook"""

    def __post_init__(self) -> None:
        check_fields(self, "objective.")
        require(
            (self.sigma == "fixed") == (self.fixed_variance > 0),
            f"objective.sigma is '{self.sigma}' and fixed_variance is {self.fixed_variance}; "
            "'fixed' and a positive variance go together",
        )
        require(
            self.regulariser != "info" or 1 - self.mmd_weight <= self.info_alpha <= 1,
            f"objective.info_alpha is {self.info_alpha}; expected in [1 - mmd_weight, 1], or the "
            "KL or the MMD would be rewarded",
        )
        low, high = self.octaves
        require(low <= high, f"objective.octaves is {self.octaves}; expected low <= high")
        plain = (self.distortion, self.sigma, self.regulariser) == ("gaussian", "fixed", "kl")
        require(
            low == high == 0 or plain,
            "objective.octaves needs distortion 'gaussian', sigma 'fixed' and regulariser 'kl'",
        )
        require(
            not self.target_psnr or (self.distortion, self.regulariser) == ("squared", "kl"),
            "objective.target_psnr (GECO) needs distortion 'squared' and regulariser 'kl'",
        )
