"""Judge whether a statement is supported by one of several passages, and by which.

A passage supports a statement when it holds its quantities and names, denies what it denies, speaks of the same thing,
and shares enough of its words and meaning. The method is deterministic and errs towards "unsupported".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from workbench.grounding.facts import facts
from workbench.grounding.passages import Passage

Terms = Callable[[str], Sequence[str]]
_LEAD_IN = re.compile(
    r"\s*(?:so,?\s+)?(?:the\s+)?(?:correct\s+)?answer(?:\s+to[^:.]{0,60}?)?\s*(?:\bis\b|:)\s*:?\s*", re.IGNORECASE
)
_PART = re.compile(r"[,;:()]|\b(?:but|and|while|although|though)\b")
_VERBS = "is are was were be been am can could may might must shall should will would has have had do does did"
_AUXILIARIES = frozenset(_VERBS.split())
_HALF = 0.5
_FEW_TERMS = 3


@dataclass(frozen=True)
class Bounds:
    """From which overlap and similarity on a passage supports a statement."""

    overlap: float = 0.5
    """Least share of the statement's terms that the passage must hold."""
    similarity: float = 0.55
    """Least cosine of the two where the words alone don't decide."""
    verbatim: float = 0.8
    """Overlap from which on the words alone decide."""
    aim: float = 0.1
    """How much farther from the question than the nearest passage that of a fragment may be, in cosine plus overlap."""
    least_aim: float = 0.3
    """Least nearness of a fragment's passage to the question, in cosine plus overlap."""


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


def overlap(statement: Iterable[str], passage: Iterable[str]) -> float:
    """Return the share of the statement's distinct terms that occur in the passage; 0 for no terms."""
    wanted = set(statement)
    return len(wanted & set(passage)) / len(wanted) if wanted else 0.0


def bare_statement(text: str) -> str:
    """Return a statement without a lead-in such as "The answer to this question is:"."""
    rest = text[found.end() :] if (found := _LEAD_IN.match(text)) else text
    return rest if rest.strip(" .\"'") else text


def is_fragment(statement: str, question: str, terms: Terms) -> bool:
    """Return whether a statement says something only together with its question: "5 years", "the red guards of 1966".

    It has few terms, or neither repeats any of the question nor holds an auxiliary verb. Such a statement must stand in
    the passage that the question aims at, unless it repeats half of a passage.
    """
    bare = bare_statement(statement)
    said = set(terms(bare))
    whole = said & set(terms(question)) or _AUXILIARIES & {word.lower() for word in re.findall(r"[^\W\d_]+", bare)}
    return len(said) < _FEW_TERMS or not whole


def support(
    statement: str,
    passages: Sequence[Passage],
    *,
    terms: Terms,
    question: str = "",
    similarities: Sequence[float] | None = None,
    question_similarities: Sequence[float] | None = None,
    among: Collection[int] | None = None,
    bounds: Bounds | None = None,
) -> Support:
    """Judge `statement`, the answer to `question` or a sentence of it, against `passages`.

    `terms` cuts a text into the words that count (stemmed, without stop words). `similarities` holds the cosine of the
    statement to each passage, `question_similarities` that of the question. `among` are the passages that may support
    it; the others still tell what the question aims at. Of those that support it, the nearest is taken.
    """
    judge = _Judge(bare_statement(statement), question, terms, bounds or Bounds())
    held = [set(terms(f"{passage.header}\n{passage.text}")) for passage in passages]
    aims = [
        overlap(judge.asked, h) + (question_similarities[i] if question_similarities else 0) for i, h in enumerate(held)
    ]
    farthest = max(max(aims, default=0.0) - judge.bounds.aim, judge.bounds.least_aim if judge.asked else 0.0)
    judged: list[tuple[bool, float, int, Support]] = []
    for index, passage in enumerate(passages):
        if among is not None and index not in among:
            continue
        cosine = None if similarities is None else float(similarities[index])
        share = overlap(judge.wanted, held[index])
        objections = judge.objections(passage, held[index], share, cosine, aimed=aims[index] >= farthest)
        reason = next(objections, "")
        nearness = share + (cosine or 0.0) + 0.25 * aims[index]
        judged.append((not reason, nearness, -index, Support(not reason, index, share, cosine, reason)))
    if not judged:
        return Support(False, None, 0.0, None, "there is no source")
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
        self.fragment = is_fragment(statement, question, terms)
        said = facts(f"{question} {statement}") if self.fragment else self.claimed
        self.denies = said.denies or said.limits

    def objections(
        self, passage: Passage, held: set[str], share: float, cosine: float | None, *, aimed: bool
    ) -> Iterator[str]:
        """Yield why the passage does not support the statement, the hardest reason first."""
        if not self.wanted:
            yield "it says nothing that can be checked"
        yield from self._facts_missing(passage)
        given = facts(passage.text)
        if self.denies and not (given.denies or given.limits):
            yield "it denies what the source says"
        if not self.denies and facts(self._clauses_meant(passage.text)).denies:
            yield "the source denies what it says"
        # What was asked about stands elsewhere in the source: then this sentence speaks of something else.
        if elsewhere := set(self.wanted) & set(self.asked) & set(self.terms(passage.others)) - held:
            yield f"the source does not say it of {', '.join(sorted(elsewhere))}"
        if share < (self.bounds.verbatim if self.fragment else self.bounds.overlap):
            yield f"the source holds {share:.0%} of its words"
        if self.fragment and not aimed and overlap(self.terms(passage.text), self.wanted) < _HALF:
            yield "another sentence of the sources is nearer to the question"
        if share < self.bounds.verbatim and cosine is not None and cosine < self.bounds.similarity:
            yield f"its meaning is not near the source ({cosine:.2f})"

    def _facts_missing(self, passage: Passage) -> Iterator[str]:
        given, about = facts(passage.text), facts(passage.header)
        if missing := sorted(self.claimed.numbers - given.numbers):
            yield f"the source does not hold the number {', '.join(missing)}"
        with_unit = {number for number, _ in given.quantities}
        other = {quantity for quantity in self.claimed.quantities - given.quantities if quantity[0] in with_unit}
        if other:
            yield f"the source does not say {', '.join(sorted(f'{number} {unit}' for number, unit in other))}"
        words = given.words | about.words
        if missing := sorted(n for n in self.claimed.names if n not in words and n.rstrip("s") not in words):
            yield f"the source does not hold {', '.join(missing)}"

    def _clauses_meant(self, text: str) -> str:
        """Return the parts of a passage that share a term with the statement or its question."""
        meant = {*self.wanted, *self.asked}
        return ", ".join(part for part in _PART.split(text) if meant & set(self.terms(part)))
