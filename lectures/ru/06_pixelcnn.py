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
# # PixelCNN: пиксель за пикселем
#
# **Вопрос.** На занятиях 01–04 за точное правдоподобие приходилось платить: отображение должно быть обратимым, а к целым яркостям надо прибавлять шум. Нельзя ли обойтись без того и другого: взять сеть какую угодно, а считать *вероятность* картинки из байтов, ровно такой, какой она лежит на диске? И если можно, то какой ценой?
#
# Ответ — правило умножения вероятностей и по классификатору на каждый пиксель, который видит предыдущие. К концу лекции вы пересчитаете такую модель до последней картинки, научите другую писать по-английски, обрежете свёртки так, чтобы они не подсматривали, градиентами найдёте место, где они слепы, вылечите их, обучите на цифрах, попросите дорисовать недорисованное и измерите, во что обходится сэмплирование.
#
# **Понадобятся** занятия 01 и 03 и немного 04 (бит на размерность). **Времени** уйдёт минут 80, и ещё 60–90 на [лабораторную](../../labs/ru/06_pixelcnn.ipynb).
#
# | обозначение | смысл |
# |---|---|
# | $x = (x_1, \dots, x_D)$ | картинка: $D$ целых чисел от 0 до 255, строка за строкой; или текст: $D$ символов |
# | $x_{<i}$ | всё, что в этом порядке стоит до $x_i$ |
# | $p(x_i \mid x_{<i})$ | закон одного пикселя или символа: его возвращает сеть |
# | $c$ | условие: класс или любой вектор |

# %%
import collections
import itertools
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import optimize, special
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from dgm_tfp import data, models, profiles, training

keras.utils.set_random_seed(0)
tf.get_logger().setLevel("ERROR")  # it counts the graphs of many models as one's
rng = np.random.default_rng(0)
profile = profiles.current().name  # "laptop" by default: decides how long we train

BLUE, LIGHT, RED = "#1f6f8b", "#7fb7c9", "#d1495b"
plt.rcParams.update(
    {
        "figure.dpi": 80,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)

# %% [markdown]
# ## Способ 1: выписать правдоподобие
#
# Из трёх способов построить генеративную модель (занятие 00) этот самый прямой: задать $p(x)$ явной функцией и сделать её на данных как можно больше. Таблицу по всем картинкам не задаст никто: в ней $256^{784}$ чисел. Правило умножения разбирает объект на мелкие части:
#
# > **Теорема.** Пусть каждая из $x_1, \dots, x_D$ принимает конечное число значений.
# > (а) Всякое распределение есть произведение своих условных, в каком угодно порядке координат: $p(x) = \prod_{i=1}^{D} p(x_i \mid x_{<i})$.
# > (б) И наоборот: возьмём *любые* функции $q_i(x_i \mid x_{<i}) \ge 0$, у которых $\sum_{v} q_i(v \mid x_{<i}) = 1$. Тогда $q(x) = \prod_i q_i(x_i \mid x_{<i})$ — распределение: сумма по всем $x$ равна 1, и никакой константы вычислять не надо.
# >
# > *Доказательство.* (а) $p(x_i \mid x_{<i}) = p(x_1, \dots, x_i) / p(x_1, \dots, x_{i-1})$, и в произведении сокращается всё, кроме последнего числителя. (б) Просуммируем сначала по последней координате: она входит только в один множитель.
# >
# > $$\sum_{x_1} q_1(x_1) \sum_{x_2} q_2(x_2 \mid x_1) \cdots \underbrace{\sum_{x_D} q_D(x_D \mid x_{<D})}_{=\,1} = \sum_{x_1} q_1(x_1) \cdots \underbrace{\sum_{x_{D-1}} q_{D-1}(x_{D-1} \mid x_{<D-1})}_{=\,1} = \dots = 1. \qquad \square$$
#
# Часть (а) говорит, что ничего не потеряно, часть (б) — что и испортить ничего нельзя: softmax в сумме даёт 1, а за ним и всё произведение. Якобиана нет, обращать нечего. Обязанность единственная: $q_i$ должна быть функцией от $x_{<i}$ **и больше ни от чего**.
#
# У картинок $2 \times 2$ с четырьмя уровнями яркости всё можно пересчитать: их $4^4 = 256$.

# %% tags=["nbval-check-output"]
images_2x2 = np.array(list(itertools.product(range(4), repeat=4)))  # (256, 4): all


def random_log_prob(x, order, seed):
    """log q(x) of each row; each factor is a random network of the pixels before it."""
    source, total = np.random.default_rng(seed), 0.0
    for place, pixel in enumerate(order):
        known = x[:, order[:place]]
        W, V = source.normal(size=(place, 20)), source.normal(size=(20, 4))
        logits = np.tanh(known @ W + source.normal(size=20)) @ V
        total = total + special.log_softmax(logits, axis=1)[range(len(x)), x[:, pixel]]
    return total


for seed, order in enumerate(([0, 1, 2, 3], [3, 1, 0, 2], [2, 0, 3, 1])):
    q = np.exp(random_log_prob(images_2x2, order, seed))
    print(
        f"(b) order {order}: {q.sum():.6f} in all, from {q.min():.0e} to {q.max():.2f}"
    )

table = np.random.default_rng(5).dirichlet(np.ones(256)).reshape(4, 4, 4, 4)  # any p(x)
for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
    p, product = table.transpose(order), 1.0
    for i in range(4):
        joint = p.sum(axis=tuple(range(i + 1, 4)), keepdims=True)  # p(x_1..x_i)
        product = product * joint / joint.sum(axis=i, keepdims=True)
    print(f"(a) order {order}: product = p for all 256:", np.allclose(product, p))

# %% [markdown]
# **Знакомый родственник.** MAF (занятие 03) — то же произведение, но с нормальными законами, для вещественных чисел:
#
# | | MAF | PixelCNN |
# |---|---|---|
# | координата | вещественное число | целое от 0 до 255 |
# | $p(x_i \mid x_{<i})$ | нормальный закон или то, что сделал из него сплайн | таблица из 256 вероятностей: форма любая |
# | $p(x)$ | плотность; байтам нужен шум (деквантизация), и выходит оценка | вероятность: точно и без шума |
# | функция потерь | бывает отрицательной | не меньше энтропии, отрицательной не бывает |
# | шум $z \leftrightarrow x$ | в обе стороны | никакого $z$ нет |
# | оценить, сэмплировать | 1 проход, $D$ шагов | 1 проход, $D$ шагов |
#
# Функция потерь — среднее $-\log_2 p(x)$ в битах: до такой длины сжал бы картинку без потерь архиватор, знающий $p$. Поделив на $D$, получим **бит на размерность**. На занятиях 02–04 это была оценка сверху, ведь прибавлялся шум; здесь число точное.
#
# **Чем плох способ 1.** Об этом лучше сказать сразу. Надо *выбрать закон и порядок*, а природа не подсказывает ни того, ни другого: кто же читает картинку, как страницу? И *вывод дорог*: сэмплирование — это $D$ проходов один за другим, а на вопрос «что сверху, если известно, что снизу» быстрого ответа нет: цепочка идёт в другую сторону. Нет и скрытой переменной, которая сказала бы о картинке коротко. Да и хорошее правдоподобие не обещает хороших сэмплов (занятие 07).

# %% [markdown]
# ## Сначала символы
#
# У текста порядок свой, с него и начнём. Наш есть в каждом Python: это справочник, который показывает `help()`, каждый абзац по одному разу. Последняя десятая часть пойдёт на тест.
#
# Самый простой закон $p(x_i \mid x_{<i})$ смотрит только на $k$ последних символов и считает, что следовало за ними в обучающем тексте. К каждому счётчику прибавим чуть-чуть, иначе у невиданной пары вероятность была бы 0, а у тестового текста $-\log 0$:
#
# $$p(x_i = v \mid x_{i-k}, \dots, x_{i-1}) = \frac{n(x_{i-k} \dots x_{i-1} v) + \alpha}{n(x_{i-k} \dots x_{i-1}) + \alpha V},$$
#
# где $V$ — число символов в алфавите.

# %%
corpus = data.load_text()
train_text, test_text, symbols = corpus
print(f"{len(train_text):,} characters and {len(test_text):,} for the test,", end=" ")
print(f"{len(symbols)} different ones; for instance:\n")
print(train_text[2000:2300])


# %%
class Counts:
    """p(next character | the k before it), from the counts in a text."""

    def __init__(self, text, k, alpha=0.001):
        self.k, self.alpha = k, alpha
        self.after = collections.defaultdict(collections.Counter)
        for i in range(k, len(text)):
            self.after[text[i - k : i]][text[i]] += 1

    def law(self, past):
        """The probabilities of all symbols after a text."""
        seen = self.after.get(past[len(past) - self.k :], {})
        n = np.array([seen.get(symbol, 0) for symbol in symbols]) + self.alpha
        return n / n.sum()

    def bits(self, text):
        """Mean of -log2 p per character: the chain rule, one factor after another."""
        cost = 0.0
        for i in range(self.k, len(text)):
            seen = self.after.get(text[i - self.k : i], {})
            total = sum(seen.values()) + self.alpha * len(symbols)
            cost -= np.log2((seen.get(text[i], 0) + self.alpha) / total)
        return cost / (len(text) - self.k)

    def write(self, start, n, source):
        """Draw a character, append it, draw the next."""
        past = start
        for _ in range(n):
            past += source.choice(list(symbols), p=self.law(past))
        return past


ks = range(7)
length = 60_000 if profile == "smoke" else len(train_text)
counts = [Counts(train_text[:length], k) for k in ks]
bits_train = [model.bits(train_text[:20_000]) for model in counts]
bits_test = [model.bits(test_text[:20_000]) for model in counts]
print(
    f"knowing nothing: log2 {len(symbols)} = {np.log2(len(symbols)):.2f} bits per character"
)
for k in (0, 1, 3, 6):
    print(
        f"\nk = {k}: train {bits_train[k]:.2f}, test {bits_test[k]:.2f} bits per character"
    )
    print(repr(counts[k].write(train_text[:10], 100, np.random.default_rng(k))[10:]))


# %% [markdown]
# При $k = 3$ слова похожи на английские, при $k = 6$ они английские и есть: модель списывает, пока не забредёт в контекст, которого никогда не встречала; там для неё все символы одинаковы, и обратно ей не выбраться. В тестовом тексте такие контексты попадаются ей на каждом шагу, и она *хуже*, чем при $k = 3$. Это обратная сторона «высокого правдоподобия» — переобучение. Таблице неоткуда знать, что два контекста похожи.
#
# **Рекуррентная сеть** знает (прославил её сочинения Karpathy, 2015). От символа к символу она несёт состояние $h$, в котором собрано всё $x_{<i}$, сколь бы длинным оно ни было:
#
# $$h_i = \tanh(h_{i-1} U + W_{x_{i-1}} + b), \qquad p(x_i = v \mid x_{<i}) = \operatorname{softmax}(h_i V + a)_v.$$
#
# Следите за индексами: $h_i$ прочитало символы до $x_{i-1}$ и предсказывает $x_i$. При обучении сети дают текст, а спрашивают тот же текст, *сдвинутый на один*. Дай ей и $x_i$, функция потерь ушла бы в 0, а научилась бы сеть переписывать. Вручную и рядом с Keras:

# %% tags=["nbval-check-output"]
def hand_rnn(tokens, W, U, b, V, a):
    """log p of all characters but the first given the ones before: (n, T) -> (n, T - 1)."""
    h, costs = np.zeros((len(tokens), U.shape[0])), []
    for i in range(1, tokens.shape[1]):
        h = np.tanh(h @ U + W[tokens[:, i - 1]] + b)
        log_p = special.log_softmax(h @ V + a, axis=1)
        costs.append(log_p[range(len(tokens)), tokens[:, i]])
    return np.stack(costs, axis=1)


V_size, width = 20, 32
source = np.random.default_rng(2)
layer, head = (
    keras.layers.SimpleRNN(width, return_sequences=True),
    keras.layers.Dense(V_size),
)
layer.build((None, None, V_size))
head.build((None, None, width))
variables = *layer.trainable_variables, *head.trainable_variables  # W, U, b, V, a
for bias in variables[2], variables[4]:
    bias.assign(source.normal(size=bias.shape))
weights = [variable.numpy() for variable in variables]

tokens = source.integers(0, V_size, (5, 12))
log_p = hand_rnn(tokens, *weights)
logits = head(layer(np.eye(V_size, dtype=np.float32)[tokens[:, :-1]]))  # reads 0..T-2
stock = tfd.Categorical(logits=logits).log_prob(tokens[:, 1:])  # is asked for 1..T-1
print("the same as Keras:", np.allclose(log_p, stock, atol=1e-4))
changed = tokens.copy()
changed[:, 6] = (changed[:, 6] + 1) % V_size
moved = np.abs(hand_rnn(changed, *weights) - log_p).max(axis=0) > 1e-6
print("character 7 changed; factors that moved:", np.flatnonzero(moved) + 2)

# %% [markdown]
# `models.CharRNN` — такая сеть, только ячейка в ней не столь забывчива, как $\tanh$ (это GRU). Обучают её на окнах по 64 символа. Функция потерь — то же число, что у счётчиков: бит на символ.

# %%
LENGTH = 64
writer = models.CharRNN((LENGTH,), symbols, hidden=32 if profile == "smoke" else 128)
schedule = training.WarmUpCosine(5e-3)
writer.compile(optimizer=training.adam(schedule))
updates = {"smoke": 20, "laptop": 400, "gpu": 4000}[profile]
budget = training.Budget(updates=updates, schedule=schedule, progress=False)
windows = corpus.windows("train", LENGTH)
writer.fit(windows, epochs=10_000, batch_size=64, verbose=0, callbacks=[budget])
rnn_bits = writer.surprise(test_text[:20_000]).mean()
print(
    f"counts at their best {min(bits_test):.2f}, RNN {rnn_bits:.2f} bits per character"
)

for temperature in (0.4, 1.0, 1.6):
    print(f"\ntemperature {temperature}:")
    print(writer.generate("The ", 250, temperature=temperature, seed=1))

# %%
figure, axis = plt.subplots(figsize=(5.2, 2.8))
axis.plot(ks, bits_train, "o-", color=LIGHT, label="счётчики, обучающий текст")
axis.plot(ks, bits_test, "o-", color=BLUE, label="счётчики, тестовый текст")
axis.axhline(rnn_bits, color=RED, ls="--", lw=1.2, label="RNN, тестовый текст")
axis.set(xlabel="символов помнит, $k$", ylabel="бит на символ", ylim=(0, 6))
axis.legend(fontsize=8);


# %% [markdown]
# *Рис. 1. Бит на символ у моделей-счётчиков и у рекуррентной сети на тестовом тексте.*
#
# **Температура** $T$ заменяет каждый закон на пропорциональный $p^{1/T}$: логиты делят на $T$. Ниже 1 текст становится осторожным и повторяется, выше 1 — диковатым. Это регулятор вкуса; правдоподобие знает только $T = 1$.

# %% [markdown]
# ## Картинка — текст из пикселей
#
# Если читать её строка за строкой, картинка — это текст, в алфавите которого 256 букв, и написать её могла бы рекуррентная сеть (PixelRNN, van den Oord et al. 2016a). Но рекуррентная сеть и *при обучении* проходит 784 шага. А ведь при обучении картинка уже есть вся: все условные распределения можно вычислить за один проход, если сеть выдаёт для пикселя $i$ то, что зависит только от $x_{<i}$. Это MADE, только вместо полносвязных слоёв свёртки. Ядро на все пиксели одно, поэтому и маска — одна маленькая таблица:
#
# * **маска A**, первый слой: строки выше, а в своей строке то, что левее центра. Но *не* центр: там сам $x_i$;
# * **маска B**, все следующие слои: ещё и центр. Там теперь признак пикселя $i$, который знает только $x_{<i}$.
#
# Это снова история о неравенствах MADE: на каждом пути одно строгое $<$, а дальше $\le$.

# %% tags=["nbval-check-output"]
def make_mask(size, kind):
    """What a kernel of size x size keeps, kind "A" or "B": (size, size)."""
    mask, middle = np.zeros((size, size)), size // 2
    mask[:middle] = 1  # the rows above
    mask[middle, : middle + (kind == "B")] = 1  # left of the centre; B: and it
    return mask


for kind in "AB":
    print(kind, make_mask(5, kind), sep="\n")


# %% [markdown]
# Целая PixelCNN такого вида (van den Oord et al. 2016a) — дюжина строк. Возвращает она логиты: для каждого пикселя по числу на уровень яркости.

# %%
class HandPixelCNN:
    """Masked convolutions: integers (n, h, w, 1) -> logits (n, h, w, levels)."""

    def __init__(self, masks, width=16, levels=4, seed=0):
        source, sizes = np.random.default_rng(seed), [levels] + [width] * len(masks)
        pairs = itertools.pairwise(sizes)
        shapes = [(*mask.shape, *io) for mask, io in zip(masks, pairs, strict=True)]
        shapes.append((1, 1, width, levels))  # the last one looks at its own pixel
        masks = [*masks, np.ones((1, 1))]
        self.masks = [mask[:, :, None, None].astype(np.float32) for mask in masks]
        self.kernels = [
            tf.Variable(
                source.normal(size=s) * 1.5 / np.prod(s[:3]) ** 0.5, dtype="float32"
            )
            for s in shapes
        ]
        self.biases = [tf.Variable(tf.zeros(shape[3])) for shape in shapes]
        self.levels, self.variables = levels, [*self.kernels, *self.biases]

    def __call__(self, images):
        return self.logits(tf.one_hot(images[..., 0], self.levels))

    def logits(self, h):
        """From indicators of the levels, (n, h, w, levels): these have derivatives."""
        layers = list(zip(self.kernels, self.masks, self.biases, strict=True))
        for k, (kernel, mask, bias) in enumerate(layers):
            h = tf.nn.conv2d(h, kernel * mask, 1, "SAME") + bias
            h = tf.nn.elu(h) if k + 1 < len(layers) else h
        return h


def log_prob(net, images):
    """log p(x) of each image in nats: the sum over its pixels."""
    logits, labels = net(images), tf.cast(images[..., 0], tf.int32)
    cost = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return -tf.reduce_sum(cost, axis=(1, 2))


masks = [make_mask(3, kind) for kind in "ABBB"]
tiny = HandPixelCNN(masks)
as_images = tf.constant(images_2x2.reshape(-1, 2, 2, 1))
total = np.exp(log_prob(tiny, as_images)).sum()


# %% [markdown]
# Честная ли она? Три доказательства. *Пересчёт*: вероятности 256 картинок. *Градиенты*: от чего зависит выход для одного пикселя? (Веса и картинки случайные, функции активации гладкие: где нуль, там связь разорвана.) *Хирургия*: изменим пиксель и убедимся, что ни один выход до него и в нём самом не шелохнулся.

# %% tags=["nbval-check-output"]
def seen_from(net, row, column, size=13, levels=4, draws=3):
    """Which pixels influence the output at (row, column): bool (size, size)."""
    h = tf.random.stateless_uniform((draws, size, size, levels), seed=(row, column))
    with tf.GradientTape() as tape:
        tape.watch(h)
        output = net.logits(h)[:, row, column]
        output = tf.reduce_sum(
            output * tf.random.stateless_normal(output.shape, seed=(1, 2))
        )
    return np.abs(tape.gradient(output, h)).max(axis=(0, 3)) > 0


def come_before(row, column, size=13):
    """Which pixels come before (row, column), row by row: bool (size, size)."""
    return np.arange(size**2).reshape(size, size) < row * size + column


print(f"counting: the probabilities of all 256 images sum to {total:.5f}")
honest = [
    not (seen_from(tiny, r, c) & ~come_before(r, c)).any()
    for r, c in np.ndindex(13, 13)
]
print(
    "gradients: outputs that see only what comes before:",
    sum(honest),
    "of",
    len(honest),
)
images = rng.integers(0, 4, (1, 13, 13, 1))
changed = images.copy()
changed[0, 6, 6] = (changed[0, 6, 6] + 1) % 4
moved = np.abs(tiny(images) - tiny(changed)).max(axis=3)[0] > 0
print(
    "surgery: outputs moved at or before the pixel:",
    (moved & (come_before(6, 7))).sum(),
)
print(
    "what the middle of 13 x 13 sees:",
    seen_from(tiny, 6, 6).sum(),
    "pixels of",
    6 * 13 + 6,
)

# %% [markdown]
# ## Слепое пятно
#
# Честная — да. Но видит ли она *всё*, что было раньше? Чем больше слоёв, тем шире поле зрения; посмотрим.

# %%
depths = 1, 2, 4, 8
views = [
    seen_from(HandPixelCNN([make_mask(3, k) for k in "A" + "B" * (depth - 1)]), 6, 6)
    for depth in depths
]


def show_view(axis, seen, title, row=6, column=6):
    """Dark: seen; light: comes before and is not seen; red: the pixel itself."""
    before = come_before(row, column, len(seen))
    shown = np.where(seen, 2.0, np.where(before, 1.0, 0.0))
    axis.imshow(shown, cmap="Blues", vmin=0, vmax=2.6)
    edge = {"fill": False, "edgecolor": "white", "lw": 0.5}
    for r, c in np.ndindex(seen.shape):
        axis.add_patch(plt.Rectangle((c - 0.5, r - 0.5), 1, 1, **edge))
    axis.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, color=RED))
    axis.set(title=title, xticks=[], yticks=[])


# %%
figure, axes = plt.subplots(1, 4, figsize=(9, 2.6))
for axis, view, depth in zip(axes, views, depths, strict=True):
    show_view(axis, view, f"слоёв: {depth}")

# %% [markdown]
# *Рис. 2. Что видит красный пиксель при масках $3 \times 3$ (тёмное) и что стоит до него, но не видно (светлое).*
#
# Сколько слоёв ни возьми, клин справа вверху остаётся вне поля зрения.
#
# > **Теорема.** Пусть все ядра размера $(2m + 1) \times (2m + 1)$, с масками A и B. Выход в точке $(r, c)$ не зависит от пикселя, который на $a$ строк выше и на $b$ столбцов правее, если $b > m a$, каково бы ни было число слоёв.
# >
# > *Доказательство.* Пройдём от выхода назад к пикселю, слой за слоем. В слое можно либо сдвинуться влево по строке (или остаться на месте), либо подняться хотя бы на строку и при этом сдвинуться вправо не больше чем на $m$ столбцов. Подняться надо всего на $a$ строк, значит, слоёв с подъёмом не больше $a$, а вправо ведут только они: не дальше чем на $m a$ столбцов. $\square$
#
# При $m = 1$ и середине картинки $13 \times 13$ в клине $5 + 4 + 3 + 2 + 1 = 15$ пикселей, и они бы пригодились: оттуда приходит штрих, идущий вниз и влево.

# %% tags=["nbval-check-output"]
for depth in (2, 4, 8, 12):
    net = HandPixelCNN([make_mask(3, k) for k in "A" + "B" * (depth - 1)])
    print(
        f"{depth:2} layers:",
        (come_before(6, 6) & ~seen_from(net, 6, 6)).sum(),
        "unseen",
    )
up, right = np.mgrid[6:-7:-1, -6:7]  # rows above, columns to the right of the middle
wedge = come_before(6, 6) & (right > up)
unseen = come_before(6, 6) & ~seen_from(net, 6, 6)
print("the unseen pixels are the wedge b > a:", (unseen == wedge).all(), wedge.sum())


# %% [markdown]
# ## Лечение: две ветви
#
# Клин возникает оттого, что одним правилом описано разное: в своей строке известно только то, что левее, а в строках выше — *всё*. Разделим их (van den Oord et al. 2016b):
#
# * **вертикальная ветвь** $v$ знает строки выше, каждую целиком: ядра у неё $(m + 1) \times (2m + 1)$, то есть своя строка и те, что над ней, а на вход подаётся картинка, сдвинутая на строку *вниз*;
# * **горизонтальная ветвь** $h$ знает свою строку до пикселя: ядра $1 \times (m + 1)$, на входе картинка, сдвинутая на пиксель *вправо*. В каждом слое она слышит ещё и $v$ в том же месте. И никогда наоборот: иначе $v$ узнала бы про текущую строку и передала бы это тем, кто левее.
#
# После двух сдвигов маскировать уже нечего: у ядер только та форма, какая дозволена. А вместо ReLU — **вентили**, как в LSTM: одна половина признаков говорит, что передать, другая — сколько,
#
# $$y = \tanh(W_f * x + U_f c) \odot \sigma(W_g * x + U_g c).$$
#
# Здесь $c$ — условие, например класс в виде индикатора: его прибавляют в каждом месте и без маски, ведь оно «стоит раньше» любого пикселя. Отсюда $p(x \mid c) = \prod_i p(x_i \mid x_{<i}, c)$.

# %%
def shift(x, down=0, right=0):
    """The same image moved down or right; zeros come in."""
    h, w = x.shape[1:3]
    return tf.pad(x, [[0, 0], [down, 0], [right, 0], [0, 0]])[:, :h, :w]


def vertical(x, kernel):
    """Each row from itself and those above. kernel: (m + 1, 2m + 1, in, out)."""
    rows, columns = kernel.shape[:2]
    side = columns // 2
    x = tf.pad(x, [[0, 0], [rows - 1, 0], [side, side], [0, 0]])
    return tf.nn.conv2d(x, kernel, 1, "VALID")


def horizontal(x, kernel):
    """Each pixel from itself and those left of it. kernel: (1, m + 1, in, out)."""
    x = tf.pad(x, [[0, 0], [0, 0], [kernel.shape[1] - 1, 0], [0, 0]])
    return tf.nn.conv2d(x, kernel, 1, "VALID")


def gate(a):
    what, how_much = tf.split(a, 2, axis=-1)
    return tf.tanh(what) * tf.sigmoid(how_much)


class HandGatedPixelCNN(HandPixelCNN):
    """Two stacks of gated layers; the same call and the same levels as HandPixelCNN."""

    def __init__(self, layers, width=16, levels=4, m=1, seed=0):
        source, self.levels, self.variables = np.random.default_rng(seed), levels, []

        def weight(*shape):
            start = source.normal(size=shape) / np.prod(shape[:3]) ** 0.5
            self.variables.append(tf.Variable(start, dtype="float32"))
            return self.variables[-1]

        self.layers = []
        for inputs in [levels] + [width] * (layers - 1):
            kernel_v = weight(m + 1, 2 * m + 1, inputs, 2 * width)
            kernel_h, v_to_h = (
                weight(1, m + 1, inputs, 2 * width),
                weight(1, 1, width, 2 * width),
            )
            self.layers.append((kernel_v, kernel_h, v_to_h))
        self.last = weight(1, 1, width, levels)

    def logits(self, x):
        v, h = shift(x, down=1), shift(x, right=1)
        for kernel_v, kernel_h, v_to_h in self.layers:
            v = gate(vertical(v, kernel_v))
            new = gate(horizontal(h, kernel_h) + horizontal(v, v_to_h))
            h = new if h.shape != new.shape else h + new  # the residual connection
        return horizontal(h, self.last)


# %% tags=["nbval-check-output"]
gated = HandGatedPixelCNN(12)
total = np.exp(log_prob(HandGatedPixelCNN(3), as_images)).sum()
print(f"counting: the probabilities of all 256 images sum to {total:.5f}")
places = (6, 6), (8, 12), (3, 0)
exact = [(seen_from(gated, *p) == come_before(*p)).all() for p in places]
print("sees all that comes before and nothing else:", all(exact))

# %%
blind = HandGatedPixelCNN(2)
blind.layers = [(v, h, 0 * u) for v, h, u in blind.layers]  # h не слышит v
figure, axes = plt.subplots(1, 4, figsize=(9, 2.6))
both, row_only = seen_from(HandGatedPixelCNN(2), 6, 6), seen_from(blind, 6, 6)
show_view(axes[0], both & ~row_only, "вертикальная, 2 слоя")
show_view(axes[1], row_only, "горизонтальная, 2 слоя")
show_view(axes[2], both, "обе, 2 слоя")
show_view(axes[3], seen_from(gated, 6, 6), "обе, 12 слоёв")


# %% [markdown]
# *Рис. 3. Две ветви порознь и вместе. При восьми слоях $3 \times 3$ видно всё, что стоит раньше.*
#
# ## Закон пикселя
#
# Сеть возвращает числа; какой закон они описывают? Первый ответ: 256 логитов и **softmax**. Форма может быть любой: несколько горбов, пик в нуле. Зато он не знает, что 99 — сосед 100: каждое значение для него отдельный класс, да и 256 выходов на пиксель (и на цветовой канал) — это много.
#
# Второй ответ (Salimans et al. 2017) про соседей знает: яркость — непрерывная величина $y$, которую округлили до ближайшего целого и **обрезали** до $[0, 255]$. Пусть $y$ распределена как смесь $K$ логистических законов, функция распределения которых проста: $\sigma\bigl((y - \mu)/s\bigr)$. Тогда вероятность целого числа — то, что лежит между границами округления:
#
# $$P(x) = \sum_{k=1}^K \pi_k \left[ \sigma\!\left(\tfrac{x + 1/2 - \mu_k}{s_k}\right) - \sigma\!\left(\tfrac{x - 1/2 - \mu_k}{s_k}\right) \right], \quad 0 < x < 255,$$
#
# а **края** забирают всё, что обрезано: при $x = 0$ вместо второй $\sigma$ стоит 0, при $x = 255$ вместо первой — 1. По три числа на компоненту вместо 256. Зачем нужны края: слагаемые сокращаются, и с краями сумма равна 1, а без них $\sigma\bigl((255.5 - \mu)/s\bigr) - \sigma\bigl((-0.5 - \mu)/s\bigr)$, меньше единицы. Функция потерь не была бы правдоподобием; а у цифр четыре пикселя из пяти чёрные, то есть как раз на краю.

# %% tags=["nbval-check-output"]
def mixture(x, mu, s, pi, edges=True):
    """P of each integer. x: (n,); mu, s, pi: (K,). Returns (n,)."""
    above = special.expit((x[:, None] + 0.5 - mu) / s)
    below = special.expit((x[:, None] - 0.5 - mu) / s)
    if edges:
        above = np.where(x[:, None] == 255, 1.0, above)
        below = np.where(x[:, None] == 0, 0.0, below)
    return (above - below) @ pi


grey = np.arange(256)
for centre, scale in ((128, 10), (250, 10), (2, 5), (-20, 5)):
    law = np.array([centre]), np.array([scale]), np.ones(1)
    total, bare = mixture(grey, *law).sum(), mixture(grey, *law, edges=False).sum()
    print(
        f"mu = {centre:3}, s = {scale:2}: sums to {total:.4f}; without edges {bare:.4f}"
    )

stock = tfb.Shift(-0.5)(tfd.Logistic(2.0, 5.0))  # it rounds up, so -1/2
stock = tfd.QuantizedDistribution(stock, low=0, high=255)
ours = mixture(grey, np.array([2.0]), np.array([5.0]), np.ones(1))
print(
    "the same as TFP's QuantizedDistribution:",
    np.allclose(stock.prob(1.0 * grey), ours),
)

# %% [markdown]
# Насколько хорошо оба закона описывают настоящий пиксель? Возьмём средний пиксель цифр по всем обучающим картинкам и подгоним смеси к его гистограмме (её энтропия — наименьшее, чего может достичь какой-нибудь закон).

# %%
digits = data.load("mnist", "train", source="embedded")
pixel = np.bincount(digits.images[:, 14, 14, 0], minlength=256) / len(digits.images)


def unpack(numbers):
    mu, log_s, logits = numbers.reshape(3, -1)
    return 255 * mu, 255 * np.exp(log_s), special.softmax(logits)


def fit_mixture(K, edges):
    """The parameters of K components that need the fewest bits for the histogram."""

    def cost(numbers):
        return -pixel @ np.log2(mixture(grey, *unpack(numbers), edges) + 1e-12)

    start = np.concatenate(
        [np.linspace(0, 1, K + 2)[1:-1], np.full(K, -2.5), np.zeros(K)]
    )
    best = optimize.minimize(cost, start, method="L-BFGS-B", options={"maxiter": 60})
    return unpack(best.x), best.fun


entropy = -pixel[pixel > 0] @ np.log2(pixel[pixel > 0])
print(f"entropy of the histogram: {entropy:.2f} bits")
for K in (1, 2, 4):
    with_edges, without = fit_mixture(K, True), fit_mixture(K, False)
    print(
        f"K = {K}: {with_edges[1]:.2f} bits; without edges {without[1]:.2f}", end="; "
    )
    kept = mixture(grey, *without[0], edges=False).sum()
    print(f"these sum to {kept:.3f} over 0..255")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.9))
axes[0].bar(grey, pixel, width=1, color=LIGHT, label="гистограмма: 256 чисел")
axes[0].plot(grey, mixture(grey, *with_edges[0]), color=RED, label="смесь: 12 чисел")
axes[0].set(yscale="log", ylim=(1e-4, 1), xlabel="$x$", ylabel="$P(x)$")
axes[0].legend()
y = np.linspace(-45, 300, 700)
for centre, scale, color in ((8, 9, BLUE), (120, 6, "0.4"), (246, 7, RED)):
    bell = (
        special.expit((y - centre) / scale)
        * special.expit((centre - y) / scale)
        / scale
    )
    axes[1].plot(y, bell, color=color)
    outside = (y < 0) | (y > 255)
    axes[1].fill_between(y, bell, where=outside, color=color, alpha=0.4)
for edge, end, text in (
    (0, 12, "достаётся\n$x = 0$"),
    (255, 243, "достаётся\n$x = 255$"),
):
    axes[1].axvline(edge, color="0.6", lw=0.8, ls="--")
    axes[1].annotate(
        text, (end, 0.0425), ha="left" if edge == 0 else "right", color="0.3"
    )
axes[1].set(xlabel="$y$", ylabel="плотность", ylim=(0, 0.05));

# %% [markdown]
# *Рис. 4. Слева средний пиксель цифр и подогнанная к нему смесь четырёх логистических законов. Справа три логистических закона яркости; то, что вышло за пределы от 0 до 255, принадлежит краям.*
#
# **Цвета.** У пикселя три числа, R, G, B, и они тоже звенья цепочки: $p(r \mid x_{<i})\, p(g \mid r, x_{<i})\, p(b \mid r, g, x_{<i})$. Для softmax признаки делят на три группы, и в центре ядра группа $k$ вправе слышать группу $j$, если $j < k$ (маска A) или $j \le k$ (маска B): снова степени из MADE. Логистическим законам достаточно, чтобы центры сдвигались по уже известному, $\mu_G' = \mu_G + \alpha\, r$, $\mu_B' = \mu_B + \beta\, r + \gamma\, g$, а три коэффициента даёт сеть. Так или иначе, сумма по всем цветам равна 1:

# %% tags=["nbval-check-output"]
group = np.arange(3)  # R, G, B
centre_A, centre_B = group[:, None] < group, group[:, None] <= group
centre_A, centre_B = centre_A.T.astype(int), centre_B.T.astype(int)
print("paths from a colour to an output, masks A, B, B (row: output, column: input):")
print(centre_B @ centre_B @ centre_A)


def law_of(x, centre, scale=0.4, levels=4):
    """One discretised logistic on 0..levels-1, with its edges."""
    above = np.where(x == levels - 1, 1, special.expit((x + 0.5 - centre) / scale))
    return above - np.where(x == 0, 0, special.expit((x - 0.5 - centre) / scale))


r, g, b = np.mgrid[0:4, 0:4, 0:4]  # all 64 colours of 4 levels each
colours = law_of(r, 1.2) * law_of(g, 0.3 + 0.9 * r) * law_of(b, 0.2 + 0.3 * r + 0.6 * g)
print(f"the probabilities of all {colours.size} colours sum to {colours.sum():.6f}")


# %% [markdown]
# ## То же в `dgm_tfp`
#
# `models.PixelCNN` — это то, что мы построили: две ветви слоёв с вентилями, softmax или смесь логистических законов, цвета в порядке R, G, B, по желанию условие. Это такая же `Likelihood`, как все потоки курса, так что `fit`, `log_prob`, `bits_per_dim` и `sample` знакомы; только `distribution` у неё — вероятность целых чисел, и никакой шум никуда не прибавляется. Одно сделано иначе: яркость входит в сеть не одним числом, а восемью (`ramps`), и каждое растёт на своей восьмой части шкалы, чтобы соседние уровни было легко различить. Дадим ей случайные веса и повторим доказательства:

# %% tags=["nbval-check-output"]
def shaken(model):
    """The model with random weights: at the start its last layer is zero."""
    for k, weight in enumerate(model.trainable_variables):
        noise = tf.random.stateless_normal(weight.shape, seed=(k, 3))
        weight.assign(noise / np.sqrt(np.prod(weight.shape[:-1])))
    return model


small = {"filters": 12, "blocks": 5, "head": 16, "first_size": 3}
for law in ("categorical", "mixture"):
    counted = shaken(models.PixelCNN((2, 2, 1), bins=4, law=law, **small))
    total = np.exp(counted.log_prob(images_2x2.reshape(-1, 2, 2, 1))).sum()
    print(f"{law}: the probabilities of all 256 images sum to {total:.4f}")
print("a tfd.Distribution:", isinstance(counted.distribution, tfd.Distribution))

viewed = {**small, "blocks": 8, "ramps": 1}  # a level as one number: one gradient
viewed = shaken(models.PixelCNN((7, 7, 1), bins=4, **viewed))
viewed.logits = viewed.net  # so that seen_from can ask it; one channel, not four
options = {"size": 7, "levels": 1, "draws": 10}
sees = [
    seen_from(viewed, *p, **options) == come_before(*p, 7) for p in ((3, 3), (2, 6))
]
print("sees all that comes before and nothing else:", np.all(sees))


# %% [markdown]
# ## Цифры, пиксель за пикселем
#
# Теперь настоящие картинки, 28 на 28, все 256 уровней. Класс мы модели скажем, $p(x \mid c)$, чтобы она рисовала цифры на заказ. Сравнить её с моделями, которым класса не говорят, это не мешает: класс стоит не больше $\log_2 10 = 3.3$ бита *на картинку*, то есть $3.3 / 784 = 0.004$ бит на размерность. (Доказательство: $p(x) = \sum_c p(c)\,p(x \mid c) \ge \frac{1}{10}\, p(x \mid c)$.)
#
# Один проход сети даёт все 784 множителя, поэтому шаг обучения такой же, как у любой свёрточной сети. Будем записывать функцию потерь на каждом шаге, а в три момента попросим нарисовать по цифре каждого класса.

# %%
class Watch(keras.callbacks.Callback):
    """Keeps the loss of each step, and what the model draws after some of them."""

    def __init__(self, moments):
        super().__init__()
        self.moments, self.curve, self.sheets = moments, [], {}

    def on_train_batch_end(self, batch, logs=None):
        self.curve.append(logs["bits_per_dim"])
        self.model.reset_metrics()  # or the next number would be a mean since the start
        if len(self.curve) in self.moments:
            drawn = self.model.sample(
                1, seed=1, conditioning=np.eye(10, dtype=np.float32)
            )
            self.sheets[len(self.curve)] = drawn[0, ..., 0]


def with_class(loaded, n=None):
    """The pair (images, classes as indicators)."""
    classes = np.eye(10, dtype=np.float32)[np.asarray(loaded.labels)]
    return loaded.images[:n], classes[:n]


pairs = with_class(digits)
test = with_class(data.load("mnist", "test", source="embedded"), 500)
updates = {"smoke": 15, "laptop": 700, "gpu": 6000}[profile]
sizes = {"smoke": {"filters": 8, "blocks": 2, "head": 16}}.get(
    profile, {"filters": 24, "blocks": 5, "head": 32}
)
model = models.PixelCNN((28, 28, 1), conditioning_shape=(10,), **sizes)
schedule = training.WarmUpCosine(4e-3)
model.compile(optimizer=training.adam(schedule))
budget = training.Budget(updates=updates, schedule=schedule, progress=False)
watch = Watch([updates // 15, updates * 6 // 15, updates])
model.fit(pairs, epochs=10_000, batch_size=16, verbose=0, callbacks=[budget, watch])

per_image = model.bits_per_dim(test)
print(
    f"{model.count_params():,} weights, {updates} steps, {updates * 16 / len(digits.images):.1f} epochs"
)
print(f"test set: {per_image.mean():.2f} bits per dimension, exact", end="; ")
print(f"standard error {per_image.std() / len(per_image) ** 0.5:.2f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 2.8), width_ratios=(1, 2.1))
axes[0].plot(np.arange(updates) + 1, watch.curve, color=LIGHT, lw=0.8)
width = max(1, updates // 25)
smooth = np.convolve(watch.curve, np.ones(width) / width, "valid")
axes[0].plot(np.arange(len(smooth)) + width / 2 + 0.5, smooth, color=BLUE)
axes[0].set(xlabel="шаг", ylabel="бит на размерность", ylim=(0.8, 4))
rows = [np.concatenate(list(sheet), axis=1) for sheet in watch.sheets.values()]
axes[1].imshow(np.concatenate(rows), cmap="gray", vmin=0, vmax=255)
axes[1].set_yticks([14, 42, 70], [f"{step * 16 / 10_000:.1f}" for step in watch.sheets])
axes[1].set(xticks=[], ylabel="эпох");


# %% [markdown]
# *Рис. 5. Слева функция потерь по шагам (бледное — каждый батч, тёмное — сглаженное). Справа по одному сэмплу каждого класса от 0 до 9 из одного и того же шума после одной пятнадцатой, шести пятнадцатых и всего обучения.*
#
# Сначала выходят полоски: пиксель и его ближайшие соседи, за белым ещё немного идёт белое. Затем штрихи, нужной толщины и с изгибами. Наконец некоторые штрихи смыкаются в цифры. Учится модель от малого к большому: пиксель, его соседи, целое; и по функции потерь это видно: почти всё падение случается раньше, чем появится первая цифра. Так бывает не только у нас: в студенческих отчётах о PixelCNN с вентилями после 1, 6 и 15 эпох та же серия картинок, на цифрах и, с результатом попечальнее, на CIFAR-10; а лучшая по правдоподобию модель своего времени, PixelCNN++ (2.92 бит на размерность на CIFAR-10, Salimans et al. 2017), рисует тонкие фактуры и почти никогда — предмет.
#
# Хорошее ли это число? Обучение подольше модели побольше доходит на MNIST до 0.81 бит на размерность (P. Lippe, UvA tutorial 12), а потоки на тех же 8-битных цифрах останавливаются на 1.02–1.08 (tutorial 11). Здесь не приходится моделировать шум, а у чёрного пикселя вероятность может быть сколь угодно близка к 1 — гладкому отображению такое даётся с трудом.

# %% [markdown]
# ## Рисование: простой цикл
#
# Чтобы сэмплировать, теорему читают слева направо: взять $x_1$ из $p(x_1)$, поставить в картинку, взять $x_2$ из $p(x_2 \mid x_1)$ и так далее. За каждый проход сеть вычисляет законы всех пикселей, а пригождается из них один. Вот это вручную, с библиотечной сетью; параметр `first` позволяет начать с середины, если начало картинки известно. Это **дорисовывание**: если даны первые 14 строк, цикл сэмплирует из $p(x_{393}, \dots, x_{784} \mid x_1, \dots, x_{392}, c)$, причём точно и безо всякого нового обучения.

# %%
@tf.function(autograph=False)
def plain_loop(images, classes, first, last, seed):
    """Draws pixels first..last-1 one after another, a pass of the network for each.

    images: (n, 28, 28, 1), floats 0..255, known before pixel `first`.
    """

    def one_pixel(k, x):
        logits = model.parameters_of(x, classes)  # (n, 28, 28, 256): all laws
        here = logits[:, k // 28, k % 28]  # one is used
        drawn = tf.random.stateless_categorical(here, 1, seed=tf.stack([seed, k]))
        place = tf.reshape(tf.one_hot(k, 784), (1, 28, 28, 1)) > 0
        return k + 1, tf.where(place, tf.cast(drawn, x.dtype)[:, :, None, None], x)

    return tf.while_loop(lambda k, x: k < last, one_pixel, (first, images))[1]


def complete(images, classes, first, seed, last=784):
    start = tf.where(
        np.arange(784).reshape(28, 28, 1) < first, tf.cast(images, tf.float32), 0
    )
    numbers = (tf.constant(number) for number in (first, last, seed))
    return plain_loop(start, tf.constant(classes), *numbers).numpy()


end = 448 if profile == "smoke" else 784
chosen = np.array(
    [np.flatnonzero(test[1][:, label])[2] for label in (0, 2, 3, 4, 5, 7, 8, 9)]
)
known, classes = test[0][chosen], test[1][chosen]
drawn = [complete(known, classes, 14 * 28, seed, end) for seed in range(3)]

# %%
sheet = np.stack([known, *drawn])[..., 0]  # (4, 8, 28, 28)
show = sheet.transpose(0, 2, 1, 3).reshape(4 * 28, 8 * 28)
figure, axis = plt.subplots(figsize=(6.4, 3.3))
axis.imshow(show, cmap="gray", vmin=0, vmax=255)
for row in (1, 2, 3):
    axis.axhline(28 * row + 13.5, color=RED, lw=1)
axis.set_yticks([14, 42, 70, 98], ["настоящие", "1", "2", "3"])
axis.set(xticks=[]);

# %% [markdown]
# *Рис. 6. Над красными линиями первые 14 строк настоящих цифр. Под ними три варианта, как дорисовала каждую модель.*
#
# Наоборот, верхнюю половину по нижней, модель не может: это было бы $p(x_{\le 392} \mid x_{> 392}) \propto p(x)$, а в сумме по всем верхним половинам $256^{392}$ слагаемых. Какие вопросы дёшевы, решает выбранный порядок.
#
# ## Рисование: каждый признак один раз
#
# Цикл расточителен так же, как у MADE (занятие 03). К моменту, когда рисуется пиксель $k$, признаки всех предыдущих **окончательны**: они зависят от пикселей до них, а те уже не изменятся. Значит, их можно хранить. Новому пикселю в каждом слое нужны только собственные признаки, а вычисляются они по нескольким соседним, которые хранятся; вертикальную же ветвь считают сразу на целую строку, как только закончена предыдущая. Каждый признак вычислен один раз: арифметики на всю картинку примерно столько же, сколько в одном проходе, только за $D$ маленьких шагов. Так делает `model.sample`; цикл — это `model.sample(..., cached=False)`. Картинки выходят одинаковые.

# %% tags=["nbval-check-output"]
plain = viewed.sample(4, seed=3, cached=False)
same = np.array_equal(viewed.sample(4, seed=3), plain)
print("each feature once draws what the plain loop draws:", same)


# %%
def plain_sampler(model, side):
    """The plain loop for any of the library's models, from pixel `first` on."""

    @tf.function(autograph=False)
    def draw(noise, first):
        def one_pixel(k, x):
            here = model.parameters_of(x)[:, k // side, k % side]
            drawn = tf.argmax(here + noise[k], axis=1, output_type=tf.int32)
            place = tf.reshape(tf.one_hot(k, side**2), (1, side, side, 1)) > 0
            return k + 1, tf.where(
                place, tf.cast(drawn, x.dtype)[:, None, None, None], x
            )

        start = tf.zeros((noise.shape[1], side, side, 1))
        return tf.while_loop(lambda k, x: k < side**2, one_pixel, (first, start))[1]

    return draw


def milliseconds_per_pixel(side, n=16, passes=20):
    """The plain loop and `sample` of one network: (loop, sample, one scoring pass)."""
    network = models.PixelCNN((side, side, 1), **sizes)
    noise = tf.random.stateless_uniform((side**2, n, 256), seed=(0, 1))
    loop, images, clock = plain_sampler(network, side), tf.zeros((n, side, side, 1)), []
    score = tf.function(lambda x: network.distribution.log_prob(x), autograph=False)
    ways = [
        (lambda first: loop(noise, tf.constant(first)), passes),
        (lambda first: network.sample(n, seed=first), side**2),
        (lambda first: score(images), 1),
    ]
    for way, pixels in ways:
        way(side**2 - passes)  # the first call compiles
        start = time.perf_counter()
        way(side**2 - passes)
        clock.append(1e3 * (time.perf_counter() - start) / pixels)
    return clock


sides = {"smoke": [7, 10]}.get(profile, [14, 28, 42])
clock = np.array([milliseconds_per_pixel(side) for side in sides])
for side, (loop, cached, score) in zip(sides, clock, strict=True):
    print(
        f"{side} x {side}: the plain loop takes {loop / cached:4.0f} times as long;",
        end=" ",
    )
    print(
        f"a whole batch by sample costs {cached * side**2 / score:4.1f} scoring passes"
    )

# %%
names = "простой цикл", "каждый признак один раз"
figure, axis = plt.subplots(figsize=(5, 2.9))
for times, name, color in zip(clock.T[:2], names, (RED, BLUE), strict=True):
    axis.loglog(sides, times, "o-", color=color, label=name)
axis.set(xlabel="сторона картинки, пикселей", ylabel="мс на пиксель, 16 картинок")
axis.set_xticks(sides, sides)
axis.set_xticks([], minor=True)
axis.legend();


# %% [markdown]
# *Рис. 7. Время на один пиксель 16 картинок: проход сети по всей картинке или только новое. Времена той машины, на которой запускали блокнот; цикл измеряли на 20 пикселях.*
#
# В простом цикле пиксель стоит как картинка, а картинка — как $D$ картинок; если хранить вычисленное, пиксель стоит как пиксель, сколь бы большой ни была картинка. Шаги по-прежнему ждут друг друга: сэмплировать дольше, чем оценивать, когда со всеми пикселями имеют дело разом.
#
# ## Условие, которое выучено: автокодировщик с PixelCNN
#
# Условием $c$ может быть любой вектор. Пусть его вычисляет по самой картинке вторая сеть, кодировщик: $c = e(x)$, всего несколько чисел; обучим их вместе на $-\log p(x \mid e(x))$. Это автокодировщик (занятие 05), у которого декодировщиком служит PixelCNN (van den Oord et al. 2016b). Обычный декодировщик должен сделать из $c$ сразу все пиксели и на неопределённость отвечает размытостью. Этот же может оставить мелочи цепочке, а в $c$ держать то, что у картинки общего. (В библиотеке эта пара — одна модель, `models.PixelCNNAutoencoder`.) Цифры $14 \times 14$ с четырьмя уровнями, в $c$ шестнадцать чисел, а цепочка близорука (два слоя $3 \times 3$), так что всё общее вынуждено идти через $c$:

# %%
def small_digits(loaded):
    """14 x 14 pixels of 4 levels: (n, 14, 14, 1), integers 0..3."""
    means = loaded.images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    return (means // 64).astype(np.int32)[..., None]


little = small_digits(digits)
little_test = small_digits(data.load("mnist", "test", source="embedded", verbose=False))


def descend(cost, variables, steps, learning_rate=5e-3, batch_size=32):
    """Minimises cost(batch of little digits); returns its values."""
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer, costs = keras.optimizers.Adam(rate), []
    optimizer.build(variables)

    @tf.function(autograph=False)
    def step(batch):
        with tf.GradientTape() as tape:
            value = cost(batch)
        optimizer.apply(tape.gradient(value, variables), variables)
        return value

    for _ in range(steps):
        costs.append(float(step(little[rng.integers(0, len(little), batch_size)])))
    return np.array(costs)


encoder = keras.Sequential(
    [
        keras.Input((14, 14, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(16),
    ]
)
decoder = models.PixelCNN(
    (14, 14, 1),
    bins=4,
    filters=24,
    blocks=2,
    first_size=3,
    head=24,
    conditioning_shape=(16,),
)


def cost_of_both(batch):
    batch = tf.cast(batch, tf.float32)
    return -tf.reduce_mean(decoder.distribution_given(encoder(batch)).log_prob(batch))


steps = {"smoke": 10, "laptop": 900, "gpu": 3000}[profile]
both_variables = encoder.trainable_variables + decoder.trainable_variables
costs = descend(cost_of_both, both_variables, steps)
originals = little_test[chosen]
again = decoder.sample(3, seed=2, conditioning=encoder(originals.astype(np.float32)))

# %%
rows = [np.concatenate(list(row[..., 0]), axis=1) for row in (originals, *again)]
figure, axis = plt.subplots(figsize=(6.4, 3.3))
axis.imshow(np.concatenate(rows), cmap="gray", vmin=0, vmax=3)
axis.axhline(13.5, color=RED, lw=1)
axis.set_yticks([7, 21, 35, 49], ["исходные", "1", "2", "3"])
axis.set(xticks=[]);

# %% [markdown]
# *Рис. 8. Тестовые цифры (сверху) и по три сэмпла из $p(x \mid e(x))$: шестнадцать чисел говорят, где примерно проходят штрихи, а подробности, каждый раз другие, добавляет цепочка.*
#
# Предупреждение для занятия 05: цепочка способна объяснить картинку и безо всякого $c$. Назначьте за $c$ цену, как делает ELBO, и такой сильный декодировщик вполне может выучиться его не замечать.
#
# ## Из чего состоит правдоподобие
#
# Вот модель, в которой нечего обучать градиентом: $n$-граммы для картинок. По всем пикселям обучающих картинок посчитаем, как часто каждая яркость следует за данными значениями нескольких соседей (огрублёнными до 16–64 уровней). Ни сети, ни цифры, ни формы; весь контекст — один, два, три пикселя. Сколько бит ей нужно?

# %%
NEIGHBOURS = {  # (rows down, columns right) of each, and to how many levels coarsened
    "0": ([], 1),
    "1": ([(0, -1)], 64),
    "2": ([(0, -1), (-1, 0)], 32),
    "3": ([(0, -1), (-1, 0), (-1, 1)], 16),
}


def contexts(images, neighbours, levels):
    """The number of the context of each pixel: (n, 28, 28)."""
    padded = np.pad(
        images.astype(np.int32) // (256 // levels), ((0, 0), (1, 0), (1, 1))
    )
    number = np.zeros(images.shape, np.int32)
    for down, right in neighbours:
        moved = padded[:, 1 + down : 29 + down, 1 + right : 29 + right]
        number = number * levels + moved
    return number.ravel()


def count_model(images, neighbours, levels):
    """p(level | context): a table (contexts, 256)."""
    pairs = contexts(images, neighbours, levels) * 256 + images.ravel()
    table = np.bincount(pairs, minlength=256 * levels ** len(neighbours)).reshape(
        -1, 256
    )
    alone = (np.bincount(images.ravel(), minlength=256) + 1) / (images.size + 256)
    return (table + 8 * alone) / (table.sum(axis=1, keepdims=True) + 8)


def grey_images(name, split):
    return data.load(name, split, source="embedded", verbose=False).images[..., 0]


tests = {name: grey_images(name, "test") for name in ("mnist", "fashion_mnist")}
bits = {}
for trained_on in tests:
    images = grey_images(trained_on, "train")
    for size, where in NEIGHBOURS.items():
        law = count_model(images, *where)
        for name, seen in tests.items():
            cost = -np.log2(law[contexts(seen, *where), seen.ravel()])
            bits[trained_on, size, name] = cost.mean()

# %% tags=["nbval-check-output"]
for trained_on, size, name in bits:
    if size in "13":
        print(
            f"counted on {trained_on:13}, {size} neighbours, asked about {name:13}",
            end=" ",
        )
        print(f"{bits[trained_on, size, name]:.2f} bits per dimension")

# %%
figure, axes = plt.subplots(1, 2, figsize=(8.4, 2.8), sharey=True)
titles = "посчитано на цифрах", "посчитано на одежде"
for axis, trained_on, title in zip(axes, tests, titles, strict=True):
    for k, (name, color) in enumerate(zip(tests, (RED, BLUE), strict=True)):
        heights = [bits[trained_on, size, name] for size in NEIGHBOURS]
        axis.bar(np.arange(4) + 0.38 * (k - 0.5), heights, width=0.36, color=color)
    axis.set(title=title, xlabel="соседей")
    axis.set_xticks(range(4), NEIGHBOURS)
axes[0].axhline(per_image.mean(), color="0.3", ls="--", lw=1)
axes[0].set(ylabel="бит на размерность")
axes[1].legend(["цифры", "одежда"]);


# %% [markdown]
# *Рис. 9. Бит на размерность у моделей-счётчиков на тестовых картинках. Штриховая линия — наша PixelCNN на цифрах.*
#
# Посмотрим сначала на левую панель. Из 8 бит шесть с половиной сберегает уже один сосед; сеть со всеми её слоями прибавляет к этому несколько десятых, и вот в этих-то десятых цифра и есть цифра. Правдоподобие — сумма по пикселям, и почти каждое слагаемое в ней о пикселе и его соседях.
#
# А теперь правая панель. Таблица, посчитанная на *одежде*, находит *цифры* дешевле одежды, и намного. Ни одной цифры она не видела. Она видела, что за чёрным идёт чёрное. Это парадокс занятия 08 в самом голом виде: ни потока, ни сети, на которые можно было бы свалить вину, тут нет.

# %% [markdown]
# ## Что идёт не так
#
# **Маска B в первом слое.** Одна буква. Выход для пикселя теперь видит сам пиксель, учится его повторять, и функция потерь уходит в 0: бит меньше, чем энтропия, то есть архиватор, восстанавливающий картинку из ничего. На экране все кривые прекрасны. А потом доходит до сэмплирования. На месте $x_i$, когда спрашивают его закон, ещё стоит 0, и сеть повторяет то, что там нашла.
#
# **Центр мимо на единицу.** Возьмём ядро чётного размера, $4 \times 4$, с тем же кодом: `size // 2` равно 2, а свёртка с дополнением «SAME» помещает центр чётного ядра в 1. Маска сдвинута относительно картинки на пиксель: он опять видит себя, и правого соседа заодно. Промах в другую сторону, когда центр на единицу меньше, — не преступление, а убыток: сумма по-прежнему 1, но ближайшие соседи, лучшие свидетели, не видны.
#
# На маленьких цифрах, по три маскированных слоя, по несколько секунд:

# %%
def mean_bits(net, batch):
    """Bits per dimension."""
    return -tf.reduce_mean(log_prob(net, batch)) / (
        np.prod(batch.shape[1:]) * np.log(2)
    )


def draw_small(net, n, seed):
    """The plain loop once more."""

    @tf.function(autograph=False)
    def one_pixel(x, k):
        here = net(x)[:, k // 14, k % 14]
        drawn = tf.random.stateless_categorical(here, 1, seed=tf.stack([seed, k]))
        place = tf.reshape(tf.one_hot(k, 196), (1, 14, 14, 1)) > 0
        return tf.where(place, tf.cast(drawn, tf.int32)[:, :, None, None], x)

    x = tf.zeros((n, 14, 14, 1), tf.int32)
    for k in range(196):
        x = one_pixel(x, tf.constant(k))
    return x.numpy()


far = np.zeros((5, 5))
far[0], far[1, 0] = 1, 1  # mask A with its centre at (1, 1) in place of (2, 2)
first_masks = {
    "A": make_mask(5, "A"),
    "B": make_mask(5, "B"),
    "4 x 4": make_mask(4, "A"),
    "far": far,
}
steps = {"smoke": 10, "laptop": 150, "gpu": 1000}[profile]
nets, losses, drawings = {}, {}, {}
for name, mask in first_masks.items():
    net = nets[name] = HandPixelCNN([mask, make_mask(3, "B"), make_mask(3, "B")])
    losses[name] = descend(
        lambda batch, net=net: mean_bits(net, batch), net.variables, steps
    )
    drawings[name] = draw_small(net, 5, 3)
    left = mean_bits(net, little_test[:500])
    print(f"first mask {name:6} {left:.3f} bits per dimension on the test set")

# %%
labels = "маска A", "маска B", "4 x 4", "центр рано"
figure, axes = plt.subplots(1, 2, figsize=(9, 3), width_ratios=(1.5, 1))
for curve, color in zip(losses.values(), (BLUE, RED, "0.5", LIGHT), strict=True):
    axes[0].plot(curve, color=color)
axes[0].legend(labels)
axes[0].set(xlabel="шаг", ylabel="бит на размерность", ylim=(-0.05, 1.4))
rows = [np.concatenate(list(row[..., 0]), axis=1) for row in drawings.values()]
axes[1].imshow(np.concatenate(rows), cmap="gray", vmin=0, vmax=3)
axes[1].set_yticks([7, 21, 35, 49], labels)
axes[1].set(xticks=[]);

# %% [markdown]
# *Рис. 10. Слева функции потерь четырёх сетей, которые отличаются первой маской. Справа то, что они рисуют.*
#
# Проверки этой лекции изобличают лгунов до всякого обучения: градиенты, хирургия и пересчёт («вероятности» всех картинок $2 \times 2$ в сумме не дают 1).
#
# **Цвета не в том порядке.** Модель выучила $p(r)\,p(g \mid r)\,p(b \mid r, g)$, а тот, кто сэмплирует, первым заполняет B (библиотеки не сходятся в том, RGB лежит в файле или BGR). Закон B спрашивают тогда при $r = g = 0$, и никто не возражает: каждый закон в сумме даёт 1, каждая картинка допустима. Но это сэмпл из другого распределения. Наши 64 цвета можно пересчитать:

# %% tags=["nbval-check-output"]
wrong_order = (
    law_of(r, 1.2) * law_of(g, 0.3 + 0.9 * 0) * law_of(b, 0.2 + 0.3 * 0 + 0.6 * 0)
)
print(f"sums to {wrong_order.sum():.4f} as well")
print(
    f"half of the summed |difference|: {np.abs(wrong_order - colours).sum() / 2:.2f} of at most 1"
)
print(
    f"right samples cost {-np.sum(colours * np.log2(colours)):.2f} bits, the entropy;",
    end=" ",
)
print(
    f"wrong ones {-np.sum(wrong_order * np.log2(colours)):.2f}, by the model's own account"
)
bad_masks = (
    [make_mask(3, "B"), make_mask(3, "B")],
    [make_mask(4, "A"), make_mask(3, "B")],
)
for masks, name in zip(bad_masks, ("mask B first", "4 x 4"), strict=True):
    liar = HandPixelCNN(masks)
    peeks = (seen_from(liar, 6, 6) & ~come_before(6, 6)).sum()
    total = np.exp(log_prob(liar, as_images)).sum()
    print(
        f"{name}: sees {peeks} pixels too many; 256 probabilities sum to 1: {abs(total - 1) < 0.01}"
    )

# %% [markdown]
# Предпоследняя проверка пригодится всегда: дайте модели оценить её собственные сэмплы. В среднем они должны стоить столько, сколько её энтропия. Если дороже, то рисует их не то, что оценивает.

# %% [markdown]
# ## На одном экране
#
# | | |
# |---|---|
# | разложение | $p(x) = \prod_i p(x_i \mid x_{<i})$: любое распределение, любой порядок; если множители в сумме дают 1, то и произведение тоже |
# | функция потерь | среднее $-\log_2 p(x) / D$: бит на размерность, точно, без шума, не меньше энтропии |
# | маски | A в первом слое (без центра), дальше B (с центром) |
# | слепое пятно при $(2m+1) \times (2m+1)$ | $b > m a$: на $b$ столбцов правее, на $a$ строк выше |
# | лечение | вертикальная ветвь (строки выше), горизонтальная (строка слева), $v \to h$ и никогда обратно |
# | вентиль | $\tanh(W_f * x + U_f c) \odot \sigma(W_g * x + U_g c)$ |
# | закон пикселя | softmax: любая форма; смесь логистических: по 3 числа на компоненту, хвосты забирают края |
# | цвета | $r$, затем $g$ при данном $r$, затем $b$ при данных обоих |
# | цена | обучить и оценить — 1 проход; сэмплировать — $D$ проходов, или каждый признак один раз за $D$ маленьких шагов |
# | дешёвый вопрос | конец по началу; но не начало по концу |
# | чему можно верить | градиенты — точные нули, сумма 1, собственные сэмплы стоят энтропию |
#
# В `dgm_tfp`: `models.PixelCNN`, `models.PixelCNNAutoencoder`, `models.CharRNN`.
#
# ## Вопросы
#
# <details>
# <summary><b>1.</b> Правдоподобие точное при любом порядке пикселей. Важно ли тогда, какой взять?</summary>
#
# Для истины нет: в любом порядке произведение одно и то же, $p(x)$. Для модели да: её множители — сети с ограниченными возможностями, и в одном порядке множители проще, чем в другом (вспомните параболу из занятия 03). Порядок решает и то, о чём можно дёшево спросить: дорисовать можно только с начала порядка. А маскированным свёрткам нужен такой порядок, при котором «раньше» вокруг любого пикселя выглядит одинаково; построчный годится.
#
# </details>
#
# <details>
# <summary><b>2.</b> Почему маска A бывает только в первом слое? Что будет, если поставить её во все?</summary>
#
# Ничего нечестного, но зрение ухудшится. В слое 2 в центре лежит то, что место пикселя $i$ знает об $x_{<i}$; с маской A это выбрасывается, и каждый слой отступает ещё хотя бы на пиксель. После $L$ слоёв ближайший видимый пиксель своей строки окажется на расстоянии $L$.
#
# </details>
#
# <details>
# <summary><b>3.</b> У коллеги PixelCNN за десять минут дошла на цифрах до 0.02 бит на размерность. О чём вы её попросите?</summary>
#
# Показать сэмплы и три доказательства. 0.02 означает, что картинка умещается в $784 \cdot 0.02 \approx 16$ бит: тогда картинок с цифрами было бы всего около 65 000. Скорее всего, пиксель видит сам себя. Градиент выхода для пикселя по этому пикселю обязан быть точным нулём.
#
# </details>
#
# <details>
# <summary><b>4.</b> У потока на картинках функция потерь бывает отрицательной, у PixelCNN нет. Почему и можно ли сравнивать их биты на размерность?</summary>
#
# У потока плотность, она бывает больше 1; у PixelCNN вероятность, она не бывает. Для потока на байтах с равномерным шумом $-\log_2$ плотности на ячейках объёма 1 — это (в среднем по шуму) оценка сверху для $-\log_2$ вероятности байтов. Так что сравнивать можно, помня, что слева оценка, а справа точное значение, и если пиксели у потока меняются от 0 до 256, а не от 0 до 1.
#
# </details>
#
# <details>
# <summary><b>5.</b> При данном классе функция потерь меньше. На сколько самое большее?</summary>
#
# На $\log_2 10 \approx 3.32$ бита на картинку при десяти классах: ведь у смеси моделей классов с равными весами $p(x) \ge \frac{1}{10} p(x \mid c)$; на $28 \times 28$ это 0.004 бит на размерность. Если подсказка класса снижает потери сильнее, значит, модель без условия просто хуже обучена.
#
# </details>
#
# <details>
# <summary><b>6.</b> Текст сэмплируют с температурой $T$: каждый множитель заменяют на пропорциональный $p(x_i \mid x_{<i})^{1/T}$. Выходит ли сэмпл из распределения, пропорционального $p(x)^{1/T}$?</summary>
#
# Нет. Каждый множитель делится на собственную константу, зависящую от $x_{<i}$, и произведение этих констант не одно и то же для всех $x$. При $T \to 0$ получается жадный текст, где каждый раз взят самый вероятный символ, а не самый вероятный текст: вероятное начало может завести туда, где всё маловероятно. Но по пункту (б) теоремы это всё же сэмпл из *какого-то* распределения.
#
# </details>
#
# <details>
# <summary><b>7.</b> Смесь логистических законов обучили без краёв. Что станет с функцией потерь и в какую сторону она врёт?</summary>
#
# Вероятности чисел 0..255 в сумме дают меньше 1, поэтому функция потерь завышена, а занижена не бывает: масса пропадает снаружи. Обучение борется с этим, сужая компоненты у краёв. Дороже всего обходится чёрный цвет, а он занимает большую часть цифры. Обмана, стало быть, нет, но модель хуже, и число её с другими не сравнить.
#
# </details>
#
# <details>
# <summary><b>8.</b> При сэмплировании признаки хранят, и арифметики выходит на один проход. Нельзя ли так же сделать быстрее и обучение?</summary>
#
# Там сберегать нечего: при обучении известны все пиксели, и один проход вычисляет каждый признак один раз, для всех пикселей сразу. Хранить признаки полезно лишь там, где пиксели становятся известны один за другим.
#
# </details>
#
# ## Что почитать
#
# * A. Karpathy. *The Unreasonable Effectiveness of Recurrent Neural Networks.* 2015, [karpathy.github.io](https://karpathy.github.io/2015/05/21/rnn-effectiveness/). Тексты по символам, и с каким удовольствием.
# * L. Theis, A. van den Oord, M. Bethge. *A note on the evaluation of generative models.* ICLR, 2016, [arXiv:1511.01844](https://arxiv.org/abs/1511.01844). О чём правдоподобие умалчивает.
# * A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu. *Pixel Recurrent Neural Networks.* ICML, 2016 (2016a), [arXiv:1601.06759](https://arxiv.org/abs/1601.06759). Маски, softmax на 256 уровней, цвета.
# * A. van den Oord, N. Kalchbrenner, O. Vinyals, L. Espeholt, A. Graves, K. Kavukcuoglu. *Conditional Image Generation with PixelCNN Decoders.* NeurIPS, 2016 (2016b), [arXiv:1606.05328](https://arxiv.org/abs/1606.05328). Слепое пятно, вентили, условия, автокодировщик.
# * T. Salimans, A. Karpathy, X. Chen, D. Kingma. *PixelCNN++.* ICLR, 2017, [arXiv:1701.05517](https://arxiv.org/abs/1701.05517). Дискретизованные логистические законы.
# * P. Ramachandran et al. *Fast Generation for Convolutional Autoregressive Models.* ICLR workshop, 2017, [arXiv:1704.06001](https://arxiv.org/abs/1704.06001). Каждый признак один раз.
# * P. Lippe. *UvA Deep Learning Tutorials*, 11 и 12, 2022, [uvadlc-notebooks.readthedocs.io](https://uvadlc-notebooks.readthedocs.io/). Потоки и PixelCNN на одних и тех же цифрах.
#
# Теперь [лабораторная](../../labs/ru/06_pixelcnn.ipynb).
