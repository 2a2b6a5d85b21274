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
# # И всё-таки обнаружить
#
# **Вопрос.** Модель, обученная на одежде, находит рукописные цифры *более* вероятными, чем одежду ([занятие 06](06_pixelcnn.ipynb) показало это на голой таблице частот). Значит, низкое правдоподобие не говорит «это мне чужое». Нет ли другого числа, которое скажет и которое считают по тем же моделям?
#
# Ответ — список из пяти чисел и одно предупреждение. Каждая оценка в этой лекции устраняет одну из причин парадокса: типичность, несогласие ансамбля (WAIC), отношение правдоподобий, длина сжатого файла, обучение на выбросах. Каждую вы напишете вручную в несколько строк, сведёте все в одну таблицу с интервалами, научитесь выбирать настройки, не обманывая себя, а под конец для *каждой* построите набор картинок, на котором она проваливается. И это не изъян наших моделей, а теорема.
#
# **Понадобятся** [занятие 01](01_change_of_variables.ipynb), цепное правило из [занятия 06](06_pixelcnn.ipynb), бутстрап из [занятия 00](00_generative_modelling.ipynb). **Времени** уйдёт минут 90, и ещё 60–90 на [лабораторную](../../labs/ru/09_detecting.ipynb).
#
# | обозначение | смысл |
# |---|---|
# | $x$ | картинка из $D = 784$ пикселей |
# | $\log p(x)$ | логарифм её правдоподобия при данной модели, в натах |
# | $s(x)$ | оценка: **чем больше, тем больше похоже на обучающие данные**, всегда |
# | $L(x)$ | длина сжатой картинки, в битах |
# | $H$ | энтропия: среднее $-\log p(x)$ по картинкам самой модели |

# %%
import functools
import io
import zlib

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from PIL import Image
from scipy import stats

from dgm_tfp import data, models, ood, profiles, training

keras.utils.set_random_seed(0)
profile = profiles.current().name  # "laptop" by default: decides how long we train

BLUE, LIGHT, RED, GREY = "#1f6f8b", "#7fb7c9", "#d1495b", "#8d8d8d"
plt.rcParams.update(
    {
        "figure.dpi": 72,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)


# %% [markdown]
# ## Три набора данных и одно правило
#
# * **Одежда** (Fashion-MNIST) — *свои*: на 9000 картинок модель обучается, ещё 1000 отложена для порогов.
# * **Цифры** (MNIST) — *чужие*: проверяют нас на паре «одежда и цифры».
# * **Буквы** из разных шрифтов — третий набор; он тоже чужой, но проверяют нас не на нём.
#
# Правило, отсюда и до конца: **всё, что выбирают, выбирают по буквам; цифры — только для итогового числа.** У каждой оценки ниже есть настройки, и кто подбирает их по проверочной паре, тот сообщает, насколько хорошо умеет угадывать, а не насколько хороша оценка. Что бывает с теми, кто так делает, мы покажем, с числами.
#
# У картинок 16 уровней серого, $\lfloor x / 16 \rfloor$: всё становится быстрее, и вероятность целых чисел не нуждается в деквантизации. (Поэтому наши числа не те, что в статьях, где уровней 256; явления те же.) Первая модель — та из занятия 06, в которой нечего обучать: она считает, как часто каждый уровень следует за данными уровнями трёх соседей, и $\log p(x)$ есть сумма по пикселям.

# %%
def load(name, split):
    """Images of 16 grey levels, 0..15: uint8 (n, 28, 28, 1)."""
    source = "synthetic" if name == "letters" else "embedded"
    return data.load(name, split, source=source, verbose=False).images // 16


everything = load("fashion_mnist", "train")
train, held = everything[:9000], everything[9000:]
sets = {
    "clothes": load("fashion_mnist", "test"),
    "digits": load("mnist", "test"),
    "letters": load("letters", "test"),
}

NEIGHBOURS = [(0, -1), (-1, 0), (-1, 1)]  # left, above, above and right


def contexts(x, neighbours):
    """The number of the context of each pixel: (n, 28, 28, 1) -> (n, 28, 28)."""
    padded = np.pad(x[..., 0].astype(np.int32), ((0, 0), (1, 0), (1, 1)))
    number = np.zeros(x.shape[:3], np.int32)
    for down, right in neighbours:
        moved = padded[:, 1 + down : 29 + down, 1 + right : 29 + right]
        number = 16 * number + moved
    return number


class CountingModel:
    """p(x) = product over pixels of p(level | levels of the neighbours), counted."""

    def __init__(self, images, neighbours=NEIGHBOURS):
        self.neighbours, levels = neighbours, images[..., 0].ravel()
        pairs = contexts(images, neighbours).ravel() * 16 + levels
        cells = 16 ** (len(neighbours) + 1)
        table = np.bincount(pairs, minlength=cells).reshape(-1, 16)
        alone = (np.bincount(levels, minlength=16) + 1) / (levels.size + 16)
        self.log_table = np.log(
            (table + 8 * alone) / (table.sum(axis=1, keepdims=True) + 8)
        )

    def pixels(self, x):
        """log p of each pixel given those before it, in nats: (n, 28, 28)."""
        return self.log_table[contexts(x, self.neighbours), x[..., 0]]

    def log_prob(self, x):
        """log p(x) in nats: (n,)."""
        return self.pixels(x).sum(axis=(1, 2))


counting = CountingModel(train)
log_p = {name: counting.log_prob(x) for name, x in sets.items()}

# %% tags=["nbval-check-output"]
for name in ("clothes", "digits"):
    bits = -log_p[name].mean() / (784 * np.log(2))
    print(f"{name:8} mean log p {log_p[name].mean():6.1f} nats", end=", ")
    print(f"{bits:.2f} bits per dimension")

# %%
NAMES = {"clothes": "одежда", "digits": "цифры", "letters": "буквы"}
COLORS = {"clothes": BLUE, "digits": RED, "letters": GREY}


# %%
def histograms(axis, values, bins=60):
    """One outline for each set, all on the same bins."""
    edges = np.linspace(*np.quantile(np.concatenate([*values.values()]), [0, 1]), bins)
    for name, numbers in values.items():
        filled = {"alpha": 0.35, "color": COLORS[name], "density": True}
        axis.hist(numbers, edges, label=NAMES[name], **filled)
        axis.hist(numbers, edges, histtype="step", **{**filled, "alpha": 1})
    axis.set(yticks=[])
    axis.spines["left"].set_visible(False)


def sheet(images, columns=8):
    """Images (n, 28, 28, 1) side by side, in rows of `columns`."""
    rows = images[..., 0].reshape(-1, columns, 28, 28)
    return rows.transpose(0, 2, 1, 3).reshape(-1, columns * 28)


# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.9), width_ratios=(1, 1.35))
some = [sets["clothes"][:16], sets["digits"][:8], sets["letters"][:8]]
axes[0].imshow(sheet(np.concatenate(some)), cmap="gray")
axes[0].set_axis_off()
histograms(axes[1], log_p)
axes[1].set(xlabel="$\\log p(x)$, наты; модель считала одежду")
axes[1].legend();


# %% [markdown]
# *Рис. 1. Слева одежда, цифры и буквы в 16 уровнях. Справа логарифмы их правдоподобия при модели, которая видела только одежду. Парадокс в самом голом виде.*
#
# ## Хорошо ли оценка их различает?
#
# Детектор поднимает тревогу там, где $s(x) \le t$. Двигая $t$, мы меняем одну ошибку на другую: $\mathrm{TPR}(t)$ — доля чужих картинок, которые обнаружены, $\mathrm{FPR}(t)$ — доля своих, из-за которых тревога ложная. Кривая зависимости первой от второй называется ROC-кривой, и у площади под ней есть собственный смысл.
#
# > **Теорема.** $\mathrm{AUROC} = P\bigl(s(X_{\text{in}}) > s(X_{\text{out}})\bigr) + \frac12 P\bigl(s(X_{\text{in}}) = s(X_{\text{out}})\bigr)$.
#
# *Вывод* для оценок без совпадений. Пусть $t$ растёт от $-\infty$. Кривая сдвигается вправо на $d\,\mathrm{FPR}$, когда $t$ встречает оценку своей картинки, то есть с плотностью $r(t)$ своих оценок. Значит, площадь равна $\int \mathrm{TPR}(t)\, r(t)\, dt = \int P(s(X_{\text{out}}) < t)\, r(t)\, dt$, а это вероятность того, что оценка чужой картинки меньше независимой от неё оценки своей. $\square$
#
# Итак, 1 — безупречный порядок, 0.5 — оценка ничего не знает, меньше 0.5 — оценка *предпочитает* чужое. Обычны ещё два числа:
#
# * **FPR при 95 % TPR**: поднимем порог так, чтобы обнаружить 95 % чужих; какую долю своих потревожим напрасно? 0 — безупречно, 0.95 — вслепую. Это одна точка кривой, зато та, в которой работает тот, кому ничего нельзя пропустить. (В части статей, вслед за Liang et al. 2018, это зеркально: проходят 95 % *своих*, и считают, что прошло заодно. Спрашивайте, что имеют в виду.)
# * **AUPRC**: средняя точность, где точность — доля чужих среди тревог. Если доля чужих $\pi$, то точность $= \pi\,\mathrm{TPR} / (\pi\,\mathrm{TPR} + (1 - \pi)\,\mathrm{FPR})$: в отличие от первых двух, это число зависит от того, сколько чужих картинок случайно взяли.
#
# **Интервал** даёт бутстрап: снова наберём столько же картинок из каждого набора, с возвращением, заново вычислим число и возьмём квантили 2.5 % и 97.5 %.

# %% tags=["nbval-check-output"]
def auroc(inside, outside):
    """P(an inside score is above an outside one), equal ones count half."""
    outside = np.sort(outside)
    below = np.searchsorted(outside, inside, "left")  # how many outside are smaller
    not_above = np.searchsorted(outside, inside, "right")
    return np.mean(below + not_above) / 2 / len(outside)


def fpr_at_95_tpr(inside, outside):
    """The part of the inside that raises an alarm where 95 % of the outside do."""
    threshold = np.sort(outside)[int(np.ceil(0.95 * len(outside))) - 1]
    return np.mean(inside <= threshold)


def auprc(inside, outside):
    """Precision with the threshold at each outside image, averaged over them."""
    found = np.searchsorted(np.sort(outside), outside, "right")
    false = np.searchsorted(np.sort(inside), outside, "right")
    return np.mean(found / (found + false))


def interval(metric, inside, outside, resamples=500, seed=0):
    """The number, and the ends of its 95 % bootstrap interval."""
    rng = np.random.default_rng(seed)
    again = [
        metric(rng.choice(inside, len(inside)), rng.choice(outside, len(outside)))
        for _ in range(resamples)
    ]
    return metric(inside, outside), *np.quantile(again, [0.025, 0.975])


def say(words, inside, outside):
    """Prints AUROC, its interval and FPR at 95 % TPR."""
    value, low, high = interval(auroc, inside, outside)
    rate = fpr_at_95_tpr(inside, outside)
    print(f"{words:34} AUROC {value:.3f} [{low:.3f}, {high:.3f}], FPR {rate:.2f}")


pair = log_p["clothes"], log_p["digits"]
say("likelihood, clothes and digits", *pair)
for ours in (auroc, auprc, fpr_at_95_tpr):
    theirs = getattr(ood, ours.__name__)
    same = np.allclose(interval(ours, *pair), theirs(*pair))
    print(f"{ours.__name__:13} {ours(*pair):.3f}, as in dgm_tfp: {same}")

# %% [markdown]
# **Чем эти числа обманывают.** Два придуманных детектора с одной и той же AUROC 0.90. У детектора A оценки своих $\mathcal N(1.81, 1)$, чужих $\mathcal N(0, 1)$; тогда $\mathrm{AUROC} = \Phi(1.81 / \sqrt 2) = 0.90$. У детектора B десятая часть чужих, какого-то редкого вида, оценена выше всех, а остальные отделены безупречно. Кто обязан обнаружить 95 % чужих, тот с A кое-как проживёт, а B для него бесполезен. А AUPRC одного и того же детектора A падает в несколько раз, когда чужие картинки становятся редкими, как оно и бывает в жизни.

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
n = 5_000
inside = rng.normal(1.81, 1, n)
detectors = {
    "A": rng.normal(0, 1, n),
    "B": np.where(rng.random(n) < 0.1, 12, -9) + rng.normal(size=n),
}
for name, outside in detectors.items():
    say(f"detector {name}", inside, outside)
print(f"in theory: A {stats.norm.cdf(1.81 / 2**0.5):.3f}", end=", FPR ")
print(f"{stats.norm.cdf(stats.norm.ppf(0.95) - 1.81):.2f}; B 0.900, FPR 1.00")
for share in (1, 10, 100):
    rare = detectors["A"][: n // share]
    print(f"AUPRC of A, {share:3} of ours to one foreign: {auprc(inside, rare):.2f}")

# %%
thresholds = np.linspace(-14, 17, 400)
curves = {
    name: [np.mean(of[:, None] <= thresholds, axis=0) for of in (inside, outside)]
    for name, outside in detectors.items()
}
sizes = np.array([10, 30, 100, 300, 1000, 2000])
ends = np.array([interval(auroc, *(s[:n] for s in pair)) for n in sizes])

# %%
figure, axes = plt.subplots(1, 2, figsize=(8.4, 2.9), width_ratios=(1, 1.3))
for (name, (false, true)), color in zip(curves.items(), (BLUE, RED), strict=True):
    axes[0].plot(false, true, color=color, label=f"детектор {name}")
axes[0].axhline(0.95, color="0.5", lw=0.8, ls="--")
axes[0].plot([0, 1], [0, 1], color="0.8", lw=0.8)
axes[0].set(xlabel="FPR", ylabel="TPR", aspect="equal")
axes[0].legend()
axes[1].fill_between(sizes, ends[:, 1], ends[:, 2], color=LIGHT, alpha=0.6)
axes[1].semilogx(sizes, ends[:, 0], "o-", color=BLUE)
axes[1].set(xlabel="картинок в каждом наборе", ylabel="AUROC правдоподобия")
axes[1].set(ylim=(0, 0.5));

# %% [markdown]
# *Рис. 2. Слева площади равны, а польза нет; штриховая линия — TPR 95 %. Справа AUROC правдоподобия для одежды и цифр по первым $n$ картинкам каждого набора с бутстрап-интервалом.*
#
# Трёх вещей в интервале **нет**: другого обучения модели, другого чужого набора и того перебора, который к этой оценке привёл. Он отвечает лишь на вопрос «а если бы сфотографировали другую одежду и другие цифры». И ещё: AUROC 0.08 — это не «0.92, только наоборот». Кто перевернул оценку, взглянув на результат, тот выбрал настройку по проверочной паре.
#
# ## Типичность: слишком вероятно — тоже плохо
#
# С чего бы самой вероятной картинке быть обыкновенной? Возьмём $z \sim \mathcal N(0, I)$ в $D$ измерениях. Плотность больше всего в нуле. А сэмплы не там: $\|z\|^2$ — сумма $D$ независимых слагаемых со средним 1 и дисперсией 2, поэтому
#
# $$\|z\|^2 = D \pm \sqrt{2D}, \qquad \|z\| \approx \sqrt D \pm \tfrac{1}{\sqrt 2}, \qquad \log p(z) = -\tfrac D2 \log 2\pi - \tfrac12 \|z\|^2 = -H \pm \sqrt{D/2}.$$
#
# Все сэмплы лежат в тонком слое, **кольце**, а мода на $D/2$ натов вероятнее любого из них и не встречается никогда. Вообще, если $-\log p(x)$ — сумма многих слабо зависимых слагаемых (пикселей!), закон больших чисел удерживает её возле среднего, энтропии $H$. Множество $\bigl\{x : |-\log p(x) - H| \le \varepsilon\bigr\}$ называется **типичным**: в нём почти вся вероятность, а самой вероятной точки может и не быть. Отсюда оценка (Nalisnick et al. 2019b; та же мысль у Choi et al. 2018):
#
# $$s(x) = -\bigl|\log p(x) - \overline{\log p}\,\bigr|, \qquad \overline{\log p} = \frac1n \sum_{i=1}^n \log p(x_i),$$
#
# где $x_1, \dots, x_n$ — одежда, на которой модель *не* обучалась.

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
print("   D    radius     theory        mode above the mean of log p, nats")
radii = {}
for D in (2, 20, 784):
    z = rng.standard_normal((5_000, D))
    radii[D] = np.linalg.norm(z, axis=1)
    above = 0.5 * (z**2).sum(axis=1).mean()  # log p(0) - log p(z)
    shell = f"{radii[D].mean():5.2f} ± {radii[D].std():.2f}"
    print(f"{D:4} {shell}  {D**0.5:5.2f} ± 0.71  {above:6.1f}, theory {D / 2}")

mean = counting.log_prob(held).mean()  # of clothes that the model has not counted


def typicality(model, x, mean):
    """-|log p(x) - mean| in nats: (n,)."""
    return -np.abs(model.log_prob(x) - mean)


say("likelihood", log_p["clothes"], log_p["digits"])
say(
    "typicality",
    *(typicality(counting, sets[name], mean) for name in ("clothes", "digits")),
)


# %% [markdown]
# Было хуже, чем ничего, стало полезно, а прибавился один модуль. **Где же она проваливается?** Там, где неверна посылка, и там, где в кольцо удаётся войти.
#
# *Кольцо толстое.* У нормального распределения в 784 измерениях $\log p$ колеблется на $\sqrt{D/2} \approx 20$ натов. У одежды — в десять раз сильнее: пиксели зависимы, и рубашка с узором стоит в несколько раз дороже гладкой. Всё, что попало в это широкое кольцо, «типично».
#
# *Войти можно.* Возьмём цифры и у каждой заменим немного пикселей случайными уровнями. Каждая замена стоит правдоподобия, и при подходящей доле замен среднее $\log p$ у цифр такое же, как у одежды. Всякий, кто на них взглянет, увидит цифры, а лежат они в самой середине кольца. Так что типичность не значит «похоже на обучающие данные»: она сравнивает одно число с одним числом.
#
# **С батчем** из $M$ картинок, про которые известно, что они из одного источника, критерий острее: среднее $M$ чисел колеблется в $\sqrt M$ раз слабее. Порог даёт бутстрап, как в статье: снова и снова берём $M$ *отложенных* картинок одежды, каждый раз считаем расстояние их среднего до $\overline{\log p}$ и берём квантиль, ниже которого лежат 95 % батчей.

# %%
def mutate(x, rate, seed=0):
    """Each pixel is replaced by a random level with probability `rate`."""
    rng = np.random.default_rng(seed)
    replaced = rng.random(x.shape) < rate
    return np.where(replaced, rng.integers(0, 16, x.shape), x).astype(np.uint8)


low, high = 0.0, 0.2  # bisection: log p falls as the rate grows
for _ in range(12):
    rate = (low + high) / 2
    if counting.log_prob(mutate(sets["digits"], rate)).mean() > mean:
        low = rate
    else:
        high = rate
disguised = mutate(sets["digits"], rate)
log_p["disguised"] = counting.log_prob(disguised)


def batch_distances(values, size, batches, seed=0):
    """|mean of `size` random values - mean|, `batches` times."""
    rng = np.random.default_rng(seed)
    return np.abs(rng.choice(values, (batches, size)).mean(axis=1) - mean)


def flagged(size, alpha=0.05, batches=2_000):
    """The part of batches of each set that the test calls foreign."""
    own = batch_distances(counting.log_prob(held), size, batches)
    threshold = np.quantile(own, 1 - alpha)
    return {
        name: np.mean(batch_distances(values, size, batches, seed=1) > threshold)
        for name, values in log_p.items()
    }


batch_sizes = [1, 2, 5, 10, 25, 50]
found = [flagged(size) for size in batch_sizes]

# %% tags=["nbval-check-output"]
print(f"{rate:.1%} of the pixels replaced")
for name in ("clothes", "digits", "disguised"):
    of = log_p[name]
    print(f"{name:9} log p: mean {of.mean():6.1f}, standard deviation {of.std():5.1f}")
cheap, dear = np.quantile(-log_p["clothes"], [0.05, 0.95])
print(f"clothes cost {cheap:.0f} to {dear:.0f} nats (quantiles of 5 and 95 %)")
own = typicality(counting, sets["clothes"], mean)
say("typicality, disguised digits", own, typicality(counting, disguised, mean))
print("called foreign, batches of   ", *(f"{size:5}" for size in batch_sizes))
for name in ("clothes", "digits", "disguised"):
    print(f"{name:29}", *(f"{part[name]:5.2f}" for part in found))

# %%
figure, axes = plt.subplots(1, 3, figsize=(9.6, 2.8), width_ratios=(1, 0.9, 1.2))
for D, color in zip(radii, (LIGHT, BLUE, RED), strict=True):
    axes[0].hist(radii[D], 40, density=True, color=color, label=f"$D = {D}$")
axes[0].set(xlabel="$\\|z\\|$", yticks=[], xlim=(0, 32))
axes[0].legend()
axes[1].imshow(sheet(disguised[:16], 4), cmap="gray")
axes[1].set_axis_off()
labels = {**NAMES, "disguised": "переодетые цифры"}
for name, style in zip(labels, ("-", "-", "-", ":"), strict=True):
    color = COLORS.get(name, RED)
    line = [part[name] for part in found]
    axes[2].semilogx(batch_sizes, line, "o" + style, color=color, label=labels[name])
axes[2].axhline(0.05, color="0.5", lw=0.8, ls="--")
axes[2].set_xticks(batch_sizes, batch_sizes)
axes[2].set_xticks([], minor=True)
axes[2].set(xlabel="картинок в батче", ylabel="назвали чужими")
axes[2].legend(fontsize="small");


# %% [markdown]
# *Рис. 3. Слева — где лежат сэмплы $\mathcal N(0, I)$. В середине переодетые цифры. Справа доля батчей, которые критерий с пятью процентами ложных тревог (штриховая линия) называет чужими.*
#
# Хватает пяти картинок с цифрами или десяти с буквами; там, где батч есть, это самый дешёвый из хороших детекторов. Переодетые цифры проходят при любом размере, и тревог из-за них даже меньше, чем из-за одежды: чем больше картинок, тем точнее измерено среднее $\log p$, а оно у них *такое же*, как у одежды.
#
# ## WAIC: согласны ли три модели?
#
# Одна модель может ошибаться на чужих картинках по-своему; но три-то, наверное, ошибутся по-разному? Обучим ансамбль и понизим оценку там, где его участники не согласны (Choi et al. 2018; название дал Ватанабэ, и речь у него о выборе модели):
#
# $$\mathrm{WAIC}(x) = \mathbb E_\theta \log p_\theta(x) - \operatorname{Var}_\theta \log p_\theta(x).$$
#
# Обратите внимание на единицы: наты минус **квадратные** наты. Перейдём к битам — изменится вес одного слагаемого относительно другого; возьмём две копии картинки как одну — среднее удвоится, а дисперсия учетверится. Формула выведена для *одного апостериорного распределения параметров и многих данных*; как оценка одной картинки она — просто рецепт. Возьмём два ансамбля по три: модели-счётчики, каждая по своей бутстрап-выборке одежды, и маленькие PixelCNN, у каждой свои начальные веса и свои батчи.

# %%
def waic(models, x):
    """Mean minus variance of log p over the models, a sample, so K - 1: (n,)."""
    log_probs = np.stack([model.log_prob(x) for model in models])
    return log_probs.mean(axis=0) - log_probs.var(axis=0, ddof=1)


def resampled(seed):
    rng = np.random.default_rng(seed)
    return CountingModel(train[rng.integers(0, len(train), len(train))])


def train_pixelcnn(images, updates, seed=0, **sizes):
    """A PixelCNN of 16 levels, trained on batches of 16 of these images."""
    keras.utils.set_random_seed(seed)
    model = models.PixelCNN((28, 28, 1), bins=16, head=32, seed=seed, **sizes)
    model.compile(
        optimizer=training.adam(keras.optimizers.schedules.CosineDecay(5e-3, updates))
    )
    chosen = np.random.default_rng(seed).integers(0, len(images), updates * 16)
    model.fit(images[chosen], batch_size=16, verbose=0)
    return model


SMALL = {"filters": 8, "blocks": 1, "first_size": 3}
updates = {"smoke": 5, "laptop": 500, "gpu": 3000}[profile]
few = {"smoke": 40, "laptop": 500, "gpu": 2000}[profile]  # images that networks see
ensembles = {
    "counting": [resampled(seed) for seed in range(3)],
    "PixelCNN": [train_pixelcnn(train, updates, seed, **SMALL) for seed in range(3)],
}

# %% tags=["nbval-check-output"]
three = ensembles["counting"]
for name in ("clothes", "digits"):
    log_probs = np.stack([model.log_prob(sets[name]) for model in three])
    spread = log_probs.var(axis=0, ddof=1)
    print(f"{name:8} mean {log_probs.mean():6.1f} nats, variance {spread.mean():4.1f}")
say("likelihood", log_p["clothes"], log_p["digits"])
say("WAIC, counting", *(waic(three, sets[name]) for name in ("clothes", "digits")))

# %%
seen = {name: x[:few] for name, x in sets.items()}
for name in ("digits", "letters"):
    three = ensembles["PixelCNN"]
    inside, outside = seen["clothes"], seen[name]
    say(f"likelihood, {name}", *(three[0].log_prob(x) for x in (inside, outside)))
    say(f"WAIC, small PixelCNN, {name}", *(waic(three, x) for x in (inside, outside)))

# %% [markdown]
# Изменилось мало. Участники, конечно, различаются; но на цифрах они различаются *не сильнее*. Они согласны и ошибаются дружно, потому что сбила их не случайность одного обучения: каждый выучил, что за чёрным идёт чёрное. Несогласие обнаруживает то, что отдано на волю случая. То, чему данные научили всех, оно не обнаружит.
#
# ## Отношение правдоподобий
#
# Отчего цифры так вероятны? Из-за фона. Пусть картинка состоит из двух независимых частей: фона $x_B$ и того, о чём она, $x_S$; тогда и модель распадается на множители, $p(x) = p(x_B)\, p(x_S)$. Первый множитель велик и ни о чём не говорит. Найдём вторую модель, $p_0$, которая знает фон *не хуже*, чем $p$, а об остальном не знает ничего особенного. Тогда (Ren et al. 2019)
#
# $$s(x) = \log \frac{p(x)}{p_0(x)} = \underbrace{\log \frac{p(x_B)}{p_0(x_B)}}_{\approx\, 0} + \log \frac{p(x_S)}{p_0(x_S)} \approx \log p(x_S) - \log p_0(x_S).$$
#
# Фон сократился: что легко обеим моделям, то не в счёт. Где взять $p_0$: обучить на **мутировавших** картинках, у которых каждый пиксель с вероятностью $\mu$ заменён случайным уровнем. Крупное и ровное это переживёт, тонкое — нет. Другой способ — сделать $p_0$ близорукой: дать ей меньше соседей.
#
# Но прежде нужна $p$ получше. Таблице с тремя соседями запоминать формы нечем; возьмём вместо неё PixelCNN. Фон же посчитаем: таблицы с 0–3 соседями по одежде, мутировавшей с четырьмя разными частотами. Шестнадцать настроек, и правило: решают буквы.

# %%
updates = {"smoke": 10, "laptop": 600, "gpu": 6000}[profile]
sizes = {"smoke": SMALL}.get(profile, {"filters": 16, "blocks": 3})
net = train_pixelcnn(train, updates, **sizes)
net_log_p = {name: net.log_prob(x) for name, x in seen.items()}
for name, values in net_log_p.items():
    print(f"{name:8} {-values.mean() / (784 * np.log(2)):.2f} bits per dimension")

# %%
ratios, backgrounds = {}, {}
for count in range(4):
    for rate in (0.0, 0.1, 0.3, 0.5):
        background = CountingModel(mutate(train, rate), NEIGHBOURS[:count])
        backgrounds[count, rate] = background
        ratio = {n: net_log_p[n] - background.log_prob(x) for n, x in seen.items()}
        ratios[count, rate] = {
            n: auroc(ratio["clothes"], ratio[n]) for n in ("letters", "digits")
        }
best = max(ratios, key=lambda setting: ratios[setting]["letters"])
print("neighbours  mutated   AUROC on letters")
for (count, rate), found_there in ratios.items():
    star = "   <- chosen" if (count, rate) == best else ""
    print(f"{count:10}  {rate:7.0%}   {found_there['letters']:.3f}{star}")
print(f"and now, once, on digits: {ratios[best]['digits']:.3f}")

# %% [markdown]
# В статье и $p_0$ — сеть; у нас маленькая, обученная на одежде, десятая часть пикселей которой мутировала (из 0.1 и 0.3 буквы предпочли 0.1). (Слишком хорошую брать не надо: если $p_0$ не слабее $p$, она разглядит формы и сквозь шум, и сократятся заодно и они.) Из каких мест картинки складывается отношение? Обе модели дают по слагаемому на пиксель; вот они.

# %%
updates = {"smoke": 5, "laptop": 600, "gpu": 6000}[profile]
background = train_pixelcnn(mutate(train, 0.1), updates, **SMALL)


def pixels_of(model, x):
    """log p of each pixel under a PixelCNN: (n, 28, 28)."""
    images = tf.cast(x, tf.float32)
    law = tf.nn.log_softmax(model.parameters_of(images), axis=-1)  # (n, 28, 28, 16)
    return tf.gather(law, tf.cast(x[..., 0], tf.int32), batch_dims=3).numpy()


pictures = np.concatenate([sets["clothes"][[0, 4, 8]], sets["digits"][[0, 4, 8]]])
maps = [pixels_of(model, pictures) for model in (net, background)]
sums = maps[0].sum(axis=(1, 2))
print("the terms add up:", np.allclose(sums, net.log_prob(pictures)))
for name in ("clothes", "digits"):
    x = seen[name][:200]
    both = [pixels_of(model, x) for model in (net, background)]
    black = x[..., 0] == 0
    for words, where in (("black", black), ("other", ~black)):
        mean_p, mean_p0 = (of[where].mean() for of in both)
        print(f"{name:8} {words} pixels ({where.mean():.0%}):", end=" ")
        print(f"log p {mean_p:.2f}, log p_0 {mean_p0:.2f}", end=", ")
        print(f"difference {mean_p - mean_p0:+.2f} nats")


def likelihood_ratio(model, x, background):
    return model.log_prob(x) - background.log_prob(x)


for name in ("letters", "digits"):
    say(f"likelihood, {name}", net_log_p["clothes"], net_log_p[name])
    inside, outside = (
        likelihood_ratio(net, seen[n], background) for n in ("clothes", name)
    )
    say(f"ratio of networks, {name}", inside, outside)

# %%
figure, axes = plt.subplots(4, 1, figsize=(7, 5.2))
rows = [pictures[..., 0], *maps, maps[0] - maps[1]]
titles = "$x$", "$\\log p$", "$\\log p_0$", "разность"
scales = ((0, 15), (-4, 0), (-4, 0), (-2, 2))
for axis, row, title, (low, high) in zip(axes, rows, titles, scales, strict=True):
    colours = "RdBu" if high == 2 else "gray"
    axis.imshow(np.concatenate([*row], axis=1), cmap=colours, vmin=low, vmax=high)
    axis.set_yticks([14], [title])
    axis.set(xticks=[])


# %% [markdown]
# *Рис. 4. Три картинки с одеждой и три с цифрами, пиксель за пикселем: что считает вероятным PixelCNN (светлое), что — фоновая модель, и разность (синее: лучше $p$; красное: лучше $p_0$).*
#
# Фон занимает половину картинки с одеждой и четыре пятых картинки с цифрой, и он дёшев: за него-то правдоподобие и награждает. В разности от него у обоих наборов остаётся поровну на пиксель (см. таблицу выше), а на прочих пикселях сильная модель много выигрывает на ткани, которую знает, и мало на штрихах, которых не знает.
#
# Небольшой остаток на чёрных пикселях — от мутаций. Кто выучил, что пиксель с вероятностью $\mu$ бывает каким угодно, тот никогда не уверен в нём больше, чем на $1 - \frac{15}{16}\mu$, и платит за каждый $-\log(1 - \frac{15}{16}\mu)$ натов, при $\mu = 0.1$ это 0.10. Поэтому при большой $\mu$ чёрные пиксели снова идут в счёт, в пользу цифр: фон сокращается лишь настолько, насколько $p_0$ знает его *не хуже*.
#
# ## Сложность входа: фоновая модель даром
#
# Архиватор — это переодетая вероятностная модель. Если код без потерь даёт картинке $x$ слово в $L(x)$ бит и ни одно слово не служит началом другого, то, по неравенству Крафта,
#
# $$\sum_x 2^{-L(x)} \le 1,$$
#
# то есть $p_c(x) = 2^{-L(x)}$ — (суб)вероятность: универсальная модель картинок, обученная инженерами, которые написали PNG. Поставим её на место фоновой (Serrà et al. 2020):
#
# $$s(x) = \log \frac{p(x)}{p_c(x)} = \log p(x) + L(x) \log 2.$$
#
# В битах это $-S(x)\log 2$, где $S(x) = -\log_2 p(x) - L(x)$, как в статье. Множитель $\log 2$ тут не для красоты: наты с битами не складывают. Заголовок файла PNG, одинаковый у всех картинок, прибавляет константу, а она на AUROC не влияет. Архиваторам нужны байты, поэтому уровень $k$ становится яркостью $17k$.

# %%
def png(image):
    """The bytes of a grey image (h, w)."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    return file.getvalue()


def webp(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "WEBP", lossless=True, quality=50, method=3)
    return file.getvalue()


def deflate(image):
    """zlib, the second half of PNG, on the rows as they are."""
    return zlib.compress(image.tobytes(), 9)


def code_length(x, codec):
    """L(x) in bits: (n,)."""
    return np.array([8 * len(codec(np.ascontiguousarray(i))) for i in 17 * x[..., 0]])


def complexity(model, x, codec=png):
    """log p(x) + L(x) log 2 in nats: (n,)."""
    return model.log_prob(x) + code_length(x, codec) * np.log(2)


lengths = {
    codec.__name__: {name: code_length(x, codec) for name, x in seen.items()}
    for codec in (deflate, png, webp)
}
needs = {name: -values.mean() / np.log(2) for name, values in net_log_p.items()}
print(f"network: clothes {needs['clothes']:.0f} bits, digits {needs['digits']:.0f}")
for codec, of in lengths.items():
    print(f"{codec}: clothes {of['clothes'].mean():.0f} bits", end=", ")
    print(f"digits {of['digits'].mean():.0f}")
    for name in ("letters", "digits"):
        say(f"  the codec alone, {name}", -of["clothes"], -of[name])
        scores = {n: net_log_p[n] + of[n] * np.log(2) for n in seen}
        say(f"  complexity, {name}", scores["clothes"], scores[name])

# %%
figure, axis = plt.subplots(figsize=(6, 3.4))
for name in ("clothes", "digits", "letters"):
    place = lengths["webp"][name], -net_log_p[name] / np.log(2)
    axis.scatter(*place, s=6, alpha=0.5, color=COLORS[name], label=NAMES[name])
middle = np.median(lengths["webp"]["clothes"] + net_log_p["clothes"] / np.log(2))
ends = np.quantile(lengths["webp"]["clothes"], [0.01, 0.99])
axis.plot(ends, ends - middle, color="black", lw=1, ls="--")
axis.set(xlabel="$L(x)$, WebP, бит", ylabel="$-\\log_2 p(x)$, бит")
axis.legend();


# %% [markdown]
# *Рис. 5. Сколько бит на картинку нужно PixelCNN и сколько WebP; штриховая линия с наклоном 1 проходит через середину одежды. Сложность как оценка — это насколько точка лежит ниже такой линии.*
#
# По каждой координате в отдельности цифры «лучше» одежды: картинки простые, файлы короткие, бит мало. А вместе координаты говорят другое: *для* такого короткого файла сеть тратит слишком много. (Для CIFAR-10 и SVHN с PNG опубликовано 0.95, а независимое повторение дало 0.78, Schirrmeister et al. 2020. Архиватор — тоже настройка.)
#
# ## Обучение на выбросах: покажем ей чужое
#
# До сих пор модель не трогали. А можно её и поучить: взять *какие-нибудь* чужие картинки $\tilde x$, какие найдутся, и потребовать, чтобы они были менее вероятны, с зазором $m$ (Hendrycks et al. 2019):
#
# $$L(\theta) = -\mathbb E \log p_\theta(x) + \lambda\, \mathbb E \max\bigl(0,\; m - \log p_\theta(x) + \log p_\theta(\tilde x)\bigr).$$
#
# Первое слагаемое — обычная функция потерь. Второе обращается в нуль, как только каждая пара разошлась на $m$ натов, так что загонять чужое в $-\infty$ модели незачем. Для плотностей авторы берут зазор равным числу размерностей, $m = D$, по нату на пиксель, и $\lambda = 1$; мы оставим и то и другое и ничего не будем выбирать. Чужие у нас — *обучающие* буквы. Сто шагов от весов нашей PixelCNN:

# %%
def expose(model, inside, foreign, updates, margin=784.0, weight=1.0):
    """Trains the model further on the loss with the margin, 16 images of each."""
    variables = model.trainable_variables
    optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=100.0)
    optimizer.build(variables)

    @tf.function(autograph=False)
    def step(x, other):
        with tf.GradientTape() as tape:
            ours = model.distribution.log_prob(tf.cast(x, tf.float32))
            theirs = model.distribution.log_prob(tf.cast(other, tf.float32))
            hinge = tf.nn.relu(margin - ours + theirs)
            loss = tf.reduce_mean(-ours + weight * hinge)
        optimizer.apply(tape.gradient(loss, variables), variables)

    rng = np.random.default_rng(0)
    for _ in range(updates):
        step(*(x[rng.integers(0, len(x), 16)] for x in (inside, foreign)))


exposed = models.PixelCNN.from_config(net.get_config())
exposed.set_weights(net.get_weights())
expose(
    exposed,
    train,
    load("letters", "train"),
    {"smoke": 3, "laptop": 100, "gpu": 1000}[profile],
)
exposed_log_p = {name: exposed.log_prob(x) for name, x in seen.items()}
for name in ("letters", "digits"):
    say(f"before, {name}", net_log_p["clothes"], net_log_p[name])
    say(f"after, {name}", exposed_log_p["clothes"], exposed_log_p[name])
for words, values in (("before", net_log_p), ("after", exposed_log_p)):
    bits = -values["clothes"].mean() / (784 * np.log(2))
    print(f"the price, bits per dimension of clothes, {words}: {bits:.2f}")

# %%
figure, axes = plt.subplots(2, 1, figsize=(7, 3.8), sharex=True)
for axis, values, title in zip(
    axes, (net_log_p, exposed_log_p), ("до", "после"), strict=True
):
    histograms(axis, values)
    axis.set(title=title)
axes[0].legend()
axes[1].set(xlabel="$\\log p(x)$, наты");

# %% [markdown]
# *Рис. 6. Логарифмы правдоподобия у PixelCNN до и после того, как ей показали обучающие буквы. Тестовых букв и цифр ей не показывали.*
#
# Подействовало, и на цифры тоже, хотя их не показывали; заплачено за это правдоподобием одежды. Чему же она научилась: что такое чужое или как выглядят буквы? Цифры ведь тоже тонкие светлые штрихи на чёрном. До последнего раздела вопрос останется открытым.
#
# ## Одна таблица
#
# Все оценки на одних и тех же картинках, с интервалами. Что не сработало, остаётся в таблице. Чтобы поставить их рядом, запишем каждую как одну функцию от $x$; так же устроена и библиотека: **оценка — это одна функция от модели и картинок; больше значит более своё**.

# %%
LABELS = {
    "likelihood": "правдоподобие",
    "typicality": "типичность",
    "waic": "WAIC, 3 малые сети",
    "ratio": "отношение правдоподобий",
    "png": "сложность, PNG",
    "webp": "сложность, WebP",
    "simplicity": "один WebP",
    "exposure": "обучение на выбросах",
}

# %%
net_mean = net.log_prob(held[:few]).mean()


def all_scores(x):
    """Every score of these images: {name: (n,)}; each log p computed once."""
    log_prob, files = net.log_prob(x), {c: code_length(x, c) for c in (png, webp)}
    return {
        "likelihood": log_prob,
        "typicality": -np.abs(log_prob - net_mean),
        "waic": waic(ensembles["PixelCNN"], x),
        "ratio": log_prob - background.log_prob(x),
        "png": log_prob + files[png] * np.log(2),
        "webp": log_prob + files[webp] * np.log(2),
        "simplicity": -files[webp],
        "exposure": exposed.log_prob(x),
    }


scored = {name: all_scores(x) for name, x in seen.items()}
table = {
    (score, name): {
        metric: interval(metric, scored["clothes"][score], scored[name][score], 200)
        for metric in (auroc, auprc, fpr_at_95_tpr)
    }
    for score in LABELS
    for name in ("digits", "letters")
}
for name in ("digits", "letters"):
    print(f"{NAMES[name]:24}  AUROC              AUPRC              FPR95")
    for score, label in LABELS.items():
        numbers = table[score, name].values()
        words = (f"{value:.2f} [{low:.2f}, {high:.2f}]" for value, low, high in numbers)
        print(f"{label:24}", *words, sep="  ")

# %%
figure, axis = plt.subplots(figsize=(7, 3.6))
for shift, name in ((0.12, "digits"), (-0.12, "letters")):
    value, low, high = np.array([table[score, name][auroc] for score in LABELS]).T
    places = np.arange(len(LABELS))[::-1] + shift
    axis.errorbar(
        value, places, xerr=[value - low, high - value], fmt="o", ms=4,
        color=COLORS[name], label=NAMES[name],
    )  # fmt: skip
axis.axvline(0.5, color="0.5", lw=0.8, ls="--")
axis.set_yticks(np.arange(len(LABELS))[::-1], LABELS.values())
axis.set(xlabel="AUROC, своё — одежда", xlim=(0, 1.02))
axis.legend(loc="lower center");


# %% [markdown]
# *Рис. 7. AUROC каждой оценки с бутстрап-интервалом. По буквам выбирали (а на других буквах учили); цифры — проверка.*
#
# Читая таблицу, помните о правиле: есть столбец с буквами, по которым кое-что выбирали, и столбец с цифрами, по которым не выбирали ничего. (У Ren et al. 2019 отношение даёт на этой паре 0.994, а правдоподобие 0.089; там сети больше, уровней 256, а настройки подобраны на третьем наборе.) Лучшей во всём оценки нет, а две самые дешёвые поправки, модуль и длина файла, проходят большую часть пути.
#
# ## То же в `dgm_tfp`
#
# Оценки — обычные функции `score(model, x)`; всё, что нужно сверх того, привязывают с помощью `functools.partial`. Функция `ood.compare` берёт модели, наборы данных (первый — свои) и оценки и отдаёт таблицу. Модель — всё, у чего есть `log_prob`: сгодится и наш счётчик. Архиватору нужны байты, поэтому здесь мы передаём собственную функцию: новая оценка — это одна новая функция.

# %%
def bright_complexity(model, x, codec):
    """Input complexity of levels 0..15: the codec sees the greys 17 x."""
    return ood.log_prob(model, x) + ood.codec_bits(17 * x, codec) * np.log(2)


bind = functools.partial
comparison = ood.compare(
    {"PixelCNN": net, "counting": counting, "3 small nets": ensembles["PixelCNN"]},
    {"clothes": seen["clothes"], "digits": seen["digits"]},
    {
        "likelihood": ood.likelihood,
        "typicality": bind(ood.typicality, train=held[:few]),
        "waic": ood.waic,
        "likelihood_ratio": bind(ood.likelihood_ratio, background=background),
        "complexity, webp": bind(bright_complexity, codec="webp"),
    },
    resamples=100,
)
print(comparison.to_markdown())

# %% tags=["nbval-check-output"]
x = sets["digits"][:200]
same = {
    "typicality": (ood.typicality(counting, x, held), typicality(counting, x, mean)),
    "waic": (
        ood.waic(ensembles["counting"], x),
        waic(ensembles["counting"], x),
    ),
    "likelihood_ratio": (
        ood.likelihood_ratio(counting, x, ensembles["counting"][0]),
        likelihood_ratio(counting, x, ensembles["counting"][0]),
    ),
    "codec_bits": (  # the library leaves out the 57 bytes around the pixels
        ood.codec_bits(17 * x, "png"),
        code_length(x, png) - 8 * 57,
    ),
    "mutate": (ood.mutate(x, 0.1, bins=16), mutate(x, 0.1)),
}
for name, (theirs, ours) in same.items():
    print(f"{name:17} as by hand: {np.allclose(theirs, ours)}")

# %% [markdown]
# `ood.expose(model, train, auxiliary)` — наш цикл, только с разогревом; `ood.batch_typicality` и `ood.typicality_threshold` — критерий для батча; `comparison.plot()` рисует рисунок 7; `dgm-tfp ood` делает такую таблицу из командной строки.
#
# ## Что идёт не так
#
# **Выбор по проверочной паре.** Самая частая ошибка в этой области; сделаем её нарочно. Оценок восемь; смешаем их со случайными весами и получим сколько угодно новых «методов». Возьмём 20 картинок одежды и 20 цифр «для валидации», оставим лучший из $K$ методов и сообщим его AUROC на этих же картинках, как это и делают. А потом посмотрим, каков он на других цифрах и на одежде вверх ногами, выцветшей и в негативе, о которой никто не подумал.
#
# Сначала методы, в которых нет ничего, кроме случая: каждый даёт каждой картинке случайное число. Лучший из 1000 выглядит открытием.

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
for tried in (1, 10, 100, 1000):
    chance = rng.random((tried, 2, 1000))  # methods, clothes and digits, images
    reported = [auroc(ours[:20], theirs[:20]) for ours, theirs in chance]
    best = chance[np.argmax(reported)]
    fresh = auroc(best[0, 20:], best[1, 20:])
    print(f"best of {tried:4}: reported {max(reported):.2f}, on new images {fresh:.2f}")


# %%
def faded(x):
    """Half of the contrast: levels 0..7."""
    return x // 2


def negative(x):
    return 15 - x


rng = np.random.default_rng(1)
grey = np.broadcast_to(rng.integers(0, 16, (few, 1, 1, 1)), (few, 28, 28, 1))
zoo = {
    "digits": seen["digits"],
    "letters": seen["letters"],
    "disguised": disguised[:few],
    "upside": seen["clothes"][:, ::-1],
    "negative": negative(seen["clothes"]),
    "faded": faded(seen["clothes"]),
    "grey": grey.astype(np.uint8),
}
scored |= {name: all_scores(x) for name, x in zoo.items() if name not in scored}

inside = np.stack([*scored["clothes"].values()])  # (scores, images)
centre, width = inside.mean(axis=1, keepdims=True), inside.std(axis=1, keepdims=True)
ranked = {
    name: (np.stack([*of.values()]) - centre) / width for name, of in scored.items()
}
numbers = [1, 3, 10, 30, 100]
repeats = {"smoke": 2, "laptop": 40, "gpu": 40}[profile]
outcome = np.zeros((repeats, len(numbers), 3))
for repeat in range(repeats):
    rng = np.random.default_rng(repeat)
    mixes = rng.normal(size=(max(numbers), len(LABELS)))  # each row is a "method"
    ours, theirs = (rng.permutation(few) for _ in range(2))
    clothes, digits = ranked["clothes"][:, ours[:20]], ranked["digits"][:, theirs[:20]]
    reported = np.array([auroc(mix @ clothes, mix @ digits) for mix in mixes])
    for k, tried in enumerate(numbers):
        best = np.argmax(reported[:tried])
        own = mixes[best] @ ranked["clothes"][:, ours[20:]]
        fresh = auroc(own, mixes[best] @ ranked["digits"][:, theirs[20:]])
        others = [
            auroc(own, mixes[best] @ ranked[name])
            for name in ("upside", "faded", "negative")
        ]
        outcome[repeat, k] = reported[best], fresh, np.mean(others)

# %%
lines = "сообщили", "другие цифры", "вверх ногами, выцветшая, негатив"
figure, axis = plt.subplots(figsize=(6.4, 3))
for values, label, color in zip(
    outcome.mean(axis=0).T, lines, (RED, BLUE, GREY), strict=True
):
    axis.semilogx(numbers, values, "o-", color=color, label=label)
axis.axhline(0.5, color="0.7", lw=0.8, ls="--")
axis.set_xticks(numbers, numbers)
axis.set(xlabel="опробовано методов", ylabel="AUROC", ylim=(0.3, 1.02))
axis.legend();

# %% [markdown]
# *Рис. 8. Лучшая из $K$ случайных смесей восьми оценок, выбранная по 20 картинкам одежды и 20 цифрам; средние по повторениям.*
#
# Зазор между красной и синей — излишний оптимизм из-за малого числа картинок; здесь, где оценки хороши, он мал, а где они плохи, кроме него ничего и нет; от него лечит число картинок. Зазор между синей и серой не лечится: перебор нашёл то, что отличает от одежды *цифры*. Кто настраивает по проверочной паре, тот строит детектор цифр, а называет его детектором неизвестного.
#
# **Не те байты, которых ждёт архиватор.** Наши уровни — от 0 до 15. Если отдать их PNG как есть, а не яркостями от 0 до 255, картинки и информация в них те же, а оценка другая: PNG выбирает фильтр для каждой строки по грубому правилу, придуманному для обычных байтов. А ещё **биты, прибавленные к натам**, $\log p(x) + L(x)$: это уже не отношение чего бы то ни было. Число может выйти даже лучше, и нет ошибки хуже: ту, что улучшает результат, никто не ищет.
#
# **Порог по обучающим картинкам.** Модель их видела и считает вероятнее любых других, так что порог поставлен для картинок, которые больше не придут.

# %%
raw = {name: 8 * np.array([len(png(i[..., 0])) for i in x]) for name, x in seen.items()}
for words, scores in {
    "complexity, PNG of 17 x": {n: scored[n]["png"] for n in seen},
    "PNG of the levels 0 to 15": {n: net_log_p[n] + raw[n] * np.log(2) for n in seen},
    "bits added to nats": {n: net_log_p[n] + code_length(seen[n], png) for n in seen},
}.items():
    say(words, scores["clothes"], scores["digits"])

# %% tags=["nbval-check-output"]
rich = CountingModel(train, [*NEIGHBOURS, (-1, -1)])  # a fourth neighbour: it overfits
ours = {"training": rich.log_prob(train), "held-out": rich.log_prob(held)}
test = rich.log_prob(sets["clothes"])
rng = np.random.default_rng(0)
for name, values in ours.items():
    batches = rng.choice(values, (5_000, 25)).mean(axis=1)
    threshold = np.quantile(np.abs(batches - values.mean()), 0.95)
    alarms = np.abs(rng.choice(test, (5_000, 25)).mean(axis=1) - values.mean())
    print(f"threshold from {name} clothes: mean log p {values.mean():.0f}", end=", ")
    print(f"false alarms {np.mean(alarms > threshold):.0%} instead of 5%")

# %% [markdown]
# ## Что по-прежнему не получается
#
# Ещё раз все оценки, на всех наборах, которые нам попались по дороге: цифры, буквы, переодетые цифры; одежда вверх ногами, в негативе и выцветшая до половины контраста; просто серые листы.

# %%
heat = np.array(
    [
        [auroc(scored["clothes"][score], scored[name][score]) for name in zoo]
        for score in LABELS
    ]
)


def heat_map(axis, rows, columns):
    """AUROC of each score (row) on each set (column), the worst of a row in a frame."""
    axis.imshow(heat, cmap="RdBu", vmin=0, vmax=1, aspect="auto")
    for i, j in np.ndindex(heat.shape):
        strong = abs(heat[i, j] - 0.5) > 0.35
        color = "white" if strong else "black"
        axis.text(j, i, f"{heat[i, j]:.2f}", ha="center", va="center", color=color)
    for i, j in enumerate(heat.argmin(axis=1)):
        frame = plt.Rectangle((j - 0.47, i - 0.45), 0.94, 0.9, fill=False, lw=2)
        axis.add_patch(frame)
    axis.set_yticks(range(len(rows)), rows)
    axis.set_xticks(range(len(columns)), columns)


# %%
figure, axis = plt.subplots(figsize=(9, 3.9))
columns = "цифры", "буквы", "переодетые"
columns += "вверх\nногами", "негатив", "выцветшая", "серое"
heat_map(axis, LABELS.values(), columns)

# %% [markdown]
# *Рис. 9. AUROC каждой оценки на каждом чужом наборе; в рамке худшее, что есть у оценки.*
#
# В каждой строке есть клетка с числом около одной второй или меньше, и клетки эти в разных столбцах. Рубашка вверх ногами соткана из тех же нитей, а все наши оценки — суммы по нитям. (Цифры переодевали по мерке модели-счётчика; типичность по сети их узнаёт, ей нужен другой наряд.) WAIC, на цифрах бесполезный, находит серые листы и негативы: там сетям пришлось гадать, и каждая гадала по-своему. Обученной на выбросах модели показали светлые штрихи на чёрном, это она и выучила: выцветшая одежда для неё одежда лучше настоящей. Отношение построено, чтобы забывать то, что знает $p_0$, и если странной картинку, скажем негатив, находит сама $p_0$, оно это прощает.
#
# **Ни одной оценке не уйти.** И не оттого, что мы мало старались.
#
# > **Теорема** (по Zhang et al. 2021). Для всякой оценки $s$ найдётся чужое распределение $q$, на котором её AUROC равна $1/4$, хотя занимает $q$ целую половину своего.
#
# *Вывод.* Пусть $q$ — распределение своих, ограниченное картинками, у которых оценка выше медианы. Ранг оценки своей картинки среди своих равномерен, $U \sim [0, 1]$; ранг оценки из $q$ равномерен на верхней половине, $V \sim [\frac12, 1]$. Поэтому $\mathrm{AUROC} = P(U > V) = \mathbb E[1 - V] = \frac14$. $\square$
#
# Ограничьте верхней сотой долей — выйдет 0.005. Можно возразить: такое $q$ состоит из самых что ни на есть своих картинок. Вот именно: слово *чужое* должно что-то значить. Пока не сказано, какого $q$ опасаются, ни один метод не лучше другого; каждая оценка есть предположение о $q$: «чужое менее вероятно», «чужое другой сложности», «чужое похоже на мой вспомогательный набор».

# %% tags=["nbval-check-output"]
inside = log_p["clothes"]
for share in (0.5, 0.01):
    upper = inside[inside > np.quantile(inside, 1 - share)]
    print(f"the upper {share:4.0%} of clothes: {auroc(inside, upper):.3f}", end=", ")
    print(f"theory {share / 2:.3f}")


# %% [markdown]
# **Плотность зависит от координат.** Есть и вторая причина, по которой одной плотности для ответа мало (Le Lan & Dinh 2021). Чужая ли картинка, не должно зависеть от того, хранят ли её как пиксели, как логиты или как коэффициенты Фурье: всё это обратимые отображения, ничего не теряется. Но плотность меняется на якобиан (занятие 01),
#
# $$p_y(T(x)) = \frac{p_x(x)}{|T'(x)|},$$
#
# и отображение $T$ можно подобрать так, что порядок правдоподобий станет каким угодно. Если $T$ — функция распределения самого $x$, $T' = p_x$, то все точки делаются одинаково вероятными. А если $T' \propto p_x^2$, порядок переворачивается: $p_y(T(x)) \propto 1 / p_x(x)$. Пусть модель плотности самая совершенная на свете; её правдоподобие назовёт чужим что нам угодно.
#
# Отношение двух плотностей этого не замечает: обе делятся на одно и то же $|T'(x)|$. Это довод за отношения вообще; какую взять $p_0$, он не говорит.

# %% tags=["nbval-check-output"]
def density(x):
    """A law with two humps."""
    return 0.5 * stats.norm.pdf(x, -2, 0.8) + 0.5 * stats.norm.pdf(x, 2, 0.8)


def background_density(x):
    return stats.norm.pdf(x, 0, 3)


line = np.linspace(-6, 6, 4001)
maps_of_line = {"T' = p": density(line), "T' ~ p^2": density(line) ** 2}
points = np.searchsorted(line, [-2, 0.0])  # a usual point, and a rare one
for name, slope in {"T' = 1": np.ones_like(line), **maps_of_line}.items():
    both = density, background_density
    p, p_0 = (law(line)[points] / slope[points] for law in both)
    print(
        f"{name:8} p at -2: {p[0]:7.3f}, p at 0: {p[1]:7.3f};",
        f"ratios p / p_0: {p[0] / p_0[0]:.3f}, {p[1] / p_0[1]:.3f}",
    )

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 2.6))
titles = "$x$", "$y = T(x)$, $T' = p$", "$y = T(x)$, $T' \\propto p^2$"
for axis, slope, title in zip(
    axes, [np.ones_like(line), *maps_of_line.values()], titles, strict=True
):
    shown = np.abs(line) < 3.4
    places = np.cumsum(slope) * (line[1] - line[0]) + line[0]
    values = density(line) / slope
    axis.plot(places[shown], values[shown], color=BLUE)
    axis.fill_between(places[shown], values[shown], color=LIGHT, alpha=0.5)
    kinds = (BLUE, "обычная"), (RED, "редкая")
    for point, (color, label) in zip(points, kinds, strict=True):
        axis.plot(places[point], values[point], "o", color=color, ms=9, label=label)
    axis.set(title=title, ylim=(0, 1.15 * values[shown].max()), xticks=[])
axes[0].set(xticks=[-2, 0, 2])
axes[0].legend();

# %% [markdown]
# *Рис. 10. Одно и то же распределение в трёх координатах. Обычная точка и редкая меняются местами в порядке плотностей; в самом распределении ничего не изменилось.*
#
# ## Памятка для настоящей жизни
#
# 1. **Назовите чужое.** Сломанные датчики, другая больница, другой язык, враг? Каждая оценка — догадка о нём. Против врага, который оценку знает, не устоит ни одна из этих.
# 2. **Сначала самое простое:** длина файла, средняя яркость, классификатор своих против вспомогательного набора. Если они не хуже, на этом и остановитесь.
# 3. **Направление, настройки, пороги — до проверки.** По отложенным своим картинкам и по третьему, тоже чужому, набору. Запишите, сколько настроек перепробовали.
# 4. **Несколько чужих наборов, и близкие тоже** (вверх ногами, выцветшие, прошлогодние). Одна пара ничего не доказывает.
# 5. **Интервалы, и обучений больше одного.** Бутстрап по картинкам ничего не знает о начальных весах.
# 6. **Батчи, где они есть.** Поток с одной камеры — батч.
# 7. **Частота тревог в работе.** Одна ложная тревога на 20 картинок — это 4000 в день при 80 000 картинок; а точность зависит от того, насколько редко чужое.
# 8. **Что не сработало, остаётся в таблице.**
#
# ## На одном экране
#
# | оценка | формула | что исправляет | что её обманет |
# |---|---|---|---|
# | правдоподобие | $\log p(x)$ | | простые картинки |
# | типичность | $-\lvert \log p(x) - \overline{\log p}\rvert$ | «слишком вероятно» | всё, у чего правдоподобие то же |
# | WAIC | $\mathbb E_\theta \log p_\theta - \operatorname{Var}_\theta \log p_\theta$ | случайность одного обучения | то, что выучили все модели |
# | отношение правдоподобий | $\log p(x) - \log p_0(x)$ | фон, координаты | то, что странно для $p_0$ |
# | сложность входа | $\log p(x) + L(x) \log 2$ | простоту | обычные нити в необычном порядке |
# | обучение на выбросах | $\log p_\theta(x)$ после обучения с зазором | то, что показали | то, чего не показали |
#
# ## Вопросы
#
# <details>
# <summary><b>1.</b> AUROC оценки на нашей паре 0.08. Коллега предлагает взять её с минусом, и будет 0.92. Что вы ответите?</summary>
#
# Что знак — это настройка и выбрана она по проверочной паре. На следующей паре (одежда и шум) у оценки с минусом AUROC будет около 0, потому что у правдоподобия там около 1. Если опасаются «слишком вероятного», то это говорит типичность, не подглядывая в цифры, и платит за это тревогами с обеих сторон.
#
# </details>
#
# <details>
# <summary><b>2.</b> В 784 измерениях типичное множество нормального распределения — слой шириной 20 натов. Почему у одежды он в десять раз шире и чем это плохо для типичности?</summary>
#
# Закону больших чисел нужны слабо зависимые слагаемые. А пиксели одной картинки связаны её видом: рубашка с узором дорога сразу во всех пикселях. Дисперсия суммы складывается тогда из различий между картинками, а не из шума внутри одной. Слой толстый, и чужая картинка находит в нём место.
#
# </details>
#
# <details>
# <summary><b>3.</b> Почему типичности помогает батч и когда не поможет никакой?</summary>
#
# У среднего $M$ значений $\log p$ стандартное отклонение в $\sqrt M$ раз меньше, и видны всё меньшие различия средних. Если средние равны (переодетые цифры), видеть нечего: критерий сравнивает только их. Можно сравнивать ещё и дисперсии или целиком распределения; тогда противнику придётся подогнать не одно число, а два.
#
# </details>
#
# <details>
# <summary><b>4.</b> Все картинки увеличили, повторив каждый пиксель в квадрате $2 \times 2$, и правдоподобие каждого пикселя осталось прежним. Что станет с двумя слагаемыми WAIC? А если считать в битах?</summary>
#
# Сумма по пикселям вырастет в 4 раза, значит, среднее в 4 раза, а дисперсия в 16: оценка уже другая. В битах среднее делится на $\log 2$, а дисперсия на $(\log 2)^2$: опять другая. У суммы натов с квадратными натами нет смысла, который не зависел бы от единиц, и это должно настораживать.
#
# </details>
#
# <details>
# <summary><b>5.</b> Что станет с отношением правдоподобий, если фоновую модель обучать при доле мутаций 0? А при доле 1?</summary>
#
# При 0 и той же архитектуре $p_0 = p$, и отношение для всех картинок равно 0 или шуму двух обучений. При 1 обучающие картинки — равномерный шум, $p_0(x) = 16^{-D}$ для всех $x$, и отношение — это правдоподобие плюс константа: снова парадокс. Полезные доли посередине, а где именно, надо выбирать на третьем наборе.
#
# </details>
#
# <details>
# <summary><b>6.</b> Почему сложность входа — отношение правдоподобий и почему обратимое отображение пикселей она переживает лишь отчасти?</summary>
#
# По неравенству Крафта $2^{-L(x)}$ есть (суб)вероятность, и $\log p + L \log 2 = \log (p / p_c)$. В отношении *двух моделей, которые переносятся вместе с отображением*, якобиан сокращается. Но архиватор не переносится: он применяется к тем байтам, какие дали. Перемешайте пиксели — $p$ (обученная заново) останется той же, а PNG не найдёт, что сжимать. Наш PNG для уровней от 0 до 15 — лёгкий случай той же беды.
#
# </details>
#
# <details>
# <summary><b>7.</b> Обучение на буквах как выбросах находит цифры почти безошибочно. Значит, это лучшая из наших оценок?</summary>
#
# На этой паре да. Но ей и сказали больше: она видела 10 000 картинок с тонкими светлыми штрихами. Честно было бы сравнить её с классификатором одежды против букв: он видел то же самое и справится, скорее всего, не хуже. А цену показывает рисунок 9: то, что в стороне от вспомогательного набора, например выцветшая одежда, обнаруживается не лучше, чем раньше, или хуже.
#
# </details>
#
# <details>
# <summary><b>8.</b> Бутстрап-интервал для AUROC [0.93, 0.95]. Другая группа повторила и получила 0.78. Значит, кто-то ошибся?</summary>
#
# Не обязательно. Интервал учитывает только выбор тестовых картинок. Другое обучение, другая архитектура, другая версия архиватора, другой способ уменьшить картинки: всё это за его пределами. Такой случай в литературе есть: сложность с PNG на CIFAR-10 и SVHN, 0.95 и 0.78.
#
# </details>
#
# ## Что почитать
#
# * E. Nalisnick, A. Matsukawa, Y. W. Teh, D. Gorur, B. Lakshminarayanan. *Do Deep Generative Models Know What They Don't Know?* ICLR, 2019, [arXiv:1810.09136](https://arxiv.org/abs/1810.09136). Тот самый вопрос.
# * H. Choi, E. Jang, A. Alemi. *WAIC, but Why? Generative Ensembles for Robust Anomaly Detection.* 2018, [arXiv:1810.01392](https://arxiv.org/abs/1810.01392). Тот же парадокс, найденный независимо; ансамбли; кольцо.
# * D. Hendrycks, M. Mazeika, T. Dietterich. *Deep Anomaly Detection with Outlier Exposure.* ICLR, 2019, [arXiv:1812.04606](https://arxiv.org/abs/1812.04606).
# * E. Nalisnick, A. Matsukawa, Y. W. Teh, B. Lakshminarayanan. *Detecting Out-of-Distribution Inputs to Deep Generative Models Using Typicality.* 2019, [arXiv:1906.02994](https://arxiv.org/abs/1906.02994). Критерий для батча.
# * J. Ren et al. *Likelihood Ratios for Out-of-Distribution Detection.* NeurIPS, 2019, [arXiv:1906.02845](https://arxiv.org/abs/1906.02845).
# * J. Serrà et al. *Input Complexity and Out-of-Distribution Detection with Likelihood-Based Generative Models.* ICLR, 2020, [arXiv:1909.11480](https://arxiv.org/abs/1909.11480).
# * R. Schirrmeister, Y. Zhou, T. Ball, D. Zhang. *Understanding Anomaly Detection with Deep Invertible Networks through Hierarchies of Distributions and Features.* NeurIPS, 2020, [arXiv:2006.10848](https://arxiv.org/abs/2006.10848). Отношения, где фоном служит общая модель; то самое повторение.
# * L. Zhang, M. Goldstein, R. Ranganath. *Understanding Failures in Out-of-Distribution Detection with Deep Generative Models.* ICML, 2021, [arXiv:2107.06908](https://arxiv.org/abs/2107.06908).
# * C. Le Lan, L. Dinh. *Perfect Density Models Cannot Guarantee Anomaly Detection.* Entropy, 2021, [arXiv:2012.03808](https://arxiv.org/abs/2012.03808).
#
# Теперь [лабораторная](../../labs/ru/09_detecting.ipynb).
