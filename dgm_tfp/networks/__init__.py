"""Networks: functions that return a built `keras.Sequential`, and a class where there is a new law."""

from dgm_tfp.networks.codec import conv_decoder, conv_encoder
from dgm_tfp.networks.convnet import convnet
from dgm_tfp.networks.dcgan import dcgan_discriminator, dcgan_generator
from dgm_tfp.networks.made import MADE
from dgm_tfp.networks.masked_conv import MaskedConv2D, mask
from dgm_tfp.networks.mlp import mlp
from dgm_tfp.networks.pixel_net import PixelNet

__all__ = [
    "MADE",
    "MaskedConv2D",
    "PixelNet",
    "conv_decoder",
    "conv_encoder",
    "convnet",
    "dcgan_discriminator",
    "dcgan_generator",
    "mask",
    "mlp",
]
