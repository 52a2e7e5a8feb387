"""The strings of a JSON text, found in place, so that one can be exchanged without another byte changed.

Source: RFC 8259. The text is taken to be good JSON; it was decoded before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],]|[^\s{}\[\],:"]+')
Path = tuple[str | int, ...]
"""Names and places that lead to a value."""


@dataclass(frozen=True, slots=True)
class Found:
    """One string that is a value."""

    path: Path
    """Where it stands."""
    start: int
    """Its first byte, a quote."""
    end: int
    """The byte behind its last."""


def strings(text: bytes) -> Iterator[Found]:
    """Yield every string that is a value and not a name, in order."""
    path: list[str | int] = []
    named: list[bool] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        first = token[:1]
        if first == b"{":
            path.append("")
            named.append(False)
        elif first == b"[":
            path.append(0)
            named.append(True)
        elif first in b"}]":
            path.pop()
            named.pop()
        elif first == b",":
            here = path[-1]
            if isinstance(here, int):
                path[-1] = here + 1
            else:
                named[-1] = False
        elif first == b'"' and named and not named[-1]:
            path[-1] = json.loads(token)
            named[-1] = True
        elif first == b'"':
            yield Found(tuple(path), match.start(), match.end())


def exchanged(text: bytes, news: Mapping[Path, str]) -> bytes:
    """Return the text with the strings at some paths exchanged."""
    pieces: list[bytes] = []
    at = 0
    for found in strings(text):
        if found.path in news:
            pieces += (text[at : found.start], json.dumps(news[found.path], ensure_ascii=False).encode())
            at = found.end
    return b"".join([*pieces, text[at:]])
