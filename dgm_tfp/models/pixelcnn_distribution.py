"""The distribution of a PixelCNN: a `tfd.Distribution` over images of integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from tensorflow_probability import random as tfp_random

from dgm_tfp.models.model_distribution import ModelDistribution
from dgm_tfp.networks import pixel_by_pixel

if TYPE_CHECKING:
    from dgm_tfp.models.pixelcnn import PixelCNN


class PixelCNNDistribution(ModelDistribution):
    """P(x) = product over pixels of P(x_i given the pixels before it), on integers 0..bins-1.

    Args:
      model: the `PixelCNN`, whose weights are read at each use.
      conditioning: None, or (..., k), whose leading axes are the batch shape.
      cached: how `sample` goes: with cached features, or by a whole pass of the network for each pixel.
    """

    def __init__(self, model: PixelCNN, conditioning=None, cached: bool = True, name: str = "PixelCNN"):
        parameters = dict(locals())
        self._cached = cached
        self._conditioning = None if conditioning is None else tf.cast(conditioning, model.variable_dtype)
        super().__init__(model, parameters, name)

    def _batch_shape(self):
        return tf.TensorShape([]) if self._conditioning is None else self._conditioning.shape[:-1]

    def _batch_shape_tensor(self):
        return tf.constant([], tf.int32) if self._conditioning is None else tf.shape(self._conditioning)[:-1]

    def _log_prob(self, x):
        model, context = self._model, self._conditioning
        lead = tf.shape(x)[:-3]
        if context is not None:
            lead = tf.broadcast_dynamic_shape(lead, self._batch_shape_tensor())
            context = _repeated(context, lead)
            x = tf.broadcast_to(x, tf.concat([lead, model.event_shape], 0))
        x = tf.reshape(x, [-1, *model.event_shape])
        inside = tf.reduce_all((x == tf.round(x)) & (x >= 0) & (x <= model.bins - 1), axis=[1, 2, 3])
        known = tf.where(inside[:, None, None, None], x, tf.zeros_like(x))
        log_prob = tf.reduce_sum(model.pixel_law.log_prob(model.parameters_of(known, context), known), axis=[1, 2])
        return tf.reshape(tf.where(inside, log_prob, tf.constant(-np.inf, x.dtype)), lead)

    def _sample_n(self, n, seed=None):
        model, context = self._model, self._conditioning
        batch = self._batch_shape_tensor()
        count = n * tf.reduce_prod(batch)
        if context is not None:
            context = _repeated(context, tf.concat([[n], batch], 0))
        height, width, _ = model.event_shape
        noise = tf.random.stateless_uniform(
            tf.concat([[height, width], [count], [model.pixel_law.noise]], 0),
            tfp_random.sanitize_seed(seed),
            dtype=self.dtype,
        )
        if self._cached:
            x = pixel_by_pixel.sample(
                model.net, model.event_shape[-1], model.pixel_law.draw, model.encoded, noise, context
            )
        else:
            x = by_passes(model, noise, context)
        return tf.reshape(x, tf.concat([[n], batch, model.event_shape], 0))


def _repeated(context: tf.Tensor, lead: tf.Tensor) -> tf.Tensor:
    """Conditioning vectors for all examples of the batch axes `lead`: (examples, k)."""
    size = context.shape[-1]
    return tf.reshape(tf.broadcast_to(context, tf.concat([lead, [size]], 0)), [-1, size])


def by_passes(model: PixelCNN, noise: tf.Tensor, context: tf.Tensor | None) -> tf.Tensor:
    """Images from uniform noise (h, w, n, pixel_law.noise) by a pass of the whole network for each pixel and group."""
    height, width, channels = model.event_shape
    groups = model.pixel_law.groups

    def one(k, x):
        i, j, group = k // groups // width, k // groups % width, k % groups
        params, pixel = model.parameters_of(x, context)[:, i, j], x[:, i, j]
        branches = [lambda g=g: model.pixel_law.draw(params, pixel, noise[i, j], g) for g in range(groups)]
        drawn = branches[0]() if groups == 1 else tf.switch_case(group, branches)
        here = tf.reshape(tf.one_hot(k // groups, height * width, dtype=x.dtype), [1, height, width, 1])
        return k + 1, tf.where(here > 0, drawn[:, None, None], x)

    steps = height * width * groups
    start = (tf.constant(0), tf.zeros([tf.shape(noise)[2], height, width, channels], noise.dtype))
    return tf.while_loop(lambda k, _: k < steps, one, start, maximum_iterations=steps)[1]
