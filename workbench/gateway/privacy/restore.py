"""Restores the tokens of redacted spans: in a plain answer, and in a text that comes in pieces.

Of a text in pieces only what may be the beginning of a token is held back, until it is known to be none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from workbench.wire.json_strings import exchanged, strings

_JSON_TEXTS = frozenset({"arguments", "partial_json", "input"})
"""Fields whose text is JSON itself: what is put into them is escaped for it."""


class Vault:
    """The tokens of one call and what they stand for; made once for each call that has any."""

    def __init__(self, originals: Mapping[str, str]) -> None:
        self._originals = dict(originals)
        longest_first = sorted(self._originals, key=len, reverse=True)
        self._tokens = re.compile("|".join(map(re.escape, longest_first)))
        self._beginnings = frozenset(token[:length] for token in longest_first for length in range(1, len(token)))
        self._longest = max(map(len, longest_first))

    def restored(self, text: str, *, within_json: bool = False) -> str:
        """Return a whole text with its tokens restored; what was restored is not searched again."""
        return self._tokens.sub(lambda match: self._original(match.group(), within_json=within_json), text)

    def split(self, text: str) -> tuple[str, str]:
        """Return what of a text is settled, and the rest, which may be the beginning of a token."""
        last = 0
        for match in self._tokens.finditer(text):
            if match.end() == len(text) and match.group() in self._beginnings:
                return text[: match.start()], text[match.start() :]  # a longer token may be coming
            last = match.end()
        for start in range(max(last, len(text) - self._longest + 1), len(text)):
            if text[start:] in self._beginnings:
                return text[:start], text[start:]
        return text, ""

    def _original(self, token: str, *, within_json: bool) -> str:
        original = self._originals[token]
        return json.dumps(original, ensure_ascii=False)[1:-1] if within_json else original


class TextInPieces:
    """One text that comes in pieces."""

    __slots__ = ("_held", "_vault", "_within_json")

    def __init__(self, vault: Vault, *, within_json: bool = False) -> None:
        self._vault = vault
        self._within_json = within_json
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what can be said for certain now."""
        settled, self._held = self._vault.split(self._held + piece)
        return self._vault.restored(settled, within_json=self._within_json)

    def end(self) -> str:
        """Return what was held back: there is no more to come."""
        held, self._held = self._held, ""
        return self._vault.restored(held, within_json=self._within_json)


def restore_body(vault: Vault, body: bytes, content_type: bytes) -> bytes:
    """Return a plain answer with its tokens restored; in JSON in the values only, every other byte as it came."""
    if b"json" not in content_type:
        try:
            return vault.restored(body.decode()).encode() if content_type.startswith(b"text/") else body
        except UnicodeDecodeError:
            return body
    news = {}
    for found in strings(body):
        text = json.loads(body[found.start : found.end])
        restored = vault.restored(text, within_json=bool(found.path) and found.path[-1] in _JSON_TEXTS)
        if restored != text:
            news[found.path] = restored
    return exchanged(body, news) if news else body
