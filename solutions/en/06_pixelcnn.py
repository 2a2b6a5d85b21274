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
# # Lab: PixelCNN
#
# Six exercises after the [lecture](../../lectures/en/06_pixelcnn.ipynb), 10 points, 60 to 90 minutes. You start with a mask and end with a detector of blind spots.
#
# **How it works.** Put your code where a cell says `your code here`, and delete the line `raise NotImplementedError(...)`. The cell below each exercise checks you at once: **✓** right, **✗** wrong, and why, **…** not done yet. It never stops the notebook, so *Run All* always reaches the end. The grader runs the same checks on other numbers.
#
# | exercise | points |
# |---|---|
# | 1. A mask | 1 |
# | 2. Temperature | 1 |
# | 3. The likelihood of a text | 2 |
# | 4. A logistic law with edges | 2 |
# | 5. The sampling loop | 2 |
# | 6. A detector of blind spots | 2 |

# %%
import itertools

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import special

from dgm_tfp import data
from dgm_tfp.exercises import check, expect, graded

rng = np.random.default_rng(0)


# %% [markdown]
# ## Exercise 1. A mask (1 point)
#
# Write the mask of a kernel of odd size: 1 where a pixel may look, 0 elsewhere. Pixels come row by row, from left to right. Kind `"A"` is for the first layer, kind `"B"` for all others.

# %% nbgrader={"grade": false, "grade_id": "mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def make_mask(size, kind):
    """size: odd; kind: "A" or "B". Returns an array (size, size) of zeros and ones."""
    # BEGIN SOLUTION
    mask, middle = np.zeros((size, size)), size // 2
    mask[:middle] = 1
    mask[middle, : middle + (kind == "B")] = 1
    return mask
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "mask-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_mask(size):
    before = np.arange(size**2).reshape(size, size) < size**2 // 2
    for kind in ("A", "B"):
        mask = np.asarray(make_mask(size, kind))
        expect(
            mask.shape == (size, size),
            f"the shape is {mask.shape}, a kernel of {size} x {size} is wanted.",
        )
        centre = mask[size // 2, size // 2]
        rest = mask.copy()
        rest[size // 2, size // 2] = 0
        expect(
            not rest[~before].any(),
            f"mask {kind}: {int(rest[~before].sum())} of the places kept come after the centre, read row by row.",
        )
        expect(
            kind == "B" or centre == 0,
            "mask A keeps the centre: in the first layer the pixel itself sits there.",
        )
        expect(
            kind == "A" or centre == 1,
            "mask B drops the centre: beyond the first layer there is what the place knows of earlier pixels.",
        )
        expect(
            np.array_equal(rest, before),
            f"mask {kind} drops places that come before the centre: {int(before.sum() - rest.sum())} of them.",
        )


with check("Exercise 1"):
    test_mask(3)
    test_mask(5)
### BEGIN HIDDEN TESTS
with graded("Exercise 1"):
    test_mask(7)
    test_mask(1)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. Temperature (1 point)
#
# To make a text bolder or tamer, each law is replaced by one proportional to $p_v^{1/T}$. The network gives logits $a_v$, with $p = \operatorname{softmax}(a)$. Return the new probabilities. Logits may be as large as 1000.

# %% nbgrader={"grade": false, "grade_id": "temperature", "locked": false, "schema_version": 3, "solution": true, "task": false}
def with_temperature(logits, T):
    """logits: (n, V); T: a number above 0. Returns probabilities (n, V)."""
    # BEGIN SOLUTION
    return special.softmax(logits / T, axis=1)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "temperature-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_temperature(logits, T):
    answer = np.asarray(with_temperature(logits, T))
    expect(
        answer.shape == logits.shape,
        f"{logits.shape} logits came in, {answer.shape} numbers went out.",
    )
    expect(
        np.isfinite(answer).all(),
        f"nan: the greatest logit here is {logits.max():.0f}, and its exponential overflows.",
    )
    sums = answer.sum(axis=1)
    expect(
        np.allclose(sums, 1),
        f"for T = {T} a row sums to {sums[0]:.3f}, not to 1.",
    )
    truth = special.softmax(logits / T, axis=1)
    expect(
        not np.allclose(answer, special.softmax(logits * T, axis=1))
        or np.allclose(truth, special.softmax(logits * T, axis=1)),
        f"T = {T} acts like 1 / T: a low temperature must make the likely likelier.",
    )
    expect(
        np.allclose(answer, truth),
        f"T = {T}: p to the power 1 / T, normalised in its row, is {truth[0, 0]:.3f} at the first place; you have {answer[0, 0]:.3f}.",
    )


with check("Exercise 2"):
    test_temperature(rng.normal(size=(3, 5)), 0.5)
    test_temperature(1000 + rng.normal(size=(2, 4)), 1.2)
### BEGIN HIDDEN TESTS
with graded("Exercise 2"):
    source = np.random.default_rng(1)
    for T in (0.3, 1.0, 1.7):
        test_temperature(source.normal(size=(4, 6)), T)
    test_temperature(3000 * source.normal(size=(4, 6)), 1.5)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. The likelihood of a text (2 points)
#
# A recurrent network has read the texts `tokens`, of shape $(n, T)$, from left to right. Right after reading the character at place $t$ (counted from 0) it put out the logits `logits[:, t]`. Before reading anything it would put out `start`, the same for every text. Write $\log p$ of each text, in nats:
#
# $$\log p(x) = \sum_{t=0}^{T-1} \log p(x_t \mid x_{<t}).$$
#
# Which logits belong to $p(x_t \mid x_{<t})$? `special.log_softmax(a, axis=-1)` turns logits into logarithms of probabilities.

# %% nbgrader={"grade": false, "grade_id": "text", "locked": false, "schema_version": 3, "solution": true, "task": false}
def text_log_prob(tokens, logits, start):
    """tokens: (n, T), integers 0..V-1; logits: (n, T, V); start: (V,). Returns (n,)."""
    # BEGIN SOLUTION
    first = np.broadcast_to(start, (len(tokens), 1, len(start)))
    laws = special.log_softmax(np.concatenate([first, logits[:, :-1]], axis=1), axis=-1)
    return np.take_along_axis(laws, tokens[:, :, None], axis=2)[:, :, 0].sum(axis=1)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "text-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def random_reader(V, seed):
    """A recurrent network with random weights: tokens (n, T) -> logits (n, T, V), and start (V,)."""
    source = np.random.default_rng(seed)
    U, W, R = (source.normal(size=size) for size in ((8, 8), (V, 8), (8, V)))

    def read(tokens):
        h, outputs = np.ones((len(tokens), 8)), []
        for t in range(tokens.shape[1]):
            h = np.tanh(h @ U + W[tokens[:, t]])
            outputs.append(2 * h @ R)
        return np.stack(outputs, axis=1)

    return read, np.ones(8) @ R


def test_text(V, T, seed):
    read, start = random_reader(V, seed)
    tokens = np.array(list(itertools.product(range(V), repeat=T)))  # all texts
    logits = read(tokens)
    answer = np.asarray(text_log_prob(tokens, logits, start))
    expect(
        answer.shape == (len(tokens),),
        f"{len(tokens)} texts came in, the shape {answer.shape} went out; each has its own log p.",
    )

    def factors(laws):
        return np.stack([laws[range(len(tokens)), t, tokens[:, t]] for t in range(T)], axis=1)

    own = special.log_softmax(logits, axis=-1)
    first = np.broadcast_to(special.log_softmax(start), (len(tokens), 1, V))
    shifted = factors(np.concatenate([first, own[:, :-1]], axis=1))
    truth, peeking = shifted.sum(axis=1), factors(own)
    expect(
        not np.allclose(answer, peeking.sum(axis=1))
        and not np.allclose(answer, peeking[:, 1:].sum(axis=1) + shifted[:, 0]),
        "the logits at place t have already read the character at t, and are asked about it: shift by one.",
    )
    expect(
        not np.allclose(answer, truth - shifted[:, 0]),
        "the factor of the first character is missing: its law is start.",
    )
    expect(
        not np.allclose(answer, truth / T),
        "this is the mean over the places; the logarithm of a product is a sum.",
    )
    total = np.exp(answer).sum()
    expect(
        np.isclose(total, 1),
        f"the probabilities of all {len(tokens)} texts sum to {total:.3f}, not to 1: is each law normalised, and taken for the right character?",
    )
    expect(
        np.allclose(answer, truth),
        f"the sum over all texts is 1, but text {tokens[0]} has log p = {truth[0]:.3f}, not {answer[0]:.3f}.",
    )


with check("Exercise 3"):
    test_text(3, 3, 0)
    test_text(2, 5, 1)
### BEGIN HIDDEN TESTS
with graded("Exercise 3"):
    test_text(4, 3, 2)
    test_text(2, 7, 3)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. A logistic law with edges (2 points)
#
# Brightness is a continuous quantity $y$ with the distribution function $\sigma\bigl((y - \mu)/s\bigr)$, rounded to the nearest integer and clipped to $0, \dots, L - 1$. Write $\log P(x)$ for each $x$. The first and the last value take all that was clipped. $\sigma$ is `special.expit`.

# %% nbgrader={"grade": false, "grade_id": "edges", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_mass(x, mu, s, L):
    """x: (n,), integers 0..L-1; mu, s: numbers, s > 0. Returns log P(x), (n,)."""
    # BEGIN SOLUTION
    above = np.where(x == L - 1, 1.0, special.expit((x + 0.5 - mu) / s))
    below = np.where(x == 0, 0.0, special.expit((x - 0.5 - mu) / s))
    return np.log(above - below)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "edges-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_edges(mu, s, L):
    x = np.arange(L)
    answer = np.asarray(log_mass(x, mu, s, L))
    expect(
        answer.shape == (L,),
        f"{L} values came in, the shape {answer.shape} went out.",
    )
    expect(
        np.isfinite(answer).all(),
        "log P is nan or infinite somewhere: is the upper limit of a cell minus the lower one, and not the other way round?",
    )
    cdf = special.expit((np.arange(L + 1) - 0.5 - mu) / s)
    bare = np.diff(cdf)
    total = np.exp(answer).sum()
    expect(
        not np.allclose(np.exp(answer), bare),
        f"for mu = {mu}, s = {s} the sum is {total:.3f}, not 1: the edges are missing.",
    )
    z = (x - mu) / s
    expect(
        not np.allclose(np.exp(answer)[1:-1], (special.expit(z) * special.expit(-z) / s)[1:-1]),
        "this is the density at x; what is asked is the probability of a whole cell.",
    )
    cdf[0], cdf[-1] = 0, 1
    moved = np.diff([0, *special.expit((np.arange(1, L) - mu) / s), 1])
    expect(
        not np.allclose(np.exp(answer), moved),
        "the cell of x runs from x - 1/2 to x + 1/2: y is rounded to the nearest integer, not down.",
    )
    expect(
        np.isclose(total, 1),
        f"for mu = {mu}, s = {s} the sum is {total:.3f}, not 1: do both edges take their tails?",
    )
    expect(
        np.allclose(np.exp(answer), np.diff(cdf)),
        f"for mu = {mu}, s = {s} P(0) is {cdf[1]:.3f}; you have {np.exp(answer[0]):.3f}.",
    )


with check("Exercise 4"):
    test_edges(1.2, 0.9, 4)
    test_edges(13.0, 3.0, 16)
### BEGIN HIDDEN TESTS
with graded("Exercise 4"):
    test_edges(-2.0, 1.5, 8)
    test_edges(200.0, 25.0, 256)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. The sampling loop (2 points)
#
# `laws(images)` takes $(n, h, w)$ integers and returns $(n, h, w, L)$ probabilities: the law of every pixel, given those before it in the images it was shown. Rows come one after another, each from left to right. Draw $n$ images. For chance use `u`, uniform numbers $(n, h, w)$, one for each pixel, and the function `draw` below. The check counts the passes.

# %%
def draw(p, u):
    """(n, L), (n,) -> (n,), by the inverse distribution function."""
    return np.minimum((np.cumsum(p, axis=1) <= u[:, None]).sum(axis=1), p.shape[1] - 1)


class Laws:
    """Random laws of pixels: each depends on its left neighbour and on those above."""

    def __init__(self, L, seed):
        self.table = np.random.default_rng(seed).normal(size=(3, L, L))
        self.L, self.passes = L, 0

    def __call__(self, images):
        self.passes += 1
        padded = np.pad(np.asarray(images).astype(int) % self.L, ((0, 0), (1, 0), (1, 1)))
        left, up, corner = padded[:, 1:, :-2], padded[:, :-1, 1:-1], padded[:, :-1, 2:]
        looks = zip(self.table, (left, up, corner), strict=True)
        return special.softmax(sum(t[seen] for t, seen in looks), axis=-1)


# %% nbgrader={"grade": false, "grade_id": "sampling", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sample(laws, u):
    """laws: (n, h, w) -> (n, h, w, L); u: (n, h, w). Returns images (n, h, w), integers."""
    # BEGIN SOLUTION
    images = np.zeros(u.shape, int)
    for r, c in np.ndindex(u.shape[1:]):
        images[:, r, c] = draw(laws(images)[:, r, c], u[:, r, c])
    return images
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "sampling-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_sampling(n, h, w, L, seed):
    u = np.random.default_rng(seed).uniform(size=(n, h, w))
    laws = Laws(L, seed)
    answer = np.asarray(sample(laws, u))
    passes = laws.passes
    expect(
        answer.shape == (n, h, w),
        f"{n} images of {h} x {w} are wanted, the shape is {answer.shape}.",
    )
    expect(
        passes >= h * w,
        f"{h * w} pixels, {passes} passes: the law of a pixel can be asked only when those before it are drawn.",
    )

    def in_order(order, choose):
        images = np.zeros((n, h, w), int)
        for r, c in order:
            images[:, r, c] = choose(laws(images)[:, r, c], u[:, r, c])
        return images

    rows = list(np.ndindex(h, w))
    columns = [(r, c) for c in range(w) for r in range(h)]
    expect(
        not np.array_equal(answer, in_order(columns, draw)),
        "the pixels were drawn column by column; the network was made for rows.",
    )
    expect(
        not np.array_equal(answer, in_order(rows, lambda p, u: p.argmax(axis=1))),
        "each pixel has its likeliest value, u is not used: that is one image, not a sample.",
    )
    truth = in_order(rows, draw)
    expect(
        np.array_equal(answer, truth),
        f"{np.mean(answer != truth):.0%} of the pixels differ from the loop's. Was each drawn from the law at its own place, after all those before it?",
    )


with check("Exercise 5"):
    test_sampling(5, 3, 4, 4, 0)
### BEGIN HIDDEN TESTS
with graded("Exercise 5"):
    test_sampling(4, 5, 3, 3, 1)
    test_sampling(3, 2, 6, 5, 2)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 6. A detector of blind spots (2 points)
#
# `network` takes a tensor $(n, S, S, 1)$ and returns one of the same shape; a pixel's output is supposed to see only pixels before it, row by row. Find what it does *not* see: return a table $(S, S)$ of truth values, true for the pixels that come **before** (row, column) and do not influence the output at (row, column). Use `tf.GradientTape`. Beware of derivatives that vanish by accident.

# %%
class Network:
    """Masked convolutions with random weights. gap: cut one more place of the first mask."""

    def __init__(self, layers, size=3, seed=0, gap=None):
        source, before = np.random.default_rng(seed), np.arange(size**2) < size**2 // 2
        middle = np.arange(size**2) == size**2 // 2
        self.kernels = []
        for k in range(layers):
            mask = (before | middle if k else before).astype(float)
            if gap is not None and k == 0:
                mask[gap] = 0
            shape = (size, size, 4 if k else 1, 4 if k + 1 < layers else 1)
            kernel = source.normal(size=shape) * mask.reshape(size, size, 1, 1)
            self.kernels.append(tf.constant(kernel, tf.float32))

    def __call__(self, x):
        x = tf.cast(x, tf.float32) ** 2  # flat at 0
        for k, kernel in enumerate(self.kernels):
            x = tf.nn.conv2d(tf.tanh(x) if k else x, kernel, 1, "SAME")
        return x


# %% nbgrader={"grade": false, "grade_id": "blind-spot", "locked": false, "schema_version": 3, "solution": true, "task": false}
def blind_spot(network, row, column, S):
    """Which pixels before (row, column) its output does not see: bool (S, S)."""
    # BEGIN SOLUTION
    images = tf.random.stateless_uniform((8, S, S, 1), seed=(row, column), minval=0.1)
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = network(images)[:, row, column]
    slopes = tape.gradient(output, images)
    seen = np.abs(slopes).max(axis=(0, 3)) > 0
    before = np.arange(S * S).reshape(S, S) < row * S + column
    return before & ~seen
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "blind-spot-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def by_surgery(network, row, column, S):
    """The same without gradients: change one pixel after another."""
    images = np.full((S * S + 1, S, S, 1), 0.5, np.float32)
    images[range(S * S), np.arange(S * S) // S, np.arange(S * S) % S] = 0.9
    output = np.asarray(network(images))[:, row, column, 0]
    seen = (np.abs(output[:-1] - output[-1]) > 0).reshape(S, S)
    return (np.arange(S * S).reshape(S, S) < row * S + column) & ~seen


def test_blind_spot(network, row, column, S):
    answer = np.asarray(blind_spot(network, row, column, S))
    expect(
        answer.shape == (S, S) and answer.dtype == bool,
        f"a table of bool, {(S, S)}, is wanted; you have {answer.dtype}, {answer.shape}.",
    )
    truth, place = by_surgery(network, row, column, S), (row, column)
    before = np.arange(S * S).reshape(S, S) < row * S + column
    expect(
        not (answer & ~before).any(),
        f"at {place}: {(answer & ~before).sum()} of the marked pixels do not come before it; it has no business seeing them.",
    )
    expect(
        not np.array_equal(answer, before) or np.array_equal(truth, before),
        "everything comes out blind: the derivative of this network vanishes at an image of zeros, whatever it sees. Take random images.",
    )
    expect(
        not np.array_equal(answer, before & ~truth) or not truth.any(),
        f"at {place} you marked what it sees, not what it does not see.",
    )
    missed, false = (truth & ~answer).sum(), (answer & ~truth).sum()
    expect(
        not missed,
        f"at {place}: {missed} pixels that this output does not see are not marked. Is it the derivative of this one output, at (row, column)?",
    )
    expect(
        not false,
        f"at {place}: {false} marked pixels are seen after all.",
    )


with check("Exercise 6"):
    test_blind_spot(Network(6), 3, 3, 7)
    test_blind_spot(Network(3, seed=1), 4, 2, 6)
    view = blind_spot(Network(6), 3, 3, 7)
### BEGIN HIDDEN TESTS
with graded("Exercise 6"):
    test_blind_spot(Network(2, size=5, seed=2), 5, 3, 8)
    test_blind_spot(Network(1, size=5, seed=3, gap=7), 4, 4, 9)
    test_blind_spot(Network(4, seed=4), 2, 4, 6)
### END HIDDEN TESTS

# %% [markdown]
# ## On your own (not graded)
#
# Below your sampler from exercise 5 draws from laws that were *counted*: digits of 14 x 14 pixels with 4 levels, the law of a pixel given its left neighbour, its upper one, or more of them (empty until exercise 5 is done). Then some questions that have no check:
#
# * How many neighbours does it take until strokes appear? And digits? Why does adding more neighbours to a table of counts stop helping?
# * Count on one class only, or give the place of the pixel as part of the context. What do you gain, in bits per dimension and to the eye?
# * Put `with_temperature` between `laws` and `draw`. What happens to the images at T = 0.5 and T = 2?
# * Keep the upper half of a real digit and let the loop draw only the lower one.
# * Which kernel sizes and depths make `blind_spot` of exercise 6 empty in a 7 x 7 image? Is there any?
# * Train `models.PixelCNN` from `dgm_tfp` with `stack="masked"` and with `stack="gated"`, for the same time. What is the blind spot worth in bits per dimension?

# %%
def counted_laws(images, looks, L=4):
    """Laws of a pixel given neighbours at (down, right), counted in images (n, h, w)."""

    def context(images):
        padded, number = np.pad(images, ((0, 0), (2, 0), (2, 2))), 0
        h, w = images.shape[1:]
        for down, right in looks:
            number = number * L + padded[:, 2 + down : 2 + down + h, 2 + right : 2 + right + w]
        return number

    pairs = (context(images) * L + images).ravel()
    table = np.bincount(pairs, minlength=L ** (len(looks) + 1)).reshape(-1, L) + 0.01
    table = table / table.sum(axis=1, keepdims=True)
    return lambda images: table[context(images)]


digits = data.load("mnist", "train", source="embedded", verbose=False).images
digits = (digits.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)) // 64).astype(int)
near = [(0, -1), (-1, 0), (-1, 1), (-1, -1), (0, -2), (-2, 0), (-1, 2), (-2, 1)]
u, rows = rng.uniform(size=(10, 14, 14)), []
try:
    for count in (1, 2, 4, 8):
        drawn = sample(counted_laws(digits, near[:count]), u)
        rows.append(np.concatenate(list(drawn), axis=1))
except Exception:  # exercise 5 is not done yet, or wrong
    rows = []
if rows:
    figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
    axis.imshow(np.concatenate(rows), cmap="gray", vmin=0, vmax=3)
    axis.set_yticks([7, 21, 35, 49], ["1", "2", "4", "8"])
    axis.set(xticks=[], ylabel="neighbours")
