"""The outline of a Markdown document: its title and its sections, as spans of the text.

Reads ATX and setext headings outside code fences, and front matter. Inline markup stays as it is.
Source: CommonMark 0.31, sections 4.2, 4.3 and 4.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from workbench.rag.documents import Document

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*_`]+")
_LONGEST_HEADING = 120


@dataclass(frozen=True)
class Section:
    """A stretch of a document under one heading."""

    headings: tuple[str, ...]
    """Headings from the outermost to its own; the document's title is not among them."""
    start: int
    """First character after the heading."""
    end: int
    """One past its last character, where the next heading begins."""


@dataclass(frozen=True)
class Outline:
    """Title and sections of a document."""

    title: str
    """From the front matter, else the first heading if it is of level 1, else the file's name."""
    sections: tuple[Section, ...]
    """In the order of the text; they don't overlap."""


@dataclass(frozen=True)
class _Heading:
    level: int
    text: str
    start: int
    end: int


def outline(document: Document) -> Outline:
    """Return the outline of a document; plain text is one section."""
    text = document.text
    title = PurePosixPath(document.path).stem.replace("-", " ").replace("_", " ").strip()
    title = title[:1].upper() + title[1:]
    if not document.markdown:
        return Outline(title, (Section((), 0, len(text)),))
    begin, named = _front_matter(text)
    headings = list(_headings(text, begin))
    title = named or title
    opening = (
        headings[0] if headings and headings[0].level == 1 and not text[begin : headings[0].start].strip() else None
    )
    if opening is not None:
        title = named or opening.text or title
    sections: list[Section] = []
    above: list[_Heading] = []
    start = begin
    for heading in [*headings, None]:
        end = len(text) if heading is None else heading.start
        if text[start:end].strip():
            path = tuple(part.text for part in above if part.text and part is not opening)
            sections.append(Section(path, start, end))
        if heading is not None:
            above = [part for part in above if part.level < heading.level] + [heading]
            start = heading.end
    return Outline(title, tuple(sections))


def _front_matter(text: str) -> tuple[int, str]:
    match = _FRONT_MATTER.match(text)
    if match is None:
        return 0, ""
    title = _FRONT_TITLE.search(match[1] or "")
    return match.end(), _plain(title[1]) if title else ""


def _headings(text: str, begin: int) -> Iterator[_Heading]:
    fence = ""
    before: tuple[int, str] | None = None  # the line above, if it may be the text of a setext heading
    position = begin
    for line in text[begin:].splitlines(keepends=True):
        bare = line.rstrip("\n")
        end = position + len(line)
        opened = _FENCE.match(bare)
        if fence:
            if opened and opened[1].startswith(fence) and not bare.strip().strip(fence[0]):
                fence = ""
            before = None
        elif opened:
            fence, before = opened[1], None
        elif atx := _ATX.match(bare):
            yield _Heading(len(atx[1]), _plain(atx[2] or ""), position, end)
            before = None
        elif before and (setext := _SETEXT.match(bare)):
            yield _Heading(1 if setext[1][0] == "=" else 2, _plain(before[1]), before[0], end)
            before = None
        else:
            before = (position, bare) if bare.strip() and bare.lstrip()[0] not in "|>-*+" else None
        position = end


def _plain(heading: str) -> str:
    text = " ".join(_MARKUP.sub(lambda match: match[1] or "", heading).split())
    return text if len(text) <= _LONGEST_HEADING else text[: _LONGEST_HEADING - 1] + "…"
