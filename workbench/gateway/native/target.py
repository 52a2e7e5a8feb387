"""Where a native request points: a path and a query that mean one thing only, or nothing goes upstream.

Proxies are got past by paths that two readers read in two ways. What could be read so is refused, not repaired.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from workbench.errors import InvalidInput

_SENT = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,=:@/-]|%[0-9A-Fa-f]{2})*")
"""What may stand in a path as it is sent: RFC 3986's `pchar` and `/`, without `;`, by which some cut a segment."""
_QUERY = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,=:@/?\[\]|-]|%[0-9A-Fa-f]{2})*")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_NEVER = re.compile(r"[\x00-\x1f\x7f\\;]")
_KEY_NAMES = frozenset({"key", "api-key", "api_key", "apikey", "access_token", "oauth_token", "subscription-key"})
"""Parameters of a query in which somebody may put a credential; none of them goes on."""
_MOST_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Target:
    """One path and query, read in the only way there is."""

    provider: str
    """The first segment."""
    raw: str
    """What follows it, as it was sent, with its leading slash."""
    path: str
    """The same for the table of paths: decoded, but for a slash inside a segment, which stays `%2F`."""
    query: str
    """The query as it was sent."""

    def without_key(self, key: str | None) -> str:
        """Return the query without any parameter that is, or holds, a credential."""
        if not self.query:
            return ""
        return "&".join(part for part in self.query.split("&") if not _is_credential(part, key))

    def values(self, name: str) -> Iterator[str]:
        """Yield the values of a parameter."""
        for part in self.query.split("&"):
            found, _, value = part.partition("=")
            if found == name:
                yield unquote_to_bytes(value.replace("+", " ")).decode("utf-8", "replace")


def read_target(raw_path: bytes, query: bytes) -> Target:
    """Return where a request points; raises InvalidInput where the path could be read in more than one way."""
    if len(raw_path) > _MOST_BYTES or len(query) > _MOST_BYTES:
        raise _unclear(f"it is longer than {_MOST_BYTES} bytes")
    target = _read_path(raw_path)
    if not query:
        return target
    if not _QUERY.fullmatch(query):
        raise _strange()
    return replace(target, query=query.decode("ascii"))  # not remembered: a key may stand in it


@lru_cache(maxsize=2048)
def _read_path(raw_path: bytes) -> Target:
    if not _SENT.fullmatch(raw_path):
        raise _strange()
    first, *segments = raw_path.decode("ascii")[1:].split("/")
    decoded = [_decoded(segment, last=number == len(segments)) for number, segment in enumerate(segments, start=1)]
    provider = _decoded(first, last=False)
    if _ESCAPE.search(first):
        raise _unclear("the provider's name is percent-encoded")
    return Target(provider, "/" + "/".join(segments), "/" + "/".join(decoded), "")


def unread_target(path: str) -> Target:
    """Return what a path that is refused is called in the ledger; nothing of it is ever sent."""
    provider, _, rest = path[1:].partition("/")
    return Target(provider, "/", f"/{rest}", "")


def _decoded(segment: str, *, last: bool) -> str:
    try:
        text = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unclear("it is not UTF-8") from error
    if text in (".", ".."):
        raise _unclear("it leads up and down")
    if not text and not last:
        raise _unclear("it holds an empty segment")
    if _ESCAPE.search(text):
        raise _unclear("it is percent-encoded twice")
    if _NEVER.search(text):
        raise _unclear("it holds a backslash, a semicolon or a control character")
    inner = text.split("/")
    if len(inner) > 1 and any(part in ("", ".", "..") for part in inner):
        raise _unclear("an encoded slash in it leads up or down")
    return "%2F".join(inner)


def _is_credential(part: str, key: str | None) -> bool:
    name, _, value = part.partition("=")
    name, value = (unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "replace") for text in (name, value))
    name = name.strip().lower()
    return name in _KEY_NAMES or name.startswith("x-amz-") or bool(key and (key in value or key in name))


def _strange() -> InvalidInput:
    return _unclear("it holds a character that must be percent-encoded, or may not be there at all")


def _unclear(why: str) -> InvalidInput:
    return InvalidInput(
        f"The path of the request is not plain: {why}.", hint="Send the path as the SDK makes it.", code="bad_path"
    )
