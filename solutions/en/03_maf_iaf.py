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
# # Lab: MAF and IAF
#
# Six exercises after the [lecture](../../lectures/en/03_maf_iaf.ipynb), 10 points, 60 to 90 minutes. You start with one line and end with a sampler that computes every hidden unit once.
#
# **How it works.** Put your code where a cell says `your code here`, and delete the line `raise NotImplementedError(...)`. The cell below each exercise checks you at once: **✓** right, **✗** wrong, and why, **…** not done yet. It never stops the notebook, so *Run All* always reaches the end. The grader runs the same checks on other numbers.
#
# | exercise | points |
# |---|---|
# | 1. A log-likelihood | 1 |
# | 2. Masks from degrees | 2 |
# | 3. The sampling loop | 2 |
# | 4. IAF from MAF | 2 |
# | 5. A condition | 1 |
# | 6. Each unit once | 2 |

# %%
import itertools
import time

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from dgm_tfp.exercises import check, expect, graded

rng = np.random.default_rng(0)


def numeric_jacobian(function, point, step=1e-5):
    """The matrix (D, D) of derivatives of function: (n, D) -> (n, D) at one point (D,)."""
    steps = step * np.eye(len(point))
    return (function(point + steps) - function(point - steps)).T / (2 * step)


# %% [markdown]
# ## Exercise 1. A log-likelihood (1 point)
#
# The network has done its work: for a batch $x$ of shape $(n, D)$ it has returned all shifts $t_d(x_{<d})$ and all log-scales $s_d(x_{<d})$, two arrays of the same shape. Write $\log p_x$ of every row for
#
# $$z_d = \bigl(x_d - t_d(x_{<d})\bigr) \exp\bigl(-s_d(x_{<d})\bigr), \qquad z \sim \mathcal N(0, I).$$
#
# `stats.norm.logpdf(z)` gives the logarithm of the standard normal density, element by element.

# %% nbgrader={"grade": false, "grade_id": "log-prob", "locked": false, "schema_version": 3, "solution": true, "task": false}
def maf_log_prob(x, t, s):
    """log p_x of each row, in nats. x, t, s: (n, D). Returns (n,)."""
    # BEGIN SOLUTION
    z = (x - t) * np.exp(-s)
    return stats.norm.logpdf(z).sum(axis=1) - s.sum(axis=1)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "log-prob-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_log_prob(x, t, s):
    answer = maf_log_prob(x, t, s)
    expect(
        np.shape(answer) == (len(x),),
        f"{len(x)} rows came in, the shape {np.shape(answer)} went out; each row has its own log p.",
    )
    truth = stats.norm.logpdf(x, t, np.exp(s)).sum(axis=1)  # the product of the conditionals
    total = s.sum(axis=1)
    expect(
        not np.allclose(answer, truth + total),
        "this is log p_z(z) alone: the log-determinant is missing.",
    )
    expect(
        not np.allclose(answer, truth + 2 * total),
        "the log-determinant has the wrong sign. Where s is large, is the data squeezed or stretched on the way to noise?",
    )
    expect(
        np.allclose(answer, truth),
        f"row 0: the product of the normal densities of its coordinates gives {truth[0]:.3f}, you have {answer[0]:.3f}. Is z = (x - t) exp(-s)?",
    )


with check("Exercise 1"):
    test_log_prob(*rng.normal(size=(3, 4, 3)))
### BEGIN HIDDEN TESTS
with graded("Exercise 1"):
    test_log_prob(*np.random.default_rng(1).normal(size=(3, 6, 5)))
    test_log_prob(*np.random.default_rng(2).normal(size=(3, 2, 1)))
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. Masks from degrees (2 points)
#
# `degrees` is a list of arrays: first the degrees of the $D$ inputs (a permutation of $1, \dots, D$: the place of each in the order), then those of each hidden layer. The outputs have the same degrees as the inputs. Return the list of masks, one for each kernel: mask $k$ leads from layer $k$ (rows) to layer $k + 1$ (columns), and the last one to the outputs. An element is true where the connection stays.

# %% nbgrader={"grade": false, "grade_id": "masks", "locked": false, "schema_version": 3, "solution": true, "task": false}
def make_masks(degrees):
    """degrees: of the inputs (D,), then of each hidden layer. Returns a list of bool arrays."""
    # BEGIN SOLUTION
    masks = [
        after[None, :] >= before[:, None]
        for before, after in itertools.pairwise(degrees)
    ]
    return [*masks, degrees[0][None, :] > degrees[-1][:, None]]
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "masks-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def count_paths(masks):
    """How many uncut paths lead from each input (row) to each output (column)."""
    return np.linalg.multi_dot([np.asarray(mask).astype(int) for mask in masks])


def test_masks(order, hidden):
    degrees = [np.argsort(order) + 1, *hidden]
    masks = make_masks(degrees)
    expect(
        len(masks) == len(degrees),
        f"{len(degrees) - 1} hidden layers need {len(degrees)} masks, the last one to the outputs; you have {len(masks)}.",
    )
    widths = [len(layer) for layer in (*degrees, degrees[0])]
    for k, mask in enumerate(masks):
        wanted = widths[k], widths[k + 1]
        expect(
            np.shape(mask) == wanted,
            f"mask {k} leads from {wanted[0]} units (rows) to {wanted[1]} (columns); its shape is {np.shape(mask)}.",
        )
    paths = count_paths(masks)[order][:, order]  # as the coordinates come
    expect(
        not np.diag(paths).any(),
        "an output hears its own coordinate. Which of the inequalities is strict?",
    )
    expect(
        not np.tril(paths).any(),
        "an output hears a coordinate that comes after it. Which unit may listen to which?",
    )
    for k, (before, after) in enumerate(itertools.pairwise(degrees)):
        expect(
            np.sum(masks[k]) == sum(int(m >= i) for i in before for m in after),
            f"mask {k} cuts connections that may stay: a hidden unit may listen to one that knows as much as itself.",
        )
    expect(
        np.sum(masks[-1]) == sum(int(d > m) for d in degrees[0] for m in degrees[-1]),
        "the last mask cuts connections that may stay: an output may listen to every unit that knows less than its coordinate.",
    )


with check("Exercise 2"):
    test_masks(np.arange(4), [np.array([1, 2, 3, 1, 2, 3])])
    test_masks(np.array([2, 0, 3, 1]), [np.array([3, 1, 2, 2, 1])] * 2)
### BEGIN HIDDEN TESTS
with graded("Exercise 2"):
    source = np.random.default_rng(3)
    for depth in (1, 2, 3):
        test_masks(source.permutation(6), list(source.integers(1, 6, size=(depth, 9))))
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. The sampling loop (2 points)
#
# `t_and_s(x)` is a network: it returns $t$ and $s$, both of shape $(n, D)$, for all coordinates at once. The order of the coordinates is its secret. Write the plain loop from the noise $z$ to the $x$ with
#
# $$x_d = z_d \exp\bigl(s_d(x_{<d})\bigr) + t_d(x_{<d}).$$
#
# The check counts the passes.

# %%
class Network:
    """t and s by masked kernels, in a secret order; counts its passes."""

    def __init__(self, D, seed):
        source = np.random.default_rng(seed)
        order = source.permutation(D)
        below = np.tril(np.ones((D, D)), k=-1)  # row d: what d sees, in order
        place = np.argsort(order)
        below = below[place][:, place]
        self.A, self.B = source.normal(size=(2, D, D)) * below
        self.a, self.b = source.normal(size=(2, D))
        self.passes = 0

    def __call__(self, x):
        self.passes += 1
        t = np.cos(x) @ self.A.T + self.a
        return t, np.tanh(np.sin(x) @ self.B.T + self.b)

    def to_noise(self, x):
        """z = f(x) and log abs det dz/dx: (n, D) -> (n, D), (n,)."""
        t, s = self(x)
        return (x - t) * np.exp(-s), -s.sum(axis=1)


# %% nbgrader={"grade": false, "grade_id": "loop", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sample(t_and_s, z):
    """Noise to data by the plain loop. z: (n, D). Returns (n, D)."""
    # BEGIN SOLUTION
    x = np.zeros_like(z)
    for _ in range(z.shape[1]):
        t, s = t_and_s(x)
        x = z * np.exp(s) + t
    return x
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "loop-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_loop(D, seed):
    network = Network(D, seed)
    z = np.random.default_rng(seed).normal(size=(5, D))
    t, s = network(z)
    network.passes = 0
    x = sample(network, z)
    passes = network.passes
    expect(
        np.shape(x) == z.shape,
        f"{z.shape} came in, {np.shape(x)} went out.",
    )
    expect(
        not np.allclose(x, z * np.exp(s) + t),
        "the network was given the noise. t and s are functions of the data x: this is a sample of an IAF.",
    )
    expect(
        passes >= D,
        f"{passes} passes for D = {D}: each of them is sure to put only one more coordinate into place.",
    )
    expect(
        np.allclose(network.to_noise(x)[0], z),
        "sent back to noise, your x does not give z. Is it x = z exp(s) + t, with t and s at the newest x?",
    )
    expect(
        passes <= D + 1,
        f"{passes} passes for D = {D}: D of them are enough.",
    )


with check("Exercise 3"):
    test_loop(3, seed=0)
    test_loop(8, seed=1)
### BEGIN HIDDEN TESTS
with graded("Exercise 3"):
    for D in (2, 5, 12):
        test_loop(D, seed=D)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. IAF from MAF (2 points)
#
# You are given a MAF with two methods, each of which returns a value and a log-determinant:
#
# * `maf.to_noise(x)` gives $z$ and $\log\left|\det \frac{\partial z}{\partial x}\right|$, fast: one pass;
# * `maf.to_data(z)` gives $x$ and $\log\left|\det \frac{\partial x}{\partial z}\right|$, slowly: $D$ passes.
#
# An IAF is the same thing read backwards: **its** noise goes in where the data of the MAF went in. Write
#
# * `iaf_sample(z, maf)`: from noise to data, together with $\log p_x$ of what came out. It is called at every step of variational inference, so the slow method is forbidden;
# * `iaf_log_prob(x, maf)`: $\log p_x$ of somebody else's $x$. Here there is no way round the slow one.

# %% nbgrader={"grade": false, "grade_id": "iaf", "locked": false, "schema_version": 3, "solution": true, "task": false}
def iaf_sample(z, maf):
    """Noise to data. z: (n, D). Returns x (n, D) and log p_x (n,)."""
    # BEGIN SOLUTION
    x, log_det = maf.to_noise(z)
    return x, stats.norm.logpdf(z).sum(axis=1) - log_det
    # END SOLUTION


def iaf_log_prob(x, maf):
    """log p_x of each row. x: (n, D). Returns (n,)."""
    # BEGIN SOLUTION
    z, log_det = maf.to_data(x)
    return stats.norm.logpdf(z).sum(axis=1) + log_det
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "iaf-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
class GivenMAF:
    """A MAF that remembers which of its methods were called."""

    def __init__(self, D, seed):
        self.network, self.calls = Network(D, seed), []

    def to_noise(self, x):
        self.calls.append("to_noise")
        return self.network.to_noise(x)

    def to_data(self, z):
        self.calls.append("to_data")
        x = z
        for _ in range(z.shape[1]):
            t, s = self.network(x)
            x = z * np.exp(s) + t
        return x, self.network(x)[1].sum(axis=1)


def test_iaf(D, seed):
    maf, z = GivenMAF(D, seed), np.random.default_rng(seed).normal(size=(4, D))
    network = maf.network
    x, answer = iaf_sample(z, maf)
    expect(
        "to_data" not in maf.calls,
        "iaf_sample: calls the slow method. Which direction of the MAF is one pass?",
    )
    expect(
        np.allclose(x, network.to_noise(z)[0]),
        "iaf_sample: x is not what the MAF makes of z when it takes z for its data.",
    )
    matrices = [numeric_jacobian(lambda z: network.to_noise(z)[0], row) for row in z]
    volume = np.array([np.linalg.slogdet(matrix).logabsdet for matrix in matrices])
    noise = stats.norm.logpdf(z).sum(axis=1)  # the noise of the IAF is z
    expect(
        np.shape(answer) == (4,),
        f"iaf_sample: 4 rows came in, log p of the shape {np.shape(answer)} went out.",
    )
    expect(
        not np.allclose(answer, noise + volume, atol=1e-4),
        "iaf_sample: the log-determinant of dx/dz is added; the theorem wants that of dz/dx.",
    )
    expect(
        not np.allclose(answer, stats.norm.logpdf(x).sum(axis=1) + volume, atol=1e-4),
        "iaf_sample: this is the density that the MAF gives to z. For the IAF z is the noise, and x the data.",
    )
    expect(
        np.allclose(answer, noise - volume, atol=1e-4),
        "iaf_sample: log p is not log p_z(z) + log abs det dz/dx.",
    )
    scored = iaf_log_prob(x, maf)
    expect(
        not np.allclose(scored, stats.norm.logpdf(z).sum(axis=1) + volume, atol=1e-4),
        "iaf_log_prob: the log-determinant that to_data returns is that of its own output with respect to its input: is a minus needed?",
    )
    expect(
        np.allclose(scored, noise - volume, atol=1e-4),
        "iaf_log_prob: for the x that iaf_sample has drawn it differs from the log p that iaf_sample returns.",
    )


with check("Exercise 4"):
    test_iaf(3, seed=2)
### BEGIN HIDDEN TESTS
with graded("Exercise 4"):
    test_iaf(2, seed=5)
    test_iaf(6, seed=6)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. A condition (1 point)
#
# A MADE for $p(x \mid c)$ with a vector $c$ of $K$ numbers can be had from the masks of exercise 2: let its inputs be $c_1, \dots, c_K, x_1, \dots, x_D$, in this order, and keep the two rules. The outputs have degrees $1, \dots, D$, as before. Which degrees do the inputs get, and which the hidden units, so that
#
# * every output hears all of $c$, the output for $x_1$ too;
# * the output for $x_d$ hears $x_{<d}$ and no other coordinate of $x$?
#
# Take the hidden degrees in turn, as the lecture did: from the least to the greatest that makes sense, and again from the beginning, `width` units in all.

# %% nbgrader={"grade": false, "grade_id": "condition", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conditional_degrees(D, K, width):
    """Degrees of the inputs c, x: (K + D,), and of the hidden units: (width,)."""
    # BEGIN SOLUTION
    inputs = np.concatenate([np.zeros(K, int), np.arange(1, D + 1)])
    return inputs, np.arange(width) % D
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "condition-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_condition(D, K, width):
    inputs, hidden = map(np.asarray, conditional_degrees(D, K, width))
    expect(
        inputs.shape == (K + D,) and hidden.shape == (width,),
        f"degrees of the shapes ({K + D},) and ({width},) are wanted; yours are {inputs.shape} and {hidden.shape}.",
    )
    outputs = np.arange(1, D + 1)
    into = hidden[None, :] >= inputs[:, None]  # the two rules
    out_of = outputs[None, :] > hidden[:, None]
    hears = into.astype(int) @ out_of.astype(int) > 0  # (K + D, D)
    expect(
        hears[:K, 1:].all(),
        "some output after the first does not hear all of c. What may a unit know that knows c and no coordinate?",
    )
    expect(
        hears[:K, 0].all(),
        "the output for x1 does not hear c: it listens to units of degree less than 1 only. Are there any, and do they hear c?",
    )
    before = np.triu(np.ones((D, D), bool), k=1)
    expect(
        not (hears[K:] & ~before).any(),
        "an output hears its own coordinate or a later one.",
    )
    expect(
        (hears[K:] == before).all(),
        "an output does not hear a coordinate that comes before it. Are all hidden degrees from 0 to D - 1 there?",
    )
    expect(
        out_of.any(axis=1).all(),
        "there are hidden units that no output may listen to: the greatest degree that makes sense is less than D.",
    )


with check("Exercise 5"):
    test_condition(D=3, K=2, width=9)
### BEGIN HIDDEN TESTS
with graded("Exercise 5"):
    test_condition(D=5, K=1, width=5)
    test_condition(D=4, K=3, width=11)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 6. Each unit once (2 points)
#
# A MADE with one hidden layer and the coordinates in the order $1, \dots, D$. Its kernels are masked already:
#
# $$h = \varphi(x W + b), \qquad (t, s) = h V + c,$$
#
# where `W` is $(D, H)$, `V` is $(H, 2D)$ (first the $D$ columns of $t$, then those of $s$), and `degrees` holds the degrees of the hidden units, $1$ to $D - 1$, in no particular order. Sample in order of the degrees: find $x_1$, fill in the units that have been waiting for it, find $x_2$, and so on. The check counts on how many numbers $\varphi$ is called: **every hidden unit once** for every example.

# %% nbgrader={"grade": false, "grade_id": "fill", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fill(z, W, b, V, c, degrees, phi):
    """Noise to data. z: (n, D); degrees: (H,); phi: elementwise. Returns x: (n, D)."""
    # BEGIN SOLUTION
    (n, D), H = z.shape, len(degrees)
    x, h = np.zeros((n, D)), np.zeros((n, H))
    for d in range(D):
        t = h @ V[:, d] + c[d]
        s = h @ V[:, D + d] + c[D + d]
        x[:, d] = z[:, d] * np.exp(s) + t
        ripe = degrees == d + 1
        h[:, ripe] = phi(x @ W[:, ripe] + b[ripe])
    return x
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "fill-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def make_made(D, H, seed):
    """A random MADE with one hidden layer, its kernels masked."""
    source = np.random.default_rng(seed)
    degrees = source.permutation(1 + np.arange(H) % max(1, D - 1))
    place = np.arange(1, D + 1)
    W = source.normal(size=(D, H)) * (degrees[None, :] >= place[:, None]) / D**0.5
    mask = np.tile(place[None, :] > degrees[:, None], 2)
    V = source.normal(size=(H, 2 * D)) * mask / H**0.5
    return W, source.normal(size=H), V, source.normal(size=2 * D) / 2, degrees


def relu(a):
    return np.maximum(0, a)


def test_fill(D, H, seed):
    W, b, V, c, degrees = make_made(D, H, seed)
    z = np.random.default_rng(seed).normal(size=(3, D))
    counted = []

    def phi(a):
        counted.append(np.size(a))
        return relu(a)

    x = fill(z, W, b, V, c, degrees, phi)
    expect(
        np.shape(x) == z.shape,
        f"{z.shape} came in, {np.shape(x)} went out.",
    )
    t, s = np.split(relu(x @ W + b) @ V + c, 2, axis=1)
    wrong = np.abs((x - t) * np.exp(-s) - z).max(axis=0) > 1e-6
    first = int(wrong.argmax()) + 1
    expect(
        not wrong.any(),
        f"for D = {D} coordinate {first} is the first that does not give its z back. When are the units of degree {max(1, first - 1)} filled in?",
    )
    expect(
        sum(counted) <= 3 * H,
        f"x is right, but phi was called on {sum(counted)} numbers; {3 * H} are enough: 3 examples of {H} hidden units.",
    )


with check("Exercise 6"):
    test_fill(4, 12, seed=0)
    test_fill(9, 40, seed=1)
    filled = True
### BEGIN HIDDEN TESTS
with graded("Exercise 6"):
    test_fill(2, 5, seed=2)
    test_fill(12, 30, seed=3)
### END HIDDEN TESTS

# %% [markdown]
# ## On your own (not graded)
#
# Below is the race of your exercises 3 and 6 on one network (empty until both are done). Then some questions that have no check:
#
# * How do the two lines change with the number of hidden units? With the size of the batch? Where does the time of `fill` go when $D$ is large: into arithmetic, or into starting small operations?
# * Stop the loop of exercise 3 as soon as $x$ no longer changes. How many passes does it take then for the networks of this lab, and for a network with larger weights? (Song et al., 2021, *Accelerating Feedforward Computation via Parallel Nonlinear Equation Solving*.)
# * Give a hidden layer random degrees in place of evenly spread ones. Which dependences are lost when it is narrow?
# * Train `models.MAF` and `models.IAF` from `dgm_tfp` on two moons, with the same sizes. Which reaches a loss of 0.1 above its best sooner, in steps and in seconds?
# * Let `models.MAF` learn moons *given* the number of the moon (`conditioning_shape=(2,)`). Is the thread between the moons gone? Why could it not go without the condition?

# %%
if "filled" in globals():
    times, sizes = [], (10, 20, 40, 80, 160)
    for D in sizes:
        W, b, V, c, degrees = make_made(D, 256, seed=D)
        z = 0.3 * rng.normal(size=(50, D))

        def t_and_s(x, W=W, b=b, V=V, c=c):
            return np.split(relu(x @ W + b) @ V + c, 2, axis=1)

        with np.errstate(all="ignore"):  # what the loop has not found yet may be anything
            start = time.perf_counter()
            t_and_s(z)
            scored = time.perf_counter()
            try:
                sample(t_and_s, z)
            except Exception:  # not done yet, or wrong: no race
                break
            looped = time.perf_counter()
            fill(z, W, b, V, c, degrees, relu)
            end = time.perf_counter()
        times.append(1e3 * np.diff([start, scored, looped, end]))

    if len(times) == len(sizes):
        figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
        lines = axis.loglog(sizes, np.array(times), "o-")
        axis.legend(lines, ["one pass", "loop", "each unit once"])
        axis.set(xlabel="$D$", ylabel="time, ms")
