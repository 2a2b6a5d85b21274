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
# # Glow: a flow for images
#
# **The question.** [Unit 02](02_real_nvp.ipynb) drew digits of $14 \times 14$ pixels with couplings whose masks we chose by hand, after taking out the mean and the spread of every pixel. Which of that should a flow of real images *learn* instead? What does a likelihood mean for pixels, which are whole numbers? And what does it take to train such a model on a graphics card?
#
# The answer to the first question is a layer in three parts (Kingma & Dhariwal, 2018): ActNorm, an invertible $1 \times 1$ convolution, an affine coupling. Each has a log-determinant that fits in one line, and you will check each line against the full matrix. By the end of this notebook you will have built Glow by hand, seen that it is the same function as the library's, trained it on clothes, sampled hot and cold, walked between two photographs, and caught five mistakes that spoil the numbers people report.
#
# **You need** units 01 and 02, and an idea of what a convolution is. **It takes** about 80 minutes, and then 60 to 90 for the [lab](../../labs/en/04_glow.ipynb). A GPU is not needed.
#
# | symbol | meaning |
# |---|---|
# | $h, w, c$; $D = h w c$ | height, width, channels of an image or of a layer's input; how many numbers that is |
# | $x_{ij} \in \mathbb R^c$ | the channels of the pixel in row $i$ and column $j$ |
# | $z = f(x)$ | from data to noise, as always |
# | $\phi$, $\psi$ | the parameters of the map $f$ and those of the noise $p_z$ |
# | $K$, $L$ | steps of flow at each scale, and scales |

# %%
import os
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import integrate, linalg, stats

from dgm_tfp import bits, data, models, profiles, training

GPUS = tf.config.list_physical_devices("GPU")
for gpu in GPUS:  # before anything is computed: afterwards it is too late
    tf.config.experimental.set_memory_growth(gpu, True)
tf.config.experimental.enable_tensor_float_32_execution(False)
policy = "float32"  # of the networks
if GPUS:
    details = tf.config.experimental.get_device_details(GPUS[0])
    capability = details.get("compute_capability", (0, 0))
    if capability >= (8, 0):  # Ampere or newer: they multiply in bfloat16
        policy = "mixed_bfloat16"

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

# %%
clothes = data.load("fashion_mnist", "train", source="embedded").images
clothes_test = data.load("fashion_mnist", "test", source="embedded").images
digits_test = data.load("mnist", "test", source="embedded").images
print("clothes:", clothes.shape, clothes.dtype)

# %% [markdown]
# (Some lines in the first cell look for a GPU and choose `policy` accordingly. They stand there because they have to come before the first computation; the section "Training on a GPU" explains them.)
#
# ## What exactly is maximised
#
# The data come from a density $p^*(x)$ that nobody knows, and we have a model $p(x;\theta)$. We would like the two to be close, in the sense of the Kullback–Leibler divergence:
#
# $$D_{KL}\bigl(p^* \,\|\, p\bigr) = \int p^*(x) \log \frac{p^*(x)}{p(x;\theta)}\,dx = -\mathbb H[p^*] - \mathbb E_{p^*} \log p(x;\theta) \approx -\mathbb H[p^*] - \frac1N \sum_{n=1}^N \log p(x_n;\theta).$$
#
# The entropy of the data does not depend on $\theta$. So the closest model is the one with the greatest likelihood. Put in the change of variables of unit 01, with $\theta = (\phi, \psi)$, the parameters of the map and those of the noise:
#
# $$\theta^* = \arg\max_{\phi,\,\psi} \sum_{n=1}^N \Bigl[\;\underbrace{\log p_z\bigl(f(x_n;\phi);\,\psi\bigr)}_{\text{where the image lands}} + \underbrace{\log\left|\det \frac{\partial f(x_n;\phi)}{\partial x_n}\right|}_{\text{how much space is stretched there}}\;\Bigr].$$
#
# The search for the optimum has thus split into **two parts that pull apart**. The first would like every image to land where the noise is densest: all of them on one point, if that were all. The second would like to stretch, which throws the images apart. Only the first knows $\psi$, and for normal noise the best $\psi$ is found without any search: the mean and the standard deviation of $f(x_n;\phi)$.
#
# Check it where everything is known: $p^*$ is a gamma density, the flow is $z = x^\phi$, the noise is $\mathcal N(\psi)$. The integral is the truth, the sample is what one has in practice.

# %% tags=["nbval-check-output"]
truth = stats.gamma(2)
points = truth.rvs(1_000_000, random_state=0)


def two_parts(x, phi, psi):
    """log p_z(f(x)) and log |df/dx| of the flow z = x ** phi."""
    z = x**phi
    return stats.norm.logpdf(z, *psi), np.log(phi) + (phi - 1) * np.log(x)


def divergence(phi, psi):
    """KL(p* || p) by integration."""

    def integrand(x):
        return truth.pdf(x) * (truth.logpdf(x) - sum(two_parts(x, phi, psi)))

    return integrate.quad(integrand, 0, 60, limit=200)[0]


print("phi    log p_z   log-volume   -mean log p - H   KL")
for phi in (1, 1 / 2, 1 / 3, 1 / 6):
    psi = (points**phi).mean(), (points**phi).std()
    parts = [part.mean() for part in two_parts(points, phi, psi)]
    estimate = -sum(parts) - truth.entropy()
    print(
        f"{phi:.3f} {parts[0]:8.3f} {parts[1]:10.3f} {estimate:14.3f}"
        f"{divergence(phi, psi):12.3f}"
    )

# %% [markdown]
# The last two columns agree, and neither part alone says which flow is best: the first grows all the way as the volume shrinks. Their sum is best at $\phi = 1/3$ (Wilson and Hilferty noticed in 1931 that the cube root of a gamma variable is nearly normal).
#
# For Glow the second part is a sum over all layers, and this unit is about making each of its terms cheap. But first: $x_n$ of what?
#
# ## Pixels are whole numbers
#
# A brightness is one of $0, \dots, 255$. Such data have probabilities $P(x)$ and no density, and a density model fed with them will find that out: it puts a needle on each whole number, as thin as it likes, and its likelihood grows without bound. Nothing has been learned; a comb has been grown.
#
# The remedy is called **dequantization**: add noise, $y = x + u$ with $u$ uniform on $[0, 1)^D$, and fit the density $q$ to $y$. What does that say of the whole numbers themselves? A density of $y$ gives a *probability* to each $x$: that of its cell,
#
# $$Q(x) = \int_{[0,1)^D} q(x + u)\,du.$$
#
# > **Theorem (Theis et al., 2016).** For data with probabilities $P$
# >
# > $$\mathbb E_{P}\, \mathbb E_u \log q(x + u) \;\le\; \mathbb E_P \log Q(x) \;\le\; -\mathbb H[P].$$
#
# *Proof.* The integral over a cube of volume 1 is a mean over $u$, and the logarithm is concave, so by Jensen's inequality $\log Q(x) = \log \mathbb E_u\, q(x + u) \ge \mathbb E_u \log q(x + u)$. Average over $x$ with the weights $P(x)$: that is the first inequality. The second says $D_{KL}(P \,\|\, Q) \ge 0$. $\square$
#
# So the likelihood of the noisy data is a **lower bound** on the likelihood of the real, whole numbers under the model $Q$; it can no longer grow beyond all bounds, and pushing it up is honest work. In training one draw of $u$ per image and step does: $\mathbb E_u \log q(x+u) \approx \log q(x + \tilde u)$. Equality in the first place holds when $q$ is constant on the cell.
#
# Let us grow the comb on purpose. $P$: the brightness of all pixels of the clothes. The model: a normal needle of width $\sigma$ in the middle of every cell, with the weights $P$, which is to say, a model that knows everything and may choose how sharp to be.

# %% tags=["nbval-check-output"]
P = np.bincount(clothes.ravel(), minlength=256) / clothes.size
entropy = stats.entropy(P, base=2)
centres = np.arange(256) + 0.5
u_grid = (np.arange(100) + 0.5) / 100  # in the cell [0, 1)


def comb(y, sigma):
    """q(y): a needle of width sigma in every cell. y: (n,)."""
    return stats.norm.pdf(y[:, None], centres, sigma) @ P


def comb_in_cells(u, sigma):
    """q(x + u) for x = 0..255: a convolution of P with one needle."""
    needle = stats.norm.pdf(np.arange(-255, 256) + u - 0.5, 0, sigma)
    return np.maximum(np.convolve(needle, P, "valid"), 1e-300)  # (256,)


sigmas = np.geomspace(0.05, 8, 25)
no_noise, bound, exact = [], [], []
for sigma in sigmas:
    no_noise.append(-P @ np.log2(comb_in_cells(0.5, sigma)))
    q = np.stack([comb_in_cells(u, sigma) for u in u_grid])  # (100, 256)
    bound.append(-np.log2(q).mean(axis=0) @ P)
    exact.append(-np.log2(q.mean(axis=0)) @ P)

print(f"entropy of the brightness {entropy:.3f} bits, of 8")
print(f"best bound {min(bound):.3f}, exact value there {exact[np.argmin(bound)]:.3f}")
in_order = np.all(np.array(bound) >= exact) and min(exact) >= entropy
print("bound, exact, entropy in this order at every width:", in_order)
print(f"no noise, needles of {sigmas[0]:.2f}: {no_noise[0]:.3f} bits")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.1), width_ratios=(2, 3))
y = np.linspace(100, 106, 1200)
axes[0].plot(y, comb(y, 0.05), color=RED, label="fitted without noise")
axes[0].stairs(P[100:106], np.arange(100, 107), fill=True, color=LIGHT, label="$x + u$")
axes[0].set(xlabel="brightness $y$", ylabel="$q(y)$", title="a comb")
axes[0].set_ylim(0, 0.019)
axes[0].legend()
axes[1].plot(sigmas, no_noise, color=RED, label="on whole numbers")
axes[1].plot(sigmas, bound, color=BLUE, label=r"$-E\,\log_2 q(x + u)$")
axes[1].plot(sigmas, exact, color=LIGHT, label=r"$-E\,\log_2 Q(x)$")
axes[1].axhline(entropy, color="black", ls="--", lw=1, label="entropy $H[P]$")
axes[1].set(xscale="log", ylim=(-1, 10), xlabel=r"width $\sigma$", ylabel="bits")
axes[1].legend(fontsize=8);

# %% [markdown]
# *Figure 1. Left: needles on whole numbers, and the data with noise. Right: bits against the width of the needles. Without noise (red) there is no bottom. With noise the bound (blue) lies above the exact value (light), and that above the entropy (dashed).*
#
# ### Bits per dimension, and eight bits that get lost
#
# Likelihoods of images are reported in **bits per dimension**, smaller is better:
#
# $$\mathrm{BPD} = -\frac{\log q(y)}{D \ln 2}, \qquad D = h\,w\,c, \quad y \in [0, 256)^D.$$
#
# A model that knows nothing spreads its density evenly, $q = 256^{-D}$, and has 8: as many as the bytes in the file. Now nobody feeds numbers up to 256 into a network; one divides, $v = y / 256$. That is a change of variables too, with the slope $1/256$ in each of $D$ dimensions:
#
# $$\log q(y) = \log q_v(y / 256) - D \log 256, \qquad \mathrm{BPD} = -\frac{\log q_v(v)}{D \ln 2} + 8.$$
#
# Forget the last term, and the model is 8 bits better than it is: this is the usual reason for a report of $-3$ bits per dimension. Divide by 255, or bring the pixels to $[-1, 1]$ by $2y/256 - 1$, and the constant is another one. Three conventions, one model (each pixel normal, all alike), and the same answer only when the term is there:

# %% tags=["nbval-check-output"]
y = clothes[:200].reshape(200, -1) + rng.random((200, 784))
D = y.shape[1]
print("scaling         without the term   with it")
for name, slope, shift in (
    ("y", 1, 0),
    ("y / 256", 1 / 256, 0),
    ("2 y / 256 - 1", 2 / 256, -1),
):
    v = slope * y + shift
    log_q_v = stats.norm.logpdf(v, v.mean(), v.std()).sum(axis=1)
    log_q = log_q_v + D * np.log(slope)  # the log-determinant of the scaling
    forgotten = bits.bits_per_dim(log_q_v, D).mean()
    right = bits.bits_per_dim(log_q, D).mean()
    print(f"{name:14} {forgotten:14.3f} {right:14.3f}")


# %% [markdown]
# In `dgm_tfp` the scaling is part of the model's bijector, and its constant part of the log-volume: there is nothing to remember.
#
# ## One step of flow: three layers
#
# Here is the table of the paper, with our halves (the first is kept, as in unit 02; the paper keeps the second). $s$, $b$ and $W$ are parameters, the same for all pixels.
#
# | layer | function | inverse | log-determinant |
# |---|---|---|---|
# | ActNorm | $y_{ij} = s \odot x_{ij} + b$ | $x_{ij} = (y_{ij} - b) / s$ | $h\,w \sum \log \lvert s \rvert$ |
# | $1 \times 1$ convolution, $W \in \mathbb R^{c \times c}$ | $y_{ij} = W x_{ij}$ | $x_{ij} = W^{-1} y_{ij}$ | $h\,w \log \lvert\det W\rvert$; with $W = PL(U + \operatorname{diag} s)$: $h\,w \sum \log\lvert s\rvert$ |
# | affine coupling | $x_a, x_b = \text{split}(x)$; $(\log s, t) = \text{NN}(x_a)$; $y_b = s \odot x_b + t$; $y_a = x_a$ | $(\log s, t) = \text{NN}(y_a)$; $x_b = (y_b - t) / s$; $x_a = y_a$ | $\sum \log s$ |
#
# Three derivations, one line each. **ActNorm**: every number is multiplied by the $s$ of its channel; the matrix is diagonal, and each $s_k$ stands on the diagonal as often as there are pixels, $h w$ times. **$1 \times 1$ convolution**: pixels do not see each other; order the numbers pixel by pixel, and the matrix consists of $h w$ equal blocks $W$ on the diagonal. **Coupling**: triangular, as in unit 02; here $s$ has a value of its own at every pixel and channel, so there is no $h w$ in front: the sum runs over all of $x_b$.
#
# By hand, each layer with its way there, its way back, and its line of the table:

# %%
class HandActNorm:
    """y = s x + b at every pixel. s, b: (c,)."""

    def __init__(self, s, b):
        self.s, self.b = s, b

    def to_noise(self, x):
        h, w = x.shape[1:3]
        log_det = h * w * tf.reduce_sum(tf.math.log(tf.abs(self.s)))
        return self.s * x + self.b, log_det

    def to_data(self, y):
        return (y - self.b) / self.s


class HandMix:
    """y = W x at every pixel, W = P L (U + diag(s)). All of them (c, c), s (c,)."""

    def __init__(self, P, L, U, s):
        self.P, self.L, self.U, self.s = P, L, U, s

    def to_noise(self, x):
        h, w = x.shape[1:3]
        W = self.P @ self.L @ (self.U + tf.linalg.diag(self.s))
        log_det = h * w * tf.reduce_sum(tf.math.log(tf.abs(self.s)))
        return tf.einsum("kl,nijl->nijk", W, x), log_det

    def to_data(self, y):
        columns = tf.transpose(tf.reshape(y, [-1, y.shape[3]]))  # (c, all pixels)
        columns = tf.transpose(self.P) @ columns
        columns = tf.linalg.triangular_solve(self.L, columns)
        upper = self.U + tf.linalg.diag(self.s)
        columns = tf.linalg.triangular_solve(upper, columns, lower=False)
        return tf.reshape(tf.transpose(columns), y.shape)


class HandCoupling:
    """y_a = x_a, y_b = exp(log s(x_a)) x_b + t(x_a): halves of the channels."""

    def __init__(self, network):
        self.network = network  # x_a -> log s, t

    def to_noise(self, x):
        x_a, x_b = tf.split(x, 2, axis=3)
        log_s, t = self.network(x_a)
        y_b = tf.exp(log_s) * x_b + t
        return tf.concat([x_a, y_b], axis=3), tf.reduce_sum(log_s, axis=(1, 2, 3))

    def to_data(self, y):
        y_a, y_b = tf.split(y, 2, axis=3)
        log_s, t = self.network(y_a)
        return tf.concat([y_a, (y_b - t) * tf.exp(-log_s)], axis=3)


# %% [markdown]
# Now the check that no formula escapes. A real patch of a shirt, $8 \times 8$ pixels, folded to $4 \times 4 \times 4$ (squeezing, unit 02), in `float64`; random parameters; the whole $64 \times 64$ matrix by automatic differentiation.

# %%
def squeeze(x):
    """(n, h, w, c) -> (n, h/2, w/2, 4c): a block of 2x2 pixels becomes channels."""
    n, h, w, c = x.shape
    x = tf.reshape(x, [n, h // 2, 2, w // 2, 2, c])
    return tf.reshape(tf.transpose(x, [0, 1, 3, 2, 4, 5]), [n, h // 2, w // 2, 4 * c])


def unsqueeze(y):
    """And back."""
    n, h, w, c = y.shape
    y = tf.transpose(tf.reshape(y, [n, h, w, 2, 2, c // 4]), [0, 1, 3, 2, 4, 5])
    return tf.reshape(y, [n, 2 * h, 2 * w, c // 4])


def rotation_in_parts(c, seed):
    """A random rotation as P, L, U (without diagonal) and s."""
    P, L, U = linalg.lu(stats.ortho_group.rvs(c, random_state=seed))
    return [tf.constant(part) for part in (P, L, np.triu(U, 1), np.diag(U))]


def small_network(c, seed, size=1.0, hidden=16):
    """Two 3x3 convolutions with random weights: x_a (c/2 channels) -> log s, t."""
    start = np.random.default_rng(seed)
    first = tf.constant(start.normal(size=(3, 3, c // 2, hidden)) / 3)
    last = tf.constant(size * start.normal(size=(3, 3, hidden, c)) / 12)

    def network(x_a):
        hidden = tf.nn.relu(tf.nn.conv2d(x_a, first, 1, "SAME"))
        log_s, t = tf.split(tf.nn.conv2d(hidden, last, 1, "SAME"), 2, axis=3)
        return tf.tanh(log_s), t

    return network


class HandChain:
    """Layers one after another, from data to noise; log-determinants add."""

    def __init__(self, layers):
        self.layers = layers

    def to_noise(self, x):
        total = 0.0
        for layer in self.layers:
            x, log_det = layer.to_noise(x)
            total = total + log_det
        return x, total

    def to_data(self, z):
        for layer in reversed(self.layers):
            z = layer.to_data(z)
        return z


def jacobian(layer, x):
    """dz/dx as a matrix (D, D), of one image x: (1, h, w, c)."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        z = tf.reshape(layer.to_noise(x)[0], [-1])
    matrix = tape.jacobian(z, x, experimental_use_pfor=False)
    return tf.reshape(matrix, [len(z), -1]).numpy()


# %% tags=["nbval-check-output"]
patch = squeeze(tf.constant(clothes_test[1:2, 8:16, 10:18] / 256 - 0.5))
start = np.random.default_rng(4)
layers = {
    "ActNorm": HandActNorm(*tf.constant(start.uniform(0.3, 3, size=(2, 4)))),
    "1x1 convolution": HandMix(*rotation_in_parts(4, seed=1)[:3], start.normal(size=4)),
    "coupling": HandCoupling(small_network(4, seed=2)),
}
layers["one step"] = HandChain(list(layers.values()))
matrices = {name: jacobian(layer, patch) for name, layer in layers.items()}
for name, layer in layers.items():
    z, log_det = layer.to_noise(patch)
    brute_force = np.linalg.slogdet(matrices[name]).logabsdet
    there_and_back = np.allclose(layer.to_data(z), patch)
    print(
        f"{name:16} formula {float(tf.reduce_sum(log_det)):8.4f}"
        f"   64x64 matrix {brute_force:8.4f}   f^-1(f(x)) = x: {there_and_back}"
    )

# %%
halves = np.argsort(np.tile([0, 0, 1, 1], 16), kind="stable")  # x_a first, then x_b
titles = ("ActNorm", "1x1 convolution", "coupling", "one step")
figure, axes = plt.subplots(1, 4, figsize=(10, 2.8))
for k, (name, matrix) in enumerate(matrices.items()):
    order = halves if name == "coupling" else np.arange(64)
    shown = matrix[order][:, order]
    shown = np.sign(shown) * np.abs(shown) ** 0.4
    axes[k].imshow(shown, cmap="RdBu", vmin=-1, vmax=1)
    axes[k].set(title=titles[k], xticks=[], yticks=[])
axes[2].axhline(31.5, color="0.6", lw=0.7)
axes[2].axvline(31.5, color="0.6", lw=0.7);

# %% [markdown]
# *Figure 2. The Jacobian matrices $\partial z / \partial x$ (white: zero). The numbers go pixel by pixel; for the coupling, first $x_a$ of all pixels, then $x_b$ of all pixels. Unlike in unit 02, here the coupling's lower left block has structure: a convolution sees only the neighbourhood.*
#
# TensorFlow Probability has all three parts in stock. It counts from noise to data, so our way is its `inverse`; and it takes the pixels for a batch: `event_ndims=3` tells it that they belong to one image. There is the factor $h w$.

# %% tags=["nbval-check-output"]
tfb = tfp.bijectors
actnorm, mix, _ = list(layers.values())[:3]
lower_upper = tf.linalg.set_diag(
    mix.L - tf.eye(4, dtype=tf.float64) + mix.U, tf.constant(mix.s)
)
columns = tf.argmax(mix.P, axis=0, output_type=tf.int32)  # TFP counts columns
stock = {
    "ActNorm": tfb.Invert(tfb.Chain([tfb.Shift(actnorm.b), tfb.Scale(actnorm.s)])),
    "1x1 convolution": tfb.Invert(tfb.ScaleMatvecLU(lower_upper, columns)),
}
for name, bijector in stock.items():
    z, log_det = layers[name].to_noise(patch)
    same_z = np.allclose(bijector.inverse(patch), z)
    each_pixel = bijector.inverse_log_det_jacobian(patch, event_ndims=1)
    image = bijector.inverse_log_det_jacobian(patch, event_ndims=3)
    print(
        f"{name:16} z: {same_z}, log-determinant: {np.allclose(image, log_det)},"
        f" of one pixel times h w: {np.allclose(16 * tf.reduce_mean(each_pixel), image)}"
    )


# %% [markdown]
# ## ActNorm: let the data say where to start
#
# Deep networks like inputs of mean 0 and variance 1. The usual tool, batch normalisation, takes both from the batch at hand. For a density that is awkward: $\log p(x)$ of one image would depend on which other images are in the batch, and large images allow only batches of one. **ActNorm** has the same two numbers per channel as ordinary *parameters*; only their first values come from data. Take one batch, set
#
# $$s = \frac{1}{\operatorname{std}(x_{ij})}, \qquad b = -\frac{\operatorname{mean}(x_{ij})}{\operatorname{std}(x_{ij})},$$
#
# over all images and pixels of the batch, one value per channel; go through the layer; do the same in the next one. This is **data-dependent initialisation**, and it is done once. From then on the gradient changes $s$ and $b$ like any weight.
#
# What it buys shows in a deep stack. Below, up to 32 steps with random couplings; 64 real images go through; at each depth the standard deviation of every channel is measured. (`look_at` has a floor under the standard deviation. "What goes wrong" says why.)

# %%
def look_at(x, epsilon=1e-3):
    """The ActNorm that makes the channels of x (n, h, w, c) standard."""
    mean, variance = tf.nn.moments(x, axes=[0, 1, 2])
    s = 1 / tf.maximum(tf.sqrt(variance), epsilon)
    return HandActNorm(s, -mean * s)


def spread_by_depth(x, depth, normalise):
    """The standard deviation of each channel after each step: (depth, c)."""
    spread = []
    for k in range(depth):
        if normalise:
            x, _ = look_at(x).to_noise(x)
        x, _ = HandMix(*rotation_in_parts(4, seed=k)).to_noise(x)
        x, _ = HandCoupling(small_network(4, seed=k, size=2.5)).to_noise(x)
        spread.append(tf.math.reduce_std(x, axis=(0, 1, 2)))
    return np.array(spread)


pictures = squeeze(tf.constant(clothes[:64] / 256 - 0.5))
depth = {"smoke": 8}.get(profile, 32)
spreads = [spread_by_depth(pictures, depth, on) for on in (False, True)]

# %%
figure, axis = plt.subplots(figsize=(6.5, 2.8))
names = ("no ActNorm", "ActNorm, set from data")
for spread, color, name in zip(spreads, (RED, BLUE), names, strict=True):
    axis.plot(np.arange(depth) + 1, spread, color=color, lw=1)
    axis.plot([], color=color, label=name)
axis.set(yscale="log", xlabel="step of flow", ylabel="standard deviation")
axis.legend();

# %% [markdown]
# *Figure 3. The standard deviation of the four channels of 64 images on their way through steps of flow with random couplings.*
#
# ## The invertible $1 \times 1$ convolution
#
# Couplings move one half of the channels and keep the other, so between two couplings the halves have to mix. Real-NVP exchanges them: a permutation. **A $1 \times 1$ convolution with a $c \times c$ matrix $W$ is a learned permutation**, and more: any mixing of channels, the same at every pixel. What is it worth? There is a case with an exact answer.
#
# > **Theorem.** Let the channels of a pixel have the covariance $\Sigma$, the correlation matrix $R$, and let the noise be standard normal. The best a scaling per channel can do is $\sigma_k^{-1}$. The best a matrix $W$ can do is $W \Sigma W^\top = I$, and it is better by
# >
# > $$-\tfrac12 \log \det R \;\ge\; 0$$
# >
# > nats for every pixel; it is zero only if the channels are uncorrelated.
#
# *Proof.* Take the means out. Per pixel the expected log-likelihood of $z = Wx$ is, up to a constant, $J(W) = -\frac12 \operatorname{tr}(W \Sigma W^\top) + \log\lvert\det W\rvert$. Its gradient is $-W\Sigma + W^{-\top}$; it vanishes when $W \Sigma W^\top = I$. Then the first term is $-c/2$, and $\log\lvert\det W\rvert = -\frac12 \log\det\Sigma$. For a diagonal $W$ the same computation channel by channel gives $-c/2 - \frac12 \sum \log \sigma_k^2$. The difference is $\frac12 \log \frac{\prod \sigma_k^2}{\det \Sigma} = -\frac12 \log\det R$, and $\det R \le 1$ is Hadamard's inequality. $\square$
#
# A permutation only renames channels: it gains nothing here. The four channels of a squeezed image are four neighbouring pixels, hence correlated as strongly as anything in an image. Let gradient ascent find $W$, beginning with the identity, and look at what it has found. (We multiply the gradient by $W^\top W$ from the right; it becomes $(I - W R W^\top)\, W$, which needs no inverse.)

# %% tags=["nbval-check-output"]
noisy = clothes[:2000] + np.random.default_rng(1).random((2000, 28, 28, 1))
pixels = squeeze(tf.constant(noisy)).numpy().reshape(-1, 4)
R = np.corrcoef(pixels.T)
W = np.eye(4)
for _ in range(300):
    W += 0.2 * (np.eye(4) - W @ R @ W.T) @ W


def gain(W):
    """Bits per dimension by which W beats no mixing, after scaling to variance 1."""
    quadratic = np.trace(W @ R @ W.T) - 4
    return (np.linalg.slogdet(W).logabsdet - quadratic / 2) / (4 * np.log(2))


print("correlations of the first channel:", R[0].round(3))
print(f"theorem: {-np.log(np.linalg.det(R)) / (8 * np.log(2)):.4f} bits per dimension")
print(f"found by ascent:        {gain(W):.4f}")
print(f"a permutation:          {abs(gain(np.eye(4)[[2, 3, 0, 1]])):.4f}")
print("W R W^T = I:", np.allclose(W @ R @ W.T, np.eye(4)))

# %% [markdown]
# Nine tenths of a bit per dimension, by one $4 \times 4$ matrix with 16 numbers in it. (Any rotation of a solution is a solution too: $Q W$ with an orthogonal $Q$ whitens as well. Take the one whose rows are the eigenvectors of $R$, and it can be looked at.)

# %%
values, vectors = np.linalg.eigh(R)
rows = (vectors / np.sqrt(values)).T[::-1]  # W of eigenvectors, greatest value first
rows *= np.sign(rows[:, :1])
garment = squeeze(tf.constant(clothes_test[[0, 1]] / 1.0)).numpy()
standard = (garment - pixels.mean(axis=0)) / pixels.std(axis=0)
mixed = standard @ rows.T
figure, axes = plt.subplots(2, 8, figsize=(10, 2.9))
for k in range(8):
    item, channel = divmod(k, 4)
    axes[0, k].imshow(standard[item, :, :, channel], cmap="gray")
    axes[1, k].imshow(mixed[item, :, :, channel], cmap="gray")
    axes[0, k].set_title(f"channel {channel + 1}", fontsize=9)
    axes[1, k].set_title(rows[channel].round(1), fontsize=7)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])


# %% [markdown]
# *Figure 4. Above: the four channels of two squeezed garments. Below: the same after the best $W$, whose rows stand over the pictures. It has discovered the Haar wavelet: a sum of the four neighbours and three differences.*
#
# **Where it begins.** $W$ starts as a random *rotation*: $\lvert\det W\rvert = 1$, so its log-determinant is 0, what was standard stays standard, and nothing is near singular.
#
# **What the determinant costs.** In general $\log\lvert\det W\rvert$ takes about $c^3$ operations at every step of training, and its gradient takes the inverse matrix. The paper therefore keeps $W$ in the form
#
# $$W = P\, L\, \bigl(U + \operatorname{diag}(s)\bigr),$$
#
# with a permutation $P$ that stays as it was drawn, $L$ lower triangular with ones on the diagonal, $U$ strictly upper triangular. Triangular matrices have the product of the diagonal as determinant, and $\lvert\det P\rvert = 1$: what remains is $\sum \log \lvert s \rvert$, $c$ logarithms. The inverse needs two triangular solves. (Multiplying the factors out, as our code does, is $c^3$ multiplications again; where $c$ is large one applies them to the pixels one after another.) Begin with a rotation, decompose it once, learn $L$, $U$ and $\log\lvert s\rvert$ (the signs stay, and so $W$ cannot become singular on the way). Both costs by the clock:

# %%
def log_det_of(W):
    return np.linalg.slogdet(W).logabsdet, np.linalg.inv(W)  # and for the gradient


def log_det_from(s):
    return np.log(np.abs(s)).sum(), 1 / s


def fastest(function, argument, rounds=7, repeats=20):
    """Seconds of one call: the fastest of several rounds."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        for _ in range(repeats):
            function(argument)
        times.append((time.perf_counter() - begin) / repeats)
    return min(times)


widths = [4, 12, 24, 48, 96] if profile == "smoke" else [4, 12, 24, 48, 96, 192, 384]
seconds = []
for c in widths:
    W, s = rng.normal(size=(c, c)), rng.normal(size=c)
    seconds.append((fastest(log_det_of, W), fastest(log_det_from, s)))
seconds = np.array(seconds)

# %%
figure, axis = plt.subplots(figsize=(6, 2.9))
axis.plot(widths, 1e6 * seconds[:, 0], "o-", color=RED, label=r"$\log|\det W|$, $W^{-1}$")
axis.plot(widths, 1e6 * seconds[:, 1], "o-", color=BLUE, label=r"$\sum \log|s|$, $1/s$")
guide = np.array(widths[-3:], float)
slope = 1e6 * seconds[-1, 0] * (guide / guide[-1]) ** 3
axis.plot(guide, slope, "--", color="0.5", label="$c^3$")
axis.set(xscale="log", yscale="log", xlabel="channels $c$", ylabel="microseconds")
axis.legend();


# %% [markdown]
# *Figure 5. Time for the log-determinant and for what its gradient needs, by the full matrix and by the factors.*
#
# At the 12, 24 and 48 channels of the three scales of a colour Glow neither is worth worrying about, and the authors say so. It pays for wide layers, and for something else at any width: $W$ cannot drift into a matrix whose inverse is garbage, because $\log\lvert s\rvert$ is there to be seen.
#
# ## Squeezing and several scales
#
# A step of flow mixes channels and looks at neighbours; a gray picture has one channel. So each scale begins with **squeezing** (unit 02): $h \times w \times c \to \frac h2 \times \frac w2 \times 4c$, log-determinant 0. Then $K$ steps. Then **half of the channels leave**: they are finished noise, and only the other half goes on to the next scale, to be squeezed again (Dinh et al., 2017).
#
# $$\text{scale}(x) = \begin{cases} \text{steps}(\text{squeeze}(x)) & \text{at the last scale,} \\ \bigl[\,z_1,\ \text{scale}(r)\,\bigr], \quad [z_1, r] = \text{steps}(\text{squeeze}(x)) & \text{before it.} \end{cases}$$
#
# Why let go of them? What leaves early costs nothing later; the loss reaches the early layers directly; and one hopes that noise of several grains separates, fine detail leaving first and the large shape last. We shall look. Dimensions are conserved: on the last scale everything left leaves, and $D$ numbers went in and $D$ came out.

# %%
class HandGlow:
    """scales: a list of chains of steps. To noise: a list of what leaves."""

    def __init__(self, scales):
        self.scales = scales

    def to_noise(self, x):
        leaving, total = [], 0.0
        for k, steps in enumerate(self.scales):
            x, log_det = steps.to_noise(squeeze(x))
            total = total + log_det
            if k < len(self.scales) - 1:
                z, x = tf.split(x, 2, axis=3)
                leaving.append(z)
        return [*leaving, x], total

    def to_data(self, leaving):
        *leaving, x = leaving
        for k, steps in reversed(list(enumerate(self.scales))):
            if k < len(self.scales) - 1:
                x = tf.concat([leaving[k], x], axis=3)
            x = unsqueeze(steps.to_data(x))
        return x


# %% [markdown]
# That is all of Glow. Is it? `models.Glow` is the library's. Give our layers its weights (its formulas run from noise to data, $y = x e^{s} + t$, so ours are their inverse: $\log s \to -s$, $t \to -t e^{-s}$), and ask both about the same images.

# %%
def hand_step(block):
    """Our three layers with the weights of a step of the library's Glow."""
    s = tf.exp(-block.actnorm.log_scale.value)
    packed = block.mix.packed.numpy()
    L = np.tril(packed, -1) + np.eye(len(packed), dtype=packed.dtype)
    diagonal = block.mix.sign.numpy() * np.exp(np.diag(packed))

    def network(x_a):
        t, log_s = tf.split(block.conditioner(x_a), 2, axis=3)
        log_s = tf.tanh(log_s)
        return -log_s, -t * tf.exp(-log_s)

    return HandChain(
        [
            HandActNorm(s, -block.actnorm.shift.value * s),
            HandMix(block.mix.permutation.numpy(), L, np.triu(packed, 1), diagonal),
            HandCoupling(network),
        ]
    )


def by_hand(model):
    """The library's Glow as our HandGlow, in the same weights."""
    steps = [[hand_step(block) for block in scale] for scale in model.scales]
    return HandGlow([HandChain(scale) for scale in steps])


# %% tags=["nbval-check-output"]
probe = models.Glow((28, 28, 1), levels=2, steps=2, filters=16, seed=1)
probe.adapt(clothes[:256])
for weight in probe.trainable_variables:  # away from where everything is zero
    weight.assign_add(0.02 * tf.random.stateless_normal(weight.shape, seed=(0, 3)))

y = tf.constant(clothes_test[:3] + np.float32(0.5))
hand = by_hand(probe)
leaving, log_det = hand.to_noise(y / 256 - 0.5)
z = unsqueeze(tf.concat([leaving[0], unsqueeze(leaving[1])], axis=3))
log_volume = log_det - 784 * np.log(256)  # and the scaling, the eight bits
print("what leaves:", [tuple(part.shape[1:]) for part in leaving])
print("the same z:", np.allclose(probe.bijector.inverse(y), z, atol=1e-3))
library = probe.bijector.inverse_log_det_jacobian(y)
print("the same log-determinant:", np.allclose(library, log_volume, rtol=1e-4))
back = (hand.to_data(leaving) + 0.5) * 256
print("f^-1(f(y)) = y:", np.allclose(back, y, atol=0.05))

# %% [markdown]
# ## Training
#
# The model for clothes: $L = 2$ (28 can be halved twice), normal noise with a learned mean and spread for each dimension ($\psi$). Four lines, each of which we have by now done by hand: `adapt` sets ActNorm from data, layer after layer; the loss is the negative log-likelihood of dequantized images, with new noise at each step; Adam with a warm-up and a clipped gradient. Without warm-up such a model may well go to `nan` in its first steps: one odd image that every coupling stretches a little, and the factors multiply.
#
# The data go through `tf.data`, which prepares the next batch while the model works on this one. They travel as *bytes*; noise is added inside the model, on the device. Batches of floats made beforehand would be four times as large, and would have their noise frozen in.

# %%
updates = {"smoke": 12, "laptop": 900, "gpu": 20_000}[profile]
sizes = {
    "smoke": {"steps": 1, "filters": 16},
    "laptop": {"steps": 4, "filters": 64},
    "gpu": {"steps": 16, "filters": 256},
}[profile]


def pipeline(images, batch_size=64):
    """Shuffled batches of bytes without end, made ready in advance."""
    order = tf.data.Dataset.from_tensor_slices(images).shuffle(len(images), seed=0)
    batches = order.repeat().batch(batch_size, drop_remainder=True)
    return batches.prefetch(tf.data.AUTOTUNE)


def train(model, images, updates):
    """Trains for so many steps; returns seconds."""
    model.adapt(images)
    schedule = training.WarmUpCosine(5e-3)
    model.compile(optimizer=training.adam(schedule))
    budget = training.Budget(updates=updates, schedule=schedule, progress=False)
    begin = time.perf_counter()
    training.fit(model, pipeline(images), budget)
    return time.perf_counter() - begin


glow = models.Glow((28, 28, 1), levels=2, dtype=policy, **sizes)
few = clothes_test[:500]
print(f"not adapted: {glow.bits_per_dim(few).mean():.2f} bits per dimension")
glow.adapt(clothes)
print(f"adapted:     {glow.bits_per_dim(few).mean():.2f}")
seconds = train(glow, clothes, updates)
print(f"trained:     {glow.bits_per_dim(few).mean():.2f}, after {seconds:.0f} seconds")
print("weights:", glow.count_params())

# %% [markdown]
# How loose is the dequantization bound here? With $k$ draws of the noise instead of one, $-\log \frac1k \sum_k q(x + u_k)$ is a tighter bound (the same argument as in unit 05), and one can watch how little it gains. What is missing is mostly the model's own fault.

# %%
draws = (1, 4, 16) if profile != "smoke" else (1, 2)
for k in draws:
    print(f"{k:2} draws: {glow.bits_per_dim(few, samples=k).mean():.4f}")


# %% [markdown]
# ## Samples, hot and cold
#
# To sample: noise, then the layers backwards. In the paper's figures the noise was not drawn from $p_z$ itself, but from a *cooled* one: with **temperature** $T$, $z \sim \mathcal N(\mu, T^2 \sigma^2)$ instead of $\mathcal N(\mu, \sigma^2)$.
#
# > **Claim.** If the log-determinant is the same for all $x$, the samples at temperature $T$ have the density $p_T(x) \propto p(x)^{1/T^2}$.
#
# *Proof.* $\log \mathcal N(z; \mu, T^2\sigma^2) = \frac{1}{T^2} \log \mathcal N(z; \mu, \sigma^2) + \text{const}$, and a constant determinant stays a constant when raised to a power. $\square$
#
# So with additive couplings $T < 1$ makes the likely likelier, exactly; with affine ones it is a habit that works. A cold model shows typical objects, smooth and alike; at $T = 0$ there is one picture left, $f^{-1}(\mu)$. First the claim, on two models with random weights; then our trained one.

# %% tags=["nbval-check-output"]
def log_p_at(model, y, T):
    """The log-density of the model at temperature T, (n,)."""
    scale = T * tf.exp(model.prior_log_scale.value)
    noise = tfp.distributions.Normal(model.prior_loc.value, scale)
    log_p_z = noise.log_prob(model.bijector.inverse(y))
    log_volume = model.bijector.inverse_log_det_jacobian(y)
    return tf.reduce_sum(log_p_z, axis=(1, 2, 3)) + log_volume


T, y = 0.7, tf.constant(clothes_test[:20] + np.float32(0.5))
for coupling in ("additive", "affine"):
    options = {"levels": 2, "steps": 2, "filters": 16, "coupling": coupling}
    probe = models.Glow((28, 28, 1), **options)
    for k, weight in enumerate(probe.trainable_variables):  # any weights will do
        noise = tf.random.stateless_normal(weight.shape, seed=(0, k))
        weight.assign_add(0.05 * noise)
    constant = (log_p_at(probe, y, T) - log_p_at(probe, y, 1) / T**2).numpy()
    same = np.ptp(constant) < 1e-4 * np.abs(constant).max()
    print(f"{coupling:8} log p_T(x) = log p(x) / T^2 + constant: {same}")


# %%
def noise_of(model, n, seed):
    """Standard noise, (n, 28, 28, 1); the model's own is loc + scale * this."""
    return tf.random.stateless_normal((n, *model.event_shape), seed=(seed, 0))


@tf.function
def to_pictures(z):
    return glow.bijector.forward(z)


def cooled(model, standard, temperature):
    scale = tf.exp(model.prior_log_scale.value)
    return model.prior_loc.value + temperature * scale * standard


def sheet(images, columns):
    """(n, 28, 28, 1) -> one picture, `columns` in a row."""
    images = np.clip(images, 0, 255).reshape(-1, columns, 28, 28)
    return np.block([list(row) for row in images])


temperatures = (0, 0.5, 0.7, 0.85, 1)
standard = noise_of(glow, 16, seed=0)
strips = [to_pictures(cooled(glow, standard, T)) for T in temperatures]

# %%
figure, axis = plt.subplots(figsize=(9, 3.6))
rows = np.concatenate([clothes_test[:16], *strips])
axis.imshow(sheet(rows, columns=16), cmap="gray", vmin=0, vmax=255)
labels = ["data", *(f"$T = {T}$" for T in temperatures)]
axis.set_yticks(28 * np.arange(6) + 14, labels)
axis.set_xticks([])
axis.spines[:].set_visible(False)


# %% [markdown]
# *Figure 6. Test images, and samples at five temperatures, the same noise in each column, not selected.*
#
# After half a minute of training the samples have the place, the size and the texture of garments and hardly their shapes. Likelihood is learned before pictures are; what the two have to do with each other is a question for unit 07.
#
# ## What the scales hold
#
# Half of the noise left at the first scale ($14 \times 14 \times 2$ numbers), the other half at the second ($7 \times 7 \times 8$). Take a real garment and its noise; replace one half, by its mean or by new noise ($T = 0.7$), and go back.

# %%
def halves_of(z):
    """Noise in the shape of an image -> what left at scale 1, and the rest."""
    return tf.split(squeeze(z), 2, axis=3)


shown = clothes_test[[1, 2, 6, 11]]
z = glow.bijector.inverse(shown + np.float32(0.5))
fine, coarse = halves_of(z)
temperatures = (0, 0.7, 0.7, 0.7)
table = [shown]
for replaced in (0, 1):
    for k, T in enumerate(temperatures):
        halves = [fine, coarse]
        new = cooled(glow, noise_of(glow, len(shown), seed=10 + k), T)
        halves[replaced] = halves_of(new)[replaced]
        table.append(to_pictures(unsqueeze(tf.concat(halves, axis=3))))
table = np.stack(table, axis=1)  # (4, 9, 28, 28, 1)

# %%
figure, axis = plt.subplots(figsize=(8, 3.7))
pictures = sheet(table.reshape(-1, 28, 28, 1), columns=9)
axis.imshow(pictures, cmap="gray", vmin=0, vmax=255)
for edge in (28, 28 * 5):
    axis.axvline(edge - 0.5, color=RED)
titles = ("data", "scale 1 replaced", "scale 2 replaced")
axis.set_xticks([14, 28 * 3, 28 * 7], titles)
axis.set_yticks([]);

# %% [markdown]
# *Figure 7. Real garments; the same with the noise of the first scale replaced (by its mean, then by new noise three times); the same with the noise of the second scale replaced.*
#
# So much for the hope. Without the noise of the first scale a blob is left; without that of the second the garment is still there, edges and all, and has lost its shades. In this small flow, early noise is not detail: it holds the *edges*, and a garment is its edges. (Dinh et al., 2017, show that in a deep flow of photographs the last scales do hold the composition.) What a flow looks at is neighbours, and this will matter in unit 08.
#
# ## Between two photographs
#
# Every image has its noise, exactly. So one can go from one photograph to another through the noise, as in unit 02, along the arc $\cos\varphi\, z_1 + \sin\varphi\, z_2$ (in standard noise, $(z - \mu) / \sigma$).

# %%
scale = tf.exp(glow.prior_log_scale.value)
angle = np.linspace(0, np.pi / 2, 9, dtype=np.float32)[:, None, None, None]
strips = []
for first, second in ((5, 12), (3, 14)):
    ends = clothes_test[[first, second]] + np.float32(0.5)
    standard = (glow.bijector.inverse(ends) - glow.prior_loc.value) / scale
    arc = np.cos(angle) * standard[0] + np.sin(angle) * standard[1]
    strips.append(to_pictures(cooled(glow, arc, 1)))
    weight = angle / (np.pi / 2)
    strips.append((1 - weight) * ends[0] + weight * ends[1])

figure, axis = plt.subplots(figsize=(7, 3.3))
axis.imshow(sheet(np.concatenate(strips), columns=9), cmap="gray", vmin=0, vmax=255)
axis.axis("off");

# %% [markdown]
# *Figure 8. From one test image to another, twice. Upper strip of each pair: through the noise. Lower strip: the cross-fade. The ends are the images themselves, and not a reconstruction.*
#
# ## Additive or affine: two parts once more
#
# With $s = 1$ in every coupling (`coupling="additive"`) Glow preserves volume up to a constant: ActNorm and $W$ still stretch, but all images alike. Such a **constant-volume Glow** is what Nalisnick et al. (2019) train to find out which of the two parts of the likelihood is to blame when a model prefers strangers. `decompose` returns the two parts; train one of each, show them clothes (known) and digits (never seen).

# %%
additive = models.Glow(
    (28, 28, 1), levels=2, coupling="additive", dtype=policy, **sizes
)
seconds = train(additive, clothes, updates // 2)
shown = {"clothes": clothes_test[:400], "digits": digits_test[:400]}
parts = {}
for name, model in (("affine", glow), ("additive", additive)):
    parts[name] = {what: model.decompose(images) for what, images in shown.items()}
    for what, part in parts[name].items():
        bpd = bits.bits_per_dim(part.log_prob, 784).mean()
        print(f"{name:9} {what:8} {bpd:.2f} bits per dimension")
    volumes = np.concatenate([part.log_volume for part in parts[name].values()])
    spread = volumes.max() - volumes.min()
    print(f"{name:9} log-volume differs by at most {spread:.2f} nats")


def part_z(sets):
    """log p(z) of all images together."""
    return np.concatenate([part.log_p_z for part in sets.values()])


# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
names = {"clothes": "clothes", "digits": "digits"}
titles = {"affine": "affine", "additive": "additive"}
for axis, (name, sets) in zip(axes, parts.items(), strict=True):
    for (what, part), color in zip(sets.items(), (BLUE, RED), strict=True):
        axis.scatter(part.log_p_z, part.log_volume, s=4, color=color, label=names[what])
    axis.set(title=titles[name], xlabel=r"$\log p(z)$, nats")
    axis.set_xlim(np.quantile(part_z(sets), 0.01), part_z(sets).max() + 50)
axes[0].set_ylabel("log-volume, nats")
axes[1].legend();

# %% [markdown]
# *Figure 9. The two parts of the log-likelihood of 400 test garments and 400 digits, under an affine and an additive Glow trained on garments. Their sum, $\log p(x)$, grows to the upper right.*
#
# Look at the printed bits once more. Under the affine model the digits, which it has never seen, have *fewer* of them than the clothes. That is the paradox of unit 08, and figure 9 is the beginning of its examination: the digits win mostly by volume. Under the additive model the volume says nothing at all; what difference there is comes from where an image lands. Does that cure the paradox? After this short training the two sets are about level; unit 08 goes on from here, and with a formula.

# %% [markdown]
# ## Training on a GPU
#
# The models above were small enough for a laptop. Real ones are not. This is what a Glow of the paper's size costs: the numbers are those of the authors' own CIFAR-10 run, as reported in [issue 57](https://github.com/openai/glow/issues/57) of their code.

# %% tags=["nbval-check-output"]
seconds, devices = 586_687, 8
print(f"{seconds / 86_400:.1f} days on {devices} GPUs,")
print(f"{seconds * devices / 3600:.0f} GPU-hours, {seconds * devices / 86_400:.0f} days of one")

# %% [markdown]
# **Is there one?** TensorFlow takes a GPU without being asked, and a CPU, without a word, where it finds none: the commonest reason for a training that is "somehow slow" is a GPU that TensorFlow does not see. So look. And by default it reserves nearly all of the GPU's memory at the first operation; `set_memory_growth`, in the first cell, makes it take only what it needs, and has to be called before that operation.
#
# That cell has also decided, and all of this notebook takes the branch that fits. What is there, then?

# %%
if GPUS:
    name = details.get("device_name", "GPU")
    print(f"{len(GPUS)} GPU: {name}, compute capability {capability}")
else:
    print(f"no GPU; a CPU with {os.cpu_count()} cores")
print("TensorFlow", tf.__version__, "built with CUDA:", tf.test.is_built_with_cuda())
print(f"policy of the networks: {policy}")
print("compile(jit_compile='auto') means XLA is", "on" if GPUS else "off")

# %% [markdown]
# ### Mixed precision: which half, and for what
#
# A GPU multiplies 16-bit numbers several times as fast as 32-bit ones, and they take half the memory. Of 16 bits, though, there are two kinds:

# %% tags=["nbval-check-output"]
print("dtype      step near 1   step near 1500   greatest   is 1e-8 kept?")
for dtype in (tf.float32, tf.bfloat16, tf.float16):

    def stored(value, dtype=dtype):
        return float(tf.cast(tf.constant(value, tf.float64), dtype))

    def step_at(value, stored=stored):
        """How far the next number is: the first power of 2 that makes a difference."""
        sizes = 2.0 ** np.arange(-30, 12)
        start = stored(value)
        return next(size for size in sizes if stored(start + size) > start)

    print(
        f"{dtype.name:10} {step_at(1.0):.1e} {step_at(1500.0):14.1e}"
        f" {dtype.max:14.1e}   {stored(1e-8) > 0}"
    )

# %% [markdown]
# `bfloat16` is `float32` with the last 16 bits cut off: the same range, two or three significant digits. `float16` has three or four and a narrow range: above 65,504 there is infinity, below $6 \cdot 10^{-8}$ there is zero. And a third kind hides behind the name `float32`: on GPUs since Ampere, TensorFlow by default multiplies `float32` matrices in [TF32](https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_tensor_float_32_execution), with as few digits as `float16`. The $1 \times 1$ convolution is such a product, and so is its inverse; hence the line in the first cell that switches this off.
#
# **Why densities stay in `float32`.** A log-likelihood of an image is a number in the thousands. In `bfloat16` near 1500 the next number is 8 nats away. A sum of 784 terms, each rounded, and a log-determinant of thousands of small contributions: the whole signal that training follows is smaller than one step. So in a mixed policy only the *networks* inside the couplings compute in 16 bits; $z$, $\log s$ and every sum stay in 32. In `dgm_tfp` `dtype="mixed_bfloat16"` does just that. Its effect on the numbers, with the trained weights:

# %%
log_probs = {}
for each in ("float32", "mixed_bfloat16"):
    model = models.Glow((28, 28, 1), levels=2, dtype=each, **sizes)
    model.set_weights(glow.get_weights())
    log_probs[each] = model.log_prob(few)
    networks_in = model.network_policy.compute_dtype
    print(f"{each}: networks in {networks_in}, log p(x) in {log_probs[each].dtype}")
exact = log_probs["float32"]
difference = np.abs(log_probs["mixed_bfloat16"] - exact).mean()
print(f"log p(x) differs by {difference:.2f} nats on average,")
print(f"    {difference / (784 * np.log(2)):.5f} bits per dimension")
lost = np.abs(tf.cast(tf.cast(exact, tf.bfloat16), tf.float32) - exact).mean()
print(f"merely storing log p(x) in bfloat16: {lost:.2f} nats")

# %% [markdown]
# **Loss scaling.** In `float16` it is not enough to keep the sums in 32 bits: *gradients* of single weights are often below $6 \cdot 10^{-8}$ and become zero on their way back. The remedy: multiply the loss by a large power of 2 before differentiating, divide the gradients by it afterwards, in `float32`. If anything overflows, skip the step and halve the factor; if nothing does for long, double it. `keras.optimizers.LossScaleOptimizer` does this. `bfloat16` has the range of `float32` and needs none of it: prefer it wherever the hardware has it.

# %% tags=["nbval-check-output"]
weight = tf.Variable(1.0, dtype=tf.float16)
for factor in (1.0, 2.0**15):
    with tf.GradientTape() as tape:
        small = weight * tf.constant(1e-4, tf.float16) * tf.constant(1e-4, tf.float16)
        loss = small * tf.constant(factor, tf.float16)
    gradient = tf.cast(tape.gradient(loss, weight), tf.float32) / factor
    print(f"loss times {factor:7.0f}: gradient {gradient:.2e} (truth 1.00e-08)")

# %% [markdown]
# ### XLA: when compiling helps
#
# `compile(jit_compile=True)` hands the whole training step to XLA, a compiler. It fuses elementwise operations, so that a number is read from memory once and not once per operation: a flow has plenty of those. It has convolutions of its own, too; on a GPU it calls the vendor's, on a CPU its own are slower than TensorFlow's. So the answer to "does it help?" is: measure, the two in turn (other programs disturb both alike), and leave the first call out, which compiles. Three pieces of work, each with its gradient: the arithmetic of a coupling on a million numbers, the coupling's network, and the smallest Glow as a whole.

# %%
side = {"smoke": 100_000}.get(profile, 1_000_000)
filters = {"smoke": 16, "laptop": 64, "gpu": 512}[profile]
tiny = models.Glow((28, 28, 1), levels=1, steps=1, filters=filters)
network = tiny.scales[0][0].conditioner
numbers = tf.random.stateless_normal((3, side), seed=(0, 7))
halves = tf.random.stateless_normal((64, 14, 14, 2), seed=(0, 8))
images = tf.constant(clothes[:64])


def arithmetic(numbers):
    x, raw, t = tf.unstack(numbers)
    log_s = tf.tanh(raw)
    z = (x - t) * tf.exp(-log_s)
    return tf.reduce_sum(-0.5 * z**2 - log_s)


def gradient_of(function, argument, weights):
    """A function that computes the gradient, by graph or by XLA."""

    def compute(argument):
        with tf.GradientTape() as tape:
            if not weights:  # variables are watched anyway
                tape.watch(argument)
            loss = tf.reduce_sum(function(argument))
        return tape.gradient(loss, weights or argument)

    def run(jit_compile):
        compiled = tf.function(compute, jit_compile=jit_compile)
        return lambda: keras.tree.map_structure(np.asarray, compiled(argument))

    return {"graph": run(False), "XLA": run(True)}


def in_turn(modes, rounds):
    """Milliseconds of each, medians of interleaved runs; the first is left out."""
    times = {name: [] for name in modes}
    for _ in range(1 + rounds):
        for name, run in modes.items():
            begin = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - begin))
    first = times["XLA"][0]
    return {name: np.median(each[1:]) for name, each in times.items()}, first


work = {
    "arithmetic": gradient_of(arithmetic, numbers, None),
    "network": gradient_of(network, halves, network.trainable_variables),
    "tiny Glow": gradient_of(tiny, images, tiny.trainable_variables),
}
rounds = {"smoke": 7}.get(profile, 15)
print("              graph, ms    XLA, ms   XLA / graph   first call, s")
for name, modes in work.items():
    times, first = in_turn(modes, rounds)
    ratio = times["XLA"] / times["graph"]
    print(
        f"{name:12} {times['graph']:10.1f} {times['XLA']:10.1f}"
        f" {ratio:11.2f} {first / 1e3:13.1f}"
    )

# %% [markdown]
# Below 1 XLA helps, above it hurts. Add the first call, which a long training pays once and a short one pays for nothing. Keras' default, `jit_compile="auto"`, is on with a GPU and off on a CPU, and that is what the library leaves it at. Under `tf.distribute.MirroredStrategy`, which copies the model to several GPUs and averages their gradients, leave XLA off.
#
# ### Memory
#
# Weights are not the problem. To differentiate, one keeps what every layer computed on the way, for the whole batch. For a Glow of the paper's CIFAR-10 size, $L = 3$, $K = 32$, 512 channels in the networks, batches of 64, two hidden layers in each network:

# %% tags=["nbval-check-output"]
pixels = [16 * 16, 8 * 8, 4 * 4]  # of the three scales of a 32 x 32 image
floats = 64 * sum(pixels) * 32 * 2 * 512  # batch, pixels, steps, layers, channels
print(f"{4 * floats / 2**30:.1f} GiB in float32, {2 * floats / 2**30:.1f} in 16 bits")

# %% [markdown]
# And this is only the least that has to be kept: without what convolutions use while they work, and without the flow's own $x$ and $z$. Three ways out: smaller batches; 16 bits; and one that only flows have. **A flow can be inverted**: the input of every layer follows from its output, so nothing need be stored. Walk back from $z$, computing each layer's input anew, and differentiate layer by layer (Gomez et al., 2017). `memory="recompute"` does this: the gradient is the same up to rounding, the price is time. Measured by `python -m benchmarks.memory` of the repository ($32 \times 32 \times 3$, $L = 3$, 64 channels, batch 64, a CPU): under XLA each further step of flow costs 1.35 MB instead of 27.57; a training step (without XLA) takes a quarter to a third more time. On your machine:

# %%
options = {"levels": 1, "steps": 3, "filters": 32}
batch = tf.constant(clothes[:32])
runs, gradients = {}, {}
for memory in ("store", "recompute"):
    model = models.Glow((28, 28, 1), memory=memory, **options)
    model.adapt(clothes)

    @tf.function
    def gradient(model=model):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model(batch))
        return tape.gradient(loss, model.trainable_variables)

    runs[memory] = lambda gradient=gradient: [g.numpy() for g in gradient()]
    gradients[memory] = np.concatenate([g.ravel() for g in runs[memory]()])
    if GPUS:
        peak = tf.config.experimental.get_memory_info("GPU:0")["peak"]
        print(f"{memory}: peak so far {peak / 2**20:.0f} MiB")
        tf.config.experimental.reset_memory_stats("GPU:0")

error = np.linalg.norm(gradients["recompute"] - gradients["store"])
print(f"relative difference {error / np.linalg.norm(gradients['store']):.1e}")
times = {name: [] for name in runs}
for _ in range(10):
    for name, run in runs.items():
        begin = time.perf_counter()
        run()
        times[name].append(time.perf_counter() - begin)
ratio = np.median(times["recompute"]) / np.median(times["store"])
print(f"time, recompute / store: {ratio:.2f}")

# %% [markdown]
# ### What to expect
#
# | | |
# |---|---|
# | batches | as large as fit, then a learning rate to match; `gpu` in `DGM_TFP_PROFILE` makes this notebook's models larger and the training longer |
# | warm-up | do not leave it out: a repetition of Glow on CIFAR-10 without the right one got 4.01 bits per dimension instead of 3.39 ([y0ast/Glow-PyTorch](https://github.com/y0ast/Glow-PyTorch)) |
# | input | `tf.data` with `prefetch`; bytes, not floats. If the GPU's load (`nvidia-smi`) is low, the input or Python is too slow |
# | the first step | seconds to minutes: tracing and, under XLA, compiling. If every step is slow, something is traced anew each time: a Python number where a tensor should be |
# | checkpoints | a run of days will be interrupted; `dgm-tfp train glow --data fashion_mnist --out DIR`, and the same with `--resume` |
# | a number to reach | 3.35 bits per dimension on CIFAR-10 in the paper; Nalisnick et al. report 3.46 for theirs |

# %% [markdown]
# ## What goes wrong
#
# **ActNorm looked at zeros.** Many programs "build" a model by calling it once on an array of zeros. If that is the call on which ActNorm takes its first values, the standard deviation is 0 and the scale $1/0$. With a tiny number added to the denominator there is no `nan`, only a scale of a million that stays: the log-determinant is splendid, and the first real image is sent to the other end of the universe. One constant channel (the black frame of the digits, an unused colour) does the same to that channel. So: initialise on real data, explicitly, once; and put a sensible floor under the standard deviation, not $10^{-6}$.

# %% tags=["nbval-check-output"]
black = tf.zeros((64, 4, 4, 4), tf.float64)
normal = tf.random.stateless_normal((64, 4, 4, 3), seed=(0, 1), dtype=tf.float64)
one_constant = tf.concat([black[..., :1], normal], axis=3)
print("looked at     floor   greatest s   log-determinant   log p(z) of a real patch")
for name, batch in (("zeros", black), ("one constant", one_constant)):
    for floor in (0.0, 1e-6, 1e-3):
        layer = look_at(batch, floor)
        z, log_det = layer.to_noise(patch)
        log_p_z = stats.norm.logpdf(z).sum()
        print(
            f"{name:13} {floor:5.0e} {np.max(layer.s):12.0e}"
            f" {float(log_det):17.0f} {log_p_z:16.1e}"
        )

# %% [markdown]
# **The factor $h w$ is forgotten.** Write $\sum\log\lvert s\rvert$ instead of $h w \sum\log\lvert s\rvert$, and everything runs. Take the flow with a single ActNorm on squeezed clothes, where the optimum can be written down. The right one is $s = 1/\operatorname{std}$. With the wrong formula stretching is rewarded $h w$ times less than it should be, and the optimum is $s = 1 / (\sqrt{h w}\, \operatorname{std})$: the noise comes out 14 times too narrow. The loss it reports looks like a miracle; what it reports is not the logarithm of a density (its integral is not 1).

# %% tags=["nbval-check-output"]
centred = squeeze(tf.constant(noisy)).numpy()
centred = centred - centred.mean(axis=(0, 1, 2))
std = centred.std(axis=(0, 1, 2))
for name, s, factor in (("right", 1 / std, 196), ("no h w", 1 / std / 14, 1)):
    z = s * centred
    log_p_z = stats.norm.logpdf(z).sum(axis=(1, 2, 3)).mean()
    reported = bits.bits_per_dim(log_p_z + factor * np.log(s).sum(), 784)
    honest = bits.bits_per_dim(log_p_z + 196 * np.log(s).sum(), 784)
    print(
        f"{name:7} std of z {z.std():.3f}   reported {reported:6.3f}"
        f"   honest {honest:6.3f} bits per dimension"
    )

# %% [markdown]
# **Initialised again.** A model is loaded and called; ActNorm does not remember that it has been initialised, takes new values from the first batch it sees, and what was learned is gone. Nothing crashes. In `dgm_tfp` "adapted" is saved with the weights, and `adapt` on such a model does nothing unless it is forced:

# %%
copy = models.Glow((28, 28, 1), levels=2, **sizes)
copy.set_weights(glow.get_weights())
print(f"loaded:         {copy.bits_per_dim(few).mean():.2f} bits per dimension")
copy.adapt(digits_test)
print(f"adapt(digits):  {copy.bits_per_dim(few).mean():.2f}")
copy.adapt(digits_test, force=True)
print(f"    and forced: {copy.bits_per_dim(few).mean():.2f}")

# %% [markdown]
# The fourth mistake, the forgotten $\log 256$, and the fifth, no noise on whole numbers, you have seen above.
#
# ## In one screen
#
# | | |
# |---|---|
# | training | $D_{KL}(p^* \Vert p) = -\mathbb H[p^*] - \mathbb E \log p$: the greatest likelihood |
# | two parts | $\log p_z(f(x;\phi);\psi)$, and $\log\lvert\det \partial f_\phi / \partial x\rvert$, a sum over the layers |
# | ActNorm | $s \odot x + b$, first values from data; $h w \sum\log\lvert s\rvert$ |
# | $1 \times 1$ convolution | $W x$, begins as a rotation, $W = PL(U + \operatorname{diag} s)$; $h w \sum\log\lvert s\rvert$ |
# | coupling | half by half; $\sum \log s$; without $s$: constant volume |
# | scale | squeeze, $K$ steps, half of the channels leaves |
# | dequantization | $\mathbb E \log q(x + u) \le \mathbb E \log Q(x) \le -\mathbb H[P]$ |
# | bits per dimension | $-\log q(y) / (D \ln 2)$ for $y \in [0, 256)^D$; after division by 256: $+8$ |
# | temperature | $z \sim \mathcal N(\mu, T^2\sigma^2)$; constant volume: $p^{1/T^2}$ |
# | GPU | look for it; memory growth; networks in `bfloat16`, densities in `float32`; XLA by measurement; `memory="recompute"` |
#
# ## Questions
#
# <details>
# <summary><b>1.</b> What elements does one layer (one step) of the flow consist of? Write down what happens in each.</summary>
#
# Three. *ActNorm*: $y_{ij} = s \odot x_{ij} + b$, back $(y_{ij} - b)/s$, log-determinant $h w \sum\log\lvert s\rvert$; the first $s$ and $b$ make a batch of data standard in each channel. *Invertible $1 \times 1$ convolution*: $y_{ij} = W x_{ij}$, back $W^{-1} y_{ij}$, log-determinant $h w \log\lvert\det W\rvert$; it mixes the channels, so that the next coupling moves something else. *Affine coupling*: half of the channels is kept and fed to a network, which returns $\log s$ and $t$; the other half becomes $s \odot x_b + t$; back $(y_b - t)/s$ with the same network; log-determinant $\sum \log s$ over the half that was moved. In front of $K$ such steps there is a squeeze, after them half of the channels leaves.
#
# </details>
#
# <details>
# <summary><b>2.</b> Write the change of variables for Glow. Into which parts does it split the search for the optimal parameters?</summary>
#
# $\log p(x;\theta) = \log p_z(f(x;\phi);\psi) + \log\lvert\det \partial f_\phi/\partial x\rvert$, hence $\theta^* = \arg\max_{\phi,\psi} \sum_n [\log p_z(f(x_n;\phi);\psi) + \log\lvert\det \partial f_\phi/\partial x_n\rvert]$. Two parts: the density of the noise where the image lands, which depends on $\phi$ and $\psi$, and the change of volume, which depends on $\phi$ only. The first alone would send all images to the mode of the noise; the second alone would stretch without end. In Glow the second is the sum over all steps of $h w\sum\log\lvert s\rvert$ (ActNorm), $h w \log\lvert\det W\rvert$ and $\sum\log s(x_a)$; the first two are the same for all images, only the third depends on $x$. With additive couplings it vanishes, and the volume is constant.
#
# </details>
#
# <details>
# <summary><b>3.</b> Why is there a factor $h w$ in the log-determinant of ActNorm and not in that of the coupling?</summary>
#
# ActNorm has $c$ numbers $s_k$, and each multiplies $h w$ numbers of the image: the diagonal of the Jacobian has $h w c$ entries, each $s_k$ occurs $h w$ times. The coupling's network returns a value of $\log s$ for every pixel and channel that is moved, $h w c / 2$ of them, and the sum already runs over all.
#
# </details>
#
# <details>
# <summary><b>4.</b> A preprint reports $-2.1$ bits per dimension for 8-bit images. What has happened?</summary>
#
# For whole numbers the value is at least the entropy per dimension, which is not negative. Either the division by 256 was not taken into account (add 8: 5.9), or the images were not dequantized (then the number means nothing), or a log-determinant is wrong.
#
# </details>
#
# <details>
# <summary><b>5.</b> $W = PL(U + \operatorname{diag}(s))$ with the signs of $s$ fixed. Which matrices can never be reached? Does it matter?</summary>
#
# Those whose determinant has the other sign: to get there, one would have to pass a singular matrix, where the likelihood is $-\infty$. Also, with $P$ fixed, those that would need another order of rows to be decomposed; they form a set of measure zero, but near them $L$ and $U$ are large. It hardly matters: a sign of a channel can be undone by the next coupling's network or the next $W$, and normal noise does not know its sign.
#
# </details>
#
# <details>
# <summary><b>6.</b> May the networks in the couplings use batch normalisation?</summary>
#
# The layer stays invertible, given the batch. But then $s$ and $t$ of one image depend on the others in the batch, and what comes out is not a density of that image; sampling has a batch of noise, not of images, in which the statistics are others. With the statistics frozen after training it is an ordinary network again; during training the loss is only an approximation. Glow does without.
#
# </details>
#
# <details>
# <summary><b>7.</b> A model was sampled at $T = 0.7$, and the pictures are good. Which likelihood belongs to the article beside them? And how likely are those pictures under the model?</summary>
#
# The likelihood of the test images at $T = 1$: temperature changes what is sampled, not the model. The cooled samples have a *higher* $\log p(x)$ than the data: $\lVert z\rVert$ is smaller. So high likelihood and being like the data are two things, and unit 08 will live on the difference.
#
# </details>
#
# <details>
# <summary><b>8.</b> `float16` has more digits than `bfloat16`. Why then is `bfloat16` recommended?</summary>
#
# Because of the range. In a network digits are cheap, for noise in the gradients drowns small rounding; but what underflows to 0 or overflows to infinity is lost altogether. `float16` needs loss scaling and still may overflow in $e^{s}$ or in a sum of squares; `bfloat16` has the exponent of `float32`. Densities, where digits count, are computed in `float32` in either case.
#
# </details>
#
# ## What to read
#
# * D. P. Kingma, P. Dhariwal. *Glow: Generative Flow with Invertible 1x1 Convolutions.* NeurIPS, 2018, [arXiv:1807.03039](https://arxiv.org/abs/1807.03039). This unit.
# * L. Dinh, J. Sohl-Dickstein, S. Bengio. *Density estimation using Real NVP.* ICLR, 2017, [arXiv:1605.08803](https://arxiv.org/abs/1605.08803). Squeezing and several scales.
# * L. Theis, A. van den Oord, M. Bethge. *A note on the evaluation of generative models.* ICLR, 2016, [arXiv:1511.01844](https://arxiv.org/abs/1511.01844). The dequantization bound (section 3.1).
# * J. Ho, X. Chen, A. Srinivas, Y. Duan, P. Abbeel. *Flow++.* ICML, 2019, [arXiv:1902.00275](https://arxiv.org/abs/1902.00275). Noise $u$ from a flow of its own, and the bound gets tighter.
# * A. N. Gomez, M. Ren, R. Urtasun, R. Grosse. *The Reversible Residual Network.* NeurIPS, 2017, [arXiv:1707.04585](https://arxiv.org/abs/1707.04585). Gradients without stored activations.
# * P. Micikevicius et al. *Mixed Precision Training.* ICLR, 2018, [arXiv:1710.03740](https://arxiv.org/abs/1710.03740). Where loss scaling comes from.
# * E. Nalisnick, A. Matsukawa, Y. W. Teh, D. Gorur, B. Lakshminarayanan. *Do Deep Generative Models Know What They Don't Know?* ICLR, 2019, [arXiv:1810.09136](https://arxiv.org/abs/1810.09136). What unit 08 is about.
#
# Now the [lab](../../labs/en/04_glow.ipynb).
