"""The second-order analysis: where the flow is linear the expansion is exact, and so every term has a known answer."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from dgm_tfp import data, ood, plots
from dgm_tfp.data import synthetic
from dgm_tfp.errors import InputError
from dgm_tfp.models import VAE, Glow, Likelihood, PixelCNN, RealNVP
from dgm_tfp.ood.second_order_table import Row, SecondOrderTable
from dgm_tfp.training import Budget, WarmUpCosine, adam
from tests.helpers import randomise, same

SHAPE = (4, 4, 3)


def set_kernel(layer, kernel: np.ndarray) -> None:
    """Makes `kernel` the matrix of an `InvertibleConv`."""
    permutation, lower, upper = scipy.linalg.lu(kernel)
    s = np.diag(upper)
    layer.packed.assign(np.tril(lower, -1) + np.triu(upper, 1) + np.diag(np.log(np.abs(s))))
    layer.sign.assign(np.sign(s))
    layer.permutation.assign(permutation)


def linear_glow(diagonal: bool = False, seed: int = 0, **kwargs) -> Glow:
    """A Glow of float64 whose couplings are the identity, with random kernels, scales and prior."""
    model = Glow(SHAPE, levels=2, steps=1, filters=4, coupling="additive", dtype="float64", **kwargs)
    rng = np.random.default_rng(seed)
    for blocks in model.scales:
        for block in blocks:
            channels = block.mix.sign.shape[0]
            if diagonal:
                set_kernel(block.mix, np.diag(rng.choice([-1, 1], channels) * rng.uniform(0.5, 2, channels)))
            block.actnorm.log_scale.assign(rng.normal(0, 0.3, channels))
            block.actnorm.shift.assign(rng.normal(0, 0.3, channels))
    model.prior_loc.assign(rng.normal(0, 0.3, SHAPE))
    model.prior_log_scale.assign(rng.normal(0, 0.3, SHAPE))
    return model


def noise(mean, std, n: int = 200, seed: int = 0) -> np.ndarray:
    """Images of independent pixels."""
    return synthetic.images(n, SHAPE, mean, std, seed)


def mirrored(std: float, seed: int = 0) -> np.ndarray:
    """The same, each with its negative: the mean of every dimension is exactly 127.5."""
    x = noise(127.5, std, seed=seed)
    return np.concatenate([x, 255 - x])


def difference(model, p, q) -> float:
    """E_q log p - E_p log p at the middle of each image's bin: what dequantization noise cannot blur."""
    at_q, at_p = (model.distribution.log_prob(x.astype(np.float64) + 0.5).numpy() for x in (q, p))
    return at_q.mean() - at_p.mean()


def hessian(model) -> np.ndarray:
    """H of a linear flow, (D, D): -J^T diag(1 / sigma^2) J, the columns of J by sending the axes through the flow."""
    basis = tf.reshape(tf.eye(model.event_size, dtype=tf.float64), [-1, *SHAPE])
    columns = model.bijector.inverse(basis) - model.bijector.inverse(0 * basis)
    jacobian = columns.numpy().reshape(model.event_size, -1).T
    return -jacobian.T @ np.diag(1 / model.base.variance().numpy().ravel()) @ jacobian


def covariance(x) -> np.ndarray:
    return np.cov(x.reshape(len(x), -1).astype(np.float64), rowvar=False, ddof=0)


@pytest.mark.parametrize("std", [10, 40])
def test_the_formula_is_exact_with_diagonal_kernels_and_equal_means(std):
    model, p, q = linear_glow(diagonal=True), mirrored(25), mirrored(std, seed=1)
    result = ood.second_order(model, p, q)
    assert result.predicted == pytest.approx(difference(model, p, q), rel=1e-9)
    assert (result.predicted > 0) == (std < 25)  # less variance, more likely
    assert abs(result.measured.mean - result.predicted) < 4 * result.measured.se
    terms = ood.hessian_second_order(model, p, q)
    same(terms.diagonal, (result.predicted, 0), 1e-9)
    same((terms.first_order, terms.mean_shift), (0, 0), 1e-9)


def test_alpha_is_the_product_of_scales_and_row_sums():
    """One scale, two steps, kernels by hand; the four pixels of the image are the four channels of the flow."""
    model = Glow((2, 2, 1), levels=1, steps=2, filters=4, coupling="additive", dtype="float64")
    first, second = model.scales[0]
    set_kernel(first.mix, np.array([[1.0, 2, 0, 0], [0, 3, 0, 0], [0, 0, 4, -1], [0, 0, 0, 5]]))
    set_kernel(second.mix, np.array([[0, 0, 0, 2.0], [1, 1, 0, 0], [0, -3, 1, 0], [0.5, 0, 0, 0]]))
    second.actnorm.log_scale.assign(np.log([2.0, 1, 4, 1]))
    same(ood.alpha(model)[..., 0], [[3 * 2 / 2, 3 * 2], [3 * -2 / 4, 5 * 0.5]], 1e-12)
    model.prior_log_scale.assign(np.log([[[2.0], [1]], [[1], [0.5]]]))
    q = np.full((4, 2, 2, 1), 7)
    p = q + np.array([1, -1, 1, -1])[:, None, None, None]  # variance 1 in every dimension
    weight = np.array([9 / 4, 36, 2.25, 6.25 * 4])
    assert ood.second_order(model, p, q).predicted == pytest.approx(weight.sum() / 2 / 256**2, rel=1e-9)


def test_alpha_of_a_scale_that_leaves_and_one_that_goes_on():
    """With two levels the first half of the channels passes one set of steps, the other half both."""
    model = Glow((4, 4, 1), levels=2, steps=1, filters=4, coupling="additive", dtype="float64")
    (fine,), (coarse,) = model.scales
    set_kernel(fine.mix, np.diag([2.0, 3, 5, 7]))
    set_kernel(coarse.mix, np.diag(np.arange(11.0, 19)))
    alpha = ood.alpha(model)[..., 0]
    assert set(alpha[0::2, 0::2].ravel()) == {2}  # the upper row of each block of 2 x 2 leaves
    assert set(alpha[0::2, 1::2].ravel()) == {3}
    same(alpha[1::2, 0::2], 5 * np.array([[11, 13], [15, 17]]), 1e-12)
    same(alpha[1::2, 1::2], 7 * np.array([[12, 14], [16, 18]]), 1e-12)


def test_of_a_linear_flow_the_whole_expansion_is_exact_and_each_term_is_what_matrices_give():
    model, p, q = linear_glow(), noise(120, 20), noise(135, 30, seed=1)
    q[..., 1] = q[..., 0]  # channels that move together: covariances count
    h = hessian(model)
    delta = (q.mean(0) - p.mean(0)).ravel()
    terms = ood.hessian_second_order(model, p, q)
    assert terms.total == pytest.approx(difference(model, p, q), rel=1e-8)
    assert terms.covariance.mean == pytest.approx(np.trace(h @ (covariance(q) - covariance(p))) / 2, rel=1e-8)
    assert terms.diagonal.mean == pytest.approx(np.diag(h) @ (np.diag(covariance(q) - covariance(p))) / 2, rel=1e-8)
    assert terms.mean_shift == pytest.approx(delta @ h @ delta / 2, rel=1e-8)
    assert abs(terms.covariance.mean - terms.diagonal.mean) > 0.01 * abs(terms.covariance.mean)
    assert abs(terms.first_order) > 0.01 * abs(terms.total)


class Gaussian(Likelihood):
    """N(mean, cov) of vectors."""

    def __init__(self, mean, cov):
        super().__init__(np.shape(mean), bins=None, dtype="float64")
        self.law = tfd.MultivariateNormalTriL(np.float64(mean), np.linalg.cholesky(cov))

    @property
    def distribution(self):
        return self.law


COV = np.array([[2.0, 0.5, 0], [0.5, 1, -0.3], [0, -0.3, 0.5]])


def test_slope_and_curvature_of_a_gaussian():
    """g = -C^-1 (x - m) and H = -C^-1."""
    mean, at, v = np.array([1.0, -1, 0]), np.array([0.0, 2, 1]), np.random.default_rng(0).normal(size=(5, 3))
    precision = np.linalg.inv(COV)
    expansion = ood.Expansion(Gaussian(mean, COV), at)
    slope, curvature = expansion.along(v, batch_size=2)
    same(slope, -v @ precision @ (at - mean), 1e-10)
    same(curvature, -np.einsum("ni,ij,nj->n", v, precision, v), 1e-10)
    same(expansion.diagonal(batch_size=2), -np.diag(precision), 1e-10)


def test_a_shifted_gaussian_shows_in_the_two_terms_that_the_paper_drops():
    """p = N(0, C) is the model's own law, q the same points moved by d: -d^T C^-1 (mean of p) - d^T C^-1 d / 2."""
    p = np.random.default_rng(0).multivariate_normal(np.zeros(3), COV, size=400)
    d = np.array([0.3, -1, 2])
    model = Gaussian(np.zeros(3), COV)
    terms = ood.hessian_second_order(model, p, p + d)
    assert terms.covariance.mean == pytest.approx(0, abs=1e-9)
    assert terms.first_order == pytest.approx(-d @ np.linalg.solve(COV, p.mean(0)), rel=1e-9)
    assert terms.mean_shift == pytest.approx(-d @ np.linalg.solve(COV, d) / 2, rel=1e-9)
    assert terms.measured.mean == pytest.approx(terms.total, rel=1e-9)
    errors = [model.log_prob(x).std(ddof=1) / 20 for x in (p, p + d)]
    assert terms.measured.se == pytest.approx(np.hypot(*errors), rel=1e-9)


class Laplace(Likelihood):
    """exp(-|y|) / 2 in each dimension: straight but for a kink."""

    @property
    def distribution(self):
        return tfd.Independent(tfd.Laplace(tf.zeros(self.event_shape, self.variable_dtype), 1.0), 1)


def test_secants_see_the_kink_that_derivatives_do_not():
    """On the line from 0.01 in one dimension: f(t) = -|0.01 + t v|."""
    v = np.array([[2.0], [-4.0], [0.01]])
    expansion = ood.Expansion(Laplace((1,), bins=None, dtype="float64"), np.array([0.01]))
    slope, curvature = expansion.along(v)
    same((slope, curvature), (-v[:, 0], np.zeros(3)), 1e-12)
    slope, curvature = expansion.secants(v, reach=0.5, batch_size=2)
    same(slope, [-0.02, 0.02, -0.01], 1e-12)  # (-1.01 + 0.99) / 1, ..., and a line that does not reach the kink
    same(curvature, [(-1.01 + 0.02 - 0.99) / 0.25, (-1.99 + 0.02 - 2.01) / 0.25, 0], 1e-9)


@pytest.mark.parametrize("reach", [0.01, 1])
def test_secants_of_a_parabola_are_its_derivatives(reach):
    model, rng = Gaussian(np.ones(3), COV), np.random.default_rng(0)
    v = rng.normal(size=(5, 3))
    expansion = ood.Expansion(model, np.zeros(3))
    same(expansion.secants(v, reach), expansion.along(v), 1e-7)
    p, q = rng.normal(size=(50, 3)), rng.normal(1, 2, size=(60, 3))
    terms = ood.hessian_second_order(model, p, q, reach=reach)
    assert terms.secant.mean == pytest.approx(terms.total, rel=1e-7)
    assert terms.secant.mean == pytest.approx(terms.measured.mean, rel=1e-7)
    assert terms.secant.se == pytest.approx(terms.measured.se, rel=1e-7)


def test_secants_of_images_average_over_the_noise_of_dequantization():
    """Each direction has its own u; over many of them the slope is that of the smooth E_u log p(y0 + u + t v)."""
    expansion = ood.Expansion(linear_glow(), np.full(SHAPE, 128.0))
    v = np.ones((400, *SHAPE))
    exact, (slope, curvature) = expansion.along(v[:1]), expansion.secants(v)
    same(expansion.secants(v, seed=0).slope, slope, 0)
    assert slope.std() > 0
    assert abs(slope.mean() - exact.slope[0]) < 4 * slope.std() / 20
    same(curvature, np.full(400, exact.curvature[0]), 1e-6)  # of a parabola the same everywhere


def test_a_part_of_the_images_estimates_the_covariance_term_within_its_standard_error():
    model, p, q = linear_glow(), noise(128, 20, n=2000), noise(128, 30, n=2000, seed=1)
    exact, part = (ood.hessian_second_order(model, p, q, examples=n).covariance for n in (2000, 100))
    assert part.se > 3 * exact.se > 0
    assert part.mean != exact.mean
    assert abs(part.mean - exact.mean) < 4 * part.se


def test_hutchinson_agrees_with_the_exact_diagonal():
    expansion = ood.Expansion(linear_glow(), np.full(SHAPE, 128))
    variances = np.random.default_rng(3).uniform(-50, 200, SHAPE)  # differences, of both signs
    exact = np.sum(expansion.diagonal() * variances)
    few, many = (expansion.hutchinson(variances, probes) for probes in (50, 800))
    assert few.se > 3 * many.se > 0
    for estimate in (few, many):
        assert abs(estimate.mean - exact) < 4 * estimate.se
    assert many.se < 0.2 * abs(exact)


def test_hutchinson_needs_one_probe_where_the_hessian_is_diagonal():
    """r^2 = 1: random signs, unlike normal numbers, add no noise."""
    model, p, q = linear_glow(diagonal=True), noise(128, 20), noise(128, 30, seed=1)
    exact, guess = (ood.hessian_second_order(model, p, q, probes=probes).diagonal for probes in (None, 3))
    assert guess.mean == pytest.approx(exact.mean, rel=1e-9)
    assert (exact.se, guess.se) == (0, pytest.approx(0, abs=1e-9 * abs(exact.mean)))


@pytest.mark.parametrize("coupling", ["additive", "affine"])
@pytest.mark.parametrize("memory", ["store", "recompute"])
def test_the_curvature_of_a_flow_with_couplings_is_that_of_differences(coupling, memory):
    model = Glow(SHAPE, levels=1, steps=2, filters=8, coupling=coupling, memory=memory, dtype="float64")
    randomise(model)
    rng = np.random.default_rng(1)
    at, v = rng.uniform(0, 256, SHAPE), rng.normal(size=(6, *SHAPE))
    slope, curvature = ood.Expansion(model, at).along(v)
    h = 1e-3
    less, same_point, more = (model.distribution.log_prob(at + t * v).numpy() for t in (-h, 0, h))
    same(slope, (more - less) / (2 * h), 1e-5)
    same(curvature, (more - 2 * same_point + less) / h**2, 1e-4)
    assert np.ptp(curvature) > 1e-3


def test_the_paper_pixels_have_their_moments_by_channel():
    x = np.zeros((4, 2, 2, 3), np.uint8)
    x[:2, 0, 0, 0] = 255  # a pixel of two values: variance 1/4 in units of 255
    x[..., 2] = 51
    moments = ood.moments(x, 255)
    same(moments.channel_variance, [0.25, 0, 0], 1e-12)
    same(moments.channel_mean, [0.125, 0, 0.2], 1e-12)
    assert moments.std == pytest.approx(np.sqrt(0.25 / 12))
    assert ood.moments(x).variance[0, 0, 0] == 255**2 / 4


@pytest.mark.tfds
def test_the_variances_of_the_paper():
    """Section 5: SVHN 49.6, 52.7, 53.6 and CIFAR-10 61.9, 59.2, 68.1; ours, of 10,000 images each, are near."""
    published = {"svhn_cropped": [49.6, 52.7, 53.6], "cifar10": [61.9, 59.2, 68.1]}
    for name, variances in published.items():
        found = ood.moments(data.load(name, "test", verbose=False).images, 255).channel_variance
        np.testing.assert_allclose(found, variances, rtol=0.01)


@pytest.mark.parametrize("factor", [0, 0.25, 1, 1.3])
def test_contrast_multiplies_variances_and_leaves_means(factor):
    x = noise(120, 20, n=500)
    before, after = ood.moments(x), ood.moments(ood.contrast(x, factor))
    assert np.abs(after.mean - before.mean).max() < (0.5 if factor == 0 else 0.2)  # what rounding 500 images moves
    assert after.variance.mean() == pytest.approx(factor**2 * before.variance.mean(), rel=0.01, abs=0.1)


def test_contrast_about_a_level_and_its_clipping():
    x = np.array([0, 100, 200, 255], np.uint8).reshape(4, 1, 1, 1)
    assert ood.contrast(x, 0.5, about=100).ravel().tolist() == [50, 100, 150, 178]
    assert ood.contrast(x, 2, about=100).ravel().tolist() == [0, 100, 255, 255]


def test_grey_and_constant_images():
    x = np.array([[10, 20, 31], [0, 0, 255]], np.uint8).reshape(2, 1, 1, 3)
    assert ood.grey(x).reshape(2, 3).tolist() == [[20, 20, 20], [85, 85, 85]]
    assert (ood.constant(3, SHAPE, 7) == np.full((3, *SHAPE), 7)).all()
    drawn = ood.constant(500, SHAPE)
    assert drawn.dtype == np.uint8
    assert (np.ptp(drawn, axis=(1, 2, 3)) == 0).all()
    assert ood.moments(drawn).std == pytest.approx(np.sqrt((256**2 - 1) / 12), rel=0.05)


def test_the_table_has_the_numbers_of_the_functions(tmp_path):
    model, p = linear_glow(), noise(128, 20)
    sets = {"less": noise(128, 10, seed=1), "more": noise(128, 30, seed=2), "moved": noise(150, 20, seed=3)}
    table = ood.second_order_table(model, p, sets)
    assert [row.name for row in table.rows] == list(sets)
    assert table.std_p == pytest.approx(20, rel=0.05)
    for row, q in zip(table.rows, sets.values(), strict=True):
        terms, paper = ood.hessian_second_order(model, p, q), ood.second_order(model, p, q)
        same(row[2:8], (paper.predicted, terms.diagonal[0], terms.covariance[0], *terms[2:4], terms.secant[0]), 1e-9)
        assert row.measured == terms.measured == paper.measured
        assert (row.first_order, row.mean_shift) == pytest.approx((paper.first_order, paper.mean_shift), rel=1e-9)
        assert row.total == pytest.approx(difference(model, p, q), rel=1e-8)
    less, more, moved = table.rows
    assert less.measured.mean > 0 > more.measured.mean
    assert less.decides == "covariance"
    assert moved.decides == max(["first_order", "mean_shift"], key=lambda term: abs(getattr(moved, term)))
    assert (table.signs("total"), table.rank_correlation("total")) == (1, 1)
    assert len(table.to_markdown().splitlines()) == 2 + 3 + 2
    assert json.loads(json.dumps(table.to_json()))["rows"][0]["name"] == "less"
    figure = plots.variance_curve(table)
    (curve, *_), axes = figure.axes[0].lines, figure.axes[0]
    same(curve.get_xdata(), sorted(row.std for row in table.rows), 1e-12)
    same(curve.get_ydata()[0], less.total, 1e-12)
    assert "levels" in axes.get_xlabel()
    figure.savefig(tmp_path / "curve.png")


def trained(images: np.ndarray, updates: int, **kwargs) -> Glow:
    """A constant-volume Glow after a short training."""
    model = Glow(images.shape[1:], levels=1, coupling="additive", **kwargs)
    model.adapt(images)
    schedule = WarmUpCosine(warmup=10)
    model.compile(optimizer=adam(schedule))
    budget = Budget(updates=updates, schedule=schedule, progress=False)
    model.fit(images, batch_size=128, epochs=updates, verbose=0, callbacks=[budget])
    return model


def test_the_likelihood_of_images_of_a_variance_set_by_hand_lies_on_the_predicted_curve():
    """Independent Gaussian pixels: under the law itself it is D / 2 (1 - std^2 / 40^2) nats."""
    shape = (8, 8, 1)
    model = trained(synthetic.images(3000, shape, 128, 40, seed=1), updates=60, steps=2, filters=16)
    p = synthetic.images(800, shape, 128, 40, seed=2)
    sets = {str(std): synthetic.images(400, shape, 128, std, seed=std) for std in (2, 10, 20, 30, 36, 44, 50)}
    table = ood.second_order_table(model, p, sets, examples=800)
    for row in table.rows:
        assert row.measured.mean == pytest.approx(row.total, abs=1)
        assert row.measured.mean == pytest.approx(row.covariance, abs=1.5)  # the means are equal
        assert row.measured.mean == pytest.approx(32 * (1 - (row.std / table.std_p) ** 2), abs=4)
    for prediction in ("formula", "covariance", "total", "secant"):  # both signs, and all right
        assert (table.signs(prediction), table.rank_correlation(prediction)) == (1, 1)


def test_the_bar_on_real_images(clothes):
    """The sign right for eight pairs of both signs, and the ranks: by secants. The paper's formula misses the noise."""
    model = trained(clothes, updates=60, steps=2, filters=16)
    sets = {"mnist": data.load("mnist", "test", source="embedded", verbose=False).images[:200]}
    sets |= {f"contrast {factor}": ood.contrast(clothes, factor) for factor in (0.25, 0.5, 0.75, 1.25, 1.5)}
    sets |= {f"noise {std}": synthetic.images(200, (28, 28, 1), ood.moments(clothes).mean, std) for std in (5, 60)}
    table = ood.second_order_table(model, clothes, sets, examples=150, probes=10)
    assert {np.sign(row.measured.mean) for row in table.rows} == {-1, 1}
    assert table.signs("secant") == 1, table.to_markdown()
    assert table.rank_correlation("secant") >= 0.8, table.to_markdown()
    assert table.signs("formula") < 1, table.to_markdown()


def test_signs_and_ranks_count_by_hand():
    measured = [3.0, 1, -1, -2]
    rows = [
        Row(str(i), 1.0, formula, 0, covariance, 0, 0, 0, ood.Mean(m, 0.1))
        for i, (formula, covariance, m) in enumerate(zip([4, 3, 2, -1], [-1, 1, 2, 3], measured, strict=True))
    ]
    table = SecondOrderTable(20.0, rows)
    assert (table.signs("formula"), table.rank_correlation("formula")) == (0.75, 1)
    assert (table.signs("total"), table.rank_correlation("covariance")) == (0.25, -1)
    with pytest.raises(InputError, match="no prediction 'first_order'"):
        table.signs("first_order")


def test_an_affine_glow_has_the_hessian_but_not_the_formula():
    model, p = Glow(SHAPE, levels=1, steps=1, filters=4), noise(128, 20)
    (row,) = ood.second_order_table(model, p, {"q": noise(128, 10)}).rows
    assert np.isnan(row.formula)
    assert row.total > 0


BAD_CALLS = {
    "constant volume": lambda p: ood.second_order(Glow(SHAPE, levels=1, steps=1, filters=4), p, p),
    "that of a Glow": lambda p: ood.second_order(RealNVP(SHAPE), p, p),
    "logit_alpha": lambda p: ood.second_order(
        Glow(SHAPE, levels=1, steps=1, filters=4, coupling="additive", logit_alpha=0.05), p, p
    ),
    "PixelCNN gives probabilities": lambda p: ood.hessian_second_order(PixelCNN(SHAPE), p, p),
    "VAE gives probabilities": lambda p: ood.hessian_second_order(VAE(SHAPE), p, p),
    "object is no Likelihood": lambda p: ood.Expansion(object(), p[0]),
    r"expected \(n, 4, 4, 3\)": lambda p: ood.second_order(linear_glow(), p, p[:, :2]),
    "cannot be differentiated": lambda p: ood.hessian_second_order(Flat(SHAPE), p, p),
    r"expected \(4, 4, 3\)": lambda p: ood.Expansion(linear_glow(), p),
    "expected more than 0": lambda p: ood.hessian_second_order(linear_glow(), p, p, reach=0),
    "no examples": lambda p: ood.moments(p[:0]),
    "expected 0 or more": lambda p: ood.contrast(p, -1),
    "grey already": lambda p: ood.grey(p[..., :1]),
    r"expected 0\.\.255": lambda p: ood.constant(2, SHAPE, 256),
}


class Flat(Likelihood):
    """A density of rounded numbers."""

    @property
    def distribution(self):
        return SimpleNamespace(log_prob=lambda y: -tf.reduce_sum(tf.round(y), axis=[1, 2, 3]))


@pytest.mark.parametrize("message", BAD_CALLS)
def test_mistakes(message):
    with pytest.raises(InputError, match=message):
        BAD_CALLS[message](noise(128, 20, n=4))
