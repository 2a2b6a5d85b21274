# Answers that a student may well give, and that must get no points. `en` and `ru`: a part of the message they must get.

# %% exercise="log-det" name="sum_over_the_batch" en="none over the batch" ru="по примерам не суммируют"
def log_det(s):
    return s.sum()


# %% exercise="log-det" name="determinant_not_its_logarithm" en="determinant itself" ru="сам определитель"
def log_det(s):
    return np.exp(s).prod(axis=1)


# %% exercise="log-det" name="mean" en="volumes multiply" ru="объёмы перемножаются"
def log_det(s):
    return s.mean(axis=1)


# %% exercise="coupling" name="shift_before_scale" en="you shift first" ru="сначала сдвиг"
def to_noise(x, d, s, t):
    kept, moved = x[:, :d], x[:, d:]
    return np.concatenate([kept, (moved + t(kept)) * np.exp(s(kept))], axis=1)


def to_data(z, d, s, t):
    kept, moved = z[:, :d], z[:, d:]
    return np.concatenate([kept, moved * np.exp(-s(kept)) - t(kept)], axis=1)


# %% exercise="coupling" name="s_for_exp_s" en="exp\(s\) that multiplies" ru="на exp\(s\)"
def to_noise(x, d, s, t):
    kept, moved = x[:, :d], x[:, d:]
    return np.concatenate([kept, moved * s(kept) + t(kept)], axis=1)


def to_data(z, d, s, t):
    kept, moved = z[:, :d], z[:, d:]
    return np.concatenate([kept, (moved - t(kept)) / s(kept)], axis=1)


# %% exercise="coupling" name="inverse_in_the_order_of_the_way_there" en="undone first" ru="отменяют первым"
def to_noise(x, d, s, t):
    kept, moved = x[:, :d], x[:, d:]
    return np.concatenate([kept, moved * np.exp(s(kept)) + t(kept)], axis=1)


def to_data(z, d, s, t):
    kept, moved = z[:, :d], z[:, d:]
    return np.concatenate([kept, moved * np.exp(-s(kept)) - t(kept)], axis=1)


# %% exercise="coupling" name="inverse_keeps_the_sign_of_s" en="does not bring z back" ru="не возвращается в x"
def to_noise(x, d, s, t):
    kept, moved = x[:, :d], x[:, d:]
    return np.concatenate([kept, moved * np.exp(s(kept)) + t(kept)], axis=1)


def to_data(z, d, s, t):
    kept, moved = z[:, :d], z[:, d:]
    return np.concatenate([kept, (moved - t(kept)) * np.exp(s(kept))], axis=1)


# %% exercise="checkerboard" name="s_of_the_kept_pixels_too" en="were not stretched" ru="не растягивали"
def checkerboard(h, w):
    return (np.add.outer(np.arange(h), np.arange(w)) + 1) % 2


def masked_to_noise(x, b, s, t):
    z = b * x + (1 - b) * (x * np.exp(s(b * x)) + t(b * x))
    return z, s(b * x).sum(axis=(1, 2))


# %% exercise="checkerboard" name="stripes" en="two neighbours are equal" ru="одинаковые соседи"
def checkerboard(h, w):
    return np.tile((np.arange(w) + 1) % 2, (h, 1))


def masked_to_noise(x, b, s, t):
    log_scale = (1 - b) * s(b * x)
    return b * x + (1 - b) * (x * np.exp(log_scale) + t(b * x)), log_scale.sum(axis=(1, 2))


# %% exercise="checkerboard" name="networks_see_everything" en="Do the networks see b x" ru="Видят ли сети b x"
def checkerboard(h, w):
    return (np.add.outer(np.arange(h), np.arange(w)) + 1) % 2


def masked_to_noise(x, b, s, t):
    log_scale = (1 - b) * s(x)
    return b * x + (1 - b) * (x * np.exp(log_scale) + t(x)), log_scale.sum(axis=(1, 2))


# %% exercise="checkerboard" name="inverted_mask" en="have to pass unchanged" ru="должны пройти без изменений"
def checkerboard(h, w):
    return (np.add.outer(np.arange(h), np.arange(w)) + 1) % 2


def masked_to_noise(x, b, s, t):
    log_scale = b * s(b * x)
    return (1 - b) * x + b * (x * np.exp(log_scale) + t(b * x)), log_scale.sum(axis=(1, 2))


# %% exercise="checkerboard" name="corner_is_zero" en="upper left corner" ru="левом верхнем углу"
def checkerboard(h, w):
    return np.add.outer(np.arange(h), np.arange(w)) % 2


def masked_to_noise(x, b, s, t):
    log_scale = (1 - b) * s(b * x)
    return b * x + (1 - b) * (x * np.exp(log_scale) + t(b * x)), log_scale.sum(axis=(1, 2))


# %% exercise="stack" name="no_exchange" en="exchanged after each" ru="половины после каждого"
def stack_log_prob(x, layers):
    total = 0.0
    for s, t in layers:
        x, one = layer_to_noise(x, s, t)
        total = total + one
    return total - 0.5 * (x**2 + np.log(2 * np.pi)).sum(axis=1)


def stack_to_data(z, layers):
    for s, t in reversed(layers):
        z = layer_to_data(z, s, t)
    return z


# %% exercise="stack" name="exchange_undone_too_late" en="undone before it" ru="до него"
def stack_log_prob(x, layers):
    total = 0.0
    for s, t in layers:
        x, one = layer_to_noise(x, s, t)
        x, total = x[:, ::-1], total + one
    return total - 0.5 * (x**2 + np.log(2 * np.pi)).sum(axis=1)


def stack_to_data(z, layers):
    for s, t in reversed(layers):
        z = layer_to_data(z, s, t)[:, ::-1]
    return z


# %% exercise="stack" name="constant_forgotten" en="log\(2 pi\)" ru="log\(2 pi\)"
def stack_log_prob(x, layers):
    total = 0.0
    for s, t in layers:
        x, one = layer_to_noise(x, s, t)
        x, total = x[:, ::-1], total + one
    return total - 0.5 * (x**2).sum(axis=1)


def stack_to_data(z, layers):
    for s, t in reversed(layers):
        z = layer_to_data(z[:, ::-1], s, t)
    return z


# %% exercise="stack" name="only_the_last_determinant" en="all log-determinants count" ru="все ли логарифмы"
def stack_log_prob(x, layers):
    for s, t in layers:
        x, total = layer_to_noise(x, s, t)
        x = x[:, ::-1]
    return total - 0.5 * (x**2 + np.log(2 * np.pi)).sum(axis=1)


def stack_to_data(z, layers):
    for s, t in reversed(layers):
        z = layer_to_data(z[:, ::-1], s, t)
    return z


# %% exercise="one-pass" name="directions_exchanged" en="direction from data to noise" ru="от данных к шуму"
class MyCoupling(bijectors.OnePass):
    def __init__(self, network, d):
        super().__init__(event_ndims=1)
        self.network, self.d = network, d

    def forward_and_log_det(self, x):
        kept, moved = x[:, : self.d], x[:, self.d :]
        s, t = tf.split(self.network(kept), 2, axis=1)
        s = tf.tanh(s)
        return tf.concat([kept, moved * tf.exp(s) + t], axis=1), tf.reduce_sum(s, axis=1)

    def inverse_and_log_det(self, z):
        kept, moved = z[:, : self.d], z[:, self.d :]
        s, t = tf.split(self.network(kept), 2, axis=1)
        s = tf.tanh(s)
        return tf.concat([kept, (moved - t) * tf.exp(-s)], axis=1), -tf.reduce_sum(s, axis=1)


# %% exercise="one-pass" name="unbounded" en="take tanh" ru="возьмите от неё tanh"
class MyCoupling(bijectors.OnePass):
    def __init__(self, network, d):
        super().__init__(event_ndims=1)
        self.network, self.d = network, d

    def inverse_and_log_det(self, x):
        kept, moved = x[:, : self.d], x[:, self.d :]
        s, t = tf.split(self.network(kept), 2, axis=1)
        return tf.concat([kept, moved * tf.exp(s) + t], axis=1), tf.reduce_sum(s, axis=1)

    def forward_and_log_det(self, z):
        kept, moved = z[:, : self.d], z[:, self.d :]
        s, t = tf.split(self.network(kept), 2, axis=1)
        return tf.concat([kept, (moved - t) * tf.exp(-s)], axis=1), -tf.reduce_sum(s, axis=1)


# %% exercise="one-pass" name="same_sign_both_ways" en="minus that of the way there" ru="таким же, как туда"
class MyCoupling(bijectors.OnePass):
    def __init__(self, network, d):
        super().__init__(event_ndims=1)
        self.network, self.d = network, d

    def inverse_and_log_det(self, x):
        kept, moved = x[:, : self.d], x[:, self.d :]
        s, t = tf.split(self.network(kept), 2, axis=1)
        s = tf.tanh(s)
        return tf.concat([kept, moved * tf.exp(s) + t], axis=1), tf.reduce_sum(s, axis=1)

    def forward_and_log_det(self, z):
        kept, moved = z[:, : self.d], z[:, self.d :]
        s, t = tf.split(self.network(kept), 2, axis=1)
        s = tf.tanh(s)
        return tf.concat([kept, (moved - t) * tf.exp(-s)], axis=1), tf.reduce_sum(s, axis=1)


# %% exercise="one-pass" name="s_and_t_exchanged" en="taken in the right order" ru="В том ли порядке"
class MyCoupling(bijectors.OnePass):
    def __init__(self, network, d):
        super().__init__(event_ndims=1)
        self.network, self.d = network, d

    def inverse_and_log_det(self, x):
        kept, moved = x[:, : self.d], x[:, self.d :]
        t, s = tf.split(self.network(kept), 2, axis=1)
        s = tf.tanh(s)
        return tf.concat([kept, moved * tf.exp(s) + t], axis=1), tf.reduce_sum(s, axis=1)

    def forward_and_log_det(self, z):
        kept, moved = z[:, : self.d], z[:, self.d :]
        t, s = tf.split(self.network(kept), 2, axis=1)
        s = tf.tanh(s)
        return tf.concat([kept, (moved - t) * tf.exp(-s)], axis=1), -tf.reduce_sum(s, axis=1)


# %% exercise="one-pass" name="summed_over_the_batch" en="one number per example" ru="по числу на пример"
class MyCoupling(bijectors.OnePass):
    def __init__(self, network, d):
        super().__init__(event_ndims=1)
        self.network, self.d = network, d

    def inverse_and_log_det(self, x):
        kept, moved = x[:, : self.d], x[:, self.d :]
        s, t = tf.split(self.network(kept), 2, axis=1)
        s = tf.tanh(s)
        return tf.concat([kept, moved * tf.exp(s) + t], axis=1), tf.reduce_sum(s)

    def forward_and_log_det(self, z):
        kept, moved = z[:, : self.d], z[:, self.d :]
        s, t = tf.split(self.network(kept), 2, axis=1)
        s = tf.tanh(s)
        return tf.concat([kept, (moved - t) * tf.exp(-s)], axis=1), -tf.reduce_sum(s)
