# Answers that a student may well give, and that must get no points. `en` and `ru`: a part of the message they must get.

# %% exercise="log-prob" name="plus_the_sum" en="wrong sign" ru="не тот знак"
def maf_log_prob(x, t, s):
    return stats.norm.logpdf((x - t) * np.exp(-s)).sum(axis=1) + s.sum(axis=1)


# %% exercise="log-prob" name="no_determinant" en="log-determinant is missing" ru="логарифма якобиана нет"
def maf_log_prob(x, t, s):
    return stats.norm.logpdf((x - t) * np.exp(-s)).sum(axis=1)


# %% exercise="log-prob" name="sum_over_the_batch" en="its own log p" ru="свой log p"
def maf_log_prob(x, t, s):
    return np.sum(stats.norm.logpdf((x - t) * np.exp(-s)) - s)


# %% exercise="log-prob" name="the_other_direction" en="Is z = " ru="Верно ли, что z"
def maf_log_prob(x, t, s):
    return stats.norm.logpdf(x * np.exp(s) + t).sum(axis=1) - s.sum(axis=1)


# %% exercise="log-prob" name="s_for_variance" en="Is z = " ru="Верно ли, что z"
def maf_log_prob(x, t, s):
    return stats.norm.logpdf((x - t) / np.exp(s / 2)).sum(axis=1) - s.sum(axis=1) / 2


# %% exercise="masks" name="off_by_one" en="its own coordinate" ru="собственную координату"
def make_masks(degrees):
    pairs = itertools.pairwise([*degrees, degrees[0]])
    return [after[None, :] >= before[:, None] for before, after in pairs]


# %% exercise="masks" name="strict_everywhere" en="knows as much as itself" ru="знает столько же"
def make_masks(degrees):
    pairs = itertools.pairwise([*degrees, degrees[0]])
    return [after[None, :] > before[:, None] for before, after in pairs]


# %% exercise="masks" name="transposed" en="leads from" ru="ведёт от"
def make_masks(degrees):
    masks = [after[:, None] >= before[None, :] for before, after in itertools.pairwise(degrees)]
    return [*masks, degrees[0][:, None] > degrees[-1][None, :]]


# %% exercise="masks" name="the_wrong_way_round" en="comes after it" ru="идёт после него"
def make_masks(degrees):
    masks = [after[None, :] <= before[:, None] for before, after in itertools.pairwise(degrees)]
    return [*masks, degrees[0][None, :] < degrees[-1][:, None]]


# %% exercise="masks" name="no_mask_of_the_output" en="the last one to the outputs" ru="последняя к выходам"
def make_masks(degrees):
    return [after[None, :] >= before[:, None] for before, after in itertools.pairwise(degrees)]


# %% exercise="masks" name="output_one_too_strict" en="knows less than its coordinate" ru="знает меньше его координаты"
def make_masks(degrees):
    masks = [after[None, :] >= before[:, None] for before, after in itertools.pairwise(degrees)]
    return [*masks, degrees[0][None, :] > degrees[-1][:, None] + 1]


# %% exercise="loop" name="network_fed_with_noise" en="given the noise" ru="подали шум"
def sample(t_and_s, z):
    t, s = t_and_s(z)
    return z * np.exp(s) + t


# %% exercise="loop" name="noise_in_every_pass" en="given the noise" ru="подали шум"
def sample(t_and_s, z):
    for _ in range(z.shape[1]):
        t, s = t_and_s(z)
        x = z * np.exp(s) + t
    return x


# %% exercise="loop" name="one_pass_too_few" en="one more coordinate" ru="ещё одну координату"
def sample(t_and_s, z):
    x = np.zeros_like(z)
    for _ in range(z.shape[1] - 1):
        t, s = t_and_s(x)
        x = z * np.exp(s) + t
    return x


# %% exercise="loop" name="scaled_the_other_way" en="newest x" ru="самом новом x"
def sample(t_and_s, z):
    x = np.zeros_like(z)
    for _ in range(z.shape[1]):
        t, s = t_and_s(x)
        x = (z - t) * np.exp(-s)
    return x


# %% exercise="loop" name="x_scaled_again_and_again" en="newest x" ru="самом новом x"
def sample(t_and_s, z):
    x = z
    for _ in range(z.shape[1]):
        t, s = t_and_s(x)
        x = x * np.exp(np.clip(s, -1, 0)) + t
    return x


# %% exercise="loop" name="columns_in_the_order_of_the_array" en="newest x" ru="самом новом x"
def sample(t_and_s, z):
    x = np.zeros_like(z)
    for d in range(z.shape[1]):
        t, s = t_and_s(x)
        x[:, d] = z[:, d] * np.exp(s[:, d]) + t[:, d]
    return x


# %% exercise="loop" name="too_many_passes" en="of them are enough" ru="хватит и"
def sample(t_and_s, z):
    x = np.zeros_like(z)
    for _ in range(100):
        t, s = t_and_s(x)
        x = z * np.exp(s) + t
    return x


# %% exercise="iaf" name="not_inverted" en="slow method" ru="медленный метод"
def iaf_sample(z, maf):
    x, log_det = maf.to_data(z)
    return x, stats.norm.logpdf(z).sum(axis=1) - log_det


def iaf_log_prob(x, maf):
    z, log_det = maf.to_noise(x)
    return stats.norm.logpdf(z).sum(axis=1) + log_det


# %% exercise="iaf" name="sign_of_the_determinant" en="dx/dz is added" ru="прибавлен логарифм якобиана dx/dz"
def iaf_sample(z, maf):
    x, log_det = maf.to_noise(z)
    return x, stats.norm.logpdf(z).sum(axis=1) + log_det


def iaf_log_prob(x, maf):
    z, log_det = maf.to_data(x)
    return stats.norm.logpdf(z).sum(axis=1) + log_det


# %% exercise="iaf" name="density_of_the_maf" en="that the MAF gives to z" ru="сам MAF"
def iaf_sample(z, maf):
    x, log_det = maf.to_noise(z)
    return x, stats.norm.logpdf(x).sum(axis=1) + log_det


def iaf_log_prob(x, maf):
    z, log_det = maf.to_data(x)
    return stats.norm.logpdf(z).sum(axis=1) + log_det


# %% exercise="iaf" name="sign_when_scoring" en="is a minus needed" ru="нужен ли минус"
def iaf_sample(z, maf):
    x, log_det = maf.to_noise(z)
    return x, stats.norm.logpdf(z).sum(axis=1) - log_det


def iaf_log_prob(x, maf):
    z, log_det = maf.to_data(x)
    return stats.norm.logpdf(z).sum(axis=1) - log_det


# %% exercise="iaf" name="scored_as_a_maf" en="iaf_log_prob: for the x" ru="iaf_log_prob: для x"
def iaf_sample(z, maf):
    x, log_det = maf.to_noise(z)
    return x, stats.norm.logpdf(z).sum(axis=1) - log_det


def iaf_log_prob(x, maf):
    z, log_det = maf.to_noise(x)
    return stats.norm.logpdf(z).sum(axis=1) + log_det


# %% exercise="iaf" name="no_determinant" en="is not log p_z" ru="это не log p_z"
def iaf_sample(z, maf):
    return maf.to_noise(z)[0], stats.norm.logpdf(z).sum(axis=1)


def iaf_log_prob(x, maf):
    return stats.norm.logpdf(maf.to_data(x)[0]).sum(axis=1)


# %% exercise="condition" name="no_unit_of_degree_0" en="x1 does not hear c" ru="x1 не слышит c"
def conditional_degrees(D, K, width):
    inputs = np.concatenate([np.zeros(K, int), np.arange(1, D + 1)])
    return inputs, 1 + np.arange(width) % (D - 1)


# %% exercise="condition" name="condition_as_first_coordinate" en="x1 does not hear c" ru="x1 не слышит c"
def conditional_degrees(D, K, width):
    inputs = np.concatenate([np.ones(K, int), np.arange(1, D + 1)])
    return inputs, np.arange(width) % D


# %% exercise="condition" name="condition_last" en="does not hear all of c" ru="слышит не весь c"
def conditional_degrees(D, K, width):
    inputs = np.concatenate([D + np.arange(1, K + 1), np.arange(1, D + 1)])
    return inputs, np.arange(width) % D


# %% exercise="condition" name="places_from_0" en="its own coordinate" ru="свою координату"
def conditional_degrees(D, K, width):
    return np.concatenate([np.zeros(K, int), np.arange(D)]), np.arange(width) % D


# %% exercise="condition" name="all_hidden_of_degree_0" en="a coordinate that comes before" ru="предыдущей координаты"
def conditional_degrees(D, K, width):
    inputs = np.concatenate([np.zeros(K, int), np.arange(1, D + 1)])
    return inputs, np.zeros(width, int)


# %% exercise="condition" name="one_degree_too_many" en="no output may listen" ru="ни один выход не вправе"
def conditional_degrees(D, K, width):
    inputs = np.concatenate([np.zeros(K, int), np.arange(1, D + 1)])
    return inputs, np.arange(width)[::-1] % (D + 1)


# %% exercise="fill" name="one_degree_late" en="degree 1 filled in" ru="нейроны степени 1"
def fill(z, W, b, V, c, degrees, phi):
    (n, D), H = z.shape, len(degrees)
    x, h = np.zeros((n, D)), np.zeros((n, H))
    for d in range(D):
        x[:, d] = z[:, d] * np.exp(h @ V[:, D + d] + c[D + d]) + h @ V[:, d] + c[d]
        ripe = degrees == d
        h[:, ripe] = phi(x @ W[:, ripe] + b[ripe])
    return x


# %% exercise="fill" name="one_degree_early" en="degree 1 filled in" ru="нейроны степени 1"
def fill(z, W, b, V, c, degrees, phi):
    (n, D), H = z.shape, len(degrees)
    x, h = np.zeros((n, D)), np.zeros((n, H))
    for d in range(D):
        ripe = degrees == d + 1
        h[:, ripe] = phi(x @ W[:, ripe] + b[ripe])
        x[:, d] = z[:, d] * np.exp(h @ V[:, D + d] + c[D + d]) + h @ V[:, d] + c[d]
    return x


# %% exercise="fill" name="the_plain_loop" en="are enough: 3 examples" ru="3 примера по"
def fill(z, W, b, V, c, degrees, phi):
    x = np.zeros_like(z)
    for _ in range(z.shape[1]):
        t, s = np.split(phi(x @ W + b) @ V + c, 2, axis=1)
        x = z * np.exp(s) + t
    return x


# %% exercise="fill" name="all_known_units_again" en="are enough: 3 examples" ru="3 примера по"
def fill(z, W, b, V, c, degrees, phi):
    (n, D), H = z.shape, len(degrees)
    x, h = np.zeros((n, D)), np.zeros((n, H))
    for d in range(D):
        x[:, d] = z[:, d] * np.exp(h @ V[:, D + d] + c[D + d]) + h @ V[:, d] + c[d]
        ripe = degrees <= d + 1
        h[:, ripe] = phi(x @ W[:, ripe] + b[ripe])
    return x


# %% exercise="fill" name="biases_of_the_output_lost" en="coordinate 1 is the first" ru="координата 1 первая"
def fill(z, W, b, V, c, degrees, phi):
    (n, D), H = z.shape, len(degrees)
    x, h = np.zeros((n, D)), np.zeros((n, H))
    for d in range(D):
        x[:, d] = z[:, d] * np.exp(h @ V[:, D + d]) + h @ V[:, d]
        ripe = degrees == d + 1
        h[:, ripe] = phi(x @ W[:, ripe] + b[ripe])
    return x


# %% exercise="fill" name="t_and_s_interleaved" en="coordinate 1 is the first" ru="координата 1 первая"
def fill(z, W, b, V, c, degrees, phi):
    (n, D), H = z.shape, len(degrees)
    x, h = np.zeros((n, D)), np.zeros((n, H))
    for d in range(D):
        x[:, d] = z[:, d] * np.exp(h @ V[:, 2 * d + 1] + c[2 * d + 1]) + h @ V[:, 2 * d] + c[2 * d]
        ripe = degrees == d + 1
        h[:, ripe] = phi(x @ W[:, ripe] + b[ripe])
    return x
