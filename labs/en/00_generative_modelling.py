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
# # Lab: generative modelling
#
# Five exercises after the [lecture](../../lectures/en/00_generative_modelling.ipynb), 10 points, 60 to 90 minutes. From one line of sampling to a choice between models. NumPy is all you need.
#
# **How it works.** Put your code where a cell says `your code here`, and delete the line `raise NotImplementedError(...)`. The cell below each exercise checks you at once: **✓** right, **✗** wrong, and why, **…** not done yet. It never stops the notebook, so *Run All* always reaches the end. The grader runs the same checks on other numbers.
#
# | exercise | points |
# |---|---|
# | 1. The height of a wave | 1 |
# | 2. Bayes' rule for images | 2 |
# | 3. Rejection | 2 |
# | 4. New shares of the classes | 2 |
# | 5. Evidence and leave-one-out | 3 |

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from dgm_tfp import buffet, data, shift
from dgm_tfp.exercises import check, expect, graded

rng = np.random.default_rng(0)


# %% [markdown]
# ## Exercise 1. The height of a wave (1 point)
#
# The heights of sea waves follow Rayleigh's law,
#
# $$F(t) = 1 - e^{-t^2 / (2 s^2)}, \qquad t \ge 0.$$
#
# Solve $F(t) = u$ for $t$, and write $F^{-1}(u)$.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "dc5b5b421b3967ead5033d40c62be177", "grade": false, "grade_id": "inverse", "locked": false, "schema_version": 3, "solution": true, "task": false}
def wave_height(u, s):
    """F^-1(u). u: (n,), from 0 to 1; s: a number > 0. Returns (n,)."""
    # your code here
    raise NotImplementedError("not done yet")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "af1dde351e2f8b26458c3740fa0efcbd", "grade": true, "grade_id": "inverse-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_inverse(u, s):
    answer = wave_height(u, s)
    expect(
        np.shape(answer) == u.shape,
        f"{u.shape} numbers came in, {np.shape(answer)} went out; one per u is wanted.",
    )
    expect(
        np.isfinite(answer).all() and np.all(answer >= 0),
        "a height is negative or not a number; the logarithm of a number below 1 is negative.",
    )
    expect(
        not np.allclose(answer, s * np.sqrt(-2 * np.log(u)), rtol=1e-6),
        "your heights fall as u grows: they have the right law, but this is not F^-1, for F grows. Where is 1 - u?",
    )
    back = 1 - np.exp(-(answer**2) / (2 * s**2))
    expect(
        np.allclose(back, u),
        f"for s = {s} F(answer) = {np.round(back, 3)}, and u was {u}. Does s multiply, and is the root there?",
    )


with check("Exercise 1"):
    test_inverse(np.array([0.1, 0.5, 0.9]), 1.0)
    test_inverse(np.array([0.2, 0.7]), 2.5)


# %% [markdown]
# ## Exercise 2. Bayes' rule for images (2 points)
#
# A generative model gives $\log p(x \mid y)$ for each image and class: numbers like $-900$ or $+300$. From these and the shares $p(y)$ find
#
# $$p(y \mid x) = \frac{p(y)\, p(x \mid y)}{\sum_{y'} p(y')\, p(x \mid y')} \qquad \text{and} \qquad \log p(x) = \log \sum_{y'} p(y')\, p(x \mid y').$$
#
# Mind that $e^{-900}$ is 0 in a computer, and that there is a way round it: $\log \sum_i e^{a_i} = A + \log \sum_i e^{a_i - A}$ for any $A$, say the greatest $a_i$ (`np.logaddexp.reduce` does it).

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "ecb523d10832c1ef3ba78a27199faa81", "grade": false, "grade_id": "bayes", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bayes(log_likelihood, shares):
    """log p(x | y), (n, classes), and p(y), (classes,). Returns p(y | x), (n, classes), and log p(x), (n,)."""
    # your code here
    raise NotImplementedError("not done yet")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "640461b0f2306f924c52abb38bd66e38", "grade": true, "grade_id": "bayes-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_bayes(log_likelihood, shares):
    p, log_p = bayes(log_likelihood, shares)
    n, classes = log_likelihood.shape
    expect(
        np.shape(p) == (n, classes) and np.shape(log_p) == (n,),
        f"p(y | x) must have the shape {(n, classes)}, and log p(x) {(n,)}; yours have {np.shape(p)} and {np.shape(log_p)}.",
    )
    expect(
        np.isfinite(p).all() and np.isfinite(log_p).all(),
        "nan or infinity: exp of these numbers does not fit into a computer. Subtract logarithms before you take exp.",
    )
    expect(
        np.allclose(np.sum(p, axis=1), 1),
        "p(y | x) must sum to 1 over the classes for each image: one axis is the images, the other the classes.",
    )
    i, best = 0, np.argmax(log_likelihood[0])
    others = (
        np.log(shares)
        - np.log(shares[best])
        + log_likelihood[i]
        - log_likelihood[i, best]
    )
    truth = 1 / np.sum(np.exp(others))  # of the class `best`, by dividing through
    flat = 1 / np.sum(np.exp(log_likelihood[i] - log_likelihood[i, best]))
    expect(
        not np.isclose(p[i, best], flat) or np.isclose(flat, truth),
        "p(y | x) is right for equal shares only: where is p(y)?",
    )
    expect(
        np.isclose(p[i, best], truth),
        f"p(y = {best} | x) must be {truth:.4f}, you have {p[i, best]:.4f}. Is it p(y) p(x | y), with the logarithm of the share?",
    )
    right = np.log(shares[best]) + log_likelihood[:, best] - np.log(p[:, best])
    expect(
        np.allclose(log_p, right),
        f"p(y | x) is right; log p(x) must be {right[0]:.3f}, you have {log_p[0]:.3f}: a sum of probabilities, not of logarithms, and over the classes.",
    )


digits = data.load("mnist", "train", source="embedded", verbose=False)
ones = digits.images[digits.labels <= 1][:400].reshape(400, -1) / 255
labels = digits.labels[digits.labels <= 1][:400]
pixels = [(ones[labels == c].mean(0), ones[labels == c].std(0) + 0.2) for c in (0, 1)]
real = np.stack(
    [stats.norm(*pixel).logpdf(ones).sum(axis=1) for pixel in pixels], axis=1
)


with check("Exercise 2"):
    test_bayes(np.log([[0.2, 0.1], [0.3, 0.9]]), np.array([0.25, 0.75]))
    test_bayes(
        np.array([[-900.0, -901.0, -903.0], [300.0, 800.0, 0.0]]),
        np.array([0.5, 0.3, 0.2]),
    )
    right = np.mean(bayes(real, np.array([0.5, 0.5]))[0].argmax(axis=1) == labels)
    print(f"right about zeros and ones: {right:.1%}")


# %% [markdown]
# ## Exercise 3. Rejection (2 points)
#
# Write rejection sampling: make **exactly** `proposals` proposals from `q`, keep those that should be kept, return them and the share that was kept. `q.rvs(n, random_state=rng)` draws, `q.pdf(z)` is the density, `rng.uniform(0, heights)` draws a number for each height.
#
# If $k\,q(z) < p(z)$ in any of the points drawn, the result would be silently wrong. Raise a `ValueError` then.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "a20c7703fc7a1bf6e5389250173549ec", "grade": false, "grade_id": "reject", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reject(p, q, k, proposals, rng):
    """The kept z, (m,), and m / proposals. p: a function, up to a factor; q: of scipy.stats."""
    # your code here
    raise NotImplementedError("not done yet")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "f63f11c88ad329e59176513bc9ee4d1b", "grade": true, "grade_id": "reject-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_reject(law, q, k, factor, source):
    z, share = reject(lambda t: factor * law.pdf(t), q, k, 40_000, source)
    expect(
        np.ndim(z) == 1 and np.isscalar(float(share)),
        "return two things: the kept points, (m,), and one number.",
    )
    expect(
        np.isclose(share, len(z) / 40_000),
        f"of 40000 proposals you returned {len(z)} and say that the share is {share:.4f}; it is {len(z) / 40_000:.4f}.",
    )
    expect(
        stats.kstest(z, q.cdf).pvalue < 1e-4,
        "what was kept still has the law of q: is anything thrown away, and is it thrown away where p is small against k q?",
    )
    p_value = stats.kstest(z, law.cdf).pvalue
    expect(
        p_value > 1e-4,
        f"what was kept does not have the law of p (p-value {p_value:.1g}). The number u is uniform between 0 and k q(z).",
    )
    theory = factor / k
    expect(
        abs(share - theory) < 5 * np.sqrt(theory / 40_000),
        f"{share:.3f} were kept; the theory says Z / k = {theory:.3f}.",
    )


def test_alarm(source):
    try:
        reject(stats.norm(0, 1).pdf, stats.norm(0, 2), 1.5, 10_000, source)
    except ValueError:
        return
    expect(
        False,
        "for N(0, 1) from N(0, 2) k must be at least 2; with k = 1.5 you raised no ValueError.",
    )


with check("Exercise 3"):
    test_reject(stats.beta(2, 4), stats.uniform(), 2.2, 1.0, np.random.default_rng(0))
    test_reject(stats.norm(0, 1), stats.norm(0, 2), 8.0, 3.0, np.random.default_rng(1))
    test_alarm(np.random.default_rng(2))


# %% [markdown]
# ## Exercise 4. New shares of the classes (2 points)
#
# A classifier was trained where the classes had the shares $p(y)$. Now they have the shares $p'(y)$, and $p(x \mid y)$ is what it was. Correct its answers:
#
# $$p'(y \mid x) = \frac{p(y \mid x)\, p'(y) / p(y)}{\sum_{y'} p(y' \mid x)\, p'(y') / p(y')}.$$
#
# The check also makes such a shift of real digits, twos against sevens, and shows what the correction is worth.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "60c070be2a9751e783cd39e2bc77ad1a", "grade": false, "grade_id": "prior-shift", "locked": false, "schema_version": 3, "solution": true, "task": false}
def correct(p, old, new):
    """p(y | x), (n, classes); the old and the new shares, (classes,) each. Returns (n, classes)."""
    # your code here
    raise NotImplementedError("not done yet")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "62abcd907e7338a06674ae8f98d90d82", "grade": true, "grade_id": "prior-shift-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_correct(densities, old, new):
    """densities: p(x | y), (n, classes)."""
    joint, changed = densities * old, densities * new
    p = joint / joint.sum(axis=1, keepdims=True)
    truth = changed / changed.sum(axis=1, keepdims=True)
    given = p.copy()
    answer = correct(p, old, new)
    expect(
        np.array_equal(p, given),
        "your function has changed the array p that it was given; make a new one.",
    )
    expect(
        np.shape(answer) == p.shape,
        f"the shape {p.shape} came in, {np.shape(answer)} went out.",
    )
    expect(
        np.allclose(np.sum(answer, axis=1), 1),
        "the new probabilities of an image do not sum to 1 over the classes: divide by the sum over axis 1.",
    )
    twice = p * new
    twice = twice / twice.sum(axis=1, keepdims=True)
    expect(
        not np.allclose(answer, twice) or np.allclose(twice, truth),
        "this is p(y | x) p'(y): the old shares are still inside p(y | x); divide them out.",
    )
    inverse = p * old / new
    inverse = inverse / inverse.sum(axis=1, keepdims=True)
    expect(
        not np.allclose(answer, inverse) or np.allclose(inverse, truth),
        "old and new are the wrong way round: what became more frequent must become more probable.",
    )
    expect(
        np.allclose(answer, truth),
        f"for p(y | x) = {np.round(p[0], 3)}, shares {np.round(old, 2)} to {np.round(new, 2)} it must be {np.round(truth[0], 3)}, you have {np.round(answer[0], 3)}.",
    )


digits = data.load("mnist", "train", source="embedded", verbose=False)
chosen = np.isin(digits.labels, (2, 7))
x = (
    digits.images[chosen].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
    / 255
)
y = (digits.labels[chosen] == 7).astype(int)
half = np.arange(len(x)) < len(x) // 2
centres = [x[half & (y == c)].mean(axis=0) for c in (0, 1)]  # Gaussians of one width
shifted = shift.prior_probability(x[~half], y[~half], {0: 0.97, 1: 0.03})
distances = [((shifted.x - centre) ** 2).sum(axis=1) for centre in centres]
sevens = 1 / (1 + np.exp((distances[1] - distances[0]) / 2))
p_digits = np.stack([1 - sevens, sevens], axis=1)  # as if the shares were equal


with check("Exercise 4"):
    test_correct(rng.random((5, 2)), np.array([0.5, 0.5]), np.array([0.9, 0.1]))
    test_correct(
        rng.random((6, 3)), np.array([0.2, 0.3, 0.5]), np.array([0.6, 0.3, 0.1])
    )
    for q in (
        p_digits,
        correct(p_digits, np.array([0.5, 0.5]), np.array([0.97, 0.03])),
    ):
        print(
            f"error on the shifted digits: {np.mean(q.argmax(axis=1) != shifted.y):.3f}"
        )


# %% [markdown]
# ## Exercise 5. Evidence and leave-one-out (3 points)
#
# Bayesian regression, as in the lecture: $t = \Phi w + \varepsilon$ with $w \sim \mathcal N(0, I/\alpha)$ and noise of variance $1/\beta$. Given $n$ rows,
#
# $$S = (\alpha I + \beta\, \Phi^\top \Phi)^{-1}, \qquad m = \beta\, S\, \Phi^\top t, \qquad p(t' \mid \phi') = \mathcal N\bigl(t';\; m^\top \phi',\; \tfrac1\beta + \phi'^\top S\, \phi'\bigr).$$
#
# Write three functions, each using the one before:
#
# * `log_predictive`: $\log p(t' \mid \phi', \text{rows})$ of one new target. With no rows at all it must give the prior's prediction;
# * `log_evidence`: the sum of the predictive terms, each target given the rows **before** it;
# * `leave_one_out`: the **mean** of the terms of each target given all **other** rows.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "9676b8652083aed6de186da65f0fe60a", "grade": false, "grade_id": "evidence", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_predictive(new_phi, new_t, phi, t, alpha, beta):
    """log p(new_t | new_phi, rows), a number. new_phi: (m,); phi: (n, m) and t: (n,), n may be 0."""
    # your code here
    raise NotImplementedError("not done yet")


def log_evidence(phi, t, alpha, beta):
    """log p(t), a number. phi: (n, m), t: (n,)."""
    # your code here
    raise NotImplementedError("not done yet")


def leave_one_out(phi, t, alpha, beta):
    """The mean over i of log p(t_i | all others), a number."""
    # your code here
    raise NotImplementedError("not done yet")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "0dcf1775586af1c0f8a6153cda2785ed", "grade": true, "grade_id": "evidence-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_evidence(phi, t, alpha, beta):
    n = len(phi)
    C = (
        np.eye(n) / beta + phi @ phi.T / alpha
    )  # covariance of all t, weights integrated out
    rest = C[:-1, :-1]
    gain = np.linalg.solve(rest, C[:-1, -1])
    mean, variance = gain @ t[:-1], C[-1, -1] - gain @ C[:-1, -1]
    right = stats.norm.logpdf(t[-1], mean, np.sqrt(variance))
    answer = log_predictive(phi[-1], t[-1], phi[:-1], t[:-1], alpha, beta)
    expect(
        np.ndim(answer) == 0,
        f"log_predictive: one number is wanted, not an array of the shape {np.shape(answer)}.",
    )
    narrow = stats.norm.logpdf(t[-1], mean, np.sqrt(variance - 1 / beta))
    only_noise = stats.norm.logpdf(t[-1], mean, np.sqrt(1 / beta))
    squared = stats.norm.logpdf(t[-1], mean, variance)
    expect(
        not np.isclose(answer, narrow),
        "log_predictive: the uncertainty of the weights is there, the noise 1 / beta of the new target is not.",
    )
    expect(
        not np.isclose(answer, only_noise),
        "log_predictive: only the noise is there; the weights are uncertain too.",
    )
    expect(
        not np.isclose(answer, squared),
        "log_predictive: norm.logpdf takes a standard deviation, you gave it a variance.",
    )
    expect(
        np.isclose(answer, right),
        f"log_predictive: must be {right:.4f} here, you have {float(answer):.4f}.",
    )
    first = log_predictive(phi[0], t[0], phi[:0], t[:0], alpha, beta)
    expect(
        np.isclose(first, stats.norm.logpdf(t[0], 0, np.sqrt(C[0, 0]))),
        "log_predictive: with no rows the prediction must be the prior's.",
    )
    total, truth = (
        log_evidence(phi, t, alpha, beta),
        stats.multivariate_normal(np.zeros(n), C).logpdf(t),
    )
    inverse = np.linalg.inv(C)
    left = stats.norm.logpdf(
        inverse @ t / np.diag(inverse), 0, np.diag(inverse) ** -0.5
    )
    expect(
        np.ndim(total) == 0,
        f"log_evidence: one number is wanted, the sum; the shape is {np.shape(total)}.",
    )
    expect(
        not np.isclose(total, left.sum()),
        "log_evidence: each target is predicted here from all the others; the chain rule takes only those before it.",
    )
    expect(
        np.isclose(total, truth),
        f"log_evidence: must be {truth:.4f}, you have {float(total):.4f}. Each term: t_k given the rows before k, and summed.",
    )
    loo = leave_one_out(phi, t, alpha, beta)
    expect(
        not np.isclose(loo, left.sum()),
        "leave_one_out: this is the sum; the mean is wanted.",
    )
    expect(
        np.isclose(loo, left.mean()),
        f"leave_one_out: must be {left.mean():.4f}, you have {float(loo):.4f}. Is the point itself left out, and only that one?",
    )


def cubic(n, source):
    x = np.sort(source.uniform(-1, 1, n))
    return x, 2 * x - 4 * x**3 + 0.3 * source.standard_normal(n)


with check("Exercise 5"):
    x, t = cubic(8, np.random.default_rng(0))
    test_evidence(np.vander(x, 3, increasing=True), t, 0.5, 9.0)
    test_evidence(np.vander(x, 6, increasing=True), t, 0.1, 4.0)
    found = [
        [score(np.vander(x, d + 1, increasing=True), t, 0.1, 11.0) for d in range(8)]
        for score in (log_evidence, leave_one_out)
    ]
    print(
        "degree chosen by the evidence and by leave-one-out:",
        *(int(np.argmax(scores)) for scores in found),
    )

# %% [markdown]
# ## On your own (not graded)
#
# Below is the picture of exercise 5 (empty until it is done), and a few networks drawn by the cascading Indian buffet. Then some questions that have no check:
#
# * Divide $\alpha$ by 100: the prior becomes ten times as wide. Which of the two curves moves, by how much for each degree, and why?
# * `sampling.bootstrap(x, statistic)` gives an interval for any statistic of rows. Take the error of exercise 4 before and after the correction: do the intervals overlap? Is that the right question, when both were measured on the same images?
# * `buffet.cascade(5, alpha, beta, seed)`: how does the mean depth depend on $\alpha$? And on $\beta$, with $\alpha$ fixed? Where does your computer stop answering?
# * Draw from a density of your own by `sampling.grid_ppf` and by `sampling.rejection`. Which is faster in one dimension? What becomes of each in three?

# %%
figure, axes = plt.subplots(1, 4, figsize=(10, 2.6), layout="constrained")
if "found" in globals():
    for scores, style in zip(found, ("o-", "s--"), strict=True):
        scaled = np.array(scores) * (
            8 if style == "s--" else 1
        )  # n LOO against the evidence
        axes[0].plot(range(8), scaled, style, color="#1f6f8b", ms=4)
    axes[0].set(xlabel="$M$", ylabel=r"$\log p(t), \; n \cdot \mathrm{LOO}$")
for axis, seed in zip(axes[1:], (3, 10, 14), strict=True):
    buffet.draw(axis, buffet.cascade(5, 1.5, 1.0, seed), visible=5, size=30)
