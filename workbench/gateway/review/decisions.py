"""What reviewers decide: each verb makes a record and an event of what was there, or says why it can't be."""

from __future__ import annotations

import msgspec

from workbench.errors import Conflict, InvalidInput
from workbench.gateway.access.identity import Identity
from workbench.gateway.review.completeness import check_shape
from workbench.gateway.review.grant import FIELDS, GrantWish, grant
from workbench.gateway.review.people import check_reviewer, is_reviewer, self_approves
from workbench.gateway.review.policy import Policy
from workbench.gateway.review.record import Approval, Event, Record, follow
from workbench.gateway.review.states import Action, State, next_state

Made = tuple[Record, Event]


def comment(record: Record, identity: Identity, *, text: str, at: float) -> Made:
    """Add a comment; a reviewer's first one takes a submitted use case into review."""
    reviews = is_reviewer(identity) and identity.name not in (record.owner, *record.hands)
    state = _next("comment", record) if reviews else record.state
    return follow(record, action="comment", by=identity, state=state, at=at, why=text)


def approve(record: Record, identity: Identity, policy: Policy, wish: GrantWish, *, at: float) -> Made:
    """Approve what was submitted; where two people must, the first approval takes it into review.

    The second approves what the first has granted: who wishes another grant asks for changes.
    """
    approved = _next("approve", record)
    check_reviewer(identity, record, policy)
    self_approved = self_approves(identity, record, policy)
    check_shape(record.rfc, policy)
    if any(earlier.by == identity.name for earlier in record.approvals):
        raise Conflict(
            f"{identity.name} approved use case {record.name} already; it needs another person.",
            hint=_needed(record, policy),
            code="already_approved",
        )
    classes = record.rfc.data_classes
    if record.approvals and record.grant is not None:
        granted = record.grant
        if any(getattr(granted, name) != value for name, value in wish.given().items()):
            raise Conflict(
                f"{record.approvals[0].by} has approved another grant for {record.name}.",
                hint="Approve that one by leaving the grant out, or request changes.",
                code="other_grant",
            )
    else:
        granted = grant(
            record.rfc,
            wish,
            review=policy.review,
            data_class=policy.most_sensitive(classes),
            providers=policy.providers(classes),
        )
    approval = Approval(by=identity.name, at=at, why=wish.why, self_approved_as_local_owner=self_approved)
    approvals = [*record.approvals, approval]
    enough = len(approvals) >= policy.approvals(classes)
    waiting: State = "escalated" if record.state == "escalated" else "in_review"
    return follow(
        record,
        action="approve",
        by=identity,
        state=approved if enough else waiting,
        at=at,
        why=wish.why,
        details={
            "grant": msgspec.to_builtins(granted),
            "approvals": f"{len(approvals)} of {policy.approvals(classes)}",
            **({"self_approved_as_local_owner": True} if self_approved else {}),
        },
        approvals=approvals,
        grant=granted,
    )


def amend(record: Record, identity: Identity, policy: Policy, wish: GrantWish, *, at: float) -> Made:
    """Change how much an approved use case gets; what data goes where is for a new review."""
    state = _next("amend", record)
    check_reviewer(identity, record, policy)
    self_approved = self_approves(identity, record, policy)
    given = wish.given()
    if wider := [name for name in ("models", "providers") if name in given]:
        raise InvalidInput(
            f"An amendment does not change {wider[0]}.", hint="Draft another use case for that.", param=wider[0]
        )
    if not given or record.grant is None:
        raise InvalidInput("The amendment changes nothing.", hint=FIELDS)
    granted = msgspec.structs.replace(record.grant, **given)
    details = {"grant": msgspec.to_builtins(granted)}
    if self_approved:
        details["self_approved_as_local_owner"] = True
    return follow(record, action="amend", by=identity, state=state, at=at, why=wish.why, details=details, grant=granted)


def reject(record: Record, identity: Identity, policy: Policy, *, why: str, at: float) -> Made:
    """Say no for good."""
    state = _next("reject", record)
    check_reviewer(identity, record, policy)
    return follow(record, action="reject", by=identity, state=state, at=at, why=why, approvals=[], grant=None)


def request_changes(record: Record, identity: Identity, policy: Policy, *, why: str, at: float) -> Made:
    """Give it back to its owner; what was approved so far counts no more."""
    state = _next("request-changes", record)
    check_reviewer(identity, record, policy)
    return follow(record, action="request-changes", by=identity, state=state, at=at, why=why, approvals=[], grant=None)


def escalate(record: Record, identity: Identity, policy: Policy, *, to: str | None, why: str, at: float) -> Made:
    """Hand the decision to a governance group; what was approved so far counts no more."""
    state = _next("escalate", record)
    check_reviewer(identity, record, policy)
    group = policy.group(to, record.rfc.data_classes)
    return follow(
        record,
        action="escalate",
        by=identity,
        state=state,
        at=at,
        why=why,
        details={"to": group},
        escalated_to=group,
        approvals=[],
        grant=None,
    )


def _next(action: Action, record: Record) -> State:
    return next_state(action, record.state, name=record.name, escalated_to=record.escalated_to)


def _needed(record: Record, policy: Policy) -> str:
    count = policy.approvals(record.rfc.data_classes)
    return f"{policy.most_sensitive(record.rfc.data_classes)} data asks for {count} people."
