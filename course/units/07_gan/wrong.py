# Answers that a student may well give, and that must get no points. `en` and `ru`: a part of the message they must get.

# %% exercise="loss" name="the_value_itself" en="wants large" ru="хочет её увеличить"
def discriminator_loss(real, fake):
    return -np.logaddexp(0, -real).mean() - np.logaddexp(0, fake).mean()


# %% exercise="loss" name="labels_exchanged" en="labels are exchanged" ru="перепутаны метки"
def discriminator_loss(real, fake):
    return np.logaddexp(0, real).mean() + np.logaddexp(0, -fake).mean()


# %% exercise="loss" name="sum_over_the_batch" en="a sum over the objects" ru="сумма по объектам"
def discriminator_loss(real, fake):
    return np.logaddexp(0, -real).sum() + np.logaddexp(0, fake).sum()


# %% exercise="loss" name="overflow" en="something overflows" ru="переполняется"
def discriminator_loss(real, fake):
    return -np.log(expit(real)).mean() - np.log(1 - expit(fake)).mean()


# %% exercise="loss" name="logits_for_probabilities" en="it should be" ru="должно быть"
def discriminator_loss(real, fake):
    return -np.log(np.abs(real)).mean() - np.log(np.abs(1 - fake) + 1e-9).mean()


# %% exercise="value" name="no_log_4" en="-ln 4 is missing" ru="не хватает -ln 4"
def optimal_value(log_p, log_q, cell):
    log_m = np.logaddexp(log_p, log_q) - np.log(2)
    return np.sum(np.exp(log_p) * (log_p - log_m) + np.exp(log_q) * (log_q - log_m)) * cell


# %% exercise="value" name="half_of_the_sum" en="the whole of it" ru="вся сумма"
def optimal_value(log_p, log_q, cell):
    log_m = np.logaddexp(log_p, log_q) - np.log(2)
    both = np.sum(np.exp(log_p) * (log_p - log_m) + np.exp(log_q) * (log_q - log_m)) * cell
    return -np.log(4) + both / 2


# %% exercise="value" name="between_p_and_q" en="to the middle" ru="до середины"
def optimal_value(log_p, log_q, cell):
    return -np.log(4) + np.sum((np.exp(log_p) - np.exp(log_q)) * (log_p - log_q)) * cell


# %% exercise="value" name="no_cell" en="stands for a cell" ru="представляет ячейку"
def optimal_value(log_p, log_q, cell):
    log_m = np.logaddexp(log_p, log_q) - np.log(2)
    return -np.log(4) + np.sum(np.exp(log_p) * (log_p - log_m) + np.exp(log_q) * (log_q - log_m))


# %% exercise="value" name="m_is_the_sum" en="by its definition" ru="по определению"
def optimal_value(log_p, log_q, cell):
    log_m = np.logaddexp(log_p, log_q)
    return -np.log(4) + np.sum(np.exp(log_p) * (log_p - log_m) + np.exp(log_q) * (log_q - log_m)) * cell


# %% exercise="generator" name="exchanged" en="this is the other loss" ru="это другая функция"
def generator_loss(fake, kind):
    if kind == "non_saturating":
        return -tf.reduce_mean(tf.nn.softplus(fake))
    return tf.reduce_mean(tf.nn.softplus(-fake))


# %% exercise="generator" name="minimax_with_the_wrong_sign" en="minimax: the slope is positive" ru="minimax: наклон положителен"
def generator_loss(fake, kind):
    if kind == "minimax":
        return tf.reduce_mean(tf.nn.softplus(fake))
    return tf.reduce_mean(tf.nn.softplus(-fake))


# %% exercise="generator" name="same_for_both" en="non_saturating: this is the other loss" ru="non_saturating: это другая функция"
def generator_loss(fake, kind):
    return -tf.reduce_mean(tf.nn.softplus(fake))


# %% exercise="generator" name="logarithm_of_zero" en="the logarithm of zero" ru="логарифм нуля"
def generator_loss(fake, kind):
    d = tf.sigmoid(fake)
    if kind == "minimax":
        return tf.reduce_mean(tf.math.log(1 - d))
    return -tf.reduce_mean(tf.math.log(d))


# %% exercise="generator" name="sum_over_the_batch" en="the mean is wanted" ru="нужно среднее"
def generator_loss(fake, kind):
    if kind == "minimax":
        return -tf.reduce_sum(tf.nn.softplus(fake))
    return tf.reduce_sum(tf.nn.softplus(-fake))


# %% exercise="modes" name="one_standard_deviation" en="the limit is 3" ru="граница — 3"
def count_modes(samples, centres, std, share):
    near = np.linalg.norm(samples[:, None] - centres, axis=2) <= std
    return int((near.mean(axis=0) >= share).sum()), float(near.any(axis=1).mean())


# %% exercise="modes" name="nearest_centre" en="counted as good" ru="качественными сочтены все"
def count_modes(samples, centres, std, share):
    nearest = np.linalg.norm(samples[:, None] - centres, axis=2).argmin(axis=1)
    shares = np.bincount(nearest, minlength=len(centres)) / len(samples)
    return int((shares >= share).sum()), 1.0


# %% exercise="modes" name="one_sample_is_enough" en="have a sample; only" ru="сэмплы есть у"
def count_modes(samples, centres, std, share):
    near = np.linalg.norm(samples[:, None] - centres, axis=2) <= 3 * std
    return int(near.any(axis=0).sum()), float(near.any(axis=1).mean())


# %% exercise="modes" name="share_of_the_good" en="not of the good ones" ru="а не от качественных"
def count_modes(samples, centres, std, share):
    near = np.linalg.norm(samples[:, None] - centres, axis=2) <= 3 * std
    return int((near.sum(axis=0) / near.sum() >= share).sum()), float(near.any(axis=1).mean())


# %% exercise="step" name="both_players_in_the_second_step" en="moved the discriminator too" ru="сдвинул и дискриминатор"
def game_step(generator, discriminator, x, z_1, z_2, rate):
    with tf.GradientTape() as tape:
        real, fake = discriminator(x), discriminator(generator(z_1))
        loss = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))
    weights = discriminator.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(rate * gradient)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.softplus(-discriminator(generator(z_2))))
    weights = generator.trainable_variables + discriminator.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(rate * gradient)


# %% exercise="step" name="minimax" en="this is the minimax loss" ru="это минимаксная"
def game_step(generator, discriminator, x, z_1, z_2, rate):
    with tf.GradientTape() as tape:
        real, fake = discriminator(x), discriminator(generator(z_1))
        loss = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))
    weights = discriminator.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(rate * gradient)
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(tf.nn.softplus(discriminator(generator(z_2))))
    weights = generator.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(rate * gradient)


# %% exercise="step" name="both_gradients_first" en="of before its step" ru="до своего хода"
def game_step(generator, discriminator, x, z_1, z_2, rate):
    with tf.GradientTape(persistent=True) as tape:
        real, fake = discriminator(x), discriminator(generator(z_1))
        first = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))
        second = tf.reduce_mean(tf.nn.softplus(-discriminator(generator(z_2))))
    steps = []
    for loss, network in ((first, discriminator), (second, generator)):
        weights = network.trainable_variables
        steps += zip(weights, tape.gradient(loss, weights), strict=True)
    for weight, gradient in steps:
        weight.assign_sub(rate * gradient)


# %% exercise="step" name="no_generator" en="the generator has not moved" ru="генератор не сдвинулся"
def game_step(generator, discriminator, x, z_1, z_2, rate):
    with tf.GradientTape() as tape:
        real, fake = discriminator(x), discriminator(generator(z_1))
        loss = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))
    weights = discriminator.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(rate * gradient)
    made = tf.stop_gradient(generator(z_2))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.softplus(-discriminator(made)))
    weights = generator.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        if gradient is not None:
            weight.assign_sub(rate * gradient)


# %% exercise="step" name="discriminator_uphill" en="uphill in its loss" ru="вверх по своей функции"
def game_step(generator, discriminator, x, z_1, z_2, rate):
    with tf.GradientTape() as tape:
        real, fake = discriminator(x), discriminator(generator(z_1))
        loss = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))
    weights = discriminator.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_add(rate * gradient)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.softplus(-discriminator(generator(z_2))))
    weights = generator.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(rate * gradient)
