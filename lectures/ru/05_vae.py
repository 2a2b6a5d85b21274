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
# # Вариационный автокодировщик
#
# **Вопрос.** Поток превращает шум в картинку отображением, которое можно обратить, и потому знает $p(x)$. Условие тяжёлое: размерность шума должна быть такой же, как у картинки. А ведь рукописную цифру делает *этой* цифрой горстка причин: что за цифра, какой наклон, какой нажим пера. Пусть у шума $z$ всего 20 измерений, пусть в картинку из 784 пикселей его превращает *какая угодно* сеть, и спросим снова: чему равна $p(x)$ и как такую модель обучать?
#
# Ответ: $p(x)$ — интеграл, который никто не умеет вычислять, поэтому максимизируют его нижнюю оценку, а вторую сеть обучают только ради того, чтобы оценка была точнее. Это и есть вариационный автокодировщик (Kingma & Welling, 2014). К концу лекции вы выведете эту оценку двумя способами, проверите её на модели, где всё известно, напишете VAE для цифр в тридцать строк, измерите, *насколько* оценка отстоит от истины, и сломаете VAE тремя способами, которыми их обычно и ломают.
#
# **Понадобятся** нормальные плотности, условная вероятность, [занятие 01](01_change_of_variables.ipynb) и опыт обучения хотя бы одной сети. **Времени** уйдёт минут 80, и ещё 60–90 на [лабораторную](../../labs/ru/05_vae.ipynb).
#
# | обозначение | смысл |
# |---|---|
# | $x \in \mathbb R^D$ | объект: картинка из $D = 784$ пикселей |
# | $z \in \mathbb R^d$, $p(z) = \mathcal N(0, I)$ | скрытая переменная, которую никто не наблюдает, и её априорное распределение |
# | $p(x \mid z)$ | декодировщик: параметры этого распределения сеть вычисляет по $z$ |
# | $p(z \mid x)$ | апостериорное распределение: какие $z$ могли породить этот $x$; неизвестно |
# | $q(z \mid x) = \mathcal N(\mu(x), \operatorname{diag} \sigma^2(x))$ | кодировщик: сеть, приближающая апостериорное распределение |

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import special, stats

from dgm_tfp import data, profiles

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
profile = profiles.current().name  # "laptop" by default: decides how long we train

BLUE, LIGHT, RED = "#1f6f8b", "#7fb7c9", "#d1495b"
plt.rcParams.update(
    {
        "figure.dpi": 72,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)

# %%
digits = data.load("mnist", "train", source="embedded").images.reshape(-1, 784) / 255
digits = digits.astype(np.float32)
digits_test = data.load("mnist", "test", source="embedded")
labels_test = digits_test.labels
digits_test = (digits_test.images.reshape(-1, 784) / 255).astype(np.float32)

# %% [markdown]
# ## Автокодировщик
#
# Сначала обычный, потом вариационный. **Автокодировщик** протискивает объект через узкий слой и восстанавливает:
#
# $$H = \sigma(W_e X), \qquad \|\sigma(W_d H) - X\|_2^2 \to \min.$$
#
# Здесь $X$ — матрица объектов, по одному в столбце, $H$ — их коды, гораздо короче самих объектов, $\sigma$ — нелинейность. Что класть в код, сети никто не говорит: она сама должна найти, по чему картинку можно восстановить.
#
# **Без $\sigma$ это старый знакомый.** Произведение $W_d W_e$ — матрица ранга $k$ (это длина кода), а теорема Эккарта — Янга говорит, какая матрица ранга $k$ лучше всех восстанавливает центрированные данные: проекция на $k$ собственных векторов матрицы ковариаций $S$ с наибольшими собственными значениями. Остающаяся ошибка равна сумме остальных собственных значений. Итак, линейный автокодировщик выучивает **метод главных компонент** (Baldi & Hornik, 1989: других минимумов нет, одни сёдла). Пусть это обнаружит градиентный спуск, который о собственных векторах ничего не знает. Ошибка равна $\operatorname{tr}(R S R^\top)$, где $R = I - W_d W_e$, а градиент выпишем вручную.

# %% tags=["nbval-check-output"]
small = digits.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
S = np.cov(small.T.astype(np.float64))
eigenvalues, eigenvectors = np.linalg.eigh(S)  # in ascending order
principal = eigenvectors[:, -3:]

W_e = 0.01 * np.random.default_rng(0).standard_normal((3, 196))
W_d = 0.01 * np.random.default_rng(1).standard_normal((196, 3))
print(" step  error    cosine of the largest angle to the principal plane")
for step in range(401):
    RS = S - W_d @ (W_e @ S)
    if step % 100 == 0:
        error = np.trace(RS - RS @ W_e.T @ W_d.T)
        cosines = np.linalg.svd(np.linalg.qr(W_d)[0].T @ principal).S
        print(f"{step:5}  {error:.3f}   {cosines.min():.4f}")
    rate = 0.5 / eigenvalues[-1]
    W_d, W_e = W_d + rate * RS @ W_e.T, W_e + rate * W_d.T @ RS
print(f"  PCA  {eigenvalues[:-3].sum():.3f}   1.0000")


# %% [markdown]
# С нелинейными слоями, 784 → 400 → 20 → 400 → 784, за изогнутой поверхностью, на которой лежат цифры, можно следовать лучше, чем любой плоскостью. Сравним при одинаковой длине кода.

# %%
def mlp(inputs, outputs, hidden=400):
    """One hidden layer."""
    layers = [keras.layers.Dense(hidden, "relu"), keras.layers.Dense(outputs)]
    return keras.Sequential([keras.Input((inputs,)), *layers])


def train(loss, variables, batch, steps, learning_rate=1e-3, watch=None):
    """Steps of Adam on `loss(batch())`; `watch(step)` is called after each."""
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(variables)

    @tf.function(autograph=False)
    def step(x):
        with tf.GradientTape() as tape:
            value = loss(x)
        optimizer.apply(tape.gradient(value, variables), variables)

    for done in range(1, steps + 1):
        step(batch())
        if watch:
            watch(done)


def digit_batch(size=128):
    return tf.constant(digits[rng.integers(len(digits), size=size)])


encoder, decoder = mlp(784, 20), mlp(20, 784)


def restored(x):
    return tf.sigmoid(decoder(encoder(x)))


weights = encoder.trainable_variables + decoder.trainable_variables
train(
    lambda x: tf.reduce_mean(tf.reduce_sum((restored(x) - x) ** 2, axis=1)),
    weights,
    digit_batch,
    steps={"smoke": 20, "laptop": 600, "gpu": 600}[profile],
)

mean = digits.mean(axis=0)
axes_20 = np.linalg.eigh(np.cov((digits - mean).T))[1][:, -20:]
by_pca = mean + (digits_test - mean) @ axes_20 @ axes_20.T
by_network = restored(digits_test).numpy()
for name, x in (("PCA", by_pca), ("autoencoder", by_network)):
    print(f"{name:12} squared error {np.mean(np.sum((x - digits_test) ** 2, 1)):.1f}")


# %% [markdown]
# **Порождает ли автокодировщик новые объекты?** Декодировщик у него есть: подадим ему коды и посмотрим. Но *какие* коды? Где лежат коды цифр, функция потерь не оговаривает: кодировщик волен разбросать их как угодно, с дырами между ними. Возьмём коды тестовых цифр и получим новые из нормального распределения с тем же средним и той же ковариацией.

# %%
def sheet(images, columns):
    """(n, 784) -> one picture, `columns` digits in a row."""
    images = np.clip(images, 0, 1).reshape(-1, columns, 28, 28)
    return np.block([list(row) for row in images])


def show(axis, images, columns, title=""):
    axis.imshow(sheet(np.asarray(images), columns), cmap="gray", vmin=0, vmax=1)
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, fontsize=10)


codes = encoder(digits_test).numpy()
random_codes = rng.multivariate_normal(codes.mean(axis=0), np.cov(codes.T), size=16)
from_codes = tf.sigmoid(decoder(tf.constant(random_codes, tf.float32)))
figure, axes = plt.subplots(4, 1, figsize=(8, 3.2))
titles = (
    "тестовые цифры",
    "главные компоненты, 20 чисел",
    "автокодировщик, 20 чисел",
    "картинки из случайных кодов",
)
rows = (digits_test[:16], by_pca[:16], by_network[:16], from_codes)
for axis, images, title in zip(axes, rows, titles, strict=True):
    show(axis, images, 16, title)

# %% [markdown]
# *Рис. 1. Шестнадцать тестовых цифр; они же, восстановленные по 20 главным компонентам и по 20 числам кода автокодировщика; картинки из случайных кодов.*
#
# Третий ряд лучше второго, а четвёртый — провал. Автокодировщик есть машина для *сжатия*: ни распределения кодов, ни $p(x)$ у него нет. Отсюда к плотности ведут две дороги. Одна идёт через шум и даёт *градиент* плотности; другая вводит распределение на кодах, и ей посвящено всё остальное занятие.

# %% [markdown]
# ## Научите её убирать шум, и она узнает плотность
#
# Испортим объект шумом, $\tilde x = x + \sigma \varepsilon$, $\varepsilon \sim \mathcal N(0, I)$, и потребуем вернуть чистый: $\mathbb E\, \|f(\tilde x) - x\|^2 \to \min$. Это **шумоподавляющий автокодировщик**; узкий слой больше не нужен: копированием шум не уберёшь.
#
# > **Теорема (Твиди; Alain & Bengio, 2014).** Пусть $p_\sigma$ — плотность зашумлённых объектов $\tilde x$. Наилучшая $f$ такова:
# >
# > $$f(\tilde x) = \mathbb E[x \mid \tilde x] = \tilde x + \sigma^2\, \frac{\partial \log p_\sigma(\tilde x)}{\partial \tilde x}.$$
# >
# > Отсюда
# >
# > $$\frac{f(x) - x}{\sigma^2} \;\longrightarrow\; \frac{\partial \log p(x)}{\partial x}, \qquad \sigma \to 0.$$
#
# **Вывод.** Среди всех функций от $\tilde x$ наименьшую среднюю квадратичную ошибку имеет условное среднее: это первое равенство. Далее, $p_\sigma(\tilde x) = \int p(x)\, \mathcal N(\tilde x;\, x, \sigma^2 I)\, dx$, а градиент нормальной плотности равен ей самой, умноженной на $(x - \tilde x) / \sigma^2$. Дифференцируем под интегралом и делим на $p_\sigma$:
#
# $$\frac{\partial \log p_\sigma(\tilde x)}{\partial \tilde x} = \int \frac{p(x)\, \mathcal N(\tilde x;\, x, \sigma^2 I)}{p_\sigma(\tilde x)} \cdot \frac{x - \tilde x}{\sigma^2}\, dx = \frac{\mathbb E[x \mid \tilde x] - \tilde x}{\sigma^2}.$$
#
# Дробь под интегралом — это $p(x \mid \tilde x)$ по формуле Байеса. Вот и всё. Градиент логарифма плотности по самому *объекту* по-английски называют **score**. Заметьте: это *вектор*, и $f(x) - x$ тоже вектор; он показывает, в какую сторону объекты становятся вероятнее. (Встречается запись этой формулы с $\|f(x) - x\|^2$ в правой части. Так быть не может: число равнялось бы вектору, да и знак потерялся бы.)
#
# Для проверки нужны данные с известной плотностью. Две луны из пакета — это две полуокружности, размытые нормальным шумом 0.1. Добавочный шум только размывает их сильнее, так что $p_\sigma$ известна при любом $\sigma$, и $\mathbb E[x \mid \tilde x]$ тоже.

# %% tags=["nbval-check-output"]
angle = np.pi * (np.arange(400) + 0.5) / 400
upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
arcs = np.concatenate([upper, [1, 0.5] - upper])  # (800, 2): the centres
BLUR = 0.1


def log_density(x, sigma):
    """log p_sigma, (n, 2) -> (n,): a mixture of 800 equal circular normals."""
    variance = BLUR**2 + sigma**2
    distance = ((x[:, None] - arcs) ** 2).sum(axis=2)
    log_p = special.logsumexp(-distance / (2 * variance), axis=1)
    return log_p - np.log(len(arcs) * 2 * np.pi * variance)


def exact_score(x, sigma, step=1e-4):
    """The gradient of log p_sigma, (n, 2) -> (n, 2), by central differences."""
    steps = step * np.eye(2)
    rises = [log_density(x + s, sigma) - log_density(x - s, sigma) for s in steps]
    return np.stack(rises, axis=1) / (2 * step)


def best_denoiser(x, sigma):
    """E[x | x + sigma eps], (n, 2) -> (n, 2), by Bayes' formula for a mixture."""
    share = BLUR**2 / (BLUR**2 + sigma**2)  # of the deviation that is no noise
    distance = ((x[:, None] - arcs) ** 2).sum(axis=2)
    weight = special.softmax(-distance / (2 * (BLUR**2 + sigma**2)), axis=1)
    return share * x + (1 - share) * weight @ arcs


moons = data.load("moons", "train", verbose=False).images.astype(np.float32)
x = data.load("moons", "test", verbose=False).images[:500]
print("sigma   f - x over sigma^2, against")
print("        grad log p_sigma   grad log p")
for sigma in (0.4, 0.2, 0.1, 0.05, 0.025):
    by_denoiser = (best_denoiser(x, sigma) - x) / sigma**2
    gaps = [
        np.linalg.norm(by_denoiser - exact_score(x, s), axis=1).mean()
        for s in (sigma, 0)
    ]
    print(f"{sigma:<5}   {gaps[0]:.4f}             {gaps[1]:.2f}")
length = np.linalg.norm(exact_score(x, 0), axis=1).mean()
print(f"mean length of grad log p: {length:.2f}")

# %% [markdown]
# В первом столбце нули при всех $\sigma$: теорема точна. Второй убывает примерно как $\sigma^2$: это плата за шум. Пусть теперь шум убирает *сеть*, которая ни о каких дугах не слышала и видит только пары из зашумлённой и чистой точки. А чтобы был толк, пустим точки гулять: шаг вдоль градиента и немного шума, $x \leftarrow x + \frac{\eta}{2}\, \nabla \log p_\sigma(x) + \sqrt{\eta}\, \xi$. При малом $\eta$ такое блуждание **Ланжевена** даёт выборку из $p_\sigma$. Выходит, порождать шумоподавителем всё-таки можно; если уровней $\sigma$ много, получится диффузионная модель (Song & Ermon, 2019).

# %%
SIGMA = 0.2
relu = [keras.layers.Dense(64, "relu") for _ in range(3)]
correction = keras.Sequential([keras.Input((2,)), *relu, keras.layers.Dense(2)])


def denoise(x):
    return x + SIGMA * correction(x)


def denoising_loss(x):
    noisy = x + SIGMA * tf.random.normal(tf.shape(x))
    return tf.reduce_mean(tf.reduce_sum((denoise(noisy) - x) ** 2, axis=1))


train(
    denoising_loss,
    correction.trainable_variables,
    lambda: tf.constant(moons[rng.integers(len(moons), size=512)]),
    steps={"smoke": 100, "laptop": 2500, "gpu": 2500}[profile],
    learning_rate=2e-3,
)


@tf.function(autograph=False)
def learned_score(x):
    return (denoise(x) - x) / SIGMA**2


noisy = (x + SIGMA * rng.standard_normal(x.shape)).astype(np.float32)
truth, learned = exact_score(noisy, SIGMA), learned_score(noisy).numpy()
cosine = np.sum(truth * learned, axis=1) / np.prod(
    [np.linalg.norm(v, axis=1) for v in (truth, learned)], axis=0
)
missed = np.sum((learned - truth) ** 2) / np.sum(truth**2)
print(f"share of the exact field explained {1 - missed:.3f}")
print(f"median cosine of the angle between them {np.median(cosine):.3f}")

walkers = tf.constant(rng.uniform([-2, -1.5], [3, 2], (500, 2)), tf.float32)
for _ in range(300):
    noise = tf.random.normal(walkers.shape)
    walkers = walkers + 0.005 * learned_score(walkers) + np.sqrt(0.01) * noise

# %%
line_1, line_2 = np.linspace(-2, 3, 17), np.linspace(-1.5, 2, 12)
nodes = np.stack(np.meshgrid(line_1, line_2), -1).reshape(-1, 2).astype(np.float32)
fine = np.stack(np.meshgrid(np.linspace(-2, 3, 120), np.linspace(-1.5, 2, 84)), -1)
density = np.exp(log_density(fine.reshape(-1, 2), SIGMA)).reshape(84, 120)
figure, axes = plt.subplots(1, 3, figsize=(10, 2.9), sharey=True)
for axis in axes:
    axis.contourf(*np.moveaxis(fine, 2, 0), density, 6, cmap="Blues")
    axis.set(xlabel="$x_1$", xlim=(-2, 3), ylim=(-1.5, 2), aspect="equal")
fields = exact_score(nodes, SIGMA), learned_score(nodes)
for axis, field in zip(axes[:2], fields, strict=True):
    shorter = field / np.sqrt(np.linalg.norm(field, axis=1, keepdims=True))
    axis.quiver(*nodes.T, *np.transpose(shorter), color=RED, scale=70, width=0.005)
axes[2].scatter(*np.transpose(walkers), s=3, color=RED)
axes[0].set(ylabel="$x_2$", title=r"точное: $\nabla \log p_\sigma$")
axes[1].set(title=r"сеть: $(f(x) - x) / \sigma^2$")
axes[2].set(title="блуждание Ланжевена");


# %% [markdown]
# *Рис. 2. Градиент логарифма плотности двух лун, размытых с $\sigma = 0.2$: точный и полученный шумоподавляющей сетью (длина стрелки — корень из длины градиента, иначе дальние стрелки закрыли бы остальные). Справа: 500 точек после 300 шагов блуждания Ланжевена вдоль выученного поля; начинали они где попало в этой рамке.*
#
# Такое поле говорит, куда идти из $x$, но не говорит, насколько $x$ вероятен: градиент знает плотность с точностью до множителя. Да и сэмпл стоит сотен шагов. Вторая дорога даёт коды и порождает за один шаг.

# %% [markdown]
# ## Скрытые переменные и интеграл
#
# Опишем, откуда объект берётся. Природа выбирает причину $z$ из априорного распределения, а затем объект из $p(x \mid z)$. В модель входят *оба* распределения, и плотность $x$ есть среднее по всем причинам:
#
# $$p(x) = \int p(x \mid z)\, p(z)\, dz.$$
#
# Породить объект легко: $z$ из априорного распределения, и через декодировщик. Для обучения методом максимального правдоподобия нужен $\log p(x)$, а у интеграла по 20 измерениям с сетью внутри явного вида нет. Первая мысль — Монте-Карло: это математическое ожидание, заменим его средним,
#
# $$\hat p_K(x) = \frac1K \sum_{k=1}^K p(x \mid z_k), \qquad z_k \sim p(z).$$
#
# Попробуем там, где ответ известен. В **линейно-гауссовской модели**, нашем испытательном стенде на всё занятие, декодировщик — матрица:
#
# $$z \sim \mathcal N(0, I_d), \qquad x \mid z \sim \mathcal N(W z, s^2 I_D).$$
#
# Всё в ней нормально и выписывается явно. $x$ есть сумма независимых нормальных векторов, а апостериорное распределение получается выделением полного квадрата в $\log p(x \mid z) + \log p(z) = -\frac{1}{2 s^2}\|x - W z\|^2 - \frac12 \|z\|^2 + \dots$:
#
# $$p(x) = \mathcal N(0,\, W W^\top + s^2 I), \qquad p(z \mid x) = \mathcal N\Bigl(\tfrac{1}{s^2} M^{-1} W^\top x,\; M^{-1}\Bigr), \qquad M = I + \tfrac{1}{s^2} W^\top W.$$

# %%
class LinearGaussian:
    """z ~ N(0, I_d), x ~ N(W z, s^2 I_D), and everything that can be known of it."""

    def __init__(self, latent, size=40, s=0.5, seed=0):
        self.source = np.random.default_rng(seed)
        self.W = self.source.standard_normal((size, latent)) / 2
        self.s = s
        self.covariance = np.linalg.inv(np.eye(latent) + self.W.T @ self.W / s**2)
        z = self.source.standard_normal(latent)
        self.x = self.W @ z + s * self.source.standard_normal(size)  # one object
        self.mean = self.covariance @ self.W.T @ self.x / s**2

    def log_prob(self):
        """log p(x), exactly."""
        total = self.W @ self.W.T + self.s**2 * np.eye(len(self.x))
        return stats.multivariate_normal(cov=total).logpdf(self.x)

    def log_likelihood(self, z):
        """log p(x | z), (K, d) -> (K,)."""
        return stats.norm.logpdf(self.x, z @ self.W.T, self.s).sum(axis=1)


def log_mean_exp(values):
    return special.logsumexp(values) - np.log(len(values))


# %%
counts = np.unique(np.geomspace(1, 100_000, 60).astype(int))
figure, axis = plt.subplots(figsize=(7, 3))
colors = {1: "0.6", 2: LIGHT, 5: BLUE, 10: "black", 20: RED}
for latent, color in colors.items():
    model = LinearGaussian(latent)
    log_p = model.log_likelihood(model.source.standard_normal((100_000, latent)))
    naive = np.array([log_mean_exp(log_p[:K]) for K in counts])
    axis.plot(counts, naive - model.log_prob(), color=color, label=f"$d = {latent}$")
axis.axhline(0, color="black", lw=0.5)
axis.set(xscale="log", ylim=(-150, 15), xlabel="$K$, сэмплов")
axis.set(ylabel=r"$\log \hat p_K(x) - \log p(x)$, натов")
axis.legend();


# %% [markdown]
# *Рис. 3. Монте-Карло в лоб для интеграла в линейно-гауссовской модели, при пяти размерностях скрытой переменной.*
#
# В чём беда? Оценка честная, $\mathbb E\, \hat p_K(x) = p(x)$. Но вклад дают лишь причины, объясняющие *этот* $x$, а их в априорном распределении ничтожная доля. Какая именно, говорит дивергенция между апостериорным и априорным: нужно около $e^{D_{KL}(p(z \mid x) \| p(z))}$ сэмплов, прежде чем хоть один попадёт куда надо (Chatterjee & Diaconis, 2018). А между редкими попаданиями оценка стоит на месте, и кажется, что она сошлась.

# %% tags=["nbval-check-output"]
def kl_between(m_1, C_1, m_2, C_2):
    """D_KL(N(m_1, C_1) || N(m_2, C_2)), in nats."""
    inverse = np.linalg.inv(C_2)
    log_dets = np.linalg.slogdet(C_2).logabsdet - np.linalg.slogdet(C_1).logabsdet
    gap = m_2 - m_1
    return 0.5 * (np.trace(inverse @ C_1) + gap @ inverse @ gap - len(m_1) + log_dets)


print(" d   KL(posterior || prior)   samples needed, about")
for latent in (1, 2, 5, 10, 20):
    model = LinearGaussian(latent)
    kl = kl_between(model.mean, model.covariance, np.zeros(latent), np.eye(latent))
    print(f"{latent:2}   {kl:5.1f}                    {np.exp(kl):.0e}")


# %% [markdown]
# ## Нижняя оценка
#
# Если сэмплы из априорного распределения бьют мимо, будем брать их там, где надо: из какого-нибудь распределения $q(z)$, зависящего от $x$. Умножим и разделим на $q$ и внесём логарифм под ожидание. Логарифм вогнутый, и по **неравенству Йенсена** $\log \mathbb E \ge \mathbb E \log$:
#
# $$\log p(x) = \log \mathbb E_{q(z)} \frac{p(x \mid z)\, p(z)}{q(z)} \;\ge\; \mathbb E_{q(z)} \log \frac{p(x \mid z)\, p(z)}{q(z)} = \boxed{\;\mathbb E_{q(z)} \log p(x \mid z) - D_{KL}\bigl(q(z) \,\|\, p(z)\bigr) = \mathrm{ELBO}\;}$$
#
# ELBO — *evidence lower bound*, нижняя оценка обоснованности. Первое слагаемое спрашивает: восстанавливается ли $x$ по кодам из $q$? Второе: знакомы ли эти коды априорному распределению? Первое — это автокодировщик из начала лекции, второе — то, чего ему не хватало.
#
# **Сколько теряется?** На это отвечает формула Байеса: $p(x \mid z)\, p(z) = p(z \mid x)\, p(x)$. Подставим под ожидание:
#
# $$\mathrm{ELBO} = \mathbb E_{q(z)} \log \frac{p(z \mid x)\, p(x)}{q(z)} = \log p(x) - D_{KL}\bigl(q(z) \,\|\, p(z \mid x)\bigr).$$
#
# Это второй вывод, и он точнее: зазор есть дивергенция, она неотрицательна и равна нулю ровно тогда, когда $q$ — апостериорное распределение. Значит, поднимать ELBO по $q$ — то же, что приближать апостериорное распределение. Оно нам и так было нужно, а вычислять его не пришлось.
#
# **Дивергенция в явном виде.** При $q = \mathcal N(\mu, \operatorname{diag}\sigma^2)$ и априорном $\mathcal N(0, I)$ оба логарифма — суммы по координатам. По одной координате $\log q - \log p = -\ln \sigma - \frac{(z - \mu)^2}{2\sigma^2} + \frac{z^2}{2}$, причём среднее $(z - \mu)^2$ относительно $q$ равно $\sigma^2$, а среднее $z^2$ равно $\mu^2 + \sigma^2$. Итого
#
# $$D_{KL}\bigl(q \,\|\, p\bigr) = \frac12 \sum_{j=1}^d \bigl(\mu_j^2 + \sigma_j^2 - 1 - \ln \sigma_j^2\bigr).$$
#
# Проверим все три формулы на стенде, с тремя $q$: априорное, что-нибудь грубое и само апостериорное.

# %% tags=["nbval-check-output"]
def kl_to_prior(mean, log_var):
    """D_KL(N(mean, diag exp(log_var)) || N(0, I)), (..., d) -> (...)."""
    return 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=-1)


def elbo_exactly(model, mean, covariance):
    """E_q log p(x | z) - KL(q || prior): all Gaussian, so no sampling is needed."""
    latent, W, s = len(mean), model.W, model.s
    spread = np.trace(W @ covariance @ W.T)  # E |x - W z|^2 = |x - W m|^2 + tr
    error = np.sum((model.x - W @ mean) ** 2) + spread
    restored = -0.5 * (error / s**2 + len(model.x) * np.log(2 * np.pi * s**2))
    return restored - kl_between(mean, covariance, np.zeros(latent), np.eye(latent))


mean, log_var = np.array([0.5, -1.0, 2.0]), np.array([-1.0, 0.3, -2.0])
z = mean + np.exp(log_var / 2) * np.random.default_rng(0).standard_normal((10**6, 3))
log_ratio = stats.norm.logpdf(z, mean, np.exp(log_var / 2)) - stats.norm.logpdf(z)
by_sampling = log_ratio.sum(axis=1)
print(f"KL to the prior         {kl_to_prior(mean, log_var):.3f}")
error = by_sampling.std() / 1000
print(f"by a million samples    {by_sampling.mean():.3f} +- {error:.3f}\n")

model = LinearGaussian(3)
choices = {
    "prior": (np.zeros(3), np.eye(3)),
    "rough": (model.mean + 0.1, 2 * np.diag(np.diag(model.covariance))),
    "posterior": (model.mean, model.covariance),
}
print("q           ELBO     + KL to posterior = log p(x)")
for name, (mean, covariance) in choices.items():
    bound = elbo_exactly(model, mean, covariance)
    gap = kl_between(mean, covariance, model.mean, model.covariance)
    print(f"{name:10} {bound:8.3f}  {gap:8.3f}          {bound + gap:8.3f}")
print(f"exactly                                 {model.log_prob():8.3f}")

# %%
model = LinearGaussian(1, size=3)
means, log_stds = np.linspace(-2, 2, 81) + model.mean, np.linspace(-3, 1, 81)
bound = np.array(
    [
        [elbo_exactly(model, np.array([m]), np.exp([[2 * t]])) for m in means]
        for t in log_stds
    ]
)
figure, axes = plt.subplots(1, 2, figsize=(9, 3))
lines = axes[0].contour(
    means, log_stds, model.log_prob() - bound, [0.1, 0.5, 1, 2, 5, 10], cmap="viridis"
)
axes[0].clabel(lines, fontsize=8)
best = np.log(model.covariance[0, 0]) / 2
axes[0].plot(model.mean[0], best, "o", color=RED)
axes[0].set(xlabel=r"$\mu$", ylabel=r"$\ln \sigma$")
axes[1].plot(log_stds, bound[:, 40], color=BLUE, label="ELBO")
axes[1].axhline(model.log_prob(), color="black", ls="--", label=r"$\log p(x)$")
axes[1].plot(best, model.log_prob(), "o", color=RED, label="$p(z | x)$")
axes[1].set(xlabel=r"$\ln \sigma$", ylabel="натов")
axes[1].set(ylim=(model.log_prob() - 4, model.log_prob() + 0.5))
axes[1].legend();


# %% [markdown]
# *Рис. 4. Одно скрытое измерение. Слева: зазор $\log p(x) - \mathrm{ELBO}$ в натах для всех нормальных $q$; точка — апостериорное распределение. Справа: сечение. ELBO нигде не выше $\log p(x)$ и касается его в апостериорном.*

# %% [markdown]
# ## Как дифференцировать математическое ожидание
#
# ELBO надо максимизировать градиентными шагами: и по декодировщику, *и* по $\mu, \sigma$. С декодировщиком всё просто, его параметры стоят под ожиданием. А $\mu$ и $\sigma$ говорят, откуда берутся сэмплы. Способов два.
#
# **Через логарифм плотности** (score-function estimator). Так как $\nabla q = q\, \nabla \log q$,
#
# $$\nabla_\mu\, \mathbb E_{q} f(z) = \int f(z)\, \nabla_\mu q(z)\, dz = \mathbb E_{q}\bigl[f(z)\, \nabla_\mu \log q(z)\bigr] = \mathbb E_q\Bigl[f(z)\, \frac{z - \mu}{\sigma^2}\Bigr].$$
#
# Нужны только значения $f$, и годится это даже для дискретной $z$ (в обучении с подкреплением это называют REINFORCE). Из $f$ можно вычесть постоянную: $\mathbb E\, \nabla \log q = 0$.
#
# **Репараметризация.** Вынесем случайность наружу: $z = \mu + \sigma \odot \varepsilon$, где $\varepsilon \sim \mathcal N(0, I)$ от параметров не зависит. Теперь градиент проходит внутрь:
#
# $$\nabla_\mu\, \mathbb E_{q} f(z) = \nabla_\mu\, \mathbb E_{\varepsilon} f(\mu + \sigma \odot \varepsilon) = \mathbb E_\varepsilon \nabla_z f(z), \qquad \nabla_\sigma\, \mathbb E_{q} f(z) = \mathbb E_\varepsilon \bigl[\nabla_z f(z) \odot \varepsilon\bigr].$$
#
# Обе оценки несмещённые. Разница в том, что они знают: первой известны только значения, наклон она ищет наугад; второй наклон сообщили. Измерим дисперсию на стенде, $f(z) = \log p(x \mid z) + \log p(z)$: там градиент известен точно.

# %% tags=["nbval-check-output"]
def gradient_samples(latent, n=20_000):
    """n one-sample estimates of the gradient over mu, (n, d) each, and the truth."""
    model = LinearGaussian(latent)
    source = np.random.default_rng(1)
    mu, sigma = model.mean + 0.3, 0.3
    z = mu + sigma * source.standard_normal((n, latent))
    f = model.log_likelihood(z) + stats.norm.logpdf(z).sum(axis=1)
    direction = (z - mu) / sigma**2  # gradient of log q
    slope = (model.x - z @ model.W.T) @ model.W / model.s**2 - z  # gradient of f
    exact = (model.x - model.W @ mu) @ model.W / model.s**2 - mu
    return {
        "score function": f[:, None] * direction,
        "with a baseline": (f - f.mean())[:, None] * direction,
        "reparameterised": slope,
    }, exact


variances = {}
for latent in (1, 2, 5, 10, 20, 50):
    estimates, exact = gradient_samples(latent)
    for name, values in estimates.items():
        variances.setdefault(name, []).append(values.var(axis=0).mean())
        if latent == 10:
            off = np.abs(values.mean(axis=0) - exact).max()
            limit = 5 * values.std(axis=0).max() / np.sqrt(len(values))
            print(f"{name:16} unbiased: {off < limit}", end=",  ")
            print(f"variance {variances[name][-1]:9.0f}")

# %%
figure, axis = plt.subplots(figsize=(6.5, 2.8))
labels = (
    "через логарифм плотности",
    "с вычитанием среднего",
    "репараметризация",
)
curves = zip(variances.values(), labels, (LIGHT, BLUE, RED), strict=True)
for values, label, color in curves:
    axis.plot((1, 2, 5, 10, 20, 50), values, "o-", color=color, label=label)
axis.set(xscale="log", yscale="log", xlabel="$d$", ylabel="дисперсия")
axis.set(ylim=(30, 3e7))
axis.legend();


# %% [markdown]
# *Рис. 5. Дисперсия одной составляющей градиента по $\mu$ при одном сэмпле $z$ в зависимости от размерности скрытой переменной.*
#
# Дисперсия в сто раз больше — значит, для той же точности нужно в сто раз больше сэмплов. Вот почему у VAE скрытые переменные непрерывны, а декодировщик дифференцируем.

# %% [markdown]
# ## VAE для цифр, своими руками
#
# Все части есть, осталось собрать. Для каждой картинки нужно своё $q(z \mid x)$, и подбирать $\mu$ и $\sigma$ каждый раз заново — это вечность. Поэтому их за один проход вычисляет по $x$ сеть, **кодировщик**. Шаг обучения (Kingma & Welling, 2014):
#
# 1. берём $m$ картинок; кодировщик даёт для каждой $\mu(x)$ и $\ln \sigma^2(x)$;
# 2. **для каждой картинки** заново берём $\varepsilon$, $z = \mu + \sigma \odot \varepsilon$;
# 3. декодировщик даёт параметры $p(x \mid z)$; одного сэмпла $z$ на картинку хватает;
# 4. делаем градиентный шаг, поднимающий среднее $\log p(x \mid z) - D_{KL}$ по $m$ картинкам, по обеим сетям сразу.
#
# Какое взять $p(x \mid z)$? Проще всего двоичные картинки: пиксель $i$ закрашен с вероятностью $\pi_i = \operatorname{sigmoid}(l_i)$, где $l_i$ — то, что вернул декодировщик. Тогда
#
# $$\log p(x \mid z) = \sum_{i=1}^{784} \bigl(x_i \ln \pi_i + (1 - x_i) \ln (1 - \pi_i)\bigr) = \sum_{i=1}^{784} \bigl(x_i l_i - \ln(1 + e^{l_i})\bigr).$$
#
# Наши цифры, правда, серые. Каждую яркость превратим в бит: 1 с вероятностью, которую яркость и задаёт, на каждом шаге заново. (Многие подставляют в формулу сами яркости. Это не правдоподобие: интеграл по $[0, 1]$ не равен 1, и полученные так числа не сравнить ни с чем; Loaiza-Ganem & Cunningham, 2019.)

# %%
class VAE:
    """784 - 400 - d - 400 - 784, with a Bernoulli p(x | z)."""

    def __init__(self, latent):
        self.encoder, self.decoder = mlp(784, 2 * latent), mlp(latent, 784)
        networks = (self.encoder, self.decoder)
        self.variables = [v for net in networks for v in net.trainable_variables]

    def posterior(self, x):
        """mu and ln sigma^2 of q(z | x), (n, d) each."""
        return tf.split(self.encoder(x), 2, axis=1)

    def log_likelihood(self, x, z):
        """log p(x | z) in nats: x (..., 784), z (..., d) -> (...)."""
        logits = self.decoder(tf.reshape(z, [-1, z.shape[-1]]))
        logits = tf.reshape(logits, [*z.shape[:-1], 784])
        return tf.reduce_sum(x * logits - tf.nn.softplus(logits), axis=-1)

    def parts(self, x):
        """log p(x | z) at one z from q, (n,), and the KL by coordinate, (n, d)."""
        mean, log_var = self.posterior(x)
        z = mean + tf.exp(log_var / 2) * tf.random.normal(tf.shape(mean))
        kl = 0.5 * (mean**2 + tf.exp(log_var) - 1 - log_var)
        return self.log_likelihood(x, z), kl


def bits(images, source=rng):
    """Grey levels from [0, 1] to 0 and 1, each with the probability of its level."""
    return (source.random(images.shape, dtype=np.float32) < images).astype(np.float32)


def bit_batch():
    return tf.constant(bits(digits[rng.integers(len(digits), size=128)]))


bits_test = tf.constant(bits(digits_test, np.random.default_rng(0)))


def fit(vae, epochs, objective=None, watch=None):
    """`objective(log_p, kl)` is what is maximised on a batch; by default the ELBO."""
    objective = objective or (lambda log_p, kl: log_p - tf.reduce_sum(kl, axis=1))
    train(
        lambda x: -tf.reduce_mean(objective(*vae.parts(x))),
        vae.variables,
        bit_batch,
        epochs * EPOCH,
        watch=watch,
    )


def report(name, vae):
    """The two parts of the ELBO on the test set, in nats."""
    log_p, kl = vae.parts(bits_test)
    log_p, kl = np.mean(log_p), np.mean(tf.reduce_sum(kl, axis=1))
    print(f"{name:24} -log p(x|z) {-log_p:5.1f}  KL {kl:5.1f}  -ELBO {kl - log_p:5.1f}")


EPOCH = {"smoke": 4, "laptop": 79, "gpu": 79}[profile]  # 79 * 128 = 10,112 pictures
noise = tf.constant(rng.standard_normal((40, 20)), tf.float32)
moments = (1, 3, 9, 27)
frames = {}


def keep_frame(step):
    if step in [EPOCH * moment for moment in moments]:
        frames[step // EPOCH] = tf.sigmoid(vae.decoder(noise))


vae = VAE(latent=20)
fit(vae, moments[-1], watch=keep_frame)
report("784-400-20-400-784", vae)

# %%
figure, axes = plt.subplots(1, 4, figsize=(10, 1.9))
for axis, (epoch, images) in zip(axes, frames.items(), strict=True):
    show(axis, images, 8, f"эпоха {epoch}")

# %% [markdown]
# *Рис. 6. Сэмплы после 1, 3, 9 и 27 эпох, всё время из одних и тех же сорока $z$ из априорного распределения. Показаны вероятности $\pi$, а не выборка из них. Эпоха здесь — 10 000 картинок, шестая часть MNIST.*

# %%
restored_by_vae = tf.sigmoid(vae.decoder(vae.posterior(bits_test[:16])[0]))
figure, axes = plt.subplots(3, 1, figsize=(8, 2.4))
rows = {
    "тестовые цифры, биты": bits_test[:16],
    "восстановленные по 20 числам": restored_by_vae,
    "картинки из случайных кодов": frames[27][:16],
}
for axis, (title, images) in zip(axes, rows.items(), strict=True):
    show(axis, images, 16, title)

# %% [markdown]
# *Рис. 7. То же, что на рис. 1, но теперь с VAE.*
#
# Сравните последние ряды рисунков 1 и 7. Сети почти одинаковы; изменилось второе слагаемое функции потерь, а с ним появилось распределение на кодах. Это не бесплатно: коды теперь зашумлены, и восстанавливаются цифры чуть хуже, чем обычным автокодировщиком.
#
# ## Плоскость цифр
#
# При $d = 2$ всё пространство кодов можно нарисовать. Слева: куда кодировщик помещает тестовые цифры. Справа: что делает декодировщик из узлов сетки. Узлы — квантили нормального распределения, $z = \Phi^{-1}(u)$ при равноотстоящих $u$: это обратная функция распределения из занятия 00, и каждому узлу отвечает одна и та же вероятность (рисунок 4 у Kingma & Welling).

# %%
flat = VAE(latent=2)
fit(flat, {"smoke": 2, "laptop": 16, "gpu": 40}[profile])
report("784-400-2-400-784", flat)

# %%
u = np.linspace(0.04, 0.96, 12)
z_1, z_2 = np.meshgrid(stats.norm.ppf(u), stats.norm.ppf(u[::-1]))
nodes = tf.constant(np.stack([z_1, z_2], -1).reshape(-1, 2), tf.float32)
figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.2))
means, log_vars = (part.numpy() for part in flat.posterior(bits_test))
points = axes[0].scatter(*means.T, c=labels_test, cmap="tab10", s=4)
turn = np.linspace(0, 2 * np.pi, 100)
for radius in (1, 2, 3):
    axes[0].plot(radius * np.cos(turn), radius * np.sin(turn), color="black", lw=0.6)
axes[0].set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
axes[0].set(xlim=(-5, 5), ylim=(-5, 5))
figure.colorbar(points, ax=axes[0], ticks=range(10), shrink=0.8)
show(axes[1], tf.sigmoid(flat.decoder(nodes)), 12)


# %% [markdown]
# *Рис. 8. Слева: средние $\mu(x)$ для 2000 тестовых цифр, цвет — цифра (меток модель не видела), и окружности радиусов 1, 2, 3 априорного распределения. Справа: плоскость $z$, раскодированная в квантилях от 0.04 до 0.96 по каждому направлению.*
#
# Слева видно и ещё кое-что: средние заполняют априорное распределение неравномерно. При обучении декодировщик встречает **среднее апостериорное** $q(z) = \mathbb E_x\, q(z \mid x)$, и KL точно раскладывается (Hoffman & Johnson, 2016) на
#
# $$\mathbb E_x D_{KL}\bigl(q(z \mid x) \,\|\, p(z)\bigr) = \underbrace{\mathbb E_x D_{KL}\bigl(q(z \mid x) \,\|\, q(z)\bigr)}_{\text{information in } z \text{ about } x} + \underbrace{D_{KL}\bigl(q(z) \,\|\, p(z)\bigr)}_{\text{misfit}}.$$
#
# Первая часть (information) — сведения об объекте, ради которых код и существует; для 2000 картинок их не больше $\ln 2000 \approx 7.6$ ната. Вторая (misfit) — чистая потеря от несовпадения, и убирает её **более гибкое априорное распределение**: поставим на место $\mathcal N(0, I)$ поток, например из занятий 02 и 03. Явного вида у KL тогда нет, и берут $\log q(z \mid x) - \log p(z)$ в самом сэмпле. В таблице в конце занятия такой VAE есть.

# %%
def log_normal(z, mean, log_var):
    """log N(z; mean, diag exp(log_var)), (..., d) -> (...)."""
    squares = (z - mean) ** 2 * np.exp(-log_var) + log_var + np.log(2 * np.pi)
    return -0.5 * squares.sum(axis=-1)


z = means + np.exp(log_vars / 2) * rng.standard_normal(means.shape)  # one for each x
log_own = log_normal(z, means, log_vars)  # log q(z | its own x)
log_all = log_normal(z[:, None], means, log_vars)  # (2000 z, 2000 x)
log_aggregate = special.logsumexp(log_all, axis=1) - np.log(len(z))
log_prior = log_normal(z, 0, np.zeros(2))
print(f"KL of the bound   {np.mean(log_own - log_prior):.2f} nats")
print(f"  information     {np.mean(log_own - log_aggregate):.2f}")
print(f"  misfit          {np.mean(log_aggregate - log_prior):.2f}")


# %% [markdown]
# ## Насколько оценка отстоит от истины?
#
# VAE сообщает свою $-\mathrm{ELBO}$. Это и есть $-\log p(x)$ или на 10 натов больше? Теперь у нас есть $q$, которое бьёт куда надо, и Монте-Карло с рисунка 3 можно починить: усредним *веса* $w_k$,
#
# $$L_K(x) = \mathbb E \log \frac1K \sum_{k=1}^K w_k, \qquad w_k = \frac{p(x \mid z_k)\, p(z_k)}{q(z_k \mid x)}, \qquad z_k \sim q(z \mid x).$$
#
# > **Теорема (Burda, Grosse & Salakhutdinov, 2016).** $\mathrm{ELBO} = L_1 \le L_2 \le \dots \le L_K \le \log p(x)$, и $L_K \to \log p(x)$, если веса ограничены.
#
# **Вывод.** $\mathbb E\, w = p(x)$, поэтому по неравенству Йенсена $L_K \le \log \mathbb E \frac1K \sum w_k = \log p(x)$. А среднее $K$ весов есть среднее по всем их поднаборам $I$ из $m < K$ весов, и снова по Йенсену: $L_K = \mathbb E \log \mathbb E_I \bigl[\frac1m \sum_{k \in I} w_k\bigr] \ge \mathbb E\, \mathbb E_I \log \frac1m \sum_{k \in I} w_k = L_m$. Предел — это закон больших чисел.
#
# **Какова точность?** Для одной картинки $\log \bar w$ есть оценка, и её стандартная ошибка получается из первого члена формулы Тейлора: ошибку среднего веса надо разделить на сам средний вес, $\mathrm{se} = \frac{\mathrm{std}(w)}{\sqrt K\, \bar w}$. Верить ей можно, только если сумму составляют много весов; если половина суммы — один вес, об ошибке можно лишь гадать. Веса имеют порядок $e^{-100}$, и выпускать их из-под логарифма нельзя: $\log \sum_k e^{a_k} = a_{\max} + \log \sum_k e^{a_k - a_{\max}}$.
#
# Сначала стенд, и на нём лучшее $q$ из тех, у которых координаты независимы, как у кодировщика (дисперсии у него $1 / M_{jj}$; почему — спросит лабораторная).

# %% tags=["nbval-check-output"]
def log_weights(model, variances, n, seed=0):
    """log w of n samples from N(posterior mean, diag variances), (n,)."""
    shape = n, len(variances)
    z = np.random.default_rng(seed).normal(model.mean, np.sqrt(variances), size=shape)
    log_q = stats.norm.logpdf(z, model.mean, np.sqrt(variances)).sum(axis=1)
    return model.log_likelihood(z) + stats.norm.logpdf(z).sum(axis=1) - log_q


model = LinearGaussian(10, size=15)
best = 1 / np.diag(np.linalg.inv(model.covariance))  # 1 / M_jj
log_w = log_weights(model, best, 200_000)
exact_elbo = elbo_exactly(model, model.mean, np.diag(best))
print(f"ELBO, exactly   {exact_elbo:.2f}")
table = {}
for K in (1, 10, 100, 1000):
    groups = special.logsumexp(log_w.reshape(-1, K), axis=1) - np.log(K)
    table[K] = groups.mean(), groups.std(), groups.std() / np.sqrt(len(groups))
    print(f"L_{K:<5}         {table[K][0]:.2f} +- {table[K][2]:.2f}")
print(f"log p, exactly  {model.log_prob():.2f}")

few = log_w[:1000]
error = np.exp(few - few.max()).std() / np.exp(few - few.max()).mean() / 1000**0.5
print(f"standard error of L_1000 from one run: {error:.2f},", end=" ")
print(f"scatter of {len(groups)} runs: {table[1000][1]:.2f}")


# %% [markdown]
# Цепочка ELBO ≤ $L_{10}$ ≤ $L_{100}$ ≤ … ≤ точное значение видна звено за звеном. Последняя строка — предостережение: ошибка, о которой сообщает сам прогон, меньше настоящего разброса более чем вдвое. Наше $q$ у́же апостериорного, всё решают редкие большие веса, и прогон, не встретивший ни одного, не знает, что они бывают. Теперь цифры: та же оценка с обученным VAE для сотни тестовых картинок. Точного значения здесь не знает никто, но $L_K$ выходит на полку.

# %%
@tf.function(autograph=False)
def vae_log_weights(x, samples):
    """log w of `samples` draws from q(z | x) for each picture, (samples, n)."""
    mean, log_var = vae.posterior(x)
    noise = tf.random.normal([samples, *mean.shape])
    z = mean + tf.exp(log_var / 2) * noise
    # log p(z) - log q(z | x), coordinate by coordinate
    log_ratio = tf.reduce_sum(noise**2 - z**2 + log_var, axis=-1) / 2
    return vae.log_likelihood(x, z) + log_ratio


pictures = bits_test[: {"smoke": 10, "laptop": 100, "gpu": 100}[profile]]
times = {"smoke": 2, "laptop": 20, "gpu": 200}[profile]
log_w_vae = np.concatenate([vae_log_weights(pictures, 50) for _ in range(times)])
K_vae = np.unique(np.geomspace(1, len(log_w_vae), 12).astype(int))
bounds_vae, errors_vae = [], []
for K in K_vae:
    groups = log_w_vae[: len(log_w_vae) // K * K].reshape(-1, K, len(pictures))
    values = special.logsumexp(groups, axis=1) - np.log(K)  # (groups, pictures)
    bounds_vae.append(values.mean())
    errors_vae.append(values.std(axis=0).mean() if len(values) > 1 else np.nan)
print(f"-L_1 = -ELBO {-bounds_vae[0]:.1f} nats,  -L_{K_vae[-1]} {-bounds_vae[-1]:.1f}")
shifted = np.exp(log_w_vae - log_w_vae.max(axis=0))
relative = shifted.std(axis=0) / shifted.mean(axis=0) / np.sqrt(len(shifted))
print(f"standard error for one picture: median {np.median(relative):.2f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8))
counts = list(table)
values, scatter, _ = np.transpose(list(table.values()))
axes[0].plot(counts, values, "o-", color=BLUE, label="$L_K$")
low, high = values - scatter, values + scatter
axes[0].fill_between(counts, low, high, color=LIGHT, alpha=0.4)
axes[0].axhline(model.log_prob(), color="black", ls="--", label=r"$\log p(x)$")
axes[0].axhline(exact_elbo, color=RED, ls=":", label="ELBO")
axes[0].set(ylim=(exact_elbo - 4, model.log_prob() + 2))
axes[0].set(title="линейно-гауссовская модель")
axes[0].legend()
axes[1].plot(K_vae, bounds_vae, "o-", color=BLUE)
axes[1].axhline(bounds_vae[0], color=RED, ls=":")
axes[1].set(title="цифры")
for axis in axes:
    axis.set(xscale="log", xlabel="$K$", ylabel="наты")

# %% [markdown]
# *Рис. 9. Оценка с весами важности в зависимости от числа сэмплов. Слева: десять скрытых измерений; полоса — разброс отдельных прогонов (одно стандартное отклонение), кривая — их среднее. Справа: среднее по тестовым цифрам у VAE; пунктир — ELBO.*
#
# Обратите внимание на полосу слева: *отдельный* прогон вполне может оказаться выше $\log p(x)$. Нижняя оценка она в среднем.

# %% [markdown]
# ## Что идёт не так
#
# **Логарифм дисперсии вместо логарифма отклонения.** Кодировщик возвращает $\ln \sigma^2$, то есть $\sigma = e^{\frac12 \ln \sigma^2}$. Забудем половину, и $z$ будет браться с одной $\sigma$, а KL вычисляться для другой. Ничего не падает, а обучение сообщает даже о *лучшей* оценке: такая «ELBO» уже не оценка снизу. На стенде с одним скрытым измерением, в максимуме по $\ln \sigma^2$:

# %% tags=["nbval-check-output"]
model = LinearGaussian(1, size=40)


def reported(log_var, sigma):
    """E log p(x | z) for z ~ N(m, sigma^2), minus the KL for exp(log_var)."""
    honest = elbo_exactly(model, model.mean, np.array([[sigma**2]]))
    right = kl_to_prior(model.mean, np.log([sigma**2]))
    return honest + right - kl_to_prior(model.mean, np.array([log_var]))


grid = np.linspace(-12, 1, 1301)
right = max(reported(v, np.exp(v / 2)) for v in grid)
wrong = max(reported(v, np.exp(v)) for v in grid)
print(f"log p(x), exactly           {model.log_prob():.2f}")
print(f"ELBO, sigma = exp(v / 2)    {right:.2f}")
print(f"'ELBO', sigma = exp(v)      {wrong:.2f}")


# %% [markdown]
# **Среднее по пикселям вместо суммы.** Функции потерь в библиотеках любят усреднять по всему подряд. Тогда $-\log p(x \mid z)$ в 784 раза меньше, KL остаётся прежним и перевешивает, и дешевле всего отключить код: $q(z \mid x) = p(z)$ при всех $x$. KL обращается в 0, а декодировщик, которому $z$ ничего не сообщает, рисует всем одну и ту же среднюю картинку. Это **схлопывание апостериорного распределения** (posterior collapse), и такова его самая частая причина.
#
# **Один $\varepsilon$ на весь батч.** `random.normal([d])` вместо `[n, d]`, и broadcasting смолчит. Оценка остаётся несмещённой, но ошибки у всех картинок батча теперь одни и те же, и усреднение не помогает:

# %%
def noise_of_the_bound(size, shared, repeats=60):
    """Standard deviation of log p(x | z), the mean over one batch of `size`."""
    x = bits_test[:size]
    mean, log_var = vae.posterior(x)
    values = []
    for _ in range(repeats):
        noise = tf.random.normal([1 if shared else size, 20])
        values.append(vae.log_likelihood(x, mean + tf.exp(log_var / 2) * noise))
    return np.std(np.mean(values, axis=1))


print("batch    own noise   one noise for all")
for size in (1, 8, 64):
    own, shared = (noise_of_the_bound(size, shared) for shared in (False, True))
    print(f"{size:5}    {own:9.2f}   {shared:9.2f}")

# %% [markdown]
# ## Схлопывание, бета и свободные биты
#
# Среднее по пикселям — один из концов шкалы. Припишем KL вес:
#
# $$\mathbb E_q \log p(x \mid z) - \beta\, D_{KL}\bigl(q(z \mid x) \,\|\, p(z)\bigr).$$
#
# При $\beta = 1$ это ELBO; $\beta = 784$ — ошибка, описанная выше, с точностью до общего множителя; $\beta > 1$ (**бета-VAE**, Higgins et al., 2017) оставляет в коде меньше работающих координат и расплачивается качеством восстановления; $\beta \to 0$ — обычный автокодировщик. Вообще KL — это *расход*, сколько натов уходит на код картинки, а $-\mathbb E \log p(x \mid z)$ — *искажение* (rate и distortion; Alemi et al., 2018). При $\beta \ne 1$ максимизируется уже не оценка $\log p(x)$ снизу, поэтому правдоподобия сравнивают по ELBO с $\beta = 1$, как бы модель ни обучали.
#
# Координаты схлопываются и при $\beta = 1$: от тех, что не окупают расхода, модель отказывается, порой в самом начале обучения, когда декодировщик ещё не научился ими пользоваться. **Свободные биты** (free bits; Kingma et al., 2016) снимают давление: в каждой координате первые $\lambda$ натов бесплатны,
#
# $$\mathbb E_q \log p(x \mid z) - \beta \sum_{j=1}^d \max\bigl(\lambda,\; \mathbb E_x D_{KL, j}\bigr).$$

# %%
objectives = {
    "mean over pixels": lambda log_p, kl: log_p / 784 - tf.reduce_sum(kl, axis=1),
    "beta = 4": lambda log_p, kl: log_p - 4 * tf.reduce_sum(kl, axis=1),
    "beta = 4, free bits 0.7": lambda log_p, kl: (
        log_p - 4 * tf.reduce_sum(tf.maximum(0.7, tf.reduce_mean(kl, axis=0)))
    ),
}
others = {}
for name, objective in objectives.items():
    others[name] = VAE(latent=20)
    fit(others[name], {"smoke": 1, "laptop": 5, "gpu": 27}[profile], objective)
    report(name, others[name])
report("beta = 1", vae)

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 2.9), width_ratios=(2, 1, 1))
models_shown = others | {"beta = 1": vae}
labels = (
    "среднее по пикселям",
    r"$\beta = 4$",
    "свободные биты",
    r"$\beta = 1$",
)
colors, marks = ("black", BLUE, LIGHT, RED), "sovD"
for each, label, color, mark in zip(
    models_shown.values(), labels, colors, marks, strict=True
):
    kl = np.sort(np.mean(each.parts(bits_test)[1], axis=0))[::-1]
    axes[0].plot(range(1, 21), kl, marker=mark, ms=4, color=color, label=label)
axes[0].set(xlabel="координата $z$, по убыванию")
axes[0].set(ylabel="KL, наты", xticks=(1, 5, 10, 15, 20))
axes[0].set(ylim=(-0.1, 2.9))
axes[0].legend(ncols=2, loc="upper right")
pair = others["mean over pixels"], vae
for axis, each in zip(axes[1:], pair, strict=True):
    show(axis, tf.sigmoid(each.decoder(noise))[:36], 6)
axes[1].set_title(labels[0], fontsize=10)
axes[2].set_title(labels[3], fontsize=10);

# %% [markdown]
# *Рис. 10. Слева: во что обходится каждая координата кода, в среднем по тестовой выборке. В середине и справа: сэмплы схлопнувшейся модели и VAE с рисунка 6. (Его, с $\beta = 1$, обучали впятеро дольше остальных.)*
#
# ## То же в `dgm_tfp`
#
# `models.VAE` — это весь наш блокнот. Три распределения из таблицы в начале — три её члена, и каждый есть `tfd.Distribution`: `prior`, `posterior(x)`, `likelihood(z)`. Вызов модели вычисляет ELBO, `decompose` — два слагаемых порознь, `importance_weighted` — $\log \frac1K \sum w_k$ и стандартную ошибку. Без скрытых слоёв и с нормальным правдоподобием это *и есть* линейно-гауссовская модель, так что и библиотеку можно поставить на стенд. (Хорошее $q$ даём кодировщику вручную: со случайным о разбросе весов можно было бы лишь гадать.)

# %% tags=["nbval-check-output"]
from dgm_tfp import models

bench = models.VAE((6,), latent=2, hidden=(), likelihood="gaussian", bins=None, seed=3)
W, b = (variable.numpy() for variable in bench.decoder.trainable_variables)
M = np.eye(2) + W @ W.T * np.exp(1)  # s^2 = exp(-1), x = z W + b
V = np.linalg.inv(M) @ W * np.exp(1)  # the posterior mean is V (x - b)
bench.log_scale.assign(tf.fill([6], -0.5))
kernel, bias = bench.encoder.trainable_variables  # to mu and ln sigma
V *= 0.9  # not quite the posterior, so that there is a gap to see
kernel.assign(np.concatenate([V, np.zeros((2, 6))]).T)
bias.assign(np.concatenate([-V @ b, -np.log(np.diag(M)) / 2]))

x = bench.sample(200, seed=1)
exact = stats.multivariate_normal(b, W.T @ W + np.exp(-1) * np.eye(6)).logpdf(x)
bound = bench.elbo(x, samples=100)
estimate = bench.importance_weighted(x, samples=1000)

q = bench.posterior(tf.constant(x))
by_formula = kl_to_prior(q.mean().numpy(), 2 * np.log(q.stddev().numpy()))
print("KL is our formula:", np.allclose(bench.decompose(x).kl, by_formula, atol=1e-3))
print("ELBO <= weighted:", bool(bound.mean() < estimate.log_prob.mean()))
print("weighted = exact:", np.allclose(estimate.log_prob, exact, atol=0.2))


# %% [markdown]
# `models.Autoencoder` и `models.DenoisingAutoencoder` тоже есть; у второго `score(x)` — поле с рисунка 2, а `sample` — блуждание Ланжевена.
#
# ## Биты на размерность: VAE против потока
#
# VAE с Бернулли говорит о двоичных картинках. Для сравнения с потоком нужна вероятность *яркостей* $0, \dots, 255$, а значит, и $p(x \mid z)$ на них. Обычно берут **дискретизованное логистическое** распределение: логистическая величина с центром $m_i$ и масштабом $s_i$, оба от декодировщика, округлённая до ближайшей яркости. Её функция распределения — сигмоида, так что
#
# $$P(x_i = k) = \operatorname{sigmoid}\Bigl(\frac{k + \frac12 - m_i}{s_i}\Bigr) - \operatorname{sigmoid}\Bigl(\frac{k - \frac12 - m_i}{s_i}\Bigr),$$
#
# где при $k = 255$ первая сигмоида равна 1, а при $k = 0$ вторая равна 0: всё, что снаружи, округляется до края. Поэтому в сумме по яркостям выходит 1.
#
# Можно ли сравнивать *вероятность* яркостей с *плотностью* яркостей, зашумлённых для потока? Да. Вероятность яркости $k$ при плотности $p(y)$ — это интеграл по $[k, k + 1)$, и ещё раз по Йенсену $\log P(k) = \log \mathbb E_u\, p(k + u) \ge \mathbb E_u \log p(k + u)$: поток сообщает нижнюю оценку $\log P$, и ELBO тоже нижняя оценка. В битах на размерность, $-\log P / (D \ln 2)$, обе оценки *верхние*.

# %% tags=["nbval-check-output"]
def discretized_logistic(m, s):
    """P(x = k) for k = 0..255."""
    edges = np.concatenate([[-np.inf], np.arange(0.5, 255), [np.inf]])
    return np.diff(special.expit((edges - m) / s))


for m, s in ((128, 10), (3, 20), (-40, 5)):
    P = discretized_logistic(m, s)
    print(f"m = {m:3}, s = {s:2}: sum {P.sum():.6f}, most probable {P.argmax()}")

# %% [markdown]
# Цифры для скорости уменьшены до $14 \times 14$, как на занятии 02. Три модели получают одинаковое число шагов: VAE с априорным $\mathcal N(0, I)$; он же с потоком (MAF, занятие 03) вместо априорного; и MAF самих картинок, через логит, как на занятии 03.

# %%
from dgm_tfp import training

levels = np.round(255 * small).astype(np.uint8)
levels_test = digits_test.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
levels_test = np.round(255 * levels_test).astype(np.uint8)
if profile == "smoke":
    levels_test = levels_test[:200]
options = {"latent": 20, "likelihood": "logistic", "components": 3, "bins": 256}
contest = {
    "VAE": models.VAE((196,), **options),
    "VAE, MAF prior": models.VAE((196,), prior="maf", prior_steps=3, **options),
    "MAF": models.MAF((196,), 3, hidden=(512,), bins=256, logit_alpha=1e-6),
}
updates = {"smoke": 8, "laptop": 500, "gpu": 5000}[profile]
for name, each in contest.items():
    if name == "MAF":
        each.adapt(levels)  # sets the scale of each layer from the data, as in unit 03
    schedule = training.WarmUpCosine(2e-3)
    each.compile(optimizer=training.adam(schedule))
    budget = training.Budget(updates=updates, schedule=schedule, progress=False)
    each.fit(levels, epochs=1000, batch_size=128, verbose=0, callbacks=[budget])
    first = each.bits_per_dim(levels_test).mean()
    many = each.bits_per_dim(levels_test, samples=50).mean()
    print(f"{name:15} {first:.3f} bits per dimension, {many:.3f} with 50 samples")

# %% [markdown]
# Второй столбец уточняет оценки обоих видов: у VAE по $z$, у потока по шуму $u$. Не делайте выводов сверх того, что в таблице: при других размерах и другом времени обучения порядок может оказаться другим. Но две вещи верны всегда. Если оценка хуже на десятую бита, модель не обязательно хуже: оценка может быть неточной. И пиксели VAE при данном $z$ независимы; всё, что один пиксель сообщает о соседнем, должно пройти через 20 чисел. Модели следующего занятия устроены наоборот: никакого $z$, и каждый пиксель слышит все предыдущие.

# %% [markdown]
# ## На одном экране
#
# | | |
# |---|---|
# | шумоподавитель | $(\mathbb E[x \mid \tilde x] - \tilde x) / \sigma^2 = \nabla \log p_\sigma(\tilde x)$ |
# | модель | $p(x) = \int p(x \mid z)\, p(z)\, dz$ |
# | оценка | $\log p(x) = \mathrm{ELBO} + D_{KL}(q(z \mid x) \,\|\, p(z \mid x))$ |
# | ELBO | $\mathbb E_q \log p(x \mid z) - D_{KL}(q(z \mid x) \,\|\, p(z))$: суммы по пикселям и по координатам, среднее по картинкам |
# | KL | $\frac12 \sum_j (\mu_j^2 + \sigma_j^2 - 1 - \ln \sigma_j^2)$ |
# | градиент | $z = \mu + \sigma \odot \varepsilon$, для каждой картинки новый $\varepsilon$ |
# | точнее | $\log \frac1K \sum_k w_k$, где $w = p(x \mid z)\, p(z) / q(z \mid x)$ |
# | генерация | $z \sim p(z)$, затем декодировщик |
#
# ## Вопросы
#
# <details>
# <summary><b>1.</b> KL обученного VAE равен 0 для каждой картинки. Чему научился декодировщик?</summary>
#
# $q(z \mid x) = p(z)$: код ничего не говорит о картинке, и лучший декодировщик его не замечает. Он выдаёт среднюю картинку: каждый пиксель независимо от прочих закрашен с той частотой, с какой он закрашен в данных. Прежде всего проверьте, не стоит ли среднее по пикселям вместо суммы.
#
# </details>
#
# <details>
# <summary><b>2.</b> За время обучения ELBO выросла на 2 ната. Вырос ли на 2 ната $\log p(x)$? А мог ли он уменьшиться?</summary>
#
# $\mathrm{ELBO} = \log p(x) - D_{KL}(q \,\|\, p(z \mid x))$, и сдвинуться могло любое из слагаемых. $\log p(x)$ мог даже уменьшиться, если зазор сократился сильнее: декодировщик тянет к моделям с простым апостериорным распределением. Чтобы узнать, вычислите $L_K$ при большом $K$.
#
# </details>
#
# <details>
# <summary><b>3.</b> Каковы веса $w_k$, если $q$ — точное апостериорное распределение? Сколько тогда нужно сэмплов?</summary>
#
# $w = \frac{p(x \mid z)\, p(z)}{p(z \mid x)} = p(x)$, одно и то же при всех $z$. Хватит одного, и стандартная ошибка его равна 0. Разброс весов показывает, насколько $q$ далеко от апостериорного.
#
# </details>
#
# <details>
# <summary><b>4.</b> В статье у MNIST 78 натов, перекрёстная энтропия взята по яркостям, а у нас на битах около 110. Их модель лучше?</summary>
#
# Сказать нельзя. Перекрёстная энтропия по яркостям — не логарифм вероятности, такая «плотность» в интеграле не даёт 1. Двоичные картинки, сделанные раз и навсегда, двоичные картинки, которые каждый раз делают заново, яркости — это разные наборы данных, и числа с разных наборов не сравнивают.
#
# </details>
#
# <details>
# <summary><b>5.</b> VAE с нормальным правдоподобием восстанавливает картинки размытыми. Почему?</summary>
#
# Показывают среднее $p(x \mid z)$. Если при одном и том же $z$ штрих может пройти на пиксель левее или правее, в среднем выйдет серое пятно. Метод максимального правдоподобия заставляет модель накрыть всё, что бывает, а независимые пиксели не умеют сказать «слева или справа, но не там и там». Настоящий *сэмпл* из $p(x \mid z)$ не размыт, он зашумлён.
#
# </details>
#
# <details>
# <summary><b>6.</b> Шумоподавитель оставляет картинку как есть, $\|f(x) - x\| = 0$. Вероятна ли картинка?</summary>
#
# Не обязательно. Градиент плотности равен нулю в максимуме, но и в минимуме, и в седле, а вдали, где сеть не обучали, ответ её ничего не значит. Градиент — не высота; это пригодится на занятии 08.
#
# </details>
#
# <details>
# <summary><b>7.</b> Почему не обойтись без кодировщика, взяв сэмплы из априорного распределения?</summary>
#
# Это оценка с рисунка 3. Для $p(x)$ она несмещённая, требует около $e^{D_{KL}(p(z \mid x) \| p(z))}$ сэмплов, а логарифм её — очень неточная нижняя оценка. VAE для цифр тратит на код больше 20 натов; $e^{20}$ — это полмиллиарда сэмплов на одну картинку.
#
# </details>
#
# <details>
# <summary><b>8.</b> У потока на картинках 14×14 1.9 бита на размерность, у VAE не больше 2.0. Сколько натов на картинку в этой разнице и что из неё следует?</summary>
#
# $0.1 \cdot 196 \cdot \ln 2 \approx 13.6$ ната: поток даёт картинке вероятность примерно в 800 000 раз больше *той, что доказана для VAE*. Если зазор у VAE 13 натов или больше, не следует ничего. Сначала уточните оценку.
#
# </details>
#
# ## Что почитать
#
# * D. Kingma, M. Welling. *Auto-Encoding Variational Bayes.* ICLR, 2014, [arXiv:1312.6114](https://arxiv.org/abs/1312.6114). VAE; KL в явном виде в приложении B, плоскость цифр на рисунке 4.
# * D. Rezende, S. Mohamed, D. Wierstra. *Stochastic Backpropagation and Approximate Inference in Deep Generative Models.* ICML, 2014, [arXiv:1401.4082](https://arxiv.org/abs/1401.4082). То же самое в то же время.
# * G. Alain, Y. Bengio. *What Regularized Auto-Encoders Learn from the Data-Generating Distribution.* JMLR, 2014, [arXiv:1211.4246](https://arxiv.org/abs/1211.4246). Шумоподавитель как градиент логарифма плотности.
# * Y. Burda, R. Grosse, R. Salakhutdinov. *Importance Weighted Autoencoders.* ICLR, 2016, [arXiv:1509.00519](https://arxiv.org/abs/1509.00519). Цепочка оценок.
# * I. Higgins et al. *beta-VAE.* ICLR, 2017; D. Kingma et al. *Improving Variational Inference with Inverse Autoregressive Flow.* NIPS, 2016, [arXiv:1606.04934](https://arxiv.org/abs/1606.04934). Вес при KL; свободные биты и поток в кодировщике.
# * M. Hoffman, M. Johnson. *ELBO surgery.* NIPS workshop, 2016; A. Alemi et al. *Fixing a Broken ELBO.* ICML, 2018, [arXiv:1711.00464](https://arxiv.org/abs/1711.00464). Из чего состоит KL; расход и искажение.
# * G. Loaiza-Ganem, J. Cunningham. *The continuous Bernoulli: fixing a pervasive error in variational autoencoders.* NeurIPS, 2019, [arXiv:1907.06845](https://arxiv.org/abs/1907.06845). О яркостях в формуле для битов.
# * S. Chatterjee, P. Diaconis. *The sample size required in importance sampling.* Annals of Applied Probability, 2018, [arXiv:1511.01437](https://arxiv.org/abs/1511.01437). Откуда берётся $e^{KL}$.
# * P. Baldi, K. Hornik. *Neural networks and principal component analysis.* Neural Networks, 1989; Y. Song, S. Ermon. *Generative Modeling by Estimating Gradients of the Data Distribution.* NeurIPS, 2019, [arXiv:1907.05600](https://arxiv.org/abs/1907.05600). Что было до и что стало после.
#
# Теперь [лабораторная](../../labs/ru/05_vae.ipynb).
