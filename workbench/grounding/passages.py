"""The passages of a source that a statement is held against: its sentences, each with what it must be read with."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.grounding.sentences import Span, sentences

_BACKWARD = "it its they their them this that these those he she his her such both each"
_POINTS_BACK = re.compile(rf"(?:{'|'.join(_BACKWARD.split())})\b", re.IGNORECASE)


@dataclass(frozen=True)
class Passage:
    """One sentence of a source."""

    text: str
    """The sentence."""
    span: Span
    """Where it stands in the source."""
    header: str = ""
    """What it is about: headings, and the sentence before it where it begins with "it" or the like."""
    others: str = ""
    """The rest of the source."""


def passages(text: str, *, header: str = "") -> list[Passage]:
    """Return the sentences of a source with their context."""
    found: list[Passage] = []
    before = ""
    for span in sentences(text):
        sentence = text[span.start : span.end]
        about = f"{header}\n{before}" if before and _POINTS_BACK.match(sentence) else header
        others = f"{text[: span.start]}\n{text[span.end :]}"
        found.append(Passage(sentence, span, about, others))
        before = sentence if about is header else f"{before} {sentence}"
    return found
