"""Scores on laws where the answer is known: Gaussians in D dimensions, flat images, uniform noise."""

import threading
from functools import partial

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.stats
import tensorflow as tf
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from dgm_tfp import data, ood
from dgm_tfp.errors import InputError
from dgm_tfp.models import RealNVP

D = 20


class Gaussian:
    """N(mean, std^2 I) in D dimensions: anything with `log_prob` is a model."""

    def __init__(self, mean=0.0, std=1.0):
        self.law = scipy.stats.norm(mean, std)

    def log_prob(self, x):
        return self.law.logpdf(x).sum(axis=1)


def draw(n, std=1.0, seed=0):
    return std * np.random.default_rng(seed).standard_normal((n, D))


def within(value, truth, n):
    """Five standard errors of an AUROC of n and n examples, at most 1 / (2 sqrt(n))."""
    assert value == pytest.approx(truth, abs=2.5 / np.sqrt(n))


# Metrics.


@pytest.fixture(params=["distinct", "ties"])
def two(request):
    rng = np.random.default_rng(1)
    inside, outside = rng.normal(0.7, 1, 300), rng.normal(0, 1.5, 200)
    return (inside, outside) if request.param == "distinct" else (inside.round(), outside.round())


def sklearn_auroc(inside, outside):
    return roc_auc_score(np.r_[np.zeros(len(inside)), np.ones(len(outside))], -np.r_[inside, outside])


def sklearn_auprc(inside, outside):
    return average_precision_score(np.r_[np.zeros(len(inside)), np.ones(len(outside))], -np.r_[inside, outside])


def sklearn_fpr95(inside, outside):
    false, true, _ = roc_curve(np.r_[np.zeros(len(inside)), np.ones(len(outside))], -np.r_[inside, outside])
    return false[true >= 0.95].min()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(ood.auroc, sklearn_auroc), (ood.auprc, sklearn_auprc), (ood.fpr_at_95_tpr, sklearn_fpr95)],
)
def test_a_metric_and_its_bootstrap_are_scikit_learns(two, ours, theirs):
    rng = np.random.default_rng(3)
    drawn = [theirs(*(rng.choice(values, len(values)) for values in two)) for _ in range(60)]
    expected = [theirs(*two), *np.quantile(drawn, [0.025, 0.975])]
    np.testing.assert_allclose(ours(*two, resamples=60, seed=3), expected, rtol=1e-12)


def test_metrics_by_hand():
    inside, outside = np.array([2.0, 3.0]), np.array([1.0, 2.5])  # alarms in the order out, in, out, in
    assert ood.auroc(inside, outside).value == 3 / 4
    assert ood.auprc(inside, outside).value == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)
    assert ood.fpr_at_95_tpr(inside, outside).value == 1 / 2
    # The threshold may miss one of 20, no more.
    late = np.r_[np.zeros(19), 9.0]
    assert ood.fpr_at_95_tpr(np.full(4, 5.0), late).value == 0
    assert ood.fpr_at_95_tpr(np.full(4, 5.0), late[1:]).value == 1
    assert ood.auprc(np.zeros(30), np.zeros(10)).value == 1 / 4  # chance is the share of `outside`


@pytest.mark.parametrize("metric", [ood.auroc, ood.auprc, ood.fpr_at_95_tpr])
def test_metrics_refuse_what_they_cannot_rank(metric):
    with pytest.raises(InputError, match="1 of the 2 scores of `outside` are NaN"):
        metric(np.zeros(3), np.array([np.nan, 1]))
    with pytest.raises(InputError, match=r"`inside` have the shape \(0,\)"):
        metric(np.zeros(0), np.zeros(3))
    assert metric(np.zeros(5), np.full(5, -np.inf)).value == (0.0 if metric is ood.fpr_at_95_tpr else 1.0)


# Likelihood and typicality under N(0, I), of data from N(0, std^2 I): |x|^2 / std^2 is chi-square with D degrees.


@pytest.mark.parametrize("std", [0.7, 0.9, 1.0, 1.3])
def test_likelihood_of_a_gaussian_has_the_auroc_of_an_f_distribution_below_half_for_the_narrower(std):
    """log p falls with |x|^2, so the AUROC is P(|x|^2 < |y|^2) = P(F < std^2), F with (D, D) degrees: the paradox."""
    truth = scipy.stats.f(D, D).cdf(std**2)
    assert (truth < 0.5) == (std < 1)
    n = 20_000
    values = [ood.likelihood(Gaussian(), x) for x in (draw(n), draw(n, std, seed=1))]
    within(ood.auroc(*values, resamples=1).value, truth, n)


def distance_cdf(t, std=1.0, groups=1):
    """P(epsilon < t) of groups of M images: the sum of M chi-squares has M D degrees."""
    chi = scipy.stats.chi2(groups * D)
    return chi.cdf(groups * (D + 2 * t) / std**2) - chi.cdf(groups * (D - 2 * t) / std**2)


@pytest.mark.parametrize("std", [0.6, 1.0, 1.4])
def test_typicality_has_the_auroc_of_its_law_and_finds_narrow_and_wide_alike(std):
    def density(t):
        return (distance_cdf(t + 1e-4, std) - distance_cdf(t - 1e-4, std)) / 2e-4

    truth, _ = scipy.integrate.quad(lambda t: distance_cdf(t) * density(t), 1e-4, 80, limit=500, points=[D / 2])
    n = 20_000
    train = draw(100_000, seed=2)
    values = [ood.typicality(Gaussian(), x, train) for x in (draw(n), draw(n, std, seed=1))]
    within(ood.auroc(*values, resamples=1).value, truth, n)
    assert truth > 0.65 or std == 1


@pytest.mark.parametrize(("size", "alpha"), [(1, 0.05), (10, 0.01)])
def test_typicality_threshold_is_the_quantile_of_a_chi_square(size, alpha):
    truth = scipy.optimize.brentq(lambda t: distance_cdf(t, groups=size) - (1 - alpha), 0, 5 * D)
    train = draw(100_000)
    threshold = ood.typicality_threshold(Gaussian(), train, size, alpha, resamples=100_000)
    assert threshold == pytest.approx(truth, rel=0.02)
    # and new groups are rejected as often as it says
    epsilon = -ood.batch_typicality(Gaussian(), draw(100_000, seed=1), train, size)
    assert np.mean(epsilon > threshold) == pytest.approx(alpha, rel=0.25)
    held_out = ood.typicality_threshold(Gaussian(), train, size, alpha, validation=draw(1000, std=0.5))
    assert held_out > max(threshold, 0.75 * D / 2)  # narrower than `train`: E log p is 3 D / 8 higher


def test_batch_typicality_by_hand():
    class Itself:
        def log_prob(self, x):
            return x

    x, train = np.array([1.0, 3.0, 7.0, 9.0, 100.0]), np.array([4.0, 6.0])
    np.testing.assert_array_equal(ood.batch_typicality(Itself(), x, train, size=2), [-3, -3])
    np.testing.assert_array_equal(ood.typicality(Itself(), x, train), [-4, -2, -2, -4, -95])
    with pytest.raises(InputError, match="size is 6 with 5 images"):
        ood.batch_typicality(Itself(), x, train, size=6)
    with pytest.raises(InputError, match="alpha is 1"):
        ood.typicality_threshold(Itself(), train, alpha=1)


# Ensembles and ratios.


def test_waic_is_the_mean_minus_the_variance_over_models():
    """log p of N(m, I) at x is -(x - m)^2 / 2 + c: over m = -1, 0, 1 its mean is c - x^2/2 - 1/3, its variance..."""
    models = [Gaussian(mean) for mean in (-1.0, 0.0, 1.0)]
    x = draw(50)
    s = x.sum(axis=1)  # log p_m = log p_0 + m s - D m^2 / 2
    base = models[1].log_prob(x)
    values = np.stack([-s - D / 2, np.zeros(50), s - D / 2])
    variance = ((values - values.mean(axis=0)) ** 2).sum(axis=0) / 2
    np.testing.assert_allclose(ood.waic(models, x), base - D / 3 - variance)
    np.testing.assert_allclose(ood.waic([models[1]] * 4, x), base)  # models that agree: the likelihood
    for one in (models[0], models[:1]):
        with pytest.raises(ood.NotApplicable, match="ensemble"):
            ood.waic(one, x)


def test_the_ratio_of_two_gaussians_is_linear():
    x = draw(100)
    ratio = ood.likelihood_ratio(Gaussian(0.5), x, background=Gaussian(-0.25))
    np.testing.assert_allclose(ratio, 0.75 * x.sum(axis=1) - D * (0.5**2 - 0.25**2) / 2)
    np.testing.assert_array_equal(ood.likelihood_ratio(Gaussian(), x, background=Gaussian()), 0)


def test_mutate_replaces_its_share_by_uniform_levels():
    x = np.full((100, 10, 10, 3), 8, np.uint8)
    mutated = ood.mutate(x, rate=0.3, seed=1)
    changed = mutated != x
    truth = 0.3 * 255 / 256  # a uniform level may be the old one
    assert changed.mean() == pytest.approx(truth, abs=5 * np.sqrt(truth * (1 - truth) / x.size))
    assert scipy.stats.chisquare(np.bincount(mutated[changed], minlength=256)[np.arange(256) != 8]).pvalue > 1e-3
    assert (mutated.dtype, mutated.shape) == (x.dtype, x.shape)
    np.testing.assert_array_equal(mutated, ood.mutate(x, rate=0.3, seed=1))
    assert (mutated != ood.mutate(x, rate=0.3, seed=2)).any()
    np.testing.assert_array_equal(ood.mutate(x, rate=0), x)
    assert ood.mutate(x, rate=1, bins=4).max() == 3
    with pytest.raises(InputError, match=r"rate is 1\.5"):
        ood.mutate(x, rate=1.5)


# Complexity.


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("codec", ood.complexity.CODECS)
def test_flat_images_are_the_simplest_and_noise_takes_its_eight_bits(codec, channels):
    shape = (32, 32, channels)
    levels = np.array([0, 1, 77, 128, 254, 255], np.uint8)
    flat = ood.codec_bits(np.broadcast_to(levels[:, None, None, None], (6, *shape)), codec)
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8)[:, None, None] * 8, (1, *shape))
    letters = data.load("letters", "test").images[:20]
    noise = np.random.default_rng(0).integers(256, size=(20, *shape)).astype(np.uint8)
    per_byte = {name: ood.codec_bits(x, codec) / x[0].size for name, x in (("noise", noise), ("letters", letters))}
    assert flat.max() - flat.min() <= 8 * 16  # the level itself, and how it is predicted
    assert 0 < flat.max() < ood.codec_bits(ramp, codec)[0] < ood.codec_bits(noise, codec).min()
    assert per_byte["noise"].min() >= 8 * 0.99  # nothing compresses noise
    assert per_byte["noise"].max() < (11 if codec == "jpeg2000" else 8.5)
    assert flat.max() / noise[0].size < per_byte["letters"].min() < per_byte["noise"].min()


def test_webp_is_the_better_codec(clothes):
    png, webp = (ood.codec_bits(clothes[:100], codec).mean() for codec in ("png", "webp"))
    assert webp < 0.98 * png


def test_input_complexity_is_the_likelihood_ratio_with_the_codec(clothes):
    class Flat:
        def log_prob(self, x):
            return np.full(len(x), -100.0)

    x = clothes[:5]
    for codec in ("png", "webp"):
        bits = ood.codec_bits(x, codec)
        np.testing.assert_allclose(ood.input_complexity(Flat(), x, codec), -100 + bits * np.log(2))
        np.testing.assert_allclose(ood.simplicity(None, x, codec), -bits * np.log(2))
    with pytest.raises(InputError, match="no codec 'gif'; expected one of png, webp, jpeg2000"):
        ood.codec_bits(x, "gif")
    for wrong in (x / 255.0, x[..., 0], np.repeat(x, 2, axis=-1)):
        with pytest.raises(ood.NotApplicable, match="a codec takes uint8 images"):
            ood.codec_bits(wrong)


# Outlier exposure.


def gaussians(seed):
    return tuple(draw(2000, std, seed + i).astype(np.float32) for i, std in enumerate((1.0, 0.5, 0.35)))


def flow(train, steps=4, dtype="float32"):
    """A flow that is N(0, I) from the start, since that is what the data are."""
    model = RealNVP((D,), bins=None, hidden=(32, 32), steps=steps, dtype=dtype, seed=0)
    model.adapt(train)
    return model


def areas(model, inside, outside):
    return ood.auroc(ood.likelihood(model, inside), ood.likelihood(model, outside), resamples=1).value


def test_exposure_turns_the_paradox_round_on_data_never_seen():
    train, auxiliary, other = gaussians(0)
    model, fresh = flow(train), draw(1000, seed=9).astype(np.float32)
    before = model.bits_per_dim(train[:1000]).mean()
    assert areas(model, fresh, other) < 0.05
    told = ood.expose(model, train, auxiliary, steps=250, batch_size=64, peak=5e-3)
    assert areas(model, fresh, other) > 0.95
    assert told.steps == 250
    assert told.seconds > 0
    assert told.bits_before == pytest.approx(before)
    assert told.bits_after == pytest.approx(model.bits_per_dim(train[:1000]).mean())


def test_exposure_is_the_same_for_the_same_seed_and_stops_when_told():
    train, auxiliary, other = gaussians(0)
    ends = []
    for seed in (1, 1, 2):
        model = flow(train, steps=1)
        ood.expose(model, train, auxiliary, steps=3, seed=seed)
        ends.append(model.log_prob(other))
    np.testing.assert_array_equal(ends[0], ends[1])
    assert (ends[0] != ends[2]).any()
    stop = threading.Event()
    stop.set()
    assert ood.expose(model, train, auxiliary, steps=500, stop=stop).steps == 1


def test_the_loss_of_exposure_by_hand():
    exposure = ood.OutlierExposure(flow(gaussians(0)[0], dtype="float64"), margin=0.5, weight=3.0)
    assert exposure.compute_dtype == "float64"
    inside, outside = tf.constant([-10.0, -20.0]), tf.constant([-30.0, -15.0])  # D / 2 = 10 apart is enough
    assert float(exposure.compute_loss(y_pred=(inside, outside))) == pytest.approx(15 + 3 * (0 + 15) / 2)


def test_exposure_names_images_of_another_shape():
    train, auxiliary, _ = gaussians(0)
    expose = partial(ood.expose, flow(train))
    with pytest.raises(InputError, match=rf"auxiliary has the shape \(2000, 3\); expected 32 or more .* \({D},\)"):
        expose(train, auxiliary[:, :3])
    with pytest.raises(InputError, match="train has the shape"):
        expose(train[:10], auxiliary)


def test_coloured_outliers_are_smooth_varied_and_repeatable():
    letters = data.load("letters", "train").images[:50]
    images = ood.coloured(letters, 40, seed=1)
    assert (images.shape, images.dtype) == ((40, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(images, ood.coloured(letters, 40, seed=1))
    assert (images != ood.coloured(letters, 40, seed=2)).any()
    blank = ood.coloured(np.zeros_like(letters), 40, seed=1)
    assert (np.abs(images - blank.astype(float)).mean(axis=(1, 2, 3)) > 0.5).mean() > 0.8  # the letters can be seen
    assert images.mean(axis=(1, 2)).std(axis=0).min() > 40  # of all colours
    assert ood.codec_bits(images).mean() / images[0].size < 6  # far simpler than noise
