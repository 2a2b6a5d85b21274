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
# # MAF and IAF: one coordinate after another
#
# **The question.** A coupling layer of [unit 02](02_real_nvp.ipynb) leaves half of the coordinates alone, and the other half does not look at itself. Can *every* coordinate be moved in one layer, each by an amount computed from *all* that come before it? The Jacobian would still be triangular. But then there are $D$ different networks, one for each coordinate, and the coordinates have to be found one after another. What does that cost, and in which direction?
#
# The answer is a pair of flows that are each other's mirror image. MAF scores in one pass of one network, IAF samples in one pass. By the end of this notebook you will have built the network, proved that it cannot peek, measured both directions with a clock, brought the slow one down from $D$ passes to several, and drawn digits to order.
#
# **You need** units 01 and 02. **It takes** about 70 minutes, and then 60 to 90 for the [lab](../../labs/en/03_maf_iaf.ipynb).
#
# | symbol | meaning |
# |---|---|
# | $x_{<d}$ | the coordinates before the $d$-th: $x_1, \dots, x_{d-1}$ |
# | $t_d(x_{<d})$, $s_d(x_{<d})$ | shift and log-scale of coordinate $d$ (the papers write $\mu$ or $m$ for $t$, and $\alpha$ for $s$) |
# | $m_j$ | the degree of a unit of the network: how many coordinates it may know |

# %%
import itertools
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from matplotlib.colors import LogNorm
from scipy import stats

from dgm_tfp import bijectors, data, models, networks, profiles, training

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
profile = profiles.current().name  # "laptop" by default: decides how long we train

BLUE, LIGHT, RED = "#1f6f8b", "#7fb7c9", "#d1495b"
plt.rcParams.update(
    {
        "figure.dpi": 80,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)


# %% [markdown]
# ## The chain rule of probability is a flow
#
# Any density of $D$ numbers is a product of one-dimensional ones. This is the definition of a conditional density, applied $D$ times; nothing is assumed:
#
# $$p(x) = p(x_1)\,p(x_2 \mid x_1)\,p(x_3 \mid x_1, x_2) \cdots = \prod_{d=1}^{D} p(x_d \mid x_{<d}).$$
#
# Now assume something: let each factor be normal, with a mean and a standard deviation that are functions of the coordinates before it, $p(x_d \mid x_{<d}) = \mathcal N\bigl(x_d;\; t_d(x_{<d}),\, e^{2 s_d(x_{<d})}\bigr)$. To draw from it one takes standard noise, scales it and shifts it. Going back is subtraction and division:
#
# $$x = f^{-1}(z) = \begin{cases} x_1 = z_1 \exp(s_1) + t_1 \\ x_d = z_d \exp\bigl(s_d(x_{<d})\bigr) + t_d(x_{<d}) \end{cases}$$
#
# $$z = f(x) = \begin{cases} z_1 = (x_1 - t_1) \exp(-s_1) \\ z_d = \bigl(x_d - t_d(x_{<d})\bigr) \exp\bigl(-s_d(x_{<d})\bigr) \end{cases}$$
#
# So an **autoregressive model is a normalizing flow**, and it was one long before the word. Papamakarios et al. (2017) noticed, and gave the flow its name: masked autoregressive flow.
#
# > **Theorem.** Whatever the functions $t_d$ and $s_d$ are, the map $f$ is invertible, its Jacobian matrix is lower triangular, and
# >
# > $$\frac{\partial f}{\partial x} = \begin{pmatrix} e^{-s_1} & & 0 \\ \vdots & \ddots & \\ \frac{\partial z_D}{\partial x_1} & \cdots & e^{-s_D(x_{<D})} \end{pmatrix},$$
# >
# > $$\log\left|\det \frac{\partial f}{\partial x}\right| = -\sum_{d=1}^{D} s_d(x_{<d}).$$
#
# *Proof.* $z_d$ is computed from $x_1, \dots, x_d$, so $\partial z_d / \partial x_i = 0$ for $i > d$. In $z_d$ the coordinate $x_d$ itself occurs once, outside $t_d$ and $s_d$, with the factor $e^{-s_d}$: that is the diagonal. The determinant of a triangular matrix is the product of its diagonal. For the inverse: $x_1$ is found from $z_1$; and once $x_{<d}$ is known, so are $t_d$ and $s_d$, and $x_d$ follows. $\square$
#
# The smallest example is a parabola, $x_1 \sim \mathcal N(0, 2^2)$ and $x_2 \mid x_1 \sim \mathcal N(x_1^2 / 4,\, 1)$. Here $t_1 = 0$, $s_1 = \ln 2$, $t_2 = x_1^2/4$, $s_2 = 0$: the flow can be written down without any training, and its entropy too, $H = \ln(2 \pi e) + \ln 2$.

# %% tags=["nbval-check-output"]
def parabola_t_and_s(x):
    """t and s of both coordinates: (n, 2) -> (n, 2), (n, 2)."""
    x1 = x[:, 0]
    t = np.stack([0 * x1, x1**2 / 4], axis=1)
    return t, np.stack([0 * x1 + np.log(2), 0 * x1], axis=1)


def parabola_to_noise(x):
    """z = f(x) and the log-determinant: (n, 2) -> (n, 2), (n,)."""
    t, s = parabola_t_and_s(x)
    return (x - t) * np.exp(-s), -s.sum(axis=1)


def parabola_to_data(z):
    """x = f^-1(z), one coordinate after the other: (n, 2) -> (n, 2)."""
    x1 = 2 * z[:, 0]
    return np.stack([x1, z[:, 1] + x1**2 / 4], axis=1)


noise = rng.standard_normal((2000, 2))
points = parabola_to_data(noise)
z, log_det = parabola_to_noise(points)
as_flow = stats.norm.logpdf(z).sum(axis=1) + log_det
first = stats.norm.logpdf(points[:, 0], 0, 2)
as_product = first + stats.norm.logpdf(points[:, 1], points[:, 0] ** 2 / 4, 1)
entropy = np.log(2 * np.pi * np.e) + np.log(2)

print("there and back:", np.allclose(z, noise))
print("flow = product of conditionals:", np.allclose(as_flow, as_product))
print(f"entropy H = {entropy:.3f} nats")

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), width_ratios=(2, 3))
angle = np.arctan2(noise[:, 1], noise[:, 0])
lines, dense = np.linspace(-3, 3, 13), np.linspace(-3, 3, 100)
for axis, carry in zip(axes, (lambda z: z, parabola_to_data), strict=True):
    for level in lines:
        for pair in ((dense, 0 * dense + level), (0 * dense + level, dense)):
            axis.plot(*carry(np.stack(pair, axis=1)).T, color="0.75", lw=0.6, zorder=0)
    axis.scatter(*carry(noise).T, c=angle, cmap="twilight", s=2)
axes[0].set(title="noise $z$", xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
axes[1].set(title="data $x$", xlabel="$x_1$", ylabel="$x_2$", aspect="equal");


# %% [markdown]
# *Figure 1. One autoregressive map by hand. First every point gets its $x_1$, then its $x_2$ by the rule that holds at this $x_1$. Colour: the angle of the noise point.*
#
# ## Any functions, any order
#
# The theorem says "whatever the functions are". Let us hold it to that: six coordinates, $t_d$ and $s_d$ from six separate random networks, the $d$-th of which is given $x_{<d}$ and nothing else. Automatic differentiation knows nothing of the theorem. And "before" may mean any order: if the coordinates come as 4, 1, 6, ..., the matrix is triangular once its rows and columns are put in that order.

# %%
class SeparateNetworks:
    """t and s by D networks: the d-th sees the d - 1 coordinates before it."""

    def __init__(self, order, hidden=16, seed=0):
        start = np.random.default_rng(seed)
        self.order = np.asarray(order)
        self.weights = [
            [tf.constant(start.normal(size=n)) for n in ((d, hidden), (hidden, 2))]
            for d in range(len(order))
        ]

    def __call__(self, x):
        """(n, D) -> t and s, (n, D) each."""
        x = tf.gather(x, self.order, axis=1)
        results = [
            tf.tanh(x[:, :d] @ w) @ v / 4 for d, (w, v) in enumerate(self.weights)
        ]
        place = np.argsort(self.order)  # back to the order of the data
        results = tf.gather(tf.stack(results, axis=1), place, axis=1)  # (n, D, 2)
        return results[:, :, 0], results[:, :, 1]


def to_noise(t_and_s, x):
    """z = f(x) and log abs det df/dx: the theorem. (n, D) -> (n, D), (n,)."""
    t, s = t_and_s(x)
    return (x - t) * tf.exp(-s), -tf.reduce_sum(s, axis=1)


def jacobian(t_and_s, x):
    """Every matrix df/dx by automatic differentiation, (n, D, D)."""
    x = tf.convert_to_tensor(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        z = to_noise(t_and_s, x)[0]
    return tape.batch_jacobian(z, x, experimental_use_pfor=False).numpy()


# %% tags=["nbval-check-output"]
orders = np.arange(6), np.array([3, 0, 5, 1, 4, 2])
x = rng.standard_normal((5, 6))
matrices = [jacobian(SeparateNetworks(order), x) for order in orders]
for order, matrix in zip(orders, matrices, strict=True):
    in_order = matrix[:, order][:, :, order]
    brute_force = np.linalg.slogdet(matrix).logabsdet
    formula = to_noise(SeparateNetworks(order), tf.constant(x))[1]
    above = np.abs(in_order[:, *np.triu_indices(6, k=1)]).max()
    print(f"order {order + 1}: greatest element above the diagonal {above}")
    print("    log-determinant = -sum of s:", np.allclose(brute_force, formula))

# %%
figure, axes = plt.subplots(1, 2, figsize=(6, 2.8))
ticks = [f"$x_{d + 1}$" for d in range(6)]
for axis, order, matrix in zip(axes, orders, matrices, strict=True):
    axis.imshow(matrix[0], cmap="RdBu", vmin=-1.5, vmax=1.5)
    axis.set_xticks(range(6), ticks)
    axis.set_yticks(range(6), [tick.replace("x", "z") for tick in ticks])
    axis.set_title(", ".join(str(d + 1) for d in order))


# %% [markdown]
# *Figure 2. The Jacobian matrix of an autoregressive map at one point, for two orders (red and blue: sign; white: zero).*
#
# Compare with unit 02. A coupling layer is the special case with two blocks: coordinates of the first have $t = s = 0$, and those of the second see the first and not one another. Here all of the lower triangle may be filled, in one layer.
#
# ## MADE: $D$ networks in one
#
# For a $28 \times 28$ image these would be 784 networks, and 784 passes to score one image. Germain et al. (2015) found that one network suffices, if some of its connections are cut. Give each unit a number, its **degree** $m$: *this unit may know the first $m$ coordinates, in their order, and no more.* An input has as its degree its place in the order, $1, \dots, D$. A hidden unit gets any number from $1$ to $D - 1$. Then
#
# * a hidden unit may listen to a unit that knows no more than itself: $M_{ij} = 1$ if $m_j \ge m_i$, else $0$;
# * the output for coordinate $d$ may listen to hidden units that know **less** than $d$: $M_{jd} = 1$ if $d > m_j$, else $0$.
#
# Each kernel is multiplied by its mask in every pass, $h' = \varphi\bigl(h\,(W \odot M) + b\bigr)$, so whatever the optimizer does to $W$, what is cut stays cut.
#
# > **Theorem.** The output for $d$ does not depend on $x_i$ with $i \ge d$.
# >
# > *Proof.* If it did, a path of uncut connections would lead from input $i$ to the output, through units of degrees $m_1, \dots, m_L$. Along it $i \le m_1 \le m_2 \le \dots \le m_L < d$. Hence $i < d$. $\square$
#
# One strict inequality in the whole chain, and it is the last one. Remember it: "What goes wrong" will come back to it. The product of the masks counts the paths, so the theorem can be read off a matrix of integers: it must be strictly triangular.

# %% tags=["nbval-check-output"]
def make_masks(order, hidden, degrees=None):
    """The degrees of all layers, and the masks between them, by the two rules.

    order: the coordinates as they come, first to last; hidden: widths.
    """
    D = len(order)
    place = np.argsort(order) + 1  # the degree of each input
    if degrees is None:  # 1, 2, ..., D - 1, 1, 2, ...
        degrees = [1 + np.arange(width) % (D - 1) for width in hidden]
    layers = [place, *degrees]
    pairs = itertools.pairwise(layers)
    masks = [after[None, :] >= before[:, None] for before, after in pairs]
    return layers, [*masks, place[None, :] > layers[-1][:, None]]


def count_paths(masks):
    """How many uncut paths lead from each input (row) to each output (column)."""
    return np.linalg.multi_dot([mask.astype(int) for mask in masks])


small_layers, small_masks = make_masks(np.arange(4), (6, 6))
print(count_paths(small_masks))

# %%
figure, axes = plt.subplots(1, 4, figsize=(10, 3.2), width_ratios=(4, 1.4, 2, 1.4))
columns = [*small_layers, small_layers[0]]  # the outputs have the inputs' degrees
places = [np.linspace(0, 5, len(column)) for column in columns]
leads = np.arange(4) == 2  # to the output for coordinate 3: that one, to begin with
for k in reversed(range(3)):
    for i, j in np.argwhere(small_masks[k]):
        ends = places[k][i], places[k + 1][j]
        color, width = (RED, 1.4) if leads[j] else ("0.8", 0.7)
        axes[0].plot([k, k + 1], ends, color=color, lw=width, zorder=int(leads[j]))
    leads = small_masks[k] @ leads  # and so back from layer to layer
for k, column in enumerate(columns):
    axes[0].scatter([k] * len(column), places[k], s=240, color="white", edgecolor=BLUE)
    for y, degree in zip(places[k], column, strict=True):
        axes[0].text(k, y, degree, ha="center", va="center", zorder=3)
axes[0].set(xticks=[0, 1, 2, 3], yticks=[], ylim=(5.6, -0.6))
axes[0].set_xticklabels(["$x$", "$h_1$", "$h_2$", "$t, s$"])
axes[0].spines[:].set_visible(False)
pairs = itertools.pairwise(columns)
for axis, mask, (before, after) in zip(axes[1:], small_masks, pairs, strict=True):
    axis.imshow(mask, cmap="Greys", vmin=0, vmax=1.4)
    axis.set_xticks(range(len(after)), after)
    axis.set_yticks(range(len(before)), before)


# %% [markdown]
# *Figure 3. A MADE for four coordinates, with the degree in each unit. Red: every path to the output for coordinate 3; they start at inputs 1 and 2 only. Right: the three masks (dark: connected), with the degrees along the edges.*
#
# Input 4 leads nowhere, and output 1 hears nothing: $t_1$ and $s_1$ are constants, the biases of the output. That is as it should be.
#
# Here is the whole network. Its two results for a coordinate, $t_d$ and $s_d$, have the same mask. As in unit 02, $s$ is bounded by $\tanh$.

# %%
class HandMADE:
    """t and s of all coordinates in one pass: (n, D) -> (n, D), (n, D)."""

    def __init__(self, order, hidden=(64, 64), seed=0, last=0.0, degrees=None):
        """last: the size of the last layer's weights; 0 makes t = s = 0."""
        self.layers, masks = make_masks(order, hidden, degrees)
        masks[-1] = np.tile(masks[-1], 2)  # t and s
        start = np.random.default_rng(seed)
        sizes = [*([2**0.5] * len(hidden)), last]
        self.masks = [tf.constant(mask, tf.float32) for mask in masks]
        self.kernels = [
            tf.Variable(start.normal(size=m.shape) * r / len(m) ** 0.5, dtype="float32")
            for m, r in zip(masks, sizes, strict=True)
        ]
        self.biases = [tf.Variable(tf.zeros(mask.shape[1])) for mask in masks]

    def __call__(self, x):
        *hidden, last = zip(self.kernels, self.masks, self.biases, strict=True)
        for kernel, mask, bias in hidden:
            x = tf.nn.relu(x @ (kernel * mask) + bias)
        kernel, mask, bias = last
        t, s = tf.split(x @ (kernel * mask) + bias, 2, axis=1)
        return t, tf.tanh(s)


# %% [markdown]
# The proof is short; the gradients are the proof of the *code*. Several hidden layers, random orders, random degrees: whatever is above the diagonal is not small but exactly zero, and the log-determinant is minus the sum of $s$.

# %% tags=["nbval-check-output"]
x = tf.constant(rng.standard_normal((20, 7)), tf.float32)
for depth in (1, 2, 4):
    order = rng.permutation(7)
    degrees = [rng.integers(1, 7, size=40) for _ in range(depth)]
    made = HandMADE(order, (40,) * depth, last=1.0, degrees=degrees)
    matrix = jacobian(made, x)
    above = matrix[:, order][:, :, order][:, *np.triu_indices(7, k=1)]
    brute_force = np.linalg.slogdet(matrix.astype(np.float64)).logabsdet
    agree = np.allclose(brute_force, to_noise(made, x)[1], atol=1e-4)
    print(f"{depth} hidden, order {order + 1}:", np.abs(above).max(), agree)


# %% [markdown]
# ## MAF: a stack of them, the order reversed
#
# One layer gives every coordinate a *normal* law, given those before it. Is that enough? It depends on the order. The parabola is $\mathcal N(x_1^2/4, 1)$ in $x_2$ given $x_1$. The other way round, given $x_2 = 4$, the coordinate $x_1$ is near $-4$ or near $4$: two humps, and a normal law has one.
#
# A **masked autoregressive flow** is therefore a stack: what one layer could not make normal, the next one gets as its input, with the order reversed. (Reversing is a permutation; its log-determinant is 0.) We train one layer in the right order, one in the wrong order, and five in alternating orders that begin with the wrong one. The entropy says what the best possible loss is.

# %%
class HandMAF:
    """Layers of MADE, data to noise."""

    def __init__(self, orders, hidden=(64, 64)):
        self.layers = [HandMADE(order, hidden, k) for k, order in enumerate(orders)]

    @property
    def variables(self):
        return [v for made in self.layers for v in (*made.kernels, *made.biases)]

    def to_noise(self, x):
        total = 0.0
        for made in self.layers:
            x, log_det = to_noise(made, x)
            total = total + log_det
        return x, total

    def log_prob(self, x):
        """log p(x) of each row, in nats."""
        z, log_det = self.to_noise(x)
        return log_det - tf.reduce_sum(z**2 + np.log(2 * np.pi), axis=1) / 2


def draw_parabola(n):
    return parabola_to_data(rng.standard_normal((n, 2))).astype(np.float32)


def train(flow, steps, learning_rate=3e-3):
    """Maximum likelihood on new points of the parabola; returns the losses."""
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer, losses = keras.optimizers.Adam(rate), []
    optimizer.build(flow.variables)

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(flow.log_prob(batch))
        optimizer.apply(tape.gradient(loss, flow.variables), flow.variables)
        return loss

    for _ in range(steps):
        losses.append(float(step(draw_parabola(256))))
    return np.array(losses)


# %%
steps = {"smoke": 100, "laptop": 1500, "gpu": 1500}[profile]
right, wrong = [0, 1], [1, 0]
flows = {
    "x1, x2": HandMAF([right]),
    "x2, x1": HandMAF([wrong]),
    "5 layers": HandMAF([wrong, right, wrong, right, wrong]),
}
new_points = draw_parabola(20_000)
print(f"{'entropy':10} {entropy:.3f} nats")
for name, flow in flows.items():
    train(flow, steps)
    print(f"{name:10} {-np.mean(flow.log_prob(new_points)):.3f} nats")

# %%
axis_1 = np.linspace(-7, 7, 141, dtype=np.float32)
axis_2 = np.linspace(-4, 12, 141, dtype=np.float32)
plane = np.stack(np.meshgrid(axis_1, axis_2), axis=-1).reshape(-1, 2)
z, log_det = parabola_to_noise(plane)
truth = np.exp(stats.norm.logpdf(z).sum(axis=1) + log_det)
panels = [truth, *(np.exp(flow.log_prob(plane)) for flow in flows.values())]
titles = "truth", "$x_1$, then $x_2$", "$x_2$, then $x_1$", "5 layers"
figure, axes = plt.subplots(1, 4, figsize=(10, 2.7), sharey=True)
for axis, density, title in zip(axes, panels, titles, strict=True):
    axis.pcolormesh(axis_1, axis_2, density.reshape(141, 141), vmin=0, vmax=0.08)
    axis.set(title=title, xlabel="$x_1$")
axes[0].set(ylabel="$x_2$");


# %% [markdown]
# *Figure 4. The true density, and those of three flows. One layer in the wrong order fills the parabola: given $x_2$, it has just one hump to spend on two branches.*
#
# ## Between the layers
#
# A deep stack trains better if what passes between the layers has mean 0 and variance 1. Papamakarios et al. put **batch normalisation** there: subtract the mean of the batch, divide by its standard deviation. That is an affine map, its log-determinant is $-\frac12\sum_d \ln v_d$ with the variances $v_d$. But mean and variance belong to the *batch*, so in training the "density" of a point depends on its neighbours in the batch, and a density that depends on who else is looked at is not a density. (In use one replaces them by averages, and then the model that is used is not the one that was trained.) **ActNorm** (Kingma & Dhariwal, 2018) takes a mean and a standard deviation from one first batch, and from then on they are weights like any others. The gain is the same; a point has one density. `dgm_tfp` uses ActNorm, and unit 04 looks at it closely.

# %% tags=["nbval-check-output"]
def normalised_log_prob(x, mean, variance):
    """log p(x) of one point if (x - mean) / std is taken for standard noise."""
    z = (x - mean) / np.sqrt(variance)
    return stats.norm.logpdf(z).sum() - np.log(variance).sum() / 2


point, first, *others = points[0], points[1:33], points[33:65], points[65:97]
for batch in others:
    batch = np.concatenate([[point], batch])
    in_batch = normalised_log_prob(point, batch.mean(axis=0), batch.var(axis=0))
    fixed = normalised_log_prob(point, first.mean(axis=0), first.var(axis=0))
    print(f"batch normalisation {in_batch:.3f}, ActNorm {fixed:.3f}")


# %% [markdown]
# ## Sampling: the plain loop
#
# From data to noise every $t_d(x_{<d})$ is wanted at a known $x$: one pass gives them all. From noise to data $x$ is what we are looking for. Start anywhere, say at zero, and apply the formula again and again:
#
# $$x^{(k+1)} = z \odot \exp\bigl(s(x^{(k)})\bigr) + t(x^{(k)}).$$
#
# After the first pass $x_1$ is right, because $t_1$ and $s_1$ are constants. After the second $x_2$ is right, because it was computed from the right $x_1$. **After $D$ passes everything is right**, and each pass computed $D$ numbers of which one was new.

# %%
def plain_loop(t_and_s, z):
    """x with f(x) = z, by D passes; and what it was after each of them."""
    x, passes = tf.zeros_like(z), []
    for _ in range(z.shape[1]):
        t, s = t_and_s(x)
        x = z * tf.exp(s) + t
        passes.append(x)
    return x, passes


D = 12
made = HandMADE(np.arange(D), (64,), seed=1, last=4.0)
z = tf.constant(rng.standard_normal((50, D)), tf.float32)
x, passes = plain_loop(made, z)
errors = np.abs(np.stack(passes) - x).max(axis=1)  # (passes, D), the worst of 50 points

# %% tags=["nbval-check-output"]
print("f(x) = z after the loop:", np.allclose(to_noise(made, x)[0], z, atol=1e-4))
in_place = errors[np.tril_indices(D)] <= 1e-6
print("after pass k coordinates 1 to k are in place:", in_place.all())

# %%
figure, axis = plt.subplots(figsize=(4.6, 3.4))
shown = np.where(errors > 1e-6, errors, np.nan)
image = axis.imshow(shown, cmap="Blues", norm=LogNorm(vmin=1e-7))
axis.set(xlabel="coordinate $d$", ylabel="pass")
axis.set_xticks(range(D), range(1, D + 1))
axis.set_yticks(range(D), range(1, D + 1))
figure.colorbar(image, label="error");


# %% [markdown]
# *Figure 5. The plain loop on 50 points: the greatest error of each coordinate after each pass (white: at most $10^{-6}$). Each pass puts at least one more coordinate into place; some come early, where what precedes them hardly matters.*
#
# ## Sampling: each unit once
#
# The loop recomputes the whole network for every coordinate. Must it? A hidden unit of degree $m$ hears $x_1, \dots, x_m$ only. As soon as these are known **its value is final**. So go through the degrees:
#
# 1. compute $t_d$ and $s_d$ from the hidden units of degree less than $d$, all of which are final; find $x_d$;
# 2. compute the hidden units of degree $d$, which have been waiting for $x_d$ and nothing else.
#
# Every hidden unit is computed once, every uncut connection is used once: a whole sample for **the arithmetic of a single pass**. (With several hidden layers step 2 goes through them one by one, since a unit of degree $d$ may hear others of degree $d$ in the layer before.) For one hidden layer it is a dozen lines:

# %% tags=["nbval-check-output"]
def fill_in_order(made, z):
    """The x of plain_loop for the arithmetic of a pass. One hidden layer, order 1..D."""
    W, V = ((k * m).numpy() for k, m in zip(made.kernels, made.masks, strict=True))
    b, c = (bias.numpy() for bias in made.biases)
    (n, D), degrees = z.shape, made.layers[1]
    x, h = np.zeros((n, D)), np.full((n, len(degrees)), np.nan)  # nan: not yet known
    for d in range(D):  # coordinates 0..d-1 are known, and units of degree up to d
        known = degrees <= d
        t = h[:, known] @ V[known, d] + c[d]
        s = np.tanh(h[:, known] @ V[known, D + d] + c[D + d])
        x[:, d] = z[:, d] * np.exp(s) + t
        ripe = degrees == d + 1  # these have been waiting for this coordinate only
        h[:, ripe] = np.maximum(0, x[:, : d + 1] @ W[: d + 1, ripe] + b[ripe])
    return x


print("the same x:", np.allclose(fill_in_order(made, z), x, atol=1e-4))
D, H = 784, 1024  # an image of 28 x 28, a hidden layer of 1024
_, (first, last) = make_masks(np.arange(D), (H,))
dense, uncut = D * H + H * 2 * D, first.sum() + 2 * last.sum()
print(f"multiplications per example, D = {D}, {H} hidden units:")
print(f"    scoring, masks multiplied in {dense:>13,}")
print(f"    plain loop                   {D * dense:>13,}")
print(f"    each unit once               {uncut:>13,}")


# %% [markdown]
# Arithmetic is not time. The fast way makes $D$ small steps, each of which has to wait for the one before, and a processor likes few large products better. In `dgm_tfp` (`networks.MADE.in_order`) steps are therefore taken in blocks: what all earlier blocks contribute to a block is one large product, and only within a block one goes step by step. Now the clock. Three functions of one network, with two hidden layers of 512 units and a batch of 64, as $D$ grows:
#
# * **scoring**: data to noise, one pass;
# * **plain loop**: noise to data, $D$ passes;
# * **each unit once**: noise to data, in order of the degrees.

# %%
def affine_law(z, result):
    """x = z exp(s) + t. result: t and the s that tanh has yet to bound."""
    t, s = tf.unstack(result)
    return z * tf.exp(tf.tanh(s)) + t


def three_ways(D):
    """Scoring, the plain loop and the fast way of one MADE, compiled."""
    made = networks.MADE(D, (512, 512))
    for k, weight in enumerate(made.trainable_variables):
        weight.assign(0.03 * tf.random.stateless_normal(weight.shape, seed=(k, 0)))

    def score(x):
        t, s = tf.unstack(made(x), axis=1)
        return (x - t) * tf.exp(-tf.tanh(s))

    def loop(z):
        def one_pass(k, x):
            return k + 1, affine_law(z, tf.unstack(made(x), axis=1))

        return tf.while_loop(lambda k, x: k < D, one_pass, (0, tf.zeros_like(z)))[1]

    ways = score, loop, lambda z: made.in_order(affine_law, z)[0]
    return [tf.function(way, autograph=False) for way in ways]


def seconds(ways, z, rounds=7):
    """The median time of a call of each; they take turns, so that all see one machine."""
    for way in ways:
        way(z)  # the first call compiles
    times = np.zeros((rounds, len(ways)))
    for i, j in np.ndindex(*times.shape):
        start = time.perf_counter()
        ways[j](z).numpy()
        times[i, j] = time.perf_counter() - start
    return np.median(times, axis=0)


sizes = (16, 64) if profile == "smoke" else (16, 32, 64, 128, 256, 512)
clock = []
for D in sizes:
    ways = three_ways(D)
    z = tf.random.stateless_normal((64, D), seed=(D, 1))
    gap = np.abs(ways[1](z) - ways[2](z)).max()
    clock.append(seconds(ways, z))
    passes = clock[-1][1:] / clock[-1][0]
    print(f"D = {D:3}: scoring {1e3 * clock[-1][0]:5.2f} ms; sampling in passes:", end=" ")
    print(f"loop {passes[0]:4.0f}, each unit once {passes[1]:4.1f}; gap {gap:.0e}")
clock = np.array(clock)

# %%
names = "scoring", "plain loop", "each unit once"
figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.1))
for times, name, color in zip(clock.T, names, (BLUE, RED, LIGHT), strict=True):
    axes[0].loglog(sizes, 1e3 * times, "o-", color=color, label=name)
    axes[1].loglog(sizes, times / clock[:, 0], "o-", color=color)
axes[1].loglog(sizes, sizes, color="0.6", lw=0.8, ls="--")
axes[1].annotate("$D$", (sizes[-1], sizes[-1]), color="0.4", va="bottom", ha="right")
axes[0].set(xlabel="$D$", ylabel="time, ms")
axes[1].set(xlabel="$D$", ylabel="time / time of scoring")
for axis in axes:
    axis.set_xticks(sizes, sizes)
    axis.minorticks_off()
axes[0].legend();

# %% [markdown]
# *Figure 6. What it costs to score and to sample as $D$ grows. Left: time for a batch of 64. Right: the same in units of one scoring pass; dashed: $D$ passes. Times are those of the machine that ran this notebook.*
#
# The price of the loop grows with $D$, as counted: it makes $D$ passes, each cheaper than a scoring that is started on its own. The fast way costs several, and not hundreds; the arithmetic is that of one, and the rest is the price of going in small steps. The results are the same up to rounding (the column "gap").
#
# ## IAF: the mirror image
#
# Swap the roles of $x$ and $z$. In an **inverse autoregressive flow** (Kingma et al., 2016) shift and scale of a coordinate are functions of the *noise* before it:
#
# $$x = f^{-1}(z) = \begin{cases} x_1 = z_1 \exp(s_1) + t_1 \\ x_d = z_d \exp\bigl(s_d(z_{<d})\bigr) + t_d(z_{<d}) \end{cases}$$
#
# $$z = f(x) = \begin{cases} z_1 = (x_1 - t_1) \exp(-s_1) \\ z_d = \bigl(x_d - t_d(z_{<d})\bigr) \exp\bigl(-s_d(z_{<d})\bigr) \end{cases}$$
#
# Now all of $z$ is at hand when a sample is made: one pass. And to score somebody else's $x$, one has to find $z$ coordinate by coordinate. Nothing new has to be written: **IAF is MAF read backwards**, `tfb.Invert(maf)`, up to names. (MAF backwards is $x_d = (z_d - t_d) e^{-s_d}$; call $-s_d$ by the name $s_d$ and $-t_d e^{-s_d}$ by the name $t_d$, and it is the formula above.)
#
# | | to score data | to sample | to score its own sample |
# |---|---|---|---|
# | Real-NVP | 1 pass | 1 pass | nothing more |
# | MAF | 1 pass | $D$ passes; in order of degrees, the arithmetic of 1 | nothing more |
# | IAF | $D$ passes; in order of degrees, the arithmetic of 1 | 1 pass | nothing more: $z$ is known |
#
# Hence the division of labour. To *fit a density to data* one scores data at every step: MAF. To *sample, and know the density of what was sampled*, as variational inference does at every step, IAF: it was invented for the posterior of a VAE (unit 05). Parallel WaveNet (van den Oord et al., 2018) had both: an autoregressive teacher, quick to train on recorded speech and slow to speak, and an IAF as its pupil, which speaks in one pass and is taught by scoring *its own* samples with the teacher.
#
# And Real-NVP? Give every hidden unit the same degree $d$. Outputs up to $d$ hear nothing, the others hear the first $d$ inputs and not one another: a coupling layer, once $t$ and $s$ of the first part are zero. **Coupling is an autoregressive layer with two steps instead of $D$**: less freedom in a layer, and both directions at once. Two passes of the plain loop suffice.

# %% tags=["nbval-check-output"]
from tensorflow_probability import bijectors as tfb

two_steps = HandMADE(np.arange(6), (64,), last=1.0, degrees=[np.full(64, 3)])
into, out_of = (mask.numpy() for mask in two_steps.masks)
print(count_paths([into, out_of[:, :6]]))


def of_the_second_half(kept, output_units, **_):
    """t and s of the last three coordinates from the first three."""
    t, s = two_steps(tf.pad(kept, [[0, 0], [0, 3]]))
    return t[:, 3:], s[:, 3:]


coupling = tfb.RealNVP(num_masked=3, shift_and_log_scale_fn=of_the_second_half)
z = tf.constant(rng.standard_normal((5, 6)), tf.float32)
x, passes = plain_loop(two_steps, z)
print("two passes are enough:", np.array_equal(passes[1], x))
print("equal to tfb.RealNVP:", np.allclose(coupling.forward(z), x, atol=1e-5))


# %% [markdown]
# ## The same with TensorFlow Probability
#
# `tfb.MaskedAutoregressiveFlow` takes a function that returns shift and log-scale; `inverse` is one pass, `forward` is the plain loop. It trusts the function: whether the masks are right is our business. Our network, their bijector, and `bijectors.MaskedAutoregressive` of `dgm_tfp` with the library's MADE:

# %% tags=["nbval-check-output"]
def same(one, other):
    """Whether two results differ by at most 1e-5."""
    return bool(np.abs(np.asarray(one) - np.asarray(other)).max() <= 1e-5)


x = tf.constant(rng.standard_normal((8, 7)), tf.float32)
made = HandMADE(rng.permutation(7), (32, 32), seed=2, last=0.5)
stock = tfb.MaskedAutoregressiveFlow(lambda x: made(x))
z, log_det = to_noise(made, x)
print("by hand, data to noise:  ", same(stock.inverse(x), z))
print("by hand, log-determinant:", same(stock.inverse_log_det_jacobian(x, 1), log_det))
print("by hand, plain loop:     ", same(stock.forward(z), plain_loop(made, z)[0]))

made_7 = networks.MADE(7, (32, 32), order="random", seed=3)
for k, weight in enumerate(made_7.trainable_variables):
    weight.assign(0.3 * tf.random.stateless_normal(weight.shape, seed=(k, 2)))


def shift_and_log_scale(x):
    t, s = tf.unstack(made_7(x), axis=1)
    return t, tf.tanh(s)


stock = tfb.MaskedAutoregressiveFlow(shift_and_log_scale)
maf = bijectors.MaskedAutoregressive(made_7)
iaf, stock_iaf = bijectors.Invert(maf), tfb.Invert(stock)
for name, ours, theirs in (("MAF", maf, stock), ("IAF", iaf, stock_iaf)):
    print(name, "forward:", same(ours.forward(x), theirs.forward(x)), end=", ")
    ours_log_det = ours.inverse_log_det_jacobian(x)
    theirs_log_det = theirs.inverse_log_det_jacobian(x, 1)
    print("log-determinant:", same(ours_log_det, theirs_log_det))
print("variables that TFP's bijector sees:", len(stock.trainable_variables))
print("variables of the network:", len(made_7.trainable_variables))


# %% [markdown]
# The last two lines are the trap of unit 02 once more: a Keras 3 network inside TFP's bijector is invisible to it, and an optimizer that asks the bijector for its variables trains nothing.
#
# ## Density estimation, and a mark for it
#
# `models.MAF` is the stack: ActNorm, a MADE, ActNorm, a MADE in the reverse order, and so on. Two sets for which the true density is known, and with it the entropy, so that the test loss comes with a mark: the difference is the divergence of the model from the truth (unit 01).
#
# Both sets are hard, for they have gaps and edges, and an affine layer is a straight line in each coordinate. The autoregressive idea does not insist on a line. Any increasing function of $x_d$ will do, as in the one-dimensional flow of unit 01, with a shape that depends on $x_{<d}$; the Jacobian is still triangular, and the log-determinant is the sum of the logarithms of the slopes. `transform="spline"` takes a curve of 16 pieces, the network returning its knots (Durkan et al., 2019). Masks, loop and filling in order stay as they are. A few such layers beside many affine ones:

# %%
def fit_maf(points, steps, transform, updates):
    """A MAF of so many layers, trained on points (n, 2)."""
    flow = models.MAF((2,), steps=steps, hidden=(64, 64), transform=transform)
    flow.adapt(points)
    schedule = training.WarmUpCosine(5e-3)
    flow.compile(optimizer=training.adam(schedule))
    budget = training.Budget(updates=updates, schedule=schedule, progress=False)
    flow.fit(points, epochs=10_000, batch_size=256, verbose=0, callbacks=[budget])
    return flow


smoke = profile == "smoke"
names = ("eight_gaussians",) if smoke else ("eight_gaussians", "checkerboard")
layers = {"affine": 4, "spline": 1} if smoke else {"affine": 8, "spline": 3}
updates = {
    "smoke": {"affine": 40, "spline": 40},
    "laptop": {"affine": 1500, "spline": 800},
    "gpu": {"affine": 6000, "spline": 6000},
}[profile]
mafs = {}
for name in names:
    points = data.load(name, "train").images
    test = data.load(name, "test").images
    best = data.synthetic.entropy(name)
    for transform, count in layers.items():
        maf = fit_maf(points, count, transform, updates[transform])
        mafs[name, transform] = maf
        loss = -maf.log_prob(test, batch_size=2000).mean()
        print(f"{name:15} entropy {best:.3f}, {transform} loss {loss:.3f}:", end=" ")
        print(f"{loss - best:.3f} nats above")

# %%
axis_2d = np.linspace(-4.8, 4.8, 200, dtype=np.float32)
plane = np.stack(np.meshgrid(axis_2d, axis_2d), axis=-1).reshape(-1, 2)
size = len(names)
figure, axes = plt.subplots(size, 3, figsize=(8.4, 2.9 * size), squeeze=False)
for row, name in zip(axes, names, strict=True):
    truth = np.exp(data.synthetic.log_density(name, plane))
    flows_2d = [mafs[name, transform] for transform in layers]
    panels = [np.exp(maf.log_prob(plane, batch_size=2000)) for maf in flows_2d]
    for axis, density in zip(row, (truth, *panels), strict=True):
        axis.pcolormesh(axis_2d, axis_2d, density.reshape(200, 200), vmax=truth.max())
        axis.set(aspect="equal", xticks=[], yticks=[])
for axis, title in zip(axes[0], ("truth", "affine", "spline"), strict=True):
    axis.set_title(title)

# %% [markdown]
# *Figure 7. True densities and those of two flows; the colours of a row mean the same in all three panels.*
#
# No continuous map can tear the plane (unit 01), so bridges remain; the curves make them thinner. And the way there, for the affine flow: the noise after every second layer. The grid of noise is carried along; where its cells become narrow, density is gathered.

# %%
maf_2d = mafs["eight_gaussians", "affine"]
noise_2d = rng.standard_normal((1500, 2)).astype(np.float32)
angle = np.arctan2(noise_2d[:, 1], noise_2d[:, 0])
level, dense = np.meshgrid(np.linspace(-2.4, 2.4, 17), np.linspace(-2.4, 2.4, 200))
grid = np.stack([level, dense], axis=-1).astype(np.float32)  # (200, 17, 2): lines
grid = np.concatenate([grid, grid[:, :, ::-1]], axis=1)  # and those across
state = np.concatenate([noise_2d, grid.reshape(-1, 2)])
frames = [state]
for k, layer in enumerate(reversed(maf_2d.flow_bijector.bijectors)):
    state = layer.forward(state).numpy()
    if (k + 1) % (layers["affine"] // 4) == 0:
        frames.append(state)

figure, axes = plt.subplots(1, 5, figsize=(11, 2.3))
for axis, frame in zip(axes, frames, strict=True):
    for line in np.moveaxis(frame[1500:].reshape(200, -1, 2), 1, 0):
        axis.plot(*line.T, color="0.7", lw=0.4)
    axis.scatter(*frame[:1500].T, c=angle, cmap="twilight", s=1)
    axis.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[])
axes[0].set_title("$z$")
axes[-1].set_title("$x$");


# %% [markdown]
# *Figure 8. From noise to data: the start, and after 2, 4, 6 and 8 layers. Colour: the angle of the noise point; grey: the grid of noise.*
#
# ## Given the class: digits to order
#
# The chain rule holds with a condition too, $p(x \mid c) = \prod_d p(x_d \mid x_{<d}, c)$, and MADE takes it at almost no cost: $c$ is added to the input of every hidden unit, **without a mask**. For a fixed $c$ nothing of the theorem changes. One detail: $t_1$ and $s_1$ should now depend on $c$, and output 1 hears only units of degree less than 1. So there must be units of **degree 0**, which know no coordinate and only $c$. (The lab has it as an exercise.)
#
# The data are digits, flattened: $D = 784$. A flow on $\mathbb R^{784}$ and pixels in $\{0, \dots, 255\}$ do not fit together, so Papamakarios et al. go in two steps. First noise, $y = (x + u)/256$ with $u$ uniform on $[0, 1)$ (dequantization, unit 04). Then the **logit**, which stretches the interval to the whole line:
#
# $$v = \operatorname{logit}(p) = \ln p - \ln(1 - p), \qquad p = \alpha + (1 - 2\alpha)\, y,$$
#
# $$\ln\frac{dv}{dx} = \ln\frac{1 - 2\alpha}{256} - \ln p - \ln(1 - p).$$
#
# The small $\alpha$ keeps black from $-\infty$; for MNIST the paper takes $\alpha = 10^{-6}$, and so do we. It is one more layer, and its log-determinant belongs to the likelihood: without it numbers for different $\alpha$ could not be compared. What is reported are **bits per dimension**,
#
# $$-\frac{1}{D \ln 2} \Bigl( \log p_v(v) + \sum_{d=1}^D \ln \frac{dv_d}{dx_d} \Bigr),$$
#
# for which a model that knows nothing (every value of every pixel equally likely) scores 8.

# %%
def unfold(name, split, n=None):
    """Digits (n, 784), bytes; their classes as indicators (n, 10), and as numbers."""
    loaded = data.load(name, split, source="embedded")
    images, labels = loaded.images[:n], np.asarray(loaded.labels[:n])
    flat = images.reshape(len(images), -1)
    return flat, np.eye(10, dtype=np.float32)[labels], labels


digits, classes, _ = unfold("mnist", "train")
digits_test, classes_test, labels_test = unfold("mnist", "test", 500)

# %% tags=["nbval-check-output"]
ALPHA = 1e-6


def pixels_to_line(x, u, alpha=ALPHA):
    """v and the sum of ln dv/dx. x: pixels (n, D); u: noise in [0, 1), (n, D)."""
    y = (tf.cast(x, tf.float32) + u) / 256
    p, q = alpha + (1 - 2 * alpha) * y, alpha + (1 - 2 * alpha) * (1 - y)  # q = 1 - p
    log_det = tf.math.log((1 - 2 * alpha) / 256) - tf.math.log(p) - tf.math.log(q)
    return tf.math.log(p) - tf.math.log(q), tf.reduce_sum(log_det, axis=1)


def line_to_pixels(v, alpha=ALPHA):
    y = (1 / (1 + np.exp(-np.asarray(v, np.float64))) - alpha) / (1 - 2 * alpha)
    return np.clip(np.floor(256 * y), 0, 255)


u = tf.random.stateless_uniform(digits_test.shape, seed=(0, 5))
v_test, _ = pixels_to_line(digits_test, u)
back = np.mean(line_to_pixels(v_test) == digits_test)
print(f"back to the same pixel: {100 * back:.1f} %")

x = tf.constant(digits_test[0, 200:230, None], tf.float32)  # pixels one at a time
with tf.GradientTape() as tape:
    tape.watch(x)
    v, log_slope = pixels_to_line(x, 0.5)
slope = tape.gradient(v, x)[:, 0]
print("ln dv/dx by gradient:", np.allclose(np.log(slope), log_slope, rtol=1e-3))

# %%
options = {"steps": 3, "hidden": (512,), "conditioning_shape": (10,)}
flow = models.MAF((784,), bins=256, logit_alpha=ALPHA, **options)
print(f"{flow.count_params():,} weights")
y = tf.cast(digits_test, tf.float32) + u
by_hand = np.allclose(flow.scaling.inverse(y), v_test, atol=1e-3)
print("flow.scaling is pixels_to_line:", by_hand)

flow.adapt((digits, classes))
schedule = training.WarmUpCosine(2e-3)
flow.compile(optimizer=training.adam(schedule))
updates = {"smoke": 40, "laptop": 1000, "gpu": 8000}[profile]
budget = training.Budget(updates=updates, schedule=schedule, progress=False)
options = {"epochs": 10_000, "batch_size": 128, "verbose": 0}
flow.fit((digits, classes), callbacks=[budget], **options)

bits = flow.bits_per_dim((digits_test, classes_test)).mean()
print(f"test set: {bits:.2f} bits per dimension")

# %%
start = time.perf_counter()
samples = flow.sample(4, seed=1, conditioning=np.eye(10, dtype=np.float32))
print(f"40 digits in {time.perf_counter() - start:.1f} s, compilation included")
real = np.stack([digits_test[labels_test == label][0] for label in range(10)])
rows = np.concatenate([real[None], samples]).reshape(5, 10, 28, 28)
sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)
figure, axis = plt.subplots(figsize=(7, 3.6))
axis.imshow(sheet, cmap="gray", vmin=0, vmax=255)
axis.axhline(27.5, color=RED, lw=1)
axis.axis("off");

# %% [markdown]
# *Figure 9. Above the line real digits, below it samples given the class of their column.*
#
# Nobody will take them for the work of a hand. The model has to learn from 10,000 digits in a minute or less what a pixel has to do with its neighbours, and a vector does not even tell it which pixels are neighbours; PixelCNN (unit 06) is told. But it gives a density, and a density given the class is a classifier. By Bayes' rule, with equal priors, $p(c \mid x) = p(x \mid c) \,/ \sum_{c'} p(x \mid c')$. Nothing is trained for it; ten scores for each image, and scoring is what a MAF does fast:

# %%
scores = []
for label in range(10):
    condition = np.tile(np.eye(10, dtype=np.float32)[label], (len(digits_test), 1))
    scores.append(flow.log_prob((digits_test, condition)))
guess = np.argmax(scores, axis=0)
print(f"right class for {100 * np.mean(guess == labels_test):.0f} % of the test digits")


# %% [markdown]
# ## What goes wrong
#
# **The mask off by one.** Write $m^0_d \ge m_j$ for $m^0_d > m_j$ in the *last* mask, the one strict inequality. Now $t_d$ and $s_d$ see $x_d$ itself. The network finds out: let $t_d = x_d$, then $z_d = 0$, the best noise there is, for every $x$; and then let $s_d$ be as negative as it can, for the formula pays $-s_d$ nats. The loss falls and falls, **below the entropy**, where no density can go. The matrix is still triangular, but its diagonal is no longer $e^{-s_d}$: $x_d$ is now inside $t_d$ and $s_d$ too. What is reported as log-determinant is fiction.

# %%
class PeekingMAF(HandMAF):
    """The mistake on purpose: >= where > belongs, in the mask of the output."""

    def __init__(self, orders, hidden=(64, 64)):
        super().__init__(orders, hidden)
        for made in self.layers:
            mask = made.layers[0][None, :] >= made.layers[-1][:, None]
            made.masks[-1] = tf.constant(np.tile(mask, 2), tf.float32)


orders = [right, wrong]
honest, peeking = HandMAF(orders), PeekingMAF(orders)
curves = {"honest": train(honest, steps), "peeking": train(peeking, steps)}
print(f"{'entropy':8} {entropy:7.3f} nats")
for name, flow_2d in (("honest", honest), ("peeking", peeking)):
    print(f"{name:8} {-np.mean(flow_2d.log_prob(new_points)):7.3f} nats")


# %% [markdown]
# On the screen this looks like the best model in the world. Three checks, each of a few lines, convict it: **gradients** ($\partial t_d / \partial x_d$ must be exactly zero), **the integral** of the density (must be 1), **the round trip** (the loop must lead back to the same $x$). A flow that has not passed them has no likelihood.

# %%
def sees_itself(made, x):
    """The greatest absolute dt_d/dx_d."""
    x = tf.constant(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        t = made(x)[0]
    matrices = tape.batch_jacobian(t, x, experimental_use_pfor=False)
    return np.abs(np.diagonal(matrices, axis1=1, axis2=2)).max()


def loop_back(flow, z):
    for made in reversed(flow.layers):
        z = plain_loop(made, z)[0]
    return z.numpy()


far_1 = np.linspace(-14, 14, 561, dtype=np.float32)
far_2 = np.linspace(-9, 26, 701, dtype=np.float32)
wide = np.stack(np.meshgrid(far_1, far_2), axis=-1).reshape(-1, 2)
cell = (far_1[1] - far_1[0]) * (far_2[1] - far_2[0])
test = new_points[:1000]
for name, flow_2d in (("honest", honest), ("peeking", peeking)):
    integral = np.exp(flow_2d.log_prob(wide).numpy().astype(np.float64)).sum() * cell
    trip = np.abs(loop_back(flow_2d, flow_2d.to_noise(test)[0]) - test).max()
    itself = max(sees_itself(made, test) for made in flow_2d.layers)
    print(f"{name:8} dt_d/dx_d {itself:.2f}, integral {integral:.2f}, trip {trip:.0e}")

# %% [markdown]
# **The same order in every layer.** Then $z_d$ stays what it was after one layer: $x_d$ times a number plus a number, both functions of $x_{<d}$. A composition of affine maps is affine. So five layers in one order are **one** layer in that order, a little better equipped, and the law of a coordinate given those before it is still normal. Users who stack layers without reversing report results far below the papers' (an issue of TFP, number 787, is about that). It is the brother of the never exchanged halves of unit 02. The numbers are below: five layers, all in the wrong order.
#
# **One pass instead of the loop.** To sample, somebody feeds the network with what is at hand, the noise: $x = z \odot e^{s(z)} + t(z)$. It runs, it is fast, and it is a sample of *another* model: of the IAF that has these weights. Only the loop, or the filling in order, inverts $f$.

# %%
stuck = HandMAF([wrong] * 5)
train(stuck, steps)
for name in ("x2, x1", "5 layers"):
    print(f"{name:22} {-np.mean(flows[name].log_prob(new_points)):.3f} nats")
print(f"{'5 layers, one order':22} {-np.mean(stuck.log_prob(new_points)):.3f} nats")

# %%
one_layer = flows["x1, x2"].layers[0]
z = tf.constant(rng.standard_normal((1500, 2)), tf.float32)
t, s = one_layer(z)
clouds = loop_back(flows["x1, x2"], z), z * tf.exp(s) + t, loop_back(peeking, z)
titles = "loop", "one pass", "loop, peeking"
figure, axes = plt.subplots(1, 4, figsize=(11, 2.6), width_ratios=(1.6, 1, 1, 1))
for losses, color in zip(curves.values(), (BLUE, RED), strict=True):
    width = max(1, len(losses) // 50)
    axes[0].plot(np.convolve(losses, np.ones(width) / width, "valid"), color=color)
axes[0].legend(["honest", "peeking"])
axes[0].axhline(entropy, color="0.4", lw=0.8, ls="--")
axes[0].set(xlabel="step", ylabel="$L$", ylim=(-2.6, 6))
for axis, cloud, title in zip(axes[1:], clouds, titles, strict=True):
    axis.scatter(*np.asarray(cloud).T, s=2, color=BLUE if title == "loop" else RED)
    axis.set(title=title, xlim=(-7, 7), ylim=(-4, 12), xlabel="$x_1$")

# %% [markdown]
# *Figure 10. Left: the loss of a flow with the right masks and of one that peeks; dashed: the entropy of the data. Right: samples by the loop, by a single pass of the same network, and by the loop through the flow that peeks.*

# %% [markdown]
# ## In one screen
#
# | | |
# |---|---|
# | autoregressive map, data to noise | $z_d = \bigl(x_d - t_d(x_{<d})\bigr)\, e^{-s_d(x_{<d})}$ |
# | noise to data | $x_d = z_d\, e^{s_d(x_{<d})} + t_d(x_{<d})$, one $d$ after another |
# | log-determinant, data to noise | $-\sum_d s_d(x_{<d})$ |
# | MADE: masks | hidden: $m_j \ge m_i$; output: $d > m_j$ |
# | MAF | a stack, the order reversed from layer to layer; ActNorm between |
# | cost | scoring: 1 pass; sampling: $D$ passes, or each unit once in order of degrees |
# | IAF | MAF read backwards: sampling 1 pass, scoring like MAF's sampling |
# | Real-NVP | two steps instead of $D$: both directions 1 pass |
# | a condition $c$ | to every hidden unit, without a mask; units of degree 0 |
# | a flow to be trusted | gradients exactly zero, integral 1, round trip; never below the entropy |
#
# In `dgm_tfp`: `networks.MADE`, `bijectors.MaskedAutoregressive`, `models.MAF`, `models.IAF`.
#
# ## Questions
#
# <details>
# <summary><b>1.</b> A hidden unit is given the degree $D$. What is it good for? And what if all hidden units have the degree 1?</summary>
#
# With degree $D$: for nothing, no output may listen to it, since $d > D$ never holds. Hence degrees go up to $D - 1$ only. With degree 1 everywhere: every unit knows $x_1$ and nothing else, so all $t_d$ and $s_d$ with $d > 1$ are functions of $x_1$. That is a valid flow, a coupling layer whose first part is a single coordinate.
#
# </details>
#
# <details>
# <summary><b>2.</b> A MADE for $D = 784$ has one hidden layer of 100 units. Which dependences are missing, although no mask is wrong?</summary>
#
# The output for $d$ hears $x_{d-1}$ only through units of degree exactly $d - 1$. A hundred units have at most a hundred different degrees, so for most $d$ there is none: neighbouring pixels do not see each other in that layer. Other degrees or another order in the next layer help; so do wider layers.
#
# </details>
#
# <details>
# <summary><b>3.</b> What does a MAF with $D = 1$ learn?</summary>
#
# $t_1$ and $s_1$ are constants: a normal law with a mean and a standard deviation. Ten layers are again a line, $z = a x + b$. One-dimensional data with two humps are beyond an affine flow; the monotone function of unit 01 could do them. (With two coordinates and several layers an affine flow does get some humps apart, as figure 7 shows: each layer makes use of the other coordinate.) A spline in place of the line is a monotone curve again, and a single layer of it will do.
#
# </details>
#
# <details>
# <summary><b>4.</b> Sampling in order of the degrees has the arithmetic of one pass. Why is it slower than one pass all the same, and on which machine would the gap be largest?</summary>
#
# Its steps wait for one another: $D$ of them, one after another, each a small product. The time of a step does not fall below some least time for starting an operation. On a GPU, which does one large product at once and needs about as long to start a small one, the gap is largest.
#
# </details>
#
# <details>
# <summary><b>5.</b> For variational inference one needs $x \sim q$ and $\log q(x)$ at that $x$, at every step of training. Why is IAF the natural choice, and does its slow direction ever matter?</summary>
#
# One pass gives $x$ from $z$ together with $\sum_d s_d$; as $z$ is known, $\log q(x) = \log p_z(z) - \sum_d s_d$. The slow direction, from a given $x$ to its $z$, is not needed at all. It would be if someone asked for $\log q$ at a point that the flow has not drawn.
#
# </details>
#
# <details>
# <summary><b>6.</b> A colleague reports that the test loss of her flow is 0.3 nats below the entropy of the synthetic data. What do you ask her to do?</summary>
#
# To look for a mistake: on average over many points the loss of a density is never below the entropy. First the size of the test set (how large is the standard error?). Then the three checks: are $\partial t_d / \partial x_i$ exactly zero for $i \ge d$; does the density integrate to 1 (on a wide enough grid); does $f^{-1}(f(x)) = x$ hold? Then the units: is the log-determinant of every scaling in it, also that of the preprocessing?
#
# </details>
#
# <details>
# <summary><b>7.</b> Two people train the same MAF on the same digits, one with $\alpha = 10^{-6}$, one with $\alpha = 0.05$, and compare $\log p_v(v)$. Who wins?</summary>
#
# The question has no answer: the two $v$ are different variables, and their densities have different units. With the sum of $\ln dv_d/dx_d$ added both speak about pixels, and bits per dimension may be compared.
#
# </details>
#
# ## What to read
#
# * M. Germain, K. Gregor, I. Murray, H. Larochelle. *MADE: Masked Autoencoder for Distribution Estimation.* ICML, 2015, [arXiv:1502.03509](https://arxiv.org/abs/1502.03509). The masks.
# * D. Kingma, T. Salimans, R. Jozefowicz, X. Chen, I. Sutskever, M. Welling. *Improving Variational Inference with Inverse Autoregressive Flow.* NeurIPS, 2016, [arXiv:1606.04934](https://arxiv.org/abs/1606.04934).
# * G. Papamakarios, T. Pavlakou, I. Murray. *Masked Autoregressive Flow for Density Estimation.* NeurIPS, 2017, [arXiv:1705.07057](https://arxiv.org/abs/1705.07057). This unit; the parabola is theirs.
# * A. van den Oord et al. *Parallel WaveNet: Fast High-Fidelity Speech Synthesis.* ICML, 2018, [arXiv:1711.10433](https://arxiv.org/abs/1711.10433). An autoregressive teacher, and an IAF for a pupil.
# * C. Durkan, A. Bekasov, I. Murray, G. Papamakarios. *Neural Spline Flows.* NeurIPS, 2019, [arXiv:1906.04032](https://arxiv.org/abs/1906.04032). A curve in place of the line.
#
# Now the [lab](../../labs/en/03_maf_iaf.ipynb).
