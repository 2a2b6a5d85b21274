# %% [markdown] lang="en"
# # A tiny lab
#
# Two exercises after the [lecture](../../lectures/en/00_tiny.ipynb).

# %% [markdown] lang="ru"
# # Маленькая лабораторная
#
# Два упражнения к [лекции](../../lectures/ru/00_tiny.ipynb).

# %%
import math


# %% exercise="double"
def double(x):
    # BEGIN SOLUTION
    return 2 * x
    # END SOLUTION


# %% lang="en" check="double"
try:
    print("right" if double(2) == 4 else "double(2) must be 4")
except NotImplementedError as error:
    print(error)

# %% lang="ru" check="double"
try:
    print("верно" if double(2) == 4 else "double(2) должно быть 4")
except NotImplementedError as error:
    print(error)

# %% lang="en" tests="double" points=4
# Exercise 1 is graded here: 4 points.
### BEGIN HIDDEN TESTS
assert double(-3) == -6, "double(-3) must be -6"
### END HIDDEN TESTS

# %% lang="ru" tests="double" points=4
# Здесь проверяется упражнение 1: 4 балла.
### BEGIN HIDDEN TESTS
assert double(-3) == -6, "double(-3) должно быть -6"
### END HIDDEN TESTS


# %% exercise="root"
def root(x):
    # BEGIN SOLUTION
    return math.sqrt(x)
    # END SOLUTION


# %% lang="en" tests="root" points=6
# Exercise 2 is graded here: 6 points.
### BEGIN HIDDEN TESTS
assert root(9.0) == 3.0, "root(9) must be 3"
### END HIDDEN TESTS

# %% lang="ru" tests="root" points=6
# Здесь проверяется упражнение 2: 6 баллов.
### BEGIN HIDDEN TESTS
assert root(9.0) == 3.0, "root(9) должно быть 3"
### END HIDDEN TESTS
