"""One row of the table of paths: a pattern, its methods, and what the gateway must know of what goes over it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Reads = Literal[
    "nothing", "chat", "responses", "usage", "pictures", "transcript", "speech", "ranking", "messages", "tokens",
    "generate", "predict", "converse", "invoke", "partner", "live",
]  # fmt: skip
"""How an answer's usage is read; `nothing`: it uses nothing, or nobody can tell."""
Where = Literal["nowhere", "path", "body"]
Speaks = Literal["openai", "anthropic", "gemini", "bedrock"]

ANY = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
GET, POST = frozenset({"GET"}), frozenset({"POST"})
_SHAPES = {"version": r"v\d[a-z0-9]*", "project": "[^/:]+", "location": "[^/:]+", "publisher": "[^/:]+"}
_NAMED = re.compile(r"\{(\w+)\}|(/\*\*)|([^{/]+|/)")


@dataclass(frozen=True)
class Rule:
    """A path that may be called."""

    pattern: str
    """Path at the provider; `{x}` is a segment or a part of one, `/**` at the end is all that is below, and itself."""
    methods: frozenset[str] = POST
    """HTTP methods; HEAD goes with GET."""
    model: Where = "nowhere"
    """Where the model's name stands."""
    reads: Reads = "nothing"
    """How an answer is read."""
    stream: bool = False
    """Whether answers come in pieces whatever the body says."""
    shared: str | None = None
    """What here is the whole account's, readable by whoever knows or guesses its id; None: nothing."""
    speaks: Speaks | None = None
    """The protocol, where it is not the one of the kind."""

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        def piece(match: re.Match[str]) -> str:
            name, below, plain = match.groups()
            if below:
                return "(?:/.*)?"
            return re.escape(plain) if plain else f"(?P<{name}>{_SHAPES.get(name, '[^/]+?')})"

        return re.compile("".join(piece(match) for match in _NAMED.finditer(self.pattern)))

    def match(self, path: str) -> dict[str, str] | None:
        """Return the names that stand in a path, None where it is another path."""
        found = self._regex.fullmatch(path)
        return None if found is None else {n: text.replace("%2F", "/") for n, text in found.groupdict().items()}

    def allows(self, method: str) -> bool:
        """Tell whether the path takes a method."""
        return ("GET" if method == "HEAD" else method) in self.methods


def call(pattern: str, reads: Reads, *, speaks: Speaks | None = None) -> Rule:
    """Return a path whose body names the model, and may ask for a stream."""
    return Rule(pattern, POST, model="body", reads=reads, speaks=speaks)


def listing(pattern: str) -> Rule:
    """Return a path that tells what there is."""
    return Rule(pattern, GET)


def shared(pattern: str, what: str, *, methods: frozenset[str] = ANY) -> Rule:
    """Return paths to what belongs to the whole account."""
    return Rule(pattern, methods, shared=what)
