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
# # The OOD paradox
#
# **The question.** A network trained on clothes is shown a digit. It has never seen one. Does it know that it has never seen one? A classifier does not: it will call the digit a shirt, and be sure of it. A generative model should: it has learned $p(x)$, and where there was no data, $p(x)$ ought to be small. Units 00 to 07 have built four families of such models. Here we ask them, and the answer is no: **trained on clothes, they find digits more likely than clothes.**
#
# Eric Nalisnick and his colleagues showed it in 2019 in a paper with the title *Do deep generative models know what they don't know?* This unit repeats their experiments, takes the likelihood apart, derives their explanation and tests it against numbers, including the step in it that its readers doubted. At the end you will make the paradox appear and disappear with one knob.
#
# **You need** [unit 01](01_change_of_variables.ipynb) (the theorem and its two terms), what flows, VAEs and PixelCNNs are (units 02 to 06), Taylor's formula for several variables. **It takes** about 90 minutes, and then 60 to 90 for the [lab](../../labs/en/08_ood_paradox.ipynb).
#
# | symbol | meaning |
# |---|---|
# | $p(x)$ | the distribution that the training images come from |
# | $q(x)$ | that of other images, which the model never saw |
# | $p_\theta(x)$ | the density that the model has learned |
# | $\mathbb E_q \log p_\theta(x) - \mathbb E_p \log p_\theta(x)$ | by how many nats the foreign images are likelier; the paradox: $> 0$ |
# | $\Sigma_p, \Sigma_q$; $\sigma^2_{p,i}$ | covariance matrices of the images; the variance of dimension $i$ |
# | $D$ | the number of dimensions, here $28 \cdot 28 = 784$ |

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import ndimage, stats

from dgm_tfp import data, models, ood, profiles, training

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
def load(name, split):
    return data.load(name, split, source="embedded", verbose=False)


clothes, digits = (load(name, "train") for name in ("fashion_mnist", "mnist"))
shown = {"smoke": 100, "laptop": 1000, "gpu": 2000}[profile]  # of each test set
clothes_test, digits_test = (
    load(name, "test").images for name in ("fashion_mnist", "mnist")
)

# %% [markdown]
# ## A classifier is sure
#
# First the disease, then the hoped-for cure. Train a small convolutional network on digits, take a digit of the test set, and turn it. A six turned by 180 degrees is a nine; a seven turned by 90 degrees is nothing at all.

# %%
classifier = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(16, 5, strides=2, activation="relu"),
        keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
classifier.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
few = {"smoke": 1000, "laptop": 10_000, "gpu": 10_000}[profile]
epochs = {"smoke": 1, "laptop": 3, "gpu": 3}[profile]
classifier.fit(
    digits.images[:few], digits.labels[:few], batch_size=64, epochs=epochs, verbose=0
)

answers = load("mnist", "test").labels[:300]
angles = np.arange(0, 181, 15)
confidence, accuracy = [], []
for angle in angles:
    turned = ndimage.rotate(
        digits_test[:300].astype(np.float32), angle, axes=(2, 1), reshape=False, order=1
    )
    p_y = classifier.predict(np.clip(turned, 0, 255), verbose=0)  # p(y | x), (300, 10)
    confidence.append(p_y.max(axis=1))
    accuracy.append(np.mean(p_y.argmax(axis=1) == answers))
confidence = np.array(confidence)

# %%
one = digits_test[:1].astype(np.float32)
figure = plt.figure(figsize=(10, 2.8))
left, right = figure.subfigures(1, 2, width_ratios=(1.5, 1))
cells = left.subplots(2, 4).ravel()
for axis, angle in zip(cells, range(0, 211, 30), strict=True):
    turned = ndimage.rotate(one, angle, axes=(2, 1), reshape=False, order=1)
    p_y = classifier.predict(turned, verbose=0)[0]
    axis.imshow(turned[0, ..., 0], cmap="gray", vmin=0, vmax=255)
    axis.set(xticks=[], yticks=[])
    axis.set_title(f"{angle}°: {p_y.argmax()}, {p_y.max():.0%}", fontsize=10)
axis = right.subplots()
axis.plot(angles, confidence.mean(axis=1), color=RED, label="confidence")
axis.plot(angles, accuracy, color=BLUE, label="accuracy")
axis.set(xlabel="angle, degrees", ylim=(0, 1.02), xticks=angles[::3])
axis.legend();

# %% [markdown]
# *Figure 1. Left: a test digit turned by eight angles; above each, the network's answer and $\max_y p(y \mid x)$. Right: over 300 test digits, the mean confidence and the share of right answers against the angle.*
#
# A network is to be blamed for wrong answers only where it could have known better. The trouble is that it *says* it knows. Between 60 and 120 degrees it is wrong far more often than right and claims a probability of about eight tenths. Now clothes, of which every answer is wrong:

# %%
on_digits = classifier.predict(digits_test[:1000], verbose=0).max(axis=1)
on_clothes = classifier.predict(clothes_test[:1000], verbose=0).max(axis=1)
for name, values in (("digits", on_digits), ("clothes", on_clothes)):
    print(f"{name:8} mean confidence {values.mean():.2f}", end=", ")
    print(f"more than 90 % sure of {np.mean(values > 0.9):.0%}")


# %% [markdown]
# It cannot be otherwise. A classifier models $p(y \mid x)$: *given that this is a digit, which one?* The ten probabilities sum to one for every $x$, and there is no eleventh for "none of these". What is missing is $p(x)$, the other factor of $p(x, y) = p(y \mid x)\, p(x)$ (unit 00). This is the oldest reason to want a generative model: compute $p_\theta(x)$ first, and refuse to answer where it is below a threshold ([Bishop, 1994](https://doi.org/10.1049/ip-vis:19941330)). Whoever looks for anomalies, monitors a machine, or decides which example to label next, needs the same.
#
# Put as a formula, the hope is $\mathbb E_q \log p_\theta(x) < \mathbb E_p \log p_\theta(x)$. To measure it image by image, take the **AUROC**: the probability that a random image of the training kind gets a higher $\log p_\theta$ than a random foreign one. A perfect detector has 1, a coin has 0.5. Below 0.5 the model *prefers* the foreign images. To compute it, no curve is needed: sort all images, and look at the ranks of one kind.

# %% tags=["nbval-check-output"]
def auroc(inside, outside):
    """P(inside > outside) + P(equal) / 2, by ranks (Mann and Whitney)."""
    ranks = stats.rankdata(np.concatenate([inside, outside]))[: len(inside)]
    pairs_won = ranks.sum() - len(inside) * (len(inside) + 1) / 2
    return pairs_won / (len(inside) * len(outside))


a, b = np.array([3.0, 1.0, 2.0]), np.array([0.0, 2.0])
print("by counting pairs:", np.mean((a[:, None] > b) + 0.5 * (a[:, None] == b)))
print("by ranks:         ", auroc(a, b))
print("ood.auroc:        ", ood.auroc(a, b, resamples=10).value)


# %% [markdown]
# ## The paradox in twenty lines
#
# Deep networks are not needed to see it. Here is the smallest image model that deserves the name, a relative of PixelCNN (unit 06) whose "network" is a table of counts: the law of a pixel given its left and its upper neighbour, each rounded to one of 16 levels.
#
# $$p_\theta(x) = \prod_i p\bigl(x_i \mid \lfloor x_{\text{left}} / 16 \rfloor,\ \lfloor x_{\text{up}} / 16 \rfloor\bigr).$$
#
# There is nothing to tune, and everything is exact. Train it on clothes.
#
# <details>
# <summary><b>Predict, before you run:</b> on clothes of the test set the table needs about 3.5 bits per dimension. And on digits, of which it has not seen one: 2, 3.5 or 8 bits?</summary>
#
# About 1.8. Half as many as on what it was trained on.
#
# </details>

# %% tags=["nbval-check-output"]
def neighbours(x):
    """Images (n, 28, 28, 1) -> for each pixel which of 16 * 16 contexts it has."""
    padded = np.pad(x[..., 0].astype(int), ((0, 0), (1, 0), (1, 0))) // 16
    return 16 * padded[:, 1:, :-1] + padded[:, :-1, 1:]


class Table:
    """p(pixel | left, up), by counting."""

    def __init__(self, x):
        pairs = 256 * neighbours(x) + x[..., 0]
        counts = np.bincount(pairs.ravel(), minlength=2**16).reshape(256, 256) + 0.1
        self.log_p = np.log(counts / counts.sum(axis=1, keepdims=True))

    def log_prob(self, x):
        return self.log_p[neighbours(x), x[..., 0]].sum(axis=(1, 2))


def bits(log_prob):
    """The mean bits per dimension."""
    return -log_prob.mean() / (784 * np.log(2))


tables = {"clothes": Table(clothes.images), "digits": Table(digits.images)}
tests = {"clothes": clothes_test, "digits": digits_test}
by_table = {
    (trained, shown_to): table.log_prob(tests[shown_to])
    for trained, table in tables.items()
    for shown_to in tests
}
print("trained on   bits/dim on clothes   on digits   AUROC")
for trained, other in (("clothes", "digits"), ("digits", "clothes")):
    row = [bits(by_table[trained, kind]) for kind in ("clothes", "digits")]
    area = auroc(by_table[trained, trained], by_table[trained, other])
    print(f"{trained:10} {row[0]:15.2f} {row[1]:15.2f} {area:12.3f}")


# %%
def histograms(axis, values, title=""):
    """Histograms on common bins; values: {label: (numbers, colour)}."""
    everything = np.concatenate([numbers for numbers, _ in values.values()])
    edges = np.linspace(*np.quantile(everything, [0.002, 0.998]), 50)
    for label, (numbers, color) in values.items():
        axis.hist(numbers, edges, density=True, color=color, alpha=0.6, label=label)
    axis.set(yticks=[])
    axis.set_title(title, fontsize=10)


def kinds(of_clothes, of_digits):
    return {
        "clothes": (of_clothes, BLUE),
        "digits": (of_digits, RED),
    }


figure, axes = plt.subplots(1, 2, figsize=(10, 2.6))
for axis, (trained, title) in zip(
    axes,
    {
        "clothes": "trained on clothes",
        "digits": "trained on digits",
    }.items(),
    strict=True,
):
    pair = kinds(by_table[trained, "clothes"], by_table[trained, "digits"])
    histograms(axis, pair, title)
    axis.set(xlabel=r"$\log p_\theta(x)$, nats")
axes[0].legend();


# %% [markdown]
# *Figure 2. The table of two neighbours: $\log p_\theta$ of the 2,000 test images of each kind. Left: the paradox. Right: the other way round there is none.*
#
# The AUROC is 0.04: whoever used this model as a detector would do better to believe the opposite of what it says. Train on digits, and it is 1.00: no paradox. So it is not that likelihood never works. It is **asymmetric**: the clothes contain something of what digits are made of, black and white areas with sharp edges, and not the other way round. Keep this table in mind: any explanation of the paradox that needs a deep network, or a flow, or a Jacobian, explains too little.

# %% [markdown]
# ## Four deep models
#
# Now the models of the paper, small enough for a laptop: Glow (unit 04), a VAE (unit 05), a PixelCNN (unit 06), all trained on clothes, and one more Glow trained on digits. They are trained for seconds where the paper's took days; watch the *order* of the numbers and not their size. While Glow trains, the bits per dimension of three sets of images are written down.

# %%
def train(model, images, updates, peak=5e-3, batch=32, callbacks=()):
    """Steps of Adam with warm-up (unit 04); flows are adapted first."""
    if isinstance(model, models.Flow):
        model.adapt(images)
    schedule = training.WarmUpCosine(peak)
    model.compile(optimizer=training.adam(schedule))
    budget = training.Budget(updates=updates, schedule=schedule, progress=False)
    callbacks = [budget, *callbacks]
    model.fit(images, epochs=1000, batch_size=batch, verbose=0, callbacks=callbacks)
    return model


class Watch(keras.callbacks.Callback):
    """The median bits per dimension of sets of images at chosen steps."""

    def __init__(self, sets, steps):
        super().__init__()
        self.sets, self.steps, self.seen = sets, steps, 0
        self.rows = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.seen in self.steps:
            now = [np.median(self.model.bits_per_dim(x)) for x in self.sets]
            self.rows.append((self.seen, *now))


tests = {name: images[:shown] for name, images in tests.items()}
clothes_test, digits_test = tests.values()
size = {"smoke": {"levels": 1, "steps": 1, "filters": 8}}.get(
    profile, {"levels": 2, "steps": 3, "filters": 32}
)
updates = {"smoke": 8, "laptop": 600, "gpu": 4000}[profile]
steps = np.unique(np.geomspace(4, updates, 9).astype(int))
watch = Watch((clothes.images[:200], clothes_test[:200], digits_test[:200]), steps)
glow = train(models.Glow(**size), clothes.images, updates, callbacks=[watch])
glow_of_digits = train(models.Glow(**size), digits.images, updates // 3)

# %%
vae_size = {"smoke": {"filters": 4, "latent": 4}}.get(profile, {"filters": 16})
vae = train(models.VAE(**vae_size), clothes.images, updates // 2, peak=2e-3)
pixel_size = {"smoke": {"filters": 4, "blocks": 1, "head": 8}}.get(
    profile, {"filters": 16, "blocks": 3, "head": 32}
)
pixel_cnn = models.PixelCNN(law="mixture", **pixel_size)
pixel_cnn = train(pixel_cnn, clothes.images, updates // 3, peak=4e-3, batch=16)

of_model = {
    "Glow": glow,
    "VAE": vae,
    "PixelCNN": pixel_cnn,
    "Glow of digits": glow_of_digits,
}
log_probs = {
    name: {kind: ood.likelihood(model, x) for kind, x in tests.items()}
    for name, model in of_model.items()
}
print("                 bits/dim on clothes   on digits   AUROC, 95 % interval")
for name, values in log_probs.items():
    trained, other = values["clothes"], values["digits"]
    if name == "Glow of digits":
        trained, other = other, trained
    area = ood.auroc(trained, other)
    row = f"{bits(values['clothes']):14.2f} {bits(values['digits']):15.2f}"
    print(f"{name:15} {row} {area.value:11.3f}  [{area.low:.3f}, {area.high:.3f}]")

# %%
figure, axes = plt.subplots(2, 2, figsize=(10, 4.6))
titles = {
    "Glow": "Glow, trained on clothes",
    "VAE": "VAE, trained on clothes",
    "PixelCNN": "PixelCNN, trained on clothes",
    "Glow of digits": "Glow, trained on digits",
}
for axis, (name, title) in zip(axes.ravel(), titles.items(), strict=True):
    values = log_probs[name]
    histograms(axis, kinds(values["clothes"], values["digits"]), title)
for axis in axes[1]:
    axis.set(xlabel=r"$\log p_\theta(x)$, nats")
axes[0, 0].legend();

# %% [markdown]
# *Figure 3. The test images under four models. For the VAE it is the lower bound on $\log p_\theta$.*
#
# Three architectures with nothing in common but maximum likelihood prefer the digits; the fourth, trained the other way round, does not. The paper saw the same on the same pair. So did others: a Glow of 69 million weights, trained on FashionMNIST, needs 3.14 bits per dimension on its test set and 2.08 on MNIST (Kirichenko et al., 2020, in the notebook beside the paper).
#
# Could it be that the models are merely not finished, or that they have learned the training set by heart? Then the curves of the training set and of the test set would part, or the paradox would fade as training goes on.

# %%
steps_seen, *curves = np.array(watch.rows).T
figure, axis = plt.subplots(figsize=(7, 2.8))
labels = ("clothes, training set", "clothes, test set", "digits")
for curve, label, style in zip(
    curves, labels, ((LIGHT, "-"), (BLUE, "--"), (RED, "-")), strict=True
):
    axis.plot(steps_seen, curve, color=style[0], ls=style[1], label=label, marker=".")
axis.set(xscale="log", xlabel="step", ylabel="bits per dimension")
axis.legend();

# %% [markdown]
# *Figure 4. Likelihood by iteration: Glow learns from clothes alone, the median of 200 images of each set is watched.*
#
# The digits become likely *faster* than the clothes from which the model learns. Over-fitting has nothing to do with it, nor has stopping too early: the paper's figure with many more iterations looks the same.
#
# ### Colour: CIFAR-10 and SVHN
#
# The pair that made the paper famous is photographs (CIFAR-10: frogs, lorries, aeroplanes) against house numbers (SVHN).
#
# | Glow, bits per dimension (Nalisnick et al., 2019) | |
# |---|---|
# | trained on CIFAR-10: CIFAR-10, training set | 3.386 |
# | trained on CIFAR-10: CIFAR-10, test set | 3.464 |
# | trained on CIFAR-10: **SVHN, test set** | **2.389** |
# | trained on SVHN: SVHN, test set | 2.057 |
#
# Compare the last two rows as well: a model that never saw a house number describes house numbers almost as well as one that has seen nothing else. The course does not ship these images (SVHN is not free for every use). If you have prepared them with TensorFlow Datasets, the next cell repeats the experiment in small; otherwise it tells you how, and goes on. On two cores it trains for 150 steps, a quarter of a minute, and prints 5.23 bits per dimension for CIFAR-10 and 4.56 for SVHN, AUROC 0.034. Its third line takes the colour away from the photographs: 4.82, AUROC 0.169; remember it for figure 10.

# %%
found = {name: data.resolve(name).path for name in ("cifar10", "svhn_cropped")}
if all(found.values()) and profile != "smoke":
    photographs, house_numbers = (
        data.load(name, split).images
        for name, split in (("cifar10", "train"), ("svhn_cropped", "test"))
    )
    photographs_test = data.load("cifar10", "test").images[:500]
    colour = models.Glow((32, 32, 3), levels=3, steps=2, filters=32)
    train(colour, photographs, updates // 4)
    sets = {
        "CIFAR-10": photographs_test,
        "SVHN": house_numbers[:500],
        "CIFAR-10, grey": ood.grey(photographs_test),
    }
    scores = {name: ood.likelihood(colour, x) for name, x in sets.items()}
    for name, values in scores.items():
        area = auroc(scores["CIFAR-10"], values)
        print(f"{name:15} {-values.mean() / (3072 * np.log(2)):.2f} bits/dim", end="  ")
        print(f"AUROC {area:.3f}")
else:
    print("No prepared CIFAR-10 and SVHN here. With a network, once:")
    print("  dgm-tfp ood --train cifar10 --test svhn_cropped")
    print("downloads both and writes a report of the same experiment.")

# %% [markdown]
# ## Density is not probability
#
# Why is this called a paradox? Because of a picture in our heads: a density is a hill, the data sit on the hill, and what does not belong sits at its foot. The picture is right in one dimension, and in two. In 784 it is wrong.
#
# > **Theorem 1 (the Gaussian annulus).** Let $z \sim \mathcal N(0, I)$ in $D$ dimensions. Then $\mathbb E \|z\|^2 = D$ and $\operatorname{Var} \|z\|^2 = 2D$. Hence $\|z\| = \sqrt D \pm 1/\sqrt2$, about: nearly all samples lie in a thin shell. The density has its maximum at $0$, where there is no sample at all, and there it is about $e^{D/2}$ times as high as where the samples are.
#
# **Derivation.** $\|z\|^2 = \sum_i z_i^2$ with independent terms, $\mathbb E z_i^2 = 1$, $\operatorname{Var} z_i^2 = \mathbb E z_i^4 - 1 = 2$; sums of $D$ terms give $D$ and $2D$. The square root turns a deviation of $\sqrt{2D}$ in $\|z\|^2$ into one of $\sqrt{2D} / (2 \sqrt D) = 1/\sqrt 2$. And $\log p(0) - \log p(z) = \|z\|^2 / 2 \approx D/2$.
#
# How can nothing be where the density is highest? Density is probability *per unit of volume*, and near the centre there is no volume: the shell at radius $r$ has a volume proportional to $r^{D-1}$. What we meet is the product, $r^{D-1} e^{-r^2/2}$. The region where the samples are is called the **typical set**: there $-\log p(z)$ is close to its mean, the entropy. It need not contain the points of highest density, and here it does not.

# %% tags=["nbval-check-output"]
source = np.random.default_rng(0)
print("  D    mean norm   its std   sqrt(D)   log p(0) - mean log p(z)")
for dimension in (1, 2, 10, 784):
    norms = np.linalg.norm(source.standard_normal((4000, dimension)), axis=1)
    gap = np.mean(norms**2) / 2
    row = f"{norms.mean():10.2f} {norms.std():10.2f} {dimension**0.5:9.2f}"
    print(f"{dimension:4} {row} {gap:14.1f}")

# %%
source = np.random.default_rng(0)
figure, axes = plt.subplots(1, 4, figsize=(11, 2.3))
for axis, dimension in zip(axes, (1, 2, 10, 784), strict=True):
    norms = np.linalg.norm(source.standard_normal((4000, dimension)), axis=1)
    r = np.linspace(0, max(4, 1.15 * norms.max()), 400)
    counts, edges = np.histogram(norms, 40)
    axis.stairs(counts / counts.max(), edges, fill=True, color=LIGHT, label="samples")
    axis.plot(r, np.exp(-(r**2) / 2), color=RED, label="$p(z) / p(0)$")
    axis.set(xlabel=r"$\|z\|$", yticks=[])
    axis.set_title(f"$D = {dimension}$", fontsize=10)
axes[0].legend(fontsize=8);

# %% [markdown]
# *Figure 5. The norms of 4,000 samples of $\mathcal N(0, I)$ (histogram, its highest bar set to 1) and the density along a ray from the centre. In 784 dimensions the density has its hill in one place and the samples are in another.*
#
# So high density without samples is the rule. Even the *true* density would not save us:
#
# > **Theorem 2.** If the model is perfect, $p_\theta = p$, then
# >
# > $$\mathbb E_q \log p(x) - \mathbb E_p \log p(x) = H(p) - H(q) - D_{KL}(q \,\|\, p).$$
# >
# > A perfect model prefers foreign images whenever their entropy is lower than that of the training data by more than $D_{KL}(q \,\|\, p)$.
#
# **Derivation.** $D_{KL}(q \,\|\, p) = \mathbb E_q \log q - \mathbb E_q \log p = -H(q) - \mathbb E_q \log p$, and $\mathbb E_p \log p = -H(p)$.
#
# Take two spheres, one inside the other: $p = \mathcal N(0, I)$ and $q = \mathcal N(0, s^2 I)$, $s < 1$. Then $\mathbb E_q \log p - \mathbb E_p \log p = \frac D2 (1 - s^2) > 0$: the narrower one is preferred. The AUROC has a closed form, too. It is the probability that $\|x_p\|^2 < \|x_q\|^2$; both squares are $\chi^2_D$, the second times $s^2$; a ratio of two $\chi^2$ is an F-distribution:
#
# $$\mathrm{AUROC}(s) = P\Bigl(\frac{\chi^2_D}{\chi'^2_D} < s^2\Bigr) = F_{D,D}(s^2).$$

# %% tags=["nbval-check-output"]
source = np.random.default_rng(0)
s = 0.9
print("  D   AUROC: samples   theory    E_q - E_p: samples   theory, nats")
for dimension in (1, 10, 100, 784):
    inside = source.standard_normal((4000, dimension))
    outside = s * source.standard_normal((4000, dimension))
    log_p = [-0.5 * np.sum(x**2, axis=1) for x in (inside, outside)]
    found, theory = auroc(*log_p), stats.f.cdf(s**2, dimension, dimension)
    gap, expected = log_p[1].mean() - log_p[0].mean(), dimension * (1 - s**2) / 2
    print(f"{dimension:4} {found:14.3f} {theory:9.3f} {gap:15.1f} {expected:15.1f}")

# %%
source = np.random.default_rng(0)
figure, axes = plt.subplots(1, 3, figsize=(11, 2.7))
for scale, color in ((1, BLUE), (0.9, RED)):
    axes[0].scatter(*(scale * source.standard_normal((2, 500))), s=4, color=color)
    norms = scale * np.linalg.norm(source.standard_normal((3000, 784)), axis=1)
    axes[1].hist(norms, 40, color=color, alpha=0.7, label=f"$s = {scale}$")
axes[0].set(aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
axes[0].set_title("$D = 2$", fontsize=10)
axes[1].set(xlabel=r"$\|x\|$", yticks=[])
axes[1].set_title("$D = 784$", fontsize=10)
axes[1].legend()
scales = np.linspace(0.7, 1.3, 200)
for dimension, color in zip(
    (1, 10, 100, 784), ("0.75", LIGHT, BLUE, "black"), strict=True
):
    area = stats.f.cdf(scales**2, dimension, dimension)
    axes[2].plot(scales, area, color=color, label=f"$D = {dimension}$")
axes[2].axhline(0.5, color="0.8", lw=0.7, zorder=0)
axes[2].set(xlabel="$s$", ylabel="AUROC")
axes[2].legend(fontsize=8);


# %% [markdown]
# *Figure 6. $\mathcal N(0, s^2 I)$ inside $\mathcal N(0, I)$. Left and middle: with $s = 0.9$ the clouds look the same in two dimensions, and in 784 their shells are apart. Right: what a detector by likelihood makes of it.*
#
# Here is the whole paradox in one picture. In 784 dimensions a tenth less contrast tells the two sets apart without error, $\mathrm{AUROC} = 0.002$, and with the sign reversed. The authors put it like this: *SVHN "sits inside of" CIFAR-10*: roughly the same mean and smaller variance. Whether that is what happens in trained models is the question from here on.

# %% [markdown]
# ## $\log p(z)$ and volume, apart
#
# For a flow the likelihood has two parts (unit 01), and so has the search for the best parameters:
#
# $$\theta^* = \arg\max_{\phi, \psi} \sum_n \Bigl[\; \underbrace{\log p_z\bigl(f_\phi(x_n); \psi\bigr)}_{(1)} \;+\; \underbrace{\log \Bigl|\det \frac{\partial f_\phi}{\partial x_n}\Bigr|}_{(2)} \;\Bigr].$$
#
# The first says where $z$ falls, the second is the volume. The second one is suspicious. It rewards a flow for *stretching* the space around the data, that is, for being sensitive to small changes of $x$; a long line of regularisers in machine learning does the opposite. Is it the volume that lifts the foreign images? Compute both terms, by hand.

# %%
@tf.function(autograph=False)
def two_terms(y):
    """log p(z) and log |det dz/dx| of a batch y = x + u, in nats."""
    z, log_volume = glow.bijector.inverse_and_log_det(y)
    return glow.base.log_prob(z), log_volume


def dequantized(x, seed=0):
    """x + u, as float32."""
    noise = np.random.default_rng(seed).random(x.shape)
    return tf.constant(x + noise, tf.float32)


terms = {
    kind: [part.numpy() for part in two_terms(dequantized(x[:200]))]
    for kind, x in tests.items()
}
for i, name in enumerate(("log p(z)", "log volume")):
    means = [terms[kind][i].mean() for kind in ("clothes", "digits")]
    print(f"{name:10}  clothes {means[0]:9.1f}   digits {means[1]:9.1f}", end="")
    print(f"   difference {means[1] - means[0]:+8.1f} nats")

library = ood.log_p_z(glow, clothes_test[:200]) + ood.log_volume(glow, clothes_test[:200])
by_hand = sum(terms["clothes"])
print("the library, with other noise:", f"{library.mean():.1f}, by hand {by_hand.mean():.1f}")

# %% [markdown]
# In our Glow the volume it is: the digits gain far more by it than by $\log p(z)$. The authors found the same on CIFAR-10 and SVHN: in $\log p(z)$ alone SVHN lies slightly *below* or on top of CIFAR-10, and the volume moves it ahead.
#
# The obvious experiment: forbid it. If every coupling only shifts, $y_b = x_b + t(x_a)$ (NICE, unit 02), the volume is the same number for every image: ActNorm and the 1×1 convolutions change volumes, but for all images alike. The paper calls this **CV-Glow**, constant volume, against NVP, non-volume-preserving.

# %%
cv_glow = models.Glow(coupling="additive", **size)
train(cv_glow, clothes.images, updates)

cv_log_probs = {kind: ood.likelihood(cv_glow, x) for kind, x in tests.items()}
area = ood.auroc(cv_log_probs["clothes"], cv_log_probs["digits"])
print("CV-Glow:", *(f"{kind} {bits(x):.2f}" for kind, x in cv_log_probs.items()))
print(f"AUROC {area.value:.3f}, 95 % interval [{area.low:.3f}, {area.high:.3f}]")
volumes = [ood.log_volume(cv_glow, x[:100]) for x in tests.values()]
print(f"log volume: clothes {volumes[0].mean():.1f}, digits {volumes[1].mean():.1f}", end="")
print(f", from image to image it varies by {np.ptp(np.concatenate(volumes)):.3f}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 2.6))
histograms(
    axes[0], kinds(terms["clothes"][0], terms["digits"][0]), r"Glow: $\log p(z)$"
)
histograms(
    axes[1], kinds(terms["clothes"][1], terms["digits"][1]), r"Glow: $\log |\det \partial f / \partial x|$"
)
histograms(
    axes[2], kinds(cv_log_probs["clothes"], cv_log_probs["digits"]), r"CV-Glow: $\log p_\theta(x)$"
)
for axis in axes:
    axis.set(xlabel="nats")
    axis.locator_params(axis="x", nbins=5)
axes[0].legend();

# %% [markdown]
# *Figure 7. The two terms of Glow apart, and the likelihood of a Glow whose volume is constant.*
#
# **An honest reading.** On CIFAR-10 and SVHN the authors' CV-Glow kept the paradox, and so they acquitted the volume. On our pair, with our few seconds of training, it is *gone*: the AUROC is above 0.5. That is not a contradiction yet; it is a fact that a good explanation must be able to predict. Constant volume has one great merit: for it, the difference of likelihoods can be computed with pen and paper.

# %% [markdown]
# ## The second-order analysis
#
# We want the sign of $\mathbb E_q \log p_\theta(x) - \mathbb E_p \log p_\theta(x)$. Expand $\log p_\theta$ at a point $x_0$, with the gradient $g$ and the Hessian $H$ taken there:
#
# $$\log p_\theta(x) \approx \log p_\theta(x_0) + g^{\mathsf T} (x - x_0) + \tfrac12 \operatorname{Tr}\bigl\{H\,(x - x_0)(x - x_0)^{\mathsf T}\bigr\}.$$
#
# > **Theorem 3.** To the second order, with $x_0 = \mathbb E_p x$ and $\delta = \mathbb E_q x - \mathbb E_p x$,
# >
# > $$\mathbb E_q \log p_\theta - \mathbb E_p \log p_\theta \;\approx\; \underbrace{g^{\mathsf T} \delta + \tfrac12\, \delta^{\mathsf T} H \delta}_{(1)} \;+\; \underbrace{\tfrac12 \operatorname{Tr}\bigl\{H\,(\Sigma_q - \Sigma_p)\bigr\}}_{(2)}.$$
#
# Part (1) is about the means, part (2) about the variances.
#
# **Derivation.** Take the expectation of the expansion under $q$ and under $p$, and subtract. The constant cancels. $\mathbb E_p (x - x_0) = 0$ and $\mathbb E_q (x - x_0) = \delta$ give the linear term. $\mathbb E_p (x - x_0)(x - x_0)^{\mathsf T} = \Sigma_p$, while under $q$ it is $\Sigma_q + \delta \delta^{\mathsf T}$.
#
# **The paper's doubtful step.** The authors note that Taylor's formula holds near $x_0$ only, and assume $\mathbb E_q x = \mathbb E_p x = x_0$. With it $\delta = 0$ and the means disappear. We keep both terms and shall ask the numbers.
#
# **A flow of constant volume.** The Hessian of $\log p_z(f(x)) + \log |\det \partial f / \partial x|$ loses its second part. With $p_z = \mathcal N(\mu, \sigma_\psi^2 I)$ and the Jacobian $J = \partial f / \partial x$ at $x_0$,
#
# $$H = -\frac1{\sigma_\psi^2} \Bigl[\, J^{\mathsf T} J + \sum_i (f_i - \mu_i)\, \nabla^2 f_i \,\Bigr].$$
#
# The networks of the couplings are piecewise linear (ReLU): between the kinks $\nabla^2 f_i = 0$. What remains is $-J^{\mathsf T} J / \sigma_\psi^2$: *whatever the weights, it has no positive direction.* So if the foreign images vary less in every direction, $\Sigma_q \preceq \Sigma_p$, then the variance term is $\ge 0$, for every such flow, however well it was trained. Nothing was used of $p_z$ but that its logarithm is concave; a Laplace or a logistic density would do as well.
#
# **To the paper's formula.** Two more simplifications make it a formula with numbers. The covariances are replaced by their diagonals, the variances; and the Jacobian by a diagonal, too: the couplings' shifts $t$ are left out, and what a channel $c$ goes through is the product, over the $K$ layers, of the row sums of the 1×1 kernels $U_k$:
#
# $$\frac{\partial f_{h,w,c}}{\partial x_{h,w,c}} = \alpha_c = \prod_{k=1}^K \sum_{j=1}^C u_{k,c,j}, \qquad \boxed{\;\mathbb E_q - \mathbb E_p \approx -\frac{1}{2 \sigma_\psi^2} \sum_{c=1}^C \alpha_c^2 \sum_{h,w} \bigl(\sigma^2_{q,h,w,c} - \sigma^2_{p,h,w,c}\bigr)\;}$$
#
# Whatever the $\alpha_c$, they come squared. For SVHN and CIFAR-10 the paper gives the variances of the three colours:
#
# $$\mathbb E_{\text{SVHN}} - \mathbb E_{\text{CIFAR-10}} \approx -\frac1{2 \sigma_\psi^2} \bigl[\alpha_1^2 (49.6 - 61.9) + \alpha_2^2 (52.7 - 59.2) + \alpha_3^2 (53.6 - 68.1)\bigr] = \frac1{2 \sigma_\psi^2} \bigl[12.3\, \alpha_1^2 + 6.5\, \alpha_2^2 + 14.5\, \alpha_3^2\bigr] \ge 0.$$
#
# In which units? Pixels are in $[0, 1]$, and the numbers are thousandths. Now the doubtful step for this pair. The mean colours (0 to 255) of CIFAR-10 are 125.3, 123.0, 113.9, of SVHN's test set 115.7, 115.7, 119.9. Put all on one scale; for a Hessian that is a multiple of the identity the means enter by $\delta^2$:

# %% tags=["nbval-check-output"]
variance_cifar, variance_svhn = np.array([[61.9, 59.2, 68.1], [49.6, 52.7, 53.6]])
mean_cifar, mean_svhn = np.array([[125.3, 123.0, 113.9], [115.7, 115.7, 119.9]])
print("std of CIFAR-10, 0..255:", np.round(255 * np.sqrt(variance_cifar / 1000), 1))
print("less variance, 1e-3:    ", np.round(variance_cifar - variance_svhn, 1))
shift = 1000 * ((mean_svhn - mean_cifar) / 255) ** 2
print("squared shift, 1e-3:    ", np.round(shift, 1))


# %% [markdown]
# The first line confirms the units: the standard deviations of CIFAR-10's colours are known to be 63.0, 62.1, 66.7. And the doubt is unfounded here: the shift of the mean colours costs about a tenth of what the smaller variance gains. **And for clothes and digits?** Compute mean and variance of every dimension.

# %% tags=["nbval-check-output"]
def scaled(x):
    """(n, 28, 28, 1), levels -> (n, 784), pixels in [0, 1]."""
    return x.reshape(-1, 784) / 255


of_clothes, of_digits = scaled(clothes.images), scaled(digits.images)
delta = of_digits.mean(axis=0) - of_clothes.mean(axis=0)
less_variance = of_clothes.var(axis=0).sum() - of_digits.var(axis=0).sum()
print(f"sum of variances: clothes {of_clothes.var(axis=0).sum():.1f}", end=", ")
print(f"digits {of_digits.var(axis=0).sum():.1f}: less by {less_variance:.1f}")
print(f"squared shift of the means {delta @ delta:.1f}")
library = ood.moments(clothes.images, unit=255)
print("the same by ood.moments:", np.allclose(library.variance.ravel(), of_clothes.var(axis=0)))

# %%
figure = plt.figure(figsize=(11, 2.8))
left, right = figure.subfigures(1, 2, width_ratios=(2, 1))
axes = left.subplots(1, 2)
moments_of = {
    "mean of a pixel": (of_clothes.mean(axis=0), of_digits.mean(axis=0)),
    "variance of a pixel": (of_clothes.var(axis=0), of_digits.var(axis=0)),
}
for axis, (label, pair) in zip(axes, moments_of.items(), strict=True):
    edges = np.linspace(0, max(map(np.max, pair)), 30)
    for values, (kind, (_, color)) in zip(pair, kinds(0, 0).items(), strict=True):
        axis.hist(values, edges, color=color, alpha=0.6, label=kind)
    axis.set(xlabel=label, yticks=[])
axes[0].legend()
maps = right.subplots(2, 2)
for column, pair in enumerate(moments_of.values()):
    for axis, values in zip(maps[:, column], pair, strict=True):
        axis.imshow(values.reshape(28, 28), cmap="gray", vmin=0, vmax=np.max(pair))
        axis.set(xticks=[], yticks=[])
maps[0, 0].set_title("mean", fontsize=10)
maps[0, 1].set_title("variance", fontsize=10)
maps[0, 0].set_ylabel("clothes")
maps[1, 0].set_ylabel("digits");

# %% [markdown]
# *Figure 8. Means and variances of the 784 dimensions over 10,000 images of each kind; right, the same as maps (upper row clothes, lower row digits).*
#
# For this pair the doubtful step is wrong. Digits have less variance, by 15.7, and that speaks *for* the paradox; but their mean image lies elsewhere, and that costs 28.3. Take the simplest flow of constant volume, $z = (x - \mu) / s$ with one $s$ for all pixels, a spherical normal density. For it theorem 3 is no approximation but exact, $g = 0$, $H = -I / s^2$, and its prediction can be compared with the likelihoods of actual images:

# %% tags=["nbval-check-output"]
mean, s_2 = of_clothes.mean(axis=0), of_clothes.var(axis=0).mean()


def sphere_log_prob(x):
    """log N(x; mean, s^2 I), (n, 784) -> (n,)."""
    return stats.norm.logpdf(x, mean, s_2**0.5).sum(axis=1)


def sphere_prediction(x):
    """The terms of theorem 3: of the means, of the variances."""
    shift = x.mean(axis=0) - mean
    gained = of_clothes.var(axis=0).sum() - x.var(axis=0).sum()
    return -shift @ shift / (2 * s_2), gained / (2 * s_2)


sphere_clothes = sphere_log_prob(of_clothes)
print("digits             means   variances   sum     measured   AUROC")
for name, x in (
    ("as they are", of_digits),
    ("moved to equal means", of_digits - delta),
):
    terms_of = np.round(sphere_prediction(x), 6) + 0.0  # no minus before a zero
    measured = sphere_log_prob(x)
    row = f"{terms_of[0]:8.1f} {terms_of[1]:9.1f} {sum(terms_of):9.1f}"
    gap = measured.mean() - sphere_clothes.mean()
    print(f"{name:20}{row} {gap:9.1f} {auroc(sphere_clothes, measured):9.2f}")

# %% [markdown]
# Predicted and measured agree to the last digit, as they must. The variances alone, the paper's formula, predict a paradox; with the means there is none. Move the digits so that their mean image is that of clothes, and it appears, exactly as large as the variances say.
#
# **And the covariances?** The sphere treats all directions alike. The next flow is linear, $z = W (x - \mu)$ with $W^{\mathsf T} W = (\Sigma_p + \varepsilon I)^{-1}$: a normal density that knows how the pixels of clothes move together. It, too, has a constant volume and obeys theorem 3 exactly, with $H = -(\Sigma_p + \varepsilon I)^{-1}$.

# %% tags=["nbval-check-output"]
covariances = [np.cov(x.T, bias=True) for x in (of_clothes, of_digits)]
known = covariances[0] + 1e-3 * np.eye(784)
H = -np.linalg.inv(known)
white = np.linalg.cholesky(-H)  # W transposed: W^T W = -H


def ellipsoid_log_prob(x):
    """log N(x; mean, known) up to its constant, (n, 784) -> (n,)."""
    return -0.5 * np.sum(((x - mean) @ white) ** 2, axis=1)


inside = ellipsoid_log_prob(of_clothes)
print("digits               means   (co)variances   sum   measured   AUROC")
for name, x, shift in (
    ("as they are", of_digits, delta),
    ("moved to equal means", of_digits - delta, 0 * delta),
):
    means_term = 0.5 * shift @ H @ shift + 0.0
    variances_term = 0.5 * np.trace(H @ (covariances[1] - covariances[0]))
    measured = ellipsoid_log_prob(x)
    row = f"{means_term:6.0f} {variances_term:11.0f} {means_term + variances_term:11.0f}"
    gap = measured.mean() - inside.mean()
    print(f"{name:20}{row} {gap:8.0f} {auroc(inside, measured):9.2f}")
print(f"the diagonal of H alone {0.5 * np.diag(H) @ (of_digits.var(0) - of_clothes.var(0)):+.0f}")


# %% [markdown]
# Now the term of the variances has the *other* sign. Every clue is in the last line: with the diagonal of $H$ alone it is large and positive, digits vary less in most pixels. But the pixels of clothes move together, differences of neighbours hardly vary, and this flow weighs those most. Digits have edges just there: in such directions they vary *more* than clothes. So $\Sigma_q \preceq \Sigma_p$ is false for this pair, although the sum of variances is smaller; and the second simplification of the paper, a diagonal Jacobian, is worth a doubt as well.
#
# ### A trained CV-Glow
#
# Between these two stands the trained network. A Hessian of $784 \times 784$ is not needed: its product with a vector is. Along a line $x_0 + t v$ the second derivative in $t$ is $v^{\mathsf T} H v$, two nested tapes; and $\operatorname{Tr}(H \Sigma) = \mathbb E\, v^{\mathsf T} H v$ over $v = x - \mathbb E x$: the images themselves are the directions.

# %%
@tf.function(autograph=False)
def cv_log_prob(y):
    """log p of images y, any real numbers: a density does not mind."""
    return cv_glow.distribution.log_prob(y)


@tf.function(autograph=False)
def along(point, v):
    """g^T v and v^T H v for directions v (n, 28, 28, 1) at one point."""
    t = tf.zeros((tf.shape(v)[0], 1, 1, 1))
    with tf.GradientTape() as outer:
        outer.watch(t)
        with tf.GradientTape() as inner:
            inner.watch(t)
            log_p = cv_log_prob(point + t * v)
        slope = inner.gradient(log_p, t)
    curvature = outer.gradient(slope, t)
    return tf.reshape(slope, [-1]), tf.reshape(curvature, [-1])


few = {"smoke": 40, "laptop": 400, "gpu": 1000}[profile]
p_images, q_images = (x[:few].astype(np.float32) for x in tests.values())
x_0, shift = p_images.mean(axis=0), q_images.mean(axis=0) - p_images.mean(axis=0)
point = tf.constant(x_0 + 0.5)  # the mean of x + u
curvature_p = along(point, tf.constant(p_images - x_0))[1].numpy().mean()
centred = tf.constant(q_images - q_images.mean(axis=0))
curvature_q = along(point, centred)[1].numpy().mean()
slope, bend = (part.numpy()[0] for part in along(point, tf.constant(shift[None])))

means_term, variances_term = slope + bend / 2, (curvature_q - curvature_p) / 2
gap = cv_log_probs["digits"].mean() - cv_log_probs["clothes"].mean()
paper = ood.second_order(cv_glow, clothes_test, digits_test)
print(f"the paper's formula, alpha_c from the 1x1 kernels {paper.predicted:+9.0f} nats")
print(f"variances and covariances, by the Hessian         {variances_term:+9.0f}")
print(f"means, by gradient and Hessian                    {means_term:+9.0f}")
print(f"their sum                                         {means_term + variances_term:+9.0f}")
print(f"measured                                          {gap:+9.0f}")

# %%
library = ood.hessian_second_order(
    cv_glow, clothes_test[:few], digits_test[:few], examples=few, probes=5
)
print(f"covariance {library.covariance.mean:.0f} ± {library.covariance.se:.0f}", end=", ")
print(f"first_order {library.first_order:.0f}, mean_shift {library.mean_shift:.0f}")
print(f"the diagonal of H alone: {library.diagonal.mean:.0f} ± {library.diagonal.se:.0f}")
print(f"with steps in place of derivatives: {library.secant.mean:.0f} ± {library.secant.se:.0f}")


# %% [markdown]
# Read the lines from top to bottom.
#
# * The paper's formula predicts a paradox: it is bound to, for every set of smaller variance.
# * The model's own Hessian does not confirm it. With covariances, the term of the variances comes out near zero on the scale of its standard error (the second cell), and from one training to the next its sign changes: what digits lose in most pixels they gain at their edges.
# * The means work against the paradox. For this pair the doubtful step hides a part of the matter that is not small; on CIFAR-10 and SVHN it hides a tenth.
# * The sum is of the right order of magnitude, no more should be expected. The expansion is made around one point, the mean image, and the data are far from it (figure 5!); on the way there $f$ bends at many kinks of its ReLUs, which no derivative sees. The last line of the second cell replaces derivatives by steps of a tenth of the way.
# * The diagonal of $H$ alone is off by a factor of ten and more, as for the linear flow.
#
# So the analysis names the right quantities; the sign that it gives is as good as its assumptions. The honest test of an explanation is a *prediction* on data that it has not seen, with the assumptions met.

# %% [markdown]
# ## One knob: contrast
#
# Multiply the contrast of a set of images about its own mean image,
#
# $$x' = \bar x + k\,(x - \bar x) \qquad\Longrightarrow\qquad \mathbb E x' = \mathbb E x, \quad \Sigma' = k^2\, \Sigma.$$
#
# The means stay exactly where they are. If $q$ is $p$ with the contrast changed, the doubtful step holds by construction, and theorem 3 has one number in it, $\operatorname{Tr}(H \Sigma_p) < 0$:
#
# $$\mathbb E_q \log p_\theta - \mathbb E_p \log p_\theta \approx \tfrac12 (k^2 - 1) \operatorname{Tr}(H \Sigma_p).$$
#
# <details>
# <summary><b>Predict the sign, before you go on:</b> the CV-Glow is shown clothes of the test set with $k = 0.5$, then with $k = 1.35$. For which are the changed clothes likelier than the unchanged? What is the AUROC below 0.5 for? And digits, for which there was no paradox: can $k$ make one?</summary>
#
# $k = 0.5$: $k^2 - 1 < 0$, times a negative trace: the pale clothes are *likelier*, AUROC < 0.5. $k = 1.35$: the other way round, AUROC > 0.5. And digits: the term of the variances grows as $k$ falls while that of the means stays; for $k$ small enough there is a paradox.
#
# </details>

# %%
def with_contrast(x, k):
    """About the set's own mean image; real numbers, not rounded and not clipped."""
    x = x.astype(np.float32)
    return x.mean(axis=0) + k * (x - x.mean(axis=0))


factors = np.array([0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.2, 1.35, 1.5])
base = cv_log_prob(dequantized(p_images)).numpy()
swept = {
    kind: [cv_log_prob(dequantized(with_contrast(x, k))).numpy() for k in factors]
    for kind, x in (("clothes", p_images), ("digits", q_images))
}
gaps = {kind: [x.mean() - base.mean() for x in rows] for kind, rows in swept.items()}
areas = {kind: [auroc(base, x) for x in rows] for kind, rows in swept.items()}
print("k       ", *(f"{k:7.2f}" for k in factors))
print("clothes ", *(f"{area:7.3f}" for area in areas["clothes"]))
print("digits  ", *(f"{area:7.3f}" for area in areas["digits"]))

# %%
figure = plt.figure(figsize=(11, 2.9))
left, right = figure.subfigures(1, 2, width_ratios=(1, 2))
cells = left.subplots(2, 4)
for row, images in zip(cells, (p_images, q_images), strict=True):
    for axis, k in zip(row, (0.25, 0.5, 1, 1.35), strict=True):
        axis.imshow(with_contrast(images, k)[1, ..., 0], cmap="gray", vmin=0, vmax=255)
        axis.set(xticks=[], yticks=[])
        axis.set_title(f"$k = {k}$", fontsize=9)
axes = right.subplots(1, 2)
dense = np.linspace(0.25, 1.5, 100)
axes[0].plot(dense, 0.5 * (dense**2 - 1) * curvature_p, color="0.6", label="formula")
axes[0].plot(factors, gaps["clothes"], "o", color=BLUE, label="measured")
axes[0].axhline(0, color="0.8", lw=0.7, zorder=0)
axes[0].set(xlabel="$k$", ylabel=r"$\mathbb{E}_q - \mathbb{E}_p$, nats")
axes[0].legend()
for kind, (label, (_, color)) in zip(areas, kinds(0, 0).items(), strict=True):
    axes[1].plot(factors, areas[kind], "o-", ms=4, color=color, label=label)
axes[1].axhline(0.5, color="0.8", lw=0.7, zorder=0)
axes[1].set(xlabel="$k$", ylabel="AUROC")
axes[1].legend();

# %% [markdown]
# *Figure 9. CV-Glow trained on clothes. Left: images with the contrast changed about the mean image of their set. Middle: clothes against clothes, the prediction of theorem 3 with the model's own Hessian, and what is measured. Right: the paradox appears (AUROC below 0.5) and disappears (above) as the knob is turned.*
#
# Here the explanation does what an explanation should: it predicts the sign for sets that did not enter into it, and it predicts where the sign changes. (The size it exaggerates: $H$ is the curvature at the mean image, and farther out $f$ bends the other way.) For digits the crossing lies below $k = 1$, because of the means and of the edges. **The likelihood of a constant-volume flow is to a large part a meter of contrast.**
#
# And the usual Glow, whose volume is free? Turn the knob with the images clipped and rounded to real 8-bit pictures, and fade towards black, so that the black background that it knows stays black.

# %%
factors_8 = (0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5)
own = log_probs["Glow"]["clothes"][:few]
print("k       ", *(f"{k:6.2f}" for k in factors_8))
for kind, x in tests.items():
    faded = [ood.contrast(x[:few], k, about=0) for k in factors_8]
    areas_8 = [auroc(own, ood.likelihood(glow, images)) for images in faded]
    print(f"{kind:8}", *(f"{area:6.3f}" for area in areas_8))

# %% [markdown]
# The direction is the same: fainter is likelier. But at $k = 1$ the digits are far below 0.5 without any help from the knob, and no knob brings them back: the affine Glow has found a second road to the paradox, its volume, and no formula of this unit predicts it. What it is, the table of two neighbours tells us: digits are mostly black surface, black next to black is easy to foretell, and a model that has learned to foretell pixels from their neighbours is paid for every easy pixel.
#
# ## Grey, and nothing at all
#
# If small variance is likely, then the likeliest images should be those without any variance: a constant. Nobody would take one for clothes.

# %%
levels = np.arange(0, 256, 15)
greys = np.concatenate([ood.constant(1, (28, 28, 1), level) for level in levels])
figure, axes = plt.subplots(1, 2, figsize=(10, 2.6))
for axis, (name, model, values) in zip(
    axes,
    (
        ("CV-Glow", cv_glow, cv_log_probs["clothes"]),
        ("Glow", glow, log_probs["Glow"]["clothes"]),
    ),
    strict=True,
):
    axis.plot(levels, ood.likelihood(model, greys) - values.mean(), ".-", color=RED)
    spread = np.quantile(values - values.mean(), [0.025, 0.975])
    axis.axhspan(*spread, color=LIGHT, alpha=0.5, label="95 % of clothes")
    axis.set(xlabel="grey level")
    axis.set_title(name, fontsize=10)
axes[0].set(ylabel=r"$\log p_\theta$, nats above mean")
axes[0].legend();

# %% [markdown]
# *Figure 10. Images of a single level: how many nats above or below the mean test image of clothes. The band holds 95 % of the test clothes.*
#
# A black square is likelier than nearly every image of clothes, under both models. Under the constant-volume flow the curve is a parabola again: $\frac12 \delta^{\mathsf T} H \delta + g^{\mathsf T} \delta$, a pure shift of the mean, and there is no variance at all to pay for. The paper found that making photographs *greyer* raised their likelihood (so did the cell with CIFAR-10 above), and that constant images beat all others that it tried.

# %% [markdown]
# ## What goes wrong
#
# **A detector that was never tested on foreign data.** The recipe in many a report: set the threshold at the lowest 5 % of $\log p_\theta$ of the training images, call everything below an anomaly. On held-out clothes the alarm rate comes out at about 5 %, as designed, and everybody is content. Show it digits.

# %% tags=["nbval-check-output"]
table = tables["clothes"]
threshold = np.quantile(table.log_prob(clothes.images), 0.05)
for name, x in (
    ("test clothes", load("fashion_mnist", "test").images),
    ("digits", load("mnist", "test").images),
    ("clothes upside down", load("fashion_mnist", "test").images[:, ::-1]),
    ("black squares", ood.constant(10, (28, 28, 1), 0)),
):
    print(f"{name:20} alarm for {np.mean(table.log_prob(x) < threshold):6.1%}")

# %% [markdown]
# Not one black square, hardly a digit. A threshold on both sides would catch these, and miss what happens to lie between; unit 09 does better.
#
# **Four ways to spoil the formula.** It has a half, squares, an axis and two terms. Here is each of them left out, on the spherical density, for which the right answer is known exactly:

# %% tags=["nbval-check-output"]
p, q = of_clothes, of_digits
shift_2 = delta @ delta
right = -(q.var(axis=0).sum() - p.var(axis=0).sum() + shift_2) / (2 * s_2)
wrong = {
    "no half": 2 * right,
    "std for variance": -(q.std(axis=0).sum() - p.std(axis=0).sum() + shift_2) / (2 * s_2),
    "variance over all pixels": -(784 * (q.var() - p.var()) + shift_2) / (2 * s_2),
    "means left out": -(q.var(axis=0).sum() - p.var(axis=0).sum()) / (2 * s_2),
}
print(f"{'measured':26}{sphere_log_prob(q).mean() - sphere_clothes.mean():8.1f} nats")
print(f"{'right':26}{right:8.1f}")
for name, value in wrong.items():
    print(f"{name:26}{value:8.1f}")

# %% [markdown]
# The third one deserves a second look. `x.var()` of a whole array mixes the spread of one pixel from image to image with the spread from pixel to pixel of the mean image; only the first is $\sigma_i^2$. The second is in both sets, and does not cancel.
#
# ## Why, then? What is known
#
# The paper states the problem; it does not claim to have the one cause. A list, with what each explains:
#
# | possible cause | what speaks for it | what it leaves unexplained |
# |---|---|---|
# | high dimension: the typical set is not where the density is highest | figures 5 and 6; true of the *true* density as well (theorem 2) | which pairs of sets are affected |
# | the variances: $q$ sits inside of $p$ | figure 9; the asymmetry; CIFAR-10 and SVHN | clothes and digits, whose means differ; the table of two neighbours |
# | the volume term, which rewards sensitivity | Glow on clothes and digits (figure 7) | CV-Glow on CIFAR-10; VAE and PixelCNN, which have no volume |
# | local structure: models learn to predict a pixel from its neighbours, and that is alike in all pictures ([Kirichenko et al., 2020](https://arxiv.org/abs/2006.08545)) | the table of two neighbours | |
# | simple pictures cost fewer bits, under any model ([Serra et al., 2020](https://arxiv.org/abs/1909.11480)) | figure 10; digits are mostly black | how to define simple |
# | a density has units: an invertible change of $x$ changes the order of densities at will ([Le Lan & Dinh, 2021](https://arxiv.org/abs/2012.03808)) | unit 01: $p_x = p_z \lvert \det \rvert$ | why pixels are such bad units |
# | not finished, or over-fitted | nothing (figure 4) | |

# %% [markdown]
# ## In one screen
#
# | | |
# |---|---|
# | the paradox | $\mathbb E_q \log p_\theta > \mathbb E_p \log p_\theta$; AUROC $< 0.5$; not symmetric |
# | annulus | $\lVert z \rVert^2 = D \pm \sqrt{2D}$; the density is highest where nothing is |
# | perfect model | $\mathbb E_q \log p - \mathbb E_p \log p = H(p) - H(q) - D_{KL}(q \,\Vert\, p)$ |
# | second order | $g^{\mathsf T} \delta + \frac12 \delta^{\mathsf T} H \delta + \frac12 \operatorname{Tr}\{H (\Sigma_q - \Sigma_p)\}$ |
# | constant volume | $H = -J^{\mathsf T} J / \sigma_\psi^2$: less variance, more likelihood |
# | the paper's formula | $-\frac1{2\sigma_\psi^2} \sum_c \alpha_c^2 \sum_{h,w} (\sigma_q^2 - \sigma_p^2)$, $\alpha_c = \prod_k \sum_j u_{k,c,j}$ |
# | doubtful | equal means; a diagonal Jacobian; one point of expansion |
# | the knob | contrast $k$: $\Sigma' = k^2 \Sigma$, the sign of $1 - k^2$ |
#
# In `dgm_tfp.ood`: `likelihood`, `log_p_z`, `log_volume`, `auroc`, `moments`, `contrast`, `constant`, `grey`, `second_order`, `hessian_second_order`. The whole experiment is one command, `dgm-tfp ood`; the whole paper is `dgm-tfp ood-study`.
#
# ## Questions
#
# <details>
# <summary><b>1.</b> (An exam question.) State the problem that the paper poses, and list the possible causes.</summary>
#
# A generative model trained by maximum likelihood on one set of images may give *higher* likelihood to images of another set than to its own test images: $\mathbb E_q \log p_\theta > \mathbb E_p \log p_\theta$. It happens to Glow, VAE and PixelCNN alike (CIFAR-10 → SVHN, FashionMNIST → MNIST, CelebA → SVHN, ImageNet → CIFAR and SVHN), not in the reverse direction, from early in training on, and so likelihood alone cannot find anomalies. Possible causes: in high dimensions density and probability part (typical set); the variance of $q$ is smaller and its mean about the same ("sits inside"), by the second-order analysis of a flow of constant volume; the volume term, which rewards sensitivity (but CV-Glow has none); local pixel structure shared by all images; low complexity of $q$; the choice of units. The paper proves none of them to be *the* cause and says: until it is understood, do not use such likelihoods to look for anomalies without further thought.
#
# </details>
#
# <details>
# <summary><b>2.</b> (An exam question.) The change of variables for Glow. Into which parts does it split the search for the best parameters?</summary>
#
# $\log p(x) = \log p_z(f_\phi(x); \psi) + \log \lvert\det \partial f_\phi / \partial x\rvert$, summed over the training images and maximised over $\phi, \psi$. The first part wants the $z$ of the data where the prior is high; $\psi$, the parameters of the prior, occur only there. The second wants $f$ to stretch the space around the data; it keeps $f$ from sending everything to one point. In Glow it is the sum over ActNorms, 1×1 convolutions and couplings (unit 04); in CV-Glow the couplings contribute nothing and it is the same for every image.
#
# </details>
#
# <details>
# <summary><b>3.</b> Why is the paradox asymmetric, by the formula?</summary>
#
# Exchange $p$ and $q$: $\Sigma_q - \Sigma_p$ changes its sign, and $H$, now of another model, is again negative. The terms of the means do not change their sign: $\frac12 \delta^{\mathsf T} H \delta < 0$ both ways. So with unequal means it can happen that neither direction shows a paradox, never that both do, as far as this analysis goes.
#
# </details>
#
# <details>
# <summary><b>4.</b> Images of $q$ have less variance in every pixel. Must $\operatorname{Tr}\{J^{\mathsf T} J (\Sigma_q - \Sigma_p)\}$ be negative?</summary>
#
# No. Less variance in every *pixel* is a statement about the diagonal; $\Sigma_q \preceq \Sigma_p$ asks for less in every *direction*. If the pixels of $q$ are independent and those of $p$ nearly equal to each other, then the differences of neighbours vary more in $q$, and a flow trained on $p$ weighs just those most. White noise of small amplitude is an example: low variance, and a terrible likelihood.
#
# </details>
#
# <details>
# <summary><b>5.</b> In $D = 3072$ dimensions $q$ is $p$ with 5 % less contrast, both normal and spherical. The AUROC?</summary>
#
# $F_{D,D}(0.95^2)$. $\log \chi^2_D$ has a standard deviation of about $\sqrt{2/D}$, the difference of two of $2/\sqrt D = 0.036$; $\ln 0.9025 = -0.103$ is 2.8 of these: about 0.002. The eye sees no difference.
#
# </details>
#
# <details>
# <summary><b>6.</b> A colleague adds the pixels' standard deviations instead of their variances. When does the sign come out wrong?</summary>
#
# When $q$ has few pixels of large variance and many of none. Digits are like this: by standard deviations the difference between the sets looks larger than it is, for the root makes small variances count for more.
#
# </details>
#
# <details>
# <summary><b>7.</b> Could one rescale the pixels so that the paradox disappears?</summary>
#
# One can always find an invertible map after which the order is any desired one (Le Lan & Dinh, 2021): $\log p$ gains the log-determinant of the map, a free function of $x$. To choose it one needs to know the foreign data, though, and then one could train a classifier.
#
# </details>
#
# <details>
# <summary><b>8.</b> Do samples of the model look like digits, if it finds digits so likely?</summary>
#
# No, they look like (bad) clothes. Samples come from the typical set. Digits are points of high density in a region of hardly any volume: the probability of sampling one is negligible, as it is for the centre of the annulus.
#
# </details>
#
# ## What to read
#
# * E. Nalisnick, A. Matsukawa, Y. W. Teh, D. Görür, B. Lakshminarayanan. *Do Deep Generative Models Know What They Don't Know?* ICLR, 2019, [arXiv:1810.09136](https://arxiv.org/abs/1810.09136). The paper.
# * C. Bishop. *Novelty detection and neural network validation.* IEE Proceedings: Vision, Image and Signal Processing, 1994. The hope.
# * L. Theis, A. van den Oord, M. Bethge. *A note on the evaluation of generative models.* ICLR, 2016, [arXiv:1511.01844](https://arxiv.org/abs/1511.01844). What likelihood does not say.
# * E. Nalisnick, A. Matsukawa, Y. W. Teh, B. Lakshminarayanan. *Detecting Out-of-Distribution Inputs to Deep Generative Models Using Typicality.* 2019, [arXiv:1906.02994](https://arxiv.org/abs/1906.02994). The same authors on the annulus.
# * P. Kirichenko, P. Izmailov, A. G. Wilson. *Why Normalizing Flows Fail to Detect Out-of-Distribution Data.* NeurIPS, 2020, [arXiv:2006.08545](https://arxiv.org/abs/2006.08545). Pixels and their neighbours.
# * J. Serrà et al. *Input complexity and out-of-distribution detection with likelihood-based generative models.* ICLR, 2020, [arXiv:1909.11480](https://arxiv.org/abs/1909.11480).
# * C. Le Lan, L. Dinh. *Perfect density models cannot guarantee anomaly detection.* Entropy, 2021, [arXiv:2012.03808](https://arxiv.org/abs/2012.03808). Question 7.
#
# Now the [lab](../../labs/en/08_ood_paradox.ipynb).
