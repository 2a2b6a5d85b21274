# %% [markdown] lang="en"
# # Real-NVP: coupling layers
#
# **The question.** [Unit 01](01_change_of_variables.ipynb) left us with a hard bargain: a map has to be invertible, its determinant has to be cheap, and it should be able to bend anything into anything. Neural networks bend well, but they are not invertible, and the determinant of a network from 3072 dimensions to 3072 takes about $3072^3$ operations for every image. Can a network be put *inside* an invertible map, so that neither its inverse nor its determinant is ever needed?
#
# It can, and the trick fits into two lines. By the end of this notebook you will have built the layer, seen its Jacobian matrix, found out exactly what the freedom to change volume is worth, and drawn handwritten digits with a flow that you have written from the first line to the last.
#
# **You need** unit 01 and an idea of what a dense network is. **It takes** about 70 minutes, and then 60 to 90 for the [lab](../../labs/en/02_real_nvp.ipynb).
#
# | symbol | meaning |
# |---|---|
# | $z = f(x)$, $x = f^{-1}(z)$ | from data to noise, and back, as in unit 01 |
# | $x_{1:d}$, $x_{d+1:D}$ | the first $d$ of $D$ coordinates, and the others |
# | $s$, $t$ | neural networks: the log-scale and the shift |
# | $b$ | a mask of zeros and ones: 1 for what is kept |

# %% [markdown] lang="ru"
# # Real-NVP: связывающие слои
#
# **Вопрос.** [Занятие 01](01_change_of_variables.ipynb) поставило жёсткие условия: отображение обязано быть обратимым, определитель обязан быть дешёвым, и при этом хочется уметь гнуть что угодно во что угодно. Нейронные сети гнут хорошо, но они необратимы, а определитель сети из 3072 измерений в 3072 стоит около $3072^3$ операций на каждую картинку. Нельзя ли поместить сеть *внутрь* обратимого отображения так, чтобы ни обратная к ней, ни её определитель никогда не понадобились?
#
# Можно, и весь приём занимает две строки. К концу лекции вы построите такой слой, увидите его матрицу Якоби, точно узнаете, чего стоит свобода менять объём, и нарисуете рукописные цифры потоком, написанным вами от первой строки до последней.
#
# **Понадобятся** занятие 01 и представление о том, что такое полносвязная сеть. **Времени** уйдёт минут 70, и ещё 60–90 на [лабораторную](../../labs/ru/02_real_nvp.ipynb).
#
# | обозначение | смысл |
# |---|---|
# | $z = f(x)$, $x = f^{-1}(z)$ | от данных к шуму и обратно, как на занятии 01 |
# | $x_{1:d}$, $x_{d+1:D}$ | первые $d$ координат из $D$ и остальные |
# | $s$, $t$ | нейронные сети: логарифм масштаба и сдвиг |
# | $b$ | маска из нулей и единиц: единица у того, что не меняется |

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from dgm_tfp import data, profiles

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
profile = profiles.current().name  # "laptop" by default: decides how long we train

BLUE, LIGHT, RED = "#1f6f8b", "#7fb7c9", "#d1495b"
plt.rcParams.update(
    {
        "figure.dpi": 90,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)

# %% [markdown] lang="en"
# ## The trick
#
# Cut the vector in two: the first $d$ coordinates and the other $D - d$. The first part passes unchanged. The second is scaled and shifted by amounts that are computed **from the first**:
#
# $$z = f(x) = \begin{cases} z_{1:d} = x_{1:d} \\ z_{d+1:D} = x_{d+1:D} \odot \exp\bigl(s(x_{1:d})\bigr) + t(x_{1:d}) \end{cases}$$
#
# Here $s$ and $t$ are networks with $d$ inputs and $D - d$ outputs, and $\odot$ multiplies element by element. This is an affine **coupling layer** (Dinh et al., 2017); the shear of unit 01 is the case $D = 2$, $s = 0$. Two things follow at once.
#
# > **The inverse is in closed form.** The first part is known: it has not changed. So $s$ and $t$ can be computed again, and what they did can be undone:
# >
# > $$x = f^{-1}(z) = \begin{cases} x_{1:d} = z_{1:d} \\ x_{d+1:D} = \bigl(z_{d+1:D} - t(z_{1:d})\bigr) \odot \exp\bigl(-s(z_{1:d})\bigr) \end{cases}$$
#
# Nobody has inverted $s$ or $t$: in both directions they run the same way. They may be any networks whatever, as wide and as deep as we like.

# %% [markdown] lang="ru"
# ## Приём
#
# Разрежем вектор надвое: первые $d$ координат и остальные $D - d$. Первая часть проходит без изменений. Вторая растягивается и сдвигается на величины, вычисленные **по первой**:
#
# $$z = f(x) = \begin{cases} z_{1:d} = x_{1:d} \\ z_{d+1:D} = x_{d+1:D} \odot \exp\bigl(s(x_{1:d})\bigr) + t(x_{1:d}) \end{cases}$$
#
# Здесь $s$ и $t$ — нейронные сети с $d$ входами и $D - d$ выходами, а $\odot$ означает поэлементное умножение. Это **аффинный связывающий слой** (Dinh et al., 2017); сдвиг из занятия 01 — его частный случай, $D = 2$ и $s = 0$. Сразу получаются два следствия.
#
# > **Обратное отображение выписывается явно.** Первая часть известна: она не изменилась. Значит, $s$ и $t$ можно вычислить заново и отменить то, что они сделали:
# >
# > $$x = f^{-1}(z) = \begin{cases} x_{1:d} = z_{1:d} \\ x_{d+1:D} = \bigl(z_{d+1:D} - t(z_{1:d})\bigr) \odot \exp\bigl(-s(z_{1:d})\bigr) \end{cases}$$
#
# Ни $s$, ни $t$ никто не обращал: в обе стороны они работают одинаково. Это могут быть какие угодно сети, сколь угодно широкие и глубокие.

# %% alt_en="Two diagrams. On the left the first half passes straight through and feeds s and t, by which the second half is multiplied and then shifted. On the right the arrows of the second half are reversed: first t is subtracted, then it is divided by exp s; the arrows of s and t have not changed." alt_ru="Две схемы. Слева первая половина проходит прямо и питает s и t, на которые вторая половина умножается, а затем сдвигается. Справа стрелки второй половины перевёрнуты: сначала вычитается t, потом делится на exp s; стрелки к s и t те же."
def diagram(axis, source, target, first, second):
    """One direction of the layer: what the second half goes through, in this order."""

    def arrow(start, end):
        style = {"arrowstyle": "->", "color": "black", "lw": 1.2, "shrinkA": 0}
        axis.annotate("", end, start, arrowprops=style)

    def box(x, y, text, color):
        frame = {"boxstyle": "round", "facecolor": color, "edgecolor": "none"}
        axis.text(x, y, text, ha="center", va="center", bbox=frame, fontsize=12)

    arrow((0.9, 2), (5.1, 2)), arrow((0.9, 0), (5.1, 0))
    for x, (operation, network) in zip((2, 4), (first, second), strict=True):
        arrow((x, 2), (x, 1.35)), arrow((x, 1), (x, 0.3))
        box(x, 1, network, LIGHT), box(x, 0, operation, "#f3c9ce")
    axis.text(0, 2, f"${source}_{{1:d}}$", ha="center", va="center", fontsize=13)
    axis.text(0, 0, f"${source}_{{d+1:D}}$", ha="center", va="center", fontsize=13)
    axis.text(6, 2, f"${target}_{{1:d}}$", ha="center", va="center", fontsize=13)
    axis.text(6, 0, f"${target}_{{d+1:D}}$", ha="center", va="center", fontsize=13)
    axis.set(xlim=(-0.9, 6.9), ylim=(-0.5, 2.4))
    axis.axis("off")


figure, axes = plt.subplots(1, 2, figsize=(10, 2.4))
scale, shift = (r"$\times\, e^{s}$", "$s$"), ("$+\\, t$", "$t$")
diagram(axes[0], "x", "z", scale, shift)
diagram(axes[1], "z", "x", ("$-\\, t$", "$t$"), (r"$\times\, e^{-s}$", "$s$"));

# %% [markdown] lang="en"
# *Figure 1. A coupling layer from data to noise (left) and from noise to data (right). The networks are the same, and both times they see the half that has not changed.*
#
# > **The Jacobian matrix is triangular.** Its upper left block is the identity; the upper right one is zero, for $z_{1:d}$ does not depend on $x_{d+1:D}$; the lower right one is diagonal, for $z_j$ depends on no other $x_k$ of its half:
# >
# > $$\frac{\partial f}{\partial x} = \begin{pmatrix} \mathbb I_d & 0 \\ \frac{\partial z_{d+1:D}}{\partial x_{1:d}} & \mathrm{diag}\bigl(\exp(s(x_{1:d}))\bigr) \end{pmatrix}, \qquad \log\left|\det \frac{\partial f}{\partial x}\right| = \sum_{j=1}^{D-d} s(x_{1:d})_j.$$
#
# The lower left block holds the derivatives of both networks, and it does not matter: the determinant of a triangular matrix is the product of its diagonal, here of $e^{s_j} > 0$. The log-determinant is a **sum of outputs that have been computed anyway**: $D - d$ additions instead of $D^3$ operations. In code:

# %% [markdown] lang="ru"
# *Рис. 1. Связывающий слой от данных к шуму (слева) и от шума к данным (справа). Сети те же самые, и оба раза они видят ту половину, которая не изменилась.*
#
# > **Матрица Якоби треугольная.** Левый верхний блок единичный; правый верхний нулевой, ведь $z_{1:d}$ не зависит от $x_{d+1:D}$; правый нижний диагональный, ведь $z_j$ не зависит от других $x_k$ своей половины:
# >
# > $$\frac{\partial f}{\partial x} = \begin{pmatrix} \mathbb I_d & 0 \\ \frac{\partial z_{d+1:D}}{\partial x_{1:d}} & \mathrm{diag}\bigl(\exp(s(x_{1:d}))\bigr) \end{pmatrix}, \qquad \log\left|\det \frac{\partial f}{\partial x}\right| = \sum_{j=1}^{D-d} s(x_{1:d})_j.$$
#
# В левом нижнем блоке стоят производные обеих сетей, и это неважно: определитель треугольной матрицы равен произведению диагонали, а на ней $e^{s_j} > 0$. Логарифм модуля якобиана есть **сумма выходов, которые и так уже вычислены**: $D - d$ сложений вместо $D^3$ операций. В коде:


# %%
def network(inputs, outputs, hidden=(32, 32)):
    """Any network will do. Zeros in the last layer: the flow starts as the identity."""
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            *(keras.layers.Dense(width, "relu") for width in hidden),
            keras.layers.Dense(outputs, kernel_initializer="zeros"),
        ]
    )


class CouplingLayer:
    """The two lines, and their inverse. x: (n, D)."""

    def __init__(self, size, volume_preserving=False):
        self.d = size // 2
        self.t = network(self.d, size - self.d)
        self.s = None if volume_preserving else network(self.d, size - self.d)

    def log_scale(self, kept):
        """s, (n, D - d), between -1 and 1: why tanh, see "What goes wrong"."""
        return tf.tanh(self.s(kept)) if self.s else tf.zeros_like(self.t(kept))

    def to_noise(self, x):
        """z, (n, D), and log abs det dz/dx, (n,)."""
        kept, moved = x[:, : self.d], x[:, self.d :]
        s = self.log_scale(kept)
        z = tf.concat([kept, moved * tf.exp(s) + self.t(kept)], axis=1)
        return z, tf.reduce_sum(s, axis=1)

    def to_data(self, z):
        """x, (n, D)."""
        kept, moved = z[:, : self.d], z[:, self.d :]
        s = self.log_scale(kept)
        return tf.concat([kept, (moved - self.t(kept)) * tf.exp(-s)], axis=1)

    @property
    def variables(self):
        networks = [self.t, self.s] if self.s else [self.t]
        return [v for net in networks for v in net.trainable_variables]


# %% [markdown] lang="en"
# The formula promises that the determinant of the whole matrix is that of its diagonal. A promise like this one is checked: make a layer in 8 dimensions with networks of random weights, let automatic differentiation fill in the matrix, and compare.

# %% [markdown] lang="ru"
# Формула обещает, что от определителя всей матрицы останется одна диагональ. Такие обещания проверяют: сделаем слой в 8 измерениях с сетями со случайными весами, заполним матрицу автоматическим дифференцированием и сравним.


# %% tags=["nbval-check-output"]
def randomise(variables, seed):
    """Random weights instead of the zeros of the last layer."""
    for i, variable in enumerate(variables):
        values = tf.random.stateless_normal(variable.shape, seed=(seed, i))
        variable.assign(0.4 * values)


def jacobian(function, x):
    """(n, D, D), by automatic differentiation."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        z = function(x)
    return tape.batch_jacobian(z, x, experimental_use_pfor=False).numpy()


layer = CouplingLayer(8)
randomise(layer.variables, seed=0)
x = tf.random.stateless_normal((5, 8), seed=(0, 99))
z, log_det = layer.to_noise(x)
matrices = jacobian(lambda x: layer.to_noise(x)[0], x)
brute_force = np.linalg.slogdet(matrices.astype(np.float64)).logabsdet
print("log-determinant = sum of s:", np.allclose(log_det, brute_force, atol=1e-4))
print("f^-1(f(x)) = x:", np.allclose(layer.to_data(z), x, atol=1e-4))
print("upper left block is the identity:", np.allclose(matrices[:, :4, :4], np.eye(4)))
print("upper right block is zero:", not matrices[:, :4, 4:].any())

# %% [markdown] lang="en"
# ## One layer is not enough
#
# A coupling layer leaves half of the coordinates where they were. So layers are stacked, and the halves exchange their roles between them; here by turning the vector round. How many layers does it take until every output depends on every input? The Jacobian matrices of 1, 2, 3 and 4 layers tell: a zero is a dependence that is not there.

# %% [markdown] lang="ru"
# ## Одного слоя мало
#
# Связывающий слой оставляет половину координат на месте. Поэтому слои ставят друг за другом, а половины между ними меняют ролями; у нас — переворачивая вектор. Сколько нужно слоёв, чтобы каждый выход зависел от каждого входа? Об этом скажут матрицы Якоби 1, 2, 3 и 4 слоёв: нуль означает, что зависимости нет.

# %% tags=["nbval-check-output"] alt_en="Four 8 by 8 matrices. One layer: a diagonal, zeros above, a dense block below on the left. Two layers: only a block with a diagonal is left of the zeros. Three and four layers: no zeros." alt_ru="Четыре матрицы 8 на 8. Один слой: диагональ, нули сверху, плотный блок слева внизу. Два слоя: нули остались только вокруг диагонали одного блока. Три и четыре слоя: нулей нет."
stack = [CouplingLayer(8) for _ in range(4)]
for k, each in enumerate(stack):
    randomise(each.variables, seed=k)


def through(layers):
    """x -> z through the layers, the halves exchanged after each."""

    def function(x):
        for each in layers:
            x = tf.reverse(each.to_noise(x)[0], axis=[1])
        return x

    return function


figure, axes = plt.subplots(1, 4, figsize=(9, 2.5))
zeros = []
for count, axis in enumerate(axes, 1):
    matrix = jacobian(through(stack[:count]), x)[0]
    if count % 2:
        matrix = matrix[::-1]  # an odd number of turns would hide the blocks
    zeros.append(int((matrix == 0).sum()))
    size = np.where(matrix == 0, np.nan, np.log10(np.abs(matrix) + 1e-30))
    axis.imshow(size, cmap="Blues", vmin=-3, vmax=1)
    axis.set(xticks=[], yticks=[], title=str(count))
    axis.spines[:].set_visible(True)
print("zeros among 64 elements after 1, 2, 3, 4 layers:", zeros)

# %% [markdown] lang="en"
# *Figure 2. The Jacobian matrix of 1, 2, 3 and 4 coupling layers: the darker, the larger the element; white is exactly zero. The first one is the block matrix of the formula.*
#
# After two layers each half has seen the other, but within one half the coordinates have not mixed yet: that block is still diagonal. Three layers are the least that leaves no zero.

# %% [markdown] lang="ru"
# *Рис. 2. Матрица Якоби 1, 2, 3 и 4 связывающих слоёв: чем темнее, тем больше элемент; белый — точный нуль. Первая — это блочная матрица из формулы.*
#
# После двух слоёв каждая половина увидела другую, но внутри одной из половин координаты ещё не перемешались: её блок диагональный. Три слоя — наименьшее число, при котором нулей не остаётся.

# %% [markdown] lang="en"
# ## Two moons
#
# A flow is a stack of layers, and the log-determinants add. At the end stands one constant scale for each coordinate, a layer whose log-determinant is the sum of its two numbers; we shall need it in the next section.
#
# How good is the flow after training? Unit 01: the loss is never less than the entropy of the true density. The recipe of the moons is known: two half circles and normal noise of standard deviation 0.1. So their density is an average of normal densities along the two arcs, and its entropy is an integral over the plane. We standardise the data, $x \to (x - m) / \sigma$; by the change of variables the entropy then falls by $\ln \sigma_1 + \ln \sigma_2$.

# %% [markdown] lang="ru"
# ## Две луны
#
# Поток — это стопка слоёв, и логарифмы якобианов складываются. В конце стоит один постоянный масштаб на координату, слой, у которого логарифм якобиана равен сумме двух его чисел; он понадобится в следующем разделе.
#
# Хорош ли поток после обучения? На занятии 01 мы видели, что функция потерь не бывает меньше энтропии истинной плотности. Рецепт «лун» известен: две полуокружности и нормальный шум со стандартным отклонением 0.1. Значит, их плотность есть среднее нормальных плотностей вдоль двух дуг, а энтропия — интеграл по плоскости. Данные мы стандартизуем, $x \to (x - m) / \sigma$; по теореме о замене переменных энтропия при этом уменьшится на $\ln \sigma_1 + \ln \sigma_2$.

# %%
moons = data.load("moons", "train").images
centre, spread = moons.mean(axis=0), moons.std(axis=0)
moons = (moons - centre) / spread
moons_test = (data.load("moons", "test").images - centre) / spread


# %% tags=["nbval-check-output"]
def moons_density(x, angles=200, noise=0.1):
    """The density of standardised moons, (n, 2) -> (n,)."""
    angle = np.pi * (np.arange(angles) + 0.5) / angles
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    arcs = (np.concatenate([upper, [1, 0.5] - upper]) - centre) / spread
    values = []
    for part in np.array_split(x, 100):  # so that it fits into memory
        distance = ((part[:, None] - arcs) * spread) ** 2
        values.append(np.exp(-distance.sum(axis=2) / (2 * noise**2)).mean(axis=1))
    return np.concatenate(values) * spread.prod() / (2 * np.pi * noise**2)


def grid(low, high, points):
    """The points of a square grid, (points^2, 2), and the area of its cell."""
    line = np.linspace(low, high, points, dtype=np.float32)
    points = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return points, (line[1] - line[0]) ** 2


def entropy(density, cell):
    """-integral of p ln p, in nats, from the values on a grid."""
    return -np.sum(density * np.log(np.maximum(density, 1e-300))) * cell


plane, cell = grid(-3, 3, 301)
true_moons = moons_density(plane)
moons_entropy = entropy(true_moons, cell)
print(f"integral of the density {true_moons.sum() * cell:.3f}")
print(f"entropy {moons_entropy:.3f} nats")


# %%
class Stack:
    """Coupling layers, the halves exchanged after each, and a constant scale."""

    def __init__(self, layers, exchange=True):
        self.layers, self.exchange = layers, exchange
        self.scale = tf.Variable(tf.zeros(2))

    @property
    def variables(self):
        return [v for layer in self.layers for v in layer.variables] + [self.scale]

    def to_noise(self, x):
        total = tf.reduce_sum(self.scale)
        for layer in self.layers:
            x, log_det = layer.to_noise(x)
            total += log_det
            if self.exchange:
                x = tf.reverse(x, axis=[1])
        return x * tf.exp(self.scale), total

    def to_data(self, z):
        z = z * tf.exp(-self.scale)
        for layer in reversed(self.layers):
            if self.exchange:
                z = tf.reverse(z, axis=[1])
            z = layer.to_data(z)
        return z

    def log_prob(self, x):
        z, log_det = self.to_noise(x)
        return log_det - tf.reduce_sum(z**2 + np.log(2 * np.pi), axis=1) / 2


def train(log_prob, variables, batch, steps, learning_rate):
    """Maximum likelihood on `batch()`, the learning rate falling to 0. Losses."""
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=learning_rate, warmup_steps=50
    )
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=100.0)
    optimizer.build(variables)

    @tf.function
    def step(points):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(log_prob(points))
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return np.array([step(batch()) for _ in range(steps)])


def fit(flow, points, steps):
    def batch():
        return points[rng.integers(len(points), size=256)]

    return train(flow.log_prob, flow.variables, batch, steps, learning_rate=2e-3)


steps = {"smoke": 50, "laptop": 2500, "gpu": 2500}[profile]
flow = Stack([CouplingLayer(2) for _ in range(8)])
losses = fit(flow, moons, steps)
print(f"loss on the test set {-np.mean(flow.log_prob(moons_test)):.3f} nats")
print(f"entropy              {moons_entropy:.3f}")

# %% lang="en" alt_en="Three panels: samples of the flow, two moons; the density of the flow, even along two moons that a thin thread joins; the loss, which falls towards the line of the entropy."
figure, axes = plt.subplots(1, 3, figsize=(9.5, 3))
noise = tf.constant(rng.standard_normal((2000, 2)), tf.float32)
axes[0].scatter(*np.transpose(flow.to_data(noise)), s=2, color=RED)
shape, extent = (301, 301), (-3, 3, -3, 3)
density = np.exp(flow.log_prob(plane)).reshape(shape)
axes[1].imshow(density, origin="lower", extent=extent, vmax=0.5)
titles = ("samples of the flow", "its density")
for axis, title in zip(axes[:2], titles, strict=True):
    axis.set(title=title, xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), aspect="equal")
axes[2].plot(losses, color=LIGHT, lw=0.5)
axes[2].axhline(moons_entropy, color="black", ls="--", label="entropy")
axes[2].set(xlabel="step", ylabel="$L$", ylim=(1.6, 3))
axes[2].legend();

# %% lang="ru" alt_ru="Три панели: сэмплы потока, две луны; плотность потока, ровная вдоль двух лун, которые соединяет тонкая нить; функция потерь, убывающая к прямой энтропии."
figure, axes = plt.subplots(1, 3, figsize=(9.5, 3))
noise = tf.constant(rng.standard_normal((2000, 2)), tf.float32)
axes[0].scatter(*np.transpose(flow.to_data(noise)), s=2, color=RED)
shape, extent = (301, 301), (-3, 3, -3, 3)
density = np.exp(flow.log_prob(plane)).reshape(shape)
axes[1].imshow(density, origin="lower", extent=extent, vmax=0.5)
titles = ("сэмплы потока", "его плотность")
for axis, title in zip(axes[:2], titles, strict=True):
    axis.set(title=title, xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), aspect="equal")
axes[2].plot(losses, color=LIGHT, lw=0.5)
axes[2].axhline(moons_entropy, color="black", ls="--", label="энтропия")
axes[2].set(xlabel="шаг", ylabel="$L$", ylim=(1.6, 3))
axes[2].legend();

# %% [markdown] lang="en"
# *Figure 3. Eight coupling layers after training: samples, density, and the loss of each batch. Dashed: the entropy of the true density, below which no honest flow can stay.*

# %% [markdown] lang="ru"
# *Рис. 3. Восемь связывающих слоёв после обучения: сэмплы, плотность и функция потерь на каждом шаге. Штриховая линия: энтропия истинной плотности, ниже которой честный поток удержаться не может.*

# %% [markdown] lang="en"
# ## To change volume, or not
#
# Leave $s$ out, and the layer is $z_{d+1:D} = x_{d+1:D} + t(x_{1:d})$: its determinant is 1. This is NICE (Dinh et al., 2015), and it **preserves volume**. The full layer does not, hence the name Real-NVP, *real-valued non-volume preserving*. One layer of each kind bends the same grid:

# %% [markdown] lang="ru"
# ## Менять объём или нет
#
# Если $s$ убрать, слой станет таким: $z_{d+1:D} = x_{d+1:D} + t(x_{1:d})$, и его определитель равен 1. Это NICE (Dinh et al., 2015), слой, **сохраняющий объём**. Полный слой его не сохраняет, отсюда и название Real-NVP, *real-valued non-volume preserving*. Пусть по одному слою каждого вида изогнёт одну и ту же сетку:

# %% alt_en="Three grids: a square one; the same sheared into waves, with cells of equal area; and one in which the waves are also stretched in the middle columns and squeezed at the sides." alt_ru="Три сетки: квадратная; она же, сдвинутая волнами, с ячейками равной площади; и третья, где волны ещё и растянуты в средних столбцах и сжаты по краям."
lines, dense = np.linspace(-2, 2, 17), np.linspace(-2, 2, 100)
amounts = {  # t and s as functions of x1
    "$x_2$": (lambda u: 0 * u, lambda u: 0 * u),
    "$x_2 + t$": (lambda u: 0.7 * np.sin(2 * u), lambda u: 0 * u),
    r"$x_2\, e^s + t$": (lambda u: 0.7 * np.sin(2 * u), lambda u: 0.8 * np.cos(2 * u)),
}
figure, axes = plt.subplots(1, 3, figsize=(8, 3), sharex=True, sharey=True)
for axis, (title, (t, s)) in zip(axes, amounts.items(), strict=True):
    for level in lines:
        for x1, x2 in ((dense, 0 * dense + level), (0 * dense + level, dense)):
            axis.plot(x1, x2 * np.exp(s(x1)) + t(x1), color=BLUE, lw=0.7)
    axis.set(xlabel="$z_1 = x_1$", title="$z_2 =$ " + title)

# %% [markdown] lang="en"
# *Figure 4. A grid of data (left) after one layer of NICE (middle) and one of Real-NVP (right). Vertical lines stay vertical: $x_1$ is kept. In the middle every cell keeps its area; on the right whole columns are stretched or squeezed.*
#
# What is that freedom worth? Exactly this much:
#
# > **Theorem (volume-preserving flows of the plane).** Let $|\det \partial f / \partial x| = C$ for all $x$, and $z = f(x)$ be standard normal in two dimensions. Then
# >
# > 1. for a sample $x$ of the flow $\log p_x(x) = \log \frac{C}{2\pi} - \varepsilon$, where $\varepsilon$ is exponential with mean 1, **whatever $f$ has learned**;
# > 2. on data of density $p$ the loss is never less than $1 + \log \mathbb E\,A(x)$, where $A(x)$ is the area of the set on which the density is higher than at $x$.
#
# *Derivation.* The first: $\log p_x(x) = \log C - \log 2\pi - \frac12 |z|^2$, and half the square of the length of a normal vector in the plane is exponential, for $P(|z| > r) = e^{-r^2/2}$.
#
# The second: by the same formula
#
# $$L = \log 2\pi - \log C + \tfrac12\, \mathbb E\,|f(x)|^2,$$
#
# so $f$ should bring the data as near to zero as it can. It may move any set anywhere, but its area is multiplied by $C$. The best is to put the densest points nearest to zero: the set that is denser than $x$, of area $A(x)$, becomes a disc of area $C A(x) = \pi |f(x)|^2$. Hence $\mathbb E\,|f(x)|^2 \ge C\, \mathbb E A / \pi$. It remains to choose $C$: the minimum of $-\log C + C\,\mathbb E A / 2\pi$ is at $C = 2\pi / \mathbb E A$, and $L \ge 1 + \log \mathbb E A$. $\square$
#
# In words: NICE can give the data any *shape*, but how much area is how dense has been decided beforehand, by the noise. It lives well with data in which area and density are distributed as in a normal cloud, and badly with others. The entropy and this bound can both be computed from a density on a grid. Two sets of data: the moons, and a small dense spot ($\sigma = 0.15$) beside a wide cloud ($\sigma = 1$), each with half of the probability.

# %% [markdown] lang="ru"
# *Рис. 4. Сетка данных (слева) после одного слоя NICE (в середине) и одного слоя Real-NVP (справа). Вертикальные линии остаются вертикальными: $x_1$ не меняется. В середине площадь каждой ячейки сохраняется; справа целые столбцы растянуты или сжаты.*
#
# Чего стоит такая свобода? Ровно вот чего:
#
# > **Теорема (потоки на плоскости, сохраняющие объём).** Пусть $|\det \partial f / \partial x| = C$ при всех $x$, и $z = f(x)$ имеет стандартное нормальное распределение на плоскости. Тогда
# >
# > 1. для сэмпла $x$ этого потока $\log p_x(x) = \log \frac{C}{2\pi} - \varepsilon$, где $\varepsilon$ — показательная случайная величина со средним 1, **чему бы $f$ ни научилась**;
# > 2. на данных с плотностью $p$ функция потерь не бывает меньше $1 + \log \mathbb E\,A(x)$, где $A(x)$ — площадь множества, на котором плотность выше, чем в точке $x$.
#
# *Вывод.* Первое: $\log p_x(x) = \log C - \log 2\pi - \frac12 |z|^2$, а половина квадрата длины нормального вектора на плоскости распределена показательно, потому что $P(|z| > r) = e^{-r^2/2}$.
#
# Второе: по той же формуле
#
# $$L = \log 2\pi - \log C + \tfrac12\, \mathbb E\,|f(x)|^2,$$
#
# так что $f$ выгодно собрать данные как можно ближе к нулю. Она может перенести любое множество куда угодно, но площадь его умножится на $C$. Лучше всего поместить ближе к нулю самые плотные места: множество, где плотность выше, чем в $x$, с площадью $A(x)$, станет кругом площади $C A(x) = \pi |f(x)|^2$. Поэтому $\mathbb E\,|f(x)|^2 \ge C\, \mathbb E A / \pi$. Осталось выбрать $C$: минимум $-\log C + C\,\mathbb E A / 2\pi$ достигается при $C = 2\pi / \mathbb E A$, и $L \ge 1 + \log \mathbb E A$. $\square$
#
# Иначе говоря, NICE может придать данным любую *форму*, но какая площадь насколько плотна, решено заранее: это решил шум. Такому потоку хорошо с данными, у которых площадь распределена по плотности примерно так же, как у нормального облака, и плохо с остальными. И энтропия, и эта граница вычисляются по плотности на сетке. Вот два набора данных: луны и маленькое плотное пятно ($\sigma = 0.15$) рядом с широким облаком ($\sigma = 1$), по половине вероятности в каждом.


# %% tags=["nbval-check-output"]
def least_loss_of_nice(density, cell):
    """1 + ln E A: the densest cells first, A is the area that has gone before."""
    density = np.sort(density)[::-1]
    area = cell * (np.arange(len(density)) + 0.5)
    return 1 + np.log(np.sum(density * area) * cell)


def spot_and_cloud(n):
    spot = rng.random((n, 1)) < 0.5
    z = rng.standard_normal((n, 2))
    return np.where(spot, [-2, 0] + 0.15 * z, [1, 0] + z).astype(np.float32)


def spot_and_cloud_density(x):
    def normal(centre, sigma):
        distance = ((x - centre) ** 2).sum(axis=1)
        return np.exp(-distance / (2 * sigma**2)) / (2 * np.pi * sigma**2)

    return (normal([-2, 0], 0.15) + normal([1, 0], 1.0)) / 2


wide, wide_cell = grid(-6, 6, 1201)
true_spot = spot_and_cloud_density(wide)
limits = {
    "moons": (moons_entropy, least_loss_of_nice(true_moons, cell)),
    "spot and cloud": (
        entropy(true_spot, wide_cell),
        least_loss_of_nice(true_spot, wide_cell),
    ),
}
for name, (least, least_nice) in limits.items():
    print(f"{name:15} entropy {least:.3f}   NICE, at best {least_nice:.3f}")

# %% [markdown] lang="en"
# On the moons NICE has almost nothing to lose; on the spot and the cloud more than half a nat, and no network, no depth and no patience will get it back. Train both, same depth, same width, same steps:

# %% [markdown] lang="ru"
# На лунах NICE почти ничего не теряет; на пятне с облаком — больше половины ната, и вернуть их не поможет ни сеть, ни глубина, ни терпение. Обучим оба потока, с одинаковыми глубиной, шириной и числом шагов:

# %%
spot_train, spot_test = spot_and_cloud(10_000), spot_and_cloud(50_000)
flows = {
    "NICE": Stack([CouplingLayer(2, volume_preserving=True) for _ in range(8)]),
    "Real-NVP": Stack([CouplingLayer(2) for _ in range(8)]),
}
least, least_nice = limits["spot and cloud"]
for name, each in flows.items():
    fit(each, spot_train, steps)
    loss = -np.mean(each.log_prob(spot_test))
    bound = least_nice if name == "NICE" else least
    print(f"{name:8} loss on new data {loss:.3f} nats, at best {bound:.3f}")
    volume = np.broadcast_to(each.to_noise(spot_test)[1], len(spot_test))
    in_spot = np.linalg.norm(spot_test - [-2, 0], axis=1) < 0.45  # three sigma
    means = volume[in_spot].mean(), volume[~in_spot].mean()
    print(f"         mean log-determinant: spot {means[0]:.2f}, cloud {means[1]:.2f}")

# %% lang="en" alt_en="Two rows of three panels. Densities: the truth has a bright spot and a faint cloud; NICE has a spot that is larger and fainter, and the cloud is torn; Real-NVP looks like the truth. Log-determinants: NICE is one flat colour; Real-NVP is high at the spot and lower over most of the cloud."
plane, cell = grid(-4, 4, 301)
shape, extent = (301, 301), (-4, 4, -4, 4)
figure, axes = plt.subplots(2, 3, figsize=(9, 5.6), sharex=True, sharey=True)
pictures = {"truth": np.log(spot_and_cloud_density(plane))}
pictures |= {name: each.log_prob(plane) for name, each in flows.items()}
for axis, (name, log_p) in zip(axes[0], pictures.items(), strict=True):
    image = axis.imshow(
        np.reshape(log_p, shape), origin="lower", extent=extent, vmin=-8, vmax=1.5
    )
    axis.set(title=name)
figure.colorbar(image, ax=axes[0], label=r"$\log p_x(x)$")
for axis, each in zip(axes[1, 1:], flows.values(), strict=True):
    volume = np.broadcast_to(each.to_noise(plane)[1], len(plane)).reshape(shape)
    image = axis.imshow(
        volume, origin="lower", extent=extent, cmap="RdBu_r", vmin=-4, vmax=4
    )
    axis.scatter(*spot_test[:400].T, s=0.5, color="black")
figure.colorbar(image, ax=axes[1], label="log-determinant")
axes[1, 0].axis("off");

# %% lang="ru" alt_ru="Два ряда по три панели. Плотности: у истинной яркое пятно и бледное облако; у NICE пятно больше и бледнее, а облако рваное; у Real-NVP почти как у истинной. Логарифмы якобиана: у NICE один ровный цвет; у Real-NVP велик в пятне и меньше почти на всём облаке."
plane, cell = grid(-4, 4, 301)
shape, extent = (301, 301), (-4, 4, -4, 4)
figure, axes = plt.subplots(2, 3, figsize=(9, 5.6), sharex=True, sharey=True)
pictures = {"истина": np.log(spot_and_cloud_density(plane))}
pictures |= {name: each.log_prob(plane) for name, each in flows.items()}
for axis, (name, log_p) in zip(axes[0], pictures.items(), strict=True):
    image = axis.imshow(
        np.reshape(log_p, shape), origin="lower", extent=extent, vmin=-8, vmax=1.5
    )
    axis.set(title=name)
figure.colorbar(image, ax=axes[0], label=r"$\log p_x(x)$")
for axis, each in zip(axes[1, 1:], flows.values(), strict=True):
    volume = np.broadcast_to(each.to_noise(plane)[1], len(plane)).reshape(shape)
    image = axis.imshow(
        volume, origin="lower", extent=extent, cmap="RdBu_r", vmin=-4, vmax=4
    )
    axis.scatter(*spot_test[:400].T, s=0.5, color="black")
figure.colorbar(image, ax=axes[1], label="логарифм якобиана")
axes[1, 0].axis("off");

# %% [markdown] lang="en"
# *Figure 5. Above: the true log-density, and those of the two flows. Below: their log-determinants, with points of the data. on average Real-NVP stretches the spot far more than the cloud; NICE has one constant for both.*
#
# And the first half of the theorem: the log-density of a flow's **own samples**. For NICE the distribution is known before training. Keep this picture in mind: in unit 08 we shall ask which of the two terms, $\log p_z(f(x))$ or the log-determinant, is to blame when a model prefers foreign images.

# %% [markdown] lang="ru"
# *Рис. 5. Сверху: логарифм истинной плотности и плотностей двух потоков. Снизу: логарифмы модуля якобиана и точки данных. Real-NVP в среднем растягивает пятно гораздо сильнее, чем облако; у NICE на всё одна постоянная.*
#
# И первая половина теоремы: логарифм плотности **собственных сэмплов** потока. У NICE его распределение известно ещё до обучения. Запомните эту картинку: на занятии 08 мы спросим, какое из двух слагаемых, $\log p_z(f(x))$ или логарифм якобиана, виновато, когда модель предпочитает чужие картинки.

# %% lang="en" alt_en="Two histograms of log p of samples. For NICE it is a falling exponential that the drawn curve follows exactly. For Real-NVP there are two separate humps, one for the spot and one for the cloud."
noise = tf.constant(rng.standard_normal((20_000, 2)), tf.float32)
figure, axes = plt.subplots(1, 2, figsize=(8.5, 2.6), sharex=True)
for axis, (name, each) in zip(axes, flows.items(), strict=True):
    log_p = each.log_prob(each.to_data(noise)).numpy()
    axis.hist(log_p, bins=100, range=(-8, 2.5), density=True, color=LIGHT)
    axis.set(xlabel=r"$\log p_x(x)$", title=name)
    if name == "NICE":
        highest = float(tf.reduce_sum(each.scale)) - np.log(2 * np.pi)
        below = np.linspace(0, 6, 100)
        axis.plot(highest - below, np.exp(-below), color=RED, label="theorem")
        axis.legend()
        distance = np.mean(highest - log_p)
        print(f"mean of log(C / 2 pi) - log p: {distance:.2f}, by theory 1")

# %% lang="ru" alt_ru="Две гистограммы логарифма плотности сэмплов. У NICE это убывающая экспонента, по которой точно идёт проведённая кривая. У Real-NVP два отдельных горба: один от пятна, другой от облака."
noise = tf.constant(rng.standard_normal((20_000, 2)), tf.float32)
figure, axes = plt.subplots(1, 2, figsize=(8.5, 2.6), sharex=True)
for axis, (name, each) in zip(axes, flows.items(), strict=True):
    log_p = each.log_prob(each.to_data(noise)).numpy()
    axis.hist(log_p, bins=100, range=(-8, 2.5), density=True, color=LIGHT)
    axis.set(xlabel=r"$\log p_x(x)$", title=name)
    if name == "NICE":
        highest = float(tf.reduce_sum(each.scale)) - np.log(2 * np.pi)
        below = np.linspace(0, 6, 100)
        axis.plot(highest - below, np.exp(-below), color=RED, label="теорема")
        axis.legend()
        distance = np.mean(highest - log_p)
        print(f"среднее log(C / 2 pi) - log p: {distance:.2f}, по теории 1")

# %% [markdown] lang="en"
# *Figure 6. The log-density of 20,000 samples, each under the flow that made it. Red: an exponential distribution turned round, its edge at $\log(C / 2\pi)$.*

# %% [markdown] lang="ru"
# *Рис. 6. Логарифм плотности 20 000 сэмплов, каждый под тем потоком, который его породил. Красная линия: перевёрнутое показательное распределение с краем в точке $\log(C / 2\pi)$.*

# %% [markdown] lang="en"
# ## Masks for images
#
# Which half of an *image*? Write the same layer with a mask $b$ of zeros and ones, 1 for what is kept:
#
# $$z = b \odot x + (1 - b) \odot \Bigl(x \odot \exp\bigl(s(b \odot x)\bigr) + t(b \odot x)\Bigr),$$
#
# $$\log\left|\det \frac{\partial f}{\partial x}\right| = \sum_{j} \bigl((1 - b) \odot s(b \odot x)\bigr)_j.$$
#
# Real-NVP uses two kinds. A **checkerboard** keeps every other pixel. A **mask of channels** keeps half of the channels; a grey image has just one, so it is **squeezed** first: each block of $2 \times 2$ pixels becomes 4 channels, $28 \times 28 \times 1 \to 14 \times 14 \times 4$. Nothing is lost or computed: squeezing is a permutation of the numbers, its log-determinant is 0. Of the 4 channels the first two are the even rows, so on the original image this mask is a pattern of stripes.
#
# Why these? The moved half can be told from the kept one only as far as the two depend on each other, and neighbours depend strongly. Measure it with the simplest of networks, a linear one: how much of the variance of the moved pixels does it explain, on images that it has not seen?

# %% [markdown] lang="ru"
# ## Маски для картинок
#
# А какая половина у *картинки*? Запишем тот же слой с маской $b$ из нулей и единиц; единица у того, что не меняется:
#
# $$z = b \odot x + (1 - b) \odot \Bigl(x \odot \exp\bigl(s(b \odot x)\bigr) + t(b \odot x)\Bigr),$$
#
# $$\log\left|\det \frac{\partial f}{\partial x}\right| = \sum_{j} \bigl((1 - b) \odot s(b \odot x)\bigr)_j.$$
#
# В Real-NVP маски двух видов. **Шахматная** оставляет пиксели через один. **Маска каналов** оставляет половину каналов; у серой картинки канал один, поэтому сперва её **складывают**: каждый квадрат $2 \times 2$ пикселей становится четырьмя каналами, $28 \times 28 \times 1 \to 14 \times 14 \times 4$. Ничего не теряется и не вычисляется: складывание переставляет числа, и логарифм его якобиана равен 0. Первые два канала из четырёх — это чётные строки, так что на исходной картинке такая маска выглядит полосами.
#
# Почему именно эти? Меняемую половину можно узнать по неизменной лишь настолько, насколько они зависят друг от друга, а соседи зависят сильно. Измерим это простейшей из сетей, линейной: какую долю дисперсии меняемых пикселей она объясняет на картинках, которых не видела?

# %%
def shrink(images):
    """uint8 (n, 28, 28, 1) -> means of 2x2 blocks, (n, 196), whole numbers."""
    blocks = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    return np.round(blocks).astype(np.float32).reshape(-1, 196)


full = data.load("mnist", "train", source="embedded").images
full_test = data.load("mnist", "test", source="embedded").images
digits, digits_test = shrink(full), shrink(full_test)

# %% tags=["nbval-check-output"]
row, column = np.divmod(np.arange(196), 14)
masks = {  # 1: kept
    "checkerboard": (row + column) % 2 == 0,
    "channels": row % 2 == 0,
    "upper half": row < 7,
}


def explained(b):
    """Part of the variance of the moved pixels, by ridge regression on the kept."""
    mean = digits.mean(axis=0)
    kept, moved = (digits - mean)[:, b], (digits - mean)[:, ~b]
    ridge = kept.T @ kept + 1e5 * np.eye(kept.shape[1])
    weights = np.linalg.solve(ridge, kept.T @ moved)
    error = (digits_test - mean)[:, ~b] - (digits_test - mean)[:, b] @ weights
    return 1 - np.sum(error**2) / np.sum((digits_test - mean)[:, ~b] ** 2)


for name, b in masks.items():
    print(f"{name:12}  {explained(b):.0%}")

# %% alt_en="Four panels: a digit; the digit with every other pixel covered in red; the four channels of the squeezed digit, small copies of it; the digit with every other row covered in red." alt_ru="Четыре панели: цифра; цифра, у которой пиксели через один закрыты красным; четыре канала сложенной цифры, её уменьшенные копии; цифра, у которой через одну закрыты красным строки."
digit = full[3, :, :, 0] / 255
rows, columns = np.indices(digit.shape)
squeezed = [digit[i::2, j::2] for i in (0, 1) for j in (0, 1)]


def cover(kept):
    """What is not kept, in red: (28, 28, 3)."""
    return np.where(kept[..., None], digit[..., None] * np.ones(3), [0.82, 0.29, 0.36])


figure, axes = plt.subplots(1, 4, figsize=(10, 2.4), width_ratios=(1, 1, 1, 1))
axes[0].imshow(digit, cmap="gray")
axes[1].imshow(cover((rows + columns) % 2 == 0))
axes[2].imshow(np.block([squeezed[:2], squeezed[2:]]), cmap="gray")
axes[3].imshow(cover(rows % 2 == 0))
for axis in axes:
    axis.axis("off")

# %% [markdown] lang="en"
# *Figure 7. A digit; a checkerboard mask (red: moved); the four channels after squeezing; the mask of the first two channels, as it looks on the original image.*
#
# ## Digits
#
# Now a flow of images, by hand. So that it trains in half a minute on a laptop, the digits are shrunk to $14 \times 14$. Three layers without weights come first, each a change of variables of unit 01:
#
# * pixels are whole numbers $0, \dots, 255$, and a density of whole numbers is a comb. So uniform noise from $[0, 1)$ is added to each (**dequantization**, unit 04);
# * the result lives in $[0, 256]$ and noise on the whole line. The **logit** stretches one into the other: $x = \ln \frac{v}{1 - v}$ with $v = \alpha + (1 - 2\alpha)\,y / 256$. We take $\alpha = 0.05$, as Dinh et al. do: without it black and white would go to infinity. Its slope is $\frac{dx}{dy} = \frac{1 - 2\alpha}{256\, v (1 - v)}$;
# * the mean and the spread of every pixel are taken out, as with the moons.
#
# Then 12 masked layers, with the checkerboard, its opposite, the mask of channels and its opposite in turn. The loss is reported in **bits per dimension**: $-\log p(y)$ in bits, divided by 196. A flow that knows nothing, uniform over all pixels, has 8.

# %% [markdown] lang="ru"
# *Рис. 7. Цифра; шахматная маска (красное меняется); четыре канала после складывания; маска первых двух каналов, как она выглядит на исходной картинке.*
#
# ## Цифры
#
# Теперь поток картинок, своими руками. Чтобы он обучался на ноутбуке за полминуты, цифры уменьшены до $14 \times 14$. Сначала идут три слоя без весов, каждый — замена переменных из занятия 01:
#
# * яркости — целые числа $0, \dots, 255$, а плотность целых чисел похожа на гребёнку. Поэтому к каждому прибавляется равномерный шум из $[0, 1)$ (**деквантизация**, занятие 04);
# * то, что вышло, живёт на $[0, 256]$, а шум — на всей прямой. Одно в другое растягивает **логит**: $x = \ln \frac{v}{1 - v}$, где $v = \alpha + (1 - 2\alpha)\,y / 256$. Возьмём $\alpha = 0.05$, как Dinh et al.: без неё чёрное и белое ушли бы в бесконечность. Наклон равен $\frac{dx}{dy} = \frac{1 - 2\alpha}{256\, v (1 - v)}$;
# * у каждого пикселя вычитается среднее, и он делится на разброс, как у лун.
#
# Затем 12 слоёв с масками: по очереди шахматная, противоположная ей, маска каналов и противоположная ей. Потери будем измерять в **битах на размерность**: это $-\log p(y)$ в битах, делённый на 196. У потока, который ничего не знает и считает все яркости равновозможными, их 8.


# %%
ALPHA = 0.05


def logit(y):
    """Pixels in [0, 256] to the whole line, (n, 196), and its log-determinant, (n,)."""
    v = ALPHA + (1 - 2 * ALPHA) * y / 256
    log_slope = np.log((1 - 2 * ALPHA) / 256) - tf.math.log(v * (1 - v))
    return tf.math.log(v / (1 - v)), tf.reduce_sum(log_slope, axis=1)


def dequantized(images):
    return images + rng.random(images.shape, dtype=np.float32)


class MaskedLayer:
    """The formula with b. x: (n, D). One network gives both s and t."""

    def __init__(self, b, hidden=(128,)):
        self.b = tf.constant(b, tf.float32)
        self.network = network(len(b), 2 * len(b), hidden)
        self.variables = self.network.trainable_variables

    def s_and_t(self, x):
        s, t = tf.split(self.network(self.b * x), 2, axis=1)
        return (1 - self.b) * tf.tanh(s), (1 - self.b) * t

    def to_noise(self, x):
        s, t = self.s_and_t(x)  # both are 0 where b = 1: what is kept stays
        return x * tf.exp(s) + t, tf.reduce_sum(s, axis=1)

    def to_data(self, z):
        s, t = self.s_and_t(z)
        return (z - t) * tf.exp(-s)


class DigitFlow:
    """Logit, standardisation, masked layers. y: (n, 196), dequantized pixels."""

    def __init__(self, layers):
        x = logit(dequantized(digits))[0].numpy()
        self.mean, self.spread = x.mean(axis=0), x.std(axis=0)
        board, channels = masks["checkerboard"], masks["channels"]
        order = (board, ~board, channels, ~channels)
        self.layers = [MaskedLayer(order[k % 4]) for k in range(layers)]
        self.variables = [v for layer in self.layers for v in layer.variables]

    def to_noise(self, y):
        x, total = logit(y)
        x, total = (x - self.mean) / self.spread, total - np.log(self.spread).sum()
        for layer in self.layers:
            x, log_det = layer.to_noise(x)
            total += log_det
        return x, total

    def to_data(self, z):
        for layer in reversed(self.layers):
            z = layer.to_data(z)
        v = tf.sigmoid(z * self.spread + self.mean)
        return 256 * (v - ALPHA) / (1 - 2 * ALPHA)

    def log_prob(self, y):
        z, log_det = self.to_noise(y)
        return log_det - tf.reduce_sum(z**2 + np.log(2 * np.pi), axis=1) / 2

    def bits_per_dim(self, images):
        return -np.mean(self.log_prob(dequantized(images))) / (196 * np.log(2))


# %%
def digit_batch():
    return dequantized(digits[rng.integers(len(digits), size=128)])


digit_flow = DigitFlow(layers=12)
digit_steps = {"smoke": 30, "laptop": 1500, "gpu": 1500}[profile]
train(digit_flow.log_prob, digit_flow.variables, digit_batch, digit_steps, 3e-3)
print(f"training set {digit_flow.bits_per_dim(digits):.2f} bits per dimension")
print(f"test set     {digit_flow.bits_per_dim(digits_test):.2f}")

# %% [markdown] lang="en"
# The check that every flow has to pass, now in 196 dimensions; and samples.

# %% [markdown] lang="ru"
# Проверка, которую обязан пройти каждый поток, теперь в 196 измерениях; и сэмплы.

# %% tags=["nbval-check-output"]
y = tf.constant(digits_test[:2] + 0.5)
z, log_det = digit_flow.to_noise(y)
matrices = jacobian(lambda y: digit_flow.to_noise(y)[0], y).astype(np.float64)
brute_force = np.linalg.slogdet(matrices).logabsdet
print("log-determinant:", np.allclose(log_det, brute_force, rtol=1e-3))
print("f^-1(f(y)) = y:", np.allclose(digit_flow.to_data(z), y, atol=1))

# %% alt_en="Two sheets of small handwritten digits: real ones, and samples of the flow, of which most can be read as digits and some are blots." alt_ru="Два листа маленьких рукописных цифр: настоящие и сэмплы потока, из которых большинство читается как цифры, а некоторые — кляксы."
def sheet(images, columns):
    """(n, 196) -> one picture, `columns` digits in a row."""
    images = np.clip(images, 0, 255).reshape(-1, columns, 14, 14)
    return np.block([list(row) for row in images])


noise = tf.constant(rng.standard_normal((48, 196)), tf.float32)
samples = digit_flow.to_data(noise)
figure, axes = plt.subplots(2, 1, figsize=(7, 3))
for axis, images in zip(axes, (digits_test[:48], samples), strict=True):
    axis.imshow(sheet(images, columns=16), cmap="gray")
    axis.axis("off")

# %% [markdown] lang="en"
# *Figure 8. Above: test digits, $14 \times 14$. Below: samples of the flow, not selected.*
#
# Dinh et al. (2017) made the networks convolutional and deep and drew faces of $64 \times 64$ pixels with the same two lines. And because the map is invertible, every image *has* a noise point, exactly. So we may walk from one image to another through the noise, $z = \cos\varphi\; z_1 + \sin\varphi\; z_2$ for $\varphi$ from $0$ to $90°$. (An arc, as in the paper, and not a straight line: on the arc $z$ keeps the distribution of the noise, while the middle of the line is too short by $\sqrt 2$.) Compare with the cross-fade of the images themselves.

# %% [markdown] lang="ru"
# *Рис. 8. Сверху: тестовые цифры, $14 \times 14$. Снизу: сэмплы потока, без отбора.*
#
# Dinh et al. (2017) взяли глубокие свёрточные сети и теми же двумя строками нарисовали лица размером $64 \times 64$ пикселя. А раз отображение обратимо, у каждой картинки *есть* точка шума, причём точно. Значит, от одной картинки к другой можно пройти через шум: $z = \cos\varphi\; z_1 + \sin\varphi\; z_2$ при $\varphi$ от $0$ до $90°$. (По дуге, как в статье, а не по прямой: на дуге распределение $z$ остаётся шумовым, а середина прямой короче, чем надо, в $\sqrt 2$ раз.) Для сравнения — наплыв одной картинки на другую.

# %% alt_en="Two pairs of strips of nine images, each from one digit to another. In the upper strip of a pair, through the noise, strokes move and change; in the lower one, the cross-fade, one digit pales while the other appears." alt_ru="Две пары полос по девять картинок, каждая ведёт от одной цифры к другой. В верхней полосе пары, через шум, штрихи движутся и меняются; в нижней, наплыве, одна цифра бледнеет, а другая проступает."
angle = np.linspace(0, np.pi / 2, 9, dtype=np.float32)[:, None]
strips = []
for first, second in ((0, 2), (3, 4)):
    ends = digits_test[[first, second]] + 0.5
    noise = digit_flow.to_noise(tf.constant(ends))[0].numpy()
    strips.append(
        digit_flow.to_data(np.cos(angle) * noise[0] + np.sin(angle) * noise[1])
    )
    weight = angle / (np.pi / 2)
    strips.append((1 - weight) * ends[0] + weight * ends[1])

figure, axis = plt.subplots(figsize=(7, 3.2))
axis.imshow(sheet(np.concatenate(strips), columns=9), cmap="gray")
axis.axis("off");

# %% [markdown] lang="en"
# *Figure 9. From one test digit to another, twice. Upper strip of each pair: through the noise. Lower strip: the cross-fade.*

# %% [markdown] lang="ru"
# *Рис. 9. От одной тестовой цифры к другой, дважды. Верхняя полоса каждой пары: через шум. Нижняя: наплыв.*

# %% [markdown] lang="en"
# ## What goes wrong
#
# **The networks see what they move.** Forget the mask, and compute $s$ and $t$ from all of $x$. Everything runs, and the loss falls faster than ever, right through the entropy of the true density. No model can do that. The matrix is not triangular any more, and the sum of $s$ is just a number that training makes large. There is no inverse either: to undo the layer one would have to know $x$ already. An integral gives the "density" away.

# %% [markdown] lang="ru"
# ## Что идёт не так
#
# **Сети видят то, что меняют.** Забудем маску и вычислим $s$ и $t$ по всему $x$. Всё работает, а функция потерь убывает быстрее прежнего и проходит сквозь энтропию истинной плотности. Ни одна модель так не может. Матрица уже не треугольная, а сумма $s$ — просто число, которое обучение делает большим. Обратного отображения тоже нет: чтобы отменить слой, надо уже знать $x$. Выдаёт такую «плотность» интеграл.


# %%
class Peeking(CouplingLayer):
    """The mistake on purpose: s and t of both halves."""

    def __init__(self, size):
        super().__init__(size)
        self.t = network(size, size - self.d)
        self.s = network(size, size - self.d)

    def to_noise(self, x):
        kept, moved = x[:, : self.d], x[:, self.d :]
        s = tf.tanh(self.s(x))
        z = tf.concat([kept, moved * tf.exp(s) + self.t(x)], axis=1)
        return z, tf.reduce_sum(s, axis=1)


peeking = Stack([Peeking(2) for _ in range(8)])
fit(peeking, moons, steps // 2)
x = tf.constant(moons_test[:500])
reported = peeking.to_noise(x)[1]
matrices = jacobian(lambda x: peeking.to_noise(x)[0], x).astype(np.float64)
plane, cell = grid(-3, 3, 301)
print(f"loss on the test set {-np.mean(peeking.log_prob(moons_test)):.2f} nats")
print(f"entropy              {moons_entropy:.2f}")
print(f"mean log-determinant as reported    {np.mean(reported):.2f}")
brute_force = np.linalg.slogdet(matrices).logabsdet
print(f"                     by brute force {np.mean(brute_force):.2f}")
for name, each in (("right", flow), ("peeking", peeking)):
    integral = np.sum(np.exp(each.log_prob(plane))) * cell
    print(f"integral of the density, {name:8} {integral:.2f}")

# %% [markdown] lang="en"
# **The same half every time.** Forget to exchange the halves, and the first coordinate passes through all layers untouched. The flow can still change $x_2$ given $x_1$, but the density of $x_1$ itself stays that of the noise. Nothing crashes, nothing is wrong with any determinant. The loss is merely worse, and that is hard to notice unless one looks.

# %% [markdown] lang="ru"
# **Всё время одна и та же половина.** Забудем менять половины ролями, и первая координата пройдёт через все слои нетронутой. Поток по-прежнему может менять $x_2$ при данном $x_1$, но плотность самой $x_1$ останется шумовой. Ничего не падает, все якобианы верны. Просто функция потерь хуже, и, если не смотреть, заметить это трудно.

# %%
lazy = Stack([CouplingLayer(2) for _ in range(8)], exchange=False)
fit(lazy, moons, steps)
print(f"exchanged {-np.mean(flow.log_prob(moons_test)):.3f} nats")
print(f"never     {-np.mean(lazy.log_prob(moons_test)):.3f}")

# %% lang="en" alt_en="Two histograms of the first coordinate. With the halves exchanged the samples follow the four humps of the data; without it they stay bell-shaped."
noise = tf.constant(rng.standard_normal((20_000, 2)), tf.float32)
figure, axes = plt.subplots(1, 2, figsize=(8, 2.6), sharey=True)
titles = ("exchanged", "never")
for axis, each, title in zip(axes, (flow, lazy), titles, strict=True):
    axis.hist(moons[:, 0], bins=50, density=True, color=LIGHT, label="data")
    axis.hist(
        each.to_data(noise)[:, 0],
        bins=60,
        range=(-3, 3),
        density=True,
        histtype="step",
        color=RED,
        label="flow",
    )
    axis.set(xlabel="$x_1$", title=title)
axes[1].legend();

# %% lang="ru" alt_ru="Две гистограммы первой координаты. Если половины меняются, сэмплы повторяют четыре горба данных; если нет, они остаются колоколом."
noise = tf.constant(rng.standard_normal((20_000, 2)), tf.float32)
figure, axes = plt.subplots(1, 2, figsize=(8, 2.6), sharey=True)
titles = ("меняются", "никогда")
for axis, each, title in zip(axes, (flow, lazy), titles, strict=True):
    axis.hist(moons[:, 0], bins=50, density=True, color=LIGHT, label="данные")
    axis.hist(
        each.to_data(noise)[:, 0],
        bins=60,
        range=(-3, 3),
        density=True,
        histtype="step",
        color=RED,
        label="поток",
    )
    axis.set(xlabel="$x_1$", title=title)
axes[1].legend();

# %% [markdown] lang="en"
# *Figure 10. The distribution of the first coordinate: of the data, and of samples of a flow whose halves are exchanged (left) or never are (right).*
#
# **An unbounded $s$.** The layer multiplies by $e^s$. A network that returns 90 on one odd point gives $e^{90}$, which `float32` does not hold, and one infinite number in a batch makes all the weights `nan`. So $s$ is bounded, by $\tanh$ here and in `dgm_tfp`. The price is small: a layer may stretch at most $e$ times, and there are many layers.
#
# **$s$ of kept coordinates in the sum.** With masks it is easy to sum $s$ over *all* coordinates, also over those that were kept. They were not stretched, whatever the network says about them: the sum is over $(1 - b) \odot s$.

# %% [markdown] lang="ru"
# *Рис. 10. Распределение первой координаты у данных и у сэмплов потока, половины которого меняются ролями (слева) или не меняются (справа).*
#
# **Неограниченная $s$.** Слой умножает на $e^s$. Сеть, вернувшая 90 на одной странной точке, даёт $e^{90}$; в `float32` это не помещается, а одно бесконечное число в наборе превращает все веса в `nan`. Поэтому $s$ ограничивают, у нас и в `dgm_tfp` — с помощью $\tanh$. Цена невелика: слой может растянуть не более чем в $e$ раз, но слоёв-то много.
#
# **В сумму попала $s$ неизменных координат.** С масками легко просуммировать $s$ по *всем* координатам, в том числе по тем, что не менялись. Они не растянуты, что бы ни говорила о них сеть: суммируется $(1 - b) \odot s$.

# %% tags=["nbval-check-output"]
with np.errstate(over="ignore"):
    print("exp(90) in float32:", np.exp(np.float32(90)))
print(f"the most that tanh lets through: {np.exp(1):.3f}")

b = np.array([1, 1, 0, 0])
s = np.array([0.3, -0.2, 0.5, 0.1])  # the network has an opinion on every coordinate
diagonal = np.where(b, 1, np.exp(s))  # of the Jacobian matrix
print(f"log of the determinant {np.log(diagonal.prod()):.2f}")
print(f"sum of (1 - b) s       {((1 - b) * s).sum():.2f}")
print(f"sum of all s           {s.sum():.2f}")

# %% [markdown] lang="en"
# ## The same with TensorFlow Probability
#
# `tfb.RealNVP` is one coupling layer, written in the direction of generation: its `forward` goes from noise to data, $x_{d+1:D} = z_{d+1:D} \odot e^{s} + t$. It takes a function that returns shift and log-scale. Both conventions are found in papers; the family of flows is the same, only $s$ changes its sign and $t$ its meaning.
#
# There is a trap. A Keras 3 network inside the function is invisible to TFP: the bijector says that it has no variables to train, and an optimizer that believes it moves no weight. In `dgm_tfp` the `keras.Model` owns the networks, and the bijector is computed from them: `bijectors.Coupling` is the same law, value and log-determinant in one pass.

# %% [markdown] lang="ru"
# ## То же на TensorFlow Probability
#
# `tfb.RealNVP` — это один связывающий слой, записанный в том направлении, в котором генерируют: `forward` идёт от шума к данным, $x_{d+1:D} = z_{d+1:D} \odot e^{s} + t$. Он принимает функцию, возвращающую сдвиг и логарифм масштаба. В статьях встречаются оба соглашения; семейство потоков одно и то же, только $s$ меняет знак, а $t$ смысл.
#
# И тут есть ловушка. Сеть Keras 3 внутри этой функции для TFP невидима: биектор говорит, что обучать ему нечего, и оптимизатор, который ему поверит, не сдвинет ни одного веса. В `dgm_tfp` сетями владеет `keras.Model`, а биектор вычисляется по ним: `bijectors.Coupling` — тот же закон, значение и логарифм якобиана за один проход.

# %% tags=["nbval-check-output"]
from dgm_tfp import bijectors
from tensorflow_probability import bijectors as tfb

conditioner = network(4, 8)
randomise(conditioner.trainable_variables, seed=3)


def shift_and_log_scale(kept, output_units, **_):
    t, s = tf.split(conditioner(kept), 2, axis=-1)
    return t, tf.tanh(s)


stock = tfb.RealNVP(num_masked=4, shift_and_log_scale_fn=shift_and_log_scale)
ours = bijectors.Coupling(conditioner, event_ndims=1)
z = tf.random.stateless_normal((3, 8), seed=(0, 4))
x, log_det = ours.forward_and_log_det(z)
print("x:", np.allclose(stock.forward(z), x, atol=1e-5))
stock_log_det = stock.forward_log_det_jacobian(z, 1)
print("log-determinant:", np.allclose(stock_log_det, log_det, atol=1e-5))
print("variables that TFP's bijector sees:", len(stock.trainable_variables))
print("variables of the network:", len(conditioner.trainable_variables))

# %% [markdown] lang="en"
# A mask is an order of the channels there: those of half $a$ first. Seen through the squeeze a checkerboard is a mask of channels too, for two pixels of each $2 \times 2$ block are black: channels 0 and 3. So one bijector serves both kinds. Here it is beside the formula with $b$, from data to noise, $z = b \odot x + (1 - b) \odot (x - t) \odot e^{-s}$:

# %% [markdown] lang="ru"
# Маска там — порядок каналов: сначала те, что в половине $a$. После складывания шахматная маска — тоже маска каналов, ведь в каждом квадрате $2 \times 2$ чёрных пикселей два: каналы 0 и 3. Так что на оба вида хватает одного биектора. Вот он рядом с формулой, в которой стоит $b$, от данных к шуму, $z = b \odot x + (1 - b) \odot (x - t) \odot e^{-s}$:

# %% tags=["nbval-check-output"]
image = tf.random.stateless_normal((2, 4, 4, 1), seed=(0, 5))
weights = 0.5 * tf.random.stateless_normal((2, 4), seed=(0, 6))


def conditioner(kept):
    """A 1x1 convolution: (n, 2, 2, 2) -> t and s side by side, (n, 2, 2, 4)."""
    return tf.tensordot(kept, weights, axes=1)


squeeze = bijectors.Squeeze.of(image.shape)
coupling = bijectors.Coupling(conditioner, order=np.array([0, 3, 1, 2]))
z, log_det = coupling.inverse_and_log_det(squeeze.forward(image))

channels = squeeze.forward(image)
t, s = tf.split(conditioner(tf.gather(channels, [0, 3], axis=3)), 2, axis=3)
s = tf.tanh(s)


def on_white(values):
    """Values of the two white pixels of each block, put on the image; 0 on black."""
    padded = tf.pad(values, [[0, 0], [0, 0], [0, 0], [1, 1]])  # channels 1 and 2
    return squeeze.inverse(padded)


b = (np.indices((4, 4)).sum(axis=0) % 2 == 0).astype(np.float32)[:, :, None]
by_hand = b * image + (1 - b) * (image - on_white(t)) * tf.exp(-on_white(s))
print("z:", np.allclose(squeeze.inverse(z), by_hand, atol=1e-5))
total = -tf.reduce_sum(s, axis=(1, 2, 3))
print("log-determinant:", np.allclose(log_det, total, atol=1e-5))

# %% [markdown] lang="en"
# ## The same in `dgm_tfp`
#
# `models.RealNVP` is the whole notebook. `coupling="additive"` is NICE; `adapt` sets the constant scale and shift before each coupling (ActNorm, unit 04) from the data. For vectors the halves are exchanged in turn:

# %% [markdown] lang="ru"
# ## То же в `dgm_tfp`
#
# `models.RealNVP` — это весь блокнот. С `coupling="additive"` это NICE; `adapt` подбирает по данным постоянные масштаб и сдвиг перед каждым слоем (ActNorm, занятие 04). У векторов половины меняются ролями через слой:

# %%
from dgm_tfp import models

model = models.RealNVP((2,), steps=8, hidden=(32, 32))
model.adapt(moons)
model.compile(optimizer=keras.optimizers.Adam(2e-3))
epochs = {"smoke": 1, "laptop": 15, "gpu": 15}[profile]
model.fit(moons, epochs=epochs, batch_size=128, verbose=0)
print(f"loss on the test set {-model.log_prob(moons_test).mean():.3f} nats")

# %% [markdown] lang="en"
# Images go through **several scales**: after `steps` layers with checkerboards and `steps` with masks of channels, half of the channels is taken out as finished noise, and the rest is squeezed and goes on; the later layers are cheaper and see farther. The networks are convolutional, and dequantization is part of the model. Unit 04 takes all this apart; on a GPU, `dgm-tfp train real_nvp --data mnist --out DIR` trains it.

# %% [markdown] lang="ru"
# Картинки проходят через **несколько масштабов**: после `steps` слоёв с шахматными масками и `steps` с масками каналов половина каналов выводится как готовый шум, а остальное складывается и идёт дальше; следующие слои дешевле и видят дальше. Сети там свёрточные, а деквантизация — часть модели. Всё это разобрано на занятии 04; на видеокарте модель обучает команда `dgm-tfp train real_nvp --data mnist --out DIR`.

# %% tags=["nbval-check-output"]
model = models.RealNVP((28, 28, 1), levels=2, steps=3, filters=32)
model.adapt(full)
print("couplings at each scale:", [len(steps) for steps in model.scales])
y = full[:4].astype(np.float32) + 0.5
z = model.bijector.inverse(y)
print("noise has the shape of the data:", z.shape)
back = model.bijector.forward(tf.identity(z))  # a copy: TFP remembers where z came from
print("f^-1(f(y)) = y:", np.allclose(back, y, atol=0.1))

# %% [markdown] lang="en"
# ## In one screen
#
# | | |
# |---|---|
# | coupling layer | $z_{1:d} = x_{1:d}$, $\;z_{d+1:D} = x_{d+1:D} \odot e^{s(x_{1:d})} + t(x_{1:d})$ |
# | inverse | $x_{d+1:D} = (z_{d+1:D} - t(z_{1:d})) \odot e^{-s(z_{1:d})}$ |
# | log-determinant | $\sum_j s_j$ over the coordinates that were moved |
# | networks | any, of the kept half; never inverted, never differentiated for the determinant |
# | depth | halves exchanged after each layer; at least three layers to mix everything |
# | NICE | $s = 0$: preserves volume; in the plane $L \ge 1 + \log \mathbb E\,A(x)$ |
# | masks of images | checkerboard; channels after squeezing |
# | cost | scoring and sampling: one pass each |
#
# ## Questions
#
# <details>
# <summary><b>1.</b> May the networks $s$ and $t$ have max-pooling, dropout, or a constant output?</summary>
#
# Max-pooling and a constant output: yes, anything that is a function of the kept half; for training it should be differentiable almost everywhere. Dropout: no, unless the same units are dropped both ways. The inverse computes $s$ and $t$ again, and they must come out the same.
#
# </details>
#
# <details>
# <summary><b>2.</b> Why are two layers with exchanged halves still not able to make every output depend on every input?</summary>
#
# Let the first layer move half $b$ by half $a$, and the second move $a$ by the new $b$. The new $b$ depends on the old one coordinate by coordinate: $z_{b,j} = x_{b,j}\, e^{s_j(x_a)} + t_j(x_a)$. So inside $b$ the coordinates have not mixed: $\partial z_{b,j} / \partial x_{b,k} = 0$ for $j \ne k$. With halves of 4 coordinates these are the 12 zeros of figure 2. The third layer mixes them.
#
# </details>
#
# <details>
# <summary><b>3.</b> The log-determinant of a layer is $\sum_j s_j$. Is it one number for the whole batch?</summary>
#
# No, one for each example, because $s$ depends on $x_{1:d}$. Summing over the batch is among the commonest mistakes: the loss still falls, but each example's determinant is then counted as many times as there are examples.
#
# </details>
#
# <details>
# <summary><b>4.</b> A flow reports 1.60 nats on test data whose entropy is 1.83. What do you do?</summary>
#
# Look for a mistake, for no density has a smaller cross-entropy than the true one. First the integral of the density over the plane; then the log-determinant against automatic differentiation at a few points, and $f^{-1}(f(x))$ against $x$. In a coupling flow the usual culprits are a network that sees what it moves, and $s$ summed over too much. If all is well, the test set is small or is part of the training set.
#
# </details>
#
# <details>
# <summary><b>5.</b> Is a coupling flow with enough layers able to represent any density?</summary>
#
# It can come as close to any reasonable density as one likes (Teshima et al., 2020, prove it for affine couplings with permutations), but not with a given number of layers, and some targets need a very steep $s$. Two separate islands always keep a thread between them, as in unit 01.
#
# </details>
#
# <details>
# <summary><b>6.</b> How much slower is sampling than scoring?</summary>
#
# Not at all: both run every network once. This is what distinguishes couplings from the autoregressive flows of unit 03, where one of the two directions goes coordinate by coordinate.
#
# </details>
#
# <details>
# <summary><b>7.</b> A volume-preserving flow with a constant scale at its end scores two images. By what does it tell them apart?</summary>
#
# Their log-determinants are equal, so the difference is that of $\log p_z(f(x))$, that is, of $-\frac12 |z|^2$: more likely is what lands nearer to zero. In $D$ dimensions $|z|^2$ of its own samples follows the chi-squared distribution with $D$ degrees of freedom, whatever was learned. This makes it the simplest case for the analysis of unit 08.
#
# </details>
#
# <details>
# <summary><b>8.</b> Eight equal round blobs far apart: how much does NICE lose on them at best?</summary>
#
# Nothing. The set that is denser than a given level consists of 8 equal discs, and its area depends on the level as for one normal density of 8 times the variance. By the theorem the bound equals the entropy. That NICE has to cut the plane into eight and keeps threads between the pieces is another matter: that costs depth.
#
# </details>
#
# ## What to read
#
# * L. Dinh, D. Krueger, Y. Bengio. *NICE: Non-linear Independent Components Estimation.* ICLR workshop, 2015, [arXiv:1410.8516](https://arxiv.org/abs/1410.8516). Couplings without $s$.
# * L. Dinh, J. Sohl-Dickstein, S. Bengio. *Density estimation using Real NVP.* ICLR, 2017, [arXiv:1605.08803](https://arxiv.org/abs/1605.08803). This unit: masks, squeezing, scales, faces.
# * T. Teshima et al. *Coupling-based Invertible Neural Networks Are Universal Diffeomorphism Approximators.* NeurIPS, 2020, [arXiv:2006.11469](https://arxiv.org/abs/2006.11469). What couplings can represent.
# * C. Durkan, A. Bekasov, I. Murray, G. Papamakarios. *Neural Spline Flows.* NeurIPS, 2019, [arXiv:1906.04032](https://arxiv.org/abs/1906.04032). A richer law than $x\, e^s + t$ in the same layer.
# * P. Kirichenko, P. Izmailov, A. G. Wilson. *Why Normalizing Flows Fail to Detect Out-of-Distribution Data.* NeurIPS, 2020, [arXiv:2006.08545](https://arxiv.org/abs/2006.08545). What couplings look at in an image; for unit 08.
#
# Now the [lab](../../labs/en/02_real_nvp.ipynb).

# %% [markdown] lang="ru"
# ## На одном экране
#
# | | |
# |---|---|
# | связывающий слой | $z_{1:d} = x_{1:d}$, $\;z_{d+1:D} = x_{d+1:D} \odot e^{s(x_{1:d})} + t(x_{1:d})$ |
# | обратное отображение | $x_{d+1:D} = (z_{d+1:D} - t(z_{1:d})) \odot e^{-s(z_{1:d})}$ |
# | логарифм модуля якобиана | $\sum_j s_j$ по тем координатам, которые менялись |
# | сети | любые, от неизменной половины; их не обращают и ради определителя не дифференцируют |
# | глубина | после каждого слоя половины меняются ролями; чтобы всё перемешать, нужно не меньше трёх |
# | NICE | $s = 0$: объём сохраняется; на плоскости $L \ge 1 + \log \mathbb E\,A(x)$ |
# | маски картинок | шахматная; каналы после складывания |
# | цена | и оценить, и сгенерировать — по одному проходу |
#
# ## Вопросы
#
# <details>
# <summary><b>1.</b> Может ли в сетях $s$ и $t$ быть max-pooling, dropout, постоянный выход?</summary>
#
# Max-pooling и постоянный выход — да, годится любая функция неизменной половины; для обучения нужно, чтобы она почти всюду дифференцировалась. Dropout — нет, разве что в обе стороны отключать одни и те же нейроны. Обратное отображение вычисляет $s$ и $t$ заново, и получиться должно то же самое.
#
# </details>
#
# <details>
# <summary><b>2.</b> Почему двух слоёв, между которыми половины поменялись ролями, ещё не хватает, чтобы каждый выход зависел от каждого входа?</summary>
#
# Пусть первый слой меняет половину $b$ по половине $a$, а второй меняет $a$ по новой $b$. Новая $b$ зависит от старой покоординатно: $z_{b,j} = x_{b,j}\, e^{s_j(x_a)} + t_j(x_a)$. Значит, внутри $b$ координаты ещё не перемешались: $\partial z_{b,j} / \partial x_{b,k} = 0$ при $j \ne k$. При половинах из 4 координат это и есть 12 нулей на рисунке 2. Перемешает их третий слой.
#
# </details>
#
# <details>
# <summary><b>3.</b> Логарифм якобиана слоя равен $\sum_j s_j$. Это одно число на весь набор примеров?</summary>
#
# Нет, по числу на пример, потому что $s$ зависит от $x_{1:d}$. Просуммировать ещё и по примерам — одна из самых частых ошибок: функция потерь при этом убывает, только якобиан каждого примера учтён столько раз, сколько всего примеров.
#
# </details>
#
# <details>
# <summary><b>4.</b> Поток сообщает 1.60 ната на тестовых данных, энтропия которых 1.83. Что вы сделаете?</summary>
#
# Буду искать ошибку: ни у какой плотности перекрёстная энтропия не меньше, чем у истинной. Сначала возьму интеграл плотности по плоскости; потом сравню в нескольких точках логарифм якобиана с автоматическим дифференцированием, а $f^{-1}(f(x))$ с $x$. В потоке из связывающих слоёв обычно виноваты сеть, которая видит то, что меняет, или $s$, просуммированная по лишнему. Если всё верно, то тестовая выборка мала или входит в обучающую.
#
# </details>
#
# <details>
# <summary><b>5.</b> Может ли поток из достаточно многих связывающих слоёв представить любую плотность?</summary>
#
# Он может сколь угодно близко подойти к любой разумной плотности (Teshima et al., 2020, доказывают это для аффинных слоёв с перестановками), но не при заданном числе слоёв, а иногда $s$ нужна очень крутая. Между двумя отдельными островами нить остаётся всегда, как на занятии 01.
#
# </details>
#
# <details>
# <summary><b>6.</b> Насколько генерация медленнее оценки правдоподобия?</summary>
#
# Нисколько: в обоих случаях каждая сеть запускается один раз. Этим связывающие слои и отличаются от авторегрессионных потоков занятия 03, где одно из двух направлений идёт координата за координатой.
#
# </details>
#
# <details>
# <summary><b>7.</b> Поток, сохраняющий объём, с постоянным масштабом в конце оценивает две картинки. По чему он их различает?</summary>
#
# Логарифмы якобиана у них равны, поэтому всё решает $\log p_z(f(x))$, то есть $-\frac12 |z|^2$: вероятнее то, что попало ближе к нулю. В $D$ измерениях $|z|^2$ собственных сэмплов имеет распределение хи-квадрат с $D$ степенями свободы, чему бы поток ни научился. Поэтому для анализа на занятии 08 это самый простой случай.
#
# </details>
#
# <details>
# <summary><b>8.</b> Восемь одинаковых круглых пятен далеко друг от друга: сколько на них в лучшем случае потеряет NICE?</summary>
#
# Нисколько. Множество, где плотность выше данного уровня, состоит из 8 одинаковых кругов, и площадь его зависит от уровня так же, как у одной нормальной плотности с дисперсией в 8 раз больше. По теореме граница равна энтропии. То, что NICE придётся разрезать плоскость на восемь частей и оставить между ними нити, — дело другое: за это платят глубиной.
#
# </details>
#
# ## Что почитать
#
# * L. Dinh, D. Krueger, Y. Bengio. *NICE: Non-linear Independent Components Estimation.* ICLR workshop, 2015, [arXiv:1410.8516](https://arxiv.org/abs/1410.8516). Связывающие слои без $s$.
# * L. Dinh, J. Sohl-Dickstein, S. Bengio. *Density estimation using Real NVP.* ICLR, 2017, [arXiv:1605.08803](https://arxiv.org/abs/1605.08803). Об этом и было занятие: маски, складывание, масштабы, лица.
# * T. Teshima et al. *Coupling-based Invertible Neural Networks Are Universal Diffeomorphism Approximators.* NeurIPS, 2020, [arXiv:2006.11469](https://arxiv.org/abs/2006.11469). Что могут представить связывающие слои.
# * C. Durkan, A. Bekasov, I. Murray, G. Papamakarios. *Neural Spline Flows.* NeurIPS, 2019, [arXiv:1906.04032](https://arxiv.org/abs/1906.04032). В том же слое закон побогаче, чем $x\, e^s + t$.
# * P. Kirichenko, P. Izmailov, A. G. Wilson. *Why Normalizing Flows Fail to Detect Out-of-Distribution Data.* NeurIPS, 2020, [arXiv:2006.08545](https://arxiv.org/abs/2006.08545). На что в картинке смотрят связывающие слои; пригодится на занятии 08.
#
# Теперь [лабораторная](../../labs/ru/02_real_nvp.ipynb).
