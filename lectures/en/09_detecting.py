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
# # Detecting it after all
#
# **The question.** A model that was trained on clothes finds handwritten digits *more* likely than clothes ([unit 06](06_pixelcnn.ipynb) saw it with a bare table of counts). So a low likelihood does not mean "this is foreign to me". Is there another number, computed from the same models, that does?
#
# The answer is a list of five, and a warning. Each score of this lecture mends one cause of the paradox: typicality, an ensemble's disagreement (WAIC), a likelihood ratio, the length of a compressed file, training on outliers. You will write each by hand in a few lines, put all of them into one table with intervals, learn to choose their settings without deceiving yourself, and finally build for *each* of them a set of images on which it fails. That last part is not an accident of our models; it is a theorem.
#
# **You need** [unit 01](01_change_of_variables.ipynb), the chain rule of [unit 06](06_pixelcnn.ipynb), the bootstrap of [unit 00](00_generative_modelling.ipynb). **It takes** about 90 minutes, and then 60 to 90 for the [lab](../../labs/en/09_detecting.ipynb).
#
# | symbol | meaning |
# |---|---|
# | $x$ | an image of $D = 784$ pixels |
# | $\log p(x)$ | its log-likelihood under the model, in nats |
# | $s(x)$ | a score: **higher means more like the training data**, always |
# | $L(x)$ | the length of the compressed image, in bits |
# | $H$ | the entropy: the mean of $-\log p(x)$ over the model's own images |

# %%
import functools
import io
import zlib

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from PIL import Image
from scipy import stats

from dgm_tfp import data, models, ood, profiles, training

keras.utils.set_random_seed(0)
profile = profiles.current().name  # "laptop" by default: decides how long we train

BLUE, LIGHT, RED, GREY = "#1f6f8b", "#7fb7c9", "#d1495b", "#8d8d8d"
plt.rcParams.update(
    {
        "figure.dpi": 72,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)


# %% [markdown]
# ## Three data sets, and a rule
#
# * **Clothes** (Fashion-MNIST) are *inside*: the model is trained on 9,000 of them; 1,000 more are kept for thresholds.
# * **Digits** (MNIST) are *outside*: the test pair is clothes against digits.
# * **Letters** in various fonts are a third set, foreign as well, and not the one we are tested on.
#
# The rule, from here to the end: **whatever is chosen is chosen on letters; digits are for the final number only.** Each score below has settings, and who sets them by the test pair reports how well he can guess, not how well the score works. What happens to those who do will be shown, with numbers.
#
# Images have 16 grey levels, $\lfloor x / 16 \rfloor$: everything becomes quicker, and a probability of integers needs no dequantization. (So our numbers are not those of papers, where levels are 256; the phenomena are.) The first model is the one of unit 06 that has nothing to train: it counts how often each level follows given levels of three neighbours, and $\log p(x)$ is a sum over pixels.

# %%
def load(name, split):
    """Images of 16 grey levels, 0..15: uint8 (n, 28, 28, 1)."""
    source = "synthetic" if name == "letters" else "embedded"
    return data.load(name, split, source=source, verbose=False).images // 16


everything = load("fashion_mnist", "train")
train, held = everything[:9000], everything[9000:]
sets = {
    "clothes": load("fashion_mnist", "test"),
    "digits": load("mnist", "test"),
    "letters": load("letters", "test"),
}

NEIGHBOURS = [(0, -1), (-1, 0), (-1, 1)]  # left, above, above and right


def contexts(x, neighbours):
    """The number of the context of each pixel: (n, 28, 28, 1) -> (n, 28, 28)."""
    padded = np.pad(x[..., 0].astype(np.int32), ((0, 0), (1, 0), (1, 1)))
    number = np.zeros(x.shape[:3], np.int32)
    for down, right in neighbours:
        moved = padded[:, 1 + down : 29 + down, 1 + right : 29 + right]
        number = 16 * number + moved
    return number


class CountingModel:
    """p(x) = product over pixels of p(level | levels of the neighbours), counted."""

    def __init__(self, images, neighbours=NEIGHBOURS):
        self.neighbours, levels = neighbours, images[..., 0].ravel()
        pairs = contexts(images, neighbours).ravel() * 16 + levels
        cells = 16 ** (len(neighbours) + 1)
        table = np.bincount(pairs, minlength=cells).reshape(-1, 16)
        alone = (np.bincount(levels, minlength=16) + 1) / (levels.size + 16)
        self.log_table = np.log(
            (table + 8 * alone) / (table.sum(axis=1, keepdims=True) + 8)
        )

    def pixels(self, x):
        """log p of each pixel given those before it, in nats: (n, 28, 28)."""
        return self.log_table[contexts(x, self.neighbours), x[..., 0]]

    def log_prob(self, x):
        """log p(x) in nats: (n,)."""
        return self.pixels(x).sum(axis=(1, 2))


counting = CountingModel(train)
log_p = {name: counting.log_prob(x) for name, x in sets.items()}

# %% tags=["nbval-check-output"]
for name in ("clothes", "digits"):
    bits = -log_p[name].mean() / (784 * np.log(2))
    print(f"{name:8} mean log p {log_p[name].mean():6.1f} nats", end=", ")
    print(f"{bits:.2f} bits per dimension")

# %%
NAMES = {"clothes": "clothes", "digits": "digits", "letters": "letters"}
COLORS = {"clothes": BLUE, "digits": RED, "letters": GREY}


# %%
def histograms(axis, values, bins=60):
    """One outline for each set, all on the same bins."""
    edges = np.linspace(*np.quantile(np.concatenate([*values.values()]), [0, 1]), bins)
    for name, numbers in values.items():
        filled = {"alpha": 0.35, "color": COLORS[name], "density": True}
        axis.hist(numbers, edges, label=NAMES[name], **filled)
        axis.hist(numbers, edges, histtype="step", **{**filled, "alpha": 1})
    axis.set(yticks=[])
    axis.spines["left"].set_visible(False)


def sheet(images, columns=8):
    """Images (n, 28, 28, 1) side by side, in rows of `columns`."""
    rows = images[..., 0].reshape(-1, columns, 28, 28)
    return rows.transpose(0, 2, 1, 3).reshape(-1, columns * 28)


# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.9), width_ratios=(1, 1.35))
some = [sets["clothes"][:16], sets["digits"][:8], sets["letters"][:8]]
axes[0].imshow(sheet(np.concatenate(some)), cmap="gray")
axes[0].set_axis_off()
histograms(axes[1], log_p)
axes[1].set(xlabel="$\\log p(x)$, nats; the model counted clothes")
axes[1].legend();


# %% [markdown]
# *Figure 1. Left: clothes, digits, letters, at 16 levels. Right: their log-likelihoods under a model that has seen clothes only. The paradox, in the barest form.*
#
# ## How well does a score tell them apart?
#
# A detector raises an alarm where $s(x) \le t$. Moving $t$ trades one error for the other: the **true positive rate** $\mathrm{TPR}(t)$ is the part of the outside that is found, the **false positive rate** $\mathrm{FPR}(t)$ the part of the inside that raises a false alarm. The curve of the one against the other is the ROC curve, and its area has a meaning of its own.
#
# > **Theorem.** $\mathrm{AUROC} = P\bigl(s(X_{\text{in}}) > s(X_{\text{out}})\bigr) + \frac12 P\bigl(s(X_{\text{in}}) = s(X_{\text{out}})\bigr)$.
#
# *Derivation* for scores without ties. Let $t$ run from $-\infty$ up. The curve moves to the right by $d\,\mathrm{FPR}$ when $t$ meets the score of an inside image, that is, with the density $r(t)$ of the inside scores. So the area is $\int \mathrm{TPR}(t)\, r(t)\, dt = \int P(s(X_{\text{out}}) < t)\, r(t)\, dt$, the probability that an outside score is below an independent inside one. $\square$
#
# So 1 is a perfect order, 0.5 knows nothing, and below 0.5 the score *prefers* foreign images. Two more numbers are usual:
#
# * **FPR at 95 % TPR**: put the threshold so high that 95 % of the outside is found; which part of the inside is alarmed in vain? 0 is perfect, 0.95 is blind. It is one point of the curve, the one where someone works who must not miss anything. (Some papers, after Liang et al. 2018, mean the mirror image: 95 % of the *inside* passes, and they count what else does. Ask which.)
# * **AUPRC**: the mean precision, where precision is the part of outside images among the alarms. With a share $\pi$ of outside images, precision $= \pi\,\mathrm{TPR} / (\pi\,\mathrm{TPR} + (1 - \pi)\,\mathrm{FPR})$: unlike the other two, it depends on how many foreign images one happened to take.
#
# An **interval** comes from the bootstrap: draw as many images from each set again, with replacement, compute the number anew, and take the quantiles at 2.5 % and 97.5 %.

# %% tags=["nbval-check-output"]
def auroc(inside, outside):
    """P(an inside score is above an outside one), equal ones count half."""
    outside = np.sort(outside)
    below = np.searchsorted(outside, inside, "left")  # how many outside are smaller
    not_above = np.searchsorted(outside, inside, "right")
    return np.mean(below + not_above) / 2 / len(outside)


def fpr_at_95_tpr(inside, outside):
    """The part of the inside that raises an alarm where 95 % of the outside do."""
    threshold = np.sort(outside)[int(np.ceil(0.95 * len(outside))) - 1]
    return np.mean(inside <= threshold)


def auprc(inside, outside):
    """Precision with the threshold at each outside image, averaged over them."""
    found = np.searchsorted(np.sort(outside), outside, "right")
    false = np.searchsorted(np.sort(inside), outside, "right")
    return np.mean(found / (found + false))


def interval(metric, inside, outside, resamples=500, seed=0):
    """The number, and the ends of its 95 % bootstrap interval."""
    rng = np.random.default_rng(seed)
    again = [
        metric(rng.choice(inside, len(inside)), rng.choice(outside, len(outside)))
        for _ in range(resamples)
    ]
    return metric(inside, outside), *np.quantile(again, [0.025, 0.975])


def say(words, inside, outside):
    """Prints AUROC, its interval and FPR at 95 % TPR."""
    value, low, high = interval(auroc, inside, outside)
    rate = fpr_at_95_tpr(inside, outside)
    print(f"{words:34} AUROC {value:.3f} [{low:.3f}, {high:.3f}], FPR {rate:.2f}")


pair = log_p["clothes"], log_p["digits"]
say("likelihood, clothes and digits", *pair)
for ours in (auroc, auprc, fpr_at_95_tpr):
    theirs = getattr(ood, ours.__name__)
    same = np.allclose(interval(ours, *pair), theirs(*pair))
    print(f"{ours.__name__:13} {ours(*pair):.3f}, as in dgm_tfp: {same}")

# %% [markdown]
# **How these numbers mislead.** Two made-up detectors with the same AUROC of 0.90. In A inside scores are $\mathcal N(1.81, 1)$ and outside ones $\mathcal N(0, 1)$; then $\mathrm{AUROC} = \Phi(1.81 / \sqrt 2) = 0.90$. In B a tenth of the outside, of some rare kind, scores far above everything, and the rest is separated perfectly. Whoever must find 95 % of the outside can use A, more or less, and cannot use B at all. And AUPRC of one and the same detector A falls severalfold when foreign images become rare, as they are in life.

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
n = 5_000
inside = rng.normal(1.81, 1, n)
detectors = {
    "A": rng.normal(0, 1, n),
    "B": np.where(rng.random(n) < 0.1, 12, -9) + rng.normal(size=n),
}
for name, outside in detectors.items():
    say(f"detector {name}", inside, outside)
print(f"in theory: A {stats.norm.cdf(1.81 / 2**0.5):.3f}", end=", FPR ")
print(f"{stats.norm.cdf(stats.norm.ppf(0.95) - 1.81):.2f}; B 0.900, FPR 1.00")
for share in (1, 10, 100):
    rare = detectors["A"][: n // share]
    print(f"AUPRC of A, {share:3} of ours to one foreign: {auprc(inside, rare):.2f}")

# %%
thresholds = np.linspace(-14, 17, 400)
curves = {
    name: [np.mean(of[:, None] <= thresholds, axis=0) for of in (inside, outside)]
    for name, outside in detectors.items()
}
sizes = np.array([10, 30, 100, 300, 1000, 2000])
ends = np.array([interval(auroc, *(s[:n] for s in pair)) for n in sizes])

# %%
figure, axes = plt.subplots(1, 2, figsize=(8.4, 2.9), width_ratios=(1, 1.3))
for (name, (false, true)), color in zip(curves.items(), (BLUE, RED), strict=True):
    axes[0].plot(false, true, color=color, label=f"detector {name}")
axes[0].axhline(0.95, color="0.5", lw=0.8, ls="--")
axes[0].plot([0, 1], [0, 1], color="0.8", lw=0.8)
axes[0].set(xlabel="FPR", ylabel="TPR", aspect="equal")
axes[0].legend()
axes[1].fill_between(sizes, ends[:, 1], ends[:, 2], color=LIGHT, alpha=0.6)
axes[1].semilogx(sizes, ends[:, 0], "o-", color=BLUE)
axes[1].set(xlabel="images of each set", ylabel="AUROC of the likelihood")
axes[1].set(ylim=(0, 0.5));

# %% [markdown]
# *Figure 2. Left: equal areas, unequal use; the dashed line is the TPR of 95 %. Right: AUROC of the likelihood, clothes against digits, from the first $n$ images of each, with its bootstrap interval.*
#
# Three things the interval does **not** contain: another training of the model, another data set outside, and the search that led to this very score. It answers only "what if we had photographed other clothes and other digits". And an AUROC of 0.08 is not "0.92 the other way round": who turns a score over after a look at the result has chosen a setting on the test set.
#
# ## Typicality: not too likely either
#
# Why should the most likely image be an ordinary one at all? Take $z \sim \mathcal N(0, I)$ in $D$ dimensions. The density is highest at 0. The samples are elsewhere: $\|z\|^2$ is a sum of $D$ independent terms with mean 1 and variance 2, so
#
# $$\|z\|^2 = D \pm \sqrt{2D}, \qquad \|z\| \approx \sqrt D \pm \tfrac{1}{\sqrt 2}, \qquad \log p(z) = -\tfrac D2 \log 2\pi - \tfrac12 \|z\|^2 = -H \pm \sqrt{D/2}.$$
#
# All samples lie in a thin shell, an **annulus**, and the mode is $D/2$ nats more likely than any of them, and never seen. In general, if $-\log p(x)$ is a sum of many weakly dependent terms (pixels!), the law of large numbers puts it near its mean, the entropy $H$. The set $\bigl\{x : |-\log p(x) - H| \le \varepsilon\bigr\}$ is called **typical**: it holds almost all of the probability and need not hold the most probable point. Hence the score (Nalisnick et al. 2019b; the same idea in Choi et al. 2018):
#
# $$s(x) = -\bigl|\log p(x) - \overline{\log p}\,\bigr|, \qquad \overline{\log p} = \frac1n \sum_{i=1}^n \log p(x_i),$$
#
# where $x_1, \dots, x_n$ are clothes that the model was *not* trained on.

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
print("   D    radius     theory        mode above the mean of log p, nats")
radii = {}
for D in (2, 20, 784):
    z = rng.standard_normal((5_000, D))
    radii[D] = np.linalg.norm(z, axis=1)
    above = 0.5 * (z**2).sum(axis=1).mean()  # log p(0) - log p(z)
    shell = f"{radii[D].mean():5.2f} ± {radii[D].std():.2f}"
    print(f"{D:4} {shell}  {D**0.5:5.2f} ± 0.71  {above:6.1f}, theory {D / 2}")

mean = counting.log_prob(held).mean()  # of clothes that the model has not counted


def typicality(model, x, mean):
    """-|log p(x) - mean| in nats: (n,)."""
    return -np.abs(model.log_prob(x) - mean)


say("likelihood", log_p["clothes"], log_p["digits"])
say(
    "typicality",
    *(typicality(counting, sets[name], mean) for name in ("clothes", "digits")),
)


# %% [markdown]
# From worse than nothing to useful, by one absolute value. **Where does it fail?** Where the premise fails, and where the annulus is entered.
#
# *The annulus is thick.* For a Gaussian of 784 dimensions $\log p$ varies by $\sqrt{D/2} \approx 20$ nats. For clothes it varies by ten times as much: pixels are not independent, a patterned shirt costs several times what a plain one does. Anything inside this wide ring is "typical".
#
# *One can get in.* Take digits and replace a few pixels of each by random levels. Each replaced pixel costs likelihood; at the right rate the digits' mean of $\log p$ is that of clothes. They are still digits, for anyone who looks, and lie in the middle of the annulus. So typicality is not "looks like the training data"; it is one number, compared with one number.
#
# **With a batch** of $M$ images that are known to come from one source, the test gets sharper: the mean of $M$ numbers varies $\sqrt M$ times less. The threshold comes from the bootstrap, as in the paper: draw $M$ *held-out* clothes again and again, compute the distance of their mean from $\overline{\log p}$ each time, and take the quantile that 95 % of the batches stay below.

# %%
def mutate(x, rate, seed=0):
    """Each pixel is replaced by a random level with probability `rate`."""
    rng = np.random.default_rng(seed)
    replaced = rng.random(x.shape) < rate
    return np.where(replaced, rng.integers(0, 16, x.shape), x).astype(np.uint8)


low, high = 0.0, 0.2  # bisection: log p falls as the rate grows
for _ in range(12):
    rate = (low + high) / 2
    if counting.log_prob(mutate(sets["digits"], rate)).mean() > mean:
        low = rate
    else:
        high = rate
disguised = mutate(sets["digits"], rate)
log_p["disguised"] = counting.log_prob(disguised)


def batch_distances(values, size, batches, seed=0):
    """|mean of `size` random values - mean|, `batches` times."""
    rng = np.random.default_rng(seed)
    return np.abs(rng.choice(values, (batches, size)).mean(axis=1) - mean)


def flagged(size, alpha=0.05, batches=2_000):
    """The part of batches of each set that the test calls foreign."""
    own = batch_distances(counting.log_prob(held), size, batches)
    threshold = np.quantile(own, 1 - alpha)
    return {
        name: np.mean(batch_distances(values, size, batches, seed=1) > threshold)
        for name, values in log_p.items()
    }


batch_sizes = [1, 2, 5, 10, 25, 50]
found = [flagged(size) for size in batch_sizes]

# %% tags=["nbval-check-output"]
print(f"{rate:.1%} of the pixels replaced")
for name in ("clothes", "digits", "disguised"):
    of = log_p[name]
    print(f"{name:9} log p: mean {of.mean():6.1f}, standard deviation {of.std():5.1f}")
cheap, dear = np.quantile(-log_p["clothes"], [0.05, 0.95])
print(f"clothes cost {cheap:.0f} to {dear:.0f} nats (quantiles of 5 and 95 %)")
own = typicality(counting, sets["clothes"], mean)
say("typicality, disguised digits", own, typicality(counting, disguised, mean))
print("called foreign, batches of   ", *(f"{size:5}" for size in batch_sizes))
for name in ("clothes", "digits", "disguised"):
    print(f"{name:29}", *(f"{part[name]:5.2f}" for part in found))

# %%
figure, axes = plt.subplots(1, 3, figsize=(9.6, 2.8), width_ratios=(1, 0.9, 1.2))
for D, color in zip(radii, (LIGHT, BLUE, RED), strict=True):
    axes[0].hist(radii[D], 40, density=True, color=color, label=f"$D = {D}$")
axes[0].set(xlabel="$\\|z\\|$", yticks=[], xlim=(0, 32))
axes[0].legend()
axes[1].imshow(sheet(disguised[:16], 4), cmap="gray")
axes[1].set_axis_off()
labels = {**NAMES, "disguised": "disguised digits"}
for name, style in zip(labels, ("-", "-", "-", ":"), strict=True):
    color = COLORS.get(name, RED)
    line = [part[name] for part in found]
    axes[2].semilogx(batch_sizes, line, "o" + style, color=color, label=labels[name])
axes[2].axhline(0.05, color="0.5", lw=0.8, ls="--")
axes[2].set_xticks(batch_sizes, batch_sizes)
axes[2].set_xticks([], minor=True)
axes[2].set(xlabel="images in a batch", ylabel="called foreign")
axes[2].legend(fontsize="small");


# %% [markdown]
# *Figure 3. Left: where samples of $\mathcal N(0, I)$ lie. Middle: digits in disguise. Right: the part of batches that the test with a 5 % false alarm rate (dashed) calls foreign.*
#
# Five images of digits or ten of letters are enough; this is the cheapest good detector there is, where a batch is to be had. Disguised digits pass at any size, and raise even fewer alarms than clothes do: more images measure the mean of $\log p$ more and more precisely, and their mean *is* that of clothes.
#
# ## WAIC: do three models agree?
#
# One model may be wrong about foreign images in its own way; surely three will be wrong in three ways? Train an ensemble, and lower the score where its members disagree (Choi et al. 2018; the name is Watanabe's, from model selection):
#
# $$\mathrm{WAIC}(x) = \mathbb E_\theta \log p_\theta(x) - \operatorname{Var}_\theta \log p_\theta(x).$$
#
# Mind the units: nats minus nats **squared**. Count in bits, and the balance of the two terms changes; take two copies of every image as one, and the mean doubles while the variance quadruples. The formula is derived for *one parameter posterior and many data*; as a score of an image it is a rule of thumb. Two ensembles of three: counting models, each of a bootstrap sample of the clothes, and small PixelCNNs, each with its own start and its own batches.

# %%
def waic(models, x):
    """Mean minus variance of log p over the models, a sample, so K - 1: (n,)."""
    log_probs = np.stack([model.log_prob(x) for model in models])
    return log_probs.mean(axis=0) - log_probs.var(axis=0, ddof=1)


def resampled(seed):
    rng = np.random.default_rng(seed)
    return CountingModel(train[rng.integers(0, len(train), len(train))])


def train_pixelcnn(images, updates, seed=0, **sizes):
    """A PixelCNN of 16 levels, trained on batches of 16 of these images."""
    keras.utils.set_random_seed(seed)
    model = models.PixelCNN((28, 28, 1), bins=16, head=32, seed=seed, **sizes)
    model.compile(
        optimizer=training.adam(keras.optimizers.schedules.CosineDecay(5e-3, updates))
    )
    chosen = np.random.default_rng(seed).integers(0, len(images), updates * 16)
    model.fit(images[chosen], batch_size=16, verbose=0)
    return model


SMALL = {"filters": 8, "blocks": 1, "first_size": 3}
updates = {"smoke": 5, "laptop": 500, "gpu": 3000}[profile]
few = {"smoke": 40, "laptop": 500, "gpu": 2000}[profile]  # images that networks see
ensembles = {
    "counting": [resampled(seed) for seed in range(3)],
    "PixelCNN": [train_pixelcnn(train, updates, seed, **SMALL) for seed in range(3)],
}

# %% tags=["nbval-check-output"]
three = ensembles["counting"]
for name in ("clothes", "digits"):
    log_probs = np.stack([model.log_prob(sets[name]) for model in three])
    spread = log_probs.var(axis=0, ddof=1)
    print(f"{name:8} mean {log_probs.mean():6.1f} nats, variance {spread.mean():4.1f}")
say("likelihood", log_p["clothes"], log_p["digits"])
say("WAIC, counting", *(waic(three, sets[name]) for name in ("clothes", "digits")))

# %%
seen = {name: x[:few] for name, x in sets.items()}
for name in ("digits", "letters"):
    three = ensembles["PixelCNN"]
    inside, outside = seen["clothes"], seen[name]
    say(f"likelihood, {name}", *(three[0].log_prob(x) for x in (inside, outside)))
    say(f"WAIC, small PixelCNN, {name}", *(waic(three, x) for x in (inside, outside)))

# %% [markdown]
# Little has changed. The members do differ; but they do *not* differ more on digits. They agree, and all are wrong together, because what misleads them is no accident of one training: every one of them has learned that black follows black. Disagreement finds what is left to chance. It does not find what the data teach all of them.
#
# ## The likelihood ratio
#
# Why are digits likely? Because of their background. Suppose that an image consists of two independent parts, the background $x_B$ and what it is about, $x_S$; a model then splits as well, $p(x) = p(x_B)\, p(x_S)$. The first factor is large and says nothing. Find a second model $p_0$ that knows the background *as well as* $p$, and of the rest knows nothing in particular. Then (Ren et al. 2019)
#
# $$s(x) = \log \frac{p(x)}{p_0(x)} = \underbrace{\log \frac{p(x_B)}{p_0(x_B)}}_{\approx\, 0} + \log \frac{p(x_S)}{p_0(x_S)} \approx \log p(x_S) - \log p_0(x_S).$$
#
# The background cancels: what both models find easy counts for nothing. Where to get $p_0$: train it on **mutated** images, in which each pixel is replaced with probability $\mu$ by a random level. What is large and even survives that, what is fine does not. A second way is to make $p_0$ short-sighted: give it fewer neighbours.
#
# First of all we need a better $p$. A table of three neighbours has no shapes to remember; take a PixelCNN for it. As background, count: tables of 0 to 3 neighbours, from clothes mutated at four rates. Sixteen settings, and the rule: letters decide.

# %%
updates = {"smoke": 10, "laptop": 600, "gpu": 6000}[profile]
sizes = {"smoke": SMALL}.get(profile, {"filters": 16, "blocks": 3})
net = train_pixelcnn(train, updates, **sizes)
net_log_p = {name: net.log_prob(x) for name, x in seen.items()}
for name, values in net_log_p.items():
    print(f"{name:8} {-values.mean() / (784 * np.log(2)):.2f} bits per dimension")

# %%
ratios, backgrounds = {}, {}
for count in range(4):
    for rate in (0.0, 0.1, 0.3, 0.5):
        background = CountingModel(mutate(train, rate), NEIGHBOURS[:count])
        backgrounds[count, rate] = background
        ratio = {n: net_log_p[n] - background.log_prob(x) for n, x in seen.items()}
        ratios[count, rate] = {
            n: auroc(ratio["clothes"], ratio[n]) for n in ("letters", "digits")
        }
best = max(ratios, key=lambda setting: ratios[setting]["letters"])
print("neighbours  mutated   AUROC on letters")
for (count, rate), found_there in ratios.items():
    star = "   <- chosen" if (count, rate) == best else ""
    print(f"{count:10}  {rate:7.0%}   {found_there['letters']:.3f}{star}")
print(f"and now, once, on digits: {ratios[best]['digits']:.3f}")

# %% [markdown]
# The paper's own way is a network for $p_0$ too; a small one, trained on clothes of which a tenth of the pixels is mutated (of 0.1 and 0.3, letters preferred 0.1). (Not too good a one: a $p_0$ as able as $p$ learns the shapes through the noise, and cancels them as well.) Where in the image does the ratio come from? Both models give a term for each pixel; here they are.

# %%
updates = {"smoke": 5, "laptop": 600, "gpu": 6000}[profile]
background = train_pixelcnn(mutate(train, 0.1), updates, **SMALL)


def pixels_of(model, x):
    """log p of each pixel under a PixelCNN: (n, 28, 28)."""
    images = tf.cast(x, tf.float32)
    law = tf.nn.log_softmax(model.parameters_of(images), axis=-1)  # (n, 28, 28, 16)
    return tf.gather(law, tf.cast(x[..., 0], tf.int32), batch_dims=3).numpy()


pictures = np.concatenate([sets["clothes"][[0, 4, 8]], sets["digits"][[0, 4, 8]]])
maps = [pixels_of(model, pictures) for model in (net, background)]
sums = maps[0].sum(axis=(1, 2))
print("the terms add up:", np.allclose(sums, net.log_prob(pictures)))
for name in ("clothes", "digits"):
    x = seen[name][:200]
    both = [pixels_of(model, x) for model in (net, background)]
    black = x[..., 0] == 0
    for words, where in (("black", black), ("other", ~black)):
        mean_p, mean_p0 = (of[where].mean() for of in both)
        print(f"{name:8} {words} pixels ({where.mean():.0%}):", end=" ")
        print(f"log p {mean_p:.2f}, log p_0 {mean_p0:.2f}", end=", ")
        print(f"difference {mean_p - mean_p0:+.2f} nats")


def likelihood_ratio(model, x, background):
    return model.log_prob(x) - background.log_prob(x)


for name in ("letters", "digits"):
    say(f"likelihood, {name}", net_log_p["clothes"], net_log_p[name])
    inside, outside = (
        likelihood_ratio(net, seen[n], background) for n in ("clothes", name)
    )
    say(f"ratio of networks, {name}", inside, outside)

# %%
figure, axes = plt.subplots(4, 1, figsize=(7, 5.2))
rows = [pictures[..., 0], *maps, maps[0] - maps[1]]
titles = "$x$", "$\\log p$", "$\\log p_0$", "difference"
scales = ((0, 15), (-4, 0), (-4, 0), (-2, 2))
for axis, row, title, (low, high) in zip(axes, rows, titles, scales, strict=True):
    colours = "RdBu" if high == 2 else "gray"
    axis.imshow(np.concatenate([*row], axis=1), cmap=colours, vmin=low, vmax=high)
    axis.set_yticks([14], [title])
    axis.set(xticks=[])


# %% [markdown]
# *Figure 4. Three clothes and three digits, pixel by pixel: what the PixelCNN finds likely (bright), what the background model finds likely, and the difference (blue: $p$ is the better one; red: $p_0$ is).*
#
# The background is half of a garment and four fifths of a digit, and cheap: this is what the likelihood rewards. In the difference the same number of nats per pixel remains of it in both sets (see the table above), while on the other pixels the strong model gains much on cloth, which it knows, and little on strokes, which it does not.
#
# The small rest on black pixels comes from the mutations. Whoever has learned that a pixel may be anything with probability $\mu$ is never surer of it than $1 - \frac{15}{16}\mu$, and pays $-\log(1 - \frac{15}{16}\mu)$ nats for each, 0.10 for $\mu = 0.1$. So with a large $\mu$ black pixels count again, in favour of digits: the background cancels only as far as $p_0$ knows it *as well*.
#
# ## Input complexity: the background model for nothing
#
# A file compressor is a probability model in disguise. If a lossless code gives the image $x$ a word of $L(x)$ bits, and no word is the beginning of another, then by Kraft's inequality
#
# $$\sum_x 2^{-L(x)} \le 1,$$
#
# so $p_c(x) = 2^{-L(x)}$ is a (sub-)probability: a universal model of images, trained by the engineers who wrote PNG. Put it where the background model was (Serrà et al. 2020):
#
# $$s(x) = \log \frac{p(x)}{p_c(x)} = \log p(x) + L(x) \log 2.$$
#
# In bits this is $-S(x)\log 2$ with the paper's $S(x) = -\log_2 p(x) - L(x)$. The factor $\log 2$ is not decoration: nats and bits do not add. The header of a PNG file, the same for all images, adds a constant, which moves no AUROC. Codecs take bytes, so a level $k$ becomes the grey $17k$.

# %%
def png(image):
    """The bytes of a grey image (h, w)."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    return file.getvalue()


def webp(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "WEBP", lossless=True, quality=50, method=3)
    return file.getvalue()


def deflate(image):
    """zlib, the second half of PNG, on the rows as they are."""
    return zlib.compress(image.tobytes(), 9)


def code_length(x, codec):
    """L(x) in bits: (n,)."""
    return np.array([8 * len(codec(np.ascontiguousarray(i))) for i in 17 * x[..., 0]])


def complexity(model, x, codec=png):
    """log p(x) + L(x) log 2 in nats: (n,)."""
    return model.log_prob(x) + code_length(x, codec) * np.log(2)


lengths = {
    codec.__name__: {name: code_length(x, codec) for name, x in seen.items()}
    for codec in (deflate, png, webp)
}
needs = {name: -values.mean() / np.log(2) for name, values in net_log_p.items()}
print(f"network: clothes {needs['clothes']:.0f} bits, digits {needs['digits']:.0f}")
for codec, of in lengths.items():
    print(f"{codec}: clothes {of['clothes'].mean():.0f} bits", end=", ")
    print(f"digits {of['digits'].mean():.0f}")
    for name in ("letters", "digits"):
        say(f"  the codec alone, {name}", -of["clothes"], -of[name])
        scores = {n: net_log_p[n] + of[n] * np.log(2) for n in seen}
        say(f"  complexity, {name}", scores["clothes"], scores[name])

# %%
figure, axis = plt.subplots(figsize=(6, 3.4))
for name in ("clothes", "digits", "letters"):
    place = lengths["webp"][name], -net_log_p[name] / np.log(2)
    axis.scatter(*place, s=6, alpha=0.5, color=COLORS[name], label=NAMES[name])
middle = np.median(lengths["webp"]["clothes"] + net_log_p["clothes"] / np.log(2))
ends = np.quantile(lengths["webp"]["clothes"], [0.01, 0.99])
axis.plot(ends, ends - middle, color="black", lw=1, ls="--")
axis.set(xlabel="$L(x)$, WebP, bits", ylabel="$-\\log_2 p(x)$, bits")
axis.legend();


# %% [markdown]
# *Figure 5. Bits that the PixelCNN needs for an image against bits that WebP needs for it; the dashed line has the slope 1 and goes through the middle of the clothes. Complexity as a score is how far a point lies below such a line.*
#
# By either coordinate alone digits are "better" than clothes: simple images, short files, few bits. Together they say something else: *for* so short a file the network spends too much. (The published number for CIFAR-10 and SVHN with PNG is 0.95, and 0.78 in an independent repetition, Schirrmeister et al. 2020. Codecs are settings too.)
#
# ## Outlier exposure: show it what is foreign
#
# All the scores so far leave the model alone. One may also teach it: take *some* foreign images $\tilde x$, whatever is at hand, and demand that they be less likely, by a margin $m$ (Hendrycks et al. 2019):
#
# $$L(\theta) = -\mathbb E \log p_\theta(x) + \lambda\, \mathbb E \max\bigl(0,\; m - \log p_\theta(x) + \log p_\theta(\tilde x)\bigr).$$
#
# The first term is the usual loss. The second is zero once every pair is $m$ nats apart, so the model is not rewarded for pushing foreign images to $-\infty$. For densities the authors take the margin to be the number of dimensions, $m = D$: one nat per pixel, and $\lambda = 1$; we keep both, and choose nothing. Foreign are the *training* letters. A hundred steps from the weights of our PixelCNN:

# %%
def expose(model, inside, foreign, updates, margin=784.0, weight=1.0):
    """Trains the model further on the loss with the margin, 16 images of each."""
    variables = model.trainable_variables
    optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=100.0)
    optimizer.build(variables)

    @tf.function(autograph=False)
    def step(x, other):
        with tf.GradientTape() as tape:
            ours = model.distribution.log_prob(tf.cast(x, tf.float32))
            theirs = model.distribution.log_prob(tf.cast(other, tf.float32))
            hinge = tf.nn.relu(margin - ours + theirs)
            loss = tf.reduce_mean(-ours + weight * hinge)
        optimizer.apply(tape.gradient(loss, variables), variables)

    rng = np.random.default_rng(0)
    for _ in range(updates):
        step(*(x[rng.integers(0, len(x), 16)] for x in (inside, foreign)))


exposed = models.PixelCNN.from_config(net.get_config())
exposed.set_weights(net.get_weights())
expose(
    exposed,
    train,
    load("letters", "train"),
    {"smoke": 3, "laptop": 100, "gpu": 1000}[profile],
)
exposed_log_p = {name: exposed.log_prob(x) for name, x in seen.items()}
for name in ("letters", "digits"):
    say(f"before, {name}", net_log_p["clothes"], net_log_p[name])
    say(f"after, {name}", exposed_log_p["clothes"], exposed_log_p[name])
for words, values in (("before", net_log_p), ("after", exposed_log_p)):
    bits = -values["clothes"].mean() / (784 * np.log(2))
    print(f"the price, bits per dimension of clothes, {words}: {bits:.2f}")

# %%
figure, axes = plt.subplots(2, 1, figsize=(7, 3.8), sharex=True)
for axis, values, title in zip(
    axes, (net_log_p, exposed_log_p), ("before", "after"), strict=True
):
    histograms(axis, values)
    axis.set(title=title)
axes[0].legend()
axes[1].set(xlabel="$\\log p(x)$, nats");

# %% [markdown]
# *Figure 6. Log-likelihoods under the PixelCNN before and after it was shown training letters. Test letters and digits were not shown.*
#
# It has worked, on digits too, which it has not been shown; and it has cost some of the likelihood of clothes. Has it learned what is foreign, or what letters look like? Digits are, after all, thin bright strokes on black. The question stays open until the last section.
#
# ## One table
#
# All the scores, on the same images, with intervals. What did not work stays in. To have them side by side, each is written as one function of $x$; it is the library's interface too: **a score is one function of a model and images, higher = more in-distribution**.

# %%
LABELS = {
    "likelihood": "likelihood",
    "typicality": "typicality",
    "waic": "WAIC, 3 small nets",
    "ratio": "likelihood ratio",
    "png": "complexity, PNG",
    "webp": "complexity, WebP",
    "simplicity": "WebP alone",
    "exposure": "outlier exposure",
}

# %%
net_mean = net.log_prob(held[:few]).mean()


def all_scores(x):
    """Every score of these images: {name: (n,)}; each log p computed once."""
    log_prob, files = net.log_prob(x), {c: code_length(x, c) for c in (png, webp)}
    return {
        "likelihood": log_prob,
        "typicality": -np.abs(log_prob - net_mean),
        "waic": waic(ensembles["PixelCNN"], x),
        "ratio": log_prob - background.log_prob(x),
        "png": log_prob + files[png] * np.log(2),
        "webp": log_prob + files[webp] * np.log(2),
        "simplicity": -files[webp],
        "exposure": exposed.log_prob(x),
    }


scored = {name: all_scores(x) for name, x in seen.items()}
table = {
    (score, name): {
        metric: interval(metric, scored["clothes"][score], scored[name][score], 200)
        for metric in (auroc, auprc, fpr_at_95_tpr)
    }
    for score in LABELS
    for name in ("digits", "letters")
}
for name in ("digits", "letters"):
    print(f"{NAMES[name]:24}  AUROC              AUPRC              FPR95")
    for score, label in LABELS.items():
        numbers = table[score, name].values()
        words = (f"{value:.2f} [{low:.2f}, {high:.2f}]" for value, low, high in numbers)
        print(f"{label:24}", *words, sep="  ")

# %%
figure, axis = plt.subplots(figsize=(7, 3.6))
for shift, name in ((0.12, "digits"), (-0.12, "letters")):
    value, low, high = np.array([table[score, name][auroc] for score in LABELS]).T
    places = np.arange(len(LABELS))[::-1] + shift
    axis.errorbar(
        value, places, xerr=[value - low, high - value], fmt="o", ms=4,
        color=COLORS[name], label=NAMES[name],
    )  # fmt: skip
axis.axvline(0.5, color="0.5", lw=0.8, ls="--")
axis.set_yticks(np.arange(len(LABELS))[::-1], LABELS.values())
axis.set(xlabel="AUROC, clothes inside", xlim=(0, 1.02))
axis.legend(loc="lower center");


# %% [markdown]
# *Figure 7. AUROC of every score with its bootstrap interval. Letters served to choose (and, other letters, to expose); digits are the test.*
#
# Read the table with the rule in mind: a column of numbers for letters, on which things were chosen, and one for digits, on which nothing was. (Ren et al. 2019 report 0.994 for their ratio on this pair, where the likelihood has 0.089; with larger networks, all 256 levels, and settings tuned on a third data set.) Not one score is best everywhere, and the two cheapest corrections, an absolute value and a file length, take us most of the way.
#
# ## The same in `dgm_tfp`
#
# The scores are plain functions `score(model, x)`; what a score needs besides is bound with `functools.partial`. `ood.compare` takes models, data sets (the first is inside) and scores, and gives the table. A model is anything with `log_prob`: our counting model will do. The three scores of a codec want bytes, so here we pass a function of our own: a new score is one new function.

# %%
def bright_complexity(model, x, codec):
    """Input complexity of levels 0..15: the codec sees the greys 17 x."""
    return ood.log_prob(model, x) + ood.codec_bits(17 * x, codec) * np.log(2)


bind = functools.partial
comparison = ood.compare(
    {"PixelCNN": net, "counting": counting, "3 small nets": ensembles["PixelCNN"]},
    {"clothes": seen["clothes"], "digits": seen["digits"]},
    {
        "likelihood": ood.likelihood,
        "typicality": bind(ood.typicality, train=held[:few]),
        "waic": ood.waic,
        "likelihood_ratio": bind(ood.likelihood_ratio, background=background),
        "complexity, webp": bind(bright_complexity, codec="webp"),
    },
    resamples=100,
)
print(comparison.to_markdown())

# %% tags=["nbval-check-output"]
x = sets["digits"][:200]
same = {
    "typicality": (ood.typicality(counting, x, held), typicality(counting, x, mean)),
    "waic": (
        ood.waic(ensembles["counting"], x),
        waic(ensembles["counting"], x),
    ),
    "likelihood_ratio": (
        ood.likelihood_ratio(counting, x, ensembles["counting"][0]),
        likelihood_ratio(counting, x, ensembles["counting"][0]),
    ),
    "codec_bits": (  # the library leaves out the 57 bytes around the pixels
        ood.codec_bits(17 * x, "png"),
        code_length(x, png) - 8 * 57,
    ),
    "mutate": (ood.mutate(x, 0.1, bins=16), mutate(x, 0.1)),
}
for name, (theirs, ours) in same.items():
    print(f"{name:17} as by hand: {np.allclose(theirs, ours)}")

# %% [markdown]
# `ood.expose(model, train, auxiliary)` is our loop with a warm-up; `ood.batch_typicality` and `ood.typicality_threshold` are the test of a batch; `comparison.plot()` draws figure 7; `dgm-tfp ood` makes such a table from the command line.
#
# ## What goes wrong
#
# **Choosing on the test pair.** The commonest mistake in this field, made on purpose. There are eight scores; mix them with random weights and get as many new "methods" as we like. Take 20 clothes and 20 digits for "validation", keep the best of $K$ methods, and report its AUROC on these same images, as one does. Then look at it on other digits, and on clothes upside down, faded and in negative, which nobody thought of.
#
# First with methods that are pure chance: each gives every image a random number. The best of 1,000 looks like a discovery.

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
for tried in (1, 10, 100, 1000):
    chance = rng.random((tried, 2, 1000))  # methods, clothes and digits, images
    reported = [auroc(ours[:20], theirs[:20]) for ours, theirs in chance]
    best = chance[np.argmax(reported)]
    fresh = auroc(best[0, 20:], best[1, 20:])
    print(f"best of {tried:4}: reported {max(reported):.2f}, on new images {fresh:.2f}")


# %%
def faded(x):
    """Half of the contrast: levels 0..7."""
    return x // 2


def negative(x):
    return 15 - x


rng = np.random.default_rng(1)
grey = np.broadcast_to(rng.integers(0, 16, (few, 1, 1, 1)), (few, 28, 28, 1))
zoo = {
    "digits": seen["digits"],
    "letters": seen["letters"],
    "disguised": disguised[:few],
    "upside": seen["clothes"][:, ::-1],
    "negative": negative(seen["clothes"]),
    "faded": faded(seen["clothes"]),
    "grey": grey.astype(np.uint8),
}
scored |= {name: all_scores(x) for name, x in zoo.items() if name not in scored}

inside = np.stack([*scored["clothes"].values()])  # (scores, images)
centre, width = inside.mean(axis=1, keepdims=True), inside.std(axis=1, keepdims=True)
ranked = {
    name: (np.stack([*of.values()]) - centre) / width for name, of in scored.items()
}
numbers = [1, 3, 10, 30, 100]
repeats = {"smoke": 2, "laptop": 40, "gpu": 40}[profile]
outcome = np.zeros((repeats, len(numbers), 3))
for repeat in range(repeats):
    rng = np.random.default_rng(repeat)
    mixes = rng.normal(size=(max(numbers), len(LABELS)))  # each row is a "method"
    ours, theirs = (rng.permutation(few) for _ in range(2))
    clothes, digits = ranked["clothes"][:, ours[:20]], ranked["digits"][:, theirs[:20]]
    reported = np.array([auroc(mix @ clothes, mix @ digits) for mix in mixes])
    for k, tried in enumerate(numbers):
        best = np.argmax(reported[:tried])
        own = mixes[best] @ ranked["clothes"][:, ours[20:]]
        fresh = auroc(own, mixes[best] @ ranked["digits"][:, theirs[20:]])
        others = [
            auroc(own, mixes[best] @ ranked[name])
            for name in ("upside", "faded", "negative")
        ]
        outcome[repeat, k] = reported[best], fresh, np.mean(others)

# %%
lines = "reported", "other digits", "upside down, faded, negative"
figure, axis = plt.subplots(figsize=(6.4, 3))
for values, label, color in zip(
    outcome.mean(axis=0).T, lines, (RED, BLUE, GREY), strict=True
):
    axis.semilogx(numbers, values, "o-", color=color, label=label)
axis.axhline(0.5, color="0.7", lw=0.8, ls="--")
axis.set_xticks(numbers, numbers)
axis.set(xlabel="methods tried", ylabel="AUROC", ylim=(0.3, 1.02))
axis.legend();

# %% [markdown]
# *Figure 8. The best of $K$ random mixtures of the eight scores, chosen on 20 clothes and 20 digits; means over repetitions.*
#
# The gap between red and blue is the optimism of few images, small here, where the scores are good, and all there is where they are not; more images cure it. The gap between blue and grey cannot: the search has found what tells *digits* from clothes. One who tunes on the test pair builds a detector of digits and calls it a detector of the unknown.
#
# **Bytes that the codec does not expect.** Our levels are 0 to 15. Given to PNG as they are, and not as greys from 0 to 255, they are the same images with the same information, and the score is another one: PNG chooses a filter for each row by a rule of thumb made for bytes of usual size. And **bits added to nats**, $\log p(x) + L(x)$: no ratio of anything any more. The number may even come out better, and that is the worst kind of error: nobody looks for a bug that improves the result.
#
# **A threshold from the training images.** The model has seen them, and finds them likelier than any others, so the threshold is placed for images that will not come again.

# %%
raw = {name: 8 * np.array([len(png(i[..., 0])) for i in x]) for name, x in seen.items()}
for words, scores in {
    "complexity, PNG of 17 x": {n: scored[n]["png"] for n in seen},
    "PNG of the levels 0 to 15": {n: net_log_p[n] + raw[n] * np.log(2) for n in seen},
    "bits added to nats": {n: net_log_p[n] + code_length(seen[n], png) for n in seen},
}.items():
    say(words, scores["clothes"], scores["digits"])

# %% tags=["nbval-check-output"]
rich = CountingModel(train, [*NEIGHBOURS, (-1, -1)])  # a fourth neighbour: it overfits
ours = {"training": rich.log_prob(train), "held-out": rich.log_prob(held)}
test = rich.log_prob(sets["clothes"])
rng = np.random.default_rng(0)
for name, values in ours.items():
    batches = rng.choice(values, (5_000, 25)).mean(axis=1)
    threshold = np.quantile(np.abs(batches - values.mean()), 0.95)
    alarms = np.abs(rng.choice(test, (5_000, 25)).mean(axis=1) - values.mean())
    print(f"threshold from {name} clothes: mean log p {values.mean():.0f}", end=", ")
    print(f"false alarms {np.mean(alarms > threshold):.0%} instead of 5%")

# %% [markdown]
# ## What still fails
#
# All the scores once more, on every set that we have made along the way: digits, letters, digits in disguise; and clothes: upside down, in negative, faded to half of the contrast; and plain grey sheets.

# %%
heat = np.array(
    [
        [auroc(scored["clothes"][score], scored[name][score]) for name in zoo]
        for score in LABELS
    ]
)


def heat_map(axis, rows, columns):
    """AUROC of each score (row) on each set (column), the worst of a row in a frame."""
    axis.imshow(heat, cmap="RdBu", vmin=0, vmax=1, aspect="auto")
    for i, j in np.ndindex(heat.shape):
        strong = abs(heat[i, j] - 0.5) > 0.35
        color = "white" if strong else "black"
        axis.text(j, i, f"{heat[i, j]:.2f}", ha="center", va="center", color=color)
    for i, j in enumerate(heat.argmin(axis=1)):
        frame = plt.Rectangle((j - 0.47, i - 0.45), 0.94, 0.9, fill=False, lw=2)
        axis.add_patch(frame)
    axis.set_yticks(range(len(rows)), rows)
    axis.set_xticks(range(len(columns)), columns)


# %%
figure, axis = plt.subplots(figsize=(9, 3.9))
columns = "digits", "letters", "disguised"
columns += "upside\ndown", "negative", "faded", "grey"
heat_map(axis, LABELS.values(), columns)

# %% [markdown]
# *Figure 9. AUROC of every score against every foreign set; in the frame, the worst of each score.*
#
# In every row there is a cell near one half or below, and these cells are in different columns. Upside down, a shirt still is made of the same threads, and all our scores are sums over threads. (The disguise of digits was cut to the measure of the counting model; typicality by the network sees through it, and would need a disguise of its own.) WAIC, of no use on digits, does find grey sheets and negatives: there the networks had to guess, each in its own way. The exposed model was shown bright strokes on black, and has learned that: faded clothes are to it better clothes than clothes. The ratio was built to forget what $p_0$ knows, and what $p_0$ finds strange, a negative, say, it forgives.
#
# **No score escapes.** This is not for want of trying.
#
# > **Theorem** (after Zhang et al. 2021). For every score $s$ there is a foreign distribution $q$ on which its AUROC is $1/4$, although $q$ is spread over half of the inside.
#
# *Derivation.* Let $q$ be the inside distribution restricted to images whose score is above the median. The rank of an inside score among inside scores is uniform, $U \sim [0, 1]$; that of a score from $q$ is uniform on the upper half, $V \sim [\frac12, 1]$. So $\mathrm{AUROC} = P(U > V) = \mathbb E[1 - V] = \frac14$. $\square$
#
# Restrict to the upper hundredth, and it is 0.005. You may protest that such a $q$ consists of perfectly good inside images. Just so: *foreign* has to mean something. Without saying which $q$ one fears, no method is better than another; each score is an assumption about $q$: "foreign images are less likely", "of another complexity", "like my auxiliary set".

# %% tags=["nbval-check-output"]
inside = log_p["clothes"]
for share in (0.5, 0.01):
    upper = inside[inside > np.quantile(inside, 1 - share)]
    print(f"the upper {share:4.0%} of clothes: {auroc(inside, upper):.3f}", end=", ")
    print(f"theory {share / 2:.3f}")


# %% [markdown]
# **A density depends on its coordinates.** There is a second reason why a density alone cannot answer (Le Lan & Dinh 2021). "Foreign" should not depend on whether an image is stored as pixels, as logits or as Fourier coefficients: those are invertible maps, nothing is lost. But the density changes by the Jacobian (unit 01),
#
# $$p_y(T(x)) = \frac{p_x(x)}{|T'(x)|},$$
#
# and the map $T$ may be chosen so that the order of likelihoods is any order we like. With $T$ the distribution function of $x$ itself, $T' = p_x$, all points become equally likely. With $T' \propto p_x^2$ the order is turned upside down: $p_y(T(x)) \propto 1 / p_x(x)$. The most perfect density model in the world, and its likelihood says "foreign" to whatever we wish.
#
# The ratio of two densities does not notice: both are divided by the same $|T'(x)|$. This speaks for ratios in general; it does not say which $p_0$ to take.

# %% tags=["nbval-check-output"]
def density(x):
    """A law with two humps."""
    return 0.5 * stats.norm.pdf(x, -2, 0.8) + 0.5 * stats.norm.pdf(x, 2, 0.8)


def background_density(x):
    return stats.norm.pdf(x, 0, 3)


line = np.linspace(-6, 6, 4001)
maps_of_line = {"T' = p": density(line), "T' ~ p^2": density(line) ** 2}
points = np.searchsorted(line, [-2, 0.0])  # a usual point, and a rare one
for name, slope in {"T' = 1": np.ones_like(line), **maps_of_line}.items():
    both = density, background_density
    p, p_0 = (law(line)[points] / slope[points] for law in both)
    print(
        f"{name:8} p at -2: {p[0]:7.3f}, p at 0: {p[1]:7.3f};",
        f"ratios p / p_0: {p[0] / p_0[0]:.3f}, {p[1] / p_0[1]:.3f}",
    )

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 2.6))
titles = "$x$", "$y = T(x)$, $T' = p$", "$y = T(x)$, $T' \\propto p^2$"
for axis, slope, title in zip(
    axes, [np.ones_like(line), *maps_of_line.values()], titles, strict=True
):
    shown = np.abs(line) < 3.4
    places = np.cumsum(slope) * (line[1] - line[0]) + line[0]
    values = density(line) / slope
    axis.plot(places[shown], values[shown], color=BLUE)
    axis.fill_between(places[shown], values[shown], color=LIGHT, alpha=0.5)
    kinds = (BLUE, "usual"), (RED, "rare")
    for point, (color, label) in zip(points, kinds, strict=True):
        axis.plot(places[point], values[point], "o", color=color, ms=9, label=label)
    axis.set(title=title, ylim=(0, 1.15 * values[shown].max()), xticks=[])
axes[0].set(xticks=[-2, 0, 2])
axes[0].legend();

# %% [markdown]
# *Figure 10. One and the same distribution in three coordinates. The usual point and the rare one change places in the order of densities; nothing about the distribution has changed.*
#
# ## A checklist for real life
#
# 1. **Name the outside.** Broken sensors, another hospital, another language, an enemy? Each score is a guess about it. Against an enemy who knows the score, none of these holds.
# 2. **Try the plain things first:** the file length, the mean brightness, a classifier of inside against the auxiliary set. If they do as well, stop.
# 3. **Direction, settings, thresholds: before the test.** On held-out inside images, and on a third foreign set. Write down how many settings were tried.
# 4. **Several foreign sets, the near ones too** (upside down, faded, next year's). One pair proves nothing.
# 5. **Intervals, and more than one training.** The bootstrap over images does not know about seeds.
# 6. **Batches, where they exist.** A stream from one camera is a batch.
# 7. **The rate of alarms in operation.** One false alarm in 20 is 4,000 a day at 80,000 images; and precision depends on how rare the foreign is.
# 8. **Keep what failed in the table.**
#
# ## In one screen
#
# | score | formula | mends | fooled by |
# |---|---|---|---|
# | likelihood | $\log p(x)$ | | simple images |
# | typicality | $-\lvert \log p(x) - \overline{\log p}\rvert$ | "too likely" | anything of the same likelihood |
# | WAIC | $\mathbb E_\theta \log p_\theta - \operatorname{Var}_\theta \log p_\theta$ | chance of one training | what all models have learned |
# | likelihood ratio | $\log p(x) - \log p_0(x)$ | background, coordinates | what $p_0$ finds strange |
# | input complexity | $\log p(x) + L(x) \log 2$ | simplicity | usual threads in an unusual order |
# | outlier exposure | $\log p_\theta(x)$, trained with a margin | what was shown | what was not |
#
# ## Questions
#
# <details>
# <summary><b>1.</b> A score has an AUROC of 0.08 on our pair. A colleague proposes to use it with a minus, at 0.92. What do you answer?</summary>
#
# That the sign is a setting, and has been chosen on the test pair. On the next pair (clothes against noise) the score with a minus will have an AUROC near 0, as the likelihood there has one near 1. If "too likely" is what one fears, typicality says so without looking at the digits, and pays for it by alarms on both sides.
#
# </details>
#
# <details>
# <summary><b>2.</b> In 784 dimensions a Gaussian's typical set is a shell 20 nats wide. Why is that of clothes ten times as wide, and what does this do to typicality?</summary>
#
# The law of large numbers needs terms that are weakly dependent. Pixels of one image share its kind: a patterned shirt is expensive in all its pixels at once. The variance of the sum is then dominated by differences between images, not by noise within one. The shell is thick, and a foreign image finds room in it.
#
# </details>
#
# <details>
# <summary><b>3.</b> Why does a batch help typicality, and when does it not, however large?</summary>
#
# The mean of $M$ values of $\log p$ has a standard deviation $\sqrt M$ times smaller, so ever smaller differences of the means are seen. If the means are equal (digits in disguise), there is nothing to see: the test compares means only. One could compare variances, or whole distributions; then the adversary has two numbers to match instead of one.
#
# </details>
#
# <details>
# <summary><b>4.</b> All images are enlarged by repeating each pixel in a $2 \times 2$ square, and the likelihood of every pixel stays. What happens to the two terms of WAIC? And if we count in bits?</summary>
#
# The sum over pixels is 4 times as large, so the mean is 4 times and the variance 16 times as large: another score. In bits the mean is divided by $\log 2$ and the variance by $(\log 2)^2$: another one again. A sum of nats and squared nats has no meaning that is independent of units, and this should make one suspicious.
#
# </details>
#
# <details>
# <summary><b>5.</b> What happens to the likelihood ratio if the background model is trained on images with a mutation rate of 0? And of 1?</summary>
#
# At 0, and with the same architecture, $p_0 = p$ and the ratio is 0 for everything, or the noise of two trainings. At 1 the training images are uniform noise, $p_0(x) = 16^{-D}$ for all $x$, and the ratio is the likelihood plus a constant: the paradox again. The useful rates are between, and where, is to be chosen on a third data set.
#
# </details>
#
# <details>
# <summary><b>6.</b> Why is input complexity a likelihood ratio, and why does it survive an invertible map of the pixels only in part?</summary>
#
# Kraft's inequality makes $2^{-L(x)}$ a (sub-)probability, so $\log p + L \log 2 = \log (p / p_c)$. For a ratio of *two models carried along with the map* the Jacobian cancels. But the codec is not carried along: it is applied to whatever bytes it is given. Scramble the pixels, and $p$ (retrained) is the same, while PNG finds nothing to compress. Our PNG of levels 0 to 15 was a mild case of it.
#
# </details>
#
# <details>
# <summary><b>7.</b> Outlier exposure against letters finds digits almost perfectly. Is it then the best of our scores?</summary>
#
# On this pair, yes. But it was told more: it has seen 10,000 images of thin bright strokes. The fair comparison is with a classifier of clothes against letters, which has seen the same, and which probably does as well. And figure 9 shows the price: what lies away from the auxiliary set, faded clothes, say, is found no better than before, or worse.
#
# </details>
#
# <details>
# <summary><b>8.</b> The bootstrap interval of an AUROC is [0.93, 0.95]. A repetition by another group finds 0.78. Is one of them wrong?</summary>
#
# Not necessarily. The interval covers the choice of test images only. Another training, another architecture, another version of the codec, another resizing of the data: all that is outside of it. Such a case is in the literature: complexity with PNG on CIFAR-10 and SVHN, 0.95 and 0.78.
#
# </details>
#
# ## What to read
#
# * E. Nalisnick, A. Matsukawa, Y. W. Teh, D. Gorur, B. Lakshminarayanan. *Do Deep Generative Models Know What They Don't Know?* ICLR, 2019, [arXiv:1810.09136](https://arxiv.org/abs/1810.09136). The question.
# * H. Choi, E. Jang, A. Alemi. *WAIC, but Why? Generative Ensembles for Robust Anomaly Detection.* 2018, [arXiv:1810.01392](https://arxiv.org/abs/1810.01392). The same paradox, found independently; ensembles; the annulus.
# * D. Hendrycks, M. Mazeika, T. Dietterich. *Deep Anomaly Detection with Outlier Exposure.* ICLR, 2019, [arXiv:1812.04606](https://arxiv.org/abs/1812.04606).
# * E. Nalisnick, A. Matsukawa, Y. W. Teh, B. Lakshminarayanan. *Detecting Out-of-Distribution Inputs to Deep Generative Models Using Typicality.* 2019, [arXiv:1906.02994](https://arxiv.org/abs/1906.02994). The test of a batch.
# * J. Ren et al. *Likelihood Ratios for Out-of-Distribution Detection.* NeurIPS, 2019, [arXiv:1906.02845](https://arxiv.org/abs/1906.02845).
# * J. Serrà et al. *Input Complexity and Out-of-Distribution Detection with Likelihood-Based Generative Models.* ICLR, 2020, [arXiv:1909.11480](https://arxiv.org/abs/1909.11480).
# * R. Schirrmeister, Y. Zhou, T. Ball, D. Zhang. *Understanding Anomaly Detection with Deep Invertible Networks through Hierarchies of Distributions and Features.* NeurIPS, 2020, [arXiv:2006.10848](https://arxiv.org/abs/2006.10848). Ratios with a general model as background; the repetition.
# * L. Zhang, M. Goldstein, R. Ranganath. *Understanding Failures in Out-of-Distribution Detection with Deep Generative Models.* ICML, 2021, [arXiv:2107.06908](https://arxiv.org/abs/2107.06908).
# * C. Le Lan, L. Dinh. *Perfect Density Models Cannot Guarantee Anomaly Detection.* Entropy, 2021, [arXiv:2012.03808](https://arxiv.org/abs/2012.03808).
#
# Now the [lab](../../labs/en/09_detecting.ipynb).
