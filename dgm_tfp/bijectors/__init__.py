"""Bijectors: each computes its value and its log-determinant in one pass."""

from dgm_tfp.bijectors.actnorm import ActNorm
from dgm_tfp.bijectors.affine import Affine, AffineLaw
from dgm_tfp.bijectors.batch_axes import BatchAxes
from dgm_tfp.bijectors.chain import Chain
from dgm_tfp.bijectors.conditional import Conditional
from dgm_tfp.bijectors.coupling import Coupling
from dgm_tfp.bijectors.invert import Invert
from dgm_tfp.bijectors.invertible_conv import ChannelMix, InvertibleConv
from dgm_tfp.bijectors.logit import LogitPixels
from dgm_tfp.bijectors.masked_autoregressive import MaskedAutoregressive
from dgm_tfp.bijectors.multiscale import MultiScale
from dgm_tfp.bijectors.one_pass import OnePass
from dgm_tfp.bijectors.spline import SplineLaw
from dgm_tfp.bijectors.squeeze import Squeeze

__all__ = [
    "ActNorm",
    "Affine",
    "AffineLaw",
    "BatchAxes",
    "Chain",
    "ChannelMix",
    "Conditional",
    "Coupling",
    "Invert",
    "InvertibleConv",
    "LogitPixels",
    "MaskedAutoregressive",
    "MultiScale",
    "OnePass",
    "SplineLaw",
    "Squeeze",
]
