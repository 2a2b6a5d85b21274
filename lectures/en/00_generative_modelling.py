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
# # Generative modelling
#
# **The question.** A good classifier tells a seven from a one. Does it know what a seven *is*? Ask it to draw one, to fill in a half that is hidden, or what it makes of a shoe: it cannot do the first two, and at the third it calls the shoe a digit, with confidence. What does one have to learn from the data so that such questions have answers, and what does it cost?
#
# One has to learn the distribution itself. By the end of this notebook you will have built a model of digits out of nothing but means and covariances, and it will draw, fill in, and notice shoes; you will know three ways to draw from a distribution and where each stops; how a data set can betray a model that was trained on another one; and how to choose between models without a test set. The rest of the course puts deep networks in the place of the Gaussians, and ends with a surprise.
#
# **You need** Python with NumPy, and from probability: density, mean and covariance, Bayes' rule. **It takes** about 80 minutes, and then 60 to 90 for the [lab](../../labs/en/00_generative_modelling.ipynb).
#
# | symbol | meaning |
# |---|---|
# | $x$, $y$ | an object and its label |
# | $p(y \mid x)$; $p(x, y)$ | what a discriminative model learns; what a generative one does |
# | $F$, $F^{-1}$ | a distribution function, $F(t) = P(z \le t)$, and its inverse |
# | $u$ | a number drawn uniformly from $[0, 1)$ |
# | nat | the unit of a natural logarithm; $\ln 2$ nats are one bit |

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy import integrate, stats

from dgm_tfp import data, profiles

rng = np.random.default_rng(0)
profile = profiles.current().name  # "laptop" by default: how often we repeat things

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
# ## Two ways to learn from the same data
#
# Given are pairs $(x_i, y_i)$. A **discriminative** model learns $p(y \mid x)$: where the boundary between the classes runs. A **generative** model learns the joint law $p(x, y) = p(y)\, p(x \mid y)$: how often each class comes, and what its objects look like. From the second the first follows by Bayes' rule, and something is left over:
#
# $$p(y \mid x) = \frac{p(y)\, p(x \mid y)}{p(x)}, \qquad p(x) = \sum_{y} p(y)\, p(x \mid y).$$
#
# What is left over is $p(x)$, the density of the objects themselves. No amount of $p(y \mid x)$ contains it.
#
# The smallest example: two classes in the plane, each modelled by a Gaussian, with one covariance matrix $\Sigma$ for both. Then $x^\top \Sigma^{-1} x$ stands in both densities and cancels in their ratio:
#
# $$\ln \frac{p(y = 1 \mid x)}{p(y = 0 \mid x)} = w^\top x + b,$$
#
# $$w = \Sigma^{-1}(\mu_1 - \mu_0), \qquad b = \ln\frac{p(1)}{p(0)} - \frac12 \mu_1^\top \Sigma^{-1} \mu_1 + \frac12 \mu_0^\top \Sigma^{-1} \mu_0.$$
#
# This is precisely the form of logistic regression, which looks for $w$ and $b$ directly and does not care about means and covariances. Same form of answer, two ways to it:

# %% tags=["nbval-check-output"]
def two_classes(n, rng):
    """Points (n, 2) and labels (n,): Gaussians of one covariance, 60 % of class 1."""
    y = (rng.random(n) < 0.6).astype(int)
    means = np.array([[-1.2, 0.0], [1.0, 0.8]])
    factor = np.array([[0.8, 0.0], [0.5, 0.6]])
    return means[y] + rng.standard_normal((n, 2)) @ factor.T, y


def fit_generative(x, weight):
    """Shares, means, covariance. weight: (n, 2), how far a point is in each class."""
    share = weight.mean(axis=0)
    mean = weight.T @ x / weight.sum(axis=0)[:, None]
    centred = x[:, None] - mean  # (n, 2 classes, 2)
    covariance = np.einsum("nc,nci,ncj->ij", weight, centred, centred) / len(x)
    return share, mean, covariance


def log_joint_2d(x, share, mean, covariance):
    """log p(x, y), (n, 2)."""
    densities = [stats.multivariate_normal(m, covariance).logpdf(x) for m in mean]
    return np.log(share) + np.stack(densities, axis=1)


def line(share, mean, covariance):
    """w and b of the formula."""
    inverse = np.linalg.inv(covariance)
    half = 0.5 * np.einsum("ci,ij,cj->c", mean, inverse, mean)
    w = inverse @ (mean[1] - mean[0])
    return np.append(w, np.log(share[1] / share[0]) - half[1] + half[0])


def fit_discriminative(x, y, weight=1.0, steps=25):
    """Logistic regression: w and b that maximise the sum of log p(y | x) (Newton)."""
    features = np.column_stack([x, np.ones(len(x))])
    w = np.zeros(features.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-features @ w))
        curvature = (features * (weight * p * (1 - p))[:, None]).T @ features
        w = w + np.linalg.solve(curvature, features.T @ (weight * (y - p)))
    return w


x, y = two_classes(500, rng)
gaussians = fit_generative(x, np.eye(2)[y])
w_generative, w_discriminative = line(*gaussians), fit_discriminative(x, y)
foreign = np.array([6.0, -4.0])  # nothing like it has been seen
for name, w in ("generative", w_generative), ("discriminative", w_discriminative):
    p = 1 / (1 + np.exp(-(w[:2] @ foreign + w[2])))
    print(
        f"{name:<15} w = {w[0]:.2f}, {w[1]:.2f}  b = {w[2]:.2f}   p(1 | foreign) = {p:.6f}"
    )
log_p = np.logaddexp.reduce(log_joint_2d(np.vstack([x, foreign]), *gaussians), axis=1)
print(
    f"log p(x): data between {log_p[:-1].min():.1f} and {log_p[:-1].max():.1f},",
    end=" ",
)
print(f"the foreign point {log_p[-1]:.1f}")

# %%
axis_1, axis_2 = np.meshgrid(np.linspace(-4.5, 7, 200), np.linspace(-5, 4, 200))
plane = np.stack([axis_1, axis_2], axis=-1).reshape(-1, 2)
p_1 = 1 / (1 + np.exp(-(plane @ w_discriminative[:2] + w_discriminative[2])))
log_p_plane = np.logaddexp.reduce(log_joint_2d(plane, *gaussians), axis=1)
log_odds = (plane @ w_generative[:2] + w_generative[2]).reshape(axis_1.shape)

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
axes[0].contourf(
    axis_1,
    axis_2,
    p_1.reshape(axis_1.shape),
    20,
    cmap="RdBu_r",
    alpha=0.5,
    vmin=0,
    vmax=1,
)
axes[1].contour(
    axis_1, axis_2, log_p_plane.reshape(axis_1.shape), [-9, -7, -5, -3], cmap="viridis"
)
axes[1].contour(axis_1, axis_2, log_odds, [0], colors="black", linestyles="--")
for axis, title in zip(axes, (r"$p(y \mid x)$", r"$p(x, y)$"), strict=True):
    for label, color in ((0, BLUE), (1, RED)):
        axis.scatter(*x[y == label].T, s=5, color=color, alpha=0.6)
    axis.scatter(*foreign, marker="*", s=140, color="black")
    axis.set(xlabel="$x_1$", title=title)
axes[0].set_ylabel("$x_2$");


# %% [markdown]
# *Figure 1. The same 500 points. Left: all that logistic regression knows, the probability of class 1 (red) at each place. Right: what the two Gaussians know, the density (at each contour it is $e^2$ times less) and, as a consequence, the boundary (dashed). The star is the foreign point.*
#
# The boundaries nearly agree; on this question the two are equals. On the star they are not. For the discriminative model it is class 1 beyond doubt: the further from the boundary, the surer. The generative one has the same opinion **if** it must choose between the two, and adds that the point is, by tens of nats, unlike anything that it has seen. *A classifier answers "which?"; only $p(x)$ can answer "is it one of mine at all?"*

# %% [markdown]
# ## Digits by Gaussians
#
# Now real data: 10,000 handwritten digits of MNIST that lie inside the package. Make the images smaller ($14 \times 14$, each pixel the mean of four), and fit one Gaussian per class, this time each with a covariance of its own. "Training" is a mean and a covariance matrix: no gradient, no epoch. A little is added to the diagonal (0.01), for some pixels never change and a Gaussian without width has no density.

# %%
def shrink(images, block):
    """Bytes (n, 28, 28, 1) -> (n, (28 / block)^2), 0 to 1, means over blocks."""
    side = 28 // block
    parts = images.reshape(len(images), side, block, side, block)
    return parts.mean(axis=(2, 4)).reshape(len(images), -1) / 255


def fit_gaussians(x, y, ridge=0.01, diagonal=False):
    """For each of ten classes: its share, mean and covariance."""
    model = []
    for label in range(10):
        mine = x[y == label]
        covariance = np.cov(mine.T, bias=True)
        if diagonal:  # "naive Bayes": pixels independent within a class
            covariance = np.diag(np.diag(covariance))
        covariance = covariance + ridge * np.eye(x.shape[1])
        model.append((len(mine) / len(x), mine.mean(axis=0), covariance))
    return model


def log_joint(x, model, seen=None):
    """log p(x, y), (n, 10). Only the coordinates `seen` are used, if it is given."""
    result = []
    for share, mean, covariance in model:
        if seen is not None:  # a Gaussian with a coordinate integrated out: strike it
            mean, covariance = mean[seen], covariance[np.ix_(seen, seen)]
        root = np.linalg.cholesky(covariance)
        z = np.linalg.solve(root, (x if seen is None else x[:, seen]).T - mean[:, None])
        log_det = np.log(np.diag(root)).sum()
        log_normal = (
            -0.5 * (z**2).sum(axis=0) - log_det - len(mean) / 2 * np.log(2 * np.pi)
        )
        result.append(np.log(share) + log_normal)
    return np.stack(result, axis=1)


def log_prob(x, model):
    """log p(x) in nats, (n,)."""
    return np.logaddexp.reduce(log_joint(x, model), axis=1)


digits, digits_test, clothes_test = (
    data.load(name, split, source="embedded", verbose=False)
    for name, split in (
        ("mnist", "train"),
        ("mnist", "test"),
        ("fashion_mnist", "test"),
    )
)
train, test, clothes = (
    shrink(part.images, 2) for part in (digits, digits_test, clothes_test)
)
model = fit_gaussians(train, digits.labels)

# %% tags=["nbval-check-output"]
error = np.mean(log_joint(test, model).argmax(axis=1) != digits_test.labels)
print(f"error of argmax_y p(x, y) on {len(test)} test digits: {error:.1%}")

# %% [markdown]
# As a classifier it is decent. But it can do four things that no classifier can.
#
# **Generate.** Draw $y \sim p(y)$, then $x \sim p(x \mid y) = \mathcal N(\mu_y, \Sigma_y)$: a mean plus a Cholesky factor times noise.
#
# **Fill in.** If a part $x_a$ is seen and a part $x_b$ is not, a Gaussian gives the law of the one given the other in closed form; its mean is
#
# $$\mathbb E[x_b \mid x_a] = \mu_b + \Sigma_{ba} \Sigma_{aa}^{-1} (x_a - \mu_a).$$

# %%
drawn = np.array(
    [m + np.linalg.cholesky(s) @ rng.standard_normal(len(m)) for _, m, s in model]
)
chosen = np.array([np.flatnonzero(digits_test.labels == d)[3] for d in range(10)])
seen, hidden = np.arange(98), np.arange(98, 196)  # seven rows each
completed = test[chosen].copy()
guess = log_joint(test[chosen], model, seen).argmax(axis=1)  # from the upper half alone
for image, label in zip(completed, guess, strict=True):
    _, m, s = model[label]
    gain = np.linalg.solve(s[np.ix_(seen, seen)], image[seen] - m[seen])
    image[hidden] = m[hidden] + s[np.ix_(hidden, seen)] @ gain

halved = test[chosen].copy()
halved[:, hidden] = 0.5
figure, axes = plt.subplots(4, 10, figsize=(8, 3.3))
for row, images in zip(axes, (drawn, test[chosen], halved, completed), strict=True):
    for axis, image in zip(row, images, strict=True):
        axis.imshow(image.reshape(14, 14), cmap="gray", vmin=0, vmax=1)
        axis.set_axis_off()

# %% [markdown]
# *Figure 2. From above: ten objects drawn from the model, one for each class; ten test digits; what the model was shown of them; what it makes of it. Where the upper half alone misleads it about the class, it completes another digit.*
#
# **Cope with missing values.** The probability of a class given *some* of the pixels is one line: strike the others off. A classifier has to be given something in their place, say the mean of the training set, and trusts it.
#
# **Notice the foreign.** Compare $\log p(x)$ of the test digits with that of pictures of clothes (FashionMNIST). A classifier has only its confidence, $\max_y p(y \mid x)$.
#
# And one thing must be said for the classifier. It has fewer assumptions: where the Gaussian is wrong about the digits, it costs the generative model accuracy, while logistic regression spends all it has on the boundary. With many data this wins. With few, the assumptions are worth more than freedom: the generative model comes to its (worse) limit sooner. This is the observation of Ng and Jordan (2002), here on $7 \times 7$ images, naive Bayes against logistic regression.

# %%
from sklearn.linear_model import LogisticRegression


def logistic(x, y):
    return LogisticRegression(tol=1e-3, max_iter=2000).fit(x, y)


def error_of(labels):
    return np.mean(labels != digits_test.labels)


tiny, tiny_test = (shrink(part.images, 4) for part in (digits, digits_test))
sizes = [60, 120, 250, 500, 1000, 2000]
repeats = {"smoke": 2, "laptop": 8, "gpu": 8}[profile]
by_size = np.zeros((repeats, len(sizes), 2))
for i in range(repeats):
    order = rng.permutation(len(tiny))
    for j, n in enumerate(sizes):
        few, labels = tiny[order[:n]], digits.labels[order[:n]]
        naive = fit_gaussians(few, labels, diagonal=True)
        by_size[i, j] = (
            error_of(log_joint(tiny_test, naive).argmax(axis=1)),
            error_of(logistic(few, labels).predict(tiny_test)),
        )

classifier = logistic(train[:4000], digits.labels[:4000])
shares = [0, 0.25, 0.5, 0.75, 0.9]
by_missing = np.zeros((len(shares), 2))
for i, share in enumerate(shares):
    order = rng.permutation(196)
    kept = order[int(share * 196) :]
    filled = np.tile(train.mean(axis=0), (len(test), 1))
    filled[:, kept] = test[:, kept]
    by_missing[i] = (
        error_of(log_joint(test, model, kept).argmax(axis=1)),
        error_of(classifier.predict(filled)),
    )

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 2.9))
for k, color in enumerate((BLUE, RED)):
    axes[0].plot(sizes, by_size.mean(axis=0)[:, k], "o-", color=color, ms=4)
    axes[1].plot(shares, by_missing[:, k], "o-", color=color, ms=4)
axes[0].set(xscale="log", xlabel="$n$", ylabel=r"$P(\hat y \neq y)$", ylim=(0, None))
axes[1].set(xlabel=r"$|x_b| \, / \, |x|$", ylabel=r"$P(\hat y \neq y)$", ylim=(0, None))
edges = np.linspace(-700, 300, 60)
for images, color in ((test, BLUE), (clothes, RED)):
    clipped = np.clip(log_prob(images, model), -700, 300)
    axes[2].hist(clipped, edges, density=True, color=color, alpha=0.6)
axes[2].set(xlabel=r"$\log p(x)$", yticks=[]);


# %% [markdown]
# *Figure 3. Left: error by the number $n$ of training digits, naive Bayes (blue) and logistic regression (red). Middle: error when a share of the pixels is missing, Gaussians (blue) and logistic regression with means in place of the missing (red). Right: $\log p(x)$ in nats of the test digits (blue) and of clothes (red; what lies below $-700$ is put at the edge).*

# %% tags=["nbval-check-output"]
def auroc(inside, outside):
    """The probability that one of `inside` scores higher than one of `outside`."""
    ranks = stats.rankdata(np.concatenate([inside, outside]))[: len(inside)]
    n, m = len(inside), len(outside)
    return (ranks.sum() - n * (n + 1) / 2) / (n * m)


ours, theirs = log_prob(test, model), log_prob(clothes, model)
print(
    f"a digit has a higher log p(x) than a piece of clothing in {auroc(ours, theirs):.1%}"
)

# %%
confidence = classifier.predict_proba(clothes).max(axis=1)
print(
    f"clothes called a digit with more than 90 % confidence: {np.mean(confidence > 0.9):.0%}"
)


# %% [markdown]
# Remember these two numbers. The confidence says little; the likelihood of ten *Gaussians* tells digits from clothes nearly always. A deep model knows far more about digits than ten Gaussians do. It should notice the foreign even better. Shouldn't it?
#
# There is a fifth thing: **unlabelled data**. Labels are expensive, objects are cheap, and objects without labels say something about $p(x)$, which a discriminative model has no use for. A generative model treats a missing label as it does a missing pixel: it sums over it. Which is done by turns (the EM algorithm): guess the probabilities of the missing labels by Bayes' rule; fit the Gaussians with these probabilities as weights.

# %% tags=["nbval-check-output"]
def em(x, y, more, steps=30):
    """Labelled points (n, 2) with labels (n,), and unlabelled ones (m, 2)."""
    known = np.eye(2)[y]
    parameters = fit_generative(x, known)
    for _ in range(steps):
        log_p = log_joint_2d(more, *parameters)
        guessed = np.exp(log_p - np.logaddexp.reduce(log_p, axis=1, keepdims=True))
        parameters = fit_generative(np.vstack([x, more]), np.vstack([known, guessed]))
    return parameters


def error_2d(parameters, x, y):
    return np.mean(log_joint_2d(x, *parameters).argmax(axis=1) != y)


test_2d = two_classes(4000, np.random.default_rng(1))
errors = []
for seed in range(40):
    source = np.random.default_rng(seed)
    few, labels = two_classes(200, source)
    keep = np.concatenate([np.flatnonzero(labels == c)[:3] for c in (0, 1)])  # 3 + 3
    few, labels = few[keep], labels[keep]
    more = two_classes(300, source)[0]
    labelled = fit_generative(few, np.eye(2)[labels])
    errors.append([error_2d(p, *test_2d) for p in (labelled, em(few, labels, more))])
labelled, both = np.mean(errors, axis=0)
print(
    f"6 labelled points: error {labelled:.1%}; and 300 unlabelled ones: {both:.1%};",
    end=" ",
)
print(f"500 labelled points: {error_2d(gaussians, *test_2d):.1%}")


# %% [markdown]
# ## Why generate?
#
# * **The new object is the goal**: a picture, a sentence, a melody, a molecule.
# * **Synthetic data** for training, or in place of an expensive simulation. In a detector of particles a calorimeter measures the shower of secondary particles that one particle sets off. The reference is a simulation, GEANT4, which follows every particle of the shower. Paganini et al. (2018) trained a GAN on such showers; its quality was judged against the simulation, not against a real detector, and found acceptable, and it makes a shower **100 to 1000 times faster** on a CPU. The simulation pays for each shower; the model pays once, in training.
# * **Hidden properties** of the data. If the model has a latent variable, its value for an object says something about it that nobody has labelled: the writer's slant, the style, the cluster. The EM algorithm has just found the classes of 300 points in this way.
# * **Structures**, not only data. A distribution over *models* is a prior for choosing one. Adams, Wallach and Ghahramani (2010) draw layered networks, and so let the data decide how many layers there are and how wide.
#
# The last one deserves a closer look, as an example of an object that is not a vector. Its building block is the **Indian buffet process** (Griffiths and Ghahramani, 2006; with two parameters Ghahramani et al., 2007). Customers come to a buffet with infinitely many dishes. Customer $i$ takes each dish that $m$ of the earlier ones have with probability $\frac{m}{\beta + i - 1}$, and then $\mathrm{Poisson}\bigl(\frac{\alpha\beta}{\beta + i - 1}\bigr)$ dishes that nobody has had. It gives a random table of zeros and ones whose number of columns is random too. On average each customer takes $\alpha$ dishes, the last as much as the first, and there are
#
# $$\mathbb E K = \alpha \sum_{i=1}^{n} \frac{\beta}{\beta + i - 1}$$
#
# dishes in all. So $\alpha$ sets how many connections a unit has, and $\beta$ how little they are shared.

# %% tags=["nbval-check-output"]
def buffet(n, alpha, beta, rng):
    """Which of n customers takes which dish: a table of zeros and ones, (n, dishes)."""
    table = np.zeros((n, 0), int)
    for i in range(n):  # the customer i + 1 of the text
        popularity = table.sum(axis=0)  # m of each dish
        table[i] = rng.random(len(popularity)) < popularity / (beta + i)
        new = np.zeros((n, rng.poisson(alpha * beta / (beta + i))), int)
        new[i] = 1
        table = np.hstack([table, new])
    return table


source = np.random.default_rng(0)
print(" alpha  beta   dishes of 5, theory   customer 1   customer 5")
for alpha, beta in ((1, 1), (0.5, 1), (1, 2), (1.5, 1)):
    tables = [buffet(5, alpha, beta, source) for _ in range(2000)]
    dishes = np.mean([table.shape[1] for table in tables])
    theory = sum(alpha * beta / (beta + i) for i in range(5))
    first, last = (np.mean([table[i].sum() for table in tables]) for i in (0, 4))
    print(f"{alpha:6} {beta:5} {dishes:12.2f} {theory:7.2f} {first:12.2f} {last:12.2f}")

# %% [markdown]
# Now let the dishes be customers of a next buffet. The units of a layer choose their parents in the layer above; those that were chosen choose theirs in turn; and so on, until a layer chooses none. This is the **cascading** Indian buffet process; a network is a list of incidence matrices. It ends with probability 1: the number of dishes grows like $\alpha\beta \ln K$, slower than the number $K$ of customers, so a wide layer shrinks and a narrow one dies out. The library has it as `buffet.cascade`.

# %%
from dgm_tfp import buffet as library

settings = ((1, 1), (0.5, 1), (1, 2), (1.5, 1))
figure, axes = plt.subplots(4, 4, figsize=(8, 7))
for row, (alpha, beta) in zip(axes, settings, strict=True):
    networks = [library.cascade(5, alpha, beta, seed) for seed in range(200)]
    shown = sorted(networks, key=len)[40:200:40]  # of 200 by depth: 4 quantiles
    for axis, layers in zip(row, shown, strict=True):
        library.draw(axis, layers, visible=5, size=30)
    row[0].set_title(rf"$\alpha = {alpha}, \; \beta = {beta}$", fontsize=10, loc="left")

# %% [markdown]
# *Figure 4. Networks over five visible units (filled), drawn by the cascading Indian buffet process with the four settings of the figure in Adams et al. (2010). Of 200 draws for each setting the 20, 40, 60 and 80 % quantiles of depth are shown.*

# %% [markdown]
# ## Three ways to build a generative model
#
# Ten Gaussians were enough to see what a density is good for, and the first row of figure 2 shows what they are not: the digits are blurred and noisy. How does one get from a Gaussian to a deep network?
#
# **1. Explicit likelihood.** Take the object apart into small pieces, each of which is easy. The chain rule does it without any approximation:
#
# $$p(x) = p(x_1)\, p(x_2 \mid x_1) \cdots p(x_D \mid x_1, \dots, x_{D-1}).$$
#
# The simplest such model is a table. Below, each character of a text is drawn given the $k$ characters before it, by counting in the Zen of Python. Karpathy (2015) put a recurrent network in the place of the table (CharRNN), van den Oord et al. did it for pixels (unit 06), and flows (units 01 to 04) take another way to an explicit $p(x)$. *The trouble*: a good likelihood is hard to choose (what is the density of a photograph?), and it may be expensive: here objects come one character at a time.

# %% tags=["nbval-check-output"]
import codecs
import contextlib
import io
from collections import Counter, defaultdict

with contextlib.redirect_stdout(io.StringIO()):  # it prints itself when imported
    import this
zen = codecs.decode(this.s, "rot13").split("\n\n")[1].replace("\n", " ")


def generate(k, length, rng):
    """Each character given the k before it, as often as in the text."""
    counts = defaultdict(Counter)
    for i in range(len(zen)):
        counts[zen[max(0, i - k) : i]][zen[i]] += 1
    text = ""
    while len(text) < length:
        following = counts[text[-k:] if k else ""] or counts[""]
        characters, n = list(following), np.array(list(following.values()))
        text += rng.choice(characters, p=n / n.sum())
    return text


for k in (1, 2, 4):
    print(f"k = {k}: {generate(k, 64, np.random.default_rng(4))}")


# %% [markdown]
# **2. Latent variables.** Suppose that each object was made from a hidden $z$ that is simple, by a map that is not: $z \sim p(z)$, $x \sim p(x \mid z)$. A mixture is of this kind ($z$ is the class), and so is the variational autoencoder (unit 05; $z$ is a vector, $p(x \mid z)$ a network). *The trouble*: $p(x) = \int p(x \mid z)\, p(z)\, dz$ cannot be computed; one maximises a lower bound.
#
# Both of the first two share another trouble: **a good likelihood and good samples are different things** (Theis et al., 2016). Let a model be a mixture, one part data and 99 parts noise: $p_w(x) = 0.01\, p_{\text{data}}(x) + 0.99\, p_{\text{noise}}(x)$. Of a hundred of its samples 99 are rubbish. Its log-likelihood is nevertheless at most $\log 100 \approx 4.6$ nats below the perfect one, since
#
# $$\log p_w(x) \ge \log\bigl(0.01\, p_{\text{data}}(x)\bigr) = \log p_{\text{data}}(x) - \log 100,$$
#
# and a log-likelihood of an image is hundreds or thousands of nats. The other way round it is overfitting: a model that has learned the training set by heart draws perfect samples and gives a test object no probability at all.
#
# **3. No likelihood.** Give up $p(x)$, and train the sampling directly: draw objects, and let a second network try to tell them from the data; improve until it cannot. This is a two-sample test turned into a loss, and the idea of generative adversarial networks (GAN, unit 07). *The trouble*: a game of two players may not settle, may collapse to a few kinds of objects, and at the end there is no $p(x)$ to ask.
#
# | | learns by | gives $p(x)$ | trouble | units |
# |---|---|---|---|---|
# | explicit likelihood | maximum likelihood | exactly | hard to choose; slow or rigid | 01–04, 06 |
# | latent variables | a lower bound | from below | the integral over $z$ | 05 |
# | likelihood-free | telling samples from data | no | unstable; modes are lost | 07 |
#
# Whatever the model, an object has to be *drawn* from it. So let us learn to draw.

# %% [markdown]
# ## Drawing, 1: the inverse distribution function
#
# A computer gives us $u$, uniform on $[0, 1)$. How does one make of it a number with a given law?
#
# > **Theorem.** Let $F$ be a continuous, increasing distribution function, and $z = F^{-1}(u)$. Then $z$ has the distribution function $F$.
#
# Proof, in one line, for any increasing $T$: $P(T(u) \le t) = P(u \le T^{-1}(t)) = T^{-1}(t)$. We want this to be $F(t)$, so $T = F^{-1}$.
#
# **The exponential law, by hand.** Its density is $\lambda e^{-\lambda t}$ for $t \ge 0$. Integrate, and solve for $t$:
#
# $$F(t) = \int_0^t \lambda e^{-\lambda s} ds = 1 - e^{-\lambda t} = u \quad\Longrightarrow\quad t = F^{-1}(u) = -\frac{1}{\lambda} \ln(1 - u).$$
#
# **A discrete law.** If $F$ goes up in steps, take the first value at which it exceeds $u$: cumulative sums and a search. Each value is hit by the $u$ that fall on its step, and the step is as high as its probability.

# %% tags=["nbval-check-output"]
def draw_exponential(rate, n, rng):
    return -np.log(1 - rng.random(n)) / rate


def draw_discrete(probabilities, n, rng):
    return np.searchsorted(np.cumsum(probabilities), rng.random(n), side="right")


source = np.random.default_rng(0)
lifetimes = draw_exponential(2.0, 10_000, source)
print(f"mean {lifetimes.mean():.3f}, theory 1 / lambda = {1 / 2.0}")
for rate in (2.0, 2.1):  # the right theory, and a wrong one
    test = stats.kstest(lifetimes, stats.expon(scale=1 / rate).cdf)
    print(f"lambda = {rate}: p-value {test.pvalue:.5f}")
probabilities = np.array([0.1, 0.45, 0.15, 0.3])
throws = draw_discrete(probabilities, 10_000, source)
print("shares", np.bincount(throws) / len(throws), "for", probabilities)

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 2.8))
t = np.linspace(0, 2.5, 200)
levels = np.linspace(0.05, 0.95, 10)
axes[0].plot(t, 1 - np.exp(-2 * t), color=BLUE)
ends = -np.log(1 - levels) / 2
axes[0].hlines(levels, 0, ends, color=RED, lw=0.8)
axes[0].vlines(ends, 0, levels, color=RED, lw=0.8)
axes[0].set(xlabel="$t = F^{-1}(u)$", ylabel="$u = F(t)$", xlim=(0, 2.5), ylim=(0, 1))
axes[1].hist(lifetimes, 60, range=(0, 2.5), density=True, color=LIGHT)
axes[1].plot(t, 2 * np.exp(-2 * t), color=RED)
axes[1].set(xlabel="$t$", ylabel=r"$\lambda e^{-\lambda t}$", xlim=(0, 2.5))
axes[2].step(
    [-0.6, 0, 1, 2, 3, 3.4], [0, *np.cumsum(probabilities), 1], where="post", color=BLUE
)
hits = draw_discrete(probabilities, 8, np.random.default_rng(5))
heights = np.random.default_rng(5).random(8)
axes[2].hlines(heights, -0.6, hits, color=RED, lw=0.8)
axes[2].vlines(hits, 0, heights, color=RED, lw=0.8)
axes[2].set(
    xlabel="$t$", ylabel="$u$", xticks=range(4), xlim=(-0.6, 3.4), ylim=(0, 1)
);


# %% [markdown]
# *Figure 5. Left: $u$ at equal distances, and the exponential numbers that they become: dense where $F$ is steep. Middle: 10,000 of them, and the density. Right: the same for a discrete law, eight draws.*
#
# This is a change of variables; [unit 01](01_change_of_variables.ipynb) reads it in the other direction and in many dimensions. The catch: one must be able to compute $F^{-1}$, and in several dimensions there is no such thing. But the chain rule helps: draw $x_1$ by the inverse of its distribution function, then $x_2$ by that of $p(x_2 \mid x_1)$, and so on. Every autoregressive model draws like this.

# %% [markdown]
# ## Drawing, 2: rejection
#
# Often one can compute a density but not invert its integral; often one does not even know the integral, only $p(z)$ up to a factor. **Rejection sampling**: take a density $q$ from which we can draw, and a number $k$ with $k\, q(z) \ge p(z)$ for all $z$. Repeat:
#
# 1. draw $z_0 \sim q$ and $u \sim \mathcal U\bigl(0,\, k\, q(z_0)\bigr)$;
# 2. if $u \le p(z_0)$, keep $z_0$, else throw it away.
#
# > **Theorem.** What is kept has the density $p(z) / Z$ with $Z = \int p(z)\, dz$, and the share that is kept is $Z / k$.
#
# Proof. The points $(z_0, u)$ are uniform in the region under the graph of $k\,q$, whose area is $k$: the density of the pair is $q(z_0) \cdot \frac{1}{k\, q(z_0)} = \frac1k$, the same everywhere. Those kept are the ones under the graph of $p$, a part of area $Z$, and they are uniform in it. So the share is $Z / k$, and the probability to be kept and to lie in $dz$ is $\frac1k\, p(z)\, dz$, proportional to $p$.

# %% tags=["nbval-check-output"]
def target(z):
    """A density up to a factor: two humps and a half."""
    return np.exp(-(z**2) / 2) * (0.3 + np.sin(2 * z) ** 2)


def reject(p, q, k, n, rng):
    """n proposals z with their u, (n,) each, and which of them are kept."""
    z = q.rvs(n, random_state=rng)
    u = rng.uniform(0, k * q.pdf(z))
    return z, u, u <= p(z)


proposal = stats.norm(0, 1.3)
z_axis = np.linspace(-5, 5, 4001)
k = np.max(target(z_axis) / proposal.pdf(z_axis))
Z = integrate.quad(target, -8, 8)[0]
areas = integrate.cumulative_trapezoid(target(z_axis), z_axis, initial=0)


def cdf(t):
    """F of the normalised target, by a table."""
    return np.interp(t, z_axis, areas / areas[-1])


print(f"Z = {Z:.4f}, the least k = {k:.4f}")
for seed, factor in enumerate((1, 1.5, 3)):
    source = np.random.default_rng(seed)
    z, u, kept = reject(target, proposal, factor * k, 100_000, source)
    print(
        f"k x {factor:<4} kept {kept.mean():.4f}, theory {Z / (factor * k):.4f},",
        end=" ",
    )
    print(f"p-value of the kept {stats.kstest(z[kept], cdf).pvalue:.2f}", end=", ")
    print(f"of all {stats.kstest(z, cdf).pvalue:.2f}")

# %% [markdown]
# The share depends on $k$, the law of what is kept does not. So rejection is exact, and its only price is what it throws away. **How much is that in many dimensions?** Take the friendliest case, $p = \mathcal N(0, I)$ in $D$ dimensions and $q = \mathcal N(0, \sigma^2 I)$, a little wider. The ratio $p / q$ is greatest at 0, where it is $\sigma^D$; this is $k$, and the share is
#
# $$\frac{Z}{k} = \sigma^{-D}.$$
#
# Wider by one per cent, in 1000 dimensions (Bishop, 2006, 11.1.2): $1.01^{-1000} \approx 1 / 21{,}000$. And no proposal for images fits to one per cent. This is the **curse of dimension**: rejection is for a few dimensions, and a generative model of images has to bring its own way of drawing.

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3))
z, u, kept = reject(target, proposal, k, 3000, np.random.default_rng(0))
axes[0].scatter(z[kept], u[kept], s=3, color=BLUE)
axes[0].scatter(z[~kept], u[~kept], s=3, color=RED, alpha=0.5)
axes[0].plot(z_axis, target(z_axis), color="black", lw=1)
axes[0].plot(z_axis, k * proposal.pdf(z_axis), color="black", lw=1, ls="--")
axes[0].set(xlabel="$z$", ylabel="$u$", xlim=(-4.5, 4.5), ylim=(0, None))
dimensions = np.arange(1, 41)
for sigma, color in ((1.1, LIGHT), (1.3, BLUE)):
    axes[1].plot(dimensions, sigma ** -dimensions.astype(float), color=color)
    for d in (1, 3, 6, 10, 16, 24):
        points = sigma * rng.standard_normal((50_000, d))
        log_ratio = -0.5 * (1 - sigma**-2) * (points**2).sum(axis=1)  # log p / (k q)
        axes[1].plot(
            d, np.mean(rng.random(50_000) < np.exp(log_ratio)), "o", color=color
        )
axes[1].set(xlabel="$D$", ylabel="$Z / k$", yscale="log", ylim=(1e-4, 1.3));


# %% [markdown]
# *Figure 6. Left: 3,000 proposals $(z_0, u)$, uniform under the dashed curve $k\,q$; kept are the blue ones, under $p$. Right: the share that is kept, for Gaussians in $D$ dimensions with $\sigma = 1.1$ (light) and $1.3$ (dark); lines are the theory, points the experiment.*

# %% [markdown]
# ## Drawing, 3: from the data themselves
#
# A sample of $n$ objects is drawn from an unknown $F$, and we compute from it a statistic, say a median $\hat\theta_n$. How far may it be from the truth? If we could draw many samples from $F$, we would look at how $\hat\theta_n$ scatters. We cannot: $F$ is unknown. But we have an estimate of it, and the best one there is: the **empirical distribution** $F_n$, which gives each of the $n$ objects the probability $1/n$.
#
# > **The principle of the bootstrap** (Efron, 1979). Put $F_n$ in the place of $F$. Draw $N$ pseudo-samples of size $n$ from $F_n$, that is, $n$ objects out of the $n$ **with replacement**; compute the statistic of each; the scatter of these estimates the scatter of $\hat\theta_n$. The interval between the 2.5 and 97.5 % quantiles is the (percentile) interval.
#
# We can even find out whether it holds what it promises. Let the "population" be the 10,000 digits, and the statistic the median of the ink in an image (the mean brightness of its pixels): here the truth *is* known. Draw a sample of 30, bootstrap it, and look whether the interval covers the truth. Then do it again, a thousand times.

# %% tags=["nbval-check-output"]
def resample(values, statistic, resamples, rng):
    """The statistic of pseudo-samples of values (n,): (resamples,)."""
    rows = rng.integers(len(values), size=(resamples, len(values)))  # with replacement
    return statistic(values[rows], axis=1)


def coverage(population, statistic, n, rng, repeats=500, resamples=400):
    """How often the 95 % percentile interval from n objects covers the truth."""
    truth, hits = statistic(population, axis=0), 0
    for _ in range(repeats):
        sample = rng.choice(population, n)
        low, high = np.quantile(
            resample(sample, statistic, resamples, rng), [0.025, 0.975]
        )
        hits += low <= truth <= high
    return hits / repeats


ink = train.mean(axis=1)  # (10000,)
source = np.random.default_rng(0)
print("   n     mean   median   (share of 95 % intervals that cover the truth)")
for n in (5, 30, 100):
    shares = [coverage(ink, statistic, n, source) for statistic in (np.mean, np.median)]
    print(f"{n:4} {shares[0]:8.3f} {shares[1]:8.3f}")

# %%
sample = np.random.default_rng(2).choice(ink, 30)
medians = resample(sample, np.median, 5000, np.random.default_rng(3))
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8))
axes[0].plot(np.sort(ink), np.linspace(0, 1, len(ink)), color=LIGHT, lw=3)
axes[0].step(np.sort(sample), np.arange(1, 31) / 30, where="post", color=RED)
axes[0].set(xlabel="$t$", ylabel="$F(t), \\; F_n(t)$")
axes[1].hist(medians, 40, color=LIGHT)
axes[1].axvline(np.median(ink), color="black")
for end in np.quantile(medians, [0.025, 0.975]):
    axes[1].axvline(end, color=RED, ls="--")
axes[1].set(xlabel=r"$\hat\theta_n$", yticks=[]);

# %% [markdown]
# *Figure 7. Left: $F$, the ink of 10,000 digits (light), and $F_n$ of a sample of 30 (red). Right: medians of 5,000 pseudo-samples of that sample, the ends of the interval (dashed), and the true median (black).*
#
# With 30 objects the promise of 95 % is nearly kept; for the mean of 5 it is not: $F_5$ is too rough an $F$, and the interval too short. `sampling.bootstrap` of the library has besides the percentile interval a corrected one (BCa), and works on whole rows; `ood.auroc` puts such an interval on every detection score of the course.

# %% [markdown]
# ## When the data change: dataset shift
#
# All that has been learned was learned about the law $p(x, y)$ of the training data. **Dataset shift**: the law at the time of use is another one. It can be split in two ways, $p(x, y) = p(y \mid x)\, p(x) = p(x \mid y)\, p(y)$, and what changes names the shift (Moreno-Torres et al., 2012):
#
# | shift | changes | stays | example |
# |---|---|---|---|
# | covariate | $p(x)$ | $p(y \mid x)$ | trained on adults, used on children |
# | prior probability | $p(y)$ | $p(x \mid y)$ | an epidemic: the disease looks as ever, but is frequent |
# | concept | $p(y \mid x)$ | $p(x)$ | what counts as spam today was news last year |
#
# From one labelled set all three can be made, and nothing else changed. *Covariate*: keep row $i$ with a probability that depends on $x_i$ alone. That is rejection sampling, with the data as the proposal. *Prior probability*: in each class drop rows at random until the shares are as wanted. *Concept*: leave all $x$, draw each label anew, given $x$ and the old label. These are the three functions of `dgm_tfp.shift`. Our victim is a logistic regression, a straight line where the true boundary is curved:

# %% tags=["nbval-check-output"]
from dgm_tfp import shift

source = np.random.default_rng(0)
pool_x = 1.2 * source.standard_normal((40_000, 2))
p_true = 1 / (1 + np.exp(-5 * (pool_x[:, 1] - np.sin(1.5 * pool_x[:, 0]))))
pool_y = (source.random(40_000) < p_true).astype(int)
train_x, train_y = pool_x[:5000], pool_y[:5000]
rest = pool_x[5000:], pool_y[5000:]


def to_the_right(x):
    """w(x): how much more often a point is met, up to a factor."""
    return np.exp(np.minimum(2 * x[:, 0], 4))


def stricter(x):
    """From the old label to the new one, (n, 2, 2): where x2 < 1 a 1 becomes a 0."""
    refused = np.array([[1, 0], [0.9, 0.1]])
    return np.where(x[:, 1, None, None] < 1, refused, np.eye(2))


tests = {
    "no shift": rest,
    "covariate": shift.covariate(*rest, to_the_right),
    "prior probability": shift.prior_probability(*rest, {0: 0.9, 1: 0.1}),
    "concept": shift.concept(*rest, stricter),
}
w = fit_discriminative(train_x, train_y)


def predicted(x, w):
    """p(y = 1 | x), (n,)."""
    return 1 / (1 + np.exp(-(x @ w[:2] + w[2])))


print("shift              error   share of 1, true and predicted")
for name, (x, y) in tests.items():
    p = predicted(x, w)
    print(f"{name:<17} {np.mean((p > 0.5) != y):6.3f} {y.mean():10.3f} {p.mean():8.3f}")

# %%
figure, axes = plt.subplots(1, 4, figsize=(11, 2.9), sharex=True, sharey=True)
titles = ("$p(x, y)$", "$p'(x)$", "$p'(y)$", r"$p'(y \mid x)$")
edge = np.linspace(-3.5, 3.5, 100)
for axis, (x, y), title in zip(axes, tests.values(), titles, strict=True):
    some = np.random.default_rng(0).permutation(len(x))[:800]
    for label, color in ((0, BLUE), (1, RED)):
        axis.scatter(*x[some][y[some] == label].T, s=3, color=color, alpha=0.7)
    axis.plot(edge, np.sin(1.5 * edge), color="black")
    axis.plot(edge, -(w[0] * edge + w[2]) / w[1], color="black", ls="--")
    axis.set(title=title, xlabel="$x_1$", xlim=(-3.5, 3.5), ylim=(-3.5, 3.5))
axes[0].set_ylabel("$x_2$");


# %% [markdown]
# *Figure 8. The training law, and the three shifts: covariate, prior probability, concept. Solid: where $p(y = 1 \mid x) = \frac12$ at the training. Dashed: the boundary of logistic regression.*
#
# Each kind does its own harm and has its own remedy.
#
# * **Covariate.** The straight line was a compromise for the training law; where the points are now, another compromise would be better. Remedy: weight each training point by $p'(x) / p(x)$. (A model rich enough to learn $p(y \mid x)$ exactly would need none.)
# * **Prior probability.** The classifier counts on the old shares, and says 1 far too often. Remedy, by Bayes' rule without new labels, if the new shares are known: since $p(x \mid y)$ stays,
#
# $$p'(y \mid x) \propto p(x \mid y)\, p'(y) \propto p(y \mid x)\, \frac{p'(y)}{p(y)}.$$
#
# * **Concept.** The old labels are wrong. There is no remedy but new ones.

# %% tags=["nbval-check-output"]
def show(name, p):
    y = tests[name].y
    print(f"{name:<17} {np.mean((p > 0.5) != y):6.3f} {y.mean():10.3f} {p.mean():8.3f}")


w_weighted = fit_discriminative(train_x, train_y, to_the_right(train_x))
show("covariate", predicted(tests["covariate"].x, w_weighted))
x = tests["prior probability"].x
old, new = np.array([1 - train_y.mean(), train_y.mean()]), np.array([0.9, 0.1])
odds = predicted(x, w) / (1 - predicted(x, w)) * (new[1] / old[1]) / (new[0] / old[0])
show("prior probability", odds / (1 + odds))
relabelled = shift.concept(train_x, train_y, stricter, seed=1)
show("concept", predicted(tests["concept"].x, fit_discriminative(*relabelled)))

# %% [markdown]
# **And out-of-distribution?** It is covariate shift at its extreme: objects from where $p(x)$ is next to zero. There $p(y \mid x)$ was never learned, no weights $p'(x) / p(x)$ help, and often no $y$ is right: a shoe is no digit. All that can be done is to notice, and to notice one needs $p(x)$. That is why this course is about models that have one.

# %% [markdown]
# ## Which model? Evidence against leave-one-out
#
# Fourteen points, and polynomials of degree 0 to 9. The likelihood of the training data only grows with the degree. How does one choose? Two scores, and the same predictions in both.
#
# Let $t_n = w^\top \phi(x_n) + \varepsilon_n$ with $\phi(x) = (1, x, \dots, x^M)$, Gaussian noise of variance $1/\beta$, and a prior $w \sim \mathcal N(0, I/\alpha)$. Then everything is Gaussian (Bishop, 2006, chapter 3): given $n$ points, the weights have the covariance $S$ and the mean $m$, and a new target is normal:
#
# $$S = (\alpha I + \beta\, \Phi^\top \Phi)^{-1}, \qquad m = \beta\, S\, \Phi^\top t, \qquad p(t \mid x, \text{data}) = \mathcal N\bigl(t;\; m^\top \phi(x),\; \tfrac1\beta + \phi(x)^\top S\, \phi(x)\bigr).$$
#
# **The evidence** is the probability of all data under the model, with the weights integrated out. By the chain rule it is a sum of predictions, each made from the points before:
#
# $$\log p(t) = \log p(t_1) + \log p(t_2 \mid t_1) + \dots + \log p(t_n \mid t_1, \dots, t_{n-1}).$$
#
# **Leave-one-out** predicts each point from all the others, $\frac1n \sum_i \log p(t_i \mid t_{-i})$. Now compare: this is the *last* term of the sum above, averaged over which point comes last. The evidence does not depend on the order of the points; its terms do. Averaged over all orders:
#
# $$\text{LOO} = \mathbb E_{\text{order}} \log p(t_n \mid t_1, \dots, t_{n-1}).$$
#
# So leave-one-out asks: how well does the model predict once it has seen nearly everything? The evidence asks how well it predicts *from the first point on*, when there is only the prior to go by. In a formula of MacKay's spirit: the evidence is the length of a complete description of the data, and a model whose prior spreads over many curves pays for each early point.

# %% tags=["nbval-check-output"]
from itertools import permutations

ALPHA, BETA = 0.01, 25.0  # weights of size 10, noise of size 0.2


def features(x, degree):
    return np.vander(x, degree + 1, increasing=True)


def posterior(phi, t):
    """m and S."""
    S = np.linalg.inv(ALPHA * np.eye(phi.shape[1]) + BETA * phi.T @ phi)
    return BETA * S @ phi.T @ t, S


def predict(phi, m, S):
    """Mean and standard deviation of t, (n,) each."""
    return phi @ m, np.sqrt(1 / BETA + np.sum((phi @ S) * phi, axis=1))


def terms(phi, t):
    """log p(t_k | t_1 .. t_{k-1}), (n,)."""
    result = []
    for k in range(len(t)):
        centre, width = predict(phi[k : k + 1], *posterior(phi[:k], t[:k]))
        result.append(stats.norm(centre[0], width[0]).logpdf(t[k]))
    return np.array(result)


N = 14
x_all = np.linspace(-1, 1, N)
t_all = np.sin(np.pi * x_all) + 0.2 * np.random.default_rng(5).standard_normal(N)

phi = features(x_all, 3)
whole = stats.multivariate_normal(np.zeros(N), np.eye(N) / BETA + phi @ phi.T / ALPHA)
backwards = terms(phi[::-1], t_all[::-1])
print(f"log evidence, closed form    {whole.logpdf(t_all):.8f}")
print(f"sum of the terms             {terms(phi, t_all).sum():.8f}")
print(f"the same, from the other end {backwards.sum():.8f}")
print(f"second terms of the two      {terms(phi, t_all)[1]:.4f}, {backwards[1]:.4f}")


def leave_one_out(phi, t):
    """log p(t_i | all others), (n,), by refitting n times."""
    result = []
    for i in range(len(t)):
        others = np.arange(len(t)) != i
        centre, width = predict(phi[[i]], *posterior(phi[others], t[others]))
        result.append(stats.norm(centre[0], width[0]).logpdf(t[i]))
    return np.array(result)


five = np.array([0, 3, 6, 9, 12])  # of these points: all 120 orders
orders = [list(order) for order in permutations(five)]
last = [terms(phi[order], t_all[order])[-1] for order in orders]
print(f"last term, mean over {len(last)} orders {np.mean(last):.8f}")
print(
    f"leave-one-out                 {leave_one_out(phi[five], t_all[five]).mean():.8f}"
)

# %%
from dgm_tfp import evidence

figure, axes = plt.subplots(2, 3, figsize=(10, 5.2))
axes[1, 2].remove()
grid = axes[1, 1].get_gridspec()
axes[1, 1].remove()
wide = figure.add_subplot(grid[1, 1:])
x_axis = np.linspace(-1, 1, 200)
shuffles = {"smoke": 200, "laptop": 2000, "gpu": 2000}[profile]
for axis, degree, color in zip(axes[0], (1, 3, 9), (LIGHT, BLUE, RED), strict=True):
    phi = features(x_all, degree)
    centre, width = predict(features(x_axis, degree), *posterior(phi, t_all))
    axis.fill_between(
        x_axis, centre - 2 * width, centre + 2 * width, color=color, alpha=0.3
    )
    axis.plot(x_axis, centre, color=color)
    axis.plot(x_all, t_all, "o", color="black", ms=4)
    axis.set(title=f"$M = {degree}$", xlabel="$x$", ylim=(-2, 2))
    by_position = evidence.terms_by_position(phi, t_all, ALPHA, BETA, shuffles)
    wide.plot(
        range(1, N + 1), by_position, "o-", ms=4, color=color, label=f"$M = {degree}$"
    )
axes[0, 0].set_ylabel("$t$")
degrees = range(10)
scores = evidence.curves(x_all, t_all, degrees, ALPHA, BETA)
for score, style, color, label in (
    (scores.log_evidence, "o-", "black", r"$\log p(t)$"),
    (scores.leave_one_out, "s--", "grey", r"$n \cdot \mathrm{LOO}$"),
):
    axes[1, 0].plot(degrees, score, style, color=color, ms=4, label=label)
axes[1, 0].set(xlabel="$M$", ylim=(-60, 10))
axes[1, 0].legend(frameon=False)
wide.set(xlabel="$k$", ylabel=r"$\mathbb{E} \log p(t_k \mid t_{<k})$", ylim=(-4.5, 0.5))
wide.legend(frameon=False);

# %% [markdown]
# *Figure 9. Above: the predictions, $\pm 2$ standard deviations, of polynomials of degree 1, 3 and 9. Below, left: the two scores by degree, in nats. Below, right: the predictive terms by their place $k$, averaged over random orders. The sum along a curve is its evidence; its last point is its leave-one-out.*

# %% tags=["nbval-check-output"]
print(" M   log evidence   n LOO")
for degree, a, b in zip(degrees, *scores, strict=True):
    print(f"{degree:2} {a:14.2f} {b:7.2f}")
phi = features(x_all, 9)
closed = evidence.leave_one_out(phi, t_all, ALPHA, BETA)
print("closed form = refitting:", np.allclose(closed, leave_one_out(phi, t_all)))

# %% [markdown]
# On these data the two disagree: the evidence takes $M = 3$, leave-one-out $M = 6$. Look at the curves of figure 9. The polynomial of degree 9 predicts badly at first, its prior allows almost anything; by the twelfth point it has caught up, and leave-one-out, which looks at the last point of the curve only, forgives it everything before. Both answers are right answers, to different questions. And both cost no test set.
#
# The same sum will return: in unit 06 a whole image is scored as a sum of predictive terms, pixel by pixel.

# %% [markdown]
# ## What goes wrong
#
# **A $k$ that is too small.** Nothing in the two lines of rejection sampling complains if $k\,q < p$ somewhere. All proposals there are kept, and there are too few of them; what comes out is $\min(p,\, k\,q)$, with its peaks cut off. The share that is kept even looks better.
#
# **The bootstrap of a maximum.** The largest of $n$ numbers from $\mathcal U(0, \theta)$ estimates $\theta$ from below. A pseudo-sample has no number larger than the sample's, so *no* percentile interval ever reaches $\theta$. The principle has failed: near its edge $F_n$ is not like $F$. One sees it in the pseudo-samples: $1 - (1 - \frac1n)^n \approx 1 - \frac1e \approx 63\,\%$ of them have the very same maximum.

# %% tags=["nbval-check-output"]
from dgm_tfp import sampling
from dgm_tfp.errors import InputError

small = 0.55 * k
z, u, kept = reject(target, proposal, small, 200_000, np.random.default_rng(0))
print(f"kept {kept.mean():.3f} of all, where Z / k = {Z / small:.3f};", end=" ")
print("p-value of the kept below 1e-9:", stats.kstest(z[kept], cdf).pvalue < 1e-9)
try:
    sampling.rejection(target, proposal, small, 1000, np.random.default_rng(0))
except InputError as error:
    print(f"the library: {str(error).split(': ')[0].split(' at ')[0]}")

n, hits, same = 50, 0, []
for seed in range(500):
    source = np.random.default_rng(seed)
    numbers = source.uniform(0, 1, n)
    maxima = resample(numbers, np.max, 400, source)
    low, high = np.quantile(maxima, [0.025, 0.975])
    hits += low <= 1 <= high
    same.append(np.mean(maxima == numbers.max()))
print(f"intervals of the maximum that cover theta = 1: {hits} of 500")
print(f"pseudo-samples with the same maximum: {np.mean(same):.3f},", end=" ")
print(f"theory {1 - (1 - 1 / n) ** n:.3f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8))
weights = np.full(kept.sum(), small / len(z) / 0.05)  # counts to heights of p
axes[0].hist(z[kept], np.arange(-4, 4.01, 0.05), weights=weights, color=LIGHT)
axes[0].plot(z_axis, target(z_axis), color=RED)
axes[0].plot(z_axis, small * proposal.pdf(z_axis), color="black", ls="--")
axes[0].set(xlabel="$z$", ylabel="$p(z)$", xlim=(-4, 4))
axes[1].hist(maxima, 40, color=LIGHT)
axes[1].axvline(1, color=RED)
axes[1].set(xlabel=r"$\hat\theta_n$", yticks=[]);

# %% [markdown]
# *Figure 10. Left: what rejection keeps (histogram) when $k\,q$ (dashed) dips below $p$ (red). Right: maxima of pseudo-samples of 50 numbers from $\mathcal U(0, 1)$; the red line is the truth.*
#
# ## The promise
#
# Ten Gaussians tell digits from clothes. In 2019 Nalisnick and colleagues trained the best deep generative models of their day, flows, VAEs and PixelCNNs, on pictures of clothes, and then showed them handwritten digits. **The models found the digits more likely than the clothes.** Trained on photographs (CIFAR-10), they preferred house numbers (SVHN). All of them, with better densities than any Gaussian. A model that draws convincing shoes does not notice that a seven is no shoe.
#
# Why? To ask, we must know what exactly these models compute; that takes units 01 to 07. Unit 08 asks, and unit 09 looks for what can be done.
#
# ## In one screen
#
# | | |
# |---|---|
# | two ways to learn | $p(y \mid x)$, or $p(x, y) = p(y)\, p(x \mid y)$, which also draws, fills in, does without labels, and has $p(x)$ |
# | three ways to build | explicit likelihood; latent variables; no likelihood |
# | inverse distribution function | $z = F^{-1}(u)$; exponential: $-\ln(1 - u) / \lambda$ |
# | rejection | keep $z_0 \sim q$ if $u \le p(z_0)$, $u \sim \mathcal U(0, k\,q(z_0))$; share $Z / k$ |
# | bootstrap | $F_n$ in the place of $F$ |
# | shift | covariate $p(x)$, prior probability $p(y)$, concept $p(y \mid x)$ |
# | evidence | $\sum_k \log p(t_k \mid t_{<k})$; leave-one-out is the last term, averaged over orders |
#
# ## Questions
#
# <details>
# <summary><b>1.</b> Two generative models give exactly the same $p(y \mid x)$. Must they have the same $p(x)$? And what can be said about $p(x)$ if $p(y \mid x)$ is known everywhere?</summary>
#
# No, and nothing. Multiply $p(x)$ by any positive function and normalise: $p(x, y) = p(y \mid x)\, p(x)$ is again a joint law with the same $p(y \mid x)$. This is covariate shift. It is also why the confidence of a classifier cannot tell whether an object is foreign.
#
# </details>
#
# <details>
# <summary><b>2.</b> Find $F^{-1}$ for the density $2t$ on $[0, 1]$. Check: where do the median and the mean lie?</summary>
#
# $F(t) = t^2$, so $F^{-1}(u) = \sqrt u$. The median is $\sqrt{0.5} \approx 0.71$; the mean is $\int_0^1 \sqrt u \, du = \frac23$, the same as $\int_0^1 t \cdot 2t \, dt$.
#
# </details>
#
# <details>
# <summary><b>3.</b> One wants to draw from $\mathcal N(0, 1)$ by rejection with the proposal $\mathcal N(0, 0.9^2)$. Which $k$?</summary>
#
# None. $p / q$ is proportional to $\exp\bigl(\frac{z^2}{2}(\frac{1}{0.81} - 1)\bigr)$ and grows without bound: the proposal must have the heavier tails. In an experiment a finite $k$ may look all right, since the region where it fails is hardly ever visited; the samples then lack the tails.
#
# </details>
#
# <details>
# <summary><b>4.</b> What share of the objects of a sample is in a pseudo-sample at least once? What follows for a classifier that is tested on the pseudo-sample it was not trained on?</summary>
#
# An object is missed with probability $(1 - \frac1n)^n \to \frac1e$, so about 63 % are in. If one trains on the sample and tests on a pseudo-sample of it, all test objects have been seen. One trains on the pseudo-sample and tests on the 37 % that are not in it (out-of-bag).
#
# </details>
#
# <details>
# <summary><b>5.</b> Name the shift: (a) a self-driving car trained in summer drives in snow; (b) a fraud detector trained on a balanced set meets reality, one fraud in ten thousand; (c) a shop renames its categories; (d) a scanner is replaced by one with a higher contrast.</summary>
#
# (a) Covariate: other pictures, the right decision given a picture is the same; where nothing like it was in training, out-of-distribution. (b) Prior probability, made by the balancing itself; correct by $p'(y)/p(y)$. (c) Concept. (d) Covariate if we believe that the label given the picture stays; but $p(x \mid y)$ changes as well, and the same grey value now means another tissue, which is concept shift. The names are about laws, and a real change may alter both factors.
#
# </details>
#
# <details>
# <summary><b>6.</b> Two models have the same leave-one-out score, and the evidence of the first is 20 nats higher. What does it mean, and which one would you take?</summary>
#
# Both predict equally well once they have seen nearly all data; the first needed less to get there: its prior was closer. For predictions from all the data they are equal. To describe the data, or when the next data set is small again, take the first. But the 20 nats also depend on the width of the prior, and a careless prior can cost that much; leave-one-out hardly feels it.
#
# </details>
#
# <details>
# <summary><b>7.</b> A generative model is trained on 1,000 labelled digits, draws 100,000 new ones, and a classifier is trained on these. Can it be better than one that is trained on the 1,000?</summary>
#
# The drawn digits contain no more about the world than the 1,000 and the assumptions of the model. If the assumptions are right and the classifier does not have them, they are handed over in this way, and it gets better (figure 3, left: with few data the assumptions win). If they are wrong, it learns the errors too. Unlabelled digits in the training of the generative model would add real knowledge.
#
# </details>
#
# <details>
# <summary><b>8.</b> $p_w = 0.01\, p_{\text{data}} + 0.99\, p_{\text{noise}}$ loses at most 4.6 nats. Can one tell from a log-likelihood of $-1000$ nats on the test set whether a model is $p_{\text{data}}$ or $p_w$?</summary>
#
# Only by comparison with $p_{\text{data}}$ itself, whose entropy nobody knows for real images. From samples one sees it at once. So likelihood and samples have to be judged apart (unit 07).
#
# </details>
#
# ## What to read
#
# * C. Bishop. *Pattern Recognition and Machine Learning.* Springer, 2006. Chapter 3 (Bayesian regression and evidence), 4.2–4.3 (generative and discriminative), 11.1 (sampling).
# * A. Ng, M. Jordan. *On Discriminative vs. Generative Classifiers.* NIPS, 2002. Figure 3, left, and the theory to it.
# * M. Paganini, L. de Oliveira, B. Nachman. *Accelerating Science with Generative Adversarial Networks.* Physical Review Letters 120, 042003, 2018, [arXiv:1705.02355](https://arxiv.org/abs/1705.02355).
# * R. Adams, H. Wallach, Z. Ghahramani. *Learning the Structure of Deep Sparse Graphical Models.* AISTATS, 2010, [arXiv:1001.0160](https://arxiv.org/abs/1001.0160). The cascading Indian buffet.
# * J. Antorán, A. Miguel. *Disentangling and Learning Robust Representations with Natural Clustering.* ICMLA, 2019. Hidden properties by a generative model.
# * B. Efron, R. Tibshirani. *An Introduction to the Bootstrap.* Chapman and Hall, 1993.
# * J. Moreno-Torres et al. *A unifying view on dataset shift in classification.* Pattern Recognition 45, 2012.
# * D. MacKay. *Bayesian interpolation.* Neural Computation 4, 1992. E. Fong, C. Holmes. *On the marginal likelihood and cross-validation.* Biometrika 107, 2020. The sum and its last term.
# * L. Theis, A. van den Oord, M. Bethge. *A note on the evaluation of generative models.* ICLR, 2016, [arXiv:1511.01844](https://arxiv.org/abs/1511.01844).
# * E. Nalisnick et al. *Do Deep Generative Models Know What They Don't Know?* ICLR, 2019, [arXiv:1810.09136](https://arxiv.org/abs/1810.09136). The surprise.
#
# Now the [lab](../../labs/en/00_generative_modelling.ipynb).
