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
# # Real-NVP: coupling layers
#
# **The question.** [Unit 01](01_change_of_variables.ipynb) left us with a hard bargain: a map has to be invertible, its determinant has to be cheap, and it should be able to bend anything into anything. Neural networks bend well, but they are not invertible, and the determinant of a network from 3072 dimensions to 3072 is hopeless. Can a network be put *inside* an invertible map, so that neither its inverse nor its determinant is ever needed?
#
# It can, and the trick fits into two lines. By the end of this notebook you will have built the layer, seen its Jacobian, trained two families of flows on the same data to see what the freedom to change volume is worth, and drawn handwritten digits.
#
# **You need** unit 01 and an idea of what a dense and a convolutional network are. **It takes** about 70 minutes, and then 60 to 90 for the [lab](../../labs/en/02_real_nvp.ipynb).

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from dgm_tfp import bijectors, data, models, profiles, training

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
profile = profiles.current().name  # "laptop" by default: decides how long we train

BLUE, LIGHT, RED = "#1f6f8b", "#7fb7c9", "#d1495b"
plt.rcParams.update(
    {
        "figure.dpi": 90,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)


# %% [markdown]
# ## The trick
#
# Cut the vector in two: the first $d$ coordinates and the other $D - d$. The first part passes unchanged. The second is scaled and shifted by amounts that are computed **from the first**:
#
# $$z = f(x) = \begin{cases} z_{1:d} = x_{1:d} \\ z_{d+1:D} = x_{d+1:D} \odot \exp\bigl(s(x_{1:d})\bigr) + t(x_{1:d}) \end{cases}$$
#
# Here $s$ and $t$ are networks with $d$ inputs and $D - d$ outputs, and $\odot$ multiplies element by element. This is an affine **coupling layer** (Dinh et al., 2017). Two things follow at once.
#
# **The inverse is in closed form.** The first part is known: it has not changed. So $s$ and $t$ can be computed again, and what they did can be undone:
#
# $$x = f^{-1}(z) = \begin{cases} x_{1:d} = z_{1:d} \\ x_{d+1:D} = \bigl(z_{d+1:D} - t(z_{1:d})\bigr) \odot \exp\bigl(-s(z_{1:d})\bigr) \end{cases}$$
#
# Nobody has inverted $s$ or $t$. They may be any networks whatever, as wide and as deep as we like.
#
# **The Jacobian matrix is triangular.** The upper left block is the identity, the upper right one is zero, for $z_{1:d}$ does not depend on $x_{d+1:D}$, and the lower right one is diagonal:
#
# $$\frac{\partial f}{\partial x} = \begin{pmatrix} \mathbb I_d & 0 \\ \frac{\partial z_{d+1:D}}{\partial x_{1:d}} & \mathrm{diag}\bigl(\exp(s(x_{1:d}))\bigr) \end{pmatrix}, \qquad \log\left|\det \frac{\partial f}{\partial x}\right| = \sum_{j=1}^{D-d} s(x_{1:d})_j.$$
#
# The lower left block holds the derivatives of both networks, and it does not matter: a triangular determinant is the product of the diagonal. The log-determinant is a **sum of outputs that have been computed anyway**.

# %%
def network(inputs, outputs, hidden=64):
    """Any network will do. The last layer starts at zero: the flow starts as the identity."""
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            keras.layers.Dense(hidden, "relu"),
            keras.layers.Dense(hidden, "relu"),
            keras.layers.Dense(outputs, kernel_initializer="zeros"),
        ]
    )


class CouplingLayer:
    """The two lines, and their inverse. x: (n, D)."""

    def __init__(self, size, volume_preserving=False):
        self.d = size // 2
        self.t = network(self.d, size - self.d)
        self.s = None if volume_preserving else network(self.d, size - self.d)

    def log_scale(self, kept):
        # tanh bounds s: without it one odd batch can make exp(s) overflow
        return tf.zeros(()) if self.s is None else tf.tanh(self.s(kept))

    def to_noise(self, x):
        """z and log abs det dz/dx, (n,)."""
        kept, moved = x[:, : self.d], x[:, self.d :]
        s = self.log_scale(kept) * tf.ones_like(moved)
        z = tf.concat([kept, moved * tf.exp(s) + self.t(kept)], axis=1)
        return z, tf.reduce_sum(s, axis=1)

    def to_data(self, z):
        kept, moved = z[:, : self.d], z[:, self.d :]
        s = self.log_scale(kept)
        return tf.concat([kept, (moved - self.t(kept)) * tf.exp(-s)], axis=1)

    @property
    def variables(self):
        networks = [self.t] if self.s is None else [self.t, self.s]
        return [v for net in networks for v in net.trainable_variables]


# %% [markdown]
# We promised that the determinant of the whole matrix equals the sum of $s$. A promise like this one is checked: make a layer in 8 dimensions with networks of random weights, let automatic differentiation fill in the matrix, and look at it.

# %%
def randomise(layer):
    """Random weights instead of the zeros of the last layer."""
    for i, variable in enumerate(layer.variables):
        variable.assign(0.4 * tf.random.stateless_normal(variable.shape, seed=(i, 1)))


def jacobian(function, x):
    """(n, D, D), by automatic differentiation."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        z = function(x)
    return tape.batch_jacobian(z, x).numpy()


layer = CouplingLayer(8)
randomise(layer)
x = tf.random.stateless_normal((5, 8), seed=(0, 2))
z, log_det = layer.to_noise(x)
matrices = jacobian(lambda x: layer.to_noise(x)[0], x)

# %% tags=["nbval-check-output"]
brute_force = np.linalg.slogdet(matrices.astype(np.float64)).logabsdet
print("the sum of s is the log-determinant:", np.allclose(log_det, brute_force, atol=1e-4))
print("there and back:", np.allclose(layer.to_data(z), x, atol=1e-4))
print("upper left block is the identity:", np.allclose(matrices[:, :4, :4], np.eye(4)))
print("upper right block is zero:", not matrices[:, :4, 4:].any())

# %% [markdown]
# ## One layer is not enough
#
# A coupling layer leaves half of the coordinates where they were. So layers are stacked, and the roles of the halves are exchanged between them; here by turning the vector round. How many layers does it take until every output depends on every input? The Jacobian matrices of 1, 2, 3 and 4 layers tell: a zero is a dependence that is not there.

# %%
stack = [CouplingLayer(8) for _ in range(4)]
for i, each in enumerate(stack):
    for j, variable in enumerate(each.variables):
        variable.assign(0.4 * tf.random.stateless_normal(variable.shape, seed=(i, j)))


def through(layers):
    def function(x):
        for each in layers:
            x = tf.reverse(each.to_noise(x)[0], axis=[1])
        return x

    return function


figure, axes = plt.subplots(1, 4, figsize=(9, 2.5))
zeros = []
for count, axis in enumerate(axes, 1):
    matrix = jacobian(through(stack[:count]), x)[0]
    if count % 2:
        matrix = matrix[::-1]  # so that an odd number of turns does not hide the blocks
    zeros.append(int((matrix == 0).sum()))
    shown = np.sign(matrix) * np.abs(matrix) ** 0.3
    axis.imshow(shown, cmap="RdBu", vmin=-1.5, vmax=1.5)
    axis.set(xticks=[], yticks=[], title=f"{count}")

# %% tags=["nbval-check-output"]
print("zeros among 64 elements after 1, 2, 3, 4 layers:", zeros)

# %% [markdown]
# *Figure 1. The Jacobian matrix of 1, 2, 3 and 4 coupling layers (red and blue: sign; white: exactly zero). The first one is the block matrix of the formula.*
#
# After two layers each half has seen the other, but the second half of the input has not yet come back to itself through the networks. Three layers are the least that leaves no zero.

# %% [markdown]
# ## To change volume, or not
#
# Without $s$ the layer is $z_{d+1:D} = x_{d+1:D} + t(x_{1:d})$, and its determinant is 1. This is NICE (Dinh et al., 2015): it **preserves volume**. The full layer does not, hence the name Real-NVP, *real-valued non-volume preserving*. What does the difference look like? One layer of each kind bends the same grid.

# %%
lines, dense = np.linspace(-2, 2, 17), np.linspace(-2, 2, 100)
wave = [lambda u: 0 * u, lambda u: 0.7 * np.sin(2 * u), lambda u: 0.7 * np.sin(2 * u)]
stretch = [lambda u: 0 * u, lambda u: 0 * u, lambda u: 0.8 * np.cos(1.5 * u)]

figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharex=True, sharey=True)
for axis, t, s in zip(axes, wave, stretch, strict=True):
    for level in lines:
        for x1, x2 in ((dense, 0 * dense + level), (0 * dense + level, dense)):
            axis.plot(x1, x2 * np.exp(s(x1)) + t(x1), color=BLUE, lw=0.7)
    axis.set(xlabel="$z_1$", aspect="equal")
for axis, title in zip(axes, ("data", "NICE: $x_2 + t$", r"Real-NVP: $x_2 e^s + t$"), strict=True):
    axis.set_title(title)

# %% [markdown]
# *Figure 2. One coupling layer acting on a grid. Vertical lines stay vertical: $x_1$ is kept. Under NICE every cell keeps its area; under Real-NVP columns are squeezed and stretched.*
#
# Now the contest. Two flows on two moons, of the same depth, the same width and the same training, except that one has no $s$. Between the layers the halves are exchanged. At its end the volume-preserving flow gets one constant scale for each coordinate, as in the NICE paper; without it the flow could not even fit the size of the data.

# %%
moons = data.load("moons", "train").images
centre, spread = moons.mean(axis=0), moons.std(axis=0)
moons = (moons - centre) / spread
moons_test = (data.load("moons", "test").images - centre) / spread


class Stack:
    """Coupling layers, the halves exchanged between them, and a constant scale."""

    def __init__(self, layers, volume_preserving):
        self.layers = [CouplingLayer(2, volume_preserving) for _ in range(layers)]
        self.scale = tf.Variable(tf.zeros(2))

    @property
    def variables(self):
        return [v for layer in self.layers for v in layer.variables] + [self.scale]

    def to_noise(self, x):
        total = tf.reduce_sum(self.scale)
        for layer in self.layers:
            x, log_det = layer.to_noise(x)
            x, total = tf.reverse(x, axis=[1]), total + log_det
        return x * tf.exp(self.scale), total

    def to_data(self, z):
        z = z * tf.exp(-self.scale)
        for layer in reversed(self.layers):
            z = layer.to_data(tf.reverse(z, axis=[1]))
        return z

    def log_prob(self, x):
        z, log_det = self.to_noise(x)
        return log_det - tf.reduce_sum(z**2 / 2, axis=1) - np.log(2 * np.pi)


def train(flow, steps, learning_rate=2e-3):
    """Maximum likelihood; returns the losses."""
    variables, losses = flow.variables, []
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(variables)

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(flow.log_prob(batch))
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    for _ in range(steps):
        losses.append(float(step(moons[rng.integers(len(moons), size=256)])))
    return losses


steps = {"smoke": 100, "laptop": 2500, "gpu": 2500}[profile]
nice, real_nvp = Stack(6, volume_preserving=True), Stack(6, volume_preserving=False)
losses = {"NICE": train(nice, steps), "Real-NVP": train(real_nvp, steps)}
for name, flow in (("NICE", nice), ("Real-NVP", real_nvp)):
    print(f"{name:8} loss on the test set: {-np.mean(flow.log_prob(moons_test)):.3f} nats")

# %%
axis_2d = np.linspace(-2.5, 2.5, 201).astype(np.float32)
plane = np.stack(np.meshgrid(axis_2d, axis_2d), axis=-1).reshape(-1, 2)
figure, axes = plt.subplots(1, 3, figsize=(9.5, 3))
for axis, flow, name in zip(axes, (nice, real_nvp), losses, strict=False):
    axis.pcolormesh(axis_2d, axis_2d, np.exp(flow.log_prob(plane)).reshape(201, 201), vmax=0.6)
    axis.set(title=name, aspect="equal", xticks=[], yticks=[])
for (name, values), color in zip(losses.items(), (BLUE, RED), strict=True):
    width = max(1, len(values) // 50)
    smooth = np.convolve(values, np.ones(width) / width, mode="valid")
    axes[2].plot(smooth, color=color, label=name)
axes[2].set(ylabel="$L$", ylim=(1.7, 3))
axes[2].legend();

# %% [markdown]
# *Figure 3. The densities that the two flows have learned, and their losses, smoothed.*
#
# ## Where the volume goes
#
# The log-likelihood has two parts, $\log p_z(f(x))$ and the log-determinant. For NICE the second is the same number for every $x$. Real-NVP can use it: it stretches where data are dense and squeezes where there are none. Keep this picture in mind. In unit 08 we shall ask which of the two parts is to blame when a model prefers foreign images.

# %%
figure, axes = plt.subplots(1, 2, figsize=(7.5, 3))
for axis, flow, name in zip(axes, (nice, real_nvp), losses, strict=True):
    volume = np.broadcast_to(flow.to_noise(plane)[1], len(plane)).reshape(201, 201)
    image = axis.pcolormesh(axis_2d, axis_2d, volume, cmap="viridis", vmin=-3, vmax=4)
    axis.scatter(*moons_test[:300].T, s=1, color="white")
    axis.set(title=name, aspect="equal", xticks=[], yticks=[])
figure.colorbar(image, ax=axes, label="log-determinant, nats");

# %% [markdown]
# *Figure 4. The log-determinant over the plane, with test points in white.*

# %% [markdown]
# ## Masks for images
#
# Which half of an *image*? The same formula with a mask $b$ of zeros and ones, 1 for what is kept:
#
# $$z = b \odot x + (1 - b) \odot \Bigl(x \odot \exp\bigl(s(b \odot x)\bigr) + t(b \odot x)\Bigr), \qquad \log\left|\det \frac{\partial f}{\partial x}\right| = \sum_{j} \bigl((1 - b) \odot s(b \odot x)\bigr)_j.$$
#
# Real-NVP uses two kinds. A **checkerboard** keeps every other pixel: a pixel is then predicted from its neighbours, which is easy, for neighbours are alike. A **mask of channels** keeps half of the channels. A grey image has just one channel, so it is **squeezed** first: each block of $2 \times 2$ pixels becomes 4 channels, $28 \times 28 \times 1 \to 14 \times 14 \times 4$. Nothing is lost or computed, the determinant is 1. Seen through the squeeze, a checkerboard is a mask of channels too.

# %%
digits = data.load("mnist", "train").images
digit = digits[3].astype(np.float32)
checkerboard = (np.add.outer(np.arange(28), np.arange(28)) % 2)[:, :, None]
squeezed = bijectors.Squeeze.of(digit.shape).forward(digit[None])[0].numpy()  # (14, 14, 4)
channels = np.concatenate(list(np.moveaxis(squeezed, -1, 0)), axis=1)
kept = np.concatenate([np.full((14, 28), 255.0), np.zeros((14, 28))], axis=1)

figure, axes = plt.subplots(1, 4, figsize=(10, 1.9), width_ratios=(1, 1, 2, 2))
panels = (digit[:, :, 0], (digit * checkerboard)[:, :, 0], channels, channels * (kept > 0))
for axis, panel in zip(axes, panels, strict=True):
    axis.imshow(panel, cmap="gray")
    axis.axis("off")

# %% [markdown]
# *Figure 5. A digit; what a checkerboard keeps; the four channels of the squeezed digit side by side; what a mask of channels keeps.*
#
# **Several scales.** After a few layers at one scale, half of the channels is taken out as finished noise, and the rest is squeezed and goes on: the later layers are cheaper and see farther. Unit 04 takes this apart. `models.RealNVP` has it all; here are its digits. Pixels are integers, so each gets noise from $[0, 1)$ (dequantization, also in unit 04).

# %%
seconds = {"smoke": 8, "laptop": 75, "gpu": 300}[profile]
schedule = training.WarmUpCosine()
flow = models.RealNVP((28, 28, 1), levels=2, steps=3, filters=48)
flow.adapt(digits)
flow.compile(optimizer=training.adam(schedule))
budget = training.Budget(seconds, schedule)
flow.fit(digits, epochs=10_000, batch_size=64, verbose=0, callbacks=[budget])

digits_test = data.load("mnist", "test").images[:500]
print(f"test set: {flow.bits_per_dim(digits_test).mean():.2f} bits per dimension")


# %%
def sheet(images, columns=12):
    """(n, 28, 28, 1) side by side."""
    rows = images[: len(images) // columns * columns].reshape(-1, columns, 28, 28)
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)


figure, axes = plt.subplots(2, 1, figsize=(8, 4.2))
for axis, images in zip(axes, (digits_test[:36], flow.sample(36, seed=1)), strict=True):
    axis.imshow(sheet(images), cmap="gray")
    axis.axis("off")

# %% [markdown]
# *Figure 6. Real digits above, samples below.*
#
# Because the map is invertible, every image *has* a noise point, exactly. Walk in a straight line between the noise points of two images and look at what lies between. Compare: the same walk between the images themselves is only a cross-fade.

# %%
pair = digits_test[[0, 1]].astype(np.float32) + 0.5
noise = flow.bijector.inverse(pair).numpy()
weight = np.linspace(0, 1, 9).reshape(-1, 1, 1, 1).astype(np.float32)
through_noise = flow.bijector.forward((1 - weight) * noise[0] + weight * noise[1]).numpy()
cross_fade = (1 - weight) * pair[0] + weight * pair[1]
strips = np.clip(np.concatenate([through_noise, cross_fade]), 0, 255)

figure, axis = plt.subplots(figsize=(8, 1.9))
axis.imshow(sheet(strips, columns=9), cmap="gray")
axis.axis("off");


# %% [markdown]
# *Figure 7. Above: from one test digit to another along a straight line in the space of noise. Below: the cross-fade.*

# %% [markdown]
# ## What goes wrong
#
# **The same half every time.** Forget to exchange the halves, and the first coordinate passes through all layers untouched. The flow can still change $x_2$ given $x_1$, but the density of $x_1$ itself stays that of the noise. Nothing crashes. The loss is merely worse, and that is hard to notice unless one looks.

# %%
class NeverExchanged(Stack):
    """The mistake on purpose."""

    def to_noise(self, x):
        total = tf.reduce_sum(self.scale)
        for layer in self.layers:
            x, log_det = layer.to_noise(x)
            total = total + log_det
        return x * tf.exp(self.scale), total

    def to_data(self, z):
        z = z * tf.exp(-self.scale)
        for layer in reversed(self.layers):
            z = layer.to_data(z)
        return z


lazy = NeverExchanged(6, volume_preserving=False)
train(lazy, steps)
for name, flow_2d in (("exchanged", real_nvp), ("never", lazy)):
    print(f"{name:10} loss on the test set: {-np.mean(flow_2d.log_prob(moons_test)):.3f} nats")

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 2.6), sharey=True)
noise_2d = tf.constant(rng.standard_normal((4000, 2)), tf.float32)
for axis, flow_2d, title in zip(axes, (real_nvp, lazy), ("exchanged", "never"), strict=True):
    axis.hist(moons_test[:, 0], bins=50, density=True, color=LIGHT, label="data")
    values = flow_2d.to_data(noise_2d)[:, 0]
    axis.hist(values, bins=50, range=(-3, 3), density=True, histtype="step", color=RED, label="flow")
    axis.set(xlabel="$x_1$", title=title)
axes[0].legend();

# %% [markdown]
# *Figure 8. The distribution of the first coordinate: of the data, and of samples of a flow whose halves are exchanged (left) or never are (right).*
#
# **An unbounded $s$.** The layer multiplies by $e^s$. A network that returns 90 on one odd point gives $e^{90}$, which `float32` does not hold, and one infinite number in a batch makes all the weights `nan`. So $s$ is bounded, by `tanh` here and in `dgm_tfp`. The price is small: a layer may stretch at most $e$ times, and there are many layers.
#
# **$s$ outside the sum.** With masks it is easy to sum $s$ over *all* coordinates, also over those that were kept. They were not stretched, whatever the network says about them: the sum is over $(1 - b) \odot s$.

# %% tags=["nbval-check-output"]
with np.errstate(over="ignore"):
    print("exp(90) in float32:", np.exp(np.float32(90)))
print(f"the most that tanh lets through: {np.exp(1):.3f}")

mask = np.array([1, 1, 0, 0])
log_scale = np.array([0.3, -0.2, 0.5, 0.1])  # the network has an opinion on every coordinate
stretched = np.where(mask, 1, np.exp(log_scale))  # the diagonal of the Jacobian matrix
print(f"log of the determinant {np.log(stretched.prod()):.2f}")
print(f"sum of (1 - b) s       {((1 - mask) * log_scale).sum():.2f}")
print(f"sum of all s           {log_scale.sum():.2f}")

# %% [markdown]
# ## The same with TensorFlow Probability
#
# `tfb.RealNVP` is one coupling layer, written in the direction of generation: its `forward` goes from noise to data, $x_{d+1:D} = z_{d+1:D} \odot e^{s} + t$. It takes a function that returns shift and log-scale. Both conventions are found in papers; the family of flows is the same, only $s$ changes its sign.
#
# There is a trap. A Keras 3 network inside the function is invisible to TFP: the bijector says that it has no variables to train. In `dgm_tfp` the `keras.Model` owns the networks, and the bijector is computed from them.

# %% tags=["nbval-check-output"]
from tensorflow_probability import bijectors as tfb

conditioner = network(4, 8)
for i, variable in enumerate(conditioner.trainable_variables):
    variable.assign(0.4 * tf.random.stateless_normal(variable.shape, seed=(i, 3)))


def shift_and_log_scale(kept, output_units, **_):
    shift, s = tf.split(conditioner(kept), 2, axis=-1)
    return shift, tf.tanh(s)


stock = tfb.RealNVP(num_masked=4, shift_and_log_scale_fn=shift_and_log_scale)
ours = bijectors.Coupling(conditioner, event_ndims=1)
noise_8d = tf.random.stateless_normal((3, 8), seed=(0, 4))
print("forward:", np.allclose(stock.forward(noise_8d), ours.forward(noise_8d), atol=1e-5))
print(
    "log-determinant:",
    np.allclose(
        stock.forward_log_det_jacobian(noise_8d, 1),
        ours.forward_log_det_jacobian(noise_8d),
        atol=1e-5,
    ),
)
print("variables that TFP's bijector sees:", len(stock.trainable_variables))
print("variables of the network:", len(conditioner.trainable_variables))

# %% [markdown]
# ## The same in `dgm_tfp`
#
# The whole notebook up to the digits, once more:

# %%
flow_2d = models.RealNVP((2,), steps=6, hidden=(64, 64))  # coupling="additive" is NICE
flow_2d.adapt(moons)
flow_2d.compile(optimizer=keras.optimizers.Adam(2e-3))
epochs = {"smoke": 1, "laptop": 30, "gpu": 30}[profile]
flow_2d.fit(moons, epochs=epochs, batch_size=128, verbose=0)
print(f"loss on the test set: {-flow_2d.log_prob(moons_test).mean():.3f} nats")

# %% [markdown]
# ## In one screen
#
# | | |
# |---|---|
# | coupling layer | $z_{1:d} = x_{1:d}$, $\;z_{d+1:D} = x_{d+1:D} \odot e^{s(x_{1:d})} + t(x_{1:d})$ |
# | inverse | $x_{d+1:D} = (z_{d+1:D} - t(z_{1:d})) \odot e^{-s(z_{1:d})}$ |
# | log-determinant | $\sum_j s_j$ over the coordinates that were moved |
# | networks | any; never inverted, never differentiated for the determinant |
# | NICE | $s = 0$: preserves volume |
# | masks of images | checkerboard, channels after squeezing |
# | cost | scoring and sampling: one pass each |
#
# ## Questions
#
# <details>
# <summary><b>1.</b> May the networks $s$ and $t$ have max-pooling, dropout, or a constant output?</summary>
#
# Max-pooling and a constant output: yes, anything that is a function of the kept half; for training it should be differentiable almost everywhere. Dropout: no, unless the same units are dropped both ways. The inverse computes $s$ and $t$ again, and they must come out the same.
#
# </details>
#
# <details>
# <summary><b>2.</b> Why are two layers with exchanged halves still not able to make every output depend on every input?</summary>
#
# Let the first layer move $x_b$ by $x_a$, the second move $x_a$ by the new $z_b$. The new $z_b$ depends on the old $x_b$ only linearly, coordinate by coordinate: $z_{b,j} = x_{b,j} e^{s_j(x_a)} + t_j(x_a)$. So inside half $b$ the coordinates have not mixed: $\partial z_{b,j} / \partial x_{b,k} = 0$ for $j \ne k$. The third layer mixes them.
#
# </details>
#
# <details>
# <summary><b>3.</b> The log-determinant of a layer is $\sum_j s_j$. Is it one number for the whole batch?</summary>
#
# No, one for each example, because $s$ depends on $x_{1:d}$. Summing over the batch is among the commonest mistakes; the loss still falls, with a determinant counted as many times as there are examples.
#
# </details>
#
# <details>
# <summary><b>4.</b> Is a coupling flow with enough layers able to represent any map?</summary>
#
# It can bring any reasonable density as close as one likes (Teshima et al., 2020, prove it for affine couplings with permutations), but not by a given number of layers, and some targets need very steep $s$. Two separate islands always keep a thread between them, as in unit 01.
#
# </details>
#
# <details>
# <summary><b>5.</b> How much slower is sampling than scoring?</summary>
#
# Not at all: both compute $s$ and $t$ once for each layer. This is what distinguishes couplings from the autoregressive flows of unit 03, where one of the two directions is sequential.
#
# </details>
#
# <details>
# <summary><b>6.</b> What does a flow of additive couplings with one constant scale at its end say about $\log p_x(x)$ of two different images?</summary>
#
# Their log-determinants are equal, so the difference comes from $\log p_z(f(x))$ alone: more likely is what lands nearer to the mode of the noise. This makes it the simplest case for the analysis of unit 08.
#
# </details>
#
# <details>
# <summary><b>7.</b> Squeezing turns $28 \times 28 \times 1$ into $14 \times 14 \times 4$. What is its log-determinant?</summary>
#
# Zero. It is a permutation of the pixels, and the determinant of a permutation matrix is $\pm 1$.
#
# </details>
#
# ## What to read
#
# * L. Dinh, D. Krueger, Y. Bengio. *NICE: Non-linear Independent Components Estimation.* ICLR workshop, 2015, [arXiv:1410.8516](https://arxiv.org/abs/1410.8516). Couplings without $s$.
# * L. Dinh, J. Sohl-Dickstein, S. Bengio. *Density estimation using Real NVP.* ICLR, 2017, [arXiv:1605.08803](https://arxiv.org/abs/1605.08803). This unit.
# * T. Teshima et al. *Coupling-based Invertible Neural Networks Are Universal Diffeomorphism Approximators.* NeurIPS, 2020, [arXiv:2006.11469](https://arxiv.org/abs/2006.11469). What couplings can represent.
# * P. Kirichenko, P. Izmailov, A. G. Wilson. *Why Normalizing Flows Fail to Detect Out-of-Distribution Data.* NeurIPS, 2020, [arXiv:2006.08545](https://arxiv.org/abs/2006.08545). What couplings look at in an image; for unit 08.
#
# Now the [lab](../../labs/en/02_real_nvp.ipynb).
