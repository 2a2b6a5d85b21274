"""Out-of-distribution detection: scores of images under a model, and how well they tell data sets apart."""

from dgm_tfp.ood.any_model import log_prob
from dgm_tfp.ood.changed import Moments, constant, contrast, grey, moments
from dgm_tfp.ood.curvature import Expansion
from dgm_tfp.ood.likelihood import likelihood, log_p_z, log_volume
from dgm_tfp.ood.metrics import Interval, Mean, auroc, mean
from dgm_tfp.ood.score import NotApplicable, Score
from dgm_tfp.ood.second_order import HessianSecondOrder, SecondOrder, alpha, hessian_second_order, second_order
from dgm_tfp.ood.second_order_table import SecondOrderTable, second_order_table

__all__ = [
    "Expansion",
    "HessianSecondOrder",
    "Interval",
    "Mean",
    "Moments",
    "NotApplicable",
    "Score",
    "SecondOrder",
    "SecondOrderTable",
    "alpha",
    "auroc",
    "constant",
    "contrast",
    "grey",
    "hessian_second_order",
    "likelihood",
    "log_p_z",
    "log_prob",
    "log_volume",
    "mean",
    "moments",
    "second_order",
    "second_order_table",
]
