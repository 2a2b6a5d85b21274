"""Models: each is a `keras.Model` whose call is log p(x)."""

from dgm_tfp.models.flow import Decomposition, Flow, FlowDistribution
from dgm_tfp.models.glow import Glow
from dgm_tfp.models.likelihood import Likelihood, NegativeLogLikelihood

__all__ = ["Decomposition", "Flow", "FlowDistribution", "Glow", "Likelihood", "NegativeLogLikelihood"]
