"""Is an answer supported by its context? Pure functions: no model, no network, no files.

Similarities are handed in, so that the same judgement serves retrieval, scorers and guards. Not for retrieval itself.
"""

from __future__ import annotations

from workbench.grounding.facts import Facts, facts
from workbench.grounding.passages import Passage, passages
from workbench.grounding.sentences import Span, clauses, sentences
from workbench.grounding.support import Bounds, Support, bare_statement, is_fragment, overlap, support

__all__ = [
    "Bounds",
    "Facts",
    "Passage",
    "Span",
    "Support",
    "bare_statement",
    "clauses",
    "facts",
    "is_fragment",
    "overlap",
    "passages",
    "sentences",
    "support",
]
