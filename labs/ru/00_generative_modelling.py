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
# # Лабораторная: генеративное моделирование
#
# Пять упражнений к [лекции](../../lectures/ru/00_generative_modelling.ipynb), 10 баллов, 60–90 минут. От одной строки сэмплирования до выбора между моделями. Хватит одного NumPy.
#
# **Как это устроено.** Пишите код там, где в ячейке стоит `ваш код здесь`, а строку `raise NotImplementedError(...)` удаляйте. Ячейка под упражнением сразу проверит: **✓** верно, **✗** неверно, и почему, **…** ещё не сделано. Блокнот она не останавливает, так что *Run All* всегда дойдёт до конца. При выставлении баллов те же проверки запускаются с другими числами.
#
# | упражнение | баллы |
# |---|---|
# | 1. Высота волны | 1 |
# | 2. Формула Байеса для картинок | 2 |
# | 3. Отклонение | 2 |
# | 4. Новые доли классов | 2 |
# | 5. Обоснованность и leave-one-out | 3 |

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from dgm_tfp import buffet, data, shift
from dgm_tfp.exercises import check, expect, graded

rng = np.random.default_rng(0)


# %% [markdown]
# ## Упражнение 1. Высота волны (1 балл)
#
# Высоты морских волн следуют закону Рэлея,
#
# $$F(t) = 1 - e^{-t^2 / (2 s^2)}, \qquad t \ge 0.$$
#
# Решите $F(t) = u$ относительно $t$ и напишите $F^{-1}(u)$.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "e26df79214f45432f36d666130181580", "grade": false, "grade_id": "inverse", "locked": false, "schema_version": 3, "solution": true, "task": false}
def wave_height(u, s):
    """F^-1(u). u: (n,), от 0 до 1; s: число > 0. Возвращает (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "fd3cc2cd042baeb4ebc0d3af46044e23", "grade": true, "grade_id": "inverse-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_inverse(u, s):
    answer = wave_height(u, s)
    expect(
        np.shape(answer) == u.shape,
        f"на входе {u.shape} чисел, на выходе {np.shape(answer)}; нужно по одному на каждое u.",
    )
    expect(
        np.isfinite(answer).all() and np.all(answer >= 0),
        "высота отрицательна или не число; логарифм числа, меньшего 1, отрицателен.",
    )
    expect(
        not np.allclose(answer, s * np.sqrt(-2 * np.log(u)), rtol=1e-6),
        "у вас высоты убывают с ростом u: закон у них верный, но это не F^-1, ведь F растёт. Где 1 - u?",
    )
    back = 1 - np.exp(-(answer**2) / (2 * s**2))
    expect(
        np.allclose(back, u),
        f"при s = {s} F(ответ) = {np.round(back, 3)}, а u было {u}. Умножено ли на s, и есть ли корень?",
    )


with check("Упражнение 1"):
    test_inverse(np.array([0.1, 0.5, 0.9]), 1.0)
    test_inverse(np.array([0.2, 0.7]), 2.5)


# %% [markdown]
# ## Упражнение 2. Формула Байеса для картинок (2 балла)
#
# Генеративная модель даёт для каждой картинки и каждого класса $\log p(x \mid y)$: числа вроде $-900$ или $+300$. По ним и по долям $p(y)$ найдите
#
# $$p(y \mid x) = \frac{p(y)\, p(x \mid y)}{\sum_{y'} p(y')\, p(x \mid y')} \qquad \text{and} \qquad \log p(x) = \log \sum_{y'} p(y')\, p(x \mid y').$$
#
# Учтите, что $e^{-900}$ в компьютере равно 0, и что это обходят: $\log \sum_i e^{a_i} = A + \log \sum_i e^{a_i - A}$ при любом $A$, например при наибольшем $a_i$ (это делает `np.logaddexp.reduce`).

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "49d35e125559d0b036842503d35e127c", "grade": false, "grade_id": "bayes", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bayes(log_likelihood, shares):
    """log p(x | y), (n, классы), и p(y), (классы,). Возвращает p(y | x), (n, классы), и log p(x), (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "b9a85a37eab423ef4b0a953ff1a0efdc", "grade": true, "grade_id": "bayes-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_bayes(log_likelihood, shares):
    p, log_p = bayes(log_likelihood, shares)
    n, classes = log_likelihood.shape
    expect(
        np.shape(p) == (n, classes) and np.shape(log_p) == (n,),
        f"у p(y | x) должен быть размер {(n, classes)}, у log p(x) {(n,)}; у вас {np.shape(p)} и {np.shape(log_p)}.",
    )
    expect(
        np.isfinite(p).all() and np.isfinite(log_p).all(),
        "nan или бесконечность: экспонента этих чисел не помещается в компьютере. Вычитайте логарифмы, а экспоненту берите потом.",
    )
    expect(
        np.allclose(np.sum(p, axis=1), 1),
        "сумма p(y | x) по классам должна быть 1 для каждой картинки: одна ось — картинки, другая — классы.",
    )
    i, best = 0, np.argmax(log_likelihood[0])
    others = (
        np.log(shares)
        - np.log(shares[best])
        + log_likelihood[i]
        - log_likelihood[i, best]
    )
    truth = 1 / np.sum(np.exp(others))  # of the class `best`, by dividing through
    flat = 1 / np.sum(np.exp(log_likelihood[i] - log_likelihood[i, best]))
    expect(
        not np.isclose(p[i, best], flat) or np.isclose(flat, truth),
        "p(y | x) верна только при равных долях: где p(y)?",
    )
    expect(
        np.isclose(p[i, best], truth),
        f"p(y = {best} | x) должна быть {truth:.4f}, у вас {p[i, best]:.4f}. Это p(y) p(x | y), с логарифмом доли?",
    )
    right = np.log(shares[best]) + log_likelihood[:, best] - np.log(p[:, best])
    expect(
        np.allclose(log_p, right),
        f"p(y | x) верна; log p(x) должен быть {right[0]:.3f}, у вас {log_p[0]:.3f}: складываются вероятности, а не логарифмы, и по классам.",
    )


digits = data.load("mnist", "train", source="embedded", verbose=False)
ones = digits.images[digits.labels <= 1][:400].reshape(400, -1) / 255
labels = digits.labels[digits.labels <= 1][:400]
pixels = [(ones[labels == c].mean(0), ones[labels == c].std(0) + 0.2) for c in (0, 1)]
real = np.stack(
    [stats.norm(*pixel).logpdf(ones).sum(axis=1) for pixel in pixels], axis=1
)


with check("Упражнение 2"):
    test_bayes(np.log([[0.2, 0.1], [0.3, 0.9]]), np.array([0.25, 0.75]))
    test_bayes(
        np.array([[-900.0, -901.0, -903.0], [300.0, 800.0, 0.0]]),
        np.array([0.5, 0.3, 0.2]),
    )
    right = np.mean(bayes(real, np.array([0.5, 0.5]))[0].argmax(axis=1) == labels)
    print(f"верно о нулях и единицах: {right:.1%}")


# %% [markdown]
# ## Упражнение 3. Отклонение (2 балла)
#
# Напишите сэмплирование с отклонением: возьмите **ровно** `proposals` точек из `q`, оставьте те, которые следует, верните их и долю оставленных. `q.rvs(n, random_state=rng)` берёт точки, `q.pdf(z)` — плотность, `rng.uniform(0, heights)` берёт по числу на каждую высоту.
#
# Если хотя бы в одной из взятых точек $k\,q(z) < p(z)$, результат был бы неверен, и никто бы не заметил. Поднимите в этом случае `ValueError`.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "402f61238be71a926d57c63b84c2b59e", "grade": false, "grade_id": "reject", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reject(p, q, k, proposals, rng):
    """Оставленные z, (m,), и m / proposals. p: функция, с точностью до множителя; q: из scipy.stats."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "e5d1e1f19816f28cd5ef1fc037de68e2", "grade": true, "grade_id": "reject-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_reject(law, q, k, factor, source):
    z, share = reject(lambda t: factor * law.pdf(t), q, k, 40_000, source)
    expect(
        np.ndim(z) == 1 and np.isscalar(float(share)),
        "верните две вещи: оставленные точки, (m,), и одно число.",
    )
    expect(
        np.isclose(share, len(z) / 40_000),
        f"из 40000 предложенных вы вернули {len(z)} и говорите, что доля {share:.4f}; она {len(z) / 40_000:.4f}.",
    )
    expect(
        stats.kstest(z, q.cdf).pvalue < 1e-4,
        "у оставленных всё ещё закон q: выбрасывается ли что-нибудь, и там ли, где p мала по сравнению с k q?",
    )
    p_value = stats.kstest(z, law.cdf).pvalue
    expect(
        p_value > 1e-4,
        f"у оставленных закон не p (p-значение {p_value:.1g}). Число u равномерно от 0 до k q(z).",
    )
    theory = factor / k
    expect(
        abs(share - theory) < 5 * np.sqrt(theory / 40_000),
        f"оставлено {share:.3f}; по теории Z / k = {theory:.3f}.",
    )


def test_alarm(source):
    try:
        reject(stats.norm(0, 1).pdf, stats.norm(0, 2), 1.5, 10_000, source)
    except ValueError:
        return
    expect(
        False,
        "для N(0, 1) из N(0, 2) нужно k не меньше 2; при k = 1.5 вы не подняли ValueError.",
    )


with check("Упражнение 3"):
    test_reject(stats.beta(2, 4), stats.uniform(), 2.2, 1.0, np.random.default_rng(0))
    test_reject(stats.norm(0, 1), stats.norm(0, 2), 8.0, 3.0, np.random.default_rng(1))
    test_alarm(np.random.default_rng(2))


# %% [markdown]
# ## Упражнение 4. Новые доли классов (2 балла)
#
# Классификатор обучали там, где доли классов были $p(y)$. Теперь доли $p'(y)$, а $p(x \mid y)$ прежняя. Исправьте его ответы:
#
# $$p'(y \mid x) = \frac{p(y \mid x)\, p'(y) / p(y)}{\sum_{y'} p(y' \mid x)\, p'(y') / p(y')}.$$
#
# Проверка заодно делает такой сдвиг на настоящих цифрах, двойки против семёрок, и показывает, чего стоит поправка.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "96b2b82b847e79e207b4011e5b2176e1", "grade": false, "grade_id": "prior-shift", "locked": false, "schema_version": 3, "solution": true, "task": false}
def correct(p, old, new):
    """p(y | x), (n, классы); старые и новые доли, по (классы,). Возвращает (n, классы)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "8b4af3c564cb1bfead6e978b149132d6", "grade": true, "grade_id": "prior-shift-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_correct(densities, old, new):
    """densities: p(x | y), (n, classes)."""
    joint, changed = densities * old, densities * new
    p = joint / joint.sum(axis=1, keepdims=True)
    truth = changed / changed.sum(axis=1, keepdims=True)
    given = p.copy()
    answer = correct(p, old, new)
    expect(
        np.array_equal(p, given),
        "функция изменила массив p, который ей дали; создайте новый.",
    )
    expect(
        np.shape(answer) == p.shape,
        f"на входе размер {p.shape}, на выходе {np.shape(answer)}.",
    )
    expect(
        np.allclose(np.sum(answer, axis=1), 1),
        "новые вероятности картинки не дают в сумме 1 по классам: поделите на сумму по оси 1.",
    )
    twice = p * new
    twice = twice / twice.sum(axis=1, keepdims=True)
    expect(
        not np.allclose(answer, twice) or np.allclose(twice, truth),
        "это p(y | x) p'(y): внутри p(y | x) ещё сидят старые доли; их надо поделить.",
    )
    inverse = p * old / new
    inverse = inverse / inverse.sum(axis=1, keepdims=True)
    expect(
        not np.allclose(answer, inverse) or np.allclose(inverse, truth),
        "старые и новые доли перепутаны: то, что стало чаще, должно стать вероятнее.",
    )
    expect(
        np.allclose(answer, truth),
        f"при p(y | x) = {np.round(p[0], 3)}, доли {np.round(old, 2)} стали {np.round(new, 2)}, должно быть {np.round(truth[0], 3)}, у вас {np.round(answer[0], 3)}.",
    )


digits = data.load("mnist", "train", source="embedded", verbose=False)
chosen = np.isin(digits.labels, (2, 7))
x = (
    digits.images[chosen].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
    / 255
)
y = (digits.labels[chosen] == 7).astype(int)
half = np.arange(len(x)) < len(x) // 2
centres = [x[half & (y == c)].mean(axis=0) for c in (0, 1)]  # Gaussians of one width
shifted = shift.prior_probability(x[~half], y[~half], {0: 0.97, 1: 0.03})
distances = [((shifted.x - centre) ** 2).sum(axis=1) for centre in centres]
sevens = 1 / (1 + np.exp((distances[1] - distances[0]) / 2))
p_digits = np.stack([1 - sevens, sevens], axis=1)  # as if the shares were equal


with check("Упражнение 4"):
    test_correct(rng.random((5, 2)), np.array([0.5, 0.5]), np.array([0.9, 0.1]))
    test_correct(
        rng.random((6, 3)), np.array([0.2, 0.3, 0.5]), np.array([0.6, 0.3, 0.1])
    )
    for q in (
        p_digits,
        correct(p_digits, np.array([0.5, 0.5]), np.array([0.97, 0.03])),
    ):
        print(
            f"ошибка на сдвинутых цифрах: {np.mean(q.argmax(axis=1) != shifted.y):.3f}"
        )


# %% [markdown]
# ## Упражнение 5. Обоснованность и leave-one-out (3 балла)
#
# Байесовская регрессия, как в лекции: $t = \Phi w + \varepsilon$, где $w \sim \mathcal N(0, I/\alpha)$, а дисперсия шума $1/\beta$. При данных $n$ строках
#
# $$S = (\alpha I + \beta\, \Phi^\top \Phi)^{-1}, \qquad m = \beta\, S\, \Phi^\top t, \qquad p(t' \mid \phi') = \mathcal N\bigl(t';\; m^\top \phi',\; \tfrac1\beta + \phi'^\top S\, \phi'\bigr).$$
#
# Напишите три функции, каждая пользуется предыдущей:
#
# * `log_predictive`: $\log p(t' \mid \phi', \text{rows})$ одного нового ответа. Если строк нет вовсе, она должна дать предсказание априорного распределения;
# * `log_evidence`: сумма слагаемых, в каждом ответ при данных строках **до** него;
# * `leave_one_out`: **среднее** слагаемых, где каждый ответ при данных всех **остальных** строках.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "5c31e29c0efdf9c2c42b935302b100f5", "grade": false, "grade_id": "evidence", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_predictive(new_phi, new_t, phi, t, alpha, beta):
    """log p(new_t | new_phi, rows), число. new_phi: (m,); phi: (n, m) и t: (n,), n может быть 0."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


def log_evidence(phi, t, alpha, beta):
    """log p(t), число. phi: (n, m), t: (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


def leave_one_out(phi, t, alpha, beta):
    """Среднее по i от log p(t_i | все остальные), число."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "185d2bf67e8296ef2141c5cf78977317", "grade": true, "grade_id": "evidence-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_evidence(phi, t, alpha, beta):
    n = len(phi)
    C = (
        np.eye(n) / beta + phi @ phi.T / alpha
    )  # covariance of all t, weights integrated out
    rest = C[:-1, :-1]
    gain = np.linalg.solve(rest, C[:-1, -1])
    mean, variance = gain @ t[:-1], C[-1, -1] - gain @ C[:-1, -1]
    right = stats.norm.logpdf(t[-1], mean, np.sqrt(variance))
    answer = log_predictive(phi[-1], t[-1], phi[:-1], t[:-1], alpha, beta)
    expect(
        np.ndim(answer) == 0,
        f"log_predictive: нужно одно число, а не массив размера {np.shape(answer)}.",
    )
    narrow = stats.norm.logpdf(t[-1], mean, np.sqrt(variance - 1 / beta))
    only_noise = stats.norm.logpdf(t[-1], mean, np.sqrt(1 / beta))
    squared = stats.norm.logpdf(t[-1], mean, variance)
    expect(
        not np.isclose(answer, narrow),
        "log_predictive: неуверенность в весах учтена, а шум 1 / beta нового ответа нет.",
    )
    expect(
        not np.isclose(answer, only_noise),
        "log_predictive: учтён только шум; но и в весах мы не уверены.",
    )
    expect(
        not np.isclose(answer, squared),
        "log_predictive: norm.logpdf ждёт стандартное отклонение, а получила дисперсию.",
    )
    expect(
        np.isclose(answer, right),
        f"log_predictive: здесь должно быть {right:.4f}, у вас {float(answer):.4f}.",
    )
    first = log_predictive(phi[0], t[0], phi[:0], t[:0], alpha, beta)
    expect(
        np.isclose(first, stats.norm.logpdf(t[0], 0, np.sqrt(C[0, 0]))),
        "log_predictive: без строк предсказание должно быть как у априорного распределения.",
    )
    total, truth = (
        log_evidence(phi, t, alpha, beta),
        stats.multivariate_normal(np.zeros(n), C).logpdf(t),
    )
    inverse = np.linalg.inv(C)
    left = stats.norm.logpdf(
        inverse @ t / np.diag(inverse), 0, np.diag(inverse) ** -0.5
    )
    expect(
        np.ndim(total) == 0,
        f"log_evidence: нужно одно число, сумма; размер ответа {np.shape(total)}.",
    )
    expect(
        not np.isclose(total, left.sum()),
        "log_evidence: здесь каждый ответ предсказан по всем остальным; в цепном правиле только по предыдущим.",
    )
    expect(
        np.isclose(total, truth),
        f"log_evidence: должно быть {truth:.4f}, у вас {float(total):.4f}. В слагаемом t_k при данных строках до k, и слагаемые складываются.",
    )
    loo = leave_one_out(phi, t, alpha, beta)
    expect(not np.isclose(loo, left.sum()), "leave_one_out: это сумма; нужно среднее.")
    expect(
        np.isclose(loo, left.mean()),
        f"leave_one_out: должно быть {left.mean():.4f}, у вас {float(loo):.4f}. Отложена ли сама точка, и только она?",
    )


def cubic(n, source):
    x = np.sort(source.uniform(-1, 1, n))
    return x, 2 * x - 4 * x**3 + 0.3 * source.standard_normal(n)


with check("Упражнение 5"):
    x, t = cubic(8, np.random.default_rng(0))
    test_evidence(np.vander(x, 3, increasing=True), t, 0.5, 9.0)
    test_evidence(np.vander(x, 6, increasing=True), t, 0.1, 4.0)
    found = [
        [score(np.vander(x, d + 1, increasing=True), t, 0.1, 11.0) for d in range(8)]
        for score in (log_evidence, leave_one_out)
    ]
    print(
        "степень по обоснованности и по leave-one-out:",
        *(int(np.argmax(scores)) for scores in found),
    )

# %% [markdown]
# ## Самостоятельно (без баллов)
#
# Ниже картинка к упражнению 5 (пусто, пока оно не сделано) и несколько сетей, порождённых каскадным процессом индийского буфета. А дальше вопросы, на которые проверки нет:
#
# * Разделите $\alpha$ на 100: априорное распределение станет вдесятеро шире. Какая из двух кривых сдвинется, насколько при каждой степени и почему?
# * `sampling.bootstrap(x, statistic)` даёт интервал для любой статистики от строк. Возьмите ошибку из упражнения 4 до и после поправки: перекрываются ли интервалы? И тот ли это вопрос, если обе измерены на одних и тех же картинках?
# * `buffet.cascade(5, alpha, beta, seed)`: как средняя глубина зависит от $\alpha$? А от $\beta$ при том же $\alpha$? Где ваш компьютер перестаёт отвечать?
# * Возьмите сэмплы из плотности, придуманной вами, с помощью `sampling.grid_ppf` и с помощью `sampling.rejection`. Что быстрее в одном измерении? Что станет с каждым в трёх?

# %%
figure, axes = plt.subplots(1, 4, figsize=(10, 2.6), layout="constrained")
if "found" in globals():
    for scores, style in zip(found, ("o-", "s--"), strict=True):
        scaled = np.array(scores) * (
            8 if style == "s--" else 1
        )  # n LOO against the evidence
        axes[0].plot(range(8), scaled, style, color="#1f6f8b", ms=4)
    axes[0].set(xlabel="$M$", ylabel=r"$\log p(t), \; n \cdot \mathrm{LOO}$")
for axis, seed in zip(axes[1:], (3, 10, 14), strict=True):
    buffet.draw(axis, buffet.cascade(5, 1.5, 1.0, seed), visible=5, size=30)
