"""Cases of models that judge texts: moderation and ranking."""

from __future__ import annotations

from typing import Any

from workbench.client import Gateway
from workbench.testing.conformance.case import Case
from workbench.testing.conformance.subject import Subject
from workbench.testing.conformance.verdict import expect

_DISHES = ["ramen with egg", "a red bicycle", "noodle soup"]


def moderated(gateway: Gateway, subject: Subject) -> str:
    """Check that each text gets a verdict."""
    answer = gateway.openai.moderations.create(model=subject.model, input=_DISHES)
    expect(len(answer.results) == len(_DISHES), f"{len(_DISHES)} texts gave {len(answer.results)} verdicts")
    expect(not any(result.flagged for result in answer.results), "a harmless text was flagged")
    return f"{len(answer.results)} verdicts"


def ranked(gateway: Gateway, subject: Subject) -> str:
    """Check that documents come back ranked, each once, the best first."""
    body = {"model": subject.model, "query": "a bowl of noodles", "documents": _DISHES}
    answer: Any = gateway.openai.post("/rerank", cast_to=object, body=body)
    rows = answer["results"]
    expect(sorted(row["index"] for row in rows) == [0, 1, 2], f"the ranks are of {[row['index'] for row in rows]}")
    scores = [row["relevance_score"] for row in rows]
    expect(scores == sorted(scores, reverse=True), "the best does not come first")
    return ", ".join(f"{row['index']}: {row['relevance_score']:.2f}" for row in rows)


JUDGEMENTS = (Case("moderation", "moderation", moderated), Case("ranking", "rerank", ranked))
