"""Networks: functions that return a built `keras.Sequential`, and a class where there is a new law."""

from dgm_tfp.networks.codec import conv_decoder, conv_encoder
from dgm_tfp.networks.convnet import convnet
from dgm_tfp.networks.dcgan import dcgan_discriminator, dcgan_generator
from dgm_tfp.networks.made import MADE
from dgm_tfp.networks.mlp import mlp

__all__ = ["MADE", "conv_decoder", "conv_encoder", "convnet", "dcgan_discriminator", "dcgan_generator", "mlp"]
