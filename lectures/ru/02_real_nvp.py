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
# **Вопрос.** [Занятие 01](01_change_of_variables.ipynb) поставило жёсткие условия: отображение обязано быть обратимым, определитель обязан быть дешёвым, и при этом хочется уметь гнуть что угодно во что угодно. Нейронные сети гнут хорошо, но они необратимы, а определитель сети из 3072 измерений в 3072 считать безнадёжно. Нельзя ли поместить сеть *внутрь* обратимого отображения так, чтобы ни обратная к ней, ни её определитель никогда не понадобились?
#
# Можно, и весь приём занимает две строки. К концу лекции вы построите такой слой, увидите его матрицу Якоби, обучите на одних данных два семейства потоков, чтобы узнать, чего стоит свобода менять объём, и нарисуете рукописные цифры.
#
# **Понадобятся** занятие 01 и представление о том, что такое полносвязная и свёрточная сеть. **Времени** уйдёт минут 70, и ещё 60–90 на [лабораторную](../../labs/ru/02_real_nvp.ipynb).

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from dgm_tfp import bijectors, data, models, profiles, training

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
# Здесь $s$ и $t$ — нейронные сети с $d$ входами и $D - d$ выходами, а $\odot$ означает поэлементное умножение. Это **аффинный связывающий слой** (Dinh et al., 2017). Сразу получаются два следствия.
#
# **Обратное отображение выписывается явно.** Первая часть известна: она не изменилась. Значит, $s$ и $t$ можно вычислить заново и отменить то, что они сделали:
#
# $$x = f^{-1}(z) = \begin{cases} x_{1:d} = z_{1:d} \\ x_{d+1:D} = \bigl(z_{d+1:D} - t(z_{1:d})\bigr) \odot \exp\bigl(-s(z_{1:d})\bigr) \end{cases}$$
#
# Ни $s$, ни $t$ никто не обращал. Это могут быть какие угодно сети, сколь угодно широкие и глубокие.
#
# **Матрица Якоби треугольная.** Левый верхний блок единичный, правый верхний нулевой, ведь $z_{1:d}$ не зависит от $x_{d+1:D}$, а правый нижний диагональный:
#
# $$\frac{\partial f}{\partial x} = \begin{pmatrix} \mathbb I_d & 0 \\ \frac{\partial z_{d+1:D}}{\partial x_{1:d}} & \mathrm{diag}\bigl(\exp(s(x_{1:d}))\bigr) \end{pmatrix}, \qquad \log\left|\det \frac{\partial f}{\partial x}\right| = \sum_{j=1}^{D-d} s(x_{1:d})_j.$$
#
# В левом нижнем блоке стоят производные обеих сетей, и это неважно: определитель треугольной матрицы равен произведению диагонали. Логарифм модуля якобиана есть **сумма выходов, которые и так уже вычислены**.

# %%
def network(inputs, outputs, hidden=64):
    """Any network will do. The last layer starts at zero: the flow starts as the identity."""
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            keras.layers.Dense(hidden, "relu"),
            keras.layers.Dense(hidden, "relu"),
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
        # tanh bounds s: without it one odd batch can make exp(s) overflow
        return tf.zeros(()) if self.s is None else tf.tanh(self.s(kept))

    def to_noise(self, x):
        """z and log abs det dz/dx, (n,)."""
        kept, moved = x[:, : self.d], x[:, self.d :]
        s = self.log_scale(kept) * tf.ones_like(moved)
        z = tf.concat([kept, moved * tf.exp(s) + self.t(kept)], axis=1)
        return z, tf.reduce_sum(s, axis=1)

    def to_data(self, z):
        kept, moved = z[:, : self.d], z[:, self.d :]
        s = self.log_scale(kept)
        return tf.concat([kept, (moved - self.t(kept)) * tf.exp(-s)], axis=1)

    @property
    def variables(self):
        networks = [self.t] if self.s is None else [self.t, self.s]
        return [v for net in networks for v in net.trainable_variables]


# %% [markdown]
# Мы пообещали, что определитель всей матрицы сводится к сумме $s$. Такие обещания проверяют: сделаем слой в 8 измерениях с сетями со случайными весами, заполним матрицу автоматическим дифференцированием и посмотрим на неё.

# %%
def randomise(layer):
    """Random weights instead of the zeros of the last layer."""
    for i, variable in enumerate(layer.variables):
        variable.assign(0.4 * tf.random.stateless_normal(variable.shape, seed=(i, 1)))


def jacobian(function, x):
    """(n, D, D), by automatic differentiation."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        z = function(x)
    return tape.batch_jacobian(z, x).numpy()


layer = CouplingLayer(8)
randomise(layer)
x = tf.random.stateless_normal((5, 8), seed=(0, 2))
z, log_det = layer.to_noise(x)
matrices = jacobian(lambda x: layer.to_noise(x)[0], x)

# %% tags=["nbval-check-output"]
brute_force = np.linalg.slogdet(matrices.astype(np.float64)).logabsdet
print("the sum of s is the log-determinant:", np.allclose(log_det, brute_force, atol=1e-4))
print("there and back:", np.allclose(layer.to_data(z), x, atol=1e-4))
print("upper left block is the identity:", np.allclose(matrices[:, :4, :4], np.eye(4)))
print("upper right block is zero:", not matrices[:, :4, 4:].any())

# %% [markdown]
# ## Одного слоя мало
#
# Связывающий слой оставляет половину координат на месте. Поэтому слои ставят друг за другом, а половины между ними меняют ролями; у нас — переворачивая вектор. Сколько нужно слоёв, чтобы каждый выход зависел от каждого входа? Об этом скажут матрицы Якоби 1, 2, 3 и 4 слоёв: нуль означает, что зависимости нет.

# %%
stack = [CouplingLayer(8) for _ in range(4)]
for i, each in enumerate(stack):
    for j, variable in enumerate(each.variables):
        variable.assign(0.4 * tf.random.stateless_normal(variable.shape, seed=(i, j)))


def through(layers):
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
        matrix = matrix[::-1]  # so that an odd number of turns does not hide the blocks
    zeros.append(int((matrix == 0).sum()))
    shown = np.sign(matrix) * np.abs(matrix) ** 0.3
    axis.imshow(shown, cmap="RdBu", vmin=-1.5, vmax=1.5)
    axis.set(xticks=[], yticks=[], title=f"{count}")

# %% tags=["nbval-check-output"]
print("zeros among 64 elements after 1, 2, 3, 4 layers:", zeros)

# %% [markdown]
# *Рис. 1. Матрица Якоби 1, 2, 3 и 4 связывающих слоёв (красный и синий — знак, белый — точный нуль). Первая — это блочная матрица из формулы.*
#
# После двух слоёв каждая половина увидела другую, но вторая половина входа ещё не вернулась через сети к самой себе. Три слоя — наименьшее число, при котором нулей не остаётся.

# %% [markdown]
# ## Менять объём или нет
#
# Если $s$ убрать, слой станет таким: $z_{d+1:D} = x_{d+1:D} + t(x_{1:d})$, и его определитель равен 1. Это NICE (Dinh et al., 2015), слой, **сохраняющий объём**. Полный слой его не сохраняет, отсюда и название Real-NVP, *real-valued non-volume preserving*. Как разница выглядит? Пусть по одному слою каждого вида изогнёт одну и ту же сетку.

# %%
lines, dense = np.linspace(-2, 2, 17), np.linspace(-2, 2, 100)
wave = [lambda u: 0 * u, lambda u: 0.7 * np.sin(2 * u), lambda u: 0.7 * np.sin(2 * u)]
stretch = [lambda u: 0 * u, lambda u: 0 * u, lambda u: 0.8 * np.cos(1.5 * u)]

figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharex=True, sharey=True)
for axis, t, s in zip(axes, wave, stretch, strict=True):
    for level in lines:
        for x1, x2 in ((dense, 0 * dense + level), (0 * dense + level, dense)):
            axis.plot(x1, x2 * np.exp(s(x1)) + t(x1), color=BLUE, lw=0.7)
    axis.set(xlabel="$z_1$", aspect="equal")
for axis, title in zip(axes, ("данные", "NICE: $x_2 + t$", r"Real-NVP: $x_2 e^s + t$"), strict=True):
    axis.set_title(title)

# %% [markdown]
# *Рис. 2. Один связывающий слой действует на сетку. Вертикальные линии остаются вертикальными: $x_1$ не меняется. У NICE площадь каждой ячейки сохраняется; у Real-NVP столбцы сжимаются и растягиваются.*
#
# Теперь состязание. Два потока на «двух лунах», одинаковой глубины и ширины, одинаково обученные, только у одного нет $s$. Между слоями половины меняются ролями. В конце сохраняющему объём потоку дан один постоянный масштаб на координату, как в статье о NICE: без него он не мог бы подстроиться даже под размер данных.

# %%
moons = data.load("moons", "train").images
centre, spread = moons.mean(axis=0), moons.std(axis=0)
moons = (moons - centre) / spread
moons_test = (data.load("moons", "test").images - centre) / spread


class Stack:
    """Coupling layers, the halves exchanged between them, and a constant scale."""

    def __init__(self, layers, volume_preserving):
        self.layers = [CouplingLayer(2, volume_preserving) for _ in range(layers)]
        self.scale = tf.Variable(tf.zeros(2))

    @property
    def variables(self):
        return [v for layer in self.layers for v in layer.variables] + [self.scale]

    def to_noise(self, x):
        total = tf.reduce_sum(self.scale)
        for layer in self.layers:
            x, log_det = layer.to_noise(x)
            x, total = tf.reverse(x, axis=[1]), total + log_det
        return x * tf.exp(self.scale), total

    def to_data(self, z):
        z = z * tf.exp(-self.scale)
        for layer in reversed(self.layers):
            z = layer.to_data(tf.reverse(z, axis=[1]))
        return z

    def log_prob(self, x):
        z, log_det = self.to_noise(x)
        return log_det - tf.reduce_sum(z**2 / 2, axis=1) - np.log(2 * np.pi)


def train(flow, steps, learning_rate=2e-3):
    """Maximum likelihood; returns the losses."""
    variables, losses = flow.variables, []
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(variables)

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(flow.log_prob(batch))
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    for _ in range(steps):
        losses.append(float(step(moons[rng.integers(len(moons), size=256)])))
    return losses


steps = {"smoke": 100, "laptop": 2500, "gpu": 2500}[profile]
nice, real_nvp = Stack(6, volume_preserving=True), Stack(6, volume_preserving=False)
losses = {"NICE": train(nice, steps), "Real-NVP": train(real_nvp, steps)}
for name, flow in (("NICE", nice), ("Real-NVP", real_nvp)):
    print(f"{name:8} loss on the test set: {-np.mean(flow.log_prob(moons_test)):.3f} nats")

# %%
axis_2d = np.linspace(-2.5, 2.5, 201).astype(np.float32)
plane = np.stack(np.meshgrid(axis_2d, axis_2d), axis=-1).reshape(-1, 2)
figure, axes = plt.subplots(1, 3, figsize=(9.5, 3))
for axis, flow, name in zip(axes, (nice, real_nvp), losses, strict=False):
    axis.pcolormesh(axis_2d, axis_2d, np.exp(flow.log_prob(plane)).reshape(201, 201), vmax=0.6)
    axis.set(title=name, aspect="equal", xticks=[], yticks=[])
for (name, values), color in zip(losses.items(), (BLUE, RED), strict=True):
    width = max(1, len(values) // 50)
    smooth = np.convolve(values, np.ones(width) / width, mode="valid")
    axes[2].plot(smooth, color=color, label=name)
axes[2].set(ylabel="$L$", ylim=(1.7, 3))
axes[2].legend();

# %% [markdown]
# *Рис. 3. Плотности, выученные двумя потоками, и их функции потерь, сглаженные.*
#
# ## Куда уходит объём
#
# Логарифм правдоподобия состоит из двух частей, $\log p_z(f(x))$ и логарифма модуля якобиана. У NICE вторая часть для всех $x$ одна и та же. Real-NVP может ею пользоваться: растягивает там, где данных много, и сжимает там, где их нет. Запомните эту картинку. На занятии 08 мы спросим, какая из двух частей виновата, когда модель предпочитает чужие картинки.

# %%
figure, axes = plt.subplots(1, 2, figsize=(7.5, 3))
for axis, flow, name in zip(axes, (nice, real_nvp), losses, strict=True):
    volume = np.broadcast_to(flow.to_noise(plane)[1], len(plane)).reshape(201, 201)
    image = axis.pcolormesh(axis_2d, axis_2d, volume, cmap="viridis", vmin=-3, vmax=4)
    axis.scatter(*moons_test[:300].T, s=1, color="white")
    axis.set(title=name, aspect="equal", xticks=[], yticks=[])
figure.colorbar(image, ax=axes, label="логарифм якобиана, наты");

# %% [markdown]
# *Рис. 4. Логарифм модуля якобиана на плоскости; белым — точки тестовой выборки.*

# %% [markdown]
# ## Маски для картинок
#
# А какая половина у *картинки*? Та же формула с маской $b$ из нулей и единиц; единица у того, что не меняется:
#
# $$z = b \odot x + (1 - b) \odot \Bigl(x \odot \exp\bigl(s(b \odot x)\bigr) + t(b \odot x)\Bigr), \qquad \log\left|\det \frac{\partial f}{\partial x}\right| = \sum_{j} \bigl((1 - b) \odot s(b \odot x)\bigr)_j.$$
#
# В Real-NVP маски двух видов. **Шахматная** оставляет пиксели через один: тогда пиксель предсказывается по соседям, а это легко, ведь соседи похожи. **Маска каналов** оставляет половину каналов. У серой картинки канал всего один, поэтому сперва её **складывают**: каждый квадрат $2 \times 2$ пикселей становится четырьмя каналами, $28 \times 28 \times 1 \to 14 \times 14 \times 4$. Ничего не теряется и не вычисляется, определитель равен 1. После складывания шахматная маска — тоже маска каналов.

# %%
digits = data.load("mnist", "train").images
digit = digits[3].astype(np.float32)
checkerboard = (np.add.outer(np.arange(28), np.arange(28)) % 2)[:, :, None]
squeezed = bijectors.Squeeze.of(digit.shape).forward(digit[None])[0].numpy()  # (14, 14, 4)
channels = np.concatenate(list(np.moveaxis(squeezed, -1, 0)), axis=1)
kept = np.concatenate([np.full((14, 28), 255.0), np.zeros((14, 28))], axis=1)

figure, axes = plt.subplots(1, 4, figsize=(10, 1.9), width_ratios=(1, 1, 2, 2))
panels = (digit[:, :, 0], (digit * checkerboard)[:, :, 0], channels, channels * (kept > 0))
for axis, panel in zip(axes, panels, strict=True):
    axis.imshow(panel, cmap="gray")
    axis.axis("off")

# %% [markdown]
# *Рис. 5. Цифра; то, что оставляет шахматная маска; четыре канала сложенной цифры рядом; то, что оставляет маска каналов.*
#
# **Несколько масштабов.** После нескольких слоёв на одном масштабе половина каналов выводится как готовый шум, а остальное складывается и идёт дальше: следующие слои дешевле и видят дальше. Это разобрано на занятии 04. В `models.RealNVP` всё это есть, и вот его цифры. Пиксели — целые числа, поэтому к каждому прибавляется шум из $[0, 1)$ (деквантизация, тоже занятие 04).

# %%
seconds = {"smoke": 8, "laptop": 75, "gpu": 300}[profile]
schedule = training.WarmUpCosine()
flow = models.RealNVP((28, 28, 1), levels=2, steps=3, filters=48)
flow.adapt(digits)
flow.compile(optimizer=training.adam(schedule))
budget = training.Budget(seconds, schedule)
flow.fit(digits, epochs=10_000, batch_size=64, verbose=0, callbacks=[budget])

digits_test = data.load("mnist", "test").images[:500]
print(f"test set: {flow.bits_per_dim(digits_test).mean():.2f} bits per dimension")


# %%
def sheet(images, columns=12):
    """(n, 28, 28, 1) side by side."""
    rows = images[: len(images) // columns * columns].reshape(-1, columns, 28, 28)
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)


figure, axes = plt.subplots(2, 1, figsize=(8, 4.2))
for axis, images in zip(axes, (digits_test[:36], flow.sample(36, seed=1)), strict=True):
    axis.imshow(sheet(images), cmap="gray")
    axis.axis("off")

# %% [markdown]
# *Рис. 6. Сверху настоящие цифры, снизу сэмплы.*
#
# Раз отображение обратимо, у каждой картинки *есть* точка шума, причём точно. Пройдём по прямой между точками шума двух картинок и посмотрим, что между ними. Для сравнения: тот же путь между самими картинками — всего лишь наплыв.

# %%
pair = digits_test[[0, 1]].astype(np.float32) + 0.5
noise = flow.bijector.inverse(pair).numpy()
weight = np.linspace(0, 1, 9).reshape(-1, 1, 1, 1).astype(np.float32)
through_noise = flow.bijector.forward((1 - weight) * noise[0] + weight * noise[1]).numpy()
cross_fade = (1 - weight) * pair[0] + weight * pair[1]
strips = np.clip(np.concatenate([through_noise, cross_fade]), 0, 255)

figure, axis = plt.subplots(figsize=(8, 1.9))
axis.imshow(sheet(strips, columns=9), cmap="gray")
axis.axis("off");


# %% [markdown]
# *Рис. 7. Сверху: от одной тестовой цифры к другой по прямой в пространстве шума. Снизу: наплыв.*

# %% [markdown]
# ## Что идёт не так
#
# **Всё время одна и та же половина.** Забудем менять половины ролями, и первая координата пройдёт через все слои нетронутой. Поток по-прежнему может менять $x_2$ при данном $x_1$, но плотность самой $x_1$ останется шумовой. Ничего не падает. Просто функция потерь хуже, и, если не смотреть, заметить это трудно.

# %%
class NeverExchanged(Stack):
    """The mistake on purpose."""

    def to_noise(self, x):
        total = tf.reduce_sum(self.scale)
        for layer in self.layers:
            x, log_det = layer.to_noise(x)
            total = total + log_det
        return x * tf.exp(self.scale), total

    def to_data(self, z):
        z = z * tf.exp(-self.scale)
        for layer in reversed(self.layers):
            z = layer.to_data(z)
        return z


lazy = NeverExchanged(6, volume_preserving=False)
train(lazy, steps)
for name, flow_2d in (("exchanged", real_nvp), ("never", lazy)):
    print(f"{name:10} loss on the test set: {-np.mean(flow_2d.log_prob(moons_test)):.3f} nats")

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 2.6), sharey=True)
noise_2d = tf.constant(rng.standard_normal((4000, 2)), tf.float32)
for axis, flow_2d, title in zip(axes, (real_nvp, lazy), ("меняются", "никогда"), strict=True):
    axis.hist(moons_test[:, 0], bins=50, density=True, color=LIGHT, label="данные")
    values = flow_2d.to_data(noise_2d)[:, 0]
    axis.hist(values, bins=50, range=(-3, 3), density=True, histtype="step", color=RED, label="поток")
    axis.set(xlabel="$x_1$", title=title)
axes[0].legend();

# %% [markdown]
# *Рис. 8. Распределение первой координаты у данных и у сэмплов потока, половины которого меняются ролями (слева) или не меняются (справа).*
#
# **Неограниченная $s$.** Слой умножает на $e^s$. Сеть, вернувшая 90 на одной странной точке, даёт $e^{90}$; в `float32` это не помещается, а одно бесконечное число в выборке превращает все веса в `nan`. Поэтому $s$ ограничивают, у нас и в `dgm_tfp` — с помощью `tanh`. Цена невелика: слой может растянуть не более чем в $e$ раз, но слоёв-то много.
#
# **Лишняя $s$ в сумме.** С масками легко просуммировать $s$ по *всем* координатам, в том числе по тем, что не менялись. Они не растянуты, что бы ни говорила о них сеть: суммируется $(1 - b) \odot s$.

# %% tags=["nbval-check-output"]
with np.errstate(over="ignore"):
    print("exp(90) in float32:", np.exp(np.float32(90)))
print(f"the most that tanh lets through: {np.exp(1):.3f}")

mask = np.array([1, 1, 0, 0])
log_scale = np.array([0.3, -0.2, 0.5, 0.1])  # the network has an opinion on every coordinate
stretched = np.where(mask, 1, np.exp(log_scale))  # the diagonal of the Jacobian matrix
print(f"log of the determinant {np.log(stretched.prod()):.2f}")
print(f"sum of (1 - b) s       {((1 - mask) * log_scale).sum():.2f}")
print(f"sum of all s           {log_scale.sum():.2f}")

# %% [markdown]
# ## То же на TensorFlow Probability
#
# `tfb.RealNVP` — это один связывающий слой, записанный в том направлении, в котором генерируют: `forward` идёт от шума к данным, $x_{d+1:D} = z_{d+1:D} \odot e^{s} + t$. Он принимает функцию, возвращающую сдвиг и логарифм масштаба. В статьях встречаются оба соглашения; семейство потоков одно и то же, только $s$ меняет знак.
#
# И тут есть ловушка. Сеть Keras 3 внутри этой функции для TFP невидима: биектор говорит, что обучать ему нечего. В `dgm_tfp` сетями владеет `keras.Model`, а биектор вычисляется по ним.

# %% tags=["nbval-check-output"]
from tensorflow_probability import bijectors as tfb

conditioner = network(4, 8)
for i, variable in enumerate(conditioner.trainable_variables):
    variable.assign(0.4 * tf.random.stateless_normal(variable.shape, seed=(i, 3)))


def shift_and_log_scale(kept, output_units, **_):
    shift, s = tf.split(conditioner(kept), 2, axis=-1)
    return shift, tf.tanh(s)


stock = tfb.RealNVP(num_masked=4, shift_and_log_scale_fn=shift_and_log_scale)
ours = bijectors.Coupling(conditioner, event_ndims=1)
noise_8d = tf.random.stateless_normal((3, 8), seed=(0, 4))
print("forward:", np.allclose(stock.forward(noise_8d), ours.forward(noise_8d), atol=1e-5))
print(
    "log-determinant:",
    np.allclose(
        stock.forward_log_det_jacobian(noise_8d, 1),
        ours.forward_log_det_jacobian(noise_8d),
        atol=1e-5,
    ),
)
print("variables that TFP's bijector sees:", len(stock.trainable_variables))
print("variables of the network:", len(conditioner.trainable_variables))

# %% [markdown]
# ## То же в `dgm_tfp`
#
# Весь блокнот до цифр, ещё раз:

# %%
flow_2d = models.RealNVP((2,), steps=6, hidden=(64, 64))  # coupling="additive" is NICE
flow_2d.adapt(moons)
flow_2d.compile(optimizer=keras.optimizers.Adam(2e-3))
epochs = {"smoke": 1, "laptop": 30, "gpu": 30}[profile]
flow_2d.fit(moons, epochs=epochs, batch_size=128, verbose=0)
print(f"loss on the test set: {-flow_2d.log_prob(moons_test).mean():.3f} nats")

# %% [markdown]
# ## На одном экране
#
# | | |
# |---|---|
# | связывающий слой | $z_{1:d} = x_{1:d}$, $\;z_{d+1:D} = x_{d+1:D} \odot e^{s(x_{1:d})} + t(x_{1:d})$ |
# | обратное | $x_{d+1:D} = (z_{d+1:D} - t(z_{1:d})) \odot e^{-s(z_{1:d})}$ |
# | логарифм модуля якобиана | $\sum_j s_j$ по тем координатам, которые менялись |
# | сети | любые; их не обращают и ради определителя не дифференцируют |
# | NICE | $s = 0$: объём сохраняется |
# | маски картинок | шахматная; каналы после складывания |
# | цена | и оценить, и сгенерировать — по одному проходу |
#
# ## Вопросы
#
# <details>
# <summary><b>1.</b> Может ли в сетях $s$ и $t$ быть max-pooling, dropout, постоянный выход?</summary>
#
# Max-pooling и постоянный выход — да, годится любая функция неизменной половины; для обучения нужно, чтобы она почти всюду дифференцировалась. Dropout — нет, если только в обе стороны не отключать одни и те же нейроны. Обратное отображение вычисляет $s$ и $t$ заново, и получиться должно то же самое.
#
# </details>
#
# <details>
# <summary><b>2.</b> Почему двух слоёв, половины в которых поменялись ролями, ещё не хватает, чтобы каждый выход зависел от каждого входа?</summary>
#
# Пусть первый слой меняет $x_b$ по $x_a$, а второй меняет $x_a$ по новой $z_b$. Новая $z_b$ зависит от старой $x_b$ только линейно и покоординатно: $z_{b,j} = x_{b,j} e^{s_j(x_a)} + t_j(x_a)$. Значит, внутри половины $b$ координаты ещё не перемешались: $\partial z_{b,j} / \partial x_{b,k} = 0$ при $j \ne k$. Перемешает их третий слой.
#
# </details>
#
# <details>
# <summary><b>3.</b> Логарифм якобиана слоя равен $\sum_j s_j$. Это одно число на всю выборку?</summary>
#
# Нет, по числу на пример, потому что $s$ зависит от $x_{1:d}$. Суммировать и по примерам — одна из самых частых ошибок; функция потерь при этом убывает, только якобиан учтён столько раз, сколько примеров.
#
# </details>
#
# <details>
# <summary><b>4.</b> Может ли поток из достаточно многих связывающих слоёв представить любое отображение?</summary>
#
# Он может сколь угодно точно приблизить любую разумную плотность (Teshima et al., 2020, доказывают это для аффинных слоёв с перестановками), но не данным числом слоёв, а иногда $s$ нужна очень крутая. Между двумя отдельными островами нить остаётся всегда, как на занятии 01.
#
# </details>
#
# <details>
# <summary><b>5.</b> Насколько генерация медленнее оценки правдоподобия?</summary>
#
# Нисколько: в обоих случаях $s$ и $t$ вычисляются в каждом слое один раз. Этим связывающие слои и отличаются от авторегрессионных потоков занятия 03, где одно из двух направлений последовательное.
#
# </details>
#
# <details>
# <summary><b>6.</b> Что говорит поток из аддитивных слоёв с одним постоянным масштабом в конце о $\log p_x(x)$ двух разных картинок?</summary>
#
# Логарифмы якобиана у них равны, поэтому разность определяется одним $\log p_z(f(x))$: вероятнее то, что попало ближе к моде шума. Поэтому для анализа на занятии 08 это самый простой случай.
#
# </details>
#
# <details>
# <summary><b>7.</b> Складывание превращает $28 \times 28 \times 1$ в $14 \times 14 \times 4$. Каков логарифм его якобиана?</summary>
#
# Нуль. Это перестановка пикселей, а определитель матрицы перестановки равен $\pm 1$.
#
# </details>
#
# ## Что почитать
#
# * L. Dinh, D. Krueger, Y. Bengio. *NICE: Non-linear Independent Components Estimation.* ICLR workshop, 2015, [arXiv:1410.8516](https://arxiv.org/abs/1410.8516). Связывающие слои без $s$.
# * L. Dinh, J. Sohl-Dickstein, S. Bengio. *Density estimation using Real NVP.* ICLR, 2017, [arXiv:1605.08803](https://arxiv.org/abs/1605.08803). Об этом и было занятие.
# * T. Teshima et al. *Coupling-based Invertible Neural Networks Are Universal Diffeomorphism Approximators.* NeurIPS, 2020, [arXiv:2006.11469](https://arxiv.org/abs/2006.11469). Что могут представить связывающие слои.
# * P. Kirichenko, P. Izmailov, A. G. Wilson. *Why Normalizing Flows Fail to Detect Out-of-Distribution Data.* NeurIPS, 2020, [arXiv:2006.08545](https://arxiv.org/abs/2006.08545). На что в картинке смотрят связывающие слои; пригодится на занятии 08.
#
# Теперь [лабораторная](../../labs/ru/02_real_nvp.ipynb).
