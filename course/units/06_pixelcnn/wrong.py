# Answers that a student may well give, and that must get no points. `en` and `ru`: a part of the message they must get.

# %% exercise="mask" name="a_keeps_the_centre" en="the pixel itself sits there" ru="там сам пиксель"
def make_mask(size, kind):
    mask, middle = np.zeros((size, size)), size // 2
    mask[:middle] = 1
    mask[middle, : middle + 1] = 1
    return mask


# %% exercise="mask" name="b_without_the_centre" en="mask B drops the centre" ru="маска B отбрасывает центр"
def make_mask(size, kind):
    mask, middle = np.zeros((size, size)), size // 2
    mask[:middle] = 1
    mask[middle, :middle] = 1
    return mask


# %% exercise="mask" name="columns_for_rows" en="come after the centre" ru="стоят после центра"
def make_mask(size, kind):
    mask, middle = np.zeros((size, size)), size // 2
    mask[:, :middle] = 1
    mask[: middle + (kind == "B"), middle] = 1
    return mask


# %% exercise="mask" name="only_the_quadrant" en="drops places that come before" ru="отбрасывает места, стоящие до"
def make_mask(size, kind):
    mask, middle = np.zeros((size, size)), size // 2
    mask[: middle + 1, : middle + 1] = 1
    mask[middle, middle] = kind == "B"
    return mask


# %% exercise="mask" name="the_rows_below" en="come after the centre" ru="стоят после центра"
def make_mask(size, kind):
    mask, middle = np.zeros((size, size)), size // 2
    mask[middle + 1 :] = 1
    mask[middle, : middle + (kind == "B")] = 1
    return mask


# %% exercise="temperature" name="multiplied" en="acts like 1 / T" ru="действует как 1 / T"
def with_temperature(logits, T):
    return special.softmax(logits * T, axis=1)


# %% exercise="temperature" name="not_normalised" en="sums to" ru="в сумме даёт"
def with_temperature(logits, T):
    return special.softmax(logits, axis=1) ** (1 / T)


# %% exercise="temperature" name="divided_after_the_softmax" en="sums to" ru="в сумме даёт"
def with_temperature(logits, T):
    return special.softmax(logits, axis=1) / T


# %% exercise="temperature" name="overflow" en="overflows" ru="не помещается"
def with_temperature(logits, T):
    with np.errstate(over="ignore", invalid="ignore"):
        p = np.exp(logits / T)
        return p / p.sum(axis=1, keepdims=True)


# %% exercise="temperature" name="normalised_over_the_batch" en="sums to" ru="в сумме даёт"
def with_temperature(logits, T):
    return special.softmax(logits / T, axis=0)


# %% exercise="text" name="no_shift" en="shift by one" ru="сдвиг на один"
def text_log_prob(tokens, logits, start):
    laws = special.log_softmax(logits, axis=-1)
    return np.take_along_axis(laws, tokens[:, :, None], axis=2)[:, :, 0].sum(axis=1)


# %% exercise="text" name="start_and_no_shift" en="shift by one" ru="сдвиг на один"
def text_log_prob(tokens, logits, start):
    first = np.broadcast_to(start, (len(tokens), 1, len(start)))
    laws = special.log_softmax(np.concatenate([first, logits[:, 1:]], axis=1), axis=-1)
    return np.take_along_axis(laws, tokens[:, :, None], axis=2)[:, :, 0].sum(axis=1)


# %% exercise="text" name="first_character_forgotten" en="factor of the first character" ru="множитель первого символа"
def text_log_prob(tokens, logits, start):
    laws = special.log_softmax(logits[:, :-1], axis=-1)
    return np.take_along_axis(laws, tokens[:, 1:, None], axis=2)[:, :, 0].sum(axis=1)


# %% exercise="text" name="mean_for_sum" en="a product is a sum" ru="произведения — сумма"
def text_log_prob(tokens, logits, start):
    first = np.broadcast_to(start, (len(tokens), 1, len(start)))
    laws = special.log_softmax(np.concatenate([first, logits[:, :-1]], axis=1), axis=-1)
    return np.take_along_axis(laws, tokens[:, :, None], axis=2)[:, :, 0].mean(axis=1)


# %% exercise="text" name="logits_for_log_probabilities" en="is each law normalised" ru="нормирован ли каждый закон"
def text_log_prob(tokens, logits, start):
    first = np.broadcast_to(start, (len(tokens), 1, len(start)))
    laws = np.concatenate([first, logits[:, :-1]], axis=1)
    return np.take_along_axis(laws, tokens[:, :, None], axis=2)[:, :, 0].sum(axis=1)


# %% exercise="text" name="sum_over_the_batch" en="its own log p" ru="свой log p"
def text_log_prob(tokens, logits, start):
    first = np.broadcast_to(start, (len(tokens), 1, len(start)))
    laws = special.log_softmax(np.concatenate([first, logits[:, :-1]], axis=1), axis=-1)
    return np.take_along_axis(laws, tokens[:, :, None], axis=2).sum()


# %% exercise="edges" name="no_edges" en="the edges are missing" ru="нет краёв"
def log_mass(x, mu, s, L):
    return np.log(special.expit((x + 0.5 - mu) / s) - special.expit((x - 0.5 - mu) / s))


# %% exercise="edges" name="density" en="this is the density" ru="это плотность"
def log_mass(x, mu, s, L):
    z = (x - mu) / s
    return np.log(special.expit(z) * special.expit(-z) / s)


# %% exercise="edges" name="rounded_down" en="not down" ru="а не вниз"
def log_mass(x, mu, s, L):
    above = np.where(x == L - 1, 1.0, special.expit((x + 1 - mu) / s))
    below = np.where(x == 0, 0.0, special.expit((x - mu) / s))
    return np.log(above - below)


# %% exercise="edges" name="edge_at_L" en="do both edges" ru="оба края"
def log_mass(x, mu, s, L):
    above = np.where(x == L, 1.0, special.expit((x + 0.5 - mu) / s))
    below = np.where(x == 0, 0.0, special.expit((x - 0.5 - mu) / s))
    return np.log(above - below)


# %% exercise="edges" name="limits_swapped" en="not the other way round" ru="а не наоборот"
def log_mass(x, mu, s, L):
    with np.errstate(invalid="ignore"):
        return np.log(special.expit((x - 0.5 - mu) / s) - special.expit((x + 0.5 - mu) / s))


# %% exercise="sampling" name="one_pass" en="1 passes" ru="проходов 1"
def sample(laws, u):
    p = laws(np.zeros(u.shape, int))
    return draw(p.reshape(-1, p.shape[-1]), u.ravel()).reshape(u.shape)


# %% exercise="sampling" name="a_row_at_a_time" en="when those before it are drawn" ru="когда предыдущие уже нарисованы"
def sample(laws, u):
    images = np.zeros(u.shape, int)
    for r in range(u.shape[1]):
        p = laws(images)[:, r]
        images[:, r] = draw(p.reshape(-1, p.shape[-1]), u[:, r].ravel()).reshape(-1, u.shape[2])
    return images


# %% exercise="sampling" name="columns_first" en="column by column" ru="столбец за столбцом"
def sample(laws, u):
    images = np.zeros(u.shape, int)
    for c in range(u.shape[2]):
        for r in range(u.shape[1]):
            images[:, r, c] = draw(laws(images)[:, r, c], u[:, r, c])
    return images


# %% exercise="sampling" name="likeliest_value" en="u is not used" ru="u не использовано"
def sample(laws, u):
    images = np.zeros(u.shape, int)
    for r, c in np.ndindex(u.shape[1:]):
        images[:, r, c] = laws(images)[:, r, c].argmax(axis=1)
    return images


# %% exercise="sampling" name="drawn_and_not_put_back" en="after all those before it" ru="после всех предыдущих"
def sample(laws, u):
    images, drawn = np.zeros(u.shape, int), np.zeros(u.shape, int)
    for r, c in np.ndindex(u.shape[1:]):
        drawn[:, r, c] = draw(laws(images)[:, r, c], u[:, r, c])
    return drawn


# %% exercise="blind-spot" name="image_of_zeros" en="vanishes at an image of zeros" ru="на нулевой картинке"
def blind_spot(network, row, column, S):
    images = tf.zeros((1, S, S, 1))
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = network(images)[:, row, column]
    seen = np.abs(tape.gradient(output, images)).max(axis=(0, 3)) > 0
    return (np.arange(S * S).reshape(S, S) < row * S + column) & ~seen


# %% exercise="blind-spot" name="all_that_is_not_seen" en="do not come before it" ru="не стоят до него"
def blind_spot(network, row, column, S):
    images = tf.random.stateless_uniform((8, S, S, 1), seed=(1, 2), minval=0.1)
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = network(images)[:, row, column]
    return np.abs(tape.gradient(output, images)).max(axis=(0, 3)) == 0


# %% exercise="blind-spot" name="all_outputs_at_once" en="of this one output" ru="одного этого выхода"
def blind_spot(network, row, column, S):
    images = tf.random.stateless_uniform((8, S, S, 1), seed=(1, 2), minval=0.1)
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = network(images)
    seen = np.abs(tape.gradient(output, images)).max(axis=(0, 3)) > 0
    return (np.arange(S * S).reshape(S, S) < row * S + column) & ~seen


# %% exercise="blind-spot" name="what_is_seen" en="you marked what it sees" ru="отмечено то, что он видит"
def blind_spot(network, row, column, S):
    images = tf.random.stateless_uniform((8, S, S, 1), seed=(1, 2), minval=0.1)
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = network(images)[:, row, column]
    return np.abs(tape.gradient(output, images)).max(axis=(0, 3)) > 0


# %% exercise="blind-spot" name="only_the_quadrant_comes_before" en="are not marked" ru="не отмечено пикселей"
def blind_spot(network, row, column, S):
    images = tf.random.stateless_uniform((8, S, S, 1), seed=(1, 2), minval=0.1)
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = network(images)[:, row, column]
    seen = np.abs(tape.gradient(output, images)).max(axis=(0, 3)) > 0
    r, c = np.mgrid[:S, :S]
    return (r <= row) & (c <= column) & ((r < row) | (c < column)) & ~seen
