"""Cut documents into chunks: whole sentences of one section, with the way to them as a header."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from workbench.errors import InvalidInput
from workbench.grounding import Span, sentences
from workbench.rag.documents import Document
from workbench.rag.markdown import outline


@dataclass(frozen=True)
class Chunk:
    """A stretch of a document that is found, cited and shown as one."""

    id: str
    """The document's path and a hash of what the chunk says: `returns.md#3f2a9c1e55`."""
    path: str
    """The document's path below its folder."""
    title: str
    """The document's title."""
    section: str
    """Headings above the chunk, `Refunds > By card`; may be empty."""
    start: int
    """First character in the document's text."""
    end: int
    """One past the last character."""
    text: str
    """The document's text from `start` to `end`."""

    @property
    def header(self) -> str:
        """Title and section, `Returns > Refunds > By card`."""
        return " > ".join(part for part in (self.title, self.section) if part)

    @property
    def indexed_text(self) -> str:
        """What both legs of the index see: the header and the text."""
        return f"{self.header}\n{self.text}"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Chunking:
    """How documents are cut."""

    size: int = 700
    """Longest chunk, in characters, header not counted (700 are about 120 English words or 160 tokens)."""
    overlap: int = 100
    """Characters of whole sentences, at most, that a chunk repeats from the one before it."""

    def __post_init__(self) -> None:
        if self.size < 50 or not 0 <= self.overlap < self.size:
            raise InvalidInput(
                f"Chunks of {self.size} characters with an overlap of {self.overlap} can't be cut.",
                hint="Take a size of at least 50 and an overlap from 0 to below the size.",
            )


def cut(document: Document, chunking: Chunking) -> list[Chunk]:
    """Return the chunks of a document in the order of its text.

    A chunk never crosses a heading; a sentence is split only where it alone is longer than the size.
    """
    plan = outline(document)
    chunks: list[Chunk] = []
    seen: Counter[str] = Counter()
    for section in plan.sections:
        units = _units(document.text, sentences(document.text, section.start, section.end), chunking.size)
        for span in _merge(units, chunking):
            text = document.text[span.start : span.end]
            name = " > ".join(section.headings)
            said = f"{plan.title}\n{name}\n{text}"
            seen[said] += 1
            digest = hashlib.sha256(f"{seen[said]}\n{said}".encode()).hexdigest()[:10]
            chunks.append(Chunk(f"{document.path}#{digest}", document.path, plan.title, name, *span, text))
    return chunks


def _units(text: str, spans: list[Span], size: int) -> list[Span]:
    """Split sentences that are longer than a chunk, at a space if there is one in the second half."""
    units: list[Span] = []
    for span in spans:
        start = span.start
        while span.end - start > size:
            space = max(
                text.rfind(" ", start + size // 2, start + size), text.rfind("\n", start + size // 2, start + size)
            )
            stop = space if space > 0 else start + size
            units.append(Span(start, stop))
            start = stop
            while start < span.end and text[start].isspace():
                start += 1
        if start < span.end:
            units.append(Span(start, span.end))
    return units


def _merge(units: list[Span], chunking: Chunking) -> list[Span]:
    merged: list[Span] = []
    first = 0
    while first < len(units):
        last = first
        while last + 1 < len(units) and units[last + 1].end - units[first].start <= chunking.size:
            last += 1
        merged.append(Span(units[first].start, units[last].end))
        if last + 1 == len(units):
            break
        following = last + 1
        while following - 1 > first and units[last].end - units[following - 1].start <= chunking.overlap:
            following -= 1
        # What is repeated must leave room for the next sentence, or the cutting would not go on.
        while following <= last and units[last + 1].end - units[following].start > chunking.size:
            following += 1
        first = following
    return merged
