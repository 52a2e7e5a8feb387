"""Who may let a prompt become live: which need somebody else's approval, and that nobody approves their own."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase

from workbench.errors import PermissionDenied
from workbench.gateway.access.identity import Identity
from workbench.settings import Settings


def approvals_needed(settings: Settings, name: str, alias: str) -> int:
    """Return how many others must approve before a version becomes live as `name@alias`."""
    told = settings.published
    subjects = (name, f"{name}@{alias}")
    return told.approvals if any(fnmatchcase(subjects["@" in each], each) for each in told.four_eyes) else 0


def check_direct(settings: Settings, name: str, alias: str) -> None:
    """Raise PermissionDenied where nobody may publish without an approved request."""
    if approvals_needed(settings, name, alias):
        raise PermissionDenied(
            f"{name}@{alias} becomes live only after somebody else has approved.",
            hint=f"Ask for it: `workbench prompts request {name} VERSION --alias {alias}`.",
            code="needs_approval",
        )


def self_approves(by: Identity, hands: Collection[str], settings: Settings) -> bool:
    """Return whether an approval is the local owner's of their own request.

    Raises PermissionDenied for everybody else who had a hand in it.
    """
    if by.name not in hands:
        return False
    if by.source == "owner" and not settings.identity.shared:
        return True
    raise PermissionDenied(
        f"{by.name} had a hand in this request; nobody approves their own.",
        hint="Another reviewer must look at it.",
        code="own_request",
    )
