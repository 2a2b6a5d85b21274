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
# # Генеративное моделирование
#
# **Вопрос.** Хороший классификатор отличит семёрку от единицы. А знает ли он, *что такое* семёрка? Попросите его нарисовать её, дорисовать скрытую половину или сказать, что он думает о ботинке: первых двух вещей он не умеет, а ботинок уверенно объявит цифрой. Что же нужно извлечь из данных, чтобы у таких вопросов были ответы, и чего это стоит?
#
# Нужно само распределение. К концу лекции вы построите модель цифр из одних средних и ковариаций, и она будет рисовать, дорисовывать и замечать ботинки; узнаете три способа брать объекты из распределения и где каждый кончается; увидите, как данные могут подвести модель, обученную на других данных; научитесь выбирать между моделями без тестовой выборки. В остальной части курса место гауссиан займут глубокие сети, а в конце нас ждёт сюрприз.
#
# **Понадобятся** Python с NumPy, а из теории вероятностей плотность, среднее с ковариацией и формула Байеса. **Времени** уйдёт минут 80, и ещё 60–90 на [лабораторную](../../labs/ru/00_generative_modelling.ipynb).
#
# | обозначение | смысл |
# |---|---|
# | $x$, $y$ | объект и его метка |
# | $p(y \mid x)$; $p(x, y)$ | чему учится разделяющая модель; чему учится генеративная |
# | $F$, $F^{-1}$ | функция распределения, $F(t) = P(z \le t)$, и обратная к ней |
# | $u$ | число, взятое равномерно из $[0, 1)$ |
# | нат | единица натурального логарифма; $\ln 2$ ната — это один бит |

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy import integrate, stats

from dgm_tfp import data, profiles

rng = np.random.default_rng(0)
profile = profiles.current().name  # "laptop" by default: how often we repeat things

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
# ## Два способа учиться на одних данных
#
# Даны пары $(x_i, y_i)$. **Разделяющая** (дискриминативная) модель учит $p(y \mid x)$: где проходит граница между классами. **Генеративная** учит совместный закон $p(x, y) = p(y)\, p(x \mid y)$: как часто встречается каждый класс и как выглядят его объекты. Из второго первое получается по формуле Байеса, и кое-что ещё остаётся:
#
# $$p(y \mid x) = \frac{p(y)\, p(x \mid y)}{p(x)}, \qquad p(x) = \sum_{y} p(y)\, p(x \mid y).$$
#
# Остаётся $p(x)$, плотность самих объектов. В $p(y \mid x)$ её нет, сколько ни ищи.
#
# Самый маленький пример: два класса на плоскости, каждый описан гауссианой, а матрица ковариаций $\Sigma$ у них общая. Тогда $x^\top \Sigma^{-1} x$ входит в обе плотности и в отношении сокращается:
#
# $$\ln \frac{p(y = 1 \mid x)}{p(y = 0 \mid x)} = w^\top x + b,$$
#
# $$w = \Sigma^{-1}(\mu_1 - \mu_0), \qquad b = \ln\frac{p(1)}{p(0)} - \frac12 \mu_1^\top \Sigma^{-1} \mu_1 + \frac12 \mu_0^\top \Sigma^{-1} \mu_0.$$
#
# Это в точности вид логистической регрессии, которая ищет $w$ и $b$ напрямую, а про средние и ковариации знать не хочет. Вид ответа один, пути к нему два:

# %% tags=["nbval-check-output"]
def two_classes(n, rng):
    """Points (n, 2) and labels (n,): Gaussians of one covariance, 60 % of class 1."""
    y = (rng.random(n) < 0.6).astype(int)
    means = np.array([[-1.2, 0.0], [1.0, 0.8]])
    factor = np.array([[0.8, 0.0], [0.5, 0.6]])
    return means[y] + rng.standard_normal((n, 2)) @ factor.T, y


def fit_generative(x, weight):
    """Shares, means, covariance. weight: (n, 2), how far a point is in each class."""
    share = weight.mean(axis=0)
    mean = weight.T @ x / weight.sum(axis=0)[:, None]
    centred = x[:, None] - mean  # (n, 2 classes, 2)
    covariance = np.einsum("nc,nci,ncj->ij", weight, centred, centred) / len(x)
    return share, mean, covariance


def log_joint_2d(x, share, mean, covariance):
    """log p(x, y), (n, 2)."""
    densities = [stats.multivariate_normal(m, covariance).logpdf(x) for m in mean]
    return np.log(share) + np.stack(densities, axis=1)


def line(share, mean, covariance):
    """w and b of the formula."""
    inverse = np.linalg.inv(covariance)
    half = 0.5 * np.einsum("ci,ij,cj->c", mean, inverse, mean)
    w = inverse @ (mean[1] - mean[0])
    return np.append(w, np.log(share[1] / share[0]) - half[1] + half[0])


def fit_discriminative(x, y, weight=1.0, steps=25):
    """Logistic regression: w and b that maximise the sum of log p(y | x) (Newton)."""
    features = np.column_stack([x, np.ones(len(x))])
    w = np.zeros(features.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-features @ w))
        curvature = (features * (weight * p * (1 - p))[:, None]).T @ features
        w = w + np.linalg.solve(curvature, features.T @ (weight * (y - p)))
    return w


x, y = two_classes(500, rng)
gaussians = fit_generative(x, np.eye(2)[y])
w_generative, w_discriminative = line(*gaussians), fit_discriminative(x, y)
foreign = np.array([6.0, -4.0])  # nothing like it has been seen
for name, w in ("generative", w_generative), ("discriminative", w_discriminative):
    p = 1 / (1 + np.exp(-(w[:2] @ foreign + w[2])))
    print(
        f"{name:<15} w = {w[0]:.2f}, {w[1]:.2f}  b = {w[2]:.2f}   p(1 | foreign) = {p:.6f}"
    )
log_p = np.logaddexp.reduce(log_joint_2d(np.vstack([x, foreign]), *gaussians), axis=1)
print(
    f"log p(x): data between {log_p[:-1].min():.1f} and {log_p[:-1].max():.1f},",
    end=" ",
)
print(f"the foreign point {log_p[-1]:.1f}")

# %%
axis_1, axis_2 = np.meshgrid(np.linspace(-4.5, 7, 200), np.linspace(-5, 4, 200))
plane = np.stack([axis_1, axis_2], axis=-1).reshape(-1, 2)
p_1 = 1 / (1 + np.exp(-(plane @ w_discriminative[:2] + w_discriminative[2])))
log_p_plane = np.logaddexp.reduce(log_joint_2d(plane, *gaussians), axis=1)
log_odds = (plane @ w_generative[:2] + w_generative[2]).reshape(axis_1.shape)

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
axes[0].contourf(
    axis_1,
    axis_2,
    p_1.reshape(axis_1.shape),
    20,
    cmap="RdBu_r",
    alpha=0.5,
    vmin=0,
    vmax=1,
)
axes[1].contour(
    axis_1, axis_2, log_p_plane.reshape(axis_1.shape), [-9, -7, -5, -3], cmap="viridis"
)
axes[1].contour(axis_1, axis_2, log_odds, [0], colors="black", linestyles="--")
for axis, title in zip(axes, (r"$p(y \mid x)$", r"$p(x, y)$"), strict=True):
    for label, color in ((0, BLUE), (1, RED)):
        axis.scatter(*x[y == label].T, s=5, color=color, alpha=0.6)
    axis.scatter(*foreign, marker="*", s=140, color="black")
    axis.set(xlabel="$x_1$", title=title)
axes[0].set_ylabel("$x_2$");


# %% [markdown]
# *Рис. 1. Одни и те же 500 точек. Слева всё, что знает логистическая регрессия: вероятность класса 1 (красный) в каждом месте. Справа то, что знают две гауссианы: плотность (от линии к линии она падает в $e^2$ раз) и, как следствие, граница (штриховая). Звезда — чужая точка.*
#
# Границы почти совпали: в этом вопросе модели равны. Со звездой иначе. Для разделяющей модели это класс 1 без всяких сомнений: чем дальше от границы, тем увереннее. Генеративная того же мнения, **если** её заставить выбирать из двух, но добавляет, что точка на десятки натов не похожа ни на что из виденного. *Классификатор отвечает на вопрос «который?», и только $p(x)$ может ответить на вопрос «а из моих ли он вообще?»*

# %% [markdown]
# ## Цифры из гауссиан
#
# Теперь настоящие данные: 10 000 рукописных цифр MNIST, лежащих внутри пакета. Уменьшим картинки ($14 \times 14$, каждый пиксель — среднее четырёх) и подгоним по гауссиане на класс, на этот раз у каждой своя ковариация. Всё «обучение» — это среднее и матрица ковариаций: ни градиентов, ни эпох. К диагонали прибавим немного (0.01): некоторые пиксели никогда не меняются, а у гауссианы без ширины нет плотности.

# %%
def shrink(images, block):
    """Bytes (n, 28, 28, 1) -> (n, (28 / block)^2), 0 to 1, means over blocks."""
    side = 28 // block
    parts = images.reshape(len(images), side, block, side, block)
    return parts.mean(axis=(2, 4)).reshape(len(images), -1) / 255


def fit_gaussians(x, y, ridge=0.01, diagonal=False):
    """For each of ten classes: its share, mean and covariance."""
    model = []
    for label in range(10):
        mine = x[y == label]
        covariance = np.cov(mine.T, bias=True)
        if diagonal:  # "naive Bayes": pixels independent within a class
            covariance = np.diag(np.diag(covariance))
        covariance = covariance + ridge * np.eye(x.shape[1])
        model.append((len(mine) / len(x), mine.mean(axis=0), covariance))
    return model


def log_joint(x, model, seen=None):
    """log p(x, y), (n, 10). Only the coordinates `seen` are used, if it is given."""
    result = []
    for share, mean, covariance in model:
        if seen is not None:  # a Gaussian with a coordinate integrated out: strike it
            mean, covariance = mean[seen], covariance[np.ix_(seen, seen)]
        root = np.linalg.cholesky(covariance)
        z = np.linalg.solve(root, (x if seen is None else x[:, seen]).T - mean[:, None])
        log_det = np.log(np.diag(root)).sum()
        log_normal = (
            -0.5 * (z**2).sum(axis=0) - log_det - len(mean) / 2 * np.log(2 * np.pi)
        )
        result.append(np.log(share) + log_normal)
    return np.stack(result, axis=1)


def log_prob(x, model):
    """log p(x) in nats, (n,)."""
    return np.logaddexp.reduce(log_joint(x, model), axis=1)


digits, digits_test, clothes_test = (
    data.load(name, split, source="embedded", verbose=False)
    for name, split in (
        ("mnist", "train"),
        ("mnist", "test"),
        ("fashion_mnist", "test"),
    )
)
train, test, clothes = (
    shrink(part.images, 2) for part in (digits, digits_test, clothes_test)
)
model = fit_gaussians(train, digits.labels)

# %% tags=["nbval-check-output"]
error = np.mean(log_joint(test, model).argmax(axis=1) != digits_test.labels)
print(f"error of argmax_y p(x, y) on {len(test)} test digits: {error:.1%}")

# %% [markdown]
# Как классификатор она прилична. Но она умеет четыре вещи, которых не умеет ни один классификатор.
#
# **Порождать.** Возьмём $y \sim p(y)$, затем $x \sim p(x \mid y) = \mathcal N(\mu_y, \Sigma_y)$: среднее плюс множитель Холецкого на шум.
#
# **Дорисовывать.** Если часть $x_a$ видна, а часть $x_b$ нет, гауссиана даёт закон одной части при данной другой явно; его среднее
#
# $$\mathbb E[x_b \mid x_a] = \mu_b + \Sigma_{ba} \Sigma_{aa}^{-1} (x_a - \mu_a).$$

# %%
drawn = np.array(
    [m + np.linalg.cholesky(s) @ rng.standard_normal(len(m)) for _, m, s in model]
)
chosen = np.array([np.flatnonzero(digits_test.labels == d)[3] for d in range(10)])
seen, hidden = np.arange(98), np.arange(98, 196)  # seven rows each
completed = test[chosen].copy()
guess = log_joint(test[chosen], model, seen).argmax(axis=1)  # from the upper half alone
for image, label in zip(completed, guess, strict=True):
    _, m, s = model[label]
    gain = np.linalg.solve(s[np.ix_(seen, seen)], image[seen] - m[seen])
    image[hidden] = m[hidden] + s[np.ix_(hidden, seen)] @ gain

halved = test[chosen].copy()
halved[:, hidden] = 0.5
figure, axes = plt.subplots(4, 10, figsize=(8, 3.3))
for row, images in zip(axes, (drawn, test[chosen], halved, completed), strict=True):
    for axis, image in zip(row, images, strict=True):
        axis.imshow(image.reshape(14, 14), cmap="gray", vmin=0, vmax=1)
        axis.set_axis_off()

# %% [markdown]
# *Рис. 2. Сверху вниз: десять объектов из модели, по одному на класс; десять тестовых цифр; что из них показали модели; что она с этим сделала. Там, где верхняя половина обманула её насчёт класса, дорисована другая цифра.*
#
# **Справляться с пропусками.** Вероятность класса по *части* пикселей — это одна строка: остальные вычеркнуть. Классификатору же надо что-то подставить на их место, например среднее по обучающей выборке, и он этому поверит.
#
# **Замечать чужое.** Сравним $\log p(x)$ тестовых цифр и картинок одежды (FashionMNIST). У классификатора есть только его уверенность, $\max_y p(y \mid x)$.
#
# И одно надо сказать в пользу классификатора. Допущений у него меньше: там, где гауссиана неверно описывает цифры, генеративная модель теряет точность, а логистическая регрессия тратит все силы на границу. Когда данных много, выигрывает она. Когда мало, допущения дороже свободы: генеративная модель раньше приходит к своему (худшему) пределу. Это наблюдение Ng и Jordan (2002); здесь оно на картинках $7 \times 7$, наивный байесовский классификатор против логистической регрессии.

# %%
from sklearn.linear_model import LogisticRegression


def logistic(x, y):
    return LogisticRegression(tol=1e-3, max_iter=2000).fit(x, y)


def error_of(labels):
    return np.mean(labels != digits_test.labels)


tiny, tiny_test = (shrink(part.images, 4) for part in (digits, digits_test))
sizes = [60, 120, 250, 500, 1000, 2000]
repeats = {"smoke": 2, "laptop": 8, "gpu": 8}[profile]
by_size = np.zeros((repeats, len(sizes), 2))
for i in range(repeats):
    order = rng.permutation(len(tiny))
    for j, n in enumerate(sizes):
        few, labels = tiny[order[:n]], digits.labels[order[:n]]
        naive = fit_gaussians(few, labels, diagonal=True)
        by_size[i, j] = (
            error_of(log_joint(tiny_test, naive).argmax(axis=1)),
            error_of(logistic(few, labels).predict(tiny_test)),
        )

classifier = logistic(train[:4000], digits.labels[:4000])
shares = [0, 0.25, 0.5, 0.75, 0.9]
by_missing = np.zeros((len(shares), 2))
for i, share in enumerate(shares):
    order = rng.permutation(196)
    kept = order[int(share * 196) :]
    filled = np.tile(train.mean(axis=0), (len(test), 1))
    filled[:, kept] = test[:, kept]
    by_missing[i] = (
        error_of(log_joint(test, model, kept).argmax(axis=1)),
        error_of(classifier.predict(filled)),
    )

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 2.9))
for k, color in enumerate((BLUE, RED)):
    axes[0].plot(sizes, by_size.mean(axis=0)[:, k], "o-", color=color, ms=4)
    axes[1].plot(shares, by_missing[:, k], "o-", color=color, ms=4)
axes[0].set(xscale="log", xlabel="$n$", ylabel=r"$P(\hat y \neq y)$", ylim=(0, None))
axes[1].set(xlabel=r"$|x_b| \, / \, |x|$", ylabel=r"$P(\hat y \neq y)$", ylim=(0, None))
edges = np.linspace(-700, 300, 60)
for images, color in ((test, BLUE), (clothes, RED)):
    clipped = np.clip(log_prob(images, model), -700, 300)
    axes[2].hist(clipped, edges, density=True, color=color, alpha=0.6)
axes[2].set(xlabel=r"$\log p(x)$", yticks=[]);


# %% [markdown]
# *Рис. 3. Слева: ошибка от числа $n$ обучающих цифр, наивный байесовский классификатор (синий) и логистическая регрессия (красный). В середине: ошибка, когда доля пикселей пропущена, гауссианы (синий) и логистическая регрессия, которой вместо пропусков дали средние (красный). Справа: $\log p(x)$ в натах тестовых цифр (синий) и одежды (красный; то, что ниже $-700$, сложено у края).*

# %% tags=["nbval-check-output"]
def auroc(inside, outside):
    """The probability that one of `inside` scores higher than one of `outside`."""
    ranks = stats.rankdata(np.concatenate([inside, outside]))[: len(inside)]
    n, m = len(inside), len(outside)
    return (ranks.sum() - n * (n + 1) / 2) / (n * m)


ours, theirs = log_prob(test, model), log_prob(clothes, model)
print(
    f"a digit has a higher log p(x) than a piece of clothing in {auroc(ours, theirs):.1%}"
)

# %%
confidence = classifier.predict_proba(clothes).max(axis=1)
print(
    f"clothes called a digit with more than 90 % confidence: {np.mean(confidence > 0.9):.0%}"
)


# %% [markdown]
# Запомните эти два числа. Уверенность говорит мало, а правдоподобие десяти *гауссиан* отличает цифры от одежды почти всегда. Глубокая модель знает о цифрах куда больше, чем десять гауссиан. Чужое она должна замечать ещё лучше. Ведь должна?
#
# Есть и пятое: **данные без меток**. Метки дороги, объекты дёшевы, а объекты без меток кое-что говорят о $p(x)$, которая разделяющей модели ни к чему. Генеративная обращается с пропущенной меткой так же, как с пропущенным пикселем: суммирует по ней. Делается это по очереди (EM-алгоритм): оцениваем вероятности пропущенных меток по формуле Байеса; подгоняем гауссианы с этими вероятностями в качестве весов.

# %% tags=["nbval-check-output"]
def em(x, y, more, steps=30):
    """Labelled points (n, 2) with labels (n,), and unlabelled ones (m, 2)."""
    known = np.eye(2)[y]
    parameters = fit_generative(x, known)
    for _ in range(steps):
        log_p = log_joint_2d(more, *parameters)
        guessed = np.exp(log_p - np.logaddexp.reduce(log_p, axis=1, keepdims=True))
        parameters = fit_generative(np.vstack([x, more]), np.vstack([known, guessed]))
    return parameters


def error_2d(parameters, x, y):
    return np.mean(log_joint_2d(x, *parameters).argmax(axis=1) != y)


test_2d = two_classes(4000, np.random.default_rng(1))
errors = []
for seed in range(40):
    source = np.random.default_rng(seed)
    few, labels = two_classes(200, source)
    keep = np.concatenate([np.flatnonzero(labels == c)[:3] for c in (0, 1)])  # 3 + 3
    few, labels = few[keep], labels[keep]
    more = two_classes(300, source)[0]
    labelled = fit_generative(few, np.eye(2)[labels])
    errors.append([error_2d(p, *test_2d) for p in (labelled, em(few, labels, more))])
labelled, both = np.mean(errors, axis=0)
print(
    f"6 labelled points: error {labelled:.1%}; and 300 unlabelled ones: {both:.1%};",
    end=" ",
)
print(f"500 labelled points: {error_2d(gaussians, *test_2d):.1%}")


# %% [markdown]
# ## Зачем порождать?
#
# * **Новый объект и есть цель**: картинка, фраза, мелодия, молекула.
# * **Синтетические данные** для обучения или взамен дорогой симуляции. В детекторе частиц калориметр измеряет ливень вторичных частиц, вызванный одной частицей. Эталоном служит программа GEANT4, которая прослеживает каждую частицу ливня. Paganini et al. (2018) обучили на таких ливнях GAN; качество сравнивали с симуляцией, а не с настоящим детектором, и нашли приемлемым, а ливень получается **в 100–1000 раз быстрее** на обычном процессоре. Симуляция платит за каждый ливень, модель — один раз, при обучении.
# * **Скрытые свойства** данных. Если в модели есть скрытая переменная, её значение говорит об объекте то, чего никто не размечал: наклон почерка, стиль, кластер. EM-алгоритм только что нашёл так классы 300 точек.
# * **Структуры**, а не только данные. Распределение на *моделях* — это априорное распределение для выбора модели. Adams, Wallach и Ghahramani (2010) порождают слоистые сети и тем самым позволяют данным решать, сколько слоёв и какой они ширины.
#
# На последнее стоит посмотреть внимательнее: это пример объекта, который не вектор. Строительный кирпич здесь — **процесс индийского буфета** (Griffiths и Ghahramani, 2006; с двумя параметрами Ghahramani et al., 2007). Посетители подходят к буфету, где блюд бесконечно много. Посетитель номер $i$ берёт каждое блюдо, которое взяли $m$ предыдущих, с вероятностью $\frac{m}{\beta + i - 1}$, а затем ещё $\mathrm{Poisson}\bigl(\frac{\alpha\beta}{\beta + i - 1}\bigr)$ блюд, которых никто не брал. Получается случайная таблица из нулей и единиц, у которой и число столбцов случайно. Каждый посетитель в среднем берёт $\alpha$ блюд, последний столько же, сколько первый, а всего блюд в среднем
#
# $$\mathbb E K = \alpha \sum_{i=1}^{n} \frac{\beta}{\beta + i - 1}$$
#
# Значит, $\alpha$ задаёт, сколько связей у нейрона, а $\beta$ — насколько редко эти связи общие.

# %% tags=["nbval-check-output"]
def buffet(n, alpha, beta, rng):
    """Which of n customers takes which dish: a table of zeros and ones, (n, dishes)."""
    table = np.zeros((n, 0), int)
    for i in range(n):  # the customer i + 1 of the text
        popularity = table.sum(axis=0)  # m of each dish
        table[i] = rng.random(len(popularity)) < popularity / (beta + i)
        new = np.zeros((n, rng.poisson(alpha * beta / (beta + i))), int)
        new[i] = 1
        table = np.hstack([table, new])
    return table


source = np.random.default_rng(0)
print(" alpha  beta   dishes of 5, theory   customer 1   customer 5")
for alpha, beta in ((1, 1), (0.5, 1), (1, 2), (1.5, 1)):
    tables = [buffet(5, alpha, beta, source) for _ in range(2000)]
    dishes = np.mean([table.shape[1] for table in tables])
    theory = sum(alpha * beta / (beta + i) for i in range(5))
    first, last = (np.mean([table[i].sum() for table in tables]) for i in (0, 4))
    print(f"{alpha:6} {beta:5} {dishes:12.2f} {theory:7.2f} {first:12.2f} {last:12.2f}")

# %% [markdown]
# А теперь пусть блюда сами станут посетителями следующего буфета. Нейроны слоя выбирают себе родителей слоем выше, выбранные выбирают своих, и так до тех пор, пока какой-нибудь слой не выберет никого. Это **каскадный** процесс индийского буфета; сеть — это список матриц инцидентности. Он кончается с вероятностью 1: число блюд растёт как $\alpha\beta \ln K$, медленнее числа посетителей $K$, так что широкий слой сужается, а узкий вымирает. В библиотеке это `buffet.cascade`.

# %%
from dgm_tfp import buffet as library

settings = ((1, 1), (0.5, 1), (1, 2), (1.5, 1))
figure, axes = plt.subplots(4, 4, figsize=(8, 7))
for row, (alpha, beta) in zip(axes, settings, strict=True):
    networks = [library.cascade(5, alpha, beta, seed) for seed in range(200)]
    shown = sorted(networks, key=len)[40:200:40]  # of 200 by depth: 4 quantiles
    for axis, layers in zip(row, shown, strict=True):
        library.draw(axis, layers, visible=5, size=30)
    row[0].set_title(rf"$\alpha = {alpha}, \; \beta = {beta}$", fontsize=10, loc="left")

# %% [markdown]
# *Рис. 4. Сети над пятью видимыми нейронами (закрашены), порождённые каскадным процессом индийского буфета с четырьмя парами параметров, как на рисунке у Adams et al. (2010). Из 200 сетей для каждой пары показаны квантили глубины 20, 40, 60 и 80 %.*

# %% [markdown]
# ## Три способа построить генеративную модель
#
# Десяти гауссиан хватило, чтобы увидеть, на что годится плотность, а первый ряд рисунка 2 показал, на что их не хватило: цифры размыты и в шуме. Как перейти от гауссианы к глубокой сети?
#
# **1. Явное правдоподобие.** Разложим объект на маленькие части, с каждой из которых легко. Цепное правило делает это безо всякого приближения:
#
# $$p(x) = p(x_1)\, p(x_2 \mid x_1) \cdots p(x_D \mid x_1, \dots, x_{D-1}).$$
#
# Простейшая такая модель — таблица. Ниже каждый символ текста берётся при данных $k$ предыдущих, а частоты посчитаны по «Дзену Питона» (текст английский). Karpathy (2015) поставил на место таблицы рекуррентную сеть (CharRNN), van den Oord et al. сделали то же для пикселей (занятие 06), а потоки (занятия 01–04) приходят к явной $p(x)$ другим путём. *Беда*: хорошее правдоподобие трудно назначить (какова плотность фотографии?), и вывод бывает дорогим: здесь объект появляется по одному символу.

# %% tags=["nbval-check-output"]
import codecs
import contextlib
import io
from collections import Counter, defaultdict

with contextlib.redirect_stdout(io.StringIO()):  # it prints itself when imported
    import this
zen = codecs.decode(this.s, "rot13").split("\n\n")[1].replace("\n", " ")


def generate(k, length, rng):
    """Each character given the k before it, as often as in the text."""
    counts = defaultdict(Counter)
    for i in range(len(zen)):
        counts[zen[max(0, i - k) : i]][zen[i]] += 1
    text = ""
    while len(text) < length:
        following = counts[text[-k:] if k else ""] or counts[""]
        characters, n = list(following), np.array(list(following.values()))
        text += rng.choice(characters, p=n / n.sum())
    return text


for k in (1, 2, 4):
    print(f"k = {k}: {generate(k, 64, np.random.default_rng(4))}")


# %% [markdown]
# **2. Скрытые переменные.** Предположим, что каждый объект сделан из скрытой $z$, которая проста, отображением, которое непросто: $z \sim p(z)$, $x \sim p(x \mid z)$. Такова смесь ($z$ — номер класса), таков и вариационный автокодировщик (занятие 05; $z$ — вектор, $p(x \mid z)$ — сеть). *Беда*: $p(x) = \int p(x \mid z)\, p(z)\, dz$ не вычислить; максимизируют нижнюю оценку.
#
# У первых двух способов есть и общая беда: **хорошее правдоподобие и хорошие сэмплы — разные вещи** (Theis et al., 2016). Пусть модель — смесь, где одна часть данных и 99 частей шума: $p_w(x) = 0.01\, p_{\text{data}}(x) + 0.99\, p_{\text{noise}}(x)$. Из сотни её сэмплов 99 — мусор. Но логарифм её правдоподобия хуже идеального самое большее на $\log 100 \approx 4.6$ ната, потому что
#
# $$\log p_w(x) \ge \log\bigl(0.01\, p_{\text{data}}(x)\bigr) = \log p_{\text{data}}(x) - \log 100,$$
#
# а логарифм правдоподобия картинки — это сотни и тысячи натов. В другую сторону это переобучение: модель, выучившая обучающую выборку наизусть, порождает безупречные сэмплы, а тестовому объекту не оставляет никакой вероятности.
#
# **3. Без правдоподобия.** Откажемся от $p(x)$ и будем учить само порождение: пусть вторая сеть пытается отличить сэмплы от данных, а мы улучшаем их до тех пор, пока ей это удаётся. Это статистический критерий для двух выборок, превращённый в функцию потерь; на нём построены генеративно-состязательные сети (GAN, занятие 07). *Беда*: игра двух игроков может не сойтись, может выродиться в немногие виды объектов, а спросить в конце про $p(x)$ не у кого.
#
# | | как учится | даёт ли $p(x)$ | беда | занятия |
# |---|---|---|---|---|
# | явное правдоподобие | максимум правдоподобия | точно | трудно назначить; медленно или жёстко | 01–04, 06 |
# | скрытые переменные | нижняя оценка | оценку снизу | интеграл по $z$ | 05 |
# | без правдоподобия | отличать сэмплы от данных | нет | неустойчиво; теряются моды | 07 |
#
# Какой бы ни была модель, объект из неё надо *взять*. Научимся брать.

# %% [markdown]
# ## Как взять объект, 1: обратная функция распределения
#
# Компьютер даёт нам $u$, равномерное на $[0, 1)$. Как сделать из него число с заданным законом?
#
# > **Теорема.** Пусть $F$ — непрерывная возрастающая функция распределения и $z = F^{-1}(u)$. Тогда функция распределения $z$ равна $F$.
#
# Доказательство в одну строку, для любой возрастающей $T$: $P(T(u) \le t) = P(u \le T^{-1}(t)) = T^{-1}(t)$. Мы хотим, чтобы это было $F(t)$, значит, $T = F^{-1}$.
#
# **Показательный закон, вручную.** Его плотность $\lambda e^{-\lambda t}$ при $t \ge 0$. Проинтегрируем и решим относительно $t$:
#
# $$F(t) = \int_0^t \lambda e^{-\lambda s} ds = 1 - e^{-\lambda t} = u \quad\Longrightarrow\quad t = F^{-1}(u) = -\frac{1}{\lambda} \ln(1 - u).$$
#
# **Дискретный закон.** Если $F$ растёт ступеньками, возьмём первое значение, на котором она превысила $u$: накопленные суммы и поиск. В каждое значение попадают те $u$, что пришлись на его ступеньку, а высота ступеньки и есть его вероятность.

# %% tags=["nbval-check-output"]
def draw_exponential(rate, n, rng):
    return -np.log(1 - rng.random(n)) / rate


def draw_discrete(probabilities, n, rng):
    return np.searchsorted(np.cumsum(probabilities), rng.random(n), side="right")


source = np.random.default_rng(0)
lifetimes = draw_exponential(2.0, 10_000, source)
print(f"mean {lifetimes.mean():.3f}, theory 1 / lambda = {1 / 2.0}")
for rate in (2.0, 2.1):  # the right theory, and a wrong one
    test = stats.kstest(lifetimes, stats.expon(scale=1 / rate).cdf)
    print(f"lambda = {rate}: p-value {test.pvalue:.5f}")
probabilities = np.array([0.1, 0.45, 0.15, 0.3])
throws = draw_discrete(probabilities, 10_000, source)
print("shares", np.bincount(throws) / len(throws), "for", probabilities)

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 2.8))
t = np.linspace(0, 2.5, 200)
levels = np.linspace(0.05, 0.95, 10)
axes[0].plot(t, 1 - np.exp(-2 * t), color=BLUE)
ends = -np.log(1 - levels) / 2
axes[0].hlines(levels, 0, ends, color=RED, lw=0.8)
axes[0].vlines(ends, 0, levels, color=RED, lw=0.8)
axes[0].set(xlabel="$t = F^{-1}(u)$", ylabel="$u = F(t)$", xlim=(0, 2.5), ylim=(0, 1))
axes[1].hist(lifetimes, 60, range=(0, 2.5), density=True, color=LIGHT)
axes[1].plot(t, 2 * np.exp(-2 * t), color=RED)
axes[1].set(xlabel="$t$", ylabel=r"$\lambda e^{-\lambda t}$", xlim=(0, 2.5))
axes[2].step(
    [-0.6, 0, 1, 2, 3, 3.4], [0, *np.cumsum(probabilities), 1], where="post", color=BLUE
)
hits = draw_discrete(probabilities, 8, np.random.default_rng(5))
heights = np.random.default_rng(5).random(8)
axes[2].hlines(heights, -0.6, hits, color=RED, lw=0.8)
axes[2].vlines(hits, 0, heights, color=RED, lw=0.8)
axes[2].set(
    xlabel="$t$", ylabel="$u$", xticks=range(4), xlim=(-0.6, 3.4), ylim=(0, 1)
);


# %% [markdown]
# *Рис. 5. Слева: равноотстоящие $u$ и показательные числа, в которые они превращаются: чаще там, где $F$ круче. В середине: 10 000 таких чисел и плотность. Справа: то же для дискретного закона, восемь бросков.*
#
# Это замена переменных; [занятие 01](01_change_of_variables.ipynb) прочтёт её в обратную сторону и во многих измерениях. Загвоздка: надо уметь вычислять $F^{-1}$, а в нескольких измерениях её просто нет. Но выручает цепное правило: возьмём $x_1$ по обратной функции его распределения, затем $x_2$ по обратной к распределению $p(x_2 \mid x_1)$, и так далее. Так порождает объекты любая авторегрессионная модель.

# %% [markdown]
# ## Как взять объект, 2: отклонение
#
# Часто плотность вычислить можно, а обратить её интеграл нельзя; часто и сам интеграл неизвестен, есть только $p(z)$ с точностью до множителя. **Сэмплирование с отклонением**: возьмём плотность $q$, из которой брать умеем, и число $k$, для которого $k\, q(z) \ge p(z)$ при всех $z$. Повторяем:
#
# 1. берём $z_0 \sim q$ и $u \sim \mathcal U\bigl(0,\, k\, q(z_0)\bigr)$;
# 2. если $u \le p(z_0)$, оставляем $z_0$, иначе выбрасываем.
#
# > **Теорема.** У оставленных плотность $p(z) / Z$, где $Z = \int p(z)\, dz$, а доля оставленных равна $Z / k$.
#
# Доказательство. Точки $(z_0, u)$ равномерны под графиком $k\,q$, площадь там $k$: плотность пары равна $q(z_0) \cdot \frac{1}{k\, q(z_0)} = \frac1k$, всюду одинакова. Остаются те, что под графиком $p$, это часть площади $Z$, и в ней они равномерны. Значит, доля равна $Z / k$, а вероятность остаться и попасть в $dz$ равна $\frac1k\, p(z)\, dz$, пропорционально $p$.

# %% tags=["nbval-check-output"]
def target(z):
    """A density up to a factor: two humps and a half."""
    return np.exp(-(z**2) / 2) * (0.3 + np.sin(2 * z) ** 2)


def reject(p, q, k, n, rng):
    """n proposals z with their u, (n,) each, and which of them are kept."""
    z = q.rvs(n, random_state=rng)
    u = rng.uniform(0, k * q.pdf(z))
    return z, u, u <= p(z)


proposal = stats.norm(0, 1.3)
z_axis = np.linspace(-5, 5, 4001)
k = np.max(target(z_axis) / proposal.pdf(z_axis))
Z = integrate.quad(target, -8, 8)[0]
areas = integrate.cumulative_trapezoid(target(z_axis), z_axis, initial=0)


def cdf(t):
    """F of the normalised target, by a table."""
    return np.interp(t, z_axis, areas / areas[-1])


print(f"Z = {Z:.4f}, the least k = {k:.4f}")
for seed, factor in enumerate((1, 1.5, 3)):
    source = np.random.default_rng(seed)
    z, u, kept = reject(target, proposal, factor * k, 100_000, source)
    print(
        f"k x {factor:<4} kept {kept.mean():.4f}, theory {Z / (factor * k):.4f},",
        end=" ",
    )
    print(f"p-value of the kept {stats.kstest(z[kept], cdf).pvalue:.2f}", end=", ")
    print(f"of all {stats.kstest(z, cdf).pvalue:.2f}")

# %% [markdown]
# Доля от $k$ зависит, а закон оставленных нет. Так что метод точен, и платим мы только тем, что выбрасываем. **Много ли это в большой размерности?** Возьмём самый удобный случай: $p = \mathcal N(0, I)$ в $D$ измерениях и $q = \mathcal N(0, \sigma^2 I)$, чуть шире. Отношение $p / q$ больше всего в нуле, где оно равно $\sigma^D$; это и есть $k$, а доля
#
# $$\frac{Z}{k} = \sigma^{-D}.$$
#
# Шире на один процент в 1000 измерений (Bishop, 2006, 11.1.2): $1.01^{-1000} \approx 1 / 21{,}000$. А с точностью до процента к картинкам не подходит ничто. Это **проклятие размерности**: отклонение годится для немногих измерений, а генеративная модель картинок должна принести собственный способ порождать.

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3))
z, u, kept = reject(target, proposal, k, 3000, np.random.default_rng(0))
axes[0].scatter(z[kept], u[kept], s=3, color=BLUE)
axes[0].scatter(z[~kept], u[~kept], s=3, color=RED, alpha=0.5)
axes[0].plot(z_axis, target(z_axis), color="black", lw=1)
axes[0].plot(z_axis, k * proposal.pdf(z_axis), color="black", lw=1, ls="--")
axes[0].set(xlabel="$z$", ylabel="$u$", xlim=(-4.5, 4.5), ylim=(0, None))
dimensions = np.arange(1, 41)
for sigma, color in ((1.1, LIGHT), (1.3, BLUE)):
    axes[1].plot(dimensions, sigma ** -dimensions.astype(float), color=color)
    for d in (1, 3, 6, 10, 16, 24):
        points = sigma * rng.standard_normal((50_000, d))
        log_ratio = -0.5 * (1 - sigma**-2) * (points**2).sum(axis=1)  # log p / (k q)
        axes[1].plot(
            d, np.mean(rng.random(50_000) < np.exp(log_ratio)), "o", color=color
        )
axes[1].set(xlabel="$D$", ylabel="$Z / k$", yscale="log", ylim=(1e-4, 1.3));


# %% [markdown]
# *Рис. 6. Слева: 3000 пар $(z_0, u)$, равномерных под штриховой кривой $k\,q$; оставлены синие, те, что под $p$. Справа: доля оставленных для гауссиан в $D$ измерениях при $\sigma = 1.1$ (светлые) и $1.3$ (тёмные); линии — теория, точки — эксперимент.*

# %% [markdown]
# ## Как взять объект, 3: из самих данных
#
# Выборка из $n$ объектов взята из неизвестного $F$, и мы посчитали по ней статистику, например медиану $\hat\theta_n$. Далеко ли она может быть от истины? Если бы мы могли взять из $F$ много выборок, мы посмотрели бы, как $\hat\theta_n$ разбросана. Не можем: $F$ неизвестно. Но у нас есть его оценка, и лучше неё нет: **эмпирическое распределение** $F_n$, которое даёт каждому из $n$ объектов вероятность $1/n$.
#
# > **Принцип бутстрапа** (Efron, 1979). Подставим $F_n$ на место $F$. Возьмём $N$ псевдовыборок объёма $n$ из $F_n$, то есть $n$ объектов из $n$ **с возвращением**; вычислим статистику каждой; их разброс оценивает разброс $\hat\theta_n$. Отрезок между квантилями 2.5 и 97.5 % и есть (процентильный) доверительный интервал.
#
# Можно даже узнать, держит ли он своё обещание. Пусть «генеральная совокупность» — это 10 000 цифр, а статистика — медиана количества чернил на картинке (средней яркости её пикселей): здесь истина *известна*. Возьмём выборку из 30, построим интервал и посмотрим, накрыл ли он истину. И так тысячу раз.

# %% tags=["nbval-check-output"]
def resample(values, statistic, resamples, rng):
    """The statistic of pseudo-samples of values (n,): (resamples,)."""
    rows = rng.integers(len(values), size=(resamples, len(values)))  # with replacement
    return statistic(values[rows], axis=1)


def coverage(population, statistic, n, rng, repeats=500, resamples=400):
    """How often the 95 % percentile interval from n objects covers the truth."""
    truth, hits = statistic(population, axis=0), 0
    for _ in range(repeats):
        sample = rng.choice(population, n)
        low, high = np.quantile(
            resample(sample, statistic, resamples, rng), [0.025, 0.975]
        )
        hits += low <= truth <= high
    return hits / repeats


ink = train.mean(axis=1)  # (10000,)
source = np.random.default_rng(0)
print("   n     mean   median   (share of 95 % intervals that cover the truth)")
for n in (5, 30, 100):
    shares = [coverage(ink, statistic, n, source) for statistic in (np.mean, np.median)]
    print(f"{n:4} {shares[0]:8.3f} {shares[1]:8.3f}")

# %%
sample = np.random.default_rng(2).choice(ink, 30)
medians = resample(sample, np.median, 5000, np.random.default_rng(3))
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8))
axes[0].plot(np.sort(ink), np.linspace(0, 1, len(ink)), color=LIGHT, lw=3)
axes[0].step(np.sort(sample), np.arange(1, 31) / 30, where="post", color=RED)
axes[0].set(xlabel="$t$", ylabel="$F(t), \\; F_n(t)$")
axes[1].hist(medians, 40, color=LIGHT)
axes[1].axvline(np.median(ink), color="black")
for end in np.quantile(medians, [0.025, 0.975]):
    axes[1].axvline(end, color=RED, ls="--")
axes[1].set(xlabel=r"$\hat\theta_n$", yticks=[]);

# %% [markdown]
# *Рис. 7. Слева: $F$, чернила 10 000 цифр (светлая), и $F_n$ выборки из 30 (красная). Справа: медианы 5000 псевдовыборок из этой выборки, концы интервала (штриховые) и истинная медиана (чёрная).*
#
# При 30 объектах обещанные 95 % почти выдержаны, а для среднего пяти — нет: $F_5$ слишком грубая замена для $F$, и интервал выходит слишком коротким. В библиотеке у `sampling.bootstrap` кроме процентильного интервала есть исправленный (BCa), и работает она с целыми строками; `ood.auroc` ставит такой интервал при каждой оценке обнаружения в этом курсе.

# %% [markdown]
# ## Когда данные меняются: сдвиг данных
#
# Всё выученное выучено про закон $p(x, y)$ обучающих данных. **Сдвиг данных**: во время применения закон другой. Разложить его можно двумя способами, $p(x, y) = p(y \mid x)\, p(x) = p(x \mid y)\, p(y)$, и сдвиг называют по тому, что изменилось (Moreno-Torres et al., 2012):
#
# | сдвиг | меняется | остаётся | пример |
# |---|---|---|---|
# | ковариатный | $p(x)$ | $p(y \mid x)$ | учили на взрослых, применяют к детям |
# | априорных вероятностей | $p(y)$ | $p(x \mid y)$ | эпидемия: болезнь выглядит как всегда, но стала частой |
# | понятия (concept shift) | $p(y \mid x)$ | $p(x)$ | то, что сегодня спам, в прошлом году было новостью |
#
# Из одной размеченной выборки можно сделать все три, не задев остального. *Ковариатный*: оставим строку $i$ с вероятностью, зависящей только от $x_i$. Это сэмплирование с отклонением, где данные предлагают сами себя. *Априорных вероятностей*: в каждом классе выбрасываем строки наугад, пока доли не станут нужными. *Понятия*: все $x$ оставляем, а каждую метку берём заново при данных $x$ и старой метке. Это три функции модуля `dgm_tfp.shift`. Жертвой будет логистическая регрессия: прямая там, где истинная граница кривая.

# %% tags=["nbval-check-output"]
from dgm_tfp import shift

source = np.random.default_rng(0)
pool_x = 1.2 * source.standard_normal((40_000, 2))
p_true = 1 / (1 + np.exp(-5 * (pool_x[:, 1] - np.sin(1.5 * pool_x[:, 0]))))
pool_y = (source.random(40_000) < p_true).astype(int)
train_x, train_y = pool_x[:5000], pool_y[:5000]
rest = pool_x[5000:], pool_y[5000:]


def to_the_right(x):
    """w(x): how much more often a point is met, up to a factor."""
    return np.exp(np.minimum(2 * x[:, 0], 4))


def stricter(x):
    """From the old label to the new one, (n, 2, 2): where x2 < 1 a 1 becomes a 0."""
    refused = np.array([[1, 0], [0.9, 0.1]])
    return np.where(x[:, 1, None, None] < 1, refused, np.eye(2))


tests = {
    "no shift": rest,
    "covariate": shift.covariate(*rest, to_the_right),
    "prior probability": shift.prior_probability(*rest, {0: 0.9, 1: 0.1}),
    "concept": shift.concept(*rest, stricter),
}
w = fit_discriminative(train_x, train_y)


def predicted(x, w):
    """p(y = 1 | x), (n,)."""
    return 1 / (1 + np.exp(-(x @ w[:2] + w[2])))


print("shift              error   share of 1, true and predicted")
for name, (x, y) in tests.items():
    p = predicted(x, w)
    print(f"{name:<17} {np.mean((p > 0.5) != y):6.3f} {y.mean():10.3f} {p.mean():8.3f}")

# %%
figure, axes = plt.subplots(1, 4, figsize=(11, 2.9), sharex=True, sharey=True)
titles = ("$p(x, y)$", "$p'(x)$", "$p'(y)$", r"$p'(y \mid x)$")
edge = np.linspace(-3.5, 3.5, 100)
for axis, (x, y), title in zip(axes, tests.values(), titles, strict=True):
    some = np.random.default_rng(0).permutation(len(x))[:800]
    for label, color in ((0, BLUE), (1, RED)):
        axis.scatter(*x[some][y[some] == label].T, s=3, color=color, alpha=0.7)
    axis.plot(edge, np.sin(1.5 * edge), color="black")
    axis.plot(edge, -(w[0] * edge + w[2]) / w[1], color="black", ls="--")
    axis.set(title=title, xlabel="$x_1$", xlim=(-3.5, 3.5), ylim=(-3.5, 3.5))
axes[0].set_ylabel("$x_2$");


# %% [markdown]
# *Рис. 8. Закон при обучении и три сдвига: ковариатный, априорных вероятностей, понятия. Сплошная: где при обучении $p(y = 1 \mid x) = \frac12$. Штриховая: граница логистической регрессии.*
#
# Вред от каждого свой, и средство своё.
#
# * **Ковариатный.** Прямая была компромиссом для закона при обучении; там, где точки сейчас, лучше был бы другой компромисс. Средство: дать каждой обучающей точке вес $p'(x) / p(x)$. (Модели, достаточно богатой, чтобы выучить $p(y \mid x)$ точно, оно ни к чему.)
# * **Априорных вероятностей.** Классификатор рассчитывает на старые доли и слишком часто говорит 1. Средство, если новые доли известны, даёт формула Байеса, и новых меток не нужно: раз $p(x \mid y)$ прежняя,
#
# $$p'(y \mid x) \propto p(x \mid y)\, p'(y) \propto p(y \mid x)\, \frac{p'(y)}{p(y)}.$$
#
# * **Понятия.** Старые метки неверны. Помогут только новые.

# %% tags=["nbval-check-output"]
def show(name, p):
    y = tests[name].y
    print(f"{name:<17} {np.mean((p > 0.5) != y):6.3f} {y.mean():10.3f} {p.mean():8.3f}")


w_weighted = fit_discriminative(train_x, train_y, to_the_right(train_x))
show("covariate", predicted(tests["covariate"].x, w_weighted))
x = tests["prior probability"].x
old, new = np.array([1 - train_y.mean(), train_y.mean()]), np.array([0.9, 0.1])
odds = predicted(x, w) / (1 - predicted(x, w)) * (new[1] / old[1]) / (new[0] / old[0])
show("prior probability", odds / (1 + odds))
relabelled = shift.concept(train_x, train_y, stricter, seed=1)
show("concept", predicted(tests["concept"].x, fit_discriminative(*relabelled)))

# %% [markdown]
# **А объекты вне обучающего распределения (OOD)?** Это ковариатный сдвиг, доведённый до предела: объекты оттуда, где $p(x)$ почти нулевая. Там $p(y \mid x)$ никто не учил, веса $p'(x) / p(x)$ не помогут, и часто ни одно $y$ не верно: ботинок не цифра. Остаётся заметить это, а чтобы заметить, нужна $p(x)$. Потому курс и посвящён моделям, у которых она есть.

# %% [markdown]
# ## Какую модель взять? Обоснованность против leave-one-out
#
# Четырнадцать точек и многочлены степеней от 0 до 9. Правдоподобие обучающих данных со степенью только растёт. Как выбрать? Есть две оценки, и обе составлены из одних и тех же предсказаний.
#
# Пусть $t_n = w^\top \phi(x_n) + \varepsilon_n$, где $\phi(x) = (1, x, \dots, x^M)$, шум нормальный с дисперсией $1/\beta$, априорное распределение $w \sim \mathcal N(0, I/\alpha)$. Тогда всё нормально распределено (Bishop, 2006, глава 3): при данных $n$ точках у весов ковариация $S$ и среднее $m$, а новый ответ нормален:
#
# $$S = (\alpha I + \beta\, \Phi^\top \Phi)^{-1}, \qquad m = \beta\, S\, \Phi^\top t, \qquad p(t \mid x, \text{data}) = \mathcal N\bigl(t;\; m^\top \phi(x),\; \tfrac1\beta + \phi(x)^\top S\, \phi(x)\bigr).$$
#
# **Обоснованность (evidence)** — это вероятность всех данных при модели, веса которой проинтегрированы. По цепному правилу она есть сумма предсказаний, каждое по предыдущим точкам:
#
# $$\log p(t) = \log p(t_1) + \log p(t_2 \mid t_1) + \dots + \log p(t_n \mid t_1, \dots, t_{n-1}).$$
#
# **Leave-one-out** (контроль с одним отложенным объектом) предсказывает каждую точку по всем остальным, $\frac1n \sum_i \log p(t_i \mid t_{-i})$. Сравните: это *последнее* слагаемое суммы выше, усреднённое по тому, какая точка последняя. Обоснованность от порядка точек не зависит, а слагаемые зависят. В среднем по всем порядкам:
#
# $$\text{LOO} = \mathbb E_{\text{order}} \log p(t_n \mid t_1, \dots, t_{n-1}).$$
#
# Значит, leave-one-out спрашивает: хорошо ли модель предсказывает, когда видела почти всё? Обоснованность спрашивает, хорошо ли она предсказывает *с самой первой точки*, когда опереться можно только на априорное распределение. В духе MacKay: обоснованность — это длина полного описания данных, и модель, чьё априорное распределение размазано по множеству кривых, платит за каждую из первых точек.

# %% tags=["nbval-check-output"]
from itertools import permutations

ALPHA, BETA = 0.01, 25.0  # weights of size 10, noise of size 0.2


def features(x, degree):
    return np.vander(x, degree + 1, increasing=True)


def posterior(phi, t):
    """m and S."""
    S = np.linalg.inv(ALPHA * np.eye(phi.shape[1]) + BETA * phi.T @ phi)
    return BETA * S @ phi.T @ t, S


def predict(phi, m, S):
    """Mean and standard deviation of t, (n,) each."""
    return phi @ m, np.sqrt(1 / BETA + np.sum((phi @ S) * phi, axis=1))


def terms(phi, t):
    """log p(t_k | t_1 .. t_{k-1}), (n,)."""
    result = []
    for k in range(len(t)):
        centre, width = predict(phi[k : k + 1], *posterior(phi[:k], t[:k]))
        result.append(stats.norm(centre[0], width[0]).logpdf(t[k]))
    return np.array(result)


N = 14
x_all = np.linspace(-1, 1, N)
t_all = np.sin(np.pi * x_all) + 0.2 * np.random.default_rng(5).standard_normal(N)

phi = features(x_all, 3)
whole = stats.multivariate_normal(np.zeros(N), np.eye(N) / BETA + phi @ phi.T / ALPHA)
backwards = terms(phi[::-1], t_all[::-1])
print(f"log evidence, closed form    {whole.logpdf(t_all):.8f}")
print(f"sum of the terms             {terms(phi, t_all).sum():.8f}")
print(f"the same, from the other end {backwards.sum():.8f}")
print(f"second terms of the two      {terms(phi, t_all)[1]:.4f}, {backwards[1]:.4f}")


def leave_one_out(phi, t):
    """log p(t_i | all others), (n,), by refitting n times."""
    result = []
    for i in range(len(t)):
        others = np.arange(len(t)) != i
        centre, width = predict(phi[[i]], *posterior(phi[others], t[others]))
        result.append(stats.norm(centre[0], width[0]).logpdf(t[i]))
    return np.array(result)


five = np.array([0, 3, 6, 9, 12])  # of these points: all 120 orders
orders = [list(order) for order in permutations(five)]
last = [terms(phi[order], t_all[order])[-1] for order in orders]
print(f"last term, mean over {len(last)} orders {np.mean(last):.8f}")
print(
    f"leave-one-out                 {leave_one_out(phi[five], t_all[five]).mean():.8f}"
)

# %%
from dgm_tfp import evidence

figure, axes = plt.subplots(2, 3, figsize=(10, 5.2))
axes[1, 2].remove()
grid = axes[1, 1].get_gridspec()
axes[1, 1].remove()
wide = figure.add_subplot(grid[1, 1:])
x_axis = np.linspace(-1, 1, 200)
shuffles = {"smoke": 200, "laptop": 2000, "gpu": 2000}[profile]
for axis, degree, color in zip(axes[0], (1, 3, 9), (LIGHT, BLUE, RED), strict=True):
    phi = features(x_all, degree)
    centre, width = predict(features(x_axis, degree), *posterior(phi, t_all))
    axis.fill_between(
        x_axis, centre - 2 * width, centre + 2 * width, color=color, alpha=0.3
    )
    axis.plot(x_axis, centre, color=color)
    axis.plot(x_all, t_all, "o", color="black", ms=4)
    axis.set(title=f"$M = {degree}$", xlabel="$x$", ylim=(-2, 2))
    by_position = evidence.terms_by_position(phi, t_all, ALPHA, BETA, shuffles)
    wide.plot(
        range(1, N + 1), by_position, "o-", ms=4, color=color, label=f"$M = {degree}$"
    )
axes[0, 0].set_ylabel("$t$")
degrees = range(10)
scores = evidence.curves(x_all, t_all, degrees, ALPHA, BETA)
for score, style, color, label in (
    (scores.log_evidence, "o-", "black", r"$\log p(t)$"),
    (scores.leave_one_out, "s--", "grey", r"$n \cdot \mathrm{LOO}$"),
):
    axes[1, 0].plot(degrees, score, style, color=color, ms=4, label=label)
axes[1, 0].set(xlabel="$M$", ylim=(-60, 10))
axes[1, 0].legend(frameon=False)
wide.set(xlabel="$k$", ylabel=r"$\mathbb{E} \log p(t_k \mid t_{<k})$", ylim=(-4.5, 0.5))
wide.legend(frameon=False);

# %% [markdown]
# *Рис. 9. Сверху: предсказания, $\pm 2$ стандартных отклонения, многочленов степеней 1, 3 и 9. Внизу слева: две оценки от степени, в натах. Внизу справа: слагаемые по их месту $k$, усреднённые по случайным порядкам. Сумма вдоль кривой есть обоснованность, последняя точка — leave-one-out.*

# %% tags=["nbval-check-output"]
print(" M   log evidence   n LOO")
for degree, a, b in zip(degrees, *scores, strict=True):
    print(f"{degree:2} {a:14.2f} {b:7.2f}")
phi = features(x_all, 9)
closed = evidence.leave_one_out(phi, t_all, ALPHA, BETA)
print("closed form = refitting:", np.allclose(closed, leave_one_out(phi, t_all)))

# %% [markdown]
# На этих данных оценки разошлись: обоснованность выбирает $M = 3$, leave-one-out $M = 6$. Посмотрите на кривые рисунка 9. Многочлен степени 9 поначалу предсказывает плохо, его априорное распределение допускает почти что угодно; к двенадцатой точке он догоняет, а leave-one-out смотрит только на последнюю точку кривой и всё прежнее прощает. Оба ответа верны, просто на разные вопросы. И обоим не нужна тестовая выборка.
#
# Такая сумма ещё встретится: на занятии 06 целая картинка оценивается как сумма слагаемых-предсказаний, пиксель за пикселем.

# %% [markdown]
# ## Что идёт не так
#
# **Слишком малое $k$.** Если где-то $k\,q < p$, две строки сэмплирования с отклонением не пожалуются. Там остаются все предложенные точки, и их слишком мало; получается $\min(p,\, k\,q)$ со срезанными вершинами. А доля оставленных даже выглядит лучше.
#
# **Бутстрап максимума.** Наибольшее из $n$ чисел из $\mathcal U(0, \theta)$ оценивает $\theta$ снизу. В псевдовыборке нет чисел больше, чем в выборке, так что процентильный интервал не дотянется до $\theta$ *никогда*. Принцип подвёл: у края $F_n$ не похожа на $F$. Это видно по псевдовыборкам: у $1 - (1 - \frac1n)^n \approx 1 - \frac1e \approx 63\,\%$ из них максимум один и тот же.

# %% tags=["nbval-check-output"]
from dgm_tfp import sampling
from dgm_tfp.errors import InputError

small = 0.55 * k
z, u, kept = reject(target, proposal, small, 200_000, np.random.default_rng(0))
print(f"kept {kept.mean():.3f} of all, where Z / k = {Z / small:.3f};", end=" ")
print("p-value of the kept below 1e-9:", stats.kstest(z[kept], cdf).pvalue < 1e-9)
try:
    sampling.rejection(target, proposal, small, 1000, np.random.default_rng(0))
except InputError as error:
    print(f"the library: {str(error).split(': ')[0].split(' at ')[0]}")

n, hits, same = 50, 0, []
for seed in range(500):
    source = np.random.default_rng(seed)
    numbers = source.uniform(0, 1, n)
    maxima = resample(numbers, np.max, 400, source)
    low, high = np.quantile(maxima, [0.025, 0.975])
    hits += low <= 1 <= high
    same.append(np.mean(maxima == numbers.max()))
print(f"intervals of the maximum that cover theta = 1: {hits} of 500")
print(f"pseudo-samples with the same maximum: {np.mean(same):.3f},", end=" ")
print(f"theory {1 - (1 - 1 / n) ** n:.3f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8))
weights = np.full(kept.sum(), small / len(z) / 0.05)  # counts to heights of p
axes[0].hist(z[kept], np.arange(-4, 4.01, 0.05), weights=weights, color=LIGHT)
axes[0].plot(z_axis, target(z_axis), color=RED)
axes[0].plot(z_axis, small * proposal.pdf(z_axis), color="black", ls="--")
axes[0].set(xlabel="$z$", ylabel="$p(z)$", xlim=(-4, 4))
axes[1].hist(maxima, 40, color=LIGHT)
axes[1].axvline(1, color=RED)
axes[1].set(xlabel=r"$\hat\theta_n$", yticks=[]);

# %% [markdown]
# *Рис. 10. Слева: что оставляет отклонение (гистограмма), если $k\,q$ (штриховая) опускается ниже $p$ (красная). Справа: максимумы псевдовыборок из 50 чисел из $\mathcal U(0, 1)$; красная линия — истина.*
#
# ## Обещание
#
# Десять гауссиан отличают цифры от одежды. В 2019 году Nalisnick и соавторы обучили лучшие по тем временам глубокие генеративные модели, потоки, VAE и PixelCNN, на картинках одежды, а потом показали им рукописные цифры. **Цифры модели сочли более правдоподобными, чем одежду.** Обученные на фотографиях (CIFAR-10) предпочли номера домов (SVHN). Все, притом что плотности у них лучше, чем у любой гауссианы. Модель, которая рисует убедительные ботинки, не замечает, что семёрка не ботинок.
#
# Почему? Чтобы спросить, надо знать, что именно эти модели вычисляют; на это уйдут занятия 01–07. Занятие 08 спросит, а занятие 09 поищет, что с этим делать.
#
# ## На одном экране
#
# | | |
# |---|---|
# | два способа учиться | $p(y \mid x)$ или $p(x, y) = p(y)\, p(x \mid y)$, и тогда модель ещё порождает, дорисовывает, обходится без меток и знает $p(x)$ |
# | три способа построить | явное правдоподобие; скрытые переменные; без правдоподобия |
# | обратная функция распределения | $z = F^{-1}(u)$; показательный закон: $-\ln(1 - u) / \lambda$ |
# | отклонение | оставить $z_0 \sim q$, если $u \le p(z_0)$, $u \sim \mathcal U(0, k\,q(z_0))$; доля $Z / k$ |
# | бутстрап | $F_n$ на месте $F$ |
# | сдвиг | ковариатный $p(x)$, априорных вероятностей $p(y)$, понятия $p(y \mid x)$ |
# | обоснованность (evidence) | $\sum_k \log p(t_k \mid t_{<k})$; leave-one-out — последнее слагаемое, усреднённое по порядкам |
#
# ## Вопросы
#
# <details>
# <summary><b>1.</b> Две генеративные модели дают в точности одну и ту же $p(y \mid x)$. Обязаны ли у них совпадать $p(x)$? И что можно сказать о $p(x)$, если $p(y \mid x)$ известна всюду?</summary>
#
# Не обязаны, и ничего. Умножьте $p(x)$ на любую положительную функцию и нормируйте: $p(x, y) = p(y \mid x)\, p(x)$ снова совместный закон с той же $p(y \mid x)$. Это ковариатный сдвиг. Поэтому же по уверенности классификатора нельзя понять, чужой ли объект.
#
# </details>
#
# <details>
# <summary><b>2.</b> Найдите $F^{-1}$ для плотности $2t$ на $[0, 1]$. Проверьте себя: где лежат медиана и среднее?</summary>
#
# $F(t) = t^2$, значит, $F^{-1}(u) = \sqrt u$. Медиана $\sqrt{0.5} \approx 0.71$; среднее $\int_0^1 \sqrt u \, du = \frac23$, столько же, сколько $\int_0^1 t \cdot 2t \, dt$.
#
# </details>
#
# <details>
# <summary><b>3.</b> Хотим брать из $\mathcal N(0, 1)$ сэмплированием с отклонением, предлагая из $\mathcal N(0, 0.9^2)$. Какое взять $k$?</summary>
#
# Никакое. Отношение $p / q$ пропорционально $\exp\bigl(\frac{z^2}{2}(\frac{1}{0.81} - 1)\bigr)$ и не ограничено: хвосты тяжелее должны быть у того, из чего предлагают. В эксперименте конечное $k$ может показаться годным, ведь туда, где оно мало, почти не попадают; но хвостов у сэмплов не будет.
#
# </details>
#
# <details>
# <summary><b>4.</b> Какая доля объектов выборки встречается в псевдовыборке хотя бы раз? Что отсюда следует для классификатора, который учат на одном, а проверяют на другом?</summary>
#
# Объект не попадает с вероятностью $(1 - \frac1n)^n \to \frac1e$, так что есть около 63 %. Если учить на выборке, а проверять на её псевдовыборке, то все тестовые объекты классификатор уже видел. Учат на псевдовыборке, а проверяют на тех 37 %, что в неё не попали (out-of-bag).
#
# </details>
#
# <details>
# <summary><b>5.</b> Назовите сдвиг: (а) автопилот учили летом, а едет он по снегу; (б) детектор мошенничества учили на сбалансированной выборке, а в жизни мошенничество — одно на десять тысяч; (в) магазин переименовал категории; (г) сканер заменили на более контрастный.</summary>
#
# (а) Ковариатный: картинки другие, а верное решение при данной картинке то же; где ничего похожего при обучении не было, там уже OOD. (б) Априорных вероятностей, и создала его сама балансировка; исправляется множителем $p'(y)/p(y)$. (в) Понятия. (г) Ковариатный, если верить, что метка при данной картинке прежняя; но меняется и $p(x \mid y)$, и та же яркость теперь означает другую ткань, а это сдвиг понятия. Названия относятся к законам, а настоящая перемена может задеть оба множителя.
#
# </details>
#
# <details>
# <summary><b>6.</b> У двух моделей одинаковый leave-one-out, а обоснованность первой на 20 натов выше. Что это значит и какую вы возьмёте?</summary>
#
# Увидев почти все данные, обе предсказывают одинаково; первой понадобилось для этого меньше: её априорное распределение было ближе. Для предсказаний по всем данным они равны. Чтобы описать данные, или если следующая выборка снова мала, берите первую. Но 20 натов зависят и от ширины априорного распределения, небрежный выбор может столько стоить; leave-one-out его почти не чувствует.
#
# </details>
#
# <details>
# <summary><b>7.</b> Генеративную модель обучили на 1000 размеченных цифр, она породила 100 000 новых, и на них обучили классификатор. Может ли он быть лучше обученного на той тысяче?</summary>
#
# В порождённых цифрах о мире не больше, чем в той тысяче и в допущениях модели. Если допущения верны, а у классификатора их нет, то так он их получит и станет лучше (рис. 3, слева: пока данных мало, допущения выигрывают). Если неверны, он выучит и ошибки. Настоящее знание добавили бы неразмеченные цифры при обучении генеративной модели.
#
# </details>
#
# <details>
# <summary><b>8.</b> $p_w = 0.01\, p_{\text{data}} + 0.99\, p_{\text{noise}}$ теряет не больше 4.6 ната. Можно ли по логарифму правдоподобия $-1000$ натов на тестовой выборке понять, что за модель перед нами, $p_{\text{data}}$ или $p_w$?</summary>
#
# Только сравнив с самой $p_{\text{data}}$, энтропии которой для настоящих картинок никто не знает. А по сэмплам видно сразу. Так что правдоподобие и сэмплы надо оценивать порознь (занятие 07).
#
# </details>
#
# ## Что почитать
#
# * C. Bishop. *Pattern Recognition and Machine Learning.* Springer, 2006. Глава 3 (байесовская регрессия и обоснованность), 4.2–4.3 (генеративные и разделяющие модели), 11.1 (сэмплирование).
# * A. Ng, M. Jordan. *On Discriminative vs. Generative Classifiers.* NIPS, 2002. Рис. 3, слева, и теория к нему.
# * M. Paganini, L. de Oliveira, B. Nachman. *Accelerating Science with Generative Adversarial Networks.* Physical Review Letters 120, 042003, 2018, [arXiv:1705.02355](https://arxiv.org/abs/1705.02355).
# * R. Adams, H. Wallach, Z. Ghahramani. *Learning the Structure of Deep Sparse Graphical Models.* AISTATS, 2010, [arXiv:1001.0160](https://arxiv.org/abs/1001.0160). Каскадный процесс индийского буфета.
# * J. Antorán, A. Miguel. *Disentangling and Learning Robust Representations with Natural Clustering.* ICMLA, 2019. Скрытые свойства с помощью генеративной модели.
# * B. Efron, R. Tibshirani. *An Introduction to the Bootstrap.* Chapman and Hall, 1993.
# * J. Moreno-Torres et al. *A unifying view on dataset shift in classification.* Pattern Recognition 45, 2012.
# * D. MacKay. *Bayesian interpolation.* Neural Computation 4, 1992. E. Fong, C. Holmes. *On the marginal likelihood and cross-validation.* Biometrika 107, 2020. Сумма и её последнее слагаемое.
# * L. Theis, A. van den Oord, M. Bethge. *A note on the evaluation of generative models.* ICLR, 2016, [arXiv:1511.01844](https://arxiv.org/abs/1511.01844).
# * E. Nalisnick et al. *Do Deep Generative Models Know What They Don't Know?* ICLR, 2019, [arXiv:1810.09136](https://arxiv.org/abs/1810.09136). Тот самый сюрприз.
#
# Теперь [лабораторная](../../labs/ru/00_generative_modelling.ipynb).
