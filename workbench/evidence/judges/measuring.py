"""A judge held against human labels: what it must pass before a gate may use it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from workbench.errors import InvalidInput
from workbench.evidence.canonical import content_hash
from workbench.evidence.example import Example
from workbench.evidence.judges.asking import ask_all
from workbench.evidence.judges.comparison import Pair, compare
from workbench.evidence.judges.pairwise import PairwiseJudge
from workbench.evidence.judges.trust import LEAST_AGREEMENT, JudgeTrust
from workbench.evidence.output import Output
from workbench.evidence.question import Asker, CallGate
from workbench.evidence.scorer import Score, Scorer
from workbench.statistics import Agreement, krippendorff_alpha

Label = float | str


@dataclass(frozen=True)
class Labelled:
    """One output with the score that a person gave; several people: several rows."""

    example: Example
    """What was asked."""
    output: str
    """What was answered."""
    label: Label
    """The person's score, or one of the judge's words."""


@dataclass(frozen=True)
class LabelledPair:
    """Two answers with a person's vote; several people: several rows."""

    example: Example
    """What was asked."""
    a: str
    """One answer."""
    b: str
    """The other."""
    label: str
    """Which is better: "a", "b" or "tie"."""


def measure(
    judge: Scorer | PairwiseJudge,
    labelled: Sequence[Labelled] | Sequence[LabelledPair],
    *,
    gateway: Asker | None = None,
    call_gate: CallGate | None = None,
    bar: float = LEAST_AGREEMENT,
    confidence: float = 0.95,
    workers: int = 4,
    progress: bool = True,
) -> JudgeTrust:
    """Let a judge decide what people decided, and return how far they agree; `judge.trusted(trust)` carries it.

    The agreement is Krippendorff's alpha of two raters: the judge, and the people's median score (of words and votes:
    what most said; items on which they are even are left out). Its level is ordinal for scores and words, whose figures
    are their order, and nominal for votes. The lower end of its interval must exceed `bar`, written down in the result;
    a pairwise judge must also decide alike in both orders, and lean to neither place. Label items that the judge's
    rubric was not written on.

    Raises InvalidInput for labels that the judge can't give, or for a judge whose identity is unknown; and what would
    meet every call (no gateway, no such model, no right).
    """
    identity, name = judge.identity, judge.name
    if identity is None:
        raise InvalidInput(f"Nobody can say when the scorer {name!r} changes.", hint="Give its function a `version`.")
    if not labelled:
        raise InvalidInput("No labelled item was given.", hint="20 are the least, 100 tell more.")
    common: dict[str, Any] = {
        "judge": identity,
        "name": name,
        "confidence": confidence,
        "bar": bar,
        "labels": content_hash(sorted(_content(each) for each in labelled)),
    }
    how: dict[str, Any] = {"call_gate": call_gate, "workers": workers, "progress": progress}
    if isinstance(judge, PairwiseJudge):
        votes = _consensus(labelled, LabelledPair, lambda label: _one_of(label, ("a", "tie", "b")), _majority)
        if gateway is None:
            raise InvalidInput("A judge asks through a gateway.", hint="Pass gateway=.")
        found = compare(judge, [Pair(i.example, i.a, i.b) for i, _ in votes], gateway=gateway, **how)
        outcomes = [verdict.outcome for verdict in found.verdicts]
        agreement = _agreement([label for _, label in votes], outcomes, "nominal", confidence)
        return JudgeTrust(
            **common,
            **agreement,
            consistency=found.consistency.mean,
            position_bias=found.position_bias.mean,
            position_p=found.position_p,
        )
    scored = _consensus(labelled, Labelled, lambda label: _figure(label, judge), _majority if judge.choices else median)
    scores = _scores(judge, [item for item, _ in scored], gateway=gateway, **how)
    return JudgeTrust(**common, **_agreement([label for _, label in scored], scores, "ordinal", confidence))


def _scores(
    judge: Scorer, items: Sequence[Labelled], *, gateway: Asker | None, call_gate: CallGate | None, **how: Any
) -> list[float | None]:
    if not judge.asks:
        pairs = [(Output.of(item.output), item.example) for item in items]
        return [score.value for score in judge.score_all(pairs, gateway=gateway)]
    if gateway is None:
        raise InvalidInput("A judge asks through a gateway.", hint="Pass gateway=.")
    scores = ask_all(
        items,
        lambda item: judge.ask_one(item.output, item.example, gateway=gateway, call_gate=call_gate),
        lambda _, error: Score(None, f"{type(error).__name__}: {error}"),
        what=judge.name,
        **how,
    )
    return [score.value for score in scores]


def _agreement(labels: Sequence[Any], given: Sequence[Any], level: Any, confidence: float) -> dict[str, Any]:
    decided = sum(each is not None for each in given)
    no_score = len(given) - decided
    if decided < 2:
        nothing = {"statistic": "none", "agreement": None, "low": None, "high": None}
        return {**nothing, "n": decided, "no_score": no_score}
    found: Agreement = krippendorff_alpha([labels, given], level=level, confidence=confidence)
    figures = {"agreement": found.alpha, "low": found.low, "high": found.high}
    told = {name: None if math.isnan(figure) else figure for name, figure in figures.items()}
    return {"statistic": found.method, **told, "n": found.units, "no_score": no_score}


def _consensus(
    labelled: Iterable[Any], kind: type[Any], read: Callable[[Any], Any], common: Callable[[list[Any]], Any]
) -> list[tuple[Any, Any]]:
    """Return each item once, with what people agreed on; without those on which they are even."""
    items: dict[str, tuple[Any, list[Any]]] = {}
    for number, each in enumerate(labelled, start=1):
        if not isinstance(each, kind):
            raise InvalidInput(
                f"Label {number} is a {type(each).__name__}; this judge is held against {kind.__name__}s."
            )
        try:
            label = read(each.label)
        except ValueError as error:
            raise InvalidInput(f"Label {number} can't be compared: {error}.") from error
        items.setdefault(_content(each, label=False), (each, []))[1].append(label)
    agreed = [(item, common(labels)) for item, labels in items.values()]
    return [(item, label) for item, label in agreed if label is not None]


def _content(item: Labelled | LabelledPair, *, label: bool = True) -> str:
    answers = [item.output] if isinstance(item, Labelled) else [item.a, item.b]
    return content_hash([item.example.id, item.example.inputs, *answers, *([item.label] if label else [])])


def _figure(label: Label, judge: Scorer) -> float:
    words: Mapping[str, float] = judge.choices or {}
    if isinstance(label, str):
        _one_of(label, tuple(words))
        return words[label]
    low, high = judge.bounds or (-math.inf, math.inf)
    if not low <= label <= high or (words and label not in words.values()):
        raise ValueError(f"{label!r} is no score that the judge can give")
    return float(label)


def _one_of(label: Any, words: Sequence[str]) -> str:
    if label not in words:
        raise ValueError(f"{label!r} is not one of {', '.join(map(repr, words)) or 'its figures'}")
    return str(label)


def _majority(labels: list[Any]) -> Any:
    (first, count), *rest = Counter(labels).most_common(2)
    return None if rest and rest[0][1] == count else first
