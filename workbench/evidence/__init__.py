"""Evidence: datasets of examples, outputs, and scorers that turn an output into a figure.

A scorer that fails, or that has nothing to compare with, gives no score (None): that is excluded and counted, and never
taken for a wrong answer.
"""

from workbench.evidence.dataset import Dataset
from workbench.evidence.example import Example
from workbench.evidence.grounded import groundedness
from workbench.evidence.json_fields import json_fields_f1
from workbench.evidence.json_scorers import find_json, json_field, json_schema_valid
from workbench.evidence.judges import JudgeTrust, judge, measure, pairwise_judge
from workbench.evidence.mlflow_scorer import from_mlflow
from workbench.evidence.normalising import normalised, normalised_match
from workbench.evidence.output import Output
from workbench.evidence.overlaps import bleu, rouge
from workbench.evidence.pattern import regex_match
from workbench.evidence.quantities import numbers_in, numeric_match
from workbench.evidence.question import Asker, CallGate, Question, Reply
from workbench.evidence.ragas_metric import from_ragas
from workbench.evidence.scorer import Embedder, Score, Scorer, scorer
from workbench.evidence.similarity import embedding_similarity
from workbench.evidence.taken import cost, latency, length
from workbench.evidence.text_scorers import contains, exact_match

__all__ = [
    "Asker",
    "CallGate",
    "Dataset",
    "Embedder",
    "Example",
    "JudgeTrust",
    "Output",
    "Question",
    "Reply",
    "Score",
    "Scorer",
    "bleu",
    "contains",
    "cost",
    "embedding_similarity",
    "exact_match",
    "find_json",
    "from_mlflow",
    "from_ragas",
    "groundedness",
    "json_field",
    "json_fields_f1",
    "json_schema_valid",
    "judge",
    "latency",
    "length",
    "measure",
    "normalised",
    "normalised_match",
    "numbers_in",
    "numeric_match",
    "pairwise_judge",
    "regex_match",
    "rouge",
    "scorer",
]
