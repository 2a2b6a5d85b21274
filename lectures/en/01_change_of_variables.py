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
# # Change of variables
#
# **The question.** We are shown points $x_1, \dots, x_n$ and would like to know their density $p_x(x)$. We do not know it. But suppose that somebody hands us an invertible function $f$ such that $z = f(x)$ has a density that we do know, say a standard normal one. What is $p_x(x)$?
#
# The answer is one line long, and every normalizing flow of this course (Real-NVP, MAF, IAF, Glow) is that line with a different $f$. By the end of this notebook you will have derived it, tested it against experiments, watched it fail when half of it is forgotten, and trained two flows with it: one in one dimension, one in two.
#
# **You need** derivatives, determinants and NumPy. **It takes** about 70 minutes, and then 60 to 90 for the [lab](../../labs/en/01_change_of_variables.ipynb).
#
# | symbol | meaning |
# |---|---|
# | $x$, $p_x(x)$ | a data point and the density of the data: unknown |
# | $z$, $p_z(z)$ | a noise point and its density: known, here $\mathcal N(0, I)$ |
# | $z = f(x)$, $x = f^{-1}(z)$ | from data to noise, and back |
# | $\partial f / \partial x$ | the Jacobian matrix: row $i$, column $j$ holds $\partial f_i / \partial x_j$ |

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy import integrate, stats

rng = np.random.default_rng(0)

BLUE, LIGHT, RED = "#1f6f8b", "#7fb7c9", "#d1495b"
plt.rcParams.update(
    {
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)

# %% [markdown]
# ## Three ways to make new objects
#
# A generative model turns noise $z$ into an object $x$. Three families differ in what they can say about the object afterwards.
#
# | | trained to | from $x$ back to $z$ | $p_x(x)$ |
# |---|---|---|---|
# | GAN | deceive a classifier (minimax) | no | no |
# | VAE | maximise a lower bound on the likelihood (ELBO) | roughly: a second network, the encoder, has to be trained | only the bound |
# | normalizing flow | maximise the likelihood itself | exactly: the map is invertible | exactly |
#
# The last column is the reason for this course: to ask whether a model *knows what it does not know*, one needs a model that gives a number for every $x$. Flows pay for it by allowing only invertible maps. Everything starts with what such a map does to a density.

# %% [markdown]
# ## Probability is conserved, density is not
#
# A density is probability **per unit of length** (of area, of volume). A map moves points about; it creates none and loses none. So the probability of a small interval $dx$ around $x$ and that of its image $dz$ around $z = f(x)$ are the same:
#
# $$p_x(x)\,|dx| = p_z(z)\,|dz| \qquad\Longrightarrow\qquad p_x(x) = p_z(f(x)) \left|\frac{dz}{dx}\right|.$$
#
# Where $f$ stretches ($|dz/dx| > 1$), the points of $x$ lie closer together than those of $z$, and the density of $x$ is higher. The picture shows the same fifth of all points before and after: the two strips differ in width and in height and have the same area.

# %%
z_strip = stats.norm.ppf([0.2, 0.4])  # between these quantiles: a fifth of all
x_strip = np.exp(z_strip)  # x = exp(z), so z = f(x) = ln x

figure, axes = plt.subplots(1, 2, figsize=(8, 2.6))
z, x = np.linspace(-3.2, 3.2, 400), np.linspace(1e-3, 5, 400)
curves = (
    (z, stats.norm.pdf, z_strip),
    (x, lambda x: stats.norm.pdf(np.log(x)) / x, x_strip),
)
for axis, (points, density, strip) in zip(axes, curves, strict=True):
    axis.plot(points, density(points), color=BLUE)
    inside = np.linspace(*strip, 50)
    axis.fill_between(inside, density(inside), color=RED, alpha=0.7)
    area = integrate.quad(density, *strip)[0]
    axis.annotate(
        f"{area:.2f}",
        (inside.mean(), density(inside).max() + 0.02),
        ha="right",
        color=RED,
    )
axes[0].set(xlabel="$z$", ylabel="$p_z(z)$", ylim=(0, 0.75))
axes[1].set(
    xlabel="$x = e^z$", ylabel=r"$p_x(x) = p_z(\ln x) \, / \, x$", ylim=(0, 0.75)
);


# %% [markdown]
# *Figure 1. One fifth of the probability, before and after $x = e^z$. The numbers are areas, found by integration.*
#
# In $D$ dimensions a length becomes a volume, and the slope becomes the factor by which the map changes volumes. Near a point $x$ a smooth map is almost linear, $f(x + \delta) \approx f(x) + \frac{\partial f}{\partial x}\,\delta$, and a linear map takes a small cube to a parallelepiped whose volume is the absolute value of the determinant. That is the whole proof. It gives the theorem:
#
# > **Theorem (change of variables).** Let $f: \mathbb R^D \to \mathbb R^D$ be invertible and differentiable, with $\det \frac{\partial f}{\partial x} \ne 0$, and let $z = f(x)$ have the density $p_z$. Then
# >
# > $$p_x(x) = p_z(f(x)) \left|\det \frac{\partial f(x)}{\partial x}\right|, \qquad \frac{\partial f(x)}{\partial x} = \begin{pmatrix} \frac{\partial f_1}{\partial x_1} & \cdots & \frac{\partial f_1}{\partial x_D} \\ \vdots & \ddots & \vdots \\ \frac{\partial f_D}{\partial x_1} & \cdots & \frac{\partial f_D}{\partial x_D} \end{pmatrix}.$$
#
# The factor is the ratio of the volume $\partial z$ to the volume $\partial x$ that it came from. Why $D \to D$ and not, say, $100 \to 10$: a map into fewer dimensions cannot be inverted smoothly, and the determinant of a matrix that is not square does not exist.
#
# We do not have to believe the step "almost linear". Take a square cell, send its boundary through $f$, measure the area of what comes out, and shrink the cell.

# %% tags=["nbval-check-output"]
def f(x):
    """(..., 2) -> (..., 2): some smooth map of the plane."""
    x1, x2 = x[..., 0], x[..., 1]
    return np.stack([x1 + 0.3 * np.sin(2 * x2), x2 + 0.4 * x1**2], axis=-1)


def jacobian(x):
    x1, x2 = x
    return np.array([[1, 0.6 * np.cos(2 * x2)], [0.8 * x1, 1]])


def boundary(corner, side, points=200):
    """The boundary of a square, counter-clockwise, (4 points, 2)."""
    t = np.linspace(0, 1, points, endpoint=False)
    edges = [(t, 0 * t), (1 + 0 * t, t), (1 - t, 1 + 0 * t), (0 * t, 1 - t)]
    return corner + side * np.concatenate([np.stack(edge, axis=1) for edge in edges])


def area(polygon):
    """The shoelace formula."""
    x, y = polygon.T
    return 0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))


corner = np.array([0.4, 0.9])
print(f"|det| at the corner       {abs(np.linalg.det(jacobian(corner))):.4f}")
for side in (0.5, 0.1, 0.02, 0.004):
    cell = boundary(corner, side)
    print(f"side {side:<5}  area ratio   {area(f(cell)) / area(cell):.4f}")

# %%
side = 0.5
cell = boundary(corner, side)
square = corner + side * np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
parallelogram = f(corner) + (square - corner) @ jacobian(corner).T  # linear

figure, axes = plt.subplots(1, 2, figsize=(8, 3.6))
lines = np.linspace(-1.1, 1.9, 13)
dense = np.linspace(-1.1, 1.9, 100)
for level in lines:
    for line in (
        np.stack([dense, 0 * dense + level], 1),
        np.stack([0 * dense + level, dense], 1),
    ):
        axes[0].plot(*line.T, color=LIGHT, lw=0.7)
        axes[1].plot(*f(line).T, color=LIGHT, lw=0.7)
axes[0].fill(*cell.T, color=RED, alpha=0.8)
axes[1].fill(*f(cell).T, color=RED, alpha=0.8)
axes[1].plot(*parallelogram.T, color="black", lw=1.2, ls="--")
axes[0].set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
axes[1].set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal");


# %% [markdown]
# *Figure 2. A cell of the plane of $x$ and its image. Dashed: the image under the linear map $\partial f / \partial x$ taken at the lower left corner. The smaller the cell, the better the two agree; the table above shows the ratio of areas going to $|\det|$.*

# %% [markdown]
# ## Example 1: a straight line
#
# Let $z = f(x) = 0.5\,x - 2.5$ be standard normal. The Jacobian matrix has one element, and $\left|\det \frac{\partial f}{\partial x}\right| = 0.5$. Substitute:
#
# $$p_x(x) = \frac{1}{\sqrt{2\pi}}\, e^{-\frac{(0.5 x - 2.5)^2}{2}} \cdot 0.5 = \frac{1}{2\sqrt{2\pi}}\, e^{-\frac{(x - 5)^2}{2 \cdot 2^2}},$$
#
# a normal density with mean 5 and standard deviation 2. The theory is ready; now the experiment. Draw noise, send it through the inverse $x = 2 z + 5$, and look at what came out.

# %%
def density_1(x):
    """p_x(x) by the theorem. x: any shape."""
    return stats.norm.pdf(0.5 * x - 2.5) * 0.5


z = rng.standard_normal(10_000)
samples_1 = 2 * z + 5

# %%
figure, axis = plt.subplots(figsize=(6, 2.8))
axis.hist(samples_1, bins=60, density=True, color=LIGHT, label="experiment")
x = np.linspace(-3, 13, 300)
axis.plot(x, density_1(x), color=RED, label="theory")
axis.set(xlabel="$x$", ylabel="$p_x(x)$")
axis.legend();

# %% [markdown]
# *Figure 3. Example 1: 10,000 points $2z + 5$ and the density that the theorem predicts.*
#
# The eye is easily satisfied, so let us ask for a number. The Kolmogorov–Smirnov test measures the largest gap between the distribution function of the experiment and that of the theory, and says how often a gap at least as large would turn up if the theory were true. A wrong theory serves as a control: the same without the factor 0.5 is not even a density, so we take a standard deviation of 1.9 instead of 2.

# %% tags=["nbval-check-output"]
right = stats.kstest(samples_1, stats.norm(5, 2).cdf)
wrong = stats.kstest(samples_1, stats.norm(5, 1.9).cdf)
print(f"std 2.0: gap {right.statistic:.4f}, p-value {right.pvalue:.2f}")
print(f"std 1.9: gap {wrong.statistic:.4f}, p-value {wrong.pvalue:.5f}")


# %% [markdown]
# ## Example 2: two dimensions, and a map that bends
#
# $$z = f(x) = \begin{cases} z_1 = \ln x_1 \\ z_2 = x_2 - 2 \ln x_1 \end{cases}, \qquad x_1 > 0, \qquad p_z(z) = \frac{1}{2\pi} e^{-\frac{z_1^2 + z_2^2}{2}}.$$
#
# The matrix of first derivatives is triangular, so its determinant is the product of the diagonal:
#
# $$\frac{\partial f}{\partial x} = \begin{pmatrix} 1 / x_1 & 0 \\ -2 / x_1 & 1 \end{pmatrix}, \qquad \left|\det \frac{\partial f}{\partial x}\right| = \frac{1}{x_1},$$
#
# $$p_x(x) = \frac{1}{2\pi}\, e^{-\frac{(\ln x_1)^2 + (x_2 - 2 \ln x_1)^2}{2}} \cdot \frac{1}{x_1}.$$
#
# Note what did *not* matter: the element $-2/x_1$, however wild, does not enter the determinant. Units 02 and 03 live on this: a triangular Jacobian may hold a whole neural network below the diagonal, at no cost.
#
# To run the experiment we need the inverse. Solve from the top down: $x_1 = e^{z_1}$, then $x_2 = z_2 + 2 z_1$.

# %%
def forward_2(z):
    """Noise to data, (n, 2) -> (n, 2)."""
    z1, z2 = z.T
    return np.stack([np.exp(z1), z2 + 2 * z1], axis=1)


def inverse_2(x):
    """Data to noise, z = f(x)."""
    x1, x2 = x.T
    return np.stack([np.log(x1), x2 - 2 * np.log(x1)], axis=1)


def density_2(x):
    """p_x(x), (n, 2) -> (n,), by the theorem."""
    z = inverse_2(x)
    return np.exp(-(z**2).sum(axis=1) / 2) / (2 * np.pi) / x[:, 0]


samples_2 = forward_2(rng.standard_normal((200_000, 2)))

# %%
edges_1, edges_2 = np.linspace(0.02, 4, 41), np.linspace(-4, 5, 41)
centres = np.meshgrid(
    (edges_1[1:] + edges_1[:-1]) / 2, (edges_2[1:] + edges_2[:-1]) / 2, indexing="ij"
)
counts, *_ = np.histogram2d(*samples_2.T, bins=(edges_1, edges_2))
experiment = (
    counts / len(samples_2) / np.diff(edges_1)[0] / np.diff(edges_2)[0]
)  # per unit of area
theory = density_2(np.stack(centres, axis=-1).reshape(-1, 2)).reshape(experiment.shape)

figure, axes = plt.subplots(1, 2, figsize=(8, 3.8), subplot_kw={"projection": "3d"})
for axis, surface, title in zip(
    axes, (experiment, theory), ("experiment", "theory"), strict=True
):
    axis.plot_surface(*centres, surface, cmap="viridis", rcount=30, ccount=30)
    axis.set(xlabel="$x_1$", ylabel="$x_2$", title=title)
    axis.view_init(35, -110)


# %% [markdown]
# *Figure 4. Example 2: the histogram of 200,000 points as a surface, and the density of the theorem.*
#
# Now the number. Pearson's chi-squared test compares the counts in cells with the counts that the theory expects. The expected probability of a cell is the integral of the density over it; there are cells where hardly a point is expected, and they are lumped together into one. One p-value says little: under a true theory it is a random number between 0 and 1, below 0.1 once in ten times. So the experiment is repeated ten times. And the control: points made with $1.95$ in place of $2$, under the theory for $2$.

# %% tags=["nbval-check-output"]
def chi_squared(samples, density, edges_1, edges_2, fine=12):
    """p-value of the samples (n, 2) under the density, by counts in cells."""
    counts, *_ = np.histogram2d(*samples.T, bins=(edges_1, edges_2))
    fine_1, fine_2 = (
        np.linspace(e[0], e[-1], fine * (len(e) - 1) + 1) for e in (edges_1, edges_2)
    )
    middles = (fine_1[1:] + fine_1[:-1]) / 2, (fine_2[1:] + fine_2[:-1]) / 2
    points = np.stack(np.meshgrid(*middles, indexing="ij"), axis=-1)
    values = density(points.reshape(-1, 2)).reshape(len(edges_1) - 1, fine, -1, fine)
    area = np.outer(np.diff(edges_1), np.diff(edges_2))
    expected = len(samples) * values.mean(axis=(1, 3)) * area
    busy = expected > 10
    rest = [
        len(samples) - of[busy].sum() for of in (counts, expected)
    ]  # everything else
    observed = np.append(counts[busy], rest[0])
    return stats.chisquare(observed, np.append(expected[busy], rest[1])).pvalue


grid = np.linspace(0.02, 6, 41), np.linspace(-5, 6, 41)
for slope in (2, 1.95):
    values = []
    for seed in range(10):
        z1, z2 = np.random.default_rng(seed).standard_normal((2, 100_000))
        samples = np.stack([np.exp(z1), z2 + slope * z1], axis=1)
        values.append(chi_squared(samples, density_2, *grid))
    print(f"slope {slope:<4}: p-values", *(f"{value:.2f}" for value in sorted(values)))


# %% [markdown]
# ## There and back: the inverse change
#
# The theorem is symmetric. From the density of the data one gets that of the noise with the inverse map:
#
# $$p_z(z) = p_x(f^{-1}(z)) \left|\det \frac{\partial f^{-1}(z)}{\partial z}\right|.$$
#
# The two agree because the matrices are inverse to each other, $\frac{\partial f^{-1}}{\partial z} = \left(\frac{\partial f}{\partial x}\right)^{-1}$, and so the determinants are reciprocal: what is stretched one way is squeezed the other way. Computed rather than believed, with derivatives by finite differences:

# %% tags=["nbval-check-output"]
def numeric_jacobian(function, point, step=1e-5):
    """The matrix (D, D) at one point (D,), by central differences."""
    steps = step * np.eye(len(point))
    return (function(point + steps) - function(point - steps)).T / (2 * step)


x = np.array([[1.7, 0.3]])
z = inverse_2(x)
there = np.linalg.det(numeric_jacobian(inverse_2, x[0]))
back = np.linalg.det(numeric_jacobian(forward_2, z[0]))
print(f"det df/dx        {there:.6f}     1 / x1 = {1 / x[0, 0]:.6f}")
print(f"det df^-1/dz     {back:.6f}")
print(f"their product    {there * back:.6f}")
print(f"p_z(z)           {stats.norm.pdf(z).prod():.6f}")
print(f"p_x(f^-1(z)) det {density_2(x)[0] * back:.6f}")


# %% [markdown]
# ## Two maps in a row: log-determinants add
#
# One simple map bends a density a little. To bend it a lot, compose: $y = f_1(x)$, then $z = f_2(y)$. Apply the theorem twice,
#
# $$p_x(x) = p_y(f_1(x)) \left|\det \frac{\partial f_1(x)}{\partial x}\right|, \qquad p_y(y) = p_z(f_2(y)) \left|\det \frac{\partial f_2(y)}{\partial y}\right|,$$
#
# and put the second into the first:
#
# $$p_x(x) = p_z\bigl(f_2(f_1(x))\bigr) \left|\det \frac{\partial f_2(y)}{\partial y}\right| \left|\det \frac{\partial f_1(x)}{\partial x}\right|, \qquad y = f_1(x).$$
#
# It is the chain rule, $\frac{\partial z}{\partial x} = \frac{\partial z}{\partial y}\frac{\partial y}{\partial x}$, and $\det(AB) = \det A \det B$. Mind **where** each derivative is taken: the second one at $y$, not at $x$. For $K$ maps in logarithms:
#
# $$\boxed{\;\log p_x(x) = \log p_z(z) + \sum_{k=1}^{K} \log \left|\det \frac{\partial f_k(y_{k-1})}{\partial y_{k-1}}\right|\;}$$
#
# $$y_0 = x, \qquad y_k = f_k(y_{k-1}), \qquad z = y_K.$$
#
# Logarithms are not decoration. An image of $32 \times 32 \times 3$ has 3072 dimensions; a factor of 2 in each is $2^{3072} \approx 10^{925}$, and a `float32` ends at $10^{38}$. The logarithm of it is a modest $3072 \ln 2 \approx 2129$. So every layer returns two things, its value and its log-determinant, and the log-determinants are summed.

# %% tags=["nbval-check-output"]
def compose(x):
    """f_2(f_1(x)): the map of figure 2, shifted to positive x1, then example 2."""
    return inverse_2(f(x) + [3, 0])


x = np.array([0.4, 0.9])
y = f(x) + [3, 0]
whole = np.linalg.slogdet(numeric_jacobian(compose, x)).logabsdet
first = np.linalg.slogdet(jacobian(x)).logabsdet
second = np.log(1 / y[0])  # at y
print(f"log-determinant of the composition   {whole:.6f}")
print(f"sum of the two log-determinants      {first + second:.6f}")
print(f"the second one taken at x by mistake {first + np.log(1 / x[0]):.6f}")
with np.errstate(over="ignore"):
    print("2^3072 in float32:", np.float32(2) ** np.float32(3072))
print(f"and its logarithm: {3072 * np.log(2):.1f}")

# %% [markdown]
# ## From the theorem to a model
#
# So far $f$ was given. Turn the question round: **given** are the data, a matrix $X$ of $n$ objects; **wanted** is an $f$ that makes them standard normal. Take a family $f_\theta$ of invertible functions with parameters $\theta$, and choose the member under which the data are most probable. This is maximum likelihood, and the loss is the negative log-likelihood:
#
# $$L(\theta) = -\frac{1}{n} \sum_{i=1}^{n} \log p_x(x_i) = -\frac{1}{n} \sum_{i=1}^{n} \left( \log p_z(f_\theta(x_i)) + \log\left|\det \frac{\partial f_\theta(x_i)}{\partial x_i}\right| \right).$$
#
# The two terms pull in opposite directions. The first wants every $z$ near 0, the mode of the noise: squeeze everything to a point! The second wants to stretch. Their balance is the density.
#
# **How low can the loss get?** On average over the data it is the cross-entropy, and that is never less than the entropy of the true density, $L(\theta) \ge H(p) = -\int p(x) \log p(x)\,dx$, with equality only for $p_x = p$. Where we know the entropy we know how good a trained flow is, in nats.
#
# **Algorithm: training.** Repeat: take $m$ data points; compute $L$ on them; step $\theta \leftarrow \theta - \eta \nabla_\theta L$.
#
# **Algorithm: generation.** Draw $m$ noise points $z_i \sim p_z$; return $x_i = f_\theta^{-1}(z_i)$.
#
# So $f_\theta$ has to be differentiable (for training), to have a determinant that is cheap, and to be invertible (for generation). Training runs from data to noise, generation from noise to data.

# %% [markdown]
# ## A flow in one dimension
#
# The data have two humps, and the true density is known, so we shall be able to grade ourselves:
#
# $$p(x) = 0.35\;\mathcal N(x;\,-2,\,0.5^2) + 0.65\;\mathcal N(x;\,1.5,\,0.8^2).$$
#
# In one dimension "invertible" means "monotone". A sum of increasing functions increases, so take a line and $K$ smooth steps, with positive slope $a$, heights $h_k$ and steepnesses $s_k$:
#
# $$z = f(x) = a x + b + \sum_{k=1}^K h_k \tanh\bigl(s_k (x - c_k)\bigr),$$
#
# $$\frac{dz}{dx} = a + \sum_{k=1}^K h_k s_k \Bigl(1 - \tanh^2\bigl(s_k (x - c_k)\bigr)\Bigr) > 0.$$
#
# Numbers are made positive by an exponential. TensorFlow differentiates $L$ for us; the rest is the algorithm above, word for word.

# %%
import keras
import tensorflow as tf

from dgm_tfp import profiles

keras.utils.set_random_seed(0)
profile = profiles.current().name  # "laptop" by default: decides the number of steps
LOG_2PI = np.log(2 * np.pi)


def log_normal(z):
    """log N(z; 0, 1), any shape."""
    return -0.5 * (z**2 + LOG_2PI)


# %%
def two_humps(n, rng):
    left = rng.random(n) < 0.35
    return np.where(left, rng.normal(-2, 0.5, n), rng.normal(1.5, 0.8, n)).astype(
        np.float32
    )


def true_density(x):
    return 0.35 * stats.norm.pdf(x, -2, 0.5) + 0.65 * stats.norm.pdf(x, 1.5, 0.8)


def true_cdf(x):
    return 0.35 * stats.norm.cdf(x, -2, 0.5) + 0.65 * stats.norm.cdf(x, 1.5, 0.8)


entropy_1 = integrate.quad(lambda x: -true_density(x) * np.log(true_density(x)), -8, 8)[
    0
]

steps = 6
theta = {
    "log_a": tf.Variable(-1.0),
    "b": tf.Variable(0.0),
    "log_h": tf.Variable(tf.fill([steps], -2.0)),
    "log_s": tf.Variable(tf.zeros([steps])),
    "c": tf.Variable(tf.linspace(-3.0, 3.0, steps)),
}


def flow_1d(x):
    """z = f(x) and log dz/dx: (n,) -> (n,), (n,)."""
    a, h, s = tf.exp(theta["log_a"]), tf.exp(theta["log_h"]), tf.exp(theta["log_s"])
    step = tf.tanh(s * (x[:, None] - theta["c"]))  # (n, K)
    z = a * x + theta["b"] + tf.reduce_sum(h * step, axis=1)
    return z, tf.math.log(a + tf.reduce_sum(h * s * (1 - step**2), axis=1))


def log_prob_1d(x):
    z, log_det = flow_1d(x)
    return log_normal(z) + log_det


# %%
def train(log_prob, variables, batches, learning_rate, watch=lambda index: None):
    """The training algorithm. Returns the losses; calls `watch` before each step."""
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(variables)

    @tf.function  # compiled into a graph
    def step(batch):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(log_prob(batch))  # L on m points
        # theta <- theta - eta grad L, with Adam's choice of eta
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    losses = []
    for index, batch in enumerate(batches):
        watch(index)
        losses.append(float(step(batch)))
    return np.array(losses)


# %%
x_axis = np.linspace(-4.5, 4.5, 400).astype(np.float32)
frames_1d = {}
total = {"smoke": 300, "laptop": 2000, "gpu": 2000}[profile]
moments = [0, total // 20, total // 8, total - 1]


def keep_frame(index):
    if index in moments:
        frames_1d[index] = np.exp(log_prob_1d(x_axis))


batches = (two_humps(1024, rng) for _ in range(total))
losses_1d = train(
    log_prob_1d, list(theta.values()), batches, learning_rate=0.01, watch=keep_frame
)

# %%
figure, axes = plt.subplots(1, 4, figsize=(9, 2.4), sharey=True)
humps = two_humps(20_000, rng)
for axis, moment in zip(axes, moments, strict=True):
    axis.hist(humps, bins=80, density=True, color=LIGHT)
    axis.plot(x_axis, frames_1d[moment], color=RED)
    axis.set(xlabel="$x$", title=f"step {moment}")
axes[0].set(ylabel="$p_x(x)$");


# %% [markdown]
# *Figure 5. Training in four frames: the data (histogram) and the density of the flow (line).*
#
# Now generation. Our $f$ has no inverse in closed form, but it increases, so the equation $f(x) = z$ is solved by bisection: halve an interval until it is small enough. An inverse that exists and an inverse that has a formula are different things; a formula is faster.

# %%
def invert_1d(z, low=-100.0, high=100.0, halvings=40):
    """x with f(x) = z, by bisection: (n,) -> (n,)."""
    low, high = tf.fill(tf.shape(z), low), tf.fill(tf.shape(z), high)
    for _ in range(halvings):
        middle = (low + high) / 2
        too_far = flow_1d(middle)[0] > z
        low, high = tf.where(too_far, low, middle), tf.where(too_far, middle, high)
    return (low + high) / 2


noise_1d = rng.standard_normal(20_000).astype(np.float32)
generated_1d = invert_1d(noise_1d).numpy()
loss_1d = float(-np.mean(log_prob_1d(two_humps(50_000, rng))))
gap = stats.ks_1samp(generated_1d, true_cdf).statistic
print(
    f"loss on new data {loss_1d:.3f} nats, entropy of the true density {entropy_1:.3f}"
)
print(f"generated points: largest gap to the true distribution function {gap:.3f}")
error = np.abs(flow_1d(generated_1d)[0] - noise_1d).max()
print(f"f(f^-1(z)) differs from z by {error:.0e} at most")

# %%
figure, axes = plt.subplots(1, 2, figsize=(8.5, 3), width_ratios=(3, 2))
paths = np.stack([noise_1d[:100], generated_1d[:100]])
axes[0].plot([0, 1], paths, color=BLUE, lw=0.4, alpha=0.6)
for values, position, sign in ((noise_1d, 0, -1), (generated_1d, 1, 1)):
    density, edges = np.histogram(values, bins=80, range=(-4, 4), density=True)
    axes[0].fill_betweenx(
        (edges[1:] + edges[:-1]) / 2, position, position + sign * density, color=LIGHT
    )
axes[0].set(xticks=[0, 1], xticklabels=["noise $z$", "data $x$"], ylim=(-4, 4))
axes[1].plot(x_axis, flow_1d(x_axis)[0], color=BLUE)
axes[1].set(xlabel="$x$", ylabel="$z = f(x)$");

# %% [markdown]
# *Figure 6. Left: where each noise point goes. Right: the learned $f$, steep where data are dense ($dz/dx$ large) and flat in the gap between the humps.*

# %% [markdown]
# ## A flow in two dimensions
#
# In two dimensions monotone is not enough, and we need a family that can be inverted *and* whose determinant is cheap. Example 2 shows the way: leave one coordinate alone and move the other by an amount that depends on the first. Such a **shear** has a unit determinant whatever the amount, and it is undone by subtracting what was added. One layer, from data to noise, with the two coordinates changing roles from layer to layer:
#
# $$y_1 = x_1, \qquad y_2 = x_2 - g(x_1), \qquad g(u) = \sum_{j=1}^{H} a_j \tanh(w_j u + v_j),$$
#
# $$z = e^{s} \odot y, \qquad \log\left|\det \tfrac{\partial z}{\partial x}\right| = s_1 + s_2.$$
#
# $\odot$ multiplies element by element. The function $g$ is a tiny neural network; nothing has to be invertible about it. Six such layers, and the data are two moons.

# %%
from dgm_tfp import data

moons = data.load("moons", "train").images
centre, spread = moons.mean(axis=0), moons.std(axis=0)
moons = (moons - centre) / spread
moons_test = (data.load("moons", "test").images - centre) / spread

layers, hidden = 6, 16
start = np.random.default_rng(1)
parameters = [
    {
        "a": tf.Variable(
            tf.zeros([hidden])
        ),  # so that every layer starts as the identity
        "w": tf.Variable(start.normal(0, 2, hidden).astype(np.float32)),
        "v": tf.Variable(start.normal(0, 2, hidden).astype(np.float32)),
        "s": tf.Variable(tf.zeros([2])),
    }
    for _ in range(layers)
]


def g(u, p):
    """The amount of the shear, (n,) -> (n,)."""
    return tf.reduce_sum(p["a"] * tf.tanh(p["w"] * u[:, None] + p["v"]), axis=1)


def to_noise(x):
    """z = f(x), (n, 2), and log abs det dz/dx, here the same for all points."""
    log_det = tf.constant(0.0)
    for p in parameters:
        kept, moved = x[:, 0], x[:, 1]
        x = tf.stack([moved - g(kept, p), kept], axis=1) * tf.exp(
            p["s"]
        )  # and the roles are swapped
        log_det += tf.reduce_sum(p["s"])
    return x, log_det


def to_data(z):
    """x = f^-1(z): the layers undone, last first. Returns the points after each."""
    path = [z]
    for p in reversed(parameters):
        moved, kept = tf.unstack(z * tf.exp(-p["s"]), axis=1)
        z = tf.stack([kept, moved + g(kept, p)], axis=1)
        path.append(z)
    return path


def log_prob_2d(x):
    z, log_det = to_noise(x)
    return tf.reduce_sum(log_normal(z), axis=1) + log_det


total = {"smoke": 300, "laptop": 3000, "gpu": 3000}[profile]
batches = (moons[rng.integers(len(moons), size=256)] for _ in range(total))
variables = [variable for p in parameters for variable in p.values()]
losses_2d = train(log_prob_2d, variables, batches, learning_rate=0.01)
print(f"loss on the test set: {-np.mean(log_prob_2d(moons_test)):.3f} nats")

# %% [markdown]
# Before we admire it, the check that every flow of this course has to pass: is the log-determinant that the layers report that of the map they compute? Automatic differentiation gives the whole $2 \times 2$ matrix, and the determinant of that knows nothing of our formula. And the density has to integrate to 1.

# %% tags=["nbval-check-output"]
x = tf.constant(moons_test[:50])
with tf.GradientTape() as tape:
    tape.watch(x)
    z, log_det = to_noise(x)
matrices = tape.batch_jacobian(z, x)  # (50, 2, 2)
brute_force = np.log(np.abs(np.linalg.det(matrices.numpy().astype(np.float64))))

axis_2d = np.linspace(-3, 3, 241).astype(np.float32)
plane = np.stack(np.meshgrid(axis_2d, axis_2d), axis=-1)
density_2d = np.exp(log_prob_2d(plane.reshape(-1, 2)).numpy().reshape(241, 241))
print("log-determinants agree:", np.allclose(brute_force, log_det, atol=1e-3))
print("f^-1(f(x)) = x:", np.allclose(to_data(z)[-1], x, atol=1e-3))
print(
    f"integral of the density: {density_2d.sum() * (axis_2d[1] - axis_2d[0]) ** 2:.2f}"
)

# %%
noise_2d = rng.standard_normal((2000, 2)).astype(np.float32)
path = to_data(noise_2d)
figure, axes = plt.subplots(1, len(path), figsize=(11, 1.9))
for k, (axis, points) in enumerate(zip(axes, path, strict=True)):
    axis.scatter(
        *np.asarray(points).T,
        c=np.arctan2(noise_2d[:, 1], noise_2d[:, 0]),
        cmap="twilight",
        s=1,
    )
    axis.set_title(f"$f_{{{len(path) - k}}}^{{-1}}$" if k else "$z$")
    axis.axis("off")
axes[-1].set_title("$x$");

# %% [markdown]
# *Figure 7. Generation, layer by layer: the same 2,000 points on their way from noise to data. Colour: the angle of the noise point, so that one sees who went where.*

# %%
figure, axes = plt.subplots(1, 3, figsize=(9.5, 3), sharex=True, sharey=True)
axes[0].scatter(*moons_test.T, s=2, color=BLUE)
axes[1].scatter(*path[-1].numpy().T, s=2, color=RED)
axes[2].pcolormesh(axis_2d, axis_2d, density_2d, cmap="viridis")
for axis, title in zip(
    axes, ("test set", "samples of the flow", "density"), strict=True
):
    axis.set(title=title, xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), aspect="equal")

# %% [markdown]
# *Figure 8. The flow after training. The thread between the moons is not bad luck: a continuous invertible map cannot tear the plane, so the connected normal cloud stays connected. Training can only make the thread thinner.*

# %% [markdown]
# ## What goes wrong
#
# **Forget the determinant.** It is the commonest mistake, because the code still runs and the loss goes down, faster than before even. Let the family be $z = a\,x$ and the data $\mathcal N(0, 2^2)$, so that the right answer is $a = 1/2$. Without the log-determinant the loss only rewards small $z$, and the best "flow" is $a = 0$: it sends everything to one point, which cannot be undone.

# %%
points = rng.normal(0, 2, 5_000)
a = np.geomspace(0.01, 2, 100)
without = np.array([-np.mean(log_normal(value * points)) for value in a])
right = without - np.log(a)

figure, axis = plt.subplots(figsize=(6, 2.8))
axis.semilogx(a, right, color=BLUE, label="with the log-determinant")
axis.semilogx(a, without, color=RED, label="without it")
axis.axvline(0.5, color="grey", lw=0.8, ls="--")
axis.set(xlabel="$a$", ylabel="$L(a)$", ylim=(0.5, 6))
axis.legend();

# %% [markdown]
# *Figure 9. The loss of $z = ax$. Red is the commonest bug in a flow.*
#
# A test that catches it is the integral: a density integrates to 1. For example 1 we find 2 without the factor; turned upside down ($dx/dz$ instead of $dz/dx$) it is 4.
#
# **A map that is not invertible.** Let $z = x^2$ with $x \sim \mathcal N(0, 1)$, and ask for the density of $z$. Two points, $\pm\sqrt z$, arrive at the same $z$, and the formula with one of them counts half of the probability. (Then one sums over all the preimages; a flow avoids the question by being invertible.)
#
# **The sign.** The determinant may be negative: a reflection has $-1$. A density may not. Hence the absolute value, and `slogdet` rather than `log(det)`.

# %% tags=["nbval-check-output"]
for name, factor in (("0.5", 0.5), ("1", 1.0), ("2", 2.0)):
    integral = integrate.quad(
        lambda x, factor=factor: stats.norm.pdf(0.5 * x - 2.5) * factor, -30, 40
    )[0]
    print(f"example 1 with the factor {name:3}: integral {integral:.3f}")

one_branch = integrate.quad(
    lambda z: stats.norm.pdf(np.sqrt(z)) / (2 * np.sqrt(z)), 0, 60
)[0]
print(f"z = x^2, one branch:           integral {one_branch:.3f}")

mirror = np.diag([1.0, -3.0])
print(f"mirror: det {np.linalg.det(mirror):.0f}, ln 3 = {np.log(3):.4f}")
print(f"slogdet: {np.linalg.slogdet(mirror).logabsdet:.4f}")

# %% [markdown]
# ## The same with TensorFlow Probability
#
# TFP calls an invertible map with a known log-determinant a **bijector**. Its direction is that of generation: `forward` takes noise to data, `inverse` data to noise. A bijector has
#
# | method | gives | in our notation |
# |---|---|---|
# | `forward(z)` | data | $f^{-1}(z)$ |
# | `inverse(x)` | noise | $f(x)$ |
# | `inverse_log_det_jacobian(x)` | what the theorem needs | $\log\lvert\det \partial f / \partial x\rvert$ |
# | `forward_log_det_jacobian(z)` | minus the same at $z = f(x)$ | $\log\lvert\det \partial f^{-1} / \partial z\rvert$ |
#
# and `tfd.TransformedDistribution(base, bijector)` is the theorem: its `log_prob` adds the two logarithms, its `sample` draws noise and calls `forward`. Example 1 is a chain of two stock bijectors (`tfb.Chain` applies the **last** one first), example 2 a small class of our own.

# %% tags=["nbval-check-output"]
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

example_1 = tfd.TransformedDistribution(
    tfd.Normal(0.0, 1.0),
    tfb.Chain([tfb.Shift(5.0), tfb.Scale(2.0)]),  # x = 2 z + 5
)


class Example2(tfb.Bijector):
    """x1 = exp(z1), x2 = z2 + 2 z1."""

    def __init__(self):
        super().__init__(
            forward_min_event_ndims=1
        )  # it acts on vectors: one axis is one point

    def _forward(self, z):
        return tf.stack([tf.exp(z[..., 0]), z[..., 1] + 2 * z[..., 0]], axis=-1)

    def _inverse(self, x):
        z1 = tf.math.log(x[..., 0])
        return tf.stack([z1, x[..., 1] - 2 * z1], axis=-1)

    def _inverse_log_det_jacobian(self, x):
        return -tf.math.log(x[..., 0])


example_2 = tfd.TransformedDistribution(
    tfd.MultivariateNormalDiag(tf.zeros(2)), Example2()
)

x = samples_1.astype(np.float32)
print("example 1:", np.allclose(example_1.prob(x), density_1(x), atol=1e-6))
x = samples_2[:1000].astype(np.float32)
print("example 2:", np.allclose(example_2.log_prob(x), np.log(density_2(x)), atol=1e-4))
forward_log_det = example_2.bijector.forward_log_det_jacobian([0.5, 0.0])
print(f"forward log-determinant, which TFP derives: {forward_log_det:.4f}")

# %% [markdown]
# ## The same in `dgm_tfp`
#
# For a *trained* flow two things are missing. The parameters have to live somewhere, be found by an optimizer, be saved and loaded; and a bijector with a network should compute its value and its log-determinant in one pass instead of running the network twice. So in `dgm_tfp`
#
# * a bijector is a `bijectors.OnePass`: it has two methods, `forward_and_log_det` and `inverse_and_log_det`, each of which returns both, and TFP's four methods follow;
# * a model is a `models.Flow`, that is, a `keras.Model` that owns the weights. Its property `flow_bijector` builds the bijector from them, and `fit`, `save`, `log_prob`, `sample` and `distribution` come with it.
#
# Here is our two-dimensional flow once more.

# %%
from dgm_tfp import bijectors, models


class ShearAndScale(bijectors.OnePass):
    """One layer: from noise to data, unscale, swap, and shear back."""

    def __init__(self, p):
        super().__init__(event_ndims=1)
        self.p = p

    def forward_and_log_det(self, z):
        moved, kept = tf.unstack(z * tf.exp(-self.p["s"]), axis=1)
        x = tf.stack([kept, moved + g(kept, self.p)], axis=1)
        return x, -tf.reduce_sum(self.p["s"])

    def inverse_and_log_det(self, x):
        kept, moved = tf.unstack(x, axis=1)
        sheared = tf.stack([moved - g(kept, self.p), kept], axis=1)
        return sheared * tf.exp(self.p["s"]), tf.reduce_sum(self.p["s"])


class ShearFlow(models.Flow):
    def __init__(self, layers, hidden, **kwargs):
        # bins=None: the data are real numbers, not bytes
        super().__init__(event_shape=(2,), bins=None, **kwargs)
        for k in range(layers):
            for name, seed in (("w", 2 * k), ("v", 2 * k + 1)):
                start = keras.initializers.RandomNormal(stddev=2, seed=seed)
                setattr(
                    self,
                    f"{name}_{k}",
                    self.add_weight(shape=(hidden,), initializer=start),
                )
            setattr(
                self, f"a_{k}", self.add_weight(shape=(hidden,), initializer="zeros")
            )
            setattr(self, f"s_{k}", self.add_weight(shape=(2,), initializer="zeros"))
        self.layer_count = layers
        self.build()

    @property
    def flow_bijector(self):  # noise to data: the layer next to the data comes first
        def weights(k):
            return {name: getattr(self, f"{name}_{k}").value for name in "awvs"}

        return bijectors.Chain(
            [ShearAndScale(weights(k)) for k in range(self.layer_count)]
        )


flow = ShearFlow(layers, hidden)
flow.compile(
    optimizer=keras.optimizers.Adam(0.01)
)  # the loss is the negative log-likelihood
epochs = {"smoke": 1, "laptop": 40, "gpu": 40}[profile]
flow.fit(moons, epochs=epochs, batch_size=128, verbose=0)
print(f"loss on the test set: {-flow.log_prob(moons_test).mean():.3f} nats")
print("weights:", flow.count_params())

# %% [markdown]
# It is the same function as the one written by hand: give it the hand-written flow's weights, and it gives the hand-written flow's numbers. `decompose` returns the two terms of the loss apart; unit 08 lives on that.

# %% tags=["nbval-check-output"]
for k, p in enumerate(parameters):
    for name, value in p.items():
        getattr(flow, f"{name}_{k}").assign(value)

parts = flow.decompose(moons_test)
print(
    "log p(x) as by hand:",
    np.allclose(flow.log_prob(moons_test), log_prob_2d(moons_test), atol=1e-3),
)
print(
    "log p(z) + log-volume = log p(x):",
    np.allclose(parts.log_p_z + parts.log_volume, parts.log_prob),
)
print(
    "a tfd.TransformedDistribution:",
    isinstance(flow.distribution, tfd.TransformedDistribution),
)
print("samples:", flow.sample(5, seed=0).shape)

# %% [markdown]
# ## In one screen
#
# | | |
# |---|---|
# | theorem | $p_x(x) = p_z(f(x))\,\lvert\det \partial f / \partial x\rvert$ |
# | inverse change | $p_z(z) = p_x(f^{-1}(z))\,\lvert\det \partial f^{-1} / \partial z\rvert$ |
# | composition | log-determinants add, each taken at its own layer's input |
# | loss | $L = -\frac1n \sum_i \bigl(\log p_z(f(x_i)) + \log\lvert\det \partial f(x_i) / \partial x_i\rvert\bigr) \ge H(p)$ |
# | training | data → noise, gradient step on $L$ |
# | generation | noise → data by $f^{-1}$ |
# | a good $f$ | differentiable, invertible, with a cheap determinant |
#
# ## Questions
#
# <details>
# <summary><b>1.</b> Height is measured in metres and has a density. We pass to centimetres. What happens to the density, to the log-likelihood, and to the comparison of two models?</summary>
#
# $z$ stays what it was, $x$ becomes 100 times larger, so $|dz/dx|$ becomes 100 times smaller: the density is divided by 100, and the log-likelihood falls by $\ln 100 \approx 4.6$ nats for every measurement. The difference between two models does not change. Hence a log-likelihood without the units of $x$ means nothing, and images are compared in bits per dimension with the units fixed.
#
# </details>
#
# <details>
# <summary><b>2.</b> Can a density be greater than 1? Can the negative log-likelihood be less than 0?</summary>
#
# Yes and yes. A density is probability per unit of volume. $\mathcal N(0, 0.1^2)$ has the value 3.99 at 0, and its entropy is $\frac12\ln(2\pi e \cdot 0.01) \approx -0.88$ nats.
#
# </details>
#
# <details>
# <summary><b>3.</b> Why are log-determinants added and not averaged over the layers?</summary>
#
# Volumes multiply: if the first layer stretches 2 times and the second 3 times, the two stretch 6 times, $\ln 2 + \ln 3 = \ln 6$. They are added over the *layers* and over the *dimensions* of an example. They are never added over the *examples*: each example has its own log-likelihood; over examples the loss takes the mean.
#
# </details>
#
# <details>
# <summary><b>4.</b> Computing the determinant of a $D \times D$ matrix takes about $D^3$ operations. How did our two-dimensional flow get by with an addition?</summary>
#
# By its structure. A shear has a triangular Jacobian with ones on the diagonal, its determinant is 1; scaling is diagonal, its log-determinant is the sum of $s$. For a $32 \times 32 \times 3$ image $D^3 \approx 3 \cdot 10^{10}$ per example, and the sum of 3072 numbers costs nothing. Units 02 and 03 find richer maps that are still triangular.
#
# </details>
#
# <details>
# <summary><b>5.</b> All layers of our two-dimensional flow have a constant determinant. Does the flow then have a density of constant height?</summary>
#
# No. $p_x(x) = p_z(f(x)) \cdot \text{const}$, and $p_z(f(x))$ varies: it is high where $f(x)$ is near 0. But the contours of equal density are images of circles, and the area inside a contour is that of the circle, times a constant. A flow whose determinant depends on $x$ is freer: that is the step from NICE to Real-NVP in unit 02.
#
# </details>
#
# <details>
# <summary><b>6.</b> Can a flow map a normal distribution in the plane to one that lives on a curve? And to two separate islands?</summary>
#
# To a curve: no. The image would have no area, the determinant of $f^{-1}$ would be 0, and $f$ would not exist. This is why noise is added to integer-valued images (dequantization, unit 04). To two islands: not exactly. The map is continuous, and the image of a connected set is connected; some thread remains, with a probability that training makes small.
#
# </details>
#
# <details>
# <summary><b>7.</b> The loss of a flow on the test set is 1.95 nats, and the entropy of the true density is 1.80. What is the difference called, and what does it say?</summary>
#
# The Kullback–Leibler divergence $D_{KL}(p\,\|\,p_x) = L - H(p) = 0.15$ nats: what the model loses on average per example because its density is not the true one. It is never negative; if it is seen to be, there is a mistake in the log-determinant, or the test set is small.
#
# </details>
#
# ## What to read
#
# * E. Tabak, E. Vanden-Eijnden. *Density estimation by dual ascent of the log-likelihood.* Communications in Mathematical Sciences, 2010. Flows before they were called so.
# * L. Dinh, D. Krueger, Y. Bengio. *NICE: Non-linear Independent Components Estimation.* ICLR workshop, 2015, [arXiv:1410.8516](https://arxiv.org/abs/1410.8516). Our shear, with deep networks.
# * D. Rezende, S. Mohamed. *Variational Inference with Normalizing Flows.* ICML, 2015, [arXiv:1505.05770](https://arxiv.org/abs/1505.05770). The name.
# * G. Papamakarios, E. Nalisnick, D. Rezende, S. Mohamed, B. Lakshminarayanan. *Normalizing Flows for Probabilistic Modeling and Inference.* JMLR, 2021, [arXiv:1912.02762](https://arxiv.org/abs/1912.02762). The survey to keep at hand.
# * J. Dillon et al. *TensorFlow Distributions.* 2017, [arXiv:1711.10604](https://arxiv.org/abs/1711.10604). Why bijectors are the way they are.
#
# Now the [lab](../../labs/en/01_change_of_variables.ipynb).
