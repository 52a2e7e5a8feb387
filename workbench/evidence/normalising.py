"""Texts that say the same in other letters: case, blanks, punctuation, spelling of characters, articles."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from workbench.evidence.example import Example
from workbench.evidence.output import Output
from workbench.evidence.scorer import NO_TEXT, NOTHING_EXPECTED, Score, Scorer, identity_of

ENGLISH_ARTICLES = ("a", "an", "the")
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2212": "-"})
# A mark between digits, and a minus before one, is part of a number: 1.5 is not 15, -3 is not 3.
_WITHIN_NUMBER = re.compile(r"(?<=\d)[.,:/](?=\d)|(?<![^\W_])-(?=\d)")


def normalised(
    text: str,
    *,
    case: bool = True,
    whitespace: bool = True,
    punctuation: bool = True,
    unicode: bool = True,
    articles: Sequence[str] = ENGLISH_ARTICLES,
) -> str:
    """Return a text without what does not matter; each option says what is levelled.

    `unicode`: compatibility forms and curly quotes become plain (NFKC). `punctuation`: apostrophes vanish, other marks
    become a blank, those within numbers stay. `articles`: these words are left out. The idea is SQuAD's (Rajpurkar et
    al. 2016, arXiv 1606.05250), but numbers are kept apart.
    """
    if unicode:
        text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    if case:
        text = unicodedata.normalize("NFKC", text.casefold()) if unicode else text.casefold()
    if punctuation:
        kept = {match.start() for match in _WITHIN_NUMBER.finditer(text)}
        text = "".join(_levelled(mark) if place not in kept else mark for place, mark in enumerate(text))
    if articles:
        text = re.sub(rf"\b(?:{'|'.join(map(re.escape, articles))})\b", " ", text, flags=re.IGNORECASE)
    return " ".join(text.split()) if whitespace else text.strip()


def normalised_match(
    *,
    key: str | None = None,
    case: bool = True,
    whitespace: bool = True,
    punctuation: bool = True,
    unicode: bool = True,
    articles: Sequence[str] = ENGLISH_ARTICLES,
    name: str = "normalised_match",
) -> Scorer:
    """Score 1 if output and expected text are the same once normalised (see `normalised`), else 0.

    `key` picks one text of an expected dict. Where nothing is left of the expected text there is no score.
    """
    options = {
        "case": case,
        "whitespace": whitespace,
        "punctuation": punctuation,
        "unicode": unicode,
        "articles": list(articles),
    }

    def level(text: str) -> str:
        return normalised(
            text, case=case, whitespace=whitespace, punctuation=punctuation, unicode=unicode, articles=articles
        )

    def score(output: Output, example: Example) -> Score:
        if output.text is None:
            return NO_TEXT
        expected = example.expected_text(key)
        if expected is None:
            return NOTHING_EXPECTED
        if not (wanted := level(expected)):
            return Score(None, f"nothing is left of the expected {expected!r} once it is normalised")
        return Score(float(level(output.text) == wanted))

    return Scorer(name, score, identity=identity_of("normalised_match", key=key, **options))


def _levelled(mark: str) -> str:
    if mark == "'":
        return ""
    return " " if unicodedata.category(mark).startswith("P") else mark
