"""Turn text into the terms that the lexical leg counts: words in lower case, stop words out, stemmed.

An index is bound to the analyzer that made it: `fingerprint` tells two apart by what they do, not by what they say.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import unicodedata
from functools import cached_property
from typing import Any

from workbench.errors import InvalidInput
from workbench.grounding.stop_words import STOP_WORDS
from workbench.rag.packages import need

VERSION = 1
_WORD = re.compile(r"\d+(?:[.,]\d+)+(?![^\W_])|[^\W_]+(?:'[^\W\d_]+)*")
_PROBE = (
    "The customers' 2 refunds weren't processed: running, ran, easily, generously, organisation; E-4711 and v2.5 cost"
    " €1,299.00 in Zürich. naïve ponies' delivery_time is communicated differently"
)


class Analyzer:
    """Cut text into terms.

    `language` is one that Snowball stems ("english", "german", ...); `stop_words` replaces the language's own list,
    which only English has.
    """

    def __init__(self, language: str = "english", *, stop_words: frozenset[str] | None = None) -> None:
        self.language = language
        self.stop_words = STOP_WORDS.get(language, frozenset()) if stop_words is None else frozenset(stop_words)
        snowball = need("snowballstemmer")
        if language not in snowball.algorithms():
            raise InvalidInput(
                f"No stemmer for {language!r}.", hint=f"Known: {', '.join(sorted(snowball.algorithms()))}."
            )
        self._stemmer: Any = snowball.stemmer(language)
        self._stems: dict[str, str] = {}
        self._lock = threading.Lock()  # the stemmer keeps the word that it works on

    def terms(self, text: str) -> list[str]:
        """Return the terms of a text in order, repeated ones included."""
        words = _WORD.findall(
            unicodedata.normalize("NFKC", text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").casefold()
        )
        return [self._stem(word) for word in words if word not in self.stop_words]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of version, settings and of the terms of a fixed text, so that a changed stemmer shows."""
        said = [VERSION, self.language, sorted(self.stop_words), self.terms(_PROBE)]
        return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()[:16]

    def _stem(self, word: str) -> str:
        known = self._stems.get(word)
        if known is None:
            with self._lock:
                known = str(self._stemmer.stemWord(word))
                if len(self._stems) < 200_000:
                    self._stems[word] = known
        return known

    def __repr__(self) -> str:
        return f"Analyzer({self.language!r}, version={VERSION}, fingerprint={self.fingerprint!r})"
