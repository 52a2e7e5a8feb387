"""Which of a rollout's two versions a user gets: the same at the gateway, in this client, and in any other language.

A user is known by the SHA-256 of their key, in hex. `unit` is the first 16 digits of SHA-256("{rollout}:{user hash}"),
read as a number and taken modulo 10,000 it is the bucket; the candidate goes to buckets below 100 times its percentage.
So who has the candidate at 10 % has it at 25 %, too, and two rollouts choose different users first.
"""

from __future__ import annotations

import hashlib
import re

from workbench.errors import InvalidInput

BUCKETS = 10_000
"""A percentage has two decimals."""
_UNIT_DIGITS = 16
_HASH = re.compile(r"[0-9a-f]{64}")


def user_hash(user: str) -> str:
    """Return by what a user is known outside the process that names them: 64 hex digits."""
    if not user:
        raise InvalidInput("The user key is empty.", hint="Leave it away where there is none.", param="user")
    return hashlib.sha256(user.encode()).hexdigest()


def checked_hash(text: str) -> str:
    """Return a user hash as it was sent; raises InvalidInput for what is none."""
    if not _HASH.fullmatch(text):
        raise InvalidInput(
            "user_hash is no SHA-256 in 64 lower-case hex digits.",
            hint="Send user=KEY, or its hash.",
            param="user_hash",
        )
    return text


def unit_of(rollout: str, hashed: str) -> str:
    """Return the name that a user has in one rollout, and in no other: 16 hex digits."""
    return hashlib.sha256(f"{rollout}:{hashed}".encode()).hexdigest()[:_UNIT_DIGITS]


def gets_candidate(unit: str, weight: float) -> bool:
    """Return whether a user gets the candidate, which `weight` percent of all users get."""
    return int(unit, 16) % BUCKETS < round(weight * BUCKETS / 100)
