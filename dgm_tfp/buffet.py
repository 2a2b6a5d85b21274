"""Structures drawn at random: the Indian buffet process, and the cascade of them that draws a layered network.

Griffiths and Ghahramani (2006); with two parameters Ghahramani, Griffiths and Sollich (2007); the cascade is of Adams,
Wallach and Ghahramani (2010).
"""

import numpy as np
from matplotlib.axes import Axes

from dgm_tfp.errors import InputError


def buffet(n: int, alpha: float, beta: float = 1.0, seed: int | np.random.Generator = 0) -> np.ndarray:
    """Which of n customers takes which dish: bool (n, dishes), the number of dishes random.

    Customer i takes a dish that m earlier customers have with probability m / (beta + i - 1), and then
    Poisson(alpha beta / (beta + i - 1)) new ones. Every dish has a customer; a customer may have no dish.

    Args:
      n: customers, 0 or more.
      alpha: > 0, how many dishes a customer takes on average, whatever beta.
      beta: > 0, the greater, the less dishes are shared.
      seed: an integer or a generator.
    """
    _positive(alpha, beta)
    rng = np.random.default_rng(seed)
    takes = np.zeros((n, 0), bool)
    for i in range(n):
        takes[i] = rng.random(takes.shape[1]) * (beta + i) < takes.sum(axis=0)
        new = np.zeros((n, rng.poisson(_new_dishes(i, alpha, beta))), bool)
        new[i] = True
        takes = np.concatenate([takes, new], axis=1)
    return takes


def expected_dishes(n: int, alpha: float, beta: float = 1.0) -> float:
    """The mean number of dishes, alpha sum_{i=1}^n beta / (beta + i - 1); the number itself is Poisson."""
    _positive(alpha, beta)
    return float(np.sum(_new_dishes(np.arange(n), alpha, beta)))


def cascade(
    visible: int, alpha: float, beta: float = 1.0, seed: int | np.random.Generator = 0, max_layers: int = 10_000
) -> list[np.ndarray]:
    """A layered network: bool matrices (units of a layer, units of the layer above), from the visible units up.

    The units of a layer are the customers, their parents in the layer above are the dishes. It ends where a layer has
    no parents at all: with probability 1, for a layer of K units has about alpha beta ln K parents on average. The list
    is empty where already the visible units have none.

    Args:
      visible: units of the lowest layer.
      alpha: parents of a unit on average: the width.
      beta: the greater, the fewer parents are shared: the sparsity.
      seed: an integer or a generator.

    Raises:
      InputError: alpha or beta is not positive, or there are more than max_layers layers.
    """
    rng = np.random.default_rng(seed)
    layers: list[np.ndarray] = []
    units = visible
    while (matrix := buffet(units, alpha, beta, rng)).shape[1]:
        if len(layers) == max_layers:
            raise InputError(
                f"the cascade has not ended after {max_layers} layers, {units} units wide: it ends with probability 1, "
                f"but for alpha = {alpha:g}, beta = {beta:g} it may take very long. Take a smaller alpha."
            )
        layers.append(matrix)
        units = matrix.shape[1]
    return layers


def draw(axes: Axes, layers: list[np.ndarray], visible: int, color: str = "#1f6f8b", size: float = 60) -> None:
    """Draws a cascade on `axes`: visible units filled, in the lowest row; above them the hidden ones, hollow.

    Args:
      layers: from `cascade`.
      visible: units of the lowest layer, which `layers` does not tell where it is empty.
      size: of a unit, in points squared.
    """
    widths = [visible, *(matrix.shape[1] for matrix in layers)]
    rows = [np.arange(width) - (width - 1) / 2 for width in widths]
    for height, matrix in enumerate(layers):
        for child, parent in np.argwhere(matrix):
            ends = [rows[height][child], rows[height + 1][parent]]
            axes.plot(ends, [height, height + 1], color="0.6", linewidth=0.8, zorder=1)
    for height, row in enumerate(rows):
        face = color if height == 0 else "white"
        axes.scatter(row, np.full(len(row), height), s=size, facecolor=face, edgecolor=color, zorder=2)
    edge = max(widths) / 2 + 0.2
    axes.set(xlim=(-edge, edge), ylim=(-0.6, len(layers) + 0.6))
    axes.set_axis_off()


def _new_dishes(i, alpha: float, beta: float):
    """The mean number of dishes that customer i = 0, 1, ... is the first to take."""
    return alpha * beta / (beta + i)


def _positive(alpha: float, beta: float) -> None:
    if not (alpha > 0 and beta > 0):
        raise InputError(f"alpha is {alpha} and beta is {beta}; both must be positive.")
