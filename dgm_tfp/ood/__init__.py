"""Out-of-distribution detection: scores of images under a model, and how well they tell data sets apart."""

from dgm_tfp.ood.any_model import log_prob
from dgm_tfp.ood.changed import Moments, constant, contrast, grey, moments
from dgm_tfp.ood.compare import Comparison, Row, compare
from dgm_tfp.ood.complexity import codec_bits, input_complexity, simplicity
from dgm_tfp.ood.curvature import Expansion
from dgm_tfp.ood.ensemble import waic
from dgm_tfp.ood.exposure import Exposure, OutlierExposure, expose
from dgm_tfp.ood.forest import forest
from dgm_tfp.ood.likelihood import likelihood, log_p_z, log_volume
from dgm_tfp.ood.metrics import Interval, Mean, auprc, auroc, fpr_at_95_tpr, mean
from dgm_tfp.ood.outliers import coloured
from dgm_tfp.ood.ratio import likelihood_ratio, mutate
from dgm_tfp.ood.saved import SavedModel, load_model
from dgm_tfp.ood.score import NotApplicable, Score
from dgm_tfp.ood.second_order import HessianSecondOrder, SecondOrder, alpha, hessian_second_order, second_order
from dgm_tfp.ood.second_order_table import SecondOrderTable, second_order_table
from dgm_tfp.ood.typicality import batch_typicality, typicality, typicality_threshold

__all__ = [
    "Comparison",
    "Expansion",
    "Exposure",
    "HessianSecondOrder",
    "Interval",
    "Mean",
    "Moments",
    "NotApplicable",
    "OutlierExposure",
    "Row",
    "SavedModel",
    "Score",
    "SecondOrder",
    "SecondOrderTable",
    "alpha",
    "auprc",
    "auroc",
    "batch_typicality",
    "codec_bits",
    "coloured",
    "compare",
    "constant",
    "contrast",
    "expose",
    "forest",
    "fpr_at_95_tpr",
    "grey",
    "hessian_second_order",
    "input_complexity",
    "likelihood",
    "likelihood_ratio",
    "load_model",
    "log_p_z",
    "log_prob",
    "log_volume",
    "mean",
    "moments",
    "mutate",
    "second_order",
    "second_order_table",
    "simplicity",
    "typicality",
    "typicality_threshold",
    "waic",
]
