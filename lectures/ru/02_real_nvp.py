# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
# В Colab ставим библиотеку, не трогая его TensorFlow. В других местах эта ячейка ничего не делает.
import sys

if "google.colab" in sys.modules:
    import subprocess
    from importlib.metadata import version

    library = "dgm-tfp @ git+https://github.com/dgm-tfp/dgm-tfp@main"
    keep = [f"{name}=={version(name)}" for name in ("tensorflow", "keras", "tf-keras")]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", library, *keep], check=True)

# %% [markdown]
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


# %% [markdown]
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

# %%
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


# %% [markdown]
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


# %% [markdown]
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

# %% [markdown]
# ## Одного слоя мало
#
# Связывающий слой оставляет половину координат на месте. Поэтому слои ставят друг за другом, а половины между ними меняют ролями; у нас — переворачивая вектор. Сколько нужно слоёв, чтобы каждый выход зависел от каждого входа? Об этом скажут матрицы Якоби 1, 2, 3 и 4 слоёв: нуль означает, что зависимости нет.

# %% tags=["nbval-check-output"]
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

# %% [markdown]
# *Рис. 2. Матрица Якоби 1, 2, 3 и 4 связывающих слоёв: чем темнее, тем больше элемент; белый — точный нуль. Первая — это блочная матрица из формулы.*
#
# После двух слоёв каждая половина увидела другую, но внутри одной из половин координаты ещё не перемешались: её блок диагональный. Три слоя — наименьшее число, при котором нулей не остаётся.

# %% [markdown]
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

# %%
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

# %% [markdown]
# *Рис. 3. Восемь связывающих слоёв после обучения: сэмплы, плотность и функция потерь на каждом шаге. Штриховая линия: энтропия истинной плотности, ниже которой честный поток удержаться не может.*

# %% [markdown]
# ## Менять объём или нет
#
# Если $s$ убрать, слой станет таким: $z_{d+1:D} = x_{d+1:D} + t(x_{1:d})$, и его определитель равен 1. Это NICE (Dinh et al., 2015), слой, **сохраняющий объём**. Полный слой его не сохраняет, отсюда и название Real-NVP, *real-valued non-volume preserving*. Пусть по одному слою каждого вида изогнёт одну и ту же сетку:

# %%
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


# %% [markdown]
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

# %% [markdown]
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

# %%
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

# %% [markdown]
# *Рис. 5. Сверху: логарифм истинной плотности и плотностей двух потоков. Снизу: логарифмы модуля якобиана и точки данных. Real-NVP в среднем растягивает пятно гораздо сильнее, чем облако; у NICE на всё одна постоянная.*
#
# И первая половина теоремы: логарифм плотности **собственных сэмплов** потока. У NICE его распределение известно ещё до обучения. Запомните эту картинку: на занятии 08 мы спросим, какое из двух слагаемых, $\log p_z(f(x))$ или логарифм якобиана, виновато, когда модель предпочитает чужие картинки.

# %%
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


# %% [markdown]
# *Рис. 6. Логарифм плотности 20 000 сэмплов, каждый под тем потоком, который его породил. Красная линия: перевёрнутое показательное распределение с краем в точке $\log(C / 2\pi)$.*

# %% [markdown]
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

# %%
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

# %% [markdown]
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

# %% [markdown]
# Проверка, которую обязан пройти каждый поток, теперь в 196 измерениях; и сэмплы.

# %% tags=["nbval-check-output"]
y = tf.constant(digits_test[:2] + 0.5)
z, log_det = digit_flow.to_noise(y)
matrices = jacobian(lambda y: digit_flow.to_noise(y)[0], y).astype(np.float64)
brute_force = np.linalg.slogdet(matrices).logabsdet
print("log-determinant:", np.allclose(log_det, brute_force, rtol=1e-3))
print("f^-1(f(y)) = y:", np.allclose(digit_flow.to_data(z), y, atol=1))


# %%
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

# %% [markdown]
# *Рис. 8. Сверху: тестовые цифры, $14 \times 14$. Снизу: сэмплы потока, без отбора.*
#
# Dinh et al. (2017) взяли глубокие свёрточные сети и теми же двумя строками нарисовали лица размером $64 \times 64$ пикселя. А раз отображение обратимо, у каждой картинки *есть* точка шума, причём точно. Значит, от одной картинки к другой можно пройти через шум: $z = \cos\varphi\; z_1 + \sin\varphi\; z_2$ при $\varphi$ от $0$ до $90°$. (По дуге, как в статье, а не по прямой: на дуге распределение $z$ остаётся шумовым, а середина прямой короче, чем надо, в $\sqrt 2$ раз.) Для сравнения — наплыв одной картинки на другую.

# %%
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


# %% [markdown]
# *Рис. 9. От одной тестовой цифры к другой, дважды. Верхняя полоса каждой пары: через шум. Нижняя: наплыв.*

# %% [markdown]
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

# %% [markdown]
# **Всё время одна и та же половина.** Забудем менять половины ролями, и первая координата пройдёт через все слои нетронутой. Поток по-прежнему может менять $x_2$ при данном $x_1$, но плотность самой $x_1$ останется шумовой. Ничего не падает, все якобианы верны. Просто функция потерь хуже, и, если не смотреть, заметить это трудно.

# %%
lazy = Stack([CouplingLayer(2) for _ in range(8)], exchange=False)
fit(lazy, moons, steps)
print(f"exchanged {-np.mean(flow.log_prob(moons_test)):.3f} nats")
print(f"never     {-np.mean(lazy.log_prob(moons_test)):.3f}")

# %%
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

# %% [markdown]
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

# %% [markdown]
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

# %% [markdown]
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

# %% [markdown]
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

# %% [markdown]
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

# %% [markdown]
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
