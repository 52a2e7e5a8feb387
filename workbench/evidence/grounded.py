"""How much of an output its context supports, sentence by sentence, by `workbench.grounding`: no model is asked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

from workbench.errors import InvalidInput, MissingComponent
from workbench.evidence.example import Example
from workbench.evidence.output import Output
from workbench.evidence.scorer import NO_TEXT, Score, Scorer, identity_of
from workbench.grounding import Passage, passages, sentences, support
from workbench.grounding.stop_words import STOP_WORDS

Context = str | Callable[[Output, Example], str | Sequence[str]]
_WORD = re.compile(r"\d+(?:[.,]\d+)+(?![^\W_])|[^\W_]+(?:'[^\W\d_]+)*")
_CITED = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\]")


def groundedness(
    *,
    context: Context | None = None,
    question: str | None = None,
    language: str = "english",
    name: str = "groundedness",
) -> Scorer:
    """Score the share of the output's sentences that its context supports; the note tells the first that it does not.

    `context` names the input that holds it (a text or a list of texts), or is a function of output and example.
    Default: what the output itself says it was made from (`contexts`, or the hits of a RAG pipeline), else the input
    `context`. `question` names the input with the question, after which a short answer is read (default: `question`,
    where there is one). Without context there is no score. The method is that of `workbench.grounding.support`:
    figures, names and denials must stand in the source; it errs towards "unsupported".
    Raises MissingComponent without snowballstemmer, InvalidInput for a language that it does not know.
    """
    terms = _terms(language)

    def score(output: Output, example: Example) -> Score:
        if output.text is None:
            return NO_TEXT
        held = _held(output, example, context)
        if not held:
            return Score(None, "there is no context to hold it against")
        asked = example.inputs.get(question or "question")
        text = _CITED.sub("", output.text)
        said = [text[span.start : span.end] for span in sentences(text)]
        if not said:
            return Score(None, "the output says nothing")
        found = [support(each, held, terms=terms, question=str(asked or "")) for each in said]
        good = sum(each.supported for each in found)
        first = next((f"{s[:80]!r}: {f.reason}" for s, f in zip(said, found, strict=True) if not f.supported), "")
        return Score(good / len(said), first)

    named = context if isinstance(context, str) or context is None else None
    identity = identity_of("groundedness", context=named, question=question, language=language)
    return Scorer(name, score, identity=None if callable(context) else identity)


def _held(output: Output, example: Example, context: Context | None) -> list[Passage]:
    given: Any
    if callable(context):
        given = context(output, example)
    elif context is None:
        given = output.contexts or example.inputs.get("context")
    else:
        given = example.inputs.get(context)
    texts = [given] if isinstance(given, str) else list(given or ())
    return [passage for text in texts for passage in passages(str(text))]


def _terms(language: str) -> Callable[[str], Sequence[str]]:
    """Return what cuts a text into words that count; raises where the language has no stemmer."""
    try:
        import snowballstemmer  # noqa: PLC0415 - loads when it is used
    except ImportError as error:
        raise MissingComponent(
            "Groundedness needs the package snowballstemmer.", hint="pip install 'genai-workbench[scorers]'"
        ) from error
    if language not in snowballstemmer.algorithms():
        known = ", ".join(sorted(snowballstemmer.algorithms()))
        raise InvalidInput(f"No stemmer for {language!r}.", hint=f"Known: {known}.")
    return partial(_cut, language)


@lru_cache(maxsize=4096)
def _cut(language: str, text: str) -> tuple[str, ...]:
    """Return a text's words without stop words, stemmed."""
    import snowballstemmer  # noqa: PLC0415 - as above

    idle = STOP_WORDS.get(language, frozenset())
    plain = unicodedata.normalize("NFKC", text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").casefold()
    # A stemmer keeps the word that it works on: each text gets its own, since threads may score at once.
    stem = snowballstemmer.stemmer(language).stemWord
    return tuple(stem(word) for word in _WORD.findall(plain) if word not in idle)
