# %% exercise="double" name="half" en="must be -6" ru="должно быть -6"
def double(x):
    return x / 2


# %% exercise="root" name="square" en="must be 3" ru="должно быть 3"
def root(x):
    return x * x
