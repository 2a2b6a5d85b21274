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
# # Lab: coupling layers
#
# Five exercises after the [lecture](../../lectures/en/02_real_nvp.ipynb), 10 points, 60 to 90 minutes: from one sum to a flow that you train.
#
# **How it works.** Put your code where a cell says `your code here`, and delete the line `raise NotImplementedError(...)`. The cell below each exercise checks you at once: **✓** right, **✗** wrong, and why, **…** not done yet. It never stops the notebook, so *Run All* always reaches the end. The grader runs the same checks on other numbers.
#
# | exercise | points |
# |---|---|
# | 1. The log-determinant | 1 |
# | 2. There and back | 2 |
# | 3. A checkerboard | 2 |
# | 4. A stack of layers | 2 |
# | 5. A flow for real | 3 |

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from dgm_tfp import bijectors, data, models, profiles
from dgm_tfp.exercises import check, expect, graded

keras.utils.set_random_seed(0)
profile = profiles.current().name


def numeric_jacobian(function, point, step=1e-5):
    """The matrix (D, D) of function: (n, D) -> (n, D) at one point (D,)."""
    steps = step * np.eye(len(point))
    return (function(point + steps) - function(point - steps)).T / (2 * step)


def brute_force(function, x):
    """log abs det of the Jacobian at each row of x: (n,)."""
    return np.array(
        [np.linalg.slogdet(numeric_jacobian(function, row)).logabsdet for row in x]
    )


# %% [markdown]
# ## Exercise 1. The log-determinant (1 point)
#
# A layer has computed $s$ for a batch of vectors: an array of shape $(n, D - d)$. Write the log-determinant of every example.

# %% nbgrader={"grade": false, "grade_id": "log-det", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_det(s):
    """log |det df/dx| of a coupling layer. s: (n, D - d). Returns (n,)."""
    # BEGIN SOLUTION
    return s.sum(axis=1)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "log-det-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_log_det(n, moved, seed):
    s = np.random.default_rng(seed).normal(size=(n, moved))
    answer = log_det(s)
    expect(
        np.shape(answer) == (n,),
        f"{n} examples came in, the shape {np.shape(answer)} went out; one number per example, none over the batch.",
    )
    right = np.array([np.linalg.slogdet(np.diag(np.exp(row))).logabsdet for row in s])
    expect(
        not np.allclose(answer, np.exp(right)),
        "this is the determinant itself; its logarithm is wanted.",
    )
    expect(
        not np.allclose(answer, right / moved),
        "a mean over the coordinates; volumes multiply, so their logarithms add.",
    )
    expect(
        np.allclose(answer, right),
        f"the diagonal exp(s) has the log-determinant {right[0]:.3f}; you say {answer[0]:.3f}.",
    )


with check("Exercise 1"):
    test_log_det(5, 3, seed=0)
### BEGIN HIDDEN TESTS
with graded("Exercise 1"):
    test_log_det(4, 6, seed=1)
    test_log_det(1, 2, seed=2)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. There and back (2 points)
#
# Write the layer both ways. The functions `s` and `t` are given as arguments; they take the kept half, $(n, d)$, and return $(n, D - d)$. The first $d$ coordinates are kept.

# %% nbgrader={"grade": false, "grade_id": "coupling", "locked": false, "schema_version": 3, "solution": true, "task": false}
def to_noise(x, d, s, t):
    """z = f(x). x: (n, D). Returns (n, D)."""
    # BEGIN SOLUTION
    kept, moved = x[:, :d], x[:, d:]
    return np.concatenate([kept, moved * np.exp(s(kept)) + t(kept)], axis=1)
    # END SOLUTION


def to_data(z, d, s, t):
    """x = f^-1(z). z: (n, D). Returns (n, D)."""
    # BEGIN SOLUTION
    kept, moved = z[:, :d], z[:, d:]
    return np.concatenate([kept, (moved - t(kept)) * np.exp(-s(kept))], axis=1)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "coupling-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_coupling(size, d, seed):
    source = np.random.default_rng(seed)
    A, B = source.normal(size=(2, d, size - d))

    def s(kept):
        return np.tanh(kept @ A)

    def t(kept):
        return np.sin(kept @ B) + 0.5

    x = source.normal(size=(4, size))
    z = to_noise(x, d, s, t)
    expect(
        np.shape(z) == x.shape, f"to_noise: {x.shape} came in, {np.shape(z)} went out."
    )
    expect(
        np.allclose(z[:, :d], x[:, :d]),
        f"to_noise: the first {d} coordinates have to pass unchanged.",
    )
    swapped = (x[:, d:] + t(x[:, :d])) * np.exp(s(x[:, :d]))
    expect(
        not np.allclose(z[:, d:], swapped),
        "to_noise: first it is scaled, then shifted; you shift first.",
    )
    expect(
        np.allclose(
            brute_force(lambda x: to_noise(x, d, s, t), x),
            s(x[:, :d]).sum(axis=1),
            atol=1e-6,
        ),
        "to_noise: its log-determinant is not the sum of s. Is it exp(s) that multiplies, and s of the kept half?",
    )
    expect(
        np.allclose(z[:, d:] - x[:, d:] * np.exp(s(x[:, :d])), t(x[:, :d])),
        "to_noise: what is added is not t of the kept half.",
    )
    back = to_data(z, d, s, t)
    expect(
        np.shape(back) == z.shape,
        f"to_data: {z.shape} came in, {np.shape(back)} went out.",
    )
    expect(
        np.allclose(back, x),
        "to_data: it does not bring z back to x. The last thing done is undone first: subtract t, then divide by exp(s).",
    )


with check("Exercise 2"):
    test_coupling(4, 2, seed=0)
    test_coupling(5, 2, seed=1)
### BEGIN HIDDEN TESTS
with graded("Exercise 2"):
    test_coupling(7, 3, seed=2)
    test_coupling(3, 2, seed=3)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. A checkerboard (2 points)
#
# For images the halves are given by a mask $b$: 1 where a pixel is kept. **First** make a checkerboard of $h \times w$ with 1 in the upper left corner. **Then** write the masked layer: it returns $z$ and the log-determinant of each image,
#
# $$z = b \odot x + (1 - b) \odot \bigl(x \odot e^{s} + t\bigr), \qquad s = s(b \odot x), \quad t = t(b \odot x).$$
#
# The networks return a number for *every* pixel, also for those that are kept.

# %% nbgrader={"grade": false, "grade_id": "checkerboard", "locked": false, "schema_version": 3, "solution": true, "task": false}
def checkerboard(h, w):
    """(h, w) of zeros and ones, 1 in the upper left corner."""
    # BEGIN SOLUTION
    return (np.add.outer(np.arange(h), np.arange(w)) + 1) % 2
    # END SOLUTION


def masked_to_noise(x, b, s, t):
    """x: (n, h, w); b: (h, w). Returns z (n, h, w) and the log-determinant (n,)."""
    # BEGIN SOLUTION
    log_scale = (1 - b) * s(b * x)
    z = b * x + (1 - b) * (x * np.exp(log_scale) + t(b * x))
    return z, log_scale.sum(axis=(1, 2))
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "checkerboard-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_checkerboard(h, w, seed):
    b = np.asarray(checkerboard(h, w))
    expect(
        b.shape == (h, w),
        f"checkerboard: the shape is {b.shape}; ({h}, {w}) is wanted.",
    )
    expect(b[0, 0] == 1, "checkerboard: 1 is wanted in the upper left corner.")
    alike = (b[1:] == b[:-1]).any() or (b[:, 1:] == b[:, :-1]).any()
    expect(
        not alike,
        "checkerboard: two neighbours are equal; rows have to begin with 1 and 0 in turn.",
    )
    source = np.random.default_rng(seed)
    A, B = 0.3 * source.normal(size=(2, h * w, h * w))

    def s(images):
        return np.tanh(images.reshape(-1, h * w) @ A).reshape(-1, h, w)

    def t(images):
        return np.sin(images.reshape(-1, h * w) @ B).reshape(-1, h, w)

    def flat(rows):
        return masked_to_noise(rows.reshape(-1, h, w), b, s, t)[0].reshape(-1, h * w)

    x = source.normal(size=(3, h, w))
    z, answer = masked_to_noise(x, b, s, t)
    expect(
        np.allclose(z * b, x * b),
        "masked_to_noise: where b = 1 the pixels have to pass unchanged.",
    )
    expect(
        np.allclose(z, b * x + (1 - b) * (x * np.exp(s(b * x)) + t(b * x))),
        "masked_to_noise: z is not that of the formula. Do the networks see b x, and nothing else?",
    )
    expect(
        np.shape(answer) == (3,),
        f"masked_to_noise: 3 images came in, the log-determinant has the shape {np.shape(answer)}.",
    )
    right = brute_force(flat, x.reshape(3, -1))
    expect(
        not np.allclose(answer, s(b * x).sum(axis=(1, 2))),
        "masked_to_noise: s is summed over the kept pixels too; they were not stretched.",
    )
    expect(
        np.allclose(answer, right, atol=1e-5),
        f"masked_to_noise: by brute force the log-determinant is {right[0]:.3f}; you say {answer[0]:.3f}.",
    )


with check("Exercise 3"):
    test_checkerboard(2, 3, seed=0)
    test_checkerboard(4, 4, seed=1)
### BEGIN HIDDEN TESTS
with graded("Exercise 3"):
    test_checkerboard(3, 5, seed=2)
    test_checkerboard(4, 2, seed=3)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. A stack of layers (2 points)
#
# A list of layers is given, each a pair of functions `(s, t)` of the first half. After **each** layer the halves are exchanged by turning the vector round, `x[:, ::-1]`. Write the log-likelihood of the data under standard normal noise, and the way back. (A vector of even length $D$, $d = D/2$. Write the layers anew or call your functions of exercises 1 and 2: the checks bring their own.)

# %%
def layer_to_noise(x, s, t):
    """One layer, for you to use: z and its log-determinant."""
    kept, moved = np.split(x, 2, axis=1)
    log_scale = s(kept)
    return np.concatenate(
        [kept, moved * np.exp(log_scale) + t(kept)], axis=1
    ), log_scale.sum(axis=1)


def layer_to_data(z, s, t):
    """Its inverse."""
    kept, moved = np.split(z, 2, axis=1)
    return np.concatenate([kept, (moved - t(kept)) * np.exp(-s(kept))], axis=1)


# %% nbgrader={"grade": false, "grade_id": "stack", "locked": false, "schema_version": 3, "solution": true, "task": false}
def stack_log_prob(x, layers):
    """log p_x of each row, in nats. x: (n, D). Returns (n,)."""
    # BEGIN SOLUTION
    total = 0.0
    for s, t in layers:
        x, one = layer_to_noise(x, s, t)
        x, total = x[:, ::-1], total + one
    return total - 0.5 * (x**2 + np.log(2 * np.pi)).sum(axis=1)
    # END SOLUTION


def stack_to_data(z, layers):
    """x = f^-1(z). z: (n, D). Returns (n, D)."""
    # BEGIN SOLUTION
    for s, t in reversed(layers):
        z = layer_to_data(z[:, ::-1], s, t)
    return z
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "stack-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def make_layers(count, d, source):
    def one(A, B):
        return (lambda h: 0.5 * np.tanh(h @ A)), (lambda h: np.sin(h @ B))

    return [one(*source.normal(size=(2, d, d))) for _ in range(count)]


def whole(x, layers):
    for s, t in layers:
        kept, moved = np.split(x, 2, axis=1)
        x = np.concatenate([kept, moved * np.exp(s(kept)) + t(kept)], axis=1)[:, ::-1]
    return x


def test_stack(count, size, seed):
    source = np.random.default_rng(seed)
    layers, x = make_layers(count, size // 2, source), source.normal(size=(4, size))
    z = whole(x, layers)
    right = brute_force(lambda x: whole(x, layers), x) - 0.5 * (
        z**2 + np.log(2 * np.pi)
    ).sum(axis=1)
    answer = stack_log_prob(x, layers)
    expect(
        np.shape(answer) == (4,),
        f"stack_log_prob: 4 rows came in, the shape {np.shape(answer)} went out.",
    )
    gap = answer - right
    expect(
        np.abs(gap - np.log(2 * np.pi) * size / 2).max() > 1e-6,
        "stack_log_prob: the constant of the normal density, log(2 pi) / 2 for each coordinate, is missing.",
    )
    expect(
        np.allclose(gap, 0, atol=1e-5),
        f"stack_log_prob: for the first row it should be {right[0]:.3f}, you have {answer[0]:.3f}. Are the halves exchanged after each layer, and do all log-determinants count?",
    )
    back = stack_to_data(z, layers)
    expect(
        np.shape(back) == x.shape,
        f"stack_to_data: {z.shape} came in, {np.shape(back)} went out.",
    )
    expect(
        np.allclose(back, x, atol=1e-6),
        "stack_to_data: z does not come back to x. The last layer first, and the exchange, which was done after the layer, undone before it.",
    )


with check("Exercise 4"):
    test_stack(1, 4, seed=0)
    test_stack(3, 4, seed=1)
### BEGIN HIDDEN TESTS
with graded("Exercise 4"):
    test_stack(2, 6, seed=2)
    test_stack(5, 4, seed=3)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. A flow for real (3 points)
#
# Write the coupling layer as a `bijectors.OnePass` of `dgm_tfp`: one pass gives the value and the log-determinant, so the network runs once. Mind the direction: `forward` is noise to data, `inverse` data to noise. `network` takes the kept first half, $(n, d)$, and returns $s$ and $t$ side by side, $(n, 2 (D - d))$: the first $D - d$ columns are $s$. Bound it: use $\tanh$ of what the network returns for $s$.
#
# The model that owns the networks is already written, and `fit` will train it.

# %% nbgrader={"grade": false, "grade_id": "one-pass", "locked": false, "schema_version": 3, "solution": true, "task": false}
class MyCoupling(bijectors.OnePass):
    """z_a = x_a, z_b = x_b exp(s(x_a)) + t(x_a), from data to noise."""

    def __init__(self, network, d):
        super().__init__(event_ndims=1)
        self.network, self.d = network, d

    def inverse_and_log_det(self, x):
        """Data to noise: z (n, D), and log |det dz/dx| (n,)."""
        # BEGIN SOLUTION
        kept, moved = x[:, : self.d], x[:, self.d :]
        s, t = tf.split(self.network(kept), 2, axis=1)
        s = tf.tanh(s)
        return tf.concat([kept, moved * tf.exp(s) + t], axis=1), tf.reduce_sum(
            s, axis=1
        )
        # END SOLUTION

    def forward_and_log_det(self, z):
        """Noise to data: x (n, D), and log |det dx/dz| (n,)."""
        # BEGIN SOLUTION
        kept, moved = z[:, : self.d], z[:, self.d :]
        s, t = tf.split(self.network(kept), 2, axis=1)
        s = tf.tanh(s)
        return tf.concat([kept, (moved - t) * tf.exp(-s)], axis=1), -tf.reduce_sum(
            s, axis=1
        )
        # END SOLUTION


# %%
def make_network(inputs, outputs):
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            keras.layers.Dense(32, "relu"),
            keras.layers.Dense(2 * outputs, kernel_initializer="zeros"),
        ]
    )


class Exchange(bijectors.OnePass):
    """The halves change places."""

    def __init__(self):
        super().__init__(event_ndims=1)

    def forward_and_log_det(self, z):
        return tf.reverse(z, axis=[1]), tf.zeros(())

    inverse_and_log_det = forward_and_log_det


class MyFlow(models.Flow):
    """Six couplings, the halves exchanged after each."""

    def __init__(self, **kwargs):
        super().__init__(event_shape=(2,), bins=None, **kwargs)
        for k in range(6):
            setattr(self, f"network_{k}", make_network(1, 1))
        self.build()

    @property
    def flow_bijector(self):
        layers = [MyCoupling(getattr(self, f"network_{k}"), 1) for k in range(6)]
        return bijectors.Chain(
            [part for layer in layers for part in (layer, Exchange())]
        )


moons = data.load("moons", "train").images
moons = (moons - moons.mean(axis=0)) / moons.std(axis=0)
epochs = {"smoke": 3, "laptop": 20, "gpu": 20}[profile]


def fit():
    """The loss on the training set in nats before and after, and the flow."""
    keras.utils.set_random_seed(0)
    flow = MyFlow()
    flow.compile(optimizer=keras.optimizers.Adam(5e-3))
    before = -flow.log_prob(moons).mean()
    flow.fit(moons, epochs=epochs, batch_size=256, verbose=0)
    return before, -flow.log_prob(moons).mean(), flow


# %% nbgrader={"grade": true, "grade_id": "one-pass-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_one_pass(size, d, seed):
    network = make_network(d, size - d)
    for i, variable in enumerate(network.trainable_variables):
        variable.assign(
            0.7 * tf.random.stateless_normal(variable.shape, seed=(seed, i))
        )
    coupling, x = (
        MyCoupling(network, d),
        tf.random.stateless_normal((5, size), seed=(seed, 99)),
    )
    with tf.GradientTape() as tape:
        tape.watch(x)
        z, answer = coupling.inverse_and_log_det(x)
    matrices = tape.batch_jacobian(z, x).numpy().astype(np.float64)
    right = np.linalg.slogdet(matrices).logabsdet
    raw, t = np.split(network(x[:, :d]).numpy(), 2, axis=1)
    expect(
        np.allclose(z[:, :d], x[:, :d]),
        "inverse_and_log_det: the kept half has changed.",
    )
    expect(
        not np.allclose(z[:, d:], x[:, d:] * np.exp(raw) + t, atol=1e-4),
        "inverse_and_log_det: s is not bounded; take tanh of it.",
    )
    expect(
        np.allclose(z[:, d:], x[:, d:] * np.exp(np.tanh(raw)) + t, atol=1e-4),
        "inverse_and_log_det: z is not x exp(s) + t. Are s and t taken in the right order, and is this the direction from data to noise?",
    )
    expect(
        np.shape(answer) == (5,),
        f"inverse_and_log_det: the log-determinant has the shape {np.shape(answer)}; one number per example is wanted.",
    )
    expect(
        not np.allclose(answer, -right, atol=1e-3),
        "inverse_and_log_det: the log-determinant has the sign of the other direction.",
    )
    expect(
        np.allclose(answer, right, atol=1e-3),
        f"inverse_and_log_det: by brute force the log-determinant is {right[0]:.3f}; you say {answer[0]:.3f}.",
    )
    back, other = coupling.forward_and_log_det(z)
    expect(
        np.allclose(back, x, atol=1e-3),
        "forward_and_log_det: it does not bring z back to x.",
    )
    expect(
        np.allclose(other, -right, atol=1e-3),
        "forward_and_log_det: its log-determinant has to be minus that of the way there.",
    )


with check("Exercise 5"):
    test_one_pass(2, 1, seed=0)
    test_one_pass(5, 2, seed=1)
    before, after, flow = fit()
    expect(
        after < before - 0.3,
        f"the loss was {before:.2f} nats before training and {after:.2f} after: it has hardly fallen.",
    )
### BEGIN HIDDEN TESTS
with graded("Exercise 5"):
    test_one_pass(4, 2, seed=2)
    test_one_pass(7, 3, seed=3)
    before, after, flow = fit()
    expect(
        after < before - 0.3,
        f"the loss was {before:.2f} nats before training and {after:.2f} after: it has hardly fallen.",
    )
### END HIDDEN TESTS

# %% [markdown]
# ## On your own (not graded)
#
# Below are samples of your flow (empty until exercise 5 is done).
#
# * Remove `Exchange()` from `MyFlow`. What is the loss now, and which coordinate is to blame?
# * Make the flow volume-preserving: `s = 0` in `MyCoupling`. By the theorem of the lecture it can come down to 1.86 nats on the moons at best. Then train both on data of your own for which the theorem promises a large difference.
# * Take 2, 4, 8, 16 layers, and more epochs. Where does the loss stop falling, and how far is that from the entropy of the moons, 1.83 nats?
# * Interpolate: a straight line between two noise points, carried to the data. Does it cross the gap between the moons?

# %%
if "flow" in globals():
    figure, axes = plt.subplots(
        1, 2, figsize=(6.5, 3), layout="constrained", sharex=True, sharey=True
    )
    axes[0].scatter(*moons[:2000].T, s=2, color="#1f6f8b")
    axes[1].scatter(*flow.sample(2000, seed=0).T, s=2, color="#d1495b")
    axes[0].set(xlim=(-3, 3), ylim=(-3, 3), xlabel="$x_1$", ylabel="$x_2$")
    axes[1].set(xlabel="$x_1$")
