"""Evidence: datasets of examples, outputs, and scorers that turn an output into a figure.

A scorer that fails, or that has nothing to compare with, gives no score (None): that is excluded and counted, and never
taken for a wrong answer.
"""

from workbench.evidence.dataset import Dataset
from workbench.evidence.example import Example
from workbench.evidence.json_scorers import find_json, json_field, json_schema_valid
from workbench.evidence.output import Output
from workbench.evidence.scorer import Embedder, Score, Scorer, scorer
from workbench.evidence.similarity import embedding_similarity
from workbench.evidence.text_scorers import contains, exact_match

__all__ = [
    "Dataset",
    "Embedder",
    "Example",
    "Output",
    "Score",
    "Scorer",
    "contains",
    "embedding_similarity",
    "exact_match",
    "find_json",
    "json_field",
    "json_schema_valid",
    "scorer",
]
