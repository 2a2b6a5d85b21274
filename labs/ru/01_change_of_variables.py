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
# # Лабораторная: замена переменных
#
# Пять упражнений к [лекции](../../lectures/ru/01_change_of_variables.ipynb), 10 баллов, 60–90 минут. Начнём с одной производной, а закончим собственным обученным биектором.
#
# **Как это устроено.** Пишите код там, где в ячейке стоит `ваш код здесь`, а строку `raise NotImplementedError(...)` удаляйте. Ячейка под упражнением сразу проверит: **✓** верно, **✗** неверно, и почему, **…** ещё не сделано. Блокнот она не останавливает, так что *Run All* всегда дойдёт до конца. При выставлении баллов те же проверки запускаются с другими числами.
#
# | упражнение | баллы |
# |---|---|
# | 1. Наклон | 1 |
# | 2. Плотность на полупрямой | 2 |
# | 3. Матрица | 2 |
# | 4. Цепочка слоёв | 2 |
# | 5. Биектор, и его обучение | 3 |

# %%
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import integrate, stats
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from dgm_tfp.exercises import check, expect, graded

rng = np.random.default_rng(0)


def numeric_jacobian(function, point, step=1e-5):
    """The matrix (D, D) of derivatives of function: (n, D) -> (n, D) at one point (D,), by central differences."""
    steps = step * np.eye(len(point))
    return (function(point + steps) - function(point - steps)).T / (2 * step)


# %% [markdown]
# ## Упражнение 1. Наклон (1 балл)
#
# Пусть $z = f(x) = -2 \ln x$ при $0 < x < 1$. Напишите множитель из теоремы, $\left|\frac{dz}{dx}\right|$.
#
# Когда он будет верен, вы увидите приятную вещь: если $z$ имеет показательную плотность $p_z(z) = \frac12 e^{-z/2}$, то $p_x(x)$ окажется равной 1 при всех $x$. Если прочесть это в обратную сторону, выйдет способ, которым компьютер получает показательные числа из равномерных.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "2bf2ad52a0fe917dbf945b11b0a1cc9d", "grade": false, "grade_id": "slope", "locked": false, "schema_version": 3, "solution": true, "task": false}
def slope(x):
    """|dz/dx| для z = -2 ln x. x: (n,), от 0 до 1. Возвращает (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "90bf5defe76bff2b6a593100c41dc3f3", "grade": true, "grade_id": "slope-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_slope(x):
    answer, numeric = (
        slope(x),
        np.abs(np.log(x * 0.9999) - np.log(x * 1.0001)) * 2 / (x * 0.0002),
    )
    expect(
        np.shape(answer) == x.shape,
        f"на входе {x.shape} чисел, на выходе {np.shape(answer)}; нужно по одному на каждое x.",
    )
    expect(
        np.all(np.asarray(answer) > 0),
        "множитель где-то отрицателен или равен нулю; у отношения длин знака нет.",
    )
    expect(
        not np.allclose(answer, 1 / numeric, rtol=1e-3),
        "это dx/dz, перевёрнутая дробь; в теореме стоит dz/dx.",
    )
    expect(
        np.allclose(answer, numeric, rtol=1e-3),
        f"при x = {x[0]} функция f меняется в {numeric[0]:.3f} раза быстрее x; у вас {answer[0]:.3f}.",
    )


with check("Упражнение 1"):
    test_slope(np.array([0.1, 0.5, 0.9]))
    print(
        "p_x(x) =",
        0.5 * np.exp(np.log([0.1, 0.5, 0.9])) * slope(np.array([0.1, 0.5, 0.9])),
    )


# %% [markdown]
# ## Упражнение 2. Плотность на полупрямой (2 балла)
#
# Доходы, размеры файлов, сроки службы многих вещей: *логарифм* их примерно нормален. Пусть
#
# $$z = f(x) = \frac{\ln x - m}{s}, \qquad x > 0, \quad z \sim \mathcal N(0, 1).$$
#
# Напишите $\log p_x(x)$. Логарифм $\log p_z(z)$ даёт `stats.norm.logpdf(z)`.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "b6a62b40c4174e28f77a8c7c78c35f09", "grade": false, "grade_id": "half-line", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_prob_half_line(x, m, s):
    """log p_x(x) в натах. x: (n,), положительные; m, s: числа, s > 0. Возвращает (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "0a42d3525bc81bdecb47fc52ffae5cd5", "grade": true, "grade_id": "half-line-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_half_line(m, s):
    x = np.exp(m + s * np.linspace(-8, 8, 4001))
    answer = log_prob_half_line(x, m, s)
    expect(
        np.shape(answer) == x.shape,
        f"на входе {x.shape} точек, на выходе {np.shape(answer)}; у каждой свой log p.",
    )
    area = integrate.trapezoid(np.exp(answer), x)
    expect(
        not np.isclose(area, s, rtol=0.01),
        f"при s = {s} интеграл плотности равен s, а не 1: dz/dx зависит и от s.",
    )
    expect(
        np.isclose(area, 1, rtol=0.01),
        f"при m = {m}, s = {s} интеграл плотности {area:.2f}, а не 1: учтён ли log |dz/dx|, и с тем ли знаком?",
    )
    median = integrate.trapezoid(np.exp(answer[:2001]), x[:2001])
    expect(
        np.isclose(median, 0.5, atol=0.01),
        f"ниже x = exp(m), где z = 0, лежит половина вероятности; у вас там {median:.2f}.",
    )


with check("Упражнение 2"):
    test_half_line(0.0, 0.5)
    test_half_line(1.0, 0.8)


# %% [markdown]
# ## Упражнение 3. Матрица (2 балла)
#
# Теперь $D$ измерений и целый набор точек. Пусть $z = A x + b$ для каждой строки $x$ массива размера $(n, D)$, и $z \sim \mathcal N(0, I)$. Напишите $\log p_x$ каждой строки.
#
# Матрица Якоби во всех точках одна и та же, $A$, так что логарифм модуля якобиана у всех строк общий. Симметричной $A$ быть не обязана, и определитель её не обязан быть положительным: посмотрите на `np.linalg.slogdet`.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "c6712857530a35abfb59ce1698f90b91", "grade": false, "grade_id": "matrix", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_prob_matrix(x, A, b):
    """log p_x каждой строки в натах. x: (n, D); A: (D, D); b: (D,). Возвращает (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "a2bea8a3785050b1380770fbe4635d0e", "grade": true, "grade_id": "matrix-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_matrix(x, A, b):
    answer = log_prob_matrix(x, A, b)
    expect(
        np.shape(answer) == (len(x),),
        f"на входе {len(x)} строк, размер ответа {np.shape(answer)}; нужно по числу на строку.",
    )
    expect(
        np.isfinite(answer).all(),
        f"nan: здесь det A = {np.linalg.det(A):.2f} отрицателен, и логарифма у него нет; у его модуля есть.",
    )
    inverse = np.linalg.inv(
        A
    )  # x = A^-1 (z - b) нормален: его среднее и ковариация известны
    truth = stats.multivariate_normal(-inverse @ b, inverse @ inverse.T).logpdf(x)
    gap = answer - truth
    expect(
        np.ptp(gap) < 1e-6,
        "строки отличаются от истины по-разному, значит, неверно z: x здесь строка, и A x пишется x @ A.T.",
    )
    times = gap[0] / np.linalg.slogdet(A).logabsdet + 1
    expect(
        np.allclose(gap, 0, atol=1e-6),
        f"z верно, а log |det A| взят {times:.1f} раз вместо одного.",
    )


with check("Упражнение 3"):
    test_matrix(
        rng.normal(size=(4, 2)),
        np.array([[2.0, 0.0], [1.0, 1.5]]),
        np.array([0.5, -1.0]),
    )
    test_matrix(
        rng.normal(size=(4, 2)),
        np.array([[0.0, 2.0], [1.0, 0.3]]),
        np.array([0.0, 1.0]),
    )


# %% [markdown]
# ## Упражнение 4. Цепочка слоёв (2 балла)
#
# У слоя два метода: `to_noise(x)` возвращает выход $y$ **и** логарифм модуля якобиана в точке $x$, по числу на строку; `to_data(y)` отменяет сделанное. Даны слои двух видов. Список слоёв — это поток: первый принимает данные, последний выдаёт шум.
#
# Напишите оба направления: логарифм правдоподобия и обратный путь. Следите, что каждый слой получает на вход и в каком порядке слои отменяются.

# %%
class Stretch:
    """y = sinh(k x), element by element: far points go farther."""

    def __init__(self, k):
        self.k = k

    def to_noise(self, x):
        return np.sinh(self.k * x), np.log(self.k * np.cosh(self.k * x)).sum(axis=1)

    def to_data(self, y):
        return np.arcsinh(y) / self.k


class Shear:
    """y1 = x1, y2 = x2 - a x1^2, and the coordinates are swapped."""

    def __init__(self, a):
        self.a = a

    def to_noise(self, x):
        x1, x2 = x.T
        return np.stack([x2 - self.a * x1**2, x1], axis=1), np.zeros(len(x))

    def to_data(self, y):
        y1, y2 = y.T
        return np.stack([y2, y1 + self.a * y2**2], axis=1)


# %% deletable=false nbgrader={"cell_type": "code", "checksum": "0165d94dcbbb8008057520c458d87924", "grade": false, "grade_id": "chain", "locked": false, "schema_version": 3, "solution": true, "task": false}
def chain_log_prob(x, layers):
    """log p_x каждой строки; шум стандартный нормальный. x: (n, 2). Возвращает (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


def chain_to_data(z, layers):
    """x = f^-1(z). z: (n, 2). Возвращает (n, 2)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "3d948c3e9e2920ded19ada2a72760475", "grade": true, "grade_id": "chain-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def to_noise(x, layers):
    for layer in layers:
        x = layer.to_noise(x)[0]
    return x


def test_chain(layers, source):
    z = source.normal(size=(6, 2))
    x = chain_to_data(z, layers)
    expect(
        np.shape(x) == z.shape,
        f"chain_to_data: на входе {z.shape}, на выходе {np.shape(x)}.",
    )
    expect(
        np.allclose(to_noise(x, layers), z),
        "chain_to_data: если пропустить её x через слои, z не получится. В каком порядке отменяют слои?",
    )
    answer = chain_log_prob(x, layers)
    expect(
        np.shape(answer) == (6,),
        f"chain_log_prob: на входе 6 строк, размер ответа {np.shape(answer)}; у каждой строки свой.",
    )
    log_dets = [
        np.linalg.slogdet(
            numeric_jacobian(lambda t: to_noise(t, layers), row)
        ).logabsdet
        for row in x
    ]
    noise = stats.norm.logpdf(z).sum(axis=1)
    expect(
        not np.allclose(answer, noise - log_dets, atol=1e-4),
        "chain_log_prob: у логарифмов якобианов противоположный знак.",
    )
    expect(
        np.allclose(answer, noise + log_dets, atol=1e-4),
        "chain_log_prob: это не log p_z плюс сумма всех логарифмов якобианов. Получает ли каждый слой то, что вернул предыдущий?",
    )


with check("Упражнение 4"):
    test_chain([Stretch(0.5), Shear(0.3)], rng)
    test_chain([Shear(0.7), Stretch(0.8), Shear(-0.4)], rng)


# %% [markdown]
# ## Упражнение 5. Биектор, и его обучение (3 балла)
#
# Пример 2 из лекции, в котором два числа неизвестны. От шума к данным, при $s > 0$:
#
# $$x_1 = e^{s z_1}, \qquad x_2 = z_2 + a z_1.$$
#
# **Сначала** запишите его как `tfb.Bijector`: оба направления и логарифм якобиана обратного, $\log\left|\det \frac{\partial z}{\partial x}\right|$. Последняя ось массивов имеет размер 2, перед ней могут стоять любые другие: берите координаты как `z[..., 0]` и `z[..., 1]`. Пользуйтесь функциями TensorFlow (`tf.exp`, `tf.math.log`, `tf.stack`): через них должны пройти градиенты.
#
# **Затем** запишите функцию потерь, и пусть градиентный спуск найдёт $s$ и $a$. Сам шаг алгоритма, $\theta \leftarrow \theta - \eta \nabla_\theta L$, уже написан.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "c97d02bca5625a04286f5f040a32862a", "grade": false, "grade_id": "bijector", "locked": false, "schema_version": 3, "solution": true, "task": false}
class Curve(tfb.Bijector):
    """x1 = exp(s z1), x2 = z2 + a z1. s и a — тензоры, s > 0."""

    def __init__(self, s, a):
        # parameters: чтобы кэш TFP не принял за один и тот же два биектора с разными s или a
        super().__init__(forward_min_event_ndims=1, parameters={"s": s, "a": a})
        self.s, self.a = s, a

    def _forward(self, z):
        """От шума к данным: (..., 2) -> (..., 2)."""
        # ваш код здесь
        raise NotImplementedError("ещё не сделано")

    def _inverse(self, x):
        """От данных к шуму: (..., 2) -> (..., 2)."""
        # ваш код здесь
        raise NotImplementedError("ещё не сделано")

    def _inverse_log_det_jacobian(self, x):
        """log |det dz/dx|: (..., 2) -> (...)."""
        # ваш код здесь
        raise NotImplementedError("ещё не сделано")


def loss(x, s, a):
    """Минус логарифм правдоподобия данных x (n, 2), среднее по n, в натах: скалярный тензор."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %%
def fit(x, steps=60, rate=0.2):
    """Gradient descent from s = 1, a = 0. Returns s, a and the losses."""
    log_s, a = (
        tf.Variable(0.0),
        tf.Variable(0.0),
    )  # s = exp(log_s) cannot become negative
    losses = []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            value = loss(x, tf.exp(log_s), tf.convert_to_tensor(a))
        for parameter, gradient in zip(
            (log_s, a), tape.gradient(value, (log_s, a)), strict=True
        ):
            parameter.assign_sub(rate * gradient)  # theta <- theta - eta grad L
        losses.append(float(value))
    return float(tf.exp(log_s)), float(a), losses


def make_curve(n, s, a, rng):
    """n points of the curve with these s and a, float32 (n, 2)."""
    z1, z2 = rng.standard_normal((2, n))
    return np.stack([np.exp(s * z1), z2 + a * z1], axis=1).astype(np.float32)


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "a3fb84789ec14359b0f627c2a6ef149e", "grade": true, "grade_id": "bijector-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_curve(s, a, source):
    curve, x = Curve(tf.constant(s), tf.constant(a)), make_curve(5, s, a, source)
    with tf.GradientTape() as tape:
        points = tf.constant(x)
        tape.watch(points)
        z = curve._inverse(points)
    expect(
        z is not None and z.shape == x.shape,
        "_inverse: нужно вернуть массив того же размера, что пришёл.",
    )
    again = curve._forward(z)
    expect(
        again is not None and again.shape == x.shape,
        "_forward: нужно вернуть массив того же размера, что пришёл.",
    )
    expect(
        np.allclose(again[..., 0], tf.exp(s * z[..., 0]), rtol=1e-4),
        "_forward: x1 не равно exp(s z1).",
    )
    expect(
        np.allclose(again[..., 1], z[..., 1] + a * z[..., 0], atol=1e-4),
        "_forward: x2 не равно z2 + a z1.",
    )
    expect(
        np.allclose(again, x, rtol=1e-3, atol=1e-3),
        "_inverse: _forward не возвращает её z обратно в x.",
    )
    matrices = tape.batch_jacobian(z, points).numpy()
    right, answer = (
        np.log(np.abs(np.linalg.det(matrices))),
        curve._inverse_log_det_jacobian(points),
    )
    expect(
        np.shape(answer) == (5,),
        f"логарифм якобиана: на входе 5 точек, размер ответа {np.shape(answer)}; нужно по числу на точку, без суммы по точкам.",
    )
    expect(
        not np.allclose(answer, -right, atol=1e-3),
        "логарифм якобиана: знак как у другого направления, dx/dz.",
    )
    expect(
        np.allclose(answer, right, atol=1e-3),
        f"логарифм якобиана: при x = {np.round(x[0], 2)} прямой счёт даёт {right[0]:.3f}, у вас {answer[0]:.3f}. Входят ли в него и s, и x1?",
    )


def test_loss(s, a, source):
    x = make_curve(2000, s, a, source)
    z1 = np.log(x[:, 0])
    value = loss(tf.constant(x), tf.constant(1.0), tf.constant(0.0))
    truth = np.mean(
        0.5 * (z1**2 + x[:, 1] ** 2) + np.log(2 * np.pi) + z1
    )  # вручную, для s = 1 и a = 0
    expect(
        np.shape(value) == (),
        f"loss: нужен скаляр, среднее по данным; размер ответа {np.shape(value)}.",
    )
    expect(
        not np.isclose(value, -truth, rtol=1e-3),
        "loss: это логарифм правдоподобия. Спуск сделал бы его как можно меньше: знак.",
    )
    expect(
        np.isclose(value, truth, rtol=1e-3),
        f"loss: при s = 1, a = 0 должно быть {truth:.3f}, у вас {float(value):.3f}. Это среднее по данным от -log p?",
    )
    found_s, found_a, losses = fit(tf.constant(x))
    best_s, best_a = (
        np.sqrt(np.mean(z1**2)),
        np.mean(z1 * x[:, 1]) / np.sqrt(np.mean(z1**2)),
    )  # dL/ds = 0, dL/da = 0
    best_a = best_a / np.sqrt(np.mean((z1 / best_s) ** 2))
    close = abs(found_s - best_s) < 0.05 and abs(found_a - best_a) < 0.05
    expect(
        close,
        f"обучение: найдено s = {found_s:.2f}, a = {found_a:.2f}; данные сделаны с s = {s}, a = {a}.",
    )
    return found_s, found_a, losses


with check("Упражнение 5"):
    test_curve(0.6, -1.5, np.random.default_rng(3))
    found = test_loss(0.6, -1.5, np.random.default_rng(4))
    print(f"найдено s = {found[0]:.2f}, a = {found[1]:.2f}")

# %% [markdown]
# ## Самостоятельно (без баллов)
#
# Ниже картинка того, чему научилось упражнение 5 (пусто, пока оно не сделано). А дальше вопросы, на которые проверки нет:
#
# * Нарисуйте функцию потерь от $s$ при наилучшем $a$. Где у неё минимум и насколько он плоский? А если точек 20, а не 2000?
# * Начните обучение с $a = 30$ или возьмите `rate=2`. Что происходит, и зачем в лекции понадобился Adam?
# * Дайте потоку данные, которые он описать не может, например две луны с положительным $x_1$. Что он с ними сделает? На сколько натов его потери больше, чем у потока с бо́льшим числом слоёв?
# * Сделайте собственный биектор: годится любая возрастающая функция одной переменной, для которой вы можете выписать обратную и производную.

# %%
if "found" in globals():
    s, a, losses = found
    axis_1, axis_2 = np.meshgrid(np.linspace(0.05, 5, 150), np.linspace(-6, 6, 150))
    plane = tf.constant(np.stack([axis_1, axis_2], axis=-1), tf.float32)
    curve = tfd.TransformedDistribution(
        tfd.MultivariateNormalDiag(tf.zeros(2)), Curve(tf.constant(s), tf.constant(a))
    )

    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    axes[0].scatter(*make_curve(1000, 0.6, -1.5, rng).T, s=3, color="#7fb7c9")
    axes[0].contour(axis_1, axis_2, curve.prob(plane), colors="#d1495b", linewidths=1)
    axes[0].set(xlabel="$x_1$", ylabel="$x_2$", xlim=(0, 5), ylim=(-6, 6))
    axes[1].plot(losses, color="#1f6f8b")
    axes[1].set(xlabel="$t$", ylabel="$L$")
