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
# # PixelCNN: pixel after pixel
#
# **The question.** Units 01 to 04 paid for an exact likelihood with invertible maps, and for images with noise added to integers. Can one have it without either: a network of any shape, and the *probability* of an image of bytes, exactly as it is stored? And if so, what is the price?
#
# The answer is the chain rule, and a classifier for each pixel that sees the pixels before it. By the end of this notebook you will have counted such a model to the last image, taught one to write English, cut convolutions so that they cannot peek, found with gradients the spot where they are blind, cured it, trained the cure on digits, asked it to finish half-drawn ones, and measured what sampling costs.
#
# **You need** units 01 and 03; a little of 04 (bits per dimension). **It takes** about 80 minutes, and then 60 to 90 for the [lab](../../labs/en/06_pixelcnn.ipynb).
#
# | symbol | meaning |
# |---|---|
# | $x = (x_1, \dots, x_D)$ | an image: $D$ integers between 0 and 255, row by row; or a text: $D$ characters |
# | $x_{<i}$ | everything before $x_i$ in that order |
# | $p(x_i \mid x_{<i})$ | the law of one pixel or character: what the network returns |
# | $c$ | a condition: the class, or any vector |

# %%
import collections
import itertools
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import optimize, special
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from dgm_tfp import data, models, profiles, training

keras.utils.set_random_seed(0)
tf.get_logger().setLevel("ERROR")  # it counts the graphs of many models as one's
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
# ## Method 1: write the likelihood down
#
# Of the three ways to make a generative model (unit 00) this is the most direct: state $p(x)$ as an explicit function, and make it as large as possible on the data. Nobody can state a table over all images: $256^{784}$ numbers. The chain rule cuts the object into small parts:
#
# > **Theorem.** Let $x_1, \dots, x_D$ take finitely many values each.
# > (a) Every distribution is the product of its conditionals, in any order of the coordinates: $p(x) = \prod_{i=1}^{D} p(x_i \mid x_{<i})$.
# > (b) The other way round: take *any* functions $q_i(x_i \mid x_{<i}) \ge 0$ with $\sum_{v} q_i(v \mid x_{<i}) = 1$. Then $q(x) = \prod_i q_i(x_i \mid x_{<i})$ is a distribution: it sums to 1 over all $x$, with no constant to compute.
# >
# > *Proof.* (a) $p(x_i \mid x_{<i}) = p(x_1, \dots, x_i) / p(x_1, \dots, x_{i-1})$, and in the product all but the last numerator cancel. (b) Sum over the last coordinate first: it occurs in one factor only.
# >
# > $$\sum_{x_1} q_1(x_1) \sum_{x_2} q_2(x_2 \mid x_1) \cdots \underbrace{\sum_{x_D} q_D(x_D \mid x_{<D})}_{=\,1} = \sum_{x_1} q_1(x_1) \cdots \underbrace{\sum_{x_{D-1}} q_{D-1}(x_{D-1} \mid x_{<D-1})}_{=\,1} = \dots = 1. \qquad \square$$
#
# Part (a) says that nothing is lost, part (b) that nothing can go wrong: a softmax sums to 1, so the whole does. There is no Jacobian, nothing has to be inverted. The only duty is that $q_i$ be a function of $x_{<i}$ **and of nothing else**.
#
# For images of $2 \times 2$ pixels with 4 grey levels one can count: there are $4^4 = 256$ of them.

# %% tags=["nbval-check-output"]
images_2x2 = np.array(list(itertools.product(range(4), repeat=4)))  # (256, 4): all


def random_log_prob(x, order, seed):
    """log q(x) of each row; each factor is a random network of the pixels before it."""
    source, total = np.random.default_rng(seed), 0.0
    for place, pixel in enumerate(order):
        known = x[:, order[:place]]
        W, V = source.normal(size=(place, 20)), source.normal(size=(20, 4))
        logits = np.tanh(known @ W + source.normal(size=20)) @ V
        total = total + special.log_softmax(logits, axis=1)[range(len(x)), x[:, pixel]]
    return total


for seed, order in enumerate(([0, 1, 2, 3], [3, 1, 0, 2], [2, 0, 3, 1])):
    q = np.exp(random_log_prob(images_2x2, order, seed))
    print(
        f"(b) order {order}: {q.sum():.6f} in all, from {q.min():.0e} to {q.max():.2f}"
    )

table = np.random.default_rng(5).dirichlet(np.ones(256)).reshape(4, 4, 4, 4)  # any p(x)
for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
    p, product = table.transpose(order), 1.0
    for i in range(4):
        joint = p.sum(axis=tuple(range(i + 1, 4)), keepdims=True)  # p(x_1..x_i)
        product = product * joint / joint.sum(axis=i, keepdims=True)
    print(f"(a) order {order}: product = p for all 256:", np.allclose(product, p))

# %% [markdown]
# **A cousin that you know.** MAF (unit 03) is the same product, with normal laws for real numbers:
#
# | | MAF | PixelCNN |
# |---|---|---|
# | a coordinate | a real number | an integer from 0 to 255 |
# | $p(x_i \mid x_{<i})$ | normal, or what a spline makes of it | a table of 256 probabilities: any shape |
# | $p(x)$ | a density; bytes need noise (dequantization), and get a bound | a probability: exact, no noise |
# | loss | may be negative | at least the entropy, never negative |
# | noise $z \leftrightarrow x$ | both ways | there is no $z$ |
# | scoring, sampling | 1 pass, $D$ steps | 1 pass, $D$ steps |
#
# The loss is the mean of $-\log_2 p(x)$, in bits: the length of the file to which a lossless compressor that knows $p$ would shrink the image. Divided by $D$, these are **bits per dimension**. Those of units 02 to 04 are upper bounds, as noise was added; here they are exact.
#
# **The troubles of method 1.** They should be said at once. One has to *choose a law and an order*, and neither is given by nature: who reads a picture like a page? And *inference is expensive*: sampling takes $D$ passes, one after another, and a question such as "what is above, given what is below" has no quick answer, because the chain runs the other way. There is no latent variable either that would sum the image up. And a good likelihood does not promise good samples (unit 07).

# %% [markdown]
# ## Characters first
#
# Text has an order of its own, so let us begin there. Ours is one that every Python brings along: the reference that `help()` shows, each paragraph once. The last tenth is for the test.
#
# The simplest $p(x_i \mid x_{<i})$ looks at the last $k$ characters only and counts, in the training text, what followed them. A little is added to each count, or a pair never seen would have probability 0 and the test text $-\log 0$:
#
# $$p(x_i = v \mid x_{i-k}, \dots, x_{i-1}) = \frac{n(x_{i-k} \dots x_{i-1} v) + \alpha}{n(x_{i-k} \dots x_{i-1}) + \alpha V},$$
#
# where $V$ is the number of characters in the alphabet.

# %%
corpus = data.load_text()
train_text, test_text, symbols = corpus
print(f"{len(train_text):,} characters and {len(test_text):,} for the test,", end=" ")
print(f"{len(symbols)} different ones; for instance:\n")
print(train_text[2000:2300])


# %%
class Counts:
    """p(next character | the k before it), from the counts in a text."""

    def __init__(self, text, k, alpha=0.001):
        self.k, self.alpha = k, alpha
        self.after = collections.defaultdict(collections.Counter)
        for i in range(k, len(text)):
            self.after[text[i - k : i]][text[i]] += 1

    def law(self, past):
        """The probabilities of all symbols after a text."""
        seen = self.after.get(past[len(past) - self.k :], {})
        n = np.array([seen.get(symbol, 0) for symbol in symbols]) + self.alpha
        return n / n.sum()

    def bits(self, text):
        """Mean of -log2 p per character: the chain rule, one factor after another."""
        cost = 0.0
        for i in range(self.k, len(text)):
            seen = self.after.get(text[i - self.k : i], {})
            total = sum(seen.values()) + self.alpha * len(symbols)
            cost -= np.log2((seen.get(text[i], 0) + self.alpha) / total)
        return cost / (len(text) - self.k)

    def write(self, start, n, source):
        """Draw a character, append it, draw the next."""
        past = start
        for _ in range(n):
            past += source.choice(list(symbols), p=self.law(past))
        return past


ks = range(7)
length = 60_000 if profile == "smoke" else len(train_text)
counts = [Counts(train_text[:length], k) for k in ks]
bits_train = [model.bits(train_text[:20_000]) for model in counts]
bits_test = [model.bits(test_text[:20_000]) for model in counts]
print(
    f"knowing nothing: log2 {len(symbols)} = {np.log2(len(symbols)):.2f} bits per character"
)
for k in (0, 1, 3, 6):
    print(
        f"\nk = {k}: train {bits_train[k]:.2f}, test {bits_test[k]:.2f} bits per character"
    )
    print(repr(counts[k].write(train_text[:10], 100, np.random.default_rng(k))[10:]))


# %% [markdown]
# With $k = 3$ the words look English; with $k = 6$ they are, since the model copies, until it stumbles into a context that it has never met: there all symbols are alike to it, and it does not find the way out. On the test text it meets such contexts all the time, and is *worse* than with $k = 3$. This is the other side of "high likelihood": overfitting. A table cannot know that two contexts are alike.
#
# A **recurrent network** can (Karpathy 2015 made its writing famous). It carries a state $h$ from character to character, and the state sums up all of $x_{<i}$, however long:
#
# $$h_i = \tanh(h_{i-1} U + W_{x_{i-1}} + b), \qquad p(x_i = v \mid x_{<i}) = \operatorname{softmax}(h_i V + a)_v.$$
#
# Mind the indices: $h_i$ has read the characters up to $x_{i-1}$ and predicts $x_i$. In training the network is given the text and is asked for the same text *shifted by one*. Should it be given $x_i$ too, the loss would go to 0, and it would have learnt to copy. By hand, beside Keras:

# %% tags=["nbval-check-output"]
def hand_rnn(tokens, W, U, b, V, a):
    """log p of all characters but the first given the ones before: (n, T) -> (n, T - 1)."""
    h, costs = np.zeros((len(tokens), U.shape[0])), []
    for i in range(1, tokens.shape[1]):
        h = np.tanh(h @ U + W[tokens[:, i - 1]] + b)
        log_p = special.log_softmax(h @ V + a, axis=1)
        costs.append(log_p[range(len(tokens)), tokens[:, i]])
    return np.stack(costs, axis=1)


V_size, width = 20, 32
source = np.random.default_rng(2)
layer, head = (
    keras.layers.SimpleRNN(width, return_sequences=True),
    keras.layers.Dense(V_size),
)
layer.build((None, None, V_size))
head.build((None, None, width))
variables = *layer.trainable_variables, *head.trainable_variables  # W, U, b, V, a
for bias in variables[2], variables[4]:
    bias.assign(source.normal(size=bias.shape))
weights = [variable.numpy() for variable in variables]

tokens = source.integers(0, V_size, (5, 12))
log_p = hand_rnn(tokens, *weights)
logits = head(layer(np.eye(V_size, dtype=np.float32)[tokens[:, :-1]]))  # reads 0..T-2
stock = tfd.Categorical(logits=logits).log_prob(tokens[:, 1:])  # is asked for 1..T-1
print("the same as Keras:", np.allclose(log_p, stock, atol=1e-4))
changed = tokens.copy()
changed[:, 6] = (changed[:, 6] + 1) % V_size
moved = np.abs(hand_rnn(changed, *weights) - log_p).max(axis=0) > 1e-6
print("character 7 changed; factors that moved:", np.flatnonzero(moved) + 2)

# %% [markdown]
# `models.CharRNN` is such a network, with a cell that forgets less readily than $\tanh$ (a GRU). It is trained on windows of 64 characters. The loss is the same number as for the counts: bits per character.

# %%
LENGTH = 64
writer = models.CharRNN((LENGTH,), symbols, hidden=32 if profile == "smoke" else 128)
schedule = training.WarmUpCosine(5e-3)
writer.compile(optimizer=training.adam(schedule))
updates = {"smoke": 20, "laptop": 400, "gpu": 4000}[profile]
budget = training.Budget(updates=updates, schedule=schedule, progress=False)
windows = corpus.windows("train", LENGTH)
writer.fit(windows, epochs=10_000, batch_size=64, verbose=0, callbacks=[budget])
rnn_bits = writer.surprise(test_text[:20_000]).mean()
print(
    f"counts at their best {min(bits_test):.2f}, RNN {rnn_bits:.2f} bits per character"
)

for temperature in (0.4, 1.0, 1.6):
    print(f"\ntemperature {temperature}:")
    print(writer.generate("The ", 250, temperature=temperature, seed=1))

# %%
figure, axis = plt.subplots(figsize=(5.2, 2.8))
axis.plot(ks, bits_train, "o-", color=LIGHT, label="counts, training text")
axis.plot(ks, bits_test, "o-", color=BLUE, label="counts, test text")
axis.axhline(rnn_bits, color=RED, ls="--", lw=1.2, label="RNN, test text")
axis.set(xlabel="characters remembered, $k$", ylabel="bits per character", ylim=(0, 6))
axis.legend(fontsize=8);


# %% [markdown]
# *Figure 1. Bits per character of the counting models, and of the recurrent network on the test text.*
#
# **Temperature** $T$ replaces each law by one proportional to $p^{1/T}$: the logits are divided by $T$. Below 1 the text gets tame and repeats itself, above 1 it gets wild. It is a knob for taste; the likelihood knows $T = 1$ only.

# %% [markdown]
# ## A picture is a text of pixels
#
# Read row by row, a picture is a text whose alphabet has 256 letters, and a recurrent network could write it (PixelRNN, van den Oord et al. 2016a). But a recurrent network goes through 784 steps for *training* too. In training the whole image is there: all the conditionals could be computed in one pass, by a network that gives pixel $i$ an output that depends on $x_{<i}$ only. That is MADE, with convolutions in place of dense layers. One kernel serves all pixels, so the mask is one small table:
#
# * **mask A**, first layer: the rows above, and in the same row what is left of the centre. *Not* the centre: there sits $x_i$ itself;
# * **mask B**, all further layers: the centre too. There sits a feature of pixel $i$ now, which knows $x_{<i}$ only.
#
# This is the story of MADE's inequalities once more: one strict $<$ on each path, and then $\le$.

# %% tags=["nbval-check-output"]
def make_mask(size, kind):
    """What a kernel of size x size keeps, kind "A" or "B": (size, size)."""
    mask, middle = np.zeros((size, size)), size // 2
    mask[:middle] = 1  # the rows above
    mask[middle, : middle + (kind == "B")] = 1  # left of the centre; B: and it
    return mask


for kind in "AB":
    print(kind, make_mask(5, kind), sep="\n")


# %% [markdown]
# A whole PixelCNN of that kind (van den Oord et al. 2016a) is a dozen lines. It returns logits: for each pixel one number per grey level.

# %%
class HandPixelCNN:
    """Masked convolutions: integers (n, h, w, 1) -> logits (n, h, w, levels)."""

    def __init__(self, masks, width=16, levels=4, seed=0):
        source, sizes = np.random.default_rng(seed), [levels] + [width] * len(masks)
        pairs = itertools.pairwise(sizes)
        shapes = [(*mask.shape, *io) for mask, io in zip(masks, pairs, strict=True)]
        shapes.append((1, 1, width, levels))  # the last one looks at its own pixel
        masks = [*masks, np.ones((1, 1))]
        self.masks = [mask[:, :, None, None].astype(np.float32) for mask in masks]
        self.kernels = [
            tf.Variable(
                source.normal(size=s) * 1.5 / np.prod(s[:3]) ** 0.5, dtype="float32"
            )
            for s in shapes
        ]
        self.biases = [tf.Variable(tf.zeros(shape[3])) for shape in shapes]
        self.levels, self.variables = levels, [*self.kernels, *self.biases]

    def __call__(self, images):
        return self.logits(tf.one_hot(images[..., 0], self.levels))

    def logits(self, h):
        """From indicators of the levels, (n, h, w, levels): these have derivatives."""
        layers = list(zip(self.kernels, self.masks, self.biases, strict=True))
        for k, (kernel, mask, bias) in enumerate(layers):
            h = tf.nn.conv2d(h, kernel * mask, 1, "SAME") + bias
            h = tf.nn.elu(h) if k + 1 < len(layers) else h
        return h


def log_prob(net, images):
    """log p(x) of each image in nats: the sum over its pixels."""
    logits, labels = net(images), tf.cast(images[..., 0], tf.int32)
    cost = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return -tf.reduce_sum(cost, axis=(1, 2))


masks = [make_mask(3, kind) for kind in "ABBB"]
tiny = HandPixelCNN(masks)
as_images = tf.constant(images_2x2.reshape(-1, 2, 2, 1))
total = np.exp(log_prob(tiny, as_images)).sum()


# %% [markdown]
# Is it honest? Three proofs. *Counting*: the probabilities of the 256 images. *Gradients*: what does the output for one pixel depend on? (Weights and images random, activations smooth: what is zero is zero because it is cut.) *Surgery*: change a pixel, and see that no output before or at that pixel moved.

# %% tags=["nbval-check-output"]
def seen_from(net, row, column, size=13, levels=4, draws=3):
    """Which pixels influence the output at (row, column): bool (size, size)."""
    h = tf.random.stateless_uniform((draws, size, size, levels), seed=(row, column))
    with tf.GradientTape() as tape:
        tape.watch(h)
        output = net.logits(h)[:, row, column]
        output = tf.reduce_sum(
            output * tf.random.stateless_normal(output.shape, seed=(1, 2))
        )
    return np.abs(tape.gradient(output, h)).max(axis=(0, 3)) > 0


def come_before(row, column, size=13):
    """Which pixels come before (row, column), row by row: bool (size, size)."""
    return np.arange(size**2).reshape(size, size) < row * size + column


print(f"counting: the probabilities of all 256 images sum to {total:.5f}")
honest = [
    not (seen_from(tiny, r, c) & ~come_before(r, c)).any()
    for r, c in np.ndindex(13, 13)
]
print(
    "gradients: outputs that see only what comes before:",
    sum(honest),
    "of",
    len(honest),
)
images = rng.integers(0, 4, (1, 13, 13, 1))
changed = images.copy()
changed[0, 6, 6] = (changed[0, 6, 6] + 1) % 4
moved = np.abs(tiny(images) - tiny(changed)).max(axis=3)[0] > 0
print(
    "surgery: outputs moved at or before the pixel:",
    (moved & (come_before(6, 7))).sum(),
)
print(
    "what the middle of 13 x 13 sees:",
    seen_from(tiny, 6, 6).sum(),
    "pixels of",
    6 * 13 + 6,
)

# %% [markdown]
# ## The blind spot
#
# Honest it is. Does it see *all* that comes before? More layers, a wider view: let us look.

# %%
depths = 1, 2, 4, 8
views = [
    seen_from(HandPixelCNN([make_mask(3, k) for k in "A" + "B" * (depth - 1)]), 6, 6)
    for depth in depths
]


def show_view(axis, seen, title, row=6, column=6):
    """Dark: seen; light: comes before and is not seen; red: the pixel itself."""
    before = come_before(row, column, len(seen))
    shown = np.where(seen, 2.0, np.where(before, 1.0, 0.0))
    axis.imshow(shown, cmap="Blues", vmin=0, vmax=2.6)
    edge = {"fill": False, "edgecolor": "white", "lw": 0.5}
    for r, c in np.ndindex(seen.shape):
        axis.add_patch(plt.Rectangle((c - 0.5, r - 0.5), 1, 1, **edge))
    axis.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, color=RED))
    axis.set(title=title, xticks=[], yticks=[])


# %%
figure, axes = plt.subplots(1, 4, figsize=(9, 2.6))
for axis, view, depth in zip(axes, views, depths, strict=True):
    show_view(axis, view, f"layers: {depth}")

# %% [markdown]
# *Figure 2. What the red pixel sees with $3 \times 3$ masks (dark), and what comes before it and is not seen (light).*
#
# However many layers there are, a wedge at the upper right stays out of sight.
#
# > **Theorem.** Let all kernels be $(2m + 1) \times (2m + 1)$, with masks A and B. The output at $(r, c)$ does not depend on the pixel $a$ rows above and $b$ columns to the right if $b > m a$, whatever the number of layers.
# >
# > *Proof.* Follow a path from the output back to the pixel, a layer at a time. In a layer one goes either to the left within the row (or stays), or up by at least one row and to the right by at most $m$ columns. One has to go up $a$ rows in all, so at most $a$ layers go up, and only these go to the right: by $m a$ columns at most. $\square$
#
# For $m = 1$ and the middle of a $13 \times 13$ image the wedge holds $5 + 4 + 3 + 2 + 1 = 15$ pixels, and a pixel at the end of its row would like to know them: a stroke going down to the left comes from there.

# %% tags=["nbval-check-output"]
for depth in (2, 4, 8, 12):
    net = HandPixelCNN([make_mask(3, k) for k in "A" + "B" * (depth - 1)])
    print(
        f"{depth:2} layers:",
        (come_before(6, 6) & ~seen_from(net, 6, 6)).sum(),
        "unseen",
    )
up, right = np.mgrid[6:-7:-1, -6:7]  # rows above, columns to the right of the middle
wedge = come_before(6, 6) & (right > up)
unseen = come_before(6, 6) & ~seen_from(net, 6, 6)
print("the unseen pixels are the wedge b > a:", (unseen == wedge).all(), wedge.sum())


# %% [markdown]
# ## The cure: two stacks
#
# The wedge comes from one rule for two different things: within the row only the left is known, but in the rows above *everything* is. So take them apart (van den Oord et al. 2016b):
#
# * the **vertical stack** $v$ knows the rows above, all of each: its kernels are $(m + 1) \times (2m + 1)$, the current row and those above, and what enters it is the image shifted *down* by one row;
# * the **horizontal stack** $h$ knows its own row up to the pixel: kernels $1 \times (m + 1)$, and what enters it is the image shifted *right* by one pixel. In each layer it also hears $v$ of the same place. Never the other way round: $v$ would hear of the current row, and pass it on to pixels further left.
#
# After the two shifts nothing has to be masked at all: the kernels have only the shape that they may have. And in place of ReLU, **gates** as in an LSTM: one half of the features says what, the other half how much of it,
#
# $$y = \tanh(W_f * x + U_f c) \odot \sigma(W_g * x + U_g c).$$
#
# $c$ is a condition, such as the class as an indicator: added at every place, without a mask, for it "comes before" every pixel. So $p(x \mid c) = \prod_i p(x_i \mid x_{<i}, c)$.

# %%
def shift(x, down=0, right=0):
    """The same image moved down or right; zeros come in."""
    h, w = x.shape[1:3]
    return tf.pad(x, [[0, 0], [down, 0], [right, 0], [0, 0]])[:, :h, :w]


def vertical(x, kernel):
    """Each row from itself and those above. kernel: (m + 1, 2m + 1, in, out)."""
    rows, columns = kernel.shape[:2]
    side = columns // 2
    x = tf.pad(x, [[0, 0], [rows - 1, 0], [side, side], [0, 0]])
    return tf.nn.conv2d(x, kernel, 1, "VALID")


def horizontal(x, kernel):
    """Each pixel from itself and those left of it. kernel: (1, m + 1, in, out)."""
    x = tf.pad(x, [[0, 0], [0, 0], [kernel.shape[1] - 1, 0], [0, 0]])
    return tf.nn.conv2d(x, kernel, 1, "VALID")


def gate(a):
    what, how_much = tf.split(a, 2, axis=-1)
    return tf.tanh(what) * tf.sigmoid(how_much)


class HandGatedPixelCNN(HandPixelCNN):
    """Two stacks of gated layers; the same call and the same levels as HandPixelCNN."""

    def __init__(self, layers, width=16, levels=4, m=1, seed=0):
        source, self.levels, self.variables = np.random.default_rng(seed), levels, []

        def weight(*shape):
            start = source.normal(size=shape) / np.prod(shape[:3]) ** 0.5
            self.variables.append(tf.Variable(start, dtype="float32"))
            return self.variables[-1]

        self.layers = []
        for inputs in [levels] + [width] * (layers - 1):
            kernel_v = weight(m + 1, 2 * m + 1, inputs, 2 * width)
            kernel_h, v_to_h = (
                weight(1, m + 1, inputs, 2 * width),
                weight(1, 1, width, 2 * width),
            )
            self.layers.append((kernel_v, kernel_h, v_to_h))
        self.last = weight(1, 1, width, levels)

    def logits(self, x):
        v, h = shift(x, down=1), shift(x, right=1)
        for kernel_v, kernel_h, v_to_h in self.layers:
            v = gate(vertical(v, kernel_v))
            new = gate(horizontal(h, kernel_h) + horizontal(v, v_to_h))
            h = new if h.shape != new.shape else h + new  # the residual connection
        return horizontal(h, self.last)


# %% tags=["nbval-check-output"]
gated = HandGatedPixelCNN(12)
total = np.exp(log_prob(HandGatedPixelCNN(3), as_images)).sum()
print(f"counting: the probabilities of all 256 images sum to {total:.5f}")
places = (6, 6), (8, 12), (3, 0)
exact = [(seen_from(gated, *p) == come_before(*p)).all() for p in places]
print("sees all that comes before and nothing else:", all(exact))

# %%
blind = HandGatedPixelCNN(2)
blind.layers = [(v, h, 0 * u) for v, h, u in blind.layers]  # h does not hear v
figure, axes = plt.subplots(1, 4, figsize=(9, 2.6))
both, row_only = seen_from(HandGatedPixelCNN(2), 6, 6), seen_from(blind, 6, 6)
show_view(axes[0], both & ~row_only, "vertical, 2 layers")
show_view(axes[1], row_only, "horizontal, 2 layers")
show_view(axes[2], both, "both, 2 layers")
show_view(axes[3], seen_from(gated, 6, 6), "both, 12 layers")


# %% [markdown]
# *Figure 3. The two stacks apart and together. With eight layers of $3 \times 3$ everything that comes before is in sight.*
#
# ## The law of a pixel
#
# The network returns numbers; which law do they describe? The first answer: 256 logits and a **softmax**. It can have any shape, several humps, a spike at 0. It does not know that 99 lies next to 100: each value is a class of its own, and 256 outputs per pixel (and colour channel) are a lot.
#
# The second answer (Salimans et al. 2017) does know: brightness is a continuous quantity $y$, rounded to the nearest integer and **clipped** to $[0, 255]$. Let $y$ follow a mixture of $K$ logistic laws, whose distribution function is simply $\sigma\bigl((y - \mu)/s\bigr)$. Then the probability of an integer is what lies between its rounding limits:
#
# $$P(x) = \sum_{k=1}^K \pi_k \left[ \sigma\!\left(\tfrac{x + 1/2 - \mu_k}{s_k}\right) - \sigma\!\left(\tfrac{x - 1/2 - \mu_k}{s_k}\right) \right], \quad 0 < x < 255,$$
#
# and the **edges** take all that was clipped: at $x = 0$ the second $\sigma$ is replaced by 0, at $x = 255$ the first by 1. Three numbers per component in place of 256. Why the edges matter: the sum telescopes, so with them it is 1 and without them $\sigma\bigl((255.5 - \mu)/s\bigr) - \sigma\bigl((-0.5 - \mu)/s\bigr)$, less than 1. The loss would be no likelihood; and in digits four pixels of five are black, right at the edge.

# %% tags=["nbval-check-output"]
def mixture(x, mu, s, pi, edges=True):
    """P of each integer. x: (n,); mu, s, pi: (K,). Returns (n,)."""
    above = special.expit((x[:, None] + 0.5 - mu) / s)
    below = special.expit((x[:, None] - 0.5 - mu) / s)
    if edges:
        above = np.where(x[:, None] == 255, 1.0, above)
        below = np.where(x[:, None] == 0, 0.0, below)
    return (above - below) @ pi


grey = np.arange(256)
for centre, scale in ((128, 10), (250, 10), (2, 5), (-20, 5)):
    law = np.array([centre]), np.array([scale]), np.ones(1)
    total, bare = mixture(grey, *law).sum(), mixture(grey, *law, edges=False).sum()
    print(
        f"mu = {centre:3}, s = {scale:2}: sums to {total:.4f}; without edges {bare:.4f}"
    )

stock = tfb.Shift(-0.5)(tfd.Logistic(2.0, 5.0))  # it rounds up, so -1/2
stock = tfd.QuantizedDistribution(stock, low=0, high=255)
ours = mixture(grey, np.array([2.0]), np.array([5.0]), np.ones(1))
print(
    "the same as TFP's QuantizedDistribution:",
    np.allclose(stock.prob(1.0 * grey), ours),
)

# %% [markdown]
# How well do the two describe a real pixel? Take the one in the middle of the digits, over all training images, and fit mixtures to its histogram (its entropy is the least that any law can reach).

# %%
digits = data.load("mnist", "train", source="embedded")
pixel = np.bincount(digits.images[:, 14, 14, 0], minlength=256) / len(digits.images)


def unpack(numbers):
    mu, log_s, logits = numbers.reshape(3, -1)
    return 255 * mu, 255 * np.exp(log_s), special.softmax(logits)


def fit_mixture(K, edges):
    """The parameters of K components that need the fewest bits for the histogram."""

    def cost(numbers):
        return -pixel @ np.log2(mixture(grey, *unpack(numbers), edges) + 1e-12)

    start = np.concatenate(
        [np.linspace(0, 1, K + 2)[1:-1], np.full(K, -2.5), np.zeros(K)]
    )
    best = optimize.minimize(cost, start, method="L-BFGS-B", options={"maxiter": 60})
    return unpack(best.x), best.fun


entropy = -pixel[pixel > 0] @ np.log2(pixel[pixel > 0])
print(f"entropy of the histogram: {entropy:.2f} bits")
for K in (1, 2, 4):
    with_edges, without = fit_mixture(K, True), fit_mixture(K, False)
    print(
        f"K = {K}: {with_edges[1]:.2f} bits; without edges {without[1]:.2f}", end="; "
    )
    kept = mixture(grey, *without[0], edges=False).sum()
    print(f"these sum to {kept:.3f} over 0..255")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.9))
axes[0].bar(grey, pixel, width=1, color=LIGHT, label="histogram: 256 numbers")
axes[0].plot(
    grey, mixture(grey, *with_edges[0]), color=RED, label="mixture: 12 numbers"
)
axes[0].set(yscale="log", ylim=(1e-4, 1), xlabel="$x$", ylabel="$P(x)$")
axes[0].legend()
y = np.linspace(-45, 300, 700)
for centre, scale, color in ((8, 9, BLUE), (120, 6, "0.4"), (246, 7, RED)):
    bell = (
        special.expit((y - centre) / scale)
        * special.expit((centre - y) / scale)
        / scale
    )
    axes[1].plot(y, bell, color=color)
    outside = (y < 0) | (y > 255)
    axes[1].fill_between(y, bell, where=outside, color=color, alpha=0.4)
for edge, end, text in ((0, 12, "into $x = 0$"), (255, 243, "into $x = 255$")):
    axes[1].axvline(edge, color="0.6", lw=0.8, ls="--")
    axes[1].annotate(
        text, (end, 0.0425), ha="left" if edge == 0 else "right", color="0.3"
    )
axes[1].set(xlabel="$y$", ylabel="density", ylim=(0, 0.05));

# %% [markdown]
# *Figure 4. Left: the middle pixel of the digits, and a mixture of four logistics fitted to it. Right: three logistic laws of brightness; what lies outside of 0 to 255 belongs to the edges.*
#
# **Colours.** A pixel has three numbers, R, G, B, and they are links of the chain too: $p(r \mid x_{<i})\, p(g \mid r, x_{<i})\, p(b \mid r, g, x_{<i})$. With a softmax the features are split into three groups, and at the centre of a kernel group $k$ may hear group $j$ if $j < k$ (mask A) or $j \le k$ (mask B): the degrees of MADE again. With logistics it is enough that the centres lean on what is known, $\mu_G' = \mu_G + \alpha\, r$, $\mu_B' = \mu_B + \beta\, r + \gamma\, g$, with the three coefficients from the network. Either way the sum over all colours is 1:

# %% tags=["nbval-check-output"]
group = np.arange(3)  # R, G, B
centre_A, centre_B = group[:, None] < group, group[:, None] <= group
centre_A, centre_B = centre_A.T.astype(int), centre_B.T.astype(int)
print("paths from a colour to an output, masks A, B, B (row: output, column: input):")
print(centre_B @ centre_B @ centre_A)


def law_of(x, centre, scale=0.4, levels=4):
    """One discretised logistic on 0..levels-1, with its edges."""
    above = np.where(x == levels - 1, 1, special.expit((x + 0.5 - centre) / scale))
    return above - np.where(x == 0, 0, special.expit((x - 0.5 - centre) / scale))


r, g, b = np.mgrid[0:4, 0:4, 0:4]  # all 64 colours of 4 levels each
colours = law_of(r, 1.2) * law_of(g, 0.3 + 0.9 * r) * law_of(b, 0.2 + 0.3 * r + 0.6 * g)
print(f"the probabilities of all {colours.size} colours sum to {colours.sum():.6f}")


# %% [markdown]
# ## The same in `dgm_tfp`
#
# `models.PixelCNN` is what has been built above: two stacks of gated layers, a softmax or a mixture of logistics, the colours in the order R, G, B, a condition on request. It is a `Likelihood` like every flow of this course, so `fit`, `log_prob`, `bits_per_dim`, `sample` are known; but its `distribution` is a probability of integers, and no noise is added anywhere. One thing it does otherwise: a level enters the network not as one number but as eight (`ramps`), each of which rises along an eighth of the range, so that neighbouring levels are easy to tell apart. Random weights, and the proofs from above on it:

# %% tags=["nbval-check-output"]
def shaken(model):
    """The model with random weights: at the start its last layer is zero."""
    for k, weight in enumerate(model.trainable_variables):
        noise = tf.random.stateless_normal(weight.shape, seed=(k, 3))
        weight.assign(noise / np.sqrt(np.prod(weight.shape[:-1])))
    return model


small = {"filters": 12, "blocks": 5, "head": 16, "first_size": 3}
for law in ("categorical", "mixture"):
    counted = shaken(models.PixelCNN((2, 2, 1), bins=4, law=law, **small))
    total = np.exp(counted.log_prob(images_2x2.reshape(-1, 2, 2, 1))).sum()
    print(f"{law}: the probabilities of all 256 images sum to {total:.4f}")
print("a tfd.Distribution:", isinstance(counted.distribution, tfd.Distribution))

viewed = {**small, "blocks": 8, "ramps": 1}  # a level as one number: one gradient
viewed = shaken(models.PixelCNN((7, 7, 1), bins=4, **viewed))
viewed.logits = viewed.net  # so that seen_from can ask it; one channel, not four
options = {"size": 7, "levels": 1, "draws": 10}
sees = [
    seen_from(viewed, *p, **options) == come_before(*p, 7) for p in ((3, 3), (2, 6))
]
print("sees all that comes before and nothing else:", np.all(sees))


# %% [markdown]
# ## Digits, pixel by pixel
#
# Now real images, 28 by 28, all 256 levels. The model is told the class, $p(x \mid c)$, so that it can draw digits to order. That does not spoil the comparison with models that are not told: the class is worth at most $\log_2 10 = 3.3$ bits *per image*, $3.3 / 784 = 0.004$ bits per dimension. (Proof: $p(x) = \sum_c p(c)\,p(x \mid c) \ge \frac{1}{10}\, p(x \mid c)$.)
#
# One pass of the network gives all 784 factors, so a training step is that of any convolutional network. We record the loss at every step, and let the model draw a digit of each class at three moments.

# %%
class Watch(keras.callbacks.Callback):
    """Keeps the loss of each step, and what the model draws after some of them."""

    def __init__(self, moments):
        super().__init__()
        self.moments, self.curve, self.sheets = moments, [], {}

    def on_train_batch_end(self, batch, logs=None):
        self.curve.append(logs["bits_per_dim"])
        self.model.reset_metrics()  # or the next number would be a mean since the start
        if len(self.curve) in self.moments:
            drawn = self.model.sample(
                1, seed=1, conditioning=np.eye(10, dtype=np.float32)
            )
            self.sheets[len(self.curve)] = drawn[0, ..., 0]


def with_class(loaded, n=None):
    """The pair (images, classes as indicators)."""
    classes = np.eye(10, dtype=np.float32)[np.asarray(loaded.labels)]
    return loaded.images[:n], classes[:n]


pairs = with_class(digits)
test = with_class(data.load("mnist", "test", source="embedded"), 500)
updates = {"smoke": 15, "laptop": 700, "gpu": 6000}[profile]
sizes = {"smoke": {"filters": 8, "blocks": 2, "head": 16}}.get(
    profile, {"filters": 24, "blocks": 5, "head": 32}
)
model = models.PixelCNN((28, 28, 1), conditioning_shape=(10,), **sizes)
schedule = training.WarmUpCosine(4e-3)
model.compile(optimizer=training.adam(schedule))
budget = training.Budget(updates=updates, schedule=schedule, progress=False)
watch = Watch([updates // 15, updates * 6 // 15, updates])
model.fit(pairs, epochs=10_000, batch_size=16, verbose=0, callbacks=[budget, watch])

per_image = model.bits_per_dim(test)
print(
    f"{model.count_params():,} weights, {updates} steps, {updates * 16 / len(digits.images):.1f} epochs"
)
print(f"test set: {per_image.mean():.2f} bits per dimension, exact", end="; ")
print(f"standard error {per_image.std() / len(per_image) ** 0.5:.2f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 2.8), width_ratios=(1, 2.1))
axes[0].plot(np.arange(updates) + 1, watch.curve, color=LIGHT, lw=0.8)
width = max(1, updates // 25)
smooth = np.convolve(watch.curve, np.ones(width) / width, "valid")
axes[0].plot(np.arange(len(smooth)) + width / 2 + 0.5, smooth, color=BLUE)
axes[0].set(xlabel="step", ylabel="bits per dimension", ylim=(0.8, 4))
rows = [np.concatenate(list(sheet), axis=1) for sheet in watch.sheets.values()]
axes[1].imshow(np.concatenate(rows), cmap="gray", vmin=0, vmax=255)
axes[1].set_yticks([14, 42, 70], [f"{step * 16 / 10_000:.1f}" for step in watch.sheets])
axes[1].set(xticks=[], ylabel="epochs");


# %% [markdown]
# *Figure 5. Left: the loss by step (pale: each batch; dark: smoothed). Right: one sample of each class, 0 to 9, from the same noise, after a fifteenth, six fifteenths and all of the training.*
#
# First come streaks: a pixel and its nearest neighbours, what is white goes on being white for a while. Then strokes, with the right width and bends. At last some strokes close into digits. The order of learning is that of size, from a pixel to its neighbours to the whole, and the loss shows it: nearly all of the fall happens before there is a single digit. This is general: students' reports with a gated PixelCNN show the same series after 1, 6 and 15 epochs, on digits and, with sadder results, on CIFAR-10; and the model with the best likelihood of its time, PixelCNN++ (2.92 bits per dimension on CIFAR-10, Salimans et al. 2017), draws fine textures and hardly ever an object.
#
# How good is the number? A longer training of a larger model gets to 0.81 bits per dimension on MNIST (P. Lippe's UvA tutorial 12), while flows on the same 8-bit digits stop at 1.02 to 1.08 (tutorial 11). No noise has to be modelled here, and the probability of a black pixel may come as close to 1 as it likes; a smooth map finds that hard.

# %% [markdown]
# ## Drawing: the plain loop
#
# To sample, one reads the theorem from left to right: draw $x_1$ from $p(x_1)$, put it into the image, draw $x_2$ from $p(x_2 \mid x_1)$, and so on. The network computes the laws of all pixels in each pass; one of them is used. By hand, with the library's network; `first` lets the loop begin in the middle of an image that is known so far. That is a **completion**: if the first 14 rows are given, the loop draws from $p(x_{393}, \dots, x_{784} \mid x_1, \dots, x_{392}, c)$, exactly, without any new training.

# %%
@tf.function(autograph=False)
def plain_loop(images, classes, first, last, seed):
    """Draws pixels first..last-1 one after another, a pass of the network for each.

    images: (n, 28, 28, 1), floats 0..255, known before pixel `first`.
    """

    def one_pixel(k, x):
        logits = model.parameters_of(x, classes)  # (n, 28, 28, 256): all laws
        here = logits[:, k // 28, k % 28]  # one is used
        drawn = tf.random.stateless_categorical(here, 1, seed=tf.stack([seed, k]))
        place = tf.reshape(tf.one_hot(k, 784), (1, 28, 28, 1)) > 0
        return k + 1, tf.where(place, tf.cast(drawn, x.dtype)[:, :, None, None], x)

    return tf.while_loop(lambda k, x: k < last, one_pixel, (first, images))[1]


def complete(images, classes, first, seed, last=784):
    start = tf.where(
        np.arange(784).reshape(28, 28, 1) < first, tf.cast(images, tf.float32), 0
    )
    numbers = (tf.constant(number) for number in (first, last, seed))
    return plain_loop(start, tf.constant(classes), *numbers).numpy()


end = 448 if profile == "smoke" else 784
chosen = np.array(
    [np.flatnonzero(test[1][:, label])[2] for label in (0, 2, 3, 4, 5, 7, 8, 9)]
)
known, classes = test[0][chosen], test[1][chosen]
drawn = [complete(known, classes, 14 * 28, seed, end) for seed in range(3)]

# %%
sheet = np.stack([known, *drawn])[..., 0]  # (4, 8, 28, 28)
show = sheet.transpose(0, 2, 1, 3).reshape(4 * 28, 8 * 28)
figure, axis = plt.subplots(figsize=(6.4, 3.3))
axis.imshow(show, cmap="gray", vmin=0, vmax=255)
for row in (1, 2, 3):
    axis.axhline(28 * row + 13.5, color=RED, lw=1)
axis.set_yticks([14, 42, 70, 98], ["real", "1", "2", "3"])
axis.set(xticks=[]);

# %% [markdown]
# *Figure 6. Above the red lines: the first 14 rows of real digits. Below: three completions of each by the model.*
#
# The other way, the upper half given the lower, the model cannot do: that would be $p(x_{\le 392} \mid x_{> 392}) \propto p(x)$, and the sum over all upper halves has $256^{392}$ terms. The order that was chosen decides which questions are cheap.
#
# ## Drawing: each feature once
#
# The loop is wasteful in the way that MADE's was (unit 03). When pixel $k$ is drawn, the features of all earlier pixels are **final**: they depend on pixels before them, and those do not change any more. So keep them. A new pixel needs, in each layer, its own features only, from those of a few neighbours that are kept; and the vertical stack is computed a row at a time, as soon as the row above is complete. Each feature is computed once: a whole image for about the arithmetic of one pass, in $D$ small steps. `model.sample` does that; `model.sample(..., cached=False)` is the loop. The images are the same.

# %% tags=["nbval-check-output"]
plain = viewed.sample(4, seed=3, cached=False)
same = np.array_equal(viewed.sample(4, seed=3), plain)
print("each feature once draws what the plain loop draws:", same)


# %%
def plain_sampler(model, side):
    """The plain loop for any of the library's models, from pixel `first` on."""

    @tf.function(autograph=False)
    def draw(noise, first):
        def one_pixel(k, x):
            here = model.parameters_of(x)[:, k // side, k % side]
            drawn = tf.argmax(here + noise[k], axis=1, output_type=tf.int32)
            place = tf.reshape(tf.one_hot(k, side**2), (1, side, side, 1)) > 0
            return k + 1, tf.where(
                place, tf.cast(drawn, x.dtype)[:, None, None, None], x
            )

        start = tf.zeros((noise.shape[1], side, side, 1))
        return tf.while_loop(lambda k, x: k < side**2, one_pixel, (first, start))[1]

    return draw


def milliseconds_per_pixel(side, n=16, passes=20):
    """The plain loop and `sample` of one network: (loop, sample, one scoring pass)."""
    network = models.PixelCNN((side, side, 1), **sizes)
    noise = tf.random.stateless_uniform((side**2, n, 256), seed=(0, 1))
    loop, images, clock = plain_sampler(network, side), tf.zeros((n, side, side, 1)), []
    score = tf.function(lambda x: network.distribution.log_prob(x), autograph=False)
    ways = [
        (lambda first: loop(noise, tf.constant(first)), passes),
        (lambda first: network.sample(n, seed=first), side**2),
        (lambda first: score(images), 1),
    ]
    for way, pixels in ways:
        way(side**2 - passes)  # the first call compiles
        start = time.perf_counter()
        way(side**2 - passes)
        clock.append(1e3 * (time.perf_counter() - start) / pixels)
    return clock


sides = {"smoke": [7, 10]}.get(profile, [14, 28, 42])
clock = np.array([milliseconds_per_pixel(side) for side in sides])
for side, (loop, cached, score) in zip(sides, clock, strict=True):
    print(
        f"{side} x {side}: the plain loop takes {loop / cached:4.0f} times as long;",
        end=" ",
    )
    print(
        f"a whole batch by sample costs {cached * side**2 / score:4.1f} scoring passes"
    )

# %%
names = "plain loop", "each feature once"
figure, axis = plt.subplots(figsize=(5, 2.9))
for times, name, color in zip(clock.T[:2], names, (RED, BLUE), strict=True):
    axis.loglog(sides, times, "o-", color=color, label=name)
axis.set(xlabel="side of the image, pixels", ylabel="ms per pixel, 16 images")
axis.set_xticks(sides, sides)
axis.set_xticks([], minor=True)
axis.legend();


# %% [markdown]
# *Figure 7. The time of one pixel of 16 images: a pass of the network over the whole image, or only what is new. Times are those of the machine that ran this notebook; the loop was timed on 20 pixels.*
#
# With the plain loop a pixel costs an image, so an image costs $D$ images; with what is kept a pixel costs a pixel, however large the image. The steps still wait for one another: sampling stays slower than scoring, where all pixels are treated at once.
#
# ## A condition that is learnt: the PixelCNN autoencoder
#
# The condition $c$ may be any vector. Let a second network, an encoder, compute it from the image itself, $c = e(x)$, a few numbers, and train both together on $-\log p(x \mid e(x))$. That is an autoencoder (unit 05) whose decoder is a PixelCNN (van den Oord et al. 2016b). An ordinary decoder has to make all pixels of $c$ at once and answers uncertainty with blur. This one may leave fine detail to the chain and use $c$ for what is common to the whole image. (In the library the pair is one model, `models.PixelCNNAutoencoder`.) Digits of $14 \times 14$ pixels with 4 levels, a $c$ of 16 numbers, and a chain with a short view (two layers of $3 \times 3$), so that what is global has to go through $c$:

# %%
def small_digits(loaded):
    """14 x 14 pixels of 4 levels: (n, 14, 14, 1), integers 0..3."""
    means = loaded.images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    return (means // 64).astype(np.int32)[..., None]


little = small_digits(digits)
little_test = small_digits(data.load("mnist", "test", source="embedded", verbose=False))


def descend(cost, variables, steps, learning_rate=5e-3, batch_size=32):
    """Minimises cost(batch of little digits); returns its values."""
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer, costs = keras.optimizers.Adam(rate), []
    optimizer.build(variables)

    @tf.function(autograph=False)
    def step(batch):
        with tf.GradientTape() as tape:
            value = cost(batch)
        optimizer.apply(tape.gradient(value, variables), variables)
        return value

    for _ in range(steps):
        costs.append(float(step(little[rng.integers(0, len(little), batch_size)])))
    return np.array(costs)


encoder = keras.Sequential(
    [
        keras.Input((14, 14, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(16),
    ]
)
decoder = models.PixelCNN(
    (14, 14, 1),
    bins=4,
    filters=24,
    blocks=2,
    first_size=3,
    head=24,
    conditioning_shape=(16,),
)


def cost_of_both(batch):
    batch = tf.cast(batch, tf.float32)
    return -tf.reduce_mean(decoder.distribution_given(encoder(batch)).log_prob(batch))


steps = {"smoke": 10, "laptop": 900, "gpu": 3000}[profile]
both_variables = encoder.trainable_variables + decoder.trainable_variables
costs = descend(cost_of_both, both_variables, steps)
originals = little_test[chosen]
again = decoder.sample(3, seed=2, conditioning=encoder(originals.astype(np.float32)))

# %%
rows = [np.concatenate(list(row[..., 0]), axis=1) for row in (originals, *again)]
figure, axis = plt.subplots(figsize=(6.4, 3.3))
axis.imshow(np.concatenate(rows), cmap="gray", vmin=0, vmax=3)
axis.axhline(13.5, color=RED, lw=1)
axis.set_yticks([7, 21, 35, 49], ["real", "1", "2", "3"])
axis.set(xticks=[]);

# %% [markdown]
# *Figure 8. Test digits (top), and three samples of $p(x \mid e(x))$ for each: the sixteen numbers say roughly where the strokes are, the chain adds the details, each time different ones.*
#
# A warning for unit 05: the chain can explain an image without any $c$. Put a price on $c$, as the ELBO does, and so strong a decoder may well learn to ignore it.
#
# ## What the likelihood is made of
#
# Here is a model with nothing to learn by gradient: the $n$-gram of images. Count, over all training pixels, how often each grey level follows given values of a few neighbours (coarsened to 16 to 64 levels). No network, no digit, no shape; the context is one, two, three pixels. How many bits does it need?

# %%
NEIGHBOURS = {  # (rows down, columns right) of each, and to how many levels coarsened
    "0": ([], 1),
    "1": ([(0, -1)], 64),
    "2": ([(0, -1), (-1, 0)], 32),
    "3": ([(0, -1), (-1, 0), (-1, 1)], 16),
}


def contexts(images, neighbours, levels):
    """The number of the context of each pixel: (n, 28, 28)."""
    padded = np.pad(
        images.astype(np.int32) // (256 // levels), ((0, 0), (1, 0), (1, 1))
    )
    number = np.zeros(images.shape, np.int32)
    for down, right in neighbours:
        moved = padded[:, 1 + down : 29 + down, 1 + right : 29 + right]
        number = number * levels + moved
    return number.ravel()


def count_model(images, neighbours, levels):
    """p(level | context): a table (contexts, 256)."""
    pairs = contexts(images, neighbours, levels) * 256 + images.ravel()
    table = np.bincount(pairs, minlength=256 * levels ** len(neighbours)).reshape(
        -1, 256
    )
    alone = (np.bincount(images.ravel(), minlength=256) + 1) / (images.size + 256)
    return (table + 8 * alone) / (table.sum(axis=1, keepdims=True) + 8)


def grey_images(name, split):
    return data.load(name, split, source="embedded", verbose=False).images[..., 0]


tests = {name: grey_images(name, "test") for name in ("mnist", "fashion_mnist")}
bits = {}
for trained_on in tests:
    images = grey_images(trained_on, "train")
    for size, where in NEIGHBOURS.items():
        law = count_model(images, *where)
        for name, seen in tests.items():
            cost = -np.log2(law[contexts(seen, *where), seen.ravel()])
            bits[trained_on, size, name] = cost.mean()

# %% tags=["nbval-check-output"]
for trained_on, size, name in bits:
    if size in "13":
        print(
            f"counted on {trained_on:13}, {size} neighbours, asked about {name:13}",
            end=" ",
        )
        print(f"{bits[trained_on, size, name]:.2f} bits per dimension")

# %%
figure, axes = plt.subplots(1, 2, figsize=(8.4, 2.8), sharey=True)
titles = "counted on digits", "counted on clothes"
for axis, trained_on, title in zip(axes, tests, titles, strict=True):
    for k, (name, color) in enumerate(zip(tests, (RED, BLUE), strict=True)):
        heights = [bits[trained_on, size, name] for size in NEIGHBOURS]
        axis.bar(np.arange(4) + 0.38 * (k - 0.5), heights, width=0.36, color=color)
    axis.set(title=title, xlabel="neighbours")
    axis.set_xticks(range(4), NEIGHBOURS)
axes[0].axhline(per_image.mean(), color="0.3", ls="--", lw=1)
axes[0].set(ylabel="bits per dimension")
axes[1].legend(["digits", "clothes"]);


# %% [markdown]
# *Figure 9. Bits per dimension of the counting models on test images. Dashed: our PixelCNN on digits.*
#
# Look at the left panel first. Of 8 bits, one neighbour already saves six and a half; the network with all its layers saves some tenths more, and it is in these tenths that a digit is a digit. A likelihood is a sum over pixels, and nearly every term of it is about a pixel and its neighbours.
#
# And now the right panel. A table that was counted on *clothes* finds *digits* cheaper than clothes, and by far. It has never seen a digit. It has seen that black follows black. This is the paradox of unit 08 in its barest form, with no flow and no network to blame.

# %% [markdown]
# ## What goes wrong
#
# **Mask B in the first layer.** One letter. The output for a pixel now sees the pixel, learns to repeat it, and the loss goes to 0: fewer bits than the entropy, that is, a compressor that restores the image from nothing. Every curve on the screen looks wonderful. Then one samples. In the place of $x_i$ there is still a 0 when its law is asked for, and the network repeats what it finds there.
#
# **The centre off by one.** Take a kernel of even size, $4 \times 4$, with the same code: `size // 2` is 2, but convolutions with "SAME" padding put the centre of an even kernel at 1. The mask is shifted against the image by a pixel: again the pixel sees itself, and its right neighbour too. The other way off, a centre one too small, is no crime but a loss: the sum is still 1, but the nearest neighbours, the best witnesses, are out of sight.
#
# On little digits, with three masked layers each, for a few seconds:

# %%
def mean_bits(net, batch):
    """Bits per dimension."""
    return -tf.reduce_mean(log_prob(net, batch)) / (
        np.prod(batch.shape[1:]) * np.log(2)
    )


def draw_small(net, n, seed):
    """The plain loop once more."""

    @tf.function(autograph=False)
    def one_pixel(x, k):
        here = net(x)[:, k // 14, k % 14]
        drawn = tf.random.stateless_categorical(here, 1, seed=tf.stack([seed, k]))
        place = tf.reshape(tf.one_hot(k, 196), (1, 14, 14, 1)) > 0
        return tf.where(place, tf.cast(drawn, tf.int32)[:, :, None, None], x)

    x = tf.zeros((n, 14, 14, 1), tf.int32)
    for k in range(196):
        x = one_pixel(x, tf.constant(k))
    return x.numpy()


far = np.zeros((5, 5))
far[0], far[1, 0] = 1, 1  # mask A with its centre at (1, 1) in place of (2, 2)
first_masks = {
    "A": make_mask(5, "A"),
    "B": make_mask(5, "B"),
    "4 x 4": make_mask(4, "A"),
    "far": far,
}
steps = {"smoke": 10, "laptop": 150, "gpu": 1000}[profile]
nets, losses, drawings = {}, {}, {}
for name, mask in first_masks.items():
    net = nets[name] = HandPixelCNN([mask, make_mask(3, "B"), make_mask(3, "B")])
    losses[name] = descend(
        lambda batch, net=net: mean_bits(net, batch), net.variables, steps
    )
    drawings[name] = draw_small(net, 5, 3)
    left = mean_bits(net, little_test[:500])
    print(f"first mask {name:6} {left:.3f} bits per dimension on the test set")

# %%
labels = "mask A", "mask B", "4 x 4", "centre too early"
figure, axes = plt.subplots(1, 2, figsize=(9, 3), width_ratios=(1.5, 1))
for curve, color in zip(losses.values(), (BLUE, RED, "0.5", LIGHT), strict=True):
    axes[0].plot(curve, color=color)
axes[0].legend(labels)
axes[0].set(xlabel="step", ylabel="bits per dimension", ylim=(-0.05, 1.4))
rows = [np.concatenate(list(row[..., 0]), axis=1) for row in drawings.values()]
axes[1].imshow(np.concatenate(rows), cmap="gray", vmin=0, vmax=3)
axes[1].set_yticks([7, 21, 35, 49], labels)
axes[1].set(xticks=[]);

# %% [markdown]
# *Figure 10. Left: the losses of four networks that differ in the first mask. Right: what they draw.*
#
# The checks of this lecture convict the liars before any training: gradients, surgery, and counting (the "probabilities" of all $2 \times 2$ images do not sum to 1).
#
# **The colours in the wrong order.** A model learns $p(r)\,p(g \mid r)\,p(b \mid r, g)$, and whoever samples fills B first (libraries disagree on whether a file is RGB or BGR). The law of B is then asked with $r = g = 0$, and nobody protests: every law sums to 1, every image is legal. But it is a sample of another distribution. The 64 colours from above can be counted:

# %% tags=["nbval-check-output"]
wrong_order = (
    law_of(r, 1.2) * law_of(g, 0.3 + 0.9 * 0) * law_of(b, 0.2 + 0.3 * 0 + 0.6 * 0)
)
print(f"sums to {wrong_order.sum():.4f} as well")
print(
    f"half of the summed |difference|: {np.abs(wrong_order - colours).sum() / 2:.2f} of at most 1"
)
print(
    f"right samples cost {-np.sum(colours * np.log2(colours)):.2f} bits, the entropy;",
    end=" ",
)
print(
    f"wrong ones {-np.sum(wrong_order * np.log2(colours)):.2f}, by the model's own account"
)
bad_masks = (
    [make_mask(3, "B"), make_mask(3, "B")],
    [make_mask(4, "A"), make_mask(3, "B")],
)
for masks, name in zip(bad_masks, ("mask B first", "4 x 4"), strict=True):
    liar = HandPixelCNN(masks)
    peeks = (seen_from(liar, 6, 6) & ~come_before(6, 6)).sum()
    total = np.exp(log_prob(liar, as_images)).sum()
    print(
        f"{name}: sees {peeks} pixels too many; 256 probabilities sum to 1: {abs(total - 1) < 0.01}"
    )

# %% [markdown]
# The line before last is a check to keep: score your samples with the model that made them. They must cost, on average, what the data of a good model cost, its entropy. If they cost more, then what drew them is not what scores them.

# %% [markdown]
# ## In one screen
#
# | | |
# |---|---|
# | factorisation | $p(x) = \prod_i p(x_i \mid x_{<i})$: any distribution, any order; any factors that sum to 1 give a sum of 1 |
# | loss | mean of $-\log_2 p(x) / D$: bits per dimension, exact, no noise, at least the entropy |
# | masks | A in the first layer (without the centre), then B (with it) |
# | blind spot of $(2m+1) \times (2m+1)$ | $b > m a$: $b$ columns right, $a$ rows above |
# | cure | vertical stack (rows above), horizontal stack (row to the left), $v \to h$ and never back |
# | gate | $\tanh(W_f * x + U_f c) \odot \sigma(W_g * x + U_g c)$ |
# | law of a pixel | softmax: any shape; mixture of logistics: 3 numbers per component, edges take the tails |
# | colours | $r$, then $g$ given $r$, then $b$ given both |
# | cost | training and scoring 1 pass; sampling $D$ passes, or each feature once in $D$ small steps |
# | cheap question | the end given the beginning; not the beginning given the end |
# | to be trusted | gradients exactly zero, sum 1, own samples cost the entropy |
#
# In `dgm_tfp`: `models.PixelCNN`, `models.PixelCNNAutoencoder`, `models.CharRNN`.
#
# ## Questions
#
# <details>
# <summary><b>1.</b> Any order of the pixels gives an exact likelihood. Does it matter then which one is taken?</summary>
#
# For the truth no: $p(x)$ is the same product in any order. For a model yes: its factors are networks of limited power, and some orders need simpler factors (the parabola of unit 03). It matters for what can be asked cheaply too: completion works only from the front of the order. And masked convolutions need an order in which "before" looks the same around every pixel, as row by row does.
#
# </details>
#
# <details>
# <summary><b>2.</b> Why may mask A be used in the first layer only? What happens if all layers have it?</summary>
#
# Nothing dishonest, but a loss of sight. In layer 2 the centre holds what pixel $i$'s own place knows of $x_{<i}$; with mask A it is thrown away, and each layer steps back by at least one more pixel. After $L$ layers the nearest pixel seen within the row is $L$ places away.
#
# </details>
#
# <details>
# <summary><b>3.</b> A colleague's PixelCNN has 0.02 bits per dimension on digits after ten minutes. What do you ask her for?</summary>
#
# Its samples, and the three proofs. 0.02 bits mean that an image fits into $784 \cdot 0.02 \approx 16$ bits: there would be only about 65,000 images of digits. Most likely the pixel sees itself. The gradient of the output for a pixel with respect to that pixel must be exactly zero.
#
# </details>
#
# <details>
# <summary><b>4.</b> The loss of a flow on images can be negative, that of a PixelCNN cannot. Why, and may their bits per dimension be compared?</summary>
#
# A flow has a density, which may exceed 1; a PixelCNN has a probability, which may not. For a flow on bytes with uniform noise, $-\log_2$ of the density on cells of volume 1 is an upper bound (in the mean over the noise) on $-\log_2$ of the probability of the bytes. So they may be compared, as bound against exact value, if the flow's pixels run over 0 to 256 and not over 0 to 1.
#
# </details>
#
# <details>
# <summary><b>5.</b> Given the class, the loss is lower. By how much at most?</summary>
#
# By $\log_2 10 \approx 3.32$ bits per image for ten classes, since $p(x) \ge \frac{1}{10} p(x \mid c)$ for the mixture of the class models with equal weights; on $28 \times 28$ that is 0.004 bits per dimension. If giving the class lowers the loss by more, then the unconditional model was simply worse trained.
#
# </details>
#
# <details>
# <summary><b>6.</b> A text is sampled with temperature $T$: each factor is replaced by one proportional to $p(x_i \mid x_{<i})^{1/T}$. Is the result a sample of a distribution proportional to $p(x)^{1/T}$?</summary>
#
# No. Each factor is divided by its own constant, which depends on $x_{<i}$, and the product of these constants is not one constant for all $x$. As $T \to 0$ it gives the greedy text, which takes the likeliest character each time, and not the likeliest text: a likely first character may lead to where everything is unlikely. By (b) of the theorem it is a sample of *some* distribution all the same.
#
# </details>
#
# <details>
# <summary><b>7.</b> A mixture of logistics is trained without its edges. What does the loss do, and in which direction is it wrong?</summary>
#
# The probabilities of 0..255 sum to less than 1, so the loss is too high, never too low: mass is wasted outside. Training counters that by narrow components near the edges. For black, which is most of a digit, the cost is the largest. No cheating, therefore, but a worse model, and a number that cannot be compared with others.
#
# </details>
#
# <details>
# <summary><b>8.</b> Sampling keeps features and does the arithmetic of one pass. Could training be made faster in the same way?</summary>
#
# There is nothing left to save: in training all pixels are known, one pass computes every feature once, for all pixels at the same time. Keeping features helps only where pixels become known one after another.
#
# </details>
#
# ## What to read
#
# * A. Karpathy. *The Unreasonable Effectiveness of Recurrent Neural Networks.* 2015, [karpathy.github.io](https://karpathy.github.io/2015/05/21/rnn-effectiveness/). Texts by character, with great joy.
# * L. Theis, A. van den Oord, M. Bethge. *A note on the evaluation of generative models.* ICLR, 2016, [arXiv:1511.01844](https://arxiv.org/abs/1511.01844). What a likelihood does not say.
# * A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu. *Pixel Recurrent Neural Networks.* ICML, 2016 (2016a), [arXiv:1601.06759](https://arxiv.org/abs/1601.06759). Masks, softmax over 256 levels, colours.
# * A. van den Oord, N. Kalchbrenner, O. Vinyals, L. Espeholt, A. Graves, K. Kavukcuoglu. *Conditional Image Generation with PixelCNN Decoders.* NeurIPS, 2016 (2016b), [arXiv:1606.05328](https://arxiv.org/abs/1606.05328). Blind spot, gates, conditions, autoencoder.
# * T. Salimans, A. Karpathy, X. Chen, D. Kingma. *PixelCNN++.* ICLR, 2017, [arXiv:1701.05517](https://arxiv.org/abs/1701.05517). Discretised logistics.
# * P. Ramachandran et al. *Fast Generation for Convolutional Autoregressive Models.* ICLR workshop, 2017, [arXiv:1704.06001](https://arxiv.org/abs/1704.06001). Each feature once.
# * P. Lippe. *UvA Deep Learning Tutorials*, 11 and 12, 2022, [uvadlc-notebooks.readthedocs.io](https://uvadlc-notebooks.readthedocs.io/). Flows and PixelCNN on the same digits.
#
# Now the [lab](../../labs/en/06_pixelcnn.ipynb).
