"""Judge whether a statement is supported by one of several passages, and by which.

A passage supports a statement when it holds its quantities and names, denies what it denies, speaks of the same thing,
and shares enough of its words and meaning. The method is deterministic and errs towards "unsupported".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from workbench.grounding.facts import facts
from workbench.grounding.passages import Passage

Terms = Callable[[str], Sequence[str]]
_LEAD_IN = re.compile(
    r"\s*(?:so,?\s+)?(?:the\s+)?(?:correct\s+)?answer(?:\s+to[^:.]{0,60}?)?\s*(?:\bis\b|:)\s*:?\s*", re.IGNORECASE
)
_FEW_TERMS = 3


@dataclass(frozen=True)
class Bounds:
    """From which overlap and similarity on a passage supports a statement."""

    overlap: float = 0.5
    """Least share of the statement's terms that the passage must hold."""
    similarity: float = 0.55
    """Least cosine of the two where the words alone don't decide."""
    verbatim: float = 0.8
    """Overlap from which on the words alone decide, for statements of at least three terms."""


@dataclass(frozen=True)
class Support:
    """The judgement on one statement."""

    supported: bool
    """Whether a passage supports it."""
    passage: int | None
    """Index of the passage that supports it, or else comes nearest; None if there are no passages."""
    overlap: float
    """Share of the statement's terms that this passage holds, 0 to 1."""
    similarity: float | None
    """Cosine of statement and passage; None where it was not measured."""
    reason: str
    """Why it is not supported, for people; empty if it is."""


def overlap(statement: Sequence[str], passage: Sequence[str]) -> float:
    """Return the share of the statement's distinct terms that occur in the passage; 0 for no terms."""
    wanted = set(statement)
    return len(wanted & set(passage)) / len(wanted) if wanted else 0.0


def bare_statement(text: str) -> str:
    """Return a statement without a lead-in such as "The answer to this question is:"."""
    rest = text[found.end() :] if (found := _LEAD_IN.match(text)) else text
    return rest if rest.strip(" .\"'") else text


def support(
    statement: str,
    passages: Sequence[Passage],
    *,
    terms: Terms,
    similarities: Sequence[float] | None = None,
    question: str = "",
    bounds: Bounds | None = None,
) -> Support:
    """Judge `statement`, the answer to `question` or a sentence of it, against `passages`.

    `terms` cuts a text into the words that count (stemmed, without stop words). `similarities` holds one cosine a
    passage. Between passages that support equally well, the one that shares more words with the question is taken.
    """
    if not passages:
        return Support(False, None, 0.0, None, "there is no source")
    judge = _Judge(bare_statement(statement), question, terms, bounds or Bounds())
    judged: list[tuple[bool, float, int, Support]] = []
    for index, passage in enumerate(passages):
        cosine = None if similarities is None else float(similarities[index])
        held = set(terms(f"{passage.header}\n{passage.text}"))
        share = overlap(judge.wanted, list(held))
        reason = next(judge.objections(passage, held, share, cosine), "")
        nearness = share + (cosine or 0.0) + 0.25 * overlap(judge.asked, list(held))
        judged.append((not reason, nearness, -index, Support(not reason, index, share, cosine, reason)))
    return max(judged, key=lambda row: row[:3])[3]


class _Judge:
    """What is known of the statement before any passage is looked at."""

    def __init__(self, statement: str, question: str, terms: Terms, bounds: Bounds) -> None:
        self.statement = statement
        self.wanted = list(dict.fromkeys(terms(statement)))
        self.asked = list(dict.fromkeys(terms(question)))
        self.claimed = facts(statement)
        self.terms = terms
        self.bounds = bounds

    def objections(self, passage: Passage, held: set[str], share: float, cosine: float | None) -> Iterator[str]:
        """Yield why the passage does not support the statement, the hardest reason first."""
        if not self.wanted:
            yield "it says nothing that can be checked"
        given, about = facts(passage.text), facts(passage.header)
        if missing := sorted(self.claimed.numbers - given.numbers):
            yield f"the source does not hold the number {', '.join(missing)}"
        if missing := sorted(f"{number} {unit}" for number, unit in self._other_units(passage)):
            yield f"the source does not say {', '.join(missing)}"
        words = given.words | about.words
        if missing := sorted(n for n in self.claimed.names if n not in words and n.rstrip("s") not in words):
            yield f"the source does not hold {', '.join(missing)}"
        if (self.claimed.denies or self.claimed.limits) and not (given.denies or given.limits):
            yield "it denies what the source says"
        if given.denies and not (self.claimed.denies or self.claimed.limits):
            yield "the source denies what it says"
        # What was asked about stands elsewhere in the source: then this sentence speaks of something else.
        elsewhere = set(self.wanted) & set(self.asked) & set(self.terms(passage.others)) - held
        if elsewhere:
            yield f"the source does not say it of {', '.join(self._words_of(elsewhere))}"
        yield from self._distance(held, share, cosine)

    def _distance(self, held: set[str], share: float, cosine: float | None) -> Iterator[str]:
        if share < self.bounds.overlap:
            yield f"the source holds {share:.0%} of its words"
        if share >= self.bounds.verbatim and len(self.wanted) >= _FEW_TERMS:
            return
        if cosine is None and len(self.wanted) < _FEW_TERMS and overlap(self.asked, list(held)) < self.bounds.overlap:
            yield "the source does not speak of what was asked"
        if cosine is not None and cosine < self.bounds.similarity:
            yield f"its meaning is not near the source ({cosine:.2f})"

    def _other_units(self, passage: Passage) -> set[tuple[str, str]]:
        """Return the statement's quantities of which the passage has the number with other units only."""
        given = facts(passage.text).quantities
        with_unit = {number for number, _ in given}
        return {quantity for quantity in self.claimed.quantities - given if quantity[0] in with_unit}

    def _words_of(self, stems: set[str]) -> list[str]:
        return sorted({word.lower() for word in re.findall(r"\w+", self.statement) if set(self.terms(word)) & stems})
