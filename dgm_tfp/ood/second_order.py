"""Why the other data may be more likely: the second-order analysis of Nalisnick et al. (2019, section 5).

About a point x0, with equal means E_q x = E_p x = x0 (the step that critics call doubtful),

    E_q log p(x) - E_p log p(x)  ~  1/2 Tr{ H(x0) (Sigma_q - Sigma_p) },    H the Hessian of log p(x; theta).

Without that step two terms more belong to it, which are computed here as well: with delta = E_q x - x0, x0 = E_p x,

    g(x0)^T delta   and   1/2 delta^T H(x0) delta.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from dgm_tfp.bijectors import Squeeze
from dgm_tfp.errors import InputError
from dgm_tfp.models import Glow
from dgm_tfp.models.glow import GlowStep
from dgm_tfp.ood.any_model import log_prob
from dgm_tfp.ood.changed import Moments, moments
from dgm_tfp.ood.curvature import Expansion
from dgm_tfp.ood.metrics import Mean, mean


class SecondOrder(NamedTuple):
    """The paper's formula for a constant-volume Glow, beside what it predicts. Likelihoods in nats.

    Attributes:
      predicted: -1/2 sum_hwc weight_hwc (sigma^2_q,hwc - sigma^2_p,hwc).
      measured: mean log p(x) over q minus mean log p(x) over p, with its standard error.
      first_order, mean_shift: the two terms that equal means drop, with the model's own gradient and Hessian: g^T delta
        and 1/2 delta^T H delta. Where they are as large as `predicted`, the means are not equal enough.
      alpha: alpha of each dimension, (h, w, c).
      weight: alpha^2 / sigma_psi^2 of each dimension, (h, w, c).
      moments_p, moments_q: of both sets, in the units of the data.
    """

    predicted: float
    measured: Mean
    first_order: float
    mean_shift: float
    alpha: np.ndarray
    weight: np.ndarray
    moments_p: Moments
    moments_q: Moments


class HessianSecondOrder(NamedTuple):
    """The terms of the expansion of E_q log p - E_p log p about x0 = E_p x, and what they should sum to, in nats.

    Attributes:
      covariance: 1/2 Tr{H (Sigma_q - Sigma_p)}, with the standard error from the sample of images.
      diagonal: the same with the variances alone, the covariances of pixels left out. Exact (standard error 0), or
        with the standard error of the random directions.
      first_order: g^T (E_q x - E_p x), dropped in the paper.
      mean_shift: 1/2 (E_q x - E_p x)^T H (E_q x - E_p x), dropped in the paper.
      secant: the whole expansion once more, with `Expansion.secants` in place of derivatives, so that the kinks of ReLU
        networks near x0 count; with the standard error from the sample of images.
      measured: mean log p(x) over q minus mean log p(x) over p, with its standard error.
    """

    covariance: Mean
    diagonal: Mean
    first_order: float
    mean_shift: float
    secant: Mean
    measured: Mean

    @property
    def total(self) -> float:
        """The whole expansion to the second order, nothing dropped: covariance + first_order + mean_shift."""
        return self.covariance.mean + self.first_order + self.mean_shift


def second_order(model: Glow, p: np.ndarray, q: np.ndarray) -> SecondOrder:
    """E_q log p(x) - E_p log p(x), predicted by the paper's formula for a constant-volume Glow, and measured.

    The paper: -1 / (2 sigma_psi^2) sum_c alpha_c^2 sum_hw (sigma^2_q,hwc - sigma^2_p,hwc), where
    alpha_c = prod_k sum_j u_kcj is the product over the layers of the row sums of their 1x1 kernels. `alpha` says how
    it is carried over to this Glow; sigma_psi is the learned scale of the prior, one for each dimension.

    It rests on: equal means; no curvature but that of the prior; couplings that do not matter (df/dx = alpha, though
    the shifts t(x) have slopes of their own); each dimension of z moved by its own pixel only (a diagonal Jacobian);
    channels that move together (row sums). With alpha^2 >= 0 its sign is the sign of the difference in variances,
    weighted: it cannot be negative for a set of smaller variance in every dimension. `hessian_second_order` needs all
    this no more, but the expansion.

    Args:
      model: a `Glow` with `coupling="additive"`.
      p: images like those of the training set, uint8 (n, h, w, c).
      q: other images.

    Raises:
      InputError: another model, or one whose volume is not constant.
    """
    _check_sets(model, p, q)
    of_p, of_q = moments(p), moments(q)
    predicted = formula(model, of_p, of_q)
    first_order, mean_shift = _terms_of_the_means(_about(model, of_p), of_p, of_q)
    return SecondOrder(
        predicted=predicted,
        measured=_difference(log_prob(model, q), log_prob(model, p)),
        first_order=first_order,
        mean_shift=mean_shift,
        alpha=alpha(model),
        weight=weight(model),
        moments_p=of_p,
        moments_q=of_q,
    )


def formula(model: Glow, of_p: Moments, of_q: Moments) -> float:
    """-1/2 sum_hwc weight_hwc (sigma^2_q,hwc - sigma^2_p,hwc) in nats, from moments in the units of the data."""
    unit = model.bins or 1
    return -0.5 * float(np.sum(weight(model) * (of_q.variance - of_p.variance))) / unit**2


def weight(model: Glow) -> np.ndarray:
    """alpha^2 / sigma_psi^2 of each dimension, float64 (h, w, c); z lies in the place of the pixel it comes from."""
    variance = np.broadcast_to(np.asarray(model.base.variance(), np.float64), model.event_shape)
    return alpha(model) ** 2 / variance


def alpha(model: Glow) -> np.ndarray:
    """alpha of each dimension, float64 (h, w, c), for pixels in [-1/2, 1/2].

    The walk of an image through the flow, with each layer replaced by the number that the paper puts in its place: the
    1x1 convolution by its row sums, channel by channel, ActNorm (which the paper does not mention; a 1x1 convolution
    with a diagonal kernel) by its scales, a coupling by 1. The squeezes spread a colour over the channels, and half of
    these leave at each scale: so alpha depends on where in its 2^levels x 2^levels block a pixel lies. With one scale
    and no squeeze it is the paper's alpha_c.

    Raises:
      InputError: no `Glow` with `coupling="additive"`; one with `logit_alpha`, whose pixels are not scaled alike.
    """
    if not isinstance(model, Glow):
        raise InputError(f"the formula is that of a Glow, got a {type(model).__name__}. Use hessian_second_order.")
    if model.coupling != "additive":
        raise InputError(
            "the formula needs a constant volume, and this Glow has affine couplings. Use hessian_second_order, or "
            "train a Glow with coupling='additive'."
        )
    if model.logit_alpha is not None:
        raise InputError("the formula needs pixels scaled alike: this Glow has logit_alpha. Use hessian_second_order.")
    ones = tf.ones((1, *model.event_shape), model.variable_dtype)
    return _carried(ones, model.scales).numpy()[0].astype(np.float64)


def hessian_second_order(
    model: Any,
    p: np.ndarray,
    q: np.ndarray,
    examples: int = 500,
    probes: int | None = None,
    reach: float = 0.1,
    seed: int = 0,
) -> HessianSecondOrder:
    """E_q log p(x) - E_p log p(x) by the expansion itself, with the model's own Hessian, and measured.

    Tr(H Sigma) = E[(x - E x)^T H (x - E x)]: images are the directions of the Hessian-vector products, which makes it
    exact for their own covariance, all off-diagonal elements included. The noise of dequantization has the same
    covariance in both sets and cancels.

    Args:
      model: any `Likelihood` with a density: a flow with constant volume or not.
      p: images like those of the training set, (n, *event_shape); x0 is their mean.
      q: other images.
      examples: how many images of each set are directions, spread evenly over the set.
      probes: None for the exact diagonal of H; else the number of random directions (Hutchinson).
      reach: of the secants, as a part of the way from x0 to an image.
      seed: of the random directions, and of the secants' noise.

    Raises:
      InputError: see `curvature.Expansion`.
    """
    return Analysis(model, p, examples, probes, reach, seed).of(q)


class Analysis:
    """What `hessian_second_order` needs of the model and p, computed once for any number of other sets."""

    def __init__(
        self,
        model: Any,
        p: np.ndarray,
        examples: int = 500,
        probes: int | None = None,
        reach: float = 0.1,
        seed: int = 0,
    ):
        _check_sets(model, p, p)
        self.model, self.examples, self.probes, self.reach, self.seed = model, examples, probes, reach, seed
        self.moments = moments(p)
        self.expansion = _about(model, self.moments)
        self.diagonal = self.expansion.diagonal() if probes is None else None
        self.curvature, self.secant = self._curvature(p, self.moments), self._secant(p)
        self.log_prob = log_prob(model, p)

    def of(self, q: np.ndarray) -> HessianSecondOrder:
        """The terms for one other set."""
        _check_sets(self.model, q, q)
        moments_q = moments(q)
        first_order, mean_shift = _terms_of_the_means(self.expansion, self.moments, moments_q)
        return HessianSecondOrder(
            covariance=_difference(0.5 * self._curvature(q, moments_q), 0.5 * self.curvature),
            diagonal=self._by_variances(moments_q.variance - self.moments.variance),
            first_order=first_order,
            mean_shift=mean_shift,
            secant=_difference(self._secant(q), self.secant),
            measured=_difference(log_prob(self.model, q), self.log_prob),
        )

    def _curvature(self, x, of_x: Moments) -> np.ndarray:
        return self.expansion.along(self._chosen(x) - of_x.mean).curvature

    def _secant(self, x) -> np.ndarray:
        slope, curvature = self.expansion.secants(self._chosen(x) - self.moments.mean, self.reach, self.seed)
        return slope + 0.5 * curvature

    def _chosen(self, x) -> np.ndarray:
        return x[np.unique(np.linspace(0, len(x) - 1, min(self.examples, len(x))).round().astype(int))]

    def _by_variances(self, difference) -> Mean:
        if self.probes is None:
            return Mean(0.5 * float(np.sum(self.diagonal * difference)), 0.0)
        trace = self.expansion.hutchinson(difference, self.probes, self.seed)
        return Mean(0.5 * trace.mean, 0.5 * trace.se)


def _about(model, of_p: Moments) -> Expansion:
    """The expansion at x0 = E_p x: y = x + u of a dequantized image lies, in the mean, half a level above x."""
    return Expansion(model, of_p.mean + (0.5 if model.bins else 0.0))


def _terms_of_the_means(expansion: Expansion, of_p: Moments, of_q: Moments) -> tuple[float, float]:
    """g^T delta and 1/2 delta^T H delta."""
    slope, curvature = expansion.along((of_q.mean - of_p.mean)[np.newaxis])
    return float(slope[0]), 0.5 * float(curvature[0])


def _carried(y, scales: list[list[GlowStep]]):
    squeeze = Squeeze.of(y.shape)
    y = squeeze.forward(y)
    for block in scales[0]:
        row_sums = block.mix.bijector.inverse(tf.ones((1, 1, 1, y.shape[-1]), y.dtype))  # W applied to ones
        y *= tf.exp(-block.actnorm.log_scale) * row_sums
    if len(scales) > 1:
        noise, rest = tf.split(y, 2, axis=-1)
        y = tf.concat([noise, _carried(rest, scales[1:])], axis=-1)
    return squeeze.inverse(y)


def _difference(outside: np.ndarray, inside: np.ndarray) -> Mean:
    """Mean over q minus mean over p, with its standard error."""
    q, p = mean(outside), mean(inside)
    return Mean(q.mean - p.mean, float(np.hypot(q.se, p.se)))


def _check_sets(model, p, q) -> None:
    for name, x in (("p", p), ("q", q)):
        if np.shape(x)[1:] != tuple(model.event_shape):
            raise InputError(
                f"{name} is of shape {np.shape(x)}; expected (n, {', '.join(map(str, model.event_shape))})."
            )
