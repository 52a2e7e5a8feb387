"""What a simulator remembers between requests: credentials that it takes, and the things that were made."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any

import msgspec

from workbench.simulator.issued import IssuedTokens
from workbench.simulator.reply import Refused

CREDENTIAL = "simulated-credential"
"""The key that simulated providers take; `simulated-credential-<name>` is good too, so that keys can be told apart."""

AWS_KEY_ID = "AKIASIMULATED0000000"
"""The AWS access key id that goes with `AWS_SECRET`."""

AWS_SECRET = "simulated/secret/access/key"  # noqa: S105 - a simulated one
"""The AWS secret access key."""

NOW = 1_767_225_600
"""The time that answers carry, the first second of 2026: the same question has the same answer, byte for byte."""


class State:
    """The memory of one simulator."""

    def __init__(self, *, credential: str = CREDENTIAL) -> None:
        self.credential = credential
        self.issued = IssuedTokens()
        self._shelves: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self._contents: dict[str, bytes] = {}
        self._made = 0
        self._prompts: set[bytes] = set()

    def takes(self, key: str | None) -> bool:
        """Return whether an API key is good."""
        return key is not None and (key == self.credential or key.startswith(f"{self.credential}-"))

    def new_id(self, prefix: str) -> str:
        """Return an id that was not given before."""
        self._made += 1
        return f"{prefix}sim{self._made:06d}"

    def keep(self, shelf: str, thing: dict[str, Any]) -> dict[str, Any]:
        """Put a thing with an `id` on a shelf; return it."""
        self._shelves[shelf][thing["id"]] = thing
        return thing

    def find(self, shelf: str, name: str) -> dict[str, Any]:
        """Return a thing by its id; raises Refused (404) if there is none."""
        thing = self._shelves[shelf].get(name)
        if thing is None:
            raise Refused(404, f"No such {shelf.removesuffix('s')}: {name!r}.")
        return thing

    def remove(self, shelf: str, name: str) -> None:
        """Take a thing away; raises Refused (404) if there is none."""
        self.find(shelf, name)
        del self._shelves[shelf][name]

    def all(self, shelf: str) -> list[dict[str, Any]]:
        """Return the things of a shelf, newest first."""
        return list(reversed(self._shelves[shelf].values()))

    def write(self, name: str, content: bytes) -> None:
        """Keep the content of a file."""
        self._contents[name] = content

    def read(self, name: str) -> bytes:
        """Return the content of a file; raises Refused (404) if there is none."""
        if name not in self._contents:
            raise Refused(404, f"No such file: {name!r}.")
        return self._contents[name]

    def has_seen(self, prefix: Any) -> bool:
        """Return whether the beginning of a prompt was asked before, and remember it: how prompt caches work."""
        digest = hashlib.sha256(msgspec.json.encode(prefix)).digest()
        seen = digest in self._prompts
        self._prompts.add(digest)
        return seen

    def forget_prompts(self) -> None:
        """Let the prompt caches be cold."""
        self._prompts.clear()
