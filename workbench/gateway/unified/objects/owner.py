"""Whose a stored object is: a use case's, else an owner's."""

from __future__ import annotations

from workbench.gateway.access.keys import Key
from workbench.gateway.routing.models import Audience


def owner_of(key: Key) -> str:
    """Return the name under which the objects of a key are kept."""
    return f"use-case:{key.use_case}" if key.use_case else f"owner:{key.owner}"


def audience_of(key: Key) -> Audience:
    """Return who else may use what a key has made."""
    return Audience(use_case=key.use_case) if key.use_case else Audience(owner=key.owner)
