# Answers that a student may well give, and that must get no points. `en` and `ru`: a part of the message they must get.

# %% exercise="false-alarms" name="mirror_image" en="the mirror image" ru="зеркальное число"
def false_alarms(inside, outside):
    return np.mean(outside >= np.quantile(inside, 0.05))


# %% exercise="false-alarms" name="direction_reversed" en="where the score is LOW" ru="где оценка МАЛА"
def false_alarms(inside, outside):
    return np.mean(inside >= np.quantile(outside, 0.05))


# %% exercise="false-alarms" name="threshold_at_the_wrong_quantile" en="finds 5 % of the outside" ru="обнаруживает 5 % чужих"
def false_alarms(inside, outside):
    return np.mean(inside <= np.quantile(outside, 0.05))


# %% exercise="false-alarms" name="those_who_pass" en="raises no alarm" ru="тревоги не поднимают"
def false_alarms(inside, outside):
    return np.mean(inside > np.quantile(outside, 0.95))


# %% exercise="batch" name="mean_of_distances" en="First the mean over the batch" ru="Сначала среднее по батчу"
def batch_distance(log_p, mean, size):
    batches = log_p[: len(log_p) // size * size].reshape(-1, size)
    return np.abs(batches - mean).mean(axis=1)


def threshold(held_log_p, size, alpha, rng):
    batches = rng.choice(held_log_p, (5_000, size))
    return np.quantile(np.abs(batches.mean(axis=1) - held_log_p.mean()), 1 - alpha)


# %% exercise="batch" name="no_absolute_value" en="has an absolute value" ru="расстояние — это модуль"
def batch_distance(log_p, mean, size):
    batches = log_p[: len(log_p) // size * size].reshape(-1, size)
    return batches.mean(axis=1) - mean


def threshold(held_log_p, size, alpha, rng):
    batches = rng.choice(held_log_p, (5_000, size))
    return np.quantile(np.abs(batches.mean(axis=1) - held_log_p.mean()), 1 - alpha)


# %% exercise="batch" name="wrong_quantile" en="wrong end of the quantiles" ru="не с того конца"
def batch_distance(log_p, mean, size):
    batches = log_p[: len(log_p) // size * size].reshape(-1, size)
    return np.abs(batches.mean(axis=1) - mean)


def threshold(held_log_p, size, alpha, rng):
    batches = rng.choice(held_log_p, (5_000, size))
    return np.quantile(np.abs(batches.mean(axis=1) - held_log_p.mean()), alpha)


# %% exercise="batch" name="threshold_for_one_image" en="the threshold for one image" ru="порог для одной картинки"
def batch_distance(log_p, mean, size):
    batches = log_p[: len(log_p) // size * size].reshape(-1, size)
    return np.abs(batches.mean(axis=1) - mean)


def threshold(held_log_p, size, alpha, rng):
    return np.quantile(np.abs(held_log_p - held_log_p.mean()), 1 - alpha)


# %% exercise="batch" name="every_so_many_th" en="the batches are consecutive" ru="батчи идут подряд"
def batch_distance(log_p, mean, size):
    batches = log_p[: len(log_p) // size * size].reshape(size, -1)
    return np.abs(batches.mean(axis=0) - mean)


def threshold(held_log_p, size, alpha, rng):
    batches = rng.choice(held_log_p, (5_000, size))
    return np.quantile(np.abs(batches.mean(axis=1) - held_log_p.mean()), 1 - alpha)


# %% exercise="waic" name="standard_deviation" en="this is the standard deviation" ru="это стандартное отклонение"
def waic(log_probs):
    return log_probs.mean(axis=0) - log_probs.std(axis=0, ddof=1)


# %% exercise="waic" name="variance_added" en="you add the variance" ru="дисперсия прибавлена"
def waic(log_probs):
    return log_probs.mean(axis=0) + log_probs.var(axis=0, ddof=1)


# %% exercise="waic" name="over_the_images" en="FIRST axis" ru="ПЕРВАЯ ось"
def waic(log_probs):
    return log_probs.mean(axis=1) - log_probs.var(axis=1, ddof=1)


# %% exercise="waic" name="divided_by_k" en="K - 1 below, not K" ru="на K - 1, а не на K"
def waic(log_probs):
    return log_probs.mean(axis=0) - log_probs.var(axis=0)


# %% exercise="ratio" name="to_one_level" en="equally frequent" ru="одинаково часты"
def mutate(x, rate, levels, rng):
    return np.where(rng.random(x.shape) < rate, rng.integers(0, levels), x).astype(x.dtype)


def likelihood_ratio(x, train, fit, rate, levels, rng):
    return fit(train)(x) - fit(mutate(train, rate, levels, rng))(x)


# %% exercise="ratio" name="noise_added" en="equally frequent" ru="одинаково часты"
def mutate(x, rate, levels, rng):
    noise = np.where(rng.random(x.shape) < rate, rng.integers(-levels // 2, levels // 2, x.shape), 0)
    return np.clip(x.astype(int) + noise, 0, levels - 1).astype(x.dtype)


def likelihood_ratio(x, train, fit, rate, levels, rng):
    return fit(train)(x) - fit(mutate(train, rate, levels, rng))(x)


# %% exercise="ratio" name="whole_images" en="cast for each pixel" ru="бросают для каждого пикселя"
def mutate(x, rate, levels, rng):
    replaced = rng.random((len(x), 1, 1)) < rate
    return np.where(replaced, rng.integers(0, levels, x.shape), x).astype(x.dtype)


def likelihood_ratio(x, train, fit, rate, levels, rng):
    return fit(train)(x) - fit(mutate(train, rate, levels, rng))(x)


# %% exercise="ratio" name="in_place" en="came in have been changed" ru="испорчены картинки"
def mutate(x, rate, levels, rng):
    replaced = rng.random(x.shape) < rate
    x[replaced] = rng.integers(0, levels, replaced.sum())
    return x


def likelihood_ratio(x, train, fit, rate, levels, rng):
    return fit(train)(x) - fit(mutate(train.copy(), rate, levels, rng))(x)


# %% exercise="ratio" name="test_images_mutated" en="scored as it is" ru="оценивают x как есть"
def mutate(x, rate, levels, rng):
    replaced = rng.random(x.shape) < rate
    return np.where(replaced, rng.integers(0, levels, x.shape), x).astype(x.dtype)


def likelihood_ratio(x, train, fit, rate, levels, rng):
    background = fit(mutate(train, rate, levels, rng))
    return fit(train)(x) - background(mutate(x, rate, levels, rng))


# %% exercise="ratio" name="background_of_the_test_images" en="mutated TRAINING images" ru="мутировавших ОБУЧАЮЩИХ"
def mutate(x, rate, levels, rng):
    replaced = rng.random(x.shape) < rate
    return np.where(replaced, rng.integers(0, levels, x.shape), x).astype(x.dtype)


def likelihood_ratio(x, train, fit, rate, levels, rng):
    return fit(train)(x) - fit(mutate(x, rate, levels, rng))(x)


# %% exercise="ratio" name="upside_down" en="upside down" ru="наоборот"
def mutate(x, rate, levels, rng):
    replaced = rng.random(x.shape) < rate
    return np.where(replaced, rng.integers(0, levels, x.shape), x).astype(x.dtype)


def likelihood_ratio(x, train, fit, rate, levels, rng):
    return fit(mutate(train, rate, levels, rng))(x) - fit(train)(x)


# %% exercise="ratio" name="logarithms_divided" en="DIFFERENCE of their logarithms" ru="РАЗНОСТЬ логарифмов"
def mutate(x, rate, levels, rng):
    replaced = rng.random(x.shape) < rate
    return np.where(replaced, rng.integers(0, levels, x.shape), x).astype(x.dtype)


def likelihood_ratio(x, train, fit, rate, levels, rng):
    return fit(train)(x) / fit(mutate(train, rate, levels, rng))(x)


# %% exercise="complexity" name="bytes" en="counts bytes" ru="считает байты"
def complexity(x, log_p):
    return log_p + np.array([len(compress(image)) for image in x]) * np.log(2)


# %% exercise="complexity" name="bits_added_to_nats" en="a bit is log 2 nats" ru="бит — это log 2 ната"
def complexity(x, log_p):
    return log_p + np.array([8 * len(compress(image)) for image in x])


# %% exercise="complexity" name="wrong_sign" en="has two minuses" ru="минусов два"
def complexity(x, log_p):
    return log_p - np.array([8 * len(compress(image)) for image in x]) * np.log(2)


# %% exercise="complexity" name="the_papers_direction" en="high for foreign" ru="большое для чужих"
def complexity(x, log_p):
    return -log_p / np.log(2) - np.array([8 * len(compress(image)) for image in x])


# %% exercise="complexity" name="all_in_one_file" en="compress each by itself" ru="сжимайте каждую отдельно"
def complexity(x, log_p):
    return log_p + 8 * len(compress(x)) / len(x) * np.log(2)


# %% exercise="choose" name="chosen_on_the_test_set" en="no test any more" ru="уже не проверка"
def choose_and_look(settings, inside, third, test):
    quality = {name: area(s(inside), s(test)) for name, s in settings.items()}
    best = max(quality, key=quality.get)
    return best, quality[best]


# %% exercise="choose" name="reports_the_third_set" en="Report the test set" ru="Сообщать надо проверочный"
def choose_and_look(settings, inside, third, test):
    quality = {name: area(s(inside), s(third)) for name, s in settings.items()}
    best = max(quality, key=quality.get)
    return best, quality[best]


# %% exercise="choose" name="direction_chosen_too" en="good with a minus" ru="хороша с минусом"
def choose_and_look(settings, inside, third, test):
    quality = {name: area(s(inside), s(third)) for name, s in settings.items()}
    best = max(quality, key=lambda name: abs(quality[name] - 0.5))
    value = area(settings[best](inside), settings[best](test))
    return best, max(value, 1 - value)


# %% exercise="choose" name="both_foreign_sets_pooled" en="(helped to choose|no test any more)" ru="(помогал выбирать|уже не проверка)"
def choose_and_look(settings, inside, third, test):
    quality = {
        name: area(s(inside), np.concatenate([s(third), s(test)])) for name, s in settings.items()
    }
    best = max(quality, key=quality.get)
    return best, area(settings[best](inside), settings[best](test))


# %% exercise="choose" name="the_least" en="good with a minus" ru="хороша с минусом"
def choose_and_look(settings, inside, third, test):
    quality = {name: area(s(inside), s(third)) for name, s in settings.items()}
    best = min(quality, key=quality.get)
    return best, area(settings[best](inside), settings[best](test))
