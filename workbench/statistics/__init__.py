"""Intervals and tests for small experiments: whether one candidate is better than another, and how sure that is.

Pure numpy on plain sequences: this room knows nothing of candidates, runs or MLflow. Every figure comes with its
interval, its n, the unit that is taken as independent and the name of its method.
"""

from workbench.statistics.agreement import Agreement, krippendorff_alpha, table_of
from workbench.statistics.bootstrap import bca_interval, paired_bootstrap
from workbench.statistics.confidence_sequence import ConfidenceSequence
from workbench.statistics.difference import Difference, Verdict, paired_difference
from workbench.statistics.discordance import mcnemar
from workbench.statistics.fragility import Fragility
from workbench.statistics.intervals import Interval, mean_interval, wilson
from workbench.statistics.kappa import Kappa, cohen_kappa
from workbench.statistics.multiplicity import holm
from workbench.statistics.non_inferiority import NonInferiority, non_inferior
from workbench.statistics.planning import Plan, plan
from workbench.statistics.preference import PreferenceTest
from workbench.statistics.quantiles import normal_quantile, student_t_quantile
from workbench.statistics.ranking import Ranking, Rated, bradley_terry
from workbench.statistics.repeated import Repeats, average_repeats, repeats
from workbench.statistics.rollout import RolloutComparison, compare_rates_anytime
from workbench.statistics.sign_flip import sign_flip_p_value
from workbench.statistics.signed_rank import SignedRank, wilcoxon
from workbench.statistics.vote import Vote

__all__ = [
    "Agreement",
    "ConfidenceSequence",
    "Difference",
    "Fragility",
    "Interval",
    "Kappa",
    "NonInferiority",
    "Plan",
    "PreferenceTest",
    "Ranking",
    "Rated",
    "Repeats",
    "RolloutComparison",
    "SignedRank",
    "Verdict",
    "Vote",
    "average_repeats",
    "bca_interval",
    "bradley_terry",
    "cohen_kappa",
    "compare_rates_anytime",
    "holm",
    "krippendorff_alpha",
    "mcnemar",
    "mean_interval",
    "non_inferior",
    "normal_quantile",
    "paired_bootstrap",
    "paired_difference",
    "plan",
    "repeats",
    "sign_flip_p_value",
    "student_t_quantile",
    "table_of",
    "wilcoxon",
    "wilson",
]
