"""What a simulator remembers between requests: credentials that it takes, what accounts hold, prompts that came."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from workbench.simulator.issued import IssuedTokens
from workbench.simulator.shelves import Shelves

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
        self.signers: dict[str, dict[str, Any]] = {}
        """Public keys of service accounts that were made here, by e-mail and the key's id."""
        self._accounts: dict[str, Shelves] = {}
        self._made = 0
        self._prompts: set[bytes] = set()

    def takes(self, key: str | None) -> bool:
        """Return whether an API key is good."""
        return key is not None and (key == self.credential or key.startswith(f"{self.credential}-"))

    def new_id(self, prefix: str) -> str:
        """Return an id that was not given before."""
        self._made += 1
        return f"{prefix}sim{self._made:06d}"

    def shelves(self, account: str) -> Shelves:
        """Return what an account holds."""
        if account not in self._accounts:
            self._accounts[account] = Shelves(self.new_id)
        return self._accounts[account]

    def has_seen(self, prefix: Any) -> bool:
        """Return whether the beginning of a prompt was asked before, and remember it: how prompt caches work."""
        digest = hashlib.sha256(msgspec.json.encode(prefix)).digest()
        seen = digest in self._prompts
        self._prompts.add(digest)
        return seen

    def forget_prompts(self) -> None:
        """Let the prompt caches be cold."""
        self._prompts.clear()
