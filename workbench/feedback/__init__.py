"""What people and rules say of outputs: ratings of one trace, blind votes on two, and feedback from applications.

Everything is written to MLflow as assessments. A person's word has source HUMAN and a name; a rule's has source CODE.
"""

from workbench.feedback.answer import Answer, answer
from workbench.feedback.drain import Drained, drain
from workbench.feedback.pair import Pair, pairs
from workbench.feedback.rater import local_rater
from workbench.feedback.rating import queue, rate, ratings
from workbench.feedback.vote import CHOICES, Choice, Tally, next_pair, progress, tally, vote

__all__ = [
    "CHOICES",
    "Answer",
    "Choice",
    "Drained",
    "Pair",
    "Tally",
    "answer",
    "drain",
    "local_rater",
    "next_pair",
    "pairs",
    "progress",
    "queue",
    "rate",
    "ratings",
    "tally",
    "vote",
]
