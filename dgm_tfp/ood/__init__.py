"""Out-of-distribution detection: scores of images under a model, and how well they tell data sets apart."""

from dgm_tfp.ood.any_model import log_prob
from dgm_tfp.ood.likelihood import likelihood, log_p_z, log_volume
from dgm_tfp.ood.metrics import Interval, Mean, auroc, mean
from dgm_tfp.ood.saved import SavedModel, load_model
from dgm_tfp.ood.score import NotApplicable, Score

__all__ = [
    "Interval",
    "Mean",
    "NotApplicable",
    "SavedModel",
    "Score",
    "auroc",
    "likelihood",
    "load_model",
    "log_p_z",
    "log_prob",
    "log_volume",
    "mean",
]
