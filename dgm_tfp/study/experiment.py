"""What an experiment of the study is: a function of the lab that gives rows, and one that draws them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from dgm_tfp.study.lab import Lab
from dgm_tfp.study.rows import Row


class Outcome(NamedTuple):
    """What an experiment found.

    Attributes:
      rows: of the table.
      arrays: what its figures are drawn from, for instance log-likelihoods (n,) in nats.
      facts: further numbers, as JSON can hold them.
    """

    rows: list[Row]
    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]


class Drawing(NamedTuple):
    """A figure with its alternative text, which tells one who cannot see it what is in it, and its caption."""

    figure: Figure
    alt: str
    caption: str


@dataclass(frozen=True)
class Experiment:
    """An experiment.

    Attributes:
      title: a few words.
      question: what it asks, in one or two sentences.
      data: the sets that it uses; where one is missing its rows say so.
      run: from the lab to the outcome.
      draw: from the outcome to its figures, by name.
    """

    title: str
    question: str
    data: tuple[str, ...]
    run: Callable[[Lab], Outcome]
    draw: Callable[[Outcome], dict[str, Drawing]]
