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
# # Lab: change of variables
#
# Five exercises after the [lecture](../../lectures/en/01_change_of_variables.ipynb), 10 points, 60 to 90 minutes. You start with one derivative and end with a trained bijector of your own.
#
# **How it works.** Put your code where a cell says `your code here`, and delete the line `raise NotImplementedError(...)`. The cell below each exercise checks you at once: **✓** right, **✗** wrong, and why, **…** not done yet. It never stops the notebook, so *Run All* always reaches the end. The grader runs the same checks on other numbers.
#
# | exercise | points |
# |---|---|
# | 1. A slope | 1 |
# | 2. A density on the half-line | 2 |
# | 3. A matrix | 2 |
# | 4. A chain of layers | 2 |
# | 5. A bijector, trained | 3 |

# %%
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import integrate, stats
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from dgm_tfp.exercises import check, expect, graded

rng = np.random.default_rng(0)


def numeric_jacobian(function, point, step=1e-5):
    """The matrix (D, D) of derivatives of function: (n, D) -> (n, D) at one point (D,), by central differences."""
    steps = step * np.eye(len(point))
    return (function(point + steps) - function(point - steps)).T / (2 * step)


# %% [markdown]
# ## Exercise 1. A slope (1 point)
#
# Let $z = f(x) = -2 \ln x$ for $0 < x < 1$. Write the factor of the theorem, $\left|\frac{dz}{dx}\right|$.
#
# When it is right, you will see something pleasant: if $z$ has the exponential density $p_z(z) = \frac12 e^{-z/2}$, then $p_x(x)$ comes out as 1 for every $x$. Read backwards, this is how computers draw exponential numbers from uniform ones.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "d8742e3b04ee0c3a31573525a14cfb55", "grade": false, "grade_id": "slope", "locked": false, "schema_version": 3, "solution": true, "task": false}
def slope(x):
    """|dz/dx| for z = -2 ln x. x: (n,), between 0 and 1. Returns (n,)."""
    # your code here
    raise NotImplementedError("not done yet")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "cdf27c0e55d4aab29105b521b5fd573a", "grade": true, "grade_id": "slope-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_slope(x):
    answer, numeric = (
        slope(x),
        np.abs(np.log(x * 0.9999) - np.log(x * 1.0001)) * 2 / (x * 0.0002),
    )
    expect(
        np.shape(answer) == x.shape,
        f"{x.shape} numbers came in, {np.shape(answer)} went out; one per x is wanted.",
    )
    expect(
        np.all(np.asarray(answer) > 0),
        "the factor is negative or zero somewhere; a ratio of lengths has no sign.",
    )
    expect(
        not np.allclose(answer, 1 / numeric, rtol=1e-3),
        "this is dx/dz, upside down; the theorem has dz/dx.",
    )
    expect(
        np.allclose(answer, numeric, rtol=1e-3),
        f"at x = {x[0]} f changes {numeric[0]:.3f} times as fast as x; you say {answer[0]:.3f}.",
    )


with check("Exercise 1"):
    test_slope(np.array([0.1, 0.5, 0.9]))
    print(
        "p_x(x) =",
        0.5 * np.exp(np.log([0.1, 0.5, 0.9])) * slope(np.array([0.1, 0.5, 0.9])),
    )


# %% [markdown]
# ## Exercise 2. A density on the half-line (2 points)
#
# Incomes, file sizes, the lifetimes of many things: their *logarithm* is roughly normal. Let
#
# $$z = f(x) = \frac{\ln x - m}{s}, \qquad x > 0, \quad z \sim \mathcal N(0, 1).$$
#
# Write $\log p_x(x)$. `stats.norm.logpdf(z)` gives $\log p_z(z)$.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "61d4dd9e43845d3850a39714eba4fb98", "grade": false, "grade_id": "half-line", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_prob_half_line(x, m, s):
    """log p_x(x) in nats. x: (n,), positive; m, s: numbers, s > 0. Returns (n,)."""
    # your code here
    raise NotImplementedError("not done yet")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "8af7505401805373ef56d269a8fdf364", "grade": true, "grade_id": "half-line-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_half_line(m, s):
    x = np.exp(m + s * np.linspace(-8, 8, 4001))
    answer = log_prob_half_line(x, m, s)
    expect(
        np.shape(answer) == x.shape,
        f"{x.shape} points came in, {np.shape(answer)} went out; each has its own log p.",
    )
    area = integrate.trapezoid(np.exp(answer), x)
    expect(
        not np.isclose(area, s, rtol=0.01),
        f"for s = {s} the density integrates to s, not to 1: dz/dx depends on s too.",
    )
    expect(
        np.isclose(area, 1, rtol=0.01),
        f"for m = {m}, s = {s} the density integrates to {area:.2f}, not to 1: is log |dz/dx| there, with the right sign?",
    )
    median = integrate.trapezoid(np.exp(answer[:2001]), x[:2001])
    expect(
        np.isclose(median, 0.5, atol=0.01),
        f"half of the probability lies below x = exp(m), where z = 0; you have {median:.2f} of it there.",
    )


with check("Exercise 2"):
    test_half_line(0.0, 0.5)
    test_half_line(1.0, 0.8)


# %% [markdown]
# ## Exercise 3. A matrix (2 points)
#
# Now $D$ dimensions and a batch. Let $z = A x + b$ for each row $x$ of an array of shape $(n, D)$, and $z \sim \mathcal N(0, I)$. Write $\log p_x$ of every row.
#
# The Jacobian matrix is $A$ for every point, so all rows share one log-determinant. $A$ need be neither symmetric nor of positive determinant: look at `np.linalg.slogdet`.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "69c5a2a387ccc294be05f295fd034647", "grade": false, "grade_id": "matrix", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_prob_matrix(x, A, b):
    """log p_x of each row, in nats. x: (n, D); A: (D, D); b: (D,). Returns (n,)."""
    # your code here
    raise NotImplementedError("not done yet")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "f4f9adebcc9d98aaa923f1ceda0a924a", "grade": true, "grade_id": "matrix-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_matrix(x, A, b):
    answer = log_prob_matrix(x, A, b)
    expect(
        np.shape(answer) == (len(x),),
        f"{len(x)} rows came in, the shape {np.shape(answer)} went out; one number per row is wanted.",
    )
    expect(
        np.isfinite(answer).all(),
        f"nan: det A = {np.linalg.det(A):.2f} is negative here, and has no logarithm; its absolute value does.",
    )
    inverse = np.linalg.inv(
        A
    )  # x = A^-1 (z - b) is normal: its mean and covariance are known
    truth = stats.multivariate_normal(-inverse @ b, inverse @ inverse.T).logpdf(x)
    gap = answer - truth
    expect(
        np.ptp(gap) < 1e-6,
        "the rows differ from the truth by different amounts, so z is wrong: x is a row, A x is x @ A.T.",
    )
    times = gap[0] / np.linalg.slogdet(A).logabsdet + 1
    expect(
        np.allclose(gap, 0, atol=1e-6),
        f"z is right; log |det A| is counted {times:.1f} times instead of once.",
    )


with check("Exercise 3"):
    test_matrix(
        rng.normal(size=(4, 2)),
        np.array([[2.0, 0.0], [1.0, 1.5]]),
        np.array([0.5, -1.0]),
    )
    test_matrix(
        rng.normal(size=(4, 2)),
        np.array([[0.0, 2.0], [1.0, 0.3]]),
        np.array([0.0, 1.0]),
    )


# %% [markdown]
# ## Exercise 4. A chain of layers (2 points)
#
# A layer has two methods: `to_noise(x)` returns its output $y$ **and** its log-determinant at $x$, one per row; `to_data(y)` undoes it. Two kinds of layers are given. A list of layers is a flow: the first takes the data, the last gives the noise.
#
# Write both directions of the chain: the log-likelihood, and the way back. Mind where each layer takes its input from, and in which order layers are undone.

# %%
class Stretch:
    """y = sinh(k x), element by element: far points go farther."""

    def __init__(self, k):
        self.k = k

    def to_noise(self, x):
        return np.sinh(self.k * x), np.log(self.k * np.cosh(self.k * x)).sum(axis=1)

    def to_data(self, y):
        return np.arcsinh(y) / self.k


class Shear:
    """y1 = x1, y2 = x2 - a x1^2, and the coordinates are swapped."""

    def __init__(self, a):
        self.a = a

    def to_noise(self, x):
        x1, x2 = x.T
        return np.stack([x2 - self.a * x1**2, x1], axis=1), np.zeros(len(x))

    def to_data(self, y):
        y1, y2 = y.T
        return np.stack([y2, y1 + self.a * y2**2], axis=1)


# %% deletable=false nbgrader={"cell_type": "code", "checksum": "a4959f1040e2770f20cdf2aff6bc31da", "grade": false, "grade_id": "chain", "locked": false, "schema_version": 3, "solution": true, "task": false}
def chain_log_prob(x, layers):
    """log p_x of each row for a standard normal noise. x: (n, 2). Returns (n,)."""
    # your code here
    raise NotImplementedError("not done yet")


def chain_to_data(z, layers):
    """x = f^-1(z). z: (n, 2). Returns (n, 2)."""
    # your code here
    raise NotImplementedError("not done yet")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "1fb1d0bfd64fe9b69c5b0b2fba057f24", "grade": true, "grade_id": "chain-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def to_noise(x, layers):
    for layer in layers:
        x = layer.to_noise(x)[0]
    return x


def test_chain(layers, source):
    z = source.normal(size=(6, 2))
    x = chain_to_data(z, layers)
    expect(
        np.shape(x) == z.shape,
        f"chain_to_data: {z.shape} came in, {np.shape(x)} went out.",
    )
    expect(
        np.allclose(to_noise(x, layers), z),
        "chain_to_data: sent back through the layers, its x do not give z. In which order are layers undone?",
    )
    answer = chain_log_prob(x, layers)
    expect(
        np.shape(answer) == (6,),
        f"chain_log_prob: 6 rows came in, the shape {np.shape(answer)} went out; each row has its own.",
    )
    log_dets = [
        np.linalg.slogdet(
            numeric_jacobian(lambda t: to_noise(t, layers), row)
        ).logabsdet
        for row in x
    ]
    noise = stats.norm.logpdf(z).sum(axis=1)
    expect(
        not np.allclose(answer, noise - log_dets, atol=1e-4),
        "chain_log_prob: the log-determinants have the opposite sign.",
    )
    expect(
        np.allclose(answer, noise + log_dets, atol=1e-4),
        "chain_log_prob: not log p_z plus the sum of all log-determinants. Is each layer given what the one before it returned?",
    )


with check("Exercise 4"):
    test_chain([Stretch(0.5), Shear(0.3)], rng)
    test_chain([Shear(0.7), Stretch(0.8), Shear(-0.4)], rng)


# %% [markdown]
# ## Exercise 5. A bijector, trained (3 points)
#
# Example 2 of the lecture with two numbers unknown. From noise to data, with $s > 0$:
#
# $$x_1 = e^{s z_1}, \qquad x_2 = z_2 + a z_1.$$
#
# **First** write it as a `tfb.Bijector`: the two directions, and the log-determinant of the inverse one, $\log\left|\det \frac{\partial z}{\partial x}\right|$. Arrays end in an axis of size 2, any axes may stand before it: take the coordinates as `z[..., 0]` and `z[..., 1]`. Use TensorFlow's functions (`tf.exp`, `tf.math.log`, `tf.stack`), for gradients have to pass.
#
# **Then** write the loss, and let gradient descent find $s$ and $a$. The step of the algorithm, $\theta \leftarrow \theta - \eta \nabla_\theta L$, is already there.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "f2e4e76e83118ac1551c17eccdf60e38", "grade": false, "grade_id": "bijector", "locked": false, "schema_version": 3, "solution": true, "task": false}
class Curve(tfb.Bijector):
    """x1 = exp(s z1), x2 = z2 + a z1. s and a are tensors; s > 0."""

    def __init__(self, s, a):
        # parameters: two bijectors with different s or a must not be taken for the same one by TFP's cache
        super().__init__(forward_min_event_ndims=1, parameters={"s": s, "a": a})
        self.s, self.a = s, a

    def _forward(self, z):
        """Noise to data: (..., 2) -> (..., 2)."""
        # your code here
        raise NotImplementedError("not done yet")

    def _inverse(self, x):
        """Data to noise: (..., 2) -> (..., 2)."""
        # your code here
        raise NotImplementedError("not done yet")

    def _inverse_log_det_jacobian(self, x):
        """log |det dz/dx|: (..., 2) -> (...)."""
        # your code here
        raise NotImplementedError("not done yet")


def loss(x, s, a):
    """The negative log-likelihood of the data x (n, 2), a mean over n, in nats: a scalar tensor."""
    # your code here
    raise NotImplementedError("not done yet")


# %%
def fit(x, steps=60, rate=0.2):
    """Gradient descent from s = 1, a = 0. Returns s, a and the losses."""
    log_s, a = (
        tf.Variable(0.0),
        tf.Variable(0.0),
    )  # s = exp(log_s) cannot become negative
    losses = []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            value = loss(x, tf.exp(log_s), tf.convert_to_tensor(a))
        for parameter, gradient in zip(
            (log_s, a), tape.gradient(value, (log_s, a)), strict=True
        ):
            parameter.assign_sub(rate * gradient)  # theta <- theta - eta grad L
        losses.append(float(value))
    return float(tf.exp(log_s)), float(a), losses


def make_curve(n, s, a, rng):
    """n points of the curve with these s and a, float32 (n, 2)."""
    z1, z2 = rng.standard_normal((2, n))
    return np.stack([np.exp(s * z1), z2 + a * z1], axis=1).astype(np.float32)


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "77f7cf2c2f1f54d33d119190ffe7541b", "grade": true, "grade_id": "bijector-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_curve(s, a, source):
    curve, x = Curve(tf.constant(s), tf.constant(a)), make_curve(5, s, a, source)
    with tf.GradientTape() as tape:
        points = tf.constant(x)
        tape.watch(points)
        z = curve._inverse(points)
    expect(
        z is not None and z.shape == x.shape,
        "_inverse: it has to return an array of the shape that came in.",
    )
    again = curve._forward(z)
    expect(
        again is not None and again.shape == x.shape,
        "_forward: it has to return an array of the shape that came in.",
    )
    expect(
        np.allclose(again[..., 0], tf.exp(s * z[..., 0]), rtol=1e-4),
        "_forward: x1 is not exp(s z1).",
    )
    expect(
        np.allclose(again[..., 1], z[..., 1] + a * z[..., 0], atol=1e-4),
        "_forward: x2 is not z2 + a z1.",
    )
    expect(
        np.allclose(again, x, rtol=1e-3, atol=1e-3),
        "_inverse: _forward does not bring its z back to x.",
    )
    matrices = tape.batch_jacobian(z, points).numpy()
    right, answer = (
        np.log(np.abs(np.linalg.det(matrices))),
        curve._inverse_log_det_jacobian(points),
    )
    expect(
        np.shape(answer) == (5,),
        f"log-determinant: 5 points came in, the shape {np.shape(answer)} went out; one per point, no sum over points.",
    )
    expect(
        not np.allclose(answer, -right, atol=1e-3),
        "log-determinant: the sign is that of the other direction, dx/dz.",
    )
    expect(
        np.allclose(answer, right, atol=1e-3),
        f"log-determinant: at x = {np.round(x[0], 2)} it is {right[0]:.3f}, by brute force; you say {answer[0]:.3f}. Does it hold both s and x1?",
    )


def test_loss(s, a, source):
    x = make_curve(2000, s, a, source)
    z1 = np.log(x[:, 0])
    value = loss(tf.constant(x), tf.constant(1.0), tf.constant(0.0))
    truth = np.mean(
        0.5 * (z1**2 + x[:, 1] ** 2) + np.log(2 * np.pi) + z1
    )  # by hand, for s = 1 and a = 0
    expect(
        np.shape(value) == (),
        f"loss: a scalar is wanted, the mean over the data; the shape is {np.shape(value)}.",
    )
    expect(
        not np.isclose(value, -truth, rtol=1e-3),
        "loss: this is the log-likelihood. Descent would make it as small as it can: the sign.",
    )
    expect(
        np.isclose(value, truth, rtol=1e-3),
        f"loss: for s = 1, a = 0 it should be {truth:.3f}, you have {float(value):.3f}. A mean over the data of -log p?",
    )
    found_s, found_a, losses = fit(tf.constant(x))
    best_s, best_a = (
        np.sqrt(np.mean(z1**2)),
        np.mean(z1 * x[:, 1]) / np.sqrt(np.mean(z1**2)),
    )  # dL/ds = 0, dL/da = 0
    best_a = best_a / np.sqrt(np.mean((z1 / best_s) ** 2))
    close = abs(found_s - best_s) < 0.05 and abs(found_a - best_a) < 0.05
    expect(
        close,
        f"training: found s = {found_s:.2f}, a = {found_a:.2f}; the data were made with s = {s}, a = {a}.",
    )
    return found_s, found_a, losses


with check("Exercise 5"):
    test_curve(0.6, -1.5, np.random.default_rng(3))
    found = test_loss(0.6, -1.5, np.random.default_rng(4))
    print(f"found s = {found[0]:.2f}, a = {found[1]:.2f}")

# %% [markdown]
# ## On your own (not graded)
#
# Below is the picture of what exercise 5 has learned (empty until it is done). Then some questions that have no check:
#
# * Draw the loss as a function of $s$ with $a$ fixed at its best value. Where is its minimum, and how flat is it? With 20 points instead of 2,000?
# * Start the training at $a = 30$, or take `rate=2`. What happens, and why did the lecture use Adam?
# * Give the flow data that it cannot describe, say two moons with positive $x_1$. What does it do with them? By how many nats is its loss above that of a flow with more layers?
# * Make your own bijector: take any increasing function of one variable whose inverse and derivative you can write down.

# %%
if "found" in globals():
    s, a, losses = found
    axis_1, axis_2 = np.meshgrid(np.linspace(0.05, 5, 150), np.linspace(-6, 6, 150))
    plane = tf.constant(np.stack([axis_1, axis_2], axis=-1), tf.float32)
    curve = tfd.TransformedDistribution(
        tfd.MultivariateNormalDiag(tf.zeros(2)), Curve(tf.constant(s), tf.constant(a))
    )

    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    axes[0].scatter(*make_curve(1000, 0.6, -1.5, rng).T, s=3, color="#7fb7c9")
    axes[0].contour(axis_1, axis_2, curve.prob(plane), colors="#d1495b", linewidths=1)
    axes[0].set(xlabel="$x_1$", ylabel="$x_2$", xlim=(0, 5), ylim=(-6, 6))
    axes[1].plot(losses, color="#1f6f8b")
    axes[1].set(xlabel="$t$", ylabel="$L$")
