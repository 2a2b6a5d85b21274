"""Deep generative models: Keras 3 owns the weights, TensorFlow Probability does the probability."""

__version__ = "0.1.0"

from dgm_tfp import bijectors, bits, data, models, networks, ood, plots, training

__all__ = ["__version__", "bijectors", "bits", "data", "models", "networks", "ood", "plots", "training"]
