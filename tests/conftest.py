"""Two logical CPUs, so that tf.distribute can be tested on any machine; the tests' data."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")  # the tests run side by side

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tfp import data

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(autouse=True)
def _same_start():
    keras.utils.set_random_seed(0)
    yield
    keras.mixed_precision.set_global_policy("float32")


@pytest.fixture(scope="session")
def clothes() -> np.ndarray:
    """512 real images, uint8 (n, 28, 28, 1)."""
    return data.load("fashion_mnist", "train", source="embedded", verbose=False).images[:512]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The tiny course, built. Tests that spoil it take a copy."""
    from tests.course_helpers import built_tiny_course  # not at the top: `make test-oldest` has no nbgrader

    return built_tiny_course(tmp_path_factory.mktemp("course"))


def pytest_collection_modifyitems(items):
    missing = not os.environ.get("TFDS_DATA_DIR")
    for item in items:
        if missing and "tfds" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="TFDS_DATA_DIR is not set: NO COLOUR IMAGES WERE TESTED"))
