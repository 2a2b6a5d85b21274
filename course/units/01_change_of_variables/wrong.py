# Answers that a student may well give, and that must get no points. `en` and `ru`: a part of the message they must get.

# %% exercise="slope" name="signed" en="has no sign" ru="знака нет"
def slope(x):
    return -2 / x


# %% exercise="slope" name="upside_down" en="upside down" ru="перевёрнутая"
def slope(x):
    return x / 2


# %% exercise="slope" name="factor_lost" en="times as fast" ru="раза быстрее"
def slope(x):
    return 1 / x


# %% exercise="slope" name="logarithm" en="(no sign|times as fast)" ru="(знака нет|раза быстрее)"
def slope(x):
    return np.log(2 / x)


# %% exercise="half-line" name="no_determinant" en="not to 1: is log" ru="а не 1: учтён ли"
def log_prob_half_line(x, m, s):
    return stats.norm.logpdf((np.log(x) - m) / s)


# %% exercise="half-line" name="determinant_added_with_wrong_sign" en="right sign" ru="тем ли знаком"
def log_prob_half_line(x, m, s):
    return stats.norm.logpdf((np.log(x) - m) / s) + np.log(s * x)


# %% exercise="half-line" name="scale_forgotten" en="depends on s too" ru="зависит и от s"
def log_prob_half_line(x, m, s):
    return stats.norm.logpdf((np.log(x) - m) / s) - np.log(x)


# %% exercise="half-line" name="sum_over_the_batch" en="its own log p" ru="свой log p"
def log_prob_half_line(x, m, s):
    return np.sum(stats.norm.logpdf((np.log(x) - m) / s) - np.log(s * x))


# %% exercise="matrix" name="no_absolute_value" en="has no logarithm" ru="логарифма у него нет"
def log_prob_matrix(x, A, b):
    with np.errstate(invalid="ignore"):
        return stats.norm.logpdf(x @ A.T + b).sum(axis=1) + np.log(np.linalg.det(A))


# %% exercise="matrix" name="matrix_not_transposed" en="z is wrong" ru="неверно z"
def log_prob_matrix(x, A, b):
    return stats.norm.logpdf(x @ A + b).sum(axis=1) + np.linalg.slogdet(A).logabsdet


# %% exercise="matrix" name="determinant_once_per_row" en="instead of once" ru="вместо одного"
def log_prob_matrix(x, A, b):
    return stats.norm.logpdf(x @ A.T + b).sum(axis=1) + len(x) * np.linalg.slogdet(A).logabsdet


# %% exercise="matrix" name="inverse_determinant" en="-1.0 times" ru="-1.0 раз"
def log_prob_matrix(x, A, b):
    return stats.norm.logpdf(x @ A.T + b).sum(axis=1) - np.linalg.slogdet(A).logabsdet


# %% exercise="chain" name="not_reversed" en="which order" ru="каком порядке"
def chain_log_prob(x, layers):
    total = 0.0
    for layer in layers:
        x, log_det = layer.to_noise(x)
        total = total + log_det
    return stats.norm.logpdf(x).sum(axis=1) + total


def chain_to_data(z, layers):
    for layer in layers:
        z = layer.to_data(z)
    return z


# %% exercise="chain" name="every_layer_at_x" en="the one before it" ru="вернул предыдущий"
def chain_log_prob(x, layers):
    y, total = x, 0.0
    for layer in layers:
        total = total + layer.to_noise(x)[1]
        y = layer.to_noise(y)[0]
    return stats.norm.logpdf(y).sum(axis=1) + total


def chain_to_data(z, layers):
    for layer in reversed(layers):
        z = layer.to_data(z)
    return z


# %% exercise="chain" name="last_determinant_only" en="sum of all" ru="сумма всех"
def chain_log_prob(x, layers):
    for layer in layers:
        x, log_det = layer.to_noise(x)
    return stats.norm.logpdf(x).sum(axis=1) + log_det


def chain_to_data(z, layers):
    for layer in reversed(layers):
        z = layer.to_data(z)
    return z


# %% exercise="chain" name="determinants_subtracted" en="opposite sign" ru="противоположный знак"
def chain_log_prob(x, layers):
    total = 0.0
    for layer in layers:
        x, log_det = layer.to_noise(x)
        total = total - log_det
    return stats.norm.logpdf(x).sum(axis=1) + total


def chain_to_data(z, layers):
    for layer in reversed(layers):
        z = layer.to_data(z)
    return z


# %% exercise="bijector" name="sign_of_the_determinant" en="other direction" ru="другого направления"
class Curve(tfb.Bijector):
    def __init__(self, s, a):
        super().__init__(forward_min_event_ndims=1, parameters={"s": s, "a": a})
        self.s, self.a = s, a

    def _forward(self, z):
        return tf.stack([tf.exp(self.s * z[..., 0]), z[..., 1] + self.a * z[..., 0]], axis=-1)

    def _inverse(self, x):
        z1 = tf.math.log(x[..., 0]) / self.s
        return tf.stack([z1, x[..., 1] - self.a * z1], axis=-1)

    def _inverse_log_det_jacobian(self, x):
        return tf.math.log(self.s) + tf.math.log(x[..., 0])


def loss(x, s, a):
    flow = tfd.TransformedDistribution(tfd.MultivariateNormalDiag(tf.zeros(2)), Curve(s, a))
    return -tf.reduce_mean(flow.log_prob(x))


# %% exercise="bijector" name="s_not_in_the_determinant" en="both s and x1" ru="и s, и x1"
class Curve(tfb.Bijector):
    def __init__(self, s, a):
        super().__init__(forward_min_event_ndims=1, parameters={"s": s, "a": a})
        self.s, self.a = s, a

    def _forward(self, z):
        return tf.stack([tf.exp(self.s * z[..., 0]), z[..., 1] + self.a * z[..., 0]], axis=-1)

    def _inverse(self, x):
        z1 = tf.math.log(x[..., 0]) / self.s
        return tf.stack([z1, x[..., 1] - self.a * z1], axis=-1)

    def _inverse_log_det_jacobian(self, x):
        return -tf.math.log(x[..., 0])


def loss(x, s, a):
    flow = tfd.TransformedDistribution(tfd.MultivariateNormalDiag(tf.zeros(2)), Curve(s, a))
    return -tf.reduce_mean(flow.log_prob(x))


# %% exercise="bijector" name="determinant_summed_over_the_batch" en="no sum over points" ru="без суммы по точкам"
class Curve(tfb.Bijector):
    def __init__(self, s, a):
        super().__init__(forward_min_event_ndims=1, parameters={"s": s, "a": a})
        self.s, self.a = s, a

    def _forward(self, z):
        return tf.stack([tf.exp(self.s * z[..., 0]), z[..., 1] + self.a * z[..., 0]], axis=-1)

    def _inverse(self, x):
        z1 = tf.math.log(x[..., 0]) / self.s
        return tf.stack([z1, x[..., 1] - self.a * z1], axis=-1)

    def _inverse_log_det_jacobian(self, x):
        return -tf.reduce_sum(tf.math.log(self.s) + tf.math.log(x[..., 0]))


def loss(x, s, a):
    flow = tfd.TransformedDistribution(tfd.MultivariateNormalDiag(tf.zeros(2)), Curve(s, a))
    return -tf.reduce_mean(flow.log_prob(x))


# %% exercise="bijector" name="inverse_with_x1_for_z1" en="back to x" ru="обратно в x"
class Curve(tfb.Bijector):
    def __init__(self, s, a):
        super().__init__(forward_min_event_ndims=1, parameters={"s": s, "a": a})
        self.s, self.a = s, a

    def _forward(self, z):
        return tf.stack([tf.exp(self.s * z[..., 0]), z[..., 1] + self.a * z[..., 0]], axis=-1)

    def _inverse(self, x):
        return tf.stack([tf.math.log(x[..., 0]) / self.s, x[..., 1] - self.a * x[..., 0]], axis=-1)

    def _inverse_log_det_jacobian(self, x):
        return -tf.math.log(self.s) - tf.math.log(x[..., 0])


def loss(x, s, a):
    flow = tfd.TransformedDistribution(tfd.MultivariateNormalDiag(tf.zeros(2)), Curve(s, a))
    return -tf.reduce_mean(flow.log_prob(x))


# %% exercise="bijector" name="likelihood_for_loss" en="log-likelihood. Descent" ru="логарифм правдоподобия. Спуск"
class Curve(tfb.Bijector):
    def __init__(self, s, a):
        super().__init__(forward_min_event_ndims=1, parameters={"s": s, "a": a})
        self.s, self.a = s, a

    def _forward(self, z):
        return tf.stack([tf.exp(self.s * z[..., 0]), z[..., 1] + self.a * z[..., 0]], axis=-1)

    def _inverse(self, x):
        z1 = tf.math.log(x[..., 0]) / self.s
        return tf.stack([z1, x[..., 1] - self.a * z1], axis=-1)

    def _inverse_log_det_jacobian(self, x):
        return -tf.math.log(self.s) - tf.math.log(x[..., 0])


def loss(x, s, a):
    flow = tfd.TransformedDistribution(tfd.MultivariateNormalDiag(tf.zeros(2)), Curve(s, a))
    return tf.reduce_mean(flow.log_prob(x))
