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
# # Лабораторная: и всё-таки обнаружить
#
# Шесть упражнений к [лекции](../../lectures/ru/09_detecting.ipynb), 10 баллов, 60–90 минут. Начнём с одного числа, а закончим умением выбирать метод, не обманывая себя. Всякая оценка **тем больше, чем больше картинка похожа на обучающие**.
#
# **Как это устроено.** Пишите код там, где в ячейке стоит `ваш код здесь`, а строку `raise NotImplementedError(...)` удаляйте. Ячейка под упражнением сразу проверит: **✓** верно, **✗** неверно, и почему, **…** ещё не сделано. Блокнот она не останавливает, так что *Run All* всегда дойдёт до конца. При выставлении баллов те же проверки запускаются с другими числами.
#
# | упражнение | баллы |
# |---|---|
# | 1. Ложные тревоги | 1 |
# | 2. Батч и его порог | 2 |
# | 3. WAIC | 1 |
# | 4. Мутировать и поделить | 2 |
# | 5. Файл — это модель | 2 |
# | 6. Сначала выбрать, потом смотреть | 2 |

# %%
import zlib

import matplotlib.pyplot as plt
import numpy as np

from dgm_tfp import data, ood, profiles
from dgm_tfp.exercises import check, expect, graded

rng = np.random.default_rng(0)


# %% [markdown]
# ## Упражнение 1. Ложные тревоги (1 балл)
#
# Детектор поднимает тревогу, когда оценка не больше порога $t$. Поставим $t$ как можно ниже, но так, чтобы 95 % *чужих* картинок всё же обнаруживались. Какая доля *своих* поднимет при этом тревогу, то есть напрасно? (За точностью до картинки гнаться незачем: `np.quantile` вполне годится.)

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "976a89a9b6a14eb7042e28df12e47fef", "grade": false, "grade_id": "false-alarms", "locked": false, "schema_version": 3, "solution": true, "task": false}
def false_alarms(inside, outside):
    """FPR при 95 % TPR. Оценки своих: (n,), чужих: (m,). Возвращает число от 0 до 1."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "06577e81cd90f09106bbb968ece21a27", "grade": true, "grade_id": "false-alarms-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_false_alarms(inside, outside):
    answer = false_alarms(inside, outside)
    expect(
        np.shape(answer) == () and 0 <= answer <= 1,
        f"нужно одно число от 0 до 1; у вас {answer!r:.60}.",
    )

    def close(other):
        return np.isclose(answer, other, atol=0.011)

    truth = np.mean(inside <= np.quantile(outside, 0.95))
    if close(truth):
        return float(answer)
    expect(
        not close(1 - truth),
        "это доля своих, которые тревоги не поднимают.",
    )
    expect(
        not close(np.mean(outside >= np.quantile(inside, 0.05))),
        "это зеркальное число: пропущены 95 % своих, и посчитано, что прошло заодно.",
    )
    expect(
        not close(np.mean(inside >= np.quantile(outside, 0.05))),
        "направление: тревогу поднимают там, где оценка МАЛА.",
    )
    expect(
        not close(np.mean(inside <= np.quantile(outside, 0.05))),
        "такой порог обнаруживает 5 % чужих, а не 95 %.",
    )
    expect(False, f"должно быть {truth:.3f}, у вас {answer:.3f}. Порог берётся по оценкам чужих, а тревоги считаются по своим.")


with check("Упражнение 1"):
    source = np.random.default_rng(1)
    test_false_alarms(source.normal(2, 1, 900), source.exponential(1, 1100))
    print(f"{test_false_alarms(source.normal(1.81, 1, 900), source.normal(size=900)):.2f}")


# %% [markdown]
# ## Упражнение 2. Батч и его порог (2 балла)
#
# $M$ картинок пришли из одного источника. Типичность батча (Nalisnick et al. 2019b) — расстояние его среднего $\log p$ до среднего $\bar\ell$ по одежде, которой модель не видела:
#
# $$\varepsilon = \Bigl|\frac1M \sum_{m=1}^M \log p(x_m) - \bar\ell\,\Bigr|.$$
#
# Напишите $\varepsilon$ для идущих подряд батчей (остаток, которого на батч не хватило, отбрасывается). **Затем** порог: наберите 5000 батчей по $M$ из отложенных значений с возвращением и возьмите такой квантиль их $\varepsilon$, чтобы выше лежала доля батчей $\alpha$.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "98a98a269832c04fa396d9b7284ae29e", "grade": false, "grade_id": "batch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def batch_distance(log_p, mean, size):
    """epsilon каждого батча, в натах. log_p: (n,); mean: число; size: M. Возвращает (n // size,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


def threshold(held_log_p, size, alpha, rng):
    """То, что превышает доля alpha батчей из отложенных картинок. rng: np.random.Generator."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "9ed147c0698061c94fd5b41ed207ae21", "grade": true, "grade_id": "batch-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_batch_distance(log_p, mean, size):
    answer = np.asarray(batch_distance(log_p, mean, size))
    whole = len(log_p) // size
    expect(
        answer.shape == (whole,),
        f"batch_distance: значений {len(log_p)}, целых батчей из них {whole} (по {size}); размер ответа {answer.shape}.",
    )
    batches = log_p[: whole * size].reshape(whole, size)
    truth = np.abs(batches.mean(axis=1) - mean)
    expect(
        np.all(answer >= 0),
        "batch_distance: есть отрицательные; расстояние — это модуль, по обе стороны от среднего.",
    )
    expect(
        size == 1 or not np.allclose(answer, np.abs(batches - mean).mean(axis=1)),
        "batch_distance: это среднее расстояний. Сначала среднее по батчу, потом модуль: иначе в батче ничего не усредняется.",
    )
    strided = np.abs(log_p[: whole * size].reshape(size, whole).mean(axis=0) - mean)
    expect(
        size == 1 or not np.allclose(answer, strided),
        "batch_distance: батчи идут подряд, x[:size], x[size:2 size]; у вас картинки берутся через несколько.",
    )
    expect(
        np.allclose(answer, truth),
        f"batch_distance: первое должно быть {truth[0]:.2f} ната, у вас {answer[0]:.2f}.",
    )


def test_threshold(held, size, alpha):
    answer = threshold(held, size, alpha, np.random.default_rng(5))
    batches = np.random.default_rng(6).choice(held, (20_000, size))
    own = np.abs(batches.mean(axis=1) - held.mean())
    expect(np.shape(answer) == (), f"threshold: нужно одно число; размер ответа {np.shape(answer)}.")
    above = np.mean(own > answer)
    if abs(above - alpha) < 0.3 * alpha:
        return
    expect(
        abs(above - (1 - alpha)) > 0.1 * alpha,
        f"threshold: выше лежит доля {above:.2f} своих батчей, а не {alpha}. Квантиль взят не с того конца.",
    )
    alone = np.abs(held - held.mean())
    expect(
        size == 1 or not np.isclose(answer, np.quantile(alone, 1 - alpha), rtol=0.15),
        "threshold: это порог для одной картинки, а в батче их несколько.",
    )
    expect(False, f"threshold: выше лежит доля {above:.3f} своих батчей, а не {alpha}.")


with check("Упражнение 2"):
    source = np.random.default_rng(3)
    test_batch_distance(source.normal(-700, 200, 47), -690.0, 5)
    test_batch_distance(source.normal(-700, 200, 12), -690.0, 1)
    test_threshold(source.normal(-700, 200, 1000), 10, 0.05)


# %% [markdown]
# ## Упражнение 3. WAIC (1 балл)
#
# Для ансамбля из $K$ моделей и каждой картинки $\mathrm{WAIC}(x) = \mathbb E_k \log p_k(x) - \operatorname{Var}_k \log p_k(x)$. Модели — выборка из всех, которые можно было обучить, поэтому в дисперсии делят на $K - 1$ (`ddof=1`).

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "1b45f89dc9f1965b4f5acd71b718d112", "grade": false, "grade_id": "waic", "locked": false, "schema_version": 3, "solution": true, "task": false}
def waic(log_probs):
    """Оценка каждой картинки. log_probs: (K моделей, n картинок), наты. Возвращает (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "388d0df0f2d5f0f431c83891be2bacc7", "grade": true, "grade_id": "waic-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_waic(log_probs):
    answer, n = waic(log_probs), log_probs.shape[1]
    expect(
        np.shape(answer) == (n,),
        f"картинок {n}, и оценок нужно {n}; размер ответа {np.shape(answer)}. Модели — ПЕРВАЯ ось.",
    )
    mean, spread = log_probs.mean(axis=0), log_probs.var(axis=0, ddof=1)
    expect(
        not np.allclose(answer, mean + spread),
        "дисперсия прибавлена: картинки, о которых модели спорят, выходят более своими.",
    )
    expect(
        not np.allclose(answer, mean - np.sqrt(spread)),
        "это стандартное отклонение; в WAIC стоит дисперсия, его квадрат.",
    )
    expect(
        not np.allclose(answer, mean - log_probs.var(axis=0)),
        "в дисперсии по выборке моделей делят на K - 1, а не на K.",
    )
    expect(
        not np.allclose(answer, mean),
        "это одно среднее: а где несогласие?",
    )
    expect(
        np.allclose(answer, mean - spread),
        f"первая оценка должна быть {mean[0] - spread[0]:.3f}, у вас {answer[0]:.3f}.",
    )


with check("Упражнение 3"):
    test_waic(np.random.default_rng(7).normal(-700, 5, (3, 8)))


# %% [markdown]
# ## Упражнение 4. Мутировать и поделить (2 балла)
#
# Отношение правдоподобий по Ren et al. (2019): $\log p(x) - \log p_0(x)$, где $p_0$ обучают так же, как $p$, но на мутировавших картинках.
#
# **Сначала** `mutate`: каждый пиксель с вероятностью `rate` и независимо от других заменяется уровнем, взятым равномерно из $0, \dots,$ `levels` $- 1$ (может выпасть и прежний). Картинки, которые пришли, портить нельзя.
#
# **Затем** оценка. `fit(images)` обучает модель и возвращает её функцию $x \mapsto \log p(x)$. На каких картинках учится каждая из двух моделей и какие она оценивает?

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "d7c1a6534a4bc43930331e145499923f", "grade": false, "grade_id": "ratio", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mutate(x, rate, levels, rng):
    """Картинки того же размера и типа, что x; часть пикселей заменена. x: (n, h, w), 0..levels - 1."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


def likelihood_ratio(x, train, fit, rate, levels, rng):
    """log p(x) - log p_0(x) в натах. x: (n, h, w); train: (m, h, w). Возвращает (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "7632e2471e540f1d55bb6eb8919b8fdc", "grade": true, "grade_id": "ratio-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_mutate(levels, rate, seed):
    x = np.random.default_rng(seed).integers(0, levels, (60, 14, 14)).astype(np.uint8)
    kept, draw = x.copy(), np.random.default_rng(seed + 1)
    same = np.asarray(mutate(x, 0.0, levels, draw))
    expect(
        same.shape == x.shape and same.dtype == x.dtype,
        f"mutate: картинки пришли как {x.dtype} {x.shape}, а ушли как {same.dtype} {same.shape}.",
    )
    expect(np.array_equal(same, x), "mutate: при rate 0 что-то изменилось.")
    mutate(x, 0.5, levels, draw)
    expect(np.array_equal(x, kept), "mutate: испорчены картинки, которые пришли.")
    black = np.zeros((200, 14, 14), np.uint8)
    full = np.asarray(mutate(black, 1.0, levels, draw))
    counts = np.bincount(full.ravel(), minlength=levels) / full.size
    expect(
        len(counts) == levels,
        f"mutate: встречаются уровни до {len(counts) - 1}, а последний {levels - 1}.",
    )
    expect(
        np.all(np.abs(counts - 1 / levels) < 0.3 / levels),
        f"mutate: при rate 1 все уровни, а их {levels}, должны быть одинаково часты, какой бы ни была картинка; из чёрных картинок выходят частоты {np.round(counts, 2)}.",
    )
    changed = np.asarray(mutate(black, rate, levels, draw)) != 0
    want = rate * (1 - 1 / levels)
    expect(
        np.ptp(changed.mean(axis=(1, 2))) < 0.6,
        "mutate: одни картинки меняются почти целиком, другие почти никак; жребий бросают для каждого пикселя.",
    )
    expect(
        abs(changed.mean() - want) < 0.1 * want,
        f"mutate: при rate {rate} должна измениться доля чёрных пикселей {want:.3f}, а изменилась {changed.mean():.3f}.",
    )


def test_ratio(rate, seed):
    source, learned, scored = np.random.default_rng(seed), [], []
    train, x = (source.integers(0, 4, (n, 14, 14)).astype(np.uint8) for n in (30, 5))

    def fit(images):
        learned.append(np.array(images))
        factor = 3.0 if np.array_equal(images, train) else 1.0

        def log_prob(seen):
            scored.append(np.array(seen))
            return -factor * seen.mean(axis=(1, 2))

        return log_prob

    answer = np.asarray(likelihood_ratio(x, train, fit, rate, 4, source))
    clean = [np.array_equal(images, train) for images in learned]
    expect(
        sum(clean) == 1 and len(clean) == 2,
        f"likelihood_ratio: обучений {len(clean)}, из них на чистых обучающих картинках {sum(clean)}; нужно одно на чистых и одно на мутировавших.",
    )
    shapes = [images.shape for images in learned]
    expect(shapes[0] == shapes[1], f"likelihood_ratio: модели учились на разном числе картинок, {shapes}: фоновая учится на мутировавших ОБУЧАЮЩИХ картинках.")
    expect(
        all(np.array_equal(seen, x) for seen in scored),
        "likelihood_ratio: обе модели оценивают x как есть; мутируют только обучающие картинки.",
    )
    expect(answer.shape == (5,), f"likelihood_ratio: у 5 картинок 5 оценок; размер ответа {answer.shape}.")
    truth = -2.0 * x.mean(axis=(1, 2))
    expect(not np.allclose(answer, -truth), "likelihood_ratio: наоборот: вычитают фоновую модель, а не основную.")
    expect(not np.allclose(answer, 3.0), "likelihood_ratio: отношение правдоподобий — это РАЗНОСТЬ логарифмов; у вас логарифмы поделены.")
    expect(
        np.allclose(answer, truth),
        f"likelihood_ratio: первая оценка должна быть {truth[0]:.3f}, у вас {answer[0]:.3f}.",
    )


with check("Упражнение 4"):
    test_mutate(4, 0.3, 10)
    test_ratio(0.3, 11)


# %% [markdown]
# ## Упражнение 5. Файл — это модель (2 балла)
#
# У каждой картинки есть файл в $L(x)$ **бит**, и $2^{-L(x)}$ — вероятность. Напишите оценку Serrà et al. (2020) как отношение правдоподобий в **натах**:
#
# $$s(x) = \log \frac{p(x)}{2^{-L(x)}}.$$
#
# `compress(image)` возвращает байты файла одной картинки.

# %%
def compress(image):
    """The bytes of one image (h, w), uint8, without loss."""
    return zlib.compress(np.ascontiguousarray(image).tobytes(), 9)


# %% deletable=false nbgrader={"cell_type": "code", "checksum": "e67a0348837d32bf90420a706727c0db", "grade": false, "grade_id": "complexity", "locked": false, "schema_version": 3, "solution": true, "task": false}
def complexity(x, log_p):
    """Оценка каждой картинки, в натах. x: uint8 (n, h, w); log_p: (n,), наты. Возвращает (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "96771fcdcbb1147da45ec3b84751b5c0", "grade": true, "grade_id": "complexity-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_complexity(x, log_p):
    answer = np.asarray(complexity(x, log_p))
    expect(
        answer.shape == (len(x),),
        f"на входе картинок {len(x)}, размер ответа {answer.shape}; у каждой свой файл.",
    )
    size = np.array([len(compress(image)) for image in x])
    nats = 8 * size * np.log(2)
    wrong = {
        "L в битах; len у файла считает байты.": log_p + size * np.log(2),
        "биты прибавлены к натам: бит — это log 2 ната.": log_p + 8 * size,
        "это байты, прибавленные к натам: в байте 8 бит, а бит — это log 2 ната.": log_p + size,
        "знак: в log p - log 2^(-L) минусов два.": log_p - nats,
        "это S(x) из статьи, большое для чужих; здесь больше значит более своё, и в натах.": -log_p / np.log(2) - 8 * size,
        "верно, но в битах; нужны наты.": log_p / np.log(2) + 8 * size,
        "это один файл; а где модель?": -nats,
    }
    for message, values in wrong.items():
        expect(not np.allclose(answer, values), message)
    together = len(compress(x)) * 8 * np.log(2)
    spread = np.ptp(answer - log_p)
    expect(
        spread > 1e-6 or not np.ptp(size),
        f"у всех картинок одна и та же длина, разброс {spread:.3f}: сжимайте каждую отдельно (все вместе занимают {together:.0f} натов).",
    )
    expect(
        np.allclose(answer, log_p + nats),
        f"первая оценка должна быть {log_p[0] + nats[0]:.2f}, у вас {answer[0]:.2f}.",
    )


with check("Упражнение 5"):
    source = np.random.default_rng(12)
    images = [source.integers(0, k, (14, 14)) for k in (1, 2, 5, 50, 256)]
    test_complexity(np.array(images, np.uint8), source.normal(-300, 50, 5))


# %% [markdown]
# ## Упражнение 6. Сначала выбрать, потом смотреть (2 балла)
#
# Есть несколько настроек оценки, каждая — функция $x \mapsto s(x)$. Есть три набора: `inside` (свои), `third` (третий, чужой, чтобы выбирать) и `test` (проверочный). Верните имя настройки, которой следует пользоваться, и **одно** число: её AUROC на `inside` против `test`. AUROC оценок $a$ у своих и $b$ у чужих — это `area(a, b)`.
#
# Направление задано: больше — значит более своё. Настройка с AUROC 0.1 плохая, а не хорошая с минусом.

# %%
def area(a, b):
    """AUROC of the scores a, inside, against b, outside."""
    return ood.auroc(a, b, resamples=1).value


# %% deletable=false nbgrader={"cell_type": "code", "checksum": "f7125e4d6d5d2cceb3b28876eb24c49e", "grade": false, "grade_id": "choose", "locked": false, "schema_version": 3, "solution": true, "task": false}
def choose_and_look(settings, inside, third, test):
    """(имя, AUROC на проверочном наборе). settings: {имя: функция x -> (n,)}."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "0d0d334ebb42ca69bf86b027d0044f8e", "grade": true, "grade_id": "choose-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_choose(shifts, seed):
    """shifts: насколько далеко видит каждая настройка третий и проверочный наборы."""
    source = np.random.default_rng(seed)
    sets = [source.normal(size=(400, 2)) + [k, 0] for k in (0, 100, 200)]

    def setting(on_third, on_test):
        def score(x):  # первая координата говорит, какой это набор
            which = round(x[:, 0].mean() / 100)
            return x[:, 1] - [0, on_third, on_test][which]

        return score

    settings = {name: setting(*pair) for name, pair in shifts.items()}
    table = {
        name: [area(score(sets[0]), score(other)) for other in sets[1:]]
        for name, score in settings.items()
    }
    answer = choose_and_look(settings, *sets)
    expect(
        isinstance(answer, tuple) and len(answer) == 2 and answer[0] in settings,
        f"нужна пара (имя, число); у вас {answer!r:.60}.",
    )
    name, value = answer

    def best(quality):
        return max(table, key=lambda key: quality(*table[key]))

    right = best(lambda third, test: third)
    if name != right:
        expect(
            name != best(lambda third, test: test),
            f"{name} лучше всех на ПРОВЕРОЧНОМ наборе. Тогда её AUROC на нём уже не проверка: выбирайте по третьему.",
        )
        expect(
            name != best(lambda third, test: max(third, 1 - third)),
            f"{name} была бы хороша с минусом; направление оценки задано до того, как кто-нибудь посмотрел.",
        )
        expect(
            name != best(lambda third, test: (third + test) / 2),
            f"{name} лучше всех на обоих чужих наборах вместе: проверочный помогал выбирать.",
        )
        expect(False, f"третий набор за {right}, а вы выбрали {name}. Наибольшая ли это AUROC?")
    third, test = table[right]
    expect(
        not np.isclose(value, third) or np.isclose(third, test),
        f"{value:.3f} — AUROC на третьем наборе, по которому выбирали: слишком хорошо. Сообщать надо проверочный.",
    )
    expect(
        np.isclose(value, test),
        f"AUROC у {name} на проверочном наборе {test:.3f}, вы сообщаете {value:.3f}.",
    )
    return value, max(test for _, test in table.values())


with check("Упражнение 6"):
    shifts = {"A": (1.0, 0.7), "B": (0.2, 2.5), "C": (-3.0, -1.0), "D": (0.9, 1.9)}
    honest, greedy = test_choose(shifts, 14)
    print(f"честно: {honest:.2f}; подсмотревший сообщит {greedy:.2f}")


# %% [markdown]
# ## Самостоятельно (без баллов)
#
# Ниже ваши функции встречаются с настоящими картинками: своё — одежда, чужое — цифры и буквы, 16 уровней серого, а модель — таблица частот (пусто, пока не сделаны упражнения 2, 4 и 5). А дальше вопросы, на которые проверки нет:
#
# * При какой доле мутаций лучше всего на буквах? А на цифрах? Что бы вы сообщили, если бы сначала посмотрели на цифры?
# * Считайте по 0, 1, 2 или 4 соседям, отдельно для $p$ и для $p_0$. Когда отношение работает лучше всего и почему $p$ должна знать больше, чем $p_0$?
# * Замените `zlib` на `bz2` или `lzma`, сжимайте уровни, умноженные на 17, или разности соседних пикселей. Далеко ли сдвигается AUROC?
# * Придумайте набор, на котором проваливается сложность, но не типичность, и ещё один, где наоборот.
# * Обучите классификатор «одежда или буквы» и возьмите оценкой вероятность одежды. Лучше ли он всего, что здесь есть? На каких наборах с рисунка 9 лекции он проваливается?

# %%
def levels(name, split, n):
    source = "synthetic" if name == "letters" else "embedded"
    images = data.load(name, split, source=source, verbose=False).images
    return images[:n, ..., 0] // 16


def counted(images, looks=((0, -1), (-1, 0), (-1, 1))):
    """Модель из лекции: log p(x) по частотам уровней при данных соседях."""

    def contexts(x):
        padded, number = np.pad(x.astype(int), ((0, 0), (1, 0), (1, 1))), 0
        for down, right in looks:
            moved = padded[:, 1 + down : 29 + down, 1 + right : 29 + right]
            number = number * 16 + moved
        return number

    pairs = (contexts(images) * 16 + images).ravel()
    table = np.bincount(pairs, minlength=16 ** (len(looks) + 1)).reshape(-1, 16) + 0.5
    table = np.log(table / table.sum(axis=1, keepdims=True))
    return lambda x: table[contexts(x), x].sum(axis=(1, 2))


def real_scores():
    few = 300 if profiles.current().name == "smoke" else 1_000
    train, held = np.split(levels("fashion_mnist", "train", 10 * few), [9 * few])
    sets = [levels(n, "test", few) for n in ("fashion_mnist", "mnist", "letters")]
    model = counted(train)
    mean = model(held).mean()
    scores = {
        "правдоподобие": model,
        "типичность": lambda x: -batch_distance(model(x), mean, 1),
        "типичность десяти": lambda x: -batch_distance(model(x), mean, 10),
        "сложность": lambda x: complexity(17 * x, model(x)),
    }
    for rate in (0.1, 0.3):
        scores[f"отношение, доля {rate}"] = lambda x, rate=rate: likelihood_ratio(
            x, train, counted, rate, 16, np.random.default_rng(0)
        )
    values = [[score(x) for x in sets] for score in scores.values()]
    return scores, [[area(own, other) for other in rest] for own, *rest in values]


try:
    names, areas = real_scores()
except Exception:  # какое-то упражнение ещё не сделано или неверно
    names, areas = [], []
if areas:
    figure, axis = plt.subplots(figsize=(7, 2.8), layout="constrained")
    for k, (label, color) in enumerate((("цифры", "#d1495b"), ("буквы", "#8d8d8d"))):
        places = np.arange(len(names)) + 0.38 * (k - 0.5)
        axis.barh(places, [row[k] for row in areas], 0.36, color=color, label=label)
    axis.axvline(0.5, color="0.5", lw=0.8, ls="--")
    axis.set_yticks(np.arange(len(names)), names)
    axis.set(xlabel="AUROC", xlim=(0, 1))
    axis.invert_yaxis()
    axis.legend()
