# %% [markdown] lang="en"
# # A tiny lecture
#
# The density of $z = 0.5 x - 2.5$. Then the [lab](../../labs/en/00_tiny.ipynb).
#
# $$p_x(x) = p_z(f(x)) \left|\frac{df}{dx}\right|$$

# %% [markdown] lang="ru"
# # Маленькая лекция
#
# Плотность $z = 0.5 x - 2.5$. Затем [лабораторная](../../labs/ru/00_tiny.ipynb).
#
# $$p_x(x) = p_z(f(x)) \left|\frac{df}{dx}\right|$$

# %% tags=["nbval-check-output"]
slope = 0.5
print(slope * 3 - 2.5)

# %% lang="en" alt_en="A line that rises from left to right."
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(4, 2))
axes.plot([0, 1], [0, 1], label="the line")
axes.legend();
# %% lang="ru" alt_ru="Прямая, которая поднимается слева направо."
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(4, 2))
axes.plot([0, 1], [0, 1], label="прямая")
axes.legend();

# %% [markdown] lang="en"
# ## Questions
#
# <details>
# <summary>What is the slope?</summary>
#
# It is $\frac{1}{2}$.
#
# </details>

# %% [markdown] lang="ru"
# ## Вопросы
#
# <details>
# <summary>Каков наклон?</summary>
#
# Он равен $\frac{1}{2}$.
#
# </details>
