"""How much of the expected text's wording an output has: ROUGE and BLEU, computed by the libraries that define them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from workbench.errors import InvalidInput, MissingComponent
from workbench.evidence.example import Example
from workbench.evidence.output import Output
from workbench.evidence.scorer import NO_TEXT, NOTHING_EXPECTED, Score, Scorer, identity_of

Kind = Literal["rouge1", "rouge2", "rougeL", "rougeLsum"]
Part = Literal["f", "precision", "recall"]
_KINDS = ("rouge1", "rouge2", "rougeL", "rougeLsum")


def rouge(
    kind: Kind = "rougeL", *, part: Part = "f", stem: bool = True, key: str | None = None, name: str | None = None
) -> Scorer:
    """Score the overlap with the expected text by ROUGE (Lin 2004), from 0 to 1; the note holds precision and recall.

    `part` is what counts: F1, precision or recall. Computed by Google's rouge-score; words of any alphabet count, and
    for English it gives that library's own figures. Several expected texts (a list under `key`): the nearest counts.
    Raises MissingComponent without rouge-score.
    """
    if kind not in _KINDS or part not in ("f", "precision", "recall"):
        raise InvalidInput(f"No {part!r} of {kind!r} is known.", hint=f"Kinds: {', '.join(_KINDS)}.")
    scorer = _rouge(kind, stem)

    def score(output: Output, example: Example) -> Score:
        if output.text is None:
            return NO_TEXT
        if not (wanted := expected_texts(example, key)):
            return NOTHING_EXPECTED
        figures = [scorer.score(text, output.text)[kind] for text in wanted]
        at = {"f": 2, "precision": 0, "recall": 1}[part]
        best = max(figures, key=lambda figure: float(figure[at]))
        return Score(float(best[at]), f"precision {best[0]:.2f}, recall {best[1]:.2f}")

    return Scorer(name or kind, score, identity=identity_of("rouge", kind=kind, part=part, stem=stem, key=key))


def bleu(*, key: str | None = None, ignore_case: bool = False, tokenize: str = "13a", name: str = "bleu") -> Scorer:
    """Score sentence BLEU against the expected text (Papineni et al. 2002), from 0 to 1, computed by sacrebleu.

    Smoothed, with the orders of n-grams that a short text has. The mean over examples is not corpus BLEU. Several
    expected texts (a list under `key`) are taken as references together. Raises MissingComponent without sacrebleu.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415 - loads when it is used
    except ImportError as error:
        raise _missing("BLEU", "sacrebleu") from error
    try:
        metric = BLEU(lowercase=ignore_case, tokenize=tokenize, effective_order=True)
    except (ValueError, KeyError, AssertionError) as error:
        raise InvalidInput(f"sacrebleu has no tokenizer {tokenize!r}.", hint="13a, intl, char, zh, none.") from error

    def score(output: Output, example: Example) -> Score:
        if output.text is None:
            return NO_TEXT
        if not (wanted := expected_texts(example, key)):
            return NOTHING_EXPECTED
        figure = metric.sentence_score(output.text, wanted)
        return Score(min(1.0, figure.score / 100), f"brevity penalty {figure.bp:.2f}")

    return Scorer(name, score, identity=identity_of("bleu", key=key, fold=ignore_case, tokenize=tokenize))


def expected_texts(example: Example, key: str | None) -> list[str]:
    """Return the texts that are expected, of which there may be several under a key; empty if there is none."""
    found: Any = example.expected
    if key is not None and isinstance(found, Mapping) and isinstance(found.get(key), list):
        return [str(text) for text in found[key]]
    text = example.expected_text(key)
    return [text] if text else []


class _Words:
    """Words of any alphabet; rouge-score's own tokenizer drops all but a-z."""

    def __init__(self, stemmer: Any) -> None:
        self._stemmer = stemmer

    def tokenize(self, text: str) -> list[str]:
        words = re.findall(r"[^\W_]+", text.lower())
        return [self._stemmer.stem(word) if self._stemmer and len(word) > 3 else word for word in words]


@lru_cache(maxsize=16)
def _rouge(kind: str, stem: bool) -> Any:
    try:
        from nltk.stem import porter  # noqa: PLC0415 - loads when it is used; rouge-score brings it
        from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415 - as above
    except ImportError as error:
        raise _missing("ROUGE", "rouge-score") from error
    return RougeScorer([kind], tokenizer=_Words(porter.PorterStemmer() if stem else None))


def _missing(what: str, package: str) -> MissingComponent:
    return MissingComponent(f"{what} needs the package {package}.", hint="pip install 'genai-workbench[scorers]'")
