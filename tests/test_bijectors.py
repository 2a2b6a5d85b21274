"""One story over every bijector: the log-determinant is the Jacobian's, the inverse inverts, TFP's methods agree."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from hypothesis import given, settings
from hypothesis import strategies as st

from dgm_tfp import bijectors, networks
from tests import helpers, stock
from tests.helpers import brute_force_log_det, same

tfb = tfp.bijectors
SHAPE = (4, 4, 2)
VECTOR = (5,)
RNG = np.random.default_rng(1)


def _constant(*shape):
    return tf.constant(RNG.normal(size=shape) * 0.5)


def _conv(channels, seed=3):
    layer = bijectors.InvertibleConv(channels, seed=seed, dtype="float64")
    helpers.randomise(layer)
    return layer.bijector


def _coupling(shape, affine=True, order=None, law=None):
    passed = shape[-1] // 2
    moved = (shape[-1] - passed) * (law.outputs if law else 2 if affine else 1)
    if len(shape) == 1:
        net = networks.mlp(passed, moved, hidden=(8,), dtype="float64")
    else:
        net = networks.convnet((*shape[:2], passed), moved, filters=8, dtype="float64")
    helpers.randomise(net, scale=1.0)
    return bijectors.Coupling(net, event_ndims=len(shape), order=order, law=law)


def _masked(law=None, **kwargs):
    outputs = law.outputs if law else 2
    made = networks.MADE(
        VECTOR[0], **{"outputs": outputs, "hidden": (16, 9), "activation": "tanh", "dtype": "float64", **kwargs}
    )
    helpers.randomise(made, scale=1.0)
    context = _constant(3, made.context) if made.context else None
    return bijectors.MaskedAutoregressive(made, context, law)


def _actnorm(shape):
    layer = bijectors.ActNorm(shape[-1], event_ndims=len(shape), dtype="float64")
    helpers.randomise(layer)
    return layer.bijector


def _multiscale(shape):
    h, w, c = shape
    steps = bijectors.Chain([_conv(4 * c), _coupling((h // 2, w // 2, 4 * c))])
    inner = (h // 2, w // 2, 2 * c)
    if inner[0] % 2:
        return bijectors.MultiScale(steps)
    return bijectors.MultiScale(steps, bijectors.MultiScale(_conv(4 * inner[2])))


BIJECTORS = {
    "affine": lambda: bijectors.Affine(_constant(2), _constant(2)),
    "affine, one number": lambda: bijectors.Affine(_constant(1), _constant(1)),
    "affine, per pixel": lambda: bijectors.Affine(_constant(*SHAPE), _constant(*SHAPE)),
    "invertible conv": lambda: _conv(2),
    "affine coupling": lambda: _coupling(SHAPE),
    "additive coupling": lambda: _coupling(SHAPE, affine=False),
    "coupling of channels in an order": lambda: _coupling(SHAPE, order=np.array([1, 0])),
    "squeeze": bijectors.Squeeze,
    "actnorm": lambda: _actnorm(SHAPE),
    "actnorm, vector": lambda: _actnorm(VECTOR),
    "affine coupling, vector": lambda: _coupling(VECTOR),
    "additive coupling, vector": lambda: _coupling(VECTOR, affine=False),
    "coupling in an order, vector": lambda: _coupling(VECTOR, order=np.array([3, 0, 2, 4, 1])),
    "masked autoregressive": _masked,
    "masked autoregressive, one layer": lambda: _masked(hidden=(7,), degrees="random"),
    "masked autoregressive, narrow": lambda: _masked(hidden=(2, 3), order="right-to-left"),
    "masked autoregressive, shift only": lambda: _masked(outputs=1, order="random"),
    "masked autoregressive, given context": lambda: _masked(context=2, order="random"),
    "masked autoregressive, spline": lambda: _masked(law=bijectors.SplineLaw(4), order="random"),
    "spline coupling": lambda: _coupling(SHAPE, law=bijectors.SplineLaw(3, edge=2.0)),
    "spline coupling, vector": lambda: _coupling(VECTOR, law=bijectors.SplineLaw(5, edge=1.0)),
    "logit of pixels": lambda: bijectors.LogitPixels(0.05, 4),
    "inverted": lambda: bijectors.Invert(_masked()),
    "chain": lambda: bijectors.Chain([_conv(2), _coupling(SHAPE), bijectors.Affine(_constant(2), _constant(2))]),
    "chain of chains": lambda: bijectors.Chain([bijectors.Chain([_conv(2)]), bijectors.Chain([_coupling(SHAPE)])]),
    "multiscale": lambda: _multiscale(SHAPE),
    "batch axes": lambda: bijectors.BatchAxes(_multiscale(SHAPE)),
}


@pytest.mark.parametrize("name", BIJECTORS)
def test_story(name):
    bijector = BIJECTORS[name]()
    event_ndims = bijector.forward_min_event_ndims
    shape = SHAPE if event_ndims == 3 else VECTOR
    x = tf.constant(RNG.normal(size=(3, *shape)))

    y, log_det = bijector.forward_and_log_det(x)
    back, inverse_log_det = bijector.inverse_and_log_det(tf.identity(y))
    same(back, x, 1e-10)
    same(log_det, -np.asarray(inverse_log_det), 1e-10)
    brute = brute_force_log_det(lambda x: bijector.forward_and_log_det(x)[0], x)
    same(np.broadcast_to(log_det, [3]), brute, 1e-8)

    # the four methods of TFP, also inside a composition of TFP's, whose log-determinants it adds itself
    same(bijector.forward(x), y, 1e-12)
    same(bijector.inverse(y), x, 1e-10)
    same(np.broadcast_to(bijector.forward_log_det_jacobian(x, event_ndims=event_ndims), [3]), brute, 1e-8)
    same(np.broadcast_to(bijector.inverse_log_det_jacobian(y, event_ndims=event_ndims), [3]), -brute, 1e-8)
    chain = tfb.Chain([tfb.Scale(tf.constant(2.0, tf.float64)), bijector])
    doubled = np.broadcast_to(chain.forward_log_det_jacobian(x, event_ndims=event_ndims), [3])
    same(doubled, brute + np.prod(shape) * np.log(2), 1e-8)
    assert bijector.forward_event_shape(tf.TensorShape(shape)) == y.shape[1:]
    assert bijector.inverse_event_shape(y.shape[1:]) == tf.TensorShape(shape)


def test_nothing_is_remembered():
    layer = bijectors.ActNorm(2, dtype="float64")
    bijector, x = layer.bijector, tf.ones((1, *SHAPE), tf.float64)
    first = bijector.forward(x)
    layer.shift.assign([1.0, 1.0])  # the same bijector and the same tensor: TFP's cache would return `first`
    same(bijector.forward(x), first + 1, 1e-12)
    assert bijector.inverse(bijector.forward(x)) is not x


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**16))
def test_multiscale_inverts_on_any_even_shape(half_height, half_width, channels, seed):
    shape = (2 * half_height, 2 * half_width, channels)
    bijector = (
        _multiscale(shape) if (half_height % 2 == half_width % 2 == 0) else bijectors.MultiScale(_conv(4 * channels))
    )
    x = tf.constant(np.random.default_rng(seed).normal(size=(2, *shape)))
    z, log_det = bijector.inverse_and_log_det(x)
    assert z.shape == x.shape
    same(bijector.forward(tf.identity(z)), x, 1e-8)
    same(np.broadcast_to(log_det, [2]), brute_force_log_det(bijector.inverse, x), 1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(0, 2**16))
def test_invertible_conv_is_tfp_scale_matvec_lu(channels, seed):
    layer = bijectors.InvertibleConv(channels, seed=seed, dtype="float64")
    start = layer.bijector.inverse(tf.eye(channels, dtype=tf.float64)[None, None])[0, 0]
    same(start @ tf.transpose(start), np.eye(channels), 1e-10)  # a rotation
    helpers.randomise(layer)
    s = tf.convert_to_tensor(layer.sign) * tf.exp(tf.linalg.diag_part(layer.packed))
    lower_upper = tf.linalg.set_diag(tf.convert_to_tensor(layer.packed), s)
    oracle = tfb.Invert(tfb.ScaleMatvecLU(lower_upper, tf.argmax(layer.permutation, axis=0, output_type=tf.int32)))
    x = tf.constant(np.random.default_rng(seed).normal(size=(2, 3, 3, channels)))
    same(layer.bijector.forward(x), oracle.forward(x), 1e-7)
    same(layer.bijector.inverse(x), oracle.inverse(x), 1e-7)
    ours = layer.bijector.inverse_log_det_jacobian(x, event_ndims=3)
    same(ours, oracle.inverse_log_det_jacobian(x, event_ndims=3), 1e-8)


def test_squeeze_is_reshape_and_transpose():
    x = tf.constant(RNG.normal(size=(2, 4, 6, 3)))
    same(bijectors.Squeeze().forward(x), stock.squeeze((4, 6, 3)).forward(x), 0)


@pytest.mark.parametrize(
    ("shape", "squeezed"), [((1, 6, 2), (1, 3, 4)), ((6, 1, 2), (3, 1, 4)), ((4, 6, 1), (2, 3, 4))]
)
def test_squeeze_of_a_signal_leaves_the_axis_of_one_pixel(shape, squeezed):
    squeeze = bijectors.Squeeze.of(shape)
    x = tf.constant(RNG.normal(size=(2, *shape)))
    assert squeeze.forward(x).shape[1:] == squeezed
    same(squeeze.inverse(squeeze.forward(x)), x, 0)
    same(squeeze.forward(x)[0, 0, 0, :2], x[0, 0, 0, :2] if shape[2] == 2 else x[0, 0, :2, 0], 0)


def test_actnorm_adapts_to_mean_zero_and_variance_one():
    layer = bijectors.ActNorm(2, dtype="float64")
    x = tf.constant(RNG.normal(loc=[3.0, -1.0], scale=[2.0, 0.1], size=(50, 4, 4, 2)))
    same(layer.bijector.inverse(x), x, 0)  # the identity before
    layer.adapt(x)
    z = layer.bijector.inverse(x).numpy()
    same(z.mean((0, 1, 2)), [0, 0], 1e-10)
    same(z.std((0, 1, 2)), [1, 1], 1e-10)


def test_actnorm_of_a_constant_channel_is_finite_and_moderate():
    layer = bijectors.ActNorm(2)
    layer.adapt(tf.zeros((8, 4, 4, 2)))
    assert np.exp(-layer.log_scale.numpy()).max() <= 1001


@pytest.mark.parametrize("name", ["affine", "additive", "in an order"])
def test_vector_coupling_is_tfp_real_nvp(name):
    order = np.array([3, 0, 2, 4, 1]) if name == "in an order" else np.arange(5)
    ours = _coupling(VECTOR, affine=name != "additive", order=order)

    def bijector_fn(a, units, **kwargs):
        shift, *log_scale = tf.split(ours.conditioner(a), [units] * (1 if name == "additive" else 2), axis=-1)
        return tfb.Chain([tfb.Shift(shift), *(tfb.Scale(log_scale=tf.tanh(s)) for s in log_scale)])

    permute = tfb.Permute(order)
    oracle = tfb.Chain([tfb.Invert(permute), tfb.RealNVP(num_masked=2, bijector_fn=bijector_fn), permute])
    _agree(ours, oracle)


@pytest.mark.parametrize("outputs", [1, 2])
def test_masked_autoregressive_is_tfp_masked_autoregressive_flow(outputs):
    ours = _masked(outputs=outputs)

    def shift_and_log_scale(x):
        shift, *log_scale = tf.unstack(ours.made(x), axis=1)
        return shift, tf.tanh(log_scale[0]) if log_scale else None

    _agree(ours, tfb.MaskedAutoregressiveFlow(shift_and_log_scale))
    inverted = bijectors.Invert(ours)
    _agree(inverted, tfb.Invert(tfb.MaskedAutoregressiveFlow(shift_and_log_scale)))


def test_logit_of_pixels_is_tfp_sigmoid():
    alpha, bins = 1e-6, 256
    ours = bijectors.LogitPixels(alpha, bins)
    parts = [tfb.Scale(tf.constant(bins / (1 - 2 * alpha), tf.float64)), tfb.Shift(tf.constant(-alpha, tf.float64))]
    oracle = tfb.Chain([*parts, tfb.Sigmoid()])
    y = tf.constant(RNG.uniform(0, bins, size=(3, *SHAPE)))
    same(ours.inverse(y), oracle.inverse(y), 1e-9)
    same(ours.inverse_log_det_jacobian(y), oracle.inverse_log_det_jacobian(y, event_ndims=3), 1e-8)


@pytest.mark.parametrize("pixel", [0.0, 255.999, 256.0])
def test_logit_of_black_and_white_is_finite_in_float32(pixel):
    ours = bijectors.LogitPixels(1e-6, 256, event_ndims=1)
    x, log_det = ours.inverse_and_log_det(tf.constant([[pixel]]))
    assert np.isfinite(x).all()
    assert np.isfinite(log_det).all()
    same(ours.forward(x), [[pixel]], 1e-3)


def _agree(ours, oracle):
    x = tf.constant(RNG.normal(size=(3, *VECTOR)))
    same(ours.forward(x), oracle.forward(x), 1e-10)
    same(ours.inverse(x), oracle.inverse(x), 1e-10)
    for method in ("forward_log_det_jacobian", "inverse_log_det_jacobian"):
        expected = getattr(oracle, method)(tf.identity(x), event_ndims=1)
        same(np.broadcast_to(getattr(ours, method)(x, event_ndims=1), [3]), np.broadcast_to(expected, [3]), 1e-10)


def test_any_number_of_batch_axes():
    bijector = bijectors.BatchAxes(_multiscale(SHAPE))
    x = tf.constant(RNG.normal(size=(2, 3, *SHAPE)))
    y, log_det = bijector.forward_and_log_det(x)
    assert (y.shape, log_det.shape) == ((2, 3, *SHAPE), (2, 3))
    alone, log_det_alone = bijector.forward_and_log_det(x[1, 2])
    same(alone, y[1, 2], 1e-12)
    same(log_det_alone, log_det[1, 2], 1e-12)
    assert bijector.inverse_log_det_jacobian(y, event_ndims=4).shape == (2,)


def test_too_few_event_ndims():
    with pytest.raises(ValueError, match=r"acts on 3 axes, got event_ndims=2. Ask for event_ndims=3 or more"):
        bijectors.Squeeze().forward_log_det_jacobian(tf.zeros((1, 2, 2, 1)), event_ndims=2)
