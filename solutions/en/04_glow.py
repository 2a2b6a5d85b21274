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
# # Lab: the parts of Glow
#
# Six exercises after the [lecture](../../lectures/en/04_glow.ipynb), 10 points, 60 to 90 minutes. You begin with a formula of one line and end with an image flow of several scales, both ways.
#
# **How it works.** Put your code where a cell says `your code here`, and delete the line `raise NotImplementedError(...)`. The cell below each exercise checks you at once: **✓** right, **✗** wrong, and why, **…** not done yet. It never stops the notebook, so *Run All* always reaches the end. The grader runs the same checks on other numbers.
#
# | exercise | points |
# |---|---|
# | 1. Bits per dimension | 1 |
# | 2. ActNorm | 2 |
# | 3. The $1 \times 1$ convolution | 2 |
# | 4. Squeezing | 1 |
# | 5. Several scales | 3 |
# | 6. Temperature | 1 |
#
# Images are NumPy arrays $(n, h, w, c)$ throughout.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import linalg, stats

from dgm_tfp import data, models, profiles, training
from dgm_tfp.exercises import check, expect, graded

keras.utils.set_random_seed(0)
profile = profiles.current().name


def brute_force(function, image, step=1e-5):
    """log abs det of the Jacobian of function: (n, h, w, c) -> (n, ...) at one image."""
    size = image.size
    steps = (step * np.eye(size)).reshape(size, *image.shape)
    ahead, behind = function(image + steps), function(image - steps)
    matrix = (ahead - behind).reshape(size, size).T / (2 * step)
    return np.linalg.slogdet(matrix).logabsdet


# %% [markdown]
# ## Exercise 1. Bits per dimension (1 point)
#
# A colleague divides the dequantized pixels by 256, $v = y / 256$, and reports $\log q_v(v)$ in nats for each image: an array $(n,)$. Convert it to bits per dimension **of the pixels** $y \in [0, 256)^D$. `shape` is the shape of one image, $(h, w, c)$.

# %% nbgrader={"grade": false, "grade_id": "bits", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bits_per_dim(log_q_v, shape):
    """log_q_v: nats, (n,), density of v = y / 256. Returns (n,)."""
    # BEGIN SOLUTION
    return -log_q_v / (np.prod(shape) * np.log(2)) + 8
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "bits-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_bits(shape, seed):
    source, D = np.random.default_rng(seed), int(np.prod(shape))
    v = source.random((4, D))
    log_q_v = stats.norm.logpdf(v, 0.4, 0.3).sum(axis=1)
    answer = bits_per_dim(log_q_v, shape)
    right = -stats.norm.logpdf(256 * v, 256 * 0.4, 256 * 0.3).sum(axis=1)
    right /= D * np.log(2)
    expect(
        np.shape(answer) == (4,),
        f"4 images came in, the shape {np.shape(answer)} went out; one number for each image.",
    )
    expect(
        not np.allclose(answer, right - 8),
        "8 bits too few: v = y / 256 is a change of variables with a log-determinant of its own.",
    )
    expect(
        not np.allclose(answer, right - 16),
        "16 bits too few: the term of the scaling has the other sign.",
    )
    pixels = D // shape[-1]
    expect(
        shape[-1] == 1 or not np.allclose((answer - 8) * pixels, (right - 8) * D),
        "D counts every number of the image; you divide by the number of pixels, without the channels.",
    )
    expect(
        not np.allclose(answer, right * np.log(2)),
        "these are nats per dimension; a bit is ln 2 nats.",
    )
    expect(
        np.allclose(answer, right),
        f"an image with {right[0]:.3f} bits per dimension got {answer[0]:.3f}.",
    )


with check("Exercise 1"):
    test_bits((28, 28, 1), seed=0)
    test_bits((8, 8, 3), seed=1)
    print("uniform:", bits_per_dim(np.zeros(1), (32, 32, 3)))
### BEGIN HIDDEN TESTS
with graded("Exercise 1"):
    test_bits((4, 6, 3), seed=2)
    test_bits((5, 5, 1), seed=3)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. ActNorm (2 points)
#
# **First**, the initialisation: from a batch of images find $s$ and $b$, each $(c,)$, such that the channels of $s \odot x + b$ have mean 0 and variance 1 over all images and pixels. The standard deviation is to be taken as at least `floor`, so that a constant channel does no harm. **Then**, the layer: $y$ and the log-determinant, which is the same for every image: one number. $s$ may be negative.

# %% nbgrader={"grade": false, "grade_id": "actnorm", "locked": false, "schema_version": 3, "solution": true, "task": false}
def initialise(x, floor=1e-3):
    """s and b, (c,) each, from a batch x: (n, h, w, c)."""
    # BEGIN SOLUTION
    s = 1 / np.maximum(x.std(axis=(0, 1, 2)), floor)
    return s, -x.mean(axis=(0, 1, 2)) * s
    # END SOLUTION


def actnorm(x, s, b):
    """y = s x + b, and the log-determinant of one image: a number."""
    # BEGIN SOLUTION
    return s * x + b, x.shape[1] * x.shape[2] * np.log(np.abs(s)).sum()
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "actnorm-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_actnorm(n, h, w, c, seed):
    source = np.random.default_rng(seed)
    x = source.normal(size=c) + source.uniform(2, 5, c) * source.normal(
        size=(n, h, w, c)
    )
    s, b = initialise(x)
    expect(
        np.shape(s) == np.shape(b) == (c,),
        f"initialise: s and b have the shapes {np.shape(s)} and {np.shape(b)}; one number per channel, over images and pixels together.",
    )
    y = s * x + b
    expect(
        not np.allclose(y.std(axis=(0, 1, 2)) ** 2, 1 / x.var(axis=(0, 1, 2))),
        "initialise: you divide by the variance; divide by its root.",
    )
    expect(
        np.allclose(y.std(axis=(0, 1, 2)), 1),
        f"initialise: channel 0 comes out with the standard deviation {y[..., 0].std():.3f}; 1 is wanted.",
    )
    expect(
        np.allclose(y.mean(axis=(0, 1, 2)), 0),
        f"initialise: channel 0 comes out with the mean {y[..., 0].mean():.3f}; the mean is scaled too.",
    )
    x[..., 0] = 7
    s, b = initialise(x, floor=0.01)
    expect(
        np.isfinite(s).all() and s[0] <= 100.001,
        f"initialise: a constant channel, floor 0.01, gets the scale {s[0]:.3g}; at most 100 is wanted.",
    )
    expect(
        np.allclose(s[0], 100) and np.allclose(s[1:] * x[..., 1:].std(axis=(0, 1, 2)), 1),
        "initialise: the floor is the least deviation that is divided by; nothing is added to the others.",
    )
    s, b = source.normal(size=(2, c))
    y, answer = actnorm(x, s, b)
    expect(np.allclose(y, s * x + b), "actnorm: y is not s x + b.")
    expect(
        np.shape(answer) == () and np.isfinite(answer),
        f"actnorm: the log-determinant is {answer}; one finite number is wanted, for negative s as well.",
    )
    right = brute_force(lambda x: actnorm(x, s, b)[0], x[0])
    expect(
        not np.allclose(answer * h * w, right),
        "actnorm: each s multiplies h w numbers of the image.",
    )
    expect(
        not np.allclose(answer, n * right),
        "actnorm: this is the sum over the batch; it is wanted for one image.",
    )
    expect(
        np.allclose(answer, right, atol=1e-5),
        f"actnorm: by brute force the log-determinant is {right:.3f}; you say {answer:.3f}.",
    )


with check("Exercise 2"):
    test_actnorm(3, 2, 3, 2, seed=0)
    test_actnorm(5, 4, 4, 3, seed=1)
### BEGIN HIDDEN TESTS
with graded("Exercise 2"):
    test_actnorm(4, 3, 2, 5, seed=2)
    test_actnorm(2, 5, 3, 2, seed=3)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. The $1 \times 1$ convolution (2 points)
#
# At every pixel $y_{ij} = W x_{ij}$ with $W = P\,L\,(U + \operatorname{diag}(s))$; $L$ has ones on its diagonal, $U$ zeros; the signs in $s$ differ. Write the way there with its log-determinant (one number for all images, **from $s$**, without any determinant), and the way back.

# %% nbgrader={"grade": false, "grade_id": "mix", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mix(x, P, L, U, s):
    """y, and the log-determinant of one image. x: (n, h, w, c); s: (c,)."""
    # BEGIN SOLUTION
    W = P @ L @ (U + np.diag(s))
    return x @ W.T, x.shape[1] * x.shape[2] * np.log(np.abs(s)).sum()
    # END SOLUTION


def unmix(y, P, L, U, s):
    """x such that mix(x, ...) gives y."""
    # BEGIN SOLUTION
    W = P @ L @ (U + np.diag(s))
    return y @ np.linalg.inv(W).T
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "mix-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_mix(n, h, w, c, seed):
    source = np.random.default_rng(seed)
    P, L, U = linalg.lu(stats.ortho_group.rvs(c, random_state=seed))
    U = np.triu(U, 1)
    s = source.uniform(0.5, 2, c) * np.where(np.arange(c) % 2, 1, -1)
    x = source.normal(size=(n, h, w, c))
    y, answer = mix(x, P, L, U, s)
    expect(np.shape(y) == x.shape, f"mix: {x.shape} came in, {np.shape(y)} went out.")
    W = P @ L @ (U + np.diag(s))
    expect(
        not np.allclose(y, x @ W),
        "mix: x @ W multiplies each pixel by the transposed matrix; W x is wanted.",
    )
    expect(
        np.allclose(y, np.einsum("kl,nijl->nijk", W, x)),
        "mix: y is not W x at every pixel. W is P L (U + diag(s)), in this order.",
    )
    expect(
        np.shape(answer) == () and np.isfinite(answer),
        f"mix: the log-determinant is {answer}; one finite number is wanted, and s may be negative.",
    )
    right = brute_force(lambda x: mix(x, P, L, U, s)[0], x[0])
    expect(
        not np.allclose(answer * h * w, right),
        "mix: this is the log-determinant of W; the image has h w pixels, and W acts on each.",
    )
    expect(
        np.allclose(answer, right, atol=1e-5),
        f"mix: by brute force the log-determinant is {right:.3f}; you say {answer:.3f}.",
    )
    back = unmix(y, P, L, U, s)
    expect(
        np.shape(back) == y.shape, f"unmix: {y.shape} came in, {np.shape(back)} went out."
    )
    expect(
        not np.allclose(back, np.einsum("lk,nijl->nijk", W, y)),
        "unmix: the transposed matrix is the inverse only as long as W is a rotation; after training it is not.",
    )
    expect(
        np.allclose(back, x),
        "unmix: it does not bring y back to x. The factors are undone in the reverse order.",
    )


with check("Exercise 3"):
    test_mix(2, 2, 3, 3, seed=0)
    test_mix(3, 3, 2, 4, seed=1)
### BEGIN HIDDEN TESTS
with graded("Exercise 3"):
    test_mix(2, 4, 2, 5, seed=2)
    test_mix(4, 2, 2, 3, seed=3)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. Squeezing (1 point)
#
# $(n, h, w, c) \to (n, \frac h2, \frac w2, 4c)$: each block of $2 \times 2$ pixels becomes the channels of one pixel. First the $c$ channels of the upper left pixel of the block, then those of the upper right, the lower left, the lower right. `reshape` alone does not do it; `reshape`, `transpose`, `reshape` does.

# %% nbgrader={"grade": false, "grade_id": "squeeze", "locked": false, "schema_version": 3, "solution": true, "task": false}
def squeeze(x):
    """(n, h, w, c) -> (n, h/2, w/2, 4c)."""
    # BEGIN SOLUTION
    n, h, w, c = x.shape
    x = x.reshape(n, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h // 2, w // 2, 4 * c)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "squeeze-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_squeeze(n, h, w, c):
    x = np.arange(n * h * w * c).reshape(n, h, w, c)
    answer = squeeze(x)
    expect(
        np.shape(answer) == (n, h // 2, w // 2, 4 * c),
        f"{x.shape} came in, {np.shape(answer)} went out; {(n, h // 2, w // 2, 4 * c)} is wanted.",
    )
    right = tf.nn.space_to_depth(x, 2).numpy()
    expect(
        np.array_equal(np.sort(answer, axis=None), np.sort(x, axis=None)),
        "squeezing only rearranges: some number is lost or changed.",
    )
    expect(
        np.array_equal(np.sort(answer, axis=3), np.sort(right, axis=3)),
        "the channels of a pixel come from different blocks; they should be one block of 2 x 2 neighbours.",
    )
    expect(
        np.array_equal(answer, right),
        f"the right block, in another order: the first pixel should hold {right[0, 0, 0].tolist()}, and holds {answer[0, 0, 0].tolist()}.",
    )


with check("Exercise 4"):
    test_squeeze(1, 4, 4, 1)
    test_squeeze(2, 4, 6, 3)
### BEGIN HIDDEN TESTS
with graded("Exercise 4"):
    test_squeeze(3, 6, 4, 2)
    test_squeeze(1, 2, 8, 5)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. Several scales (3 points)
#
# Put the architecture together. `scales` is a list of steps of flow, one object for each scale, with `to_noise(x)`, which returns $y$ and the log-determinants $(n,)$, and `to_data(y)`. At each scale: `fold` (a squeeze that is right), the steps; then the **first** half of the channels leaves as finished noise, and the second goes on. At the last scale all of it leaves.
#
# `to_noise` returns the list of what left, scale by scale, and the whole log-determinant; `to_data` goes back; `log_prob` is $\log p(x)$ with standard normal noise.

# %%
def fold(x):
    return tf.nn.space_to_depth(x, 2).numpy()


def unfold(y):
    return tf.nn.depth_to_space(y, 2).numpy()


class Steps:
    """A step of flow for images of c channels, as an exercise needs it."""

    def __init__(self, c, seed):
        source = np.random.default_rng(seed)
        self.W = np.eye(c) + 0.2 * source.normal(size=(c, c))
        self.A = source.normal(size=(c // 2, c - c // 2))

    def to_noise(self, x):
        h, w, c = x.shape[1:]
        y = x @ self.W.T
        log_s = np.tanh(y[..., : c // 2] @ self.A)
        y[..., c // 2 :] *= np.exp(log_s)
        log_det = h * w * np.linalg.slogdet(self.W).logabsdet
        return y, log_det + log_s.sum(axis=(1, 2, 3))

    def to_data(self, y):
        c = y.shape[3]
        x = y.copy()
        x[..., c // 2 :] *= np.exp(-np.tanh(y[..., : c // 2] @ self.A))
        return x @ np.linalg.inv(self.W).T


# %% nbgrader={"grade": false, "grade_id": "scales", "locked": false, "schema_version": 3, "solution": true, "task": false}
def to_noise(x, scales):
    """A list of what leaves, and the log-determinant (n,). x: (n, h, w, c)."""
    # BEGIN SOLUTION
    leaving, total = [], 0
    for k, steps in enumerate(scales):
        x, log_det = steps.to_noise(fold(x))
        total = total + log_det
        if k < len(scales) - 1:
            z, x = np.split(x, 2, axis=3)
            leaving.append(z)
    return [*leaving, x], total
    # END SOLUTION


def to_data(leaving, scales):
    """x: (n, h, w, c), from what to_noise gave as its list."""
    # BEGIN SOLUTION
    *leaving, x = leaving
    for k in reversed(range(len(scales))):
        if k < len(scales) - 1:
            x = np.concatenate([leaving[k], x], axis=3)
        x = unfold(scales[k].to_data(x))
    return x
    # END SOLUTION


def log_prob(x, scales):
    """log p(x), (n,), if all the noise is standard normal."""
    # BEGIN SOLUTION
    leaving, log_det = to_noise(x, scales)
    return log_det + sum(stats.norm.logpdf(z).sum(axis=(1, 2, 3)) for z in leaving)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "scales-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_scales(side, c, levels, seed):
    scales = [Steps(2 ** (k + 2) * c, seed=10 * seed + k) for k in range(levels)]
    x = np.random.default_rng(seed).normal(size=(3, side, side, c))
    leaving, answer = to_noise(x, scales)
    half = 2 * c
    shapes = [
        (3, side >> k, side >> k, half << (k - 1)) for k in range(1, levels)
    ] + [(3, side >> levels, side >> levels, half << levels)]
    got = [np.shape(z) for z in leaving]
    expect(
        sum(np.size(z) for z in leaving) == x.size,
        f"to_noise: {x.size} numbers came in, {sum(np.size(z) for z in leaving)} left; each has to leave exactly once.",
    )
    expect(
        got == shapes,
        f"to_noise: the shapes of what leaves are {got}; they should be {shapes}. At the last scale all of it leaves together.",
    )
    y = scales[0].to_noise(fold(x))[0]
    expect(
        levels == 1 or not np.allclose(leaving[0], y[..., half:]),
        "to_noise: at the first scale the second half of the channels has left; it is the first half that leaves.",
    )
    expect(
        np.allclose(leaving[0], y[..., :half] if levels > 1 else y),
        "to_noise: what leaves at the first scale is not right: first fold, then the steps, then the split.",
    )
    expect(
        np.shape(answer) == (3,),
        f"to_noise: the log-determinant has the shape {np.shape(answer)}; one number per image is wanted.",
    )

    def flat(x):
        return np.concatenate([z.reshape(len(x), -1) for z in to_noise(x, scales)[0]], axis=1)

    right = brute_force(flat, x[0])
    expect(
        levels == 1 or not np.allclose(answer, scales[0].to_noise(fold(x))[1]),
        "to_noise: only the first scale's log-determinant is there; they add up.",
    )
    expect(
        np.allclose(answer[0], right, atol=1e-4),
        f"to_noise: by brute force the log-determinant is {right:.3f}; you say {answer[0]:.3f}. Do all scales count?",
    )
    back = to_data(leaving, scales)
    expect(
        np.shape(back) == x.shape, f"to_data: {x.shape} is wanted, {np.shape(back)} came."
    )
    expect(
        np.allclose(back, x),
        "to_data: the noise does not come back to x. The last scale first; what left goes in front of what went on; then the steps back, then unfold.",
    )
    each = log_prob(x, scales)
    squares = sum((z**2).sum(axis=(1, 2, 3)) for z in leaving) / 2
    constant = x[0].size * np.log(2 * np.pi) / 2
    expect(
        np.shape(each) == (3,),
        f"log_prob: the shape is {np.shape(each)}; one number per image is wanted.",
    )
    expect(
        not np.allclose(each, answer - squares),
        "log_prob: the constant of the normal density is missing, log(2 pi) / 2 for each dimension.",
    )
    expect(
        np.allclose(each, answer - squares - constant),
        f"log_prob: for the first image {(answer - squares - constant)[0]:.3f} is right, you have {each[0]:.3f}. Does all the noise count, also what left early?",
    )


with check("Exercise 5"):
    test_scales(4, 1, levels=1, seed=0)
    test_scales(4, 1, levels=2, seed=1)
    test_scales(8, 1, levels=3, seed=2)
### BEGIN HIDDEN TESTS
with graded("Exercise 5"):
    test_scales(4, 2, levels=2, seed=3)
    test_scales(8, 1, levels=2, seed=4)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 6. Temperature (1 point)
#
# The noise of a Glow is $\mathcal N(\mu, \sigma^2)$ with a $\mu$ and a $\log\sigma$ for each dimension. Turn standard noise $\varepsilon$ into a sample of it at temperature $T$: its *deviation* is multiplied by $T$, the mean stays. `loc` and `log_scale` are $(h, w, c)$, `epsilon` is $(n, h, w, c)$.

# %% nbgrader={"grade": false, "grade_id": "temperature", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cool(epsilon, loc, log_scale, temperature):
    """z at this temperature, (n, h, w, c)."""
    # BEGIN SOLUTION
    return loc + temperature * np.exp(log_scale) * epsilon
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "temperature-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_cool(shape, temperature, seed):
    source = np.random.default_rng(seed)
    loc, log_scale = source.normal(size=(2, *shape))
    epsilon = source.normal(size=(5, *shape))
    z = cool(epsilon, loc, log_scale, temperature)
    expect(
        np.shape(z) == epsilon.shape, f"{epsilon.shape} came in, {np.shape(z)} went out."
    )
    spread = (z - z[:1])[1:] / (epsilon - epsilon[:1])[1:]
    std = np.exp(log_scale)
    expect(
        not np.allclose(spread, temperature**2 * std),
        "the deviation is multiplied by T squared; T is wanted.",
    )
    expect(
        not np.allclose(spread, std**temperature),
        "T has got under the logarithm: it multiplies the deviation, not its logarithm.",
    )
    expect(
        not np.allclose(spread, std / temperature),
        "a low temperature makes the samples wider; it should make them narrower.",
    )
    expect(
        np.allclose(spread, temperature * std),
        f"the deviation of the first dimension is {abs(spread.flat[0]):.3f}; {temperature * std.flat[0]:.3f} is wanted. Is log_scale a logarithm?",
    )
    expect(
        not np.allclose(z, temperature * (loc + std * epsilon)),
        "the mean has been multiplied too; it stays.",
    )
    expect(
        np.allclose(z, loc + temperature * std * epsilon),
        "at T = 0 all samples should be the mean.",
    )


with check("Exercise 6"):
    test_cool((2, 2, 3), 0.7, seed=0)
    test_cool((4, 4, 1), 1.3, seed=1)
### BEGIN HIDDEN TESTS
with graded("Exercise 6"):
    test_cool((3, 2, 2), 0.5, seed=2)
    test_cool((1, 4, 4), 0.9, seed=3)
### END HIDDEN TESTS

# %% [markdown]
# ## On your own (not graded)
#
# Below a small Glow of the library learns trousers, and is sampled with your `cool` (empty until exercise 6 is done).
#
# * Change `coupling` to `"additive"`. How many bits per dimension does it cost? Print `decompose(...).log_volume` of several images.
# * Remove `model.adapt(trousers)`. What is the loss after the same number of steps?
# * Draw the noise of the first scale anew and keep that of the second (the lecture shows how). At which temperature does the garment stay what it was?
# * With a GPU: set `DGM_TFP_PROFILE=gpu`, `dtype="mixed_bfloat16"`, `memory="recompute"`, one at a time. What does each do to the time of a step, to the memory, to the bits?

# %%
clothes = data.load("fashion_mnist", "train", source="embedded", verbose=False)
trousers = clothes.images[clothes.labels == 1]
sizes = {"smoke": (1, 16, 5), "laptop": (4, 48, 300), "gpu": (16, 256, 10_000)}[profile]
steps, filters, updates = sizes
model = models.Glow((28, 28, 1), levels=2, steps=steps, filters=filters)
model.adapt(trousers)
schedule = training.WarmUpCosine(5e-3)
model.compile(optimizer=training.adam(schedule))
budget = training.Budget(updates=updates, schedule=schedule, progress=False)
training.fit(model, training.batches(trousers, 64, seed=0), budget)
try:
    epsilon = np.random.default_rng(0).normal(size=(12, 28, 28, 1))
    loc, log_scale = model.prior_loc.numpy(), model.prior_log_scale.numpy()
    rows = [cool(epsilon, loc, log_scale, T) for T in (0.3, 0.6, 0.8, 1)]
    noise = np.concatenate(rows).astype(np.float32)
except NotImplementedError:
    pass
else:
    pictures = np.clip(model.bijector.forward(noise), 0, 255).reshape(4, 12, 28, 28)
    figure, axis = plt.subplots(figsize=(8, 2.9), layout="constrained")
    axis.imshow(np.block([list(row) for row in pictures]), cmap="gray")
    axis.axis("off")
