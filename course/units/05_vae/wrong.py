# Answers that a student may well give, and that must get no points. `en` and `ru`: a part of the message they must get.

# %% exercise="kl" name="half_lost" en="where is the half" ru="одна вторая"
def kl(mean, log_var):
    return (mean**2 + np.exp(log_var) - 1 - log_var).sum(axis=1)


# %% exercise="kl" name="log_variance_for_log_deviation" en="logarithm of the deviation" ru="логарифм отклонения"
def kl(mean, log_var):
    return 0.5 * (mean**2 + np.exp(2 * log_var) - 1 - 2 * log_var).sum(axis=1)


# %% exercise="kl" name="log_variance_for_variance" en="the logarithm already" ru="уже логарифм"
def kl(mean, log_var):
    with np.errstate(invalid="ignore"):
        return 0.5 * (mean**2 + log_var - 1 - np.log(log_var)).sum(axis=1)


# %% exercise="kl" name="sign" en="never negative" ru="не бывает отрицательной"
def kl(mean, log_var):
    return 0.5 * (1 + log_var - mean**2 - np.exp(log_var)).sum(axis=1)


# %% exercise="kl" name="mean_over_the_code" en="mean over coordinates" ru="среднее по координатам"
def kl(mean, log_var):
    return 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).mean(axis=1)


# %% exercise="kl" name="sum_over_the_batch" en="over which axis" ru="по какой оси"
def kl(mean, log_var):
    return 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum()


# %% exercise="draw" name="one_noise_for_the_batch" en="new for each picture" ru="свой ли он"
def draw(mean, log_var, source):
    return mean + np.exp(log_var / 2) * source.standard_normal(mean.shape[1])


# %% exercise="draw" name="variance_for_deviation" en="that is the variance" ru="а это дисперсия"
def draw(mean, log_var, source):
    return mean + np.exp(log_var) * source.standard_normal(mean.shape)


# %% exercise="draw" name="log_variance_for_deviation" en="the standard deviation is" ru="стандартное отклонение"
def draw(mean, log_var, source):
    return mean + log_var * source.standard_normal(mean.shape)


# %% exercise="draw" name="one_noise_for_a_code" en="noise of its own" ru="свой шум"
def draw(mean, log_var, source):
    return mean + np.exp(log_var / 2) * source.standard_normal((len(mean), 1))


# %% exercise="draw" name="mean_forgotten" en="the mean of z" ru="среднее z"
def draw(mean, log_var, source):
    return np.exp(log_var / 2) * source.standard_normal(mean.shape)


# %% exercise="elbo" name="mean_over_pixels" en="the code will collapse" ru="код схлопнется"
def elbo(x, logits, mean, log_var, kl):
    log_likelihood = (x * logits - np.logaddexp(0, logits)).mean(axis=1)
    return log_likelihood - kl(mean, log_var)


# %% exercise="elbo" name="kl_added" en="has to be paid" ru="надо платить"
def elbo(x, logits, mean, log_var, kl):
    log_likelihood = (x * logits - np.logaddexp(0, logits)).sum(axis=1)
    return log_likelihood + kl(mean, log_var)


# %% exercise="elbo" name="overflow" en="has overflowed" ru="переполнилась"
def elbo(x, logits, mean, log_var, kl):
    log_likelihood = (x * logits - np.log(1 + np.exp(logits))).sum(axis=1)
    return log_likelihood - kl(mean, log_var)


# %% exercise="elbo" name="loss" en="the bound is asked for" ru="нужна сама оценка"
def elbo(x, logits, mean, log_var, kl):
    log_likelihood = (x * logits - np.logaddexp(0, logits)).sum(axis=1)
    return kl(mean, log_var) - log_likelihood


# %% exercise="elbo" name="mean_over_the_batch" en="its own bound" ru="своя оценка"
def elbo(x, logits, mean, log_var, kl):
    log_likelihood = (x * logits - np.logaddexp(0, logits)).sum(axis=1)
    return np.mean(log_likelihood - kl(mean, log_var))


# %% exercise="score" name="squared_norm" en="a component for every coordinate" ru="по составляющей"
def score(denoise, x, sigma):
    return np.sum((denoise(x) - x) ** 2, axis=1) / sigma**2


# %% exercise="score" name="divided_by_sigma" en="a power of sigma" ru="на степень sigma"
def score(denoise, x, sigma):
    return (denoise(x) - x) / sigma


# %% exercise="score" name="sign" en="away from the data" ru="прочь от данных"
def score(denoise, x, sigma):
    return (x - denoise(x)) / sigma**2


# %% exercise="score" name="not_divided" en="a power of sigma" ru="на степень sigma"
def score(denoise, x, sigma):
    return denoise(x) - x


# %% exercise="weighted" name="mean_of_logarithms" en="mean of logarithms" ru="среднее логарифмов"
def weighted_bound(log_likelihood, log_prior, log_q):
    log_w = log_likelihood + log_prior - log_q
    relative = np.exp(log_w - log_w.max(axis=0))
    return log_w.mean(axis=0), relative.std(axis=0) / relative.mean(axis=0) / np.sqrt(len(log_w))


# %% exercise="weighted" name="sum_for_mean" en="has not become a mean" ru="не стала средним"
def weighted_bound(log_likelihood, log_prior, log_q):
    log_w = log_likelihood + log_prior - log_q
    relative = np.exp(log_w - log_w.max(axis=0))
    error = relative.std(axis=0) / relative.mean(axis=0) / np.sqrt(len(log_w))
    return special.logsumexp(log_w, axis=0), error


# %% exercise="weighted" name="underflow" en="have left the logarithm" ru="вышли из-под логарифма"
def weighted_bound(log_likelihood, log_prior, log_q):
    w = np.exp(log_likelihood + log_prior - log_q)
    return np.log(w.mean(axis=0)), w.std(axis=0) / w.mean(axis=0) / np.sqrt(len(w))


# %% exercise="weighted" name="q_forgotten" en="what is divided" ru="а что делится"
def weighted_bound(log_likelihood, log_prior, log_q):
    log_w = log_likelihood + log_prior
    relative = np.exp(log_w - log_w.max(axis=0))
    error = relative.std(axis=0) / relative.mean(axis=0) / np.sqrt(len(log_w))
    return special.logsumexp(log_w, axis=0) - np.log(len(log_w)), error


# %% exercise="weighted" name="over_the_pictures" en="for each of" ru="нужен размер"
def weighted_bound(log_likelihood, log_prior, log_q):
    log_w = log_likelihood + log_prior - log_q
    relative = np.exp(log_w - log_w.max())
    error = relative.std(axis=1) / relative.mean(axis=1) / np.sqrt(log_w.shape[1])
    return special.logsumexp(log_w, axis=1) - np.log(log_w.shape[1]), error


# %% exercise="weighted" name="scatter_for_error" en="the relative scatter" ru="относительный разброс"
def weighted_bound(log_likelihood, log_prior, log_q):
    log_w = log_likelihood + log_prior - log_q
    relative = np.exp(log_w - log_w.max(axis=0))
    return special.logsumexp(log_w, axis=0) - np.log(len(log_w)), relative.std(axis=0) / relative.mean(axis=0)


# %% exercise="linear" name="elbo_for_loss" en="this is the ELBO" ru="это ELBO"
def loss(x, noise, p):
    mean = tf.matmul(x, p["V"], transpose_b=True)
    z = mean + tf.exp(p["v"] / 2) * noise
    error = (x - tf.matmul(z, p["W"], transpose_b=True)) * tf.exp(-p["log_s"])
    log_p = -tf.reduce_sum(error**2 / 2 + np.log(2 * np.pi) / 2 + p["log_s"], axis=1)
    spent = tf.reduce_sum(mean**2 + tf.exp(p["v"]) - 1 - p["v"], axis=1) / 2
    return tf.reduce_mean(log_p - spent)


def exact_log_prob(x, W, s):
    return stats.multivariate_normal(cov=W @ W.T + s**2 * np.eye(len(W))).logpdf(x)


# %% exercise="linear" name="constant_forgotten" en="normalising constant" ru="нормировочного множителя"
def loss(x, noise, p):
    mean = tf.matmul(x, p["V"], transpose_b=True)
    z = mean + tf.exp(p["v"] / 2) * noise
    error = (x - tf.matmul(z, p["W"], transpose_b=True)) * tf.exp(-p["log_s"])
    spent = tf.reduce_sum(mean**2 + tf.exp(p["v"]) - 1 - p["v"], axis=1) / 2
    return tf.reduce_mean(spent + tf.reduce_sum(error**2 / 2, axis=1))


def exact_log_prob(x, W, s):
    return stats.multivariate_normal(cov=W @ W.T + s**2 * np.eye(len(W))).logpdf(x)


# %% exercise="linear" name="mean_over_coordinates" en="D coordinates" ru="D координатам"
def loss(x, noise, p):
    mean = tf.matmul(x, p["V"], transpose_b=True)
    z = mean + tf.exp(p["v"] / 2) * noise
    error = (x - tf.matmul(z, p["W"], transpose_b=True)) * tf.exp(-p["log_s"])
    log_p = -tf.reduce_mean(error**2 / 2 + np.log(2 * np.pi) / 2 + p["log_s"], axis=1)
    spent = tf.reduce_sum(mean**2 + tf.exp(p["v"]) - 1 - p["v"], axis=1) / 2
    return tf.reduce_mean(spent - log_p)


def exact_log_prob(x, W, s):
    return stats.multivariate_normal(cov=W @ W.T + s**2 * np.eye(len(W))).logpdf(x)


# %% exercise="linear" name="variance_for_deviation" en="exp.v / 2" ru="exp.v / 2"
def loss(x, noise, p):
    mean = tf.matmul(x, p["V"], transpose_b=True)
    z = mean + tf.exp(p["v"]) * noise
    error = (x - tf.matmul(z, p["W"], transpose_b=True)) * tf.exp(-p["log_s"])
    log_p = -tf.reduce_sum(error**2 / 2 + np.log(2 * np.pi) / 2 + p["log_s"], axis=1)
    spent = tf.reduce_sum(mean**2 + tf.exp(p["v"]) - 1 - p["v"], axis=1) / 2
    return tf.reduce_mean(spent - log_p)


def exact_log_prob(x, W, s):
    return stats.multivariate_normal(cov=W @ W.T + s**2 * np.eye(len(W))).logpdf(x)


# %% exercise="linear" name="deviation_for_variance" en="covariance of W z" ru="ковариация W z"
def loss(x, noise, p):
    mean = tf.matmul(x, p["V"], transpose_b=True)
    z = mean + tf.exp(p["v"] / 2) * noise
    error = (x - tf.matmul(z, p["W"], transpose_b=True)) * tf.exp(-p["log_s"])
    log_p = -tf.reduce_sum(error**2 / 2 + np.log(2 * np.pi) / 2 + p["log_s"], axis=1)
    spent = tf.reduce_sum(mean**2 + tf.exp(p["v"]) - 1 - p["v"], axis=1) / 2
    return tf.reduce_mean(spent - log_p)


def exact_log_prob(x, W, s):
    return stats.multivariate_normal(cov=W @ W.T + s * np.eye(len(W))).logpdf(x)
