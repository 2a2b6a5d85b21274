# %% [markdown] lang="en"
# # Lab: MAF and IAF
#
# Six exercises after the [lecture](../../lectures/en/03_maf_iaf.ipynb), 10 points, 60 to 90 minutes. You start with one line and end with a sampler that computes every hidden unit once.
#
# **How it works.** Put your code where a cell says `your code here`, and delete the line `raise NotImplementedError(...)`. The cell below each exercise checks you at once: **✓** right, **✗** wrong, and why, **…** not done yet. It never stops the notebook, so *Run All* always reaches the end. The grader runs the same checks on other numbers.
#
# | exercise | points |
# |---|---|
# | 1. A log-likelihood | 1 |
# | 2. Masks from degrees | 2 |
# | 3. The sampling loop | 2 |
# | 4. IAF from MAF | 2 |
# | 5. A condition | 1 |
# | 6. Each unit once | 2 |

# %% [markdown] lang="ru"
# # Лабораторная: MAF и IAF
#
# Шесть упражнений к [лекции](../../lectures/ru/03_maf_iaf.ipynb), 10 баллов, 60–90 минут. Начнём с одной строки, а закончим сэмплированием, которое вычисляет каждый скрытый нейрон один раз.
#
# **Как это устроено.** Пишите код там, где в ячейке стоит `ваш код здесь`, а строку `raise NotImplementedError(...)` удаляйте. Ячейка под упражнением сразу проверит: **✓** верно, **✗** неверно, и почему, **…** ещё не сделано. Блокнот она не останавливает, так что *Run All* всегда дойдёт до конца. При выставлении баллов те же проверки запускаются с другими числами.
#
# | упражнение | баллы |
# |---|---|
# | 1. Логарифм правдоподобия | 1 |
# | 2. Маски по степеням | 2 |
# | 3. Цикл сэмплирования | 2 |
# | 4. IAF из MAF | 2 |
# | 5. Условие | 1 |
# | 6. Каждый нейрон один раз | 2 |

# %%
import itertools
import time

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from dgm_tfp.exercises import check, expect, graded

rng = np.random.default_rng(0)


def numeric_jacobian(function, point, step=1e-5):
    """The matrix (D, D) of derivatives of function: (n, D) -> (n, D) at one point (D,)."""
    steps = step * np.eye(len(point))
    return (function(point + steps) - function(point - steps)).T / (2 * step)

# %% [markdown] lang="en"
# ## Exercise 1. A log-likelihood (1 point)
#
# The network has done its work: for a batch $x$ of shape $(n, D)$ it has returned all shifts $t_d(x_{<d})$ and all log-scales $s_d(x_{<d})$, two arrays of the same shape. Write $\log p_x$ of every row for
#
# $$z_d = \bigl(x_d - t_d(x_{<d})\bigr) \exp\bigl(-s_d(x_{<d})\bigr), \qquad z \sim \mathcal N(0, I).$$
#
# `stats.norm.logpdf(z)` gives the logarithm of the standard normal density, element by element.

# %% [markdown] lang="ru"
# ## Упражнение 1. Логарифм правдоподобия (1 балл)
#
# Сеть своё дело сделала: по батчу $x$ размера $(n, D)$ она вернула все сдвиги $t_d(x_{<d})$ и все логарифмы масштабов $s_d(x_{<d})$, два массива того же размера. Напишите $\log p_x$ каждой строки для
#
# $$z_d = \bigl(x_d - t_d(x_{<d})\bigr) \exp\bigl(-s_d(x_{<d})\bigr), \qquad z \sim \mathcal N(0, I).$$
#
# Логарифм стандартной нормальной плотности, поэлементно, даёт `stats.norm.logpdf(z)`.

# %% lang="en" exercise="log-prob"
def maf_log_prob(x, t, s):
    """log p_x of each row, in nats. x, t, s: (n, D). Returns (n,)."""
    # BEGIN SOLUTION
    z = (x - t) * np.exp(-s)
    return stats.norm.logpdf(z).sum(axis=1) - s.sum(axis=1)
    # END SOLUTION

# %% lang="ru" exercise="log-prob"
def maf_log_prob(x, t, s):
    """log p_x каждой строки в натах. x, t, s: (n, D). Возвращает (n,)."""
    # BEGIN SOLUTION
    z = (x - t) * np.exp(-s)
    return stats.norm.logpdf(z).sum(axis=1) - s.sum(axis=1)
    # END SOLUTION

# %% lang="en" tests="log-prob" points=1 tags=["nbval-check-output"]
def test_log_prob(x, t, s):
    answer = maf_log_prob(x, t, s)
    expect(
        np.shape(answer) == (len(x),),
        f"{len(x)} rows came in, the shape {np.shape(answer)} went out; each row has its own log p.",
    )
    truth = stats.norm.logpdf(x, t, np.exp(s)).sum(axis=1)  # the product of the conditionals
    total = s.sum(axis=1)
    expect(
        not np.allclose(answer, truth + total),
        "this is log p_z(z) alone: the log-determinant is missing.",
    )
    expect(
        not np.allclose(answer, truth + 2 * total),
        "the log-determinant has the wrong sign. Where s is large, is the data squeezed or stretched on the way to noise?",
    )
    expect(
        np.allclose(answer, truth),
        f"row 0: the product of the normal densities of its coordinates gives {truth[0]:.3f}, you have {answer[0]:.3f}. Is z = (x - t) exp(-s)?",
    )


with check("Exercise 1"):
    test_log_prob(*rng.normal(size=(3, 4, 3)))
### BEGIN HIDDEN TESTS
with graded("Exercise 1"):
    test_log_prob(*np.random.default_rng(1).normal(size=(3, 6, 5)))
    test_log_prob(*np.random.default_rng(2).normal(size=(3, 2, 1)))
### END HIDDEN TESTS

# %% lang="ru" tests="log-prob" points=1 tags=["nbval-check-output"]
def test_log_prob(x, t, s):
    answer = maf_log_prob(x, t, s)
    expect(
        np.shape(answer) == (len(x),),
        f"на входе {len(x)} строк, размер ответа {np.shape(answer)}; у каждой строки свой log p.",
    )
    truth = stats.norm.logpdf(x, t, np.exp(s)).sum(axis=1)  # произведение условных плотностей
    total = s.sum(axis=1)
    expect(
        not np.allclose(answer, truth + total),
        "это один log p_z(z): логарифма якобиана нет.",
    )
    expect(
        not np.allclose(answer, truth + 2 * total),
        "у логарифма якобиана не тот знак. Где s велика, там на пути к шуму данные сжимают или растягивают?",
    )
    expect(
        np.allclose(answer, truth),
        f"строка 0: произведение нормальных плотностей координат даёт {truth[0]:.3f}, у вас {answer[0]:.3f}. Верно ли, что z = (x - t) exp(-s)?",
    )


with check("Упражнение 1"):
    test_log_prob(*rng.normal(size=(3, 4, 3)))
### BEGIN HIDDEN TESTS
with graded("Упражнение 1"):
    test_log_prob(*np.random.default_rng(1).normal(size=(3, 6, 5)))
    test_log_prob(*np.random.default_rng(2).normal(size=(3, 2, 1)))
### END HIDDEN TESTS

# %% [markdown] lang="en"
# ## Exercise 2. Masks from degrees (2 points)
#
# `degrees` is a list of arrays: first the degrees of the $D$ inputs (a permutation of $1, \dots, D$: the place of each in the order), then those of each hidden layer. The outputs have the same degrees as the inputs. Return the list of masks, one for each kernel: mask $k$ leads from layer $k$ (rows) to layer $k + 1$ (columns), and the last one to the outputs. An element is true where the connection stays.

# %% [markdown] lang="ru"
# ## Упражнение 2. Маски по степеням (2 балла)
#
# `degrees` — список массивов: сначала степени $D$ входов (перестановка чисел $1, \dots, D$: место каждого входа в порядке), затем степени каждого скрытого слоя. У выходов те же степени, что у входов. Верните список масок, по одной на матрицу весов: маска $k$ ведёт из слоя $k$ (строки) в слой $k + 1$ (столбцы), последняя — к выходам. Элемент истинен там, где связь остаётся.

# %% lang="en" exercise="masks"
def make_masks(degrees):
    """degrees: of the inputs (D,), then of each hidden layer. Returns a list of bool arrays."""
    # BEGIN SOLUTION
    masks = [
        after[None, :] >= before[:, None]
        for before, after in itertools.pairwise(degrees)
    ]
    return [*masks, degrees[0][None, :] > degrees[-1][:, None]]
    # END SOLUTION

# %% lang="ru" exercise="masks"
def make_masks(degrees):
    """degrees: входов (D,), затем каждого скрытого слоя. Возвращает список булевых массивов."""
    # BEGIN SOLUTION
    masks = [
        after[None, :] >= before[:, None]
        for before, after in itertools.pairwise(degrees)
    ]
    return [*masks, degrees[0][None, :] > degrees[-1][:, None]]
    # END SOLUTION

# %% lang="en" tests="masks" points=2 tags=["nbval-check-output"]
def count_paths(masks):
    """How many uncut paths lead from each input (row) to each output (column)."""
    return np.linalg.multi_dot([np.asarray(mask).astype(int) for mask in masks])


def test_masks(order, hidden):
    degrees = [np.argsort(order) + 1, *hidden]
    masks = make_masks(degrees)
    expect(
        len(masks) == len(degrees),
        f"{len(degrees) - 1} hidden layers need {len(degrees)} masks, the last one to the outputs; you have {len(masks)}.",
    )
    widths = [len(layer) for layer in (*degrees, degrees[0])]
    for k, mask in enumerate(masks):
        wanted = widths[k], widths[k + 1]
        expect(
            np.shape(mask) == wanted,
            f"mask {k} leads from {wanted[0]} units (rows) to {wanted[1]} (columns); its shape is {np.shape(mask)}.",
        )
    paths = count_paths(masks)[order][:, order]  # as the coordinates come
    expect(
        not np.diag(paths).any(),
        "an output hears its own coordinate. Which of the inequalities is strict?",
    )
    expect(
        not np.tril(paths).any(),
        "an output hears a coordinate that comes after it. Which unit may listen to which?",
    )
    for k, (before, after) in enumerate(itertools.pairwise(degrees)):
        expect(
            np.sum(masks[k]) == sum(int(m >= i) for i in before for m in after),
            f"mask {k} cuts connections that may stay: a hidden unit may listen to one that knows as much as itself.",
        )
    expect(
        np.sum(masks[-1]) == sum(int(d > m) for d in degrees[0] for m in degrees[-1]),
        "the last mask cuts connections that may stay: an output may listen to every unit that knows less than its coordinate.",
    )


with check("Exercise 2"):
    test_masks(np.arange(4), [np.array([1, 2, 3, 1, 2, 3])])
    test_masks(np.array([2, 0, 3, 1]), [np.array([3, 1, 2, 2, 1])] * 2)
### BEGIN HIDDEN TESTS
with graded("Exercise 2"):
    source = np.random.default_rng(3)
    for depth in (1, 2, 3):
        test_masks(source.permutation(6), list(source.integers(1, 6, size=(depth, 9))))
### END HIDDEN TESTS

# %% lang="ru" tests="masks" points=2 tags=["nbval-check-output"]
def count_paths(masks):
    """Сколько целых путей ведёт от каждого входа (строка) к каждому выходу (столбец)."""
    return np.linalg.multi_dot([np.asarray(mask).astype(int) for mask in masks])


def test_masks(order, hidden):
    degrees = [np.argsort(order) + 1, *hidden]
    masks = make_masks(degrees)
    expect(
        len(masks) == len(degrees),
        f"скрытых слоёв {len(degrees) - 1}, масок нужно {len(degrees)}, последняя к выходам; у вас {len(masks)}.",
    )
    widths = [len(layer) for layer in (*degrees, degrees[0])]
    for k, mask in enumerate(masks):
        wanted = widths[k], widths[k + 1]
        expect(
            np.shape(mask) == wanted,
            f"маска {k} ведёт от {wanted[0]} нейронов (строки) к {wanted[1]} (столбцы), а её размер {np.shape(mask)}.",
        )
    paths = count_paths(masks)[order][:, order]  # в порядке следования координат
    expect(
        not np.diag(paths).any(),
        "выход слышит собственную координату. Какое из неравенств строгое?",
    )
    expect(
        not np.tril(paths).any(),
        "выход слышит координату, которая идёт после него. Кто кого вправе слушать?",
    )
    for k, (before, after) in enumerate(itertools.pairwise(degrees)):
        expect(
            np.sum(masks[k]) == sum(int(m >= i) for i in before for m in after),
            f"маска {k} рвёт связи, которые могут остаться: скрытый нейрон вправе слушать того, кто знает столько же.",
        )
    expect(
        np.sum(masks[-1]) == sum(int(d > m) for d in degrees[0] for m in degrees[-1]),
        "последняя маска рвёт связи, которые могут остаться: выход вправе слушать всех, кто знает меньше его координаты.",
    )


with check("Упражнение 2"):
    test_masks(np.arange(4), [np.array([1, 2, 3, 1, 2, 3])])
    test_masks(np.array([2, 0, 3, 1]), [np.array([3, 1, 2, 2, 1])] * 2)
### BEGIN HIDDEN TESTS
with graded("Упражнение 2"):
    source = np.random.default_rng(3)
    for depth in (1, 2, 3):
        test_masks(source.permutation(6), list(source.integers(1, 6, size=(depth, 9))))
### END HIDDEN TESTS

# %% [markdown] lang="en"
# ## Exercise 3. The sampling loop (2 points)
#
# `t_and_s(x)` is a network: it returns $t$ and $s$, both of shape $(n, D)$, for all coordinates at once. The order of the coordinates is its secret. Write the plain loop from the noise $z$ to the $x$ with
#
# $$x_d = z_d \exp\bigl(s_d(x_{<d})\bigr) + t_d(x_{<d}).$$
#
# The check counts the passes.

# %% [markdown] lang="ru"
# ## Упражнение 3. Цикл сэмплирования (2 балла)
#
# `t_and_s(x)` — сеть: она возвращает $t$ и $s$, оба размера $(n, D)$, сразу для всех координат. В каком порядке идут координаты, известно только ей. Напишите простой цикл от шума $z$ к такому $x$, что
#
# $$x_d = z_d \exp\bigl(s_d(x_{<d})\bigr) + t_d(x_{<d}).$$
#
# Проверка считает проходы.

# %%
class Network:
    """t and s by masked kernels, in a secret order; counts its passes."""

    def __init__(self, D, seed):
        source = np.random.default_rng(seed)
        order = source.permutation(D)
        below = np.tril(np.ones((D, D)), k=-1)  # row d: what d sees, in order
        place = np.argsort(order)
        below = below[place][:, place]
        self.A, self.B = source.normal(size=(2, D, D)) * below
        self.a, self.b = source.normal(size=(2, D))
        self.passes = 0

    def __call__(self, x):
        self.passes += 1
        t = np.cos(x) @ self.A.T + self.a
        return t, np.tanh(np.sin(x) @ self.B.T + self.b)

    def to_noise(self, x):
        """z = f(x) and log abs det dz/dx: (n, D) -> (n, D), (n,)."""
        t, s = self(x)
        return (x - t) * np.exp(-s), -s.sum(axis=1)

# %% lang="en" exercise="loop"
def sample(t_and_s, z):
    """Noise to data by the plain loop. z: (n, D). Returns (n, D)."""
    # BEGIN SOLUTION
    x = np.zeros_like(z)
    for _ in range(z.shape[1]):
        t, s = t_and_s(x)
        x = z * np.exp(s) + t
    return x
    # END SOLUTION

# %% lang="ru" exercise="loop"
def sample(t_and_s, z):
    """От шума к данным простым циклом. z: (n, D). Возвращает (n, D)."""
    # BEGIN SOLUTION
    x = np.zeros_like(z)
    for _ in range(z.shape[1]):
        t, s = t_and_s(x)
        x = z * np.exp(s) + t
    return x
    # END SOLUTION

# %% lang="en" tests="loop" points=2 tags=["nbval-check-output"]
def test_loop(D, seed):
    network = Network(D, seed)
    z = np.random.default_rng(seed).normal(size=(5, D))
    t, s = network(z)
    network.passes = 0
    x = sample(network, z)
    passes = network.passes
    expect(
        np.shape(x) == z.shape,
        f"{z.shape} came in, {np.shape(x)} went out.",
    )
    expect(
        not np.allclose(x, z * np.exp(s) + t),
        "the network was given the noise. t and s are functions of the data x: this is a sample of an IAF.",
    )
    expect(
        passes >= D,
        f"{passes} passes for D = {D}: each of them is sure to put only one more coordinate into place.",
    )
    expect(
        np.allclose(network.to_noise(x)[0], z),
        "sent back to noise, your x does not give z. Is it x = z exp(s) + t, with t and s at the newest x?",
    )
    expect(
        passes <= D + 1,
        f"{passes} passes for D = {D}: D of them are enough.",
    )


with check("Exercise 3"):
    test_loop(3, seed=0)
    test_loop(8, seed=1)
### BEGIN HIDDEN TESTS
with graded("Exercise 3"):
    for D in (2, 5, 12):
        test_loop(D, seed=D)
### END HIDDEN TESTS

# %% lang="ru" tests="loop" points=2 tags=["nbval-check-output"]
def test_loop(D, seed):
    network = Network(D, seed)
    z = np.random.default_rng(seed).normal(size=(5, D))
    t, s = network(z)
    network.passes = 0
    x = sample(network, z)
    passes = network.passes
    expect(
        np.shape(x) == z.shape,
        f"на входе {z.shape}, на выходе {np.shape(x)}.",
    )
    expect(
        not np.allclose(x, z * np.exp(s) + t),
        "в сеть подали шум. А t и s — функции данных x: это сэмпл IAF.",
    )
    expect(
        passes >= D,
        f"проходов {passes} при D = {D}: каждый наверняка ставит на место лишь ещё одну координату.",
    )
    expect(
        np.allclose(network.to_noise(x)[0], z),
        "если отправить ваш x обратно к шуму, z не получится. Верно ли, что x = z exp(s) + t, а t и s взяты при самом новом x?",
    )
    expect(
        passes <= D + 1,
        f"проходов {passes} при D = {D}: хватит и D.",
    )


with check("Упражнение 3"):
    test_loop(3, seed=0)
    test_loop(8, seed=1)
### BEGIN HIDDEN TESTS
with graded("Упражнение 3"):
    for D in (2, 5, 12):
        test_loop(D, seed=D)
### END HIDDEN TESTS

# %% [markdown] lang="en"
# ## Exercise 4. IAF from MAF (2 points)
#
# You are given a MAF with two methods, each of which returns a value and a log-determinant:
#
# * `maf.to_noise(x)` gives $z$ and $\log\left|\det \frac{\partial z}{\partial x}\right|$, fast: one pass;
# * `maf.to_data(z)` gives $x$ and $\log\left|\det \frac{\partial x}{\partial z}\right|$, slowly: $D$ passes.
#
# An IAF is the same thing read backwards: **its** noise goes in where the data of the MAF went in. Write
#
# * `iaf_sample(z, maf)`: from noise to data, together with $\log p_x$ of what came out. It is called at every step of variational inference, so the slow method is forbidden;
# * `iaf_log_prob(x, maf)`: $\log p_x$ of somebody else's $x$. Here there is no way round the slow one.

# %% [markdown] lang="ru"
# ## Упражнение 4. IAF из MAF (2 балла)
#
# Дан MAF с двумя методами; каждый возвращает значение и логарифм модуля якобиана:
#
# * `maf.to_noise(x)` даёт $z$ и $\log\left|\det \frac{\partial z}{\partial x}\right|$, быстро: один проход;
# * `maf.to_data(z)` даёт $x$ и $\log\left|\det \frac{\partial x}{\partial z}\right|$, медленно: $D$ проходов.
#
# IAF — то же самое задом наперёд: **его** шум входит туда, куда входили данные MAF. Напишите
#
# * `iaf_sample(z, maf)`: от шума к данным, вместе с $\log p_x$ того, что вышло. Вариационный вывод зовёт её на каждом шаге, поэтому медленный метод запрещён;
# * `iaf_log_prob(x, maf)`: $\log p_x$ чужого $x$. Тут без медленного не обойтись.

# %% lang="en" exercise="iaf"
def iaf_sample(z, maf):
    """Noise to data. z: (n, D). Returns x (n, D) and log p_x (n,)."""
    # BEGIN SOLUTION
    x, log_det = maf.to_noise(z)
    return x, stats.norm.logpdf(z).sum(axis=1) - log_det
    # END SOLUTION


def iaf_log_prob(x, maf):
    """log p_x of each row. x: (n, D). Returns (n,)."""
    # BEGIN SOLUTION
    z, log_det = maf.to_data(x)
    return stats.norm.logpdf(z).sum(axis=1) + log_det
    # END SOLUTION

# %% lang="ru" exercise="iaf"
def iaf_sample(z, maf):
    """От шума к данным. z: (n, D). Возвращает x (n, D) и log p_x (n,)."""
    # BEGIN SOLUTION
    x, log_det = maf.to_noise(z)
    return x, stats.norm.logpdf(z).sum(axis=1) - log_det
    # END SOLUTION


def iaf_log_prob(x, maf):
    """log p_x каждой строки. x: (n, D). Возвращает (n,)."""
    # BEGIN SOLUTION
    z, log_det = maf.to_data(x)
    return stats.norm.logpdf(z).sum(axis=1) + log_det
    # END SOLUTION

# %% lang="en" tests="iaf" points=2 tags=["nbval-check-output"]
class GivenMAF:
    """A MAF that remembers which of its methods were called."""

    def __init__(self, D, seed):
        self.network, self.calls = Network(D, seed), []

    def to_noise(self, x):
        self.calls.append("to_noise")
        return self.network.to_noise(x)

    def to_data(self, z):
        self.calls.append("to_data")
        x = z
        for _ in range(z.shape[1]):
            t, s = self.network(x)
            x = z * np.exp(s) + t
        return x, self.network(x)[1].sum(axis=1)


def test_iaf(D, seed):
    maf, z = GivenMAF(D, seed), np.random.default_rng(seed).normal(size=(4, D))
    network = maf.network
    x, answer = iaf_sample(z, maf)
    expect(
        "to_data" not in maf.calls,
        "iaf_sample: calls the slow method. Which direction of the MAF is one pass?",
    )
    expect(
        np.allclose(x, network.to_noise(z)[0]),
        "iaf_sample: x is not what the MAF makes of z when it takes z for its data.",
    )
    matrices = [numeric_jacobian(lambda z: network.to_noise(z)[0], row) for row in z]
    volume = np.array([np.linalg.slogdet(matrix).logabsdet for matrix in matrices])
    noise = stats.norm.logpdf(z).sum(axis=1)  # the noise of the IAF is z
    expect(
        np.shape(answer) == (4,),
        f"iaf_sample: 4 rows came in, log p of the shape {np.shape(answer)} went out.",
    )
    expect(
        not np.allclose(answer, noise + volume, atol=1e-4),
        "iaf_sample: the log-determinant of dx/dz is added; the theorem wants that of dz/dx.",
    )
    expect(
        not np.allclose(answer, stats.norm.logpdf(x).sum(axis=1) + volume, atol=1e-4),
        "iaf_sample: this is the density that the MAF gives to z. For the IAF z is the noise, and x the data.",
    )
    expect(
        np.allclose(answer, noise - volume, atol=1e-4),
        "iaf_sample: log p is not log p_z(z) + log abs det dz/dx.",
    )
    scored = iaf_log_prob(x, maf)
    expect(
        not np.allclose(scored, stats.norm.logpdf(z).sum(axis=1) + volume, atol=1e-4),
        "iaf_log_prob: the log-determinant that to_data returns is that of its own output with respect to its input: is a minus needed?",
    )
    expect(
        np.allclose(scored, noise - volume, atol=1e-4),
        "iaf_log_prob: for the x that iaf_sample has drawn it differs from the log p that iaf_sample returns.",
    )


with check("Exercise 4"):
    test_iaf(3, seed=2)
### BEGIN HIDDEN TESTS
with graded("Exercise 4"):
    test_iaf(2, seed=5)
    test_iaf(6, seed=6)
### END HIDDEN TESTS

# %% lang="ru" tests="iaf" points=2 tags=["nbval-check-output"]
class GivenMAF:
    """MAF, который помнит, какие его методы звали."""

    def __init__(self, D, seed):
        self.network, self.calls = Network(D, seed), []

    def to_noise(self, x):
        self.calls.append("to_noise")
        return self.network.to_noise(x)

    def to_data(self, z):
        self.calls.append("to_data")
        x = z
        for _ in range(z.shape[1]):
            t, s = self.network(x)
            x = z * np.exp(s) + t
        return x, self.network(x)[1].sum(axis=1)


def test_iaf(D, seed):
    maf, z = GivenMAF(D, seed), np.random.default_rng(seed).normal(size=(4, D))
    network = maf.network
    x, answer = iaf_sample(z, maf)
    expect(
        "to_data" not in maf.calls,
        "iaf_sample: зовёт медленный метод. Какое направление MAF занимает один проход?",
    )
    expect(
        np.allclose(x, network.to_noise(z)[0]),
        "iaf_sample: x — не то, что делает MAF из z, приняв z за свои данные.",
    )
    matrices = [numeric_jacobian(lambda z: network.to_noise(z)[0], row) for row in z]
    volume = np.array([np.linalg.slogdet(matrix).logabsdet for matrix in matrices])
    noise = stats.norm.logpdf(z).sum(axis=1)  # шум у IAF — это z
    expect(
        np.shape(answer) == (4,),
        f"iaf_sample: на входе 4 строки, размер log p {np.shape(answer)}.",
    )
    expect(
        not np.allclose(answer, noise + volume, atol=1e-4),
        "iaf_sample: прибавлен логарифм якобиана dx/dz, а теореме нужен якобиан dz/dx.",
    )
    expect(
        not np.allclose(answer, stats.norm.logpdf(x).sum(axis=1) + volume, atol=1e-4),
        "iaf_sample: это плотность, которую даёт z сам MAF. А для IAF z — шум, и данные — x.",
    )
    expect(
        np.allclose(answer, noise - volume, atol=1e-4),
        "iaf_sample: log p — это не log p_z(z) + log abs det dz/dx.",
    )
    scored = iaf_log_prob(x, maf)
    expect(
        not np.allclose(scored, stats.norm.logpdf(z).sum(axis=1) + volume, atol=1e-4),
        "iaf_log_prob: to_data возвращает якобиан своего выхода по своему входу: нужен ли минус?",
    )
    expect(
        np.allclose(scored, noise - volume, atol=1e-4),
        "iaf_log_prob: для x, который получила iaf_sample, ответ не тот, что вернула iaf_sample.",
    )


with check("Упражнение 4"):
    test_iaf(3, seed=2)
### BEGIN HIDDEN TESTS
with graded("Упражнение 4"):
    test_iaf(2, seed=5)
    test_iaf(6, seed=6)
### END HIDDEN TESTS

# %% [markdown] lang="en"
# ## Exercise 5. A condition (1 point)
#
# A MADE for $p(x \mid c)$ with a vector $c$ of $K$ numbers can be had from the masks of exercise 2: let its inputs be $c_1, \dots, c_K, x_1, \dots, x_D$, in this order, and keep the two rules. The outputs have degrees $1, \dots, D$, as before. Which degrees do the inputs get, and which the hidden units, so that
#
# * every output hears all of $c$, the output for $x_1$ too;
# * the output for $x_d$ hears $x_{<d}$ and no other coordinate of $x$?
#
# Take the hidden degrees in turn, as the lecture did: from the least to the greatest that makes sense, and again from the beginning, `width` units in all.

# %% [markdown] lang="ru"
# ## Упражнение 5. Условие (1 балл)
#
# MADE для $p(x \mid c)$ с вектором $c$ из $K$ чисел получается из масок упражнения 2: пусть её входы — $c_1, \dots, c_K, x_1, \dots, x_D$, в таком порядке, а правил по-прежнему два. У выходов, как и раньше, степени $1, \dots, D$. Какие степени дать входам и какие скрытым нейронам, чтобы
#
# * каждый выход слышал весь $c$, и выход для $x_1$ тоже;
# * выход для $x_d$ слышал $x_{<d}$ и никаких других координат $x$?
#
# Степени скрытых нейронов берите по кругу, как в лекции: от наименьшей, которая имеет смысл, до наибольшей и снова с начала, всего `width` нейронов.

# %% lang="en" exercise="condition"
def conditional_degrees(D, K, width):
    """Degrees of the inputs c, x: (K + D,), and of the hidden units: (width,)."""
    # BEGIN SOLUTION
    inputs = np.concatenate([np.zeros(K, int), np.arange(1, D + 1)])
    return inputs, np.arange(width) % D
    # END SOLUTION

# %% lang="ru" exercise="condition"
def conditional_degrees(D, K, width):
    """Степени входов c, x: (K + D,) и скрытых нейронов: (width,)."""
    # BEGIN SOLUTION
    inputs = np.concatenate([np.zeros(K, int), np.arange(1, D + 1)])
    return inputs, np.arange(width) % D
    # END SOLUTION

# %% lang="en" tests="condition" points=1 tags=["nbval-check-output"]
def test_condition(D, K, width):
    inputs, hidden = map(np.asarray, conditional_degrees(D, K, width))
    expect(
        inputs.shape == (K + D,) and hidden.shape == (width,),
        f"degrees of the shapes ({K + D},) and ({width},) are wanted; yours are {inputs.shape} and {hidden.shape}.",
    )
    outputs = np.arange(1, D + 1)
    into = hidden[None, :] >= inputs[:, None]  # the two rules
    out_of = outputs[None, :] > hidden[:, None]
    hears = into.astype(int) @ out_of.astype(int) > 0  # (K + D, D)
    expect(
        hears[:K, 1:].all(),
        "some output after the first does not hear all of c. What may a unit know that knows c and no coordinate?",
    )
    expect(
        hears[:K, 0].all(),
        "the output for x1 does not hear c: it listens to units of degree less than 1 only. Are there any, and do they hear c?",
    )
    before = np.triu(np.ones((D, D), bool), k=1)
    expect(
        not (hears[K:] & ~before).any(),
        "an output hears its own coordinate or a later one.",
    )
    expect(
        (hears[K:] == before).all(),
        "an output does not hear a coordinate that comes before it. Are all hidden degrees from 0 to D - 1 there?",
    )
    expect(
        out_of.any(axis=1).all(),
        "there are hidden units that no output may listen to: the greatest degree that makes sense is less than D.",
    )


with check("Exercise 5"):
    test_condition(D=3, K=2, width=9)
### BEGIN HIDDEN TESTS
with graded("Exercise 5"):
    test_condition(D=5, K=1, width=5)
    test_condition(D=4, K=3, width=11)
### END HIDDEN TESTS

# %% lang="ru" tests="condition" points=1 tags=["nbval-check-output"]
def test_condition(D, K, width):
    inputs, hidden = map(np.asarray, conditional_degrees(D, K, width))
    expect(
        inputs.shape == (K + D,) and hidden.shape == (width,),
        f"нужны степени размеров ({K + D},) и ({width},), у вас {inputs.shape} и {hidden.shape}.",
    )
    outputs = np.arange(1, D + 1)
    into = hidden[None, :] >= inputs[:, None]  # два правила
    out_of = outputs[None, :] > hidden[:, None]
    hears = into.astype(int) @ out_of.astype(int) > 0  # (K + D, D)
    expect(
        hears[:K, 1:].all(),
        "какой-то выход после первого слышит не весь c. Что знает нейрон, которому известен c и ни одной координаты?",
    )
    expect(
        hears[:K, 0].all(),
        "выход для x1 не слышит c: он слушает только нейроны степени меньше 1. Есть ли такие и слышат ли они c?",
    )
    before = np.triu(np.ones((D, D), bool), k=1)
    expect(
        not (hears[K:] & ~before).any(),
        "какой-то выход слышит свою координату или более позднюю.",
    )
    expect(
        (hears[K:] == before).all(),
        "какой-то выход не слышит предыдущей координаты. Все ли степени от 0 до D - 1 есть у скрытых нейронов?",
    )
    expect(
        out_of.any(axis=1).all(),
        "есть скрытые нейроны, которых ни один выход не вправе слушать: наибольшая степень, имеющая смысл, меньше D.",
    )


with check("Упражнение 5"):
    test_condition(D=3, K=2, width=9)
### BEGIN HIDDEN TESTS
with graded("Упражнение 5"):
    test_condition(D=5, K=1, width=5)
    test_condition(D=4, K=3, width=11)
### END HIDDEN TESTS

# %% [markdown] lang="en"
# ## Exercise 6. Each unit once (2 points)
#
# A MADE with one hidden layer and the coordinates in the order $1, \dots, D$. Its kernels are masked already:
#
# $$h = \varphi(x W + b), \qquad (t, s) = h V + c,$$
#
# where `W` is $(D, H)$, `V` is $(H, 2D)$ (first the $D$ columns of $t$, then those of $s$), and `degrees` holds the degrees of the hidden units, $1$ to $D - 1$, in no particular order. Sample in order of the degrees: find $x_1$, fill in the units that have been waiting for it, find $x_2$, and so on. The check counts on how many numbers $\varphi$ is called: **every hidden unit once** for every example.

# %% [markdown] lang="ru"
# ## Упражнение 6. Каждый нейрон один раз (2 балла)
#
# MADE с одним скрытым слоем, координаты идут в порядке $1, \dots, D$. Матрицы весов уже умножены на маски:
#
# $$h = \varphi(x W + b), \qquad (t, s) = h V + c,$$
#
# где `W` размера $(D, H)$, `V` размера $(H, 2D)$ (сначала $D$ столбцов для $t$, потом столбцы для $s$), а в `degrees` записаны степени скрытых нейронов, от $1$ до $D - 1$, как попало. Сэмплируйте в порядке степеней: найдите $x_1$, заполните нейроны, которые её ждали, найдите $x_2$ и так далее. Проверка считает, на скольких числах вызвана $\varphi$: **каждый скрытый нейрон один раз** на пример.

# %% lang="en" exercise="fill"
def fill(z, W, b, V, c, degrees, phi):
    """Noise to data. z: (n, D); degrees: (H,); phi: elementwise. Returns x: (n, D)."""
    # BEGIN SOLUTION
    (n, D), H = z.shape, len(degrees)
    x, h = np.zeros((n, D)), np.zeros((n, H))
    for d in range(D):
        t = h @ V[:, d] + c[d]
        s = h @ V[:, D + d] + c[D + d]
        x[:, d] = z[:, d] * np.exp(s) + t
        ripe = degrees == d + 1
        h[:, ripe] = phi(x @ W[:, ripe] + b[ripe])
    return x
    # END SOLUTION

# %% lang="ru" exercise="fill"
def fill(z, W, b, V, c, degrees, phi):
    """От шума к данным. z: (n, D); degrees: (H,); phi: поэлементная. Возвращает x: (n, D)."""
    # BEGIN SOLUTION
    (n, D), H = z.shape, len(degrees)
    x, h = np.zeros((n, D)), np.zeros((n, H))
    for d in range(D):
        t = h @ V[:, d] + c[d]
        s = h @ V[:, D + d] + c[D + d]
        x[:, d] = z[:, d] * np.exp(s) + t
        ripe = degrees == d + 1
        h[:, ripe] = phi(x @ W[:, ripe] + b[ripe])
    return x
    # END SOLUTION

# %% lang="en" tests="fill" points=2 tags=["nbval-check-output"]
def make_made(D, H, seed):
    """A random MADE with one hidden layer, its kernels masked."""
    source = np.random.default_rng(seed)
    degrees = source.permutation(1 + np.arange(H) % max(1, D - 1))
    place = np.arange(1, D + 1)
    W = source.normal(size=(D, H)) * (degrees[None, :] >= place[:, None]) / D**0.5
    mask = np.tile(place[None, :] > degrees[:, None], 2)
    V = source.normal(size=(H, 2 * D)) * mask / H**0.5
    return W, source.normal(size=H), V, source.normal(size=2 * D) / 2, degrees


def relu(a):
    return np.maximum(0, a)


def test_fill(D, H, seed):
    W, b, V, c, degrees = make_made(D, H, seed)
    z = np.random.default_rng(seed).normal(size=(3, D))
    counted = []

    def phi(a):
        counted.append(np.size(a))
        return relu(a)

    x = fill(z, W, b, V, c, degrees, phi)
    expect(
        np.shape(x) == z.shape,
        f"{z.shape} came in, {np.shape(x)} went out.",
    )
    t, s = np.split(relu(x @ W + b) @ V + c, 2, axis=1)
    wrong = np.abs((x - t) * np.exp(-s) - z).max(axis=0) > 1e-6
    first = int(wrong.argmax()) + 1
    expect(
        not wrong.any(),
        f"for D = {D} coordinate {first} is the first that does not give its z back. When are the units of degree {max(1, first - 1)} filled in?",
    )
    expect(
        sum(counted) <= 3 * H,
        f"x is right, but phi was called on {sum(counted)} numbers; {3 * H} are enough: 3 examples of {H} hidden units.",
    )


with check("Exercise 6"):
    test_fill(4, 12, seed=0)
    test_fill(9, 40, seed=1)
    filled = True
### BEGIN HIDDEN TESTS
with graded("Exercise 6"):
    test_fill(2, 5, seed=2)
    test_fill(12, 30, seed=3)
### END HIDDEN TESTS

# %% lang="ru" tests="fill" points=2 tags=["nbval-check-output"]
def make_made(D, H, seed):
    """Случайная MADE с одним скрытым слоем; веса умножены на маски."""
    source = np.random.default_rng(seed)
    degrees = source.permutation(1 + np.arange(H) % max(1, D - 1))
    place = np.arange(1, D + 1)
    W = source.normal(size=(D, H)) * (degrees[None, :] >= place[:, None]) / D**0.5
    mask = np.tile(place[None, :] > degrees[:, None], 2)
    V = source.normal(size=(H, 2 * D)) * mask / H**0.5
    return W, source.normal(size=H), V, source.normal(size=2 * D) / 2, degrees


def relu(a):
    return np.maximum(0, a)


def test_fill(D, H, seed):
    W, b, V, c, degrees = make_made(D, H, seed)
    z = np.random.default_rng(seed).normal(size=(3, D))
    counted = []

    def phi(a):
        counted.append(np.size(a))
        return relu(a)

    x = fill(z, W, b, V, c, degrees, phi)
    expect(
        np.shape(x) == z.shape,
        f"на входе {z.shape}, на выходе {np.shape(x)}.",
    )
    t, s = np.split(relu(x @ W + b) @ V + c, 2, axis=1)
    wrong = np.abs((x - t) * np.exp(-s) - z).max(axis=0) > 1e-6
    first = int(wrong.argmax()) + 1
    expect(
        not wrong.any(),
        f"при D = {D} координата {first} первая, которая не возвращает свой z. Когда заполняются нейроны степени {max(1, first - 1)}?",
    )
    expect(
        sum(counted) <= 3 * H,
        f"x верен, но phi вызвана на {sum(counted)} числах; хватит {3 * H}: 3 примера по {H} скрытых нейронов.",
    )


with check("Упражнение 6"):
    test_fill(4, 12, seed=0)
    test_fill(9, 40, seed=1)
    filled = True
### BEGIN HIDDEN TESTS
with graded("Упражнение 6"):
    test_fill(2, 5, seed=2)
    test_fill(12, 30, seed=3)
### END HIDDEN TESTS

# %% [markdown] lang="en"
# ## On your own (not graded)
#
# Below is the race of your exercises 3 and 6 on one network (empty until both are done). Then some questions that have no check:
#
# * How do the two lines change with the number of hidden units? With the size of the batch? Where does the time of `fill` go when $D$ is large: into arithmetic, or into starting small operations?
# * Stop the loop of exercise 3 as soon as $x$ no longer changes. How many passes does it take then for the networks of this lab, and for a network with larger weights? (Song et al., 2021, *Accelerating Feedforward Computation via Parallel Nonlinear Equation Solving*.)
# * Give a hidden layer random degrees in place of evenly spread ones. Which dependences are lost when it is narrow?
# * Train `models.MAF` and `models.IAF` from `dgm_tfp` on two moons, with the same sizes. Which reaches a loss of 0.1 above its best sooner, in steps and in seconds?
# * Let `models.MAF` learn moons *given* the number of the moon (`conditioning_shape=(2,)`). Is the thread between the moons gone? Why could it not go without the condition?

# %% [markdown] lang="ru"
# ## Самостоятельно (без баллов)
#
# Ниже — гонка ваших упражнений 3 и 6 на одной и той же сети (пусто, пока не сделаны оба). А дальше вопросы, на которые проверки нет:
#
# * Как меняются обе линии с числом скрытых нейронов? С размером батча? Куда уходит время `fill` при большом $D$: на арифметику или на запуск мелких операций?
# * Остановите цикл упражнения 3, как только $x$ перестал меняться. Сколько тогда нужно проходов сетям этой лабораторной и сети с весами побольше? (Song et al., 2021, *Accelerating Feedforward Computation via Parallel Nonlinear Equation Solving*.)
# * Дайте скрытому слою случайные степени вместо распределённых равномерно. Какие зависимости пропадают, если слой узкий?
# * Обучите `models.MAF` и `models.IAF` из `dgm_tfp` на двух лунах при одинаковых размерах. Кто раньше подойдёт к своей лучшей функции потерь ближе чем на 0.1: в шагах и в секундах?
# * Пусть `models.MAF` выучит луны *при данном* номере луны (`conditioning_shape=(2,)`). Пропала ли нить между лунами? Почему без условия она пропасть не могла?

# %% lang="en" alt_en="Three lines of time against the number of coordinates on logarithmic axes: the loop rises steepest, one pass is lowest, and filling each unit once lies between."
if "filled" in globals():
    times, sizes = [], (10, 20, 40, 80, 160)
    for D in sizes:
        W, b, V, c, degrees = make_made(D, 256, seed=D)
        z = 0.3 * rng.normal(size=(50, D))

        def t_and_s(x, W=W, b=b, V=V, c=c):
            return np.split(relu(x @ W + b) @ V + c, 2, axis=1)

        with np.errstate(all="ignore"):  # what the loop has not found yet may be anything
            start = time.perf_counter()
            t_and_s(z)
            scored = time.perf_counter()
            try:
                sample(t_and_s, z)
            except Exception:  # not done yet, or wrong: no race
                break
            looped = time.perf_counter()
            fill(z, W, b, V, c, degrees, relu)
            end = time.perf_counter()
        times.append(1e3 * np.diff([start, scored, looped, end]))

    if len(times) == len(sizes):
        figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
        lines = axis.loglog(sizes, np.array(times), "o-")
        axis.legend(lines, ["one pass", "loop", "each unit once"])
        axis.set(xlabel="$D$", ylabel="time, ms")

# %% lang="ru" alt_ru="Три линии времени от числа координат в логарифмических осях: круче всех растёт цикл, ниже всех один проход, заполнение каждого нейрона один раз между ними."
if "filled" in globals():
    times, sizes = [], (10, 20, 40, 80, 160)
    for D in sizes:
        W, b, V, c, degrees = make_made(D, 256, seed=D)
        z = 0.3 * rng.normal(size=(50, D))

        def t_and_s(x, W=W, b=b, V=V, c=c):
            return np.split(relu(x @ W + b) @ V + c, 2, axis=1)

        with np.errstate(all="ignore"):  # чего цикл ещё не нашёл, может быть чем угодно
            start = time.perf_counter()
            t_and_s(z)
            scored = time.perf_counter()
            try:
                sample(t_and_s, z)
            except Exception:  # not done yet, or wrong: no race
                break
            looped = time.perf_counter()
            fill(z, W, b, V, c, degrees, relu)
            end = time.perf_counter()
        times.append(1e3 * np.diff([start, scored, looped, end]))

    if len(times) == len(sizes):
        figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
        lines = axis.loglog(sizes, np.array(times), "o-")
        axis.legend(lines, ["один проход", "цикл", "каждый нейрон один раз"])
        axis.set(xlabel="$D$", ylabel="время, мс")
