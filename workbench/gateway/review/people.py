"""Who somebody is to a use case: its owner, a reviewer, a member of the group that it was escalated to."""

from __future__ import annotations

from workbench.errors import PermissionDenied
from workbench.gateway.access.identity import Identity
from workbench.gateway.review.policy import Policy
from workbench.gateway.review.record import Record
from workbench.gateway.review.store import unknown


def is_reviewer(identity: Identity) -> bool:
    """Tell whether somebody reviews use cases; to administer is not to review."""
    return "reviewer" in identity.roles


def is_owner(identity: Identity, record: Record) -> bool:
    """Tell whether somebody may write at a use case; an admin may in the owner's stead."""
    return identity.name in (record.owner, record.created_by) or "admin" in identity.roles


def may_see(identity: Identity, record: Record, policy: Policy) -> bool:
    """Tell whether somebody may know of a use case."""
    group = record.escalated_to
    return (
        is_owner(identity, record) or is_reviewer(identity) or (group is not None and policy.is_member(identity, group))
    )


def check_sees(identity: Identity, record: Record, policy: Policy) -> None:
    """Raise NotFound for somebody who may not know of a use case."""
    if not may_see(identity, record, policy):
        raise unknown(record.name)


def check_owner(identity: Identity, record: Record) -> None:
    """Raise PermissionDenied for somebody who does not own a use case."""
    if not is_owner(identity, record):
        raise PermissionDenied(
            f"{identity.name} does not own use case {record.name}.", hint=f"{record.owner} does.", code="not_owner"
        )


def check_reviewer(identity: Identity, record: Record, policy: Policy) -> None:
    """Raise PermissionDenied for somebody who may not decide on a use case in its state."""
    if record.state == "escalated" and record.escalated_to is not None:
        if not policy.is_member(identity, record.escalated_to):
            raise PermissionDenied(
                f"Use case {record.name} was escalated: only a member of {record.escalated_to} decides now.",
                hint=f"{identity.name} is none; the identity provider's groups say who is, or `members` of "
                f"[review.groups.{record.escalated_to}].",
                code="not_in_group",
            )
    elif not is_reviewer(identity):
        raise PermissionDenied(
            f"{identity.name} is no reviewer; this needs one.",
            hint="The admin gives roles: [identity.roles.reviewer] in the file.",
        )


def self_approves(identity: Identity, record: Record, policy: Policy) -> bool:
    """Return whether an approval is the local owner's of their own use case.

    Raises PermissionDenied for everybody else who had a hand in it.
    """
    if identity.name != record.owner and identity.name not in record.hands:
        return False
    if identity.source == "owner" and not policy.settings.identity.shared:
        return True
    raise PermissionDenied(
        f"{identity.name} had a hand in use case {record.name}; nobody approves their own.",
        hint="Another reviewer must look at it.",
        code="own_use_case",
    )
