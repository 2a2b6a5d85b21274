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
# # Лабораторная: парадокс OOD
#
# Шесть упражнений к [лекции](../../lectures/ru/08_ood_paradox.ipynb), 10 баллов, 60–90 минут. Начнём с подсчёта пар, а закончим контрастом, при котором парадокс исчезает.
#
# **Как это устроено.** Пишите код там, где в ячейке стоит `ваш код здесь`, а строку `raise NotImplementedError(...)` удаляйте. Ячейка под упражнением сразу проверит: **✓** верно, **✗** неверно, и почему, **…** ещё не сделано. Блокнот она не останавливает, так что *Run All* всегда дойдёт до конца. При выставлении баллов те же проверки запускаются с другими числами.
#
# | упражнение | баллы |
# |---|---|
# | 1. AUROC | 1 |
# | 2. Две нормальные плотности | 2 |
# | 3. Формула статьи | 2 |
# | 4. Знак до опыта | 2 |
# | 5. Гессиан, которого не строят | 1 |
# | 6. Где кончается парадокс | 2 |

# %%
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import stats

from dgm_tfp import data, models, profiles, training
from dgm_tfp.exercises import check, expect, graded

rng = np.random.default_rng(0)
profile = profiles.current().name


def images_of(name, n=500):
    """Test images (n, 28, 28, 1), pixels in [0, 1], float64."""
    return data.load(name, "test", source="embedded", verbose=False).images[:n] / 255


clothes, digits = images_of("fashion_mnist"), images_of("mnist")


def sphere(mean, variance):
    """The simplest flow of constant volume, N(mean, variance I): its log p, (n, ...) -> (n,)."""

    def log_prob(x):
        axes = tuple(range(1, np.ndim(x)))
        return stats.norm.logpdf(x, mean, variance**0.5).sum(axis=axes)

    return log_prob


# %% [markdown]
# ## Упражнение 1. AUROC (1 балл)
#
# Даны оценки картинок обучающего рода, `inside`, и чужих, `outside`. Чем выше, тем больше похоже на обучающие данные. Напишите вероятность того, что случайная из `inside` выше случайной из `outside`; пара равных считается за половину. Годится любой способ: по всем парам или по рангам.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "8851b9c92f2deb3d0f90c6b6b7ab1a51", "grade": false, "grade_id": "auroc", "locked": false, "schema_version": 3, "solution": true, "task": false}
def auroc(inside, outside):
    """inside: (n,); outside: (m,). Возвращает число."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "4cbae74925eec44bf8ffcf4bef4d23e0", "grade": true, "grade_id": "auroc-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_auroc(inside, outside):
    answer = auroc(inside, outside)
    expect(
        np.shape(answer) == (),
        f"нужно одно число, а размер ответа {np.shape(answer)}.",
    )
    order = sorted([(a, 1) for a in inside] + [(b, 0) for b in outside])
    won = tied = 0
    for a in inside:
        won += sum(1 for value, mine in order if not mine and value < a)
        tied += sum(1 for value, mine in order if not mine and value == a)
    pairs = len(inside) * len(outside)
    truth = (won + tied / 2) / pairs
    expect(
        not np.isclose(answer, truth + (len(inside) + 1) / (2 * len(outside))),
        f"{answer:.3f}: из суммы рангов надо вычесть ранги внутри самого набора.",
    )
    expect(
        tied or not np.isclose(answer, 1 - truth) or np.isclose(truth, 0.5),
        "это вероятность того, что выше чужая картинка: наоборот.",
    )
    for share in (won, won + tied):
        expect(
            not (tied and np.isclose(answer, share / pairs)),
            f"{tied} из {pairs} пар — пары равных; каждая считается за половину, а не за ноль и не за целую.",
        )
    expect(
        np.isclose(answer, truth),
        f"из {pairs} пар выиграно {won}, равных {tied}: {truth:.3f}; у вас {answer:.3f}.",
    )


with check("Упражнение 1"):
    test_auroc(np.array([3.0, 1.0, 2.5]), np.array([0.0, 2.0]))
    test_auroc(np.array([3.0, 1.0, 2.0]), np.array([0.0, 2.0, 2.0, 5.0]))


# %% [markdown]
# ## Упражнение 2. Две нормальные плотности (2 балла)
#
# Модель идеальна, $p = \mathcal N(m_p, \operatorname{diag} v_p)$; чужие данные взяты из $q = \mathcal N(m_q, \operatorname{diag} v_q)$. Напишите $\mathbb E_q \log p(x) - \mathbb E_p \log p(x)$ в явном виде, в натах.
#
# Начните с одного измерения: $\mathbb E_q (x - m_p)^2$ — это дисперсия и квадрат разности средних.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "db905515893e392d5c8b6bbf46c8efae", "grade": false, "grade_id": "gap", "locked": false, "schema_version": 3, "solution": true, "task": false}
def expected_gap(mean_p, var_p, mean_q, var_q):
    """E_q log p - E_p log p. Все четыре (D,), var_*: дисперсии. Возвращает число."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "e29bd5b658c29a11126af30d51606c18", "grade": true, "grade_id": "gap-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def by_two_points(mean_p, var_p, mean_q, var_q):
    """log p квадратичен: его среднее по нормальному закону — среднее значений в точках m - s и m + s."""
    log_p = stats.norm(mean_p, var_p**0.5).logpdf
    under_p, under_q = (
        0.5 * (log_p(m - v**0.5) + log_p(m + v**0.5))
        for m, v in ((mean_p, var_p), (mean_q, var_q))
    )
    return np.sum(under_q - under_p)


def test_gap(mean_p, var_p, mean_q, var_q):
    four = mean_p, var_p, mean_q, var_q
    answer, truth = expected_gap(*four), by_two_points(*four)
    expect(
        np.shape(answer) == (),
        f"нужно одно число, а размер ответа {np.shape(answer)}: по размерностям берётся сумма.",
    )
    right = np.isclose(answer, truth)
    expect(
        right or not np.isclose(answer, -truth),
        "знак противоположный: от меньшей дисперсии q правдоподобие должно расти.",
    )
    expect(
        right or not np.isclose(answer, 2 * truth),
        "вдвое больше, чем нужно: в log p перед квадратом стоит половина.",
    )
    expect(
        right or not np.isclose(answer, truth / len(mean_p)),
        "это среднее по размерностям, а log p — сумма.",
    )
    equal = np.isclose(
        answer, by_two_points(mean_p, var_p, mean_p, var_q)
    ) and not np.allclose(mean_p, mean_q)
    expect(
        right or not equal,
        "верно лишь при равных средних: здесь они разные, и не хватает квадрата разности.",
    )
    expect(
        right,
        f"должно быть {truth:.3f}, у вас {answer:.3f}. Дисперсии ли там, а не стандартные отклонения, и на что они делятся?",
    )


with check("Упражнение 2"):
    ones = np.ones(4)
    test_gap(0 * ones, ones, 0 * ones, 0.81 * ones)
    test_gap(0 * ones, 4 * ones, 0 * ones, ones)
    test_gap(0 * ones, ones, np.array([1.0, 0.0, -2.0, 0.0]), 0.25 * ones)


# %% [markdown]
# ## Упражнение 3. Формула статьи (2 балла)
#
# В `kernels` лежат ядра $U_k$ свёрток 1×1 из $K$ слоёв, массив $(K, C, C)$: канал $c$ на выходе равен $\sum_j u_{k,c,j}\, x_j$. Напишите
#
# $$\alpha_c = \prod_{k=1}^K \sum_{j=1}^C u_{k,c,j}, \qquad -\frac{1}{2 \sigma_\psi^2} \sum_{c=1}^C \alpha_c^2 \sum_{h,w} \bigl(\sigma^2_{q,h,w,c} - \sigma^2_{p,h,w,c}\bigr).$$

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "f8fa11851dd6c8a478c7e44f980e0650", "grade": false, "grade_id": "alpha", "locked": false, "schema_version": 3, "solution": true, "task": false}
def alpha(kernels):
    """kernels: (K, C, C). Возвращает alpha_c, (C,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


def paper_gap(alpha_c, prior_variance, var_p, var_q):
    """alpha_c: (C,); prior_variance: sigma_psi^2; var_p, var_q: (h, w, C). Возвращает число."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "ecb3b9a8067920729d4658c1e8485f06", "grade": true, "grade_id": "alpha-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_alpha(kernels, truth):
    answer, (_, C, _) = alpha(kernels), kernels.shape
    expect(
        np.shape(answer) == (C,),
        f"alpha: каналов {C}, а размер ответа {np.shape(answer)}.",
    )
    right = np.allclose(answer, truth)
    expect(
        right or not np.allclose(answer, kernels.sum(axis=1).prod(axis=0)),
        "alpha: это суммы столбцов; j, номер входа, стоит последним.",
    )
    expect(
        right or not np.allclose(answer, np.diagonal(kernels.prod(axis=0))),
        "alpha: использована только диагональ, а в формуле сумма строки.",
    )
    expect(
        right or not np.allclose(answer, kernels.sum(axis=(0, 2))),
        "alpha: слои идут один за другим: множители перемножаются, а не складываются.",
    )
    expect(
        right,
        f"alpha: должно быть {np.round(truth, 3)}, у вас {np.round(answer, 3)}.",
    )


def test_paper_gap(alpha_c, prior_variance, var_p, var_q):
    """Против потока z = alpha x от нормальных пикселей со средним 0: для него формула точна."""
    answer = paper_gap(alpha_c, prior_variance, var_p, var_q)
    expect(
        np.shape(answer) == (),
        f"paper_gap: нужно одно число, а размер ответа {np.shape(answer)}.",
    )
    log_p_z = stats.norm(0, prior_variance**0.5).logpdf
    under_p, under_q = (np.sum(log_p_z(alpha_c * v**0.5)) for v in (var_p, var_q))
    truth = under_q - under_p
    right = np.isclose(answer, truth)
    expect(
        right or not np.isclose(answer, -truth),
        "paper_gap: знак противоположный: от меньшей дисперсии q правдоподобие должно расти.",
    )
    expect(
        right or not np.isclose(answer, 2 * truth),
        "paper_gap: вдвое больше, чем нужно: где половина?",
    )
    expect(
        right,
        f"paper_gap: должно быть {truth:.4f}, у вас {answer:.4f}. В квадрате ли alpha и один ли раз взята sigma_psi^2?",
    )


with check("Упражнение 3"):
    two_layers = np.array([[[1.0, 2.0], [0.0, -1.0]], [[0.5, 0.5], [4.0, 1.0]]])
    test_alpha(two_layers, np.array([3.0, -5.0]))
    test_paper_gap(np.array([3.0, -5.0]), 4.0, np.full((2, 2, 2), 0.06), np.full((2, 2, 2), 0.05))


# %% [markdown]
# ## Упражнение 4. Знак до опыта (2 балла)
#
# Две функции, а потом предсказание. `contrast` умножает контраст набора картинок относительно средней картинки этого же набора, $x' = \bar x + k (x - \bar x)$, и возвращает вещественные числа, без округления и обрезания. `predicted_gap` говорит, чему будет равно $\mathbb E_q \log p_\theta - \mathbb E_p \log p_\theta$ при шаровой плотности $\mathcal N(\mathbb E_p x, s^2 I)$, по одним лишь средним и дисперсиям двух наборов:
#
# $$-\frac1{2 s^2} \Bigl[\, \sum_i \bigl(\sigma^2_{q,i} - \sigma^2_{p,i}\bigr) + \lVert \mathbb E_q x - \mathbb E_p x \rVert^2 \,\Bigr].$$
#
# Каждый пиксель каждого канала — размерность $i$; среднее и дисперсия берутся по *картинкам*.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "3d9741d426a2602fe64b3861812601aa", "grade": false, "grade_id": "sign", "locked": false, "schema_version": 3, "solution": true, "task": false}
def contrast(x, k):
    """x: (n, h, w, c). Возвращает массив того же размера."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


def predicted_gap(inside, outside, s_2):
    """inside: (n, h, w, c); outside: (m, h, w, c); s_2: s^2. Возвращает число, в натах."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "f70197972beb8f0679325b335b06c2b4", "grade": true, "grade_id": "sign-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_contrast(x, k):
    answer = contrast(x, k)
    expect(
        np.shape(answer) == x.shape,
        f"contrast: на входе размер {x.shape}, на выходе {np.shape(answer)}.",
    )
    expect(
        np.allclose(answer.mean(axis=0), x.mean(axis=0)),
        "contrast: средняя картинка сдвинулась, а должна остаться. Относительно чего берётся контраст?",
    )
    expect(
        np.allclose(answer.var(axis=0), k**2 * x.var(axis=0)),
        f"contrast: при k = {k} каждая дисперсия должна умножиться на k^2.",
    )


def test_prediction(inside, outside, s_2):
    answer = predicted_gap(inside, outside, s_2)
    log_prob = sphere(inside.mean(axis=0), s_2)
    measured = log_prob(outside).mean() - log_prob(inside).mean()
    expect(
        np.shape(answer) == (),
        f"predicted_gap: нужно одно число, а размер ответа {np.shape(answer)}.",
    )
    right = np.isclose(answer, measured)

    def with_variance(variance, shift=True):
        moved = np.sum((outside.mean(axis=0) - inside.mean(axis=0)) ** 2) * shift
        return -(variance(outside) - variance(inside) + moved) / (2 * s_2)

    expect(
        right or not np.isclose(answer, with_variance(lambda x: x.var(axis=0).sum(), shift=False)),
        "predicted_gap: нет квадрата сдвига средней картинки: равные средние, сомнительный шаг статьи.",
    )
    for variance in (lambda x: x[0].size * x.var(), lambda x: x.var()):
        expect(
            right or not np.isclose(answer, with_variance(variance)),
            "predicted_gap: дисперсия взята по всем пикселям сразу, а у каждой размерности она своя, по картинкам.",
        )
    expect(
        right or not np.isclose(answer, with_variance(lambda x: x.std(axis=0).sum())),
        "predicted_gap: это стандартные отклонения, а в формуле дисперсии.",
    )
    expect(
        right or not np.isclose(answer, -measured),
        "predicted_gap: знак противоположный.",
    )
    expect(
        right,
        f"predicted_gap: по самим картинкам выходит {measured:.2f} ната, у вас {answer:.2f}.",
    )
    return answer


with check("Упражнение 4"):
    test_contrast(clothes, 0.5)
    test_contrast(digits, 1.5)
    sets = {
        "цифры": digits,
        "бледные цифры": digits.mean(axis=0) + 0.5 * (digits - digits.mean(axis=0)),
        "бледная одежда": clothes.mean(axis=0) + 0.5 * (clothes - clothes.mean(axis=0)),
        "яркая одежда": clothes.mean(axis=0) + 1.5 * (clothes - clothes.mean(axis=0)),
    }
    gaps = [test_prediction(clothes, images, 0.09) for images in sets.values()]
    for name, gap in zip(sets, gaps, strict=True):
        print(f"{name:15} {gap:+8.1f} {'парадокс' if gap > 0 else ''}")


# %% [markdown]
# ## Упражнение 5. Гессиан, которого не строят (1 балл)
#
# Напишите $v^{\mathsf T} H v$ для набора направлений $v$ в точке $x_0$, где $H$ — гессиан функции `log_prob`. `log_prob` принимает тензор $(n, D)$ и возвращает $(n,)$. Матрица $D \times D$ не нужна: продифференцируйте дважды вдоль прямой $x_0 + t v$ с помощью `tf.GradientTape` или ещё раз продифференцируйте $g^{\mathsf T} v$.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "c03929111e9782eb4be1ac3ada623801", "grade": false, "grade_id": "hessian", "locked": false, "schema_version": 3, "solution": true, "task": false}
def curvature(log_prob, x_0, v):
    """x_0: (D,); v: (n, D); тензоры float64. Возвращает v^T H v, (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "fffe20f8fb571460ff38e3ad34efd3d9", "grade": true, "grade_id": "hessian-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_curvature(dimension, n, seed):
    source = np.random.default_rng(seed)
    mix = tf.constant(source.normal(size=(dimension, dimension)))
    x_0 = tf.constant(source.normal(size=dimension))
    v = tf.constant(source.normal(size=(n, dimension)))

    def log_prob(x):
        return -tf.reduce_sum(tf.math.log(tf.cosh(x @ mix)), axis=1)

    answer = curvature(log_prob, x_0, v)
    expect(
        answer is not None and np.shape(answer) == (n,),
        f"направлений {n}, а размер ответа {np.shape(answer)}; нужно по числу на каждое.",
    )
    step = 1e-3
    ahead, here, behind = (log_prob(x_0 + t * v).numpy() for t in (step, 0, -step))
    slope, truth = (ahead - behind) / (2 * step), (ahead - 2 * here + behind) / step**2
    right = np.allclose(answer, truth, rtol=1e-3, atol=1e-3)
    expect(
        right or not np.allclose(answer, slope, rtol=1e-3, atol=1e-3),
        "это наклон, g^T v, первая производная; нужна ещё одна.",
    )
    expect(
        right or not np.allclose(answer, truth / 2, rtol=1e-3, atol=1e-3),
        "вдвое меньше, чем нужно: половина из формулы Тейлора в v^T H v не входит.",
    )
    expect(
        right,
        f"вдоль первого направления конечные разности дают {truth[0]:.3f}, у вас {answer[0]:.3f}. Участвуют ли все пары координат и каждое ли направление только само с собой?",
    )


with check("Упражнение 5"):
    test_curvature(3, 4, 0)


# %% [markdown]
# ## Упражнение 6. Где кончается парадокс (2 балла)
#
# Контраст чужих картинок меняют относительно их собственной средней картинки: $k = 0$ оставляет одну среднюю, $k = 3$ преувеличивает. Для плотности `log_prob` найдите $k$ от 0 до 3, при котором парадокса уже нет, а обнаружения ещё нет: AUROC набора `inside` как он есть против `outside` с контрастом $k$ равен 0.5 с точностью до 0.01. Если такого $k$ нет, потому что AUROC больше 0.5 даже при $k = 0$ или меньше 0.5 даже при $k = 3$, верните `np.nan`.
#
# AUROC двух массивов оценок дан: `area`. С ростом $k$ он растёт, так что место найдётся делением пополам.

# %%
def area(inside, outside):
    """P(inside > outside) + P(equal) / 2."""
    ranks = stats.rankdata(np.concatenate([inside, outside]))[: len(inside)]
    return (ranks.mean() - (len(inside) + 1) / 2) / len(outside)


# %% deletable=false nbgrader={"cell_type": "code", "checksum": "417b064ab1a37f1c35528aa03e227019", "grade": false, "grade_id": "threshold", "locked": false, "schema_version": 3, "solution": true, "task": false}
def threshold_contrast(log_prob, inside, outside):
    """log_prob: (n, h, w, c) -> (n,). Возвращает k или np.nan."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "189246d7f20ba3c871154c1f17e88507", "grade": true, "grade_id": "threshold-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_threshold(log_prob, inside, outside):
    k = threshold_contrast(log_prob, inside, outside)
    scores, centre = log_prob(inside), outside.mean(axis=0)

    def turned(k, about=centre):
        return log_prob(about + k * (outside - about))

    ends = [area(scores, turned(end)) for end in (0, 3)]
    if ends[0] > 0.5 or ends[1] < 0.5:
        expect(
            np.isnan(k),
            f"при k = 0 и 3 AUROC равен {ends[0]:.2f} и {ends[1]:.2f}, между ними 0.5 нет; нужно np.nan, у вас {k:.3f}.",
        )
        return k
    expect(
        np.shape(k) == () and 0 <= k <= 3,
        f"нужно число от 0 до 3, у вас {k}; на концах AUROC равен {ends[0]:.2f} и {ends[1]:.2f}.",
    )
    found = area(scores, turned(k))
    right = abs(found - 0.5) < 0.01
    expect(
        right or abs(area(scores, turned(k, about=0)) - 0.5) > 0.01,
        f"при k = {k:.3f} выходит 0.5, если картинки гаснут к чёрному; контраст же берётся относительно их средней картинки.",
    )
    expect(
        right or abs(turned(k).mean() - scores.mean()) > 0.5,
        f"при k = {k:.3f} равны средние log p, а AUROC {found:.3f}: он считает пары, а не средние.",
    )
    expect(
        right,
        f"при k = {k:.3f} AUROC равен {found:.3f}, а не 0.5. В какую сторону крутить, если он мал?",
    )
    return k


with check("Упражнение 6"):
    ball = sphere(clothes.mean(axis=0), clothes.var(axis=0).mean())
    sets = {
        "одежда": clothes,
        "цифры": digits,
        "негативы цифр": 1 - digits,
    }
    found = [test_threshold(ball, clothes, images) for images in sets.values()]
    for name, k in zip(sets, found, strict=True):
        print(f"{name:20} k = {k:.2f}")

# %% [markdown]
# ## Самостоятельно (без баллов)
#
# Ячейка ниже обучает на одежде небольшой Glow с постоянным объёмом и рисует AUROC в зависимости от контраста для одежды и для цифр, ту самую ручку из лекции; если упражнение 6 сделано, его ответ отмечен. А дальше вопросы, на которые проверки нет:
#
# * Обучайте его дольше или возьмите `coupling="affine"`. Какая из кривых сдвинется?
# * Какие *другие* ручки меняют дисперсию, не двигая среднюю картинку? Попробуйте белый шум или усреднение каждой картинки со средней картинкой её класса.
# * Слегка размойте одежду. Дисперсия пикселя уменьшится; что станет с правдоподобием? А если сделать резче?
# * Пусть $q$ — одежда вверх ногами. Среднее и дисперсия меняются мало. Заметит ли это хоть одно из правдоподобий?
# * В лекции таблица двух соседей считает цифры вероятнее одежды. При каком контрасте она перестанет?

# %%
size = {"smoke": {"levels": 1, "steps": 1, "filters": 8}}.get(
    profile, {"levels": 2, "steps": 2, "filters": 32}
)
flow = models.Glow(coupling="additive", **size)
train = data.load("fashion_mnist", "train", source="embedded", verbose=False).images
flow.adapt(train)
schedule = training.WarmUpCosine(5e-3)
flow.compile(optimizer=training.adam(schedule))
updates = {"smoke": 8, "laptop": 200, "gpu": 2000}[profile]
budget = training.Budget(updates=updates, schedule=schedule, progress=False)
flow.fit(train, epochs=1000, batch_size=32, verbose=0, callbacks=[budget])
density = tf.function(lambda y: flow.distribution.log_prob(y), autograph=False)


def flow_log_prob(x):
    """x: пиксели в [0, 1], любые вещественные числа; половина уровня — среднее u."""
    return density(tf.constant(255 * x + 0.5, tf.float32)).numpy()


few = {"smoke": 50, "laptop": 200, "gpu": 500}[profile]
figure, axis = plt.subplots(figsize=(6, 2.8), layout="constrained")
factors = np.linspace(0.2, 1.6, 8)
for label, images, color in (
    ("одежда", clothes[:few], "#1f6f8b"),
    ("цифры", digits[:few], "#d1495b"),
):
    areas = [
        area(flow_log_prob(clothes[:few]), flow_log_prob(centre + k * (images - centre)))
        for centre in [images.mean(axis=0)]
        for k in factors
    ]
    axis.plot(factors, areas, "o-", ms=4, color=color, label=label)
    try:
        crossing = threshold_contrast(flow_log_prob, clothes[:few], images)
        axis.axvline(crossing, color=color, lw=0.8, ls="--")
    except NotImplementedError:
        pass
axis.axhline(0.5, color="0.8", lw=0.7, zorder=0)
axis.set(xlabel="$k$", ylabel="AUROC")
axis.legend();
