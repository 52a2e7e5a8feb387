"""Intervals and tests for small experiments: whether one candidate is better than another, and how sure that is.

Pure numpy on plain sequences: this room knows nothing of candidates, runs or MLflow. Every figure comes with its
interval, its n and the name of its method.
"""

from workbench.statistics.difference import Difference, Verdict, paired_difference
from workbench.statistics.intervals import Interval, mean_interval, wilson
from workbench.statistics.multiplicity import holm
from workbench.statistics.quantiles import normal_quantile, student_t_quantile
from workbench.statistics.sign_flip import sign_flip_p_value

__all__ = [
    "Difference",
    "Interval",
    "Verdict",
    "holm",
    "mean_interval",
    "normal_quantile",
    "paired_difference",
    "sign_flip_p_value",
    "student_t_quantile",
    "wilson",
]
