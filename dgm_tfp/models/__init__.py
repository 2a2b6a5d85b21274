"""Models: each is a `keras.Model`; the call of one with a likelihood is log p(x)."""

from dgm_tfp.models.autoencoder import Autoencoder, SquaredError
from dgm_tfp.models.autoregressive_flow import IAF, MAF
from dgm_tfp.models.char_rnn import CharRNN, TextDistribution
from dgm_tfp.models.denoising_autoencoder import DenoisingAutoencoder
from dgm_tfp.models.flow import Decomposition, Flow, FlowDistribution
from dgm_tfp.models.generative import Generative
from dgm_tfp.models.glow import Glow
from dgm_tfp.models.likelihood import Likelihood, NegativeLogLikelihood
from dgm_tfp.models.pixelcnn import PixelCNN
from dgm_tfp.models.pixelcnn_autoencoder import PixelCNNAutoencoder
from dgm_tfp.models.pixelcnn_distribution import PixelCNNDistribution
from dgm_tfp.models.real_nvp import RealNVP

__all__ = [
    "IAF",
    "MAF",
    "Autoencoder",
    "CharRNN",
    "Decomposition",
    "DenoisingAutoencoder",
    "Flow",
    "FlowDistribution",
    "Generative",
    "Glow",
    "Likelihood",
    "NegativeLogLikelihood",
    "PixelCNN",
    "PixelCNNAutoencoder",
    "PixelCNNDistribution",
    "RealNVP",
    "SquaredError",
    "TextDistribution",
]
