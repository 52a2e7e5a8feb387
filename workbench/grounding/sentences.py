"""Where sentences begin and end, as character spans, so that a quote can be found again in its document.

A rule of thumb for prose, lists and table rows; not a parser. Text without end marks is one sentence per block.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Escapes stand for curly closing quotes, and for full-width marks, which need no space after them.
_BOUNDARY = re.compile(
    r"""
      (?P<end>[.!?\u2026]+["'\u201d\u2019)\]]*)(?=\s)                # an end mark, its closing quotes, and space
    | [\u3002\uff01\uff1f][\u201d\u2019\uff09\u300d\u300f]*
    | \n[^\S\n]*(?=\n)                                              # a blank line
    | \n(?=[^\S\n]*(?:[-*+\u2022][^\S\n]|\d{1,3}[.)][^\S\n]|\||>))   # a list item, a table row, a quoted line
    """,
    re.VERBOSE,
)
_SHORTENED = """
approx asst ave cf co corp dept dr e.g eg etc fig gen hon i.e ie inc jr ltd mr mrs ms mt nr p pp prof resp rev sgt
sr st vol vs
"""
_ABBREVIATIONS = frozenset(_SHORTENED.split())
# A clause that names its own subject; one that leans on another's ("and costs 8.95") can't be judged alone.
_CLAUSE = re.compile(r"(?:,|;)\s+(?:and|but|while|whereas)\s+(?=(?:the|a|an|our|your|you|we)\s|[A-Z][a-z])|;\s+")
_NUMBERED = re.compile(r"\s*\d{1,3}$")
_LAST_WORD = re.compile(r"[^\s(\[\"'\u201c\u2018]+$")


class Span(NamedTuple):
    """A stretch of a text, `text[start:end]`."""

    start: int
    """First character."""
    end: int
    """One past the last character."""


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Return the spans of the sentences in `text[start:end]`, in order, without the space around them."""
    end = len(text) if end is None else end
    spans: list[Span] = []
    begin = start
    for match in _BOUNDARY.finditer(text, start, end):
        if match["end"] is not None and not _ends_here(text, begin, match, end):
            continue
        _append(spans, text, begin, match.end())
        begin = match.end()
    _append(spans, text, begin, end)
    return spans


def clauses(sentence: str) -> list[str]:
    """Return the clauses of a sentence that can each be judged alone; the sentence itself if there is but one."""
    parts = [part.strip() for part in _CLAUSE.split(sentence)]
    return [part for part in parts if part.strip(" .!?")]


def _append(spans: list[Span], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    if stripped := piece.strip():
        first = start + len(piece) - len(piece.lstrip())
        spans.append(Span(first, first + len(stripped)))


def _ends_here(text: str, begin: int, match: re.Match[str], end: int) -> bool:
    rest = text[match.end() : min(end, match.end() + 40)].lstrip()
    if rest and rest[0].islower():
        return False
    if not match["end"].startswith(".") or match["end"].startswith(".."):
        return True
    before = text[begin : match.start()]
    if _NUMBERED.fullmatch(before):  # "1. Open the app"
        return False
    word = _LAST_WORD.search(before)
    if word is None:
        return True
    bare = word[0].lower()
    if bare == "no":  # "No. 7" is a number, "No. You can't" is an answer
        return not (rest and rest[0].isdigit())
    initial = len(bare) == 1 and word[0].isupper() and word[0] != "I"
    return bare not in _ABBREVIATIONS and not initial
