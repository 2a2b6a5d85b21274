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
# # Лабораторная: связывающие слои
#
# Пять упражнений к [лекции](../../lectures/ru/02_real_nvp.ipynb), 10 баллов, 60–90 минут: от одной суммы до потока, который вы обучите.
#
# **Как это устроено.** Пишите код там, где в ячейке стоит `ваш код здесь`, а строку `raise NotImplementedError(...)` удаляйте. Ячейка под упражнением сразу проверит: **✓** верно, **✗** неверно, и почему, **…** ещё не сделано. Блокнот она не останавливает, так что *Run All* всегда дойдёт до конца. При выставлении баллов те же проверки запускаются с другими числами.
#
# | упражнение | баллы |
# |---|---|
# | 1. Логарифм якобиана | 1 |
# | 2. Туда и обратно | 2 |
# | 3. Шахматная доска | 2 |
# | 4. Стопка слоёв | 2 |
# | 5. Настоящий поток | 3 |

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from dgm_tfp import bijectors, data, models, profiles
from dgm_tfp.exercises import check, expect, graded

keras.utils.set_random_seed(0)
profile = profiles.current().name


def numeric_jacobian(function, point, step=1e-5):
    """The matrix (D, D) of function: (n, D) -> (n, D) at one point (D,)."""
    steps = step * np.eye(len(point))
    return (function(point + steps) - function(point - steps)).T / (2 * step)


def brute_force(function, x):
    """log abs det of the Jacobian at each row of x: (n,)."""
    return np.array(
        [np.linalg.slogdet(numeric_jacobian(function, row)).logabsdet for row in x]
    )


# %% [markdown]
# ## Упражнение 1. Логарифм якобиана (1 балл)
#
# Слой вычислил $s$ для набора векторов: массив размера $(n, D - d)$. Напишите логарифм модуля якобиана для каждого примера.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "0cf1e20741710c01faedb30415c092e3", "grade": false, "grade_id": "log-det", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_det(s):
    """log |det df/dx| связывающего слоя. s: (n, D - d). Возвращает (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "0926857dce8c0e62aab84550cde8d281", "grade": true, "grade_id": "log-det-tests", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_log_det(n, moved, seed):
    s = np.random.default_rng(seed).normal(size=(n, moved))
    answer = log_det(s)
    expect(
        np.shape(answer) == (n,),
        f"на входе {n} примеров, размер ответа {np.shape(answer)}; нужно по числу на пример, по примерам не суммируют.",
    )
    right = np.array([np.linalg.slogdet(np.diag(np.exp(row))).logabsdet for row in s])
    expect(
        not np.allclose(answer, np.exp(right)),
        "это сам определитель, а нужен его логарифм.",
    )
    expect(
        not np.allclose(answer, right / moved),
        "это среднее по координатам; объёмы перемножаются, поэтому логарифмы складываются.",
    )
    expect(
        np.allclose(answer, right),
        f"у диагонали exp(s) логарифм определителя {right[0]:.3f}, а у вас {answer[0]:.3f}.",
    )


with check("Упражнение 1"):
    test_log_det(5, 3, seed=0)


# %% [markdown]
# ## Упражнение 2. Туда и обратно (2 балла)
#
# Запишите слой в обе стороны. Функции `s` и `t` даны как аргументы: они принимают неизменную половину, $(n, d)$, и возвращают $(n, D - d)$. Не меняются первые $d$ координат.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "4f85c6b0ccc50f9c125bdc6ffe631a29", "grade": false, "grade_id": "coupling", "locked": false, "schema_version": 3, "solution": true, "task": false}
def to_noise(x, d, s, t):
    """z = f(x). x: (n, D). Возвращает (n, D)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


def to_data(z, d, s, t):
    """x = f^-1(z). z: (n, D). Возвращает (n, D)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "5c4e3906b7bce21f71ada5fdb2f533a9", "grade": true, "grade_id": "coupling-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_coupling(size, d, seed):
    source = np.random.default_rng(seed)
    A, B = source.normal(size=(2, d, size - d))

    def s(kept):
        return np.tanh(kept @ A)

    def t(kept):
        return np.sin(kept @ B) + 0.5

    x = source.normal(size=(4, size))
    z = to_noise(x, d, s, t)
    expect(
        np.shape(z) == x.shape,
        f"to_noise: на входе {x.shape}, на выходе {np.shape(z)}.",
    )
    expect(
        np.allclose(z[:, :d], x[:, :d]),
        f"to_noise: первые {d} координаты должны пройти без изменений.",
    )
    swapped = (x[:, d:] + t(x[:, :d])) * np.exp(s(x[:, :d]))
    expect(
        not np.allclose(z[:, d:], swapped),
        "to_noise: сначала растягивают, потом сдвигают; у вас сначала сдвиг.",
    )
    expect(
        np.allclose(
            brute_force(lambda x: to_noise(x, d, s, t), x),
            s(x[:, :d]).sum(axis=1),
            atol=1e-6,
        ),
        "to_noise: логарифм якобиана не равен сумме s. Умножаете ли вы на exp(s), и от неизменной ли половины взята s?",
    )
    expect(
        np.allclose(z[:, d:] - x[:, d:] * np.exp(s(x[:, :d])), t(x[:, :d])),
        "to_noise: прибавлено не t от неизменной половины.",
    )
    back = to_data(z, d, s, t)
    expect(
        np.shape(back) == z.shape,
        f"to_data: на входе {z.shape}, на выходе {np.shape(back)}.",
    )
    expect(
        np.allclose(back, x),
        "to_data: z не возвращается в x. Сделанное последним отменяют первым: вычесть t, потом разделить на exp(s).",
    )


with check("Упражнение 2"):
    test_coupling(4, 2, seed=0)
    test_coupling(5, 2, seed=1)


# %% [markdown]
# ## Упражнение 3. Шахматная доска (2 балла)
#
# У картинок половины задаёт маска $b$: единица там, где пиксель не меняется. **Сначала** сделайте шахматную доску $h \times w$ с единицей в левом верхнем углу. **Затем** запишите слой с маской: он возвращает $z$ и логарифм модуля якобиана каждой картинки,
#
# $$z = b \odot x + (1 - b) \odot \bigl(x \odot e^{s} + t\bigr), \qquad s = s(b \odot x), \quad t = t(b \odot x).$$
#
# Сети возвращают число для *каждого* пикселя, в том числе и для тех, что не меняются.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "556ebcc096353e8ef8c2f88c0dba1a9b", "grade": false, "grade_id": "checkerboard", "locked": false, "schema_version": 3, "solution": true, "task": false}
def checkerboard(h, w):
    """(h, w) из нулей и единиц, в левом верхнем углу 1."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


def masked_to_noise(x, b, s, t):
    """x: (n, h, w); b: (h, w). Возвращает z (n, h, w) и логарифм якобиана (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "4db31eb71c91331d3ac967cfe0873c99", "grade": true, "grade_id": "checkerboard-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_checkerboard(h, w, seed):
    b = np.asarray(checkerboard(h, w))
    expect(b.shape == (h, w), f"checkerboard: размер {b.shape}, а нужен ({h}, {w}).")
    expect(b[0, 0] == 1, "checkerboard: в левом верхнем углу нужна 1.")
    alike = (b[1:] == b[:-1]).any() or (b[:, 1:] == b[:, :-1]).any()
    expect(
        not alike,
        "checkerboard: нашлись одинаковые соседи; строки должны начинаться с 1 и 0 по очереди.",
    )
    source = np.random.default_rng(seed)
    A, B = 0.3 * source.normal(size=(2, h * w, h * w))

    def s(images):
        return np.tanh(images.reshape(-1, h * w) @ A).reshape(-1, h, w)

    def t(images):
        return np.sin(images.reshape(-1, h * w) @ B).reshape(-1, h, w)

    def flat(rows):
        return masked_to_noise(rows.reshape(-1, h, w), b, s, t)[0].reshape(-1, h * w)

    x = source.normal(size=(3, h, w))
    z, answer = masked_to_noise(x, b, s, t)
    expect(
        np.allclose(z * b, x * b),
        "masked_to_noise: где b = 1, пиксели должны пройти без изменений.",
    )
    expect(
        np.allclose(z, b * x + (1 - b) * (x * np.exp(s(b * x)) + t(b * x))),
        "masked_to_noise: z не такое, как в формуле. Видят ли сети b x, и только его?",
    )
    expect(
        np.shape(answer) == (3,),
        f"masked_to_noise: на входе 3 картинки, размер логарифма якобиана {np.shape(answer)}.",
    )
    right = brute_force(flat, x.reshape(3, -1))
    expect(
        not np.allclose(answer, s(b * x).sum(axis=(1, 2))),
        "masked_to_noise: s просуммирована и по неизменным пикселям, а их не растягивали.",
    )
    expect(
        np.allclose(answer, right, atol=1e-5),
        f"masked_to_noise: прямой счёт даёт логарифм якобиана {right[0]:.3f}, у вас {answer[0]:.3f}.",
    )


with check("Упражнение 3"):
    test_checkerboard(2, 3, seed=0)
    test_checkerboard(4, 4, seed=1)


# %% [markdown]
# ## Упражнение 4. Стопка слоёв (2 балла)
#
# Дан список слоёв, каждый — пара функций `(s, t)` от первой половины. После **каждого** слоя половины меняются ролями: вектор переворачивают, `x[:, ::-1]`. Напишите логарифм правдоподобия данных при стандартном нормальном шуме и обратный путь. (Длина вектора $D$ чётная, $d = D/2$. Пишите слои заново или зовите свои функции из упражнений 1 и 2: у проверок есть собственные.)

# %%
def layer_to_noise(x, s, t):
    """One layer, for you to use: z and its log-determinant."""
    kept, moved = np.split(x, 2, axis=1)
    log_scale = s(kept)
    return np.concatenate(
        [kept, moved * np.exp(log_scale) + t(kept)], axis=1
    ), log_scale.sum(axis=1)


def layer_to_data(z, s, t):
    """Its inverse."""
    kept, moved = np.split(z, 2, axis=1)
    return np.concatenate([kept, (moved - t(kept)) * np.exp(-s(kept))], axis=1)


# %% deletable=false nbgrader={"cell_type": "code", "checksum": "260d34d8156179d35377e90859d92257", "grade": false, "grade_id": "stack", "locked": false, "schema_version": 3, "solution": true, "task": false}
def stack_log_prob(x, layers):
    """log p_x каждой строки в натах. x: (n, D). Возвращает (n,)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


def stack_to_data(z, layers):
    """x = f^-1(z). z: (n, D). Возвращает (n, D)."""
    # ваш код здесь
    raise NotImplementedError("ещё не сделано")


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "0999abaa137d94743c8c804d638f71b2", "grade": true, "grade_id": "stack-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def make_layers(count, d, source):
    def one(A, B):
        return (lambda h: 0.5 * np.tanh(h @ A)), (lambda h: np.sin(h @ B))

    return [one(*source.normal(size=(2, d, d))) for _ in range(count)]


def whole(x, layers):
    for s, t in layers:
        kept, moved = np.split(x, 2, axis=1)
        x = np.concatenate([kept, moved * np.exp(s(kept)) + t(kept)], axis=1)[:, ::-1]
    return x


def test_stack(count, size, seed):
    source = np.random.default_rng(seed)
    layers, x = make_layers(count, size // 2, source), source.normal(size=(4, size))
    z = whole(x, layers)
    right = brute_force(lambda x: whole(x, layers), x) - 0.5 * (
        z**2 + np.log(2 * np.pi)
    ).sum(axis=1)
    answer = stack_log_prob(x, layers)
    expect(
        np.shape(answer) == (4,),
        f"stack_log_prob: на входе 4 строки, размер ответа {np.shape(answer)}.",
    )
    gap = answer - right
    expect(
        np.abs(gap - np.log(2 * np.pi) * size / 2).max() > 1e-6,
        "stack_log_prob: не хватает постоянной нормальной плотности, log(2 pi) / 2 на каждую координату.",
    )
    expect(
        np.allclose(gap, 0, atol=1e-5),
        f"stack_log_prob: для первой строки должно быть {right[0]:.3f}, у вас {answer[0]:.3f}. Меняются ли половины после каждого слоя, все ли логарифмы якобианов учтены?",
    )
    back = stack_to_data(z, layers)
    expect(
        np.shape(back) == x.shape,
        f"stack_to_data: на входе {z.shape}, на выходе {np.shape(back)}.",
    )
    expect(
        np.allclose(back, x, atol=1e-6),
        "stack_to_data: z не возвращается в x. Последний слой отменяют первым, а перестановку, сделанную после слоя, — до него.",
    )


with check("Упражнение 4"):
    test_stack(1, 4, seed=0)
    test_stack(3, 4, seed=1)


# %% [markdown]
# ## Упражнение 5. Настоящий поток (3 балла)
#
# Запишите связывающий слой как `bijectors.OnePass` из `dgm_tfp`: один проход даёт и значение, и логарифм якобиана, так что сеть запускается один раз. Следите за направлением: `forward` ведёт от шума к данным, `inverse` — от данных к шуму. `network` принимает неизменную первую половину, $(n, d)$, и возвращает $s$ и $t$ рядом, $(n, 2 (D - d))$: первые $D - d$ столбцов — это $s$. Ограничьте её: возьмите $\tanh$ от того, что сеть выдала для $s$.
#
# Модель, которой принадлежат сети, уже написана, а обучит её `fit`.

# %% deletable=false nbgrader={"cell_type": "code", "checksum": "f1bd2061a03fa91a6cbfcaadeaaaa1fa", "grade": false, "grade_id": "one-pass", "locked": false, "schema_version": 3, "solution": true, "task": false}
class MyCoupling(bijectors.OnePass):
    """z_a = x_a, z_b = x_b exp(s(x_a)) + t(x_a), от данных к шуму."""

    def __init__(self, network, d):
        super().__init__(event_ndims=1)
        self.network, self.d = network, d

    def inverse_and_log_det(self, x):
        """От данных к шуму: z (n, D) и log |det dz/dx| (n,)."""
        # ваш код здесь
        raise NotImplementedError("ещё не сделано")

    def forward_and_log_det(self, z):
        """От шума к данным: x (n, D) и log |det dx/dz| (n,)."""
        # ваш код здесь
        raise NotImplementedError("ещё не сделано")


# %%
def make_network(inputs, outputs):
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            keras.layers.Dense(32, "relu"),
            keras.layers.Dense(2 * outputs, kernel_initializer="zeros"),
        ]
    )


class Exchange(bijectors.OnePass):
    """The halves change places."""

    def __init__(self):
        super().__init__(event_ndims=1)

    def forward_and_log_det(self, z):
        return tf.reverse(z, axis=[1]), tf.zeros(())

    inverse_and_log_det = forward_and_log_det


class MyFlow(models.Flow):
    """Six couplings, the halves exchanged after each."""

    def __init__(self, **kwargs):
        super().__init__(event_shape=(2,), bins=None, **kwargs)
        for k in range(6):
            setattr(self, f"network_{k}", make_network(1, 1))
        self.build()

    @property
    def flow_bijector(self):
        layers = [MyCoupling(getattr(self, f"network_{k}"), 1) for k in range(6)]
        return bijectors.Chain(
            [part for layer in layers for part in (layer, Exchange())]
        )


moons = data.load("moons", "train").images
moons = (moons - moons.mean(axis=0)) / moons.std(axis=0)
epochs = {"smoke": 3, "laptop": 20, "gpu": 20}[profile]


def fit():
    """The loss on the training set in nats before and after, and the flow."""
    keras.utils.set_random_seed(0)
    flow = MyFlow()
    flow.compile(optimizer=keras.optimizers.Adam(5e-3))
    before = -flow.log_prob(moons).mean()
    flow.fit(moons, epochs=epochs, batch_size=256, verbose=0)
    return before, -flow.log_prob(moons).mean(), flow


# %% deletable=false editable=false nbgrader={"cell_type": "code", "checksum": "a53bf1925cfd100ea8c8668125ee6078", "grade": true, "grade_id": "one-pass-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
def test_one_pass(size, d, seed):
    network = make_network(d, size - d)
    for i, variable in enumerate(network.trainable_variables):
        variable.assign(
            0.7 * tf.random.stateless_normal(variable.shape, seed=(seed, i))
        )
    coupling, x = (
        MyCoupling(network, d),
        tf.random.stateless_normal((5, size), seed=(seed, 99)),
    )
    with tf.GradientTape() as tape:
        tape.watch(x)
        z, answer = coupling.inverse_and_log_det(x)
    matrices = tape.batch_jacobian(z, x).numpy().astype(np.float64)
    right = np.linalg.slogdet(matrices).logabsdet
    raw, t = np.split(network(x[:, :d]).numpy(), 2, axis=1)
    expect(
        np.allclose(z[:, :d], x[:, :d]),
        "inverse_and_log_det: неизменная половина изменилась.",
    )
    expect(
        not np.allclose(z[:, d:], x[:, d:] * np.exp(raw) + t, atol=1e-4),
        "inverse_and_log_det: s не ограничена; возьмите от неё tanh.",
    )
    expect(
        np.allclose(z[:, d:], x[:, d:] * np.exp(np.tanh(raw)) + t, atol=1e-4),
        "inverse_and_log_det: z не равно x exp(s) + t. В том ли порядке взяты s и t, и то ли это направление, от данных к шуму?",
    )
    expect(
        np.shape(answer) == (5,),
        f"inverse_and_log_det: размер логарифма якобиана {np.shape(answer)}, а нужно по числу на пример.",
    )
    expect(
        not np.allclose(answer, -right, atol=1e-3),
        "inverse_and_log_det: у логарифма якобиана знак другого направления.",
    )
    expect(
        np.allclose(answer, right, atol=1e-3),
        f"inverse_and_log_det: прямой счёт даёт логарифм якобиана {right[0]:.3f}, у вас {answer[0]:.3f}.",
    )
    back, other = coupling.forward_and_log_det(z)
    expect(
        np.allclose(back, x, atol=1e-3), "forward_and_log_det: z не возвращается в x."
    )
    expect(
        np.allclose(other, -right, atol=1e-3),
        "forward_and_log_det: логарифм якобиана должен быть таким же, как туда, но с минусом.",
    )


with check("Упражнение 5"):
    test_one_pass(2, 1, seed=0)
    test_one_pass(5, 2, seed=1)
    before, after, flow = fit()
    expect(
        after < before - 0.3,
        f"потери до обучения {before:.2f} ната, после {after:.2f}: они почти не уменьшились.",
    )

# %% [markdown]
# ## Самостоятельно (без баллов)
#
# Ниже сэмплы вашего потока (пусто, пока не сделано упражнение 5).
#
# * Уберите `Exchange()` из `MyFlow`. Какими станут потери, и какая координата в этом виновата?
# * Пусть поток сохраняет объём: `s = 0` в `MyCoupling`. По теореме из лекции на лунах он в лучшем случае дойдёт до 1.86 ната. Затем обучите оба потока на собственных данных, для которых теорема обещает большую разницу.
# * Возьмите 2, 4, 8, 16 слоёв и больше эпох. Когда потери перестают уменьшаться и далеко ли это от энтропии лун, 1.83 ната?
# * Интерполируйте: прямая между двумя точками шума, перенесённая в данные. Пересекает ли она промежуток между лунами?

# %%
if "flow" in globals():
    figure, axes = plt.subplots(
        1, 2, figsize=(6.5, 3), layout="constrained", sharex=True, sharey=True
    )
    axes[0].scatter(*moons[:2000].T, s=2, color="#1f6f8b")
    axes[1].scatter(*flow.sample(2000, seed=0).T, s=2, color="#d1495b")
    axes[0].set(xlim=(-3, 3), ylim=(-3, 3), xlabel="$x_1$", ylabel="$x_2$")
    axes[1].set(xlabel="$x_1$")
