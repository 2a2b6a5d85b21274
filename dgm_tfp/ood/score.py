"""What a score is: one function, higher for what is more in-distribution."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dgm_tfp.errors import InputError

#: `score(model, x) -> array (n,)`, higher = more like the training data. What a score needs besides (training images, a
#: background model, a codec) are further arguments of its function, bound with `functools.partial`. A new score is one
#: new function.
Score = Callable[[Any, np.ndarray], np.ndarray]


class NotApplicable(InputError):
    """This score does not exist for this model: a VAE has no volume. A table keeps the row, without a number."""
