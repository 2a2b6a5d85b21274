# Answers that a student may well give, and that must get no points. `en` and `ru`: a part of the message they must get.

# %% exercise="auroc" name="outside_first" en="the other way round" ru="наоборот"
def auroc(inside, outside):
    return np.mean(
        (inside[:, None] < outside) + 0.5 * (inside[:, None] == outside)
    )


# %% exercise="auroc" name="equal_pairs_lost" en="neither nothing nor whole" ru="не за ноль"
def auroc(inside, outside):
    return np.mean(inside[:, None] > outside)


# %% exercise="auroc" name="equal_pairs_whole" en="neither nothing nor whole" ru="не за целую"
def auroc(inside, outside):
    return np.mean(inside[:, None] >= outside)


# %% exercise="auroc" name="ranks_not_reduced" en="ranks within the set" ru="ранги внутри"
def auroc(inside, outside):
    ranks = stats.rankdata(np.concatenate([inside, outside]))[: len(inside)]
    return ranks.sum() / (len(inside) * len(outside))


# %% exercise="auroc" name="one_threshold" en="are won and" ru="выиграно"
def auroc(inside, outside):
    return np.mean(inside > np.median(outside))


# %% exercise="gap" name="half_lost" en="twice too much" ru="вдвое больше"
def expected_gap(mean_p, var_p, mean_q, var_q):
    return -np.sum((var_q - var_p + (mean_q - mean_p) ** 2) / var_p)


# %% exercise="gap" name="std_for_variance" en="standard deviations" ru="стандартные отклонения"
def expected_gap(mean_p, var_p, mean_q, var_q):
    return -0.5 * np.sum((var_q**0.5 - var_p**0.5 + (mean_q - mean_p) ** 2) / var_p)


# %% exercise="gap" name="sign" en="opposite sign" ru="знак противоположный"
def expected_gap(mean_p, var_p, mean_q, var_q):
    return 0.5 * np.sum((var_q - var_p + (mean_q - mean_p) ** 2) / var_p)


# %% exercise="gap" name="equal_means" en="equal means only" ru="лишь при равных средних"
def expected_gap(mean_p, var_p, mean_q, var_q):
    return -0.5 * np.sum((var_q - var_p) / var_p)


# %% exercise="gap" name="mean_over_dimensions" en="log p is a sum" ru="log p — сумма"
def expected_gap(mean_p, var_p, mean_q, var_q):
    return -0.5 * np.mean((var_q - var_p + (mean_q - mean_p) ** 2) / var_p)


# %% exercise="gap" name="not_divided_by_the_variance" en="divided by what" ru="на что они делятся"
def expected_gap(mean_p, var_p, mean_q, var_q):
    return -0.5 * np.sum(var_q - var_p + (mean_q - mean_p) ** 2)


# %% exercise="alpha" name="columns" en="sums of columns" ru="суммы столбцов"
def alpha(kernels):
    return kernels.sum(axis=1).prod(axis=0)


def paper_gap(alpha_c, prior_variance, var_p, var_q):
    return -np.sum(alpha_c**2 * (var_q - var_p)) / (2 * prior_variance)


# %% exercise="alpha" name="diagonal" en="only the diagonal" ru="только диагональ"
def alpha(kernels):
    return np.array([np.diag(kernel) for kernel in kernels]).prod(axis=0)


def paper_gap(alpha_c, prior_variance, var_p, var_q):
    return -np.sum(alpha_c**2 * (var_q - var_p)) / (2 * prior_variance)


# %% exercise="alpha" name="layers_added" en="multiplied, not added" ru="а не складываются"
def alpha(kernels):
    return kernels.sum(axis=(0, 2))


def paper_gap(alpha_c, prior_variance, var_p, var_q):
    return -np.sum(alpha_c**2 * (var_q - var_p)) / (2 * prior_variance)


# %% exercise="alpha" name="alpha_not_squared" en="Is alpha squared" ru="В квадрате ли alpha"
def alpha(kernels):
    return kernels.sum(axis=2).prod(axis=0)


def paper_gap(alpha_c, prior_variance, var_p, var_q):
    return -np.sum(alpha_c * (var_q - var_p)) / (2 * prior_variance)


# %% exercise="alpha" name="no_half" en="where is the half" ru="где половина"
def alpha(kernels):
    return kernels.sum(axis=2).prod(axis=0)


def paper_gap(alpha_c, prior_variance, var_p, var_q):
    return -np.sum(alpha_c**2 * (var_q - var_p)) / prior_variance


# %% exercise="alpha" name="p_and_q_exchanged" en="opposite sign" ru="знак противоположный"
def alpha(kernels):
    return kernels.sum(axis=2).prod(axis=0)


def paper_gap(alpha_c, prior_variance, var_p, var_q):
    return -np.sum(alpha_c**2 * (var_p - var_q)) / (2 * prior_variance)


# %% exercise="sign" name="about_black" en="About what" ru="Относительно чего"
def contrast(x, k):
    return k * x


def predicted_gap(inside, outside, s_2):
    shift = outside.mean(axis=0) - inside.mean(axis=0)
    return -np.sum(outside.var(axis=0) - inside.var(axis=0) + shift**2) / (2 * s_2)


# %% exercise="sign" name="root_of_the_factor" en="k.2 times" ru="умножиться на k"
def contrast(x, k):
    return x.mean(axis=0) + k**0.5 * (x - x.mean(axis=0))


def predicted_gap(inside, outside, s_2):
    shift = outside.mean(axis=0) - inside.mean(axis=0)
    return -np.sum(outside.var(axis=0) - inside.var(axis=0) + shift**2) / (2 * s_2)


# %% exercise="sign" name="equal_means" en="doubtful step" ru="сомнительный шаг"
def contrast(x, k):
    return x.mean(axis=0) + k * (x - x.mean(axis=0))


def predicted_gap(inside, outside, s_2):
    return -np.sum(outside.var(axis=0) - inside.var(axis=0)) / (2 * s_2)


# %% exercise="sign" name="variance_over_all_pixels" en="over all pixels together" ru="по всем пикселям сразу"
def contrast(x, k):
    return x.mean(axis=0) + k * (x - x.mean(axis=0))


def predicted_gap(inside, outside, s_2):
    shift = outside.mean(axis=0) - inside.mean(axis=0)
    return -(inside[0].size * (outside.var() - inside.var()) + np.sum(shift**2)) / (2 * s_2)


# %% exercise="sign" name="std_for_variance" en="has variances" ru="в формуле дисперсии"
def contrast(x, k):
    return x.mean(axis=0) + k * (x - x.mean(axis=0))


def predicted_gap(inside, outside, s_2):
    shift = outside.mean(axis=0) - inside.mean(axis=0)
    return -np.sum(outside.std(axis=0) - inside.std(axis=0) + shift**2) / (2 * s_2)


# %% exercise="hessian" name="first_derivative" en="the slope" ru="это наклон"
def curvature(log_prob, x_0, v):
    x = x_0 + 0 * v
    with tf.GradientTape() as tape:
        tape.watch(x)
        log_p = log_prob(x)
    return tf.reduce_sum(tape.gradient(log_p, x) * v, axis=1)


# %% exercise="hessian" name="half" en="half of Taylor" ru="половина из формулы Тейлора"
def curvature(log_prob, x_0, v):
    t = tf.zeros((len(v), 1), v.dtype)
    with tf.GradientTape() as outer:
        outer.watch(t)
        with tf.GradientTape() as inner:
            inner.watch(t)
            log_p = log_prob(x_0 + t * v)
        slope = inner.gradient(log_p, t)
    return 0.5 * outer.gradient(slope, t)[:, 0]


# %% exercise="hessian" name="sum_over_directions" en="one number for each" ru="по числу на каждое"
def curvature(log_prob, x_0, v):
    t = tf.zeros((), v.dtype)
    with tf.GradientTape() as outer:
        outer.watch(t)
        with tf.GradientTape() as inner:
            inner.watch(t)
            log_p = log_prob(x_0 + t * v)
        slope = inner.gradient(log_p, t)
    return outer.gradient(slope, t)


# %% exercise="hessian" name="sum_of_a_row" en="all pairs of coordinates" ru="все пары координат"
def curvature(log_prob, x_0, v):
    x = x_0 + 0 * v
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            log_p = log_prob(x)
        slope = inner.gradient(log_p, x)
    return tf.reduce_sum(outer.gradient(slope, x) * v**2, axis=1)


# %% exercise="threshold" name="about_black" en="fade to black" ru="гаснут к чёрному"
def threshold_contrast(log_prob, inside, outside):
    scores, low, high = log_prob(inside), 0.0, 3.0
    if area(scores, log_prob(0 * outside)) > 0.5 or area(scores, log_prob(3 * outside)) < 0.5:
        return np.nan
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if area(scores, log_prob(middle * outside)) < 0.5 else (low, middle)
    return (low + high) / 2


# %% exercise="threshold" name="equal_means_of_log_p" en="counts pairs, not means" ru="считает пары, а не средние"
def threshold_contrast(log_prob, inside, outside):
    centre, level, low, high = outside.mean(axis=0), log_prob(inside).mean(), 0.0, 3.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        above = log_prob(centre + middle * (outside - centre)).mean() > level
        low, high = (middle, high) if above else (low, middle)
    return (low + high) / 2


# %% exercise="threshold" name="wrong_way" en="Which way" ru="В какую сторону"
def threshold_contrast(log_prob, inside, outside):
    scores, centre, low, high = log_prob(inside), outside.mean(axis=0), 0.0, 3.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        now = area(scores, log_prob(centre + middle * (outside - centre)))
        low, high = (middle, high) if now > 0.5 else (low, middle)
    return (low + high) / 2


# %% exercise="threshold" name="no_answer_is_an_answer" en="np.nan is wanted" ru="нужно np.nan"
def threshold_contrast(log_prob, inside, outside):
    scores, centre, low, high = log_prob(inside), outside.mean(axis=0), 0.0, 3.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        now = area(scores, log_prob(centre + middle * (outside - centre)))
        low, high = (middle, high) if now < 0.5 else (low, middle)
    return (low + high) / 2
