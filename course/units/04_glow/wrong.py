# Answers that a student may well give, and that must get no points. `en` and `ru`: a part of the message they must get.

# %% exercise="bits" name="scaling_forgotten" en="8 bits too few" ru="не хватает 8 битов"
def bits_per_dim(log_q_v, shape):
    return -log_q_v / (np.prod(shape) * np.log(2))


# %% exercise="bits" name="pixels_for_dimensions" en="without the channels" ru="без каналов"
def bits_per_dim(log_q_v, shape):
    return -log_q_v / (shape[0] * shape[1] * np.log(2)) + 8


# %% exercise="bits" name="nats" en="a bit is ln 2 nats" ru="бит — это ln 2 ната"
def bits_per_dim(log_q_v, shape):
    return -log_q_v / np.prod(shape) + np.log(256)


# %% exercise="bits" name="term_with_the_other_sign" en="the other sign" ru="другой знак"
def bits_per_dim(log_q_v, shape):
    return -log_q_v / (np.prod(shape) * np.log(2)) - 8


# %% exercise="bits" name="mean_over_the_batch" en="one number for each image" ru="по числу на картинку"
def bits_per_dim(log_q_v, shape):
    return np.mean(-log_q_v / (np.prod(shape) * np.log(2)) + 8)


# %% exercise="actnorm" name="no_h_w" en="multiplies h w numbers" ru="умножает h w чисел"
def initialise(x, floor=1e-3):
    s = 1 / np.maximum(x.std(axis=(0, 1, 2)), floor)
    return s, -x.mean(axis=(0, 1, 2)) * s


def actnorm(x, s, b):
    return s * x + b, np.log(np.abs(s)).sum()


# %% exercise="actnorm" name="log_of_a_negative_scale" en="for negative s as well" ru="при отрицательных s тоже"
def initialise(x, floor=1e-3):
    s = 1 / np.maximum(x.std(axis=(0, 1, 2)), floor)
    return s, -x.mean(axis=(0, 1, 2)) * s


def actnorm(x, s, b):
    with np.errstate(invalid="ignore"):
        return s * x + b, x.shape[1] * x.shape[2] * np.log(s).sum()


# %% exercise="actnorm" name="every_pixel_its_own" en="one number per channel" ru="по числу на канал"
def initialise(x, floor=1e-3):
    s = 1 / np.maximum(x.std(axis=0), floor)
    return s, -x.mean(axis=0) * s


def actnorm(x, s, b):
    return s * x + b, x.shape[1] * x.shape[2] * np.log(np.abs(s)).sum()


# %% exercise="actnorm" name="variance_for_deviation" en="divide by its root" ru="на корень из неё"
def initialise(x, floor=1e-3):
    s = 1 / np.maximum(x.var(axis=(0, 1, 2)), floor)
    return s, -x.mean(axis=(0, 1, 2)) * s


def actnorm(x, s, b):
    return s * x + b, x.shape[1] * x.shape[2] * np.log(np.abs(s)).sum()


# %% exercise="actnorm" name="mean_not_scaled" en="the mean is scaled too" ru="среднее тоже умножается"
def initialise(x, floor=1e-3):
    return 1 / np.maximum(x.std(axis=(0, 1, 2)), floor), -x.mean(axis=(0, 1, 2))


def actnorm(x, s, b):
    return s * x + b, x.shape[1] * x.shape[2] * np.log(np.abs(s)).sum()


# %% exercise="actnorm" name="no_floor" en="at most 100" ru="не больше 100"
def initialise(x, floor=1e-3):
    s = 1 / (x.std(axis=(0, 1, 2)) + 1e-9)
    return s, -x.mean(axis=(0, 1, 2)) * s


def actnorm(x, s, b):
    return s * x + b, x.shape[1] * x.shape[2] * np.log(np.abs(s)).sum()


# %% exercise="actnorm" name="summed_over_the_batch" en="sum over the batch" ru="сумма по батчу"
def initialise(x, floor=1e-3):
    s = 1 / np.maximum(x.std(axis=(0, 1, 2)), floor)
    return s, -x.mean(axis=(0, 1, 2)) * s


def actnorm(x, s, b):
    return s * x + b, x.shape[0] * x.shape[1] * x.shape[2] * np.log(np.abs(s)).sum()


# %% exercise="mix" name="transposed" en="transposed matrix; W x" ru="транспонированную матрицу, а нужно"
def mix(x, P, L, U, s):
    W = P @ L @ (U + np.diag(s))
    return x @ W, x.shape[1] * x.shape[2] * np.log(np.abs(s)).sum()


def unmix(y, P, L, U, s):
    return y @ np.linalg.inv(P @ L @ (U + np.diag(s)))


# %% exercise="mix" name="no_h_w" en="W acts on each" ru="W действует на каждый"
def mix(x, P, L, U, s):
    W = P @ L @ (U + np.diag(s))
    return x @ W.T, np.log(np.abs(s)).sum()


def unmix(y, P, L, U, s):
    return y @ np.linalg.inv(P @ L @ (U + np.diag(s))).T


# %% exercise="mix" name="log_of_a_negative_number" en="s may be negative" ru="s бывает и отрицательным"
def mix(x, P, L, U, s):
    W = P @ L @ (U + np.diag(s))
    with np.errstate(invalid="ignore"):
        return x @ W.T, x.shape[1] * x.shape[2] * np.log(s).sum()


def unmix(y, P, L, U, s):
    return y @ np.linalg.inv(P @ L @ (U + np.diag(s))).T


# %% exercise="mix" name="inverse_of_a_rotation" en="only as long as W is a rotation" ru="только пока W — вращение"
def mix(x, P, L, U, s):
    W = P @ L @ (U + np.diag(s))
    return x @ W.T, x.shape[1] * x.shape[2] * np.log(np.abs(s)).sum()


def unmix(y, P, L, U, s):
    return y @ (P @ L @ (U + np.diag(s)))


# %% exercise="mix" name="diagonal_left_out" en="in this order" ru="именно в таком порядке"
def mix(x, P, L, U, s):
    W = P @ (U + np.diag(s)) @ L
    return x @ W.T, x.shape[1] * x.shape[2] * np.log(np.abs(s)).sum()


def unmix(y, P, L, U, s):
    return y @ np.linalg.inv(P @ (U + np.diag(s)) @ L).T


# %% exercise="squeeze" name="reshape_alone" en="different blocks" ru="из разных квадратов"
def squeeze(x):
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, w // 2, 4 * c)


# %% exercise="squeeze" name="columns_first" en="in another order" ru="порядок другой"
def squeeze(x):
    n, h, w, c = x.shape
    x = x.reshape(n, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 4, 2, 5)
    return x.reshape(n, h // 2, w // 2, 4 * c)


# %% exercise="squeeze" name="every_second_pixel_only" en="went out; ." ru="а нужно ."
def squeeze(x):
    return x[:, ::2, ::2]


# %% exercise="squeeze" name="four_quarters" en="different blocks" ru="из разных квадратов"
def squeeze(x):
    h, w = x.shape[1] // 2, x.shape[2] // 2
    parts = (x[:, :h, :w], x[:, :h, w:], x[:, h:, :w], x[:, h:, w:])
    return np.concatenate(parts, axis=3)


# %% exercise="scales" name="the_last_one_splits_too" en="all of it leaves together" ru="всё уходит вместе"
def to_noise(x, scales):
    leaving, total = [], 0
    for steps in scales:
        x, log_det = steps.to_noise(fold(x))
        total = total + log_det
        z, x = np.split(x, 2, axis=3)
        leaving.append(z)
    return [*leaving, x], total


def to_data(leaving, scales):
    *leaving, x = leaving
    for k in reversed(range(len(scales))):
        x = np.concatenate([leaving[k], x], axis=3)
        x = unfold(scales[k].to_data(x))
    return x


def log_prob(x, scales):
    leaving, log_det = to_noise(x, scales)
    return log_det + sum(stats.norm.logpdf(z).sum(axis=(1, 2, 3)) for z in leaving)


# %% exercise="scales" name="the_other_half_leaves" en="the first half that leaves" ru="а уходит первая"
def to_noise(x, scales):
    leaving, total = [], 0
    for k, steps in enumerate(scales):
        x, log_det = steps.to_noise(fold(x))
        total = total + log_det
        if k < len(scales) - 1:
            x, z = np.split(x, 2, axis=3)
            leaving.append(z)
    return [*leaving, x], total


def to_data(leaving, scales):
    *leaving, x = leaving
    for k in reversed(range(len(scales))):
        if k < len(scales) - 1:
            x = np.concatenate([x, leaving[k]], axis=3)
        x = unfold(scales[k].to_data(x))
    return x


def log_prob(x, scales):
    leaving, log_det = to_noise(x, scales)
    return log_det + sum(stats.norm.logpdf(z).sum(axis=(1, 2, 3)) for z in leaving)


# %% exercise="scales" name="the_last_determinant_only" en="Do all scales count" ru="Все ли масштабы"
def to_noise(x, scales):
    leaving = []
    for k, steps in enumerate(scales):
        x, total = steps.to_noise(fold(x))
        if k < len(scales) - 1:
            z, x = np.split(x, 2, axis=3)
            leaving.append(z)
    return [*leaving, x], total


def to_data(leaving, scales):
    *leaving, x = leaving
    for k in reversed(range(len(scales))):
        if k < len(scales) - 1:
            x = np.concatenate([leaving[k], x], axis=3)
        x = unfold(scales[k].to_data(x))
    return x


def log_prob(x, scales):
    leaving, log_det = to_noise(x, scales)
    return log_det + sum(stats.norm.logpdf(z).sum(axis=(1, 2, 3)) for z in leaving)


# %% exercise="scales" name="halves_joined_the_wrong_way_round" en="in front of what went on" ru="ставят перед тем"
def to_noise(x, scales):
    leaving, total = [], 0
    for k, steps in enumerate(scales):
        x, log_det = steps.to_noise(fold(x))
        total = total + log_det
        if k < len(scales) - 1:
            z, x = np.split(x, 2, axis=3)
            leaving.append(z)
    return [*leaving, x], total


def to_data(leaving, scales):
    *leaving, x = leaving
    for k in reversed(range(len(scales))):
        if k < len(scales) - 1:
            x = np.concatenate([x, leaving[k]], axis=3)
        x = unfold(scales[k].to_data(x))
    return x


def log_prob(x, scales):
    leaving, log_det = to_noise(x, scales)
    return log_det + sum(stats.norm.logpdf(z).sum(axis=(1, 2, 3)) for z in leaving)


# %% exercise="scales" name="early_noise_not_scored" en="what left early" ru="ушёл раньше"
def to_noise(x, scales):
    leaving, total = [], 0
    for k, steps in enumerate(scales):
        x, log_det = steps.to_noise(fold(x))
        total = total + log_det
        if k < len(scales) - 1:
            z, x = np.split(x, 2, axis=3)
            leaving.append(z)
    return [*leaving, x], total


def to_data(leaving, scales):
    *leaving, x = leaving
    for k in reversed(range(len(scales))):
        if k < len(scales) - 1:
            x = np.concatenate([leaving[k], x], axis=3)
        x = unfold(scales[k].to_data(x))
    return x


def log_prob(x, scales):
    leaving, log_det = to_noise(x, scales)
    return log_det + stats.norm.logpdf(leaving[-1]).sum(axis=(1, 2, 3))


# %% exercise="scales" name="constant_forgotten" en="log.2 pi" ru="log.2 pi"
def to_noise(x, scales):
    leaving, total = [], 0
    for k, steps in enumerate(scales):
        x, log_det = steps.to_noise(fold(x))
        total = total + log_det
        if k < len(scales) - 1:
            z, x = np.split(x, 2, axis=3)
            leaving.append(z)
    return [*leaving, x], total


def to_data(leaving, scales):
    *leaving, x = leaving
    for k in reversed(range(len(scales))):
        if k < len(scales) - 1:
            x = np.concatenate([leaving[k], x], axis=3)
        x = unfold(scales[k].to_data(x))
    return x


def log_prob(x, scales):
    leaving, log_det = to_noise(x, scales)
    return log_det - sum((z**2).sum(axis=(1, 2, 3)) for z in leaving) / 2


# %% exercise="temperature" name="mean_cooled_too" en="the mean has been multiplied" ru="среднее тоже умножено"
def cool(epsilon, loc, log_scale, temperature):
    return temperature * (loc + np.exp(log_scale) * epsilon)


# %% exercise="temperature" name="temperature_of_the_variance" en="T squared" ru="квадрат T"
def cool(epsilon, loc, log_scale, temperature):
    return loc + temperature**2 * np.exp(log_scale) * epsilon


# %% exercise="temperature" name="temperature_of_the_logarithm" en="not its logarithm" ru="а не его логарифм"
def cool(epsilon, loc, log_scale, temperature):
    return loc + np.exp(temperature * log_scale) * epsilon


# %% exercise="temperature" name="logarithm_forgotten" en="Is log_scale a logarithm" ru="log_scale — логарифм"
def cool(epsilon, loc, log_scale, temperature):
    return loc + temperature * log_scale * epsilon
