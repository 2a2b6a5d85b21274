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
# # Лабораторная: вариационный автокодировщик
#
# Шесть упражнений к [лекции](../../lectures/ru/05_vae.ipynb), 10 баллов, 60–90 минут. Начнём с одной формулы, а закончим собственным обученным VAE, правдоподобие которого можно проверить до последнего знака.
#
# **Как это устроено.** Пишите код там, где в ячейке стоит `ваш код здесь`, а строку `raise NotImplementedError(...)` удаляйте. Ячейка под упражнением сразу проверит: **✓** верно, **✗** неверно, и почему, **…** ещё не сделано. Блокнот она не останавливает, так что *Run All* всегда дойдёт до конца. При выставлении баллов те же проверки запускаются с другими числами.
#
# | упражнение | баллы |
# |---|---|
# | 1. Дивергенция | 1 |
# | 2. Сэмпл, который можно дифференцировать | 1 |
# | 3. ELBO батча | 2 |
# | 4. Градиент плотности из шумоподавителя | 1 |
# | 5. Оценка с весами важности | 2 |
# | 6. Линейный VAE и его обучение | 3 |

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import special, stats
from tensorflow_probability import distributions as tfd

from dgm_tfp.exercises import check, expect, graded

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)


# %% [markdown]
# ## Упражнение 1. Дивергенция (1 балл)
#
# Кодировщик вернул для батча из $n$ картинок $\mu$ и $\ln \sigma^2$, два массива $(n, d)$. Напишите $D_{KL}\bigl(\mathcal N(\mu, \operatorname{diag} \sigma^2) \,\|\, \mathcal N(0, I)\bigr)$ каждой картинки.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "1b8ef93634d736a7d8cd0433a4f5c203", "grade": false, "grade_id": "kl", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kl(mean, log_var):
    """KL до априорного распределения, в натах. mean, log_var: (n, d). Возвращает (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "6b2a9225c32bd9b949baf682d95bfcd2", "grade": true, "grade_id": "kl-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_kl(mean, log_var):
    answer, size = kl(mean, log_var), mean.shape[1]

    def truth(std):
        q, p = tfd.Normal(mean, std), tfd.Normal(np.zeros_like(mean), 1.0)
        return tfd.kl_divergence(q, p).numpy().sum(axis=1)

    right = truth(np.exp(log_var / 2))
    expect(
        np.shape(answer) == (len(mean),),
        f"на входе {len(mean)} картинок, размер ответа {np.shape(answer)}; нужно по числу на картинку: по какой оси сумма?",
    )
    expect(
        np.isfinite(answer).all(),
        "nan: log_var уже логарифм и бывает отрицательным.",
    )
    expect(
        not np.allclose(answer, -right),
        "знак: дивергенция не бывает отрицательной.",
    )
    expect(
        not np.allclose(answer, 2 * right),
        "вдвое больше: где одна вторая?",
    )
    expect(
        not np.allclose(answer * size, right),
        "это среднее по координатам; дивергенция независимых координат — сумма.",
    )
    expect(
        not np.allclose(answer, truth(np.exp(log_var))),
        "здесь log_var принят за логарифм отклонения, а это логарифм дисперсии.",
    )
    expect(
        np.allclose(answer, right),
        f"картинка 0: верно {right[0]:.3f}, у вас {answer[0]:.3f}.",
    )


with check("Упражнение 1"):
    test_kl(rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))
    print("KL(p || p) =", kl(np.zeros((1, 20)), np.zeros((1, 20))))


# %% [markdown]
# ## Упражнение 2. Сэмпл, который можно дифференцировать (1 балл)
#
# Возьмите $z$ из $\mathcal N(\mu, \operatorname{diag} \sigma^2)$, по одному на каждую картинку батча, с помощью репараметризации. Независимые стандартные нормальные числа даёт `source.standard_normal(shape)`.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "985a408c12995976bdf3c3c171513111", "grade": false, "grade_id": "draw", "locked": false, "schema_version": 3, "solution": true, "task": false}
def draw(mean, log_var, source):
    """z, (n, d), из q. mean, log_var: (n, d); source: генератор NumPy."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "00b87121596b533ba06ba1c2e3433e7f", "grade": true, "grade_id": "draw-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_draw(mean, log_var, seed):
    n = 20_000
    shape = n, len(mean)
    source = np.random.default_rng(seed)
    z = draw(np.broadcast_to(mean, shape), np.broadcast_to(log_var, shape), source)
    expect(
        np.shape(z) == shape,
        f"размер параметров {shape}, размер z {np.shape(z)}.",
    )
    expect(
        np.ptp(z, axis=0).min() > 0,
        "у всех картинок одно и то же z: есть ли шум и свой ли он у каждой картинки?",
    )
    noise = (z - z.mean(axis=0)) / z.std(axis=0)
    expect(
        abs(np.mean(noise[:, 0] * noise[:, 1])) < 0.1,
        "координаты z движутся вместе: у каждой должен быть свой шум.",
    )
    found, right = z.std(axis=0), np.exp(log_var / 2)
    expect(
        not np.allclose(found, np.exp(log_var), rtol=0.05),
        "стандартное отклонение z равно exp(log_var), а это дисперсия.",
    )
    expect(
        np.allclose(found, right, rtol=0.05),
        f"при log_var = {log_var[0]} стандартное отклонение {right[0]:.2f}, у вас {found[0]:.2f}.",
    )
    off = np.abs(z.mean(axis=0) - mean)
    expect(
        np.all(off < 5 * right / np.sqrt(n)),
        f"среднее z равно {z.mean(axis=0)[0]:.2f}, а должно быть {mean[0]}.",
    )


with check("Упражнение 2"):
    test_draw(np.array([2.0, -1.0]), np.array([-2.0, 1.0]), seed=0)


# %% [markdown]
# ## Упражнение 3. ELBO батча (2 балла)
#
# Теперь сама оценка. Для каждой картинки $x$ из нулей и единиц есть логиты декодировщика $l$ при одном сэмпле $z$ и, от кодировщика, $\mu$ и $\ln \sigma^2$. Верните ELBO каждой картинки,
#
# $$\sum_i \bigl(x_i l_i - \ln(1 + e^{l_i})\bigr) - D_{KL}.$$
#
# Осторожно с $\ln(1 + e^l)$: уверенный декодировщик вернёт 1000, а $e^{1000}$ не существует. Функция `np.logaddexp(a, b)` вычисляет $\ln(e^a + e^b)$ без этой беды. Последний аргумент, `kl`, делает то, чего просит упражнение 1, и делает верно.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "ba0853b1372f84b125bdf0c157a3023b", "grade": false, "grade_id": "elbo", "locked": false, "schema_version": 3, "solution": true, "task": false}
def elbo(x, logits, mean, log_var, kl):
    """ELBO в натах. x, logits: (n, D); mean, log_var: (n, d); kl: верная. Возвращает (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "2e525aedbaa09c683d38fba87c8b634c", "grade": true, "grade_id": "elbo-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def right_kl(mean, log_var):
    q, p = tfd.Normal(mean, np.exp(log_var / 2)), tfd.Normal(np.zeros_like(mean), 1.0)
    return np.sum(tfd.kl_divergence(q, p).numpy(), axis=1)


def test_elbo(x, logits, mean, log_var):
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        answer = elbo(x, logits, mean, log_var, right_kl)
    expect(
        np.shape(answer) == (len(x),),
        f"на входе {len(x)} картинок, размер ответа {np.shape(answer)}; у каждой своя оценка.",
    )
    expect(
        np.isfinite(answer).all(),
        f"бесконечность или nan при логитах до {np.abs(logits).max():.0f}: переполнилась экспонента.",
    )
    log_p = tfd.Bernoulli(logits, dtype=tf.float64).log_prob(x).numpy()
    spent = right_kl(mean, log_var)
    right = np.sum(log_p, axis=1) - spent
    expect(
        not np.allclose(answer, -right),
        "это функция потерь, -ELBO; а нужна сама оценка.",
    )
    expect(
        not np.allclose(answer, np.sum(log_p, axis=1) + spent),
        "KL прибавлена, а за неё надо платить.",
    )
    expect(
        not np.allclose(answer, np.mean(log_p, axis=1) - spent),
        "по пикселям среднее, а по коду сумма: KL перевесит, и код схлопнется.",
    )
    expect(
        not np.allclose(answer, np.sum(log_p, axis=1)),
        "это один log p(x | z): KL не учтена.",
    )
    expect(
        np.allclose(answer, right),
        f"картинка 0: верно {right[0]:.3f}, у вас {answer[0]:.3f}.",
    )


def make_batch(n, size, latent, source, scale=1.0):
    x = (source.random((n, size)) < 0.3).astype(float)
    logits = scale * source.normal(size=(n, size))
    return x, logits, *source.normal(size=(2, n, latent))


with check("Упражнение 3"):
    test_elbo(*make_batch(5, 12, 3, rng))
    test_elbo(*make_batch(3, 8, 2, rng, scale=1000))


# %% [markdown]
# ## Упражнение 4. Градиент плотности из шумоподавителя (1 балл)
#
# `denoise` получает зашумлённые точки $(n, D)$ и возвращает свою догадку о чистых; обучали её с шумом, стандартное отклонение которого $\sigma$. Напишите градиент $\log p_\sigma$, который она знает, в каждой строке `x`.
#
# Проверка берёт нормальные данные: для них известны и лучший шумоподавитель, и градиент.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "6bb23d6f5342b6eef73cdd96b17b7d41", "grade": false, "grade_id": "score", "locked": false, "schema_version": 3, "solution": true, "task": false}
def score(denoise, x, sigma):
    """grad log p_sigma в каждой строке. x: (n, D); sigma: число. Возвращает (n, D)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "e25df5b7e47657b70aa6ccafcc266803", "grade": true, "grade_id": "score-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_score(centre, spread, sigma, source):
    x = source.normal(size=(6, len(centre)))

    def denoise(noisy):  # E[x | noisy] of N(centre, spread^2 I)
        share = spread**2 / (spread**2 + sigma**2)
        return centre + share * (noisy - centre)

    answer = score(denoise, x, sigma)
    right = (centre - x) / (spread**2 + sigma**2)  # of a normal density
    expect(
        np.shape(answer) == x.shape,
        f"у градиента по составляющей на каждую координату: нужно {x.shape}, пришло {np.shape(answer)}.",
    )
    expect(
        not np.allclose(answer, -right),
        "стрелка смотрит прочь от данных: знак.",
    )
    expect(
        not np.allclose(answer, sigma * right) and not np.allclose(answer, sigma**2 * right),
        f"направление верное, а длина нет: при sigma = {sigma} она отличается на степень sigma.",
    )
    expect(
        np.allclose(answer, right),
        f"строка 0: верно {np.round(right[0], 3)}, у вас {np.round(answer[0], 3)}.",
    )


with check("Упражнение 4"):
    test_score(np.array([1.0, -2.0]), 0.7, 0.3, rng)


# %% [markdown]
# ## Упражнение 5. Оценка с весами важности (2 балла)
#
# Для каждой из $n$ картинок из $q(z \mid x)$ взято $K$ сэмплов. Даны три массива $(K, n)$: $\log p(x \mid z_k)$, $\log p(z_k)$ и $\log q(z_k \mid x)$. Верните два массива $(n,)$: оценку $\log p(x)$, то есть $\log \frac1K \sum_k w_k$, и её стандартную ошибку $\frac{\mathrm{std}(w)}{\sqrt K\, \bar w}$.
#
# Веса имеют порядок $e^{-1000}$, для компьютера это 0. Складывает, не выходя из-под логарифма, `special.logsumexp(a, axis=0)`; для ошибки довольно знать веса с точностью до общего множителя.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "f3e5008b3a390ebe4b5900461402f667", "grade": false, "grade_id": "weighted", "locked": false, "schema_version": 3, "solution": true, "task": false}
def weighted_bound(log_likelihood, log_prior, log_q):
    """логарифм среднего веса и его стандартная ошибка, по (n,). Аргументы: (K, n)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "4253decc68ab3d1bd23d42e6096c076c", "grade": true, "grade_id": "weighted-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_weighted(K, n, level, source):
    a, log_prior, log_q = source.normal(size=(3, K, n))
    w = np.exp(a + log_prior - log_q)  # of a decent size
    with np.errstate(all="ignore"):
        result = weighted_bound(a + level, log_prior, log_q)
    expect(
        isinstance(result, tuple) and len(result) == 2,
        "нужны два массива: оценка и её ошибка.",
    )
    answer, error = result
    expect(
        np.shape(answer) == (n,) and np.shape(error) == (n,),
        f"сэмплов {K}, картинок {n}: нужен размер {(n,)}, пришли {np.shape(answer)} и {np.shape(error)}.",
    )
    expect(
        np.isfinite(answer).all() and np.isfinite(error).all(),
        f"бесконечность или nan там, где log p(x | z) около {level}: веса вышли из-под логарифма.",
    )
    right = level + np.log(w.mean(axis=0))
    expect(
        not np.allclose(answer, level + np.log(w).mean(axis=0)),
        "это среднее логарифмов, то есть ELBO; а нужен логарифм среднего.",
    )
    expect(
        not np.allclose(answer, right + np.log(K)),
        f"больше на ln K = {np.log(K):.2f}: сумма не стала средним.",
    )
    expect(
        np.allclose(answer, right),
        f"картинка 0: верно {right[0]:.3f}, у вас {answer[0]:.3f}. Что в весе умножается, а что делится?",
    )
    scatter = w.std(axis=0) / w.mean(axis=0)
    expect(
        not np.allclose(error, scatter, rtol=0.2 / K),
        "ошибка: это относительный разброс одного веса; среднее из K точнее.",
    )
    low, high = 0.999 * scatter / np.sqrt(K), 1.001 * scatter / np.sqrt(K - 1)
    expect(
        np.all((low < error) & (error < high)),
        f"ошибка: у картинки 0 должно быть {scatter[0] / np.sqrt(K):.3f}, у вас {error[0]:.3f}.",
    )


with check("Упражнение 5"):
    test_weighted(50, 3, -5.0, rng)
    test_weighted(10, 4, -1000.0, rng)


# %% [markdown]
# ## Упражнение 6. Линейный VAE и его обучение (3 балла)
#
# VAE, у которого и декодировщик, и кодировщик — по одной матрице:
#
# $$p(x \mid z) = \mathcal N(W z, s^2 I), \qquad q(z \mid x) = \mathcal N(V x, \operatorname{diag} e^{v}).$$
#
# `p` — словарь переменных TensorFlow: `W` $(D, d)$, `log_s` (число), `V` $(d, D)$, `v` $(d,)$, логарифм дисперсии. Напишите
#
# * `loss(x, noise, p)`: среднее $-\mathrm{ELBO}$ по батчу $x$ $(n, D)$, по одному $z$ на строку, из данного стандартного нормального шума `noise` $(n, d)$. Не забудьте нормировочный множитель нормальной плотности, $-\frac D2 \ln 2\pi s^2$: $s$ тоже обучается;
# * `exact_log_prob(x, W, s)`: $\log p(x)$ каждой строки, на NumPy. У `stats.multivariate_normal(cov=...)` есть `logpdf`.
#
# Затем проверка обучает модель с вашей функцией потерь и сравнивает с известным: лучшую линейно-гауссовскую модель находят по собственным значениям (*вероятностный метод главных компонент*, Tipping & Bishop, 1999). Обученная модель должна до неё дойти, и зазор там обязан быть нулевым: диагональное $q$ ничего не теряет, ведь обучение вольно повернуть оси $z$ так, чтобы апостериорное распределение стало диагональным.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "acacc38c7d8954ec48115a8ea14f4c1d", "grade": false, "grade_id": "linear", "locked": false, "schema_version": 3, "solution": true, "task": false}
def loss(x, noise, p):
    """-ELBO в натах, среднее по батчу. x: (n, D); noise: (n, d). Возвращает скаляр."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


def exact_log_prob(x, W, s):
    """log p(x) каждой строки в натах. x: (n, D); W: (D, d); s: число. Возвращает (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %%
def make_data(n, size, latent, source):
    """Центрированные данные из линейно-гауссовской модели, float32 (n, size)."""
    z = source.standard_normal((n, latent))
    x = z @ source.normal(size=(latent, size)) + 0.5 * source.standard_normal((n, size))
    return (x - x.mean(axis=0)).astype(np.float32)


def start(size, latent, seed):
    """Небольшие случайные параметры."""
    source = np.random.default_rng(seed)
    shapes = {"W": (size, latent), "log_s": (), "V": (latent, size), "v": (latent,)}
    return {
        name: tf.Variable(0.1 * source.standard_normal(shape), dtype=tf.float32)
        for name, shape in shapes.items()
    }


def fit(x, p, steps=1200):
    """Adam, на каждом шаге весь набор, шаг убывает до 0. Возвращает -ELBO в конце, по большому шуму."""
    x, latent = tf.constant(x), p["v"].shape[0]
    rate = keras.optimizers.schedules.CosineDecay(0.03, steps)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(list(p.values()))

    @tf.function(autograph=False)
    def step(noise):
        with tf.GradientTape() as tape:
            value = loss(x, noise, p)
        optimizer.apply(tape.gradient(value, list(p.values())), list(p.values()))

    for seed in range(steps):
        step(tf.random.stateless_normal([len(x), latent], (0, seed)))
    many = [tf.random.stateless_normal([len(x), latent], (1, seed)) for seed in range(100)]
    return float(np.mean([loss(x, noise, p) for noise in many]))


def best_log_prob(x, latent):
    """Среднее log p(x) у лучшей линейно-гауссовской модели: вероятностный метод главных компонент."""
    values = np.linalg.eigvalsh(x.T.astype(float) @ x / len(x))[::-1]
    rest = values[latent:].mean()  # s^2
    log_det = np.log(values[:latent]).sum() + (len(values) - latent) * np.log(rest)
    return -0.5 * (len(values) * (np.log(2 * np.pi) + 1) + log_det)


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "5f7918b35bab955f9a50057aa3c6e48b", "grade": true, "grade_id": "linear-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_exact(size, latent, s, source):
    W, x = source.normal(size=(size, latent)), source.normal(size=(5, size))
    answer = exact_log_prob(x, W, s)
    expect(
        np.shape(answer) == (5,),
        f"exact_log_prob: на входе 5 строк, размер ответа {np.shape(answer)}.",
    )
    scale = np.concatenate([W.T, s * np.eye(size)]).T  # x = scale @ noise
    scale = np.linalg.cholesky(scale @ scale.T)
    right = tfd.MultivariateNormalTriL(np.zeros(size), scale).log_prob(x).numpy()
    expect(
        np.allclose(answer, right),
        f"exact_log_prob: при s = {s} у строки 0 {right[0]:.3f}, у вас {answer[0]:.3f}. Какова ковариация W z плюс шум?",
    )


def test_loss(size, latent, seed):
    p, source = start(size, latent, seed), np.random.default_rng(seed)
    p["log_s"].assign(-0.4)
    p["v"].assign(source.normal(size=latent))
    x = tf.constant(source.normal(size=(9, size)), tf.float32)
    noise = tf.constant(source.normal(size=(9, latent)), tf.float32)
    answer = loss(x, noise, p)
    expect(
        np.shape(answer) == (),
        f"loss: нужен скаляр, среднее по батчу; пришёл размер {np.shape(answer)}.",
    )
    q = tfd.Normal(tf.linalg.matvec(p["V"], x), tf.exp(p["v"] / 2))
    z = q.loc + q.scale * noise
    spread = tf.exp(p["log_s"])
    log_p = tfd.Normal(tf.linalg.matvec(p["W"], z), spread).log_prob(x)
    spent = tf.reduce_sum(tfd.kl_divergence(q, tfd.Normal(0.0, 1.0)), axis=1)
    right = float(tf.reduce_mean(spent - tf.reduce_sum(log_p, axis=1)))
    expect(
        not np.isclose(answer, -right, rtol=1e-3),
        "loss: это ELBO. Спуск сделал бы её как можно меньше: знак.",
    )
    constant = size * (np.log(2 * np.pi) / 2 - 0.4)
    expect(
        not np.isclose(answer, right - constant, rtol=1e-3),
        "loss: нет нормировочного множителя p(x | z), и s росла бы без предела.",
    )
    averaged = tf.reduce_mean(spent - tf.reduce_mean(log_p, axis=1))
    expect(
        not np.isclose(answer, averaged, rtol=1e-3),
        "loss: среднее по D координатам x; log p(x | z) — это сумма.",
    )
    expect(
        np.isclose(answer, right, rtol=1e-3),
        f"loss: верно {right:.3f}, у вас {float(answer):.3f}. Взято ли z с exp(v / 2), и для V x и v ли вычислена KL?",
    )


def test_training(size, latent, seed):
    x, p = make_data(1000, size, latent, np.random.default_rng(seed)), start(size, latent, seed)
    bound, best = -fit(x, p), best_log_prob(x, latent)
    W, s = p["W"].numpy(), float(tf.exp(p["log_s"]))
    exact = exact_log_prob(x, W, s).mean()
    expect(
        bound < exact + 0.05,
        f"обучение: ELBO равна {bound:.2f}, log p(x) равен {exact:.2f}: нижняя оценка выше того, что оценивает.",
    )
    expect(
        bound > best - 0.1,
        f"обучение: ELBO дошла до {bound:.2f}; у вероятностного метода главных компонент {best:.2f}.",
    )
    return x, p, best


with check("Упражнение 6"):
    test_exact(4, 2, 0.3, np.random.default_rng(9))
    test_loss(5, 2, seed=10)
    found = test_training(6, 2, seed=11)
    print(f"лучшее среднее log p(x): {found[2]:.2f} ната, достигнуто")

# %% [markdown]
# ## Самостоятельно (без баллов)
#
# Ниже то, чему научилось упражнение 6 (пусто, пока оно не сделано): зазор между оценкой и истиной у каждого объекта и дисперсии $q$ рядом с $1 / M_{jj}$. А дальше вопросы, на которые проверки нет:
#
# * Почему $1 / M_{jj}$, а не $(M^{-1})_{jj}$, настоящая дисперсия $z_j$? Найдите максимум ELBO по $v$ вручную; второе никогда не меньше. Когда они равны?
# * Обучите модель с `latent` больше, чем нужно данным. Какие строки $V$ обращаются в нуль и каковы у них $v$? Это схлопывание апостериорного распределения, и здесь оно уместно.
# * Поставьте в функции потерь перед KL множитель $\beta$. Что происходит с $s$ и $W$ при росте $\beta$? Доходит ли ещё точный $\log p(x)$ до вероятностного метода главных компонент?
# * Замените градиент с репараметризацией на градиент через логарифм плотности. Сколько сэмплов $z$ на объект нужно, чтобы обучить не хуже?
# * Возьмите `models.VAE` на `fashion_mnist` и оцените плотность цифр: по ELBO и по `importance_weighted`. Что вероятнее? (Ровно об этом занятие 08.)

# %%
if "found" in globals():
    x, p, _ = found
    W, V, v = (p[name].numpy().astype(float) for name in ("W", "V", "v"))
    s = float(tf.exp(p["log_s"]))
    M = np.eye(len(v)) + W.T @ W / s**2
    posterior_mean = x @ W @ np.linalg.inv(M) / s**2
    off = posterior_mean - x @ V.T
    trace = np.sum(np.diag(M) * np.exp(v)) - len(v)
    log_dets = -np.linalg.slogdet(M).logabsdet - v.sum()
    gaps = 0.5 * (trace + np.sum((off @ M) * off, axis=1) + log_dets)

    figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    axes[0].hist(gaps, bins=40, color="#7fb7c9")
    axes[0].set(xlabel=r"$\log p(x) - \mathrm{ELBO}$, наты", ylabel="объектов")
    axes[1].plot(1 / np.diag(M), np.exp(v), "o", color="#d1495b")
    axes[1].plot([0, 0.2], [0, 0.2], color="black", lw=0.7)
    axes[1].set(xlabel="$1 / M_{jj}$", ylabel="$e^{v_j}$")
