"""Give each sentence of an answer the citations that hold, whoever wrote them.

What a model cites is a claim like any other: it counts only where the source supports the sentence. Where the model
cites nothing that holds, the source that supports the sentence is found and attached, and marked as such.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.grounding import (
    Bounds,
    Passage,
    Support,
    bare_statement,
    clauses,
    is_fragment,
    overlap,
    passages,
    sentences,
    support,
)
from workbench.rag.index import Hit

_MARK = re.compile(r"\s*\[(?:source\s*)?#?(\d{1,2}(?:\s*[,;]\s*\d{1,2})*)\]", re.IGNORECASE)
_MARKS_AFTER_END = re.compile(
    r"([.!?]+)((?:[^\S\n]*\[(?:source\s*)?#?\d{1,2}(?:\s*[,;]\s*\d{1,2})*\])+)", re.IGNORECASE
)
_END = re.compile(r"[.!?]+[\"')\]]*$")


@dataclass(frozen=True)
class Citation:
    """The place in a document that supports a sentence of the answer."""

    chunk_id: str
    """The chunk."""
    path: str
    """The document, below the ingested folder."""
    start: int
    """First character of the quote in the document's text."""
    end: int
    """One past its last character."""
    quote: str
    """The sentence of the document, word for word."""
    number: int
    """The source's number in the prompt and in the answer's text."""
    origin: Literal["model", "check"]
    """Whether the model wrote it and the check confirmed it, or the check attached it."""


@dataclass(frozen=True)
class Statement:
    """One sentence of the answer, judged."""

    text: str
    """The sentence, without citations."""
    supported: bool
    """Whether a source supports it."""
    citations: tuple[Citation, ...]
    """What supports it."""
    rejected: tuple[int, ...]
    """Source numbers that the model cited and the check did not confirm."""
    overlap: float
    """Share of its terms that the nearest sentence of the sources holds."""
    similarity: float | None
    """Cosine of question and sentence to that sentence; None where the words alone ruled it out."""
    reason: str
    """Why it is not supported; empty if it is."""

    @property
    def cited_text(self) -> str:
        """The sentence with the numbers of its citations before its end mark, `Within 30 days [1]`."""
        marks = "".join(f"[{number}]" for number in sorted({citation.number for citation in self.citations}))
        if not marks:
            return self.text
        end = _END.search(self.text)
        stop = end.start() if end else len(self.text)
        return f"{self.text[:stop]} {marks}{self.text[stop:]}"


@dataclass(frozen=True)
class _Place:
    hit: Hit
    passage: Passage


def judge(
    text: str,
    question: str,
    hits: Sequence[Hit],
    *,
    terms: Callable[[str], Sequence[str]],
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
    bounds: Bounds | None = None,
) -> list[Statement]:
    """Return the statements of an answer, each with the citations that the check confirmed or attached.

    A sentence that no single source sentence supports is supported if each of its clauses is. `embed` returns unit
    vectors; it is called at most once, with the sentences that the words don't rule out.
    """
    checks = _Checks(question, hits, terms, bounds or Bounds())
    claims = _claims(text)
    checks.measure([part for claim, _ in claims for part in {claim, *clauses(claim)}], embed)
    return [_judged(claim, cited, checks) for claim, cited in claims]


def _judged(claim: str, cited: list[int], checks: _Checks) -> Statement:
    citations: dict[Citation, None] = {}
    rejected: list[int] = []
    parts = [claim]
    best = checks.best(claim)
    if best.place is None and len(split := clauses(claim)) > 1 and all(checks.best(part).place for part in split):
        parts = split
    for number in cited:
        found = [checks.best(part, number) for part in parts]
        confirmed = [_citation(one.place, "model") for one in found if one.place]
        citations |= dict.fromkeys(confirmed)
        if not confirmed:
            rejected.append(number)
    for part in parts:
        place = checks.best(part).place
        if place is not None and not any(checks.best(part, number).place for number in cited):
            citations[_citation(place, "check")] = None
    return Statement(
        text=claim,
        supported=bool(citations),
        citations=tuple(citations),
        rejected=tuple(rejected),
        overlap=best.support.overlap,
        similarity=best.support.similarity or None,
        reason="" if citations else best.support.reason,
    )


@dataclass(frozen=True)
class _Found:
    support: Support
    place: _Place | None
    """Where the support stands; None if there is none."""


class _Checks:
    """Every claim against every sentence of the sources."""

    def __init__(
        self, question: str, hits: Sequence[Hit], terms: Callable[[str], Sequence[str]], bounds: Bounds
    ) -> None:
        self._question = question
        self._terms = terms
        self._bounds = bounds
        self._places = [
            _Place(hit, passage) for hit in hits for passage in passages(hit.chunk.text, header=hit.chunk.header)
        ]
        self._cosines: dict[str, list[float]] = {}
        self._aims: list[float] | None = None

    def measure(self, claims: Sequence[str], embed: Callable[[Sequence[str]], NDArray[np.float32]]) -> None:
        """Measure the cosine of question and claims to the sentences that share enough words with a claim.

        A claim is read after its question. Where a claim is a fragment, the question's cosine to every sentence counts.
        """
        texts = [f"{place.passage.header}\n{place.passage.text}" for place in self._places]
        held = [self._terms(text) for text in texts]
        least = self._bounds.overlap
        near = {claim: [i for i, h in enumerate(held) if overlap(self._said(claim), h) >= least] for claim in claims}
        asked = [claim for claim, indexes in near.items() if indexes]
        fragments = any(is_fragment(claim, self._question, self._terms) for claim in asked)
        wanted = sorted(range(len(texts)) if fragments else {i for indexes in near.values() for i in indexes})
        if not asked:
            return
        read = [f"{self._question} {bare_statement(claim)}" for claim in asked]
        vectors = embed([self._question, *read, *(texts[index] for index in wanted)])
        cosines = np.zeros((1 + len(asked), len(texts)))
        cosines[:, wanted] = vectors[: 1 + len(asked)] @ vectors[1 + len(asked) :].T
        self._aims = cosines[0].tolist()
        self._cosines = dict(zip(asked, cosines[1:].tolist(), strict=True))

    def best(self, claim: str, number: int | None = None) -> _Found:
        """Return the best support for a claim among all sources, or in the source of one number."""
        found = support(
            claim,
            [place.passage for place in self._places],
            terms=self._terms,
            question=self._question,
            similarities=self._cosines.get(claim, [0.0] * len(self._places)),
            question_similarities=self._aims,
            among=[index for index, place in enumerate(self._places) if number in (None, place.hit.rank)],
            bounds=self._bounds,
        )
        return _Found(found, self._places[found.passage] if found.supported and found.passage is not None else None)

    def _said(self, claim: str) -> Sequence[str]:
        return self._terms(bare_statement(claim))


def _citation(place: _Place, origin: Literal["model", "check"]) -> Citation:
    chunk, span = place.hit.chunk, place.passage.span
    return Citation(
        chunk_id=chunk.id,
        path=chunk.path,
        start=chunk.start + span.start,
        end=chunk.start + span.end,
        quote=place.passage.text,
        number=place.hit.rank,
        origin=origin,
    )


def _claims(text: str) -> list[tuple[str, list[int]]]:
    """Return the sentences of an answer without citations, and the source numbers that each cites."""
    text = _MARKS_AFTER_END.sub(r"\2\1", text)
    claims: list[tuple[str, list[int]]] = []
    for span in sentences(text):
        sentence = text[span.start : span.end]
        cited = [int(number) for mark in _MARK.findall(sentence) for number in re.findall(r"\d+", mark)]
        bare = _MARK.sub("", sentence).strip()
        if bare.strip(".!? "):
            claims.append((bare, list(dict.fromkeys(cited))))
        elif claims and cited:  # a line of nothing but citations belongs to the sentence before it
            claims[-1] = (claims[-1][0], list(dict.fromkeys(claims[-1][1] + cited)))
    return claims
