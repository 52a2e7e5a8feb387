"""The states of a use case, and who may take it from which to which: the one table of transitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.errors import Conflict

State = Literal["draft", "submitted", "in_review", "changes_requested", "escalated", "approved", "rejected", "retired"]
Action = Literal[
    "edit", "submit", "comment", "request-changes", "escalate", "approve", "reject", "amend", "key", "retire"
]
OPEN: tuple[State, ...] = ("submitted", "in_review", "escalated")
"""States in which reviewers have the word."""
_LIVING: tuple[State, ...] = ("draft", "changes_requested", *OPEN, "approved")
_EVERY: tuple[State, ...] = (*_LIVING, "rejected", "retired")


@dataclass(frozen=True, slots=True)
class Step:
    """What an action does to the state."""

    to: dict[State, State]
    """Where it leads, by where it may begin."""
    by: str
    """Who may take it."""


TRANSITIONS: dict[Action, Step] = {
    "edit": Step({"draft": "draft", "changes_requested": "changes_requested"}, "its owner"),
    "submit": Step({"draft": "submitted", "changes_requested": "submitted"}, "its owner"),
    "comment": Step({**{state: state for state in _EVERY}, "submitted": "in_review"}, "its owner or a reviewer"),
    "request-changes": Step(dict.fromkeys(OPEN, "changes_requested"), "a reviewer"),
    "escalate": Step(dict.fromkeys(OPEN, "escalated"), "a reviewer"),
    "approve": Step(dict.fromkeys(OPEN, "approved"), "a reviewer"),
    "reject": Step(dict.fromkeys(OPEN, "rejected"), "a reviewer"),
    "amend": Step({"approved": "approved"}, "a reviewer"),
    "key": Step({"approved": "approved"}, "its owner"),
    "retire": Step(dict.fromkeys(_LIVING, "retired"), "its owner or a reviewer"),
}  # fmt: skip
"""A comment of its owner, and an approval that another must follow, lead elsewhere: see `review.py`."""


_VERBS: dict[Action, str] = {"key": "take a key", "request-changes": "request changes"}


def next_state(action: Action, state: State, *, name: str, escalated_to: str | None = None) -> State:
    """Return where an action leads; raises Conflict, which tells what may be done now and by whom."""
    to = TRANSITIONS[action].to.get(state)
    if to is None:
        raise Conflict(
            f"Use case {name} is {told(state)}: {action} can't be done.",
            hint=what_now(state, escalated_to=escalated_to),
            code="wrong_state",
        )
    return to


def what_now(state: State, *, escalated_to: str | None = None) -> str:
    """Return what may be done in a state, and by whom, as a sentence."""
    ways: dict[str, list[Action]] = {}
    for action in actions_in(state):
        by = TRANSITIONS[action].by
        if state == "escalated" and by == "a reviewer":
            by = f"a member of {escalated_to}"
        ways.setdefault(by, []).append(action)
    told_ways = [f"{by} may {' or '.join(_VERBS.get(each, each) for each in actions)}" for by, actions in ways.items()]
    return f"Now {'; '.join(told_ways)}."


def actions_in(state: State) -> list[Action]:
    """Return what may be done in a state."""
    return [action for action, step in TRANSITIONS.items() if state in step.to]


def told(state: State) -> str:
    """Return a state as a sentence has it."""
    return state.replace("_", " ")
