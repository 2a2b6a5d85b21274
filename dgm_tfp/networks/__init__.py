"""Networks: functions that return a built `keras.Sequential`."""

from dgm_tfp.networks.convnet import convnet

__all__ = ["convnet"]
