"""Take keys out of texts: whole, cut off, through colours, over several strings, in base64 or hex; the rest stays.

A guard against accidents: who wants to can always write a key in a way that nobody finds.
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, takewhile
from typing import NamedTuple

from workbench.wire.key_format import OWNER_PREFIX, PREFIXES, SEEN, WHOLE, well_formed

MARK = "[removed]"
"""Stands behind the first letters of what was a key; it breaks no quotes, no JSON and no HTML."""
_PREFIXES = (*PREFIXES.values(), OWNER_PREFIX)
_PIECE = 12  # characters of a known key's beginning or end that give it away: 71 bits, so that no other text has them
_SHORTEST_SECRET = 16  # characters; a shorter one may well be a word that stands elsewhere
_COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_SEEN, _WHOLE = re.compile(SEEN), re.compile(WHOLE)
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/_-]{71,74}")
_HEX_RUN = re.compile(r"[0-9a-fA-F]{106}")
_KEY_CHARS = 53
_STANDARD = str.maketrans("-_", "+/")


class _Span(NamedTuple):
    start: int
    end: int
    mark: str


def _any_of(texts: Sequence[str]) -> re.Pattern[str]:
    """Return a pattern for what begins alike: searching for a fixed beginning costs a tenth of that for a choice."""
    start = texts[0][: min(_alike(texts[0], text) for text in texts)]
    return re.compile(f"{start}(?:{'|'.join(re.escape(text[len(start) :]) for text in texts)})")


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _inside_base64(prefix: str, before: int) -> str:
    """Return what stands in base64 for `prefix` behind `before` bytes (of three), whatever these bytes are."""
    encoded = base64.b64encode(b"\0" * before + prefix.encode()).decode()
    return encoded[_skipped(before) : 8 * (before + len(prefix)) // 6]


def _skipped(before: int) -> int:
    """Return how many characters of base64 tell of the bytes before."""
    return -(-8 * before // 6)


_BASE64 = tuple(_any_of([_inside_base64(prefix, before) for prefix in _PREFIXES]) for before in range(3))
_HEX = _any_of([prefix.encode().hex() for prefix in _PREFIXES])


class Scrubber:
    """Knows what a key looks like, and which secrets there are."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        known = [secret for secret in dict.fromkeys(known) if len(secret) >= _SHORTEST_SECRET]
        keys = [secret for secret in known if well_formed(secret)]
        # Found without its beginning too, and in two pieces, as a narrow table or a wrapped line shows it.
        self._pieces = {key[start : start + _PIECE]: key for key in keys for start in (4, len(key) - _PIECE)}
        self._others = tuple(secret for secret in known if not well_formed(secret))

    def suspects(self, text: str) -> bool:
        """Return whether there may be a key in a text: fast, sure where it says no, now and then wrong otherwise."""
        text = _COLOUR.sub("", text) if "\x1b" in text else text
        return (
            any(pattern.search(text) for pattern in (_SEEN, _HEX, *_BASE64))
            or any(piece in text for piece in self._pieces)
            or any(secret in text for secret in self._others)
        )

    def scrub(self, text: str) -> str:
        """Return a text without keys; colours that stood among their letters stay."""
        if "\x1b" not in text:
            return _blotted(text, self._spans(text))
        spans = self._spans(_COLOUR.sub("", text))
        if not spans:
            return text
        places = list(_places_of_letters(text))
        return _blotted(text, [_with_colours(span, text, places) for span in spans])

    def scrub_strings(self, texts: Sequence[str]) -> list[str]:
        """Return a list's strings without keys, those included that begin in one string and end in another."""
        if not self.suspects("".join(texts)):
            return list(texts)
        return [self.scrub(text) for text in _without_divided_keys(texts)]

    def scrub_source(self, text: str) -> str:
        """Return what somebody wrote without whole keys: what only resembles one is hers."""
        spans = [_seen(match) for match in _WHOLE.finditer(text) if well_formed(match[0])]
        return _blotted(text, sorted([*spans, *self._known_values(text)]))

    def _spans(self, text: str) -> list[_Span]:
        found = [_seen(match) for match in _SEEN.finditer(text)]
        return sorted([*found, *self._known_pieces(text), *self._known_values(text), *_in_base64(text), *_in_hex(text)])

    def _known_pieces(self, text: str) -> Iterator[_Span]:
        for piece, key in self._pieces.items():
            for start in _occurrences(piece, text):
                before, behind = key.split(piece, 1)
                to_the_left = _alike(before[::-1], text[max(0, start - len(before)) : start][::-1])
                end = start + _PIECE
                end += _alike(behind, text[end : end + len(behind)])
                yield _Span(start - to_the_left, end, key[:4] + MARK)

    def _known_values(self, text: str) -> Iterator[_Span]:
        for secret in self._others:
            for start in _occurrences(secret, text):
                yield _Span(start, start + len(secret), MARK)


def _seen(match: re.Match[str]) -> _Span:
    return _Span(match.start(), match.end(), match[0][:4] + MARK)


def _in_base64(text: str) -> Iterator[_Span]:
    """Find keys in base64: what only looks like one, in a picture for example, is told by its checksum."""
    for before, pattern in enumerate(_BASE64):
        for match in pattern.finditer(text):
            start = match.start() - _skipped(before)
            if start < 0 or (run := _BASE64_RUN.match(text, start)) is None:
                continue
            decoded = base64.b64decode(run[0].translate(_STANDARD).ljust(76, "A"))
            if well_formed(decoded[before : before + _KEY_CHARS].decode("latin-1")):
                yield _Span(match.start(), run.end(), MARK)


def _in_hex(text: str) -> Iterator[_Span]:
    for match in _HEX.finditer(text):
        run = _HEX_RUN.match(text, match.start())
        if run is not None and well_formed(bytes.fromhex(run[0]).decode("latin-1")):
            yield _Span(run.start(), run.end(), MARK)


def _occurrences(part: str, text: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _places_of_letters(text: str) -> Iterator[int]:
    """Yield where each character stands that is no part of a colour."""
    at = 0
    for colour in _COLOUR.finditer(text):
        yield from range(at, colour.start())
        at = colour.end()
    yield from range(at, len(text))


def _with_colours(span: _Span, text: str, places: Sequence[int]) -> _Span:
    """Return where a span stands in a text with colours, which go on behind the mark."""
    start, end = places[span.start], places[span.end - 1] + 1
    return _Span(start, end, span.mark + "".join(_COLOUR.findall(text[start:end])))


def _without_divided_keys(texts: Sequence[str]) -> list[str]:
    """Return the strings without the keys that begin in one and end in another."""
    whole, result = "".join(texts), list(texts)
    ends = list(accumulate(map(len, texts)))
    for match in reversed(list(_WHOLE.finditer(whole))):
        first, last = bisect_right(ends, match.start()), bisect_left(ends, match.end())
        if first == last or not well_formed(match[0]):
            continue
        result[first] = result[first][: match.start() - ends[first] + len(texts[first])] + match[0][:4] + MARK
        result[last] = result[last][match.end() - ends[last] + len(texts[last]) :]
        result[first + 1 : last] = [""] * (last - first - 1)
    return result


def _blotted(text: str, spans: Sequence[_Span]) -> str:
    """Return the text with marks in the places of the spans, which are in order and may overlap."""
    pieces: list[str] = []
    at = 0
    for span in spans:
        if span.end <= at:
            continue
        if span.start >= at:
            pieces += (text[at : span.start], span.mark)
        at = span.end
    return "".join([*pieces, text[at:]]) if pieces else text
