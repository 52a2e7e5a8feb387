"""Tokens that the simulator's own token servers gave out, and until when each is good."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Literal

Cloud = Literal["google", "entra", "aws"]


@dataclass(frozen=True, slots=True)
class Issued:
    """One token."""

    token: str
    """The bearer token, or AWS's session token."""
    expires_at: float
    """UNIX time."""
    holder: str
    """Who it was given to."""
    key_id: str = ""
    """AWS: the access key id that goes with it."""
    secret: str = ""
    """AWS: the secret access key that goes with it."""

    @property
    def expired(self) -> bool:
        """Return whether its time is over."""
        return time.time() >= self.expires_at


class IssuedTokens:
    """All tokens that were given out, by cloud."""

    def __init__(self) -> None:
        self.lifetimes: dict[Cloud, float] = {"google": 3600, "entra": 3600, "aws": 3600}
        """Seconds that the next tokens are good for."""
        self._tokens: dict[tuple[Cloud, str], Issued] = {}

    def issue(self, cloud: Cloud, *, holder: str, prefix: str, seconds: float | None = None) -> Issued:
        """Give out a token, good for the cloud's lifetime or for so many seconds."""
        name = secrets.token_hex(8)
        issued = Issued(
            token=f"{prefix}{secrets.token_urlsafe(24)}",
            expires_at=time.time() + (self.lifetimes[cloud] if seconds is None else seconds),
            holder=holder,
            key_id=f"ASIA{name.upper()}" if cloud == "aws" else "",
            secret=secrets.token_urlsafe(30) if cloud == "aws" else "",
        )
        self._tokens[cloud, issued.key_id or issued.token] = issued
        return issued

    def find(self, cloud: Cloud, token: str | None) -> Issued | None:
        """Return what is known of a token, for AWS by its access key id; an expired one is still known."""
        return self._tokens.get((cloud, token or ""))

    def revoke_all(self) -> None:
        """Forget every token, so that those in use are refused."""
        self._tokens.clear()
