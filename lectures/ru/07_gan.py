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
# # GAN: обучение без правдоподобия
#
# **Вопрос.** До сих пор каждую модель мы учили по правдоподобию или по его оценке. Но часто нужны лишь *новые объекты*, а насколько они вероятны, никто никогда не спросит. Может ли сеть научиться их порождать, не вычислив ни одной плотности? И если может, от чего мы при этом отказались?
#
# К концу лекции вы выведете, что минимизирует генеративно-состязательная сеть, и проверите это интегрированием; обучите одну такую сеть вручную и одну из библиотеки; увидите, как она ломается двумя знаменитыми способами, и разберётесь, почему хорошие сэмплы и хорошее правдоподобие — разные вещи.
#
# **Понадобятся** плотности и дивергенция Кульбака — Лейблера ([занятие 01](01_change_of_variables.ipynb)), а также представление о том, как учат классификатор. **Времени** уйдёт минут 70, и ещё 60–90 на [лабораторную](../../labs/ru/07_gan.ipynb).
#
# | обозначение | смысл |
# |---|---|
# | $p(x)$ | плотность данных: неизвестна, есть только примеры |
# | $G(z)$, $z \sim \mathcal N(0, I)$ | генератор: из шума делает объект |
# | $q(x)$ | плотность того, что делает генератор: существует, но вычислить её нельзя |
# | $D(x)$ | дискриминатор: вероятность того, что $x$ из данных |
# | $l(x) = \ln \frac{D(x)}{1 - D(x)}$ | его логит: $D = \sigma(l)$ |

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import integrate, stats
from scipy.special import expit

from dgm_tfp import data, models, ood, profiles
from dgm_tfp.data import synthetic
from dgm_tfp.models.gan import count_modes, jensen_shannon, optimal_discriminator

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
# ## Третий способ
#
# Генеративную модель можно построить тремя способами.
#
# 1. **Явное правдоподобие**, разложенное на мелкие части: авторегрессионные модели (занятие 06), потоки (занятия 01–04). Выбирать его приходится так, чтобы оно вычислялось.
# 2. **Скрытая переменная**, которая проще самого объекта: VAE (занятие 05). Здесь $p(x)$ — интеграл, который никому не взять, и довольствуются оценкой.
# 3. **Без правдоподобия.** Просто порождать и сравнивать порождённое с данными. Это идея статистического критерия: даны две выборки, из одного ли они распределения? Только сам критерий не придумывают, ему учат сеть.
#
# Там, где этого достаточно, это очень много. Физики моделируют, как частица оставляет энергию в ячейках калориметра. Программа GEANT4 прослеживает каждую вторичную частицу, и на неё уходит заметная доля всех вычислений физики частиц. [Паганини, де Оливейра и Нахман (2018)](https://arxiv.org/abs/1705.02355) обучили GAN на ливнях, *посчитанных GEANT4*, а не измеренных, и стали получать ливни приемлемого качества в 100–1000 раз быстрее, а в лучших условиях — до 100 000 раз. Вероятность ливня при этом никому не понадобилась.

# %% [markdown]
# ## Игра двух сетей
#
# [Гудфеллоу и др. (2014)](https://arxiv.org/abs/1406.2661): пусть дискриминатор $D$ отличает данные от порождённого, а генератор $G$ учится на его ошибках:
#
# $$\min_G \max_D V(D, G), \qquad V = \mathbb E_{x \sim p} \ln D(x) + \mathbb E_{x \sim q} \ln\bigl(1 - D(x)\bigr).$$
#
# При фиксированном генераторе $-V$ — это перекрёстная энтропия бинарного классификатора: у данных метка 1, у порождённых объектов 0. Дискриминатор, который ничего не знает, отвечает $\frac12$, и тогда $V = -\ln 4 \approx -1.386$; безошибочный доводит $V$ до 0. Рассмотрим игроков по очереди.
#
# > **Теорема 1 (об оптимальном дискриминаторе).** При фиксированной $q$ наибольшее $V$ достигается при
# >
# > $$D^*(x) = \frac{p(x)}{p(x) + q(x)}, \qquad l^*(x) = \ln p(x) - \ln q(x).$$
#
# *Вывод.* $V = \int \bigl(p(x) \ln D(x) + q(x) \ln(1 - D(x))\bigr) dx$. Значения $D$ в разных точках ничем не связаны, и каждое можно выбрать отдельно: максимизируем $a \ln D + b \ln (1 - D)$, где $a = p(x)$, $b = q(x)$. Производная $\frac aD - \frac b{1 - D}$ обращается в нуль при $D = \frac a{a + b}$; функция вогнута, значит, это максимум. $\square$
#
# Итак, *классификатор* находит *отношение плотностей*, и притом по одним лишь выборкам. Сначала найдём максимум в точке перебором, а потом обучим настоящий дискриминатор: маленькую сеть, которая не видит ни $p$, ни $q$, только сэмплы.

# %% tags=["nbval-check-output"]
candidates = np.linspace(0.0005, 0.9995, 1000)
for a, b in ((0.3, 0.1), (0.02, 0.3), (0.2, 0.2)):
    best = candidates[np.argmax(a * np.log(candidates) + b * np.log(1 - candidates))]
    formula = optimal_discriminator(np.log(a), np.log(b))
    print(f"p = {a}, q = {b}: by search {best:.3f}, by the theorem {formula:.3f}")


# %%
def network(widths, seed, inputs=1, outputs=1):
    """A dense network with hidden layers of these widths."""
    layers = [keras.Input((inputs,))]
    for i, width in enumerate([*widths, outputs]):
        start = keras.initializers.GlorotUniform(seed=seed + i)
        kind = "relu" if i < len(widths) else None
        layers.append(keras.layers.Dense(width, kind, kernel_initializer=start))
    return keras.Sequential(layers)


p, q = stats.norm(0, 1), stats.norm(1.5, 0.6)
count = 20_000
objects = np.concatenate([p.rvs(count, random_state=1), q.rvs(count, random_state=2)])
is_data = np.repeat([1.0, 0.0], count)

classifier = network((32, 32), seed=0)
classifier.compile(
    keras.optimizers.Adam(3e-3),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
)
epochs = {"smoke": 1, "laptop": 12, "gpu": 12}[profile]
order = rng.permutation(2 * count)
classifier.fit(
    objects[order, None], is_data[order], batch_size=500, epochs=epochs, verbose=0
)

x = np.linspace(-4, 4.5, 400)
logit = classifier.predict(x[:, None], verbose=0)[:, 0]

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3))
axes[0].fill_between(x, p.pdf(x), color=LIGHT, alpha=0.6, label="$p$")
axes[0].fill_between(x, q.pdf(x), color="#cccccc", alpha=0.6, label="$q$")
axes[0].plot(
    x, optimal_discriminator(p.logpdf(x), q.logpdf(x)), color=RED, label="$D^*$"
)
axes[0].plot(x, expit(logit), "k--", lw=1, label="обученный $D$")
axes[0].set(xlabel="$x$")
axes[0].legend(fontsize=8)
axes[1].plot(x, p.logpdf(x) - q.logpdf(x), color=RED, label=r"$\ln p - \ln q$")
axes[1].plot(x, logit, "k--", lw=1, label="обученный $l$")
axes[1].set(xlabel="$x$", ylim=(-5, 12))
axes[1].legend(fontsize=8);


# %% [markdown]
# *Рис. 1. Слева: данные $p$, генератор $q$, оптимальный дискриминатор из теоремы 1 и сеть, которую научили различать их сэмплы, по 20 000 каждых. Справа: то же в логитах. Там, где сэмплы есть, классификатор нашёл $\ln p/q$; там, где их нет, далеко слева и справа, он лишь продолжает кривую наугад. Это пригодится в конце лекции.*

# %% [markdown]
# ## Что минимизирует генератор
#
# Теперь пусть дискриминатор всегда оптимален. Чего стоит игра для генератора?
#
# > **Теорема 2.** Пусть $m = \frac{p + q}2$. Тогда
# >
# > $$V(D^*, G) = -\ln 4 + D_{KL}(p \,\|\, m) + D_{KL}(q \,\|\, m) = -\ln 4 + 2\,\mathrm{JS}(p, q).$$
# >
# > Наименьшее значение, $-\ln 4$, достигается при $q = p$ и больше нигде.
#
# *Вывод.* Подставим $D^* = \frac p{p + q} = \frac p{2m}$ и $1 - D^* = \frac q{2m}$:
#
# $$V = \int p \ln \frac{p}{2m} + \int q \ln \frac{q}{2m} = -2 \ln 2 + \int p \ln \frac pm + \int q \ln \frac qm.$$
#
# Два интеграла — это дивергенции Кульбака — Лейблера; они неотрицательны и равны нулю, только если $p = m = q$. Полусумма их называется **дивергенцией Йенсена — Шеннона**. $\square$
#
# В отличие от KL она симметрична и никогда не превышает $\ln 2$: столько выходит, когда $p$ и $q$ не пересекаются и там, где есть данные, $m = p/2$. Проверка: $V(D^*)$ по определению, правая часть двумя интегралами и сумма по сетке из библиотеки.

# %% tags=["nbval-check-output"]
def log_m(p, q, x):
    return np.logaddexp(p.logpdf(x), q.logpdf(x)) - np.log(2)


def kl_to_middle(a, p, q):
    """KL(a || m), by quadrature."""
    return integrate.quad(
        lambda x: a.pdf(x) * (a.logpdf(x) - log_m(p, q, x)), -15, 15, limit=200
    )[0]


def value(p, q):
    """V(D*) by its definition: ln D* = -ln(1 + e^-l), ln(1 - D*) = -ln(1 + e^l)."""

    def term(x):
        logit = p.logpdf(x) - q.logpdf(x)
        real, fake = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
        return p.pdf(x) * real + q.pdf(x) * fake

    return integrate.quad(term, -15, 15, limit=200)[0]


line, cell = np.linspace(-15, 15, 6001), 0.005
for q_ in (stats.norm(0, 1), stats.norm(1.5, 0.6), stats.norm(3, 1)):
    right = -np.log(4) + kl_to_middle(p, p, q_) + kl_to_middle(q_, p, q_)
    library = jensen_shannon(p.logpdf(line), q_.logpdf(line), cell)
    print(
        f"q = N({q_.mean():.1f}, {q_.std():.1f}^2):  V(D*) = {value(p, q_):.4f}",
        f" -ln 4 + KL + KL = {right:.4f}  -ln 4 + 2 JS = {2 * library - np.log(4):.4f}",
    )

# %%
thetas = np.linspace(0, 8, 60)
js = [
    jensen_shannon(p.logpdf(line), stats.norm.logpdf(line, theta), cell)
    for theta in thetas
]
figure, axis = plt.subplots(figsize=(6, 2.8))
axis.plot(thetas, thetas**2 / 2, color=LIGHT, label=r"$D_{KL}(p\,\|\,q)$")
axis.plot(thetas, js, color=RED, label=r"$\mathrm{JS}(p, q)$")
axis.axhline(np.log(2), color="black", lw=0.8, ls=":")
axis.text(0.1, np.log(2) + 0.03, r"$\ln 2$")
axis.set(xlabel=r"$\theta$", ylim=(0, 2))
axis.legend();


# %% [markdown]
# *Рис. 2. Две нормальные плотности на расстоянии $\theta$: $p = \mathcal N(0, 1)$ и $q = \mathcal N(\theta, 1)$. Дивергенция KL, равная $\theta^2/2$, сообщает, далеко ли они; JS говорит лишь «не пересекаются» и с некоторого расстояния плоская.*

# %% [markdown]
# ## Две функции потерь генератора
#
# Генератор входит только во второе слагаемое $V$. В **минимаксной** игре его функция потерь равна $\mathbb E_q \ln (1 - D)$. Представьте начало обучения: объекты плохи, дискриминатор уверен, $D \approx 0$. Гудфеллоу и соавторы сразу предложили и другую функцию, **ненасыщающуюся**: $-\mathbb E_q \ln D$. Как функции логита ($D = \sigma(l)$):
#
# $$\frac{d}{dl} \ln(1 - \sigma(l)) = -D, \qquad \frac{d}{dl} \bigl(-\ln \sigma(l)\bigr) = -(1 - D).$$
#
# Обе толкают логит вверх, так что оптимум у них один. Но там, где дискриминатор уверен, что объект порождён, первый наклон исчезает, а второй наибольший. Насколько это важно? Возьмём $p = \mathcal N(0, 1)$, генератор с одним весом $G(z) = \theta + z$ и оптимальный дискриминатор с логитом $l^*(x) = \frac{\theta^2}2 - \theta x$. При неподвижном $D$ оба градиента по правилу цепочки — интегралы:
#
# $$\frac{\partial}{\partial\theta}\, \mathbb E_q \ln(1 - D) = \theta\, \mathbb E_q D, \qquad \frac{\partial}{\partial\theta} \bigl(-\mathbb E_q \ln D\bigr) = \theta\, \mathbb E_q (1 - D).$$

# %% tags=["nbval-check-output"]
def generator_gradients(theta):
    """Slopes in theta of the minimax and of the non-saturating loss, by quadrature."""
    mean_d = integrate.quad(
        lambda x: stats.norm.pdf(x, theta) * expit(theta**2 / 2 - theta * x),
        theta - 12,
        theta + 12,
    )[0]
    return theta * mean_d, theta * (1 - mean_d)


print("theta   minimax      non-saturating")
for theta in (0, 0.5, 1, 2, 4, 6, 8):
    flat, steep = generator_gradients(theta)
    print(f"{theta:5.1f}   {flat:.2e}     {steep:.2e}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3))
logits = np.linspace(-8, 8, 200)
axes[0].axvspan(-8, -2, color="#eeeeee")
axes[0].plot(logits, -np.logaddexp(0, logits), color=LIGHT, label=r"$\ln(1 - D)$")
axes[0].plot(logits, np.logaddexp(0, -logits), color=RED, label=r"$-\ln D$")
axes[0].set(xlabel=r"$l = \ln \frac{D}{1 - D}$")
axes[0].legend()
thetas = np.linspace(0.05, 8, 60)
flat, steep = np.transpose([generator_gradients(theta) for theta in thetas])
axes[1].semilogy(thetas, flat, color=LIGHT, label=r"$\theta\,\mathbb{E}_q D$")
axes[1].semilogy(thetas, steep, color=RED, label=r"$\theta\,\mathbb{E}_q (1 - D)$")
axes[1].set(xlabel=r"$\theta$")
axes[1].legend();


# %% [markdown]
# *Рис. 3. Слева: обе функции потерь в зависимости от логита; в серой полосе, где обучение начинается, минимаксная плоская. Справа: наклон, который чувствует генератор на расстоянии $\theta$ от данных при оптимальном дискриминаторе. Вблизи решения они равны, а в нём самом оба нулевые; вдали же различаются на порядки.*
#
# Плоская кривая не случайна: по теореме 2 минимаксный градиент есть градиент $2\,\mathrm{JS}$, а она на рис. 2 плоская.
#
# **Алгоритм** чередует ходы. Для каждого пакета данных:
#
# 1. взять данные $x$ и шум $z$; шаг $D$ по градиенту **вверх**: $\;\overline{\ln D(x)} + \overline{\ln (1 - D(G(z)))}$;
# 2. взять новый шум; шаг $G$: либо **вниз** по $\;\overline{\ln(1 - D(G(z)))}$, либо **вверх** по $\;\overline{\ln D(G(z))}$. Градиент доходит до генератора *сквозь* дискриминатор, веса которого при этом неподвижны.
#
# Теорема 2 говорит об оптимальном $D$ на каждом шаге. На деле на один шаг $D$ приходится один шаг $G$, и значение функции потерь — не кривая, которой положено убывать: оно показывает равновесие сил.

# %% [markdown]
# ## GAN своими руками
#
# Всё целиком в одном измерении: данные — два холма, генератор превращает нормальный шум в числа. Код повторяет алгоритм строка за строкой; $-\ln D = \ln(1 + e^{-l})$ — это `softplus(-l)`, и ничего не переполняется.

# %%
def two_bumps(n, rng):
    return (rng.choice([-1.5, 1.5], n) + 0.4 * rng.standard_normal(n))[:, None].astype(
        np.float32
    )


def two_bumps_density(x):
    return (stats.norm.pdf(x, -1.5, 0.4) + stats.norm.pdf(x, 1.5, 0.4)) / 2


generator = network((32, 32), seed=1)
discriminator = network((32, 32), seed=11)
generator_adam = keras.optimizers.Adam(1e-3, beta_1=0.5)
discriminator_adam = keras.optimizers.Adam(2e-3, beta_1=0.5)


@tf.function
def step(x):
    """One step of D, one step of G. x: (n, 1). Returns the two losses, in nats."""
    z = tf.random.normal(tf.shape(x))
    with tf.GradientTape() as tape:
        real, fake = discriminator(x), discriminator(generator(z))
        d_loss = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(
            tf.nn.softplus(fake)
        )
    weights = discriminator.trainable_variables
    discriminator_adam.apply(tape.gradient(d_loss, weights), weights)

    z = tf.random.normal(tf.shape(x))
    with tf.GradientTape() as tape:
        fake = discriminator(generator(z))
        g_loss = tf.reduce_mean(tf.nn.softplus(-fake))  # non-saturating: -ln D
    weights = generator.trainable_variables
    generator_adam.apply(tape.gradient(g_loss, weights), weights)
    return d_loss, g_loss


bumps = two_bumps(20_000, rng)
steps = {"smoke": 60, "laptop": 4000, "gpu": 4000}[profile]
shots = [0, steps // 20, steps // 4, steps]
x = np.linspace(-3.5, 3.5, 200, dtype=np.float32)[:, None]
noise = tf.random.stateless_normal((5000, 1), seed=(0, 1))
seen = []
for k in range(steps + 1):
    if k in shots:
        seen.append((generator(noise).numpy()[:, 0], expit(discriminator(x).numpy())))
    d_loss, g_loss = step(tf.constant(bumps[rng.integers(len(bumps), size=256)]))
print(f"loss of D {d_loss:.3f} (it knows nothing: ln 4 = 1.386), of G {g_loss:.3f}")

# %%
figure, axes = plt.subplots(1, 4, figsize=(10, 2.4), sharey=True)
for axis, k, (made, d) in zip(axes, shots, seen, strict=True):
    axis.fill_between(x[:, 0], two_bumps_density(x[:, 0]), color=LIGHT, alpha=0.6)
    axis.hist(made, bins=60, range=(-3.5, 3.5), density=True, histtype="step", color="k")
    axis.plot(x, d, color=RED)
    axis.axhline(0.5, color="black", lw=0.6, ls=":")
    axis.set(title=f"{k}", ylim=(0, 1.5), xlabel="$x$")

# %% [markdown]
# *Рис. 4. Игра после стольких шагов, сколько указано в заголовке. Закрашены данные, чёрным — 5000 порождённых чисел, красным — $D(x)$. Там, где $D$ выше одной второй, порождается слишком мало, а наклон кривой показывает генератору, куда двигаться. В конце $D$ почти ничего не знает, хотя ширина порождённых холмов с настоящей может и не совпадать.*

# %% [markdown]
# ## То же в `dgm_tfp`
#
# `models.GAN` — это тот же шаг внутри `fit`: `keras.Model` с двумя сетями и двумя оптимизаторами (`compile(optimizer)` даёт генератору такой же, как дискриминатору). Вызов модели возвращает логит. Отдадим ей веса наших сетей: на том же шуме функции потерь должны совпасть с ручными.

# %% tags=["nbval-check-output"]
from dgm_tfp.models import adversarial

small = models.GAN((1,), latent=1, hidden=(32, 32), discriminator_hidden=(32, 32))
small.generator.set_weights(generator.get_weights())
small.discriminator.set_weights(discriminator.get_weights())
x = tf.constant(bumps[:500])
z = tf.random.stateless_normal((500, 1), seed=(0, 2))
real, fake = discriminator(x), discriminator(generator(z))
by_hand = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))
ours = adversarial.discriminator_loss(small(x), small.logit(small.generate(z)))
print("loss of D as by hand:", np.allclose(by_hand, ours, atol=1e-5))
by_hand = tf.reduce_mean(tf.nn.softplus(-fake))
ours = adversarial.generator_loss(small.logit(small.generate(z)), "non_saturating")
print("loss of G as by hand:", np.allclose(by_hand, ours, atol=1e-5))
ours = small.discriminate(bumps[:500])
print("D = sigmoid of the logit:", np.allclose(ours, expit(real[:, 0]), atol=1e-5))

# %% [markdown]
# ## Схлопывание мод
#
# Ни один *отдельный* шаг не требует от генератора разнообразия. Против неподвижного дискриминатора лучше всего поместить всё в ту единственную точку, где $D$ наибольшее. Тогда дискриминатор начинает её подозревать, генератор переходит к другой, и они гоняются друг за другом, а некоторых видов объектов так и не появляется. Это **схлопывание мод**.
#
# Его хорошо видно на восьми гауссианах на окружности. Порождённая точка качественная, если до какого-нибудь центра не больше трёх стандартных отклонений; мода найдена, если ей досталась хотя бы четверть того, что было бы поровну, то есть 3 процента точек (`count_modes`, по [Srivastava et al., 2017](https://arxiv.org/abs/1705.07761)).
#
# Из средств возьмём то, что занимает одну строку. Мешедер и др. (2018) показали, что простая игра может не сходиться даже рядом с решением: там, где данных мало, дискриминатор становится всё круче и бросает генератор туда-сюда. Их штраф **R1** требует, чтобы на данных дискриминатор был пологим:
#
# $$L_D + \frac\gamma2\, \mathbb E_{x \sim p}\, \bigl\|\nabla_x\, l(x)\bigr\|^2.$$
#
# В решении, при $q = p$, оптимальный логит всюду равен нулю, и штраф там ничего не стоит. Есть и другие средства: показывать дискриминатору сразу несколько объектов, чтобы их выдавала сама одинаковость (minibatch discrimination; PacGAN, Lin et al., 2018), или дать генератору заглянуть на несколько шагов дискриминатора вперёд (unrolled GAN, Metz et al., 2017).
#
# Те же сети, то же число шагов, те же оптимизаторы; по три начальных числа генератора случайных чисел (seed), и показываем все.

# %%
ring = data.load("eight_gaussians", "train").images
ring_test = data.load("eight_gaussians", "test").images.astype(np.float64)
chapters = {"smoke": 1, "laptop": 16, "gpu": 16}[profile]  # epochs between pictures
seeds = {"smoke": [0], "laptop": [0, 1, 2], "gpu": [0, 1, 2]}[profile]
snapshots, ring_gans = {}, {}
for penalty in (0.0, 0.1):
    for seed in seeds:
        gan = models.GAN((2,), gradient_penalty=penalty, seed=seed)
        gan.compile(keras.optimizers.Adam(1e-3, beta_1=0.5))
        for chapter in range(4):
            gan.fit(ring, batch_size=256, epochs=chapters, verbose=0)
            snapshots[penalty, seed, chapter] = gan.sample(2000, seed=chapter)
        made = gan.sample(5000, seed=9)
        found = count_modes(made, synthetic.eight_centres(), synthetic.EIGHT_STD)
        print(f"penalty {penalty}, seed {seed}: modes {found.modes},", end=" ")
        print(f"high quality {found.high_quality:.2f}, shares", end=" ")
        print(" ".join(f"{share:.2f}" for share in found.shares))
        ring_gans[penalty, seed] = gan

# %%
figure, axes = plt.subplots(2, 4, figsize=(9, 4.6), sharex=True, sharey=True)
for row, penalty in zip(axes, (0.0, 0.1), strict=True):
    for chapter, axis in enumerate(row):
        axis.plot(*ring[:1500].T, ".", ms=1.5, color=LIGHT, alpha=0.5)
        axis.plot(*snapshots[penalty, 0, chapter].T, ".", ms=1.5, color=RED, alpha=0.6)
        axis.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal")
        axis.set(xticks=[], yticks=[])
    row[0].set(ylabel=rf"$\gamma = {penalty}$")
for chapter, axis in enumerate(axes[0]):
    axis.set(title=f"{(chapter + 1) * chapters * (len(ring) // 256 + 1)}")

# %% [markdown]
# *Рис. 5. Порождённые точки (красные) поверх данных (светлые) после указанного в заголовке числа шагов, seed 0. Сверху без штрафа, снизу с $\gamma = 0.1$. Строки над рисунком рассказывают про все три seed: сколько мод найдено, какова доля качественных точек и как точки распределены по модам; поровну было бы 0.12.*

# %% [markdown]
# ## Картинки
#
# Для картинок обе сети свёрточные. Рецепт, с которым GAN заработали, дала DCGAN ([Radford et al., 2016](https://arxiv.org/abs/1511.06434)): шаги свёртки вместо пулинга, пакетная нормализация в генераторе, ReLU в нём и leaky ReLU в дискриминаторе, tanh в конце, Adam с $\beta_1 = 0.5$. Для трёхмерных объектов `models.GAN` строит именно её.

# %%
digits = data.load("mnist", "train", source="embedded").images
few = {"smoke": 256, "laptop": 10_000, "gpu": 10_000}[profile]
epochs = {"smoke": 1, "laptop": 8, "gpu": 30}[profile]
painter = models.GAN((28, 28, 1), filters=16, gradient_penalty=0.05)
painter.compile(keras.optimizers.Adam(1e-3, beta_1=0.5))
painter.fit(digits[:few], batch_size=64, epochs=epochs, verbose=0)
drawn = painter.sample(20, seed=2)

# %%
figure, axes = plt.subplots(4, 10, figsize=(8, 3.4))
for axis, image in zip(axes.flat, [*digits[:20], *drawn], strict=True):
    axis.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255)
    axis.set_axis_off()


# %% [markdown]
# *Рис. 6. Сверху 20 цифр из данных, снизу 20 цифр маленькой DCGAN после полуминуты обучения. Края у них резкие: размытый штрих сразу выдал бы подделку. VAE такого же размера размывает, потому что его функция потерь это прощает.*

# %% [markdown]
# ## Хорошее правдоподобие и хорошие сэмплы: одно не следует из другого
#
# Может быть, модель с хорошим правдоподобием по крайней мере хорошо рисует, или наоборот? Нет, ни то, ни другое неверно ([Theis, van den Oord & Bethge, 2016](https://arxiv.org/abs/1511.01844)).
#
# **Хорошее правдоподобие и плохие сэмплы.** Смешаем безупречную модель с шумом:
#
# $$p_w(x) = 0.01\, p(x) + 0.99\, p_{\text{noise}}(x) \;\ge\; 0.01\, p(x) \qquad\Longrightarrow\qquad \ln p_w(x) \ge \ln p(x) - \ln 100.$$
#
# Из ста сэмплов 99 — шум. Потеря: не больше $\ln 100 \approx 4.6$ ната на объект, каким бы большим объект ни был. Логарифм правдоподобия картинки $28 \times 28$ — порядка тысячи натов, и две хорошие модели различаются больше чем на 4.6. В битах на размерность это $4.6 / (784 \ln 2) < 0.01$.
#
# **Хорошие сэмплы и плохое правдоподобие.** Переобучение: модель ставит на каждый обучающий объект узкий холмик. Любой её сэмпл похож на данные, потому что это почти и *есть* данные. А для новых объектов плотность ничтожна.
#
# Проверим и то и другое на восьми гауссианах, истинная плотность которых известна.

# %% tags=["nbval-check-output"]
def noise_log_density(x):
    return stats.norm.logpdf(x, scale=4).sum(axis=1)


def mixture_log_density(x):
    """0.01 p + 0.99 noise."""
    return np.logaddexp(
        np.log(0.01) + synthetic.log_density("eight_gaussians", x),
        np.log(0.99) + noise_log_density(x),
    )


def bumps_log_density(x, at, width):
    """A normal bump on each training point: overfitting, pure."""
    squares = ((x[:, None] - at) ** 2).sum(axis=2)
    logs = -squares / (2 * width**2) - np.log(2 * np.pi * width**2)
    return np.logaddexp.reduce(logs, axis=1) - np.log(len(at))


memory = ring[:200].astype(np.float64)
true = synthetic.log_density("eight_gaussians", ring_test)
mixed = mixture_log_density(ring_test)
learned = bumps_log_density(ring_test, memory, 0.01)
print(f"the truth      mean ln p on new points {true.mean():10.2f}")
print(f"99 % noise     mean ln p on new points {mixed.mean():10.2f}")
print(f"200 bumps      mean ln p on new points {learned.mean():10.2f}")
print("the mixture never loses more than ln 100:", (true - mixed).max() <= np.log(100))
print(f"for 28x28 pixels that is {np.log(100) / 784 / np.log(2):.4f} bits per dimension")

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 3.1), sharex=True, sharey=True)
truth = synthetic.eight_gaussians(600, rng)[0]
keep = rng.random(600) < 0.01
mixture = np.where(keep[:, None], truth, 4 * rng.standard_normal((600, 2)))
copies = memory[rng.integers(200, size=600)] + 0.01 * rng.standard_normal((600, 2))
for axis, points, logs, name in zip(
    axes,
    (truth, mixture, copies),
    (true, mixed, learned),
    ("истина", "99 % шума", "200 холмиков"),
    strict=True,
):
    axis.plot(*points.T, ".", ms=2.5, color=BLUE)
    axis.set(title=f"{name}: {logs.mean():.1f}", xlim=(-6, 6), ylim=(-6, 6))
    axis.set(aspect="equal", xticks=[], yticks=[])

# %% [markdown]
# *Рис. 7. Сэмплы трёх моделей; в заголовке — среднее $\ln p$ новых данных в натах. У средней правдоподобие сносное, а сэмплы никуда не годны; у правой сэмплы прекрасные, а правдоподобие ужасное.*
#
# Поэтому судить о GAN по одним картинкам нельзя (может быть, она выучила 200 штук наизусть, а может быть, потеряла половину мод), и о потоке по одному правдоподобию тоже нельзя. В двух измерениях 4.6 ната — это много, а в 784 они тонут. Это половина истории занятий 08 и 09.

# %% [markdown]
# ## Чего GAN сказать не может
#
# Вопрос курса — знает ли модель, чего она не знает. Поток каждому $x$ сопоставляет число $\ln p(x)$. У GAN такого числа нет: $q(x)$ существует, но не вычисляется, и обратной дороги от $x$ к $z$ нет. А дискриминатор, не годится ли его логит в меру «похоже на данные»?
#
# По теореме 1 логит — это $\ln p(x) - \ln q(x)$, то есть сравнение с *генератором*, а не с данными. Там, где генератор хорош, логит равен 0 — и на данных, и между ними. А там, где нет ни данных, ни порождённых точек, его никогда ни о чём не спрашивали.

# %%
side = np.linspace(-9, 9, 120, dtype=np.float32)
plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
critic = ring_gans[0.1, 0]
logit_map = critic.scores(plane, batch_size=5000)["logit"].reshape(120, 120)
log_p = synthetic.log_density("eight_gaussians", plane).reshape(120, 120)
figure, axes = plt.subplots(1, 2, figsize=(8, 3.3))
for axis, values, low, label in (
    (axes[0], log_p, -60, r"$\ln p(x)$"),
    (axes[1], logit_map, None, "$l(x)$"),
):
    drawing = axis.imshow(
        values, origin="lower", extent=(-9, 9, -9, 9), cmap="viridis", vmin=low
    )
    axis.plot(*ring[:300].T, ".", ms=1, color="white")
    figure.colorbar(drawing, ax=axis, label=label)
far = np.linalg.norm(plane, axis=1) > 6
at_data = critic.scores(ring_test.astype(np.float32))["logit"]
for name, here, there in (
    ("ln p ", synthetic.log_density("eight_gaussians", ring_test), log_p),
    ("logit", at_data, logit_map),
):
    highest = there.ravel()[far].max()
    print(f"{name}: at the data {np.median(here):6.2f} (median),", end=" ")
    print(f"where |x| > 6 up to {highest:7.2f}")

# %% [markdown]
# *Рис. 8. Слева истинный $\ln p(x)$ (обрезан на -60), справа логит GAN со штрафом. Белые точки — данные. На расстоянии 6 логарифм плотности упал на сотни натов, а логит в некоторых направлениях почти не упал. Плотность за всё, что кладёт вдали, платит, потому что её интеграл равен единице; логит ничем не платит.*
#
# А картинки? Наша GAN обучена на цифрах. Спросим её дискриминатор о цифрах, которых он не видел, и об одежде. `ood.auroc` — вероятность того, что цифра получит больше, чем вещь; 0.5 означает, что он ничего не знает, меньше 0.5 — что чужое он *предпочитает*.

# %%
shown = {"smoke": 200, "laptop": 2000, "gpu": 2000}[profile]
ours = data.load("mnist", "test", source="embedded").images[:shown]
clothes = data.load("fashion_mnist", "test", source="embedded").images[:shown]
noise = rng.integers(256, size=ours.shape).astype(np.uint8)
black = np.zeros_like(ours[:1])
inside = painter.scores(ours)["logit"]
for name, images in (("clothes", clothes), ("uniform noise", noise)):
    area = ood.auroc(inside, painter.scores(images)["logit"], resamples=100)
    print(f"digits against {name:14} AUROC {area.value:.2f}")
print(f"logit: digits {np.median(inside):.2f} (median),", end=" ")
print(f"a black picture {painter.scores(black)['logit'][0]:.2f}")


# %% [markdown]
# Какими бы эти числа ни вышли на вашей машине, пусть даже хорошими, обучение их туда не вкладывало. Дискриминатору показывали картинки двух видов, цифры и подделки под цифры, а о третьем не спрашивали никогда; об одежде он говорит то, что случайно получилось у его весов. С другим seed или через лишние полминуты обучения он может сказать другое, попробуйте. Вот почему занятия 08 и 09 посвящены моделям с правдоподобием.

# %% [markdown]
# ## Что может пойти не так
#
# **Уверенный дискриминатор и минимаксная функция потерь.** Плоский наклон мы видели на рис. 3, теперь сделаем ошибку нарочно. Данные — $\mathcal N(0, 1)$; генератор $\theta + z$ начинает с $\theta = 6$; дискриминатор — прямая $l(x) = a x + b$, и сперва мы доучиваем его до полной уверенности. Потом начинается игра с каждой из функций потерь; разница в одном знаке.

# %%
def play(sign, steps, warm_up=300, rate=0.05, n=512):
    """theta after each step. sign = 1: minimax, ln(1 - D); -1: non-saturating, -ln D."""
    rng = np.random.default_rng(0)
    theta, a, b, path = 6.0, 0.0, 0.0, []
    for k in range(warm_up + steps):
        x, made = rng.standard_normal(n), theta + rng.standard_normal(n)
        d_real, d_made = expit(a * x + b), expit(a * made + b)
        # the slopes of V in a and b
        a += 4 * rate * (np.mean((1 - d_real) * x) - np.mean(d_made * made))
        b += 4 * rate * (np.mean(1 - d_real) - np.mean(d_made))
        if k >= warm_up:
            d = expit(a * (theta + rng.standard_normal(n)) + b)
            slope = -d.mean() if sign > 0 else -(1 - d).mean()  # of the loss, in l
            theta -= rate * slope * a  # dl/dtheta = a
            path.append(theta)
    return np.array(path)


steps = {"smoke": 50, "laptop": 400, "gpu": 400}[profile]
paths = {sign: play(sign, steps) for sign in (1, -1)}

# %%
figure, axis = plt.subplots(figsize=(6, 2.8))
axis.plot(paths[1], color=LIGHT, label=r"минимакс, $\ln(1 - D)$")
axis.plot(paths[-1], color=RED, label=r"ненасыщающаяся, $-\ln D$")
axis.axhline(0, color="black", lw=0.6, ls=":")
axis.set(xlabel="шаг", ylabel=r"$\theta$")
axis.legend();

# %% [markdown]
# *Рис. 9. Вес генератора в двух играх; данные в точке 0. Минимаксный генератор не ошибается в направлении, он просто ничего не чувствует.*
#
# **Две ошибки в коде**, которые не вызывают исключений. Первая: сигмоида дважды — сеть заканчивается сигмоидой, а функция потерь ждёт логиты. Тогда потери не могут стать малыми, как бы ни был хорош дискриминатор: её аргументы лежат в $[0, 1]$. Вторая: порождённый сэмпл прошёл через NumPy или `stop_gradient`, и до генератора градиент не доходит вовсе.

# %% tags=["nbval-check-output"]
loss = keras.losses.BinaryCrossentropy(from_logits=True)
logits = tf.constant([[20.0], [-20.0]])  # a perfect discriminator: data, generated
labels = tf.constant([[1.0], [0.0]])
print(f"loss of a perfect discriminator: {float(loss(labels, logits)):.4f}")
print(f"with a sigmoid too many:         {float(loss(labels, tf.sigmoid(logits))):.4f}")

z = tf.random.stateless_normal((8, 1), seed=(0, 3))
with tf.GradientTape(persistent=True) as tape:
    right = tf.reduce_mean(tf.nn.softplus(-discriminator(generator(z))))
    made = tf.stop_gradient(generator(z))
    wrong = tf.reduce_mean(tf.nn.softplus(-discriminator(made)))
weights = generator.trainable_variables
print("gradients of G:", sum(g is not None for g in tape.gradient(right, weights)))
lost = tape.gradient(wrong, weights)
print("through a stopped sample:", sum(g is not None for g in lost))

# %% [markdown]
# ## На одном экране
#
# | | |
# |---|---|
# | игра | $\min_G \max_D \; \mathbb E_p \ln D + \mathbb E_q \ln(1 - D)$ |
# | оптимальный дискриминатор | $D^* = p / (p + q)$, $\; l^* = \ln p - \ln q$ |
# | значение при $D^*$ | $-\ln 4 + D_{KL}(p\,\Vert\,m) + D_{KL}(q\,\Vert\,m) = -\ln 4 + 2\,\mathrm{JS}$ |
# | функция потерь генератора | минимакс $\mathbb E_q \ln(1 - D)$: плоская там, где $D$ уверен; ненасыщающаяся $-\mathbb E_q \ln D$ |
# | схлопывание мод | ни один отдельный шаг не требует разнообразия; R1: $\frac\gamma2 \mathbb E_p \Vert\nabla l\Vert^2$ |
# | правдоподобие и сэмплы | одно не следует из другого: $\ln(0.01 p + 0.99 p_{\text{noise}}) \ge \ln p - \ln 100$ |
# | от чего отказались | от $p(x)$: логит сравнивает с генератором и плотностью не является |
#
# ## Вопросы
#
# <details>
# <summary><b>1.</b> Функция потерь дискриминатора уже час равна 1.386. Хорошо ли это?</summary>
#
# Это $\ln 4$: дискриминатор ничего не знает. Либо генератор безупречен, либо дискриминатор слишком слаб или ещё не начал учиться (нулевая скорость обучения даёт то же число). Посмотрите на сэмплы, посчитайте моды, обучите против неподвижного генератора новый дискриминатор.
#
# </details>
#
# <details>
# <summary><b>2.</b> Генератор выдаёт точные копии обучающей выборки. Что скажут на это теорема 2 и дискриминатор?</summary>
#
# Среднее по $p$ — это среднее по обучающей выборке, так что для дискриминатора это и есть оптимум: $q$ совпадает с эмпирическим распределением, JS равна 0. По функциям потерь переобучения не видно. Для каждого сэмпла ищут ближайшие обучающие объекты.
#
# </details>
#
# <details>
# <summary><b>3.</b> $p$ и $q$ лежат на двух непересекающихся кривых на плоскости. Чему равна JS и что сделает шаг минимаксного генератора?</summary>
#
# $\ln 2$, каким бы ни было расстояние. Оптимальный дискриминатор равен 1 на одной кривой и 0 на другой, градиент нулевой: JS не подсказывает, в какой стороне ближе. Отсюда шум на входе, расстояние Вассерштейна (Arjovsky et al., 2017) и штрафы, не дающие дискриминатору превратиться в обрыв.
#
# </details>
#
# <details>
# <summary><b>4.</b> Оптимум у двух функций потерь генератора общий. Минимизируют ли они одну и ту же дивергенцию?</summary>
#
# Нет. При оптимальном дискриминаторе у минимаксной градиент такой же, как у $2\,\mathrm{JS}(p, q)$, а у ненасыщающейся — как у $D_{KL}(q\,\|\,p) - 2\,\mathrm{JS}(p, q)$ (Arjovsky & Bottou, 2017). Обратная KL наказывает за сэмплы там, где данных нет, а за пропавшие моды почти не наказывает.
#
# </details>
#
# <details>
# <summary><b>5.</b> Почему при максимизации правдоподобия моды не схлопываются?</summary>
#
# Минимизируется $D_{KL}(p\,\|\,q) = \mathbb E_p (\ln p - \ln q)$: объект данных там, где $q \approx 0$, обходится очень дорого. Модель с правдоподобием скорее накроет лишнее (размытые сэмплы между модами), состязательная скорее недоберёт.
#
# </details>
#
# <details>
# <summary><b>6.</b> GAN обучили без меток классов. Как измерить, все ли десять цифр встречаются среди её сэмплов?</summary>
#
# Классификатором, обученным на размеченных данных: посчитать, что он скажет о сэмплах, и сравнить доли с одной десятой; `count_modes` делала то же самое, когда центры были известны. Цифра, которая не нарисована ни разу, — потерянная мода.
#
# </details>
#
# <details>
# <summary><b>7.</b> Кто-то приводит средний логарифм правдоподобия GAN, найденный ядерной оценкой плотности по 10 000 сэмплов. Что вы об этом думаете?</summary>
#
# Мало хорошего. При большой размерности такая оценка зависит от ширины ядра больше, чем от модели, и может расставить модели в неверном порядке: сама обучающая выборка не получает лучшей отметки (Theis et al., 2016). У GAN нет правдоподобия, которое можно было бы привести.
#
# </details>
#
# <details>
# <summary><b>8.</b> Логит дискриминатора — отношение плотностей. Почему он не решает задачу OOD?</summary>
#
# Это отношение плотности данных к плотности *генератора*, и выучено оно лишь там, где есть сэмплы хотя бы одного из них. У чужих объектов нет ни тех, ни других. Отношению правдоподобий для OOD (занятие 09) нужны две модели, каждая из которых задаёт плотность всюду.
#
# </details>
#
# ## Что почитать
#
# * I. Goodfellow et al. *Generative Adversarial Nets.* NeurIPS, 2014, [arXiv:1406.2661](https://arxiv.org/abs/1406.2661). Игра и обе теоремы.
# * A. Radford, L. Metz, S. Chintala. *Unsupervised Representation Learning with DCGAN.* ICLR, 2016, [arXiv:1511.06434](https://arxiv.org/abs/1511.06434).
# * L. Theis, A. van den Oord, M. Bethge. *A note on the evaluation of generative models.* ICLR, 2016, [arXiv:1511.01844](https://arxiv.org/abs/1511.01844).
# * M. Arjovsky, L. Bottou. *Towards Principled Methods for Training GANs.* ICLR, 2017, [arXiv:1701.04862](https://arxiv.org/abs/1701.04862). Почему исчезает градиент.
# * L. Mescheder, A. Geiger, S. Nowozin. *Which Training Methods for GANs do actually Converge?* ICML, 2018, [arXiv:1801.04406](https://arxiv.org/abs/1801.04406). R1.
# * Z. Lin, A. Khetan, G. Fanti, S. Oh. *PacGAN.* NeurIPS, 2018, [arXiv:1712.04086](https://arxiv.org/abs/1712.04086); L. Metz et al. *Unrolled GANs.* ICLR, 2017, [arXiv:1611.02163](https://arxiv.org/abs/1611.02163). Два других средства.
# * M. Paganini, L. de Oliveira, B. Nachman. *Accelerating Science with Generative Adversarial Networks.* Physical Review Letters 120, 042003, 2018, [arXiv:1705.02355](https://arxiv.org/abs/1705.02355).
#
# Теперь [лабораторная](../../labs/ru/07_gan.ipynb).
