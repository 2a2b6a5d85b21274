"""Models: each is a `keras.Model`; the call of one with a likelihood is log p(x)."""

from dgm_tfp.models.autoencoder import Autoencoder, SquaredError
from dgm_tfp.models.autoregressive_flow import IAF, MAF
from dgm_tfp.models.char_rnn import CharRNN, TextDistribution
from dgm_tfp.models.denoising_autoencoder import DenoisingAutoencoder
from dgm_tfp.models.flow import Decomposition, Flow, FlowDistribution
from dgm_tfp.models.gan import GAN
from dgm_tfp.models.generative import Generative
from dgm_tfp.models.glow import Glow
from dgm_tfp.models.latent_variable import Bound, Estimate, LatentVariable
from dgm_tfp.models.likelihood import Likelihood, NegativeLogLikelihood
from dgm_tfp.models.marginal import Marginal
from dgm_tfp.models.pixelcnn import PixelCNN
from dgm_tfp.models.pixelcnn_autoencoder import PixelCNNAutoencoder
from dgm_tfp.models.pixelcnn_distribution import PixelCNNDistribution
from dgm_tfp.models.real_nvp import RealNVP
from dgm_tfp.models.vae import VAE

__all__ = [
    "GAN",
    "IAF",
    "MAF",
    "VAE",
    "Autoencoder",
    "Bound",
    "CharRNN",
    "Decomposition",
    "DenoisingAutoencoder",
    "Estimate",
    "Flow",
    "FlowDistribution",
    "Generative",
    "Glow",
    "LatentVariable",
    "Likelihood",
    "Marginal",
    "NegativeLogLikelihood",
    "PixelCNN",
    "PixelCNNAutoencoder",
    "PixelCNNDistribution",
    "RealNVP",
    "SquaredError",
    "TextDistribution",
]
