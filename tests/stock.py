"""The specification: a Glow written with TFP's own bijectors, over the same weights."""

import tensorflow as tf
import tensorflow_probability as tfp

from dgm_tfp.models import Glow

tfb, tfd = tfp.bijectors, tfp.distributions


def distribution(model: Glow) -> tfd.TransformedDistribution:
    parts = _multiscale(model, model.event_shape, model.scales)
    if model.bins:
        scale = tf.constant(model.bins, model.variable_dtype)
        parts = [tfb.Shift(scale / 2), tfb.Scale(scale), *parts]
    return tfd.TransformedDistribution(model.base, tfb.Chain(parts))


def _multiscale(model, shape, scales):
    """A flat list, not nested chains: TFP hashes those in exponential time."""
    height, width, channels = shape
    inner = (height // 2, width // 2, 4 * channels)
    parts = [tfb.Invert(squeeze(shape))]
    for block in scales[0]:
        parts += step(block)
    if len(scales) > 1:
        half = (inner[0], inner[1], inner[2] // 2)
        coarser = _multiscale(model, half, scales[1:])
        parts += _on_second_half(inner, half, coarser)
    return [*parts, squeeze(shape)]


def squeeze(shape):
    height, width, channels = shape
    blocks = (height // 2, 2, width // 2, 2, channels)
    return tfb.Chain(
        [
            tfb.Reshape((height // 2, width // 2, 4 * channels), (height // 2, width // 2, 2, 2, channels)),
            tfb.Transpose(perm=[0, 2, 1, 3, 4]),
            tfb.Reshape(blocks, shape),
        ]
    )


def step(block):
    actnorm, mix = block.actnorm, block.mix
    packed = tf.convert_to_tensor(mix.packed)
    s = tf.convert_to_tensor(mix.sign) * tf.exp(tf.linalg.diag_part(packed))
    permutation = tf.argmax(mix.permutation, axis=0, output_type=tf.int32)  # TFP counts columns
    channels = packed.shape[0]

    def bijector_fn(a, units, **kwargs):
        out = block.conditioner(a)
        if out.shape[-1] == units:
            return tfb.Shift(out)
        shift, log_scale = tf.split(out, 2, axis=-1)
        return tfb.Chain([tfb.Shift(shift), tfb.Scale(log_scale=tf.tanh(log_scale))])

    return [
        tfb.Shift(tf.convert_to_tensor(actnorm.shift)),
        tfb.Scale(log_scale=tf.convert_to_tensor(actnorm.log_scale)),
        tfb.Invert(tfb.ScaleMatvecLU(tf.linalg.set_diag(packed, s), permutation)),
        tfb.RealNVP(num_masked=channels // 2, bijector_fn=bijector_fn),
    ]


def _on_second_half(shape, half, parts):
    height, width, channels = shape
    size = height * width * channels // 2
    image_last = (height, width, channels)
    flat = [
        tfb.Reshape([size], [height, width, channels // 2]),
        *parts,
        tfb.Reshape([height, width, channels // 2], [size]),
    ]
    blockwise = tfb.Blockwise([tfb.Identity(), tfb.Chain(flat)], block_sizes=[size, size])
    # the two halves of the channels, each flattened in the order (h, w, c)
    split = tfb.Chain(
        [
            tfb.Reshape([2 * size], [2, height, width, channels // 2]),
            tfb.Transpose(perm=[2, 0, 1, 3]),
            tfb.Reshape([height, width, 2, channels // 2], image_last),
        ]
    )
    return [tfb.Invert(split), blockwise, split]
