"""Judges: models that score by a rubric or compare two answers, and how far people agree with them.

A judge asks through the gateway. It may decide on a promotion only after it was measured against human labels.
"""

from workbench.evidence.judges.comparison import Comparison, Pair, compare, pairs_of
from workbench.evidence.judges.measuring import Labelled, LabelledPair, measure
from workbench.evidence.judges.pairwise import PairwiseJudge, Verdict, pairwise_judge
from workbench.evidence.judges.rubric import judge
from workbench.evidence.judges.trust import JudgeTrust

__all__ = [
    "Comparison",
    "JudgeTrust",
    "Labelled",
    "LabelledPair",
    "Pair",
    "PairwiseJudge",
    "Verdict",
    "compare",
    "judge",
    "measure",
    "pairs_of",
    "pairwise_judge",
]
