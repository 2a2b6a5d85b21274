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
# # Lab: the variational autoencoder
#
# Six exercises after the [lecture](../../lectures/en/05_vae.ipynb), 10 points, 60 to 90 minutes. You start with one formula and end with a VAE that you train yourself and whose likelihood can be checked to the last digit.
#
# **How it works.** Put your code where a cell says `your code here`, and delete the line `raise NotImplementedError(...)`. The cell below each exercise checks you at once: **✓** right, **✗** wrong, and why, **…** not done yet. It never stops the notebook, so *Run All* always reaches the end. The grader runs the same checks on other numbers.
#
# | exercise | points |
# |---|---|
# | 1. The divergence | 1 |
# | 2. A draw that can be differentiated | 1 |
# | 3. The ELBO of a batch | 2 |
# | 4. A score from a denoiser | 1 |
# | 5. The importance-weighted bound | 2 |
# | 6. A linear VAE, trained | 3 |

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import special, stats
from tensorflow_probability import distributions as tfd

from dgm_tfp.exercises import check, expect, graded

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)


# %% [markdown]
# ## Exercise 1. The divergence (1 point)
#
# The encoder returned $\mu$ and $\ln \sigma^2$ for a batch of $n$ pictures, two arrays $(n, d)$. Write $D_{KL}\bigl(\mathcal N(\mu, \operatorname{diag} \sigma^2) \,\|\, \mathcal N(0, I)\bigr)$ of each picture.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "63bc5cbf8fab818c00fd3aa89ff50ef7", "grade": false, "grade_id": "kl", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kl(mean, log_var):
    """KL to the prior, in nats. mean, log_var: (n, d). Returns (n,)."""
    # your code here
    raise NotImplementedError("not done yet")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "9515598293c1329e370af46c38fec895", "grade": true, "grade_id": "kl-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_kl(mean, log_var):
    answer, size = kl(mean, log_var), mean.shape[1]

    def truth(std):
        q, p = tfd.Normal(mean, std), tfd.Normal(np.zeros_like(mean), 1.0)
        return tfd.kl_divergence(q, p).numpy().sum(axis=1)

    right = truth(np.exp(log_var / 2))
    expect(
        np.shape(answer) == (len(mean),),
        f"{len(mean)} pictures came in, the shape {np.shape(answer)} went out; one number for each picture: over which axis is the sum?",
    )
    expect(
        np.isfinite(answer).all(),
        "nan: log_var is the logarithm already, and may be negative.",
    )
    expect(
        not np.allclose(answer, -right),
        "the sign: a divergence is never negative.",
    )
    expect(
        not np.allclose(answer, 2 * right),
        "twice too large: where is the half?",
    )
    expect(
        not np.allclose(answer * size, right),
        "the mean over coordinates; the divergence of independent coordinates is the sum.",
    )
    expect(
        not np.allclose(answer, truth(np.exp(log_var))),
        "this takes log_var for the logarithm of the deviation; it is that of the variance.",
    )
    expect(
        np.allclose(answer, right),
        f"picture 0: {right[0]:.3f} is right, you have {answer[0]:.3f}.",
    )


with check("Exercise 1"):
    test_kl(rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))
    print("KL(p || p) =", kl(np.zeros((1, 20)), np.zeros((1, 20))))


# %% [markdown]
# ## Exercise 2. A draw that can be differentiated (1 point)
#
# Draw $z$ from $\mathcal N(\mu, \operatorname{diag} \sigma^2)$, one for each picture of the batch, by reparameterisation. `source.standard_normal(shape)` gives independent standard normal numbers.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "f1df9d423264cb706ce6f0080c326867", "grade": false, "grade_id": "draw", "locked": false, "schema_version": 3, "solution": true, "task": false}
def draw(mean, log_var, source):
    """z, (n, d), from q. mean, log_var: (n, d); source: a NumPy generator."""
    # your code here
    raise NotImplementedError("not done yet")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "1aecc1329780c2d018c3ade20401895a", "grade": true, "grade_id": "draw-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_draw(mean, log_var, seed):
    n = 20_000
    shape = n, len(mean)
    source = np.random.default_rng(seed)
    z = draw(np.broadcast_to(mean, shape), np.broadcast_to(log_var, shape), source)
    expect(
        np.shape(z) == shape,
        f"the parameters have the shape {shape}, z has {np.shape(z)}.",
    )
    expect(
        np.ptp(z, axis=0).min() > 0,
        "all pictures got the same z: is the noise there, and is it new for each picture?",
    )
    noise = (z - z.mean(axis=0)) / z.std(axis=0)
    expect(
        abs(np.mean(noise[:, 0] * noise[:, 1])) < 0.1,
        "the coordinates of z move together: each needs noise of its own.",
    )
    found, right = z.std(axis=0), np.exp(log_var / 2)
    expect(
        not np.allclose(found, np.exp(log_var), rtol=0.05),
        "the standard deviation of z is exp(log_var): that is the variance.",
    )
    expect(
        np.allclose(found, right, rtol=0.05),
        f"for log_var = {log_var[0]} the standard deviation is {right[0]:.2f}, yours is {found[0]:.2f}.",
    )
    off = np.abs(z.mean(axis=0) - mean)
    expect(
        np.all(off < 5 * right / np.sqrt(n)),
        f"the mean of z is {z.mean(axis=0)[0]:.2f}, and should be {mean[0]}.",
    )


with check("Exercise 2"):
    test_draw(np.array([2.0, -1.0]), np.array([-2.0, 1.0]), seed=0)


# %% [markdown]
# ## Exercise 3. The ELBO of a batch (2 points)
#
# Now the bound itself. For each picture $x$ of zeros and ones there are the decoder's logits $l$ at one sampled $z$, and the encoder's $\mu$ and $\ln \sigma^2$. Return the ELBO of each picture,
#
# $$\sum_i \bigl(x_i l_i - \ln(1 + e^{l_i})\bigr) - D_{KL}.$$
#
# Take care with $\ln(1 + e^l)$: a sure decoder returns 1000, and $e^{1000}$ does not exist. `np.logaddexp(a, b)` is $\ln(e^a + e^b)$ without that trouble. The last argument, `kl`, does what exercise 1 asks for, and does it right.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "67bf27804ac7011bef7d359f35c8c4c4", "grade": false, "grade_id": "elbo", "locked": false, "schema_version": 3, "solution": true, "task": false}
def elbo(x, logits, mean, log_var, kl):
    """ELBO in nats. x, logits: (n, D); mean, log_var: (n, d); kl: a right one. Returns (n,)."""
    # your code here
    raise NotImplementedError("not done yet")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "a8e9cbb867859b8599e3b9c5ed167d0d", "grade": true, "grade_id": "elbo-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def right_kl(mean, log_var):
    q, p = tfd.Normal(mean, np.exp(log_var / 2)), tfd.Normal(np.zeros_like(mean), 1.0)
    return np.sum(tfd.kl_divergence(q, p).numpy(), axis=1)


def test_elbo(x, logits, mean, log_var):
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        answer = elbo(x, logits, mean, log_var, right_kl)
    expect(
        np.shape(answer) == (len(x),),
        f"{len(x)} pictures came in, the shape {np.shape(answer)} went out; each has its own bound.",
    )
    expect(
        np.isfinite(answer).all(),
        f"infinite or nan with logits up to {np.abs(logits).max():.0f}: an exponential has overflowed.",
    )
    log_p = tfd.Bernoulli(logits, dtype=tf.float64).log_prob(x).numpy()
    spent = right_kl(mean, log_var)
    right = np.sum(log_p, axis=1) - spent
    expect(
        not np.allclose(answer, -right),
        "this is the loss, -ELBO; the bound is asked for.",
    )
    expect(
        not np.allclose(answer, np.sum(log_p, axis=1) + spent),
        "the KL is added; it has to be paid.",
    )
    expect(
        not np.allclose(answer, np.mean(log_p, axis=1) - spent),
        "a mean over pixels against a sum over the code: the KL outweighs, and the code will collapse.",
    )
    expect(
        not np.allclose(answer, np.sum(log_p, axis=1)),
        "this is log p(x | z) alone: the KL is missing.",
    )
    expect(
        np.allclose(answer, right),
        f"picture 0: {right[0]:.3f} is right, you have {answer[0]:.3f}.",
    )


def make_batch(n, size, latent, source, scale=1.0):
    x = (source.random((n, size)) < 0.3).astype(float)
    logits = scale * source.normal(size=(n, size))
    return x, logits, *source.normal(size=(2, n, latent))


with check("Exercise 3"):
    test_elbo(*make_batch(5, 12, 3, rng))
    test_elbo(*make_batch(3, 8, 2, rng, scale=1000))


# %% [markdown]
# ## Exercise 4. A score from a denoiser (1 point)
#
# `denoise` takes noisy points $(n, D)$ and returns its guess of the clean ones; it was trained with noise of standard deviation $\sigma$. Write the gradient of $\log p_\sigma$ that it knows, at each row of `x`.
#
# The check uses normal data, whose best denoiser and score are known.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "c6b0a04db0a2c5c56f8197d59543dbc3", "grade": false, "grade_id": "score", "locked": false, "schema_version": 3, "solution": true, "task": false}
def score(denoise, x, sigma):
    """grad log p_sigma at each row. x: (n, D); sigma: a number. Returns (n, D)."""
    # your code here
    raise NotImplementedError("not done yet")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "d1b6b387d9db097fc2bfb975f882fa8f", "grade": true, "grade_id": "score-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_score(centre, spread, sigma, source):
    x = source.normal(size=(6, len(centre)))

    def denoise(noisy):  # E[x | noisy] of N(centre, spread^2 I)
        share = spread**2 / (spread**2 + sigma**2)
        return centre + share * (noisy - centre)

    answer = score(denoise, x, sigma)
    right = (centre - x) / (spread**2 + sigma**2)  # of a normal density
    expect(
        np.shape(answer) == x.shape,
        f"a gradient has a component for every coordinate: {x.shape} is wanted, {np.shape(answer)} came.",
    )
    expect(
        not np.allclose(answer, -right),
        "it points away from the data: the sign.",
    )
    expect(
        not np.allclose(answer, sigma * right) and not np.allclose(answer, sigma**2 * right),
        f"the direction is right, the length is not: for sigma = {sigma} it is off by a power of sigma.",
    )
    expect(
        np.allclose(answer, right),
        f"row 0: {np.round(right[0], 3)} is right, you have {np.round(answer[0], 3)}.",
    )


with check("Exercise 4"):
    test_score(np.array([1.0, -2.0]), 0.7, 0.3, rng)


# %% [markdown]
# ## Exercise 5. The importance-weighted bound (2 points)
#
# For each of $n$ pictures $K$ samples were drawn from $q(z \mid x)$. Given are three arrays $(K, n)$: $\log p(x \mid z_k)$, $\log p(z_k)$ and $\log q(z_k \mid x)$. Return two arrays $(n,)$: the estimate of $\log p(x)$, that is $\log \frac1K \sum_k w_k$, and its standard error $\frac{\mathrm{std}(w)}{\sqrt K\, \bar w}$.
#
# The weights are about $e^{-1000}$, which is 0 for a computer. `special.logsumexp(a, axis=0)` sums without leaving the logarithm; for the error it is enough to know the weights up to a common factor.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "a796c8d037078837a76fb1d98e1f0c9c", "grade": false, "grade_id": "weighted", "locked": false, "schema_version": 3, "solution": true, "task": false}
def weighted_bound(log_likelihood, log_prior, log_q):
    """log of the mean weight and its standard error, (n,) each. Arguments: (K, n)."""
    # your code here
    raise NotImplementedError("not done yet")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "fb86ce44a2a2c4768ff498858b7f79a6", "grade": true, "grade_id": "weighted-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_weighted(K, n, level, source):
    a, log_prior, log_q = source.normal(size=(3, K, n))
    w = np.exp(a + log_prior - log_q)  # of a decent size
    with np.errstate(all="ignore"):
        result = weighted_bound(a + level, log_prior, log_q)
    expect(
        isinstance(result, tuple) and len(result) == 2,
        "two arrays are wanted: the estimate and its error.",
    )
    answer, error = result
    expect(
        np.shape(answer) == (n,) and np.shape(error) == (n,),
        f"{K} samples for each of {n} pictures: the shape {(n,)} is wanted, {np.shape(answer)} and {np.shape(error)} came.",
    )
    expect(
        np.isfinite(answer).all() and np.isfinite(error).all(),
        f"infinite or nan where log p(x | z) is about {level}: the weights have left the logarithm.",
    )
    right = level + np.log(w.mean(axis=0))
    expect(
        not np.allclose(answer, level + np.log(w).mean(axis=0)),
        "this is the mean of logarithms, the ELBO; the logarithm of the mean is wanted.",
    )
    expect(
        not np.allclose(answer, right + np.log(K)),
        f"too large by ln K = {np.log(K):.2f}: the sum has not become a mean.",
    )
    expect(
        np.allclose(answer, right),
        f"picture 0: {right[0]:.3f} is right, you have {answer[0]:.3f}. What is multiplied and what is divided in the weight?",
    )
    scatter = w.std(axis=0) / w.mean(axis=0)
    expect(
        not np.allclose(error, scatter, rtol=0.2 / K),
        "the error: this is the relative scatter of one weight; the mean of K is more accurate.",
    )
    low, high = 0.999 * scatter / np.sqrt(K), 1.001 * scatter / np.sqrt(K - 1)
    expect(
        np.all((low < error) & (error < high)),
        f"the error: picture 0 should have {scatter[0] / np.sqrt(K):.3f}, you have {error[0]:.3f}.",
    )


with check("Exercise 5"):
    test_weighted(50, 3, -5.0, rng)
    test_weighted(10, 4, -1000.0, rng)


# %% [markdown]
# ## Exercise 6. A linear VAE, trained (3 points)
#
# A VAE with one matrix for the decoder and one for the encoder:
#
# $$p(x \mid z) = \mathcal N(W z, s^2 I), \qquad q(z \mid x) = \mathcal N(V x, \operatorname{diag} e^{v}).$$
#
# `p` is a dictionary of TensorFlow variables: `W` $(D, d)$, `log_s` (a number), `V` $(d, D)$, `v` $(d,)$, the logarithm of the variance. Write
#
# * `loss(x, noise, p)`: the mean of $-\mathrm{ELBO}$ over the batch $x$ $(n, D)$, one $z$ for each row, made from the given standard normal `noise` $(n, d)$. Note the normalising constant of the normal density, $-\frac D2 \ln 2\pi s^2$: $s$ is trained;
# * `exact_log_prob(x, W, s)`: $\log p(x)$ of each row, in NumPy. `stats.multivariate_normal(cov=...)` has `logpdf`.
#
# The check then trains your loss and compares with what is known: the best linear-Gaussian model is found by eigenvalues (*probabilistic PCA*, Tipping & Bishop, 1999). The trained model must reach it, and there the gap must be zero: nothing is lost by the diagonal $q$, since the training may turn the axes of $z$ so that the posterior is diagonal.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "d45778cfa1eba62a12f85f2a3670ff2a", "grade": false, "grade_id": "linear", "locked": false, "schema_version": 3, "solution": true, "task": false}
def loss(x, noise, p):
    """-ELBO in nats, the mean over the batch. x: (n, D); noise: (n, d). Returns a scalar."""
    # your code here
    raise NotImplementedError("not done yet")


def exact_log_prob(x, W, s):
    """log p(x) of each row, in nats. x: (n, D); W: (D, d); s: a number. Returns (n,)."""
    # your code here
    raise NotImplementedError("not done yet")


# %%
def make_data(n, size, latent, source):
    """Centred data from a linear-Gaussian model, float32 (n, size)."""
    z = source.standard_normal((n, latent))
    x = z @ source.normal(size=(latent, size)) + 0.5 * source.standard_normal((n, size))
    return (x - x.mean(axis=0)).astype(np.float32)


def start(size, latent, seed):
    """Small random parameters."""
    source = np.random.default_rng(seed)
    shapes = {"W": (size, latent), "log_s": (), "V": (latent, size), "v": (latent,)}
    return {
        name: tf.Variable(0.1 * source.standard_normal(shape), dtype=tf.float32)
        for name, shape in shapes.items()
    }


def fit(x, p, steps=1200):
    """Adam, the whole set in each step, the rate falling to 0. Returns -ELBO at the end, over much noise."""
    x, latent = tf.constant(x), p["v"].shape[0]
    rate = keras.optimizers.schedules.CosineDecay(0.03, steps)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(list(p.values()))

    @tf.function(autograph=False)
    def step(noise):
        with tf.GradientTape() as tape:
            value = loss(x, noise, p)
        optimizer.apply(tape.gradient(value, list(p.values())), list(p.values()))

    for seed in range(steps):
        step(tf.random.stateless_normal([len(x), latent], (0, seed)))
    many = [tf.random.stateless_normal([len(x), latent], (1, seed)) for seed in range(100)]
    return float(np.mean([loss(x, noise, p) for noise in many]))


def best_log_prob(x, latent):
    """The mean log p(x) of the best linear-Gaussian model: probabilistic PCA."""
    values = np.linalg.eigvalsh(x.T.astype(float) @ x / len(x))[::-1]
    rest = values[latent:].mean()  # s^2
    log_det = np.log(values[:latent]).sum() + (len(values) - latent) * np.log(rest)
    return -0.5 * (len(values) * (np.log(2 * np.pi) + 1) + log_det)


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "5cd462e007fc408c4c597ff2eee8399d", "grade": true, "grade_id": "linear-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_exact(size, latent, s, source):
    W, x = source.normal(size=(size, latent)), source.normal(size=(5, size))
    answer = exact_log_prob(x, W, s)
    expect(
        np.shape(answer) == (5,),
        f"exact_log_prob: 5 rows came in, the shape {np.shape(answer)} went out.",
    )
    scale = np.concatenate([W.T, s * np.eye(size)]).T  # x = scale @ noise
    scale = np.linalg.cholesky(scale @ scale.T)
    right = tfd.MultivariateNormalTriL(np.zeros(size), scale).log_prob(x).numpy()
    expect(
        np.allclose(answer, right),
        f"exact_log_prob: for s = {s} row 0 has {right[0]:.3f}, you have {answer[0]:.3f}. What is the covariance of W z plus noise?",
    )


def test_loss(size, latent, seed):
    p, source = start(size, latent, seed), np.random.default_rng(seed)
    p["log_s"].assign(-0.4)
    p["v"].assign(source.normal(size=latent))
    x = tf.constant(source.normal(size=(9, size)), tf.float32)
    noise = tf.constant(source.normal(size=(9, latent)), tf.float32)
    answer = loss(x, noise, p)
    expect(
        np.shape(answer) == (),
        f"loss: a scalar is wanted, the mean over the batch; the shape {np.shape(answer)} came.",
    )
    q = tfd.Normal(tf.linalg.matvec(p["V"], x), tf.exp(p["v"] / 2))
    z = q.loc + q.scale * noise
    spread = tf.exp(p["log_s"])
    log_p = tfd.Normal(tf.linalg.matvec(p["W"], z), spread).log_prob(x)
    spent = tf.reduce_sum(tfd.kl_divergence(q, tfd.Normal(0.0, 1.0)), axis=1)
    right = float(tf.reduce_mean(spent - tf.reduce_sum(log_p, axis=1)))
    expect(
        not np.isclose(answer, -right, rtol=1e-3),
        "loss: this is the ELBO. Descent would make it as small as possible: the sign.",
    )
    constant = size * (np.log(2 * np.pi) / 2 - 0.4)
    expect(
        not np.isclose(answer, right - constant, rtol=1e-3),
        "loss: the normalising constant of p(x | z) is missing, and s would grow without limit.",
    )
    averaged = tf.reduce_mean(spent - tf.reduce_mean(log_p, axis=1))
    expect(
        not np.isclose(answer, averaged, rtol=1e-3),
        "loss: the mean over the D coordinates of x; log p(x | z) is a sum.",
    )
    expect(
        np.isclose(answer, right, rtol=1e-3),
        f"loss: {right:.3f} is right, you have {float(answer):.3f}. Is z made with exp(v / 2), and is the KL that of V x and v?",
    )


def test_training(size, latent, seed):
    x, p = make_data(1000, size, latent, np.random.default_rng(seed)), start(size, latent, seed)
    bound, best = -fit(x, p), best_log_prob(x, latent)
    W, s = p["W"].numpy(), float(tf.exp(p["log_s"]))
    exact = exact_log_prob(x, W, s).mean()
    expect(
        bound < exact + 0.05,
        f"training: the ELBO is {bound:.2f}, log p(x) is {exact:.2f}: a lower bound is above what it bounds.",
    )
    expect(
        bound > best - 0.1,
        f"training: the ELBO came to {bound:.2f}; probabilistic PCA has {best:.2f}.",
    )
    return x, p, best


with check("Exercise 6"):
    test_exact(4, 2, 0.3, np.random.default_rng(9))
    test_loss(5, 2, seed=10)
    found = test_training(6, 2, seed=11)
    print(f"the best mean log p(x): {found[2]:.2f} nats, reached")

# %% [markdown]
# ## On your own (not graded)
#
# Below is what exercise 6 has learned (empty until it is done): the gap between bound and truth for each object, and the variances of $q$ beside $1 / M_{jj}$. Then some questions that have no check:
#
# * Why $1 / M_{jj}$ and not $(M^{-1})_{jj}$, the true variance of $z_j$? Maximise the ELBO over $v$ by hand; the second is never smaller. When are they equal?
# * Train with `latent` larger than the data need. Which rows of $V$ become zero, and what is their $v$? This is posterior collapse, and here it is right.
# * Put a factor $\beta$ before the KL in your loss. What happens to $s$ and to $W$ as $\beta$ grows? Does the exact $\log p(x)$ still reach that of probabilistic PCA?
# * Replace the reparameterised gradient with the score-function one. How many samples of $z$ for each object does it take to train as well?
# * Take `models.VAE` on `fashion_mnist`, and score digits with it, by the ELBO and by `importance_weighted`. Which are more probable? (Unit 08 asks just that.)

# %%
if "found" in globals():
    x, p, _ = found
    W, V, v = (p[name].numpy().astype(float) for name in ("W", "V", "v"))
    s = float(tf.exp(p["log_s"]))
    M = np.eye(len(v)) + W.T @ W / s**2
    posterior_mean = x @ W @ np.linalg.inv(M) / s**2
    off = posterior_mean - x @ V.T
    trace = np.sum(np.diag(M) * np.exp(v)) - len(v)
    log_dets = -np.linalg.slogdet(M).logabsdet - v.sum()
    gaps = 0.5 * (trace + np.sum((off @ M) * off, axis=1) + log_dets)

    figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    axes[0].hist(gaps, bins=40, color="#7fb7c9")
    axes[0].set(xlabel=r"$\log p(x) - \mathrm{ELBO}$, nats", ylabel="objects")
    axes[1].plot(1 / np.diag(M), np.exp(v), "o", color="#d1495b")
    axes[1].plot([0, 0.2], [0, 0.2], color="black", lw=0.7)
    axes[1].set(xlabel="$1 / M_{jj}$", ylabel="$e^{v_j}$")
