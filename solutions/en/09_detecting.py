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
# # Lab: detecting it after all
#
# Six exercises after the [lecture](../../lectures/en/09_detecting.ipynb), 10 points, 60 to 90 minutes. You start with one number and end with the discipline of choosing a method without deceiving yourself. Every score is **higher for what is more like the training data**.
#
# **How it works.** Put your code where a cell says `your code here`, and delete the line `raise NotImplementedError(...)`. The cell below each exercise checks you at once: **✓** right, **✗** wrong, and why, **…** not done yet. It never stops the notebook, so *Run All* always reaches the end. The grader runs the same checks on other numbers.
#
# | exercise | points |
# |---|---|
# | 1. False alarms | 1 |
# | 2. A batch and its threshold | 2 |
# | 3. WAIC | 1 |
# | 4. Mutate, and divide | 2 |
# | 5. A file is a model | 2 |
# | 6. Choose, then look | 2 |

# %%
import zlib

import matplotlib.pyplot as plt
import numpy as np

from dgm_tfp import data, ood, profiles
from dgm_tfp.exercises import check, expect, graded

rng = np.random.default_rng(0)


# %% [markdown]
# ## Exercise 1. False alarms (1 point)
#
# A detector raises an alarm where the score is at most a threshold $t$. Put $t$ as low as it may be with 95 % of the *outside* images still found. Which part of the *inside* images raises an alarm then, in vain? (Two numbers of tolerance are left to you: `np.quantile` is good enough.)

# %% nbgrader={"grade": false, "grade_id": "false-alarms", "locked": false, "schema_version": 3, "solution": true, "task": false}
def false_alarms(inside, outside):
    """FPR at 95 % TPR. Scores inside: (n,), outside: (m,). Returns a number, 0 to 1."""
    # BEGIN SOLUTION
    threshold = np.quantile(outside, 0.95)
    return np.mean(inside <= threshold)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "false-alarms-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_false_alarms(inside, outside):
    answer = false_alarms(inside, outside)
    expect(
        np.shape(answer) == () and 0 <= answer <= 1,
        f"one number between 0 and 1 is wanted; you return {answer!r:.60}.",
    )

    def close(other):
        return np.isclose(answer, other, atol=0.011)

    truth = np.mean(inside <= np.quantile(outside, 0.95))
    if close(truth):
        return float(answer)
    expect(
        not close(1 - truth),
        "this is the part of the inside that raises no alarm.",
    )
    expect(
        not close(np.mean(outside >= np.quantile(inside, 0.05))),
        "this is the mirror image: 95 % of the inside pass, and you count what else passes.",
    )
    expect(
        not close(np.mean(inside >= np.quantile(outside, 0.05))),
        "the direction: an alarm is raised where the score is LOW.",
    )
    expect(
        not close(np.mean(inside <= np.quantile(outside, 0.05))),
        "this threshold finds 5 % of the outside, not 95 %.",
    )
    expect(False, f"it should be {truth:.3f}, you have {answer:.3f}. The threshold comes from the outside scores, the alarms are counted on the inside.")


with check("Exercise 1"):
    source = np.random.default_rng(1)
    test_false_alarms(source.normal(2, 1, 900), source.exponential(1, 1100))
    print(f"{test_false_alarms(source.normal(1.81, 1, 900), source.normal(size=900)):.2f}")
### BEGIN HIDDEN TESTS
with graded("Exercise 1"):
    source = np.random.default_rng(2)
    test_false_alarms(source.gumbel(1, 1, 1000), source.normal(0, 1, 700))
    test_false_alarms(-source.gumbel(-1, 2, 800), source.normal(-1, 1, 1000))
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. A batch and its threshold (2 points)
#
# $M$ images have come from one source. Typicality of the batch (Nalisnick et al. 2019b) is the distance of its mean $\log p$ from the mean $\bar\ell$ of clothes that the model has not seen:
#
# $$\varepsilon = \Bigl|\frac1M \sum_{m=1}^M \log p(x_m) - \bar\ell\,\Bigr|.$$
#
# Write $\varepsilon$ for consecutive batches (a rest that does not fill a batch is left out). **Then** the threshold: draw 5,000 batches of $M$ from the held-out values with replacement, and take the quantile of their $\varepsilon$ such that a share $\alpha$ of batches lies above it.

# %% nbgrader={"grade": false, "grade_id": "batch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def batch_distance(log_p, mean, size):
    """epsilon of each batch, in nats. log_p: (n,); mean: a number; size: M. Returns (n // size,)."""
    # BEGIN SOLUTION
    batches = log_p[: len(log_p) // size * size].reshape(-1, size)
    return np.abs(batches.mean(axis=1) - mean)
    # END SOLUTION


def threshold(held_log_p, size, alpha, rng):
    """What a share alpha of batches of held-out images exceeds. rng: a np.random.Generator."""
    # BEGIN SOLUTION
    batches = rng.choice(held_log_p, (5_000, size))
    distances = np.abs(batches.mean(axis=1) - held_log_p.mean())
    return np.quantile(distances, 1 - alpha)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "batch-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_batch_distance(log_p, mean, size):
    answer = np.asarray(batch_distance(log_p, mean, size))
    whole = len(log_p) // size
    expect(
        answer.shape == (whole,),
        f"batch_distance: {len(log_p)} values make {whole} whole batches of {size}; you return the shape {answer.shape}.",
    )
    batches = log_p[: whole * size].reshape(whole, size)
    truth = np.abs(batches.mean(axis=1) - mean)
    expect(
        np.all(answer >= 0),
        "batch_distance: some are negative; a distance has an absolute value, on both sides of the mean.",
    )
    expect(
        size == 1 or not np.allclose(answer, np.abs(batches - mean).mean(axis=1)),
        "batch_distance: a mean of distances. First the mean over the batch, then the absolute value: else the batch does not average anything out.",
    )
    strided = np.abs(log_p[: whole * size].reshape(size, whole).mean(axis=0) - mean)
    expect(
        size == 1 or not np.allclose(answer, strided),
        "batch_distance: the batches are consecutive, x[:size], x[size:2 size]; yours take every so-many-th image.",
    )
    expect(
        np.allclose(answer, truth),
        f"batch_distance: the first should be {truth[0]:.2f} nats, you have {answer[0]:.2f}.",
    )


def test_threshold(held, size, alpha):
    answer = threshold(held, size, alpha, np.random.default_rng(5))
    batches = np.random.default_rng(6).choice(held, (20_000, size))
    own = np.abs(batches.mean(axis=1) - held.mean())
    expect(np.shape(answer) == (), f"threshold: one number is wanted; you return the shape {np.shape(answer)}.")
    above = np.mean(own > answer)
    if abs(above - alpha) < 0.3 * alpha:
        return
    expect(
        abs(above - (1 - alpha)) > 0.1 * alpha,
        f"threshold: a share {above:.2f} of the inside batches lies above it, not {alpha}. The wrong end of the quantiles.",
    )
    alone = np.abs(held - held.mean())
    expect(
        size == 1 or not np.isclose(answer, np.quantile(alone, 1 - alpha), rtol=0.15),
        "threshold: this is the threshold for one image; the batch has several.",
    )
    expect(False, f"threshold: a share {above:.3f} of the inside batches lies above it, not {alpha}.")


with check("Exercise 2"):
    source = np.random.default_rng(3)
    test_batch_distance(source.normal(-700, 200, 47), -690.0, 5)
    test_batch_distance(source.normal(-700, 200, 12), -690.0, 1)
    test_threshold(source.normal(-700, 200, 1000), 10, 0.05)
### BEGIN HIDDEN TESTS
with graded("Exercise 2"):
    source = np.random.default_rng(4)
    test_batch_distance(source.normal(-300, 20, 101), -310.0, 7)
    test_threshold(-source.gamma(3, 100, 800), 4, 0.1)
    test_threshold(source.normal(50, 9, 900), 25, 0.05)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. WAIC (1 point)
#
# Of an ensemble of $K$ models, $\mathrm{WAIC}(x) = \mathbb E_k \log p_k(x) - \operatorname{Var}_k \log p_k(x)$ for each image. The models are a sample of all that might have been trained, so the variance has $K - 1$ below (`ddof=1`).

# %% nbgrader={"grade": false, "grade_id": "waic", "locked": false, "schema_version": 3, "solution": true, "task": false}
def waic(log_probs):
    """The score of each image. log_probs: (K models, n images), nats. Returns (n,)."""
    # BEGIN SOLUTION
    return log_probs.mean(axis=0) - log_probs.var(axis=0, ddof=1)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "waic-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_waic(log_probs):
    answer, n = waic(log_probs), log_probs.shape[1]
    expect(
        np.shape(answer) == (n,),
        f"{n} images need {n} scores; you return the shape {np.shape(answer)}. The models are the FIRST axis.",
    )
    mean, spread = log_probs.mean(axis=0), log_probs.var(axis=0, ddof=1)
    expect(
        not np.allclose(answer, mean + spread),
        "you add the variance: images on which the models disagree would be more in-distribution.",
    )
    expect(
        not np.allclose(answer, mean - np.sqrt(spread)),
        "this is the standard deviation; WAIC has the variance, its square.",
    )
    expect(
        not np.allclose(answer, mean - log_probs.var(axis=0)),
        "the variance of a sample of models has K - 1 below, not K.",
    )
    expect(
        not np.allclose(answer, mean),
        "this is the mean alone: where is the disagreement?",
    )
    expect(
        np.allclose(answer, mean - spread),
        f"the first score should be {mean[0] - spread[0]:.3f}, you have {answer[0]:.3f}.",
    )


with check("Exercise 3"):
    test_waic(np.random.default_rng(7).normal(-700, 5, (3, 8)))
### BEGIN HIDDEN TESTS
with graded("Exercise 3"):
    test_waic(np.random.default_rng(8).normal(-90, 2, (5, 4)))
    test_waic(np.random.default_rng(9).normal(-9, 3, (2, 2)))
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. Mutate, and divide (2 points)
#
# The likelihood ratio of Ren et al. (2019): $\log p(x) - \log p_0(x)$, where $p_0$ is trained as $p$ is, but on mutated images.
#
# **First** `mutate`: every pixel is replaced, with probability `rate` and independently of the others, by a level drawn uniformly from $0, \dots,$ `levels` $- 1$ (it may happen to be the old one). The images that came in must stay as they were.
#
# **Then** the score. `fit(images)` trains a model and returns its function $x \mapsto \log p(x)$. Which images does each of the two models learn from, and which does it score?

# %% nbgrader={"grade": false, "grade_id": "ratio", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mutate(x, rate, levels, rng):
    """Images of the shape and dtype of x, some pixels replaced. x: (n, h, w), 0..levels - 1."""
    # BEGIN SOLUTION
    replaced = rng.random(x.shape) < rate
    return np.where(replaced, rng.integers(0, levels, x.shape), x).astype(x.dtype)
    # END SOLUTION


def likelihood_ratio(x, train, fit, rate, levels, rng):
    """log p(x) - log p_0(x) in nats. x: (n, h, w); train: (m, h, w). Returns (n,)."""
    # BEGIN SOLUTION
    model = fit(train)
    background = fit(mutate(train, rate, levels, rng))
    return model(x) - background(x)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "ratio-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_mutate(levels, rate, seed):
    x = np.random.default_rng(seed).integers(0, levels, (60, 14, 14)).astype(np.uint8)
    kept, draw = x.copy(), np.random.default_rng(seed + 1)
    same = np.asarray(mutate(x, 0.0, levels, draw))
    expect(
        same.shape == x.shape and same.dtype == x.dtype,
        f"mutate: the images came as {x.dtype} {x.shape} and went as {same.dtype} {same.shape}.",
    )
    expect(np.array_equal(same, x), "mutate: with rate 0 something has changed.")
    mutate(x, 0.5, levels, draw)
    expect(np.array_equal(x, kept), "mutate: the images that came in have been changed.")
    black = np.zeros((200, 14, 14), np.uint8)
    full = np.asarray(mutate(black, 1.0, levels, draw))
    counts = np.bincount(full.ravel(), minlength=levels) / full.size
    expect(
        len(counts) == levels,
        f"mutate: there are levels up to {len(counts) - 1}; the last one is {levels - 1}.",
    )
    expect(
        np.all(np.abs(counts - 1 / levels) < 0.3 / levels),
        f"mutate: with rate 1 each of the {levels} levels should be equally frequent, whatever the image was; from black images the frequencies are {np.round(counts, 2)}.",
    )
    changed = np.asarray(mutate(black, rate, levels, draw)) != 0
    want = rate * (1 - 1 / levels)
    expect(
        np.ptp(changed.mean(axis=(1, 2))) < 0.6,
        "mutate: some images change nearly everywhere and others hardly at all; the lot is cast for each pixel.",
    )
    expect(
        abs(changed.mean() - want) < 0.1 * want,
        f"mutate: with rate {rate} a share {want:.3f} of black pixels should change, {changed.mean():.3f} did.",
    )


def test_ratio(rate, seed):
    source, learned, scored = np.random.default_rng(seed), [], []
    train, x = (source.integers(0, 4, (n, 14, 14)).astype(np.uint8) for n in (30, 5))

    def fit(images):
        learned.append(np.array(images))
        factor = 3.0 if np.array_equal(images, train) else 1.0

        def log_prob(seen):
            scored.append(np.array(seen))
            return -factor * seen.mean(axis=(1, 2))

        return log_prob

    answer = np.asarray(likelihood_ratio(x, train, fit, rate, 4, source))
    clean = [np.array_equal(images, train) for images in learned]
    expect(
        sum(clean) == 1 and len(clean) == 2,
        f"likelihood_ratio: of {len(clean)} trainings {sum(clean)} were on the clean training images; wanted: one clean, one mutated.",
    )
    shapes = [images.shape for images in learned]
    expect(shapes[0] == shapes[1], f"likelihood_ratio: the models learned from different numbers of images, {shapes}: the background learns from mutated TRAINING images.")
    expect(
        all(np.array_equal(seen, x) for seen in scored),
        "likelihood_ratio: x is scored as it is, by both models; only training images are mutated.",
    )
    expect(answer.shape == (5,), f"likelihood_ratio: 5 images need 5 scores; the shape is {answer.shape}.")
    truth = -2.0 * x.mean(axis=(1, 2))
    expect(not np.allclose(answer, -truth), "likelihood_ratio: upside down: the background is subtracted, not the model.")
    expect(not np.allclose(answer, 3.0), "likelihood_ratio: the ratio of likelihoods is the DIFFERENCE of their logarithms; you divide logarithms.")
    expect(
        np.allclose(answer, truth),
        f"likelihood_ratio: the first score should be {truth[0]:.3f}, you have {answer[0]:.3f}.",
    )


with check("Exercise 4"):
    test_mutate(4, 0.3, 10)
    test_ratio(0.3, 11)
### BEGIN HIDDEN TESTS
with graded("Exercise 4"):
    test_mutate(16, 0.1, 20)
    test_mutate(5, 0.6, 30)
    test_ratio(0.1, 21)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. A file is a model (2 points)
#
# Every image has a file of $L(x)$ **bits**, and $2^{-L(x)}$ is a probability. Write the score of Serrà et al. (2020) as a likelihood ratio in **nats**:
#
# $$s(x) = \log \frac{p(x)}{2^{-L(x)}}.$$
#
# `compress(image)` gives the bytes of one image's file.

# %%
def compress(image):
    """The bytes of one image (h, w), uint8, without loss."""
    return zlib.compress(np.ascontiguousarray(image).tobytes(), 9)


# %% nbgrader={"grade": false, "grade_id": "complexity", "locked": false, "schema_version": 3, "solution": true, "task": false}
def complexity(x, log_p):
    """The score of each image, in nats. x: uint8 (n, h, w); log_p: (n,), nats. Returns (n,)."""
    # BEGIN SOLUTION
    bits = np.array([8 * len(compress(image)) for image in x])
    return log_p + bits * np.log(2)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "complexity-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_complexity(x, log_p):
    answer = np.asarray(complexity(x, log_p))
    expect(
        answer.shape == (len(x),),
        f"{len(x)} images came in, the shape {answer.shape} went out; each has its own file.",
    )
    size = np.array([len(compress(image)) for image in x])
    nats = 8 * size * np.log(2)
    wrong = {
        "L is in bits; len of a file counts bytes.": log_p + size * np.log(2),
        "bits added to nats: a bit is log 2 nats.": log_p + 8 * size,
        "these are bytes, added to nats: a byte is 8 bits, a bit is log 2 nats.": log_p + size,
        "the sign: log p - log 2^(-L) has two minuses.": log_p - nats,
        "this is the paper's S(x), high for foreign images; here a higher score means more in-distribution, in nats.": -log_p / np.log(2) - 8 * size,
        "right, but in bits; nats are wanted.": log_p / np.log(2) + 8 * size,
        "this is the file alone; where is the model?": -nats,
    }
    for message, values in wrong.items():
        expect(not np.allclose(answer, values), message)
    together = len(compress(x)) * 8 * np.log(2)
    spread = np.ptp(answer - log_p)
    expect(
        spread > 1e-6 or not np.ptp(size),
        f"all images get the same length, {spread:.3f} nats apart: compress each by itself (together they take {together:.0f} nats).",
    )
    expect(
        np.allclose(answer, log_p + nats),
        f"the first score should be {log_p[0] + nats[0]:.2f}, you have {answer[0]:.2f}.",
    )


with check("Exercise 5"):
    source = np.random.default_rng(12)
    images = [source.integers(0, k, (14, 14)) for k in (1, 2, 5, 50, 256)]
    test_complexity(np.array(images, np.uint8), source.normal(-300, 50, 5))
### BEGIN HIDDEN TESTS
with graded("Exercise 5"):
    source = np.random.default_rng(13)
    images = [source.integers(0, k, (10, 12)) for k in (256, 3, 1, 16)]
    test_complexity(np.array(images, np.uint8), source.normal(-100, 10, 4))
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 6. Choose, then look (2 points)
#
# There are several settings of a score, each a function $x \mapsto s(x)$. There are three sets: `inside`, a `third` foreign set to choose on, and the `test` set. Return the name of the setting that is to be used, and **one** number: its AUROC on `inside` against `test`. `area(a, b)` is the AUROC of scores $a$ inside against scores $b$ outside.
#
# The direction is fixed: higher is more in-distribution. A setting with an AUROC of 0.1 is a bad one, not a good one with a minus.

# %%
def area(a, b):
    """AUROC of the scores a, inside, against b, outside."""
    return ood.auroc(a, b, resamples=1).value


# %% nbgrader={"grade": false, "grade_id": "choose", "locked": false, "schema_version": 3, "solution": true, "task": false}
def choose_and_look(settings, inside, third, test):
    """(name, AUROC on the test set). settings: {name: function x -> (n,)}."""
    # BEGIN SOLUTION
    quality = {name: area(s(inside), s(third)) for name, s in settings.items()}
    best = max(quality, key=quality.get)
    score = settings[best]
    return best, area(score(inside), score(test))
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "choose-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_choose(shifts, seed):
    """shifts: how far each setting sees the third set and the test set."""
    source = np.random.default_rng(seed)
    sets = [source.normal(size=(400, 2)) + [k, 0] for k in (0, 100, 200)]

    def setting(on_third, on_test):
        def score(x):  # the first coordinate says which set it is
            which = round(x[:, 0].mean() / 100)
            return x[:, 1] - [0, on_third, on_test][which]

        return score

    settings = {name: setting(*pair) for name, pair in shifts.items()}
    table = {
        name: [area(score(sets[0]), score(other)) for other in sets[1:]]
        for name, score in settings.items()
    }
    answer = choose_and_look(settings, *sets)
    expect(
        isinstance(answer, tuple) and len(answer) == 2 and answer[0] in settings,
        f"a pair (name, number) is wanted; you return {answer!r:.60}.",
    )
    name, value = answer

    def best(quality):
        return max(table, key=lambda key: quality(*table[key]))

    right = best(lambda third, test: third)
    if name != right:
        expect(
            name != best(lambda third, test: test),
            f"{name} is the best on the TEST set. Then its AUROC there is no test any more: choose on the third set.",
        )
        expect(
            name != best(lambda third, test: max(third, 1 - third)),
            f"{name} would be good with a minus; the direction of a score is fixed before anybody looks.",
        )
        expect(
            name != best(lambda third, test: (third + test) / 2),
            f"{name} is the best on both foreign sets together: the test set has helped to choose.",
        )
        expect(False, f"the third set prefers {right}, you chose {name}. Is it the greatest AUROC?")
    third, test = table[right]
    expect(
        not np.isclose(value, third) or np.isclose(third, test),
        f"{value:.3f} is the AUROC on the third set, on which it was chosen: too good. Report the test set.",
    )
    expect(
        np.isclose(value, test),
        f"the AUROC of {name} on the test set is {test:.3f}, you report {value:.3f}.",
    )
    return value, max(test for _, test in table.values())


with check("Exercise 6"):
    shifts = {"A": (1.0, 0.7), "B": (0.2, 2.5), "C": (-3.0, -1.0), "D": (0.9, 1.9)}
    honest, greedy = test_choose(shifts, 14)
    print(f"honest: {honest:.2f}; who peeks reports {greedy:.2f}")
### BEGIN HIDDEN TESTS
with graded("Exercise 6"):
    test_choose({"u": (0.1, 3.0), "v": (-4.0, -2.0), "w": (1.5, 0.2), "t": (1.3, 2.9)}, 15)
    test_choose({"1": (0.5, -0.5), "2": (0.3, 0.9), "3": (-1.0, 0.0)}, 16)
### END HIDDEN TESTS

# %% [markdown]
# ## On your own (not graded)
#
# Below your functions meet real images: clothes inside, digits and letters outside, 16 grey levels, and a table of counts for a model (empty until exercises 2, 4 and 5 are done). Then some questions that have no check:
#
# * Which mutation rate is the best on letters? And on digits? What would you have reported, had you looked at digits first?
# * Count with 0, 1, 2 or 4 neighbours for $p$ and for $p_0$ separately. When does the ratio work best, and why must $p$ know more than $p_0$?
# * Replace `zlib` by `bz2` or `lzma`, or compress 17 times the levels, or the differences of neighbouring pixels. How far does the AUROC move?
# * Make a set on which complexity fails, yet not typicality, and one the other way round.
# * Train a classifier of clothes against letters and take its probability of "clothes" as a score. Is it better than everything here? On which of the sets of figure 9 of the lecture does it fail?

# %%
def levels(name, split, n):
    source = "synthetic" if name == "letters" else "embedded"
    images = data.load(name, split, source=source, verbose=False).images
    return images[:n, ..., 0] // 16


def counted(images, looks=((0, -1), (-1, 0), (-1, 1))):
    """The model of the lecture: log p(x) from counts of levels given neighbours."""

    def contexts(x):
        padded, number = np.pad(x.astype(int), ((0, 0), (1, 0), (1, 1))), 0
        for down, right in looks:
            moved = padded[:, 1 + down : 29 + down, 1 + right : 29 + right]
            number = number * 16 + moved
        return number

    pairs = (contexts(images) * 16 + images).ravel()
    table = np.bincount(pairs, minlength=16 ** (len(looks) + 1)).reshape(-1, 16) + 0.5
    table = np.log(table / table.sum(axis=1, keepdims=True))
    return lambda x: table[contexts(x), x].sum(axis=(1, 2))


def real_scores():
    few = 300 if profiles.current().name == "smoke" else 1_000
    train, held = np.split(levels("fashion_mnist", "train", 10 * few), [9 * few])
    sets = [levels(n, "test", few) for n in ("fashion_mnist", "mnist", "letters")]
    model = counted(train)
    mean = model(held).mean()
    scores = {
        "likelihood": model,
        "typicality": lambda x: -batch_distance(model(x), mean, 1),
        "typicality of 10": lambda x: -batch_distance(model(x), mean, 10),
        "complexity": lambda x: complexity(17 * x, model(x)),
    }
    for rate in (0.1, 0.3):
        scores[f"ratio, mutated {rate}"] = lambda x, rate=rate: likelihood_ratio(
            x, train, counted, rate, 16, np.random.default_rng(0)
        )
    values = [[score(x) for x in sets] for score in scores.values()]
    return scores, [[area(own, other) for other in rest] for own, *rest in values]


try:
    names, areas = real_scores()
except Exception:  # some exercise is not done yet, or wrong
    names, areas = [], []
if areas:
    figure, axis = plt.subplots(figsize=(7, 2.8), layout="constrained")
    for k, (label, color) in enumerate((("digits", "#d1495b"), ("letters", "#8d8d8d"))):
        places = np.arange(len(names)) + 0.38 * (k - 0.5)
        axis.barh(places, [row[k] for row in areas], 0.36, color=color, label=label)
    axis.axvline(0.5, color="0.5", lw=0.8, ls="--")
    axis.set_yticks(np.arange(len(names)), names)
    axis.set(xlabel="AUROC", xlim=(0, 1))
    axis.invert_yaxis()
    axis.legend()
