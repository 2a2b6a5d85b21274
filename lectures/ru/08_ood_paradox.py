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
# # Парадокс OOD
#
# **Вопрос.** Сети, обученной на одежде, показали цифру. Цифр она никогда не видела. Знает ли она, что не видела? Классификатор не знает: он назовёт цифру рубашкой, да ещё и с уверенностью. А вот генеративная модель знать вроде бы должна: она выучила $p(x)$, и там, где данных не было, $p(x)$ обязана быть мала. На занятиях 00–07 мы построили четыре семейства таких моделей. Теперь спросим их самих. Ответ — нет: **обученные на одежде, они считают цифры вероятнее одежды.**
#
# В 2019 году это показали Эрик Налисник и соавторы в статье с заглавием *Do deep generative models know what they don't know?* Мы повторим их опыты, разберём правдоподобие на части, выведем их объяснение и сверим его с числами, в том числе тот шаг, в котором читатели усомнились. А под конец вы, вращая одну-единственную ручку, заставите парадокс появиться и исчезнуть.
#
# **Понадобятся** [занятие 01](01_change_of_variables.ipynb) (теорема и два её слагаемых), представление о потоках, VAE и PixelCNN (занятия 02–06), формула Тейлора для многих переменных. **Времени** уйдёт минут 90, и ещё 60–90 на [лабораторную](../../labs/ru/08_ood_paradox.ipynb).
#
# | обозначение | смысл |
# |---|---|
# | $p(x)$ | распределение, из которого взяты обучающие картинки |
# | $q(x)$ | распределение других картинок, которых модель не видела |
# | $p_\theta(x)$ | плотность, которую модель выучила |
# | $\mathbb E_q \log p_\theta(x) - \mathbb E_p \log p_\theta(x)$ | на сколько натов чужие картинки правдоподобнее; парадокс: $> 0$ |
# | $\Sigma_p, \Sigma_q$; $\sigma^2_{p,i}$ | ковариационные матрицы картинок; дисперсия по $i$-й размерности |
# | $D$ | число размерностей, у нас $28 \cdot 28 = 784$ |

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import ndimage, stats

from dgm_tfp import data, models, ood, profiles, training

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
profile = profiles.current().name  # "laptop" by default: decides how long we train

BLUE, LIGHT, RED = "#1f6f8b", "#7fb7c9", "#d1495b"
plt.rcParams.update(
    {
        "figure.dpi": 72,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)


# %%
def load(name, split):
    return data.load(name, split, source="embedded", verbose=False)


clothes, digits = (load(name, "train") for name in ("fashion_mnist", "mnist"))
shown = {"smoke": 100, "laptop": 1000, "gpu": 2000}[profile]  # of each test set
clothes_test, digits_test = (
    load(name, "test").images for name in ("fashion_mnist", "mnist")
)

# %% [markdown]
# ## Классификатор не сомневается
#
# Сначала болезнь, потом лекарство, на которое надеялись. Обучим на цифрах небольшую свёрточную сеть, возьмём цифру из тестовой выборки и будем её поворачивать. Шестёрка, повёрнутая на 180 градусов, — девятка, а семёрка, повёрнутая на 90, — вообще ничто.

# %%
classifier = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(16, 5, strides=2, activation="relu"),
        keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
classifier.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
few = {"smoke": 1000, "laptop": 10_000, "gpu": 10_000}[profile]
epochs = {"smoke": 1, "laptop": 3, "gpu": 3}[profile]
classifier.fit(
    digits.images[:few], digits.labels[:few], batch_size=64, epochs=epochs, verbose=0
)

answers = load("mnist", "test").labels[:300]
angles = np.arange(0, 181, 15)
confidence, accuracy = [], []
for angle in angles:
    turned = ndimage.rotate(
        digits_test[:300].astype(np.float32), angle, axes=(2, 1), reshape=False, order=1
    )
    p_y = classifier.predict(np.clip(turned, 0, 255), verbose=0)  # p(y | x), (300, 10)
    confidence.append(p_y.max(axis=1))
    accuracy.append(np.mean(p_y.argmax(axis=1) == answers))
confidence = np.array(confidence)

# %%
one = digits_test[:1].astype(np.float32)
figure = plt.figure(figsize=(10, 2.8))
left, right = figure.subfigures(1, 2, width_ratios=(1.5, 1))
cells = left.subplots(2, 4).ravel()
for axis, angle in zip(cells, range(0, 211, 30), strict=True):
    turned = ndimage.rotate(one, angle, axes=(2, 1), reshape=False, order=1)
    p_y = classifier.predict(turned, verbose=0)[0]
    axis.imshow(turned[0, ..., 0], cmap="gray", vmin=0, vmax=255)
    axis.set(xticks=[], yticks=[])
    axis.set_title(f"{angle}°: {p_y.argmax()}, {p_y.max():.0%}", fontsize=10)
axis = right.subplots()
axis.plot(angles, confidence.mean(axis=1), color=RED, label="уверенность")
axis.plot(angles, accuracy, color=BLUE, label="доля верных")
axis.set(xlabel="угол, градусы", ylim=(0, 1.02), xticks=angles[::3])
axis.legend();

# %% [markdown]
# *Рис. 1. Слева: тестовая цифра, повёрнутая на восемь углов; над каждой ответ сети и $\max_y p(y \mid x)$. Справа: средняя уверенность и доля верных ответов по 300 тестовым цифрам в зависимости от угла.*
#
# Ошибка сама по себе простительна. Беда в том, что сеть *утверждает*, будто знает. Между 60 и 120 градусами она ошибается куда чаще, чем угадывает, и при этом заявляет вероятность около восьми десятых. А вот одежда, на которой неверен любой ответ:

# %%
on_digits = classifier.predict(digits_test[:1000], verbose=0).max(axis=1)
on_clothes = classifier.predict(clothes_test[:1000], verbose=0).max(axis=1)
for name, values in (("digits", on_digits), ("clothes", on_clothes)):
    print(f"{name:8} mean confidence {values.mean():.2f}", end=", ")
    print(f"more than 90 % sure of {np.mean(values > 0.9):.0%}")


# %% [markdown]
# Иначе и быть не может. Классификатор моделирует $p(y \mid x)$: *если это цифра, то какая?* Сумма десяти вероятностей равна единице при любом $x$, а одиннадцатой, «ни одна из них», нет. Не хватает $p(x)$, второго множителя в $p(x, y) = p(y \mid x)\, p(x)$ (занятие 00). Отсюда самый старый довод в пользу генеративных моделей: сначала вычислить $p_\theta(x)$, и там, где она ниже порога, отказаться отвечать ([Bishop, 1994](https://doi.org/10.1049/ip-vis:19941330)). То же нужно всякому, кто ищет аномалии, следит за исправностью машины или выбирает, какой пример разметить следующим.
#
# В виде формулы надежда такова: $\mathbb E_q \log p_\theta(x) < \mathbb E_p \log p_\theta(x)$. А чтобы измерять картинка за картинкой, возьмём **AUROC**: вероятность того, что у случайной картинки обучающего рода $\log p_\theta$ больше, чем у случайной чужой. У безошибочного детектора это 1, у монетки 0.5. Если меньше 0.5, модель чужие картинки *предпочитает*. Никакую кривую для этого строить не надо: упорядочим все картинки и посмотрим на ранги одного из родов.

# %% tags=["nbval-check-output"]
def auroc(inside, outside):
    """P(inside > outside) + P(equal) / 2, by ranks (Mann and Whitney)."""
    ranks = stats.rankdata(np.concatenate([inside, outside]))[: len(inside)]
    pairs_won = ranks.sum() - len(inside) * (len(inside) + 1) / 2
    return pairs_won / (len(inside) * len(outside))


a, b = np.array([3.0, 1.0, 2.0]), np.array([0.0, 2.0])
print("by counting pairs:", np.mean((a[:, None] > b) + 0.5 * (a[:, None] == b)))
print("by ranks:         ", auroc(a, b))
print("ood.auroc:        ", ood.auroc(a, b, resamples=10).value)


# %% [markdown]
# ## Парадокс в двадцать строк
#
# Чтобы его увидеть, глубокие сети не нужны. Вот самая маленькая модель картинок, заслуживающая этого имени. Это родственница PixelCNN (занятие 06), у которой вместо сети таблица частот: закон пикселя при данных левом и верхнем соседях, огрублённых до 16 уровней.
#
# $$p_\theta(x) = \prod_i p\bigl(x_i \mid \lfloor x_{\text{left}} / 16 \rfloor,\ \lfloor x_{\text{up}} / 16 \rfloor\bigr).$$
#
# Настраивать нечего, и всё вычисляется точно. Обучим её на одежде.
#
# <details>
# <summary><b>Предскажите, прежде чем запускать:</b> на тестовой одежде таблице нужно около 3.5 бит на размерность. А на цифрах, из которых она не видела ни одной: 2, 3.5 или 8 бит?</summary>
#
# Около 1.8. Вдвое меньше, чем на том, чему её учили.
#
# </details>

# %% tags=["nbval-check-output"]
def neighbours(x):
    """Images (n, 28, 28, 1) -> for each pixel which of 16 * 16 contexts it has."""
    padded = np.pad(x[..., 0].astype(int), ((0, 0), (1, 0), (1, 0))) // 16
    return 16 * padded[:, 1:, :-1] + padded[:, :-1, 1:]


class Table:
    """p(pixel | left, up), by counting."""

    def __init__(self, x):
        pairs = 256 * neighbours(x) + x[..., 0]
        counts = np.bincount(pairs.ravel(), minlength=2**16).reshape(256, 256) + 0.1
        self.log_p = np.log(counts / counts.sum(axis=1, keepdims=True))

    def log_prob(self, x):
        return self.log_p[neighbours(x), x[..., 0]].sum(axis=(1, 2))


def bits(log_prob):
    """The mean bits per dimension."""
    return -log_prob.mean() / (784 * np.log(2))


tables = {"clothes": Table(clothes.images), "digits": Table(digits.images)}
tests = {"clothes": clothes_test, "digits": digits_test}
by_table = {
    (trained, shown_to): table.log_prob(tests[shown_to])
    for trained, table in tables.items()
    for shown_to in tests
}
print("trained on   bits/dim on clothes   on digits   AUROC")
for trained, other in (("clothes", "digits"), ("digits", "clothes")):
    row = [bits(by_table[trained, kind]) for kind in ("clothes", "digits")]
    area = auroc(by_table[trained, trained], by_table[trained, other])
    print(f"{trained:10} {row[0]:15.2f} {row[1]:15.2f} {area:12.3f}")


# %%
def histograms(axis, values, title=""):
    """Histograms on common bins; values: {label: (numbers, colour)}."""
    everything = np.concatenate([numbers for numbers, _ in values.values()])
    edges = np.linspace(*np.quantile(everything, [0.002, 0.998]), 50)
    for label, (numbers, color) in values.items():
        axis.hist(numbers, edges, density=True, color=color, alpha=0.6, label=label)
    axis.set(yticks=[])
    axis.set_title(title, fontsize=10)


def kinds(of_clothes, of_digits):
    return {
        "одежда": (of_clothes, BLUE),
        "цифры": (of_digits, RED),
    }


figure, axes = plt.subplots(1, 2, figsize=(10, 2.6))
for axis, (trained, title) in zip(
    axes,
    {
        "clothes": "обучено на одежде",
        "digits": "обучено на цифрах",
    }.items(),
    strict=True,
):
    pair = kinds(by_table[trained, "clothes"], by_table[trained, "digits"])
    histograms(axis, pair, title)
    axis.set(xlabel=r"$\log p_\theta(x)$, натов")
axes[0].legend();


# %% [markdown]
# *Рис. 2. Таблица двух соседей: $\log p_\theta$ тестовых картинок, по 2000 каждого рода. Слева парадокс. Справа, в обратную сторону, его нет.*
#
# AUROC равен 0.04: кто взял бы эту модель детектором, тому лучше верить в обратное тому, что она говорит. Обучим на цифрах — и AUROC 1.00, никакого парадокса. Так что нельзя сказать, будто правдоподобие не работает никогда. Оно **несимметрично**: в одежде есть то, из чего сделаны цифры, — чёрные и белые области с резкими краями, — а в цифрах того, из чего сделана одежда, нет. Эту таблицу стоит помнить: любое объяснение парадокса, которому нужна глубокая сеть, или поток, или якобиан, объясняет слишком мало.

# %% [markdown]
# ## Четыре глубокие модели
#
# Теперь модели из статьи, уменьшенные до ноутбука: Glow (занятие 04), VAE (занятие 05) и PixelCNN (занятие 06), обученные на одежде, и ещё один Glow, обученный на цифрах. Учатся они секунды вместо нескольких суток; смотрите, *что больше чего*, а не на сами числа. Пока Glow учится, будем записывать биты на размерность для трёх наборов картинок.

# %%
def train(model, images, updates, peak=5e-3, batch=32, callbacks=()):
    """Steps of Adam with warm-up (unit 04); flows are adapted first."""
    if isinstance(model, models.Flow):
        model.adapt(images)
    schedule = training.WarmUpCosine(peak)
    model.compile(optimizer=training.adam(schedule))
    budget = training.Budget(updates=updates, schedule=schedule, progress=False)
    callbacks = [budget, *callbacks]
    model.fit(images, epochs=1000, batch_size=batch, verbose=0, callbacks=callbacks)
    return model


class Watch(keras.callbacks.Callback):
    """The median bits per dimension of sets of images at chosen steps."""

    def __init__(self, sets, steps):
        super().__init__()
        self.sets, self.steps, self.seen = sets, steps, 0
        self.rows = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.seen in self.steps:
            now = [np.median(self.model.bits_per_dim(x)) for x in self.sets]
            self.rows.append((self.seen, *now))


tests = {name: images[:shown] for name, images in tests.items()}
clothes_test, digits_test = tests.values()
size = {"smoke": {"levels": 1, "steps": 1, "filters": 8}}.get(
    profile, {"levels": 2, "steps": 3, "filters": 32}
)
updates = {"smoke": 8, "laptop": 600, "gpu": 4000}[profile]
steps = np.unique(np.geomspace(4, updates, 9).astype(int))
watch = Watch((clothes.images[:200], clothes_test[:200], digits_test[:200]), steps)
glow = train(models.Glow(**size), clothes.images, updates, callbacks=[watch])
glow_of_digits = train(models.Glow(**size), digits.images, updates // 3)

# %%
vae_size = {"smoke": {"filters": 4, "latent": 4}}.get(profile, {"filters": 16})
vae = train(models.VAE(**vae_size), clothes.images, updates // 2, peak=2e-3)
pixel_size = {"smoke": {"filters": 4, "blocks": 1, "head": 8}}.get(
    profile, {"filters": 16, "blocks": 3, "head": 32}
)
pixel_cnn = models.PixelCNN(law="mixture", **pixel_size)
pixel_cnn = train(pixel_cnn, clothes.images, updates // 3, peak=4e-3, batch=16)

of_model = {
    "Glow": glow,
    "VAE": vae,
    "PixelCNN": pixel_cnn,
    "Glow of digits": glow_of_digits,
}
log_probs = {
    name: {kind: ood.likelihood(model, x) for kind, x in tests.items()}
    for name, model in of_model.items()
}
print("                 bits/dim on clothes   on digits   AUROC, 95 % interval")
for name, values in log_probs.items():
    trained, other = values["clothes"], values["digits"]
    if name == "Glow of digits":
        trained, other = other, trained
    area = ood.auroc(trained, other)
    row = f"{bits(values['clothes']):14.2f} {bits(values['digits']):15.2f}"
    print(f"{name:15} {row} {area.value:11.3f}  [{area.low:.3f}, {area.high:.3f}]")

# %%
figure, axes = plt.subplots(2, 2, figsize=(10, 4.6))
titles = {
    "Glow": "Glow, обучен на одежде",
    "VAE": "VAE, обучен на одежде",
    "PixelCNN": "PixelCNN, обучен на одежде",
    "Glow of digits": "Glow, обучен на цифрах",
}
for axis, (name, title) in zip(axes.ravel(), titles.items(), strict=True):
    values = log_probs[name]
    histograms(axis, kinds(values["clothes"], values["digits"]), title)
for axis in axes[1]:
    axis.set(xlabel=r"$\log p_\theta(x)$, натов")
axes[0, 0].legend();

# %% [markdown]
# *Рис. 3. Тестовые картинки с точки зрения четырёх моделей. У VAE это нижняя оценка $\log p_\theta$.*
#
# Три модели, у которых общего только максимум правдоподобия, предпочитают цифры; четвёртая, обученная наоборот, — нет. В статье для той же пары было то же самое. И не только в ней: Glow с 69 миллионами весов, обученный на FashionMNIST, тратит на его тестовую выборку 3.14 бит на размерность, а на MNIST — 2.08 (Kirichenko et al., 2020, блокнот к статье).
#
# Может быть, модели просто недоучены? Или выучили обучающую выборку наизусть? Тогда кривые обучающей и тестовой выборок разошлись бы или парадокс по ходу обучения ослабевал бы.

# %%
steps_seen, *curves = np.array(watch.rows).T
figure, axis = plt.subplots(figsize=(7, 2.8))
labels = ("одежда, обучающая", "одежда, тестовая", "цифры")
for curve, label, style in zip(
    curves, labels, ((LIGHT, "-"), (BLUE, "--"), (RED, "-")), strict=True
):
    axis.plot(steps_seen, curve, color=style[0], ls=style[1], label=label, marker=".")
axis.set(xscale="log", xlabel="шаг", ylabel="бит на размерность")
axis.legend();

# %% [markdown]
# *Рис. 4. Правдоподобие по итерациям: Glow учится на одной одежде, а наблюдаем мы медиану по 200 картинкам каждого набора.*
#
# Цифры становятся вероятными *быстрее*, чем одежда, на которой модель учится. Ни переобучение, ни слишком ранняя остановка ни при чём: рисунок в статье, где итераций намного больше, выглядит так же.
#
# ### Цвет: CIFAR-10 и SVHN
#
# Прославила статью другая пара: фотографии (CIFAR-10: лягушки, грузовики, самолёты) против номеров домов (SVHN).
#
# | Glow, бит на размерность (Nalisnick et al., 2019) | |
# |---|---|
# | обучен на CIFAR-10: CIFAR-10, обучающая выборка | 3.386 |
# | обучен на CIFAR-10: CIFAR-10, тестовая выборка | 3.464 |
# | обучен на CIFAR-10: **SVHN, тестовая выборка** | **2.389** |
# | обучен на SVHN: SVHN, тестовая выборка | 2.057 |
#
# Сравните и две последние строки: модель, ни разу не видевшая номера дома, описывает номера почти так же хорошо, как та, что ничего другого не видела. В состав курса эти картинки не входят (SVHN можно использовать не для всяких целей). Если вы подготовили их с помощью TensorFlow Datasets, следующая ячейка повторит опыт в малом; если нет, она подскажет, как это сделать, и пойдёт дальше. На двух ядрах она обучает поток 150 шагов, четверть минуты, и печатает 5.23 бит на размерность для CIFAR-10 и 4.56 для SVHN, AUROC 0.034. В третьей строке у фотографий отнят цвет: 4.82, AUROC 0.169; она пригодится у рисунка 10.

# %%
found = {name: data.resolve(name).path for name in ("cifar10", "svhn_cropped")}
if all(found.values()) and profile != "smoke":
    photographs, house_numbers = (
        data.load(name, split).images
        for name, split in (("cifar10", "train"), ("svhn_cropped", "test"))
    )
    photographs_test = data.load("cifar10", "test").images[:500]
    colour = models.Glow((32, 32, 3), levels=3, steps=2, filters=32)
    train(colour, photographs, updates // 4)
    sets = {
        "CIFAR-10": photographs_test,
        "SVHN": house_numbers[:500],
        "CIFAR-10, grey": ood.grey(photographs_test),
    }
    scores = {name: ood.likelihood(colour, x) for name, x in sets.items()}
    for name, values in scores.items():
        area = auroc(scores["CIFAR-10"], values)
        print(f"{name:15} {-values.mean() / (3072 * np.log(2)):.2f} bits/dim", end="  ")
        print(f"AUROC {area:.3f}")
else:
    print("No prepared CIFAR-10 and SVHN here. With a network, once:")
    print("  dgm-tfp ood --train cifar10 --test svhn_cropped")
    print("downloads both and writes a report of the same experiment.")

# %% [markdown]
# ## Плотность — не вероятность
#
# Почему всё это зовётся парадоксом? Из-за картинки у нас в голове: плотность — это холм, данные сидят на холме, а всё постороннее — у подножия. В одном измерении картинка верна, и в двух тоже. В 784 она неверна.
#
# > **Теорема 1 (о гауссовском кольце).** Пусть $z \sim \mathcal N(0, I)$ в пространстве размерности $D$. Тогда $\mathbb E \|z\|^2 = D$ и $\operatorname{Var} \|z\|^2 = 2D$. Отсюда $\|z\| = \sqrt D \pm 1/\sqrt2$, приблизительно: почти все сэмплы лежат в тонком слое. Максимум плотности — в точке $0$, где сэмплов нет вовсе, и там она примерно в $e^{D/2}$ раз выше, чем там, где сэмплы есть.
#
# **Вывод.** $\|z\|^2 = \sum_i z_i^2$, слагаемые независимы, $\mathbb E z_i^2 = 1$, $\operatorname{Var} z_i^2 = \mathbb E z_i^4 - 1 = 2$; сумма $D$ слагаемых даёт $D$ и $2D$. Корень превращает отклонение $\sqrt{2D}$ величины $\|z\|^2$ в отклонение $\sqrt{2D} / (2 \sqrt D) = 1/\sqrt 2$. И $\log p(0) - \log p(z) = \|z\|^2 / 2 \approx D/2$.
#
# Как же так: плотность наибольшая, и никого? Плотность — это вероятность *на единицу объёма*, а объёма около центра нет: у слоя радиуса $r$ он пропорционален $r^{D-1}$. Мы наблюдаем произведение, $r^{D-1} e^{-r^2/2}$. Область, в которой лежат сэмплы, называется **типичным множеством**: там $-\log p(z)$ близок к своему среднему, энтропии. Точки наибольшей плотности в него входить не обязаны, и здесь не входят.

# %% tags=["nbval-check-output"]
source = np.random.default_rng(0)
print("  D    mean norm   its std   sqrt(D)   log p(0) - mean log p(z)")
for dimension in (1, 2, 10, 784):
    norms = np.linalg.norm(source.standard_normal((4000, dimension)), axis=1)
    gap = np.mean(norms**2) / 2
    row = f"{norms.mean():10.2f} {norms.std():10.2f} {dimension**0.5:9.2f}"
    print(f"{dimension:4} {row} {gap:14.1f}")

# %%
source = np.random.default_rng(0)
figure, axes = plt.subplots(1, 4, figsize=(11, 2.3))
for axis, dimension in zip(axes, (1, 2, 10, 784), strict=True):
    norms = np.linalg.norm(source.standard_normal((4000, dimension)), axis=1)
    r = np.linspace(0, max(4, 1.15 * norms.max()), 400)
    counts, edges = np.histogram(norms, 40)
    axis.stairs(counts / counts.max(), edges, fill=True, color=LIGHT, label="сэмплы")
    axis.plot(r, np.exp(-(r**2) / 2), color=RED, label="$p(z) / p(0)$")
    axis.set(xlabel=r"$\|z\|$", yticks=[])
    axis.set_title(f"$D = {dimension}$", fontsize=10)
axes[0].legend(fontsize=8);

# %% [markdown]
# *Рис. 5. Нормы 4000 сэмплов из $\mathcal N(0, I)$ (гистограмма, высший столбик принят за 1) и плотность вдоль луча из центра. При 784 измерениях холм плотности в одном месте, а сэмплы в другом.*
#
# Так что высокая плотность там, где нет сэмплов, — дело обычное. Не спасла бы даже *истинная* плотность:
#
# > **Теорема 2.** Если модель идеальна, $p_\theta = p$, то
# >
# > $$\mathbb E_q \log p(x) - \mathbb E_p \log p(x) = H(p) - H(q) - D_{KL}(q \,\|\, p).$$
# >
# > Идеальная модель предпочитает чужие картинки всякий раз, когда их энтропия меньше энтропии обучающих данных больше чем на $D_{KL}(q \,\|\, p)$.
#
# **Вывод.** $D_{KL}(q \,\|\, p) = \mathbb E_q \log q - \mathbb E_q \log p = -H(q) - \mathbb E_q \log p$, а $\mathbb E_p \log p = -H(p)$.
#
# Возьмём два шара, один внутри другого: $p = \mathcal N(0, I)$ и $q = \mathcal N(0, s^2 I)$, $s < 1$. Тогда $\mathbb E_q \log p - \mathbb E_p \log p = \frac D2 (1 - s^2) > 0$: предпочитается тот, что у́же. У AUROC тоже есть явный вид. Это вероятность того, что $\|x_p\|^2 < \|x_q\|^2$; оба квадрата распределены как $\chi^2_D$, второй с множителем $s^2$; отношение двух $\chi^2$ имеет F-распределение:
#
# $$\mathrm{AUROC}(s) = P\Bigl(\frac{\chi^2_D}{\chi'^2_D} < s^2\Bigr) = F_{D,D}(s^2).$$

# %% tags=["nbval-check-output"]
source = np.random.default_rng(0)
s = 0.9
print("  D   AUROC: samples   theory    E_q - E_p: samples   theory, nats")
for dimension in (1, 10, 100, 784):
    inside = source.standard_normal((4000, dimension))
    outside = s * source.standard_normal((4000, dimension))
    log_p = [-0.5 * np.sum(x**2, axis=1) for x in (inside, outside)]
    found, theory = auroc(*log_p), stats.f.cdf(s**2, dimension, dimension)
    gap, expected = log_p[1].mean() - log_p[0].mean(), dimension * (1 - s**2) / 2
    print(f"{dimension:4} {found:14.3f} {theory:9.3f} {gap:15.1f} {expected:15.1f}")

# %%
source = np.random.default_rng(0)
figure, axes = plt.subplots(1, 3, figsize=(11, 2.7))
for scale, color in ((1, BLUE), (0.9, RED)):
    axes[0].scatter(*(scale * source.standard_normal((2, 500))), s=4, color=color)
    norms = scale * np.linalg.norm(source.standard_normal((3000, 784)), axis=1)
    axes[1].hist(norms, 40, color=color, alpha=0.7, label=f"$s = {scale}$")
axes[0].set(aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
axes[0].set_title("$D = 2$", fontsize=10)
axes[1].set(xlabel=r"$\|x\|$", yticks=[])
axes[1].set_title("$D = 784$", fontsize=10)
axes[1].legend()
scales = np.linspace(0.7, 1.3, 200)
for dimension, color in zip(
    (1, 10, 100, 784), ("0.75", LIGHT, BLUE, "black"), strict=True
):
    area = stats.f.cdf(scales**2, dimension, dimension)
    axes[2].plot(scales, area, color=color, label=f"$D = {dimension}$")
axes[2].axhline(0.5, color="0.8", lw=0.7, zorder=0)
axes[2].set(xlabel="$s$", ylabel="AUROC")
axes[2].legend(fontsize=8);


# %% [markdown]
# *Рис. 6. $\mathcal N(0, s^2 I)$ внутри $\mathcal N(0, I)$. Слева и в середине: при $s = 0.9$ облака на плоскости неразличимы, а при 784 измерениях их слои уже разошлись. Справа: что получается у детектора по правдоподобию.*
#
# Весь парадокс на одной картинке. При 784 измерениях контраста, меньшего на одну десятую, хватает, чтобы различать два набора почти без ошибок, $\mathrm{AUROC} = 0.002$, только знак наоборот. Авторы говорят об этом так: *SVHN «сидит внутри» CIFAR-10* — среднее примерно то же, а дисперсия меньше. Так ли это в обученных моделях, мы дальше и выясним.

# %% [markdown]
# ## $\log p(z)$ и объём по отдельности
#
# У потока правдоподобие состоит из двух частей (занятие 01), и на те же части разбивается поиск оптимальных параметров:
#
# $$\theta^* = \arg\max_{\phi, \psi} \sum_n \Bigl[\; \underbrace{\log p_z\bigl(f_\phi(x_n); \psi\bigr)}_{(1)} \;+\; \underbrace{\log \Bigl|\det \frac{\partial f_\phi}{\partial x_n}\Bigr|}_{(2)} \;\Bigr].$$
#
# Первое говорит, куда попал $z$, второе — это объём. Второе слагаемое подозрительно. Оно поощряет поток *растягивать* пространство вокруг данных, то есть быть чувствительным к малым изменениям $x$, а целый ряд приёмов регуляризации в машинном обучении добивается обратного. Не объём ли поднимает чужие картинки? Вычислим оба слагаемых вручную.

# %%
@tf.function(autograph=False)
def two_terms(y):
    """log p(z) and log |det dz/dx| of a batch y = x + u, in nats."""
    z, log_volume = glow.bijector.inverse_and_log_det(y)
    return glow.base.log_prob(z), log_volume


def dequantized(x, seed=0):
    """x + u, as float32."""
    noise = np.random.default_rng(seed).random(x.shape)
    return tf.constant(x + noise, tf.float32)


terms = {
    kind: [part.numpy() for part in two_terms(dequantized(x[:200]))]
    for kind, x in tests.items()
}
for i, name in enumerate(("log p(z)", "log volume")):
    means = [terms[kind][i].mean() for kind in ("clothes", "digits")]
    print(f"{name:10}  clothes {means[0]:9.1f}   digits {means[1]:9.1f}", end="")
    print(f"   difference {means[1] - means[0]:+8.1f} nats")

library = ood.log_p_z(glow, clothes_test[:200]) + ood.log_volume(glow, clothes_test[:200])
by_hand = sum(terms["clothes"])
print("the library, with other noise:", f"{library.mean():.1f}, by hand {by_hand.mean():.1f}")

# %% [markdown]
# В нашем Glow это действительно объём: цифры выигрывают на нём куда больше, чем на $\log p(z)$. Авторы увидели то же на CIFAR-10 и SVHN: по одному $\log p(z)$ SVHN лежит чуть *ниже* CIFAR-10 или поверх него, а вперёд его выводит объём.
#
# Напрашивается опыт: запретить его. Если каждый связывающий слой только сдвигает, $y_b = x_b + t(x_a)$ (NICE, занятие 02), то объём у всех картинок одинаков: ActNorm и свёртки 1×1 его меняют, но для всех одинаково. В статье такой поток назван **CV-Glow**, с постоянным объёмом (constant volume), в отличие от NVP (non-volume-preserving).

# %%
cv_glow = models.Glow(coupling="additive", **size)
train(cv_glow, clothes.images, updates)

cv_log_probs = {kind: ood.likelihood(cv_glow, x) for kind, x in tests.items()}
area = ood.auroc(cv_log_probs["clothes"], cv_log_probs["digits"])
print("CV-Glow:", *(f"{kind} {bits(x):.2f}" for kind, x in cv_log_probs.items()))
print(f"AUROC {area.value:.3f}, 95 % interval [{area.low:.3f}, {area.high:.3f}]")
volumes = [ood.log_volume(cv_glow, x[:100]) for x in tests.values()]
print(f"log volume: clothes {volumes[0].mean():.1f}, digits {volumes[1].mean():.1f}", end="")
print(f", from image to image it varies by {np.ptp(np.concatenate(volumes)):.3f}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 2.6))
histograms(
    axes[0], kinds(terms["clothes"][0], terms["digits"][0]), r"Glow: $\log p(z)$"
)
histograms(
    axes[1], kinds(terms["clothes"][1], terms["digits"][1]), r"Glow: $\log |\det \partial f / \partial x|$"
)
histograms(
    axes[2], kinds(cv_log_probs["clothes"], cv_log_probs["digits"]), r"CV-Glow: $\log p_\theta(x)$"
)
for axis in axes:
    axis.set(xlabel="наты")
    axis.locator_params(axis="x", nbins=5)
axes[0].legend();

# %% [markdown]
# *Рис. 7. Два слагаемых у Glow по отдельности и правдоподобие потока Glow с постоянным объёмом.*
#
# **Прочтём честно.** На CIFAR-10 и SVHN парадокс у CV-Glow сохранился, и авторы объём оправдали. На нашей паре, при наших нескольких секундах обучения, он *исчез*: AUROC больше 0.5. Это ещё не противоречие; это факт, который хорошее объяснение должно уметь предсказывать. А у постоянного объёма есть огромное достоинство: для него разность правдоподобий можно сосчитать на бумаге.

# %% [markdown]
# ## Анализ второго порядка
#
# Нас интересует знак разности $\mathbb E_q \log p_\theta(x) - \mathbb E_p \log p_\theta(x)$. Разложим $\log p_\theta$ в точке $x_0$; градиент $g$ и гессиан $H$ берутся там же:
#
# $$\log p_\theta(x) \approx \log p_\theta(x_0) + g^{\mathsf T} (x - x_0) + \tfrac12 \operatorname{Tr}\bigl\{H\,(x - x_0)(x - x_0)^{\mathsf T}\bigr\}.$$
#
# > **Теорема 3.** С точностью до второго порядка, при $x_0 = \mathbb E_p x$ и $\delta = \mathbb E_q x - \mathbb E_p x$,
# >
# > $$\mathbb E_q \log p_\theta - \mathbb E_p \log p_\theta \;\approx\; \underbrace{g^{\mathsf T} \delta + \tfrac12\, \delta^{\mathsf T} H \delta}_{(1)} \;+\; \underbrace{\tfrac12 \operatorname{Tr}\bigl\{H\,(\Sigma_q - \Sigma_p)\bigr\}}_{(2)}.$$
#
# Часть (1) — о средних, часть (2) — о дисперсиях.
#
# **Вывод.** Возьмём математическое ожидание разложения по $q$ и по $p$ и вычтем. Константа сократится. $\mathbb E_p (x - x_0) = 0$ и $\mathbb E_q (x - x_0) = \delta$ дают линейное слагаемое. $\mathbb E_p (x - x_0)(x - x_0)^{\mathsf T} = \Sigma_p$, а по $q$ то же равно $\Sigma_q + \delta \delta^{\mathsf T}$.
#
# **Сомнительный шаг статьи.** Авторы замечают, что формула Тейлора годится только около $x_0$, и полагают $\mathbb E_q x = \mathbb E_p x = x_0$. Тогда $\delta = 0$, и средние исчезают. Мы оба слагаемых оставим и спросим у чисел.
#
# **Поток с постоянным объёмом.** У гессиана функции $\log p_z(f(x)) + \log |\det \partial f / \partial x|$ пропадает вторая часть. При $p_z = \mathcal N(\mu, \sigma_\psi^2 I)$ и матрице Якоби $J = \partial f / \partial x$ в точке $x_0$
#
# $$H = -\frac1{\sigma_\psi^2} \Bigl[\, J^{\mathsf T} J + \sum_i (f_i - \mu_i)\, \nabla^2 f_i \,\Bigr].$$
#
# Сети связывающих слоёв кусочно-линейны (ReLU): между изломами $\nabla^2 f_i = 0$. Остаётся $-J^{\mathsf T} J / \sigma_\psi^2$: *каковы бы ни были веса, положительных направлений у этой матрицы нет.* Значит, если чужие картинки меняются меньше по всем направлениям, $\Sigma_q \preceq \Sigma_p$, то слагаемое дисперсий $\ge 0$, у любого такого потока, как бы хорошо он ни был обучен. От $p_z$ потребовалось лишь то, что её логарифм вогнут; плотность Лапласа или логистическая тоже подойдут.
#
# **К формуле статьи.** Ещё два упрощения превращают это в формулу с числами. Ковариационные матрицы заменяют их диагоналями, дисперсиями; матрицу Якоби — тоже диагональю: сдвиги $t$ связывающих слоёв отбрасывают, а то, через что проходит канал $c$, есть произведение по $K$ слоям сумм строк ядер $U_k$ свёрток 1×1:
#
# $$\frac{\partial f_{h,w,c}}{\partial x_{h,w,c}} = \alpha_c = \prod_{k=1}^K \sum_{j=1}^C u_{k,c,j}, \qquad \boxed{\;\mathbb E_q - \mathbb E_p \approx -\frac{1}{2 \sigma_\psi^2} \sum_{c=1}^C \alpha_c^2 \sum_{h,w} \bigl(\sigma^2_{q,h,w,c} - \sigma^2_{p,h,w,c}\bigr)\;}$$
#
# Какими бы ни были $\alpha_c$, они входят в квадрате. Для SVHN и CIFAR-10 в статье приведены дисперсии трёх цветов:
#
# $$\mathbb E_{\text{SVHN}} - \mathbb E_{\text{CIFAR-10}} \approx -\frac1{2 \sigma_\psi^2} \bigl[\alpha_1^2 (49.6 - 61.9) + \alpha_2^2 (52.7 - 59.2) + \alpha_3^2 (53.6 - 68.1)\bigr] = \frac1{2 \sigma_\psi^2} \bigl[12.3\, \alpha_1^2 + 6.5\, \alpha_2^2 + 14.5\, \alpha_3^2\bigr] \ge 0.$$
#
# В каких это единицах? Пиксели в $[0, 1]$, а числа — тысячные. Теперь сомнительный шаг для этой пары. Средние цвета (от 0 до 255) у CIFAR-10 равны 125.3, 123.0, 113.9, у тестовой выборки SVHN — 115.7, 115.7, 119.9. Приведём всё к одному масштабу; если гессиан кратен единичной матрице, средние входят через $\delta^2$:

# %% tags=["nbval-check-output"]
variance_cifar, variance_svhn = np.array([[61.9, 59.2, 68.1], [49.6, 52.7, 53.6]])
mean_cifar, mean_svhn = np.array([[125.3, 123.0, 113.9], [115.7, 115.7, 119.9]])
print("std of CIFAR-10, 0..255:", np.round(255 * np.sqrt(variance_cifar / 1000), 1))
print("less variance, 1e-3:    ", np.round(variance_cifar - variance_svhn, 1))
shift = 1000 * ((mean_svhn - mean_cifar) / 255) ** 2
print("squared shift, 1e-3:    ", np.round(shift, 1))


# %% [markdown]
# Первая строка подтверждает единицы: стандартные отклонения цветов CIFAR-10 известны, 63.0, 62.1, 66.7. И сомнение здесь напрасно: сдвиг средних цветов обходится примерно вдесятеро дешевле выигрыша на дисперсии. **А для одежды и цифр?** Вычислим среднее и дисперсию по каждой размерности.

# %% tags=["nbval-check-output"]
def scaled(x):
    """(n, 28, 28, 1), levels -> (n, 784), pixels in [0, 1]."""
    return x.reshape(-1, 784) / 255


of_clothes, of_digits = scaled(clothes.images), scaled(digits.images)
delta = of_digits.mean(axis=0) - of_clothes.mean(axis=0)
less_variance = of_clothes.var(axis=0).sum() - of_digits.var(axis=0).sum()
print(f"sum of variances: clothes {of_clothes.var(axis=0).sum():.1f}", end=", ")
print(f"digits {of_digits.var(axis=0).sum():.1f}: less by {less_variance:.1f}")
print(f"squared shift of the means {delta @ delta:.1f}")
library = ood.moments(clothes.images, unit=255)
print("the same by ood.moments:", np.allclose(library.variance.ravel(), of_clothes.var(axis=0)))

# %%
figure = plt.figure(figsize=(11, 2.8))
left, right = figure.subfigures(1, 2, width_ratios=(2, 1))
axes = left.subplots(1, 2)
moments_of = {
    "среднее пикселя": (of_clothes.mean(axis=0), of_digits.mean(axis=0)),
    "дисперсия пикселя": (of_clothes.var(axis=0), of_digits.var(axis=0)),
}
for axis, (label, pair) in zip(axes, moments_of.items(), strict=True):
    edges = np.linspace(0, max(map(np.max, pair)), 30)
    for values, (kind, (_, color)) in zip(pair, kinds(0, 0).items(), strict=True):
        axis.hist(values, edges, color=color, alpha=0.6, label=kind)
    axis.set(xlabel=label, yticks=[])
axes[0].legend()
maps = right.subplots(2, 2)
for column, pair in enumerate(moments_of.values()):
    for axis, values in zip(maps[:, column], pair, strict=True):
        axis.imshow(values.reshape(28, 28), cmap="gray", vmin=0, vmax=np.max(pair))
        axis.set(xticks=[], yticks=[])
maps[0, 0].set_title("среднее", fontsize=10)
maps[0, 1].set_title("дисперсия", fontsize=10)
maps[0, 0].set_ylabel("одежда")
maps[1, 0].set_ylabel("цифры");

# %% [markdown]
# *Рис. 8. Средние и дисперсии 784 размерностей по 10 000 картинок каждого рода; справа то же в виде карт (верхний ряд — одежда, нижний — цифры).*
#
# Для этой пары сомнительный шаг неверен. Дисперсия у цифр меньше, на 15.7, и это *за* парадокс; но средняя картинка у них другая, и это стоит 28.3. Возьмём простейший поток с постоянным объёмом, $z = (x - \mu) / s$ с одним $s$ на все пиксели, то есть шаровую нормальную плотность. Для него теорема 3 выполняется не приближённо, а точно: $g = 0$, $H = -I / s^2$, — и предсказание можно сравнить с правдоподобием настоящих картинок:

# %% tags=["nbval-check-output"]
mean, s_2 = of_clothes.mean(axis=0), of_clothes.var(axis=0).mean()


def sphere_log_prob(x):
    """log N(x; mean, s^2 I), (n, 784) -> (n,)."""
    return stats.norm.logpdf(x, mean, s_2**0.5).sum(axis=1)


def sphere_prediction(x):
    """The terms of theorem 3: of the means, of the variances."""
    shift = x.mean(axis=0) - mean
    gained = of_clothes.var(axis=0).sum() - x.var(axis=0).sum()
    return -shift @ shift / (2 * s_2), gained / (2 * s_2)


sphere_clothes = sphere_log_prob(of_clothes)
print("digits             means   variances   sum     measured   AUROC")
for name, x in (
    ("as they are", of_digits),
    ("moved to equal means", of_digits - delta),
):
    terms_of = np.round(sphere_prediction(x), 6) + 0.0  # no minus before a zero
    measured = sphere_log_prob(x)
    row = f"{terms_of[0]:8.1f} {terms_of[1]:9.1f} {sum(terms_of):9.1f}"
    gap = measured.mean() - sphere_clothes.mean()
    print(f"{name:20}{row} {gap:9.1f} {auroc(sphere_clothes, measured):9.2f}")

# %% [markdown]
# Предсказанное и измеренное совпадают до последней цифры, как и должно быть. Одни дисперсии, то есть формула статьи, предсказывают парадокс; вместе со средними его нет. Сдвинем цифры так, чтобы их средняя картинка совпала со средней одеждой, — и он появится, ровно такой, как велят дисперсии.
#
# **А ковариации?** Для шара все направления одинаковы. Следующий поток линеен, $z = W (x - \mu)$, где $W^{\mathsf T} W = (\Sigma_p + \varepsilon I)^{-1}$: это нормальная плотность, которая знает, как пиксели одежды меняются вместе. Объём у неё тоже постоянный, и теорема 3 для неё тоже точна, с $H = -(\Sigma_p + \varepsilon I)^{-1}$.

# %% tags=["nbval-check-output"]
covariances = [np.cov(x.T, bias=True) for x in (of_clothes, of_digits)]
known = covariances[0] + 1e-3 * np.eye(784)
H = -np.linalg.inv(known)
white = np.linalg.cholesky(-H)  # W transposed: W^T W = -H


def ellipsoid_log_prob(x):
    """log N(x; mean, known) up to its constant, (n, 784) -> (n,)."""
    return -0.5 * np.sum(((x - mean) @ white) ** 2, axis=1)


inside = ellipsoid_log_prob(of_clothes)
print("digits               means   (co)variances   sum   measured   AUROC")
for name, x, shift in (
    ("as they are", of_digits, delta),
    ("moved to equal means", of_digits - delta, 0 * delta),
):
    means_term = 0.5 * shift @ H @ shift + 0.0
    variances_term = 0.5 * np.trace(H @ (covariances[1] - covariances[0]))
    measured = ellipsoid_log_prob(x)
    row = f"{means_term:6.0f} {variances_term:11.0f} {means_term + variances_term:11.0f}"
    gap = measured.mean() - inside.mean()
    print(f"{name:20}{row} {gap:8.0f} {auroc(inside, measured):9.2f}")
print(f"the diagonal of H alone {0.5 * np.diag(H) @ (of_digits.var(0) - of_clothes.var(0)):+.0f}")


# %% [markdown]
# Теперь у слагаемого дисперсий *другой* знак. Разгадка в последней строке: с одной лишь диагональю $H$ оно велико и положительно, ведь большинство пикселей у цифр меняется меньше. Но пиксели одежды меняются вместе, разности соседей почти не меняются вовсе, и именно им этот поток придаёт наибольший вес. А у цифр как раз там края: по таким направлениям они меняются *сильнее* одежды. Значит, для этой пары неверно, что $\Sigma_q \preceq \Sigma_p$, хотя сумма дисперсий и меньше; и второе упрощение статьи, диагональная матрица Якоби, тоже достойно сомнения.
#
# ### Обученный CV-Glow
#
# Обученная сеть где-то между этими двумя. Гессиан $784 \times 784$ целиком не нужен, достаточно умножать его на вектор. Вдоль прямой $x_0 + t v$ вторая производная по $t$ равна $v^{\mathsf T} H v$, это две вложенные ленты; а $\operatorname{Tr}(H \Sigma) = \mathbb E\, v^{\mathsf T} H v$ по $v = x - \mathbb E x$: направлениями служат сами картинки.

# %%
@tf.function(autograph=False)
def cv_log_prob(y):
    """log p of images y, any real numbers: a density does not mind."""
    return cv_glow.distribution.log_prob(y)


@tf.function(autograph=False)
def along(point, v):
    """g^T v and v^T H v for directions v (n, 28, 28, 1) at one point."""
    t = tf.zeros((tf.shape(v)[0], 1, 1, 1))
    with tf.GradientTape() as outer:
        outer.watch(t)
        with tf.GradientTape() as inner:
            inner.watch(t)
            log_p = cv_log_prob(point + t * v)
        slope = inner.gradient(log_p, t)
    curvature = outer.gradient(slope, t)
    return tf.reshape(slope, [-1]), tf.reshape(curvature, [-1])


few = {"smoke": 40, "laptop": 400, "gpu": 1000}[profile]
p_images, q_images = (x[:few].astype(np.float32) for x in tests.values())
x_0, shift = p_images.mean(axis=0), q_images.mean(axis=0) - p_images.mean(axis=0)
point = tf.constant(x_0 + 0.5)  # the mean of x + u
curvature_p = along(point, tf.constant(p_images - x_0))[1].numpy().mean()
centred = tf.constant(q_images - q_images.mean(axis=0))
curvature_q = along(point, centred)[1].numpy().mean()
slope, bend = (part.numpy()[0] for part in along(point, tf.constant(shift[None])))

means_term, variances_term = slope + bend / 2, (curvature_q - curvature_p) / 2
gap = cv_log_probs["digits"].mean() - cv_log_probs["clothes"].mean()
paper = ood.second_order(cv_glow, clothes_test, digits_test)
print(f"the paper's formula, alpha_c from the 1x1 kernels {paper.predicted:+9.0f} nats")
print(f"variances and covariances, by the Hessian         {variances_term:+9.0f}")
print(f"means, by gradient and Hessian                    {means_term:+9.0f}")
print(f"their sum                                         {means_term + variances_term:+9.0f}")
print(f"measured                                          {gap:+9.0f}")

# %%
library = ood.hessian_second_order(
    cv_glow, clothes_test[:few], digits_test[:few], examples=few, probes=5
)
print(f"covariance {library.covariance.mean:.0f} ± {library.covariance.se:.0f}", end=", ")
print(f"first_order {library.first_order:.0f}, mean_shift {library.mean_shift:.0f}")
print(f"the diagonal of H alone: {library.diagonal.mean:.0f} ± {library.diagonal.se:.0f}")
print(f"with steps in place of derivatives: {library.secant.mean:.0f} ± {library.secant.se:.0f}")


# %% [markdown]
# Прочтём строки сверху вниз.
#
# * Формула статьи предсказывает парадокс: она обязана, для любого набора с меньшей дисперсией.
# * Собственный гессиан модели этого не подтверждает. С учётом ковариаций слагаемое дисперсий в масштабе своей стандартной ошибки (вторая ячейка) близко к нулю, и от обучения к обучению знак его меняется: что цифры теряют в большинстве пикселей, то наверстывают на краях.
# * Средние работают против парадокса. Для этой пары сомнительный шаг прячет немалую часть дела, а для CIFAR-10 и SVHN — десятую.
# * Сумма верна по порядку величины, и большего ждать не стоит. Разложение сделано около одной точки, средней картинки, а данные от неё далеко (рис. 5!); по дороге к ним $f$ проходит множество изломов своих ReLU, которых производные не видят. В последней строке второй ячейки вместо производных взяты шаги в десятую часть пути.
# * Одна диагональ $H$ ошибается в десять раз и больше, как и у линейного потока.
#
# Итак, анализ называет нужные величины, а знак, который он даёт, хорош настолько, насколько верны его предположения. Честная проверка объяснения — *предсказание* на данных, которых оно не видело, при выполненных предположениях.

# %% [markdown]
# ## Одна ручка: контраст
#
# Умножим контраст набора картинок относительно его собственной средней картинки:
#
# $$x' = \bar x + k\,(x - \bar x) \qquad\Longrightarrow\qquad \mathbb E x' = \mathbb E x, \quad \Sigma' = k^2\, \Sigma.$$
#
# Средние остались в точности на месте. Если $q$ — это $p$ с изменённым контрастом, то сомнительный шаг выполнен по построению, и в теореме 3 остаётся одно число, $\operatorname{Tr}(H \Sigma_p) < 0$:
#
# $$\mathbb E_q \log p_\theta - \mathbb E_p \log p_\theta \approx \tfrac12 (k^2 - 1) \operatorname{Tr}(H \Sigma_p).$$
#
# <details>
# <summary><b>Предскажите знак, прежде чем читать дальше:</b> потоку CV-Glow показывают тестовую одежду с $k = 0.5$, потом с $k = 1.35$. В каком случае изменённая одежда правдоподобнее исходной? Когда AUROC меньше 0.5? А цифры, на которых парадокса не было: можно ли, меняя $k$, его получить?</summary>
#
# $k = 0.5$: $k^2 - 1 < 0$, умножаем на отрицательный след — бледная одежда *правдоподобнее*, AUROC < 0.5. $k = 1.35$: наоборот, AUROC > 0.5. А цифры: слагаемое дисперсий с уменьшением $k$ растёт, слагаемое средних не меняется; при достаточно малом $k$ парадокс появится.
#
# </details>

# %%
def with_contrast(x, k):
    """About the set's own mean image; real numbers, not rounded and not clipped."""
    x = x.astype(np.float32)
    return x.mean(axis=0) + k * (x - x.mean(axis=0))


factors = np.array([0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.2, 1.35, 1.5])
base = cv_log_prob(dequantized(p_images)).numpy()
swept = {
    kind: [cv_log_prob(dequantized(with_contrast(x, k))).numpy() for k in factors]
    for kind, x in (("clothes", p_images), ("digits", q_images))
}
gaps = {kind: [x.mean() - base.mean() for x in rows] for kind, rows in swept.items()}
areas = {kind: [auroc(base, x) for x in rows] for kind, rows in swept.items()}
print("k       ", *(f"{k:7.2f}" for k in factors))
print("clothes ", *(f"{area:7.3f}" for area in areas["clothes"]))
print("digits  ", *(f"{area:7.3f}" for area in areas["digits"]))

# %%
figure = plt.figure(figsize=(11, 2.9))
left, right = figure.subfigures(1, 2, width_ratios=(1, 2))
cells = left.subplots(2, 4)
for row, images in zip(cells, (p_images, q_images), strict=True):
    for axis, k in zip(row, (0.25, 0.5, 1, 1.35), strict=True):
        axis.imshow(with_contrast(images, k)[1, ..., 0], cmap="gray", vmin=0, vmax=255)
        axis.set(xticks=[], yticks=[])
        axis.set_title(f"$k = {k}$", fontsize=9)
axes = right.subplots(1, 2)
dense = np.linspace(0.25, 1.5, 100)
axes[0].plot(dense, 0.5 * (dense**2 - 1) * curvature_p, color="0.6", label="формула")
axes[0].plot(factors, gaps["clothes"], "o", color=BLUE, label="измерено")
axes[0].axhline(0, color="0.8", lw=0.7, zorder=0)
axes[0].set(xlabel="$k$", ylabel=r"$\mathbb{E}_q - \mathbb{E}_p$, наты")
axes[0].legend()
for kind, (label, (_, color)) in zip(areas, kinds(0, 0).items(), strict=True):
    axes[1].plot(factors, areas[kind], "o-", ms=4, color=color, label=label)
axes[1].axhline(0.5, color="0.8", lw=0.7, zorder=0)
axes[1].set(xlabel="$k$", ylabel="AUROC")
axes[1].legend();

# %% [markdown]
# *Рис. 9. CV-Glow, обученный на одежде. Слева: картинки, контраст которых изменён относительно средней картинки их набора. В середине: одежда против одежды, предсказание теоремы 3 с гессианом самой модели и то, что измерено. Справа: при вращении ручки парадокс появляется (AUROC меньше 0.5) и исчезает (больше).*
#
# Здесь объяснение делает то, чего от объяснения и ждут: предсказывает знак для наборов, по которым его не строили, и предсказывает, где знак сменится. (Величину оно преувеличивает: $H$ — кривизна в средней картинке, а дальше от неё $f$ загибается в другую сторону.) У цифр пересечение левее $k = 1$, из-за средних и из-за краёв. **Правдоподобие потока с постоянным объёмом — это в большой степени измеритель контраста.**
#
# А обычный Glow, у которого объём свободен? Покрутим ручку, округляя и обрезая до настоящих 8-битных картинок, и пусть они гаснут к чёрному, чтобы знакомый ему чёрный фон остался чёрным.

# %%
factors_8 = (0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5)
own = log_probs["Glow"]["clothes"][:few]
print("k       ", *(f"{k:6.2f}" for k in factors_8))
for kind, x in tests.items():
    faded = [ood.contrast(x[:few], k, about=0) for k in factors_8]
    areas_8 = [auroc(own, ood.likelihood(glow, images)) for images in faded]
    print(f"{kind:8}", *(f"{area:6.3f}" for area in areas_8))

# %% [markdown]
# Направление то же: чем бледнее, тем правдоподобнее. Но при $k = 1$ цифры и без всякой ручки намного ниже 0.5, и никакой ручкой их оттуда не вытащить: аффинный Glow нашёл к парадоксу второй путь, через объём, и формулами этого занятия его не предсказать. Что это за путь, подсказывает таблица двух соседей: цифры — это в основном чёрный фон, чёрное рядом с чёрным предсказать легко, а модели, которая научилась предсказывать пиксели по соседям, за каждый лёгкий пиксель платят.
#
# ## Серое и просто ничего
#
# Если вероятна малая дисперсия, то вероятнее всего картинки вовсе без неё: одноцветные. За одежду такую никто не примет.

# %%
levels = np.arange(0, 256, 15)
greys = np.concatenate([ood.constant(1, (28, 28, 1), level) for level in levels])
figure, axes = plt.subplots(1, 2, figsize=(10, 2.6))
for axis, (name, model, values) in zip(
    axes,
    (
        ("CV-Glow", cv_glow, cv_log_probs["clothes"]),
        ("Glow", glow, log_probs["Glow"]["clothes"]),
    ),
    strict=True,
):
    axis.plot(levels, ood.likelihood(model, greys) - values.mean(), ".-", color=RED)
    spread = np.quantile(values - values.mean(), [0.025, 0.975])
    axis.axhspan(*spread, color=LIGHT, alpha=0.5, label="95 % одежды")
    axis.set(xlabel="уровень серого")
    axis.set_title(name, fontsize=10)
axes[0].set(ylabel=r"$\log p_\theta$, наты от среднего")
axes[0].legend();

# %% [markdown]
# *Рис. 10. Картинки одного уровня: на сколько натов выше или ниже средней тестовой картинки одежды. В полосе 95 % тестовой одежды.*
#
# Чёрный квадрат правдоподобнее почти любой картинки одежды, и у той модели, и у другой. У потока с постоянным объёмом кривая опять похожа на параболу: $\frac12 \delta^{\mathsf T} H \delta + g^{\mathsf T} \delta$, чистый сдвиг среднего, а за дисперсию платить не надо вовсе. В статье правдоподобие фотографий росло, если сделать их *серее* (и в ячейке с CIFAR-10 выше тоже), а одноцветные картинки обошли все остальные.

# %% [markdown]
# ## Что идёт не так
#
# **Детектор, который не проверили на чужих данных.** Рецепт из многих отчётов: порог на уровне нижних 5 % значений $\log p_\theta$ обучающих картинок, всё, что ниже, — аномалия. На отложенной одежде доля тревог выходит около 5 %, как и задумано, и все довольны. Покажем ему цифры.

# %% tags=["nbval-check-output"]
table = tables["clothes"]
threshold = np.quantile(table.log_prob(clothes.images), 0.05)
for name, x in (
    ("test clothes", load("fashion_mnist", "test").images),
    ("digits", load("mnist", "test").images),
    ("clothes upside down", load("fashion_mnist", "test").images[:, ::-1]),
    ("black squares", ood.constant(10, (28, 28, 1), 0)),
):
    print(f"{name:20} alarm for {np.mean(table.log_prob(x) < threshold):6.1%}")

# %% [markdown]
# Ни одного чёрного квадрата, почти ни одной цифры. Порог с обеих сторон их бы поймал, но пропустил бы то, что оказалось посередине; на занятии 09 сделаем лучше.
#
# **Четыре способа испортить формулу.** В ней есть половина, квадраты, ось и два слагаемых. Забудем каждое по очереди; шаровая плотность тем и хороша, что верный ответ для неё известен точно:

# %% tags=["nbval-check-output"]
p, q = of_clothes, of_digits
shift_2 = delta @ delta
right = -(q.var(axis=0).sum() - p.var(axis=0).sum() + shift_2) / (2 * s_2)
wrong = {
    "no half": 2 * right,
    "std for variance": -(q.std(axis=0).sum() - p.std(axis=0).sum() + shift_2) / (2 * s_2),
    "variance over all pixels": -(784 * (q.var() - p.var()) + shift_2) / (2 * s_2),
    "means left out": -(q.var(axis=0).sum() - p.var(axis=0).sum()) / (2 * s_2),
}
print(f"{'measured':26}{sphere_log_prob(q).mean() - sphere_clothes.mean():8.1f} nats")
print(f"{'right':26}{right:8.1f}")
for name, value in wrong.items():
    print(f"{name:26}{value:8.1f}")

# %% [markdown]
# Третий способ стоит второго взгляда. `x.var()` по всему массиву смешивает разброс одного пикселя от картинки к картинке с разбросом средней картинки от пикселя к пикселю; $\sigma_i^2$ — только первое. Второе есть в обоих наборах и не сокращается.
#
# ## Так почему же? Что известно
#
# Статья ставит проблему и не утверждает, что нашла её единственную причину. Вот список, и что каждая объясняет:
#
# | возможная причина | что за неё | чего не объясняет |
# |---|---|---|
# | высокая размерность: типичное множество не там, где плотность наибольшая | рис. 5 и 6; верно и для *истинной* плотности (теорема 2) | какие именно пары наборов страдают |
# | дисперсии: $q$ сидит внутри $p$ | рис. 9; несимметричность; CIFAR-10 и SVHN | одежду и цифры, у которых разные средние; таблицу двух соседей |
# | слагаемое объёма, поощряющее чувствительность | Glow на одежде и цифрах (рис. 7) | CV-Glow на CIFAR-10; VAE и PixelCNN, у которых объёма нет |
# | локальное устройство: модели учатся предсказывать пиксель по соседям, а это у всех картинок похоже ([Kirichenko et al., 2020](https://arxiv.org/abs/2006.08545)) | таблица двух соседей | |
# | простые картинки стоят меньше бит, при любой модели ([Serra et al., 2020](https://arxiv.org/abs/1909.11480)) | рис. 10; цифры по большей части чёрные | что считать простым |
# | у плотности есть единицы: обратимой заменой $x$ порядок плотностей меняется как угодно ([Le Lan & Dinh, 2021](https://arxiv.org/abs/2012.03808)) | занятие 01: $p_x = p_z \lvert \det \rvert$ | почему пиксели — такие плохие единицы |
# | недоучена или переобучена | ничего (рис. 4) | |

# %% [markdown]
# ## На одном экране
#
# | | |
# |---|---|
# | парадокс | $\mathbb E_q \log p_\theta > \mathbb E_p \log p_\theta$; AUROC $< 0.5$; несимметричен |
# | кольцо | $\lVert z \rVert^2 = D \pm \sqrt{2D}$; плотность больше всего там, где ничего нет |
# | идеальная модель | $\mathbb E_q \log p - \mathbb E_p \log p = H(p) - H(q) - D_{KL}(q \,\Vert\, p)$ |
# | второй порядок | $g^{\mathsf T} \delta + \frac12 \delta^{\mathsf T} H \delta + \frac12 \operatorname{Tr}\{H (\Sigma_q - \Sigma_p)\}$ |
# | постоянный объём | $H = -J^{\mathsf T} J / \sigma_\psi^2$: меньше дисперсия — больше правдоподобие |
# | формула статьи | $-\frac1{2\sigma_\psi^2} \sum_c \alpha_c^2 \sum_{h,w} (\sigma_q^2 - \sigma_p^2)$, $\alpha_c = \prod_k \sum_j u_{k,c,j}$ |
# | сомнительно | равные средние; диагональная матрица Якоби; одна точка разложения |
# | ручка | контраст $k$: $\Sigma' = k^2 \Sigma$, знак как у $1 - k^2$ |
#
# В `dgm_tfp.ood`: `likelihood`, `log_p_z`, `log_volume`, `auroc`, `moments`, `contrast`, `constant`, `grey`, `second_order`, `hessian_second_order`. Весь опыт — одна команда, `dgm-tfp ood`; вся статья — `dgm-tfp ood-study`.
#
# ## Вопросы
#
# <details>
# <summary><b>1.</b> (Экзаменационный.) Сформулируйте проблему, поставленную в статье, и перечислите возможные причины её возникновения.</summary>
#
# Генеративная модель, обученная максимизацией правдоподобия на одном наборе картинок, может давать картинкам другого набора правдоподобие *больше*, чем собственной тестовой выборке: $\mathbb E_q \log p_\theta > \mathbb E_p \log p_\theta$. Так бывает и с Glow, и с VAE, и с PixelCNN (CIFAR-10 → SVHN, FashionMNIST → MNIST, CelebA → SVHN, ImageNet → CIFAR и SVHN), в обратную сторону не бывает, начинается с первых же шагов обучения, и потому по одному правдоподобию аномалии искать нельзя. Возможные причины: в высокой размерности плотность и вероятность расходятся (типичное множество); дисперсия у $q$ меньше, а среднее примерно то же («сидит внутри») — по анализу второго порядка для потока с постоянным объёмом; слагаемое объёма, поощряющее чувствительность (но у CV-Glow его нет); общее для всех картинок локальное устройство; малая сложность $q$; выбор единиц. Ни для одной из них в статье не доказано, что дело именно в ней, а вывод таков: пока это не понято, нельзя не задумываясь искать аномалии по правдоподобию таких моделей.
#
# </details>
#
# <details>
# <summary><b>2.</b> (Экзаменационный.) Формула замены переменных для Glow. На какие части благодаря ей разбивается поиск оптимального параметра?</summary>
#
# $\log p(x) = \log p_z(f_\phi(x); \psi) + \log \lvert\det \partial f_\phi / \partial x\rvert$; сумма по обучающим картинкам максимизируется по $\phi, \psi$. Первая часть хочет, чтобы $z$ данных попадали туда, где априорная плотность велика; параметры априорного распределения $\psi$ входят только в неё. Вторая хочет, чтобы $f$ растягивала пространство вокруг данных; она не даёт $f$ отправить всё в одну точку. В Glow это сумма по слоям ActNorm, свёрткам 1×1 и связывающим слоям (занятие 04); в CV-Glow связывающие слои не добавляют ничего, и у всех картинок она одинакова.
#
# </details>
#
# <details>
# <summary><b>3.</b> Почему, если верить формуле, парадокс несимметричен?</summary>
#
# Поменяем местами $p$ и $q$: $\Sigma_q - \Sigma_p$ сменит знак, а $H$, теперь уже другой модели, опять отрицателен. Слагаемые средних знака не меняют: $\frac12 \delta^{\mathsf T} H \delta < 0$ в обе стороны. Поэтому при неравных средних парадокса может не быть ни в одну сторону, а вот чтобы он был в обе — в рамках этого анализа так не бывает.
#
# </details>
#
# <details>
# <summary><b>4.</b> У картинок из $q$ дисперсия каждого пикселя меньше. Обязано ли $\operatorname{Tr}\{J^{\mathsf T} J (\Sigma_q - \Sigma_p)\}$ быть отрицательным?</summary>
#
# Нет. Меньшая дисперсия каждого *пикселя* — это о диагонали, а $\Sigma_q \preceq \Sigma_p$ требует меньшей дисперсии по каждому *направлению*. Если пиксели $q$ независимы, а пиксели $p$ почти равны друг другу, то разности соседей в $q$ меняются сильнее, а поток, обученный на $p$, именно им и придаёт наибольший вес. Пример — белый шум малой амплитуды: дисперсия мала, а правдоподобие ужасное.
#
# </details>
#
# <details>
# <summary><b>5.</b> При $D = 3072$ набор $q$ — это $p$ с контрастом на 5 % меньше, оба нормальные и шаровые. Чему равен AUROC?</summary>
#
# $F_{D,D}(0.95^2)$. У $\log \chi^2_D$ стандартное отклонение около $\sqrt{2/D}$, у разности двух таких $2/\sqrt D = 0.036$; $\ln 0.9025 = -0.103$ — это 2.8 таких отклонения: примерно 0.002. А глаз разницы не видит.
#
# </details>
#
# <details>
# <summary><b>6.</b> Коллега складывает стандартные отклонения пикселей вместо дисперсий. Когда выйдет неверный знак?</summary>
#
# Когда у $q$ мало пикселей с большой дисперсией и много с нулевой. Таковы и цифры: по стандартным отклонениям различие между наборами кажется больше, чем оно есть, потому что корень придаёт малым дисперсиям больший вес.
#
# </details>
#
# <details>
# <summary><b>7.</b> Можно ли так преобразовать пиксели, чтобы парадокс исчез?</summary>
#
# Всегда найдётся обратимое отображение, после которого порядок окажется каким угодно (Le Lan & Dinh, 2021): к $\log p$ прибавится логарифм модуля его якобиана, произвольная функция от $x$. Но чтобы его выбрать, нужно знать чужие данные, а тогда можно было бы просто обучить классификатор.
#
# </details>
#
# <details>
# <summary><b>8.</b> Если модель считает цифры такими вероятными, похожи ли на цифры её сэмплы?</summary>
#
# Нет, они похожи на (плохую) одежду. Сэмплы берутся из типичного множества. Цифры — точки высокой плотности в области почти без объёма: вероятность получить цифру ничтожна, как и вероятность попасть в центр кольца.
#
# </details>
#
# ## Что почитать
#
# * E. Nalisnick, A. Matsukawa, Y. W. Teh, D. Görür, B. Lakshminarayanan. *Do Deep Generative Models Know What They Don't Know?* ICLR, 2019, [arXiv:1810.09136](https://arxiv.org/abs/1810.09136). Та самая статья.
# * C. Bishop. *Novelty detection and neural network validation.* IEE Proceedings: Vision, Image and Signal Processing, 1994. Надежда.
# * L. Theis, A. van den Oord, M. Bethge. *A note on the evaluation of generative models.* ICLR, 2016, [arXiv:1511.01844](https://arxiv.org/abs/1511.01844). О чём правдоподобие не говорит.
# * E. Nalisnick, A. Matsukawa, Y. W. Teh, B. Lakshminarayanan. *Detecting Out-of-Distribution Inputs to Deep Generative Models Using Typicality.* 2019, [arXiv:1906.02994](https://arxiv.org/abs/1906.02994). Те же авторы о кольце.
# * P. Kirichenko, P. Izmailov, A. G. Wilson. *Why Normalizing Flows Fail to Detect Out-of-Distribution Data.* NeurIPS, 2020, [arXiv:2006.08545](https://arxiv.org/abs/2006.08545). Пиксели и их соседи.
# * J. Serrà et al. *Input complexity and out-of-distribution detection with likelihood-based generative models.* ICLR, 2020, [arXiv:1909.11480](https://arxiv.org/abs/1909.11480).
# * C. Le Lan, L. Dinh. *Perfect density models cannot guarantee anomaly detection.* Entropy, 2021, [arXiv:2012.03808](https://arxiv.org/abs/2012.03808). Вопрос 7.
#
# Теперь [лабораторная](../../labs/ru/08_ood_paradox.ipynb).
