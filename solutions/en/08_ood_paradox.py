# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
# In Colab: install the library beside Colab's own TensorFlow. Elsewhere this cell does nothing.
import sys

if "google.colab" in sys.modules:
    import subprocess
    from importlib.metadata import version

    library = "dgm-tfp @ git+https://github.com/dgm-tfp/dgm-tfp@main"
    keep = [f"{name}=={version(name)}" for name in ("tensorflow", "keras", "tf-keras")]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", library, *keep], check=True)

# %% [markdown]
# # Lab: the OOD paradox
#
# Six exercises after the [lecture](../../lectures/en/08_ood_paradox.ipynb), 10 points, 60 to 90 minutes. You start by counting pairs and end with the contrast at which the paradox disappears.
#
# **How it works.** Put your code where a cell says `your code here`, and delete the line `raise NotImplementedError(...)`. The cell below each exercise checks you at once: **✓** right, **✗** wrong, and why, **…** not done yet. It never stops the notebook, so *Run All* always reaches the end. The grader runs the same checks on other numbers.
#
# | exercise | points |
# |---|---|
# | 1. AUROC | 1 |
# | 2. Two normal densities | 2 |
# | 3. The paper's formula | 2 |
# | 4. The sign before the experiment | 2 |
# | 5. A Hessian that is never formed | 1 |
# | 6. Where the paradox ends | 2 |

# %%
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import stats

from dgm_tfp import data, models, profiles, training
from dgm_tfp.exercises import check, expect, graded

rng = np.random.default_rng(0)
profile = profiles.current().name


def images_of(name, n=500):
    """Test images (n, 28, 28, 1), pixels in [0, 1], float64."""
    return data.load(name, "test", source="embedded", verbose=False).images[:n] / 255


clothes, digits = images_of("fashion_mnist"), images_of("mnist")


def sphere(mean, variance):
    """The simplest flow of constant volume, N(mean, variance I): its log p, (n, ...) -> (n,)."""

    def log_prob(x):
        axes = tuple(range(1, np.ndim(x)))
        return stats.norm.logpdf(x, mean, variance**0.5).sum(axis=axes)

    return log_prob


# %% [markdown]
# ## Exercise 1. AUROC (1 point)
#
# Scores of images of the training kind, `inside`, and of foreign ones, `outside`. Higher should mean: more like the training data. Write the probability that a random one of `inside` is higher than a random one of `outside`; an equal pair counts half. Any way will do: over all pairs, or by ranks.

# %% nbgrader={"grade": false, "grade_id": "auroc", "locked": false, "schema_version": 3, "solution": true, "task": false}
def auroc(inside, outside):
    """inside: (n,); outside: (m,). Returns a number."""
    # BEGIN SOLUTION
    inside, outside = np.asarray(inside)[:, None], np.asarray(outside)
    return np.mean((inside > outside) + 0.5 * (inside == outside))
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "auroc-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_auroc(inside, outside):
    answer = auroc(inside, outside)
    expect(
        np.shape(answer) == (),
        f"one number is wanted, the shape is {np.shape(answer)}.",
    )
    order = sorted([(a, 1) for a in inside] + [(b, 0) for b in outside])
    won = tied = 0
    for a in inside:
        won += sum(1 for value, mine in order if not mine and value < a)
        tied += sum(1 for value, mine in order if not mine and value == a)
    pairs = len(inside) * len(outside)
    truth = (won + tied / 2) / pairs
    expect(
        not np.isclose(answer, truth + (len(inside) + 1) / (2 * len(outside))),
        f"{answer:.3f}: from the sum of the ranks, the ranks within the set itself are to be taken away.",
    )
    expect(
        tied or not np.isclose(answer, 1 - truth) or np.isclose(truth, 0.5),
        "this is the probability that the foreign image is higher: the other way round.",
    )
    for share in (won, won + tied):
        expect(
            not (tied and np.isclose(answer, share / pairs)),
            f"{tied} of the {pairs} pairs are equal; each counts half, neither nothing nor whole.",
        )
    expect(
        np.isclose(answer, truth),
        f"of {pairs} pairs {won} are won and {tied} equal: {truth:.3f}; you have {answer:.3f}.",
    )


with check("Exercise 1"):
    test_auroc(np.array([3.0, 1.0, 2.5]), np.array([0.0, 2.0]))
    test_auroc(np.array([3.0, 1.0, 2.0]), np.array([0.0, 2.0, 2.0, 5.0]))
### BEGIN HIDDEN TESTS
with graded("Exercise 1"):
    test_auroc(np.arange(7) * 1.5, np.linspace(-1, 20, 9))
    test_auroc(np.arange(12) % 5, np.arange(20) % 7)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. Two normal densities (2 points)
#
# The model is the perfect one, $p = \mathcal N(m_p, \operatorname{diag} v_p)$; the foreign data come from $q = \mathcal N(m_q, \operatorname{diag} v_q)$. Write $\mathbb E_q \log p(x) - \mathbb E_p \log p(x)$ in closed form, in nats.
#
# Start with one dimension: $\mathbb E_q (x - m_p)^2$ is a variance and a squared difference of means.

# %% nbgrader={"grade": false, "grade_id": "gap", "locked": false, "schema_version": 3, "solution": true, "task": false}
def expected_gap(mean_p, var_p, mean_q, var_q):
    """E_q log p - E_p log p. All four (D,), var_*: variances. Returns a number."""
    # BEGIN SOLUTION
    return -0.5 * np.sum((var_q - var_p + (mean_q - mean_p) ** 2) / var_p)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "gap-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def by_two_points(mean_p, var_p, mean_q, var_q):
    """log p is quadratic: its mean over a normal law is the mean of its values at m - s and m + s."""
    log_p = stats.norm(mean_p, var_p**0.5).logpdf
    under_p, under_q = (
        0.5 * (log_p(m - v**0.5) + log_p(m + v**0.5))
        for m, v in ((mean_p, var_p), (mean_q, var_q))
    )
    return np.sum(under_q - under_p)


def test_gap(mean_p, var_p, mean_q, var_q):
    four = mean_p, var_p, mean_q, var_q
    answer, truth = expected_gap(*four), by_two_points(*four)
    expect(
        np.shape(answer) == (),
        f"one number is wanted, the shape is {np.shape(answer)}: the dimensions are summed.",
    )
    right = np.isclose(answer, truth)
    expect(
        right or not np.isclose(answer, -truth),
        "the opposite sign: smaller variance in q must give more likelihood.",
    )
    expect(
        right or not np.isclose(answer, 2 * truth),
        "twice too much: log p has a half in front of the square.",
    )
    expect(
        right or not np.isclose(answer, truth / len(mean_p)),
        "this is the mean over the dimensions; log p is a sum.",
    )
    equal = np.isclose(
        answer, by_two_points(mean_p, var_p, mean_p, var_q)
    ) and not np.allclose(mean_p, mean_q)
    expect(
        right or not equal,
        "right for equal means only: here they differ, and the square of the difference is missing.",
    )
    expect(
        right,
        f"should be {truth:.3f}, you have {answer:.3f}. Are they variances and not standard deviations that stand there, and divided by what?",
    )


with check("Exercise 2"):
    ones = np.ones(4)
    test_gap(0 * ones, ones, 0 * ones, 0.81 * ones)
    test_gap(0 * ones, 4 * ones, 0 * ones, ones)
    test_gap(0 * ones, ones, np.array([1.0, 0.0, -2.0, 0.0]), 0.25 * ones)
### BEGIN HIDDEN TESTS
with graded("Exercise 2"):
    source = np.random.default_rng(1)
    for dimension in (3, 10):
        means, variances = source.normal(size=(2, dimension)), source.uniform(0.2, 3, (2, dimension))
        test_gap(means[0], variances[0], means[1], variances[1])
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. The paper's formula (2 points)
#
# `kernels` holds the 1×1 kernels $U_k$ of $K$ layers, an array $(K, C, C)$: channel $c$ of the output is $\sum_j u_{k,c,j}\, x_j$. Write
#
# $$\alpha_c = \prod_{k=1}^K \sum_{j=1}^C u_{k,c,j}, \qquad -\frac{1}{2 \sigma_\psi^2} \sum_{c=1}^C \alpha_c^2 \sum_{h,w} \bigl(\sigma^2_{q,h,w,c} - \sigma^2_{p,h,w,c}\bigr).$$

# %% nbgrader={"grade": false, "grade_id": "alpha", "locked": false, "schema_version": 3, "solution": true, "task": false}
def alpha(kernels):
    """kernels: (K, C, C). Returns alpha_c, (C,)."""
    # BEGIN SOLUTION
    return kernels.sum(axis=2).prod(axis=0)
    # END SOLUTION


def paper_gap(alpha_c, prior_variance, var_p, var_q):
    """alpha_c: (C,); prior_variance: sigma_psi^2; var_p, var_q: (h, w, C). Returns a number."""
    # BEGIN SOLUTION
    return -np.sum(alpha_c**2 * (var_q - var_p)) / (2 * prior_variance)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "alpha-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_alpha(kernels, truth):
    answer, (_, C, _) = alpha(kernels), kernels.shape
    expect(
        np.shape(answer) == (C,),
        f"alpha: {C} channels, and the shape of the answer is {np.shape(answer)}.",
    )
    right = np.allclose(answer, truth)
    expect(
        right or not np.allclose(answer, kernels.sum(axis=1).prod(axis=0)),
        "alpha: these are the sums of columns; j, the index of the input, is the last one.",
    )
    expect(
        right or not np.allclose(answer, np.diagonal(kernels.prod(axis=0))),
        "alpha: only the diagonal is used; the formula has the sum of a row.",
    )
    expect(
        right or not np.allclose(answer, kernels.sum(axis=(0, 2))),
        "alpha: the layers follow one another: their factors are multiplied, not added.",
    )
    expect(
        right,
        f"alpha: should be {np.round(truth, 3)}, you have {np.round(answer, 3)}.",
    )


def test_paper_gap(alpha_c, prior_variance, var_p, var_q):
    """Against the flow z = alpha x of normal pixels with mean 0, for which the formula is exact."""
    answer = paper_gap(alpha_c, prior_variance, var_p, var_q)
    expect(
        np.shape(answer) == (),
        f"paper_gap: one number is wanted, the shape is {np.shape(answer)}.",
    )
    log_p_z = stats.norm(0, prior_variance**0.5).logpdf
    under_p, under_q = (np.sum(log_p_z(alpha_c * v**0.5)) for v in (var_p, var_q))
    truth = under_q - under_p
    right = np.isclose(answer, truth)
    expect(
        right or not np.isclose(answer, -truth),
        "paper_gap: the opposite sign: smaller variance in q must give more likelihood.",
    )
    expect(
        right or not np.isclose(answer, 2 * truth),
        "paper_gap: twice too much: where is the half?",
    )
    expect(
        right,
        f"paper_gap: should be {truth:.4f}, you have {answer:.4f}. Is alpha squared, and is sigma_psi^2 taken once?",
    )


with check("Exercise 3"):
    two_layers = np.array([[[1.0, 2.0], [0.0, -1.0]], [[0.5, 0.5], [4.0, 1.0]]])
    test_alpha(two_layers, np.array([3.0, -5.0]))
    test_paper_gap(np.array([3.0, -5.0]), 4.0, np.full((2, 2, 2), 0.06), np.full((2, 2, 2), 0.05))
### BEGIN HIDDEN TESTS
with graded("Exercise 3"):
    source = np.random.default_rng(2)
    layers = source.normal(size=(4, 3, 3))
    walked = np.ones(3)
    for layer in layers:
        walked = walked * (layer @ np.ones(3))
    test_alpha(layers, walked)
    one, other = source.uniform(0.01, 0.1, (2, 5, 4, 3))
    test_paper_gap(source.normal(size=3), 0.7, one, other)
    test_paper_gap(source.normal(size=3), 2.5, one, other)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. The sign before the experiment (2 points)
#
# Two functions, and then a prediction. `contrast` multiplies the contrast of a set of images about the set's own mean image, $x' = \bar x + k (x - \bar x)$, and returns real numbers, neither rounded nor clipped. `predicted_gap` says what $\mathbb E_q \log p_\theta - \mathbb E_p \log p_\theta$ will be under the spherical density $\mathcal N(\mathbb E_p x, s^2 I)$, from the means and variances of the two sets alone:
#
# $$-\frac1{2 s^2} \Bigl[\, \sum_i \bigl(\sigma^2_{q,i} - \sigma^2_{p,i}\bigr) + \lVert \mathbb E_q x - \mathbb E_p x \rVert^2 \,\Bigr].$$
#
# Every pixel of every channel is a dimension $i$; its mean and its variance are over the *images*.

# %% nbgrader={"grade": false, "grade_id": "sign", "locked": false, "schema_version": 3, "solution": true, "task": false}
def contrast(x, k):
    """x: (n, h, w, c). Returns an array of the same shape."""
    # BEGIN SOLUTION
    centre = x.mean(axis=0)
    return centre + k * (x - centre)
    # END SOLUTION


def predicted_gap(inside, outside, s_2):
    """inside: (n, h, w, c); outside: (m, h, w, c); s_2: s^2. Returns a number, in nats."""
    # BEGIN SOLUTION
    shift = outside.mean(axis=0) - inside.mean(axis=0)
    more_variance = outside.var(axis=0) - inside.var(axis=0)
    return -np.sum(more_variance + shift**2) / (2 * s_2)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "sign-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_contrast(x, k):
    answer = contrast(x, k)
    expect(
        np.shape(answer) == x.shape,
        f"contrast: images of shape {x.shape} came in, {np.shape(answer)} went out.",
    )
    expect(
        np.allclose(answer.mean(axis=0), x.mean(axis=0)),
        "contrast: the mean image has moved; it must stay. About what is the contrast taken?",
    )
    expect(
        np.allclose(answer.var(axis=0), k**2 * x.var(axis=0)),
        f"contrast: with k = {k} every variance must become k^2 times what it was.",
    )


def test_prediction(inside, outside, s_2):
    answer = predicted_gap(inside, outside, s_2)
    log_prob = sphere(inside.mean(axis=0), s_2)
    measured = log_prob(outside).mean() - log_prob(inside).mean()
    expect(
        np.shape(answer) == (),
        f"predicted_gap: one number is wanted, the shape is {np.shape(answer)}.",
    )
    right = np.isclose(answer, measured)

    def with_variance(variance, shift=True):
        moved = np.sum((outside.mean(axis=0) - inside.mean(axis=0)) ** 2) * shift
        return -(variance(outside) - variance(inside) + moved) / (2 * s_2)

    expect(
        right or not np.isclose(answer, with_variance(lambda x: x.var(axis=0).sum(), shift=False)),
        "predicted_gap: the squared shift of the mean image is missing: equal means, the paper's doubtful step.",
    )
    for variance in (lambda x: x[0].size * x.var(), lambda x: x.var()):
        expect(
            right or not np.isclose(answer, with_variance(variance)),
            "predicted_gap: the variance is taken over all pixels together; each dimension has its own, over the images.",
        )
    expect(
        right or not np.isclose(answer, with_variance(lambda x: x.std(axis=0).sum())),
        "predicted_gap: these are standard deviations; the formula has variances.",
    )
    expect(
        right or not np.isclose(answer, -measured),
        "predicted_gap: the opposite sign.",
    )
    expect(
        right,
        f"predicted_gap: the images themselves give {measured:.2f} nats, you have {answer:.2f}.",
    )
    return answer


with check("Exercise 4"):
    test_contrast(clothes, 0.5)
    test_contrast(digits, 1.5)
    sets = {
        "digits": digits,
        "pale digits": digits.mean(axis=0) + 0.5 * (digits - digits.mean(axis=0)),
        "pale clothes": clothes.mean(axis=0) + 0.5 * (clothes - clothes.mean(axis=0)),
        "vivid clothes": clothes.mean(axis=0) + 1.5 * (clothes - clothes.mean(axis=0)),
    }
    gaps = [test_prediction(clothes, images, 0.09) for images in sets.values()]
    for name, gap in zip(sets, gaps, strict=True):
        print(f"{name:15} {gap:+8.1f} {'paradox' if gap > 0 else ''}")
### BEGIN HIDDEN TESTS
with graded("Exercise 4"):
    source = np.random.default_rng(3)
    two_sets = 0.3 + 0.4 * source.random((20, 5, 4, 3)), source.random((30, 5, 4, 3)) ** 2
    test_contrast(two_sets[1], 0.3)
    test_prediction(*two_sets, 0.2)
    test_prediction(digits, clothes, 0.07)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. A Hessian that is never formed (1 point)
#
# Write $v^{\mathsf T} H v$ for a batch of directions $v$ at the point $x_0$, where $H$ is the Hessian of `log_prob`. `log_prob` takes a tensor $(n, D)$ and returns $(n,)$. A matrix $D \times D$ is not needed: differentiate twice along the line $x_0 + t v$ with `tf.GradientTape`, or differentiate $g^{\mathsf T} v$ once more.

# %% nbgrader={"grade": false, "grade_id": "hessian", "locked": false, "schema_version": 3, "solution": true, "task": false}
def curvature(log_prob, x_0, v):
    """x_0: (D,); v: (n, D); tensors float64. Returns v^T H v, (n,)."""
    # BEGIN SOLUTION
    t = tf.zeros((len(v), 1), v.dtype)
    with tf.GradientTape() as outer:
        outer.watch(t)
        with tf.GradientTape() as inner:
            inner.watch(t)
            log_p = log_prob(x_0 + t * v)
        slope = inner.gradient(log_p, t)
    return outer.gradient(slope, t)[:, 0]
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "hessian-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_curvature(dimension, n, seed):
    source = np.random.default_rng(seed)
    mix = tf.constant(source.normal(size=(dimension, dimension)))
    x_0 = tf.constant(source.normal(size=dimension))
    v = tf.constant(source.normal(size=(n, dimension)))

    def log_prob(x):
        return -tf.reduce_sum(tf.math.log(tf.cosh(x @ mix)), axis=1)

    answer = curvature(log_prob, x_0, v)
    expect(
        answer is not None and np.shape(answer) == (n,),
        f"{n} directions came in, the shape of the answer is {np.shape(answer)}; one number for each.",
    )
    step = 1e-3
    ahead, here, behind = (log_prob(x_0 + t * v).numpy() for t in (step, 0, -step))
    slope, truth = (ahead - behind) / (2 * step), (ahead - 2 * here + behind) / step**2
    right = np.allclose(answer, truth, rtol=1e-3, atol=1e-3)
    expect(
        right or not np.allclose(answer, slope, rtol=1e-3, atol=1e-3),
        "this is the slope, g^T v, the first derivative; one more is wanted.",
    )
    expect(
        right or not np.allclose(answer, truth / 2, rtol=1e-3, atol=1e-3),
        "half too small: the half of Taylor's formula is not part of v^T H v.",
    )
    expect(
        right,
        f"along the first direction finite differences give {truth[0]:.3f}, you have {answer[0]:.3f}. Do all pairs of coordinates take part, and each direction with itself only?",
    )


with check("Exercise 5"):
    test_curvature(3, 4, 0)
### BEGIN HIDDEN TESTS
with graded("Exercise 5"):
    test_curvature(6, 5, 1)
    test_curvature(2, 7, 2)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 6. Where the paradox ends (2 points)
#
# The contrast of the foreign images is turned about their own mean image: $k = 0$ leaves the mean image alone, $k = 3$ exaggerates. For the density `log_prob`, find the $k$ between 0 and 3 at which the paradox neither is nor is not: the AUROC of `inside` as it is against `outside` with contrast $k$ equals 0.5, to within 0.01. If there is no such $k$, because the AUROC is above 0.5 even at $k = 0$, or below 0.5 even at $k = 3$, return `np.nan`.
#
# The AUROC of two arrays of scores is given: `area`. It grows with $k$, so that bisection finds the place.

# %%
def area(inside, outside):
    """P(inside > outside) + P(equal) / 2."""
    ranks = stats.rankdata(np.concatenate([inside, outside]))[: len(inside)]
    return (ranks.mean() - (len(inside) + 1) / 2) / len(outside)


# %% nbgrader={"grade": false, "grade_id": "threshold", "locked": false, "schema_version": 3, "solution": true, "task": false}
def threshold_contrast(log_prob, inside, outside):
    """log_prob: (n, h, w, c) -> (n,). Returns k, or np.nan."""
    # BEGIN SOLUTION
    scores, centre = log_prob(inside), outside.mean(axis=0)

    def area_at(k):
        return area(scores, log_prob(centre + k * (outside - centre)))

    low, high = 0.0, 3.0
    if area_at(low) > 0.5 or area_at(high) < 0.5:
        return np.nan
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if area_at(middle) < 0.5 else (low, middle)
    return (low + high) / 2
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "threshold-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_threshold(log_prob, inside, outside):
    k = threshold_contrast(log_prob, inside, outside)
    scores, centre = log_prob(inside), outside.mean(axis=0)

    def turned(k, about=centre):
        return log_prob(about + k * (outside - about))

    ends = [area(scores, turned(end)) for end in (0, 3)]
    if ends[0] > 0.5 or ends[1] < 0.5:
        expect(
            np.isnan(k),
            f"at k = 0 and 3 the AUROC is {ends[0]:.2f} and {ends[1]:.2f}, there is no 0.5 in between; np.nan is wanted, you have {k:.3f}.",
        )
        return k
    expect(
        np.shape(k) == () and 0 <= k <= 3,
        f"a number from 0 to 3 is wanted, you have {k}; the AUROC at the ends is {ends[0]:.2f} and {ends[1]:.2f}.",
    )
    found = area(scores, turned(k))
    right = abs(found - 0.5) < 0.01
    expect(
        right or abs(area(scores, turned(k, about=0)) - 0.5) > 0.01,
        f"at k = {k:.3f} it is 0.5 if the images fade to black; the contrast is to be taken about their mean image.",
    )
    expect(
        right or abs(turned(k).mean() - scores.mean()) > 0.5,
        f"at k = {k:.3f} the means of log p are equal, and the AUROC is {found:.3f}: it counts pairs, not means.",
    )
    expect(
        right,
        f"at k = {k:.3f} the AUROC is {found:.3f}, not 0.5. Which way does the knob go when there is too little of it?",
    )
    return k


with check("Exercise 6"):
    ball = sphere(clothes.mean(axis=0), clothes.var(axis=0).mean())
    sets = {
        "clothes": clothes,
        "digits": digits,
        "negatives of digits": 1 - digits,
    }
    found = [test_threshold(ball, clothes, images) for images in sets.values()]
    for name, k in zip(sets, found, strict=True):
        print(f"{name:20} k = {k:.2f}")
### BEGIN HIDDEN TESTS
with graded("Exercise 6"):
    ball = sphere(digits.mean(axis=0), 0.05)
    test_threshold(ball, digits, digits[::-1])
    test_threshold(ball, digits, clothes)
    bumpy = np.random.default_rng(4).normal(size=(90, 6, 6, 1))
    test_threshold(sphere(0.1, 0.3), bumpy[:40], 0.2 + 0.7 * bumpy[40:])
    test_threshold(sphere(0.0, 1.0), bumpy[:40], 0.01 * bumpy[40:])
### END HIDDEN TESTS

# %% [markdown]
# ## On your own (not graded)
#
# The cell below trains a small Glow of constant volume on clothes and draws the AUROC against contrast for clothes and for digits, the knob of the lecture; if exercise 6 is done, its answer is marked. Then some questions that have no check:
#
# * Train it for longer, or with `coupling="affine"`. Which of the two curves moves?
# * Which *other* knobs change the variance without moving the mean image? Try white noise, or averaging each image with the mean image of its class.
# * Blur the clothes a little. The variance of a pixel falls; what happens to the likelihood? And if you sharpen them?
# * Take $q$ = clothes turned upside down. Mean and variance change little. Does any of the likelihoods notice?
# * In the lecture a table of two neighbours finds digits likelier than clothes. At what contrast does the table stop?

# %%
size = {"smoke": {"levels": 1, "steps": 1, "filters": 8}}.get(
    profile, {"levels": 2, "steps": 2, "filters": 32}
)
flow = models.Glow(coupling="additive", **size)
train = data.load("fashion_mnist", "train", source="embedded", verbose=False).images
flow.adapt(train)
schedule = training.WarmUpCosine(5e-3)
flow.compile(optimizer=training.adam(schedule))
updates = {"smoke": 8, "laptop": 200, "gpu": 2000}[profile]
budget = training.Budget(updates=updates, schedule=schedule, progress=False)
flow.fit(train, epochs=1000, batch_size=32, verbose=0, callbacks=[budget])
density = tf.function(lambda y: flow.distribution.log_prob(y), autograph=False)


def flow_log_prob(x):
    """x: pixels in [0, 1], any real numbers; half a level is the mean of u."""
    return density(tf.constant(255 * x + 0.5, tf.float32)).numpy()


few = {"smoke": 50, "laptop": 200, "gpu": 500}[profile]
figure, axis = plt.subplots(figsize=(6, 2.8), layout="constrained")
factors = np.linspace(0.2, 1.6, 8)
for label, images, color in (
    ("clothes", clothes[:few], "#1f6f8b"),
    ("digits", digits[:few], "#d1495b"),
):
    areas = [
        area(flow_log_prob(clothes[:few]), flow_log_prob(centre + k * (images - centre)))
        for centre in [images.mean(axis=0)]
        for k in factors
    ]
    axis.plot(factors, areas, "o-", ms=4, color=color, label=label)
    try:
        crossing = threshold_contrast(flow_log_prob, clothes[:few], images)
        axis.axvline(crossing, color=color, lw=0.8, ls="--")
    except NotImplementedError:
        pass
axis.axhline(0.5, color="0.8", lw=0.7, zorder=0)
axis.set(xlabel="$k$", ylabel="AUROC")
axis.legend();
