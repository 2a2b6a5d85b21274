"""Deep generative models: Keras 3 owns the weights, TensorFlow Probability does the probability."""

__version__ = "0.1.0"

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"dgm_tfp needs Keras on TensorFlow, got the backend {keras.backend.backend()!r}. "
        "Set KERAS_BACKEND=tensorflow before Keras is imported."
    )

from dgm_tfp import bijectors, bits, buffet, data, evidence, models, networks, ood, plots, sampling, shift, training

__all__ = [
    "__version__",
    "bijectors",
    "bits",
    "buffet",
    "data",
    "evidence",
    "models",
    "networks",
    "ood",
    "plots",
    "sampling",
    "shift",
    "training",
]
