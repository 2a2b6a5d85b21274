"""Data: TensorFlow Datasets where they are at hand, real images inside the package everywhere, and synthetic sets."""

from dgm_tfp.data.checks import as_images
from dgm_tfp.data.load import NAMES, Data, Source, available, load, resolve
from dgm_tfp.data.text import Text, load_text

__all__ = ["NAMES", "Data", "Source", "Text", "as_images", "available", "load", "load_text", "resolve"]
