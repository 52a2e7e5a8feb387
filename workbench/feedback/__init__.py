"""What people and rules say of outputs: ratings of one trace, blind votes on two, and feedback from applications.

Everything is written to MLflow as assessments. A person's word has source HUMAN and a name; a rule's has source CODE.
"""

from workbench.feedback.agreement import agreement
from workbench.feedback.answer import Answer, answer
from workbench.feedback.ballot import Ballot, Progress
from workbench.feedback.booth import Booth, open_link, open_queue
from workbench.feedback.correction import correct
from workbench.feedback.dataset import Adjudicated, adjudicate, to_dataset
from workbench.feedback.drain import Drained, drain
from workbench.feedback.labels import labels, pair_labels
from workbench.feedback.leaderboard import Leaderboard, leaderboard
from workbench.feedback.pair import Pair, pairs
from workbench.feedback.rater import local_rater
from workbench.feedback.rating import queue, rate, ratings
from workbench.feedback.review_queue import ReviewQueue
from workbench.feedback.share import QUESTION, Share, close_queue, queues, share
from workbench.feedback.tally import Tally, tally
from workbench.feedback.vote import CHOICES, Choice, next_pair, progress, vote

__all__ = [
    "CHOICES",
    "QUESTION",
    "Adjudicated",
    "Answer",
    "Ballot",
    "Booth",
    "Choice",
    "Drained",
    "Leaderboard",
    "Pair",
    "Progress",
    "ReviewQueue",
    "Share",
    "Tally",
    "adjudicate",
    "agreement",
    "answer",
    "close_queue",
    "correct",
    "drain",
    "labels",
    "leaderboard",
    "local_rater",
    "next_pair",
    "open_link",
    "open_queue",
    "pair_labels",
    "pairs",
    "progress",
    "queue",
    "queues",
    "rate",
    "ratings",
    "share",
    "tally",
    "to_dataset",
    "vote",
]
