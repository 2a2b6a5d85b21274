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
# # Лабораторная: PixelCNN
#
# Шесть упражнений к [лекции](../../lectures/ru/06_pixelcnn.ipynb), 10 баллов, 60–90 минут. Начнём с маски, а закончим искателем слепых пятен.
#
# **Как это устроено.** Пишите код там, где в ячейке стоит `ваш код здесь`, а строку `raise NotImplementedError(...)` удаляйте. Ячейка под упражнением сразу проверит: **✓** верно, **✗** неверно, и почему, **…** ещё не сделано. Блокнот она не останавливает, так что *Run All* всегда дойдёт до конца. При выставлении баллов те же проверки запускаются с другими числами.
#
# | упражнение | баллы |
# |---|---|
# | 1. Маска | 1 |
# | 2. Температура | 1 |
# | 3. Правдоподобие текста | 2 |
# | 4. Логистический закон с краями | 2 |
# | 5. Цикл сэмплирования | 2 |
# | 6. Искатель слепых пятен | 2 |

# %%
import itertools

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import special

from dgm_tfp import data
from dgm_tfp.exercises import check, expect, graded

rng = np.random.default_rng(0)


# %% [markdown]
# ## Упражнение 1. Маска (1 балл)
#
# Напишите маску ядра нечётного размера: 1 там, куда пикселю смотреть можно, 0 в остальных местах. Пиксели идут строка за строкой, слева направо. Вид `"A"` — для первого слоя, вид `"B"` — для всех остальных.

# %% nbgrader={"grade": false, "grade_id": "mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def make_mask(size, kind):
    """size: нечётное; kind: "A" или "B". Возвращает массив (size, size) из нулей и единиц."""
    # BEGIN SOLUTION
    mask, middle = np.zeros((size, size)), size // 2
    mask[:middle] = 1
    mask[middle, : middle + (kind == "B")] = 1
    return mask
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "mask-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_mask(size):
    before = np.arange(size**2).reshape(size, size) < size**2 // 2
    for kind in ("A", "B"):
        mask = np.asarray(make_mask(size, kind))
        expect(
            mask.shape == (size, size),
            f"размер {mask.shape}, а нужно ядро {size} x {size}.",
        )
        centre = mask[size // 2, size // 2]
        rest = mask.copy()
        rest[size // 2, size // 2] = 0
        expect(
            not rest[~before].any(),
            f"маска {kind}: {int(rest[~before].sum())} оставленных мест при чтении строка за строкой стоят после центра.",
        )
        expect(
            kind == "B" or centre == 0,
            "маска A оставляет центр: в первом слое там сам пиксель.",
        )
        expect(
            kind == "A" or centre == 1,
            "маска B отбрасывает центр: после первого слоя там то, что место знает о предыдущих пикселях.",
        )
        expect(
            np.array_equal(rest, before),
            f"маска {kind} отбрасывает места, стоящие до центра: таких {int(before.sum() - rest.sum())}.",
        )


with check("Упражнение 1"):
    test_mask(3)
    test_mask(5)
### BEGIN HIDDEN TESTS
with graded("Упражнение 1"):
    test_mask(7)
    test_mask(1)
### END HIDDEN TESTS

# %% [markdown]
# ## Упражнение 2. Температура (1 балл)
#
# Чтобы текст выходил смелее или осторожнее, каждый закон заменяют на пропорциональный $p_v^{1/T}$. Сеть даёт логиты $a_v$, причём $p = \operatorname{softmax}(a)$. Верните новые вероятности. Логиты бывают большими, до 1000.

# %% nbgrader={"grade": false, "grade_id": "temperature", "locked": false, "schema_version": 3, "solution": true, "task": false}
def with_temperature(logits, T):
    """logits: (n, V); T: число больше 0. Возвращает вероятности (n, V)."""
    # BEGIN SOLUTION
    return special.softmax(logits / T, axis=1)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "temperature-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_temperature(logits, T):
    answer = np.asarray(with_temperature(logits, T))
    expect(
        answer.shape == logits.shape,
        f"на входе логиты {logits.shape}, на выходе числа {answer.shape}.",
    )
    expect(
        np.isfinite(answer).all(),
        f"nan: наибольший логит здесь {logits.max():.0f}, и экспонента его не помещается в число.",
    )
    sums = answer.sum(axis=1)
    expect(
        np.allclose(sums, 1),
        f"при T = {T} строка в сумме даёт {sums[0]:.3f}, а не 1.",
    )
    truth = special.softmax(logits / T, axis=1)
    expect(
        not np.allclose(answer, special.softmax(logits * T, axis=1))
        or np.allclose(truth, special.softmax(logits * T, axis=1)),
        f"T = {T} действует как 1 / T: низкая температура должна делать вероятное вероятнее.",
    )
    expect(
        np.allclose(answer, truth),
        f"T = {T}: степень 1 / T от p, нормированная по строке, на первом месте равна {truth[0, 0]:.3f}; у вас {answer[0, 0]:.3f}.",
    )


with check("Упражнение 2"):
    test_temperature(rng.normal(size=(3, 5)), 0.5)
    test_temperature(1000 + rng.normal(size=(2, 4)), 1.2)
### BEGIN HIDDEN TESTS
with graded("Упражнение 2"):
    source = np.random.default_rng(1)
    for T in (0.3, 1.0, 1.7):
        test_temperature(source.normal(size=(4, 6)), T)
    test_temperature(3000 * source.normal(size=(4, 6)), 1.5)
### END HIDDEN TESTS

# %% [markdown]
# ## Упражнение 3. Правдоподобие текста (2 балла)
#
# Рекуррентная сеть прочитала тексты `tokens` размера $(n, T)$ слева направо. Сразу после символа на месте $t$ (считая с 0) она выдала логиты `logits[:, t]`. До всякого чтения она выдала бы `start`, для всех текстов одно и то же. Напишите $\log p$ каждого текста в натах:
#
# $$\log p(x) = \sum_{t=0}^{T-1} \log p(x_t \mid x_{<t}).$$
#
# Какие логиты относятся к $p(x_t \mid x_{<t})$? Функция `special.log_softmax(a, axis=-1)` превращает логиты в логарифмы вероятностей.

# %% nbgrader={"grade": false, "grade_id": "text", "locked": false, "schema_version": 3, "solution": true, "task": false}
def text_log_prob(tokens, logits, start):
    """tokens: (n, T), целые 0..V-1; logits: (n, T, V); start: (V,). Возвращает (n,)."""
    # BEGIN SOLUTION
    first = np.broadcast_to(start, (len(tokens), 1, len(start)))
    laws = special.log_softmax(np.concatenate([first, logits[:, :-1]], axis=1), axis=-1)
    return np.take_along_axis(laws, tokens[:, :, None], axis=2)[:, :, 0].sum(axis=1)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "text-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def random_reader(V, seed):
    """Рекуррентная сеть со случайными весами: tokens (n, T) -> логиты (n, T, V), а также start (V,)."""
    source = np.random.default_rng(seed)
    U, W, R = (source.normal(size=size) for size in ((8, 8), (V, 8), (8, V)))

    def read(tokens):
        h, outputs = np.ones((len(tokens), 8)), []
        for t in range(tokens.shape[1]):
            h = np.tanh(h @ U + W[tokens[:, t]])
            outputs.append(2 * h @ R)
        return np.stack(outputs, axis=1)

    return read, np.ones(8) @ R


def test_text(V, T, seed):
    read, start = random_reader(V, seed)
    tokens = np.array(list(itertools.product(range(V), repeat=T)))  # все тексты
    logits = read(tokens)
    answer = np.asarray(text_log_prob(tokens, logits, start))
    expect(
        answer.shape == (len(tokens),),
        f"на входе {len(tokens)} текстов, размер ответа {answer.shape}; у каждого свой log p.",
    )

    def factors(laws):
        return np.stack([laws[range(len(tokens)), t, tokens[:, t]] for t in range(T)], axis=1)

    own = special.log_softmax(logits, axis=-1)
    first = np.broadcast_to(special.log_softmax(start), (len(tokens), 1, V))
    shifted = factors(np.concatenate([first, own[:, :-1]], axis=1))
    truth, peeking = shifted.sum(axis=1), factors(own)
    expect(
        not np.allclose(answer, peeking.sum(axis=1))
        and not np.allclose(answer, peeking[:, 1:].sum(axis=1) + shifted[:, 0]),
        "логиты на месте t символ на месте t уже прочитали, а их о нём и спрашивают: нужен сдвиг на один.",
    )
    expect(
        not np.allclose(answer, truth - shifted[:, 0]),
        "пропал множитель первого символа: его закон — start.",
    )
    expect(
        not np.allclose(answer, truth / T),
        "это среднее по местам; логарифм произведения — сумма.",
    )
    total = np.exp(answer).sum()
    expect(
        np.isclose(total, 1),
        f"вероятности всех {len(tokens)} текстов в сумме дают {total:.3f}, а не 1: нормирован ли каждый закон и для того ли символа он взят?",
    )
    expect(
        np.allclose(answer, truth),
        f"сумма по всем текстам 1, но у текста {tokens[0]} log p = {truth[0]:.3f}, а не {answer[0]:.3f}.",
    )


with check("Упражнение 3"):
    test_text(3, 3, 0)
    test_text(2, 5, 1)
### BEGIN HIDDEN TESTS
with graded("Упражнение 3"):
    test_text(4, 3, 2)
    test_text(2, 7, 3)
### END HIDDEN TESTS

# %% [markdown]
# ## Упражнение 4. Логистический закон с краями (2 балла)
#
# Яркость — непрерывная величина $y$ с функцией распределения $\sigma\bigl((y - \mu)/s\bigr)$; её округлили до ближайшего целого и обрезали до $0, \dots, L - 1$. Напишите $\log P(x)$ для каждого $x$. Первому и последнему значению достаётся всё, что обрезано. $\sigma$ — это `special.expit`.

# %% nbgrader={"grade": false, "grade_id": "edges", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_mass(x, mu, s, L):
    """x: (n,), целые 0..L-1; mu, s: числа, s > 0. Возвращает log P(x), (n,)."""
    # BEGIN SOLUTION
    above = np.where(x == L - 1, 1.0, special.expit((x + 0.5 - mu) / s))
    below = np.where(x == 0, 0.0, special.expit((x - 0.5 - mu) / s))
    return np.log(above - below)
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "edges-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_edges(mu, s, L):
    x = np.arange(L)
    answer = np.asarray(log_mass(x, mu, s, L))
    expect(
        answer.shape == (L,),
        f"на входе {L} значений, размер ответа {answer.shape}.",
    )
    expect(
        np.isfinite(answer).all(),
        "log P где-то nan или бесконечность: из верхней ли границы ячейки вычитается нижняя, а не наоборот?",
    )
    cdf = special.expit((np.arange(L + 1) - 0.5 - mu) / s)
    bare = np.diff(cdf)
    total = np.exp(answer).sum()
    expect(
        not np.allclose(np.exp(answer), bare),
        f"при mu = {mu}, s = {s} сумма равна {total:.3f}, а не 1: нет краёв.",
    )
    z = (x - mu) / s
    expect(
        not np.allclose(np.exp(answer)[1:-1], (special.expit(z) * special.expit(-z) / s)[1:-1]),
        "это плотность в точке x; а спрашивают вероятность целой ячейки.",
    )
    cdf[0], cdf[-1] = 0, 1
    moved = np.diff([0, *special.expit((np.arange(1, L) - mu) / s), 1])
    expect(
        not np.allclose(np.exp(answer), moved),
        "ячейка x тянется от x - 1/2 до x + 1/2: y округляют до ближайшего целого, а не вниз.",
    )
    expect(
        np.isclose(total, 1),
        f"при mu = {mu}, s = {s} сумма равна {total:.3f}, а не 1: забирают ли оба края свои хвосты?",
    )
    expect(
        np.allclose(np.exp(answer), np.diff(cdf)),
        f"при mu = {mu}, s = {s} P(0) равна {cdf[1]:.3f}; у вас {np.exp(answer[0]):.3f}.",
    )


with check("Упражнение 4"):
    test_edges(1.2, 0.9, 4)
    test_edges(13.0, 3.0, 16)
### BEGIN HIDDEN TESTS
with graded("Упражнение 4"):
    test_edges(-2.0, 1.5, 8)
    test_edges(200.0, 25.0, 256)
### END HIDDEN TESTS

# %% [markdown]
# ## Упражнение 5. Цикл сэмплирования (2 балла)
#
# `laws(images)` принимает $(n, h, w)$ целых чисел и возвращает $(n, h, w, L)$ вероятностей: закон каждого пикселя при данных предыдущих, какими они были на показанных картинках. Строки идут одна за другой, каждая слева направо. Нарисуйте $n$ картинок. Случайность берите из `u`, равномерных чисел $(n, h, w)$, по одному на пиксель, с помощью функции `draw`. Проверка считает проходы.

# %%
def draw(p, u):
    """(n, L), (n,) -> (n,), by the inverse distribution function."""
    return np.minimum((np.cumsum(p, axis=1) <= u[:, None]).sum(axis=1), p.shape[1] - 1)


class Laws:
    """Random laws of pixels: each depends on its left neighbour and on those above."""

    def __init__(self, L, seed):
        self.table = np.random.default_rng(seed).normal(size=(3, L, L))
        self.L, self.passes = L, 0

    def __call__(self, images):
        self.passes += 1
        padded = np.pad(np.asarray(images).astype(int) % self.L, ((0, 0), (1, 0), (1, 1)))
        left, up, corner = padded[:, 1:, :-2], padded[:, :-1, 1:-1], padded[:, :-1, 2:]
        looks = zip(self.table, (left, up, corner), strict=True)
        return special.softmax(sum(t[seen] for t, seen in looks), axis=-1)


# %% nbgrader={"grade": false, "grade_id": "sampling", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sample(laws, u):
    """laws: (n, h, w) -> (n, h, w, L); u: (n, h, w). Возвращает картинки (n, h, w), целые числа."""
    # BEGIN SOLUTION
    images = np.zeros(u.shape, int)
    for r, c in np.ndindex(u.shape[1:]):
        images[:, r, c] = draw(laws(images)[:, r, c], u[:, r, c])
    return images
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "sampling-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_sampling(n, h, w, L, seed):
    u = np.random.default_rng(seed).uniform(size=(n, h, w))
    laws = Laws(L, seed)
    answer = np.asarray(sample(laws, u))
    passes = laws.passes
    expect(
        answer.shape == (n, h, w),
        f"нужно {n} картинок {h} x {w}, а размер {answer.shape}.",
    )
    expect(
        passes >= h * w,
        f"пикселей {h * w}, проходов {passes}: закон пикселя можно спросить, только когда предыдущие уже нарисованы.",
    )

    def in_order(order, choose):
        images = np.zeros((n, h, w), int)
        for r, c in order:
            images[:, r, c] = choose(laws(images)[:, r, c], u[:, r, c])
        return images

    rows = list(np.ndindex(h, w))
    columns = [(r, c) for c in range(w) for r in range(h)]
    expect(
        not np.array_equal(answer, in_order(columns, draw)),
        "пиксели нарисованы столбец за столбцом, а сеть рассчитана на строки.",
    )
    expect(
        not np.array_equal(answer, in_order(rows, lambda p, u: p.argmax(axis=1))),
        "у каждого пикселя самое вероятное значение, u не использовано: это одна картинка, а не сэмпл.",
    )
    truth = in_order(rows, draw)
    expect(
        np.array_equal(answer, truth),
        f"{np.mean(answer != truth):.0%} пикселей не такие, как в цикле. Взят ли каждый из закона на своём месте и после всех предыдущих?",
    )


with check("Упражнение 5"):
    test_sampling(5, 3, 4, 4, 0)
### BEGIN HIDDEN TESTS
with graded("Упражнение 5"):
    test_sampling(4, 5, 3, 3, 1)
    test_sampling(3, 2, 6, 5, 2)
### END HIDDEN TESTS

# %% [markdown]
# ## Упражнение 6. Искатель слепых пятен (2 балла)
#
# `network` принимает тензор $(n, S, S, 1)$ и возвращает такой же; выход пикселя должен видеть только то, что при чтении строка за строкой стоит до него. Найдите, чего он *не* видит: верните таблицу $(S, S)$ логических значений, где истина стоит у пикселей, которые идут **до** (row, column) и на выход в (row, column) не влияют. Понадобится `tf.GradientTape`. Берегитесь производных, которые равны нулю случайно.

# %%
class Network:
    """Masked convolutions with random weights. gap: cut one more place of the first mask."""

    def __init__(self, layers, size=3, seed=0, gap=None):
        source, before = np.random.default_rng(seed), np.arange(size**2) < size**2 // 2
        middle = np.arange(size**2) == size**2 // 2
        self.kernels = []
        for k in range(layers):
            mask = (before | middle if k else before).astype(float)
            if gap is not None and k == 0:
                mask[gap] = 0
            shape = (size, size, 4 if k else 1, 4 if k + 1 < layers else 1)
            kernel = source.normal(size=shape) * mask.reshape(size, size, 1, 1)
            self.kernels.append(tf.constant(kernel, tf.float32))

    def __call__(self, x):
        x = tf.cast(x, tf.float32) ** 2  # flat at 0
        for k, kernel in enumerate(self.kernels):
            x = tf.nn.conv2d(tf.tanh(x) if k else x, kernel, 1, "SAME")
        return x


# %% nbgrader={"grade": false, "grade_id": "blind-spot", "locked": false, "schema_version": 3, "solution": true, "task": false}
def blind_spot(network, row, column, S):
    """Каких пикселей до (row, column) не видит её выход: bool (S, S)."""
    # BEGIN SOLUTION
    images = tf.random.stateless_uniform((8, S, S, 1), seed=(row, column), minval=0.1)
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = network(images)[:, row, column]
    slopes = tape.gradient(output, images)
    seen = np.abs(slopes).max(axis=(0, 3)) > 0
    before = np.arange(S * S).reshape(S, S) < row * S + column
    return before & ~seen
    # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "blind-spot-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def by_surgery(network, row, column, S):
    """То же без градиентов: меняем пиксели один за другим."""
    images = np.full((S * S + 1, S, S, 1), 0.5, np.float32)
    images[range(S * S), np.arange(S * S) // S, np.arange(S * S) % S] = 0.9
    output = np.asarray(network(images))[:, row, column, 0]
    seen = (np.abs(output[:-1] - output[-1]) > 0).reshape(S, S)
    return (np.arange(S * S).reshape(S, S) < row * S + column) & ~seen


def test_blind_spot(network, row, column, S):
    answer = np.asarray(blind_spot(network, row, column, S))
    expect(
        answer.shape == (S, S) and answer.dtype == bool,
        f"нужна таблица из bool размера {(S, S)}; у вас {answer.dtype}, {answer.shape}.",
    )
    truth, place = by_surgery(network, row, column, S), (row, column)
    before = np.arange(S * S).reshape(S, S) < row * S + column
    expect(
        not (answer & ~before).any(),
        f"{place}: {(answer & ~before).sum()} отмеченных пикселей не стоят до него, и видеть их он не обязан.",
    )
    expect(
        not np.array_equal(answer, before) or np.array_equal(truth, before),
        "слепым выходит всё: на нулевой картинке производная этой сети равна нулю, что бы она ни видела. Возьмите случайные картинки.",
    )
    expect(
        not np.array_equal(answer, before & ~truth) or not truth.any(),
        f"{place}: отмечено то, что он видит, а нужно то, чего не видит.",
    )
    missed, false = (truth & ~answer).sum(), (answer & ~truth).sum()
    expect(
        not missed,
        f"{place}: не отмечено пикселей, которых этот выход не видит: {missed}. Берётся ли производная одного этого выхода, в (row, column)?",
    )
    expect(
        not false,
        f"{place}: отмечены пиксели, которые на самом деле видны: {false}.",
    )


with check("Упражнение 6"):
    test_blind_spot(Network(6), 3, 3, 7)
    test_blind_spot(Network(3, seed=1), 4, 2, 6)
    view = blind_spot(Network(6), 3, 3, 7)
### BEGIN HIDDEN TESTS
with graded("Упражнение 6"):
    test_blind_spot(Network(2, size=5, seed=2), 5, 3, 8)
    test_blind_spot(Network(1, size=5, seed=3, gap=7), 4, 4, 9)
    test_blind_spot(Network(4, seed=4), 2, 4, 6)
### END HIDDEN TESTS

# %% [markdown]
# ## Самостоятельно (без баллов)
#
# Ниже ваш цикл из упражнения 5 рисует по *посчитанным* законам: цифры 14 x 14 с четырьмя уровнями, закон пикселя при данном соседе слева, сверху или при нескольких соседях сразу (пусто, пока упражнение 5 не сделано). А дальше вопросы, на которые проверки нет:
#
# * Сколько нужно соседей, чтобы появились штрихи? А цифры? Почему с какого-то момента таблице счётчиков новые соседи уже не помогают?
# * Посчитайте по одному классу или включите в контекст место пикселя. Сколько вы выиграли в битах на размерность и на глаз?
# * Поставьте `with_temperature` между `laws` и `draw`. Что будет с картинками при T = 0.5 и T = 2?
# * Оставьте верхнюю половину настоящей цифры, и пусть цикл дорисует только нижнюю.
# * При каких размерах ядра и глубинах `blind_spot` из упражнения 6 на картинке 7 x 7 окажется пустым? Есть ли такие?
# * Обучите `models.PixelCNN` из `dgm_tfp` со `stack="masked"` и со `stack="gated"` за одно и то же время. Сколько стоит слепое пятно в битах на размерность?

# %%
def counted_laws(images, looks, L=4):
    """Законы пикселя при данных соседях в (вниз, вправо), посчитанные по картинкам (n, h, w)."""

    def context(images):
        padded, number = np.pad(images, ((0, 0), (2, 0), (2, 2))), 0
        h, w = images.shape[1:]
        for down, right in looks:
            number = number * L + padded[:, 2 + down : 2 + down + h, 2 + right : 2 + right + w]
        return number

    pairs = (context(images) * L + images).ravel()
    table = np.bincount(pairs, minlength=L ** (len(looks) + 1)).reshape(-1, L) + 0.01
    table = table / table.sum(axis=1, keepdims=True)
    return lambda images: table[context(images)]


digits = data.load("mnist", "train", source="embedded", verbose=False).images
digits = (digits.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)) // 64).astype(int)
near = [(0, -1), (-1, 0), (-1, 1), (-1, -1), (0, -2), (-2, 0), (-1, 2), (-2, 1)]
u, rows = rng.uniform(size=(10, 14, 14)), []
try:
    for count in (1, 2, 4, 8):
        drawn = sample(counted_laws(digits, near[:count]), u)
        rows.append(np.concatenate(list(drawn), axis=1))
except Exception:  # упражнение 5 ещё не сделано или неверно
    rows = []
if rows:
    figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
    axis.imshow(np.concatenate(rows), cmap="gray", vmin=0, vmax=3)
    axis.set_yticks([7, 21, 35, 49], ["1", "2", "4", "8"])
    axis.set(xticks=[], ylabel="соседей")
