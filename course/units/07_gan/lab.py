# %% [markdown] lang="en"
# # Lab: GAN
#
# Five exercises after the [lecture](../../lectures/en/07_gan.ipynb), 10 points, 60 to 90 minutes. You start with a loss and end with a step of the game, written by you, that trains a generator.
#
# **How it works.** Put your code where a cell says `your code here`, and delete the line `raise NotImplementedError(...)`. The cell below each exercise checks you at once: **✓** right, **✗** wrong, and why, **…** not done yet. It never stops the notebook, so *Run All* always reaches the end. The grader runs the same checks on other numbers.
#
# | exercise | points |
# |---|---|
# | 1. The loss of the discriminator | 1 |
# | 2. The value of the game | 2 |
# | 3. Two losses of the generator | 2 |
# | 4. Counting modes | 2 |
# | 5. A step of the game | 3 |

# %% [markdown] lang="ru"
# # Лабораторная: GAN
#
# Пять упражнений к [лекции](../../lectures/ru/07_gan.ipynb), 10 баллов, 60–90 минут. Начнём с функции потерь, а закончим шагом игры, который вы напишете сами и который обучит генератор.
#
# **Как это устроено.** Пишите код там, где в ячейке стоит `ваш код здесь`, а строку `raise NotImplementedError(...)` удаляйте. Ячейка под упражнением сразу проверит: **✓** верно, **✗** неверно, и почему, **…** ещё не сделано. Блокнот она не останавливает, так что *Run All* всегда дойдёт до конца. При выставлении баллов те же проверки запускаются с другими числами.
#
# | упражнение | баллы |
# |---|---|
# | 1. Функция потерь дискриминатора | 1 |
# | 2. Цена игры | 2 |
# | 3. Две функции потерь генератора | 2 |
# | 4. Сколько мод | 2 |
# | 5. Шаг игры | 3 |

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import stats
from scipy.special import expit

from dgm_tfp import profiles
from dgm_tfp.data import synthetic
from dgm_tfp.exercises import check, expect, graded

rng = np.random.default_rng(0)
profile = profiles.current().name

# %% [markdown] lang="en"
# ## Exercise 1. The loss of the discriminator (1 point)
#
# The discriminator maximises $V = \mathbb E_p \ln D + \mathbb E_q \ln(1 - D)$, so its loss is $-V$. You are given *logits*, $D = \sigma(l) = \frac1{1 + e^{-l}}$, of data (`real`) and of generated objects (`fake`); there may be different numbers of them. A sure discriminator has logits of a thousand, and $e^{1000}$ does not exist in a computer: `np.logaddexp(0, l)` is $\ln(1 + e^l)$ without overflow.


# %% [markdown] lang="ru"
# ## Упражнение 1. Функция потерь дискриминатора (1 балл)
#
# Дискриминатор максимизирует $V = \mathbb E_p \ln D + \mathbb E_q \ln(1 - D)$, значит, его функция потерь равна $-V$. Даны *логиты*, $D = \sigma(l) = \frac1{1 + e^{-l}}$: логиты данных (`real`) и порождённых объектов (`fake`); их может быть разное число. У уверенного дискриминатора логиты бывают и по тысяче, а $e^{1000}$ в компьютер не помещается: `np.logaddexp(0, l)` — это $\ln(1 + e^l)$ без переполнения.


# %% lang="en" exercise="loss"
def discriminator_loss(real, fake):
    """-V in nats, a number. real: (n,), fake: (m,), logits."""
    # BEGIN SOLUTION
    return np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean()
    # END SOLUTION


# %% lang="ru" exercise="loss"
def discriminator_loss(real, fake):
    """-V в натах, одно число. real: (n,), fake: (m,), логиты."""
    # BEGIN SOLUTION
    return np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean()
    # END SOLUTION


# %% lang="en" tests="loss" points=1 tags=["nbval-check-output"]
def test_loss(real, fake):
    with np.errstate(all="ignore"):
        answer = discriminator_loss(real, fake)
        huge = discriminator_loss(np.array([-1000.0]), np.array([1000.0]))
    expect(
        np.shape(answer) == (),
        f"one number is wanted, the shape of the answer is {np.shape(answer)}: V has expectations.",
    )
    truth = -np.log(expit(real)).mean() - np.log(1 - expit(fake)).mean()
    swapped = -np.log(1 - expit(real)).mean() - np.log(expit(fake)).mean()
    summed = -np.log(expit(real)).sum() - np.log(1 - expit(fake)).sum()
    expect(
        not np.isclose(answer, -truth),
        "this is V, which the discriminator wants large; a loss is wanted small: the sign.",
    )
    expect(
        not np.isclose(answer, swapped),
        "the labels are exchanged: this discriminator takes data for generated.",
    )
    expect(
        not np.isclose(answer, summed),
        "a sum over the objects; the loss is to be the mean, whatever the size of the batch.",
    )
    expect(
        np.isclose(answer, truth),
        f"for logits {real} and {fake} it should be {truth:.4f}, you have {float(answer):.4f}.",
    )
    expect(
        np.isclose(huge, 2000),
        f"for the logits -1000 and 1000 it should be 2000, you have {huge}: something overflows.",
    )


with check("Exercise 1"):
    test_loss(np.array([2.0, -1.0]), np.array([0.5, -3.0, 1.0]))
    nothing = discriminator_loss(np.zeros(3), np.zeros(3))
    print(f"it knows nothing: {nothing:.3f} = ln 4")
### BEGIN HIDDEN TESTS
with graded("Exercise 1"):
    source = np.random.default_rng(1)
    test_loss(3 * source.normal(size=5), 3 * source.normal(size=8))
### END HIDDEN TESTS

# %% lang="ru" tests="loss" points=1 tags=["nbval-check-output"]
def test_loss(real, fake):
    with np.errstate(all="ignore"):
        answer = discriminator_loss(real, fake)
        huge = discriminator_loss(np.array([-1000.0]), np.array([1000.0]))
    expect(
        np.shape(answer) == (),
        f"нужно одно число, а размер ответа {np.shape(answer)}: в V стоят математические ожидания.",
    )
    truth = -np.log(expit(real)).mean() - np.log(1 - expit(fake)).mean()
    swapped = -np.log(1 - expit(real)).mean() - np.log(expit(fake)).mean()
    summed = -np.log(expit(real)).sum() - np.log(1 - expit(fake)).sum()
    expect(
        not np.isclose(answer, -truth),
        "это V, дискриминатор хочет её увеличить; потери же уменьшают: знак.",
    )
    expect(
        not np.isclose(answer, swapped),
        "перепутаны метки: такой дискриминатор считает порождёнными данные.",
    )
    expect(
        not np.isclose(answer, summed),
        "это сумма по объектам; нужно среднее, каким бы ни был пакет.",
    )
    expect(
        np.isclose(answer, truth),
        f"для логитов {real} и {fake} должно быть {truth:.4f}, у вас {float(answer):.4f}.",
    )
    expect(
        np.isclose(huge, 2000),
        f"для логитов -1000 и 1000 должно быть 2000, у вас {huge}: что-то переполняется.",
    )


with check("Упражнение 1"):
    test_loss(np.array([2.0, -1.0]), np.array([0.5, -3.0, 1.0]))
    nothing = discriminator_loss(np.zeros(3), np.zeros(3))
    print(f"ничего не знает: {nothing:.3f} = ln 4")
### BEGIN HIDDEN TESTS
with graded("Упражнение 1"):
    source = np.random.default_rng(1)
    test_loss(3 * source.normal(size=5), 3 * source.normal(size=8))
### END HIDDEN TESTS

# %% [markdown] lang="en"
# ## Exercise 2. The value of the game (2 points)
#
# Theorem 2: with $m = \frac{p + q}2$,
#
# $$V(D^*, G) = -\ln 4 + D_{KL}(p \,\|\, m) + D_{KL}(q \,\|\, m).$$
#
# Write the right-hand side for densities given by their logarithms on an even grid: an integral is the sum over the points times the length (or the area) of a cell. The check knows the left-hand side, by the definition of $V$. In all points of the grid both densities are greater than zero.


# %% [markdown] lang="ru"
# ## Упражнение 2. Цена игры (2 балла)
#
# Теорема 2: если $m = \frac{p + q}2$, то
#
# $$V(D^*, G) = -\ln 4 + D_{KL}(p \,\|\, m) + D_{KL}(q \,\|\, m).$$
#
# Запишите правую часть для плотностей, логарифмы которых даны на равномерной сетке: интеграл — это сумма по точкам, умноженная на длину (или площадь) ячейки. Проверке известна левая часть, по определению $V$. Во всех точках сетки обе плотности больше нуля.


# %% lang="en" exercise="value"
def optimal_value(log_p, log_q, cell):
    """V(D*) in nats, a number. log_p, log_q: (n,), on the grid; cell: a number."""
    # BEGIN SOLUTION
    log_m = np.logaddexp(log_p, log_q) - np.log(2)
    from_p = np.sum(np.exp(log_p) * (log_p - log_m)) * cell
    from_q = np.sum(np.exp(log_q) * (log_q - log_m)) * cell
    return -np.log(4) + from_p + from_q
    # END SOLUTION


# %% lang="ru" exercise="value"
def optimal_value(log_p, log_q, cell):
    """V(D*) в натах, одно число. log_p, log_q: (n,), на сетке; cell: число."""
    # BEGIN SOLUTION
    log_m = np.logaddexp(log_p, log_q) - np.log(2)
    from_p = np.sum(np.exp(log_p) * (log_p - log_m)) * cell
    from_q = np.sum(np.exp(log_q) * (log_q - log_m)) * cell
    return -np.log(4) + from_p + from_q
    # END SOLUTION


# %% lang="en" tests="value" points=2 tags=["nbval-check-output"]
def test_value(log_p, log_q, cell):
    answer = optimal_value(log_p, log_q, cell)
    expect(
        np.shape(answer) == (),
        f"one number is wanted, the shape of the answer is {np.shape(answer)}.",
    )
    logit = log_p - log_q
    weight_p, weight_q = np.exp(log_p) * cell, np.exp(log_q) * cell
    truth = -np.sum(
        weight_p * np.logaddexp(0, -logit) + weight_q * np.logaddexp(0, logit)
    )
    twice_js = truth + np.log(4)
    same = np.allclose(log_p, log_q)
    expect(
        same or not np.isclose(answer, twice_js, atol=1e-3),
        "these are the two divergences; -ln 4 is missing.",
    )
    expect(
        same or not np.isclose(answer, -np.log(4) + twice_js / 2, atol=1e-3),
        "JS is half of the sum; V has the whole of it.",
    )
    crossed = np.sum((weight_p - weight_q) * logit)
    expect(
        same or not np.isclose(answer, -np.log(4) + crossed, atol=1e-3),
        "these are KL(p || q) and KL(q || p); the divergences go to the middle, m.",
    )
    expect(
        not np.isclose(answer + np.log(4), twice_js / cell, rtol=1e-3) or same,
        "a sum over the points is not an integral yet: each point stands for a cell.",
    )
    expect(
        np.isclose(answer, truth, atol=1e-3),
        f"V by its definition is {truth:.3f} here, you have {float(answer):.3f}.",
    )


grid, cell = np.linspace(-12, 12, 4801), 0.005
with check("Exercise 2"):
    log_p = stats.norm.logpdf(grid)
    for theta in (1, 0, 5):
        test_value(log_p, stats.norm.logpdf(grid, theta), cell)
        found = optimal_value(log_p, stats.norm.logpdf(grid, theta), cell)
        print(f"theta = {theta}: V(D*) = {found + 0:.3f}")
### BEGIN HIDDEN TESTS
with graded("Exercise 2"):
    test_value(stats.norm.logpdf(grid, -1, 2), stats.norm.logpdf(grid, 0.5, 0.7), cell)
    line = np.arange(-6, 6, 0.05)
    plane = np.stack(np.meshgrid(line, line), axis=-1)
    wide = stats.multivariate_normal([0, 0], 1.2 * np.eye(2)).logpdf(plane).ravel()
    other = stats.multivariate_normal([1, 0.5], np.eye(2)).logpdf(plane).ravel()
    test_value(wide, other, 0.05**2)
### END HIDDEN TESTS

# %% lang="ru" tests="value" points=2 tags=["nbval-check-output"]
def test_value(log_p, log_q, cell):
    answer = optimal_value(log_p, log_q, cell)
    expect(
        np.shape(answer) == (),
        f"нужно одно число, а размер ответа {np.shape(answer)}.",
    )
    logit = log_p - log_q
    weight_p, weight_q = np.exp(log_p) * cell, np.exp(log_q) * cell
    truth = -np.sum(
        weight_p * np.logaddexp(0, -logit) + weight_q * np.logaddexp(0, logit)
    )
    twice_js = truth + np.log(4)
    same = np.allclose(log_p, log_q)
    expect(
        same or not np.isclose(answer, twice_js, atol=1e-3),
        "это две дивергенции; не хватает -ln 4.",
    )
    expect(
        same or not np.isclose(answer, -np.log(4) + twice_js / 2, atol=1e-3),
        "JS — полусумма, а в V входит вся сумма.",
    )
    crossed = np.sum((weight_p - weight_q) * logit)
    expect(
        same or not np.isclose(answer, -np.log(4) + crossed, atol=1e-3),
        "это KL(p || q) и KL(q || p), а дивергенции берутся до середины, m.",
    )
    expect(
        not np.isclose(answer + np.log(4), twice_js / cell, rtol=1e-3) or same,
        "сумма по точкам ещё не интеграл: каждая точка представляет ячейку.",
    )
    expect(
        np.isclose(answer, truth, atol=1e-3),
        f"V по определению здесь {truth:.3f}, у вас {float(answer):.3f}.",
    )


grid, cell = np.linspace(-12, 12, 4801), 0.005
with check("Упражнение 2"):
    log_p = stats.norm.logpdf(grid)
    for theta in (1, 0, 5):
        test_value(log_p, stats.norm.logpdf(grid, theta), cell)
        found = optimal_value(log_p, stats.norm.logpdf(grid, theta), cell)
        print(f"theta = {theta}: V(D*) = {found + 0:.3f}")
### BEGIN HIDDEN TESTS
with graded("Упражнение 2"):
    test_value(stats.norm.logpdf(grid, -1, 2), stats.norm.logpdf(grid, 0.5, 0.7), cell)
    line = np.arange(-6, 6, 0.05)
    plane = np.stack(np.meshgrid(line, line), axis=-1)
    wide = stats.multivariate_normal([0, 0], 1.2 * np.eye(2)).logpdf(plane).ravel()
    other = stats.multivariate_normal([1, 0.5], np.eye(2)).logpdf(plane).ravel()
    test_value(wide, other, 0.05**2)
### END HIDDEN TESTS

# %% [markdown] lang="en"
# ## Exercise 3. Two losses of the generator (2 points)
#
# Write both: `"minimax"`, $\mathbb E_q \ln(1 - D)$, and `"non_saturating"`, $-\mathbb E_q \ln D$, from the logits of generated objects, this time in TensorFlow: `tf.nn.softplus(l)` is $\ln(1 + e^l)$. The check differentiates your losses: their slopes must be $-D$ and $-(1 - D)$, over the number of objects.


# %% [markdown] lang="ru"
# ## Упражнение 3. Две функции потерь генератора (2 балла)
#
# Напишите обе: `"minimax"`, $\mathbb E_q \ln(1 - D)$, и `"non_saturating"`, $-\mathbb E_q \ln D$, по логитам порождённых объектов, на этот раз в TensorFlow: `tf.nn.softplus(l)` — это $\ln(1 + e^l)$. Проверка продифференцирует ваши функции: наклоны должны быть $-D$ и $-(1 - D)$, делённые на число объектов.


# %% lang="en" exercise="generator"
def generator_loss(fake, kind):
    """A scalar tensor, nats. fake: (n,), logits; kind: "minimax" or "non_saturating"."""
    # BEGIN SOLUTION
    if kind == "minimax":
        return -tf.reduce_mean(tf.nn.softplus(fake))
    return tf.reduce_mean(tf.nn.softplus(-fake))
    # END SOLUTION


# %% lang="ru" exercise="generator"
def generator_loss(fake, kind):
    """Скалярный тензор, наты. fake: (n,), логиты; kind: "minimax" или "non_saturating"."""
    # BEGIN SOLUTION
    if kind == "minimax":
        return -tf.reduce_mean(tf.nn.softplus(fake))
    return tf.reduce_mean(tf.nn.softplus(-fake))
    # END SOLUTION


# %% lang="en" tests="generator" points=2 tags=["nbval-check-output"]
def slopes(logits, kind):
    logits = tf.constant(logits, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = generator_loss(logits, kind)
    expect(
        np.shape(loss) == (),
        f"{kind}: one number is wanted, the shape of the answer is {np.shape(loss)}.",
    )
    slope = tape.gradient(loss, logits)
    expect(
        slope is not None,
        f"{kind}: no gradient comes through; compute with tf, not with NumPy.",
    )
    return float(loss), slope.numpy() * len(logits)


def test_generator(logits):
    d = expit(logits)
    right = {"minimax": -d, "non_saturating": -(1 - d)}
    for kind, other in (
        ("minimax", "non_saturating"),
        ("non_saturating", "minimax"),
    ):
        _, slope = slopes(logits, kind)
        expect(
            not np.allclose(slope, right[other], atol=1e-4),
            f"{kind}: this is the other loss, {other}.",
        )
        expect(
            not np.allclose(slope, -right[kind], atol=1e-4)
            and not np.allclose(slope, -right[other], atol=1e-4),
            f"{kind}: the slope is positive: descent would lower D(G(z)). The sign.",
        )
        expect(
            not np.allclose(slope, right[kind] * len(logits), atol=1e-4),
            f"{kind}: a sum over the objects; the mean is wanted.",
        )
        expect(
            np.allclose(slope, right[kind], atol=1e-4),
            f"{kind}: at the logits {logits} the slopes should be {np.round(right[kind], 3)}, you have {np.round(slope, 3)}.",
        )
    expect(
        np.isclose(slopes([-200.0], "non_saturating")[0], 200),
        "non_saturating: at the logit -200 it should be 200: the logarithm of zero was taken.",
    )


with check("Exercise 3"):
    test_generator(np.array([-3.0, 0.5, 2.0]))
    for kind in ("minimax", "non_saturating"):
        print(f"{kind:15} {slopes([-8.0], kind)[1][0]:.4f}")
### BEGIN HIDDEN TESTS
with graded("Exercise 3"):
    test_generator(np.array([-1.0, 4.0, 0.3, -6.0]))
    expect(
        np.isclose(slopes([200.0], "minimax")[0], -200),
        "minimax: at the logit 200 it should be -200: the logarithm of zero was taken.",
    )
### END HIDDEN TESTS

# %% lang="ru" tests="generator" points=2 tags=["nbval-check-output"]
def slopes(logits, kind):
    logits = tf.constant(logits, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = generator_loss(logits, kind)
    expect(
        np.shape(loss) == (),
        f"{kind}: нужно одно число, а размер ответа {np.shape(loss)}.",
    )
    slope = tape.gradient(loss, logits)
    expect(
        slope is not None,
        f"{kind}: градиент не проходит; считайте в tf, а не в NumPy.",
    )
    return float(loss), slope.numpy() * len(logits)


def test_generator(logits):
    d = expit(logits)
    right = {"minimax": -d, "non_saturating": -(1 - d)}
    for kind, other in (
        ("minimax", "non_saturating"),
        ("non_saturating", "minimax"),
    ):
        _, slope = slopes(logits, kind)
        expect(
            not np.allclose(slope, right[other], atol=1e-4),
            f"{kind}: это другая функция потерь, {other}.",
        )
        expect(
            not np.allclose(slope, -right[kind], atol=1e-4)
            and not np.allclose(slope, -right[other], atol=1e-4),
            f"{kind}: наклон положителен: спуск уменьшал бы D(G(z)). Знак.",
        )
        expect(
            not np.allclose(slope, right[kind] * len(logits), atol=1e-4),
            f"{kind}: сумма по объектам, а нужно среднее.",
        )
        expect(
            np.allclose(slope, right[kind], atol=1e-4),
            f"{kind}: при логитах {logits} наклоны должны быть {np.round(right[kind], 3)}, у вас {np.round(slope, 3)}.",
        )
    expect(
        np.isclose(slopes([-200.0], "non_saturating")[0], 200),
        "non_saturating: при логите -200 должно быть 200: взят логарифм нуля.",
    )


with check("Упражнение 3"):
    test_generator(np.array([-3.0, 0.5, 2.0]))
    for kind in ("minimax", "non_saturating"):
        print(f"{kind:15} {slopes([-8.0], kind)[1][0]:.4f}")
### BEGIN HIDDEN TESTS
with graded("Упражнение 3"):
    test_generator(np.array([-1.0, 4.0, 0.3, -6.0]))
    expect(
        np.isclose(slopes([200.0], "minimax")[0], -200),
        "minimax: при логите 200 должно быть -200: взят логарифм нуля.",
    )
### END HIDDEN TESTS

# %% [markdown] lang="en"
# ## Exercise 4. Counting modes (2 points)
#
# A generator has made `samples`; the data are Gaussians of standard deviation `std` around known `centres`, far from one another. A sample is of *high quality* if it lies within $3\,$`std` of a centre. A mode is *found* if at least the share `share` of **all** samples lies within $3\,$`std` of it. Return the number of modes found, and the share of high-quality samples.


# %% [markdown] lang="ru"
# ## Упражнение 4. Сколько мод (2 балла)
#
# Генератор сделал `samples`; данные — гауссианы со стандартным отклонением `std` вокруг известных центров `centres`, далёких друг от друга. Сэмпл *качественный*, если до какого-нибудь центра от него не больше $3\,$`std`. Мода *найдена*, если не дальше $3\,$`std` от неё лежит доля не меньше `share` от **всех** сэмплов. Верните число найденных мод и долю качественных сэмплов.


# %% lang="en" exercise="modes"
def count_modes(samples, centres, std, share):
    """How many modes, and the share of good samples. samples: (n, d); centres: (k, d)."""
    # BEGIN SOLUTION
    distance = np.linalg.norm(samples[:, None] - centres, axis=2)
    near = distance <= 3 * std
    return int((near.mean(axis=0) >= share).sum()), float(near.any(axis=1).mean())
    # END SOLUTION


# %% lang="ru" exercise="modes"
def count_modes(samples, centres, std, share):
    """Число мод и доля качественных сэмплов. samples: (n, d); centres: (k, d)."""
    # BEGIN SOLUTION
    distance = np.linalg.norm(samples[:, None] - centres, axis=2)
    near = distance <= 3 * std
    return int((near.mean(axis=0) >= share).sum()), float(near.any(axis=1).mean())
    # END SOLUTION


# %% lang="en" tests="modes" points=2 tags=["nbval-check-output"]
def made_samples(counts, stray, std, seed):
    """counts[i] samples around centre i, one 2.5 std away; `stray` samples in the middle."""
    source, centres = np.random.default_rng(seed), synthetic.eight_centres()
    parts = [np.zeros((stray, 2))]
    for centre, count in zip(centres, counts, strict=True):
        angle = source.uniform(0, 2 * np.pi, count)
        radius = source.uniform(1.5, 2.5, count) * std
        parts.append(centre + radius[:, None] * np.c_[np.cos(angle), np.sin(angle)])
    return np.concatenate(parts), centres


def test_modes(counts, stray, std, share, seed):
    samples, centres = made_samples(counts, stray, std, seed)
    answer = count_modes(samples, centres, std, share)
    expect(
        np.shape(answer) == (2,),
        "two numbers are wanted: the modes, and the share of good samples.",
    )
    modes, quality = answer
    counts = np.array(counts)
    total = counts.sum() + stray
    right = int((counts / total >= share).sum())
    expect(
        not np.isclose(quality, 1) or stray == 0,
        f"{stray} samples lie far from every centre, and all are counted as good.",
    )
    expect(
        quality > 0,
        "no sample is good: all of these lie 1.5 to 2.5 std from their centre; the limit is 3.",
    )
    expect(
        np.isclose(quality, counts.sum() / total),
        f"{counts.sum()} of {total} samples are good, {counts.sum() / total:.3f}; you have {quality:.3f}.",
    )
    expect(
        modes == right or modes != (counts > 0).sum(),
        f"{modes} modes have a sample; only {right} have at least {share} of all.",
    )
    of_good = int((counts / counts.sum() >= share).sum())
    expect(
        modes == right or modes != of_good,
        "the share is that of all samples, not of the good ones.",
    )
    expect(
        modes == right,
        f"the samples at the centres are {counts} of {total}: {right} modes; you have {modes}.",
    )


with check("Exercise 4"):
    test_modes([300, 0, 120, 15, 0, 1, 25, 60], 485, 0.2, 0.02, 0)
    data_points = synthetic.load("eight_gaussians", "test")[0]
    found = count_modes(data_points, synthetic.eight_centres(), 0.2, 0.02)
    print(f"the data themselves: {found[0]} modes, quality {found[1]:.3f}")
### BEGIN HIDDEN TESTS
with graded("Exercise 4"):
    test_modes([50, 50, 0, 5, 0, 0, 40, 3], 52, 0.1, 0.03, 1)
    test_modes([10, 10, 10, 10, 10, 10, 10, 10], 0, 0.15, 0.1, 2)
### END HIDDEN TESTS

# %% lang="ru" tests="modes" points=2 tags=["nbval-check-output"]
def made_samples(counts, stray, std, seed):
    """counts[i] сэмплов у центра i, один на расстоянии 2.5 std; `stray` сэмплов посередине."""
    source, centres = np.random.default_rng(seed), synthetic.eight_centres()
    parts = [np.zeros((stray, 2))]
    for centre, count in zip(centres, counts, strict=True):
        angle = source.uniform(0, 2 * np.pi, count)
        radius = source.uniform(1.5, 2.5, count) * std
        parts.append(centre + radius[:, None] * np.c_[np.cos(angle), np.sin(angle)])
    return np.concatenate(parts), centres


def test_modes(counts, stray, std, share, seed):
    samples, centres = made_samples(counts, stray, std, seed)
    answer = count_modes(samples, centres, std, share)
    expect(
        np.shape(answer) == (2,),
        "нужны два числа: число мод и доля качественных сэмплов.",
    )
    modes, quality = answer
    counts = np.array(counts)
    total = counts.sum() + stray
    right = int((counts / total >= share).sum())
    expect(
        not np.isclose(quality, 1) or stray == 0,
        f"{stray} сэмплов лежат далеко от всех центров, а качественными сочтены все.",
    )
    expect(
        quality > 0,
        "качественных сэмплов нет, а они лежат в 1.5–2.5 std от центра; граница — 3.",
    )
    expect(
        np.isclose(quality, counts.sum() / total),
        f"качественных сэмплов {counts.sum()} из {total}, то есть {counts.sum() / total:.3f}; у вас {quality:.3f}.",
    )
    expect(
        modes == right or modes != (counts > 0).sum(),
        f"сэмплы есть у {modes} мод, но только у {right} их не меньше {share} от всех.",
    )
    of_good = int((counts / counts.sum() >= share).sum())
    expect(
        modes == right or modes != of_good,
        "доля берётся от всех сэмплов, а не от качественных.",
    )
    expect(
        modes == right,
        f"у центров лежит {counts} сэмплов из {total}: мод {right}, у вас {modes}.",
    )


with check("Упражнение 4"):
    test_modes([300, 0, 120, 15, 0, 1, 25, 60], 485, 0.2, 0.02, 0)
    data_points = synthetic.load("eight_gaussians", "test")[0]
    found = count_modes(data_points, synthetic.eight_centres(), 0.2, 0.02)
    print(f"сами данные: мод {found[0]}, качество {found[1]:.3f}")
### BEGIN HIDDEN TESTS
with graded("Упражнение 4"):
    test_modes([50, 50, 0, 5, 0, 0, 40, 3], 52, 0.1, 0.03, 1)
    test_modes([10, 10, 10, 10, 10, 10, 10, 10], 0, 0.15, 0.1, 2)
### END HIDDEN TESTS

# %% [markdown] lang="en"
# ## Exercise 5. A step of the game (3 points)
#
# Write one step of both players, with plain gradient descent (`weight.assign_sub(rate * gradient)`) instead of Adam:
#
# 1. the discriminator, on data `x` and on $G(z_1)$, by the loss of exercise 1;
# 2. the generator, on $G(z_2)$, by the non-saturating loss, against the discriminator **as it is after its step**.
#
# Each step moves the weights of its own player only: `generator.trainable_variables`, `discriminator.trainable_variables`. Both networks are Keras models; the discriminator returns logits $(n, 1)$. The check plays with two straight lines, $G(z) = \alpha z + \beta$ and $l(x) = a x + b$, for which it knows the slopes by heart.


# %% [markdown] lang="ru"
# ## Упражнение 5. Шаг игры (3 балла)
#
# Напишите по одному ходу каждого из игроков с простым градиентным спуском (`weight.assign_sub(rate * gradient)`) вместо Adam:
#
# 1. дискриминатор: на данных `x` и на $G(z_1)$, по функции потерь из упражнения 1;
# 2. генератор: на $G(z_2)$, по ненасыщающейся функции потерь, против дискриминатора, **каким он стал после своего хода**.
#
# Каждый ход двигает веса только своего игрока: `generator.trainable_variables`, `discriminator.trainable_variables`. Обе сети — модели Keras; дискриминатор возвращает логиты $(n, 1)$. Проверка играет двумя прямыми, $G(z) = \alpha z + \beta$ и $l(x) = a x + b$, для которых наклоны известны ей наизусть.


# %% lang="en" exercise="step"
def game_step(generator, discriminator, x, z_1, z_2, rate):
    """One step of D, then one of G. x, z_1, z_2: tensors (n, 1). Returns nothing."""
    # BEGIN SOLUTION
    with tf.GradientTape() as tape:
        real, fake = discriminator(x), discriminator(generator(z_1))
        loss = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(
            tf.nn.softplus(fake)
        )
    weights = discriminator.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(rate * gradient)

    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.softplus(-discriminator(generator(z_2))))
    weights = generator.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(rate * gradient)
    # END SOLUTION


# %% lang="ru" exercise="step"
def game_step(generator, discriminator, x, z_1, z_2, rate):
    """Ход D, затем ход G. x, z_1, z_2: тензоры (n, 1). Ничего не возвращает."""
    # BEGIN SOLUTION
    with tf.GradientTape() as tape:
        real, fake = discriminator(x), discriminator(generator(z_1))
        loss = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(
            tf.nn.softplus(fake)
        )
    weights = discriminator.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(rate * gradient)

    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.softplus(-discriminator(generator(z_2))))
    weights = generator.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(rate * gradient)
    # END SOLUTION


# %% lang="en" tests="step" points=3 tags=["nbval-check-output"]
def straight_line(slope, offset):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.set_weights([np.array([[slope]]), np.array([offset])])
    return model


def values(model):
    return np.array([float(np.ravel(weight)[0]) for weight in model.get_weights()])


def test_step(alpha, beta, a, b, rate, seed):
    source = np.random.default_rng(seed)
    x, z_1, z_2 = source.normal(size=(3, 6, 1)).astype(np.float32)
    made_1, made_2 = alpha * z_1 + beta, alpha * z_2 + beta
    d_real, d_made = expit(a * x + b), expit(a * made_1 + b)
    up = np.array(
        [np.mean((1 - d_real) * x) - np.mean(d_made * made_1), np.mean(1 - d_real - d_made)]
    )
    first = np.array([a, b]) + rate * up

    def after(kind, by):
        """alpha, beta after a step of the generator against l = by[0] x + by[1]."""
        d = expit(by[0] * made_2 + by[1])
        push = (d if kind == "minimax" else 1 - d) * by[0]
        return np.array([alpha, beta]) + rate * np.array([np.mean(push * z_2), np.mean(push)])

    generator, discriminator = straight_line(alpha, beta), straight_line(a, b)
    game_step(generator, discriminator, *map(tf.constant, (x, z_1, z_2)), rate)
    found_d, found_g = values(discriminator), values(generator)

    expect(
        not np.allclose(found_d, [a, b], atol=1e-6),
        "the discriminator has not moved.",
    )
    expect(
        not np.allclose(found_g, [alpha, beta], atol=1e-6),
        "the generator has not moved.",
    )
    expect(
        not np.allclose(found_d, np.array([a, b]) - rate * up, atol=1e-4),
        "the discriminator has stepped uphill in its loss: the sign.",
    )
    d = expit(first[0] * made_2 + first[1])
    moved = first + rate * np.array([np.mean((1 - d) * made_2), np.mean(1 - d)])
    expect(
        not np.allclose(found_d, moved, atol=1e-4),
        "the second step has moved the discriminator too: it helps the generator to deceive it.",
    )
    expect(
        np.allclose(found_d, first, atol=1e-4),
        f"the discriminator: a, b should be {np.round(first, 4)}, you have {np.round(found_d, 4)}.",
    )
    expect(
        not np.allclose(found_g, after("minimax", first), atol=1e-5),
        "the generator: this is the minimax loss; the non-saturating one is wanted.",
    )
    expect(
        not np.allclose(found_g, after("non_saturating", [a, b]), atol=1e-5),
        "the generator has played against the discriminator of before its step.",
    )
    right = after("non_saturating", first)
    expect(
        not np.allclose(found_g, 2 * np.array([alpha, beta]) - right, atol=1e-5),
        "the generator has stepped the wrong way: the sign.",
    )
    expect(
        np.allclose(found_g, right, atol=1e-5),
        f"the generator: alpha, beta should be {np.round(right, 4)}, you have {np.round(found_g, 4)}.",
    )


with check("Exercise 5"):
    test_step(alpha=0.8, beta=0.5, a=1.2, b=-0.3, rate=0.5, seed=0)
### BEGIN HIDDEN TESTS
with graded("Exercise 5"):
    test_step(alpha=-0.5, beta=1.5, a=0.7, b=0.2, rate=0.3, seed=1)
    test_step(alpha=1.1, beta=-0.4, a=-0.9, b=0.6, rate=0.7, seed=2)
### END HIDDEN TESTS

# %% lang="ru" tests="step" points=3 tags=["nbval-check-output"]
def straight_line(slope, offset):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.set_weights([np.array([[slope]]), np.array([offset])])
    return model


def values(model):
    return np.array([float(np.ravel(weight)[0]) for weight in model.get_weights()])


def test_step(alpha, beta, a, b, rate, seed):
    source = np.random.default_rng(seed)
    x, z_1, z_2 = source.normal(size=(3, 6, 1)).astype(np.float32)
    made_1, made_2 = alpha * z_1 + beta, alpha * z_2 + beta
    d_real, d_made = expit(a * x + b), expit(a * made_1 + b)
    up = np.array(
        [np.mean((1 - d_real) * x) - np.mean(d_made * made_1), np.mean(1 - d_real - d_made)]
    )
    first = np.array([a, b]) + rate * up

    def after(kind, by):
        """alpha, beta после хода генератора против l = by[0] x + by[1]."""
        d = expit(by[0] * made_2 + by[1])
        push = (d if kind == "minimax" else 1 - d) * by[0]
        return np.array([alpha, beta]) + rate * np.array([np.mean(push * z_2), np.mean(push)])

    generator, discriminator = straight_line(alpha, beta), straight_line(a, b)
    game_step(generator, discriminator, *map(tf.constant, (x, z_1, z_2)), rate)
    found_d, found_g = values(discriminator), values(generator)

    expect(
        not np.allclose(found_d, [a, b], atol=1e-6),
        "дискриминатор не сдвинулся.",
    )
    expect(
        not np.allclose(found_g, [alpha, beta], atol=1e-6),
        "генератор не сдвинулся.",
    )
    expect(
        not np.allclose(found_d, np.array([a, b]) - rate * up, atol=1e-4),
        "дискриминатор шагнул вверх по своей функции потерь: знак.",
    )
    d = expit(first[0] * made_2 + first[1])
    moved = first + rate * np.array([np.mean((1 - d) * made_2), np.mean(1 - d)])
    expect(
        not np.allclose(found_d, moved, atol=1e-4),
        "второй ход сдвинул и дискриминатор: он помогает себя обманывать.",
    )
    expect(
        np.allclose(found_d, first, atol=1e-4),
        f"дискриминатор: a, b должны быть {np.round(first, 4)}, у вас {np.round(found_d, 4)}.",
    )
    expect(
        not np.allclose(found_g, after("minimax", first), atol=1e-5),
        "генератор: это минимаксная функция потерь, а нужна ненасыщающаяся.",
    )
    expect(
        not np.allclose(found_g, after("non_saturating", [a, b]), atol=1e-5),
        "генератор сыграл против дискриминатора, каким тот был до своего хода.",
    )
    right = after("non_saturating", first)
    expect(
        not np.allclose(found_g, 2 * np.array([alpha, beta]) - right, atol=1e-5),
        "генератор шагнул не в ту сторону: знак.",
    )
    expect(
        np.allclose(found_g, right, atol=1e-5),
        f"генератор: alpha, beta должны быть {np.round(right, 4)}, у вас {np.round(found_g, 4)}.",
    )


with check("Упражнение 5"):
    test_step(alpha=0.8, beta=0.5, a=1.2, b=-0.3, rate=0.5, seed=0)
### BEGIN HIDDEN TESTS
with graded("Упражнение 5"):
    test_step(alpha=-0.5, beta=1.5, a=0.7, b=0.2, rate=0.3, seed=1)
    test_step(alpha=1.1, beta=-0.4, a=-0.9, b=0.6, rate=0.7, seed=2)
### END HIDDEN TESTS

# %% [markdown] lang="en"
# ## On your own (not graded)
#
# Below your step trains a generator on two bumps (the picture stays empty until exercise 5 is done). Then some questions that have no check:
#
# * Move the bumps apart, to $\pm 4$. Does the generator still find both? Count with your `count_modes`, for several seeds.
# * Make five steps of the discriminator for one of the generator; one of the discriminator for five of the generator. Which is worse, and why?
# * Add the penalty R1 of the lecture to the first step: a second `GradientTape` around the logits of the data, watching `x`. What does it change?
# * Train `models.GAN((28, 28, 1), filters=16)` on clothes instead of digits, and compare its samples with those of a flow trained for the same time.

# %% [markdown] lang="ru"
# ## Самостоятельно (без баллов)
#
# Ниже ваш ход обучает генератор на двух холмах (пока упражнение 5 не сделано, картинки нет). А дальше вопросы, на которые проверки нет:
#
# * Раздвиньте холмы до $\pm 4$. По-прежнему ли генератор находит оба? Посчитайте своей `count_modes` для нескольких seed.
# * Сделайте пять ходов дискриминатора на один ход генератора; один ход дискриминатора на пять ходов генератора. Что хуже и почему?
# * Добавьте в первый ход штраф R1 из лекции: второй `GradientTape` вокруг логитов данных, который следит за `x`. Что изменилось?
# * Обучите `models.GAN((28, 28, 1), filters=16)` на одежде вместо цифр и сравните её сэмплы с сэмплами потока, который учили столько же.

# %% alt_en="The filled curve of the data with two bumps and a histogram of what the generator makes, which covers them." alt_ru="Закрашенная кривая данных с двумя холмами и гистограмма того, что делает генератор; она накрывает холмы."
def tanh_network(seed):
    start = [keras.initializers.GlorotUniform(seed=seed + i) for i in range(3)]
    return keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(32, "tanh", kernel_initializer=start[0]),
            keras.layers.Dense(32, "tanh", kernel_initializer=start[1]),
            keras.layers.Dense(1, kernel_initializer=start[2]),
        ]
    )


def play(steps, n=256):
    """The trained generator's numbers, (2000,); None while exercise 5 is not done."""
    generator, discriminator = tanh_network(0), tanh_network(10)
    source = np.random.default_rng(0)
    move = tf.function(
        lambda x, z_1, z_2: game_step(generator, discriminator, x, z_1, z_2, 0.1),
        autograph=False,
    )
    for _ in range(steps):
        x = source.choice([-1.5, 1.5], (n, 1)) + 0.4 * source.standard_normal((n, 1))
        z_1, z_2 = source.standard_normal((2, n, 1))
        try:
            move(*(tf.constant(part, tf.float32) for part in (x, z_1, z_2)))
        except NotImplementedError:
            return None
    return generator(source.standard_normal((2000, 1)).astype(np.float32)).numpy()[:, 0]


numbers = play({"smoke": 50, "laptop": 4000, "gpu": 4000}[profile])
if numbers is not None:
    line = np.linspace(-4, 4, 200)
    density = (stats.norm.pdf(line, -1.5, 0.4) + stats.norm.pdf(line, 1.5, 0.4)) / 2
    figure, axis = plt.subplots(figsize=(6, 2.6), layout="constrained")
    axis.fill_between(line, density, color="#7fb7c9", alpha=0.6)
    axis.hist(numbers, bins=60, range=(-4, 4), density=True, histtype="step", color="k")
    axis.set(xlabel="$x$")
