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
# # Variational autoencoder
#
# **The question.** A flow turns noise into a picture by a map that can be undone, and therefore knows $p(x)$. That is a heavy condition: the noise must have as many dimensions as the picture. But what makes a handwritten digit *that* digit is a handful of causes: which digit, the slant, the weight of the pen. Let the noise $z$ have 20 dimensions, let *any* network turn it into a picture of 784 pixels, and ask again: what is $p(x)$, and how is such a model trained?
#
# The answer: $p(x)$ is an integral that nobody can compute, so one maximises a lower bound on it, and a second network is trained only to make the bound tight. That is the variational autoencoder (Kingma & Welling, 2014). By the end of this notebook you will have derived the bound twice, checked it on a model in which everything is known, built a VAE of digits in thirty lines, measured *how far* the bound is from the truth, and broken the VAE in the three ways in which VAEs are usually broken.
#
# **You need** normal densities, conditional probability, [unit 01](01_change_of_variables.ipynb), and a network that you have once trained. **It takes** about 80 minutes, and then 60 to 90 for the [lab](../../labs/en/05_vae.ipynb).
#
# | symbol | meaning |
# |---|---|
# | $x \in \mathbb R^D$ | an object: a picture of $D = 784$ pixels |
# | $z \in \mathbb R^d$, $p(z) = \mathcal N(0, I)$ | the latent variable, never observed, and its prior |
# | $p(x \mid z)$ | the decoder: a network computes the parameters of this distribution from $z$ |
# | $p(z \mid x)$ | the posterior: which $z$ may have made this $x$; unknown |
# | $q(z \mid x) = \mathcal N(\mu(x), \operatorname{diag} \sigma^2(x))$ | the encoder: a network's approximation of the posterior |

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import special, stats

from dgm_tfp import data, profiles

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
profile = profiles.current().name  # "laptop" by default: decides how long we train

BLUE, LIGHT, RED = "#1f6f8b", "#7fb7c9", "#d1495b"
plt.rcParams.update(
    {
        "figure.dpi": 72,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)

# %%
digits = data.load("mnist", "train", source="embedded").images.reshape(-1, 784) / 255
digits = digits.astype(np.float32)
digits_test = data.load("mnist", "test", source="embedded")
labels_test = digits_test.labels
digits_test = (digits_test.images.reshape(-1, 784) / 255).astype(np.float32)

# %% [markdown]
# ## An autoencoder
#
# Before the variational one, the plain one. An **autoencoder** squeezes an object through a narrow layer and restores it:
#
# $$H = \sigma(W_e X), \qquad \|\sigma(W_d H) - X\|_2^2 \to \min.$$
#
# Here $X$ is the matrix of objects, one in a column, $H$ are their codes, far shorter than the objects, $\sigma$ is a nonlinearity. Nobody tells the network what to put into the code; it has to find what a picture can be restored from.
#
# **Without $\sigma$ this is an old acquaintance.** The product $W_d W_e$ is a matrix of rank $k$, the length of the code, and the theorem of Eckart and Young says which matrix of rank $k$ restores centred data best: the projection on the $k$ eigenvectors of the covariance matrix $S$ with the largest eigenvalues. The error that remains is the sum of the other eigenvalues. So a linear autoencoder learns **principal component analysis** (Baldi & Hornik, 1989: there are no other minima, only saddles). Let gradient descent, which knows nothing of eigenvectors, find it out. The error is $\operatorname{tr}(R S R^\top)$ with $R = I - W_d W_e$, and its gradient is written down by hand.

# %% tags=["nbval-check-output"]
small = digits.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
S = np.cov(small.T.astype(np.float64))
eigenvalues, eigenvectors = np.linalg.eigh(S)  # in ascending order
principal = eigenvectors[:, -3:]

W_e = 0.01 * np.random.default_rng(0).standard_normal((3, 196))
W_d = 0.01 * np.random.default_rng(1).standard_normal((196, 3))
print(" step  error    cosine of the largest angle to the principal plane")
for step in range(401):
    RS = S - W_d @ (W_e @ S)
    if step % 100 == 0:
        error = np.trace(RS - RS @ W_e.T @ W_d.T)
        cosines = np.linalg.svd(np.linalg.qr(W_d)[0].T @ principal).S
        print(f"{step:5}  {error:.3f}   {cosines.min():.4f}")
    rate = 0.5 / eigenvalues[-1]
    W_d, W_e = W_d + rate * RS @ W_e.T, W_e + rate * W_d.T @ RS
print(f"  PCA  {eigenvalues[:-3].sum():.3f}   1.0000")


# %% [markdown]
# With nonlinear layers, 784 → 400 → 20 → 400 → 784, the curved surface on which digits lie is followed better than by any plane. Compare the two at the same length of code.

# %%
def mlp(inputs, outputs, hidden=400):
    """One hidden layer."""
    layers = [keras.layers.Dense(hidden, "relu"), keras.layers.Dense(outputs)]
    return keras.Sequential([keras.Input((inputs,)), *layers])


def train(loss, variables, batch, steps, learning_rate=1e-3, watch=None):
    """Steps of Adam on `loss(batch())`; `watch(step)` is called after each."""
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(variables)

    @tf.function(autograph=False)
    def step(x):
        with tf.GradientTape() as tape:
            value = loss(x)
        optimizer.apply(tape.gradient(value, variables), variables)

    for done in range(1, steps + 1):
        step(batch())
        if watch:
            watch(done)


def digit_batch(size=128):
    return tf.constant(digits[rng.integers(len(digits), size=size)])


encoder, decoder = mlp(784, 20), mlp(20, 784)


def restored(x):
    return tf.sigmoid(decoder(encoder(x)))


weights = encoder.trainable_variables + decoder.trainable_variables
train(
    lambda x: tf.reduce_mean(tf.reduce_sum((restored(x) - x) ** 2, axis=1)),
    weights,
    digit_batch,
    steps={"smoke": 20, "laptop": 600, "gpu": 600}[profile],
)

mean = digits.mean(axis=0)
axes_20 = np.linalg.eigh(np.cov((digits - mean).T))[1][:, -20:]
by_pca = mean + (digits_test - mean) @ axes_20 @ axes_20.T
by_network = restored(digits_test).numpy()
for name, x in (("PCA", by_pca), ("autoencoder", by_network)):
    print(f"{name:12} squared error {np.mean(np.sum((x - digits_test) ** 2, 1)):.1f}")


# %% [markdown]
# **Is an autoencoder a generative model?** It has a decoder; feed it codes and look. But *which* codes? Nothing in the loss says where the codes of digits lie: the encoder may scatter them wherever it likes, with holes between them. Take the codes of the test digits, and draw new ones from a normal distribution with the same mean and the same covariance.

# %%
def sheet(images, columns):
    """(n, 784) -> one picture, `columns` digits in a row."""
    images = np.clip(images, 0, 1).reshape(-1, columns, 28, 28)
    return np.block([list(row) for row in images])


def show(axis, images, columns, title=""):
    axis.imshow(sheet(np.asarray(images), columns), cmap="gray", vmin=0, vmax=1)
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, fontsize=10)


codes = encoder(digits_test).numpy()
random_codes = rng.multivariate_normal(codes.mean(axis=0), np.cov(codes.T), size=16)
from_codes = tf.sigmoid(decoder(tf.constant(random_codes, tf.float32)))
figure, axes = plt.subplots(4, 1, figsize=(8, 3.2))
titles = (
    "test digits",
    "PCA, 20 numbers",
    "autoencoder, 20 numbers",
    "random codes, decoded",
)
rows = (digits_test[:16], by_pca[:16], by_network[:16], from_codes)
for axis, images, title in zip(axes, rows, titles, strict=True):
    show(axis, images, 16, title)

# %% [markdown]
# *Figure 1. Sixteen test digits; the same restored from 20 principal components and from the 20 numbers of an autoencoder's code; pictures decoded from random codes.*
#
# The third row is better than the second, and the fourth is a failure. An autoencoder is a machine for *compression*: it has neither a distribution of codes nor a $p(x)$. There are two ways from here to a density. One goes through noise, and gives the *gradient* of the density; the other puts a distribution on the codes, and fills the rest of the unit.

# %% [markdown]
# ## Teach it to remove noise, and it will know the density
#
# Spoil the object with noise, $\tilde x = x + \sigma \varepsilon$, $\varepsilon \sim \mathcal N(0, I)$, and ask for the clean one back: $\mathbb E\, \|f(\tilde x) - x\|^2 \to \min$. This is the **denoising autoencoder**; a narrow layer is not needed any more, copying does not help against noise.
#
# > **Theorem (Tweedie; Alain & Bengio, 2014).** Let $p_\sigma$ be the density of the noisy objects $\tilde x$. The best $f$ is
# >
# > $$f(\tilde x) = \mathbb E[x \mid \tilde x] = \tilde x + \sigma^2\, \frac{\partial \log p_\sigma(\tilde x)}{\partial \tilde x}.$$
# >
# > Therefore
# >
# > $$\frac{f(x) - x}{\sigma^2} \;\longrightarrow\; \frac{\partial \log p(x)}{\partial x}, \qquad \sigma \to 0.$$
#
# **Derivation.** Among all functions of $\tilde x$ the conditional mean has the least squared error: this is the first equality. Now $p_\sigma(\tilde x) = \int p(x)\, \mathcal N(\tilde x;\, x, \sigma^2 I)\, dx$, and the gradient of a normal density is itself times $(x - \tilde x) / \sigma^2$. Differentiate under the integral and divide by $p_\sigma$:
#
# $$\frac{\partial \log p_\sigma(\tilde x)}{\partial \tilde x} = \int \frac{p(x)\, \mathcal N(\tilde x;\, x, \sigma^2 I)}{p_\sigma(\tilde x)} \cdot \frac{x - \tilde x}{\sigma^2}\, dx = \frac{\mathbb E[x \mid \tilde x] - \tilde x}{\sigma^2}.$$
#
# The fraction under the integral is $p(x \mid \tilde x)$ by Bayes' formula. That is all. The gradient of a log-density with respect to the *object* is called its **score**. Note that it is a *vector*, and so is $f(x) - x$: the denoiser shows the direction in which objects become more probable. (One meets this formula with $\|f(x) - x\|^2$ on the right. That cannot be: a number would equal a vector, and the sign would be lost.)
#
# To check it we need data with a known density. The two moons of the package are two half circles blurred by a normal noise of 0.1. Adding more noise only blurs them more, so $p_\sigma$ is known for every $\sigma$, and so is $\mathbb E[x \mid \tilde x]$.

# %% tags=["nbval-check-output"]
angle = np.pi * (np.arange(400) + 0.5) / 400
upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
arcs = np.concatenate([upper, [1, 0.5] - upper])  # (800, 2): the centres
BLUR = 0.1


def log_density(x, sigma):
    """log p_sigma, (n, 2) -> (n,): a mixture of 800 equal circular normals."""
    variance = BLUR**2 + sigma**2
    distance = ((x[:, None] - arcs) ** 2).sum(axis=2)
    log_p = special.logsumexp(-distance / (2 * variance), axis=1)
    return log_p - np.log(len(arcs) * 2 * np.pi * variance)


def exact_score(x, sigma, step=1e-4):
    """The gradient of log p_sigma, (n, 2) -> (n, 2), by central differences."""
    steps = step * np.eye(2)
    rises = [log_density(x + s, sigma) - log_density(x - s, sigma) for s in steps]
    return np.stack(rises, axis=1) / (2 * step)


def best_denoiser(x, sigma):
    """E[x | x + sigma eps], (n, 2) -> (n, 2), by Bayes' formula for a mixture."""
    share = BLUR**2 / (BLUR**2 + sigma**2)  # of the deviation that is no noise
    distance = ((x[:, None] - arcs) ** 2).sum(axis=2)
    weight = special.softmax(-distance / (2 * (BLUR**2 + sigma**2)), axis=1)
    return share * x + (1 - share) * weight @ arcs


moons = data.load("moons", "train", verbose=False).images.astype(np.float32)
x = data.load("moons", "test", verbose=False).images[:500]
print("sigma   f - x over sigma^2, against")
print("        grad log p_sigma   grad log p")
for sigma in (0.4, 0.2, 0.1, 0.05, 0.025):
    by_denoiser = (best_denoiser(x, sigma) - x) / sigma**2
    gaps = [
        np.linalg.norm(by_denoiser - exact_score(x, s), axis=1).mean()
        for s in (sigma, 0)
    ]
    print(f"{sigma:<5}   {gaps[0]:.4f}             {gaps[1]:.2f}")
length = np.linalg.norm(exact_score(x, 0), axis=1).mean()
print(f"mean length of grad log p: {length:.2f}")

# %% [markdown]
# The first column is zero at every $\sigma$: the theorem is exact. The second shrinks about as $\sigma^2$: it is the price of the noise. Now the denoiser is a *network* that has never heard of arcs; it sees pairs of a noisy and a clean point. As an application, let points wander: a step along the score and a little noise, $x \leftarrow x + \frac{\eta}{2}\, \nabla \log p_\sigma(x) + \sqrt{\eta}\, \xi$. With small $\eta$ this **Langevin** walk draws from $p_\sigma$. So we generate with a denoiser after all; with many levels of $\sigma$ it becomes a diffusion model (Song & Ermon, 2019).

# %%
SIGMA = 0.2
relu = [keras.layers.Dense(64, "relu") for _ in range(3)]
correction = keras.Sequential([keras.Input((2,)), *relu, keras.layers.Dense(2)])


def denoise(x):
    return x + SIGMA * correction(x)


def denoising_loss(x):
    noisy = x + SIGMA * tf.random.normal(tf.shape(x))
    return tf.reduce_mean(tf.reduce_sum((denoise(noisy) - x) ** 2, axis=1))


train(
    denoising_loss,
    correction.trainable_variables,
    lambda: tf.constant(moons[rng.integers(len(moons), size=512)]),
    steps={"smoke": 100, "laptop": 2500, "gpu": 2500}[profile],
    learning_rate=2e-3,
)


@tf.function(autograph=False)
def learned_score(x):
    return (denoise(x) - x) / SIGMA**2


noisy = (x + SIGMA * rng.standard_normal(x.shape)).astype(np.float32)
truth, learned = exact_score(noisy, SIGMA), learned_score(noisy).numpy()
cosine = np.sum(truth * learned, axis=1) / np.prod(
    [np.linalg.norm(v, axis=1) for v in (truth, learned)], axis=0
)
missed = np.sum((learned - truth) ** 2) / np.sum(truth**2)
print(f"share of the exact field explained {1 - missed:.3f}")
print(f"median cosine of the angle between them {np.median(cosine):.3f}")

walkers = tf.constant(rng.uniform([-2, -1.5], [3, 2], (500, 2)), tf.float32)
for _ in range(300):
    noise = tf.random.normal(walkers.shape)
    walkers = walkers + 0.005 * learned_score(walkers) + np.sqrt(0.01) * noise

# %%
line_1, line_2 = np.linspace(-2, 3, 17), np.linspace(-1.5, 2, 12)
nodes = np.stack(np.meshgrid(line_1, line_2), -1).reshape(-1, 2).astype(np.float32)
fine = np.stack(np.meshgrid(np.linspace(-2, 3, 120), np.linspace(-1.5, 2, 84)), -1)
density = np.exp(log_density(fine.reshape(-1, 2), SIGMA)).reshape(84, 120)
figure, axes = plt.subplots(1, 3, figsize=(10, 2.9), sharey=True)
for axis in axes:
    axis.contourf(*np.moveaxis(fine, 2, 0), density, 6, cmap="Blues")
    axis.set(xlabel="$x_1$", xlim=(-2, 3), ylim=(-1.5, 2), aspect="equal")
fields = exact_score(nodes, SIGMA), learned_score(nodes)
for axis, field in zip(axes[:2], fields, strict=True):
    shorter = field / np.sqrt(np.linalg.norm(field, axis=1, keepdims=True))
    axis.quiver(*nodes.T, *np.transpose(shorter), color=RED, scale=70, width=0.005)
axes[2].scatter(*np.transpose(walkers), s=3, color=RED)
axes[0].set(ylabel="$x_2$", title=r"exact: $\nabla \log p_\sigma$")
axes[1].set(title=r"network: $(f(x) - x) / \sigma^2$")
axes[2].set(title="Langevin walk");


# %% [markdown]
# *Figure 2. The gradient of the log-density of two moons, blurred with $\sigma = 0.2$: exact, and from a denoising network (the length of an arrow is the square root of that of the gradient, else the far ones would hide the rest). Right: 500 points after 300 steps of the Langevin walk along the learned field, started anywhere in the frame.*
#
# The score says where to go from $x$, not how probable $x$ is: a gradient knows the density up to a constant. And it costs hundreds of steps to draw a sample. The second road gives codes and draws in one step.

# %% [markdown]
# ## Latent variables, and an integral
#
# Say how an object comes about. Nature draws a cause $z$ from the prior, then an object from $p(x \mid z)$. So *both* distributions are part of the model, and the density of $x$ is the average over all causes:
#
# $$p(x) = \int p(x \mid z)\, p(z)\, dz.$$
#
# To draw is easy: $z$ from the prior, through the decoder. To train by maximum likelihood we need $\log p(x)$, and the integral over 20 dimensions with a network inside has no closed form. The first idea is Monte Carlo: it is an expectation, so replace it by an average,
#
# $$\hat p_K(x) = \frac1K \sum_{k=1}^K p(x \mid z_k), \qquad z_k \sim p(z).$$
#
# We try it where the answer is known. In the **linear-Gaussian model**, our test bench for the whole unit, the decoder is a matrix:
#
# $$z \sim \mathcal N(0, I_d), \qquad x \mid z \sim \mathcal N(W z, s^2 I_D).$$
#
# Everything about it is normal and can be written down. $x$ is a sum of independent normal vectors, and the posterior comes from completing the square in $\log p(x \mid z) + \log p(z) = -\frac{1}{2 s^2}\|x - W z\|^2 - \frac12 \|z\|^2 + \dots$:
#
# $$p(x) = \mathcal N(0,\, W W^\top + s^2 I), \qquad p(z \mid x) = \mathcal N\Bigl(\tfrac{1}{s^2} M^{-1} W^\top x,\; M^{-1}\Bigr), \qquad M = I + \tfrac{1}{s^2} W^\top W.$$

# %%
class LinearGaussian:
    """z ~ N(0, I_d), x ~ N(W z, s^2 I_D), and everything that can be known of it."""

    def __init__(self, latent, size=40, s=0.5, seed=0):
        self.source = np.random.default_rng(seed)
        self.W = self.source.standard_normal((size, latent)) / 2
        self.s = s
        self.covariance = np.linalg.inv(np.eye(latent) + self.W.T @ self.W / s**2)
        z = self.source.standard_normal(latent)
        self.x = self.W @ z + s * self.source.standard_normal(size)  # one object
        self.mean = self.covariance @ self.W.T @ self.x / s**2

    def log_prob(self):
        """log p(x), exactly."""
        total = self.W @ self.W.T + self.s**2 * np.eye(len(self.x))
        return stats.multivariate_normal(cov=total).logpdf(self.x)

    def log_likelihood(self, z):
        """log p(x | z), (K, d) -> (K,)."""
        return stats.norm.logpdf(self.x, z @ self.W.T, self.s).sum(axis=1)


def log_mean_exp(values):
    return special.logsumexp(values) - np.log(len(values))


# %%
counts = np.unique(np.geomspace(1, 100_000, 60).astype(int))
figure, axis = plt.subplots(figsize=(7, 3))
colors = {1: "0.6", 2: LIGHT, 5: BLUE, 10: "black", 20: RED}
for latent, color in colors.items():
    model = LinearGaussian(latent)
    log_p = model.log_likelihood(model.source.standard_normal((100_000, latent)))
    naive = np.array([log_mean_exp(log_p[:K]) for K in counts])
    axis.plot(counts, naive - model.log_prob(), color=color, label=f"$d = {latent}$")
axis.axhline(0, color="black", lw=0.5)
axis.set(xscale="log", ylim=(-150, 15), xlabel="$K$, samples")
axis.set(ylabel=r"$\log \hat p_K(x) - \log p(x)$, nats")
axis.legend();


# %% [markdown]
# *Figure 3. Naive Monte Carlo for the integral in the linear-Gaussian model, at five numbers of latent dimensions.*
#
# What is wrong? The estimate is honest, $\mathbb E\, \hat p_K(x) = p(x)$. But only causes that explain *this* $x$ contribute, and they fill a tiny part of the prior. How tiny, the divergence from posterior to prior tells: about $e^{D_{KL}(p(z \mid x) \| p(z))}$ samples are needed before one falls where it matters (Chatterjee & Diaconis, 2018). Between the rare hits the estimate stands still and looks as if it had converged.

# %% tags=["nbval-check-output"]
def kl_between(m_1, C_1, m_2, C_2):
    """D_KL(N(m_1, C_1) || N(m_2, C_2)), in nats."""
    inverse = np.linalg.inv(C_2)
    log_dets = np.linalg.slogdet(C_2).logabsdet - np.linalg.slogdet(C_1).logabsdet
    gap = m_2 - m_1
    return 0.5 * (np.trace(inverse @ C_1) + gap @ inverse @ gap - len(m_1) + log_dets)


print(" d   KL(posterior || prior)   samples needed, about")
for latent in (1, 2, 5, 10, 20):
    model = LinearGaussian(latent)
    kl = kl_between(model.mean, model.covariance, np.zeros(latent), np.eye(latent))
    print(f"{latent:2}   {kl:5.1f}                    {np.exp(kl):.0e}")


# %% [markdown]
# ## The lower bound
#
# If samples from the prior miss, draw them where they matter: from some distribution $q(z)$ that depends on $x$. Multiply and divide by $q$, and put the logarithm inside the expectation. The logarithm is concave, so by **Jensen's inequality** $\log \mathbb E \ge \mathbb E \log$:
#
# $$\log p(x) = \log \mathbb E_{q(z)} \frac{p(x \mid z)\, p(z)}{q(z)} \;\ge\; \mathbb E_{q(z)} \log \frac{p(x \mid z)\, p(z)}{q(z)} = \boxed{\;\mathbb E_{q(z)} \log p(x \mid z) - D_{KL}\bigl(q(z) \,\|\, p(z)\bigr) = \mathrm{ELBO}\;}$$
#
# The name is *evidence lower bound*. The first term asks: are the codes from $q$ restored to $x$? The second: are they codes that the prior knows? The first is the autoencoder of the beginning; the second is what it lacked.
#
# **How much is lost?** Bayes' formula answers: $p(x \mid z)\, p(z) = p(z \mid x)\, p(x)$. Put it into the expectation:
#
# $$\mathrm{ELBO} = \mathbb E_{q(z)} \log \frac{p(z \mid x)\, p(x)}{q(z)} = \log p(x) - D_{KL}\bigl(q(z) \,\|\, p(z \mid x)\bigr).$$
#
# A second derivation, and a sharper one: the gap is a divergence, never negative, and zero exactly when $q$ is the posterior. So to raise the ELBO over $q$ means to approximate the posterior, which we wanted anyway, and no one had to compute it.
#
# **The divergence in closed form.** For $q = \mathcal N(\mu, \operatorname{diag}\sigma^2)$ and the prior $\mathcal N(0, I)$ both logarithms are sums over coordinates. In one coordinate $\log q - \log p = -\ln \sigma - \frac{(z - \mu)^2}{2\sigma^2} + \frac{z^2}{2}$, and under $q$ the mean of $(z - \mu)^2$ is $\sigma^2$, that of $z^2$ is $\mu^2 + \sigma^2$. So
#
# $$D_{KL}\bigl(q \,\|\, p\bigr) = \frac12 \sum_{j=1}^d \bigl(\mu_j^2 + \sigma_j^2 - 1 - \ln \sigma_j^2\bigr).$$
#
# All three formulas on the test bench, with three choices of $q$: the prior, something rough, and the posterior.

# %% tags=["nbval-check-output"]
def kl_to_prior(mean, log_var):
    """D_KL(N(mean, diag exp(log_var)) || N(0, I)), (..., d) -> (...)."""
    return 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=-1)


def elbo_exactly(model, mean, covariance):
    """E_q log p(x | z) - KL(q || prior): all Gaussian, so no sampling is needed."""
    latent, W, s = len(mean), model.W, model.s
    spread = np.trace(W @ covariance @ W.T)  # E |x - W z|^2 = |x - W m|^2 + tr
    error = np.sum((model.x - W @ mean) ** 2) + spread
    restored = -0.5 * (error / s**2 + len(model.x) * np.log(2 * np.pi * s**2))
    return restored - kl_between(mean, covariance, np.zeros(latent), np.eye(latent))


mean, log_var = np.array([0.5, -1.0, 2.0]), np.array([-1.0, 0.3, -2.0])
z = mean + np.exp(log_var / 2) * np.random.default_rng(0).standard_normal((10**6, 3))
log_ratio = stats.norm.logpdf(z, mean, np.exp(log_var / 2)) - stats.norm.logpdf(z)
by_sampling = log_ratio.sum(axis=1)
print(f"KL to the prior         {kl_to_prior(mean, log_var):.3f}")
error = by_sampling.std() / 1000
print(f"by a million samples    {by_sampling.mean():.3f} +- {error:.3f}\n")

model = LinearGaussian(3)
choices = {
    "prior": (np.zeros(3), np.eye(3)),
    "rough": (model.mean + 0.1, 2 * np.diag(np.diag(model.covariance))),
    "posterior": (model.mean, model.covariance),
}
print("q           ELBO     + KL to posterior = log p(x)")
for name, (mean, covariance) in choices.items():
    bound = elbo_exactly(model, mean, covariance)
    gap = kl_between(mean, covariance, model.mean, model.covariance)
    print(f"{name:10} {bound:8.3f}  {gap:8.3f}          {bound + gap:8.3f}")
print(f"exactly                                 {model.log_prob():8.3f}")

# %%
model = LinearGaussian(1, size=3)
means, log_stds = np.linspace(-2, 2, 81) + model.mean, np.linspace(-3, 1, 81)
bound = np.array(
    [
        [elbo_exactly(model, np.array([m]), np.exp([[2 * t]])) for m in means]
        for t in log_stds
    ]
)
figure, axes = plt.subplots(1, 2, figsize=(9, 3))
lines = axes[0].contour(
    means, log_stds, model.log_prob() - bound, [0.1, 0.5, 1, 2, 5, 10], cmap="viridis"
)
axes[0].clabel(lines, fontsize=8)
best = np.log(model.covariance[0, 0]) / 2
axes[0].plot(model.mean[0], best, "o", color=RED)
axes[0].set(xlabel=r"$\mu$", ylabel=r"$\ln \sigma$")
axes[1].plot(log_stds, bound[:, 40], color=BLUE, label="ELBO")
axes[1].axhline(model.log_prob(), color="black", ls="--", label=r"$\log p(x)$")
axes[1].plot(best, model.log_prob(), "o", color=RED, label="$p(z | x)$")
axes[1].set(xlabel=r"$\ln \sigma$", ylabel="nats")
axes[1].set(ylim=(model.log_prob() - 4, model.log_prob() + 0.5))
axes[1].legend();


# %% [markdown]
# *Figure 4. One latent dimension. Left: the gap $\log p(x) - \mathrm{ELBO}$ in nats for every normal $q$; the dot is the posterior. Right: a section of it. The ELBO is never above $\log p(x)$ and touches it at the posterior.*

# %% [markdown]
# ## How to differentiate an expectation
#
# The ELBO has to be maximised by gradient steps, over the decoder *and* over $\mu, \sigma$. With the decoder there is no difficulty: its parameters stand inside the expectation. But $\mu$ and $\sigma$ say where the samples come from. There are two ways.
#
# **The score-function estimator.** Since $\nabla q = q\, \nabla \log q$,
#
# $$\nabla_\mu\, \mathbb E_{q} f(z) = \int f(z)\, \nabla_\mu q(z)\, dz = \mathbb E_{q}\bigl[f(z)\, \nabla_\mu \log q(z)\bigr] = \mathbb E_q\Bigl[f(z)\, \frac{z - \mu}{\sigma^2}\Bigr].$$
#
# It asks only for values of $f$, and works for discrete $z$ too (in reinforcement learning it is called REINFORCE). A constant may be subtracted from $f$, a *baseline*: $\mathbb E\, \nabla \log q = 0$.
#
# **Reparameterisation.** Take the randomness out: $z = \mu + \sigma \odot \varepsilon$ with $\varepsilon \sim \mathcal N(0, I)$, which does not depend on the parameters. Now the gradient goes inside:
#
# $$\nabla_\mu\, \mathbb E_{q} f(z) = \nabla_\mu\, \mathbb E_{\varepsilon} f(\mu + \sigma \odot \varepsilon) = \mathbb E_\varepsilon \nabla_z f(z), \qquad \nabla_\sigma\, \mathbb E_{q} f(z) = \mathbb E_\varepsilon \bigl[\nabla_z f(z) \odot \varepsilon\bigr].$$
#
# Both are unbiased. They differ in what they know: the first learns from values only and has to find the slope by trial; the second is told the slope. Measure the variance on the test bench, $f(z) = \log p(x \mid z) + \log p(z)$, where the gradient is known exactly.

# %% tags=["nbval-check-output"]
def gradient_samples(latent, n=20_000):
    """n one-sample estimates of the gradient over mu, (n, d) each, and the truth."""
    model = LinearGaussian(latent)
    source = np.random.default_rng(1)
    mu, sigma = model.mean + 0.3, 0.3
    z = mu + sigma * source.standard_normal((n, latent))
    f = model.log_likelihood(z) + stats.norm.logpdf(z).sum(axis=1)
    direction = (z - mu) / sigma**2  # gradient of log q
    slope = (model.x - z @ model.W.T) @ model.W / model.s**2 - z  # gradient of f
    exact = (model.x - model.W @ mu) @ model.W / model.s**2 - mu
    return {
        "score function": f[:, None] * direction,
        "with a baseline": (f - f.mean())[:, None] * direction,
        "reparameterised": slope,
    }, exact


variances = {}
for latent in (1, 2, 5, 10, 20, 50):
    estimates, exact = gradient_samples(latent)
    for name, values in estimates.items():
        variances.setdefault(name, []).append(values.var(axis=0).mean())
        if latent == 10:
            off = np.abs(values.mean(axis=0) - exact).max()
            limit = 5 * values.std(axis=0).max() / np.sqrt(len(values))
            print(f"{name:16} unbiased: {off < limit}", end=",  ")
            print(f"variance {variances[name][-1]:9.0f}")

# %%
figure, axis = plt.subplots(figsize=(6.5, 2.8))
labels = (
    "score function",
    "with a baseline",
    "reparameterised",
)
curves = zip(variances.values(), labels, (LIGHT, BLUE, RED), strict=True)
for values, label, color in curves:
    axis.plot((1, 2, 5, 10, 20, 50), values, "o-", color=color, label=label)
axis.set(xscale="log", yscale="log", xlabel="$d$", ylabel="variance")
axis.set(ylim=(30, 3e7))
axis.legend();


# %% [markdown]
# *Figure 5. Variance of one component of the gradient over $\mu$, from one sample of $z$, by the number of latent dimensions.*
#
# A variance a hundred times greater needs a hundred times more samples for the same accuracy. This is why VAEs have continuous latent variables, and a decoder that can be differentiated.

# %% [markdown]
# ## A VAE of digits, by hand
#
# All parts are there; put them together. For each picture its own $q(z \mid x)$ is needed, and to search for $\mu$ and $\sigma$ anew for each would take forever. So a network computes them from $x$ in one pass: the **encoder** (this is called *amortised* inference). The algorithm of a training step (Kingma & Welling, 2014):
#
# 1. take $m$ pictures; the encoder gives $\mu(x)$ and $\ln \sigma^2(x)$ for each;
# 2. draw $\varepsilon$ anew **for every picture**, $z = \mu + \sigma \odot \varepsilon$;
# 3. the decoder gives the parameters of $p(x \mid z)$; one sample of $z$ for each picture is enough;
# 4. take a gradient step that raises the mean of $\log p(x \mid z) - D_{KL}$ over the $m$ pictures, over both networks at once.
#
# Which $p(x \mid z)$? The simplest picture is a binary one: pixel $i$ has ink with probability $\pi_i = \operatorname{sigmoid}(l_i)$, where $l_i$ is what the decoder returns. Then
#
# $$\log p(x \mid z) = \sum_{i=1}^{784} \bigl(x_i \ln \pi_i + (1 - x_i) \ln (1 - \pi_i)\bigr) = \sum_{i=1}^{784} \bigl(x_i l_i - \ln(1 + e^{l_i})\bigr).$$
#
# Our digits are grey, though. Each grey level becomes a bit, 1 with the probability that the level says, anew at every step. (To put grey levels themselves into the formula is a widespread habit. The result is not a likelihood: over $[0, 1]$ it does not integrate to 1, and numbers got that way cannot be compared with anything; Loaiza-Ganem & Cunningham, 2019.)

# %%
class VAE:
    """784 - 400 - d - 400 - 784, with a Bernoulli p(x | z)."""

    def __init__(self, latent):
        self.encoder, self.decoder = mlp(784, 2 * latent), mlp(latent, 784)
        networks = (self.encoder, self.decoder)
        self.variables = [v for net in networks for v in net.trainable_variables]

    def posterior(self, x):
        """mu and ln sigma^2 of q(z | x), (n, d) each."""
        return tf.split(self.encoder(x), 2, axis=1)

    def log_likelihood(self, x, z):
        """log p(x | z) in nats: x (..., 784), z (..., d) -> (...)."""
        logits = self.decoder(tf.reshape(z, [-1, z.shape[-1]]))
        logits = tf.reshape(logits, [*z.shape[:-1], 784])
        return tf.reduce_sum(x * logits - tf.nn.softplus(logits), axis=-1)

    def parts(self, x):
        """log p(x | z) at one z from q, (n,), and the KL by coordinate, (n, d)."""
        mean, log_var = self.posterior(x)
        z = mean + tf.exp(log_var / 2) * tf.random.normal(tf.shape(mean))
        kl = 0.5 * (mean**2 + tf.exp(log_var) - 1 - log_var)
        return self.log_likelihood(x, z), kl


def bits(images, source=rng):
    """Grey levels from [0, 1] to 0 and 1, each with the probability of its level."""
    return (source.random(images.shape, dtype=np.float32) < images).astype(np.float32)


def bit_batch():
    return tf.constant(bits(digits[rng.integers(len(digits), size=128)]))


bits_test = tf.constant(bits(digits_test, np.random.default_rng(0)))


def fit(vae, epochs, objective=None, watch=None):
    """`objective(log_p, kl)` is what is maximised on a batch; by default the ELBO."""
    objective = objective or (lambda log_p, kl: log_p - tf.reduce_sum(kl, axis=1))
    train(
        lambda x: -tf.reduce_mean(objective(*vae.parts(x))),
        vae.variables,
        bit_batch,
        epochs * EPOCH,
        watch=watch,
    )


def report(name, vae):
    """The two parts of the ELBO on the test set, in nats."""
    log_p, kl = vae.parts(bits_test)
    log_p, kl = np.mean(log_p), np.mean(tf.reduce_sum(kl, axis=1))
    print(f"{name:24} -log p(x|z) {-log_p:5.1f}  KL {kl:5.1f}  -ELBO {kl - log_p:5.1f}")


EPOCH = {"smoke": 4, "laptop": 79, "gpu": 79}[profile]  # 79 * 128 = 10,112 pictures
noise = tf.constant(rng.standard_normal((40, 20)), tf.float32)
moments = (1, 3, 9, 27)
frames = {}


def keep_frame(step):
    if step in [EPOCH * moment for moment in moments]:
        frames[step // EPOCH] = tf.sigmoid(vae.decoder(noise))


vae = VAE(latent=20)
fit(vae, moments[-1], watch=keep_frame)
report("784-400-20-400-784", vae)

# %%
figure, axes = plt.subplots(1, 4, figsize=(10, 1.9))
for axis, (epoch, images) in zip(axes, frames.items(), strict=True):
    show(axis, images, 8, f"epoch {epoch}")

# %% [markdown]
# *Figure 6. Samples after 1, 3, 9 and 27 epochs, always from the same forty $z$ of the prior. Shown are the probabilities $\pi$, not draws from them. One epoch here is 10,000 pictures, a sixth of MNIST.*

# %%
restored_by_vae = tf.sigmoid(vae.decoder(vae.posterior(bits_test[:16])[0]))
figure, axes = plt.subplots(3, 1, figsize=(8, 2.4))
rows = {
    "test digits, bits": bits_test[:16],
    "restored from 20 numbers": restored_by_vae,
    "random codes, decoded": frames[27][:16],
}
for axis, (title, images) in zip(axes, rows.items(), strict=True):
    show(axis, images, 16, title)

# %% [markdown]
# *Figure 7. The same three things as in figure 1, now with a VAE.*
#
# Compare the last rows of figures 1 and 7. The networks are nearly the same; what has changed is the second term of the loss, and a distribution on the codes along with it. It is not free: the code is noisy now, and the digits are restored a little worse than by the plain autoencoder.
#
# ## The plane of digits
#
# With $d = 2$ the whole latent space can be drawn. Left: where the encoder puts the test digits. Right: what the decoder makes of a grid. The nodes are quantiles of the normal distribution, $z = \Phi^{-1}(u)$ for equally spaced $u$: the inverse distribution function of unit 00, so that every node stands for the same probability (figure 4 of Kingma & Welling).

# %%
flat = VAE(latent=2)
fit(flat, {"smoke": 2, "laptop": 16, "gpu": 40}[profile])
report("784-400-2-400-784", flat)

# %%
u = np.linspace(0.04, 0.96, 12)
z_1, z_2 = np.meshgrid(stats.norm.ppf(u), stats.norm.ppf(u[::-1]))
nodes = tf.constant(np.stack([z_1, z_2], -1).reshape(-1, 2), tf.float32)
figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.2))
means, log_vars = (part.numpy() for part in flat.posterior(bits_test))
points = axes[0].scatter(*means.T, c=labels_test, cmap="tab10", s=4)
turn = np.linspace(0, 2 * np.pi, 100)
for radius in (1, 2, 3):
    axes[0].plot(radius * np.cos(turn), radius * np.sin(turn), color="black", lw=0.6)
axes[0].set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
axes[0].set(xlim=(-5, 5), ylim=(-5, 5))
figure.colorbar(points, ax=axes[0], ticks=range(10), shrink=0.8)
show(axes[1], tf.sigmoid(flat.decoder(nodes)), 12)


# %% [markdown]
# *Figure 8. Left: the means $\mu(x)$ of 2,000 test digits, coloured by digit (the model has seen no labels), and circles of radius 1, 2, 3 of the prior. Right: the plane of $z$ decoded at quantiles from 0.04 to 0.96 in each direction.*
#
# On the left one sees more: the means do not fill the prior evenly. What the decoder meets in training is the **aggregate posterior** $q(z) = \mathbb E_x\, q(z \mid x)$, and the KL term splits exactly (Hoffman & Johnson, 2016) into
#
# $$\mathbb E_x D_{KL}\bigl(q(z \mid x) \,\|\, p(z)\bigr) = \underbrace{\mathbb E_x D_{KL}\bigl(q(z \mid x) \,\|\, q(z)\bigr)}_{\text{information in } z \text{ about } x} + \underbrace{D_{KL}\bigl(q(z) \,\|\, p(z)\bigr)}_{\text{misfit}}.$$
#
# The first part is what a code is for; over 2,000 pictures it cannot exceed $\ln 2000 \approx 7.6$ nats. The second is pure loss, and a **richer prior** removes it: put a flow in the place of $\mathcal N(0, I)$, for instance one of units 02 and 03. The KL then has no closed form, and one takes $\log q(z \mid x) - \log p(z)$ at the sample. In the table at the end of the unit there is such a VAE.

# %%
def log_normal(z, mean, log_var):
    """log N(z; mean, diag exp(log_var)), (..., d) -> (...)."""
    squares = (z - mean) ** 2 * np.exp(-log_var) + log_var + np.log(2 * np.pi)
    return -0.5 * squares.sum(axis=-1)


z = means + np.exp(log_vars / 2) * rng.standard_normal(means.shape)  # one for each x
log_own = log_normal(z, means, log_vars)  # log q(z | its own x)
log_all = log_normal(z[:, None], means, log_vars)  # (2000 z, 2000 x)
log_aggregate = special.logsumexp(log_all, axis=1) - np.log(len(z))
log_prior = log_normal(z, 0, np.zeros(2))
print(f"KL of the bound   {np.mean(log_own - log_prior):.2f} nats")
print(f"  information     {np.mean(log_own - log_aggregate):.2f}")
print(f"  misfit          {np.mean(log_aggregate - log_prior):.2f}")


# %% [markdown]
# ## How far is the bound from the truth?
#
# The VAE reports its $-\mathrm{ELBO}$. Is it $-\log p(x)$, or 10 nats more? We have a $q$ that falls where it matters, so the Monte Carlo of figure 3 can be mended: average the *weights* $w_k$,
#
# $$L_K(x) = \mathbb E \log \frac1K \sum_{k=1}^K w_k, \qquad w_k = \frac{p(x \mid z_k)\, p(z_k)}{q(z_k \mid x)}, \qquad z_k \sim q(z \mid x).$$
#
# > **Theorem (Burda, Grosse & Salakhutdinov, 2016).** $\mathrm{ELBO} = L_1 \le L_2 \le \dots \le L_K \le \log p(x)$, and $L_K \to \log p(x)$ if the weights are bounded.
#
# **Derivation.** $\mathbb E\, w = p(x)$, so by Jensen $L_K \le \log \mathbb E \frac1K \sum w_k = \log p(x)$. And the mean of $K$ weights is the mean over all its subsets $I$ of $m < K$ weights, so Jensen once more: $L_K = \mathbb E \log \mathbb E_I \bigl[\frac1m \sum_{k \in I} w_k\bigr] \ge \mathbb E\, \mathbb E_I \log \frac1m \sum_{k \in I} w_k = L_m$. The limit is the law of large numbers.
#
# **How accurate?** For one picture $\log \bar w$ is an estimate, and its standard error comes from the first term of Taylor's formula: that of the mean weight, divided by the mean weight, $\mathrm{se} = \frac{\mathrm{std}(w)}{\sqrt K\, \bar w}$. It can be trusted only if many weights share the sum; if one of them makes up half of it, the error is anybody's guess. The weights are of the size $e^{-100}$ and must never leave the logarithm: $\log \sum_k e^{a_k} = a_{\max} + \log \sum_k e^{a_k - a_{\max}}$.
#
# First the test bench, with the best $q$ among those that have independent coordinates, as the encoder has (its variances are $1 / M_{jj}$; the lab asks why).

# %% tags=["nbval-check-output"]
def log_weights(model, variances, n, seed=0):
    """log w of n samples from N(posterior mean, diag variances), (n,)."""
    shape = n, len(variances)
    z = np.random.default_rng(seed).normal(model.mean, np.sqrt(variances), size=shape)
    log_q = stats.norm.logpdf(z, model.mean, np.sqrt(variances)).sum(axis=1)
    return model.log_likelihood(z) + stats.norm.logpdf(z).sum(axis=1) - log_q


model = LinearGaussian(10, size=15)
best = 1 / np.diag(np.linalg.inv(model.covariance))  # 1 / M_jj
log_w = log_weights(model, best, 200_000)
exact_elbo = elbo_exactly(model, model.mean, np.diag(best))
print(f"ELBO, exactly   {exact_elbo:.2f}")
table = {}
for K in (1, 10, 100, 1000):
    groups = special.logsumexp(log_w.reshape(-1, K), axis=1) - np.log(K)
    table[K] = groups.mean(), groups.std(), groups.std() / np.sqrt(len(groups))
    print(f"L_{K:<5}         {table[K][0]:.2f} +- {table[K][2]:.2f}")
print(f"log p, exactly  {model.log_prob():.2f}")

few = log_w[:1000]
error = np.exp(few - few.max()).std() / np.exp(few - few.max()).mean() / 1000**0.5
print(f"standard error of L_1000 from one run: {error:.2f},", end=" ")
print(f"scatter of {len(groups)} runs: {table[1000][1]:.2f}")


# %% [markdown]
# The chain ELBO ≤ $L_{10}$ ≤ $L_{100}$ ≤ … ≤ exact, each link seen. The last line is a warning: the error that one run reports of itself is less than half of the true scatter. This $q$ is narrower than the posterior, the rare large weights are what matters, and a run that has not met any does not know that they exist. Now the digits: for a hundred test pictures take the same estimate with the trained VAE. Nobody knows the exact value here, but $L_K$ levels off.

# %%
@tf.function(autograph=False)
def vae_log_weights(x, samples):
    """log w of `samples` draws from q(z | x) for each picture, (samples, n)."""
    mean, log_var = vae.posterior(x)
    noise = tf.random.normal([samples, *mean.shape])
    z = mean + tf.exp(log_var / 2) * noise
    # log p(z) - log q(z | x), coordinate by coordinate
    log_ratio = tf.reduce_sum(noise**2 - z**2 + log_var, axis=-1) / 2
    return vae.log_likelihood(x, z) + log_ratio


pictures = bits_test[: {"smoke": 10, "laptop": 100, "gpu": 100}[profile]]
times = {"smoke": 2, "laptop": 20, "gpu": 200}[profile]
log_w_vae = np.concatenate([vae_log_weights(pictures, 50) for _ in range(times)])
K_vae = np.unique(np.geomspace(1, len(log_w_vae), 12).astype(int))
bounds_vae, errors_vae = [], []
for K in K_vae:
    groups = log_w_vae[: len(log_w_vae) // K * K].reshape(-1, K, len(pictures))
    values = special.logsumexp(groups, axis=1) - np.log(K)  # (groups, pictures)
    bounds_vae.append(values.mean())
    errors_vae.append(values.std(axis=0).mean() if len(values) > 1 else np.nan)
print(f"-L_1 = -ELBO {-bounds_vae[0]:.1f} nats,  -L_{K_vae[-1]} {-bounds_vae[-1]:.1f}")
shifted = np.exp(log_w_vae - log_w_vae.max(axis=0))
relative = shifted.std(axis=0) / shifted.mean(axis=0) / np.sqrt(len(shifted))
print(f"standard error for one picture: median {np.median(relative):.2f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8))
counts = list(table)
values, scatter, _ = np.transpose(list(table.values()))
axes[0].plot(counts, values, "o-", color=BLUE, label="$L_K$")
low, high = values - scatter, values + scatter
axes[0].fill_between(counts, low, high, color=LIGHT, alpha=0.4)
axes[0].axhline(model.log_prob(), color="black", ls="--", label=r"$\log p(x)$")
axes[0].axhline(exact_elbo, color=RED, ls=":", label="ELBO")
axes[0].set(ylim=(exact_elbo - 4, model.log_prob() + 2))
axes[0].set(title="linear-Gaussian model")
axes[0].legend()
axes[1].plot(K_vae, bounds_vae, "o-", color=BLUE)
axes[1].axhline(bounds_vae[0], color=RED, ls=":")
axes[1].set(title="digits")
for axis in axes:
    axis.set(xscale="log", xlabel="$K$", ylabel="nats")

# %% [markdown]
# *Figure 9. The importance-weighted bound by the number of samples. Left: ten latent dimensions; the band is the scatter (one standard deviation) of single runs, the curve their mean. Right: the mean over test digits under the VAE; the dotted line is the ELBO.*
#
# Note the band on the left: a *single* run may well lie above $\log p(x)$. A lower bound it is on average.

# %% [markdown]
# ## What goes wrong
#
# **The logarithm of the variance taken for that of the deviation.** The encoder returns $\ln \sigma^2$, so $\sigma = e^{\frac12 \ln \sigma^2}$. Forget the half, and $z$ is drawn with one $\sigma$ while the KL is computed for another. Nothing fails, and the training even reports a *better* bound: "ELBO" is no longer a bound at all. On the test bench with one latent dimension, maximised over $\ln \sigma^2$:

# %% tags=["nbval-check-output"]
model = LinearGaussian(1, size=40)


def reported(log_var, sigma):
    """E log p(x | z) for z ~ N(m, sigma^2), minus the KL for exp(log_var)."""
    honest = elbo_exactly(model, model.mean, np.array([[sigma**2]]))
    right = kl_to_prior(model.mean, np.log([sigma**2]))
    return honest + right - kl_to_prior(model.mean, np.array([log_var]))


grid = np.linspace(-12, 1, 1301)
right = max(reported(v, np.exp(v / 2)) for v in grid)
wrong = max(reported(v, np.exp(v)) for v in grid)
print(f"log p(x), exactly           {model.log_prob():.2f}")
print(f"ELBO, sigma = exp(v / 2)    {right:.2f}")
print(f"'ELBO', sigma = exp(v)      {wrong:.2f}")


# %% [markdown]
# **A mean over pixels in place of a sum.** Loss functions of libraries like to average over everything. Then $-\log p(x \mid z)$ is 784 times smaller, the KL stays what it was and outweighs it, and the cheapest thing to do is to switch the code off: $q(z \mid x) = p(z)$ for every $x$. The KL becomes 0, and the decoder, which learns nothing from $z$, draws the same mean picture for everybody. This is called **posterior collapse**, and this is its commonest cause.
#
# **One $\varepsilon$ for the whole batch.** `random.normal([d])` in place of `[n, d]`, and broadcasting keeps silent. The estimate stays unbiased, but the errors of all pictures in the batch are now the same error, and averaging does not help:

# %%
def noise_of_the_bound(size, shared, repeats=60):
    """Standard deviation of log p(x | z), the mean over one batch of `size`."""
    x = bits_test[:size]
    mean, log_var = vae.posterior(x)
    values = []
    for _ in range(repeats):
        noise = tf.random.normal([1 if shared else size, 20])
        values.append(vae.log_likelihood(x, mean + tf.exp(log_var / 2) * noise))
    return np.std(np.mean(values, axis=1))


print("batch    own noise   one noise for all")
for size in (1, 8, 64):
    own, shared = (noise_of_the_bound(size, shared) for shared in (False, True))
    print(f"{size:5}    {own:9.2f}   {shared:9.2f}")

# %% [markdown]
# ## Posterior collapse, beta, free bits
#
# The mean over pixels is one end of a scale. Give the KL a weight,
#
# $$\mathbb E_q \log p(x \mid z) - \beta\, D_{KL}\bigl(q(z \mid x) \,\|\, p(z)\bigr).$$
#
# At $\beta = 1$ it is the ELBO; $\beta = 784$ is the mistake above, up to a common factor; $\beta > 1$ (**beta-VAE**, Higgins et al., 2017) buys codes with fewer active coordinates at the price of worse restoration; $\beta \to 0$ is the plain autoencoder. In general the KL is a *rate*, nats spent on the code of a picture, and $-\mathbb E \log p(x \mid z)$ is the *distortion* (Alemi et al., 2018). With $\beta \ne 1$ what is maximised is not a bound on $\log p(x)$ any more, so likelihoods are compared by the ELBO with $\beta = 1$, whatever the training was.
#
# Coordinates collapse even at $\beta = 1$: those that do not earn their rate are given up, sometimes early in training, before the decoder has learned to use them. **Free bits** (Kingma et al., 2016) take the pressure off: in each coordinate the first $\lambda$ nats cost nothing,
#
# $$\mathbb E_q \log p(x \mid z) - \beta \sum_{j=1}^d \max\bigl(\lambda,\; \mathbb E_x D_{KL, j}\bigr).$$

# %%
objectives = {
    "mean over pixels": lambda log_p, kl: log_p / 784 - tf.reduce_sum(kl, axis=1),
    "beta = 4": lambda log_p, kl: log_p - 4 * tf.reduce_sum(kl, axis=1),
    "beta = 4, free bits 0.7": lambda log_p, kl: (
        log_p - 4 * tf.reduce_sum(tf.maximum(0.7, tf.reduce_mean(kl, axis=0)))
    ),
}
others = {}
for name, objective in objectives.items():
    others[name] = VAE(latent=20)
    fit(others[name], {"smoke": 1, "laptop": 5, "gpu": 27}[profile], objective)
    report(name, others[name])
report("beta = 1", vae)

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 2.9), width_ratios=(2, 1, 1))
models_shown = others | {"beta = 1": vae}
labels = (
    "mean over pixels",
    r"$\beta = 4$",
    "free bits",
    r"$\beta = 1$",
)
colors, marks = ("black", BLUE, LIGHT, RED), "sovD"
for each, label, color, mark in zip(
    models_shown.values(), labels, colors, marks, strict=True
):
    kl = np.sort(np.mean(each.parts(bits_test)[1], axis=0))[::-1]
    axes[0].plot(range(1, 21), kl, marker=mark, ms=4, color=color, label=label)
axes[0].set(xlabel="coordinate of $z$, sorted")
axes[0].set(ylabel="KL, nats", xticks=(1, 5, 10, 15, 20))
axes[0].set(ylim=(-0.1, 2.9))
axes[0].legend(ncols=2, loc="upper right")
pair = others["mean over pixels"], vae
for axis, each in zip(axes[1:], pair, strict=True):
    show(axis, tf.sigmoid(each.decoder(noise))[:36], 6)
axes[1].set_title(labels[0], fontsize=10)
axes[2].set_title(labels[3], fontsize=10);

# %% [markdown]
# *Figure 10. Left: what each coordinate of the code costs, on average over the test set. Middle and right: samples of the collapsed model and of the VAE of figure 6. (That one, $\beta = 1$, was trained five times as long as the other three.)*
#
# ## The same in `dgm_tfp`
#
# `models.VAE` is this notebook. The three distributions of the table at the top are three of its members, each a `tfd.Distribution`: `prior`, `posterior(x)`, `likelihood(z)`. Its call is the ELBO, `decompose` gives the two parts, `importance_weighted` gives $\log \frac1K \sum w_k$ with the standard error. Without hidden layers and with a Gaussian likelihood it *is* the linear-Gaussian model, so that the library can be put on the test bench, too. (The encoder is given a good $q$ by hand: with a random one, the scatter of the weights would be anybody's guess.)

# %% tags=["nbval-check-output"]
from dgm_tfp import models

bench = models.VAE((6,), latent=2, hidden=(), likelihood="gaussian", bins=None, seed=3)
W, b = (variable.numpy() for variable in bench.decoder.trainable_variables)
M = np.eye(2) + W @ W.T * np.exp(1)  # s^2 = exp(-1), x = z W + b
V = np.linalg.inv(M) @ W * np.exp(1)  # the posterior mean is V (x - b)
bench.log_scale.assign(tf.fill([6], -0.5))
kernel, bias = bench.encoder.trainable_variables  # to mu and ln sigma
V *= 0.9  # not quite the posterior, so that there is a gap to see
kernel.assign(np.concatenate([V, np.zeros((2, 6))]).T)
bias.assign(np.concatenate([-V @ b, -np.log(np.diag(M)) / 2]))

x = bench.sample(200, seed=1)
exact = stats.multivariate_normal(b, W.T @ W + np.exp(-1) * np.eye(6)).logpdf(x)
bound = bench.elbo(x, samples=100)
estimate = bench.importance_weighted(x, samples=1000)

q = bench.posterior(tf.constant(x))
by_formula = kl_to_prior(q.mean().numpy(), 2 * np.log(q.stddev().numpy()))
print("KL is our formula:", np.allclose(bench.decompose(x).kl, by_formula, atol=1e-3))
print("ELBO <= weighted:", bool(bound.mean() < estimate.log_prob.mean()))
print("weighted = exact:", np.allclose(estimate.log_prob, exact, atol=0.2))


# %% [markdown]
# `models.Autoencoder` and `models.DenoisingAutoencoder` are there, too; the latter's `score(x)` is the field of figure 2, and its `sample` is the Langevin walk.
#
# ## Bits per dimension: a VAE against a flow
#
# A Bernoulli VAE speaks of binary pictures. To compare with a flow we need the probability of the *grey levels* $0, \dots, 255$, and so a $p(x \mid z)$ over them. The usual choice is the **discretised logistic** distribution: a logistic variable with centre $m_i$ and scale $s_i$, both from the decoder, rounded to the nearest level. Its distribution function is the sigmoid, so
#
# $$P(x_i = k) = \operatorname{sigmoid}\Bigl(\frac{k + \frac12 - m_i}{s_i}\Bigr) - \operatorname{sigmoid}\Bigl(\frac{k - \frac12 - m_i}{s_i}\Bigr),$$
#
# where for $k = 255$ the first sigmoid is 1 and for $k = 0$ the second is 0: whatever lies outside is rounded to the end. So the levels sum to 1.
#
# Are a *probability* of levels and a flow's *density* of levels with noise comparable? Yes. The probability of the level $k$ under a density $p(y)$ is its integral over $[k, k + 1)$, and by Jensen once more $\log P(k) = \log \mathbb E_u\, p(k + u) \ge \mathbb E_u \log p(k + u)$: what a flow reports is a lower bound on $\log P$, and so is the ELBO. In bits per dimension, $-\log P / (D \ln 2)$, both are *upper* bounds.

# %% tags=["nbval-check-output"]
def discretized_logistic(m, s):
    """P(x = k) for k = 0..255."""
    edges = np.concatenate([[-np.inf], np.arange(0.5, 255), [np.inf]])
    return np.diff(special.expit((edges - m) / s))


for m, s in ((128, 10), (3, 20), (-40, 5)):
    P = discretized_logistic(m, s)
    print(f"m = {m:3}, s = {s:2}: sum {P.sum():.6f}, most probable {P.argmax()}")

# %% [markdown]
# The digits are shrunk to $14 \times 14$ for speed, as in unit 02. Three models get the same number of steps: a VAE with the prior $\mathcal N(0, I)$; the same with a flow (MAF, unit 03) as its prior; and a MAF of the pictures themselves, through the logit, as in unit 03.

# %%
from dgm_tfp import training

levels = np.round(255 * small).astype(np.uint8)
levels_test = digits_test.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
levels_test = np.round(255 * levels_test).astype(np.uint8)
if profile == "smoke":
    levels_test = levels_test[:200]
options = {"latent": 20, "likelihood": "logistic", "components": 3, "bins": 256}
contest = {
    "VAE": models.VAE((196,), **options),
    "VAE, MAF prior": models.VAE((196,), prior="maf", prior_steps=3, **options),
    "MAF": models.MAF((196,), 3, hidden=(512,), bins=256, logit_alpha=1e-6),
}
updates = {"smoke": 8, "laptop": 500, "gpu": 5000}[profile]
for name, each in contest.items():
    if name == "MAF":
        each.adapt(levels)  # sets the scale of each layer from the data, as in unit 03
    schedule = training.WarmUpCosine(2e-3)
    each.compile(optimizer=training.adam(schedule))
    budget = training.Budget(updates=updates, schedule=schedule, progress=False)
    each.fit(levels, epochs=1000, batch_size=128, verbose=0, callbacks=[budget])
    first = each.bits_per_dim(levels_test).mean()
    many = each.bits_per_dim(levels_test, samples=50).mean()
    print(f"{name:15} {first:.3f} bits per dimension, {many:.3f} with 50 samples")

# %% [markdown]
# The second column tightens both kinds of bound: over $z$ for the VAEs, over the noise $u$ for the flow. Do not conclude more than the table says: other widths, other training times, other order. But two things hold in general. A bound that is worse by a tenth of a bit need not mean a worse model: the bound may be loose. And the pixels of a VAE are independent given $z$; what one pixel says about its neighbour has to go through 20 numbers. The models of the next unit do the opposite: no $z$ at all, and each pixel hears all those before it.

# %% [markdown]
# ## In one screen
#
# | | |
# |---|---|
# | denoiser | $(\mathbb E[x \mid \tilde x] - \tilde x) / \sigma^2 = \nabla \log p_\sigma(\tilde x)$ |
# | model | $p(x) = \int p(x \mid z)\, p(z)\, dz$ |
# | bound | $\log p(x) = \mathrm{ELBO} + D_{KL}(q(z \mid x) \,\|\, p(z \mid x))$ |
# | ELBO | $\mathbb E_q \log p(x \mid z) - D_{KL}(q(z \mid x) \,\|\, p(z))$: sums over pixels and over coordinates, a mean over pictures |
# | KL | $\frac12 \sum_j (\mu_j^2 + \sigma_j^2 - 1 - \ln \sigma_j^2)$ |
# | gradient | $z = \mu + \sigma \odot \varepsilon$, a new $\varepsilon$ for every picture |
# | tighter | $\log \frac1K \sum_k w_k$ with $w = p(x \mid z)\, p(z) / q(z \mid x)$ |
# | generation | $z \sim p(z)$, then the decoder |
#
# ## Questions
#
# <details>
# <summary><b>1.</b> The KL of a trained VAE is 0 for every picture. What has the decoder learned?</summary>
#
# $q(z \mid x) = p(z)$: the code says nothing of the picture, and the best decoder ignores it. It gives the mean picture, and every pixel independently the share of pictures in which it has ink. First suspect a mean over pixels in place of a sum.
#
# </details>
#
# <details>
# <summary><b>2.</b> During training the ELBO has risen by 2 nats. Has $\log p(x)$ risen by 2 nats? Can it have fallen?</summary>
#
# $\mathrm{ELBO} = \log p(x) - D_{KL}(q \,\|\, p(z \mid x))$, and either term may have moved. $\log p(x)$ may even have fallen, if the gap has shrunk by more: the decoder is pulled towards models whose posterior is simple. To know, compute $L_K$ with a large $K$.
#
# </details>
#
# <details>
# <summary><b>3.</b> What are the weights $w_k$ if $q$ is the exact posterior? How many samples are then needed?</summary>
#
# $w = \frac{p(x \mid z)\, p(z)}{p(z \mid x)} = p(x)$, the same for every $z$. One is enough, and its standard error is 0. The scatter of the weights measures how far $q$ is from the posterior.
#
# </details>
#
# <details>
# <summary><b>4.</b> An article reports 78 nats on MNIST with a cross-entropy on grey levels, and we get about 110 on bits. Is its model better?</summary>
#
# It cannot be said. A cross-entropy on grey levels is not the logarithm of a probability, its "density" does not integrate to 1. Binary pictures made once, binary pictures made anew at every step, grey levels: these are different data sets, and numbers from different ones are not compared.
#
# </details>
#
# <details>
# <summary><b>5.</b> A VAE with a Gaussian likelihood restores blurred pictures. Why?</summary>
#
# Shown is the mean of $p(x \mid z)$. Where a stroke may lie a pixel to the left or to the right with the same $z$, the mean is a grey blur. Maximum likelihood makes the model cover everything that may happen, and independent pixels cannot say "left or right, but not both". A true *sample* from $p(x \mid z)$ is not blurred, it is noisy.
#
# </details>
#
# <details>
# <summary><b>6.</b> A denoiser leaves a picture as it is, $\|f(x) - x\| = 0$. Is the picture probable?</summary>
#
# Not necessarily. The gradient of the density is zero at a maximum, but also at a minimum, at a saddle, and far away where the network was never trained its answer means nothing. A gradient is not a height; keep this for unit 08.
#
# </details>
#
# <details>
# <summary><b>7.</b> Why not reparameterise with samples from the prior, and do without the encoder?</summary>
#
# That is the estimate of figure 3. It is unbiased for $p(x)$, needs about $e^{D_{KL}(p(z \mid x) \| p(z))}$ samples, and by its logarithm is a very loose bound. The VAE of digits spends more than 20 nats on a code; $e^{20}$ is half a billion samples for one picture.
#
# </details>
#
# <details>
# <summary><b>8.</b> A flow of 14×14 pictures has 1.9 bits per dimension, a VAE at most 2.0. How many nats per picture are in the difference, and what follows?</summary>
#
# $0.1 \cdot 196 \cdot \ln 2 \approx 13.6$ nats: the flow gives the picture a probability about 800,000 times higher *than the bound proves for the VAE*. If the gap of the VAE is 13 nats or more, nothing follows. First tighten the bound.
#
# </details>
#
# ## What to read
#
# * D. Kingma, M. Welling. *Auto-Encoding Variational Bayes.* ICLR, 2014, [arXiv:1312.6114](https://arxiv.org/abs/1312.6114). The VAE, the closed KL in its appendix B, the plane of digits in figure 4.
# * D. Rezende, S. Mohamed, D. Wierstra. *Stochastic Backpropagation and Approximate Inference in Deep Generative Models.* ICML, 2014, [arXiv:1401.4082](https://arxiv.org/abs/1401.4082). The same at the same time.
# * G. Alain, Y. Bengio. *What Regularized Auto-Encoders Learn from the Data-Generating Distribution.* JMLR, 2014, [arXiv:1211.4246](https://arxiv.org/abs/1211.4246). The denoiser as a gradient of the log-density.
# * Y. Burda, R. Grosse, R. Salakhutdinov. *Importance Weighted Autoencoders.* ICLR, 2016, [arXiv:1509.00519](https://arxiv.org/abs/1509.00519). The chain of bounds.
# * I. Higgins et al. *beta-VAE.* ICLR, 2017; D. Kingma et al. *Improving Variational Inference with Inverse Autoregressive Flow.* NIPS, 2016, [arXiv:1606.04934](https://arxiv.org/abs/1606.04934). The weight of the KL; free bits, and a flow in the encoder.
# * M. Hoffman, M. Johnson. *ELBO surgery.* NIPS workshop, 2016; A. Alemi et al. *Fixing a Broken ELBO.* ICML, 2018, [arXiv:1711.00464](https://arxiv.org/abs/1711.00464). What is in the KL; rate and distortion.
# * G. Loaiza-Ganem, J. Cunningham. *The continuous Bernoulli: fixing a pervasive error in variational autoencoders.* NeurIPS, 2019, [arXiv:1907.06845](https://arxiv.org/abs/1907.06845). Grey levels in a binary formula.
# * S. Chatterjee, P. Diaconis. *The sample size required in importance sampling.* Annals of Applied Probability, 2018, [arXiv:1511.01437](https://arxiv.org/abs/1511.01437). Why $e^{KL}$.
# * P. Baldi, K. Hornik. *Neural networks and principal component analysis.* Neural Networks, 1989; Y. Song, S. Ermon. *Generative Modeling by Estimating Gradients of the Data Distribution.* NeurIPS, 2019, [arXiv:1907.05600](https://arxiv.org/abs/1907.05600). Before, and after.
#
# Now the [lab](../../labs/en/05_vae.ipynb).
